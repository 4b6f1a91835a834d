//! `ledger dispose`: two people remove what is free.
//!
//! The certificate is appended first; that is the decision. Then the blobs go. A process that dies in between leaves
//! blobs behind that nobody needs, and the next disposal, or `ledger dispose --finish`, takes them away.

use std::collections::BTreeSet;

use countersign_connect::SshSigner;
use countersign_evidence::act;
use countersign_evidence::statement::Subject;
use countersign_model::event::{DisposalCompleted, DisposalPart, PayloadsDisposed, Remaining};
use countersign_model::retention::plan::{MAX_ENTRIES, Planned as PlannedEntry};
use countersign_model::retention::trusted::{Attested, Doubt};
use countersign_model::retention::{Day, DisposalPlan};
use countersign_model::{ActorId, Digest, EventKind, PersonId, Timestamp};
use countersign_store::disposal::{CERTIFICATE, DisposalCertificate, DisposalOrder, plan_digest};
use countersign_store::projection::{Group, disposal_time};
use countersign_store::session::{SessionError, act_statement};
use countersign_store::{NewBlob, Plan, Session};

use super::{erasure, show, stream};
use crate::Error;
use crate::access::{allowed, rooted, signer_of};
use crate::audit::witness;

/// What a disposal would remove now.
pub struct Planned {
    /// The plan; `None` where nothing is free.
    pub plan: Option<DisposalPlan>,
    /// Free by its dates, and kept because releases are held against it.
    pub in_use: Vec<Group>,
    /// How many groups are kept.
    pub kept: usize,
    /// How many free groups did not fit in this plan.
    pub left_over: usize,
}

/// What a disposal did.
pub struct Disposed {
    /// Log index of the certificate.
    pub certificate: u64,
    /// The moment it counts with.
    pub now: Timestamp,
    /// How many entries' payloads are disposed of.
    pub entries: usize,
    /// How the removal ended.
    pub finished: Finished,
    /// Erasures that had become due.
    pub erased: Vec<erasure::Erasure>,
}

/// How a removal ended.
pub struct Finished {
    /// Log index of the certificate.
    pub certificate: u64,
    /// Log index of the entry that says so.
    pub index: u64,
    /// Blobs removed, or found gone.
    pub removed: u64,
    /// Blobs that are still there, and why.
    pub remaining: Vec<Remaining>,
}

/// What is free at `now`: by the machine's clock where it is only looked at, by what a person attests where it is signed.
///
/// # Errors
/// When the ledger cannot be read.
pub fn plan(session: &Session, now: Timestamp) -> Result<Planned, Error> {
    let (state, ledger) = (session.state(), session.ledger());
    let witnessed = witnessed(session)?;
    let now = witnessed.map_or(now, |at| now.min(at));
    let schedule = state.schedule()?;
    let due = show::at(session, &schedule, now)?;
    let (mut entries, mut runs, mut left_over) = (Vec::new(), Vec::new(), 0_usize);
    for group in due.free {
        if entries.len() + group.entries.len() > MAX_ENTRIES {
            left_over += 1;
            continue;
        }
        runs.extend(group.run);
        for (entry, kept) in group.entries {
            let Some(kept_until) = kept.until.date() else { continue };
            entries.push(PlannedEntry { index: entry.index, kind: entry.kind, class: entry.retention, kept_until });
        }
    }
    let (in_use, kept) = (due.in_use, due.kept.len());
    if entries.is_empty() {
        return Ok(Planned { plan: None, in_use, kept, left_over });
    }
    entries.sort_unstable_by_key(|e| e.index);
    let going: BTreeSet<u64> = entries.iter().map(|e| e.index).collect();
    let (blobs, shared) = session.blobs_of(&going)?;
    let mut holds: Vec<String> = schedule.open_holds().map(|h| h.matter.clone()).collect();
    holds.sort_unstable();
    holds.dedup();
    let size = state.size();
    let newest = match size.checked_sub(1) {
        Some(last) => state.selected(last)?.map_or(now, |e| e.time),
        None => now,
    };
    let plan = DisposalPlan {
        version: DisposalPlan::VERSION,
        origin: state.origin().to_owned(),
        size,
        root: Digest::from_bytes(ledger.root_at(size)?),
        newest,
        time: session.now(),
        time_source: if witnessed.is_some() { "two-people-and-witnesses" } else { "two-people" }.to_owned(),
        witnessed,
        runs,
        entries,
        blobs: blobs.into_iter().collect(),
        shared: shared.into_iter().collect(),
        holds,
    };
    Ok(Planned { plan: Some(plan), in_use, kept, left_over })
}

