//! What an approval binds, held against what is so now. Whatever differs, the approval is of something else, and what differs is
//! said in words that somebody can act on.

use std::collections::{BTreeMap, BTreeSet};

use countersign_evidence::canonical;
use countersign_model::change::Change;
use countersign_model::event::Artifact;
use countersign_model::{Digest, RunId, Timestamp, WaiverId};
use countersign_policy::Decision;
use countersign_store::projection::{ApprovalRow, RunRow, State, waiver_set};
use serde_json::Value;

use crate::Error;

/// How many differences of one kind are named; the rest are counted.
const NAMED: usize = 5;

/// Everything an approval binds, as it is now.
#[derive(Debug, Clone)]
pub struct Present {
    /// The run.
    pub run: RunId,
    /// The repository.
    pub repository: String,
    /// The commit.
    pub commit: String,
    /// Its tree.
    pub tree: String,
    /// The recorded artifacts.
    pub artifacts: Vec<Artifact>,
    /// The environment.
    pub environment: String,
    /// The policy bundle of the decision.
    pub bundle: Digest,
    /// The decision.
    pub decision: Digest,
    /// The levels in effect.
    pub levels: Option<Digest>,
    /// The approval rules in effect.
    pub rules: Option<Digest>,
    /// The waivers in force that are about the change.
    pub waivers: Vec<WaiverId>,
    /// Their digest.
    pub waiver_set: Option<Digest>,
    /// The newest record of findings.
    pub findings: Option<Digest>,
    /// The facts of the decision, where they are recorded.
    facts: Option<Value>,
}

impl Present {
    /// As the ledger says it.
    ///
    /// # Errors
    /// When the projection or a payload cannot be read.
    pub fn of(
        state: &State,
        run: &RunRow,
        change: &Change,
        decision: &Decision,
        now: Timestamp,
    ) -> Result<Self, Error> {
        let repository = run.identity.clone().unwrap_or_default();
        let waivers = state.waivers_in_force(&repository, &change.environment, now, state.newest_time()?)?;
        let digest = decision.digest()?;
        let facts = match run.decisions.iter().rev().find(|d| d.digest == digest) {
            // They are read only where an approval of another decision is to be explained.
            Some(row) if run.approvals.iter().any(|a| a.decision != digest) => facts(state, row)?,
            _ => None,
        };
        Ok(Self {
            run: run.id.clone(),
            repository,
            commit: run.commit.clone(),
            tree: run.tree.clone(),
            artifacts: crate::build::rules::artifacts(run),
            environment: change.environment.clone(),
            bundle: decision.bundle,
            decision: digest,
            levels: state.assignment()?.map(|a| a.digest),
            rules: state.approval_rules()?.map(|r| r.digest),
            waiver_set: waiver_set(&waivers),
            waivers: waivers.into_iter().map(|w| w.request.waiver).collect(),
            findings: state.last_record(&run.id)?,
            facts,
        })
    }
}

fn facts(state: &State, row: &countersign_store::projection::DecisionRow) -> Result<Option<Value>, Error> {
    match state.payload(&row.facts) {
        Ok(bytes) => Ok(Some(canonical::from_slice(&bytes)?)),
        Err(countersign_store::Error::MissingBlob { .. }) => Ok(None),
        Err(e) => Err(e.into()),
    }
}

fn named(digest: Option<Digest>) -> String {
    digest.map_or_else(|| "none".to_owned(), |d| d.short())
}

