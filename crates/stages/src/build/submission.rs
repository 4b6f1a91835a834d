//! A commit that was sent over the network to be judged. What the pipeline says that a gate comes to is advice: where the decision made
//! here says something else, that is an entry, and the gate's owner is asked to look.
//!
//! Control objective: nobody's word replaces the decision, and the same request is not done twice.
//! Regulatory mapping: NIST 800-53r5 SI-7, AU-10; PCI DSS v4.0.1 6.5.1.

use countersign_model::change::Change;
use countersign_model::digest::Hasher;
use countersign_model::event::{RunSubmitted, VerdictDiffered};
use countersign_model::submission::{GateClaim, MOST_CLAIMS};
use countersign_model::{Diagnostic, Digest, EventKind, Exit, Explanation, PersonId, RunId, StreamId};
use countersign_policy::{Decision, GATES};
use countersign_store::projection::State;
use countersign_store::{NewEntry, Session};

use super::events::commit_subject;
use crate::Error;

/// Why a submission is not taken.
#[derive(Debug, thiserror::Error)]
pub enum SubmissionError {
    /// It was done before: nothing is done twice.
    #[error("the same was sent before: it is run {run}, entry {index}")]
    Before {
        /// The run that came of it.
        run: RunId,
        /// Log index of the submission.
        index: u64,
    },
    /// Something else was sent under its key.
    #[error("something else was sent under the same key{}", index.map(|i| format!(", in entry {i}")).unwrap_or_default())]
    KeyReused {
        /// Log index of that; none: it is being judged.
        index: Option<u64>,
    },
    /// Too much is said of gates.
    #[error("{count} outcomes of gates are said, and at most {MOST_CLAIMS} are taken")]
    ManyClaims {
        /// How many.
        count: usize,
    },
    /// No gate of that name.
    #[error("there is no gate `{gate}`")]
    NoSuchGate {
        /// What was said.
        gate: String,
    },
    /// One gate, two outcomes.
    #[error("the gate `{gate}` is said twice")]
    ClaimedTwice {
        /// The gate.
        gate: String,
    },
}

impl Diagnostic for SubmissionError {
    fn code(&self) -> &'static str {
        match self {
            Self::Before { .. } => "CS-SUBMIT-001",
            Self::KeyReused { .. } => "CS-SUBMIT-002",
            Self::ManyClaims { .. } => "CS-SUBMIT-003",
            Self::NoSuchGate { .. } => "CS-SUBMIT-004",
            Self::ClaimedTwice { .. } => "CS-SUBMIT-005",
        }
    }

    fn exit(&self) -> Exit {
        Exit::Usage
    }

    fn help(&self) -> String {
        match self {
            Self::Before { run, .. } => format!("look at it: `countersign gate check --run {run}`"),
            Self::KeyReused { .. } => "choose another key for what is another request".into(),
            Self::ManyClaims { .. } | Self::NoSuchGate { .. } | Self::ClaimedTwice { .. } => {
                format!("say each of these at most once: {}", GATES.join(", "))
            }
        }
    }
}

/// One explanation for every code.
pub const EXPLANATIONS: &[Explanation] = &[
    Explanation {
        code: "CS-SUBMIT-001",
        exit: Exit::Usage,
        title: "the same was sent before",
        text: "A pipeline sends a commit with a key of its own choice, so that a request whose answer was lost can be repeated: the run that came of the first is the answer, and no second attempt is made.",
    },
    Explanation {
        code: "CS-SUBMIT-002",
        exit: Exit::Usage,
        title: "a key was used for something else",
        text: "The key under which a pipeline sends a commit stands for one request: this repository, commit, environment, ticket, reason and what is said of gates. Under that key something else was sent before.\n\nNothing was done.",
    },
    Explanation {
        code: "CS-SUBMIT-003",
        exit: Exit::Usage,
        title: "too many outcomes are said",
        text: "A pipeline may say what each gate comes to, once. There are fewer gates than that.",
    },
    Explanation {
        code: "CS-SUBMIT-004",
        exit: Exit::Usage,
        title: "an outcome of no gate",
        text: "What a pipeline says of a gate is held against the decision. A name that no gate has would never be held against anything.",
    },
    Explanation {
        code: "CS-SUBMIT-005",
        exit: Exit::Usage,
        title: "two outcomes of one gate",
        text: "A pipeline says one thing of a gate, or nothing.",
    },
];

