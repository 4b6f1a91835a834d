//! Frameworks and controls as people and programs read them.

use std::fmt::Write as _;

use countersign_policy::Catalogue;
use countersign_policy::catalogue::source::{self, Delivery};
use countersign_policy::catalogue::{Class, Control, Framework, Requirement};
use serde_json::{Value, json};

use super::printable;
use crate::cli::control::Wrong;

fn count(framework: &Framework, is: impl Fn(&Requirement) -> bool) -> usize {
    framework.requirements.iter().filter(|r| is(r)).count()
}

/// `framework list`.
pub(crate) fn frameworks(catalogue: &Catalogue) -> String {
    let mut out = String::new();
    let width = catalogue.frameworks.keys().map(String::len).max().unwrap_or_default();
    for f in catalogue.frameworks.values() {
        let own = if catalogue.added.contains(&f.id) { "  (of this project)" } else { "" };
        let _ = writeln!(out, "{:width$}  {}{own}", f.id, printable(&f.title));
        let unverified = count(f, |r| !r.verified);
        let _ = writeln!(
            out,
            "{:width$}  {} requirements: {} automatic, {} partial, {} manual; {unverified} not verified; checked on {}",
            "",
            f.requirements.len(),
            count(f, |r| r.class == Class::Automatic),
            count(f, |r| r.class == Class::Partial),
            count(f, |r| r.class == Class::Manual),
            f.checked_on,
        );
    }
    out
}

/// `framework list --format json`.
pub(crate) fn frameworks_json(catalogue: &Catalogue) -> Value {
    let each = catalogue.frameworks.values().map(|f| {
        json!({
            "id": f.id, "title": f.title, "publisher": f.publisher, "source": f.source, "licence": f.licence,
            "checked_on": f.checked_on, "effective_from": f.effective_from, "superseded_by": f.superseded_by,
            "requirements": f.requirements.len(), "unverified": count(f, |r| !r.verified),
            "added": catalogue.added.contains(&f.id),
        })
    });
    json!({"version": 1, "frameworks": each.collect::<Vec<_>>()})
}

/// What stands beside a requirement that nobody compared with its source.
pub(crate) const UNVERIFIED: &str = "not verified";

/// `framework show`.
pub(crate) fn framework(catalogue: &Catalogue, f: &Framework) -> String {
    let mut out = format!("{}  {}\n", f.id, printable(&f.title));
    let mut line = |key: &str, value: Option<String>| {
        if let Some(value) = value {
            let _ = writeln!(out, "  {key:<13} {}", printable(&value));
        }
    };
    line("publisher", Some(f.publisher.clone()));
    line("source", Some(f.source.clone()));
    line("licence", f.licence.clone());
    line("attribution", f.attribution.clone());
    line("checked on", Some(f.checked_on.to_string()));
    line("in force from", f.effective_from.map(|d| d.to_string()));
    line("superseded by", f.superseded_by.clone());
    line("note", f.note.clone());
    for r in &f.requirements {
        let mark = if r.verified { String::new() } else { format!("  [{UNVERIFIED}]") };
        let _ = writeln!(out, "\n{}  {}{mark}\n    {}", printable(&r.id), r.class.as_str(), printable(&r.duty));
        let controls: Vec<&str> = catalogue.meeting(&f.id, r).iter().map(|c| c.id.as_str()).collect();
        match (&r.reason, controls.is_empty()) {
            (Some(reason), _) => {
                let _ = writeln!(out, "    no control: {}", printable(reason));
            }
            (None, true) => {
                let _ = writeln!(out, "    no control meets it");
            }
            (None, false) => {
                let _ = writeln!(out, "    controls: {}", controls.join(", "));
            }
        }
        if !r.related.is_empty() {
            let _ = writeln!(out, "    related: {}", printable(&r.related.join(", ")));
        }
    }
    out
}

/// `framework show --format json`.
pub(crate) fn framework_json(catalogue: &Catalogue, f: &Framework) -> Value {
    let mut value = json!(f);
    if let Some(requirements) = value.get_mut("requirements").and_then(Value::as_array_mut) {
        for (json, r) in requirements.iter_mut().zip(&f.requirements) {
            let controls: Vec<&str> = catalogue.meeting(&f.id, r).iter().map(|c| c.id.as_str()).collect();
            if let Some(object) = json.as_object_mut() {
                object.insert("controls".into(), controls.into());
            }
        }
    }
    json!({"version": 1, "framework": value, "added": catalogue.added.contains(&f.id)})
}

