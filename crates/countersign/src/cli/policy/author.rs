//! `policy new`, `fmt-check`, `lint`, `test`: for whoever writes policies.

use std::fmt::Write as _;
use std::path::Path;

use countersign_model::{Exit, Timestamp};
use countersign_policy::Bundle;
use countersign_policy::check::folder::Folder;
use countersign_policy::check::suite::{self, Outcome as Came};
use countersign_policy::check::{Remark, Severity, layout as layouts, lint as linter};
use serde_json::json;

use crate::cli::args::{Format, PlaceArgs};
use crate::cli::catalogue;
use crate::errors::{CliError, Outcome};
use crate::output::{self, printable};

/// `policy new`.
pub(super) fn new(dir: &Path) -> Outcome {
    let failed = |source| CliError::Write { path: dir.to_owned(), source };
    std::fs::create_dir_all(dir).map_err(failed)?;
    if std::fs::read_dir(dir).map_err(failed)?.next().is_some() {
        return Err(CliError::Usage {
            what: format!("`{}` is not empty", dir.display()),
            help: "name a new directory: countersign policy new DIR".into(),
        }
        .into());
    }
    let files = Bundle::shipped_sources();
    for (path, text) in &files {
        let file = dir.join(path);
        if let Some(parent) = file.parent() {
            std::fs::create_dir_all(parent).map_err(failed)?;
        }
        std::fs::write(&file, text).map_err(|source| CliError::Write { path: file.clone(), source })?;
    }
    let d = dir.display();
    output::print(&format!(
        "✓ {} in {d}: the shipped policies and their tests\n\
         Next: change them, then countersign policy test {d} && countersign policy lint {d} && countersign policy activate {d}\n",
        output::count(files.len() as u64, "file", "files")
    ))?;
    Ok(Exit::Pass)
}

/// `policy fmt-check`.
pub(super) fn layout(dir: &Path, format: Format) -> Outcome {
    let folder = Folder::load(dir)?;
    let remarks: Vec<Remark> = folder.modules().flat_map(|(path, text)| layouts::check(path, text)).collect();
    tell(&remarks, folder.modules().count(), "laid out as Rego is", format)?;
    Ok(if remarks.is_empty() { Exit::Pass } else { Exit::Denied })
}

/// `policy lint`.
pub(super) fn lint(at: &PlaceArgs, dir: &Path, strict: bool, format: Format, now: Timestamp) -> Outcome {
    let folder = Folder::load(dir)?;
    // A firm's own controls count where its repository is; policies may be written anywhere.
    let catalogue = catalogue::load(at)?;
    let remarks = linter::lint(&folder, &|id| catalogue.get(id).is_some(), now)?;
    tell(&remarks, folder.bundle.modules().count(), "without a remark", format)?;
    let bad = remarks.iter().any(|r| strict || r.severity == Severity::Error);
    Ok(if bad { Exit::Denied } else { Exit::Pass })
}

fn tell(remarks: &[Remark], files: usize, well: &str, format: Format) -> Result<(), crate::errors::Failure> {
    match format {
        Format::Json => {
            let all: Vec<_> = remarks
                .iter()
                .map(|r| json!({"rule": r.rule, "severity": r.severity, "file": r.place.file, "line": r.place.line, "text": r.text}))
                .collect();
            output::json(&json!({"version": 1, "files": files, "remarks": all}))
        }
        Format::Text => {
            let mut out = String::new();
            for r in remarks {
                let word = if r.severity == Severity::Error { "error" } else { "warning" };
                let _ = writeln!(out, "{}: {word} [{}] {}", r.place, r.rule, printable(&r.text));
            }
            let files = output::count(files as u64, "file", "files");
            if remarks.is_empty() {
                let _ = writeln!(out, "✓ {files} {well}");
            } else {
                let _ = writeln!(out, "✗ {} in {files}", output::count(remarks.len() as u64, "remark", "remarks"));
            }
            output::print(&out)
        }
    }
}

/// `policy test`.
pub(super) fn test(
    dir: &Path,
    filter: Option<&str>,
    coverage: bool,
    min: Option<u8>,
    format: Format,
    now: Timestamp,
) -> Outcome {
    let folder = Folder::load(dir)?;
    let report = suite::run(&folder, filter, now, coverage || min.is_some())?;
    let percent = report.percent();
    let short = min.is_some_and(|min| percent < f64::from(min));
    let count = |f: fn(&Came) -> bool| report.tests.iter().filter(|t| f(&t.outcome)).count() as u64;
    let passed = count(|o| *o == Came::Pass);
    let skipped = count(|o| *o == Came::Skipped);
    let failed = report.tests.len() as u64 - passed - skipped;
    match format {
        Format::Json => {
            let tests: Vec<_> = report
                .tests
                .iter()
                .map(|t| {
                    let (word, said) = match &t.outcome {
                        Came::Pass => ("pass", json!(null)),
                        Came::Fail(value) => ("fail", json!(value)),
                        Came::Error(text) => ("error", json!(text)),
                        Came::Skipped => ("skipped", json!(null)),
                    };
                    json!({"test": t.path, "file": t.place.file, "line": t.place.line, "outcome": word, "said": said})
                })
                .collect();
            let lines: Vec<_> = report
                .coverage
                .iter()
                .map(|(file, c)| json!({"file": file, "covered": c.covered, "not_covered": c.not_covered}))
                .collect();
            output::json(&json!({
                "version": 1, "passed": passed, "failed": failed, "skipped": skipped, "tests": tests,
                "coverage": if coverage || min.is_some() { json!({"percent": (percent * 10.0).round() / 10.0, "files": lines}) } else { json!(null) },
            }))?;
        }
        Format::Text => {
            let mut out = String::new();
            for t in &report.tests {
                let said = match &t.outcome {
                    Came::Pass => continue,
                    Came::Skipped => "skipped (todo)".to_owned(),
                    Came::Fail(None) => "FAIL: it is undefined".to_owned(),
                    Came::Fail(Some(value)) => format!("FAIL: it is {value}"),
                    Came::Error(text) => format!("ERROR: {text}"),
                };
                let _ = writeln!(out, "{}: {}  {}", t.place, t.path, printable(&said));
            }
            if coverage {
                for (file, c) in report.coverage.iter().filter(|(_, c)| !c.not_covered.is_empty()) {
                    let _ = writeln!(out, "{file}: no test ran through line {}", ranges(c.not_covered.iter().copied()));
                }
            }
            if coverage || min.is_some() {
                let _ = writeln!(out, "coverage  {percent:.1} % of the policies' lines");
            }
            let mark = if failed == 0 && passed > 0 { "✓" } else { "✗" };
            let _ = writeln!(out, "{mark} {passed} passed, {failed} failed, {skipped} skipped");
            output::print(&out)?;
        }
    }
    if report.tests.is_empty() {
        return Ok(Exit::Nothing);
    }
    Ok(if report.holds() && !short { Exit::Pass } else { Exit::Denied })
}

/// `3–5, 9`.
fn ranges(lines: impl Iterator<Item = u32>) -> String {
    let mut out: Vec<(u32, u32)> = Vec::new();
    for line in lines {
        match out.last_mut() {
            Some((_, end)) if *end + 1 == line => *end = line,
            _ => out.push((line, line)),
        }
    }
    let one = |(from, to): &(u32, u32)| if from == to { from.to_string() } else { format!("{from}–{to}") };
    out.iter().map(one).collect::<Vec<_>>().join(", ")
}
