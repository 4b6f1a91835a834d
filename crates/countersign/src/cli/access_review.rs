//! `access`: reviews of all access, and what they ended.

use std::fmt::Write as _;
use std::path::Path;

use countersign_govern::access::Pen;
use countersign_govern::access::review::{self, Campaign, Lines, To};
use countersign_model::access::review::{AccessItem, GoneLine, ReviewFigures, ReviewerFigures};
use countersign_model::{Exit, Timestamp};
use countersign_store::Session;
use serde_json::{Value, json};

use super::access_args::{AccessArgs, AccessVerb, ReviewVerb};
use super::args::{Format, PlaceArgs};
use super::place::{day_or_time, notices};
use super::remote_reviews;
use super::role::{Names, called, names};
use crate::config::Environment;
use crate::errors::{CliError, Failure, Outcome};
use crate::output::{self, printable};

/// `access`.
pub(crate) fn run(at: &PlaceArgs, args: &AccessArgs, env: &Environment) -> Outcome {
    match &args.verb {
        AccessVerb::Review(args) => {
            if let Some(client) = args.verb.server().map(|server| server.client(env)).transpose()?.flatten() {
                return remote_reviews::run(&client, &args.verb, env);
            }
            return reviewing(at, &args.verb, env);
        }
        AccessVerb::Workloads { format } => {
            let ended = at.open(env)?.state().ended_workloads()?;
            match format {
                Format::Json => output::json(&json!({
                    "version": 1,
                    "ended": ended.iter().map(|(w, index)| json!({"workload": w, "index": index})).collect::<Vec<_>>(),
                }))?,
                Format::Text if ended.is_empty() => output::print("no access review ended a workload\n")?,
                Format::Text => {
                    let lines = ended.iter().map(|(w, index)| format!("{}  (entry {index})\n", printable(w)));
                    output::print(&lines.collect::<String>())?;
                }
            }
        }
        AccessVerb::Readmit { workload, reason, key, server, format } => {
            if let Some(client) = server.client(env)? {
                return remote_reviews::readmit(&client, workload, reason, key, *format, env);
            }
            let mut session = at.open(env)?;
            let written = review::readmit(&mut session, workload, reason, Pen::Key(&key.signer(env)?))?;
            notices(&mut session);
            said_readmitted(workload, written.done()?, *format)?;
        }
    }
    Ok(Exit::Pass)
}

/// What is printed of a workload that may show tokens again.
pub(super) fn said_readmitted(workload: &str, index: u64, format: Format) -> Result<(), Failure> {
    match format {
        Format::Json => output::json(&json!({"version": 1, "workload": workload, "index": index})),
        Format::Text => output::print(&format!("✓ {} may show tokens again (entry {index})\n", printable(workload))),
    }
}

