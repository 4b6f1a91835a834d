//! Reviews of all access. They are of the whole firm, so no token that is limited opens them. A review is closed by two acts: what is to
//! go ends, and then, once the log was read again, it is certified.

use countersign_evidence::act;
use countersign_govern::access::Pen;
use countersign_govern::access::review::{self, Campaign, Lines};
use countersign_model::access::review::{
    AccessReviewClosed, AccessReviewDecided, AccessReviewEnforced, AccessReviewOpened, ReviewVerdict,
    WorkloadReadmitted,
};
use countersign_model::{EventKind, ReviewId, StreamId, Timestamp};
use countersign_policy::Catalogue;
use countersign_store::Session;
use countersign_store::handed::{Away, HandedError, HandedIn, Written};
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::schema::{id, kind, line, or_null, time};
use super::super::told;
use super::{Act, Asked, Family, Looked, Said, alone, no, read_as, told_of_people};
use crate::app::{Scope, Trouble};

pub(super) const FAMILY: Family = Family {
    kinds: &[
        "access-review-open",
        "access-review-decide",
        "access-review-enforce",
        "access-review-close",
        "access-readmit",
    ],
    namespaces: &[
        act::ACCESS_REVIEW,
        act::ACCESS_REVIEW_DECISION,
        act::ACCESS_REVIEW_ENFORCEMENT,
        act::ACCESS_REVIEW_CERTIFICATION,
        act::WORKLOAD_READMISSION,
    ],
    read: read_as::<Review>,
    of,
    schemas,
};

#[derive(Debug, Deserialize)]
#[serde(tag = "kind", deny_unknown_fields)]
enum Review {
    #[serde(rename = "access-review-open")]
    Open {
        from: Timestamp,
        #[serde(default)]
        to: Option<Timestamp>,
        due: Timestamp,
        #[serde(default)]
        reviewers: Vec<String>,
        reason: String,
    },
    #[serde(rename = "access-review-decide")]
    Decide {
        review: String,
        decision: ReviewVerdict,
        #[serde(default)]
        lines: Vec<u32>,
        #[serde(default)]
        all_of: Option<String>,
        #[serde(default)]
        reason: Option<String>,
    },
    #[serde(rename = "access-review-enforce")]
    Enforce { review: String },
    #[serde(rename = "access-review-close")]
    Close { review: String },
    #[serde(rename = "access-readmit")]
    Readmit { workload: String, reason: String },
}

fn schemas() -> Vec<Value> {
    let review = || ("review", id("The review, the start of its id, or `latest`."));
    let reason = || ("reason", line("Why."));
    let reviewers = json!({
        "type": "array", "items": line("A name or id."),
        "description": "Who looks; everybody who may review access where nobody is named.",
    });
    let verdicts: Vec<&str> =
        [ReviewVerdict::Keep, ReviewVerdict::Change, ReviewVerdict::Revoke].iter().map(|v| v.as_str()).collect();
    let decision = json!({"enum": verdicts, "description": "It stays, becomes another, or ends."});
    let lines = json!({
        "type": "array", "items": {"type": "integer", "minimum": 0, "maximum": u32::MAX},
        "description": "The lines by their numbers; either these or `all_of`.",
    });
    vec![
        kind(
            "access-review-open",
            "All access that there is, to be looked at by somebody else.",
            &[
                ("from", time("The beginning of its period.")),
                ("due", time("Until when lines are to be decided.")),
                reason(),
            ],
            &[("to", or_null(time("The end of its period; now where it is not given."))), ("reviewers", reviewers)],
        ),
        kind(
            "access-review-decide",
            "What a reviewer says of lines of theirs.",
            &[review(), ("decision", decision)],
            &[
                ("lines", lines),
                ("all_of", or_null(line("All lines of this person that the signer may decide."))),
                ("reason", or_null(line("Why; needed for what is not kept."))),
            ],
        ),
        kind("access-review-enforce", "What a review takes away ends.", &[review()], &[]),
        kind("access-review-close", "A review is certified; the log is read again for it.", &[review()], &[]),
        kind(
            "access-readmit",
            "A workload that a review ended may show tokens again.",
            &[("workload", line("The workload.")), reason()],
            &[],
        ),
    ]
}

fn of(handed: &HandedIn) -> Result<Asked, HandedError> {
    alone(handed)?;
    let namespace = handed.namespace();
    Ok(Box::new(match namespace {
        act::ACCESS_REVIEW => {
            let p: AccessReviewOpened = handed.said(namespace)?;
            let reviewers = p.reviewers.iter().map(ToString::to_string).collect();
            Review::Open { from: p.from, to: Some(p.to), due: p.due, reviewers, reason: p.reason }
        }
        act::ACCESS_REVIEW_DECISION => {
            let p: AccessReviewDecided = handed.said(namespace)?;
            let (review, decision) = (p.review.to_string(), p.verdict);
            Review::Decide { review, decision, lines: p.lines, all_of: None, reason: Some(p.reason) }
        }
        act::ACCESS_REVIEW_ENFORCEMENT => {
            let p: AccessReviewEnforced = handed.said(namespace)?;
            Review::Enforce { review: p.review.to_string() }
        }
        act::ACCESS_REVIEW_CERTIFICATION => {
            let p: AccessReviewClosed = handed.said(namespace)?;
            Review::Close { review: p.review.to_string() }
        }
        act::WORKLOAD_READMISSION => {
            let p: WorkloadReadmitted = handed.said(namespace)?;
            Review::Readmit { workload: p.workload, reason: p.reason }
        }
        _ => return Err(no("it is no act about an access review")),
    }))
}

