//! The evidence pack of an audit: an officer has it made, whoever the audit admits takes it.

use std::io::Read as _;

use axum::body::{Body, Bytes};
use countersign_model::access::Action;
use countersign_model::audit::threads::MaskedField;
use countersign_model::event::AuditOpened;
use countersign_model::{AuditId, Role};
use countersign_store::projection::AuditRow;
use maud::{Markup, html};
use tokio::sync::mpsc;

use crate::app::Trouble;
use crate::app::packs::{self, Stands};
use crate::web::acts::Doing;
use crate::web::files::File;
use crate::web::live::Lines;
use crate::web::look::Look;
use crate::web::parts::{self, Tone};
use crate::web::trouble_body;

/// Bytes that are read at once.
const PART: usize = 64 << 10;

/// What a pack cannot keep from anybody: it holds signed statements as they were signed.
fn shows_masked(said: &AuditOpened) -> bool {
    said.masked.iter().any(|field| *field != MaskedField::Names)
}

/// The part of an audit's page.
pub(super) fn section(look: &Look<'_>, audit: &AuditRow) -> Markup {
    let said = &audit.said;
    let may_make = audit.closed.is_none() && !look.visitor.is_auditor() && look.visitor.is_any(OFFICERS);
    let kept = look.visitor.is_auditor() && shows_masked(said);
    html! {
        p.quiet {
            "The deployments of its period and applications, with everything that is needed to check them without this server. "
            "It holds the log whole, and tables of the firm's people, roles, waivers and emergencies."
            @if said.masked.contains(&MaskedField::Names) { " People are called by their ids in it." }
        }
        @if kept {
            p { "A pack holds what people signed as they signed it, and this audit keeps some of that from you. An officer hands it over, or not." }
        } @else {
            @match look.app.packs.stands(&said.audit) {
                Stands::Not => p.none { "None is here. " @if !may_make { "An officer has it made." } },
                Stands::Being => p { (parts::state(Tone::Wait, "it is being made")) " This page shows it when it is there." },
                Stands::Failed(trouble) => { p { (parts::state(Tone::Bad, "it could not be made")) } (trouble_body(&trouble)) },
                Stands::Ready(ready) => {
                    p { a href={ "/audits/" (said.audit) "/pack" } { "Take the pack" } ", " (parts::grouped(ready.bytes)) " bytes, made " (parts::time(ready.made)) " " (parts::entry(ready.index)) "; kept for a day" }
                    p.quiet { "SHA-256 " code { (ready.sha256) } }
                },
            }
        }
        @if may_make {
            form method="post" action={ "/audits/" (said.audit) "/pack" } {
                input type="hidden" name="csrf" value=(look.visitor.csrf);
                button type="submit" { "Make the pack" }
            }
        }
    }
}

/// Who has a pack made: who opens audits.
const OFFICERS: &[Role] = Action::OpenAudit.roles();

/// Begins to make the pack.
pub(crate) fn make(doing: &mut Doing<'_>) -> Result<String, Trouble> {
    if !doing.visitor.is_any(OFFICERS) {
        return Err(Trouble::no_role("the making of packs"));
    }
    let id = AuditId::from_text(doing.param("audit"));
    let row = doing.session.state().audit(&id)?.ok_or_else(|| Trouble::not_found("audit"))?;
    if row.closed.is_some() {
        return Err(Trouble::not_found("open audit"));
    }
    packs::begin(doing.app, &row.said)?;
    Ok(format!("/audits/{id}"))
}

/// The pack, if it is here.
pub(crate) fn file(look: &mut Look<'_>) -> Result<File, Trouble> {
    let id = AuditId::from_text(look.param("audit"));
    let row = look.state().audit(&id)?.ok_or_else(|| Trouble::not_found("audit"))?;
    let kept = look.visitor.is_auditor() && (shows_masked(&row.said) || row.closed.is_some());
    let (false, Stands::Ready(ready)) = (kept, look.app.packs.stands(&id)) else {
        return Err(Trouble::not_found("pack"));
    };
    // Opened before the answer begins: what is removed meanwhile is still read whole.
    let file = std::fs::File::open(&ready.path).map_err(|_| Trouble::not_found("pack"))?;
    Ok(File {
        name: format!("evidence-{id}.zip"),
        media: "application/zip",
        sha256: ready.sha256,
        size: ready.bytes,
        body: streamed(file),
        facts: Vec::new(),
    })
}

/// A file, read as fast as it is taken.
fn streamed(mut file: std::fs::File) -> Body {
    let (send, receive) = mpsc::channel(4);
    // It ends when the file does, or when nobody takes it any more. A file that cannot be read to its end makes an answer that is
    // shorter than it says, which a client takes for what it is.
    tokio::task::spawn_blocking(move || {
        let mut part = vec![0; PART];
        while let Ok(n) = file.read(&mut part) {
            let Some(read) = part.get(..n).filter(|read| !read.is_empty()) else { return };
            if send.blocking_send(Bytes::copy_from_slice(read)).is_err() {
                return;
            }
        }
    });
    Body::from_stream(Lines::new(receive))
}
