//! What a browser answers is read or refused, and what was read can be enrolled.
#![no_main]

use countersign_evidence::webauthn::{Assertion, base64url, check_enrolment, register};
use libfuzzer_sys::fuzz_target;

const ORIGIN: &str = "https://a.test";
const RP_ID: &str = "a.test";

fuzz_target!(|bytes: &[u8]| {
    let _ = Assertion::from_json(bytes).is_ok();
    let _ = register(bytes, b"", ORIGIN, RP_ID).is_ok();
    // All is well but the attestation object.
    let client_data = base64url(br#"{"type":"webauthn.create","challenge":"","origin":"https://a.test"}"#);
    let object = base64url(bytes);
    let answer = format!(
        r#"{{"id":"AA","rawId":"AA","type":"public-key","response":{{"clientDataJSON":"{client_data}","attestationObject":"{object}"}}}}"#
    );
    if let Ok(made) = register(answer.as_bytes(), b"", ORIGIN, RP_ID) {
        assert!(check_enrolment(&made.key, &made.passkey).is_ok());
    }
});
