//! What a browser is asked, as `parseCreationOptionsFromJSON` and `parseRequestOptionsFromJSON` take it (WebAuthn Level 3 §5.1).

use serde_json::{Value, json};

use super::{base64url, bytes_of};

/// How long a browser may take, in milliseconds.
const TIMEOUT: u32 = 300_000;

/// For whom a passkey is made, and where it will sign.
#[derive(Debug, Clone, Copy)]
pub struct NewPasskey<'a> {
    /// The name that the relying party has in the browser's window.
    pub party: &'a str,
    /// The relying party's id.
    pub rp_id: &'a str,
    /// The person's opaque id, which the authenticator keeps.
    pub person: &'a str,
    /// What the browser calls the person.
    pub name: &'a str,
    /// Credentials that the person has: their authenticators make no second one.
    pub has: &'a [String],
}

/// The request for a new passkey: ES256, the person verified, no attestation.
#[must_use]
pub fn creation(new: &NewPasskey<'_>, challenge: &[u8]) -> Value {
    json!({
        "rp": {"id": new.rp_id, "name": new.party},
        "user": {"id": base64url(new.person.as_bytes()), "name": new.name, "displayName": new.name},
        "challenge": base64url(challenge),
        "pubKeyCredParams": [{"type": "public-key", "alg": -7}],
        "timeout": TIMEOUT,
        "excludeCredentials": credentials(new.has),
        "authenticatorSelection": {"residentKey": "preferred", "userVerification": "required"},
        "attestation": "none",
    })
}

/// The request for a signature by one passkey, with the person verified.
#[must_use]
pub fn request(rp_id: &str, credential: &str, challenge: &[u8]) -> Value {
    json!({
        "rpId": rp_id, "challenge": base64url(challenge), "timeout": TIMEOUT, "userVerification": "required",
        "allowCredentials": credentials(&[credential.to_owned()]),
    })
}

/// The request for a signature by whichever passkey of the relying party the person chooses, with the person verified. Only passkeys
/// that their authenticator finds by itself (discoverable ones) answer it.
#[must_use]
pub fn request_any(rp_id: &str, challenge: &[u8]) -> Value {
    json!({
        "rpId": rp_id, "challenge": base64url(challenge), "timeout": TIMEOUT, "userVerification": "required",
        "allowCredentials": [],
    })
}

/// The challenge and the relying party's id in a request for a new passkey.
#[must_use]
pub fn asked(options: &Value) -> Option<(Vec<u8>, String)> {
    let text = |at: &str| options.pointer(at).and_then(Value::as_str);
    Some((bytes_of(text("/challenge")?).ok()?, text("/rp/id")?.to_owned()))
}

fn credentials(ids: &[String]) -> Vec<Value> {
    ids.iter().map(|id| json!({"type": "public-key", "id": id})).collect()
}
