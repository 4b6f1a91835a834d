//! The visitor's passkeys, and making another. The browser makes it for this server's origin; what it says is verified here, and an
//! administrator enrols it with the command line's own act. A visit enrols nothing: who has somebody's browser for a moment would have
//! their signature for ever.

use std::time::Instant;

use countersign_govern::access::passkeys;
use countersign_model::access::KeyKind;
use countersign_store::handed::Ceremony;
use countersign_store::projection::KeyRow;
use maud::{Markup, html};
use serde_json::{Value, json};

use super::enrolment;
use crate::app::{Kept, Made, Trouble};
use crate::auth::{lock, passkey::party};
use crate::web::acts::Doing;
use crate::web::layout::Page;
use crate::web::look::Look;
use crate::web::parts::{self, Tone};
use crate::web::sign;

const PLACE: &str = "/passkeys";
const MADE: &str = "made";
const ACT: &str = "person key add";

/// The page.
pub(crate) fn show(look: &mut Look<'_>) -> Result<Page, Trouble> {
    if let Some(word) = look.filter(MADE).map(str::to_owned) {
        return Ok(Page::new("A new passkey", made(look, &word)?));
    }
    let mut own = look.state().keys_of(&look.visitor.person)?;
    own.retain(|key| key.kind == KeyKind::Passkey);
    let now = look.session.place()?;
    let rows: Vec<Markup> = own.iter().map(|key| row(look, key, key.state(now).as_str())).collect();
    let body = html! {
        (parts::table("Your passkeys", &["Passkey", "Signs in pages of", "State", "Kept", "Entry"], &rows, "You have none."))
        (parts::section("Another one", &another(look)?))
        (enrolment::way(look))
    };
    Ok(Page::new("Your passkeys", body).aside(html! { (own.len()) " enrolled" }))
}

fn row(look: &Look<'_>, key: &KeyRow, state: &str) -> Markup {
    let tone = if state == "valid" { Tone::Good } else { Tone::Quiet };
    html! {
        tr {
            td { code { (key.fingerprint) } }
            td { @if let Some(made) = &key.passkey { code { (made.origin) } @if !sign::is_here(look.app, key) { " " (parts::state(Tone::Quiet, "another origin")) } } }
            td { (parts::state(tone, state)) }
            td { @if let Some(made) = &key.passkey { (enrolment::kept(made)) } }
            td { (parts::entry(key.index)) }
        }
    }
}

/// The way to make one.
fn another(look: &Look<'_>) -> Result<Markup, Trouble> {
    let party = party(look.app, look.session)?;
    let request = match passkeys::request(look.session, look.visitor.person.as_str(), &party) {
        Ok((_, request)) => request,
        Err(error) => {
            let trouble = sign::told(&error);
            return Ok(html! {
                p { (parts::state(Tone::Quiet, "not here")) " Browsers make passkeys for names over https, and for " code { "http://localhost" } "; this server is " code { (party.origin) } "." }
                p.quiet { (trouble.text) ". Code " code { (trouble.code) } "." }
            });
        }
    };
    let bytes =
        serde_json::to_vec(&request).map_err(|_| Trouble::internal("a request for a passkey could not be written"))?;
    let word = lock(&look.app.preparations).make(&look.visit.name, PLACE, Kept::Enrolment(bytes), Instant::now())?;
    let word = word.ok_or_else(Trouble::busy)?;
    Ok(html! {
        p {
            "Your browser makes it for " code { (party.origin) } ", and asks you to show that it is you. Then an administrator enrols it by signature, "
            "and only from then on it signs."
        }
        form method="post" action=(PLACE) data-passkey data-create=(request.options()) {
            input type="hidden" name="csrf" value=(look.visitor.csrf);
            input type="hidden" name="prepared" value=(word);
            input type="hidden" name="answer" value="";
            button class="primary" type="submit" disabled { "Make a passkey" }
            p role="status" {}
            noscript { p { "A passkey is made by a script; this browser runs none here." } }
        }
        script type="module" src="/assets/passkey.js" {}
    })
}

