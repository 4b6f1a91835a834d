//! `policy`: what its authors and those who answer for it ask. One file a group of verbs.

use std::path::Path;

use countersign_govern::access::{Pen, policy as activation};
use countersign_model::{Digest, Exit};
use countersign_policy::Bundle;
use countersign_policy::bundle::{self, Archive, Key};
use serde_json::json;

use super::args::{Format, PlaceArgs};
use super::place::notices;
use super::policy_args::{PolicyArgs, PolicyVerb, VerifyKeyArgs};
use super::remote_documents;
use crate::config::Environment;
use crate::errors::{CliError, Failure, Outcome};
use crate::output;

mod author;
mod check;
mod compare;
mod eval;
mod publish;

/// Runs the verb.
pub(crate) fn run(at: &PlaceArgs, args: &PolicyArgs, env: &Environment) -> Outcome {
    match &args.verb {
        PolicyVerb::Show { format } => show(at, *format, env),
        PolicyVerb::Activate { bundle, verify, reason, key, server } => {
            let name =
                bundle.as_ref().map_or_else(|| "the shipped bundle".to_owned(), |path| path.display().to_string());
            let bundle = match bundle {
                Some(path) => signed(path, verify)?,
                None => Bundle::shipped(),
            };
            countersign_policy::RegorusEngine.check(&bundle)?;
            if let Some(client) = server.client(env)? {
                return remote_documents::bundle(&client, &name, &bundle, reason.as_deref(), key, env);
            }
            let mut session = at.open(env)?;
            let pen = key.signer(env)?;
            let written = activation::activate(&mut session, &bundle, reason.as_deref(), Pen::Key(&pen))?;
            notices(&mut session);
            policy_in_effect(&bundle.digest(), written.done_if_new()?)?;
            Ok(Exit::Pass)
        }
        PolicyVerb::New { dir } => author::new(dir),
        PolicyVerb::FmtCheck { dir, format } => author::layout(dir, *format),
        PolicyVerb::Lint { dir, strict, format } => author::lint(at, dir, *strict, *format, env.clock.now()),
        PolicyVerb::Test { dir, filter, coverage, min_coverage, format } => {
            author::test(dir, filter.as_deref(), *coverage, *min_coverage, *format, env.clock.now())
        }
        PolicyVerb::Build { dir, out, revision } => publish::build(dir, out, revision.as_deref()),
        PolicyVerb::Sign { bundle, signing_key, algorithm, key_id, issuer } => match signing_key {
            Some(file) => publish::sign(bundle, file, algorithm, key_id, issuer.as_deref()),
            None => publish::seal(bundle, env),
        },
        PolicyVerb::Verify { bundle, verify, recorder } => publish::verify(bundle, verify, recorder.as_deref()),
        PolicyVerb::Push { bundle, to } => publish::push(bundle, to, env),
        PolicyVerb::Diff { old, new, format } => compare::diff(at, old, new, *format, env),
        PolicyVerb::History { format } => compare::history(at, *format, env),
        PolicyVerb::DecisionLog { since } => compare::decision_log(at, since.as_deref(), env),
        PolicyVerb::Eval { query, policy, input, strict } => {
            eval::run(query, policy, input.as_deref(), *strict, env.clock.now())
        }
        PolicyVerb::Check { files, policy, convention, namespace, parameters, format } => {
            check::run(files, policy, *convention, namespace, parameters.as_deref(), *format, env.clock.now())
        }
        PolicyVerb::Impact { bundle, since, format } => compare::impact(at, bundle, since.as_deref(), *format, env),
    }
}

/// Says that a bundle is in effect: since this entry, or already.
pub(super) fn policy_in_effect(bundle: &Digest, index: Option<u64>) -> Result<(), Failure> {
    output::print(&match index {
        Some(index) => {
            format!("✓ {bundle} is in effect from here on (entry {index}); decisions made before it no longer count\n")
        }
        None => format!("✓ {bundle} is in effect already\n"),
    })
}

fn show(at: &PlaceArgs, format: Format, env: &Environment) -> Outcome {
    let session = at.open(env)?;
    let shipped = Bundle::shipped().digest();
    let active = session.state().bundle();
    match format {
        Format::Json => output::json(&json!({
            "version": 1, "shipped": shipped,
            "active": active.map(|b| json!({"bundle": b.digest, "by": b.by, "index": b.index})),
        }))?,
        Format::Text => {
            let mut out = match active {
                Some(b) => format!("in effect  {} (entry {}, by {})\n", b.digest, b.index, b.by),
                None => "in effect  the shipped one; nobody activated a bundle: countersign init\n".into(),
            };
            out.push_str(&format!("shipped    {shipped}\n"));
            if active.is_some_and(|b| b.digest != shipped) {
                out.push_str("Next: an officer puts the shipped one in effect: countersign policy activate\n");
            }
            output::print(&out)?;
        }
    }
    Ok(Exit::Pass)
}

/// Reads a file.
fn bytes(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|source| CliError::Read { path: path.to_owned(), source }.into())
}

/// Reads a file of text.
fn text(path: &Path) -> Result<String, Failure> {
    Ok(CliError::text_of(path)?)
}

/// Writes a file, whole or not at all.
fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let failed = |source| CliError::Write { path: path.to_owned(), source };
    let mut beside = path.as_os_str().to_owned();
    beside.push(".part");
    let beside = std::path::PathBuf::from(beside);
    std::fs::write(&beside, bytes).map_err(failed)?;
    Ok(std::fs::rename(&beside, path).map_err(failed)?)
}

/// Reads an OPA bundle.
fn archive(path: &Path) -> Result<Archive, Failure> {
    Ok(bundle::read_archive(&bytes(path)?)?)
}

/// A directory or an OPA bundle.
fn load(path: &Path) -> Result<Bundle, Failure> {
    if path.is_dir() { Ok(Bundle::load(path)?) } else { Ok(archive(path)?.bundle) }
}

/// A directory or an OPA bundle, whose signature is verified where a key is named.
fn signed(path: &Path, verify: &VerifyKeyArgs) -> Result<Bundle, Failure> {
    let Some(key) = key(verify)? else { return load(path) };
    let archive = archive(path)?;
    let signed = bundle::verify(&archive.files, archive.signatures.as_deref(), &[key])?;
    scope(&signed, verify)?;
    Ok(archive.bundle)
}

/// The key that signatures are verified with.
fn key(args: &VerifyKeyArgs) -> Result<Option<Key>, Failure> {
    let Some(path) = &args.verification_key else { return Ok(None) };
    let (id, algorithm) = (args.verification_key_id.clone(), args.verification_algorithm.clone());
    Ok(Some(Key { id, algorithm, text: text(path)? }))
}

fn scope(signed: &bundle::Signed, args: &VerifyKeyArgs) -> Result<(), Failure> {
    match &args.scope {
        Some(scope) if signed.scope.as_ref() != Some(scope) => {
            let said = signed.scope.as_deref().unwrap_or("nothing");
            Err(countersign_policy::Error::BundleSignature(format!("it is meant for `{said}`, not for `{scope}`"))
                .into())
        }
        _ => Ok(()),
    }
}
