//! `person account`: which accounts elsewhere are a person's.

use std::fmt::Write as _;

use countersign_govern::access::{accounts, people};
use countersign_model::{Exit, PersonId};
use countersign_store::Session;
use countersign_store::projection::{AccountRow, Person};
use serde_json::json;

use super::args::{Format, PlaceArgs};
use super::person_account_args::{PersonAccountArgs, PersonAccountVerb};
use super::place::notices;
use crate::config::Environment;
use crate::errors::{Failure, Outcome};
use crate::output::{self, printable};

/// `person account`.
pub(crate) fn run(at: &PlaceArgs, args: &PersonAccountArgs, env: &Environment) -> Outcome {
    match &args.verb {
        PersonAccountVerb::Add { person, account, login, key, format } => {
            let account = account.account(login.as_deref())?;
            let mut session = at.open(env)?;
            let signer = key.administrator(&session, env)?;
            let (person, index) = accounts::link(&mut session, person, &account, &signer)?;
            notices(&mut session);
            say(&session, "is now", &person, index, *format)?;
        }
        PersonAccountVerb::Remove { person, account, reason, key, format } => {
            let account = account.account(None)?;
            let mut session = at.open(env)?;
            let signer = key.administrator(&session, env)?;
            let (person, index) = accounts::unlink(&mut session, person, &account, reason, &signer)?;
            notices(&mut session);
            say(&session, "is no longer", &person, index, *format)?;
        }
        PersonAccountVerb::List { person, format } => list(&at.open(env)?, person.as_deref(), *format)?,
    }
    Ok(Exit::Pass)
}

fn say(session: &Session, what: &str, person: &PersonId, index: u64, format: Format) -> Result<(), Failure> {
    match format {
        Format::Json => output::json(&json!({"version": 1, "person": person, "index": index})),
        Format::Text => {
            let who = printable(&session.state().label(person)?);
            output::print(&format!("✓ the account {what} {who}'s (entry {index})\n"))
        }
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
