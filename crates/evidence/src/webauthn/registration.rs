//! A new passkey: from the browser's answer to a key that can be enrolled (WebAuthn §7.1).

use countersign_model::access::Passkey;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::cbor::{self, Value};
use super::{
    BACKED_UP, BACKUP_ELIGIBLE, HAS_CREDENTIAL, HAS_EXTENSIONS, LARGEST, PasskeyError, bytes_of, check_flags,
    check_origin, client_data, ecdsa,
};
use crate::Error;
use crate::sshsig::{PublicKey, wire};

/// ES256 and EdDSA (RFC 9053 §2.1, §2.2).
const ES256: i64 = -7;
const EDDSA: i64 = -8;
/// Bytes of the longest id of a credential (WebAuthn §5.8.3).
const LONGEST_ID: usize = 1023;

/// How an authenticator vouched for a key.
const NONE: &str = "none";
const SELF: &str = "packed-self";

/// A passkey that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// Its public key, as `sk-ecdsa-sha2-nistp256@openssh.com` with the relying party's id as application.
    pub key: PublicKey,
    /// What is known of it beside the key.
    pub passkey: Passkey,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    id: String,
    raw_id: String,
    #[serde(rename = "type")]
    kind: String,
    response: Response,
}

#[derive(Deserialize)]
struct Response {
    #[serde(rename = "clientDataJSON")]
    client_data: String,
    #[serde(rename = "attestationObject")]
    attestation: String,
}

/// Reads and verifies the browser's answer to the request for a new passkey, the JSON of `PublicKeyCredential.toJSON()`
/// (WebAuthn Level 3 §5.1).
///
/// # Errors
/// [`Error::Passkey`]: it is no answer to this challenge in this origin, the person was not verified, or the key is not ES256.
pub fn register(bytes: &[u8], challenge: &[u8], origin: &str, rp_id: &str) -> Result<Registration, Error> {
    check_origin(origin, rp_id)?;
    let new = read(bytes, challenge, origin, rp_id)?;
    let mut blob = Vec::new();
    wire::put(&mut blob, b"sk-ecdsa-sha2-nistp256@openssh.com");
    wire::put(&mut blob, b"nistp256");
    wire::put(&mut blob, &new.point);
    wire::put(&mut blob, rp_id.as_bytes());
    Ok(Registration {
        key: PublicKey::from_blob(&blob)?,
        passkey: Passkey {
            credential: new.id,
            origin: origin.to_owned(),
            aaguid: new.aaguid,
            attestation: new.attestation.to_owned(),
            counter: new.counter,
            backup_eligible: new.flags & BACKUP_ELIGIBLE != 0,
            backed_up: new.flags & BACKED_UP != 0,
        },
    })
}

/// Whether what an enrolment says of a passkey can be so, whoever wrote it: the key is one of ES256 for the relying party of its
/// origin, and every text has the form that [`register`] gives it.
///
/// # Errors
/// [`PasskeyError`].
pub fn check_enrolment(key: &PublicKey, said: &Passkey) -> Result<(), PasskeyError> {
    let strange = PasskeyError::Algorithm("it is no key of ES256 over P-256");
    let (Some(application), Some(point)) = (key.application(), key.p256_point()) else { return Err(strange) };
    check_origin(&said.origin, &application)?;
    if !ecdsa::is_point(point) {
        return Err(strange);
    }
    let id = bytes_of(&said.credential)?.len();
    let is_aaguid =
        said.aaguid.len() == 32 && said.aaguid.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    if !(1..=LONGEST_ID).contains(&id) || !is_aaguid || (said.backed_up && !said.backup_eligible) {
        return Err(PasskeyError::Form("what is said of the passkey cannot be so"));
    }
    if said.attestation != NONE && said.attestation != SELF {
        return Err(PasskeyError::Attestation("it is neither none nor by the key itself"));
    }
    Ok(())
}

struct New {
    point: [u8; 65],
    id: String,
    aaguid: String,
    attestation: &'static str,
    counter: u32,
    flags: u8,
}

fn read(bytes: &[u8], challenge: &[u8], origin: &str, rp_id: &str) -> Result<New, PasskeyError> {
    if bytes.len() > LARGEST {
        return Err(PasskeyError::Form("it is larger than 64 KiB"));
    }
    let answer: Answer =
        serde_json::from_slice(bytes).map_err(|_| PasskeyError::Form("it is no JSON of a new credential"))?;
    if answer.kind != "public-key" || answer.id != answer.raw_id {
        return Err(PasskeyError::Form("it is of no public-key credential"));
    }
    let said = bytes_of(&answer.response.client_data)?;
    client_data::check(&said, "webauthn.create", challenge, origin)?;
    let object = bytes_of(&answer.response.attestation)?;
    let strange = PasskeyError::Form("the attestation object is not the CBOR that was expected");
    let object = cbor::read(&object).ok_or_else(|| strange.clone())?;
    let of = |key: &str| object.get(&Value::Text(key));
    let (Some(Value::Text(format)), Some(statement @ Value::Map(_)), Some(data), 3) =
        (of("fmt"), of("attStmt"), of("authData").and_then(Value::bytes), object.entries())
    else {
        return Err(strange);
    };
    let new = Credential::parse(data, rp_id)?;
    if bytes_of(&answer.id)? != new.id {
        return Err(PasskeyError::OtherCredential);
    }
    let attestation = match *format {
        NONE if statement.entries() == 0 => NONE,
        "packed" => {
            new.attested_by_itself(statement, data, &said)?;
            SELF
        }
        _ => return Err(PasskeyError::Attestation("it is neither none nor by the key itself")),
    };
    let aaguid = countersign_model::digest::to_hex(new.aaguid);
    Ok(New { point: new.point, id: answer.id, aaguid, attestation, counter: new.counter, flags: new.flags })
}

