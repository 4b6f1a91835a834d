//! `audit`: what an auditor takes home, and how it was chosen.

use std::path::PathBuf;

use countersign_govern::audit::{AuditError, pack, population, reconcile};
use countersign_model::audit::PackScope;
use countersign_model::{Exit, Timestamp};

use super::args::{Format, PlaceArgs};
use super::audit_args::{AuditArgs, AuditVerb, ListFormat, PackArgs, PopulationArgs, ReconcileArgs, SampleArgs};
use super::place::notices;
use super::{assess, audit_furnish, audit_thread, calm, catalogue, oscal};
use crate::config::Environment;
use crate::errors::{CliError, Outcome};
use crate::output::{self, Paint, audit as page};

/// `audit`.
pub(crate) fn run(at: &PlaceArgs, args: &AuditArgs, env: &Environment) -> Outcome {
    match &args.verb {
        AuditVerb::Pack(a) => make(at, a, env),
        AuditVerb::Population(a) => list(at, a, env),
        AuditVerb::Sample(a) => sample(at, a, env),
        AuditVerb::Reconcile(a) => compare(at, a, env),
        AuditVerb::Mock(a) => audit_furnish::rehearse(at, a, env),
        AuditVerb::Furnish(a) => audit_furnish::run(at, a, env),
        AuditVerb::Thread(verb) => audit_thread::run(at, verb, env),
        AuditVerb::Oscal(a) => oscal::run(at, a, env),
        AuditVerb::Calm(a) => calm::run(at, a, env),
        AuditVerb::List { format } => {
            let session = at.open(env)?;
            match format {
                Format::Json => output::json(&page::listed_json(&session)?)?,
                Format::Text => output::print(&page::listed(&session)?)?,
            }
            Ok(Exit::Pass)
        }
    }
}

fn make(at: &PlaceArgs, args: &PackArgs, env: &Environment) -> Outcome {
    let catalogue = catalogue::load(at)?;
    let mut session = at.open(env)?;
    let mut scope = PackScope { deployment: args.deployment.clone(), ..PackScope::default() };
    let name = match &args.deployment {
        Some(grant) => format!("evidence-{grant}.zip"),
        None => {
            for id in &args.framework {
                if !catalogue.frameworks.contains_key(id) {
                    let known = catalogue.frameworks.keys().cloned().collect();
                    return Err(countersign_govern::Error::NoSuchFramework { framework: id.clone(), known }.into());
                }
            }
            for id in &args.control {
                if catalogue.get(id).is_none() {
                    let nearest = catalogue.nearest(id).map(str::to_owned);
                    return Err(countersign_govern::Error::NoSuchControl { control: id.clone(), nearest }.into());
                }
            }
            let window = assess::window(&args.window, &session)?;
            scope.from = Some(window.from);
            scope.to = Some(window.to);
            scope.applications.clone_from(&args.application);
            scope.frameworks.clone_from(&args.framework);
            scope.controls.clone_from(&args.control);
            format!("evidence-{}-{}.zip", day(window.from), day(window.to))
        }
    };
    let out = args.out.clone().unwrap_or_else(|| PathBuf::from(name));
    let options = pack::Options {
        masked: args.mask,
        stamp: args.stamp.stamp()?,
        #[cfg(feature = "parquet")]
        parquet: args.parquet,
    };
    let made = pack::make_with(&mut session, &catalogue, &scope, &options, &out)?;
    notices(&mut session);
    match args.format {
        Format::Json => output::json(&page::made_json(&made))?,
        Format::Text => output::print(&page::made(&made, &Paint::of(env)))?,
    }
    Ok(Exit::Pass)
}

fn day(at: Timestamp) -> String {
    at.to_string().chars().take(10).collect()
}

fn list(at: &PlaceArgs, args: &PopulationArgs, env: &Environment) -> Outcome {
    let catalogue = catalogue::load(at)?;
    let mut session = at.open(env)?;
    let window = assess::window(&args.window, &session)?;
    let population = population::population(&session, &catalogue, &args.control, window, &args.application)?;
    // Sealed before it is shown.
    let entry = if args.seal { Some(population::seal(&mut session, &population)?) } else { None };
    notices(&mut session);
    match args.format {
        ListFormat::Json => output::json(&page::population_json(&population, entry)?)?,
        ListFormat::Text => output::print(&page::population(&population, entry, &Paint::of(env))?)?,
        ListFormat::Csv => output::print(&population::csv(&population.members))?,
        ListFormat::Jsonl => output::print_bytes(&population.lines()?)?,
    }
    Ok(if population.exceptions() == 0 { Exit::Pass } else { Exit::Denied })
}

fn sample(at: &PlaceArgs, args: &SampleArgs, env: &Environment) -> Outcome {
    let catalogue = catalogue::load(at)?;
    let mut session = at.open(env)?;
    let (sealed, _) = population::sealed(&session, args.population)?;
    let usual = || {
        let control = catalogue.get(&sealed.said.control);
        control.map_or(25, |control| population::usual_size(control.frequency))
    };
    let size = if args.all { sealed.said.count } else { args.size.unwrap_or_else(usual) };
    let (drawn, members) = population::draw(&mut session, args.population, &args.seed, size)?;
    notices(&mut session);
    match args.format {
        ListFormat::Json => output::json(&page::sample_json(&sealed, &drawn, &members))?,
        ListFormat::Text => output::print(&page::sample(&sealed, &drawn, &members))?,
        ListFormat::Csv => output::print(&population::csv(&members))?,
        ListFormat::Jsonl => {
            let mut out = Vec::new();
            for member in &members {
                out.extend(countersign_evidence::canonical::to_vec(member)?);
                out.push(b'\n');
            }
            output::print_bytes(&out)?;
        }
    }
    Ok(Exit::Pass)
}

fn compare(at: &PlaceArgs, args: &ReconcileArgs, env: &Environment) -> Outcome {
    let session = at.open(env)?;
    let window = assess::window(&args.window, &session)?;
    let imported = match &args.deployments {
        None => None,
        Some(path) => {
            let text = CliError::text_of(path)?;
            let read = reconcile::read_list(&text);
            Some(read.map_err(|(line, what)| {
                countersign_govern::Error::from(AuditError::List { path: path.clone(), line, what })
            })?)
        }
    };
    let merged = match args.branch.as_deref() {
        Some(branch) => Some(at.repository()?.first_parents(branch, window.from, window.to)?),
        None => None,
    };
    let found = reconcile::reconcile(&session, window, imported.as_deref(), merged.as_deref())?;
    match args.format {
        Format::Json => output::json(&page::reconciliation_json(&found, window))?,
        Format::Text => output::print(&page::reconciliation(&found, &Paint::of(env)))?,
    }
    Ok(if found.gaps.is_empty() { Exit::Pass } else { Exit::Denied })
}
