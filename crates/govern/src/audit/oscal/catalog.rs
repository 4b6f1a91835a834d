//! The catalog: the firm's controls, or the requirements of frameworks. In OSCAL both are controls.

use countersign_policy::catalogue::{Control, Framework, Requirement};
use serde_json::{Value, json};

use super::parts::{self, Desk, Named, line, own, prop, prose, put, requirement_ids, token};
use crate::Error;

/// The firm's controls.
pub(super) fn of_controls(desk: &Desk<'_>) -> Result<Value, Error> {
    let mut named = Named::default();
    let controls: Vec<Value> = desk.catalogue.controls.values().map(|c| control(desk, c, &mut named)).collect();
    let mut body = json!({});
    put(&mut body, "controls", controls);
    desk.document("catalog", "Controls of the firm", &[], &named, body)
}

fn control(desk: &Desk<'_>, control: &Control, named: &mut Named) -> Value {
    named.roles.extend([control.owner.clone(), control.deputy.clone()]);
    let id = parts::control_id(control);
    let links: Vec<Value> = control
        .requirements
        .iter()
        .filter_map(|(text, _)| {
            let (framework, clause) = text.split_once(':')?;
            let ids = requirement_ids(desk.catalogue.frameworks.get(framework)?);
            let href = format!("{}#{}", parts::FRAMEWORKS, ids.get(clause)?);
            Some(json!({"href": href, "rel": "related", "text": line(text)}))
        })
        .collect();
    let mut value = json!({
        "id": id, "class": "control", "title": line(&control.title),
        "props": [
            own("label", &control.id), prop("owner", &token(&control.owner)), prop("deputy", &token(&control.deputy)),
            prop("frequency", control.frequency.as_str()), prop("answered-within", &format!("{}h", control.sla_hours)),
            prop("definition", &control.digest.to_string()),
        ],
        "parts": [
            {"id": format!("{id}_smt"), "name": "statement", "prose": prose(&control.objective)},
            {"id": format!("{id}_obj"), "name": "assessment-objective", "prose": objective(control)},
        ],
    });
    put(&mut value, "links", links);
    value
}

/// How it is decided whether a control works.
fn objective(control: &Control) -> String {
    let mut out = match &control.decides {
        Some(decides) => {
            format!(
                "Judged over every one of {} by this rule (Rego):\n\n```rego\n{}\n```",
                decides.over,
                decides.rule.trim_end()
            )
        }
        None => "People decide it; nothing in the log does.".to_owned(),
    };
    if let Some(attests) = &control.attests {
        out.push_str("\n\nPeople attest besides: ");
        out.push_str(&prose(attests));
    }
    out
}

/// The requirements of frameworks, a group each.
pub(super) fn of_frameworks(desk: &Desk<'_>, frameworks: &[&Framework]) -> Result<Value, Error> {
    let groups: Vec<Value> = frameworks.iter().map(|f| group(f)).collect();
    let mut body = json!({});
    put(&mut body, "groups", groups);
    let ids: Vec<&str> = frameworks.iter().map(|f| f.id.as_str()).collect();
    desk.document("catalog", "Requirements of frameworks", &ids, &Named::default(), body)
}

fn group(framework: &Framework) -> Value {
    let ids = requirement_ids(framework);
    let mut props = vec![
        own("label", &framework.id),
        prop("publisher", &framework.publisher),
        prop("source", &framework.source),
        prop("checked-on", &framework.checked_on.to_string()),
    ];
    props.extend(framework.effective_from.map(|day| prop("effective-from", &day.to_string())));
    props.extend(framework.superseded_by.as_ref().map(|by| prop("superseded-by", by)));
    props.extend(framework.licence.as_ref().map(|licence| prop("licence", licence)));
    props.extend(framework.attribution.as_ref().map(|whom| prop("attribution", whom)));
    let controls = framework.requirements.iter().filter_map(|r| Some(requirement(framework, r, ids.get(&*r.id)?)));
    let mut value = json!({
        "id": token(&framework.id), "class": "framework", "title": line(&framework.title), "props": props,
    });
    put(&mut value, "controls", controls.collect());
    if let Some(note) = &framework.note {
        value["parts"] =
            json!([{"id": format!("{}_ovw", token(&framework.id)), "name": "overview", "prose": prose(note)}]);
    }
    value
}

fn requirement(framework: &Framework, requirement: &Requirement, id: &str) -> Value {
    let r = requirement;
    let mut props = vec![
        own("label", &r.id),
        prop("decided-by-evidence", r.class.as_str()),
        prop("verified", if r.verified { "yes" } else { "no" }),
        prop("checked-on", &r.checked_on.to_string()),
    ];
    props.extend(r.checked_in.map(|c| prop("checked-in", c.as_str())));
    props.extend(r.effective_from.map(|day| prop("effective-from", &day.to_string())));
    if let Some(by) = r.superseded_by.as_ref().or(framework.superseded_by.as_ref()) {
        props.extend([own("status", "superseded"), prop("superseded-by", by)]);
    }
    json!({
        "id": id, "class": "requirement", "title": line(&format!("{} {}", framework.id, r.id)), "props": props,
        "parts": [{"id": format!("{id}_smt"), "name": "statement", "prose": prose(&r.duty)}],
    })
}
