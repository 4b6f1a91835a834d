//! `waive`: a broken control may stand for a while, where two people say so.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use countersign_govern::access::Pen;
use countersign_govern::waivers::{self as acts, Request, Standing};
use countersign_model::governance::Scope;
use countersign_model::{Digest, Exit, WaiverId};
use countersign_stages::build::decide::read_joined;
use countersign_store::Session;
use countersign_store::projection::WaiverState;
use serde_json::{Value, json};

use super::args::{Format, PlaceArgs};
use super::catalogue;
use super::place::{find_run, notices};
use super::registry::this_repository;
use super::remote_says;
use super::waive_args::{RequestArgs, WaiveArgs, WaiveVerb};
use crate::config::Environment;
use crate::errors::{CliError, Failure, Outcome};
use crate::output::{self, printable};

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
        WaiveVerb::List { format } => {
            let all = acts::list(&session)?;
            match format {
                Format::Json => {
                    let rows: Vec<Value> = all.iter().map(Standing::to_json).collect();
                    output::json(&json!({"version": 1, "waivers": rows}))?;
                }
                Format::Text => output::print(&list(&all))?,
            }
        }
        WaiveVerb::Show { waiver, format } => {
            let one = acts::find(&session, waiver)?;
            match format {
                Format::Json => {
                    let mut one = one.to_json();
                    if let Some(object) = one.as_object_mut() {
                        object.insert("version".into(), 1.into());
                    }
                    output::json(&one)?;
                }
                Format::Text => output::print(&page(&session, &one)?)?,
            }
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

fn list(all: &[Standing]) -> String {
    let mut out = String::new();
    for one in all {
        let r = &one.row.request;
        let renewed = if r.renewals > 0 { format!(", renewal {}", r.renewals) } else { String::new() };
        let _ =
            writeln!(out, "{}  {:<9}  {:<9}  until {}{renewed}", r.waiver, one.state.as_str(), r.category, r.expires);
        let _ = writeln!(out, "    {}", printable(&r.scope.describe()));
        if one.is_unmatched() {
            let _ = writeln!(out, "    finding: it covers nothing any more: countersign waive revoke {}", r.waiver);
        }
    }
    let count = |state: WaiverState| all.iter().filter(|w| w.state == state).count();
    let _ = writeln!(
        out,
        "{}: {} in force, {} asked for, {} expired; {} covering nothing",
        output::count(all.len() as u64, "waiver", "waivers"),
        count(WaiverState::Active),
        count(WaiverState::Requested),
        count(WaiverState::Expired),
        all.iter().filter(|w| w.is_unmatched()).count()
    );
    out
}

fn page(session: &Session, one: &Standing) -> Result<String, Failure> {
    let label = |id| session.state().label(id).map(|name| printable(&name));
    let r = &one.row.request;
    let mut out = format!("{}  {}\n", r.waiver, one.state.as_str());
    let _ = writeln!(out, "  covers      {}", printable(&r.scope.describe()));
    match &r.compensating {
        Some(control) => {
            let _ = writeln!(out, "  category    {}: {control} meets the objective", r.category);
        }
        None => {
            let _ = writeln!(out, "  category    {}", r.category);
        }
    }
    let _ = writeln!(out, "  acceptance  {}", printable(&r.acceptance));
    let _ = writeln!(out, "  holds       from {} until {}", r.not_before, r.expires);
    if let Some(before) = &r.renews {
        let _ = writeln!(out, "  renews      {before} (renewal {})", r.renewals);
    }
    let _ = writeln!(out, "  requested   by {}, {} (entry {})", label(&r.by)?, r.time, one.row.index);
    for (what, said) in [("granted", &one.row.granted), ("rejected", &one.row.rejected), ("revoked", &one.row.revoked)]
    {
        if let Some(s) = said {
            let _ = writeln!(
                out,
                "  {what:<11} by {}, {} (entry {}): {}",
                label(&s.by)?,
                s.time,
                s.index,
                printable(&s.reason)
            );
        }
    }
    match one.covers {
        None => out.push_str("  no decision is about it yet\n"),
        Some((findings, reasons)) => {
            let _ = writeln!(
                out,
                "  in the newest decision that it is about, it covers {} and lifts {}",
                output::count(findings, "finding", "findings"),
                output::count(reasons, "reason", "reasons")
            );
        }
    }
    Ok(out)
}
