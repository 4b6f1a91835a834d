//! Tokens for programs: what is shown with a request, and whether it counts at that moment. The first use in a while begins a visit, which
//! is an entry; the requests that follow are none.

use std::time::Instant;

use countersign_model::PersonId;
use countersign_model::access::token::token_digest;
use countersign_model::visit::SignInMethod;
use countersign_store::Session;
use countersign_store::projection::TokenRow;

use super::{Link, Proof, Visit, begin, lock, refuse};
use crate::app::{App, Trouble};

/// The visit of a token that counts, and what it opens.
pub(crate) fn by_token(app: &App, session: &mut Session, text: &str) -> Result<(Visit, TokenRow), Trouble> {
    let (row, why) = match token_digest(text) {
        None => (None, Some("what was shown is no token".to_owned())),
        Some(digest) => {
            let row = session.state().token(&digest)?;
            let why = match &row {
                None => Some("the ledger knows no such token".to_owned()),
                Some(row) => trouble(session, row)?,
            };
            (row, why)
        }
    };
    let row = match (row, why) {
        (Some(row), None) => row,
        (row, why) => {
            let person: Option<PersonId> = row.map(|row| row.person);
            let trouble = Trouble::bad_token(&why.unwrap_or_default());
            return Err(refuse(app, session, SignInMethod::Token, person, trouble)?);
        }
    };
    if let Some(visit) = lock(&app.visits).of_token(&row.token, Instant::now()) {
        return Ok((visit, row));
    }
    let link = Link { person: row.person.clone(), method: SignInMethod::Token, proof: Proof::Key(row.key.clone()) };
    let secret = begin(app, session, &link)?;
    let visit = lock(&app.visits).keep_token(row.token, &secret, Instant::now());
    let visit = visit.ok_or_else(|| Trouble::internal("a visit ended as it began"))?;
    Ok((visit, row))
}

/// Why a token counts no more.
fn trouble(session: &Session, row: &TokenRow) -> Result<Option<String>, Trouble> {
    let now = session.now();
    if let Some(index) = row.revoked {
        return Ok(Some(format!("the token was revoked in entry {index}")));
    }
    if row.expires <= now {
        return Ok(Some(format!("the token counted until {}", row.expires)));
    }
    if session.state().has_left(&row.person)? {
        return Ok(Some("whoever made the token left".to_owned()));
    }
    Ok(session.state().usable(&row.key, now)?.err().map(|trouble| format!("{trouble}, which signed the token")))
}
