//! Proofs by what a credential holds when it is decoded.

use serde_json::{Map, Value};

use super::coding::{base64, base64url};
use crate::secrets::Filter;

/// RFC 7519 §7.2: the part before the first dot is base64url of a JSON object; RFC 7515 §4.1.1: it has `alg`.
pub(super) fn jwt(value: &[u8]) -> bool {
    let header = value.split(|b| *b == b'.').next().unwrap_or_default();
    object(base64url(header)).is_some_and(|fields| fields.get("alg").is_some_and(Value::is_string))
}

fn object(json: Option<Vec<u8>>) -> Option<Map<String, Value>> {
    serde_json::from_slice(&json?).ok()
}

/// The body of a PEM block (RFC 7468) begins a DER SEQUENCE (tag 0x30 with a definite length, X.690 §8.1.3) or is an
/// OpenSSH key. A block inside a string literal has `\n` written out; that is skipped too.
pub(super) fn pem(value: &[u8]) -> bool {
    let after = match find(value, b"-----BEGIN ") {
        Some(begin) => match find(&value[begin + 11..], b"-----") {
            Some(end) => &value[begin + 11 + end + 5..],
            None => return false,
        },
        None => value,
    };
    let body = find(after, b"-----END").map_or(after, |end| &after[..end]);
    let mut text = Vec::with_capacity(64);
    let mut bytes = body.iter().copied().peekable();
    // 64 characters tell as much as all of them do.
    while text.len() < 64 {
        match bytes.next() {
            Some(b'\\') if matches!(bytes.peek(), Some(b'n' | b'r' | b't')) => {
                bytes.next();
            }
            Some(b @ (b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'+' | b'/')) => text.push(b),
            Some(b' ' | b'\t' | b'\r' | b'\n' | b'"' | b'\'' | b',' | b'\\') => {}
            // Padding ends the body; a colon is a header of an encrypted block, whose body proves nothing.
            Some(b'=') | None => break,
            Some(_) => return false,
        }
    }
    text.truncate(text.len() / 4 * 4);
    let Some(der) = base64(&text) else { return false };
    der.starts_with(b"openssh-key-v1\0") || matches!(der.as_slice(), [0x30, 0x01..=0x7F | 0x81..=0x84, _, ..])
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|w| w == needle)
}

/// Base 64 of a PEM block with a private key, as kubeconfig files hold it.
pub(super) fn base64_private_key(value: &[u8]) -> bool {
    base64(value).is_some_and(|text| {
        text.starts_with(b"-----BEGIN ") && find(&text, b"PRIVATE KEY-----").is_some() && pem(&text)
    })
}

/// Base 64 of `user:password` (RFC 7617 §2) with a password that is no stand-in for one.
pub(super) fn basic_credentials(value: &[u8]) -> bool {
    let Some(text) = base64(value) else { return false };
    let Some(colon) = text.iter().position(|b| *b == b':') else { return false };
    let (user, password) = (&text[..colon], &text[colon + 1..]);
    let stands_in = [Filter::Placeholder, Filter::Reference, Filter::Words];
    !user.is_empty()
        && password.len() >= 6
        && text.iter().all(|b| (b' '..=b'~').contains(b))
        && !stands_in.iter().any(|f| f.drops(password))
}

/// Grafana's keys before service accounts: base 64 of an object with the secret `k`, the key's name `n` and the
/// organisation's number `id`.
pub(super) fn grafana_api_key(value: &[u8]) -> bool {
    object(base64(value)).is_some_and(|fields| {
        let text = |name: &str| fields.get(name).is_some_and(Value::is_string);
        text("k") && text("n") && fields.get("id").is_some_and(Value::is_number)
    })
}

/// `ops_` and base 64 of an object that names where to sign in and as whom.
pub(super) fn onepassword_token(value: &[u8]) -> bool {
    let Some(body) = value.strip_prefix(b"ops_") else { return false };
    object(base64url(body).or_else(|| base64(body))).is_some_and(|fields| {
        ["signInAddress", "email"].iter().all(|name| fields.get(*name).is_some_and(Value::is_string))
    })
}

/// `sntrys_`, base 64 of an object that says when it was issued and for which organisation, `_` and 32 bytes.
pub(super) fn sentry_org_token(value: &[u8]) -> bool {
    let Some(rest) = value.strip_prefix(b"sntrys_") else { return false };
    let Some(cut) = rest.iter().rposition(|b| *b == b'_') else { return false };
    base64(&rest[cut + 1..]).is_some_and(|secret| secret.len() == 32)
        && object(base64(&rest[..cut])).is_some_and(|fields| {
            fields.get("iat").is_some_and(Value::is_number) && fields.get("org").is_some_and(Value::is_string)
        })
}

/// A Discord token's first part is the bot's id, a number of 17 to 20 digits, in base 64.
pub(super) fn discord_token(value: &[u8]) -> bool {
    let Some(id) = value.split(|b| *b == b'.').next().and_then(base64url) else { return false };
    (17..=20).contains(&id.len()) && id.iter().all(u8::is_ascii_digit)
}

/// A package index's upload token: `pypi-` and base 64 of a macaroon in the second binary format, read field by field to
/// its last byte. Field types: 0 ends a section, 1 location, 2 identifier, 4 verification id, 6 signature.
pub(super) fn pypi_macaroon(value: &[u8]) -> bool {
    let Some(bytes) = value.strip_prefix(b"pypi-").and_then(base64url) else { return false };
    macaroon(&bytes).is_some_and(|location| location.ends_with(b"pypi.org"))
}

/// The location of a macaroon whose form is whole.
fn macaroon(bytes: &[u8]) -> Option<&[u8]> {
    let mut at = Reader { rest: bytes.strip_prefix(&[2])? };
    let (1, location) = at.field()? else { return None };
    let (2, _) = at.field()? else { return None };
    let (0, _) = at.field()? else { return None };
    loop {
        match at.field()? {
            // No further caveat.
            (0, _) => break,
            (1, _) => {
                let (2, _) = at.field()? else { return None };
            }
            (2, _) => {}
            _ => return None,
        }
        match at.field()? {
            (0, _) => {}
            (4, _) => {
                let (0, _) = at.field()? else { return None };
            }
            _ => return None,
        }
    }
    let (6, signature) = at.field()? else { return None };
    (signature.len() == 32 && at.rest.is_empty()).then_some(location)
}

struct Reader<'b> {
    rest: &'b [u8],
}

impl<'b> Reader<'b> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    /// A field's type and its bytes; the end of a section has none.
    fn field(&mut self) -> Option<(u8, &'b [u8])> {
        let kind = self.byte()?;
        if kind == 0 {
            return Some((0, &[]));
        }
        let (mut length, mut shift) = (0_usize, 0);
        loop {
            let byte = self.byte()?;
            length |= usize::from(byte & 0x7F) << shift;
            if byte & 0x80 == 0 {
                break;
            }
            shift += 7;
            if shift > 14 {
                return None;
            }
        }
        let (bytes, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some((kind, bytes))
    }
}
