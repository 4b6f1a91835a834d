//! Values that were found once, looked for in everything else of the same scan.
//!
//! A rule needs something that says what a value is: a name it is assigned to, a word near it. Where the same value stands
//! without, in a document, a test or a comment, it is leaked all the same. So after a scan the values that cannot be
//! there by chance are looked for, as they are, in all files. What is found is a finding of the same rule with the same
//! identity. Nothing is read a second time when no such value was found, and with a cache only what has not been searched
//! for the very values.

use std::collections::{BTreeMap, BTreeSet};

use countersign_model::{Digest, Gap, GapKind};

use crate::Error;
use crate::cache::Key;
use crate::engine::{FileResult, MOST_SOUGHT, Match, Scanner, Sought, Values, Wanted};
use crate::tree::{Item, NoProgress, Options, Outcome, Source, look};

/// What is looked for, by identity.
pub(crate) type SoughtSet = BTreeMap<Digest, Sought>;

/// A scan whose first look is done.
pub(crate) struct Looked<'a, 'r> {
    pub(crate) source: &'a dyn Source,
    /// With which it looked.
    pub(crate) scanner: &'a Scanner<'r>,
    /// The values it kept.
    pub(crate) values: &'r Values,
    pub(crate) items: &'a [Item],
    pub(crate) outcomes: &'a [Outcome],
    /// More matches than this are too many.
    pub(crate) limit: usize,
}

/// Further places of what was found: the number of the item, and the match. What cannot be read again is added to `gaps`.
///
/// # Errors
/// When the source fails as a whole, or there are too many matches.
pub(crate) fn recurrences(
    looked: &Looked<'_, '_>,
    options: &Options<'_>,
    gaps: &mut Vec<Gap>,
) -> Result<Vec<(usize, Match)>, Error> {
    let Looked { source, scanner, values, items, outcomes, limit } = *looked;
    let sought = sought(outcomes);
    if let Some(cache) = options.cache {
        cache.seek(&sought);
    }
    if sought.is_empty() {
        return Ok(Vec::new());
    }
    let rules = scanner.rules();
    let mut found = Vec::new();
    let mut open = Vec::new();
    for (n, (item, outcome)) in items.iter().zip(outcomes).enumerate() {
        if !matches!(outcome.result, Ok(FileResult::Text { .. })) {
            continue;
        }
        let key = options.cache.and(item.blob.as_deref()).and_then(|blob| Key::new(blob, &rules.excluded(&item.path)));
        match options.cache.zip(key.as_ref()).and_then(|(cache, key)| cache.recurred(key)) {
            Some(known) => found.extend(known.into_iter().map(|m| (n, m))),
            None => open.push((n, key)),
        }
    }
    if open.is_empty() {
        return Ok(found);
    }
    let quiet = Options { cache: None, progress: &NoProgress, ..*options };
    learn(looked, &sought, &quiet, gaps)?;
    let fault = |e: aho_corasick::BuildError| Error::RuleSearch { rules: sought.len(), source: Box::new(e) };
    let wanted = Wanted::new(sought.values().copied(), values).map_err(fault)?;
    let again: Vec<&Item> = open.iter().filter_map(|(n, _)| items.get(*n)).collect();
    let looked = look(source, &scanner.seeking(&wanted), &again, &quiet, limit)?;
    for ((n, key), (item, outcome)) in open.into_iter().zip(again.iter().zip(looked)) {
        match outcome.result {
            Err(gap) => gaps.push(gap),
            Ok(FileResult::Binary { .. }) => {}
            Ok(FileResult::Text { matches, missed, .. }) => {
                if let Some(detail) = missed {
                    gaps.push(Gap { path: item.path.clone(), kind: GapKind::Unreadable, detail });
                } else if let Some((cache, key)) = options.cache.zip(key) {
                    cache.put_recurred(key, &matches);
                }
                found.extend(matches.into_iter().map(|m| (n, m)));
            }
        }
    }
    Ok(found)
}

/// What is to be looked for. Of several rules that found one value, the surest speaks for it.
fn sought(outcomes: &[Outcome]) -> SoughtSet {
    let mut sought = SoughtSet::new();
    for found in outcomes.iter().flat_map(telling) {
        let one = Sought { identity: found.identity, rule: found.rule, confidence: found.confidence };
        let kept = sought.entry(found.identity).or_insert(one);
        if (one.confidence, std::cmp::Reverse(one.rule)) > (kept.confidence, std::cmp::Reverse(kept.rule)) {
            *kept = one;
        }
    }
    while sought.len() > MOST_SOUGHT {
        sought.pop_last();
    }
    sought
}

fn telling(outcome: &Outcome) -> impl Iterator<Item = &Match> {
    let matches = match &outcome.result {
        Ok(FileResult::Text { matches, .. }) => matches.as_slice(),
        _ => &[],
    };
    matches.iter().filter(|m| m.telling)
}

/// Reads files again of which only the answer is known, for the values in them.
fn learn(looked: &Looked<'_, '_>, sought: &SoughtSet, quiet: &Options<'_>, gaps: &mut Vec<Gap>) -> Result<(), Error> {
    let Looked { source, scanner, values, items, outcomes, limit } = *looked;
    let mut missing: BTreeSet<Digest> = sought.keys().filter(|identity| !values.has(identity)).copied().collect();
    let mut again = Vec::new();
    for (item, outcome) in items.iter().zip(outcomes) {
        let before = missing.len();
        telling(outcome).for_each(|m| _ = missing.remove(&m.identity));
        if missing.len() < before {
            again.push(item);
        }
    }
    for outcome in look(source, scanner, &again, quiet, limit)? {
        if let Err(gap) = outcome.result {
            gaps.push(gap);
        }
    }
    Ok(())
}

/// Excerpts of lines with such a value: what was written before it was known would show it.
pub(crate) fn redact(matches: &mut [Match], further: &[&Match]) {
    for found in matches {
        let here = |m: &&&Match| (&m.inside, m.line) == (&found.inside, found.line);
        if let Some(known) = further.iter().find(here) {
            found.excerpt.clone_from(&known.excerpt);
        }
    }
}
