//! `person key`: which keys count for a person.

use std::fmt::Write as _;
use std::io::Read as _;
use std::path::Path;

use countersign_connect::gpg;
use countersign_evidence::openpgp::LARGEST_CERTIFICATE;
use countersign_evidence::sshsig::Certificate;
use countersign_govern::access::keys::{self, NewKey, Window};
use countersign_govern::access::passkeys::{self, Party};
use countersign_govern::access::people;
use countersign_govern::access::{Pen, certificates};
use countersign_model::{Exit, PersonId, Timestamp};
use countersign_store::Session;
use countersign_store::handed::Written;
use countersign_store::projection::{KeyRow, Person};
use serde_json::{Value, json};

use super::access::{public_key, read_line};
use super::args::{Format, PlaceArgs};
use super::handed::{read_small, write_new};
use super::person_key_args::{PersonKeyArgs, PersonKeyVerb};
use super::place::notices;
use super::remote_keys;
use crate::config::{Config, Environment};
use crate::errors::{CliError, Failure, Outcome};
use crate::output::{self, printable};

/// `person key`.
pub(crate) fn run(at: &PlaceArgs, args: &PersonKeyArgs, env: &Environment) -> Outcome {
    if let Some(client) = args.verb.server().map(|server| server.client(env)).transpose()?.flatten() {
        return remote_keys::key(&client, &args.verb, env);
    }
    match &args.verb {
        PersonKeyVerb::Add { person, given, request, valid_after, valid_before, reason, key, format, .. } => {
            let public = given.ssh_key.as_deref().map(public_key).transpose()?;
            let mut session = at.open(env)?;
            let certificate = match &given.openpgp {
                Some(path) => Some(certificate(path, session.now())?),
                None => None,
            };
            let passkey = match (&given.passkey, request) {
                (Some(answer), Some(request)) => {
                    let (request, answer) = (read_small(request)?, read_small(answer)?);
                    Some(passkeys::answered(&session, person, &party(at)?, &request, &answer)?)
                }
                _ => None,
            };
            let new = match (&public, &certificate, &passkey) {
                (Some(key), ..) => NewKey::Ssh(key),
                (None, Some(certificate), _) => NewKey::OpenPgp(certificate),
                (None, None, Some(passkey)) => NewKey::Passkey(passkey),
                (None, None, None) => return Err(no_key().into()),
            };
            let signer = key.administrator(&session, env)?;
            let window = Window { after: *valid_after, before: *valid_before };
            let mut added = keys::add(&mut session, person, new, window, reason.as_deref(), Pen::Key(&signer))?;
            let index = std::mem::replace(&mut added.written, Written::Already).done()?;
            notices(&mut session);
            said_added(&added.document(index), &session.state().label(&added.person)?, *format)?;
        }
        PersonKeyVerb::Request { person, out, format } => {
            let session = at.open(env)?;
            let (person, request) = passkeys::request(&session, person, &party(at)?)?;
            write_new(out, &request)?;
            say_requested(&session, &person, &request.origin, out, *format)?;
        }
        PersonKeyVerb::Certify { certificate, key, format, .. } => {
            let certificate = Certificate::parse(&read_line(certificate)?)?;
            let mut session = at.open(env)?;
            let signer = key.signer(env)?;
            let index = certificates::certify(&mut session, &certificate, Pen::Key(&signer))?.done()?;
            notices(&mut session);
            let row = certificates::certified(&session, &certificate)?;
            let said = json!({
                "version": 1, "person": row.person, "key": row.fingerprint,
                "authority": certificate.authority.fingerprint(), "serial": certificate.serial,
                "valid_after": row.valid_after, "valid_before": row.valid_before, "index": index,
            });
            said_certified(&said, &session.state().label(&row.person)?, *format)?;
        }
        PersonKeyVerb::Revoke { person, fingerprint, reason, compromised_since, key, format, .. } => {
            let mut session = at.open(env)?;
            let signer = key.administrator(&session, env)?;
            let (print, written) =
                keys::revoke(&mut session, person, fingerprint, *compromised_since, reason, Pen::Key(&signer))?;
            notices(&mut session);
            let revoked = keys::revoked(&session, &print, *compromised_since, written.done()?)?;
            said_revoked(&revoked.document(), &session.state().label(&revoked.key.person)?, *format)?;
        }
        PersonKeyVerb::List { person, format } => list(&at.open(env)?, person.as_deref(), *format)?,
    }
    Ok(Exit::Pass)
}

