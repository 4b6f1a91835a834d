//! What somebody was told, through which channel, and how that ended. What is to be told is no table: it follows from the others.

use std::collections::BTreeSet;

use countersign_model::event::{NotificationFailed, NotificationSent, NotificationStarted};
use countersign_model::notice::{
    LONGEST_ATTEMPT, MOST_NOTICES, NoticeKey, NoticeKind, Trouble, is_channel, is_message,
};
use countersign_model::{EventKind, Timestamp};
use rusqlite::{OptionalExtension as _, Row};

use super::read::{Machine, to_json};
use super::sql::{Fold, Text, json, maybe, require, text};
use super::state::State;
use super::table::Table;
use crate::Error;

pub(super) const TABLES: &[Table] = &[
    Table {
        name: "notifications",
        key: &["message"],
        index: "idx",
        sql: "CREATE TABLE notifications (message TEXT PRIMARY KEY, idx INTEGER NOT NULL, channel TEXT NOT NULL,
            notices TEXT NOT NULL, attempts INTEGER NOT NULL, standing TEXT NOT NULL, next INTEGER, why TEXT,
            status INTEGER, last INTEGER NOT NULL, time INTEGER NOT NULL) STRICT, WITHOUT ROWID;
            CREATE INDEX notifications_by_last ON notifications (last);
            CREATE INDEX notifications_by_standing ON notifications (channel, standing, last);",
    },
    Table {
        name: "noticed",
        key: &["channel", "notice"],
        index: "idx",
        sql: "CREATE TABLE noticed (channel TEXT NOT NULL, notice TEXT NOT NULL, idx INTEGER NOT NULL,
            message TEXT NOT NULL, PRIMARY KEY (channel, notice)) STRICT, WITHOUT ROWID;",
    },
];

/// Where a message stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageStanding {
    /// An attempt was begun, and nothing is said of its end.
    Started,
    /// It was taken.
    Sent,
    /// It was not taken, and is tried again.
    Failed,
    /// It was not taken, and is not tried again by itself.
    GivenUp,
}

impl MessageStanding {
    /// Every standing.
    pub const ALL: [Self; 4] = [Self::Started, Self::Sent, Self::Failed, Self::GivenUp];

    /// The text form.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Sent => "sent",
            Self::Failed => "failed",
            Self::GivenUp => "given-up",
        }
    }

    /// Reads the text form.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|standing| standing.as_str() == text)
    }
}

impl Text for MessageStanding {
    fn read(text: String) -> Option<Self> {
        Self::from_text(&text)
    }
}

impl Text for Trouble {
    fn read(text: String) -> Option<Self> {
        Self::from_text(&text)
    }
}

/// A message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotificationRow {
    /// Its name.
    pub message: String,
    /// Log index of its first attempt.
    pub index: u64,
    /// The channel.
    pub channel: String,
    /// What it says.
    pub notices: Vec<NoticeKey>,
    /// How often it was tried.
    pub attempts: u32,
    /// Where it stands.
    pub standing: MessageStanding,
    /// Not tried again before this: the end of an attempt that was begun, or of the pause after one that failed.
    pub next: Option<Timestamp>,
    /// Why it was not taken last.
    pub why: Option<Trouble>,
    /// The status that was answered then.
    pub status: Option<u16>,
    /// Log index of the newest entry about it.
    pub last: u64,
    /// When that was.
    pub time: Timestamp,
}

const COLUMNS: &str = "message, idx, channel, notices, attempts, standing, next, why, status, last, time";

impl State {
    pub(super) fn on_notification_start(&self, index: u64, machine: &Machine) -> Fold {
        let p: NotificationStarted = self.statement(machine)?;
        require(is_channel(&p.channel) && is_message(&p.message), "its channel or message has no name")?;
        let seconds = p.until.millis().saturating_sub(p.time.millis()) / 1000;
        require(p.until > p.time && seconds <= LONGEST_ATTEMPT, "its attempt takes too long, or no time")?;
        require(!p.notices.is_empty() && p.notices.len() <= MOST_NOTICES, "it says nothing, or too much")?;
        let distinct: BTreeSet<&NoticeKey> = p.notices.iter().collect();
        require(distinct.iter().copied().eq(p.notices.iter()), "what it says is not sorted, or is said twice")?;
        for notice in &p.notices {
            require(notice.at < index && self.is_about(notice)?, "it is about something that is not in the log")?;
        }
        match self.notification(&p.message)? {
            None => {
                require(p.attempt == 1, "its first attempt is not the first")?;
                for notice in &p.notices {
                    let told = self.noticed(&p.channel, notice)?;
                    require(told.is_none(), "the channel was told, or is being told, one of it")?;
                }
            }
            Some(row) => {
                require(row.channel == p.channel && row.notices == p.notices, "it said something else before")?;
                require(row.standing != MessageStanding::Sent, "it was taken before")?;
                require(row.next.is_none_or(|next| p.time >= next), "it is not time to try it again")?;
                require(p.attempt == row.attempts.saturating_add(1), "its attempts are not counted as they were")?;
            }
        }
        self.db
            .prepare_cached(
                "INSERT INTO notifications (message, idx, channel, notices, attempts, standing, next, last, time)
                 VALUES (?1, ?2, ?3, ?4, ?5, 'started', ?6, ?2, ?7)
                 ON CONFLICT (message) DO UPDATE SET attempts = ?5, standing = 'started', next = ?6, last = ?2, time = ?7",
            )?
            .execute((
                &p.message,
                index,
                &p.channel,
                to_json(&p.notices)?,
                p.attempt,
                p.until.millis(),
                p.time.millis(),
            ))?;
        if p.attempt == 1 {
            let mut insert = self
                .db
                .prepare_cached("INSERT INTO noticed (channel, notice, idx, message) VALUES (?1, ?2, ?3, ?4)")?;
            for notice in &p.notices {
                insert.execute((&p.channel, notice.to_string(), index, &p.message))?;
            }
        }
        Ok(())
    }

