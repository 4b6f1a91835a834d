//! The tables are what the log says, however they came to be, and whoever wrote to them.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use countersign_evidence::act;
use countersign_evidence::cosignature::CosignerKey;
use countersign_evidence::note::Algorithm;
use countersign_evidence::{canonical, merkle};
use countersign_model::access::review::{ReviewVerdict, SHORTEST_REVIEW_SECONDS, assign};
use countersign_model::event::{
    AccessReviewDecided, AccessReviewEnforced, AccessReviewOpened, AccessReviewReminded, PersonLeft, RoleRulesChosen,
};
use countersign_model::{Clock as _, Digest, EventKind, PersonId, ReviewId, StreamId};
use countersign_store::engine::embedded::{Embedded, Options};
use countersign_store::engine::{Asked, Held, KeyChange, Keyring};
use countersign_store::installation::{Pin, PinnedEntry, Seen};
use countersign_store::projection::{Difference, DifferenceKind, Reading, ReviewedLine, State, Watch, check, rebuild};
use countersign_store::{Batch, Engine as _, Ledger, Opened};
use proptest::prelude::*;
use rusqlite::Connection;

use crate::history::{FIRST_DISBELIEVED, History, STEPS};
use crate::support::{ORIGIN, clock, signer};

fn quiet() -> Watch {
    Watch::default()
}

/// Tables in a file, folded to the head. They must be kept there.
#[track_caller]
fn live(path: &Path, ledger: &mut Ledger) -> State {
    let (state, notice) = State::open(path, ledger, None, &quiet()).unwrap();
    assert!(notice.is_none() && state.path().is_some(), "{notice:?}");
    state
}

#[track_caller]
fn assert_equal(state: &State, sound: &State) {
    let compared = state.compare(sound).unwrap();
    assert_eq!(compared.differences, []);
    assert_eq!(state.size(), sound.size());
    assert!(compared.rows >= sound.size());
}

#[track_caller]
fn assert_replay(state: &State, ledger: &Ledger) {
    assert_eq!(state.size(), ledger.size());
    assert_equal(state, &State::replay(ledger, None, &quiet()).unwrap());
}

/// The tables that somebody gets who is handed one entry after the other, as verification is.
fn one_by_one(ledger: &Ledger) -> (State, usize) {
    let mut state = State::scratch(ledger.shared_vault(), None).unwrap();
    let mut disbelieved = 0;
    for (index, entry) in ledger.entries(0..ledger.size()).unwrap() {
        let leaf = Digest::from_bytes(merkle::leaf_hash(&canonical::to_vec(&entry).unwrap()));
        let payload = Some(ledger.payload(&entry.payload).unwrap());
        let attachments = entry.attachments.iter().map(|blob| Some(blob.sha256)).collect();
        let reading = Reading::new(index, entry, leaf, Opened { payload, attachments }, state.recorder());
        disbelieved += usize::from(state.apply(&reading).unwrap().is_some());
    }
    (state, disbelieved)
}

/// A ledger with some releases, and entries that are not believed.
fn sample(dir: &Path, releases: usize) -> (History, Ledger) {
    let (mut history, mut ledger) = History::begin(&dir.join("ledger"));
    let mut entries = history.founding();
    for _ in 0..releases {
        entries.extend(history.release());
    }
    entries.extend((9..STEPS).map(|kind| history.step(kind)));
    history.append(&mut ledger, entries);
    (history, ledger)
}

