//! `person ca`: whose certificates say whose keys are.

use std::fmt::Write as _;

use countersign_govern::access::certificates::{self, NewAuthority};
use countersign_govern::access::keys::Window;
use countersign_model::Exit;
use countersign_model::access::CertificateUse;
use countersign_store::Session;
use countersign_store::projection::AuthorityRow;
use serde_json::{Value, json};

use super::access::public_key;
use super::args::{Format, PlaceArgs};
use super::person_ca_args::{PersonCaArgs, PersonCaVerb};
use super::person_key::said_window;
use super::place::notices;
use crate::config::Environment;
use crate::errors::{Failure, Outcome};
use crate::output::{self, printable};

/// `person ca`.
pub(crate) fn run(at: &PlaceArgs, args: &PersonCaArgs, env: &Environment) -> Outcome {
    match &args.verb {
        PersonCaVerb::Add { ca, people, uses, valid_after, valid_before, reason, key, format } => {
            let authority = public_key(ca)?;
            let mut session = at.open(env)?;
            let signer = key.administrator(&session, env)?;
            let uses = if uses.is_empty() { &CertificateUse::ALL[..] } else { uses };
            let window = Window { after: *valid_after, before: *valid_before };
            let new = NewAuthority { key: &authority, people, uses, window, reason };
            let index = certificates::add_authority(&mut session, &new, &signer)?;
            notices(&mut session);
            let fingerprint = authority.fingerprint();
            match format {
                Format::Json => output::json(&json!({"version": 1, "authority": fingerprint, "index": index}))?,
                Format::Text => {
                    let mut text = format!("✓ {fingerprint} certifies keys (entry {index})\n");
                    if let Some(row) = session.state().authority(&fingerprint)? {
                        text.push_str(&whom(&session, &row)?);
                    }
                    text.push_str(
                        "Each of them shows a certificate: countersign person key certify FILE-cert.pub --key FILE\n",
                    );
                    output::print(&text)?;
                }
            }
        }
        PersonCaVerb::Revoke { fingerprint, reason, compromised_since, key, format } => {
            let mut session = at.open(env)?;
            let signer = key.administrator(&session, env)?;
            let (row, index) =
                certificates::revoke_authority(&mut session, fingerprint, *compromised_since, reason, &signer)?;
            notices(&mut session);
            match format {
                Format::Json => output::json(&json!({
                    "version": 1, "authority": row.fingerprint, "index": index,
                    "compromised_since": row.revoked.as_ref().and_then(|r| r.since),
                }))?,
                Format::Text => output::print(&format!(
                    "✓ {} certifies nothing any more, and no key that it certified counts (entry {index})\n",
                    row.fingerprint
                ))?,
            }
        }
        PersonCaVerb::List { format } => list(&at.open(env)?, *format)?,
    }
    Ok(Exit::Pass)
}

/// The people and uses, a line each.
fn whom(session: &Session, row: &AuthorityRow) -> Result<String, Failure> {
    let uses: Vec<&str> = row.uses.iter().map(|u| u.as_str()).collect();
    let mut text = format!("    for {}{}\n", uses.join(" and "), said_window(row.valid_after, row.valid_before));
    for person in &row.people {
        let _ = writeln!(text, "    {person}  {}", printable(&session.state().label(person)?));
    }
    Ok(text)
}

fn list(session: &Session, format: Format) -> Result<(), Failure> {
    let rows = session.state().authorities()?;
    if format == Format::Json {
        return output::json(&json!({"version": 1, "authorities": rows.iter().map(to_json).collect::<Vec<_>>()}));
    }
    let mut text = String::new();
    for row in &rows {
        let _ = writeln!(text, "{}  (entry {})", row.fingerprint, row.index);
        text.push_str(&whom(session, row)?);
        if let Some(r) = &row.revoked {
            let since = r.since.map(|s| format!(", compromised since {s}")).unwrap_or_default();
            let _ =
                writeln!(text, "    revoked in entry {}, on {}{since}: {}", r.index, r.placed, printable(&r.reason));
        }
    }
    if text.is_empty() {
        text.push_str("there is no certificate authority\n");
    }
    output::print(&text)
}

fn to_json(row: &AuthorityRow) -> Value {
    json!({
        "fingerprint": row.fingerprint, "people": row.people, "uses": row.uses, "valid_after": row.valid_after,
        "valid_before": row.valid_before, "index": row.index,
        "revoked": row.revoked.as_ref().map(|r| json!({
            "index": r.index, "appended": r.placed, "compromised_since": r.since, "by": r.by, "reason": r.reason,
        })),
    })
}
