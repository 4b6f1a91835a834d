//! From what a policy says to what holds a change up.

use std::collections::{BTreeMap, BTreeSet};

use countersign_evidence::canonical;
use countersign_model::governance::{Level, WaiverCategory};
use countersign_model::{Digest, Timestamp};
use serde_json::{Value, json};

use super::facts::{Governed, WaiverFact};
use super::{Applied, AppliedWaiver, Assignment, Enforced, Standing};
use crate::gates::{self, Answers, RELEASE};
use crate::{Bundle, Effect, Error, PolicyEngine, Reason, Verdict};

/// What names a reason in an override: its gate and all that it says, whatever became of it.
///
/// # Errors
/// When there is no canonical form.
pub fn reason_digest(gate: &str, reason: &Reason) -> Result<Digest, Error> {
    let said = json!({
        "gate": gate, "effect": reason.effect, "code": reason.code, "text": reason.text, "controls": reason.controls,
    });
    canonical::digest(&said).map_err(Error::canonical)
}

/// A reason by its gate.
type Key = (String, Reason);

/// The verdict under an assignment and waivers.
pub(crate) fn verdict(
    engine: &dyn PolicyEngine,
    bundle: &Bundle,
    facts: &Value,
    time: Timestamp,
    assignment: Option<&Assignment>,
    governed: &Governed,
) -> Result<Verdict, Error> {
    let evaluate = |facts: &Value| gates::answers(engine.evaluate(bundle, facts, time)?, time);
    let whole = evaluate(facts)?;
    let mut applied = Applied {
        assignment: assignment.map(Assignment::digest).transpose()?,
        tier: governed.environment.as_ref().map(|e| e.tier),
        criticality: governed.application.as_ref().map(|a| a.criticality),
        waivers: Vec::with_capacity(governed.waivers.len()),
        overrides: Vec::new(),
    };
    let (mut answers, mut lifted, covered) = without_waived_findings(whole, facts, &governed.waivers, &evaluate)?;
    lift_whole_controls(&answers, &governed.waivers, &mut lifted);
    let mut used: BTreeMap<&str, u64> = BTreeMap::new();
    let mut overrides = BTreeSet::new();
    for gate in &mut answers.gates {
        let mut ruled = BTreeSet::new();
        for mut reason in std::mem::take(&mut gate.reasons) {
            if reason.effect != Effect::Note {
                let level = level(&reason, assignment, governed, &applied);
                let key = (gate.name.clone(), reason.clone());
                let (standing, by) = if let Some(waiver) = lifted.get(&key) {
                    *used.entry(waiver.id.as_str()).or_default() += 1;
                    let standing = match waiver.category {
                        WaiverCategory::Waived => Standing::Waived,
                        WaiverCategory::Mitigated => Standing::Mitigated,
                    };
                    (standing, Some(waiver.id.to_string()))
                } else if let Some(id) = overridden(&gate.name, &reason, level, assignment, governed)? {
                    overrides.insert(id.clone());
                    (Standing::Overridden, Some(id))
                } else {
                    let standing = match level {
                        Level::Audit => Standing::Audited,
                        Level::Advisory => Standing::Advised,
                        Level::Soft | Level::Hard => Standing::Blocks,
                    };
                    (standing, None)
                };
                reason.enforced = Some(Enforced { level, standing, by });
            }
            ruled.insert(reason);
        }
        gate.reasons = ruled;
    }
    for waiver in &governed.waivers {
        let reasons = used.get(waiver.id.as_str()).copied().unwrap_or_default();
        let findings = covered.get(waiver.id.as_str()).copied().unwrap_or_default();
        if reasons > 0 || findings > 0 {
            answers.expires = Some(answers.expires.map_or(waiver.expires, |end| end.min(waiver.expires)));
        } else if let Some(release) = answers.gates.iter_mut().find(|g| g.name == RELEASE) {
            release.reasons.insert(unmatched(waiver));
        }
        applied.waivers.push(AppliedWaiver { id: waiver.id.clone(), findings, reasons });
    }
    applied.overrides = overrides.into_iter().collect();
    let mut verdict = gates::close(answers);
    verdict.enforcement = Some(applied);
    Ok(verdict)
}

