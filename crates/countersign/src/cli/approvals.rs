//! `approvals`, `reject` and `withdraw`.

use std::fmt::Write as _;
use std::path::Path;

use countersign_govern::access;
use countersign_govern::approvals::{self as acts, Gap};
use countersign_model::access::{ApprovalRules, MergedRules, SlotRule};
use countersign_model::{Digest, Exit};
use countersign_policy::approvals::{POLICY_SLOTS, digest};
use countersign_stages::build::confined::ConfinedEngine;
use countersign_stages::release::approve::listed;
use countersign_stages::release::pen::Pen;
use countersign_stages::release::reject::{self as says, Spoken};
use countersign_stages::release::withdraw;
use countersign_store::Session;
use serde_json::{Value, json};

use super::approvals_args::{ApprovalsArgs, ApprovalsVerb, SayArgs};
use super::args::{Format, PlaceArgs};
use super::place::{find_run, notices};
use super::{remote_rules, remote_says};
use crate::config::Environment;
use crate::errors::{CliError, Failure, Outcome};
use crate::output::{self, Paint, gates, printable};

/// `reject`.
pub(crate) fn reject(at: &PlaceArgs, args: &SayArgs, env: &Environment) -> Outcome {
    if let Some(client) = args.server.client(env)? {
        return remote_says::about_run(&client, at, args, true, env);
    }
    let mut session = at.open(env)?;
    let run = find_run(&session, &args.run)?;
    let said =
        says::reject(&mut session, &ConfinedEngine, &run, &args.reason, Pen::Key(&args.key.signer(env)?))?.done()?;
    spoken(&mut session, "rejected", &said, args.format, env)
}

/// `withdraw`.
pub(crate) fn withdraw(at: &PlaceArgs, args: &SayArgs, env: &Environment) -> Outcome {
    if let Some(client) = args.server.client(env)? {
        return remote_says::about_run(&client, at, args, false, env);
    }
    let mut session = at.open(env)?;
    let run = find_run(&session, &args.run)?;
    let pen = args.key.signer(env)?;
    let said = withdraw::withdraw(&mut session, &ConfinedEngine, &run, &args.reason, Pen::Key(&pen))?.done()?;
    spoken(&mut session, "taken back", &said, args.format, env)
}

fn spoken(session: &mut Session, what: &str, said: &Spoken, format: Format, env: &Environment) -> Outcome {
    notices(session);
    match format {
        Format::Json => output::json(&said.to_json())?,
        Format::Text => {
            let p = Paint::of(env);
            let who = printable(&session.state().label(&said.person)?);
            let mut text = format!("{}✓{} {} {what} by {who} (entry {})\n", p.good, p.reset, said.run, said.index);
            for index in &said.ended {
                let _ = writeln!(text, "  entry {index} counts no more");
            }
            text.push('\n');
            text.push_str(&gates::signatures(&said.gates, &said.run, session.state(), &p)?);
            output::print(&text)?;
        }
    }
    Ok(Exit::Pass)
}

