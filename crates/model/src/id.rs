//! Opaque identifiers. They carry no names: a stream or an actor in the log tells nothing about a person.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident, $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub struct $name(String);

        impl $name {
            /// The prefix that every id of this kind starts with.
            pub const PREFIX: &'static str = $prefix;

            /// A new id from random bytes.
            #[must_use]
            pub fn from_random(random: [u8; 10]) -> Self {
                Self(format!(concat!($prefix, "{}"), crate::digest::to_hex(&random)))
            }

            /// An id read from text, taken as it is.
            #[must_use]
            pub fn from_text(text: impl Into<String>) -> Self {
                Self(text.into())
            }

            /// The id's text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}

ids! {
    /// One pipeline execution: repository identity + commit + pipeline definition. `run-` + 20 hex digits.
    RunId, "run-";
    /// A person. `per-` + 20 hex digits.
    PersonId, "per-";
    /// A repository as the ledger knows it. `rep-` + 20 hex digits.
    RepositoryId, "rep-";
    /// A short-lived permission to deploy. `gra-` + 20 hex digits.
    GrantId, "gra-";
    /// A freeze of an environment. `frz-` + 20 hex digits.
    FreezeId, "frz-";
    /// An emergency in which a change went past the gates. `brk-` + 20 hex digits.
    BreakGlassId, "brk-";
    /// A waiver, from its request on. `wai-` + 20 hex digits.
    WaiverId, "wai-";
    /// A review of all access. `rev-` + 20 hex digits.
    ReviewId, "rev-";
    /// An audit. `aud-` + 20 hex digits.
    AuditId, "aud-";
    /// A request of an audit, with its thread. `arq-` + 20 hex digits.
    AuditRequestId, "arq-";
    /// A regulator's request for records. `fur-` + 20 hex digits.
    FurnishId, "fur-";
    /// An override of reasons whose level is soft. `ovr-` + 20 hex digits.
    OverrideId, "ovr-";
    /// A stream of events that is appended to conditionally; equal to the id of the noun it is about.
    StreamId, "str-";
    /// Who appended an entry: a person's or an installation's id.
    ActorId, "act-";
}

macro_rules! as_stream { ($($name:ident),*) => {$(
    impl From<&$name> for StreamId { fn from(id: &$name) -> Self { Self(id.0.clone()) } }
)*}; }
as_stream!(
    FurnishId,
    AuditId,
    AuditRequestId,
    BreakGlassId,
    RunId,
    PersonId,
    RepositoryId,
    GrantId,
    WaiverId,
    ReviewId
);

impl From<&PersonId> for ActorId {
    fn from(id: &PersonId) -> Self {
        Self(id.0.clone())
    }
}
