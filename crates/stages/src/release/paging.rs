//! Who is told when an emergency's duties are overdue: the ladder of the gate `release`, one step after the other.
//!
//! Nothing here waits or runs by itself. A scheduler calls it; each step is told once it is reached, and that it was told, or could
//! not be, is recorded once.

use std::ffi::OsString;
use std::path::Path;

use countersign_connect::notify::{self, Channel};
use countersign_evidence::dsse;
use countersign_evidence::statement::Subject;
use countersign_evidence::{canonical, statement, statement::Statement};
use countersign_model::access::emergencies::Owed;
use countersign_model::event::{BreakGlassPaged, Predicate};
use countersign_model::governance::gates::Asked;
use countersign_model::{BreakGlassId, Digest, EventKind, PersonId, Role, StreamId, Timestamp};
use countersign_store::projection::{EmergencyRow, Standing, read_gate_owners};
use countersign_store::{Plan, Session};
use serde::{Deserialize, Serialize};

use super::break_glass::moment;
use crate::Error;

/// How often a message is tried each time.
pub const ATTEMPTS: u32 = 3;

/// A step that is reached.
#[derive(Debug, Clone)]
pub struct Rung {
    /// The emergency.
    pub id: BreakGlassId,
    /// What is owed.
    pub owed: Owed,
    /// 0 is the owner and the deputy of the gate.
    pub rung: u32,
    /// Whom it asks.
    pub asked: Vec<String>,
    /// Those who are meant, by id.
    pub people: Vec<PersonId>,
    /// Since when the duty is overdue.
    pub due: Timestamp,
    /// The environment.
    pub environment: String,
    /// Whether a failure is on record already.
    failed: bool,
}

/// What a message says: an in-toto statement, signed by the recorder like everything the tool observes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Message {
    origin: String,
    break_glass: BreakGlassId,
    environment: String,
    owed: Owed,
    due: Timestamp,
    rung: u32,
    asked: Vec<String>,
    people: Vec<PersonId>,
    time: Timestamp,
}

impl Predicate for Message {
    const TYPE: &'static str = "urn:countersign:page:v1";
}

/// The ladder: whom, and after how many minutes. Where nobody owns the gate `release`, officers are asked at once.
fn ladder(session: &Session) -> Result<Vec<(u32, Vec<Asked>)>, Error> {
    let mut steps = Vec::new();
    if let Some(active) = session.state().gate_owners()? {
        let owners = read_gate_owners(&session.ledger().payload(&active.blob)?)?;
        if let Some(gate) = owners.of("release") {
            let first = [Some(&gate.owner), gate.deputy.as_ref()].into_iter().flatten();
            steps.push((0, first.cloned().map(Asked::Person).collect()));
            steps.extend(gate.escalation.iter().map(|step| (step.after_minutes, vec![step.ask.clone()])));
        }
    }
    if steps.is_empty() {
        steps.push((0, vec![Asked::Role(Role::SecurityOfficer), Asked::Role(Role::ComplianceOfficer)]));
    }
    Ok(steps)
}

/// Every step that is reached and was not told.
///
/// # Errors
/// When ledger or projection cannot be read.
pub fn reached(session: &Session) -> Result<Vec<Rung>, Error> {
    let at = moment(session)?;
    let (steps, members) = (ladder(session)?, session.state().members()?);
    let mut all = Vec::new();
    let overdue = |row: &EmergencyRow, owed| row.standing(owed, at) == Standing::Overdue;
    for row in session.state().emergencies()? {
        let pages = session.state().pages(&row.opened.id)?;
        for owed in Owed::ALL.into_iter().filter(|owed| overdue(&row, *owed)) {
            let due = row.due(owed);
            for (rung, (after, asked)) in (0_u32..).zip(&steps) {
                let told = pages.iter().filter(|p| p.owed == owed.as_str() && p.rung == rung);
                if due.plus_seconds(i64::from(*after) * 60) > at || told.clone().any(|p| p.delivered) {
                    continue;
                }
                let mut people: Vec<PersonId> = Vec::new();
                for ask in asked {
                    match ask {
                        Asked::Person(person) => people.push(person.clone()),
                        Asked::Role(role) => {
                            people.extend(members.iter().filter(|(_, r)| r.contains(role)).map(|(p, _)| p.clone()));
                        }
                    }
                }
                people.sort_unstable();
                people.dedup();
                let asked = asked.iter().map(|ask| match ask {
                    Asked::Person(person) => person.to_string(),
                    Asked::Role(role) => role.to_string(),
                });
                all.push(Rung {
                    id: row.opened.id.clone(),
                    owed,
                    rung,
                    asked: asked.collect(),
                    people,
                    due,
                    environment: row.opened.environment.clone(),
                    failed: told.clone().any(|p| !p.delivered),
                });
            }
        }
    }
    Ok(all)
}

