//! `application` and `environment` with `--server`: what each asks for, and what it prints, as where the ledger is.

use countersign_connect::remote::{ApiClient, RemoteError};
use countersign_evidence::act;
use countersign_govern::Error as GovernError;
use countersign_model::governance::{Application, DeploymentEnvironment};
use countersign_model::{Exit, PersonId};
use countersign_stages::Error as StageError;
use countersign_stages::release::error::ReleaseError;
use serde::Deserialize as _;
use serde_json::{Map, Value, json};

use super::args::{Format, KeyArgs, PlaceArgs};
use super::environment::{self, Why};
use super::registry::{self, changed, new, opened, said};
use super::registry_args::{ApplicationVerb, EnvironmentVerb, FreezeVerb};
use super::remote::{array, by_id, stranger};
use super::remote_acts::{Expects, Said, index, is_called, say, say_unless_so, tell_who, word};
use crate::config::Environment;
use crate::errors::{Failure, Outcome};
use crate::output::printable;

/// What a client says where what is not there has no name that it could have.
const NOT_THERE: &str = "CS-SERVER-022";

/// Fields of an answer, under the names that the command line has for them.
fn part(client: &ApiClient, said: &Value, names: &[(&str, &str)]) -> Result<Map<String, Value>, Failure> {
    let of = |(there, here): &(&str, &str)| {
        let value = said.get(*there).cloned();
        let value = value.ok_or_else(|| stranger(client, &format!("its answer lacks `{there}`")))?;
        Ok(((*here).to_owned(), value))
    };
    names.iter().map(of).collect()
}

/// Something that is registered, as programs are told it where the ledger is.
fn registered(client: &ApiClient, said: &Value, what: &[(&str, &str)]) -> Result<Value, Failure> {
    let mut one = part(client, said, &[("index", "index"), ("by", "by"), ("time", "time"), ("retired", "retired")])?;
    one.insert("what".into(), Value::Object(part(client, said, what)?));
    Ok(Value::Object(one))
}

const APPLICATION: &[(&str, &str)] = &[
    ("application", "id"),
    ("name", "name"),
    ("owner", "owner"),
    ("deputy", "deputy"),
    ("criticality", "criticality"),
    ("data", "data"),
    ("cardholder_scope", "cardholder_scope"),
    ("sox_key_system", "sox_key_system"),
    ("repositories", "repositories"),
];

fn all_applications(client: &ApiClient) -> Result<Vec<Value>, Failure> {
    let said = client.get("applications", &[])?;
    array(&said, "items").map(|one| registered(client, one, APPLICATION)).collect()
}

/// The application of that id.
fn found(client: &ApiClient, id: &str) -> Result<Value, Failure> {
    let all = all_applications(client)?;
    if let Some(one) = all.iter().find(|one| one["what"]["id"] == id) {
        return Ok(one.clone());
    }
    let known = all.iter().filter(|one| one["retired"].is_null()).filter_map(|one| one["what"]["id"].as_str());
    let known = known.map(str::to_owned).collect();
    Err(GovernError::NotRegistered { kind: "application", id: id.to_owned(), known }.into())
}

/// Whoever is named: the server says who that is.
#[expect(clippy::unnecessary_wraps, reason = "where the ledger is, somebody may not be there")]
fn as_named(text: &str) -> Result<PersonId, Failure> {
    Ok(PersonId::from_text(text))
}

