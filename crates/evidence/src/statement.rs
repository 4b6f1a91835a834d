//! in-toto Statement v1: what a signature is about (the subjects) and what it says about them (the predicate).

use std::collections::BTreeMap;

use countersign_model::Digest;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::{Error, canonical};

/// The media type of a statement in DSSE and in acts.
pub const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";
/// `_type` of every statement.
pub const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";

/// A statement with a predicate of type `P`. Unknown fields beside these are refused: nobody's signature may cover
/// words that we do not show.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statement<P> {
    /// Always [`STATEMENT_TYPE`].
    #[serde(rename = "_type")]
    pub statement_type: String,
    /// What it is about; never empty.
    pub subject: Vec<Subject>,
    /// The kind of the predicate, a URI.
    #[serde(rename = "predicateType")]
    pub predicate_type: String,
    /// What is said.
    pub predicate: P,
}

/// One thing that a statement is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subject {
    /// Its name.
    pub name: String,
    /// Its digests by algorithm (`sha256`, `gitCommit`, `gitTree` …), in lower-case hex.
    pub digest: BTreeMap<String, String>,
}

impl Subject {
    /// A subject known by its SHA-256.
    #[must_use]
    pub fn sha256(name: impl Into<String>, digest: &Digest) -> Self {
        Self::new(name, "sha256", digest.hex())
    }

    /// A subject known by one digest of the given algorithm, in lower-case hex.
    #[must_use]
    pub fn new(name: impl Into<String>, algorithm: &str, hex: impl Into<String>) -> Self {
        Self { name: name.into(), digest: BTreeMap::from([(algorithm.to_owned(), hex.into())]) }
    }
}

impl<P> Statement<P> {
    /// A statement.
    #[must_use]
    pub fn new(subject: Vec<Subject>, predicate_type: impl Into<String>, predicate: P) -> Self {
        Self { statement_type: STATEMENT_TYPE.to_owned(), subject, predicate_type: predicate_type.into(), predicate }
    }

    /// What every statement must be: of version 1, about something, and each subject with a digest.
    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.statement_type != STATEMENT_TYPE {
            return Err(Error::Statement("it is no in-toto Statement v1"));
        }
        if self.subject.is_empty() {
            return Err(Error::Statement("it has no subject"));
        }
        if self.subject.iter().any(|s| s.digest.is_empty()) {
            return Err(Error::Statement("a subject has no digest"));
        }
        Ok(())
    }
}

impl<P: Serialize> Statement<P> {
    /// The canonical bytes: what is signed.
    ///
    /// # Errors
    /// [`Error::Statement`] when it is about nothing or of another version; [`Error::Unrepresentable`].
    pub fn to_vec(&self) -> Result<Vec<u8>, Error> {
        self.check()?;
        canonical::to_vec(self)
    }
}

impl<P: DeserializeOwned> Statement<P> {
    /// Reads a statement of the given predicate type from its canonical bytes.
    ///
    /// # Errors
    /// [`Error::Json`], [`Error::NotCanonical`]; [`Error::Statement`] when it is of another version or predicate
    /// type, or about nothing.
    pub fn from_slice(bytes: &[u8], predicate_type: &str) -> Result<Self, Error> {
        // The kind is looked at first: a wrong kind is a better answer than a missing field of its predicate.
        let any: Statement<serde_json::Value> = canonical::from_slice(bytes)?;
        any.check()?;
        if any.predicate_type != predicate_type {
            return Err(Error::Statement("its predicate is of another type"));
        }
        serde_json::from_slice(bytes).map_err(Error::Json)
    }
}
