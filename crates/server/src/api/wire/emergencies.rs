//! What the API says of emergencies: what went past the gates, what is owed for that, and who was told.

use countersign_model::Timestamp;
use serde_json::{Map, Value, json};

use super::super::answers::GrantDevice;
use super::{Wire, bare, described};

wire! {
    /// Emergencies, newest first.
    EmergencyList {
        /// A part of them.
        items: Vec<EmergencyLine>,
        /// How many there are in all parts.
        count: u64,
        /// `before` of the next part; null: this was the last.
        next: Option<u64>,
    }

    /// An emergency and what it owes.
    EmergencyLine {
        /// The emergency.
        break_glass: String,
        /// Log index.
        index: u64,
        /// Past the gates of which environment.
        environment: String,
        /// For all repositories of this application; null: for the repository.
        application: Option<String>,
        /// For this repository, by its identity.
        repository: Option<String>,
        /// For this commit; null: for any.
        commit: Option<String>,
        /// Why.
        reason: String,
        /// The ticket of the incident.
        ticket: String,
        /// Who opened it, by id.
        by: String,
        /// With what.
        device: GrantDevice,
        /// When.
        opened: Timestamp,
        /// Until when grants can be issued and redeemed in it.
        expires: Timestamp,
        /// Whether they can at this moment.
        open: bool,
        /// Who closed it before its time.
        closed: Option<EmergencyClosed>,
        /// Until when it is ratified.
        ratify_by: Timestamp,
        /// Until when it is reviewed.
        review_by: Timestamp,
        /// Where its ratification stands: owed, overdue, done or late.
        ratification: String,
        /// Who signed that it was an emergency.
        ratified: Option<EmergencyRatified>,
        /// Where its review stands: owed, overdue, done or late.
        review: String,
        /// Who looked at it afterwards.
        reviewed: Option<EmergencyReviewed>,
        /// Whether nothing that it owes is overdue.
        compliant: bool,
        /// Whether everything that it owes was done in time, or is not due yet.
        was_compliant: bool,
    }

    /// That an emergency was closed before its time.
    EmergencyClosed {
        /// Log index.
        index: u64,
        /// Who, by id.
        by: String,
        /// When.
        time: Timestamp,
        /// Why.
        reason: String,
    }

    /// That somebody who took no part stands for an emergency.
    EmergencyRatified {
        /// Log index.
        index: u64,
        /// Who, by id.
        by: String,
        /// When.
        time: Timestamp,
        /// After its time.
        late: bool,
        /// What they say.
        statement: String,
    }

    /// That somebody who took no part looked at an emergency afterwards.
    EmergencyReviewed {
        /// Log index.
        index: u64,
        /// Who, by id.
        by: String,
        /// When.
        time: Timestamp,
        /// After its time.
        late: bool,
        /// What was found.
        findings: String,
        /// Why it came to that.
        root_cause: String,
        /// What is done so that it does not again.
        corrective_action: String,
    }

    /// An emergency, and everything it left behind.
    EmergencyWhole {
        /// What the list says of it.
        emergency: EmergencyLine,
        /// Its grants, the oldest first.
        grants: Vec<EmergencyGrant>,
        /// Who was told that a duty of it is overdue, the oldest first.
        pages: Vec<EmergencyPage>,
    }

    /// A grant that went past the gates.
    EmergencyGrant {
        /// The grant.
        grant: String,
        /// Log index.
        index: u64,
        /// The run.
        run: String,
        /// The commit.
        commit: String,
        /// Who issued it, by id.
        by: String,
        /// With what.
        device: GrantDevice,
        /// The authors of what it covers, by id.
        authors: Vec<String>,
        /// issued, expired, revoked, started, succeeded or failed.
        state: String,
        /// Log index of its redemption.
        redeemed: Option<u64>,
        /// How it stood when it was issued: decision, gates, who could have approved, findings.
        standing: Value,
    }

    /// A step of the ladder by which somebody was told.
    EmergencyPage {
        /// Log index.
        index: u64,
        /// What is overdue: ratification or review.
        owed: String,
        /// The step.
        rung: u64,
        /// Whether it was taken.
        delivered: bool,
        /// How often it was tried.
        attempts: u64,
        /// When.
        time: Timestamp,
    }
}
