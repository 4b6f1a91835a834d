//! Signatures (RFC 7518, 8037): RSA, ECDSA over P-256 and P-384, Ed25519 and HMAC.
//!
//! Stricter than OPA: an algorithm goes with the one curve that RFC 7518 3.4 names for it, RSA keys have 2048 bits at
//! least (RFC 7518 3.3). P-521 is not supported. What is signed here is the same every time: ECDSA after RFC 6979, and
//! no RSASSA-PSS, whose salt is random.

use p256::ecdsa::signature::Signer as _;
use ring::signature::{self, KeyPair as _, UnparsedPublicKey};
use ring::{hmac, rand, rsa};

use super::Fault;
use super::args::fault;
use super::jwk::{Private, Public};

/// A curve of NIST.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Curve {
    P256,
    P384,
    P521,
}

impl Curve {
    /// The length of a coordinate.
    pub(super) fn bytes(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }
}

/// Whether a name is one of the algorithms that OPA knows.
pub(super) fn known(alg: &str) -> bool {
    matches!(alg, "RS256" | "RS384" | "RS512" | "PS256" | "PS384" | "PS512" | "ES256" | "ES384" | "ES512" | "EdDSA")
        || hmac_of(alg).is_some()
}

fn hmac_of(alg: &str) -> Option<hmac::Algorithm> {
    match alg {
        "HS256" => Some(hmac::HMAC_SHA256),
        "HS384" => Some(hmac::HMAC_SHA384),
        "HS512" => Some(hmac::HMAC_SHA512),
        _ => None,
    }
}

fn no_p521() -> Fault {
    Fault::Refused("ES512 and the curve P-521 are not supported".to_owned())
}

/// Whether `key` made `signature` of `message`. A key of another kind did not.
pub(super) fn verify(alg: &str, key: &Public, message: &[u8], signed: &[u8]) -> Result<bool, Fault> {
    let rsa: Option<&signature::RsaParameters> = match alg {
        "RS256" => Some(&signature::RSA_PKCS1_2048_8192_SHA256),
        "RS384" => Some(&signature::RSA_PKCS1_2048_8192_SHA384),
        "RS512" => Some(&signature::RSA_PKCS1_2048_8192_SHA512),
        "PS256" => Some(&signature::RSA_PSS_2048_8192_SHA256),
        "PS384" => Some(&signature::RSA_PSS_2048_8192_SHA384),
        "PS512" => Some(&signature::RSA_PSS_2048_8192_SHA512),
        _ => None,
    };
    let ring = |algorithm: &'static dyn signature::VerificationAlgorithm, key: &[u8]| {
        UnparsedPublicKey::new(algorithm, key).verify(message, signed).is_ok()
    };
    Ok(match (alg, key) {
        (_, Public::Rsa { n, e }) => {
            rsa.is_some_and(|p| signature::RsaPublicKeyComponents { n, e }.verify(p, message, signed).is_ok())
        }
        ("ES256", Public::Ec { curve: Curve::P256, point }) => ring(&signature::ECDSA_P256_SHA256_FIXED, point),
        ("ES384", Public::Ec { curve: Curve::P384, point }) => ring(&signature::ECDSA_P384_SHA384_FIXED, point),
        ("ES512", Public::Ec { curve: Curve::P521, .. }) => return Err(no_p521()),
        ("EdDSA", Public::Ed25519(point)) => ring(&signature::ED25519, point),
        (_, Public::Secret(secret)) => {
            hmac_of(alg).is_some_and(|a| hmac::verify(&hmac::Key::new(a, secret), message, signed).is_ok())
        }
        _ => false,
    })
}