/// Rules for roles, somebody who leaves, and a review that ends what they had left.
fn review(history: &mut History, ledger: &mut Ledger) {
    let (origin, time, stream) = (String::from(ORIGIN), history.now(), StreamId::from_text("access"));
    let (ada, leaver, officer) = (history.person(0), history.person(5), history.person(2));
    let rules = RoleRulesChosen {
        origin: origin.clone(),
        refused: vec![],
        idle_days: 30,
        by: officer.clone(),
        reason: "ours".into(),
        time,
    };
    let rules = history.act(2, act::ROLE_RULES, EventKind::RoleRulesChosen, stream.clone(), rules, vec![]);
    let reason = "left the firm".into();
    let left = PersonLeft { origin: origin.clone(), person: leaver.clone(), by: ada, reason, time };
    let left = history.act(0, act::LEAVING, EventKind::PersonLeft, stream.clone(), left, vec![]);
    history.append(ledger, vec![rules, left]);
    let size = ledger.size();
    let place = time.plus_seconds(i64::try_from(size).unwrap());
    let items = State::replay(ledger, None, &quiet()).unwrap().access_at(size, time).unwrap();
    let mut reviewers: Vec<PersonId> = [2, 4].map(|n| history.person(n)).into();
    reviewers.sort();
    let (id, population) = (ReviewId::from_random([7; 10]), State::population_digest(&items).unwrap());
    let opened = AccessReviewOpened {
        origin: origin.clone(),
        review: id.clone(),
        from: time.plus_seconds(-1),
        to: time,
        due: place.plus_seconds(SHORTEST_REVIEW_SECONDS + 3),
        lines: assign(items, &reviewers).unwrap(),
        reviewers: reviewers.clone(),
        size,
        idle_days: 30,
        population,
        by: officer,
        reason: "yearly".into(),
        time,
    };
    let line = opened.lines.iter().find(|l| l.access.person.as_ref() == Some(&leaver)).unwrap().clone();
    let lines = u32::try_from(opened.lines.len()).unwrap();
    let open = history.act(2, act::ACCESS_REVIEW, EventKind::AccessReviewOpened, stream.clone(), opened, vec![]);
    let reminder = AccessReviewReminded {
        review: id.clone(),
        people: reviewers,
        waiting: lines,
        message: Digest::of(b"message"),
        attempts: 1,
        delivered: true,
        time,
    };
    let reminder = history.machine(EventKind::AccessReviewReminded, stream.clone(), reminder, vec![]);
    let who = if line.reviewer == history.person(2) { 2 } else { 4 };
    let decided = AccessReviewDecided {
        origin: origin.clone(),
        review: id.clone(),
        lines: vec![line.line],
        verdict: ReviewVerdict::Revoke,
        reason: "has left".into(),
        by: line.reviewer,
        time,
    };
    let (namespace, kind) = (act::ACCESS_REVIEW_DECISION, EventKind::AccessReviewDecided);
    let decide = history.act(who, namespace, kind, stream.clone(), decided, vec![]);
    for entry in [open, reminder, decide] {
        history.append(ledger, vec![entry]);
    }
    history.later = SHORTEST_REVIEW_SECONDS;
    let state = State::replay(ledger, None, &quiet()).unwrap();
    let row = state.review(&id).unwrap().unwrap();
    // It is due at the next place: everything but the administrator's goes.
    let of_ada = |l: &&ReviewedLine| l.line.access.person == Some(history.person(0));
    let kept: Vec<u32> = row.lines.iter().filter(of_ada).map(|l| l.line.line).collect();
    let closer = if who == 2 { 4 } else { 2 };
    let ends: Vec<u32> = (1..=lines).filter(|n| !kept.contains(n)).collect();
    let (by, review) = (history.person(closer), id);
    let ended = AccessReviewEnforced { origin, review, lines: ends, by, time };
    let (namespace, kind) = (act::ACCESS_REVIEW_ENFORCEMENT, EventKind::AccessReviewEnforced);
    let enforce = history.act(closer, namespace, kind, stream, ended, vec![]);
    history.append(ledger, vec![enforce]);
    let state = State::replay(ledger, None, &quiet()).unwrap();
    assert!(state.review(&row.opened.review).unwrap().unwrap().lines.iter().any(|l| l.gone.is_some()));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn the_tables_are_the_replay_however_they_were_folded(
        chunks in prop::collection::vec(prop::collection::vec(0..STEPS, 1..9), 1..7),
        founded_at in 0_usize..3,
    ) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("data/projection.db");
        let (mut history, mut ledger) = History::begin(&dir.path().join("ledger"));
        let mut grown = live(&path, &mut ledger);
        let mut never_believed = 0;
        for (n, kinds) in chunks.iter().enumerate() {
            let mut entries = if n == founded_at { history.founding() } else { Vec::new() };
            for kind in kinds {
                if history.possible(*kind) {
                    never_believed += usize::from(*kind >= FIRST_DISBELIEVED && n >= founded_at);
                    entries.push(history.step(*kind));
                }
            }
            if entries.is_empty() {
                continue;
            }
            history.append(&mut ledger, entries);
            let mut handle = Ledger::open(ledger.directory().unwrap()).unwrap();
            // Grown by every chunk; opened anew at every chunk; folded in one go.
            grown.catch_up(&mut handle, &quiet()).unwrap();
            assert_replay(&grown, &ledger);
            assert_replay(&live(&path, &mut handle), &ledger);
        }
        let (single, disbelieved) = one_by_one(&ledger);
        let replayed = State::replay(&ledger, None, &quiet()).unwrap();
        prop_assert!(disbelieved >= never_believed, "{disbelieved} of {never_believed}");
        prop_assert_eq!(replayed.anomalies().unwrap().len(), disbelieved);
        let differences = single.compare(&replayed).unwrap().differences;
        // Only the position is written when a fold ends, and this one was never told to end.
        prop_assert!(differences.iter().all(|d| d.table == "position"), "{differences:?}");
    }
}

