//! What a rule file says. The keys are the file's keys; unknown ones are errors.

use std::fmt;

use countersign_model::{Confidence, Severity};
use serde::{Deserialize, Serialize};

use crate::foreign::ForeignMatch;

/// One rule as its file states it. `rules/README.md` describes the format.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Rule {
    /// The rule's id, equal to its path under the rule directory without `.yaml`.
    pub id: String,
    /// A short name for people.
    pub title: String,
    /// The family that knows how to match it (`secrets`, `pii`).
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
    pub cwe: Vec<String>,
    /// `tool:id` under which other tools know the same check.
    pub aliases: Vec<String>,
    /// Path globs the rule is limited to; none means every file. One that begins with `!` says where it does not look.
    pub kinds: Vec<String>,
    /// What somebody else can do with such a find.
    pub why: String,
    /// How to put it right.
    pub fix: Fix,
    /// Where to read more.
    pub references: Vec<String>,
    /// How it is matched. Only a rule of this program's own has none.
    #[serde(rename = "match", skip_serializing_if = "Option::is_none")]
    pub matching: Option<Matching>,
    /// Texts that must and must not match. They cannot change a finding; only those of built-in rules stand in the
    /// digest, with the rest of the file.
    #[serde(skip_serializing)]
    pub examples: Examples,
}

/// A rule file as it is read, once its family is known. The fields are those of [`Rule`].
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RuleFile<M> {
    id: String,
    title: String,
    family: String,
    severity: Severity,
    confidence: Confidence,
    stages: Vec<Stage>,
    controls: Vec<String>,
    #[serde(default)]
    cwe: Vec<String>,
    #[serde(default)]
    aliases: Vec<String>,
    #[serde(default)]
    kinds: Vec<String>,
    why: String,
    fix: Fix,
    #[serde(default)]
    references: Vec<String>,
    #[serde(rename = "match")]
    matching: M,
    examples: Examples,
}

impl<M> RuleFile<M> {
    pub(super) fn rule(self, wrap: impl FnOnce(M) -> Matching) -> Rule {
        Rule {
            id: self.id,
            title: self.title,
            family: self.family,
            severity: self.severity,
            confidence: self.confidence,
            stages: self.stages,
            controls: self.controls,
            cwe: self.cwe,
            aliases: self.aliases,
            kinds: self.kinds,
            why: self.why,
            fix: self.fix,
            references: self.references,
            matching: Some(wrap(self.matching)),
            examples: self.examples,
        }
    }
}

/// The part of a rule that its family understands.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Matching {
    /// The family `secrets`.
    Secret(SecretMatch),
    /// Another tool's rule; it came from that tool's file.
    Foreign(ForeignMatch),
    /// The family `pii`.
    Pii(PiiMatch),
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

/// The `match` part of the family `secrets`: an expression near a keyword (`keywords`, `regex`), or a value that is
/// assigned to a name (`names`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretMatch {
    /// ASCII words, one of which must stand near the match; compared without regard to case.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keywords: Vec<String>,
    /// A regular expression over bytes, Unicode classes off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub regex: Option<String>,
    /// The capture group that is the secret; 0 is the whole match. Default: 1 where there are groups, else 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<usize>,
    /// Bytes on each side of a keyword that the expression may look at.
    #[serde(default = "default_window")]
    pub window: usize,
    /// Words one of which is in the name that the value is assigned to; compared without regard to case.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
    /// Words none of which may be in the name; compared without regard to case.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub except: Vec<String>,
    /// An expression that the whole of the assigned value must match.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// Whether values without quotes count too, as in configuration files.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unquoted: bool,
    /// Whether values between quotes count.
    #[serde(default = "yes", skip_serializing_if = "Clone::clone")]
    pub quoted: bool,
    /// The least Shannon entropy of the secret, in bits a character.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entropy: Option<f64>,
    /// Named filters that drop a value; see `rules/README.md`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filters: Option<Vec<String>>,
    /// Words one of which must stand within some lines of the value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub near: Option<Near>,
    /// Expressions on the secret; a match means that it is none (published sample values).
    #[serde(default)]
    pub allow: Vec<String>,
    /// A structural proof by name; success makes the finding certain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<String>,
    /// Whether a failed proof drops the candidate.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub proof_required: bool,
}

/// What must stand near a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Near {
    /// ASCII words, compared without regard to case; one is enough.
    pub words: Vec<String>,
    /// How many lines before and behind are looked at; 0 is the line of the value alone.
    #[serde(default)]
    pub lines: usize,
}

const fn yes() -> bool {
    true
}

/// The `match` part of the family `pii`: a kind of value (`detector`) and what must stand near it, or several things in one
/// record (`together`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PiiMatch {
    /// The kind of value by name; see `rules/README.md`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detector: Option<String>,
    /// ASCII words one of which must stand near the value, as words or parts of names; compared without regard to case.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub context: Vec<String>,
    /// How many lines before and behind are looked at for words and for `beside`; 0 is the line of the value alone.
    #[serde(default)]
    pub lines: usize,
    /// Whether a value without such a word is a finding too, of low confidence.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub loose: bool,
    /// A kind of value that must stand near as well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beside: Option<String>,
    /// Values that were published to be used in tests and examples. They are no findings.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub test_values: Vec<String>,
    /// Names of columns and keys that hold such values, in any style of writing; the end of a name is enough.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<String>,
    /// So many different values in a column, or different records. Default: 1 for values, 3 for records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_least: Option<u64>,
    /// What must be in one record, each in a column of its own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub together: Vec<PiiColumn>,
}

/// A column of a record.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PiiColumn {
    /// Names as in [`PiiMatch::columns`]; none is any column whose values tell.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<String>,
    /// Kinds one of which the value must be; none is any value.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub detectors: Vec<String>,
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
