//! The assessment: what the ledger says of a window of time, held against the catalogue.
//!
//! ```text
//! ledger ── fold ──▶ facts ── controls ──▶ judgements ──┬─▶ requirements, framework by framework
//!                      │                                └─▶ plan: 30, 60, 90 days
//!                      └──────── rubric ──▶ maturity: the lowest of ten dimensions, and what blocks the next level
//! ```
//!
//! It is computed from the ledger alone, so the same window of the same ledger gives the same facts on every machine. What
//! cannot be read makes the controls that would have read it an error, never a pass.
//!
//! | file | holds |
//! |---|---|
//! | `facts.rs`, `deployments.rs`, `weaknesses.rs`, `registry.rs` | the fold: one document, ids only |
//! | `excerpt.rs` | what an evidence pack cannot tell |
//! | `decided.rs` | a decision's own facts, read once |
//! | `tools.rs` | which kind of analysis a tool makes |
//! | `judged.rs` | controls and requirements with their outcomes |
//! | `maturity.rs` | the rubric |
//! | `plan.rs` | what to do next |
//! | `weeks.rs` | what a control was applied to, week by week |
//! | `record.rs` | an assessment as an entry of the ledger |
//! | `certificate.rs` | that a control did not change between two dates, and every time it worked |

pub mod certificate;
mod decided;
mod deployments;
mod emergencies;
mod excerpt;
mod facts;
mod judged;
pub mod maturity;
mod observed;
pub mod plan;
mod record;
mod registry;
mod reviews;
mod tools;
mod weaknesses;
mod weeks;

use countersign_evidence::canonical;
use countersign_model::{Digest, Outcome, Timestamp};
use countersign_policy::Catalogue;
use countersign_store::Session;
use serde_json::Value;

use crate::Error;
use crate::audit::verify::Verified;
pub use facts::{Folded, Unreadable, fold};
pub(crate) use facts::{Sight, fold_seen};
pub use judged::{Assessed, JudgedControl, JudgedRequirement};
pub(crate) use judged::{judge_all, judge_each, one as judged_one};
pub use maturity::Maturity;
pub use plan::Plan;
pub use record::{record, record_of};
pub use weeks::{Week, weeks};

/// A window of time: from a moment on, and before another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// From when on.
    pub from: Timestamp,
    /// Before when.
    pub to: Timestamp,
}

impl Window {
    /// Whether a moment lies in it.
    #[must_use]
    pub fn holds(&self, at: Timestamp) -> bool {
        self.from <= at && at < self.to
    }
}

/// What an assessment is asked.
#[derive(Debug, Clone)]
pub struct Ask {
    /// Which time.
    pub window: Window,
    /// One framework, or all.
    pub framework: Option<String>,
    /// How many of the newest decisions of the window are computed again.
    pub repeat: usize,
}

/// What came of it.
#[derive(Debug)]
pub struct Assessment {
    /// The ledger's origin.
    pub origin: String,
    /// How many entries it had.
    pub size: u64,
    /// Its root at that size.
    pub root: Digest,
    /// Which time.
    pub window: Window,
    /// SHA-256 of the canonical facts (RFC 8785).
    pub facts_digest: Digest,
    /// The facts.
    pub facts: Value,
    /// What could not be read.
    pub unreadable: Vec<Unreadable>,
    /// The version of the catalogue: SHA-256 over its controls.
    pub catalogue: Digest,
    /// Every control that the chosen frameworks need, by id.
    pub controls: Vec<JudgedControl>,
    /// The frameworks, by id.
    pub frameworks: Vec<Assessed>,
    /// How mature the delivery is.
    pub maturity: Maturity,
    /// What to do next.
    pub plan: Plan,
}

impl Assessment {
    /// The outcome of all requirements together.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        Outcome::all(self.frameworks.iter().flat_map(|f| f.requirements.iter().map(|r| r.outcome)))
    }
}

/// Assesses a window of the ledger. `verified` is what a verification of the very ledger said just now, where there was one.
///
/// # Errors
/// When the ledger cannot be read, or there is no such framework.
pub fn assess(
    session: &Session,
    catalogue: &Catalogue,
    verified: Option<&Verified>,
    ask: &Ask,
) -> Result<Assessment, Error> {
    if let Some(id) = &ask.framework
        && !catalogue.frameworks.contains_key(id)
    {
        let known = catalogue.frameworks.keys().cloned().collect();
        return Err(Error::NoSuchFramework { framework: id.clone(), known });
    }
    let folded = fold(session, verified, ask.window, ask.repeat)?;
    let (controls, frameworks) = judge_all(catalogue, &folded, ask);
    let maturity = maturity::rate(&folded.facts, &frameworks);
    let plan = plan::of(&frameworks, &controls);
    let size = session.state().size();
    Ok(Assessment {
        origin: session.state().origin().to_owned(),
        size,
        root: Digest::from_bytes(session.ledger().root_at(size)?),
        window: ask.window,
        facts_digest: canonical::digest(&folded.facts)?,
        unreadable: folded.unreadable,
        facts: folded.facts,
        catalogue: catalogue.digest(),
        controls,
        frameworks,
        maturity,
        plan,
    })
}