/// The newest moment at which a witness of this machine's trust policy cosigned the ledger's checkpoint; `None` where the
/// policy names no witness. A clock that runs ahead frees nothing that no witness has seen the time for.
fn witnessed(session: &Session) -> Result<Option<Timestamp>, Error> {
    let policy = session.installation().trust_policy(session.ledger().origin()).map_err(SessionError::from)?;
    let Some(policy) = policy.filter(|policy| !policy.witnesses().is_empty()) else { return Ok(None) };
    let standing = witness::standing(session.ledger(), &policy)?;
    let newest = standing.cosignatures.iter().map(|c| c.time).max();
    let seconds = newest.and_then(|seconds| i64::try_from(seconds).ok());
    let doubt = || Error::TimeInDoubt { doubt: Doubt::NoWitness.to_string() };
    Ok(Some(Timestamp::from_millis(0).plus_seconds(seconds.ok_or_else(doubt)?)))
}

/// Signs what is free, as the first of two. `today` is the day as the person wrote it down.
///
/// # Errors
/// When nothing is free, the signer may not, or clock and person disagree.
pub fn order(session: &mut Session, today: Day, signer: &SshSigner) -> Result<DisposalOrder, Error> {
    session.require_pin()?;
    rooted(session.state())?;
    let by = allowed(session, "ledger dispose", None, |s| signer_of(s, signer))?;
    allowed(session, "ledger dispose", Some(&by), |s| may_sign(s, &by))?;
    let time = session.now();
    let now = Attested { clock: time, today }.moment().map_err(|e| Error::TimeInDoubt { doubt: e.to_string() })?;
    let planned = plan(session, now)?;
    let plan = planned.plan.ok_or(Error::NothingDue { now, kept: planned.kept, in_use: planned.in_use.len() })?;
    let orders = signed(session, signer, &plan, DisposalPart::Orders, &by, today, time)?;
    Ok(DisposalOrder { plan, orders })
}

/// Signs an order as the second of two, appends the certificate, and removes what it names.
///
/// # Errors
/// When the two people may not together, the time is in doubt, or anything in the plan is not free (any more). Then
/// nothing is removed.
pub fn execute(
    session: &mut Session,
    order: &DisposalOrder,
    today: Day,
    signer: &SshSigner,
) -> Result<Disposed, Error> {
    const ACT: &str = "ledger dispose";
    session.require_pin()?;
    rooted(session.state())?;
    let by = allowed(session, ACT, None, |s| signer_of(s, signer))?;
    let first = first_signature(session, order)?;
    let (time, plan) = (session.now(), &order.plan);
    // The first signer's machine may have no witnesses, or say what none has said: this one asks its own.
    let vouched = witnessed(session)?;
    let second = statement(session, plan, DisposalPart::Confirms, &by, today, time)?;
    allowed(session, ACT, Some(&by), |s| four_eyes(s, &first.by, &by))?;
    let now = disposal_time(plan, &first, &second).map_err(|doubt| Error::TimeInDoubt { doubt })?;
    let now = vouched.map_or(now, |at| now.min(at));
    allowed(session, ACT, Some(&by), |s| free(s, plan, now))?;
    let confirms = signed(session, signer, plan, DisposalPart::Confirms, &by, today, time)?;
    let certificate = DisposalCertificate { plan: plan.clone(), orders: order.orders.clone(), confirms };
    let payload = NewBlob { bytes: certificate.to_vec()?, media: CERTIFICATE.into() };
    let (appended, ()) = session.transact(|s| {
        four_eyes(s, &first.by, &by)?;
        free(s, plan, now)?;
        let mut entry = s.act_entry(
            EventKind::PayloadsDisposed,
            stream(),
            ActorId::from(&by),
            &certificate.confirms,
            Vec::new(),
            Vec::new(),
        )?;
        entry.payload = payload.clone();
        Ok::<_, Error>((Plan { entries: vec![entry] }, ()))
    })?;
    let certificate = appended.map(|a| a.first_index).ok_or(SessionError::Contended)?;
    if session.state().disposed_by(certificate)?.is_empty() {
        return Err(Error::NotFree { why: "no reader believes the certificate".into() });
    }
    let finished = finish_one(session, certificate)?;
    let erased =
        if erasure::may(session, &by).is_ok() { erasure::erase_due(session, today, signer)? } else { Vec::new() };
    Ok(Disposed { certificate, now, entries: plan.entries.len(), finished, erased })
}

/// Completes every removal that was interrupted, and tries again what a storage had refused to remove.
///
/// # Errors
/// When the ledger cannot be read or written.
pub fn finish(session: &mut Session) -> Result<Vec<Finished>, Error> {
    let mut finished = Vec::new();
    for certificate in session.state().certificates()? {
        let done = certificate.completed.as_ref().is_some_and(|c| c.remaining.iter().all(|r| r.why == SHARED));
        if !done {
            finished.push(finish_one(session, certificate.index)?);
        }
    }
    Ok(finished)
}

