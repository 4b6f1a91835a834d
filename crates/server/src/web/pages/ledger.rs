//! The ledger: its head, what is in it, and whether all of it is believed.

use countersign_evidence::encoding;
use countersign_model::{Digest, EventKind, StreamId};
use countersign_store::projection::{EntriesAsked, EntryLine};
use maud::{Markup, html};

use crate::app::Trouble;
use crate::web::layout::Page;
use crate::web::look::Look;
use crate::web::parts::{self, Tone};

const ROWS: u32 = 50;
/// Anomalies that are listed; the rest is counted.
const ANOMALIES: usize = 20;

fn asked(look: &Look<'_>) -> Result<EntriesAsked, Trouble> {
    let kind = match look.filter("kind") {
        Some(text) => Some(
            EventKind::ALL
                .into_iter()
                .find(|kind| kind.as_str() == text)
                .ok_or_else(|| Trouble::bad_request("`kind` in the address is none"))?,
        ),
        None => None,
    };
    Ok(EntriesAsked { kind, stream: look.filter("stream").map(StreamId::from_text), before: look.index("before")? })
}

pub(crate) fn show(look: &mut Look<'_>) -> Result<Page, Trouble> {
    let asked = asked(look)?;
    let state = look.state();
    let mut lines = state.entries_page(&asked, ROWS + 1)?;
    let count = state.entries_count(&asked)?;
    let has_more = lines.len() > ROWS as usize;
    lines.truncate(ROWS as usize);
    let anomalies = state.anomalies()?;
    let kinds = state.kinds()?;
    let ledger = look.session.ledger();
    let mut rows: Vec<Markup> = Vec::new();
    for line in &lines {
        rows.push(row(line, look.scope.has_entry(look.session, line.index)?));
    }
    let next = lines.last().filter(|_| has_more).map(|last| last.index.to_string());
    let pinned = look.session.pin().and_then(|pin| pin.trust_root.as_ref());
    let body = html! {
        (parts::facts(&[
            ("Entries", html! { (parts::grouped(ledger.size())) }),
            ("Root", html! { code { (encoding::to_base64(&ledger.root())) } }),
            ("Log key", html! { code { (ledger.vkey()) } }),
            ("Trust root", match pinned {
                Some(pin) => html! { (parts::state(Tone::Good, "pinned")) " entry " (parts::entry(pin.index)) },
                None => html! { (parts::state(Tone::Bad, "none")) " " code { "countersign init" } " establishes it" },
            }),
            ("Not believed", match anomalies.len() {
                0 => parts::state(Tone::Good, "nothing: every signature and role holds"),
                n => parts::state(Tone::Bad, &format!("{n} entries")),
            }),
        ]))
        @if !anomalies.is_empty() {
            (parts::section("Entries that are not believed", &parts::table(
                "Entries that are not believed",
                &["Entry", "Why"],
                &anomalies.iter().take(ANOMALIES).map(|a| html! { tr { td { (parts::entry(a.index)) } td { (a.what) } } }).collect::<Vec<_>>(),
                "",
            )))
        }
        section {
            h2 { "Without this server" }
            p { "The same log is at " a href="/checkpoint" { "/checkpoint" } " and under " code { "/tile/" } " for any tlog client. On a machine that holds the trust file:" }
            pre { code { "countersign verify --trust firm.json" } }
        }
        section {
            h2 { "Entries" }
            @if look.scope.is_limited() {
                p.quiet { "The log itself is public, so every entry is listed; those of your scope can be opened." }
            }
            form.search method="get" action="/ledger" role="search" {
                label { "Kind "
                    select name="kind" {
                        option value="" { "all" }
                        @for (kind, n) in &kinds {
                            option value=(kind.as_str()) selected[asked.kind == Some(*kind)] { (kind.as_str()) " (" (n) ")" }
                        }
                    }
                }
                label { "Stream " input name="stream" value=(asked.stream.as_ref().map_or("", |s| s.as_str())) size="26"; }
                button type="submit" { "Show" }
            }
            (parts::table("Entries", &["Entry", "Kind", "Stream", "Actor", "When", "Leaf"], &rows, "No entry is like that."))
            (parts::older(next.map(|before| look.address("/ledger", &[("before", &before)]))))
        }
    };
    Ok(Page::new("Ledger", body).aside(html! { (parts::grouped(count)) " in this list" }).live())
}

/// A row; an entry outside of an auditor's scope stands there as it does in the public log, and leads nowhere.
fn row(line: &EntryLine, inside: bool) -> Markup {
    let leaf: Digest = line.leaf;
    html! {
        tr {
            td { @if inside { (parts::entry(line.index)) } @else { "#" (line.index) } }
            td { (line.kind.as_str()) }
            td { a.id href={ "/ledger?stream=" (line.stream) } { (line.stream) } }
            td { code.id { (line.actor) } }
            td { (parts::time(line.time)) }
            td { (parts::short(&leaf.to_string())) }
        }
    }
}
