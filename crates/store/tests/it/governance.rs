//! What is believed of applications, levels and waivers, whoever wrote the entries.

use countersign_evidence::act;
use countersign_model::event::{EnvironmentRegistered, WaiverGranted, WaiverRejected, WaiverRequested, WaiverRevoked};
use countersign_model::governance::{DeploymentEnvironment, Tier};
use countersign_model::{Digest, EventKind, StreamId, Timestamp};
use countersign_store::projection::{State, WaiverState, Watch};
use countersign_store::{Ledger, NewEntry};

use crate::history::History;
use crate::support::ORIGIN;

/// A ledger with people and roles: 0 administrator, 1 engineer, 2 compliance officer, 3 release manager, 4 security officer,
/// 5 developer.
struct House {
    history: History,
    ledger: Ledger,
    _dir: tempfile::TempDir,
}

impl House {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (mut history, mut ledger) = History::begin(&dir.path().join("ledger"));
        let founding = history.founding();
        history.append(&mut ledger, founding);
        Self { history, ledger, _dir: dir }
    }

    fn state(&self) -> State {
        State::replay(&self.ledger, None, &Watch::default()).unwrap()
    }

    /// Appends an entry; what is said of it if it is not believed.
    fn append(&mut self, entry: NewEntry) -> Option<String> {
        let before = self.state().anomalies().unwrap().len();
        self.history.append(&mut self.ledger, vec![entry]);
        let after = self.state().anomalies().unwrap();
        after.get(before).map(|a| a.what.clone())
    }

    fn ask(&mut self, request: &WaiverRequested, by: usize) -> Option<String> {
        let stream = StreamId::from(&request.waiver);
        let entry =
            self.history.act(by, act::WAIVER_REQUEST, EventKind::WaiverRequested, stream, request.clone(), vec![]);
        self.append(entry)
    }

    fn grant(&mut self, request: &WaiverRequested, by: usize, leaf: Option<Digest>, time: Timestamp) -> Option<String> {
        let known = self.state().waiver(&request.waiver).unwrap().unwrap();
        let granted = WaiverGranted {
            origin: ORIGIN.into(),
            waiver: request.waiver.clone(),
            request: leaf.unwrap_or(known.leaf),
            by: self.history.person(by),
            reason: "agreed".into(),
            time,
        };
        let stream = StreamId::from(&request.waiver);
        let entry = self.history.act(by, act::WAIVER, EventKind::WaiverGranted, stream, granted, vec![]);
        self.append(entry)
    }

    fn at(&self, request: &WaiverRequested, now: Timestamp, newest: Timestamp) -> WaiverState {
        self.state().waiver(&request.waiver).unwrap().unwrap().state(now, newest)
    }
}

#[track_caller]
fn disbelieved(said: Option<String>, why: &str) {
    assert!(said.as_deref().is_some_and(|s| s.contains(why)), "{said:?}");
}