fn reviewing(at: &PlaceArgs, verb: &ReviewVerb, env: &Environment) -> Outcome {
    let mut session = at.open(env)?;
    match verb {
        ReviewVerb::Open { from, to, due, reviewer, reason, key, format, .. } => {
            let to = to.as_deref().map(day_or_time).transpose()?;
            let (from, due) = (day_or_time(from)?, day_or_time(due)?);
            let asked = Campaign { from, to, due, reviewers: reviewer, reason };
            let (id, written) = review::open(&mut session, &asked, Pen::Key(&key.signer(env)?))?;
            written.done()?;
            notices(&mut session);
            let row = review::find_review(&session, id.as_str())?;
            said_open(&review::document(&session, &row)?, &names(&session)?, *format)?;
        }
        ReviewVerb::Decide { review, decision, line, all_of, reason, key, format, .. } => {
            let which = all_of.clone().map_or_else(|| Lines::Numbers(line.clone()), Lines::Of);
            let signer = key.signer(env)?;
            let (id, lines, written) =
                review::decide(&mut session, review, &which, *decision, reason, Pen::Key(&signer))?;
            notices(&mut session);
            let index = written.done()?;
            said_decided(
                &json!({"version": 1, "review": id, "lines": lines, "decision": decision, "index": index}),
                *format,
            )?;
        }
        ReviewVerb::Close { review, key, format, .. } => {
            let closed = review::close(&mut session, review, Pen::Key(&key.signer(env)?))?;
            notices(&mut session);
            let said = json!({
                "version": 1, "review": closed.said.review, "index": closed.index, "ended": closed.ended,
                "enforced": closed.enforced, "size": closed.said.size, "gone": closed.said.gone,
                "held": closed.said.held, "figures": closed.said.figures,
            });
            said_closed(&said, &names(&session)?, *format)?;
        }
        ReviewVerb::List { format, .. } => {
            let rows: Vec<Value> =
                session.state().reviews()?.iter().map(|row| review::summary(&session, row)).collect();
            return say_list(&rows, &names(&session)?, *format);
        }
        ReviewVerb::Show { review, mine: true, key, format, .. } => {
            let id = review::find_review(&session, review)?.opened.review;
            let (_, lines) = review::shown(&mut session, id.as_str(), &key.signer(env)?)?;
            notices(&mut session);
            let due = review::find_review(&session, id.as_str())?.opened.due;
            let now = session.state().moment();
            let lines: Vec<Value> = lines.iter().map(|l| review::of_line(l, due, now)).collect();
            let said = json!({"version": 1, "review": id, "lines": lines});
            say_mine(&said, &names(&session)?, *format)?;
        }
        ReviewVerb::Show { review, mine: false, format, .. } => {
            let row = review::find_review(&session, review)?;
            say_whole(&review::document(&session, &row)?, &names(&session)?, *format)?;
        }
        ReviewVerb::Remind { command, webhook, format } => {
            let to = match (command, webhook) {
                (Some(program), _) => To::Command(program.clone()),
                (None, url) => To::Webhook(url.clone().unwrap_or_default()),
            };
            return remind(&mut session, &to, *format);
        }
    }
    Ok(Exit::Pass)
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn word(value: &Value, name: &str) -> String {
    printable(text(value, name))
}

fn number(value: &Value, name: &str) -> u64 {
    value.get(name).and_then(Value::as_u64).unwrap_or_default()
}

fn array<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// A part of what is told, as what it is.
fn part<T: serde::de::DeserializeOwned>(value: &Value, name: &str) -> Result<T, Failure> {
    serde_json::from_value(value.get(name).cloned().unwrap_or_default()).map_err(|error| {
        let what = format!("`{name}` of an access review cannot be read: {error}");
        CliError::Usage { what, help: "this program and the server must be of the same version".into() }.into()
    })
}

/// What is printed of a review that was opened: it, whole.
pub(super) fn said_open(review: &Value, names: &Names, format: Format) -> Result<(), Failure> {
    if format == Format::Json {
        return output::json(review);
    }
    let id = word(review, "review");
    let n = output::count(array(review, "lines").len() as u64, "line", "lines");
    let mut out = format!("✓ {id} is open (entry {}): {n}, due {}\n", number(review, "index"), word(review, "due"));
    let _ = writeln!(out, "  population {} at log size {}", word(review, "population"), number(review, "size"));
    for reviewer in array(review, "reviewers").iter().filter_map(Value::as_str) {
        let is_theirs = |l: &&Value| text(l, "reviewer") == reviewer && l.get("decision").is_none_or(Value::is_null);
        let waiting = array(review, "lines").iter().filter(is_theirs).count();
        waits(&mut out, waiting as u64, reviewer, names);
    }
    let _ = writeln!(out, "Next: countersign access review show {id} --mine");
    output::print(&out)
}

fn waits(out: &mut String, lines: u64, reviewer: &str, names: &Names) {
    if lines > 0 {
        let n = output::count(lines, "line", "lines");
        let _ = writeln!(out, "    {n} for {}", called(names, reviewer));
    }
}

/// What is printed of lines that were decided.
pub(super) fn said_decided(said: &Value, format: Format) -> Result<(), Failure> {
    if format == Format::Json {
        return output::json(said);
    }
    let n = output::count(array(said, "lines").len() as u64, "line", "lines");
    let (id, decision, index) = (word(said, "review"), word(said, "decision"), number(said, "index"));
    output::print(&format!("✓ {n} of {id}: {decision} (entry {index})\n"))
}

/// What is printed of a review that was closed.
pub(super) fn said_closed(said: &Value, names: &Names, format: Format) -> Result<(), Failure> {
    if format == Format::Json {
        return output::json(said);
    }
    let mut out = format!("✓ {} is closed and certified (entry {})\n", word(said, "review"), number(said, "index"));
    if let Some(index) = said.get("enforced").and_then(Value::as_u64) {
        let ended = output::count(array(said, "ended").len() as u64, "line", "lines");
        let _ = writeln!(out, "  {ended} ended by it (entry {index})");
    }
    let size = number(said, "size");
    let _ = writeln!(out, "  read again at log size {size}: every line that was to go is gone");
    for g in part::<Vec<GoneLine>>(said, "gone")? {
        let _ = writeln!(out, "    line {}: {} (entry {})", g.line, g.how.as_str(), g.index);
    }
    out.push_str(&figures(&part(said, "figures")?, names));
    output::print(&out)
}

/// Prints the lines that wait for somebody.
pub(super) fn say_mine(said: &Value, names: &Names, format: Format) -> Result<(), Failure> {
    let lines = array(said, "lines");
    match format {
        Format::Json => output::json(said),
        Format::Text if lines.is_empty() => output::print("nothing waits for you\n"),
        Format::Text => {
            let mut out = table(lines, names, false)?;
            let id = word(said, "review");
            let _ =
                writeln!(out, "Next: countersign access review decide {id} keep|change|revoke --line N --reason TEXT");
            output::print(&out)
        }
    }
}

/// Prints every review.
pub(super) fn say_list(rows: &[Value], names: &Names, format: Format) -> Outcome {
    let is_open = |r: &Value| r.get("closed").is_none_or(Value::is_null);
    match format {
        Format::Json => output::json(&json!({"version": 1, "reviews": rows}))?,
        Format::Text if rows.is_empty() => {
            output::print("no access was reviewed yet: countersign access review open --help\n")?;
        }
        Format::Text => {
            let mut out = String::new();
            for row in rows {
                let is_overdue = row.get("overdue").and_then(Value::as_bool) == Some(true);
                let state = match (row.get("closed").and_then(Value::as_u64), number(row, "waiting")) {
                    (Some(index), _) => format!("closed (entry {index})"),
                    (None, 0) => "decided; an officer closes it".to_owned(),
                    (None, n) if is_overdue => format!("{n} overdue: closing it ends them"),
                    (None, n) => format!("{n} of {} wait", number(row, "lines")),
                };
                let _ = writeln!(out, "{}  due {}  {state}", word(row, "review"), word(row, "due"));
                if is_open(row) {
                    for one in array(row, "waits") {
                        waits(&mut out, number(one, "lines"), text(one, "reviewer"), names);
                    }
                }
            }
            output::print(&out)?;
        }
    }
    Ok(if rows.iter().any(is_open) { Exit::Waiting } else { Exit::Pass })
}

/// Prints a review, whole.
pub(super) fn say_whole(review: &Value, names: &Names, format: Format) -> Result<(), Failure> {
    match format {
        Format::Json => output::json(review),
        Format::Text => output::print(&page(review, names)?),
    }
}

fn day(t: Timestamp) -> String {
    t.to_string().chars().take(10).collect()
}

/// The lines as people read them; with `all` what was decided too.
fn table(lines: &[Value], names: &Names, all: bool) -> Result<String, Failure> {
    let heads = ["LINE", "KIND", "OF", "WHAT", "SINCE", "BY", "LAST", "MARKS", "REVIEWER", "DECISION", "NOW", "REASON"];
    let mut cells = vec![heads.map(str::to_owned)];
    let label = |id: Option<&str>| id.map_or_else(|| "-".to_owned(), |id| called(names, id));
    for l in lines {
        let a: AccessItem = part(l, "access")?;
        let marks: Vec<&str> =
            [(a.left, "left"), (a.idle, "idle")].into_iter().filter_map(|(is, mark)| is.then_some(mark)).collect();
        let decided = l.get("decision").filter(|decision| decision.is_object());
        let gone = l.get("gone").filter(|gone| gone.is_object());
        cells.push([
            number(l, "line").to_string(),
            a.kind.as_str().to_owned(),
            label(a.person.as_ref().map(|id| id.as_str())),
            printable(&a.what),
            day(a.since),
            label(a.by.as_ref().map(|id| id.as_str())),
            a.last_used.map_or_else(|| "-".to_owned(), day),
            if marks.is_empty() { "-".to_owned() } else { marks.join(" ") },
            label(Some(decided.map_or_else(|| text(l, "reviewer"), |d| text(d, "by")))),
            decided.map_or_else(|| "-".to_owned(), |d| word(d, "verdict")),
            gone.map_or_else(|| "held".to_owned(), |gone| format!("{} {}", word(gone, "how"), number(gone, "index"))),
            decided.map(|d| word(d, "reason")).unwrap_or_default(),
        ]);
    }
    if all {
        return Ok(output::table(&cells));
    }
    let short: Vec<[String; 8]> = cells
        .into_iter()
        .map(|row| {
            let [line, kind, of, what, since, by, last, marks, ..] = row;
            [line, kind, of, what, since, by, last, marks]
        })
        .collect();
    Ok(output::table(&short))
}

fn seconds(ms: Option<u64>) -> String {
    ms.map_or_else(|| "?".to_owned(), |ms| format!("{}.{} s", ms / 1000, ms % 1000 / 100))
}

fn figures(f: &ReviewFigures, names: &Names) -> String {
    let mut out = format!(
        "{} lines: {} kept, {} to change, {} revoked, {} silent\n",
        f.lines, f.kept, f.changed, f.revoked, f.silent
    );
    for r in &f.reviewers {
        let name = called(names, r.reviewer.as_str());
        let share = u64::from(r.kept).saturating_mul(100).checked_div(u64::from(r.decided));
        let kept = share.map_or_else(String::new, |n| format!(", {n}% kept"));
        let _ = write!(out, "  {name}: {} of {} decided{kept}", r.decided, r.lines);
        let _ = write!(out, "; a line took {} (median), {} (least)", seconds(r.median_ms), seconds(r.least_ms));
        let _ = writeln!(out, "; {} in bulk, {} unseen{}", r.bulk, r.unseen, marks(r, f.hasty_below_ms));
    }
    out
}

fn marks(r: &ReviewerFigures, below: u64) -> String {
    let mut out = String::new();
    if r.kept_all {
        out.push_str("  ! kept everything");
    }
    if r.hasty {
        let _ = write!(out, "  ! hasty (below {} a line, or unseen)", seconds(Some(below)));
    }
    out
}

fn page(review: &Value, names: &Names) -> Result<String, Failure> {
    let mut out = String::new();
    let _ = writeln!(out, "Access review {}", word(review, "review"));
    let (from, to, due) = (word(review, "from"), word(review, "to"), word(review, "due"));
    let _ = writeln!(out, "  period      {from} to {to}, due {due}");
    let by = called(names, text(review, "by"));
    let _ = writeln!(out, "  opened      entry {}, by {by}: {}", number(review, "index"), word(review, "reason"));
    let same = if text(review, "recomputed") == text(review, "population") {
        "computed anew: the same"
    } else {
        "computed anew: another one; a key was certified anew since, or a workload's payload is disposed of"
    };
    let (population, size) = (word(review, "population"), number(review, "size"));
    let _ = writeln!(out, "  population  {population} at log size {size} ({same})");
    for r in array(review, "reminders") {
        let how =
            if r.get("delivered").and_then(Value::as_bool) == Some(true) { "reminded" } else { "could not remind" };
        let n = output::count(array(r, "people").len() as u64, "reviewer", "reviewers");
        let (index, time, waiting) = (number(r, "index"), word(r, "time"), number(r, "waiting"));
        let _ = writeln!(out, "  reminder    entry {index}, {time}: {how} {n} of {waiting} lines");
    }
    let lines = array(review, "lines");
    match review.get("closed").filter(|closed| closed.is_object()) {
        Some(c) => {
            let by = called(names, text(c, "by"));
            let (index, time, size) = (number(c, "index"), word(c, "time"), number(c, "size"));
            let _ = writeln!(out, "  certified   entry {index}, by {by} at {time}, read again at log size {size}");
        }
        None => {
            let waiting = number(review, "waiting");
            let _ = writeln!(out, "  certified   not yet; {waiting} of {} lines wait", lines.len());
        }
    }
    out.push('\n');
    out.push_str(&table(lines, names, true)?);
    out.push('\n');
    out.push_str(&figures(&part(review, "figures")?, names));
    Ok(out)
}

fn remind(session: &mut Session, to: &To, format: Format) -> Outcome {
    let told = review::remind(session, to, Path::new("."))?;
    notices(session);
    match format {
        Format::Json => {
            let rows: Vec<Value> = told
                .iter()
                .map(|t| {
                    json!({
                        "review": t.review, "people": t.people, "waiting": t.waiting, "delivered": t.delivered,
                        "attempts": t.attempts, "why": t.why, "index": t.index,
                    })
                })
                .collect();
            output::json(&json!({"version": 1, "told": rows}))?;
        }
        Format::Text if told.is_empty() => output::print("nothing waits for anybody\n")?,
        Format::Text => {
            let mut out = String::new();
            for t in &told {
                let how =
                    t.why.as_ref().map_or_else(|| "told".to_owned(), |why| format!("not told: {}", printable(why)));
                let n = output::count(t.people.len() as u64, "reviewer", "reviewers");
                let _ = writeln!(out, "{}  {} lines wait for {n}  {how}", t.review, t.waiting);
            }
            output::print(&out)?;
        }
    }
    Ok(if told.iter().all(|t| t.delivered) { Exit::Pass } else { Exit::Backend })
}
