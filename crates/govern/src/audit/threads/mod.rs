//! Audits as people hold them: somebody asks, somebody else answers, and it can be told later who said what when.
//!
//! Control objective: what an auditor asks is answered by somebody who answers for it, in time, and neither question nor answer
//! can be changed afterwards.
//! Regulatory mapping: PCAOB AS 1105, AS 1215; SOC 2 requests for evidence; NIST 800-53r5 CA-2, CA-7.
//!
//! | act | who |
//! |---|---|
//! | open | a security or compliance officer |
//! | request, follow up, close a request | an auditor whom the audit admits |
//! | answer | whoever holds any other role; never whoever asked in the thread, nor an auditor |
//! | close | an auditor or an officer, when no request waits for an answer |
//!
//! Texts are sealed with the key of whoever writes them; entries and statements hold none. A key on another machine signs over bytes that
//! were sealed here, and they come back with what it signed.

mod error;

pub use error::{EXPLANATIONS, ThreadError};

use std::collections::BTreeSet;

use countersign_evidence::{act, canonical};
use countersign_model::audit::threads::{LONGEST_TEXT, MOST_POINTERS, MaskedField};
use countersign_model::event::{
    AuditAnswered, AuditClosed, AuditFollowedUp, AuditOpened, AuditRequestClosed, AuditRequested, Predicate,
};
use countersign_model::{Action, AuditId, AuditRequestId, Digest, EventKind, PersonId, Role, StreamId, Timestamp};
use countersign_policy::Catalogue;
use countersign_store::handed::{Away, HandedError, HandedIn, Written};
use countersign_store::projection::{AuditRow, MessageRow, RequestState, ThreadRow};
use countersign_store::session::SessionError;
use countersign_store::{NewBlob, Session, subjects};
use serde_json::Value;

use super::AuditError;
use crate::Error;
use crate::access::{Draft, Pen, Saying, id, line, needs, say_by, time};
use crate::assess::Window;

/// How many days an answer is awaited unless somebody says otherwise.
pub const DEFAULT_DAYS: i64 = 10;

/// What an audit is about.
#[derive(Debug, Clone)]
pub struct Engagement<'a> {
    /// What it is called.
    pub name: &'a str,
    /// The period.
    pub window: Window,
    /// Applications, by id; none: all of them.
    pub applications: &'a [String],
    /// Frameworks, by id; none: all of them.
    pub frameworks: &'a [String],
    /// Who audits, by name or id; nobody: every auditor.
    pub auditors: &'a [String],
    /// What a server shows no auditor of it.
    pub masked: &'a [MaskedField],
}

/// What is asked.
#[derive(Debug, Clone)]
pub struct Question<'a> {
    /// The control that it is about.
    pub control: Option<&'a str>,
    /// The application that it is about.
    pub application: Option<&'a str>,
    /// In words.
    pub text: &'a str,
    /// Until when an answer is awaited; in [`DEFAULT_DAYS`] days where nobody says.
    pub due: Option<Timestamp>,
}

/// What is answered.
#[derive(Debug, Clone)]
pub struct Reply<'a> {
    /// In words.
    pub text: &'a str,
    /// Log indices of entries that show it.
    pub evidence: &'a [u64],
    /// Packs that show it.
    pub packs: &'a [Digest],
}

pub(super) fn sorted<T: Ord + Clone>(all: &[T]) -> Vec<T> {
    all.iter().cloned().collect::<BTreeSet<T>>().into_iter().collect()
}

/// Whether anything can be said about a period: it is one, has begun, and something was recorded in it.
///
/// # Errors
/// [`ThreadError::BadPeriod`], [`AuditError::NothingInPeriod`]; when the projection cannot be read.
pub fn check_period(session: &Session, window: Window) -> Result<(), Error> {
    let Window { from, to } = window;
    if from >= to {
        return Err(ThreadError::BadPeriod { from, to, why: "is over before it begins" }.into());
    }
    if from >= session.state().newest_time()?.max(session.now()) {
        return Err(ThreadError::BadPeriod { from, to, why: "has not begun" }.into());
    }
    if !session.state().has_entries_between(from, to, session.state().size())? {
        return Err(AuditError::NothingInPeriod { from: Some(from), to: Some(to) }.into());
    }
    Ok(())
}

