//! Baselines of other tools: `.gitleaksignore` and detect-secrets' `.secrets.baseline`. They ask, like ours.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;

use countersign_model::{Finding, Hasher, TreePath};
use serde::Deserialize;
use sha1::{Digest as _, Sha1};

use super::BaselineEntry;
use crate::Error;
use crate::engine::Scanner;
use crate::import::is_secret;
use crate::tree::{Content, Item, Source};

/// A line that is searched for a value has no more bytes; what is longer is searched to there.
const LONGEST_LINE: usize = 64 * 1024;

/// No larger file is read again, in bytes.
const MOST_AGAIN: u64 = 64 * 1024 * 1024;

/// An entry of another tool's baseline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mark {
    /// As it is told when it matches nothing.
    pub(super) entry: BaselineEntry,
    /// Why a finding that it matches is asked not to count.
    pub(super) reason: String,
    wants: Wants,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Wants {
    /// Whatever is at this line.
    Line(u32),
    /// The value with this SHA-1, anywhere in the file. The line is where it was.
    Value { sha1: [u8; 20], line: u32 },
}

#[derive(Deserialize)]
struct Report {
    results: BTreeMap<String, Vec<Secret>>,
}

#[derive(Deserialize)]
struct Secret {
    #[serde(rename = "type")]
    kind: String,
    hashed_secret: String,
    #[serde(default)]
    line_number: u32,
}

/// Reads what detect-secrets wrote.
pub(super) fn detect_secrets(text: &[u8], file: &Path) -> Result<Vec<Mark>, Error> {
    let report: Report =
        serde_json::from_slice(text).map_err(|source| Error::BaselineSyntax { file: file.to_path_buf(), source })?;
    let mut marks = Vec::new();
    for (path, secrets) in report.results {
        for secret in secrets {
            let sha1 = countersign_model::digest::from_hex(&secret.hashed_secret)
                .and_then(|bytes| <[u8; 20]>::try_from(bytes).ok());
            let sha1 = sha1.ok_or_else(|| Error::BaselineLine {
                file: file.to_path_buf(),
                line: None,
                why: format!("a `hashed_secret` of `{path}` is no SHA-1"),
            })?;
            let wants = Wants::Value { sha1, line: secret.line_number };
            marks.push(mark(file, &path, &secret.kind, wants));
        }
    }
    Ok(marks)
}

/// Reads `.gitleaksignore`: `file:rule:line` or `commit:file:rule:line` a line, comments after `#`.
pub(super) fn gitleaks(text: &[u8], file: &Path) -> Result<Vec<Mark>, Error> {
    let mut marks = Vec::new();
    for (n, line) in text.split(|b| *b == b'\n').enumerate() {
        let wrong = |why: &str| Error::BaselineLine {
            file: file.to_path_buf(),
            line: u32::try_from(n + 1).ok(),
            why: why.to_owned(),
        };
        let line = std::str::from_utf8(line).map_err(|_| wrong("it is not UTF-8"))?.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let mut parts = line.rsplitn(3, ':');
        let (at, rule, path) = (parts.next(), parts.next(), parts.next());
        let (Some(at), Some(rule), Some(path)) = (at.and_then(|l| l.parse::<u32>().ok()), rule, path) else {
            return Err(wrong("it is not of the form `file:rule:line` or `commit:file:rule:line`"));
        };
        // The commit that brought it in. What is judged is the tree, so the place in it has to do.
        let is_commit = |c: &str| (7..=64).contains(&c.len()) && c.bytes().all(|b| b.is_ascii_hexdigit());
        let path = path.split_once(':').filter(|(commit, _)| is_commit(commit)).map_or(path, |(_, path)| path);
        if path.is_empty() || rule.is_empty() {
            return Err(wrong("it names no file or no rule"));
        }
        marks.push(mark(file, path, rule, Wants::Line(at)));
    }
    Ok(marks)
}