/// Reads an exported OpenPGP key.
pub(super) fn certificate(path: &Path, now: Timestamp) -> Result<gpg::Certificate, Failure> {
    let read = |source| CliError::Read { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    let most = u64::try_from(LARGEST_CERTIFICATE).unwrap_or(u64::MAX).saturating_add(1);
    std::fs::File::open(path).map_err(read)?.take(most).read_to_end(&mut bytes).map_err(read)?;
    Ok(gpg::inspect(&bytes, now)?)
}

/// Where passkeys are made and used, as the repository's configuration says.
fn party(at: &PlaceArgs) -> Result<Party, Failure> {
    let config = Config::load(at.repository()?.root())?;
    config.passkeys.map(|p| Party { rp_id: p.rp_id, origin: p.origin }).ok_or_else(|| {
        CliError::Usage {
            what: "it is not said where passkeys are used".into(),
            help: "say it in countersign.toml: [passkeys] origin = \"https://HOST\", rp_id = \"HOST\"".into(),
        }
        .into()
    })
}

/// What is printed of a key that was certified.
pub(super) fn said_certified(said: &Value, label: &str, format: Format) -> Result<(), Failure> {
    match format {
        Format::Json => output::json(said),
        Format::Text => output::print(&format!(
            "✓ the key {} is {}'s{} (entry {}), by certificate {} of {}\n",
            word(said, "key"),
            printable(label),
            said_window(moment(said, "valid_after"), moment(said, "valid_before")),
            number(said, "index"),
            number(said, "serial"),
            word(said, "authority"),
        )),
    }
}

pub(super) fn no_key() -> CliError {
    CliError::Usage {
        what: "no key is named".into(),
        help: "--ssh-key FILE.pub, --openpgp FILE, or --passkey FILE --request FILE".into(),
    }
}

fn say_requested(
    session: &Session,
    person: &PersonId,
    origin: &str,
    out: &Path,
    format: Format,
) -> Result<(), Failure> {
    match format {
        Format::Json => output::json(&json!({
            "version": 1, "person": person, "origin": origin, "out": out.to_string_lossy(),
        })),
        Format::Text => output::print(&format!(
            "✓ a browser in {origin} is asked for a passkey of {} ({})\n\
             Next, there: navigator.credentials.create({{publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(request.publicKey)}})\n\
             Then: countersign person key add {person} --passkey ANSWER --request {}\n",
            printable(&session.state().label(person)?),
            out.display(),
            out.display()
        )),
    }
}

fn word(value: &Value, name: &str) -> String {
    value.get(name).and_then(Value::as_str).map(printable).unwrap_or_default()
}

fn number(value: &Value, name: &str) -> u64 {
    value.get(name).and_then(Value::as_u64).unwrap_or_default()
}

fn moment(value: &Value, name: &str) -> Option<Timestamp> {
    value.get(name).and_then(Value::as_str).and_then(|text| text.parse().ok())
}

/// What is printed of a key that was added.
pub(super) fn said_added(said: &Value, label: &str, format: Format) -> Result<(), Failure> {
    if format == Format::Json {
        return output::json(said);
    }
    let is = |name: &str| said.get(name).and_then(Value::as_bool) == Some(true);
    let mut text = format!(
        "✓ {} has {}, {}{} (entry {})\n",
        printable(label),
        if is("renewed") { "the key anew" } else { "one more key" },
        word(said, "key"),
        said_window(moment(said, "valid_after"), moment(said, "valid_before")),
        number(said, "index")
    );
    if is("alone") {
        text.push_str("There is no other administrator, so nobody else could sign this; the entry says who did.\n");
    }
    output::print(&text)
}

pub(super) fn said_window(after: Option<Timestamp>, before: Option<Timestamp>) -> String {
    let mut text = String::new();
    if let Some(after) = after {
        let _ = write!(text, ", from {after} on");
    }
    if let Some(before) = before {
        let _ = write!(text, ", before {before}");
    }
    text
}

/// What is printed of a key that was revoked.
pub(super) fn said_revoked(said: &Value, label: &str, format: Format) -> Result<(), Failure> {
    if format == Format::Json {
        return output::json(said);
    }
    let (key, index) = (word(said, "key"), number(said, "index"));
    let mut text = format!("✓ the key {key} of {} does not count any more (entry {index})\n", printable(label));
    let suspect = said.get("suspect").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    match moment(said, "compromised_since") {
        None => text.push_str("What it signed before stands.\n"),
        Some(since) if suspect.is_empty() => {
            let _ = writeln!(text, "It signed nothing since {since}.");
        }
        Some(since) => {
            let n = output::count(suspect.len() as u64, "entry", "entries");
            let _ = writeln!(text, "It signed {n} since {since}; approvals among them count no more. Look at each:");
            for act in suspect {
                let (index, placed, kind) = (number(act, "index"), word(act, "appended"), word(act, "kind"));
                let _ = writeln!(text, "  {index:>6}  {placed}  {kind}");
            }
            text.push_str("Next: countersign ledger show INDEX --payload\n");
        }
    }
    output::print(&text)
}

fn list(session: &Session, person: Option<&str>, format: Format) -> Result<(), Failure> {
    let people: Vec<Person> = match person {
        Some(text) => vec![people::find(session.state(), text)?],
        None => session.state().people()?,
    };
    let now = session.place()?;
    let mut rows = Vec::new();
    let mut text = String::new();
    for p in &people {
        let _ = writeln!(text, "{}  {}", p.id, printable(p.label()));
        for key in session.state().keys_of(&p.id)? {
            rows.push(to_json(&key, now));
            let _ = writeln!(
                text,
                "    {:<11} {:<16} {}{}",
                key.state(now).as_str(),
                key.kind.as_str(),
                key.fingerprint,
                said_window(key.valid_after, key.valid_before)
            );
            if let Some(r) = &key.revoked {
                let since = r.since.map(|s| format!(", compromised since {s}")).unwrap_or_default();
                let _ = writeln!(
                    text,
                    "        revoked in entry {}, on {}{since}: {}",
                    r.index,
                    r.placed,
                    printable(&r.reason)
                );
            }
        }
    }
    if text.is_empty() {
        text.push_str("nobody is enrolled yet: countersign init\n");
    }
    match format {
        Format::Json => output::json(&json!({"version": 1, "keys": rows})),
        Format::Text => output::print(&text),
    }
}

fn to_json(key: &KeyRow, now: Timestamp) -> Value {
    json!({
        "person": key.person, "fingerprint": key.fingerprint, "kind": key.kind, "state": key.state(now).as_str(),
        "valid_after": key.valid_after, "valid_before": key.valid_before, "index": key.index,
        "passkey": key.passkey, "revoked": key.revoked.as_ref().map(|r| json!({
            "index": r.index, "appended": r.placed, "compromised_since": r.since, "by": r.by, "reason": r.reason,
        })),
    })
}
