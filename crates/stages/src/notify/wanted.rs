//! What somebody has to be told: a function of the log and the time.

use std::collections::BTreeSet;

use countersign_connect::encoded;
use countersign_model::access::emergencies::Owed;
use countersign_model::governance::GateOwners;
use countersign_model::governance::gates::Asked;
use countersign_model::notice::{NoticeKey, NoticeKind};
use countersign_model::snapshot::DriftKind;
use countersign_model::{Diagnostic as _, Outcome, PersonId, Role, Timestamp};
use countersign_store::projection::{
    RequestState, RunLine, RunsAsked, Standing, WaiverRow, WaiverState, read_gate_owners,
};
use countersign_store::{Session, code};

use crate::Error;
use crate::build::{decide, rules as build_rules};
use crate::operate::RESOLVE_DAYS;
use crate::release::break_glass::moment;
use crate::release::rules::{self, GateStatus};

/// Of so many of the newest runs that wait and as many that pass, it is looked at what is missing.
const RUNS: u32 = 200;
/// A decision that nobody signed for so long is asked about no more: what was built then is not what would be deployed.
const STALE_DAYS: i64 = 14;
/// What happened so long ago and owes nothing is told to nobody any more.
const OLD_DAYS: i64 = 30;
/// So many of the newest entries that are not believed are told of one by one.
const ANOMALIES: usize = 100;
/// At the most so many days before its end something ends soon.
const SOON_DAYS: i64 = 7;

const DAY: i64 = 86_400;

/// Something that somebody has to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// What tells it apart.
    pub key: NoticeKey,
    /// What happened, in a line. It names no person.
    pub title: String,
    /// What is wanted of whom, in a sentence.
    pub wanted: String,
    /// The command that does it, or shows it.
    pub command: String,
    /// The page of a server that shows it.
    pub path: String,
    /// Until when.
    pub due: Option<Timestamp>,
    /// Whose roles it asks.
    pub roles: BTreeSet<Role>,
    /// Whom else it asks, and who could do what it asks, by id.
    pub people: BTreeSet<PersonId>,
}

impl Notice {
    fn new(kind: NoticeKind, at: u64) -> Self {
        Self {
            key: NoticeKey { kind, at, part: None, step: 0 },
            title: String::new(),
            wanted: String::new(),
            command: String::new(),
            path: String::new(),
            due: None,
            roles: BTreeSet::new(),
            people: BTreeSet::new(),
        }
    }

    fn ask(mut self, asked: &[Asked]) -> Self {
        for ask in asked {
            match ask {
                Asked::Person(person) => self.people.insert(person.clone()),
                Asked::Role(role) => self.roles.insert(*role),
            };
        }
        self
    }

    fn step(mut self, step: usize) -> Self {
        self.key.step = u32::try_from(step).unwrap_or(u32::MAX);
        self
    }

    /// Who is asked, in words: roles, and how many people by name.
    #[must_use]
    pub fn asks(&self) -> String {
        let roles: Vec<&str> = self.roles.iter().map(|r| r.as_str()).collect();
        match (roles.is_empty(), self.people.len()) {
            (false, _) => roles.join(" or "),
            (true, 0) => "whoever answers for it".to_owned(),
            (true, 1) => "one person".to_owned(),
            (true, n) => format!("{n} people"),
        }
    }
}

/// Everything that somebody has to be told at this moment, the most urgent first, and in the same order everywhere.
///
/// # Errors
/// When ledger or projection cannot be read.
pub fn wanted(session: &Session) -> Result<Vec<Notice>, Error> {
    let now = moment(session)?;
    let owners = owners(session)?;
    let mut all = Vec::new();
    approvals(session, owners.as_ref(), now, &mut all)?;
    emergencies(session, owners.as_ref(), now, &mut all)?;
    waivers(session, now, &mut all)?;
    reviews(session, now, &mut all)?;
    audits(session, now, &mut all)?;
    alarms(session, now, &mut all)?;
    differences(session, owners.as_ref(), now, &mut all)?;
    drifts(session, owners.as_ref(), now, &mut all)?;
    // The kinds that cannot wait come first; then what is in the log for longer.
    all.sort_by(|a, b| (urgency(a.key.kind), &a.key).cmp(&(urgency(b.key.kind), &b.key)));
    Ok(all)
}