#[test]
fn what_is_believed_is_in_the_tables_and_what_is_not_is_an_anomaly() {
    let dir = tempfile::tempdir().unwrap();
    let (_, mut ledger) = sample(dir.path(), 3);
    let state = live(&dir.path().join("projection.db"), &mut ledger);
    let not_believed = usize::from(STEPS - FIRST_DISBELIEVED);
    let anomalies = state.anomalies().unwrap();
    assert_eq!(anomalies.len(), not_believed, "{anomalies:?}");
    assert_eq!(anomalies[0].index, ledger.size() - not_believed as u64);
    let whats: BTreeSet<&str> = anomalies.iter().map(|a| a.what.as_str()).collect();
    assert_eq!(whats.len(), not_believed, "each for a reason of its own: {whats:?}");
    assert!(whats.contains("trust is rooted once"), "{whats:?}");
    assert_eq!(state.people().unwrap().len(), 6);
    assert_eq!(state.deployments().unwrap().len(), 3);
    let run = state.run(&state.latest_run().unwrap().unwrap()).unwrap().unwrap();
    assert_eq!((run.approvals.len(), run.decisions.len()), (2, 1));
    assert_eq!(state.runs_named(&run.commit[..6]).unwrap(), std::slice::from_ref(&run.id));
    assert_eq!(state.runs_named(run.id.as_str()).unwrap(), std::slice::from_ref(&run.id));
    assert_eq!(state.decisions_named(&run.decisions[0].digest.hex()[..10]).unwrap().len(), 1);
    let last = state.last_deployed("https://example.test/shop.git", "production").unwrap();
    assert!(last.is_some());
}

#[test]
fn a_long_log_read_on_all_cores_gives_the_same_tables() {
    let dir = tempfile::tempdir().unwrap();
    let (_, mut ledger) = sample(dir.path(), 120);
    assert!(ledger.size() > 1000);
    let state = live(&dir.path().join("projection.db"), &mut ledger);
    assert_replay(&state, &ledger);
    let (single, _) = one_by_one(&ledger);
    assert!(state.compare(&single).unwrap().differences.iter().all(|d| d.table == "position"));
}

#[test]
fn a_snapshot_does_not_change_while_others_fold() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("projection.db");
    let (mut history, mut ledger) = sample(dir.path(), 1);
    let held = live(&path, &mut ledger);
    let (size, runs) = (held.size(), held.runs().unwrap());
    let entries = history.release();
    history.append(&mut ledger, entries);
    let other = live(&path, &mut ledger);
    assert_eq!(other.runs().unwrap().len(), runs.len() + 1);
    rebuild(&path, &mut ledger, None, &quiet()).unwrap();
    assert_eq!((held.size(), held.runs().unwrap()), (size, runs));
}

