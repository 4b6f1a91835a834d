//! Tables of a pack, each as CSV (RFC 4180) and as JSON Lines.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use countersign_model::Entry;
use countersign_model::audit::{PackScope, is_in};
use countersign_policy::Catalogue;
use countersign_policy::catalogue::Control;
use serde_json::{Map, Value, json};

use super::{Missing, Names, View};
use crate::Error;
use crate::audit::csv_cell;

/// A table under way.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) name: &'static str,
    pub(super) columns: &'static [&'static str],
    csv: String,
    jsonl: String,
    rows: u64,
}

impl Table {
    pub(super) fn new(name: &'static str, columns: &'static [&'static str]) -> Self {
        let csv = format!("{}\r\n", columns.join(","));
        Self { name, columns, csv, jsonl: String::new(), rows: 0 }
    }

    /// Adds a row. Values are texts, numbers, booleans, null, or lists of these.
    pub(super) fn push(&mut self, row: Value) {
        let Value::Object(row) = row else { return };
        let cells: Vec<String> =
            self.columns.iter().map(|column| cell(row.get(*column).unwrap_or(&Value::Null))).collect();
        self.csv.push_str(&cells.join(","));
        self.csv.push_str("\r\n");
        let ordered: Map<String, Value> = self
            .columns
            .iter()
            .map(|column| ((*column).to_owned(), row.get(*column).cloned().unwrap_or(Value::Null)))
            .collect();
        self.jsonl.push_str(&Value::Object(ordered).to_string());
        self.jsonl.push('\n');
        self.rows += 1;
    }

    /// The row of an entry. There may be a hundred thousand; where its ids are plain, none of its texts needs quotes.
    fn entry(&mut self, index: u64, entry: &Entry, in_pack: &str) {
        let (kind, retention) = (entry.kind.as_str(), entry.retention.as_str());
        let (stream, actor, payload) = (entry.stream.as_str(), entry.actor.as_str(), &entry.payload);
        let is_plain =
            |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') && !text.starts_with('-');
        if ![stream, actor, retention].into_iter().all(is_plain) {
            return self.push(json!({
                "entry": index, "event": kind, "stream": stream, "version": entry.version, "time": entry.time,
                "actor": actor, "retention": retention, "payload": payload.sha256, "bytes": payload.size,
                "in_pack": in_pack,
            }));
        }
        let _ = write!(
            self.csv,
            "{index},{kind},{stream},{},{},{actor},{retention},{},{},{in_pack}\r\n",
            entry.version, entry.time, payload.sha256, payload.size
        );
        let _ = writeln!(
            self.jsonl,
            "{{\"entry\":{index},\"event\":\"{kind}\",\"stream\":\"{stream}\",\"version\":{},\"time\":\"{}\",\"actor\":\"{actor}\",\
             \"retention\":\"{retention}\",\"payload\":\"{}\",\"bytes\":{},\"in_pack\":\"{in_pack}\"}}",
            entry.version, entry.time, payload.sha256, payload.size
        );
        self.rows += 1;
    }

    pub(super) fn written(&self) -> (&str, &str) {
        (&self.csv, &self.jsonl)
    }

    pub(super) const fn rows(&self) -> u64 {
        self.rows
    }
}

/// A value as a cell.
fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => csv_cell(text),
        Value::Array(all) => {
            let texts = all.iter().map(|one| one.as_str().map_or_else(|| one.to_string(), str::to_owned));
            csv_cell(&texts.collect::<Vec<_>>().join(" "))
        }
        other => other.to_string(),
    }
}

/// All tables of a pack.
#[derive(Debug)]
pub(super) struct Tables {
    deployments: Table,
    commits: Table,
    approvals: Table,
    gates: Table,
    findings: Table,
    evidence: Table,
    duties: Table,
    exceptions: Table,
    firm: Vec<Table>,
    matrix: BTreeMap<String, Held>,
}

/// What a person had to do with the deployments.
#[derive(Debug, Default)]
struct Held {
    name: Value,
    /// Each duty, and in how many deployments.
    duties: BTreeMap<String, u64>,
    deployments: u64,
    /// Deployments in which two duties met that must not.
    conflicts: Vec<Value>,
}

