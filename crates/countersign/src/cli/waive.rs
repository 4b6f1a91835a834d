//! `waive`: a broken control may stand for a while, where two people say so.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use countersign_govern::access::Pen;
use countersign_govern::waivers::{self as acts, Request, Standing};
use countersign_model::governance::Scope;
use countersign_model::{Digest, Exit, PersonId, WaiverId};
use countersign_stages::build::decide::read_joined;
use countersign_store::Session;
use countersign_store::projection::WaiverState;
use serde::Deserialize as _;
use serde_json::{Value, json};

use super::args::{Format, PlaceArgs};
use super::catalogue;
use super::place::{find_run, notices};
use super::registry::this_repository;
use super::remote_says;
use super::waive_args::{RequestArgs, WaiveArgs, WaiveVerb};
use crate::config::Environment;
use crate::errors::{CliError, Failure, Outcome};
use crate::output::{self, printable, word};

/// `waive`.
pub(crate) fn run(at: &PlaceArgs, args: &WaiveArgs, env: &Environment) -> Outcome {
    if let Some(client) = args.verb.server().map(|server| server.client(env)).transpose()?.flatten() {
        return remote_says::waive(&client, at, &args.verb, env);
    }
    let mut session = at.open(env)?;
    match &args.verb {
        WaiveVerb::Request(a) => {
            let asked = asked(at, &session, a)?;
            let (id, written) =
                acts::request(&mut session, &asked, &catalogue::load(at)?, Pen::Key(&a.key.signer(env)?))?;
            let role = asked.category.granted_by().with_article();
            let next = format!("Next: {role} who did not ask: countersign waive grant {id} --reason TEXT\n");
            said(a.format, &id, written.done()?, "is asked for", &next)?;
        }
        WaiveVerb::Grant { waiver, reason, key, format, .. } => {
            let (id, written) = acts::grant(&mut session, waiver, reason, Pen::Key(&key.signer(env)?))?;
            let until = acts::find(&session, id.as_str())?.row.request.expires;
            said(
                *format,
                &id,
                written.done()?,
                &format!("is granted until {until}"),
                "What it covers stays visible.\n",
            )?;
        }
        WaiveVerb::Reject { waiver, reason, key, format, .. } => {
            let (id, written) = acts::reject(&mut session, waiver, reason, Pen::Key(&key.signer(env)?))?;
            said(*format, &id, written.done()?, "is rejected", "")?;
        }
        WaiveVerb::Revoke { waiver, reason, key, format, .. } => {
            let (id, written) = acts::revoke(&mut session, waiver, reason, Pen::Key(&key.signer(env)?))?;
            said(*format, &id, written.done()?, "is revoked", "What it covered counts again.\n")?;
        }
        WaiveVerb::Renew { waiver, accept, days, key, format, .. } => {
            let (id, written) =
                acts::renew(&mut session, waiver, accept, *days, &catalogue::load(at)?, Pen::Key(&key.signer(env)?))?;
            let row = acts::find(&session, id.as_str())?.row;
            let role = row.request.category.granted_by().with_article();
            let next = format!(
                "It is renewal {}. Next: {role} who did not ask: countersign waive grant {id} --reason TEXT\n",
                row.request.renewals
            );
            said(*format, &id, written.done()?, "is asked for", &next)?;
        }
        WaiveVerb::List { format, .. } => {
            let all: Vec<Value> = acts::list(&session)?.iter().map(Standing::to_json).collect();
            listed(&all, *format)?;
        }
        WaiveVerb::Show { waiver, format, .. } => {
            let one = acts::find(&session, waiver)?.to_json();
            shown(one, *format, &|id| Ok(printable(&session.state().label(&PersonId::from_text(id))?)))?;
        }
    }
    notices(&mut session);
    Ok(Exit::Pass)
}

fn asked(at: &PlaceArgs, session: &Session, a: &RequestArgs) -> Result<Request, Failure> {
    let repository = if a.this_repository { Some(this_repository(at)?) } else { a.repository.clone() };
    let controls: BTreeSet<String> = a.control.iter().cloned().collect();
    Ok(Request {
        scope: Scope {
            controls: controls.into_iter().collect(),
            application: a.application.clone(),
            repository,
            environment: a.environment.clone(),
            tier: a.tier,
            path: a.path.clone(),
            rule: a.rule.clone(),
            fingerprint: a.finding.as_deref().map(|f| fingerprint(session, f)).transpose()?,
        },
        category: a.category,
        compensating: a.compensating.clone(),
        acceptance: a.accept.clone(),
        not_before: a.from,
        days: a.days,
    })
}

