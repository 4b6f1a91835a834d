//! Verifying the signatures of commits, without any program that a configuration names.

use countersign_evidence::sshsig;

use super::commit::RawSignature;

/// The namespace that git signs under.
const NAMESPACE: &str = "git";

/// What a commit's signature is worth. `Valid` means: whoever holds this key signed this commit. Whose key it is, and
/// whether it counted then, is decided elsewhere.
#[derive(Debug, Clone)]
pub enum SignatureStatus {
    /// Not signed.
    None,
    /// It verifies.
    Valid {
        /// The key's fingerprint, `SHA256:…`.
        fingerprint: String,
        /// The key.
        key: sshsig::PublicKey,
        /// The certificate of the key, where the signature carries one that its authority signed.
        certificate: Option<Box<sshsig::Certificate>>,
    },
    /// It does not.
    Invalid {
        /// Why, for people.
        why: String,
    },
    /// Nothing here can verify this format; it counts as not signed.
    Unsupported {
        /// `OpenPGP` or `X.509`.
        format: &'static str,
    },
}

/// Verifies a commit's signature against the key that stands in it.
#[must_use]
pub fn verify_commit(raw: &RawSignature) -> SignatureStatus {
    let (armored, payload) = match raw {
        RawSignature::None => return SignatureStatus::None,
        // Not without the enrolled keys: [`crate::gpg::Keyring`].
        RawSignature::OpenPgp(_) => return SignatureStatus::Unsupported { format: "OpenPGP" },
        RawSignature::X509 => return SignatureStatus::Unsupported { format: "X.509" },
        RawSignature::Malformed => {
            return SignatureStatus::Invalid { why: "not one signature of a known format".to_owned() };
        }
        RawSignature::Ssh { armored, payload } => (armored, payload),
    };
    let verified =
        sshsig::embedded_key(armored).and_then(|key| sshsig::verify(&key, NAMESPACE, payload, armored).map(|()| key));
    match verified {
        Ok(key) => {
            // One that is not sound says nothing; the key may be somebody's all the same.
            let certificate = sshsig::Certificate::of_signature(armored).ok().flatten().map(Box::new);
            SignatureStatus::Valid { fingerprint: key.fingerprint(), key, certificate }
        }
        // A kind of key that is not accepted here proves nothing for and nothing against: it counts as unsigned.
        Err(countersign_evidence::Error::WeakAlgorithm(_) | countersign_evidence::Error::UnsupportedAlgorithm(_)) => {
            SignatureStatus::Unsupported { format: "an SSH key of a kind that is not accepted" }
        }
        Err(e) => SignatureStatus::Invalid { why: e.to_string() },
    }
}