impl Default for Tables {
    fn default() -> Self {
        Self {
            deployments: Table::new(
                "deployments",
                &[
                    "grant",
                    "application",
                    "repository",
                    "environment",
                    "tier",
                    "commit",
                    "run",
                    "started",
                    "ended",
                    "success",
                    "ticket",
                    "outcome",
                    "decision",
                    "bundle",
                    "approvers",
                    "deployer",
                    "break_glass",
                    "exceptions",
                ],
            ),
            commits: Table::new(
                "commits",
                &[
                    "grant",
                    "commit",
                    "signature",
                    "verified_author",
                    "claimed_by",
                    "co_authors",
                    "merge",
                    "pipeline",
                    "policy",
                ],
            ),
            approvals: Table::new(
                "approvals",
                &["grant", "entry", "slot", "person", "name", "time", "key", "host", "strength", "decision", "counts"],
            ),
            gates: Table::new("gates", &["grant", "gate", "outcome", "reason", "text", "controls", "standing"]),
            findings: Table::new(
                "findings",
                &[
                    "grant",
                    "fingerprint",
                    "rule",
                    "severity",
                    "path",
                    "line",
                    "controls",
                    "tools",
                    "disposition",
                    "granted_by",
                    "until",
                ],
            ),
            evidence: Table::new("evidence", &["grant", "entry", "kind", "name", "digest", "artifact", "file"]),
            duties: Table::new("segregation", &["grant", "person", "name", "duties", "conflict"]),
            exceptions: Table::new("exceptions", &["grant", "kind", "text"]),
            firm: Vec::new(),
            matrix: BTreeMap::new(),
        }
    }
}

impl Tables {
    pub(super) fn all(self) -> impl Iterator<Item = Table> {
        let own = [
            self.deployments,
            self.commits,
            self.approvals,
            self.gates,
            self.findings,
            self.evidence,
            self.duties,
            self.exceptions,
        ];
        own.into_iter().chain(self.firm)
    }

    /// Adds what a deployment's document says.
    pub(super) fn deployment(&mut self, d: &Value) {
        let grant = &d["grant"]["id"];
        let with = |row: &Value| {
            let mut row = row.clone();
            if let Some(object) = row.as_object_mut() {
                object.insert("grant".into(), grant.clone());
            }
            row
        };
        let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
        let names = |value: &Value, key: &str| list(value).iter().map(|one| one[key].clone()).collect::<Vec<_>>();
        self.deployments.push(json!({
            "grant": grant, "application": d["application"]["id"], "repository": d["repository"],
            "environment": d["environment"]["id"], "tier": d["environment"]["tier"], "commit": d["commit"], "run": d["run"],
            "started": d["started"], "ended": d["ended"], "success": d["success"], "ticket": d["change"]["ticket"],
            "outcome": d["decision"]["outcome"], "decision": d["decision"]["digest"], "bundle": d["decision"]["bundle"],
            "approvers": names(&d["approvals"], "name"), "deployer": d["grant"]["name"],
            "break_glass": d["grant"]["break_glass"], "exceptions": list(&d["exceptions"]).len(),
        }));
        for (table, rows) in [
            (&mut self.commits, list(&d["change"]["commits"])),
            (&mut self.approvals, list(&d["approvals"])),
            (&mut self.findings, list(&d["findings"])),
            (&mut self.evidence, list(&d["evidence"])),
            (&mut self.duties, list(&d["duties"])),
            (&mut self.exceptions, list(&d["exceptions"])),
        ] {
            rows.iter().for_each(|row| table.push(with(row)));
        }
        for row in list(&d["duties"]) {
            let held = self.matrix.entry(row["person"].as_str().unwrap_or_default().to_owned()).or_default();
            held.name = row["name"].clone();
            held.deployments += 1;
            for duty in list(&row["duties"]) {
                // Which entry it comes from is said with the deployment.
                let duty = duty.as_str().unwrap_or_default().split(" (entry ").next().unwrap_or_default().to_owned();
                *held.duties.entry(duty).or_default() += 1;
            }
            if row["conflict"] == true {
                held.conflicts.push(grant.clone());
            }
        }
        for gate in list(&d["decision"]["gates"]) {
            let head = json!({"grant": grant, "gate": gate["name"], "outcome": gate["outcome"]});
            let reasons = list(&gate["reasons"]);
            if reasons.is_empty() {
                self.gates.push(head.clone());
            }
            for reason in reasons {
                let mut row = head.clone();
                if let Some(object) = row.as_object_mut() {
                    object.insert("reason".into(), reason["code"].clone());
                    object.insert("text".into(), reason["text"].clone());
                    object.insert("controls".into(), reason["controls"].clone());
                    object.insert("standing".into(), reason["enforced"]["standing"].clone());
                }
                self.gates.push(row);
            }
        }
    }

