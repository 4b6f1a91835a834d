//! Text inside text: base64, hexadecimal digits, percent signs, `\u` and `\x` escapes. What they say is looked at like
//! the text around them, down to five layers.
//!
//! Nearly all runs of letters and digits are no encoding of anything. They are told by their first bytes, so that a
//! file without encoded text costs a look at every fourth byte or so.

use std::ops::Range;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use memchr::{memchr_iter, memmem};

/// How many layers are taken off.
pub(super) const DEPTH: usize = 5;

/// The shortest run that is tried: fifteen bytes of base64, ten of hexadecimal digits.
const SHORTEST: usize = 20;

/// The longest; the rest of a longer run is not decoded.
const LONGEST: usize = 1024 * 1024;

/// Fewer escapes than this in a word are punctuation.
const ESCAPES: usize = 3;

/// How far a word with escapes is followed.
const WORD: usize = 4096;

const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

/// What an encoded stretch of text says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Layer {
    /// Where it stands.
    pub(super) place: Range<usize>,
    /// What it says.
    pub(super) text: Vec<u8>,
    /// The encoding, for people.
    pub(super) encoding: &'static str,
}

/// Every encoded stretch of `text`, in no particular order.
pub(super) fn layers(text: &[u8]) -> Vec<Layer> {
    let mut found = Vec::new();
    runs(text, &mut found);
    escapes(text, b'%', "percent encoding", &mut found);
    escapes(text, b'\\', "escapes", &mut found);
    found
}

/// The characters of base64 in both alphabets.
static IN_RUN: [bool; 256] = {
    let mut table = [false; 256];
    let mut n = 0_u8;
    loop {
        table[n as usize] = n.is_ascii_alphanumeric() || matches!(n, b'+' | b'/' | b'-' | b'_');
        if n == u8::MAX {
            break table;
        }
        n += 1;
    }
};

fn in_run(b: u8) -> bool {
    IN_RUN[usize::from(b)]
}

/// Runs of the characters of base64. Of the places where a run of twenty could end, the text is read backwards to the
/// last byte that is in none; the next such place is twenty behind it.
fn runs(text: &[u8], found: &mut Vec<Layer>) {
    let mut at = SHORTEST - 1;
    // Up to here, lines that are no text together are tried each by itself: none is decoded more than twice.
    let mut alone = 0;
    while let Some(part) = text.get(..=at) {
        let part = &part[at + 1 - SHORTEST..];
        if let Some(other) = part.iter().rposition(|b| !in_run(*b)) {
            at += other + 1;
            continue;
        }
        let start = at + 1 - SHORTEST;
        let end = at + text[at..].iter().take(LONGEST).take_while(|b| in_run(**b)).count();
        if end - start >= SHORTEST {
            let mut layer = run(text, start, end, start >= alone);
            if let Err(Some(joined)) = layer {
                alone = joined;
                layer = run(text, start, end, false);
            }
            if let Ok(layer) = layer {
                at = layer.place.end;
                found.push(layer);
            }
        }
        at = at.max(end) + SHORTEST;
    }
}

/// What the run says, if it says anything. With `join`, the lines behind it that look like more of it are read with it;
/// where these are no text together, the error says how far they went.
fn run(text: &[u8], mut start: usize, end: usize, join: bool) -> Result<Layer, Option<usize>> {
    // `\nZm9v…` in a string: the letter belongs to the escape. Dashes before it belong to nothing.
    if start > 0 && text[start - 1] == b'\\' {
        start += 1;
    }
    start += text[start..end].iter().take_while(|b| matches!(b, b'-' | b'_')).count();
    let run = &text[start..end];
    if run.len() < SHORTEST {
        return Err(None);
    }
    if run.iter().all(u8::is_ascii_hexdigit) {
        if !run.len().is_multiple_of(2) {
            return Err(None);
        }
        let bytes: Vec<u8> = run.chunks_exact(2).map(|p| hex(p[0]) << 4 | hex(p[1])).collect();
        let text = readable(bytes).ok_or(None)?;
        return Ok(Layer { place: start..end, text, encoding: "hexadecimal digits" });
    }
    let url_safe = run.iter().any(|b| matches!(b, b'-' | b'_'));
    if url_safe && run.iter().any(|b| matches!(b, b'+' | b'/')) {
        return Err(None);
    }
    let engine = if url_safe { &URL_SAFE } else { &STANDARD };
    // The first six bytes tell nearly everything that is no text.
    let mut first = [0; 6];
    if engine.decode_slice(&run[..8], &mut first).is_err()
        || !(first.iter().all(|b| is_plain(*b)) || [1, 3, 5].iter().all(|n| first[*n] == 0))
    {
        return Err(None);
    }
    let mut place = start..end;
    let mut letters = run.to_vec();
    // Lines of one length are one text.
    while join && letters.len() < LONGEST && letters.len().is_multiple_of(4) && run.len() >= 40 {
        let Some(next) = next_line(text, place.end) else { break };
        letters.extend_from_slice(&text[next.clone()]);
        place.end = next.end;
        if next.len() != run.len() {
            break;
        }
    }
    // One character left over says nothing.
    letters.truncate(letters.len() - usize::from(letters.len() % 4 == 1));
    let joined = (place.end > end).then_some(place.end);
    let text = engine.decode(&letters).ok().and_then(readable).ok_or(joined)?;
    Ok(Layer { place, text, encoding: "base64" })
}

