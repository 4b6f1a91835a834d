//! `init`: the first administrator vouches for the log key and the recorder, and this machine pins that entry.

use countersign_connect::SshSigner;
use countersign_evidence::act;
use countersign_evidence::seal::SubjectKey;
use countersign_evidence::statement::Subject;
use countersign_model::event::{PolicyActivated, Profile, TrustRootEstablished};
use countersign_model::{ActorId, Digest, EventKind, PersonId, StreamId};
use countersign_policy::Bundle;
use countersign_store::projection::ROLE_RULES;
use countersign_store::session::{JSON, SessionError};
use countersign_store::{NewBlob, Plan, Session, subjects};

use super::{random_id, sign};
use crate::Error;

/// A root of trust that was established.
#[derive(Debug, Clone)]
pub struct Established {
    /// The first administrator.
    pub administrator: PersonId,
    /// The fingerprint of their key.
    pub key: String,
    /// The policy bundle that is in effect from here on.
    pub bundle: Digest,
    /// Log index of the root.
    pub index: u64,
}

/// Establishes the root of trust and activates the shipped policy bundle, in one append.
///
/// # Errors
/// When a root is established already, this machine has no pin for the ledger, or signing fails.
pub fn establish(session: &mut Session, name: &str, signer: &SshSigner) -> Result<Established, Error> {
    session.require_pin()?;
    if let Some(root) = session.state().trust() {
        return Err(Error::RootedAlready { index: root.index });
    }
    let (administrator, key) = (PersonId::from_random(random_id()?), signer.public_key().clone());
    let sealing = SubjectKey::generate()?;
    let profile = subjects::seal_profile(&sealing, &administrator, &Profile { name: name.to_owned() })?;
    session.ledger().subject_keys().put(&administrator, &sealing)?;
    let bundle = Bundle::shipped();
    let (time, origin) = (session.now(), session.state().origin().to_owned());
    let root = TrustRootEstablished {
        origin: origin.clone(),
        vkey: session.state().vkey().to_owned(),
        recorder: session.state().recorder().to_owned(),
        administrator: administrator.clone(),
        key: key.to_openssh(),
        role_rules: Some(ROLE_RULES),
        profile: Digest::of(&profile),
        time,
    };
    let subject = vec![Subject::sha256(origin.clone(), &Digest::of(session.state().vkey().as_bytes()))];
    let root = sign(signer, act::TRUST_ROOT, subject, root)?;
    let activated = PolicyActivated { origin, bundle: bundle.digest(), by: administrator.clone(), reason: None, time };
    let subject = vec![Subject::sha256("policy-bundle", &bundle.digest())];
    let activated = sign(signer, act::POLICY, subject, activated)?;
    let result = session.transact(|s| {
        if let Some(root) = s.state().trust() {
            return Err(Error::RootedAlready { index: root.index });
        }
        let (stream, actor) = (StreamId::from_text("access"), ActorId::from(&administrator));
        let profile = NewBlob { bytes: profile.clone(), media: subjects::SEALED_PROFILE.into() };
        let blob = NewBlob { bytes: bundle.to_bytes(), media: JSON.into() };
        let kind = EventKind::TrustRootEstablished;
        let first = s.act_entry(kind, stream.clone(), actor.clone(), &root, Vec::new(), vec![profile])?;
        let second = s.act_entry(EventKind::PolicyActivated, stream, actor, &activated, Vec::new(), vec![blob])?;
        Ok((Plan { entries: vec![first, second] }, ()))
    });
    let index = match result {
        Ok((Some(appended), ())) => appended.first_index,
        Ok((None, ())) => return Err(SessionError::Contended.into()),
        Err(e) => {
            // The key of somebody who was never enrolled opens nothing; it must not stay behind.
            session.ledger().subject_keys().destroy(&administrator)?;
            return Err(e);
        }
    };
    session.pin_root()?;
    Ok(Established { administrator, key: key.fingerprint(), bundle: bundle.digest(), index })
}
