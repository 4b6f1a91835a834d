//! What is believed of issuers and workloads, whoever wrote the entries.

use countersign_evidence::act;
use countersign_model::access::Field;
use countersign_model::event::{IssuersActivated, WorkloadVerified};
use countersign_model::{Digest, EventKind, StreamId};
use countersign_store::projection::{State, Watch};
use countersign_store::{Ledger, NewBlob, NewEntry};

use crate::history::History;
use crate::support::ORIGIN;

/// Roles: 0 administrator, 1 engineer, 2 compliance officer, 3 release manager, 4 security officer, 5 developer.
pub(crate) struct House {
    pub(crate) history: History,
    pub(crate) ledger: Ledger,
    _dir: tempfile::TempDir,
}

pub(crate) fn blob(text: &str) -> NewBlob {
    NewBlob { bytes: text.as_bytes().to_vec(), media: "application/json".into() }
}

impl House {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (mut history, mut ledger) = History::begin(&dir.path().join("ledger"));
        let founding = history.founding();
        history.append(&mut ledger, founding);
        let started = history.step(0);
        history.append(&mut ledger, vec![started]);
        Self { history, ledger, _dir: dir }
    }

    pub(crate) fn state(&self) -> State {
        State::replay(&self.ledger, None, &Watch::default()).unwrap()
    }

    /// Appends an entry; what is said of it if it is not believed.
    pub(crate) fn append(&mut self, entry: NewEntry) -> Option<String> {
        let before = self.state().anomalies().unwrap().len();
        self.history.append(&mut self.ledger, vec![entry]);
        let after = self.state().anomalies().unwrap();
        after.get(before).map(|a| a.what.clone())
    }

    pub(crate) fn activate(&mut self, by: usize, attached: &str) -> Option<String> {
        let (origin, time) = (ORIGIN.into(), self.history.now());
        let issuers = Digest::of(b"issuers");
        let activated = IssuersActivated { origin, issuers, by: self.history.person(by), reason: None, time };
        let (kind, stream) = (EventKind::IssuersActivated, StreamId::from_text("issuers"));
        let entry = self.history.act(by, act::ISSUERS, kind, stream, activated, vec![blob(attached)]);
        self.append(entry)
    }

    /// A statement that is believed, of a token of this number.
    pub(crate) fn shown(&self, token: u8) -> WorkloadVerified {
        let (run, commit, attempt) = self.history.last_run();
        let now = self.history.now();
        WorkloadVerified {
            run,
            attempt,
            issuers: Digest::of(b"issuers"),
            entry: "github".into(),
            system: "github-actions".into(),
            issuer: "https://issuer.example".into(),
            fields: [(Field::Commit, commit)].into(),
            key: "thumbprint".into(),
            algorithm: "RS256".into(),
            token: Digest::of(&[token]),
            once: Digest::of(&[token]),
            claims: Digest::of(b"claims"),
            person: None,
            issued: now.plus_seconds(-10),
            expires: now.plus_seconds(290),
            time: now,
        }
    }

    pub(crate) fn show(&mut self, shown: WorkloadVerified) -> Option<String> {
        let stream = self.history.stream();
        self.show_in(shown, stream, "claims")
    }

    pub(crate) fn show_in(&mut self, shown: WorkloadVerified, stream: StreamId, claims: &str) -> Option<String> {
        let entry = self.history.machine(EventKind::WorkloadVerified, stream, shown, vec![blob(claims)]);
        self.append(entry)
    }
}

#[track_caller]
pub(crate) fn disbelieved(said: Option<String>, why: &str) {
    assert!(said.as_deref().is_some_and(|s| s.contains(why)), "{said:?}");
}

#[test]
fn issuers_are_put_in_effect_by_a_security_officer_alone() {
    let mut house = House::new();
    for other in [0, 1, 2, 3, 5] {
        disbelieved(house.activate(other, "issuers"), "security-officer");
    }
    disbelieved(house.activate(4, "others"), "not those that the statement names");
    assert!(house.state().issuers().unwrap().is_none());
    assert_eq!(house.activate(4, "issuers"), None);
    assert_eq!(house.state().issuers().unwrap().unwrap().digest, Digest::of(b"issuers"));
}

#[test]
fn a_workload_written_by_hand_counts_only_where_everything_fits() {
    let mut house = House::new();
    let early = house.shown(1);
    disbelieved(house.show(early), "not in effect");
    assert_eq!(house.activate(4, "issuers"), None);
    let shown = house.shown(1);
    assert_eq!(house.show(shown.clone()), None);
    assert_eq!(house.state().workloads(&shown.run).unwrap().len(), 1);

    disbelieved(house.show(shown.clone()), "shown before");
    let fresh = |house: &House| house.shown(2);
    let mut one = fresh(&house);
    one.issuers = Digest::of(b"others");
    disbelieved(house.show(one), "not in effect");
    let mut one = fresh(&house);
    one.attempt += 1;
    disbelieved(house.show(one), "latest attempt");
    let mut one = fresh(&house);
    one.fields.insert(Field::Commit, "another".into());
    disbelieved(house.show(one), "another commit or repository");
    let mut one = fresh(&house);
    one.fields.insert(Field::Repository, "git:github.com/mallory/fork".into());
    disbelieved(house.show(one), "another commit or repository");
    let mut one = fresh(&house);
    one.expires = one.time.plus_seconds(-301);
    disbelieved(house.show(one), "not valid when it was shown");
    let mut one = fresh(&house);
    one.issued = one.time.plus_seconds(301);
    disbelieved(house.show(one), "not valid when it was shown");
    let mut one = fresh(&house);
    one.person = Some(countersign_model::PersonId::from_random([77; 10]));
    disbelieved(house.show(one), "not the one whose account");
    let one = fresh(&house);
    disbelieved(house.show_in(one, StreamId::from_text("elsewhere"), "claims"), "another run");
    let (one, stream) = (fresh(&house), house.history.stream());
    disbelieved(house.show_in(one, stream, "other claims"), "not those that the statement names");
    // None of these used the token up.
    let good = fresh(&house);
    assert_eq!(house.show(good), None);
    let rows = house.state().workloads(&shown.run).unwrap();
    assert_eq!((rows.len(), rows[1].person.clone()), (2, None));
    // What a person writes is no statement of the recorder.
    let (kind, stream, one) = (EventKind::WorkloadVerified, house.history.stream(), house.shown(3));
    let entry = house.history.act(4, act::ISSUERS, kind, stream, one, vec![blob("claims")]);
    disbelieved(house.append(entry), "not a DSSE envelope");
}
