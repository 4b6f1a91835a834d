//! `gate`: where a run's gates stand, and who answers for them.

use std::fmt::Write as _;
use std::path::Path;

use countersign_connect::git::Head;
use countersign_govern::access::Pen;
use countersign_govern::gates::{self as acts, Owned};
use countersign_govern::runbook::lint::duration;
use countersign_model::governance::GateOwners;
use countersign_model::governance::gates::Asked;
use countersign_model::{Exit, PersonId, RunId};
use countersign_stages::build::confined::ConfinedEngine;
use countersign_stages::build::replay::decision_id;
use countersign_stages::build::run::check;
use countersign_stages::build::workload::Workload;
use countersign_stages::release::rules::overall;
use countersign_store::Session;
use serde_json::{Value, json};

use super::args::{Format, GateArgs, GateVerb, PlaceArgs};
use super::ci;
use super::place::{find_run, notices};
use super::{remote, remote_documents, remote_gates};
use crate::config::Environment;
use crate::errors::{CliError, Failure, Outcome};
use crate::output::run::{exit, root};
use crate::output::{self, Paint, explain, gates, printable, summary};

/// `gate`.
pub(crate) fn run(at: &PlaceArgs, args: &GateArgs, env: &Environment) -> Outcome {
    if let GateVerb::Check { run, server, format, .. } = &args.verb
        && let Some(client) = server.client(env)?
    {
        return remote::check(&client, run.as_deref(), *format, at, env);
    }
    if let GateVerb::Acknowledge { server, .. } | GateVerb::Review { server, .. } = &args.verb
        && let Some(client) = server.client(env)?
    {
        return remote_gates::run(&client, &args.verb, env);
    }
    if let GateVerb::Activate { file, dry_run, reason, key, server, format } = &args.verb
        && let Some(client) = server.client(env)?
    {
        if *dry_run {
            return Err(remote::only_here("--dry-run"));
        }
        let (name, text) = (file.display().to_string(), CliError::text_of(file)?);
        let file = remote_documents::File { name: &name, text: &text, only: &[], reason: reason.as_deref() };
        return remote_documents::owners(&client, &file, key, *format, env);
    }
    let mut session = at.open(env)?;
    match &args.verb {
        GateVerb::Check { run, token, summary, format, .. } => {
            let run = ci::run_named(run.as_deref(), &session, env)?;
            let shown = ci::attach(token, &mut session, &run, env)?;
            let about = Look { run, proved: shown.as_ref().map(Workload::system), summary: summary.summary.as_deref() };
            return checked(&mut session, &about, *format, env);
        }
        GateVerb::Explain { run, format } => return explained(at, &mut session, run, *format, env),
        GateVerb::List { format } => {
            let all = acts::list(&session)?;
            match format {
                Format::Json => {
                    let rows: Vec<Value> = all.iter().map(to_json).collect();
                    output::json(&json!({"version": 1, "gates": rows}))?;
                }
                Format::Text => output::print(&list(&session, &all)?)?,
            }
        }
        GateVerb::Show { gate, format } => {
            let all = acts::list(&session)?;
            let one = all.iter().find(|g| g.ownership.gate == *gate);
            let one = one.ok_or_else(|| countersign_govern::Error::NoSuchGate { gate: gate.clone() })?;
            match format {
                Format::Json => {
                    let mut one = to_json(one);
                    if let Some(object) = one.as_object_mut() {
                        object.insert("version".into(), 1.into());
                    }
                    output::json(&one)?;
                }
                Format::Text => output::print(&page(&session, one)?)?,
            }
        }
        GateVerb::Activate { file, dry_run, reason, key, format, .. } => {
            let owners = read(&session, file)?;
            let name = file.display();
            if *dry_run {
                output::print(&format!("✓ {name} can be put in effect; nothing was changed\n"))?;
                return Ok(Exit::Pass);
            }
            let pen = key.signer(env)?;
            let written = acts::activate(&mut session, &owners, reason.as_deref(), Pen::Key(&pen))?;
            said(*format, written.done_if_new()?, OWNERS_IN_EFFECT, json!(owners))?;
        }
        GateVerb::Acknowledge { gate, key, format, .. } => {
            let index = acts::acknowledge(&mut session, gate, Pen::Key(&key.signer(env)?))?.done()?;
            said(*format, Some(index), &taken_on(gate), json!({"gate": gate}))?;
        }
        GateVerb::Review { gate, finding, key, format, .. } => {
            let index = acts::review(&mut session, gate, finding, Pen::Key(&key.signer(env)?))?.done()?;
            said(*format, Some(index), &reviewed(gate), json!({"gate": gate}))?;
        }
    }
    notices(&mut session);
    Ok(Exit::Pass)
}

