//! One byte form for one JSON value: RFC 8785 (JSON Canonicalization Scheme).
//!
//! What is hashed or signed is always these bytes. The scheme writes every number as an IEEE 754 double; a value that
//! would not survive this (an integer past 2^53 that would be rounded, NaN, an infinity) is refused instead of being
//! written as something else. So are objects with the same key twice.

mod check;
mod plain;

use countersign_model::Digest;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Error;

/// The canonical bytes of `value` (RFC 8785).
///
/// # Errors
/// [`Error::Unrepresentable`] when the value holds a number that a double cannot hold exactly, a key twice in one
/// object, a key that is no text, or when its `Serialize` fails.
pub fn to_vec<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, Error> {
    value.serialize(check::Check).map_err(|e| Error::Unrepresentable(serde::ser::Error::custom(e)))?;
    serde_json_canonicalizer::to_vec(&value).map_err(Error::Unrepresentable)
}

/// The SHA-256 of the canonical bytes of `value`.
///
/// # Errors
/// As [`to_vec`].
pub fn digest<T: Serialize + ?Sized>(value: &T) -> Result<Digest, Error> {
    Ok(Digest::of(&to_vec(value)?))
}

/// Whether `bytes` are JSON in canonical form: no white space, sorted keys, none twice, shortest numbers.
#[must_use]
pub fn is_canonical(bytes: &[u8]) -> bool {
    check_canonical(bytes).is_ok()
}

/// Reads a value from canonical bytes.
///
/// # Errors
/// [`Error::Json`] when the bytes are no JSON or not of the shape of `T`; [`Error::NotCanonical`] when they are in
/// any other than canonical form.
pub fn from_slice<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    check_canonical(bytes)?;
    serde_json::from_slice(bytes).map_err(Error::Json)
}

fn check_canonical(bytes: &[u8]) -> Result<(), Error> {
    if plain::is_plain(bytes) {
        return Ok(());
    }
    let value: serde_json::Value = serde_json::from_slice(bytes).map_err(Error::Json)?;
    // A repeated key is gone after parsing, and a rounded number differs, so comparing bytes finds both.
    let again = serde_json_canonicalizer::to_vec(&value).map_err(Error::Json)?;
    if again == bytes { Ok(()) } else { Err(Error::NotCanonical) }
}
