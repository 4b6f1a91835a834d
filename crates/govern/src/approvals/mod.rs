//! `approvals activate`: a security or compliance officer puts in effect which slots must be signed where, and by whom.
//!
//! Control objective: how many people, of which roles and in which order approve a release follows from what is at stake, is decided
//! by somebody who answers for it, and can be kept by the people there are.
//! Regulatory mapping: PCI DSS v4.0.1 6.2.3.1 (a reviewer who is not the author, and approval by management), 6.5.4; NIST 800-53r5
//! AC-5, CM-3; RTS (EU) 2024/1774 Art. 17(1)(b).

use std::collections::BTreeMap;

use countersign_evidence::act;
use countersign_model::access::{ApprovalRules, MergedRules, Strength};
use countersign_model::event::ApprovalRulesActivated;
use countersign_model::{Action, EventKind, PersonId, StreamId};
use countersign_policy::approvals::{POLICY_SLOTS, check, digest, parse as read};
use countersign_policy::quorum::{Signer, Unfillable, deployer_seat, fillable};
use countersign_store::Session;
use countersign_store::handed::Written;
use countersign_store::projection::State;

use crate::Error;
use crate::access::{Pen, Saying, admitted, line, needs, say_by};

/// The stream that approval rules stand in.
#[must_use]
pub fn stream() -> StreamId {
    StreamId::from_text("approval-rules")
}

/// A place whose slots nobody can fill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// The tier and criticality, or that they are not known.
    pub place: String,
    /// Whether it is a place that is registered nowhere, where all that could hold does.
    pub unknown: bool,
    /// The slots, and who is missing.
    pub what: Unfillable,
}

/// Reads a file of approval rules.
///
/// # Errors
/// With file and line: what is wrong with it.
pub fn parse(file: &str, text: &str) -> Result<ApprovalRules, Error> {
    Ok(read(file, text)?)
}

/// Everybody enrolled with their roles and the strongest key they have.
fn signers(state: &State) -> Result<BTreeMap<PersonId, Signer>, Error> {
    let strong = state.people_with_hardware_keys(state.newest_time()?)?;
    let mut all = BTreeMap::new();
    for (person, roles) in state.members()? {
        if state.is_erased(&person)? {
            continue;
        }
        let strength = if strong.contains(&person) { Strength::Hardware } else { Strength::Key };
        all.insert(person, Signer { roles, strength });
    }
    Ok(all)
}

/// The slots of these rules that no set of people enrolled today could fill, the deployer among them where they must differ.
/// Places whose rules are the same are named once.
///
/// # Errors
/// When the projection cannot be read.
pub fn gaps(state: &State, rules: &ApprovalRules) -> Result<Vec<Gap>, Error> {
    let people = signers(state)?;
    let mut found: Vec<Gap> = Vec::new();
    let mut look = |place: String, unknown: bool, merged: &MergedRules| {
        let mut slots = merged.slots.clone();
        slots.extend(deployer_seat(merged));
        let Err(what) = fillable(&slots, &people) else { return };
        match found.iter_mut().find(|gap| gap.what == what && gap.unknown == unknown) {
            Some(gap) => gap.place.push_str(&format!("; {place}")),
            None => found.push(Gap { place, unknown, what }),
        }
    };
    for (tier, criticality, merged) in rules.places(&POLICY_SLOTS) {
        look(format!("{tier}, {criticality}"), false, &merged);
    }
    look("what is not registered".to_owned(), true, &rules.at(None, None, &POLICY_SLOTS));
    Ok(found)
}

/// The sentence about a place whose slots nobody can fill.
///
/// # Errors
/// When the projection cannot be read.
pub fn sentence(state: &State, gap: &Gap) -> Result<String, Error> {
    let people = gap.what.people.iter().map(|p| state.label(p)).collect::<Result<Vec<_>, _>>()?;
    Ok(format!("{}: {}", gap.place, gap.what.text(&people)))
}

/// What of the rules in effect nobody can keep any more, in sentences; without rules, what a release needs by itself.
///
/// # Errors
/// When the projection cannot be read.
pub fn unkeepable(state: &State) -> Result<Vec<String>, Error> {
    let rules = match state.approval_rules()? {
        Some(active) => active.rules,
        None => return Ok(Vec::new()),
    };
    gaps(state, &rules)?.iter().filter(|gap| !gap.unknown).map(|gap| sentence(state, gap)).collect()
}

/// Puts approval rules in effect; [`Written::Already`] when they are.
///
/// # Errors
/// When trust is not rooted, the signer is neither security nor compliance officer, the rules could not stand in a file, or no set of
/// people enrolled could fill the slots of a place.
pub fn activate(
    session: &mut Session,
    rules: &ApprovalRules,
    reason: Option<&str>,
    pen: Pen<'_>,
) -> Result<Written<u64>, Error> {
    let reason = reason.map(|r| line("the reason", r)).transpose()?;
    let saying = Saying {
        act: "approvals activate",
        kind: EventKind::ApprovalRulesActivated,
        namespace: act::APPROVAL_RULES,
        stream: stream(),
    };
    admitted(session, saying.act, pen, |s, by| needs(s, by, Action::ActivateApprovalRules))?;
    check("the approval rules", rules)?;
    let digest = digest(rules)?;
    if session.state().approval_rules()?.is_some_and(|a| a.digest == digest) {
        return Ok(Written::Already);
    }
    let may = |s: &Session, by: &PersonId| -> Result<(), Error> {
        needs(s, by, Action::ActivateApprovalRules)?;
        match gaps(s.state(), rules)?.iter().find(|gap| !gap.unknown) {
            Some(gap) => Err(Error::QuorumUnfillable { what: sentence(s.state(), gap)? }),
            None => Ok(()),
        }
    };
    let rules = rules.clone();
    say_by(session, pen, &saying, Vec::new(), may, |s, by| {
        let (origin, time) = (s.state().origin().to_owned(), pen.time(s)?);
        Ok(ApprovalRulesActivated { origin, rules, by, reason, time })
    })
}
