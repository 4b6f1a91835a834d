//! OpenPGP framing (RFC 9580 §4, §6): enough to hand one signature and what it is over to `gpg`, and nothing else.
//!
//! Nothing is verified here. What a hostile commit could put where a signature belongs (another message, compressed or encrypted
//! data, a second signature) is refused before any program reads it.

use crate::encoding::from_base64;

/// Bytes of the largest certificate that is read.
pub const LARGEST_CERTIFICATE: usize = 256 << 10;
/// Bytes of the largest armoured signature that is read.
const LARGEST_SIGNATURE: usize = 64 << 10;

const SIGNATURE: u8 = 2;
const PUBLIC_KEY: u8 = 6;
const TRUST: u8 = 12;
const USER_ID: u8 = 13;
const PUBLIC_SUBKEY: u8 = 14;
const USER_ATTRIBUTE: u8 = 17;
const SECRET_KEYS: [u8; 2] = [5, 7];

/// Why something is not handed to `gpg`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// It is too large.
    #[error("it is too large")]
    TooLarge,
    /// No armour, or a damaged one.
    #[error("it is no OpenPGP armour of the right kind")]
    Armour,
    /// Damaged packets.
    #[error("its packets are damaged")]
    Packets,
    /// Not the packets that belong there.
    #[error("it holds something else than it should")]
    Contents,
    /// A private key.
    #[error("it holds a private key")]
    SecretKey,
    /// More than one key.
    #[error("it holds {0} keys, and one is needed")]
    Keys(usize),
    /// A signature of a version or type that is not verified here.
    #[error("it is a signature of a kind that is not verified here")]
    Kind,
}

/// The packets of one certificate (a public key with its user ids and subkeys), out of its armour if it has one.
///
/// # Errors
/// When it is anything else.
pub fn certificate(given: &[u8]) -> Result<Vec<u8>, Unreadable> {
    if given.len() > LARGEST_CERTIFICATE {
        return Err(Unreadable::TooLarge);
    }
    let bytes = match std::str::from_utf8(given) {
        Ok(text) if text.trim_start().starts_with("-----BEGIN PGP PRIVATE KEY") => return Err(Unreadable::SecretKey),
        Ok(text) if text.trim_start().starts_with("-----") => {
            dearmor(text, "PUBLIC KEY BLOCK").ok_or(Unreadable::Armour)?
        }
        _ => given.to_vec(),
    };
    let mut keys = 0_usize;
    for (n, (tag, _)) in packets(&bytes).ok_or(Unreadable::Packets)?.into_iter().enumerate() {
        match tag {
            PUBLIC_KEY => keys = keys.saturating_add(1),
            SIGNATURE | TRUST | USER_ID | PUBLIC_SUBKEY | USER_ATTRIBUTE if n > 0 => {}
            _ if SECRET_KEYS.contains(&tag) => return Err(Unreadable::SecretKey),
            _ => return Err(Unreadable::Contents),
        }
    }
    if keys == 1 { Ok(bytes) } else { Err(Unreadable::Keys(keys)) }
}

/// A signed message (RFC 9580 §10.3: signature packet, literal data packet) of the detached signature in a commit and the bytes
/// that it is over. `gpg` verifies many of these in one process, and of detached signatures one.
///
/// # Errors
/// When it is not exactly one signature, of version 4, over a document.
pub fn message(armored: &str, payload: &[u8]) -> Result<Vec<u8>, Unreadable> {
    if armored.len() > LARGEST_SIGNATURE {
        return Err(Unreadable::TooLarge);
    }
    if armored.starts_with("-----BEGIN PGP MESSAGE-----") {
        // What PGP 2 wrote for a signature.
        return Err(Unreadable::Kind);
    }
    let mut bytes = dearmor(armored, "SIGNATURE").ok_or(Unreadable::Armour)?;
    match packets(&bytes).ok_or(Unreadable::Packets)?.as_slice() {
        // Version 4, over a binary document. What a signature of version 5 is over depends on the literal packet's header.
        [(SIGNATURE, [4, 0, ..])] => {}
        [(SIGNATURE, _)] => return Err(Unreadable::Kind),
        _ => return Err(Unreadable::Contents),
    }
    // Format `b`, no file name, no time.
    let header = [b'b', 0, 0, 0, 0, 0];
    let len = payload.len().saturating_add(header.len());
    let len = u32::try_from(len).map_err(|_| Unreadable::TooLarge)?;
    bytes.reserve(payload.len().saturating_add(16));
    bytes.extend_from_slice(&[0xcb, 0xff]);
    bytes.extend_from_slice(&len.to_be_bytes());
    bytes.extend_from_slice(&header);
    bytes.extend_from_slice(payload);
    Ok(bytes)
}

