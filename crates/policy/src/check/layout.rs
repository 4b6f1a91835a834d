//! Whether a file is laid out as Rego is everywhere: tabs, one blank line, no white space at the end. It changes nothing
//! and knows no more than it says: a file that passes may still not be what `opa fmt` would write.

use countersign_model::Place;

use super::{Remark, Severity};

/// What is odd in the layout of a file.
#[must_use]
pub fn check(path: &str, text: &str) -> Vec<Remark> {
    let mut out = Vec::new();
    let mut say = |line: usize, text: &str| {
        let place = Place { file: path.to_owned(), line: u32::try_from(line).ok(), column: None };
        out.push(Remark { rule: "layout", severity: Severity::Warning, place, text: text.to_owned() });
    };
    let (mut blank, mut raw) = (0_usize, false);
    for (i, line) in text.split('\n').enumerate() {
        let number = i + 1;
        // Inside a raw string everything is the author's.
        let inside = raw;
        raw ^= line.matches('`').count() % 2 == 1 && !line.trim_start().starts_with('#');
        if inside {
            continue;
        }
        if line.ends_with('\r') {
            say(number, "the line ends as on Windows: end it with a line feed alone");
        } else if line.ends_with([' ', '\t']) {
            say(number, "white space at the end of the line: take it away");
        }
        let indent = &line[..line.len() - line.trim_start().len()];
        if indent.contains(' ') && !line.trim().is_empty() {
            say(number, "indented by spaces: indent by tabs");
        }
        if line.trim_start().starts_with('#') && line.trim_start().chars().nth(1).is_some_and(|c| c.is_alphanumeric()) {
            say(number, "a comment without a space after `#`: put one there");
        }
        blank = if line.trim().is_empty() { blank + 1 } else { 0 };
        if blank == 2 && i + 1 < text.split('\n').count() {
            say(number, "more than one blank line: leave one");
        }
    }
    if !text.is_empty() && !text.ends_with('\n') {
        say(text.split('\n').count(), "no line feed at the end of the file: add one");
    } else if text.ends_with("\n\n") {
        say(text.split('\n').count() - 1, "a blank line at the end of the file: take it away");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<u32> {
        check("a.rego", text).into_iter().filter_map(|r| r.place.line).collect()
    }

    #[test]
    fn each_oddity_is_told_with_its_line() {
        assert_eq!(lines("package a\n\n# fine\nx := `\n  as it is \n`\n\ny if {\n\tx\n}\n"), [] as [u32; 0]);
        assert_eq!(lines("package a\n  x := 1\n"), [2]);
        assert_eq!(lines("package a \n"), [1]);
        assert_eq!(lines("package a\r\n"), [1]);
        assert_eq!(lines("package a\n\n\nx := 1\n"), [3]);
        assert_eq!(lines("#odd\npackage a"), [1, 2]);
        assert_eq!(lines("package a\n\n"), [2]);
    }
}
