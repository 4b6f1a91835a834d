//! How many entries a second k front-ends append to one ledger in PostgreSQL, against a raw sequenced insert of the same
//! batches on the same server: `cargo bench -p countersign-store --bench postgres`.
//!
//! Each front-end has eight clients, each of which appends an entry with a payload of 1 KiB and waits for the answer. The
//! raw line is what a front-end costs the database at least: lock a row, insert eight rows of 1 KiB, commit.

#![expect(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a benchmark")]

#[path = "../tests/pg/cluster.rs"]
#[expect(dead_code, reason = "the tests use the rest")]
mod cluster;
#[path = "../tests/pg/support.rs"]
#[expect(dead_code, reason = "the tests use the rest")]
mod support;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use countersign_store::postgres::Postgres;
use countersign_store::{Batch, Engine as _};
use postgres::NoTls;

const CLIENTS: usize = 8;
const SPAN: Duration = Duration::from_secs(5);

fn main() {
    let Some(cluster) = cluster::shared() else { return };
    println!("{}", cluster.sql("select version()"));
    println!("front-ends  entries/s  raw/s  ratio  against one front-end");
    let mut first = None;
    for front_ends in [1, 2, 4, 8] {
        let ours = ours(cluster, front_ends);
        let raw = raw(cluster, front_ends);
        let one = *first.get_or_insert(ours);
        println!("{front_ends:>10}  {ours:>9.0}  {raw:>5.0}  {:>5.2}  {:>5.2}", ours / raw, ours / one);
    }
}

/// Runs `work` in threads for a while; how much of it was done a second.
fn measure<W: Fn(usize, u64) -> u64 + Sync>(threads: usize, work: W) -> f64 {
    let (stop, done) = (AtomicBool::new(false), AtomicU64::new(0));
    let start = Instant::now();
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let (stop, done, work) = (&stop, &done, &work);
            scope.spawn(move || {
                for i in 0.. {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    done.fetch_add(work(thread, i), Ordering::Relaxed);
                }
            });
        }
        std::thread::sleep(SPAN);
        stop.store(true, Ordering::Relaxed);
    });
    let seconds = start.elapsed().as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "a benchmark")]
    let done = done.into_inner() as f64;
    done / seconds
}

fn payload(name: &str) -> Vec<u8> {
    format!("{name:<1024}").into_bytes()
}

fn ours(cluster: &cluster::Cluster, front_ends: usize) -> f64 {
    let schema = format!("bench_{front_ends}");
    let _made = support::new_ledger(cluster, &schema);
    let ledgers: Vec<Postgres> = (0..front_ends).map(|_| support::open(cluster, &schema)).collect();
    let rate = measure(front_ends * CLIENTS, |thread, i| {
        let new = support::entry(&format!("run-{thread}"), payload(&format!("{thread}/{i}")));
        let batch = Batch { entries: vec![new], ..Batch::default() };
        ledgers[thread / CLIENTS].append(batch, support::now(0)).unwrap();
        1
    });
    let dense = format!("select count(*) = max(idx) + 1 from {schema}.entries");
    assert_eq!(cluster.sql(&dense), "t");
    rate
}

fn raw(cluster: &cluster::Cluster, writers: usize) -> f64 {
    let schema = format!("raw_{writers}");
    cluster.sql(&format!(
        "create schema {schema}; create table {schema}.head (size bigint); insert into {schema}.head values (0); \
         create table {schema}.entries (idx bigint primary key, leaf bytea not null)"
    ));
    let connect = || {
        let at = format!("host=127.0.0.1 port={} user=tester dbname=postgres", cluster.port);
        std::sync::Mutex::new(postgres::Client::connect(&at, NoTls).unwrap())
    };
    let clients: Vec<_> = (0..writers).map(|_| connect()).collect();
    let update = format!("update {schema}.head set size = size + 8 returning size");
    let insert = format!("insert into {schema}.entries select * from unnest($1::bigint[], $2::bytea[])");
    measure(writers, |writer, i| {
        let mut client = clients[writer].lock().unwrap();
        let mut transaction = client.transaction().unwrap();
        let size: i64 = transaction.query_one(&update, &[]).unwrap().get(0);
        let leaves: Vec<Vec<u8>> = (0..8).map(|n| payload(&format!("{writer}/{i}/{n}"))).collect();
        transaction.execute(&insert, &[&(size - 8..size).collect::<Vec<i64>>(), &leaves]).unwrap();
        transaction.commit().unwrap();
        8
    })
}
