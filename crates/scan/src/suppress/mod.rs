//! Suppressions that stand outside the scanned file: declarations of the repository's configuration, and a baseline.
//! Both only ask. Nothing here makes a finding disappear.

mod baseline;
mod declaration;
mod foreign;
mod request;

use std::collections::BTreeMap;

use countersign_model::{Finding, FindingState, TreePath};

pub use baseline::{Baseline, BaselineEntry};
pub use declaration::Declaration;
pub use request::{Insertion, glob_of, mark_above};

use crate::Error;
use declaration::Matcher;
pub(crate) use foreign::Again;
use foreign::Lines;

/// Everything that asks for findings not to count.
pub(crate) struct Suppressions<'a> {
    declarations: Vec<(&'a Declaration, Matcher)>,
    baseline: Option<&'a Baseline>,
}

impl<'a> Suppressions<'a> {
    pub(crate) fn new(declarations: &'a [Declaration], baseline: Option<&'a Baseline>) -> Result<Self, Error> {
        let declarations = declarations.iter().map(|d| Ok((d, Matcher::new(d)?))).collect::<Result<Vec<_>, Error>>()?;
        Ok(Self { declarations, baseline })
    }

    /// Marks the findings that are asked for. An inline mark goes before a declaration, a declaration before the
    /// baseline; all that speak for a finding count as used. What comes back is used by nothing.
    ///
    /// `again` reads files again, for the entries of other tools that name a value by its hash.
    pub(crate) fn apply(
        &self,
        findings: &mut [Finding],
        again: Option<&Again<'_>>,
    ) -> (Vec<Declaration>, Vec<BaselineEntry>) {
        let mut used = vec![false; self.declarations.len()];
        let own = self.baseline.filter(|b| b.marks().is_empty());
        let marks = self.baseline.map_or(&[][..], Baseline::marks);
        let mut matched = vec![false; own.map_or(0, |b| b.entries().len())];
        let mut matched_marks = vec![false; marks.len()];
        let mut by_path: BTreeMap<&TreePath, Vec<usize>> = BTreeMap::new();
        for (n, mark) in marks.iter().enumerate() {
            by_path.entry(&mark.entry.path).or_default().push(n);
        }
        let mut lines = Lines::default();
        for finding in findings {
            let mut request = None;
            for ((declaration, matcher), used) in self.declarations.iter().zip(&mut used) {
                if matcher.speaks_for(finding) {
                    *used = true;
                    request.get_or_insert((declaration.reason.clone(), "declaration"));
                }
            }
            if let Some(entry) = own.and_then(|b| b.position(finding)) {
                matched[entry] = true;
                request.get_or_insert(("in the baseline".to_owned(), "baseline"));
            }
            for n in by_path.get(&finding.path).into_iter().flatten() {
                if lines.speaks_for(&marks[*n], finding, again) {
                    matched_marks[*n] = true;
                    request.get_or_insert((marks[*n].reason.clone(), "baseline"));
                }
            }
            if let (FindingState::Open, Some((reason, by))) = (finding.state, request) {
                finding.state = FindingState::SuppressionRequested;
                finding.reason = Some(reason);
                finding.requested_by = Some(by.to_owned());
            }
        }
        let unused =
            self.declarations.iter().zip(used).filter(|(_, used)| !used).map(|((d, _), _)| (*d).clone()).collect();
        let entries = own.map_or(&[][..], Baseline::entries);
        let stale_own = entries.iter().zip(matched).filter(|(_, m)| !m).map(|(e, _)| e.clone());
        let stale_marks = marks.iter().zip(matched_marks).filter(|(_, m)| !m).map(|(m, _)| m.entry.clone());
        let mut stale: Vec<BaselineEntry> = stale_own.chain(stale_marks).collect();
        stale.sort();
        (unused, stale)
    }
}
