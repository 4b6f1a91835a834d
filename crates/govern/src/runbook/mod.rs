//! The Pipeline Governance Runbook: what people do with the gates, written from what is really configured.
//!
//! Control objective: whoever stands before a shut gate knows whose it is, how soon they answer, who is next, and what is done by hand;
//! and what is written is what is in effect. Regulatory mapping: PCI DSS v4.0.1 12.10.1 (procedures are known and kept); 17 CFR
//! 242.1001(a)(2); Regulation (EU) 2022/2554 Art. 11.
//!
//! | file | holds |
//! |---|---|
//! | `lint.rs` | pure: what is wrong with how the gates are set up |
//! | `clocks.rs` | the clocks of regulators, in one table with their sources |

pub mod clocks;
pub mod lint;

use std::collections::{BTreeMap, BTreeSet};

use countersign_model::access::emergencies::Owed;
use countersign_model::audit::threads::MaskedField;
use countersign_model::governance::gates::Asked;
use countersign_model::governance::{Criticality, GATES, Level, Tier};
use countersign_model::{Diagnostic as _, Exit, PersonId, Retention, Role};
use countersign_policy::{Assignment, Catalogue, GateVerdict, PolicyEngine};
use countersign_store::Session;
use countersign_store::projection::{Standing, WaiverState};

use crate::gates::{self, Owned};
pub use crate::page::{Block, Page};
use crate::{Error, approvals, enforcement, waivers};
use lint::{Finding, Setting, Somebody, duration};

const OWNERS_UNREADABLE: &str = "owners-unreadable";

/// Everything that the runbook is written from.
struct Collected {
    gates: Vec<Owned>,
    served: Vec<GateVerdict>,
    assignment: Assignment,
    people: BTreeMap<PersonId, Somebody>,
    findings: Vec<Finding>,
}

/// What is wrong with how the gates are set up.
///
/// # Errors
/// When something that is configured cannot be read.
pub fn findings(session: &Session, engine: &dyn PolicyEngine) -> Result<Vec<Finding>, Error> {
    Ok(collect(session, engine, false)?.findings)
}

fn collect(session: &Session, engine: &dyn PolicyEngine, masked: bool) -> Result<Collected, Error> {
    let state = session.state();
    // What was put in effect and cannot be read is what is wrong; the rest of the runbook is needed all the more.
    let mut unread = Vec::new();
    let gates = readable(gates::list(session), OWNERS_UNREADABLE, &mut unread)?;
    let served = readable(gates::served(session, engine), "policy-unreadable", &mut unread)?;
    let assignment = readable(enforcement::in_effect(session), "levels-unreadable", &mut unread)?
        .map_or_else(Assignment::none, |(_, a)| a);
    let mut people = BTreeMap::new();
    for p in state.people()? {
        let erased = state.is_erased(&p.id)?;
        let label = if masked { p.id.to_string() } else { p.label().to_owned() };
        let somebody = Somebody { label, roles: p.roles, has_key: !p.keys.is_empty(), erased };
        people.insert(p.id, somebody);
    }
    let not_audited = served
        .iter()
        .map(|g| (g.name.clone(), gates::not_audited(&assignment, g).into_iter().map(str::to_owned).collect()))
        .collect();
    let setting = Setting { gates: &gates, people: &people, not_audited: &not_audited, now: session.now() };
    let mut findings = unread;
    // Of owners that cannot be read nobody knows that there is none.
    let knows_owners = findings.iter().all(|f| f.code != OWNERS_UNREADABLE);
    findings.extend(lint::lint(&setting).into_iter().filter(|f| knows_owners || f.code != "no-owner"));
    for text in approvals::unkeepable(state)? {
        findings.push(Finding { gate: Some("release".to_owned()), code: "quorum-unfillable", text });
    }
    Ok(Collected { gates, served, assignment, people, findings })
}

/// What was read; or nothing, and what is wrong with it. A ledger or an engine that does not answer is an error all the same.
fn readable<T: Default>(read: Result<T, Error>, code: &'static str, unread: &mut Vec<Finding>) -> Result<T, Error> {
    match read {
        Ok(read) => Ok(read),
        Err(e) if e.exit() == Exit::Backend => Err(e),
        Err(e) => {
            unread.push(Finding { gate: None, code, text: format!("{e}: an officer puts another document in effect") });
            Ok(T::default())
        }
    }
}

/// Writes the runbook.
///
/// # Errors
/// When the ledger cannot be read.
pub fn write(session: &Session, engine: &dyn PolicyEngine, catalogue: &Catalogue) -> Result<Page, Error> {
    write_for(session, engine, catalogue, &[])
}

