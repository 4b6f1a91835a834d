//! `approve`: a person signs exactly what is decided; `import` carries such a signature to another machine's ledger.

use countersign_connect::{SshSigner, host_name};
use countersign_evidence::act::{self, SignedAct};
use countersign_evidence::canonical;
use countersign_evidence::sshsig::PublicKey;
use countersign_evidence::statement::{Statement, Subject};
use countersign_model::access::{Duty, SlotName, SlotRule, Strength};
use countersign_model::change::Change;
use countersign_model::event::{ApprovalSigned, Device, EvidenceCheckpoint};
use countersign_model::{ActorId, Digest, EventKind, PersonId, RunId, StreamId, Timestamp};
use countersign_policy::PolicyEngine;
use countersign_policy::quorum::Why;
use countersign_store::projection::{ApprovalRow, RejectionRow, RunRow, State, WithdrawalRow, is_ahead};
use countersign_store::session::act_statement;
use countersign_store::{Plan, Session};
use serde_json::{Value, json};

use super::approval_error::ApprovalError;
use super::binding::{self, Present};
use super::refuse::{self, Attempt};
use super::rules::{self, GateStatus};
use crate::Error;
use crate::build::decide::{self, Decided};
use crate::build::rules::authors;

/// An approval that was given.
pub struct Approved {
    /// The run.
    pub run: RunId,
    /// Who.
    pub person: PersonId,
    /// Which signature.
    pub slot: SlotName,
    /// Log index; `None` when it went into a file.
    pub index: Option<u64>,
    /// When it is over; none: when something that it binds changes.
    pub expires: Option<Timestamp>,
    /// The signed act.
    pub act: SignedAct,
    /// The gates as they stand now.
    pub gates: Vec<GateStatus>,
}

/// Signs an approval and appends it, unless `carry` says that it goes into a file. `hours` is how long it is to count, where that is
/// shorter than its slot allows.
///
/// # Errors
/// When trust is not rooted, the key belongs to nobody, the person may not, or a gate denies. What is refused is
/// recorded first.
pub fn approve(
    session: &mut Session,
    engine: &dyn PolicyEngine,
    run: &RunId,
    slot: &SlotName,
    hours: Option<u32>,
    signer: &SshSigner,
    carry: bool,
) -> Result<Approved, Error> {
    let attempt = Attempt { act: "approve", run: Some(run.clone()), carry };
    rooted(session, attempt.act)?;
    let person = refuse::signer(session, &attempt, signer)?;
    let key = signer.public_key();
    let strength = session.state().key(&key.fingerprint())?.map_or("ssh-key", |row| row.strength());
    let by = By { person: person.clone(), key: &key, strength, host: host_name() };
    let (predicate, decided, change) = propose(session, engine, &attempt, run, slot, hours, by)?;
    let expires = predicate.expires;
    let statement = act_statement(subject(&predicate), predicate.clone())?;
    let armored = signer.sign(act::APPROVAL, &statement)?;
    let signed = SignedAct::new(act::APPROVAL, &statement, &armored, &key)?;
    let index = if carry { None } else { Some(append(session, &predicate, &decided, &signed)?) };
    let gates = gates_of(session.state(), run, &decided, &authors(&change, session.state())?)?;
    Ok(Approved { run: run.clone(), person, slot: slot.clone(), index, expires, act: signed, gates })
}

pub(super) fn rooted(session: &Session, act: &'static str) -> Result<(), Error> {
    session.require_pin()?;
    if session.state().trust().is_none() {
        return Err(Error::NoTrustRoot { act });
    }
    Ok(())
}

/// Who is about to sign, with what, and where.
pub(super) struct By<'a> {
    pub(super) person: PersonId,
    pub(super) key: &'a PublicKey,
    pub(super) strength: &'a str,
    pub(super) host: String,
}

