//! Private keys: `crypto.parse_private_keys`, `crypto.x509.parse_rsa_private_key`, `crypto.x509.parse_keypair`.
//!
//! PKCS #1 (RFC 8017), PKCS #8 (RFC 5208, 5958) and SEC 1 (RFC 5915), as the JSON of Go's keys and of JWK.

use regorus::Value;
use x509_cert::der::asn1::{AnyRef, ContextSpecific, ObjectIdentifier, OctetStringRef, UintRef};
use x509_cert::der::referenced::OwnedToRef as _;
use x509_cert::der::{Decode, Reader as _, SliceReader, TagNumber};
use x509_cert::spki::AlgorithmIdentifierRef;

use super::args::{fault, make_object, string};
use super::jwk::{self, Public};
use super::jws::{self, Curve};
use super::x509::{self, number};
use super::{Builtin, Fault, pem};

pub(super) const FAMILY: &[Builtin] = &[
    Builtin { name: "crypto.parse_private_keys", arity: 1, call: |args| parse_all(string(args, 0)?) },
    Builtin { name: "crypto.x509.parse_rsa_private_key", arity: 1, call: |args| to_jwk(string(args, 0)?) },
    Builtin { name: "crypto.x509.parse_keypair", arity: 2, call: |args| pair(string(args, 0)?, string(args, 1)?) },
];

/// A private key with what belongs to its public half.
enum Key {
    /// `n`, `e`, `d`, `p`, `q`, `dp`, `dq`, `qi` of RFC 8017 A.1.2, without leading zeros.
    Rsa([Vec<u8>; 8]),
    Ec {
        curve: Curve,
        d: Vec<u8>,
        point: Vec<u8>,
    },
    Ed25519 {
        seed: Vec<u8>,
        point: Vec<u8>,
    },
}

fn malformed(e: x509_cert::der::Error) -> Fault {
    fault(format!("malformed private key: {e}"))
}

fn pkcs1(der: &[u8]) -> Result<Key, Fault> {
    let parts = Vec::<UintRef<'_>>::from_der(der).map_err(malformed)?;
    let mut key = [const { Vec::new() }; 8];
    if parts.len() != key.len() + 1 {
        return Err(fault("malformed private key: an RSA key of two primes has nine numbers"));
    }
    for (to, from) in key.iter_mut().zip(parts.iter().skip(1)) {
        if from.as_bytes().len() > jwk::MAX_RSA {
            return Err(fault("malformed private key: a number of it is too large"));
        }
        *to = from.as_bytes().to_vec();
    }
    Ok(Key::Rsa(key))
}

fn sec1(der: &[u8], named: Option<ObjectIdentifier>) -> Result<Key, Fault> {
    let unsupported = || fault("the curve of the private key is not supported");
    let (d, inside) = SliceReader::new(der)
        .and_then(|mut reader| {
            reader.sequence(|r| {
                u8::decode(r)?;
                let d = OctetStringRef::decode(r)?.as_bytes().to_vec();
                let curve = ContextSpecific::<ObjectIdentifier>::decode_explicit(r, TagNumber::N0)?;
                ContextSpecific::<AnyRef<'_>>::decode_explicit(r, TagNumber::N1)?;
                Ok((d, curve.map(|c| c.value)))
            })
        })
        .map_err(malformed)?;
    let curve = match named.or(inside).ok_or_else(unsupported)?.to_string().as_str() {
        "1.2.840.10045.3.1.7" => Curve::P256,
        "1.3.132.0.34" => Curve::P384,
        _ => return Err(unsupported()),
    };
    let point = jws::point(curve, &d)?;
    Ok(Key::Ec { curve, d, point })
}

fn pkcs8(der: &[u8]) -> Result<Key, Fault> {
    let (algorithm, key) = SliceReader::new(der)
        .and_then(|mut reader| {
            reader.sequence(|r| {
                u8::decode(r)?;
                let algorithm = AlgorithmIdentifierRef::decode(r)?;
                let key = OctetStringRef::decode(r)?.as_bytes();
                // Attributes and the public key may follow.
                while !r.is_finished() {
                    AnyRef::decode(r)?;
                }
                Ok((algorithm, key))
            })
        })
        .map_err(malformed)?;
    match algorithm.oid {
        jwk::RSA => pkcs1(key),
        jwk::EC => sec1(key, Some(algorithm.parameters_oid().map_err(|e| fault(e.to_string()))?)),
        jwk::ED25519 => {
            let seed = OctetStringRef::from_der(key).map_err(malformed)?.as_bytes().to_vec();
            Ok(Key::Ed25519 { point: jws::ed25519_public(&seed)?, seed })
        }
        _ => Err(fault("the kind of the private key is not supported")),
    }
}

