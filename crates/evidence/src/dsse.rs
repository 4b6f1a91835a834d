//! DSSE v1 envelopes: a machine's signature over a typed payload.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use serde::{Deserialize, Serialize};

use crate::encoding::{from_base64, to_base64};
use crate::machine::{MachineKey, MachinePublicKey};
use crate::{Error, canonical};

/// Signatures of an envelope that are looked at.
pub const MAX_SIGNATURES: usize = 64;

/// The media type of an envelope's JSON.
pub const MEDIA_TYPE: &str = "application/vnd.dsse.envelope.v1+json";

/// A signed payload, as it stands in JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Envelope {
    /// The payload in base64.
    pub payload: String,
    /// What the payload is; it is signed together with it.
    #[serde(rename = "payloadType")]
    pub payload_type: String,
    /// Who signed.
    pub signatures: Vec<EnvelopeSignature>,
}

/// One signature of an [`Envelope`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnvelopeSignature {
    /// The id of the key ([`MachinePublicKey::id`]): a hint. Empty or absent: any key may have made it.
    #[serde(default)]
    pub keyid: String,
    /// The signature in base64.
    pub sig: String,
}

/// The bytes that are signed: `DSSEv1 SP len(type) SP type SP len(payload) SP payload`, lengths in bytes (DSSE
/// protocol, PAE).
#[must_use]
pub fn pae(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let mut bytes = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len()).into_bytes();
    bytes.extend_from_slice(payload);
    bytes
}

/// Signs a payload.
///
/// # Errors
/// Those of [`MachineKey::sign`].
pub fn sign(payload_type: &str, payload: &[u8], key: &MachineKey) -> Result<Envelope, Error> {
    let sig = to_base64(&key.sign(&pae(payload_type, payload))?);
    Ok(Envelope {
        payload: to_base64(payload),
        payload_type: payload_type.to_owned(),
        signatures: vec![EnvelopeSignature { keyid: key.public().id(), sig }],
    })
}

impl Envelope {
    /// The payload, whoever signed it: to be shown, never to be believed. `None` when it is no base64.
    #[must_use]
    pub fn unverified_payload(&self) -> Option<Vec<u8>> {
        decode(&self.payload)
    }

    /// Verifies the signatures of known keys and returns the payload. Signatures of other keys are ignored; one that
    /// names a known key and does not verify rejects the envelope.
    ///
    /// # Errors
    /// [`Error::Envelope`] when it is malformed; [`Error::EnvelopeSignature`]; [`Error::NoKnownMachine`].
    pub fn verify(&self, keys: &[MachinePublicKey]) -> Result<Vec<u8>, Error> {
        if self.signatures.len() > MAX_SIGNATURES {
            return Err(Error::Envelope("it carries more than 64 signatures"));
        }
        let payload = decode(&self.payload).ok_or(Error::Envelope("its payload is not base64"))?;
        let signed = pae(&self.payload_type, &payload);
        let mut good = false;
        for signature in &self.signatures {
            let sig = decode(&signature.sig).ok_or(Error::Envelope("a signature is not base64"))?;
            if signature.keyid.is_empty() {
                good |= keys.iter().any(|key| key.verify(&signed, &sig));
            } else if let Some(key) = keys.iter().find(|key| key.id() == signature.keyid) {
                if !key.verify(&signed, &sig) {
                    return Err(Error::EnvelopeSignature { keyid: signature.keyid.clone() });
                }
                good = true;
            }
        }
        if good { Ok(payload) } else { Err(Error::NoKnownMachine) }
    }

    /// As [`Envelope::verify`], for a payload of one type only.
    ///
    /// # Errors
    /// [`Error::Envelope`] when the payload is of another type, and those of [`Envelope::verify`].
    pub fn verify_type(&self, payload_type: &str, keys: &[MachinePublicKey]) -> Result<Vec<u8>, Error> {
        if self.payload_type != payload_type {
            return Err(Error::Envelope("its payload is of another type"));
        }
        self.verify(keys)
    }

    /// The envelope's canonical JSON.
    ///
    /// # Errors
    /// [`Error::Unrepresentable`]; not seen in practice, for an envelope holds texts only.
    pub fn to_json(&self) -> Result<Vec<u8>, Error> {
        canonical::to_vec(self)
    }

    /// Reads an envelope as [`Envelope::to_json`] writes it: canonical, without further fields.
    ///
    /// # Errors
    /// [`Error::Json`], [`Error::NotCanonical`].
    pub fn from_json(bytes: &[u8]) -> Result<Self, Error> {
        canonical::from_slice(bytes)
    }
}

/// DSSE allows standard and URL-safe base64.
fn decode(text: &str) -> Option<Vec<u8>> {
    from_base64(text).or_else(|| URL_SAFE.decode(text).ok())
}
