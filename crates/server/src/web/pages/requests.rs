//! Requests for evidence: what was asked of a control, and how an auditor asks, asks on and closes. With a passkey they sign it here; the
//! command that a key on their own machine signs stands beside it.

use countersign_govern::access::Pen;
use countersign_govern::audit::threads::{self, DEFAULT_DAYS, Question};
use countersign_model::audit::threads::LONGEST_TEXT;
use countersign_model::retention::Day;
use countersign_model::{AuditId, AuditRequestId, Timestamp};
use countersign_store::projection::{AuditRow, RequestState, ThreadRow};
use maud::{Markup, html};

use super::audits::{one_thread, said_before};
use super::populations::quoted;
use crate::app::{App, Trouble};
use crate::web::acts::Doing;
use crate::web::layout::Page;
use crate::web::look::{AUDIT, Look, encode};
use crate::web::parts;
use crate::web::rooms::OFFICERS;
use crate::web::sign::{self, Keys};

/// What stands in the command until somebody types.
const EXAMPLE: &str = "What I need, in words";
const ACT: &str = "audit request";

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

fn place(audit: &AuditId) -> String {
    format!("/audits/{}/ask", encode(audit.as_str()))
}

/// Something that is typed on a page: signed here with a passkey, or as a command elsewhere.
pub(super) struct Typed<'a> {
    /// Where its form is sent, without `/prepare`.
    pub(super) place: &'a str,
    /// The audit that it is in.
    pub(super) audit: &'a AuditId,
    /// What the field asks for.
    pub(super) label: &'a str,
    /// What stands in the command until somebody types.
    pub(super) example: &'a str,
    /// The command up to the text.
    pub(super) command: &'a str,
    /// More fields of the form.
    pub(super) more: Markup,
    /// The passkeys that may sign it; none: nobody signs it here.
    pub(super) keys: Option<&'a Keys>,
}

/// The field, the form around it where a passkey of the visitor's can sign, and the command.
pub(super) fn typed(look: &Look<'_>, what: &Typed<'_>) -> Markup {
    let field = html! {
        label for="text" { (what.label) }
        textarea id="text" name="text" rows="4" maxlength=(LONGEST_TEXT - 1000) placeholder=(what.example) autocomplete="off" {}
    };
    let keys = what.keys.filter(|keys| !keys.here.is_empty());
    html! {
        @if let Some(keys) = keys {
            form.ask method="post" action={ (what.place) "/prepare" } {
                (hidden(look, what.audit))
                (sign::choice(keys))
                (field)
                (what.more)
                button type="submit" { "Show what I would sign" }
            }
            p.quiet { "Or, where your key is another one, on your own machine; the text is sealed there as it is here:" }
        } @else {
            div.ask { (field) }
            @if let Some(keys) = what.keys { (sign::none_here(look, keys)) }
            p { "Your key signs it, and the text is sealed, where you type the command; what stands here is sent nowhere:" }
        }
        pre { code id="command" data-before=(what.command) { (what.command) (quoted(what.example)) } }
        p { button type="button" data-copy disabled { "Copy the command" } " " span id="copied" role="status" {} }
        script type="module" src="/assets/ask.js" {}
    }
}

/// What every form of an audit's page has.
pub(super) fn hidden(look: &Look<'_>, audit: &AuditId) -> Markup {
    html! {
        input type="hidden" name="csrf" value=(look.visitor.csrf);
        @if look.visitor.is_auditor() { input type="hidden" name=(AUDIT) value=(audit.as_str()); }
    }
}

