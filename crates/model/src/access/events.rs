//! What administrators say about the keys of people: the predicates of their signed statements.

use serde::{Deserialize, Serialize};

use super::{KeyKind, Passkey};
use crate::event::{Predicate, predicates};
use crate::{Digest, PersonId, Timestamp};

predicates! {
    /// One more key of a person.
    PersonKeyAdded: "person-key" {
        /// The ledger this is said to.
        origin: String,
        /// Whose it is.
        person: PersonId,
        /// What kind of key.
        kind: KeyKind,
        /// The public key: an OpenSSH line without comment; of an OpenPGP key the fingerprint in upper-case hex.
        key: String,
        /// What is signed before does not count.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        valid_after: Option<Timestamp>,
        /// Nor what is signed from here on.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        valid_before: Option<Timestamp>,
        /// Of a passkey: how it is used.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        passkey: Option<Passkey>,
        /// Of an OpenPGP key: the digest of the sealed certificate (the first attachment).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        certificate: Option<Digest>,
        /// The administrator who says so.
        by: PersonId,
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// When.
        time: Timestamp,
    }

    /// A key is not believed any more.
    PersonKeyRevoked: "person-key-revocation" {
        /// The ledger this is said to.
        origin: String,
        /// Whose it was.
        person: PersonId,
        /// The key's fingerprint: `SHA256:…`, or that of an OpenPGP key in upper-case hex.
        fingerprint: String,
        /// Since when somebody else may have had it; none: it is given up from here on, and what it signed before stands.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        compromised_since: Option<Timestamp>,
        /// The administrator who says so.
        by: PersonId,
        /// Why.
        reason: String,
        /// When.
        time: Timestamp,
    }
}
