//! `verify`: the whole ledger, offline. Exit 0 means a positive cryptographic result, and nothing else does.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use countersign_evidence::note::{self, VerifierKey};
use countersign_evidence::payload_key::PayloadKey;
use countersign_evidence::trust_policy::TrustPolicy;
use countersign_govern::audit::pack::check;
use countersign_govern::audit::verify::{Anchor, Since, Verified, verify_kept, verify_published};
use countersign_model::Exit;
use countersign_store::installation::Pin;
use countersign_store::postgres::{Address, Postgres};
use countersign_store::s3::Location;
use countersign_store::subjects::SharedVault;
use countersign_store::{Ledger, PublishedLog, Source, session};

use super::args::{Format, PlaceArgs, VerifyArgs};
use super::catalogue;
use super::stamp_args::authorities;
use crate::config::Environment;
use crate::errors::{CliError, Failure, Outcome};
use crate::output::{self, Paint, audit, verify as page};

/// Verifies a ledger.
pub(crate) fn run(at: &PlaceArgs, args: &VerifyArgs, env: &Environment) -> Outcome {
    let location = args.path.as_deref().and_then(Path::to_str).filter(|path| Location::is_one(path));
    if let Some(location) = location {
        return bucket(location, args, env);
    }
    if let (None, Some(address)) = (&args.path, at.database(env)?) {
        return database(address, args, env);
    }
    if let Some(url) = args.path.as_deref().and_then(Path::to_str).filter(|path| PublishedLog::is_one(path)) {
        return published(url, args, env);
    }
    if let Some(file) = args.path.as_deref().filter(|path| path.is_file()) {
        return pack(at, file, args, env);
    }
    if args.re_evaluate || args.timestamp_ca.is_some() {
        return Err(CliError::NotAPack.into());
    }
    let dir = ledger_dir(at, args.path.as_deref())?;
    let ((anchor, policy), by) = match &args.trust {
        Some(file) => (trust_file(file, &dir)?, format!("trusted by {}", file.display())),
        None => with_policy(pinned(&dir, env)?, env)?,
    };
    let verified = verify_kept(unlocked(&dir, env)?, &anchor, policy.as_ref(), &since(args)?)?;
    conclude(&verified, &anchor, &by, args, env)
}

/// Verifies an evidence pack. What this machine remembers of the ledger stays as it is: a pack is behind it.
fn pack(at: &PlaceArgs, file: &Path, args: &VerifyArgs, env: &Environment) -> Outcome {
    let opened = check::open(file)?;
    let ((anchor, policy), by) = match &args.trust {
        // Nothing on this machine lies inside a pack.
        Some(trust) => (trust_file(trust, Path::new(""))?, format!("trusted by {}", trust.display())),
        None => with_policy(pinned_as(Some(opened.manifest.origin.clone()), env)?, env)?,
    };
    let key = payload_key(opened.source(), env)?;
    let catalogue = if args.re_evaluate { Some(catalogue::load(at)?) } else { None };
    let authorities = args.timestamp_ca.as_deref().map(authorities).transpose()?;
    let since = since(args)?;
    let checked =
        check::check(&opened, &anchor, policy.as_ref(), &since, key, authorities.as_ref(), catalogue.as_ref())?;
    match args.format {
        Format::Json => output::json(&audit::checked_json(&checked))?,
        Format::Text => {
            let paint = Paint::of(env);
            output::print(&audit::checked(&checked, &paint))?;
            output::print(&page::text(&checked.verified, &by, &paint))?;
        }
    }
    let is_whole = checked.repeated.as_ref().is_none_or(|r| r.not_derived.is_empty());
    Ok(match (checked.verified.holds(), is_whole) {
        (true, true) => Exit::Pass,
        (true, false) => Exit::Incomplete,
        (false, _) => failed(&checked.verified),
    })
}

/// Verifies the ledger in a database, the tables that follow from it included.
fn database(address: Address, args: &VerifyArgs, env: &Environment) -> Outcome {
    let kept = kept(address, env)?;
    let ((anchor, policy), by) = match &args.trust {
        // Nothing on this machine lies inside a database.
        Some(file) => (trust_file(file, Path::new(""))?, format!("trusted by {}", file.display())),
        None => with_policy(pinned_as(Some(kept.origin().to_owned()), env)?, env)?,
    };
    let verified = verify_kept(vault_of(&kept, env)?, &anchor, policy.as_ref(), &since(args)?)?;
    conclude(&verified, &anchor, &by, args, env)
}