    pub(super) fn on_notification(&self, index: u64, machine: &Machine) -> Fold {
        let p: NotificationSent = self.statement(machine)?;
        self.is_running(&p.channel, &p.message, p.attempt)?;
        self.db
            .prepare_cached(
                "UPDATE notifications SET standing = 'sent', next = NULL, why = NULL, status = NULL, last = ?2, time = ?3
                 WHERE message = ?1",
            )?
            .execute((&p.message, index, p.time.millis()))?;
        Ok(())
    }

    pub(super) fn on_notification_failure(&self, index: u64, machine: &Machine) -> Fold {
        let p: NotificationFailed = self.statement(machine)?;
        self.is_running(&p.channel, &p.message, p.attempt)?;
        require(p.next.is_none_or(|next| next > p.time), "it is tried again before it failed")?;
        let standing = if p.next.is_some() { MessageStanding::Failed } else { MessageStanding::GivenUp };
        self.db
            .prepare_cached(
                "UPDATE notifications SET standing = ?2, next = ?3, why = ?4, status = ?5, last = ?6, time = ?7
                 WHERE message = ?1",
            )?
            .execute((
                &p.message,
                standing.as_str(),
                p.next.map(Timestamp::millis),
                p.why.as_str(),
                p.status,
                index,
                p.time.millis(),
            ))?;
        Ok(())
    }

    /// An outcome is that of the attempt that was begun last.
    fn is_running(&self, channel: &str, message: &str, attempt: u32) -> Fold {
        let row = self.notification(message)?.ok_or("nobody began to send such a message")?;
        require(row.channel == channel, "it went through another channel")?;
        let running = row.standing == MessageStanding::Started && row.attempts == attempt;
        Ok(require(running, "that attempt is not the one that was begun, or it ended before")?)
    }

    /// Whether the log has what a notice is about.
    fn is_about(&self, notice: &NoticeKey) -> Result<bool, Error> {
        if notice.kind == NoticeKind::EntryNotBelieved {
            return Ok(notice.part.is_none() && self.disbelieved(notice.at)?.is_some());
        }
        let mut query = self.db.prepare_cached("SELECT kind FROM entries WHERE idx = ?1")?;
        let kind: Option<EventKind> = query.query_row([notice.at], |row| text(row, 0)).optional()?;
        Ok(kind.is_some_and(|kind| notice.kind.is_about(kind)) && self.disbelieved(notice.at)?.is_none())
    }

    /// The message with which a channel was told something, or is being told.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn noticed(&self, channel: &str, notice: &NoticeKey) -> Result<Option<String>, Error> {
        let mut query = self.db.prepare_cached("SELECT message FROM noticed WHERE channel = ?1 AND notice = ?2")?;
        Ok(query.query_row((channel, notice.to_string()), |row| row.get(0)).optional()?)
    }

    /// A message.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn notification(&self, message: &str) -> Result<Option<NotificationRow>, Error> {
        let mut query = self.db.prepare_cached(&format!("SELECT {COLUMNS} FROM notifications WHERE message = ?1"))?;
        Ok(query.query_row([message], notification).optional()?)
    }

    /// Messages of a channel, or of all, in one standing or in any, the newest entry first, `most` at the most.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn notifications(
        &self,
        channel: Option<&str>,
        standing: Option<MessageStanding>,
        most: u32,
    ) -> Result<Vec<NotificationRow>, Error> {
        let mut query = self.db.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM notifications WHERE (?1 IS NULL OR channel = ?1) AND (?2 IS NULL OR standing = ?2)
             ORDER BY last DESC LIMIT ?3"
        ))?;
        let rows = query.query_map((channel, standing.map(MessageStanding::as_str), most), notification)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// How many messages of each channel stand how, by channel.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn notification_counts(&self) -> Result<Vec<(String, MessageStanding, u64)>, Error> {
        let mut query = self.db.prepare_cached(
            "SELECT channel, standing, count(*) FROM notifications GROUP BY channel, standing ORDER BY channel, standing",
        )?;
        let rows = query.query_map([], |row| Ok((row.get(0)?, text(row, 1)?, row.get(2)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

fn notification(row: &Row<'_>) -> rusqlite::Result<NotificationRow> {
    Ok(NotificationRow {
        message: row.get(0)?,
        index: row.get(1)?,
        channel: row.get(2)?,
        notices: json(row, 3)?,
        attempts: row.get(4)?,
        standing: text(row, 5)?,
        next: row.get::<_, Option<i64>>(6)?.map(Timestamp::from_millis),
        why: maybe(row, 7)?,
        status: row.get(8)?,
        last: row.get(9)?,
        time: Timestamp::from_millis(row.get(10)?),
    })
}
