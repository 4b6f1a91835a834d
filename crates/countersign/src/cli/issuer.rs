//! `issuer`: whose identity tokens are believed, and what they proved.

use std::fmt::Write as _;
use std::path::Path;

use countersign_govern::access;
use countersign_govern::issuers::{self as acts, SHIPPED};
use countersign_model::Exit;
use countersign_model::access::{Field, Issuers};
use countersign_store::Session;
use countersign_store::projection::WorkloadRow;
use serde_json::{Value, json};

use super::args::{Format, PlaceArgs};
use super::issuer_args::{IssuerArgs, IssuerVerb};
use super::place::{find_run, notices};
use super::remote_documents;
use crate::config::Environment;
use crate::errors::{CliError, Failure, Outcome};
use crate::output::{self, printable};

/// `issuer`.
pub(crate) fn run(at: &PlaceArgs, args: &IssuerArgs, env: &Environment) -> Outcome {
    match &args.verb {
        IssuerVerb::Check { file, only, format } => {
            let (name, issuers) = read(file.as_deref(), only)?;
            match format {
                Format::Json => output::json(&json!({"version": 1, "index": null, "issuers": issuers}))?,
                Format::Text => {
                    output::print(&format!("✓ {} can be put in effect\n{}", printable(&name), table(&issuers)))?
                }
            }
        }
        IssuerVerb::Activate { file, only, reason, key, server, format } => {
            if let Some(client) = server.client(env)? {
                let (name, text) = text_of(file.as_deref())?;
                let file = remote_documents::File { name: &name, text: &text, only, reason: reason.as_deref() };
                return remote_documents::issuers(&client, &file, key, *format, env);
            }
            let (name, issuers) = read(file.as_deref(), only)?;
            let mut session = at.open(env)?;
            let pen = key.signer(env)?;
            let written = acts::activate(&mut session, &issuers, reason.as_deref(), access::Pen::Key(&pen))?;
            notices(&mut session);
            issuers_in_effect(&name, &issuers, written.done_if_new()?, *format)?;
        }
        IssuerVerb::Show { shipped: true, format } => match format {
            Format::Json => output::json(&json!({"version": 1, "file": SHIPPED}))?,
            Format::Text => output::print(SHIPPED)?,
        },
        IssuerVerb::Show { shipped: false, format } => {
            let session = at.open(env)?;
            let active = acts::in_effect(&session)?;
            match (format, active) {
                (Format::Json, active) => {
                    let index = active.as_ref().map(|(a, _)| a.index);
                    let issuers = active.map(|(_, issuers)| issuers);
                    output::json(&json!({"version": 1, "index": index, "issuers": issuers}))?;
                }
                (Format::Text, Some((active, issuers))) => {
                    let by = printable(&session.state().label(&active.by)?);
                    let head = format!("{}  entry {}, by {by}, {}\n", active.digest, active.index, active.time);
                    output::print(&format!("{head}{}", table(&issuers)))?;
                }
                (Format::Text, None) => output::print(
                    "no issuer is in effect: no identity token is believed\n\
                     Next: countersign issuer activate --only github, or a file of your own: countersign issuer show --shipped\n",
                )?,
            }
        }
        IssuerVerb::Workloads { run, format } => {
            let session = at.open(env)?;
            let rows = match run {
                Some(text) => session.state().workloads(&find_run(&session, text)?)?,
                None => session.state().all_workloads()?,
            };
            match format {
                Format::Json => {
                    let rows: Vec<Value> = rows.iter().map(to_json).collect();
                    output::json(&json!({"version": 1, "workloads": rows}))?;
                }
                Format::Text => output::print(&list(&rows, &session)?)?,
            }
        }
    }
    Ok(Exit::Pass)
}

fn read(file: Option<&Path>, only: &[String]) -> Result<(String, Issuers), Failure> {
    let (name, text) = text_of(file)?;
    let issuers = acts::parse(&name, &text, only)?;
    Ok((name, issuers))
}

/// What a file is called, and its text; without one, that of the file that ships.
fn text_of(file: Option<&Path>) -> Result<(String, String), Failure> {
    let Some(path) = file else { return Ok(("issuers.yaml (shipped)".to_owned(), SHIPPED.to_owned())) };
    let text = CliError::text_of(path)?;
    Ok((path.display().to_string(), text))
}

/// Says that issuers are in effect: since this entry, or already.
pub(super) fn issuers_in_effect(
    name: &str,
    issuers: &Issuers,
    index: Option<u64>,
    format: Format,
) -> Result<(), Failure> {
    match format {
        Format::Json => output::json(&json!({"version": 1, "index": index, "issuers": issuers})),
        Format::Text => output::print(&match index {
            Some(index) => format!(
                "✓ tokens of the issuers in {} are believed from here on (entry {index}), and of no others\n{}",
                printable(name),
                table(issuers)
            ),
            None => "✓ they are in effect already\n".to_owned(),
        }),
    }
}

fn table(issuers: &Issuers) -> String {
    let mut out = String::new();
    for one in &issuers.issuers {
        let keys = if one.keys.is_some() { "keys pinned" } else { "keys by discovery" };
        let _ = writeln!(out, "  {:<12} {}", one.id, printable(&one.issuer));
        let _ = writeln!(
            out,
            "  {:<12} for {}; {}; {keys}; {} minutes at most",
            "",
            printable(&one.audiences.join(", ")),
            one.algorithms.join(", "),
            one.lifetime_seconds / 60
        );
        for (claim, value) in &one.require {
            let _ = writeln!(out, "  {:<12} requires {} = {}", "", printable(claim), printable(value));
        }
        for (needed, why) in [(Field::Commit, "commit"), (Field::Repository, "repository")] {
            if !one.claims.contains_key(&needed) {
                let _ = writeln!(out, "  {:<12} names no {why}: what it proves is of no certain one", "");
            }
        }
    }
    let _ = writeln!(out, "  clocks may differ by {} seconds", issuers.skew_seconds);
    out
}

fn to_json(row: &WorkloadRow) -> Value {
    json!({
        "index": row.index, "run": row.run, "attempt": row.attempt, "entry": row.entry, "system": row.system,
        "issuer": row.issuer, "fields": row.fields, "key": row.key, "token": row.token, "person": row.person,
        "time": row.time,
    })
}

fn list(rows: &[WorkloadRow], session: &Session) -> Result<String, Failure> {
    if rows.is_empty() {
        return Ok("no workload showed a token\n".to_owned());
    }
    let mut out = String::new();
    for row in rows {
        let _ =
            writeln!(out, "{}  attempt {}  {}  {} (entry {})", row.run, row.attempt, row.time, row.system, row.index);
        for (field, value) in &row.fields {
            let _ = writeln!(out, "    {:<16} {}", field.as_str(), printable(value));
        }
        if let Some(person) = &row.person {
            let _ = writeln!(out, "    {:<16} {}", "person", printable(&session.state().label(person)?));
        }
    }
    Ok(out)
}