    /// Adds what is there of a period alone.
    pub(super) fn period(&mut self, tables: Vec<Table>) {
        self.firm.extend(tables);
    }

    fn matrix(&self) -> Table {
        let mut table = Table::new("segregation-matrix", &["person", "name", "duties", "deployments", "conflicts"]);
        for (person, held) in &self.matrix {
            let duties: Vec<String> = held.duties.iter().map(|(duty, count)| format!("{duty} {count}×")).collect();
            table.push(json!({
                "person": person, "name": held.name, "duties": duties.join("; "), "deployments": held.deployments,
                "conflicts": held.conflicts,
            }));
        }
        table
    }

    /// Adds what the firm says about itself: people, roles, waivers, emergencies, changes of the controls themselves, and
    /// every entry of the log with what became of its payload.
    pub(super) fn firm(
        &mut self,
        view: View<'_>,
        catalogue: &Catalogue,
        scope: &PackScope,
        names: &Names,
        left_out: &[(u64, u64)],
        missing: &Missing<'_>,
    ) -> Result<(), Error> {
        self.firm = vec![
            people(view, names)?,
            roles(view, names)?,
            waivers(view, names)?,
            emergencies(view, names)?,
            populations(view)?,
            controls(catalogue, scope),
            refusals(view, names, left_out)?,
        ];
        self.firm.extend(reviews(view, names)?);
        let (history, entries) = log(view, left_out, missing)?;
        self.firm.extend([history, entries]);
        if scope.deployment.is_none() {
            self.firm.push(self.matrix());
        }
        Ok(())
    }
}

fn people(view: View<'_>, names: &Names) -> Result<Table, Error> {
    let mut table = Table::new("people", &["person", "name", "roles", "enrolled", "keys", "left"]);
    for person in view.state.people()? {
        let keys: Vec<String> = view.state.keys_of(&person.id)?.into_iter().map(|k| k.fingerprint).collect();
        table.push(json!({
            "person": person.id, "name": names.label(&person.id), "roles": person.roles, "enrolled": person.index,
            "keys": keys, "left": view.state.has_left(&person.id)?,
        }));
    }
    Ok(table)
}

fn roles(view: View<'_>, names: &Names) -> Result<Table, Error> {
    let mut table = Table::new(
        "roles",
        &[
            "entry",
            "person",
            "name",
            "role",
            "granted_by",
            "reason",
            "time",
            "expires",
            "ended_by",
            "ended",
            "ended_how",
            "end_reason",
        ],
    );
    for row in view.state.role_grants()? {
        let end = row.ended.as_ref();
        table.push(json!({
            "entry": row.index, "person": row.person, "name": names.label(&row.person), "role": row.role,
            "granted_by": names.label(&row.by), "reason": row.reason, "time": row.time, "expires": row.expires,
            "ended_by": end.map(|e| names.label(&e.by)), "ended": end.map(|e| e.time),
            "ended_how": end.map(|e| e.how.as_str()), "end_reason": end.map(|e| &e.reason),
        }));
    }
    Ok(table)
}

