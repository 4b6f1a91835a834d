//! `io.jwt.*`: JSON Web Tokens (RFC 7519) in the compact serialization of RFC 7515. Encrypted tokens are not supported.

use regorus::Value;
use regorus::value::Object;

use super::args::{fault, float, from_json, get, object, string, to_json};
use super::hash::to_hex;
use super::jwk::{Named, Public};
use super::{Builtin, Fault, frozen, jwk, jws, pem};

/// How deep a token may be in a token (`cty`, RFC 7519 5.2). Each one is a third longer than what it holds.
const MAX_NESTED: usize = 32;

pub(super) const FAMILY: &[Builtin] = &[
    Builtin { name: "io.jwt.decode", arity: 1, call: |args| decode(args) },
    Builtin { name: "io.jwt.decode_verify", arity: 2, call: decode_verify },
    Builtin { name: "io.jwt.encode_sign", arity: 3, call: |args| encode_sign(args) },
    Builtin { name: "io.jwt.encode_sign_raw", arity: 3, call: |args| encode_sign_raw(args) },
    Builtin { name: "io.jwt.verify_rs256", arity: 2, call: |args| verify("RS256", args) },
    Builtin { name: "io.jwt.verify_rs384", arity: 2, call: |args| verify("RS384", args) },
    Builtin { name: "io.jwt.verify_rs512", arity: 2, call: |args| verify("RS512", args) },
    Builtin { name: "io.jwt.verify_ps256", arity: 2, call: |args| verify("PS256", args) },
    Builtin { name: "io.jwt.verify_ps384", arity: 2, call: |args| verify("PS384", args) },
    Builtin { name: "io.jwt.verify_ps512", arity: 2, call: |args| verify("PS512", args) },
    Builtin { name: "io.jwt.verify_es256", arity: 2, call: |args| verify("ES256", args) },
    Builtin { name: "io.jwt.verify_es384", arity: 2, call: |args| verify("ES384", args) },
    Builtin { name: "io.jwt.verify_es512", arity: 2, call: |args| verify("ES512", args) },
    Builtin { name: "io.jwt.verify_eddsa", arity: 2, call: |args| verify("EdDSA", args) },
    Builtin { name: "io.jwt.verify_hs256", arity: 2, call: |args| verify_secret("HS256", args) },
    Builtin { name: "io.jwt.verify_hs384", arity: 2, call: |args| verify_secret("HS384", args) },
    Builtin { name: "io.jwt.verify_hs512", arity: 2, call: |args| verify_secret("HS512", args) },
];

/// The three parts of a token, still encoded.
struct Token<'a> {
    header: &'a str,
    payload: &'a str,
    signature: &'a str,
}

impl<'a> Token<'a> {
    fn split(text: &'a str) -> Result<Self, Fault> {
        let parts: Vec<&str> = text.split('.').collect();
        match parts.as_slice() {
            [_] => Err(fault("encoded JWT had no period separators")),
            [header, payload, signature] => Ok(Self { header, payload, signature }),
            _ => Err(fault(format!("encoded JWT must have 3 sections, found {}", parts.len()))),
        }
    }

    fn bytes(what: &str, part: &str) -> Result<Vec<u8>, Fault> {
        pem::base64url(part).map_err(|e| fault(format!("JWT {what} had invalid encoding: {e}")))
    }

    fn header(&self) -> Result<Value, Fault> {
        let header = json_object("header", Self::bytes("header", self.header)?)?;
        if object(std::slice::from_ref(&header), 0).is_ok_and(|h| get(h, "enc").is_some()) {
            return Err(fault("JWT is a JWE object, which is not supported"));
        }
        Ok(header)
    }

    fn payload(&self) -> Result<Vec<u8>, Fault> {
        Self::bytes("payload", self.payload)
    }

    fn signature(&self) -> Result<Vec<u8>, Fault> {
        Self::bytes("signature", self.signature)
    }

    /// What was signed.
    fn signed(&self) -> String {
        format!("{}.{}", self.header, self.payload)
    }
}

/// What a header says that matters to the signature.
struct Header {
    alg: Option<String>,
    kid: Option<String>,
    cty: Option<String>,
    /// There are extensions that must be understood. We understand none (RFC 7515 4.1.11).
    critical: bool,
}

impl Header {
    fn of(value: &Value) -> Result<Self, Fault> {
        let header = object(std::slice::from_ref(value), 0)?;
        let text = |name: &str| match get(header, name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.to_string())),
            Some(_) => Err(fault(format!("{name}: must be a string"))),
        };
        text("typ")?;
        let critical = match get(header, "crit") {
            None => false,
            Some(Value::Array(names)) if names.iter().any(|n| matches!(n, Value::String(_))) => true,
            Some(_) => return Err(fault("crit: must be a nonempty list of strings")),
        };
        Ok(Self { alg: text("alg")?, kid: text("kid")?, cty: text("cty")?, critical })
    }
}