/// How telling somebody ended.
#[derive(Debug, Clone)]
pub struct Told {
    /// The step.
    pub rung: Rung,
    /// Whether the message was taken.
    pub delivered: bool,
    /// How often it was tried.
    pub attempts: u32,
    /// Why it was not taken.
    pub why: Option<String>,
    /// Log index of the record; `None` where the same failure is on record.
    pub index: Option<u64>,
}

/// Where messages go.
#[derive(Debug, Clone)]
pub enum To {
    /// A program that reads the message.
    Command(OsString),
    /// An address that takes it by POST.
    Webhook(String),
}

/// Tells every step that is reached, and records how that ended.
///
/// # Errors
/// When the ledger cannot be read or written. That a message was not taken is no error, but in what is returned.
pub fn page(session: &mut Session, to: &To, dir: &Path) -> Result<Vec<Told>, Error> {
    session.require_pin()?;
    session.must_record()?;
    let mut all = Vec::new();
    for rung in reached(session)? {
        let message = message(session, &rung)?;
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
        let index =
            if rung.failed && !delivered { None } else { record(session, &rung, &message, attempts, delivered)? };
        all.push(Told { rung, delivered, attempts, why, index });
    }
    Ok(all)
}

/// The signed message.
fn message(session: &Session, rung: &Rung) -> Result<Vec<u8>, Error> {
    let message = Message {
        origin: session.state().origin().to_owned(),
        break_glass: rung.id.clone(),
        environment: rung.environment.clone(),
        owed: rung.owed,
        due: rung.due,
        rung: rung.rung,
        asked: rung.asked.clone(),
        people: rung.people.clone(),
        time: session.now(),
    };
    let bytes = canonical::to_vec(&Statement::new(session.subject(), Message::TYPE, message))?;
    Ok(canonical::to_vec(&dsse::sign(statement::PAYLOAD_TYPE, &bytes, &session.recorder()?)?)?)
}

fn record(
    session: &mut Session,
    rung: &Rung,
    message: &[u8],
    attempts: u32,
    delivered: bool,
) -> Result<Option<u64>, Error> {
    let digest = Digest::of(message);
    let (appended, ()) = session.transact(|s| {
        // Another scheduler may have been faster, and somebody may have done the duty meanwhile.
        let again = reached(s)?;
        let is_due = again.iter().any(|r| r.id == rung.id && r.owed == rung.owed && r.rung == rung.rung);
        if !is_due {
            return Ok::<_, Error>((Plan::default(), ()));
        }
        let predicate = BreakGlassPaged {
            id: rung.id.clone(),
            owed: rung.owed,
            rung: rung.rung,
            asked: rung.asked.clone(),
            message: digest,
            attempts,
            delivered,
            time: s.now(),
        };
        let subject: Vec<Subject> = s.subject();
        let stream = StreamId::from(&rung.id);
        let entry = s.machine_entry(EventKind::BreakGlassPaged, stream, subject, predicate, Vec::new(), Vec::new())?;
        Ok((Plan { entries: vec![entry] }, ()))
    })?;
    Ok(appended.map(|a| a.first_index))
}
