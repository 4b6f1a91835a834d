//! What is believed of roles, whoever wrote the entries.

use std::collections::BTreeSet;

use countersign_evidence::act;
use countersign_model::access::Combination;
use countersign_model::event::{
    HoldPlaced, PersonLeft, PersonReturned, Predicate, RoleGranted, RoleRevoked, RoleRulesChosen,
};
use countersign_model::{Action, EventKind, PersonId, Role, StreamId, Timestamp};
use countersign_store::projection::{EndedHow, State, Watch};
use countersign_store::{Ledger, NewEntry};

use crate::history::History;
use crate::support::ORIGIN;

/// A ledger of before: 0 administrator, 1 engineer, 2 compliance officer, 3 release manager, 4 security officer, 5 developer.
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

    fn who(&self, n: usize) -> PersonId {
        self.history.person(n)
    }

    fn act<P: Predicate>(&mut self, by: usize, namespace: &str, kind: EventKind, predicate: P) -> Option<String> {
        let entry = self.history.act(by, namespace, kind, StreamId::from_text("access"), predicate, vec![]);
        self.append(entry)
    }

    fn granted(&self, to: usize, role: Role, by: usize) -> RoleGranted {
        RoleGranted {
            origin: ORIGIN.into(),
            person: self.who(to),
            role,
            by: self.who(by),
            reason: Some("their work".into()),
            expires: None,
            time: self.history.now(),
        }
    }

    fn grant(&mut self, to: usize, role: Role, by: usize) -> Option<String> {
        let granted = self.granted(to, role, by);
        self.act(by, act::ROLE, EventKind::RoleGranted, granted)
    }

    fn grant_until(&mut self, to: usize, role: Role, expires: Timestamp) -> Option<String> {
        let granted = RoleGranted { expires: Some(expires), ..self.granted(to, role, 0) };
        self.act(0, act::ROLE, EventKind::RoleGranted, granted)
    }

    /// A grant as a program of before wrote it.
    fn grant_before(&mut self, to: usize, role: Role, by: usize) -> Option<String> {
        let granted = RoleGranted { reason: None, ..self.granted(to, role, by) };
        self.act(by, act::ROLE_BEFORE, EventKind::RoleGranted, granted)
    }

    fn revoke(&mut self, of: usize, role: Role, by: usize) -> Option<String> {
        let (person, by_id, time) = (self.who(of), self.who(by), self.history.now());
        let revoked = RoleRevoked { origin: ORIGIN.into(), person, role, by: by_id, reason: "moved on".into(), time };
        self.act(by, act::ROLE_REVOCATION, EventKind::RoleRevoked, revoked)
    }

    fn leave(&mut self, who: usize, by: usize) -> Option<String> {
        let (person, by_id, time) = (self.who(who), self.who(by), self.history.now());
        let left = PersonLeft { origin: ORIGIN.into(), person, by: by_id, reason: "left the firm".into(), time };
        self.act(by, act::LEAVING, EventKind::PersonLeft, left)
    }

    fn come_back(&mut self, who: usize, by: usize) -> Option<String> {
        let (person, by_id, time) = (self.who(who), self.who(by), self.history.now());
        let back = PersonReturned { origin: ORIGIN.into(), person, by: by_id, reason: "is back".into(), time };
        self.act(by, act::RETURN, EventKind::PersonReturned, back)
    }

    fn rules(&mut self, refused: Vec<Combination>, by: usize) -> Option<String> {
        let chosen = RoleRulesChosen {
            origin: ORIGIN.into(),
            refused,
            idle_days: 30,
            by: self.who(by),
            reason: "four eyes".into(),
            time: self.history.now(),
        };
        self.act(by, act::ROLE_RULES, EventKind::RoleRulesChosen, chosen)
    }

    /// Something that only a compliance officer may say.
    fn hold(&self, by: usize, n: usize) -> NewEntry {
        let placed = HoldPlaced {
            origin: ORIGIN.into(),
            matter: format!("matter {n}"),
            selector: countersign_model::retention::Selector::All,
            by: self.who(by),
            reason: "a subpoena".into(),
            time: self.history.now(),
        };
        self.history.act(by, act::HOLD, EventKind::HoldPlaced, StreamId::from_text("retention"), placed, vec![])
    }

    fn roles(&self, n: usize) -> BTreeSet<Role> {
        self.state().roles_of(&self.who(n)).unwrap()
    }
}

#[track_caller]
fn disbelieved(said: Option<String>, why: &str) {
    assert!(said.as_deref().is_some_and(|s| s.contains(why)), "{said:?}");
}

