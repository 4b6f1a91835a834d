//! `audit furnish` and `audit mock`.

use std::time::Instant;

use countersign_govern::audit::furnish::{self, Asked};
use countersign_govern::audit::mock;
use countersign_model::Exit;
use countersign_model::audit::PackScope;

use super::args::{Format, PlaceArgs};
use super::audit_furnish_args::{FurnishArgs, FurnishOpenArgs, FurnishVerb, MockArgs};
use super::place::notices;
use super::{assess, catalogue};
use crate::config::Environment;
use crate::errors::Outcome;
use crate::output::{self, Paint, audit_furnish as page};

/// `audit furnish`.
pub(crate) fn run(at: &PlaceArgs, args: &FurnishArgs, env: &Environment) -> Outcome {
    match &args.verb {
        FurnishVerb::Open(a) => open(at, a, env),
        FurnishVerb::Deliver { request, out, recipient, mask, key, format } => {
            let catalogue = catalogue::load(at)?;
            let mut session = at.open(env)?;
            let signer = key.signer(env)?;
            let done = furnish::deliver(&mut session, request, recipient, *mask, &catalogue, out, &signer)?;
            notices(&mut session);
            match format {
                Format::Json => output::json(&page::delivered_json(&done))?,
                Format::Text => output::print(&page::delivered(&done, &Paint::of(env)))?,
            }
            Ok(if done.said.missing == 0 { Exit::Pass } else { Exit::Incomplete })
        }
        FurnishVerb::List { format } => {
            let session = at.open(env)?;
            match format {
                Format::Json => output::json(&page::listed_json(&session)?)?,
                Format::Text => output::print(&page::listed(&session)?)?,
            }
            Ok(Exit::Pass)
        }
    }
}

fn open(at: &PlaceArgs, a: &FurnishOpenArgs, env: &Environment) -> Outcome {
    let catalogue = catalogue::load(at)?;
    let mut session = at.open(env)?;
    let scope = PackScope {
        deployment: a.deployment.clone(),
        from: a.from,
        to: a.to,
        applications: a.application.clone(),
        frameworks: a.framework.clone(),
        controls: a.control.clone(),
        furnish: None,
    };
    let asked = Asked {
        regulator: &a.regulator,
        reference: &a.reference,
        received_by: a.received_by.as_deref(),
        received: a.received,
        due: a.due,
        scope: &scope,
    };
    let (id, index) = furnish::open(&mut session, &asked, &catalogue, &a.key.signer(env)?)?;
    notices(&mut session);
    match a.format {
        Format::Json => output::json(&serde_json::json!({"version": 1, "furnish": id, "index": index}))?,
        Format::Text => output::print(&format!(
            "request {id} is recorded, due {} (entry {index})\n\
             next: countersign audit furnish deliver {id} --out FILE --recipient TEXT\n",
            a.due
        ))?,
    }
    Ok(Exit::Pass)
}

/// `audit mock`.
pub(crate) fn rehearse(at: &PlaceArgs, args: &MockArgs, env: &Environment) -> Outcome {
    let begun = Instant::now();
    let catalogue = catalogue::load(at)?;
    let mut session = at.open(env)?;
    mock::check(&session, &catalogue, &args.framework, args.quarter)?;
    let verified = assess::verify(at, env)?;
    let installation = env.installation()?;
    let ask = mock::Rehearsal { framework: &args.framework, quarter: args.quarter, beside: installation.dir(), begun };
    let mock = mock::rehearse(&mut session, &catalogue, Some(&verified), &ask)?;
    notices(&mut session);
    match args.format {
        Format::Json => output::json(&page::mock_json(&mock))?,
        Format::Text => output::print(&page::mock(&mock, &Paint::of(env)))?,
    }
    Ok(match (mock.said.missing, mock.said.broken) {
        (0, 0) => Exit::Pass,
        (0, _) => Exit::Denied,
        _ => Exit::Incomplete,
    })
}
