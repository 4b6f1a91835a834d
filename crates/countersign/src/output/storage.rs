//! What `ledger probe` and `ledger replicate` say.

use std::fmt::Write as _;

use countersign_store::s3::{Held, Location, ProbeReport, Replicated};
use serde_json::{Value, json};

use super::{Paint, count, printable};

const fn word(held: Held) -> &'static str {
    match held {
        Held::Yes => "held",
        Held::No => "broken",
        Held::Unclear => "unclear",
    }
}

/// The people's form of a probe.
pub(crate) fn probe(report: &ProbeReport, index: Option<u64>, p: &Paint) -> String {
    let mut out = format!("{}{}{}\n", p.bold, printable(&report.location), p.reset);
    let colour = |held| match held {
        Held::Yes => p.good,
        Held::No => p.bad,
        Held::Unclear => p.wait,
    };
    for a in &report.attempts {
        let held = a.held;
        let _ = writeln!(
            out,
            "  {}{:<8}{}{:<21}{}",
            colour(held),
            word(held),
            p.reset,
            a.attack.as_str(),
            printable(&a.said)
        );
    }
    let verdict = report.verdict();
    let what = match verdict {
        Held::Yes => "WORM: nothing that was tried destroyed, freed or replaced a locked object",
        Held::No => "storage not WORM: what is locked there can be destroyed, freed or replaced [CS-S3-011]",
        Held::Unclear => "not known: something that was tried could not be judged",
    };
    let _ = writeln!(out, "{}{what}{}", colour(verdict), p.reset);
    if let Some(index) = index {
        let _ = writeln!(out, "recorded as entry {index}");
    }
    out
}

/// A probe for programs.
pub(crate) fn probe_json(report: &ProbeReport, index: Option<u64>) -> Value {
    let attempts: Vec<_> = report
        .attempts
        .iter()
        .map(|a| json!({"attack": a.attack.as_str(), "verdict": word(a.held), "said": a.said}))
        .collect();
    json!({
        "version": 1, "location": report.location, "verdict": word(report.verdict()), "attempts": attempts,
        "swept": report.swept, "entry": index,
    })
}

/// The people's form of a replication.
pub(crate) fn replicated(done: &Replicated, to: &Location) -> String {
    format!(
        "{}: {} (it had {})\n  {} written, {} there already; the checkpoint is locked until {}\n",
        printable(&to.to_string()),
        count(done.size, "entry", "entries"),
        super::thousands(done.from),
        count(done.written, "object", "objects"),
        super::thousands(done.present),
        done.until
    )
}

/// A replication for programs.
pub(crate) fn replicated_json(done: &Replicated, to: &Location) -> Value {
    json!({
        "version": 1, "location": to.to_string(), "from": done.from, "size": done.size, "written": done.written,
        "present": done.present, "locked_until": done.until,
    })
}