/// Whether these frameworks, controls and applications are there.
///
/// # Errors
/// [`Error::NoSuchFramework`], [`Error::NoSuchControl`], [`AuditError::NoSuchApplication`].
pub fn check_names(
    session: &Session,
    catalogue: &Catalogue,
    frameworks: &[String],
    controls: &[String],
    applications: &[String],
) -> Result<(), Error> {
    if let Some(id) = frameworks.iter().find(|id| !catalogue.frameworks.contains_key(*id)) {
        let known = catalogue.frameworks.keys().cloned().collect();
        return Err(Error::NoSuchFramework { framework: id.clone(), known });
    }
    if let Some(id) = controls.iter().find(|id| catalogue.get(id).is_none()) {
        return Err(Error::NoSuchControl { control: id.clone(), nearest: catalogue.nearest(id).map(str::to_owned) });
    }
    super::repositories_of(session.state(), applications)?;
    Ok(())
}

/// Whether a control was there in a period, as far as recorded assessments say.
///
/// # Errors
/// [`ThreadError::ControlNotThen`]; when the ledger cannot be read.
pub fn check_control_then(session: &Session, control: &str, to: Timestamp) -> Result<(), Error> {
    let before = session.state().assessments()?.into_iter().rfind(|row| row.time < to);
    let Some(row) = before else { return Ok(()) };
    let record: Value = canonical::from_slice(&session.ledger().payload(&row.record)?)?;
    if record["controls"].get(control).is_some() {
        return Ok(());
    }
    Err(ThreadError::ControlNotThen { control: control.to_owned(), to, entry: row.index }.into())
}

fn checked(text: &str) -> Result<&str, Error> {
    let text = text.trim();
    let is_bad = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
    if text.is_empty() || text.len() > LONGEST_TEXT || text.chars().any(is_bad) {
        return Err(ThreadError::BadText { most: LONGEST_TEXT }.into());
    }
    Ok(text)
}

/// What somebody writes, if it may be said. What was signed elsewhere is sealed already, and is asked when it is opened.
fn words<'a>(pen: Pen<'_>, text: &'a str) -> Result<&'a str, Error> {
    if matches!(pen, Pen::Away(Away::Signed(_))) { Ok(text) } else { checked(text) }
}

/// Until when an answer is awaited to what is asked at a moment.
fn awaited(now: Timestamp, due: Option<Timestamp>) -> Result<Timestamp, Error> {
    let due = due.unwrap_or_else(|| now.plus_seconds(DEFAULT_DAYS * 86_400));
    if due <= now {
        return Err(ThreadError::BadTime { what: "it would be due before it is asked" }.into());
    }
    Ok(due)
}

/// The one audit that an id or the start of one means.
///
/// # Errors
/// When it is none, or more than one.
pub fn find_audit(session: &Session, text: &str) -> Result<AuditRow, Error> {
    let mut rows = session.state().audits()?;
    rows.retain(|row| row.said.audit.as_str().starts_with(text));
    match (rows.pop(), rows.is_empty()) {
        (Some(row), true) => Ok(row),
        _ => Err(ThreadError::NoSuchAudit { audit: text.to_owned() }.into()),
    }
}

/// The one request that an id or the start of one means.
///
/// # Errors
/// When it is none, or more than one.
pub fn find_request(session: &Session, text: &str) -> Result<ThreadRow, Error> {
    let mut rows = session.state().audit_threads(None)?;
    rows.retain(|row| row.request.as_str().starts_with(text));
    match (rows.pop(), rows.is_empty()) {
        (Some(row), true) => Ok(row),
        _ => Err(ThreadError::NoSuchRequest { request: text.to_owned() }.into()),
    }
}

