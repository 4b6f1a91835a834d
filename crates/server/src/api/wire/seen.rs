//! What the API says of what really runs.

use countersign_model::Timestamp;
use serde_json::{Map, Value, json};

use super::{Wire, bare, described};

wire! {
    /// What ran in an environment at a moment.
    Snapshot {
        /// Log index.
        index: u64,
        /// When.
        time: Timestamp,
        /// How it was seen: kubernetes, sums or files.
        observed: String,
        /// The applications that were looked at; none: all of the environment.
        applications: Vec<String>,
        /// What ran, as far as it belongs to what is shown.
        seen: Vec<SeenPart>,
        /// What ran and has no digest.
        untold: Vec<String>,
    }

    /// Something that ran.
    SeenPart {
        /// What it is called there.
        name: String,
        /// Its digest.
        digest: String,
        /// In how many places.
        count: u64,
        /// The run that is known of it.
        run: Option<String>,
    }

    /// A snapshot as it was taken.
    SnapshotRecorded {
        /// The environment.
        environment: String,
        /// Log index; where nothing was recorded, of the one before, which says the same.
        index: u64,
        /// Whether it was recorded: one that says what the one before said is not, until that is 15 minutes old.
        recorded: bool,
        /// When.
        time: Timestamp,
        /// What ran.
        seen: Vec<SeenPart>,
        /// What ran and has no digest.
        untold: Vec<String>,
        /// Where it differs from what was let through.
        drift: Vec<DriftPart>,
        /// How many of the differences are new.
        new: u64,
        /// Log index of the entry that says so.
        told: Option<u64>,
        /// Repositories that were deployed without a recorded artifact: it cannot be told whether they run.
        without_artifacts: Vec<String>,
    }

    /// A difference that a snapshot found.
    DriftPart {
        /// What it is: unknown, elsewhere, replaced or missing.
        kind: String,
        /// What it is called there; of what is missing, as it was recorded.
        name: String,
        /// Its digest.
        digest: String,
        /// The grant of the deployment that is known of it.
        grant: Option<String>,
        /// That deployment's run.
        run: Option<String>,
    }

    /// A difference between what runs and what was let through.
    DriftFound {
        /// What it is: unknown, elsewhere, replaced or missing.
        kind: String,
        /// What it is called there; of what is missing, as it was recorded.
        name: String,
        /// Its digest.
        digest: String,
        /// The run that is known of it.
        run: Option<String>,
        /// Log index of the snapshot that found it.
        index: u64,
        /// When.
        time: Timestamp,
    }
}
