//! What can go wrong with access and audit, each with a stable code.

use countersign_model::{Diagnostic, Exit, PersonId, Place};
use countersign_store::session::SessionError;

/// An error of this room.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The ledger, a key or a pin.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// SSH signing.
    #[error(transparent)]
    Connect(#[from] countersign_connect::Error),
    /// A signature or a statement.
    #[error(transparent)]
    Evidence(#[from] countersign_evidence::Error),
    /// No root of trust.
    #[error("no root of trust is established in this ledger")]
    NotRooted,
    /// Trust is rooted already.
    #[error("trust is rooted in entry {index} already")]
    RootedAlready {
        /// Log index of the root.
        index: u64,
    },
    /// Unknown key.
    #[error("the key {fingerprint} belongs to nobody enrolled")]
    UnknownKey {
        /// The key.
        fingerprint: String,
    },
    /// Not an administrator.
    #[error("{person} is no administrator and may not {act}")]
    NotAdministrator {
        /// Who.
        person: String,
        /// What was tried.
        act: &'static str,
    },
    /// Not an officer.
    #[error("{person} is neither security officer nor compliance officer")]
    NotOfficer {
        /// Who.
        person: String,
    },
    /// Not a name.
    #[error("`{}` is no name for a person", name.escape_debug())]
    BadName {
        /// The name.
        name: String,
    },
    /// The name is taken.
    #[error("`{name}` is enrolled already, as {person}")]
    NameTaken {
        /// The name.
        name: String,
        /// Who has it.
        person: PersonId,
    },
    /// The key is taken.
    #[error("the key {fingerprint} belongs to {holder}")]
    KeyTaken {
        /// The key.
        fingerprint: String,
        /// Whose it is.
        holder: String,
    },
    /// No such person.
    #[error("nobody called `{text}` is enrolled")]
    NoSuchPerson {
        /// What was asked for.
        text: String,
        /// Who is enrolled.
        known: Vec<String>,
    },
    /// The trust policy is about other logs.
    #[error("the trust policy names logs, and `{origin}` with its key is none of them")]
    OtherLog {
        /// The ledger.
        origin: String,
    },
    /// No trust policy.
    #[error("no trust policy is set for `{origin}` on this machine")]
    NoPolicy {
        /// The ledger.
        origin: String,
    },
    /// More than one person.
    #[error("`{text}` means more than one person")]
    AmbiguousPerson {
        /// What was asked for.
        text: String,
    },
}

impl From<countersign_store::Error> for Error {
    fn from(e: countersign_store::Error) -> Self {
        Self::Session(SessionError::Store(e))
    }
}

impl Error {
    fn wrapped(&self) -> Option<&dyn Diagnostic> {
        match self {
            Self::Session(e) => Some(e),
            Self::Connect(e) => Some(e),
            Self::Evidence(e) => Some(e),
            _ => None,
        }
    }
}

impl Diagnostic for Error {
    fn code(&self) -> &'static str {
        match self {
            Self::Session(e) => e.code(),
            Self::Connect(e) => e.code(),
            Self::Evidence(e) => e.code(),
            Self::NotRooted => "CS-ACCESS-001",
            Self::RootedAlready { .. } => "CS-ACCESS-002",
            Self::UnknownKey { .. } => "CS-ACCESS-003",
            Self::NotAdministrator { .. } => "CS-ACCESS-004",
            Self::NotOfficer { .. } => "CS-ACCESS-005",
            Self::BadName { .. } => "CS-ACCESS-006",
            Self::NameTaken { .. } => "CS-ACCESS-007",
            Self::KeyTaken { .. } => "CS-ACCESS-008",
            Self::NoSuchPerson { .. } => "CS-ACCESS-009",
            Self::AmbiguousPerson { .. } => "CS-ACCESS-010",
            Self::OtherLog { .. } => "CS-AUDIT-020",
            Self::NoPolicy { .. } => "CS-AUDIT-021",
        }
    }

    fn exit(&self) -> Exit {
        if let Some(inner) = self.wrapped() {
            return inner.exit();
        }
        crate::explain::EXPLANATIONS.iter().find(|e| e.code == self.code()).map_or(Exit::Internal, |e| e.exit)
    }

    fn place(&self) -> Option<Place> {
        self.wrapped().and_then(Diagnostic::place)
    }

    fn help(&self) -> String {
        match self {
            Self::Session(e) => e.help(),
            Self::Connect(e) => e.help(),
            Self::Evidence(e) => e.help(),
            Self::OtherLog { .. } => {
                "name the log in the policy: log VKEY, as `countersign ledger info` prints it".into()
            }
            Self::NoPolicy { .. } => "set one: countersign trust policy set FILE".into(),
            Self::NotRooted => "establish it first: countersign init".into(),
            Self::RootedAlready { .. } => {
                "enrol more people instead: countersign person add NAME --ssh-key FILE.pub".into()
            }
            Self::UnknownKey { .. } => "sign with the key of an enrolled person: --key FILE".into(),
            Self::NotAdministrator { .. } => "an administrator signs this: --key FILE".into(),
            Self::NotOfficer { .. } => "an officer signs this: --key FILE".into(),
            Self::BadName { .. } => "a name is 1 to 200 bytes without control characters".into(),
            Self::NameTaken { .. } => {
                "choose a name that tells the two apart; list people with: countersign person list".into()
            }
            Self::KeyTaken { .. } => "every person has a key of their own: ssh-keygen -t ed25519".into(),
            Self::NoSuchPerson { known, .. } => {
                if known.is_empty() {
                    "countersign person add NAME --ssh-key FILE.pub".into()
                } else {
                    format!("enrolled are: {}", known.join(", "))
                }
            }
            Self::AmbiguousPerson { .. } => "use the id: countersign person list".into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_explained() {
        for error in [Error::NotRooted, Error::RootedAlready { index: 1 }, Error::BadName { name: String::new() }] {
            assert!(crate::EXPLANATIONS.iter().any(|e| e.code == error.code()), "{}", error.code());
        }
        let mut codes: Vec<_> = crate::EXPLANATIONS.iter().map(|e| e.code).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), crate::EXPLANATIONS.len(), "a code is explained twice");
    }
}