#[test]
fn many_at_once_fold_the_same_log_into_the_same_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("projection.db");
    let (mut history, mut ledger) = sample(dir.path(), 1);
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        for nth in 0..4 {
            let (path, done, at) = (&path, &done, ledger.directory().unwrap().to_owned());
            scope.spawn(move || {
                let mut ledger = Ledger::open(&at).unwrap();
                let mut state = live(path, &mut ledger);
                while !done.load(Ordering::SeqCst) {
                    if nth == 0 {
                        rebuild(path, &mut ledger, None, &quiet()).unwrap();
                    }
                    state.catch_up(&mut ledger, &quiet()).unwrap();
                    assert_eq!(state.size(), ledger.size());
                }
                state.catch_up(&mut ledger, &quiet()).unwrap();
                assert_replay(&state, &ledger);
            });
        }
        for _ in 0..15 {
            let entries = history.release();
            history.append(&mut ledger, entries);
        }
        done.store(true, Ordering::SeqCst);
    });
    assert_replay(&live(&path, &mut ledger), &ledger);
}

/// Names the directory for the process that dies.
const DIES_IN: &str = "COUNTERSIGN_TEST_DIES_IN";

#[test]
fn a_process_that_dies_while_it_folds_does_no_harm() {
    let dir = tempfile::tempdir().unwrap();
    let (_, mut ledger) = sample(dir.path(), 60);
    let path = dir.path().join("projection.db");
    #[expect(clippy::disallowed_methods, reason = "only a process of its own can die in the middle")]
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "projection::dies", "--ignored"])
        .env(DIES_IN, dir.path())
        .output()
        .unwrap()
        .status;
    assert!(!status.success(), "it was to die");
    assert!(path.exists(), "it had begun");
    assert_replay(&live(&path, &mut ledger), &ledger);
}

#[test]
#[ignore = "the process that dies in the test before"]
fn dies() {
    #[expect(clippy::disallowed_methods, reason = "how the test that starts this process says where")]
    let Ok(dir) = std::env::var(DIES_IN) else { return };
    let dir = Path::new(&dir);
    let mut ledger = Ledger::open(&dir.join("ledger")).unwrap();
    let watch = Watch::new(|done, _| {
        if done > 300 {
            std::process::abort();
        }
    });
    let _ = State::open(&dir.join("projection.db"), &mut ledger, None, &watch);
}

/// Runs SQL on the file, as somebody would who has got at it.
fn insider(path: &Path, sql: &str) {
    let db = Connection::open(path).unwrap();
    db.execute_batch(sql).unwrap();
    db.close().unwrap();
}

#[track_caller]
fn only(differences: &[Difference]) -> &Difference {
    assert_eq!(differences.len(), 1, "{differences:?}");
    &differences[0]
}

#[test]
fn a_second_key_is_believed_of_an_administrator_alone_and_once() {
    let dir = tempfile::tempdir().unwrap();
    let (mut history, mut ledger) = History::begin(&dir.path().join("ledger"));
    let founding = history.founding();
    history.append(&mut ledger, founding);
    let origin = ledger.origin().to_owned();
    let key = |name: &str, kind, seed| CosignerKey::from_seed(name, kind, &[seed; 32]).unwrap().verifier().to_string();
    let one = key(&origin, Algorithm::MlDsa44, 1);
    let two = key(&origin, Algorithm::MlDsa44, 2);
    let ed25519 = key(&origin, Algorithm::Ed25519Cosignature, 1);
    let path = dir.path().join("projection.db");
    let steps = [
        (4, Some(one.clone()), None),
        (0, None, None),
        (0, Some(ed25519), None),
        (0, Some(key("another.example/log", Algorithm::MlDsa44, 1)), None),
        (0, Some(format!("{one}=")), None),
        (0, Some(one.clone()), Some(&one)),
        (0, Some(two.clone()), Some(&one)),
        (4, None, Some(&one)),
        (0, None, None),
        (0, None, None),
        (0, Some(one.clone()), None),
        (0, Some(two.clone()), Some(&two)),
    ];
    let mut disbelieved = 0;
    for (n, (who, vkey, expected)) in steps.into_iter().enumerate() {
        history.append(&mut ledger, vec![history.second_key(who, vkey.clone())]);
        let state = live(&path, &mut ledger);
        assert_eq!(state.second_key(), expected.map(String::as_str), "step {n}");
        let believed = state.second_keys().last().is_some_and(|row| row.index + 1 == state.size());
        disbelieved += usize::from(!believed);
        assert_eq!(state.anomalies().unwrap().len(), disbelieved, "step {n}");
        assert_replay(&state, &ledger);
    }
    assert_eq!(disbelieved, 9);
}

