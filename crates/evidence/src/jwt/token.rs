//! A token: read, then verified. What is in it is not believed before.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use countersign_model::{Digest, Timestamp};
use serde_json::{Map, Value};

use super::error::TokenError;
use super::json;
use super::key::{Algorithm, KeySet};

/// The largest token that is read, in bytes.
pub const MAX_TOKEN: usize = 16 * 1024;

/// Members of a header that change what a signature covers, or bring a key along.
const REFUSED: [&str; 11] = ["crit", "b64", "zip", "enc", "cty", "jwk", "jku", "x5c", "x5u", "epk", "p2c"];

/// A token that was read, and not verified.
#[derive(Debug, Clone)]
pub struct Token {
    algorithm: Algorithm,
    kid: Option<String>,
    claims: Map<String, Value>,
    /// Header and claims as they stand in the token.
    signed: Vec<u8>,
    signature: Vec<u8>,
}

/// What a token must say.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    /// Who must have issued it: `iss`, to the letter.
    pub issuer: &'a str,
    /// Whom it may be for: one of them must stand in `aud`.
    pub audiences: &'a [String],
    /// The algorithms that the issuer signs with.
    pub algorithms: &'a [Algorithm],
    /// By how many seconds clocks may differ.
    pub skew: u32,
    /// The longest that a token of the issuer lives, in seconds.
    pub lifetime: u32,
    /// Now.
    pub now: Timestamp,
}

/// A token that was verified.
#[derive(Debug, Clone, PartialEq)]
pub struct Verified {
    /// Its claims.
    pub claims: Map<String, Value>,
    /// The thumbprint of the key that signed it (RFC 7638, base64url).
    pub thumbprint: String,
    /// How it was signed.
    pub algorithm: Algorithm,
    /// SHA-256 of its header and claims as they are in it. The signature is not part of it: for some algorithms there are two
    /// signatures where there is one, and a token is the same with either.
    pub digest: Digest,
    /// What tells it apart from every other token of the issuer: its `jti`, else [`Verified::digest`].
    pub id: String,
    /// When it was issued.
    pub issued: Timestamp,
    /// When it ends.
    pub expires: Timestamp,
}

impl Token {
    /// Reads a token in compact form; white space around it is no part of it.
    ///
    /// # Errors
    /// [`TokenError::Form`] when it is something else, and [`TokenError::Algorithm`] when it names an algorithm that does not
    /// exist here.
    pub fn parse(bytes: &[u8]) -> Result<Self, TokenError> {
        let bytes = bytes.trim_ascii();
        if bytes.len() > MAX_TOKEN {
            return Err(TokenError::Form("it has more than 16 KiB"));
        }
        if bytes.first() == Some(&b'{') {
            return Err(TokenError::Form("it is in the JSON form of a JWS, and only the compact form is accepted"));
        }
        let segments: Vec<&[u8]> = bytes.splitn(6, |b| *b == b'.').collect();
        let [header, claims, signature] = segments.as_slice() else {
            return Err(TokenError::Form(match segments.len() {
                5 => "it has five segments: it is encrypted (JWE), and nobody here could open it",
                _ => "it has not three segments, separated by `.`",
            }));
        };
        let signed = bytes.get(..header.len() + 1 + claims.len()).unwrap_or_default().to_vec();
        let decode =
            |segment: &[u8]| BASE64URL.decode(segment).map_err(|_| TokenError::Form("a segment is not base64url"));
        let header = json::object(&decode(header)?)
            .ok_or(TokenError::Form("its header is no JSON object, or a key stands in it twice"))?;
        if REFUSED.iter().any(|name| header.contains_key(*name)) {
            return Err(TokenError::Form(
                "its header brings a key along, or asks for something that is not understood here",
            ));
        }
        let algorithm: Algorithm = match header.get("alg") {
            Some(Value::String(name)) if name == "Ed25519" => Algorithm::EdDsa,
            Some(Value::String(name)) => name.parse()?,
            _ => return Err(TokenError::Form("its header names no algorithm")),
        };
        match header.get("typ") {
            None => {}
            Some(Value::String(typ)) if typ.eq_ignore_ascii_case("JWT") => {}
            Some(_) => return Err(TokenError::Form("its header says that it is something else than a JWT")),
        }
        let kid = match header.get("kid") {
            None => None,
            Some(Value::String(kid)) => Some(kid.clone()),
            Some(_) => return Err(TokenError::Form("the name of its key is no text")),
        };
        let claims = json::object(&decode(claims)?)
            .ok_or(TokenError::Form("its claims are no JSON object, or a key stands in them twice"))?;
        Ok(Self { algorithm, kid, claims, signed, signature: decode(signature)? })
    }

