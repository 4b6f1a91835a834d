//! Values that are known from elsewhere: from another place of the same scan, from the baseline, from an earlier record.
//! One credential to revoke, however many places and rules show it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use countersign_model::{Digest, Finding, TreePath};
use serde::{Deserialize, Serialize};

use crate::suppress::Baseline;
use crate::tree::fingerprint;

/// So many findings of one value and rule are looked for in a baseline, which names none by its value.
const ORDINALS: u64 = 4;

/// A finding of an earlier record, as far as its value can be recognised. The record was made with the same salt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownValue {
    /// The value's identity.
    pub value: Digest,
    /// The rule's id.
    pub rule: String,
    /// Where it was.
    pub path: TreePath,
    /// On which line.
    pub line: u32,
}

/// What knows a value already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KnownBy {
    /// Another finding of the same report.
    Report,
    /// The baseline.
    Baseline,
    /// The record of an earlier run.
    Record,
}

/// Where a finding's value is known from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Known {
    /// What knows it.
    pub by: KnownBy,
    /// Under which rule.
    pub rule: String,
    /// Where.
    pub path: TreePath,
    /// On which line, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
}

impl Known {
    /// `the same value as secrets/x at a.env:3`.
    pub(crate) fn describe(&self) -> String {
        let line = self.line.map(|n| format!(":{n}")).unwrap_or_default();
        let of = match self.by {
            KnownBy::Report => "",
            KnownBy::Baseline => " in the baseline",
            KnownBy::Record => " in the record of an earlier run",
        };
        format!("the same value as {} at {}{line}{of}", self.rule, self.path)
    }
}

/// By fingerprint, what is known of the values of `findings`, which are in the order of the report.
pub(crate) fn known(
    findings: &[Finding],
    baseline: Option<&Baseline>,
    recorded: &[KnownValue],
) -> BTreeMap<Digest, Known> {
    let mut known = BTreeMap::new();
    let rules: BTreeSet<&str> =
        baseline.map_or(&[][..], Baseline::entries).iter().map(|entry| entry.rule.as_str()).collect();
    let mut records: HashMap<Digest, Vec<&KnownValue>> = HashMap::new();
    for one in recorded {
        records.entry(one.value).or_default().push(one);
    }
    let mut first: HashMap<Digest, &Finding> = HashMap::new();
    for finding in findings {
        let Some(value) = finding.value else { continue };
        let said = match first.get(&value) {
            Some(other) => Some(Known {
                by: KnownBy::Report,
                rule: other.rule.clone(),
                path: other.path.clone(),
                line: Some(other.line),
            }),
            None => {
                first.insert(value, finding);
                in_baseline(finding, &value, baseline, &rules).or_else(|| in_records(finding, records.get(&value)))
            }
        };
        if let Some(said) = said {
            known.insert(finding.fingerprint, said);
        }
    }
    known
}

fn in_baseline(
    finding: &Finding,
    value: &Digest,
    baseline: Option<&Baseline>,
    rules: &BTreeSet<&str>,
) -> Option<Known> {
    let baseline = baseline?;
    if baseline.entry(&finding.fingerprint).is_some() {
        return None;
    }
    // A fingerprint says nothing of its value, but whether it is of this one can be tried.
    let prints = rules.iter().flat_map(|rule| (0..ORDINALS).map(|n| fingerprint(rule, value, n)));
    let entry = prints.into_iter().find_map(|print| baseline.entry(&print))?;
    Some(Known { by: KnownBy::Baseline, rule: entry.rule.clone(), path: entry.path.clone(), line: None })
}

fn in_records(finding: &Finding, records: Option<&Vec<&KnownValue>>) -> Option<Known> {
    let records = records?;
    if records.iter().any(|one| one.rule == finding.rule && one.path == finding.path) {
        return None;
    }
    let one = records.first()?;
    Some(Known { by: KnownBy::Record, rule: one.rule.clone(), path: one.path.clone(), line: Some(one.line) })
}