/// As [`write`]; of what is masked, people are called by their ids, and tickets are not said.
///
/// # Errors
/// As [`write`].
pub fn write_for(
    session: &Session,
    engine: &dyn PolicyEngine,
    catalogue: &Catalogue,
    masked: &[MaskedField],
) -> Result<Page, Error> {
    let all = collect(session, engine, masked.contains(&MaskedField::Names))?;
    let mut page = Page { title: "Pipeline Governance Runbook".to_owned(), blocks: Vec::new() };
    written_from(session, &mut page)?;
    page.heading(2, "What is wrong now");
    let rows = all.findings.iter().map(|f| {
        vec![
            f.gate.clone().unwrap_or_else(|| if f.code.ends_with("-unreadable") { "all" } else { "people" }.to_owned()),
            f.code.to_owned(),
            f.text.clone(),
        ]
    });
    page.table(
        &["gate", "finding", "what to do"],
        rows.collect(),
        "Nothing that `countersign runbook lint` looks for.",
    );
    gates_of(&all, &mut page);
    controls(&all, catalogue, &mut page);
    people(&all, &mut page);
    registry(session, &all, &mut page)?;
    waivers_of(session, &all, &mut page)?;
    emergencies(session, &all, masked.contains(&MaskedField::Tickets), &mut page)?;
    retention(session, &mut page)?;
    page.heading(2, "Clocks of regulators");
    page.text("While a gate is shut, these may run. Those that nobody has compared with their source say so.");
    let rows = clocks::CLOCKS.iter().map(|c| {
        let checked = if c.verified { "yes" } else { "not compared with its source" };
        vec![c.id.to_owned(), c.what.to_owned(), format!("{} hours", c.hours), c.source.to_owned(), checked.to_owned()]
    });
    page.table(&["clock", "what is to be done", "within", "source", "verified"], rows.collect(), "");
    Ok(page)
}

fn written_from(session: &Session, page: &mut Page) -> Result<(), Error> {
    let state = session.state();
    page.text(format!(
        "Written on {} from what is in effect in the ledger {}, up to entry {}. Write it anew when something changes: countersign \
         runbook.",
        session.now(),
        state.origin(),
        state.size().saturating_sub(1)
    ));
    let bundle = state.bundle().map_or_else(
        || "the shipped one; nobody activated a bundle".to_owned(),
        |b| format!("{} (entry {})", b.digest, b.index),
    );
    let levels = state
        .assignment()?
        .map_or_else(|| "none: every control is hard".to_owned(), |a| format!("{} (entry {})", a.digest, a.index));
    let owners = state
        .gate_owners()?
        .map_or_else(|| "nobody owns a gate".to_owned(), |o| format!("{} (entry {})", o.digest, o.index));
    let rules = state
        .approval_rules()?
        .map_or_else(|| "none: what the policy requires".to_owned(), |r| format!("{} (entry {})", r.digest, r.index));
    let row = |what: &str, value: String| vec![what.to_owned(), value];
    page.table(
        &["what", "in effect"],
        vec![
            row("policy bundle", bundle),
            row("levels of enforcement", levels),
            row("owners of gates", owners),
            row("approval rules", rules),
        ],
        "",
    );
    Ok(())
}

fn gates_of(all: &Collected, page: &mut Page) {
    let label = |id: &PersonId| all.people.get(id).map_or_else(|| id.to_string(), |p| p.label.clone());
    page.heading(2, "Gates");
    for name in GATES {
        page.heading(3, name);
        let served = all.served.iter().find(|g| g.name == name);
        let mut rows = Vec::new();
        let mut row = |what: &str, value: String| rows.push(vec![what.to_owned(), value]);
        if let Some(gate) = served {
            row("controls", gate.controls.join(", "));
            let slots: Vec<String> =
                gate.requires.iter().map(|s| format!("{s} by {}", s.role().with_article())).collect();
            row("signatures", if slots.is_empty() { "none".to_owned() } else { slots.join(", ") });
        }
        match all.gates.iter().find(|g| g.ownership.gate == name) {
            None => row("owner", "nobody".to_owned()),
            Some(gate) => {
                let own = &gate.ownership;
                row("owner", label(&own.owner));
                row("deputy", own.deputy.as_ref().map_or_else(|| "nobody".to_owned(), label));
                row("answered within", duration(own.respond_minutes));
                let ladder: Vec<String> = own
                    .escalation
                    .iter()
                    .map(|step| {
                        let whom = match &step.ask {
                            Asked::Person(person) => label(person),
                            Asked::Role(role) => role.with_article(),
                        };
                        format!("after {}: {whom}", duration(step.after_minutes))
                    })
                    .collect();
                row("then", if ladder.is_empty() { "nobody".to_owned() } else { ladder.join("; ") });
                row("when it cannot be asked", own.failure.to_string());
                row("by hand", own.fallback.clone());
                let clocks =
                    if own.clocks.is_empty() { "all that are known".to_owned() } else { own.clocks.join(", ") };
                row("clocks", clocks);
                let taken = gate.acknowledged.as_ref().map(|m| format!("{} (entry {})", m.time, m.index));
                row("taken on by its owner", taken.unwrap_or_else(|| "not yet".to_owned()));
                let review = gate.review.as_ref();
                let came = review.and_then(|r| r.finding.clone()).map(|f| format!(": {f}")).unwrap_or_default();
                row("last reviewed", format!("{}{came}", gate.reviewed));
            }
        }
        page.table(&["what", "how"], rows, "");
    }
}

