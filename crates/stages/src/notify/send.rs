//! Who sends what when: an attempt is begun by an entry, the message delivered, and how that ended is the next entry.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use countersign_connect::deliver::NotTaken;
use countersign_model::event::{NotificationFailed, NotificationSent, NotificationStarted};
use countersign_model::notice::{NoticeKey, Trouble};
use countersign_model::{Digest, EventKind, StreamId, Timestamp};
use countersign_store::projection::{MessageStanding, NotificationRow};
use countersign_store::{Plan, Session};

use super::channel::Channel;
use super::shape::{Message, SHOWN};
use super::wanted::{Notice, wanted};
use crate::Error;
use crate::release::break_glass::moment;

/// How long after each attempt the next is made, in seconds; after the last of them it is given up: some nine hours in all.
const PAUSES: [i64; 5] = [60, 300, 1800, 7200, 21_600];
/// How long an attempt is nobody else's, in seconds: longer than any can take.
const LEASE: i64 = 180;
/// So many at once are a message each; more are told together.
const ALONE: usize = 5;
/// So many messages go through a channel at one call; the next call goes on.
const AT_ONCE: usize = 10;
/// So many messages that failed are looked at.
const MOST: u32 = 1000;

/// How messages are sent.
#[derive(Debug, Clone)]
pub struct Sending<'a> {
    /// The server whose pages show more: scheme and host.
    pub server: Option<String>,
    /// Try again what was given up.
    pub again: bool,
    /// Where programs are started.
    pub dir: &'a Path,
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It was taken.
    Sent,
    /// It was not, and is tried again then.
    Failed(NotTaken, Timestamp),
    /// It was not, and is not tried again by itself.
    GivenUp(NotTaken),
}

/// A message that was sent, or was tried to be.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// The channel.
    pub channel: String,
    /// The message.
    pub message: String,
    /// What it said.
    pub notices: Vec<Notice>,
    /// Which attempt it was.
    pub attempt: u32,
    /// How it ended.
    pub outcome: Outcome,
    /// Log index of the outcome; none: another attempt was begun meanwhile, and its outcome counts.
    pub index: Option<u64>,
}

/// An attempt that was begun.
struct Begun {
    message: String,
    notices: Vec<Notice>,
    attempt: u32,
}

/// Tells every channel what it was not told, and tries again what is due to be.
///
/// # Errors
/// When the ledger cannot be read or written. That a message was not taken is no error, but in what is returned.
pub fn pass(session: &mut Session, channels: &[Channel], how: &Sending<'_>) -> Result<Vec<Delivery>, Error> {
    session.require_pin()?;
    session.must_record()?;
    let mut all = Vec::new();
    for channel in channels {
        let mut tried = BTreeSet::new();
        while tried.len() < AT_ONCE {
            let Some(begun) = begin(session, channel, how.again, &tried)? else { break };
            tried.insert(begun.message.clone());
            let message = Message {
                id: begun.message.clone(),
                origin: session.state().origin().to_owned(),
                server: how.server.clone(),
                time: session.now(),
                notices: begun.notices.clone(),
            };
            let done = channel.deliver(&message, how.dir);
            let failed = done.is_err();
            let (outcome, index) = end(session, channel, &begun, done)?;
            all.push(Delivery {
                channel: channel.name.clone(),
                message: begun.message,
                notices: begun.notices,
                attempt: begun.attempt,
                outcome,
                index,
            });
            // What waits behind a channel that fails waits with it.
            if failed {
                break;
            }
        }
    }
    Ok(all)
}

/// Sends a message that is marked as a test. Nothing of it is recorded.
///
/// # Errors
/// Why it was not taken.
pub fn test(session: &Session, channel: &Channel, how: &Sending<'_>) -> Result<(), NotTaken> {
    let (origin, now) = (session.state().origin().to_owned(), session.now());
    let id = name(&origin, &channel.name, &[], Some(now));
    let message = Message { id, origin, server: how.server.clone(), time: now, notices: Vec::new() };
    channel.deliver(&message, how.dir)
}

/// Names a message: who says the same to the same channel gives it the same name.
fn name(origin: &str, channel: &str, notices: &[NoticeKey], salt: Option<Timestamp>) -> String {
    let mut text = format!("{origin}\n{channel}\n");
    for notice in notices {
        text.push_str(&format!("{notice}\n"));
    }
    if let Some(time) = salt {
        text.push_str(&format!("test {time}\n"));
    }
    let hex: String = Digest::of(text.as_bytes()).hex().chars().take(32).collect();
    format!("ntf-{hex}")
}

/// What a channel is told next.
enum Next {
    /// An attempt of a message that was tried before.
    Again(NotificationRow),
    /// A new message.
    New(Vec<NoticeKey>),
}

