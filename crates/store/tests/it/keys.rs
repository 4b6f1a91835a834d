//! What is believed of the keys of people, whoever wrote the entries: which key counted for what, and when.

use countersign_evidence::act;
use countersign_evidence::sshsig::PublicKey;
use countersign_model::access::{CLOCK_SKEW_SECONDS, KeyKind};
use countersign_model::event::{ApprovalSigned, CommitsClaimed, PersonKeyAdded, PersonKeyRevoked, PersonLeft};
use countersign_model::{EventKind, Role, Slot, StreamId, Timestamp};
use countersign_store::projection::{KeyState, KeyTrouble, State, Watch};
use countersign_store::{Ledger, NewEntry};
use ssh_key::PrivateKey;
use ssh_key::private::Ed25519Keypair;

use crate::history::History;
use crate::support::ORIGIN;

/// A ledger with people and roles: 0 administrator, 1 engineer, 2 compliance officer, 3 release manager, 4 security officer,
/// 5 developer. An entry at index `n` is appended `n` seconds after [`History::now`], at which all statements are signed.
pub(crate) struct House {
    pub(crate) history: History,
    ledger: Ledger,
    _dir: tempfile::TempDir,
}

fn key(n: u8) -> PrivateKey {
    PrivateKey::from(Ed25519Keypair::from_seed(&[200 + n; 32]))
}

fn public(key: &PrivateKey) -> PublicKey {
    PublicKey::parse(&key.public_key().to_openssh().unwrap()).unwrap()
}

impl House {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (mut history, mut ledger) = History::begin(&dir.path().join("ledger"));
        let founding = history.founding();
        history.append(&mut ledger, founding);
        Self { history, ledger, _dir: dir }
    }

    pub(crate) fn state(&self) -> State {
        State::replay(&self.ledger, None, &Watch::default()).unwrap()
    }

    /// When the next entry is appended.
    pub(crate) fn place(&self) -> Timestamp {
        self.history.now().plus_seconds(i64::try_from(self.ledger.size()).unwrap())
    }

    /// Appends an entry; what is said of it if it is not believed.
    pub(crate) fn append(&mut self, entry: NewEntry) -> Option<String> {
        let before = self.state().anomalies().unwrap().len();
        self.history.append(&mut self.ledger, vec![entry]);
        let after = self.state().anomalies().unwrap();
        after.get(before).map(|a| a.what.clone())
    }

    pub(crate) fn adding(&self, to: usize, key: &PrivateKey, by: usize) -> PersonKeyAdded {
        PersonKeyAdded {
            origin: ORIGIN.into(),
            person: self.history.person(to),
            kind: KeyKind::SshKey,
            key: public(key).to_openssh(),
            valid_after: None,
            valid_before: None,
            passkey: None,
            certificate: None,
            by: self.history.person(by),
            reason: None,
            time: self.history.now(),
        }
    }

    pub(crate) fn add(&mut self, added: PersonKeyAdded, signs: usize) -> Option<String> {
        let stream = StreamId::from(&added.person);
        let entry = self.history.act(signs, act::PERSON_KEY, EventKind::PersonKeyAdded, stream, added, vec![]);
        self.append(entry)
    }

    pub(crate) fn revoke(
        &mut self,
        of: usize,
        fingerprint: &str,
        by: usize,
        since: Option<Timestamp>,
    ) -> Option<String> {
        let revoked = PersonKeyRevoked {
            origin: ORIGIN.into(),
            person: self.history.person(of),
            fingerprint: fingerprint.into(),
            compromised_since: since,
            by: self.history.person(by),
            reason: "lost".into(),
            time: self.history.now(),
        };
        let (namespace, kind) = (act::PERSON_KEY_REVOCATION, EventKind::PersonKeyRevoked);
        let stream = StreamId::from(&revoked.person);
        let entry = self.history.act(by, namespace, kind, stream, revoked, vec![]);
        self.append(entry)
    }

    /// Somebody claims a commit with a key, at a time by their own clock.
    pub(crate) fn claim(&mut self, by: usize, key: &PrivateKey, time: Timestamp) -> Option<String> {
        let commits = vec![format!("{:040}", self.ledger.size())];
        let (origin, repository) = (ORIGIN.into(), "git:h/shop".into());
        let claimed = CommitsClaimed { origin, repository, commits, by: self.history.person(by), time };
        let stream = StreamId::from(&claimed.by);
        let entry = self.history.act_with(key, act::CLAIM, EventKind::CommitsClaimed, stream, claimed, vec![]);
        self.append(entry)
    }

    pub(crate) fn approve(&mut self, approval: ApprovalSigned, with: &PrivateKey) -> Option<String> {
        let (kind, stream) = (EventKind::ApprovalSigned, self.history.stream());
        let entry = self.history.act_with(with, act::APPROVAL, kind, stream, approval, vec![]);
        self.append(entry)
    }

    /// A run with a decision.
    pub(crate) fn decided(&mut self) {
        for step in [0, 1, 2] {
            let entry = self.history.step(step);
            assert_eq!(self.append(entry), None);
        }
    }

    pub(crate) fn approvals(&self) -> usize {
        self.state().run(&self.history.run()).unwrap().unwrap().approvals.len()
    }
}