/// What somebody may sign now, if they may; a refusal is recorded.
pub(super) fn propose(
    session: &mut Session,
    engine: &dyn PolicyEngine,
    attempt: &Attempt,
    run: &RunId,
    slot: &SlotName,
    hours: Option<u32>,
    by: By<'_>,
) -> Result<(ApprovalSigned, Decided, Change), Error> {
    // Settling appends a decision when facts changed; a machine that cannot write takes the recorded one as it is.
    let (decided, change) =
        if attempt.carry { decide::recorded(session, engine, run)? } else { decide::settle(session, engine, run)? };
    let rule = refuse::unless(session, attempt, Some(&by.person), |s| {
        let row = run_row(s.state(), run)?;
        may_approve(s.state(), &row, &change, &by.person, slot, Strength::of_statement(by.strength), &decided)
    })?;
    let row = run_row(session.state(), run)?;
    let now = session.now();
    let present = Present::of(session.state(), &row, &change, &decided.decision, now)?;
    let hours = [hours, rule.valid_hours].into_iter().flatten().min();
    let predicate = ApprovalSigned {
        origin: session.state().origin().to_owned(),
        repository: row.identity.clone().ok_or(Error::Unidentified)?,
        run: run.clone(),
        commit: present.commit,
        tree: present.tree,
        artifacts: present.artifacts,
        environment: present.environment,
        bundle: present.bundle,
        decision: present.decision,
        gate: GATE.into(),
        slot: slot.clone(),
        person: by.person,
        device: Device { key: by.key.fingerprint(), host: by.host },
        strength: by.strength.to_owned(),
        time: now,
        authenticator: by.key.application(),
        evidence: Some(checkpoint(session)?),
        waivers: present.waiver_set,
        levels: present.levels,
        rules: present.rules,
        findings: present.findings,
        expires: hours.map(|h| now.plus_seconds(i64::from(h) * 3600)),
    };
    Ok((predicate, decided, change))
}

/// The gate that approvals are for.
pub(crate) const GATE: &str = "release";

/// What an approval is about.
pub(super) fn subject(predicate: &ApprovalSigned) -> Vec<Subject> {
    let mut subject = vec![Subject::new(predicate.repository.clone(), "gitCommit", predicate.commit.clone())];
    subject.extend(predicate.artifacts.iter().map(|a| Subject::sha256(a.name.clone(), &a.digest)));
    subject
}

/// The log as it is.
fn checkpoint(session: &Session) -> Result<EvidenceCheckpoint, Error> {
    let size = session.state().size();
    Ok(EvidenceCheckpoint { size, root: Digest::from_bytes(session.ledger().root_at(size)?) })
}

/// Adds an approval that was signed elsewhere.
///
/// # Errors
/// When it is not what it says, was signed for another ledger or of another state than the present, or the person
/// may not. What is refused is recorded first.
pub fn import(session: &mut Session, engine: &dyn PolicyEngine, bytes: &[u8]) -> Result<Approved, Error> {
    take(session, engine, bytes, "import")
}

