//! What two people sign before payloads are disposed of, as it is carried from one to the other and as it stands in the
//! log.

use countersign_evidence::act::SignedAct;
use countersign_evidence::canonical;
use countersign_model::Digest;
use countersign_model::retention::plan::{DisposalPlan, MAX_BYTES};
use serde::{Deserialize, Serialize};

use crate::Error;

/// The media type of a certificate.
pub const CERTIFICATE: &str = "application/vnd.countersign.disposal.v1+json";

/// A plan with the first signature: what the first signer hands to the second.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DisposalOrder {
    /// What is to go.
    pub plan: DisposalPlan,
    /// The first signature. Its statement names the plan's digest.
    pub orders: SignedAct,
}

/// A plan with both signatures: the payload of the entry that is appended before anything is removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DisposalCertificate {
    /// What goes.
    pub plan: DisposalPlan,
    /// The first signature.
    pub orders: SignedAct,
    /// The second signature, by somebody else.
    pub confirms: SignedAct,
}

impl DisposalOrder {
    /// Reads what [`DisposalOrder::to_vec`] wrote.
    ///
    /// # Errors
    /// When it is too large, or anything else.
    pub fn from_slice(bytes: &[u8]) -> Result<Self, Error> {
        if bytes.len() as u64 > MAX_BYTES {
            return Err(Error::BlobTooLarge { bytes: bytes.len() as u64 });
        }
        Ok(canonical::from_slice(bytes)?)
    }

    /// Canonical JSON.
    ///
    /// # Errors
    /// When it cannot be written so; not seen in practice.
    pub fn to_vec(&self) -> Result<Vec<u8>, Error> {
        Ok(canonical::to_vec(self)?)
    }
}

impl DisposalCertificate {
    /// Canonical JSON.
    ///
    /// # Errors
    /// When it cannot be written so; not seen in practice.
    pub fn to_vec(&self) -> Result<Vec<u8>, Error> {
        Ok(canonical::to_vec(self)?)
    }
}

/// The digest of a plan, as both signatures name it.
///
/// # Errors
/// When it cannot be written as canonical JSON; not seen in practice.
pub fn plan_digest(plan: &DisposalPlan) -> Result<Digest, Error> {
    Ok(canonical::digest(plan)?)
}
