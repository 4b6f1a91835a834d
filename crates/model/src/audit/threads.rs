//! What is asked and answered in an audit. What people write may name people, so it stands in no statement: it is an attachment,
//! sealed with the key of whoever wrote it, and the statement names its digest.

use serde::{Deserialize, Serialize};

use crate::event::{Predicate, predicates};
use crate::{AuditId, AuditRequestId, Digest, PersonId, Timestamp};

/// The longest text of a request or an answer, in bytes.
pub const LONGEST_TEXT: usize = 10_000;
/// The most entries or packs that one answer points at.
pub const MOST_POINTERS: usize = 200;

/// A field that a server may keep from auditors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MaskedField {
    /// Names of people: everybody is called by their id.
    Names,
    /// Machines on which people asked to sign.
    Hosts,
    /// Tickets of changes and emergencies.
    Tickets,
}

impl MaskedField {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::Names, Self::Hosts, Self::Tickets];

    /// The text form.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Names => "names",
            Self::Hosts => "hosts",
            Self::Tickets => "tickets",
        }
    }
}

impl AuditOpened {
    /// Whether somebody is admitted, as far as the audit says: it names them, or nobody.
    #[must_use]
    pub fn admits(&self, person: &PersonId) -> bool {
        self.auditors.is_empty() || self.auditors.contains(person)
    }
}

predicates! {
    /// An audit of a period begins: from here on auditors may ask.
    AuditOpened: "audit" {
        /// The ledger this is said to.
        origin: String,
        /// The audit.
        audit: AuditId,
        /// What it is called, in one line that names no person.
        name: String,
        /// The period: from when on.
        from: Timestamp,
        /// And before when.
        to: Timestamp,
        /// Applications, by id; none: all of them.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        applications: Vec<String>,
        /// Frameworks, by id; none: all of them.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        frameworks: Vec<String>,
        /// The auditors who are admitted to it; none: all of them.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        auditors: Vec<PersonId>,
        /// What a server shows no auditor of it.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        masked: Vec<MaskedField>,
        /// The officer who opens it.
        by: PersonId,
        /// When.
        time: Timestamp,
    }

    /// An auditor asks for something. Its first attachment is the sealed text.
    AuditRequested: "audit-request" {
        /// The ledger this is said to.
        origin: String,
        /// The audit.
        audit: AuditId,
        /// The request.
        request: AuditRequestId,
        /// The control that it is about.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        control: Option<String>,
        /// The application that it is about.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        application: Option<String>,
        /// Digest of the sealed text.
        text: Digest,
        /// Until when an answer is awaited.
        due: Timestamp,
        /// The auditor.
        by: PersonId,
        /// When.
        time: Timestamp,
    }

    /// Somebody answers. Its first attachment is the sealed text.
    AuditAnswered: "audit-answer" {
        /// The ledger this is said to.
        origin: String,
        /// The request.
        request: AuditRequestId,
        /// Leaf hash of the entry that is answered: the request, or what was asked after it.
        answers: Digest,
        /// Digest of the sealed text.
        text: Digest,
        /// Log indices of entries that show it.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        evidence: Vec<u64>,
        /// SHA-256 of evidence packs that were made from this ledger.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        packs: Vec<Digest>,
        /// Who answers.
        by: PersonId,
        /// When.
        time: Timestamp,
    }

    /// An auditor asks on after an answer: the request is open again. Its first attachment is the sealed text.
    AuditFollowedUp: "audit-follow-up" {
        /// The ledger this is said to.
        origin: String,
        /// The request.
        request: AuditRequestId,
        /// Leaf hash of the answer.
        answer: Digest,
        /// Digest of the sealed text.
        text: Digest,
        /// Until when an answer is awaited.
        due: Timestamp,
        /// The auditor.
        by: PersonId,
        /// When.
        time: Timestamp,
    }

    /// An auditor needs nothing more on a request, or takes it back.
    AuditRequestClosed: "audit-request-closing" {
        /// The ledger this is said to.
        origin: String,
        /// The request.
        request: AuditRequestId,
        /// Leaf hash of the newest entry of its thread.
        last: Digest,
        /// The auditor.
        by: PersonId,
        /// When.
        time: Timestamp,
    }

    /// An audit is over: nobody asks or answers in it any more.
    AuditClosed: "audit-closing" {
        /// The ledger this is said to.
        origin: String,
        /// The audit.
        audit: AuditId,
        /// How many requests it has.
        requests: u64,
        /// How many of them were answered.
        answered: u64,
        /// The officer or auditor who closes it.
        by: PersonId,
        /// When.
        time: Timestamp,
    }
}