fn text(what: &str, bytes: Vec<u8>) -> Result<String, Fault> {
    String::from_utf8(bytes).map_err(|_| fault(format!("JWT {what} is not text")))
}

fn json_object(what: &str, bytes: Vec<u8>) -> Result<Value, Fault> {
    let value = from_json(&text(what, bytes)?).map_err(|e| fault(format!("JWT {what} is not JSON: {e}")))?;
    match value {
        Value::Object(_) => Ok(value),
        _ => Err(fault(format!("JWT {what} is not a JSON object"))),
    }
}

fn decode(args: &[Value]) -> Result<Value, Fault> {
    let mut encoded = string(args, 0)?.to_owned();
    for _ in 0..MAX_NESTED {
        let token = Token::split(&encoded)?;
        let (header, payload) = (token.header()?, token.payload()?);
        let nested = object(std::slice::from_ref(&header), 0).is_ok_and(|h| match get(h, "cty") {
            Some(Value::String(cty)) => **cty == *"JWT",
            _ => false,
        });
        if nested {
            // A token in a token may be quoted.
            encoded = text("payload", payload)?.trim_matches(['"', '\'']).to_owned();
            continue;
        }
        let payload = json_object("payload", payload)?;
        return Ok(Value::from(vec![header, payload, Value::from(to_hex(&token.signature()?))]));
    }
    Err(fault(format!("JWT is nested deeper than {MAX_NESTED}")))
}

