//! Audits, what was asked in them, and what was answered.
//!
//! Texts are in no table: they are opened from the sealed attachment when somebody asks ([`State::message_text`]), so that the
//! text of somebody whose data was erased is gone here too.

use countersign_evidence::act;
use countersign_model::audit::threads::{LONGEST_TEXT, MOST_POINTERS};
use countersign_model::event::{
    AuditAnswered, AuditClosed, AuditFollowedUp, AuditOpened, AuditRequestClosed, AuditRequested,
};
use countersign_model::{Action, AuditId, AuditRequestId, Digest, PayloadRef, PersonId, Role, Timestamp};
use rusqlite::{OptionalExtension as _, Row};

use super::read::{Act, Reading, to_json};
use super::sql::{Fold, Stop, blob, json, maybe, media, require, text, time};
use super::state::State;
use super::table::Table;
use crate::{Error, subjects};

pub(super) const TABLES: &[Table] = &[
    Table {
        name: "audits",
        key: &["audit"],
        index: "idx",
        sql: "CREATE TABLE audits (audit TEXT PRIMARY KEY, idx INTEGER NOT NULL, said TEXT NOT NULL, closed INTEGER,
            closed_by TEXT, closed_at INTEGER) STRICT, WITHOUT ROWID;",
    },
    Table {
        name: "audit_requests",
        key: &["request"],
        index: "idx",
        sql: "CREATE TABLE audit_requests (request TEXT PRIMARY KEY, idx INTEGER NOT NULL, audit TEXT NOT NULL,
            control TEXT, application TEXT) STRICT, WITHOUT ROWID;
            CREATE INDEX audit_requests_by_audit ON audit_requests (audit, idx);",
    },
    Table {
        name: "audit_messages",
        key: &["idx"],
        index: "idx",
        sql: "CREATE TABLE audit_messages (idx INTEGER PRIMARY KEY, leaf TEXT NOT NULL, request TEXT NOT NULL,
            kind TEXT NOT NULL, by TEXT NOT NULL, time INTEGER NOT NULL, due INTEGER, evidence TEXT NOT NULL,
            packs TEXT NOT NULL, text TEXT, text_size INTEGER, text_media TEXT) STRICT;
            CREATE INDEX audit_messages_by_request ON audit_messages (request, idx);",
    },
];

const NOT_ADMITTED: &str = "the audit admits other auditors";
/// How large a sealed text may be: the text itself, and what two seals add to it.
const LARGEST_SEALED: u64 = LONGEST_TEXT as u64 + 1_000;

/// An audit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRow {
    /// Log index.
    pub index: u64,
    /// What was said when it was opened.
    pub said: AuditOpened,
    /// The end of it: log index, by whom, when.
    pub closed: Option<(u64, PersonId, Timestamp)>,
}

/// What an entry of a thread is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageKind {
    /// The request.
    Asked,
    /// An answer.
    Answered,
    /// What an auditor asked after an answer.
    FollowedUp,
    /// Nothing more is needed.
    Closed,
}

impl MessageKind {
    const ALL: [Self; 4] = [Self::Asked, Self::Answered, Self::FollowedUp, Self::Closed];

    /// The text form.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::Answered => "answered",
            Self::FollowedUp => "followed-up",
            Self::Closed => "closed",
        }
    }
}

/// An entry of a thread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageRow {
    /// Log index.
    pub index: u64,
    /// Leaf hash.
    pub leaf: Digest,
    /// The request that it belongs to.
    pub request: AuditRequestId,
    /// What it is.
    pub kind: MessageKind,
    /// Who.
    pub by: PersonId,
    /// When.
    pub time: Timestamp,
    /// Until when an answer is awaited; of what was asked alone.
    pub due: Option<Timestamp>,
    /// Log indices of entries that an answer points at.
    pub evidence: Vec<u64>,
    /// Packs that an answer points at.
    pub packs: Vec<Digest>,
    /// The sealed text; none where nothing more was needed.
    pub text: Option<PayloadRef>,
}

/// Where a request stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestState {
    /// An answer is awaited.
    Open,
    /// It was answered.
    Answered,
    /// Nothing more is needed, or the audit is over.
    Closed,
}

