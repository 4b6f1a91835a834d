//! One entry: what it says, and what proves it.

use countersign_evidence::{encoding, merkle};
use countersign_model::{EventKind, PayloadRef};
use maud::{Markup, html};
use serde_json::Value;

use crate::app::{Trouble, scope};
use crate::web::layout::Page;
use crate::web::look::Look;
use crate::web::parts::{self, Tone};

/// The largest payload that is shown, in bytes; a larger one is named.
const SHOWN: u64 = 256 << 10;

pub(crate) fn show(look: &mut Look<'_>) -> Result<Page, Trouble> {
    let index: u64 = look.param("index").parse().map_err(|_| Trouble::not_found("entry"))?;
    let ledger = look.session.ledger();
    if index >= ledger.size() {
        return Err(Trouble::not_found("entry"));
    }
    let bytes = ledger.entry_bytes(index)?;
    let entry = ledger.entries(index..index + 1)?.pop().map(|(_, e)| e).ok_or_else(|| Trouble::not_found("entry"))?;
    let believed = look.state().disbelieved(index)?;
    let body = html! {
        (parts::facts(&[
            ("Kind", html! { a href={ "/ledger?kind=" (entry.kind.as_str()) } { (entry.kind.as_str()) } }),
            ("Stream", html! { a href={ "/ledger?stream=" (entry.stream) } { (entry.stream) } " version " (entry.version) }),
            ("Actor", html! { code { (entry.actor) } }),
            ("Appended", html! { code { (entry.time) } }),
            ("Kept as", html! { (serde_json::to_value(entry.retention).ok().as_ref().and_then(Value::as_str).unwrap_or("")) }),
            ("Answers to", html! { @if entry.refs.is_empty() { "nothing" } @for r in &entry.refs { (parts::entry(*r)) " " } }),
            ("Believed", match &believed {
                None => parts::state(Tone::Good, "yes: signature and role hold"),
                Some(why) => html! { (parts::state(Tone::Bad, "no")) " " (why) },
            }),
            ("Leaf hash", parts::whole(encoding::to_base64(&merkle::leaf_hash(&bytes)))),
        ]))
        (parts::section("What it says", &payload(look, entry.kind, &entry.payload)?))
        @if !entry.attachments.is_empty() {
            (parts::section("Attached", &parts::table(
                "Attached",
                &["Digest", "Media type", "Bytes"],
                &entry.attachments.iter().map(|a| html! {
                    tr { td { code { (a.sha256) } } td { (a.media) } td.n { (parts::grouped(a.size)) } }
                }).collect::<Vec<_>>(),
                "",
            )))
        }
        section {
            h2 { "Proof" }
            p { "A receipt that proves that this very entry is in the log, for somebody who has none of it:" }
            pre { code { "countersign ledger receipt " (index) } }
        }
        section {
            h2 { "As it stands in the log" }
            (parts::raw("As it stands in the log", &String::from_utf8_lossy(&bytes)))
        }
    };
    Ok(Page::new(format!("Entry {index}"), body))
}

/// The statement in a payload, laid out. Whoever may see this page may see what is not sealed; personal data is.
fn payload(look: &Look<'_>, kind: EventKind, blob: &PayloadRef) -> Result<Markup, Trouble> {
    let about = html! { p.quiet { code { (blob.sha256) } " " (blob.media) ", " (parts::grouped(blob.size)) " bytes" } };
    if blob.size > SHOWN {
        return Ok(html! { (about) p { "It is too large to be shown here." } });
    }
    let bytes = match look.session.ledger().payload(blob) {
        Ok(bytes) => bytes,
        Err(countersign_store::Error::MissingBlob { .. }) if kind.is_disposable() => {
            return Ok(
                html! { (about) p { (parts::state(Tone::Quiet, "not there any more")) " It was disposed of, or was never copied here; the log says which." } },
            );
        }
        Err(e) => return Err(e.into()),
    };
    let said = scope::statement(&bytes).map(|mut said| {
        look.scope.mask(&mut said);
        serde_json::to_string_pretty(&said)
    });
    let said = said.transpose().map_err(|_| Trouble::internal("a statement could not be written"))?;
    Ok(html! {
        (about)
        @match said {
            Some(said) => (parts::raw("What it says", &said)),
            None => p.quiet { "It is no JSON document." },
        }
    })
}