/// `approvals`.
pub(crate) fn run(at: &PlaceArgs, args: &ApprovalsArgs, env: &Environment) -> Outcome {
    match &args.verb {
        ApprovalsVerb::List { run, format } => {
            let mut session = at.open(env)?;
            let run = find_run(&session, run)?;
            let all = listed(&mut session, &ConfinedEngine, &run)?;
            match format {
                Format::Json => {
                    let rows: Vec<Value> = all.iter().map(|l| l.to_json()).collect();
                    output::json(&json!({"version": 1, "run": run, "said": rows}))?;
                }
                Format::Text => output::print(&list(&session, &all)?)?,
            }
        }
        ApprovalsVerb::Check { file, format } => {
            let rules = read(file)?;
            // Whether there are people for it is said where a ledger is that knows them.
            let session = at.open(env).ok().filter(|s| s.state().trust().is_some());
            let gaps = session.as_ref().map(|s| acts::gaps(s.state(), &rules)).transpose()?.unwrap_or_default();
            match format {
                Format::Json => output::json(&to_json(&rules, None, &gaps)?)?,
                Format::Text => {
                    let mut out = table(&rules);
                    if let Some(session) = &session {
                        out.push_str(&wanting(session, &gaps)?);
                    }
                    let name = file.display();
                    out.push_str(&match gaps.iter().any(|gap| !gap.unknown) {
                        true => format!("✗ {name} is well-formed, and cannot be put in effect\n"),
                        false => format!("✓ {name} can be put in effect\n"),
                    });
                    output::print(&out)?;
                }
            }
            if gaps.iter().any(|gap| !gap.unknown) {
                return Ok(Exit::Denied);
            }
        }
        ApprovalsVerb::Activate { file, reason, key, server, format } => {
            let rules = read(file)?;
            if let Some(client) = server.client(env)? {
                return remote_rules::approvals(&client, &rules, reason.as_deref(), key, *format, env);
            }
            let mut session = at.open(env)?;
            let pen = key.signer(env)?;
            let written = acts::activate(&mut session, &rules, reason.as_deref(), access::Pen::Key(&pen))?;
            notices(&mut session);
            let wanting = wanting(&session, &acts::gaps(session.state(), &rules)?)?;
            in_effect(&digest(&rules)?, written.done_if_new()?, &wanting, *format)?;
        }
        ApprovalsVerb::Show { format } => {
            let session = at.open(env)?;
            match (format, session.state().approval_rules()?) {
                (Format::Json, Some(active)) => {
                    let gaps = acts::gaps(session.state(), &active.rules)?;
                    output::json(&to_json(&active.rules, Some(active.index), &gaps)?)?;
                }
                (Format::Json, None) => output::json(&json!({"version": 1, "index": null, "rules": null}))?,
                (Format::Text, Some(active)) => {
                    let by = printable(&session.state().label(&active.by)?);
                    let mut out = format!("{}  entry {}, by {by}, {}\n", active.digest, active.index, active.time);
                    out.push_str(&table(&active.rules));
                    out.push_str(&wanting(&session, &acts::gaps(session.state(), &active.rules)?)?);
                    output::print(&out)?;
                }
                (Format::Text, None) => output::print(
                    "no approval rules are in effect: a release needs what the policy requires, technical by an engineer and \
                     regulatory by a compliance-officer\n\
                     Next: write approvals.yaml, then: countersign approvals check approvals.yaml\n",
                )?,
            }
        }
    }
    Ok(Exit::Pass)
}

/// Says that rules are in effect: since this entry, or already.
pub(super) fn in_effect(rules: &Digest, index: Option<u64>, wanting: &str, format: Format) -> Result<(), Failure> {
    match (format, index) {
        (Format::Json, index) => Ok(output::json(&json!({"version": 1, "index": index, "rules": rules}))?),
        (Format::Text, Some(index)) => Ok(output::print(&format!(
            "✓ the approval rules {rules} are in effect from here on (entry {index}); approvals given before do not count any \
             more\n{wanting}"
        ))?),
        (Format::Text, None) => {
            Ok(output::print(&format!("✓ the approval rules {rules} are in effect already\n{wanting}"))?)
        }
    }
}

fn read(file: &Path) -> Result<ApprovalRules, Failure> {
    let text = CliError::text_of(file)?;
    Ok(acts::parse(&file.display().to_string(), &text)?)
}

/// What nobody could fill.
fn wanting(session: &Session, gaps: &[Gap]) -> Result<String, Failure> {
    let mut out = String::new();
    for gap in gaps {
        out.push_str(&warning(&acts::sentence(session.state(), gap)?));
    }
    Ok(out)
}

/// A sentence about what nobody could fill.
pub(super) fn warning(sentence: &str) -> String {
    format!("! {}\n", printable(sentence))
}

/// What is needed where; places that need the same stand together.
fn table(rules: &ApprovalRules) -> String {
    let mut groups: Vec<(Vec<String>, MergedRules)> = Vec::new();
    for (tier, criticality, merged) in rules.places(&POLICY_SLOTS) {
        let place = format!("{tier}/{criticality}");
        match groups.iter_mut().find(|(_, m)| *m == merged) {
            Some((places, _)) => places.push(place),
            None => groups.push((vec![place], merged)),
        }
    }
    let mut out = String::new();
    for (places, merged) in groups {
        let _ = writeln!(out, "{}", places.join(", "));
        for rule in &merged.slots {
            let _ = writeln!(out, "  {:<14} {} of: {}{}", rule.slot.as_str(), rule.count, rule.who(), besides(rule));
        }
        let mut deployer = String::from("an author never");
        if merged.deployer_differs {
            deployer.push_str(", nobody who approved");
        }
        for duty in &merged.deployer_excludes {
            let _ = write!(deployer, ", no {duty}");
        }
        let _ = writeln!(out, "  {:<14} {deployer}", "deployer");
    }
    out
}

