//! Why a snapshot is not taken.

use std::path::PathBuf;

use countersign_model::snapshot::{LONGEST_NAME, MOST_SEEN};
use countersign_model::{Diagnostic, Exit, Explanation, Place};

/// Why a snapshot is not taken. Then nothing is recorded.
#[derive(Debug, thiserror::Error)]
pub enum OperateError {
    /// A list cannot be read.
    #[error("cannot read what runs")]
    Read {
        /// The file; `-` is standard input.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A list is longer than any that is taken.
    #[error("the list of what runs is longer than {most} bytes")]
    TooLong {
        /// The file.
        path: PathBuf,
        /// The most.
        most: u64,
    },
    /// It is not what a cluster says of its pods.
    #[error("it is no list of pods: {what}")]
    NotPods {
        /// The file.
        path: PathBuf,
        /// The line, where it is known.
        line: Option<u32>,
        /// What is wrong.
        what: String,
    },
    /// A line is no digest with a name.
    #[error("the line is no SHA-256 digest with the name of a file")]
    NotASum {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u32,
    },
    /// Something has no name, or one that cannot be recorded.
    #[error("what runs is not in a form that can be recorded: {what}")]
    Form {
        /// What is wrong.
        what: String,
    },
    /// Too much runs.
    #[error("{count} parts run, and a snapshot holds {MOST_SEEN}")]
    Many {
        /// How many.
        count: usize,
    },
    /// An application that is looked at is not registered.
    #[error("no application `{application}` is registered")]
    NoSuchApplication {
        /// Its id.
        application: String,
    },
}

impl Diagnostic for OperateError {
    fn code(&self) -> &'static str {
        match self {
            Self::Read { .. } => "CS-OPERATE-001",
            Self::TooLong { .. } => "CS-OPERATE-002",
            Self::NotPods { .. } => "CS-OPERATE-003",
            Self::NotASum { .. } => "CS-OPERATE-004",
            Self::Form { .. } => "CS-OPERATE-005",
            Self::Many { .. } => "CS-OPERATE-006",
            Self::NoSuchApplication { .. } => "CS-OPERATE-007",
        }
    }

    fn exit(&self) -> Exit {
        Exit::Usage
    }

    fn place(&self) -> Option<Place> {
        match self {
            Self::Read { path, .. } | Self::TooLong { path, .. } => Some(Place::file(path.to_string_lossy())),
            Self::NotPods { path, line, .. } => Some(Place { line: *line, ..Place::file(path.to_string_lossy()) }),
            Self::NotASum { path, line } => Some(Place::line(path.to_string_lossy(), *line)),
            Self::Form { .. } | Self::Many { .. } | Self::NoSuchApplication { .. } => None,
        }
    }

    fn help(&self) -> String {
        match self {
            Self::Read { .. } => "name a file that can be read, or `-` for standard input".into(),
            Self::TooLong { .. } | Self::Many { .. } => {
                "look at one application, or one namespace, at a time: `--application ID`".into()
            }
            Self::NotPods { .. } => "give it what `kubectl get pods --all-namespaces --output json` prints".into(),
            Self::NotASum { .. } => "give it what `sha256sum FILE ...` prints".into(),
            Self::Form { .. } => format!("names have 1 to {LONGEST_NAME} bytes and no control characters"),
            Self::NoSuchApplication { .. } => "see what there is: `countersign application list`".into(),
        }
    }
}

/// One explanation for every code.
pub const EXPLANATIONS: &[Explanation] = &[
    Explanation {
        code: "CS-OPERATE-001",
        exit: Exit::Usage,
        title: "what runs could not be read",
        text: "A snapshot is made of what a cluster or a program says, read from a file or from standard input, or of files that are digested here. One of them could not be opened or read, so nothing is known of what runs, and nothing was recorded.",
    },
    Explanation {
        code: "CS-OPERATE-002",
        exit: Exit::Usage,
        title: "the list of what runs is too long",
        text: "Lists are read whole, so there is a most. A list of that size is a fault of whatever wrote it, or of a cluster that is better looked at application by application.",
    },
    Explanation {
        code: "CS-OPERATE-003",
        exit: Exit::Usage,
        title: "it is no list of pods",
        text: "The Kubernetes API answers with a `PodList` (or kubectl with a `List` of pods). What was given is something else, or is cut off. Nothing is guessed: half a list would say that the other half does not run.",
    },
    Explanation {
        code: "CS-OPERATE-004",
        exit: Exit::Usage,
        title: "a line is no digest",
        text: "Every line of such a list is what `sha256sum` prints: 64 hexadecimal digits, a space, a space or an asterisk, and the name. Empty lines are passed over; anything else stops it, and nothing was recorded.",
    },
    Explanation {
        code: "CS-OPERATE-005",
        exit: Exit::Usage,
        title: "what runs cannot be recorded so",
        text: "A snapshot stands in the log for years, and is shown to people. Names that are empty, very long, or hold control characters do not go into it.",
    },
    Explanation {
        code: "CS-OPERATE-006",
        exit: Exit::Usage,
        title: "too much runs for one snapshot",
        text: "The parts of a snapshot are told apart by name and digest; replicas of one count as one. There is a most, so that a page can show it and a reader can check it.",
    },
    Explanation {
        code: "CS-OPERATE-007",
        exit: Exit::Usage,
        title: "the application is not registered",
        text: "A snapshot that is limited to applications says what of *them* runs, and what of them is missing. Which repositories are theirs is known from their registration.",
    },
];
