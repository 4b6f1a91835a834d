//! `access review`: all access that there is is looked at by somebody else, within a time, and what is not kept is gone at the end.
//!
//! Control objective: access that nobody needs any more is found and taken away, and it can be told that people looked.
//! Regulatory mapping: PCI DSS v4.0.1 7.2.4, 8.2.6; SOX access reviews; NIST 800-53r5 AC-2, AC-6(7).
//!
//! | act | who | says |
//! |---|---|---|
//! | open | an officer | every role, key and workload that there is now, who looks at each, until when |
//! | show | (the recorder) | that a reviewer was shown lines of theirs |
//! | remind | (the recorder) | that those whose lines wait were told |
//! | decide | the reviewer of the line | keep, change or revoke |
//! | close | an officer who did not decide all of it alone | first what ends; then, once the log was read again, where each end stands |
//! | readmit | a security officer | that a workload which a review ended may show tokens again |

mod document;
mod error;
mod remind;

pub use document::{document, of_line, summary, waits};
pub use error::ReviewError;
pub use remind::{Reminded, To, remind};

use std::collections::BTreeSet;

use countersign_connect::SshSigner;
use countersign_evidence::act;
use countersign_evidence::statement::Subject;
use countersign_model::access::review::{
    AccessItem, AccessReviewClosed, AccessReviewDecided, AccessReviewEnforced, AccessReviewOpened, AccessReviewShown,
    ReviewVerdict, SHORTEST_REVIEW_SECONDS, WorkloadReadmitted, assign,
};
use countersign_model::{Action, Diagnostic as _, Digest, EventKind, PersonId, ReviewId, StreamId, Timestamp};
use countersign_store::handed::{HandedError, Written};
use countersign_store::projection::{ReviewEnds, ReviewRow, ReviewedLine, State, Watch};
use countersign_store::session::SessionError;
use countersign_store::{Plan, Session};

use super::draft::{self, allowed_or_unproved};
use super::people::find;
use super::{Pen, Saying, allowed, line, needs, rooted, say_by, signer_of};
use crate::Error;

/// What is to be reviewed, by whom, until when.
#[derive(Debug, Clone, Copy)]
pub struct Campaign<'a> {
    /// The period it is for.
    pub from: Timestamp,
    /// And to; none: the moment at which it is opened.
    pub to: Option<Timestamp>,
    /// Until when its lines are to be decided.
    pub due: Timestamp,
    /// Names or ids of those who look; none: everybody who may.
    pub reviewers: &'a [String],
    /// Why.
    pub reason: &'a str,
}

fn saying(act: &'static str, kind: EventKind, namespace: &'static str, id: &ReviewId) -> Saying<'static> {
    Saying { act, kind, namespace, stream: StreamId::from(id) }
}

/// Who says it, if they hold a role that the act takes.
fn admitted(session: &mut Session, act: &str, pen: Pen<'_>, action: Action) -> Result<PersonId, Error> {
    draft::admitted(session, act, pen, |s, by| needs(s, by, action))
}

