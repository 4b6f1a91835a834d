//! `policy build`, `sign`, `verify`, `push`: from a directory to where others fetch it.

use std::path::{Path, PathBuf};

use countersign_evidence::dsse::{self, Envelope};
use countersign_evidence::machine::MachinePublicKey;
use countersign_evidence::statement::{self, Statement, Subject};
use countersign_model::{Digest, Exit};
use countersign_policy::Bundle;
use countersign_policy::bundle::{self, Key};
use serde::{Deserialize, Serialize};

use super::{VerifyKeyArgs, archive, bytes, key, scope, text, write};
use crate::config::Environment;
use crate::errors::{CliError, Failure, Outcome};
use crate::output;

/// The type of our statement about a bundle.
const PREDICATE: &str = "https://countersign.dev/policy-bundle/v1";

/// What our statement says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PolicyBundle {
    /// The digest by which decisions and approvals know the bundle.
    bundle: Digest,
    /// The author's name for this version.
    revision: String,
    /// The files in it.
    files: Vec<String>,
}

/// `policy build`.
pub(super) fn build(dir: &Path, out: &Path, revision: Option<&str>) -> Outcome {
    let bundle = Bundle::load(dir)?;
    countersign_policy::RegorusEngine.check(&bundle)?;
    let packed = bundle::write_archive(&bundle, revision, None)?;
    let bundle = bundle::read_archive(&packed)?.bundle;
    write(out, &packed)?;
    output::print(&format!(
        "✓ {}  {}, {}\n  policy version {}\nNext: countersign policy sign {}\n",
        out.display(),
        output::count(bundle.files().len() as u64, "file", "files"),
        output::bytes(packed.len() as u64),
        bundle.digest(),
        out.display()
    ))?;
    Ok(Exit::Pass)
}

/// `policy sign` with a key: inside the bundle, as OPA has it.
pub(super) fn sign(file: &Path, signing_key: &Path, algorithm: &str, id: &str, issuer: Option<&str>) -> Outcome {
    let read = archive(file)?;
    let key = Key { id: id.to_owned(), algorithm: algorithm.to_owned(), text: text(signing_key)? };
    let signatures = bundle::sign(&read.bundle, &key, issuer)?;
    write(file, &bundle::write_archive(&read.bundle, None, Some(&signatures))?)?;
    output::print(&format!(
        "✓ {}  signed by {algorithm}{}\nNext: countersign policy push {} --to PLACE\n",
        file.display(),
        if id.is_empty() { String::new() } else { format!(", key {id}") },
        file.display()
    ))?;
    Ok(Exit::Pass)
}

/// Where the envelope of a bundle is.
fn envelope(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".dsse.json");
    PathBuf::from(name)
}

/// `policy sign` without a key: an envelope beside the bundle.
pub(super) fn seal(file: &Path, env: &Environment) -> Outcome {
    let packed = bytes(file)?;
    let bundle = bundle::read_archive(&packed)?.bundle;
    let said = PolicyBundle {
        bundle: bundle.digest(),
        revision: bundle.manifest()?.revision,
        files: bundle.files().keys().cloned().collect(),
    };
    let name = file.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
    let statement = Statement::new(vec![Subject::sha256(name, &Digest::of(&packed))], PREDICATE, said);
    let recorder = env.installation()?.recorder()?;
    let sealed = dsse::sign(statement::PAYLOAD_TYPE, &statement.to_vec()?, &recorder)?;
    let out = envelope(file);
    let text = serde_json::to_vec(&sealed).map_err(|e| CliError::Output { source: e.into() })?;
    write(&out, &text)?;
    output::print(&format!(
        "✓ {}  signed by this installation's recorder\nNext: countersign policy verify {} --recorder {}\n",
        out.display(),
        file.display(),
        recorder.public()
    ))?;
    Ok(Exit::Pass)
}

/// `policy verify`.
pub(super) fn verify(file: &Path, args: &VerifyKeyArgs, recorder: Option<&str>) -> Outcome {
    let packed = bytes(file)?;
    let read = bundle::read_archive(&packed)?;
    let mut out = String::new();
    if let Some(key) = key(args)? {
        let signed = bundle::verify(&read.files, read.signatures.as_deref(), &[key])?;
        scope(&signed, args)?;
        out.push_str(&format!(
            "✓ signed by {}{}\n",
            signed.algorithm,
            signed.issuer.map_or_else(String::new, |i| format!(", issued by {}", output::printable(&i)))
        ));
    }
    if let Some(key) = recorder {
        let public: MachinePublicKey = key.parse()?;
        sealed(file, &packed, &read.bundle, &public)?;
        out.push_str(&format!("✓ {} is of recorder {public}\n", envelope(file).display()));
    }
    if out.is_empty() {
        return Err(CliError::Usage {
            what: "nothing was named to verify by".into(),
            help: "name a key: --verification-key FILE for OPA's signature, --recorder ed25519:… for the envelope"
                .into(),
        }
        .into());
    }
    out.push_str(&format!("  policy version {}\n", read.bundle.digest()));
    output::print(&out)?;
    Ok(Exit::Pass)
}

/// Whether the envelope beside a bundle is of this recorder and about these very bytes.
fn sealed(file: &Path, packed: &[u8], bundle: &Bundle, recorder: &MachinePublicKey) -> Result<(), Failure> {
    let path = envelope(file);
    let wrong = |what: &str| countersign_policy::Error::BundleSignature(format!("`{}`: {what}", path.display()));
    let sealed: Envelope = serde_json::from_slice(&bytes(&path)?).map_err(|_| wrong("it is no DSSE envelope"))?;
    let payload = sealed.verify(std::slice::from_ref(recorder))?;
    let statement: Statement<PolicyBundle> = Statement::from_slice(&payload, PREDICATE)?;
    let about = Subject::sha256(statement.subject.first().map_or("", |s| s.name.as_str()), &Digest::of(packed));
    if statement.subject != [about] {
        return Err(wrong("it is about another file than this").into());
    }
    if statement.predicate.bundle != bundle.digest() {
        return Err(wrong("it names another policy version").into());
    }
    Ok(())
}

/// `policy push`.
pub(super) fn push(file: &Path, to: &str, env: &Environment) -> Outcome {
    let packed = bytes(file)?;
    let read = bundle::read_archive(&packed)?;
    if read.signatures.is_none() && !envelope(file).exists() {
        return Err(countersign_policy::Error::BundleSignature(
            "it is not signed, and what is published must be: countersign policy sign".into(),
        )
        .into());
    }
    let name = file.file_name().map_or_else(|| "bundle.tar.gz".into(), |n| n.to_string_lossy().into_owned());
    let mut files = vec![(name.clone(), packed)];
    let beside = envelope(file);
    if beside.exists() {
        files.push((format!("{name}.dsse.json"), bytes(&beside)?));
    }
    // The envelope first: whoever sees the bundle sees what vouches for it.
    for (name, contents) in files.iter().rev() {
        if to.starts_with("http://") || to.starts_with("https://") {
            let url = format!("{}/{name}", to.trim_end_matches('/'));
            countersign_connect::publish::put(&url, contents, env.push_token.as_deref())?;
        } else {
            let dir = Path::new(to);
            std::fs::create_dir_all(dir).map_err(|source| CliError::Write { path: dir.to_owned(), source })?;
            write(&dir.join(name), contents)?;
        }
    }
    output::print(&format!(
        "✓ {}/{name}  policy version {}\n",
        output::printable(to.trim_end_matches('/')),
        read.bundle.digest()
    ))?;
    Ok(Exit::Pass)
}