/// `control list`.
pub(crate) fn controls(catalogue: &Catalogue) -> String {
    let mut out = String::new();
    let width = catalogue.controls.keys().map(String::len).max().unwrap_or_default();
    for c in catalogue.controls.values() {
        let own = if catalogue.added.contains(&c.id) { "  (of this project)" } else { "" };
        let _ = writeln!(out, "{:width$}  {}{own}", c.id, printable(&c.title));
        let later = later(c);
        if !later.is_empty() {
            let _ = writeln!(out, "{:width$}  not recorded by this version: {}", "", later.join(", "));
        }
    }
    out
}

fn later(control: &Control) -> Vec<&str> {
    control.needs.iter().map(String::as_str).filter(|n| source::find(n).is_some_and(|s| s.is_later())).collect()
}

/// `control list --format json`.
pub(crate) fn controls_json(catalogue: &Catalogue) -> Value {
    let each: Vec<Value> = catalogue.controls.values().map(|c| one(catalogue, c)).collect();
    json!({"version": 1, "catalogue": catalogue.digest(), "controls": each})
}

fn one(catalogue: &Catalogue, c: &Control) -> Value {
    json!({
        "id": c.id, "title": c.title, "objective": c.objective, "owner": c.owner, "deputy": c.deputy,
        "requirements": c.requirements.iter().map(|(r, _)| r).collect::<Vec<_>>(), "evidence": c.evidence,
        "needs": c.needs, "frequency": c.frequency, "sla_hours": c.sla_hours, "attests": c.attests,
        "over": c.decides.as_ref().map(|d| &d.over), "digest": c.digest, "added": catalogue.added.contains(&c.id),
    })
}

/// `control show`.
pub(crate) fn control(catalogue: &Catalogue, c: &Control) -> String {
    let mut out = format!("{}  {}\n  {}\n\n", c.id, printable(&c.title), printable(&c.objective));
    let mut line = |key: &str, value: &str| {
        let _ = writeln!(out, "  {key:<13} {}", printable(value));
    };
    line("owner", &format!("{}, {} stands in", c.owner, c.deputy));
    line("works", c.frequency.as_str());
    line("breach", &format!("answered within {} hours", c.sla_hours));
    line("evidence", &c.evidence.iter().map(|k| k.as_str()).collect::<Vec<_>>().join(", "));
    for need in &c.needs {
        let Some(source) = source::find(need) else { continue };
        let how = match source.delivery {
            Delivery::By(how) => how.to_owned(),
            Delivery::Later(part) => format!("not recorded by this version; it comes with {part}"),
        };
        line("needs", &format!("{need}, {}: {how}", source.what));
    }
    if let Some(attests) = &c.attests {
        line("people attest", attests);
    }
    line("version", &c.digest.to_string());
    let _ = writeln!(out, "\nRequirements");
    for (name, _) in &c.requirements {
        let found = name
            .split_once(':')
            .and_then(|(id, clause)| catalogue.frameworks.get(id)?.requirements.iter().find(|r| r.id == clause));
        let mark = if found.is_some_and(|r| !r.verified) { format!("  [{UNVERIFIED}]") } else { String::new() };
        let duty = found.map(|r| r.duty.as_str()).unwrap_or_default();
        let _ = writeln!(out, "  {}{mark}\n      {}", printable(name), printable(duty));
    }
    if let Some(decides) = &c.decides {
        let _ = writeln!(out, "\nDecides over {}", decides.over);
        for text in decides.rule.lines() {
            let _ = writeln!(out, "  {}", printable(text));
        }
    }
    out
}

/// `control show --format json`.
pub(crate) fn control_json(catalogue: &Catalogue, c: &Control) -> Value {
    let mut value = one(catalogue, c);
    if let Some(object) = value.as_object_mut() {
        object.insert("version".into(), 1.into());
        object.insert("rule".into(), json!(c.decides.as_ref().map(|d| &d.rule)));
    }
    value
}

/// `control test`.
pub(crate) fn tried(controls: usize, examples: u64, wrong: &[Wrong]) -> String {
    let mut out = String::new();
    for w in wrong {
        let _ = writeln!(
            out,
            "✗ {}: example {} under `{}` comes out as {}: {}",
            w.control,
            w.example,
            w.wanted,
            w.got,
            printable(&w.why)
        );
    }
    let mark = if wrong.is_empty() { "✓" } else { "✗" };
    let _ = writeln!(out, "{mark} {examples} examples of {controls} controls, {} came out otherwise", wrong.len());
    out
}

/// `control test --format json`.
pub(crate) fn tried_json(controls: usize, examples: u64, wrong: &[Wrong]) -> Value {
    let each = wrong
        .iter()
        .map(|w| json!({"control": w.control, "example": w.example, "wanted": w.wanted, "got": w.got, "why": w.why}));
    json!({"version": 1, "controls": controls, "examples": examples, "wrong": each.collect::<Vec<_>>()})
}