fn mark(file: &Path, path: &str, rule: &str, wants: Wants) -> Mark {
    let path = path.replace('\\', "/");
    let path = TreePath::from_bytes(path.strip_prefix("./").unwrap_or(&path));
    let line = match wants {
        Wants::Line(line) | Wants::Value { line, .. } => line,
    };
    let mut hasher = Hasher::new();
    for part in [&b"countersign foreign baseline entry v1"[..], path.as_bytes(), rule.as_bytes(), &line.to_be_bytes()] {
        hasher.update(&(part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    let entry = BaselineEntry { fingerprint: hasher.finish(), rule: rule.to_owned(), path };
    Mark { reason: format!("{}{rule}, line {line}", prefix(file)), entry, wants }
}

/// How the reasons of a baseline file begin.
pub(super) fn prefix(file: &Path) -> String {
    format!("in {}: ", TreePath::from_bytes(file.file_name().unwrap_or_default().as_encoded_bytes()))
}

/// Looks at files again, for what a finding does not hold.
pub(crate) struct Again<'a> {
    pub(crate) source: &'a dyn Source,
    pub(crate) items: &'a [Item],
    pub(crate) scanner: &'a Scanner<'a>,
}

impl Again<'_> {
    fn read(&self, path: &TreePath) -> Option<Vec<u8>> {
        let at = self.items.binary_search_by(|item| item.path.cmp(path)).ok()?;
        let item = self.items.get(at)?;
        let mut reader = self.source.reader().ok()?;
        reader.announce(&[item]);
        match reader.read(item).ok()? {
            Content::Bytes(bytes) => Some(bytes.into_owned()),
            Content::Stream { reader, .. } => {
                let mut out = Vec::new();
                reader.take(MOST_AGAIN).read_to_end(&mut out).ok()?;
                Some(out)
            }
        }
    }
}

/// Files that were read again.
#[derive(Default)]
pub(super) struct Lines {
    files: BTreeMap<TreePath, Option<Vec<u8>>>,
}

impl Lines {
    /// Whether the mark speaks for the finding.
    pub(super) fn speaks_for(&mut self, mark: &Mark, finding: &Finding, again: Option<&Again<'_>>) -> bool {
        let of_secret = finding.value.is_some() || is_secret(&finding.cwe);
        if finding.path != mark.entry.path || !of_secret {
            return false;
        }
        match (&mark.wants, again) {
            (Wants::Line(line), _) => (finding.line..=finding.end_line).contains(line),
            // A finding of another tool: there is nothing to read the value from, so its line has to be the same.
            (Wants::Value { line, .. }, None) => (finding.line..=finding.end_line).contains(line),
            (Wants::Value { sha1, .. }, Some(again)) => {
                let read = self.files.entry(finding.path.clone()).or_insert_with(|| again.read(&finding.path));
                read.as_deref().is_some_and(|text| {
                    let (first, last) = (finding.line as usize, finding.end_line as usize);
                    let lines =
                        text.split(|b| *b == b'\n').skip(first.saturating_sub(1)).take(last - first.min(last) + 1);
                    lines.into_iter().any(|line| holds(line, sha1, finding, again.scanner))
                })
            }
        }
    }
}

/// Whether a part of the line has this SHA-1: the finding's own value, or what stands between quotes, spaces and signs
/// of assignment, for the two tools do not always agree where a value ends.
fn holds(line: &[u8], sha1: &[u8; 20], finding: &Finding, scanner: &Scanner<'_>) -> bool {
    let line = line.get(..line.len().min(LONGEST_LINE)).unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let is = |part: &[u8]| !part.is_empty() && Sha1::digest(part).as_slice() == sha1;
    let own = line
        .get(finding.column.saturating_sub(1) as usize..(finding.end_column.saturating_sub(1) as usize).min(line.len()))
        .filter(|part| finding.value.is_none_or(|v| v == scanner.identity(part)));
    let quotes = |b: &u8| b.is_ascii_whitespace() || b"\"'`".contains(b);
    let signs = |b: &u8| b.is_ascii_whitespace() || b"\"'`=:,;()[]{}<>@/&?".contains(b);
    let after = line.iter().position(|b| b"=:".contains(b)).and_then(|at| line.get(at + 1..)).map(<[u8]>::trim_ascii);
    own.into_iter().chain(after).chain(line.split(quotes)).chain(line.split(signs)).any(is)
}
