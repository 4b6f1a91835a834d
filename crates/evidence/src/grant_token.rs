//! A grant to deploy as tools carry it: a JSON Web Token, signed with the recorder's Ed25519 key (RFC 7519, 7515, 8037).
//!
//! Any JWT library checks it with the key of [`jwks`]. What is read here is narrower than what the standards allow: one
//! algorithm, one type, three members of the header, canonical JSON, no padding. So a token has one form, and nothing that it
//! says of itself chooses how it is checked (RFC 8725 §3.1, §3.11).

use countersign_model::access::GrantClaims;
use countersign_model::{Diagnostic, Digest, Exit, Explanation};
use serde::Serialize;
use serde_json::{Value, json};

use crate::encoding::{from_base64, from_base64url, to_base64url};
use crate::machine::{MachineKey, MachinePublicKey};
use crate::{Error, canonical};

/// `typ` of the header: a token of another kind by the same key is none of ours.
pub const TYP: &str = "countersign-grant+jwt";
/// The one algorithm.
pub const ALG: &str = "EdDSA";
/// The longest token that is read, in bytes.
pub const MAX_BYTES: usize = 64 * 1024;
/// The longest file of keys that is read, in bytes.
const MAX_KEYS: usize = 256 * 1024;

/// Why a token is no token of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenFault {
    /// It has not the form.
    #[error("it is no grant token: {0}")]
    Malformed(&'static str),
    /// Another algorithm.
    #[error("it says that it is signed with `{alg}`; grants are signed with EdDSA alone")]
    Algorithm {
        /// What it says.
        alg: String,
    },
    /// Another kind of token.
    #[error("it is a token of the type `{typ}`, and no grant")]
    Type {
        /// What it says.
        typ: String,
    },
    /// No key that is trusted.
    #[error("the key `{kid}` that it names is none that is trusted here")]
    OtherKey {
        /// The key's thumbprint, as the token has it.
        kid: String,
    },
    /// The signature does not verify.
    #[error("its signature is not that of the key it names")]
    Signature,
}

/// The long text behind the codes.
pub const EXPLANATIONS: &[Explanation] = &[
    Explanation {
        code: "CS-GRANT-001",
        title: "no grant token",
        text: "A grant's token is a JSON Web Token in compact form: three parts of base64url without padding, a header with \
               alg, kid and typ and nothing else, and canonical JSON. Anything else is refused unread, so that a token has \
               one form.",
        exit: Exit::Unverified,
    },
    Explanation {
        code: "CS-GRANT-002",
        title: "another algorithm",
        text: "The header of a token says how it claims to be signed. Grants are signed with EdDSA (Ed25519). A token that \
               says `none`, or names an algorithm with a shared secret, is an attempt to have a public key taken for that \
               secret.",
        exit: Exit::Unverified,
    },
    Explanation {
        code: "CS-GRANT-003",
        title: "another kind of token",
        text: "The type of a grant is countersign-grant+jwt. A token of another type says something else, whoever signed it.",
        exit: Exit::Unverified,
    },
    Explanation {
        code: "CS-GRANT-004",
        title: "another key",
        text: "The token names a key that is not the recorder of the ledger that is trusted here. It was issued by another \
               ledger, or by nobody.",
        exit: Exit::Unverified,
    },
    Explanation {
        code: "CS-GRANT-005",
        title: "the token's signature does not verify",
        text: "The token names a trusted key, and that key did not sign these bytes: a claim, the header or the signature was \
               changed.",
        exit: Exit::Unverified,
    },
];

impl Diagnostic for TokenFault {
    fn code(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "CS-GRANT-001",
            Self::Algorithm { .. } => "CS-GRANT-002",
            Self::Type { .. } => "CS-GRANT-003",
            Self::OtherKey { .. } => "CS-GRANT-004",
            Self::Signature => "CS-GRANT-005",
        }
    }

    fn exit(&self) -> Exit {
        Exit::Unverified
    }

    fn help(&self) -> String {
        match self {
            Self::OtherKey { .. } => {
                "name the trust file of the ledger that issued it (countersign trust export), or ask who did".into()
            }
            _ => "take the token as `countersign grant issue` wrote it, or have another one issued".into(),
        }
    }
}

