//! `notify`: tells people what they must act on, through the channels of `notify.toml`.

use std::fmt::Write as _;
use std::path::Path;

use countersign_model::Exit;
use countersign_server::Origin;
use countersign_stages::notify::{self, Delivery, Notice, Outcome as Ended, Sending, Standing};
use countersign_store::Session;
use countersign_store::projection::NotificationRow;
use serde_json::{Value, json};

use super::args::{Format, PlaceArgs};
use super::notify_args::{NotifyArgs, NotifyVerb};
use super::place::notices;
use crate::channels::Channels;
use crate::config::Environment;
use crate::errors::{CliError, Failure, Outcome};
use crate::output::{self, printable};

/// `notify`.
pub(crate) fn run(at: &PlaceArgs, args: &NotifyArgs, env: &Environment) -> Outcome {
    let channels = Channels::load(args.channels.channels.as_deref(), env)?;
    let mut session = at.open(env)?;
    let server = match &args.origin {
        Some(text) => Some(Origin::parse(text)?.to_string()),
        None => channels.server.clone(),
    };
    let dir = session.installation().dir().to_owned();
    let how = Sending { server, again: args.again, dir: &dir };
    let exit = match &args.verb {
        None if args.dry_run => dry(&session, &channels, args.format)?,
        None => {
            some(&channels)?;
            let sent = notify::pass(&mut session, &channels.channels, &how)?;
            sending(&sent, args.format)?
        }
        Some(NotifyVerb::Test { channel }) => test(&session, &channels, channel, &how, args.format)?,
        Some(NotifyVerb::Status) => status(&session, &channels, args.format)?,
    };
    notices(&mut session);
    Ok(exit)
}

/// Who asks for messages to be sent and has no channel is told so, and not that all is well.
fn some(channels: &Channels) -> Result<(), CliError> {
    if !channels.channels.is_empty() {
        return Ok(());
    }
    Err(CliError::Usage {
        what: "no channel is configured, so nobody can be told anything".into(),
        help: "describe one in notify.toml in the data directory: docs/guides/notifications.md".into(),
    })
}

fn notice(n: &Notice) -> Value {
    json!({
        "kind": n.key.kind, "entry": n.key.at, "part": n.key.part, "step": n.key.step, "key": n.key.to_string(),
        "title": n.title, "wanted": n.wanted, "due": n.due, "roles": n.roles, "people": n.people, "command": n.command,
    })
}

/// What is wanted, and which channels would be told.
fn dry(session: &Session, channels: &Channels, format: Format) -> Outcome {
    let mut rows = Vec::new();
    for n in notify::wanted(session)? {
        let mut untold = Vec::new();
        let mut told = Vec::new();
        for channel in channels.channels.iter().filter(|c| c.takes(&n)) {
            let list = if session.state().noticed(&channel.name, &n.key)?.is_some() { &mut told } else { &mut untold };
            list.push(channel.name.clone());
        }
        rows.push((n, untold, told));
    }
    match format {
        Format::Json => {
            let all: Vec<Value> = rows
                .iter()
                .map(|(n, untold, told)| json!({"notice": notice(n), "channels": untold, "told": told}))
                .collect();
            output::json(&json!({"version": 1, "wanted": all}))?;
        }
        Format::Text => {
            let mut out = String::new();
            for (n, untold, told) in &rows {
                let _ = writeln!(out, "{}\n    {}", printable(&n.title), printable(&n.command));
                let list = |names: &[String]| if names.is_empty() { "no channel".to_owned() } else { names.join(", ") };
                let before =
                    if told.is_empty() { String::new() } else { format!("; told before: {}", told.join(", ")) };
                let _ = writeln!(out, "    {}  for {}  goes to {}{before}", n.key, n.asks(), list(untold));
            }
            let n = output::count(rows.len() as u64, "thing is", "things are");
            let _ = writeln!(out, "{n} wanted of somebody; nothing was sent");
            output::print(&out)?;
        }
    }
    Ok(Exit::Pass)
}

fn sending(sent: &[Delivery], format: Format) -> Outcome {
    match format {
        Format::Json => {
            let rows: Vec<Value> = sent
                .iter()
                .map(|d| {
                    let (outcome, failed, next) = match &d.outcome {
                        Ended::Sent => ("sent", None, None),
                        Ended::Failed(e, next) => ("failed", Some(e), Some(next)),
                        Ended::GivenUp(e) => ("given-up", Some(e), None),
                    };
                    json!({
                        "channel": d.channel, "message": d.message, "attempt": d.attempt, "outcome": outcome,
                        "why": failed.map(|e| e.why), "status": failed.and_then(|e| e.status),
                        "detail": failed.map(|e| &e.detail), "next": next, "index": d.index,
                        "notices": d.notices.iter().map(notice).collect::<Vec<_>>(),
                    })
                })
                .collect();
            output::json(&json!({"version": 1, "deliveries": rows}))?;
        }
        Format::Text => {
            let mut out = String::new();
            for d in sent {
                let how = match &d.outcome {
                    Ended::Sent => "taken".to_owned(),
                    Ended::Failed(e, next) => format!("not taken, again at {next}: {e}"),
                    Ended::GivenUp(e) => format!("not taken, and given up: {e}"),
                };
                let _ = writeln!(out, "{}  {}", d.channel, printable(&how));
                for n in &d.notices {
                    let _ = writeln!(out, "    {}", printable(&n.title));
                }
            }
            let taken = sent.iter().filter(|d| d.outcome == Ended::Sent).count();
            let all = output::count(sent.len() as u64, "message", "messages");
            let _ = writeln!(out, "{taken} of {all} taken");
            output::print(&out)?;
        }
    }
    Ok(if sent.iter().all(|d| d.outcome == Ended::Sent) { Exit::Pass } else { Exit::Backend })
}

