//! What rules ask of columns.

use std::collections::BTreeSet;

use countersign_model::Confidence;

use super::names;
use crate::pii::kind::{self, Kind};
use crate::rules::PiiMatch;

/// Records that have to fulfil a rule with `together`, unless it says otherwise.
const RECORDS: u64 = 3;

/// A rule that looks at columns.
#[derive(Debug)]
pub(super) struct ColumnRule {
    /// Its place among all rules.
    pub(super) index: u32,
    pub(super) confidence: Confidence,
    /// Each must be fulfilled by a column of the same record. One alone is a rule for that column.
    pub(super) groups: Vec<Wanted>,
    /// So many different values, or records.
    pub(super) at_least: u64,
    samples: BTreeSet<Vec<u8>>,
}

/// What a column must be.
#[derive(Debug)]
pub(super) struct Wanted {
    /// One of these names; any will do where there are none.
    phrases: Vec<String>,
    /// One of these kinds; anything that is a value will do where there are none.
    kinds: Vec<Kind>,
}

impl ColumnRule {
    /// `None` for a rule that asks nothing of columns.
    pub(super) fn new(index: u32, spec: &PiiMatch, confidence: Confidence) -> Option<Self> {
        let wanted = |columns: &[String], kinds: &[String]| Wanted {
            phrases: columns.iter().map(|c| names::words(c.as_bytes())).collect(),
            kinds: kinds.iter().filter_map(|k| Kind::named(k)).collect(),
        };
        let groups = match &spec.detector {
            // Names alone say nothing where the values can be seen.
            Some(detector) if detector == Kind::ColumnName.name() => return None,
            Some(detector) if !spec.columns.is_empty() => {
                vec![wanted(&spec.columns, std::slice::from_ref(detector))]
            }
            Some(_) => return None,
            None => spec.together.iter().map(|t| wanted(&t.columns, &t.detectors)).collect(),
        };
        let default = if spec.detector.is_some() { 1 } else { RECORDS };
        Some(Self {
            index,
            confidence,
            groups,
            at_least: spec.at_least.unwrap_or(default),
            samples: spec.test_values.iter().map(|v| kind::plain(v.as_bytes())).collect(),
        })
    }

    /// Whether single values of it are found by themselves too, so that a column's finding stands for theirs.
    pub(super) fn stands_for_values(&self) -> bool {
        self.groups.len() == 1 && self.at_least == 1
    }

    pub(super) fn is_sample(&self, value: &[u8]) -> bool {
        !self.samples.is_empty() && self.samples.contains(&kind::plain(value))
    }

    /// The kind by which a column shows itself without a name: only what hardly anything else looks like.
    pub(super) fn telling(&self) -> Option<Kind> {
        let [wanted] = self.groups.as_slice() else { return None };
        wanted.kinds.first().copied().filter(|k| matches!(k, Kind::Pan | Kind::Iban | Kind::Email | Kind::Nino))
    }
}

impl Wanted {
    /// Whether a column of this name can be it.
    pub(super) fn may_be(&self, name: &str) -> bool {
        self.phrases.is_empty() || self.phrases.iter().any(|p| names::is_called(name, p))
    }

    /// Whether it is only the values that say so.
    pub(super) fn is_unnamed(&self) -> bool {
        self.phrases.is_empty()
    }

    pub(super) fn takes(&self, value: &[u8]) -> bool {
        if self.kinds.is_empty() { is_filled(value) } else { self.kinds.iter().any(|k| k.is(value)) }
    }
}

/// Whether there is a value at all: not a mask, a parameter or a word for nothing.
pub(super) fn is_filled(value: &[u8]) -> bool {
    let nothing = [&b"null"[..], b"none", b"n/a", b"na", b"nil", b"undefined", b"\\n", b"string", b"tbd", b"unknown"];
    value.iter().any(u8::is_ascii_alphanumeric)
        && !matches!(value[0], b'%' | b'?' | b':' | b'$' | b'{' | b'<' | b'@')
        && !value.windows(2).any(|w| w == b"**")
        && !nothing.iter().any(|n| n.eq_ignore_ascii_case(value))
}

/// A rule that knows names of columns only, for files whose values are not looked at.
#[derive(Debug)]
pub(super) struct NameRule {
    pub(super) index: u32,
    pub(super) confidence: Confidence,
    phrases: Vec<String>,
}

impl NameRule {
    /// `None` for any other rule.
    pub(super) fn new(index: u32, spec: &PiiMatch, confidence: Confidence) -> Option<Self> {
        (spec.detector.as_deref() == Some(Kind::ColumnName.name())).then(|| Self {
            index,
            confidence,
            phrases: spec.columns.iter().map(|c| names::words(c.as_bytes())).collect(),
        })
    }

    pub(super) fn is_about(&self, name: &str) -> bool {
        self.phrases.iter().any(|p| names::is_called(name, p))
    }
}
