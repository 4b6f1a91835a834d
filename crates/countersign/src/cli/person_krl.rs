//! `person krl`: revocation lists of OpenSSH.

use std::fmt::Write as _;
use std::io::Read as _;
use std::path::Path;

use countersign_evidence::sshsig::LARGEST_LIST;
use countersign_govern::access::{Pen, revocation_lists};
use countersign_model::Exit;
use countersign_store::projection::ListRow;
use serde_json::{Value, json};

use super::args::{Format, PlaceArgs};
use super::person_krl_args::{PersonKrlArgs, PersonKrlVerb};
use super::place::notices;
use super::remote_krl;
use crate::config::Environment;
use crate::errors::{CliError, Failure, Outcome};
use crate::output::{self, printable};

/// `person krl`.
pub(crate) fn run(at: &PlaceArgs, args: &PersonKrlArgs, env: &Environment) -> Outcome {
    if let Some(client) = args.verb.server().client(env)? {
        return remote_krl::run(&client, &args.verb, env);
    }
    match &args.verb {
        PersonKrlVerb::Import { file, reason, key, format, .. } => {
            let bytes = read(file)?;
            let mut session = at.open(env)?;
            let signer = key.administrator(&session, env)?;
            let (number, written) = revocation_lists::import(&mut session, &bytes, reason, Pen::Key(&signer))?;
            let index = written.done()?;
            notices(&mut session);
            let ended = revocation_lists::ended(&session, index)?;
            said_imported(&ended.document(&number.to_string(), index), *format)?;
        }
        PersonKrlVerb::List { format, .. } => {
            let rows = at.open(env)?.state().revocation_lists()?;
            let row = |row: &ListRow| {
                json!({
                    "number": row.number.to_string(), "digest": row.digest, "appended": row.placed, "index": row.index,
                })
            };
            listed(&rows.iter().map(row).collect::<Vec<_>>(), *format)?;
        }
    }
    Ok(Exit::Pass)
}

fn word(value: &Value, name: &str) -> String {
    value.get(name).and_then(Value::as_str).map(printable).unwrap_or_default()
}

fn number(value: &Value, name: &str) -> u64 {
    value.get(name).and_then(Value::as_u64).unwrap_or_default()
}

/// What is printed of a list that was imported.
pub(super) fn said_imported(said: &Value, format: Format) -> Result<(), Failure> {
    if format == Format::Json {
        return output::json(said);
    }
    let all = |name: &str| said.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let mut text =
        format!("✓ the revocation list {} is in effect (entry {})\n", word(said, "number"), number(said, "index"));
    for (name, what, ends) in
        [("authorities", "the authority", "certifies nothing any more"), ("keys", "the key", "does not count any more")]
    {
        for fingerprint in all(name).iter().filter_map(Value::as_str) {
            let _ = writeln!(text, "    {what} {} {ends}", printable(fingerprint));
        }
    }
    if all("keys").is_empty() && all("authorities").is_empty() {
        text.push_str("It names no key and no authority that counts here now.\n");
    }
    output::print(&text)
}

/// `person krl list`.
pub(super) fn listed(rows: &[Value], format: Format) -> Result<(), Failure> {
    if format == Format::Json {
        return output::json(&json!({"version": 1, "lists": rows}));
    }
    let mut text = String::new();
    for row in rows {
        let (nth, placed, digest) = (word(row, "number"), word(row, "appended"), word(row, "digest"));
        let _ = writeln!(text, "{nth:>6}  {placed}  {digest}  (entry {})", number(row, "index"));
    }
    if text.is_empty() {
        text.push_str("no revocation list was imported\n");
    }
    output::print(&text)
}

/// Reads a list; one that is too large is told by its parser.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let failed = |source| CliError::Read { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    let most = u64::try_from(LARGEST_LIST).unwrap_or(u64::MAX).saturating_add(1);
    std::fs::File::open(path).map_err(failed)?.take(most).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}
