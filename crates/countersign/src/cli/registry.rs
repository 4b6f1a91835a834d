//! `application` and `environment`: what the firm answers for, and where it runs.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use countersign_govern::access::{Pen, people};
use countersign_govern::registry as acts;
use countersign_model::access::freezes::Window;
use countersign_model::governance::{Application, CardholderScope, DeploymentEnvironment};
use countersign_model::{Exit, PersonId};
use countersign_stages::release::{self, freeze::set_windows};
use countersign_store::Session;
use countersign_store::projection::Registered;
use serde_json::{Value, json};

use super::args::{Format, PlaceArgs};
use super::place::notices;
use super::registry_args::{ApplicationArgs, ApplicationDetails, ApplicationVerb, EnvironmentArgs, EnvironmentVerb};
use super::remote_registry;
use crate::config::Environment;
use crate::errors::{CliError, Failure, Outcome};
use crate::output::{self, printable, word};

/// `application`.
pub(crate) fn application(at: &PlaceArgs, args: &ApplicationArgs, env: &Environment) -> Outcome {
    if let Some(client) = args.verb.server().client(env)? {
        return remote_registry::application(&client, at, &args.verb, env);
    }
    let mut session = at.open(env)?;
    match &args.verb {
        ApplicationVerb::Register { id, details, reason, key, format, .. } => {
            let application = new(at, id, details, &|name| named(&session, name))?;
            let signer = key.administrator(&session, env)?;
            let pen = Pen::Key(&signer);
            let done = acts::register_application(&mut session, &application, true, reason.as_deref(), pen)?;
            said(
                *format,
                done.done_if_new()?,
                &format!("{id} is registered as {}", application.criticality),
                json!(application),
            )?;
        }
        ApplicationVerb::Change { id, details, without_repository, reason, key, format, .. } => {
            let before = acts::application(&session, id)?.what;
            let application = changed(at, &before, details, without_repository, &|name| named(&session, name))?;
            let signer = key.administrator(&session, env)?;
            let pen = Pen::Key(&signer);
            let done = acts::register_application(&mut session, &application, false, reason.as_deref(), pen)?;
            said(*format, done.done_if_new()?, &format!("{id} is changed"), json!(application))?;
        }
        ApplicationVerb::List { format, .. } => {
            let all: Vec<Value> = session.state().applications()?.iter().map(row).collect();
            applications(&all, *format)?;
        }
        ApplicationVerb::Show { id, format, .. } => {
            let known = row(&acts::application(&session, id)?);
            shown(known, *format, &|id| Ok(printable(&session.state().label(&PersonId::from_text(id))?)))?;
        }
        ApplicationVerb::Retire { id, reason, key, format, .. } => {
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
    if let Some(client) = args.verb.server().client(env)? {
        return remote_registry::environment(&client, &args.verb, env);
    }
    let mut session = at.open(env)?;
    match &args.verb {
        EnvironmentVerb::Register { id, tier, reason, key, format, .. }
        | EnvironmentVerb::Change { id, tier, reason, key, format, .. } => {
            let is_new = matches!(args.verb, EnvironmentVerb::Register { .. });
            let environment = DeploymentEnvironment { id: id.clone(), tier: *tier };
            let signer = key.administrator(&session, env)?;
            let pen = Pen::Key(&signer);
            let done = acts::register_environment(&mut session, &environment, is_new, reason.as_deref(), pen)?;
            said(
                *format,
                done.done_if_new()?,
                &format!("{} is of the tier {tier}", printable(id)),
                json!(environment),
            )?;
        }
        EnvironmentVerb::List { format, .. } => {
            let all: Vec<Value> = session.state().environments()?.iter().map(row).collect();
            environments(&all, *format)?;
        }
        EnvironmentVerb::Show { id, format, .. } => super::environment::show(&session, id, *format)?,
        EnvironmentVerb::Freeze { verb } => super::environment::freeze(&mut session, verb, env)?,
        EnvironmentVerb::Windows { id, window, reason, key, format, .. } => {
            let pen = release::pen::Pen::Key(&key.signer(env)?);
            let index = set_windows(&mut session, id, window, reason, pen)?.done()?;
            said(*format, Some(index), &opened(id, window), json!({"id": id, "windows": window}))?;
        }
        EnvironmentVerb::Retire { id, reason, key, format, .. } => {
            let signer = key.administrator(&session, env)?;
            let index = acts::retire_environment(&mut session, id, reason, Pen::Key(&signer))?.done()?;
            said(*format, Some(index), &format!("{} is retired", printable(id)), json!({"id": id}))?;
        }
    }
    notices(&mut session);
    Ok(Exit::Pass)
}

/// The person of that name or id.
fn named(session: &Session, text: &str) -> Result<PersonId, Failure> {
    Ok(people::find(session.state(), text)?.id)
}

/// In a sentence, when an environment is open.
pub(super) fn opened(id: &str, windows: &[Window]) -> String {
    let said = if windows.is_empty() { "is open at any time" } else { "is open in its windows only" };
    format!("{} {said}", printable(id))
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

/// An application as it is described. `person` finds people.
pub(super) fn new(
    at: &PlaceArgs,
    id: &str,
    details: &ApplicationDetails,
    person: &dyn Fn(&str) -> Result<PersonId, Failure>,
) -> Result<Application, Failure> {
    let deputy = match details.deputy.as_deref() {
        None | Some("none") => None,
        Some(name) => Some(person(name)?),
    };
    Ok(Application {
        id: id.to_owned(),
        name: details.name.clone().unwrap_or_else(|| id.to_owned()),
        owner: person(&required(details.owner.clone(), "an owner: --owner PERSON")?)?,
        deputy,
        criticality: required(details.criticality, "a criticality: --criticality low|medium|high|critical")?,
        data: sorted(details.data.iter().copied()),
        cardholder_scope: details.cardholder_scope.unwrap_or(CardholderScope::Out),
        sox_key_system: details.sox_key_system.unwrap_or(false),
        repositories: sorted(repositories(at, details)?),
    })
}

/// What an application becomes where this is changed about it.
pub(super) fn changed(
    at: &PlaceArgs,
    before: &Application,
    details: &ApplicationDetails,
    without: &[String],
    person: &dyn Fn(&str) -> Result<PersonId, Failure>,
) -> Result<Application, Failure> {
    let mut after = before.clone();
    if let Some(name) = &details.name {
        after.name.clone_from(name);
    }
    if let Some(owner) = &details.owner {
        after.owner = person(owner)?;
    }
    match details.deputy.as_deref() {
        None => {}
        Some("none") => after.deputy = None,
        Some(name) => after.deputy = Some(person(name)?),
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
pub(super) fn said(format: Format, index: Option<u64>, text: &str, what: Value) -> Result<(), Failure> {
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

/// Prints the applications, from what programs are told of them.
pub(super) fn applications(all: &[Value], format: Format) -> Result<(), Failure> {
    if format == Format::Json {
        return output::json(&json!({"version": 1, "applications": all}));
    }
    let mut out = String::new();
    for a in all {
        let (what, over) = (&a["what"], if a["retired"].is_null() { "" } else { "  retired" });
        let repositories = what["repositories"].as_array().map_or(0, Vec::len);
        let n = output::count(repositories as u64, "repository", "repositories");
        let (id, criticality, scope) = (word(&what["id"]), word(&what["criticality"]), word(&what["cardholder_scope"]));
        let _ = writeln!(out, "{id:<24} {criticality:<9} {scope:<9} {n}{over}");
    }
    let _ = writeln!(out, "{}", output::count(all.len() as u64, "application", "applications"));
    out.push_str("A repository of none is judged by the strictest default.\n");
    output::print(&out)
}

/// Prints the environments, from what programs are told of them.
pub(super) fn environments(all: &[Value], format: Format) -> Result<(), Failure> {
    if format == Format::Json {
        return output::json(&json!({"version": 1, "environments": all}));
    }
    let mut out = String::new();
    for e in all {
        let (what, over) = (&e["what"], if e["retired"].is_null() { "" } else { "  retired" });
        let _ = writeln!(out, "{:<24} {}{over}", word(&what["id"]), word(&what["tier"]));
    }
    let _ = writeln!(out, "{}", output::count(all.len() as u64, "environment", "environments"));
    out.push_str("What is released to any other is judged by the strictest default.\n");
    output::print(&out)
}

/// Prints an application, from what programs are told of it. `name` says what somebody is called.
pub(super) fn shown(
    mut one: Value,
    format: Format,
    name: &dyn Fn(&str) -> Result<String, Failure>,
) -> Result<(), Failure> {
    if format == Format::Json {
        one["version"] = 1.into();
        return output::json(&one);
    }
    let label = |of: &Value| name(of.as_str().unwrap_or_default());
    let (a, each) = (&one["what"], |list: &Value| list.as_array().into_iter().flatten().map(word).collect::<Vec<_>>());
    let mut out = format!("{}  {}\n", word(&a["id"]), word(&a["name"]));
    let _ = writeln!(out, "  owner             {}", label(&a["owner"])?);
    if a["deputy"].is_string() {
        let _ = writeln!(out, "  deputy            {}", label(&a["deputy"])?);
    }
    let _ = writeln!(out, "  criticality       {}", word(&a["criticality"]));
    let _ = writeln!(out, "  data              {}", each(&a["data"]).join(", "));
    let _ = writeln!(out, "  cardholder scope  {}", word(&a["cardholder_scope"]));
    let _ = writeln!(out, "  SOX key system    {}", if a["sox_key_system"] == true { "yes" } else { "no" });
    for repository in each(&a["repositories"]) {
        let _ = writeln!(out, "  repository        {repository}");
    }
    let (by, time) = (label(&one["by"])?, word(&one["time"]));
    let _ = writeln!(out, "  as of entry       {}, by {by}, {time}", one["index"]);
    if let Some(index) = one["retired"].as_u64() {
        let _ = writeln!(out, "  retired           in entry {index}");
    }
    output::print(&out)
}
