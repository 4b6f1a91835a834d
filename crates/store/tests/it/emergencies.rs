//! What is believed of freezes, windows and emergencies, whoever wrote the entries into the log.

use countersign_evidence::act;
use countersign_model::access::emergencies::Owed;
use countersign_model::event::{
    BreakGlassClosed, BreakGlassOpened, BreakGlassPaged, BreakGlassRatified, BreakGlassReviewed, DeploymentStarted,
    EnvironmentFrozen, EnvironmentRegistered, FreezeLifted, GrantIssued, GrantRevoked, WindowsSet,
};
use countersign_model::governance::{DeploymentEnvironment, Tier};
use countersign_model::{BreakGlassId, Digest, EventKind, FreezeId, GrantId, StreamId};
use countersign_store::projection::{State, Watch};
use countersign_store::{Ledger, NewBlob, NewEntry};

use crate::history::History;
use crate::support::ORIGIN;

/// A ledger with a run that is decided: 0 administrator, 1 engineer, 2 compliance officer, 3 release manager, 4 security
/// officer, 5 developer.
struct House {
    history: History,
    ledger: Ledger,
    _dir: tempfile::TempDir,
}

impl House {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (mut history, mut ledger) = History::begin(&dir.path().join("ledger"));
        let mut entries = history.founding();
        entries.extend([history.step(0), history.step(2)]);
        history.append(&mut ledger, entries);
        let mut house = Self { history, ledger, _dir: dir };
        let environment = DeploymentEnvironment { id: "production".into(), tier: Tier::Production };
        let (by, time) = (house.history.person(3), house.history.now());
        let registered =
            EnvironmentRegistered { origin: ORIGIN.into(), environment, replaces: None, by, reason: None, time };
        let (kind, stream) = (EventKind::EnvironmentRegistered, StreamId::from_text("registry"));
        let entry = house.history.act(3, act::ENVIRONMENT, kind, stream, registered, vec![]);
        house.believed(entry);
        house
    }

    fn append(&mut self, entry: NewEntry) -> Option<String> {
        let anomalies = |ledger: &Ledger| {
            State::replay(ledger, None, &Watch::default()).unwrap().anomalies().unwrap().into_iter().map(|a| a.what)
        };
        let before = anomalies(&self.ledger).len();
        self.history.append(&mut self.ledger, vec![entry]);
        anomalies(&self.ledger).nth(before)
    }

    #[track_caller]
    fn believed(&mut self, entry: NewEntry) {
        assert_eq!(self.append(entry), None);
    }

    /// Not believed, for a reason that says this.
    #[track_caller]
    fn not(&mut self, why: &str, entry: NewEntry) {
        let said = self.append(entry).unwrap_or_else(|| panic!("it is believed, and should not be: {why}"));
        assert!(said.contains(why), "{said}");
    }

    fn freeze(&self, by: usize, id: u8, environment: &str) -> NewEntry {
        let now = self.history.now();
        let frozen = EnvironmentFrozen {
            origin: ORIGIN.into(),
            freeze: FreezeId::from_random([id; 10]),
            environment: environment.into(),
            from: now,
            until: None,
            by: self.history.person(by),
            reason: "year end".into(),
            time: now,
        };
        let stream = StreamId::from_text("registry");
        self.history.act(by, act::FREEZE, EventKind::EnvironmentFrozen, stream, frozen, vec![])
    }

    fn lift(&self, by: usize, id: u8) -> NewEntry {
        let lifted = FreezeLifted {
            origin: ORIGIN.into(),
            freeze: FreezeId::from_random([id; 10]),
            by: self.history.person(by),
            reason: "over".into(),
            time: self.history.now(),
        };
        let stream = StreamId::from_text("registry");
        self.history.act(by, act::FREEZE_LIFT, EventKind::FreezeLifted, stream, lifted, vec![])
    }

    fn windows(&self, by: usize, windows: &[&str]) -> NewEntry {
        let set = WindowsSet {
            origin: ORIGIN.into(),
            environment: "production".into(),
            windows: windows.iter().map(|w| w.parse().unwrap()).collect(),
            by: self.history.person(by),
            reason: "operations".into(),
            time: self.history.now(),
        };
        self.history.act(by, act::WINDOWS, EventKind::WindowsSet, StreamId::from_text("registry"), set, vec![])
    }

    fn opened(&self, by: usize) -> BreakGlassOpened {
        let now = self.history.now();
        BreakGlassOpened {
            origin: ORIGIN.into(),
            id: glass(),
            environment: "production".into(),
            application: None,
            repository: Some(self.history.issued().repository),
            commit: Some(self.history.issued().commit),
            reason: "orders are not routed".into(),
            ticket: "INC-7".into(),
            ratify_by: now.plus_seconds(7200),
            review_by: now.plus_seconds(86_400),
            by: self.history.person(by),
            device: self.history.device(by),
            time: now,
            expires: now.plus_seconds(3600),
        }
    }

    fn open(&self, by: usize, opened: BreakGlassOpened) -> NewEntry {
        let stream = StreamId::from(&glass());
        self.history.act(by, act::BREAK_GLASS, EventKind::BreakGlassOpened, stream, opened, vec![])
    }

    /// A grant under the glass, with the engineer as an author of what it covers.
    fn under(&self, by: usize, id: u8) -> GrantIssued {
        GrantIssued {
            grant: GrantId::from_random([id; 10]),
            by: self.history.person(by),
            device: self.history.device(by),
            approvals: Vec::new(),
            expires: self.history.now().plus_seconds(3600),
            break_glass: Some(glass()),
            standing: Some(Digest::of(b"standing")),
            excluded: vec![self.history.person(1)],
            ..self.history.issued()
        }
    }

    fn grant(&self, by: usize, grant: GrantIssued, attached: &[&str]) -> NewEntry {
        let blobs = attached.iter().map(|a| NewBlob { bytes: (*a).into(), media: "application/json".into() });
        let stream = StreamId::from(&grant.grant);
        self.history.act(by, act::GRANT, EventKind::GrantIssued, stream, grant, blobs.collect())
    }

    fn start(&self, grant: &GrantIssued, glass: Option<BreakGlassId>, host: Option<&str>) -> NewEntry {
        let started = DeploymentStarted {
            grant: grant.grant.clone(),
            run: grant.run.clone(),
            command: Digest::of(b"make deploy"),
            break_glass: glass,
            host: host.map(str::to_owned),
            sent: None,
            time: self.history.now(),
        };
        self.history.machine(EventKind::DeploymentStarted, StreamId::from(&grant.grant), started, vec![])
    }

    fn ratify(&self, by: usize, late: bool) -> NewEntry {
        let ratified = BreakGlassRatified {
            origin: ORIGIN.into(),
            id: glass(),
            late,
            statement: "seen".into(),
            by: self.history.person(by),
            time: self.history.now(),
        };
        let stream = StreamId::from(&glass());
        self.history.act(by, act::RATIFICATION, EventKind::BreakGlassRatified, stream, ratified, vec![])
    }

    fn review(&self, by: usize, root_cause: &str) -> NewEntry {
        let reviewed = BreakGlassReviewed {
            origin: ORIGIN.into(),
            id: glass(),
            late: false,
            findings: "a".into(),
            root_cause: root_cause.into(),
            corrective_action: "c".into(),
            by: self.history.person(by),
            time: self.history.now(),
        };
        let stream = StreamId::from(&glass());
        self.history.act(by, act::POST_REVIEW, EventKind::BreakGlassReviewed, stream, reviewed, vec![])
    }
}