fn kept(address: Address, env: &Environment) -> Result<Arc<Postgres>, Failure> {
    let options = countersign_store::postgres::Options::default();
    let kept = Arc::new(session::engine(address, options, &env.installation()?)?);
    if !kept.reads_subject_keys() {
        output::note("the database role may not read the keys of people: what they seal is taken as it is");
    }
    Ok(kept)
}

fn vault_of(kept: &Arc<Postgres>, env: &Environment) -> Result<SharedVault, Failure> {
    let payload_key = env.installation()?.payload_key(kept.origin())?;
    Ok(SharedVault { source: kept.clone(), keys: kept.clone(), payload_key })
}

/// The ledger that a command works on, verified by what this machine knows of it. Nothing is printed and nothing remembered.
pub(super) fn here(at: &PlaceArgs, env: &Environment) -> Result<Verified, Failure> {
    if let Some(address) = at.database(env)? {
        let kept = kept(address, env)?;
        let ((anchor, policy), _) = with_policy(pinned_as(Some(kept.origin().to_owned()), env)?, env)?;
        return Ok(verify_kept(vault_of(&kept, env)?, &anchor, policy.as_ref(), &[])?);
    }
    let dir = at.ledger_dir()?;
    let ((anchor, policy), _) = with_policy(pinned(&dir, env)?, env)?;
    Ok(verify_kept(unlocked(&dir, env)?, &anchor, policy.as_ref(), &[])?)
}

/// Says what was found; what holds by this machine's pin is remembered.
fn conclude(verified: &Verified, anchor: &Anchor, by: &str, args: &VerifyArgs, env: &Environment) -> Outcome {
    say(verified, by, args, env)?;
    if !verified.holds() {
        return Ok(failed(verified));
    }
    if matches!(anchor, Anchor::Pin(_)) && args.trust.is_none() {
        let root = countersign_model::Digest::from_bytes(verified.report.root);
        env.installation()?.remember(&verified.report.origin, verified.report.size, root)?;
    }
    Ok(Exit::Pass)
}

/// How a verification ends that does not hold: what cannot be read here is not wrong, and not verified either.
pub(super) fn failed(verified: &Verified) -> Exit {
    if verified.is_sealed() { Exit::Incomplete } else { Exit::Unverified }
}

/// The ledger in a directory, with the payload key that this machine holds for it.
pub(super) fn unlocked(dir: &Path, env: &Environment) -> Result<SharedVault, Failure> {
    let vault = SharedVault::of_directory(dir);
    let key = payload_key(vault.source.as_ref(), env)?;
    Ok(vault.with_payload_key(key))
}

/// The payload key that this machine holds for the ledger, by what that calls itself. A key of another one opens nothing.
fn payload_key(source: &dyn Source, env: &Environment) -> Result<Option<PayloadKey>, Failure> {
    // Without a data directory there are no keys. A name that cannot be read is for the examination to say.
    let (Ok(Some(origin)), Some(_)) = (source.read("ledger/origin", 1024), &env.data_dir) else { return Ok(None) };
    Ok(env.installation()?.payload_key(String::from_utf8_lossy(&origin).trim_end())?)
}

fn say(verified: &Verified, by: &str, args: &VerifyArgs, env: &Environment) -> Result<(), Failure> {
    match args.format {
        Format::Json => output::json(&page::to_json(verified)),
        Format::Text => output::print(&page::text(verified, by, &Paint::of(env))),
    }
}

/// Verifies a log that a web server publishes. There are no payloads to look at; who asks for them is told so by the exit
/// code, and everybody by the text.
fn published(url: &str, args: &VerifyArgs, env: &Environment) -> Outcome {
    let log = PublishedLog::new(url)?;
    let ((anchor, policy), by) = match &args.trust {
        Some(file) => (trust_file(file, Path::new(""))?, format!("trusted by {}", file.display())),
        None => {
            let signed = log.read("ledger/checkpoint", note::MAX_BYTES as u64)?;
            // Whose log it says it is: a pin of that name is what it is held against.
            let origin = signed.and_then(|s| note::Note::parse(&s).ok()?.text.lines().next().map(str::to_owned));
            with_policy(pinned_as(origin, env)?, env)?
        }
    };
    // What is published has no payloads that a key could open.
    let verified = verify_published(std::sync::Arc::new(log), None, &anchor, policy.as_ref(), &since(args)?)?;
    say(&verified, &by, args, env)?;
    Ok(match verified.holds() {
        false => failed(&verified),
        true if args.payloads => Exit::Incomplete,
        true => Exit::Pass,
    })
}

/// The checkpoints that were brought along.
fn since(args: &VerifyArgs) -> Result<Vec<Since>, Failure> {
    let read = |file: &PathBuf| match std::fs::read(file) {
        Ok(bytes) => Ok(Since { from: file.display().to_string(), bytes }),
        Err(source) => Err(CliError::Read { path: file.clone(), source }.into()),
    };
    args.since.iter().map(read).collect()
}

