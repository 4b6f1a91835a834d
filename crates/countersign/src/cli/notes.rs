//! `countersign-audit.toml`: what somebody said about findings. Notes for people, and for the next walk; no policy reads
//! them, and nobody is believed for having written one.

use std::path::Path;

use countersign_model::{Digest, Place, TreePath};
use serde::{Deserialize, Serialize};

use super::requests;
use crate::errors::{CliError, Failure};

/// The file's name, at the top of the repository.
pub(crate) const FILE: &str = "countersign-audit.toml";

/// The only version there is.
const VERSION: u32 = 1;

/// All notes, in the order in which they were made.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Notes {
    version: u32,
    #[serde(default)]
    note: Vec<Note>,
}

/// What somebody said about one finding.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Note {
    pub(crate) fingerprint: Digest,
    pub(crate) rule: String,
    /// Where it was.
    pub(crate) path: TreePath,
    pub(crate) answer: Kind,
    /// The day of the answer, UTC.
    pub(crate) on: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
    /// The day on which the credential was rotated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) rotated: Option<String>,
    /// Where a request for suppression was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) request: Option<Request>,
}

/// What a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    Real,
    TestData,
    Rotated,
    WaiverRequested,
}

impl Kind {
    pub(crate) const fn words(self) -> &'static str {
        match self {
            Self::Real => "real",
            Self::TestData => "test data",
            Self::Rotated => "rotated",
            Self::WaiverRequested => "waiver requested",
        }
    }
}

/// Where a request for suppression stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Request {
    Mark,
    Declaration,
}

impl Notes {
    /// The notes at the top of a repository; none where there is no file.
    pub(crate) fn load(top: &Path) -> Result<Self, CliError> {
        let path = top.join(FILE);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Self { version: VERSION, note: Vec::new() });
            }
            Err(source) => return Err(CliError::Read { path, source }),
        };
        let wrong = |line, what| {
            let place = Place { file: path.display().to_string(), line, column: None };
            CliError::Config {
                place,
                what,
                suggestion: Some(format!("correct the line, or remove `{FILE}` and answer again")),
            }
        };
        let notes: Self = toml::from_str(&text).map_err(|e| {
            let line = e.span().map(|s| 1 + text.as_bytes().iter().take(s.start).filter(|b| **b == b'\n').count());
            wrong(line.and_then(|l| u32::try_from(l).ok()), e.message().lines().next().unwrap_or_default().to_owned())
        })?;
        match notes.version {
            VERSION => Ok(notes),
            other => Err(wrong(None, format!("version {other} is not known, only version 1 is"))),
        }
    }

    /// Whether something was said about this finding.
    pub(crate) fn has(&self, fingerprint: &Digest) -> bool {
        self.note.iter().any(|n| n.fingerprint == *fingerprint)
    }

    /// Adds a note, in the place of an earlier one about the same finding.
    pub(crate) fn put(&mut self, note: Note) {
        self.note.retain(|n| n.fingerprint != note.fingerprint);
        self.note.push(note);
    }

    /// Writes them all.
    pub(crate) fn write(&self, top: &Path) -> Result<(), Failure> {
        let path = top.join(FILE);
        let body = toml::to_string(self)
            .map_err(|e| CliError::Write { path: path.clone(), source: std::io::Error::other(e.to_string()) })?;
        let head = "# What was said about findings: countersign secrets audit. Notes for people; no gate reads them.\n";
        requests::replace(&path, format!("{head}{body}").as_bytes())
    }
}
