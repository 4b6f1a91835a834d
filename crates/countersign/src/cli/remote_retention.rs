//! `retention`, `hold` and `records-officer` with `--server`: what each asks for, and what it prints, as where the ledger is.

use countersign_connect::remote::ApiClient;
use countersign_evidence::act;
use countersign_model::retention::{ClassRule, Selector};
use countersign_model::{Exit, PersonId, RunId};
use serde_json::{Value, json};

use super::args::{KeyArgs, PlaceArgs};
use super::remote::{only_here, run_named, stranger};
use super::remote_acts::{Expects, Said, index, is_called, say_named, tell_who, word};
use super::retention::{appended, chosen, defined, extended, held, released, started};
use super::retention_args::{HoldVerb, RecordsOfficerVerb, RetentionVerb};
use crate::config::Environment;
use crate::errors::{CliError, Failure, Outcome};
use crate::output::printable;

/// What is selected: a run is looked for among the server's, and who is named the server says.
fn selector(client: &ApiClient, at: &PlaceArgs, text: &str, env: &Environment) -> Result<Selector, Failure> {
    let usage = |what: String| CliError::Usage { what, help: "see: countersign hold place --help".into() };
    Ok(match text.parse::<Selector>().map_err(|e| usage(e.to_string()))? {
        Selector::Run(id) => Selector::Run(RunId::from_text(&run_named(client, Some(id.as_str()), at, env)?)),
        other => other,
    })
}

/// Whether it is the person who was named; whom the server says to be called so is told.
fn is_named(about: &Value, named: &PersonId, person: &PersonId) -> Result<(), String> {
    let name = about["name"].as_str().filter(|_| about["person"] == person.as_str());
    if !is_called(named, person, name) {
        return Err(format!("{} is somebody else", printable(named.as_str())));
    }
    tell_who("", named, person);
    Ok(())
}

/// Whether a statement selects what was asked for.
fn selects(about: &Value, said: &Value, asked: &Selector) -> Result<(), String> {
    let said: Option<Selector> = serde_json::from_value(said["selector"].clone()).ok();
    match (asked, &said) {
        (Selector::Person(named), Some(Selector::Person(person))) => is_named(about, named, person),
        (asked, Some(said)) if asked == said => Ok(()),
        _ => Err("`selector` is another".to_owned()),
    }
}

/// What was selected in what was signed.
fn selected(client: &ApiClient, said: &Said) -> Result<Selector, Failure> {
    let selector = said.signed.first().and_then(|said| serde_json::from_value(said["selector"].clone()).ok());
    selector.ok_or_else(|| stranger(client, "it does not say what is selected"))
}

/// The verbs of `retention` that say something.
pub(super) fn run(client: &ApiClient, at: &PlaceArgs, verb: &RetentionVerb, env: &Environment) -> Outcome {
    let said = |act: Value, expects: Expects, key: &KeyArgs| say_named(client, &act, expects, &|_, _| Ok(()), key, env);
    match verb {
        RetentionVerb::Define { class, period, start, immediate, source, reason, key, format, .. } => {
            let rule =
                ClassRule { period: *period, immediate: *immediate, start: start.clone(), source: source.clone() };
            let asked = json!({"kind": "retention-define", "class": class, "rule": rule, "reason": reason});
            let signed = ClassRule { source: source.trim().to_owned(), ..rule.clone() };
            let says = json!({"class": class, "rule": signed, "reason": reason.trim()});
            let done = said(asked, Expects::of(act::RETENTION_CLASS, says), key)?;
            let what = json!({"class": class, "rule": rule});
            appended(*format, index(client, &done)?, &defined(*class, &rule), what)?;
        }
        RetentionVerb::Default { class, reason, key, format, .. } => {
            let asked = json!({"kind": "retention-default", "class": class, "reason": reason});
            let says = json!({"class": class, "reason": reason.trim()});
            let done = said(asked, Expects::of(act::RETENTION_DEFAULT, says), key)?;
            appended(*format, index(client, &done)?, &chosen(*class), json!({"class": class}))?;
        }
        RetentionVerb::Start { event, select, on, reason, key, format, .. } => {
            let selector = selector(client, at, select, env)?;
            let asked = json!({
                "kind": "retention-start", "event": event, "select": selector.to_string(), "on": on, "reason": reason,
            });
            let says = json!({"event": event, "on": on, "reason": reason.trim()});
            let expects = Expects::of(act::RETENTION_START, says).free(&["selector"]);
            let fits = |about: &Value, said: &Value| selects(about, said, &selector);
            let done = say_named(client, &asked, expects, &fits, key, env)?;
            let selector = selected(client, &done)?;
            let what = json!({"event": event, "selector": selector, "on": on});
            appended(*format, index(client, &done)?, &started(event, &selector, *on), what)?;
        }
        RetentionVerb::Extend { select, class, until, reason, key, format, .. } => {
            let selector = selector(client, at, select, env)?;
            let asked = json!({
                "kind": "retention-extend", "select": selector.to_string(), "class": class, "until": until, "reason": reason,
            });
            let says = json!({"class": class, "until": until, "reason": reason.trim()});
            let expects = Expects::of(act::RETENTION_EXTENSION, says).free(&["selector"]);
            let fits = |about: &Value, said: &Value| selects(about, said, &selector);
            let done = say_named(client, &asked, expects, &fits, key, env)?;
            let selector = selected(client, &done)?;
            let what = json!({"selector": selector, "class": class, "until": until});
            appended(*format, index(client, &done)?, &extended(&selector, *class, *until), what)?;
        }
        RetentionVerb::Show { .. } | RetentionVerb::Undertaking { .. } => return Err(only_here("this verb")),
    }
    Ok(Exit::Pass)
}

