//! Waivers: what is let through all the same, by whose signature, and until when.

use countersign_govern::waivers;
use countersign_store::projection::WaiverState;
use maud::{Markup, html};

use super::renewal;
use super::waiver;
use crate::app::Trouble;
use crate::web::layout::Page;
use crate::web::look::Look;
use crate::web::parts::{self, Tone};

const ROWS: usize = 50;
const STATES: [WaiverState; 6] = [
    WaiverState::Requested,
    WaiverState::Active,
    WaiverState::Upcoming,
    WaiverState::Expired,
    WaiverState::Rejected,
    WaiverState::Revoked,
];

pub(super) const fn tone(state: WaiverState) -> Tone {
    match state {
        WaiverState::Requested => Tone::Wait,
        WaiverState::Active => Tone::Waived,
        _ => Tone::Quiet,
    }
}

pub(crate) fn show(look: &mut Look<'_>) -> Result<Page, Trouble> {
    let (now, newest) = (look.now(), look.state().newest_time()?);
    let mut all = look.state().waivers()?;
    all.retain(|row| look.scope.has_waiver(row));
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
    let link = |name: String, value: &str| {
        (name, look.address("/waivers", &[("state", value), ("before", "")]), chosen == value)
    };
    let mut links = vec![link(format!("all {}", all.len()), "")];
    for state in STATES {
        let n = all.iter().filter(|row| row.state(now, newest) == state).count();
        links.push(link(format!("{} {n}", state.as_str()), state.as_str()));
    }
    all.retain(|row| wanted.is_none_or(|s| s == row.state(now, newest)));
    let count = all.len() as u64;
    let before = look.index("before")?.unwrap_or(u64::MAX);
    let shown: Vec<_> = all.into_iter().rev().filter(|row| row.index < before).take(ROWS + 1).collect();
    let next = shown.get(ROWS).and_then(|_| shown.get(ROWS - 1)).map(|last| last.index.to_string());
    let mut rows: Vec<Markup> = Vec::new();
    for row in shown.into_iter().take(ROWS) {
        let w = waivers::standing(look.session, row)?;
        let request = &w.row.request;
        let by = w.row.granted.as_ref().map(|g| look.name(&g.by)).transpose()?;
        rows.push(html! {
            tr {
                td { (waiver::link(&request.waiver)) " " (parts::entry(w.row.index)) }
                td { (parts::state(tone(w.state), w.state.as_str())) @if w.is_unmatched() { div.quiet { "covers nothing" } } }
                td { (request.scope.controls.join(", ")) }
                td { (look.name(&request.by)?) }
                td { (by.as_deref().unwrap_or("nobody yet")) }
                td { (parts::time(request.expires)) " " (renewal::way(look, &w, "Renew")) }
                td.n { (request.renewals) }
            }
        });
    }
    let body = html! {
        (parts::filters("State", &links))
        (parts::list("Waivers", &["Waiver", "State", "Controls", "Asked by", "Granted by", "Until", "Renewals"], &rows, "No waiver is like that."))
        (parts::older(next.map(|before| look.address("/waivers", &[("before", &before)]))))
    };
    Ok(Page::new("Waivers", body).aside(html! { (parts::grouped(count)) " in this list" }).live())
}
