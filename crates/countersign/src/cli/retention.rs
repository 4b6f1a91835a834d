//! `retention`, `hold` and `records-officer`.

use countersign_govern::access::{Pen, people};
use countersign_govern::retention;
use countersign_model::retention::{ClassRule, Day, EventName, Selector};
use countersign_model::{Exit, Retention};
use countersign_store::Session;
use serde_json::json;

use super::args::{Format, PlaceArgs};
use super::place::{find_run, notices};
use super::remote_retention;
use super::retention_args::{HoldArgs, HoldVerb, RecordsOfficerArgs, RecordsOfficerVerb, RetentionArgs, RetentionVerb};
use crate::config::Environment;
use crate::errors::{CliError, Failure, Outcome};
use crate::output::retention as pages;
use crate::output::{self, printable};

/// Reads a selector. People may write a name for a person, and for a run what every command takes.
pub(crate) fn selector(session: &Session, text: &str) -> Result<Selector, Failure> {
    let usage = |what: String| CliError::Usage { what, help: "see: countersign hold place --help".into() };
    Ok(match text.parse::<Selector>().map_err(|e| usage(e.to_string()))? {
        Selector::Person(id) => Selector::Person(people::find(session.state(), id.as_str())?.id),
        Selector::Run(id) => Selector::Run(find_run(session, id.as_str())?),
        other => other,
    })
}

/// Says in which entry something is said now.
pub(super) fn appended(format: Format, index: u64, text: &str, mut json: serde_json::Value) -> Result<(), Failure> {
    match format {
        Format::Json => {
            if let Some(object) = json.as_object_mut() {
                object.insert("version".into(), 1.into());
                object.insert("index".into(), index.into());
            }
            output::json(&json)
        }
        Format::Text => output::print(&format!("✓ {text} (entry {index})\n")),
    }
}

/// In a sentence, what a class asks for.
pub(super) fn defined(class: Retention, rule: &ClassRule) -> String {
    format!("`{class}` keeps for {} from {}", rule.period, rule.start)
}

/// In a sentence, which class is chosen.
pub(super) fn chosen(class: Retention) -> String {
    format!("what is recorded from here on is of class `{class}`; what is in the log keeps its own")
}

/// In a sentence, that something happened.
pub(super) fn started(event: &EventName, selector: &Selector, on: Day) -> String {
    format!("`{event}` happened on {on} for {selector}; periods count from the end of that day")
}

/// In a sentence, what is kept longer.
pub(super) fn extended(selector: &Selector, class: Option<Retention>, until: Option<Day>) -> String {
    let class = class.map(|c| format!(" as `{c}` asks")).unwrap_or_default();
    let until = until.map(|d| format!(" until the end of {d}")).unwrap_or_default();
    format!("{selector} is kept{class}{until} at least")
}

/// In a sentence, what is under hold.
pub(super) fn held(selector: &Selector, matter: &str) -> String {
    format!("{selector} is under hold for {}", printable(matter.trim()))
}

/// In a sentence, whose holds are released.
pub(super) fn released(matter: &str) -> String {
    format!("the holds of {} are released", printable(matter.trim()))
}

/// `retention`.
pub(crate) fn run(at: &PlaceArgs, args: &RetentionArgs, env: &Environment) -> Outcome {
    if let Some(client) = args.verb.server().map(|server| server.client(env)).transpose()?.flatten() {
        return remote_retention::run(&client, at, &args.verb, env);
    }
    let mut session = at.open(env)?;
    match &args.verb {
        RetentionVerb::Show { index: Some(index), format, .. } => {
            let kept = retention::show(&session, *index)?;
            match format {
                Format::Json => output::json(&pages::entry_json(&kept))?,
                Format::Text => output::print(&pages::entry(&kept))?,
            }
        }
        RetentionVerb::Show { due: true, format, .. } => {
            let due = retention::due(&session)?;
            match format {
                Format::Json => output::json(&pages::due_json(&due))?,
                Format::Text => output::print(&pages::due(&due))?,
            }
        }
        RetentionVerb::Show { format, .. } => {
            let state = session.state();
            let everything = pages::Everything {
                schedule: state.schedule()?,
                default: state.default_class()?,
                certificates: state.certificates()?,
                requests: state.erasure_requests()?,
            };
            match format {
                Format::Json => output::json(&pages::everything_json(&everything))?,
                Format::Text => output::print(&pages::everything(&everything))?,
            }
        }
        RetentionVerb::Define { class, period, start, immediate, source, reason, key, format, .. } => {
            let rule =
                ClassRule { period: *period, immediate: *immediate, start: start.clone(), source: source.clone() };
            let index = retention::define(&mut session, *class, &rule, reason, Pen::Key(&key.signer(env)?))?.done()?;
            appended(*format, index, &defined(*class, &rule), json!({"class": class, "rule": rule}))?;
        }
        RetentionVerb::Default { class, reason, key, format, .. } => {
            let index = retention::choose_default(&mut session, *class, reason, Pen::Key(&key.signer(env)?))?.done()?;
            appended(*format, index, &chosen(*class), json!({"class": class}))?;
        }
        RetentionVerb::Start { event, select, on, reason, key, format, .. } => {
            let selector = selector(&session, select)?;
            let index =
                retention::start(&mut session, event, &selector, *on, reason, Pen::Key(&key.signer(env)?))?.done()?;
            let text = started(event, &selector, *on);
            appended(*format, index, &text, json!({"event": event, "selector": selector, "on": on}))?;
        }
        RetentionVerb::Extend { select, class, until, reason, key, format, .. } => {
            let selector = selector(&session, select)?;
            let index =
                retention::extend(&mut session, &selector, *class, *until, reason, Pen::Key(&key.signer(env)?))?
                    .done()?;
            let text = extended(&selector, *class, *until);
            appended(*format, index, &text, json!({"selector": selector, "class": class, "until": until}))?;
        }
        RetentionVerb::Undertaking { out, office, firm, authority } => {
            let letter = retention::undertaking(&session, *office, firm.as_deref(), authority.as_deref())?;
            std::fs::write(out, letter).map_err(|source| CliError::Write { path: out.clone(), source })?;
            output::print(&format!(
                "✓ the undertaking is in {}; counsel reviews it before anybody signs\n",
                printable(&out.display().to_string())
            ))?;
        }
    }
    notices(&mut session);
    Ok(Exit::Pass)
}

