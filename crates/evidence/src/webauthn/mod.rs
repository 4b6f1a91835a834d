//! Passkeys (W3C Web Authentication Level 2) as signers of acts.
//!
//! What a browser answers is carried as an SSHSIG whose signature has OpenSSH's format
//! `webauthn-sk-ecdsa-sha2-nistp256@openssh.com` (OpenSSH PROTOCOL.u2f): the challenge that the authenticator signs is what an SSH
//! signature is over, namespace included. So an act that was signed with a passkey is an act like any other, and
//! `ssh-keygen -Y verify` (OpenSSH 8.4 and later) proves it. The key is an `sk-ecdsa-sha2-nistp256@openssh.com` whose application
//! is the relying party's id.
//!
//! Narrower than the specification, on purpose:
//!
//! - keys are ES256 (COSE −7); OpenSSH has no form for a passkey of EdDSA in versions that are about, so those are refused;
//! - registrations and signatures count only where the person was present *and* verified (flags UP and UV);
//! - for exactly this challenge and this origin, and never inside another site's frame;
//! - attestation is `none`, or `packed` by the key itself; nobody's certificate is looked at;
//! - signatures carry no extensions, and a signature has one form: `s` is the smaller of the two (SEC 1 §4.1.4 accepts both).

mod assertion;
mod cbor;
mod client_data;
mod ecdsa;
mod error;
mod explain;
mod options;
mod registration;

pub(crate) use assertion::{ALGORITHM, verify};
pub use assertion::{Assertion, Proof, advances, challenge, proof};
pub use error::PasskeyError;
pub use explain::EXPLANATIONS;
pub use options::{NewPasskey, asked, creation, request, request_any};
pub use registration::{Registration, check_enrolment, register};

use crate::encoding::{from_base64url, to_base64url};

/// Bytes of the largest answer of a browser that is read.
const LARGEST: usize = 64 << 10;

/// Flags of authenticator data (WebAuthn §6.1): the person was present, was verified, the credential may be and is backed up, a
/// credential follows, extensions follow.
const PRESENT: u8 = 0x01;
const VERIFIED: u8 = 0x04;
const BACKUP_ELIGIBLE: u8 = 0x08;
const BACKED_UP: u8 = 0x10;
const HAS_CREDENTIAL: u8 = 0x40;
const HAS_EXTENSIONS: u8 = 0x80;

/// Base64url without padding (RFC 4648 §5), as browsers write bytes in JSON.
#[must_use]
pub fn base64url(bytes: &[u8]) -> String {
    to_base64url(bytes)
}

fn bytes_of(text: &str) -> Result<Vec<u8>, PasskeyError> {
    from_base64url(text).ok_or(PasskeyError::Form("a value is not base64url without padding"))
}

/// Checks that credentials of this relying party can be used in this origin (WebAuthn §5.1.3): it is `https`, or `http` on this
/// very machine, and its host is the relying party's id or below it. The one form of an origin has no path, no user, no `:443`
/// and no capital letters.
///
/// # Errors
/// [`PasskeyError::Origin`].
pub fn check_origin(origin: &str, rp_id: &str) -> Result<(), PasskeyError> {
    let bad = || PasskeyError::Origin("it is no https://HOST[:PORT], and no http://localhost[:PORT]");
    let (rest, is_plain, standard) = match (origin.strip_prefix("https://"), origin.strip_prefix("http://")) {
        (Some(rest), _) => (rest, false, "443"),
        (None, Some(rest)) => (rest, true, "80"),
        (None, None) => return Err(bad()),
    };
    let (host, port) = rest.split_once(':').map_or((rest, None), |(host, port)| (host, Some(port)));
    let is_port = |p: &str| p != standard && p.parse::<u16>().is_ok_and(|n| n != 0 && n.to_string() == p);
    let is_label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    let is_host = host.len() <= 253 && host.split('.').all(is_label);
    if !is_host || port.is_some_and(|p| !is_port(p)) || (is_plain && host != "localhost") {
        return Err(bad());
    }
    // A relying party of one label would be a whole top-level domain.
    let is_below = rp_id.contains('.') && host.strip_suffix(rp_id).is_some_and(|rest| rest.ends_with('.'));
    let is_address = host.split('.').all(|label| label.bytes().all(|b| b.is_ascii_digit()));
    if is_address {
        return Err(PasskeyError::Origin("browsers make no passkeys for addresses of machines, only for names"));
    }
    if host == rp_id || (is_below && !rp_id.starts_with('.')) {
        return Ok(());
    }
    Err(PasskeyError::Origin("its host is neither the relying party's id nor below it"))
}

/// What an authenticator must have said of the person.
const fn check_flags(flags: u8) -> Result<(), PasskeyError> {
    if flags & PRESENT == 0 {
        return Err(PasskeyError::NotPresent);
    }
    if flags & VERIFIED == 0 {
        return Err(PasskeyError::NotVerified);
    }
    if flags & BACKED_UP != 0 && flags & BACKUP_ELIGIBLE == 0 {
        return Err(PasskeyError::Form("the authenticator says that the key is backed up and cannot be"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_of_its_relying_party() {
        for (origin, rp_id) in [
            ("https://example.test", "example.test"),
            ("https://sign.example.test", "example.test"),
            ("https://sign.example.test:8443", "sign.example.test"),
            ("http://localhost:8080", "localhost"),
        ] {
            assert_eq!(check_origin(origin, rp_id), Ok(()), "{origin}");
        }
        for (origin, rp_id) in [
            ("http://example.test", "example.test"),
            ("https://example.test/", "example.test"),
            ("https://example.test.", "example.test"),
            ("https://badexample.test", "example.test"),
            ("https://example.test", "sign.example.test"),
            ("https://example.test", "test"),
            ("https://example.test", ".test"),
            ("https://sign.example.test", ".example.test"),
            ("https://Example.test", "Example.test"),
            ("https://example.test:0443", "example.test"),
            ("https://example.test:443", "example.test"),
            ("https://example.test:", "example.test"),
            ("https://example.test\"", "example.test\""),
            ("https://", ""),
            ("https://127.0.0.1", "127.0.0.1"),
            ("https://a@example.test", "example.test"),
            ("https://-a.example.test", "example.test"),
            ("example.test", "example.test"),
            ("", ""),
        ] {
            assert!(matches!(check_origin(origin, rp_id), Err(PasskeyError::Origin(_))), "{origin}");
        }
    }
}
