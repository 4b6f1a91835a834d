//! `token`: what programs show to a server.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use countersign_govern::access::{Pen, people, tokens};
use countersign_model::Exit;
use countersign_model::access::token::TokenLimits;
use countersign_store::Session;
use countersign_store::projection::TokenRow;
use serde_json::json;

use super::args::{Format, PlaceArgs};
use super::place::notices;
use super::remote_keys;
use super::token_args::{TokenCommand, TokenVerb};
use crate::config::Environment;
use crate::errors::{Failure, Outcome};
use crate::output::{self, printable};

/// `token`.
pub(crate) fn run(at: &PlaceArgs, args: &TokenCommand, env: &Environment) -> Outcome {
    match &args.verb {
        TokenVerb::Issue { scope, application, repository, days, key, format } => {
            let mut session = at.open(env)?;
            let scopes: BTreeSet<_> = scope.iter().copied().collect();
            let limits = TokenLimits {
                applications: application.iter().cloned().collect(),
                repositories: repository.iter().cloned().collect(),
            };
            let made = tokens::issue(&mut session, &scopes, &limits, *days, &key.signer(env)?)?;
            notices(&mut session);
            match format {
                Format::Json => output::json(&json!({
                    "version": 1, "text": made.text, "token": made.token, "person": made.person,
                    "scopes": scopes, "applications": limits.applications, "repositories": limits.repositories,
                    "expires": made.expires, "index": made.index,
                }))?,
                // What a script takes stands alone on standard output.
                Format::Text => {
                    output::print(&format!("{}\n", made.text))?;
                    output::note(&format!(
                        "This is shown once; keep it like a password. It works in your name until {} (entry {}).",
                        made.expires, made.index
                    ));
                }
            }
        }
        TokenVerb::Revoke { token, reason, key, server, format } => {
            if let Some(client) = server.client(env)? {
                remote_keys::revoke_token(&client, token, reason, key, *format, env)?;
                return Ok(Exit::Pass);
            }
            let mut session = at.open(env)?;
            let (row, written) = tokens::revoke(&mut session, token, reason, Pen::Key(&key.signer(env)?))?;
            notices(&mut session);
            said_token_revoked(&row.token.to_string(), written.done()?, *format)?;
        }
        TokenVerb::List { person, format } => list(&at.open(env)?, person.as_deref(), *format)?,
    }
    Ok(Exit::Pass)
}

/// What is printed of a token that was ended. Its name is the beginning of its digest.
pub(super) fn said_token_revoked(token: &str, index: u64, format: Format) -> Result<(), Failure> {
    match format {
        Format::Json => output::json(&json!({"version": 1, "token": token, "index": index})),
        Format::Text => {
            let name: String = token.strip_prefix("sha256:").unwrap_or(token).chars().take(16).collect();
            output::print(&format!("✓ the token {} opens nothing any more (entry {index})\n", printable(&name)))
        }
    }
}

fn list(session: &Session, person: Option<&str>, format: Format) -> Result<(), Failure> {
    let state = session.state();
    let of = person.map(|text| people::find(state, text)).transpose()?.map(|p| p.id);
    let mut rows = Vec::new();
    let mut text = String::new();
    for row in state.tokens(of.as_ref())? {
        let standing = standing(session, &row)?;
        let scopes: Vec<&str> = row.scopes.iter().map(|s| s.as_str()).collect();
        let who = printable(&state.label(&row.person)?);
        let until = row.expires.to_string();
        let to: Vec<&str> =
            row.limits.applications.iter().chain(&row.limits.repositories).map(String::as_str).collect();
        let to = if to.is_empty() { String::new() } else { format!("  of {}", printable(&to.join(", "))) };
        let _ = writeln!(
            text,
            "{:>6}  {}  {who:<20} {:<12} until {until}  {standing}{to}",
            row.index,
            row.name(),
            scopes.join(",")
        );
        rows.push(json!({
            "token": row.token, "index": row.index, "person": row.person, "scopes": row.scopes, "applications": row.limits.applications, "repositories": row.limits.repositories, "key": row.key,
            "expires": row.expires, "revoked": row.revoked, "state": standing,
        }));
    }
    if text.is_empty() {
        text.push_str("there is no token: countersign token issue --scope read --days 30\n");
    }
    match format {
        Format::Json => output::json(&json!({"version": 1, "tokens": rows})),
        Format::Text => output::print(&text),
    }
}

/// Whether a token still opens something, and why not.
fn standing(session: &Session, row: &TokenRow) -> Result<&'static str, Failure> {
    let now = session.now();
    Ok(if row.revoked.is_some() {
        "revoked"
    } else if row.expires <= now {
        "expired"
    } else if session.state().usable(&row.key, now)?.is_err() {
        "its key does not count any more"
    } else if session.state().roles_of(&row.person)?.is_empty() {
        "its person has no role"
    } else {
        "active"
    })
}
