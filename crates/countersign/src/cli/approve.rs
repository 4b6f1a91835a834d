//! `approve` and `import`.

use countersign_evidence::act::SignedAct;
use countersign_model::{Exit, RunId};
use countersign_stages::build::confined::ConfinedEngine;
use countersign_stages::release::approve::{Approved, approve, import as import_approval};
use countersign_stages::release::prepared::{Prepared, complete, prepare};
use countersign_store::Session;
use serde_json::json;

use super::args::{ApproveArgs, Format, ImportArgs, PlaceArgs};
use super::handed::{read_small, write_new};
use super::place::{find_run, notices};
use super::remote;
use crate::config::Environment;
use crate::errors::{CliError, Failure, Outcome};
use crate::output::{self, Paint, gates};

/// The largest approval file that is read, in bytes.
const MOST_IMPORT: u64 = 4 * 1024 * 1024;

/// Signs an approval.
pub(crate) fn run(at: &PlaceArgs, args: &ApproveArgs, env: &Environment) -> Outcome {
    if let Some(client) = args.server.client(env)? {
        return remote::approve(&client, at, args, env);
    }
    let mut session = at.open(env)?;
    if session.state().trust().is_none() {
        return Err(countersign_stages::Error::NoTrustRoot { act: "approve" }.into());
    }
    let run = find_run(&session, &args.run)?;
    let elsewhere = &args.elsewhere;
    match (&elsewhere.passkey, &elsewhere.request, &elsewhere.signature) {
        (Some(passkey), Some(request), _) => {
            let prepared = prepare(&mut session, &ConfinedEngine, &run, &args.slot, args.hours, passkey)?;
            notices(&mut session);
            write_new(request, &prepared.request)?;
            asked(&session, &run, args, &prepared, request)?;
            return Ok(Exit::Pass);
        }
        (None, Some(request), Some(answer)) => {
            let (request, answer) = (read_small(request)?, read_small(answer)?);
            let approved = complete(&mut session, &ConfinedEngine, &run, &args.slot, &request, &answer)?;
            notices(&mut session);
            print(&session, &approved, args.format, None, env)?;
            return Ok(Exit::Pass);
        }
        (None, Some(_), None) => {
            return Err(CliError::Usage {
                what: "it is not said what to do with the request".into(),
                help: "--passkey FINGERPRINT writes it; --signature FILE hands in the answer to it".into(),
            }
            .into());
        }
        _ => {}
    }
    let signer = args.key.signer(env)?;
    let approved = approve(&mut session, &ConfinedEngine, &run, &args.slot, args.hours, &signer, args.out.is_some())?;
    notices(&mut session);
    if let Some(path) = &args.out {
        let bytes = approved.act.to_vec()?;
        std::fs::write(path, bytes).map_err(|source| CliError::Write { path: path.clone(), source })?;
    }
    print(&session, &approved, args.format, args.out.as_deref(), env)?;
    Ok(Exit::Pass)
}

fn asked(
    session: &Session,
    run: &RunId,
    args: &ApproveArgs,
    prepared: &Prepared,
    request: &std::path::Path,
) -> Result<(), Failure> {
    match args.format {
        Format::Json => output::json(&json!({
            "version": 1, "run": run, "person": prepared.person, "as": args.slot, "request": request.to_string_lossy(),
        })),
        Format::Text => output::print(&format!(
            "✓ {} is asked for the {} approval of {run} ({}); nothing is signed yet\n\
             Next, in the origin that it names: navigator.credentials.get({{publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(request.publicKey)}})\n\
             Then: countersign approve {run} --as {} --request {} --signature ANSWER\n",
            output::printable(&session.state().label(&prepared.person)?),
            args.slot,
            request.display(),
            args.slot,
            request.display()
        )),
    }
}

/// Adds an approval signed elsewhere.
pub(crate) fn import(at: &PlaceArgs, args: &ImportArgs, env: &Environment) -> Outcome {
    let read = |source| CliError::Read { path: args.file.clone(), source };
    let file = std::fs::File::open(&args.file).map_err(read)?;
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut std::io::Read::take(file, MOST_IMPORT), &mut bytes).map_err(read)?;
    let mut session = at.open(env)?;
    if let Err(source) = SignedAct::from_slice(&bytes) {
        let failure: Failure = CliError::NoApprovalInFile { path: args.file.clone(), source }.into();
        // Whoever hands in something that is no approval finds it recorded, as with one that does not count.
        if session.state().trust().is_some() {
            session.record_refusal("import", None, None, failure.0.code())?;
        }
        return Err(failure);
    }
    let approved = import_approval(&mut session, &ConfinedEngine, &bytes)?;
    notices(&mut session);
    print(&session, &approved, args.format, None, env)?;
    Ok(Exit::Pass)
}

fn print(
    session: &Session,
    approved: &Approved,
    format: Format,
    out: Option<&std::path::Path>,
    env: &Environment,
) -> Result<(), Failure> {
    match format {
        Format::Json => output::json(&json!({
            "version": 1, "run": approved.run, "person": approved.person, "as": approved.slot,
            "index": approved.index, "expires": approved.expires, "out": out.map(|p| p.to_string_lossy()), "gates": gates::to_json(&approved.gates),
        })),
        Format::Text => {
            let p = Paint::of(env);
            let who = output::printable(&session.state().label(&approved.person)?);
            let place = match (approved.index, out) {
                (Some(index), _) => format!("entry {index}"),
                (None, Some(path)) => format!("in {}; carry it over: countersign import FILE", path.display()),
                (None, None) => "nowhere".into(),
            };
            let mut text =
                format!("{}✓{} {} approval of {} by {who} ({place})\n", p.good, p.reset, approved.slot, approved.run);
            if approved.index.is_some() {
                text.push('\n');
                text.push_str(&gates::signatures(&approved.gates, &approved.run, session.state(), &p)?);
            }
            output::print(&text)
        }
    }
}
