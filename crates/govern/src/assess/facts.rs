//! The fold: the ledger's tables and the facts of its decisions, as the one document that rules read.

use std::collections::{BTreeMap, BTreeSet};

use countersign_model::audit::is_in;
use countersign_model::{ActorId, PersonId, Timestamp};
use countersign_policy::catalogue::facts::{empty, fault};
use countersign_policy::{Bundle, RegorusEngine, decide};
use countersign_store::projection::{BundleRow, DecisionRow, GrantState, GrantSteps, RoleRow, RunRow, State};
use countersign_store::{Ledger, Session};
use serde_json::{Map, Value, json};

use super::Window;
use super::decided::{Decided, repeated};
use super::deployments::{self, Around};
use super::excerpt::Excerpt;
use super::weaknesses::{Weaknesses, millis};
use crate::Error;
use crate::audit::verify::Verified;

/// The facts, and what could not be read for them.
#[derive(Debug)]
pub struct Folded {
    /// The facts.
    pub facts: Value,
    /// What could not be read.
    pub unreadable: Vec<Unreadable>,
    /// Where they were read from the excerpt of a log: what it cannot tell.
    pub(crate) excerpt: Option<Excerpt>,
}

/// What is looked at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sight<'a> {
    pub(crate) state: &'a State,
    pub(crate) ledger: &'a Ledger,
    /// Whether this machine pins the log's key.
    pub(crate) pinned: bool,
    /// In an evidence pack: entries whose payloads were left out, first and last of each run of them. What they say is not seen,
    /// whoever looks.
    pub(crate) left_out: Option<&'a [(u64, u64)]>,
}

impl<'a> Sight<'a> {
    fn of(session: &'a Session) -> Self {
        let (state, ledger) = (session.state(), session.ledger());
        Self { state, ledger, pinned: session.pin().is_some(), left_out: None }
    }

    fn sees(self, index: u64) -> bool {
        self.left_out.is_none_or(|left_out| !is_in(left_out, index))
    }
}

/// Something that the facts would need and that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// The collection in which it would count.
    pub collection: &'static str,
    /// Log index.
    pub index: u64,
    /// Why.
    pub why: String,
}

/// Folds a window. The newest `repeat` decisions of it are computed again.
///
/// # Errors
/// When the ledger or its projection cannot be read.
pub fn fold(session: &Session, verified: Option<&Verified>, window: Window, repeat: usize) -> Result<Folded, Error> {
    fold_seen(Sight::of(session), verified, window, repeat)
}

/// As [`fold()`], of what is seen.
///
/// # Errors
/// As [`fold()`].
pub(crate) fn fold_seen(
    sight: Sight<'_>,
    verified: Option<&Verified>,
    window: Window,
    repeat: usize,
) -> Result<Folded, Error> {
    let state = sight.state;
    let times = state.entry_times()?;
    let bundles = state.bundles()?;
    let all: Vec<_> = state.deployments()?.into_iter().filter(|d| sight.sees(d.index)).collect();
    let steps = state.grant_steps()?.into_iter().filter(|s| sight.sees(s.index));
    let steps: BTreeMap<String, GrantSteps> = steps.map(|s| (s.grant.to_string(), s)).collect();
    let around = Around { times: &times, steps: &steps, bundles: &bundles, all: &all };
    let mut folding = Folding {
        sight,
        around: &around,
        window,
        out: empty(millis(window.from), millis(window.to)),
        sources: BTreeSet::from(["ledger"]),
        unreadable: Vec::new(),
    };
    folding.ledger(verified)?;
    let runs = folding.runs()?;
    folding.decided(&runs, repeat)?;
    folding.acts(&runs)?;
    folding.people()?;
    folding.rest()?;
    folding.registered()?;
    folding.lifted(&runs)?;
    folding.emergencies()?;
    folding.reviews()?;
    folding.observed()?;
    let Folding { mut out, sources, mut unreadable, .. } = folding;
    let excerpt = sight.left_out.map(|left_out| Excerpt::of(left_out, &times, window));
    if excerpt.is_some() {
        // Where a payload is missing is another place for whoever made the pack than for whoever holds it.
        unreadable.iter_mut().for_each(|u| "its payload is not there".clone_into(&mut u.why));
    }
    out.insert("sources".into(), sources.into_iter().collect::<Vec<_>>().into());
    let facts = Value::Object(out);
    match fault(&facts) {
        Some(what) => Err(Error::Facts { what }),
        None => Ok(Folded { facts, unreadable, excerpt }),
    }
}

