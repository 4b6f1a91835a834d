//! What a rule file says. The keys are the file's keys; unknown ones are errors.

use std::fmt;

use countersign_model::{Confidence, Severity};
use serde::{Deserialize, Serialize};

/// One rule as its file states it. `rules/README.md` describes the format.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// The rule's id, equal to its path under the rule directory without `.yaml`.
    pub id: String,
    /// A short name for people.
    pub title: String,
    /// The family that knows how to match it (`secrets`).
    pub family: String,
    /// How bad a finding is.
    pub severity: Severity,
    /// How sure a match is before any proof.
    pub confidence: Confidence,
    /// The stages in which a finding counts.
    pub stages: Vec<Stage>,
    /// Ids of the controls it serves.
    pub controls: Vec<String>,
    /// Weakness ids (`CWE-798`).
    #[serde(default)]
    pub cwe: Vec<String>,
    /// `tool:id` under which other tools know the same check.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// Path globs the rule is limited to; none means every file.
    #[serde(default)]
    pub kinds: Vec<String>,
    /// What somebody else can do with such a find.
    pub why: String,
    /// How to put it right.
    pub fix: Fix,
    /// Where to read more.
    #[serde(default)]
    pub references: Vec<String>,
    /// How it is matched. Only a rule of this program's own has none.
    #[serde(rename = "match", deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub matching: Option<SecretMatch>,
    /// Texts that must and must not match. They cannot change a finding and stand in no digest.
    #[serde(skip_serializing)]
    pub examples: Examples,
}

fn present<'de, D: serde::Deserializer<'de>>(d: D) -> Result<Option<SecretMatch>, D::Error> {
    SecretMatch::deserialize(d).map(Some)
}

/// How to put a finding right.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fix {
    /// Prose: revoke, rotate, where to keep it instead.
    pub text: String,
}

/// Texts that show what a rule is for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Examples {
    /// Each must produce a finding of the rule.
    #[serde(default)]
    pub fail: Vec<String>,
    /// None may produce one.
    #[serde(default)]
    pub pass: Vec<String>,
}

/// The `match` part of the family `secrets`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretMatch {
    /// ASCII words, one of which must stand near the match; compared without regard to case.
    pub keywords: Vec<String>,
    /// A regular expression over bytes, Unicode classes off.
    pub regex: String,
    /// The capture group that is the secret; 0 is the whole match. Default: 1 where there are groups, else 0.
    #[serde(default)]
    pub group: Option<usize>,
    /// Bytes on each side of a keyword that the expression may look at.
    #[serde(default = "default_window")]
    pub window: usize,
    /// The least Shannon entropy of the secret, in bits a character.
    #[serde(default)]
    pub entropy: Option<f64>,
    /// Expressions on the secret; a match means that it is none (published sample values).
    #[serde(default)]
    pub allow: Vec<String>,
    /// A structural proof by name; success makes the finding certain.
    #[serde(default)]
    pub proof: Option<String>,
    /// Whether a failed proof drops the candidate.
    #[serde(default)]
    pub proof_required: bool,
}

const fn default_window() -> usize {
    256
}

/// A stage of the delivery pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// Before a commit is made.
    Commit,
    /// Continuous integration.
    Build,
    /// Environments and their parity.
    Environment,
    /// Approval and deployment.
    Release,
    /// Production.
    Operate,
}

impl Stage {
    /// The text form.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Commit => "commit",
            Self::Build => "build",
            Self::Environment => "environment",
            Self::Release => "release",
            Self::Operate => "operate",
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