const fn urgency(kind: NoticeKind) -> u8 {
    match kind {
        NoticeKind::EntryNotBelieved | NoticeKind::EmergencyOpened | NoticeKind::StorageNotHeld => 0,
        NoticeKind::VerdictDiffered
        | NoticeKind::DriftDetected
        | NoticeKind::DriftOverdue
        | NoticeKind::ApprovalOverdue
        | NoticeKind::DutyOverdue
        | NoticeKind::ReviewOverdue
        | NoticeKind::AuditRequestOverdue => 1,
        NoticeKind::ApprovalDue | NoticeKind::DutyDue | NoticeKind::ReviewDue | NoticeKind::AuditRequestDue => 2,
        _ => 3,
    }
}

/// Who owns the gates; none: nobody said so.
fn owners(session: &Session) -> Result<Option<GateOwners>, Error> {
    let Some(active) = session.state().gate_owners()? else { return Ok(None) };
    Ok(Some(read_gate_owners(&session.ledger().payload(&active.blob)?)?))
}

/// From when on the end of a period is near: a quarter of it is left, and a week at the most.
fn near(from: Timestamp, end: Timestamp) -> Timestamp {
    let quarter = end.millis().saturating_sub(from.millis()) / 4 / 1000;
    end.plus_seconds(-quarter.clamp(0, SOON_DAYS * DAY))
}

/// A moment for people: to the minute, in UTC.
pub(super) fn minute(time: Timestamp) -> String {
    let text = time.to_string();
    match (text.get(..10), text.get(11..16)) {
        (Some(day), Some(time)) => format!("{day} {time} UTC"),
        _ => text,
    }
}

fn approvals(
    session: &Session,
    owners: Option<&GateOwners>,
    now: Timestamp,
    all: &mut Vec<Notice>,
) -> Result<(), Error> {
    let state = session.state();
    for outcome in rules::SIGNED {
        for line in state.runs_page(&RunsAsked { outcome: Some(outcome), ..RunsAsked::default() }, RUNS)? {
            // What was deployed, well or not, waits for nobody.
            let Some(decision) = line.decision.filter(|_| line.deployed.is_none()) else { continue };
            let decided = state.entries_from(decision, 1)?.first().map_or(line.time, |e| e.time);
            if decided.plus_seconds(STALE_DAYS * DAY) < now {
                continue;
            }
            match run(session, &line, now) {
                Ok(gates) => missing(session, owners, &line, (decision, decided), &gates, now, all)?,
                // Disposed of: nothing of it can be signed any more.
                Err(e) if e.code() == code::MISSING_BLOB => {}
                Err(e) => return Err(e),
            }
        }
    }
    Ok(())
}

fn run(session: &Session, line: &RunLine, now: Timestamp) -> Result<Vec<GateStatus>, Error> {
    let state = session.state();
    let Some(row) = state.run(&line.id)? else { return Ok(Vec::new()) };
    let Some(decision) = row.decisions.last() else { return Ok(Vec::new()) };
    let decision = decide::read_decision(decision)?;
    let change = decide::read_change(session.ledger(), &row.change)?;
    let authors = build_rules::authors(&change, state)?;
    rules::gates(&decision, Some(&row), &authors, state, now)
}

