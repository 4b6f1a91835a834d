//! What is believed of access reviews, whoever wrote the entries.

use countersign_evidence::act;
use countersign_evidence::sshsig::{Certificate, PublicKey};
use countersign_model::access::review::{AccessKind, GoneHow, ReviewVerdict, SHORTEST_REVIEW_SECONDS, assign};
use countersign_model::access::{CertificateUse, Field};
use countersign_model::event::{
    AccessReviewClosed, AccessReviewDecided, AccessReviewEnforced, AccessReviewOpened, AccessReviewReminded,
    AccessReviewShown, CertificateAuthorityAdded, IssuersActivated, KeyCertified, PersonLeft, Predicate, RoleGranted,
    RoleRevoked, WorkloadReadmitted, WorkloadVerified,
};
use countersign_model::{Digest, EventKind, PersonId, ReviewId, Role, StreamId, Timestamp};
use countersign_store::projection::{ReviewRow, State, Watch, check};
use countersign_store::{Ledger, NewBlob, NewEntry};
use ssh_key::PrivateKey;
use ssh_key::certificate::Builder;
use ssh_key::private::Ed25519Keypair;

use crate::history::History;
use crate::support::ORIGIN;

/// 0 administrator, 1 engineer, 2 compliance officer, 3 release manager, 4 security officer, 5 developer: six roles, which 0 gave,
/// and six keys. An entry at index `n` is appended `n` seconds after [`History::now`].
struct House {
    history: History,
    ledger: Ledger,
    dir: tempfile::TempDir,
}

const REVIEWERS: [usize; 3] = [0, 2, 4];

fn blob(text: &str) -> NewBlob {
    NewBlob { bytes: text.as_bytes().to_vec(), media: "application/json".into() }
}

impl House {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (mut history, mut ledger) = History::begin(&dir.path().join("ledger"));
        let founding = history.founding();
        history.append(&mut ledger, founding);
        Self { history, ledger, dir }
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

    fn place(&self) -> Timestamp {
        self.history.now().plus_seconds(i64::try_from(self.ledger.size()).unwrap() + self.history.later)
    }

    fn act<P: Predicate>(&mut self, by: usize, namespace: &str, kind: EventKind, predicate: P) -> Option<String> {
        let entry = self.history.act(by, namespace, kind, StreamId::from_text("access"), predicate, vec![]);
        self.append(entry)
    }

    fn machine<P: Predicate>(&mut self, kind: EventKind, predicate: P) -> Option<String> {
        let entry = self.history.machine(kind, StreamId::from_text("access"), predicate, vec![]);
        self.append(entry)
    }

    fn id() -> ReviewId {
        ReviewId::from_random([7; 10])
    }

    /// A review as it should be, due a day and so many further entries later.
    fn opening(&self, by: usize, entries: i64) -> AccessReviewOpened {
        let (size, now) = (self.ledger.size(), self.history.now());
        let items = self.state().access_at(size, now).unwrap();
        let mut reviewers: Vec<PersonId> = REVIEWERS.map(|n| self.who(n)).into();
        reviewers.sort();
        let population = State::population_digest(&items).unwrap();
        AccessReviewOpened {
            origin: ORIGIN.into(),
            review: Self::id(),
            from: now.plus_seconds(-90 * 86_400),
            to: now,
            due: self.place().plus_seconds(SHORTEST_REVIEW_SECONDS + entries),
            lines: assign(items, &reviewers).unwrap(),
            reviewers,
            size,
            idle_days: 90,
            population,
            by: self.who(by),
            reason: "fourth quarter".into(),
            time: now,
        }
    }

    fn open(&mut self, opening: AccessReviewOpened) -> Option<String> {
        let by = (0..6).find(|n| self.who(*n) == opening.by).unwrap();
        self.act(by, act::ACCESS_REVIEW, EventKind::AccessReviewOpened, opening)
    }

    fn row(&self) -> ReviewRow {
        self.state().review(&Self::id()).unwrap().unwrap()
    }

    /// The lines that somebody is to look at.
    fn lines_of(&self, n: usize) -> Vec<u32> {
        let who = self.who(n);
        self.row().lines.iter().filter(|l| l.line.reviewer == who).map(|l| l.line.line).collect()
    }