/// The run on the line behind `at`, if `at` is the end of one and the run is all of the other.
fn next_line(text: &[u8], at: usize) -> Option<Range<usize>> {
    let rest = text.get(at..)?;
    let rest = rest.strip_prefix(b"\r").unwrap_or(rest).strip_prefix(b"\n")?;
    let blanks = rest.iter().take(64).take_while(|b| matches!(b, b' ' | b'\t')).count();
    let start = text.len() - rest.len() + blanks;
    let length = text[start..].iter().take(LONGEST).take_while(|b| in_run(**b)).count();
    (length > 0).then_some(start..start + length)
}

const fn hex(b: u8) -> u8 {
    match b {
        b'0'..=b'9' => b - b'0',
        b'a'..=b'f' => b - b'a' + 10,
        b'A'..=b'F' => b - b'A' + 10,
        _ => 0,
    }
}

const fn is_plain(b: u8) -> bool {
    matches!(b, b' '..=b'~' | b'\t' | b'\n' | b'\r')
}

/// `bytes` as text, if they are some. UTF-16 of plain text becomes that.
fn readable(mut bytes: Vec<u8>) -> Option<Vec<u8>> {
    if bytes.len() >= 8 && bytes.iter().skip(1).step_by(2).all(|b| *b == 0) {
        bytes = bytes.into_iter().step_by(2).collect();
    }
    let plain = bytes.iter().filter(|b| is_plain(**b)).count();
    let valid = || std::str::from_utf8(&bytes).is_ok();
    (plain == bytes.len() || plain * 10 >= bytes.len() * 7 && !bytes.contains(&0) && valid()).then_some(bytes)
}

/// Words with escapes: `%41`, `\u0041`, `\x41`, by the sign that begins them.
fn escapes(text: &[u8], sign: u8, encoding: &'static str, found: &mut Vec<Layer>) {
    let mut from = 0;
    let mut look = |at: usize, found: &mut Vec<Layer>| {
        if at < from || escape(&text[at..]).is_none() {
            return;
        }
        let before =
            text[at.saturating_sub(WORD).max(from)..at].iter().rev().take_while(|b| in_word(**b, sign)).count();
        let start = at - before;
        let mut end = at;
        let mut decoded = text[start..at].to_vec();
        let mut count = 0;
        while end < text.len() && end - start < WORD {
            if let Some((character, length)) = escape(&text[end..]) {
                decoded.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                end += length;
                count += 1;
            } else if in_word(text[end], sign) {
                decoded.push(text[end]);
                end += 1;
            } else {
                break;
            }
        }
        from = end;
        if count >= ESCAPES
            && let Some(text) = readable(decoded)
        {
            found.push(Layer { place: start..end, text, encoding });
        }
    };
    if sign == b'%' {
        for at in memchr_iter(b'%', text) {
            look(at, found);
        }
    } else {
        // A backslash alone is in every file; these two are what is looked for.
        for at in memmem::find_iter(text, b"\\u00") {
            look(at, found);
        }
        for at in memmem::find_iter(text, b"\\x") {
            look(at, found);
        }
    }
}

fn in_word(b: u8, sign: u8) -> bool {
    match sign {
        b'%' => {
            b.is_ascii_alphanumeric()
                || matches!(b, b'_' | b'.' | b'~' | b'+' | b'-' | b'=' | b'&' | b'/' | b':' | b'@')
        }
        _ => !matches!(b, b'\\' | b'"' | b'\'' | b'`' | b'\n' | b'\r' | 0),
    }
}

