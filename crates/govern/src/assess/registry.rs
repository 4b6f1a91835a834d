//! Applications, environments, gates, waivers and overrides: what people registered and let stand.

use std::collections::BTreeSet;

use countersign_model::PersonId;
use countersign_model::governance::{DataClass, GATES, Tier};
use countersign_store::projection::{Registered, RunRow, read_gate_owners};
use serde_json::{Value, json};

use super::Unreadable;
use super::decided::Decided;
use super::facts::Folding;
use super::weaknesses::millis;
use crate::Error;

impl Folding<'_> {
    pub(super) fn registered(&mut self) -> Result<(), Error> {
        let state = self.sight.state;
        let applications = state.applications()?;
        let environments = state.environments()?;
        if applications.iter().any(|a| self.is_known(a.index)) || environments.iter().any(|e| self.is_known(e.index)) {
            self.sources.insert("registry");
        }
        let mut elements = Vec::new();
        for a in applications {
            if let Some(index) = self.standing("applications", &a) {
                elements.push(json!({
                    "id": a.what.id, "entries": [index], "owner": a.what.owner, "reviewed": millis(a.time),
                    "personal_data": a.what.data.contains(&DataClass::Personal), "processing_recorded": false,
                    "impact_assessed": false, "algorithmic": false, "kill_switch_tested": Value::Null, "model": false,
                    "validated": Value::Null,
                }));
            }
        }
        self.put("applications", elements);
        let mut elements = Vec::new();
        for e in environments {
            if let Some(index) = self.standing("environments", &e) {
                elements.push(json!({
                    "id": e.what.id, "entries": [index], "production": e.what.tier == Tier::Production,
                    "shared_credentials": false, "live_data": false, "live_data_approved": false,
                    "region_allowed": false,
                }));
            }
        }
        self.put("environments", elements);
        self.gates()
    }

    /// The index of what is registered, where it was so at the end of the window. What was registered anew after it has lost its
    /// earlier state in the tables: that is said, and not guessed.
    fn standing<T>(&mut self, collection: &'static str, registered: &Registered<T>) -> Option<u64> {
        if registered.retired.is_some_and(|index| self.is_known(index)) {
            return None;
        }
        if !self.is_known(registered.index) {
            let why = "it was registered after the window, and its earlier state is not in the tables".to_owned();
            self.unreadable.push(Unreadable { collection, index: registered.index, why });
            return None;
        }
        Some(registered.index)
    }

    fn gates(&mut self) -> Result<(), Error> {
        let state = self.sight.state;
        let mut elements = Vec::new();
        if let Some(assigned) = state.gate_owners()? {
            let read = self.sight.ledger.payload(&assigned.blob).and_then(|bytes| read_gate_owners(&bytes));
            match read {
                Ok(owners) if self.is_known(assigned.index) => {
                    self.sources.insert("gate-registry");
                    let members = state.members()?;
                    for name in GATES {
                        let gate = owners.of(name);
                        let marks = state.gate_marks(name)?;
                        let reviewed = marks.iter().rfind(|m| m.finding.is_some() && self.is_known(m.index));
                        let active = |p: &PersonId| members.get(p).is_some_and(|roles| !roles.is_empty());
                        let taken_on = marks.iter().any(|m| {
                            m.finding.is_none()
                                && m.owners == assigned.digest
                                && self.is_known(m.index)
                                && gate.is_some_and(|g| g.owner == m.by)
                        });
                        let entries: Vec<u64> = [assigned.index].into_iter().chain(reviewed.map(|m| m.index)).collect();
                        elements.push(json!({
                            "id": name, "entries": entries, "owner": gate.map(|g| &g.owner),
                            "deputy": gate.and_then(|g| g.deputy.as_ref()),
                            "owner_active": gate.is_some_and(|g| active(&g.owner)),
                            "acknowledged": taken_on, "reviewed": reviewed.map(|m| millis(m.time)),
                            "sla_hours": gate.map(|g| g.respond_minutes.div_ceil(60)),
                        }));
                    }
                }
                Ok(_) => {
                    let why =
                        "owners were assigned after the window, and earlier ones are not in the tables".to_owned();
                    self.unreadable.push(Unreadable { collection: "gates", index: assigned.index, why });
                }
                Err(e) => {
                    let why = e.to_string();
                    self.unreadable.push(Unreadable { collection: "gates", index: assigned.index, why });
                }
            }
        }
        self.put("gates", elements);
        Ok(())
    }

    pub(super) fn lifted(&mut self, runs: &[RunRow]) -> Result<(), Error> {
        let state = self.sight.state;
        let mut waivers = Vec::new();
        for w in state.waivers()? {
            if !self.is_known(w.index) {
                continue;
            }
            self.sources.insert("waiver");
            let granted = w.granted.as_ref().filter(|s| self.is_known(s.index));
            let revoked = w.revoked.as_ref().filter(|s| self.is_known(s.index));
            let over = w.request.expires < self.window.from
                || revoked.is_some_and(|s| s.time < self.window.from)
                || w.rejected.as_ref().is_some_and(|s| s.time < self.window.from);
            if over {
                continue;
            }
            let entries: Vec<u64> =
                [w.index].into_iter().chain(granted.map(|s| s.index)).chain(revoked.map(|s| s.index)).collect();
            waivers.push(json!({
                "id": w.request.waiver, "entries": entries, "controls": w.request.scope.controls,
                "category": w.request.category, "compensating": w.request.compensating, "requester": w.request.by,
                "granter": granted.map(|s| &s.by), "not_before": millis(w.request.not_before),
                "expires": millis(w.request.expires), "renewals": w.request.renewals, "revoked": revoked.is_some(),
            }));
        }
        self.put("waivers", waivers);
        let mut overrides = Vec::new();
        for run in runs {
            let rows: Vec<_> = state.overrides(&run.id)?.into_iter().filter(|o| self.is_within(o.index)).collect();
            if rows.is_empty() {
                continue;
            }
            let mut deployers: BTreeSet<PersonId> = BTreeSet::new();
            for steps in self.around.steps.values() {
                if let Some(grant) = state.grant(&steps.grant)?.filter(|g| g.grant.run == run.id) {
                    deployers.insert(grant.grant.by);
                }
            }
            let mut decided: Vec<Decided> = Vec::new();
            for d in &run.decisions {
                decided.extend(state.decision_at(d.index)?.map(|d| Decided::read(self.sight.ledger, &d)));
            }
            for o in rows {
                if let Some(lost) = decided.iter().find(|d| d.seen.is_none()) {
                    let why = lost.unreadable.clone().unwrap_or_default();
                    self.unreadable.push(Unreadable { collection: "overrides", index: lost.index, why });
                }
                let wrote = decided.iter().filter_map(|d| d.seen.as_ref()).any(|s| s.authors.contains(o.by.as_str()));
                overrides.push(json!({
                    "id": o.id, "entries": [o.index], "run": o.run, "by": o.by, "time": millis(o.time),
                    "reasons": o.reasons.len(), "wrote": wrote, "deployed": deployers.contains(&o.by),
                }));
            }
        }
        self.put("overrides", overrides);
        Ok(())
    }
}