#[test]
fn an_insiders_update_is_found_in_every_table_and_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("projection.db");
    let (mut history, mut ledger) = sample(dir.path(), 2);
    review(&mut history, &mut ledger);
    drop(live(&path, &mut ledger));
    let sound = check(&path, &mut ledger, None, &quiet()).unwrap();
    assert!(sound.differences.is_empty() && sound.rows > ledger.size());
    // Table, a condition for one row, what is set, and the column of its log index.
    let updates = [
        ("entries", "idx = 3", "kind = 'GrantIssued'", "idx"),
        ("streams", "stream = 'access'", "version = version + 1", "idx"),
        ("ledgers", "idx = 0", "recorder = 'ed25519:other'", "idx"),
        ("trust_roots", "idx = 1", "administrator = 'per-0'", "idx"),
        ("people", "person = (SELECT min(person) FROM people)", "profile_size = 1", "idx"),
        ("person_keys", "fingerprint = (SELECT min(fingerprint) FROM person_keys)", "person = 'per-0'", "idx"),
        ("acts", "idx = (SELECT max(idx) FROM acts)", "time = 0", "idx"),
        ("roles", "role = 'engineer'", "granted_by = 'per-0'", "idx"),
        ("leavings", "idx > 0", "returned = NULL, reason = 'another'", "idx"),
        ("role_rules", "idx > 0", "idle_days = 9000", "idx"),
        ("key_revocations", "fingerprint = (SELECT min(fingerprint) FROM key_revocations)", "placed = 0", "idx"),
        ("reviews", "idx > 0", "due = due + 1", "idx"),
        ("review_lines", "decided IS NOT NULL", "verdict = 'keep'", "idx"),
        ("review_reminders", "idx > 0", "delivered = 0", "idx"),
        ("bundles", "idx = 2", "digest = 'sha256:00'", "idx"),
        ("repositories", "idx > 0", "identity = 'elsewhere'", "idx"),
        ("runs", "idx = (SELECT max(idx) FROM runs)", "tree = 'another'", "idx"),
        ("attempts", "idx = (SELECT max(idx) FROM attempts)", "attempt = 9", "idx"),
        ("scans", "idx = (SELECT max(idx) FROM scans)", "findings = 0, gaps = 77", "idx"),
        ("evidence", "idx = (SELECT max(idx) FROM evidence)", "digest = 'sha256:00'", "idx"),
        ("decisions", "idx = (SELECT max(idx) FROM decisions)", "document = '{}'", "idx"),
        ("approvals", "idx = (SELECT max(idx) FROM approvals)", "person = 'per-0'", "idx"),
        ("claims", "commit_id = (SELECT max(commit_id) FROM claims)", "idx = 0", "idx"),
        ("suppressions", "idx = (SELECT max(idx) FROM suppressions)", "expires = expires + 1", "idx"),
        ("grants", "idx = (SELECT max(idx) FROM grants)", "started = NULL, ended = NULL", "idx"),
        ("deployments", "idx = (SELECT max(idx) FROM deployments)", "success = 1 - success", "idx"),
        ("refusals", "idx = (SELECT max(idx) FROM refusals)", "code = 'none'", "idx"),
        ("applications", "application = (SELECT min(application) FROM applications)", "document = '{}'", "idx"),
        ("environments", "environment = (SELECT min(environment) FROM environments)", "retired = 3", "idx"),
        ("assignments", "idx = (SELECT max(idx) FROM assignments)", "digest = 'sha256:00'", "idx"),
        ("overrides", "idx = (SELECT max(idx) FROM overrides)", "reasons = '[]'", "idx"),
        ("waivers", "idx = (SELECT max(idx) FROM waivers)", "decided = 1, granted = 1", "idx"),
        ("waiver_uses", "idx = (SELECT max(idx) FROM waiver_uses)", "findings = 99", "idx"),
        ("gate_owners", "idx = (SELECT max(idx) FROM gate_owners)", "person = 'per-0'", "idx"),
        ("gate_marks", "idx = (SELECT max(idx) FROM gate_marks)", "gate = 'release'", "idx"),
        ("anomalies", "idx = (SELECT max(idx) FROM anomalies)", "what = 'nothing'", "idx"),
    ];
    let mut tables = BTreeSet::from(["position".to_owned()]);
    for (table, row, set, index) in updates {
        tables.insert(table.to_owned());
        let at: u64 = {
            let db = Connection::open(&path).unwrap();
            db.query_row(&format!("SELECT {index} FROM {table} WHERE {row}"), [], |r| r.get(0)).unwrap()
        };
        insider(&path, &format!("UPDATE {table} SET {set} WHERE {row}"));
        let found = check(&path, &mut ledger, None, &quiet()).unwrap();
        let difference = only(&found.differences);
        assert_eq!((difference.table.as_str(), difference.index), (table, Some(at)), "{difference:?}");
        assert!(matches!(&difference.kind, DifferenceKind::Altered { columns } if !columns.is_empty()));
        // Looking changes nothing; folding anew puts it right.
        assert_eq!(check(&path, &mut ledger, None, &quiet()).unwrap().differences, found.differences);
        assert_eq!(rebuild(&path, &mut ledger, None, &quiet()).unwrap().entries, ledger.size());
        assert!(check(&path, &mut ledger, None, &quiet()).unwrap().differences.is_empty(), "{table}");
    }
    // Tables that this history leaves empty: a row that is made up is found there too.
    let db = Connection::open(&path).unwrap();
    let mut all = db.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").unwrap();
    let all: BTreeSet<String> = all.query_map([], |r| r.get(0)).unwrap().map(Result::unwrap).collect();
    for table in all.difference(&tables) {
        let mut columns = db.prepare(&format!("SELECT type FROM pragma_table_info('{table}')")).unwrap();
        let values: Vec<&str> = columns
            .query_map([], |r| r.get::<_, String>(0))
            .unwrap()
            .map(|kind| if kind.unwrap() == "INTEGER" { "1" } else { "'x'" })
            .collect();
        insider(&path, &format!("INSERT INTO {table} VALUES ({})", values.join(", ")));
        let found = check(&path, &mut ledger, None, &quiet()).unwrap();
        let difference = only(&found.differences);
        assert_eq!((&difference.table, &difference.kind), (table, &DifferenceKind::Unfounded));
        rebuild(&path, &mut ledger, None, &quiet()).unwrap();
    }
}