/// Adds an approval that was signed outside of this process. `act` is the command, for the record of a refusal.
pub(super) fn take(
    session: &mut Session,
    engine: &dyn PolicyEngine,
    bytes: &[u8],
    act: &'static str,
) -> Result<Approved, Error> {
    rooted(session, act)?;
    let unknown = Attempt { act, run: None, carry: false };
    let (signed, p) = refuse::unless(session, &unknown, None, |s| {
        let signed = SignedAct::from_slice(bytes)?;
        if signed.namespace() != act::APPROVAL {
            return Err(ApprovalError::NoApproval { namespace: signed.namespace().to_owned() }.into());
        }
        let statement: Statement<ApprovalSigned> = canonical::from_slice(&signed.statement()?)?;
        let p = statement.predicate;
        if p.origin != s.state().origin() {
            return Err(Error::OtherLedger { origin: p.origin });
        }
        if s.state().run(&p.run)?.is_none() {
            return Err(ApprovalError::NotHere { run: p.run }.into());
        }
        Ok((signed, p))
    })?;
    let attempt = Attempt { act, run: Some(p.run.clone()), carry: false };
    let strength = refuse::unless(session, &attempt, Some(&p.person), |s| vouched(s, &signed, &p))?;
    let (decided, change) = decide::settle(session, engine, &p.run)?;
    refuse::unless(session, &attempt, Some(&p.person), |s| {
        let row = run_row(s.state(), &p.run)?;
        is_of_now(s.state(), &row, &change, &decided, &p)?;
        let rule = may_approve(s.state(), &row, &change, &p.person, &p.slot, strength, &decided)?;
        let now = s.now().max(s.state().newest_time()?);
        match (p.expires, rule.valid_hours) {
            (Some(end), _) if end <= now => Err(ApprovalError::Expired { end }.into()),
            (end, Some(hours)) if end.is_none_or(|e| e > p.time.plus_seconds(i64::from(hours) * 3600)) => {
                Err(ApprovalError::TooLong { slot: p.slot.clone(), hours }.into())
            }
            _ => Ok(()),
        }
    })?;
    let index = append(session, &p, &decided, &signed)?;
    let gates = gates_of(session.state(), &p.run, &decided, &authors(&change, session.state())?)?;
    Ok(Approved {
        run: p.run,
        person: p.person,
        slot: p.slot,
        index: Some(index),
        expires: p.expires,
        act: signed,
        gates,
    })
}

/// Whether the person whom an approval names signed it, with the key that it names, as strongly as it says, over this log.
fn vouched(s: &Session, signed: &SignedAct, p: &ApprovalSigned) -> Result<Strength, Error> {
    let unknown = || Error::UnknownKey { fingerprint: p.device.key.clone() };
    let row = s.state().key(&p.device.key)?.filter(|row| row.person == p.person).ok_or_else(unknown)?;
    let most = Strength::of_statement(row.strength());
    let key = row.public.ok_or_else(unknown)?;
    refuse::here(s.state(), &p.person)?;
    if signed.claimed_key()?.fingerprint() != p.device.key {
        return Err(ApprovalError::OtherKey { fingerprint: p.device.key.clone() }.into());
    }
    signed.open(act::APPROVAL, &key)?;
    let strength = Strength::of_statement(&p.strength);
    if strength > most {
        return Err(ApprovalError::Overstated { claimed: p.strength.clone() }.into());
    }
    if is_ahead(p.time, s.now().max(s.state().newest_time()?)) {
        return Err(ApprovalError::Future { time: p.time }.into());
    }
    if let Some(seen) = &p.evidence {
        let here = s.ledger().root_at(seen.size).ok().map(Digest::from_bytes);
        if here != Some(seen.root) {
            return Err(ApprovalError::OtherHistory { size: seen.size }.into());
        }
    }
    // Its key was not revoked, and counts both by its time and by its place.
    s.counts(signed)?;
    Ok(strength)
}

/// Whether all that an approval binds is so now.
fn is_of_now(state: &State, row: &RunRow, change: &Change, decided: &Decided, p: &ApprovalSigned) -> Result<(), Error> {
    let present = Present::of(state, row, change, &decided.decision, decided.at)?;
    let mut what = binding::differences(state, &present, &as_row(p))?;
    if p.gate != GATE {
        what.push(format!("gate {} is now {GATE}", p.gate));
    }
    let made = row.decisions.iter().rfind(|d| d.digest == p.decision).map(|d| d.index);
    if p.evidence.is_some_and(|seen| made.is_some_and(|index| seen.size <= index)) {
        what.push("it was signed before its decision was made".into());
    }
    if p.decision != present.decision {
        let (then, now, what) = (p.decision, present.decision, what.join("; "));
        return Err(Error::StaleApproval { run: p.run.clone(), then, now, what });
    }
    if what.is_empty() { Ok(()) } else { Err(ApprovalError::Changed { run: p.run.clone(), what }.into()) }
}

