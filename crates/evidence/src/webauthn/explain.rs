//! The long text behind every code of [`super::PasskeyError`].

use countersign_model::{Exit, Explanation};

const fn explained(code: &'static str, exit: Exit, title: &'static str, text: &'static str) -> Explanation {
    Explanation { code, title, text, exit }
}

/// One explanation for every code of [`super::PasskeyError`].
pub const EXPLANATIONS: &[Explanation] = &[
    explained(
        "CS-PASSKEY-001",
        Exit::Unverified,
        "not a passkey's answer",
        "Expected is the JSON that `PublicKeyCredential.toJSON()` gives, 64 KiB at most, with bytes as base64url without \
         padding. Inside, the client data is a JSON object without a key twice, CBOR is in CTAP2's canonical form, signatures \
         are strict DER, and every length is met exactly: what is cut off or followed by something is refused.",
    ),
    explained(
        "CS-PASSKEY-002",
        Exit::Unverified,
        "the passkey answered something else",
        "The client data names what the browser was asked: to make a passkey or to sign with one, the challenge, and the \
         origin. The challenge of a signature is made from exactly the statement that is signed. One of them is not what was \
         asked for here, or the question came from a page inside another site's frame.",
    ),
    explained(
        "CS-PASSKEY-003",
        Exit::Unverified,
        "another relying party",
        "The authenticator signs the digest of the name that the passkey was made for, and this is another name. Such an \
         answer was got by another site.",
    ),
    explained(
        "CS-PASSKEY-004",
        Exit::Unverified,
        "nobody was present",
        "The authenticator says that nobody touched it (flag UP). Software on the machine can ask for such an answer without \
         anybody noticing, so it counts for nothing.",
    ),
    explained(
        "CS-PASSKEY-005",
        Exit::Unverified,
        "the person was not verified",
        "Somebody touched the authenticator and showed neither a PIN nor biometrics (flag UV), so it could be anybody who has \
         it in hand. Acts need more than that.",
    ),
    explained(
        "CS-PASSKEY-006",
        Exit::Usage,
        "the algorithm of a passkey is not accepted",
        "Acts are stored as SSH signatures, so that `ssh-keygen -Y verify` can check them without this program. OpenSSH has a \
         form for passkeys with ES256 (ECDSA over P-256). It has none for EdDSA in the versions that are about, and none for \
         RSA; such passkeys are not enrolled. Nearly every authenticator makes ES256 keys when it is asked for them.",
    ),
    explained(
        "CS-PASSKEY-007",
        Exit::Unverified,
        "the attestation of a passkey is not accepted",
        "A passkey is enrolled on the word of an administrator, not on that of a manufacturer. Accepted are the attestation \
         `none`, and `packed` by the new key itself, whose signature must verify. Attestation with certificates is refused \
         rather than ignored: it would look as if it had been checked.",
    ),
    explained(
        "CS-PASSKEY-008",
        Exit::Unverified,
        "the signature of a passkey does not verify",
        "The passkey's key did not sign these bytes: the authenticator's data, or what the browser was asked, was altered.",
    ),
    explained(
        "CS-PASSKEY-009",
        Exit::Unverified,
        "another passkey answered",
        "The request named one passkey, and the answer is of another; or the answer names a credential other than the one \
         that the authenticator made.",
    ),
    explained(
        "CS-PASSKEY-010",
        Exit::Usage,
        "the origin of passkeys cannot be used",
        "The origin is where people sign: `https://HOST` or `https://HOST:PORT`, or `http://localhost:PORT` on one's own \
         machine. No path, no `:443`, no capital letters. The relying party's id is that host or a domain above it. Neither \
         can be changed for a passkey that exists.",
    ),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use countersign_model::Diagnostic as _;

    use super::*;
    use crate::webauthn::PasskeyError;

    #[test]
    fn every_error_is_explained_once_and_helps() {
        let all = [
            PasskeyError::Form("x"),
            PasskeyError::Ceremony("x"),
            PasskeyError::RelyingParty { expected: "x".into() },
            PasskeyError::NotPresent,
            PasskeyError::NotVerified,
            PasskeyError::Algorithm("x"),
            PasskeyError::Attestation("x"),
            PasskeyError::Signature,
            PasskeyError::OtherCredential,
            PasskeyError::Origin("x"),
        ];
        let codes: BTreeSet<_> = all.iter().map(|e| (e.code(), e.exit().code())).collect();
        assert_eq!(codes, EXPLANATIONS.iter().map(|e| (e.code, e.exit.code())).collect());
        assert_eq!((codes.len(), EXPLANATIONS.len()), (all.len(), all.len()));
        assert!(all.iter().all(|e| !e.help().is_empty() && !e.to_string().ends_with('.')));
    }
}
