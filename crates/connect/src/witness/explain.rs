//! Codes, exit codes and long texts of what goes wrong with witnesses.

use countersign_model::{Diagnostic, Exit, Explanation};

use super::WitnessError;

impl Diagnostic for WitnessError {
    fn code(&self) -> &'static str {
        match self {
            Self::Url { .. } => "CS-WITNESS-001",
            Self::Unreachable { .. } => "CS-WITNESS-002",
            Self::Refused { .. } => "CS-WITNESS-003",
            Self::Ahead { .. } => "CS-WITNESS-004",
            Self::Restless { .. } => "CS-WITNESS-005",
            Self::Answer { .. } => "CS-WITNESS-006",
            Self::Proof { .. } => "CS-WITNESS-007",
            Self::Contradicted { .. } => "CS-WITNESS-008",
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Url { .. } => Exit::Usage,
            Self::Unreachable { .. } | Self::Refused { .. } | Self::Restless { .. } => Exit::Backend,
            Self::Contradicted { .. } | Self::Ahead { .. } | Self::Answer { .. } | Self::Proof { .. } => {
                Exit::Unverified
            }
        }
    }

    fn help(&self) -> String {
        match self {
            Self::Url { .. } => "correct the URL in the trust policy: `countersign trust policy set FILE`".into(),
            Self::Unreachable { .. } | Self::Restless { .. } => {
                "try again later with `countersign ledger witness`; nothing was lost".into()
            }
            Self::Refused { status: 404, .. } => {
                "whoever runs the witness makes it know the log: `countersign witness add-log DIR VKEY`".into()
            }
            Self::Refused { status: 403, .. } => "the witness knows another key of this log; compare the two".into(),
            Self::Contradicted { .. } => {
                "keep this copy of the ledger: the log does not continue what the witness saw of it".into()
            }
            Self::Refused { .. } => "ask whoever runs the witness".into(),
            Self::Ahead { .. } => "find the newer copy of the ledger: this one is older, or was rolled back".into(),
            Self::Answer { .. } => "compare the witness's key in the trust policy with the one it publishes".into(),
            Self::Proof { .. } => "`countersign verify` names every file of the ledger that was altered".into(),
        }
    }
}

const fn explained(code: &'static str, exit: Exit, title: &'static str, text: &'static str) -> Explanation {
    Explanation { code, title, text, exit }
}

/// One explanation for every code of [`WitnessError`].
pub const EXPLANATIONS: &[Explanation] = &[
    explained(
        "CS-WITNESS-001",
        Exit::Usage,
        "an address of a witness is malformed",
        "The URL of a witness in a trust policy is what stands before `/add-checkpoint`: `https://witness.example/prefix`. It \
         carries no user, query or fragment.",
    ),
    explained(
        "CS-WITNESS-002",
        Exit::Backend,
        "a witness does not answer",
        "No connection could be made, or the exchange took too long. The entry that was appended stands: a witness that is \
         down delays cosignatures and loses nothing. `countersign ledger witness` asks again.",
    ),
    explained(
        "CS-WITNESS-003",
        Exit::Backend,
        "a witness refuses to cosign",
        "The witness answered, and did not cosign. 404: it does not know this log. 403: it knows another key of the log. \
         Nothing was lost by asking.",
    ),
    explained(
        "CS-WITNESS-004",
        Exit::Unverified,
        "a witness has seen a larger log",
        "The witness cosigned a checkpoint of this log with more entries than this copy has. This copy is an older one, or was \
         rolled back. Nothing should be appended to it before the newer one is found: two histories would come of it.",
    ),
    explained(
        "CS-WITNESS-005",
        Exit::Backend,
        "a witness names another size each time",
        "A witness that is asked with the wrong older size names the right one. This one did so again and again. Either others \
         append to the same log very quickly, or the witness is broken.",
    ),
    explained(
        "CS-WITNESS-006",
        Exit::Unverified,
        "the answer of a witness does not verify",
        "What came back is no cosignature of the key in the trust policy on this checkpoint. The key in the policy is another \
         one, or somebody else answers at that address. Nothing of the answer was kept.",
    ),
    explained(
        "CS-WITNESS-007",
        Exit::Unverified,
        "a proof for a witness cannot be made",
        "A witness asks for the proof that the log continues what it cosigned before. The tiles that it is made from are missing or \
         damaged.",
    ),
    explained(
        "CS-WITNESS-008",
        Exit::Unverified,
        "a witness has seen another history of the log",
        "The witness cosigned a checkpoint of this log that the present one does not continue: the same size with another root, or \
         no proof leads from the one to the other. So two histories of this log were shown to somebody: an older copy was \
         restored and continued, or the log was rewritten.\n\n\
         Keep this copy and find the other. The witness keeps both checkpoints, signed by the log, as evidence.",
    ),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_code_is_explained_once_and_agrees_on_the_exit_code() {
        let url = || "http://w.example".to_owned();
        let errors = [
            WitnessError::Url { url: url(), what: "x" },
            WitnessError::Unreachable { url: url(), source: Box::new(ureq::Error::HostNotFound) },
            WitnessError::Refused { url: url(), status: 404, reason: "x".into() },
            WitnessError::Ahead { url: url(), known: 2, size: 1 },
            WitnessError::Restless { url: url() },
            WitnessError::Answer { url: url(), source: countersign_evidence::Error::NoKnownSigner },
            WitnessError::Contradicted { url: url(), reason: "x".into() },
            WitnessError::Proof { url: url(), source: "x".into() },
        ];
        let codes: BTreeSet<_> = errors.iter().map(Diagnostic::code).collect();
        assert_eq!(codes, EXPLANATIONS.iter().map(|e| e.code).collect());
        assert_eq!((codes.len(), EXPLANATIONS.len()), (errors.len(), errors.len()));
        for error in errors {
            let explanation = EXPLANATIONS.iter().find(|e| e.code == error.code()).unwrap();
            assert_eq!(explanation.exit, error.exit(), "{}", error.code());
            assert!(!error.to_string().ends_with('.') && !error.help().is_empty());
        }
    }
}
