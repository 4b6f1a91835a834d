//! What runs somewhere, as a program that watches it says. It is held against the log here; nothing of the comparison is believed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::body::Body;
use countersign_model::Digest;
use countersign_model::snapshot::{LONGEST_NAME, MOST_SEEN, Observed};
use countersign_model::submission::SentBy;
use countersign_stages::operate::{self, Looked, Taking};
use serde::Deserialize;
use serde_json::{Value, json};

use super::table::Kind;
use super::wire::{DriftPart, SeenPart, SnapshotRecorded, Wire};
use super::writes::{Asking, Done};
use crate::app::{Scope, Trouble};

/// The longest body that is read, in bytes: more than the most parts with the longest names take.
const LARGEST: usize = 16 * 1024 * 1024;
/// The most applications that one look is about.
const MOST_APPLICATIONS: usize = 1000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SnapshotAsked {
    observed: Observed,
    #[serde(default)]
    applications: Vec<String>,
    seen: Vec<Part>,
    #[serde(default)]
    untold: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Part {
    name: String,
    digest: Digest,
    count: u32,
}

/// The schema of what somebody saw.
pub(super) fn snapshot_schema() -> Value {
    let name = || json!({"type": "string", "minLength": 1, "maxLength": LONGEST_NAME});
    let part = json!({
        "type": "object", "additionalProperties": false, "required": ["name", "digest", "count"],
        "properties": {
            "name": name(), "digest": Digest::schema(),
            "count": {"type": "integer", "minimum": 1, "maximum": u32::MAX},
        },
    });
    json!({
        "type": "object", "additionalProperties": false, "required": ["observed", "seen"],
        "properties": {
            "observed": {"enum": Observed::ALL.map(Observed::as_str)},
            "applications": {
                "type": "array", "maxItems": MOST_APPLICATIONS, "items": Kind::Text.schema(),
                "description": "The applications that were looked at; none: all of the environment.",
            },
            "seen": {"type": "array", "maxItems": MOST_SEEN, "items": part, "description": "What runs."},
            "untold": {"type": "array", "maxItems": MOST_SEEN, "items": name(), "description": "What runs and has no digest."},
        },
    })
}

/// Takes a snapshot. The same again, while it is new, is the entry that is there.
pub(super) async fn take(asking: Asking, body: Body) -> Result<Done, Trouble> {
    let bytes = axum::body::to_bytes(body, LARGEST).await.map_err(|_| Trouble::too_much(LARGEST as u64))?;
    let asked: SnapshotAsked = serde_json::from_slice(&bytes)
        .map_err(|e| Trouble::bad_body(&format!("what was sent is not as the document says: {e}")))?;
    let is_text = asked.applications.iter().all(|id| Kind::Text.takes(id));
    let is_many =
        asked.applications.len() > MOST_APPLICATIONS || asked.seen.len() > MOST_SEEN || asked.untold.len() > MOST_SEEN;
    if !is_text || is_many || asked.seen.iter().any(|part| part.count == 0) {
        return Err(Trouble::bad_body("an application or a part is not as the document says"));
    }
    let mut seen: BTreeMap<(String, Digest), u32> = BTreeMap::new();
    for part in asked.seen {
        let count = seen.entry((part.name, part.digest)).or_insert(0);
        *count = count.saturating_add(part.count);
    }
    let looked = Looked { observed: asked.observed, seen, untold: asked.untold.into_iter().collect::<BTreeSet<_>>() };
    let environment = asking.param("environment").to_owned();
    let (person, token) = (asking.person()?, asking.sender.token);
    let sent = SentBy { key: None, request: None, person: Some(person.clone()), token: Some(token), workload: None };
    let (app, scope) = (Arc::clone(&asking.app), asking.scope.clone());
    let done = app
        .with(move |session| {
            if let Err(outside) = inside(&scope, &asked.applications) {
                session.record_refusal("snapshot", None, Some(&person), outside.code)?;
                return Err(outside);
            }
            let taking = Taking {
                environment: &environment,
                applications: &asked.applications,
                looked: &looked,
                sent: Some(&sent),
            };
            let taken = operate::take(session, &taking).map_err(|e| Trouble::of(&e))?;
            let state = session.state();
            let (mut seen, mut drift) = (Vec::new(), Vec::new());
            for part in taken.snapshot.seen {
                let shown = scope.has_part(state, part.run.as_ref())?;
                let run = part.run.filter(|_| shown).map(|run| run.to_string());
                seen.push(SeenPart {
                    name: part.name,
                    digest: part.digest.to_string(),
                    count: u64::from(part.count),
                    run,
                });
            }
            for one in taken.snapshot.drift {
                let shown = scope.has_part(state, one.run.as_ref())?;
                drift.push(DriftPart {
                    kind: one.kind.to_string(),
                    name: one.name,
                    digest: one.digest.to_string(),
                    grant: one.grant.filter(|_| shown).map(|grant| grant.to_string()),
                    run: one.run.filter(|_| shown).map(|run| run.to_string()),
                });
            }
            Ok(SnapshotRecorded {
                environment: taken.snapshot.environment,
                index: taken.index,
                recorded: taken.recorded,
                time: taken.snapshot.time,
                seen,
                untold: taken.snapshot.untold,
                drift,
                new: taken.new.len() as u64,
                told: taken.told,
                without_artifacts: taken.unseen.into_iter().filter(|id| scope.has_repository(id)).collect(),
            }
            .json())
        })
        .await?;
    Ok(Done::ok(done))
}

/// Whoever sees some applications alone looks at some of these: what others run is not theirs to say.
fn inside(scope: &Scope, applications: &[String]) -> Result<(), Trouble> {
    let is_whole = scope.sees_all_applications();
    if is_whole || !applications.is_empty() && applications.iter().all(|id| scope.has_application(id)) {
        return Ok(());
    }
    Err(Trouble::not_found("application"))
}