fn waivers(view: View<'_>, names: &Names) -> Result<Table, Error> {
    let mut table = Table::new(
        "waivers",
        &[
            "waiver",
            "entry",
            "category",
            "controls",
            "requested_by",
            "granted_by",
            "granted",
            "not_before",
            "expires",
            "revoked",
            "acceptance",
            "compensating",
        ],
    );
    for row in view.state.waivers()? {
        let r = &row.request;
        let value = json!(r);
        table.push(json!({
            "waiver": r.waiver, "entry": row.index, "category": value["category"], "controls": value["scope"]["controls"],
            "requested_by": names.label(&r.by), "granted_by": row.granted.as_ref().map(|g| names.label(&g.by)),
            "granted": row.granted.as_ref().map(|g| g.time), "not_before": r.not_before, "expires": r.expires,
            "revoked": row.revoked.as_ref().map(|g| g.time), "acceptance": value["acceptance"],
            "compensating": value["compensating"],
        }));
    }
    Ok(table)
}

fn emergencies(view: View<'_>, names: &Names) -> Result<Table, Error> {
    let mut table = Table::new(
        "emergencies",
        &[
            "emergency",
            "entry",
            "opened_by",
            "reason",
            "ticket",
            "opened",
            "expires",
            "ratified_by",
            "ratified",
            "reviewed_by",
            "reviewed",
            "grants",
        ],
    );
    for row in view.state.emergencies()? {
        let value = json!(row.opened);
        let id = &row.opened.id;
        table.push(json!({
            "emergency": id, "entry": row.index, "opened_by": names.label(&row.opened.by), "reason": value["reason"],
            "ticket": value["ticket"], "opened": value["time"], "expires": value["expires"],
            "ratified_by": row.ratified.as_ref().map(|d| names.label(&d.said.by)),
            "ratified": row.ratified.as_ref().map(|d| d.said.time),
            "reviewed_by": row.reviewed.as_ref().map(|d| names.label(&d.said.by)),
            "reviewed": row.reviewed.as_ref().map(|d| d.said.time), "grants": view.state.emergency_grants(id)?,
        }));
    }
    Ok(table)
}

fn reviews(view: View<'_>, names: &Names) -> Result<[Table; 2], Error> {
    let mut reviews = Table::new(
        "access-reviews",
        &["review", "entry", "opened_by", "from", "to", "due", "population", "lines", "waiting", "closed"],
    );
    let mut lines = Table::new(
        "access-review-lines",
        &[
            "review",
            "line",
            "kind",
            "what",
            "idle",
            "left",
            "holder",
            "reviewer",
            "verdict",
            "decided_by",
            "decided",
            "entry",
            "reason",
            "gone",
            "gone_entry",
        ],
    );
    for row in view.state.reviews()? {
        let o = &row.opened;
        reviews.push(json!({
            "review": o.review, "entry": row.index, "opened_by": names.label(&o.by), "from": o.from, "to": o.to,
            "due": o.due, "population": o.population, "lines": row.lines.len(), "waiting": row.waiting(),
            "closed": row.closed.as_ref().map(|(entry, _)| entry),
        }));
        for line in &row.lines {
            let (access, decided) = (&line.line.access, line.decided.as_ref());
            lines.push(json!({
                "review": o.review, "line": line.line.line, "kind": access.kind, "what": access.what, "idle": access.idle,
                "left": access.left, "holder": access.person.as_ref().map(|p| names.label(p)),
                "reviewer": names.label(&line.line.reviewer), "verdict": decided.map(|d| d.verdict.as_str()),
                "decided_by": decided.map(|d| names.label(&d.by)), "decided": decided.map(|d| d.time),
                "entry": decided.map(|d| d.index), "reason": line.reason, "gone": line.gone.map(|(how, _)| how.as_str()),
                "gone_entry": line.gone.map(|(_, entry)| entry),
            }));
        }
    }
    Ok([reviews, lines])
}

fn populations(view: View<'_>) -> Result<Table, Error> {
    let mut table = Table::new(
        "populations",
        &["entry", "control", "from", "to", "applications", "count", "exceptions", "root", "seeds"],
    );
    for row in view.state.populations()? {
        let said = &row.said;
        let seeds: Vec<String> = view.state.samples_of(row.index)?.into_iter().map(|s| s.seed).collect();
        table.push(json!({
            "entry": row.index, "control": said.control, "from": said.from, "to": said.to,
            "applications": said.applications, "count": said.count, "exceptions": said.exceptions, "root": said.root,
            "seeds": seeds.join("; "),
        }));
    }
    Ok(table)
}

