//! Trust policies, and checkpoints held against them.
#![no_main]

use countersign_evidence::trust_policy::TrustPolicy;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&[u8], &[u8])| {
    let (policy, note) = input;
    if let Ok(policy) = TrustPolicy::parse(policy) {
        let _ = policy.quorum_text();
        let _ = policy.examine(note);
    }
});
