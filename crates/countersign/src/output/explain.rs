//! Required approvals, slot by slot, with the reason of everything: as text and as JSON.

use std::fmt::Write as _;

use countersign_model::{PersonId, RunId};
use countersign_stages::release::rules::{GateStatus, SlotStatus};
use countersign_store::projection::State;
use serde_json::{Value, json};

use super::{Paint, count, printable};
use crate::errors::Failure;

/// How many people are named in one line; the rest are counted.
const NAMED: usize = 12;

/// Every slot of every gate.
pub(crate) fn text(gates: &[GateStatus], run: &RunId, state: &State, p: &Paint) -> Result<String, Failure> {
    let label = |id: &PersonId| state.label(id).map(|name| printable(&name));
    let mut out = String::new();
    let mut asked = false;
    for gate in gates.iter().filter(|g| !g.slots.is_empty()) {
        asked = true;
        let _ = writeln!(out, "{}", gate.name);
        for slot in &gate.slots {
            let rule = &slot.rule;
            let (mark, colour) = if slot.missing() == 0 { ("✓", p.good) } else { ("…", p.wait) };
            let people = count(rule.count.into(), "person", "people");
            let _ = writeln!(out, "  {colour}{mark} {}{}  {people}: {}{}", rule.slot, p.reset, rule.who(), asks(slot));
            for filled in &slot.filled {
                let until = filled.until.map(|end| format!(", until {end}")).unwrap_or_default();
                let _ = writeln!(out, "      filled by {} (entry {}{until})", label(&filled.person)?, filled.index);
            }
            for idle in &slot.idle {
                let who = label(&idle.person)?;
                let why = printable(&idle.why.text());
                let _ = writeln!(out, "      {}not counted: {who} (entry {}): {why}{}", p.dim, idle.index, p.reset);
            }
            for (id, held) in &slot.excluded {
                let by = printable(&held.by);
                let _ = writeln!(out, "      {}may not: {}, {} ({by}){}", p.dim, label(id)?, held.duty, p.reset);
            }
            if slot.missing() > 0 {
                let mut who: Vec<String> = slot.eligible.iter().take(NAMED).map(label).collect::<Result<_, _>>()?;
                if slot.eligible.len() > NAMED {
                    who.push(format!("{} more", slot.eligible.len() - NAMED));
                }
                let who = if who.is_empty() { "nobody enrolled".to_owned() } else { who.join(", ") };
                let _ = writeln!(out, "      could sign: {who}");
            }
        }
        for no in &gate.rejected {
            let (who, why) = (label(&no.person)?, printable(&no.reason));
            let _ = writeln!(out, "  {}✗ rejected{} by {who} (entry {}): {why}", p.bad, p.reset, no.index);
        }
        let _ = writeln!(out, "  {}", sentence(gate, state)?);
        if let Some(slot) = gate.slots.iter().find(|s| s.missing() > 0 && s.waits_for.is_empty())
            && state.trust().is_some()
        {
            let _ =
                writeln!(out, "  {}countersign approve {run} --as {} --key FILE{}", p.hint, slot.rule.slot, p.reset);
        }
    }
    if !asked {
        out.push_str("no gate of this run needs an approval\n");
    }
    Ok(out)
}

/// What a slot asks for besides a role.
fn asks(slot: &SlotStatus) -> String {
    let rule = &slot.rule;
    let mut parts = Vec::new();
    if !rule.excludes.is_empty() {
        let duties: Vec<&str> = rule.excludes.iter().map(|d| d.as_str()).collect();
        parts.push(format!("no {}", duties.join(", ")));
    }
    if !rule.after.is_empty() {
        let after: Vec<&str> = rule.after.iter().map(|s| s.as_str()).collect();
        parts.push(format!("after {}", after.join(", ")));
    }
    if let Some(hours) = rule.valid_hours {
        parts.push(format!("counts for {hours} h"));
    }
    if rule.strength != Default::default() {
        parts.push(format!("with a {} key", rule.strength));
    }
    if parts.is_empty() { String::new() } else { format!("; {}", parts.join("; ")) }
}

/// What is missing, in one sentence.
fn sentence(gate: &GateStatus, state: &State) -> Result<String, Failure> {
    if let Some(no) = gate.rejected.first() {
        return Ok(format!(
            "Closed until {} takes the rejection back, or a new decision is made.",
            printable(&state.label(&no.person)?)
        ));
    }
    if let Some(no) = &gate.unfillable {
        let people = no.people.iter().map(|p| state.label(p)).collect::<Result<Vec<_>, _>>()?;
        return Ok(format!("It cannot be filled: {}.", printable(&no.text(&people))));
    }
    let missing: Vec<String> =
        gate.slots.iter().filter(|s| s.missing() > 0).map(|s| format!("{} {}", s.missing(), s.rule.slot)).collect();
    Ok(match missing.as_slice() {
        [] => "Every slot is filled by another person.".to_owned(),
        all => format!("Missing: {}.", all.join(", ")),
    })
}

/// The same as JSON.
pub(crate) fn to_json(gates: &[GateStatus], state: &State) -> Result<Value, Failure> {
    let mut all = Vec::new();
    for gate in gates {
        let slots: Vec<Value> = gate.slots.iter().map(slot).collect();
        let unfillable = gate.unfillable.as_ref().map(|no| {
            let slots: Vec<Value> = no.slots.iter().map(|(s, n)| json!({"slot": s, "count": n})).collect();
            json!({"slots": slots, "people": no.people, "missing": no.missing})
        });
        let rejected: Vec<Value> =
            gate.rejected.iter().map(|r| json!({"person": r.person, "index": r.index, "reason": r.reason})).collect();
        let said = if gate.slots.is_empty() { Value::Null } else { json!(sentence(gate, state)?) };
        all.push(json!({
            "name": gate.name, "outcome": gate.outcome, "slots": slots, "rejected": rejected, "unfillable": unfillable,
            "missing": said,
        }));
    }
    Ok(Value::Array(all))
}

fn slot(slot: &SlotStatus) -> Value {
    let rule = &slot.rule;
    let filled = slot.filled.iter().map(|f| json!({"person": f.person, "index": f.index, "until": f.until}));
    let idle = slot.idle.iter().map(|i| {
        json!({
            "person": i.person, "index": i.index, "code": i.why.code(), "text": i.why.text(), "current": i.current,
        })
    });
    let excluded = slot.excluded.iter().map(|(p, h)| json!({"person": p, "duty": h.duty, "by": h.by}));
    json!({
        "slot": rule.slot, "roles": rule.roles, "count": rule.count, "excludes": rule.excludes, "after": rule.after,
        "valid_hours": rule.valid_hours, "strength": rule.strength, "missing": slot.missing(),
        "filled": filled.collect::<Vec<_>>(), "not_counted": idle.collect::<Vec<_>>(),
        "excluded": excluded.collect::<Vec<_>>(), "could_sign": slot.eligible, "waits_for": slot.waits_for,
    })
}