fn next(
    session: &Session,
    channel: &Channel,
    again: bool,
    tried: &BTreeSet<String>,
    wanted: &BTreeMap<NoticeKey, Notice>,
    order: &[NoticeKey],
) -> Result<Option<Next>, Error> {
    let (state, now) = (session.state(), moment(session)?);
    let of = |standing| state.notifications(Some(&channel.name), Some(standing), MOST);
    // Whoever sends at this moment sends one after the other.
    let started = of(MessageStanding::Started)?;
    if started.iter().any(|row| row.next.is_some_and(|until| until > now)) {
        return Ok(None);
    }
    let is_wanted = |row: &NotificationRow| row.notices.iter().any(|key| wanted.contains_key(key));
    let mut due = started;
    due.extend(of(MessageStanding::Failed)?);
    due.retain(|row| is_wanted(row) && !tried.contains(&row.message));
    due.sort_by_key(|row| row.index);
    // One that failed stands for its channel: nothing else is tried until it is.
    if due.iter().any(|row| row.next.is_some_and(|next| next > now)) {
        return Ok(None);
    }
    if again {
        due.extend(
            of(MessageStanding::GivenUp)?.into_iter().filter(|row| is_wanted(row) && !tried.contains(&row.message)),
        );
    }
    if let Some(row) = due.into_iter().next() {
        return Ok(Some(Next::Again(row)));
    }
    let mut fresh = Vec::new();
    for key in order {
        if wanted.get(key).is_some_and(|n| channel.takes(n)) && state.noticed(&channel.name, key)?.is_none() {
            fresh.push(key.clone());
        }
    }
    let most = if fresh.len() > ALONE { SHOWN } else { 1 };
    fresh.truncate(most);
    fresh.sort();
    Ok((!fresh.is_empty()).then_some(Next::New(fresh)))
}

fn begin(
    session: &mut Session,
    channel: &Channel,
    again: bool,
    tried: &BTreeSet<String>,
) -> Result<Option<Begun>, Error> {
    let (_, begun) = session.transact(|s| {
        let all = wanted(s)?;
        let order: Vec<NoticeKey> = all.iter().map(|n| n.key.clone()).collect();
        let all: BTreeMap<NoticeKey, Notice> = all.into_iter().map(|n| (n.key.clone(), n)).collect();
        let (message, keys, attempt) = match next(s, channel, again, tried, &all, &order)? {
            None => return Ok::<_, Error>((Plan::default(), None)),
            Some(Next::Again(row)) => (row.message, row.notices, row.attempts.saturating_add(1)),
            Some(Next::New(keys)) => (name(s.state().origin(), &channel.name, &keys, None), keys, 1),
        };
        let time = moment(s)?;
        let predicate = NotificationStarted {
            channel: channel.name.clone(),
            message: message.clone(),
            notices: keys.clone(),
            attempt,
            until: time.plus_seconds(LEASE),
            time,
        };
        let refs: BTreeSet<u64> = keys.iter().map(|key| key.at).collect();
        let entry = s.machine_entry(
            EventKind::NotificationStarted,
            stream(),
            s.subject(),
            predicate,
            refs.into_iter().collect(),
            Vec::new(),
        )?;
        // What is not wanted any more is not told, though it stands in the message's name.
        let notices = order.iter().filter(|key| keys.contains(key)).filter_map(|key| all.get(key)).cloned().collect();
        Ok((Plan { entries: vec![entry] }, Some(Begun { message, notices, attempt })))
    })?;
    Ok(begun)
}

fn end(
    session: &mut Session,
    channel: &Channel,
    begun: &Begun,
    done: Result<(), NotTaken>,
) -> Result<(Outcome, Option<u64>), Error> {
    let (appended, outcome) = session.transact(|s| {
        let time = moment(s)?;
        let outcome = match &done {
            Ok(()) => Outcome::Sent,
            Err(e) => match pause(begun.attempt, e) {
                Some(seconds) => Outcome::Failed(e.clone(), time.plus_seconds(seconds)),
                None => Outcome::GivenUp(e.clone()),
            },
        };
        let row = s.state().notification(&begun.message)?;
        let running = |r: &NotificationRow| r.standing == MessageStanding::Started && r.attempts == begun.attempt;
        if !row.as_ref().is_some_and(running) {
            return Ok::<_, Error>((Plan::default(), outcome));
        }
        let (channel, message, attempt) = (channel.name.clone(), begun.message.clone(), begun.attempt);
        let failed = |why: Trouble, status, next| NotificationFailed {
            channel: channel.clone(),
            message: message.clone(),
            attempt,
            why,
            status,
            next,
            time,
        };
        let refs = row.iter().map(|r| r.last).collect();
        let entry = match &outcome {
            Outcome::Sent => {
                let sent = NotificationSent { channel, message, attempt, time };
                s.machine_entry(EventKind::NotificationSent, stream(), s.subject(), sent, refs, Vec::new())?
            }
            Outcome::Failed(e, next) => {
                let failed = failed(e.why, e.status, Some(*next));
                s.machine_entry(EventKind::NotificationFailed, stream(), s.subject(), failed, refs, Vec::new())?
            }
            Outcome::GivenUp(e) => {
                let failed = failed(e.why, e.status, None);
                s.machine_entry(EventKind::NotificationFailed, stream(), s.subject(), failed, refs, Vec::new())?
            }
        };
        Ok((Plan { entries: vec![entry] }, outcome))
    })?;
    Ok((outcome, appended.map(|a| a.first_index)))
}

