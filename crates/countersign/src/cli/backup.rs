//! `ledger backup | restore | fork-check`.

use std::path::Path;

use countersign_govern::audit::verify::{Anchor, verify_kept};
use countersign_model::{Digest, Exit};
use countersign_store::fork::{Comparison, compare};
use countersign_store::postgres::{self, PgError};
use countersign_store::s3::Location;
use countersign_store::{Error, Ledger, Source as _, backup as store, session};
use serde_json::json;

use super::args::{Format, PlaceArgs};
use super::verify::{failed, ledger_dir, pinned, trust_file, unlocked};
use crate::config::Environment;
use crate::errors::{CliError, Failure, Outcome};
use crate::output::{self, Paint, verify as page};

/// `ledger backup`.
pub(super) fn backup(at: &PlaceArgs, target: &Path, format: Format, env: &Environment) -> Outcome {
    let session = at.open(env)?;
    session.require_pin()?;
    let disposed = session.state().disposed_with()?;
    let (recorder, now) = (session.recorder()?, session.now());
    let done = match at.database(env)? {
        None => store::backup(&at.ledger_dir()?, target, &recorder, now, &disposed)?,
        Some(address) => {
            let kept = session::engine(address, postgres::Options::default(), session.installation())?;
            if !kept.reads_subject_keys() {
                let (doing, what) = ("read the keys of people", "a backup without them would be one of another ledger");
                return Err(Error::from(PgError::Permission { doing, what: what.to_owned() }).into());
            }
            let snapshot = kept.snapshot()?.ok_or_else(|| Error::NoWriter { place: kept.place() })?;
            store::backup_snapshot(snapshot.into(), session.ledger().size(), target, &recorder, now, &disposed)?
        }
    };
    let m = &done.manifest;
    match format {
        Format::Json => output::json(&json!({
            "version": 1, "manifest": m, "copied": done.copied, "waiting": done.waiting,
        }))?,
        Format::Text => {
            let mut out = format!(
                "✓ {} holds {} with {}, {} in all, {} copied now\n  root  {}\n",
                target.display(),
                m.origin,
                output::count(m.size, "entry", "entries"),
                output::count(m.files, "file", "files"),
                done.copied,
                m.root
            );
            if done.waiting > 0 {
                out.push_str(&format!(
                    "  {} acknowledged and not in the checkpoint yet, so not in the backup: run it again later\n",
                    output::count(done.waiting, "entry is", "entries are")
                ));
            }
            out.push_str(
                "  The keys of log, recorder and payloads are not in it: back the data directory up as well.\n",
            );
            output::print(&out)?;
        }
    }
    Ok(Exit::Pass)
}

/// `ledger restore`.
pub(super) fn restore(backup: &Path, dir: &Path, trust: Option<&Path>, format: Format, env: &Environment) -> Outcome {
    let staged = store::stage(backup, dir)?;
    let (anchor, by) = match trust {
        Some(file) => (trust_file(file, backup)?.0, format!("trusted by {}", file.display())),
        None => pinned(staged.dir(), env)?,
    };
    let verified = verify_kept(unlocked(staged.dir(), env)?, &anchor, None, &[])?;
    let m = staged.manifest();
    let is_listed = verified.report.size == m.size
        && Digest::from_bytes(verified.report.root) == m.root
        && verified.report.checked.entries == m.size
        && verified.report.checked.blobs == m.blobs;
    if !verified.holds() || !is_listed {
        match format {
            Format::Json => output::json(&page::to_json(&verified))?,
            Format::Text => output::print(&page::text(&verified, &by, &Paint::of(env)))?,
        }
        // What was staged is removed again when it is dropped.
        return Ok(if is_listed { failed(&verified) } else { Exit::Unverified });
    }
    let seen = match &anchor {
        Anchor::Pin(pin) => Some((pin.seen.size, pin.seen.root)),
        _ => None,
    };
    let m = staged.place()?;
    if trust.is_none() {
        let installation = env.installation()?;
        installation.note_place(&m.origin, dir)?;
        installation.remember(&m.origin, m.size, m.root)?;
    }
    match format {
        Format::Json => output::json(&json!({
            "version": 1, "origin": m.origin, "size": m.size, "root": m.root, "entries": m.size, "blobs": m.blobs,
            "files": m.files, "pinned_size": seen.map(|s| s.0), "pinned_root": seen.map(|s| s.1), "trusted": by,
        }))?,
        Format::Text => {
            let proof = match seen {
                Some((size, _)) if size == m.size => "it is the checkpoint that was seen last".to_owned(),
                Some((size, _)) => format!("it continues the checkpoint of {size} entries that was seen last"),
                None => "its checkpoint is signed by the key that is trusted".to_owned(),
            };
            output::print(&format!(
                "✓ {} is restored in {}\n  size     {} entries, every one of them read and in the tree\n  root     {}\n  \
                 blobs    {}, every one of them named by an entry\n  files    {}, every one of them on the signed list\n  \
                 proof    {proof} ({by})\n",
                m.origin,
                dir.display(),
                m.size,
                m.root,
                m.blobs,
                m.files
            ))?;
        }
    }
    Ok(Exit::Pass)
}

