//! Proofs by a checksum inside the credential: one wrong character and they fail.

use sha2::{Digest as _, Sha256};

use super::coding::{base32, base58, crc16, crc32, digits};

const BASE36: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// `PREFIX_` + 30 random characters + 6 characters of checksum: the CRC-32 of the random part in base 62 (digits,
/// upper case, lower case), zero-padded on the left. GitHub's tokens since 2021 and npm's have this form.
pub(super) fn github_crc32(value: &[u8]) -> bool {
    let Some(cut) = value.iter().rposition(|b| *b == b'_') else { return false };
    let body = &value[cut + 1..];
    if body.len() != 36 || !body.iter().all(u8::is_ascii_alphanumeric) {
        return false;
    }
    let (random, checksum) = body.split_at(30);
    checksum == digits::<6>(crc32(random), BASE62)
}

/// `glsa_` + 32 characters + `_` + 8 hexadecimal digits: the CRC-32 of all before the last `_`, its least significant
/// byte first. Grafana refuses a token whose checksum is wrong before it looks it up.
pub(super) fn grafana_crc32(value: &[u8]) -> bool {
    let Some(cut) = value.iter().rposition(|b| *b == b'_') else { return false };
    let (key, checksum) = (&value[..cut], &value[cut + 1..]);
    if !key.starts_with(b"gl") || checksum.len() != 8 {
        return false;
    }
    let expected = crc32(key).to_le_bytes().into_iter().flat_map(|b| [b >> 4, b & 15]);
    expected.zip(checksum).all(|(four, digit)| char::from(*digit).to_digit(16) == Some(u32::from(four)))
}

/// GitLab's routable tokens: prefix, payload in base 64, `.`, perhaps a version and `.`, the payload's length in two
/// digits of base 36, and the CRC-32 of all before it in seven.
pub(super) fn gitlab_crc32(value: &[u8]) -> bool {
    let Some(cut) = value.len().checked_sub(7) else { return false };
    let (before, checksum) = value.split_at(cut);
    let mut parts = before.rsplitn(3, |b| *b == b'.');
    let (Some(length), Some(last)) = (parts.next(), parts.next()) else { return false };
    let payload = match parts.next() {
        Some(payload) if last.len() == 2 => payload,
        Some(_) => return false,
        None => last,
    };
    let payload = payload.iter().position(|b| *b == b'-').map_or(payload, |dash| &payload[dash + 1..]);
    let stated = length.iter().try_fold(0_usize, |n, b| Some(n * 36 + BASE36.iter().position(|d| d == b)?));
    length.len() == 2 && stated == Some(payload.len()) && checksum == digits::<7>(crc32(before), BASE36)
}

/// A NATS seed: two bytes that say seed and what for, 32 bytes of key and the CRC-16 of these 34, least significant byte
/// first, in base 32.
pub(super) fn nats_nkey(value: &[u8]) -> bool {
    const SEED: u8 = 18 << 3;
    const ROLES: [u8; 6] = [0, 2 << 3, 13 << 3, 14 << 3, 20 << 3, 23 << 3];
    let Some(bytes) = base32(value) else { return false };
    let [first, second, .., low, high] = bytes.as_slice() else { return false };
    bytes.len() == 36
        && first & 0xF8 == SEED
        && ROLES.contains(&(first << 5 | second >> 3))
        && u16::from_le_bytes([*low, *high]) == crc16(&bytes[..34])
}

/// Base58Check: the last four bytes are the first of SHA-256 twice over those before. Bitcoin's keys have this form.
pub(super) fn base58check(value: &[u8]) -> bool {
    // An extended key has 111 characters.
    let Some(bytes) = (value.len() <= 128).then(|| base58(value)).flatten() else { return false };
    let Some(cut) = bytes.len().checked_sub(4).filter(|c| *c > 0) else { return false };
    let (body, checksum) = bytes.split_at(cut);
    Sha256::digest(Sha256::digest(body))[..4] == *checksum
}

/// Bech32 (BIP 173): the last six characters of the part behind the last `1` are its checksum, over the part before it
/// as well. age's keys have this form, in capitals.
pub(super) fn bech32(value: &[u8]) -> bool {
    const ALPHABET: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
    const GENERATOR: [u32; 5] = [0x3B6A_57B2, 0x2650_8E6D, 0x1EA1_19FA, 0x3D42_33DD, 0x2A14_62B3];
    let mixed = value.iter().any(u8::is_ascii_uppercase) && value.iter().any(u8::is_ascii_lowercase);
    let lower = value.to_ascii_lowercase();
    let Some(cut) = lower.iter().rposition(|b| *b == b'1') else { return false };
    let (human, data) = (&lower[..cut], &lower[cut + 1..]);
    if mixed || human.is_empty() || data.len() < 6 {
        return false;
    }
    let mut state = 1_u32;
    let mut feed = |five: u32| {
        let top = state >> 25;
        state = (state & 0x01FF_FFFF) << 5 ^ five;
        for (n, generator) in GENERATOR.iter().enumerate() {
            if top >> n & 1 == 1 {
                state ^= generator;
            }
        }
    };
    human.iter().for_each(|b| feed(u32::from(b >> 5)));
    feed(0);
    human.iter().for_each(|b| feed(u32::from(b & 31)));
    for byte in data {
        match (0_u32..).zip(ALPHABET).find(|(_, a)| *a == byte) {
            Some((five, _)) => feed(five),
            None => return false,
        }
    }
    state == 1
}

/// Since 2019 the twelve characters behind the first four are base 32 (RFC 4648 §6) and hold, shifted by one bit, the
/// account number in their first five bytes. Older ids (`AKIAI…`, `AKIAJ…`) hold none and prove nothing.
pub(super) fn aws_key_id(value: &[u8]) -> bool {
    let Some(body) = value.get(4..20).filter(|b| value.len() == 20 && !matches!(b[0], b'I' | b'J')) else {
        return false;
    };
    let Some(bytes) = base32(body) else { return false };
    let account = bytes[..5].iter().fold(0_u64, |n, b| n << 8 | u64::from(*b)) << 8 | u64::from(bytes[5]);
    // Bits 1 to 40 of the 48 read.
    let account = account >> 7 & 0xFF_FFFF_FFFF;
    (1..1_000_000_000_000).contains(&account)
}
