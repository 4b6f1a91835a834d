//! What is said about workloads: the predicates of signed statements.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Field;
use crate::event::{Predicate, predicates};
use crate::{Digest, PersonId, RunId, Timestamp};

predicates! {
    /// Whose tokens are believed from here on. Its first attachment is the document.
    IssuersActivated: "issuers" {
        /// The ledger this is said to.
        origin: String,
        /// Digest of the document (canonical JSON).
        issuers: Digest,
        /// The security officer who says so.
        by: PersonId,
        /// Why.
        reason: Option<String>,
        /// When.
        time: Timestamp,
    }

    /// The recorder saw a token that its issuer signed for the workload of this run. Its first attachment holds the claims; what
    /// is not known to be harmless is a keyed pseudonym there.
    WorkloadVerified: "workload" {
        /// The run.
        run: RunId,
        /// Its attempt.
        attempt: u64,
        /// Digest of the issuers in effect.
        issuers: Digest,
        /// The entry among them.
        entry: String,
        /// The kind of system, as the entry names it.
        system: String,
        /// Who issued the token, `iss`.
        issuer: String,
        /// What it says, in our words. An actor is a keyed pseudonym.
        fields: BTreeMap<Field, String>,
        /// Thumbprint of the key that signed it (RFC 7638, base64url).
        key: String,
        /// How it is signed.
        algorithm: String,
        /// SHA-256 of the token's header and claims as they are in it.
        token: Digest,
        /// SHA-256 over issuer and `jti` (where there is none, the token's digest): what may not come twice.
        once: Digest,
        /// Digest of the claims (the first attachment).
        claims: Digest,
        /// The enrolled person whose account the actor is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        person: Option<PersonId>,
        /// When it was issued.
        issued: Timestamp,
        /// When it ends.
        expires: Timestamp,
        /// When it was verified.
        time: Timestamp,
    }
}