/// Opens a review of all access that there is. Returns its id, and the log index or what is to be signed.
///
/// # Errors
/// When the signer is no officer, a reviewer may not review, something could be looked at by nobody else, or the times make no
/// sense.
pub fn open(session: &mut Session, asked: &Campaign<'_>, pen: Pen<'_>) -> Result<(ReviewId, Written<u64>), Error> {
    const ACT: &str = "access review open";
    rooted(session.state())?;
    let reason = line("the reason", asked.reason)?;
    let by = admitted(session, ACT, pen, Action::OpenReview)?;
    // What was signed elsewhere says from where it was read; it is read from there once more.
    let (size, time, id) = allowed_or_unproved(session, ACT, Some(&by), |s| {
        let size = pen.size(s, act::ACCESS_REVIEW, "/size")?.unwrap_or_else(|| s.state().size());
        let id = ReviewId::from_random(pen.id(act::ACCESS_REVIEW, "/review", ReviewId::PREFIX)?);
        Ok((size, pen.time(s)?, id))
    })?;
    let to = asked.to.unwrap_or(time);
    let times_fit = |s: &Session| {
        let soonest = s.state().moment().plus_seconds(SHORTEST_REVIEW_SECONDS);
        let why = if asked.from >= to {
            "its period is over before it begins"
        } else if asked.due < soonest {
            "it would be due within a day"
        } else {
            return Ok(());
        };
        Err(Error::from(ReviewError::BadReview { why }))
    };
    times_fit(session)?;
    let reviewers = reviewers(session.state(), asked.reviewers)?;
    let items = session.state().access_at(size, time)?;
    let lines = match assign(items, &reviewers) {
        Ok(lines) => lines,
        Err(item) => return Err(ReviewError::NobodyReviews { what: named(session.state(), &item)? }.into()),
    };
    let population = State::population_digest(lines.iter().map(|l| &l.access))?;
    let idle_days = session.state().idle_days_at(size)?;
    let saying = saying(ACT, EventKind::AccessReviewOpened, act::ACCESS_REVIEW, &id);
    let written = say_by(
        session,
        pen,
        &saying,
        Vec::new(),
        |s, by| {
            needs(s, by, Action::OpenReview)?;
            times_fit(s)?;
            if s.state().has_access_moved(&lines)? {
                return Err(Error::MovedOn { what: "who has which access".to_owned() });
            }
            Ok(())
        },
        |s, by| {
            Ok(AccessReviewOpened {
                origin: s.state().origin().to_owned(),
                review: id.clone(),
                from: asked.from,
                to,
                due: asked.due,
                reviewers: reviewers.clone(),
                size,
                idle_days,
                lines: lines.clone(),
                population,
                by,
                reason,
                time,
            })
        },
    )?;
    Ok((id, written))
}

/// A piece of access as people read it.
///
/// # Errors
/// When the projection cannot be read.
pub fn named(state: &State, item: &AccessItem) -> Result<String, Error> {
    Ok(match &item.person {
        Some(person) => format!("the {} {} of {}", item.kind.as_str(), item.what, state.label(person)?),
        None => format!("the {} {}", item.kind.as_str(), item.what),
    })
}

fn reviewers(state: &State, named: &[String]) -> Result<Vec<PersonId>, Error> {
    let mut who = BTreeSet::new();
    if named.is_empty() {
        for (person, _) in state.members()? {
            if state.may(&person, Action::ReviewAccess)? {
                who.insert(person);
            }
        }
    }
    for name in named {
        let person = find(state, name)?;
        if !state.may(&person.id, Action::ReviewAccess)? {
            let (person, roles) = (person.label().to_owned(), Action::ReviewAccess.any_of());
            return Err(ReviewError::NoReviewer { person, roles }.into());
        }
        who.insert(person.id);
    }
    Ok(who.into_iter().collect())
}

/// The one review that an id or the start of one means; `latest` is the newest.
///
/// # Errors
/// When it is none, or more than one.
pub fn find_review(session: &Session, text: &str) -> Result<ReviewRow, Error> {
    let mut ids: Vec<ReviewId> = session.state().review_dates()?.into_iter().map(|(id, ..)| id).collect();
    if text != "latest" {
        ids.retain(|id| id.as_str().starts_with(text));
    }
    let found = match (ids.pop(), ids.is_empty() || text == "latest") {
        (Some(id), true) => session.state().review(&id)?,
        _ => None,
    };
    found.ok_or_else(|| ReviewError::NoSuchReview { review: text.to_owned() }.into())
}

fn open_review(session: &Session, id: &ReviewId) -> Result<ReviewRow, Error> {
    let row = session.state().review(id)?.ok_or_else(|| ReviewError::NoSuchReview { review: id.to_string() })?;
    if row.closed.is_some() { Err(ReviewError::ReviewClosed { review: id.clone() }.into()) } else { Ok(row) }
}

/// The lines that wait and that somebody may decide.
fn waiting_for(state: &State, row: ReviewRow, person: &PersonId) -> Result<Vec<ReviewedLine>, Error> {
    if row.closed.is_some() || state.moment() >= row.opened.due || !state.may(person, Action::ReviewAccess)? {
        return Ok(Vec::new());
    }
    let mut mine = Vec::new();
    for l in row.lines.into_iter().filter(|l| l.decided.is_none()) {
        if state.may_decide(&row.opened.reviewers, &l.line, person)? {
            mine.push(l);
        }
    }
    Ok(mine)
}

