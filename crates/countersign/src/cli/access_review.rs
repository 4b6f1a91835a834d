//! `access`: reviews of all access, and what they ended.

use std::fmt::Write as _;
use std::path::Path;

use countersign_govern::access::review::{self, Campaign, Lines, To};
use countersign_model::access::review::{ReviewFigures, ReviewerFigures};
use countersign_model::{Digest, Exit, PersonId, Timestamp};
use countersign_store::Session;
use countersign_store::projection::{ReviewRow, ReviewedLine, State};
use serde_json::{Value, json};

use super::access_args::{AccessArgs, AccessVerb, ReviewVerb};
use super::args::{Format, PlaceArgs};
use super::place::{day_or_time, notices};
use crate::config::Environment;
use crate::errors::{Failure, Outcome};
use crate::output::{self, printable};

/// `access`.
pub(crate) fn run(at: &PlaceArgs, args: &AccessArgs, env: &Environment) -> Outcome {
    match &args.verb {
        AccessVerb::Review(args) => return reviewing(at, &args.verb, env),
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
        AccessVerb::Readmit { workload, reason, key, format } => {
            let mut session = at.open(env)?;
            let index = review::readmit(&mut session, workload, reason, &key.signer(env)?)?;
            notices(&mut session);
            match format {
                Format::Json => output::json(&json!({"version": 1, "workload": workload, "index": index}))?,
                Format::Text => {
                    output::print(&format!("✓ {} may show tokens again (entry {index})\n", printable(workload)))?;
                }
            }
        }
    }
    Ok(Exit::Pass)
}

