//! Decides: facts in, verdict out.
//!
//! A decision is a pure function of three things: the *facts* of a change (JSON, version 1), a policy [`Bundle`]
//! (Rego files with a digest) and a frozen time. It holds no clock, no run id, no host and no absolute path, so
//! anybody can compute it again and must arrive at the same bytes; [`replay()`] does just that.
//!
//! ```text
//! facts ─┐
//! bundle ├─▶ PolicyEngine ─▶ what each gate says ─▶ decide ─▶ Verdict ─▶ Decision ─▶ digest (what approvals bind)
//! time  ─┘                   (checks, deny, …)      outcomes
//! ```
//!
//! Rego says *what was checked and what was found*; the outcome of a gate is computed here, from the effects of its
//! reasons, so that no policy can talk itself into a pass:
//!
//! | the gate has | outcome |
//! |---|---|
//! | a `deny` | fail |
//! | an `error`, a malformed answer, or no check that ran | error |
//! | a `wait` | pending |
//! | nothing of these, and at least one check that ran | pass |
//!
//! `release` opens only where `pre-commit` and `build` opened. An evaluation that fails, an undefined answer or an
//! unknown gate is an [`Error`]: there is no decision then, and no gate opens.
//!
//! | module | holds |
//! |---|---|
//! | [`adapters`] | policies of other people by their conventions: Conftest, Gatekeeper, Trivy |
//! | [`bundle`] | [`Bundle`]: Rego files, their digest, their transport form, the bundle shipped with the binary |
//! | [`engine`] | [`PolicyEngine`], and [`RegorusEngine`], the only user of the Rego interpreter |
//! | [`verdict`] | [`Verdict`], [`GateVerdict`], [`Reason`], [`Effect`] |
//! | [`decision`] | [`decide`] and [`Decision`] |
//! | [`replay`](mod@replay) | [`replay()`] and [`Replay`] |
//! | [`check`] | tests, linter, layout and differences of bundles, for their authors |
//! | [`catalogue`] | [`Catalogue`] of controls and frameworks, one file each; [`judge()`](catalogue::judge()): a control over an assessment's facts |
//! | [`enforcement`] | [`enforcement::Assignment`]: how strongly each control holds a change up; waivers and overrides |
//! | [`quorum`](mod@quorum) | which signatures fill which slots, and why |
//! | [`approvals`] | reads the approval rules of a firm |
//! | [`explain`] | the long text behind every error code |

pub mod adapters;
pub mod approvals;
pub mod bundle;
pub mod catalogue;
pub mod check;
pub mod decision;
pub mod enforcement;
pub mod engine;
pub mod error;
pub mod explain;
mod gates;
pub mod quorum;
pub mod replay;
pub mod verdict;

pub use bundle::Bundle;
pub use catalogue::{Catalogue, Control};
pub use decision::{Decision, decide, decide_under};
pub use enforcement::Assignment;
pub use engine::{Coverage, Options, PolicyEngine, Program, RegorusEngine};
pub use error::Error;
pub use explain::EXPLANATIONS;
pub use gates::GATES;
pub use replay::{Replay, replay, replay_under};
pub use verdict::{Effect, GateVerdict, Reason, Verdict};