/// What the policy says without the findings that waivers cover, and which reasons went away with whose. A waiver that covers
/// findings is looked at by itself, one after the other, so that each reason is lifted by the one that it went away with.
#[expect(clippy::type_complexity, reason = "the three are looked at together, once")]
fn without_waived_findings<'w>(
    whole: Answers,
    facts: &Value,
    waivers: &'w [WaiverFact],
    evaluate: &dyn Fn(&Value) -> Result<Answers, Error>,
) -> Result<(Answers, BTreeMap<Key, &'w WaiverFact>, BTreeMap<&'w str, u64>), Error> {
    let (mut answers, mut lifted, mut covered) = (whole, BTreeMap::new(), BTreeMap::new());
    let mut left = facts.clone();
    let mut standing: Option<Vec<BTreeSet<Reason>>> = None;
    for waiver in waivers {
        let Some(prints) = &waiver.findings else { continue };
        let Some(findings) = left.pointer_mut("/scan/findings").and_then(Value::as_array_mut) else { continue };
        let before = findings.len();
        findings.retain(|finding| !covers(waiver, prints, finding));
        let gone = before.saturating_sub(findings.len());
        if gone == 0 {
            continue;
        }
        covered.insert(waiver.id.as_str(), gone as u64);
        let without = evaluate(&left)?;
        standing = Some(without.gates.iter().map(|gate| gate.reasons.clone()).collect());
        for (gate, mut now) in answers.gates.iter_mut().zip(without.gates) {
            for reason in gate.reasons.difference(&now.reasons) {
                let key = (gate.name.clone(), reason.clone());
                // Who was lifted before stays lifted; an error is never.
                if matches!(reason.effect, Effect::Deny | Effect::Wait) {
                    lifted.entry(key).or_insert(waiver);
                }
            }
            // What comes up only without them blocks like everything else.
            gate.reasons.append(&mut now.reasons);
            gate.requires.append(&mut now.requires);
            gate.controls.append(&mut now.controls);
        }
        answers.expires = match (answers.expires, without.expires) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
    }
    // What stands without all of them together was not about them.
    for (gate, reasons) in answers.gates.iter().zip(standing.into_iter().flatten()) {
        lifted.retain(|(name, reason), _| *name != gate.name || !reasons.contains(reason));
    }
    Ok((answers, lifted, covered))
}

fn covers(waiver: &WaiverFact, prints: &[Digest], finding: &Value) -> bool {
    let print = finding.get("fingerprint").and_then(Value::as_str).and_then(|f| f.parse::<Digest>().ok());
    let controls: Vec<&str> =
        finding.get("controls").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    print.is_some_and(|p| prints.contains(&p))
        && !controls.is_empty()
        && controls.iter().all(|c| waiver.controls.iter().any(|w| w == c))
}

/// Waivers of all that some controls say.
fn lift_whole_controls<'w>(answers: &Answers, waivers: &'w [WaiverFact], lifted: &mut BTreeMap<Key, &'w WaiverFact>) {
    for waiver in waivers.iter().filter(|w| w.findings.is_none()) {
        for gate in &answers.gates {
            for reason in gate.reasons.iter().filter(|r| matches!(r.effect, Effect::Deny | Effect::Wait)) {
                let covered =
                    !reason.controls.is_empty() && reason.controls.iter().all(|c| waiver.controls.contains(c));
                if covered {
                    lifted.entry((gate.name.clone(), reason.clone())).or_insert(waiver);
                }
            }
        }
    }
}

/// The strictest level of the controls that a reason concerns. What concerns none is nobody's to loosen.
fn level(reason: &Reason, assignment: Option<&Assignment>, governed: &Governed, applied: &Applied) -> Level {
    let of = |control: &String| {
        let firm = assignment.map_or(Level::Hard, |a| a.level(control, applied.tier, applied.criticality));
        let own = governed.tightened.iter().filter(|t| {
            t.control == *control && (t.tiers.is_empty() || applied.tier.is_none_or(|tier| t.tiers.contains(&tier)))
        });
        own.map(|t| t.level).fold(firm, Ord::max)
    };
    reason.controls.iter().map(of).max().unwrap_or(Level::Hard)
}

/// The override that lifts a reason: its level is soft, the override names exactly it, and whoever signed holds every role
/// that the assignment names.
fn overridden(
    gate: &str,
    reason: &Reason,
    level: Level,
    assignment: Option<&Assignment>,
    governed: &Governed,
) -> Result<Option<String>, Error> {
    let Some(assignment) = assignment.filter(|_| level == Level::Soft && !governed.overrides.is_empty()) else {
        return Ok(None);
    };
    let tier = governed.environment.as_ref().map(|e| e.tier);
    let criticality = governed.application.as_ref().map(|a| a.criticality);
    let needed = assignment.overriders(&reason.controls, tier, criticality);
    let digest = reason_digest(gate, reason)?;
    let lifts = governed
        .overrides
        .iter()
        .find(|o| o.reasons.contains(&digest) && needed.iter().all(|role| o.roles.contains(role)));
    Ok(lifts.map(|o| o.id.to_string()))
}

fn unmatched(waiver: &WaiverFact) -> Reason {
    Reason {
        effect: Effect::Note,
        code: "waiver-unmatched".to_owned(),
        text: format!(
            "the waiver {} covers nothing here: revoke it, or ask for another with `countersign waive request`",
            waiver.id
        ),
        controls: waiver.controls.clone(),
        enforced: None,
    }
}
