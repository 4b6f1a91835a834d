//! Saying no to a run: a reason, then exactly what would be signed, as `countersign reject` signs it.

use std::time::Instant;

use countersign_model::RunId;
use countersign_model::event::ApprovalRejected;
use countersign_stages::build::confined::ConfinedEngine;
use countersign_stages::build::replay::decision_id;
use countersign_stages::release::reject::{self, ToReject};
use countersign_store::projection::{MAX_TEXT, RunRow};
use maud::{Markup, html};

use crate::app::{Kept, Trouble};
use crate::auth::lock;
use crate::web::acts::Doing;
use crate::web::layout::Page;
use crate::web::look::{Look, encode};
use crate::web::parts::{self, Tone};
use crate::web::sign::{self, Shown};

const ACT: &str = "reject";

fn place(run: &RunId) -> String {
    format!("/runs/{}/reject", encode(run.as_str()))
}

/// The page: a form for the reason, or what was made of it.
pub(crate) fn show(look: &mut Look<'_>) -> Result<Page, Trouble> {
    let id = RunId::from_text(look.param("run"));
    let row = look.state().run(&id)?.ok_or_else(|| Trouble::not_found("run"))?;
    let person = look.visitor.person.clone();
    let body = match look.filter(sign::PREPARED).map(str::to_owned) {
        Some(word) => prepared(look, &row, &word)?,
        None => match reject::could(look.session, &ConfinedEngine, &id, &person) {
            Ok(()) => asked(look, &id)?,
            Err(error) => cannot(&row, &sign::told(&error)),
        },
    };
    // Not live: what somebody reads before they sign does not change under their eyes.
    Ok(Page::new(format!("Say no to {id}"), body).aside(html! { "in " (parts::repository(row.identity.as_deref())) }))
}

/// Why the visitor cannot say no now.
fn cannot(row: &RunRow, trouble: &Trouble) -> Markup {
    html! {
        p { (parts::state(Tone::Quiet, "not by you, or not now")) " " (trouble.text) "." }
        p { (trouble.help) "." }
        p { a href={ "/runs/" (row.id) } { "Back to the run" } }
    }
}

fn asked(look: &Look<'_>, id: &RunId) -> Result<Markup, Trouble> {
    let keys = sign::keys(look)?;
    Ok(html! {
        p {
            "A rejection shuts the gate for this decision until you take it back. What you approved of it yourself is over then. "
            "Your reason is part of what you sign: everybody who reads the record reads it, and it stays."
        }
        @if keys.here.is_empty() {
            (sign::none_here(look, &keys))
        } @else {
            form.ask method="post" action={ (place(id)) "/prepare" } {
                input type="hidden" name="csrf" value=(look.visitor.csrf);
                (sign::choice(&keys))
                label for="reason" { "Why, in one line" }
                input id="reason" name="reason" required maxlength=(MAX_TEXT) autocomplete="off";
                button type="submit" { "Show what I would sign" }
            }
        }
        p { "With your SSH key, on your own machine:" }
        pre { code { "countersign reject " (id) " --reason TEXT" } }
        p { a href={ "/runs/" (id) } { "Back to the run" } }
    })
}

/// What was prepared, with the button that signs it.
fn prepared(look: &Look<'_>, row: &RunRow, word: &str) -> Result<Markup, Trouble> {
    let place = place(&row.id);
    let kept = {
        let all = lock(&look.app.preparations);
        match all.of(word, &look.visit.name, &place, Instant::now()) {
            Some(Kept::Rejection(asked)) => asked.clone(),
            _ => return Err(Trouble::not_prepared()),
        }
    };
    let words = words(look, &kept.said)?;
    Ok(html! {
        (sign::shown(look, &Shown {
            words,
            statement: &kept.statement,
            options: &kept.options,
            place: &place,
            word,
            button: "Reject with passkey",
        }))
        p { a href=(place) { "Write another reason" } " or " a href={ "/runs/" (row.id) } { "leave it" } "." }
    })
}

fn words(look: &Look<'_>, said: &ApprovalRejected) -> Result<Markup, Trouble> {
    Ok(parts::facts(&[
        ("What", html! { (parts::state(Tone::Bad, "rejection")) }),
        ("Why", html! { (said.reason) }),
        ("Ledger", html! { code { (said.origin) } }),
        ("Repository", html! { (said.repository) }),
        ("Commit", html! { code { (said.commit) } }),
        ("Decision", html! { code title=(said.decision) { (decision_id(&said.decision)) } }),
        ("As", html! { "somebody who could give the " (said.slot) " approval of the gate " (said.gate) }),
        ("By", html! { (look.name(&said.person)?) ", " code { (said.device.key) } ", asked by " (said.device.host) }),
        ("At", parts::time(said.time)),
    ]))
}

/// Asks whether the visitor may say no, and keeps what they would sign.
pub(crate) fn prepare(doing: &mut Doing<'_>) -> Result<String, Trouble> {
    let run = RunId::from_text(doing.param("run"));
    let key = match sign::own_key(doing)? {
        Some(key) => key.fingerprint,
        None => return Err(sign::refused(doing, ACT, Some(&run), Trouble::no_passkey())?),
    };
    let reason = doing.field("reason").to_owned();
    let asked: ToReject =
        reject::prepare(doing.session, &ConfinedEngine, &run, &reason, &key).map_err(|e| sign::told(&e))?;
    let place = place(&run);
    let word = sign::keep(doing, &place, Kept::Rejection(Box::new(asked)))?;
    Ok(format!("{place}?{}={word}", sign::PREPARED))
}

/// Takes what the passkey answered.
pub(crate) fn complete(doing: &mut Doing<'_>) -> Result<String, Trouble> {
    let run = RunId::from_text(doing.param("run"));
    let Some(Kept::Rejection(asked)) = sign::taken(doing, &place(&run)) else {
        return Err(sign::refused(doing, ACT, Some(&run), Trouble::not_prepared())?);
    };
    let answer = doing.field("answer").as_bytes().to_vec();
    reject::complete(doing.session, &ConfinedEngine, &asked, &answer).map_err(|e| sign::told(&e))?;
    Ok(format!("/runs/{}", encode(run.as_str())))
}
