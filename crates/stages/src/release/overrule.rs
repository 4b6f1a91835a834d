//! `enforcement override`: what is soft and blocks, somebody with the role that the assignment names lets pass, by a signature
//! over exactly these reasons. Another finding, another text, another decision: the signature says nothing about it.

use std::collections::BTreeSet;

use countersign_evidence::act;
use countersign_evidence::statement::Subject;
use countersign_model::event::EnforcementOverridden;
use countersign_model::governance::Level;
use countersign_model::{ActorId, Digest, EventKind, OverrideId, PersonId, Role, RunId, StreamId};
use countersign_policy::enforcement::{Standing, reason_digest};
use countersign_policy::{Assignment, Decision, PolicyEngine, Reason};
use countersign_store::handed::Written;
use countersign_store::session::act_statement;
use countersign_store::{Plan, Session};
use serde_json::{Value, json};

use super::approve::run_row;
use super::pen::{Pen, to_sign};
use super::refuse::{self, Attempt};
use super::saying::line;
use crate::Error;
use crate::build::rules::authors;
use crate::build::{decide, governed};

/// An override that was signed.
pub struct Overruled {
    /// Its id.
    pub id: OverrideId,
    /// Who.
    pub person: PersonId,
    /// What does not block any more: gate and reason.
    pub reasons: Vec<(String, Reason)>,
    /// Log index.
    pub index: u64,
}

impl Overruled {
    /// As the command line and the API say it.
    #[must_use]
    pub fn to_json(&self, run: &RunId) -> Value {
        json!({
            "version": 1, "override": self.id, "run": run, "by": self.person, "index": self.index,
            "reasons": self.reasons.iter().map(|(gate, r)| json!({
                "gate": gate, "code": r.code, "text": r.text, "controls": r.controls,
            })).collect::<Vec<_>>(),
        })
    }
}

/// Which soft reasons are meant, of those that hold a run up.
#[derive(Debug, Clone, Copy)]
pub enum Which<'a> {
    /// Those that concern one of these controls; without one, all.
    Controls(&'a [String]),
    /// Those of these digests ([`reason_digest`]).
    Reasons(&'a [Digest]),
}

/// Overrides soft reasons that hold a run up.
///
/// # Errors
/// When nothing soft blocks, or the person is an author of the change or does not hold the role that the assignment names.
/// What is refused is recorded first.
pub fn overrule(
    session: &mut Session,
    engine: &dyn PolicyEngine,
    run: &RunId,
    which: Which<'_>,
    reason: &str,
    pen: Pen<'_>,
) -> Result<Written<Overruled>, Error> {
    let reason = line("the reason", reason)?;
    session.require_pin()?;
    if session.state().trust().is_none() {
        return Err(Error::NoTrustRoot { act: "override" });
    }
    let attempt = Attempt { act: "enforcement override", run: Some(run.clone()), carry: false };
    let person = pen.author(session, &attempt)?;
    let (decided, change) = decide::settle(session, engine, run)?;
    let assignment = governed::assignment_in_effect(session)?.ok_or(Error::NothingToOverride { run: run.clone() })?;
    let soft = soft(&decided.decision, which)?;
    if soft.is_empty() {
        return Err(Error::NothingToOverride { run: run.clone() });
    }
    let may = |s: &Session| -> Result<(), Error> {
        if authors(&change, s.state())?.contains(&person) {
            return Err(Error::DutyConflict { person: s.state().label(&person)?, duty: "author" });
        }
        for role in needed(&decided.decision, &assignment, &soft) {
            if !s.state().has_role(&person, role)? {
                return Err(Error::NoRole { person: s.state().label(&person)?, role, act: "override this" });
            }
        }
        Ok(())
    };
    refuse::unless(session, &attempt, Some(&person), may)?;
    let repository = run_row(session.state(), run)?.identity.ok_or(Error::Unidentified)?;
    let mut reasons = soft.iter().map(|(gate, r)| reason_digest(gate, r)).collect::<Result<Vec<_>, _>>()?;
    reasons.sort_unstable();
    let id = refuse::unless(session, &attempt, Some(&person), |_| pen.id(act::OVERRIDE, "/id", OverrideId::PREFIX))?;
    let (id, decision) = (OverrideId::from_random(id), decided.decision.digest()?);
    let predicate = EnforcementOverridden {
        origin: session.state().origin().to_owned(),
        id: id.clone(),
        repository: repository.clone(),
        run: run.clone(),
        decision,
        assignment: assignment.digest()?,
        reasons,
        by: person.clone(),
        reason,
        time: pen.time(session, &attempt, &person)?,
    };
    let subject = vec![Subject::new(repository, "gitCommit", change.commit.clone())];
    let statement = act_statement(subject, predicate)?;
    let Some(signed) = pen.sign(session, &attempt, &person, act::OVERRIDE, &statement)? else {
        return Ok(to_sign(person, act::OVERRIDE, statement));
    };
    let (appended, ()) = session.transact(|s| {
        may(s)?;
        let row = run_row(s.state(), run)?;
        let active = s.state().assignment()?.map(|a| a.digest);
        if row.decisions.last().map(|d| d.digest) != Some(decision) || active != Some(assignment.digest()?) {
            return Err(Error::ChangedMeanwhile { run: run.clone() });
        }
        let refs = row.decisions.last().map(|d| d.index).into_iter().collect();
        let (stream, actor) = (StreamId::from(run), ActorId::from(&person));
        let entry = s.act_entry(EventKind::EnforcementOverridden, stream, actor, &signed, refs, Vec::new())?;
        Ok::<_, Error>((Plan { entries: vec![entry] }, ()))
    })?;
    let index = appended.map(|a| a.first_index).ok_or_else(|| Error::ChangedMeanwhile { run: run.clone() })?;
    Ok(Written::Done(Overruled { id, person, reasons: soft, index }))
}

/// What blocks in a decision of a run and is soft: gate and reason.
///
/// # Errors
/// When a reason has no canonical form.
pub fn soft(decision: &Decision, which: Which<'_>) -> Result<Vec<(String, Reason)>, Error> {
    let mut all = Vec::new();
    for gate in &decision.verdict.gates {
        for reason in &gate.reasons {
            let blocks =
                reason.enforced.as_ref().is_some_and(|e| e.level == Level::Soft && e.standing == Standing::Blocks);
            let is_meant = blocks
                && match which {
                    Which::Controls(controls) => {
                        controls.is_empty() || reason.controls.iter().any(|c| controls.contains(c))
                    }
                    Which::Reasons(digests) => digests.contains(&reason_digest(&gate.name, reason)?),
                };
            if is_meant {
                all.push((gate.name.clone(), reason.clone()));
            }
        }
    }
    Ok(all)
}

/// The roles of which whoever overrides must hold every one.
fn needed(decision: &Decision, assignment: &Assignment, soft: &[(String, Reason)]) -> BTreeSet<Role> {
    let applied = decision.verdict.enforcement.as_ref();
    let (tier, criticality) = applied.map_or((None, None), |a| (a.tier, a.criticality));
    let roles = soft.iter().flat_map(|(_, r)| assignment.overriders(&r.controls, tier, criticality));
    roles.collect()
}
