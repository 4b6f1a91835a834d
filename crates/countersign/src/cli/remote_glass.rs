//! `break-glass` with `--server`: what each verb asks for, and what it prints, as where the ledger is.

use std::path::Path;

use countersign_connect::remote::ApiClient;
use countersign_evidence::act;
use countersign_model::{Exit, GrantId};
use serde_json::{Value, json};

use super::args::PlaceArgs;
use super::break_glass::{lateness, said, told};
use super::break_glass_args::{BreakGlassVerb, OpenArgs};
use super::deploy::write_grant;
use super::remote::{field, run_named, stranger};
use super::remote_acts::{Expects, Said, index, say, word};
use super::remote_lists;
use crate::config::Environment;
use crate::errors::{CliError, Failure, Outcome};

/// What a grant says besides the run, where it goes and under which emergency: how it stands, by the server's word.
const OF_GRANT: &[&str] = &[
    "grant",
    "repository",
    "commit",
    "tree",
    "artifacts",
    "environment",
    "decision",
    "approvals",
    "replaces",
    "self_judged",
    "expires",
    "standing",
    "excluded",
    "break_glass",
];

/// The verbs of `break-glass` that say something.
pub(super) fn run(client: &ApiClient, at: &PlaceArgs, verb: &BreakGlassVerb, env: &Environment) -> Outcome {
    match verb {
        BreakGlassVerb::Open(args) => {
            let done = open(client, at, args, env)?;
            issued(client, &done, args.out.as_deref(), args.format, env)?;
        }
        BreakGlassVerb::Grant { emergency, run, out, key, format, .. } => {
            let run = run_named(client, Some(run), at, env)?;
            let asked = json!({"kind": "break-glass-grant", "emergency": emergency, "run": run});
            let expects = Expects::about(act::GRANT, "break_glass", emergency, json!({"run": run}));
            let done = say(client, &asked, &[expects.free(OF_GRANT)], key, env)?;
            issued(client, &done, out.as_deref(), *format, env)?;
        }
        BreakGlassVerb::Close { emergency, reason, key, format, .. } => {
            let asked = json!({"kind": "break-glass-close", "emergency": emergency, "reason": reason});
            let expects = Expects::about(act::BREAK_GLASS_CLOSE, "id", emergency, json!({"reason": reason.trim()}));
            let done = say(client, &asked, &[expects], key, env)?;
            let id = word(client, &done.result, "break_glass")?;
            said(*format, &format!("{id} is closed"), done.result.clone(), index(client, &done)?)?;
        }
        BreakGlassVerb::Ratify { emergency, statement, late, key, format, .. } => {
            let asked =
                json!({"kind": "break-glass-ratify", "emergency": emergency, "statement": statement, "late": late});
            let says = json!({"statement": statement.trim(), "late": late});
            let expects = Expects::about(act::RATIFICATION, "id", emergency, says);
            let done = say(client, &asked, &[expects], key, env)?;
            let id = word(client, &done.result, "break_glass")?;
            let text = format!("{id} is ratified{}", lateness(*late));
            said(*format, &text, done.result.clone(), index(client, &done)?)?;
        }
        BreakGlassVerb::Review { emergency, findings, root_cause, corrective_action, late, key, format, .. } => {
            let asked = json!({
                "kind": "break-glass-review", "emergency": emergency, "findings": findings, "root_cause": root_cause,
                "corrective_action": corrective_action, "late": late,
            });
            let says = json!({
                "findings": findings.trim(), "root_cause": root_cause.trim(), "corrective_action": corrective_action.trim(),
                "late": late,
            });
            let expects = Expects::about(act::POST_REVIEW, "id", emergency, says);
            let done = say(client, &asked, &[expects], key, env)?;
            let id = word(client, &done.result, "break_glass")?;
            let text = format!("{id} is reviewed{}", lateness(*late));
            said(*format, &text, done.result.clone(), index(client, &done)?)?;
        }
        BreakGlassVerb::List { due, format, .. } => return remote_lists::emergencies(client, *due, *format),
        BreakGlassVerb::Show { emergency, format, .. } => remote_lists::emergency(client, emergency, *format)?,
        BreakGlassVerb::Notify { .. } => {
            let what = "`break-glass notify` signs what it tells with the recorder's key, which is where the ledger is";
            let help = "run it there without --server; a server with channels tells what is overdue by itself: countersign serve --help";
            return Err(CliError::Usage { what: what.into(), help: help.into() }.into());
        }
    }
    Ok(Exit::Pass)
}

/// Two statements: the emergency, and its first grant.
fn open(client: &ApiClient, at: &PlaceArgs, a: &OpenArgs, env: &Environment) -> Result<Said, Failure> {
    let run = run_named(client, Some(&a.run), at, env)?;
    let asked = json!({
        "kind": "break-glass-open", "run": run, "environment": a.environment, "application": a.application,
        "any_commit": a.any_commit, "reason": a.reason, "ticket": a.ticket, "minutes": a.minutes,
        "ratify_hours": a.ratify_hours, "review_days": a.review_days,
    });
    // The run says for which repository, and for which commit, where it is not for all of an application.
    let known = client.get(&format!("runs/{run}"), &[])?;
    let of = |name: &str| known.get(name).cloned().unwrap_or_default();
    let repository = if a.application.is_some() { Value::Null } else { of("repository") };
    let commit = if a.any_commit { Value::Null } else { of("commit") };
    let minutes = i64::from(a.minutes) * 60;
    let emergency = Expects {
        namespace: act::BREAK_GLASS,
        by: "by",
        says: json!({
            "environment": a.environment, "application": a.application, "repository": repository, "commit": commit,
            "reason": a.reason.trim(), "ticket": a.ticket.trim(),
        }),
        begins: Vec::new(),
        free: &["id"],
        lasts: vec![
            ("time", "expires", minutes),
            ("time", "ratify_by", i64::from(a.ratify_hours) * 3600),
            ("time", "review_by", i64::from(a.review_days) * 86_400),
        ],
    };
    let grant = Expects {
        namespace: act::GRANT,
        by: "by",
        says: json!({"run": run, "environment": a.environment, "commit": of("commit"), "repository": of("repository")}),
        begins: Vec::new(),
        free: OF_GRANT,
        lasts: vec![("time", "expires", minutes)],
    };
    let done = say(client, &asked, &[emergency, grant], &a.key, env)?;
    // Its id was made up by the server, for both alike.
    let id = |n: usize, name: &str| done.signed.get(n).and_then(|said| said.get(name)).cloned();
    if id(0, "id") != id(1, "break_glass") {
        return Err(stranger(client, "the grant that was signed is under another emergency"));
    }
    Ok(done)
}

fn issued(
    client: &ApiClient,
    done: &Said,
    out: Option<&Path>,
    format: super::args::Format,
    env: &Environment,
) -> Result<(), Failure> {
    let grant = done.result.get("grant").cloned().unwrap_or_default();
    let (id, token) = (field(client, &grant, "id")?, field(client, &grant, "token")?);
    if let (Some(path), Some(act)) = (out, done.acts.last()) {
        write_grant(path, act, &GrantId::from_text(id), token)?;
    }
    told(done.result.clone(), out, &format!(" --server {}", client.url()), format, env)
}
