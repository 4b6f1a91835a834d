//! `key show | use | export-payload-key | import-payload-key`: where this installation's private keys are.

use std::fmt::Write as _;

use countersign_evidence::machine::MachinePublicKey;
use countersign_model::Exit;
use countersign_store::installation::{Installation, KeyError};
use countersign_store::keys::KeyPlace;
use serde_json::json;

use super::args::{Format, KeyArgsOf, KeyVerb, PlaceArgs};
use crate::config::Environment;
use crate::errors::{CliError, Failure, Outcome};
use crate::output;

/// Shows or chooses keys.
pub(crate) fn run(at: &PlaceArgs, args: &KeyArgsOf, env: &Environment) -> Outcome {
    match &args.verb {
        KeyVerb::Show { format } => show(at, env, *format),
        KeyVerb::ExportPayloadKey { file } => {
            let id = env.installation()?.export_payload_key(&at.ledger(env)?, file)?;
            output::print(&format!(
                "✓ the payload key {id} is in {}\n  Whoever has it and a copy of the ledger can read every payload.\n",
                file.display()
            ))?;
            Ok(Exit::Pass)
        }
        KeyVerb::ImportPayloadKey { file } => {
            let id = env.installation()?.import_payload_key(&at.ledger(env)?, file)?;
            output::print(&format!("✓ this machine opens the payloads of this ledger with the key {id}\n"))?;
            Ok(Exit::Pass)
        }
        KeyVerb::Use { log, recorder } => choose(log.as_deref(), recorder.as_deref(), &env.installation()?),
    }
}

/// One key, and what opening it said.
struct Row {
    name: &'static str,
    place: KeyPlace,
    /// The public half, as it is written elsewhere.
    public: Result<String, KeyError>,
}

fn show(at: &PlaceArgs, env: &Environment, format: Format) -> Outcome {
    let installation = env.installation()?;
    let mut rows = Vec::new();
    if let Some(place) = installation.recorder_place()? {
        let public = installation.recorder().map(|key| key.public().to_string());
        rows.push(Row { name: "recorder", place, public });
    }
    if let Some(origin) = origin_of(at)
        && let Some(place) = installation.log_key_place(&origin)?
    {
        let public = installation.log_key(&origin).map(|key| key.verifier().to_string());
        rows.push(Row { name: "log", place, public });
    }
    if let Some(origin) = origin_of(at)
        && let (Some(place), Some(key)) = (installation.payload_key_place(&origin)?, installation.payload_key(&origin)?)
    {
        rows.push(Row { name: "payload", place, public: Ok(key.id().to_owned()) });
    }
    let new = installation.new_log_key()?;
    match format {
        Format::Json => {
            let list: Vec<_> = rows
                .iter()
                .map(|row| {
                    let (file, device) = places(&row.place);
                    json!({
                        "name": row.name, "file": file, "device": device, "public": row.public.as_ref().ok(),
                    })
                })
                .collect();
            output::json(&json!({"version": 1, "keys": list, "new_ledgers": new}))?;
        }
        Format::Text => output::print(&text(&rows, new.as_deref()))?,
    }
    match rows.into_iter().find_map(|row| row.public.err()) {
        Some(error) => Err(error.into()),
        None => Ok(Exit::Pass),
    }
}

fn text(rows: &[Row], new: Option<&str>) -> String {
    let mut out = String::new();
    for row in rows {
        let (file, device) = places(&row.place);
        let public = row.public.as_deref().unwrap_or("cannot be opened");
        let _ = writeln!(out, "{:<9} {public}", row.name);
        let _ = match device {
            Some(uri) => writeln!(out, "          in the device {uri}\n          (named in {file})"),
            None => writeln!(out, "          in {file}"),
        };
    }
    if rows.is_empty() {
        out.push_str("no key yet: the first `countersign run` makes them\n");
    }
    if let Some(uri) = new {
        let _ = writeln!(out, "new       ledgers are made with the key in the device {uri}");
    }
    out
}

/// The key's file, and its address when it is in a device.
fn places(place: &KeyPlace) -> (String, Option<&str>) {
    match place {
        KeyPlace::File(file) => (file.display().to_string(), None),
        KeyPlace::Device { file, uri } => (file.display().to_string(), Some(uri)),
    }
}

/// The origin of the ledger that is here, if one is.
fn origin_of(at: &PlaceArgs) -> Option<String> {
    let dir = at.ledger_dir().ok()?;
    let origin = std::fs::read_to_string(dir.join("ledger/origin")).ok()?;
    Some(origin.trim_end().to_owned())
}

fn choose(log: Option<&str>, recorder: Option<&str>, installation: &Installation) -> Outcome {
    let mut out = String::new();
    if let Some(uri) = recorder {
        let public = installation.use_recorder(uri)?.public();
        let _ = writeln!(out, "✓ this installation's recorder is {public}, in the device {uri}");
    }
    if let Some(uri) = log {
        let public = MachinePublicKey::from_bytes(&installation.use_log_key(uri)?)?;
        let _ = writeln!(out, "✓ new ledgers are made with the key {public}, in the device {uri}");
    }
    if out.is_empty() {
        return Err(Failure::from(CliError::Usage {
            what: "nothing is chosen".into(),
            help: "name a key: countersign key use --log pkcs11:… or --recorder pkcs11:…".into(),
        }));
    }
    output::print(&out)?;
    Ok(Exit::Pass)
}