/// The lines that wait for the holder of a key; records that they were shown.
///
/// # Errors
/// When the key is nobody's, the review is not there, or nothing can be appended.
pub fn shown(session: &mut Session, text: &str, signer: &SshSigner) -> Result<(PersonId, Vec<ReviewedLine>), Error> {
    session.require_pin()?;
    let person = allowed(session, "access review show", None, |s| signer_of(s, signer))?;
    let (_, lines) = shown_to(session, text, &person)?;
    Ok((person, lines))
}

/// The lines that wait for somebody who proved who they are; records that they were shown. Returns which review it is.
///
/// # Errors
/// When the review is not there, or nothing can be appended.
pub fn shown_to(session: &mut Session, text: &str, person: &PersonId) -> Result<(ReviewId, Vec<ReviewedLine>), Error> {
    session.require_pin()?;
    let id = find_review(session, text)?.opened.review;
    let (_, lines) = session.transact(|s| {
        let row = s.state().review(&id)?.ok_or_else(|| ReviewError::NoSuchReview { review: id.to_string() })?;
        let mine = waiting_for(s.state(), row, person)?;
        if mine.is_empty() {
            return Ok::<_, Error>((Plan::default(), mine));
        }
        let predicate = AccessReviewShown {
            review: id.clone(),
            person: person.clone(),
            lines: mine.iter().map(|l| l.line.line).collect(),
            time: s.now(),
        };
        let subject = vec![subject(&id)];
        let kind = EventKind::AccessReviewShown;
        let entry = s.machine_entry(kind, StreamId::from(&id), subject, predicate, Vec::new(), Vec::new())?;
        Ok((Plan { entries: vec![entry] }, mine))
    })?;
    Ok((id, lines))
}

fn subject(id: &ReviewId) -> Subject {
    Subject::sha256(id.to_string(), &Digest::of(id.as_str().as_bytes()))
}

/// Which lines a decision is about.
#[derive(Debug, Clone)]
pub enum Lines {
    /// These.
    Numbers(Vec<u32>),
    /// All of one person's that the signer may decide.
    Of(String),
}

/// Decides lines. Returns the review, the lines, and the log index or what is to be signed.
///
/// # Errors
/// When a line is another reviewer's, is decided, or is not there, the review is due, or nothing is said about why.
pub fn decide(
    session: &mut Session,
    text: &str,
    which: &Lines,
    verdict: ReviewVerdict,
    reason: &str,
    pen: Pen<'_>,
) -> Result<(ReviewId, Vec<u32>, Written<u64>), Error> {
    const ACT: &str = "access review decide";
    rooted(session.state())?;
    let reason =
        if verdict == ReviewVerdict::Keep && reason.is_empty() { String::new() } else { line("the reason", reason)? };
    let me = admitted(session, ACT, pen, Action::ReviewAccess)?;
    let row = find_review(session, text)?;
    let id = row.opened.review.clone();
    let mut lines: Vec<u32> = match which {
        Lines::Numbers(numbers) => numbers.clone(),
        Lines::Of(person) => {
            let person = Some(find(session.state(), person)?.id);
            let mine = waiting_for(session.state(), row, &me)?;
            mine.into_iter().filter(|l| l.line.access.person == person).map(|l| l.line.line).collect()
        }
    };
    lines.sort_unstable();
    lines.dedup();
    if lines.is_empty() {
        return Err(ReviewError::NothingToDecide { review: id }.into());
    }
    let saying = saying(ACT, EventKind::AccessReviewDecided, act::ACCESS_REVIEW_DECISION, &id);
    let written = say_by(
        session,
        pen,
        &saying,
        Vec::new(),
        |s, by| may_decide(s, &id, &lines, by),
        |s, by| {
            let (origin, time) = (s.state().origin().to_owned(), pen.time(s)?);
            Ok(AccessReviewDecided { origin, review: id.clone(), lines: lines.clone(), verdict, reason, by, time })
        },
    )?;
    Ok((id, lines, written))
}