fn missing(
    session: &Session,
    owners: Option<&GateOwners>,
    line: &RunLine,
    (decision, decided): (u64, Timestamp),
    gates: &[GateStatus],
    now: Timestamp,
    all: &mut Vec<Notice>,
) -> Result<(), Error> {
    // A gate that denies is not opened by a signature.
    if gates.iter().any(|g| g.outcome != Outcome::Pending && !g.outcome.opens()) {
        return Ok(());
    }
    let what = of(session, line)?;
    for gate in gates.iter().filter(|g| g.outcome == Outcome::Pending) {
        let open: Vec<_> = gate.slots.iter().filter(|s| s.missing() > 0).collect();
        for slot in open.iter().filter(|s| s.waits_for.is_empty()) {
            let name = &slot.rule.slot;
            let nobody = if slot.eligible.is_empty() { " Nobody who is enrolled can give it." } else { "" };
            let mut notice = Notice::new(NoticeKind::ApprovalWanted, decision);
            notice.key.part = Some(name.to_string());
            notice = notice.step(slot.idle.len());
            all.push(Notice {
                title: format!("A {name} approval is wanted for {what}"),
                wanted: format!("{} signs, or says no.{nobody}", capital(&slot.rule.who())),
                command: format!("countersign approve {} --as {name}", line.id),
                path: format!("/approvals/{}/{name}", line.id),
                roles: slot.rule.roles.clone(),
                people: slot.eligible.iter().cloned().collect(),
                ..notice
            });
        }
        let Some(own) = owners.and_then(|o| o.of(&gate.name)).filter(|_| !open.is_empty()) else { continue };
        let due = decided.plus_seconds(i64::from(own.respond_minutes) * 60);
        let names: Vec<String> = open.iter().map(|s| s.rule.slot.to_string()).collect();
        let base = |kind| Notice {
            wanted: format!("Missing: {}. Whoever answers for the gate sees to it.", names.join(", ")),
            command: format!("countersign gate explain {}", line.id),
            path: format!("/runs/{}", line.id),
            due: Some(due),
            ..Notice::new(kind, decision)
        };
        let first: Vec<Asked> =
            [Some(&own.owner), own.deputy.as_ref()].into_iter().flatten().cloned().map(Asked::Person).collect();
        if now < due {
            if now >= near(decided, due) {
                let title = format!("The gate {} is to be answered by {} for {what}", gate.name, minute(due));
                all.push(Notice { title, ..base(NoticeKind::ApprovalDue).ask(&first) });
            }
            continue;
        }
        let title = format!("The gate {} was not answered in time for {what}", gate.name);
        all.push(Notice { title: title.clone(), ..base(NoticeKind::ApprovalOverdue).ask(&first) });
        for (step, rung) in own.escalation.iter().enumerate() {
            if now >= decided.plus_seconds(i64::from(rung.after_minutes) * 60) {
                let notice = base(NoticeKind::ApprovalOverdue).ask(std::slice::from_ref(&rung.ask)).step(step + 1);
                all.push(Notice { title: title.clone(), ..notice });
            }
        }
    }
    Ok(())
}

/// A run as a message names it: its application, or the last part of its repository's name, and its commit's beginning.
fn of(session: &Session, line: &RunLine) -> Result<String, Error> {
    let short: String = line.commit.chars().take(12).collect();
    let Some(identity) = &line.identity else { return Ok(format!("{short} ({})", line.id)) };
    let name = match session.state().application_of(identity)? {
        Some(application) => application.what.id,
        None => {
            let last = identity.trim_end_matches('/').rsplit(['/', ':']).next().unwrap_or(identity);
            let last = last.strip_suffix(".git").unwrap_or(last);
            // One without a remote is called by its first commit.
            let hex = last.len() >= 40 && last.bytes().all(|b| b.is_ascii_hexdigit());
            if hex { format!("repository {}", last.get(..12).unwrap_or(last)) } else { last.to_owned() }
        }
    };
    Ok(format!("{name} at {short} ({})", line.id))
}