fn controls(all: &Collected, catalogue: &Catalogue, page: &mut Page) {
    page.heading(2, "Controls and their levels");
    page.text(
        "What breaks a control of the level audit or advisory stands in the decision and blocks nothing; soft blocks until it is \
         overridden; hard blocks. What belongs to no registered application or environment has the strictest level of its row.",
    );
    let mut by_gate: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for gate in &all.served {
        for control in &gate.controls {
            by_gate.entry(control).or_default().insert(&gate.name);
        }
    }
    // What the gates do not serve is worth a row where its level is said.
    for control in all.assignment.rules.iter().flat_map(|rule| &rule.controls).filter(|c| *c != "*") {
        by_gate.entry(control).or_default();
    }
    let rows = by_gate.into_iter().map(|(control, gates)| {
        let known = catalogue.get(control);
        let mut row = vec![
            control.to_owned(),
            known.map(|c| c.objective.trim().to_owned()).unwrap_or_default(),
            gates.into_iter().collect::<Vec<_>>().join(", "),
            known.map(|c| format!("{} hours", c.sla_hours)).unwrap_or_default(),
        ];
        row.extend(Tier::ALL.iter().rev().map(|tier| levels(&all.assignment, control, *tier)));
        row
    });
    let head =
        ["control", "objective", "gates", "answered within", "production", "pre-production", "test", "development"];
    page.table(&head, rows.collect(), "No gate serves a control.");
    page.text(format!(
        "Who may override what is soft: {}, unless the rule says otherwise.",
        all.assignment.overrider.with_article()
    ));
}

/// The level of a control in a tier; by criticality where that makes a difference.
fn levels(assignment: &Assignment, control: &str, tier: Tier) -> String {
    let of = |c: &Criticality| assignment.level_at(control, (tier, *c));
    let distinct: BTreeSet<Level> = Criticality::ALL.iter().map(of).collect();
    match distinct.first() {
        Some(level) if distinct.len() == 1 => level.to_string(),
        _ => Criticality::ALL.iter().rev().map(|c| format!("{c}: {}", of(c))).collect::<Vec<_>>().join(", "),
    }
}

/// The people who are so, by name.
fn named(all: &Collected, is_so: impl Fn(&Somebody) -> bool) -> String {
    let mut names: Vec<&str> = all.people.values().filter(|p| is_so(p)).map(|p| p.label.as_str()).collect();
    names.sort_unstable();
    if names.is_empty() { "nobody".to_owned() } else { names.join(", ") }
}

fn people(all: &Collected, page: &mut Page) {
    page.heading(2, "Who does what");
    let rows = Role::ALL.iter().map(|role| {
        let holders = named(all, |p| p.roles.contains(role) && !p.erased);
        let does = match role {
            Role::Developer => "writes code",
            Role::Engineer => "approves on technical grounds",
            Role::ReleaseManager => "issues grants to deploy; registers what weakens nothing",
            Role::SecurityOfficer => "policies, levels, owners of gates; grants what is mitigated",
            Role::ComplianceOfficer => {
                "approves on regulatory grounds; policies, levels, owners of gates; grants what is waived"
            }
            Role::Auditor => "reads",
            Role::Administrator => "enrols people, grants roles, registers applications and environments",
        };
        vec![role.to_string(), does.to_owned(), holders]
    });
    page.table(&["role", "does", "held by"], rows.collect(), "");
}

fn registry(session: &Session, all: &Collected, page: &mut Page) -> Result<(), Error> {
    let label = |id: &PersonId| all.people.get(id).map_or_else(|| id.to_string(), |p| p.label.clone());
    page.heading(2, "Applications and environments");
    let applications = session.state().applications()?;
    let rows = applications.into_iter().filter(|a| a.retired.is_none()).map(|a| {
        let a = a.what;
        let data: Vec<&str> = a.data.iter().map(|d| d.as_str()).collect();
        let sox = if a.sox_key_system { "yes" } else { "no" };
        vec![
            a.id,
            label(&a.owner),
            a.deputy.as_ref().map_or_else(|| "nobody".to_owned(), label),
            a.criticality.to_string(),
            data.join(", "),
            a.cardholder_scope.to_string(),
            sox.to_owned(),
            a.repositories.join(", "),
        ]
    });
    let head = ["application", "owner", "deputy", "criticality", "data", "cardholder scope", "SOX key", "repositories"];
    page.table(
        &head,
        rows.collect(),
        "No application is registered: every repository is judged by the strictest default.",
    );
    let environments = session.state().environments()?;
    let rows =
        environments.into_iter().filter(|e| e.retired.is_none()).map(|e| vec![e.what.id, e.what.tier.to_string()]);
    page.table(
        &["environment", "tier"],
        rows.collect(),
        "No environment is registered: every one is judged by the strictest default.",
    );
    Ok(())
}

