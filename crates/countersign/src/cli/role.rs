//! `role`: who may do what, and who holds which role.

use std::fmt::Write as _;

use countersign_govern::access::people;
use countersign_govern::access::roles::{self, Asked};
use countersign_model::access::Combination;
use countersign_model::{Action, Exit, Role, Timestamp};
use countersign_store::Session;
use countersign_store::projection::RoleRow;
use serde_json::json;

use super::args::{Format, PlaceArgs};
use super::place::{day_or_time, notices};
use super::role_args::{PresenceArgs, RoleArgs, RoleOf, RoleVerb};
use crate::config::Environment;
use crate::errors::{CliError, Failure, Outcome};
use crate::output::{self, printable};

/// `role …`.
pub(crate) fn role(at: &PlaceArgs, args: &RoleArgs, env: &Environment) -> Outcome {
    match &args.verb {
        RoleVerb::Grant { of, expires } => grant(at, of, expires.as_deref(), env)?,
        RoleVerb::Revoke { of } => {
            let mut session = at.open(env)?;
            let signer = of.key.administrator(&session, env)?;
            let (person, index) = roles::revoke(&mut session, of.asked(), &signer)?;
            notices(&mut session);
            match of.format {
                Format::Json => {
                    output::json(&json!({"version": 1, "person": person, "role": of.role, "index": index}))?;
                }
                Format::Text => {
                    let label = printable(&session.state().label(&person)?);
                    output::print(&format!("✓ {label} is no {} any more (entry {index})\n", of.role))?;
                }
            }
        }
        RoleVerb::List { all, format } => list(at, *all, *format, env)?,
        RoleVerb::Show { person, format } => show(at, person, *format, env)?,
        RoleVerb::Rules { refuse, refuse_none, idle_days, reason, key, format } => {
            let mut session = at.open(env)?;
            let chooses = !refuse.is_empty() || *refuse_none || idle_days.is_some();
            if chooses {
                let before = session.state().role_rules()?;
                let refused = if refuse.is_empty() && !refuse_none { &before.refused } else { refuse };
                let reason = reason.as_deref().ok_or_else(|| CliError::Usage {
                    what: "rules are chosen for a reason".into(),
                    help: "say it: --reason TEXT".into(),
                })?;
                let days = idle_days.unwrap_or(before.idle_days);
                roles::choose_rules(&mut session, refused, days, reason, &key.signer(env)?)?;
                notices(&mut session);
            }
            rules(&session, *format)?;
        }
        RoleVerb::Matrix { format } => matrix(*format)?,
    }
    Ok(Exit::Pass)
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
    let granted = roles::grant(&mut session, of.asked(), expires, &signer)?;
    notices(&mut session);
    for made in &granted.makes {
        output::note(&format!("[{made}] {}", made.why()));
    }
    let role = of.role;
    match of.format {
        Format::Json => output::json(&json!({
            "version": 1, "person": granted.person, "role": role, "expires": expires, "index": granted.index,
            "combinations": granted.makes,
        })),
        Format::Text => {
            let label = printable(&session.state().label(&granted.person)?);
            let until = expires.map(|t| format!(" until {t}")).unwrap_or_default();
            output::print(&match granted.index {
                Some(index) => format!("✓ {label} is {role} from here on{until} (entry {index})\n"),
                None => format!("✓ {label} is {role} already{until}\n"),
            })
        }
    }
}

/// Where a grant stands.
fn standing(row: &RoleRow, at: Timestamp) -> &'static str {
    match &row.ended {
        Some(end) => end.how.as_str(),
        None if row.is_held(at) => "held",
        None => "expired",
    }
}

fn of_row(session: &Session, row: &RoleRow) -> serde_json::Value {
    json!({
        "person": row.person, "role": row.role, "by": row.by, "reason": row.reason, "time": row.time,
        "expires": row.expires, "state": standing(row, session.state().moment()), "index": row.index,
        "ended": row.ended.as_ref().map(|e| json!({
            "index": e.index, "by": e.by, "time": e.time, "how": e.how.as_str(), "reason": e.reason,
        })),
    })
}

fn list(at: &PlaceArgs, all: bool, format: Format, env: &Environment) -> Result<(), Failure> {
    let session = at.open(env)?;
    let moment = session.state().moment();
    let mut rows = session.state().role_grants()?;
    rows.retain(|r| all || r.is_held(moment));
    match format {
        Format::Json => output::json(&json!({
            "version": 1, "roles": rows.iter().map(|r| of_row(&session, r)).collect::<Vec<_>>(),
        })),
        Format::Text if rows.is_empty() => output::print("nobody holds a role yet: countersign init\n"),
        Format::Text => output::print(&table(&session, &rows)?),
    }
}

