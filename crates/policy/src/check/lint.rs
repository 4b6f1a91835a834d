//! Looks for mistakes that compile: a policy that can only pass by having found nothing, a rule that nobody asks for, a
//! control that does not exist.
//!
//! | rule | severity | says |
//! |---|---|---|
//! | `vacuous-pass` | error | a body says only that a set is empty: it holds as well where there was nothing to look at |
//! | `gate-passes-nothing` | error | a gate opens for facts in which nothing was examined |
//! | `unknown-gate-rule` | error | a rule in a gate's package that no gate asks for: a misspelt `deny` denies nothing |
//! | `unknown-control` | error | an annotation names a control that is not in the catalogue |
//! | `metadata` | error | a `# METADATA` block that cannot be read |
//! | `unused-import` | warning | an import that is not used |
//! | `untested` | warning | a file without a test beside it |
//! | `unused-rule` | warning | a rule that nothing refers to, in a package that is no gate and no entry point |
//! | `print` | warning | a call of `print`, left behind |

use std::collections::{BTreeMap, BTreeSet};

use countersign_model::{Place, Timestamp};
use serde_json::json;

use super::folder::Folder;
use super::{Remark, Severity};
use crate::engine::annotations::Annotations;
use crate::engine::outline::{Kind, Outline, outline};
use crate::{Error, RegorusEngine, decide};

/// The names that a gate may have rules of (policies/README.md).
const GATE_RULES: [&str; 8] = ["checks", "deny", "error", "wait", "note", "requires", "controls", "expires"];

/// Names that something outside the bundle asks for: conventions of other tools, and OPA's own.
const ENTRY_POINTS: [&str; 14] = [
    "allow",
    "allowed",
    "authz",
    "decision",
    "deny",
    "violation",
    "warn",
    "exception",
    "main",
    "response",
    "mask",
    "drop",
    "__rego__metadoc__",
    "__rego_metadata__",
];

/// Where gates are.
const GATES: &str = "data.countersign.gates";

/// Looks at a folder of policies. `known` says whether a control exists.
///
/// # Errors
/// [`Error::Rego`] when a module does not parse or compile.
pub fn lint(folder: &Folder, known: &dyn Fn(&str) -> bool, now: Timestamp) -> Result<Vec<Remark>, Error> {
    let v0 = folder.bundle.manifest()?.is_v0();
    let modules: Vec<(&str, &str)> = folder.bundle.modules().collect();
    let tests: Vec<(&str, &str)> = folder.tests.iter().map(|(p, t)| (p.as_str(), t.as_str())).collect();
    RegorusEngine.check(&folder.bundle)?;
    let outlines = outline(modules.clone(), v0)?;
    let mut out = Vec::new();
    annotations(&modules, known, &mut out);
    let used: BTreeSet<String> = outline(tests, v0)?
        .iter()
        .chain(&outlines)
        .flat_map(|m| &m.rules)
        .flat_map(|r| r.uses.iter().cloned())
        .collect();
    let sets: BTreeSet<&str> =
        outlines.iter().flat_map(|m| &m.rules).filter(|r| r.kind == Kind::Set).map(|r| r.path.as_str()).collect();
    for module in &outlines {
        vacuous(module, &sets, &mut out);
        unused(module, &used, &mut out);
        for import in module.imports.iter().filter(|i| !i.used && i.path.starts_with("data.")) {
            let text = format!("`{}` is imported and not used: take the import away", import.name);
            out.push(remark("unused-import", Severity::Warning, import.place.clone(), text));
        }
        if !folder.tests.contains_key(&module.file.replace(".rego", "_test.rego")) {
            let text = "no test beside it: write one that the rules find what they should, and one that they leave the rest alone";
            out.push(remark("untested", Severity::Warning, Place::file(&module.file), text.to_owned()));
        }
    }
    gates(folder, &outlines, now, &mut out);
    out.sort_by(|a, b| (&a.place.file, a.place.line, a.rule).cmp(&(&b.place.file, b.place.line, b.rule)));
    Ok(out)
}

fn remark(rule: &'static str, severity: Severity, place: Place, text: String) -> Remark {
    Remark { rule, severity, place, text }
}