    fn line(&self, holder: usize, kind: AccessKind) -> u32 {
        let who = self.who(holder);
        let row = self.row();
        let found =
            row.lines.iter().find(|l| l.line.access.person.as_ref() == Some(&who) && l.line.access.kind == kind);
        found.unwrap().line.line
    }

    fn reviewer_of(&self, line: u32) -> usize {
        let row = self.row();
        let reviewer = &row.lines.iter().find(|l| l.line.line == line).unwrap().line.reviewer;
        (0..6).find(|n| self.who(*n) == *reviewer).unwrap()
    }

    fn decide(&mut self, by: usize, lines: &[u32], verdict: ReviewVerdict) -> Option<String> {
        let (origin, time, by_id) = (ORIGIN.into(), self.history.now(), self.who(by));
        let reason = if verdict == ReviewVerdict::Keep { "" } else { "moved on" }.to_owned();
        let review = Self::id();
        let decided = AccessReviewDecided { origin, review, lines: lines.into(), verdict, reason, by: by_id, time };
        self.act(by, act::ACCESS_REVIEW_DECISION, EventKind::AccessReviewDecided, decided)
    }

    /// Everybody keeps what waits for them.
    fn keep_the_rest(&mut self) {
        for n in REVIEWERS {
            let who = self.who(n);
            let row = self.row();
            let mine = row.lines.iter().filter(|l| l.line.reviewer == who && l.decided.is_none());
            let lines: Vec<u32> = mine.map(|l| l.line.line).collect();
            if !lines.is_empty() {
                assert_eq!(self.decide(n, &lines, ReviewVerdict::Keep), None);
            }
        }
    }

    fn show(&mut self, to: usize, lines: &[u32]) -> Option<String> {
        let (person, time) = (self.who(to), self.history.now());
        let shown = AccessReviewShown { review: Self::id(), person, lines: lines.into(), time };
        self.machine(EventKind::AccessReviewShown, shown)
    }

    fn enforce(&mut self, by: usize, lines: &[u32]) -> Option<String> {
        let (origin, time, by_id) = (ORIGIN.into(), self.history.now(), self.who(by));
        let ended = AccessReviewEnforced { origin, review: Self::id(), lines: lines.into(), by: by_id, time };
        self.act(by, act::ACCESS_REVIEW_ENFORCEMENT, EventKind::AccessReviewEnforced, ended)
    }

    /// A certification as it should be.
    fn closing(&self, by: usize) -> AccessReviewClosed {
        let row = self.row();
        AccessReviewClosed {
            origin: ORIGIN.into(),
            review: Self::id(),
            population: row.opened.population,
            size: self.ledger.size(),
            held: row.held(),
            gone: row.gone(self.place()).unwrap_or_default(),
            figures: row.figures(),
            by: self.who(by),
            time: self.history.now(),
        }
    }

    fn close(&mut self, by: usize, closing: AccessReviewClosed) -> Option<String> {
        self.act(by, act::ACCESS_REVIEW_CERTIFICATION, EventKind::AccessReviewClosed, closing)
    }

