//! What is believed of notifications, whoever wrote the entries into the log.

use countersign_model::event::{NotificationFailed, NotificationSent, NotificationStarted};
use countersign_model::notice::{NoticeKey, NoticeKind, Trouble};
use countersign_model::{EventKind, StreamId, Timestamp};
use countersign_store::projection::{MessageStanding, State, Watch};
use countersign_store::{Ledger, NewEntry};

use crate::history::History;

struct House {
    history: History,
    ledger: Ledger,
    /// Log index of a decision.
    decision: u64,
    _dir: tempfile::TempDir,
}

fn message(n: u8) -> String {
    format!("ntf-{}", format!("{n:02x}").repeat(16))
}

impl House {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (mut history, mut ledger) = History::begin(&dir.path().join("ledger"));
        let mut entries = history.founding();
        entries.extend([history.step(0), history.step(2)]);
        history.append(&mut ledger, entries);
        let kinds = State::replay(&ledger, None, &Watch::default()).unwrap().entries_from(0, 1000).unwrap();
        let decision = kinds.iter().find(|e| e.kind == EventKind::DecisionMade).unwrap().index;
        Self { history, ledger, decision, _dir: dir }
    }

    fn state(&self) -> State {
        State::replay(&self.ledger, None, &Watch::default()).unwrap()
    }

    fn append(&mut self, entry: NewEntry) -> Option<String> {
        let before = self.state().anomalies().unwrap().len();
        self.history.append(&mut self.ledger, vec![entry]);
        self.state().anomalies().unwrap().into_iter().map(|a| a.what).nth(before)
    }

    #[track_caller]
    fn believed(&mut self, entry: NewEntry) {
        assert_eq!(self.append(entry), None);
    }

    #[track_caller]
    fn not(&mut self, why: &str, entry: NewEntry) {
        let said = self.append(entry).unwrap_or_else(|| panic!("it is believed, and should not be: {why}"));
        assert!(said.contains(why), "{said}");
    }

    fn notice(&self, part: &str) -> NoticeKey {
        NoticeKey { kind: NoticeKind::ApprovalWanted, at: self.decision, part: Some(part.to_owned()), step: 0 }
    }

    fn start(&self, n: u8, notices: &[NoticeKey], attempt: u32, at: Timestamp) -> NotificationStarted {
        NotificationStarted {
            channel: "officers".into(),
            message: message(n),
            notices: notices.to_vec(),
            attempt,
            until: at.plus_seconds(120),
            time: at,
        }
    }

    fn started(&self, p: NotificationStarted) -> NewEntry {
        self.history.machine(EventKind::NotificationStarted, StreamId::from_text("notifications"), p, vec![])
    }

    fn sent(&self, n: u8, channel: &str, attempt: u32) -> NewEntry {
        let p = NotificationSent { channel: channel.into(), message: message(n), attempt, time: self.history.now() };
        self.history.machine(EventKind::NotificationSent, StreamId::from_text("notifications"), p, vec![])
    }

    fn failed(&self, n: u8, attempt: u32, at: Timestamp, next: Option<Timestamp>) -> NewEntry {
        let p = NotificationFailed {
            channel: "officers".into(),
            message: message(n),
            attempt,
            why: Trouble::Busy,
            status: Some(503),
            next,
            time: at,
        };
        self.history.machine(EventKind::NotificationFailed, StreamId::from_text("notifications"), p, vec![])
    }
}