#[test]
fn a_row_that_was_added_or_taken_away_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("projection.db");
    let (_, mut ledger) = sample(dir.path(), 1);
    drop(live(&path, &mut ledger));
    let mut after = |sql: &str| {
        insider(&path, sql);
        let found = check(&path, &mut ledger, None, &quiet()).unwrap();
        rebuild(&path, &mut ledger, None, &quiet()).unwrap();
        found.differences
    };
    let added = after(
        "INSERT INTO roles (idx, person, role, granted_by, time, rules)
         VALUES (5000, 'per-x', 'administrator', 'per-y', 0, 2)",
    );
    let found = only(&added);
    assert_eq!((&found.kind, found.index), (&DifferenceKind::Unfounded, Some(5000)));
    assert_eq!(found.key, "person=per-x role=administrator idx=5000");
    let gone = after("DELETE FROM approvals WHERE slot = 'regulatory'");
    assert_eq!((only(&gone).table.as_str(), &only(&gone).kind), ("approvals", &DifferenceKind::Missing));
    for sql in [
        "CREATE TRIGGER t AFTER INSERT ON claims BEGIN DELETE FROM anomalies; END",
        "CREATE TABLE more (x)",
        "DROP INDEX runs_by_commit",
        "ALTER TABLE roles ADD COLUMN note TEXT",
    ] {
        let found = after(sql);
        assert_eq!(only(&found).table, "sqlite_schema", "{sql}");
    }
    let version = after("PRAGMA user_version = 7");
    assert_eq!(only(&version).key, "user_version");
}

