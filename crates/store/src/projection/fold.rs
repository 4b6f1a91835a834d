//! The fold: one entry after the other, nothing believed without its signature.

use std::collections::BTreeSet;

use countersign_evidence::machine::MachinePublicKey;
use countersign_evidence::statement::{self, Statement};
use countersign_evidence::{canonical, dsse, merkle};
use countersign_model::event::{
    DecisionMade, DeploymentRecorded, DeploymentStarted, EvidenceAttached, FindingsRecorded, LedgerCreated, Predicate,
    RunStarted,
};
use countersign_model::{Digest, Entry, EventKind};

use super::state::{Anomaly, DecisionRow, DeploymentRow, EvidenceRow, GrantState, RunRow, State};
use crate::installation::Pin;
use crate::subjects::Vault;
use crate::{Error, Ledger};

/// What a reader brings along to believe a ledger.
pub struct Trusted<'a> {
    /// The pin of this machine, or the one in a trust file.
    pub pin: Option<&'a Pin>,
}

/// Folds the whole log.
///
/// # Errors
/// When an entry or a payload cannot be read; what can be read and is not believed is an anomaly, not an error.
pub fn fold(ledger: &Ledger, trusted: &Trusted<'_>) -> Result<State, Error> {
    let mut state = State::default();
    for (index, entry) in ledger.entries(0..ledger.size())? {
        let payload = ledger.payload(&entry.payload)?;
        let leaf = Digest::from_bytes(merkle::leaf_hash(&ledger.entry_bytes(index)?));
        state.apply(index, &entry, leaf, &payload, ledger.vault(), trusted);
    }
    Ok(state)
}

impl State {
    /// Folds one entry in. `leaf` is the entry's RFC 6962 leaf hash, `vault` opens what is sealed.
    pub fn apply(
        &mut self,
        index: u64,
        entry: &Entry,
        leaf: Digest,
        payload: &[u8],
        vault: Vault<'_>,
        trusted: &Trusted<'_>,
    ) {
        self.size = index + 1;
        self.streams.insert(entry.stream.clone(), entry.version);
        if let Err(what) = self.believe(index, entry, leaf, payload, vault, trusted) {
            self.anomalies.push(Anomaly { index, file: None, what });
        }
    }

    fn believe(
        &mut self,
        index: u64,
        entry: &Entry,
        leaf: Digest,
        payload: &[u8],
        vault: Vault<'_>,
        trusted: &Trusted<'_>,
    ) -> Result<(), String> {
        match entry.kind {
            EventKind::LedgerCreated => self.on_created(index, payload),
            EventKind::RunStarted => {
                let p: RunStarted = self.statement(payload)?;
                self.on_run(index, entry, p)
            }
            EventKind::FindingsRecorded => {
                let p: FindingsRecorded = self.statement(payload)?;
                let record = attachment(entry, 0)?;
                require(record.sha256 == p.record, "the scan record is not the one the statement names")?;
                self.run_mut(&p.run)?.scan = Some((index, record));
                Ok(())
            }
            EventKind::EvidenceAttached => {
                let p: EvidenceAttached = self.statement(payload)?;
                let run = self.run_mut(&p.run)?;
                run.evidence.push(EvidenceRow {
                    index,
                    kind: p.kind,
                    name: p.name,
                    digest: p.digest,
                    artifact: p.artifact,
                    subjects: p.subjects,
                });
                Ok(())
            }
            EventKind::DecisionMade => {
                let p: DecisionMade = self.statement(payload)?;
                let digest = canonical::digest(&p.decision).map_err(|e| e.to_string())?;
                require(digest == p.digest, "the decision document is not the one its digest names")?;
                let (facts, bundle) = (attachment(entry, 0)?, attachment(entry, 1)?);
                self.run_mut(&p.run)?.decisions.push(DecisionRow {
                    index,
                    digest,
                    document: p.decision,
                    facts,
                    bundle,
                });
                Ok(())
            }
            EventKind::DeploymentStarted => {
                let p: DeploymentStarted = self.statement(payload)?;
                let grant = self.grants.get_mut(&p.grant).ok_or("no such grant was issued")?;
                require(grant.grant.run == p.run, "the grant is for another run")?;
                require(grant.state == GrantState::Issued, "the grant was used before")?;
                grant.state = GrantState::Started;
                Ok(())
            }
            EventKind::DeploymentRecorded => {
                let p: DeploymentRecorded = self.statement(payload)?;
                let grant = self.grants.get_mut(&p.grant).ok_or("no such grant was issued")?;
                require(grant.state == GrantState::Started, "the deployment was not started")?;
                require(
                    grant.grant.run == p.run
                        && grant.grant.commit == p.commit
                        && grant.grant.environment == p.environment,
                    "the deployment is not the one the grant permits",
                )?;
                grant.state = GrantState::Ended { success: p.success };
                let repository = grant.grant.repository.clone();
                self.deployments.push(DeploymentRow {
                    index,
                    repository,
                    grant: p.grant,
                    commit: p.commit,
                    environment: p.environment,
                    success: p.success,
                });
                Ok(())
            }
            EventKind::ActRefused => self.statement::<countersign_model::event::ActRefused>(payload).map(|_| ()),
            EventKind::TrustRootEstablished
            | EventKind::PersonEnrolled
            | EventKind::RoleGranted
            | EventKind::PolicyActivated
            | EventKind::CommitsClaimed
            | EventKind::SuppressionGranted
            | EventKind::ApprovalSigned
            | EventKind::GrantIssued => self.believe_act(index, entry, leaf, payload, vault, trusted),
        }
    }

