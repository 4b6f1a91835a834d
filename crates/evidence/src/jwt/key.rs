//! Keys of an issuer: a JWK set (RFC 7517, 7518 6, 8037), and the thumbprint that names one (RFC 7638).

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use ring::signature::{self, UnparsedPublicKey};
use serde_json::{Map, Value};

use super::error::TokenError;
use super::json;

/// The largest set that is read, in bytes.
pub const MAX_SET: usize = 256 * 1024;
/// The most keys in a set.
const MAX_KEYS: usize = 100;
/// The fewest and most bits of an RSA modulus.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// An algorithm of signatures (RFC 7518 3.1, RFC 8037 3.1). Those with a shared secret and `none` do not exist here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    Rs384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    Rs512,
    /// RSASSA-PSS with SHA-256.
    Ps256,
    /// RSASSA-PSS with SHA-384.
    Ps384,
    /// RSASSA-PSS with SHA-512.
    Ps512,
    /// ECDSA over P-256 with SHA-256.
    Es256,
    /// ECDSA over P-384 with SHA-384.
    Es384,
    /// Ed25519.
    EdDsa,
}

impl Algorithm {
    /// Every algorithm, with its name.
    pub const ALL: [(Self, &'static str); 9] = [
        (Self::Rs256, "RS256"),
        (Self::Rs384, "RS384"),
        (Self::Rs512, "RS512"),
        (Self::Ps256, "PS256"),
        (Self::Ps384, "PS384"),
        (Self::Ps512, "PS512"),
        (Self::Es256, "ES256"),
        (Self::Es384, "ES384"),
        (Self::EdDsa, "EdDSA"),
    ];

    /// The name, as it stands in `alg`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Self::ALL.into_iter().find(|(one, _)| *one == self).map_or("", |(_, name)| name)
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Algorithm {
    type Err = TokenError;

    fn from_str(name: &str) -> Result<Self, TokenError> {
        let found = Self::ALL.into_iter().find(|(_, known)| *known == name);
        found.map(|(one, _)| one).ok_or_else(|| TokenError::Algorithm { name: name.chars().take(40).collect() })
    }
}

/// A public key.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Public {
    /// Modulus and exponent, big-endian without leading zeros.
    Rsa { n: Vec<u8>, e: Vec<u8> },
    /// An uncompressed point of P-256.
    P256(Vec<u8>),
    /// An uncompressed point of P-384.
    P384(Vec<u8>),
    /// An Ed25519 key.
    Ed25519([u8; 32]),
}

/// A member of a set.
#[derive(Debug, Clone)]
struct Member {
    kid: Option<String>,
    alg: Option<String>,
    /// The key, or why it cannot be used here.
    key: Result<Public, &'static str>,
}

/// The keys of an issuer.
#[derive(Debug, Clone)]
pub struct KeySet {
    members: Vec<Member>,
}

impl KeySet {
    /// Reads a JWK set. A key that cannot be used here (another kind, for encryption, too short) hinders no other; it is an
    /// error once a token names it.
    ///
    /// # Errors
    /// [`TokenError::KeySet`] when the bytes are no set.
    pub fn parse(bytes: &[u8]) -> Result<Self, TokenError> {
        if bytes.len() > MAX_SET {
            return Err(TokenError::KeySet("it has more than 256 KiB"));
        }
        let set =
            json::object(bytes).ok_or(TokenError::KeySet("it is no JSON object, or a key stands in one twice"))?;
        let Some(Value::Array(keys)) = set.get("keys") else {
            return Err(TokenError::KeySet("it has no list `keys`"));
        };
        if keys.is_empty() || keys.len() > MAX_KEYS {
            return Err(TokenError::KeySet("it has no keys, or more than 100"));
        }
        let members =
            keys.iter().map(|jwk| jwk.as_object().map(member).ok_or(TokenError::KeySet("a key is no object")));
        Ok(Self { members: members.collect::<Result<_, _>>()? })
    }

    /// How many keys of the set can be used.
    #[must_use]
    pub fn usable(&self) -> usize {
        self.members.iter().filter(|m| m.key.is_ok()).count()
    }

