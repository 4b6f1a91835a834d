//! Somebody with the run of the database changes what stands in it. The examination finds all of it.

use countersign_evidence::merkle::Hash;
use countersign_evidence::seal::SubjectKey;
use countersign_model::PersonId;
use countersign_store::verify::{LogTrust, Problem, VerifyReport, verify_source};
use countersign_store::{Engine as _, Source};

use crate::cluster::{Cluster, shared};
use crate::support::{Seen, batch, entry, keyed, new_ledger, now, open, read_only, signer};

fn examine_with(source: &dyn Source, remembered: Option<(u64, Hash)>) -> VerifyReport {
    let trust = LogTrust { vkeys: vec![signer().verifier().clone()], remembered, ..LogTrust::default() };
    verify_source(source, &trust, &mut |_, _, _| Vec::new()).unwrap()
}

fn examine(source: &dyn Source) -> VerifyReport {
    examine_with(source, None)
}

/// A ledger with every kind of row: two levels of the tree, keys, a blob of several parts, a person.
fn make(cluster: &Cluster, schema: &str) {
    let ledger = new_ledger(cluster, schema);
    let mut large = entry("large", vec![7; 1 << 20]);
    large.attachments = vec![large.payload.clone()];
    let mut with_blob = batch("blob", 1);
    with_blob.entries.push(large);
    ledger.append(with_blob, now(1)).unwrap();
    ledger.append(keyed("first", 3), now(1)).unwrap();
    ledger.append(batch("many", 600), now(2)).unwrap();
    ledger.append(keyed("second", 2), now(3)).unwrap();
    ledger.subject_keys().put(&PersonId::from_random([7; 10]), &SubjectKey::from_bytes([3; 32])).unwrap();
    ledger.publish().unwrap();
}

#[test]
fn what_is_sound_is_found_sound_with_and_without_the_key_and_while_others_append() {
    let Some(cluster) = shared() else { return };
    make(cluster, "sound");
    let (ledger, reader) = (open(cluster, "sound"), read_only(cluster, "sound"));
    for source in [&ledger, &reader] {
        let report = examine(source);
        assert_eq!((report.problems, report.notices), (vec![], vec![]));
        assert_eq!((report.size, report.checked.entries, report.checked.keys), (608, 608, 1));
    }
    std::thread::scope(|scope| {
        scope.spawn(|| (0..40).for_each(|i| drop(ledger.append(keyed(&format!("c{i}"), 9), now(4)).unwrap())));
        for _ in 0..3 {
            assert_eq!(examine(&ledger).problems, vec![]);
            assert_eq!(examine(&reader).problems, vec![]);
        }
    });
    assert_eq!(examine(&ledger).size, 608 + 360);
}

/// An insider's change; the file that must be named, and the entry.
type Change = (&'static str, &'static str, Option<u64>);

