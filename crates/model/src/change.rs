//! What a run looks at: the change, as recorded. It holds no clock, host, absolute path, name or address.

use serde::{Deserialize, Serialize};

use crate::access::AskedSlot;
use crate::governance::{Level, Tier};
use crate::{Confidence, Digest, Finding, FindingState, Gap, PersonId, Severity, Timestamp, TreePath};

/// The change that a release covers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// Format version, 1.
    pub version: u32,
    /// The repository's identity; `None` when it cannot be established (a shallow clone without a remote).
    pub identity: Option<String>,
    /// The commit that is judged.
    pub commit: String,
    /// Its tree.
    pub tree: String,
    /// The environment's last deployed commit, from which on every commit is covered; `None`: from the first.
    pub base: Option<String>,
    /// The environment the release is for.
    pub environment: String,
    /// Whether the clone is shallow.
    pub shallow: bool,
    /// Whether every covered commit was there to be read.
    pub complete: bool,
    /// The covered commits, newest first.
    pub commits: Vec<ChangeCommit>,
    /// Files that differ between base and commit; all files when there is no base.
    pub files: Vec<ChangeFile>,
    /// The files that define the pipeline.
    pub pipeline: Pipeline,
    /// The change ticket that was named.
    pub ticket: Option<String>,
    /// The reason that was given.
    pub reason: Option<String>,
}

/// A covered commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChangeCommit {
    /// Its object id.
    pub id: String,
    /// A keyed pseudonym of the author string; an author string is never an identity.
    pub author: String,
    /// What the signature on it is worth: `valid`, `invalid`, `none`, `unsupported`.
    pub signature: SignatureState,
    /// Fingerprint of the key that signed it, when the signature is valid: `SHA256:…`, or that of an OpenPGP key's primary key.
    pub key: Option<String>,
    /// What the certificate in the signature says, where there is one that names somebody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<CommitCertificate>,
    /// What `gpg` said of an OpenPGP signature at the moment of the run, in one word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub openpgp: Option<OpenPgp>,
    /// How many co-authors its trailers name.
    pub co_authors: u32,
    /// Whether it is a merge.
    pub merge: bool,
    /// Whether it touches a file that defines the pipeline.
    #[serde(default, skip_serializing_if = "is_false")]
    pub pipeline: bool,
    /// Whether it touches the source of a policy.
    #[serde(default, skip_serializing_if = "is_false")]
    pub policy: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
const fn is_false(value: &bool) -> bool {
    !*value
}

/// What a commit's signature is worth by itself; whose the key is, the ledger knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SignatureState {
    /// Verifies under the key it names.
    Valid,
    /// Does not verify.
    Invalid,
    /// There is none.
    None,
    /// Not verified here (X.509; OpenPGP by a key that is not enrolled): counts as unsigned.
    Unsupported,
}

/// The OpenSSH certificate in a commit's signature. Whether it counts at a moment is decided with what the ledger says of its authority.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommitCertificate {
    /// Fingerprint of the authority.
    pub authority: String,
    /// Its number, in decimal digits: it may be larger than what a number in JSON holds exactly.
    pub serial: String,
    /// A keyed pseudonym of its key id.
    pub key_id: String,
    /// Whom it names.
    pub person: PersonId,
    /// It counts from then on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_after: Option<Timestamp>,
    /// And before then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_before: Option<Timestamp>,
}

/// What an OpenPGP signature is worth at the moment at which it was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OpenPgp {
    /// It verifies under an enrolled key that neither ended nor was revoked. The only one that counts.
    Good,
    /// It verifies, and says itself that it is over.
    ExpiredSignature,
    /// It verifies under a key, or a subkey, that has expired.
    ExpiredKey,
    /// It verifies under a key, or a subkey, that its owner revoked in the certificate.
    RevokedKey,
    /// It verifies under a key that is too weak.
    WeakKey,
    /// It is by an enrolled key, and does not verify.
    Bad,
    /// It is by no key that is enrolled.
    NoKey,
    /// It is of a kind that is not verified here: a weak hash, another version, a key from the future.
    NotVerifiable,
    /// There is no `gpg` on this machine.
    NoGpg,
}

impl OpenPgp {
    /// Whether the person whose key it is stands for the commit.
    #[must_use]
    pub const fn counts(self) -> bool {
        matches!(self, Self::Good)
    }

