//! What somebody has to be told, through which channel it went, and how that ended. A notice names nothing but places of the log, so
//! an entry about it holds no person, address or text.

use serde::{Deserialize, Serialize};

use crate::event::{Predicate, predicates};
use crate::{EventKind, Timestamp};

/// The most notices in one message.
pub const MOST_NOTICES: usize = 50;
/// The longest that one attempt may claim to take, in seconds: after it, another may be made.
pub const LONGEST_ATTEMPT: i64 = 600;

/// Why somebody is told something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NoticeKind {
    /// A run waits for a signature.
    ApprovalWanted,
    /// The time within which the gate's owner answers is nearly over.
    ApprovalDue,
    /// It is over: the ladder of the gate.
    ApprovalOverdue,
    /// A security officer let a change past the gates.
    EmergencyOpened,
    /// What an emergency owes is due soon.
    DutyDue,
    /// It was due: the ladder of the gate `release`.
    DutyOverdue,
    /// A waiver is asked for.
    WaiverWanted,
    /// A waiver in force ends soon.
    WaiverEnding,
    /// An access review is due soon, and lines of it wait.
    ReviewDue,
    /// It was due.
    ReviewOverdue,
    /// An auditor asks for something.
    AuditRequest,
    /// An answer to them is due soon.
    AuditRequestDue,
    /// It was due.
    AuditRequestOverdue,
    /// An entry of the log is not believed.
    EntryNotBelieved,
    /// A storage did not hold what it is to hold, or it is not known whether it does.
    StorageNotHeld,
    /// A pipeline said something else of a gate than was decided.
    VerdictDiffered,
    /// What runs somewhere differs from what was let through.
    DriftDetected,
    /// It still does, and the time for it is over.
    DriftOverdue,
}

impl NoticeKind {
    /// Every kind.
    pub const ALL: [Self; 18] = [
        Self::ApprovalWanted,
        Self::ApprovalDue,
        Self::ApprovalOverdue,
        Self::EmergencyOpened,
        Self::DutyDue,
        Self::DutyOverdue,
        Self::WaiverWanted,
        Self::WaiverEnding,
        Self::ReviewDue,
        Self::ReviewOverdue,
        Self::AuditRequest,
        Self::AuditRequestDue,
        Self::AuditRequestOverdue,
        Self::EntryNotBelieved,
        Self::StorageNotHeld,
        Self::VerdictDiffered,
        Self::DriftDetected,
        Self::DriftOverdue,
    ];

    /// The text form.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ApprovalWanted => "approval-wanted",
            Self::ApprovalDue => "approval-due",
            Self::ApprovalOverdue => "approval-overdue",
            Self::EmergencyOpened => "emergency-opened",
            Self::DutyDue => "duty-due",
            Self::DutyOverdue => "duty-overdue",
            Self::WaiverWanted => "waiver-wanted",
            Self::WaiverEnding => "waiver-ending",
            Self::ReviewDue => "review-due",
            Self::ReviewOverdue => "review-overdue",
            Self::AuditRequest => "audit-request",
            Self::AuditRequestDue => "audit-request-due",
            Self::AuditRequestOverdue => "audit-request-overdue",
            Self::EntryNotBelieved => "entry-not-believed",
            Self::StorageNotHeld => "storage-not-held",
            Self::VerdictDiffered => "verdict-differed",
            Self::DriftDetected => "drift-detected",
            Self::DriftOverdue => "drift-overdue",
        }
    }

    /// Reads the text form.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// Whether an entry of that kind is what such a notice can be about. What is not believed may be of any kind.
    #[must_use]
    pub const fn is_about(self, entry: EventKind) -> bool {
        match self {
            Self::ApprovalWanted | Self::ApprovalDue | Self::ApprovalOverdue => {
                matches!(entry, EventKind::DecisionMade)
            }
            Self::EmergencyOpened | Self::DutyDue | Self::DutyOverdue => matches!(entry, EventKind::BreakGlassOpened),
            Self::WaiverWanted | Self::WaiverEnding => matches!(entry, EventKind::WaiverRequested),
            Self::ReviewDue | Self::ReviewOverdue => matches!(entry, EventKind::AccessReviewOpened),
            Self::AuditRequest | Self::AuditRequestDue | Self::AuditRequestOverdue => {
                matches!(entry, EventKind::AuditRequested | EventKind::AuditFollowedUp)
            }
            Self::EntryNotBelieved => true,
            Self::StorageNotHeld => matches!(entry, EventKind::StorageProbed),
            Self::VerdictDiffered => matches!(entry, EventKind::VerdictDiffered),
            Self::DriftDetected | Self::DriftOverdue => matches!(entry, EventKind::DriftDetected),
        }
    }
}

impl std::fmt::Display for NoticeKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// One thing that somebody is told, once a channel. The same log gives the same on every machine.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoticeKey {
    /// Why.
    pub kind: NoticeKind,
    /// Log index of the entry that it is about.
    pub at: u64,
    /// Which part of it: a slot, or a duty of an emergency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<String>,
    /// The step of the ladder; 0 is the first.
    #[serde(default, skip_serializing_if = "is_first")]
    pub step: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
