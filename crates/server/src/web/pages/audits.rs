//! The auditor's room: audits, what was asked and answered, what was taken away.

use countersign_model::AuditId;
use countersign_store::projection::{MessageRow, RequestState, ThreadRow, is_late};
use maud::{Markup, html};

use super::{closing, packs, populations};
use crate::app::Trouble;
use crate::app::scope::AS_AUDITOR;
use crate::web::layout::Page;
use crate::web::look::Look;
use crate::web::parts::{self, Tone};

/// Rows of a list of what was taken away.
const SHOWN: usize = 100;

pub(crate) fn list(look: &mut Look<'_>) -> Result<Page, Trouble> {
    let state = look.state();
    let threads = state.audit_threads(None)?;
    let audits: Vec<Markup> = state
        .audits()?
        .iter()
        .rev()
        .filter(|a| look.scope.has_audit(a))
        .map(|a| {
            let own: Vec<&ThreadRow> = threads.iter().filter(|t| t.audit == a.said.audit).collect();
            let open = own.iter().filter(|t| t.state() == RequestState::Open).count();
            html! {
                tr {
                    td { a href={ "/audits/" (a.said.audit) } { (a.said.name) } }
                    td { (parts::time(a.said.from)) " to " (parts::time(a.said.to)) }
                    td { @if a.said.applications.is_empty() { "all" } @else { (a.said.applications.join(", ")) } }
                    td { @if a.closed.is_some() { (parts::state(Tone::Quiet, "closed")) } @else { (parts::state(Tone::Good, "open")) } }
                    td.n { (parts::number(own.len() as u64, &format!("/audits/{}#requests", a.said.audit))) }
                    td.n { (parts::number(open as u64, &format!("/audits/{}?state=open#requests", a.said.audit))) }
                    td { (parts::entry(a.index)) }
                }
            }
        })
        .collect();
    let mut made = Vec::new();
    for pack in state.packs()? {
        if look.scope.has_pack(state, &pack)? {
            made.push(pack);
        }
    }
    let packs: Vec<Markup> = made
        .iter()
        .rev()
        .take(SHOWN)
        .map(|p| {
            html! {
                tr {
                    td { (parts::entry(p.index)) }
                    td { @match (&p.scope.deployment, p.scope.from, p.scope.to) {
                        (Some(grant), ..) => code { (grant) },
                        (_, Some(from), Some(to)) => { (parts::time(from)) " to " (parts::time(to)) },
                        _ => "everything",
                    } }
                    td.n { (p.deployments) }
                    td.n { (parts::grouped(p.bytes)) }
                    td { (parts::short(&p.pack.to_string())) }
                    td { (parts::time(p.time)) }
                }
            }
        })
        .collect();
    let populations: Vec<Markup> = state
        .populations()?
        .iter()
        .rev()
        .filter(|p| look.scope.has_population(p))
        .take(SHOWN)
        .map(|p| {
            html! {
                tr {
                    td { a href={ "/populations/" (p.index) } { "Population " (p.index) } }
                    td { a href={ "/controls/" (p.said.control) } { (p.said.control) } }
                    td { (parts::time(p.said.from)) " to " (parts::time(p.said.to)) }
                    td.n { @if p.said.count > populations::SHOWN as u64 { (p.said.count) } @else { (parts::number(p.said.count, &format!("/populations/{}#members", p.index))) } }
                    td.n { (p.said.exceptions) }
                    td { (parts::short(&p.said.root.to_string())) }
                }
            }
        })
        .collect();
    let body = html! {
        (parts::section("Audits", &parts::table("Audits", &["Audit", "Period", "Applications", "State", "Requests", "Open", "Entry"], &audits, "No audit was opened.")))
        (parts::section("Sealed populations", &parts::table("Sealed populations", &["Population", "Control", "Period", "Members", "Exceptions", "Root"], &populations, "No population was sealed.")))
        (parts::section("Evidence packs", &parts::table("Evidence packs", &["Entry", "Of", "Deployments", "Bytes", "SHA-256", "Made"], &packs, "No pack was made.")))
    };
    Ok(Page::new("Audits", body).aside(parts::count(audits.len(), "audit", "audits")).live())
}