#[test]
fn what_ledgers_of_before_say_counts_until_the_first_word_of_the_present_rules() {
    let mut house = House::new();
    // Without a reason, to oneself, a role that is held: all of it was written, and stays.
    assert_eq!(house.grant_before(0, Role::Auditor, 0), None);
    assert_eq!(house.grant_before(0, Role::Auditor, 0), None);
    assert_eq!(house.roles(0), [Role::Auditor, Role::Administrator].into());
    assert_eq!(house.grant(5, Role::Engineer, 0), None);
    disbelieved(house.grant_before(0, Role::Engineer, 0), "does not keep");
    disbelieved(house.grant_before(4, Role::Engineer, 0), "does not keep");
    // A grant of the present kind says why, and not in the old namespace.
    let bare = RoleGranted { reason: None, ..house.granted(4, Role::Engineer, 0) };
    disbelieved(house.act(0, act::ROLE, EventKind::RoleGranted, bare.clone()), "for a reason");
    let blank = RoleGranted { reason: Some("  ".into()), ..bare };
    disbelieved(house.act(0, act::ROLE, EventKind::RoleGranted, blank), "for a reason");
    assert_eq!(house.roles(0), [Role::Auditor, Role::Administrator].into());
}

#[test]
fn nobody_grants_to_themselves_and_two_administrators_grant_to_each_other() {
    let mut house = House::new();
    disbelieved(house.grant(0, Role::Engineer, 0), "to themselves");
    disbelieved(house.grant(5, Role::Administrator, 4), "is no administrator");
    assert_eq!(house.grant(1, Role::Administrator, 0), None);
    assert_eq!(house.grant(0, Role::Auditor, 1), None);
    disbelieved(house.grant(0, Role::Auditor, 1), "already");
}

#[test]
fn a_role_past_its_expiry_counts_neither_for_people_nor_for_later_entries() {
    let mut house = House::new();
    let start = house.history.now();
    let size = i64::try_from(house.ledger.size()).unwrap();
    // Entries are a second apart by their place.
    let end = start.plus_seconds(size + 3);
    disbelieved(house.grant_until(5, Role::ComplianceOfficer, start), "over already");
    assert_eq!(house.grant_until(5, Role::ComplianceOfficer, end), None);
    let early = house.hold(5, 1);
    assert_eq!(house.append(early), None);
    assert!(house.roles(5).contains(&Role::ComplianceOfficer));
    // The statement is dated before the end; its place in the log is not.
    let late = house.hold(5, 2);
    disbelieved(house.append(late), "is no compliance-officer");
    assert!(!house.roles(5).contains(&Role::ComplianceOfficer));
    let grants = house.state().role_grants().unwrap();
    let row = grants.iter().find(|g| g.expires == Some(end)).unwrap();
    assert!(row.is_held(end.plus_seconds(-1)) && !row.is_held(end) && row.ended.is_none());
    // It can be granted anew, and then it is held again.
    assert_eq!(house.grant(5, Role::ComplianceOfficer, 0), None);
    let again = house.hold(5, 3);
    assert_eq!(house.append(again), None);
}

#[test]
fn the_last_administrator_for_good_stays_whatever_is_said() {
    let mut house = House::new();
    disbelieved(house.revoke(0, Role::Administrator, 0), "no administrator would be left");
    disbelieved(house.leave(0, 0), "no administrator would be left");
    // One whose role ends by itself is none for good.
    let end = house.history.now().plus_seconds(1_000_000);
    assert_eq!(house.grant_until(1, Role::Administrator, end), None);
    disbelieved(house.revoke(0, Role::Administrator, 1), "no administrator would be left");
    disbelieved(house.leave(0, 1), "no administrator would be left");
    assert_eq!(house.grant(2, Role::Administrator, 0), None);
    assert_eq!(house.revoke(0, Role::Administrator, 2), None);
    disbelieved(house.leave(2, 1), "no administrator would be left");
    disbelieved(house.grant(0, Role::Administrator, 0), "is no administrator");
    assert_eq!(house.grant(0, Role::Administrator, 1), None);
    assert_eq!(house.leave(2, 0), None);
}

