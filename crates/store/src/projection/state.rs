//! The tables. Every row names the log index it comes from.

use std::collections::{BTreeMap, BTreeSet};

use countersign_evidence::sshsig::PublicKey;
use countersign_model::event::{Artifact, Device};
use countersign_model::{Digest, GrantId, PayloadRef, PersonId, RepositoryId, Role, RunId, Slot, StreamId, Timestamp};

/// Everything the log says, up to `size` entries.
#[derive(Debug, Default, Clone)]
pub struct State {
    /// The log's origin.
    pub origin: String,
    /// The log's verifier key, as entry 0 names it.
    pub vkey: String,
    /// How many entries are folded in.
    pub size: u64,
    /// The recorder that entry 0 names, `ed25519:` + base64.
    pub recorder: String,
    /// Where trust begins; `None` before `init`.
    pub trust: Option<TrustRoot>,
    /// Enrolled people.
    pub people: BTreeMap<PersonId, Person>,
    /// Whose a key is, by its fingerprint (`SHA256:…`).
    pub keys: BTreeMap<String, PersonId>,
    /// The policy bundle in effect.
    pub bundle: Option<ActiveBundle>,
    /// Repositories by identity (`None`: the one without an identity).
    pub repositories: BTreeMap<Option<String>, RepositoryId>,
    /// Runs.
    pub runs: BTreeMap<RunId, RunRow>,
    /// The run that started last.
    pub latest_run: Option<RunId>,
    /// Who claimed which commit of which repository.
    pub claims: BTreeMap<(String, String), BTreeSet<PersonId>>,
    /// Granted suppressions by repository and fingerprint; the latest grant counts.
    pub suppressions: BTreeMap<(String, Digest), SuppressionRow>,
    /// Deploy grants.
    pub grants: BTreeMap<GrantId, GrantRow>,
    /// Deployments in the order of the log.
    pub deployments: Vec<DeploymentRow>,
    /// Version of every stream.
    pub streams: BTreeMap<StreamId, u64>,
    /// What stands in the log and was not believed.
    pub anomalies: Vec<Anomaly>,
}

/// The root of trust.
#[derive(Debug, Clone)]
pub struct TrustRoot {
    /// Log index of the entry.
    pub index: u64,
    /// RFC 6962 leaf hash of the entry: what a pin holds on to.
    pub entry: Digest,
    /// The first administrator.
    pub administrator: PersonId,
    /// The recorder they vouched for.
    pub recorder: String,
}

/// A person.
#[derive(Debug, Clone)]
pub struct Person {
    /// Who.
    pub id: PersonId,
    /// Their name; `None` when their key was destroyed (erasure).
    pub name: Option<String>,
    /// Their keys.
    pub keys: Vec<PublicKey>,
    /// Their roles.
    pub roles: BTreeSet<Role>,
    /// Log index of their enrolment.
    pub index: u64,
}

impl Person {
    /// The name, or the id when the name was erased.
    #[must_use]
    pub fn label(&self) -> &str {
        self.name.as_deref().unwrap_or_else(|| self.id.as_str())
    }
}

/// The policy bundle in effect.
#[derive(Debug, Clone)]
pub struct ActiveBundle {
    /// Log index of its activation.
    pub index: u64,
    /// Its digest: the policy version in effect.
    pub digest: Digest,
    /// The blob that holds it.
    pub blob: PayloadRef,
    /// Who activated it.
    pub by: PersonId,
}

/// A run with everything that happened to it.
#[derive(Debug, Clone)]
pub struct RunRow {
    /// The run.
    pub id: RunId,
    /// Log index of its first attempt.
    pub index: u64,
    /// The repository's id in this ledger.
    pub repository: RepositoryId,
    /// The repository's identity.
    pub identity: Option<String>,
    /// The commit.
    pub commit: String,
    /// Its tree.
    pub tree: String,
    /// Digest of the pipeline definition.
    pub pipeline: Digest,
    /// Log indices of its attempts.
    pub attempts: Vec<u64>,
    /// The change of the last attempt.
    pub change: PayloadRef,
    /// The last scan record and its log index.
    pub scan: Option<(u64, PayloadRef)>,
    /// Attached evidence and artifacts.
    pub evidence: Vec<EvidenceRow>,
    /// Decisions, oldest first.
    pub decisions: Vec<DecisionRow>,
    /// Approvals of any decision of this run.
    pub approvals: Vec<ApprovalRow>,
}

/// A decision.
#[derive(Debug, Clone)]
pub struct DecisionRow {
    /// Log index.
    pub index: u64,
    /// Digest of the decision document.
    pub digest: Digest,
    /// The decision document.
    pub document: serde_json::Value,
    /// The facts it was made from.
    pub facts: PayloadRef,
    /// The policy bundle that made it.
    pub bundle: PayloadRef,
}