/// Tags and bodies of the packets, all of definite length and to the last byte.
fn packets(mut bytes: &[u8]) -> Option<Vec<(u8, &[u8])>> {
    let mut packets = Vec::new();
    while let Some((first, rest)) = bytes.split_first() {
        let (tag, len, rest) = match first {
            0xc0.. => {
                let (len, rest) = new_length(rest)?;
                (first & 0x3f, len, rest)
            }
            0x80..=0xbf => {
                // Length type 3 means: to the end of the file.
                let octets = match first & 3 {
                    0 => 1,
                    1 => 2,
                    2 => 4,
                    _ => return None,
                };
                let (len, rest) = rest.split_at_checked(octets)?;
                ((first >> 2) & 0x0f, big_endian(len), rest)
            }
            _ => return None,
        };
        let (body, rest) = rest.split_at_checked(len)?;
        packets.push((tag, body));
        bytes = rest;
    }
    Some(packets)
}

/// RFC 9580 §4.2.1; lengths in parts are for data, and there is none.
fn new_length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (first, rest) = bytes.split_first()?;
    match first {
        0..=191 => Some((usize::from(*first), rest)),
        192..=223 => {
            let (second, rest) = rest.split_first()?;
            let high = usize::from(*first).checked_sub(192)?.checked_mul(256)?;
            Some((high.checked_add(usize::from(*second))?.checked_add(192)?, rest))
        }
        255 => {
            let (len, rest) = rest.split_at_checked(4)?;
            Some((big_endian(len), rest))
        }
        _ => None,
    }
}

fn big_endian(bytes: &[u8]) -> usize {
    bytes.iter().fold(0, |n, b| (n << 8) | usize::from(*b))
}

