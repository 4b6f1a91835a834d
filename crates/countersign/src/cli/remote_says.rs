//! `reject`, `withdraw`, `waive` and `grant revoke` with `--server`: what each asks for, and what it prints, as where the ledger is.

use std::fmt::Write as _;

use countersign_connect::remote::ApiClient;
use countersign_evidence::act;
use countersign_model::governance::{Scope, WaiverCategory};
use countersign_model::{Digest, Exit};
use serde_json::{Value, json};

use super::approvals_args::SayArgs;
use super::args::{Format, KeyArgs, PlaceArgs};
use super::registry::this_repository;
use super::remote::{array, field, run_named, shown_below, stranger};
use super::remote_acts::{Expects, Said, index, say, who, word};
use super::remote_lists;
use super::waive_args::{RequestArgs, WaiveVerb};
use crate::config::Environment;
use crate::errors::{CliError, Failure, Outcome};
use crate::output::{self, Paint};

/// `reject` and `withdraw`.
pub(super) fn about_run(
    client: &ApiClient,
    at: &PlaceArgs,
    args: &SayArgs,
    is_rejection: bool,
    env: &Environment,
) -> Outcome {
    let run = run_named(client, Some(&args.run), at, env)?;
    let (kind, namespace, free, what): (_, _, &'static [&'static str], _) = if is_rejection {
        ("reject", act::REJECTION, &["repository", "commit", "decision", "gate", "slot"], "rejected")
    } else {
        ("withdraw", act::WITHDRAWAL, &["repository", "decision", "acts"], "taken back")
    };
    let asked = json!({"kind": kind, "run": run, "reason": args.reason});
    let says = json!({"run": run, "reason": args.reason.trim()});
    let expects = Expects { namespace, by: "person", says, begins: Vec::new(), free, lasts: Vec::new() };
    let said = say(client, &asked, &[expects], &args.key, env)?;
    if args.format == Format::Json {
        output::json(&said.result)?;
        return Ok(Exit::Pass);
    }
    let p = Paint::of(env);
    let (index, who) = (index(client, &said)?, who(&said));
    let mut text = format!("{}✓{} {run} {what} by {who} (entry {index})\n", p.good, p.reset);
    for ended in array(&said.result, "ended").filter_map(Value::as_u64) {
        let _ = writeln!(text, "  entry {ended} counts no more");
    }
    output::print(&format!("{text}\n"))?;
    shown_below(client, &run, env)?;
    Ok(Exit::Pass)
}

/// `grant revoke`.
pub(super) fn revoke_grant(
    client: &ApiClient,
    grant: &str,
    reason: &str,
    key: &KeyArgs,
    format: Format,
    env: &Environment,
) -> Outcome {
    let asked = json!({"kind": "grant-revoke", "grant": grant, "reason": reason});
    let expects = Expects::about(act::GRANT_REVOCATION, "grant", grant, json!({"reason": reason.trim()}));
    let said = say(client, &asked, &[expects], key, env)?;
    let id = word(client, &said.result, "grant")?;
    match format {
        Format::Json => output::json(&said.result)?,
        Format::Text => output::print(&format!("✓ {id} is revoked (entry {})\n", index(client, &said)?))?,
    }
    Ok(Exit::Pass)
}

/// The verbs of `waive` that say something.
pub(super) fn waive(client: &ApiClient, at: &PlaceArgs, verb: &WaiveVerb, env: &Environment) -> Outcome {
    let named = |kind: &str, namespace, waiver: &str, reason: &str, key: &KeyArgs| {
        let asked = json!({"kind": kind, "waiver": waiver, "reason": reason});
        let expects = Expects::about(namespace, "waiver", waiver, json!({"reason": reason.trim()}));
        say(client, &asked, &[expects.free(&["request"])], key, env)
    };
    match verb {
        WaiveVerb::Request(args) => {
            let said = request(client, at, args, env)?;
            let next = next_of(client, &said, args.category)?;
            told(client, &said, args.format, "is asked for", &next)?;
        }
        WaiveVerb::Renew { waiver, accept, days, key, format, .. } => {
            let asked = json!({"kind": "waive-renew", "waiver": waiver, "acceptance": accept, "days": days});
            let expects = Expects::about(act::WAIVER_REQUEST, "renews", waiver, json!({"acceptance": accept.trim()}));
            let expects = Expects {
                lasts: vec![("not_before", "expires", i64::from(*days) * 86_400)],
                ..expects.free(&["waiver", "scope", "category", "compensating", "not_before", "renewals"])
            };
            let said = say(client, &asked, &[expects], key, env)?;
            let signed = said.signed.first().cloned().unwrap_or_default();
            let category = field(client, &signed, "category")?.parse::<WaiverCategory>();
            let category = category.map_err(|_| stranger(client, "its waiver is of no category"))?;
            let next = format!("It is renewal {}. {}", signed["renewals"], next_of(client, &said, category)?);
            told(client, &said, *format, "is asked for", &next)?;
        }
        WaiveVerb::Grant { waiver, reason, key, format, .. } => {
            let said = named("waive-grant", act::WAIVER, waiver, reason, key)?;
            let until = word(client, &said.about, "expires")?;
            told(client, &said, *format, &format!("is granted until {until}"), "What it covers stays visible.\n")?;
        }
        WaiveVerb::Reject { waiver, reason, key, format, .. } => {
            let said = named("waive-reject", act::WAIVER_REJECTION, waiver, reason, key)?;
            told(client, &said, *format, "is rejected", "")?;
        }
        WaiveVerb::Revoke { waiver, reason, key, format, .. } => {
            let said = named("waive-revoke", act::WAIVER_REVOCATION, waiver, reason, key)?;
            told(client, &said, *format, "is revoked", "What it covered counts again.\n")?;
        }
        WaiveVerb::List { format, .. } => remote_lists::waivers(client, *format)?,
        WaiveVerb::Show { waiver, format, .. } => remote_lists::waiver(client, waiver, *format)?,
    }
    Ok(Exit::Pass)
}

