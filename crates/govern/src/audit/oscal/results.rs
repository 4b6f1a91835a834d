//! Assessment results: what an assessment of a window came to, control by control and requirement by requirement.

use std::collections::{BTreeMap, BTreeSet};

use countersign_model::{Outcome, Timestamp};
use countersign_policy::catalogue::Judgement;
use serde_json::{Value, json};

use super::parts::{CATALOG, Desk, Named, line, prop, prose, put, requirement_ids, token};
use crate::Error;
use crate::assess::{Assessed, Assessment, JudgedControl, JudgedRequirement};
use crate::audit::AuditError;

/// How many of those that break a control are named; how many there are is said.
const MOST: usize = 100;

/// The document. What was asked for by name must have evidence in the window.
pub(super) fn document(desk: &Desk<'_>, assessment: &Assessment, ids: &[String]) -> Result<Value, Error> {
    let chosen: Vec<&Assessed> =
        assessment.frameworks.iter().filter(|f| ids.is_empty() || ids.contains(&f.framework.id)).collect();
    let is_empty = |f: &Assessed| f.requirements.iter().all(|r| r.entries_in_all == 0);
    if let Some(f) = chosen.iter().find(|f| !ids.is_empty() && is_empty(f)) {
        return Err(no_evidence(&f.framework.id, assessment));
    }
    if chosen.iter().all(|f| is_empty(f)) {
        return Err(no_evidence("any framework", assessment));
    }
    let one = One { desk, assessment, times: desk.view.state.entry_times()? };
    let used: BTreeSet<&str> =
        chosen.iter().flat_map(|f| &f.requirements).flat_map(|r| &r.controls).map(|(id, _)| id.as_str()).collect();
    let controls: Vec<&JudgedControl> = assessment.controls.iter().filter(|c| used.contains(c.id.as_str())).collect();
    let (mut named, mut observations, mut risks, mut findings) = (Named::default(), vec![], vec![], vec![]);
    let (mut reviewed, mut excluded): (BTreeSet<String>, Vec<String>) = Default::default();
    for control in &controls {
        observations.push(one.observation(control)?);
        risks.extend(one.risk(control));
        findings.push(one.of_control(control));
        reviewed.insert(token(&control.id));
    }
    for framework in &chosen {
        let tokens = requirement_ids(&framework.framework);
        for requirement in &framework.requirements {
            let Some(id) = tokens.get(&*requirement.requirement.id) else { continue };
            if requirement.outcome == Outcome::NotApplicable {
                excluded.push(format!("- {id}: {}", prose(&requirement.why)));
                continue;
            }
            findings.push(one.of_requirement(framework, requirement, id));
            reviewed.insert(id.clone());
        }
    }
    let window = assessment.window;
    let names: Vec<&str> = chosen.iter().map(|f| f.framework.id.as_str()).collect();
    let about = format!("{} {} {}", window.from, window.to, names.join(" "));
    let mut selection = json!({});
    put(&mut selection, "include-controls", reviewed.iter().map(|id| json!({"control-id": id})).collect());
    let mut reviewed = json!({"control-selections": [selection]});
    if !excluded.is_empty() {
        reviewed["remarks"] = format!("Not applicable, and not judged:\n\n{}", excluded.join("\n")).into();
    }
    let mut result = json!({
        "uuid": desk.id(&["result", &about]), "title": line(&format!("{} to {}", window.from, window.to)),
        "description": prose(&format!(
            "Every control over everything that the log holds from {} on and before {}.", window.from, window.to
        )),
        "start": window.from, "end": window.to,
        "props": [
            prop("facts", &assessment.facts_digest.to_string()), prop("log-root", &assessment.root.to_string()),
            prop("maturity-level", &assessment.maturity.level.to_string()),
        ],
        "local-definitions": {"components": [desk.tool_component()]},
        "reviewed-controls": reviewed,
    });
    put(&mut result, "observations", observations);
    put(&mut result, "risks", risks);
    put(&mut result, "findings", findings);
    let plan = named.attached(desk, "Plan of the assessment", "plan.txt", &plan(assessment, &controls));
    let body = json!({"import-ap": {"href": plan}, "results": [result]});
    desk.document("assessment-results", "Results of an assessment", &[&about], &named, body)
}

/// What was to be done. Nobody wrote a plan in OSCAL's sense: all that there is is judged, each time.
fn plan(assessment: &Assessment, controls: &[&JudgedControl]) -> String {
    let window = assessment.window;
    let mut out = format!(
        "Each control is judged over everything that the log {} holds from {} on and before {}; nothing is sampled.\n\
         Which rule judges it is in {CATALOG}. Control, and SHA-256 of its definition:\n\n",
        assessment.origin, window.from, window.to
    );
    for control in controls {
        out.push_str(&format!("{} {}\n", control.id, control.digest));
    }
    out
}

fn no_evidence(framework: &str, assessment: &Assessment) -> Error {
    let window = assessment.window;
    AuditError::NoEvidence { framework: framework.to_owned(), from: window.from, to: window.to }.into()
}

struct One<'a> {
    desk: &'a Desk<'a>,
    assessment: &'a Assessment,
    times: Vec<Timestamp>,
}

