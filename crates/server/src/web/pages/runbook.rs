//! The Pipeline Governance Runbook, as it is at this moment.

use countersign_govern::page::Block;
use countersign_govern::runbook;
use countersign_model::audit::threads::MaskedField;
use countersign_stages::build::confined::ConfinedEngine;
use maud::{Markup, html};

use crate::app::Trouble;
use crate::web::layout::Page;
use crate::web::look::Look;
use crate::web::parts;

pub(crate) fn show(look: &mut Look<'_>) -> Result<Page, Trouble> {
    let written =
        runbook::write_for(look.session, &ConfinedEngine, &look.app.catalogue, look.scope.hides(MaskedField::Names))?;
    let body = html! {
        @for block in &written.blocks { (part(block)) }
        p.quiet { "As Markdown or one HTML file: " code { "countersign runbook" } "." }
    };
    Ok(Page::new(written.title, body))
}

fn part(block: &Block) -> Markup {
    match block {
        Block::Heading(level, text) if *level <= 2 => html! { h2 { (text) } },
        Block::Heading(_, text) => html! { h3 { (text) } },
        Block::Text(text) => html! { p { (text) } },
        Block::List(items) => html! { ul { @for item in items { li { (item) } } } },
        Block::Table(head, rows) => table(head, rows.iter().map(Vec::as_slice)),
        Block::Linked(head, rows) => table(head, rows.iter().map(|(_, row)| row.as_slice())),
    }
}

fn table<'a>(head: &[&'static str], rows: impl Iterator<Item = &'a [String]>) -> Markup {
    let rows: Vec<Markup> = rows.map(|row| html! { tr { @for cell in row { td { (cell) } } } }).collect();
    parts::table(&head.join(", "), head, &rows, "")
}