fn besides(rule: &SlotRule) -> String {
    let mut out = String::new();
    for duty in &rule.excludes {
        let _ = write!(out, ", no {duty}");
    }
    for after in &rule.after {
        let _ = write!(out, ", after {after}");
    }
    if let Some(hours) = rule.valid_hours {
        let _ = write!(out, ", for {hours} h");
    }
    if rule.strength != Default::default() {
        let _ = write!(out, ", {} key", rule.strength);
    }
    out
}

fn to_json(rules: &ApprovalRules, index: Option<u64>, gaps: &[Gap]) -> Result<Value, Failure> {
    let places: Vec<Value> = rules
        .places(&POLICY_SLOTS)
        .into_iter()
        .map(|(tier, criticality, m)| {
            json!({
                "tier": tier, "criticality": criticality, "slots": m.slots, "deployer_differs": m.deployer_differs,
                "deployer_excludes": m.deployer_excludes,
            })
        })
        .collect();
    let gaps: Vec<Value> = gaps
        .iter()
        .map(|gap| {
            let slots: Vec<Value> = gap.what.slots.iter().map(|(s, n)| json!({"slot": s, "count": n})).collect();
            json!({
                "place": gap.place, "registered": !gap.unknown, "slots": slots, "people": gap.what.people,
                "missing": gap.what.missing,
            })
        })
        .collect();
    Ok(json!({
        "version": 1, "index": index, "digest": digest(rules)?, "rules": rules, "places": places, "unfillable": gaps,
    }))
}

fn list(session: &Session, all: &[countersign_stages::release::approve::Listed]) -> Result<String, Failure> {
    use countersign_stages::release::approve::Listed;
    if all.is_empty() {
        return Ok("nobody has said anything about this run\n".to_owned());
    }
    let mut out = String::new();
    for said in all {
        let who = printable(&session.state().label(said.person())?);
        match said {
            Listed::Approval { row, counts, why } => {
                let mark = if *counts { "✓" } else { "-" };
                let a = &row.said;
                let _ = writeln!(out, "{mark} entry {}  {} approval by {who}, {}", row.index, row.slot, row.time);
                let _ = writeln!(out, "    device     {} on {}, {}", row.device.key, row.device.host, row.strength);
                let _ = writeln!(
                    out,
                    "    binds      commit {}, tree {}, for {}",
                    short(&a.commit),
                    short(&a.tree),
                    a.environment
                );
                let _ = writeln!(out, "    decision   {}, policy bundle {}", a.decision.short(), a.bundle.short());
                for artifact in &a.artifacts {
                    let _ = writeln!(out, "    artifact   {} {}", printable(&artifact.name), artifact.digest.short());
                }
                for (what, digest) in
                    [("levels", a.levels), ("rules", a.rules), ("waivers", a.waivers), ("findings", a.findings)]
                {
                    if let Some(digest) = digest {
                        let _ = writeln!(out, "    {what:<10} {}", digest.short());
                    }
                }
                if let Some(seen) = &a.evidence {
                    let _ = writeln!(out, "    log        {} entries, root {}", seen.size, seen.root.short());
                }
                if let Some(end) = a.expires {
                    let _ = writeln!(out, "    until      {end}");
                }
                if let Some(why) = why {
                    let _ = writeln!(out, "    does not count: {}", printable(why));
                }
            }
            Listed::Rejection { row } => {
                let _ = writeln!(out, "✗ entry {}  rejected by {who}, {}", row.index, row.said.time);
                let _ = writeln!(out, "    reason     {}", printable(&row.said.reason));
                if let Some(entry) = row.withdrawn {
                    let _ = writeln!(out, "    taken back in entry {entry}");
                }
            }
            Listed::Withdrawal { row } => {
                let _ = writeln!(out, "  entry {}  taken back by {who}, {}", row.index, row.time);
                let _ = writeln!(out, "    reason     {}", printable(&row.reason));
            }
        }
    }
    Ok(out)
}

fn short(id: &str) -> &str {
    id.get(..12).unwrap_or(id)
}
