//! What can go wrong while deciding. None of these is ever a pass.

use std::io;
use std::time::Duration;

use countersign_model::{Diagnostic, Digest, Exit, Place, Timestamp};

/// An error of this crate; `countersign explain CODE` tells more.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The bundle's form is wrong: a path, a size, its transport bytes.
    #[error("not a policy bundle: {0}")]
    Bundle(String),
    /// A bundle is not signed as it must be.
    #[error("the bundle's signature is not valid: {0}")]
    BundleSignature(String),
    /// A file or folder of a bundle cannot be read.
    #[error("cannot read the policy `{path}`")]
    Read {
        /// What was to be read.
        path: String,
        /// Why it failed.
        source: io::Error,
    },
    /// A Rego file does not parse, or names what does not exist.
    #[error("the policy does not compile: {message}")]
    Rego {
        /// File, line and column inside the bundle.
        place: Option<Place>,
        /// The interpreter's words.
        message: String,
    },
    /// The policy failed while it was evaluated.
    #[error("the policy failed while it was evaluated: {message}")]
    Evaluation {
        /// File, line and column inside the bundle.
        place: Option<Place>,
        /// The interpreter's words.
        message: String,
    },
    /// The evaluation took too long.
    #[error("the policy was not evaluated within {} seconds", .0.as_secs_f32())]
    TooLong(Duration),
    /// The evaluation took too many steps.
    #[error("the policy was not evaluated within {0} steps")]
    TooManySteps(u64),
    /// The evaluation wanted too much memory.
    #[error("the policy was not evaluated within {} MiB of memory", .0 >> 20)]
    TooMuchMemory(u64),
    /// The process that evaluates did not answer.
    #[error("the process that evaluates the policy did not answer: {0}")]
    Worker(String),
    /// The interpreter panicked.
    #[error("the policy engine broke down: {0}")]
    Panic(String),
    /// The policy engine could not be set up.
    #[error("the policy engine cannot be set up: {0}")]
    Engine(String),
    /// The policy has no answer.
    #[error("the policy has no answer: `{0}` is undefined")]
    Undefined(String),
    /// The policy's answer has a value that JSON does not know.
    #[error("the policy's answer is not JSON")]
    NotJson {
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// The policy's answer is not what a gate answers.
    #[error("the policy's answer is malformed: {0}")]
    Answer(String),
    /// A gate's answer is not what a gate answers.
    #[error("the answer of the gate `{gate}` is malformed")]
    Gate {
        /// Which gate.
        gate: String,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// The facts cannot be judged.
    #[error("the facts cannot be judged: {0}")]
    Facts(&'static str),
    /// The time is out of the range that policies can express.
    #[error("the time {0} is out of range: policies count nanoseconds, from 1677 to 2262")]
    Time(Timestamp),
    /// A replay with other facts than the recorded ones.
    #[error("these are not the facts of the decision: it names {recorded}, these are {present}")]
    OtherFacts {
        /// The digest in the decision.
        recorded: Digest,
        /// The digest of the given facts.
        present: Digest,
    },
    /// A replay with another bundle than the recorded one.
    #[error("this is not the bundle of the decision: it names {recorded}, this is {present}")]
    OtherBundle {
        /// The digest in the decision.
        recorded: Digest,
        /// The digest of the given bundle.
        present: Digest,
    },
    /// The decision was written by another version.
    #[error("a decision of version {0} that is not what that version holds; known are 1 and 2")]
    DecisionVersion(u32),
    /// The enforcement file is wrong.
    #[error("the enforcement file is wrong: {message}")]
    Enforcement {
        /// File and line.
        place: Place,
        /// What is wrong.
        message: String,
    },
    /// The file of approval rules is wrong.
    #[error("the approval rules are wrong: {message}")]
    Approvals {
        /// File and line.
        place: Place,
        /// What is wrong.
        message: String,
    },
    /// A replay under another assignment than the recorded one.
    #[error("this is not the assignment of the decision: it names {}, this is {}", named(*recorded), named(*present))]
    OtherAssignment {
        /// The digest in the decision.
        recorded: Option<Digest>,
        /// The digest of the given assignment.
        present: Option<Digest>,
    },
    /// The assignment was written by another version.
    #[error("an assignment of version {0}, and only version 1 is known")]
    AssignmentVersion(u32),
    /// A waiver's glob is none.
    #[error("the {what} `{}` is no glob", glob.escape_debug())]
    Scope {
        /// What it is for.
        what: &'static str,
        /// The glob.
        glob: String,
        /// What is wrong with it.
        source: globset::Error,
    },
    /// A control file is wrong.
    #[error("the control file is wrong: {message}")]
    Control {
        /// File and line.
        place: Place,
        /// What is wrong.
        message: String,
    },
    /// A framework file is wrong.
    #[error("the framework file is wrong: {message}")]
    Framework {
        /// File and line.
        place: Place,
        /// What is wrong.
        message: String,
    },
    /// Something has no canonical form, or is not in it.
    #[error("no canonical JSON")]
    Canonical {
        /// What is wrong with it.
        source: Box<countersign_evidence::Error>,
    },
}

fn named(digest: Option<Digest>) -> String {
    digest.map_or_else(|| "none".to_owned(), |d| d.to_string())
}

impl Error {
    pub(crate) fn canonical(source: countersign_evidence::Error) -> Self {
        Self::Canonical { source: Box::new(source) }
    }

    pub(crate) fn bundle(what: impl Into<String>) -> Self {
        Self::Bundle(what.into())
    }
}

impl Diagnostic for Error {
    fn code(&self) -> &'static str {
        match self {
            Self::Bundle(_) => "CS-POLICY-001",
            Self::Read { .. } => "CS-POLICY-002",
            Self::Rego { .. } => "CS-POLICY-003",
            Self::Evaluation { .. } => "CS-POLICY-004",
            Self::TooLong(_) | Self::TooManySteps(_) | Self::TooMuchMemory(_) => "CS-POLICY-005",
            Self::Panic(_) => "CS-POLICY-006",
            Self::Engine(_) | Self::Worker(_) => "CS-POLICY-007",
            Self::Undefined(_) => "CS-POLICY-008",
            Self::NotJson { .. } | Self::Answer(_) | Self::Gate { .. } => "CS-POLICY-009",
            Self::Facts(_) => "CS-POLICY-010",
            Self::Time(_) => "CS-POLICY-011",
            Self::OtherFacts { .. } => "CS-POLICY-012",
            Self::OtherBundle { .. } => "CS-POLICY-013",
            Self::DecisionVersion(_) => "CS-POLICY-014",
            Self::Control { .. } => "CS-POLICY-015",
            Self::Canonical { .. } => "CS-POLICY-016",
            Self::Framework { .. } => "CS-POLICY-030",
            Self::Enforcement { .. } => "CS-ENFORCE-001",
            Self::Approvals { .. } => "CS-APPROVAL-001",
            Self::OtherAssignment { .. } => "CS-ENFORCE-002",
            Self::AssignmentVersion(_) => "CS-ENFORCE-003",
            Self::Scope { .. } => "CS-WAIVER-001",
            Self::BundleSignature(_) => "CS-POLICY-031",
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Bundle(_)
            | Self::Read { .. }
            | Self::Rego { .. }
            | Self::Control { .. }
            | Self::Framework { .. }
            | Self::Time(_)
            | Self::Enforcement { .. }
            | Self::Approvals { .. }
            | Self::Scope { .. } => Exit::Usage,
            Self::Panic(_) | Self::Engine(_) | Self::Worker(_) => Exit::Internal,
            Self::Evaluation { .. }
            | Self::TooLong(_)
            | Self::TooManySteps(_)
            | Self::TooMuchMemory(_)
            | Self::Undefined(_)
            | Self::NotJson { .. }
            | Self::Answer(_)
            | Self::Gate { .. }
            | Self::Facts(_) => Exit::Incomplete,
            Self::OtherFacts { .. }
            | Self::OtherBundle { .. }
            | Self::OtherAssignment { .. }
            | Self::AssignmentVersion(_)
            | Self::DecisionVersion(_)
            | Self::Canonical { .. }
            | Self::BundleSignature(_) => Exit::Unverified,
        }
    }

    fn place(&self) -> Option<Place> {
        match self {
            Self::Read { path, .. } => Some(Place::file(path)),
            Self::Rego { place, .. } | Self::Evaluation { place, .. } => place.clone(),
            Self::Control { place, .. }
            | Self::Framework { place, .. }
            | Self::Enforcement { place, .. }
            | Self::Approvals { place, .. } => Some(place.clone()),
            _ => None,
        }
    }

    fn help(&self) -> String {
        match self {
            Self::Bundle(_) => {
                "keep a bundle to `.rego` files with plain names; see `countersign explain CS-POLICY-001`"
            }
            Self::Read { .. } => "check the path and its permissions, then try again",
            Self::Rego { .. } => "correct the line, then try again",
            Self::Evaluation { .. } => {
                "correct the policy at this place; the gate stays closed until it can be evaluated"
            }
            Self::TooLong(_) | Self::TooManySteps(_) => {
                "look for rules that multiply (nested loops over findings or files) and narrow them"
            }
            Self::TooMuchMemory(_) => "look for values that double (concat, sprintf, products of sets) and narrow them",
            Self::Worker(_) => "the gate stays closed; try again, and see `countersign explain CS-POLICY-007`",
            Self::Panic(_) => "the gate stays closed; `countersign explain CS-POLICY-006` says how to find the cause",
            Self::Engine(_) => "this is a fault of ours: report it with the output of `countersign --version`",
            Self::Undefined(_) => {
                "name each gate's package `countersign.gates.…` and let it have `checks`, `deny` and `error`"
            }
            Self::NotJson { .. } | Self::Answer(_) | Self::Gate { .. } => {
                "see `countersign explain CS-POLICY-009` for what a gate may answer"
            }
            Self::Facts(_) => "collect the facts again with `countersign run`",
            Self::Time(_) => "check `COUNTERSIGN_NOW` or the machine's clock",
            Self::OtherFacts { .. } => "replay with the facts that are attached to the decision",
            Self::OtherBundle { .. } => "replay with the bundle that is attached to the decision",
            Self::DecisionVersion(_) => "replay with the version of countersign that wrote the decision",
            Self::BundleSignature(_) => {
                "nothing was activated; ask whoever signs your bundles, and name their key by `--verification-key`"
            }
            Self::Control { .. } => "correct the file; `controls/README.md` lists its keys",
            Self::Framework { .. } => "correct the file; `frameworks/README.md` lists its keys",
            Self::Enforcement { .. } => "correct the line, then: countersign enforcement check FILE",
            Self::Approvals { .. } => "correct the line, then: countersign approvals check FILE",
            Self::OtherAssignment { .. } => "replay under the assignment that was in effect then",
            Self::AssignmentVersion(_) => "use the version of countersign that activated it, or a later one",
            Self::Scope { .. } => "`*` stays within a directory, `**` crosses them, `[ab]` is one of two letters",
            Self::Canonical { .. } => {
                "run `countersign verify`: a record that is not canonical was not written by this tool"
            }
        }
        .to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::EXPLANATIONS;

    fn one_of_each() -> Vec<Error> {
        let json = || serde_json::from_str::<u8>("x").unwrap_err();
        let digest = Digest::of(b"");
        let evidence = countersign_evidence::canonical::from_slice::<u8>(b"x").unwrap_err();
        vec![
            Error::bundle("x"),
            Error::Read { path: "p".to_owned(), source: io::Error::other("x") },
            Error::Rego { place: None, message: "m".to_owned() },
            Error::Evaluation { place: Some(Place::line("p", 1)), message: "m".to_owned() },
            Error::TooLong(Duration::from_secs(1)),
            Error::TooManySteps(1),
            Error::TooMuchMemory(1 << 20),
            Error::Worker("m".to_owned()),
            Error::Panic("m".to_owned()),
            Error::Engine("m".to_owned()),
            Error::Undefined("data.x".to_owned()),
            Error::NotJson { source: json() },
            Error::Answer("m".to_owned()),
            Error::Gate { gate: "build".to_owned(), source: json() },
            Error::Facts("m"),
            Error::Time(Timestamp::from_millis(i64::MAX)),
            Error::OtherFacts { recorded: digest, present: digest },
            Error::OtherBundle { recorded: digest, present: digest },
            Error::DecisionVersion(2),
            Error::Enforcement { place: Place::line("p", 1), message: "m".to_owned() },
            Error::Approvals { place: Place::line("p", 1), message: "m".to_owned() },
            Error::OtherAssignment { recorded: Some(digest), present: None },
            Error::AssignmentVersion(2),
            Error::Scope { what: "path", glob: "[".to_owned(), source: globset::Glob::new("[").unwrap_err() },
            Error::Control { place: Place::file("p"), message: "m".to_owned() },
            Error::Framework { place: Place::file("p"), message: "m".to_owned() },
            Error::canonical(evidence),
            Error::BundleSignature("m".to_owned()),
        ]
    }

    #[test]
    fn every_error_is_explained_and_every_explanation_is_used() {
        let errors = one_of_each();
        for error in &errors {
            let explanation = EXPLANATIONS.iter().find(|e| e.code == error.code());
            assert_eq!(explanation.map(|e| e.exit), Some(error.exit()), "{}", error.code());
            assert!(error.to_string().starts_with(char::is_lowercase), "{error}");
            assert!(!error.help().is_empty());
        }
        for explanation in EXPLANATIONS {
            assert!(errors.iter().any(|e| e.code() == explanation.code), "{} is used by no error", explanation.code);
        }
        assert!(EXPLANATIONS.is_sorted_by_key(|e| e.code));
    }
}
