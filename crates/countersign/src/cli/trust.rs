//! `trust export` and `trust import`: carries the pin between machines, never through the ledger.

use countersign_model::Exit;
use countersign_store::installation::Pin;
use countersign_store::session::SessionError;

use super::args::{PlaceArgs, TrustArgs, TrustVerb};
use crate::config::Environment;
use crate::errors::{CliError, Failure, Outcome};
use crate::output;

/// Exports or imports.
pub(crate) fn run(at: &PlaceArgs, args: &TrustArgs, env: &Environment) -> Outcome {
    match &args.verb {
        TrustVerb::Policy(args) => return super::witnessing::policy(at, &args.verb, env),
        TrustVerb::Export { out } => {
            let session = at.open(env)?;
            // Whoever checks tokens has no ledger to look the recorder up in.
            let recorder = session.state().recorder_enrolled().then(|| session.state().recorder().to_owned());
            let bytes = Pin { recorder, ..session.require_pin()?.clone() }.to_bytes()?;
            match out {
                Some(path) => {
                    std::fs::write(path, &bytes).map_err(|source| CliError::Write { path: path.clone(), source })?;
                    output::print(&format!(
                        "✓ wrote {}; compare it with its receiver over another channel\n",
                        path.display()
                    ))?;
                }
                None => output::print_bytes(&bytes)?,
            }
        }
        TrustVerb::Import { file } => {
            let pin = Pin::load(file)?;
            let pin = env.installation()?.update_pin(&pin.origin.clone(), |known| match known {
                Some(known)
                    if known.vkey != pin.vkey || (known.trust_root.is_some() && known.trust_root != pin.trust_root) =>
                {
                    Err(Failure::from(SessionError::Forged { origin: known.origin }))
                }
                _ => Ok(pin),
            })?;
            output::print(&format!("✓ this machine trusts {} from here on\n  log key  {}\n", pin.origin, pin.vkey))?;
        }
    }
    Ok(Exit::Pass)
}
