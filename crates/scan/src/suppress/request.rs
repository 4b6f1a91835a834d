//! Writing a request down: the inline mark above a line, and the path of a declaration.

use countersign_model::TreePath;

use crate::references::FileKind;

/// Bytes to be inserted into a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Insertion {
    /// Before which byte.
    pub at: usize,
    /// What: whole lines, with the end of line that the file uses.
    pub bytes: Vec<u8>,
}

/// The mark that asks for findings of `rule` on the line around byte `at` not to count, as a comment on a line of its own
/// above it. `None` where such a line would not be a comment or would not be heard: the kind has no comments, the line
/// is the first and says what the file is, it continues the line before, or that one is a mark already.
///
/// A `reason` without a letter or digit is none, so the mark does nothing until somebody writes one.
#[must_use]
pub fn mark_above(kind: &FileKind, text: &[u8], at: usize, rule: &str, reason: &str) -> Option<Insertion> {
    let at = at.min(text.len());
    let start = text[..at].iter().rposition(|b| *b == b'\n').map_or(0, |n| n + 1);
    let end = text[at..].iter().position(|b| *b == b'\n').map_or(text.len(), |n| at + n);
    let line = &text[start..end];
    let first = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
    if start == 0
        && (first.len() < line.len() || [&b"#!"[..], b"<?", b"<!DOCTYPE"].iter().any(|p| first.starts_with(p)))
    {
        return None;
    }
    let previous = text[..start].strip_suffix(b"\n").unwrap_or_default();
    let previous = &previous[previous.iter().rposition(|b| *b == b'\n').map_or(0, |n| n + 1)..];
    let previous = previous.strip_suffix(b"\r").unwrap_or(previous);
    if previous.ends_with(b"\\") || previous.ends_with(b"`") || has_mark(previous) {
        return None;
    }
    let comment = kind.comment(&format!("countersign:allow {rule} reason: {reason}"))?;
    let indent = line.iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
    // The last line may have no end; then the one before it shows what ends look like here.
    let ending =
        if line.ends_with(b"\r") || (end == text.len() && text[..start].ends_with(b"\r\n")) { "\r\n" } else { "\n" };
    let bytes = [&line[..indent], comment.as_bytes(), ending.as_bytes()].concat();
    Some(Insertion { at: start, bytes })
}

fn has_mark(line: &[u8]) -> bool {
    const MARK: &[u8] = b"countersign:allow";
    line.windows(MARK.len()).any(|w| w.eq_ignore_ascii_case(MARK))
}

/// A glob that matches this path alone; `None` where the path is not UTF-8, which no declaration can name.
#[must_use]
pub fn glob_of(path: &TreePath) -> Option<String> {
    let text = std::str::from_utf8(path.as_bytes()).ok()?;
    let mut glob = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '*' | '?' | '[' | ']' | '{' | '}' => glob.extend(['[', c, ']']),
            '\\' => glob.push_str("[\\\\]"),
            _ => glob.push(c),
        }
    }
    Some(glob)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::references::References;
    use proptest::prelude::*;

    fn above(path: &str, text: &str) -> Option<String> {
        let all = References::shipped().unwrap();
        let kind = all.kind(&TreePath::from_bytes(path), text.as_bytes()).unwrap();
        let one = mark_above(kind, text.as_bytes(), text.find("VALUE").unwrap(), "secrets/x", "because")?;
        let mut out = text.as_bytes().to_vec();
        out.splice(one.at..one.at, one.bytes);
        Some(String::from_utf8(out).unwrap())
    }

    #[test]
    fn the_mark_stands_above_in_the_words_of_the_file() {
        let mark = "countersign:allow secrets/x reason: because";
        assert_eq!(above("a.py", "a\n\tb = VALUE\n").unwrap(), format!("a\n\t# {mark}\n\tb = VALUE\n"));
        assert_eq!(above("a.js", "a\r\nVALUE").unwrap(), format!("a\r\n// {mark}\r\nVALUE"));
        assert_eq!(above("a.xml", "<a>\n <b>VALUE").unwrap(), format!("<a>\n <!-- {mark} -->\n <b>VALUE"));
        for (path, text) in [
            ("a.sh", "#!/bin/VALUE"),
            ("a.sh", "run \\\n  VALUE"),
            ("a.py", "# countersign:allow secrets/y reason: b\nVALUE"),
            ("appsettings.json", "VALUE"),
        ] {
            assert_eq!(above(path, text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_glob_of_a_path_matches_it_alone(path in "[a-z*?\\[\\]{}\\\\!,./ü-]{1,20}", other in "[a-z*?\\[\\]{}./]{1,20}") {
            let glob = glob_of(&TreePath::from_bytes(path.as_str())).unwrap();
            let matcher = globset::GlobBuilder::new(&glob).literal_separator(true).build().unwrap().compile_matcher();
            fn candidate(p: &str) -> globset::Candidate<'_> {  globset::Candidate::from_bytes(p.as_bytes()) }
            prop_assert!(matcher.is_match_candidate(&candidate(&path)), "{glob}");
            prop_assert_eq!(matcher.is_match_candidate(&candidate(&other)), path == other);
        }
    }
}