impl RequestState {
    /// The text form.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Answered => "answered",
            Self::Closed => "closed",
        }
    }
}

/// A request with its thread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ThreadRow {
    /// The request.
    pub request: AuditRequestId,
    /// The audit.
    pub audit: AuditId,
    /// The control that it is about.
    pub control: Option<String>,
    /// The application that it is about.
    pub application: Option<String>,
    /// When the audit was closed.
    pub audit_closed: Option<Timestamp>,
    /// What was said, oldest first: the request itself first.
    pub messages: Vec<MessageRow>,
}

impl ThreadRow {
    /// Where it stands.
    #[must_use]
    pub fn state(&self) -> RequestState {
        match self.messages.last().map(|m| m.kind) {
            _ if self.audit_closed.is_some() => RequestState::Closed,
            Some(MessageKind::Closed) => RequestState::Closed,
            Some(MessageKind::Answered) => RequestState::Answered,
            _ => RequestState::Open,
        }
    }

    /// Until when an answer is, or was, awaited.
    #[must_use]
    pub fn due(&self) -> Option<Timestamp> {
        self.messages.iter().rev().find_map(|m| m.due)
    }

    /// What was asked last.
    #[must_use]
    pub fn question(&self) -> Option<&MessageRow> {
        self.messages.iter().rev().find(|m| m.due.is_some())
    }

    /// The newest answer.
    #[must_use]
    pub fn answer(&self) -> Option<&MessageRow> {
        self.messages.iter().rev().find(|m| m.kind == MessageKind::Answered)
    }

    /// When the newest question stopped to wait: by its answer, or because nothing more was needed.
    #[must_use]
    pub fn ended(&self) -> Option<Timestamp> {
        let asked = self.question()?.index;
        self.messages.iter().find(|m| m.index > asked).map(|m| m.time).or(self.audit_closed)
    }
}

/// Whether something that was due came late, or is late at `now`.
#[must_use]
pub fn is_late(due: Timestamp, ended: Option<Timestamp>, now: Timestamp) -> bool {
    ended.unwrap_or(now) > due
}

impl State {
    pub(super) fn on_audit_opened(&self, reading: &Reading, signed: &Act) -> Fold {
        let p: AuditOpened = self.signed(signed, act::AUDIT, |p: &AuditOpened| &p.by)?;
        self.same_ledger(&p.origin)?;
        self.needs(&p.by, Action::OpenAudit)?;
        require(p.from < p.to, "its period is over before it begins")?;
        require(self.has_entries_between(p.from, p.to, reading.index)?, "nothing was recorded in its period")?;
        for id in &p.applications {
            require(self.application(id)?.is_some(), "one of its applications is not registered")?;
        }
        for person in &p.auditors {
            require(self.has_role(person, Role::Auditor)?, "one of its auditors is none")?;
        }
        require(
            is_set(&p.applications) && is_set(&p.frameworks) && is_set(&p.auditors) && is_set(&p.masked),
            "its lists are not sorted, or name something twice",
        )?;
        require(self.audit(&p.audit)?.is_none(), "an audit of that id was opened before")?;
        self.db.prepare_cached("INSERT INTO audits (audit, idx, said) VALUES (?1, ?2, ?3)")?.execute((
            p.audit.as_str(),
            reading.index,
            to_json(&p)?,
        ))?;
        Ok(())
    }

