//! Closing an audit: what was asked in it and answered, then exactly what would be signed, as `countersign audit close` signs it.

use countersign_govern::access::Pen;
use countersign_govern::audit::threads;
use countersign_model::{AuditId, Role};
use maud::{Markup, html};

use crate::app::Trouble;
use crate::web::acts::Doing;
use crate::web::layout::Page;
use crate::web::look::{Look, encode};
use crate::web::parts::{self, Tone};
use crate::web::sign;

const ACT: &str = "audit close";

/// Who closes audits on their page: an auditor does it at the command line.
pub(crate) const CLOSE: &[Role] = &[Role::SecurityOfficer, Role::ComplianceOfficer];

fn place(audit: &AuditId) -> String {
    format!("/audits/{}/close", encode(audit.as_str()))
}

/// The way to close an audit that is open, for whoever does.
pub(super) fn way(look: &Look<'_>, audit: &AuditId) -> Markup {
    html! {
        @if look.visitor.is_any(CLOSE) && !look.visitor.is_auditor() {
            p { a href=(place(audit)) { "Close the audit" } }
        }
    }
}

pub(crate) fn show(look: &mut Look<'_>) -> Result<Page, Trouble> {
    let id = AuditId::from_text(look.param("audit"));
    let audit = look.state().audit(&id)?.ok_or_else(|| Trouble::not_found("audit"))?;
    let title = format!("Close {}", audit.said.name);
    if let Some(word) = look.filter(sign::PREPARED).map(str::to_owned) {
        let body = html! {
            (sign::draft_shown(look, &place(&id), &word)?)
            p { a href={ "/audits/" (id) } { "Leave it" } }
        };
        return Ok(Page::new(title, body));
    }
    let body = match threads::may_close(look.session, &id, &look.visitor.person) {
        Ok((requests, answered)) => asked(look, &id, requests, answered)?,
        Err(error) => {
            let trouble = sign::told(&error);
            html! {
                p { (parts::state(Tone::Quiet, "not by you, or not now")) " " (trouble.text) "." }
                p { (trouble.help) "." }
            }
        }
    };
    // Not live: what somebody reads before they sign does not change under their eyes.
    Ok(Page::new(title, html! { (body) p { a href={ "/audits/" (id) } { "Back to the audit" } } }))
}

fn asked(look: &Look<'_>, id: &AuditId, requests: u64, answered: u64) -> Result<Markup, Trouble> {
    let keys = sign::keys(look)?;
    Ok(html! {
        p {
            "In it " (parts::count(wide(requests), "request was", "requests were")) " made, and " (parts::grouped(answered)) " of them answered; none waits. After it is closed its auditors see through it no more, and nothing is asked or "
            "answered in it. It is not opened again."
        }
        @if keys.here.is_empty() {
            (sign::none_here(look, &keys))
        } @else {
            form.ask method="post" action={ (place(id)) "/prepare" } {
                input type="hidden" name="csrf" value=(look.visitor.csrf);
                (sign::choice(&keys))
                button type="submit" { "Show what I would sign" }
            }
        }
        p { "With your SSH key, on your own machine:" }
        pre { code { "countersign audit close " (id) } }
    })
}

fn wide(n: u64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

/// Asks whether the visitor may close the audit, and keeps what they would sign.
pub(crate) fn prepare(doing: &mut Doing<'_>) -> Result<String, Trouble> {
    let id = AuditId::from_text(doing.param("audit"));
    let Some(key) = sign::own_key(doing)? else {
        return Err(sign::refused(doing, ACT, None, Trouble::no_passkey())?);
    };
    let audit = doing.session.state().audit(&id)?.ok_or_else(|| Trouble::not_found("audit"))?;
    let (_, draft) = threads::draft_audit_closing(doing.session, id.as_str(), Pen::Passkey(&key.fingerprint))
        .map_err(|e| sign::told(&e))?;
    let all = doing.session.state().audit_threads(Some(&id))?;
    let answered = all.iter().filter(|thread| thread.answer().is_some()).count();
    let mut words = vec![
        ("What", "the end of an audit".to_owned()),
        ("Audit", format!("{}, {id}", audit.said.name)),
        ("Requests in it", all.len().to_string()),
        ("Answered", answered.to_string()),
    ];
    words.extend(draft.says("time").map(|time| ("At", time)));
    let next = format!("/audits/{}", encode(id.as_str()));
    sign::drafted(doing, &place(&id), sign::Proposed { draft, words, button: "Close with passkey", next })
}

/// Takes what the passkey answered.
pub(crate) fn complete(doing: &mut Doing<'_>) -> Result<String, Trouble> {
    let place = place(&AuditId::from_text(doing.param("audit")));
    sign::draft_signed(doing, ACT, &place)
}