    fn on_created(&mut self, index: u64, payload: &[u8]) -> Result<(), String> {
        require(index == 0, "a ledger is created once, in entry 0")?;
        let p: LedgerCreated = canonical::from_slice(payload).map_err(|e| e.to_string())?;
        (self.origin, self.vkey, self.recorder) = (p.origin, p.vkey, p.recorder);
        Ok(())
    }

    fn on_run(&mut self, index: u64, entry: &Entry, p: RunStarted) -> Result<(), String> {
        let change = attachment(entry, 0)?;
        require(change.sha256 == p.change, "the change is not the one the statement names")?;
        match self.runs.get_mut(&p.run) {
            Some(run) => {
                require(
                    run.commit == p.commit && run.identity == p.identity && run.pipeline == p.pipeline,
                    "an attempt of a run is of the same commit, repository and pipeline definition",
                )?;
                require(p.attempt == run.attempts.len() as u64 + 1, "attempts are numbered without gaps")?;
                run.attempts.push(index);
                run.change = change;
            }
            None => {
                require(p.attempt == 1, "a run begins with attempt 1")?;
                self.repositories.entry(p.identity.clone()).or_insert_with(|| p.repository.clone());
                let row = RunRow {
                    id: p.run.clone(),
                    index,
                    repository: p.repository,
                    identity: p.identity,
                    commit: p.commit,
                    tree: p.tree,
                    pipeline: p.pipeline,
                    attempts: vec![index],
                    change,
                    scan: None,
                    evidence: Vec::new(),
                    decisions: Vec::new(),
                    approvals: Vec::new(),
                };
                self.runs.insert(p.run.clone(), row);
            }
        }
        self.latest_run = Some(p.run);
        Ok(())
    }

    /// Opens a machine statement: DSSE by the recorder of entry 0, in-toto, of the expected type.
    fn statement<P: Predicate>(&self, payload: &[u8]) -> Result<P, String> {
        let key: MachinePublicKey =
            self.recorder.parse().map_err(|_| "the recorder's key cannot be read".to_owned())?;
        let envelope = dsse::Envelope::from_json(payload).map_err(|e| format!("not a DSSE envelope: {e}"))?;
        let bytes = envelope
            .verify_type(statement::PAYLOAD_TYPE, &[key])
            .map_err(|e| format!("the recorder did not sign it: {e}"))?;
        open_statement(&bytes)
    }

    pub(super) fn run_mut(&mut self, id: &countersign_model::RunId) -> Result<&mut RunRow, String> {
        self.runs.get_mut(id).ok_or_else(|| "it speaks of a run that was never started".to_owned())
    }

    /// Everybody who wrote, or claims to have written, one of these commits.
    #[must_use]
    pub fn claimants(&self, repository: &str, commit: &str) -> BTreeSet<countersign_model::PersonId> {
        self.claims.get(&(repository.to_owned(), commit.to_owned())).cloned().unwrap_or_default()
    }
}

/// Parses canonical statement bytes and checks the predicate's type.
pub(super) fn open_statement<P: Predicate>(bytes: &[u8]) -> Result<P, String> {
    let statement: Statement<P> =
        canonical::from_slice(bytes).map_err(|e| format!("not the expected statement: {e}"))?;
    require(
        statement.predicate_type == P::TYPE,
        &format!("the statement is of type `{}`, not `{}`", statement.predicate_type, P::TYPE),
    )?;
    Ok(statement.predicate)
}

pub(super) fn attachment(entry: &Entry, n: usize) -> Result<countersign_model::PayloadRef, String> {
    entry.attachments.get(n).cloned().ok_or_else(|| format!("attachment {n} is missing"))
}

pub(super) fn require(holds: bool, otherwise: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(otherwise.to_owned()) }
}