/// The verbs of `hold` that say something.
pub(super) fn hold(client: &ApiClient, at: &PlaceArgs, verb: &HoldVerb, env: &Environment) -> Outcome {
    match verb {
        HoldVerb::Place { matter, select, reason, key, format, .. } => {
            let selector = selector(client, at, select, env)?;
            let asked =
                json!({"kind": "hold-place", "matter": matter, "select": selector.to_string(), "reason": reason});
            let says = json!({"matter": matter.trim(), "reason": reason.trim()});
            let fits = |about: &Value, said: &Value| selects(about, said, &selector);
            let done = say_named(client, &asked, Expects::of(act::HOLD, says).free(&["selector"]), &fits, key, env)?;
            let selector = selected(client, &done)?;
            let what = json!({"matter": matter.trim(), "selector": selector});
            appended(*format, index(client, &done)?, &held(&selector, matter), what)?;
        }
        HoldVerb::Release { matter, reason, key, format, .. } => {
            let asked = json!({"kind": "hold-release", "matter": matter, "reason": reason});
            let says = json!({"matter": matter.trim(), "reason": reason.trim()});
            let expects = Expects::of(act::HOLD_RELEASE, says);
            let done = say_named(client, &asked, expects, &|_, _| Ok(()), key, env)?;
            appended(*format, index(client, &done)?, &released(matter), json!({"matter": matter.trim()}))?;
        }
        HoldVerb::List { .. } => return Err(only_here("this verb")),
    }
    Ok(Exit::Pass)
}

/// The verbs of `records-officer` that say something.
pub(super) fn records_officer(client: &ApiClient, verb: &RecordsOfficerVerb, env: &Environment) -> Outcome {
    let (kind, namespace, person, office, reason, key, format, what) = match verb {
        RecordsOfficerVerb::Designate { person, office, reason, key, format, .. } => {
            let namespace = act::RECORDS_OFFICER;
            ("records-officer-designate", namespace, person, office, reason.as_deref(), key, format, "from here on")
        }
        RecordsOfficerVerb::Revoke { person, office, reason, key, format, .. } => {
            let namespace = act::RECORDS_OFFICER_REVOCATION;
            ("records-officer-revoke", namespace, person, office, Some(reason.as_str()), key, format, "no longer")
        }
        RecordsOfficerVerb::List { .. } => return Err(only_here("this verb")),
    };
    let asked = json!({"kind": kind, "person": person, "office": office, "reason": reason});
    let says = json!({"office": office, "reason": reason.map(str::trim)});
    let fits = |about: &Value, said: &Value| {
        let id = said["person"].as_str().ok_or("it names nobody")?;
        is_named(about, &PersonId::from_text(person), &PersonId::from_text(id))
    };
    let done = say_named(client, &asked, Expects::of(namespace, says).free(&["person"]), &fits, key, env)?;
    let id = word(client, done.signed.first().unwrap_or(&Value::Null), "person")?;
    let called = done.about["name"].as_str().unwrap_or(&id);
    let text = format!("{} is {office} {what}", printable(called));
    appended(*format, index(client, &done)?, &text, json!({"person": id, "office": office}))?;
    Ok(Exit::Pass)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_selected_is_signed() {
        let said = |selector: Selector| json!({"selector": selector});
        let person = |id: &str| Selector::Person(PersonId::from_text(id));
        let about = json!({"person": "per-1", "name": "Dan"});
        for (asked, signed, is_so) in [
            (Selector::All, Selector::All, true),
            (Selector::Entries(1, 2), Selector::Entries(1, 3), false),
            (Selector::Entries(1, 2), Selector::All, false),
            (person("dan"), person("per-1"), true),
            (person("per-1"), person("per-1"), true),
            (person("dan"), person("per-2"), false),
            (person("per-2"), person("per-1"), false),
            (person("mia"), person("per-1"), false),
            (person("dan"), Selector::All, false),
        ] {
            assert_eq!(selects(&about, &said(signed.clone()), &asked).is_ok(), is_so, "{asked} {signed}");
        }
        assert!(selects(&about, &json!({}), &Selector::All).is_err());
        assert!(selects(&Value::Null, &said(person("per-1")), &person("dan")).is_err());
    }
}
