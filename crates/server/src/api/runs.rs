//! Runs: everything that was judged.

use std::collections::BTreeSet;

use countersign_model::audit::threads::MaskedField;
use countersign_model::{RunId, Timestamp};
use countersign_stages::build::{decide, rules as build_rules};
use countersign_stages::release::rules::{self, GateStatus};
use countersign_store::Session;
use countersign_store::projection::{self, ApprovalRow, DifferenceRow, GrantRow, GrantState, RunsAsked};

use super::ask::{Ask, count, cut, id};
use super::wire::{Approval, Decision, Difference, Gate, Grant, Reason, Run, RunLine, RunList, Slot};
use crate::app::Trouble;

pub(super) fn list(ask: &Ask<'_>) -> Result<RunList, Trouble> {
    let asked = RunsAsked {
        outcome: ask.outcome(),
        undecided: ask.filter("undecided").is_some(),
        among: Vec::new(),
        from: None,
        to: None,
        repository: ask.filter("repository").map(str::to_owned),
        commit: ask.filter("commit").map(str::to_owned),
        within: ask.scope.within(),
        before: ask.number("before"),
    };
    let limit = ask.limit();
    let mut lines = ask.state().runs_page(&asked, limit.saturating_add(1))?;
    let has_more = cut(&mut lines, limit);
    let next = lines.last().filter(|_| has_more).map(|last| last.index);
    let items = lines.into_iter().map(line).collect();
    Ok(RunList { items, count: ask.state().runs_count(&asked)?, next })
}

fn line(r: projection::RunLine) -> RunLine {
    let (deployed_to, deployed_well) = r.deployed.unzip();
    RunLine {
        run: r.id.to_string(),
        index: r.index,
        time: r.time,
        repository: r.identity,
        commit: r.commit,
        attempts: r.attempts,
        outcome: r.outcome,
        decision: r.decision,
        approvals: r.approvals,
        deployed_to,
        deployed_well,
    }
}

pub(super) fn one(ask: &Ask<'_>) -> Result<Run, Trouble> {
    of(ask.session, &RunId::from_text(ask.param("run")), &|field, text| ask.scope.field(field, text))
}

/// Makes a field unreadable for whoever must not read it.
type Mask<'a> = &'a dyn Fn(MaskedField, &str) -> String;

/// A run as it stands, for whoever works on it: no auditor sends anything.
pub(super) fn for_workers(session: &Session, run: &RunId) -> Result<Run, Trouble> {
    of(session, run, &|_, text| text.to_owned())
}

/// A run as it stands.
fn of(session: &Session, run: &RunId, mask: Mask<'_>) -> Result<Run, Trouble> {
    let (state, now) = (session.state(), session.now());
    let row = state.run(run)?.ok_or_else(|| Trouble::not_found("run"))?;
    let change = decide::read_change(session.ledger(), &row.change)?;
    let authors = build_rules::authors(&change, state)?;
    let (mut gates, mut decision) = (Vec::new(), None);
    if let Some(last) = row.decisions.last() {
        let read = decide::read_decision(last)?;
        gates = rules::gates(&read, Some(&row), &authors, state, now)?;
        decision = Some(Decision { digest: read.digest()?, index: last.index, bundle: read.bundle, time: read.time });
    }
    let filled: BTreeSet<u64> = gates.iter().flat_map(|g| &g.slots).flat_map(|s| &s.filled).map(|f| f.index).collect();
    let grants = state.grants_of_run(run)?;
    let differences = state.differences_of(run)?;
    Ok(Run {
        run: run.to_string(),
        repository: row.identity,
        commit: row.commit,
        tree: row.tree,
        environment: change.environment,
        ticket: change.ticket.map(|ticket| mask(MaskedField::Tickets, &ticket)),
        attempts: row.attempts,
        outcome: decision.as_ref().map(|_| rules::overall(&gates)),
        decision,
        gates: gates.into_iter().map(gate).collect(),
        approvals: row.approvals.into_iter().map(|a| approval(a, &filled, mask)).collect(),
        grants: grants.into_iter().map(|g| grant(g, now)).collect(),
        differences: differences.into_iter().map(difference).collect(),
    })
}

fn difference(d: DifferenceRow) -> Difference {
    Difference {
        index: d.index,
        gate: d.gate,
        claimed: d.claimed,
        decided: d.decided,
        decision: d.decision,
        time: d.time,
    }
}

fn gate(gate: GateStatus) -> Gate {
    let reason = |r: &rules::GateReason| Reason { code: r.code.clone(), text: r.text.clone(), blocks: r.blocks() };
    let slot = |s: &rules::SlotStatus| Slot {
        slot: s.rule.slot.to_string(),
        missing: count(s.missing()),
        filled: s.filled.iter().map(|f| f.index).collect(),
        eligible: s.eligible.iter().map(id).collect(),
    };
    Gate {
        reasons: gate.reasons.iter().map(reason).collect(),
        slots: gate.slots.iter().map(slot).collect(),
        name: gate.name,
        outcome: gate.outcome,
        controls: gate.controls,
    }
}

fn approval(a: ApprovalRow, filled: &BTreeSet<u64>, mask: Mask<'_>) -> Approval {
    Approval {
        index: a.index,
        slot: a.slot.to_string(),
        person: id(&a.person),
        key: a.device.key,
        strength: a.strength,
        host: mask(MaskedField::Hosts, &a.device.host),
        time: a.time,
        counts: filled.contains(&a.index),
        withdrawn: a.withdrawn,
    }
}

fn grant(row: GrantRow, now: Timestamp) -> Grant {
    let g = row.grant;
    let state = match row.state {
        GrantState::Issued if now >= g.expires => "expired",
        GrantState::Issued => "issued",
        GrantState::Revoked => "revoked",
        GrantState::Started => "started",
        GrantState::Ended { success: true } => "deployed",
        GrantState::Ended { success: false } => "failed",
    };
    Grant {
        grant: g.grant.to_string(),
        index: row.index,
        environment: g.environment,
        state: state.to_owned(),
        person: id(&g.by),
        time: g.time,
        expires: g.expires,
        started: row.started,
        break_glass: g.break_glass.map(|b| b.to_string()),
    }
}
