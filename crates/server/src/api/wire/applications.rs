//! What the API says of applications: what the firm answers for.

use countersign_model::Timestamp;
use serde_json::{Map, Value, json};

use super::{Wire, bare, described};

wire! {
    /// Applications by id.
    ApplicationList {
        /// All of them, those that are retired included.
        items: Vec<Application>,
    }

    /// An application: what the firm answers for as one thing.
    Application {
        /// Its id.
        application: String,
        /// What people call it.
        name: String,
        /// Who answers for it, by id.
        owner: String,
        /// Who does when the owner is away, by id.
        deputy: Option<String>,
        /// low, medium, high or critical.
        criticality: String,
        /// The kinds of data it holds.
        data: Vec<String>,
        /// in, connected or out of the cardholder data environment.
        cardholder_scope: String,
        /// Whether financial reporting rests on it (SOX 404).
        sox_key_system: bool,
        /// Its repositories, by identity.
        repositories: Vec<String>,
        /// Log index of the entry that says so.
        index: u64,
        /// Who said so, by id.
        by: String,
        /// When.
        time: Timestamp,
        /// Log index of its retirement.
        retired: Option<u64>,
    }
}