    pub(super) fn on_audit_requested(&self, reading: &Reading, signed: &Act) -> Fold {
        let p: AuditRequested = self.signed(signed, act::AUDIT_REQUEST, |p: &AuditRequested| &p.by)?;
        self.same_ledger(&p.origin)?;
        self.needs(&p.by, Action::AskInAudit)?;
        let audit = self.audit(&p.audit)?.ok_or("nobody opened such an audit")?;
        require(audit.closed.is_none(), "the audit is closed")?;
        require(audit.said.admits(&p.by), NOT_ADMITTED)?;
        if let Some(id) = &p.application {
            require(self.application(id)?.is_some(), "its application is not registered")?;
            let asked = &audit.said.applications;
            require(asked.is_empty() || asked.contains(id), "the audit is about other applications")?;
        }
        require(p.due > p.time, "it is due before it was asked")?;
        let sealed = sealed_text(reading, p.text)?;
        require(self.audit_thread(&p.request)?.is_none(), "a request of that id was made before")?;
        self.db
            .prepare_cached(
                "INSERT INTO audit_requests (request, idx, audit, control, application) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute((p.request.as_str(), reading.index, p.audit.as_str(), &p.control, &p.application))?;
        self.add_message(
            reading,
            &Message {
                due: Some(p.due),
                text: Some(&sealed),
                ..Message::of(&p.request, MessageKind::Asked, &p.by, p.time)
            },
        )
    }

    pub(super) fn on_audit_answered(&self, reading: &Reading, signed: &Act) -> Fold {
        let p: AuditAnswered = self.signed(signed, act::AUDIT_ANSWER, |p: &AuditAnswered| &p.by)?;
        self.same_ledger(&p.origin)?;
        let thread = self.living_thread(&p.request)?;
        require(thread.state() == RequestState::Open, "no answer is awaited")?;
        require(
            thread.messages.last().is_some_and(|m| m.leaf == p.answers),
            "it answers another entry than the newest",
        )?;
        require(self.may_answer(&thread, &p.by)?, &format!("{} may not answer it", p.by))?;
        require(p.evidence.len() + p.packs.len() <= MOST_POINTERS, "it points at too much")?;
        require(is_set(&p.evidence) && is_set(&p.packs), "its pointers are not sorted, or name something twice")?;
        require(p.evidence.iter().all(|index| *index < reading.index), "it points at an entry that is not there")?;
        for pack in &p.packs {
            require(self.has_pack(pack)?, "it points at a pack that was not made from this log")?;
        }
        let sealed = sealed_text(reading, p.text)?;
        self.add_message(
            reading,
            &Message {
                evidence: &p.evidence,
                packs: &p.packs,
                text: Some(&sealed),
                ..Message::of(&p.request, MessageKind::Answered, &p.by, p.time)
            },
        )
    }

    pub(super) fn on_audit_followed_up(&self, reading: &Reading, signed: &Act) -> Fold {
        let p: AuditFollowedUp = self.signed(signed, act::AUDIT_FOLLOW_UP, |p: &AuditFollowedUp| &p.by)?;
        self.same_ledger(&p.origin)?;
        self.needs(&p.by, Action::AskInAudit)?;
        let thread = self.living_thread(&p.request)?;
        require(self.is_admitted(&thread, &p.by)?, NOT_ADMITTED)?;
        require(thread.state() == RequestState::Answered, "it was not answered")?;
        require(
            thread.messages.last().is_some_and(|m| m.leaf == p.answer),
            "it follows another entry than the newest",
        )?;
        require(p.due > p.time, "it is due before it was asked")?;
        let sealed = sealed_text(reading, p.text)?;
        self.add_message(
            reading,
            &Message {
                due: Some(p.due),
                text: Some(&sealed),
                ..Message::of(&p.request, MessageKind::FollowedUp, &p.by, p.time)
            },
        )
    }

    pub(super) fn on_audit_request_closed(&self, reading: &Reading, signed: &Act) -> Fold {
        let p: AuditRequestClosed = self.signed(signed, act::AUDIT_REQUEST_CLOSING, |p: &AuditRequestClosed| &p.by)?;
        self.same_ledger(&p.origin)?;
        self.needs(&p.by, Action::AskInAudit)?;
        let thread = self.living_thread(&p.request)?;
        require(self.is_admitted(&thread, &p.by)?, NOT_ADMITTED)?;
        require(thread.messages.last().is_some_and(|m| m.leaf == p.last), "its newest entry is another one")?;
        self.add_message(reading, &Message::of(&p.request, MessageKind::Closed, &p.by, p.time))
    }

    pub(super) fn on_audit_closed(&self, index: u64, signed: &Act) -> Fold {
        let p: AuditClosed = self.signed(signed, act::AUDIT_CLOSING, |p: &AuditClosed| &p.by)?;
        self.same_ledger(&p.origin)?;
        self.needs(&p.by, Action::CloseAudit)?;
        let audit = self.audit(&p.audit)?.ok_or("nobody opened such an audit")?;
        require(audit.closed.is_none(), "the audit is closed already")?;
        require(audit.said.admits(&p.by) || self.may(&p.by, Action::OpenAudit)?, NOT_ADMITTED)?;
        let threads = self.audit_threads(Some(&p.audit))?;
        require(threads.iter().all(|t| t.state() != RequestState::Open), "a request of it waits for an answer")?;
        let answered = threads.iter().filter(|t| t.answer().is_some()).count() as u64;
        require(
            (p.requests, p.answered) == (threads.len() as u64, answered),
            "its requests are not counted as they are",
        )?;
        self.db
            .prepare_cached("UPDATE audits SET closed = ?2, closed_by = ?3, closed_at = ?4 WHERE audit = ?1")?
            .execute((p.audit.as_str(), index, p.by.as_str(), p.time.millis()))?;
        Ok(())
    }

    fn living_thread(&self, id: &AuditRequestId) -> Result<ThreadRow, Stop> {
        let thread = self.audit_thread(id)?.ok_or("nobody asked such a request")?;
        require(thread.state() != RequestState::Closed, "the request or its audit is closed")?;
        Ok(thread)
    }

    fn add_message(&self, reading: &Reading, m: &Message<'_>) -> Fold {
        self.db
            .prepare_cached(
                "INSERT INTO audit_messages (idx, leaf, request, kind, by, time, due, evidence, packs, text, text_size,
                 text_media) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
            )?
            .execute((
                reading.index,
                reading.leaf.to_string(),
                m.request.as_str(),
                m.kind.as_str(),
                m.by.as_str(),
                m.time.millis(),
                m.due.map(Timestamp::millis),
                to_json(&m.evidence)?,
                to_json(&m.packs)?,
                m.text.map(|t| t.sha256.to_string()),
                m.text.map(|t| t.size),
                m.text.map(media),
            ))?;
        Ok(())
    }

