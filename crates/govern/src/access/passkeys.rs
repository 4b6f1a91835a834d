//! `person key request`: what a browser is asked for a new passkey, and what its answer is worth.
//!
//! Control objective: a passkey that is enrolled was made for this ledger's person just now, by somebody whom the authenticator
//! verified. Regulatory mapping: PCI DSS v4.0.1 8.3.1, 8.4.2, 8.5.1; NIST 800-53r5 IA-2(1), IA-2(8), IA-5.

use countersign_evidence::webauthn::{self, NewPasskey, PasskeyError, Registration};
use countersign_model::{Action, Diagnostic as _, PersonId};
use countersign_store::Session;
use countersign_store::handed::Ceremony;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Pen;
use super::error::IdentityError;
use super::people::find;
use super::roles::admitted;
use crate::Error;

const ACT: &str = "person key add";
/// Bytes of a new challenge (WebAuthn §13.4.3 asks for 16 at least).
const CHALLENGE: usize = 32;

/// Where passkeys are made and used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Party {
    /// The origin in which people sign, `https://host[:port]`.
    pub origin: String,
    /// The relying party's id: that host, or a domain above it.
    pub rp_id: String,
}

/// A request for a new passkey. It is handed out and comes back with the browser's answer.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnrolmentRequest {
    /// 1.
    version: u32,
    /// The ledger it is for.
    ledger: String,
    /// The person it is for.
    person: PersonId,
    /// The origin in which the browser has to be.
    pub origin: String,
    /// What `navigator.credentials.create` is called with, as `parseCreationOptionsFromJSON` takes it.
    #[serde(rename = "publicKey")]
    options: Value,
}

impl EnrolmentRequest {
    /// Reads a request that was handed out. Nothing in it is believed by that.
    ///
    /// # Errors
    /// When it is none.
    pub fn read(bytes: &[u8]) -> Result<Self, Error> {
        serde_json::from_slice(bytes).map_err(|_| wrong(PasskeyError::Form("the request cannot be read")))
    }

    /// The person it is for.
    #[must_use]
    pub const fn person(&self) -> &PersonId {
        &self.person
    }

    /// The passkey that a browser made for it, by the request's own word of where that was.
    ///
    /// # Errors
    /// When the request asks for nothing, or the answer is not worth a passkey.
    pub fn registered(&self, answer: &[u8]) -> Result<Registration, Error> {
        let (challenge, rp_id) = webauthn::asked(&self.options)
            .filter(|(challenge, _)| challenge.len() == CHALLENGE)
            .ok_or_else(|| wrong(PasskeyError::Form("the request has no challenge")))?;
        Ok(webauthn::register(answer, &challenge, &self.origin, &rp_id)?)
    }

    fn is_of(&self, party: &Party) -> bool {
        self.origin == party.origin && webauthn::asked(&self.options).is_some_and(|(_, rp_id)| rp_id == party.rp_id)
    }

    /// What `navigator.credentials.create` is called with.
    #[must_use]
    pub const fn options(&self) -> &Value {
        &self.options
    }
}

/// What a browser is asked for a new passkey of somebody enrolled.
///
/// # Errors
/// When there is no such person, their data is erased, or no passkey can be used in that origin.
pub fn request(session: &Session, who: &str, party: &Party) -> Result<(PersonId, EnrolmentRequest), Error> {
    webauthn::check_origin(&party.origin, &party.rp_id).map_err(countersign_evidence::Error::from)?;
    let state = session.state();
    let person = find(state, who)?;
    if state.is_erased(&person.id)? {
        return Err(IdentityError::Erased { person: person.id }.into());
    }
    let has: Vec<String> =
        state.keys_of(&person.id)?.into_iter().filter_map(|key| key.passkey).map(|made| made.credential).collect();
    let new = NewPasskey {
        party: "Countersign",
        rp_id: &party.rp_id,
        person: person.id.as_str(),
        name: person.label(),
        has: &has,
    };
    let challenge = countersign_evidence::random::<CHALLENGE>()?;
    let request = EnrolmentRequest {
        version: 1,
        ledger: state.origin().to_owned(),
        person: person.id.clone(),
        origin: party.origin.clone(),
        options: webauthn::creation(&new, &challenge),
    };
    Ok((person.id, request))
}

/// Verifies the browser's answer to a request that was made for this person, here.
///
/// # Errors
/// When the request is another one, or the answer is not worth a passkey.
pub fn answered(
    session: &Session,
    who: &str,
    party: &Party,
    request: &[u8],
    answer: &[u8],
) -> Result<Registration, Error> {
    let person = find(session.state(), who)?.id;
    let request = EnrolmentRequest::read(request)?;
    let here = request.version == 1 && request.ledger == session.state().origin() && request.person == person;
    if !here {
        return Err(wrong(PasskeyError::Ceremony("the request was made for another person or ledger")));
    }
    if webauthn::asked(&request.options).is_some() && !request.is_of(party) {
        return Err(wrong(PasskeyError::Origin("the request names another one than passkeys are made for here")));
    }
    request.registered(answer)
}

fn wrong(error: PasskeyError) -> Error {
    Error::Evidence(error.into())
}

/// What somebody's page shows of a passkey that their browser made, as an administrator pastes it. Nothing in it is believed by that.
///
/// # Errors
/// When it is something else.
pub fn pasted(text: &str) -> Result<Ceremony, Error> {
    serde_json::from_str(text.trim()).map_err(|_| wrong(PasskeyError::Form("it is not what the person's page shows")))
}

/// As [`answered`], for an administrator who is about to enrol it with a passkey or with a key on another machine. Whoever enrols none learns
/// that before anything is looked at; what is worth no passkey is recorded.
///
/// # Errors
/// As [`answered`]; when the signer is no administrator.
pub fn admitted_answer(
    session: &mut Session,
    who: &str,
    party: &Party,
    made: &Ceremony,
    pen: Pen<'_>,
) -> Result<Registration, Error> {
    let by = admitted(session, ACT, pen, Action::AddKey)?;
    let person = find(session.state(), who)?.id;
    let verified = answered(session, person.as_str(), party, made.request.as_bytes(), made.answer.as_bytes());
    if let Err(error) = &verified {
        session.record_refusal(ACT, None, Some(&by), error.code())?;
    }
    verified
}
