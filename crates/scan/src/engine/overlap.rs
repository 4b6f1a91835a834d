//! Several rules at the same bytes: the one that says most about them is kept.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use countersign_model::{Confidence, Severity};

use crate::rules::{Rule, RuleIndex, RuleSet};

use super::piece::Hit;

/// Whether a rule looks for any secret at all, by its name. Such a rule yields to one that knows the provider.
pub(super) fn is_generic(rule: &Rule) -> bool {
    rule.id.rsplit('/').next().is_some_and(|name| name.starts_with("generic"))
}

/// Greater wins. The last part only makes the order total.
fn rank(rules: &RuleSet, hit: &Hit) -> (bool, Confidence, Severity, usize, Reverse<usize>, Reverse<u32>) {
    let rule = rules.rule(RuleIndex(hit.rule));
    (!is_generic(rule), hit.confidence, rule.severity, hit.value.len(), Reverse(hit.value.start), Reverse(hit.rule))
}

/// Of matches that share a byte, keeps the most specific: a provider's rule before a generic one, then the higher
/// confidence, the higher severity, the longer value. The result is sorted by place and overlaps nowhere.
pub(super) fn resolve(rules: &RuleSet, mut hits: Vec<Hit>) -> Vec<Hit> {
    hits.sort_by_cached_key(|h| Reverse(rank(rules, h)));
    let mut kept: BTreeMap<usize, Hit> = BTreeMap::new();
    for hit in hits {
        let before = kept.range(..=hit.value.start).next_back().is_some_and(|(_, k)| k.value.end > hit.value.start);
        let inside = kept.range(hit.value.start..hit.value.end).next().is_some();
        if !before && !inside {
            kept.insert(hit.value.start, hit);
        }
    }
    kept.into_values().collect()
}