#[derive(Serialize)]
struct Header<'a> {
    alg: &'a str,
    kid: &'a str,
    typ: &'a str,
}

/// Signs the claims: the compact form.
///
/// # Errors
/// [`Error::Unrepresentable`]; what a device says that holds the key.
pub fn sign(claims: &GrantClaims, key: &MachineKey) -> Result<String, Error> {
    let kid = thumbprint(&key.public());
    let header = canonical::to_vec(&Header { alg: ALG, kid: &kid, typ: TYP })?;
    let mut token = to_base64url(&header);
    token.push('.');
    token.push_str(&to_base64url(&canonical::to_vec(claims)?));
    let signature = key.sign(token.as_bytes())?;
    token.push('.');
    token.push_str(&to_base64url(&signature));
    Ok(token)
}

/// Whether a text has the outward form of a token: three parts and nothing but their alphabet.
#[must_use]
pub fn looks_like(text: &str) -> bool {
    text.split('.').count() == 3
        && text.starts_with("eyJ")
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
}

/// What a token says that one of `keys` signed. Times, audience and everything else is the caller's to compare.
///
/// # Errors
/// [`TokenFault`].
pub fn open(token: &str, keys: &[MachinePublicKey]) -> Result<(GrantClaims, MachinePublicKey), TokenFault> {
    let bad = TokenFault::Malformed;
    if token.len() > MAX_BYTES {
        return Err(bad("it is too large"));
    }
    let mut parts = token.split('.');
    let (Some(header), Some(payload), Some(signature), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(bad("it has not three parts"));
    };
    let header_bytes = from_base64url(header).ok_or(bad("its header is not base64url without padding"))?;
    // What it claims to be is said before what is wrong with its form: that is what tells an attack from an accident.
    let lenient: Value = serde_json::from_slice(&header_bytes).map_err(|_| bad("its header is no JSON"))?;
    let member = |name: &str| lenient.get(name).and_then(Value::as_str);
    let alg = member("alg").ok_or(bad("its header names no algorithm"))?;
    if alg != ALG {
        return Err(TokenFault::Algorithm { alg: shown(alg) });
    }
    let typ = member("typ").unwrap_or("");
    if typ != TYP {
        return Err(TokenFault::Type { typ: shown(typ) });
    }
    let kid = member("kid").ok_or(bad("its header names no key"))?;
    let exact = canonical::to_vec(&Header { alg, kid, typ }).map_err(|_| bad("its header is not canonical"))?;
    if exact != header_bytes {
        return Err(bad("its header says more than alg, kid and typ, or says them in another form"));
    }
    let Some(key) = keys.iter().find(|key| thumbprint(key) == kid) else {
        return Err(TokenFault::OtherKey { kid: shown(kid) });
    };
    let signature = from_base64url(signature).ok_or(bad("its signature is not base64url without padding"))?;
    let signed = header.len().saturating_add(1).saturating_add(payload.len());
    let signed = token.get(..signed).unwrap_or_default();
    if !key.verify(signed.as_bytes(), &signature) {
        return Err(TokenFault::Signature);
    }
    let payload = from_base64url(payload).ok_or(bad("its claims are not base64url without padding"))?;
    let claims = canonical::from_slice(&payload).map_err(|_| bad("its claims are not those of a grant"))?;
    Ok((claims, *key))
}