    /// The signature by itself.
    #[must_use]
    pub const fn state(self) -> SignatureState {
        match self {
            Self::Good | Self::ExpiredSignature | Self::ExpiredKey | Self::RevokedKey => SignatureState::Valid,
            Self::Bad => SignatureState::Invalid,
            Self::WeakKey | Self::NoKey | Self::NotVerifiable | Self::NoGpg => SignatureState::Unsupported,
        }
    }
}

/// A changed file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChangeFile {
    /// Where.
    pub path: TreePath,
    /// `A`dded, `M`odified, `D`eleted, `T`ype changed.
    pub status: String,
}

/// The files that define the pipeline: part of a run's identity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pipeline {
    /// Digest over their paths and blob ids.
    pub digest: Digest,
    /// How many there are.
    pub files: u64,
    /// Whether the change touches one of them.
    pub changed: bool,
}

/// What a scan saw, as recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScanRecord {
    /// Format version, 1.
    pub version: u32,
    /// Number of rules.
    pub rules: u64,
    /// Digest over the rules and the engine's version.
    pub rules_digest: Digest,
    /// Files examined.
    pub files: u64,
    /// Bytes examined.
    pub bytes: u64,
    /// Binary files passed over.
    pub binary: u64,
    /// Symbolic links, which are never followed.
    pub links: u64,
    /// What could not be looked at.
    pub gaps: Vec<Gap>,
    /// What was found.
    pub findings: Vec<ScanFinding>,
    /// Declarations in the configuration that match nothing any more.
    pub unused_declarations: Vec<String>,
    /// Entries of the baseline that match nothing any more.
    pub stale_baseline: u64,
    /// Tools whose reports the change must have, sorted: what the judged commit asks for, and what the base asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub required_reports: Vec<String>,
    /// What the repository enforces more strictly than the firm, sorted: what the judged commit asks for, and what the
    /// base asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tightened: Vec<Tightened>,
    /// What the repository asks of approvals besides what the firm does, sorted: as with `tightened`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approvals: Vec<AskedSlot>,
}

/// A control that a repository enforces at least at a level.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tightened {
    /// The control's id.
    pub control: String,
    /// At least so strongly.
    pub level: Level,
    /// In which tiers, sorted; empty: in all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tiers: Vec<Tier>,
}

/// A finding as recorded: no excerpt, no value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScanFinding {
    /// The rule's id.
    pub rule: String,
    /// How bad.
    pub severity: Severity,
    /// How sure.
    pub confidence: Confidence,
    /// Where.
    pub path: TreePath,
    /// First line, from 1.
    pub line: u32,
    /// Survives moves and renames.
    pub fingerprint: Digest,
    /// Controls the rule serves.
    pub controls: Vec<String>,
    /// Stages the rule belongs to.
    pub stages: Vec<String>,
    /// Weakness ids.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cwe: Vec<String>,
    /// The keyed identity of the value, where it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Digest>,
    /// As the scan saw it: open, or a suppression is requested.
    pub state: FindingState,
    /// The reason given with the request.
    pub reason: Option<String>,
    /// What asked for it: `inline`, `declaration`, `baseline` or `report`.
    pub requested_by: Option<String>,
}

/// What was read out of a report of another tool, as recorded beside the report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReportRecord {
    /// Format version, 1.
    pub version: u32,
    /// The format: `sarif`, `gitleaks`, `trufflehog`, `detect-secrets`, `github-secret-scanning`.
    pub format: String,
    /// How many texts were taken out of the report before it was stored: values, names and addresses.
    pub hidden: u64,
    /// What each tool says; a SARIF file may hold runs of several.
    pub reports: Vec<ToolReport>,
}

/// What one tool says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToolReport {
    /// The tool, in lower case and with `-` for everything else: the first part of its rules' ids.
    pub tool: String,
    /// The tool as it names itself.
    pub name: String,
    /// Its version, where it says one.
    pub version: Option<String>,
    /// The commits it says it was made for; empty where it says none, and nobody said so when it was recorded.
    pub revisions: Vec<String>,
    /// Why it does not say all, where it does not.
    pub incomplete: Vec<String>,
    /// Results that say of themselves that they are no findings.
    pub passed_over: u64,
    /// What it found.
    pub findings: Vec<Finding>,
}

impl ToolReport {
    /// Whether it is for this commit. One that names no commit is for the run that it was recorded for.
    #[must_use]
    pub fn is_for(&self, commit: &str) -> bool {
        self.revisions.is_empty() || self.revisions.iter().any(|r| commit.starts_with(r.as_str()))
    }
}
