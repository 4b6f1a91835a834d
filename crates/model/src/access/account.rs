//! Accounts that people have elsewhere, as the identity tokens of CI systems name whoever acted.

use serde::{Deserialize, Serialize};

use crate::event::{Predicate, predicates};
use crate::{Digest, PersonId, Timestamp};

/// Bytes of the longest issuer, and of the longest subject (OpenID Connect Core 1.0 §2).
const LONGEST_ISSUER: usize = 512;
const LONGEST_SUBJECT: usize = 255;
/// Bytes of the longest name of an account.
const LONGEST_LOGIN: usize = 200;
/// The name of GitHub among forges, and who issues the tokens of its jobs.
const GITHUB: &str = "github";
const GITHUB_ISSUER: &str = "https://token.actions.githubusercontent.com";

/// An account: sealed with its person's key, since it says who somebody is elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// Who issues tokens about it, exactly as in `iss`.
    pub issuer: String,
    /// What they call it: at forges the account's number, which stays when it is renamed.
    pub subject: String,
    /// Its name when it was linked; nothing is concluded from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login: Option<String>,
}

/// Why a text names no account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NoAccount(&'static str);

/// Whether what follows the scheme names this machine, where nobody listens on the way.
fn is_local(rest: &str) -> bool {
    let host = rest.split('/').next().unwrap_or_default();
    let name = |local: &&str| host.strip_prefix(*local).is_some_and(|port| port.is_empty() || port.starts_with(':'));
    ["localhost", "127.0.0.1", "[::1]"].iter().any(name)
}

impl Account {
    /// An account at an issuer.
    ///
    /// # Errors
    /// When the issuer is no `https` URL without query and fragment (`http` on this machine), or the subject is not 1 to 255 printable ASCII characters.
    pub fn new(issuer: &str, subject: &str, login: Option<&str>) -> Result<Self, NoAccount> {
        let local = issuer.strip_prefix("http://").filter(|rest| is_local(rest));
        let host = issuer.strip_prefix("https://").or(local).unwrap_or_default();
        let plain = issuer.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'?' | b'#'));
        if host.is_empty() || host.starts_with('/') || !plain || issuer.len() > LONGEST_ISSUER {
            return Err(NoAccount(
                "an issuer is an https URL without query and fragment, exactly as its tokens have it",
            ));
        }
        let printable = subject.bytes().all(|b| b.is_ascii_graphic() || b == b' ');
        if subject.is_empty() || subject.len() > LONGEST_SUBJECT || !printable {
            return Err(NoAccount("a subject is 1 to 255 printable ASCII characters, exactly as the token has it"));
        }
        if login.is_some_and(|l| l.is_empty() || l.len() > LONGEST_LOGIN || l.chars().any(char::is_control)) {
            return Err(NoAccount("the account's name is one line of at most 200 bytes"));
        }
        let login = login.map(str::to_owned);
        Ok(Self { issuer: issuer.to_owned(), subject: subject.to_owned(), login })
    }

    /// An account at a forge: `github`, or the host of a GitLab. By its number, for a name can be given to somebody else.
    ///
    /// # Errors
    /// When the forge is neither, or the id is no number.
    pub fn at_forge(forge: &str, id: &str, login: Option<&str>) -> Result<Self, NoAccount> {
        let named = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'-');
        let is_host = forge.contains('.') && forge.len() <= 253 && forge.bytes().all(named);
        if forge != GITHUB && !is_host {
            return Err(NoAccount("a forge is `github`, or the host of a GitLab in lower case: gitlab.com"));
        }
        if id.is_empty() || id.len() > 20 || id.starts_with('0') || !id.bytes().all(|b| b.is_ascii_digit()) {
            return Err(NoAccount(
                "an account at a forge is named by its number, for a name can be given to somebody else",
            ));
        }
        let issuer = if forge == GITHUB { GITHUB_ISSUER.to_owned() } else { format!("https://{forge}") };
        Self::new(&issuer, id, login)
    }
}

predicates! {
    /// An account elsewhere is a person's.
    AccountLinked: "account" {
        /// The ledger this is said to.
        origin: String,
        /// Whose it is.
        person: PersonId,
        /// Its keyed pseudonym, the same as that of an actor in identity tokens.
        account: String,
        /// Digest of the sealed account (the first attachment).
        sealed: Digest,
        /// The administrator who says so.
        by: PersonId,
        /// When.
        time: Timestamp,
    }

    /// An account is not the person's any more.
    AccountUnlinked: "account-removal" {
        /// The ledger this is said to.
        origin: String,
        /// Whose it was.
        person: PersonId,
        /// Its keyed pseudonym.
        account: String,
        /// The administrator who says so.
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
    fn an_account_is_what_cannot_be_given_to_somebody_else() {
        let github = Account::at_forge("github", "12987654", Some("octo-mia")).unwrap();
        assert_eq!((github.issuer.as_str(), github.subject.as_str()), (GITHUB_ISSUER, "12987654"));
        assert_eq!(
            Account::at_forge("gitlab.bank.example", "815", None).unwrap().issuer,
            "https://gitlab.bank.example"
        );
        for (forge, id) in [
            ("github", "octo-mia"),
            ("github", "Mallory[bot]"),
            ("github", ""),
            ("github", "012"),
            ("github", "-1"),
            ("github", "1 "),
            ("GitHub", "1"),
            ("gitlab", "1"),
            ("https://gitlab.com", "1"),
            ("gitlab.com/evil", "1"),
            ("", "1"),
        ] {
            assert!(Account::at_forge(forge, id, None).is_err(), "{forge} {id}");
        }
        let issuer = "https://id.example.com/realms/firm";
        assert!(Account::new(issuer, "f:1-2", None).is_ok());
        assert!(Account::new("http://localhost:8080/realms/firm", "mia", None).is_ok());
        for (issuer, subject) in [
            ("http://id.example.com", "a"),
            ("http://localhost.example.com", "a"),
            ("http://", "a"),
            ("https://", "a"),
            ("https:///x", "a"),
            ("https://id.example.com?x", "a"),
            ("https://id.example.com#x", "a"),
            (issuer, ""),
            (issuer, "m\u{f6}"),
            (issuer, "a\nb"),
        ] {
            assert!(Account::new(issuer, subject, None).is_err(), "{issuer} {subject}");
        }
        assert!(Account::new(issuer, &"a".repeat(256), None).is_err());
        assert!(Account::new(issuer, "a", Some("two\nlines")).is_err());
    }
}
