//! ECDSA signatures over P-256, from the form of X.509 to that of SSH. Both write whole numbers in the shortest two's complement,
//! and here either has one form: strict DER, `r` and `s` below the curve's order and not zero, `s` the smaller of the two that
//! verify.

use p256::ecdsa::{Signature, VerifyingKey};
use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};

use crate::sshsig::wire;

/// Bytes of a coordinate, and of `r` and `s`.
const FIELD: usize = 32;

/// Whether a point is in SEC 1's uncompressed form and on the curve.
pub(super) fn is_point(point: &[u8]) -> bool {
    point.len() == 2 * FIELD + 1 && VerifyingKey::from_sec1_bytes(point).is_ok()
}

/// Whether the key at a point signed the message (with SHA-256).
pub(super) fn verifies(point: &[u8], message: &[u8], signature: &Signature) -> bool {
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(message, &signature.to_bytes()).is_ok()
}

/// A signature in ASN.1 (RFC 3279 §2.2.3), strict DER (X.690 §10), brought into the one form.
pub(super) fn from_der(der: &[u8]) -> Option<Signature> {
    fn element(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
        let (head, rest) = bytes.split_first_chunk::<2>()?;
        // A signature of P-256 is shorter than 128 bytes, so that its length has one byte.
        (head[0] == tag && head[1] < 0x80).then_some(())?;
        rest.split_at_checked(usize::from(head[1]))
    }
    let (body, after) = element(der, 0x30)?;
    let (r, rest) = element(body, 0x02)?;
    let (s, end) = element(rest, 0x02)?;
    (after.is_empty() && end.is_empty()).then_some(())?;
    let signature = Signature::from_scalars(scalar(r)?, scalar(s)?).ok()?;
    Some(signature.normalize_s().unwrap_or(signature))
}

/// A signature as SSH has it (RFC 5656 §3.1.2), only in the one form.
pub(super) fn from_ssh(blob: &[u8]) -> Option<Signature> {
    let mut reader = wire::Reader::new(blob);
    let (r, s) = (scalar(reader.string()?)?, scalar(reader.string()?)?);
    reader.end()?;
    let signature = Signature::from_scalars(r, s).ok()?;
    signature.normalize_s().is_none().then_some(signature)
}

/// As SSH has it.
pub(super) fn to_ssh(signature: &Signature) -> Vec<u8> {
    let mut out = Vec::new();
    for half in [signature.split_bytes().0, signature.split_bytes().1] {
        let significant = half.iter().position(|b| *b != 0).map_or(&[][..], |at| half.get(at..).unwrap_or_default());
        let sign = significant.first().is_some_and(|b| *b >= 0x80);
        let number = if sign { [&[0], significant].concat() } else { significant.to_vec() };
        wire::put(&mut out, &number);
    }
    out
}

/// A whole number above zero in the shortest two's complement, of 32 bytes at most.
fn scalar(bytes: &[u8]) -> Option<[u8; FIELD]> {
    let significant = match bytes {
        [0, next, ..] if *next >= 0x80 => bytes.get(1..)?,
        [first, ..] if (1..0x80).contains(first) => bytes,
        _ => return None,
    };
    let mut out = [0; FIELD];
    out.get_mut(FIELD.checked_sub(significant.len())?..)?.copy_from_slice(significant);
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `SEQUENCE { INTEGER r, INTEGER s }`.
    fn der(r: &[u8], s: &[u8]) -> Vec<u8> {
        let n = |n: &[u8]| [&[2, u8::try_from(n.len()).unwrap()], n].concat();
        let body = [n(r), n(s)].concat();
        [vec![0x30, u8::try_from(body.len()).unwrap()], body].concat()
    }

    #[test]
    fn a_signature_has_one_form() {
        let order = p256_order();
        let good = from_der(&der(&[1], &[0, 0x80])).unwrap();
        assert_eq!(to_ssh(&good), [&[0, 0, 0, 1, 1, 0, 0, 0, 2][..], &[0, 0x80]].concat());
        assert_eq!(from_ssh(&to_ssh(&good)), Some(good));
        // n − 1 is the large form of 1.
        let mut large = order;
        large[31] -= 1;
        let large = [&[0][..], &large].concat();
        let turned = from_der(&der(&[1], &large)).unwrap();
        assert_eq!(to_ssh(&turned), [0, 0, 0, 1, 1, 0, 0, 0, 1, 1]);
        let mut ssh = Vec::new();
        wire::put(&mut ssh, &[1]);
        wire::put(&mut ssh, &large);
        assert_eq!(from_ssh(&ssh), None, "the large form is not stored");
        let order = [&[0][..], &order].concat();
        for bad in [
            der(&[], &[1]),
            der(&[0], &[1]),
            der(&[1], &[0]),
            der(&[0, 1], &[1]),  // longer than needed
            der(&[0x80], &[1]),  // negative
            der(&[1], &order),   // not below the order
            der(&[1; 33], &[1]), // too large
            [der(&[1], &[1]), vec![0]].concat(),
            vec![0x30, 0x81, 6, 2, 1, 1, 2, 1, 1], // a longer length than needed
            vec![0x30, 7, 2, 1, 1, 2, 1, 1, 0],    // something inside
            vec![0x31, 6, 2, 1, 1, 2, 1, 1],
            vec![0x30, 0x80, 2, 1, 1, 2, 1, 1, 0, 0], // BER of indefinite length
        ] {
            assert!(from_der(&bad).is_none(), "{bad:?}");
        }
        let whole = der(&[1], &[1]);
        assert!((0..whole.len()).all(|n| from_der(&whole[..n]).is_none()));
        assert!(from_ssh(&[0, 0, 0, 1, 1, 0, 0, 0, 1, 1, 0]).is_none(), "something follows");
        assert!(from_ssh(&[0, 0, 0, 1, 1]).is_none());
    }

    /// The order of P-256 (SEC 2 §2.4.2).
    fn p256_order() -> [u8; 32] {
        let hex = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
        countersign_model::digest::from_hex(hex).unwrap().try_into().unwrap()
    }
}