const fn is_first(step: &u32) -> bool {
    *step == 0
}

impl std::fmt::Display for NoticeKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.kind, self.at)?;
        if let Some(part) = &self.part {
            write!(f, "/{part}")?;
        }
        if self.step > 0 {
            write!(f, "/{}", self.step)?;
        }
        Ok(())
    }
}

/// Why a message was not taken. A few words that everybody can know: no address, and nothing of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trouble {
    /// The target is none, or leads to an address that is not allowed.
    Refused,
    /// It could not be reached, or not in time.
    Unreachable,
    /// TLS could not be agreed on, or its certificate is not believed.
    Tls,
    /// It answered that it will not take it.
    Rejected,
    /// It answered that it cannot take it now.
    Busy,
    /// It said something that is no answer, or sent elsewhere.
    Answer,
    /// The program ended without success, or could not be started.
    Program,
    /// The secret or password that the channel needs could not be read.
    Secret,
}

impl Trouble {
    /// Every trouble.
    pub const ALL: [Self; 8] = [
        Self::Refused,
        Self::Unreachable,
        Self::Tls,
        Self::Rejected,
        Self::Busy,
        Self::Answer,
        Self::Program,
        Self::Secret,
    ];

    /// The text form.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
            Self::Tls => "tls",
            Self::Rejected => "rejected",
            Self::Busy => "busy",
            Self::Answer => "answer",
            Self::Program => "program",
            Self::Secret => "secret",
        }
    }

    /// Reads the text form.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|trouble| trouble.as_str() == text)
    }
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// Whether a text can be the name of a channel: lower-case letters, digits and hyphens, 40 at the most, a letter first.
#[must_use]
pub fn is_channel(name: &str) -> bool {
    name.len() <= 40
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

/// Whether a text can name a message: `ntf-` and 32 hex digits.
#[must_use]
pub fn is_message(text: &str) -> bool {
    text.strip_prefix("ntf-")
        .is_some_and(|hex| hex.len() == 32 && hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)))
}

predicates! {
    /// A message is about to be sent: whoever says so first sends it, and nobody else does meanwhile.
    NotificationStarted: "notification-start" {
        /// The channel, by the name that this installation's configuration gives it.
        channel: String,
        /// The message: the same for every attempt, and told to the receiver.
        message: String,
        /// What it says, sorted.
        notices: Vec<NoticeKey>,
        /// Which attempt this is, from 1.
        attempt: u32,
        /// When it has ended in any case; without an outcome by then it counts as failed.
        until: Timestamp,
        /// When.
        time: Timestamp,
    }

    /// A message was taken.
    NotificationSent: "notification" {
        /// The channel.
        channel: String,
        /// The message.
        message: String,
        /// Which attempt this was.
        attempt: u32,
        /// When.
        time: Timestamp,
    }

    /// A message was not taken.
    NotificationFailed: "notification-failure" {
        /// The channel.
        channel: String,
        /// The message.
        message: String,
        /// Which attempt this was.
        attempt: u32,
        /// Why.
        why: Trouble,
        /// The status that the other side answered with, where it did: of HTTP, or of SMTP.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        status: Option<u16>,
        /// Not tried again before this; none: it is given up, unless somebody asks for it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        next: Option<Timestamp>,
        /// When.
        time: Timestamp,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_names() {
        assert!(is_channel("officers") && is_channel("a-1"));
        for bad in ["", "1a", "-a", "A", "a b", "a/b", "a\n", &"a".repeat(41)] {
            assert!(!is_channel(bad), "{bad}");
        }
        assert!(is_message(&format!("ntf-{}", "0f".repeat(16))));
        for bad in ["", "ntf-", "ntf-0F", &format!("ntf-{}", "0F".repeat(16)), &format!("x-{}", "0f".repeat(16))] {
            assert!(!is_message(bad), "{bad}");
        }
    }

    #[test]
    fn a_key_says_what_it_is_about_and_nothing_twice() {
        let key = |part: Option<&str>, step| NoticeKey {
            kind: NoticeKind::DutyOverdue,
            at: 7,
            part: part.map(str::to_owned),
            step,
        };
        assert_eq!(key(Some("review"), 2).to_string(), "duty-overdue/7/review/2");
        assert_eq!(key(None, 0).to_string(), "duty-overdue/7");
        assert_eq!(serde_json::to_string(&key(None, 0)).unwrap(), r#"{"kind":"duty-overdue","at":7}"#);
        for kind in NoticeKind::ALL {
            assert_eq!(NoticeKind::from_text(kind.as_str()), Some(kind));
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
        for trouble in Trouble::ALL {
            assert_eq!(Trouble::from_text(trouble.as_str()), Some(trouble));
            assert_eq!(serde_json::to_value(trouble).unwrap(), trouble.as_str());
        }
    }
}
