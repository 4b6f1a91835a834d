//! What can go wrong with access reviews, each with a stable code.

use countersign_model::{Diagnostic, Exit, ReviewId, Timestamp};

/// What can go wrong with access reviews.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReviewError {
    /// A review that cannot be.
    #[error("such a review cannot be: {why}")]
    BadReview {
        /// Why.
        why: &'static str,
    },
    /// Nobody may look.
    #[error("none of the reviewers may look at {what}")]
    NobodyReviews {
        /// At what.
        what: String,
    },
    /// Not one who reviews.
    #[error("{person} is no {roles} and reviews nobody's access")]
    NoReviewer {
        /// Who.
        person: String,
        /// The roles that may.
        roles: String,
    },
    /// No such review.
    #[error("`{}` names no access review, or more than one", review.escape_debug())]
    NoSuchReview {
        /// What was asked for.
        review: String,
    },
    /// Nothing waits.
    #[error("nothing of {review} that was asked for waits for whoever signs")]
    NothingToDecide {
        /// The review.
        review: ReviewId,
    },
    /// No such line.
    #[error("{review} has no line {line}")]
    NoSuchLine {
        /// The review.
        review: ReviewId,
        /// The number.
        line: u32,
    },
    /// Another reviewer's.
    #[error("line {line} is for another reviewer than {person}")]
    OthersLine {
        /// Who.
        person: String,
        /// The number.
        line: u32,
    },
    /// Decided.
    #[error("line {line} is decided already")]
    LineDecided {
        /// The number.
        line: u32,
    },
    /// Too late.
    #[error("{review} was due at {due}; what nobody decided by then ends")]
    Overdue {
        /// The review.
        review: ReviewId,
        /// When.
        due: Timestamp,
    },
    /// Closed.
    #[error("{review} is closed")]
    ReviewClosed {
        /// The review.
        review: ReviewId,
    },
    /// The only one who looked.
    #[error("nobody but {person} did anything in {review}, and they cannot certify it")]
    SoleReviewer {
        /// Who.
        person: String,
        /// The review.
        review: ReviewId,
    },
    /// Not decided.
    #[error("{waiting} of the lines of {review} wait, and it is due at {due}")]
    LinesWait {
        /// The review.
        review: ReviewId,
        /// How many.
        waiting: usize,
        /// When.
        due: Timestamp,
    },
    /// Nobody would be left.
    #[error("{review} stays open: without what its lines {} are about, no administrator for good would be left", lines(.spared))]
    LastAdministrator {
        /// The review.
        review: ReviewId,
        /// The lines.
        spared: Vec<u32>,
    },
    /// No such workload.
    #[error("no access review ended the workload `{}`", workload.escape_debug())]
    NotEnded {
        /// What was asked for.
        workload: String,
    },
}

fn lines(numbers: &[u32]) -> String {
    numbers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

impl Diagnostic for ReviewError {
    fn code(&self) -> &'static str {
        match self {
            Self::BadReview { .. } => "CS-REVIEW-001",
            Self::NobodyReviews { .. } => "CS-REVIEW-002",
            Self::NoSuchReview { .. } => "CS-REVIEW-003",
            Self::NothingToDecide { .. } => "CS-REVIEW-004",
            Self::NoSuchLine { .. } => "CS-REVIEW-005",
            Self::OthersLine { .. } => "CS-REVIEW-006",
            Self::LineDecided { .. } => "CS-REVIEW-007",
            Self::ReviewClosed { .. } => "CS-REVIEW-008",
            Self::SoleReviewer { .. } => "CS-REVIEW-009",
            Self::LinesWait { .. } => "CS-REVIEW-010",
            Self::Overdue { .. } => "CS-REVIEW-011",
            Self::LastAdministrator { .. } => "CS-REVIEW-012",
            Self::NotEnded { .. } => "CS-REVIEW-013",
            Self::NoReviewer { .. } => "CS-REVIEW-014",
        }
    }

    fn exit(&self) -> Exit {
        crate::EXPLANATIONS.iter().find(|e| e.code == self.code()).map_or(Exit::Internal, |e| e.exit)
    }

    fn help(&self) -> String {
        match self {
            Self::BadReview { .. } => "see what it takes: countersign access review open --help".into(),
            Self::NobodyReviews { .. } => "name another reviewer: --reviewer PERSON".into(),
            Self::NoReviewer { .. } => "see who could be one: countersign role list".into(),
            Self::NoSuchReview { .. } => "list them: countersign access review list".into(),
            Self::NothingToDecide { review } | Self::NoSuchLine { review, .. } | Self::ReviewClosed { review } => {
                format!("see what there is: countersign access review show {review}")
            }
            Self::OthersLine { .. } | Self::LineDecided { .. } => {
                "see what waits for you: countersign access review show --mine".into()
            }
            Self::SoleReviewer { .. } => "another officer signs this: --key FILE".into(),
            Self::LinesWait { review, .. } => {
                format!("their reviewers decide: countersign access review show {review} --mine")
            }
            Self::Overdue { review, .. } => format!("an officer closes it: countersign access review close {review}"),
            Self::LastAdministrator { review, .. } => format!(
                "make somebody else administrator without an end (countersign role grant PERSON administrator --reason TEXT), \
                 then: countersign access review close {review}"
            ),
            Self::NotEnded { .. } => "see which are ended: countersign access workloads".into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_is_explained_and_helps() {
        let (review, due) = (ReviewId::from_text("rev-0"), Timestamp::from_millis(0));
        let text = String::new;
        let all = [
            ReviewError::BadReview { why: "" },
            ReviewError::NobodyReviews { what: text() },
            ReviewError::NoSuchReview { review: text() },
            ReviewError::NothingToDecide { review: review.clone() },
            ReviewError::NoSuchLine { review: review.clone(), line: 1 },
            ReviewError::OthersLine { person: text(), line: 1 },
            ReviewError::LineDecided { line: 1 },
            ReviewError::Overdue { review: review.clone(), due },
            ReviewError::ReviewClosed { review: review.clone() },
            ReviewError::SoleReviewer { person: text(), review: review.clone() },
            ReviewError::LinesWait { review: review.clone(), waiting: 1, due },
            ReviewError::LastAdministrator { review, spared: vec![1, 2] },
            ReviewError::NotEnded { workload: text() },
            ReviewError::NoReviewer { person: text(), roles: text() },
        ];
        for error in all {
            assert_ne!(error.exit(), Exit::Internal, "{error}");
            assert!(!error.help().is_empty());
        }
    }
}
