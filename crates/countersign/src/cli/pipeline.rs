//! What a server does with what pipelines send: the commands `run` and `record` on the repository that was sent.

use std::path::PathBuf;

use countersign_model::{Diagnostic, RunId};
use countersign_scan::{NoProgress, RuleSet};
use countersign_server::{Pipeline, ToJudge, ToRecord};
use countersign_stages::build::record::{RecordedFile, record};
use countersign_store::Session;

use super::args::PlaceArgs;
use super::record::Desk;
use super::run::{Asked, committed, judge};
use crate::errors::Failure;

/// The commands of a server.
pub(crate) struct Commands {
    place: PlaceArgs,
}

impl Commands {
    /// With the controls and rules of the place that is served.
    pub(crate) fn new(at: &PlaceArgs) -> Self {
        Self { place: PlaceArgs { repo: at.repo.clone(), ledger: at.ledger.clone() } }
    }

    fn judged(&self, session: &mut Session, asked: ToJudge<'_>) -> Result<RunId, Failure> {
        let proposed = committed(asked.repository)?;
        let rules = RuleSet::shipped()?;
        let inputs = Asked {
            ask: asked.ask,
            token: asked.identity_token,
            submission: Some(asked.submission),
            progress: &NoProgress,
        };
        Ok(judge(&self.place, session, asked.repository, &rules, &proposed, inputs)?.run)
    }

    fn recorded(session: &mut Session, asked: &ToRecord<'_>) -> Result<RecordedFile, Failure> {
        let judged = session.state().run(asked.run)?.map(|r| r.commit).unwrap_or_default();
        let desk = Desk::of(asked.repository, asked.commit.map(str::to_owned), &judged, !asked.unread)?;
        let salt = session.ledger().salt()?;
        let paths: [PathBuf; 1] = [asked.file.to_owned()];
        let recorded =
            desk.with(&salt, &paths, asked.format, !asked.unread, |files| record(session, asked.run, &files))?;
        let first = recorded.into_iter().next();
        first.ok_or_else(|| countersign_stages::Error::NoSuchRun { run: asked.run.to_string() }.into())
    }
}

impl Pipeline for Commands {
    fn judge(&self, session: &mut Session, asked: ToJudge<'_>) -> Result<RunId, Box<dyn Diagnostic>> {
        self.judged(session, asked).map_err(|e| e.0)
    }

    fn record(&self, session: &mut Session, asked: &ToRecord<'_>) -> Result<RecordedFile, Box<dyn Diagnostic>> {
        Self::recorded(session, asked).map_err(|e| e.0)
    }
}