    fn grant(&mut self, to: usize, role: Role, by: usize) -> Option<String> {
        let granted = RoleGranted {
            origin: ORIGIN.into(),
            person: self.who(to),
            role,
            by: self.who(by),
            reason: Some("their work".into()),
            expires: None,
            time: self.history.now(),
        };
        self.act(by, act::ROLE, EventKind::RoleGranted, granted)
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

    /// Entries that say nothing, so that time goes by.
    fn until_due(&mut self) {
        self.history.later = SHORTEST_REVIEW_SECONDS;
        while self.state().moment() < self.row().opened.due {
            let refusal = self.history.step(9);
            assert_eq!(self.append(refusal), None);
        }
    }

    fn activate_issuers(&mut self) {
        let (origin, time, by) = (ORIGIN.into(), self.history.now(), self.who(4));
        let activated = IssuersActivated { origin, issuers: Digest::of(b"issuers"), by, reason: None, time };
        let (kind, stream) = (EventKind::IssuersActivated, StreamId::from_text("issuers"));
        let entry = self.history.act(4, act::ISSUERS, kind, stream, activated, vec![blob("issuers")]);
        assert_eq!(self.append(entry), None);
        let started = self.history.step(0);
        assert_eq!(self.append(started), None);
    }

    fn token(&mut self, n: u8, pipeline: &str) -> Option<String> {
        let (run, commit, attempt) = self.history.last_run();
        let now = self.history.now();
        let shown = WorkloadVerified {
            run,
            attempt,
            issuers: Digest::of(b"issuers"),
            entry: "github".into(),
            system: "github-actions".into(),
            issuer: "https://issuer.example".into(),
            fields: [(Field::Commit, commit), (Field::Pipeline, pipeline.to_owned())].into(),
            key: "thumbprint".into(),
            algorithm: "RS256".into(),
            token: Digest::of(&[n]),
            once: Digest::of(&[n]),
            claims: Digest::of(b"claims"),
            person: None,
            issued: now.plus_seconds(-10),
            expires: now.plus_seconds(290),
            time: now,
        };
        let stream = self.history.stream();
        let entry = self.history.machine(EventKind::WorkloadVerified, stream, shown, vec![blob("claims")]);
        self.append(entry)
    }
}

#[track_caller]
fn disbelieved(said: Option<String>, why: &str) {
    assert!(said.as_deref().is_some_and(|s| s.contains(why)), "{said:?}");
}

#[test]
fn a_population_is_what_there_is_and_nobody_looks_at_their_own() {
    let mut house = House::new();
    let good = house.opening(2, 50);
    assert_eq!(good.lines.len(), 12);
    for by in [0, 1, 3, 5] {
        disbelieved(
            house.open(AccessReviewOpened { by: house.who(by), ..house.opening(2, 50) }),
            "is no security-officer",
        );
    }
    let with = |house: &House, change: &dyn Fn(&mut AccessReviewOpened)| {
        let mut p = house.opening(2, 50);
        change(&mut p);
        let items = p.lines.iter().map(|l| &l.access);
        p.population = State::population_digest(items).unwrap();
        p
    };
    // One left out, one too many, one that says something else, one of before.
    let short = with(&house, &|p| drop(p.lines.pop()));
    disbelieved(house.open(short), "not the roles and keys");
    let twice = with(&house, &|p| p.lines.push(p.lines[0].clone()));
    disbelieved(house.open(twice), "not the roles and keys");
    let altered = with(&house, &|p| p.lines[1].access.idle = true);
    disbelieved(house.open(altered), "not the roles and keys");
    let stranger = house.who(5);
    let other = with(&house, &|p| p.lines[0].access.by = Some(stranger.clone()));
    disbelieved(house.open(other), "not the roles and keys");
    let digest = AccessReviewOpened { population: Digest::of(b"x"), ..house.opening(2, 50) };
    disbelieved(house.open(digest), "another population's");
    let before = house.opening(2, 50);
    assert_eq!(house.grant(5, Role::Engineer, 0), None);
    disbelieved(house.open(before), "since it was read");
    let beyond = AccessReviewOpened { size: house.ledger.size() + 1, ..house.opening(2, 50) };
    disbelieved(house.open(beyond), "a place of the log that there was not");
    let days = AccessReviewOpened { idle_days: 30, ..house.opening(2, 50) };
    disbelieved(house.open(days), "idle after another time");
    // Who looks: never the holder, not the giver where another can, nobody who may not review.
    let own = with(&house, &|p| {
        let holder = p.lines[0].access.person.clone().unwrap();
        p.lines[0].reviewer = holder;
    });
    disbelieved(house.open(own), "may not");
    let giver = house.who(0);
    let by_giver = with(&house, &|p| p.lines[1].reviewer = giver.clone());
    disbelieved(house.open(by_giver), "may not");
    let outsider = house.who(1);
    let not_one = with(&house, &|p| {
        p.reviewers.push(outsider.clone());
        p.reviewers.sort();
    });
    disbelieved(house.open(not_one), "is no security-officer or compliance-officer or administrator");
    let unsorted = with(&house, &|p| p.reviewers.reverse());
    disbelieved(house.open(unsorted), "not sorted");
    let numbered = with(&house, &|p| p.lines[3].line = 9);
    disbelieved(house.open(numbered), "not numbered");
    let soon = house.opening(2, -1);
    disbelieved(house.open(soon), "due within a day");
    let backwards = with(&house, &|p| p.to = p.from);
    disbelieved(house.open(backwards), "ends before");
    assert!(house.state().reviews().unwrap().is_empty());

    let good = house.opening(2, 50);
    assert_eq!(house.open(good.clone()), None);
    disbelieved(house.open(AccessReviewOpened { reason: "again".into(), ..house.opening(4, 50) }), "was opened before");
    // Anybody who has the log comes to the same digest, later too.
    assert_eq!(house.revoke(5, Role::Engineer, 0), None);
    let again = house.state().access_at(good.size, good.time).unwrap();
    assert_eq!(State::population_digest(&again).unwrap(), good.population);
    assert_ne!(house.state().access_at(house.ledger.size(), good.time).unwrap(), again);
}

#[test]
fn a_line_is_decided_once_in_time_by_whoever_is_to_look_at_it() {
    let mut house = House::new();
    let opening = house.opening(2, 16);
    assert_eq!(house.open(opening), None);
    let line = house.line(5, AccessKind::Role);
    let reviewer = house.reviewer_of(line);
    assert!(REVIEWERS.contains(&reviewer) && reviewer != 0, "who gave it looks only where nobody else can");
    let other = REVIEWERS.into_iter().find(|n| *n != reviewer).unwrap();
    disbelieved(house.decide(other, &[line], ReviewVerdict::Keep), "for another reviewer");
    disbelieved(house.decide(5, &[line], ReviewVerdict::Keep), "is no security-officer");
    disbelieved(house.decide(reviewer, &[99], ReviewVerdict::Keep), "there is not");
    disbelieved(house.decide(reviewer, &[], ReviewVerdict::Keep), "names no line");
    disbelieved(house.decide(reviewer, &[line, line], ReviewVerdict::Keep), "there twice");
    disbelieved(house.show(other, &[line]), "for another reviewer");
    assert_eq!(house.show(reviewer, &[line]), None);
    // Revoked without a word why.
    let (origin, time, by) = (ORIGIN.into(), house.history.now(), house.who(reviewer));
    let mute = AccessReviewDecided {
        origin,
        review: House::id(),
        lines: vec![line],
        verdict: ReviewVerdict::Revoke,
        reason: " ".into(),
        by,
        time,
    };
    disbelieved(house.act(reviewer, act::ACCESS_REVIEW_DECISION, EventKind::AccessReviewDecided, mute), "for a reason");
    assert_eq!(house.decide(reviewer, &[line], ReviewVerdict::Revoke), None);
    disbelieved(house.decide(reviewer, &[line], ReviewVerdict::Keep), "decided already");
    disbelieved(house.show(reviewer, &[line]), "decided already");
    let row = house.row();
    let decided = row.lines.iter().find(|l| l.line.line == line).unwrap().decided.clone().unwrap();
    assert_eq!((decided.by, decided.shown.is_some()), (house.who(reviewer), true));
    assert!(decided.time > decided.shown.unwrap(), "the places in the log say how long it took");
    // What is due is silent from then on.
    house.until_due();
    let waits = house.lines_of(reviewer).into_iter().find(|n| *n != line).unwrap();
    disbelieved(house.decide(reviewer, &[waits], ReviewVerdict::Keep), "silence has spoken");
    disbelieved(house.show(reviewer, &[waits]), "it was due");
}

#[test]
fn where_a_reviewer_cannot_any_more_another_may() {
    let mut house = House::new();
    let opening = house.opening(2, 50);
    assert_eq!(house.open(opening), None);
    let line = house.line(1, AccessKind::Role);
    let reviewer = house.reviewer_of(line);
    let other = if reviewer == 2 { 4 } else { 2 };
    disbelieved(house.decide(other, &[line], ReviewVerdict::Keep), "for another reviewer");
    assert_eq!(house.leave(reviewer, 0), None);
    disbelieved(house.decide(reviewer, &[line], ReviewVerdict::Keep), "had left");
    disbelieved(house.decide(0, &[line], ReviewVerdict::Keep), "for another reviewer");
    assert_eq!(house.decide(other, &[line], ReviewVerdict::Keep), None);
    let figures = house.row().figures();
    let one = figures.reviewers.iter().find(|r| r.reviewer == house.who(other)).unwrap();
    assert_eq!((one.decided, one.kept, one.unseen, one.kept_all, one.hasty), (1, 1, 1, true, true));
}

#[test]
fn it_is_closed_when_what_was_to_go_is_gone_and_each_end_has_its_place() {
    let mut house = House::new();
    assert_eq!(house.grant(1, Role::Auditor, 0), None);
    let opening = house.opening(2, 100);
    assert_eq!(house.open(opening), None);
    let role = house.line(5, AccessKind::Role);
    let key = house.line(5, AccessKind::Key);
    let change = house.line(3, AccessKind::Role);
    for (line, verdict) in
        [(role, ReviewVerdict::Revoke), (key, ReviewVerdict::Revoke), (change, ReviewVerdict::Change)]
    {
        let by = house.reviewer_of(line);
        assert_eq!(house.decide(by, &[line], verdict), None);
    }
    disbelieved(house.enforce(2, &[role, change, key]), "lines wait");
    let closing = house.closing(2);
    disbelieved(house.close(2, closing), "lines wait");
    house.keep_the_rest();
    let closing = AccessReviewClosed { gone: vec![], ..house.closing(2) };
    disbelieved(house.close(2, closing), "was to go and is there");
    // What was to be changed was: it is revoked and given anew, and the new one is none of the review's.
    assert_eq!(house.revoke(3, Role::ReleaseManager, 0), None);
    let changed = house.ledger.size() - 1;
    assert_eq!(house.grant(3, Role::ReleaseManager, 0), None);
    let mut ends = vec![role, key];
    ends.sort_unstable();
    disbelieved(house.enforce(1, &ends), "is no security-officer");
    disbelieved(house.enforce(2, &[role]), "not those whose access ends");
    let mut more = vec![role, key, house.line(1, AccessKind::Role)];
    more.sort_unstable();
    disbelieved(house.enforce(2, &more), "not those whose access ends");
    assert_eq!(house.enforce(2, &ends), None);
    let enforced = house.ledger.size() - 1;
    disbelieved(house.enforce(2, &ends), "not those whose access ends");

    let good = house.closing(4);
    let mut gone: Vec<(u32, GoneHow, u64)> = good.gone.iter().map(|g| (g.line, g.how, g.index)).collect();
    gone.sort_unstable_by_key(|g| g.0);
    let mut expected =
        vec![(role, GoneHow::Review, enforced), (key, GoneHow::Review, enforced), (change, GoneHow::Revoked, changed)];
    expected.sort_unstable_by_key(|g| g.0);
    assert_eq!(gone, expected);
    assert_eq!(good.held.len(), 13 - 3);
    disbelieved(house.close(1, AccessReviewClosed { by: house.who(1), ..house.closing(1) }), "is no security-officer");
    let mut wrong = house.closing(4);
    wrong.gone.pop();
    disbelieved(house.close(4, wrong), "not those that were to go");
    let mut wrong = house.closing(4);
    wrong.gone[0].index += 1;
    disbelieved(house.close(4, wrong), "not those that were to go");
    let mut wrong = house.closing(4);
    wrong.held.pop();
    disbelieved(house.close(4, wrong), "still there");
    let mut wrong = house.closing(4);
    wrong.figures.reviewers[0].hasty = !wrong.figures.reviewers[0].hasty;
    disbelieved(house.close(4, wrong), "figures");
    let wrong = AccessReviewClosed { population: Digest::of(b"x"), ..house.closing(4) };
    disbelieved(house.close(4, wrong), "another population");
    let wrong = AccessReviewClosed { size: enforced, ..house.closing(4) };
    disbelieved(house.close(4, wrong), "beyond what it has read");
    let good = house.closing(4);
    assert_eq!(house.close(4, good.clone()), None);
    disbelieved(house.close(4, good), "is closed");
    disbelieved(house.decide(2, &[1], ReviewVerdict::Keep), "is closed");
    // What is ended is: the developer's key signs nothing any more.
    let state = house.state();
    assert!(state.roles_of(&house.who(5)).unwrap().is_empty());
    let claim = house.history.step(10);
    disbelieved(house.append(claim), "was revoked in entry");
    assert!(state.roles_of(&house.who(3)).unwrap().contains(&Role::ReleaseManager));
    // And the tables are the fold of the log.
    let path = house.dir.path().join("projection.db");
    drop(State::open(&path, &mut house.ledger, None, &Watch::default()).unwrap());
    let found = check(&path, &mut house.ledger, None, &Watch::default()).unwrap();
    assert!(found.differences.is_empty(), "{:?}", found.differences);
}

#[test]
fn silence_ends_access_but_never_the_last_administrators() {
    let mut house = House::new();
    let opening = house.opening(2, 8);
    assert_eq!(house.open(opening), None);
    let line = house.line(1, AccessKind::Role);
    let by = house.reviewer_of(line);
    assert_eq!(house.decide(by, &[line], ReviewVerdict::Keep), None);
    house.until_due();
    let (state, row) = (house.state(), house.row());
    let ends = state.review_ends(&row).unwrap();
    let admin = [house.line(0, AccessKind::Role), house.line(0, AccessKind::Key)];
    assert_eq!(ends.spared, admin);
    assert_eq!(ends.ends.len(), 12 - 1 - 2);
    let all: Vec<u32> = (1..=12).filter(|n| *n != line).collect();
    let closer = if by == 2 { 4 } else { 2 };
    disbelieved(house.enforce(by, &ends.ends), "decided all of it");
    disbelieved(house.enforce(closer, &all), "not those whose access ends");
    assert_eq!(house.enforce(closer, &ends.ends), None);
    // Only what was kept and the administrator is there; the review cannot be closed, and nobody else can sign.
    let state = house.state();
    let now = state.access_at(house.ledger.size(), house.place()).unwrap();
    let mut held: Vec<PersonId> = now.iter().map(|i| i.person.clone().unwrap()).collect();
    held.sort();
    let mut expected = vec![house.who(0), house.who(0), house.who(1)];
    expected.sort();
    assert_eq!(held, expected);
    let closing = AccessReviewClosed { gone: vec![], ..house.closing(closer) };
    disbelieved(house.close(closer, closing), "was revoked in entry");
}

#[test]
fn what_was_said_goes_before_what_fell_silent() {
    let mut house = House::new();
    assert_eq!(house.grant(2, Role::Administrator, 0), None);
    let opening = house.opening(4, 4);
    assert_eq!(house.open(opening), None);
    // Of two administrators one is to go by somebody's word, and the other fell silent: the word counts, the silence is spared.
    let who = house.who(2);
    let row = house.row();
    let said =
        row.lines.iter().find(|l| l.line.access.person.as_ref() == Some(&who) && l.line.access.what == "administrator");
    let said = said.unwrap().line.line;
    let by = house.reviewer_of(said);
    assert_eq!(house.decide(by, &[said], ReviewVerdict::Revoke), None);
    house.until_due();
    let ends = house.state().review_ends(&house.row()).unwrap();
    assert!(ends.ends.contains(&said));
    assert_eq!(ends.spared, [house.line(0, AccessKind::Role), house.line(0, AccessKind::Key)]);
}

#[test]
fn idle_accounts_and_leavers_are_marked_and_a_leavers_key_is_in_the_population() {
    let mut house = House::new();
    assert_eq!(house.leave(5, 0), None);
    let state = house.state();
    let later = house.history.now().plus_seconds(91 * 86_400);
    let items = state.access_at(house.ledger.size(), later).unwrap();
    let of = |n: usize| items.iter().filter(|i| i.person == Some(house.who(n))).collect::<Vec<_>>();
    assert_eq!(of(5).len(), 1);
    assert!(of(5)[0].left && of(5)[0].kind == AccessKind::Key);
    assert!(items.iter().all(|i| i.idle), "nobody did anything for 91 days");
    let now = state.access_at(house.ledger.size(), house.place()).unwrap();
    assert!(now.iter().all(|i| !i.idle), "what was given lately is not idle");
    assert!(of(0)[0].last_used.is_some() && of(1)[0].last_used.is_none());
}

#[test]
fn a_workload_that_a_review_ended_shows_no_token_until_it_is_let_in_again() {
    let mut house = House::new();
    house.activate_issuers();
    assert_eq!(house.token(1, "ci.yml@refs/heads/main"), None);
    assert_eq!(house.token(2, "ci.yml@refs/heads/other"), None);
    assert_eq!(house.token(3, "deploy.yml@refs/heads/main"), None);
    let opening = house.opening(4, 60);
    assert_eq!(opening.lines.len(), 14, "two pipelines, whatever the branch");
    let with = |mut p: AccessReviewOpened, change: &dyn Fn(&mut AccessReviewOpened)| {
        change(&mut p);
        p.population = State::population_digest(p.lines.iter().map(|l| &l.access)).unwrap();
        p
    };
    let short = with(house.opening(4, 60), &|p| drop(p.lines.pop()));
    disbelieved(house.open(short), "leaves out a workload");
    let made_up = with(house.opening(4, 60), &|p| p.lines[13].access.what = "https://issuer.example pipeline=x".into());
    disbelieved(house.open(made_up), "leaves out a workload");
    let more = with(house.opening(4, 60), &|p| {
        let mut line = p.lines[13].clone();
        line.line = 15;
        line.access.what = "https://issuer.example pipeline=x".into();
        p.lines.push(line);
    });
    disbelieved(house.open(more), "showed no token");
    let opening = house.opening(4, 60);
    assert_eq!(house.open(opening), None);
    let row = house.row();
    let found = row.lines.iter().find(|l| l.line.access.what.ends_with("pipeline=deploy.yml")).unwrap();
    let (line, identity) = (found.line.line, found.line.access.what.clone());
    let by = house.reviewer_of(line);
    assert_eq!(house.decide(by, &[line], ReviewVerdict::Revoke), None);
    house.keep_the_rest();
    assert_eq!(house.token(4, "deploy.yml@refs/heads/main"), None);
    assert_eq!(house.enforce(2, &[line]), None);
    disbelieved(house.token(5, "deploy.yml@refs/heads/main"), "ended that workload");
    disbelieved(house.token(6, "deploy.yml@refs/heads/sly"), "ended that workload");
    assert_eq!(house.token(7, "ci.yml@refs/heads/main"), None);
    let closing = house.closing(2);
    assert_eq!(house.close(2, closing), None);
    let (origin, time) = (String::from(ORIGIN), house.history.now());
    let back = |house: &House, by: usize| WorkloadReadmitted {
        origin: origin.clone(),
        workload: identity.clone(),
        by: house.who(by),
        reason: "ended by mistake".into(),
        time,
    };
    for by in [0, 2] {
        let p = back(&house, by);
        disbelieved(
            house.act(by, act::WORKLOAD_READMISSION, EventKind::WorkloadReadmitted, p),
            "is no security-officer",
        );
    }
    let p = back(&house, 4);
    assert_eq!(house.act(4, act::WORKLOAD_READMISSION, EventKind::WorkloadReadmitted, p), None);
    let p = back(&house, 4);
    disbelieved(house.act(4, act::WORKLOAD_READMISSION, EventKind::WorkloadReadmitted, p), "no review ended");
    assert_eq!(house.token(8, "deploy.yml@refs/heads/main"), None);
}

#[test]
fn a_reminder_names_those_whose_lines_wait() {
    let mut house = House::new();
    let opening = house.opening(2, 50);
    assert_eq!(house.open(opening), None);
    let (people, waiting) = house.state().review_waits(&House::id()).unwrap();
    assert_eq!(waiting, 12);
    let reminder = |people: &[PersonId], waiting: u32, time: Timestamp| AccessReviewReminded {
        review: House::id(),
        people: people.to_vec(),
        waiting,
        message: Digest::of(b"message"),
        attempts: 1,
        delivered: true,
        time,
    };
    let time = house.history.now();
    disbelieved(house.machine(EventKind::AccessReviewReminded, reminder(&people[1..], waiting, time)), "others");
    disbelieved(house.machine(EventKind::AccessReviewReminded, reminder(&people, 3, time)), "others");
    assert_eq!(house.machine(EventKind::AccessReviewReminded, reminder(&people, waiting, time)), None);
    assert_eq!(house.state().review_reminders(&House::id()).unwrap().len(), 1);
    house.keep_the_rest();
    disbelieved(house.machine(EventKind::AccessReviewReminded, reminder(&[], 0, time)), "nothing of it waits");
}

#[test]
fn whoever_opened_it_does_not_close_it_where_nobody_decided() {
    let mut house = House::new();
    let opening = house.opening(2, 1);
    assert_eq!(house.open(opening), None);
    house.until_due();
    let ends = house.state().review_ends(&house.row()).unwrap().ends;
    disbelieved(house.enforce(2, &ends), "opened it and nobody decided");
    assert_eq!(house.enforce(4, &ends), None);
}

#[test]
fn a_key_that_is_certified_anew_is_not_gone_when_its_first_certificate_is_over() {
    let mut house = House::new();
    let key = |n: u8| PrivateKey::from(Ed25519Keypair::from_seed(&[n; 32]));
    let (ca, own, who) = (key(90), key(91), house.who(5));
    let (origin, time) = (String::from(ORIGIN), house.history.now());
    let added = CertificateAuthorityAdded {
        origin: origin.clone(),
        key: PublicKey::parse(&ca.public_key().to_openssh().unwrap()).unwrap().to_openssh(),
        people: vec![who.clone()],
        uses: vec![CertificateUse::Acts],
        valid_after: None,
        valid_before: None,
        by: house.who(0),
        reason: "keys for a day".into(),
        time,
    };
    let kind = EventKind::CertificateAuthorityAdded;
    assert_eq!(house.act(0, act::CERTIFICATE_AUTHORITY, kind, added), None);
    let certified = |house: &mut House, until: Timestamp| {
        let from = u64::try_from(time.millis() / 1000).unwrap() - 10;
        let until = u64::try_from(until.millis() / 1000).unwrap();
        let mut certificate = Builder::new(vec![7; 16], own.public_key(), from, until).unwrap();
        certificate.key_id(who.as_str()).unwrap().valid_principal(who.as_str()).unwrap();
        let certificate = certificate.sign(&ca).unwrap().to_openssh().unwrap();
        let certificate = Certificate::parse(&certificate).unwrap().to_openssh().to_owned();
        let shown = KeyCertified { origin: ORIGIN.into(), person: who.clone(), certificate, time };
        let (kind, stream) = (EventKind::KeyCertified, StreamId::from(&who));
        let entry = house.history.act_with(&own, act::CERTIFIED_KEY, kind, stream, shown, vec![]);
        house.append(entry)
    };
    let first = time.plus_seconds(SHORTEST_REVIEW_SECONDS);
    assert_eq!(certified(&mut house, first), None);
    let opening = house.opening(2, 50);
    let line = opening.lines.iter().find(|l| l.access.until == Some(first)).unwrap().line;
    assert_eq!(house.open(opening), None);
    assert_eq!(certified(&mut house, first.plus_seconds(1_000_000)), None);
    let by = house.reviewer_of(line);
    assert_eq!(house.decide(by, &[line], ReviewVerdict::Revoke), None);
    house.keep_the_rest();
    house.until_due();
    // The first certificate is over, and the key signs: it was to go, is there, and ends by the review.
    let row = house.row();
    assert!(house.state().moment() >= first && row.held().contains(&line), "{row:?}");
    let closing = AccessReviewClosed { gone: vec![], ..house.closing(2) };
    disbelieved(house.close(2, closing), "was to go and is there");
    assert_eq!(house.enforce(2, &[line]), None);
    let closing = house.closing(2);
    assert_eq!(closing.gone.iter().map(|g| (g.line, g.how)).collect::<Vec<_>>(), [(line, GoneHow::Review)]);
    assert_eq!(house.close(2, closing), None);
}
