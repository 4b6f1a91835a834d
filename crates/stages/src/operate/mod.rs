//! Stage 5, monitoring: what really runs is held against what was let through.
//!
//! Control objective: whatever runs in an environment was put there by a recorded deployment, and a difference is found, told and gone in
//! time. Regulatory mapping: NIST SP 800-53r5 CM-8, SI-7(15), CM-6(2), CA-7; PCI DSS v4.0.1 11.5.2, 6.5.2; SOX ITGC change management;
//! Regulation SCI 1001(b)(2)(ii); DORA art. 10.
//!
//! | file | holds |
//! |---|---|
//! | `look.rs` | what runs, read from what a cluster or another program says, or from files |
//! | `rules.rs` | where that differs from what was let through; pure |
//! | `run.rs` | the use case `snapshot`: looks up, compares, records |
//! | `events.rs` | the facts it records |
//! | `error.rs` | what cannot be read |

mod error;
mod events;
mod look;
mod rules;
mod run;

pub use error::{EXPLANATIONS, OperateError};
pub use look::{Looked, files, kubernetes, read, sums};
pub use run::{RESOLVE_DAYS, Taken, Taking, UNCHANGED_MINUTES, take};
