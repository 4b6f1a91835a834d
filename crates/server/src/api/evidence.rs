//! What pipelines add to a run, and what is decided on it.

use std::sync::Arc;

use axum::body::Body;
use countersign_model::{Digest, RunId};
use countersign_stages::build::confined::ConfinedEngine;
use countersign_stages::build::record::{self, RecordedFile};
use countersign_stages::build::run;
use countersign_store::{MAX_BLOB_BYTES, Session};

use super::answers::{Attached, AttachedReport};
use super::runs;
use super::wire::Wire as _;
use super::writes::{Asking, Done};
use crate::app::Trouble;
use crate::submit::{Spooled, ToRecord};

/// The run that the path names, with its repository's identity and commit.
fn known(session: &Session, run: &RunId) -> Result<(Option<String>, String), Trouble> {
    let row = session.state().run(run)?.ok_or_else(|| Trouble::not_found("run"))?;
    Ok((row.identity, row.commit))
}

/// Attaches a file.
pub(super) async fn attach(asking: Asking, body: Body) -> Result<Done, Trouble> {
    let app = Arc::clone(&asking.app);
    let submit = app.submit.get().ok_or_else(Trouble::nothing_taken)?;
    let run = RunId::from_text(asking.param("run"));
    let wanted = run.clone();
    let (identity, commit) = app.with(move |session| known(session, &wanted)).await?;
    let name = asking.filter("name").unwrap_or_default().to_owned();
    let file = Spooled::keep(&submit.incoming(), &name, body, MAX_BLOB_BYTES).await?;
    let said = |name: &str| asking.filter(name).map(str::to_owned);
    let (format, made_for, unread) = (said("format"), said("commit"), asking.filter("unread").is_some());
    let inner = Arc::clone(&app);
    let done = app
        .with(move |session| {
            let submit = inner.submit.get().ok_or_else(Trouble::nothing_taken)?;
            let repository = submit.repository(identity.as_deref(), &commit)?;
            let asked = ToRecord {
                run: &run,
                repository: repository.as_ref(),
                file: file.path(),
                format: format.as_deref(),
                unread,
                commit: made_for.as_deref(),
            };
            let recorded = submit.pipeline.record(session, &asked).map_err(|e| Trouble::of(e.as_ref()))?;
            Ok(wire(&run, recorded, &commit).json())
        })
        .await?;
    Ok(Done::ok(done))
}

/// Names an artifact.
pub(super) async fn name(asking: Asking) -> Result<Done, Trouble> {
    let run = RunId::from_text(asking.param("run"));
    let name = asking.filter("name").unwrap_or_default().to_owned();
    let said = asking.filter("sha256").unwrap_or_default();
    let digest: Digest =
        format!("sha256:{said}").parse().map_err(|_| Trouble::bad_query("`sha256` is no digest", "64 hex digits"))?;
    let size = asking.filter("size").and_then(|text| text.parse().ok()).unwrap_or_default();
    let app = Arc::clone(&asking.app);
    let done = app
        .with(move |session| {
            let (_, commit) = known(session, &run)?;
            let named = record::name_artifact(session, &run, &name, digest, size)?;
            Ok(wire(&run, named, &commit).json())
        })
        .await?;
    Ok(Done::ok(done))
}

/// Decides on what is so now.
pub(super) async fn decide(asking: Asking) -> Result<Done, Trouble> {
    let run = RunId::from_text(asking.param("run"));
    let app = Arc::clone(&asking.app);
    let done = app
        .with(move |session| {
            known(session, &run)?;
            run::check(session, &ConfinedEngine, &run)?;
            Ok(runs::for_workers(session, &run)?.json())
        })
        .await?;
    Ok(Done::ok(done))
}

fn wire(run: &RunId, file: RecordedFile, judged: &str) -> Attached {
    let hidden = file.report.as_ref().map_or(0, |r| r.hidden);
    let reports = file.report.into_iter().flat_map(|r| r.reports).map(|r| AttachedReport {
        counts: r.is_for(judged),
        findings: r.findings.len() as u64,
        incomplete: r.incomplete.clone(),
        tool: r.tool,
    });
    Attached {
        run: run.to_string(),
        index: file.index,
        known: file.known,
        kind: file.kind,
        digest: file.digest,
        size: file.size,
        hidden,
        reports: reports.collect(),
    }
}
