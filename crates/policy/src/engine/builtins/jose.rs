//! Signatures over JSON web tokens, for bundles: the same code that policies call as `io.jwt`.

use super::{args, jwk, jws, private_keys};

/// Whether a key (PEM or JWK) made a signature.
pub(crate) fn verify(algorithm: &str, key: &str, message: &[u8], signature: &[u8]) -> Result<bool, String> {
    let keys = jwk::public_keys(key).map_err(|e| e.to_string())?;
    for named in keys.iter().filter(|k| k.alg.as_deref().is_none_or(|a| a == algorithm)) {
        if jws::verify(algorithm, &named.key, message, signature).map_err(|e| e.to_string())? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Signs by a private key (PEM or JWK).
pub(crate) fn sign(algorithm: &str, key: &str, message: &[u8]) -> Result<Vec<u8>, String> {
    let text = if key.contains("-----BEGIN") {
        let jwk = private_keys::to_jwk(key).map_err(|e| e.to_string())?;
        args::to_json(&jwk).map_err(|e| e.to_string())?
    } else {
        key.to_owned()
    };
    let key = jwk::private_key(&text).map_err(|e| e.to_string())?;
    jws::sign(algorithm, &key, message).map_err(|e| e.to_string())
}
