//! Writes an entry's canonical JSON (RFC 8785) straight, key by key in their order. What cannot be written so for certain goes
//! the long way.

use countersign_evidence::canonical;
use countersign_model::{Entry, PayloadRef, Timestamp};

use super::MAX_SAFE;
use crate::Error;

/// Bytes kept free behind a head for its tail.
const TAIL_BYTES: usize = 80;

/// An entry up to the three values that only the writer knows: `time`, `v` and `version` come last in canonical order.
pub(crate) fn head(entry: &Entry) -> Result<Vec<u8>, Error> {
    let sizes = entry.attachments.iter().chain([&entry.payload]).map(|blob| blob.size);
    if sizes.chain(entry.refs.iter().copied()).any(|n| n > MAX_SAFE) {
        return long(entry);
    }
    let mut out = Vec::with_capacity(512 + 192 * entry.attachments.len() + 8 * entry.refs.len());
    key(&mut out, b"{\"actor\":", entry.actor.as_str())?;
    if !entry.attachments.is_empty() {
        out.extend_from_slice(b",\"attachments\":");
        list(&mut out, &entry.attachments, blob)?;
    }
    if let Some(text) = &entry.key {
        key(&mut out, b",\"key\":", text)?;
    }
    key(&mut out, b",\"kind\":", entry.kind.as_str())?;
    out.extend_from_slice(b",\"payload\":");
    blob(&mut out, &entry.payload)?;
    if !entry.refs.is_empty() {
        out.extend_from_slice(b",\"refs\":");
        list(&mut out, &entry.refs, |out, n| {
            number(out, *n);
            Ok(())
        })?;
    }
    key(&mut out, b",\"retention\":", entry.retention.as_str())?;
    key(&mut out, b",\"stream\":", entry.stream.as_str())?;
    out.reserve(TAIL_BYTES);
    Ok(out)
}

/// What comes after a head.
pub(crate) fn tail(out: &mut Vec<u8>, time: Timestamp, version: u64) {
    out.extend_from_slice(b",\"time\":\"");
    time.write_to(out);
    out.extend_from_slice(b"\",\"v\":");
    number(out, Entry::VERSION.into());
    out.extend_from_slice(b",\"version\":");
    number(out, version);
    out.push(b'}');
}

fn long(entry: &Entry) -> Result<Vec<u8>, Error> {
    let mut whole = canonical::to_vec(entry)?;
    let mut end = Vec::new();
    tail(&mut end, entry.time, entry.version);
    if !whole.ends_with(&end) {
        return Err(Error::BadBatch { what: "an entry does not end with its time and version".into() });
    }
    whole.truncate(whole.len() - end.len());
    Ok(whole)
}

fn list<T>(
    out: &mut Vec<u8>,
    items: &[T],
    mut item: impl FnMut(&mut Vec<u8>, &T) -> Result<(), Error>,
) -> Result<(), Error> {
    out.push(b'[');
    for (nth, one) in items.iter().enumerate() {
        if nth > 0 {
            out.push(b',');
        }
        item(out, one)?;
    }
    out.push(b']');
    Ok(())
}

fn blob(out: &mut Vec<u8>, blob: &PayloadRef) -> Result<(), Error> {
    key(out, b"{\"media\":", &blob.media)?;
    if let Some(id) = &blob.sealed {
        key(out, b",\"sealed\":", id)?;
    }
    out.extend_from_slice(b",\"sha256\":\"sha256:");
    for byte in blob.sha256.as_bytes() {
        out.extend([byte >> 4, byte & 15].map(|nibble| nibble + if nibble < 10 { b'0' } else { b'a' - 10 }));
    }
    out.extend_from_slice(b"\",\"size\":");
    number(out, blob.size);
    out.push(b'}');
    Ok(())
}

fn key(out: &mut Vec<u8>, name: &[u8], text: &str) -> Result<(), Error> {
    out.extend_from_slice(name);
    let is_plain = text.bytes().all(|b| b >= 0x20 && b != b'"' && b != b'\\');
    if is_plain {
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
        return Ok(());
    }
    out.extend_from_slice(&canonical::to_vec(text)?);
    Ok(())
}

fn number(out: &mut Vec<u8>, mut n: u64) {
    if n < 10 {
        return out.push(b'0' + n as u8);
    }
    let mut digits = [0; 20];
    let mut from = digits.len();
    for digit in digits.iter_mut().rev() {
        from -= 1;
        // A remainder of ten is a digit.
        *digit = b'0' + (n % 10) as u8;
        n /= 10;
        if n == 0 {
            break;
        }
    }
    out.extend_from_slice(digits.get(from..).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_are_decimal(n: u64) {
            let mut out = Vec::new();
            number(&mut out, n);
            prop_assert_eq!(String::from_utf8(out).unwrap(), n.to_string());
        }
    }
}
