//! Answers: who may do what, and whether the record holds.
//!
//! | folder | holds |
//! |---|---|
//! | [`access`] | the root of trust, people, roles, policy activation: signed acts of administrators and officers |
//! | [`retention`] | classes, holds, disposal, erasure, records officers: signed acts of compliance officers |
//! | [`assess`] | a window of the ledger held against the catalogue: requirements, maturity, plan, certificates |
//! | [`audit`] | `verify`: everything in a ledger checked offline, against a pin kept outside of it |

pub mod access;
pub mod assess;
pub mod audit;
mod error;
mod explain;
pub mod retention;

pub use error::Error;
pub use explain::EXPLANATIONS;
