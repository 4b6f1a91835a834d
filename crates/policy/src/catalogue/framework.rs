//! Frameworks: what others demand, clause by clause, in our own words.

use std::collections::BTreeMap;

use countersign_model::retention::Day;
use serde::{Deserialize, Serialize};
use serde_saphyr::Spanned;

use super::read::{File, Kind};
use crate::Error;

/// How much of a requirement the evidence in a ledger can decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// All of it.
    Automatic,
    /// A part; people attest the rest.
    Partial,
    /// Nothing; it is a document or an act of people.
    Manual,
}

impl Class {
    /// The text form.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Automatic => "automatic",
            Self::Partial => "partial",
            Self::Manual => "manual",
        }
    }
}

/// Where the wording of a requirement was compared with something. What was compared with nothing is not verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CheckedIn {
    /// The publisher's own text.
    Text,
    /// A list of ids and titles (ComplianceAsCode, OSCAL content).
    Index,
    /// A page of somebody else about it.
    Secondary,
    /// The file that it was imported from.
    Import,
}

impl CheckedIn {
    /// The text form.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Index => "index",
            Self::Secondary => "secondary",
            Self::Import => "import",
        }
    }
}

/// A rule set from outside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Framework {
    /// Its id, equal to the name of its file.
    pub id: String,
    /// Its full title with version.
    pub title: String,
    /// Who publishes it.
    pub publisher: String,
    /// Where its text is.
    pub source: String,
    /// Under which terms its text may be used, where it is not our own words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub licence: Option<String>,
    /// Whom those terms want to be named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attribution: Option<String>,
    /// The day on which our text of it was last compared with a source.
    pub checked_on: Day,
    /// From when it is in force.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effective_from: Option<Day>,
    /// What took its place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub superseded_by: Option<String>,
    /// What a reader should know.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Its clauses, in the order of the file.
    pub requirements: Vec<Requirement>,
    /// The file's name, for messages.
    #[serde(skip)]
    pub file: String,
}

/// One clause.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Requirement {
    /// As the framework numbers it.
    pub id: String,
    /// What it demands.
    pub duty: String,
    /// How much of it evidence can decide.
    pub class: Class,
    /// Whether id and duty were compared with a source.
    pub verified: bool,
    /// With which.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checked_in: Option<CheckedIn>,
    /// When; that of the framework where it says nothing.
    pub checked_on: Day,
    /// From when it is in force, where that is not the framework's day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effective_from: Option<Day>,
    /// What took its place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub superseded_by: Option<String>,
    /// Why no control meets it, where none does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Controls that meet it, besides those that name it themselves.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub controls: Vec<String>,
    /// Requirements of other frameworks (`framework:clause`) that its publisher relates it to. They show where to look, and
    /// meet nothing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub related: Vec<String>,
    /// The line of the file at which it stands.
    #[serde(skip)]
    pub line: u32,
}

impl Requirement {
    /// Whether it is in force on a day.
    #[must_use]
    pub fn in_force(&self, framework: &Framework, day: Day) -> bool {
        let from = self.effective_from.or(framework.effective_from);
        self.superseded_by.is_none() && framework.superseded_by.is_none() && from.is_none_or(|from| from <= day)
    }
}

/// The file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    id: String,
    title: String,
    publisher: String,
    source: String,
    licence: Option<String>,
    attribution: Option<String>,
    checked_on: Day,
    effective_from: Option<Day>,
    superseded_by: Option<String>,
    note: Option<String>,
    requirements: Vec<RawRequirement>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRequirement {
    id: Spanned<String>,
    duty: String,
    class: Class,
    verified: bool,
    checked_in: Option<CheckedIn>,
    checked_on: Option<Day>,
    effective_from: Option<Day>,
    superseded_by: Option<String>,
    reason: Option<String>,
    #[serde(default)]
    controls: Vec<String>,
    #[serde(default)]
    related: Vec<String>,
}

/// Whether a text is an id: lower-case words, digits and dots joined by `-`.
pub(super) fn is_id(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
    !text.is_empty() && text.len() <= 80 && text.chars().all(plain) && !text.starts_with(['-', '.'])
}

/// Whether a text can be a clause: it stands in `framework:clause`, on one line.
fn is_clause(text: &str) -> bool {
    !text.is_empty() && text.len() <= 120 && text.chars().all(|c| c.is_ascii_graphic())
}

/// Reads one framework.
///
/// # Errors
/// [`Error::Framework`] with file and line.
pub fn parse(name: &str, contents: &[u8]) -> Result<Framework, Error> {
    let file = File::new(name, contents, Kind::Framework)?;
    let raw: Raw = file.parse()?;
    file.named(&raw.id)?;
    if !is_id(&raw.id) {
        return Err(file.at_key("id:", "an id is lower-case words, digits and dots joined by `-`"));
    }
    for (key, value) in [("title", &raw.title), ("publisher", &raw.publisher), ("source", &raw.source)] {
        file.says(key, value)?;
    }
    if raw.requirements.is_empty() {
        return Err(file.at_key("requirements:", "it has no requirement"));
    }
    let mut seen: BTreeMap<String, u32> = BTreeMap::new();
    let mut requirements = Vec::with_capacity(raw.requirements.len());
    for r in raw.requirements {
        let line = file.place(&r.id).line.unwrap_or(1);
        let id = &r.id.value;
        if !is_clause(id) {
            return Err(file.at(&r.id, format!("`{}` is no id of a clause", id.escape_debug())));
        }
        if let Some(first) = seen.insert(id.clone(), line) {
            return Err(file.at(&r.id, format!("`{id}` stands in line {first} already")));
        }
        if r.duty.trim().is_empty() {
            return Err(file.at(&r.id, format!("`{id}` has no duty")));
        }
        if r.reason.as_deref().is_some_and(|text| text.trim().is_empty()) {
            return Err(file.at(&r.id, format!("the reason of `{id}` is empty")));
        }
        if r.verified != r.checked_in.is_some() {
            let what = "what is verified says in what it was checked (`checked_in`), and nothing else does";
            return Err(file.at(&r.id, format!("`{id}`: {what}")));
        }
        requirements.push(Requirement {
            id: r.id.value,
            duty: one_line(&r.duty),
            class: r.class,
            verified: r.verified,
            checked_in: r.checked_in,
            checked_on: r.checked_on.unwrap_or(raw.checked_on),
            effective_from: r.effective_from,
            superseded_by: r.superseded_by,
            reason: r.reason.map(|text| one_line(&text)),
            controls: r.controls,
            related: r.related,
            line,
        });
    }
    Ok(Framework {
        id: raw.id,
        title: one_line(&raw.title),
        publisher: one_line(&raw.publisher),
        source: one_line(&raw.source),
        licence: raw.licence,
        attribution: raw.attribution,
        checked_on: raw.checked_on,
        effective_from: raw.effective_from,
        superseded_by: raw.superseded_by,
        note: raw.note.map(|text| one_line(&text)),
        requirements,
        file: name.to_owned(),
    })
}

/// Folds line breaks and runs of blanks.
pub(super) fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