/// The verbs of `application`.
pub(super) fn application(client: &ApiClient, at: &PlaceArgs, verb: &ApplicationVerb, env: &Environment) -> Outcome {
    match verb {
        ApplicationVerb::Register { id, details, reason, key, format, .. } => {
            let application = new(at, id, details, &as_named)?;
            let asked = Asked { kind: "application-register", application: &application, replaces: None };
            let done = signed(client, &asked, reason.as_deref(), key, env)?;
            told(client, &done, *format, &format!("{id} is registered as {}", application.criticality))?;
        }
        ApplicationVerb::Change { id, details, without_repository, reason, key, format, .. } => {
            let before = found(client, id)?;
            let what = Application::deserialize(&before["what"]);
            let what = what.map_err(|_| stranger(client, "its application cannot be read"))?;
            let application = changed(at, &what, details, without_repository, &as_named)?;
            let replaces = before["index"].as_u64();
            let asked = Asked { kind: "application-change", application: &application, replaces };
            let done = signed(client, &asked, reason.as_deref(), key, env)?;
            told(client, &done, *format, &format!("{id} is changed"))?;
        }
        ApplicationVerb::Retire { id, reason, key, format, .. } => {
            let asked = json!({"kind": "application-retire", "application": id, "reason": reason});
            let says = json!({"application": id, "reason": reason.trim()});
            let done = say(client, &asked, &[Expects::of(act::APPLICATION_RETIREMENT, says)], key, env)?;
            told(client, &done, *format, &format!("{id} is retired"))?;
        }
        ApplicationVerb::List { format, .. } => registry::applications(&all_applications(client)?, *format)?,
        ApplicationVerb::Show { id, format, .. } => registry::shown(found(client, id)?, *format, &by_id)?,
    }
    Ok(Exit::Pass)
}

/// An application that is to be registered; its people are named as somebody typed them.
struct Asked<'a> {
    kind: &'static str,
    application: &'a Application,
    /// The entry of what it is changed from, as it was looked at.
    replaces: Option<u64>,
}

fn signed(
    client: &ApiClient,
    asked: &Asked<'_>,
    reason: Option<&str>,
    key: &KeyArgs,
    env: &Environment,
) -> Result<Said, Failure> {
    let application = asked.application;
    let says = json!({"replaces": asked.replaces, "reason": reason.map(str::trim)});
    let expects = Expects::of(act::APPLICATION, says).free(&["application"]);
    let fits = |about: &Value, said: &Value| fits(application, about, &said["application"]);
    let act = json!({"kind": asked.kind, "application": application, "reason": reason});
    say_unless_so(client, &act, &[expects], &fits, key, env)
}

/// Whether an application that is to be signed is the one that was asked for. Who was named by id is that; who was named by name is whom the
/// server calls so, which is said.
fn fits(asked: &Application, about: &Value, said: &Value) -> Result<(), String> {
    let said = Application::deserialize(said).map_err(|_| "the application cannot be read".to_owned())?;
    let people =
        [("owner", Some(&asked.owner), Some(&said.owner)), ("deputy", asked.deputy.as_ref(), said.deputy.as_ref())];
    for (part, asked, said) in people {
        let (Some(asked), Some(said)) = (asked, said) else {
            if asked == said {
                continue;
            }
            return Err(format!("the {part} is another"));
        };
        let name = about[part]["name"].as_str().filter(|_| about[part]["person"] == said.as_str());
        if !is_called(asked, said, name) {
            return Err(format!("the {part} is another"));
        }
        tell_who(&format!("the {part} "), asked, said);
    }
    let same = Application { owner: said.owner.clone(), deputy: said.deputy.clone(), ..asked.clone() };
    if same == said { Ok(()) } else { Err("`application` is another".to_owned()) }
}

/// Prints what came of it.
fn told(client: &ApiClient, done: &Said, format: Format, text: &str) -> Result<(), Failure> {
    let index = if done.acts.is_empty() { None } else { Some(index(client, done)?) };
    let what = done.result.get("registered").cloned();
    said(format, index, text, what.ok_or_else(|| stranger(client, "its answer lacks `registered`"))?)
}

