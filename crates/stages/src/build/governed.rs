//! Pure: what the ledger says of a change besides what was looked at: its application and environment, waivers that are
//! about it, overrides, and what its repository tightens. A fact is there only where there is something to say, so that what
//! is registered elsewhere changes no decision here.

use std::collections::BTreeSet;

use countersign_model::change::{Change, ScanRecord};
use countersign_model::{Digest, PersonId, RunId, Timestamp};
use countersign_policy::Assignment;
use countersign_policy::enforcement::{ApplicationFact, EnvironmentFact, FindingScope, OverrideFact, WaiverFact};
use countersign_store::Session;
use countersign_store::projection::{State, WaiverRow, WaiverState};
use serde_json::{Map, Value, json};

use super::reported::Reported;
use crate::Error;

/// The assignment of levels in effect; none before any was activated.
///
/// # Errors
/// When it cannot be read back, or is not the one that was activated.
pub fn assignment_in_effect(session: &Session) -> Result<Option<Assignment>, Error> {
    match session.state().assignment()? {
        Some(active) => read_assignment(session, &active.digest).map(Some),
        None => Ok(None),
    }
}

/// An assignment that was in effect some time.
///
/// # Errors
/// When no such one was, or it cannot be read back.
pub fn read_assignment(session: &Session, digest: &Digest) -> Result<Assignment, Error> {
    let active = session.state().assignment_of(digest)?;
    let active = active.ok_or(Error::NoSuchAssignment { assignment: *digest })?;
    let assignment = Assignment::from_bytes(&session.ledger().payload(&active.blob)?)?;
    if assignment.digest()? == *digest { Ok(assignment) } else { Err(Error::NoSuchAssignment { assignment: *digest }) }
}

/// Adds these facts to those of a change.
///
/// # Errors
/// When the projection cannot be read.
#[expect(clippy::too_many_arguments, reason = "everything that facts are made of")]
pub(super) fn add(
    facts: &mut Map<String, Value>,
    change: &Change,
    scan: &ScanRecord,
    reported: &Reported,
    run: Option<&RunId>,
    authors: &BTreeSet<PersonId>,
    state: &State,
    now: Timestamp,
) -> Result<(), Error> {
    let repository = change.identity.as_deref();
    let application = match repository {
        Some(repository) => state.application_of(repository)?.map(|a| a.what),
        None => None,
    };
    let environment = state.environment(&change.environment)?.filter(|e| e.retired.is_none()).map(|e| e.what);
    let tier = environment.as_ref().map(|e| e.tier);
    let id = application.as_ref().map(|a| a.id.clone());
    if let Some(a) = application {
        facts.insert(
            "application".into(),
            json!(ApplicationFact {
                id: a.id,
                criticality: a.criticality,
                data: a.data,
                cardholder_scope: a.cardholder_scope,
                sox_key_system: a.sox_key_system,
            }),
        );
    }
    if let Some(e) = environment {
        facts.insert("environment".into(), json!(EnvironmentFact { id: e.id, tier: e.tier }));
    }
    let newest = state.newest_time()?;
    let mut waivers = Vec::new();
    for row in state.granted_waivers()? {
        let about = row.request.scope.is_about(repository, id.as_deref(), (&change.environment, tier));
        // A grant by an author of the change is a grant by one who asks.
        let by_author = row.granted.as_ref().is_none_or(|g| authors.contains(&g.by));
        if about && !by_author && row.state(now, newest) == WaiverState::Active {
            waivers.push(waiver(row, reported)?);
        }
    }
    waivers.sort_by(|a, b| a.id.cmp(&b.id));
    if !waivers.is_empty() {
        facts.insert("waivers".into(), json!(waivers));
    }
    let mut overrides = Vec::new();
    let made = run.map(|run| state.overrides(run)).transpose()?.unwrap_or_default();
    for row in made.into_iter().filter(|o| !authors.contains(&o.by)) {
        let roles = state.members()?.remove(&row.by).unwrap_or_default().into_iter().collect();
        overrides.push(OverrideFact { id: row.id, reasons: row.reasons, roles });
    }
    if !overrides.is_empty() {
        facts.insert("overrides".into(), json!(overrides));
    }
    if !scan.tightened.is_empty() {
        facts.insert("tightened".into(), json!(scan.tightened));
    }
    Ok(())
}

fn waiver(row: WaiverRow, reported: &Reported) -> Result<WaiverFact, Error> {
    let request = row.request;
    let findings = if request.scope.is_about_findings() {
        let scope = FindingScope::new(&request.scope)?;
        let seen = reported.findings.iter().map(|seen| &seen.finding);
        let covered =
            seen.filter(|f| scope.covers(&f.controls, &f.rule, &f.path, &f.fingerprint)).map(|f| f.fingerprint);
        Some(covered.collect::<BTreeSet<Digest>>().into_iter().collect())
    } else {
        None
    };
    Ok(WaiverFact {
        id: request.waiver,
        category: request.category,
        controls: request.scope.controls,
        compensating: request.compensating,
        findings,
        not_before: request.not_before,
        expires: request.expires,
    })
}
