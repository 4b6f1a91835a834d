//! `role` and `person` with `--server`: what each verb asks for, and what it prints, as where the ledger is.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use countersign_connect::remote::{ApiClient, RemoteError};
use countersign_evidence::act;
use countersign_evidence::sshsig::PublicKey;
use countersign_govern::access::roles::held_together;
use countersign_model::access::Combination;
use countersign_model::{Exit, PersonId, Role};
use countersign_store::subjects;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::access::said_enrolled;
use super::args::{Format, KeyArgs, PersonFormat};
use super::place::day_or_time;
use super::remote::{array, field, only_here, stranger};
use super::remote_acts::{Beside, Expects, Opened, Said, Sealing, index, say, say_beside};
use super::role::{Names, chosen, said_granted, said_presence, said_revoked, say_list, say_rules, say_shown};
use super::role_args::{PresenceArgs, RoleOf, RoleVerb};
use crate::config::Environment;
use crate::errors::{Failure, Outcome};
use crate::output::{self, printable};

/// `role`.
pub(super) fn role(client: &ApiClient, verb: &RoleVerb, env: &Environment) -> Outcome {
    match verb {
        RoleVerb::Grant { of, expires } => grant(client, of, expires.as_deref(), env)?,
        RoleVerb::Revoke { of } => {
            let asked = json!({"kind": "role-revoke", "person": of.person, "role": of.role, "reason": of.reason});
            let says = json!({"role": of.role, "reason": of.reason.trim()});
            let said = about(client, &asked, (act::ROLE_REVOCATION, says), &of.person, &of.key, env)?;
            said_revoked(of, field(client, &said.result, "person")?, label(client, &said)?, index(client, &said)?)?;
        }
        RoleVerb::List { all, format, .. } => {
            let query: &[(&str, &str)] = if *all { &[("all", "true")] } else { &[] };
            let said = client.get("roles", query)?;
            say_list(&array(&said, "items").cloned().collect::<Vec<_>>(), &names(client)?, *format)?;
        }
        RoleVerb::Show { person, format, .. } => show(client, person, *format)?,
        RoleVerb::Rules { refuse, refuse_none, idle_days, reason, key, format, .. } => {
            let rules = match chosen(refuse, *refuse_none, *idle_days, reason.as_deref())? {
                Some((refused, reason)) => choose(client, refused, *idle_days, reason, key, env)?,
                None => client.get("role-rules", &[])?,
            };
            let chosen = rules.get("index").and_then(Value::as_u64);
            let refused: Vec<Combination> = read(client, &rules, "refused")?;
            say_rules(chosen, &refused, read(client, &rules, "idle_days")?, *format)?;
        }
        RoleVerb::Matrix { .. } => return Err(only_here("this verb")),
    }
    Ok(Exit::Pass)
}

/// What a field of an answer is.
pub(super) fn read<T: DeserializeOwned>(client: &ApiClient, said: &Value, name: &str) -> Result<T, Failure> {
    let found = said.get(name).cloned().unwrap_or_default();
    serde_json::from_value(found).map_err(|_| stranger(client, &format!("its answer lacks `{name}`")))
}

