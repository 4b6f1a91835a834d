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
