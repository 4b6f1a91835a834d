//! `enforcement override`: what is soft and blocks, somebody with the role that the assignment names lets pass, by a signature
//! over exactly these reasons. Another finding, another text, another decision: the signature says nothing about it.

use std::collections::BTreeSet;

use countersign_connect::SshSigner;
use countersign_evidence::act::{self, SignedAct};
use countersign_evidence::statement::Subject;
use countersign_model::event::EnforcementOverridden;
use countersign_model::governance::Level;
use countersign_model::{ActorId, EventKind, OverrideId, PersonId, Role, RunId, StreamId};
use countersign_policy::enforcement::{Standing, reason_digest};
use countersign_policy::{Assignment, PolicyEngine, Reason};
use countersign_store::session::act_statement;
use countersign_store::{Plan, Session};

use super::approve::run_row;
use super::refuse::{self, Attempt};
use crate::Error;
use crate::build::decide::{self, Decided};
use crate::build::governed;
use crate::build::observe::random_id;
use crate::build::rules::authors;

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

/// Overrides the soft reasons that hold a run up; where `controls` names some, those that concern one of them.
///
/// # Errors
/// When nothing soft blocks, or the person is an author of the change or does not hold the role that the assignment names.
/// What is refused is recorded first.
pub fn overrule(
    session: &mut Session,
    engine: &dyn PolicyEngine,
    run: &RunId,
    controls: &[String],
    reason: &str,
    signer: &SshSigner,
) -> Result<Overruled, Error> {
    session.require_pin()?;
    if session.state().trust().is_none() {
        return Err(Error::NoTrustRoot { act: "override" });
    }
    let attempt = Attempt { act: "enforcement override", run: Some(run.clone()), carry: false };
    let person = refuse::signer(session, &attempt, signer)?;
    let (decided, change) = decide::settle(session, engine, run)?;
    let assignment = governed::assignment_in_effect(session)?.ok_or(Error::NothingToOverride { run: run.clone() })?;
    let soft = soft(&decided, controls);
    if soft.is_empty() {
        return Err(Error::NothingToOverride { run: run.clone() });
    }
    let may = |s: &Session| -> Result<(), Error> {
        if authors(&change, s.state())?.contains(&person) {
            return Err(Error::DutyConflict { person: s.state().label(&person)?, duty: "author" });
        }
        for role in needed(&decided, &assignment, &soft) {
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
    let (id, decision) = (OverrideId::from_random(random_id()?), decided.decision.digest()?);
    let predicate = EnforcementOverridden {
        origin: session.state().origin().to_owned(),
        id: id.clone(),
        repository: repository.clone(),
        run: run.clone(),
        decision,
        assignment: assignment.digest()?,
        reasons,
        by: person.clone(),
        reason: reason.into(),
        time: session.now(),
    };
    let subject = vec![Subject::new(repository, "gitCommit", change.commit.clone())];
    let statement = act_statement(subject, predicate)?;
    let armored = signer.sign(act::OVERRIDE, &statement)?;
    let signed = SignedAct::new(act::OVERRIDE, &statement, &armored, &signer.public_key())?;
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
    Ok(Overruled { id, person, reasons: soft, index })
}

/// What blocks and is soft.
fn soft(decided: &Decided, controls: &[String]) -> Vec<(String, Reason)> {
    let wanted = |r: &Reason| controls.is_empty() || r.controls.iter().any(|c| controls.contains(c));
    let mut all = Vec::new();
    for gate in &decided.decision.verdict.gates {
        let soft = gate.reasons.iter().filter(|r| {
            r.enforced.as_ref().is_some_and(|e| e.level == Level::Soft && e.standing == Standing::Blocks) && wanted(r)
        });
        all.extend(soft.map(|r| (gate.name.clone(), r.clone())));
    }
    all
}

/// The roles of which whoever overrides must hold every one.
fn needed(decided: &Decided, assignment: &Assignment, soft: &[(String, Reason)]) -> BTreeSet<Role> {
    let applied = decided.decision.verdict.enforcement.as_ref();
    let (tier, criticality) = applied.map_or((None, None), |a| (a.tier, a.criticality));
    let roles = soft.iter().flat_map(|(_, r)| assignment.overriders(&r.controls, tier, criticality));
    roles.collect()
}