impl Act for Review {
    fn command(&self) -> &'static str {
        match self {
            Self::Open { .. } => "access review open",
            Self::Decide { .. } => "access review decide",
            Self::Enforce { .. } | Self::Close { .. } => "access review close",
            Self::Readmit { .. } => "access readmit",
        }
    }

    fn event(&self) -> EventKind {
        match self {
            Self::Open { .. } => EventKind::AccessReviewOpened,
            Self::Decide { .. } => EventKind::AccessReviewDecided,
            Self::Enforce { .. } => EventKind::AccessReviewEnforced,
            Self::Close { .. } => EventKind::AccessReviewClosed,
            Self::Readmit { .. } => EventKind::WorkloadReadmitted,
        }
    }

    fn stream(&self, handed: &HandedIn) -> Result<Option<StreamId>, HandedError> {
        Ok(Some(match self {
            Self::Open { .. } => StreamId::from(&handed.said::<AccessReviewOpened>(act::ACCESS_REVIEW)?.review),
            Self::Decide { review, .. } | Self::Enforce { review } | Self::Close { review } => {
                StreamId::from(&ReviewId::from_text(review))
            }
            Self::Readmit { .. } => StreamId::from_text("issuers"),
        }))
    }

    fn inside(&self, _: &Session, _: &Scope) -> Result<(&'static str, bool), Trouble> {
        Ok((if matches!(self, Self::Readmit { .. }) { "workload" } else { "access review" }, false))
    }

    /// What each of them says is made once more, whole, from how it stands: there is nothing besides to look at.
    fn looked_at(&self, _: &Session) -> Result<Looked, Trouble> {
        Ok(Looked::default())
    }

    fn say(&self, session: &mut Session, _: &Catalogue, away: Away<'_>) -> Result<Written<u64>, Trouble> {
        let pen = Pen::Away(away);
        let said = match self {
            Self::Open { from, to, due, reviewers, reason } => {
                let asked = Campaign { from: *from, to: *to, due: *due, reviewers, reason };
                review::open(session, &asked, pen).map(|(_, written)| written)
            }
            Self::Decide { review, decision, lines, all_of, reason } => {
                let which = match all_of {
                    Some(_) if !lines.is_empty() => {
                        return Err(Trouble::bad_body(
                            "lines are named by their numbers or by whose they are, not both",
                        ));
                    }
                    Some(person) => Lines::Of(person.clone()),
                    None => Lines::Numbers(lines.clone()),
                };
                let reason = reason.as_deref().unwrap_or_default();
                review::decide(session, review, &which, *decision, reason, pen).map(|(_, _, written)| written)
            }
            Self::Enforce { review } => review::enforce(session, review, pen).map(|done| done.written),
            Self::Close { review } => review::certify(session, review, pen).map(|(_, written)| written),
            Self::Readmit { workload, reason } => review::readmit(session, workload, reason, pen),
        };
        said.map_err(|e| told_of_people(&e))
    }

    fn already(&self, session: &mut Session) -> Result<Value, Trouble> {
        let Self::Enforce { review } = self else {
            return Err(Trouble::internal("something that is never so already was so"));
        };
        let row = review::find_review(session, review).map_err(|e| told(&e))?;
        let spared = session.state().review_ends(&row)?.spared;
        Ok(json!({"version": 1, "index": null, "review": row.opened.review, "ended": [], "spared": spared}))
    }

    fn result(&self, session: &mut Session, said: &Said<'_>) -> Result<Value, Trouble> {
        Ok(match self {
            Self::Open { .. } => {
                let opened: AccessReviewOpened = said.handed.said(act::ACCESS_REVIEW).map_err(|e| told(&e))?;
                let row = review::find_review(session, opened.review.as_str()).map_err(|e| told(&e))?;
                review::document(session, &row).map_err(|e| told(&e))?
            }
            Self::Decide { review, decision, lines, .. } => {
                said.with(json!({"review": review, "lines": lines, "decision": decision}))
            }
            Self::Enforce { review } => {
                let p: AccessReviewEnforced = said.handed.said(act::ACCESS_REVIEW_ENFORCEMENT).map_err(|e| told(&e))?;
                let row = review::find_review(session, review).map_err(|e| told(&e))?;
                let spared = session.state().review_ends(&row)?.spared;
                said.with(json!({"review": p.review, "ended": p.lines, "spared": spared}))
            }
            Self::Close { .. } => {
                let p: AccessReviewClosed = said.handed.said(act::ACCESS_REVIEW_CERTIFICATION).map_err(|e| told(&e))?;
                said.with(json!({
                    "review": p.review, "size": p.size, "gone": p.gone, "held": p.held, "figures": p.figures,
                }))
            }
            Self::Readmit { workload, .. } => said.with(json!({"workload": workload})),
        })
    }
}
