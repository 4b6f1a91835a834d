//! `ledger info | entries | runs | show | receipt | rebuild | replicate | probe`.

use std::fmt::Write as _;

use countersign_evidence::act::SignedAct;
use countersign_evidence::dsse::{self, Envelope};
use countersign_govern::access::{log_key, second_key};
use countersign_model::Exit;
use countersign_store::projection::StorageRow;
use countersign_store::{Ledger, Paths, Session, session};
use serde_json::json;

use super::args::{Format, KeyArgs, PlaceArgs};
use super::backup;
use super::ledger_args::{LedgerArgs, LedgerVerb, SignAlso};
use super::place::notices;
use crate::config::Environment;
use crate::errors::{CliError, Failure, Outcome};
use crate::output::{self, printable, rebuild};

/// Shows the ledger.
pub(crate) fn run(at: &PlaceArgs, args: &LedgerArgs, env: &Environment) -> Outcome {
    match &args.verb {
        LedgerVerb::Replicate(args) => return super::storage::replicate(at, args, env),
        LedgerVerb::Probe(args) => return super::storage::probe(at, args, env),
        LedgerVerb::Info { format } => info(&at.ledger(env)?, &storages(at, env), *format)?,
        LedgerVerb::Witness { format } => return super::witnessing::run(at, *format, env),
        LedgerVerb::Entries { format } => entries(&at.ledger(env)?, *format)?,
        LedgerVerb::Runs { format } => runs(&at.open(env)?, *format)?,
        LedgerVerb::Show { index, payload, statement, signature, attachment } => {
            let ledger = at.ledger(env)?;
            let what = match (payload, statement, signature, attachment) {
                (true, ..) => Part::Payload,
                (_, true, ..) => Part::Statement,
                (_, _, true, _) => Part::Signature,
                (_, _, _, Some(n)) => Part::Attachment(*n),
                _ => Part::Entry,
            };
            let shown = show(&ledger, *index, &what);
            output::print_bytes(&shown.map_err(|failure| disposed(at, *index, env, failure))?)?;
        }
        LedgerVerb::Rebuild { check, format } => {
            let (ledger, installation) = (at.ledger(env)?, env.installation()?);
            return if *check {
                rebuild::checked(&session::check(ledger, &installation)?, *format)
            } else {
                rebuild::rebuilt(&session::rebuild(ledger, &installation)?, *format)
            };
        }
        LedgerVerb::Backup { target, format } => return backup::backup(at, target, *format, env),
        LedgerVerb::Restore { backup, dir, trust, format } => {
            return backup::restore(backup, dir, trust.as_deref(), *format, env);
        }
        LedgerVerb::ForkCheck { a, b, out, format } => {
            return backup::fork_check(at, (a, b), out.as_deref(), *format, env);
        }
        LedgerVerb::SignAlso { with, reason, key, format } => {
            sign_also(at, *with, reason.as_deref(), key, *format, env)?;
        }
        LedgerVerb::RotateKey { to, reason, key, format } => {
            rotate_key(at, to.as_deref(), reason.as_deref(), key, *format, env)?;
        }
        LedgerVerb::Dispose(args) => return super::dispose::dispose(at, args, env),
        LedgerVerb::EraseSubject(args) => return super::dispose::erase(at, args, env),
        LedgerVerb::Receipt { index, out } => {
            let text = at.ledger(env)?.receipt(*index)?.to_text();
            match out {
                Some(path) => {
                    std::fs::write(path, text).map_err(|source| CliError::Write { path: path.clone(), source })?
                }
                None => output::print(&text)?,
            }
        }
    }
    Ok(Exit::Pass)
}