/// The signature of `message`.
pub(super) fn sign(alg: &str, key: &Private, message: &[u8]) -> Result<Vec<u8>, Fault> {
    let mismatch = || fault(format!("the key is not one for {alg}"));
    let malformed = |e: String| fault(format!("the key is malformed: {e}"));
    match (alg, key) {
        ("RS256", Private::Rsa(parts)) => sign_rsa(&signature::RSA_PKCS1_SHA256, parts, message),
        ("RS384", Private::Rsa(parts)) => sign_rsa(&signature::RSA_PKCS1_SHA384, parts, message),
        ("RS512", Private::Rsa(parts)) => sign_rsa(&signature::RSA_PKCS1_SHA512, parts, message),
        ("PS256" | "PS384" | "PS512", Private::Rsa(_)) => {
            Err(Fault::Refused(format!("a signature with {alg} is another one each time: no replay could make it")))
        }
        ("ES256", Private::Ec { curve: Curve::P256, d }) => {
            let key = p256::ecdsa::SigningKey::from_slice(d).map_err(|e| malformed(e.to_string()))?;
            let signed: p256::ecdsa::Signature = key.try_sign(message).map_err(|e| malformed(e.to_string()))?;
            Ok(signed.to_bytes().to_vec())
        }
        ("ES384", Private::Ec { curve: Curve::P384, d }) => {
            let key = p384::ecdsa::SigningKey::from_slice(d).map_err(|e| malformed(e.to_string()))?;
            let signed: p384::ecdsa::Signature = key.try_sign(message).map_err(|e| malformed(e.to_string()))?;
            Ok(signed.to_bytes().to_vec())
        }
        ("ES512", Private::Ec { curve: Curve::P521, .. }) => Err(no_p521()),
        ("EdDSA", Private::Ed25519(seed)) => {
            let pair = signature::Ed25519KeyPair::from_seed_unchecked(seed).map_err(|e| malformed(e.to_string()))?;
            Ok(pair.sign(message).as_ref().to_vec())
        }
        (_, Private::Secret(secret)) => {
            let algorithm = hmac_of(alg).ok_or_else(mismatch)?;
            Ok(hmac::sign(&hmac::Key::new(algorithm, secret), message).as_ref().to_vec())
        }
        _ => Err(mismatch()),
    }
}

fn sign_rsa(
    padding: &'static dyn signature::RsaEncoding,
    parts: &[Vec<u8>; 8],
    message: &[u8],
) -> Result<Vec<u8>, Fault> {
    let [n, e, d, p, q, dp, dq, qi] = parts;
    let public_key = rsa::PublicKeyComponents { n, e };
    let pair = rsa::KeyPair::from_components(&rsa::KeyPairComponents { public_key, d, p, q, dP: dp, dQ: dq, qInv: qi })
        .map_err(|e| fault(format!("the key is malformed: {e}")))?;
    let mut signed = vec![0; pair.public().modulus_len()];
    // The random numbers only hide the key from who measures; this padding leaves no choice in the signature.
    pair.sign(padding, &rand::SystemRandom::new(), message, &mut signed)
        .map_err(|_| fault("the key does not make a signature that it verifies"))?;
    Ok(signed)
}

/// The point of a scalar, uncompressed.
pub(super) fn point(curve: Curve, d: &[u8]) -> Result<Vec<u8>, Fault> {
    let malformed = |e: p256::ecdsa::Error| fault(format!("the key is malformed: {e}"));
    match curve {
        Curve::P256 => {
            let key = p256::ecdsa::SigningKey::from_slice(d).map_err(malformed)?;
            Ok(key.verifying_key().to_encoded_point(false).as_bytes().to_vec())
        }
        Curve::P384 => {
            let key = p384::ecdsa::SigningKey::from_slice(d).map_err(malformed)?;
            Ok(key.verifying_key().to_encoded_point(false).as_bytes().to_vec())
        }
        Curve::P521 => Err(no_p521()),
    }
}

/// The public key of a seed.
pub(super) fn ed25519_public(seed: &[u8]) -> Result<Vec<u8>, Fault> {
    let pair = signature::Ed25519KeyPair::from_seed_unchecked(seed)
        .map_err(|e| fault(format!("the key is malformed: {e}")))?;
    Ok(pair.public_key().as_ref().to_vec())
}
