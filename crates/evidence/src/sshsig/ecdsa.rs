//! ECDSA signatures of SSH keys (RFC 5656 §3.1.2; OpenSSH PROTOCOL.u2f for tokens), verified by `ring`: several times
//! faster than the arithmetic that `ssh-key` brings, and every fold verifies every act.

use ring::digest::{SHA256, digest};
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, EcdsaVerificationAlgorithm, UnparsedPublicKey,
};
use ssh_key::public::{EcdsaPublicKey, KeyData};

use super::wire::Reader;

/// Whether the key made the signature over `signed`; `None` when it is no ECDSA key, and nothing is said then.
///
/// `raw` is the pair of numbers as it stands in the signature, `trailer` a token's flags and counter.
pub(super) fn verify(key: &KeyData, signed: &[u8], raw: &[u8], trailer: &[u8]) -> Option<bool> {
    match key {
        KeyData::Ecdsa(key) => Some(holds(key, signed, raw)),
        KeyData::SkEcdsaSha2NistP256(key) => {
            let (application, message) = (digest(&SHA256, key.application().as_bytes()), digest(&SHA256, signed));
            let signed = [application.as_ref(), trailer, message.as_ref()].concat();
            Some(holds(&EcdsaPublicKey::NistP256(*key.ec_point()), &signed, raw))
        }
        _ => None,
    }
}

fn holds(key: &EcdsaPublicKey, signed: &[u8], raw: &[u8]) -> bool {
    let (algorithm, point, width): (&'static EcdsaVerificationAlgorithm, &[u8], usize) = match key {
        EcdsaPublicKey::NistP256(point) => (&ECDSA_P256_SHA256_FIXED, point.as_ref(), 32),
        EcdsaPublicKey::NistP384(point) => (&ECDSA_P384_SHA384_FIXED, point.as_ref(), 48),
        EcdsaPublicKey::NistP521(_) => return false,
    };
    let mut reader = Reader::new(raw);
    let (Some(r), Some(s), Some(())) = (reader.string(), reader.string(), reader.end()) else { return false };
    let mut fixed = Vec::with_capacity(2 * width);
    for number in [r, s] {
        let Some(number) = unsigned(number, width) else { return false };
        fixed.resize(fixed.len() + width - number.len(), 0);
        fixed.extend_from_slice(number);
    }
    UnparsedPublicKey::new(algorithm, point).verify(signed, &fixed).is_ok()
}

/// A positive number of SSH's encoding (RFC 4251 §5, `mpint`) without its sign: one number has one form, so no zero
/// stands before it that need not.
fn unsigned(number: &[u8], width: usize) -> Option<&[u8]> {
    let number = match number {
        [0, rest @ ..] if rest.first().is_some_and(|first| first & 0x80 != 0) => rest,
        [first, ..] if *first != 0 && first & 0x80 == 0 => number,
        _ => return None,
    };
    (number.len() <= width).then_some(number)
}
