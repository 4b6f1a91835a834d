//! `person krl`: revocation lists of OpenSSH.

use std::fmt::Write as _;
use std::io::Read as _;
use std::path::Path;

use countersign_evidence::sshsig::LARGEST_LIST;
use countersign_govern::access::revocation_lists;
use countersign_model::Exit;
use serde_json::json;

use super::args::{Format, PlaceArgs};
use super::person_krl_args::{PersonKrlArgs, PersonKrlVerb};
use super::place::notices;
use crate::config::Environment;
use crate::errors::{CliError, Failure, Outcome};
use crate::output;

/// `person krl`.
pub(crate) fn run(at: &PlaceArgs, args: &PersonKrlArgs, env: &Environment) -> Outcome {
    match &args.verb {
        PersonKrlVerb::Import { file, reason, key, format } => {
            let bytes = read(file)?;
            let mut session = at.open(env)?;
            let signer = key.administrator(&session, env)?;
            let imported = revocation_lists::import(&mut session, &bytes, reason, &signer)?;
            notices(&mut session);
            match format {
                Format::Json => output::json(&json!({
                    "version": 1, "number": imported.number.to_string(), "keys": imported.keys,
                    "authorities": imported.authorities, "index": imported.index,
                }))?,
                Format::Text => {
                    let mut text =
                        format!("✓ the revocation list {} is in effect (entry {})\n", imported.number, imported.index);
                    for fingerprint in &imported.authorities {
                        let _ = writeln!(text, "    the authority {fingerprint} certifies nothing any more");
                    }
                    for fingerprint in &imported.keys {
                        let _ = writeln!(text, "    the key {fingerprint} does not count any more");
                    }
                    if imported.keys.is_empty() && imported.authorities.is_empty() {
                        text.push_str("It names no key and no authority that counts here now.\n");
                    }
                    output::print(&text)?;
                }
            }
        }
        PersonKrlVerb::List { format } => {
            let lists = at.open(env)?.state().revocation_lists()?;
            match format {
                Format::Json => output::json(&json!({
                    "version": 1,
                    "lists": lists.iter().map(|row| json!({
                        "number": row.number.to_string(), "digest": row.digest, "appended": row.placed, "index": row.index,
                    })).collect::<Vec<_>>(),
                }))?,
                Format::Text => {
                    let mut text = String::new();
                    for row in &lists {
                        let _ =
                            writeln!(text, "{:>6}  {}  {}  (entry {})", row.number, row.placed, row.digest, row.index);
                    }
                    if text.is_empty() {
                        text.push_str("no revocation list was imported\n");
                    }
                    output::print(&text)?;
                }
            }
        }
    }
    Ok(Exit::Pass)
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let failed = |source| CliError::Read { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    let most = u64::try_from(LARGEST_LIST).unwrap_or(u64::MAX).saturating_add(1);
    std::fs::File::open(path).map_err(failed)?.take(most).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}
