//! `application` and `environment`: what the firm answers for, and where it runs.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use countersign_govern::access::{Pen, people};
use countersign_govern::registry as acts;
use countersign_model::Exit;
use countersign_model::governance::{Application, CardholderScope, DeploymentEnvironment};
use countersign_stages::release::freeze::set_windows;
use countersign_store::Session;
use countersign_store::projection::Registered;
use serde_json::{Value, json};

use super::args::{Format, PlaceArgs};
use super::place::notices;
use super::registry_args::{ApplicationArgs, ApplicationDetails, ApplicationVerb, EnvironmentArgs, EnvironmentVerb};
use crate::config::Environment;
use crate::errors::{CliError, Failure, Outcome};
use crate::output::{self, printable};

/// `application`.
pub(crate) fn application(at: &PlaceArgs, args: &ApplicationArgs, env: &Environment) -> Outcome {
    let mut session = at.open(env)?;
    match &args.verb {
        ApplicationVerb::Register { id, details, reason, key, format } => {
            let application = new(at, &session, id, details)?;
            let signer = key.administrator(&session, env)?;
            let index = acts::register_application(&mut session, &application, true, reason.as_deref(), &signer)?;
            said(*format, index, &format!("{id} is registered as {}", application.criticality), json!(application))?;
        }
        ApplicationVerb::Change { id, details, without_repository, reason, key, format } => {
            let before = acts::application(&session, id)?.what;
            let application = changed(at, &session, &before, details, without_repository)?;
            let signer = key.administrator(&session, env)?;
            let index = acts::register_application(&mut session, &application, false, reason.as_deref(), &signer)?;
            said(*format, index, &format!("{id} is changed"), json!(application))?;
        }
        ApplicationVerb::List { format } => {
            let all = session.state().applications()?;
            match format {
                Format::Json => {
                    let rows: Vec<Value> = all.iter().map(row).collect();
                    output::json(&json!({"version": 1, "applications": rows}))?;
                }
                Format::Text => output::print(&list(&all))?,
            }
        }
        ApplicationVerb::Show { id, format } => {
            let known = acts::application(&session, id)?;
            match format {
                Format::Json => {
                    let mut one = row(&known);
                    if let Some(object) = one.as_object_mut() {
                        object.insert("version".into(), 1.into());
                    }
                    output::json(&one)?;
                }
                Format::Text => output::print(&page(&session, &known)?)?,
            }
        }
        ApplicationVerb::Retire { id, reason, key, format } => {
            let signer = key.administrator(&session, env)?;
            let index = acts::retire_application(&mut session, id, reason, Pen::Key(&signer))?.done()?;
            said(*format, Some(index), &format!("{id} is retired"), json!({"id": id}))?;
        }
    }
    notices(&mut session);
    Ok(Exit::Pass)
}

/// `environment`.
pub(crate) fn environment(at: &PlaceArgs, args: &EnvironmentArgs, env: &Environment) -> Outcome {
    let mut session = at.open(env)?;
    match &args.verb {
        EnvironmentVerb::Register { id, tier, reason, key, format }
        | EnvironmentVerb::Change { id, tier, reason, key, format } => {
            let is_new = matches!(args.verb, EnvironmentVerb::Register { .. });
            let environment = DeploymentEnvironment { id: id.clone(), tier: *tier };
            let signer = key.administrator(&session, env)?;
            let index = acts::register_environment(&mut session, &environment, is_new, reason.as_deref(), &signer)?;
            said(*format, index, &format!("{} is of the tier {tier}", printable(id)), json!(environment))?;
        }
        EnvironmentVerb::List { format } => {
            let all = session.state().environments()?;
            match format {
                Format::Json => {
                    let rows: Vec<Value> = all.iter().map(row).collect();
                    output::json(&json!({"version": 1, "environments": rows}))?;
                }
                Format::Text => {
                    let mut out = String::new();
                    for e in &all {
                        let over = if e.retired.is_some() { "  retired" } else { "" };
                        let _ = writeln!(out, "{:<24} {}{over}", printable(&e.what.id), e.what.tier);
                    }
                    let _ = writeln!(out, "{}", output::count(all.len() as u64, "environment", "environments"));
                    out.push_str("What is released to any other is judged by the strictest default.\n");
                    output::print(&out)?;
                }
            }
        }
        EnvironmentVerb::Show { id, format } => super::environment::show(&session, id, *format)?,
        EnvironmentVerb::Freeze { verb } => super::environment::freeze(&mut session, verb, env)?,
        EnvironmentVerb::Windows { id, window, reason, key, format } => {
            let index = set_windows(&mut session, id, window, reason, &key.signer(env)?)?;
            let said_of = if window.is_empty() { "is open at any time" } else { "is open in its windows only" };
            said(*format, Some(index), &format!("{} {said_of}", printable(id)), json!({"id": id, "windows": window}))?;
        }
        EnvironmentVerb::Retire { id, reason, key, format } => {
            let signer = key.administrator(&session, env)?;
            let index = acts::retire_environment(&mut session, id, reason, Pen::Key(&signer))?.done()?;
            said(*format, Some(index), &format!("{} is retired", printable(id)), json!({"id": id}))?;
        }
    }
    notices(&mut session);
    Ok(Exit::Pass)
}

