//! The plan of action and milestones: what is open, and until when. It is derived from the log alone.
//!
//! | item | open while | ends |
//! |---|---|---|
//! | waiver | it was asked for, or is granted, and neither over nor revoked | when it expires |
//! | emergency | its ratification or its review is owed | when that is due |
//! | access review | it is not closed | when its lines are due |
//! | audit request | an answer is awaited | when that is due |
//! | denial | it is the newest decision of its run, and no later run of the repository was let through | never by itself |

use std::collections::{BTreeMap, BTreeSet};

use countersign_model::access::emergencies::Owed;
use countersign_model::audit::is_in;
use countersign_model::{Outcome, PersonId, RunId, Timestamp};
use countersign_policy::{Decision, Verdict};
use countersign_store::projection::{DecisionRow, RequestState, Standing, WaiverState};
use serde::Deserialize as _;
use serde_json::{Value, json};

use super::parts::{Desk, Named, line, prop, prose, put};
use crate::Error;

/// Something open.
struct Item {
    /// Its kind, and its id among those of its kind.
    key: (&'static str, String),
    title: String,
    /// What it is, in Markdown.
    description: String,
    /// What it may lead to, in Markdown.
    statement: String,
    status: &'static str,
    /// What is to be done, and until when.
    next: Vec<(String, Option<Timestamp>)>,
    controls: Vec<String>,
    props: Vec<Value>,
    /// Another control that does its work meanwhile.
    mitigating: Option<String>,
    by: Option<PersonId>,
    entries: Vec<u64>,
    since: Timestamp,
}

/// The plan; `None` when nothing is open. What was left out of a pack is left out of it.
pub(super) fn plan(desk: &Desk<'_>, left_out: &[(u64, u64)]) -> Result<Option<Value>, Error> {
    let mut items = waivers(desk)?;
    items.extend(emergencies(desk)?);
    items.extend(reviews(desk)?);
    items.extend(requests(desk)?);
    items.extend(denials(desk, left_out)?);
    if items.is_empty() {
        return Ok(None);
    }
    let mut named = Named::of_log();
    let (mut observations, mut risks, mut rows) = (Vec::new(), Vec::new(), Vec::new());
    for item in &items {
        let id = |what: &str| desk.id(&[what, item.key.0, &item.key.1]);
        let origins = match &item.by {
            Some(person) => desk.origin_of(person, &mut named),
            None => desk.found(),
        };
        let mut observation = json!({
            "uuid": id("observation"), "title": line(&item.title), "description": item.description,
            "methods": ["EXAMINE"], "types": ["finding"], "origins": origins, "collected": item.since,
        });
        put(&mut observation, "relevant-evidence", desk.evidence(&item.entries)?);
        observations.push(observation);
        let related = json!([{"observation-uuid": id("observation")}]);
        let mut risk = json!({
            "uuid": id("risk"), "title": line(&item.title), "description": item.description,
            "statement": item.statement, "status": item.status, "origins": origins, "related-observations": related,
        });
        let mut props = vec![prop("kind", item.key.0), prop(item.key.0, &item.key.1)];
        props.extend(item.controls.iter().map(|control| prop("control", control)));
        props.extend(item.props.iter().cloned());
        put(&mut risk, "props", props.clone());
        if let Some(control) = &item.mitigating {
            risk["mitigating-factors"] = json!([{
                "uuid": id("mitigation"), "description": prose(&format!("{control} meets the objective meanwhile.")),
                "props": [prop("control", control)],
            }]);
        }
        if let Some(deadline) = item.next.iter().filter_map(|(_, due)| *due).min() {
            risk["deadline"] = json!(deadline);
        }
        let tasks: Vec<Value> = item.next.iter().enumerate().map(|(at, step)| task(desk, item, at, step)).collect();
        let mut response = json!({
            "uuid": id("response"), "lifecycle": "planned", "title": "What is to be done",
            "description": prose(&item.next.iter().map(|(what, _)| what.as_str()).collect::<Vec<_>>().join("; ")),
        });
        put(&mut response, "tasks", tasks);
        risk["remediations"] = json!([response]);
        risks.push(risk);
        rows.push(json!({
            "uuid": id("poam-item"), "title": line(&item.title), "description": item.description, "props": props,
            "origins": origins, "related-observations": related, "related-risks": [{"risk-uuid": id("risk")}],
        }));
    }
    let mut body = json!({
        "system-id": {"identifier-type": "urn:countersign:oscal", "id": desk.view.state.origin()},
        "local-definitions": {"components": [desk.tool_component()]},
    });
    put(&mut body, "observations", observations);
    put(&mut body, "risks", risks);
    put(&mut body, "poam-items", rows);
    Ok(Some(desk.document("plan-of-action-and-milestones", "What is open", &[], &named, body)?))
}

/// A step as a milestone where it has a day, else as an action.
fn task(desk: &Desk<'_>, item: &Item, at: usize, (what, due): &(String, Option<Timestamp>)) -> Value {
    let mut task = json!({
        "uuid": desk.id(&["task", item.key.0, &item.key.1, &at.to_string()]), "title": line(what),
        "type": if due.is_some() { "milestone" } else { "action" },
    });
    if let Some(due) = due {
        task["timing"] = json!({"on-date": {"date": due}});
        task["props"] = json!([prop("standing", if *due < desk.as_of { "overdue" } else { "owed" })]);
    }
    task
}

fn waivers(desk: &Desk<'_>) -> Result<Vec<Item>, Error> {
    let mut items = Vec::new();
    for row in desk.view.state.waivers()? {
        let r = &row.request;
        let state = row.state(desk.as_of, desk.as_of);
        let (status, first) = match state {
            WaiverState::Requested => ("deviation-requested", "Grant or refuse it"),
            WaiverState::Upcoming | WaiverState::Active => ("deviation-approved", "Correct what it covers"),
            WaiverState::Rejected | WaiverState::Expired | WaiverState::Revoked => continue,
        };
        let covers = prose(&r.scope.describe());
        let mut description = format!("Waiver {}, for: {covers}.", r.waiver);
        if let Some(granted) = &row.granted {
            description.push_str(&format!(" Granted {} (entry {}).", granted.time, granted.index));
        }
        items.push(Item {
            key: ("waiver", r.waiver.to_string()),
            title: format!("Waiver of {}", r.scope.controls.join(", ")),
            description,
            statement: prose(&r.acceptance),
            status,
            next: vec![(first.to_owned(), None), ("It expires".to_owned(), Some(r.expires))],
            controls: r.scope.controls.clone(),
            props: vec![
                prop("state", state.as_str()),
                prop("category", json!(r.category).as_str().unwrap_or_default()),
                prop("renewals", &r.renewals.to_string()),
            ],
            mitigating: r.compensating.clone(),
            by: Some(r.by.clone()),
            entries: [row.index].into_iter().chain(row.granted.as_ref().map(|g| g.index)).collect(),
            since: r.time,
        });
    }
    Ok(items)
}

fn emergencies(desk: &Desk<'_>) -> Result<Vec<Item>, Error> {
    let mut items = Vec::new();
    for row in desk.view.state.emergencies()? {
        let owed: Vec<(Owed, Standing)> = Owed::ALL
            .into_iter()
            .map(|owed| (owed, row.standing(owed, desk.as_of)))
            .filter(|(_, standing)| matches!(standing, Standing::Owed | Standing::Overdue))
            .collect();
        if owed.is_empty() {
            continue;
        }
        let o = &row.opened;
        let is_overdue = owed.iter().any(|(_, standing)| *standing == Standing::Overdue);
        items.push(Item {
            key: ("emergency", o.id.to_string()),
            title: format!("Emergency in {}", o.environment),
            description: format!("The gates of {} were passed: {}", prose(&o.environment), prose(&o.reason)),
            statement: "What went past the gates was looked at by nobody else before.".to_owned(),
            status: "remediating",
            next: owed.iter().map(|(owed, _)| (format!("Its {}", owed.as_str()), Some(row.due(*owed)))).collect(),
            controls: Vec::new(),
            props: vec![prop("ticket", &o.ticket), prop("standing", if is_overdue { "overdue" } else { "owed" })],
            mitigating: None,
            by: Some(o.by.clone()),
            entries: vec![row.index],
            since: o.time,
        });
    }
    Ok(items)
}

fn reviews(desk: &Desk<'_>) -> Result<Vec<Item>, Error> {
    let mut items = Vec::new();
    for row in desk.view.state.reviews()?.into_iter().filter(|row| row.closed.is_none()) {
        let o = &row.opened;
        let is_overdue = o.due < desk.as_of;
        items.push(Item {
            key: ("access-review", o.review.to_string()),
            title: format!("Access review of {} to {}", o.from, o.to),
            description: format!("{} of {} lines wait for somebody to decide.", row.waiting(), row.lines.len()),
            statement: "Access that nobody needs any more stays.".to_owned(),
            status: "remediating",
            next: vec![("Decide its lines and close it".to_owned(), Some(o.due))],
            controls: vec!["access-reviewed".to_owned()],
            props: vec![
                prop("waiting", &row.waiting().to_string()),
                prop("standing", if is_overdue { "overdue" } else { "owed" }),
            ],
            mitigating: None,
            by: Some(o.by.clone()),
            entries: vec![row.index],
            since: o.time,
        });
    }
    Ok(items)
}

/// What auditors asked and nobody answered yet. What they asked is sealed, and not said here.
fn requests(desk: &Desk<'_>) -> Result<Vec<Item>, Error> {
    let mut items = Vec::new();
    for thread in desk.view.state.audit_threads(None)?.into_iter().filter(|t| t.state() == RequestState::Open) {
        let (Some(question), Some(due)) = (thread.question(), thread.due()) else { continue };
        items.push(Item {
            key: ("audit-request", thread.request.to_string()),
            title: format!("Request {} of the audit {}", thread.request, thread.audit),
            description: "An auditor asked something, and an answer is awaited.".to_owned(),
            statement: "Whether what was asked about is in order is not known.".to_owned(),
            status: "investigating",
            next: vec![("Answer it".to_owned(), Some(due))],
            controls: thread.control.iter().cloned().collect(),
            props: vec![prop("standing", if due < desk.as_of { "overdue" } else { "owed" })],
            mitigating: None,
            by: Some(question.by.clone()),
            entries: vec![question.index],
            since: question.time,
        });
    }
    Ok(items)
}

/// Decisions read at once.
const PAGE: u32 = 256;

/// Denials that stand. A later run of the same repository that was let through ends those before it.
fn denials(desk: &Desk<'_>, left_out: &[(u64, u64)]) -> Result<Vec<Item>, Error> {
    let state = desk.view.state;
    let mut newest: BTreeMap<RunId, Option<Denial>> = BTreeMap::new();
    let mut from = 0;
    loop {
        let page = state.decisions_from(from, PAGE)?;
        let Some(last) = page.last() else { break };
        from = last.index.saturating_add(1);
        for row in page.into_iter().filter(|row| !is_in(left_out, row.index)) {
            newest.insert(row.run.clone(), Denial::of(row));
        }
    }
    let mut open: BTreeMap<String, Vec<(String, Denial)>> = BTreeMap::new();
    for run in state.runs()?.into_iter().filter(|run| !is_in(left_out, run.index)) {
        let Some(denied) = newest.remove(&run.id) else { continue };
        let of = match run.identity {
            Some(identity) => identity,
            None => state.run(&run.id)?.map(|run| run.repository.to_string()).unwrap_or_default(),
        };
        let before = open.entry(of).or_default();
        match denied {
            Some(denial) => before.push((run.commit, denial)),
            None => before.clear(),
        }
    }
    let times = state.entry_times()?;
    let mut rows: Vec<(String, Denial)> = open.into_values().flatten().collect();
    rows.sort_unstable_by_key(|(_, denial)| denial.row.index);
    let at = |index: u64| usize::try_from(index).ok().and_then(|i| times.get(i)).copied().unwrap_or(desk.as_of);
    Ok(rows.into_iter().map(|(commit, denial)| denial.item(&commit, at(denial.row.index))).collect())
}

/// A decision that lets nothing through.
struct Denial {
    row: DecisionRow,
    /// None: it cannot be read.
    verdict: Option<Verdict>,
}

impl Denial {
    /// None: it lets something through, or waits for people. One that cannot be read lets nothing through.
    fn of(row: DecisionRow) -> Option<Self> {
        // There may be ten thousand: only those that deny are read whole.
        let gates = row.document["verdict"]["gates"].as_array().into_iter().flatten();
        let outcomes = gates.map(|gate| Outcome::deserialize(&gate["outcome"]).unwrap_or(Outcome::Error));
        if !Outcome::all(outcomes).denies() {
            return None;
        }
        let verdict = Decision::deserialize(&row.document).map(|d| d.verdict).ok();
        Some(Self { row, verdict })
    }

