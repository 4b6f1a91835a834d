//! What a server remembers of those who come to it: signing in, being refused, leaving, and what an auditor looked at.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::access::Field;
use crate::event::{Predicate, predicates};
use crate::{Digest, PersonId, Timestamp};

/// How somebody says who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SignInMethod {
    /// The link that the server's own terminal shows at its first start.
    FirstLink,
    /// A link that signs in once, and whose origin is not known: it was used up, is too old, or never was one.
    Link,
    /// An SSH key of theirs, on the command line.
    SshKey,
    /// An OpenID Connect provider.
    Oidc,
    /// A passkey, in a browser.
    Passkey,
    /// A token for programs.
    Token,
    /// An identity token of a CI system's job.
    Workload,
}

impl SignInMethod {
    /// Every method.
    pub const ALL: [Self; 7] =
        [Self::FirstLink, Self::Link, Self::SshKey, Self::Oidc, Self::Passkey, Self::Token, Self::Workload];

    /// The text form.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FirstLink => "first-link",
            Self::Link => "link",
            Self::SshKey => "ssh-key",
            Self::Oidc => "oidc",
            Self::Passkey => "passkey",
            Self::Token => "token",
            Self::Workload => "workload",
        }
    }

    /// Reads the text form.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.as_str() == text)
    }
}

impl std::fmt::Display for SignInMethod {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

predicates! {
    /// Somebody signed in to a server (NIST SP 800-53 AU-2, AC-7; PCI DSS 10.2.1).
    SignedIn: "signed-in" {
        /// Who.
        person: PersonId,
        /// How they said who they are.
        method: SignInMethod,
        /// Names the visit: the first 20 hex digits of the SHA-256 of its secret, so the secret cannot be found from it.
        visit: String,
        /// The fingerprint of the key that they signed with, where it was one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        key: Option<String>,
        /// The keyed pseudonym of the account that they signed in with, where it was one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        account: Option<String>,
        /// When.
        time: Timestamp,
    }

    /// Somebody tried to sign in and was refused; several alike in a short time are one entry.
    SignInRefused: "sign-in-refused" {
        /// How they tried.
        method: SignInMethod,
        /// The error's code.
        code: String,
        /// Whom they said they were, where that is somebody enrolled.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        person: Option<PersonId>,
        /// How often, since the last such entry.
        times: u64,
        /// When the last of them was.
        time: Timestamp,
    }

    /// A visit is over.
    SignedOut: "signed-out" {
        /// Who.
        person: PersonId,
        /// The visit, as [`SignedIn`] names it.
        visit: String,
        /// When.
        time: Timestamp,
    }

    /// A job came to a server with the identity token of its CI system alone; what it asks with that token afterwards is no entry (NIST
    /// SP 800-53 IA-9, AU-2).
    WorkloadAdmitted: "workload-admission" {
        /// Digest of the issuers in effect.
        issuers: Digest,
        /// The entry among them.
        entry: String,
        /// The kind of system.
        system: String,
        /// Who issued the token.
        issuer: String,
        /// What it says, in our words; an actor is a keyed pseudonym.
        fields: BTreeMap<Field, String>,
        /// Thumbprint of the key that signed it (RFC 7638).
        key: String,
        /// SHA-256 of its header and claims.
        token: Digest,
        /// The repository that it opens, by its identity, and nothing else.
        repository: String,
        /// The registered application that this belongs to.
        application: String,
        /// From when the token counts.
        issued: Timestamp,
        /// Until when.
        expires: Timestamp,
        /// When.
        time: Timestamp,
    }

    /// An auditor looked at something.
    EvidenceViewed: "evidence-viewed" {
        /// Who.
        person: PersonId,
        /// The visit.
        visit: String,
        /// The address without its query: pages have opaque ids, and no names, in it.
        path: String,
        /// SHA-256 over salt and query, where there is one: it may hold what somebody searched for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        query: Option<Digest>,
        /// When.
        time: Timestamp,
    }
}

predicates! {
    /// Somebody wants to be known to a server: signed by their key, never appended. The challenge makes it good for one sign-in.
    SignInAsked: "sign-in" {
        /// The server, as people reach it.
        server: String,
        /// The log's origin.
        origin: String,
        /// What the server gave.
        challenge: String,
        /// When, by the signer's own clock.
        time: Timestamp,
    }
}
