//! `person ca`: whose certificates say whose keys are.

use std::fmt::Write as _;

use countersign_govern::access::Pen;
use countersign_govern::access::certificates::{self, NewAuthority};
use countersign_govern::access::keys::Window;
use countersign_model::{Exit, Timestamp};
use countersign_store::projection::AuthorityRow;
use serde_json::{Value, json};

use super::access::public_key;
use super::args::{Format, PlaceArgs};
use super::person_ca_args::{PersonCaArgs, PersonCaVerb};
use super::person_key::said_window;
use super::place::notices;
use super::remote_certificates;
use super::role::{Names, called, names};
use crate::config::Environment;
use crate::errors::{Failure, Outcome};
use crate::output::{self, printable};

/// `person ca`.
pub(crate) fn run(at: &PlaceArgs, args: &PersonCaArgs, env: &Environment) -> Outcome {
    if let Some(client) = args.verb.server().client(env)? {
        return remote_certificates::authorities(&client, &args.verb, env);
    }
    match &args.verb {
        PersonCaVerb::Add { ca, people, uses, valid_after, valid_before, reason, key, format, .. } => {
            let authority = public_key(ca)?;
            let mut session = at.open(env)?;
            let signer = key.administrator(&session, env)?;
            let window = Window { after: *valid_after, before: *valid_before };
            let new = NewAuthority { key: &authority, people, uses, window, reason };
            let index = certificates::add_authority(&mut session, &new, Pen::Key(&signer))?.done()?;
            notices(&mut session);
            let row = certificates::authority(&session, &authority.fingerprint())?;
            said_added(&to_json(&row), &names(&session)?, index, *format)?;
        }
        PersonCaVerb::Revoke { fingerprint, reason, compromised_since, key, format, .. } => {
            let mut session = at.open(env)?;
            let signer = key.administrator(&session, env)?;
            let pen = Pen::Key(&signer);
            let (print, written) =
                certificates::revoke_authority(&mut session, fingerprint, *compromised_since, reason, pen)?;
            let index = written.done()?;
            notices(&mut session);
            let row = certificates::authority(&session, &print)?;
            said_revoked(&row.fingerprint, row.revoked.as_ref().and_then(|r| r.since), index, *format)?;
        }
        PersonCaVerb::List { format, .. } => {
            let session = at.open(env)?;
            let rows: Vec<Value> = session.state().authorities()?.iter().map(to_json).collect();
            listed(&rows, &names(&session)?, *format)?;
        }
    }
    Ok(Exit::Pass)
}

fn text<'a>(row: &'a Value, name: &str) -> &'a str {
    row.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn texts<'a>(row: &'a Value, name: &str) -> Vec<&'a str> {
    row.get(name).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
}

fn number(row: &Value, name: &str) -> u64 {
    row.get(name).and_then(Value::as_u64).unwrap_or_default()
}

/// The people and uses, a line each.
fn whom(row: &Value, names: &Names) -> String {
    let moment = |name: &str| text(row, name).parse::<Timestamp>().ok();
    let window = said_window(moment("valid_after"), moment("valid_before"));
    let mut out = format!("    for {}{window}\n", printable(&texts(row, "uses").join(" and ")));
    for person in texts(row, "people") {
        let _ = writeln!(out, "    {}  {}", printable(person), called(names, person));
    }
    out
}

/// What is printed of an authority, as it is listed, once it certifies keys.
pub(super) fn said_added(row: &Value, names: &Names, index: u64, format: Format) -> Result<(), Failure> {
    let fingerprint = text(row, "fingerprint");
    match format {
        Format::Json => output::json(&json!({"version": 1, "authority": fingerprint, "index": index})),
        Format::Text => output::print(&format!(
            "✓ {} certifies keys (entry {index})\n{}\
             Each of them shows a certificate: countersign person key certify FILE-cert.pub --key FILE\n",
            printable(fingerprint),
            whom(row, names)
        )),
    }
}

/// What is printed of an authority that was revoked.
pub(super) fn said_revoked(
    fingerprint: &str,
    since: Option<Timestamp>,
    index: u64,
    format: Format,
) -> Result<(), Failure> {
    match format {
        Format::Json => {
            output::json(&json!({"version": 1, "authority": fingerprint, "index": index, "compromised_since": since}))
        }
        Format::Text => output::print(&format!(
            "✓ {} certifies nothing any more, and no key that it certified counts (entry {index})\n",
            printable(fingerprint)
        )),
    }
}

/// `person ca list`.
pub(super) fn listed(rows: &[Value], names: &Names, format: Format) -> Result<(), Failure> {
    if format == Format::Json {
        return output::json(&json!({"version": 1, "authorities": rows}));
    }
    let mut out = String::new();
    for row in rows {
        let _ = writeln!(out, "{}  (entry {})", printable(text(row, "fingerprint")), number(row, "index"));
        out.push_str(&whom(row, names));
        if let Some(r) = row.get("revoked").filter(|r| r.is_object()) {
            let since = text(r, "compromised_since");
            let since =
                if since.is_empty() { String::new() } else { format!(", compromised since {}", printable(since)) };
            let (index, placed) = (number(r, "index"), printable(text(r, "appended")));
            let _ = writeln!(out, "    revoked in entry {index}, on {placed}{since}: {}", printable(text(r, "reason")));
        }
    }
    if out.is_empty() {
        out.push_str("there is no certificate authority\n");
    }
    output::print(&out)
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
