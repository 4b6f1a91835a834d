//! Servers that crash, processes that are stopped, and databases that go back.

use std::collections::HashMap;
use std::time::Duration;

use countersign_model::Diagnostic as _;
use countersign_store::postgres::{Options, Postgres};
use countersign_store::{Engine as _, Source as _};

use crate::child::{Ack, FrontEnd};
use crate::cluster::{Cluster, shared};
use crate::support::{Seen, batch, keyed, keyring, new_ledger, now, open, open_with, read_only};

/// Everything that was acknowledged stands in the log exactly once, where it was said to stand, and no note contradicts
/// another.
fn must_hold(ledger: &Postgres, acks: &[Ack]) {
    let seen = Seen::of(ledger);
    let mut places = HashMap::new();
    for ack in acks {
        seen.must_agree_with(&ack.note);
        assert_eq!(seen.count(&format!("{} 0", ack.name)), 1, "{} exactly once", ack.name);
        assert!(places.insert(ack.first, &ack.name).is_none(), "two at {}", ack.first);
        let key = seen.entries[usize::try_from(ack.first).unwrap()].key.as_deref();
        assert!(key.is_some(), "{} stands where it was said to", ack.name);
    }
}

#[test]
fn acknowledged_means_present_exactly_once_when_the_server_crashes_under_load() {
    let Some(cluster) = Cluster::start(&[]) else { return };
    let ledger = new_ledger(&cluster, "crash");
    let mut front_ends: Vec<FrontEnd> =
        (0..3).map(|k| FrontEnd::start(&cluster.url("crash"), &format!("f{k}"), 4, 120, 10_000)).collect();
    let mut acks = Vec::new();
    for _ in 0..4 {
        // In the middle of the load, wherever that is.
        for front_end in &mut front_ends {
            acks.extend((0..12).filter_map(|_| front_end.next_ack()));
        }
        assert!(size(&cluster, "crash") < 1 + 3 * 4 * 120, "the load is over");
        cluster.crash_and_restart();
    }
    for front_end in &mut front_ends {
        acks.extend(std::iter::from_fn(|| front_end.next_ack()));
    }
    assert_eq!(acks.len(), 3 * 4 * 120);
    must_hold(&ledger, &acks);
    assert_eq!(Seen::of(&ledger).entries.len(), 1 + acks.len(), "nothing stands twice");
}

#[test]
fn a_front_end_that_is_stopped_while_it_holds_the_lock_is_passed_by() {
    let Some(cluster) = shared() else { return };
    let ledger = new_ledger(cluster, "stopped");
    let mut acks = Vec::new();
    let mut front_end = FrontEnd::start(&cluster.url("stopped"), "s", 1, 0, 400);
    front_end.go(true);
    acks.push(front_end.next_ack().unwrap());
    for round in 0..3 {
        // It waits for the lock, is stopped, and then is given it.
        let mut holder = postgres::Client::connect(
            &format!("host=127.0.0.1 port={} user=tester dbname=postgres", cluster.port),
            postgres::NoTls,
        )
        .unwrap();
        holder.batch_execute("begin; select 1 from stopped.head for update").unwrap();
        front_end.go(true);
        let waiting = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and query like '%stopped%'";
        while holder.query_one(waiting, &[]).unwrap().get::<_, i64>(0) == 0 {
            front_end.must_run();
            // Within a transaction the database shows the activity as it was at the first look.
            holder.execute("select pg_stat_clear_snapshot()", &[]).unwrap();
            std::thread::yield_now();
        }
        front_end.signal("-STOP");
        holder.batch_execute("commit").unwrap();
        let appended = ledger.append(keyed(&format!("other{round}"), 1), now(0)).unwrap();
        acks.push(Ack { name: format!("other{round}"), first: appended.first_index, note: appended.checkpoint });
        ledger.publish().unwrap();
        front_end.signal("-CONT");
        acks.push(front_end.next_ack().unwrap());
    }
    front_end.go(false);
    assert!(front_end.next_ack().is_none());
    assert_eq!(acks.len(), 1 + 3 + 3);
    must_hold(&ledger, &acks);
    assert_eq!(Seen::of(&ledger).entries.len(), 1 + acks.len());
}

#[test]
fn two_signers_one_of_them_stopped_and_continued_at_any_moment_never_contradict_each_other() {
    let Some(cluster) = shared() else { return };
    let ledger = new_ledger(cluster, "signers");
    let mut front_end = FrontEnd::start(&cluster.url("signers"), "s", 4, 200, 200);
    let mut acks = Vec::new();
    for round in 0..20 {
        acks.extend((0..5).filter_map(|_| front_end.next_ack()));
        assert!(size(cluster, "signers") < 1 + 800, "the load is over");
        front_end.signal("-STOP");
        let name = format!("other{round}");
        let appended = ledger.append(keyed(&name, 1), now(0)).unwrap();
        acks.push(Ack { name, first: appended.first_index, note: appended.checkpoint });
        ledger.publish().unwrap();
        front_end.signal("-CONT");
    }
    acks.extend(std::iter::from_fn(|| front_end.next_ack()));
    assert_eq!(acks.len(), 800 + 20);
    must_hold(&ledger, &acks);
    let seen = Seen::of(&ledger);
    for note in cluster.sql("select replace(note, E'\\n', '|') from signers.checkpoints").lines() {
        seen.must_agree_with(&note.replace('|', "\n"));
    }
}

