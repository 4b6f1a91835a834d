//! The family `pii`: personal data, payment cards, bank accounts and market data, by form and check digit.
//!
//! | module | holds |
//! |---|---|
//! | `kind` | the kinds of values and how each is come upon |
//! | `checksum` | check digits |
//! | `card`, `bank`, `person`, `market`, `vat`, `mrz` | the forms |
//! | `context` | words near a value that say what it is |
//! | `value` | rules for single values |
//! | `table` | rules for columns and records |
//! | `parquet` | names of columns in Parquet files |

mod bank;
mod card;
mod checksum;
mod context;
mod kind;
mod market;
mod mrz;
mod parquet;
mod person;
mod table;
mod value;
mod vat;

use countersign_model::Confidence;

pub(crate) use kind::Kind;
pub(crate) use table::overview;
pub(crate) use value::{is_only_in_columns, needs_words};

use crate::family::Detector;
use crate::rules::PiiMatch;

/// The detector of a rule of this family.
pub(crate) fn detector(spec: PiiMatch, confidence: Confidence) -> Box<dyn Detector> {
    Box::new(value::Value::new(spec, confidence))
}