/// An approval as its row will be, for comparing.
fn as_row(p: &ApprovalSigned) -> ApprovalRow {
    ApprovalRow {
        index: u64::MAX,
        decision: p.decision,
        slot: p.slot.clone(),
        person: p.person.clone(),
        device: p.device.clone(),
        strength: p.strength.clone(),
        time: p.time,
        said: Box::new(p.clone()),
        withdrawn: None,
    }
}

fn append(session: &mut Session, p: &ApprovalSigned, decided: &Decided, signed: &SignedAct) -> Result<u64, Error> {
    let decision = decided.decision.digest()?;
    let changed = || Error::ChangedMeanwhile { run: p.run.clone() };
    let (appended, ()) = session.transact(|s| {
        // Decided again on the state it is appended to: four eyes hold even when two people sign at the same moment.
        let row = run_row(s.state(), &p.run)?;
        if row.decisions.last().map(|d| d.digest) != Some(decision) {
            return Err(changed());
        }
        let change = decide::read_change(s.ledger(), &row.change)?;
        is_of_now(s.state(), &row, &change, decided, p)?;
        may_approve(s.state(), &row, &change, &p.person, &p.slot, Strength::of_statement(&p.strength), decided)?;
        let refs = decided.recorded.into_iter().collect();
        let entry = s.act_entry(
            EventKind::ApprovalSigned,
            StreamId::from(&p.run),
            ActorId::from(&p.person),
            signed,
            refs,
            Vec::new(),
        )?;
        Ok::<_, Error>((Plan { entries: vec![entry] }, ()))
    })?;
    appended.map(|a| a.first_index).ok_or_else(changed)
}

/// Whether the person may give this approval now; what its slot asks for.
fn may_approve(
    state: &State,
    run: &RunRow,
    change: &Change,
    person: &PersonId,
    slot: &SlotName,
    strength: Strength,
    decided: &Decided,
) -> Result<SlotRule, Error> {
    let label = || state.label(person);
    let gates = gates_of(state, &run.id, decided, &authors(change, state)?)?;
    let gate = gates.iter().find(|g| g.slots.iter().any(|s| s.rule.slot == *slot));
    let Some((gate, status)) = gate.and_then(|g| Some((g, g.slots.iter().find(|s| s.rule.slot == *slot)?))) else {
        let known = gates.iter().flat_map(|g| &g.slots).map(|s| s.rule.slot.to_string()).collect();
        return Err(ApprovalError::NoSuchSlot { run: run.id.clone(), slot: slot.clone(), known }.into());
    };
    let rule = &status.rule;
    if let (false, Some(role)) = (state.holds_one(person, &rule.roles)?, rule.roles.first()) {
        return Err(Error::NoRole { person: label()?, role: *role, act: "approve" });
    }
    if let Some((_, held)) = status.excluded.iter().find(|(p, _)| p == person) {
        return Err(match held.duty {
            Duty::Author | Duty::CoAuthor => Error::AuthorApproves { person: label()?, run: run.id.clone() },
            duty => ApprovalError::Barred { person: label()?, duty, by: held.by.clone(), slot: slot.clone() }.into(),
        });
    }
    if let Some(no) = gate.rejected.iter().find(|r| r.person == *person) {
        return Err(ApprovalError::Rejected { person: label()?, run: run.id.clone(), index: no.index }.into());
    }
    let decision = decided.decision.digest()?;
    // What does not count any more for what it binds, when it was given, or its time, may be given anew.
    let is_over = |index: u64| {
        let idle = gates.iter().flat_map(|g| &g.slots).flat_map(|s| &s.idle).find(|i| i.index == index);
        idle.is_some_and(|i| matches!(i.why, Why::Withdrawn(_) | Why::Expired(_) | Why::Differs(_) | Why::Early(_)))
    };
    let stands = |a: &&ApprovalRow| a.decision == decision && a.person == *person && !is_over(a.index);
    if let Some(given) = run.approvals.iter().filter(stands).find(|a| a.slot == *slot) {
        return Err(Error::ApprovedAlready { person: label()?, slot: slot.clone(), index: given.index });
    }
    // Who gave another one may give this one as well where that helps: where the other can be filled without them.
    if let Some(given) = run.approvals.iter().find(|a| stands(a) && !status.eligible.contains(person)) {
        return Err(Error::BothSlots { person: label()?, given: given.slot.clone() });
    }
    if strength < rule.strength {
        return Err(ApprovalError::Weak { slot: slot.clone(), needs: rule.strength }.into());
    }
    let denied = decided.decision.verdict.gates.iter().find(|g| g.outcome.denies());
    if let Some(gate) = denied {
        return Err(Error::Denied { gate: gate.name.clone(), run: run.id.clone() });
    }
    if let Some(after) = status.waits_for.first() {
        return Err(ApprovalError::Early { slot: slot.clone(), after: after.clone() }.into());
    }
    Ok(rule.clone())
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
    rules::gates(&decided.decision, Some(&run_row(state, run)?), authors, state, decided.at)
}

