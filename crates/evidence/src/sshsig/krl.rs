//! Revocation lists of OpenSSH (PROTOCOL.krl), read to the last byte.

use std::collections::BTreeSet;

use super::certificate::is_certificate;
use super::key::PublicKey;
use super::wire::Reader;
use crate::Error;
use crate::encoding::to_base64;

/// Bytes of the largest list that is read.
pub const LARGEST_LIST: usize = 1 << 20;
/// The most certificates that one bitmap names.
const LARGEST_BITMAP: usize = 64 << 10;

const MAGIC: &[u8] = b"SSHKRL\n\0";
const CERTIFICATES: u8 = 1;
const KEYS: u8 = 2;
const SHA1: u8 = 3;
const SHA256: u8 = 5;
const SERIALS: u8 = 0x20;
const RANGE: u8 = 0x21;
const BITMAP: u8 = 0x22;
const KEY_IDS: u8 = 0x23;

/// What a list names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RevocationList {
    /// Its number.
    pub number: u64,
    /// Fingerprints of keys, `SHA256:…`.
    pub keys: BTreeSet<String>,
    /// SHA-1 digests of keys, in hex.
    pub sha1: BTreeSet<String>,
    /// Certificates.
    pub certificates: Vec<RevokedCertificates>,
}

/// Certificates of one authority, or of any.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RevokedCertificates {
    /// The authority; none: any.
    pub authority: Option<PublicKey>,
    /// Serials, each from the first to the second.
    pub serials: Vec<(u64, u64)>,
    /// Key ids.
    pub key_ids: Vec<String>,
}

const fn bad(what: &'static str) -> Error {
    Error::RevocationList(what)
}

impl RevocationList {
    /// Reads a list.
    ///
    /// # Errors
    /// [`Error::RevocationList`] when it is none, is damaged, or has a section of a kind that is not known: a list that is understood in part
    /// would revoke in part.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        if bytes.len() > LARGEST_LIST {
            return Err(bad("it is larger than 1 MiB"));
        }
        let damaged = || bad("its structure is damaged");
        let mut reader = Reader::new(bytes);
        if reader.take(MAGIC.len()) != Some(MAGIC) {
            return Err(bad("it does not start with its mark"));
        }
        if reader.u32() != Some(1) {
            return Err(bad("its version is not 1"));
        }
        let number = reader.u64().ok_or_else(damaged)?;
        let (_generated, flags) = (reader.u64().ok_or_else(damaged)?, reader.u64().ok_or_else(damaged)?);
        let reserved = reader.string().ok_or_else(damaged)?;
        let _comment = reader.string().ok_or_else(damaged)?;
        if flags != 0 || !reserved.is_empty() {
            return Err(bad("it has flags or fields that are not known"));
        }
        let mut list = Self { number, ..Self::default() };
        while !reader.is_empty() {
            let kind = reader.byte().ok_or_else(damaged)?;
            let section = reader.string().ok_or_else(damaged)?;
            match kind {
                CERTIFICATES => list.certificates.push(certificates(section)?),
                KEYS => {
                    for blob in strings(section).ok_or_else(damaged)? {
                        list.keys.insert(fingerprint(&digest(&ring::digest::SHA256, blob)));
                    }
                }
                SHA1 | SHA256 => {
                    for hash in strings(section).ok_or_else(damaged)? {
                        match (kind, hash.len()) {
                            (SHA1, 20) => list.sha1.insert(countersign_model::digest::to_hex(hash)),
                            (SHA256, 32) => list.keys.insert(fingerprint(hash)),
                            _ => return Err(damaged()),
                        };
                    }
                }
                _ => return Err(bad("it has a section of a kind that is not known")),
            }
        }
        Ok(list)
    }
}

fn certificates(section: &[u8]) -> Result<RevokedCertificates, Error> {
    let damaged = || bad("its structure is damaged");
    let mut reader = Reader::new(section);
    let authority = reader.string().ok_or_else(damaged)?;
    let reserved = reader.string().ok_or_else(damaged)?;
    if !reserved.is_empty() {
        return Err(bad("it has flags or fields that are not known"));
    }
    let mut revoked = RevokedCertificates::default();
    if !authority.is_empty() {
        revoked.authority = Some(PublicKey::from_blob(authority)?);
    }
    while !reader.is_empty() {
        let kind = reader.byte().ok_or_else(damaged)?;
        let data = reader.string().ok_or_else(damaged)?;
        let mut data = Reader::new(data);
        match kind {
            SERIALS => {
                while !data.is_empty() {
                    let serial = data.u64().ok_or_else(damaged)?;
                    revoked.serials.push((serial, serial));
                }
            }
            RANGE => {
                let (first, last) = (data.u64().ok_or_else(damaged)?, data.u64().ok_or_else(damaged)?);
                data.end().ok_or_else(damaged)?;
                if first > last {
                    return Err(damaged());
                }
                revoked.serials.push((first, last));
            }
            BITMAP => {
                let offset = data.u64().ok_or_else(damaged)?;
                let bits = data.string().ok_or_else(damaged)?;
                data.end().ok_or_else(damaged)?;
                if bits.len() > LARGEST_BITMAP {
                    return Err(bad("a bitmap in it is too large"));
                }
                // A number (RFC 4251 §5, `mpint`): the lowest bit is that of the offset.
                for (byte, at) in bits.iter().rev().zip((0_u64..).step_by(8)) {
                    for bit in (0..8_u64).filter(|bit| byte >> bit & 1 == 1) {
                        let serial = offset.checked_add(at).and_then(|n| n.checked_add(bit)).ok_or_else(damaged)?;
                        revoked.serials.push((serial, serial));
                    }
                }
            }
            KEY_IDS => {
                while !data.is_empty() {
                    revoked.key_ids.push(data.text().ok_or_else(damaged)?.to_owned());
                }
            }
            _ => return Err(bad("it has a section of a kind that is not known")),
        }
    }
    Ok(revoked)
}

/// A list of strings, none of which is a certificate.
fn strings(section: &[u8]) -> Option<Vec<&[u8]>> {
    let mut reader = Reader::new(section);
    let mut strings = Vec::new();
    while !reader.is_empty() {
        strings.push(reader.string().filter(|one| !is_certificate(one))?);
    }
    Some(strings)
}

fn digest(algorithm: &'static ring::digest::Algorithm, bytes: &[u8]) -> Vec<u8> {
    ring::digest::digest(algorithm, bytes).as_ref().to_vec()
}

fn fingerprint(sha256: &[u8]) -> String {
    format!("SHA256:{}", to_base64(sha256).trim_end_matches('='))
}
