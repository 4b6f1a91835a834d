//! Emergencies: what went past the gates, and who signed for it afterwards.

use countersign_store::projection::Done;
use serde_json::json;

use super::facts::Folding;
use super::weaknesses::millis;
use crate::Error;

impl Folding<'_> {
    /// Those of the window. Nothing goes past a gate that does not stand here, so where none does there was none.
    pub(super) fn emergencies(&mut self) -> Result<(), Error> {
        let state = self.sight.state;
        if state.trust().is_some_and(|root| self.is_known(root.index)) {
            self.sources.insert("break-glass");
        }
        let mut elements = Vec::new();
        for row in state.emergencies()?.into_iter().filter(|row| self.is_within(row.index)) {
            let known = |done: &Option<Done>| done.clone().filter(|done| self.is_known(done.said.index));
            let (ratified, reviewed) = (known(&row.ratified), known(&row.reviewed));
            // It has the record of any other change when both are there.
            let closed = ratified.as_ref().zip(reviewed.as_ref()).map(|(a, b)| millis(a.said.time.max(b.said.time)));
            let mut entries = vec![row.index];
            for grant in state.emergency_grants(&row.opened.id)? {
                entries.extend(state.grant(&grant)?.map(|grant| grant.index));
            }
            entries.extend([&ratified, &reviewed].into_iter().flatten().map(|done| done.said.index));
            entries.sort_unstable();
            elements.push(json!({
                "id": row.opened.id, "entries": entries, "by": row.opened.by, "time": millis(row.opened.time),
                "approved_by": ratified.map(|done| done.said.by), "closed": closed,
            }));
        }
        self.put("emergencies", elements);
        Ok(())
    }
}