/// Opens an audit. Returns its id and the log index.
///
/// # Errors
/// When the signer is no officer, or such an audit cannot be.
pub fn open(
    session: &mut Session,
    asked: &Engagement<'_>,
    catalogue: &Catalogue,
    pen: Pen<'_>,
) -> Result<(AuditId, Written<u64>), Error> {
    let name = line("the name of the audit", asked.name)?;
    check_period(session, asked.window)?;
    check_names(session, catalogue, asked.frameworks, &[], asked.applications)?;
    let (applications, frameworks) = (sorted(asked.applications), sorted(asked.frameworks));
    let named = asked.auditors.iter().map(|text| Ok(crate::access::people::find(session.state(), text)?.id));
    let auditors = sorted(&named.collect::<Result<Vec<PersonId>, Error>>()?);
    let masked = sorted(asked.masked);
    let audit = AuditId::from_random(id(session, "audit open", pen, (act::AUDIT, "/audit"), AuditId::PREFIX)?);
    let saying = Saying {
        act: "audit open",
        kind: EventKind::AuditOpened,
        namespace: act::AUDIT,
        stream: StreamId::from(&audit),
    };
    let written = say_by(
        session,
        pen,
        &saying,
        Vec::new(),
        |s, by| {
            needs(s, by, Action::OpenAudit)?;
            is_new(s.state().audit(&audit)?.is_some())?;
            check_period(s, asked.window)?;
            auditors.iter().try_for_each(|person| is_auditor(s, person))?;
            super::repositories_of(s.state(), &applications).map(|_| ())
        },
        |s, by| {
            Ok(AuditOpened {
                origin: s.state().origin().to_owned(),
                audit: audit.clone(),
                name: name.clone(),
                from: asked.window.from,
                to: asked.window.to,
                applications: applications.clone(),
                frameworks: frameworks.clone(),
                auditors: auditors.clone(),
                masked: masked.clone(),
                by,
                time: pen.time(s)?,
            })
        },
    )?;
    Ok((audit, written))
}

/// What was signed elsewhere makes up no id that is there.
fn is_new(is_known: bool) -> Result<(), Error> {
    if is_known { Err(SessionError::from(HandedError::Differs).into()) } else { Ok(()) }
}

fn is_auditor(session: &Session, person: &PersonId) -> Result<(), Error> {
    if session.state().has_role(person, Role::Auditor)? {
        return Ok(());
    }
    Err(ThreadError::NoAuditor { person: session.state().label(person)? }.into())
}

/// The living audit, to which somebody is admitted.
fn admitting_audit(session: &Session, id: &AuditId, by: &PersonId) -> Result<AuditRow, Error> {
    let row = living_audit(session, id)?;
    if row.said.admits(by) { Ok(row) } else { Err(ThreadError::NotAdmitted { audit: id.clone() }.into()) }
}

/// The living audit, on the state that something is appended to.
fn living_audit(session: &Session, id: &AuditId) -> Result<AuditRow, Error> {
    let row = session.state().audit(id)?.ok_or_else(|| ThreadError::NoSuchAudit { audit: id.to_string() })?;
    if row.closed.is_some() { Err(ThreadError::AuditIsClosed { audit: id.clone() }.into()) } else { Ok(row) }
}

/// The thread, on the state that something is appended to, if it stands so.
fn thread_that_is(
    session: &Session,
    id: &AuditRequestId,
    wanted: &[RequestState],
    act: &'static str,
) -> Result<(ThreadRow, MessageRow), Error> {
    let missing = || ThreadError::NoSuchRequest { request: id.to_string() };
    let thread = session.state().audit_thread(id)?.ok_or_else(missing)?;
    if thread.audit_closed.is_some() {
        return Err(ThreadError::AuditIsClosed { audit: thread.audit }.into());
    }
    if !wanted.contains(&thread.state()) {
        return Err(ThreadError::RequestIs { request: id.clone(), state: thread.state().as_str(), act }.into());
    }
    let last = thread.messages.last().cloned().ok_or_else(missing)?;
    Ok((thread, last))
}

/// Nothing was said in a thread since somebody looked at it, whose newest entry was `seen` then.
fn still_newest(
    session: &Session,
    id: &AuditRequestId,
    wanted: &[RequestState],
    act: &'static str,
    seen: &MessageRow,
) -> Result<(), Error> {
    let (_, last) = thread_that_is(session, id, wanted, act)?;
    if last.leaf == seen.leaf { Ok(()) } else { Err(Error::MovedOn { what: format!("the thread of {id}") }) }
}

/// Something that is said with a text: the text is sealed with the key of whoever signs, once it is known that they may say it.
fn say_text<P: Predicate>(
    session: &mut Session,
    pen: Pen<'_>,
    saying: Saying<'static>,
    request: &AuditRequestId,
    text: &str,
    may: impl Fn(&Session, &PersonId) -> Result<(), Error> + Send + 'static,
    predicate: impl FnOnce(&Session, PersonId, Digest) -> Result<P, Error>,
) -> Result<Draft, Error> {
    let namespace = saying.namespace;
    let seal = |s: &Session, by: &PersonId| {
        let bytes = match pen {
            Pen::Away(Away::Signed(handed)) => sealed_before(s, handed, namespace, by, request)?,
            Pen::Away(Away::Asked { .. }) | Pen::Key(_) | Pen::Passkey(_) => {
                subjects::seal_text(s.ledger().subject_keys(), by, request.as_str(), text)?
            }
        };
        Ok(vec![NewBlob { bytes, media: subjects::SEALED_TEXT.into() }])
    };
    Draft::new(session, pen, saying, seal, may, |s, by, sealed| {
        let text = sealed.first().ok_or(ThreadError::BadText { most: LONGEST_TEXT })?;
        predicate(s, by, Digest::of(&text.bytes))
    })
}

