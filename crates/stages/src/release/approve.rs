//! `approve`: a person signs exactly what is decided; `import` carries such a signature to another machine's ledger.

use countersign_connect::{SshSigner, host_name};
use countersign_evidence::act::{self, SignedAct};
use countersign_evidence::canonical;
use countersign_evidence::statement::{Statement, Subject};
use countersign_model::event::{ApprovalSigned, Device};
use countersign_model::{Action, ActorId, EventKind, PersonId, RunId, Slot, StreamId};
use countersign_policy::PolicyEngine;
use countersign_store::projection::{RunRow, State};
use countersign_store::session::act_statement;
use countersign_store::{Plan, Session};

use super::refuse::{self, Attempt};
use super::rules::{self, GateStatus};
use crate::Error;
use crate::build::decide::{self, Decided};
use crate::build::rules::{artifacts, authors};

/// An approval that was given.
pub struct Approved {
    /// The run.
    pub run: RunId,
    /// Who.
    pub person: PersonId,
    /// Which signature.
    pub slot: Slot,
    /// Log index; `None` when it went into a file.
    pub index: Option<u64>,
    /// The signed act.
    pub act: SignedAct,
    /// The gates as they stand now.
    pub gates: Vec<GateStatus>,
}

/// Signs an approval and appends it, unless `carry` says that it goes into a file.
///
/// # Errors
/// When trust is not rooted, the key belongs to nobody, the person may not, or a gate denies. What is refused is
/// recorded first.
pub fn approve(
    session: &mut Session,
    engine: &dyn PolicyEngine,
    run: &RunId,
    slot: Slot,
    signer: &SshSigner,
    carry: bool,
) -> Result<Approved, Error> {
    session.require_pin()?;
    if session.state().trust().is_none() {
        return Err(Error::NoTrustRoot { act: "approve" });
    }
    let attempt = Attempt { act: "approve", run: Some(run.clone()), carry };
    let person = refuse::signer(session, &attempt, signer)?;
    // Settling appends a decision when facts changed; a machine that cannot write takes the recorded one as it is.
    let (decided, change) =
        if carry { decide::recorded(session, engine, run)? } else { decide::settle(session, engine, run)? };
    let decision = decided.decision.digest()?;
    refuse::unless(session, &attempt, Some(&person), |s| {
        let row = run_row(s.state(), run)?;
        may_approve(s.state(), &row, &person, slot, &decided, &authors(&change, s.state())?)
    })?;
    let (statement, subject_run) = {
        let row = run_row(session.state(), run)?;
        let repository = row.identity.clone().ok_or(Error::Unidentified)?;
        let strength = if signer.public_key().is_hardware() { "ssh-hardware-key" } else { "ssh-key" };
        let mut subject = vec![Subject::new(repository.clone(), "gitCommit", row.commit.clone())];
        let artifacts = artifacts(&row);
        subject.extend(artifacts.iter().map(|a| Subject::sha256(a.name.clone(), &a.digest)));
        let predicate = ApprovalSigned {
            origin: session.state().origin().to_owned(),
            repository,
            run: run.clone(),
            commit: row.commit.clone(),
            tree: row.tree.clone(),
            artifacts,
            environment: change.environment.clone(),
            bundle: decided.decision.bundle,
            decision,
            gate: "release".into(),
            slot,
            person: person.clone(),
            device: Device { key: signer.public_key().fingerprint(), host: host_name() },
            strength: strength.into(),
            time: session.now(),
        };
        (act_statement(subject, predicate)?, run.clone())
    };
    let armored = signer.sign(act::APPROVAL, &statement)?;
    let signed = SignedAct::new(act::APPROVAL, &statement, &armored, &signer.public_key())?;
    let index = if carry { None } else { Some(append(session, &subject_run, &person, slot, &decided, &signed)?) };
    let gates = gates_of(session.state(), run, &decided, &authors(&change, session.state())?)?;
    Ok(Approved { run: subject_run, person, slot, index, act: signed, gates })
}

