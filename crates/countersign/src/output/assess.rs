//! Assessments and certificates as people and programs read them.

use std::fmt::Write as _;

use countersign_govern::assess::certificate::{Certificate, Shown};
use countersign_govern::assess::{Assessed, Assessment, JudgedRequirement, maturity};
use countersign_model::Outcome;
use countersign_policy::Catalogue;
use serde_json::{Value, json};

use super::catalogue::UNVERIFIED;
use super::{Paint, count, printable};

/// How many breaches of a control are listed in text, and in JSON.
const SHOWN: usize = 3;
const LISTED: usize = 500;

/// Outcomes in the order in which they are counted.
const OUTCOMES: [Outcome; 8] = [
    Outcome::Pass,
    Outcome::Waived,
    Outcome::Mitigated,
    Outcome::Fail,
    Outcome::Error,
    Outcome::Pending,
    Outcome::NotEvaluated,
    Outcome::NotApplicable,
];

fn mark(outcome: Outcome, p: &Paint) -> (&'static str, &'static str) {
    match outcome {
        Outcome::Pass | Outcome::Waived | Outcome::Mitigated => ("✓", p.good),
        Outcome::Fail | Outcome::Error => ("✗", p.bad),
        Outcome::Pending => ("…", p.wait),
        Outcome::NotEvaluated => ("?", p.wait),
        Outcome::NotApplicable => ("-", p.dim),
    }
}

pub(crate) fn counts(requirements: &[JudgedRequirement]) -> Vec<(Outcome, usize)> {
    OUTCOMES
        .into_iter()
        .map(|o| (o, requirements.iter().filter(|r| r.outcome == o).count()))
        .filter(|(_, n)| *n > 0)
        .collect()
}

pub(crate) fn unverified(requirements: &[JudgedRequirement]) -> usize {
    requirements.iter().filter(|r| !r.requirement.verified).count()
}

fn entries(indices: &[u64], in_all: usize) -> String {
    let shown: Vec<String> = indices.iter().take(8).map(u64::to_string).collect();
    let more = in_all.saturating_sub(shown.len());
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    match shown.as_slice() {
        [] => "no entry".to_owned(),
        [one] if in_all < 2 => format!("entry {one}"),
        _ => format!("entries {}{more}", shown.join(", ")),
    }
}

/// For people. `whole`: every requirement, and not the sums alone.
pub(crate) fn text(a: &Assessment, catalogue: &Catalogue, recorded: Option<u64>, whole: bool, p: &Paint) -> String {
    let mut out = format!(
        "{}Assessment{} of {}, from {} to {}\n  {} entries, root {}\n  catalogue {}, facts {}\n",
        p.bold, p.reset, a.origin, a.window.from, a.window.to, a.size, a.root, a.catalogue, a.facts_digest
    );
    for u in &a.unreadable {
        let _ = writeln!(
            out,
            "  {}cannot be read{}: {} of entry {}: {}",
            p.bad,
            p.reset,
            u.collection,
            u.index,
            printable(&u.why)
        );
    }
    for f in &a.frameworks {
        out.push('\n');
        framework(&mut out, f, catalogue, p);
        if whole {
            f.requirements.iter().for_each(|r| requirement(&mut out, r, p));
        }
    }
    if whole {
        breaches(&mut out, a, p);
    }
    maturity_text(&mut out, a, p);
    plan(&mut out, a, whole, p);
    if let Some(index) = recorded {
        let _ = writeln!(out, "\n✓ recorded (entry {index})");
    }
    if !whole {
        let _ = writeln!(out, "\nNext: countersign assess --framework ID, or --format html");
    }
    out
}

fn framework(out: &mut String, f: &Assessed, catalogue: &Catalogue, p: &Paint) {
    let own = if catalogue.added.contains(&f.framework.id) { "  (of this project)" } else { "" };
    let _ = writeln!(out, "{}{}{}  {}{own}", p.bold, f.framework.id, p.reset, printable(&f.framework.title));
    let counted: Vec<String> = counts(&f.requirements).iter().map(|(o, n)| format!("{n} {o}")).collect();
    let _ = writeln!(
        out,
        "  {}: {}; {} {UNVERIFIED}; checked on {}",
        count(f.requirements.len() as u64, "requirement", "requirements"),
        counted.join(", "),
        unverified(&f.requirements),
        f.framework.checked_on
    );
}

