//! A look at a whole repository for commands that speak about single findings: fingerprints are those of `run`.

use std::path::{Path, PathBuf};

use countersign_connect::git::Repository;
use countersign_model::{Finding, TreePath};
use countersign_scan::references::{Advice, FileKind, Names, References};
use countersign_scan::{Baseline, Options, Report, Rule, RuleSet, Walk, scan_source};

use super::args::PlaceArgs;
use super::scan::{load, nobodys_salt, salt};
use crate::config::Config;
use crate::errors::{CliError, Failure};

/// What was found, and where.
pub(crate) struct Looked {
    /// The top of the repository; without one, what was named, or the directory of the file that was.
    pub(crate) top: PathBuf,
    /// What was named, below the top.
    named: Vec<u8>,
    pub(crate) rules: RuleSet,
    pub(crate) report: Report,
    pub(crate) references: References,
}

impl Looked {
    /// Looks at the repository around `path`; without one, at `path` alone.
    pub(crate) fn at(at: &PlaceArgs, path: &Path, rules: &[PathBuf]) -> Result<Self, Failure> {
        let rules = load(rules)?;
        let fault = |source| CliError::Read { path: path.to_owned(), source };
        let named = std::fs::canonicalize(path).map_err(fault)?;
        let dir = if named.is_dir() { named.as_path() } else { named.parent().unwrap_or(&named) };
        let repository = Repository::discover(dir).ok().filter(|r| !r.is_bare());
        let around = repository.and_then(|r| std::fs::canonicalize(r.root()).ok());
        let top = around.filter(|top| named.starts_with(top)).unwrap_or_else(|| dir.to_owned());
        let config = Config::load(&top)?;
        let declarations = config.declarations();
        let baseline = config.scan.baseline.as_ref().map(|file| Baseline::load(&top.join(file))).transpose()?;
        let options = Options { baseline: baseline.as_ref(), declarations: &declarations, ..Options::default() };
        let salt = salt(at, &top, &config)?.unwrap_or_else(nobodys_salt);
        let report = scan_source(&Walk::new(&top), &rules, &salt, &options)?;
        let named = crate::lsp::bytes_of(named.strip_prefix(&top).unwrap_or(Path::new("")));
        Ok(Self { top, named, rules, report, references: References::shipped()? })
    }

    /// Whether a path is in what was named.
    pub(crate) fn is_named(&self, path: &TreePath) -> bool {
        let rest = path.as_bytes().strip_prefix(self.named.as_slice());
        self.named.is_empty() || rest.is_some_and(|r| r.is_empty() || r.starts_with(b"/") || r.starts_with(b"!/"))
    }

    /// The file on disk that a finding is in; `None` where it is in an archive.
    pub(crate) fn file(&self, path: &TreePath) -> Option<PathBuf> {
        let bytes = path.as_bytes();
        let inside = bytes.windows(2).any(|w| w == b"!/");
        (!inside).then(|| self.top.join(crate::lsp::path_of(bytes)))
    }

    /// What can stand in the place of a finding's value: the kind of file, the value's name, and the ways.
    pub(crate) fn advice(&self, finding: &Finding) -> Option<(&FileKind, Names, Vec<Advice>)> {
        let text = std::fs::read(self.file(&finding.path)?).ok()?;
        let kind = self.references.kind(&finding.path, &text)?;
        let start = offset(&text, finding.line, finding.column);
        let names = Names::of(&text, &(start..start), &finding.rule);
        let advice = self.references.advice(kind, &names);
        Some((kind, names, advice))
    }

    /// The checklist of a finding, as text.
    pub(crate) fn checklist(&self, finding: &Finding) -> String {
        let Some(rule) = self.rules.get(&finding.rule) else { return String::new() };
        let mut out = steps(rule, &self.references);
        if rule.family == "secrets"
            && let Some((kind, names, advice)) = self.advice(finding)
        {
            out.push_str(&instead(kind, &names, &advice));
        }
        out
    }
}

/// The byte at a line and a column, both from 1, columns in bytes.
pub(crate) fn offset(text: &[u8], line: u32, column: u32) -> usize {
    let mut start = 0;
    for _ in 1..line {
        match text[start..].iter().position(|b| *b == b'\n') {
            Some(n) => start += n + 1,
            None => return text.len(),
        }
    }
    text.len().min(start.saturating_add(column.saturating_sub(1) as usize))
}

/// A paragraph's sentences; white space joined.
pub(crate) fn sentences(text: &str) -> Vec<String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let mut all: Vec<String> = Vec::new();
    let mut ended = true;
    for word in words {
        // `e.g. x` and `3.5 x` go on in lower case or with a digit.
        let begins = ended && word.starts_with(|c: char| c.is_uppercase() || c == '`');
        match all.last_mut() {
            Some(last) if !begins => {
                last.push(' ');
                last.push_str(word);
            }
            _ => all.push(word.to_owned()),
        }
        ended = word.ends_with('.');
    }
    all
}

/// What is to be done about a find of this rule.
pub(crate) fn steps(rule: &Rule, references: &References) -> String {
    let mut out = String::from("This one\n");
    for sentence in sentences(&rule.fix.text) {
        out.push_str(&format!("  [ ] {sentence}\n"));
    }
    if rule.family == "secrets" {
        out.push_str("\nEvery leaked credential\n");
        for step in references.steps() {
            out.push_str(&format!("  [ ] {step}\n"));
        }
    }
    out
}

/// What can stand in a file instead.
pub(crate) fn instead(kind: &FileKind, names: &Names, advice: &[Advice]) -> String {
    if advice.is_empty() {
        return format!(
            "\nInstead of the value ({})\n  this kind of file takes no references: read it where the program starts\n",
            kind.name
        );
    }
    let mut out = format!("\nInstead of the value ({}; it is called {} here)\n", kind.name, names.upper());
    for one in advice {
        out.push_str(&format!("  {}\n", one.store));
        if let Some(write) = &one.write {
            out.push_str(&format!("      write  {write}\n"));
        }
        for sentence in sentences(&one.how) {
            out.push_str(&format!("      {sentence}\n"));
        }
    }
    out
}
