//! What is believed of regulators' requests, of what is handed over on them, and of rehearsals.

use countersign_evidence::act;
use countersign_model::audit::PackScope;
use countersign_model::event::{EvidencePackMade, FurnishDelivered, FurnishOpened, MockAuditDone};
use countersign_model::{Digest, EventKind, FurnishId, PersonId, StreamId, Timestamp};
use countersign_store::projection::{State, Watch, check, is_late};
use countersign_store::{Ledger, NewBlob, NewEntry};

use crate::history::History;
use crate::support::ORIGIN;

/// 0 administrator, 1 engineer, 2 compliance officer, 3 release manager, 4 security officer, 5 developer.
struct House {
    h: History,
    ledger: Ledger,
    dir: tempfile::TempDir,
}

fn id() -> FurnishId {
    FurnishId::from_text("fur-1")
}

impl House {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (mut h, mut ledger) = History::begin(&dir.path().join("ledger"));
        let founding = h.founding();
        h.append(&mut ledger, founding);
        Self { h, ledger, dir }
    }

    fn state(&self) -> State {
        State::replay(&self.ledger, None, &Watch::default()).unwrap()
    }

    fn append(&mut self, entry: NewEntry) -> Option<String> {
        let before = self.state().anomalies().unwrap().len();
        self.h.append(&mut self.ledger, vec![entry]);
        self.state().anomalies().unwrap().get(before).map(|a| a.what.clone())
    }

    fn scope(&self) -> PackScope {
        let to = self.h.now().plus_seconds(3600);
        PackScope { from: Some(Timestamp::from_millis(0)), to: Some(to), ..PackScope::default() }
    }

    fn open(&mut self, n: usize, scope: PackScope, edit: impl FnOnce(&mut FurnishOpened)) -> Option<String> {
        let now = self.h.now();
        let mut said = FurnishOpened {
            origin: ORIGIN.into(),
            furnish: id(),
            regulator: "SEC".into(),
            reference: "MH-1".into(),
            received_by: self.h.person(1),
            received: now.plus_seconds(-10),
            due: now.plus_seconds(3600),
            scope,
            by: self.h.person(n),
            time: now,
        };
        edit(&mut said);
        let kind = EventKind::FurnishOpened;
        let entry = self.h.act(n, act::FURNISHING, kind, StreamId::from(&id()), said, vec![]);
        self.append(entry)
    }

    fn deliver(&mut self, n: usize, edit: impl FnOnce(&mut FurnishDelivered)) -> Option<String> {
        let mut said = FurnishDelivered {
            origin: ORIGIN.into(),
            furnish: id(),
            request: self.state().furnishing(&id()).unwrap().map_or(Digest::of(b""), |r| r.leaf),
            pack: Digest::of(b"pack"),
            bytes: 4,
            size: 2,
            records: 2,
            held: 1,
            disposed: 0,
            missing: 0,
            recipient: "portal 17".into(),
            by: self.h.person(n),
            time: self.h.now(),
        };
        edit(&mut said);
        let kind = EventKind::FurnishDelivered;
        let entry = self.h.act(n, act::FURNISHING_DELIVERY, kind, StreamId::from(&id()), said, vec![]);
        self.append(entry)
    }

    fn pack(&mut self, scope: PackScope, pack: &[u8]) {
        let time = self.h.now();
        let made = EvidencePackMade { scope, size: 2, deployments: 0, pack: Digest::of(pack), bytes: 4, time };
        let entry = self.h.machine(EventKind::EvidencePackMade, StreamId::from_text("audit"), made, vec![]);
        assert_eq!(self.append(entry), None);
    }
}

#[track_caller]
fn disbelieved(said: Option<String>, why: &str) {
    assert!(said.as_deref().is_some_and(|s| s.contains(why)), "{why}: {said:?}");
}