/// How an auditor asks, asks on and closes.
pub(crate) fn ask(look: &mut Look<'_>) -> Result<Page, Trouble> {
    let id = AuditId::from_text(look.param("audit"));
    let audit = look.state().audit(&id)?.ok_or_else(|| Trouble::not_found("audit"))?;
    let aside = html! { (audit.said.name) };
    if let Some(word) = look.filter(sign::PREPARED).map(str::to_owned) {
        let body = html! {
            (sign::draft_shown(look, &place(&id), &word)?)
            p { a href={ "/audits/" (id) } { "Leave it" } }
        };
        return Ok(Page::new("Request evidence", body).aside(aside));
    }
    let keys = if look.visitor.is_auditor() && !look.scope.is_as_auditor && audit.closed.is_none() {
        Some(sign::keys(look)?)
    } else {
        None
    };
    let body = match look.filter("request").map(str::to_owned) {
        Some(request) => on(look, &audit, &thread_of(look.state(), &id, &request)?, keys.as_ref())?,
        None => anew(look, &audit, keys.as_ref())?,
    };
    let body = html! {
        @if audit.closed.is_some() { p { (parts::state(parts::Tone::Quiet, "closed")) " Nobody asks in an audit that is over." } }
        @if !look.visitor.is_auditor() { p.quiet { "Auditors ask. This is what they see." } }
        (body)
        p { a href={ "/audits/" (id) } { "Back to the audit" } }
    };
    Ok(Page::new("Request evidence", body).aside(aside))
}

/// A request of this audit.
pub(super) fn thread_of(
    state: &countersign_store::projection::State,
    audit: &AuditId,
    request: &str,
) -> Result<ThreadRow, Trouble> {
    let known = state.audit_thread(&AuditRequestId::from_text(request))?;
    known.filter(|thread| thread.audit == *audit).ok_or_else(|| Trouble::not_found("request"))
}

fn due_field() -> Markup {
    html! {
        label for="due" { "An answer is awaited until (in " (DEFAULT_DAYS) " days where nothing is said)" }
        input id="due" name="due" type="date";
    }
}

