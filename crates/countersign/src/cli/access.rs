//! `person`, `claim`: acts about who is who.

use std::fmt::Write as _;
use std::path::Path;

use countersign_evidence::sshsig::PublicKey;
use countersign_govern::access::people;
use countersign_model::{Exit, Timestamp};
use countersign_stages::release::claim as claims;
use countersign_stages::release::pen::Pen;
use countersign_store::projection::KeyRow;
use serde_json::json;

use super::args::{Format, PersonArgs, PersonFormat, PersonVerb, PlaceArgs};
use super::commit_args::ClaimArgs;
use super::place::notices;
use super::remote_commits;
use crate::config::Environment;
use crate::errors::{CliError, Failure, Outcome};
use crate::output::{self, printable};

/// Reads a public key file.
pub(super) fn public_key(path: &Path) -> Result<PublicKey, Failure> {
    Ok(PublicKey::parse(&read_line(path)?)?)
}

/// Reads the one line of a public key file.
pub(super) fn read_line(path: &Path) -> Result<String, Failure> {
    let text = CliError::text_of(path)?;
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#')).collect();
    match lines.as_slice() {
        [one] => Ok((*one).to_owned()),
        _ => Err(CliError::Usage {
            what: format!("`{}` holds {} public keys; one is needed", path.display(), lines.len()),
            help: "name a file with one line, as ssh-keygen writes it: FILE.pub".into(),
        }
        .into()),
    }
}

/// `person add`, `person list`.
pub(crate) fn person(at: &PlaceArgs, args: &PersonArgs, env: &Environment) -> Outcome {
    match &args.verb {
        PersonVerb::Add { name, ssh_key, key, server, format } => {
            let public = public_key(ssh_key)?;
            if let Some(client) = server.client(env)? {
                super::remote_people::enrol(&client, name, &public, (key, *format), env)?;
                return Ok(Exit::Pass);
            }
            let mut session = at.open(env)?;
            let signer = key.administrator(&session, env)?;
            let (person, index) = people::add(&mut session, name, &public, &signer)?;
            notices(&mut session);
            said_enrolled(person.as_str(), name.trim(), &public, index, *format)?;
        }
        PersonVerb::Key(args) => return super::person_key::run(at, args, env),
        PersonVerb::Ca(args) => return super::person_ca::run(at, args, env),
        PersonVerb::Account(args) => return super::person_account::run(at, args, env),
        PersonVerb::Krl(args) => return super::person_krl::run(at, args, env),
        PersonVerb::Leave(args) => super::role::presence(at, args, true, env)?,
        PersonVerb::Return(args) => super::role::presence(at, args, false, env)?,
        PersonVerb::List { server, format } => match server.client(env)? {
            Some(client) => super::remote_people::list(&client, *format)?,
            None => list(at, *format, env)?,
        },
    }
    Ok(Exit::Pass)
}

/// What is printed of somebody who is enrolled.
pub(super) fn said_enrolled(
    person: &str,
    name: &str,
    key: &PublicKey,
    index: u64,
    format: Format,
) -> Result<(), Failure> {
    let print = key.fingerprint();
    match format {
        Format::Json => {
            output::json(&json!({"version": 1, "person": person, "name": name, "key": print, "index": index}))
        }
        Format::Text => output::print(&format!(
            "✓ {} is enrolled as {person} with the key {print} (entry {index})\nNext: countersign role grant {name:?} ROLE --reason TEXT\n",
            printable(name)
        )),
    }
}

fn list(at: &PlaceArgs, format: PersonFormat, env: &Environment) -> Result<(), Failure> {
    let session = at.open(env)?;
    let people = session.state().people()?;
    match format {
        PersonFormat::Json => output::json(&json!({
            "version": 1,
            "people": people.iter().map(|p| json!({
                "person": p.id, "name": p.name, "roles": p.roles,
                "keys": p.keys.iter().map(PublicKey::fingerprint).collect::<Vec<_>>(), "index": p.index,
            })).collect::<Vec<_>>(),
        })),
        PersonFormat::AllowedSigners => {
            let mut out = String::new();
            for p in people {
                // A principal is a pattern list: the id has none of its special characters, a name might.
                for key in session.state().keys_of(&p.id)? {
                    out.push_str(&allowed_signer(&key));
                }
            }
            output::print(&out)
        }
        PersonFormat::Text => {
            let mut out = String::new();
            for p in people {
                let roles: Vec<&str> = p.roles.iter().map(|r| r.as_str()).collect();
                let roles = if roles.is_empty() { "no role".to_owned() } else { roles.join(", ") };
                let _ = writeln!(out, "{}  {}  {roles}", p.id, printable(p.label()));
                for key in &p.keys {
                    let _ = writeln!(out, "    {} {}", key.algorithm(), key.fingerprint());
                }
            }
            if out.is_empty() {
                out.push_str("nobody is enrolled yet: countersign init\n");
            }
            output::print(&out)
        }
    }
}

/// A line of `ssh-keygen`'s list of allowed signers. With `-O verify-time` it says what counted then.
fn allowed_signer(key: &KeyRow) -> String {
    let Some(public) = &key.public else { return String::new() };
    let mut options = String::from("namespaces=\"countersign-*\"");
    if let Some(after) = key.valid_after {
        let _ = write!(options, ",valid-after=\"{}\"", compact(after));
    }
    // From the compromise on where there was one: what was signed since then is to be looked at.
    let revoked = key.revoked.as_ref().map(|r| r.since.map_or(r.placed, |since| since.min(r.placed)));
    if let Some(before) = [key.valid_before, revoked].into_iter().flatten().min() {
        let _ = write!(options, ",valid-before=\"{}\"", compact(before));
    }
    format!("{} {options} {}\n", key.person, public.to_openssh())
}

/// A moment as `ssh-keygen` takes it, in UTC: `YYYYMMDDHHMMSSZ`.
fn compact(time: Timestamp) -> String {
    let mut digits: String = time.to_string().chars().take(19).filter(char::is_ascii_digit).collect();
    digits.push('Z');
    digits
}

/// `claim`.
pub(crate) fn claim(at: &PlaceArgs, args: &ClaimArgs, env: &Environment) -> Outcome {
    let repository = at.repository()?;
    let identity = repository.identity()?.ok_or(countersign_stages::Error::Unidentified)?;
    let commits = claims::commits_of(&repository, &args.commits)?;
    if let Some(client) = args.server.client(env)? {
        return remote_commits::claim(&client, &identity, &commits, &args.key, args.format, env);
    }
    let mut session = at.open(env)?;
    let pen = args.key.signer(env)?;
    let claimed = claims::claim(&mut session, &identity, commits, Pen::Key(&pen))?;
    notices(&mut session);
    let index = claimed.written.done_if_new()?;
    is_claimed(claimed.person.as_str(), &claimed.commits, index, args.format)?;
    Ok(Exit::Pass)
}

/// Says what is claimed by a person since this entry; none: it was before.
pub(super) fn is_claimed(person: &str, commits: &[String], index: Option<u64>, format: Format) -> Result<(), Failure> {
    if format == Format::Json {
        return output::json(&json!({"version": 1, "person": person, "commits": commits, "index": index}));
    }
    let n = output::count(commits.len() as u64, "commit", "commits");
    output::print(&match index {
        Some(index) => format!("✓ {n} claimed by {person} (entry {index}); they exclude this person from approving\n"),
        None => "✓ all of them were claimed by this person before\n".into(),
    })
}