    /// Who says to have issued it; to look up whose keys are to be tried.
    ///
    /// # Errors
    /// [`TokenError::Claim`] when it does not say.
    pub fn issuer(&self) -> Result<&str, TokenError> {
        text(&self.claims, "iss")
    }

    /// Verifies it under the keys of its issuer.
    ///
    /// # Errors
    /// What does not hold, the signature first: nothing in a token matters before that.
    pub fn verify(self, keys: &KeySet, expected: &Expected<'_>) -> Result<Verified, TokenError> {
        if !expected.algorithms.contains(&self.algorithm) {
            return Err(TokenError::Algorithm { name: self.algorithm.to_string() });
        }
        let thumbprint = keys.verify(self.kid.as_deref(), self.algorithm, &self.signed, &self.signature)?;
        let issuer = self.issuer()?;
        if issuer != expected.issuer {
            return Err(TokenError::Issuer { found: issuer.chars().take(200).collect() });
        }
        audience(&self.claims, expected.audiences)?;
        let (issued, expires) = times(&self.claims, expected)?;
        let digest = Digest::of(&self.signed);
        let id = match self.claims.get("jti") {
            None => digest.to_string(),
            Some(Value::String(id)) if !id.is_empty() => id.clone(),
            Some(_) => return Err(TokenError::Claim { claim: "jti", what: "is no text" }),
        };
        Ok(Verified { claims: self.claims, thumbprint, algorithm: self.algorithm, digest, id, issued, expires })
    }
}

fn text<'a>(claims: &'a Map<String, Value>, claim: &'static str) -> Result<&'a str, TokenError> {
    match claims.get(claim) {
        Some(Value::String(text)) if !text.is_empty() => Ok(text),
        Some(_) => Err(TokenError::Claim { claim, what: "is no text" }),
        None => Err(TokenError::Claim { claim, what: "is missing" }),
    }
}

/// A text, or a list of texts (RFC 7519 4.1.3).
fn audience(claims: &Map<String, Value>, expected: &[String]) -> Result<(), TokenError> {
    let said: Vec<&str> = match claims.get("aud") {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(list)) => {
            let all: Option<Vec<&str>> = list.iter().map(Value::as_str).collect();
            all.ok_or(TokenError::Claim { claim: "aud", what: "is no list of texts" })?
        }
        Some(_) => return Err(TokenError::Claim { claim: "aud", what: "is neither a text nor a list" }),
        None => return Err(TokenError::Claim { claim: "aud", what: "is missing" }),
    };
    if said.iter().any(|one| expected.iter().any(|e| e == one)) {
        return Ok(());
    }
    Err(TokenError::Audience { found: said.join(", ").chars().take(200).collect() })
}

/// A NumericDate (RFC 7519 2) in milliseconds; what lies before 1970 or beyond the year 9999 is none.
fn date(claims: &Map<String, Value>, claim: &'static str) -> Result<Option<i64>, TokenError> {
    const LAST: f64 = 253_402_300_799.0;
    let Some(value) = claims.get(claim) else { return Ok(None) };
    let seconds = value.as_f64().filter(|s| (0.0..=LAST).contains(s));
    // It is below 2^53, so the milliseconds are whole.
    let millis = seconds.map(|s| (s * 1000.0).round() as i64);
    millis.map(Some).ok_or(TokenError::Claim { claim, what: "is no time" })
}

fn times(claims: &Map<String, Value>, expected: &Expected<'_>) -> Result<(Timestamp, Timestamp), TokenError> {
    let missing = |claim| TokenError::Claim { claim, what: "is missing" };
    let expires = date(claims, "exp")?.ok_or_else(|| missing("exp"))?;
    let issued = date(claims, "iat")?.ok_or_else(|| missing("iat"))?;
    let not_before = date(claims, "nbf")?;
    let (now, skew) = (expected.now.millis(), i64::from(expected.skew) * 1000);
    let at = |ms| Timestamp::from_millis(ms);
    if expires.saturating_add(skew) <= now {
        return Err(TokenError::Expired { at: at(expires) });
    }
    let begins = not_before.unwrap_or(issued).max(issued);
    if begins > now.saturating_add(skew) {
        return Err(TokenError::NotYet { at: at(begins) });
    }
    if expires.saturating_sub(issued) > i64::from(expected.lifetime) * 1000 {
        return Err(TokenError::Claim { claim: "exp", what: "lies further from `iat` than the issuer's tokens live" });
    }
    Ok((at(issued), at(expires)))
}
