//! Keys: public ones of certificates, PEM, JWK and JWK sets (RFC 7517, 7518, 8037), private ones of JWK.

use regorus::Value;
use regorus::value::Object;
use x509_cert::Certificate;
use x509_cert::der::oid::ObjectIdentifier;
use x509_cert::der::referenced::OwnedToRef as _;
use x509_cert::der::{Decode as _, asn1::UintRef};
use x509_cert::spki::SubjectPublicKeyInfoRef;

use super::args::{fault, from_json, get, get_str};
use super::jws::{self, Curve};
use super::{Fault, pem};

/// `rsaEncryption` (RFC 8017), `id-ecPublicKey` (RFC 5480), `id-Ed25519` (RFC 8410).
pub(super) const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
pub(super) const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
pub(super) const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const P521: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.35");

/// The most bytes of a number of an RSA key.
pub(super) const MAX_RSA: usize = 2048;

/// A key that signatures are verified with.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Public {
    /// Modulus and exponent, big-endian without leading zeros.
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
    /// An uncompressed point.
    Ec {
        curve: Curve,
        point: Vec<u8>,
    },
    Ed25519(Vec<u8>),
    /// A secret shared by both.
    Secret(Vec<u8>),
}

/// A public key, with what a JWK says of it.
#[derive(Debug)]
pub(super) struct Named {
    pub(super) key: Public,
    /// The only algorithm that it may be used with.
    pub(super) alg: Option<String>,
    pub(super) kid: Option<String>,
}

/// A key that signatures are made with.
pub(super) enum Private {
    /// `n`, `e`, `d`, `p`, `q`, `dp`, `dq`, `qi` of RFC 7518 6.3.
    Rsa([Vec<u8>; 8]),
    /// A scalar.
    Ec {
        curve: Curve,
        d: Vec<u8>,
    },
    /// A seed.
    Ed25519(Vec<u8>),
    Secret(Vec<u8>),
}

impl Private {
    /// The key to verify with.
    fn public(&self) -> Result<Public, Fault> {
        match self {
            Self::Rsa([n, e, ..]) => Ok(Public::Rsa { n: n.clone(), e: e.clone() }),
            Self::Ec { curve, d } => Ok(Public::Ec { curve: *curve, point: jws::point(*curve, d)? }),
            Self::Ed25519(seed) => Ok(Public::Ed25519(jws::ed25519_public(seed)?)),
            Self::Secret(secret) => Ok(Public::Secret(secret.clone())),
        }
    }
}

/// The public keys of a PEM certificate, a PEM public key, a JWK or a JWK set.
pub(super) fn public_keys(text: &str) -> Result<Vec<Named>, Fault> {
    let unnamed = |key| Ok(vec![Named { key, alg: None, kid: None }]);
    if let Some((block, rest)) = pem::first(text) {
        if !rest.is_empty() {
            return Err(fault("extra data after a PEM certificate block"));
        }
        return match block.label.as_str() {
            "CERTIFICATE" => {
                let certificate = Certificate::from_der(&block.der)
                    .map_err(|e| fault(format!("failed to parse a PEM certificate: {e}")))?;
                let spki = &certificate.tbs_certificate.subject_public_key_info;
                unnamed(from_spki(spki.owned_to_ref())?)
            }
            "PUBLIC KEY" => {
                let spki = SubjectPublicKeyInfoRef::from_der(&block.der)
                    .map_err(|e| fault(format!("failed to parse a PEM public key: {e}")))?;
                unnamed(from_spki(spki)?)
            }
            _ => Err(fault("failed to extract a key from the PEM certificate")),
        };
    }
    let mut keys = Vec::new();
    for jwk in set(text)? {
        let object = jwk.as_object().map_err(|_| bad("not an object"))?;
        let alg = get_str(object, "alg").map(str::to_owned);
        // A key for an algorithm that is not one of signatures is passed over, as is one of a kind that we lack.
        if alg.as_deref().is_some_and(|a| !jws::known(a)) {
            continue;
        }
        let kid = get_str(object, "kid").map(str::to_owned);
        keys.push(Named { key: public(object)?, alg, kid });
    }
    Ok(keys)
}

/// The private key of a JWK, or the first of a JWK set.
pub(super) fn private_key(text: &str) -> Result<Private, Fault> {
    let set = set(text)?;
    let jwk = set.first().ok_or_else(|| fault("no keys found in JWK set"))?;
    private(jwk.as_object().map_err(|_| bad("not an object"))?)
}

fn bad(what: &str) -> Fault {
    fault(format!("failed to parse a JWK key (set): {what}"))
}

