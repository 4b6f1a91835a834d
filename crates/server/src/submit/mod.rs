//! Commits that pipelines send to be judged here. The objects themselves come, and are read by the same use case as on anybody's machine:
//! nothing that a pipeline says of a change is believed, and what it says of gates is advice that is held against the decision.
//!
//! | file | holds |
//! |---|---|
//! | `jobs.rs` | what is being judged, and what came of it |
//! | `spool.rs` | what is sent, on the disk until it is read |
//!
//! A commit takes as long as its scan does, so it is judged beside the requests: whoever sent it asks what came of it. Its key makes that
//! safe: the same request again is the same submission, whether the first is waiting, done, or in the ledger since last year.

mod jobs;
mod spool;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use countersign_connect::git::{Mirror, ObjectFormat, Repository};
use countersign_model::{Diagnostic, Digest, RunId};
use countersign_stages::build::observe::Ask;
use countersign_stages::build::record::RecordedFile;
use countersign_stages::build::submission::Submission;
use countersign_store::Session;
use tokio::sync::Semaphore;

pub(crate) use jobs::{JobState, Jobs};
pub(crate) use spool::{Spooled, sent};

use crate::app::Trouble;

/// Where what is sent is kept until it is read.
const INCOMING: &str = "incoming";
/// Commits that are judged at once; a scan takes what the machine has.
const AT_ONCE: usize = 2;
/// Bytes of objects that one submission brings at the most.
pub(crate) const LARGEST: u64 = 2 << 30;

/// A commit that was sent.
pub struct ToJudge<'a> {
    /// Its repository, with it at the head.
    pub repository: &'a Repository,
    /// What is said about the change.
    pub ask: Ask,
    /// The identity token of the job that sent it.
    pub identity_token: Option<Vec<u8>>,
    /// How it came.
    pub submission: &'a Submission,
}

/// A file that was sent for a run.
pub struct ToRecord<'a> {
    /// The run.
    pub run: &'a RunId,
    /// The run's repository, where commits of it were sent here.
    pub repository: Option<&'a Repository>,
    /// The file, under its name.
    pub file: &'a Path,
    /// Its format as a report, where it is not to be recognised.
    pub format: Option<&'a str>,
    /// It is attached as it is.
    pub unread: bool,
    /// The commit that a report says nothing of was made for.
    pub commit: Option<&'a str>,
}

/// What is done with what pipelines send: the use cases with the configuration of what is judged, which this room does not read.
pub trait Pipeline: Send + Sync {
    /// Judges a commit; the run.
    ///
    /// # Errors
    /// What the use case says.
    fn judge(&self, session: &mut Session, asked: ToJudge<'_>) -> Result<RunId, Box<dyn Diagnostic>>;

    /// Attaches a file to a run.
    ///
    /// # Errors
    /// What the use case says.
    fn record(&self, session: &mut Session, asked: &ToRecord<'_>) -> Result<RecordedFile, Box<dyn Diagnostic>>;
}

/// What is needed to take commits.
pub(crate) struct Submit {
    pub(crate) pipeline: Arc<dyn Pipeline>,
    /// Where repositories are kept that were sent here, and what is being sent.
    dir: PathBuf,
    pub(crate) jobs: Mutex<Jobs>,
    pub(crate) slots: Arc<Semaphore>,
}

impl Submit {
    pub(crate) fn new(pipeline: Arc<dyn Pipeline>, dir: PathBuf) -> Self {
        spool::sweep(&dir.join(INCOMING));
        Self { pipeline, dir, jobs: Mutex::default(), slots: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    /// Where what is sent is kept until it is read.
    pub(crate) fn incoming(&self) -> PathBuf {
        self.dir.join(INCOMING)
    }

    /// What is kept of the repository of an identity; it is made where there is none.
    pub(crate) fn mirror(&self, identity: &str, format: ObjectFormat) -> Result<Mirror, Trouble> {
        Mirror::open_or_create(&self.place(identity), format).map_err(|e| Trouble::of(&e))
    }

    /// The same where something was sent before.
    pub(crate) fn known(&self, identity: &str, format: ObjectFormat) -> Result<Option<Mirror>, Trouble> {
        let is_there = self.place(identity).join("objects").is_dir();
        is_there.then(|| self.mirror(identity, format)).transpose()
    }

    /// One directory an identity, whatever characters that has.
    fn place(&self, identity: &str) -> PathBuf {
        let name: String = Digest::of(identity.as_bytes()).hex().chars().take(32).collect();
        self.dir.join("repositories").join(name)
    }

    /// The repository of a run, where its commit was sent here.
    pub(crate) fn repository(&self, identity: Option<&str>, commit: &str) -> Result<Option<Repository>, Trouble> {
        let (Some(identity), Some(format)) = (identity, format_of(commit)) else { return Ok(None) };
        let Some(mirror) = self.known(identity, format)? else { return Ok(None) };
        let holds = mirror.holds(commit).map_err(|e| Trouble::of(&e))?;
        holds.then(|| mirror.at(identity, commit).map_err(|e| Trouble::of(&e))).transpose()
    }
}

/// The format of objects in which a commit has such an id.
pub(crate) fn format_of(commit: &str) -> Option<ObjectFormat> {
    match commit.len() {
        40 => Some(ObjectFormat::Sha1),
        64 => Some(ObjectFormat::Sha256),
        _ => None,
    }
}
