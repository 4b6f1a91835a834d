//! What can go wrong in a stage, each with a stable code.

use std::path::PathBuf;

use countersign_model::access::SlotName;
use countersign_model::{Diagnostic, Digest, Exit, GrantId, Place, Role, RunId, Timestamp};
use countersign_store::session::SessionError;

/// An error of a use case.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The ledger, a key or a pin.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// Git, a process, or SSH signing.
    #[error(transparent)]
    Connect(#[from] countersign_connect::Error),
    /// The scan.
    #[error(transparent)]
    Scan(#[from] countersign_scan::Error),
    /// The policy.
    #[error(transparent)]
    Policy(#[from] countersign_policy::Error),
    /// A signature, a statement or a canonical document.
    #[error(transparent)]
    Evidence(#[from] countersign_evidence::Error),
    /// A grant.
    #[error(transparent)]
    Release(#[from] crate::release::error::ReleaseError),
    /// Something that is said about a run does not count.
    #[error(transparent)]
    Approval(#[from] crate::release::approval_error::ApprovalError),
    /// What was sent to be judged is not taken.
    #[error(transparent)]
    Submission(#[from] crate::build::submission::SubmissionError),
    /// What runs could not be told.
    #[error(transparent)]
    Operate(#[from] crate::operate::OperateError),
    /// A workload's token.
    #[error(transparent)]
    Token(#[from] countersign_evidence::jwt::TokenError),
    /// An issuer of tokens.
    #[error(transparent)]
    Oidc(#[from] countersign_connect::oidc::OidcError),
    /// A token was shown, and nobody's tokens are believed.
    #[error("no issuer of identity tokens is in effect")]
    NoIssuers,
    /// The issuers in effect are not what was activated.
    #[error("the issuers activated in entry {index} are not those their digest names")]
    IssuersChanged {
        /// Log index of the activation.
        index: u64,
    },
    /// The issuers changed while a token was verified.
    #[error("other issuers were put in effect meanwhile")]
    IssuersMoved,
    /// A claim that the issuer's entry requires is not there, or says something else.
    #[error("the token's claim `{}` is missing, or not what is required", claim.escape_debug())]
    TokenClaim {
        /// The claim, or the field that it stands for.
        claim: String,
    },
    /// The token is for another commit or repository.
    #[error("the token is for the {what} `{}`, and this is `{}`", said.escape_debug(), is.escape_debug())]
    TokenOfOther {
        /// `commit` or `repository`.
        what: &'static str,
        /// What the token says.
        said: String,
        /// What the run is of.
        is: String,
    },
    /// The token was shown before.
    #[error("the token was shown before (entry {index})")]
    TokenUsed {
        /// Log index.
        index: u64,
    },
    /// A review ended the workload.
    #[error("an access review ended the workload `{}` (entry {index})", workload.escape_debug())]
    WorkloadEnded {
        /// Which.
        workload: String,
        /// Log index.
        index: u64,
    },
    /// Its repository belongs to no application.
    #[error("the token is of a job in `{repository}`, which belongs to no registered application")]
    NotRegistered {
        /// The repository that it names.
        repository: String,
    },
    /// A document of ours could not be written or read.
    #[error("a recorded document is not what this program writes")]
    Document {
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// Hooks are somewhere for every repository.
    #[error("the user's or the system's configuration has every repository's hooks in `{}`", dir.display())]
    HooksOfMachine {
        /// Where.
        dir: PathBuf,
    },
    /// Two hooks would have to be kept.
    #[error("`{}` is not ours, and an earlier hook is kept already", path.display())]
    HookKeptAlready {
        /// The hook.
        path: PathBuf,
        /// The one that is kept.
        kept: PathBuf,
    },
    /// A hook's file cannot be read or written.
    #[error("cannot read or write the hook `{}`", path.display())]
    HookFile {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// No commits.
    #[error("the repository has no commits yet (branch `{branch}`)")]
    NoCommits {
        /// The unborn branch.
        branch: String,
    },
    /// No such run.
    #[error("there is no run `{run}` in this ledger")]
    NoSuchRun {
        /// What was asked for.
        run: String,
    },
    /// Nothing was scanned.
    #[error("run {run} holds no scan")]
    NotScanned {
        /// The run.
        run: RunId,
    },
    /// The active bundle is not what was activated.
    #[error("the policy bundle activated in entry {index} is not the one its digest names")]
    BundleChanged {
        /// Log index of the activation.
        index: u64,
    },
    /// Evidence cannot be read.
    #[error("cannot read `{}`", path.display())]
    ReadEvidence {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Not a file.
    #[error("`{}` is not a file", path.display())]
    NotAFile {
        /// What was named.
        path: PathBuf,
    },
    /// Evidence too large.
    #[error("`{}` has {size} bytes, too large to store", path.display())]
    EvidenceTooLarge {
        /// The file.
        path: PathBuf,
        /// Its size.
        size: u64,
    },
    /// No such decision.
    #[error("there is no decision `{decision}` in this ledger")]
    NoSuchDecision {
        /// What was asked for.
        decision: String,
    },
    /// The facts changed.
    #[error("what run {run} was decided on has changed")]
    ChangedMeanwhile {
        /// The run.
        run: RunId,
    },
    /// No root of trust.
    #[error("cannot {act}: no root of trust is established in this ledger")]
    NoTrustRoot {
        /// What was tried.
        act: &'static str,
    },
    /// Unknown key.
    #[error("the key {fingerprint} belongs to nobody enrolled")]
    UnknownKey {
        /// The key.
        fingerprint: String,
    },
    /// Somebody who left.
    #[error("{person} has left")]
    HasLeft {
        /// Who.
        person: String,
    },
    /// Missing role.
    #[error("{person} may not {act}: it needs the role {role}")]
    NoRole {
        /// Who.
        person: String,
        /// The role that is needed.
        role: Role,
        /// What was tried.
        act: &'static str,
    },
    /// An author cannot approve.
    #[error("{person} is an author of what run {run} covers and cannot approve it")]
    AuthorApproves {
        /// Who.
        person: String,
        /// The run.
        run: RunId,
    },
    /// One person, two signatures.
    #[error("{person} gave the {given} approval; one person cannot fill both slots")]
    BothSlots {
        /// Who.
        person: String,
        /// What they signed already.
        given: SlotName,
    },
    /// Approved already.
    #[error("{person} gave the {slot} approval already, in entry {index}")]
    ApprovedAlready {
        /// Who.
        person: String,
        /// Which.
        slot: SlotName,
        /// Log index of the approval.
        index: u64,
    },
    /// Denied by a gate.
    #[error("the gate {gate} denies run {run}")]
    Denied {
        /// The gate that says no.
        gate: String,
        /// The run.
        run: RunId,
    },
    /// A gate waits.
    #[error("the gate {gate} of run {run} is not satisfied yet")]
    Waiting {
        /// The gate that waits.
        gate: String,
        /// The run.
        run: RunId,
    },
    /// No repository identity.
    #[error("the repository has no identity that a signature could name")]
    Unidentified,
    /// Signed for another ledger.
    #[error("it was signed for the ledger `{origin}`")]
    OtherLedger {
        /// The ledger it was signed for.
        origin: String,
    },
    /// A stale approval.
    #[error("it is about decision {} of run {run}, which is now {}: {what}", then.short(), now.short())]
    StaleApproval {
        /// The run.
        run: RunId,
        /// The decision that was signed.
        then: Digest,
        /// The decision now.
        now: Digest,
        /// What has changed.
        what: String,
    },
    /// Conflicting duties.
    #[error("{person} is {duty} of this run and cannot take another duty in it")]
    DutyConflict {
        /// Who.
        person: String,
        /// The duty they have in this run already.
        duty: &'static str,
    },
    /// Decided for another environment.
    #[error("run {run} was decided for `{decided}`, not for `{asked}`")]
    OtherEnvironment {
        /// The run.
        run: RunId,
        /// The environment it was decided for.
        decided: String,
        /// The environment asked for.
        asked: String,
    },
    /// The environment moved on.
    #[error("`{environment}` was deployed to since run {run} was judged, so the run covers other commits now")]
    OtherBase {
        /// The run.
        run: RunId,
        /// Where.
        environment: String,
    },
    /// No such grant.
    #[error("there is no grant `{grant}` in this ledger")]
    NoSuchGrant {
        /// What was asked for.
        grant: String,
    },
    /// The grant was used.
    #[error("{grant} was used before; a grant is good for one deployment")]
    GrantUsed {
        /// The grant.
        grant: GrantId,
    },
    /// The grant expired.
    #[error("{grant} expired at {expired}")]
    GrantExpired {
        /// The grant.
        grant: GrantId,
        /// When.
        expired: Timestamp,
    },
    /// The grant is outdated.
    #[error("what {grant} was issued for has changed since")]
    GrantOutdated {
        /// The grant.
        grant: GrantId,
    },
    /// An assignment that is gone.
    #[error("no assignment of levels with the digest {assignment} was activated in this ledger")]
    NoSuchAssignment {
        /// Its digest.
        assignment: Digest,
    },
    /// Nothing to override.
    #[error("nothing that is soft holds run {run} up")]
    NothingToOverride {
        /// The run.
        run: RunId,
    },
    /// Nothing to grant.
    #[error("run {run} asks for no such suppression")]
    NothingToGrant {
        /// The run.
        run: RunId,
    },
}

impl From<countersign_store::Error> for Error {
    fn from(e: countersign_store::Error) -> Self {
        Self::Session(SessionError::Store(e))
    }
}

impl Error {
    pub(crate) fn json(source: serde_json::Error) -> Self {
        Self::Document { source }
    }

    fn wrapped(&self) -> Option<&dyn Diagnostic> {
        match self {
            Self::Session(e) => Some(e),
            Self::Connect(e) => Some(e),
            Self::Scan(e) => Some(e),
            Self::Policy(e) => Some(e),
            Self::Evidence(e) => Some(e),
            Self::Release(e) => Some(e),
            Self::Approval(e) => Some(e),
            Self::Submission(e) => Some(e),
            Self::Operate(e) => Some(e),
            Self::Token(e) => Some(e),
            Self::Oidc(e) => Some(e),
            _ => None,
        }
    }
}

impl Diagnostic for Error {
    fn code(&self) -> &'static str {
        match self {
            Self::Session(e) => e.code(),
            Self::Connect(e) => e.code(),
            Self::Scan(e) => e.code(),
            Self::Policy(e) => e.code(),
            Self::Evidence(e) => e.code(),
            Self::Release(e) => e.code(),
            Self::Approval(e) => e.code(),
            Self::Submission(e) => e.code(),
            Self::Operate(e) => e.code(),
            Self::Token(e) => e.code(),
            Self::Oidc(e) => e.code(),
            Self::NoIssuers => "CS-WORKLOAD-001",
            Self::IssuersChanged { .. } => "CS-WORKLOAD-002",
            Self::IssuersMoved => "CS-WORKLOAD-003",
            Self::TokenClaim { .. } => "CS-WORKLOAD-004",
            Self::TokenOfOther { .. } => "CS-WORKLOAD-005",
            Self::TokenUsed { .. } => "CS-WORKLOAD-006",
            Self::WorkloadEnded { .. } => "CS-WORKLOAD-007",
            Self::NotRegistered { .. } => "CS-WORKLOAD-008",
            Self::HooksOfMachine { .. } => "CS-COMMIT-001",
            Self::HookKeptAlready { .. } => "CS-COMMIT-002",
            Self::HookFile { .. } => "CS-COMMIT-003",
            Self::Document { .. } => "CS-BUILD-010",
            Self::NoCommits { .. } => "CS-BUILD-001",
            Self::NoSuchRun { .. } => "CS-BUILD-002",
            Self::NotScanned { .. } => "CS-BUILD-003",
            Self::BundleChanged { .. } => "CS-BUILD-004",
            Self::ReadEvidence { .. } => "CS-BUILD-005",
            Self::NotAFile { .. } => "CS-BUILD-006",
            Self::EvidenceTooLarge { .. } => "CS-BUILD-007",
            Self::NoSuchDecision { .. } => "CS-BUILD-008",
            Self::ChangedMeanwhile { .. } => "CS-BUILD-009",
            Self::NoTrustRoot { .. } => "CS-RELEASE-001",
            Self::UnknownKey { .. } => "CS-RELEASE-002",
            Self::HasLeft { .. } => "CS-RELEASE-030",
            Self::NoRole { .. } => "CS-RELEASE-003",
            Self::AuthorApproves { .. } => "CS-RELEASE-004",
            Self::BothSlots { .. } => "CS-RELEASE-005",
            Self::ApprovedAlready { .. } => "CS-RELEASE-006",
            Self::Denied { .. } => "CS-RELEASE-007",
            Self::Waiting { .. } => "CS-RELEASE-008",
            Self::Unidentified => "CS-RELEASE-009",
            Self::OtherLedger { .. } => "CS-RELEASE-010",
            Self::StaleApproval { .. } => "CS-RELEASE-011",
            Self::DutyConflict { .. } => "CS-RELEASE-012",
            Self::OtherEnvironment { .. } => "CS-RELEASE-013",
            Self::OtherBase { .. } => "CS-RELEASE-014",
            Self::NoSuchGrant { .. } => "CS-RELEASE-015",
            Self::GrantUsed { .. } => "CS-RELEASE-016",
            Self::GrantExpired { .. } => "CS-RELEASE-017",
            Self::GrantOutdated { .. } => "CS-RELEASE-018",
            Self::NothingToGrant { .. } => "CS-RELEASE-019",
            Self::NothingToOverride { .. } => "CS-RELEASE-020",
            Self::NoSuchAssignment { .. } => "CS-BUILD-011",
        }
    }

    fn exit(&self) -> Exit {
        if let Some(inner) = self.wrapped() {
            return inner.exit();
        }
        crate::explain::EXPLANATIONS.iter().find(|e| e.code == self.code()).map_or(Exit::Internal, |e| e.exit)
    }

    fn place(&self) -> Option<Place> {
        match self {
            Self::ReadEvidence { path, .. }
            | Self::NotAFile { path }
            | Self::EvidenceTooLarge { path, .. }
            | Self::HookKeptAlready { path, .. }
            | Self::HookFile { path, .. } => Some(Place::file(path.display().to_string())),
            _ => self.wrapped().and_then(Diagnostic::place),
        }
    }

    fn help(&self) -> String {
        match self {
            Self::Session(e) => e.help(),
            Self::Connect(e) => e.help(),
            Self::Scan(e) => e.help(),
            Self::Policy(e) => e.help(),
            Self::Evidence(e) => e.help(),
            Self::Release(e) => e.help(),
            Self::Approval(e) => e.help(),
            Self::Submission(e) => e.help(),
            Self::Operate(e) => e.help(),
            Self::Token(e) => e.help(),
            Self::Oidc(e) => e.help(),
            Self::NoIssuers => {
                "a security officer says whose tokens are believed: countersign issuer activate FILE".into()
            }
            Self::IssuersChanged { .. } => "run `countersign verify`; no token is believed until it is clear".into(),
            Self::IssuersMoved => "repeat the command with a new token".into(),
            Self::TokenClaim { .. } => "see what is required: countersign issuer show".into(),
            Self::TokenOfOther { .. } => {
                "request a token in the job that checked this commit out of this repository".into()
            }
            Self::TokenUsed { .. } => "request a new token: each is good for one attempt of one run".into(),
            Self::NotRegistered { .. } => {
                "an administrator says whose it is: countersign application register ID --repository IDENTITY".into()
            }
            Self::WorkloadEnded { .. } => {
                "a security officer lets it in again: countersign access readmit WORKLOAD --reason TEXT".into()
            }
            Self::HooksOfMachine { .. } => {
                "install them for all of them: `countersign hook install --global`; or give this repository hooks of \
                 its own: `git config core.hooksPath .git/hooks`"
                    .into()
            }
            Self::HookKeptAlready { kept, .. } => {
                format!("join the two by hand, or remove the one that is kept: `rm {}`", kept.display())
            }
            Self::HookFile { .. } => "check who may write there: `ls -la` of the folder".into(),
            Self::Document { .. } => {
                "run `countersign verify`, or update countersign: a newer one may have written it".into()
            }
            Self::NoCommits { .. } => "make a first commit: git commit".into(),
            Self::NoSuchRun { .. } => {
                "start one with `countersign run`, or list them with `countersign ledger runs`".into()
            }
            Self::NotScanned { .. } => "run it again: countersign run".into(),
            Self::BundleChanged { .. } => {
                "run `countersign verify`; nothing is decided until the bundle is what was activated".into()
            }
            Self::ReadEvidence { .. } => "check the path and its permissions; none of the files was recorded".into(),
            Self::NotAFile { .. } => "name files, not directories; none of them was recorded".into(),
            Self::EvidenceTooLarge { .. } => {
                "keep it elsewhere and record its digest: countersign record --artifact FILE".into()
            }
            Self::NoSuchDecision { .. } => {
                "name its id (`dec-…`), its log index or its run; `countersign run --format json` prints the id".into()
            }
            Self::ChangedMeanwhile { run } => format!("look at it again, then repeat: countersign gate check {run}"),
            Self::NoTrustRoot { .. } => "establish it first: countersign init".into(),
            Self::UnknownKey { .. } => {
                "an administrator enrols its holder: countersign person add NAME --ssh-key FILE.pub".into()
            }
            Self::HasLeft { person } => {
                format!("an administrator takes them back: countersign person return {person:?} --reason TEXT")
            }
            Self::NoRole { person, role, .. } => {
                format!("an administrator grants it: countersign role grant {person:?} {role} --reason TEXT")
            }
            Self::AuthorApproves { run, .. } => {
                format!("somebody who wrote none of it approves: countersign approve {run} --as technical|regulatory")
            }
            Self::BothSlots { .. } => "a second person signs the other one".into(),
            Self::ApprovedAlready { .. } => {
                "nothing is left to do for this person; `countersign gate check` says what is".into()
            }
            Self::Denied { run, .. } => format!("see why: countersign gate check {run}"),
            Self::Waiting { run, .. } => format!("see what is missing: countersign gate check {run}"),
            Self::Unidentified => {
                "fetch the whole history (git fetch --unshallow), or set a remote: git remote add origin URL".into()
            }
            Self::OtherLedger { .. } => "name that ledger with --ledger DIR".into(),
            Self::StaleApproval { run, .. } => {
                format!("look at it again, and sign what is so now: countersign gate check {run}")
            }
            Self::DutyConflict { .. } => "somebody who has no part in it does this".into(),
            Self::OtherEnvironment { asked, .. } => {
                format!("judge it for that environment: countersign run --env {asked}")
            }
            Self::OtherBase { .. } => "judge it again: countersign run".into(),
            Self::NoSuchGrant { .. } => {
                "a release manager issues one: countersign deploy RUN --env ENV --key FILE".into()
            }
            Self::GrantUsed { .. } => {
                "a release manager issues another: countersign deploy RUN --env ENV --key FILE".into()
            }
            Self::GrantExpired { .. } => {
                "a release manager issues another: countersign deploy RUN --env ENV --key FILE".into()
            }
            Self::GrantOutdated { .. } => "judge and approve it again: countersign run".into(),
            Self::NothingToOverride { run } => {
                format!("see what holds it up, and at which level: countersign gate check {run}")
            }
            Self::NoSuchAssignment { .. } => {
                "run `countersign verify`; nothing is decided under levels that cannot be read".into()
            }
            Self::NothingToGrant { run } => format!("see what is asked for: countersign suppression list {run}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_explained() {
        let errors = [
            Error::Unidentified,
            Error::NoTrustRoot { act: "approve" },
            Error::json(serde_json::from_str::<()>("").unwrap_err()),
        ];
        for error in errors {
            assert!(crate::EXPLANATIONS.iter().any(|e| e.code == error.code()), "{}", error.code());
            assert!(!error.help().is_empty());
        }
        let mut codes: Vec<_> = crate::EXPLANATIONS.iter().map(|e| e.code).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), crate::EXPLANATIONS.len(), "a code is explained twice");
    }
}