/// The identity of the repository around the current directory.
pub(super) fn this_repository(at: &PlaceArgs) -> Result<String, Failure> {
    let identity = at.repository()?.identity()?;
    Ok(identity.ok_or(countersign_stages::Error::Unidentified)?)
}

fn required<T>(value: Option<T>, flag: &str) -> Result<T, Failure> {
    value.ok_or_else(|| {
        let what = format!("an application has {flag}");
        CliError::Usage { what, help: "see: countersign application register --help".into() }.into()
    })
}

fn new(at: &PlaceArgs, session: &Session, id: &str, details: &ApplicationDetails) -> Result<Application, Failure> {
    let deputy = match details.deputy.as_deref() {
        None | Some("none") => None,
        Some(name) => Some(people::find(session.state(), name)?.id),
    };
    Ok(Application {
        id: id.to_owned(),
        name: details.name.clone().unwrap_or_else(|| id.to_owned()),
        owner: people::find(session.state(), &required(details.owner.clone(), "an owner: --owner PERSON")?)?.id,
        deputy,
        criticality: required(details.criticality, "a criticality: --criticality low|medium|high|critical")?,
        data: sorted(details.data.iter().copied()),
        cardholder_scope: details.cardholder_scope.unwrap_or(CardholderScope::Out),
        sox_key_system: details.sox_key_system.unwrap_or(false),
        repositories: sorted(repositories(at, details)?),
    })
}

fn changed(
    at: &PlaceArgs,
    session: &Session,
    before: &Application,
    details: &ApplicationDetails,
    without: &[String],
) -> Result<Application, Failure> {
    let mut after = before.clone();
    if let Some(name) = &details.name {
        after.name.clone_from(name);
    }
    if let Some(owner) = &details.owner {
        after.owner = people::find(session.state(), owner)?.id;
    }
    match details.deputy.as_deref() {
        None => {}
        Some("none") => after.deputy = None,
        Some(name) => after.deputy = Some(people::find(session.state(), name)?.id),
    }
    after.criticality = details.criticality.unwrap_or(before.criticality);
    if !details.data.is_empty() {
        after.data = sorted(details.data.iter().copied());
    }
    after.cardholder_scope = details.cardholder_scope.unwrap_or(before.cardholder_scope);
    after.sox_key_system = details.sox_key_system.unwrap_or(before.sox_key_system);
    let kept = before.repositories.iter().filter(|r| !without.contains(r)).cloned();
    after.repositories = sorted(kept.chain(repositories(at, details)?));
    Ok(after)
}

fn repositories(at: &PlaceArgs, details: &ApplicationDetails) -> Result<Vec<String>, Failure> {
    let mut all = details.repository.clone();
    if details.this_repository {
        all.push(this_repository(at)?);
    }
    Ok(all)
}

fn sorted<T: Ord>(items: impl IntoIterator<Item = T>) -> Vec<T> {
    items.into_iter().collect::<BTreeSet<T>>().into_iter().collect()
}

/// Says in which entry something is said now; or that it was said before.
fn said(format: Format, index: Option<u64>, text: &str, what: Value) -> Result<(), Failure> {
    match format {
        Format::Json => output::json(&json!({"version": 1, "index": index, "registered": what})),
        Format::Text => output::print(&match index {
            Some(index) => format!("✓ {text} (entry {index})\n"),
            None => "✓ nothing about it is new\n".to_owned(),
        }),
    }
}

fn row<T: serde::Serialize>(registered: &Registered<T>) -> Value {
    json!({
        "index": registered.index, "what": registered.what, "by": registered.by, "time": registered.time,
        "retired": registered.retired,
    })
}

fn list(all: &[Registered<Application>]) -> String {
    let mut out = String::new();
    for a in all {
        let over = if a.retired.is_some() { "  retired" } else { "" };
        let what = &a.what;
        let n = output::count(what.repositories.len() as u64, "repository", "repositories");
        let _ = writeln!(out, "{:<24} {:<9} {:<9} {n}{over}", what.id, what.criticality, what.cardholder_scope);
    }
    let _ = writeln!(out, "{}", output::count(all.len() as u64, "application", "applications"));
    out.push_str("A repository of none is judged by the strictest default.\n");
    out
}

fn page(session: &Session, known: &Registered<Application>) -> Result<String, Failure> {
    let a = &known.what;
    let label = |id| session.state().label(id).map(|name| printable(&name));
    let data: Vec<&str> = a.data.iter().map(|d| d.as_str()).collect();
    let mut out = format!("{}  {}\n", a.id, printable(&a.name));
    let _ = writeln!(out, "  owner             {}", label(&a.owner)?);
    if let Some(deputy) = &a.deputy {
        let _ = writeln!(out, "  deputy            {}", label(deputy)?);
    }
    let _ = writeln!(out, "  criticality       {}", a.criticality);
    let _ = writeln!(out, "  data              {}", data.join(", "));
    let _ = writeln!(out, "  cardholder scope  {}", a.cardholder_scope);
    let _ = writeln!(out, "  SOX key system    {}", if a.sox_key_system { "yes" } else { "no" });
    for repository in &a.repositories {
        let _ = writeln!(out, "  repository        {}", printable(repository));
    }
    let _ = writeln!(out, "  as of entry       {}, by {}, {}", known.index, label(&known.by)?, known.time);
    if let Some(index) = known.retired {
        let _ = writeln!(out, "  retired           in entry {index}");
    }
    Ok(out)
}