fn next_of(client: &ApiClient, said: &Said, category: WaiverCategory) -> Result<String, Failure> {
    let (role, id) = (category.granted_by().with_article(), word(client, &said.result, "waiver")?);
    Ok(format!("Next: {role} who did not ask: countersign waive grant {id} --reason TEXT\n"))
}

fn told(client: &ApiClient, said: &Said, format: Format, what: &str, next: &str) -> Result<(), Failure> {
    match format {
        Format::Json => output::json(&said.result),
        Format::Text => {
            let (id, index) = (word(client, &said.result, "waiver")?, index(client, said)?);
            output::print(&format!("✓ {id} {what} (entry {index})\n{next}"))
        }
    }
}

fn request(client: &ApiClient, at: &PlaceArgs, a: &RequestArgs, env: &Environment) -> Result<Said, Failure> {
    let repository = if a.this_repository { Some(this_repository(at)?) } else { a.repository.clone() };
    let controls: std::collections::BTreeSet<String> = a.control.iter().cloned().collect();
    let scope = json!(Scope {
        controls: controls.into_iter().collect(),
        application: a.application.clone(),
        repository,
        environment: a.environment.clone(),
        tier: a.tier,
        path: a.path.clone(),
        rule: a.rule.clone(),
        fingerprint: a.finding.as_deref().map(|f| fingerprint(client, f)).transpose()?,
    });
    let asked = json!({
        "kind": "waive-request", "scope": scope, "category": a.category, "compensating": a.compensating,
        "acceptance": a.accept, "not_before": a.from, "days": a.days,
    });
    let mut says = json!({
        "scope": scope, "category": a.category, "compensating": a.compensating, "acceptance": a.accept.trim(),
        "renews": null, "renewals": 0,
    });
    let from = if let Some(from) = a.from {
        says["not_before"] = json!(from);
        "not_before"
    } else {
        // Where nobody says from when, it is from the moment on at which it is asked for.
        "time"
    };
    let mut lasts = vec![(from, "expires", i64::from(a.days) * 86_400)];
    if a.from.is_none() {
        lasts.push(("time", "not_before", 0));
    }
    let expects =
        Expects { namespace: act::WAIVER_REQUEST, by: "by", says, begins: Vec::new(), free: &["waiver"], lasts };
    say(client, &asked, &[expects], &a.key, env)
}

/// A whole fingerprint, or the one finding of the latest run whose fingerprint starts so.
fn fingerprint(client: &ApiClient, text: &str) -> Result<Digest, Failure> {
    let hex = text.strip_prefix("sha256:").unwrap_or(text);
    if let Ok(whole) = format!("sha256:{hex}").parse::<Digest>() {
        return Ok(whole);
    }
    let runs = client.get("runs", &[("limit", "1")])?;
    let run = array(&runs, "items").next().and_then(|run| run.get("run")).and_then(Value::as_str);
    let run = run.ok_or_else(|| countersign_stages::Error::NoSuchRun { run: "latest".to_owned() })?.to_owned();
    let (mut fits, mut after) = (std::collections::BTreeSet::new(), None::<String>);
    loop {
        let mut query = vec![("limit", "200")];
        query.extend(after.as_deref().map(|after| ("after", after)));
        let part = client.get(&format!("runs/{run}/findings"), &query)?;
        let all = array(&part, "items").filter_map(|one| one.get("fingerprint")?.as_str()?.parse::<Digest>().ok());
        fits.extend(all.filter(|one| hex.len() >= 6 && one.hex().starts_with(hex)));
        match part.get("next").and_then(Value::as_u64) {
            Some(next) => after = Some(next.to_string()),
            None => break,
        }
    }
    match fits.iter().collect::<Vec<_>>().as_slice() {
        [one] => Ok(**one),
        found => {
            let what = format!("`{text}` means {} findings of {run}", found.len());
            let help = "see them with their fingerprints: countersign findings --format json".into();
            Err(CliError::Usage { what, help }.into())
        }
    }
}
