//! The only room that prints. People's text on stdout; errors, notes and progress on stderr.

pub(crate) mod assess;
pub(crate) mod assess_html;
pub(crate) mod audit;
pub(crate) mod audit_furnish;
pub(crate) mod audit_threads;
pub(crate) mod catalogue;
pub(crate) mod disposal;
pub(crate) mod explain;
pub(crate) mod gates;
pub(crate) mod progress;
pub(crate) mod rebuild;
pub(crate) mod retention;
pub(crate) mod run;
#[cfg(feature = "s3")]
pub(crate) mod storage;
pub(crate) mod summary;
pub(crate) mod verify;

use std::io::{self, Write as _};

use countersign_scan::report::text;
use serde::Serialize;

use crate::config::Environment;
use crate::errors::{CliError, Failure};

/// Colours, or none. Colour never says what a word does not say as well.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Paint {
    pub(crate) bold: &'static str,
    pub(crate) dim: &'static str,
    pub(crate) good: &'static str,
    pub(crate) bad: &'static str,
    pub(crate) wait: &'static str,
    pub(crate) hint: &'static str,
    pub(crate) reset: &'static str,
}

impl Paint {
    const PLAIN: Self = Self { bold: "", dim: "", good: "", bad: "", wait: "", hint: "", reset: "" };
    const COLOUR: Self = Self {
        bold: "\u{1b}[1m",
        dim: "\u{1b}[2m",
        good: "\u{1b}[32m",
        bad: "\u{1b}[31m",
        wait: "\u{1b}[33m",
        hint: "\u{1b}[36m",
        reset: "\u{1b}[0m",
    };

    /// The paint for this terminal.
    pub(crate) const fn of(env: &Environment) -> Self {
        if env.colour { Self::COLOUR } else { Self::PLAIN }
    }

    /// The same for the scan's text report.
    pub(crate) fn scan(&self) -> text::Style {
        if self.reset.is_empty() { text::Style::PLAIN } else { text::Style::ANSI }
    }
}

/// Writes to stdout. Whoever closes the pipe has read enough; anything else is an error.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    print_bytes(text.as_bytes())
}

/// Rows as columns: each as wide as its widest cell.
pub(crate) fn table<const N: usize>(rows: &[[String; N]]) -> String {
    let width = |i: usize| rows.iter().map(|r| r[i].chars().count()).max().unwrap_or(0);
    let widths: [usize; N] = std::array::from_fn(width);
    let mut out = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(widths) {
            line.push_str(cell);
            line.extend(std::iter::repeat_n(' ', width + 2 - cell.chars().count()));
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

/// Writes bytes to stdout as they are.
pub(crate) fn print_bytes(bytes: &[u8]) -> Result<(), Failure> {
    if keep(bytes) {
        return Ok(());
    }
    let mut out = io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(source) => Err(CliError::Output { source }.into()),
        Ok(()) => Ok(()),
    }
}

/// Writes one JSON document to stdout.
pub(crate) fn json<T: Serialize>(value: &T) -> Result<(), Failure> {
    let mut text = serde_json::to_string_pretty(value).map_err(|source| CliError::Json { source })?;
    text.push('\n');
    print(&text)
}

thread_local! {
    /// What is said here while it is kept, and not shown.
    static KEPT: std::cell::RefCell<Option<Vec<u8>>> = const { std::cell::RefCell::new(None) };
}

/// Keeps what is said, where it is kept.
fn keep(bytes: &[u8]) -> bool {
    KEPT.with_borrow_mut(|kept| {
        kept.as_mut().is_some_and(|kept| {
            kept.extend_from_slice(bytes);
            true
        })
    })
}

/// Does something whose output is kept and not shown; notes of it are dropped.
pub(crate) fn captured<T>(job: impl FnOnce() -> T) -> (T, Vec<u8>) {
    KEPT.set(Some(Vec::new()));
    let done = job();
    (done, KEPT.take().unwrap_or_default())
}

/// A line on stderr that is whole by itself: what is said of a request.
pub(crate) fn line(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{}", printable(text));
}

/// A note on stderr.
pub(crate) fn note(text: &str) {
    if keep(b"") {
        return;
    }
    // Notes are a courtesy: when stderr is gone, the work still counts.
    let _ = writeln!(io::stderr().lock(), "note: {}", printable(text));
}

/// An expected error on stderr: code, message, place, causes, and the next command to type.
pub(crate) fn failure(failure: &Failure) {
    let e = &failure.0;
    let mut text = format!("error[{}]: {}\n", e.code(), lines(&e.to_string()));
    if let Some(place) = e.place() {
        text.push_str(&format!("  --> {}\n", printable(&place.to_string())));
    }
    let mut source = e.source();
    while let Some(cause) = source {
        text.push_str(&format!("  because: {}\n", lines(&cause.to_string())));
        source = cause.source();
    }
    text.push_str(&format!("  help: {}\n", lines(&e.help())));
    text.push_str(&format!("  more: countersign explain {}\n", e.code()));
    // Nowhere is left to complain when stderr is gone; the exit code still says it.
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// Text from a repository or a file, safe for a terminal and on one line: control characters are escaped, and so are marks that turn the
/// direction of writing, so that a ticket or a file name can neither drive the terminal nor print a line of its own.
pub(crate) fn printable(text: &str) -> String {
    let hidden = |c: char| {
        c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().map(|c| if hidden(c) { c.escape_unicode().to_string() } else { c.to_string() }).collect()
}

/// A text of a document; `?` where there is none.
pub(crate) fn word(value: &serde_json::Value) -> String {
    printable(value.as_str().unwrap_or("?"))
}

/// The same for texts of our own that may have several lines: each stays one, indented below the first.
fn lines(text: &str) -> String {
    text.lines().map(printable).collect::<Vec<_>>().join("\n    ")
}

/// A root hash as in the checkpoint: standard base64.
pub(crate) fn run_root(root: &[u8; 32]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(root)
}

/// `1 file`, `2 files`.
pub(crate) fn count(n: u64, one: &str, many: &str) -> String {
    format!("{} {}", thousands(n), if n == 1 { one } else { many })
}

/// `1,234,567`.
pub(crate) fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

/// `3.4 MB`.
pub(crate) fn bytes(n: u64) -> String {
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    if n < 1000 {
        return count(n, "byte", "bytes");
    }
    let (mut tenths, mut unit) = (n / 100, 0);
    while tenths >= 10_000 && unit + 1 < UNITS.len() {
        tenths /= 1000;
        unit += 1;
    }
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_readable() {
        assert_eq!(thousands(0), "0");
        assert_eq!(thousands(1_234_567), "1,234,567");
        assert_eq!(bytes(999), "999 bytes");
        assert_eq!(bytes(3_400_000), "3.4 MB");
        assert_eq!(bytes(1_000_000_000), "1.0 GB");
        assert_eq!(count(1, "file", "files"), "1 file");
    }

    #[test]
    fn a_terminal_is_never_driven_by_a_repository() {
        assert_eq!(printable("a\u{1b}[31mb"), "a\\u{1b}[31mb");
        assert_eq!(printable("a\n✓ release pass"), "a\\u{a}✓ release pass");
        assert_eq!(lines("one\ntwo\r"), "one\n    two\\u{d}");
    }
}