fn annotations(modules: &[(&str, &str)], known: &dyn Fn(&str) -> bool, out: &mut Vec<Remark>) {
    let mut read = Annotations::default();
    for (path, text) in modules {
        read.read(path, text);
    }
    out.extend(
        read.errors.iter().map(|(place, text)| remark("metadata", Severity::Error, place.clone(), text.clone())),
    );
    for annotation in &read.all {
        for id in annotation.controls().into_iter().filter(|id| !known(id)) {
            let text = format!("there is no control `{id}`: see countersign control list");
            out.push(remark("unknown-control", Severity::Error, annotation.place.clone(), text));
        }
    }
}

/// Rules that hold only because a set is empty.
fn vacuous(module: &Outline, sets: &BTreeSet<&str>, out: &mut Vec<Remark>) {
    for rule in &module.rules {
        let name = rule.path.rsplit('.').next().unwrap_or("");
        let empty: Vec<&String> = rule.counts_nothing_of.iter().filter(|s| sets.contains(s.as_str())).collect();
        if let Some(set) = empty.first().filter(|_| empty.len() == rule.counts_nothing_of.len()) {
            let text = format!(
                "`{name}` holds when `{set}` is empty, so it holds where nothing was there to look at: \
                 say as well what must be there, as in `count(input.resources) > 0`"
            );
            out.push(remark("vacuous-pass", Severity::Error, rule.place.clone(), text));
        }
    }
}

fn unused(module: &Outline, used: &BTreeSet<String>, out: &mut Vec<Remark>) {
    let gate = module.package.starts_with(GATES);
    let mut seen = BTreeSet::new();
    for rule in &module.rules {
        let name = rule.path.rsplit('.').next().unwrap_or("");
        let own = rule.path.strip_prefix(&format!("{}.", module.package)).unwrap_or(name);
        let refers = |path: &String| {
            *path == rule.path
                || path.strip_prefix(rule.path.as_str()).is_some_and(|rest| rest.starts_with('.'))
                || rule.path.strip_prefix(path.as_str()).is_some_and(|rest| rest.starts_with('.'))
        };
        if seen.insert(&rule.path) && !used.iter().any(refers) {
            if gate && !GATE_RULES.contains(&own) {
                let text = format!("no gate asks for `{own}`: name it as one of {}", GATE_RULES.join(", "));
                out.push(remark("unknown-gate-rule", Severity::Error, rule.place.clone(), text));
            } else if !gate && !ENTRY_POINTS.contains(&name) && !name.starts_with('_') {
                let text = format!("nothing refers to `{own}`: use it, or take it away");
                out.push(remark("unused-rule", Severity::Warning, rule.place.clone(), text));
            }
        }
        if rule.uses.contains("print") {
            let text = "a call of `print` is left in it: take it away".to_owned();
            out.push(remark("print", Severity::Warning, rule.place.clone(), text));
        }
    }
}

/// Gates that open for facts without anything in them.
fn gates(folder: &Folder, outlines: &[Outline], now: Timestamp, out: &mut Vec<Remark>) {
    let files: BTreeMap<&str, &str> = outlines
        .iter()
        .filter_map(|m| Some((m.package.strip_prefix(GATES)?.trim_start_matches('.'), m.file.as_str())))
        .filter(|(gate, _)| !gate.is_empty())
        .collect();
    let nothing = json!({"version": crate::decision::FACTS_VERSION});
    // A bundle that cannot judge such facts at all does what it should.
    let Ok(verdict) = decide(&RegorusEngine, &folder.bundle, &nothing, now) else { return };
    for gate in verdict.gates.iter().filter(|g| g.outcome.opens()) {
        let package = gate.name.replace('-', "_");
        let file = files.get(gate.name.as_str()).or_else(|| files.get(package.as_str())).copied().unwrap_or("gates");
        let text = format!(
            "the gate `{}` opens for facts in which nothing was examined: deny or err where a fact is missing",
            gate.name
        );
        out.push(remark("gate-passes-nothing", Severity::Error, Place::file(file), text));
    }
}