fn sign_also(
    at: &PlaceArgs,
    with: SignAlso,
    reason: Option<&str>,
    key: &KeyArgs,
    format: Format,
    env: &Environment,
) -> Result<(), Failure> {
    let wanted = match with {
        SignAlso::MlDsa44 => session::SecondKey::Made,
        SignAlso::None => session::SecondKey::Retired,
    };
    let mut session = at.open(env)?;
    let signer = key.administrator(&session, env)?;
    let chosen = second_key::choose(&mut session, wanted, reason, &signer)?;
    notices(&mut session);
    let file = session.installation().second_log_file(session.ledger().origin());
    match (format, &chosen.vkey) {
        (Format::Json, vkey) => output::json(&json!({
            "version": 1, "index": chosen.index, "vkey": vkey, "file": vkey.as_ref().map(|_| &file),
        })),
        (Format::Text, Some(_)) => output::print(&format!(
            "✓ every checkpoint is signed with ML-DSA-44 as well (entry {})\n  key  {}\n\
             Keep a copy of it: without it nothing can be appended. Who reads the log knows it from there.\n",
            chosen.index,
            printable(&file.to_string_lossy())
        )),
        (Format::Text, None) => output::print(&format!(
            "✓ the second key is retired (entry {}): checkpoints are signed with Ed25519 alone\n",
            chosen.index
        )),
    }
}

fn rotate_key(
    at: &PlaceArgs,
    to: Option<&str>,
    reason: Option<&str>,
    key: &KeyArgs,
    format: Format,
    env: &Environment,
) -> Result<(), Failure> {
    let mut session = at.open(env)?;
    let signer = key.administrator(&session, env)?;
    let rotated = log_key::rotate(&mut session, to, reason, &signer)?;
    notices(&mut session);
    match format {
        Format::Json => output::json(&json!({
            "version": 1, "index": rotated.index, "old": rotated.old, "new": rotated.new, "device": to,
        })),
        Format::Text => {
            let place = to.map_or_else(|| "in the data directory".to_owned(), |uri| format!("in the device {uri}"));
            output::print(&format!(
                "✓ the log's key is exchanged (entry {})\n  old  {}\n  new  {}\n       {place}\n\
                 Other machines follow by themselves when they next read the ledger.\n",
                rotated.index, rotated.old, rotated.new
            ))
        }
    }
}

fn info(ledger: &Ledger, storages: &[StorageRow], format: Format) -> Result<(), Failure> {
    let tiles = match ledger.directory().map(|dir| Paths::new(dir).tiles_dir()) {
        Some(dir) => std::path::absolute(&dir).unwrap_or(dir).to_string_lossy().into_owned(),
        None => ledger.place(),
    };
    let root = output::run_root(&ledger.root());
    if format == Format::Json {
        let storages: Vec<_> = storages
            .iter()
            .map(|s| {
                json!({
                    "location": s.location, "verdict": s.verdict, "failed": s.failed, "time": s.time, "entry": s.index,
                })
            })
            .collect();
        return output::json(&json!({
            "version": 1, "origin": ledger.origin(), "vkey": ledger.vkey().to_string(), "size": ledger.size(),
            "root": root, "tiles": tiles, "storages": storages,
        }));
    }
    let mut out = format!(
        "origin  {}\nvkey    {}\nsize    {}\nroot    {root}\ntiles   {}\n",
        ledger.origin(),
        ledger.vkey(),
        ledger.size(),
        tiles
    );
    for storage in storages {
        let what = storage
            .warning()
            .unwrap_or_else(|| format!("lock held: {} (entry {}, {})", storage.location, storage.index, storage.time));
        let _ = writeln!(out, "copy    {}", printable(&what));
    }
    output::print(&out)
}

/// The last probes of storages. What is in the log itself is shown whether or not these can be.
fn storages(at: &PlaceArgs, env: &Environment) -> Vec<StorageRow> {
    let read = || -> Result<_, Failure> { Ok(at.open(env)?.state().storages()?) };
    read().unwrap_or_else(|failure| {
        output::note(&format!("copies in buckets are not shown: {}", failure.0));
        Vec::new()
    })
}