/// What a look at a run's gates is about.
struct Look<'a> {
    run: RunId,
    /// The system whose token was verified.
    proved: Option<&'a str>,
    /// Where a summary is written.
    summary: Option<&'a Path>,
}

/// Decides again on the present state, and says where every gate stands.
fn checked(session: &mut Session, asked: &Look<'_>, format: Format, env: &Environment) -> Outcome {
    let run = &asked.run;
    let (decision, gates, index) = check(session, &ConfinedEngine, run)?;
    notices(session);
    let outcome = overall(&gates);
    let digest = decision.digest()?;
    let ci = env.ci.as_ref();
    if let Some(path) = asked.summary.or_else(|| ci.and_then(|ci| ci.summary.as_deref())) {
        let commit = session.state().run(run)?.map(|row| row.commit).unwrap_or_default();
        let (decision, proved) = (&decision_id(&digest), asked.proved);
        summary::append(
            path,
            &summary::About { run, commit: &commit, decision, outcome, gates: &gates, index, ci, proved },
        )?;
    }
    match format {
        Format::Json => output::json(&json!({
            "version": 1,
            "run": {"id": run},
            "gates": gates::to_json(&gates),
            "decision": {"id": decision_id(&digest), "outcome": outcome, "digest": digest},
            "receipt": {"index": index, "size": session.ledger().size(), "root": root(session)},
            "non_compliant": super::environment::non_compliant(session)?,
        }))?,
        Format::Text => {
            let p = Paint::of(env);
            let mut out = gates::table(&gates, &p);
            out.push('\n');
            out.push_str(&gates::signatures(&gates, run, session.state(), &p)?);
            let (mark, colour) = gates::sign(outcome, &p);
            for line in super::environment::overdue(session)? {
                out.push_str(&format!("{}!{} {line}\n", p.bad, p.reset));
            }
            out.push_str(&format!("\n{run}  {}  {colour}{mark} {outcome}{}\n", decision_id(&digest), p.reset));
            output::print(&out)?;
        }
    }
    Ok(exit(outcome))
}

/// Decides again, and says slot by slot how the approvals stand.
fn explained(at: &PlaceArgs, session: &mut Session, run: &str, format: Format, env: &Environment) -> Outcome {
    let run = match run {
        "HEAD" => match at.repository()?.head()? {
            Head::Commit { id, .. } => find_run(session, &id)?,
            Head::Unborn { branch } => return Err(countersign_stages::Error::NoCommits { branch }.into()),
        },
        named => find_run(session, named)?,
    };
    let (decision, gates, _) = check(session, &ConfinedEngine, &run)?;
    notices(session);
    let outcome = overall(&gates);
    match format {
        Format::Json => output::json(&json!({
            "version": 1,
            "run": {"id": run},
            "decision": {"id": decision_id(&decision.digest()?), "outcome": outcome},
            "gates": explain::to_json(&gates, session.state())?,
        }))?,
        Format::Text => {
            let p = Paint::of(env);
            let mut out = explain::text(&gates, &run, session.state(), &p)?;
            let (mark, colour) = gates::sign(outcome, &p);
            let id = decision_id(&decision.digest()?);
            out.push_str(&format!("\n{run}  {id}  {colour}{mark} {outcome}{}\n", p.reset));
            output::print(&out)?;
        }
    }
    Ok(exit(outcome))
}