#[test]
fn a_revoked_role_ends_at_its_place_and_what_was_said_before_stays() {
    let mut house = House::new();
    let before = house.hold(2, 1);
    assert_eq!(house.append(before), None);
    disbelieved(house.revoke(5, Role::ComplianceOfficer, 0), "does not hold");
    disbelieved(house.revoke(2, Role::ComplianceOfficer, 2), "is no administrator");
    assert_eq!(house.revoke(2, Role::ComplianceOfficer, 0), None);
    let after = house.hold(2, 2);
    disbelieved(house.append(after), "is no compliance-officer");
    disbelieved(house.revoke(2, Role::ComplianceOfficer, 0), "does not hold");
    assert_eq!(house.state().schedule().unwrap().holds.len(), 1);
    let grants = house.state().role_grants().unwrap();
    let end = grants.iter().find(|g| g.role == Role::ComplianceOfficer).unwrap().ended.clone().unwrap();
    assert_eq!((end.how, end.by, end.reason.as_str()), (EndedHow::Revoked, house.who(0), "moved on"));
}

#[test]
fn who_left_says_nothing_and_comes_back_without_roles() {
    let mut house = House::new();
    let before = house.hold(2, 1);
    assert_eq!(house.append(before), None);
    disbelieved(house.leave(2, 4), "is no administrator");
    disbelieved(house.come_back(2, 0), "has not left");
    assert_eq!(house.leave(2, 0), None);
    assert!(house.roles(2).is_empty());
    let after = house.hold(2, 2);
    disbelieved(house.append(after), "had left");
    let claim = house.history.step(22);
    let _ = house.append(claim);
    disbelieved(house.leave(2, 0), "has left already");
    disbelieved(house.grant(2, Role::Engineer, 0), "has left");
    assert_eq!(house.come_back(2, 0), None);
    assert!(house.roles(2).is_empty());
    let still = house.hold(2, 3);
    disbelieved(house.append(still), "is no compliance-officer");
    assert_eq!(house.grant(2, Role::ComplianceOfficer, 0), None);
    let again = house.hold(2, 4);
    assert_eq!(house.append(again), None);
    let leavings = house.state().leavings().unwrap();
    assert!(leavings.len() == 1 && leavings[0].returned.is_some());
}

#[test]
fn a_combination_that_officers_refuse_is_made_by_no_grant() {
    let mut house = House::new();
    assert_eq!(house.grant(3, Role::Engineer, 0), None);
    disbelieved(house.rules(vec![Combination::ApprovesBothWays], 0), "is no security-officer");
    disbelieved(house.rules(vec![Combination::ApprovesBothWays; 2], 4), "twice");
    assert_eq!(house.rules(vec![Combination::ApprovesBothWays], 4), None);
    disbelieved(house.grant(1, Role::ComplianceOfficer, 0), "`approves-both-ways`, which is refused");
    // Another combination is not refused, and what there was stays.
    assert_eq!(house.grant(1, Role::ReleaseManager, 0), None);
    assert_eq!(house.state().role_rules().unwrap().idle_days, 30);
    assert_eq!(house.rules(vec![], 2), None);
    assert_eq!(house.grant(1, Role::ComplianceOfficer, 0), None);
}

#[test]
fn the_matrix_is_what_every_reader_asks() {
    let mut house = House::new();
    // Somebody with each role alone.
    assert_eq!(house.grant_before(5, Role::Developer, 0), None);
    let alone = [
        (0, Role::Administrator),
        (1, Role::Engineer),
        (2, Role::ComplianceOfficer),
        (3, Role::ReleaseManager),
        (4, Role::SecurityOfficer),
        (5, Role::Developer),
    ];
    let state = house.state();
    for (n, role) in alone {
        assert_eq!(house.roles(n), [role].into());
        for action in Action::ALL {
            let may = state.may(&house.who(n), *action).unwrap();
            assert_eq!(may, action.roles().contains(&role), "{role} {action}");
        }
    }
    // And what is folded is what the table says: a hold by each of them.
    for (n, role) in alone {
        let entry = house.hold(n, n);
        assert_eq!(house.append(entry).is_none(), Action::PlaceHold.roles().contains(&role), "{role}");
        assert_eq!(house.rules(vec![], n).is_none(), Action::ChooseRoleRules.roles().contains(&role), "{role}");
        assert_eq!(
            house.grant((n + 1) % 6, Role::Auditor, n).is_none(),
            Action::GrantRole.roles().contains(&role),
            "{role}"
        );
    }
}

#[test]
fn a_ledger_that_begins_with_the_present_rules_never_knew_others() {
    let dir = tempfile::tempdir().unwrap();
    let (mut history, mut ledger) = History::begin(&dir.path().join("ledger"));
    history.role_rules = Some(2);
    let founding = history.founding();
    history.append(&mut ledger, founding);
    let state = State::replay(&ledger, None, &Watch::default()).unwrap();
    // Five grants of the old kind are in it, and none counts.
    assert_eq!(state.anomalies().unwrap().len(), 5);
    assert_eq!(state.role_grants().unwrap().len(), 1);
}