fn table(session: &Session, rows: &[RoleRow]) -> Result<String, Failure> {
    let mut lines = vec![["ROLE", "PERSON", "STATE", "SINCE", "UNTIL", "BY", "REASON"].map(str::to_owned)];
    let day = |t: Timestamp| t.to_string().chars().take(10).collect::<String>();
    for row in rows {
        let until = row.ended.as_ref().map(|e| e.time).or(row.expires);
        lines.push([
            row.role.to_string(),
            printable(&session.state().label(&row.person)?),
            standing(row, session.state().moment()).to_owned(),
            day(row.time),
            until.map_or_else(|| "-".to_owned(), day),
            printable(&session.state().label(&row.by)?),
            printable(row.reason.as_deref().unwrap_or("none given")),
        ]);
    }
    Ok(output::table(&lines))
}

fn show(at: &PlaceArgs, person: &str, format: Format, env: &Environment) -> Result<(), Failure> {
    let session = at.open(env)?;
    let state = session.state();
    let who = people::find(state, person)?;
    let left = state.leavings()?.into_iter().rfind(|l| l.person == who.id);
    let mut rows = state.role_grants()?;
    rows.retain(|r| r.person == who.id);
    let held = state.roles_of(&who.id)?;
    let may: Vec<&Action> = Action::ALL.iter().filter(|a| a.roles().iter().any(|r| held.contains(r))).collect();
    let meets: Vec<Combination> = Combination::ALL.into_iter().filter(|c| c.meets(&held)).collect();
    match format {
        Format::Json => output::json(&json!({
            "version": 1, "person": who.id, "name": who.name,
            "left": left.as_ref().map(|l| json!({
                "index": l.index, "by": l.by, "time": l.time, "reason": l.reason, "returned": l.returned,
            })),
            "roles": rows.iter().map(|r| of_row(&session, r)).collect::<Vec<_>>(),
            "may": may.iter().map(|a| a.as_str()).collect::<Vec<_>>(), "combinations": meets,
        })),
        Format::Text => {
            let mut out = format!("{}  {}\n", who.id, printable(who.label()));
            if let Some(left) = left {
                let back = left.returned.map(|i| format!(", back since entry {i}")).unwrap_or_default();
                let _ = writeln!(out, "left on {}: {}{back}", left.time, printable(&left.reason));
            }
            if rows.is_empty() {
                out.push_str("never held a role\n");
            } else {
                out.push_str(&table(&session, &rows)?);
            }
            for combination in meets {
                let _ = writeln!(out, "! {combination}: {}", combination.why());
            }
            if !may.is_empty() {
                let names: Vec<&str> = may.iter().map(|a| a.as_str()).collect();
                let _ = writeln!(out, "may: {}", names.join(", "));
            }
            output::print(&out)
        }
    }
}

fn rules(session: &Session, format: Format) -> Result<(), Failure> {
    let rules = session.state().role_rules()?;
    match format {
        Format::Json => output::json(&json!({
            "version": 1, "index": rules.index, "refused": rules.refused, "idle_days": rules.idle_days,
        })),
        Format::Text => {
            let mut out = match rules.index {
                Some(index) => format!("chosen in entry {index}\n"),
                None => "nobody chose any: countersign role rules --refuse NAME --reason TEXT\n".to_owned(),
            };
            for combination in Combination::ALL {
                let how = if rules.refused.contains(&combination) { "refused" } else { "warned of" };
                let _ = writeln!(out, "{:9}  {combination}: {}", how, combination.why());
            }
            let _ = writeln!(out, "idle after {} days without a signed act", rules.idle_days);
            output::print(&out)
        }
    }
}

/// `person leave`, `person return`.
pub(super) fn presence(at: &PlaceArgs, args: &PresenceArgs, leaves: bool, env: &Environment) -> Result<(), Failure> {
    let mut session = at.open(env)?;
    let signer = args.key.administrator(&session, env)?;
    let (person, index, ended) = if leaves {
        roles::leave(&mut session, &args.person, &args.reason, &signer)?
    } else {
        let (person, index) = roles::come_back(&mut session, &args.person, &args.reason, &signer)?;
        (person, index, Vec::new())
    };
    notices(&mut session);
    match args.format {
        Format::Json => output::json(&json!({
            "version": 1, "person": person, "left": leaves, "ended": ended, "index": index,
        })),
        Format::Text => {
            let label = printable(&session.state().label(&person)?);
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
