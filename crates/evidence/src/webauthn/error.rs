//! What can be wrong with a passkey, each with a stable code.

use countersign_model::{Diagnostic, Exit};

/// Why an answer of a browser, or what it became, is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PasskeyError {
    /// Not the answer that was expected, as narrow as it is read here.
    #[error("not a passkey's answer: {0}")]
    Form(&'static str),
    /// The client data is of another ceremony.
    #[error("the passkey answered something else: {0}")]
    Ceremony(&'static str),
    /// The authenticator answered another relying party.
    #[error("the passkey answered another relying party than `{}`", expected.escape_debug())]
    RelyingParty {
        /// The one that asked.
        expected: String,
    },
    /// Nobody was there.
    #[error("nobody was present when the passkey answered")]
    NotPresent,
    /// Somebody was there, and who is not known.
    #[error("the passkey did not verify the person by PIN or biometrics")]
    NotVerified,
    /// The key's algorithm has no place here.
    #[error("the passkey's key is not accepted: {0}")]
    Algorithm(&'static str),
    /// How the authenticator vouches for the key is not accepted, or is wrong.
    #[error("the passkey's attestation is not accepted: {0}")]
    Attestation(&'static str),
    /// The signature does not verify.
    #[error("the passkey's signature does not verify")]
    Signature,
    /// Another credential answered.
    #[error("another passkey answered than the one that was asked")]
    OtherCredential,
    /// The origin is none, or not the relying party's.
    #[error("the origin of passkeys cannot be used: {0}")]
    Origin(&'static str),
}

impl Diagnostic for PasskeyError {
    fn code(&self) -> &'static str {
        match self {
            Self::Form(_) => "CS-PASSKEY-001",
            Self::Ceremony(_) => "CS-PASSKEY-002",
            Self::RelyingParty { .. } => "CS-PASSKEY-003",
            Self::NotPresent => "CS-PASSKEY-004",
            Self::NotVerified => "CS-PASSKEY-005",
            Self::Algorithm(_) => "CS-PASSKEY-006",
            Self::Attestation(_) => "CS-PASSKEY-007",
            Self::Signature => "CS-PASSKEY-008",
            Self::OtherCredential => "CS-PASSKEY-009",
            Self::Origin(_) => "CS-PASSKEY-010",
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Origin(_) | Self::Algorithm(_) => Exit::Usage,
            _ => Exit::Unverified,
        }
    }

    fn help(&self) -> String {
        match self {
            Self::Form(_) => "hand over what `JSON.stringify(credential)` gives in the browser, whole".into(),
            Self::Ceremony(_) | Self::Signature => {
                "ask again, and let the browser answer this request in the origin that it names".into()
            }
            Self::RelyingParty { .. } | Self::OtherCredential => {
                "answer with the passkey that the request names: `countersign person key list`".into()
            }
            Self::NotPresent | Self::NotVerified => {
                "ask for `userVerification: \"required\"`, as the request says, and set a PIN or biometrics on the \
                 authenticator"
                    .into()
            }
            Self::Algorithm(_) => "make the passkey with ES256 (-7), as the request asks for".into(),
            Self::Attestation(_) => "make the passkey with attestation \"none\", as the request asks for".into(),
            Self::Origin(_) => {
                "name both in countersign.toml: [passkeys] origin = \"https://HOST\", rp_id = \"HOST\"".into()
            }
        }
    }
}