/// The character that the escape at the beginning of `text` stands for, and its length.
fn escape(text: &[u8]) -> Option<(char, usize)> {
    let (digits, length) = match text {
        [b'%', a, b, ..] => (&[*a, *b][..], 3),
        [b'\\', b'x', a, b, ..] => (&[*a, *b][..], 4),
        [b'\\', b'u', a, b, c, d, ..] => (&[*a, *b, *c, *d][..], 6),
        _ => return None,
    };
    if !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let code = digits.iter().fold(0_u32, |n, d| n << 4 | u32::from(hex(*d)));
    // What is no ASCII is part of a longer sequence; a mark keeps its place.
    Some((if code < 0x80 { char::from_u32(code)? } else { '\u{FFFD}' }, length))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn said(text: &str) -> Vec<(String, &'static str)> {
        layers(text.as_bytes()).into_iter().map(|l| (String::from_utf8(l.text).unwrap(), l.encoding)).collect()
    }

    #[test]
    fn what_is_encoded_is_read() {
        let plain = "password = \"tqpO4y#Dk29DWXT\"";
        let b64 = STANDARD.encode(plain);
        assert_eq!(said(&format!("data: {b64}\n")), [(plain.to_owned(), "base64")]);
        assert_eq!(said(&format!("\"a\\n{b64}\"")), [(plain.to_owned(), "base64")]);
        assert_eq!(said(&URL_SAFE.encode(plain)), [(plain.to_owned(), "base64")]);
        let hex: String = plain.bytes().map(|b| format!("{b:02x}")).collect();
        assert_eq!(said(&hex), [(plain.to_owned(), "hexadecimal digits")]);
        let percent: String = plain.bytes().map(|b| format!("%{b:02X}")).collect();
        assert_eq!(said(&format!("GET /?q={percent} HTTP")), [(format!("q={plain}"), "percent encoding")]);
        let unicode: String = plain.bytes().map(|b| format!("\\u{b:04x}")).collect();
        assert_eq!(said(&format!("\"{unicode}\"")), [(plain.to_owned(), "escapes")]);
        let utf16: Vec<u8> = plain.encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(said(&STANDARD.encode(utf16)), [(plain.to_owned(), "base64")]);
    }

    #[test]
    fn wrapped_lines_are_one_text() {
        let plain = "line of text\n".repeat(20);
        let lines: Vec<String> = STANDARD
            .encode(&plain)
            .as_bytes()
            .chunks(76)
            .map(|c| format!("    {}", String::from_utf8_lossy(c)))
            .collect();
        assert_eq!(said(&lines.join("\n")), [(plain.clone(), "base64")]);
        assert_eq!(said(&lines.join("\r\n")), [(plain, "base64")]);
    }

    #[test]
    fn lines_that_are_no_text_together_are_read_one_by_one_and_in_bounded_work() {
        let plain = "a line that says something of its own, and more";
        let noise = |first: &[u8]| STANDARD.encode([first, &[0x80; 51]].concat());
        let text = [noise(b"plain1"), STANDARD.encode(plain), noise(b"plain2")].join("\n");
        assert_eq!(said(&text), [(plain.to_owned(), "base64")]);
        // Each line looks like the beginning of a text; joined anew for each, this would take minutes.
        assert_eq!(said(&format!("{}\n", noise(b"plain1")).repeat(40_000)), []);
    }

    #[test]
    fn identifiers_digests_and_paths_are_no_encoding() {
        for text in [
            "clk_register_fixed_factor_with_parent_index",
            "e83c5163316f89bfbde7d9ab23ca2e25604af290",
            "usr/share/doc/packages/readme/index",
            "StackOverflowErrorHandlerFactoryBean",
            "100%",
            "printf(\"%d%s%x\")",
            "MIIEvgIBADANBgkqhkiG9w0BAQEFAASCBKgwggSkAgEAAoIBAQC7",
        ] {
            assert_eq!(said(text), [], "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_fault(bytes: Vec<u8>) {
            for layer in layers(&bytes) {
                prop_assert!(layer.place.end <= bytes.len() && layer.place.start < layer.place.end);
            }
        }

        #[test]
        fn any_plain_text_comes_back(text in "[ -~]{16,200}", before in "[ \"'=:]{1,3}") {
            let encoded = format!("{before}{}", STANDARD.encode(&text));
            prop_assume!(!text.bytes().all(|b| b.is_ascii_hexdigit()));
            prop_assert!(layers(encoded.as_bytes()).iter().any(|l| l.text == text.as_bytes()), "{encoded}");
        }
    }
}