/// A whole fingerprint, or the one finding of the latest run whose fingerprint starts so.
fn fingerprint(session: &Session, text: &str) -> Result<Digest, Failure> {
    let hex = text.strip_prefix("sha256:").unwrap_or(text);
    if let Ok(whole) = format!("sha256:{hex}").parse::<Digest>() {
        return Ok(whole);
    }
    let run = find_run(session, "latest")?;
    let row = session.state().run(&run)?;
    let seen = row.map(|row| read_joined(session, &row)).transpose()?.map(|joined| joined.findings).unwrap_or_default();
    let fits: BTreeSet<Digest> =
        seen.iter().map(|s| s.finding.fingerprint).filter(|f| hex.len() >= 6 && f.hex().starts_with(hex)).collect();
    match fits.into_iter().collect::<Vec<_>>().as_slice() {
        [one] => Ok(*one),
        found => {
            let what = format!("`{text}` means {} findings of {run}", found.len());
            Err(CliError::Usage {
                what,
                help: "see them with their fingerprints: countersign run --format json".into(),
            }
            .into())
        }
    }
}

fn said(format: Format, id: &WaiverId, index: u64, what: &str, next: &str) -> Result<(), Failure> {
    match format {
        Format::Json => output::json(&json!({"version": 1, "waiver": id, "index": index})),
        Format::Text => output::print(&format!("✓ {id} {what} (entry {index})\n{next}")),
    }
}

/// Prints all of them.
pub(super) fn listed(all: &[Value], format: Format) -> Result<(), Failure> {
    match format {
        Format::Json => output::json(&json!({"version": 1, "waivers": all})),
        Format::Text => output::print(&list(all)),
    }
}

/// Prints one.
pub(super) fn shown(
    mut one: Value,
    format: Format,
    name: &dyn Fn(&str) -> Result<String, Failure>,
) -> Result<(), Failure> {
    match format {
        Format::Json => {
            one["version"] = 1.into();
            output::json(&one)
        }
        Format::Text => output::print(&page(&one, name)?),
    }
}

fn covers(one: &Value) -> String {
    Scope::deserialize(&one["scope"]).map_or_else(|_| "?".to_owned(), |scope| printable(&scope.describe()))
}

/// The list in words, from what programs are told.
fn list(all: &[Value]) -> String {
    let mut out = String::new();
    for one in all {
        let id = word(&one["waiver"]);
        let renewed = match one["renewals"].as_u64() {
            Some(n) if n > 0 => format!(", renewal {n}"),
            _ => String::new(),
        };
        let (state, category, expires) = (word(&one["state"]), word(&one["category"]), word(&one["expires"]));
        let _ = writeln!(out, "{id}  {state:<9}  {category:<9}  until {expires}{renewed}");
        let _ = writeln!(out, "    {}", covers(one));
        if one["unmatched"] == true {
            let _ = writeln!(out, "    finding: it covers nothing any more: countersign waive revoke {id}");
        }
    }
    let count = |state: WaiverState| all.iter().filter(|w| w["state"] == state.as_str()).count();
    let _ = writeln!(
        out,
        "{}: {} in force, {} asked for, {} expired; {} covering nothing",
        output::count(all.len() as u64, "waiver", "waivers"),
        count(WaiverState::Active),
        count(WaiverState::Requested),
        count(WaiverState::Expired),
        all.iter().filter(|w| w["unmatched"] == true).count()
    );
    out
}

/// One in words, from what programs are told. `name` says what somebody is called.
fn page(one: &Value, name: &dyn Fn(&str) -> Result<String, Failure>) -> Result<String, Failure> {
    let label = |of: &Value| name(of.as_str().unwrap_or_default());
    let mut out = format!("{}  {}\n", word(&one["waiver"]), word(&one["state"]));
    let _ = writeln!(out, "  covers      {}", covers(one));
    let category = word(&one["category"]);
    match one["compensating"].as_str() {
        Some(control) => {
            let _ = writeln!(out, "  category    {category}: {} meets the objective", printable(control));
        }
        None => {
            let _ = writeln!(out, "  category    {category}");
        }
    }
    let _ = writeln!(out, "  acceptance  {}", word(&one["acceptance"]));
    let _ = writeln!(out, "  holds       from {} until {}", word(&one["not_before"]), word(&one["expires"]));
    if let Some(before) = one["renews"].as_str() {
        let _ = writeln!(out, "  renews      {} (renewal {})", printable(before), one["renewals"]);
    }
    let (by, at) = (label(&one["requested_by"])?, word(&one["requested_at"]));
    let _ = writeln!(out, "  requested   by {by}, {at} (entry {})", one["index"]);
    for what in ["granted", "rejected", "revoked"] {
        let said = &one[what];
        if said.is_object() {
            let (by, at, why) = (label(&said["by"])?, word(&said["time"]), word(&said["reason"]));
            let _ = writeln!(out, "  {what:<11} by {by}, {at} (entry {}): {why}", said["index"]);
        }
    }
    let covered = &one["covers"];
    match (covered["findings"].as_u64(), covered["reasons"].as_u64()) {
        (Some(findings), Some(reasons)) => {
            let _ = writeln!(
                out,
                "  in the newest decision that it is about, it covers {} and lifts {}",
                output::count(findings, "finding", "findings"),
                output::count(reasons, "reason", "reasons")
            );
        }
        _ => out.push_str("  no decision is about it yet\n"),
    }
    Ok(out)
}