/// The sealed text that came back with what was signed elsewhere: the bytes whose digest that names, if they open with the key of whoever
/// signs, in this request, to a text that may be said.
fn sealed_before(
    session: &Session,
    handed: &HandedIn,
    namespace: &str,
    by: &PersonId,
    request: &AuditRequestId,
) -> Result<Vec<u8>, Error> {
    let no = |why| Error::from(SessionError::from(HandedError::Sealed { why }));
    let bytes = handed.sealed(namespace).map_err(SessionError::from)?;
    let text = subjects::unseal_text(session.ledger().subject_keys(), by, request.as_str(), bytes)?;
    let text = text.ok_or_else(|| no("does not open with the writer's key, for this request"))?;
    match checked(&text) {
        Ok(said) if said == text => Ok(bytes.to_vec()),
        _ => Err(no("says nothing that may be said")),
    }
}

/// Asks in an audit. Returns the request's id and the log index.
///
/// # Errors
/// When the signer is no auditor, or such a request cannot be.
pub fn request(
    session: &mut Session,
    audit: &str,
    asked: &Question<'_>,
    catalogue: &Catalogue,
    pen: Pen<'_>,
) -> Result<(AuditRequestId, Written<u64>), Error> {
    let (request, draft) = draft_request(session, audit, asked, catalogue, pen)?;
    Ok((request, draft.write(session, pen)?))
}

/// What is signed to ask in an audit.
///
/// # Errors
/// As [`request`].
pub fn draft_request(
    session: &mut Session,
    audit: &str,
    asked: &Question<'_>,
    catalogue: &Catalogue,
    pen: Pen<'_>,
) -> Result<(AuditRequestId, Draft), Error> {
    let audit = find_audit(session, audit)?.said;
    let text = words(pen, asked.text)?;
    let applications: Vec<String> = asked.application.map(str::to_owned).into_iter().collect();
    let controls: Vec<String> = asked.control.map(str::to_owned).into_iter().collect();
    check_names(session, catalogue, &[], &controls, &applications)?;
    if let Some(id) = applications.iter().find(|id| !audit.applications.is_empty() && !audit.applications.contains(*id))
    {
        return Err(ThreadError::OtherApplication { audit: audit.audit, application: id.clone() }.into());
    }
    if let Some(control) = asked.control {
        check_control_then(session, control, audit.to)?;
    }
    let now = time(session, "audit request", pen)?;
    let due = awaited(now, asked.due)?;
    let new = id(session, "audit request", pen, (act::AUDIT_REQUEST, "/request"), AuditRequestId::PREFIX)?;
    let request = AuditRequestId::from_random(new);
    let saying = Saying {
        act: "audit request",
        kind: EventKind::AuditRequested,
        namespace: act::AUDIT_REQUEST,
        stream: StreamId::from(&request),
    };
    let (within, new) = (audit.audit.clone(), request.clone());
    let draft = say_text(
        session,
        pen,
        saying,
        &request,
        text,
        move |s, by| {
            needs(s, by, Action::AskInAudit)?;
            admitting_audit(s, &within, by)?;
            is_new(s.state().audit_thread(&new)?.is_some())?;
            super::repositories_of(s.state(), &applications).map(|_| ())
        },
        |s, by, text| {
            Ok(AuditRequested {
                origin: s.state().origin().to_owned(),
                audit: audit.audit.clone(),
                request: request.clone(),
                control: asked.control.map(str::to_owned),
                application: asked.application.map(str::to_owned),
                text,
                due,
                by,
                time: now,
            })
        },
    )?;
    Ok((request, draft))
}

/// Answers a request. Returns its id and the log index.
///
/// # Errors
/// When the signer asked it, is an auditor or holds no role that answers, when no answer is awaited, or it points at what is not
/// there.
pub fn answer(
    session: &mut Session,
    text: &str,
    reply: &Reply<'_>,
    pen: Pen<'_>,
) -> Result<(AuditRequestId, Written<u64>), Error> {
    let (request, draft) = draft_answer(session, text, reply, pen)?;
    Ok((request, draft.write(session, pen)?))
}

