//! SSH's binary encoding (RFC 4251 §5) and armour, read strictly: every length must be met exactly.

use crate::Error;
use crate::encoding::{from_base64, to_base64};

const BEGIN: &str = "-----BEGIN SSH SIGNATURE-----";
const END: &str = "-----END SSH SIGNATURE-----";
/// Base64 columns of an armoured signature as OpenSSH writes it.
const COLUMNS: usize = 70;
/// Bytes of the largest armoured signature and key text that are read.
pub(crate) const MAX_TEXT: usize = 64 << 10;

/// Reads from the front of a slice.
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        let (bytes, rest) = self.0.split_first_chunk::<4>()?;
        self.0 = rest;
        Some(u32::from_be_bytes(*bytes))
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        let (bytes, rest) = self.0.split_first_chunk::<8>()?;
        self.0 = rest;
        Some(u64::from_be_bytes(*bytes))
    }

    pub(super) fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*byte)
    }

    /// A length and that many bytes.
    pub(crate) fn string(&mut self) -> Option<&'a [u8]> {
        let len = usize::try_from(self.u32()?).ok()?;
        self.take(len)
    }

    pub(crate) fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.string()?).ok()
    }

    pub(crate) fn rest(self) -> &'a [u8] {
        self.0
    }

    /// How many bytes are left.
    pub(super) const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether everything was read.
    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// `Some` when everything was read.
    pub(crate) fn end(self) -> Option<()> {
        self.0.is_empty().then_some(())
    }
}

/// Appends a length and the bytes.
pub(crate) fn put(out: &mut Vec<u8>, bytes: &[u8]) {
    // What is put together here is far below 4 GiB; a length that is not would be met by no reader.
    out.extend(u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
    out.extend(bytes);
}

fn malformed(what: &'static str) -> Error {
    Error::SshSignature { what, source: None }
}

/// The signature's bytes out of its armour. Tools wrap lines at different columns; this reads them all.
pub(crate) fn dearmor(armored: &str) -> Result<Vec<u8>, Error> {
    if armored.len() > MAX_TEXT {
        return Err(malformed("it is larger than 64 KiB"));
    }
    let body = armored
        .trim()
        .strip_prefix(BEGIN)
        .and_then(|rest| rest.strip_suffix(END))
        .filter(|body| body.starts_with(['\n', '\r']) && body.ends_with('\n'))
        .ok_or_else(|| malformed("its first or last line is missing"))?;
    let base64: String = body.lines().map(str::trim_end).collect();
    from_base64(&base64).ok_or_else(|| malformed("it is not base64"))
}

/// The armour of a signature as OpenSSH writes it: 70 columns, a newline at the end.
pub(crate) fn armor(bytes: &[u8]) -> String {
    let base64 = to_base64(bytes);
    let mut text = format!("{BEGIN}\n");
    let mut rest = base64.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(COLUMNS));
        text.push_str(line);
        text.push('\n');
        rest = after;
    }
    text.push_str(END);
    text.push('\n');
    text
}

/// An SSHSIG structure (PROTOCOL.sshsig, "Blob format"), framed and nothing more.
pub(crate) struct Blob<'a> {
    /// The public key, encoded.
    pub(crate) key: &'a [u8],
    /// What the signature was made for.
    pub(crate) namespace: &'a str,
    /// `sha256` or `sha512`.
    pub(crate) hash: &'a str,
    /// The signature's algorithm.
    pub(crate) algorithm: &'a str,
    /// The raw signature.
    pub(crate) raw: &'a [u8],
    /// A hardware token's flags and counter; empty for other keys.
    pub(crate) trailer: &'a [u8],
}

impl<'a> Blob<'a> {
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(bytes);
        if reader.take(6) != Some(b"SSHSIG") {
            return Err(malformed("it does not start with its mark"));
        }
        let damaged = || malformed("its structure is damaged");
        if reader.u32().ok_or_else(damaged)? != 1 {
            return Err(malformed("its version is not 1"));
        }
        let key = reader.string().ok_or_else(damaged)?;
        let namespace = reader.text().ok_or_else(damaged)?;
        let reserved = reader.string().ok_or_else(damaged)?;
        let hash = reader.text().ok_or_else(damaged)?;
        let signature = reader.string().ok_or_else(damaged)?;
        reader.end().ok_or_else(damaged)?;
        if namespace.is_empty() {
            return Err(malformed("its namespace is empty"));
        }
        if !reserved.is_empty() {
            return Err(malformed("its reserved field is not empty"));
        }
        if hash != "sha256" && hash != "sha512" {
            return Err(malformed("its hash is neither SHA-256 nor SHA-512"));
        }
        let mut reader = Reader::new(signature);
        let algorithm = reader.text().ok_or_else(damaged)?;
        let raw = reader.string().ok_or_else(damaged)?;
        let trailer = reader.rest();
        Ok(Self { key, namespace, hash, algorithm, raw, trailer })
    }
}

/// The public key, encoded, in the unencrypted head of a private key file (OpenSSH PROTOCOL.key).
pub(crate) fn public_of_private(pem: &str) -> Option<Vec<u8>> {
    let body = pem
        .trim()
        .strip_prefix("-----BEGIN OPENSSH PRIVATE KEY-----")?
        .strip_suffix("-----END OPENSSH PRIVATE KEY-----")?;
    let base64: String = body.split_ascii_whitespace().collect();
    let bytes = zeroize::Zeroizing::new(from_base64(&zeroize::Zeroizing::new(base64))?);
    let mut reader = Reader::new(&bytes);
    if reader.take(15)? != b"openssh-key-v1\0" {
        return None;
    }
    for _cipher_and_kdf in 0..3 {
        reader.string()?;
    }
    if reader.u32()? != 1 {
        return None;
    }
    Some(reader.string()?.to_vec())
}
