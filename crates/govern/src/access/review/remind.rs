//! Tells those whose lines wait. Nothing here waits or runs by itself: a scheduler calls it. That they were told, or could not be, is
//! recorded each time.

use std::ffi::OsString;
use std::path::Path;

use countersign_connect::notify::{self, Channel};
use countersign_evidence::{canonical, dsse, statement, statement::Statement};
use countersign_model::event::{AccessReviewReminded, Predicate};
use countersign_model::{Digest, EventKind, PersonId, ReviewId, StreamId, Timestamp};
use countersign_store::{Plan, Session};
use serde::{Deserialize, Serialize};

use super::subject;
use crate::Error;

/// How often a message is tried.
const ATTEMPTS: u32 = 3;

/// Where messages go.
#[derive(Debug, Clone)]
pub enum To {
    /// A program that reads the message.
    Command(OsString),
    /// An address that takes it by POST.
    Webhook(String),
}

/// How telling somebody ended.
#[derive(Debug, Clone)]
pub struct Reminded {
    /// The review.
    pub review: ReviewId,
    /// Whose lines wait.
    pub people: Vec<PersonId>,
    /// How many.
    pub waiting: u32,
    /// Whether the message was taken.
    pub delivered: bool,
    /// How often it was tried.
    pub attempts: u32,
    /// Why it was not taken.
    pub why: Option<String>,
    /// Log index of the record; `None` where everything was decided meanwhile.
    pub index: Option<u64>,
}

/// What a message says: an in-toto statement, signed by the recorder like everything the tool observes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Message {
    origin: String,
    review: ReviewId,
    due: Timestamp,
    overdue: bool,
    people: Vec<PersonId>,
    waiting: u32,
    time: Timestamp,
}

impl Predicate for Message {
    const TYPE: &'static str = "urn:countersign:access-review-message:v1";
}

/// Reminds those whose lines wait, of every review that is open, one message a review.
///
/// # Errors
/// When the ledger cannot be read or written. That a message was not taken is no error, but in what is returned.
pub fn remind(session: &mut Session, to: &To, dir: &Path) -> Result<Vec<Reminded>, Error> {
    session.require_pin()?;
    session.must_record()?;
    let mut all = Vec::new();
    for (id, due, _) in session.state().review_dates()?.into_iter().filter(|(.., closed)| !closed) {
        let (people, waiting) = session.state().review_waits(&id)?;
        if waiting == 0 {
            continue;
        }
        let message = Message {
            origin: session.state().origin().to_owned(),
            review: id.clone(),
            due,
            overdue: session.state().moment() >= due,
            people: people.clone(),
            waiting,
            time: session.now(),
        };
        let bytes = canonical::to_vec(&Statement::new(session.subject(), Message::TYPE, message))?;
        let message = canonical::to_vec(&dsse::sign(statement::PAYLOAD_TYPE, &bytes, &session.recorder()?)?)?;
        let channel = match to {
            To::Command(program) => Channel::Command { program, dir },
            To::Webhook(url) => Channel::Webhook { url },
        };
        let (mut attempts, mut why) = (0, None);
        while attempts < ATTEMPTS {
            attempts += 1;
            why = notify::send(&channel, &message).err().map(|e| e.to_string());
            if why.is_none() {
                break;
            }
        }
        let delivered = why.is_none();
        let index = record(session, &id, &message, attempts, delivered)?;
        all.push(Reminded { review: id, people, waiting, delivered, attempts, why, index });
    }
    Ok(all)
}

fn record(
    session: &mut Session,
    id: &ReviewId,
    message: &[u8],
    attempts: u32,
    delivered: bool,
) -> Result<Option<u64>, Error> {
    let message = Digest::of(message);
    let (appended, ()) = session.transact(|s| {
        // Somebody may have decided meanwhile.
        let (people, waiting) = s.state().review_waits(id)?;
        if waiting == 0 || s.state().review(id)?.is_none_or(|r| r.closed.is_some()) {
            return Ok::<_, Error>((Plan::default(), ()));
        }
        let time = s.now();
        let predicate =
            AccessReviewReminded { review: id.clone(), people, waiting, message, attempts, delivered, time };
        let (kind, stream) = (EventKind::AccessReviewReminded, StreamId::from(id));
        let entry = s.machine_entry(kind, stream, vec![subject(id)], predicate, Vec::new(), Vec::new())?;
        Ok((Plan { entries: vec![entry] }, ()))
    })?;
    Ok(appended.map(|a| a.first_index))
}