/// Evidence attached to a run.
#[derive(Debug, Clone)]
pub struct EvidenceRow {
    /// Log index.
    pub index: u64,
    /// Kind, as detected.
    pub kind: String,
    /// File name.
    pub name: String,
    /// Digest of the bytes.
    pub digest: Digest,
    /// Whether it is an artifact.
    pub artifact: bool,
    /// Artifacts it speaks of.
    pub subjects: Vec<Artifact>,
}

/// An approval.
#[derive(Debug, Clone)]
pub struct ApprovalRow {
    /// Log index.
    pub index: u64,
    /// The decision it binds.
    pub decision: Digest,
    /// Which signature.
    pub slot: Slot,
    /// Who.
    pub person: PersonId,
    /// With what.
    pub device: Device,
    /// How strong.
    pub strength: String,
    /// When.
    pub time: Timestamp,
}

/// A granted suppression.
#[derive(Debug, Clone)]
pub struct SuppressionRow {
    /// Log index.
    pub index: u64,
    /// Who granted.
    pub by: PersonId,
    /// Until when.
    pub expires: Timestamp,
}

/// What became of a grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GrantState {
    /// Not used yet.
    Issued,
    /// Redeemed; no outcome is recorded (it runs, or the machine died).
    Started,
    /// Ended.
    Ended {
        /// Whether the command succeeded.
        success: bool,
    },
}

/// A deploy grant.
#[derive(Debug, Clone)]
pub struct GrantRow {
    /// Log index.
    pub index: u64,
    /// What it says.
    pub grant: countersign_model::event::GrantIssued,
    /// What became of it.
    pub state: GrantState,
}

/// A deployment that ended.
#[derive(Debug, Clone)]
pub struct DeploymentRow {
    /// Log index.
    pub index: u64,
    /// The repository's identity.
    pub repository: String,
    /// The grant.
    pub grant: GrantId,
    /// The commit.
    pub commit: String,
    /// Where.
    pub environment: String,
    /// Whether it succeeded.
    pub success: bool,
}

/// An entry that was not believed, or a file beside it that does not do what it should, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anomaly {
    /// Log index.
    pub index: u64,
    /// The file, where it is not the entry itself: relative to the ledger's directory.
    pub file: Option<String>,
    /// Why.
    pub what: String,
}

impl State {
    /// The person who holds `key`.
    #[must_use]
    pub fn person_by_key(&self, key: &PublicKey) -> Option<&Person> {
        self.person_by_fingerprint(&key.fingerprint())
    }

    /// The person who holds the key with this fingerprint (`SHA256:…`).
    #[must_use]
    pub fn person_by_fingerprint(&self, fingerprint: &str) -> Option<&Person> {
        self.keys.get(fingerprint).and_then(|id| self.people.get(id))
    }

    /// People whose name or id is `text` (names are compared without regard to case).
    #[must_use]
    pub fn people_named(&self, text: &str) -> Vec<&Person> {
        let wanted = text.to_lowercase();
        self.people
            .values()
            .filter(|p| p.id.as_str() == text || p.name.as_ref().is_some_and(|n| n.to_lowercase() == wanted))
            .collect()
    }

    /// Whether the person holds the role.
    #[must_use]
    pub fn has_role(&self, person: &PersonId, role: Role) -> bool {
        self.people.get(person).is_some_and(|p| p.roles.contains(&role))
    }

    /// The version of a stream; 0 when nothing was appended to it.
    #[must_use]
    pub fn stream_version(&self, stream: &StreamId) -> u64 {
        self.streams.get(stream).copied().unwrap_or(0)
    }

    /// Whether the first administrator vouched for the recorder that this ledger uses.
    #[must_use]
    pub fn recorder_enrolled(&self) -> bool {
        self.trust.as_ref().is_some_and(|t| t.recorder == self.recorder)
    }

    /// The commit last deployed to an environment with success.
    #[must_use]
    pub fn last_deployed(&self, repository: &str, environment: &str) -> Option<&str> {
        self.deployments
            .iter()
            .rev()
            .find(|d| d.success && d.repository == repository && d.environment == environment)
            .map(|d| d.commit.as_str())
    }

    /// From where on a release of `commit` covers: the commit that the environment's last deployment of *another* commit
    /// put there. A commit that runs already is judged as when it was released, so that looking at it again changes
    /// nothing.
    #[must_use]
    pub fn release_base(&self, repository: &str, environment: &str, commit: &str) -> Option<&str> {
        self.deployments
            .iter()
            .rev()
            .find(|d| d.success && d.repository == repository && d.environment == environment && d.commit != commit)
            .map(|d| d.commit.as_str())
    }

    /// Runs whose id starts with `text`, or whose commit does (at least four digits).
    #[must_use]
    pub fn runs_named(&self, text: &str) -> Vec<&RunRow> {
        if text == "latest" {
            return self.latest_run.iter().filter_map(|id| self.runs.get(id)).collect();
        }
        let digits = text.strip_prefix(RunId::PREFIX).unwrap_or(text);
        if digits.len() < 4 {
            return Vec::new();
        }
        self.runs
            .values()
            .filter(|r| r.id.as_str().starts_with(text) || (text == digits && r.commit.starts_with(digits)))
            .collect()
    }
}
