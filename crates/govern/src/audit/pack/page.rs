//! The pages of a pack: no script, no address outside of it, and they print well.

use std::collections::BTreeMap;

use countersign_model::event::EvidencePack;
use serde_json::Value;

use super::records::Furnished;
use crate::page::{Block, Page};

/// What the first page says of a deployment.
#[derive(Debug)]
pub(super) struct Row {
    grant: String,
    cells: Vec<String>,
    exceptions: Vec<String>,
}

impl Row {
    pub(super) fn of(d: &Value) -> Self {
        let grant = text(&d["grant"]["id"]);
        let approvers: Vec<String> = list(&d["approvals"])
            .iter()
            .filter(|a| a["counts"] == true)
            .map(|a| format!("{} ({})", text(&a["name"]), text(&a["slot"])))
            .collect();
        let exceptions: Vec<String> =
            list(&d["exceptions"]).iter().map(|e| format!("{}: {}", text(&e["kind"]), text(&e["text"]))).collect();
        let cells = vec![
            grant.clone(),
            text(&d["ended"]),
            text(&d["environment"]["id"]),
            text(&d["repository"]),
            short(&text(&d["commit"])),
            if d["success"] == true { "✓ succeeded".into() } else { "✗ failed".into() },
            text(&d["decision"]["outcome"]),
            approvers.join(", "),
            text(&d["grant"]["name"]),
            if exceptions.is_empty() { "none".into() } else { format!("⚠ {}", exceptions.len()) },
        ];
        Self { grant, cells, exceptions }
    }
}

/// The first page.
pub(super) fn index(
    manifest: &EvidencePack,
    rows: &[Row],
    tables: &BTreeMap<&'static str, u64>,
    furnished: Option<&Furnished>,
) -> Page {
    let mut page = Page { title: "Evidence pack".to_owned(), blocks: Vec::new() };
    let scope = &manifest.scope;
    let mut about = vec![vec!["Ledger".to_owned(), manifest.origin.clone()]];
    if let Some(id) = &scope.deployment {
        about.push(vec!["Deployment".into(), id.to_string()]);
    } else {
        let from = scope.from.map_or_else(|| "the first entry".to_owned(), |t| t.to_string());
        let to = scope.to.map_or_else(|| "now".to_owned(), |t| t.to_string());
        about.push(vec!["Period".into(), format!("from {from}, before {to}")]);
    }
    for (what, names) in
        [("Applications", &scope.applications), ("Frameworks", &scope.frameworks), ("Controls", &scope.controls)]
    {
        about.push(vec![what.into(), if names.is_empty() { "all".into() } else { names.join(", ") }]);
    }
    about.push(vec!["Log".into(), format!("{} entries, root {}", manifest.size, manifest.root)]);
    if scope.deployment.is_none() {
        about.push(vec!["OSCAL".into(), "what is open, controls and requirements: the folder oscal".into()]);
    }
    about.push(vec!["Made".into(), format!("{} by {}", manifest.time, manifest.tool)]);
    if let Some(stamp) = &manifest.timestamp {
        about.push(vec![
            "Timestamp".into(),
            format!(
                "a time-stamping authority says that the log was this one at {} (proofs/checkpoint.tsr)",
                stamp.time
            ),
        ]);
    }
    if countersign_model::is_demonstration(&manifest.origin) {
        page.text("⚠ A demonstration: nobody in it exists, and nothing in it counts anywhere else.");
    }
    if manifest.masked {
        about.push(vec!["People".into(), "by id; their names were left out".into()]);
    }
    page.table(&["", ""], about, "");

    if let Some(furnished) = furnished {
        furnished.write(manifest, &mut page);
    }
    page.heading(2, "What is not in it");
    let left_out: u64 = manifest.left_out.iter().map(|(first, last)| last - first + 1).sum();
    let (disposed, gone): (Vec<_>, Vec<_>) = manifest.missing.iter().partition(|m| m.certificate.is_some());
    if left_out == 0 && manifest.missing.is_empty() {
        page.text("Nothing was left out: the whole log and every payload are here.");
    } else {
        page.text(format!(
            "The log is here whole, all {} entries. The payloads of {left_out} of them belong to other runs and were not chosen; \
             tables/entries.csv names each.",
            manifest.size
        ));
    }
    let line = |m: &&countersign_model::audit::PackMissing| match m.certificate {
        Some(entry) => format!("entry {}: disposed of, by the certificate in entry {entry} ({})", m.entry, m.blob),
        None => format!("entry {}: ✗ missing, and no certificate says why ({})", m.entry, m.blob),
    };
    if !gone.is_empty() {
        page.text(format!("⚠ This pack is incomplete: {} payloads that belong in it are missing.", gone.len()));
        page.blocks.push(Block::List(gone.iter().map(line).collect()));
    }
    if !disposed.is_empty() {
        page.text(format!("{} payloads were disposed of under the retention rules:", disposed.len()));
        page.blocks.push(Block::List(disposed.iter().map(line).collect()));
    }

    page.heading(2, format!("Deployments ({})", rows.len()));
    if rows.is_empty() {
        page.text("Nothing was deployed in this period.");
    } else {
        let head = vec![
            "Deployment",
            "Ended",
            "Environment",
            "Repository",
            "Commit",
            "Result",
            "Decision",
            "Approved by",
            "Deployed by",
            "Exceptions",
        ];
        let linked = rows.iter().map(|r| (format!("deployments/{}.html", r.grant), r.cells.clone())).collect();
        page.blocks.push(Block::Linked(head, linked));
    }
    let exceptions: Vec<Vec<String>> =
        rows.iter().flat_map(|r| r.exceptions.iter().map(|e| vec![r.grant.clone(), e.clone()])).collect();
    page.heading(2, format!("Exceptions ({})", exceptions.len()));
    page.table(&["Deployment", "What"], exceptions, "None of these deployments shows anything out of the ordinary.");

    if scope.deployment.is_none() {
        period(manifest, &mut page);
    }
    page.heading(2, "Tables");
    let linked = tables
        .iter()
        .map(|(name, rows)| (format!("tables/{name}.csv"), vec![(*name).to_owned(), rows.to_string()]))
        .collect();
    page.blocks.push(Block::Linked(vec!["Table (CSV; the same as .jsonl)", "Rows"], linked));
    page.heading(2, "Checking it");
    page.text(
        "VERIFY.md says how to check all of this with sha256sum, openssl, ssh-keygen and Go alone. With the program that made it: \
         countersign verify PACK --trust FILE.",
    );
    page
}

