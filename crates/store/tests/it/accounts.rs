//! What is believed of accounts, whoever wrote the entries: whose each is, and whom a workload may name.

use countersign_evidence::act;
use countersign_model::access::{Duty, Field};
use countersign_model::event::{AccountLinked, AccountUnlinked, PersonLeft, PersonReturned, WorkloadVerified};
use countersign_model::{Digest, EventKind, PersonId, Role, StreamId};
use countersign_store::projection::issuer_pseudonym;

use crate::support::ORIGIN;
use crate::workloads::{House, blob, disbelieved};

const ISSUER: &str = "https://issuer.example";

/// The pseudonym of an account in the ledgers of these tests.
fn account(issuer: &str, id: &str) -> String {
    issuer_pseudonym(&[5; 32], issuer, id)
}

impl House {
    fn linking(&self, to: usize, by: usize) -> AccountLinked {
        AccountLinked {
            origin: ORIGIN.into(),
            person: self.history.person(to),
            account: account(ISSUER, "815"),
            sealed: Digest::of(b"sealed"),
            by: self.history.person(by),
            time: self.history.now(),
        }
    }

    fn link(&mut self, linked: AccountLinked, signs: usize, sealed: &[&str]) -> Option<String> {
        let stream = StreamId::from(&linked.person);
        let sealed = sealed.iter().map(|text| blob(text)).collect();
        let entry = self.history.act(signs, act::ACCOUNT, EventKind::AccountLinked, stream, linked, sealed);
        self.append(entry)
    }

    fn unlink(&mut self, of: usize, id: &str, by: usize, signs: usize) -> Option<String> {
        let unlinked = AccountUnlinked {
            origin: ORIGIN.into(),
            person: self.history.person(of),
            account: account(ISSUER, id),
            by: self.history.person(by),
            reason: "gone".into(),
            time: self.history.now(),
        };
        let stream = StreamId::from(&unlinked.person);
        let kind = EventKind::AccountUnlinked;
        let entry = self.history.act(signs, act::ACCOUNT_REMOVAL, kind, stream, unlinked, vec![]);
        self.append(entry)
    }

    /// A token of the account with this number.
    fn by_account(&self, token: u8, issuer: &str, id: &str, person: Option<usize>) -> WorkloadVerified {
        let mut shown = self.shown(token);
        shown.issuer = issuer.into();
        shown.fields.insert(Field::Actor, account(issuer, id));
        shown.person = person.map(|n| self.history.person(n));
        shown
    }

    fn holder(&self, id: &str) -> Option<PersonId> {
        self.state().person_by_account(&account(ISSUER, id)).unwrap()
    }
}

#[test]
fn an_account_is_one_persons_and_an_administrator_who_is_another_says_so() {
    let mut house = House::new();
    let good = house.linking(5, 0);
    disbelieved(
        house.link(AccountLinked { by: house.history.person(1), ..good.clone() }, 1, &["sealed"]),
        "administrator",
    );
    disbelieved(house.link(AccountLinked { by: house.history.person(1), ..good.clone() }, 0, &["sealed"]), "no key of");
    disbelieved(house.link(AccountLinked { origin: "another".into(), ..good.clone() }, 0, &["sealed"]), "ledger");
    let nobody = PersonId::from_random([77; 10]);
    disbelieved(house.link(AccountLinked { person: nobody, ..good.clone() }, 0, &["sealed"]), "nobody with that id");
    for wrong in ["815", "pseudonym-", "pseudonym-0123456789abcdeg", "pseudonym-0123456789ABCDEF", "Mallory[bot]"] {
        let wrong = AccountLinked { account: wrong.into(), ..good.clone() };
        disbelieved(house.link(wrong, 0, &["sealed"]), "no pseudonym");
    }
    disbelieved(house.link(good.clone(), 0, &["another"]), "not the one the statement names");
    disbelieved(house.link(good.clone(), 0, &[]), "attachment");
    disbelieved(house.link(good.clone(), 0, &["sealed", "more"]), "does not name all");
    assert_eq!(house.holder("815"), None);
    assert_eq!(house.link(good.clone(), 0, &["sealed"]), None);
    assert_eq!(house.holder("815"), Some(house.history.person(5)));
    // To nobody else, nor to the same person again.
    disbelieved(
        house.link(AccountLinked { person: house.history.person(1), ..good.clone() }, 0, &["sealed"]),
        "somebody's already",
    );
    disbelieved(house.link(good, 0, &["sealed"]), "somebody's already");
    // Alone, an administrator may speak of themselves; with another one not any more, in either direction.
    let own = AccountLinked { account: account(ISSUER, "1"), ..house.linking(0, 0) };
    assert_eq!(house.link(own.clone(), 0, &["sealed"]), None);
    let role = house.history.role(4, Role::Administrator, 0);
    assert_eq!(house.append(role), None);
    let second = AccountLinked { account: account(ISSUER, "2"), ..own };
    disbelieved(house.link(second.clone(), 0, &["sealed"]), "nobody links an account to themselves");
    disbelieved(house.unlink(0, "1", 0, 0), "nobody takes an account from themselves");
    assert_eq!(house.link(AccountLinked { by: house.history.person(4), ..second }, 4, &["sealed"]), None);
    assert_eq!(house.unlink(0, "1", 4, 4), None);
}

