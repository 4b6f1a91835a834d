//! `role`: who may do what, and who holds which role.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use countersign_govern::access::roles::{self, Asked};
use countersign_govern::access::{Pen, people};
use countersign_model::access::Combination;
use countersign_model::{Action, Exit, Role, Timestamp};
use countersign_store::Session;
use serde_json::{Value, json};

use super::args::{Format, PlaceArgs};
use super::place::{day_or_time, notices};
use super::remote_people;
use super::role_args::{PresenceArgs, RoleArgs, RoleOf, RoleVerb};
use crate::config::Environment;
use crate::errors::{CliError, Failure, Outcome};
use crate::output::{self, printable};

/// `role …`.
pub(crate) fn role(at: &PlaceArgs, args: &RoleArgs, env: &Environment) -> Outcome {
    if let Some(client) = args.verb.server().map(|server| server.client(env)).transpose()?.flatten() {
        return remote_people::role(&client, &args.verb, env);
    }
    match &args.verb {
        RoleVerb::Grant { of, expires } => grant(at, of, expires.as_deref(), env)?,
        RoleVerb::Revoke { of } => {
            let mut session = at.open(env)?;
            let signer = of.key.administrator(&session, env)?;
            let (person, written) = roles::revoke(&mut session, of.asked(), Pen::Key(&signer))?;
            notices(&mut session);
            said_revoked(of, person.as_str(), &session.state().label(&person)?, written.done()?)?;
        }
        RoleVerb::List { all, format, .. } => {
            let session = at.open(env)?;
            let moment = session.state().moment();
            let mut rows = session.state().role_grants()?;
            rows.retain(|r| *all || r.is_held(moment));
            say_list(&rows.iter().map(|r| roles::document(r, moment)).collect::<Vec<_>>(), &names(&session)?, *format)?;
        }
        RoleVerb::Show { person, format, .. } => {
            let session = at.open(env)?;
            let who = people::find(session.state(), person)?;
            say_shown(&roles::of_person(&session, &who)?, &names(&session)?, *format)?;
        }
        RoleVerb::Rules { refuse, refuse_none, idle_days, reason, key, format, .. } => {
            let mut session = at.open(env)?;
            if let Some((refused, reason)) = chosen(refuse, *refuse_none, *idle_days, reason.as_deref())? {
                let pen = key.signer(env)?;
                roles::choose_rules(&mut session, refused, *idle_days, reason, Pen::Key(&pen))?.done()?;
                notices(&mut session);
            }
            let rules = session.state().role_rules()?;
            say_rules(rules.index, &rules.refused, rules.idle_days, *format)?;
        }
        RoleVerb::Matrix { format } => matrix(*format)?,
    }
    Ok(Exit::Pass)
}

/// Which combinations are to be refused, where rules are chosen at all, and why.
#[expect(clippy::type_complexity, reason = "what of it is chosen, and the reason")]
pub(super) fn chosen<'a>(
    refuse: &'a [Combination],
    refuse_none: bool,
    idle_days: Option<u16>,
    reason: Option<&'a str>,
) -> Result<Option<(Option<&'a [Combination]>, &'a str)>, CliError> {
    if refuse.is_empty() && !refuse_none && idle_days.is_none() {
        return Ok(None);
    }
    let reason = reason.ok_or_else(|| CliError::Usage {
        what: "rules are chosen for a reason".into(),
        help: "say it: --reason TEXT".into(),
    })?;
    Ok(Some(((refuse_none || !refuse.is_empty()).then_some(refuse), reason)))
}

/// What everybody enrolled is called, by id.
pub(super) type Names = BTreeMap<String, String>;

/// What the ledger here calls people.
pub(super) fn names(session: &Session) -> Result<Names, Failure> {
    let people = session.state().people()?;
    Ok(people.iter().map(|p| (p.id.to_string(), p.label().to_owned())).collect())
}

/// What somebody is called, for a line.
pub(super) fn called(names: &Names, id: &str) -> String {
    printable(names.get(id).map_or(id, String::as_str))
}

impl RoleOf {
    fn asked(&self) -> Asked<'_> {
        Asked { person: &self.person, role: self.role, reason: &self.reason }
    }
}

fn grant(at: &PlaceArgs, of: &RoleOf, expires: Option<&str>, env: &Environment) -> Result<(), Failure> {
    let expires = expires.map(day_or_time).transpose()?;
    let mut session = at.open(env)?;
    let signer = of.key.administrator(&session, env)?;
    let granted = roles::grant(&mut session, of.asked(), expires, Pen::Key(&signer))?;
    notices(&mut session);
    let label = session.state().label(&granted.person)?;
    let index = granted.written.done_if_new()?;
    said_granted(of, granted.person.as_str(), &label, expires, index, &granted.makes)
}

/// What is printed of a role that was granted, or was held already.
pub(super) fn said_granted(
    of: &RoleOf,
    person: &str,
    label: &str,
    expires: Option<Timestamp>,
    index: Option<u64>,
    makes: &[Combination],
) -> Result<(), Failure> {
    for made in makes {
        output::note(&format!("[{made}] {}", made.why()));
    }
    let (role, label) = (of.role, printable(label));
    match of.format {
        Format::Json => output::json(&json!({
            "version": 1, "person": person, "role": role, "expires": expires, "index": index, "combinations": makes,
        })),
        Format::Text => {
            let until = expires.map(|t| format!(" until {t}")).unwrap_or_default();
            output::print(&match index {
                Some(index) => format!("✓ {label} is {role} from here on{until} (entry {index})\n"),
                None => format!("✓ {label} is {role} already{until}\n"),
            })
        }
    }
}

