//! The use case `snapshot`: what runs is held against what the log lets run there, and recorded with what came of it.

use std::collections::HashSet;

use countersign_model::event::{DriftDetected, SnapshotTaken};
use countersign_model::snapshot::{Drift, MOST_SEEN};
use countersign_model::submission::SentBy;
use countersign_store::projection::{LONGEST_GRANT, State};
use countersign_store::session::SessionError;
use countersign_store::{Plan, Session};

use super::error::OperateError;
use super::events;
use super::look::Looked;
use super::rules::{self, Known, Let};
use crate::Error;
use crate::release::error::ReleaseError;

/// A snapshot that says what the one before said is recorded again after so many minutes: often enough to show that somebody looked.
pub const UNCHANGED_MINUTES: i64 = 15;
/// Within so many days a difference is to be gone (PCI DSS v4.0.1 11.5.2 asks for a look at least weekly).
pub const RESOLVE_DAYS: i64 = 7;

/// What a snapshot is taken of.
#[derive(Debug)]
pub struct Taking<'a> {
    /// The environment.
    pub environment: &'a str,
    /// The applications that are looked at; none: all of the environment.
    pub applications: &'a [String],
    /// What runs.
    pub looked: &'a Looked,
    /// Who says so over the network; none: it was looked at where the ledger is.
    pub sent: Option<&'a SentBy>,
}

/// A snapshot, as it was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// What it says.
    pub snapshot: SnapshotTaken,
    /// Log index: of the one before, where nothing was recorded because that says the same and is new enough.
    pub index: u64,
    /// Whether it was recorded.
    pub recorded: bool,
    /// Differences that were not there before.
    pub new: Vec<Drift>,
    /// Log index of the entry that says so.
    pub told: Option<u64>,
    /// Repositories that were deployed without a recorded artifact: a snapshot cannot show whether what runs is theirs.
    pub unseen: Vec<String>,
}

/// Takes a snapshot of an environment.
///
/// # Errors
/// When environment or application are not registered, what runs cannot be recorded, or the ledger cannot be written. Then nothing is
/// recorded.
pub fn take(session: &mut Session, taking: &Taking<'_>) -> Result<Taken, Error> {
    session.require_pin()?;
    let count = taking.looked.seen.len() + taking.looked.untold.len();
    if count > MOST_SEEN {
        return Err(OperateError::Many { count }.into());
    }
    let (appended, mut taken) = session.transact(|s| plan(s, taking))?;
    if let Some(appended) = appended {
        taken.index = appended.first_index;
        taken.told = (!taken.new.is_empty()).then_some(appended.first_index.saturating_add(1));
    } else if taken.recorded {
        return Err(SessionError::Contended.into());
    }
    Ok(taken)
}

fn plan(s: &Session, taking: &Taking<'_>) -> Result<(Plan, Taken), Error> {
    let (state, time) = (s.state(), s.now());
    let environment = taking.environment.to_owned();
    let known = state.environment(&environment)?.is_some_and(|e| e.retired.is_none());
    if !known {
        return Err(ReleaseError::UnknownEnvironment { environment }.into());
    }
    let mut applications = taking.applications.to_vec();
    applications.sort_unstable();
    applications.dedup();
    let (last, unseen) = last(state, &environment, &applications)?;
    let at = time.max(state.newest_time()?);
    let under_way = state.under_way(&environment, at.plus_seconds(-LONGEST_GRANT))?;
    let under_way: Vec<Let> = under_way
        .into_iter()
        .map(|row| Let {
            repository: row.grant.repository,
            grant: row.grant.grant,
            run: row.grant.run,
            artifacts: row.grant.artifacts,
            covered: true,
        })
        .collect();
    let (seen, drift) = rules::compare(&taking.looked.seen, &last, &under_way, |digest| {
        let (here, found) = match state.placed(digest, Some(&environment))? {
            Some(found) => (true, Some(found)),
            None => (false, state.placed(digest, None)?),
        };
        Ok::<_, Error>(found.map(|f| Known { here, grant: f.grant, run: f.run }))
    })?;
    let open = state.drifting(Some(&environment))?;
    let open: HashSet<_> = open.iter().map(|o| o.drift.identity()).collect();
    let new: Vec<Drift> = drift.iter().filter(|d| !open.contains(&d.identity())).cloned().collect();
    let snapshot = SnapshotTaken {
        environment: environment.clone(),
        observed: taking.looked.observed,
        applications,
        seen,
        untold: taking.looked.untold.iter().cloned().collect(),
        drift,
        sent: taking.sent.cloned(),
        time,
    };
    snapshot.check().map_err(|what| OperateError::Form { what })?;
    let before = state.newest_snapshot(&environment, Some(&snapshot.applications.join(",")))?;
    let same = before.filter(|b| b.taken.says_the_same(&snapshot));
    if let Some(same) = same.filter(|b| time < b.taken.time.plus_seconds(UNCHANGED_MINUTES * 60) && new.is_empty()) {
        let (index, recorded, told) = (same.index, false, None);
        return Ok((Plan::default(), Taken { snapshot: same.taken, index, recorded, new, told, unseen }));
    }
    let mut entries = vec![events::taken(s, snapshot.clone())?];
    if !new.is_empty() {
        entries.push(events::detected(s, DriftDetected { environment, drift: new.clone(), time })?);
    }
    Ok((Plan { entries }, Taken { snapshot, index: 0, recorded: true, new, told: None, unseen }))
}

/// The newest deployment of each repository, and the repositories of which no artifact was recorded.
fn last(state: &State, environment: &str, applications: &[String]) -> Result<(Vec<Let>, Vec<String>), Error> {
    let mut repositories: Vec<String> = Vec::new();
    for id in applications {
        let known = state.application(id)?.filter(|a| a.retired.is_none());
        let known = known.ok_or_else(|| OperateError::NoSuchApplication { application: id.clone() })?;
        repositories.extend(known.what.repositories);
    }
    let (mut last, mut unseen) = (Vec::new(), Vec::new());
    for deployment in state.running(environment, None)? {
        let Some(row) = state.grant(&deployment.grant)? else { continue };
        let covered = applications.is_empty() || repositories.contains(&deployment.repository);
        if row.grant.artifacts.is_empty() && covered {
            unseen.push(deployment.repository.clone());
        }
        let (repository, grant, run) = (deployment.repository, deployment.grant, deployment.run);
        last.push(Let { repository, grant, run, artifacts: row.grant.artifacts, covered });
    }
    unseen.sort_unstable();
    Ok((last, unseen))
}
