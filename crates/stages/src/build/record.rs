//! The use case `record`: attaches evidence and artifacts to a run. The same file twice is one entry.
//!
//! A report of another tool is read as it is attached. What it says is a second attachment, and the values it shows are
//! in neither.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use countersign_model::digest::Hasher;
use countersign_model::event::EvidenceAttached;
use countersign_model::snapshot::LONGEST_NAME;
use countersign_model::{Digest, ReportRecord, Retention, RunId, TreePath};
use countersign_scan::import::{self, Context};
use countersign_store::projection::EvidenceRow;
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
    /// What was read out of it, where it is a report of another tool.
    pub report: Option<ReportRecord>,
}

/// What is attached.
pub struct Files<'a> {
    /// The files.
    pub paths: &'a [PathBuf],
    /// They are artifacts: named by their digest, not stored.
    pub artifacts: bool,
    /// The retention class, where it is not the one that everything gets.
    pub class: Option<Retention>,
    /// How reports of other tools are read; `None`: they are attached as they are.
    pub reports: Option<Reports<'a>>,
}

/// How reports of other tools are read.
pub struct Reports<'a> {
    /// Their format, where it is not to be recognised.
    pub format: Option<&'a str>,
    /// What they are read with.
    pub context: &'a Context<'a>,
}

/// Names an artifact of a run by its digest, where the file itself is elsewhere. The same twice is one entry.
///
/// # Errors
/// When the run is unknown; what the ledger says.
pub fn name_artifact(
    session: &mut Session,
    run: &RunId,
    name: &str,
    digest: Digest,
    size: u64,
) -> Result<RecordedFile, Error> {
    let path = PathBuf::from(name);
    let prepared = Prepared { predicate: artifact(run, name.to_owned(), digest, size), path, blob: None, report: None };
    let recorded = attach(session, run, vec![prepared], None)?;
    // One went in.
    recorded.into_iter().next().ok_or_else(|| Error::NoSuchRun { run: run.to_string() })
}

fn artifact(run: &RunId, name: String, digest: Digest, size: u64) -> EvidenceAttached {
    EvidenceAttached {
        run: run.clone(),
        kind: "artifact".to_owned(),
        name,
        digest,
        size,
        artifact: true,
        subjects: Vec::new(),
        report: None,
    }
}

struct Prepared {
    path: PathBuf,
    predicate: EvidenceAttached,
    blob: Option<NewBlob>,
    report: Option<(ReportRecord, NewBlob)>,
}

/// Attaches files to a run: as evidence, stored whole; or as artifacts, named by their digest.
///
/// # Errors
/// When the run is unknown, or a file cannot be read, is too large to store, or is a report that is not of its format.
/// Then none of them is recorded.
pub fn record(session: &mut Session, run: &RunId, files: &Files<'_>) -> Result<Vec<RecordedFile>, Error> {
    let mut read = Vec::with_capacity(files.paths.len());
    for path in files.paths {
        read.push(read_file(path, run, files)?);
    }
    attach(session, run, read, files.class)
}

fn attach(
    session: &mut Session,
    run: &RunId,
    read: Vec<Prepared>,
    class: Option<Retention>,
) -> Result<Vec<RecordedFile>, Error> {
    let (appended, places) = session.transact(|s| {
        let row = s.state().run(run)?.ok_or_else(|| Error::NoSuchRun { run: run.to_string() })?;
        let mut plan = Plan::default();
        let mut places: Vec<Result<u64, u64>> = Vec::with_capacity(read.len());
        for file in &read {
            let p = &file.predicate;
            let same = |e: &&EvidenceRow| {
                let read = e.report.as_ref().map(|r| r.sha256);
                e.digest == p.digest && e.artifact == p.artifact && e.name == p.name && read == p.report
            };
            if let Some(before) = row.evidence.iter().find(same) {
                places.push(Ok(before.index));
                continue;
            }
            places.push(Err(plan.entries.len() as u64));
            let report = file.report.as_ref().map(|(_, blob)| blob.clone());
            let mut entry = events::evidence_attached(s, p.clone(), file.blob.clone(), report)?;
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
            report: file.report.map(|(record, _)| record),
        })
        .collect())
}

/// An artifact that is no file but a reference with its digest: `NAME@sha256:…`, as registries of images write it.
#[must_use]
pub fn reference(path: &Path) -> Option<(String, Digest)> {
    let (name, digest) = path.to_str()?.rsplit_once('@')?;
    // As of a file, its place is not told; its tag may be another's tomorrow.
    let name = name.rsplit('/').next()?.split(':').next()?;
    let is_name = !name.is_empty() && name.len() <= LONGEST_NAME && !name.contains(char::is_control);
    is_name.then_some(())?;
    Some((name.to_owned(), digest.parse().ok()?))
}

/// The SHA-256 of what is left of a file, and how many bytes that is; however large it is.
///
/// # Errors
/// When it cannot be read.
pub fn digest_of(file: &mut impl Read) -> std::io::Result<(Digest, u64)> {
    let (mut hasher, mut size) = (Hasher::new(), 0);
    let mut buffer = vec![0; 256 * 1024];
    loop {
        let n = file.read(&mut buffer)?;
        if n == 0 {
            return Ok((hasher.finish(), size));
        }
        hasher.update(buffer.get(..n).unwrap_or_default());
        size += n as u64;
    }
}

fn read_file(path: &Path, run: &RunId, files: &Files<'_>) -> Result<Prepared, Error> {
    if files.artifacts
        && !path.exists()
        && let Some((name, digest)) = reference(path)
    {
        // How large an image is, its registry knows.
        return Ok(Prepared {
            path: path.to_owned(),
            predicate: artifact(run, name, digest, 0),
            blob: None,
            report: None,
        });
    }
    let fail = |source| Error::ReadEvidence { path: path.to_owned(), source };
    let mut file = File::open(path).map_err(fail)?;
    let meta = file.metadata().map_err(fail)?;
    if !meta.is_file() {
        return Err(Error::NotAFile { path: path.to_owned() });
    }
    let name = path.file_name().unwrap_or_default();
    let name = TreePath::from_bytes(name.as_encoded_bytes()).to_string();
    if files.artifacts {
        let (digest, size) = digest_of(&mut file).map_err(fail)?;
        let predicate = artifact(run, name, digest, size);
        return Ok(Prepared { path: path.to_owned(), predicate, blob: None, report: None });
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
    let (mut kind, mut report) = (detected.kind.to_owned(), None);
    if let Some(reports) = &files.reports
        && let Some(read) = import::import(&bytes, &name, reports.format, reports.context)?
    {
        kind.clone_from(&read.record.format);
        let blob = events::document(&read.record)?;
        report = Some((read.record, blob));
        bytes = read.stored.unwrap_or(bytes);
    }
    let predicate = EvidenceAttached {
        run: run.clone(),
        kind,
        name,
        digest: Digest::of(&bytes),
        size: bytes.len() as u64,
        artifact: false,
        subjects: detected.subjects,
        report: report.as_ref().map(|(_, (digest, _))| *digest),
    };
    let media = if report.is_some() && detected.kind == "file" { "application/json" } else { detected.media };
    Ok(Prepared {
        path: path.to_owned(),
        predicate,
        blob: Some(NewBlob { bytes, media: media.into() }),
        report: report.map(|(record, (_, blob))| (record, blob)),
    })
}