fn emergencies(
    session: &Session,
    owners: Option<&GateOwners>,
    now: Timestamp,
    all: &mut Vec<Notice>,
) -> Result<(), Error> {
    let officers = [Asked::Role(Role::SecurityOfficer), Asked::Role(Role::ComplianceOfficer)];
    let own = owners.and_then(|o| o.of("release"));
    let first: Vec<Asked> = match own {
        Some(own) => {
            [Some(&own.owner), own.deputy.as_ref()].into_iter().flatten().cloned().map(Asked::Person).collect()
        }
        None => officers.to_vec(),
    };
    for row in session.state().emergencies()? {
        let id = &row.opened.id;
        let environment = &row.opened.environment;
        let waits = |owed: &Owed| matches!(row.standing(*owed, now), Standing::Owed | Standing::Overdue);
        if !Owed::ALL.iter().any(waits) {
            continue;
        }
        let path = format!("/environments/{environment}");
        let show = format!("countersign break-glass show {id}");
        all.push(Notice {
            title: format!("A change went past the gates of {environment}: {id}, ticket {}", row.opened.ticket),
            wanted: format!(
                "It is open until {}. It is ratified by {}, and reviewed by {}.",
                minute(row.opened.expires),
                minute(row.opened.ratify_by),
                minute(row.opened.review_by)
            ),
            command: show.clone(),
            path: path.clone(),
            ..Notice::new(NoticeKind::EmergencyOpened, row.index).ask(&first).ask(&officers)
        });
        for owed in Owed::ALL.into_iter().filter(waits) {
            let due = row.due(owed);
            let command = match owed {
                Owed::Ratification => format!("countersign break-glass ratify {id} --statement TEXT"),
                Owed::Review => show.clone(),
            };
            let base = |kind, title: &str| Notice {
                title: format!("The {} of {id} {title} {}", owed.as_str(), minute(due)),
                wanted: "Somebody who took no part in it signs.".to_owned(),
                command: command.clone(),
                path: path.clone(),
                due: Some(due),
                key: NoticeKey { kind, at: row.index, part: Some(owed.as_str().to_owned()), step: 0 },
                ..Notice::new(kind, row.index)
            };
            if row.standing(owed, now) == Standing::Owed {
                if now >= near(row.opened.time, due) {
                    all.push(base(NoticeKind::DutyDue, "is due by").ask(&officers));
                }
                continue;
            }
            let late = || base(NoticeKind::DutyOverdue, "was due by");
            all.push(late().ask(&first));
            for (step, rung) in own.iter().flat_map(|own| &own.escalation).enumerate() {
                if now >= due.plus_seconds(i64::from(rung.after_minutes) * 60) {
                    all.push(late().ask(std::slice::from_ref(&rung.ask)).step(step + 1));
                }
            }
        }
    }
    Ok(())
}

fn waivers(session: &Session, now: Timestamp, all: &mut Vec<Notice>) -> Result<(), Error> {
    let (rows, newest) = (session.state().waivers()?, session.state().newest_time()?);
    let stands = |row: &&WaiverRow| {
        matches!(row.state(now, newest), WaiverState::Requested | WaiverState::Upcoming | WaiverState::Active)
    };
    let renewed: BTreeSet<_> = rows.iter().filter(stands).filter_map(|row| row.request.renews.as_ref()).collect();
    let is_renewed = |row: &WaiverRow| renewed.contains(&row.request.waiver);
    for row in &rows {
        let (id, controls) = (&row.request.waiver, row.request.scope.controls.join(", "));
        let role = row.request.category.granted_by();
        match row.state(now, newest) {
            WaiverState::Requested => all.push(Notice {
                title: format!("A waiver of {controls} is asked for"),
                wanted: format!("{} who did not ask grants it, or says no.", capital(&role.with_article())),
                command: format!("countersign waive grant {id} --reason TEXT"),
                path: format!("/waivers/{id}"),
                roles: [role].into(),
                ..Notice::new(NoticeKind::WaiverWanted, row.index)
            }),
            WaiverState::Active if now >= near(row.request.not_before, row.request.expires) && !is_renewed(row) => {
                all.push(Notice {
                    title: format!("The waiver of {controls} ends {}", minute(row.request.expires)),
                    wanted:
                        "After it the control holds changes up again: it is put right by then, or the waiver renewed."
                            .to_owned(),
                    command: format!("countersign waive show {id}"),
                    path: format!("/waivers/{id}"),
                    due: Some(row.request.expires),
                    roles: [role].into(),
                    people: [row.request.by.clone()].into(),
                    ..Notice::new(NoticeKind::WaiverEnding, row.index)
                });
            }
            _ => {}
        }
    }
    Ok(())
}

