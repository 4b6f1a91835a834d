//! Requests for evidence: what was asked of a control, and how an auditor asks.

use countersign_model::{AuditId, AuditRequestId};
use countersign_store::projection::ThreadRow;
use maud::{Markup, html};

use super::audits::one_thread;
use super::populations::quoted;
use crate::app::Trouble;
use crate::web::layout::Page;
use crate::web::look::Look;
use crate::web::parts;
use crate::web::rooms::OFFICERS;

/// What stands in the command until somebody types.
const EXAMPLE: &str = "What I need, in words";

/// What was asked about a control, as far as the visitor may look at audits, and the way to ask.
pub(super) fn about(look: &Look<'_>, control: &str) -> Result<Markup, Trouble> {
    if !look.visitor.is_any(OFFICERS) {
        return Ok(html! {});
    }
    let mut own: Vec<ThreadRow> = Vec::new();
    for thread in look.state().audit_threads(None)? {
        if thread.control.as_deref() == Some(control) && look.scope.has_thread(look.state(), &thread)? {
            own.push(thread);
        }
    }
    let threads = own.iter().map(|thread| one_thread(look, thread)).collect::<Result<Vec<_>, _>>()?;
    Ok(html! {
        section {
            h2 { "Requests for evidence" }
            @if threads.is_empty() { p.none { "Nobody asked about it." } }
            @for thread in &threads { (thread) }
            @if let Some(audit) = look.scope.audit().filter(|_| look.visitor.is_auditor()) {
                p { a href={ "/audits/" (audit.said.audit) "/ask?control=" (control) } { "Request evidence" } }
            }
        }
    })
}

/// How an auditor asks: the exact command, which is signed and sealed where it is typed.
pub(crate) fn ask(look: &mut Look<'_>) -> Result<Page, Trouble> {
    let id = AuditId::from_text(look.param("audit"));
    let audit = look.state().audit(&id)?.ok_or_else(|| Trouble::not_found("audit"))?;
    let said = &audit.said;
    let (control, request) = (look.filter("control").unwrap_or(""), look.filter("request").unwrap_or(""));
    if !control.is_empty() && look.app.catalogue.get(control).is_none() {
        return Err(Trouble::not_found("control"));
    }
    let application = look.filter("application").unwrap_or("");
    let about: Vec<String> = if said.applications.is_empty() {
        look.state().applications()?.into_iter().filter(|a| a.retired.is_none()).map(|a| a.what.id).collect()
    } else {
        said.applications.clone()
    };
    if !application.is_empty() && !about.iter().any(|known| known == application) {
        return Err(Trouble::not_found("application"));
    }
    let before = if request.is_empty() {
        let mut command = format!("countersign audit request {id} ");
        for (name, value) in [("--control", control), ("--application", application)] {
            if !value.is_empty() {
                command.push_str(&format!("{name} {value} "));
            }
        }
        command + "--text "
    } else {
        let known = look.state().audit_thread(&AuditRequestId::from_text(request))?;
        let known = known.filter(|thread| thread.audit == id).ok_or_else(|| Trouble::not_found("request"))?;
        format!("countersign audit follow-up {} --text ", known.request)
    };
    let here = format!("/audits/{id}/ask");
    let mut controls: Vec<&str> = look.app.catalogue.controls.keys().map(String::as_str).collect();
    controls.sort_unstable();
    let body = html! {
        @if audit.closed.is_some() { p { (parts::state(parts::Tone::Quiet, "closed")) " Nobody asks in an audit that is over." } }
        @if !look.visitor.is_auditor() { p.quiet { "Auditors ask. This is what they see." } }
        @if request.is_empty() {
            form.search method="get" action=(here) {
                label { "About the control "
                    select name="control" {
                        option value="" { "none" }
                        @for id in &controls { option value=(id) selected[*id == control] { (id) } }
                    }
                }
                label { "Application "
                    select name="application" {
                        option value="" { "all" }
                        @for id in &about { option value=(id) selected[id == application] { (id) } }
                    }
                }
                button type="submit" { "Show" }
            }
        } @else {
            p { "After the answer to " code { (request) } ":" }
        }
        div.ask {
            label for="text" { "What you need" }
            textarea id="text" rows="4" maxlength="9000" placeholder=(EXAMPLE) autocomplete="off" {}
        }
        p { "Your key signs it, and the text is sealed, where you type it:" }
        pre { code id="command" data-before=(before) { (before) (quoted(EXAMPLE)) } }
        p { button type="button" data-copy disabled { "Copy the command" } " " span id="copied" role="status" {} }
        p.quiet { "An answer is awaited within ten days; " code { "--due 2026-12-31" } " says otherwise. What you type here is sent nowhere. " a href={ "/audits/" (id) } { "Back to the audit" } }
        script type="module" src="/assets/ask.js" {}
    };
    Ok(Page::new("Request evidence", body).aside(html! { (said.name) }))
}
