//! Reviews as they are told: what `access review show` and `list` print, and what the API answers.

use countersign_model::{Digest, PersonId, Timestamp};
use countersign_store::Session;
use countersign_store::projection::{ReviewRow, ReviewedLine, State};
use serde_json::{Value, json};

use crate::Error;

/// What the tables say of the population's place now; the same, unless a key was certified anew or the payload of a workload disposed of
/// since: the fold of the log up to that place says the same for ever.
fn recomputed(state: &State, row: &ReviewRow) -> Result<Digest, Error> {
    Ok(State::population_digest(&state.access_at(row.opened.size, row.opened.time)?)?)
}

/// A line, what was said of it, and what became of it.
#[must_use]
pub fn of_line(l: &ReviewedLine, due: Timestamp, now: Timestamp) -> Value {
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

/// A review, whole.
///
/// # Errors
/// When the projection cannot be read.
pub fn document(session: &Session, row: &ReviewRow) -> Result<Value, Error> {
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

/// For whom lines wait, and how many.
#[must_use]
pub fn waits(row: &ReviewRow) -> Vec<(&PersonId, usize)> {
    let waiting =
        |reviewer: &PersonId| row.lines.iter().filter(|l| l.line.reviewer == *reviewer && l.decided.is_none()).count();
    row.opened.reviewers.iter().map(|who| (who, waiting(who))).filter(|(_, lines)| *lines > 0).collect()
}

/// How far a review is, in a list, and how many lines wait for whom.
#[must_use]
pub fn summary(session: &Session, row: &ReviewRow) -> Value {
    let waits = waits(row).into_iter().map(|(reviewer, lines)| json!({"reviewer": reviewer, "lines": lines}));
    let is_overdue = row.closed.is_none() && session.state().moment() >= row.opened.due;
    json!({
        "review": row.opened.review, "index": row.index, "due": row.opened.due, "lines": row.lines.len(),
        "waiting": row.waiting(), "overdue": is_overdue, "closed": row.closed.as_ref().map(|c| c.0),
        "waits": waits.collect::<Vec<_>>(),
    })
}
