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
    // A pack of it holds the log as files.
    let pack = w.path("pack.zip");
    w.cs(["audit", "pack", "--out", pack.to_str().unwrap()]).expect(0);
    w.cs(["verify", pack.to_str().unwrap(), "--re-evaluate"]).expect(0);
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

#[test]
fn a_ledger_in_a_database_is_backed_up_and_comes_back_in_a_directory() {
    let Some(cluster) = cluster::shared().filter(|_| have_ssh_keygen()) else { return };
    let mut w = World::new();
    let url = cluster.url("kept");
    w.ledger = Some(url.clone());
    w.firm();
    w.approve();
    let text = |path: &std::path::Path| path.to_str().unwrap().to_owned();
    let target = text(&w.path("backup"));
    let backup = |w: &World| w.cs(["ledger", "backup", &target, "--format", "json"]);
    let made = backup(&w).expect(0).json();
    assert_eq!((&made["copied"], &made["waiting"]), (&made["manifest"]["files"], &0.into()), "{made}");
    let size: u64 = cluster.sql("select size from kept.head").parse().unwrap();
    let blobs: u64 = cluster.sql("select count(distinct sha256) from kept.blobs").parse().unwrap();
    let people: u64 = cluster.sql("select count(*) from kept.subject_keys").parse().unwrap();
    assert_eq!((made["manifest"]["size"].as_u64(), made["manifest"]["blobs"].as_u64()), (Some(size), Some(blobs)));
    // Only what is new is copied the next time.
    assert_eq!(backup(&w).expect(0).json()["copied"], 2);
    w.commit_signed("mia", "more.sh", "echo more\n");
    w.cs(["run"]).expect(11);
    let more = backup(&w).expect(0).json();
    assert!(more["copied"].as_u64().unwrap() < more["manifest"]["files"].as_u64().unwrap() / 2, "{more}");

    // It comes back whole, as a directory: every entry, every blob, the names of people.
    let back = w.path("back");
    let ledger = w.ledger.take();
    let restored = w.cs(["ledger", "restore", &target, &text(&back), "--format", "json"]).expect(0).json();
    assert_eq!((&restored["size"], &restored["blobs"]), (&more["manifest"]["size"], &more["manifest"]["blobs"]));
    let keys = std::fs::read_dir(back.join("subjects")).unwrap().count() as u64;
    assert_eq!(keys, people);
    w.ledger = Some(text(&back));
    w.cs(["verify"]).expect(0);
    assert!(w.cs(["person", "list"]).expect(0).out.contains("Ada"));
    assert_eq!(w.cs(["ledger", "info", "--format", "json"]).json()["size"], more["manifest"]["size"]);
    w.ledger = ledger;

    w.commit_signed("mia", "after.sh", "echo after\n");
    w.cs(["run"]).expect(11);
    w.cs(["verify"]).expect(0);

    // None comes from a role that may not read all of it.
    let roles = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/sql/roles.sql");
    cluster.run("psql", &["-X", "-q", "-v", "ON_ERROR_STOP=1", "-v", "schema=kept", "-f", roles]);
    cluster.sql("create role inspector login in role countersign_auditor");
    w.ledger = Some(url.replace("tester@", "inspector@"));
    let refused = w.cs(["ledger", "backup", &text(&w.path("partial"))]);
    assert!(refused.code != 0 && refused.err.contains("CS-PG-008"), "{}", refused.all());

    // What is missing in the database is not missed in silence.
    w.ledger = Some(url);
    cluster.sql("delete from kept.blobs where sha256 in (select sha256 from kept.blobs order by sha256 limit 1)");
    let fresh = text(&w.path("fresh"));
    let broken = w.cs(["ledger", "backup", &fresh]).expect(13);
    assert!(broken.err.contains("CS-LEDGER-0") && broken.err.contains("blobs/sha256/"), "{}", broken.err);
}

#[test]
fn witnesses_cosign_a_ledger_in_a_database_and_the_cosignatures_stay() {
    let Some(cluster) = cluster::shared().filter(|_| have_ssh_keygen()) else { return };
    let mut w = World::new();
    w.ledger = Some(cluster.url("cosigned"));
    w.firm();
    let keys = super::witness::init(&w, "w1", "witness.example/w1");
    let home = w.path("home");
    let plain = |args: &[&str]| {
        let mut command = w.command(env!("CARGO_BIN_EXE_countersign"), &home);
        assert!(command.args(args).output().unwrap().status.success(), "{args:?}");
    };
    let vkey = cluster.sql("select vkey from cosigned.ledger");
    plain(&["witness", "add-log", "w1", &vkey]);
    let witness = super::witness::Server::start(&w, &["witness", "serve", "w1", "--listen", "127.0.0.1:0"]);
    let policy = format!("log {vkey}\nwitness w1 {} {}\nquorum w1\n", keys[0], witness.url);
    std::fs::write(w.path("policy"), policy).unwrap();
    w.cs(["trust", "policy", "set", w.path("policy").to_str().unwrap()]).expect(0);
    let asked = w.cs(["ledger", "witness", "--format", "json"]).expect(0).json();
    assert_eq!(asked["quorum"]["met"], true, "{asked}");
    let lines =
        || cluster.sql("select checkpoint from cosigned.head").lines().filter(|l| l.starts_with('\u{2014}')).count();
    assert_eq!(lines(), 2, "the log's signature and the witness's");
    w.cs(["verify"]).expect(0);
    // Every command that appends asks again, and what was cosigned is what everybody reads, with the log key and without.
    w.commit("b.sh", "echo b\n");
    let ran = w.cs(["run"]).expect(11);
    assert!(!ran.err.contains("quorum"), "{}", ran.err);
    assert_eq!(lines(), 2);
    let size: u64 = cluster.sql("select size from cosigned.head").parse().unwrap();
    let verified = w.cs(["verify", "--format", "json"]).expect(0).json();
    assert_eq!(verified["size"], size);
    // An assessment verifies it as well, and sees the witness.
    let assessed = w.cs(["assess", "--format", "json"]).expect(10).json();
    let outcome = |id: &str| {
        let controls = assessed["controls"].as_array().unwrap();
        controls.iter().find(|c| c["id"] == id).unwrap()["outcome"].as_str().unwrap().to_owned()
    };
    assert_eq!([outcome("evidence-is-immutable"), outcome("log-is-witnessed")], ["pass", "pass"]);
    let receipt = w.cs(["ledger", "witness", "--format", "json"]).expect(0).json();
    assert_eq!(receipt["size"], size);
    // The witness is down: the entry stands, and verification says what is missing.
    witness.kill();
    w.commit("c.sh", "echo c\n");
    let ran = w.cs(["run"]).expect(11);
    assert!(ran.err.contains("quorum of witnesses is not met"), "{}", ran.err);
    assert_ne!(w.cs(["verify"]).code, 0);
}