#[track_caller]
pub(crate) fn disbelieved(said: Option<String>, why: &str) {
    assert!(said.as_deref().is_some_and(|s| s.contains(why)), "{said:?}");
}

#[test]
fn one_human_with_two_keys_is_one_person_everywhere() {
    let mut house = House::new();
    let second = key(1);
    let added = house.adding(1, &second, 0);
    assert_eq!(house.add(added.clone(), 0), None);
    disbelieved(house.add(added, 0), "somebody's before");
    house.decided();
    // With the second key, and then with the first one: the same person gave it before.
    let mut approval = house.history.approves(1, Slot::Technical);
    approval.device.key = public(&second).fingerprint();
    assert_eq!(house.approve(approval.clone(), &second), None);
    let again = house.history.step(4);
    disbelieved(house.append(again), "gave this approval before");
    assert_eq!(house.approvals(), 1);
    // An approval names the key that signed it, and its strength.
    house.decided();
    let mut other = house.history.approves(1, Slot::Technical);
    other.device.key = house.history.first_key(1);
    disbelieved(house.approve(other, &second), "another key signed it");
    let mut stronger = house.history.approves(1, Slot::Technical);
    stronger.device.key = public(&second).fingerprint();
    stronger.strength = "ssh-hardware-key".into();
    disbelieved(house.approve(stronger, &second), "stronger than its key");
    // Nobody else can have it, and it is the person's in every table.
    let theirs = house.adding(2, &second, 0);
    disbelieved(house.add(theirs, 0), "somebody's before");
    let state = house.state();
    assert_eq!(state.holder(&public(&second).fingerprint()).unwrap(), Some(house.history.person(1)));
    assert_eq!(state.keys_of(&house.history.person(1)).unwrap().len(), 2);
}

#[test]
fn a_key_is_added_by_another_administrator_and_by_oneself_only_while_there_is_no_other() {
    let mut house = House::new();
    // An engineer adds none, to nobody.
    let by_engineer = house.adding(1, &key(1), 1);
    disbelieved(house.add(by_engineer, 1), "no administrator");
    // The only administrator may.
    let own = house.adding(0, &key(2), 0);
    assert_eq!(house.add(own, 0), None);
    let role = house.history.role(4, Role::Administrator, 0);
    assert_eq!(house.append(role), None);
    let own = house.adding(0, &key(3), 0);
    disbelieved(house.add(own.clone(), 0), "nobody adds a key to themselves");
    let by_other = PersonKeyAdded { by: house.history.person(4), ..own };
    assert_eq!(house.add(by_other, 4), None);
    // A name in the statement is no signature: the person named must have signed.
    let forged = PersonKeyAdded { by: house.history.person(4), ..house.adding(0, &key(5), 0) };
    disbelieved(house.add(forged, 0), "no key of");
    // Once the other one cannot sign any more, the first is alone again.
    let theirs = house.history.first_key(4);
    assert_eq!(house.revoke(4, &theirs, 0, None), None);
    let own = house.adding(0, &key(4), 0);
    assert_eq!(house.add(own, 0), None);
    // Another kind than the key's is no key.
    let wrong = PersonKeyAdded { kind: KeyKind::SshHardwareKey, ..house.adding(1, &key(6), 0) };
    disbelieved(house.add(wrong, 0), "another kind");
}