fn requirement(out: &mut String, r: &JudgedRequirement, p: &Paint) {
    let (sign, colour) = mark(r.outcome, p);
    let unverified = if r.requirement.verified { String::new() } else { format!("  [{UNVERIFIED}]") };
    let _ = writeln!(
        out,
        "\n  {colour}{sign} {:<14}{} {}{unverified}\n      {}",
        r.outcome.as_str(),
        p.reset,
        printable(&r.requirement.id),
        printable(&r.requirement.duty)
    );
    let _ = writeln!(out, "      {}", printable(&r.why));
    for (control, outcome) in &r.controls {
        let (sign, colour) = mark(*outcome, p);
        let _ = writeln!(out, "        {colour}{sign}{} {control}: {outcome}", p.reset);
    }
    if !r.missing.is_empty() {
        let _ = writeln!(out, "      missing: {}", r.missing.join(", "));
    }
    if !r.entries.is_empty() {
        let _ = writeln!(out, "      evidence: {}", entries(&r.entries, r.entries_in_all));
    }
}

fn breaches(out: &mut String, a: &Assessment, p: &Paint) {
    let broken: Vec<_> = a.controls.iter().filter(|c| !c.judgement.failing.is_empty()).collect();
    if broken.is_empty() {
        return;
    }
    let _ = writeln!(out, "\n{}What breaks controls{}", p.bold, p.reset);
    for c in broken {
        let _ = writeln!(out, "  {}: {}", c.id, printable(&c.judgement.why));
        for f in c.judgement.failing.iter().take(SHOWN) {
            let at = entries(&f.entries, f.entries.len());
            let _ = writeln!(out, "    {}: {} ({at})", printable(&f.subject), printable(&f.text));
        }
        let more = c.judgement.failing.len().saturating_sub(SHOWN);
        if more > 0 {
            let _ = writeln!(out, "    and {more} more");
        }
    }
}

fn maturity_text(out: &mut String, a: &Assessment, p: &Paint) {
    let m = &a.maturity;
    let _ = writeln!(
        out,
        "\n{}Maturity{}  level {} of 4, {}: the lowest of ten dimensions",
        p.bold,
        p.reset,
        m.level,
        maturity::name(m.level)
    );
    for d in &m.dimensions {
        let _ = writeln!(out, "  {:<4} {}  {} ({})", d.id, d.level, d.title, maturity::name(d.level));
        for b in &d.blocking {
            let _ = writeln!(out, "         {}", printable(&b.fact));
        }
    }
    if !m.changes.is_empty() {
        let _ = writeln!(out, "  To reach level {}:", m.level.saturating_add(1));
        for change in &m.changes {
            let _ = writeln!(out, "    [ ] {}", printable(change));
        }
    }
}

fn plan(out: &mut String, a: &Assessment, whole: bool, p: &Paint) {
    let _ = writeln!(out, "\n{}Plan{}", p.bold, p.reset);
    for days in [30, 60, 90] {
        let items: Vec<_> = a.plan.items.iter().filter(|i| i.days == days).collect();
        if items.is_empty() {
            continue;
        }
        let _ = writeln!(out, "  Within {days} days");
        let most = if whole { usize::MAX } else { 5 };
        for item in items.iter().take(most) {
            let _ = writeln!(
                out,
                "    [ ] {} ({}; moves {})",
                printable(&item.what),
                item.owner,
                count(item.requirements.len() as u64, "requirement", "requirements")
            );
        }
        let more = items.len().saturating_sub(most.min(items.len()));
        if more > 0 {
            let _ = writeln!(out, "    and {more} more");
        }
    }
}

