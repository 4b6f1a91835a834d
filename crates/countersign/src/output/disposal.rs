//! What `ledger dispose` and `ledger erase-subject` say.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use countersign_govern::retention::{Disposed, Erasure, Finished, Planned};
use countersign_model::retention::DisposalPlan;
use countersign_store::disposal::DisposalOrder;
use serde_json::{Value, json};

use super::retention::{group_json, groups, until_json};
use super::{count, printable};

/// How many of what forbids an erasure are listed for people.
const LISTED: usize = 10;

fn summary(out: &mut String, plan: &DisposalPlan) {
    let mut kinds = BTreeMap::<&str, u64>::new();
    for entry in &plan.entries {
        *kinds.entry(entry.kind.as_str()).or_default() += 1;
    }
    let _ = writeln!(
        out,
        "{} of {}, {} to be removed, {} that stay because others need them",
        count(plan.entries.len() as u64, "payload", "payloads"),
        count(plan.runs.len() as u64, "run", "runs"),
        count(plan.blobs.len() as u64, "blob", "blobs"),
        plan.shared.len()
    );
    for (kind, n) in kinds {
        let _ = writeln!(out, "  {n:>6}  {kind}");
    }
    let _ = writeln!(out, "  newest entry of the log: {}; the clock says {}", plan.newest, plan.time);
    let holds: Vec<String> = plan.holds.iter().map(|m| printable(m)).collect();
    if !holds.is_empty() {
        let _ = writeln!(out, "  open holds, none of them on any of this: {}", holds.join(", "));
    }
}

/// What could go.
pub(crate) fn plan(p: &Planned) -> String {
    let mut out = String::new();
    match &p.plan {
        Some(plan) => {
            out.push_str("by the machine's clock this could go: ");
            summary(&mut out, plan);
        }
        None => out.push_str("nothing is free\n"),
    }
    groups(&mut out, "free by their dates, and needed: releases are held against them", &p.in_use);
    let _ = writeln!(out, "kept: {}", count(p.kept as u64, "group of entries", "groups of entries"));
    if p.left_over > 0 {
        let _ = writeln!(out, "left for the next plan: {}", count(p.left_over as u64, "group", "groups"));
    }
    out.push_str(match p.plan {
        Some(_) => "Next: countersign ledger dispose --out FILE --today YYYY-MM-DD\n",
        None => "Next: countersign retention show --due\n",
    });
    out
}

/// The same for programs.
pub(crate) fn plan_json(p: &Planned) -> Value {
    json!({
        "version": 1, "plan": p.plan, "in_use": p.in_use.iter().map(group_json).collect::<Vec<_>>(),
        "kept": p.kept, "left_over": p.left_over,
    })
}

/// The first signature.
pub(crate) fn order(o: &DisposalOrder, file: &Path) -> String {
    let mut out = String::from("✓ signed as the first of two: ");
    summary(&mut out, &o.plan);
    let file = printable(&file.display().to_string());
    let _ =
        writeln!(out, "Next, within seven days, somebody else: countersign ledger dispose {file} --today YYYY-MM-DD");
    out
}

/// The same for programs.
pub(crate) fn order_json(o: &DisposalOrder, file: &Path) -> Value {
    json!({"version": 1, "file": file.to_string_lossy(), "plan": o.plan})
}

fn ended(out: &mut String, f: &Finished) {
    let _ = writeln!(out, "  {} removed (entry {})", count(f.removed, "blob", "blobs"), f.index);
    let shared = f.remaining.iter().filter(|r| r.why == "shared").count();
    if shared > 0 {
        let _ = writeln!(
            out,
            "  {} stay, for an entry that is kept speaks of them too",
            count(shared as u64, "blob", "blobs")
        );
    }
    for r in f.remaining.iter().filter(|r| r.why != "shared") {
        let _ = writeln!(out, "  still there: {} ({})", r.blob, printable(&r.why));
    }
}

fn finished_value(f: &Finished) -> Value {
    json!({"certificate": f.certificate, "index": f.index, "removed": f.removed, "remaining": f.remaining})
}

