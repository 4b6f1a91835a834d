//! The ledger: its head, what is in it, and whether all of it is believed.

use countersign_evidence::encoding;
use countersign_evidence::trust_policy::TrustPolicy;
use countersign_govern::audit::witness;
use countersign_model::{Digest, EventKind, StreamId, Timestamp};
use countersign_store::projection::{EntriesAsked, EntryLine};
use maud::{Markup, html};

use super::verified;
use crate::app::Trouble;
use crate::web::layout::Page;
use crate::web::look::Look;
use crate::web::parts::{self, Tone};

const ROWS: u32 = 50;

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

/// The entries that are not believed, newest first, with why.
fn not_believed(look: &Look<'_>) -> Result<Page, Trouble> {
    let before = look.index("before")?.unwrap_or(u64::MAX);
    let all = look.state().anomalies()?;
    let older: Vec<_> = all.iter().rev().filter(|a| a.index < before).collect();
    let mut rows: Vec<Markup> = Vec::new();
    for a in older.iter().take(ROWS as usize) {
        let inside = look.scope.has_entry(look.session, a.index)?;
        rows.push(html! { tr { td { (named(a.index, inside)) } td.long { @if inside { (a.what) } @else { span.quiet { "outside of your scope" } } } } });
    }
    let next = older.get(ROWS as usize - 1).filter(|_| older.len() > ROWS as usize).map(|a| a.index.to_string());
    let body = html! {
        p { "They stand in the log, and change nothing: a signature, a role or a condition of theirs does not hold. " a href=(look.address("/ledger", &[("believed", ""), ("before", "")])) { "All entries" } }
        (parts::list("Entries that are not believed", &["Entry", "Why"], &rows, "Every signature and role holds."))
        (parts::older(next.map(|before| look.address("/ledger", &[("before", &before)]))))
    };
    Ok(Page::new("Entries that are not believed", body)
        .aside(html! { (parts::grouped(all.len() as u64)) " in this list" })
        .live())
}

pub(crate) fn show(look: &mut Look<'_>) -> Result<Page, Trouble> {
    match look.filter("believed") {
        None => {}
        Some("no") => return not_believed(look),
        Some(_) => return Err(Trouble::bad_request("`believed` in the address is none")),
    }
    let asked = asked(look)?;
    let state = look.state();
    let mut lines = state.entries_page(&asked, ROWS + 1)?;
    let count = state.entries_count(&asked)?;
    let has_more = lines.len() > ROWS as usize;
    lines.truncate(ROWS as usize);
    let anomalies = state.anomalies_count()?;
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
            ("Newest checkpoint", html! { (parts::grouped(ledger.size())) " entries, the last of them " (parts::time(state.newest_time()?)) }),
            ("Root", parts::whole(encoding::to_base64(&ledger.root()))),
            ("Log key", parts::whole(ledger.vkey())),
            ("Trust root", match pinned {
                Some(pin) => html! { (parts::state(Tone::Good, "pinned")) " entry " (parts::entry(pin.index)) },
                None => html! { (parts::state(Tone::Bad, "none")) " " code { "countersign init" } " establishes it" },
            }),
            ("Witnesses", witnesses(look)?),
            ("Not believed", match anomalies {
                0 => parts::state(Tone::Good, "nothing: every signature and role holds"),
                n => html! { (parts::state(Tone::Bad, "not all of it")) " " a href="/ledger?believed=no" { (parts::grouped(n)) } },
            }),
        ]))
        (verified::section(look)?)
        (verified::without_us(look.app))
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
            (parts::list("Entries", &["Entry", "Kind", "Stream", "Actor", "When", "Leaf"], &rows, "No entry is like that."))
            (parts::older(next.map(|before| look.address("/ledger", &[("before", &before)]))))
        }
    };
    Ok(Page::new("Ledger", body).aside(html! { (parts::grouped(count)) " in this list" }).live())
}

fn named(index: u64, inside: bool) -> Markup {
    html! { @if inside { (parts::entry(index)) } @else { "#" (index) } }
}

/// Whether those who must have seen the log did: how its newest checkpoint stands with this machine's trust policy.
fn witnesses(look: &Look<'_>) -> Result<Markup, Trouble> {
    let ledger = look.session.ledger();
    let policy = look.session.installation().trust_policy(ledger.origin()).map_err(|e| Trouble::of(&e))?;
    let Some(policy) = policy.filter(TrustPolicy::asks_for_witnesses) else {
        return Ok(
            html! { (parts::state(Tone::Quiet, "none is asked for")) " " code { "countersign trust policy set FILE" } " asks for some" },
        );
    };
    let standing = match witness::standing(ledger, &policy) {
        Ok(standing) => standing,
        Err(error) => {
            let trouble = Trouble::of(&error);
            return Ok(
                html! { (parts::state(Tone::Bad, "it does not verify")) " " (trouble.text) ". Code " code { (trouble.code) } "." },
            );
        }
    };
    // Every entry makes a new checkpoint, which they see a moment later.
    let state = match standing.quorum {
        true => parts::state(Tone::Good, "the newest checkpoint is cosigned"),
        false => {
            html! { (parts::state(Tone::Wait, "the newest checkpoint waits for them")) " " code { "countersign ledger witness" } }
        }
    };
    let at = |seconds: u64| Timestamp::from_millis(i64::try_from(seconds.saturating_mul(1000)).unwrap_or(i64::MAX));
    Ok(html! {
        (state)
        @for one in &standing.cosignatures { div { (parts::state(Tone::Good, &one.witness)) " " (parts::time(at(one.time))) } }
        @for name in &standing.missing { div { (parts::state(Tone::Wait, name)) } }
    })
}

/// A row; an entry outside of an auditor's scope stands there as it does in the public log, and leads nowhere.
fn row(line: &EntryLine, inside: bool) -> Markup {
    let leaf: Digest = line.leaf;
    html! {
        tr {
            td { (named(line.index, inside)) }
            td { (line.kind.as_str()) }
            td { a.id href={ "/ledger?stream=" (line.stream) } title=(line.stream) { (parts::short_id(line.stream.as_str())) } }
            td { code.id title=(line.actor) { (parts::short_id(line.actor.as_str())) } }
            td { (parts::time(line.time)) }
            td { (parts::short(&leaf.to_string())) }
        }
    }
}