    /// Whether somebody may answer a request: they hold a role that answers, did not ask in it, and are no auditor as well.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn may_answer(&self, thread: &ThreadRow, person: &PersonId) -> Result<bool, Error> {
        let asked = thread.messages.iter().any(|m| m.due.is_some() && m.by == *person);
        Ok(!asked && !self.has_role(person, Role::Auditor)? && self.may(person, Action::AnswerAudit)?)
    }

    /// Whether somebody is admitted to the audit of a thread.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn is_admitted(&self, thread: &ThreadRow, person: &PersonId) -> Result<bool, Error> {
        Ok(self.audit(&thread.audit)?.is_some_and(|audit| audit.said.admits(person)))
    }

    /// Whether an entry before `size` was appended from `from` on and before `to`.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn has_entries_between(&self, from: Timestamp, to: Timestamp, size: u64) -> Result<bool, Error> {
        let mut query =
            self.db.prepare_cached("SELECT 1 FROM entries WHERE time >= ?1 AND time < ?2 AND idx < ?3 LIMIT 1")?;
        Ok(query.exists((from.millis(), to.millis(), size))?)
    }

    /// An audit.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn audit(&self, id: &AuditId) -> Result<Option<AuditRow>, Error> {
        let mut query =
            self.db.prepare_cached("SELECT idx, said, closed, closed_by, closed_at FROM audits WHERE audit = ?1")?;
        Ok(query.query_row([id.as_str()], audit).optional()?)
    }

    /// Every audit, oldest first.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn audits(&self) -> Result<Vec<AuditRow>, Error> {
        let mut query =
            self.db.prepare_cached("SELECT idx, said, closed, closed_by, closed_at FROM audits ORDER BY idx")?;
        Ok(query.query_map([], audit)?.collect::<Result<_, _>>()?)
    }

    /// A request with its thread.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn audit_thread(&self, id: &AuditRequestId) -> Result<Option<ThreadRow>, Error> {
        let mut query = self.db.prepare_cached(&format!("{THREAD} WHERE r.request = ?1"))?;
        let row = query.query_row([id.as_str()], thread).optional()?;
        row.map(|row| self.with_messages(row)).transpose()
    }

    /// The requests of an audit, or of all, oldest first, each with its thread.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn audit_threads(&self, of: Option<&AuditId>) -> Result<Vec<ThreadRow>, Error> {
        let mut query = self.db.prepare_cached(&format!("{THREAD} WHERE ?1 IS NULL OR r.audit = ?1 ORDER BY r.idx"))?;
        let rows: Vec<ThreadRow> = query.query_map([of.map(AuditId::as_str)], thread)?.collect::<Result<_, _>>()?;
        rows.into_iter().map(|row| self.with_messages(row)).collect()
    }

    fn with_messages(&self, mut row: ThreadRow) -> Result<ThreadRow, Error> {
        let mut query = self.db.prepare_cached(
            "SELECT idx, leaf, request, kind, by, time, due, evidence, packs, text, text_size, text_media
             FROM audit_messages WHERE request = ?1 ORDER BY idx",
        )?;
        row.messages = query.query_map([row.request.as_str()], message)?.collect::<Result<_, _>>()?;
        Ok(row)
    }

    /// What was written; `None` where nothing was, or where the data of whoever wrote it was erased or is not readable here.
    ///
    /// # Errors
    /// When the text is damaged, or sealed at rest with a key that is not here.
    pub fn message_text(&self, message: &MessageRow) -> Result<Option<String>, Error> {
        match &message.text {
            Some(blob) => subjects::open_text(&self.vault, &message.by, message.request.as_str(), blob),
            None => Ok(None),
        }
    }
}