/// What somebody says about a person, whom the server looks up where they are named by name.
pub(super) fn about(
    client: &ApiClient,
    asked: &Value,
    (namespace, says): (&'static str, Value),
    person: &str,
    key: &KeyArgs,
    env: &Environment,
) -> Result<Said, Failure> {
    about_more(client, asked, (namespace, says, &["person"]), person, &|_| Ok(()), key, env)
}

/// What there is besides to hold a statement against.
type More<'a> = &'a dyn Fn(&Value) -> Result<(), String>;

/// As [`about`], with fields that are free, and what there is besides to hold a statement against.
pub(super) fn about_more(
    client: &ApiClient,
    asked: &Value,
    (namespace, says, free): (&'static str, Value, &'static [&'static str]),
    person: &str,
    more: More<'_>,
    key: &KeyArgs,
    env: &Environment,
) -> Result<Said, Failure> {
    about_beside(client, asked, (namespace, says, free), (person, more, Beside::default()), key, env)
}

/// As [`about_more`], with what there is beside the statement.
pub(super) fn about_beside(
    client: &ApiClient,
    asked: &Value,
    (namespace, says, free): (&'static str, Value, &'static [&'static str]),
    (person, more, beside): (&str, More<'_>, Beside<'_>),
    key: &KeyArgs,
    env: &Environment,
) -> Result<Said, Failure> {
    let expects = Expects { namespace, by: "by", says, begins: Vec::new(), free, lasts: Vec::new() };
    let fits = |about: &Value, said: &Value| is_about(about, said, person).and_then(|()| more(said));
    let said = say_beside(client, asked, &[expects], (&fits, beside), key, env)?;
    // Only who was asked about can hold it already.
    match is_about(&said.about, &said.result, person) {
        Ok(()) => Ok(said),
        Err(what) => Err(stranger(client, &format!("its answer is not what was asked for: {what}"))),
    }
}

/// Whether something is about a person who was named by id, or whom the ledger calls so.
fn is_about(about: &Value, said: &Value, person: &str) -> Result<(), String> {
    let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
    let id = text(said, "person");
    if id.is_none() || id != text(about, "person") {
        return Err("`person` is another".to_owned());
    }
    // A name is the ledger's to look up; who wants to be sure names the id.
    let is_called = text(about, "name").is_some_and(|name| name.to_lowercase() == person.to_lowercase());
    if is_called || id.as_deref() == Some(person) {
        return Ok(());
    }
    Err(format!("`person` is not `{}`", printable(person)))
}

/// What the ledger calls whom it was about.
pub(super) fn label<'a>(client: &ApiClient, said: &'a Said) -> Result<&'a str, Failure> {
    Ok(field(client, &said.about, "name")?)
}

fn grant(client: &ApiClient, of: &RoleOf, expires: Option<&str>, env: &Environment) -> Result<(), Failure> {
    let expires = expires.map(day_or_time).transpose()?;
    let asked = json!({
        "kind": "role-grant", "person": of.person, "role": of.role, "reason": of.reason, "expires": expires,
    });
    let mut says = json!({"role": of.role, "reason": of.reason.trim()});
    if let Some(expires) = expires {
        says["expires"] = json!(expires);
    }
    let said = about(client, &asked, (act::ROLE, says), &of.person, &of.key, env)?;
    let index = if said.acts.is_empty() { None } else { Some(index(client, &said)?) };
    let makes: Vec<Combination> = read(client, &said.result, "combinations")?;
    said_granted(of, field(client, &said.result, "person")?, label(client, &said)?, expires, index, &makes)
}

/// `person leave`, `person return`.
pub(super) fn presence(
    client: &ApiClient,
    args: &PresenceArgs,
    leaves: bool,
    env: &Environment,
) -> Result<(), Failure> {
    let (kind, namespace) = if leaves { ("person-leave", act::LEAVING) } else { ("person-return", act::RETURN) };
    let asked = json!({"kind": kind, "person": args.person, "reason": args.reason});
    let says = json!({"reason": args.reason.trim()});
    let said = about(client, &asked, (namespace, says), &args.person, &args.key, env)?;
    let ended: Vec<Role> = read(client, &said.result, "ended")?;
    let person = field(client, &said.result, "person")?;
    said_presence(person, label(client, &said)?, leaves, &ended, index(client, &said)?, args.format)
}

/// Chooses the rules for grants; what was chosen.
fn choose(
    client: &ApiClient,
    refused: Option<&[Combination]>,
    idle_days: Option<u16>,
    reason: &str,
    key: &KeyArgs,
    env: &Environment,
) -> Result<Value, Failure> {
    let asked = json!({"kind": "role-rules", "refused": refused, "idle_days": idle_days, "reason": reason});
    // What is not chosen anew stays as the ledger says that it was.
    let mut says = json!({"reason": reason.trim()});
    if let Some(refused) = refused {
        says["refused"] = json!(refused.iter().copied().collect::<BTreeSet<_>>());
    }
    if let Some(days) = idle_days {
        says["idle_days"] = json!(days);
    }
    let expects = Expects {
        namespace: act::ROLE_RULES,
        by: "by",
        says,
        begins: Vec::new(),
        free: &["refused", "idle_days"],
        lasts: Vec::new(),
    };
    Ok(say(client, &asked, &[expects], key, env)?.result)
}

/// `person add`. The name stands in nothing that is signed: the command looks whether what was sealed opens to it.
pub(super) fn enrol(
    client: &ApiClient,
    name: &str,
    public: &PublicKey,
    (key, format): (&KeyArgs, Format),
    env: &Environment,
) -> Result<(), Failure> {
    let line = public.to_openssh();
    let asked = json!({"kind": "person-add", "name": name, "key": line});
    let opens = |sealed: &Opened<'_>| {
        Some(subjects::read_profile(sealed.opener, &sealed.person("person"), sealed.bytes)?.name == name.trim())
    };
    let expects = Expects {
        namespace: act::ENROLMENT,
        by: "by",
        says: json!({"key": line}),
        begins: vec![("person", PersonId::PREFIX.to_owned())],
        free: &["profile"],
        lasts: Vec::new(),
    };
    let beside = Beside { sealing: Some(Sealing { field: "profile", opens: &opens }), ..Beside::default() };
    let said = say_beside(client, &asked, &[expects], (&|_, _| Ok(()), beside), key, env)?;
    // Whom it enrolled is in what was signed.
    let signed = said.signed.first().ok_or_else(|| stranger(client, "it says that there is nothing to sign"))?;
    said_enrolled(field(client, signed, "person")?, name.trim(), public, index(client, &said)?, format)
}

/// What the server calls people; where the token does not open that, everybody is called by their id.
pub(super) fn names(client: &ApiClient) -> Result<Names, Failure> {
    let said = match client.get("people", &[]) {
        Ok(said) => said,
        Err(RemoteError::Refused { code, .. }) if matches!(code.as_str(), "CS-SERVER-052" | "CS-SERVER-024") => {
            output::note(
                "people are called by their ids: their names are for officers with a token of the scope audit",
            );
            return Ok(Names::new());
        }
        Err(other) => return Err(other.into()),
    };
    Ok(names_of(&said))
}

/// As [`names`], where texts are printed.
pub(super) fn names_for(client: &ApiClient, format: Format) -> Result<Names, Failure> {
    if format == Format::Text { names(client) } else { Ok(Names::new()) }
}

fn names_of(people: &Value) -> Names {
    let line = |p: &Value| Some((p.get("person")?.as_str()?.to_owned(), p.get("name")?.as_str()?.to_owned()));
    array(people, "items").filter_map(line).collect()
}

/// The one person whom a name or id means.
fn found(people: &Value, text: &str) -> Result<Value, Failure> {
    let is = |p: &&Value, name: &str| {
        p.get(name).and_then(Value::as_str).map(str::to_lowercase) == Some(text.to_lowercase())
    };
    let mut named = array(people, "items").filter(|p| is(p, "person") || is(p, "name"));
    match (named.next(), named.next()) {
        (Some(one), None) => Ok(one.clone()),
        (None, _) => {
            let word = |p: &Value| p.get("name").or_else(|| p.get("person")).and_then(Value::as_str).map(str::to_owned);
            let known = array(people, "items").filter_map(word).collect();
            Err(countersign_govern::Error::NoSuchPerson { text: text.to_owned(), known }.into())
        }
        _ => Err(countersign_govern::Error::AmbiguousPerson { text: text.to_owned() }.into()),
    }
}

fn show(client: &ApiClient, person: &str, format: Format) -> Result<(), Failure> {
    let people = client.get("people", &[])?;
    let who = found(&people, person)?;
    let id = field(client, &who, "person")?;
    let roles = client.get("roles", &[("all", "true"), ("person", id)])?;
    let held: BTreeSet<Role> = read(client, &who, "roles")?;
    let (may, meets) = held_together(&held);
    let shown = json!({
        "person": id, "name": who.get("name"), "left": who.get("left"),
        "roles": array(&roles, "items").collect::<Vec<_>>(), "may": may, "combinations": meets,
    });
    say_shown(&shown, &names_of(&people), format)
}

/// `person list`.
pub(super) fn list(client: &ApiClient, format: PersonFormat) -> Result<(), Failure> {
    if format == PersonFormat::AllowedSigners {
        return Err(only_here("--format allowed-signers"));
    }
    let people = client.get("people", &[])?;
    let mut out = String::new();
    let mut rows = Vec::new();
    for p in array(&people, "items") {
        let (id, roles): (_, Vec<Role>) = (field(client, p, "person")?, read(client, p, "roles")?);
        let keys: Vec<&Value> = array(p, "signs_with").collect();
        let words: Vec<&str> = roles.iter().map(|r| r.as_str()).collect();
        let words = if words.is_empty() { "no role".to_owned() } else { words.join(", ") };
        let name = p.get("name").and_then(Value::as_str).unwrap_or(id);
        let _ = writeln!(out, "{}  {}  {words}", printable(id), printable(name));
        let mut prints = Vec::new();
        for key in keys {
            let (algorithm, print) = (field(client, key, "algorithm")?, field(client, key, "key")?);
            let _ = writeln!(out, "    {} {}", printable(algorithm), printable(print));
            prints.push(print);
        }
        rows.push(json!({
            "person": id, "name": p.get("name"), "roles": roles, "keys": prints, "index": p.get("index"),
        }));
    }
    match format {
        PersonFormat::Json => output::json(&json!({"version": 1, "people": rows})),
        _ => output::print(&out),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_is_who_was_named() {
        let about = json!({"person": "per-1", "name": "Dan Okafor"});
        let said = |id: &str| json!({"person": id});
        for text in ["per-1", "Dan Okafor", "dan okafor"] {
            assert_eq!(is_about(&about, &said("per-1"), text), Ok(()), "{text}");
        }
        for (about, said, text) in [
            (&about, said("per-1"), "per-2"),
            (&about, said("per-1"), "Dan"),
            (&about, said("per-2"), "Dan Okafor"),
            (&about, said("per-2"), "per-2"),
            (&Value::Null, said("per-1"), "Dan Okafor"),
            (&about, json!({}), "Dan Okafor"),
            (&json!({}), json!({}), ""),
        ] {
            assert!(is_about(about, &said, text).is_err(), "{about} {said} {text}");
        }
    }
}