#[test]
fn a_message_is_begun_once_at_a_time_and_a_channel_is_told_nothing_twice() {
    let mut h = House::new();
    let now = h.history.now();
    let (a, b) = (h.notice("regulatory"), h.notice("technical"));
    let both = [a.clone(), b.clone()];

    // What cannot be begun.
    let made = |change: &dyn Fn(&mut NotificationStarted)| {
        let mut p = h.start(1, &both, 1, now);
        change(&mut p);
        h.started(p)
    };
    let wrong = [
        ("no name", made(&|p| p.channel = "Officers".into())),
        ("no name", made(&|p| p.message = "x".into())),
        ("too long", made(&|p| p.until = p.time)),
        ("too long", made(&|p| p.until = p.time.plus_seconds(3600))),
        ("says nothing", made(&|p| p.notices.clear())),
        ("not sorted", made(&|p| p.notices.reverse())),
        ("not sorted", made(&|p| p.notices = vec![p.notices[0].clone(), p.notices[0].clone()])),
        ("not in the log", made(&|p| p.notices[1].at = 10_000)),
        ("not in the log", made(&|p| p.notices[0].at = 0)),
        ("not in the log", made(&|p| p.notices[1].kind = NoticeKind::EmergencyOpened)),
        (
            "not in the log",
            made(&|p| {
                p.notices = vec![NoticeKey { kind: NoticeKind::EntryNotBelieved, at: 1, part: None, step: 0 }];
            }),
        ),
        ("is not the first", made(&|p| p.attempt = 2)),
    ];
    for (why, entry) in wrong {
        h.not(why, entry);
    }
    h.not("nobody began", h.sent(1, "officers", 1));

    h.believed(h.started(h.start(1, &both, 1, now)));
    h.not("is being told", h.started(h.start(2, std::slice::from_ref(&a), 1, now)));
    h.not("not time", h.started(h.start(1, &both, 2, now.plus_seconds(119))));
    h.not("another channel", h.sent(1, "others", 1));
    h.not("not the one that was begun", h.sent(1, "officers", 2));
    h.not("before it failed", h.failed(1, 1, now, Some(now)));

    // It failed, and is tried again, but not too early and not as something else.
    h.believed(h.failed(1, 1, now, Some(now.plus_seconds(60))));
    h.not("it ended before", h.sent(1, "officers", 1));
    h.not("not time", h.started(h.start(1, &both, 2, now.plus_seconds(59))));
    h.not("something else", h.started(h.start(1, std::slice::from_ref(&a), 2, now.plus_seconds(60))));
    h.not("not counted", h.started(h.start(1, &both, 3, now.plus_seconds(60))));
    h.believed(h.started(h.start(1, &both, 2, now.plus_seconds(60))));
    // Nothing is heard of the second attempt: a third is made after its time.
    h.not("not time", h.started(h.start(1, &both, 3, now.plus_seconds(100))));
    h.believed(h.started(h.start(1, &both, 3, now.plus_seconds(180))));
    h.not("not the one that was begun", h.sent(1, "officers", 2));
    h.believed(h.failed(1, 3, now.plus_seconds(181), None));
    let row = h.state().notification(&message(1)).unwrap().unwrap();
    assert_eq!((row.standing, row.attempts, row.status), (MessageStanding::GivenUp, 3, Some(503)));
    // Given up, and asked for again by hand.
    h.believed(h.started(h.start(1, &both, 4, now.plus_seconds(182))));
    h.believed(h.sent(1, "officers", 4));
    h.not("taken before", h.started(h.start(1, &both, 5, now.plus_seconds(9_000))));
    h.not("was told", h.started(h.start(3, std::slice::from_ref(&b), 1, now)));

    let state = h.state();
    assert_eq!(state.noticed("officers", &a).unwrap(), Some(message(1)));
    assert_eq!(state.noticed("others", &a).unwrap(), None);
    assert_eq!(state.notification_counts().unwrap(), [("officers".to_owned(), MessageStanding::Sent, 1)]);
    assert_eq!(state.notifications(None, Some(MessageStanding::Failed), 9).unwrap(), []);
    let row = &state.notifications(Some("officers"), None, 9).unwrap()[0];
    assert_eq!((row.standing, row.why, row.next, &row.notices[..]), (MessageStanding::Sent, None, None, &both[..]));

    // What is not believed can be told of; what is cannot.
    let anomaly = state.anomalies().unwrap()[0].index;
    let odd = NoticeKey { kind: NoticeKind::EntryNotBelieved, at: anomaly, part: None, step: 0 };
    h.believed(h.started(h.start(4, &[odd], 1, now)));
}