pub(super) struct Folding<'a> {
    pub(super) sight: Sight<'a>,
    pub(super) around: &'a Around<'a>,
    pub(super) window: Window,
    out: Map<String, Value>,
    pub(super) sources: BTreeSet<&'static str>,
    pub(super) unreadable: Vec<Unreadable>,
}

impl Folding<'_> {
    fn state(&self) -> &State {
        self.sight.state
    }

    pub(super) fn put(&mut self, collection: &str, elements: Vec<Value>) {
        self.out.insert(collection.to_owned(), elements.into());
    }

    /// Whether an entry was appended before the end of the window.
    pub(super) fn is_known(&self, index: u64) -> bool {
        self.around.time(index) < self.window.to
    }

    pub(super) fn is_within(&self, index: u64) -> bool {
        self.window.holds(self.around.time(index))
    }

    fn ledger(&mut self, verified: Option<&Verified>) -> Result<(), Error> {
        let state = self.state();
        let times = self.around.times;
        let backwards = times.windows(2).filter(|pair| matches!(pair, [a, b] if b < a)).count();
        let mut last = self.window.from;
        let mut silence = 0;
        let inside = times.iter().copied().filter(|t| self.window.holds(*t));
        for at in inside.chain([self.window.to]) {
            silence = silence.max(millis(at).saturating_sub(millis(last)));
            last = last.max(at);
        }
        let (verification, problems) = match verified {
            None => ("none", 0),
            Some(v) if v.holds() => ("verified", 0),
            Some(v) if !v.report.problems.is_empty() => {
                ("failed", (v.report.problems.len() as u64).saturating_add(v.report.more_problems))
            }
            Some(v) if v.report.unopened > 0 => ("incomplete", 0),
            Some(_) => ("untrusted", 0),
        };
        let mut officers: Vec<String> =
            state.offices()?.into_iter().filter(|o| o.time < self.window.to).map(|o| o.office.to_string()).collect();
        officers.sort_unstable();
        officers.dedup();
        let copies = state.storages()?.into_iter().filter(|s| s.time < self.window.to).count();
        let rotated = state.rotations().last().map_or(0, |r| r.index);
        let mut entries = vec![0];
        entries.extend(state.trust().map(|t| t.index));
        let element = json!({
            "id": state.origin(), "entries": entries, "size": state.size(), "rooted": state.trust().is_some(),
            "pinned": self.sight.pinned, "recorder_enrolled": state.recorder_enrolled(),
            "sealed": self.sight.ledger.payload_key().is_some(), "anomalies": state.anomalies()?.len(),
            "backwards": backwards, "silence": silence, "verification": verification, "problems": problems,
            "copies": copies, "second_key": state.second_key().is_some(),
            "witnesses": verified.map_or(0, |v| v.report.cosignatures.len()),
            "key_since": millis(self.around.time(rotated)), "officers": officers,
            "open_removals": u64::from(state.has_open_removal()?),
        });
        if verified.is_some() {
            self.sources.insert("ledger-verification");
        }
        self.put("ledger", vec![element]);
        Ok(())
    }

    /// Runs that were started before the end of the window, oldest first.
    fn runs(&mut self) -> Result<Vec<RunRow>, Error> {
        let mut runs = Vec::new();
        let mut elements = Vec::new();
        for summary in self.state().runs()? {
            if !self.is_known(summary.index) || !self.sight.sees(summary.index) {
                continue;
            }
            let Some(mut run) = self.state().run(&summary.id)? else { continue };
            // Decisions are read one after the other, when it is their turn: all their documents at once are gigabytes in a large ledger.
            run.decisions.iter_mut().for_each(|d| d.document = Value::Null);
            if run.attempts.iter().any(|index| self.is_within(*index)) {
                let scan = self.state().last_scan_gaps(&run.id)?;
                let bypasses = run.evidence.iter().filter(|e| e.kind == "hook-bypass").count();
                let entries: BTreeSet<u64> = run.attempts.iter().copied().chain(scan.map(|s| s.0)).collect();
                elements.push(json!({
                    "id": run.id, "entries": entries, "repository": run.identity, "commit": run.commit,
                    "started": millis(self.around.time(run.index)), "attempts": run.attempts.len(),
                    "scanned": scan.is_some(), "gaps": scan.map_or(0, |s| s.1), "decided": !run.decisions.is_empty(),
                    "bypasses": bypasses,
                }));
                if scan.is_some() {
                    self.sources.insert("scan");
                }
                for evidence in run.evidence.iter().filter(|e| self.around.time(e.index) < self.window.to) {
                    self.sources.extend(match evidence.kind.as_str() {
                        "cyclonedx" | "spdx" => Some("sbom"),
                        "slsa-provenance" => Some("provenance"),
                        "junit" => Some("test-report"),
                        _ => None,
                    });
                }
            }
            runs.push(run);
        }
        self.put("runs", elements);
        Ok(runs)
    }

    /// Decisions, the deployments that rest on them, and weaknesses over all of them.
    fn decided(&mut self, runs: &[RunRow], repeat: usize) -> Result<(), Error> {
        let mut rows: Vec<&DecisionRow> =
            runs.iter().flat_map(|run| &run.decisions).filter(|d| self.is_known(d.index)).collect();
        rows.sort_unstable_by_key(|row| row.index);
        let within: Vec<u64> = rows.iter().map(|r| r.index).filter(|index| self.is_within(*index)).collect();
        let again: BTreeSet<u64> = within.iter().rev().take(repeat).copied().collect();
        // What deployments of the window rest on is kept; of everything else only the weaknesses.
        let mut deployed: BTreeSet<(String, String)> = BTreeSet::new();
        for d in self.around.all.iter().filter(|d| self.is_within(d.index)) {
            if let Some(row) = self.state().grant(&d.grant)? {
                deployed.insert((d.run.to_string(), row.grant.decision.to_string()));
            }
        }
        let mut kept: BTreeMap<(String, String), Decided> = BTreeMap::new();
        let mut weaknesses = Weaknesses::default();
        let mut elements = Vec::new();
        for row in rows {
            let Some(row) = self.state().decision_at(row.index)? else { continue };
            let decided = Decided::read(self.sight.ledger, &row);
            let is_within = self.is_within(row.index);
            if let Some(why) = &decided.unreadable {
                let within = is_within.then_some("decisions");
                for collection in ["weaknesses"].into_iter().chain(within) {
                    self.unreadable.push(Unreadable { collection, index: row.index, why: why.clone() });
                }
            }
            weaknesses.look(&decided);
            if is_within {
                let in_effect =
                    self.around.in_effect(row.index).is_some_and(|b| b.digest.to_string() == decided.bundle);
                let rules = decided.seen.as_ref().map_or("", |seen| &seen.rules_digest);
                elements.push(json!({
                    "id": decided.digest, "entries": [row.index], "run": row.run, "time": millis(decided.time),
                    "outcome": decided.outcome(), "bundle": decided.bundle, "bundle_in_effect": in_effect,
                    "engine": decided.engine, "rules_digest": rules,
                    "repeated": if again.contains(&row.index) { repeated(self.sight, &row) } else { "not-tried" },
                }));
                self.reports(&decided);
            }
            let key = (decided.run.clone(), decided.digest.clone());
            if deployed.contains(&key) {
                kept.insert(key, decided);
            }
        }
        // A decision may be made again under another run with the same digest; ids are unique all the same.
        unique(&mut elements);
        self.put("decisions", elements);
        self.put("weaknesses", weaknesses.facts(self.window));
        self.deployments(runs, &kept)
    }

    fn reports(&mut self, decided: &Decided) {
        let reports = decided.seen.iter().flat_map(|seen| &seen.reports);
        self.sources.extend(reports.filter_map(|r| match r.class {
            "sast" => Some("sast-report"),
            "sca" => Some("sca-report"),
            "dast" => Some("dast-report"),
            "iac" => Some("iac-report"),
            _ => None,
        }));
    }

    fn deployments(&mut self, runs: &[RunRow], kept: &BTreeMap<(String, String), Decided>) -> Result<(), Error> {
        let by_id: BTreeMap<&str, &RunRow> = runs.iter().map(|run| (run.id.as_str(), run)).collect();
        let mut elements = Vec::new();
        let (around, window) = (self.around, self.window);
        for d in around.all.iter().filter(|d| window.holds(around.time(d.index))) {
            let grant = self.state().grant(&d.grant)?;
            let decided = grant.as_ref().and_then(|g| kept.get(&(d.run.to_string(), g.grant.decision.to_string())));
            let run = by_id.get(d.run.as_str());
            match (grant, run, decided) {
                (Some(grant), Some(run), Some(decided)) => {
                    if let Some(why) = &decided.unreadable {
                        let index = decided.index;
                        self.unreadable.push(Unreadable { collection: "deployments", index, why: why.clone() });
                    }
                    elements.push(deployments::facts(around, d, &grant, run, decided));
                }
                _ => {
                    let why = "the grant, run or decision that it rests on is not in the tables".to_owned();
                    self.unreadable.push(Unreadable { collection: "deployments", index: d.index, why });
                }
            }
        }
        self.put("deployments", elements);
        Ok(())
    }

    fn acts(&mut self, runs: &[RunRow]) -> Result<(), Error> {
        let mut holders: BTreeMap<String, BTreeSet<PersonId>> = BTreeMap::new();
        for (_, person, key) in self.state().enrolled_keys()? {
            holders.entry(key.fingerprint()).or_default().insert(person);
        }
        let mut approvals = Vec::new();
        for run in runs {
            for a in run.approvals.iter().filter(|a| self.is_within(a.index)) {
                let own = holders.get(&a.device.key).is_some_and(|who| who.len() == 1 && who.contains(&a.person));
                approvals.push(json!({
                    "id": format!("approval {}", a.index), "entries": [a.index], "run": run.id,
                    "decision": a.decision, "person": a.person, "slot": a.slot, "strength": a.strength,
                    "own_key": own, "time": millis(a.time),
                }));
            }
        }
        self.put("approvals", approvals);
        let mut grants = Vec::new();
        for steps in self.around.steps.values().filter(|s| self.is_within(s.index)) {
            let Some(row) = self.state().grant(&steps.grant)? else { continue };
            let word = match row.state {
                GrantState::Issued => "issued",
                GrantState::Revoked => "revoked",
                GrantState::Started => "started",
                GrantState::Ended { success: true } => "succeeded",
                GrantState::Ended { success: false } => "failed",
            };
            grants.push(json!({
                "id": steps.grant, "entries": [steps.index], "run": row.grant.run, "environment": row.grant.environment,
                "person": row.grant.by, "time": millis(row.grant.time), "expires": millis(row.grant.expires),
                "state": word,
            }));
        }
        self.put("grants", grants);
        let acts = self.state().suppression_acts()?;
        let acts = acts.into_iter().filter(|a| self.is_within(a.index) && self.sight.sees(a.index));
        let suppressions = acts.map(|a| {
            json!({
                "id": format!("suppression {}", a.index), "entries": [a.index], "by": a.by,
                "time": millis(self.around.time(a.index)), "expires": millis(a.expires),
            })
        });
        let suppressions = suppressions.collect();
        self.put("suppressions", suppressions);
        let refusals = self.state().refusals()?.into_iter();
        let refusals = refusals.filter(|r| self.is_within(r.index) && self.sight.sees(r.index)).map(|r| {
            json!({
                "id": format!("refusal {}", r.index), "entries": [r.index], "act": r.act, "code": r.code,
                "person": r.person, "time": millis(r.time),
            })
        });
        let refusals = refusals.collect();
        self.put("refusals", refusals);
        Ok(())
    }

    fn people(&mut self) -> Result<(), Error> {
        let keys = self.state().enrolled_keys()?;
        let mut holders: BTreeMap<String, BTreeSet<&PersonId>> = BTreeMap::new();
        for (_, person, key) in &keys {
            holders.entry(key.fingerprint()).or_default().insert(person);
        }
        // Held at the end of the window, whatever ended since.
        let held = |r: &RoleRow| {
            self.is_known(r.index)
                && r.ended.as_ref().is_none_or(|e| !self.is_known(e.index))
                && r.expires.is_none_or(|e| e > self.window.to)
        };
        let grants: Vec<_> = self.state().role_grants()?.into_iter().filter(held).collect();
        let root = self.state().trust().map(|t| t.index);
        let acts = self.state().last_acts(self.window.to)?;
        let known = self.around.times.partition_point(|t| *t < self.window.to);
        let idle_after = i64::from(self.state().idle_days_at(known as u64)?) * 86_400_000;
        let mut people = Vec::new();
        for (index, person) in self.state().enrolments()? {
            if !self.is_known(index) || self.state().erased_at(&person)?.is_some_and(|at| self.is_known(at)) {
                continue;
            }
            let own = keys.iter().filter(|(at, who, _)| *who == person && self.is_known(*at));
            let own: Vec<_> = own.map(|(_, _, key)| key).collect();
            let roles: BTreeSet<&str> = grants.iter().filter(|r| r.person == person).map(|r| r.role.as_str()).collect();
            let shared = own.iter().filter(|k| holders.get(&k.fingerprint()).is_some_and(|who| who.len() > 1)).count();
            let entries: BTreeSet<u64> =
                grants.iter().filter(|r| r.person == person).map(|r| r.index).chain([index]).collect();
            people.push(json!({
                "id": person, "entries": entries, "enrolled": millis(self.around.time(index)), "roles": roles,
                "keys": own.len(), "hardware_keys": own.iter().filter(|k| k.is_hardware()).count(),
                "shared_keys": shared, "idle_after": idle_after, "last_act": acts.get(&ActorId::from(&person)).map(|at| millis(*at)),
            }));
        }
        self.put("people", people);
        let roles = grants.iter().map(|r| {
            json!({
                "id": format!("{} {}", r.person, r.role.as_str()), "entries": [r.index], "person": r.person,
                "role": r.role, "by": r.by, "time": millis(self.around.time(r.index)), "root": Some(r.index) == root,
            })
        });
        let roles = roles.collect();
        self.put("roles", roles);
        Ok(())
    }

    fn rest(&mut self) -> Result<(), Error> {
        let state = self.sight.state;
        // Those that were in effect within the window: the last before it, and every one within.
        let known: Vec<&BundleRow> = self.around.bundles.iter().filter(|b| self.is_known(b.index)).collect();
        let first = known.iter().rposition(|b| b.time <= self.window.from).unwrap_or_default();
        let root = state.trust().map(|t| t.index);
        let mut activations = Vec::new();
        for bundle in known.into_iter().skip(first) {
            let is_first = self.around.bundles.first().is_some_and(|b| b.index == bundle.index);
            activations.push(json!({
                "id": format!("activation {}", bundle.index), "entries": [bundle.index], "bundle": bundle.digest,
                "by": bundle.by, "time": millis(bundle.time), "root": is_first && root.is_some(),
                "probe": probe(self.sight.ledger, bundle),
            }));
        }
        self.put("activations", activations);
        let copies: Vec<_> = state.storages()?.into_iter().filter(|s| s.time < self.window.to).collect();
        if !copies.is_empty() {
            self.sources.insert("storage-probe");
        }
        let copies = copies
            .into_iter()
            .map(|s| json!({"id": s.location, "entries": [s.index], "verdict": s.verdict, "probed": millis(s.time)}));
        self.put("copies", copies.collect());
        let schedule = state.schedule()?;
        let mut classes = Vec::new();
        for (class, count, first) in state.retention_counts()? {
            let rule = schedule.rule(class);
            let waits = rule.as_ref().is_some_and(|r| r.start != countersign_model::retention::Start::EntryTime);
            classes.push(json!({
                "id": class.as_str(), "entries": [first], "count": count,
                "months": rule.as_ref().filter(|_| !waits).map(|r| r.period.whole_months()),
                "immediate_months": rule.and_then(|r| r.immediate).map(countersign_model::retention::Period::whole_months),
            }));
        }
        self.put("classes", classes);
        let disposals = state.certificates()?.into_iter().filter(|c| self.is_within(c.index)).map(|c| {
            let done = c.completed.as_ref().is_some_and(|done| done.remaining.is_empty());
            let entries: Vec<u64> = [c.index].into_iter().chain(c.completed.as_ref().map(|done| done.index)).collect();
            json!({
                "id": format!("disposal {}", c.index), "entries": entries, "time": millis(c.now),
                "signers": BTreeSet::from([&c.ordered_by, &c.confirmed_by]), "completed": done,
            })
        });
        let disposals = disposals.collect();
        self.put("disposals", disposals);
        let mut erasures = Vec::new();
        for e in state.erasure_steps()?.into_iter().filter(|e| self.is_known(e.index)) {
            let erased = e.erased.filter(|at| self.is_known(*at));
            if erased.is_some_and(|at| self.around.time(at) < self.window.from) {
                continue;
            }
            let forbidden = erased.is_none() && !state.forbids_erasure(&e.person, self.window.to)?.is_empty();
            let entries: Vec<u64> = [e.index].into_iter().chain(erased).collect();
            erasures.push(json!({
                "id": format!("request {}", e.index), "entries": entries,
                "requested": millis(e.requested), "erased": erased.map(|at| millis(self.around.time(at))),
                "forbidden": forbidden,
            }));
        }
        self.put("erasures", erasures);
        Ok(())
    }
}

/// Asks a bundle about a change of which nothing is known.
fn probe(ledger: &Ledger, bundle: &BundleRow) -> &'static str {
    let read = ledger.payload(&bundle.blob).ok().and_then(|bytes| Bundle::from_bytes(&bytes).ok());
    let Some(read) = read else { return "unreadable" };
    match decide(&RegorusEngine, &read, &json!({"version": 1}), Timestamp::from_millis(0)) {
        // No answer opens nothing.
        Err(_) => "closed",
        Ok(verdict) if verdict.gates.iter().any(|gate| gate.outcome.opens()) => "open",
        Ok(_) => "closed",
    }
}

/// Makes ids unique that are not: the later ones get the entry they come from.
fn unique(elements: &mut [Value]) {
    let mut seen: BTreeSet<String> = BTreeSet::new();
    for element in elements {
        let id = element["id"].as_str().unwrap_or_default().to_owned();
        if !seen.insert(id.clone()) {
            element["id"] = format!("{id} {}", element["entries"][0]).into();
        }
    }
}
