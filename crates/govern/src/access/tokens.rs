//! `token issue`, `token revoke`: what programs show to read in somebody's name.
//!
//! Control objective: a program reads what its person may read, for a limited time, and nobody finds its secret in the ledger.
//! Regulatory mapping: PCI DSS v4.0.1 8.6.1, 8.6.3; NIST 800-53r5 IA-5, AC-6.

use std::collections::BTreeSet;

use countersign_connect::SshSigner;
use countersign_evidence::act;
use countersign_model::access::token::{
    LONGEST_TOKEN_DAYS, TokenLimits, TokenScope, is_repository, token_digest, token_text,
};
use countersign_model::event::{TokenIssued, TokenRevoked};
use countersign_model::{Action, Digest, EventKind, PersonId, StreamId, Timestamp};
use countersign_store::Session;
use countersign_store::handed::Written;
use countersign_store::projection::{State, TokenRow};

use super::error::IdentityError;
use super::{Pen, Saying, line, needs, say, say_by, signer_of};
use crate::Error;

const DAY: i64 = 24 * 60 * 60;

/// A token that was made. Its text is nowhere else.
pub struct Issued {
    /// What the program shows.
    pub text: String,
    /// SHA-256 of that.
    pub token: Digest,
    /// In whose name it reads.
    pub person: PersonId,
    /// From when on it opens nothing.
    pub expires: Timestamp,
    /// Log index.
    pub index: u64,
}

/// Makes a token that reads in the signer's name for some days.
///
/// # Errors
/// When the signer has no role, the days are none or more than 90, nothing is to be opened, or it is limited to an application that is
/// not registered or to what is no repository.
pub fn issue(
    session: &mut Session,
    scopes: &BTreeSet<TokenScope>,
    limits: &TokenLimits,
    days: i64,
    signer: &SshSigner,
) -> Result<Issued, Error> {
    if !(1..=LONGEST_TOKEN_DAYS).contains(&days) || scopes.is_empty() {
        return Err(IdentityError::BadTokenLife.into());
    }
    let named: Vec<String> = limits.applications.iter().cloned().collect();
    crate::audit::repositories_of(session.state(), &named)?;
    if let Some(repository) = limits.repositories.iter().find(|r| !is_repository(r)) {
        return Err(IdentityError::NoRepository { repository: repository.clone() }.into());
    }
    let text = token_text(&countersign_evidence::random::<32>()?);
    let token = token_digest(&text).ok_or(IdentityError::BadTokenLife)?;
    let person = super::allowed(session, "token issue", None, |s| signer_of(s, signer))?;
    let saying = Saying {
        act: "token issue",
        kind: EventKind::TokenIssued,
        namespace: act::TOKEN,
        stream: StreamId::from(&person),
    };
    let expires = session.now().plus_seconds(days * DAY);
    let may = |s: &Session, by: &PersonId| {
        if s.state().roles_of(by)?.is_empty() {
            return Err(IdentityError::NothingToOpen { person: s.state().label(by)? }.into());
        }
        Ok(())
    };
    let index = say(session, signer, &saying, may, |s, person| {
        let (origin, time) = (s.state().origin().to_owned(), s.now());
        let (applications, repositories) = (limits.applications.clone(), limits.repositories.clone());
        Ok(TokenIssued { origin, person, token, scopes: scopes.clone(), applications, repositories, expires, time })
    })?;
    Ok(Issued { text, token, person, expires, index })
}

/// Ends a token, by its name or digest. Returns which, and the log index or what is to be signed.
///
/// # Errors
/// When it is none, or was revoked; when it is somebody else's and the signer is no administrator or security officer.
pub fn revoke(
    session: &mut Session,
    which: &str,
    reason: &str,
    pen: Pen<'_>,
) -> Result<(TokenRow, Written<u64>), Error> {
    let reason = line("the reason", reason)?;
    let row = find(session.state(), which)?;
    let saying = Saying {
        act: "token revoke",
        kind: EventKind::TokenRevoked,
        namespace: act::TOKEN_REVOCATION,
        stream: StreamId::from(&row.person),
    };
    let may = |s: &Session, by: &PersonId| {
        if row.person != *by {
            needs(s, by, Action::RevokeToken)?;
        }
        match s.state().token(&row.token)?.and_then(|now| now.revoked) {
            Some(index) => Err(IdentityError::TokenRevoked { index }.into()),
            None => Ok(()),
        }
    };
    let written = say_by(session, pen, &saying, Vec::new(), may, |s, by| {
        let (origin, time) = (s.state().origin().to_owned(), pen.time(s)?);
        Ok(TokenRevoked { origin, token: row.token, by, reason, time })
    })?;
    Ok((row, written))
}

/// The one token that a beginning of its digest means.
fn find(state: &State, which: &str) -> Result<TokenRow, Error> {
    let hex = which.strip_prefix("sha256:").unwrap_or(which).to_ascii_lowercase();
    let mut found = state.tokens(None)?.into_iter().filter(|row| hex.len() >= 8 && row.token.hex().starts_with(&hex));
    match (found.next(), found.next()) {
        (Some(one), None) => Ok(one),
        _ => Err(IdentityError::NoSuchToken.into()),
    }
}