#[test]
fn publishing_compares_and_swaps() {
    let Some(cluster) = shared() else { return };
    let ledger = new_ledger(cluster, "swap");
    ledger.publish().unwrap();
    let old = cluster.sql("select checkpoint from swap.head");
    ledger.append(batch("a", 1), now(1)).unwrap();
    ledger.publish().unwrap();
    let published = cluster.sql("select checkpoint from swap.head");
    assert_ne!(old, published);
    // A signer that comes late with what it signed before others appended.
    let late = "with u as (update swap.head set checkpoint = 'late' where one = 1 and size = 1 and epoch = 1 returning \
                size) select count(*) from u";
    assert_eq!(cluster.sql(late), "0");
    assert_eq!(cluster.sql("select checkpoint from swap.head"), published);
}

fn size(cluster: &Cluster, schema: &str) -> u64 {
    cluster.sql(&format!("select size from {schema}.head")).parse().unwrap()
}

fn dump(cluster: &Cluster, schema: &str) -> Vec<u8> {
    cluster.run("pg_dump", &["-n", schema])
}

fn restore(cluster: &Cluster, schema: &str, dump: &[u8]) {
    cluster.sql(&format!("drop schema {schema} cascade"));
    cluster.feed(dump);
}

#[test]
fn a_database_that_went_back_is_refused_by_everyone_who_saw_more() {
    let Some(cluster) = shared() else { return };
    let ledger = new_ledger(cluster, "back");
    ledger.append(batch("a", 3), now(1)).unwrap();
    ledger.publish().unwrap();
    let old = dump(cluster, "back");
    ledger.append(batch("b", 300), now(2)).unwrap();
    let others: Vec<Postgres> = (0..3).map(|_| open(cluster, "back")).collect();
    restore(cluster, "back", &old);
    for seen_more in [&ledger, &others[0]] {
        assert_eq!(seen_more.append(batch("c", 1), now(3)).unwrap_err().code(), "CS-PG-007");
        assert_eq!(seen_more.read("ledger/checkpoint", 10_000).unwrap_err().code(), "CS-PG-007");
        assert_eq!(seen_more.publish().unwrap_err().code(), "CS-PG-007");
    }
    // A server that knows nothing of it goes on from there, and everyone else sees the fork.
    let fresh = open(cluster, "back");
    fresh.append(batch("another", 400), now(4)).unwrap();
    for seen_more in [&others[1], &others[2]] {
        assert_eq!(seen_more.append(batch("c", 1), now(5)).unwrap_err().code(), "CS-PG-007");
        assert_eq!(seen_more.read("ledger/checkpoint", 10_000).unwrap_err().code(), "CS-PG-007");
    }
}

#[test]
fn a_head_that_nobody_with_the_log_key_made_is_never_signed() {
    let Some(cluster) = shared() else { return };
    let ledger = new_ledger(cluster, "forged");
    ledger.append(batch("a", 3), now(1)).unwrap();
    ledger.publish().unwrap();
    let good = dump(cluster, "forged");
    // An entry of the insider's own, with everything that follows from it, but for the seal.
    let forge = "insert into forged.entries select 4, leaf, sha256('\\x00'::bytea || leaf) from forged.entries where idx = 3; \
                 update forged.head set size = 5, epoch = epoch + 1";
    for change in [
        forge,
        "update forged.head set size = 3",
        "update forged.head set size = 5",
        "update forged.head set root = sha256('x')",
        "update forged.head set epoch = epoch + 1",
        "update forged.head set last_time = 0",
        "update forged.head set seal = sha256('x')",
        "delete from forged.head",
    ] {
        cluster.sql(change);
        assert_eq!(ledger.append(batch("c", 1), now(3)).unwrap_err().code(), "CS-PG-007", "{change}");
        assert_eq!(ledger.read("ledger/checkpoint", 10_000).unwrap_err().code(), "CS-PG-007", "{change}");
        let opened = open_with(cluster, "forged", Options::default());
        assert_eq!(opened.unwrap_err().code(), "CS-PG-007", "{change}");
        restore(cluster, "forged", &good);
    }
    // A note that is none, or of another root.
    for change in
        ["update forged.head set checkpoint = 'x'", "update forged.head set checkpoint = replace(checkpoint, '4', '3')"]
    {
        cluster.sql(change);
        let opened = Postgres::open(cluster.address("forged"), Options::default(), keyring(false));
        assert_eq!(opened.unwrap_err().code(), "CS-LEDGER-009", "{change}");
        restore(cluster, "forged", &good);
    }
    ledger.append(batch("c", 1), now(3)).unwrap();
    assert_eq!(Seen::of(&read_only(cluster, "forged")).entries.len(), 4);
}

#[test]
fn a_database_that_is_away_is_said_to_be_away() {
    let Some(cluster) = Cluster::start(&[]) else { return };
    let ledger = {
        new_ledger(&cluster, "away");
        let options = Options { wait: Duration::from_millis(300), ..Options::default() };
        open_with(&cluster, "away", options).unwrap()
    };
    drop(cluster);
    assert_eq!(ledger.append(batch("c", 1), now(3)).unwrap_err().code(), "CS-PG-001");
    assert_eq!(ledger.read("ledger/tile/0/000.p/1", 100).unwrap_err().code(), "CS-PG-001");
}
