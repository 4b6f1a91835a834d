//! Lists and pages with `--server`: what the API says, as programs are told it where the ledger is, and printed by the same lines.

use countersign_connect::remote::ApiClient;
use countersign_model::governance::Scope;
use countersign_stages::Error as StageError;
use countersign_stages::release::error::ReleaseError;
use serde::Deserialize as _;
use serde_json::{Map, Value, json};

use super::args::Format;
use super::remote::{array, beginning, by_id, field, stranger, whole_list};
use super::{break_glass, waive};
use crate::errors::{Failure, Outcome};

/// The fields of a document of the API.
fn fields(client: &ApiClient, said: &Value) -> Result<Map<String, Value>, Failure> {
    said.as_object().cloned().ok_or_else(|| stranger(client, "its answer is no document"))
}

/// A waiver, as where the ledger is.
fn waiver_here(client: &ApiClient, said: &Value) -> Result<Value, Failure> {
    let mut one = fields(client, said)?;
    let scope = Scope::deserialize(said.get("scope").unwrap_or(&Value::Null));
    let scope = scope.map_err(|_| stranger(client, "what its waiver covers cannot be read"))?;
    one.insert("scope".into(), json!(scope));
    for (name, here) in [("person", "requested_by"), ("requested", "requested_at")] {
        let value = one.remove(name).ok_or_else(|| stranger(client, &format!("its answer lacks `{name}`")))?;
        one.insert(here.into(), value);
    }
    one.retain(|name, _| name != "controls" && name != "granted_by");
    Ok(Value::Object(one))
}

fn all_waivers(client: &ApiClient) -> Result<Vec<Value>, Failure> {
    let said = client.get("waivers", &[])?;
    let mut all = array(&said, "items").map(|one| waiver_here(client, one)).collect::<Result<Vec<_>, _>>()?;
    // Oldest first, as where the ledger is.
    all.reverse();
    Ok(all)
}

/// `waive list`.
pub(super) fn waivers(client: &ApiClient, format: Format) -> Result<(), Failure> {
    waive::listed(&all_waivers(client)?, format)
}

/// `waive show`.
pub(super) fn waiver(client: &ApiClient, text: &str, format: Format) -> Result<(), Failure> {
    let all = all_waivers(client)?;
    let one = beginning(&all, "waiver", text);
    let one = one.ok_or_else(|| countersign_govern::Error::NoSuchWaiver { waiver: text.to_owned() })?;
    waive::shown(one.clone(), format, &by_id)
}

/// An emergency, as where the ledger is.
fn emergency_here(client: &ApiClient, said: &Value) -> Result<Map<String, Value>, Failure> {
    let mut one = fields(client, said)?;
    let parts: [(&str, &[&str]); 2] =
        [("ratified", &["statement"]), ("reviewed", &["findings", "root_cause", "corrective_action"])];
    for (duty, said) in parts {
        let Some(Value::Object(done)) = one.get_mut(duty) else { continue };
        let mut text = Map::new();
        for name in said {
            let part = done.remove(*name).ok_or_else(|| stranger(client, &format!("its answer lacks `{name}`")))?;
            text.insert((*name).to_owned(), part);
        }
        let text = if duty == "ratified" { text.remove("statement").unwrap_or_default() } else { Value::Object(text) };
        done.insert("said".into(), text);
    }
    Ok(one)
}

/// `break-glass list`.
pub(super) fn emergencies(client: &ApiClient, due: bool, format: Format) -> Outcome {
    let asked: &[(&str, &str)] = if due { &[("due", "true")] } else { &[] };
    let all = whole_list(client, "emergencies", asked)?;
    let all = all.iter().map(|said| emergency_here(client, said).map(Value::Object)).collect::<Result<Vec<_>, _>>()?;
    break_glass::listed(&all, due, format)
}

/// `break-glass show`.
pub(super) fn emergency(client: &ApiClient, text: &str, format: Format) -> Result<(), Failure> {
    let all = whole_list(client, "emergencies", &[])?;
    let one = beginning(&all, "break_glass", text);
    let none = || StageError::from(ReleaseError::NoSuchEmergency { id: text.to_owned() });
    let id = field(client, one.ok_or_else(none)?, "break_glass")?;
    let said = client.get(&format!("emergencies/{id}"), &[])?;
    let mut one = emergency_here(client, said.get("emergency").unwrap_or(&Value::Null))?;
    for name in ["grants", "pages"] {
        one.insert(name.into(), array(&said, name).cloned().collect());
    }
    one.insert("version".into(), 1.into());
    break_glass::shown(&Value::Object(one), format, &by_id)
}