/// Removals that were completed.
pub(crate) fn finished(all: &[Finished]) -> String {
    let mut out = String::new();
    for f in all {
        let _ = writeln!(out, "✓ the disposal of entry {} is completed", f.certificate);
        ended(&mut out, f);
    }
    if out.is_empty() {
        out.push_str("✓ no removal was interrupted\n");
    }
    out
}

/// The same for programs.
pub(crate) fn finished_json(all: &[Finished]) -> Value {
    json!({"version": 1, "finished": all.iter().map(finished_value).collect::<Vec<_>>()})
}

/// The second signature, and what it did.
pub(crate) fn disposed(d: &Disposed) -> String {
    let mut out = format!(
        "✓ {} disposed of (certificate in entry {}, counting with {})\n",
        count(d.entries as u64, "payload is", "payloads are"),
        d.certificate,
        d.now
    );
    ended(&mut out, &d.finished);
    out.push_str("  every entry, tile and proof is where it was: countersign verify\n");
    if !d.erased.is_empty() {
        out.push_str(&erasures(&d.erased, true));
    }
    out
}

/// The same for programs.
pub(crate) fn disposed_json(d: &Disposed) -> Value {
    json!({
        "version": 1, "certificate": d.certificate, "now": d.now, "entries": d.entries,
        "finished": finished_value(&d.finished), "erasures": d.erased.iter().map(erasure_value).collect::<Vec<_>>(),
    })
}

/// What became of people's data.
pub(crate) fn erasures(all: &[Erasure], dated: bool) -> String {
    let mut out = String::new();
    for e in all {
        let who = printable(e.name.as_deref().unwrap_or_else(|| e.person.as_str()));
        match e.erased {
            Some(index) => {
                let _ = writeln!(out, "✓ the data of {} is erased (entry {index}); its key is destroyed", e.person);
            }
            None if e.forbids.is_empty() => {
                let _ = writeln!(out, "the request for {who} is recorded (entry {}); nothing forbids it", e.request);
                if !dated {
                    let _ = writeln!(out, "Next: countersign ledger erase-subject --due --today YYYY-MM-DD");
                }
            }
            None => forbidden(&mut out, e, &who),
        }
        let _ = writeln!(
            out,
            "  still provable: {} that {} caused, each by index, receipt and signature; keys {}",
            count(e.entries as u64, "entry", "entries"),
            e.person,
            e.keys.join(", ")
        );
    }
    if out.is_empty() {
        out.push_str("✓ no request for erasure waits\n");
    }
    out
}

fn forbidden(out: &mut String, e: &Erasure, who: &str) {
    let _ = writeln!(out, "the data of {who} may not be erased yet; the request is recorded (entry {})", e.request);
    for f in e.forbids.iter().take(LISTED) {
        let holds: Vec<String> = f.kept.holds.iter().map(|m| printable(m)).collect();
        let holds = if holds.is_empty() { String::new() } else { format!(", under hold for {}", holds.join(", ")) };
        let _ = writeln!(out, "  entry {} ({}) is kept {}{holds}", f.entry.index, f.entry.kind.as_str(), f.kept.until);
    }
    if e.forbids.len() > LISTED {
        let _ = writeln!(out, "  and {} more", e.forbids.len() - LISTED);
    }
    let when = match e.until {
        Some(until) => format!("after {until}"),
        None => "when nothing forbids it any more".to_owned(),
    };
    let _ = writeln!(out, "Next, {when}: countersign ledger erase-subject --due --today YYYY-MM-DD");
}

fn erasure_value(e: &Erasure) -> Value {
    json!({
        "person": e.person, "request": e.request, "erased": e.erased, "until": e.until,
        "forbids": e.forbids.iter().map(|f| json!({
            "index": f.entry.index, "kind": f.entry.kind, "kept": until_json(&f.kept.until), "holds": f.kept.holds,
        })).collect::<Vec<_>>(),
        "provable": {"entries": e.entries, "keys": e.keys},
    })
}

/// The same for programs.
pub(crate) fn erasures_json(all: &[Erasure]) -> Value {
    json!({"version": 1, "erasures": all.iter().map(erasure_value).collect::<Vec<_>>()})
}
