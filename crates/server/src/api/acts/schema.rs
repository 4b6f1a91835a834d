//! What is sent to say something, as the document says it.

use countersign_model::Digest;
use countersign_model::governance::{Tier, WaiverCategory};
use countersign_store::handed::MOST;
use serde_json::{Map, Value, json};

use super::super::table::Kind;
use super::super::wire::Wire as _;

/// Characters of a line that somebody signs.
const LONGEST: usize = 1000;

fn line(says: &str) -> Value {
    json!({
        "type": "string", "minLength": 1, "maxLength": LONGEST, "description": says,
        "pattern": "^[^\\u0000-\\u001f\\u007f-\\u009f]*$",
    })
}

fn id(says: &str) -> Value {
    json!({"type": "string", "minLength": 1, "maxLength": LONGEST, "pattern": "^[!-~]+$", "description": says})
}

fn number(most: u16, says: &str) -> Value {
    json!({"type": "integer", "minimum": 1, "maximum": most, "description": says})
}

fn or_null(schema: Value) -> Value {
    json!({"anyOf": [schema, {"type": "null"}]})
}

/// One kind of act: what must stand there, and what may.
fn kind(name: &str, says: &str, must: &[(&str, Value)], may: &[(&str, Value)]) -> Value {
    let mut properties: Map<String, Value> =
        must.iter().chain(may).map(|(n, s)| ((*n).to_owned(), s.clone())).collect();
    properties.insert("kind".to_owned(), json!({"const": name}));
    let required: Vec<&str> = std::iter::once("kind").chain(must.iter().map(|(name, _)| *name)).collect();
    json!({
        "type": "object", "description": says, "additionalProperties": false, "required": required, "properties": properties,
    })
}

fn scope() -> Value {
    let controls = json!({
        "type": "array", "minItems": 1, "maxItems": 200, "items": id("A control."),
        "description": "The controls that are broken, sorted. What concerns another control as well is not covered.",
    });
    let parts = [
        ("application", "Only this application."),
        ("repository", "Only this repository, by its identity."),
        ("environment", "Only this environment."),
        ("path", "Only findings at these paths, a glob."),
        ("rule", "Only findings of these rules, a glob."),
    ];
    let mut properties: Map<String, Value> =
        parts.into_iter().map(|(name, says)| (name.to_owned(), or_null(line(says)))).collect();
    properties.insert("controls".to_owned(), controls);
    properties.insert("tier".to_owned(), or_null(json!({"enum": Tier::ALL})));
    properties.insert("fingerprint".to_owned(), or_null(Digest::schema()));
    json!({
        "type": "object", "description": "What it covers: everything that is named must fit.",
        "additionalProperties": false, "required": ["controls"], "properties": properties,
    })
}

fn kinds() -> Vec<Value> {
    let reason = || ("reason", line("Why."));
    let run = || ("run", id("The run."));
    let waiver = || ("waiver", id("The waiver, or the start of its id."));
    let emergency = || ("emergency", id("The emergency, or the start of its id."));
    let acceptance = || ("acceptance", line("What could happen, and why that is accepted."));
    let days = || ("days", number(365, "For how many days."));
    let late = || ("late", json!({"type": "boolean", "description": "It was due before now."}));
    let named = |name, says| kind(name, says, &[waiver(), reason()], &[]);
    let category =
        json!({"enum": WaiverCategory::ALL, "description": "The risk is accepted, or another control does the work."});
    let not_before =
        json!({"type": "string", "format": "date-time", "description": "From when; now where it is not given."});
    let open = [
        run(),
        ("environment", line("The environment.")),
        ("any_commit", json!({"type": "boolean", "description": "For any commit, instead of the run's."})),
        reason(),
        ("ticket", line("The ticket of the incident.")),
        ("minutes", number(1440, "For how many minutes.")),
        ("ratify_hours", number(72, "Within how many hours it is ratified.")),
        ("review_days", number(14, "Within how many days it is reviewed.")),
    ];
    vec![
        kind("reject", "A signed no to the newest decision of a run.", &[run(), reason()], &[]),
        kind("withdraw", "What one said about a run is taken back.", &[run(), reason()], &[]),
        kind(
            "waive-request",
            "A broken control may stand for a while; somebody else grants it.",
            &[("scope", scope()), ("category", category), acceptance(), days()],
            &[("compensating", or_null(id("The control that does the work."))), ("not_before", or_null(not_before))],
        ),
        kind("waive-renew", "A waiver goes on, with the same scope.", &[waiver(), acceptance(), days()], &[]),
        named("waive-grant", "A waiver that somebody else asked for."),
        named("waive-reject", "A waiver is refused, or a request taken back."),
        named("waive-revoke", "A waiver ends before its time."),
        kind(
            "grant-revoke",
            "A grant is taken back that was not used.",
            &[("grant", id("The grant, or the start of its id.")), reason()],
            &[],
        ),
        kind(
            "break-glass-open",
            "A run goes past the gates. Two statements are signed: the emergency, and the grant.",
            &open,
            &[("application", or_null(line("For all repositories of this application, instead of the run's.")))],
        ),
        kind("break-glass-grant", "A further grant in an emergency that is open.", &[emergency(), run()], &[]),
        kind("break-glass-close", "An emergency is over before its time.", &[emergency(), reason()], &[]),
        kind(
            "break-glass-ratify",
            "It was an emergency, says somebody who took no part.",
            &[emergency(), ("statement", line("What they looked at, and that they stand for it.")), late()],
            &[],
        ),
        kind(
            "break-glass-review",
            "An emergency is looked at afterwards, by somebody who took no part.",
            &[
                emergency(),
                ("findings", line("What was found.")),
                ("root_cause", line("Why it came to that.")),
                ("corrective_action", line("What is done so that it does not again.")),
                late(),
            ],
            &[],
        ),
    ]
}

/// The schema of what somebody wants to say, and with which key.
pub(crate) fn preparation_schema() -> Value {
    json!({
        "type": "object", "additionalProperties": false, "required": ["key", "host", "act"],
        "properties": {
            "key": Kind::Fingerprint.schema(),
            "host": Kind::Text.schema(),
            "act": {"oneOf": kinds()},
        },
    })
}

/// The schema of what was signed.
pub(crate) fn acts_schema() -> Value {
    let act = json!({
        "type": "string", "contentEncoding": "base64", "minLength": 4, "pattern": "^[A-Za-z0-9+/=]+$",
        "description": "A signed act, as the ledger stores it.",
    });
    json!({
        "type": "object", "additionalProperties": false, "required": ["acts"],
        "properties": {"acts": {
            "type": "array", "minItems": 1, "maxItems": MOST, "items": act,
            "description": "What was signed, in the order in which it was given out.",
        }},
    })
}