/// For programs; `schemas/assess.v1.json`.
pub(crate) fn to_json(a: &Assessment, catalogue: &Catalogue, recorded: Option<u64>) -> Value {
    let summary = |requirements: &[JudgedRequirement]| {
        let mut all = serde_json::Map::new();
        for outcome in OUTCOMES {
            let n = requirements.iter().filter(|r| r.outcome == outcome).count();
            all.insert(outcome.as_str().to_owned(), n.into());
        }
        all.insert("unverified".into(), unverified(requirements).into());
        Value::Object(all)
    };
    let frameworks = a.frameworks.iter().map(|f| {
        let requirements = f.requirements.iter().map(|r| {
            json!({
                "id": r.requirement.id, "duty": r.requirement.duty, "class": r.requirement.class,
                "verified": r.requirement.verified, "checked_in": r.requirement.checked_in,
                "checked_on": r.requirement.checked_on, "outcome": r.outcome, "why": r.why,
                "controls": r.controls.iter().map(|(id, outcome)| json!({"id": id, "outcome": outcome})).collect::<Vec<_>>(),
                "entries": r.entries, "entries_in_all": r.entries_in_all, "missing": r.missing,
                "related": r.requirement.related,
            })
        });
        json!({
            "id": f.framework.id, "title": f.framework.title, "publisher": f.framework.publisher,
            "source": f.framework.source, "licence": f.framework.licence, "attribution": f.framework.attribution,
            "checked_on": f.framework.checked_on, "added": catalogue.added.contains(&f.framework.id),
            "summary": summary(&f.requirements), "requirements": requirements.collect::<Vec<_>>(),
        })
    });
    let controls = a.controls.iter().map(|c| {
        let j = &c.judgement;
        json!({
            "id": c.id, "title": c.title, "owner": c.owner, "sla_hours": c.sla_hours, "digest": c.digest,
            "added": catalogue.added.contains(&c.id), "outcome": j.outcome, "why": j.why, "population": j.population,
            "failing": j.failing.iter().take(LISTED).collect::<Vec<_>>(), "failing_in_all": j.failing.len(),
            "entries": j.entries, "entries_in_all": j.entries_in_all, "missing": j.missing,
        })
    });
    let dimensions = a.maturity.dimensions.iter().map(|d| {
        let blocking = d
            .blocking
            .iter()
            .map(|b| json!({"fact": b.fact, "change": b.change, "subjects": b.subjects, "count": b.count}));
        json!({"id": d.id, "title": d.title, "level": d.level, "blocking": blocking.collect::<Vec<_>>()})
    });
    let plan = a.plan.items.iter().map(|i| {
        json!({
            "days": i.days, "what": i.what, "owner": i.owner, "controls": i.controls, "requirements": i.requirements,
        })
    });
    let unreadable = a.unreadable.iter().map(|u| json!({"collection": u.collection, "index": u.index, "why": u.why}));
    json!({
        "version": 1,
        "ledger": {"origin": a.origin, "size": a.size, "root": a.root},
        "window": {"from": a.window.from, "to": a.window.to},
        "catalogue": a.catalogue, "facts": a.facts_digest, "outcome": a.outcome(), "recorded": recorded,
        "unreadable": unreadable.collect::<Vec<_>>(),
        "frameworks": frameworks.collect::<Vec<_>>(),
        "controls": controls.collect::<Vec<_>>(),
        "maturity": {
            "level": a.maturity.level, "name": maturity::name(a.maturity.level),
            "dimensions": dimensions.collect::<Vec<_>>(), "changes": a.maturity.changes,
        },
        "plan": plan.collect::<Vec<_>>(),
    })
}

/// A certificate for people.
pub(crate) fn certificate(c: &Certificate, p: &Paint) -> String {
    let mut out = format!(
        "{}Certificate{} of the control {}: {}\n  from {} to {}\n  ledger {}, {} entries, root {}\n  version here  {}\n\n",
        p.bold,
        p.reset,
        c.control,
        printable(&c.title),
        c.window.from,
        c.window.to,
        c.origin,
        c.size,
        c.root,
        c.digest
    );
    for s in &c.statements {
        let (sign, colour) = match s.shown {
            Shown::Proved => ("✓", p.good),
            Shown::Refuted => ("✗", p.bad),
            Shown::NotProved => ("?", p.wait),
            Shown::NotApplicable => ("-", p.dim),
        };
        let _ = writeln!(out, "  {colour}{sign} {:<14}{} {}", s.shown.as_str(), p.reset, s.what);
        let at =
            if s.entries.is_empty() { String::new() } else { format!(" ({})", entries(&s.entries, s.entries.len())) };
        let _ = writeln!(out, "      {}{at}", printable(&s.because));
    }
    let _ = writeln!(out, "\n{}Operations{}  {}", p.bold, p.reset, c.operations.len());
    for o in &c.operations {
        let (sign, colour) = mark(o.outcome, p);
        let text = o.text.as_ref().map(|t| format!(": {}", printable(t))).unwrap_or_default();
        let at = entries(&o.entries, o.entries.len());
        let _ = writeln!(out, "  {colour}{sign}{} {}  {}{text} ({at})", p.reset, o.time, printable(&o.subject));
    }
    if let Some(why) = &c.without {
        let _ = writeln!(out, "  none: {}", printable(why));
    }
    let word = match c.shown() {
        Shown::Proved => "the control did not change and worked; it need not be tested again for this period",
        Shown::Refuted => "something changed: test the control again from there on",
        Shown::NotProved | Shown::NotApplicable => "not proved: see what is missing above",
    };
    let _ = writeln!(out, "\n{}  {word}", c.shown().as_str());
    out
}

/// A certificate for programs; `schemas/certificate.v1.json`.
pub(crate) fn certificate_json(c: &Certificate) -> Value {
    let statements = c
        .statements
        .iter()
        .map(|s| json!({"what": s.what, "shown": s.shown.as_str(), "because": s.because, "entries": s.entries}));
    let operations = c.operations.iter().map(
        |o| json!({"subject": o.subject, "time": o.time, "outcome": o.outcome, "text": o.text, "entries": o.entries}),
    );
    json!({
        "version": 1, "control": c.control, "title": c.title, "digest": c.digest,
        "ledger": {"origin": c.origin, "size": c.size, "root": c.root},
        "window": {"from": c.window.from, "to": c.window.to},
        "shown": c.shown().as_str(), "statements": statements.collect::<Vec<_>>(),
        "operations": operations.collect::<Vec<_>>(), "without": c.without,
    })
}
