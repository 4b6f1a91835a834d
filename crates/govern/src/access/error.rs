//! What can go wrong with the keys and accounts of people, each with a stable code.

use countersign_model::{Diagnostic, Exit, PersonId};

/// What can go wrong with the keys and accounts of people.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// No window.
    #[error("a key that counts before a time that is over, or that ends before it begins, counts never")]
    BadWindow,
    /// One's own key.
    #[error("nobody adds a key to themselves while another administrator can")]
    OwnKey,
    /// Nobody to add to.
    #[error("the data of {person} is erased")]
    Erased {
        /// Who.
        person: PersonId,
    },
    /// A compromise in the future.
    #[error("a key cannot be said to be in other hands from a later time on")]
    LaterCompromise,
    /// No such key.
    #[error("`{}` means no key of that person, or more than one", key.escape_debug())]
    NoSuchKey {
        /// What was asked for.
        key: String,
    },
    /// A list names the key.
    #[error("the revocation list in entry {index} names the key {fingerprint}")]
    Listed {
        /// The key.
        fingerprint: String,
        /// Log index.
        index: u64,
    },
    /// An old list.
    #[error("the list has the number {number}, and the one before has {before}")]
    OldList {
        /// Its number.
        number: u64,
        /// That of the newest list.
        before: u64,
    },
    /// No such authority.
    #[error("`{}` means no certificate authority, or more than one", key.escape_debug())]
    NoSuchAuthority {
        /// What was asked for.
        key: String,
    },
    /// Another key than the certified one.
    #[error("the certificate is for the key {expected}, and {found} would sign")]
    OtherKey {
        /// The certified key.
        expected: String,
        /// The one that would sign.
        found: String,
    },
    /// Revoked already.
    #[error("the key {fingerprint} was revoked in entry {index} already")]
    RevokedAlready {
        /// The key.
        fingerprint: String,
        /// Log index.
        index: u64,
    },
    /// Nobody would be left.
    #[error("without the key {fingerprint} no administrator would have a key without an end")]
    LastKey {
        /// The key.
        fingerprint: String,
    },
    /// One's own account.
    #[error("nobody gives or takes an account of their own while another administrator can")]
    OwnAccount,
    /// Days or scopes of a token.
    #[error("a token counts 1 to 90 days, and opens something")]
    BadTokenLife,
    /// It is no repository.
    #[error("`{repository}` is no repository's identity")]
    NoRepository {
        /// What was written.
        repository: String,
    },
    /// No role.
    #[error("{person} has no role, so there is nothing for a token to open")]
    NothingToOpen {
        /// Who.
        person: String,
    },
    /// No such token.
    #[error("no token, or more than one, begins so")]
    NoSuchToken,
    /// It was revoked.
    #[error("the token was revoked in entry {index} already")]
    TokenRevoked {
        /// Log index.
        index: u64,
    },
    /// It is somebody's.
    #[error("that account is {holder}'s")]
    AccountTaken {
        /// Whose.
        holder: String,
    },
    /// It is not theirs.
    #[error("that account is not {person}'s")]
    NotLinked {
        /// Who.
        person: String,
    },
}

