//! What a pack of a period of all applications says of the period as a whole: what each requirement came to, how often each
//! control operated, and where the log's own sources disagree. It is judged from what the pack holds and by what no machine
//! adds, so that whoever has the pack and the catalogue comes to the same.

use countersign_evidence::canonical;
use countersign_model::audit::{PackScope, is_in};
use countersign_model::event::EvidencePack;
use countersign_model::{Digest, Outcome, Timestamp};
use countersign_policy::Catalogue;
use serde_json::json;

use super::View;
use super::table::{Table, is_asked};
use crate::Error;
use crate::assess::{Ask, Assessed, JudgedControl, Sight, Window, fold_seen, judge_all};
use crate::audit::reconcile;

const ASSESSMENT: &str = "assessment";
const OPERATION: &str = "control-operation";

/// Whether a pack is about everything that happened in its period.
pub(super) const fn is_whole(scope: &PackScope) -> bool {
    scope.deployment.is_none() && scope.applications.is_empty()
}

/// The version of all that judges: controls and frameworks.
pub(super) fn version(catalogue: &Catalogue) -> Result<Digest, Error> {
    Ok(canonical::digest(&json!({"controls": catalogue.digest(), "frameworks": catalogue.frameworks}))?)
}

/// Whether a file follows from the log and the catalogue together.
pub(super) fn rests_on_catalogue(name: &str) -> bool {
    let table = name.strip_prefix("tables/").and_then(|name| name.rsplit_once('.'));
    table.is_some_and(|(table, _)| [ASSESSMENT, OPERATION].contains(&table))
}

/// The tables of a period; none where the manifest names no catalogue.
pub(super) fn tables(view: View<'_>, catalogue: &Catalogue, manifest: &EvidencePack) -> Result<Vec<Table>, Error> {
    if manifest.catalogue.is_none() {
        return Ok(Vec::new());
    }
    let scope = &manifest.scope;
    let newest = || -> Result<Timestamp, Error> {
        Ok(Timestamp::from_millis(view.state.newest_time()?.millis().saturating_add(1)))
    };
    let window =
        Window { from: scope.from.unwrap_or(Timestamp::from_millis(0)), to: scope.to.map_or_else(newest, Ok)? };
    let left_out = manifest.left_out.as_slice();
    let sight = Sight { state: view.state, ledger: view.ledger, pinned: false, left_out: Some(left_out) };
    let folded = fold_seen(sight, None, window, 0)?;
    let ask = Ask { window, framework: None, repeat: 0 };
    let (controls, frameworks) = judge_all(catalogue, &folded, &ask);
    let asked = |control: &&JudgedControl| catalogue.get(&control.id).is_some_and(|c| is_asked(c, scope));
    Ok(vec![
        assessment(&frameworks, scope),
        operation(controls.iter().filter(asked)),
        reconciliation(view, left_out, window)?,
    ])
}

fn assessment(frameworks: &[Assessed], scope: &PackScope) -> Table {
    let mut table = Table::new(
        ASSESSMENT,
        &["framework", "requirement", "outcome", "controls", "why", "missing", "entries", "entries_in_all"],
    );
    for framework in
        frameworks.iter().filter(|f| scope.frameworks.is_empty() || scope.frameworks.contains(&f.framework.id))
    {
        for r in &framework.requirements {
            let controls: Vec<String> = r.controls.iter().map(|(id, outcome)| format!("{id}:{outcome}")).collect();
            table.push(json!({
                "framework": framework.framework.id, "requirement": r.requirement.id, "outcome": r.outcome,
                "controls": controls, "why": r.why, "missing": r.missing, "entries": r.entries,
                "entries_in_all": r.entries_in_all,
            }));
        }
    }
    table
}

fn operation<'a>(controls: impl Iterator<Item = &'a JudgedControl>) -> Table {
    let mut table = Table::new(
        OPERATION,
        &[
            "control",
            "title",
            "outcome",
            "operated",
            "exceptions",
            "sentence",
            "why",
            "missing",
            "digest",
            "entries",
            "entries_in_all",
        ],
    );
    for c in controls {
        let j = &c.judgement;
        let (n, k) = (j.population, j.failing.len());
        let sentence = match j.outcome {
            Outcome::NotEvaluated | Outcome::Error if n == 0 => "not judged".to_owned(),
            _ => format!("operated {n} of {n} times, {k} {}", if k == 1 { "exception" } else { "exceptions" }),
        };
        table.push(json!({
            "control": c.id, "title": c.title, "outcome": j.outcome, "operated": n, "exceptions": k, "sentence": sentence,
            "why": j.why, "missing": j.missing, "digest": c.digest, "entries": j.entries,
            "entries_in_all": j.entries_in_all,
        }));
    }
    table
}

fn reconciliation(view: View<'_>, left_out: &[(u64, u64)], window: Window) -> Result<Table, Error> {
    let found = reconcile::of_log(view.state, &|index| !is_in(left_out, index), window, None, None)?;
    let mut table = Table::new("reconciliation", &["row", "kind", "subject", "count", "text", "entries"]);
    for (source, count) in &found.sources {
        let text = if count.is_some() { "asked" } else { "not asked" };
        table.push(json!({"row": "source", "kind": source, "count": count, "text": text}));
    }
    for gap in &found.gaps {
        table.push(json!({
            "row": "gap", "kind": gap.kind, "subject": gap.subject, "text": gap.text, "entries": gap.entries,
        }));
    }
    Ok(table)
}
