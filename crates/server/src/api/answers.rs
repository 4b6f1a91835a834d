//! What the API answers to what is sent to it, type by type, as [`super::wire`] does for what is read.

use countersign_model::Digest;
use serde_json::{Map, Value, json};

use super::wire::{Wire, bare, described, wire};
use crate::app::Trouble;

wire! {
    /// What the server holds of a repository.
    RepositoryHeld {
        /// The repository's identity.
        repository: String,
        /// Whether it has the commit that was asked for, with everything before it.
        holds: bool,
        /// The newest commits that it has so, at most 200.
        commits: Vec<String>,
        /// Whose identity tokens are believed.
        issuers: Vec<IssuerLine>,
    }

    /// An issuer of identity tokens that is believed.
    IssuerLine {
        /// Its address.
        issuer: String,
        /// The audience that a token for this ledger names.
        audience: String,
    }

    /// A commit that was sent to be judged.
    Submission {
        /// Names it: hex digits.
        submission: String,
        /// working, done or failed.
        state: String,
        /// The run that came of it.
        run: Option<String>,
        /// Why nothing came of it; it may be sent again under the same key.
        problem: Option<Problem>,
    }

    /// What somebody signs to approve.
    ToSign {
        /// The run.
        run: String,
        /// For which slot.
        slot: String,
        /// Who, by id.
        person: String,
        /// Digest of the decision: what `If-Match` names when the approval is handed in.
        decision: Digest,
        /// The namespace of the signature (SSHSIG).
        namespace: String,
        /// The canonical statement in base64: exactly what is signed.
        statement: String,
    }

    /// A file that was attached to a run, or an artifact that was named.
    Attached {
        /// The run.
        run: String,
        /// Log index.
        index: u64,
        /// Whether it was there before.
        known: bool,
        /// What it is.
        kind: String,
        /// SHA-256 of what is kept: where a report showed values, it is kept without them.
        digest: Digest,
        /// Its size in bytes.
        size: u64,
        /// In how many places values, names or addresses were taken out.
        hidden: u64,
        /// The reports of other tools in it.
        reports: Vec<AttachedReport>,
    }

    /// A report of another tool.
    AttachedReport {
        /// The tool.
        tool: String,
        /// How many findings it has.
        findings: u64,
        /// Whether it was made for the run's commit, and so counts.
        counts: bool,
        /// Why it is not whole.
        incomplete: Vec<String>,
    }

    /// What went wrong (RFC 9457).
    Problem {
        /// A name of the kind of problem: `urn:countersign:error:CODE`.
        r#type: String,
        /// One sentence.
        title: String,
        /// The answer's status.
        status: u64,
        /// What `countersign explain` knows.
        code: String,
        /// What to do next.
        help: String,
    }
}

impl Problem {
    /// What went wrong, as it is sent.
    pub(crate) fn of(trouble: &Trouble) -> Self {
        Self {
            r#type: format!("urn:countersign:error:{}", trouble.code),
            title: trouble.text.clone(),
            status: trouble.status.as_u16().into(),
            code: trouble.code.to_owned(),
            help: trouble.help.clone(),
        }
    }
}
