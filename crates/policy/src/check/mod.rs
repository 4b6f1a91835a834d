//! What an author of policies asks before anybody else sees them: do the tests hold, is it well made, how is it laid out,
//! what is different from the version before.
//!
//! | module | answers |
//! |---|---|
//! | [`folder`] | which files are policies, tests and documents |
//! | [`suite`] | do the tests hold, and how much do they run through |
//! | [`lint`] | is there something in it that is a mistake |
//! | [`layout`] | is it laid out as Rego is |
//! | [`difference`] | which rules are new, gone, changed |

pub mod difference;
pub mod folder;
pub mod layout;
pub mod lint;
pub mod suite;

use countersign_model::Place;
use serde::Serialize;

/// How bad a remark is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth a look; refuses nothing.
    Warning,
    /// The bundle must not be activated like this.
    Error,
}

/// Something that a check has to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    /// `vacuous-pass`; explained in docs/reference/rego.md.
    pub rule: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// Where.
    pub place: Place,
    /// What is the matter, and what to do.
    pub text: String,
}