pub(crate) fn one(look: &mut Look<'_>) -> Result<Page, Trouble> {
    let id = AuditId::from_text(look.param("audit"));
    let audit = look.state().audit(&id)?.ok_or_else(|| Trouble::not_found("audit"))?;
    let said = &audit.said;
    let threads = look.state().audit_threads(Some(&id))?;
    let mut shown: Vec<Markup> = Vec::new();
    let wanted = match look.filter("state") {
        None => None,
        Some("open") => Some(RequestState::Open),
        Some(_) => return Err(Trouble::bad_request("`state` in the address is none")),
    };
    for thread in threads.iter().filter(|thread| wanted.is_none_or(|state| thread.state() == state)) {
        shown.push(one_thread(look, thread)?);
    }
    let auditors = said.auditors.iter().map(|p| look.name(p)).collect::<Result<Vec<_>, _>>()?;
    let masked: Vec<&str> = said.masked.iter().map(|field| field.as_str()).collect();
    let body = html! {
        (parts::facts(&[
            ("Period", html! { (parts::time(said.from)) " to " (parts::time(said.to)) }),
            ("Applications", html! { @if said.applications.is_empty() { "all" } @else { (said.applications.join(", ")) } }),
            ("Frameworks", html! { @if said.frameworks.is_empty() { "all" } @else { @for f in &said.frameworks { a href={ "/frameworks/" (f) } { (f) } " " } } }),
            ("Auditors", html! { @if auditors.is_empty() { "every auditor" } @else { (auditors.join(", ")) } }),
            ("Kept from them", html! { @if masked.is_empty() { "nothing" } @else { (masked.join(", ")) } }),
            ("Opened", html! { (look.name(&said.by)?) " " (parts::entry(audit.index)) }),
        ]))
        @if !look.visitor.is_auditor() && audit.closed.is_none() && look.visitor.is_any(AS_AUDITOR) {
            p { a href={ "/?audit=" (said.audit) } { "What its auditors see" } }
        }
        @if audit.closed.is_none() { (closing::way(look, &said.audit)) }
        (parts::section("Evidence pack", &packs::section(look, &audit)))
        section id="requests" {
            h2 { "Requests" }
            @if wanted.is_some() { p { "Those that are open. " a href={ "/audits/" (said.audit) "#requests" } { "All requests" } } }
            @if audit.closed.is_none() {
                p { a href={ "/audits/" (said.audit) "/ask" } { @if look.visitor.is_auditor() { "Request evidence" } @else { "How an auditor asks" } } }
            }
            @if shown.is_empty() { p.none { @if wanted.is_some() { "None is open." } @else { "Nothing was asked yet." } } }
            @for thread in &shown { (thread) }
        }
    };
    let state =
        if audit.closed.is_some() { parts::state(Tone::Quiet, "closed") } else { parts::state(Tone::Good, "open") };
    Ok(Page::new(said.name.clone(), body).aside(state).live())
}

/// What was said about a request, and the way to say more.
pub(super) fn one_thread(look: &Look<'_>, thread: &ThreadRow) -> Result<Markup, Trouble> {
    thread_and(look, thread, true)
}

/// As [`one_thread`], on the page on which more is said.
pub(super) fn said_before(look: &Look<'_>, thread: &ThreadRow) -> Result<Markup, Trouble> {
    thread_and(look, thread, false)
}

fn thread_and(look: &Look<'_>, thread: &ThreadRow, leads_on: bool) -> Result<Markup, Trouble> {
    let (tone, word) = match thread.state() {
        RequestState::Open => (Tone::Wait, "open"),
        RequestState::Answered => (Tone::Good, "answered"),
        RequestState::Closed => (Tone::Quiet, "closed"),
    };
    let late = thread.due().is_some_and(|due| is_late(due, thread.ended(), look.now()));
    let mut messages = Vec::new();
    for message in &thread.messages {
        messages.push(one_message(look, message)?);
    }
    let (asks, answers) = (look.visitor.is_auditor(), look.visitor.is_any(super::answers::ANSWER));
    let next = match thread.state() {
        _ if thread.audit_closed.is_some() || !leads_on => None,
        RequestState::Answered if asks => Some(("/ask?request=", "Ask on, or close it")),
        RequestState::Open if asks => Some(("/ask?request=", "Take it back")),
        RequestState::Open if answers => Some(("/answer?request=", "Answer it")),
        _ => None,
    };
    Ok(html! {
        article.gate {
            h3 {
                code { (thread.request) } " " (parts::state(tone, word))
                @if late { " " (parts::state(Tone::Bad, "late")) }
            }
            p.quiet {
                @if let Some(control) = &thread.control { "About " a href={ "/controls/" (control) } { (control) } ". " }
                @if let Some(application) = &thread.application { "Application " (application) ". " }
                @if let Some(due) = thread.due() { "An answer is due by " (parts::time(due)) "." }
            }
            ul { @for message in &messages { (message) } }
            @if let Some((page, text)) = next {
                p { a href={ "/audits/" (thread.audit) (page) (thread.request) } { (text) } }
            }
        }
    })
}

fn one_message(look: &Look<'_>, m: &MessageRow) -> Result<Markup, Trouble> {
    let text = look.state().message_text(m)?;
    Ok(html! {
        li {
            strong { (look.name(&m.by)?) } " " (m.kind.as_str()) " " (parts::time(m.time)) " " (parts::entry(m.index))
            @match (&m.text, text) {
                (Some(_), Some(text)) => p { (text) },
                (Some(_), None) => p.quiet { "The text cannot be opened: its writer's data was erased." },
                (None, _) => "",
            }
            @if !m.evidence.is_empty() { p.quiet { "Points at " @for index in &m.evidence { (parts::entry(*index)) " " } } }
            @if !m.packs.is_empty() { p.quiet { "Packs " @for pack in &m.packs { (parts::short(&pack.to_string())) " " } } }
        }
    })
}
