//! What is believed of snapshots and of drift, whoever wrote the entries, and how a difference begins and ends.

use countersign_evidence::act;
use countersign_model::event::{DriftDetected, EnvironmentRegistered, Predicate, SnapshotTaken};
use countersign_model::governance::{DeploymentEnvironment, Tier};
use countersign_model::snapshot::{Drift, DriftKind, Observed, Seen};
use countersign_model::submission::SentBy;
use countersign_model::{Digest, EventKind, PersonId, StreamId, Timestamp};
use countersign_store::projection::{SnapshotsAsked, State};

use crate::support::ORIGIN;
use crate::workloads::{House, disbelieved};

const PLACE: &str = "production";
const TAKEN: EventKind = EventKind::SnapshotTaken;
const FOUND: EventKind = EventKind::DriftDetected;

impl House {
    fn watched() -> Self {
        let mut house = Self::new();
        let registered = EnvironmentRegistered {
            origin: ORIGIN.into(),
            environment: DeploymentEnvironment { id: PLACE.into(), tier: Tier::Production },
            replaces: None,
            by: house.history.person(3),
            reason: None,
            time: house.history.now(),
        };
        let (kind, stream) = (EventKind::EnvironmentRegistered, StreamId::from_text("registry"));
        let entry = house.history.act(3, act::ENVIRONMENT, kind, stream, registered, vec![]);
        assert_eq!(house.append(entry), None);
        house
    }

    fn taken(&self, running: &[&str], unknown: &[&str]) -> SnapshotTaken {
        let mut all: Vec<&str> = running.iter().chain(unknown).copied().collect();
        all.sort_unstable();
        let seen = all.iter().map(|name| Seen {
            name: (*name).into(),
            digest: Digest::of(name.as_bytes()),
            count: 1,
            grant: None,
            run: None,
        });
        let mut drift: Vec<Drift> = unknown.iter().map(|name| unknown_part(name)).collect();
        drift.sort_unstable();
        SnapshotTaken {
            environment: PLACE.into(),
            observed: Observed::Kubernetes,
            applications: Vec::new(),
            seen: seen.collect(),
            untold: Vec::new(),
            drift,
            sent: None,
            time: self.history.now(),
        }
    }

    fn detected(&self, parts: &[&str]) -> DriftDetected {
        let mut drift: Vec<Drift> = parts.iter().map(|name| unknown_part(name)).collect();
        drift.sort_unstable();
        DriftDetected { environment: PLACE.into(), drift, time: self.history.now() }
    }

    fn looks<P: Predicate>(&mut self, kind: EventKind, said: P) -> Option<String> {
        let entry = self.history.machine(kind, StreamId::from_text("snapshots/production"), said, Vec::new());
        self.append(entry)
    }

    /// What stands, by name.
    fn open(&self) -> Vec<String> {
        self.state().drifting(Some(PLACE)).unwrap().into_iter().map(|row| row.drift.name).collect()
    }
}

/// What is counted, and shown page by page, is what stands; in a period it is what was found there.
fn counted(state: &State, periods: &[(Timestamp, Timestamp, usize)]) {
    let all = state.drifting(Some(PLACE)).unwrap();
    let count = |found| state.drifting_counts(found).unwrap().get(PLACE).copied().unwrap_or(0);
    assert_eq!(count(None), all.len() as u64);
    assert_eq!(state.drifting_page(PLACE, None, all.len() + 1).unwrap(), all);
    assert_eq!(state.drifting_page(PLACE, None, 0).unwrap(), []);
    assert_eq!(state.drifting_page("elsewhere", None, 9).unwrap(), []);
    for (from, to, wanted) in periods {
        let found = Some((*from, *to));
        assert_eq!((count(found), state.drifting_page(PLACE, found, 9).unwrap().len()), (*wanted as u64, *wanted));
    }
}

fn unknown_part(name: &str) -> Drift {
    Drift { kind: DriftKind::Unknown, digest: Digest::of(name.as_bytes()), name: name.into(), grant: None, run: None }
}

