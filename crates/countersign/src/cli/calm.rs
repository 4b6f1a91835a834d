//! `audit calm`: deployments and evidence for an architecture in CALM.

use std::path::Path;

use countersign_govern::audit::calm;
use countersign_model::Exit;

use super::args::PlaceArgs;
use super::oscal::{hand_over, window};
use super::oscal_args::{CalmArgs, CalmVerb};
use super::{catalogue, place::notices};
use crate::config::Environment;
use crate::errors::Outcome;

/// `audit calm`.
pub(crate) fn run(at: &PlaceArgs, args: &CalmArgs, env: &Environment) -> Outcome {
    match &args.verb {
        CalmVerb::Deployment(a) => {
            for name in a.architecture.iter().filter(|name| !name.contains("://")) {
                calm::holds(name, &catalogue::contents(Path::new(name))?, &a.node)?;
            }
            let mut session = at.open(env)?;
            let bytes = calm::deployment(&session, &a.deployment, &a.architecture, &a.node)?;
            notices(&mut session);
            hand_over(a.out.as_deref(), &bytes)?;
        }
        CalmVerb::Evidence(a) => {
            let catalogue = catalogue::load(at)?;
            let mut session = at.open(env)?;
            let window = window(&a.window, &session)?;
            let bytes = calm::evidence(&session, &catalogue, &a.control, window, &a.config_url, &a.path)?;
            notices(&mut session);
            hand_over(a.out.as_deref(), &bytes)?;
        }
    }
    Ok(Exit::Pass)
}