#[test]
fn a_waiver_is_granted_once_by_somebody_else_with_the_role_over_what_was_asked() {
    let mut house = House::new();
    let now = house.history.now();
    // A compliance officer asks: nobody else's role is missing.
    let own = house.history.request(2, 90);
    assert_eq!(house.ask(&own, 2), None);
    disbelieved(house.grant(&own, 2, None, now), "whoever asked");
    disbelieved(house.grant(&own, 4, None, now), "no compliance-officer");

    let mut asked = house.history.request(5, 90);
    asked.waiver = countersign_model::WaiverId::from_text("wai-another");
    assert_eq!(house.ask(&asked, 5), None);
    disbelieved(house.ask(&asked, 5), "before");
    disbelieved(house.grant(&asked, 2, Some(Digest::of(b"another request")), now), "not the one");
    // A clock that is far ahead says nothing; one that is a little ahead says that it is over.
    disbelieved(house.grant(&asked, 2, None, asked.expires), "it was only");
    let mut soon = house.history.request(5, 90);
    soon.waiver = countersign_model::WaiverId::from_text("wai-soon");
    soon.expires = now.plus_seconds(120);
    assert_eq!(house.ask(&soon, 5), None);
    disbelieved(house.grant(&soon, 2, None, soon.expires), "over already");
    assert_eq!(house.at(&asked, now, now), WaiverState::Requested);
    assert_eq!(house.grant(&asked, 2, None, now), None);
    disbelieved(house.grant(&asked, 2, None, now), "decided already");
    // In force up to its end, and no clock that is set back brings it back.
    assert_eq!(house.at(&asked, now, now), WaiverState::Active);
    assert_eq!(house.at(&asked, now.plus_seconds(-1), now), WaiverState::Upcoming);
    assert_eq!(house.at(&asked, asked.expires, now), WaiverState::Expired);
    assert_eq!(house.at(&asked, now, asked.expires), WaiverState::Expired);

    let reject = WaiverRejected {
        origin: ORIGIN.into(),
        waiver: asked.waiver.clone(),
        by: house.history.person(4),
        reason: "no".into(),
        time: now,
    };
    let stream = StreamId::from(&asked.waiver);
    let kind = EventKind::WaiverRejected;
    let entry = house.history.act(4, act::WAIVER_REJECTION, kind, stream.clone(), reject, vec![]);
    disbelieved(house.append(entry), "decided already");
    for (by, why) in [(1, Some("no security-officer")), (4, None), (4, Some("revoked already"))] {
        let revoked = WaiverRevoked {
            origin: ORIGIN.into(),
            waiver: asked.waiver.clone(),
            by: house.history.person(by),
            reason: "used".into(),
            time: now,
        };
        let entry =
            house.history.act(by, act::WAIVER_REVOCATION, EventKind::WaiverRevoked, stream.clone(), revoked, vec![]);
        let said = house.append(entry);
        assert_eq!(said.is_some(), why.is_some(), "{said:?}");
        assert!(why.is_none_or(|why| said.unwrap_or_default().contains(why)));
    }
    assert_eq!(house.at(&asked, now, now), WaiverState::Revoked);
    // A renewal is of what was granted, and counted.
    let mut renewal = house.history.request(5, 30);
    renewal.waiver = countersign_model::WaiverId::from_text("wai-renewal");
    renewal.renews = Some(asked.waiver.clone());
    disbelieved(house.ask(&renewal, 5), "not counted");
    renewal.renewals = 1;
    assert_eq!(house.ask(&renewal, 5), None);
    renewal.waiver = countersign_model::WaiverId::from_text("wai-wider");
    renewal.scope.path = Some("more/**".into());
    disbelieved(house.ask(&renewal, 5), "another scope");
}

#[test]
fn an_act_that_replaces_another_state_than_the_present_one_is_not_believed() {
    let mut house = House::new();
    let register = |house: &House, by: usize, tier: Tier, replaces: Option<u64>| {
        let registered = EnvironmentRegistered {
            origin: ORIGIN.into(),
            environment: DeploymentEnvironment { id: "live".into(), tier },
            replaces,
            by: house.history.person(by),
            reason: None,
            time: house.history.now(),
        };
        let stream = StreamId::from_text("registry");
        house.history.act(by, act::ENVIRONMENT, EventKind::EnvironmentRegistered, stream, registered, vec![])
    };
    let first = house.ledger.size();
    let entry = register(&house, 0, Tier::PreProduction, None);
    assert_eq!(house.append(entry), None);
    let entry = register(&house, 0, Tier::Production, None);
    disbelieved(house.append(entry), "another state");
    let entry = register(&house, 3, Tier::Test, Some(first));
    disbelieved(house.append(entry), "lower tier");
    let entry = register(&house, 3, Tier::Production, Some(first));
    assert_eq!(house.append(entry), None);
    let known = house.state().environment("live").unwrap().unwrap();
    assert_eq!((known.what.tier, known.retired), (Tier::Production, None));
}