/// Adds an approval that was signed elsewhere.
///
/// # Errors
/// When it is not what it says, was signed for another ledger or of another state than the present, or the person
/// may not.
pub fn import(session: &mut Session, engine: &dyn PolicyEngine, bytes: &[u8]) -> Result<Approved, Error> {
    let signed = SignedAct::from_slice(bytes)?;
    let statement: Statement<ApprovalSigned> = canonical::from_slice(&signed.statement()?)?;
    let p = statement.predicate;
    if p.origin != session.state().origin() {
        return Err(Error::OtherLedger { origin: p.origin });
    }
    session.require_pin()?;
    if session.state().trust().is_none() {
        return Err(Error::NoTrustRoot { act: "import" });
    }
    let attempt = Attempt { act: "import", run: Some(p.run.clone()), carry: false };
    let person = refuse::unless(session, &attempt, Some(&p.person), |s| {
        let person =
            s.state().person(&p.person)?.ok_or_else(|| Error::UnknownKey { fingerprint: p.device.key.clone() })?;
        let verified = person.keys.iter().any(|k| signed.open(act::APPROVAL, k).is_ok());
        if verified { Ok(person.id) } else { Err(Error::UnknownKey { fingerprint: p.device.key.clone() }) }
    })?;
    let (decided, change) = decide::settle(session, engine, &p.run)?;
    refuse::unless(session, &attempt, Some(&person), |s| {
        let row = run_row(s.state(), &p.run)?;
        if p.decision != decided.decision.digest()? {
            return Err(Error::StaleApproval { run: p.run.clone(), then: p.decision, now: decided.decision.digest()? });
        }
        if p.artifacts != artifacts(&row) || p.environment != change.environment || p.gate != "release" {
            return Err(Error::StaleApproval { run: p.run.clone(), then: p.decision, now: decided.decision.digest()? });
        }
        may_approve(s.state(), &row, &person, p.slot, &decided, &authors(&change, s.state())?)
    })?;
    let index = append(session, &p.run, &person, p.slot, &decided, &signed)?;
    let gates = gates_of(session.state(), &p.run, &decided, &authors(&change, session.state())?)?;
    Ok(Approved { run: p.run, person, slot: p.slot, index: Some(index), act: signed, gates })
}

fn append(
    session: &mut Session,
    run: &RunId,
    person: &PersonId,
    slot: Slot,
    decided: &Decided,
    signed: &SignedAct,
) -> Result<u64, Error> {
    let decision = decided.decision.digest()?;
    let (appended, ()) = session.transact(|s| {
        // Decided again on the state it is appended to: four eyes hold even when two people sign at the same moment.
        let row = run_row(s.state(), run)?;
        if row.decisions.last().map(|d| d.digest) != Some(decision) {
            return Err(Error::ChangedMeanwhile { run: run.clone() });
        }
        let change = decide::read_change(s.ledger(), &row.change)?;
        may_approve(s.state(), &row, person, slot, decided, &authors(&change, s.state())?)?;
        let refs = decided.recorded.into_iter().collect();
        let entry = s.act_entry(
            EventKind::ApprovalSigned,
            StreamId::from(run),
            ActorId::from(person),
            signed,
            refs,
            Vec::new(),
        )?;
        Ok::<_, Error>((Plan { entries: vec![entry] }, ()))
    })?;
    appended.map(|a| a.first_index).ok_or_else(|| Error::ChangedMeanwhile { run: run.clone() })
}

fn may_approve(
    state: &State,
    run: &RunRow,
    person: &PersonId,
    slot: Slot,
    decided: &Decided,
    authors: &std::collections::BTreeSet<PersonId>,
) -> Result<(), Error> {
    if !state.may(person, Action::approving(slot))? {
        return Err(Error::NoRole { person: state.label(person)?, role: slot.role(), act: "approve" });
    }
    if authors.contains(person) {
        return Err(Error::AuthorApproves { person: state.label(person)?, run: run.id.clone() });
    }
    let decision = decided.decision.digest()?;
    if let Some(given) = run.approvals.iter().find(|a| a.decision == decision && a.person == *person) {
        return Err(if given.slot == slot {
            Error::ApprovedAlready { person: state.label(person)?, slot, index: given.index }
        } else {
            Error::BothSlots { person: state.label(person)?, given: given.slot }
        });
    }
    let denied = decided.decision.verdict.gates.iter().find(|g| g.outcome.denies());
    if let Some(gate) = denied {
        return Err(Error::Denied { gate: gate.name.clone(), run: run.id.clone() });
    }
    Ok(())
}

pub(crate) fn run_row(state: &State, run: &RunId) -> Result<RunRow, Error> {
    state.run(run)?.ok_or_else(|| Error::NoSuchRun { run: run.to_string() })
}

pub(crate) fn gates_of(
    state: &State,
    run: &RunId,
    decided: &Decided,
    authors: &std::collections::BTreeSet<PersonId>,
) -> Result<Vec<GateStatus>, Error> {
    let decision = decided.decision.digest()?;
    rules::gates(&decided.decision.verdict, Some(&run_row(state, run)?), decision, authors, state)
}
