//! What is said about certificate authorities and certified keys: the predicates of signed statements.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::event::{Predicate, predicates};
use crate::{Digest, PersonId, Timestamp};

/// What certificates of an authority are good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CertificateUse {
    /// Signing acts.
    Acts,
    /// Signing commits.
    Commits,
}

impl CertificateUse {
    /// Every use.
    pub const ALL: [Self; 2] = [Self::Acts, Self::Commits];

    /// The text form.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Acts => "acts",
            Self::Commits => "commits",
        }
    }
}

impl fmt::Display for CertificateUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for CertificateUse {
    type Err = String;
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|u| u.as_str() == s).ok_or_else(|| "`acts` or `commits`".to_owned())
    }
}

/// Certificates that a revocation list names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListedCertificates {
    /// Fingerprint of the authority; none: any.
    pub authority: Option<String>,
    /// Serials from the first to the last of each pair, in decimal digits: they may be larger than what a number in JSON holds exactly.
    pub serials: Vec<(String, String)>,
    /// Key ids that name nobody.
    pub key_ids: Vec<String>,
    /// Keyed pseudonyms of all key ids, as they are recorded of commits.
    pub pseudonyms: Vec<String>,
}

predicates! {
    /// Certificates that a key signs say whose other keys are. Said again of the same key it is for more people.
    CertificateAuthorityAdded: "certificate-authority" {
        /// The ledger this is said to.
        origin: String,
        /// The authority's public key: an OpenSSH line without comment.
        key: String,
        /// For whom it may sign certificates, sorted. A certificate names the person by this id.
        people: Vec<PersonId>,
        /// What for, sorted.
        uses: Vec<CertificateUse>,
        /// What is certified does not count before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        valid_after: Option<Timestamp>,
        /// Nor from here on.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        valid_before: Option<Timestamp>,
        /// The administrator who says so.
        by: PersonId,
        /// Why.
        reason: String,
        /// When.
        time: Timestamp,
    }

    /// An authority is not believed any more, and neither is any key that it certified.
    CertificateAuthorityRevoked: "certificate-authority-revocation" {
        /// The ledger this is said to.
        origin: String,
        /// The authority's fingerprint, `SHA256:…`.
        fingerprint: String,
        /// Since when somebody else may have had it; none: it is given up from here on, and what was signed before stands.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        compromised_since: Option<Timestamp>,
        /// The administrator who says so.
        by: PersonId,
        /// Why.
        reason: String,
        /// When.
        time: Timestamp,
    }

    /// What a revocation list of OpenSSH names counts no more from here on.
    RevocationListImported: "revocation-list" {
        /// The ledger this is said to.
        origin: String,
        /// The list's number in decimal digits; it only rises.
        number: String,
        /// SHA-256 of the file.
        digest: Digest,
        /// Fingerprints of keys, `SHA256:…`, sorted.
        keys: Vec<String>,
        /// SHA-1 digests of keys in hex, sorted.
        sha1: Vec<String>,
        /// Certificates.
        certificates: Vec<ListedCertificates>,
        /// The administrator who says so.
        by: PersonId,
        /// Why.
        reason: String,
        /// When.
        time: Timestamp,
    }

    /// A person shows a certificate for the key that signs this: while the certificate lasts, the key is theirs.
    KeyCertified: "certified-key" {
        /// The ledger this is said to.
        origin: String,
        /// Whose it is.
        person: PersonId,
        /// The certificate: an OpenSSH line without comment.
        certificate: String,
        /// When.
        time: Timestamp,
    }
}
