//! What is believed of audits and what is asked in them, whoever wrote the entries.

use countersign_evidence::act;
use countersign_model::audit::threads::MaskedField;
use countersign_model::event::{
    AuditAnswered, AuditClosed, AuditFollowedUp, AuditOpened, AuditRequestClosed, AuditRequested, EvidencePackMade,
    Predicate,
};
use countersign_model::{AuditId, AuditRequestId, Digest, EventKind, PersonId, Role, StreamId, Timestamp};
use countersign_store::projection::{RequestState, State, ThreadRow, Watch, check};
use countersign_store::subjects::SEALED_TEXT;
use countersign_store::{Ledger, NewBlob, NewEntry};

use crate::history::History;
use crate::support::ORIGIN;

/// 0 administrator, 1 engineer, 2 compliance officer, 3 release manager, 4 security officer, 5 auditor (and developer).
struct House {
    h: History,
    ledger: Ledger,
    dir: tempfile::TempDir,
}

fn sealed(text: &str) -> NewBlob {
    NewBlob { bytes: text.into(), media: SEALED_TEXT.into() }
}

fn audit() -> AuditId {
    AuditId::from_text("aud-1")
}

fn request() -> AuditRequestId {
    AuditRequestId::from_text("arq-1")
}

impl House {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (mut h, mut ledger) = History::begin(&dir.path().join("ledger"));
        let founding = h.founding();
        h.append(&mut ledger, founding);
        let auditor = h.role(5, Role::Auditor, 0);
        h.append(&mut ledger, vec![auditor]);
        Self { h, ledger, dir }
    }

    fn state(&self) -> State {
        State::replay(&self.ledger, None, &Watch::default()).unwrap()
    }

    fn by(&self, n: usize) -> PersonId {
        self.h.person(n)
    }

    fn append(&mut self, entry: NewEntry) -> Option<String> {
        let before = self.state().anomalies().unwrap().len();
        self.h.append(&mut self.ledger, vec![entry]);
        self.state().anomalies().unwrap().get(before).map(|a| a.what.clone())
    }

    fn act<P: Predicate>(
        &mut self,
        n: usize,
        ns: &str,
        kind: EventKind,
        said: P,
        blobs: Vec<NewBlob>,
    ) -> Option<String> {
        let entry = self.h.act(n, ns, kind, StreamId::from_text("aud-1"), said, blobs);
        self.append(entry)
    }

    fn open(&mut self, n: usize, edit: impl FnOnce(&mut AuditOpened)) -> Option<String> {
        let now = self.h.now();
        let mut said = AuditOpened {
            origin: ORIGIN.into(),
            audit: audit(),
            name: "SOX".into(),
            from: Timestamp::from_millis(0),
            to: now.plus_seconds(86_400),
            applications: vec![],
            frameworks: vec!["sox".into()],
            auditors: vec![],
            masked: vec![],
            by: self.by(n),
            time: now,
        };
        edit(&mut said);
        self.act(n, act::AUDIT, EventKind::AuditOpened, said, vec![])
    }

    fn ask(&mut self, n: usize, blob: NewBlob, edit: impl FnOnce(&mut AuditRequested)) -> Option<String> {
        let now = self.h.now();
        let mut said = AuditRequested {
            origin: ORIGIN.into(),
            audit: audit(),
            request: request(),
            control: Some("dual-approval".into()),
            application: None,
            text: Digest::of(b"question"),
            due: now.plus_seconds(60),
            by: self.by(n),
            time: now,
        };
        edit(&mut said);
        self.act(n, act::AUDIT_REQUEST, EventKind::AuditRequested, said, vec![blob])
    }

    fn thread(&self) -> ThreadRow {
        self.state().audit_thread(&request()).unwrap().unwrap()
    }

    fn last(&self) -> Digest {
        self.thread().messages.last().unwrap().leaf
    }

    fn answer(&mut self, n: usize, edit: impl FnOnce(&mut AuditAnswered)) -> Option<String> {
        let mut said = AuditAnswered {
            origin: ORIGIN.into(),
            request: request(),
            answers: self.last(),
            text: Digest::of(b"reply"),
            evidence: vec![0, 2],
            packs: vec![],
            by: self.by(n),
            time: self.h.now(),
        };
        edit(&mut said);
        self.act(n, act::AUDIT_ANSWER, EventKind::AuditAnswered, said, vec![sealed("reply")])
    }

    fn follow(&mut self, n: usize, answer: Digest) -> Option<String> {
        let now = self.h.now();
        let said = AuditFollowedUp {
            origin: ORIGIN.into(),
            request: request(),
            answer,
            text: Digest::of(b"more"),
            due: now.plus_seconds(60),
            by: self.by(n),
            time: now,
        };
        self.act(n, act::AUDIT_FOLLOW_UP, EventKind::AuditFollowedUp, said, vec![sealed("more")])
    }

    fn end(&mut self, n: usize, last: Digest) -> Option<String> {
        let said =
            AuditRequestClosed { origin: ORIGIN.into(), request: request(), last, by: self.by(n), time: self.h.now() };
        self.act(n, act::AUDIT_REQUEST_CLOSING, EventKind::AuditRequestClosed, said, vec![])
    }

    fn close(&mut self, n: usize, requests: u64, answered: u64) -> Option<String> {
        let said = AuditClosed {
            origin: ORIGIN.into(),
            audit: audit(),
            requests,
            answered,
            by: self.by(n),
            time: self.h.now(),
        };
        self.act(n, act::AUDIT_CLOSING, EventKind::AuditClosed, said, vec![])
    }
}

