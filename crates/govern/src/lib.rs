//! Answers: who may do what, and whether the record holds.
//!
//! | folder | holds |
//! |---|---|
//! | [`access`] | the root of trust, people, roles, policy activation: signed acts of administrators and officers |
//! | [`retention`] | classes, holds, disposal, erasure, records officers: signed acts of compliance officers |
//! | [`assess`] | a window of the ledger held against the catalogue: requirements, maturity, plan, certificates |
//! | [`registry`] | applications and environments, as facts for policies |
//! | [`enforcement`] | how strongly each control is enforced where, put in effect by officers |
//! | [`approvals`] | which slots must be signed where, put in effect by officers |
//! | [`waivers`] | requests, grants, refusals and revocations of waivers |
//! | [`issuers`] | whose identity tokens are believed |
//! | [`gates`] | who answers for which gate, taken on and reviewed |
//! | [`runbook`] | the Pipeline Governance Runbook from what is configured, and what is wrong with it |
//! | [`page`] | a page without a format: Markdown and HTML are written from it |
//! | [`audit`] | `verify`: everything in a ledger checked offline, against a pin kept outside of it |

pub mod access;
pub mod approvals;
pub mod assess;
pub mod audit;
pub mod enforcement;
mod error;
mod explain;
pub mod gates;
pub mod issuers;
pub mod page;
pub mod registry;
pub mod retention;
pub mod runbook;
pub mod waivers;

pub use error::Error;
pub use explain::EXPLANATIONS;