/// A passkey that was made, and how it is enrolled.
fn made(look: &Look<'_>, word: &str) -> Result<Markup, Trouble> {
    let all = lock(&look.app.preparations);
    let Some(Kept::Made(made)) = all.of(word, &look.visit.name, PLACE, Instant::now()) else {
        return Err(Trouble::not_prepared());
    };
    let person = &look.visitor.person;
    let command = format!(
        "cat > passkey.request.json <<'END'\n{}\nEND\ncat > passkey.answer.json <<'END'\n{}\nEND\n\
         countersign person key add {person} --passkey passkey.answer.json --request passkey.request.json",
        made.request, made.answer
    );
    let pasted = Ceremony { request: made.request.clone(), answer: made.answer.clone() };
    let pasted = serde_json::to_string(&pasted).map_err(|_| Trouble::internal("a passkey could not be written"))?;
    Ok(html! {
        p { (parts::state(Tone::Wait, "made, and not enrolled")) " It signs nothing yet, and signs nobody in." }
        (parts::facts(&[
            ("Fingerprint", html! { code { (made.fingerprint) } }),
            ("For", html! { (look.visitor.name) ", " code { (person) } }),
            ("Signs in pages of", html! { code { (made.origin) } }),
        ]))
        p {
            "Give an administrator what stands here, which holds nothing secret. Whoever enrols it answers for it being yours: tell them the fingerprint, "
            "face to face or by telephone. Nobody enrols a key of their own while another administrator could."
        }
        p { "With a passkey of their own they paste this on " code { (look.app.options.origin.to_string()) "/passkeys/enrol" } ":" }
        (parts::raw("What is pasted", &pasted))
        p { "Or with an SSH key they type these commands:" }
        (parts::raw("Commands", &command))
        p.quiet {
            "They type them in a repository whose " code { "countersign.toml" } " says " code { "[passkeys] origin = \"" (made.origin) "\", rp_id = \"" (made.rp_id) "\"" }
            ". This page is here for ten minutes; then make another."
        }
        p { a href=(PLACE) { "Your passkeys" } }
    })
}

/// What of a browser's answer says something, in one line without anything else.
fn plain(answer: &[u8]) -> Option<Value> {
    let read: Value = serde_json::from_slice(answer).ok()?;
    let text = |at: &str| {
        let text = read.pointer(at)?.as_str()?;
        let is_plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        is_plain.then(|| text.to_owned())
    };
    Some(json!({
        "id": text("/id")?, "rawId": text("/rawId")?, "type": text("/type")?,
        "response": {
            "clientDataJSON": text("/response/clientDataJSON")?, "attestationObject": text("/response/attestationObject")?,
        },
    }))
}

/// Takes what the browser made, and verifies it. Nothing is enrolled.
pub(crate) fn take(doing: &mut Doing<'_>) -> Result<String, Trouble> {
    let Some(Kept::Enrolment(request)) = sign::taken(doing, PLACE) else {
        return Err(sign::refused(doing, ACT, None, Trouble::not_prepared())?);
    };
    let party = party(doing.app, doing.session)?;
    let answer = plain(doing.field("answer").as_bytes()).unwrap_or(Value::Null).to_string();
    let person = doing.visitor.person.clone();
    let verified = passkeys::answered(doing.session, person.as_str(), &party, &request, answer.as_bytes());
    let new = match verified {
        Ok(new) => new,
        Err(error) => return Err(sign::refused(doing, ACT, None, sign::told(&error))?),
    };
    let request = String::from_utf8(request).map_err(|_| Trouble::internal("a request for a passkey is no text"))?;
    let made = Made { request, answer, fingerprint: new.key.fingerprint(), origin: party.origin, rp_id: party.rp_id };
    let word = sign::keep(doing, PLACE, Kept::Made(Box::new(made)))?;
    Ok(format!("{PLACE}?{MADE}={word}"))
}