/// Why a blob stays that an entry which is kept speaks of, too.
const SHARED: &str = "shared";

fn finish_one(session: &mut Session, certificate: u64) -> Result<Finished, Error> {
    let removal = session.remove_payloads(certificate)?;
    let mut remaining: Vec<Remaining> =
        removal.shared.into_iter().map(|blob| Remaining { blob, why: SHARED.to_owned() }).collect();
    remaining.extend(removal.refused.into_iter().map(|(blob, why)| Remaining { blob, why }));
    let removed = removal.removed;
    // Where nothing has changed since the last attempt, the log says it already.
    let before = session.state().certificates()?.into_iter().find(|c| c.index == certificate).and_then(|c| c.completed);
    if let Some(before) = before.filter(|b| b.remaining == remaining) {
        return Ok(Finished { certificate, index: before.index, removed: before.removed, remaining });
    }
    let (appended, ()) = session.transact(|s| {
        let predicate = DisposalCompleted { certificate, removed, remaining: remaining.clone(), time: s.now() };
        let entry = s.machine_entry(
            EventKind::DisposalCompleted,
            stream(),
            s.subject(),
            predicate,
            vec![certificate],
            Vec::new(),
        )?;
        Ok::<_, Error>((Plan { entries: vec![entry] }, ()))
    })?;
    let index = appended.map(|a| a.first_index).ok_or(SessionError::Contended)?;
    Ok(Finished { certificate, index, removed, remaining })
}

fn may_sign(session: &Session, person: &PersonId) -> Result<(), Error> {
    if session.state().may_sign_disposal(person)? {
        return Ok(());
    }
    let why = format!(
        "{} is neither compliance officer nor administrator, and holds no office that may",
        session.state().label(person)?
    );
    Err(Error::NotFourEyes { why })
}

fn four_eyes(session: &Session, first: &PersonId, second: &PersonId) -> Result<(), Error> {
    session.state().may_dispose_together(first, second)?.map_err(|why| Error::NotFourEyes { why })
}

fn free(session: &Session, plan: &DisposalPlan, now: Timestamp) -> Result<(), Error> {
    let state = session.state();
    if plan.origin != state.origin() {
        return Err(Error::NotAnOrder { why: "it was signed for another ledger".into() });
    }
    state.may_go(plan, now, state.size())?.map_err(|why| Error::NotFree { why })?;
    let needed = state.runs_in_use()?;
    for entry in &plan.entries {
        let run = state.selected(entry.index)?.and_then(|e| e.run);
        if let Some(run) = run.filter(|run| needed.contains(run)) {
            return Err(Error::NotFree { why: format!("releases are held against {run}") });
        }
    }
    Ok(())
}

/// The first signature: checked as any reader of the log will check it.
fn first_signature(session: &Session, order: &DisposalOrder) -> Result<PayloadsDisposed, Error> {
    let wrong = |why: &str| Error::NotAnOrder { why: why.to_owned() };
    let statement = order.orders.statement()?;
    let said: countersign_evidence::statement::Statement<PayloadsDisposed> =
        countersign_evidence::canonical::from_slice(&statement)?;
    let said = said.predicate;
    let key = order.orders.claimed_key()?;
    order.orders.open(act::DISPOSAL, &key)?;
    if session.state().holder(&key.fingerprint())?.as_ref() != Some(&said.by) {
        return Err(wrong("the first signature is not by the person it names"));
    }
    session.counts(&order.orders)?;
    if said.part != DisposalPart::Orders || said.origin != session.state().origin() {
        return Err(wrong("the first signature is no order to this ledger"));
    }
    if said.plan != plan_digest(&order.plan)? {
        return Err(wrong("the first signature is over another plan"));
    }
    Ok(said)
}

fn statement(
    session: &Session,
    plan: &DisposalPlan,
    part: DisposalPart,
    by: &PersonId,
    today: Day,
    time: Timestamp,
) -> Result<PayloadsDisposed, Error> {
    let origin = session.state().origin().to_owned();
    Ok(PayloadsDisposed { origin, plan: plan_digest(plan)?, part, by: by.clone(), today, time })
}

fn signed(
    session: &Session,
    signer: &SshSigner,
    plan: &DisposalPlan,
    part: DisposalPart,
    by: &PersonId,
    today: Day,
    time: Timestamp,
) -> Result<countersign_evidence::act::SignedAct, Error> {
    let predicate = statement(session, plan, part, by, today, time)?;
    let subject = vec![Subject::sha256("disposal-plan", &predicate.plan)];
    let statement = act_statement(subject, predicate)?;
    let armored = signer.sign(act::DISPOSAL, &statement)?;
    Ok(countersign_evidence::act::SignedAct::new(act::DISPOSAL, &statement, &armored, &signer.public_key())?)
}
