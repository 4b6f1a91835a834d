//! A request to a witness has one text, and an unsigned one is refused.
#![no_main]

use countersign_evidence::note::SignerKey;
use countersign_evidence::witness::{Answer, Request, decide};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(request) = Request::parse(bytes) {
        assert_eq!(request.to_text().as_bytes(), bytes);
        let keys: Vec<_> = SignerKey::from_seed("k", &[1; 32]).iter().map(|k| k.verifier().clone()).collect();
        assert!(decide(&request, &keys, None).is_err());
    }
    let _ = Answer::read(409, Some("text/x.tlog.size"), bytes);
});
