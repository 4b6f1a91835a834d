//! What `retention`, `hold` and `records-officer` say.

use std::fmt::Write as _;

use countersign_govern::retention::{Due, Kept};
use countersign_model::Retention;
use countersign_model::retention::schedule::Schedule;
use countersign_model::retention::{ClassRule, KeptUntil};
use countersign_store::projection::{CertificateRow, ErasureRow, Group, OfficeRow};
use serde_json::{Value, json};

use super::{count, printable};

/// How many groups of entries are listed for people. Programs get them all.
const LISTED: usize = 20;

pub(super) fn until_json(until: &KeptUntil) -> Value {
    match until {
        KeptUntil::Date(date) => json!({"date": date}),
        KeptUntil::Awaits(event) => json!({"awaits": event}),
        KeptUntil::Always(class) => json!({"always": class}),
    }
}

/// What keeps one entry.
pub(crate) fn entry(k: &Kept) -> String {
    let mut out = String::new();
    let e = &k.entry;
    let _ = writeln!(out, "entry {}  {}  {}  class {}", e.index, e.kind.as_str(), e.time, e.retention);
    for ground in &k.kept.grounds {
        let by = match ground.extension {
            Some(index) => format!("extension in entry {index}"),
            None => "its own class".to_owned(),
        };
        let class = ground.class.map(|c| format!(" {c}")).unwrap_or_default();
        let _ = writeln!(out, "  kept {}  ({by}{class})", ground.until);
    }
    if let Some(immediate) = k.immediate {
        let _ = writeln!(out, "  at hand without delay until {immediate}");
    }
    for matter in &k.kept.holds {
        let _ = writeln!(out, "  under hold for {}", printable(matter));
    }
    if !e.kind.is_disposable() {
        out.push_str("  its payload is never disposed of: who is trusted with what depends on it\n");
    }
    match k.disposed {
        Some(certificate) => {
            let _ = writeln!(out, "its payload was disposed of by the certificate in entry {certificate}");
        }
        None => {
            let _ = writeln!(out, "kept {}", k.kept.until);
        }
    }
    out
}

/// The same for programs.
pub(crate) fn entry_json(k: &Kept) -> Value {
    let e = &k.entry;
    json!({
        "version": 1, "index": e.index, "kind": e.kind, "time": e.time, "class": e.retention, "run": e.run,
        "kept": until_json(&k.kept.until), "holds": k.kept.holds, "immediate": k.immediate, "disposed": k.disposed,
        "disposable": e.kind.is_disposable(),
        "grounds": k.kept.grounds.iter().map(|g| json!({
            "class": g.class, "extension": g.extension, "kept": until_json(&g.until),
        })).collect::<Vec<_>>(),
    })
}

fn group_line(group: &Group) -> String {
    let what = match (&group.run, group.entries.first()) {
        (Some(run), _) => run.to_string(),
        (None, Some((entry, _))) => format!("entry {} ({})", entry.index, entry.kind.as_str()),
        (None, None) => String::new(),
    };
    let until = group.until().map(|u| format!("kept {u}")).unwrap_or_default();
    let holds: Vec<String> = group.holds().into_iter().map(printable).collect();
    let holds = if holds.is_empty() { String::new() } else { format!(", under hold for {}", holds.join(", ")) };
    let n = count(group.entries.len() as u64, "entry", "entries");
    format!("  {what}  {n}, {until}{holds}\n")
}

pub(super) fn group_json(group: &Group) -> Value {
    json!({
        "run": group.run, "entries": group.entries.iter().map(|(e, _)| e.index).collect::<Vec<_>>(),
        "kept": group.until().map(until_json), "holds": group.holds(),
    })
}

pub(super) fn groups(out: &mut String, title: &str, groups: &[Group]) {
    if groups.is_empty() {
        return;
    }
    let _ = writeln!(out, "{title}");
    for group in groups.iter().take(LISTED) {
        out.push_str(&group_line(group));
    }
    if groups.len() > LISTED {
        let _ = writeln!(out, "  and {} more", groups.len() - LISTED);
    }
}

/// What is due.
pub(crate) fn due(d: &Due) -> String {
    let mut out = format!("by the machine's clock, {}:\n", d.now);
    groups(&mut out, "free", &d.free);
    groups(&mut out, "free by their dates, and needed: releases are held against them", &d.in_use);
    groups(&mut out, "kept", &d.kept);
    if d.free.is_empty() {
        out.push_str("nothing is free\n");
    } else {
        out.push_str("Next: countersign ledger dispose --out FILE --today YYYY-MM-DD\n");
    }
    out
}

/// The same for programs.
pub(crate) fn due_json(d: &Due) -> Value {
    let all = |groups: &[Group]| groups.iter().map(group_json).collect::<Vec<_>>();
    json!({"version": 1, "now": d.now, "free": all(&d.free), "in_use": all(&d.in_use), "kept": all(&d.kept)})
}

fn rule_line(out: &mut String, class: Retention, rule: &ClassRule, index: Option<u64>) {
    let immediate = rule.immediate.map(|i| format!(", at hand for {i}")).unwrap_or_default();
    let by = index.map(|i| format!(" (entry {i})")).unwrap_or_default();
    let text = printable(&rule.source);
    let _ = writeln!(out, "  {class:<14} {} from {}{immediate}; {text}{by}", rule.period, rule.start);
}

/// Everything about retention.
pub(crate) struct Everything {
    pub(crate) schedule: Schedule,
    pub(crate) default: (Retention, Option<u64>),
    pub(crate) certificates: Vec<CertificateRow>,
    pub(crate) requests: Vec<ErasureRow>,
}