/// The keys of PEM text; blocks of other things are passed over.
fn keys(text: &str) -> Result<Vec<Key>, Fault> {
    let decoded = pem::base64(text).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let mut keys = Vec::new();
    for block in pem::all(decoded.as_deref().unwrap_or(text)) {
        match block.label.as_str() {
            "RSA PRIVATE KEY" => keys.push(pkcs1(&block.der)?),
            "PRIVATE KEY" => keys.push(pkcs8(&block.der)?),
            "EC PRIVATE KEY" => keys.push(sec1(&block.der, None)?),
            _ => {}
        }
    }
    Ok(keys)
}

impl Key {
    fn public(&self) -> Public {
        match self {
            Self::Rsa([n, e, ..]) => Public::Rsa { n: n.clone(), e: e.clone() },
            Self::Ec { curve, point, .. } => Public::Ec { curve: *curve, point: point.clone() },
            Self::Ed25519 { point, .. } => Public::Ed25519(point.clone()),
        }
    }

    /// As Go prints it. What it computes for its own use is left out, but for the numbers of RFC 8017.
    fn to_value(&self) -> Value {
        match self {
            Self::Rsa([n, e, d, p, q, dp, dq, qi]) => make_object([
                ("N", number(n)),
                ("E", number(e)),
                ("D", number(d)),
                ("Primes", Value::from(vec![number(p), number(q)])),
                (
                    "Precomputed",
                    make_object([
                        ("Dp", number(dp)),
                        ("Dq", number(dq)),
                        ("Qinv", number(qi)),
                        ("CRTValues", Value::new_array()),
                    ]),
                ),
            ]),
            Self::Ec { curve, d, point } => {
                let coordinates = point.get(1..).unwrap_or_default();
                let (x, y) = coordinates.split_at_checked(curve.bytes()).unwrap_or_default();
                make_object([("Curve", Value::new_object()), ("X", number(x)), ("Y", number(y)), ("D", number(d))])
            }
            Self::Ed25519 { seed, point } => Value::from(pem::to_base64(&[seed.as_slice(), point].concat())),
        }
    }
}

fn parse_all(text: &str) -> Result<Value, Fault> {
    if text.is_empty() {
        return Ok(Value::Null);
    }
    Ok(Value::from(keys(text)?.iter().map(Key::to_value).collect::<Vec<_>>()))
}

/// The first key as a JWK (RFC 7518 6.3, 6.2, RFC 8037 2).
pub(super) fn to_jwk(text: &str) -> Result<Value, Fault> {
    if text.is_empty() {
        return Err(fault("input PEM data was empty"));
    }
    if !text.starts_with("-----BEGIN") {
        pem::base64(text)?;
    }
    let url = |bytes: &[u8]| Value::from(pem::to_base64url(bytes));
    Ok(match keys(text)?.first() {
        None => Value::Null,
        Some(Key::Rsa(parts)) => {
            let names = ["n", "e", "d", "p", "q", "dp", "dq", "qi"];
            let members = names.into_iter().zip(parts.iter().map(|part| url(part)));
            make_object(members.chain([("kty", Value::from("RSA"))]))
        }
        Some(Key::Ec { curve, d, point }) => {
            let coordinates = point.get(1..).unwrap_or_default();
            let (x, y) = coordinates.split_at_checked(curve.bytes()).unwrap_or_default();
            let name = if *curve == Curve::P256 { "P-256" } else { "P-384" };
            make_object([
                ("kty", Value::from("EC")),
                ("crv", Value::from(name)),
                ("x", url(x)),
                ("y", url(y)),
                ("d", url(d)),
            ])
        }
        Some(Key::Ed25519 { seed, point }) => make_object([
            ("kty", Value::from("OKP")),
            ("crv", Value::from("Ed25519")),
            ("x", url(point)),
            ("d", url(seed)),
        ]),
    })
}

/// A certificate and its key as Go's `tls.Certificate`. That they belong together is verified.
fn pair(certificate: &str, key: &str) -> Result<Value, Fault> {
    let chain = x509::certificates(certificate)?;
    let key = if key.starts_with("-----BEGIN") {
        keys(key)?.into_iter().next()
    } else {
        let bytes = pem::base64(key)?;
        match std::str::from_utf8(&bytes) {
            Ok(text) if text.starts_with("-----BEGIN") => keys(text)?.into_iter().next(),
            _ => Some(pkcs8(&bytes)?),
        }
    };
    let (Some((leaf, der)), Some(key)) = (chain.first(), key) else {
        return Err(fault("there is no certificate or no private key"));
    };
    if jwk::from_spki(leaf.tbs_certificate.subject_public_key_info.owned_to_ref())? != key.public() {
        return Err(fault("private key does not match public key"));
    }
    Ok(make_object([
        ("Certificate", Value::from(chain.iter().map(|(_, der)| Value::from(pem::to_base64(der))).collect::<Vec<_>>())),
        ("PrivateKey", key.to_value()),
        ("SupportedSignatureAlgorithms", Value::Null),
        ("OCSPStaple", Value::Null),
        ("SignedCertificateTimestamps", Value::Null),
        ("Leaf", x509::to_value(leaf, der)?),
    ]))
}