fn test(session: &Session, channels: &Channels, name: &str, how: &Sending<'_>, format: Format) -> Outcome {
    let channel = channels.find(name)?;
    let failed = notify::test(session, channel, how).err();
    match format {
        Format::Json => output::json(&json!({
            "version": 1, "channel": name, "sent": failed.is_none(), "why": failed.as_ref().map(|e| e.why),
            "status": failed.as_ref().and_then(|e| e.status), "detail": failed.as_ref().map(|e| &e.detail),
        }))?,
        Format::Text => output::print(&match &failed {
            None => format!("{name} took a message that is marked as a test ({})\n", printable(&channel.shown())),
            Some(e) => format!("{name} did not take a message that is marked as a test: {}\n", printable(&e.detail)),
        })?,
    }
    Ok(if failed.is_none() { Exit::Pass } else { Exit::Backend })
}

fn row(row: &NotificationRow) -> Value {
    json!({
        "message": row.message, "index": row.index, "last": row.last, "attempts": row.attempts,
        "standing": row.standing.as_str(), "next": row.next, "why": row.why, "status": row.status, "time": row.time,
        "notices": row.notices.iter().map(ToString::to_string).collect::<Vec<_>>(),
    })
}

fn status(session: &Session, channels: &Channels, format: Format) -> Outcome {
    let all = notify::standing(session, &channels.channels)?;
    match format {
        Format::Json => {
            let rows: Vec<Value> = all
                .iter()
                .map(|(s, waiting)| {
                    let channel = channels.channels.iter().find(|c| c.name == s.channel);
                    json!({
                        "channel": s.channel, "configured": channel.is_some(), "kind": channel.map(|c| c.way.as_str()),
                        "sent": s.sent, "waiting": waiting, "failing": s.failing.iter().map(row).collect::<Vec<_>>(),
                        "given_up": s.given_up.iter().map(row).collect::<Vec<_>>(), "last": s.last.as_ref().map(row),
                    })
                })
                .collect();
            output::json(&json!({"version": 1, "channels": rows}))?;
        }
        Format::Text => {
            let mut out = String::new();
            for (s, waiting) in &all {
                let channel = channels.channels.iter().find(|c| c.name == s.channel);
                let to = channel
                    .map_or("not configured here".to_owned(), |c| format!("{} to {}", c.way.as_str(), c.shown()));
                let _ = writeln!(out, "{}  {}", s.channel, printable(&to));
                let taken = output::count(s.sent, "message", "messages");
                let _ =
                    write!(out, "    {taken} taken, {} to be told", output::count(*waiting as u64, "thing", "things"));
                let last = s.last.as_ref().map_or(String::new(), |l| {
                    format!("; last {} ({}, entry {})", l.time, l.standing.as_str(), l.last)
                });
                let _ = writeln!(out, "{last}");
                for (what, rows) in [("is tried again", &s.failing), ("was given up", &s.given_up)] {
                    for r in rows {
                        let _ = writeln!(out, "    ! {}", printable(&trouble(r, what)));
                    }
                }
            }
            if all.is_empty() {
                let _ = writeln!(out, "no channel is configured; docs/guides/notifications.md says how");
            }
            if all.iter().any(|(s, _)| !s.given_up.is_empty()) {
                let _ = writeln!(out, "what was given up: countersign notify --again");
            }
            output::print(&out)?;
        }
    }
    Ok(if all.iter().all(|(s, _)| s.given_up.is_empty() && s.failing.is_empty()) { Exit::Pass } else { Exit::Backend })
}

fn trouble(row: &NotificationRow, what: &str) -> String {
    let why = match (row.why, row.status) {
        (Some(why), Some(status)) => format!("{why}, {status}"),
        (Some(why), None) => why.to_string(),
        (None, _) => "nothing was heard of its last attempt".to_owned(),
    };
    let attempts = output::count(u64::from(row.attempts), "attempt", "attempts");
    let next = row.next.map_or(String::new(), |next| format!(" at {next}"));
    format!("{} {what}{next}: {why}, after {attempts} (entry {})", row.message, row.last)
}

/// What `doctor` says of channels: what is wrong with them, or nothing.
pub(super) fn troubles(session: &Session, channels: &Channels) -> Result<Vec<String>, Failure> {
    let mut all = Vec::new();
    for Standing { channel, failing, given_up, .. } in notify::arrivals(session, &channels.channels)? {
        for (n, what) in [(given_up.len(), "given up"), (failing.len(), "failing")] {
            if n > 0 {
                all.push(format!("{channel}: {} {what}", output::count(n as u64, "message is", "messages are")));
            }
        }
    }
    Ok(all)
}

/// Whether a path is the configuration of channels: for `doctor`.
pub(super) fn shown(channels: &Channels) -> String {
    let names: Vec<String> = channels.channels.iter().map(|c| format!("{} ({})", c.name, c.way.as_str())).collect();
    let file = channels.file.as_deref().map(Path::display).map_or(String::new(), |f| format!(" in {f}"));
    format!("{}{file}", names.join(", "))
}
