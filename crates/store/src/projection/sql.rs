//! How values stand in columns, and the two ways in which folding an entry ends early.

use std::str::FromStr;

use countersign_model::{
    ActorId, AuditId, AuditRequestId, BreakGlassId, Digest, FreezeId, FurnishId, GrantId, OverrideId, PayloadRef,
    PersonId, RepositoryId, ReviewId, RunId, StreamId, Timestamp,
};
use rusqlite::Row;
use rusqlite::types::Type;

use crate::Error;

/// Why an entry changed no table.
pub(super) enum Stop {
    /// It is not believed: an anomaly.
    Disbelieved(String),
    /// It could not be looked at: never the same as not believing it.
    Failed(Error),
}

impl From<String> for Stop {
    fn from(what: String) -> Self {
        Self::Disbelieved(what)
    }
}

impl From<&str> for Stop {
    fn from(what: &str) -> Self {
        Self::Disbelieved(what.to_owned())
    }
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<rusqlite::Error> for Stop {
    fn from(error: rusqlite::Error) -> Self {
        Self::Failed(error.into())
    }
}

/// The result of folding one entry.
pub(super) type Fold = Result<(), Stop>;

pub(super) fn require(holds: bool, otherwise: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(otherwise.to_owned()) }
}

/// A value that stands in a column as its text.
pub(super) trait Text: Sized {
    /// Reads the text; `None` when it is none of this type.
    fn read(text: String) -> Option<Self>;
}

macro_rules! ids { ($($t:ty),*) => {$(
    impl Text for $t { fn read(text: String) -> Option<Self> { Some(Self::from_text(text)) } }
)*}; }
ids!(
    FurnishId,
    AuditId,
    AuditRequestId,
    BreakGlassId,
    ReviewId,
    FreezeId,
    RunId,
    PersonId,
    RepositoryId,
    GrantId,
    StreamId,
    ActorId,
    OverrideId
);

macro_rules! parsed { ($($t:ty),*) => {$(
    impl Text for $t { fn read(text: String) -> Option<Self> { Self::from_str(&text).ok() } }
)*}; }
parsed!(
    Digest,
    countersign_model::Role,
    countersign_model::access::KeyKind,
    countersign_model::access::SlotName,
    countersign_evidence::sshsig::PublicKey,
    countersign_model::Retention,
    countersign_model::retention::Office
);

impl Text for countersign_model::EventKind {
    fn read(text: String) -> Option<Self> {
        serde_json::from_value(serde_json::Value::String(text)).ok()
    }
}

/// Reads column `i` as text of type `T`.
pub(super) fn text<T: Text>(row: &Row<'_>, i: usize) -> rusqlite::Result<T> {
    T::read(row.get(i)?).ok_or_else(|| wrong(i, std::any::type_name::<T>()))
}

/// Reads column `i` as text of type `T`, or NULL.
pub(super) fn maybe<T: Text>(row: &Row<'_>, i: usize) -> rusqlite::Result<Option<T>> {
    match row.get::<_, Option<String>>(i)? {
        Some(text) => T::read(text).map(Some).ok_or_else(|| wrong(i, std::any::type_name::<T>())),
        None => Ok(None),
    }
}

/// Reads column `i`, milliseconds since the Unix epoch.
pub(super) fn time(row: &Row<'_>, i: usize) -> rusqlite::Result<Timestamp> {
    Ok(Timestamp::from_millis(row.get(i)?))
}

/// Reads three columns from `i` on: digest, size and media type of a blob.
pub(super) fn blob(row: &Row<'_>, i: usize) -> rusqlite::Result<PayloadRef> {
    let media: String = row.get(i + 2)?;
    let (sealed, media) = match media.strip_prefix(SEALED).and_then(|rest| rest.split_once(' ')) {
        Some((key, media)) => (Some(key.to_owned()), media.to_owned()),
        None => (None, media),
    };
    Ok(PayloadRef { sha256: text(row, i)?, size: row.get(i + 1)?, media, sealed })
}

/// What the media type of a sealed blob starts with in its column; the key's id and a space follow. No media type has a
/// space before its slash.
const SEALED: &str = "sealed ";

/// The media type as it stands in the third column.
pub(super) fn media(blob: &PayloadRef) -> String {
    match &blob.sealed {
        Some(key) => format!("{SEALED}{key} {}", blob.media),
        None => blob.media.clone(),
    }
}

/// Reads column `i` as a JSON document.
pub(super) fn json<T: serde::de::DeserializeOwned>(row: &Row<'_>, i: usize) -> rusqlite::Result<T> {
    let text: String = row.get(i)?;
    serde_json::from_str(&text).map_err(|e| rusqlite::Error::FromSqlConversionFailure(i, Type::Text, Box::new(e)))
}

fn wrong(i: usize, what: &str) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(i, Type::Text, format!("it is no {what}").into())
}