/// Something that was said about a run.
pub enum Listed {
    /// An approval, whether it fills a slot now, and if not, why.
    Approval {
        /// What was said.
        row: ApprovalRow,
        /// Whether it fills a slot.
        counts: bool,
        /// Why it does not.
        why: Option<String>,
    },
    /// A rejection.
    Rejection {
        /// What was said.
        row: RejectionRow,
    },
    /// Something taken back.
    Withdrawal {
        /// What was said.
        row: WithdrawalRow,
    },
}

impl Listed {
    /// Log index.
    #[must_use]
    pub fn index(&self) -> u64 {
        match self {
            Self::Approval { row, .. } => row.index,
            Self::Rejection { row } => row.index,
            Self::Withdrawal { row } => row.index,
        }
    }

    /// Who said it.
    #[must_use]
    pub fn person(&self) -> &PersonId {
        match self {
            Self::Approval { row, .. } => &row.person,
            Self::Rejection { row } => &row.said.person,
            Self::Withdrawal { row } => &row.by,
        }
    }

    /// As JSON.
    #[must_use]
    pub fn to_json(&self) -> Value {
        match self {
            Self::Approval { row, counts, why } => json!({
                "kind": "approval", "index": row.index, "counts": counts, "why": why, "withdrawn": row.withdrawn,
                "statement": row.said,
            }),
            Self::Rejection { row } => json!({
                "kind": "rejection", "index": row.index, "withdrawn": row.withdrawn, "statement": row.said,
            }),
            Self::Withdrawal { row } => json!({
                "kind": "withdrawal", "index": row.index, "person": row.by, "reason": row.reason, "time": row.time,
            }),
        }
    }
}

/// Everything that was said about a run, oldest first, and what of it counts now.
///
/// # Errors
/// When the run is unknown, or its record cannot be read.
pub fn listed(session: &mut Session, engine: &dyn PolicyEngine, run: &RunId) -> Result<Vec<Listed>, Error> {
    let (decided, change) = decide::settle(session, engine, run)?;
    let state = session.state();
    let gates = gates_of(state, run, &decided, &authors(&change, state)?)?;
    let slots = || gates.iter().flat_map(|g| &g.slots);
    let row = run_row(state, run)?;
    let mut all: Vec<Listed> = Vec::new();
    for row in row.approvals {
        let counts = slots().flat_map(|s| &s.filled).any(|f| f.index == row.index);
        let idle = slots().flat_map(|s| &s.idle).find(|i| i.index == row.index).map(|i| i.why.text());
        let why = idle.or_else(|| (!counts).then(|| "nobody has to sign such a slot".to_owned()));
        all.push(Listed::Approval { row, counts, why });
    }
    all.extend(state.rejections_of(run)?.into_iter().map(|row| Listed::Rejection { row }));
    all.extend(state.withdrawals_of(run)?.into_iter().map(|row| Listed::Withdrawal { row }));
    all.sort_by_key(Listed::index);
    Ok(all)
}
