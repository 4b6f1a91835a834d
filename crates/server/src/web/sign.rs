//! Signing with a passkey: what every page that shows a statement has for it, and what the acts of the page of one approval do. Each is
//! the command line's use case; what is refused is recorded there.

use std::time::Instant;

use countersign_govern::access::Draft;
use countersign_model::access::SlotName;
use countersign_model::{Diagnostic, Digest, Exit, RunId};
use countersign_stages::build::confined::ConfinedEngine;
use countersign_stages::release::prepared;
use countersign_store::Session;
use countersign_store::projection::KeyRow;

use maud::{Markup, html};
use serde_json::Value;

use super::acts::Doing;
use super::look::{Look, encode};
use super::parts::{self, Tone};
use crate::app::{App, Kept, Said, Trouble};
use crate::auth::lock;

/// The filter that names what was prepared, on the page that shows it.
pub(crate) const PREPARED: &str = "prepared";

/// The passkeys of somebody that count now, oldest first.
pub(crate) fn passkeys(session: &Session, person: &countersign_model::PersonId) -> Result<Vec<KeyRow>, Trouble> {
    let place = session.place()?;
    let mut all = session.state().keys_of(person)?;
    all.retain(|row| row.passkey.is_some() && row.trouble(place).is_none());
    Ok(all)
}

/// Whether a passkey signs in pages of this server.
pub(crate) fn is_here(app: &App, row: &KeyRow) -> bool {
    row.passkey.as_ref().is_some_and(|made| made.origin == app.options.origin.to_string())
}

/// The run and the slot of the page.
pub(crate) fn named(run: &str, slot: &str) -> Result<(RunId, SlotName), Trouble> {
    let slot = slot.parse().map_err(|_| Trouble::not_found("approval"))?;
    Ok((RunId::from_text(run), slot))
}

/// What a use case says, as a client is told it: an answer that does not verify is a no, and none of this server's faults.
pub(crate) fn told(error: &dyn Diagnostic) -> Trouble {
    let mut trouble = Trouble::of(error);
    let is_of_the_act =
        ["CS-PASSKEY-", "CS-APPROVAL-", "CS-RELEASE-", "CS-IDENTITY-"].iter().any(|of| trouble.code.starts_with(of));
    if error.exit() == Exit::Unverified && is_of_the_act {
        trouble.status = axum::http::StatusCode::FORBIDDEN;
    }
    trouble
}

/// The passkeys of a visitor that count now: those that sign in pages of this server, and those that sign elsewhere.
pub(crate) struct Keys {
    pub(crate) here: Vec<KeyRow>,
    pub(crate) elsewhere: Vec<KeyRow>,
}

/// The visitor's passkeys.
pub(crate) fn keys(look: &Look<'_>) -> Result<Keys, Trouble> {
    let all = passkeys(look.session, &look.visitor.person)?;
    let (here, elsewhere) = all.into_iter().partition(|key| is_here(look.app, key));
    Ok(Keys { here, elsewhere })
}

/// The part of a form that says with which passkey it is going to be signed.
pub(crate) fn choice(keys: &Keys) -> Markup {
    html! {
        @match keys.here.as_slice() {
            [one] => input type="hidden" name="key" value=(one.fingerprint);,
            several => {
                label for="key" { "With your passkey" }
                select id="key" name="key" { @for key in several { option value=(key.fingerprint) { (key.fingerprint) } } }
            }
        }
    }
}

/// What is said of passkeys that cannot sign on this page.
pub(crate) fn none_here(look: &Look<'_>, keys: &Keys) -> Markup {
    let origin = look.app.options.origin.to_string();
    html! {
        @for key in &keys.elsewhere {
            @if let Some(made) = &key.passkey {
                p {
                    (parts::state(Tone::Quiet, "another origin")) " Your passkey " code { (key.fingerprint) } " signs in pages of "
                    code { (made.origin) } " alone, and this server is " code { (origin) } "."
                }
            }
        }
        @if keys.here.is_empty() && keys.elsewhere.is_empty() {
            p.quiet {
                "You have no passkey. " a href="/passkeys" { "Make one" } " for " code { (origin) } "; an administrator enrols it."
            }
        }
    }
}

/// Something that is shown to be signed.
pub(crate) struct Shown<'a> {
    /// What it says, in words.
    pub(crate) words: Markup,
    /// The canonical statement.
    pub(crate) statement: &'a [u8],
    /// What the browser's passkey is asked.
    pub(crate) options: &'a Value,
    /// Where the answer goes.
    pub(crate) place: &'a str,
    /// The word that stands for it.
    pub(crate) word: &'a str,
    /// What the button says.
    pub(crate) button: &'a str,
}

/// The exact statement, in words and raw, with the button that signs it.
pub(crate) fn shown(look: &Look<'_>, what: &Shown<'_>) -> Markup {
    html! {
        (what.words)
        details {
            summary { "The statement, byte for byte" }
            pre.raw { code { (String::from_utf8_lossy(what.statement)) } }
            p.quiet { "SHA-256 " code { (Digest::of(what.statement)) } ", " (what.statement.len()) " bytes of canonical JSON (RFC 8785)." }
        }
        form method="post" action=(what.place) data-passkey data-request=(what.options) {
            input type="hidden" name="csrf" value=(look.visitor.csrf);
            input type="hidden" name="prepared" value=(what.word);
            @if let Some(audit) = look.filter(super::look::AUDIT) { input type="hidden" name=(super::look::AUDIT) value=(audit); }
            input type="hidden" name="answer" value="";
            button class="primary" type="submit" disabled { (what.button) }
            p role="status" {}
            noscript { p { "A passkey is asked by a script; this browser runs none here. Sign with your SSH key." } }
        }
        p.quiet { "It may be signed once, within ten minutes. Everything is asked anew when it is: whoever may not sign then has signed nothing." }
        script type="module" src="/assets/passkey.js" {}
    }
}