/// How a commit came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submission {
    /// Over the sender and the key that they gave.
    pub key: Digest,
    /// Over what was asked.
    pub request: Digest,
    /// Whose token was shown.
    pub person: Option<PersonId>,
    /// SHA-256 of that token.
    pub token: Option<Digest>,
    /// Bytes of objects that were sent.
    pub bytes: u64,
    /// What the pipeline says of gates.
    pub claims: Vec<GateClaim>,
}

/// What tells a request from all others: its sender's and the key that they chose for it (draft-ietf-httpapi-idempotency-key-header).
#[must_use]
pub fn key(sender: &str, chosen: &str) -> Digest {
    over(b"countersign submission v1\0", &[sender, chosen])
}

/// What a request asks, its objects aside: they are named by the commit.
#[must_use]
pub fn request(parts: &[&str]) -> Digest {
    over(b"countersign request v1\0", parts)
}

fn over(what: &[u8], parts: &[&str]) -> Digest {
    let mut hasher = Hasher::new();
    hasher.update(what);
    for part in parts {
        hasher.update(&(part.len() as u64).to_be_bytes());
        hasher.update(part.as_bytes());
    }
    hasher.finish()
}

impl Submission {
    /// Whether it was not done before.
    ///
    /// # Errors
    /// Those of [`SubmissionError`].
    pub fn is_new(&self, state: &State) -> Result<(), Error> {
        if self.claims.len() > MOST_CLAIMS {
            return Err(SubmissionError::ManyClaims { count: self.claims.len() }.into());
        }
        for (at, claim) in self.claims.iter().enumerate() {
            if !GATES.contains(&claim.gate.as_str()) {
                return Err(SubmissionError::NoSuchGate { gate: claim.gate.clone() }.into());
            }
            if self.claims.iter().take(at).any(|before| before.gate == claim.gate) {
                return Err(SubmissionError::ClaimedTwice { gate: claim.gate.clone() }.into());
            }
        }
        match state.submission(&self.key)? {
            None => Ok(()),
            Some(before) if before.request == self.request => {
                Err(SubmissionError::Before { run: before.run, index: before.index }.into())
            }
            Some(before) => Err(SubmissionError::KeyReused { index: Some(before.index) }.into()),
        }
    }

    pub(super) fn entry(
        &self,
        session: &Session,
        run: &RunId,
        attempt: u64,
        change: &Change,
    ) -> Result<NewEntry, Error> {
        let said = RunSubmitted {
            run: run.clone(),
            attempt,
            key: self.key,
            request: self.request,
            person: self.person.clone(),
            token: self.token,
            bytes: self.bytes,
            claims: self.claims.clone(),
            time: session.now(),
        };
        let subject = vec![commit_subject(change.identity.as_deref(), &change.commit)];
        let kind = EventKind::RunSubmitted;
        Ok(session.machine_entry(kind, StreamId::from(run), subject, said, Vec::new(), Vec::new())?)
    }

    /// The gates of which the pipeline said something else than the decision. One that the decision does not know is none.
    pub(super) fn differences(
        &self,
        session: &Session,
        run: &RunId,
        attempt: u64,
        change: &Change,
        decision: &Decision,
    ) -> Result<Vec<NewEntry>, Error> {
        let digest = decision.digest()?;
        let mut entries = Vec::new();
        for claim in &self.claims {
            let Some(gate) = decision.verdict.gate(&claim.gate).filter(|gate| gate.outcome != claim.outcome) else {
                continue;
            };
            let said = VerdictDiffered {
                run: run.clone(),
                attempt,
                decision: digest,
                gate: claim.gate.clone(),
                claimed: claim.outcome,
                decided: gate.outcome,
                time: session.now(),
            };
            let subject = vec![commit_subject(change.identity.as_deref(), &change.commit)];
            let kind = EventKind::VerdictDiffered;
            entries.push(session.machine_entry(kind, StreamId::from(run), subject, said, Vec::new(), Vec::new())?);
        }
        Ok(entries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_together_cannot_be_taken_apart_elsewhere() {
        assert_ne!(request(&["ab", "c"]), request(&["a", "bc"]));
        assert_ne!(key("a", "b"), request(&["a", "b"]));
        assert_eq!(key("a", "b"), key("a", "b"));
    }
}