/// What the approval binds and is not so any more, each in a sentence; nothing: it is an approval of what is now.
///
/// # Errors
/// When the projection or a payload cannot be read.
pub fn differences(state: &State, now: &Present, row: &ApprovalRow) -> Result<Vec<String>, Error> {
    let said = &row.said;
    let mut out = Vec::new();
    let mut differs = |what: &str, was: String, is: String| {
        if was != is {
            let are = if what.ends_with("rules") || what.starts_with("levels") { "are" } else { "is" };
            out.push(format!("{what} {was} {are} now {is}"));
        }
    };
    differs("repository", said.repository.clone(), now.repository.clone());
    differs("commit", said.commit.clone(), now.commit.clone());
    differs("tree", said.tree.clone(), now.tree.clone());
    differs("environment", said.environment.clone(), now.environment.clone());
    differs("policy bundle", said.bundle.short(), now.bundle.short());
    differs("approval rules", named(said.rules), named(now.rules));
    // An approval of an older program says nothing of these; they are bound by its decision.
    let complete = said.evidence.is_some();
    if complete {
        differs("levels of enforcement", named(said.levels), named(now.levels));
    }
    artifacts(&said.artifacts, &now.artifacts, &mut out);
    if complete && said.waivers != now.waiver_set {
        waivers(state, now, row, &mut out)?;
    }
    if said.decision != now.decision {
        let before =
            state.run(&now.run)?.and_then(|run| run.decisions.into_iter().rfind(|d| d.digest == said.decision));
        let then = before.as_ref().map(|d| facts(state, d)).transpose()?.flatten();
        match (&then, &now.facts) {
            (Some(then), Some(is)) => compare_facts(then, is, !out.is_empty(), &mut out),
            _ if out.is_empty() => out.push("what it was decided on has changed".to_owned()),
            _ => {}
        }
        if out.is_empty() {
            let engine = |d: &Value| d.get("engine").and_then(Value::as_str).unwrap_or_default().to_owned();
            let was = before.map(|d| engine(&d.document)).unwrap_or_default();
            out.push(format!(
                "decision {} was made anew as {} (engine then: {was})",
                said.decision.short(),
                now.decision.short()
            ));
        }
    } else if complete && said.findings != now.findings {
        out.push("the findings were recorded anew".to_owned());
    }
    Ok(out)
}

fn artifacts(was: &[Artifact], is: &[Artifact], out: &mut Vec<String>) {
    let by_name = |all: &[Artifact]| {
        let mut names: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for a in all {
            names.entry(a.name.clone()).or_default().insert(a.digest.short());
        }
        names
    };
    let (was, is) = (by_name(was), by_name(is));
    let join = |set: &BTreeSet<String>| set.iter().cloned().collect::<Vec<_>>().join(" and ");
    for name in was.keys().chain(is.keys()).collect::<BTreeSet<_>>() {
        match (was.get(name), is.get(name)) {
            (Some(was), Some(is)) if was != is => {
                out.push(format!("artifact {name}: {} is now {}", join(was), join(is)))
            }
            (Some(was), None) => out.push(format!("artifact {name} ({}) is recorded no more", join(was))),
            (None, Some(is)) => out.push(format!("artifact {name} ({}) was added", join(is))),
            _ => {}
        }
    }
}

fn waivers(state: &State, now: &Present, row: &ApprovalRow, out: &mut Vec<String>) -> Result<(), Error> {
    let then = state.waivers_then(&now.repository, &row.said.environment, row.time, row.index)?;
    let before = out.len();
    for id in then.iter().filter(|id| !now.waivers.contains(id)) {
        let revoked = state.waiver(id)?.is_some_and(|w| w.revoked.is_some());
        out.push(format!("waiver {id} {}", if revoked { "was revoked" } else { "lapsed" }));
    }
    for id in now.waivers.iter().filter(|id| !then.contains(id)) {
        out.push(format!("waiver {id} is in force now"));
    }
    if out.len() == before {
        out.push(format!("the waivers in force, {}, are now {}", named(row.said.waivers), named(now.waiver_set)));
    }
    Ok(())
}

