//! Decides on the present state: reuses the recorded decision while nothing in it changed.

use countersign_evidence::canonical;
use countersign_model::access::AskedSlot;
use countersign_model::change::{Change, ScanRecord};
use countersign_model::{PayloadRef, RunId, Timestamp};
use countersign_policy::{Bundle, Decision, PolicyEngine};
use countersign_store::projection::{DecisionRow, RunRow, State};
use countersign_store::{Ledger, Plan, Session};
use serde_json::Value;

use super::reported::Reported;
use super::rules::Coming;
use super::{events, governed, reported, rules};
use crate::Error;
use crate::release::approve::run_row;

/// A decision together with what it was made from.
pub struct Decided {
    /// The decision.
    pub decision: Decision,
    /// Its facts.
    pub facts: Value,
    /// The bundle that made it.
    pub bundle: Bundle,
    /// The log index of the recorded decision that says just this; `None` when it is new.
    pub recorded: Option<u64>,
    /// When it was looked at: the machine's clock.
    pub at: Timestamp,
}

/// The bundle in effect: the activated one; before any was activated, the one shipped with this binary.
///
/// # Errors
/// When the activated bundle cannot be read back.
pub fn bundle_in_effect(session: &Session) -> Result<Bundle, Error> {
    match session.state().bundle() {
        Some(active) => {
            let bundle = Bundle::from_bytes(&session.ledger().payload(&active.blob)?)?;
            if bundle.digest() == active.digest {
                Ok(bundle)
            } else {
                Err(Error::BundleChanged { index: active.index })
            }
        }
        None => Ok(Bundle::shipped()),
    }
}

/// Decides over a change and a scan; `run` brings its evidence and its recorded decisions, `coming` is what is about to
/// be recorded.
///
/// # Errors
/// When the policy cannot be evaluated: then nothing is decided and no gate opens.
pub fn decide(
    session: &Session,
    engine: &dyn PolicyEngine,
    run: Option<&RunRow>,
    change: &Change,
    scan: &ScanRecord,
    coming: Coming<'_>,
    now: Timestamp,
) -> Result<Decided, Error> {
    let bundle = bundle_in_effect(session)?;
    let assignment = governed::assignment_in_effect(session)?;
    let under = assignment.as_ref().map(countersign_policy::Assignment::digest).transpose()?;
    let joined = reported::join(scan, &reported::records(session, run)?, &change.commit);
    let facts = rules::facts(change, scan, &joined, run, coming, session.state(), now)?;
    let digest = canonical::digest(&facts)?;
    if let Some(row) = run.and_then(|r| r.decisions.last()) {
        let decision = read_decision(row)?;
        let same = decision.facts == digest
            && decision.bundle == bundle.digest()
            && decision.assignment == under
            && decision.engine == engine.name_and_version()
            && decision.verdict.expires.is_none_or(|end| end > now);
        if same {
            return Ok(Decided { decision, facts, bundle, recorded: Some(row.index), at: now });
        }
    }
    let decision = Decision::make_under(engine, &bundle, assignment.as_ref(), &facts, now)?;
    Ok(Decided { decision, facts, bundle, recorded: None, at: now })
}

/// Reads a decision row's document.
///
/// # Errors
/// When it is of a version that this program does not know.
pub fn read_decision(row: &DecisionRow) -> Result<Decision, Error> {
    serde_json::from_value(row.document.clone()).map_err(Error::json)
}

/// Reads the change of a run's last attempt.
///
/// # Errors
/// When the blob is missing or damaged.
pub fn read_change(ledger: &Ledger, blob: &PayloadRef) -> Result<Change, Error> {
    Ok(canonical::from_slice(&ledger.payload(blob)?)?)
}

/// Everything that was found in a run: by the last scan, and in the reports recorded for it.
///
/// # Errors
/// As [`read_scan`].
pub fn read_joined(session: &Session, run: &RunRow) -> Result<Reported, Error> {
    let scan = read_scan(session.ledger(), run)?;
    Ok(reported::join(&scan, &reported::records(session, Some(run))?, &run.commit))
}

/// Reads the last scan record of a run.
///
/// # Errors
/// When nothing was scanned, or the blob is missing or damaged.
pub fn read_scan(ledger: &Ledger, run: &RunRow) -> Result<ScanRecord, Error> {
    let (_, blob) = run.scan.as_ref().ok_or_else(|| Error::NotScanned { run: run.id.clone() })?;
    Ok(canonical::from_slice(&ledger.payload(blob)?)?)
}

/// What a repository asks of approvals of its changes, by the last scan record of a run; nothing where it was disposed of, for then
/// nothing of the run can be approved.
///
/// # Errors
/// When the record is damaged.
pub(crate) fn asked_approvals(state: &State, run: &RunRow) -> Result<Vec<AskedSlot>, Error> {
    let Some((_, blob)) = run.scan.as_ref() else { return Ok(Vec::new()) };
    match state.payload(blob) {
        Ok(bytes) => Ok(canonical::from_slice::<ScanRecord>(&bytes)?.approvals),
        Err(countersign_store::Error::MissingBlob { .. }) => Ok(Vec::new()),
        Err(e) => Err(e.into()),
    }
}

/// The run's decision on the present state; records a new one where anything changed since the last.
///
/// # Errors
/// As [`decide`], and what the ledger says.
pub fn settle(session: &mut Session, engine: &dyn PolicyEngine, run: &RunId) -> Result<(Decided, Change), Error> {
    let (appended, (mut decided, change)) = session.transact(|s| {
        let row = run_row(s.state(), run)?;
        let change = read_change(s.ledger(), &row.change)?;
        let scan = read_scan(s.ledger(), &row)?;
        let decided = decide(s, engine, Some(&row), &change, &scan, Coming::default(), s.now())?;
        let mut plan = Plan::default();
        if decided.recorded.is_none() {
            plan.entries.push(events::decision_made(
                s,
                run,
                &change,
                &decided.decision,
                &decided.facts,
                &decided.bundle,
            )?);
        }
        Ok::<_, Error>((plan, (decided, change)))
    })?;
    if let Some(appended) = appended {
        decided.recorded = Some(appended.first_index);
    }
    Ok((decided, change))
}

/// The run's last recorded decision, for a machine that only reads; nothing is appended.
///
/// # Errors
/// [`Error::ChangedMeanwhile`] when the facts have changed since, so that signing it would be signing the past.
pub fn recorded(session: &Session, engine: &dyn PolicyEngine, run: &RunId) -> Result<(Decided, Change), Error> {
    let row = run_row(session.state(), run)?;
    let change = read_change(session.ledger(), &row.change)?;
    let scan = read_scan(session.ledger(), &row)?;
    let decided = decide(session, engine, Some(&row), &change, &scan, Coming::default(), session.now())?;
    if decided.recorded.is_none() {
        return Err(Error::ChangedMeanwhile { run: run.clone() });
    }
    Ok((decided, change))
}
