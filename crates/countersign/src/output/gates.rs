//! Gates and required signatures, as text and as JSON.

use std::fmt::Write as _;

use countersign_model::access::Duty;
use countersign_model::governance::Level;
use countersign_model::{Outcome, RunId};
use countersign_policy::enforcement::{Enforced, Standing};
use countersign_policy::quorum::Why;
use countersign_stages::release::rules::GateStatus;
pub(crate) use countersign_stages::release::told::to_json;
use countersign_store::projection::State;

use super::{Paint, printable};
use crate::errors::Failure;

/// A sign, a colour and a word for an outcome.
pub(crate) const fn sign(outcome: Outcome, p: &Paint) -> (&'static str, &'static str) {
    match outcome {
        Outcome::Pass | Outcome::Waived | Outcome::Mitigated => ("✓", p.good),
        Outcome::Fail | Outcome::Error | Outcome::NotEvaluated => ("✗", p.bad),
        Outcome::Pending => ("…", p.wait),
        Outcome::NotApplicable => ("-", p.dim),
    }
}

/// How many reasons of one code are printed; the rest are counted.
const REASONS_SHOWN: usize = 5;

/// One block a gate: its outcome, then its reasons.
pub(crate) fn table(gates: &[GateStatus], p: &Paint) -> String {
    let mut out = String::new();
    for gate in gates {
        let (mark, colour) = sign(gate.outcome, p);
        let _ = writeln!(out, "  {colour}{mark} {:<12} {}{}", gate.name, gate.outcome, p.reset);
        let mut shown: std::collections::BTreeMap<&str, usize> = std::collections::BTreeMap::new();
        for reason in &gate.reasons {
            let n = shown.entry(&reason.code).or_default();
            *n += 1;
            if *n > REASONS_SHOWN {
                continue;
            }
            let colour = if reason.blocks() { "" } else { p.dim };
            let reset = if colour.is_empty() { "" } else { p.reset };
            let how = reason.enforced.as_ref().map(how).unwrap_or_default();
            let _ = writeln!(out, "      {colour}{}{how}: {}{reset}", reason.code, printable(&reason.text));
        }
        for (code, n) in shown.into_iter().filter(|(_, n)| *n > REASONS_SHOWN) {
            let _ = writeln!(out, "      {}{code}: and {} more{}", p.dim, n - REASONS_SHOWN, p.reset);
        }
    }
    out
}

/// What became of a reason, in brackets, where that is not plain: it blocks, as everything did before there were levels.
fn how(enforced: &Enforced) -> String {
    match (&enforced.by, enforced.standing) {
        (Some(by), standing) => format!(" [{} by {by}]", standing.as_str()),
        (None, Standing::Blocks) if enforced.level == Level::Soft => " [soft]".to_owned(),
        (None, Standing::Blocks) => String::new(),
        (None, standing) => format!(" [{}]", standing.as_str()),
    }
}

/// Who must sign: one line a required signature.
pub(crate) fn signatures(gates: &[GateStatus], run: &RunId, state: &State, p: &Paint) -> Result<String, Failure> {
    let label = |id| state.label(id).map(|name| printable(&name));
    let mut out = String::new();
    for slot in gates.iter().flat_map(|g| &g.slots) {
        let name = &slot.rule.slot;
        for filled in &slot.filled {
            let who = label(&filled.person)?;
            let until = filled.until.map(|end| format!(", until {end}")).unwrap_or_default();
            let _ = writeln!(out, "  {}✓ {name:<12}{} {who} (entry {}{until})", p.good, p.reset, filled.index);
        }
        if slot.missing() > 0 {
            let who: Vec<String> = slot.eligible.iter().map(label).collect::<Result<_, _>>()?;
            let mut by = slot.rule.who();
            if !who.is_empty() {
                let _ = write!(by, ": {}", who.join(" or "));
            }
            if slot.missing() > 1 {
                let _ = write!(by, " ({} of them)", slot.missing());
            }
            let _ = writeln!(out, "  {}… {name:<12}{} {by}", p.wait, p.reset);
            if let Some(first) = slot.waits_for.first() {
                let _ = writeln!(out, "      {}after the {first} approval{}", p.hint, p.reset);
            } else if state.trust().is_some() {
                let _ = writeln!(out, "      {}countersign approve {run} --as {name} --key FILE{}", p.hint, p.reset);
            }
        }
        for (id, held) in &slot.excluded {
            let why = match held.duty {
                Duty::Author | Duty::CoAuthor => "wrote part of this change".to_owned(),
                duty => format!("{duty} ({})", held.by),
            };
            let _ = writeln!(out, "      {}not {}: {why}{}", p.dim, label(id)?, p.reset);
        }
        for idle in slot.idle.iter().filter(|i| i.current && i.why == Why::NoRole) {
            let _ = writeln!(out, "      {}not {}: no longer holds the role{}", p.dim, label(&idle.person)?, p.reset);
        }
    }
    Ok(out)
}