/// `hold`.
pub(crate) fn hold(at: &PlaceArgs, args: &HoldArgs, env: &Environment) -> Outcome {
    if let HoldVerb::Place { server, .. } | HoldVerb::Release { server, .. } = &args.verb
        && let Some(client) = server.client(env)?
    {
        return remote_retention::hold(&client, at, &args.verb, env);
    }
    let mut session = at.open(env)?;
    match &args.verb {
        HoldVerb::Place { matter, select, reason, key, format, .. } => {
            let selector = selector(&session, select)?;
            let index =
                retention::place(&mut session, matter, &selector, reason, Pen::Key(&key.signer(env)?))?.done()?;
            appended(*format, index, &held(&selector, matter), json!({"matter": matter.trim(), "selector": selector}))?;
        }
        HoldVerb::Release { matter, reason, key, format, .. } => {
            let index = retention::release(&mut session, matter, reason, Pen::Key(&key.signer(env)?))?.done()?;
            appended(*format, index, &released(matter), json!({"matter": matter.trim()}))?;
        }
        HoldVerb::List { format } => {
            let schedule = session.state().schedule()?;
            match format {
                Format::Json => output::json(&pages::holds_json(&schedule))?,
                Format::Text => output::print(&pages::holds(&schedule))?,
            }
        }
    }
    notices(&mut session);
    Ok(Exit::Pass)
}

/// `records-officer`.
pub(crate) fn records_officer(at: &PlaceArgs, args: &RecordsOfficerArgs, env: &Environment) -> Outcome {
    if let RecordsOfficerVerb::Designate { server, .. } | RecordsOfficerVerb::Revoke { server, .. } = &args.verb
        && let Some(client) = server.client(env)?
    {
        return remote_retention::records_officer(&client, &args.verb, env);
    }
    let mut session = at.open(env)?;
    match &args.verb {
        RecordsOfficerVerb::Designate { person, office, reason, key, format, .. } => {
            let signer = key.signer(env)?;
            let pen = Pen::Key(&signer);
            let (id, written) = retention::designate(&mut session, person, *office, reason.as_deref(), pen)?;
            let index = written.done()?;
            let text = format!("{} is {office} from here on", printable(&session.state().label(&id)?));
            appended(*format, index, &text, json!({"person": id, "office": office}))?;
        }
        RecordsOfficerVerb::Revoke { person, office, reason, key, format, .. } => {
            let signer = key.signer(env)?;
            let (id, written) = retention::revoke(&mut session, person, *office, reason, Pen::Key(&signer))?;
            let index = written.done()?;
            let text = format!("{} is {office} no longer", printable(&session.state().label(&id)?));
            appended(*format, index, &text, json!({"person": id, "office": office}))?;
        }
        RecordsOfficerVerb::List { format } => {
            let mut rows = Vec::new();
            for row in session.state().offices()? {
                rows.push((session.state().label(&row.person)?, row));
            }
            match format {
                Format::Json => output::json(&pages::offices_json(&rows))?,
                Format::Text => output::print(&pages::offices(&rows))?,
            }
        }
    }
    notices(&mut session);
    Ok(Exit::Pass)
}
