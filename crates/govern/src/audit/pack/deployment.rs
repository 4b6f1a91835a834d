//! Everything about one deployment, as one JSON document. It is derived from the log alone.

use std::collections::{BTreeMap, BTreeSet};

use countersign_evidence::canonical;
use countersign_model::access::Duty;
use countersign_model::change::Change;
use countersign_model::{Entry, Outcome, PayloadRef, PersonId, Timestamp};
use countersign_store::excerpt;
use countersign_store::projection::{DecisionRow, DeploymentRow, GrantRow, RoleRow, RunRow, State};
use serde_json::{Value, json};

use super::{Firm, View};
use crate::Error;
use crate::audit::AuditError;

/// The document of a deployment.
pub(super) fn document(view: View<'_>, row: &DeploymentRow, firm: &Firm<'_>) -> Result<Value, Error> {
    let state = view.state;
    let (Some(grant), Some(run)) = (state.grant(&row.grant)?, state.run(&row.run)?) else {
        return Err(AuditError::NoSuchDeployment { grant: row.grant.to_string(), issued: false }.into());
    };
    let digest = grant.grant.decision;
    let decision = run.decisions.iter().find(|d| d.digest == digest && d.index < grant.index);
    let mut unreadable = Vec::new();
    let change: Option<Change> = read(view, &run.change, "change", &mut unreadable)?;
    let facts: Option<Value> = match decision {
        Some(decision) => read(view, &decision.facts, "facts", &mut unreadable)?,
        None => None,
    };
    let one = One { view, state, row, grant: &grant, run: &run, decision, change, facts, unreadable, firm };
    let mut document = one.document()?;
    let entries = one.entries();
    let gone: Vec<Value> = entries
        .iter()
        .filter_map(|entry| firm.missing.get(entry))
        .flatten()
        .map(|m| json!({"entry": m.entry, "blob": m.blob, "certificate": m.certificate}))
        .collect();
    let exceptions = one.exceptions(&document, &gone);
    if let Some(object) = document.as_object_mut() {
        object.insert("entries".into(), json!(entries));
        object.insert("missing".into(), gone.into());
        object.insert("exceptions".into(), exceptions.into());
    }
    Ok(document)
}

/// What a payload says; `None` when it was disposed of, or is not what it should be, which is told.
fn read<T: serde::de::DeserializeOwned>(
    view: View<'_>,
    blob: &PayloadRef,
    what: &str,
    unreadable: &mut Vec<String>,
) -> Result<Option<T>, Error> {
    let bytes = match view.ledger.payload(blob) {
        Ok(bytes) => bytes,
        Err(countersign_store::Error::MissingBlob { .. }) => return Ok(None),
        Err(e) => return Err(e.into()),
    };
    match canonical::from_slice(&bytes) {
        Ok(read) => Ok(Some(read)),
        Err(e) => {
            unreadable.push(format!("its {what} ({}) cannot be read: {e}", blob.sha256));
            Ok(None)
        }
    }
}

struct One<'a> {
    view: View<'a>,
    state: &'a State,
    row: &'a DeploymentRow,
    grant: &'a GrantRow,
    run: &'a RunRow,
    decision: Option<&'a DecisionRow>,
    change: Option<Change>,
    facts: Option<Value>,
    unreadable: Vec<String>,
    firm: &'a Firm<'a>,
}

/// A waiver that was in force.
struct Waived {
    how: String,
    /// Who granted it.
    by: Option<String>,
    until: Value,
    controls: BTreeSet<String>,
    /// Fingerprints that it covers; none: everything that its controls say.
    findings: Option<BTreeSet<String>>,
}

impl Waived {
    fn covers(&self, finding: &Value) -> bool {
        match &self.findings {
            Some(all) => all.contains(finding["fingerprint"].as_str().unwrap_or_default()),
            None => {
                let controls = finding["controls"].as_array().map(Vec::as_slice).unwrap_or_default();
                !controls.is_empty() && controls.iter().all(|c| self.controls.contains(c.as_str().unwrap_or_default()))
            }
        }
    }
}