const CHANGES: &[Change] = &[
    // The entries.
    ("update @.entries set leaf = set_byte(leaf, 40, 0) where idx = 300", "entries/001", Some(300)),
    ("update @.entries set leaf = leaf || '\\x20' where idx = 0", "entries/000", Some(0)),
    ("update @.entries set leaf = '' where idx = 607", "entries/002", Some(607)),
    ("update @.entries set hash = sha256(leaf) where idx = 300", "tile/0/001", None),
    ("update @.entries set hash = '' where idx = 607", "entries/607", Some(607)),
    (
        "update @.entries set leaf = leaf || '\\x20', hash = sha256('\\x00'::bytea || leaf || '\\x20') where idx = 300",
        "",
        None,
    ),
    ("delete from @.entries where idx = 300", "entries/001", Some(300)),
    ("delete from @.entries where idx = 0", "entries/000", Some(0)),
    ("delete from @.entries where idx = 607", "entries/002", Some(607)),
    ("delete from @.entries where idx >= 512", "entries/002", Some(512)),
    ("delete from @.entries", "entries/000", Some(0)),
    (
        "update @.entries set leaf = (select leaf from @.entries where idx = 301) where idx = 300",
        "entries/001",
        Some(300),
    ),
    (
        "update @.entries set idx = case idx when 300 then 301 else 300 end where idx in (300, 301) and false; \
      update @.entries set idx = -1 where idx = 300; update @.entries set idx = 300 where idx = 301; \
      update @.entries set idx = 301 where idx = -1",
        "",
        None,
    ),
    ("update @.entries set idx = 9999 where idx = 607", "entries/002", Some(607)),
    ("insert into @.entries select 608, leaf, hash from @.entries where idx = 607", "entries/608", None),
    ("insert into @.entries select -1, leaf, hash from @.entries where idx = 607", "entries/-1", None),
    // The tree.
    ("update @.nodes set hash = sha256(hash) where idx = 0", "tile/1/000.p/", None),
    ("delete from @.nodes where idx = 1", "tile/1/000.p/", None),
    ("update @.nodes set level = 2 where idx = 1", "nodes/2", None),
    ("insert into @.nodes values (1, 7, '')", "nodes/1", None),
    ("update @.nodes set hash = (select hash from @.nodes where idx = 1)", "tile/1/000.p/", None),
    // Blobs.
    ("update @.blobs set bytes = set_byte(bytes, 100, 9) where part = 1", "blobs/sha256/", Some(2)),
    ("delete from @.blobs where part = 1", "blobs/sha256/", Some(2)),
    ("delete from @.blobs where part = 0 and octet_length(bytes) > 9999", "blobs/sha256/", Some(2)),
    ("delete from @.blobs where bytes = 'many 9'", "blobs/sha256/", Some(15)),
    ("update @.blobs set bytes = 'MANY 9' where bytes = 'many 9'", "blobs/sha256/", Some(15)),
    ("insert into @.blobs select sha256, 1, 'more' from @.blobs where bytes = 'many 9'", "blobs/sha256/", Some(15)),
    ("insert into @.blobs select sha256, -1, 'more' from @.blobs where bytes = 'many 9'", "blobs/sha256/", Some(15)),
    ("insert into @.blobs values (sha256('nobody'), 0, 'nobody')", "blobs/sha256/", None),
    ("insert into @.blobs values ('short', 0, 'nobody')", "blobs/sha256/", None),
    // What follows from the entries.
    ("update @.streams set version = version - 1 where stream = 'run-1'", "streams/run-1", None),
    ("update @.streams set version = version + 1 where stream = 'run-1'", "streams/run-1", None),
    ("update @.streams set stream = 'other' where stream = 'run-1'", "streams/run-1", None),
    ("delete from @.streams where stream = 'run-1'", "streams/run-1", None),
    ("insert into @.streams values ('none', 1)", "streams/none", None),
    ("update @.keys set idx = 9 where idx = 3", "keys/", Some(3)),
    ("delete from @.keys where idx = 3", "keys/", Some(3)),
    ("update @.keys set key = 'x' where idx = 3", "keys/", Some(3)),
    ("insert into @.keys values ('x', 1)", "keys/x", Some(1)),
    ("insert into @.keys values ('x', 608)", "keys/608", None),
    ("insert into @.keys values ('x', -1)", "keys/-1", None),
    ("update @.keys set idx = -idx; update @.keys set idx = case idx when -3 then 606 else 3 end", "keys/", Some(3)),
    ("update @.commits set root = sha256(root) where epoch = 2", "commits/2", None),
    ("update @.commits set size = size + 1 where epoch = 2", "commits/2", None),
    ("update @.commits set size = 0 where epoch = 2", "commits/2", None),
    ("delete from @.commits where epoch = 2", "commits/2", None),
    ("delete from @.commits where epoch = 5", "head", None),
    ("insert into @.commits values (6, 'x', 609, sha256('x'))", "head", None),
    ("insert into @.commits values (0, 'x', 609, sha256('x'))", "commits/0", None),
    // Checkpoints and the head.
    ("update @.checkpoints set note = 'x' where size = 1", "checkpoints/1", None),
    ("update @.checkpoints set size = 2 where size = 1", "checkpoints/2", None),
    ("insert into @.checkpoints select -1, note from @.checkpoints where size = 1", "checkpoints/-1", None),
    ("update @.head set root = sha256(root)", "head", None),
    ("update @.head set size = size - 1", "head", None),
    ("update @.head set size = size + 1", "head", None),
    ("update @.head set epoch = epoch + 1", "head", None),
    ("update @.head set last_time = last_time + 1", "head", None),
    ("update @.head set checkpoint = 'x'", "ledger/checkpoint", None),
    ("update @.head set checkpoint = replace(checkpoint, '608', '607')", "ledger/checkpoint", None),
    // What the ledger is.
    ("update @.ledger set origin = 'example.com/other'", "", None),
    ("update @.ledger set vkey = replace(vkey, '+', '-')", "", None),
    ("update @.ledger set salt = replace(salt, '5', '6')", "salt", None),
    ("update @.subject_keys set key = 'x'", "subjects/", None),
    ("update @.subject_keys set person = 'x'", "subjects/x", None),
];