/// Whether one of the keys that may have made a signature did.
fn any_key(keys: &[Named], header: &Header, alg: &str, message: &str, signature: &[u8]) -> Result<bool, Fault> {
    let verify = |key: &Named| jws::verify(alg, &key.key, message.as_bytes(), signature);
    if let Some(kid) = &header.kid
        && let Some(key) = keys.iter().find(|k| k.kid.as_ref() == Some(kid))
    {
        return verify(key);
    }
    for key in keys.iter().filter(|k| k.alg.is_none() || k.alg == header.alg) {
        if verify(key)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// With the algorithm of the builtin, whatever the header says.
fn verify(alg: &str, args: &[Value]) -> Result<Value, Fault> {
    let token = Token::split(string(args, 0)?)?;
    let keys = jwk::public_keys(string(args, 1)?)?;
    let signature = token.signature()?;
    let header = Header::of(&token.header()?)?;
    // A secret is given to `verify_hs…`. One in a place for public keys may be public.
    let keys: Vec<Named> = keys.into_iter().filter(|k| !matches!(k.key, Public::Secret(_))).collect();
    Ok(any_key(&keys, &header, alg, &token.signed(), &signature)?.into())
}

fn verify_secret(alg: &str, args: &[Value]) -> Result<Value, Fault> {
    let token = Token::split(string(args, 0)?)?;
    let key = Public::Secret(string(args, 1)?.as_bytes().to_vec());
    Ok(jws::verify(alg, &key, token.signed().as_bytes(), &token.signature()?)?.into())
}

/// What a token must be like.
struct Constraints {
    keys: Vec<Named>,
    alg: Option<String>,
    iss: Option<String>,
    aud: Option<String>,
    /// Seconds since 1970.
    time: f64,
}

impl Constraints {
    fn of(given: &Object) -> Result<Self, Fault> {
        #[expect(clippy::cast_precision_loss, reason = "OPA compares times as floating point numbers too")]
        let mut constraints =
            Self { keys: Vec::new(), alg: None, iss: None, aud: None, time: frozen::now_ns() as f64 / 1e9 };
        let (mut cert, mut secret) = (false, false);
        for (key, value) in given.iter_sorted() {
            let Value::String(name) = key else {
                return Err(fault("a constraint's name must be a string"));
            };
            let text = || match value {
                Value::String(text) => Ok(text.to_string()),
                _ => Err(fault(format!("{name} constraint: must be a string"))),
            };
            let given = |text: String| (!text.is_empty()).then_some(text);
            match &**name {
                "cert" => {
                    constraints.keys = jwk::public_keys(&text()?)?;
                    constraints.keys.retain(|k| !matches!(k.key, Public::Secret(_)));
                    cert = true;
                }
                "secret" => {
                    if let Some(text) = given(text()?) {
                        constraints.keys = vec![Named { key: Public::Secret(text.into_bytes()), alg: None, kid: None }];
                        secret = true;
                    }
                }
                "alg" => constraints.alg = given(text()?),
                "iss" => constraints.iss = given(text()?),
                "aud" => constraints.aud = given(text()?),
                "time" => {
                    let time = float(value).ok_or_else(|| fault("time constraint: must be a number"))?;
                    if !time.is_finite() || time < 0.0 {
                        return Err(fault("time constraint: must not be negative"));
                    }
                    constraints.time = time / 1e9;
                }
                _ => return Err(fault(format!("unknown token validation constraint: {name}"))),
            }
        }
        match (cert, secret) {
            (true, true) => Err(fault("duplicate key constraints")),
            (false, false) => Err(fault("no key constraint")),
            _ => Ok(constraints),
        }
    }

    /// RFC 7519 4.1. A token that is meant for someone is not for who does not say that it is them.
    fn met(&self, payload: &Object) -> Result<bool, Fault> {
        let is = |value: &Value, want: &Option<String>| match (value, want) {
            (Value::String(text), Some(want)) => **text == **want,
            _ => false,
        };
        let issued = self.iss.is_none() || get(payload, "iss").is_some_and(|iss| is(iss, &self.iss));
        let meant = match get(payload, "aud") {
            None => self.aud.is_none(),
            Some(Value::Array(all)) => all.iter().any(|aud| is(aud, &self.aud)),
            Some(aud) => is(aud, &self.aud),
        };
        let now = Value::from(self.time);
        let seconds = |name: &str| match get(payload, name) {
            Some(Value::Number(_)) | None => Ok(get(payload, name)),
            Some(_) => Err(fault(format!("{name} value must be a number"))),
        };
        let (exp, nbf) = (seconds("exp")?, seconds("nbf")?);
        Ok(issued && meant && exp.is_none_or(|exp| now < *exp) && nbf.is_none_or(|nbf| now >= *nbf))
    }
}

fn decode_verify(args: &[Value]) -> Result<Value, Fault> {
    let mut encoded = string(args, 0)?.to_owned();
    let constraints = Constraints::of(object(args, 1)?)?;
    let unverified = || Ok(Value::from(vec![false.into(), Value::new_object(), Value::new_object()]));
    for _ in 0..MAX_NESTED {
        let token = Token::split(&encoded)?;
        let value = token.header()?;
        let header = Header::of(&value)?;
        let Some(alg) = header.alg.as_deref().filter(|alg| !alg.is_empty() && !header.critical) else {
            return unverified();
        };
        if constraints.alg.as_deref().is_some_and(|want| want != alg) {
            return unverified();
        }
        if !any_key(&constraints.keys, &header, alg, &token.signed(), &token.signature()?)? {
            return unverified();
        }
        let payload = token.payload()?;
        if header.cty.is_some_and(|cty| cty.eq_ignore_ascii_case("JWT")) {
            encoded = text("payload", payload)?;
            continue;
        }
        let payload = json_object("payload", payload)?;
        if !constraints.met(object(std::slice::from_ref(&payload), 0)?)? {
            return unverified();
        }
        return Ok(Value::from(vec![true.into(), value, payload]));
    }
    Err(fault(format!("JWT is nested deeper than {MAX_NESTED}")))
}

fn encode_sign(args: &[Value]) -> Result<Value, Fault> {
    for i in 0..3 {
        object(args, i)?;
    }
    // Go escapes what HTML could take for markup. Outside of strings, JSON has none of these.
    let json = |value: &Value| {
        let mut text = to_json(value)?;
        for (plain, escaped) in
            [('<', "\\u003c"), ('>', "\\u003e"), ('&', "\\u0026"), ('\u{2028}', "\\u2028"), ('\u{2029}', "\\u2029")]
        {
            if text.contains(plain) {
                text = text.replace(plain, escaped);
            }
        }
        Ok(text)
    };
    match args {
        [header, payload, key] => signed(&json(header)?, &json(payload)?, &to_json(key)?),
        _ => Err(fault("three operands are needed")),
    }
}

fn encode_sign_raw(args: &[Value]) -> Result<Value, Fault> {
    signed(string(args, 0)?, string(args, 1)?, string(args, 2)?)
}

fn signed(header: &str, payload: &str, key: &str) -> Result<Value, Fault> {
    let key = jwk::private_key(key)?;
    let value = from_json(header).map_err(|e| fault(format!("missing or invalid 'alg' header: {e}")))?;
    let Ok(Header { alg: Some(alg), .. }) = Header::of(&value) else {
        return Err(fault("missing or invalid 'alg' header"));
    };
    if !jws::known(&alg) {
        return Err(fault(format!("unknown JWS algorithm: {alg}")));
    }
    let typ = object(std::slice::from_ref(&value), 0)?.get(&Value::from("typ"));
    if typ.is_none_or(|typ| *typ == Value::from("JWT"))
        && serde_json::from_str::<serde::de::IgnoredAny>(payload).is_err()
    {
        return Err(fault("type is JWT but payload is not JSON"));
    }
    let message = format!("{}.{}", pem::to_base64url(header.as_bytes()), pem::to_base64url(payload.as_bytes()));
    let signature = jws::sign(&alg, &key, message.as_bytes())?;
    Ok(Value::from(format!("{message}.{}", pem::to_base64url(&signature))))
}
