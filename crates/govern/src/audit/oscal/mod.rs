//! What the ledger and the catalogue say, in OSCAL (NIST, <https://pages.nist.gov/OSCAL/>), version 1.2.
//!
//! OSCAL is a form in which it is handed over, and nothing else in the program knows of it. Ids are derived from what they
//! stand for (UUID version 5, RFC 9562 §5.5), and `last-modified` is the time of the newest entry of the log: the same ledger
//! and the same catalogue give the same bytes, on every machine and at any time.
//!
//! | file | document |
//! |---|---|
//! | `catalog.rs` | catalog: the firm's controls, or the requirements of frameworks |
//! | `component.rs` | component-definition: which requirements are met by what |
//! | `mapping.rs` | mapping-collection: from the firm's controls to the requirements |
//! | `results.rs` | assessment-results: an assessment of a window |
//! | `poam.rs` | plan-of-action-and-milestones: what is open, and until when |
//! | `parts.rs` | what all of them are made of |
//! | `uuid.rs` | ids |

mod catalog;
mod component;
mod mapping;
mod parts;
mod poam;
mod results;
mod uuid;

use countersign_model::Timestamp;
use countersign_policy::Catalogue;
use countersign_policy::catalogue::Framework;
use countersign_store::Session;
use serde_json::Value;

use self::parts::Desk;
use super::AuditError;
use super::pack::View;
use crate::Error;
use crate::assess::{Assessment, Window};

/// The version of OSCAL that is written.
pub const VERSION: &str = "1.2.3";

/// A kind of document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The firm's controls; with frameworks, their requirements.
    Catalog,
    /// Which requirements are met by what.
    ComponentDefinition,
    /// What an assessment of a window came to.
    AssessmentResults,
    /// What is open, and until when.
    Poam,
    /// From the firm's controls to the requirements of frameworks.
    MappingCollection,
}

/// The frameworks of these ids, in this order, each once; all of the catalogue where none is named.
///
/// # Errors
/// [`Error::NoSuchFramework`].
pub fn frameworks<'c>(catalogue: &'c Catalogue, ids: &[String]) -> Result<Vec<&'c Framework>, Error> {
    if ids.is_empty() {
        return Ok(catalogue.frameworks.values().collect());
    }
    let mut chosen: Vec<&Framework> = Vec::new();
    for id in ids {
        let found = catalogue.frameworks.get(id).ok_or_else(|| Error::NoSuchFramework {
            framework: id.clone(),
            known: catalogue.frameworks.keys().cloned().collect(),
        })?;
        if !chosen.iter().any(|f| f.id == found.id) {
            chosen.push(found);
        }
    }
    Ok(chosen)
}

/// A document that rests on the catalogue and on what is open: all but [`Kind::AssessmentResults`], for which see [`results()`].
///
/// # Errors
/// [`Error::NoSuchFramework`], [`AuditError::Unmet`] of a framework that was named, [`AuditError::NothingOpen`].
pub fn document(session: &Session, catalogue: &Catalogue, kind: Kind, ids: &[String]) -> Result<Vec<u8>, Error> {
    let desk = Desk::of(View { state: session.state(), ledger: session.ledger() }, catalogue)?;
    let chosen = frameworks(catalogue, ids)?;
    let document = match kind {
        Kind::Catalog if ids.is_empty() => catalog::of_controls(&desk)?,
        Kind::Catalog => catalog::of_frameworks(&desk, &chosen)?,
        Kind::ComponentDefinition => component::definition(&desk, &chosen, !ids.is_empty())?,
        Kind::MappingCollection => mapping::collection(&desk, &chosen, !ids.is_empty())?,
        Kind::Poam | Kind::AssessmentResults => poam::plan(&desk, &[])?.ok_or(AuditError::NothingOpen)?,
    };
    Ok(written(&document))
}

/// The window that is meant where no end is named: up to the newest entry of the log, that included, so that it does not
/// depend on the clock.
///
/// # Errors
/// When the ledger cannot be read.
pub fn newest(session: &Session) -> Result<Timestamp, Error> {
    Ok(Timestamp::from_millis(session.state().newest_time()?.millis().saturating_add(1)))
}

/// Refuses a window in which nothing was recorded.
///
/// # Errors
/// [`AuditError::NothingInPeriod`]; when the ledger cannot be read.
pub fn not_empty(session: &Session, window: Window) -> Result<(), Error> {
    if session.state().entry_times()?.into_iter().any(|at| window.holds(at)) {
        return Ok(());
    }
    Err(AuditError::NothingInPeriod { from: Some(window.from), to: Some(window.to) }.into())
}

/// An assessment as assessment results.
///
/// # Errors
/// [`AuditError::NoEvidence`] when nothing in the window supports any requirement of these frameworks; when the ledger cannot
/// be read.
pub fn results(
    session: &Session,
    catalogue: &Catalogue,
    assessment: &Assessment,
    ids: &[String],
) -> Result<Vec<u8>, Error> {
    let desk = Desk::of(View { state: session.state(), ledger: session.ledger() }, catalogue)?;
    Ok(written(&results::document(&desk, assessment, ids)?))
}

/// The documents of a pack, each with its name. All but the plan follow from the catalogue, which a pack holds no copy of.
/// What was left out of the pack is not in the plan.
///
/// # Errors
/// When the ledger cannot be read.
pub(super) fn of_pack(
    view: View<'_>,
    catalogue: &Catalogue,
    ids: &[String],
    left_out: &[(u64, u64)],
) -> Result<Vec<(String, Vec<u8>)>, Error> {
    let desk = Desk::of(view, catalogue)?;
    // One that is not in the catalogue of whoever derives the pack anew is their catalogue's affair.
    let chosen: Vec<&Framework> =
        catalogue.frameworks.values().filter(|f| ids.is_empty() || ids.contains(&f.id)).collect();
    let all = [
        (parts::CATALOG, Some(catalog::of_controls(&desk)?)),
        (parts::FRAMEWORKS, Some(catalog::of_frameworks(&desk, &chosen)?)),
        (parts::COMPONENTS, if_met(component::definition(&desk, &chosen, false))?),
        (parts::MAPPINGS, if_met(mapping::collection(&desk, &chosen, false))?),
        (parts::PLAN, poam::plan(&desk, left_out)?),
    ];
    let packed = |(name, document): (&str, Option<Value>)| Some((format!("{PACKED}{name}"), written(&document?)));
    Ok(all.into_iter().filter_map(packed).collect())
}

/// Nothing, where no requirement is met by anything.
fn if_met(document: Result<Value, Error>) -> Result<Option<Value>, Error> {
    match document {
        Err(Error::Audit(AuditError::Unmet { .. })) => Ok(None),
        document => document.map(Some),
    }
}

/// The folder of a pack.
const PACKED: &str = "oscal/";

/// Whether a file of a pack follows from the catalogue and not from the log alone.
pub(super) fn is_of_catalogue(name: &str) -> bool {
    name.strip_prefix(PACKED).is_some_and(|name| name != parts::PLAN)
}

/// For people and programs: indented, keys in order.
fn written(document: &Value) -> Vec<u8> {
    format!("{document:#}\n").into_bytes()
}
