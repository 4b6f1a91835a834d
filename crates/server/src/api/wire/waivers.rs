//! What the API says of waivers.

use countersign_model::{Digest, Timestamp};
use serde_json::{Map, Value, json};

use super::{Wire, bare, described};

wire! {
    /// Waivers, newest first.
    WaiverList {
        /// All that are asked for.
        items: Vec<Waiver>,
    }

    /// A waiver, and everything that was said about it.
    Waiver {
        /// The waiver.
        waiver: String,
        /// Log index of the request.
        index: u64,
        /// How it stands at this moment.
        state: String,
        /// The controls that it covers.
        controls: Vec<String>,
        /// What it covers: everything that is named must fit.
        scope: WaiverScope,
        /// waived: the risk is accepted; mitigated: another control meets the objective.
        category: String,
        /// The control that meets the objective instead.
        compensating: Option<String>,
        /// What could happen, and why that is accepted.
        acceptance: String,
        /// Who asked, by id.
        person: String,
        /// When they asked.
        requested: Timestamp,
        /// Who granted it, by id.
        granted_by: Option<String>,
        /// From when.
        not_before: Timestamp,
        /// Until when.
        expires: Timestamp,
        /// The waiver that it continues.
        renews: Option<String>,
        /// How often it was continued.
        renewals: u64,
        /// Who granted it, and why.
        granted: Option<WaiverSaid>,
        /// Who refused it or took the request back, and why.
        rejected: Option<WaiverSaid>,
        /// Who ended it before its time, and why.
        revoked: Option<WaiverSaid>,
        /// What it covers in the newest decision that it is about; null: no decision is about it yet.
        covers: Option<WaiverUse>,
        /// Whether it is in force and covers nothing any more.
        unmatched: bool,
    }

    /// What a waiver covers. What is not named is not narrowed.
    WaiverScope {
        /// The controls that may be broken. What concerns another control as well is not covered.
        controls: Vec<String>,
        /// The application.
        application: Option<String>,
        /// The repository's identity.
        repository: Option<String>,
        /// The environment.
        environment: Option<String>,
        /// The tier of the environment.
        tier: Option<String>,
        /// A glob over paths of findings.
        path: Option<String>,
        /// A glob over rules.
        rule: Option<String>,
        /// The fingerprint of a finding.
        fingerprint: Option<Digest>,
    }

    /// What somebody said about a waiver.
    WaiverSaid {
        /// Log index.
        index: u64,
        /// Who, by id.
        by: String,
        /// When.
        time: Timestamp,
        /// Why.
        reason: String,
    }

    /// What a waiver covers in a decision.
    WaiverUse {
        /// How many findings.
        findings: u64,
        /// How many reasons of gates it lifts.
        reasons: u64,
    }
}
