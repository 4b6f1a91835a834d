//! What is believed of tokens, whoever wrote the entries: only one's own, not for long, and who may end them.

use countersign_evidence::act;
use countersign_model::access::token::TokenScope;
use countersign_model::event::{TokenIssued, TokenRevoked};
use countersign_model::{Digest, EventKind, StreamId, Timestamp};

use crate::support::ORIGIN;
use crate::workloads::{House, disbelieved};

const DAY: i64 = 24 * 60 * 60;

impl House {
    fn token(&self, of: usize, text: &str, expires: Timestamp) -> TokenIssued {
        TokenIssued {
            origin: ORIGIN.into(),
            person: self.history.person(of),
            token: Digest::of(text.as_bytes()),
            scopes: [TokenScope::Read].into(),
            applications: [].into(),
            repositories: [].into(),
            expires,
            time: self.history.now(),
        }
    }

    fn issue(&mut self, token: TokenIssued, signs: usize) -> Option<String> {
        let stream = StreamId::from(&token.person);
        let entry = self.history.act(signs, act::TOKEN, EventKind::TokenIssued, stream, token, vec![]);
        self.append(entry)
    }

    fn revoke_token(&mut self, text: &str, by: usize, reason: &str) -> Option<String> {
        let revoked = TokenRevoked {
            origin: ORIGIN.into(),
            token: Digest::of(text.as_bytes()),
            by: self.history.person(by),
            reason: reason.into(),
            time: self.history.now(),
        };
        let stream = StreamId::from(&revoked.by);
        let kind = EventKind::TokenRevoked;
        let entry = self.history.act(by, act::TOKEN_REVOCATION, kind, stream, revoked, vec![]);
        self.append(entry)
    }
}

#[test]
fn a_token_is_its_signers_own_and_lasts_ninety_days_at_the_most() {
    let mut house = House::new();
    let now = house.history.now();
    let month = now.plus_seconds(30 * DAY);
    let good = house.token(1, "a", month);
    disbelieved(house.issue(good.clone(), 0), "no key of");
    disbelieved(house.issue(TokenIssued { origin: "another".into(), ..good.clone() }, 1), "ledger");
    disbelieved(house.issue(TokenIssued { scopes: [].into(), ..good.clone() }, 1), "opens nothing");
    let of = TokenIssued { applications: ["nothing".to_owned()].into(), ..good.clone() };
    disbelieved(house.issue(of, 1), "not registered");
    let of = TokenIssued { repositories: ["/etc".to_owned()].into(), ..good.clone() };
    disbelieved(house.issue(of, 1), "no repository");
    disbelieved(house.issue(TokenIssued { expires: now.plus_seconds(-1), ..good.clone() }, 1), "over before it begins");
    disbelieved(house.issue(TokenIssued { expires: now.plus_seconds(91 * DAY), ..good.clone() }, 1), "90 days");
    assert_eq!(house.issue(good.clone(), 1), None);
    disbelieved(house.issue(good.clone(), 1), "there is a token of that digest");
    disbelieved(house.issue(house.token(2, "a", month), 2), "there is a token of that digest");
    let state = house.state();
    let row = state.token(&good.token).unwrap().unwrap();
    assert_eq!((row.person, row.scopes, row.revoked), (good.person, good.scopes, None));
    assert_eq!(state.tokens(None).unwrap().len(), 1);
    assert_eq!(state.tokens(Some(&house.history.person(2))).unwrap().len(), 0);
}

#[test]
fn a_token_is_ended_by_its_maker_or_an_officer_and_once() {
    let mut house = House::new();
    let month = house.history.now().plus_seconds(30 * DAY);
    for text in ["a", "b", "c"] {
        assert_eq!(house.issue(house.token(1, text, month), 1), None);
    }
    disbelieved(house.revoke_token("a", 5, "lost"), "is no administrator or security-officer");
    disbelieved(house.revoke_token("a", 1, " "), "no reason");
    disbelieved(house.revoke_token("x", 1, "lost"), "no such token");
    assert_eq!(house.revoke_token("a", 1, "lost"), None);
    disbelieved(house.revoke_token("a", 0, "again"), "revoked before");
    assert_eq!(house.revoke_token("b", 0, "lost"), None);
    assert_eq!(house.revoke_token("c", 4, "lost"), None);
    assert!(house.state().tokens(None).unwrap().iter().all(|row| row.revoked.is_some()));
}