#[test]
fn a_key_counts_in_its_window_by_its_place_and_by_the_signers_clock() {
    let mut house = House::new();
    let second = key(1);
    let (from, until) = (house.place().plus_seconds(3), house.place().plus_seconds(6));
    let added = PersonKeyAdded { valid_after: Some(from), valid_before: Some(until), ..house.adding(5, &second, 0) };
    assert_eq!(house.add(added.clone(), 0), None);
    // Too early by its place, though the signer's clock says otherwise.
    assert!(house.place() < from);
    disbelieved(house.claim(5, &second, from), "counts from");
    assert!(house.place() < from);
    disbelieved(house.claim(5, &second, house.place()), "counts from");
    // In the window by both.
    assert!(house.place() == from);
    assert_eq!(house.claim(5, &second, from), None);
    // In the window by its place, and signed before or after by its own clock.
    disbelieved(house.claim(5, &second, from.plus_seconds(-1)), "counts from");
    disbelieved(house.claim(5, &second, until), "counted before");
    // Over by its place: a clock that is set back helps nobody.
    assert!(house.place() == until);
    disbelieved(house.claim(5, &second, from), "counted before");
    assert_eq!(house.state().keys_of(&house.history.person(5)).unwrap()[1].state(until), KeyState::Expired);
    // A window that is none.
    let other = house.adding(5, &key(2), 0);
    let none = PersonKeyAdded { valid_after: Some(until), valid_before: Some(until), ..other.clone() };
    disbelieved(house.add(none, 0), "its window");
    let over = PersonKeyAdded { valid_before: Some(house.history.now()), ..other };
    disbelieved(house.add(over, 0), "its window");
}

#[test]
fn a_clock_that_is_ahead_of_its_place_by_more_than_the_allowance_says_nothing() {
    let mut house = House::new();
    let second = key(1);
    let added = house.adding(5, &second, 0);
    assert_eq!(house.add(added, 0), None);
    let at = house.place().plus_seconds(CLOCK_SKEW_SECONDS);
    assert_eq!(house.claim(5, &second, at), None);
    let at = house.place().plus_seconds(CLOCK_SKEW_SECONDS + 1);
    disbelieved(house.claim(5, &second, at), "it was only");
}

#[test]
fn what_a_revoked_key_signed_before_stands_and_nothing_after() {
    let mut house = House::new();
    let second = key(1);
    let fingerprint = public(&second).fingerprint();
    let added = house.adding(1, &second, 0);
    assert_eq!(house.add(added.clone(), 0), None);
    house.decided();
    let mut approval = house.history.approves(1, Slot::Technical);
    approval.device.key = fingerprint.clone();
    assert_eq!(house.approve(approval.clone(), &second), None);

    disbelieved(house.revoke(2, &fingerprint, 0, None), "another person's");
    disbelieved(house.revoke(1, &fingerprint, 2, None), "no administrator");
    let later = house.place().plus_seconds(1);
    disbelieved(house.revoke(1, &fingerprint, 0, Some(later)), "a later time");
    assert_eq!(house.revoke(1, &fingerprint, 0, None), None);
    disbelieved(house.revoke(1, &fingerprint, 0, None), "revoked before");

    // What was appended before stands; the signer's clock brings nothing back.
    assert_eq!(house.approvals(), 1);
    disbelieved(house.claim(1, &second, house.history.now()), "was revoked in entry");
    // The person's other key counts, and a revoked key is nobody's ever again.
    let back = house.adding(2, &second, 0);
    disbelieved(house.add(back, 0), "somebody's before");
    disbelieved(house.add(added, 0), "somebody's before");
    let state = house.state();
    let now = house.place();
    assert!(matches!(state.usable(&fingerprint, now).unwrap(), Err(KeyTrouble::Revoked { .. })));
    assert_eq!(state.usable(&house.history.first_key(1), now).unwrap(), Ok(house.history.person(1)));
    assert!(matches!(state.usable("SHA256:nobody", now).unwrap(), Err(KeyTrouble::Unknown { .. })));
}