#[test]
fn every_change_by_an_insider_is_found_and_named() {
    let Some(cluster) = shared() else { return };
    make(cluster, "insider");
    let reader = read_only(cluster, "insider");
    let mut missed = Vec::new();
    for (change, file, entry) in CHANGES {
        let undo = tables(cluster, change);
        cluster.sql(&change.replace("@.", "insider."));
        let report = examine(&reader);
        let names = |p: &&Problem| p.file.contains(file) && (entry.is_none() || p.entry == *entry);
        if !report.problems.iter().any(|p| names(&p)) {
            missed.push(format!("{change}\n    {:?}", report.problems.iter().take(3).collect::<Vec<_>>()));
        }
        undo();
    }
    assert!(missed.is_empty(), "{} of {} not found and named:\n{}", missed.len(), CHANGES.len(), missed.join("\n"));
    assert_eq!(examine(&reader).problems, vec![]);
}

/// Remembers the tables that a change names; what it returns puts them back.
fn tables<'a>(cluster: &'a Cluster, change: &str) -> impl FnOnce() + use<'a> {
    const TABLES: [&str; 10] =
        ["ledger", "head", "entries", "nodes", "blobs", "streams", "keys", "commits", "checkpoints", "subject_keys"];
    let named: Vec<&str> = TABLES.into_iter().filter(|t| change.contains(&format!("@.{t}"))).collect();
    let each = |f: fn(&str) -> String| named.iter().map(|t| f(t)).collect::<Vec<_>>().join(";");
    cluster.sql(&format!(
        "drop schema if exists kept cascade; create schema kept; {}",
        each(|t| format!("create table kept.{t} as table insider.{t}"))
    ));
    let back = each(|t| format!("truncate insider.{t}; insert into insider.{t} table kept.{t}"));
    move || {
        cluster.sql(&back);
    }
}

#[test]
fn a_restored_copy_is_found_by_what_was_remembered() {
    let Some(cluster) = shared() else { return };
    let ledger = new_ledger(cluster, "restored");
    ledger.append(batch("a", 30), now(1)).unwrap();
    ledger.publish().unwrap();
    let old = cluster.run("pg_dump", &["-n", "restored"]);
    let appended = ledger.append(batch("b", 300), now(2)).unwrap();
    let remembered = Some((appended.size, appended.root));
    drop(ledger);
    cluster.sql("drop schema restored cascade");
    cluster.feed(&old);
    let fresh = open(cluster, "restored");
    let codes = |report: VerifyReport| report.problems.iter().map(|p| p.code).collect::<Vec<_>>();
    assert_eq!(codes(examine_with(&fresh, None)), Vec::<&str>::new(), "nothing is wrong with it by itself");
    assert_eq!(codes(examine_with(&fresh, remembered)), ["CS-LEDGER-034"], "a rollback");
    fresh.append(batch("c", 400), now(3)).unwrap();
    assert_eq!(codes(examine_with(&fresh, remembered)), ["CS-LEDGER-035"], "a fork");
    assert_eq!(Seen::of(&fresh).entries.len(), 431);
}
