//! Suppressions that stand outside the scanned file: declarations of the repository's configuration, and a baseline.
//! Both only ask. Nothing here makes a finding disappear.

mod baseline;
mod declaration;
mod request;

use countersign_model::{Finding, FindingState};

pub use baseline::{Baseline, BaselineEntry};
pub use declaration::Declaration;
pub use request::{Insertion, glob_of, mark_above};

use crate::Error;
use declaration::Matcher;

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
    pub(crate) fn apply(&self, findings: &mut [Finding]) -> (Vec<Declaration>, Vec<BaselineEntry>) {
        let mut used = vec![false; self.declarations.len()];
        let mut matched = vec![false; self.baseline.map_or(0, |b| b.entries().len())];
        for finding in findings {
            let mut request = None;
            for ((declaration, matcher), used) in self.declarations.iter().zip(&mut used) {
                if matcher.speaks_for(finding) {
                    *used = true;
                    request.get_or_insert((declaration.reason.clone(), "declaration"));
                }
            }
            if let Some(entry) = self.baseline.and_then(|b| b.position(finding)) {
                matched[entry] = true;
                request.get_or_insert(("in the baseline".to_owned(), "baseline"));
            }
            if let (FindingState::Open, Some((reason, by))) = (finding.state, request) {
                finding.state = FindingState::SuppressionRequested;
                finding.reason = Some(reason);
                finding.requested_by = Some(by.to_owned());
            }
        }
        let unused =
            self.declarations.iter().zip(used).filter(|(_, used)| !used).map(|((d, _), _)| (*d).clone()).collect();
        let entries = self.baseline.map_or(&[][..], Baseline::entries);
        let stale = entries.iter().zip(matched).filter(|(_, m)| !m).map(|(e, _)| e.clone()).collect();
        (unused, stale)
    }
}