/// What is signed to answer a request.
///
/// # Errors
/// As [`answer`].
pub fn draft_answer(
    session: &mut Session,
    text: &str,
    reply: &Reply<'_>,
    pen: Pen<'_>,
) -> Result<(AuditRequestId, Draft), Error> {
    let request = find_request(session, text)?.request;
    let text = words(pen, reply.text)?;
    let (evidence, packs) = (sorted(reply.evidence), sorted(reply.packs));
    if evidence.len() + packs.len() > MOST_POINTERS {
        return Err(ThreadError::TooMuch { most: MOST_POINTERS }.into());
    }
    let size = session.state().size();
    if let Some(index) = evidence.iter().copied().find(|index| *index >= size) {
        return Err(ThreadError::NoSuchEvidence { index, size }.into());
    }
    for pack in &packs {
        if !session.state().has_pack(pack)? {
            return Err(ThreadError::NoSuchPack { pack: *pack }.into());
        }
    }
    let saying = Saying {
        act: "audit answer",
        kind: EventKind::AuditAnswered,
        namespace: act::AUDIT_ANSWER,
        stream: StreamId::from(&request),
    };
    let (thread, question) = thread_that_is(session, &request, &[RequestState::Open], "answered")?;
    let (id, asked) = (request.clone(), question.clone());
    let draft = say_text(
        session,
        pen,
        saying,
        &request,
        text,
        move |s, by| {
            may_answer(s, &thread, by)?;
            still_newest(s, &id, &[RequestState::Open], "answered", &asked)
        },
        |s, by, text| {
            Ok(AuditAnswered {
                origin: s.state().origin().to_owned(),
                request: request.clone(),
                answers: question.leaf,
                text,
                evidence: evidence.clone(),
                packs: packs.clone(),
                by,
                time: pen.time(s)?,
            })
        },
    )?;
    Ok((request, draft))
}

fn may_answer(session: &Session, thread: &ThreadRow, by: &PersonId) -> Result<(), Error> {
    let state = session.state();
    if thread.messages.iter().any(|m| m.due.is_some() && m.by == *by) {
        return Err(ThreadError::OwnRequest { person: state.label(by)?, request: thread.request.clone() }.into());
    }
    if state.has_role(by, Role::Auditor)? {
        return Err(ThreadError::AuditorAnswers { person: state.label(by)? }.into());
    }
    needs(session, by, Action::AnswerAudit)
}

/// Asks on after an answer. Returns the request's id and the log index.
///
/// # Errors
/// When the signer is no auditor, or the request was not answered.
pub fn follow_up(
    session: &mut Session,
    text: &str,
    asked: &str,
    due: Option<Timestamp>,
    pen: Pen<'_>,
) -> Result<(AuditRequestId, Written<u64>), Error> {
    let (request, draft) = draft_follow_up(session, text, asked, due, pen)?;
    Ok((request, draft.write(session, pen)?))
}

/// What is signed to ask on.
///
/// # Errors
/// As [`follow_up`].
pub fn draft_follow_up(
    session: &mut Session,
    text: &str,
    asked: &str,
    due: Option<Timestamp>,
    pen: Pen<'_>,
) -> Result<(AuditRequestId, Draft), Error> {
    let request = find_request(session, text)?.request;
    let text = words(pen, asked)?;
    let now = time(session, "audit follow-up", pen)?;
    let due = awaited(now, due)?;
    let saying = Saying {
        act: "audit follow-up",
        kind: EventKind::AuditFollowedUp,
        namespace: act::AUDIT_FOLLOW_UP,
        stream: StreamId::from(&request),
    };
    let (thread, answer) = thread_that_is(session, &request, &[RequestState::Answered], "followed up")?;
    let (id, leaf) = (request.clone(), answer.leaf);
    let draft = say_text(
        session,
        pen,
        saying,
        &request,
        text,
        move |s, by| {
            needs(s, by, Action::AskInAudit)?;
            admitting_audit(s, &thread.audit, by)?;
            still_newest(s, &id, &[RequestState::Answered], "followed up", &answer)
        },
        |s, by, text| {
            let origin = s.state().origin().to_owned();
            Ok(AuditFollowedUp { origin, request: request.clone(), answer: leaf, text, due, by, time: now })
        },
    )?;
    Ok((request, draft))
}

