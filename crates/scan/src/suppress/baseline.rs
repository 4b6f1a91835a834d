//! A baseline: findings that were there before, for which suppression is requested as a whole.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use countersign_model::{Digest, Finding, TreePath};
use serde::{Deserialize, Serialize};

use super::foreign::{self, Mark};
use crate::{Error, files};

/// The only version there is.
const VERSION: u64 = 1;

/// No baseline is larger; a file that is was not written by this program.
const MAX_FILE: u64 = 256 * 1024 * 1024;

/// Known findings, by fingerprint.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Baseline {
    /// Sorted by path, rule and fingerprint.
    entries: Vec<BaselineEntry>,
    places: BTreeMap<Digest, usize>,
    /// Entries of another tool, where the file is one of its. They have no fingerprints of ours.
    marks: Vec<Mark>,
    /// How reasons of such a file begin.
    prefix: String,
}

/// One finding of a baseline. Rule and path are there for people; the fingerprint alone decides.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BaselineEntry {
    /// The finding's fingerprint. In an entry of another tool's file it is one of the entry.
    pub fingerprint: Digest,
    /// The rule's id.
    pub rule: String,
    /// Where it was.
    pub path: TreePath,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    version: u64,
    findings: Vec<BaselineEntry>,
}

/// Read first, so that a later version is told as that and not as an unknown key.
#[derive(Deserialize)]
struct WireVersion {
    version: u64,
}

/// What only a file of detect-secrets has.
#[derive(Deserialize)]
struct DetectSecrets {
    #[serde(rename = "results")]
    _results: serde::de::IgnoredAny,
    #[serde(rename = "plugins_used")]
    _plugins: serde::de::IgnoredAny,
}

impl Baseline {
    /// A baseline of these findings.
    #[must_use]
    pub fn of<'a>(findings: impl IntoIterator<Item = &'a Finding>) -> Self {
        let entry =
            |f: &Finding| BaselineEntry { fingerprint: f.fingerprint, rule: f.rule.clone(), path: f.path.clone() };
        Self::from_entries(findings.into_iter().map(entry).collect())
    }

    fn from_entries(mut entries: Vec<BaselineEntry>) -> Self {
        entries.sort_by(|a, b| (&a.path, &a.rule, a.fingerprint).cmp(&(&b.path, &b.rule, b.fingerprint)));
        entries.dedup();
        let places = entries.iter().enumerate().map(|(n, e)| (e.fingerprint, n)).collect();
        Self { entries, places, ..Self::default() }
    }

    /// Reads a baseline file.
    ///
    /// # Errors
    /// When it cannot be read, is no baseline, or is of another version.
    pub fn load(file: &Path) -> Result<Self, Error> {
        let fault = |source| Error::BaselineRead { file: file.to_path_buf(), source };
        let mut text = Vec::new();
        File::open(file).and_then(|f| f.take(MAX_FILE + 1).read_to_end(&mut text)).map_err(fault)?;
        if text.len() as u64 > MAX_FILE {
            return Err(fault(io::ErrorKind::FileTooLarge.into()));
        }
        Self::parse(&text, file)
    }

    /// Reads a baseline from its bytes; `file` is what errors name. It is one of ours, or `.gitleaksignore`, or what
    /// detect-secrets writes.
    ///
    /// # Errors
    /// When it is no baseline, or is of another version.
    pub fn parse(text: &[u8], file: &Path) -> Result<Self, Error> {
        let is_object = text.trim_ascii_start().starts_with(b"{");
        let is_ignore = file.extension().is_some_and(|e| e == "gitleaksignore")
            || file.file_name().is_some_and(|n| n == ".gitleaksignore");
        let marks = if is_ignore {
            foreign::gitleaks(text, file)?
        } else if is_object && serde_json::from_slice::<DetectSecrets>(text).is_ok() {
            foreign::detect_secrets(text, file)?
        } else {
            return Self::parse_own(text, file);
        };
        let mut entries: Vec<BaselineEntry> = marks.iter().map(|m| m.entry.clone()).collect();
        entries.sort_by(|a, b| (&a.path, &a.rule, a.fingerprint).cmp(&(&b.path, &b.rule, b.fingerprint)));
        Ok(Self { entries, places: BTreeMap::new(), marks, prefix: foreign::prefix(file) })
    }

    fn parse_own(text: &[u8], file: &Path) -> Result<Self, Error> {
        let syntax = |source| Error::BaselineSyntax { file: file.to_path_buf(), source };
        let WireVersion { version } = serde_json::from_slice(text).map_err(syntax)?;
        if version != VERSION {
            return Err(Error::BaselineVersion { file: file.to_path_buf(), version });
        }
        let wire: Wire = serde_json::from_slice(text).map_err(syntax)?;
        Ok(Self::from_entries(wire.findings))
    }

    /// Writes the baseline: sorted, one finding an entry, whole or not at all. Equal baselines are equal bytes.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, file: &Path) -> Result<(), Error> {
        let wire = Wire { version: VERSION, findings: self.entries.clone() };
        let fault = |source| Error::BaselineWrite { file: file.to_path_buf(), source };
        let mut text = serde_json::to_vec_pretty(&wire).map_err(|e| fault(e.into()))?;
        text.push(b'\n');
        files::replace(file, &text).map_err(fault)
    }

    /// The entries, sorted by path, rule and fingerprint.
    #[must_use]
    pub fn entries(&self) -> &[BaselineEntry] {
        &self.entries
    }

    /// Whether the request of a recorded finding comes from this file.
    #[must_use]
    pub fn asks_for(&self, fingerprint: &Digest, requested_by: Option<&str>, reason: Option<&str>) -> bool {
        if self.marks.is_empty() {
            return self.places.contains_key(fingerprint);
        }
        requested_by == Some("baseline") && reason.is_some_and(|r| r.starts_with(&self.prefix))
    }

    /// The entry of this fingerprint, in a file of this program.
    pub(crate) fn entry(&self, fingerprint: &Digest) -> Option<&BaselineEntry> {
        self.places.get(fingerprint).and_then(|n| self.entries.get(*n))
    }

    /// Which entry knows this finding.
    pub(super) fn position(&self, finding: &Finding) -> Option<usize> {
        self.places.get(&finding.fingerprint).copied()
    }

    /// The entries of another tool.
    pub(super) fn marks(&self) -> &[Mark] {
        &self.marks
    }
}
