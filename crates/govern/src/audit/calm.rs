//! Evidence in the form of CALM, FINOS' Common Architecture Language Model (<https://calm.finos.org>): firms that describe
//! their architecture in it attach these documents to its elements.
//!
//! What we add to a document of theirs stands in an object `countersign` where their schema leaves room. People are in none.

use std::collections::BTreeSet;

use countersign_evidence::canonical;
use countersign_evidence::merkle::leaf_hash;
use countersign_model::{Digest, GrantId};
use countersign_policy::Catalogue;
use countersign_store::Session;
use countersign_store::projection::GrantState;
use serde_json::{Value, json};

use super::{AuditError, population};
use crate::Error;
use crate::assess::Window;

/// The released schema of evidence.
const EVIDENCE: &str = "https://calm.finos.org/release/1.2/meta/evidence.json";

/// A deployment as a decorator of an architecture (`deployment.decorator.standard.json`, draft of 2026-03).
///
/// `target` are architectures, as files or addresses, `nodes` the unique ids of what was deployed in them.
///
/// # Errors
/// [`AuditError::NoSuchDeployment`] also for a grant that nobody redeemed; when the ledger cannot be read.
pub fn deployment(session: &Session, id: &GrantId, target: &[String], nodes: &[String]) -> Result<Vec<u8>, Error> {
    let state = session.state();
    let row = state.grant(id)?;
    let none = |issued| AuditError::NoSuchDeployment { grant: id.to_string(), issued };
    let row = row.ok_or_else(|| none(false))?;
    let started = row.started.ok_or_else(|| none(true))?;
    let ended = state.deployments()?.into_iter().find(|d| d.grant == *id);
    let status = match (&row.state, &ended) {
        (_, Some(d)) if d.success => "completed",
        (_, Some(_)) => "failed",
        (GrantState::Started, None) => "in-progress",
        _ => return Err(none(true).into()),
    };
    let times = state.entry_times()?;
    let started_at = usize::try_from(started).ok().and_then(|i| times.get(i)).copied().ok_or_else(|| none(true))?;
    let grant = &row.grant;
    let mut entries: BTreeSet<u64> = grant.approvals.iter().copied().chain([row.index, started]).collect();
    entries.extend(ended.iter().map(|d| d.index));
    if let Some(run) = state.run(&grant.run)? {
        entries.extend(run.decisions.iter().filter(|d| d.digest == grant.decision).map(|d| d.index));
    }
    let mut data = json!({
        "start-time": started_at, "status": status,
        "notes": format!("{} in {}, under {}", grant.commit, grant.environment, grant.grant),
        "countersign": {
            "log": {"origin": state.origin(), "size": state.size()}, "grant": grant.grant, "run": grant.run,
            "repository": grant.repository, "commit": grant.commit, "tree": grant.tree, "replaces": grant.replaces,
            "environment": grant.environment, "artifacts": grant.artifacts, "decision": grant.decision,
            "break-glass": grant.break_glass, "self-judged": grant.self_judged,
            "evidence": urns(session, &entries)?,
        },
    });
    if let Some(d) = &ended {
        data["end-time"] = json!(d.time);
    }
    Ok(written(&json!({
        "unique-id": id, "type": "deployment", "target": target, "target-type": ["architecture"], "applies-to": nodes,
        "data": data,
    })))
}

/// What shows that a control worked in a window, as evidence of CALM (release 1.2). `paths` come first: where a pack is, for one.
///
/// # Errors
/// As [`population::population`].
pub fn evidence(
    session: &Session,
    catalogue: &Catalogue,
    control: &str,
    window: Window,
    config_url: &str,
    paths: &[String],
) -> Result<Vec<u8>, Error> {
    let found = population::population(session, catalogue, control, window, &[])?;
    let entries: BTreeSet<u64> = found.members.iter().flat_map(|m| m.entries.iter().copied()).collect();
    let all: Vec<String> = paths.iter().cloned().chain(urns(session, &entries)?).collect();
    Ok(written(&json!({
        "$schema": EVIDENCE,
        "evidence": {
            "unique-id": format!("{control} {} {}", window.from, window.to), "evidence-paths": all,
            "control-config-url": config_url,
            "countersign": {
                "log": {"origin": session.state().origin(), "size": session.state().size()}, "control": control,
                "definition": found.definition, "from": window.from, "to": window.to,
                "operated": found.members.len(), "exceptions": found.exceptions(),
            },
        },
    })))
}

/// Entries, each by the hash of its leaf (RFC 6962 §2.1).
fn urns(session: &Session, entries: &BTreeSet<u64>) -> Result<Vec<String>, Error> {
    let mut urns = Vec::with_capacity(entries.len());
    for index in entries {
        for (_, entry) in session.ledger().entries(*index..index + 1)? {
            let leaf = Digest::from_bytes(leaf_hash(&canonical::to_vec(&entry)?));
            urns.push(format!("urn:countersign:entry:{leaf}"));
        }
    }
    Ok(urns)
}

/// The ids that an architecture gives its elements: nodes, relationships, flows, and interfaces of nodes.
///
/// # Errors
/// [`AuditError::Architecture`] when it is no JSON, has no nodes, or has none of the ids in `wanted`.
pub fn holds(name: &str, text: &[u8], wanted: &[String]) -> Result<(), Error> {
    let wrong = |what: String| AuditError::Architecture { name: name.to_owned(), what };
    let read: Value = serde_json::from_slice(text).map_err(|e| wrong(format!("it is no JSON: {e}")))?;
    if !read["nodes"].is_array() {
        return Err(wrong("it has no list `nodes`".into()).into());
    }
    let mut ids = BTreeSet::new();
    for part in ["nodes", "relationships", "flows"] {
        for element in read[part].as_array().into_iter().flatten() {
            ids.extend(element["unique-id"].as_str());
            let interfaces = element["interfaces"].as_array().into_iter().flatten();
            ids.extend(interfaces.filter_map(|i| i["unique-id"].as_str()));
        }
    }
    match wanted.iter().find(|id| !ids.contains(id.as_str())) {
        None => Ok(()),
        Some(id) => {
            let known: Vec<&str> = ids.into_iter().collect();
            Err(wrong(format!("it has no element `{}`; there are: {}", id.escape_debug(), known.join(", "))).into())
        }
    }
}

fn written(document: &Value) -> Vec<u8> {
    format!("{document:#}\n").into_bytes()
}

#[cfg(test)]
mod tests {
    use countersign_model::Diagnostic as _;

    use super::*;

    #[test]
    fn elements_of_an_architecture_are_looked_up() {
        let text = br#"{"nodes": [{"unique-id": "web", "interfaces": [{"unique-id": "https"}]}],
            "relationships": [{"unique-id": "web-db"}], "flows": []}"#;
        let ids = |all: &[&str]| all.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
        holds("a.json", text, &ids(&["web", "https", "web-db"])).unwrap();
        for (text, wanted) in [(&text[..], "db"), (b"{", "web"), (b"{}", "web")] {
            assert_eq!(holds("a.json", text, &ids(&[wanted])).unwrap_err().code(), "CS-AUDIT-093");
        }
    }
}