    /// The key that a header names; without a name the only one there is.
    fn choose(&self, kid: Option<&str>, algorithm: Algorithm) -> Result<&Public, TokenError> {
        let named: Vec<&Member> = match kid {
            Some(kid) => self.members.iter().filter(|m| m.kid.as_deref() == Some(kid)).collect(),
            None => self.members.iter().collect(),
        };
        let [one] = named.as_slice() else {
            return Err(match (kid, named.is_empty()) {
                (Some(kid), true) => TokenError::UnknownKey { kid: kid.chars().take(80).collect() },
                (Some(_), false) => TokenError::KeySet("it has two keys of the name that the token names"),
                (None, _) => TokenError::UnnamedKey,
            });
        };
        let key = one.key.as_ref().map_err(|why| TokenError::KeySet(why))?;
        if one.alg.as_deref().is_some_and(|alg| !same_algorithm(alg, algorithm)) {
            return Err(TokenError::OtherAlgorithm { name: algorithm.as_str() });
        }
        Ok(key)
    }

    /// Whether a key of the set made `signed` over `message`; the key's thumbprint.
    pub(super) fn verify(
        &self,
        kid: Option<&str>,
        algorithm: Algorithm,
        message: &[u8],
        signed: &[u8],
    ) -> Result<String, TokenError> {
        let key = self.choose(kid, algorithm)?;
        let rsa = match algorithm {
            Algorithm::Rs256 => Some(&signature::RSA_PKCS1_2048_8192_SHA256),
            Algorithm::Rs384 => Some(&signature::RSA_PKCS1_2048_8192_SHA384),
            Algorithm::Rs512 => Some(&signature::RSA_PKCS1_2048_8192_SHA512),
            Algorithm::Ps256 => Some(&signature::RSA_PSS_2048_8192_SHA256),
            Algorithm::Ps384 => Some(&signature::RSA_PSS_2048_8192_SHA384),
            Algorithm::Ps512 => Some(&signature::RSA_PSS_2048_8192_SHA512),
            Algorithm::Es256 | Algorithm::Es384 | Algorithm::EdDsa => None,
        };
        let by = |algorithm: &'static signature::EcdsaVerificationAlgorithm, point: &[u8]| {
            UnparsedPublicKey::new(algorithm, point).verify(message, signed).is_ok()
        };
        let holds = match (algorithm, key, rsa) {
            (_, Public::Rsa { n, e }, Some(rsa)) => {
                signature::RsaPublicKeyComponents { n, e }.verify(rsa, message, signed).is_ok()
            }
            (Algorithm::Es256, Public::P256(point), _) => by(&signature::ECDSA_P256_SHA256_FIXED, point),
            (Algorithm::Es384, Public::P384(point), _) => by(&signature::ECDSA_P384_SHA384_FIXED, point),
            (Algorithm::EdDsa, Public::Ed25519(point), _) => {
                // The strict way: no point of small order, no second form of a signature.
                ed25519_dalek::VerifyingKey::from_bytes(point)
                    .ok()
                    .zip(ed25519_dalek::Signature::from_slice(signed).ok())
                    .is_some_and(|(key, signature)| key.verify_strict(message, &signature).is_ok())
            }
            _ => return Err(TokenError::OtherAlgorithm { name: algorithm.as_str() }),
        };
        if holds { Ok(thumbprint_of(key)) } else { Err(TokenError::Signature) }
    }
}

/// `Ed25519` is the name that RFC 9864 gives to what RFC 8037 calls `EdDSA` for this curve.
fn same_algorithm(name: &str, algorithm: Algorithm) -> bool {
    name == algorithm.as_str() || algorithm == Algorithm::EdDsa && name == "Ed25519"
}

fn member(jwk: &Map<String, Value>) -> Member {
    let said = |name: &str| jwk.get(name).and_then(Value::as_str).map(str::to_owned);
    Member { kid: said("kid"), alg: said("alg"), key: public(jwk) }
}

