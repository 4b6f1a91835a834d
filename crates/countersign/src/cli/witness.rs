//! `witness init | add-log | serve`: vouches for other people's logs.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use countersign_evidence::note::{Algorithm, VerifierKey};
use countersign_model::{Diagnostic as _, Exit};
use countersign_server::witness::{Notice, Witness};

use super::args::{WitnessArgs, WitnessVerb};
use crate::config::Environment;
use crate::errors::Outcome;
use crate::output::{self, printable};

/// Makes a witness, tells it of a log, or serves it.
pub(crate) fn run(args: &WitnessArgs, env: &Environment) -> Outcome {
    match &args.verb {
        WitnessVerb::Init { dir, name } => init(dir, name),
        WitnessVerb::AddLog { dir, vkey } => add_log(dir, vkey),
        WitnessVerb::Serve { dir, listen } => serve(dir, *listen, env),
    }
}

fn init(dir: &Path, name: &str) -> Outcome {
    let keys = Witness::create(dir, name)?;
    let mut text = format!("✓ made the witness {} in {}\n", printable(name), dir.display());
    for key in keys {
        let what = match key.algorithm() {
            Algorithm::MlDsa44 => "ML-DSA-44, for policies that ask for post-quantum signatures",
            _ => "Ed25519, which every log client knows",
        };
        text.push_str(&format!("\n# {what}\n{key}\n"));
    }
    text.push_str(&format!("\nnext: countersign witness add-log {} VKEY\n", dir.display()));
    output::print(&text)?;
    Ok(Exit::Pass)
}

fn add_log(dir: &Path, vkey: &str) -> Outcome {
    let key = VerifierKey::parse(vkey.trim())?;
    let new = Witness::add_log(dir, &key)?;
    let name = printable(key.name());
    output::print(&match new {
        true => format!("✓ the witness knows the log {name}\n"),
        false => format!("✓ the witness knew this key of {name} already\n"),
    })?;
    Ok(Exit::Pass)
}

fn serve(dir: &Path, listen: SocketAddr, env: &Environment) -> Outcome {
    let witness = Witness::open(dir)?;
    let name = witness.verifiers().first().map(|key| printable(key.name())).unwrap_or_default();
    let mut said = Ok(());
    witness.serve(listen, env.clock.clone(), Arc::new(tell), |address| {
        said = output::print(&format!("witness {name} on http://{address}/\nCtrl-C ends it.\n"));
    })?;
    said?;
    Ok(Exit::Pass)
}

fn tell(notice: Notice) {
    match notice {
        Notice::Cosigned { origin, size } => output::note(&format!("cosigned {origin} at {size}")),
        Notice::Kept { origin, fork, file } => {
            let what = if fork { "signed two histories" } else { "signed a checkpoint that does not fit" };
            let kept =
                file.map_or_else(|| "there is no room to keep it".into(), |f| format!("kept in {}", f.display()));
            output::note(&format!("{origin} {what}; {kept}"));
        }
        Notice::Failed(e) => output::note(&format!("[{}] {e}", e.code())),
    }
}