fn emergencies(session: &Session, all: &Collected, masked: bool, page: &mut Page) -> Result<(), Error> {
    page.heading(2, "Break-glass");
    page.text(
        "In an emergency a security officer lets a run past the gates, for at most a day: countersign break-glass open RUN \
         --environment ENV --reason TEXT --ticket ID. It goes past a change freeze, too, and nothing goes past the record. Another \
         officer ratifies it and somebody else reviews it, neither of whom took part; until when is in the table. What is overdue \
         makes the environment non-compliant, and the ladder of the gate release is told (countersign break-glass notify, by a \
         scheduler). Where the gates cannot be asked at all, the manual fallback of each gate stands above.",
    );
    let at = session.now().max(session.state().newest_time()?);
    let may = |action: countersign_model::Action| {
        let holds = |p: &Somebody| action.roles().iter().any(|role| p.roles.contains(role));
        named(all, holds)
    };
    let rows = [
        ("breaks the glass", countersign_model::Action::BreakGlass),
        ("ratifies", countersign_model::Action::RatifyBreakGlass),
        ("reviews", countersign_model::Action::ReviewBreakGlass),
    ];
    let rows = rows.iter().map(|(what, action)| vec![(*what).to_owned(), action.any_of(), may(*action)]);
    page.table(&["who", "role", "today"], rows.collect(), "");
    let word = |standing| match standing {
        Standing::Done => "done",
        Standing::DoneLate => "done late",
        Standing::Owed => "owed",
        Standing::Overdue => "overdue",
    };
    let rows = session.state().emergencies()?.into_iter().map(|row| {
        let duty = |owed| format!("{}, until {}", word(row.standing(owed, at)), row.due(owed));
        vec![
            row.opened.id.to_string(),
            row.opened.environment.clone(),
            if masked { "masked".to_owned() } else { row.opened.ticket.clone() },
            row.opened.time.to_string(),
            duty(Owed::Ratification),
            duty(Owed::Review),
        ]
    });
    let head = ["emergency", "environment", "ticket", "opened", "ratification", "review"];
    page.table(&head, rows.collect(), "The glass was never broken.");
    Ok(())
}

fn waivers_of(session: &Session, all: &Collected, page: &mut Page) -> Result<(), Error> {
    let label = |id: &PersonId| all.people.get(id).map_or_else(|| id.to_string(), |p| p.label.clone());
    page.heading(2, "Waivers in force and asked for");
    let standing = waivers::list(session)?;
    let wanted = [WaiverState::Active, WaiverState::Upcoming, WaiverState::Requested];
    let rows = standing.into_iter().filter(|w| wanted.contains(&w.state)).map(|w| {
        let unmatched = if w.is_unmatched() { ", covers nothing any more" } else { "" };
        let r = w.row.request;
        let by = w.row.granted.map_or_else(|| "nobody yet".to_owned(), |g| label(&g.by));
        let category = match &r.compensating {
            Some(control) => format!("{}: {control}", r.category),
            None => r.category.to_string(),
        };
        vec![
            r.waiver.to_string(),
            format!("{}{unmatched}", w.state.as_str()),
            r.scope.describe(),
            category,
            r.acceptance.clone(),
            label(&r.by),
            by,
            r.expires.to_string(),
            r.renewals.to_string(),
        ]
    });
    let head = ["waiver", "state", "covers", "category", "accepted", "asked by", "granted by", "until", "renewals"];
    page.table(&head, rows.collect(), "None.");
    Ok(())
}

fn retention(session: &Session, page: &mut Page) -> Result<(), Error> {
    page.heading(2, "How long what is recorded is kept");
    let schedule = session.state().schedule()?;
    let (default, _) = session.state().default_class()?;
    page.text(format!("What is recorded now is of the class {default}."));
    let classes = Retention::BUILT_IN.into_iter().chain(schedule.classes.keys().copied());
    let rows = classes.filter_map(|class| {
        let rule = schedule.rule(class)?;
        Some(vec![class.to_string(), rule.period.to_string(), rule.start.to_string(), rule.source])
    });
    page.table(&["class", "kept for", "counted from", "source"], rows.collect(), "");
    let holds = schedule.open_holds().count();
    page.text(format!(
        "Open legal holds: {holds}. What is under hold stays, whatever its dates: countersign hold list."
    ));
    Ok(())
}
