//! Which deployments a pack is about, and which payloads go with them.

use std::collections::{BTreeSet, HashMap};
use std::io::Write;

use countersign_evidence::pack::Packer;
use countersign_model::audit::{PackMissing, PackScope};
use countersign_model::{Entry, PayloadRef, RunId, StreamId, Timestamp};
use countersign_store::excerpt;
use countersign_store::projection::{DeploymentRow, State};

use super::View;
use crate::Error;
use crate::audit::{AuditError, repositories_of};

/// Entries read at once.
const BLOCK: u64 = 256;

/// What was chosen.
#[derive(Debug)]
pub struct Chosen {
    /// The deployments, oldest first.
    pub deployments: Vec<DeploymentRow>,
    /// Their runs.
    pub runs: BTreeSet<RunId>,
}

/// Chooses by what was asked for.
pub(crate) fn choose(state: &State, scope: &PackScope) -> Result<Chosen, Error> {
    let mut deployments = state.deployments()?;
    if let Some(id) = &scope.deployment {
        deployments.retain(|d| d.grant == *id);
        if deployments.is_empty() {
            return Err(
                AuditError::NoSuchDeployment { grant: id.to_string(), issued: state.grant(id)?.is_some() }.into()
            );
        }
    }
    let within = |at: Timestamp| is_within(scope, at);
    deployments.retain(|d| within(d.time));
    if scope.deployment.is_none() && !state.entry_times()?.into_iter().any(within) {
        return Err(AuditError::NothingInPeriod { from: scope.from, to: scope.to }.into());
    }
    if !scope.applications.is_empty() {
        let repositories = repositories_of(state, &scope.applications)?;
        deployments.retain(|d| repositories.contains(&d.repository));
    }
    let runs = deployments.iter().map(|d| d.run.clone()).collect();
    Ok(Chosen { deployments, runs })
}

/// Whether a moment lies in the period.
pub(crate) fn is_within(scope: &PackScope, at: Timestamp) -> bool {
    scope.from.is_none_or(|from| from <= at) && scope.to.is_none_or(|to| at < to)
}

/// Runs of entries whose payloads were left out, and payloads that are not there.
type LeftOut = (Vec<(u64, u64)>, Vec<PackMissing>);

/// Packs the payloads: all that says who is trusted with what, and of what runs leave behind that of the chosen ones. Of a
/// period of all applications, everything that was appended in it is packed.
pub(super) fn payloads<W: Write>(
    view: View<'_>,
    scope: &PackScope,
    chosen: &Chosen,
    packer: &mut Packer<W>,
) -> Result<LeftOut, Error> {
    let state = view.state;
    let members: HashMap<StreamId, RunId> = state.streams_of_runs()?.into_iter().collect();
    // What went past the gates is never left out: acts of people rest on it.
    let mut kept = state.pinned_runs()?;
    let is_whole = scope.deployment.is_none() && scope.applications.is_empty();
    if is_whole {
        // What was said about a run in the period is believed only with what was said about it before.
        let from = scope.from.unwrap_or(Timestamp::from_millis(i64::MIN));
        kept.extend(state.runs_between(from, scope.to.unwrap_or(Timestamp::from_millis(i64::MAX)))?);
    }
    let is_chosen = |entry: &Entry| {
        let run = match members.get(&entry.stream) {
            Some(run) => Some(run.clone()),
            None => entry.stream.as_str().starts_with(RunId::PREFIX).then(|| RunId::from_text(entry.stream.as_str())),
        };
        let goes_with = run.is_some_and(|run| chosen.runs.contains(&run) || kept.contains(&run));
        !entry.kind.is_disposable() || goes_with || is_whole && is_within(scope, entry.time)
    };
    let (mut left_out, mut missing): LeftOut = Default::default();
    let (mut at, size) = (0, view.ledger.size());
    while at < size {
        let end = size.min(at + BLOCK);
        for (index, entry) in view.ledger.entries(at..end)? {
            if is_chosen(&entry) {
                for blob in [&entry.payload].into_iter().chain(&entry.attachments) {
                    pack(view, index, blob, packer, &mut missing)?;
                }
            } else {
                match left_out.last_mut() {
                    Some((_, last)) if *last + 1 == index => *last = index,
                    _ => left_out.push((index, index)),
                }
            }
        }
        at = end;
    }
    Ok((left_out, missing))
}

fn pack<W: Write>(
    view: View<'_>,
    index: u64,
    blob: &PayloadRef,
    packer: &mut Packer<W>,
    missing: &mut Vec<PackMissing>,
) -> Result<(), Error> {
    let name = excerpt::blob_name(&blob.sha256);
    if packer.has(&name) {
        return Ok(());
    }
    match view.ledger.stored(blob) {
        Ok(bytes) => Ok(packer.add(&name, &bytes)?),
        Err(countersign_store::Error::MissingBlob { .. }) => {
            let certificate = view.state.certificate_of(index)?;
            missing.push(PackMissing { entry: index, blob: blob.sha256, certificate });
            Ok(())
        }
        Err(e) => Err(e.into()),
    }
}