/// Whether a control is among those that a pack is asked for.
pub(super) fn is_asked(control: &Control, scope: &PackScope) -> bool {
    let serves = |framework: &String| {
        control.requirements.iter().any(|(r, _)| r.split_once(':').is_some_and(|(of, _)| of == framework))
    };
    (scope.controls.is_empty() || scope.controls.contains(&control.id))
        && (scope.frameworks.is_empty() || scope.frameworks.iter().any(serves))
}

/// The control matrix: which control serves which requirement. What each came to over a period, `assess` says.
fn controls(catalogue: &Catalogue, scope: &PackScope) -> Table {
    let mut table = Table::new(
        "controls",
        &["control", "title", "owner", "frequency", "sla", "requirements", "evidence", "digest"],
    );
    for control in catalogue.controls.values().filter(|control| is_asked(control, scope)) {
        table.push(json!({
            "control": control.id, "title": control.title, "owner": control.owner, "frequency": control.frequency.as_str(),
            "sla": format!("{}h", control.sla_hours), "requirements": control.requirements.iter().map(|(r, _)| r).collect::<Vec<_>>(),
            "evidence": control.evidence.iter().map(|k| k.as_str()).collect::<Vec<_>>(), "digest": control.digest,
        }));
    }
    table
}

/// Refusals of runs that were left out are left out with them.
fn refusals(view: View<'_>, names: &Names, left_out: &[(u64, u64)]) -> Result<Table, Error> {
    let mut table = Table::new("refusals", &["entry", "act", "person", "code", "time"]);
    for row in view.state.refusals()?.into_iter().filter(|row| !is_in(left_out, row.index)) {
        table.push(json!({
            "entry": row.index, "act": row.act, "person": row.person.as_ref().map(|p| names.label(p)), "code": row.code,
            "time": row.time,
        }));
    }
    Ok(table)
}

/// Changes of the controls themselves, and every entry.
fn log(view: View<'_>, left_out: &[(u64, u64)], missing: &Missing<'_>) -> Result<(Table, Table), Error> {
    let mut history = Table::new("control-history", &["entry", "event", "time", "actor", "payload"]);
    let mut entries = Table::new(
        "entries",
        &["entry", "event", "stream", "version", "time", "actor", "retention", "payload", "bytes", "in_pack"],
    );
    let (mut at, size) = (0, view.ledger.size());
    while at < size {
        let end = size.min(at + 256);
        for (index, entry) in view.ledger.entries(at..end)? {
            let is_left_out = is_in(left_out, index);
            let gone = missing.get(&index).and_then(|all| all.first());
            let in_pack = match gone {
                _ if is_left_out => "left-out",
                Some(m) if m.certificate.is_some() => "disposed",
                Some(_) => "missing",
                None => "yes",
            };
            entries.entry(index, &entry, in_pack);
            if entry.kind.changes_a_control() {
                history.push(json!({
                    "entry": index, "event": entry.kind.as_str(), "time": entry.time, "actor": entry.actor,
                    "payload": entry.payload.sha256,
                }));
            }
        }
        at = end;
    }
    Ok((history, entries))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Table;

    #[test]
    fn cells_are_quoted_and_are_no_formulas() {
        let mut table = Table::new("t", &["a", "b", "c"]);
        table.push(json!({"a": "=HYPERLINK(\"x\")", "b": ["x", 1], "c": "two\nlines, and a comma"}));
        table.push(json!({"a": null, "b": -5, "c": true}));
        let (csv, jsonl) = table.written();
        assert_eq!(csv, "a,b,c\r\n\"'=HYPERLINK(\"\"x\"\")\",x 1,\"two\nlines, and a comma\"\r\n,-5,true\r\n");
        assert_eq!(jsonl.lines().count(), 2);
        assert_eq!(table.rows(), 2);
    }
}
