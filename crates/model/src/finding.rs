//! Findings: a rule matched at a place. They never hold the value that matched.

use serde::{Deserialize, Serialize};

use crate::{Digest, TreePath};

macro_rules! ladder {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $v:ident = $t:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum $name { $($(#[$vdoc])* $v,)* }
        impl $name {
            /// The text form.
            #[must_use]
            pub const fn as_str(self) -> &'static str { match self { $(Self::$v => $t,)* } }
        }
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { f.pad(self.as_str()) }
        }
    };
}

ladder! {
    /// How bad it is when the finding is real. Ordered from low to critical.
    Severity {
        /// Worth knowing.
        Info = "info",
        /// Fix when convenient.
        Low = "low",
        /// Fix soon; does not block by default.
        Medium = "medium",
        /// Blocks by default.
        High = "high",
        /// Blocks; treat as an incident.
        Critical = "critical",
    }
}

ladder! {
    /// How sure the rule is. Ordered from low to certain.
    Confidence {
        /// Likely noise.
        Low = "low",
        /// More likely real than not.
        Medium = "medium",
        /// Very likely real.
        High = "high",
        /// Proved by structure (checksum, parse).
        Certain = "certain",
    }
}

ladder! {
    /// Where a finding stands.
    FindingState {
        /// Counts.
        Open = "open",
        /// The judged tree asks for it not to count (inline mark, declaration, baseline). Only a request.
        SuppressionRequested = "suppression-requested",
        /// Somebody else granted the request with a signature; it stays visible.
        SuppressionGranted = "suppression-granted",
    }
}

/// A rule matched at a place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The rule's id.
    pub rule: String,
    /// The rule's title.
    pub title: String,
    /// How bad.
    pub severity: Severity,
    /// How sure.
    pub confidence: Confidence,
    /// Where: path inside the tree.
    pub path: TreePath,
    /// First line, from 1.
    pub line: u32,
    /// First column in bytes, from 1.
    pub column: u32,
    /// Last line, from 1.
    pub end_line: u32,
    /// Column after the last byte, from 1.
    pub end_column: u32,
    /// SHA-256 over rule, identity and ordinal; survives moved lines and renamed files.
    pub fingerprint: Digest,
    /// Controls the rule serves.
    pub controls: Vec<String>,
    /// Weakness ids (`CWE-798`).
    pub cwe: Vec<String>,
    /// The line with the value taken out.
    pub excerpt: String,
    /// HMAC of the value under the repository's salt, where the finding is a value: equal for equal values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Digest>,
    /// Where it stands.
    pub state: FindingState,
    /// The reason given with a suppression request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What asked for the suppression: `inline`, `declaration`, `baseline`, or `report` (another tool's).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_by: Option<String>,
}

ladder! {
    /// Why something could not be looked at.
    GapKind {
        /// The file could not be read.
        Unreadable = "unreadable",
        /// A submodule whose commit is not here.
        Submodule = "submodule",
        /// An object that the repository does not hold (partial clone, corruption).
        MissingObject = "missing-object",
        /// The file vanished while it was read.
        Vanished = "vanished",
        /// Neither file, directory nor link (FIFO, socket, device).
        Special = "special",
    }
}

/// Something a scan could not look at. "Could not look" is never "clean".
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Gap {
    /// Where.
    pub path: TreePath,
    /// Why.
    pub kind: GapKind,
    /// More, for people. No absolute paths.
    pub detail: String,
}
