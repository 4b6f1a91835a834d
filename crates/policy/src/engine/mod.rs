//! The seam between us and the Rego interpreter.

use countersign_model::{Place, Timestamp};
use serde_json::Value;

use crate::{Bundle, Error};

pub mod annotations;
mod builtins;
mod calls;
mod imports;
mod limits;
mod message;
mod nesting;
pub mod outline;
mod program;
mod regorus;
mod source;
mod syntax;
pub mod worker;

pub(crate) use self::builtins::jose;
pub(crate) use self::program::Input;
pub use self::program::{Coverage, Options, Program};
pub use self::regorus::RegorusEngine;

/// Evaluates a bundle over facts. An implementation must be deterministic: the same bundle, facts and time give the
/// same value, on any machine, at any hour.
pub trait PolicyEngine: Send + Sync {
    /// Name and exact version, `regorus/0.11.0+1`; recorded in every decision, so that a replay by another engine is
    /// told apart from a difference.
    fn name_and_version(&self) -> String;

    /// The value of `data.countersign.gates`, with `facts` as input and the policy's clock frozen at `time`.
    ///
    /// # Errors
    /// When a file does not parse, the evaluation fails, takes too long or panics, or the value is undefined.
    fn evaluate(&self, bundle: &Bundle, facts: &Value, time: Timestamp) -> Result<Value, Error>;
}

/// Where a piece of the interpreter's syntax stands.
fn place(span: &::regorus::unstable::Span) -> Place {
    Place { file: span.source.file().clone(), line: Some(span.line), column: Some(span.col) }
}

/// Lines of any width: what an author may use is checked with the nesting, and what is written out may exceed it.
fn wide() -> ::regorus::PolicyLengthConfig {
    ::regorus::PolicyLengthConfig { max_col: std::num::NonZeroU32::MAX, ..Default::default() }
}
