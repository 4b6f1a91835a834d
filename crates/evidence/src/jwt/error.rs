//! What can be wrong with a token, each with a stable code.

use countersign_model::{Diagnostic, Exit, Timestamp};

/// Why a token is not believed. No text of the token's claims but who issued it and whom it is for is repeated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// Not a JWT in compact JWS form, as narrow as it is read here.
    #[error("not an identity token: {0}")]
    Form(&'static str),
    /// Its algorithm is none that exists here, or that its issuer signs with.
    #[error("the token's algorithm `{}` is not accepted", name.escape_debug())]
    Algorithm {
        /// As the header names it.
        name: String,
    },
    /// The issuer's keys are no JWK set, or the key is not to be used.
    #[error("the issuer's keys cannot be used: {0}")]
    KeySet(&'static str),
    /// The issuer has no such key.
    #[error("the issuer has no key `{}`", kid.escape_debug())]
    UnknownKey {
        /// The key's name in the token.
        kid: String,
    },
    /// The token does not name its key, and the issuer has several.
    #[error("the token does not name the key that signed it, and its issuer has not just one")]
    UnnamedKey,
    /// The key is for another algorithm.
    #[error("the key that the token names is not for {name}")]
    OtherAlgorithm {
        /// The token's algorithm.
        name: &'static str,
    },
    /// The signature does not verify.
    #[error("the token's signature does not verify under its issuer's key")]
    Signature,
    /// Somebody else issued it.
    #[error("the token was issued by `{}`, who is not trusted for it", found.escape_debug())]
    Issuer {
        /// Who.
        found: String,
    },
    /// It is for somebody else.
    #[error("the token is for `{}`, not for us", found.escape_debug())]
    Audience {
        /// For whom.
        found: String,
    },
    /// It is over.
    #[error("the token expired at {at}")]
    Expired {
        /// When.
        at: Timestamp,
    },
    /// It is not valid yet.
    #[error("the token is valid from {at} on only")]
    NotYet {
        /// From when.
        at: Timestamp,
    },
    /// A claim is missing or malformed.
    #[error("the token's claim `{claim}` {what}")]
    Claim {
        /// Which.
        claim: &'static str,
        /// What is wrong.
        what: &'static str,
    },
}

impl Diagnostic for TokenError {
    fn code(&self) -> &'static str {
        match self {
            Self::Form(_) => "CS-TOKEN-001",
            Self::Algorithm { .. } => "CS-TOKEN-002",
            Self::KeySet(_) => "CS-TOKEN-003",
            Self::UnknownKey { .. } => "CS-TOKEN-004",
            Self::UnnamedKey => "CS-TOKEN-005",
            Self::OtherAlgorithm { .. } => "CS-TOKEN-006",
            Self::Signature => "CS-TOKEN-007",
            Self::Issuer { .. } => "CS-TOKEN-008",
            Self::Audience { .. } => "CS-TOKEN-009",
            Self::Expired { .. } => "CS-TOKEN-010",
            Self::NotYet { .. } => "CS-TOKEN-011",
            Self::Claim { .. } => "CS-TOKEN-012",
        }
    }

    fn exit(&self) -> Exit {
        Exit::Unverified
    }

    fn help(&self) -> String {
        match self {
            Self::Form(_) | Self::Claim { .. } => {
                "hand over the token as the CI system gave it: one line with three segments".into()
            }
            Self::Algorithm { .. } | Self::KeySet(_) | Self::OtherAlgorithm { .. } => {
                "let the issuer sign with RS256 or ES256 and publish that key; `countersign issuer show` says what is \
                 accepted"
                    .into()
            }
            Self::UnknownKey { .. } | Self::UnnamedKey | Self::Signature => {
                "compare the issuer's keys with those in effect: `countersign issuer show`".into()
            }
            Self::Issuer { .. } => "a security officer trusts an issuer with `countersign issuer activate FILE`".into(),
            Self::Audience { .. } => "request the token for the audience that `countersign issuer show` names".into(),
            Self::Expired { .. } | Self::NotYet { .. } => {
                "request a new token, and compare the clocks of both machines".into()
            }
        }
    }
}
