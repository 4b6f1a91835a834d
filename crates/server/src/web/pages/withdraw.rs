//! Taking back what one said about a run: a reason, then exactly what would be signed, as `countersign withdraw` signs it.

use std::time::Instant;

use countersign_model::RunId;
use countersign_model::event::ApprovalWithdrawn;
use countersign_stages::build::confined::ConfinedEngine;
use countersign_stages::build::replay::decision_id;
use countersign_stages::release::withdraw::{self, ToWithdraw};
use countersign_store::projection::{MAX_TEXT, RunRow};
use maud::{Markup, html};

use crate::app::{Kept, Trouble};
use crate::auth::lock;
use crate::web::acts::Doing;
use crate::web::layout::Page;
use crate::web::look::{Look, encode};
use crate::web::parts::{self, Tone};
use crate::web::sign::{self, Shown};

const ACT: &str = "withdraw";
/// Approvals and rejections that are listed.
const SAID: u32 = 20;

fn place(run: &RunId) -> String {
    format!("/runs/{}/withdraw", encode(run.as_str()))
}

/// The way to take something back, where somebody has something to take back.
pub(super) fn way(look: &Look<'_>, run: &RunId) -> Result<Markup, Trouble> {
    let is_theirs = !look.visitor.is_auditor()
        && withdraw::standing_of(look.session, run, &look.visitor.person).map_err(|e| Trouble::of(&e))?.is_some();
    Ok(html! { @if is_theirs { p { a href=(place(run)) { "Take back what you said" } } } })
}

/// What the visitor said of the newest runs and did not take back, with the way to take it back.
pub(super) fn said(look: &Look<'_>) -> Result<Markup, Trouble> {
    let lines = look.state().said_by(&look.visitor.person, SAID)?;
    let rows: Vec<Markup> = lines
        .iter()
        .map(|line| {
            html! {
                tr {
                    td { (parts::entry(line.index)) }
                    td { @match &line.slot { Some(slot) => { (slot) " approval" } None => "rejection" } }
                    td { (parts::run(&line.run)) }
                    td { (parts::time(line.time)) }
                    td { a href=(place(&line.run)) { "Take it back" } }
                }
            }
        })
        .collect();
    Ok(html! {
        @if !rows.is_empty() {
            section {
                h2 { "What you said" }
                p.quiet { "Of the newest " (SAID) " approvals and rejections of yours, those that were not taken back." }
                (parts::table("What you said", &["Entry", "What", "Run", "When", "Take back"], &rows, ""))
            }
        }
    })
}

/// The page: a form for the reason, or what was made of it.
pub(crate) fn show(look: &mut Look<'_>) -> Result<Page, Trouble> {
    let id = RunId::from_text(look.param("run"));
    let row = look.state().run(&id)?.ok_or_else(|| Trouble::not_found("run"))?;
    let body = match look.filter(sign::PREPARED).map(str::to_owned) {
        Some(word) => prepared(look, &row, &word)?,
        None => match withdraw::own(look.session, &id, &look.visitor.person) {
            Ok((decision, acts)) => html! {
                p {
                    "Taken back is what you said about the decision " code title=(decision) { (decision_id(&decision)) } ": "
                    @for index in &acts { (parts::entry(*index)) " " }
                }
                (asked(look, &id)?)
            },
            Err(error) => cannot(&row, &sign::told(&error)),
        },
    };
    // Not live: what somebody reads before they sign does not change under their eyes.
    Ok(Page::new(format!("Take back what you said of {id}"), body)
        .aside(html! { "in " (parts::repository(row.identity.as_deref())) }))
}

/// Why the visitor has nothing to take back.
fn cannot(row: &RunRow, trouble: &Trouble) -> Markup {
    html! {
        p { (parts::state(Tone::Quiet, "nothing of yours stands")) " " (trouble.text) "." }
        p { (trouble.help) "." }
        p { a href={ "/runs/" (row.id) } { "Back to the run" } }
    }
}

fn asked(look: &Look<'_>, id: &RunId) -> Result<Markup, Trouble> {
    let keys = sign::keys(look)?;
    Ok(html! {
        p {
            "An approval that is taken back counts no more, and a rejection shuts the gate no more; both stay in the record, and so does your reason. "
            "What was deployed meanwhile stays deployed."
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
        pre { code { "countersign withdraw " (id) " --reason TEXT" } }
        p { a href={ "/runs/" (id) } { "Back to the run" } }
    })
}

/// What was prepared, with the button that signs it.
fn prepared(look: &Look<'_>, row: &RunRow, word: &str) -> Result<Markup, Trouble> {
    let place = place(&row.id);
    let kept = {
        let all = lock(&look.app.preparations);
        match all.of(word, &look.visit.name, &place, Instant::now()) {
            Some(Kept::Withdrawal(asked)) => asked.clone(),
            _ => return Err(Trouble::not_prepared()),
        }
    };
    let words = words(look, row, &kept.said)?;
    Ok(html! {
        (sign::shown(look, &Shown {
            words,
            statement: &kept.statement,
            options: &kept.options,
            place: &place,
            word,
            button: "Take back with passkey",
        }))
        p { a href=(place) { "Write another reason" } " or " a href={ "/runs/" (row.id) } { "leave it" } "." }
    })
}

fn words(look: &Look<'_>, row: &RunRow, said: &ApprovalWithdrawn) -> Result<Markup, Trouble> {
    Ok(parts::facts(&[
        ("What", html! { (parts::state(Tone::Wait, "withdrawal")) }),
        ("Of", html! { @for index in &said.acts { (parts::entry(*index)) " " } }),
        ("Why", html! { (said.reason) }),
        ("Ledger", html! { code { (said.origin) } }),
        ("Repository", html! { (said.repository) }),
        ("Commit", html! { code { (row.commit) } }),
        ("Decision", html! { code title=(said.decision) { (decision_id(&said.decision)) } }),
        ("By", html! { (look.name(&said.person)?) ", " code { (said.device.key) } ", asked by " (said.device.host) }),
        ("At", parts::time(said.time)),
    ]))
}

/// Asks whether the visitor has something to take back, and keeps what they would sign.
pub(crate) fn prepare(doing: &mut Doing<'_>) -> Result<String, Trouble> {
    let run = RunId::from_text(doing.param("run"));
    let key = match sign::own_key(doing)? {
        Some(key) => key.fingerprint,
        None => return Err(sign::refused(doing, ACT, Some(&run), Trouble::no_passkey())?),
    };
    let reason = doing.field("reason").to_owned();
    let asked: ToWithdraw = withdraw::prepare(doing.session, &run, &reason, &key).map_err(|e| sign::told(&e))?;
    let place = place(&run);
    let word = sign::keep(doing, &place, Kept::Withdrawal(Box::new(asked)))?;
    Ok(format!("{place}?{}={word}", sign::PREPARED))
}

/// Takes what the passkey answered.
pub(crate) fn complete(doing: &mut Doing<'_>) -> Result<String, Trouble> {
    let run = RunId::from_text(doing.param("run"));
    let Some(Kept::Withdrawal(asked)) = sign::taken(doing, &place(&run)) else {
        return Err(sign::refused(doing, ACT, Some(&run), Trouble::not_prepared())?);
    };
    let answer = doing.field("answer").as_bytes().to_vec();
    withdraw::complete(doing.session, &ConfinedEngine, &asked, &answer).map_err(|e| sign::told(&e))?;
    Ok(format!("/runs/{}", encode(run.as_str())))
}
