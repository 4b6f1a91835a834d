//! Audits: what was asked and answered.

use countersign_model::{AuditId, PersonId};
use countersign_store::projection::{AuditRow, MessageRow, RequestState, ThreadRow, is_late};

use super::ask::{Ask, count, id};
use super::wire::{Audit, AuditClosing, AuditLine, AuditList, AuditMessage, AuditRequest, Named};
use crate::app::Trouble;

fn named(ask: &Ask<'_>, person: &PersonId) -> Result<Named, Trouble> {
    Ok(Named { person: id(person), name: ask.scope.name(ask.state(), person)? })
}

fn line(ask: &Ask<'_>, audit: &AuditRow, threads: &[ThreadRow]) -> Result<AuditLine, Trouble> {
    let said = &audit.said;
    let own = || threads.iter().filter(|t| t.audit == said.audit);
    let closing =
        |(index, person, time): &(u64, PersonId, _)| AuditClosing { index: *index, person: id(person), time: *time };
    Ok(AuditLine {
        audit: said.audit.to_string(),
        name: said.name.clone(),
        from: said.from,
        to: said.to,
        applications: said.applications.iter().map(ToString::to_string).collect(),
        frameworks: said.frameworks.iter().map(ToString::to_string).collect(),
        auditors: said.auditors.iter().map(|person| named(ask, person)).collect::<Result<_, _>>()?,
        masked: said.masked.iter().map(|field| field.as_str().to_owned()).collect(),
        opened_by: named(ask, &said.by)?,
        opened_at: said.time,
        closed: audit.closed.as_ref().map(closing),
        open: audit.closed.is_none(),
        requests: count(own().count()),
        unanswered: count(own().filter(|t| t.state() == RequestState::Open).count()),
        index: audit.index,
    })
}

pub(super) fn list(ask: &Ask<'_>) -> Result<AuditList, Trouble> {
    let threads = ask.state().audit_threads(None)?;
    let audits = ask.state().audits()?;
    let shown = audits.iter().rev().filter(|a| ask.scope.has_audit(a));
    Ok(AuditList { items: shown.map(|a| line(ask, a, &threads)).collect::<Result<_, _>>()? })
}

pub(super) fn one(ask: &Ask<'_>) -> Result<Audit, Trouble> {
    let audit = AuditId::from_text(ask.param("audit"));
    let row = ask.state().audit(&audit)?.ok_or_else(|| Trouble::not_found("audit"))?;
    let threads = ask.state().audit_threads(Some(&audit))?;
    let requests = threads.iter().map(|t| request(ask, t)).collect::<Result<_, _>>()?;
    Ok(Audit { audit: line(ask, &row, &threads)?, requests })
}

fn request(ask: &Ask<'_>, thread: &ThreadRow) -> Result<AuditRequest, Trouble> {
    let state = match thread.state() {
        RequestState::Open => "open",
        RequestState::Answered => "answered",
        RequestState::Closed => "closed",
    };
    Ok(AuditRequest {
        request: thread.request.to_string(),
        state: state.to_owned(),
        control: thread.control.as_ref().map(ToString::to_string),
        application: thread.application.as_ref().map(ToString::to_string),
        due: thread.due(),
        ended: thread.ended(),
        late: thread.due().is_some_and(|due| is_late(due, thread.ended(), ask.now())),
        messages: thread.messages.iter().map(|m| message(ask, m)).collect::<Result<_, _>>()?,
    })
}

fn message(ask: &Ask<'_>, m: &MessageRow) -> Result<AuditMessage, Trouble> {
    Ok(AuditMessage {
        index: m.index,
        kind: m.kind.as_str().to_owned(),
        person: id(&m.by),
        name: ask.scope.name(ask.state(), &m.by)?,
        time: m.time,
        due: m.due,
        text: ask.state().message_text(m)?,
        evidence: m.evidence.clone(),
        packs: m.packs.clone(),
    })
}