fn glass() -> BreakGlassId {
    BreakGlassId::from_random([7; 10])
}

#[test]
fn grants_and_redemptions_of_an_environment_that_is_not_open_are_not_believed() {
    let mut house = House::new();
    let step = |house: &mut House| house.history.step(6);
    house.not("is no ", house.freeze(1, 1, "production"));
    house.not("registered", house.freeze(3, 1, "produktion"));
    house.believed(house.freeze(3, 1, "production"));
    house.not("before", house.freeze(2, 1, "production"));
    let grant = step(&mut house);
    house.not("not open", grant);
    house.not("is no ", house.lift(3, 1));
    house.not("no such freeze", house.lift(2, 9));
    house.believed(house.lift(2, 1));
    house.not("lifted already", house.lift(4, 1));
    // Whoever put it in place does not lift it, whatever their role.
    house.believed(house.freeze(2, 2, "production"));
    house.not("put it in place", house.lift(2, 2));
    house.believed(house.lift(4, 2));
    let grant = step(&mut house);
    house.believed(grant);
    let issued = house.history.issued();
    house.not("is no ", house.windows(3, &[]));
    // The clock of this log stands at one moment of one day of the week: none of these minutes is it.
    house.believed(house.windows(2, &["mon-sun 00:00-00:01 +00:00"]));
    house.not("not open", house.start(&issued, None, None));
    let grant = step(&mut house);
    house.not("not open", grant);
    house.believed(house.windows(2, &[]));
    house.not("another emergency", house.start(&issued, Some(glass()), Some("h")));
    let revoked = |house: &House, by: usize| {
        let said = GrantRevoked {
            origin: ORIGIN.into(),
            grant: issued.grant.clone(),
            by: house.history.person(by),
            reason: "missed".into(),
            time: house.history.now(),
        };
        let stream = StreamId::from(&issued.grant);
        house.history.act(by, act::GRANT_REVOCATION, EventKind::GrantRevoked, stream, said, vec![])
    };
    house.not("is no ", revoked(&house, 1));
    house.believed(revoked(&house, 4));
    house.not("taken back", revoked(&house, 4));
    house.not("taken back", house.start(&issued, None, None));
}

