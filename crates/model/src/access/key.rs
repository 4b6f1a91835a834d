//! What a person signs with.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// By how many seconds a signer's clock may be ahead of the place in the log where the statement stands.
pub const CLOCK_SKEW_SECONDS: i64 = 300;

/// The kind of a key; for keys that sign acts it is the strength of what they sign as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyKind {
    /// An SSH key in a file or an agent.
    SshKey,
    /// An SSH key in a FIDO2 token: somebody touched it.
    SshHardwareKey,
    /// A WebAuthn credential: the person was verified by it (PIN or biometrics).
    Passkey,
    /// An OpenPGP key: it signs commits and no acts.
    Openpgp,
}

impl KeyKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::SshKey, Self::SshHardwareKey, Self::Passkey, Self::Openpgp];

    /// The text form.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SshKey => "ssh-key",
            Self::SshHardwareKey => "ssh-hardware-key",
            Self::Passkey => "passkey",
            Self::Openpgp => "openpgp",
        }
    }

    /// Whether acts can be signed with it.
    #[must_use]
    pub const fn signs_acts(self) -> bool {
        !matches!(self, Self::Openpgp)
    }
}

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for KeyKind {
    type Err = String;
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|k| k.as_str() == s).ok_or_else(|| format!("no such kind of key: `{s}`"))
    }
}

/// Whether a text is the whole fingerprint of an OpenPGP key as it is written here: upper-case hex.
#[must_use]
pub fn is_openpgp_fingerprint(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'A'..=b'F'))
}

/// What is known of a passkey beside its key (WebAuthn Level 2). None of it names a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Passkey {
    /// The credential's id, base64url without padding.
    pub credential: String,
    /// The origin in which it signs, `https://host[:port]`.
    pub origin: String,
    /// The kind of authenticator (AAGUID), 32 hex digits.
    pub aaguid: String,
    /// How the authenticator vouched for the key: `none` or `packed-self`.
    pub attestation: String,
    /// The signature counter when it was enrolled; 0 where the authenticator keeps none.
    pub counter: u32,
    /// Whether the key may leave its device, to be on others of the same person (flag BE). It says so in every signature.
    pub backup_eligible: bool,
    /// Whether it had left it when it was enrolled (flag BS).
    pub backed_up: bool,
}

impl Passkey {
    /// What an approval says of its strength: a key that may be on several devices is no key of one device.
    #[must_use]
    pub const fn strength(&self) -> &'static str {
        if self.backup_eligible { "synced-passkey" } else { "passkey" }
    }
}
