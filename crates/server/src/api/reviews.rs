//! Reviews of all access: how far they are, what they say, and what waits for whoever asks.

use std::sync::{Arc, OnceLock};

use axum::http::StatusCode;
use countersign_govern::access::review;
use countersign_model::Diagnostic;
use countersign_store::projection::ReviewRow;
use serde_json::{Value, json};

use super::ask::{Ask, count, id};
use super::wire::{AccessReviewLine, AccessReviewList, AccessReviewWaits, Wire};
use super::writes::{Asking, Done, outside_of};
use crate::app::{Scope, Trouble};

/// A review, as the command line prints it where the ledger is.
pub(super) struct AccessReview(Value);

/// What waits for somebody.
pub(super) struct Shown;

/// The schema of what the command line prints.
fn printed() -> &'static Value {
    static SCHEMA: OnceLock<Value> = OnceLock::new();
    SCHEMA.get_or_init(|| {
        let text = include_str!("../../../../schemas/access-review.v1.json");
        // That it is one is tested; where it were none, nothing would be promised.
        let mut schema: Value = serde_json::from_str(text).unwrap_or_else(|_| json!({}));
        if let Some(schema) = schema.as_object_mut() {
            schema.retain(|name, _| !matches!(name.as_str(), "$schema" | "title"));
        }
        schema
    })
}

impl Wire for AccessReview {
    fn json(self) -> Value {
        self.0
    }
    fn schema() -> Value {
        printed().clone()
    }
}

impl Wire for Shown {
    fn json(self) -> Value {
        Value::Null
    }
    fn schema() -> Value {
        let part = |name: &str| printed().pointer(&format!("/properties/{name}")).cloned().unwrap_or_default();
        json!({
            "type": "object", "additionalProperties": false, "required": ["version", "review", "lines"],
            "properties": {"version": part("version"), "review": part("review"), "lines": part("lines")},
        })
    }
}

pub(super) fn list(ask: &Ask<'_>) -> Result<AccessReviewList, Trouble> {
    let now = ask.state().moment();
    let line = |row: ReviewRow| AccessReviewLine {
        review: row.opened.review.to_string(),
        index: row.index,
        due: row.opened.due,
        lines: count(row.lines.len()),
        waiting: count(row.waiting()),
        overdue: row.closed.is_none() && now >= row.opened.due,
        closed: row.closed.as_ref().map(|(index, _)| *index),
        waits: review::waits(&row)
            .into_iter()
            .map(|(who, lines)| AccessReviewWaits { reviewer: id(who), lines: count(lines) })
            .collect(),
    };
    Ok(AccessReviewList { items: ask.state().reviews()?.into_iter().map(line).collect() })
}

pub(super) fn one(ask: &Ask<'_>) -> Result<AccessReview, Trouble> {
    let row = review::find_review(ask.session, ask.param("review")).map_err(|e| not_there(&e))?;
    Ok(AccessReview(review::document(ask.session, &row).map_err(|e| Trouble::of(&e))?))
}

/// There is none of that id, or more than one that begins so.
fn not_there(error: &dyn Diagnostic) -> Trouble {
    Trouble { status: StatusCode::NOT_FOUND, ..Trouble::of(error) }
}

/// The lines that wait for whoever asks. The ledger remembers that they were shown.
pub(super) async fn shown(asking: Asking) -> Result<Done, Trouble> {
    let (app, person, scope) = (Arc::clone(&asking.app), asking.person()?, asking.scope.clone());
    let (named, sender) = (asking.param("review").to_owned(), asking.sender.clone());
    let done = app.with(move |session| {
        // Access is of the whole firm.
        if Scope::is_limited(&scope) {
            return Err(outside_of(session, "access review show", &sender, Trouble::not_found("access review"))?);
        }
        review::find_review(session, &named).map_err(|e| not_there(&e))?;
        let (id, lines) = review::shown_to(session, &named, &person).map_err(|e| Trouble::of(&e))?;
        let row = review::find_review(session, id.as_str()).map_err(|e| Trouble::of(&e))?;
        let (due, now) = (row.opened.due, session.state().moment());
        let lines: Vec<Value> = lines.iter().map(|line| review::of_line(line, due, now)).collect();
        Ok(json!({"version": 1, "review": id, "lines": lines}))
    });
    done.await.map(Done::ok)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_of_a_review_is_the_one_of_what_is_printed() {
        assert!(printed()["properties"]["lines"]["items"]["properties"]["access"].is_object());
        assert_eq!(Shown::schema()["properties"]["review"], printed()["properties"]["review"]);
    }
}
