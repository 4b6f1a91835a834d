//! `policy activate`: a security or compliance officer puts a bundle in effect.

use countersign_connect::SshSigner;
use countersign_evidence::act;
use countersign_evidence::statement::Subject;
use countersign_model::event::PolicyActivated;
use countersign_model::{Action, ActorId, EventKind, StreamId};
use countersign_policy::Bundle;
use countersign_store::session::JSON;
use countersign_store::{NewBlob, Plan, Session};

use super::{allowed, sign, signer_of};
use crate::Error;

/// The bundle in effect: the activated one; before any was activated, the one shipped with this binary.
///
/// # Errors
/// When the activated bundle cannot be read back, or is not the one that was activated.
pub fn in_effect(session: &Session) -> Result<Bundle, Error> {
    let Some(active) = session.state().bundle() else { return Ok(Bundle::shipped()) };
    let bundle = Bundle::from_bytes(&session.ledger().payload(&active.blob)?)?;
    if bundle.digest() == active.digest { Ok(bundle) } else { Err(Error::BundleChanged { index: active.index }) }
}

/// Activates a bundle. One that is in effect already is not activated twice: then the index is `None`.
///
/// # Errors
/// When trust is not rooted, or the signer is neither security nor compliance officer.
pub fn activate(
    session: &mut Session,
    bundle: &Bundle,
    reason: Option<&str>,
    signer: &SshSigner,
) -> Result<Option<u64>, Error> {
    session.require_pin()?;
    if session.state().trust().is_none() {
        return Err(Error::NotRooted);
    }
    let by = allowed(session, "policy activate", None, |s| signer_of(s, signer))?;
    let officer = |s: &Session| -> Result<(), Error> {
        if s.state().may(&by, Action::ActivatePolicy)? {
            return Ok(());
        }
        Err(Error::NotOfficer { person: s.state().label(&by)? })
    };
    allowed(session, "policy activate", Some(&by), officer)?;
    if session.state().bundle().is_some_and(|b| b.digest == bundle.digest()) {
        return Ok(None);
    }
    let predicate = PolicyActivated {
        origin: session.state().origin().to_owned(),
        bundle: bundle.digest(),
        by: by.clone(),
        reason: reason.map(str::to_owned),
        time: session.now(),
    };
    let subject = vec![Subject::sha256("policy-bundle", &bundle.digest())];
    let signed = sign(signer, act::POLICY, subject, predicate)?;
    let (appended, ()) = session.transact(|s| {
        officer(s)?;
        let blob = NewBlob { bytes: bundle.to_bytes(), media: JSON.into() };
        let stream = StreamId::from_text("access");
        let entry =
            s.act_entry(EventKind::PolicyActivated, stream, ActorId::from(&by), &signed, Vec::new(), vec![blob])?;
        Ok::<_, Error>((Plan { entries: vec![entry] }, ()))
    })?;
    Ok(appended.map(|a| a.first_index))
}