fn reviewing(at: &PlaceArgs, verb: &ReviewVerb, env: &Environment) -> Outcome {
    let mut session = at.open(env)?;
    match verb {
        ReviewVerb::Open { from, to, due, reviewer, reason, key, format } => {
            let to = to.as_deref().map(day_or_time).transpose()?.unwrap_or_else(|| session.now());
            let (from, due) = (day_or_time(from)?, day_or_time(due)?);
            let asked = Campaign { from, to, due, reviewers: reviewer, reason };
            let (id, index) = review::open(&mut session, &asked, &key.signer(env)?)?;
            notices(&mut session);
            let row = review::find_review(&session, id.as_str())?;
            match format {
                Format::Json => output::json(&document(&session, &row)?)?,
                Format::Text => {
                    let n = output::count(row.lines.len() as u64, "line", "lines");
                    let mut out = format!("✓ {id} is open (entry {index}): {n}, due {due}\n");
                    let _ = writeln!(out, "  population {} at log size {}", row.opened.population, row.opened.size);
                    out.push_str(&who_waits(&session, &row)?);
                    let _ = writeln!(out, "Next: countersign access review show {id} --mine");
                    output::print(&out)?;
                }
            }
        }
        ReviewVerb::Decide { review, decision, line, all_of, reason, key, format } => {
            let which = all_of.clone().map_or_else(|| Lines::Numbers(line.clone()), Lines::Of);
            let signer = key.signer(env)?;
            let (id, lines, index) = review::decide(&mut session, review, &which, *decision, reason, &signer)?;
            notices(&mut session);
            match format {
                Format::Json => output::json(&json!({
                    "version": 1, "review": id, "lines": lines, "decision": decision, "index": index,
                }))?,
                Format::Text => {
                    let n = output::count(lines.len() as u64, "line", "lines");
                    output::print(&format!("✓ {n} of {id}: {} (entry {index})\n", decision.as_str()))?;
                }
            }
        }
        ReviewVerb::Close { review, key, format } => {
            let closed = review::close(&mut session, review, &key.signer(env)?)?;
            notices(&mut session);
            match format {
                Format::Json => output::json(&json!({
                    "version": 1, "review": closed.said.review, "index": closed.index, "ended": closed.ended,
                    "enforced": closed.enforced, "size": closed.said.size, "gone": closed.said.gone,
                    "held": closed.said.held, "figures": closed.said.figures,
                }))?,
                Format::Text => {
                    let mut out =
                        format!("✓ {} is closed and certified (entry {})\n", closed.said.review, closed.index);
                    if let Some(index) = closed.enforced {
                        let ended = output::count(closed.ended.len() as u64, "line", "lines");
                        let _ = writeln!(out, "  {ended} ended by it (entry {index})");
                    }
                    let _ = writeln!(
                        out,
                        "  read again at log size {}: every line that was to go is gone",
                        closed.said.size
                    );
                    for g in &closed.said.gone {
                        let _ = writeln!(out, "    line {}: {} (entry {})", g.line, g.how.as_str(), g.index);
                    }
                    out.push_str(&figures(session.state(), &closed.said.figures)?);
                    output::print(&out)?;
                }
            }
        }
        ReviewVerb::List { format } => return list(&session, *format),
        ReviewVerb::Show { review, mine: true, key, format } => {
            let id = review::find_review(&session, review)?.opened.review;
            let (_, lines) = review::shown(&mut session, id.as_str(), &key.signer(env)?)?;
            notices(&mut session);
            match format {
                Format::Json => {
                    let due = review::find_review(&session, id.as_str())?.opened.due;
                    let now = session.state().moment();
                    let lines: Vec<Value> = lines.iter().map(|l| of_line(l, due, now)).collect();
                    output::json(&json!({"version": 1, "review": id, "lines": lines}))?;
                }
                Format::Text if lines.is_empty() => output::print("nothing waits for you\n")?,
                Format::Text => {
                    let mut out = table(session.state(), &lines, false)?;
                    let _ = writeln!(
                        out,
                        "Next: countersign access review decide {id} keep|change|revoke --line N --reason TEXT"
                    );
                    output::print(&out)?;
                }
            }
        }
        ReviewVerb::Show { review, mine: false, format, .. } => {
            let row = review::find_review(&session, review)?;
            match format {
                Format::Json => output::json(&document(&session, &row)?)?,
                Format::Text => output::print(&page(session.state(), &row)?)?,
            }
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

fn list(session: &Session, format: Format) -> Outcome {
    let rows = session.state().reviews()?;
    let waits = rows.iter().any(|r| r.closed.is_none());
    match format {
        Format::Json => output::json(&json!({
            "version": 1,
            "reviews": rows.iter().map(|r| json!({
                "review": r.opened.review, "index": r.index, "due": r.opened.due, "lines": r.lines.len(),
                "waiting": r.waiting(), "overdue": is_overdue(session, r), "closed": r.closed.as_ref().map(|c| c.0),
            })).collect::<Vec<_>>(),
        }))?,
        Format::Text if rows.is_empty() => {
            output::print("no access was reviewed yet: countersign access review open --help\n")?;
        }
        Format::Text => {
            let mut out = String::new();
            for row in &rows {
                let state = match (&row.closed, row.waiting()) {
                    (Some((index, _)), _) => format!("closed (entry {index})"),
                    (None, 0) => "decided; an officer closes it".to_owned(),
                    (None, n) if is_overdue(session, row) => format!("{n} overdue: closing it ends them"),
                    (None, n) => format!("{n} of {} wait", row.lines.len()),
                };
                let _ = writeln!(out, "{}  due {}  {state}", row.opened.review, row.opened.due);
                if row.closed.is_none() {
                    out.push_str(&who_waits(session, row)?);
                }
            }
            output::print(&out)?;
        }
    }
    Ok(if waits { Exit::Waiting } else { Exit::Pass })
}

fn is_overdue(session: &Session, row: &ReviewRow) -> bool {
    row.closed.is_none() && session.state().moment() >= row.opened.due
}

fn who_waits(session: &Session, row: &ReviewRow) -> Result<String, Failure> {
    let mut out = String::new();
    for reviewer in &row.opened.reviewers {
        let n = row.lines.iter().filter(|l| l.line.reviewer == *reviewer && l.decided.is_none()).count();
        if n > 0 {
            let n = output::count(n as u64, "line", "lines");
            let _ = writeln!(out, "    {n} for {}", printable(&session.state().label(reviewer)?));
        }
    }
    Ok(out)
}

fn day(t: Timestamp) -> String {
    t.to_string().chars().take(10).collect()
}

fn label(state: &State, id: Option<&PersonId>) -> Result<String, Failure> {
    Ok(id.map(|id| state.label(id)).transpose()?.map_or_else(|| "-".to_owned(), |l| printable(&l)))
}

/// The lines as people read them; with `all` what was decided too.
fn table(state: &State, lines: &[ReviewedLine], all: bool) -> Result<String, Failure> {
    let heads = ["LINE", "KIND", "OF", "WHAT", "SINCE", "BY", "LAST", "MARKS", "REVIEWER", "DECISION", "NOW", "REASON"];
    let mut cells = vec![heads.map(str::to_owned)];
    for l in lines {
        let a = &l.line.access;
        let marks: Vec<&str> =
            [(a.left, "left"), (a.idle, "idle")].into_iter().filter_map(|(is, mark)| is.then_some(mark)).collect();
        let decided = l.decided.as_ref();
        cells.push([
            l.line.line.to_string(),
            a.kind.as_str().to_owned(),
            label(state, a.person.as_ref())?,
            printable(&a.what),
            day(a.since),
            label(state, a.by.as_ref())?,
            a.last_used.map_or_else(|| "-".to_owned(), day),
            if marks.is_empty() { "-".to_owned() } else { marks.join(" ") },
            label(state, Some(decided.map_or(&l.line.reviewer, |d| &d.by)))?,
            decided.map_or("-", |d| d.verdict.as_str()).to_owned(),
            l.gone.map_or_else(|| "held".to_owned(), |(how, index)| format!("{} {index}", how.as_str())),
            printable(l.reason.as_deref().unwrap_or_default()),
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

fn figures(state: &State, f: &ReviewFigures) -> Result<String, Failure> {
    let mut out = format!(
        "{} lines: {} kept, {} to change, {} revoked, {} silent\n",
        f.lines, f.kept, f.changed, f.revoked, f.silent
    );
    for r in &f.reviewers {
        let name = label(state, Some(&r.reviewer))?;
        let share = u64::from(r.kept).saturating_mul(100).checked_div(u64::from(r.decided));
        let kept = share.map_or_else(String::new, |n| format!(", {n}% kept"));
        let _ = write!(out, "  {name}: {} of {} decided{kept}", r.decided, r.lines);
        let _ = write!(out, "; a line took {} (median), {} (least)", seconds(r.median_ms), seconds(r.least_ms));
        let _ = writeln!(out, "; {} in bulk, {} unseen{}", r.bulk, r.unseen, marks(r, f.hasty_below_ms));
    }
    Ok(out)
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

/// What the tables say of the population's place now; the same, unless a key was certified anew or the payload of a workload disposed of
/// since: the fold of the log up to that place says the same for ever.
fn recomputed(state: &State, row: &ReviewRow) -> Result<Digest, Failure> {
    Ok(State::population_digest(&state.access_at(row.opened.size, row.opened.time)?)?)
}

fn page(state: &State, row: &ReviewRow) -> Result<String, Failure> {
    let o = &row.opened;
    let mut out = String::new();
    let _ = writeln!(out, "Access review {}", o.review);
    let _ = writeln!(out, "  period      {} to {}, due {}", o.from, o.to, o.due);
    let by = label(state, Some(&o.by))?;
    let _ = writeln!(out, "  opened      entry {}, by {by}: {}", row.index, printable(&o.reason));
    let same = if recomputed(state, row)? == o.population {
        "computed anew: the same"
    } else {
        "computed anew: another one; a key was certified anew since, or a workload's payload is disposed of"
    };
    let _ = writeln!(out, "  population  {} at log size {} ({same})", o.population, o.size);
    for r in state.review_reminders(&o.review)? {
        let how = if r.delivered { "reminded" } else { "could not remind" };
        let n = output::count(r.people.len() as u64, "reviewer", "reviewers");
        let _ = writeln!(out, "  reminder    entry {}, {}: {how} {n} of {} lines", r.index, r.time, r.waiting);
    }
    match &row.closed {
        Some((index, c)) => {
            let by = label(state, Some(&c.by))?;
            let _ =
                writeln!(out, "  certified   entry {index}, by {by} at {}, read again at log size {}", c.time, c.size);
        }
        None => {
            let _ = writeln!(out, "  certified   not yet; {} of {} lines wait", row.waiting(), row.lines.len());
        }
    }
    out.push('\n');
    out.push_str(&table(state, &row.lines, true)?);
    out.push('\n');
    out.push_str(&figures(state, &row.figures())?);
    Ok(out)
}

fn of_line(l: &ReviewedLine, due: Timestamp, now: Timestamp) -> Value {
    json!({
        "line": l.line.line, "access": l.line.access, "reviewer": l.line.reviewer,
        "shown": l.shown.as_ref().map(|s| s.0),
        "decision": l.decided.as_ref().map(|d| json!({
            "verdict": d.verdict, "by": d.by, "time": d.time, "shown": d.shown, "index": d.index, "reason": l.reason,
        })),
        "goes": l.goes(due, now),
        "gone": l.gone.map(|(how, index)| json!({"how": how, "index": index})),
    })
}

fn document(session: &Session, row: &ReviewRow) -> Result<Value, Failure> {
    let (o, state) = (&row.opened, session.state());
    let now = state.moment();
    let reminders: Vec<Value> = state
        .review_reminders(&o.review)?
        .iter()
        .map(|r| {
            json!({
                "index": r.index, "people": r.people, "waiting": r.waiting, "delivered": r.delivered,
                "attempts": r.attempts, "time": r.time,
            })
        })
        .collect();
    Ok(json!({
        "version": 1, "review": o.review, "index": row.index, "from": o.from, "to": o.to, "due": o.due, "by": o.by,
        "reason": o.reason, "size": o.size, "idle_days": o.idle_days, "population": o.population, "time": o.time,
        "recomputed": recomputed(state, row)?, "reviewers": o.reviewers, "waiting": row.waiting(),
        "reminders": reminders,
        "closed": row.closed.as_ref().map(|(index, c)| json!({
            "index": index, "by": c.by, "time": c.time, "size": c.size, "gone": c.gone, "held": c.held,
        })),
        "figures": row.figures(), "lines": row.lines.iter().map(|l| of_line(l, o.due, now)).collect::<Vec<_>>(),
    }))
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
