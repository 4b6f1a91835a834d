//! Acts: the stages of delivery. Each use case authorises, does and records.
//!
//! | stage | folder | use cases |
//! |---|---|---|
//! | 1 Pre-commit | [`commit`] | `scan --staged` |
//! | 2 Continuous integration | [`build`] | `run`, `record`, `gate check`, `replay` |
//! | 4 Dual approval | [`release`] | `approve`, `import`, `deploy`, `claim`, `suppression grant` |
//! | 5 Monitoring | [`operate`] | `snapshot` |
//!
//! [`notify`] tells people what any of them must act on.
//!
//! Every use case of the stages from 2 on takes an open [`countersign_store::Session`]: it plans on the folded state and appends only if
//! nothing was appended in between. What is refused is recorded before the command fails.

pub mod build;
pub mod commit;
mod error;
mod explain;
pub mod notify;
pub mod operate;
pub mod release;

pub use error::Error;
pub use explain::EXPLANATIONS;