/// Authenticator data with a new credential (WebAuthn §6.5.1).
struct Credential<'a> {
    flags: u8,
    counter: u32,
    aaguid: &'a [u8],
    id: &'a [u8],
    /// The point, `04 ‖ x ‖ y` (SEC 1 §2.3.3); on the curve.
    point: [u8; 65],
}

impl<'a> Credential<'a> {
    fn parse(bytes: &'a [u8], rp_id: &str) -> Result<Self, PasskeyError> {
        let cut = || PasskeyError::Form("the authenticator data is cut off");
        let mut reader = wire::Reader::new(bytes);
        let rp_id_hash = reader.take(32).ok_or_else(cut)?;
        let flags = reader.take(1).and_then(<[u8]>::first).copied().ok_or_else(cut)?;
        let counter = reader.u32().ok_or_else(cut)?;
        if rp_id_hash != &Sha256::digest(rp_id)[..] {
            return Err(PasskeyError::RelyingParty { expected: rp_id.to_owned() });
        }
        check_flags(flags)?;
        if flags & HAS_CREDENTIAL == 0 {
            return Err(PasskeyError::Form("it brings no credential"));
        }
        let aaguid = reader.take(16).ok_or_else(cut)?;
        let len = reader.take(2).and_then(<[u8]>::first_chunk::<2>).ok_or_else(cut)?;
        let id = reader.take(usize::from(u16::from_be_bytes(*len))).ok_or_else(cut)?;
        if id.is_empty() || id.len() > LONGEST_ID {
            return Err(PasskeyError::Form("the credential's id is not of 1 to 1023 bytes"));
        }
        let strange = || PasskeyError::Form("the credential's key is not the CBOR that was expected");
        let (key, rest) = cbor::read_first(reader.rest()).ok_or_else(strange)?;
        // Authenticators say how they protect the credential, whether asked or not. Nothing is concluded from it.
        let is_over = if flags & HAS_EXTENSIONS == 0 {
            rest.is_empty()
        } else {
            cbor::read(rest).is_some_and(|extensions| matches!(extensions, Value::Map(_)))
        };
        if !is_over {
            return Err(PasskeyError::Form("something follows the credential"));
        }
        Ok(Self { flags, counter, aaguid, id, point: es256(&key)? })
    }

    /// Self attestation (WebAuthn §8.2): the new key signs for itself.
    fn attested_by_itself(&self, statement: &Value<'_>, data: &[u8], client_data: &[u8]) -> Result<(), PasskeyError> {
        let (alg, sig) =
            (statement.get(&Value::Text("alg")), statement.get(&Value::Text("sig")).and_then(Value::bytes));
        let (Some(alg), Some(der), 2) = (alg.and_then(Value::int), sig, statement.entries()) else {
            return Err(PasskeyError::Attestation("it is neither none nor by the key itself"));
        };
        if alg != ES256 {
            return Err(PasskeyError::Attestation("its algorithm is not the key's"));
        }
        let signed = [data, &Sha256::digest(client_data)[..]].concat();
        let good = ecdsa::from_der(der).is_some_and(|signature| ecdsa::verifies(&self.point, &signed, &signature));
        if good { Ok(()) } else { Err(PasskeyError::Attestation("the key does not vouch for itself")) }
    }
}

/// The point of a COSE key (RFC 9053 §7.1.1): EC2, ES256, P-256, both coordinates, and nothing else.
fn es256(key: &Value<'_>) -> Result<[u8; 65], PasskeyError> {
    let of = |n: i64| key.get(&Value::Int(n));
    let number = |n: i64| of(n).and_then(Value::int);
    match number(3) {
        Some(ES256) => {}
        Some(EDDSA) => return Err(PasskeyError::Algorithm("EdDSA, for which OpenSSH has no form")),
        _ => return Err(PasskeyError::Algorithm("it is not ES256")),
    }
    let other = || PasskeyError::Algorithm("it is no key of ES256 over P-256");
    let (Some(x), Some(y)) = (of(-2).and_then(Value::bytes), of(-3).and_then(Value::bytes)) else {
        return Err(other());
    };
    if number(1) != Some(2) || number(-1) != Some(1) || key.entries() != 5 || x.len() != 32 || y.len() != 32 {
        return Err(other());
    }
    let point: [u8; 65] = [&[4], x, y].concat().try_into().map_err(|_| other())?;
    if !ecdsa::is_point(&point) {
        return Err(PasskeyError::Algorithm("its point is not on the curve"));
    }
    Ok(point)
}