/// The passkey that a form names, where it is the visitor's and signs here.
pub(crate) fn own_key(doing: &Doing<'_>) -> Result<Option<KeyRow>, Trouble> {
    let asked = doing.field("key");
    let mine = passkeys(doing.session, &doing.visitor.person)?;
    Ok(mine.into_iter().find(|row| row.fingerprint == asked && is_here(doing.app, row)))
}

/// Keeps something that is going to be shown and signed at a place; the word for it.
pub(crate) fn keep(doing: &Doing<'_>, place: &str, what: Kept) -> Result<String, Trouble> {
    lock(&doing.app.preparations).make(&doing.visit.name, place, what, Instant::now())?.ok_or_else(Trouble::busy)
}

/// Uses the word of a form up.
pub(crate) fn taken(doing: &Doing<'_>, place: &str) -> Option<Kept> {
    lock(&doing.app.preparations).take(doing.field(PREPARED), &doing.visit.name, place, Instant::now())
}

/// Something that somebody may say and that is going to be shown.
pub(crate) struct Proposed {
    pub(crate) draft: Draft,
    /// What it says, in words.
    pub(crate) words: Vec<(&'static str, String)>,
    /// What the button says.
    pub(crate) button: &'static str,
    /// The page that shows what came of it.
    pub(crate) next: String,
}

/// Keeps a draft that is shown and signed at a place; the address of the page that shows it.
pub(crate) fn drafted(doing: &Doing<'_>, place: &str, what: Proposed) -> Result<String, Trouble> {
    let Proposed { draft, words, button, next } = what;
    let options = draft.options(doing.session).map_err(|e| told(&e))?;
    let word = keep(doing, place, Kept::Said(Box::new(Said { draft, options, words, button, next })))?;
    Ok(format!("{place}?{PREPARED}={word}{}", doing.through()))
}

/// A draft that was kept, with the button that signs it.
pub(crate) fn draft_shown(look: &Look<'_>, place: &str, word: &str) -> Result<Markup, Trouble> {
    let all = lock(&look.app.preparations);
    let Some(Kept::Said(said)) = all.of(word, &look.visit.name, place, Instant::now()) else {
        return Err(Trouble::not_prepared());
    };
    let lines = |text: &str| html! { @for (n, line) in text.lines().enumerate() { @if n > 0 { br; } (line) } };
    let mut facts: Vec<(&str, Markup)> = said.words.iter().map(|(name, text)| (*name, lines(text))).collect();
    let (by, key) = (look.name(said.draft.by())?, said.draft.passkey().unwrap_or_default());
    facts.push(("By", html! { (by) ", " code { (key) } }));
    Ok(shown(
        look,
        &Shown {
            words: parts::facts(&facts),
            statement: said.draft.statement(),
            options: &said.options,
            place,
            word,
            button: said.button,
        },
    ))
}

/// Takes what the passkey answered to a draft. `act` is the command line's, for the record of a refusal.
pub(crate) fn draft_signed(doing: &mut Doing<'_>, act: &str, place: &str) -> Result<String, Trouble> {
    let Some(Kept::Said(said)) = taken(doing, place) else {
        return Err(refused(doing, act, None, Trouble::not_prepared())?);
    };
    let answer = doing.field("answer").as_bytes().to_vec();
    let Said { draft, next, .. } = *said;
    draft.complete(doing.session, &answer).map_err(|e| told(&e))?;
    Ok(next)
}

/// Where the answer to what one approval's page shows goes.
pub(crate) fn approval(run: &RunId, slot: &SlotName) -> String {
    format!("/approvals/{}/{}", encode(run.as_str()), encode(slot.as_str()))
}

/// Decides anew where the recorded decision is not of what is so now, and asks whether the visitor may sign.
pub(super) fn prepare(doing: &mut Doing<'_>) -> Result<String, Trouble> {
    let (run, slot) = named(doing.param("run"), doing.param("slot"))?;
    let Some(key) = own_key(doing)? else {
        return Err(refused(doing, APPROVE, Some(&run), Trouble::no_passkey())?);
    };
    prepared::prepare(doing.session, &ConfinedEngine, &run, &slot, None, &key.fingerprint).map_err(|e| told(&e))?;
    Ok(format!("{}?key={}", approval(&run, &slot), encode(&key.fingerprint)))
}

/// Takes what the passkey answered.
pub(super) fn complete(doing: &mut Doing<'_>) -> Result<String, Trouble> {
    let (run, slot) = named(doing.param("run"), doing.param("slot"))?;
    let Some(Kept::Approval(request)) = taken(doing, &approval(&run, &slot)) else {
        return Err(refused(doing, APPROVE, Some(&run), Trouble::not_prepared())?);
    };
    let answer = doing.field("answer").as_bytes().to_vec();
    let approved = prepared::complete(doing.session, &ConfinedEngine, &run, &slot, &request, &answer);
    approved.map_err(|e| told(&e))?;
    Ok(format!("/runs/{}", encode(run.as_str())))
}

const APPROVE: &str = "approve";

/// Records a refusal of this server's own, as those of the use cases are. `act` is the command line's.
pub(crate) fn refused(
    doing: &mut Doing<'_>,
    act: &str,
    run: Option<&RunId>,
    trouble: Trouble,
) -> Result<Trouble, Trouble> {
    let known = match run {
        Some(run) => doing.session.state().run(run)?.is_some(),
        None => false,
    };
    doing.session.record_refusal(act, run.filter(|_| known), Some(&doing.visitor.person), trouble.code)?;
    Ok(trouble)
}
