//! `policy check`: files judged by policies of other people.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use countersign_model::{Exit, Timestamp};
use countersign_policy::adapters::{Conftest, Found, Gatekeeper, Judged, Level, Trivy, judge_all};
use serde_json::{Value, json};

use super::text;
use crate::cli::policy_args::{CheckFormat, Convention};
use crate::errors::{CliError, Failure, Outcome};
use crate::output::{self, printable};

enum Policies {
    Conftest(Conftest),
    Gatekeeper(Gatekeeper),
    Trivy(Trivy),
}

/// A file's finding.
struct Placed {
    file: String,
    document: usize,
    found: Found,
}

/// Judges the files.
pub(super) fn run(
    files: &[PathBuf],
    policy: &Path,
    convention: Convention,
    namespace: &str,
    parameters: Option<&Path>,
    format: CheckFormat,
    now: Timestamp,
) -> Outcome {
    let policies = match convention {
        Convention::Conftest => Policies::Conftest(Conftest::load(policy, namespace)?),
        Convention::Gatekeeper => {
            let mut gatekeeper = Gatekeeper::load(policy)?;
            if let Some(path) = parameters {
                gatekeeper.constrain(&path.display().to_string(), &text(path)?)?;
            }
            Policies::Gatekeeper(gatekeeper)
        }
        Convention::Trivy => Policies::Trivy(Trivy::load(policy)?),
    };
    let (mut all, mut asked, mut documents) = (Vec::new(), 0, 0_u64);
    for path in files {
        let file = path.display().to_string();
        let read = read(path)?;
        documents += read.len() as u64;
        for (i, judged) in judge_all(&read, |d| judge(&policies, d, now))?.into_iter().enumerate() {
            asked += judged.asked;
            all.extend(judged.found.into_iter().map(|found| Placed { file: file.clone(), document: i, found }));
        }
    }
    if let Policies::Trivy(trivy) = &policies
        && !trivy.not_asked.is_empty()
    {
        let n = output::count(trivy.not_asked.len() as u64, "check", "checks");
        output::note(&format!("{n} not asked: they judge what Trivy makes of files, not the files"));
    }
    match format {
        CheckFormat::Text => output::print(&report(&all, documents, asked))?,
        CheckFormat::Json => {
            let found: Vec<_> =
                all.iter().map(|p| json!({"file": p.file, "document": p.document, "found": p.found})).collect();
            output::json(&json!({"version": 1, "documents": documents, "asked": asked, "findings": found}))?;
        }
        CheckFormat::Sarif => output::json(&sarif(&all))?,
    }
    if asked == 0 {
        return Ok(Exit::Nothing);
    }
    Ok(if all.iter().any(|p| p.found.level == Level::Deny) { Exit::Denied } else { Exit::Pass })
}

fn judge(policies: &Policies, document: &Value, now: Timestamp) -> Result<Judged, countersign_policy::Error> {
    match policies {
        Policies::Conftest(p) => p.judge(document, now),
        Policies::Gatekeeper(p) => p.judge(document, now),
        Policies::Trivy(p) => p.judge(document, now),
    }
}

/// The documents of a JSON or YAML file. JSON is YAML.
fn read(path: &Path) -> Result<Vec<Value>, Failure> {
    let text = text(path)?;
    let wrong = |line: u64, kind: &str| CliError::Usage {
        what: format!("`{}`, line {line}: it is not {kind}", path.display()),
        help: "name JSON or YAML files".into(),
    };
    let documents = if path.extension().is_some_and(|e| e == "json") {
        vec![serde_json::from_str(&text).map_err(|e| wrong(e.line() as u64, "JSON"))?]
    } else {
        countersign_policy::adapters::documents(&text).map_err(|line| wrong(line, "YAML"))?
    };
    Ok(documents.into_iter().filter(|d: &Value| !d.is_null()).collect())
}

fn report(all: &[Placed], documents: u64, asked: usize) -> String {
    let mut out = String::new();
    for p in all {
        let word = match p.found.level {
            Level::Deny => "deny",
            Level::Warn => "warn",
            Level::Excepted => "excepted",
            Level::Dryrun => "dryrun",
        };
        let severity = p.found.severity.as_ref().map_or_else(String::new, |s| format!(" {}", s.to_lowercase()));
        let number = if p.document > 0 { format!("#{}", p.document + 1) } else { String::new() };
        let _ = writeln!(
            out,
            "{}{number}: {word}{severity} [{}] {}",
            printable(&p.file),
            printable(&p.found.rule),
            printable(&p.found.text)
        );
    }
    let denied = all.iter().filter(|p| p.found.level == Level::Deny).count() as u64;
    let documents = output::count(documents, "document", "documents");
    let mark = if denied == 0 && asked > 0 { "✓" } else { "✗" };
    let _ = writeln!(out, "{mark} {documents}, {asked} judgements, {denied} denied");
    out
}

/// SARIF 2.1.0.
fn sarif(all: &[Placed]) -> Value {
    let level = |found: &Found| match found.level {
        Level::Deny => "error",
        Level::Warn => "warning",
        Level::Excepted | Level::Dryrun => "note",
    };
    let results: Vec<_> = all
        .iter()
        .map(|p| {
            json!({
                "ruleId": p.found.rule, "level": level(&p.found), "message": {"text": p.found.text},
                "locations": [{"physicalLocation": {"artifactLocation": {"uri": p.file}}}],
                "suppressions": if p.found.level == Level::Excepted { json!([{"kind": "inSource"}]) } else { json!([]) },
            })
        })
        .collect();
    let mut ids: Vec<&str> = all.iter().map(|p| p.found.rule.as_str()).collect();
    ids.sort_unstable();
    ids.dedup();
    let rules: Vec<_> = ids.into_iter().map(|id| json!({"id": id})).collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {"name": "countersign policy check", "version": env!("CARGO_PKG_VERSION"), "rules": rules}},
            "results": results,
        }],
    })
}
