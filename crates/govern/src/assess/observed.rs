//! What snapshots saw running, and where that differed from what was let through.

use countersign_store::projection::SnapshotsAsked;
use serde_json::json;

use super::facts::Folding;
use super::weaknesses::millis;
use crate::Error;

impl Folding<'_> {
    /// Each thing once, as it was first seen, and every difference that stood within the window. Where nobody took a snapshot in it,
    /// there is no source, and so no control passes by it.
    pub(super) fn observed(&mut self) -> Result<(), Error> {
        let (state, window) = (self.sight.state, self.window);
        let asked = SnapshotsAsked { from: Some(window.from), to: Some(window.to), ..SnapshotsAsked::default() };
        let newest = state.snapshots_page(&asked, 1)?.pop();
        if newest.is_some_and(|line| self.is_known(line.index)) {
            self.sources.extend(["snapshot", "drift-scan"]);
        }
        let mut observations = Vec::new();
        for s in state.sightings_between(window.from, window.to)? {
            if !self.is_known(s.first.0) {
                continue;
            }
            let grant = s.grant.as_ref().map(|id| state.grant(id)).transpose()?.flatten();
            // What went past the gates was approved by nobody, until an officer signs for it.
            let approved = match grant.as_ref().map(|row| &row.grant.break_glass) {
                None => false,
                Some(None) => true,
                Some(Some(id)) => {
                    state.emergency(id)?.is_some_and(|row| row.ratified.is_some_and(|d| self.is_known(d.said.index)))
                }
            };
            observations.push(json!({
                "id": format!("{} in {}", s.digest, s.environment), "entries": [s.first.0], "environment": s.environment,
                "artifact": s.digest, "time": millis(s.first.1), "deployment": s.grant, "approved": approved,
            }));
        }
        self.put("observations", observations);
        let mut drifts = Vec::new();
        for row in state.drifts_between(window.from, window.to)? {
            if !self.is_known(row.index) {
                continue;
            }
            let resolved = row.resolved.filter(|(index, _)| self.is_known(*index));
            let mut entries = vec![row.index];
            entries.extend(row.told.filter(|index| self.is_known(*index)));
            entries.extend(resolved.map(|(index, _)| index));
            drifts.push(json!({
                "id": format!("{} {} in {}", row.drift.kind, row.drift.name, row.environment), "entries": entries,
                "arisen": millis(row.arisen), "detected": millis(row.detected),
                "resolved": resolved.map(|(_, at)| millis(at)),
            }));
        }
        self.put("drifts", drifts);
        Ok(())
    }
}