#[test]
fn what_cannot_be_the_fold_of_this_log_is_folded_anew() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("projection.db");
    let (_, mut ledger) = sample(dir.path(), 2);
    drop(live(&path, &mut ledger));
    let lie = "UPDATE roles SET role = 'administrator' WHERE role = 'developer';";
    for sql in [
        // An older schema, a position beyond the log, in another log, of another log, and none at all.
        "PRAGMA user_version = 7".to_owned(),
        "PRAGMA user_version = 7; DROP TABLE roles; CREATE TABLE roles (x); CREATE VIEW v AS SELECT 1".to_owned(),
        format!("{lie} UPDATE position SET size = size + 1"),
        format!("{lie} UPDATE position SET root = 'sha256:{}'", "0".repeat(64)),
        format!("{lie} UPDATE position SET origin = 'elsewhere'"),
        format!("{lie} UPDATE position SET vkey = 'elsewhere'"),
        format!("{lie} DELETE FROM position"),
        format!("{lie} UPDATE position SET root = 'no digest'"),
        // A position that is true of the log, and tables that have more: the same rows are there already.
        format!("{lie} UPDATE position SET size = 0"),
    ] {
        insider(&path, &sql);
        let told = Arc::new(AtomicU64::new(0));
        let seen = Arc::clone(&told);
        let watch = Watch::new(move |done, _| {
            seen.store(done, Ordering::SeqCst);
        });
        let (state, notice) = State::open(&path, &mut ledger, None, &watch).unwrap();
        assert!(notice.is_none() && state.path().is_some(), "{sql}");
        assert_replay(&state, &ledger);
        assert_eq!(told.load(Ordering::SeqCst), ledger.size(), "who watches is told: {sql}");
    }
    for rubbish in [&b"no database at all, but long enough to look like one ............................"[..], b""] {
        std::fs::write(&path, rubbish).unwrap();
        assert_replay(&live(&path, &mut ledger), &ledger);
    }
}

#[test]
fn tables_that_cannot_be_kept_are_folded_in_memory_and_a_notice_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let (_, mut ledger) = sample(dir.path(), 1);
    // A file where the directory would be: not even root can make it one.
    std::fs::write(dir.path().join("data"), b"").unwrap();
    let (state, notice) = State::open(&dir.path().join("data/projection.db"), &mut ledger, None, &quiet()).unwrap();
    assert_eq!(notice.map(|n| n.code), Some("CS-LEDGER-041"));
    assert!(state.path().is_none());
    assert_replay(&state, &ledger);
}

#[cfg(unix)]
#[test]
fn the_file_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    let (_, mut ledger) = sample(dir.path(), 1);
    let _state = live(&dir.path().join("data/projection.db"), &mut ledger);
    for name in ["projection.db", "projection.db-wal", "projection.db-shm"] {
        let mode = std::fs::metadata(dir.path().join("data").join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{name}: {mode:o}");
    }
}

#[test]
fn another_pin_makes_other_tables() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("projection.db");
    let (_, mut ledger) = sample(dir.path(), 1);
    let pin = |trust_root| Pin {
        version: 1,
        origin: ledger.origin().to_owned(),
        vkey: ledger.vkey().to_string(),
        trust_root,
        seen: Seen { size: 0, root: Digest::from_bytes(merkle::empty_root()) },
        recorder: None,
    };
    let leaf = |ledger: &Ledger, index| Digest::from_bytes(merkle::leaf_hash(&ledger.entry_bytes(index).unwrap()));
    let right = pin(Some(PinnedEntry { index: 1, entry: leaf(&ledger, 1) }));
    let wrong = pin(Some(PinnedEntry { index: 2, entry: leaf(&ledger, 2) }));
    let none = pin(None);
    for pin in [&none, &right, &wrong, &none, &wrong, &right] {
        let (state, _) = State::open(&path, &mut ledger, Some(pin), &quiet()).unwrap();
        assert_equal(&state, &State::replay(&ledger, Some(pin), &quiet()).unwrap());
        assert_eq!(state.trust().is_some(), !std::ptr::eq(pin, &raw const wrong));
        assert_eq!(state.people().unwrap().is_empty(), state.trust().is_none(), "nobody without a root");
        drop(state);
        assert!(check(&path, &mut ledger, Some(pin), &quiet()).unwrap().differences.is_empty());
    }
}

