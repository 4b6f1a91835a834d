//! Asking that a waiver goes on after its end: why still and for how long, then exactly what would be signed, as `countersign waive renew`
//! signs it.

use countersign_govern::access::Pen;
use countersign_govern::waivers::{self, Standing};
use countersign_model::WaiverId;
use countersign_model::governance::waiver::LONGEST_DAYS;
use countersign_store::projection::{MAX_TEXT, WaiverState};
use maud::{Markup, html};

use super::findings::{self, DAYS};
use super::waiver::{self, place};
use crate::app::Trouble;
use crate::web::acts::Doing;
use crate::web::layout::Page;
use crate::web::look::Look;
use crate::web::parts::{self, Tone};
use crate::web::sign::{self, Proposed};

const ACT: &str = "waive request";

fn here(id: &WaiverId) -> String {
    format!("{}/renew", place(id))
}

/// The way to renew a waiver, for whoever may, where it may be; `words` is what the link says.
pub(super) fn way(look: &Look<'_>, w: &Standing, words: &str) -> Markup {
    let may = !look.visitor.is_auditor() && waivers::may_renew(look.session, w, &look.visitor.person).is_ok();
    html! { @if may { a href=(here(&w.row.request.waiver)) { (words) } } }
}

pub(crate) fn show(look: &mut Look<'_>) -> Result<Page, Trouble> {
    let id = WaiverId::from_text(look.param("waiver"));
    let row = look.state().waiver(&id)?.ok_or_else(|| Trouble::not_found("waiver"))?;
    let title = format!("Renew waiver {}", parts::short_id(id.as_str()));
    if let Some(word) = look.filter(sign::PREPARED).map(str::to_owned) {
        let body = html! {
            (sign::draft_shown(look, &here(&id), &word)?)
            p { a href=(here(&id)) { "Write it anew" } " or " a href=(place(&id)) { "leave it" } "." }
        };
        return Ok(Page::new(title, body));
    }
    let w = waivers::standing(look.session, row)?;
    let body = match waivers::may_renew(look.session, &w, &look.visitor.person) {
        Ok(()) => asked(look, &w)?,
        Err(error) => {
            let trouble = sign::told(&error);
            html! {
                p { (parts::state(Tone::Quiet, "not by you, or not now")) " " (trouble.text) "." }
                p { (trouble.help) "." }
            }
        }
    };
    // Not live: what somebody reads before they sign does not change under their eyes.
    Ok(Page::new(title, html! { (body) p { a href=(place(&id)) { "Back to the waiver" } } }))
}

fn asked(look: &Look<'_>, w: &Standing) -> Result<Markup, Trouble> {
    let request = &w.row.request;
    let keys = sign::keys(look)?;
    Ok(html! {
        (parts::facts(&[
            ("Renews", html! { (waiver::link(&request.waiver)) ", " (w.state.as_str()) " until " (parts::time(request.expires)) }),
            ("Controls", html! { (request.scope.controls.join(", ")) }),
            ("What was accepted, and why", html! { (request.acceptance) }),
            ("Renewed before", html! { (parts::count(usize::try_from(request.renewals).unwrap_or(usize::MAX), "time", "times")) }),
            ("Granted by", html! { (request.category.granted_by().with_article()) ", who does not ask for it" }),
        ]))
        p {
            "The same is asked for once more, from now on: it covers what the one before covers, and somebody else grants it or does not. "
            "What is granted already stays as it is until its end."
        }
        @if w.state == WaiverState::Expired { p { (parts::state(Tone::Wait, "over")) " What it covered counts again until the renewal is granted." } }
        @if w.is_unmatched() { p { (parts::state(Tone::Wait, "it covers nothing")) " Then it need not go on." } }
        @if keys.here.is_empty() {
            (sign::none_here(look, &keys))
        } @else {
            form.ask method="post" action={ (here(&request.waiver)) "/prepare" } {
                input type="hidden" name="csrf" value=(look.visitor.csrf);
                (sign::choice(&keys))
                label for="accept" { "What could happen, and why that is still accepted, in one line (no names of people)" }
                input id="accept" name="accept" required maxlength=(MAX_TEXT) autocomplete="off";
                label for="days" { "For how many days" }
                input id="days" name="days" type="number" min="1" max=(LONGEST_DAYS) value=(DAYS) required;
                button type="submit" { "Show what I would sign" }
            }
        }
        p { "With your SSH key, on your own machine:" }
        pre { code { "countersign waive renew " (request.waiver) " --days " (DAYS) " --accept TEXT" } }
    })
}

/// Asks whether the visitor may ask for it, and keeps what they would sign.
pub(crate) fn prepare(doing: &mut Doing<'_>) -> Result<String, Trouble> {
    let Some(key) = sign::own_key(doing)? else {
        return Err(sign::refused(doing, ACT, None, Trouble::no_passkey())?);
    };
    let before = WaiverId::from_text(doing.param("waiver"));
    let row = doing.session.state().waiver(&before)?.ok_or_else(|| Trouble::not_found("waiver"))?;
    let days = findings::days_of(Some(doing.field("days")))?;
    let accept = doing.field("accept").to_owned();
    let pen = Pen::Passkey(&key.fingerprint);
    let drafted = waivers::draft_renewal(doing.session, before.as_str(), &accept, days, &doing.app.catalogue, pen);
    let (id, draft) = drafted.map_err(|e| sign::told(&e))?;
    let mut words = vec![
        ("What", "the request that a waiver goes on".to_owned()),
        ("Waiver", id.to_string()),
        ("Renews", before.to_string()),
        ("Renewal", row.request.renewals.saturating_add(1).to_string()),
        ("Controls", row.request.scope.controls.join(", ")),
        ("What is accepted", accept.trim().to_owned()),
    ];
    words.extend(row.request.compensating.clone().map(|control| ("Control that does the work", control)));
    words.extend(draft.says("not_before").map(|from| ("From", from)));
    words.extend(draft.says("expires").map(|until| ("Until", until)));
    sign::drafted(doing, &here(&before), Proposed { draft, words, button: "Ask for it with passkey", next: place(&id) })
}

/// Takes what the passkey answered.
pub(crate) fn complete(doing: &mut Doing<'_>) -> Result<String, Trouble> {
    let place = here(&WaiverId::from_text(doing.param("waiver")));
    sign::draft_signed(doing, ACT, &place)
}
