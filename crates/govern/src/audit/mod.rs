//! Whether the record holds, for somebody who trusts neither this machine nor whoever wrote the ledger; and what such a
//! person takes home.
//!
//! | module | holds |
//! |---|---|
//! | [`mod@verify`] | everything in a ledger checked offline |
//! | [`witness`] | checkpoints that others cosign |
//! | [`pack`] | evidence packs: made, and checked |
//! | [`population`] | everything a control was applied to, sealed; samples of it |
//! | [`populations`] | those of all controls of a window, made at once |
//! | [`furnish`] | what regulators asked for, and what was handed over |
//! | [`mock`] | rehearsals of an audit |
//! | [`threads`] | audits, what was asked in them, and what was answered |
//! | [`reconcile`] | independent sources held against each other |
//! | [`oscal`] | catalogue, assessments and what is open, in the form of NIST |
//! | [`calm`] | evidence and deployments, in the form of FINOS |

pub mod calm;
mod error;
pub mod furnish;
pub mod mock;
pub mod oscal;
pub mod pack;
pub mod population;
pub mod populations;
pub mod reconcile;
pub mod threads;
pub mod verify;
pub mod witness;

use std::collections::BTreeSet;

use countersign_store::projection::State;

use crate::Error;

pub use error::{AuditError, EXPLANATIONS};

/// A text as a cell of CSV (RFC 4180). Spreadsheets take one that begins with a sign for a formula: it gets an apostrophe before
/// it.
pub(crate) fn csv_cell(text: &str) -> String {
    let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let text = if is_formula { format!("'{text}") } else { text.to_owned() };
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

/// The identities of the repositories that belong to these applications.
pub(crate) fn repositories_of(state: &State, applications: &[String]) -> Result<BTreeSet<String>, Error> {
    let known = state.applications()?;
    let mut repositories = BTreeSet::new();
    for id in applications {
        let Some(one) = known.iter().find(|a| a.what.id == *id) else {
            let known = known.iter().map(|a| a.what.id.clone()).collect();
            return Err(AuditError::NoSuchApplication { application: id.clone(), known }.into());
        };
        repositories.extend(one.what.repositories.iter().cloned());
    }
    Ok(repositories)
}
