//! A release from `init` to `deploy` with the ledger in a real PostgreSQL server.

#[path = "../../../store/tests/pg/cluster.rs"]
#[expect(dead_code, reason = "the store's tests use the rest")]
pub(crate) mod cluster;

use super::support::{World, have_ssh_keygen};

#[test]
fn a_release_with_the_ledger_in_a_database() {
    let Some(cluster) = cluster::shared().filter(|_| have_ssh_keygen()) else { return };
    let mut w = World::new();
    w.ledger = Some(cluster.url("firm"));
    w.cs(["ledger", "info"]).expect(3);
    w.firm();
    w.approve();
    w.by("omar", &["deploy", "latest", "--env", "production"]).expect(0);
    assert!(!w.repo().join(".countersign").exists(), "nothing is kept in the repository");
    for args in [&["verify"][..], &["ledger", "runs"], &["ledger", "info"], &["ledger", "rebuild"]] {
        w.cs(args).expect(0);
    }
    let size: u64 = cluster.sql("select size from firm.head").parse().unwrap();
    assert_eq!(w.cs(["ledger", "info", "--format", "json"]).json()["size"], size);
    assert_eq!(w.cs(["verify", "--format", "json"]).expect(0).json()["size"], size);
    // An insider's change is found and named, and nothing is appended to a head that was changed.
    cluster.sql("update firm.entries set leaf = set_byte(leaf, 9, 65) where idx = 3");
    let found = w.cs(["verify"]).expect(13);
    assert!(found.all().contains("CS-LEDGER-009") && found.all().contains("entry 3"), "{}", found.all());
    cluster.sql("update firm.head set size = size - 1");
    assert!(w.cs(["run"]).expect(13).all().contains("CS-PG-007"));
    // What is no address, or would not be protected.
    w.ledger = Some("postgres://u@db.example.com/d?sslmode=disable".into());
    assert!(w.cs(["run"]).expect(2).all().contains("CS-PG-003"));
    w.ledger = Some("postgres://u@127.0.0.1:1/d".into());
    assert!(w.cs(["ledger", "info"]).all().contains("CS-PG-001"));
}