#[track_caller]
fn disbelieved(said: Option<String>, why: &str) {
    assert!(said.as_deref().is_some_and(|s| s.contains(why)), "{why}: {said:?}");
}

#[test]
fn an_audit_is_asked_by_auditors_and_answered_by_others_and_nothing_else_is_believed() {
    let mut house = House::new();
    disbelieved(house.open(1, |_| ()), "is no security-officer or compliance-officer");
    disbelieved(house.open(5, |_| ()), "is no security-officer");
    disbelieved(house.open(2, |p| p.to = p.from), "over before it begins");
    disbelieved(house.open(2, |p| p.from = p.to.plus_seconds(-1)), "nothing was recorded");
    disbelieved(house.open(2, |p| p.applications = vec!["none".into()]), "not registered");
    disbelieved(house.open(2, |p| p.frameworks = vec!["b".into(), "a".into()]), "not sorted");
    disbelieved(house.open(2, |p| p.origin = "another".into()), "another");
    disbelieved(house.ask(5, sealed("question"), |_| ()), "nobody opened");
    assert_eq!(house.open(2, |_| ()), None);
    disbelieved(house.open(4, |_| ()), "opened before");

    disbelieved(house.ask(2, sealed("question"), |_| ()), "is no auditor");
    disbelieved(house.ask(5, sealed("another"), |_| ()), "not the one the statement names");
    let open = NewBlob { bytes: "question".into(), media: "text/plain".into() };
    disbelieved(house.ask(5, open, |_| ()), "not sealed");
    disbelieved(house.ask(5, sealed("question"), |p| p.due = p.time), "due before");
    disbelieved(house.ask(5, sealed("question"), |p| p.application = Some("none".into())), "not registered");
    let long = "x".repeat(12_000);
    let digest = Digest::of(long.as_bytes());
    disbelieved(house.ask(5, sealed(&long), |p| p.text = digest), "too long");
    assert_eq!(house.ask(5, sealed("question"), |_| ()), None);
    disbelieved(house.ask(5, sealed("question"), |_| ()), "made before");
    assert_eq!(house.thread().state(), RequestState::Open);

    // Whoever asked is an auditor here too, and the developer's role does not help.
    disbelieved(house.answer(5, |_| ()), "may not answer");
    disbelieved(house.answer(1, |p| p.answers = Digest::of(b"x")), "another entry");
    disbelieved(house.answer(1, |p| p.evidence = vec![100_000]), "not there");
    disbelieved(house.answer(1, |p| p.evidence = vec![2, 0]), "not sorted");
    disbelieved(house.answer(1, |p| p.evidence = (0..201).collect()), "too much");
    disbelieved(house.answer(1, |p| p.packs = vec![Digest::of(b"pack")]), "not made from this log");
    disbelieved(house.answer(1, |p| p.by = PersonId::from_text("per-1")), "not enrolled");
    let time = house.h.now();
    let made =
        EvidencePackMade { scope: <_>::default(), size: 2, deployments: 0, pack: Digest::of(b"pack"), bytes: 4, time };
    let entry = house.h.machine(EventKind::EvidencePackMade, StreamId::from_text("audit"), made, vec![]);
    assert_eq!(house.append(entry), None);
    let newest = house.last();
    disbelieved(house.follow(5, newest), "was not answered");
    disbelieved(house.close(2, 1, 0), "waits for an answer");
    assert_eq!(house.answer(1, |p| p.packs = vec![Digest::of(b"pack")]), None);
    disbelieved(house.answer(1, |_| ()), "no answer is awaited");

    let newest = house.last();
    disbelieved(house.follow(1, newest), "is no auditor");
    disbelieved(house.follow(5, Digest::of(b"x")), "another entry");
    assert_eq!(house.follow(5, newest), None);
    assert_eq!(house.thread().state(), RequestState::Open);
    assert_eq!(house.answer(3, |_| ()), None);
    let newest = house.last();
    disbelieved(house.end(3, newest), "is no auditor");
    disbelieved(house.end(5, Digest::of(b"x")), "another one");
    disbelieved(house.close(1, 1, 1), "is no auditor or security-officer");
    disbelieved(house.close(5, 1, 0), "not counted");
    assert_eq!(house.end(5, newest), None);
    let newest = house.last();
    disbelieved(house.follow(5, newest), "closed");
    assert_eq!(house.close(5, 1, 1), None);
    disbelieved(house.close(5, 1, 1), "closed already");
    disbelieved(house.ask(5, sealed("question"), |p| p.request = AuditRequestId::from_text("arq-2")), "closed");

    let state = house.state();
    let thread = state.audit_thread(&request()).unwrap().unwrap();
    let kinds: Vec<&str> = thread.messages.iter().map(|m| m.kind.as_str()).collect();
    assert_eq!(kinds, ["asked", "answered", "followed-up", "answered", "closed"]);
    assert_eq!(thread.messages[1].packs, [Digest::of(b"pack")]);
    assert_eq!(thread.messages[1].evidence, [0, 2]);
    assert_eq!(state.audit_threads(Some(&audit())).unwrap(), vec![thread]);
    assert!(state.audits().unwrap()[0].closed.is_some());
    // A text whose writer's key is not here is no text.
    assert_eq!(state.message_text(&house.thread().messages[0]).unwrap(), None);
    let path = house.dir.path().join("p.db");
    drop(State::open(&path, &mut house.ledger, None, &Watch::default()).unwrap());
    assert!(check(&path, &mut house.ledger, None, &Watch::default()).unwrap().differences.is_empty());
}