/// The verbs of `environment`.
pub(super) fn environment(client: &ApiClient, verb: &EnvironmentVerb, env: &Environment) -> Outcome {
    match verb {
        EnvironmentVerb::Register { id, tier, reason, key, format, .. }
        | EnvironmentVerb::Change { id, tier, reason, key, format, .. } => {
            let is_new = matches!(verb, EnvironmentVerb::Register { .. });
            let kind = if is_new { "environment-register" } else { "environment-change" };
            let environment = DeploymentEnvironment { id: id.clone(), tier: *tier };
            let asked = json!({"kind": kind, "environment": environment, "reason": reason});
            let says = json!({"environment": environment, "reason": reason.as_deref().map(str::trim)});
            let expects = Expects::of(act::ENVIRONMENT, says).free(&["replaces"]);
            let done = say_unless_so(client, &asked, &[expects], &|_, _| Ok(()), key, env)?;
            told(client, &done, *format, &format!("{} is of the tier {tier}", printable(id)))?;
        }
        EnvironmentVerb::Retire { id, reason, key, format, .. } => {
            let asked = json!({"kind": "environment-retire", "environment": id, "reason": reason});
            let says = json!({"environment": id, "reason": reason.trim()});
            let done = say(client, &asked, &[Expects::of(act::ENVIRONMENT_RETIREMENT, says)], key, env)?;
            told(client, &done, *format, &format!("{} is retired", printable(id)))?;
        }
        EnvironmentVerb::Windows { id, window, reason, key, format, .. } => {
            let asked = json!({"kind": "environment-windows", "environment": id, "windows": window, "reason": reason});
            let says = json!({"environment": id, "windows": window, "reason": reason.trim()});
            let done = say(client, &asked, &[Expects::of(act::WINDOWS, says)], key, env)?;
            told(client, &done, *format, &opened(id, window))?;
        }
        EnvironmentVerb::Freeze { verb } => freeze(client, verb, env)?,
        EnvironmentVerb::List { format, .. } => {
            let said = client.get("environments", &[("retired", "true")])?;
            let of = |one| registered(client, one, &[("environment", "id"), ("tier", "tier")]);
            let all = array(&said, "items").map(of).collect::<Result<Vec<_>, _>>()?;
            registry::environments(&all, *format)?;
        }
        EnvironmentVerb::Show { id, format, .. } => show(client, id, *format)?,
    }
    Ok(Exit::Pass)
}

fn freeze(client: &ApiClient, verb: &FreezeVerb, env: &Environment) -> Result<(), Failure> {
    match verb {
        FreezeVerb::Add { environment, from, until, reason, key, format, .. } => {
            let (from, until) = environment::times(from.as_deref(), until.as_deref())?;
            let asked = json!({
                "kind": "freeze-add", "environment": environment, "from": from, "until": until, "reason": reason,
            });
            let mut expects =
                Expects::of(act::FREEZE, json!({"environment": environment, "until": until, "reason": reason.trim()}))
                    .free(&["freeze"]);
            match from {
                Some(from) => expects.says["from"] = json!(from),
                // Where nobody says from when, it is from the moment on at which it is said.
                None => expects.lasts.push(("time", "from", 0)),
            }
            let done = say(client, &asked, &[expects], key, env)?;
            environment::added(&word(client, &done.result, "freeze")?, environment, index(client, &done)?, *format)
        }
        FreezeVerb::Lift { freeze, reason, key, format, .. } => {
            let asked = json!({"kind": "freeze-lift", "freeze": freeze, "reason": reason});
            let expects = Expects::about(act::FREEZE_LIFT, "freeze", freeze, json!({"reason": reason.trim()}));
            let done = say(client, &asked, &[expects], key, env)?;
            environment::lifted(&word(client, &done.result, "freeze")?, index(client, &done)?, *format)
        }
        FreezeVerb::List { format, .. } => {
            let said = client.get("freezes", &[])?;
            let mut all = array(&said, "items").map(|one| frozen(client, one)).collect::<Result<Vec<_>, _>>()?;
            // Oldest first, as where the ledger is.
            all.reverse();
            environment::listed(&all, *format)
        }
    }
}

/// A freeze, as programs are told it where the ledger is, and where it stands.
fn frozen(client: &ApiClient, said: &Value) -> Result<(Value, String), Failure> {
    let state = word(client, said, "state")?;
    let mut one = said.as_object().cloned().unwrap_or_default();
    one.remove("state");
    Ok((Value::Object(one), state))
}

