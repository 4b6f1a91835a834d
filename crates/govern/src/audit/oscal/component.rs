//! The component definition: which requirements are met by what.

use std::collections::BTreeSet;

use countersign_policy::catalogue::{Class, Control, Framework};
use serde_json::{Value, json};

use super::parts::{Desk, FRAMEWORKS, Named, prop, prose, put, requirement_ids, rule, token};
use crate::Error;
use crate::audit::AuditError;

/// What meets the requirements of these frameworks. One that nothing meets is left out; where it was asked for, it is an error.
pub(super) fn definition(desk: &Desk<'_>, frameworks: &[&Framework], asked: bool) -> Result<Value, Error> {
    let mut named = Named::default();
    let (mut implementations, mut used) = (Vec::new(), BTreeSet::new());
    for framework in frameworks {
        let met = implemented(desk, framework, &mut named, &mut used);
        if met.is_empty() {
            if asked {
                return Err(AuditError::Unmet { framework: framework.id.clone() }.into());
            }
            continue;
        }
        implementations.push(json!({
            "uuid": desk.id(&["implementation", &framework.id]), "source": FRAMEWORKS,
            "description": prose(&framework.title), "props": [prop("framework", &framework.id)],
            "implemented-requirements": met,
        }));
    }
    if implementations.is_empty() {
        return Err(AuditError::Unmet { framework: "any framework".into() }.into());
    }
    let mut rules = Vec::new();
    for control in desk.catalogue.controls.values().filter(|c| used.contains(c.id.as_str())) {
        let set = format!("rule-set-{}", control.id);
        rules.extend([
            rule("Rule_Id", &control.id, Some(&set)),
            rule("Rule_Description", &control.objective, Some(&set)),
        ]);
    }
    let mut component = json!({
        "uuid": desk.tool(), "type": "software", "title": "countersign",
        "description": "Judges changes by policy, has them signed by people, lets them through with a grant, and records all of it.",
        "control-implementations": implementations,
    });
    put(&mut component, "props", rules);
    let ids: Vec<&str> = frameworks.iter().map(|f| f.id.as_str()).collect();
    desk.document(
        "component-definition",
        "What meets which requirement",
        &ids,
        &named,
        json!({"components": [component]}),
    )
}

fn implemented<'d>(
    desk: &Desk<'d>,
    framework: &Framework,
    named: &mut Named,
    used: &mut BTreeSet<&'d str>,
) -> Vec<Value> {
    let ids = requirement_ids(framework);
    let mut met = Vec::new();
    for requirement in &framework.requirements {
        let controls: Vec<&Control> = desk.catalogue.meeting(&framework.id, requirement);
        let (Some(id), false) = (ids.get(&*requirement.id), controls.is_empty()) else { continue };
        let owners: BTreeSet<&str> = controls.iter().map(|c| c.owner.as_str()).collect();
        named.roles.extend(owners.iter().map(|o| (*o).to_owned()));
        let how: Vec<String> =
            controls.iter().map(|c| format!("- {}: {}", prose(&c.id), prose(&c.objective))).collect();
        let mut description = how.join("\n");
        if requirement.class != Class::Automatic {
            let rest: Vec<String> = controls.iter().filter_map(|c| c.attests.as_deref()).map(prose).collect();
            description.push_str("\n\nPeople attest the rest. ");
            description.push_str(&rest.join(" "));
        }
        let mut props = vec![prop("decided-by-evidence", requirement.class.as_str())];
        props.extend(controls.iter().map(|c| rule("Rule_Id", &c.id, None)));
        let roles: Vec<Value> = owners.iter().map(|o| json!({"role-id": token(o)})).collect();
        met.push(json!({
            "uuid": desk.id(&["implements", &framework.id, &requirement.id]), "control-id": id,
            "description": description.trim_end(), "props": props, "responsible-roles": roles,
        }));
        used.extend(controls.iter().map(|c| c.id.as_str()));
    }
    met
}