#[test]
fn records_are_handed_over_by_who_may_and_are_those_that_were_asked_for() {
    let mut house = House::new();
    let scope = house.scope();
    disbelieved(house.open(1, scope.clone(), |_| ()), "is no security-officer or compliance-officer");
    disbelieved(house.open(2, scope.clone(), |p| p.received = p.time.plus_seconds(1)), "before it was received");
    disbelieved(house.open(2, scope.clone(), |p| p.due = p.received), "due before");
    disbelieved(house.open(2, scope.clone(), |p| p.received_by = PersonId::from_text("per-0")), "not enrolled");
    disbelieved(house.open(2, PackScope::default(), |_| ()), "neither of a deployment nor of a period");
    disbelieved(house.open(2, PackScope { to: scope.from, ..scope.clone() }, |_| ()), "over before it begins");
    let late = Some(scope.to.unwrap().plus_seconds(9));
    disbelieved(house.open(2, PackScope { from: scope.to, to: late, ..scope.clone() }, |_| ()), "nothing was recorded");
    let own = PackScope { furnish: Some(id()), ..scope.clone() };
    disbelieved(house.open(2, own.clone(), |_| ()), "names a request");
    let none = PackScope { applications: vec!["none".into()], ..scope.clone() };
    disbelieved(house.open(2, none, |_| ()), "not registered");
    let twice = PackScope { controls: vec!["a".into(), "a".into()], ..scope.clone() };
    disbelieved(house.open(2, twice, |_| ()), "not sorted");
    let grant = PackScope { deployment: Some(countersign_model::GrantId::from_text("gra-0")), ..PackScope::default() };
    disbelieved(house.open(2, grant, |_| ()), "not known");
    disbelieved(house.deliver(2, |_| ()), "nobody recorded");
    assert_eq!(house.open(4, scope.clone(), |_| ()), None);
    disbelieved(house.open(2, scope.clone(), |_| ()), "recorded before");

    disbelieved(house.deliver(2, |_| ()), "no such pack");
    // A pack of the same period that was made for nobody is not what was asked for.
    house.pack(scope, b"other");
    disbelieved(house.deliver(2, |p| p.pack = Digest::of(b"other")), "not of what was asked for");
    house.pack(own, b"pack");
    disbelieved(house.deliver(4, |_| ()), "is no compliance-officer");
    disbelieved(house.deliver(2, |p| p.request = Digest::of(b"x")), "not the one");
    disbelieved(house.deliver(2, |p| p.bytes = 5), "another size");
    disbelieved(house.deliver(2, |p| p.held = 3), "more of its records");
    assert_eq!(house.deliver(2, |_| ()), None);
    assert_eq!(house.deliver(2, |_| ()), None, "more may follow");
    let row = house.state().furnishing(&id()).unwrap().unwrap();
    assert_eq!(row.deliveries.len(), 2);
    assert_eq!(row.delivered(), Some(row.deliveries[0].said.time));
    assert!(!is_late(row.said.due, None, row.said.due) && is_late(row.said.due, None, row.said.due.plus_seconds(1)));

    let path = house.dir.path().join("p.db");
    drop(State::open(&path, &mut house.ledger, None, &Watch::default()).unwrap());
    assert!(check(&path, &mut house.ledger, None, &Watch::default()).unwrap().differences.is_empty());
}

#[test]
fn a_rehearsal_adds_up_and_is_of_a_time_in_which_something_was_recorded() {
    let mut house = House::new();
    let time = house.h.now();
    let mut said = |edit: fn(&mut MockAuditDone)| {
        let mut said = MockAuditDone {
            framework: "sox".into(),
            from: Timestamp::from_millis(0),
            to: time.plus_seconds(3600),
            size: 3,
            catalogue: Digest::of(b"catalogue"),
            requirements: 10,
            complete: 4,
            people: 3,
            missing: 2,
            not_applicable: 1,
            broken: 1,
            pack: Digest::of(b"pack"),
            bytes: 4,
            took_ms: 7,
            record: Digest::of(b"{}"),
            time,
        };
        edit(&mut said);
        let blob = NewBlob { bytes: b"{}".to_vec(), media: "application/json".into() };
        let entry = house.h.machine(EventKind::MockAuditDone, StreamId::from_text("audit"), said, vec![blob]);
        house.append(entry)
    };
    disbelieved(said(|p| p.record = Digest::of(b"x")), "not the one the statement names");
    disbelieved(said(|p| p.size = 1000), "more of the log");
    disbelieved(said(|p| p.to = p.from), "over before it begins");
    disbelieved(said(|p| p.to = p.from.plus_seconds(1)), "nothing was recorded");
    disbelieved(said(|p| p.complete = 5), "do not add up");
    disbelieved(said(|p| p.broken = 11), "do not add up");
    assert_eq!(said(|_| ()), None);
    assert_eq!(said(|p| p.took_ms = 8), None);
    let state = house.state();
    assert_eq!(state.last_mock_audit("sox").unwrap().unwrap().said.took_ms, 8);
    assert_eq!(state.last_mock_audit("dora").unwrap(), None);
}