/// Verifies the copy in a bucket. What this machine remembers of the ledger stays as it is: a copy may be behind.
#[cfg(feature = "s3")]
fn bucket(location: &str, args: &VerifyArgs, env: &Environment) -> Outcome {
    let bucket = super::storage::open(location, env)?;
    let ((anchor, policy), by) = match &args.trust {
        // Nothing on this machine lies inside a bucket.
        Some(file) => (trust_file(file, Path::new(""))?, format!("trusted by {}", file.display())),
        None => {
            let origin = countersign_store::Source::read(&bucket, "ledger/origin", 1024)?;
            with_policy(pinned_as(origin.map(|o| String::from_utf8_lossy(&o).trim_end().to_owned()), env)?, env)?
        }
    };
    let payload_key = payload_key(&bucket, env)?;
    let verified = verify_published(Arc::new(bucket), payload_key, &anchor, policy.as_ref(), &since(args)?)?;
    say(&verified, &by, args, env)?;
    Ok(if verified.holds() { Exit::Pass } else { failed(&verified) })
}

#[cfg(not(feature = "s3"))]
fn bucket(location: &str, _: &VerifyArgs, _: &Environment) -> Outcome {
    Err(super::storage::not_built_in(location)?)
}

/// A path names a repository, a ledger's directory, or its tiles.
pub(super) fn ledger_dir(at: &PlaceArgs, path: Option<&Path>) -> Result<PathBuf, Failure> {
    let Some(path) = path else { return at.ledger_dir() };
    if path.join("ledger").is_dir() {
        return Ok(path.to_owned());
    }
    if path.join(".countersign").is_dir() {
        return Ok(path.join(".countersign"));
    }
    let inside = PlaceArgs { repo: Some(path.to_owned()), ledger: None };
    // A path that is no repository either has no ledger: the error says so and names it.
    inside.ledger_dir().or_else(|_| Ok(path.to_owned()))
}

/// What is believed of a ledger: its anchor, and the policy for its witnesses.
pub(super) type Believed = (Anchor, Option<TrustPolicy>);

/// The trust policy that this machine keeps beside the pin, where there is one.
fn with_policy((anchor, by): (Anchor, String), env: &Environment) -> Result<(Believed, String), Failure> {
    let policy = match &anchor {
        Anchor::Pin(pin) => env.installation()?.trust_policy(&pin.origin)?,
        _ => None,
    };
    Ok(((anchor, policy), by))
}

/// A trust file (`trust export`), a file with the log's verifier key alone, or a trust policy that names the log.
pub(super) fn trust_file(file: &Path, ledger: &Path) -> Result<Believed, Failure> {
    if let (Ok(file), Ok(ledger)) = (file.canonicalize(), ledger.canonicalize())
        && file.starts_with(ledger)
    {
        return Err(CliError::TrustInside { path: file }.into());
    }
    let text = CliError::text_of(file)?;
    if text.trim_start().starts_with('{') {
        return Ok((Anchor::Pin(Pin::load(file)?), None));
    }
    if text.lines().any(|line| line.trim_start().starts_with("quorum")) {
        let policy = TrustPolicy::parse(text.as_bytes())?;
        let keys = policy.logs().iter().map(|log| log.key.clone()).collect();
        return Ok((Anchor::Keys(keys), Some(policy)));
    }
    Ok((Anchor::Keys(vec![VerifierKey::parse(text.trim())?]), None))
}

/// This machine's pin. A pin is looked up by the origin that the ledger states; one for another key fails it.
pub(super) fn pinned(dir: &Path, env: &Environment) -> Result<(Anchor, String), Failure> {
    let origin = match Ledger::open(dir) {
        Ok(ledger) => Some(ledger.origin().to_owned()),
        Err(e) if e.is_not_found() => return Err(e.into()),
        // Too damaged to open: verification names what is wrong, and the pin is found by what the file says.
        Err(_) => std::fs::read_to_string(dir.join("ledger/origin")).ok().map(|o| o.trim_end().to_owned()),
    };
    pinned_as(origin, env)
}

/// This machine's pin of a log that calls itself so.
fn pinned_as(origin: Option<String>, env: &Environment) -> Result<(Anchor, String), Failure> {
    let installation = env.installation()?;
    let pin = match &origin {
        Some(origin) => installation.pin(origin)?,
        None => None,
    };
    Ok(match pin {
        Some(pin) => (Anchor::Pin(pin), "pinned on this machine".into()),
        None => (Anchor::None, "not pinned on this machine".into()),
    })
}