/// What differs between the facts of two decisions.
fn compare_facts(then: &Value, is: &Value, explained: bool, out: &mut Vec<String>) {
    let mut found = Vec::new();
    findings(then, is, &mut found);
    let at = |v: &Value, pointer: &str| v.pointer(pointer).cloned().unwrap_or(Value::Null);
    let plain = |v: Value| match v {
        Value::Null => "none".to_owned(),
        Value::String(s) => s,
        other => other.to_string(),
    };
    for (pointer, what) in [
        ("/change/ticket", "ticket"),
        ("/change/reason", "reason"),
        ("/change/base", "base"),
        ("/scan/rules_digest", "detection rules"),
        ("/environment/tier", "tier"),
        ("/application/criticality", "criticality"),
    ] {
        let (was, now) = (at(then, pointer), at(is, pointer));
        if was != now {
            found.push(format!("{what} {} is now {}", short(&plain(was)), short(&plain(now))));
        }
    }
    list(then, is, "/evidence", |e| plain(at(e, "/name")), "evidence", "was attached", &mut found);
    list(then, is, "/reports", |r| plain(at(r, "/tool")), "a report of", "was recorded", &mut found);
    claims(then, is, &mut found);
    // Whatever else: by the part of the facts that it is in.
    let named = ["scan", "change", "evidence", "reports", "artifacts", "waivers"];
    let keys = |v: &Value| v.as_object().map(|o| o.keys().cloned().collect::<BTreeSet<_>>()).unwrap_or_default();
    for key in keys(then).union(&keys(is)) {
        let differs = then.get(key) != is.get(key);
        let told = matches!(key.as_str(), "environment" | "application") && !found.is_empty();
        if differs && !told && !named.contains(&key.as_str()) {
            found.push(format!("what is known of `{key}` has changed"));
        }
    }
    let gone = ["scan", "change", "evidence", "reports"].into_iter().find(|key| then.get(key) != is.get(key));
    if let (true, false, Some(key)) = (found.is_empty(), explained, gone) {
        found.push(format!("what is known of `{key}` has changed"));
    }
    out.extend(found);
}

fn short(text: &str) -> String {
    match text.parse::<Digest>() {
        Ok(digest) => digest.short(),
        Err(_) => text.chars().take(80).collect(),
    }
}

/// `findings: 2 new, 1 gone, 1 with another state`.
fn findings(then: &Value, is: &Value, out: &mut Vec<String>) {
    let of = |v: &Value| -> BTreeMap<String, String> {
        let all = v.pointer("/scan/findings").and_then(Value::as_array).into_iter().flatten();
        let text = |f: &Value, key: &str| f.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        all.map(|f| (text(f, "fingerprint"), text(f, "state"))).collect()
    };
    let (was, now) = (of(then), of(is));
    let new = now.keys().filter(|f| !was.contains_key(*f)).count();
    let gone = was.keys().filter(|f| !now.contains_key(*f)).count();
    let changed = was.iter().filter(|(f, state)| now.get(*f).is_some_and(|s| s != *state)).count();
    let parts: Vec<String> = [(new, "new"), (gone, "gone"), (changed, "with another state")]
        .into_iter()
        .filter(|(n, _)| *n > 0)
        .map(|(n, what)| format!("{n} {what}"))
        .collect();
    if !parts.is_empty() {
        out.push(format!("findings: {}", parts.join(", ")));
    }
}

/// What a list of the facts has and had not before.
fn list(
    then: &Value,
    is: &Value,
    pointer: &str,
    name: impl Fn(&Value) -> String,
    what: &str,
    happened: &str,
    out: &mut Vec<String>,
) {
    let of = |v: &Value| v.pointer(pointer).and_then(Value::as_array).cloned().unwrap_or_default();
    let (was, now) = (of(then), of(is));
    let new: Vec<&Value> = now.iter().filter(|e| !was.contains(e)).collect();
    for e in new.iter().take(NAMED) {
        out.push(format!("{what} {} {happened}", name(e)));
    }
    if new.len() > NAMED {
        out.push(format!("{what} {} others {happened}", new.len() - NAMED));
    }
}

/// Commits whose writers are known now, or others than before.
fn claims(then: &Value, is: &Value, out: &mut Vec<String>) {
    let of = |v: &Value| -> BTreeMap<String, Value> {
        let all = v.pointer("/change/commits").and_then(Value::as_array).into_iter().flatten();
        all.filter_map(|c| {
            Some((c.get("id")?.as_str()?.to_owned(), serde_json::json!([c.get("person"), c.get("claims")])))
        })
        .collect()
    };
    let (was, now) = (of(then), of(is));
    let mut n = 0_usize;
    for (id, who) in &now {
        if was.get(id).is_some_and(|w| w != who) {
            n += 1;
            if n <= NAMED {
                out.push(format!("who wrote commit {} is known differently", id.get(..12).unwrap_or(id)));
            }
        }
    }
    if n > NAMED {
        out.push(format!("who wrote {} other commits is known differently", n - NAMED));
    }
    let new = now.keys().filter(|id| !was.contains_key(*id)).count();
    let gone = was.keys().filter(|id| !now.contains_key(*id)).count();
    if new + gone > 0 {
        out.push(format!("commits: {new} more, {gone} fewer"));
    }
}
