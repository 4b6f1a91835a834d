//! Structural proofs: what a credential's own form says about whether it is one. Pure, offline, no guessing.
//!
//! | module | holds |
//! |---|---|
//! | `checksum` | credentials with a checksum inside |
//! | `shape` | credentials that decode to something known |
//! | `coding` | encodings and checksums |

mod checksum;
mod coding;
mod shape;
#[cfg(test)]
mod tests;

/// A named proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Proof {
    /// The last six characters are the CRC-32 of the thirty before them, in base 62.
    GithubCrc32,
    /// The last eight characters are the CRC-32 of what stands before them, in hexadecimal.
    GrafanaCrc32,
    /// The last seven characters are the CRC-32 of what stands before them, in base 36.
    GitlabCrc32,
    /// A NATS seed with its CRC-16.
    NatsNkey,
    /// Base58Check.
    Base58Check,
    /// Bech32.
    Bech32,
    /// An AWS access key id holds a twelve-digit account number.
    AwsKeyId,
    /// The header of a JSON Web Token (RFC 7519) is a JSON object that names an algorithm.
    Jwt,
    /// The body of a PEM block (RFC 7468) is a DER sequence or an OpenSSH key.
    Pem,
    /// Base 64 of a PEM block with a private key.
    Base64PrivateKey,
    /// Base 64 of user and password.
    BasicCredentials,
    /// A Grafana API key's object.
    GrafanaApiKey,
    /// A 1Password service account token's object.
    OnepasswordToken,
    /// A Sentry organisation token's object and secret.
    SentryOrgToken,
    /// A Discord token's bot id.
    DiscordToken,
    /// A package index's macaroon.
    PypiMacaroon,
}

impl Proof {
    /// Every proof there is.
    pub(crate) const ALL: [Self; 16] = [
        Self::GithubCrc32,
        Self::GrafanaCrc32,
        Self::GitlabCrc32,
        Self::NatsNkey,
        Self::Base58Check,
        Self::Bech32,
        Self::AwsKeyId,
        Self::Jwt,
        Self::Pem,
        Self::Base64PrivateKey,
        Self::BasicCredentials,
        Self::GrafanaApiKey,
        Self::OnepasswordToken,
        Self::SentryOrgToken,
        Self::DiscordToken,
        Self::PypiMacaroon,
    ];

    /// The name in a rule file.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::GithubCrc32 => "github-crc32",
            Self::GrafanaCrc32 => "grafana-crc32",
            Self::GitlabCrc32 => "gitlab-crc32",
            Self::NatsNkey => "nats-nkey",
            Self::Base58Check => "base58check",
            Self::Bech32 => "bech32",
            Self::AwsKeyId => "aws-key-id",
            Self::Jwt => "jwt",
            Self::Pem => "pem",
            Self::Base64PrivateKey => "base64-private-key",
            Self::BasicCredentials => "basic-credentials",
            Self::GrafanaApiKey => "grafana-api-key",
            Self::OnepasswordToken => "onepassword-token",
            Self::SentryOrgToken => "sentry-org-token",
            Self::DiscordToken => "discord-token",
            Self::PypiMacaroon => "pypi-macaroon",
        }
    }

    /// The proof of that name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|p| p.name() == name)
    }

    /// Whether `value` proves itself.
    pub(crate) fn holds(self, value: &[u8]) -> bool {
        match self {
            Self::GithubCrc32 => checksum::github_crc32(value),
            Self::GrafanaCrc32 => checksum::grafana_crc32(value),
            Self::GitlabCrc32 => checksum::gitlab_crc32(value),
            Self::NatsNkey => checksum::nats_nkey(value),
            Self::Base58Check => checksum::base58check(value),
            Self::Bech32 => checksum::bech32(value),
            Self::AwsKeyId => checksum::aws_key_id(value),
            Self::Jwt => shape::jwt(value),
            Self::Pem => shape::pem(value),
            Self::Base64PrivateKey => shape::base64_private_key(value),
            Self::BasicCredentials => shape::basic_credentials(value),
            Self::GrafanaApiKey => shape::grafana_api_key(value),
            Self::OnepasswordToken => shape::onepassword_token(value),
            Self::SentryOrgToken => shape::sentry_org_token(value),
            Self::DiscordToken => shape::discord_token(value),
            Self::PypiMacaroon => shape::pypi_macaroon(value),
        }
    }
}
