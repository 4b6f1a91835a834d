//! Files that are handed to a browser and come back from it.

use std::io::{Read as _, Write as _};
use std::path::Path;

use serde::Serialize;

use crate::errors::{CliError, Failure};

/// The largest answer of a browser that is read, in bytes.
const LARGEST: u64 = 256 * 1024;

/// Reads a file that somebody handed in.
pub(super) fn read_small(path: &Path) -> Result<Vec<u8>, Failure> {
    let read = |source| CliError::Read { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    std::fs::File::open(path).map_err(read)?.take(LARGEST).read_to_end(&mut bytes).map_err(read)?;
    Ok(bytes)
}

/// Writes a request into a file that is not there yet: one that was signed is not written over.
pub(super) fn write_new(path: &Path, request: &impl Serialize) -> Result<(), Failure> {
    let write = |source| CliError::Write { path: path.to_owned(), source };
    let mut bytes = serde_json::to_vec_pretty(request).map_err(|e| write(e.into()))?;
    bytes.push(b'\n');
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).open(path).map_err(write)?;
    Ok(file.write_all(&bytes).map_err(write)?)
}
