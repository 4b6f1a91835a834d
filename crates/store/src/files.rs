//! Reading. A hostile directory holds pipes, links and files of any size; none of them may block or fill the memory.

use std::fs::{self, File};
use std::io::{self, Read};

use countersign_model::{Digest, Hasher};

use crate::Error;
use crate::layout::Paths;
use crate::source::Source;

/// Checks that a regular file stands there and is not larger than `limit`; `None` when nothing is there.
/// Links are not followed: what they point at is not part of the ledger.
pub(crate) fn stat_file(paths: &Paths, name: &str, limit: u64) -> Result<Option<u64>, Error> {
    match fs::symlink_metadata(paths.at(name)) {
        Ok(meta) if !meta.is_file() => Err(Error::corrupt(name, None, "not a regular file")),
        Ok(meta) if meta.len() > limit => {
            Err(Error::corrupt(name, None, format!("it has {} bytes, at most {limit} belong there", meta.len())))
        }
        Ok(meta) => Ok(Some(meta.len())),
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(e) => Err(Error::reading(name, e)),
    }
}

/// Opens a file of the ledger, and says how long it seemed; `None` when nothing is there.
fn open(paths: &Paths, name: &str, limit: u64) -> Result<Option<(File, u64)>, Error> {
    let Some(size) = stat_file(paths, name, limit)? else { return Ok(None) };
    match File::open(paths.at(name)) {
        Ok(file) => Ok(Some((file, size))),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(Error::reading(name, e)),
    }
}

/// Reads a whole file of the ledger; `None` when nothing is there.
pub(crate) fn read_file(paths: &Paths, name: &str, limit: u64) -> Result<Option<Vec<u8>>, Error> {
    let mut bytes = Vec::new();
    Ok(read_file_into(paths, name, limit, &mut bytes)?.then_some(bytes))
}

/// As [`read_file`], into a buffer that was used before; `false` when nothing is there.
pub(crate) fn read_file_into(paths: &Paths, name: &str, limit: u64, bytes: &mut Vec<u8>) -> Result<bool, Error> {
    bytes.clear();
    let Some((file, size)) = open(paths, name, limit)? else { return Ok(false) };
    // One byte more, so that the end is met without growing.
    bytes.reserve(usize::try_from(size.min(limit)).unwrap_or(0).saturating_add(1));
    // It may have grown since it was looked at.
    file.take(limit.saturating_add(1)).read_to_end(bytes).map_err(|e| Error::reading(name, e))?;
    if bytes.len() as u64 > limit {
        return Err(Error::corrupt(name, None, format!("at most {limit} bytes belong there")));
    }
    Ok(true)
}

/// The largest buffer for a file that is not held in memory.
const MAX_BUFFER: usize = 64 << 10;

/// Size and digest of a file, without holding it in memory; `None` when it is not there.
pub(crate) fn digest_file(paths: &Paths, name: &str, limit: u64) -> Result<Option<(u64, Digest)>, Error> {
    let Some((file, expected)) = open(paths, name, limit)? else { return Ok(None) };
    let mut file = file.take(limit.saturating_add(1));
    let mut hasher = Hasher::new();
    let mut buffer = vec![0; usize::try_from(expected).map_or(MAX_BUFFER, |n| n.clamp(1, MAX_BUFFER))];
    let mut size = 0;
    loop {
        let n = file.read(&mut buffer).map_err(|e| Error::reading(name, e))?;
        let Some(part) = buffer.get(..n).filter(|p| !p.is_empty()) else { break };
        hasher.update(part);
        size += part.len() as u64;
    }
    Ok(Some((size, hasher.finish())))
}

/// Reads an object that must be there.
pub(crate) fn require(source: &dyn Source, name: &str, limit: u64) -> Result<Vec<u8>, Error> {
    source.read(name, limit)?.ok_or_else(|| Error::corrupt(name, None, "it is missing"))
}

/// Reads an object of one line that ends with a newline.
pub(crate) fn line(source: &dyn Source, name: &str) -> Result<String, Error> {
    let text = String::from_utf8(require(source, name, 1024)?)
        .map_err(|_| Error::corrupt(name, None, "it is not UTF-8 text"))?;
    match text.strip_suffix('\n') {
        Some(line) if !line.is_empty() && !line.contains('\n') => Ok(line.to_owned()),
        _ => Err(Error::corrupt(name, None, "it is not one line")),
    }
}
