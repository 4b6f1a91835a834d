//! Answering a request for evidence, with a passkey or by the command.

use countersign_govern::access::Pen;
use countersign_govern::audit::threads::{self, Reply};
use countersign_model::{AuditId, Role};
use countersign_store::projection::RequestState;
use maud::html;

use super::audits::{one_thread, said_before};
use super::requests::{Typed, back, text_of, thread_of, typed};
use crate::app::Trouble;
use crate::web::acts::Doing;
use crate::web::layout::Page;
use crate::web::look::{Look, encode};
use crate::web::sign;

const ACT: &str = "audit answer";
const EXAMPLE: &str = "What I answer, in words";

/// Who looks at audits and may answer in them.
pub(crate) const ANSWER: &[Role] = &[Role::SecurityOfficer, Role::ComplianceOfficer, Role::Administrator];

fn place(audit: &AuditId) -> String {
    format!("/audits/{}/answer", encode(audit.as_str()))
}

/// What was asked, and the answer to it.
pub(crate) fn show(look: &mut Look<'_>) -> Result<Page, Trouble> {
    let id = AuditId::from_text(look.param("audit"));
    let audit = look.state().audit(&id)?.ok_or_else(|| Trouble::not_found("audit"))?;
    let aside = html! { (audit.said.name) };
    let place = place(&id);
    if let Some(word) = look.filter(sign::PREPARED).map(str::to_owned) {
        let body = html! {
            (sign::draft_shown(look, &place, &word)?)
            p { a href={ "/audits/" (id) } { "Leave it" } }
        };
        return Ok(Page::new("Answer a request", body).aside(aside));
    }
    let asked = look.filter("request").map(str::to_owned);
    let threads = match &asked {
        Some(request) => vec![thread_of(look.state(), &id, request)?],
        None => look.state().audit_threads(Some(&id))?,
    };
    let waiting: Vec<_> = threads.into_iter().filter(|thread| thread.state() == RequestState::Open).collect();
    let shown = match waiting.as_slice() {
        [one] => vec![said_before(look, one)?],
        several => several.iter().map(|thread| one_thread(look, thread)).collect::<Result<Vec<_>, _>>()?,
    };
    let form = match waiting.as_slice() {
        [one] if audit.closed.is_none() && !look.visitor.is_auditor() => {
            let keys = sign::keys(look)?;
            let command = format!("countersign audit answer {} --text ", one.request);
            let more = html! {
                input type="hidden" name="request" value=(one.request);
                label for="evidence" { "Entries of the log that show it, by index, with commas between (or none)" }
                input id="evidence" name="evidence" autocomplete="off" maxlength="1000";
            };
            let label = "Your answer";
            typed(
                look,
                &Typed {
                    place: &place,
                    audit: &id,
                    label,
                    example: EXAMPLE,
                    command: &command,
                    more,
                    keys: Some(&keys),
                },
            )
        }
        _ => html! {},
    };
    let body = html! {
        @if waiting.is_empty() { p.none { "No request waits for an answer here." } }
        @for thread in &shown { (thread) }
        (form)
        @if waiting.len() == 1 {
            p.quiet { "Whoever asked does not answer. A pack that shows it is named by the command: " code { "--pack DIGEST" } "." }
        }
        p { a href={ "/audits/" (id) } { "Back to the audit" } }
    };
    Ok(Page::new("Answer a request", body).aside(aside))
}

/// Asks whether the visitor may answer, and keeps what they would sign.
pub(crate) fn prepare(doing: &mut Doing<'_>) -> Result<String, Trouble> {
    let id = AuditId::from_text(doing.param("audit"));
    let audit = doing.session.state().audit(&id)?.ok_or_else(|| Trouble::not_found("audit"))?;
    let Some(key) = sign::own_key(doing)? else {
        return Err(sign::refused(doing, ACT, None, Trouble::no_passkey())?);
    };
    if !doing.visitor.is_any(ANSWER) {
        return Err(sign::refused(doing, ACT, None, Trouble::no_role("the audits"))?);
    }
    let thread = thread_of(doing.session.state(), &id, doing.field("request"))?;
    let text = text_of(doing);
    let indices = doing.field("evidence").split([',', ' ']).filter(|part| !part.is_empty());
    let evidence: Vec<u64> = indices
        .map(|part| part.trim_start_matches('#').parse())
        .collect::<Result<_, _>>()
        .map_err(|_| Trouble::bad_request("`evidence` is not indices of entries with commas between"))?;
    let reply = Reply { text: &text, evidence: &evidence, packs: &[] };
    let (request, draft) =
        threads::draft_answer(doing.session, thread.request.as_str(), &reply, Pen::Passkey(&key.fingerprint))
            .map_err(|e| sign::told(&e))?;
    let mut words = vec![
        ("Audit", audit.said.name.clone()),
        ("Request", request.to_string()),
        ("What is answered", text.trim().to_owned()),
    ];
    words.extend(draft.says("text").map(|sealed| ("Sealed, that is", sealed)));
    if !evidence.is_empty() {
        words.push(("Entries that show it", evidence.iter().map(u64::to_string).collect::<Vec<_>>().join(", ")));
    }
    let next = back(doing, &id);
    sign::drafted(doing, &place(&id), sign::Proposed { draft, words, button: "Answer with passkey", next })
}

/// Takes what the passkey answered.
pub(crate) fn complete(doing: &mut Doing<'_>) -> Result<String, Trouble> {
    let place = place(&AuditId::from_text(doing.param("audit")));
    sign::draft_signed(doing, ACT, &place)
}
