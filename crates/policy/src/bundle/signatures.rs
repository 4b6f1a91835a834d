//! OPA's signatures of bundles: `.signatures.json` holds a JWT whose payload lists every file with its hash
//! (<https://www.openpolicyagent.org/docs/management-bundles#signing>).
//!
//! Asymmetric algorithms only. A shared secret proves nothing to anybody else, so HS256 and its like are refused.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256, Sha384, Sha512};

use super::{Bundle, archive, data};
use crate::Error;
use crate::engine::jose;

/// The algorithms that are believed.
const ALGORITHMS: [&str; 9] = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"];

/// A key, by the name that signatures know it by.
#[derive(Clone)]
pub struct Key {
    /// Its id; empty: any.
    pub id: String,
    /// `ES256`, `RS256`, `EdDSA` …
    pub algorithm: String,
    /// PEM or JWK.
    pub text: String,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Key").field("id", &self.id).field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

/// A signature that was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// The id of the key that made it.
    pub key: String,
    /// Its algorithm.
    pub algorithm: String,
    /// Who issued it, by its own word.
    pub issuer: Option<String>,
    /// What it is meant for, by its own word.
    pub scope: Option<String>,
}

#[derive(Deserialize)]
struct Signatures {
    signatures: Vec<String>,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    #[serde(default)]
    kid: String,
}

#[derive(Deserialize)]
struct Payload {
    files: Vec<FileHash>,
    #[serde(default)]
    keyid: String,
    #[serde(default)]
    scope: Option<String>,
    #[serde(default)]
    iss: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct FileHash {
    name: String,
    hash: String,
    algorithm: String,
}

/// Verifies that one of `keys` signed exactly these files.
///
/// # Errors
/// [`Error::BundleSignature`] when there is no signature, its key is not known, its algorithm is not believed, it does
/// not verify, or any file is missing, added or changed.
pub fn verify(files: &BTreeMap<String, Vec<u8>>, signatures: Option<&str>, keys: &[Key]) -> Result<Signed, Error> {
    let wrong = |what: String| Error::BundleSignature(what);
    let text = signatures.ok_or_else(|| wrong("it is not signed".to_owned()))?;
    let listed: Signatures =
        serde_json::from_str(text).map_err(|_| wrong(format!("`{}` is malformed", archive::SIGNATURES)))?;
    let [token] = &listed.signatures[..] else {
        return Err(wrong(format!("it carries {} signatures, and one is expected", listed.signatures.len())));
    };
    let parts: Vec<&str> = token.split('.').collect();
    let [header, payload, signature] = parts[..] else { return Err(wrong("its signature is no JWT".to_owned())) };
    let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| wrong("its signature is no JWT".to_owned()));
    let malformed = |_| wrong("its signature has no list of files".to_owned());
    let head: Header = serde_json::from_slice(&decode(header)?).map_err(malformed)?;
    let said: Payload = serde_json::from_slice(&decode(payload)?).map_err(malformed)?;
    if !ALGORITHMS.contains(&head.alg.as_str()) {
        return Err(wrong(format!("its algorithm is `{}`; believed are {}", head.alg, ALGORITHMS.join(", "))));
    }
    let id = if head.kid.is_empty() { &said.keyid } else { &head.kid };
    let named = |key: &&Key| key.algorithm == head.alg && (id.is_empty() || key.id.is_empty() || key.id == *id);
    let key = keys.iter().find(named).ok_or_else(|| wrong(format!("its key `{id}` ({}) is not known", head.alg)))?;
    let message = format!("{header}.{payload}");
    let valid = jose::verify(&head.alg, &key.text, message.as_bytes(), &decode(signature)?).map_err(wrong)?;
    if !valid {
        return Err(wrong("its signature does not verify".to_owned()));
    }
    compare(files, &said.files)?;
    Ok(Signed { key: key.id.clone(), algorithm: head.alg, issuer: said.iss, scope: said.scope })
}

/// Whether the files are those of the list.
fn compare(files: &BTreeMap<String, Vec<u8>>, listed: &[FileHash]) -> Result<(), Error> {
    let wrong = |what: String| Error::BundleSignature(what);
    let plain = |name: &str| name.trim_start_matches('/').to_owned();
    let names: BTreeSet<String> = listed.iter().map(|f| plain(&f.name)).collect();
    if let Some(more) = files.keys().find(|path| !names.contains(*path)) {
        return Err(wrong(format!("`{}` is in the bundle and not in its signature", more.escape_default())));
    }
    for file in listed {
        let name = plain(&file.name);
        let contents = files
            .get(&name)
            .ok_or_else(|| wrong(format!("`{}` is signed and not in the bundle", name.escape_default())))?;
        if hash(&name, contents, &file.algorithm)? != file.hash.to_ascii_lowercase() {
            return Err(wrong(format!("`{}` is not what was signed", name.escape_default())));
        }
    }
    Ok(())
}

/// The hash of a file: of its bytes, or of a document's canonical text, so that white space does not count.
fn hash(path: &str, contents: &[u8], algorithm: &str) -> Result<String, Error> {
    let name = path.rsplit('/').next().unwrap_or(path);
    let structured = data::is_document(name) || path == data::MANIFEST;
    let bytes = if structured {
        let text =
            std::str::from_utf8(contents).map_err(|_| Error::BundleSignature(format!("`{path}` is not UTF-8")))?;
        // Keys sorted, no white space, and the two line ends of Unicode escaped: what Go's encoder writes.
        data::parse(path, text)?.to_string().replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029").into_bytes()
    } else {
        contents.to_vec()
    };
    match algorithm {
        "SHA-256" => Ok(hex(&Sha256::digest(&bytes))),
        "SHA-384" => Ok(hex(&Sha384::digest(&bytes))),
        "SHA-512" => Ok(hex(&Sha512::digest(&bytes))),
        other => Err(Error::BundleSignature(format!("the hash `{}` is not known", other.escape_default()))),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// The text of `.signatures.json` for a bundle, signed with a private key (PEM or JWK).
///
/// # Errors
/// [`Error::BundleSignature`] when the algorithm is not one of ours, or the key cannot sign by it.
pub fn sign(bundle: &Bundle, key: &Key, issuer: Option<&str>) -> Result<String, Error> {
    if !ALGORITHMS.contains(&key.algorithm.as_str()) {
        let what = format!("`{}` is not known; known are {}", key.algorithm, ALGORITHMS.join(", "));
        return Err(Error::BundleSignature(what));
    }
    let files = bundle.files().iter().map(|(path, text)| {
        let hash = hash(path, text.as_bytes(), "SHA-256")?;
        Ok(FileHash { name: path.clone(), hash, algorithm: "SHA-256".to_owned() })
    });
    let files = files.collect::<Result<Vec<_>, Error>>()?;
    let mut payload = json!({"files": files});
    if let Some(issuer) = issuer {
        payload["iss"] = Value::from(issuer);
    }
    let mut header = json!({"alg": key.algorithm, "typ": "JWT"});
    if !key.id.is_empty() {
        header["kid"] = Value::from(key.id.as_str());
    }
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", part(&header), part(&payload));
    let signature = jose::sign(&key.algorithm, &key.text, message.as_bytes()).map_err(Error::BundleSignature)?;
    Ok(json!({"signatures": [format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))]}).to_string())
}
