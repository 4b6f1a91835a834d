//! Enrolling somebody's passkey with one's own: what their page shows is pasted, verified and said in words, then signed, as `countersign person
//! key add --passkey` signs it. Whoever signs answers for whose it is, so the page says the fingerprint and what to do if it is another.

use countersign_govern::access::Pen;
use countersign_govern::access::keys::{self, NewKey, Window};
use countersign_govern::access::passkeys::{self, EnrolmentRequest};
use countersign_model::access::Passkey;
use countersign_model::{PersonId, Role};
use countersign_store::projection::MAX_TEXT;
use maud::{Markup, html};

use crate::app::Trouble;
use crate::auth::passkey::party;
use crate::web::acts::Doing;
use crate::web::layout::Page;
use crate::web::look::{Look, encode};
use crate::web::parts;
use crate::web::sign::{self, Proposed};

const PLACE: &str = "/passkeys/enrol";
const ACT: &str = "person key add";
/// The filter that names a passkey that was enrolled.
const KEY: &str = "key";
/// Characters of what is pasted.
const LARGEST: usize = 16 << 10;

/// Who enrols passkeys.
pub(crate) const ENROL: &[Role] = &[Role::Administrator];

/// The way to this page, for whoever enrols.
pub(super) fn way(look: &Look<'_>) -> Markup {
    html! { @if look.visitor.is_any(ENROL) { p { a href=(PLACE) { "Enrol somebody's passkey" } } } }
}

/// Where a passkey is kept, in words.
pub(super) fn kept(made: &Passkey) -> &'static str {
    if made.backup_eligible { "perhaps on several devices" } else { "in its device" }
}

/// The page.
pub(crate) fn show(look: &mut Look<'_>) -> Result<Page, Trouble> {
    let body = match (look.filter(sign::PREPARED).map(str::to_owned), look.filter(KEY).map(str::to_owned)) {
        (Some(word), _) => html! {
            p { "Ask whose it is, face to face or by telephone: the fingerprint that they read out must be this one." }
            (sign::draft_shown(look, PLACE, &word)?)
            p { a href=(PLACE) { "Paste another" } " or " a href="/passkeys" { "leave it" } "." }
        },
        (None, Some(fingerprint)) => enrolled(look, &fingerprint)?,
        (None, None) => asked(look)?,
    };
    // Not live: what somebody reads before they sign does not change under their eyes.
    Ok(Page::new("Enrol a passkey", body))
}

fn asked(look: &Look<'_>) -> Result<Markup, Trouble> {
    let keys = sign::keys(look)?;
    Ok(html! {
        p {
            "Somebody makes a passkey on " a href="/passkeys" { "their page" } ", which shows what to paste here. It holds nothing secret. It is verified here, and shown in words "
            "before you sign that it is theirs. Nobody enrols a key of their own while another administrator could."
        }
        @if keys.here.is_empty() {
            (sign::none_here(look, &keys))
        } @else {
            form.ask method="post" action={ (PLACE) "/prepare" } {
                input type="hidden" name="csrf" value=(look.visitor.csrf);
                (sign::choice(&keys))
                label for="made" { "What their page shows" }
                textarea id="made" name="made" rows="6" required maxlength=(LARGEST) autocomplete="off" spellcheck="false" {}
                label for="reason" { "Why, in one line (it may be left out)" }
                input id="reason" name="reason" maxlength=(MAX_TEXT) autocomplete="off";
                button type="submit" { "Show what I would sign" }
            }
        }
        p { "With your SSH key, on your own machine: the commands that their page shows as well." }
    })
}

/// What came of it.
fn enrolled(look: &Look<'_>, fingerprint: &str) -> Result<Markup, Trouble> {
    let row = look.state().key(fingerprint)?.ok_or_else(|| Trouble::not_found("passkey"))?;
    let Some(made) = &row.passkey else { return Err(Trouble::not_found("passkey")) };
    let state = row.state(look.session.place()?).as_str();
    Ok(html! {
        (parts::facts(&[
            ("Whose", html! { (look.name(&row.person)?) ", " code { (row.person) } }),
            ("Fingerprint", html! { code { (row.fingerprint) } }),
            ("Signs in pages of", html! { code { (made.origin) } }),
            ("State", html! { (state) }),
            ("Entry", parts::entry(row.index)),
        ]))
        p { "The fingerprint must be the one that you hear from whose it is. If it is another, revoke it at once:" }
        (parts::raw("Command", &format!("countersign person key revoke {} {} --reason TEXT", row.person, row.fingerprint)))
        p { a href=(PLACE) { "Enrol another" } }
    })
}

/// Verifies what was pasted, asks whether the visitor may enrol it, and keeps what they would sign.
pub(crate) fn prepare(doing: &mut Doing<'_>) -> Result<String, Trouble> {
    let key = match sign::own_key(doing)? {
        Some(key) => key.fingerprint,
        None => return Err(sign::refused(doing, ACT, None, Trouble::no_passkey())?),
    };
    let pen = Pen::Passkey(&key);
    let read = passkeys::pasted(doing.field("made"))
        .and_then(|made| Ok((EnrolmentRequest::read(made.request.as_bytes())?.person().clone(), made)));
    let (person, made): (PersonId, _) = match read {
        Ok(read) => read,
        Err(error) => return Err(sign::refused(doing, ACT, None, sign::told(&error))?),
    };
    let party = party(doing.app, doing.session)?;
    let reason = Some(doing.field("reason").trim().to_owned()).filter(|reason| !reason.is_empty());
    let proposed = passkeys::admitted_answer(doing.session, person.as_str(), &party, &made, pen).and_then(|new| {
        let key = NewKey::Passkey(&new);
        let proposed = keys::propose(doing.session, person.as_str(), key, Window::default(), reason.as_deref(), pen)?;
        Ok((new, proposed))
    });
    let (new, proposed) = proposed.map_err(|e| sign::told(&e))?;
    let name = doing.session.state().label(&person)?;
    let made = &new.passkey;
    let mut words = vec![
        ("What", "a passkey is enrolled".to_owned()),
        ("Whose", format!("{name}\n{person}")),
        ("Fingerprint", proposed.fingerprint.clone()),
        ("Signs in pages of", made.origin.clone()),
        ("Kept", kept(made).to_owned()),
        ("Authenticator", format!("{}, attestation {}", made.aaguid, made.attestation)),
    ];
    if proposed.alone {
        words.push(("Alone", "it is your own, and there is no other administrator who could enrol it".to_owned()));
    }
    words.extend(reason.map(|reason| ("Why", reason)));
    let next = format!("{PLACE}?{KEY}={}", encode(&proposed.fingerprint));
    sign::drafted(doing, PLACE, Proposed { draft: proposed.draft, words, button: "Enrol with passkey", next })
}

/// Takes what the passkey answered.
pub(crate) fn complete(doing: &mut Doing<'_>) -> Result<String, Trouble> {
    sign::draft_signed(doing, ACT, PLACE)
}