impl One<'_> {
    /// The id of something about a subject in this window.
    fn id(&self, what: &str, subject: &str) -> String {
        let window = self.assessment.window;
        self.desk.id(&[what, subject, &window.from.to_string(), &window.to.to_string()])
    }

    /// When the newest of these entries was appended; the newest of all where there is none.
    fn newest(&self, entries: &[u64]) -> Timestamp {
        let at = |index: &u64| usize::try_from(*index).ok().and_then(|i| self.times.get(i)).copied();
        entries.iter().filter_map(at).max().unwrap_or(self.desk.as_of)
    }

    fn observation(&self, control: &JudgedControl) -> Result<Value, Error> {
        let judged = &control.judgement;
        let is_tested = self.desk.catalogue.get(&control.id).is_some_and(|c| c.decides.is_some());
        let mut description = prose(&judged.why);
        if !judged.failing.is_empty() {
            description.push_str(&broken(judged));
        }
        let mut props = vec![
            prop("outcome", judged.outcome.as_str()),
            prop("population", &judged.population.to_string()),
            prop("exceptions", &judged.failing.len().to_string()),
            prop("definition", &control.digest.to_string()),
            prop("entries", &judged.entries_in_all.to_string()),
        ];
        props.extend(judged.missing.iter().map(|source| prop("missing-source", source)));
        let mut value = json!({
            "uuid": self.id("observation", &control.id), "title": line(&control.title), "description": description,
            "methods": [if is_tested { "TEST-AUTOMATED" } else { "UNKNOWN" }], "types": ["control-objective"],
            "props": props, "origins": self.desk.found(), "collected": self.newest(&judged.entries),
        });
        put(&mut value, "relevant-evidence", self.desk.evidence(&judged.entries)?);
        Ok(value)
    }

    /// What a broken control leaves open.
    fn risk(&self, control: &JudgedControl) -> Option<Value> {
        let judged = &control.judgement;
        if !matches!(judged.outcome, Outcome::Fail | Outcome::Waived) {
            return None;
        }
        let objective = self.desk.catalogue.get(&control.id).map_or(control.title.as_str(), |c| c.objective.as_str());
        let status = if judged.outcome == Outcome::Fail { "open" } else { "deviation-approved" };
        let mut value = json!({
            "uuid": self.id("risk", &control.id), "title": line(&format!("Broken: {}", control.title)),
            "description": prose(&judged.why), "statement": prose(&format!("This is not assured: {objective}")),
            "status": status, "props": [prop("control", &control.id)], "origins": self.desk.found(),
            "related-observations": [{"observation-uuid": self.id("observation", &control.id)}],
        });
        if judged.outcome == Outcome::Fail {
            let hours = i64::from(control.sla_hours);
            value["deadline"] = json!(self.newest(&judged.entries).plus_seconds(hours.saturating_mul(3600)));
        }
        Some(value)
    }

    fn of_control(&self, control: &JudgedControl) -> Value {
        let judged = &control.judgement;
        let mut value = json!({
            "uuid": self.id("finding", &control.id), "title": line(&control.title), "description": prose(&judged.why),
            "props": [prop("outcome", judged.outcome.as_str())], "origins": self.desk.found(),
            "target": {
                "type": "objective-id", "target-id": format!("{}_obj", token(&control.id)),
                "status": status(judged.outcome, &judged.why),
            },
            "related-observations": [{"observation-uuid": self.id("observation", &control.id)}],
        });
        put(&mut value, "related-risks", self.risks(control));
        value
    }

    fn risks(&self, control: &JudgedControl) -> Vec<Value> {
        self.risk(control).map(|risk| json!({"risk-uuid": risk["uuid"]})).into_iter().collect()
    }

    fn of_requirement(&self, framework: &Assessed, requirement: &JudgedRequirement, id: &str) -> Value {
        let r = requirement;
        let title = format!("{} {}", framework.framework.id, r.requirement.id);
        let mut value = json!({
            "uuid": self.id("finding", &title), "title": line(&title), "description": prose(&r.requirement.duty),
            "props": [prop("outcome", r.outcome.as_str()), prop("decided-by-evidence", r.requirement.class.as_str())],
            "origins": self.desk.found(),
            "target": {
                "type": "statement-id", "target-id": format!("{id}_smt"), "status": status(r.outcome, &r.why),
            },
        });
        let judged: BTreeMap<&str, &JudgedControl> =
            self.assessment.controls.iter().map(|c| (c.id.as_str(), c)).collect();
        let controls: Vec<&JudgedControl> =
            r.controls.iter().filter_map(|(id, _)| judged.get(id.as_str()).copied()).collect();
        let seen = controls.iter().map(|c| json!({"observation-uuid": self.id("observation", &c.id)}));
        put(&mut value, "related-observations", seen.collect());
        put(&mut value, "related-risks", controls.iter().flat_map(|c| self.risks(c)).collect());
        value
    }
}

/// What breaks a control, in lines.
fn broken(judged: &Judgement) -> String {
    let mut out = String::from("\n");
    for failing in judged.failing.iter().take(MOST) {
        out.push_str(&format!("\n- {}: {}", prose(&failing.subject), prose(&failing.text)));
    }
    if judged.failing.len() > MOST {
        out.push_str(&format!("\n- and {} more", judged.failing.len().saturating_sub(MOST)));
    }
    out
}

/// OSCAL knows two states. Satisfied is only what was kept, or is met otherwise; what was waived, waits for people or was not
/// evaluated is not.
fn status(outcome: Outcome, why: &str) -> Value {
    let (state, reason) = match outcome {
        Outcome::Pass => ("satisfied", "pass"),
        Outcome::Mitigated | Outcome::NotApplicable => ("satisfied", "other"),
        Outcome::Fail => ("not-satisfied", "fail"),
        Outcome::Error | Outcome::Pending | Outcome::Waived | Outcome::NotEvaluated => ("not-satisfied", "other"),
    };
    json!({"state": state, "reason": reason, "remarks": prose(&format!("{outcome}: {why}"))})
}