#[test]
fn an_assessment_is_believed_and_not_one_of_more_than_there_was() {
    let dir = tempfile::tempdir().unwrap();
    let (mut history, mut ledger) = History::begin(dir.path());
    let founding = history.founding();
    history.append(&mut ledger, founding);
    let size = ledger.size();
    let (good, odd) = (history.assessment(size), history.assessment(size + 2));
    history.append(&mut ledger, vec![good, odd]);
    let state = State::replay(&ledger, None, &quiet()).unwrap();
    let believed = state.assessments().unwrap();
    assert_eq!(believed.iter().map(|a| a.index).collect::<Vec<_>>(), [size]);
    let anomalies = state.anomalies().unwrap();
    assert_eq!(anomalies.iter().map(|a| a.index).collect::<Vec<_>>(), [size + 1]);
    assert!(anomalies[0].what.contains("more of the log"), "{}", anomalies[0].what);
}

#[test]
fn an_act_about_the_logs_keys_is_ordered_by_an_administrator_only() {
    let dir = tempfile::tempdir().unwrap();
    let (history, ledger) = sample(dir.path(), 1);
    let state = State::replay(&ledger, None, &quiet()).unwrap();
    let asked = |who: usize| {
        let entry = history.second_key(who, None);
        state.is_key_act(entry.kind, &entry.payload.bytes).unwrap()
    };
    assert_eq!(asked(0), Ok(()));
    for who in 1..6 {
        assert!(asked(who).unwrap_err().contains("administrator"), "{who}");
    }
    let entry = history.second_key(0, None);
    assert!(state.is_key_act(EventKind::LogKeyRotated, &entry.payload.bytes).unwrap().is_err(), "it is another act");
    assert!(state.is_key_act(entry.kind, b"{}").unwrap().is_err());
}

/// Nobody has ordered anything.
struct Refuses;

impl Keyring for Refuses {
    fn held(&self, _: &Asked) -> Result<Option<Held>, countersign_store::Error> {
        Ok(Some(signer().into()))
    }

    fn is_ordered(&self, _: EventKind, _: &[u8]) -> Result<(), countersign_store::Error> {
        Err(countersign_store::Error::BadBatch { what: "nobody may order it".into() })
    }
}

#[test]
fn an_engine_exchanges_no_key_that_nobody_ordered() {
    let dir = tempfile::tempdir().unwrap();
    let (history, ledger) = sample(dir.path(), 1);
    let options = Options { keyring: Some(Arc::new(Refuses)), ..Options::new(Arc::new(signer())) };
    let engine = Embedded::open(&dir.path().join("ledger"), options).unwrap();
    let batch = |who| Batch {
        entries: vec![history.second_key(who, None)],
        expect_size: Some(ledger.size()),
        ..Batch::default()
    };
    let change = KeyChange::Second(None);
    let refused = engine.exchange(batch(4), clock(9).now(), &change).unwrap_err();
    assert!(refused.to_string().contains("nobody may order it"), "{refused}");
    // Nor one that the batch does not speak of.
    let other = KeyChange::Second(Some("x".into()));
    assert!(matches!(
        engine.exchange(batch(0), clock(9).now(), &other),
        Err(countersign_store::Error::BadBatch { .. })
    ));
    drop(engine);
    assert_eq!(Ledger::open(&dir.path().join("ledger")).unwrap().size(), ledger.size());
}