/// Says that nothing more is needed on a request, or takes it back. Returns its id and the log index.
///
/// # Errors
/// When the signer is no auditor, or it is closed.
pub fn close_request(session: &mut Session, text: &str, pen: Pen<'_>) -> Result<(AuditRequestId, Written<u64>), Error> {
    let (request, draft) = draft_closing(session, text, pen)?;
    Ok((request, draft.write(session, pen)?))
}

/// What is signed to close a request.
///
/// # Errors
/// As [`close_request`].
pub fn draft_closing(session: &mut Session, text: &str, pen: Pen<'_>) -> Result<(AuditRequestId, Draft), Error> {
    const WANTED: &[RequestState] = &[RequestState::Open, RequestState::Answered];
    let request = find_request(session, text)?.request;
    let saying = Saying {
        act: "audit close",
        kind: EventKind::AuditRequestClosed,
        namespace: act::AUDIT_REQUEST_CLOSING,
        stream: StreamId::from(&request),
    };
    let (thread, newest) = thread_that_is(session, &request, WANTED, "closed")?;
    let (id, last) = (request.clone(), newest.leaf);
    let draft = Draft::new(
        session,
        pen,
        saying,
        |_, _| Ok(Vec::new()),
        move |s, by| {
            needs(s, by, Action::AskInAudit)?;
            admitting_audit(s, &thread.audit, by)?;
            still_newest(s, &id, WANTED, "closed", &newest)
        },
        |s, by, _| {
            let (origin, time) = (s.state().origin().to_owned(), pen.time(s)?);
            Ok(AuditRequestClosed { origin, request: request.clone(), last, by, time })
        },
    )?;
    Ok((request, draft))
}

/// Closes an audit. Returns its id and the log index.
///
/// # Errors
/// When the signer is neither auditor nor officer, a request waits for an answer, or it is closed already.
pub fn close(session: &mut Session, text: &str, pen: Pen<'_>) -> Result<(AuditId, Written<u64>), Error> {
    let (audit, draft) = draft_audit_closing(session, text, pen)?;
    Ok((audit, draft.write(session, pen)?))
}

/// What is signed to close an audit.
///
/// # Errors
/// As [`close`].
pub fn draft_audit_closing(session: &mut Session, text: &str, pen: Pen<'_>) -> Result<(AuditId, Draft), Error> {
    let audit = find_audit(session, text)?.said.audit;
    let saying = Saying {
        act: "audit close",
        kind: EventKind::AuditClosed,
        namespace: act::AUDIT_CLOSING,
        stream: StreamId::from(&audit),
    };
    // What is signed counts what was asked; where more was asked meanwhile, it is signed anew.
    let first = counted(session, &audit).ok();
    let of = audit.clone();
    let may = move |s: &Session, by: &PersonId| {
        let now = may_close(s, &of, by)?;
        match first {
            Some(then) if then != now => Err(Error::MovedOn { what: format!("what was asked in {of}") }),
            _ => Ok(()),
        }
    };
    let draft = Draft::new(
        session,
        pen,
        saying,
        |_, _| Ok(Vec::new()),
        may,
        |s, by, _| {
            let (requests, answered) = counted(s, &audit)?;
            let (origin, time) = (s.state().origin().to_owned(), pen.time(s)?);
            Ok(AuditClosed { origin, audit: audit.clone(), requests, answered, by, time })
        },
    )?;
    Ok((audit, draft))
}

/// Whether somebody may close an audit at this moment: how many requests it had, and how many of them were answered.
///
/// # Errors
/// As [`close`].
pub fn may_close(session: &Session, audit: &AuditId, by: &PersonId) -> Result<(u64, u64), Error> {
    needs(session, by, Action::CloseAudit)?;
    if session.state().may(by, Action::OpenAudit)? {
        living_audit(session, audit)?;
    } else {
        admitting_audit(session, audit, by)?;
    }
    counted(session, audit)
}

/// How many requests an audit had, and how many were answered, if none waits.
fn counted(session: &Session, audit: &AuditId) -> Result<(u64, u64), Error> {
    let threads = session.state().audit_threads(Some(audit))?;
    let waiting = threads.iter().filter(|t| t.state() == RequestState::Open).count();
    if waiting > 0 {
        return Err(ThreadError::RequestsWait { audit: audit.clone(), waiting }.into());
    }
    Ok((threads.len() as u64, threads.iter().filter(|t| t.answer().is_some()).count() as u64))
}