#[test]
fn an_emergency_is_believed_with_its_role_scope_and_time_and_so_is_what_closes_it() {
    let mut house = House::new();
    let first = house.history.step(6);
    house.believed(first);
    house.not("is no ", house.open(2, house.opened(2)));
    let now = house.history.now();
    let good = house.opened(4);
    for (why, bad) in [
        ("longer than a day", BreakGlassOpened { expires: now.plus_seconds(90_000), ..good.clone() }),
        ("or never", BreakGlassOpened { expires: now, ..good.clone() }),
        ("ratification is due", BreakGlassOpened { ratify_by: now.plus_seconds(60), ..good.clone() }),
        ("ratification is due", BreakGlassOpened { ratify_by: now.plus_seconds(300_000), ..good.clone() }),
        ("review is due", BreakGlassOpened { review_by: now.plus_seconds(60), ..good.clone() }),
        ("review is due", BreakGlassOpened { review_by: now.plus_seconds(2_000_000), ..good.clone() }),
        ("one application", BreakGlassOpened { repository: None, ..good.clone() }),
        ("one application", BreakGlassOpened { application: Some("shop".into()), ..good.clone() }),
        ("which ticket", BreakGlassOpened { ticket: " ".into(), ..good.clone() }),
        ("device's key", BreakGlassOpened { device: house.history.device(1), ..good.clone() }),
        ("another stream", BreakGlassOpened { id: BreakGlassId::from_random([8; 10]), ..good.clone() }),
    ] {
        house.not(why, house.open(4, bad));
    }
    house.not("no such emergency", house.grant(4, house.under(4, 1), &["standing"]));
    house.believed(house.open(4, good.clone()));
    house.not("before", house.open(4, good));

    // A freeze does not stop it; everything else that a grant needs, and its own, does.
    house.believed(house.freeze(3, 1, "production"));
    let under = house.under(4, 1);
    house.not("is no ", house.grant(1, house.under(1, 1), &["standing"]));
    house.not("attachment 0", house.grant(4, under.clone(), &[]));
    house.not("how it stood", house.grant(4, under.clone(), &["another standing"]));
    let other = BreakGlassOpened { environment: "qa".into(), ..house.opened(4) };
    let grant = GrantIssued { environment: other.environment, ..under.clone() };
    house.not("another environment", house.grant(4, grant, &["standing"]));
    let grant = GrantIssued { expires: now.plus_seconds(3601), ..under.clone() };
    house.not("longer than the emergency", house.grant(4, grant, &["standing"]));
    let grant = GrantIssued { repository: "git:elsewhere".into(), ..under.clone() };
    house.not("another application", house.grant(4, grant, &["standing"]));
    let grant = GrantIssued { break_glass: Some(BreakGlassId::from_random([9; 10])), ..under.clone() };
    house.not("no such emergency", house.grant(4, grant, &["standing"]));
    let (by, device) = (house.history.person(3), house.history.device(3));
    let ordinary = GrantIssued { break_glass: None, by, device, ..under.clone() };
    house.not("more than a grant does", house.grant(3, ordinary, &["standing"]));
    house.believed(house.grant(4, under.clone(), &["standing"]));
    house.not("another emergency", house.start(&under, None, None));
    house.not("where it was redeemed", house.start(&under, Some(glass()), None));
    house.believed(house.start(&under, Some(glass()), Some("h")));
    house.not("used", house.start(&under, Some(glass()), Some("h")));
    house.believed(house.grant(4, house.under(4, 2), &["standing"]));

    house.not("still open", house.ratify(2, false));
    let close = |house: &House, by: usize| {
        let closed = BreakGlassClosed {
            origin: ORIGIN.into(),
            id: glass(),
            by: house.history.person(by),
            reason: "over".into(),
            time: house.history.now(),
        };
        let stream = StreamId::from(&glass());
        house.history.act(by, act::BREAK_GLASS_CLOSE, EventKind::BreakGlassClosed, stream, closed, vec![])
    };
    house.not("is no ", close(&house, 2));
    house.believed(close(&house, 4));
    house.not("not open any more", close(&house, 4));
    house.not("is over", house.grant(4, house.under(4, 3), &["standing"]));
    house.not("emergency was over", house.start(&house.under(4, 2), Some(glass()), Some("h")));

    // Who took part signs for nothing of it; nothing is signed twice, or said to be late when it is not.
    house.not("took part", house.ratify(4, false));
    house.not("is no ", house.ratify(1, false));
    house.not("took part", house.review(1, "b"));
    house.not("whether it is late", house.ratify(2, true));
    house.believed(house.ratify(2, false));
    house.not("done before", house.ratify(2, false));
    house.not("took part", house.review(2, "b"));
    house.not("leaves out", house.review(3, " "));
    house.not("is no ", house.review(5, "b"));
    house.believed(house.review(3, "b"));
    let page = BreakGlassPaged {
        id: glass(),
        owed: Owed::Review,
        rung: 0,
        asked: Vec::new(),
        message: Digest::of(b"message"),
        attempts: 1,
        delivered: true,
        time: house.history.now(),
    };
    let stream = StreamId::from(&glass());
    house.not("nothing of it is overdue", house.history.machine(EventKind::BreakGlassPaged, stream, page, vec![]));
    let state = State::replay(&house.ledger, None, &Watch::default()).unwrap();
    let row = state.emergency(&glass()).unwrap().unwrap();
    assert!(row.is_compliant(house.history.now()) && row.was_compliant(house.history.now()));
    assert_eq!(state.took_part(&row).unwrap().len(), 4, "opener and deployer, author, ratifier, reviewer");
    assert_eq!(state.emergency_grants(&glass()).unwrap().len(), 2);
}