fn reviews(session: &Session, now: Timestamp, all: &mut Vec<Notice>) -> Result<(), Error> {
    for (id, due, closed) in session.state().review_dates()? {
        if closed {
            continue;
        }
        let Some(row) = session.state().review(&id)? else { continue };
        let waiting = row.waiting();
        if waiting == 0 || now < near(row.opened.time, due) {
            continue;
        }
        let lines = if waiting == 1 { "1 line waits".to_owned() } else { format!("{waiting} lines wait") };
        let late = now > due;
        let (kind, when) = if late { (NoticeKind::ReviewOverdue, "was") } else { (NoticeKind::ReviewDue, "is") };
        let mut roles = BTreeSet::from([Role::ComplianceOfficer]);
        if late {
            roles.insert(Role::SecurityOfficer);
        }
        all.push(Notice {
            title: format!("The access review {id} {when} due by {}: {lines}", minute(due)),
            wanted: "Its reviewers keep or revoke what is theirs to look at.".to_owned(),
            command: format!("countersign access review show {id}"),
            path: "/access".to_owned(),
            due: Some(due),
            roles,
            people: session.state().review_waits(&id)?.0.into_iter().collect(),
            ..Notice::new(kind, row.index)
        });
    }
    Ok(())
}

fn audits(session: &Session, now: Timestamp, all: &mut Vec<Notice>) -> Result<(), Error> {
    for thread in session.state().audit_threads(None)? {
        let Some(question) = thread.question().filter(|_| thread.state() == RequestState::Open) else { continue };
        let Some(due) = question.due else { continue };
        let about = match (&thread.control, &thread.application) {
            (Some(control), Some(application)) => format!(" about {control} of {application}"),
            (Some(one), None) | (None, Some(one)) => format!(" about {one}"),
            (None, None) => String::new(),
        };
        let (kind, what) = if now > due {
            (NoticeKind::AuditRequestOverdue, "An auditor's request was not answered in time")
        } else if now >= near(question.time, due) {
            (NoticeKind::AuditRequestDue, "An auditor's request is to be answered soon")
        } else {
            (NoticeKind::AuditRequest, "An auditor asks for something")
        };
        all.push(Notice {
            title: format!("{what}{about}: {}", thread.request),
            wanted: format!("Somebody who did not ask answers by {}.", minute(due)),
            command: format!("countersign audit thread {}", thread.request),
            path: "/audits".to_owned(),
            due: Some(due),
            roles: [Role::SecurityOfficer, Role::ComplianceOfficer].into(),
            ..Notice::new(kind, question.index)
        });
    }
    Ok(())
}

/// What nobody owes and somebody must look at.
fn alarms(session: &Session, now: Timestamp, all: &mut Vec<Notice>) -> Result<(), Error> {
    let state = session.state();
    let roles = || BTreeSet::from([Role::SecurityOfficer, Role::Administrator]);
    for anomaly in state.anomalies()?.into_iter().rev().take(ANOMALIES) {
        let appended = state.entries_from(anomaly.index, 1)?.first().map_or(now, |e| e.time);
        if appended.plus_seconds(OLD_DAYS * DAY) < now {
            continue;
        }
        all.push(Notice {
            title: format!("Entry {} of the log is not believed", anomaly.index),
            wanted: "Somebody wrote into the log what does not count. It is found out who, and how.".to_owned(),
            command: "countersign verify".to_owned(),
            path: format!("/ledger/{}", anomaly.index),
            roles: roles(),
            ..Notice::new(NoticeKind::EntryNotBelieved, anomaly.index)
        });
    }
    for storage in state.storages()? {
        if storage.warning().is_none() || storage.time.plus_seconds(OLD_DAYS * DAY) < now {
            continue;
        }
        all.push(Notice {
            title: format!("A storage does not hold what it is to hold: {}", storage.failed.join(", ")),
            wanted: "Copies there can be changed or removed, or it is not known whether they can.".to_owned(),
            command: "countersign doctor".to_owned(),
            path: "/ledger".to_owned(),
            roles: roles(),
            ..Notice::new(NoticeKind::StorageNotHeld, storage.index)
        });
    }
    Ok(())
}

