//! Codes, exit codes and long texts of what goes wrong with issuers.

use countersign_model::{Diagnostic, Exit, Explanation};

use super::OidcError;

impl Diagnostic for OidcError {
    fn code(&self) -> &'static str {
        match self {
            Self::Url { .. } => "CS-OIDC-001",
            Self::Unreachable { .. } => "CS-OIDC-002",
            Self::Status { .. } => "CS-OIDC-003",
            Self::Answer { .. } => "CS-OIDC-004",
            Self::Cache { .. } => "CS-OIDC-005",
            Self::Refused { .. } => "CS-OIDC-006",
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Url { .. } => Exit::Usage,
            Self::Unreachable { .. } | Self::Status { .. } | Self::Cache { .. } => Exit::Backend,
            Self::Answer { .. } => Exit::Unverified,
            Self::Refused { .. } => Exit::Forbidden,
        }
    }

    fn help(&self) -> String {
        match self {
            Self::Url { .. } => "name the issuer by an `https://` address, or pin its keys in the file of issuers".into(),
            Self::Unreachable { .. } | Self::Status { .. } => {
                "try again; where the issuer cannot be reached from here, pin its keys: `countersign issuer show --shipped` \
                 shows how"
                    .into()
            }
            Self::Answer { .. } => "compare with what `/.well-known/openid-configuration` of the issuer says".into(),
            Self::Refused { .. } => "begin again at /sign-in; where it goes on, compare client and secret with what the provider has".into(),
            Self::Cache { .. } => "make room or grant access there; nothing was recorded".into(),
        }
    }
}

const fn explained(code: &'static str, exit: Exit, title: &'static str, text: &'static str) -> Explanation {
    Explanation { code, title, text, exit }
}

/// One explanation for every code of [`OidcError`].
pub const EXPLANATIONS: &[Explanation] = &[
    explained(
        "CS-OIDC-001",
        Exit::Usage,
        "an issuer's address is not asked",
        "Keys are fetched over HTTPS, or over plain HTTP from this machine alone: whoever could change them on the way could \
         make tokens. Addresses with a user or a password are refused.",
    ),
    explained(
        "CS-OIDC-002",
        Exit::Backend,
        "an issuer does not answer",
        "No connection could be made, or the exchange took longer than 15 seconds, three times. Nothing was recorded, and no \
         token was believed. In a network without a way out, pin the issuer's keys in the file of issuers.",
    ),
    explained(
        "CS-OIDC-003",
        Exit::Backend,
        "an issuer answers with an error",
        "The server answered with another status than 200. Redirects are not followed: the address in the issuer's own \
         configuration is the one that counts.",
    ),
    explained(
        "CS-OIDC-004",
        Exit::Unverified,
        "an issuer answers with something else",
        "`/.well-known/openid-configuration` is a JSON object whose `issuer` is exactly the issuer that was asked for, and \
         whose `jwks_uri` says where its keys are; answers are 256 KiB at most. This one is not. A provider at which people sign in also names where they do and where tokens are fetched, and takes S256 \
         (RFC 7636) where it says what it takes.",
    ),
    explained(
        "CS-OIDC-005",
        Exit::Backend,
        "the keys of an issuer cannot be kept",
        "Keys that were fetched are kept for an hour in the data directory, and that file cannot be written.",
    ),
    explained(
        "CS-OIDC-006",
        Exit::Forbidden,
        "a provider hands out no token",
        "Somebody came back from the provider, and it gave no token for what they brought. `invalid_grant`: the code was used before, \
         is too old, or was made for another client. `invalid_client`: the server's client id or secret is not what the provider \
         has. `access_denied`: they said no there.",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_is_explained_with_its_exit_code() {
        let s = String::new;
        let all = [
            OidcError::Url { url: s(), what: "x" },
            OidcError::Unreachable { url: s(), source: Box::new(ureq::Error::HostNotFound) },
            OidcError::Status { url: s(), status: 500 },
            OidcError::Answer { url: s(), what: "x" },
            OidcError::Cache { path: s().into(), source: std::io::Error::other("x") },
            OidcError::Refused { url: s(), error: s() },
        ];
        assert_eq!(all.len(), EXPLANATIONS.len());
        for (error, explanation) in all.iter().zip(EXPLANATIONS) {
            assert_eq!((error.code(), error.exit()), (explanation.code, explanation.exit));
            assert!(!error.help().is_empty());
        }
    }
}
