//! Tokens for programs: a secret that its holder shows, of which the log knows the digest alone.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::event::{Predicate, predicates};
use crate::{Digest, PersonId, Timestamp, digest};

/// A token counts so many days at the most.
pub const LONGEST_TOKEN_DAYS: i64 = 90;

/// How every token begins, so that whoever finds one knows what it is.
const PREFIX: &str = "cst_";
/// Hex digits of the secret, 256 bits, and of the check digits after it.
const SECRET: usize = 64;
const CHECK: usize = 8;

/// What a token opens. What its person may not see, it does not open either.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TokenScope {
    /// What everybody with a role may look at.
    Read,
    /// Besides, what officers and auditors may look at: people and audits.
    Audit,
    /// Sending commits to be judged, files to be attached, and asking for a decision: a pipeline.
    Submit,
    /// Handing in approvals that their signers signed.
    Approve,
    /// Redeeming grants and saying how deployments ended: a deploying job.
    Deploy,
    /// Saying what runs in an environment: a program that watches it.
    Observe,
}

impl TokenScope {
    /// Every scope.
    pub const ALL: [Self; 6] = [Self::Read, Self::Audit, Self::Submit, Self::Approve, Self::Deploy, Self::Observe];

    /// The text form.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Audit => "audit",
            Self::Submit => "submit",
            Self::Approve => "approve",
            Self::Deploy => "deploy",
            Self::Observe => "observe",
        }
    }
}

impl std::fmt::Display for TokenScope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

impl std::str::FromStr for TokenScope {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|s| s.as_str() == text)
            .ok_or_else(|| "a scope is read, audit, submit, approve, deploy or observe".to_owned())
    }
}

/// To what a token is limited; nothing in both: to nothing but its person's own limits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TokenLimits {
    /// Applications, by id: their repositories at the moment of the request.
    pub applications: BTreeSet<String>,
    /// Repositories besides, by their identities.
    pub repositories: BTreeSet<String>,
}

impl TokenLimits {
    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.applications.is_empty() && self.repositories.is_empty()
    }
}

/// Whether a text is a repository's identity.
#[must_use]
pub fn is_repository(text: &str) -> bool {
    let name = text.strip_prefix("git:").or_else(|| text.strip_prefix("git-root:"));
    text.len() <= 200 && name.is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_graphic()))
}

/// The text of a token: `cst_`, 64 hex digits of its secret, and the first 8 of the SHA-256 of all before, so that a text that
/// only looks like one can be told apart.
#[must_use]
pub fn token_text(secret: &[u8; 32]) -> String {
    let text = format!("{PREFIX}{}", digest::to_hex(secret));
    let check = check_digits(&text);
    text + &check
}

fn check_digits(text: &str) -> String {
    Digest::of(text.as_bytes()).hex().chars().take(CHECK).collect()
}

/// What the log knows of a token: the SHA-256 of its text. `None`: the text is no token.
#[must_use]
pub fn token_digest(text: &str) -> Option<Digest> {
    let hex = text.strip_prefix(PREFIX)?;
    let is_hex = hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if hex.len() != SECRET + CHECK || !is_hex {
        return None;
    }
    let (said, check) = text.split_at_checked(PREFIX.len() + SECRET)?;
    (check_digits(said) == check).then(|| Digest::of(text.as_bytes()))
}

predicates! {
    /// Somebody made a token for a program that reads in their name (NIST SP 800-53 IA-5, AC-6; PCI DSS 8.6).
    TokenIssued: "token" {
        /// The ledger this is said to.
        origin: String,
        /// In whose name it reads: whoever signs.
        person: PersonId,
        /// SHA-256 of its text. The secret has 256 bits, so nobody finds it from this.
        token: Digest,
        /// What it opens.
        scopes: BTreeSet<TokenScope>,
        /// The applications to whose repositories it is limited; none here and below: to nothing but its person's own limits.
        #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
        applications: BTreeSet<String>,
        /// Repositories that it opens besides, by their identities.
        #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
        repositories: BTreeSet<String>,
        /// From when on it opens nothing.
        expires: Timestamp,
        /// When.
        time: Timestamp,
    }

    /// A token opens nothing any more.
    TokenRevoked: "token-revocation" {
        /// The ledger this is said to.
        origin: String,
        /// SHA-256 of its text.
        token: Digest,
        /// Who says so.
        by: PersonId,
        /// Why.
        reason: String,
        /// When.
        time: Timestamp,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_known_by_its_check_digits() {
        let text = token_text(&[7; 32]);
        assert_eq!(text.len(), 76);
        assert_eq!(token_digest(&text), Some(Digest::of(text.as_bytes())));
        let upper = text.to_uppercase();
        let other = text.replacen("0707", "0708", 1);
        for bad in [
            "",
            "cst_",
            &text[..75],
            &text[4..],
            &upper,
            &other,
            &format!("{text}0"),
            &format!("cst_{}", "é".repeat(36)),
        ] {
            assert_eq!(token_digest(bad), None, "{bad}");
        }
    }

    #[test]
    fn scopes_read_as_they_are_written() {
        for scope in TokenScope::ALL {
            assert_eq!(scope.as_str().parse(), Ok(scope));
            assert_eq!(serde_json::to_value(scope).unwrap(), scope.as_str());
        }
        assert!("write".parse::<TokenScope>().is_err());
    }
}