impl Diagnostic for IdentityError {
    fn code(&self) -> &'static str {
        match self {
            Self::BadWindow => "CS-IDENTITY-010",
            Self::OwnKey => "CS-IDENTITY-011",
            Self::Erased { .. } => "CS-IDENTITY-012",
            Self::LaterCompromise => "CS-IDENTITY-013",
            Self::NoSuchKey { .. } => "CS-IDENTITY-014",
            Self::RevokedAlready { .. } => "CS-IDENTITY-015",
            Self::LastKey { .. } => "CS-IDENTITY-016",
            Self::NoSuchAuthority { .. } => "CS-IDENTITY-020",
            Self::Listed { .. } => "CS-IDENTITY-022",
            Self::OldList { .. } => "CS-IDENTITY-023",
            Self::OtherKey { .. } => "CS-IDENTITY-021",
            Self::BadTokenLife => "CS-BEARER-001",
            Self::NothingToOpen { .. } => "CS-BEARER-002",
            Self::NoSuchToken => "CS-BEARER-003",
            Self::TokenRevoked { .. } => "CS-BEARER-004",
            Self::NoRepository { .. } => "CS-BEARER-005",
            Self::OwnAccount => "CS-ACCOUNT-001",
            Self::AccountTaken { .. } => "CS-ACCOUNT-002",
            Self::NotLinked { .. } => "CS-ACCOUNT-003",
        }
    }

    fn exit(&self) -> Exit {
        crate::EXPLANATIONS.iter().find(|e| e.code == self.code()).map_or(Exit::Internal, |e| e.exit)
    }

    fn help(&self) -> String {
        match self {
            Self::BadWindow => "name a later end: --valid-before 2027-01-31".into(),
            Self::AccountTaken { .. } => {
                "take it from them first: countersign person account remove PERSON … --reason TEXT".into()
            }
            Self::NotLinked { .. } => "list accounts: countersign person account list".into(),
            Self::BadTokenLife => {
                "say what it opens and for how long: countersign token issue --scope read --days 30".into()
            }
            Self::NothingToOpen { .. } => "an administrator grants a role first: countersign role grant".into(),
            Self::NoSuchToken => {
                "name one by at least 8 hex digits of its digest; list them: countersign token list".into()
            }
            Self::NoRepository { .. } => "write it as `run` prints it: git:HOST/PATH or git-root:COMMIT".into(),
            Self::TokenRevoked { .. } => "nothing is left to do; list what still counts: countersign token list".into(),
            Self::OwnKey | Self::OwnAccount => "another administrator signs this: --key FILE".into(),
            Self::Erased { .. } => "enrol the person anew: countersign person add NAME --ssh-key FILE.pub".into(),
            Self::LaterCompromise => {
                "name the earliest moment that is possible: --compromised-since 2026-01-31T09:00:00Z".into()
            }
            Self::NoSuchKey { .. } => "list them with their fingerprints: countersign person key list PERSON".into(),
            Self::Listed { .. } => "make a new key: ssh-keygen -t ed25519".into(),
            Self::OldList { .. } => "make it with a higher number: ssh-keygen -k -z NUMBER -f FILE".into(),
            Self::NoSuchAuthority { .. } => "list them with their fingerprints: countersign person ca list".into(),
            Self::OtherKey { .. } => "name the private key that belongs to the certificate: --key FILE".into(),
            Self::RevokedAlready { .. } => {
                "say only what is stricter: --compromised-since with an earlier time; see: countersign person key list"
                    .into()
            }
            Self::LastKey { .. } => {
                "add another key first, or another administrator: countersign person key add PERSON --ssh-key FILE.pub"
                    .into()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_is_explained_and_helps() {
        let key = String::new;
        let all = [
            IdentityError::BadWindow,
            IdentityError::OwnKey,
            IdentityError::Erased { person: PersonId::from_text("per-0") },
            IdentityError::LaterCompromise,
            IdentityError::NoSuchKey { key: key() },
            IdentityError::RevokedAlready { fingerprint: key(), index: 1 },
            IdentityError::LastKey { fingerprint: key() },
            IdentityError::NoSuchAuthority { key: key() },
            IdentityError::Listed { fingerprint: key(), index: 1 },
            IdentityError::OldList { number: 1, before: 1 },
            IdentityError::OtherKey { expected: key(), found: key() },
            IdentityError::BadTokenLife,
            IdentityError::NoRepository { repository: key() },
            IdentityError::NothingToOpen { person: key() },
            IdentityError::NoSuchToken,
            IdentityError::TokenRevoked { index: 1 },
            IdentityError::OwnAccount,
            IdentityError::AccountTaken { holder: key() },
            IdentityError::NotLinked { person: key() },
        ];
        for error in all {
            assert_ne!(error.exit(), Exit::Internal, "{error}");
            assert!(!error.help().is_empty());
        }
    }
}