#[test]
fn an_approval_by_a_key_that_was_compromised_by_then_fills_no_slot() {
    let mut house = House::new();
    let second = key(1);
    let fingerprint = public(&second).fingerprint();
    let added = house.adding(1, &second, 0);
    assert_eq!(house.add(added, 0), None);
    house.decided();
    let before = house.place();
    let mut approval = house.history.approves(1, Slot::Technical);
    approval.device.key = fingerprint.clone();
    assert_eq!(house.approve(approval, &second), None);
    let index = house.ledger.size() - 1;
    assert_eq!(house.approvals(), 1);

    // Revoked without a word of a compromise it stands; then it turns out that the key was stolen.
    assert_eq!(house.revoke(1, &fingerprint, 0, None), None);
    assert_eq!(house.approvals(), 1);
    let after = before.plus_seconds(1);
    assert_eq!(house.revoke(1, &fingerprint, 0, Some(after)), None);
    assert_eq!(house.approvals(), 1, "it was signed before the compromise");
    assert_eq!(house.revoke(1, &fingerprint, 0, Some(before)), None);
    disbelieved(house.revoke(1, &fingerprint, 0, Some(after)), "revoked before");
    assert_eq!(house.approvals(), 0);
    let state = house.state();
    let key = state.key(&fingerprint).unwrap().unwrap();
    assert_eq!((key.state(before), key.revoked.unwrap().since), (KeyState::Compromised, Some(before)));
    let acts = state.acts_since(&fingerprint, before).unwrap();
    assert_eq!(acts.iter().map(|a| (a.index, a.kind)).collect::<Vec<_>>(), [(index, EventKind::ApprovalSigned)]);
    assert_eq!(state.compromised_signer(index).unwrap().unwrap().fingerprint, fingerprint);
    // The person approves with the key that is still theirs.
    let again = house.history.step(4);
    assert_eq!(house.append(again), None);
    assert_eq!(house.approvals(), 1);
}

#[test]
fn the_last_key_of_the_last_administrator_stays() {
    let mut house = House::new();
    let first = house.history.first_key(0);
    disbelieved(house.revoke(0, &first, 0, None), "no administrator would be left");
    // A key whose window has not begun, or is over, opens nothing.
    let later = house.place().plus_seconds(600);
    let upcoming = PersonKeyAdded { valid_after: Some(later), ..house.adding(0, &key(1), 0) };
    assert_eq!(house.add(upcoming, 0), None);
    disbelieved(house.revoke(0, &first, 0, None), "no administrator would be left");
    let good = house.adding(0, &key(2), 0);
    assert_eq!(house.add(good, 0), None);
    assert_eq!(house.revoke(0, &first, 0, None), None);
    // The first key signs nothing any more: neither its own return nor anything else.
    let back = house.adding(0, &key(3), 0);
    disbelieved(house.add(back, 0), "was revoked in entry");
}

#[test]
fn a_key_with_an_end_leaves_no_administrator_for_good() {
    let mut house = House::new();
    let first = house.history.first_key(0);
    let end = house.place().plus_seconds(1_000_000);
    let windowed = PersonKeyAdded { valid_before: Some(end), ..house.adding(0, &key(1), 0) };
    assert_eq!(house.add(windowed, 0), None);
    // It signs now, and one day nobody would.
    disbelieved(house.revoke(0, &first, 0, None), "no administrator would be left");
    // The same where another administrator has only such a key left.
    let role = house.history.role(4, Role::Administrator, 0);
    assert_eq!(house.append(role), None);
    let windowed = PersonKeyAdded { valid_before: Some(end), ..house.adding(4, &key(2), 0) };
    assert_eq!(house.add(windowed, 0), None);
    let theirs = house.history.first_key(4);
    assert_eq!(house.revoke(4, &theirs, 0, None), None);
    disbelieved(house.revoke(0, &first, 0, None), "no administrator would be left");
    let (person, by, time) = (house.history.person(0), house.history.person(0), house.history.now());
    let left = PersonLeft { origin: ORIGIN.into(), person, by, reason: "left the firm".into(), time };
    let (kind, stream) = (EventKind::PersonLeft, StreamId::from_text("access"));
    let entry = house.history.act(0, act::LEAVING, kind, stream, left, vec![]);
    disbelieved(house.append(entry), "no administrator would be left");
    // It does count for adding keys: the other one can sign now.
    let own = house.adding(0, &key(3), 0);
    disbelieved(house.add(own, 0), "nobody adds a key to themselves");
    // Keys of others are revoked as ever.
    let engineers = house.history.first_key(1);
    assert_eq!(house.revoke(1, &engineers, 0, None), None);
}