/// Asking for the first time.
fn anew(look: &Look<'_>, audit: &AuditRow, keys: Option<&Keys>) -> Result<Markup, Trouble> {
    let (id, place) = (&audit.said.audit, place(&audit.said.audit));
    let (control, application) = (look.filter("control").unwrap_or(""), look.filter("application").unwrap_or(""));
    if !control.is_empty() && look.app.catalogue.get(control).is_none() {
        return Err(Trouble::not_found("control"));
    }
    let about: Vec<String> = if audit.said.applications.is_empty() {
        look.state().applications()?.into_iter().filter(|a| a.retired.is_none()).map(|a| a.what.id).collect()
    } else {
        audit.said.applications.clone()
    };
    if !application.is_empty() && !about.iter().any(|known| known == application) {
        return Err(Trouble::not_found("application"));
    }
    let mut command = format!("countersign audit request {id} ");
    for (name, value) in [("--control", control), ("--application", application)] {
        if !value.is_empty() {
            command.push_str(&format!("{name} {value} "));
        }
    }
    command.push_str("--text ");
    let mut controls: Vec<&str> = look.app.catalogue.controls.keys().map(String::as_str).collect();
    controls.sort_unstable();
    let more = html! {
        input type="hidden" name="control" value=(control);
        input type="hidden" name="application" value=(application);
        (due_field())
    };
    Ok(html! {
        form.search method="get" action=(place) {
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
        (typed(look, &Typed { place: &place, audit: id, label: "What you need", example: EXAMPLE, command: &command, more, keys }))
        p.quiet { "An answer is awaited within ten days; the command's " code { "--due 2026-12-31" } " says otherwise." }
    })
}

/// Asking on after an answer, and saying that nothing more is needed.
fn on(look: &Look<'_>, audit: &AuditRow, thread: &ThreadRow, keys: Option<&Keys>) -> Result<Markup, Trouble> {
    let (id, place) = (&audit.said.audit, place(&audit.said.audit));
    let request = thread.request.as_str();
    let command = format!("countersign audit follow-up {request} --text ");
    let more = html! { input type="hidden" name="request" value=(request); (due_field()) };
    let closes = keys.filter(|keys| !keys.here.is_empty());
    Ok(html! {
        (said_before(look, thread)?)
        @match thread.state() {
            RequestState::Answered => (typed(look, &Typed { place: &place, audit: id, label: "What you need", example: EXAMPLE, command: &command, more, keys })),
            RequestState::Open => p { "It waits for an answer. You can take it back." },
            RequestState::Closed => p.none { "It is closed." },
        }
        @if thread.state() != RequestState::Closed {
            section {
                h2 { "Nothing more is needed" }
                @if let Some(keys) = closes {
                    form.ask method="post" action={ (place) "/prepare" } {
                        (hidden(look, id))
                        @for key in keys.here.iter().take(1) { input type="hidden" name="key" value=(key.fingerprint); }
                        input type="hidden" name="request" value=(request);
                        input type="hidden" name="close" value="1";
                        button type="submit" { "Close it: show what I would sign" }
                    }
                }
                pre { code { "countersign audit close " (request) } }
            }
        }
    })
}

/// A day of a form, from its beginning on; none where nothing is said.
fn day(text: &str) -> Result<Option<Timestamp>, Trouble> {
    if text.is_empty() {
        return Ok(None);
    }
    let day = text.parse::<Day>().ok().and_then(Day::start);
    day.map(Some).ok_or_else(|| Trouble::bad_request("`due` is no day: 2026-12-31"))
}

/// A text as it was typed: browsers end lines as mail does.
pub(super) fn text_of(doing: &Doing<'_>) -> String {
    doing.field("text").replace("\r\n", "\n")
}

fn some(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

/// The address of an audit's page after an act.
pub(super) fn back(doing: &Doing<'_>, audit: &AuditId) -> String {
    format!("/audits/{}?{}", encode(audit.as_str()), doing.through().trim_start_matches('&'))
        .trim_end_matches('?')
        .to_owned()
}

/// Asks whether the visitor may ask, ask on or close, and keeps what they would sign.
pub(crate) fn prepare(doing: &mut Doing<'_>) -> Result<String, Trouble> {
    let id = AuditId::from_text(doing.param("audit"));
    let audit = doing.session.state().audit(&id)?.ok_or_else(|| Trouble::not_found("audit"))?;
    let Some(key) = sign::own_key(doing)? else {
        return Err(sign::refused(doing, ACT, None, Trouble::no_passkey())?);
    };
    let (text, due) = (text_of(doing), day(doing.field("due"))?);
    let (request, closes) = (doing.field("request").to_owned(), !doing.field("close").is_empty());
    let (control, application) = (doing.field("control").to_owned(), doing.field("application").to_owned());
    let pen = Pen::Passkey(&key.fingerprint);
    let mut words = vec![("Audit", audit.said.name.clone())];
    let told = |e: countersign_govern::Error| sign::told(&e);
    let (button, draft) = if request.is_empty() {
        let asked = Question { control: some(&control), application: some(&application), text: &text, due };
        let app: &App = doing.app;
        let (request, draft) =
            threads::draft_request(doing.session, id.as_str(), &asked, &app.catalogue, pen).map_err(told)?;
        words.push(("New request", request.to_string()));
        words.extend(some(&control).map(|control| ("About the control", control.to_owned())));
        words.extend(some(&application).map(|application| ("Application", application.to_owned())));
        ("Request with passkey", draft)
    } else {
        let thread = thread_of(doing.session.state(), &id, &request)?;
        words.push(("Request", thread.request.to_string()));
        if closes {
            words.push(("What", "nothing more is needed".to_owned()));
            ("Close with passkey", threads::draft_closing(doing.session, thread.request.as_str(), pen).map_err(told)?.1)
        } else {
            let asked = threads::draft_follow_up(doing.session, thread.request.as_str(), &text, due, pen);
            ("Ask on with passkey", asked.map_err(told)?.1)
        }
    };
    if !closes {
        words.push(("What is asked", text.trim().to_owned()));
        words.extend(draft.says("text").map(|sealed| ("Sealed, that is", sealed)));
        words.extend(draft.says("due").map(|due| ("An answer is awaited until", due)));
    }
    let next = back(doing, &id);
    sign::drafted(doing, &place(&id), sign::Proposed { draft, words, button, next })
}

/// Takes what the passkey answered.
pub(crate) fn complete(doing: &mut Doing<'_>) -> Result<String, Trouble> {
    let place = place(&AuditId::from_text(doing.param("audit")));
    sign::draft_signed(doing, ACT, &place)
}