fn may_decide(session: &Session, id: &ReviewId, lines: &[u32], by: &PersonId) -> Result<(), Error> {
    needs(session, by, Action::ReviewAccess)?;
    let (row, state) = (open_review(session, id)?, session.state());
    if state.moment() >= row.opened.due {
        return Err(ReviewError::Overdue { review: id.clone(), due: row.opened.due }.into());
    }
    for n in lines {
        let found = row.lines.iter().find(|l| l.line.line == *n);
        let known = found.ok_or_else(|| ReviewError::NoSuchLine { review: id.clone(), line: *n })?;
        if !state.may_decide(&row.opened.reviewers, &known.line, by)? {
            return Err(ReviewError::OthersLine { person: state.label(by)?, line: *n }.into());
        }
        if known.decided.is_some() {
            return Err(ReviewError::LineDecided { line: *n }.into());
        }
    }
    Ok(())
}

/// A review that was closed.
#[derive(Debug, Clone)]
pub struct Closed {
    /// Lines whose access ended by it.
    pub ended: Vec<u32>,
    /// Log index of the act that ended them.
    pub enforced: Option<u64>,
    /// The certification.
    pub said: AccessReviewClosed,
    /// Log index of it.
    pub index: u64,
}

fn may_close(session: &Session, id: &ReviewId, by: &PersonId) -> Result<ReviewRow, Error> {
    needs(session, by, Action::CloseReview)?;
    let row = open_review(session, id)?;
    if !row.has_another_hand(by) {
        let person = session.state().label(by)?;
        return Err(ReviewError::SoleReviewer { person, review: id.clone() }.into());
    }
    let (waiting, due) = (row.waiting(), row.opened.due);
    if waiting > 0 && session.state().moment() < due {
        return Err(ReviewError::LinesWait { review: id.clone(), waiting, due }.into());
    }
    Ok(row)
}

/// The act that ends what is to go.
#[derive(Debug)]
pub struct Enforcement {
    /// The review.
    pub review: ReviewId,
    /// What it ends, and what it cannot.
    pub found: ReviewEnds,
    /// The log index, or what is to be signed; where nothing is to go that is there, nothing is said.
    pub written: Written<u64>,
}

const CLOSING: &str = "access review close";

/// Who closes a review, and which.
fn closing(session: &mut Session, text: &str, pen: Pen<'_>) -> Result<(PersonId, ReviewRow), Error> {
    rooted(session.state())?;
    let by = admitted(session, CLOSING, pen, Action::CloseReview)?;
    let id = find_review(session, text)?.opened.review;
    let row = allowed(session, CLOSING, Some(&by), |s| may_close(s, &id, &by))?;
    Ok((by, row))
}

/// Ends what is to go.
///
/// # Errors
/// When lines wait and it is not due, or the signer is no officer or decided all of it alone.
pub fn enforce(session: &mut Session, text: &str, pen: Pen<'_>) -> Result<Enforcement, Error> {
    let (_, row) = closing(session, text, pen)?;
    let (found, id) = (session.state().review_ends(&row)?, row.opened.review);
    if found.ends.is_empty() {
        return Ok(Enforcement { review: id, found, written: Written::Already });
    }
    let saying = saying(CLOSING, EventKind::AccessReviewEnforced, act::ACCESS_REVIEW_ENFORCEMENT, &id);
    let written = say_by(
        session,
        pen,
        &saying,
        Vec::new(),
        |s, by| {
            let now = s.state().review_ends(&may_close(s, &id, by)?)?;
            if now == found { Ok(()) } else { Err(Error::MovedOn { what: "what the review ends".to_owned() }) }
        },
        |s, by| {
            let (origin, time) = (s.state().origin().to_owned(), pen.time(s)?);
            Ok(AccessReviewEnforced { origin, review: id.clone(), lines: found.ends.clone(), by, time })
        },
    )?;
    Ok(Enforcement { review: id, found, written })
}