    fn item(&self, commit: &str, since: Timestamp) -> Item {
        let (mut lines, mut controls, mut gates) = (BTreeSet::new(), BTreeSet::new(), Vec::new());
        for gate in self.verdict.iter().flat_map(|v| &v.gates).filter(|g| g.outcome.denies()) {
            gates.push(gate.name.as_str());
            for reason in gate.reasons.iter().filter(|r| r.outcome().is_some_and(Outcome::denies)) {
                lines.insert(format!("- {}: {} ({})", prose(&gate.name), prose(&reason.text), prose(&reason.code)));
                controls.extend(reason.controls.iter().cloned());
            }
        }
        if self.verdict.is_none() {
            lines.insert("- The decision is of a form that this program does not know.".to_owned());
        }
        let lines: Vec<String> = lines.into_iter().collect();
        Item {
            key: ("decision", self.row.digest.to_string()),
            title: format!("Denied: {} ({})", commit.get(..12).unwrap_or(commit), gates.join(", ")),
            description: format!("The change {} was denied:\n\n{}", prose(commit), lines.join("\n")),
            statement: "It cannot be released as it is.".to_owned(),
            status: "open",
            next: vec![("Correct the change, or have it waived".to_owned(), None)],
            controls: controls.into_iter().collect(),
            props: vec![prop("run", self.row.run.as_str()), prop("commit", commit)],
            mitigating: None,
            by: None,
            entries: vec![self.row.index],
            since,
        }
    }
}