#[test]
fn a_difference_stands_from_the_snapshot_that_found_it_to_the_one_in_which_it_is_gone() {
    let mut house = House::watched();
    let first = house.taken(&["pay"], &[]);
    assert_eq!(house.looks(TAKEN, first.clone()), None);
    let second = house.taken(&["pay"], &["shell"]);
    assert_eq!(house.looks(TAKEN, second.clone()), None);
    let said = house.detected(&["shell"]);
    assert_eq!(house.looks(FOUND, said), None);
    let state = house.state();
    let [row] = state.drifting(None).unwrap().try_into().unwrap();
    assert_eq!((row.arisen, row.detected, row.resolved), (first.time, second.time, None));
    assert_eq!(row.told, Some(row.index + 1));
    counted(&state, &[(second.time, second.time.plus_seconds(1), 1), (first.time, second.time, 0)]);
    // The same again finds nothing new; the content stands once.
    let third = house.taken(&["pay"], &["shell"]);
    assert_eq!(house.looks(TAKEN, third.clone()), None);
    assert_eq!(house.open(), ["shell"]);
    let newest = house.state().snapshots_page(&SnapshotsAsked::default(), 1).unwrap().remove(0);
    assert_eq!(newest.content, row.index);
    assert_eq!(house.state().snapshot(newest.index).unwrap().unwrap().taken, third);
    // It is gone.
    let gone = house.taken(&["pay"], &[]);
    assert_eq!(house.looks(TAKEN, gone.clone()), None);
    assert_eq!(house.open(), [""; 0]);
    let resolved = house.state().drifts_between(first.time, gone.time.plus_seconds(1)).unwrap();
    assert_eq!(resolved.len(), 1);
    assert_eq!(resolved[0].resolved.map(|(_, at)| at), Some(gone.time));
    let seen = house.state().sightings_between(first.time, gone.time.plus_seconds(1)).unwrap();
    let pay = seen.iter().find(|s| s.name == "pay").unwrap();
    assert_eq!((pay.first.1, pay.last.1), (first.time, gone.time));
}

#[test]
fn what_is_no_snapshot_is_not_believed() {
    let mut house = House::watched();
    let said = house.taken(&["pay"], &["shell"]);
    let elsewhere = house.history.machine(TAKEN, StreamId::from_text("registry"), said.clone(), Vec::new());
    disbelieved(house.append(elsewhere), "stream");
    let staging = SnapshotTaken { environment: "staging".into(), ..said.clone() };
    let stream = StreamId::from_text("snapshots/staging");
    let nowhere = house.history.machine(TAKEN, stream, staging, Vec::new());
    disbelieved(house.append(nowhere), "no such environment");
    let other = || said.clone();
    disbelieved(house.looks(TAKEN, SnapshotTaken { applications: vec!["none".into()], ..other() }), "not registered");
    let mut twice = said.seen.clone();
    twice.extend(said.seen.clone());
    disbelieved(house.looks(TAKEN, SnapshotTaken { seen: twice, ..other() }), "sorted");
    disbelieved(house.looks(TAKEN, SnapshotTaken { seen: Vec::new(), ..other() }), "does not run");
    let by = |person: &str| SentBy {
        key: None,
        request: None,
        person: Some(PersonId::from_text(person)),
        token: None,
        workload: None,
    };
    let nobody = Some(by("per-99999999999999999999"));
    disbelieved(house.looks(TAKEN, SnapshotTaken { sent: nobody, ..other() }), "nobody of that id");
    let unsaid = Some(SentBy { person: None, ..by("") });
    disbelieved(house.looks(TAKEN, SnapshotTaken { sent: unsaid, ..other() }), "by whom");
    let missing = vec![Drift { kind: DriftKind::Missing, ..unknown_part("shell") }];
    disbelieved(house.looks(TAKEN, SnapshotTaken { drift: missing, ..other() }), "does not run");
    assert_eq!(house.open(), [""; 0]);

    let early = house.detected(&["shell"]);
    disbelieved(house.looks(FOUND, early), "no snapshot");
    assert_eq!(house.looks(TAKEN, house.taken(&["pay"], &["shell", "tool"])), None);
    for parts in [&["shell"][..], &["shell", "tool", "third"], &[]] {
        let said = house.detected(parts);
        disbelieved(house.looks(FOUND, said), "something else");
    }
    let said = house.detected(&["shell", "tool"]);
    assert_eq!(house.looks(FOUND, said.clone()), None);
    disbelieved(house.looks(FOUND, said), "something else");
}