/// The keys of a JWK set; a JWK is a set of one.
fn set(text: &str) -> Result<Vec<Value>, Fault> {
    let value = from_json(text).map_err(|e| bad(&e.to_string()))?;
    let object = value.as_object().map_err(|_| bad("not an object"))?;
    match get(object, "keys") {
        Some(Value::Array(keys)) => Ok(keys.to_vec()),
        Some(_) => Err(bad("`keys` is not an array")),
        None => Ok(vec![value.clone()]),
    }
}

/// A member that is base64url.
fn member(jwk: &Object, name: &str) -> Result<Vec<u8>, Fault> {
    let text = get_str(jwk, name).ok_or_else(|| bad(&format!("`{name}` is missing")))?;
    pem::base64url(text).map_err(|e| bad(&format!("`{name}`: {e}")))
}

/// A member that is a number: without leading zeros.
fn number(jwk: &Object, name: &str) -> Result<Vec<u8>, Fault> {
    member(jwk, name).map(|bytes| strip(&bytes))
}

fn strip(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().copied().skip_while(|b| *b == 0).collect()
}

fn curve(jwk: &Object) -> Result<Curve, Fault> {
    match get_str(jwk, "crv") {
        Some("P-256") => Ok(Curve::P256),
        Some("P-384") => Ok(Curve::P384),
        Some("P-521") => Ok(Curve::P521),
        _ => Err(bad("`crv` is not a curve of signatures")),
    }
}

fn public(jwk: &Object) -> Result<Public, Fault> {
    match get_str(jwk, "kty") {
        _ if jwk.contains_key(&Value::from("d")) => private(jwk)?.public(),
        Some("RSA") => Ok(Public::Rsa { n: number(jwk, "n")?, e: number(jwk, "e")? }),
        Some("EC") => {
            let (curve, x, y) = (curve(jwk)?, member(jwk, "x")?, member(jwk, "y")?);
            let size = curve.bytes();
            if x.len() != size || y.len() != size {
                return Err(bad("a coordinate is not as long as the curve's"));
            }
            Ok(Public::Ec { curve, point: [vec![4], x, y].concat() })
        }
        Some("OKP") if get_str(jwk, "crv") == Some("Ed25519") => Ok(Public::Ed25519(member(jwk, "x")?)),
        Some("oct") => Ok(Public::Secret(member(jwk, "k")?)),
        _ => Err(bad("`kty` is not a kind of key that is supported")),
    }
}

fn private(jwk: &Object) -> Result<Private, Fault> {
    match get_str(jwk, "kty") {
        Some("RSA") => {
            let mut parts = [const { Vec::new() }; 8];
            for (part, name) in parts.iter_mut().zip(["n", "e", "d", "p", "q", "dp", "dq", "qi"]) {
                *part = number(jwk, name)?;
            }
            Ok(Private::Rsa(parts))
        }
        Some("EC") => Ok(Private::Ec { curve: curve(jwk)?, d: member(jwk, "d")? }),
        Some("OKP") if get_str(jwk, "crv") == Some("Ed25519") => Ok(Private::Ed25519(member(jwk, "d")?)),
        Some("oct") => Ok(Private::Secret(member(jwk, "k")?)),
        _ => Err(bad("`kty` is not a kind of key that is supported")),
    }
}

/// The key of a `SubjectPublicKeyInfo` (RFC 5280 4.1.2.7).
pub(super) fn from_spki(spki: SubjectPublicKeyInfoRef<'_>) -> Result<Public, Fault> {
    let unsupported = || fault("the kind of the public key is not supported");
    let bits = spki.subject_public_key.as_bytes().ok_or_else(unsupported)?;
    match spki.algorithm.oid {
        RSA => {
            let (n, e) = rsa_public(bits).ok_or_else(|| fault("the RSA public key is malformed"))?;
            Ok(Public::Rsa { n, e })
        }
        EC => {
            let named = spki.algorithm.parameters_oid().map_err(|_| unsupported())?;
            let curve = match named {
                P256 => Curve::P256,
                P384 => Curve::P384,
                P521 => Curve::P521,
                _ => return Err(unsupported()),
            };
            if bits.len() != 1 + 2 * curve.bytes() || bits.first() != Some(&4) {
                return Err(fault("the point of the public key is malformed or compressed"));
            }
            Ok(Public::Ec { curve, point: bits.to_vec() })
        }
        ED25519 => Ok(Public::Ed25519(bits.to_vec())),
        _ => Err(unsupported()),
    }
}

/// Modulus and exponent of an `RSAPublicKey` (RFC 8017 A.1.1).
fn rsa_public(der: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let parts = Vec::<UintRef<'_>>::from_der(der).ok()?;
    match parts.as_slice() {
        [n, e] if n.as_bytes().len() <= MAX_RSA && e.as_bytes().len() <= MAX_RSA => {
            Some((strip(n.as_bytes()), strip(e.as_bytes())))
        }
        _ => None,
    }
}
