//! `person account`: which accounts elsewhere are a person's.

use std::fmt::Write as _;

use countersign_govern::access::accounts::{self, Linked};
use countersign_govern::access::{Pen, people};
use countersign_model::Exit;
use countersign_store::Session;
use countersign_store::projection::{AccountRow, Person};
use serde_json::json;

use super::args::{Format, PlaceArgs};
use super::person_account_args::{PersonAccountArgs, PersonAccountVerb};
use super::place::notices;
use super::remote_accounts;
use crate::config::Environment;
use crate::errors::{Failure, Outcome};
use crate::output::{self, printable};

/// `person account`.
pub(crate) fn run(at: &PlaceArgs, args: &PersonAccountArgs, env: &Environment) -> Outcome {
    if let Some(client) = args.verb.server().map(|server| server.client(env)).transpose()?.flatten() {
        return remote_accounts::run(&client, &args.verb, env);
    }
    match &args.verb {
        PersonAccountVerb::Add { person, account, login, key, format, .. } => {
            let account = account.account(login.as_deref())?;
            let mut session = at.open(env)?;
            let signer = key.administrator(&session, env)?;
            let (person, written) = accounts::link(&mut session, person, &account, Pen::Key(&signer))?;
            let index = written.done()?;
            notices(&mut session);
            said_linked(person.as_str(), &session.state().label(&person)?, index, *format)?;
        }
        PersonAccountVerb::Remove { person, account, reason, key, format, .. } => {
            let account = account.account(None)?;
            let mut session = at.open(env)?;
            let signer = key.administrator(&session, env)?;
            let account = Linked::Account(&account);
            let (person, written) = accounts::unlink(&mut session, person, account, reason, Pen::Key(&signer))?;
            let index = written.done()?;
            notices(&mut session);
            said_unlinked(person.as_str(), &session.state().label(&person)?, index, *format)?;
        }
        PersonAccountVerb::List { person, format } => list(&at.open(env)?, person.as_deref(), *format)?,
    }
    Ok(Exit::Pass)
}

/// What is printed of an account that is somebody's.
pub(super) fn said_linked(person: &str, label: &str, index: u64, format: Format) -> Result<(), Failure> {
    said_of("is now", person, label, index, format)
}

/// What is printed of an account that is not somebody's any more.
pub(super) fn said_unlinked(person: &str, label: &str, index: u64, format: Format) -> Result<(), Failure> {
    said_of("is no longer", person, label, index, format)
}

fn said_of(what: &str, person: &str, label: &str, index: u64, format: Format) -> Result<(), Failure> {
    match format {
        Format::Json => output::json(&json!({"version": 1, "person": person, "index": index})),
        Format::Text => output::print(&format!("✓ the account {what} {}'s (entry {index})\n", printable(label))),
    }
}

fn list(session: &Session, person: Option<&str>, format: Format) -> Result<(), Failure> {
    let people: Vec<Person> = match person {
        Some(text) => vec![people::find(session.state(), text)?],
        None => session.state().people()?,
    };
    let mut rows = Vec::new();
    let mut text = String::new();
    for p in &people {
        for row in session.state().accounts_of(&p.id)? {
            let _ = writeln!(text, "{:>6}  {:<24} {}", row.index, printable(p.label()), said(&row));
            rows.push(json!({
                "person": row.person, "account": row.pseudonym, "index": row.index,
                "issuer": row.account.as_ref().map(|a| &a.issuer), "subject": row.account.as_ref().map(|a| &a.subject),
                "login": row.account.as_ref().and_then(|a| a.login.as_ref()),
            }));
        }
    }
    if text.is_empty() {
        text.push_str("no account is anybody's: countersign person account add PERSON --forge github --id NUMBER\n");
    }
    match format {
        Format::Json => output::json(&json!({"version": 1, "accounts": rows})),
        Format::Text => output::print(&text),
    }
}

fn said(row: &AccountRow) -> String {
    match &row.account {
        None => format!("{} (which it is cannot be read here)", row.pseudonym),
        Some(account) => {
            let login = account.login.as_deref().map(|l| format!(" ({l})")).unwrap_or_default();
            printable(&format!("{} at {}{login}", account.subject, account.issuer))
        }
    }
}
