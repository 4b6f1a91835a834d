//! Grants as tools carry them: the token, what it is checked against, and who takes a grant back.
//!
//! The signed act in the ledger is the evidence; the token is that act said once more by the recorder, for programs that
//! read neither ledgers nor SSH signatures. Without the ledger everything about it can be checked but three things: that it
//! was not used before, that nobody revoked it, and that the environment is open.

use countersign_evidence::act;
use countersign_evidence::grant_token::{self, TokenFault};
use countersign_evidence::machine::MachinePublicKey;
use countersign_model::access::GrantClaims;
use countersign_model::event::GrantRevoked;
use countersign_model::{Action, Digest, EventKind, GrantId, StreamId, Timestamp};
use countersign_store::Session;
use countersign_store::handed::Written;
use countersign_store::projection::{GrantRow, GrantState};

use super::error::ReleaseError;
use super::pen::Pen;
use super::saying::{Saying, line, needs, write};
use crate::Error;

/// By how many seconds a token may come from the future: clocks differ. Its end is its end.
pub const LEEWAY: i64 = 30;

/// Who is trusted to have signed a token.
#[derive(Debug, Clone)]
pub struct Trusted {
    /// The recorders' keys.
    pub keys: Vec<MachinePublicKey>,
    /// The ledger that must have issued it; `None` where only a key is known.
    pub issuer: Option<String>,
}

/// What a grant is wanted for.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// The environment.
    pub environment: Option<String>,
    /// What is about to be deployed: a name to show, and its digest. All of it must be permitted.
    pub artifacts: Vec<(String, Digest)>,
    /// The commit.
    pub commit: Option<String>,
}

/// The token of a grant in the ledger. Whoever holds the recorder's key makes the same one again at any time.
///
/// # Errors
/// When this installation is not the ledger's recorder, or the key cannot sign.
pub fn token(session: &Session, row: &GrantRow) -> Result<String, Error> {
    session.must_record()?;
    Ok(grant_token::sign(&GrantClaims::of(&row.grant, row.index), &session.recorder()?)?)
}

/// The ledger's own recorder, as those are trusted who have this ledger.
///
/// # Errors
/// When the recorder's key in the ledger cannot be read.
pub fn own(session: &Session) -> Result<Trusted, Error> {
    let key: MachinePublicKey = session.state().recorder().parse()?;
    Ok(Trusted { keys: vec![key], issuer: Some(session.state().origin().to_owned()) })
}

/// Checks everything about a token that can be checked without its ledger.
///
/// # Errors
/// The first thing that is wrong with it.
pub fn verify(
    token: &str,
    trusted: &Trusted,
    wanted: &Wanted,
    now: Timestamp,
) -> Result<(GrantClaims, MachinePublicKey), ReleaseError> {
    let (claims, key) = grant_token::open(token, &trusted.keys)?;
    if let Some(expected) = trusted.issuer.as_ref().filter(|issuer| **issuer != claims.iss) {
        return Err(ReleaseError::OtherIssuer { issuer: claims.iss, expected: expected.clone() });
    }
    // Two claims name the environment, one for libraries and one for people. They say the same, or it is no grant.
    if claims.aud != claims.environment || claims.nbf < claims.iat || claims.exp <= claims.nbf {
        return Err(TokenFault::Malformed("its claims contradict each other").into());
    }
    fits(&claims, wanted)?;
    let seconds = |s: i64| Timestamp::from_millis(s.saturating_mul(1000));
    if now < seconds(claims.nbf.saturating_sub(LEEWAY)) {
        return Err(ReleaseError::NotYet { from: seconds(claims.nbf) });
    }
    if now >= seconds(claims.exp) {
        return Err(ReleaseError::Expired { at: seconds(claims.exp) });
    }
    Ok((claims, key))
}

/// Whether a grant is for what it is wanted for.
///
/// # Errors
/// What it is not for.
pub fn fits(claims: &GrantClaims, wanted: &Wanted) -> Result<(), ReleaseError> {
    if let Some(asked) = wanted.environment.as_ref().filter(|asked| **asked != claims.environment) {
        return Err(ReleaseError::Environment { granted: claims.environment.clone(), asked: asked.clone() });
    }
    if let Some(asked) = wanted.commit.as_ref().filter(|asked| **asked != claims.commit) {
        return Err(ReleaseError::Commit { granted: claims.commit.clone(), asked: asked.clone() });
    }
    let known = |digest: &Digest| claims.artifacts.iter().any(|a| a.digest == *digest);
    match wanted.artifacts.iter().find(|(_, digest)| !known(digest)) {
        Some((artifact, _)) => Err(ReleaseError::Artifact { artifact: artifact.clone() }),
        None => Ok(()),
    }
}

/// The grant that an id, or the start of one, means.
///
/// # Errors
/// When it is none, or more than one.
pub fn find(session: &Session, text: &str) -> Result<GrantRow, Error> {
    let mut rows = session.state().grants()?;
    rows.retain(|row| row.grant.grant.as_str().starts_with(text));
    match (rows.pop(), rows.is_empty()) {
        (Some(row), true) => Ok(row),
        _ => Err(Error::NoSuchGrant { grant: text.to_owned() }),
    }
}

/// Where a grant stands, as a word.
///
/// # Errors
/// When the projection cannot be read.
pub fn standing(session: &Session, row: &GrantRow) -> Result<&'static str, Error> {
    let now = session.now().max(session.state().newest_time()?);
    Ok(match row.state {
        GrantState::Issued if now >= row.grant.expires => "expired",
        GrantState::Issued => "issued",
        GrantState::Revoked => "revoked",
        GrantState::Started => "started",
        GrantState::Ended { success: true } => "succeeded",
        GrantState::Ended { success: false } => "failed",
    })
}

/// Takes a grant back that was not used. Returns the log index.
///
/// # Errors
/// When it was used or revoked, or the signer neither issued it nor holds a role that may.
pub fn revoke(session: &mut Session, id: &GrantId, reason: &str, pen: Pen<'_>) -> Result<Written<u64>, Error> {
    let reason = line("the reason", reason)?;
    let row = find(session, id.as_str())?;
    let saying = Saying {
        act: "grant revoke",
        run: Some(&row.grant.run),
        kind: EventKind::GrantRevoked,
        namespace: act::GRANT_REVOCATION,
        stream: StreamId::from(id),
    };
    write(
        session,
        pen,
        &saying,
        |s, by| {
            let row = find(s, id.as_str())?;
            if row.grant.by != *by {
                needs(s, by, Action::RevokeGrant)?;
            }
            if row.state != GrantState::Issued {
                return Err(ReleaseError::NotRevocable { grant: id.clone(), state: standing(s, &row)? }.into());
            }
            Ok(())
        },
        |s, by, time| {
            let origin = s.state().origin().to_owned();
            Ok(GrantRevoked { origin, grant: id.clone(), by, reason, time })
        },
    )
}
