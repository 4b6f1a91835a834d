//! Break-glass: a change that goes past a gate, what it owes afterwards, and to whom it was told that it was not done.

use serde::{Deserialize, Serialize};

use crate::event::{Device, Predicate, predicates};
use crate::{BreakGlassId, Digest, PersonId, Timestamp};

/// How long the glass stays broken unless somebody says otherwise, in minutes.
pub const DEFAULT_MINUTES: u16 = 60;
/// How long at most, in minutes.
pub const MOST_MINUTES: u16 = 24 * 60;
/// Within how many hours of its opening it is ratified, unless somebody says otherwise.
pub const DEFAULT_RATIFY_HOURS: u16 = 24;
/// At the most.
pub const MOST_RATIFY_HOURS: u16 = 72;
/// Within how many days of its opening it is reviewed, unless somebody says otherwise.
pub const DEFAULT_REVIEW_DAYS: u16 = 3;
/// At the most.
pub const MOST_REVIEW_DAYS: u16 = 14;

/// What an emergency owes afterwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Owed {
    /// A second signature, by an officer who took no part.
    Ratification,
    /// What was found, why it happened, and what is done about it; by somebody who took no part.
    Review,
}

impl Owed {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Ratification, Self::Review];

    /// The text form.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ratification => "ratification",
            Self::Review => "review",
        }
    }
}

predicates! {
    /// A security officer lets a change past the gates, for a while.
    BreakGlassOpened: "break-glass" {
        /// The ledger this is said to.
        origin: String,
        /// The emergency.
        id: BreakGlassId,
        /// The environment.
        environment: String,
        /// The application; none: the one repository.
        application: Option<String>,
        /// The repository; none: those of the application.
        repository: Option<String>,
        /// The commit; none: any.
        commit: Option<String>,
        /// Why.
        reason: String,
        /// The ticket.
        ticket: String,
        /// Until when it is ratified.
        ratify_by: Timestamp,
        /// Until when it is reviewed.
        review_by: Timestamp,
        /// The security officer.
        by: PersonId,
        /// With what.
        device: Device,
        /// When.
        time: Timestamp,
        /// Until when grants can be issued and redeemed.
        expires: Timestamp,
    }

    /// The glass is closed before its time.
    BreakGlassClosed: "break-glass-close" {
        /// The ledger this is said to.
        origin: String,
        /// The emergency.
        id: BreakGlassId,
        /// Who.
        by: PersonId,
        /// Why.
        reason: String,
        /// When.
        time: Timestamp,
    }

    /// An officer who took no part signs that it was an emergency.
    BreakGlassRatified: "break-glass-ratification" {
        /// The ledger this is said to.
        origin: String,
        /// The emergency.
        id: BreakGlassId,
        /// After its time.
        late: bool,
        /// What they say.
        statement: String,
        /// Who.
        by: PersonId,
        /// When.
        time: Timestamp,
    }

    /// Somebody who took no part looked at it afterwards.
    BreakGlassReviewed: "break-glass-review" {
        /// The ledger this is said to.
        origin: String,
        /// The emergency.
        id: BreakGlassId,
        /// After its time.
        late: bool,
        /// What was found.
        findings: String,
        /// Why it came to that.
        root_cause: String,
        /// What is done so that it does not again.
        corrective_action: String,
        /// Who.
        by: PersonId,
        /// When.
        time: Timestamp,
    }

    /// Somebody was told that a duty is overdue, or could not be told.
    BreakGlassPaged: "break-glass-page" {
        /// The emergency.
        id: BreakGlassId,
        /// What is owed.
        owed: Owed,
        /// The step of the ladder: 0 is the owner and the deputy.
        rung: u32,
        /// Whom it asks: persons and roles.
        asked: Vec<String>,
        /// Digest of the message.
        message: Digest,
        /// How often it was tried.
        attempts: u32,
        /// Whether it was taken.
        delivered: bool,
        /// When.
        time: Timestamp,
    }
}