/// The bytes inside one armour (RFC 9580 §6.2), with nothing before or behind it. Its headers say nothing that counts, and its
/// checksum protects from nothing that the signature does not.
fn dearmor(text: &str, kind: &str) -> Option<Vec<u8>> {
    let body = text
        .trim()
        .strip_prefix("-----BEGIN PGP ")?
        .strip_prefix(kind)?
        .strip_prefix("-----")?
        .strip_suffix("-----")?
        .strip_suffix(kind)?
        .strip_suffix("-----END PGP ")?;
    let mut lines = body.lines().map(str::trim_end);
    // The rest of the first line.
    lines.next().filter(|rest| rest.is_empty())?;
    for header in lines.by_ref() {
        if header.is_empty() {
            break;
        }
        header.split_once(": ")?;
    }
    let mut base64 = String::with_capacity(body.len());
    for line in lines.by_ref() {
        if line.starts_with('=') {
            break;
        }
        base64.push_str(line);
    }
    lines.all(str::is_empty).then(|| from_base64(&base64)).flatten().filter(|bytes| !bytes.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoding::to_base64;
    use proptest::prelude::*;

    fn armored(kind: &str, bytes: &[u8]) -> String {
        format!("-----BEGIN PGP {kind}-----\nComment: x\n\n{}\n=AAAA\n-----END PGP {kind}-----\n", to_base64(bytes))
    }

    /// An old and a new header in front of a body.
    fn packet(tag: u8, body: &[u8]) -> Vec<u8> {
        [&[0xc0 | tag, u8::try_from(body.len()).unwrap()], body].concat()
    }

    #[test]
    fn one_signature_and_what_it_is_over() {
        let signature = packet(2, &[4, 0, 22, 8]);
        let made = message(&armored("SIGNATURE", &signature), b"tree x\n").unwrap();
        assert_eq!(made, [signature.as_slice(), &[0xcb, 0xff, 0, 0, 0, 13, b'b', 0, 0, 0, 0, 0], b"tree x\n"].concat());
        // The same with a header of the older form.
        let old = [0x88, 4, 4, 0, 22, 8];
        assert!(message(&armored("SIGNATURE", &old), b"").unwrap().starts_with(&old));
    }

    #[test]
    fn nothing_else_passes_for_a_signature() {
        let good = packet(2, &[4, 0, 22, 8]);
        let refused = |bytes: &[u8]| message(&armored("SIGNATURE", bytes), b"x").unwrap_err();
        assert_eq!(refused(&[good.clone(), good.clone()].concat()), Unreadable::Contents);
        assert_eq!(refused(&[good.clone(), packet(11, b"b")].concat()), Unreadable::Contents);
        assert_eq!(refused(&packet(8, &[1])), Unreadable::Contents);
        for other in [[3_u8, 5, 0, 0], [5, 0, 22, 8], [6, 0, 22, 8], [4, 1, 22, 8], [4, 0x10, 22, 8]] {
            assert_eq!(refused(&packet(2, &other)), Unreadable::Kind);
        }
        // To the end, in parts, beyond the end.
        for bad in [&[0x8b, 4, 0][..], &[0xc2, 0xe0, 4, 0], &[0xc2, 9, 4, 0], &[0x02], &[0xc2]] {
            assert_eq!(refused(bad), Unreadable::Packets);
        }
        let text = armored("SIGNATURE", &good);
        assert_eq!(message(&text.replace("SIGNATURE", "MESSAGE"), b"x").unwrap_err(), Unreadable::Kind);
        for bad in [
            text.replace("SIGNATURE", "PUBLIC KEY BLOCK"),
            text.replacen("-----BEGIN", "x-----BEGIN", 1),
            format!("{text}{text}"),
            text.replace("Comment: x", "Comment"),
            text.replace("=AAAA\n", "=AAAA\nxAAA\n"),
            String::new(),
        ] {
            assert_eq!(message(&bad, b"x").unwrap_err(), Unreadable::Armour, "{bad}");
        }
        assert_eq!(message(&"x".repeat(LARGEST_SIGNATURE + 1), b"").unwrap_err(), Unreadable::TooLarge);
    }

    #[test]
    fn a_certificate_is_one_public_key() {
        let key = packet(PUBLIC_KEY, b"k");
        let rest = [packet(USER_ID, b"Ann"), packet(SIGNATURE, b"s"), packet(PUBLIC_SUBKEY, b"k")].concat();
        let whole = [key.clone(), rest.clone()].concat();
        assert_eq!(certificate(&whole).unwrap(), whole);
        assert_eq!(certificate(armored("PUBLIC KEY BLOCK", &whole).as_bytes()).unwrap(), whole);
        let refused = |bytes: &[u8]| certificate(bytes).unwrap_err();
        assert_eq!(refused(&[whole.clone(), whole.clone()].concat()), Unreadable::Keys(2));
        assert_eq!(refused(&rest), Unreadable::Contents);
        assert_eq!(refused(b""), Unreadable::Keys(0));
        assert_eq!(refused(&packet(5, b"k")), Unreadable::SecretKey);
        assert_eq!(refused(&[key, packet(7, b"k")].concat()), Unreadable::SecretKey);
        assert_eq!(refused(armored("PRIVATE KEY BLOCK", &whole).as_bytes()), Unreadable::SecretKey);
        assert_eq!(refused(armored("MESSAGE", &whole).as_bytes()), Unreadable::Armour);
        assert_eq!(refused(&[0x99; LARGEST_CERTIFICATE + 1]), Unreadable::TooLarge);
        assert_eq!(refused(b"ssh-ed25519 AAAA"), Unreadable::Packets);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_fall_over(bytes: Vec<u8>) {
            let _ = certificate(&bytes);
            let _ = message(&armored("SIGNATURE", &bytes), &bytes);
            let _ = message(&String::from_utf8_lossy(&bytes), b"");
        }
    }
}
