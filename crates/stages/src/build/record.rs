//! The use case `record`: attaches evidence and artifacts to a run. The same file twice is one entry.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use countersign_model::digest::Hasher;
use countersign_model::event::EvidenceAttached;
use countersign_model::{Digest, Retention, RunId, TreePath};
use countersign_store::{MAX_BLOB_BYTES, NewBlob, Plan, Session};

use super::{events, kind};
use crate::Error;

/// A file that was recorded.
pub struct RecordedFile {
    /// The path as given.
    pub path: PathBuf,
    /// Its kind.
    pub kind: String,
    /// Its digest.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// Log index; the earlier one when it was recorded before.
    pub index: u64,
    /// Whether it was recorded before.
    pub known: bool,
}

struct Prepared {
    path: PathBuf,
    predicate: EvidenceAttached,
    blob: Option<NewBlob>,
}

/// Attaches files to a run: as evidence, stored whole; or as artifacts, named by their digest. `class` is the retention
/// class, where it is not the one that everything gets.
///
/// # Errors
/// When the run is unknown, or a file cannot be read or is too large to store. Then none of them is recorded.
pub fn record(
    session: &mut Session,
    run: &RunId,
    files: &[PathBuf],
    artifacts: bool,
    class: Option<Retention>,
) -> Result<Vec<RecordedFile>, Error> {
    let mut read = Vec::with_capacity(files.len());
    for path in files {
        read.push(read_file(path, run, artifacts)?);
    }
    let (appended, places) = session.transact(|s| {
        let row = s.state().run(run)?.ok_or_else(|| Error::NoSuchRun { run: run.to_string() })?;
        let mut plan = Plan::default();
        let mut places: Vec<Result<u64, u64>> = Vec::with_capacity(read.len());
        for file in &read {
            let p = &file.predicate;
            let same = |name: &str, digest: Digest, artifact: bool| {
                digest == p.digest && artifact == p.artifact && name == p.name
            };
            if let Some(before) = row.evidence.iter().find(|e| same(&e.name, e.digest, e.artifact)) {
                places.push(Ok(before.index));
                continue;
            }
            places.push(Err(plan.entries.len() as u64));
            let mut entry = events::evidence_attached(s, p.clone(), file.blob.clone())?;
            entry.retention = class.unwrap_or(entry.retention);
            plan.entries.push(entry);
        }
        Ok::<_, Error>((plan, places))
    })?;
    let first = appended.map_or(0, |a| a.first_index);
    Ok(read
        .into_iter()
        .zip(places)
        .map(|(file, place)| RecordedFile {
            path: file.path,
            kind: file.predicate.kind,
            digest: file.predicate.digest,
            size: file.predicate.size,
            known: place.is_ok(),
            index: place.unwrap_or_else(|offset| first + offset),
        })
        .collect())
}

fn read_file(path: &Path, run: &RunId, artifact: bool) -> Result<Prepared, Error> {
    let fail = |source| Error::ReadEvidence { path: path.to_owned(), source };
    let mut file = File::open(path).map_err(fail)?;
    let meta = file.metadata().map_err(fail)?;
    if !meta.is_file() {
        return Err(Error::NotAFile { path: path.to_owned() });
    }
    let name = path.file_name().unwrap_or_default();
    let name = TreePath::from_bytes(name.as_encoded_bytes()).to_string();
    if artifact {
        let mut hasher = Hasher::new();
        let mut size = 0;
        let mut buffer = vec![0; 256 * 1024];
        loop {
            let n = file.read(&mut buffer).map_err(fail)?;
            if n == 0 {
                break;
            }
            hasher.update(buffer.get(..n).unwrap_or_default());
            size += n as u64;
        }
        let digest = hasher.finish();
        let kind = "artifact".to_owned();
        let predicate =
            EvidenceAttached { run: run.clone(), kind, name, digest, size, artifact: true, subjects: Vec::new() };
        return Ok(Prepared { path: path.to_owned(), predicate, blob: None });
    }
    if meta.len() > MAX_BLOB_BYTES {
        return Err(Error::EvidenceTooLarge { path: path.to_owned(), size: meta.len() });
    }
    let mut bytes = Vec::new();
    file.take(MAX_BLOB_BYTES + 1).read_to_end(&mut bytes).map_err(fail)?;
    if bytes.len() as u64 > MAX_BLOB_BYTES {
        return Err(Error::EvidenceTooLarge { path: path.to_owned(), size: bytes.len() as u64 });
    }
    let detected = kind::detect(&bytes);
    let predicate = EvidenceAttached {
        run: run.clone(),
        kind: detected.kind.into(),
        name,
        digest: Digest::of(&bytes),
        size: bytes.len() as u64,
        artifact: false,
        subjects: detected.subjects,
    };
    Ok(Prepared { path: path.to_owned(), predicate, blob: Some(NewBlob { bytes, media: detected.media.into() }) })
}
