//! Waivers: what is let through all the same, by whose signature, and until when.

use countersign_govern::waivers;
use countersign_store::projection::WaiverState;
use maud::{Markup, html};

use crate::app::Trouble;
use crate::web::layout::Page;
use crate::web::look::Look;
use crate::web::parts::{self, Tone};

const STATES: [WaiverState; 6] = [
    WaiverState::Requested,
    WaiverState::Active,
    WaiverState::Upcoming,
    WaiverState::Expired,
    WaiverState::Rejected,
    WaiverState::Revoked,
];

const fn tone(state: WaiverState) -> Tone {
    match state {
        WaiverState::Requested => Tone::Wait,
        WaiverState::Active => Tone::Waived,
        _ => Tone::Quiet,
    }
}

pub(crate) fn show(look: &mut Look<'_>) -> Result<Page, Trouble> {
    let mut all = waivers::list(look.session)?;
    all.retain(|w| look.scope.has_waiver(&w.row));
    let wanted = match look.filter("state") {
        Some(text) => Some(
            STATES
                .into_iter()
                .find(|s| s.as_str() == text)
                .ok_or_else(|| Trouble::bad_request("`state` in the address is none"))?,
        ),
        None => None,
    };
    let chosen = look.filter("state").unwrap_or("");
    let link = |name: String, value: &str| (name, look.address("/waivers", &[("state", value)]), chosen == value);
    let mut links = vec![link(format!("all {}", all.len()), "")];
    for state in STATES {
        let n = all.iter().filter(|w| w.state == state).count();
        links.push(link(format!("{} {n}", state.as_str()), state.as_str()));
    }
    let mut rows: Vec<Markup> = Vec::new();
    for w in all.iter().rev().filter(|w| wanted.is_none_or(|s| s == w.state)) {
        let request = &w.row.request;
        let by = w.row.granted.as_ref().map(|g| look.name(&g.by)).transpose()?;
        rows.push(html! {
            tr {
                td { code { (request.waiver) } " " (parts::entry(w.row.index)) }
                td { (parts::state(tone(w.state), w.state.as_str())) @if w.is_unmatched() { div.quiet { "covers nothing" } } }
                td { (request.scope.controls.join(", ")) }
                td { (look.name(&request.by)?) }
                td { (by.as_deref().unwrap_or("nobody yet")) }
                td { (parts::time(request.expires)) }
                td.n { (request.renewals) }
            }
        });
    }
    let body = html! {
        (parts::filters("State", &links))
        (parts::table("Waivers", &["Waiver", "State", "Controls", "Asked by", "Granted by", "Until", "Renewals"], &rows, "No waiver is like that."))
    };
    Ok(Page::new("Waivers", body).aside(html! { (rows.len()) " in this list" }).live())
}