/// Pipelines that came to something else than was decided: whoever owns the gate asks why.
fn differences(
    session: &Session,
    owners: Option<&GateOwners>,
    now: Timestamp,
    all: &mut Vec<Notice>,
) -> Result<(), Error> {
    let officers = [Asked::Role(Role::SecurityOfficer), Asked::Role(Role::ComplianceOfficer)];
    for d in session.state().differences_since(now.plus_seconds(-OLD_DAYS * DAY))? {
        let asked = match owners.and_then(|o| o.of(&d.gate)) {
            Some(own) => {
                [Some(&own.owner), own.deputy.as_ref()].into_iter().flatten().cloned().map(Asked::Person).collect()
            }
            None => officers.to_vec(),
        };
        all.push(Notice {
            title: format!("A pipeline said {}={} of {}, and it is {}", d.gate, d.claimed, d.run, d.decided),
            wanted: "Whoever answers for the gate finds out why: an old scanner, other rules, or somebody's hand."
                .to_owned(),
            command: format!("countersign gate explain {}", d.run),
            path: format!("/runs/{}", d.run),
            ..Notice::new(NoticeKind::VerdictDiffered, d.index).ask(&asked)
        });
    }
    Ok(())
}

/// What runs and was not let through, or does not run and was: as long as that is so.
fn drifts(session: &Session, owners: Option<&GateOwners>, now: Timestamp, all: &mut Vec<Notice>) -> Result<(), Error> {
    let own = owners.and_then(|o| o.of("release"));
    let answers = own.into_iter().flat_map(|own| [Some(&own.owner), own.deputy.as_ref()]).flatten();
    let mut asked: Vec<Asked> = answers.cloned().map(Asked::Person).collect();
    asked.extend([Role::SecurityOfficer, Role::ReleaseManager].map(Asked::Role));
    for one in session.state().drifts_told()? {
        let environment = &one.environment;
        let due = one.detected.plus_seconds(RESOLVE_DAYS * DAY);
        let count = |kind: DriftKind| one.kinds.iter().find(|(of, _)| *of == kind).map_or(0, |(_, n)| *n);
        let kinds = DriftKind::ALL.into_iter().map(|kind| (kind, count(kind))).filter(|(_, n)| *n > 0);
        let kinds: Vec<String> = kinds.map(|(kind, n)| format!("{n} {kind}")).collect();
        let (kind, what) = if now > due {
            (NoticeKind::DriftOverdue, "still does not run what was let through")
        } else {
            (NoticeKind::DriftDetected, "does not run what was let through")
        };
        all.push(Notice {
            title: format!("{environment} {what}: {}", kinds.join(", ")),
            wanted: format!(
                "What nobody let through is taken out, or brought in by an approved run; what is missing is deployed again. By {}.",
                minute(due)
            ),
            command: format!("countersign drift {environment}"),
            path: format!("/environments/{}", encoded(environment)),
            due: Some(due),
            ..Notice::new(kind, one.told).ask(&asked)
        });
    }
    Ok(())
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_quarter_is_near_and_a_week_at_the_most() {
        let at = |hours: i64| Timestamp::from_millis(0).plus_seconds(hours * 3600);
        assert_eq!(near(at(0), at(4)), at(3));
        assert_eq!(near(at(0), at(24 * 365)), at(24 * 358));
        assert_eq!(near(at(4), at(4)), at(4));
        assert_eq!(minute("2026-11-26T20:48:11Z".parse().unwrap()), "2026-11-26 20:48 UTC");
        assert_eq!(capital("a compliance officer"), "A compliance officer");
    }
}