/// What is added to a thread.
struct Message<'a> {
    request: &'a AuditRequestId,
    kind: MessageKind,
    by: &'a PersonId,
    time: Timestamp,
    due: Option<Timestamp>,
    evidence: &'a [u64],
    packs: &'a [Digest],
    text: Option<&'a PayloadRef>,
}

impl<'a> Message<'a> {
    const fn of(request: &'a AuditRequestId, kind: MessageKind, by: &'a PersonId, time: Timestamp) -> Self {
        Self { request, kind, by, time, due: None, evidence: &[], packs: &[], text: None }
    }
}

/// The first attachment must be the sealed text that the statement names.
fn sealed_text(reading: &Reading, digest: Digest) -> Result<PayloadRef, String> {
    let (sealed, said) = reading.named(0)?;
    require(said == digest, "the text is not the one the statement names")?;
    require(sealed.media == subjects::SEALED_TEXT, "its text is not sealed")?;
    require(sealed.size <= LARGEST_SEALED, "its text is too long")?;
    Ok(sealed)
}

pub(super) fn is_set<T: Ord>(all: &[T]) -> bool {
    all.windows(2).all(|pair| matches!(pair, [a, b] if a < b))
}

const THREAD: &str = "SELECT r.request, r.audit, r.control, r.application, a.closed_at
    FROM audit_requests r JOIN audits a ON a.audit = r.audit";

fn audit(row: &Row<'_>) -> rusqlite::Result<AuditRow> {
    let closed = match (row.get(2)?, maybe(row, 3)?, row.get::<_, Option<i64>>(4)?) {
        (Some(index), Some(by), Some(at)) => Some((index, by, Timestamp::from_millis(at))),
        _ => None,
    };
    Ok(AuditRow { index: row.get(0)?, said: json(row, 1)?, closed })
}

fn thread(row: &Row<'_>) -> rusqlite::Result<ThreadRow> {
    Ok(ThreadRow {
        request: text(row, 0)?,
        audit: text(row, 1)?,
        control: row.get(2)?,
        application: row.get(3)?,
        audit_closed: row.get::<_, Option<i64>>(4)?.map(Timestamp::from_millis),
        messages: Vec::new(),
    })
}

fn message(row: &Row<'_>) -> rusqlite::Result<MessageRow> {
    let kind: String = row.get(3)?;
    let kind = MessageKind::ALL.into_iter().find(|k| k.as_str() == kind).ok_or(rusqlite::Error::InvalidQuery)?;
    let sealed = row.get::<_, Option<String>>(9)?.map(|_| blob(row, 9)).transpose()?;
    Ok(MessageRow {
        index: row.get(0)?,
        leaf: text(row, 1)?,
        request: text(row, 2)?,
        kind,
        by: text(row, 4)?,
        time: time(row, 5)?,
        due: row.get::<_, Option<i64>>(6)?.map(Timestamp::from_millis),
        evidence: json(row, 7)?,
        packs: json(row, 8)?,
        text: sealed,
    })
}
