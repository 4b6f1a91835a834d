//! The mapping collection: from the firm's controls to the requirements of frameworks.

use countersign_policy::catalogue::{Class, Framework};
use serde_json::{Value, json};

use super::parts::{CATALOG, Desk, FRAMEWORKS, Named, control_id, prop, put, requirement_ids};
use crate::Error;
use crate::audit::AuditError;

/// Who decided it, and how.
const METHOD: &str = "human";
const RATIONALE: &str = "functional";

/// Which controls meet which requirement. A framework of which nothing is met is left out; where it was asked for, it is an
/// error.
pub(super) fn collection(desk: &Desk<'_>, frameworks: &[&Framework], asked: bool) -> Result<Value, Error> {
    let (mut mappings, mut all_verified) = (Vec::new(), true);
    for framework in frameworks {
        match mapping(desk, framework) {
            Some((mapping, verified)) => {
                mappings.push(mapping);
                all_verified &= verified;
            }
            None if asked => return Err(AuditError::Unmet { framework: framework.id.clone() }.into()),
            None => {}
        }
    }
    if mappings.is_empty() {
        return Err(AuditError::Unmet { framework: "any framework".into() }.into());
    }
    let body = json!({
        "provenance": {
            "method": METHOD, "matching-rationale": RATIONALE, "status": status(all_verified),
            "mapping-description":
                "Which controls of the firm meet which requirement, as the files of its controls and frameworks say. \
                 A requirement that evidence decides wholly is covered by its controls (superset-of); of one that it \
                 decides in part, people attest the rest (intersects-with).",
        },
        "mappings": mappings,
    });
    let ids: Vec<&str> = frameworks.iter().map(|f| f.id.as_str()).collect();
    desk.document(
        "mapping-collection",
        "Controls of the firm to requirements of frameworks",
        &ids,
        &Named::default(),
        body,
    )
}

/// A mapping counts as finished when every requirement in it was compared with a source.
const fn status(verified: bool) -> &'static str {
    if verified { "complete" } else { "draft" }
}

/// The mapping to one framework, and whether all of it was compared with a source.
fn mapping(desk: &Desk<'_>, framework: &Framework) -> Option<(Value, bool)> {
    let ids = requirement_ids(framework);
    let (mut maps, mut unmet, mut verified) = (Vec::new(), Vec::new(), true);
    for requirement in &framework.requirements {
        let id = ids.get(&*requirement.id)?;
        let sources: Vec<Value> = desk
            .catalogue
            .meeting(&framework.id, requirement)
            .into_iter()
            .map(|c| json!({"type": "control", "id-ref": control_id(c)}))
            .collect();
        if sources.is_empty() {
            unmet.push(id.clone());
            continue;
        }
        verified &= requirement.verified;
        let relationship = if requirement.class == Class::Automatic { "superset-of" } else { "intersects-with" };
        maps.push(json!({
            "uuid": desk.id(&["map", &framework.id, &requirement.id]), "relationship": relationship,
            "sources": sources, "targets": [{"type": "control", "id-ref": id}],
            "props": [
                prop("decided-by-evidence", requirement.class.as_str()),
                prop("verified", if requirement.verified { "yes" } else { "no" }),
            ],
        }));
    }
    if maps.is_empty() {
        return None;
    }
    let mut mapping = json!({
        "uuid": desk.id(&["mapping", &framework.id]), "method": METHOD, "matching-rationale": RATIONALE,
        "status": status(verified), "source-resource": {"type": "catalog", "href": CATALOG},
        "target-resource": {"type": "catalog", "href": FRAMEWORKS},
        "props": [prop("framework", &framework.id)],
    });
    put(&mut mapping, "maps", maps);
    if !unmet.is_empty() {
        mapping["target-gap-summary"] = json!({
            "uuid": desk.id(&["gap", &framework.id]), "unmapped-controls": [{"with-ids": unmet}],
        });
    }
    Some((mapping, verified))
}
