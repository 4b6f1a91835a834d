//! Keys of an issuer, kept for an hour, so that a pipeline of many steps asks once. The file lies in the data directory, where
//! the recorder's key lies too: whoever can write there needs no other keys.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use countersign_model::{Digest, Timestamp};
use serde_json::{Value, json};

/// How long a set is kept, in seconds: that long a key may still be believed that its issuer withdrew.
const KEPT: i64 = 3600;

pub(super) fn file(dir: &Path, issuer: &str) -> PathBuf {
    dir.join(format!("{}.json", Digest::of(issuer.as_bytes()).hex()))
}

/// The set that is kept. What cannot be read is not there: it is fetched then.
pub(super) fn read(file: &Path, issuer: &str, now: Timestamp) -> Option<Vec<u8>> {
    let document: Value = serde_json::from_slice(&fs::read(file).ok()?).ok()?;
    let fetched = Timestamp::from_millis(document.get("fetched")?.as_i64()?);
    let fresh = fetched <= now && now < fetched.plus_seconds(KEPT);
    let same = document.get("issuer").and_then(Value::as_str) == Some(issuer);
    (fresh && same).then(|| document.get("set").and_then(Value::as_str).map(|set| set.as_bytes().to_vec()))?
}

pub(super) fn write(file: &Path, issuer: &str, now: Timestamp, set: &[u8]) -> io::Result<()> {
    // What is no text is no set: it is not kept.
    let Ok(set) = std::str::from_utf8(set) else { return Ok(()) };
    if let Some(dir) = file.parent() {
        fs::create_dir_all(dir)?;
    }
    let document = json!({"issuer": issuer, "fetched": now.millis(), "set": set});
    // Several commands of one pipeline may do this at once: each writes a file of its own, and the last one is there.
    let own = file.with_extension(format!("{}.tmp", std::process::id()));
    fs::write(&own, document.to_string())?;
    fs::rename(&own, file)
}