#[test]
fn a_workload_names_the_person_whose_account_its_actor_is_and_nobody_else() {
    let mut house = House::new();
    assert_eq!(house.activate(4, "issuers"), None);
    let early = house.by_account(1, ISSUER, "815", None);
    assert_eq!(house.show(early), None);
    let linked = house.linking(5, 0);
    assert_eq!(house.link(linked, 0, &["sealed"]), None);
    let pushers = |house: &House| {
        let state = house.state();
        let run = state.run(&house.history.last_run().0).unwrap().unwrap();
        let change = countersign_evidence::canonical::from_slice(&state.payload(&run.change).unwrap()).unwrap();
        let duties = state.duties(&change).unwrap();
        duties.into_iter().filter(|(_, held)| held.contains_key(&Duty::Pusher)).map(|(p, _)| p).collect::<Vec<_>>()
    };
    assert_eq!(pushers(&house), [], "what was shown before stays as it was");
    // A recorder that leaves the person out, or names another one.
    for (person, why) in [(None, "left out"), (Some(1), "another")] {
        let wrong = house.by_account(2, ISSUER, "815", person);
        let said = house.show(wrong);
        assert!(said.as_deref().is_some_and(|s| s.contains("not the one whose account")), "{why}: {said:?}");
    }
    // Another issuer's account of the same number, and another number, are nobody's.
    for (issuer, id) in [("https://other.example", "815"), (ISSUER, "816"), (ISSUER, "Mallory[bot]")] {
        let wrong = house.by_account(2, issuer, id, Some(5));
        disbelieved(house.show(wrong), "not the one whose account");
    }
    let mallory = house.by_account(2, ISSUER, "Mallory[bot]", None);
    assert_eq!(house.show(mallory), None);
    assert_eq!(pushers(&house), []);
    let good = house.by_account(3, ISSUER, "815", Some(5));
    assert_eq!(house.show(good), None);
    assert_eq!(pushers(&house), [house.history.person(5)]);
    // It ends by removal, and what was shown before stands.
    disbelieved(house.unlink(1, "815", 0, 0), "not the person's");
    disbelieved(house.unlink(5, "816", 0, 0), "not the person's");
    disbelieved(house.unlink(5, "815", 1, 1), "administrator");
    assert_eq!(house.unlink(5, "815", 0, 0), None);
    disbelieved(house.unlink(5, "815", 0, 0), "not the person's");
    let late = house.by_account(4, ISSUER, "815", Some(5));
    disbelieved(house.show(late), "not the one whose account");
    assert_eq!(pushers(&house), [house.history.person(5)]);
    // It may be somebody else's from then on.
    let other = house.linking(1, 0);
    assert_eq!(house.link(other, 0, &["sealed"]), None);
    let good = house.by_account(5, ISSUER, "815", Some(1));
    assert_eq!(house.show(good), None);
    assert_eq!(pushers(&house).len(), 2);
}

#[test]
fn the_account_of_somebody_who_left_means_nobody() {
    let mut house = House::new();
    assert_eq!(house.activate(4, "issuers"), None);
    let linked = house.linking(5, 0);
    assert_eq!(house.link(linked, 0, &["sealed"]), None);
    let (origin, person, by) = (ORIGIN.to_owned(), house.history.person(5), house.history.person(0));
    let (reason, time) = ("left".to_owned(), house.history.now());
    let stream = StreamId::from(&person);
    let left = PersonLeft { origin, person, by, reason, time };
    let entry = house.history.act(0, act::LEAVING, EventKind::PersonLeft, stream.clone(), left.clone(), vec![]);
    assert_eq!(house.append(entry), None);
    assert_eq!(house.holder("815"), None);
    let wrong = house.by_account(1, ISSUER, "815", Some(5));
    disbelieved(house.show(wrong), "not the one whose account");
    // It is still theirs, so that nobody else is given it by mistake; nothing more is linked to them.
    let other = house.linking(1, 0);
    disbelieved(house.link(other, 0, &["sealed"]), "somebody's already");
    let more = AccountLinked { account: account(ISSUER, "9"), ..house.linking(5, 0) };
    disbelieved(house.link(more, 0, &["sealed"]), "left");
    let PersonLeft { origin, person, by, reason, time } = left;
    let back = PersonReturned { origin, person, by, reason, time };
    let entry = house.history.act(0, act::RETURN, EventKind::PersonReturned, stream, back, vec![]);
    assert_eq!(house.append(entry), None);
    assert_eq!(house.holder("815"), Some(house.history.person(5)));
}
