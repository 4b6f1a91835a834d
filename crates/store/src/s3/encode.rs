//! Percent-encoding as AWS Signature Version 4 wants it: everything but `A-Za-z0-9-._~`, in upper-case hex.

/// A value of a query.
pub(super) fn encode(text: &str) -> String {
    encode_but(text, |_| false)
}

/// A key in a path: slashes stay.
#[cfg(feature = "s3")]
pub(super) fn encode_path(key: &str) -> String {
    encode_but(key, |b| b == b'/')
}

fn encode_but(text: &str, keep: impl Fn(u8) -> bool) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') || keep(byte) {
            out.push(char::from(byte));
        } else {
            // Writing into a `String` cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// The text behind percent signs; `None` when it is no UTF-8, or a percent sign stands for nothing.
pub(super) fn decode(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let high = char::from(bytes.next()?).to_digit(16)?;
            let low = char::from(bytes.next()?).to_digit(16)?;
            out.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            out.push(byte);
        }
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn what_is_encoded_comes_back(text: String) {
            let encoded = encode(&text);
            proptest::prop_assert!(encoded.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~%".contains(&b)));
            proptest::prop_assert_eq!(decode(&encoded), Some(text.clone()));
            let kept = encode_but(&text, |b| b == b'/');
            proptest::prop_assert_eq!(decode(&kept), Some(text));
        }

        #[test]
        fn any_text_decodes_or_not(text: String) {
            let _ = decode(&text);
        }
    }
}