/// Where the first page leads to for a period.
fn period(manifest: &EvidencePack, page: &mut Page) {
    page.heading(2, "The period");
    let mut rows = vec![
        ("segregation-matrix", "who had which duties in these deployments, and where two met that must not"),
        ("control-history", "changes of the controls themselves"),
    ];
    if manifest.catalogue.is_some() {
        rows.extend([
            ("assessment", "each requirement, what it came to, and why"),
            ("control-operation", "each control: how many times it operated, and how many exceptions there are"),
            ("reconciliation", "runs, decisions, grants and deployments of the log, held against each other"),
        ]);
    }
    let rows =
        rows.into_iter().map(|(name, what)| (format!("tables/{name}.csv"), vec![name.to_owned(), what.to_owned()]));
    page.blocks.push(Block::Linked(vec!["Table", "What"], rows.collect()));
    page.text(match &manifest.catalogue {
        Some(catalogue) => format!(
            "The assessment is of what is in this pack, by the catalogue of controls and frameworks {catalogue}. What a pack cannot tell is              not evaluated, and each line says why. The protected branch, lists from elsewhere and production itself were not asked."
        ),
        None => "An assessment and a reconciliation are of the whole firm: they are in packs of a period of all applications.".to_owned(),
    });
}

/// The page of one deployment.
pub(super) fn deployment(d: &Value) -> Page {
    let mut page = Page { title: format!("Deployment {}", text(&d["grant"]["id"])), blocks: Vec::new() };
    let pairs = [
        ("Repository", text(&d["repository"])),
        ("Application", text(&d["application"]["id"])),
        ("Environment", text(&d["environment"]["id"])),
        ("Commit", text(&d["commit"])),
        ("Replaces", text(&d["replaces"])),
        ("Ticket", text(&d["change"]["ticket"])),
        ("Reason", text(&d["change"]["reason"])),
        ("Started", text(&d["started"])),
        ("Ended", text(&d["ended"])),
        ("Result", if d["success"] == true { "✓ succeeded".into() } else { "✗ failed".into() }),
        ("Deployed by", text(&d["grant"]["name"])),
        ("Run", text(&d["run"])),
    ];
    page.table(&["", ""], pairs.into_iter().map(|(a, b)| vec![a.to_owned(), b]).collect(), "");
    let table = |page: &mut Page, title: &str, value: &Value, columns: &[(&'static str, &'static str)], none: &str| {
        let rows = list(value);
        page.heading(2, format!("{title} ({})", rows.len()));
        let head: Vec<&'static str> = columns.iter().map(|(head, _)| *head).collect();
        let cells = rows.iter().map(|row| columns.iter().map(|(_, key)| shown(&row[*key])).collect()).collect();
        page.table(&head, cells, none);
    };
    table(&mut page, "Exceptions", &d["exceptions"], &[("Kind", "kind"), ("What", "text")], "None.");
    table(
        &mut page,
        "Commits",
        &d["change"]["commits"],
        &[
            ("Commit", "commit"),
            ("Signature", "signature"),
            ("Verified author", "verified_author"),
            ("Claimed by", "claimed_by"),
            ("Co-authors", "co_authors"),
            ("Edits the pipeline", "pipeline"),
        ],
        "The change of this run is not here.",
    );
    page.heading(2, "Decision");
    let decision = &d["decision"];
    let pairs = [
        ("Outcome", text(&decision["outcome"])),
        ("Digest", text(&decision["digest"])),
        ("Entry", shown(&decision["entry"])),
        ("Time", text(&decision["time"])),
        ("Policy bundle", text(&decision["bundle"])),
        ("Engine", text(&decision["engine"])),
        ("Facts", text(&decision["facts_blob"])),
    ];
    page.table(&["", ""], pairs.into_iter().map(|(a, b)| vec![a.to_owned(), b]).collect(), "");
    let mut reasons = Vec::new();
    for gate in list(&decision["gates"]) {
        let (name, outcome) = (text(&gate["name"]), text(&gate["outcome"]));
        let all = list(&gate["reasons"]);
        if all.is_empty() {
            reasons.push(vec![name.clone(), outcome.clone(), String::new(), String::new()]);
        }
        for reason in all {
            reasons.push(vec![name.clone(), outcome.clone(), text(&reason["text"]), shown(&reason["controls"])]);
        }
    }
    page.table(&["Gate", "Outcome", "Reason", "Controls"], reasons, "No gate.");
    table(
        &mut page,
        "Approvals",
        &d["approvals"],
        &[
            ("Entry", "entry"),
            ("Slot", "slot"),
            ("Who", "name"),
            ("When", "time"),
            ("Key", "key"),
            ("Host", "host"),
            ("Strength", "strength"),
            ("Counts", "counts"),
        ],
        "Nobody approved it.",
    );
    table(
        &mut page,
        "Duties",
        &d["duties"],
        &[("Who", "name"), ("Duties", "duties"), ("Conflict", "conflict")],
        "Nobody is known to have had a part in it.",
    );
    table(
        &mut page,
        "Roles when it was granted",
        &d["roles"],
        &[("Who", "name"), ("Role", "role"), ("Granted by", "granted_by"), ("Entry", "entry")],
        "None.",
    );
    table(
        &mut page,
        "Findings",
        &d["findings"],
        &[
            ("Rule", "rule"),
            ("Severity", "severity"),
            ("Path", "path"),
            ("Line", "line"),
            ("Controls", "controls"),
            ("Disposition", "disposition"),
            ("Granted by", "granted_by"),
            ("Until", "until"),
        ],
        "None.",
    );
    table(
        &mut page,
        "Evidence and artifacts",
        &d["evidence"],
        &[("Entry", "entry"), ("Kind", "kind"), ("Name", "name"), ("Digest", "digest"), ("File", "file")],
        "None.",
    );
    table(
        &mut page,
        "Waivers in force",
        &d["waivers"],
        &[
            ("Waiver", "waiver"),
            ("Category", "category"),
            ("Accepted risk", "acceptance"),
            ("Asked for by", "requested_by"),
            ("Granted by", "granted_by"),
            ("Expires", "expires"),
        ],
        "None.",
    );
    page
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Bool(true) => "yes".into(),
        Value::Bool(false) => "no".into(),
        Value::Array(all) => all.iter().map(shown).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn short(commit: &str) -> String {
    commit.get(..12).unwrap_or(commit).to_owned()
}
