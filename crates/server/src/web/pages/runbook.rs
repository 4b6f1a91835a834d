//! The Pipeline Governance Runbook, as it is at this moment.

use countersign_govern::page::Block;
use countersign_govern::runbook;
use countersign_model::audit::threads::MaskedField;
use countersign_stages::notify;
use maud::{Markup, html};

use crate::app::Trouble;
use crate::web::layout::Page;
use crate::web::look::Look;
use crate::web::parts::{self, Tone};

/// Rows of a table that the page shows.
const ROWS: usize = 100;

pub(crate) fn show(look: &mut Look<'_>) -> Result<Page, Trouble> {
    let masked: Vec<MaskedField> = MaskedField::ALL.into_iter().filter(|field| look.scope.hides(*field)).collect();
    let written = runbook::write_for(look.session, &look.app.engine, &look.app.catalogue, &masked)?;
    let body = html! {
        @for block in &written.blocks { (part(block)) }
        (notifications(look)?)
        p.quiet { "As Markdown or one HTML file: " code { "countersign runbook" } "." }
    };
    Ok(Page::new(written.title, body))
}

fn part(block: &Block) -> Markup {
    match block {
        Block::Heading(level, text) if *level <= 2 => html! { h2 { (text) } },
        Block::Heading(_, text) => html! { h3 { (text) } },
        Block::Text(text) => html! { p { (parts::prose(text)) } },
        Block::List(items) => html! { ul { @for item in items { li { (parts::prose(item)) } } } },
        Block::Table(head, rows) => table(head, rows.iter().map(Vec::as_slice)),
        Block::Linked(head, rows) => table(head, rows.iter().map(|(_, row)| row.as_slice())),
    }
}

fn table<'a>(head: &[&'static str], rows: impl Iterator<Item = &'a [String]>) -> Markup {
    let all: Vec<&[String]> = rows.collect();
    let shown = all.iter().take(ROWS);
    let rows: Vec<Markup> =
        shown.map(|row| html! { tr { @for cell in *row { td { (parts::prose(cell)) } } } }).collect();
    let begun: Vec<String> = head.iter().map(|name| capital(name)).collect();
    let names: Vec<&str> = begun.iter().map(String::as_str).collect();
    html! {
        (parts::table(&head.join(", "), &names, &rows, ""))
        @if all.len() > ROWS { p.quiet { "The first " (ROWS) " of " (all.len()) ". All of them: " code { "countersign runbook" } "." } }
    }
}

/// A heading as the other pages have theirs.
fn capital(name: &str) -> String {
    let mut all = name.chars();
    all.next().map_or_else(String::new, |first| first.to_uppercase().chain(all).collect())
}

/// Channels through which people are told what they must act on, and what did not arrive.
fn notifications(look: &Look<'_>) -> Result<Markup, Trouble> {
    let channels = &look.app.options.notifies.channels;
    let standing = notify::arrivals(look.session, channels)?;
    let mut rows = Vec::with_capacity(standing.len());
    for s in &standing {
        let channel = channels.iter().find(|c| c.name == s.channel);
        let lost = s.given_up.iter().map(|r| (Tone::Bad, "given up", r));
        let troubles: Vec<_> = lost.chain(s.failing.iter().map(|r| (Tone::Wait, "tried again", r))).collect();
        rows.push(html! {
            tr {
                th scope="row" { (s.channel) }
                td { (channel.map_or("not configured at this server", |c| c.way.as_str())) }
                td { @if let Some(last) = &s.last { (parts::entry(last.last)) " " (last.standing.as_str()) } @else { "nothing yet" } }
                td {
                    @if troubles.is_empty() { (parts::state(Tone::Good, "everything arrived")) }
                    @for (tone, what, row) in &troubles {
                        div { (parts::state(*tone, what)) " " @if let Some(why) = row.why { (why.as_str()) " " } (parts::entry(row.last)) }
                    }
                }
            }
        });
    }
    Ok(html! {
        h2 { "Notifications" }
        @if rows.is_empty() {
            p.none { "No channel is configured: nobody is told what they must act on." }
        } @else {
            (parts::table("Channels", &["Channel", "Kind", "Newest message", "What did not arrive"], &rows, ""))
        }
    })
}
