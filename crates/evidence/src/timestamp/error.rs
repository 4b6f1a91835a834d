//! Why a timestamp is not believed, each with a stable code.

use countersign_model::{Diagnostic, Exit};

/// Why a timestamp is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TimestampError {
    /// It is none.
    #[error("it is no timestamp of RFC 3161: {what}")]
    Malformed {
        /// What is wrong.
        what: &'static str,
    },
    /// The authority said no.
    #[error("the time-stamping authority refused with status {status}{}", if said.is_empty() { String::new() } else { format!(": {said}") })]
    Rejected {
        /// Its PKIStatus (RFC 3161 §2.4.2): 2 is a rejection.
        status: u32,
        /// What it says.
        said: String,
    },
    /// It is about something else.
    #[error("the timestamp is over other bytes")]
    Imprint,
    /// It answers somebody else.
    #[error("the timestamp does not answer this request: its nonce is another, or missing")]
    Nonce,
    /// The signature.
    #[error("the signature of the timestamp: {what}")]
    Signature {
        /// What is wrong.
        what: &'static str,
    },
    /// Nobody vouches for the certificate.
    #[error("no path leads from the certificate of the timestamp to the given authorities: {what}")]
    Path {
        /// What is wrong.
        what: String,
    },
    /// An algorithm.
    #[error("the timestamp cannot be checked: {what} is not supported")]
    Unsupported {
        /// What.
        what: &'static str,
    },
    /// The file of authorities.
    #[error("it holds no certificates in PEM, or one that cannot be read")]
    Authorities,
}

impl Diagnostic for TimestampError {
    fn code(&self) -> &'static str {
        match self {
            Self::Malformed { .. } => "CS-AUDIT-100",
            Self::Rejected { .. } => "CS-AUDIT-101",
            Self::Imprint => "CS-AUDIT-102",
            Self::Nonce => "CS-AUDIT-103",
            Self::Signature { .. } => "CS-AUDIT-104",
            Self::Path { .. } => "CS-AUDIT-105",
            Self::Unsupported { .. } => "CS-AUDIT-106",
            Self::Authorities => "CS-AUDIT-107",
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Rejected { .. } => Exit::Backend,
            Self::Authorities => Exit::Usage,
            _ => Exit::Unverified,
        }
    }

    fn help(&self) -> String {
        match self {
            Self::Authorities => {
                "give the authority's root certificate, as it publishes it: --timestamp-ca FILE".into()
            }
            Self::Path { .. } => {
                "give the root certificate that the authority publishes, or look who stamped it: openssl ts -reply -in \
                 proofs/checkpoint.tsr -text"
                    .into()
            }
            _ => "ask another authority, or make the pack without one: leave --timestamp out".into(),
        }
    }
}