#[test]
fn an_audit_that_names_its_auditors_is_asked_by_them_alone_and_says_no_more_than_before_where_it_names_nobody() {
    let mut house = House::new();
    let old = serde_json::to_string(&AuditOpened {
        origin: ORIGIN.into(),
        audit: audit(),
        name: "SOX".into(),
        from: Timestamp::from_millis(0),
        to: Timestamp::from_millis(1),
        applications: vec![],
        frameworks: vec![],
        auditors: vec![],
        masked: vec![],
        by: house.by(2),
        time: Timestamp::from_millis(0),
    });
    let old = old.unwrap();
    assert!(!old.contains("auditors") && !old.contains("masked"), "{old}");

    let (mine, other) = (house.by(5), house.by(1));
    disbelieved(house.open(2, |p| p.auditors = vec![other.clone()]), "one of its auditors is none");
    disbelieved(house.open(2, |p| p.auditors = vec![mine.clone(), mine.clone()]), "name something twice");
    disbelieved(house.open(2, |p| p.masked = vec![MaskedField::Tickets, MaskedField::Names]), "not sorted");
    let role = house.h.role(1, Role::Auditor, 0);
    assert_eq!(house.append(role), None);
    assert_eq!(house.open(2, |p| p.auditors = vec![other.clone()]), None);
    disbelieved(house.ask(5, sealed("question"), |_| ()), "admits other auditors");
    assert_eq!(house.ask(1, sealed("question"), |_| ()), None);
    let newest = house.last();
    disbelieved(house.end(5, newest), "admits other auditors");
    assert_eq!(house.answer(3, |_| ()), None);
    let newest = house.last();
    disbelieved(house.follow(5, newest), "admits other auditors");
    disbelieved(house.close(5, 1, 1), "admits other auditors");
    assert_eq!(house.close(4, 1, 1), None);
}