/// What is printed of a role that was ended.
pub(super) fn said_revoked(of: &RoleOf, person: &str, label: &str, index: u64) -> Result<(), Failure> {
    match of.format {
        Format::Json => output::json(&json!({"version": 1, "person": person, "role": of.role, "index": index})),
        Format::Text => output::print(&format!("✓ {} is no {} any more (entry {index})\n", printable(label), of.role)),
    }
}

/// Prints grants of roles.
pub(super) fn say_list(rows: &[Value], names: &Names, format: Format) -> Result<(), Failure> {
    match format {
        Format::Json => output::json(&json!({"version": 1, "roles": rows})),
        Format::Text if rows.is_empty() => output::print("nobody holds a role yet: countersign init\n"),
        Format::Text => output::print(&table(rows, names)),
    }
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn table(rows: &[Value], names: &Names) -> String {
    let mut lines = vec![["ROLE", "PERSON", "STATE", "SINCE", "UNTIL", "BY", "REASON"].map(str::to_owned)];
    let day = |time: &str| time.chars().take(10).collect::<String>();
    for row in rows {
        let ended = row.get("ended").and_then(|ended| ended.get("time"));
        let until = ended.or_else(|| row.get("expires")).and_then(Value::as_str);
        lines.push([
            printable(text(row, "role")),
            called(names, text(row, "person")),
            printable(text(row, "state")),
            day(text(row, "time")),
            until.map_or_else(|| "-".to_owned(), day),
            called(names, text(row, "by")),
            printable(row.get("reason").and_then(Value::as_str).unwrap_or("none given")),
        ]);
    }
    output::table(&lines)
}

/// Prints somebody's roles, and what they may do.
pub(super) fn say_shown(said: &Value, names: &Names, format: Format) -> Result<(), Failure> {
    if format == Format::Json {
        let mut whole = json!({"version": 1});
        if let (Some(whole), Value::Object(said)) = (whole.as_object_mut(), said.clone()) {
            whole.extend(said);
        }
        return output::json(&whole);
    }
    let array = |name: &str| said.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let id = text(said, "person");
    let mut out = format!("{}  {}\n", printable(id), called(names, id));
    if let Some(left) = said.get("left").filter(|left| left.is_object()) {
        let back = left.get("returned").and_then(Value::as_u64).map(|i| format!(", back since entry {i}"));
        let (time, reason) = (printable(text(left, "time")), printable(text(left, "reason")));
        let _ = writeln!(out, "left on {time}: {reason}{}", back.unwrap_or_default());
    }
    match array("roles") {
        [] => out.push_str("never held a role\n"),
        rows => out.push_str(&table(rows, names)),
    }
    for combination in Combination::ALL {
        if array("combinations").iter().any(|c| c.as_str() == Some(combination.as_str())) {
            let _ = writeln!(out, "! {combination}: {}", combination.why());
        }
    }
    let may: Vec<String> = array("may").iter().filter_map(Value::as_str).map(printable).collect();
    if !may.is_empty() {
        let _ = writeln!(out, "may: {}", may.join(", "));
    }
    output::print(&out)
}

/// Prints the rules for grants.
pub(super) fn say_rules(
    index: Option<u64>,
    refused: &[Combination],
    idle_days: u16,
    format: Format,
) -> Result<(), Failure> {
    match format {
        Format::Json => {
            output::json(&json!({"version": 1, "index": index, "refused": refused, "idle_days": idle_days}))
        }
        Format::Text => {
            let mut out = match index {
                Some(index) => format!("chosen in entry {index}\n"),
                None => "nobody chose any: countersign role rules --refuse NAME --reason TEXT\n".to_owned(),
            };
            for combination in Combination::ALL {
                let how = if refused.contains(&combination) { "refused" } else { "warned of" };
                let _ = writeln!(out, "{:9}  {combination}: {}", how, combination.why());
            }
            let _ = writeln!(out, "idle after {idle_days} days without a signed act");
            output::print(&out)
        }
    }
}

/// `person leave`, `person return`.
pub(super) fn presence(at: &PlaceArgs, args: &PresenceArgs, leaves: bool, env: &Environment) -> Result<(), Failure> {
    if let Some(client) = args.server.client(env)? {
        return remote_people::presence(&client, args, leaves, env);
    }
    let mut session = at.open(env)?;
    let signer = args.key.administrator(&session, env)?;
    let pen = Pen::Key(&signer);
    let (person, written, ended) = if leaves {
        roles::leave(&mut session, &args.person, &args.reason, pen)?
    } else {
        let (person, written) = roles::come_back(&mut session, &args.person, &args.reason, pen)?;
        (person, written, Vec::new())
    };
    notices(&mut session);
    let label = session.state().label(&person)?;
    said_presence(person.as_str(), &label, leaves, &ended, written.done()?, args.format)
}

/// What is printed of somebody who left, or is back.
pub(super) fn said_presence(
    person: &str,
    label: &str,
    leaves: bool,
    ended: &[Role],
    index: u64,
    format: Format,
) -> Result<(), Failure> {
    match format {
        Format::Json => output::json(&json!({
            "version": 1, "person": person, "left": leaves, "ended": ended, "index": index,
        })),
        Format::Text => {
            let label = printable(label);
            let names: Vec<&str> = ended.iter().map(|r| r.as_str()).collect();
            let names = if names.is_empty() { "no role".to_owned() } else { names.join(", ") };
            output::print(&if leaves {
                format!("✓ {label} has left (entry {index}); ended: {names}; no key of theirs signs any more\n")
            } else {
                format!("✓ {label} is back (entry {index}); their keys sign again, roles are granted anew\n")
            })
        }
    }
}

/// The table that decides, whatever the ledger.
fn matrix(format: Format) -> Result<(), Failure> {
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
