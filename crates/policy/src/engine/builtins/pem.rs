//! Base64 and PEM (RFC 7468), as lenient as Go's `encoding/base64` and `encoding/pem`, which OPA reads them with.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::Fault;
use super::args::fault;

const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const URL: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    LENIENT.with_encode_padding(false).with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The line that every PEM block begins with, up to its label.
pub(super) const BEGIN: &str = "-----BEGIN ";

/// The most damaged blocks that are passed over before a good one.
const MAX_DAMAGED: usize = 1000;

/// One PEM block.
#[derive(Debug)]
pub(super) struct Block {
    /// `CERTIFICATE`, `PUBLIC KEY`.
    pub(super) label: String,
    /// What is in it, DER.
    pub(super) der: Vec<u8>,
}

/// Standard base64; line breaks do not count.
pub(super) fn base64(text: &str) -> Result<Vec<u8>, Fault> {
    let packed: Vec<u8> = text.bytes().filter(|b| !matches!(b, b'\r' | b'\n')).collect();
    STANDARD.decode(packed).map_err(|e| fault(format!("illegal base64 data: {e}")))
}

/// Base64url with or without padding (RFC 7515 2).
pub(super) fn base64url(text: &str) -> Result<Vec<u8>, Fault> {
    URL.decode(text).map_err(|e| fault(format!("illegal base64 data: {e}")))
}

/// Standard base64 of bytes.
pub(super) fn to_base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Base64url of bytes, without padding.
pub(super) fn to_base64url(bytes: &[u8]) -> String {
    URL.encode(bytes)
}

/// The first PEM block of a text and what follows it; text before it, and blocks that are damaged, are passed over.
pub(super) fn first(text: &str) -> Option<(Block, &str)> {
    let mut rest = text;
    // Every damaged block costs a look through all that follows it.
    for _ in 0..MAX_DAMAGED {
        let at = rest.find(BEGIN)?;
        let begins_line = rest.get(..at).is_some_and(|before| before.is_empty() || before.ends_with('\n'));
        rest = rest.get(at + BEGIN.len()..)?;
        if begins_line && let Some(found) = after_begin(rest) {
            return Some(found);
        }
    }
    None
}

/// A block whose text begins with its label.
fn after_begin(text: &str) -> Option<(Block, &str)> {
    let (line, body) = text.split_once('\n').unwrap_or((text, ""));
    let label = line.trim_end().strip_suffix("-----")?;
    let end = format!("-----END {label}-----");
    let at = body.find(&end)?;
    let after = body.get(at + end.len()..)?;
    let rest = after.trim_start_matches([' ', '\t', '\r']);
    let rest = rest.strip_prefix('\n').or_else(|| rest.is_empty().then_some(""))?;
    let body = body.get(..at)?;
    // Headers (RFC 1421) end with an empty line.
    let body = if body.lines().next().is_some_and(|l| l.contains(':')) {
        body.replace('\r', "").split_once("\n\n")?.1.to_owned()
    } else {
        body.to_owned()
    };
    let packed: String = body.split_ascii_whitespace().collect();
    Some((Block { label: label.to_owned(), der: base64(&packed).ok()? }, rest))
}

/// Every PEM block of a text.
pub(super) fn all(text: &str) -> impl Iterator<Item = Block> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (block, after) = first(rest)?;
        rest = after;
        Some(block)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_found_among_other_text() {
        let text = "words\n-----BEGIN A-----\nAQ==\n-----END A-----\n-----BEGIN B-----\nK: v\n\nAg==\n-----END B-----";
        let found: Vec<_> = all(text).map(|b| (b.label, b.der)).collect();
        assert_eq!(found, [("A".to_owned(), vec![1]), ("B".to_owned(), vec![2])]);
        assert!(first("-----BEGIN A-----\n!\n-----END A-----\n").is_none());
        assert!(first("-----BEGIN A-----\nAQ==\n").is_none());
        assert_eq!(first("-----BEGIN A-----\nAQ==\n-----END A-----\nmore").unwrap().1, "more");
    }

    #[test]
    fn the_alphabets_of_rfc_4648() {
        assert_eq!(base64("Zm9v\r\nYg==").unwrap(), b"foob");
        assert!(base64("Zm9vYg").is_err());
        assert_eq!(base64url("-_8").unwrap(), base64url("-_8=").unwrap());
        assert_eq!(to_base64url(&[251, 255]), "-_8");
        assert_eq!(to_base64(&[251, 255]), "+/8=");
    }
}