fn public(jwk: &Map<String, Value>) -> Result<Public, &'static str> {
    let text = |name: &str| jwk.get(name).and_then(Value::as_str);
    let bytes = |name: &str| text(name).and_then(|text| BASE64URL.decode(text).ok());
    if jwk.get("use").is_some_and(|usage| usage != "sig") {
        return Err("the key that the token names is not for signatures");
    }
    if let Some(operations) = jwk.get("key_ops")
        && !operations.as_array().is_some_and(|list| list.iter().any(|one| one == "verify"))
    {
        return Err("the key that the token names is not for verifying");
    }
    if jwk.contains_key("d") {
        return Err("the private half of the key that the token names is published");
    }
    let malformed = "the key that the token names is malformed";
    match (text("kty"), text("crv")) {
        (Some("RSA"), _) => {
            let number = |name| bytes(name).map(|b| b.into_iter().skip_while(|b| *b == 0).collect::<Vec<u8>>());
            let (n, e) = number("n").zip(number("e")).ok_or(malformed)?;
            let bits = n.len() * 8 - n.first().map_or(0, |b| b.leading_zeros() as usize);
            if !RSA_BITS.contains(&bits) {
                return Err("the RSA key that the token names has fewer than 2048 bits, or more than 8192");
            }
            Ok(Public::Rsa { n, e })
        }
        (Some("EC"), Some(curve @ ("P-256" | "P-384"))) => {
            let size = if curve == "P-256" { 32 } else { 48 };
            let (x, y) = bytes("x").zip(bytes("y")).ok_or(malformed)?;
            if x.len() != size || y.len() != size {
                return Err(malformed);
            }
            let point = [vec![4], x, y].concat();
            Ok(if size == 32 { Public::P256(point) } else { Public::P384(point) })
        }
        (Some("OKP"), Some("Ed25519")) => {
            bytes("x").and_then(|x| x.try_into().ok()).map(Public::Ed25519).ok_or(malformed)
        }
        (Some("oct"), _) => Err("the key that the token names is a shared secret"),
        _ => Err("the key that the token names is of a kind that is not supported"),
    }
}

/// SHA-256 over the required members in lexical order, in base64url (RFC 7638 3).
fn thumbprint_of(key: &Public) -> String {
    let text = |bytes: &[u8]| BASE64URL.encode(bytes);
    let ec = |curve: &str, point: &[u8]| {
        let (x, y) = point.get(1..).unwrap_or_default().split_at(point.len() / 2);
        format!(r#"{{"crv":"{curve}","kty":"EC","x":"{}","y":"{}"}}"#, text(x), text(y))
    };
    let members = match key {
        Public::Rsa { n, e } => format!(r#"{{"e":"{}","kty":"RSA","n":"{}"}}"#, text(e), text(n)),
        Public::P256(point) => ec("P-256", point),
        Public::P384(point) => ec("P-384", point),
        Public::Ed25519(x) => format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, text(x)),
    };
    text(countersign_model::Digest::of(members.as_bytes()).as_bytes())
}

/// The thumbprint of a JWK (RFC 7638), in base64url.
///
/// # Errors
/// [`TokenError::KeySet`] when it is no key that could be used here.
pub fn thumbprint(jwk: &[u8]) -> Result<String, TokenError> {
    let jwk = json::object(jwk).ok_or(TokenError::KeySet("the key is no JSON object"))?;
    public(&jwk).map(|key| thumbprint_of(&key)).map_err(TokenError::KeySet)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_thumbprint_is_that_of_the_specifications() {
        // RFC 7638 3.1.
        let rsa = br#"{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg":"RS256","kid":"2011-04-29"}"#;
        assert_eq!(thumbprint(rsa).unwrap(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
        // RFC 8037 A.3.
        let okp = br#"{"crv":"Ed25519","kty":"OKP","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
        assert_eq!(thumbprint(okp).unwrap(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }

    #[test]
    fn algorithms_without_an_asymmetric_key_have_no_name() {
        for name in ["none", "None", "HS256", "HS384", "HS512", "ES512", "RSA-OAEP", "rs256", ""] {
            assert!(name.parse::<Algorithm>().is_err(), "{name}");
        }
        for (algorithm, name) in Algorithm::ALL {
            assert_eq!(name.parse::<Algorithm>().unwrap(), algorithm);
        }
    }
}
