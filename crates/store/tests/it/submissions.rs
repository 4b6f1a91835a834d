//! What is believed of commits that were sent, and of a pipeline's word, whoever wrote the entries.

use countersign_model::event::{Predicate, RunSubmitted, VerdictDiffered};
use countersign_model::submission::GateClaim;
use countersign_model::{Digest, EventKind, Outcome, PersonId, RunId, StreamId};

use crate::workloads::{House, disbelieved};

/// A decision of the latest run, as [`crate::history::History::step`] numbers its steps.
const DECISION: u8 = 2;

impl House {
    fn sent(&self, key: u8) -> RunSubmitted {
        let (run, _, attempt) = self.history.last_run();
        RunSubmitted {
            run,
            attempt,
            key: Digest::of(&[key]),
            request: Digest::of(b"request"),
            person: Some(self.history.person(5)),
            token: Some(Digest::of(b"token")),
            bytes: 7,
            claims: vec![GateClaim { gate: "build".into(), outcome: Outcome::Pass }],
            time: self.history.now(),
        }
    }

    fn differed(&self, decision: Digest) -> VerdictDiffered {
        let (run, _, attempt) = self.history.last_run();
        let (claimed, decided) = (Outcome::Pass, Outcome::Pending);
        VerdictDiffered { run, attempt, decision, gate: "build".into(), claimed, decided, time: self.history.now() }
    }

    fn says<P: Predicate>(&mut self, kind: EventKind, said: P) -> Option<String> {
        let stream = self.history.stream();
        let entry = self.history.machine(kind, stream, said, Vec::new());
        self.append(entry)
    }
}

#[test]
fn a_submission_counts_once_and_for_the_latest_attempt_of_a_run_that_is_there() {
    const KIND: EventKind = EventKind::RunSubmitted;
    let mut house = House::new();
    let sent = house.sent(1);
    assert_eq!(house.says(KIND, sent.clone()), None);
    let kept = house.state().submission(&sent.key).unwrap().unwrap();
    assert_eq!((&kept.run, kept.attempt, &kept.person), (&sent.run, 1, &sent.person));
    assert_eq!(house.state().submissions_of(&sent.run).unwrap(), [kept]);
    disbelieved(house.says(KIND, sent), "sent before");
    let fresh = house.sent(2);
    disbelieved(house.says(KIND, RunSubmitted { attempt: 2, ..fresh.clone() }), "latest attempt");
    let nowhere = RunId::from_text("run-00000000000000000000");
    disbelieved(house.says(KIND, RunSubmitted { run: nowhere, ..fresh.clone() }), "never started");
    let nobody = PersonId::from_text("per-99999999999999999999");
    disbelieved(house.says(KIND, RunSubmitted { person: Some(nobody), ..fresh.clone() }), "nobody of that id");
    let claims = vec![GateClaim { gate: "build".into(), outcome: Outcome::Pass }; 17];
    disbelieved(house.says(KIND, RunSubmitted { claims, ..fresh.clone() }), "more of gates");
    let elsewhere = house.history.machine(KIND, StreamId::from_text("issuers"), fresh.clone(), Vec::new());
    disbelieved(house.append(elsewhere), "stream");
    assert_eq!(house.says(KIND, fresh), None);
}

#[test]
fn a_difference_is_one_only_where_the_decision_says_so() {
    const KIND: EventKind = EventKind::VerdictDiffered;
    let mut house = House::new();
    let decided = house.history.step(DECISION);
    assert_eq!(house.append(decided), None);
    let run = house.history.run();
    let decision = house.state().run(&run).unwrap().unwrap().decisions.last().unwrap().digest;
    let said = house.differed(decision);
    assert_eq!(house.says(KIND, said.clone()), None);
    let kept = house.state().differences_of(&run).unwrap();
    assert_eq!(kept.len(), 1);
    assert_eq!((kept[0].claimed, kept[0].decided, kept[0].decision), (Outcome::Pass, Outcome::Pending, decision));
    assert_eq!(house.state().differences_since(said.time).unwrap(), kept);
    let other = || said.clone();
    disbelieved(house.says(KIND, VerdictDiffered { claimed: Outcome::Pending, ..other() }), "no difference");
    disbelieved(house.says(KIND, VerdictDiffered { decided: Outcome::Error, ..other() }), "something else of the gate");
    disbelieved(house.says(KIND, VerdictDiffered { gate: "deploy".into(), ..other() }), "something else of the gate");
    disbelieved(house.says(KIND, VerdictDiffered { decision: Digest::of(b"x"), ..other() }), "no such decision");
    disbelieved(house.says(KIND, VerdictDiffered { attempt: 2, ..other() }), "latest attempt");
}
