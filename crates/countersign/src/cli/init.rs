//! `init`: the root of trust, the pin, and a commented `countersign.toml`.

use std::io::Write as _;
use std::path::Path;

use countersign_connect::git::Repository;
use countersign_evidence::sshsig::PublicKey;
use countersign_govern::access::root::establish;
use countersign_model::{Exit, digest};
use serde_json::json;

use super::args::{Format, InitArgs, PlaceArgs};
use super::place::{notices, signer};
use crate::config::{Config, Environment, FILE};
use crate::errors::{CliError, Failure, Outcome};
use crate::output::{self, Paint};

/// Establishes the root of trust.
pub(crate) fn run(at: &PlaceArgs, args: &InitArgs, env: &Environment) -> Outcome {
    let repository = at.repository()?;
    let config = Config::load(repository.root())?;
    let key = match (&args.key.key, &args.ssh_key) {
        (Some(key), _) => key.clone(),
        (None, Some(public)) => public.clone(),
        (None, None) => env.key_file(None)?,
    };
    let signer = signer(&key, env)?;
    if let Some(public) = &args.ssh_key {
        let text = CliError::text_of(public)?;
        if PublicKey::parse(text.trim())?.fingerprint() != signer.public_key().fingerprint() {
            return Err(CliError::KeyMismatch { key, public: public.clone() }.into());
        }
    }
    let name = args.name.clone().or_else(|| comment(args.ssh_key.as_deref().unwrap_or(&key)));
    let name = name.unwrap_or_else(|| "administrator".into());
    let ledger = at.place(env)?;
    let fingerprint = signer.public_key().fingerprint();
    if !args.yes {
        ask(
            env,
            &format!(
                "This makes {} with the key {fingerprint} the first administrator of the ledger in {},\n\
             activates the policy bundle shipped with this binary, pins the log key in {},\n\
             and writes {FILE} where there is none. Go on? [y/N] ",
                output::printable(&name),
                ledger,
                env.installation()?.dir().display(),
            ),
        )?;
    }
    let mut session = at.open_or_create(env, config.salt(), args.encrypt_payloads)?;
    let known = session.state().trust().map(|root| (root.index, root.administrator.clone()));
    let (administrator, bundle, index, done) = match known {
        // A second `init` by the same administrator finds everything in place.
        Some((index, administrator))
            if session.state().holder(&signer.public_key().fingerprint())?.as_ref() == Some(&administrator) =>
        {
            let bundle = session.state().bundle().map(|b| b.digest);
            (administrator, bundle, index, false)
        }
        _ => {
            let e = establish(&mut session, &name, &signer)?;
            (e.administrator, Some(e.bundle), e.index, true)
        }
    };
    notices(&mut session);
    session.installation().remember_signer(session.ledger().origin(), &key)?;
    let written = write_config(&repository, &digest::to_hex(&session.ledger().salt()?))?;
    match args.format {
        Format::Json => output::json(&json!({
            "version": 1, "administrator": {"person": administrator, "name": name, "key": fingerprint},
            "origin": session.ledger().origin(), "vkey": session.ledger().vkey().to_string(), "index": index,
            "bundle": bundle, "established": done, "config_written": written,
            "payload_key": session.ledger().payload_key().map(|key| key.id()),
        }))?,
        Format::Text => {
            let p = Paint::of(env);
            let mut out = String::new();
            let verb = if done { "established" } else { "was established before" };
            out.push_str(&format!("{}✓{} root of trust {verb}, entry {index}\n", p.good, p.reset));
            out.push_str(&format!("  administrator  {} ({administrator})\n", output::printable(&name)));
            out.push_str(&format!("  key            {fingerprint}\n"));
            out.push_str(&format!("  log            {}\n", session.ledger().vkey()));
            if let Some(key) = session.ledger().payload_key() {
                out.push_str(&format!(
                    "  payload key    {} (back it up: countersign key export-payload-key FILE)\n",
                    key.id()
                ));
            }
            if let Some(bundle) = bundle {
                out.push_str(&format!("  policy         {bundle}\n"));
            }
            if written {
                out.push_str(&format!("  wrote          {FILE} (commit it)\n"));
            }
            out.push_str(&format!(
                "Next: {}countersign person add NAME --ssh-key FILE.pub{}, then \
                 {}countersign role grant NAME engineer --reason TEXT{}\n",
                p.hint, p.reset, p.hint, p.reset
            ));
            output::print(&out)?;
        }
    }
    Ok(Exit::Pass)
}

/// The comment of a public key, or of the one beside a private key: what its holder called it.
fn comment(key: &Path) -> Option<String> {
    let public = if key.extension().is_some_and(|e| e == "pub") {
        key.to_owned()
    } else {
        let mut name = key.as_os_str().to_owned();
        name.push(".pub");
        name.into()
    };
    let line = std::fs::read_to_string(public).ok()?;
    let comment = line.trim().splitn(3, ' ').nth(2)?.trim().to_owned();
    let fit = !comment.is_empty() && comment.len() <= 200 && !comment.chars().any(char::is_control);
    fit.then_some(comment)
}

fn ask(env: &Environment, question: &str) -> Result<(), Failure> {
    if !env.attended {
        return Err(CliError::Unattended.into());
    }
    let mut err = std::io::stderr().lock();
    err.write_all(question.as_bytes()).and_then(|()| err.flush()).map_err(|source| CliError::Output { source })?;
    let mut answer = String::new();
    std::io::stdin()
        .read_line(&mut answer)
        .map_err(|source| CliError::Read { path: "standard input".into(), source })?;
    if matches!(answer.trim(), "y" | "Y" | "yes") { Ok(()) } else { Err(CliError::Declined.into()) }
}

/// Writes the commented configuration where there is none; `false` when there is one, or no working directory.
fn write_config(repository: &Repository, salt: &str) -> Result<bool, Failure> {
    if repository.is_bare() {
        return Ok(false);
    }
    let path = repository.root().join(FILE);
    match std::fs::OpenOptions::new().write(true).create_new(true).open(&path) {
        Ok(mut file) => {
            file.write_all(example(salt).as_bytes())
                .and_then(|()| file.sync_all())
                .map_err(|source| CliError::Write { path, source })?;
            Ok(true)
        }
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => Ok(false),
        Err(source) => Err(CliError::Write { path, source }.into()),
    }
}

/// The commented configuration.
pub(crate) fn example(salt: &str) -> String {
    format!(
        r#"# Countersign. What stands here only proposes: people, keys, roles, policies and granted suppressions are
# trusted as signed entries of the ledger, never because a file says so. Unknown keys are errors.
version = 1

[release]
# The environment that `countersign run` judges for unless --env says otherwise.
environment = "production"

[scan]
# Keys the fingerprints of findings, so that every clone gives the same ones. Leave it as it is.
salt = "{salt}"

# A baseline: findings that were there before. Every one of them is a request until somebody else grants it.
# Write it with: countersign scan --write-baseline .countersign-baseline.json
# baseline = ".countersign-baseline.json"

# A declared suppression, for test data and examples. It is a request too, and blocks the release until granted.
# [[scan.declare]]
# path = "tests/fixtures/**"
# rule = "secrets/*"
# reason = "made-up values that our own tests look for"
"#
    )
}