/// A few printable characters of what a stranger wrote.
fn shown(text: &str) -> String {
    text.chars().take(64).map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

/// The key's id: its SHA-256 thumbprint (RFC 7638, with the members of RFC 8037 §2).
#[must_use]
pub fn thumbprint(key: &MachinePublicKey) -> String {
    let text = format!("{{\"crv\":\"Ed25519\",\"kty\":\"OKP\",\"x\":\"{}\"}}", to_base64url(key.as_bytes()));
    to_base64url(Digest::of(text.as_bytes()).as_bytes())
}

/// The keys as a set that JWT libraries read (RFC 7517, RFC 8037); `issuer` is what `iss` must be.
#[must_use]
pub fn jwks(keys: &[MachinePublicKey], issuer: &str) -> Value {
    let keys: Vec<Value> = keys
        .iter()
        .map(|key| {
            json!({
                "kty": "OKP", "crv": "Ed25519", "x": to_base64url(key.as_bytes()), "kid": thumbprint(key), "alg": ALG,
                "use": "sig",
            })
        })
        .collect();
    json!({"issuer": issuer, "keys": keys})
}

/// Reads keys from a set, a single JSON Web Key, `ed25519:` and base64, or a PEM block of a public key; and the issuer,
/// where the set names one.
///
/// # Errors
/// [`Error::MachineKey`] when it is none of these, or holds a key that is no Ed25519 signing key.
pub fn read_keys(text: &str) -> Result<(Vec<MachinePublicKey>, Option<String>), Error> {
    let text = text.trim();
    if text.len() > MAX_KEYS {
        return Err(Error::MachineKey("the file is too large"));
    }
    if text.starts_with("ed25519:") {
        return Ok((vec![text.parse()?], None));
    }
    if let Some(body) = text.strip_prefix("-----BEGIN PUBLIC KEY-----") {
        let body = body.trim_end().strip_suffix("-----END PUBLIC KEY-----");
        let der = body.and_then(|b| from_base64(&b.split_whitespace().collect::<String>()));
        let key = der.and_then(|der| MachinePublicKey::from_der(&der));
        return Ok((vec![key.ok_or(Error::MachineKey("it is no PEM block of an Ed25519 public key"))?], None));
    }
    let value: Value =
        serde_json::from_str(text).map_err(|_| Error::MachineKey("it is neither a key nor a set of keys"))?;
    let issuer = value.get("issuer").and_then(Value::as_str).map(str::to_owned);
    let all = match value.get("keys") {
        Some(keys) => keys.as_array().cloned().unwrap_or_default(),
        None => vec![value],
    };
    let keys: Vec<MachinePublicKey> = all.iter().map(jwk).collect::<Result<_, _>>()?;
    if keys.is_empty() { Err(Error::MachineKey("it holds no key")) } else { Ok((keys, issuer)) }
}

fn jwk(value: &Value) -> Result<MachinePublicKey, Error> {
    let is = |name: &str, wanted: &str| value.get(name).and_then(Value::as_str) == Some(wanted);
    let may = |name: &str, wanted: &str| value.get(name).is_none() || is(name, wanted);
    if !is("kty", "OKP") || !is("crv", "Ed25519") || !may("alg", ALG) || !may("use", "sig") || value.get("d").is_some()
    {
        return Err(Error::MachineKey("one of them is no public Ed25519 key for signatures"));
    }
    let raw = value.get("x").and_then(Value::as_str).and_then(from_base64url);
    let raw: Option<[u8; 32]> = raw.and_then(|raw| raw.try_into().ok());
    let key = MachinePublicKey::from_bytes(&raw.ok_or(Error::MachineKey("one of them has not 32 bytes"))?)?;
    if may("kid", &thumbprint(&key)) { Ok(key) } else { Err(Error::MachineKey("a key id is not its thumbprint")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use countersign_model::{GrantId, RunId};

    fn claims() -> GrantClaims {
        GrantClaims {
            iss: "countersign.local/00".into(),
            sub: "git:host/shop".into(),
            aud: "production".into(),
            jti: GrantId::from_text("gra-1"),
            iat: 1,
            nbf: 1,
            exp: 901,
            run: RunId::from_text("run-1"),
            commit: "c".into(),
            tree: "t".into(),
            artifacts: Vec::new(),
            environment: "production".into(),
            decision: Digest::of(b"decision"),
            index: 7,
            self_judged: true,
            break_glass: None,
        }
    }

    /// RFC 8037, appendix A.3: the thumbprint of a key that everybody can compute.
    #[test]
    fn thumbprints_are_those_of_the_standard() {
        let raw = from_base64url("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo").unwrap();
        let key = MachinePublicKey::from_bytes(&raw.try_into().unwrap()).unwrap();
        assert_eq!(thumbprint(&key), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
        let set = jwks(&[key], "here").to_string();
        assert_eq!(read_keys(&set).unwrap(), (vec![key], Some("here".to_owned())));
        assert_eq!(read_keys(&key.to_string()).unwrap().0, [key]);
        assert_eq!(read_keys(&key.to_pem()).unwrap().0, [key]);
        for bad in ["", "{}", "{\"keys\":[]}", "{\"kty\":\"oct\",\"k\":\"AAAA\"}", "ed25519:AAAA"] {
            assert!(read_keys(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_token_has_one_form_and_every_byte_of_it_counts() {
        let key = MachineKey::generate().unwrap();
        let token = sign(&claims(), &key).unwrap();
        assert!(looks_like(&token));
        assert_eq!(open(&token, &[key.public()]).unwrap().0, claims());
        assert_eq!(token, sign(&claims(), &key).unwrap());
        for at in 0..token.len() {
            let mut bytes = token.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let text = String::from_utf8(bytes).unwrap();
            assert!(open(&text, &[key.public()]).is_err(), "byte {at}");
        }
        for text in [format!("{token}="), format!(" {token}"), format!("{token}\n"), format!("{token}.")] {
            assert!(open(&text, &[key.public()]).is_err(), "{text:?}");
        }
        let other = MachineKey::generate().unwrap();
        assert!(matches!(open(&token, &[other.public()]), Err(TokenFault::OtherKey { .. })));
        assert!(matches!(open(&token, &[]), Err(TokenFault::OtherKey { .. })));
    }

    #[test]
    fn what_the_header_says_never_chooses_how_it_is_checked() {
        let key = MachineKey::generate().unwrap();
        let kid = thumbprint(&key.public());
        let signed = |header: &str, payload: &[u8]| {
            let text = format!("{}.{}", to_base64url(header.as_bytes()), to_base64url(payload));
            let signature = key.sign(text.as_bytes()).unwrap();
            open(&format!("{text}.{}", to_base64url(&signature)), &[key.public()]).unwrap_err()
        };
        let good = canonical::to_vec(&claims()).unwrap();
        for alg in ["none", "HS256", "RS256", "ES256", "Ed25519", "eddsa", "EDDSA", ""] {
            let fault = signed(&format!("{{\"alg\":\"{alg}\",\"kid\":\"{kid}\",\"typ\":\"{TYP}\"}}"), &good);
            assert_eq!(fault, TokenFault::Algorithm { alg: alg.into() });
        }
        let fault = signed(&format!("{{\"alg\":\"EdDSA\",\"kid\":\"{kid}\",\"typ\":\"JWT\"}}"), &good);
        assert_eq!(fault, TokenFault::Type { typ: "JWT".into() });
        for header in [
            format!("{{\"alg\":\"EdDSA\",\"crit\":[\"x\"],\"kid\":\"{kid}\",\"typ\":\"{TYP}\"}}"),
            format!("{{\"alg\":\"EdDSA\",\"jwk\":{{}},\"kid\":\"{kid}\",\"typ\":\"{TYP}\"}}"),
            format!("{{\"alg\":\"EdDSA\",\"b64\":false,\"kid\":\"{kid}\",\"typ\":\"{TYP}\"}}"),
            format!("{{\"typ\":\"{TYP}\",\"alg\":\"EdDSA\",\"kid\":\"{kid}\"}}"),
            format!("{{\"alg\":\"none\",\"alg\":\"EdDSA\",\"kid\":\"{kid}\",\"typ\":\"{TYP}\"}}"),
        ] {
            assert!(matches!(signed(&header, &good), TokenFault::Malformed(_)), "{header}");
        }
        let header = format!("{{\"alg\":\"EdDSA\",\"kid\":\"{kid}\",\"typ\":\"{TYP}\"}}");
        let mut more: Value = serde_json::from_slice(&good).unwrap();
        more["admin"] = true.into();
        for payload in [b"{}".to_vec(), canonical::to_vec(&more).unwrap(), [b" ", good.as_slice()].concat()] {
            assert!(matches!(signed(&header, &payload), TokenFault::Malformed(_)));
        }
    }
}
