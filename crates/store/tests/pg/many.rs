//! Many servers on one database.

use std::time::Duration;

use countersign_store::Engine as _;
use countersign_store::postgres::Postgres;

use crate::cluster::shared;
use crate::support::{Seen, keyed, new_ledger, now, open};

#[test]
fn eight_front_ends_make_one_dense_log_and_no_fork() {
    let Some(cluster) = shared() else { return };
    let ledger = new_ledger(cluster, "eight");
    let others: Vec<Postgres> = (0..8).map(|_| open(cluster, "eight")).collect();
    let notes: Vec<(u64, String)> = std::thread::scope(|scope| {
        let mut threads = Vec::new();
        for (k, front_end) in others.iter().enumerate() {
            for client in 0..4 {
                threads.push(scope.spawn(move || {
                    let append = |i| {
                        let appended = front_end.append(keyed(&format!("{k}/{client}/{i}"), 2), now(i)).unwrap();
                        (appended.first_index, appended.checkpoint)
                    };
                    (0..10).map(append).collect::<Vec<_>>()
                }));
            }
        }
        threads.into_iter().flat_map(|t| t.join().unwrap()).collect()
    });
    let seen = Seen::of(&ledger);
    assert_eq!(seen.entries.len(), 1 + 8 * 4 * 10 * 2);
    let mut firsts: Vec<u64> = notes.iter().map(|(first, _)| *first).collect();
    firsts.sort_unstable();
    assert!(firsts.iter().copied().eq((0..320).map(|i| 1 + 2 * i)), "indices are dense");
    notes.iter().for_each(|(_, note)| seen.must_agree_with(note));
    let dense = "select count(*) = max(idx) + 1 and count(*) = (select size from eight.head) from eight.entries";
    assert_eq!(cluster.sql(dense), "t");
    // What everyone published, too, is of one history.
    ledger.publish().unwrap();
    for note in cluster.sql("select replace(note, E'\\n', '|') from eight.checkpoints").lines() {
        seen.must_agree_with(&note.replace('|', "\n"));
    }
    for k in 0..8 {
        for client in 0..4 {
            for i in 0..10 {
                assert_eq!(seen.count(&format!("{k}/{client}/{i} 1")), 1);
            }
        }
    }
}

#[test]
fn a_follower_learns_what_another_server_appended() {
    let Some(cluster) = shared() else { return };
    let ledger = new_ledger(cluster, "follows");
    let other = open(cluster, "follows");
    let mut follower = other.follow().unwrap();
    assert!(!follower.wait(Duration::ZERO).unwrap());
    std::thread::scope(|scope| {
        let waits = scope.spawn(|| follower.wait(Duration::from_secs(60)).unwrap());
        ledger.append(keyed("x", 1), now(1)).unwrap();
        assert!(waits.join().unwrap());
    });
    assert_eq!(Seen::of(&other).count("x 0"), 1);
    // A connection that is ended under its hands is made anew.
    let mine = "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'countersign' and query \
                like '%follows%'";
    cluster.sql(mine);
    ledger.append(keyed("y", 1), now(1)).unwrap();
    assert!(follower.wait(Duration::from_secs(60)).unwrap());
    assert_eq!(Seen::of(&other).count("y 0"), 1);
}