/// The copy in a bucket.
#[cfg(feature = "s3")]
fn bucket(location: &str, env: &Environment) -> Result<Ledger, Failure> {
    Ok(Ledger::over(std::sync::Arc::new(super::storage::open(location, env)?))?)
}

#[cfg(not(feature = "s3"))]
fn bucket(location: &str, _: &Environment) -> Result<Ledger, Failure> {
    Err(super::storage::not_built_in(location)?)
}

/// `ledger fork-check`.
pub(super) fn fork_check(
    at: &PlaceArgs,
    copies: (&Path, &Path),
    out: Option<&Path>,
    format: Format,
    env: &Environment,
) -> Outcome {
    let open = |path: &Path| -> Result<Ledger, Failure> {
        if let Some(location) = path.to_str().filter(|path| Location::is_one(path)) {
            return bucket(location, env);
        }
        let copy = path.join("copy");
        let dir = if copy.join("ledger").is_dir() { copy } else { ledger_dir(at, Some(path))? };
        Ok(Ledger::open(&dir)?)
    };
    let (a, b) = (open(copies.0)?, open(copies.1)?);
    let sizes = [a.size(), b.size()];
    let proof = match compare(&a, &b)? {
        Comparison::Fork(proof) => proof,
        other => {
            let (word, common) = match other {
                Comparison::Prefix { common } => ("prefix", common),
                _ => ("same", a.size()),
            };
            match format {
                Format::Json => output::json(&json!({
                    "version": 1, "origin": a.origin(), "result": word, "common": common, "sizes": sizes,
                }))?,
                Format::Text if word == "same" => {
                    output::print(&format!("✓ both are {} with the same {common} entries\n", a.origin()))?;
                }
                Format::Text => output::print(&format!(
                    "✓ both are {}; the first {common} entries are the same, and one has {} more\n",
                    a.origin(),
                    sizes[0].abs_diff(sizes[1])
                ))?,
            }
            return Ok(Exit::Pass);
        }
    };
    if let Some(path) = out {
        let mut bytes = serde_json::to_vec_pretty(&proof).map_err(|source| CliError::Json { source })?;
        bytes.push(b'\n');
        std::fs::write(path, bytes).map_err(|source| CliError::Write { path: path.to_owned(), source })?;
    }
    match format {
        Format::Json => output::json(&json!({
            "version": 1, "origin": a.origin(), "result": "fork", "common": proof.first - 1, "sizes": sizes,
            "proof": *proof,
        }))?,
        Format::Text => output::print(&format!(
            "✗ {} was forked: the first {} entries are the same, entry {} is not\n\n{}\n{}\n\
             Both are signed, and no one log has both. Keep the two copies{}.\n",
            a.origin(),
            proof.first - 1,
            proof.first - 1,
            proof.smaller,
            proof.larger,
            out.map_or_else(
                || ", and write the proof into a file with --out FILE".to_owned(),
                |path| format!("; the proof is in {}", path.display())
            )
        ))?,
    }
    Ok(Exit::Unverified)
}
