//! Encodings and checksums that the proofs share. Values are short, so bit by bit is fast enough.

use base64::Engine as _;
use base64::engine::general_purpose::GeneralPurpose;
use base64::engine::{DecodePaddingMode, GeneralPurposeConfig};

const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&base64::alphabet::STANDARD, LENIENT);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&base64::alphabet::URL_SAFE, LENIENT);

/// Base 64 (RFC 4648 §4), with or without padding.
pub(super) fn base64(text: &[u8]) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

/// Base 64 for addresses and file names (RFC 4648 §5), with or without padding.
pub(super) fn base64url(text: &[u8]) -> Option<Vec<u8>> {
    URL_SAFE.decode(text).ok()
}

/// Base 32 (RFC 4648 §6) without padding. Bits left over at the end must be zero, or two texts would mean the same.
pub(super) fn base32(text: &[u8]) -> Option<Vec<u8>> {
    let (mut bits, mut have) = (0_u32, 0_u32);
    let mut out = Vec::with_capacity(text.len() * 5 / 8);
    for byte in text {
        let five = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'2'..=b'7' => byte - b'2' + 26,
            _ => return None,
        };
        bits = bits << 5 | u32::from(five);
        have += 5;
        if have >= 8 {
            have -= 8;
            out.push((bits >> have & 0xFF) as u8);
            bits &= (1 << have) - 1;
        }
    }
    (bits == 0 && have < 5).then_some(out)
}

/// The big-endian number of a text in base 58 with Bitcoin's alphabet; a leading `1` is a zero byte.
pub(super) fn base58(text: &[u8]) -> Option<Vec<u8>> {
    const ALPHABET: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
    // Least significant byte first.
    let mut number: Vec<u8> = Vec::with_capacity(text.len());
    for byte in text {
        let mut carry = ALPHABET.iter().position(|a| a == byte)?;
        for place in &mut number {
            carry += usize::from(*place) * 58;
            *place = (carry & 0xFF) as u8;
            carry >>= 8;
        }
        while carry > 0 {
            number.push((carry & 0xFF) as u8);
            carry >>= 8;
        }
    }
    number.extend(text.iter().take_while(|b| **b == b'1').map(|_| 0));
    number.reverse();
    Some(number)
}

/// CRC-32 as of ISO-HDLC (polynomial 0x04C11DB7 reflected).
pub(super) fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |c, _| if c & 1 == 1 { (c >> 1) ^ 0xEDB8_8320 } else { c >> 1 })
    })
}

/// CRC-16 as of XMODEM (polynomial 0x1021, starting from 0).
pub(super) fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0_u16, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte) << 8, |c, _| if c & 0x8000 == 0 { c << 1 } else { c << 1 ^ 0x1021 })
    })
}

/// Writes `number` into `digits` in the base that `alphabet` has digits for, padded on the left with its first.
pub(super) fn digits<const N: usize>(mut number: u32, alphabet: &[u8]) -> [u8; N] {
    let base = u32::try_from(alphabet.len()).unwrap_or(u32::MAX);
    let mut out = [alphabet[0]; N];
    for slot in out.iter_mut().rev() {
        *slot = alphabet[(number % base) as usize];
        number /= base;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_of_the_check_string() {
        // The published check values of CRC-32/ISO-HDLC and CRC-16/XMODEM.
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
        assert_eq!(crc16(b"123456789"), 0x31C3);
    }

    #[test]
    fn published_texts_decode() {
        // RFC 4648 §10.
        assert_eq!(base32(b"MZXW6YTB").unwrap(), b"fooba");
        assert_eq!(base32(b"MZXW6").unwrap(), b"foo");
        assert_eq!(base32(b"MZXW7"), None, "bits beyond the last byte");
        assert_eq!(base32(b"MZXW1"), None);
        assert_eq!(base64(b"Zm9vYg==").unwrap(), b"foob");
        assert_eq!(base64url(b"-_8").unwrap(), [0xFB, 0xFF]);
        // The test vectors of the Base58 draft.
        assert_eq!(base58(b"2NEpo7TZRRrLZSi2U").unwrap(), b"Hello World!");
        assert_eq!(base58(b"11233QC4").unwrap(), [0, 0, 0x28, 0x7F, 0xB4, 0xCD]);
        assert_eq!(base58(b"0OIl"), None);
        assert_eq!(digits::<3>(35, b"0123456789abcdefghijklmnopqrstuvwxyz"), *b"00z");
    }
}
