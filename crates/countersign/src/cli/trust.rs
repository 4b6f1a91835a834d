//! `trust export` and `trust import`: carries the pin between machines, never through the ledger.

use countersign_model::Exit;
use countersign_store::installation::Pin;

use super::args::{PlaceArgs, TrustArgs, TrustVerb};
use crate::config::Environment;
use crate::errors::{CliError, Outcome};
use crate::output;

/// Exports or imports.
pub(crate) fn run(at: &PlaceArgs, args: &TrustArgs, env: &Environment) -> Outcome {
    match &args.verb {
        TrustVerb::Export { out } => {
            let session = at.open(env)?;
            let bytes = session.require_pin()?.to_bytes()?;
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
            let installation = env.installation()?;
            if let Some(known) = installation.pin(&pin.origin)?
                && (known.vkey != pin.vkey || (known.trust_root.is_some() && known.trust_root != pin.trust_root))
            {
                return Err(countersign_store::session::SessionError::Forged { origin: pin.origin }.into());
            }
            // An older view never replaces a newer one: what was seen stays seen.
            let newer = installation.pin(&pin.origin)?.filter(|known| known.seen.size > pin.seen.size);
            let seen = newer.map_or_else(|| pin.seen.clone(), |known| known.seen);
            installation.set_pin(&Pin { seen, ..pin.clone() })?;
            output::print(&format!("✓ this machine trusts {} from here on\n  log key  {}\n", pin.origin, pin.vkey))?;
        }
    }
    Ok(Exit::Pass)
}