/// `environment show`.
fn show(client: &ApiClient, id: &str, format: Format) -> Result<(), Failure> {
    let unknown = || StageError::from(ReleaseError::UnknownEnvironment { environment: id.to_owned() });
    let said = match client.get(&format!("environments/{}", path(id)), &[]) {
        Ok(said) => said,
        Err(RemoteError::Refused { code, .. }) if code == NOT_THERE => return Err(unknown().into()),
        Err(error) => return Err(error.into()),
    };
    if said.get("retired").is_some_and(Value::is_number) {
        return Err(unknown().into());
    }
    let freezes = array(&said, "freezes").map(|one| frozen(client, one)).collect::<Result<Vec<_>, _>>()?;
    let of = |state: &str| freezes.iter().filter(|(_, is)| is == state).map(|(f, _)| f.clone()).collect::<Vec<_>>();
    let closed = match said.get("closed") {
        Some(Value::Null) => Why::Open,
        Some(Value::String(why)) if why == "frozen" => {
            let first = of("frozen").into_iter().next();
            Why::Frozen(first.ok_or_else(|| stranger(client, "it names no freeze that holds"))?)
        }
        Some(Value::String(why)) if why == "outside-windows" => Why::OutsideWindows,
        _ => return Err(stranger(client, "it does not say whether the environment is open")),
    };
    let deployed =
        [("repository", "repository"), ("commit", "commit"), ("time", "time"), ("break_glass", "break_glass")];
    let deployed = array(&said, "running").map(|one| part(client, one, &deployed).map(Value::Object));
    let deployed = deployed.collect::<Result<Vec<_>, _>>()?;
    let owed = ["break_glass", "open", "ratification", "review", "compliant", "was_compliant"].map(|name| (name, name));
    let owed = array(&said, "emergencies").map(|one| part(client, one, &owed).map(Value::Object));
    let mut owed = owed.collect::<Result<Vec<_>, _>>()?;
    // Oldest first, as where the ledger is.
    owed.reverse();
    let mut one =
        part(client, &said, &[("environment", "id"), ("tier", "tier"), ("index", "index"), ("windows", "windows")])?;
    let compliant = owed.iter().all(|emergency| emergency["compliant"] == true);
    let all: Vec<&Value> = freezes.iter().map(|(f, _)| f).collect();
    let more = json!({
        "version": 1, "open": closed == Why::Open, "freezes": all, "deployed": deployed, "emergencies": owed,
        "compliant": compliant,
    });
    one.extend(more.as_object().cloned().unwrap_or_default());
    environment::shown(&Value::Object(one), &closed, &of("ahead"), format)
}

/// An id as a part of a path.
fn path(id: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    id.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use countersign_model::governance::{CardholderScope, Criticality};

    use super::*;

    fn application(owner: &str, deputy: Option<&str>) -> Application {
        Application {
            id: "pay".into(),
            name: "Pay".into(),
            owner: PersonId::from_text(owner),
            deputy: deputy.map(PersonId::from_text),
            criticality: Criticality::Low,
            data: Vec::new(),
            cardholder_scope: CardholderScope::Out,
            sox_key_system: false,
            repositories: vec!["git:a/b".into()],
        }
    }

    #[test]
    fn an_application_is_signed_as_it_was_asked_for() {
        let about = json!({"owner": {"person": "per-1", "name": "Mia"}, "deputy": {"person": "per-2", "name": "Dan"}});
        let said = application("per-1", Some("per-2"));
        let is = |asked: &Application, said: &Application| fits(asked, &about, &json!(said)).is_ok();
        for asked in [&said, &application("mia", Some("per-2")), &application("per-1", Some("DAN"))] {
            assert!(is(asked, &said), "{asked:?}");
        }
        for asked in [
            application("per-2", Some("per-2")),
            application("ruth", Some("per-2")),
            application("mia", None),
            application("mia", Some("ruth")),
            Application { repositories: Vec::new(), ..said.clone() },
            Application { criticality: Criticality::High, ..said.clone() },
        ] {
            assert!(!is(&asked, &said), "{asked:?}");
        }
        assert!(!is(&application("mia", None), &said) && is(&application("mia", None), &application("per-1", None)));
        // A name is whom the server calls so, and nobody whose id it looks like.
        let lying = json!({"owner": {"person": "per-9", "name": "per-1"}});
        assert!(fits(&application("per-1", None), &lying, &json!(application("per-9", None))).is_err());
        assert!(fits(&said, &about, &Value::Null).is_err());
    }

    #[test]
    fn an_id_stays_one_part_of_a_path() {
        assert_eq!((path("prod-1"), path("../a b?")), ("prod-1".to_owned(), "%2E%2E%2Fa%20b%3F".to_owned()));
    }
}