/// After how many seconds another attempt is made; `None`: none is.
fn pause(attempt: u32, failed: &NotTaken) -> Option<i64> {
    let nth = usize::try_from(attempt).ok()?.checked_sub(1)?;
    let pause = PAUSES.get(nth).copied().filter(|_| failed.again)?;
    let asked = failed.after.map_or(0, |after| i64::try_from(after.as_secs()).unwrap_or(i64::MAX));
    Some(pause.max(asked))
}

fn stream() -> StreamId {
    StreamId::from_text("notifications")
}

/// How a channel stands: what it was told, and what did not arrive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Its name.
    pub channel: String,
    /// How many messages it took.
    pub sent: u64,
    /// Messages that failed and are tried again, whose things are still wanted.
    pub failing: Vec<NotificationRow>,
    /// Messages that were given up, whose things are still wanted.
    pub given_up: Vec<NotificationRow>,
    /// The newest message, whatever became of it.
    pub last: Option<NotificationRow>,
}

/// How every channel stands, those that are configured and those that the log knows from before, each with how many things it was not
/// told yet.
///
/// # Errors
/// When ledger or projection cannot be read.
pub fn standing(session: &Session, channels: &[Channel]) -> Result<Vec<(Standing, usize)>, Error> {
    let all = wanted(session)?;
    let stand = arrived(session, channels, || Ok(all.iter().map(|n| n.key.clone()).collect()))?;
    let mut out = Vec::with_capacity(stand.len());
    for one in stand {
        let channel = channels.iter().find(|c| c.name == one.channel);
        let mut waiting = 0;
        for notice in all.iter().filter(|n| channel.is_some_and(|channel| channel.takes(n))) {
            waiting += usize::from(session.state().noticed(&one.channel, &notice.key)?.is_none());
        }
        out.push((one, waiting));
    }
    Ok(out)
}

/// The same without what waits: everything that is wanted is looked for only where something did not arrive.
///
/// # Errors
/// As [`standing`].
pub fn arrivals(session: &Session, channels: &[Channel]) -> Result<Vec<Standing>, Error> {
    arrived(session, channels, || Ok(wanted(session)?.into_iter().map(|n| n.key).collect()))
}

fn arrived(
    session: &Session,
    channels: &[Channel],
    wanted: impl Fn() -> Result<BTreeSet<NoticeKey>, Error>,
) -> Result<Vec<Standing>, Error> {
    let state = session.state();
    let mut keys: Option<BTreeSet<NoticeKey>> = None;
    let counts = state.notification_counts()?;
    let mut names: Vec<String> = channels.iter().map(|c| c.name.clone()).collect();
    for (name, ..) in &counts {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    let mut out = Vec::with_capacity(names.len());
    for name in names {
        let of = |standing| state.notifications(Some(&name), Some(standing), MOST);
        let mut failing = of(MessageStanding::Failed)?;
        failing.extend(of(MessageStanding::Started)?);
        let mut given_up = of(MessageStanding::GivenUp)?;
        if !failing.is_empty() || !given_up.is_empty() {
            let known = match keys.take() {
                Some(known) => known,
                None => wanted()?,
            };
            for rows in [&mut failing, &mut given_up] {
                rows.retain(|row| row.notices.iter().any(|key| known.contains(key)));
            }
            keys = Some(known);
        }
        let sent = counts.iter().filter(|(n, standing, _)| *n == name && *standing == MessageStanding::Sent);
        out.push(Standing {
            sent: sent.map(|(.., n)| n).sum(),
            failing,
            given_up,
            last: state.notifications(Some(&name), None, 1)?.into_iter().next(),
            channel: name,
        });
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn attempts_come_to_an_end() {
        let failed = |again, after: Option<u64>| NotTaken {
            why: Trouble::Busy,
            status: None,
            detail: String::new(),
            again,
            after: after.map(Duration::from_secs),
        };
        let pauses: Vec<Option<i64>> = (1..=7).map(|n| pause(n, &failed(true, None))).collect();
        assert_eq!(pauses, [Some(60), Some(300), Some(1800), Some(7200), Some(21_600), None, None]);
        assert_eq!(pause(1, &failed(true, Some(90))), Some(90));
        assert_eq!(pause(2, &failed(true, Some(90))), Some(300));
        assert_eq!(pause(1, &failed(false, Some(90))), None);
    }

    #[test]
    fn a_message_has_one_name() {
        let key = |at| NoticeKey { kind: countersign_model::notice::NoticeKind::WaiverWanted, at, part: None, step: 0 };
        let one = name("o", "c", &[key(1)], None);
        assert!(countersign_model::notice::is_message(&one));
        assert_eq!(one, name("o", "c", &[key(1)], None));
        for other in [name("p", "c", &[key(1)], None), name("o", "d", &[key(1)], None), name("o", "c", &[key(2)], None)]
        {
            assert_ne!(one, other);
        }
    }
}