/// Reads the log again from its first entry, and certifies where each end stands.
///
/// # Errors
/// As [`enforce`]; when something that is to go is there still, be it that without it no administrator would be left.
pub fn certify(session: &mut Session, text: &str, pen: Pen<'_>) -> Result<(AccessReviewClosed, Written<u64>), Error> {
    let (by, row) = closing(session, text, pen)?;
    let (found, id) = (session.state().review_ends(&row)?, row.opened.review);
    if !found.spared.is_empty() {
        let refused = ReviewError::LastAdministrator { review: id, spared: found.spared };
        session.record_refusal(CLOSING, None, Some(&by), refused.code())?;
        return Err(refused.into());
    }
    // What this machine keeps of the log is not asked: the log itself is, from its first entry on.
    let mut again = State::replay(session.ledger(), session.pin(), &Watch::default())?;
    again.look_at(session.state().moment())?;
    let now = again.moment();
    let row = again.review(&id)?.ok_or_else(|| ReviewError::NoSuchReview { review: id.to_string() })?;
    let moved = || Error::MovedOn { what: "what the review is about".to_owned() };
    let gone = row.gone(now).ok_or_else(moved)?;
    let (read, held, figures, population) = (again.size(), row.held(), row.figures(), row.opened.population);
    drop(again);
    let size = allowed_or_unproved(session, CLOSING, Some(&by), |s| {
        let size = pen.size(s, act::ACCESS_REVIEW_CERTIFICATION, "/size")?.unwrap_or(read);
        // Whoever read less of the log than that cannot know it.
        if size > row.index && gone.iter().all(|g| g.index < size) {
            return Ok(size);
        }
        Err(SessionError::from(HandedError::Differs).into())
    })?;
    let saying = saying(CLOSING, EventKind::AccessReviewClosed, act::ACCESS_REVIEW_CERTIFICATION, &id);
    let mut said = None;
    let written = say_by(
        session,
        pen,
        &saying,
        Vec::new(),
        |s, by| {
            let row = may_close(s, &id, by)?;
            let same = row.gone(s.state().moment()).as_ref() == Some(&gone) && row.held() == held;
            if same && row.figures() == figures { Ok(()) } else { Err(moved()) }
        },
        |s, by| {
            let closed = AccessReviewClosed {
                origin: s.state().origin().to_owned(),
                review: id.clone(),
                population,
                size,
                held: held.clone(),
                gone: gone.clone(),
                figures: figures.clone(),
                by,
                time: pen.time(s)?,
            };
            said = Some(closed.clone());
            Ok(closed)
        },
    )?;
    Ok((said.ok_or_else(moved)?, written))
}

/// Ends what is to go, then certifies it.
///
/// # Errors
/// As [`enforce`] and [`certify`]. Where no administrator would be left, what can end has ended, and the review stays open.
pub fn close(session: &mut Session, text: &str, pen: Pen<'_>) -> Result<Closed, Error> {
    let Enforcement { review, found, written } = enforce(session, text, pen)?;
    let enforced = written.done_if_new()?;
    let (said, written) = certify(session, review.as_str(), pen)?;
    Ok(Closed { ended: found.ends, enforced, said, index: written.done()? })
}

/// Lets a workload that a review ended show tokens again. Returns the log index, or what is to be signed.
///
/// # Errors
/// When the signer is no security officer, or no review ended it.
pub fn readmit(session: &mut Session, workload: &str, reason: &str, pen: Pen<'_>) -> Result<Written<u64>, Error> {
    let reason = line("the reason", reason)?;
    let saying = Saying {
        act: "access readmit",
        kind: EventKind::WorkloadReadmitted,
        namespace: act::WORKLOAD_READMISSION,
        stream: StreamId::from_text("issuers"),
    };
    say_by(
        session,
        pen,
        &saying,
        Vec::new(),
        |s, by| {
            needs(s, by, Action::ReadmitWorkload)?;
            if s.state().workload_end(workload)?.is_some() {
                return Ok(());
            }
            Err(ReviewError::NotEnded { workload: workload.to_owned() }.into())
        },
        |s, by| {
            let (origin, time) = (s.state().origin().to_owned(), pen.time(s)?);
            Ok(WorkloadReadmitted { origin, workload: workload.to_owned(), by, reason, time })
        },
    )
}