/// In a sentence, that owners are in effect.
pub(super) const OWNERS_IN_EFFECT: &str = "the owners of the gates are in effect from here on";

fn read(session: &Session, file: &Path) -> Result<GateOwners, Failure> {
    let text = CliError::text_of(file)?;
    let name = file.display().to_string();
    let owners = acts::parse(session.state(), &name, &text)?;
    acts::check_open(session, &ConfinedEngine, &name, &owners)?;
    Ok(owners)
}

/// In a sentence, that its owner took a gate on.
pub(super) fn taken_on(gate: &str) -> String {
    format!("the gate {} is taken on", printable(gate))
}

/// In a sentence, that a gate was reviewed.
pub(super) fn reviewed(gate: &str) -> String {
    format!("the gate {} is reviewed", printable(gate))
}

/// Says in which entry something is said now; or that it was said before.
pub(super) fn said(format: Format, index: Option<u64>, text: &str, what: Value) -> Result<(), Failure> {
    match format {
        Format::Json => output::json(&json!({"version": 1, "index": index, "said": what})),
        Format::Text => output::print(&match index {
            Some(index) => format!("✓ {text} (entry {index})\n"),
            None => "✓ they are in effect already\n".to_owned(),
        }),
    }
}

fn to_json(gate: &Owned) -> Value {
    json!({
        "gate": gate.ownership.gate, "ownership": gate.ownership, "reviewed": gate.reviewed,
        "acknowledged": gate.acknowledged.as_ref().map(|m| json!({"index": m.index, "time": m.time})),
        "review": gate.review.as_ref().map(|m| json!({
            "index": m.index, "time": m.time, "by": m.by, "finding": m.finding,
        })),
    })
}

fn list(session: &Session, all: &[Owned]) -> Result<String, Failure> {
    if all.is_empty() {
        return Ok("nobody owns a gate: an officer says who with `countersign gate activate FILE`\n".to_owned());
    }
    let mut out = String::new();
    for gate in all {
        let own = &gate.ownership;
        let taken = if gate.acknowledged.is_some() { "taken on" } else { "not taken on" };
        let _ = writeln!(
            out,
            "{:<11} {:<20} within {:<5} reviewed {}  {taken}",
            own.gate,
            printable(&session.state().label(&own.owner)?),
            duration(own.respond_minutes),
            gate.reviewed
        );
    }
    out.push_str("What is wrong with them: countersign runbook lint\n");
    Ok(out)
}

fn page(session: &Session, gate: &Owned) -> Result<String, Failure> {
    let label = |id: &PersonId| session.state().label(id).map(|name| printable(&name));
    let own = &gate.ownership;
    let mut out = format!("{}\n", own.gate);
    let _ = writeln!(out, "  owner            {}", label(&own.owner)?);
    if let Some(deputy) = &own.deputy {
        let _ = writeln!(out, "  deputy           {}", label(deputy)?);
    }
    let _ = writeln!(out, "  answered within  {}", duration(own.respond_minutes));
    for step in &own.escalation {
        let whom = match &step.ask {
            Asked::Person(person) => label(person)?,
            Asked::Role(role) => role.with_article(),
        };
        let _ = writeln!(out, "  after {:<10} {whom}", duration(step.after_minutes));
    }
    let _ = writeln!(out, "  cannot be asked  {}: {}", own.failure, printable(&own.fallback));
    let clocks = if own.clocks.is_empty() { "all that are known".to_owned() } else { own.clocks.join(", ") };
    let _ = writeln!(out, "  clocks           {clocks}");
    match &gate.acknowledged {
        Some(mark) => {
            let _ = writeln!(out, "  taken on         {} (entry {})", mark.time, mark.index);
        }
        None => {
            let _ = writeln!(out, "  taken on         not yet: countersign gate acknowledge {}", own.gate);
        }
    }
    let finding = gate.review.as_ref().and_then(|r| r.finding.as_deref()).map(printable).unwrap_or_default();
    let _ = writeln!(out, "  last reviewed    {} {finding}", gate.reviewed);
    Ok(out)
}