/// The people's form.
pub(crate) fn everything(all: &Everything) -> String {
    let Everything { schedule: s, default: (class, chosen), certificates, requests } = all;
    let by = chosen.map(|index| format!(" (entry {index})")).unwrap_or_default();
    let mut out = format!("what is recorded now is of class {class}{by}\nclasses\n");
    for class in Retention::BUILT_IN {
        if let Some(rule) = class.rule() {
            rule_line(&mut out, class, &rule, None);
        }
    }
    for (class, defined) in &s.classes {
        rule_line(&mut out, *class, &defined.rule, Some(defined.index));
    }
    if !s.starts.is_empty() {
        out.push_str("started\n");
    }
    for start in &s.starts {
        let _ = writeln!(out, "  {} on {} for {} (entry {})", start.event, start.on, start.selector, start.index);
    }
    if !s.extensions.is_empty() {
        out.push_str("extended\n");
    }
    for e in &s.extensions {
        let class = e.class.map(|c| format!(" as {c}")).unwrap_or_default();
        let until = e.until.map(|d| format!(" until {d}")).unwrap_or_default();
        let _ = writeln!(out, "  {}{class}{until} (entry {})", e.selector, e.index);
    }
    let open = s.open_holds().count() as u64;
    if open > 0 {
        let _ = writeln!(out, "{}: countersign hold list", count(open, "open hold", "open holds"));
    }
    if !certificates.is_empty() {
        out.push_str("disposed\n");
    }
    for c in certificates {
        let done = match &c.completed {
            None => "not completed: countersign ledger dispose --finish".to_owned(),
            Some(done) if done.remaining.is_empty() => format!("{} removed", count(done.removed, "blob", "blobs")),
            Some(done) => {
                format!("{} removed, {} still there", count(done.removed, "blob", "blobs"), done.remaining.len())
            }
        };
        let n = count(c.entries, "entry", "entries");
        let _ = writeln!(out, "  {n} by the certificate in entry {}, counting with {}; {done}", c.index, c.now);
    }
    if !requests.is_empty() {
        out.push_str("erasures that wait\n");
    }
    for r in requests {
        let _ = writeln!(out, "  {} (entry {})", r.person, r.index);
    }
    out
}

/// The same for programs.
pub(crate) fn everything_json(all: &Everything) -> Value {
    let Everything { schedule: s, default: (class, chosen), certificates, requests } = all;
    let built_in = Retention::BUILT_IN.into_iter().filter_map(|c| Some((c, c.rule()?, None)));
    let own = s.classes.iter().map(|(c, d)| (*c, d.rule.clone(), Some(d.index)));
    json!({
        "version": 1,
        "default": {"class": class, "index": chosen},
        "classes": built_in.chain(own).map(|(class, rule, index)| json!({
            "class": class, "rule": rule, "index": index,
        })).collect::<Vec<_>>(),
        "starts": s.starts.iter().map(|x| json!({
            "index": x.index, "event": x.event, "selector": x.selector, "on": x.on,
        })).collect::<Vec<_>>(),
        "extensions": s.extensions.iter().map(|x| json!({
            "index": x.index, "selector": x.selector, "class": x.class, "until": x.until,
        })).collect::<Vec<_>>(),
        "certificates": certificates.iter().map(|c| json!({
            "index": c.index, "plan": c.plan, "entries": c.entries, "ordered_by": c.ordered_by,
            "confirmed_by": c.confirmed_by, "now": c.now,
            "completed": c.completed.as_ref().map(|d| json!({
                "index": d.index, "removed": d.removed, "remaining": d.remaining,
            })),
        })).collect::<Vec<_>>(),
        "erasure_requests": requests.iter().map(|r| json!({
            "index": r.index, "person": r.person, "by": r.by, "reason": r.reason, "time": r.time,
        })).collect::<Vec<_>>(),
    })
}

/// Every hold.
pub(crate) fn holds(s: &Schedule) -> String {
    let mut out = String::new();
    for h in &s.holds {
        let state = match &h.released {
            None => "open".to_owned(),
            Some(r) => format!("released {} (entry {}: {})", r.time, r.index, printable(&r.reason)),
        };
        let _ = writeln!(
            out,
            "{}  {}  since {} (entry {}: {}), {state}",
            printable(&h.matter),
            h.selector,
            h.time,
            h.index,
            printable(&h.reason)
        );
    }
    if out.is_empty() {
        out.push_str("no hold was ever placed: countersign hold place MATTER --select SELECTOR --reason TEXT\n");
    }
    out
}

/// The same for programs.
pub(crate) fn holds_json(s: &Schedule) -> Value {
    json!({
        "version": 1,
        "holds": s.holds.iter().map(|h| json!({
            "index": h.index, "matter": h.matter, "selector": h.selector, "by": h.by, "reason": h.reason,
            "time": h.time,
            "released": h.released.as_ref().map(|r| json!({
                "index": r.index, "by": r.by, "reason": r.reason, "time": r.time,
            })),
        })).collect::<Vec<_>>(),
    })
}

/// Who holds which office.
pub(crate) fn offices(rows: &[(String, OfficeRow)]) -> String {
    let mut out = String::new();
    for (name, row) in rows {
        let _ = writeln!(out, "{:<30} {}  since {} (entry {})", row.office, printable(name), row.time, row.index);
    }
    if out.is_empty() {
        out.push_str(
            "nobody holds an office: countersign records-officer designate PERSON designated-executive-officer\n",
        );
    }
    out
}

/// The same for programs.
pub(crate) fn offices_json(rows: &[(String, OfficeRow)]) -> Value {
    json!({
        "version": 1,
        "offices": rows.iter().map(|(name, r)| json!({
            "person": r.person, "name": name, "office": r.office, "by": r.by, "time": r.time, "index": r.index,
        })).collect::<Vec<_>>(),
    })
}