impl One<'_> {
    fn document(&self) -> Result<Value, Error> {
        let grant = &self.grant.grant;
        let application = self.state.application_of(&grant.repository)?;
        let environment = self.state.environment(&grant.environment)?;
        let started = self.grant.started;
        Ok(json!({
            "version": 1, "repository": grant.repository, "run": grant.run, "commit": grant.commit, "tree": grant.tree,
            "artifacts": grant.artifacts, "replaces": grant.replaces, "attempts": self.run.attempts,
            "application": application.map(|a| json!({
                "id": a.what.id, "entry": a.index, "owner": self.firm.names.label(&a.what.owner),
                "criticality": a.what.criticality, "sox_key_system": a.what.sox_key_system,
                "cardholder_scope": a.what.cardholder_scope, "data": a.what.data,
            })),
            "environment": {"id": grant.environment, "tier": environment.map(|e| e.what.tier)},
            "started": started.map(|index| self.time(index)).transpose()?, "ended": self.row.time,
            "success": self.row.success, "change": self.change()?, "decision": self.decision(),
            "approvals": self.approvals()?, "grant": {
                "id": grant.grant, "entry": self.grant.index, "person": grant.by, "name": self.firm.names.label(&grant.by),
                "device": grant.device, "time": grant.time, "expires": grant.expires, "self_judged": grant.self_judged,
                "break_glass": grant.break_glass, "approvals": grant.approvals,
            },
            "deployment": {"entry": self.row.index, "started": started},
            "findings": self.findings()?, "scan": self.scan(), "gaps": self.fact("/scan/gaps"), "reports": self.fact("/reports"),
            "evidence": self.evidence()?, "waivers": self.waivers(), "duties": self.duties()?, "roles": self.roles(),
            "workloads": self.fact("/workloads"),
        }))
    }

    fn time(&self, index: u64) -> Result<Value, Error> {
        Ok(json!(self.entry(index)?.1.time))
    }

    fn fact(&self, path: &str) -> Value {
        self.facts.as_ref().and_then(|f| f.pointer(path)).cloned().unwrap_or(Value::Null)
    }

    /// The covered commits, each with who wrote it as far as a signature says so.
    fn change(&self) -> Result<Value, Error> {
        let Some(change) = &self.change else { return Ok(Value::Null) };
        let mut commits = Vec::with_capacity(change.commits.len());
        for commit in &change.commits {
            let author = match commit.key.as_deref() {
                Some(key) => self.state.holder(key)?,
                None => None,
            };
            let claimants = match &change.identity {
                Some(repository) => self.state.claimants(repository, &commit.id)?,
                None => BTreeSet::default(),
            };
            commits.push(json!({
                "commit": commit.id, "signature": commit.signature, "key": commit.key, "author_pseudonym": commit.author,
                "verified_author": author.map(|p| self.firm.names.label(&p)),
                "claimed_by": claimants.iter().map(|p| self.firm.names.label(p)).collect::<Vec<_>>(),
                "co_authors": commit.co_authors, "merge": commit.merge, "pipeline": commit.pipeline,
                "policy": commit.policy,
            }));
        }
        Ok(json!({
            "base": change.base, "complete": change.complete, "shallow": change.shallow, "ticket": change.ticket,
            "reason": change.reason, "files": change.files.len(), "pipeline": change.pipeline.digest, "commits": commits,
            "blob": excerpt::blob_name(&self.run.change.sha256),
        }))
    }

    fn decision(&self) -> Value {
        let Some(decision) = self.decision else { return Value::Null };
        let document = &decision.document;
        let gates = document["verdict"]["gates"].clone();
        let outcomes = gates.as_array().into_iter().flatten();
        let outcomes = outcomes.filter_map(|gate| serde_json::from_value::<Outcome>(gate["outcome"].clone()).ok());
        json!({
            "entry": decision.index, "digest": decision.digest, "time": document["time"], "bundle": document["bundle"],
            "engine": document["engine"], "assignment": document["assignment"], "outcome": Outcome::all(outcomes),
            "gates": gates, "facts_blob": excerpt::blob_name(&decision.facts.sha256),
            "bundle_blob": excerpt::blob_name(&decision.bundle.sha256),
        })
    }

    /// Every approval of the decision, those that were taken back included.
    fn approvals(&self) -> Result<Vec<Value>, Error> {
        let own = self.run.approvals.iter().filter(|a| a.decision == self.grant.grant.decision);
        own.map(|a| {
            let stands = a.withdrawn.is_none_or(|index| index > self.grant.index) && a.index < self.grant.index;
            let compromised = self.state.compromised_signer(a.index)?.is_some();
            Ok(json!({
                "entry": a.index, "slot": a.slot, "person": a.person, "name": self.firm.names.label(&a.person), "time": a.time,
                "key": a.device.key, "host": a.device.host, "strength": a.strength, "decision": a.decision,
                "expires": a.said.expires, "withdrawn": a.withdrawn, "counts": stands && !compromised,
                "key_compromised": compromised,
            }))
        })
        .collect()
    }

    /// What the scan looked at.
    fn scan(&self) -> Value {
        let Some(scan) = self.facts.as_ref().and_then(|f| f.get("scan")) else { return Value::Null };
        json!({
            "rules": scan["rules"], "rules_digest": scan["rules_digest"], "files": scan["files"], "bytes": scan["bytes"],
        })
    }

    /// Findings as the decision saw them, each with what became of it.
    fn findings(&self) -> Result<Vec<Value>, Error> {
        let waived = self.waived();
        let all = self.fact("/scan/findings");
        let finding = |f: &Value| {
            let fingerprint = f["fingerprint"].as_str().unwrap_or_default();
            let (mut by, mut until) = (None, None);
            let disposition = match f["state"].as_str() {
                Some("suppression-granted") => {
                    if let Some((who, end)) = self.suppressed(fingerprint)? {
                        (by, until) = (Some(who), Some(json!(end)));
                    }
                    "suppressed by grant"
                }
                state => match (waived.iter().find(|w| w.covers(f)), state) {
                    (Some(waiver), _) => {
                        (by, until) = (waiver.by.clone(), Some(waiver.until.clone()));
                        waiver.how.as_str()
                    }
                    (None, Some("suppression-requested")) => "suppression asked for, not granted",
                    (None, _) => "open",
                },
            };
            Ok(json!({
                "fingerprint": f["fingerprint"], "rule": f["rule"], "severity": f["severity"], "confidence": f["confidence"],
                "path": f["path"], "line": f["line"], "controls": f["controls"], "cwe": f["cwe"], "tools": f["tools"],
                "disposition": disposition, "granted_by": by, "until": until,
            }))
        };
        all.as_array().into_iter().flatten().map(finding).collect()
    }

    /// Who granted the suppression of a finding before the decision, and until when.
    fn suppressed(&self, fingerprint: &str) -> Result<Option<(String, Timestamp)>, Error> {
        let (Ok(fingerprint), Some(repository)) =
            (fingerprint.parse(), self.change.as_ref().and_then(|c| c.identity.as_deref()))
        else {
            return Ok(None);
        };
        let row = self.state.suppression(repository, &fingerprint)?;
        let decided = self.decision.map_or(0, |d| d.index);
        Ok(row.filter(|row| row.index < decided).map(|row| (self.firm.names.label(&row.by), row.expires)))
    }

    /// The waivers that were in force.
    fn waived(&self) -> Vec<Waived> {
        let waived = |waiver: &Value| {
            let id = text(&waiver["id"]);
            let row = self.firm.waivers.iter().find(|row| row.request.waiver.as_str() == id);
            let set = |value: &Value| value.as_array().map(|all| all.iter().map(text).collect());
            Waived {
                how: format!("{} by {id}", text(&waiver["category"])),
                by: row.and_then(|row| row.granted.as_ref()).map(|granted| self.firm.names.label(&granted.by)),
                until: waiver["expires"].clone(),
                controls: set(&waiver["controls"]).unwrap_or_default(),
                findings: set(&waiver["findings"]),
            }
        };
        self.fact("/waivers").as_array().into_iter().flatten().map(waived).collect()
    }

    fn evidence(&self) -> Result<Vec<Value>, Error> {
        let before = self.run.evidence.iter().filter(|e| e.index < self.grant.index);
        before
            .map(|e| {
                // An artifact is named, and need not be there.
                let (_, entry) = self.entry(e.index)?;
                let file = entry.attachments.first().map(|blob| excerpt::blob_name(&blob.sha256));
                Ok(json!({
                    "entry": e.index, "kind": e.kind, "name": e.name, "digest": e.digest, "artifact": e.artifact,
                    "subjects": e.subjects, "file": file,
                    "report": e.report.as_ref().map(|r| excerpt::blob_name(&r.sha256)),
                }))
            })
            .collect()
    }

    fn entry(&self, index: u64) -> Result<(u64, Entry), Error> {
        let entry = self.view.ledger.entries(index..index + 1)?.pop();
        Ok(entry.ok_or(countersign_store::Error::NoSuchEntry { index, size: self.view.ledger.size() })?)
    }

    /// Waivers that were in force when the decision was made.
    fn waivers(&self) -> Vec<Value> {
        let named = self.fact("/waivers");
        let mut waivers = Vec::new();
        for row in &self.firm.waivers {
            let is_named = |w: &Value| w["id"].as_str() == Some(row.request.waiver.as_str());
            if named.as_array().is_some_and(|all| all.iter().any(is_named)) {
                let granted = row.granted.as_ref();
                waivers.push(json!({
                    "waiver": row.request.waiver, "entry": row.index, "category": row.request.category,
                    "acceptance": row.request.acceptance, "compensating": row.request.compensating,
                    "requested_by": self.firm.names.label(&row.request.by),
                    "granted_by": granted.map(|g| self.firm.names.label(&g.by)), "expires": row.request.expires,
                }));
            }
        }
        waivers
    }

    /// Who did what, and whether two things met in one person that must not.
    fn duties(&self) -> Result<Vec<Value>, Error> {
        let mut held: BTreeMap<PersonId, BTreeSet<String>> = BTreeMap::new();
        let mut wrote: BTreeSet<PersonId> = BTreeSet::new();
        if let Some(change) = &self.change {
            for (person, mut duties) in self.state.duties(change)? {
                // Whoever activated the policy of today has no part in a release of then.
                duties.retain(|duty, by| *duty != Duty::PolicyEditor || !by.starts_with("entry "));
                if duties.keys().any(|duty| Duty::ALWAYS.contains(duty)) {
                    wrote.insert(person.clone());
                }
                held.entry(person).or_default().extend(duties.keys().map(ToString::to_string));
            }
        }
        held.retain(|_, duties| !duties.is_empty());
        let decided = self.decision.map_or(0, |d| d.index);
        if let Some(bundle) = self.firm.bundles.iter().rfind(|b| b.index < decided) {
            held.entry(bundle.by.clone()).or_default().insert(format!(
                "{} (entry {})",
                Duty::PolicyEditor,
                bundle.index
            ));
        }
        let mut approved: BTreeSet<PersonId> = BTreeSet::new();
        let named = |a: &&countersign_store::projection::ApprovalRow| self.grant.grant.approvals.contains(&a.index);
        for a in self.run.approvals.iter().filter(named) {
            approved.insert(a.person.clone());
            held.entry(a.person.clone()).or_default().insert(format!("approver ({})", a.slot));
        }
        held.entry(self.grant.grant.by.clone()).or_default().insert("deployer".into());
        let rows = held.into_iter().map(|(person, duties)| {
            let conflict = wrote.contains(&person) && approved.contains(&person);
            json!({"person": person, "name": self.firm.names.label(&person), "duties": duties, "conflict": conflict})
        });
        Ok(rows.collect())
    }

    /// The roles of everybody who took part, as they were when the grant was issued.
    fn roles(&self) -> Vec<Value> {
        let mut people: BTreeSet<PersonId> = self.run.approvals.iter().map(|a| a.person.clone()).collect();
        people.insert(self.grant.grant.by.clone());
        let at = self.grant.grant.time;
        let held = |r: &&RoleRow| {
            r.index < self.grant.index
                && r.expires.is_none_or(|e| at < e)
                && r.ended.as_ref().is_none_or(|end| end.index > self.grant.index)
        };
        let all = self.firm.roles.iter().filter(|r| people.contains(&r.person) && held(r));
        let row = |r: &RoleRow| {
            json!({
                "person": r.person, "name": self.firm.names.label(&r.person), "role": r.role, "entry": r.index,
                "granted_by": self.firm.names.label(&r.by),
            })
        };
        all.map(row).collect()
    }

    /// The entries that the deployment rests on.
    fn entries(&self) -> Vec<u64> {
        let mut entries: BTreeSet<u64> = self.run.attempts.iter().copied().collect();
        entries.extend(self.run.scan.as_ref().map(|(index, _)| *index));
        entries.extend(self.run.evidence.iter().map(|e| e.index).filter(|index| *index < self.grant.index));
        entries.extend(self.decision.map(|d| d.index));
        let own = self.run.approvals.iter().filter(|a| a.decision == self.grant.grant.decision);
        entries.extend(own.map(|a| a.index));
        entries.extend([self.grant.index, self.row.index]);
        entries.extend(self.grant.started);
        entries.into_iter().collect()
    }

    /// What is out of the ordinary, in words.
    fn exceptions(&self, document: &Value, gone: &[Value]) -> Vec<Value> {
        let mut all: Vec<(&str, String)> = Vec::new();
        let grant = &self.grant.grant;
        if let Some(id) = &grant.break_glass {
            all.push(("break-glass", format!("it went past the gates under {id}")));
        }
        if grant.self_judged {
            all.push(("self-judged", "the machine that built it evaluated the policy as well".into()));
        }
        if !self.row.success {
            all.push(("failed", "the deployment ended without success".into()));
        }
        match document["decision"]["outcome"].as_str() {
            None => {
                all.push(("no-decision", "the decision that it rests on is not in the log before its grant".into()))
            }
            Some("fail" | "error") => all.push(("denied", "a gate of its decision did not pass".into())),
            Some("waived" | "mitigated") => all.push(("waived", "a breach of its decision was let stand".into())),
            Some(_) => {}
        }
        if grant.approvals.is_empty() && grant.break_glass.is_none() {
            all.push(("no-approval", "its grant names no approval".into()));
        }
        let list = |path: &str| document.pointer(path).and_then(Value::as_array).cloned().unwrap_or_default();
        for a in list("/approvals").iter().filter(|a| a["key_compromised"] == true) {
            all.push(("key-compromised", format!("entry {}: the key was in other hands when it approved", a["entry"])));
        }
        for d in list("/duties").iter().filter(|d| d["conflict"] == true) {
            all.push(("segregation", format!("{} wrote it and approved it", text(&d["name"]))));
        }
        for c in list("/change/commits") {
            let is_known =
                c["verified_author"].is_string() || c["claimed_by"].as_array().is_some_and(|c| !c.is_empty());
            if !is_known {
                all.push((
                    "unverified-author",
                    format!("nobody is known to have written commit {}", text(&c["commit"])),
                ));
            }
        }
        if let Some(change) = &self.change
            && (change.shallow || !change.complete)
        {
            all.push(("incomplete-change", "not every covered commit could be read".into()));
        }
        all.extend(self.unreadable.iter().map(|what| ("unreadable", what.clone())));
        for m in gone {
            let what = match m["certificate"].as_u64() {
                Some(entry) => {
                    format!("entry {}: its payload was disposed of, by the certificate in entry {entry}", m["entry"])
                }
                None => format!("entry {}: its payload is missing", m["entry"]),
            };
            all.push((if m["certificate"].is_null() { "missing" } else { "disposed" }, what));
        }
        all.into_iter().map(|(kind, text)| json!({"kind": kind, "text": text})).collect()
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
