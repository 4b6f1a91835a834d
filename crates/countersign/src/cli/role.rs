//! `role`: who may do what, and who holds which role.

use countersign_govern::access::people;
use countersign_model::{Action, Exit, Role};
use serde_json::json;

use super::args::{Format, PlaceArgs};
use super::place::notices;
use super::role_args::{RoleArgs, RoleVerb};
use crate::config::Environment;
use crate::errors::Outcome;
use crate::output::{self, printable};

/// `role matrix`, `role grant`.
pub(crate) fn role(at: &PlaceArgs, args: &RoleArgs, env: &Environment) -> Outcome {
    match &args.verb {
        RoleVerb::Matrix { format } => matrix(*format)?,
        RoleVerb::Grant { person, role, reason, key, format } => {
            let mut session = at.open(env)?;
            let signer = key.administrator(&session, env)?;
            let (id, index) = people::grant_role(&mut session, person, *role, reason.as_deref(), &signer)?;
            notices(&mut session);
            match format {
                Format::Json => output::json(&json!({"version": 1, "person": id, "role": role, "index": index}))?,
                Format::Text => {
                    let label = printable(&session.state().label(&id)?);
                    output::print(&match index {
                        Some(index) => format!("✓ {label} is {role} from here on (entry {index})\n"),
                        None => format!("✓ {label} is {role} already\n"),
                    })?;
                }
            }
        }
    }
    Ok(Exit::Pass)
}

/// The table that decides, whatever the ledger.
fn matrix(format: Format) -> Result<(), crate::errors::Failure> {
    match format {
        Format::Json => output::json(&json!({
            "version": 1,
            "roles": Role::ALL,
            "acts": Action::ALL.iter().map(|a| json!({
                "act": a.as_str(), "resource": a.resource(), "does": a.does(), "roles": a.roles(),
                "also": said(a.also()), "unless": said(a.unless()),
            })).collect::<Vec<_>>(),
        })),
        Format::Text => {
            let mut rows = vec![["ACT", "ON", "TAKES", "OR", "UNLESS"].map(str::to_owned)];
            rows.extend(Action::ALL.iter().map(|a| {
                let roles: Vec<&str> = a.roles().iter().map(|r| r.as_str()).collect();
                let roles = if roles.is_empty() { "no role".to_owned() } else { roles.join(", ") };
                [a.as_str(), a.resource(), &roles, a.also(), a.unless()].map(str::to_owned)
            }));
            output::print(&output::table(&rows))
        }
    }
}

fn said(words: &str) -> Option<&str> {
    Some(words).filter(|w| !w.is_empty())
}
