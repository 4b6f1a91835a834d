//! Severe findings over time: when a decision first knew of one, and when it was gone.

use std::collections::{BTreeMap, BTreeSet};

use countersign_model::Timestamp;
use serde_json::{Value, json};

use super::Window;
use super::decided::Decided;

/// One weakness of one repository.
struct Weakness {
    severity: String,
    controls: Vec<String>,
    first: Timestamp,
    last: Timestamp,
    gone: Option<Timestamp>,
    entries: [u64; 2],
}

/// Weaknesses by repository and fingerprint, fed with decisions in the order of the log.
#[derive(Default)]
pub(super) struct Weaknesses(BTreeMap<String, Own>);

/// Those of one repository.
#[derive(Default)]
struct Own {
    all: BTreeMap<String, Weakness>,
    /// Fingerprints of those that are not gone: what a decision does not see any more is looked for among these alone.
    open: BTreeSet<String>,
}

impl Weaknesses {
    pub(super) fn look(&mut self, decided: &Decided) {
        let Some(seen) = &decided.seen else { return };
        let own = self.0.entry(decided.repository.clone().unwrap_or_default()).or_default();
        for (fingerprint, (severity, controls)) in &seen.severe {
            let weakness = own.all.entry(fingerprint.clone()).or_insert_with(|| Weakness {
                severity: severity.clone(),
                controls: controls.iter().cloned().collect(),
                first: decided.time,
                last: decided.time,
                gone: None,
                entries: [decided.index; 2],
            });
            // One that comes back was not gone.
            weakness.gone = None;
            weakness.last = decided.time;
            weakness.entries[1] = decided.index;
            own.open.insert(fingerprint.clone());
        }
        own.open.retain(|fingerprint| {
            let stays = seen.severe.contains_key(fingerprint);
            if let Some(weakness) = own.all.get_mut(fingerprint).filter(|_| !stays) {
                weakness.gone = Some(decided.time);
            }
            stays
        });
    }

    /// Those that were there within the window.
    pub(super) fn facts(self, window: Window) -> Vec<Value> {
        let there = |w: &Weakness| w.gone.is_none_or(|gone| window.from <= gone);
        let one = |(repository, fingerprint, w): (&str, String, Weakness)| {
            let end = w.gone.unwrap_or(window.to);
            let [first, last] = w.entries;
            let entries = if first == last { vec![first] } else { vec![first, last] };
            json!({
                "id": format!("{repository} {fingerprint}"), "entries": entries, "severity": w.severity,
                "controls": w.controls, "first_seen": millis(w.first), "last_seen": millis(w.last),
                "open": w.gone.is_none(), "age": millis(end).saturating_sub(millis(w.first)),
            })
        };
        let of = |(repository, own): (String, Own)| {
            let own = own.all.into_iter().filter(|(_, w)| there(w));
            own.map(|(fingerprint, w)| one((&repository, fingerprint, w))).collect::<Vec<_>>()
        };
        self.0.into_iter().flat_map(of).collect()
    }
}

/// A moment as facts have it; what lies before 1970 is 0.
pub(super) fn millis(at: Timestamp) -> u64 {
    u64::try_from(at.millis()).unwrap_or_default()
}
