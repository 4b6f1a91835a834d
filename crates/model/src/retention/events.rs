//! What people say about retention: the predicates of their signed statements.

use serde::{Deserialize, Serialize};

use super::{ClassRule, Day, EventName, Office, Retention, Selector};
use crate::event::{Predicate, predicates};
use crate::{Digest, PersonId, Timestamp};

/// Which of the two signatures over a disposal this is. The second executes what the first ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DisposalPart {
    /// The first: this plan is to be carried out.
    Orders,
    /// The second, by somebody else: carry it out.
    Confirms,
}

/// A blob that is still there although everything that spoke of it is disposed of, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Remaining {
    /// The blob.
    pub blob: Digest,
    /// Why: `shared` with an entry that is kept, or what the storage said when it refused.
    pub why: String,
}

predicates! {
    /// The firm's own class, or a longer rule for it. A rule is never replaced by a shorter one.
    RetentionClassDefined: "retention-class" {
        /// The ledger this is said to.
        origin: String,
        /// Its name; none of the built-in ones.
        class: Retention,
        /// What it asks for.
        rule: ClassRule,
        /// The compliance officer who says so.
        by: PersonId,
        /// Why.
        reason: String,
        /// When.
        time: Timestamp,
    }

    /// The class of everything that is appended from here on. What is in the log keeps its own.
    RetentionDefaultChosen: "retention-default" {
        /// The ledger this is said to.
        origin: String,
        /// The class.
        class: Retention,
        /// The compliance officer who says so.
        by: PersonId,
        /// Why.
        reason: String,
        /// When.
        time: Timestamp,
    }

    /// Something happened that starts the period of classes that wait for it.
    RetentionStarted: "retention-start" {
        /// The ledger this is said to.
        origin: String,
        /// What happened.
        event: EventName,
        /// For which entries.
        selector: Selector,
        /// On which day. The period counts from its end, and never from before the entry.
        on: Day,
        /// The compliance officer who says so.
        by: PersonId,
        /// How it is known: a report's number, a letter's date.
        reason: String,
        /// When this was signed.
        time: Timestamp,
    }

    /// Entries are kept longer: by another class as well, until a day, or both. Nothing undoes it.
    RetentionExtended: "retention-extension" {
        /// The ledger this is said to.
        origin: String,
        /// Which entries.
        selector: Selector,
        /// A class whose rule holds for them too.
        class: Option<Retention>,
        /// A day before whose end they are not free.
        until: Option<Day>,
        /// The compliance officer who says so.
        by: PersonId,
        /// Why.
        reason: String,
        /// When.
        time: Timestamp,
    }

    /// Entries are under legal hold for a matter, whatever their dates.
    HoldPlaced: "hold" {
        /// The ledger this is said to.
        origin: String,
        /// The matter: its number, never somebody's name.
        matter: String,
        /// Which entries, those that come later included.
        selector: Selector,
        /// The compliance officer who says so.
        by: PersonId,
        /// Why.
        reason: String,
        /// When.
        time: Timestamp,
    }

    /// Every hold that was placed for a matter so far ends.
    HoldReleased: "hold-release" {
        /// The ledger this is said to.
        origin: String,
        /// The matter.
        matter: String,
        /// The compliance officer who says so.
        by: PersonId,
        /// Why.
        reason: String,
        /// When.
        time: Timestamp,
    }

    /// A person holds an office under SEC 17a-4(f).
    RecordsOfficerDesignated: "records-officer" {
        /// The ledger this is said to.
        origin: String,
        /// Who.
        person: PersonId,
        /// Which office.
        office: Office,
        /// Who says so: for officers and specialists the designated executive officer, else a compliance officer or
        /// administrator.
        by: PersonId,
        /// Why.
        reason: Option<String>,
        /// When.
        time: Timestamp,
    }

    /// A person holds an office no longer.
    RecordsOfficerRevoked: "records-officer-revocation" {
        /// The ledger this is said to.
        origin: String,
        /// Who.
        person: PersonId,
        /// Which office.
        office: Office,
        /// Who says so.
        by: PersonId,
        /// Why.
        reason: String,
        /// When.
        time: Timestamp,
    }

    /// One of two signatures over a disposal. The entry's payload is the second; its attachments are the plan and the
    /// first.
    PayloadsDisposed: "disposal" {
        /// The ledger this is said to.
        origin: String,
        /// Digest of the plan.
        plan: Digest,
        /// Which signature this is.
        part: DisposalPart,
        /// Who signs.
        by: PersonId,
        /// The day, written down by the person, not read from a clock.
        today: Day,
        /// What the machine's clock said.
        time: Timestamp,
    }

    /// How the removal ended (signed by the recorder). Until there is one, a removal may have been interrupted.
    DisposalCompleted: "disposal-completion" {
        /// Log index of the certificate.
        certificate: u64,
        /// Blobs removed, or found gone.
        removed: u64,
        /// Blobs that are still there.
        remaining: Vec<Remaining>,
        /// When.
        time: Timestamp,
    }

    /// A person's data is to be erased: now, as far as that is allowed, else when it is.
    ErasureRequested: "erasure-request" {
        /// The ledger this is said to.
        origin: String,
        /// Whose data.
        person: PersonId,
        /// The compliance officer or administrator who took the request.
        by: PersonId,
        /// Where it came from: a ticket's number.
        reason: String,
        /// Until when it must wait, as computed then; `null` where nothing forbids it, or nobody can say yet.
        until: Option<Timestamp>,
        /// Matters whose holds forbid it.
        holds: Vec<String>,
        /// When.
        time: Timestamp,
    }

    /// The key of a person's data is destroyed.
    SubjectErased: "erasure" {
        /// The ledger this is said to.
        origin: String,
        /// Whose data.
        person: PersonId,
        /// Log index of the request.
        request: u64,
        /// The compliance officer or administrator who says so.
        by: PersonId,
        /// The day, written down by the person, not read from a clock.
        today: Day,
        /// What the machine's clock said.
        time: Timestamp,
    }
}