fn entries(ledger: &Ledger, format: Format) -> Result<(), Failure> {
    let all = ledger.entries(0..ledger.size())?;
    match format {
        Format::Json => {
            let list: Vec<_> = all.iter().map(|(index, entry)| json!({"index": index, "entry": entry})).collect();
            output::json(&json!({"version": 1, "entries": list}))
        }
        Format::Text => {
            let mut out = String::new();
            for (index, e) in &all {
                let _ = writeln!(out, "{index:>6}  {}  {:<20}  {} #{}", e.time, e.kind.as_str(), e.stream, e.version);
            }
            output::print(&out)
        }
    }
}

fn runs(session: &Session, format: Format) -> Result<(), Failure> {
    let runs = session.state().runs()?;
    match format {
        Format::Json => {
            let list: Vec<_> = runs
                .iter()
                .map(|r| {
                    json!({
                        "run": r.id, "repository": r.identity, "commit": r.commit, "attempts": r.attempts,
                        "decisions": r.decisions, "approvals": r.approvals,
                    })
                })
                .collect();
            output::json(&json!({"version": 1, "runs": list}))
        }
        Format::Text => {
            let mut out = String::new();
            for r in &runs {
                let _ = writeln!(
                    out,
                    "{}  {}  {}, {}, {}",
                    r.id,
                    r.commit.get(..12).unwrap_or(&r.commit),
                    output::count(r.attempts, "attempt", "attempts"),
                    output::count(r.decisions.len() as u64, "decision", "decisions"),
                    output::count(r.approvals, "approval", "approvals"),
                );
            }
            if out.is_empty() {
                out.push_str("no run yet: countersign run\n");
            }
            output::print(&out)
        }
    }
}

/// What of an entry is printed.
enum Part {
    Entry,
    Payload,
    Statement,
    Signature,
    Attachment(usize),
}

/// What is gone by a certificate is not missing, and the failure says so.
fn disposed(at: &PlaceArgs, index: u64, env: &Environment, failure: Failure) -> Failure {
    if failure.0.code() != countersign_store::code::MISSING_BLOB {
        return failure;
    }
    let certificate = at.open(env).ok().and_then(|session| session.state().certificate_of(index).ok().flatten());
    match certificate {
        Some(certificate) => countersign_govern::Error::Disposed { index, certificate }.into(),
        None => failure,
    }
}

fn show(ledger: &Ledger, index: u64, part: &Part) -> Result<Vec<u8>, Failure> {
    let (_, entry) = ledger
        .entries(index..index.saturating_add(1))?
        .into_iter()
        .next()
        .ok_or(countersign_store::Error::NoSuchEntry { index, size: ledger.size() })?;
    let media = entry.payload.media.as_str();
    let none = |what: &str| {
        Failure::from(CliError::Usage {
            what: format!("entry {index} ({}) has no {what}", printable(entry.kind.as_str())),
            help: format!("see what it has: countersign ledger show {index}"),
        })
    };
    match part {
        Part::Entry => {
            let mut text = serde_json::to_vec_pretty(&entry).map_err(|source| CliError::Json { source })?;
            text.push(b'\n');
            Ok(text)
        }
        Part::Payload => Ok(ledger.payload(&entry.payload)?),
        Part::Statement if media == countersign_evidence::act::MEDIA_TYPE => {
            Ok(SignedAct::from_slice(&ledger.payload(&entry.payload)?)?.statement()?)
        }
        Part::Statement if media == dsse::MEDIA_TYPE => {
            let envelope = Envelope::from_json(&ledger.payload(&entry.payload)?)?;
            envelope.unverified_payload().ok_or_else(|| none("readable statement"))
        }
        Part::Statement => Err(none("statement")),
        Part::Signature if media == countersign_evidence::act::MEDIA_TYPE => {
            let act = SignedAct::from_slice(&ledger.payload(&entry.payload)?)?;
            Ok(act.signature().as_bytes().to_vec())
        }
        Part::Signature => Err(none("SSH signature")),
        Part::Attachment(n) => match entry.attachments.get(*n) {
            Some(blob) => Ok(ledger.payload(blob)?),
            None => Err(none(&format!("attachment {n}"))),
        },
    }
}
