//! A ledger in PostgreSQL: its keys are exchanged, and payloads are disposed of, with other machines about.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use countersign_evidence::checkpoint::{self, Extensions};
use countersign_evidence::note::{Note, SignerKey, VerifierKey};

use super::database::cluster::{self, Cluster};
use super::support::{Ran, World, have_ssh_keygen};

fn firm(schema: &str) -> Option<(&'static Cluster, World)> {
    let cluster = cluster::shared().filter(|_| have_ssh_keygen())?;
    let mut w = World::with_commit();
    w.ledger = Some(cluster.url(schema));
    w.firm();
    Some((cluster, w))
}

/// The directory of the ledger's keys and pin.
fn keys(data: &Path) -> PathBuf {
    fs::read_dir(data.join("ledgers")).unwrap().next().unwrap().unwrap().path()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else if path.is_file() {
            fs::copy(&path, &target).unwrap();
        }
    }
}

/// Runs a command with another data directory: another machine.
fn elsewhere(w: &World, data: &Path, args: &[&str]) -> Ran {
    let mut command = w.command(env!("CARGO_BIN_EXE_countersign"), &w.repo());
    command.env("COUNTERSIGN_DATA_DIR", data).args(args).args(["--ledger", w.ledger.as_ref().unwrap()]);
    World::finish(command)
}

fn note(cluster: &Cluster, schema: &str) -> Note {
    let text = cluster.sql(&format!("select replace(checkpoint, E'\\n', '|') from {schema}.head")).replace('|', "\n");
    Note::parse(text.as_bytes()).unwrap()
}

fn pinned(data: &Path) -> String {
    let pin = fs::read(keys(data).join("pin.json")).unwrap();
    serde_json::from_slice::<serde_json::Value>(&pin).unwrap()["vkey"].as_str().unwrap().to_owned()
}

fn rotate(w: &World) -> serde_json::Value {
    w.by("ada", &["ledger", "rotate-key", "--format", "json"]).expect(0).json()
}

#[test]
fn the_key_is_exchanged_and_no_other_machine_goes_on_with_the_old_one() {
    let Some((cluster, w)) = firm("key_rotated") else { return };
    let data = w.path("data");
    let trust = w.path("old-trust");
    let trust = trust.to_str().unwrap();
    w.cs(["trust", "export", "--out", trust]).expect(0);
    // Another server with the same keys, and an auditor's machine with none.
    let (server, auditor) = (w.path("server"), w.path("auditor"));
    copy(&data, &server);
    elsewhere(&w, &auditor, &["trust", "import", trust]).expect(0);
    elsewhere(&w, &auditor, &["verify"]).expect(0);
    let old = pinned(&data);
    let rotated = rotate(&w);
    let new = rotated["new"].as_str().unwrap();
    assert_eq!((rotated["old"].as_str().unwrap(), pinned(&data).as_str()), (old.as_str(), new));
    assert!(!keys(&data).join("log.key.next").exists());
    assert_eq!(note(cluster, "key_rotated").signatures.len(), 2, "the checkpoint between the two");
    w.cs(["verify"]).expect(0);

    // The other server records nothing more, says why, and reads on; so does the auditor.
    let size = cluster.sql("select size from key_rotated.head");
    let refused = elsewhere(&w, &server, &["run"]).expect(4);
    assert!(refused.err.contains("CS-KEY-0"), "{}", refused.err);
    assert_eq!(cluster.sql("select size from key_rotated.head"), size);
    for machine in [&server, &auditor] {
        elsewhere(&w, machine, &["verify"]).expect(0);
        elsewhere(&w, machine, &["ledger", "runs"]).expect(0);
        assert_eq!(pinned(machine), new);
    }
    w.cs(["run"]).expect(11);
    assert_eq!(note(cluster, "key_rotated").signatures.len(), 1, "the new key alone");
    // It gets the new key, and goes on.
    fs::copy(keys(&data).join("log.key"), keys(&server).join("log.key")).unwrap();
    elsewhere(&w, &server, &["run"]).expect(11);
    for args in [&["verify"][..], &["verify", "--trust", trust], &["ledger", "rebuild", "--check"]] {
        w.cs(args).expect(0);
        elsewhere(&w, &auditor, args).expect(0);
    }
    rotate(&w);
    rotate(&w);
    w.cs(["verify", "--trust", trust]).expect(0);
    elsewhere(&w, &auditor, &["ledger", "runs"]).expect(0);
    elsewhere(&w, &auditor, &["verify"]).expect(0);

    // A backup leads from the first key to the last one, and comes back in a directory.
    let (target, back) = (w.path("backup"), w.path("back"));
    let (target, back) = (target.to_str().unwrap(), back.to_str().unwrap());
    w.cs(["ledger", "backup", target]).expect(0);
    w.cs(["ledger", "restore", target, back]).expect(0);
    let mut restored = w.command(env!("CARGO_BIN_EXE_countersign"), &w.repo());
    restored.args(["verify", "--ledger", back, "--trust", trust]);
    World::finish(restored).expect(0);

    // An insider's rows are found and named.
    for (change, file) in [
        ("delete from @.log_keys where note = (select max(note) from @.log_keys)", ""),
        ("update @.log_keys set idx = 1 where note = (select max(note) from @.log_keys)", "log_keys/1"),
        ("insert into @.log_keys values (2, null, 'x')", "log_keys/"),
        ("insert into @.log_keys values (2, null, '')", "log_keys/"),
    ] {
        cluster
            .sql("drop table if exists public.kept_keys; create table public.kept_keys as table key_rotated.log_keys");
        cluster.sql(&change.replace('@', "key_rotated"));
        let found = elsewhere(&w, &auditor, &["verify", "--format", "json"]).expect(13);
        assert!(found.all().contains(file), "{change}: {}", found.all());
        cluster.sql("truncate key_rotated.log_keys; insert into key_rotated.log_keys table public.kept_keys");
    }
    elsewhere(&w, &auditor, &["verify"]).expect(0);
}

#[test]
fn a_rotation_that_was_interrupted_is_completed() {
    let Some((cluster, w)) = firm("key_interrupted") else { return };
    let (data, before) = (w.path("data"), w.path("before"));
    copy(&data, &before);
    let published = note(cluster, "key_interrupted").to_string();
    let rotated = rotate(&w);
    let (old, new) = (rotated["old"].as_str().unwrap(), rotated["new"].as_str().unwrap());
    let after = w.path("after");
    copy(&data, &after);
    let back = |published_too: bool| {
        // The machine died when the transaction was committed: all it has is the key that it kept before.
        fs::remove_dir_all(&data).unwrap();
        copy(&before, &data);
        fs::copy(keys(&after).join("log.key"), keys(&data).join("log.key.next")).unwrap();
        if !published_too {
            cluster.sql(&format!("update key_interrupted.head set checkpoint = '{published}'"));
        }
    };
    for published_too in [false, true] {
        back(published_too);
        // Who looks meanwhile sees a sound ledger, with the key or without.
        w.cs(["verify"]).expect(0);
        let auditor = w.path(if published_too { "auditor-1" } else { "auditor-0" });
        let trust = w.path("trust");
        fs::write(&trust, format!("{old}\n")).unwrap();
        elsewhere(&w, &auditor, &["verify", "--trust", trust.to_str().unwrap()]).expect(0);
        if published_too {
            w.cs(["run"]).expect(11);
        } else {
            w.cs(["ledger", "runs"]).expect(0);
            assert_eq!(note(cluster, "key_interrupted").signatures.len(), 2, "both keys are there");
        }
        assert_eq!(pinned(&data), new);
        assert!(!keys(&data).join("log.key.next").exists());
        w.cs(["verify"]).expect(0);
    }
    // One that was interrupted before the transaction: the old key is in force, and the kept one is taken the next time.
    let kept = SignerKey::generate(VerifierKey::parse(new).unwrap().name()).unwrap();
    let next = keys(&data).join("log.key.next");
    fs::write(&next, format!("{}\n", kept.to_text().unwrap().as_str())).unwrap();
    w.cs(["run"]).expect(11);
    assert_eq!((pinned(&data).as_str(), next.exists()), (new, true));
    assert_eq!(rotate(&w)["new"], kept.verifier().to_string());
    w.cs(["verify"]).expect(0);
}

#[test]
fn every_checkpoint_carries_the_second_key_until_it_is_retired() {
    const SIZES: (usize, usize) = (64, 8 + 2420);
    let Some((cluster, w)) = firm("key_second") else { return };
    let lengths = || note(cluster, "key_second").signatures.iter().map(|s| s.bytes.len()).collect::<Vec<_>>();
    let (data, server) = (w.path("data"), w.path("server"));
    copy(&data, &server);
    assert!(w.by("ada", &["ledger", "sign-also", "none"]).expect(2).err.contains("CS-KEY-053"));
    let sign_also = |what: &str| w.by("ada", &["ledger", "sign-also", what, "--format", "json"]).expect(0).json();
    let made = sign_also("ml-dsa-44");
    assert_eq!(lengths(), [SIZES.0, SIZES.1], "the checkpoint that covers the entry");
    assert!(w.by("ada", &["ledger", "sign-also", "ml-dsa-44"]).expect(2).err.contains("CS-KEY-052"));
    w.cs(["run"]).expect(11);
    assert_eq!(lengths(), [SIZES.0, SIZES.1]);
    let text = note(cluster, "key_second").to_string();
    let second = VerifierKey::parse(made["vkey"].as_str().unwrap()).unwrap();
    let first = VerifierKey::parse(&pinned(&data)).unwrap();
    let (_, verified) = checkpoint::open_verified(text.as_bytes(), &[first, second], Extensions::Refused).unwrap();
    assert_eq!((verified.by, verified.unknown.len()), (vec![0, 1], 0));
    // A server without its file signs nothing alone.
    let size = cluster.sql("select size from key_second.head");
    assert!(elsewhere(&w, &server, &["run"]).expect(4).err.contains("CS-KEY-050"));
    assert_eq!(cluster.sql("select size from key_second.head"), size);
    elsewhere(&w, &server, &["verify"]).expect(0);
    let file = keys(&data).join("log.key.ml-dsa-44");
    fs::copy(&file, keys(&server).join("log.key.ml-dsa-44")).unwrap();
    elsewhere(&w, &server, &["run"]).expect(11);
    assert_eq!(lengths(), [SIZES.0, SIZES.1]);
    // The first key is exchanged: the second stays.
    rotate(&w);
    assert_eq!(lengths(), [SIZES.0, SIZES.0, SIZES.1]);
    w.cs(["verify"]).expect(0);
    w.cs(["run"]).expect(11);
    assert_eq!(lengths(), [SIZES.0, SIZES.1]);
    // It is lost: nothing is recorded, and it can be retired all the same.
    fs::remove_file(&file).unwrap();
    assert!(w.cs(["run"]).expect(4).err.contains("CS-KEY-050"));
    let serving = w.cs(["serve", "--listen", "127.0.0.1:0"]).expect(4);
    assert!(serving.err.contains("CS-KEY-050"), "{}", serving.err);
    w.cs(["verify"]).expect(0);
    assert!(sign_also("none")["vkey"].is_null());
    assert_eq!(lengths(), [SIZES.0]);
    w.cs(["run"]).expect(11);
    assert_ne!(sign_also("ml-dsa-44")["vkey"], made["vkey"]);
    for args in [&["verify"][..], &["ledger", "rebuild", "--check"]] {
        w.cs(args).expect(0);
    }
}

#[cfg(debug_assertions)]
#[test]
fn two_people_dispose_of_payloads_in_a_database() {
    let Some(cluster) = cluster::shared().filter(|_| have_ssh_keygen()) else { return };
    let mut w = World::new();
    let url = cluster.url("disposed");
    w.ledger = Some(url.clone());
    w.now = Some("2027-01-10T12:00:00Z".into());
    w.firm();
    w.approve();
    let start = ["retention", "start", "audit-concluded", "--select", "all", "--on", "2027-01-05", "--reason", "AR-7"];
    w.by("ruth", &start).expect(0);
    let roles = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/sql/roles.sql");
    cluster.run("psql", &["-X", "-q", "-v", "ON_ERROR_STOP=1", "-v", "schema=disposed", "-f", roles]);
    cluster.sql("create role recording login in role countersign_writer; create role removing login in role countersign_disposer");
    let blobs = || cluster.sql("select count(distinct sha256) from disposed.blobs").parse::<u64>().unwrap();
    let size = || cluster.sql("select size from disposed.head").parse::<u64>().unwrap();
    let sound = |w: &World| {
        w.cs(["verify"]).expect(0);
        w.cs(["ledger", "rebuild", "--check"]).expect(0);
        (0..size()).for_each(|index| drop(w.cs(["ledger", "receipt", &index.to_string()]).expect(0)));
    };
    w.now = Some("2034-06-01T12:00:00Z".into());
    let order = w.path("order.json");
    let order = order.to_str().unwrap();
    let today = ["--today", "2034-06-01"];
    w.by("ruth", &["hold", "place", "26-cv-1", "--select", "run:latest", "--reason", "subpoena"]).expect(0);
    w.by("dan", &[&["ledger", "dispose", "--out", order][..], &today].concat()).expect(3);
    w.by("ruth", &["hold", "release", "26-cv-1", "--reason", "settled"]).expect(0);
    w.by("dan", &[&["ledger", "dispose", "--out", order][..], &today].concat()).expect(11);
    w.by("dan", &[&["ledger", "dispose", order][..], &today].concat()).expect(4);
    let before = blobs();
    let dispose = [&["ledger", "dispose", order][..], &today, &["--format", "json"]].concat();

    // It dies between the certificate and the removal. The decision stands, every blob is there, and nothing is wrong.
    cluster.sql(
        "create function disposed.wait() returns trigger language plpgsql as $$ begin perform pg_sleep(25); return old; end $$; \
         create trigger wait before delete on disposed.blobs for each row execute function disposed.wait()",
    );
    let entries = size();
    let mut dying = w.command(env!("CARGO_BIN_EXE_countersign"), &w.repo());
    dying.args(&dispose).args(["--key", w.path("ada").to_str().unwrap(), "--ledger", &url]);
    let mut dying = dying.stdout(Stdio::null()).spawn().unwrap();
    let deleting = "from pg_stat_activity where query like 'delete from \"disposed\"%' and state = 'active'";
    while cluster.sql(&format!("select count(*) {deleting}")) == "0" {
        assert!(dying.try_wait().unwrap().is_none(), "it ended");
        std::thread::sleep(Duration::from_millis(10));
    }
    dying.kill().unwrap();
    dying.wait().unwrap();
    cluster.sql(&format!("select pg_terminate_backend(pid) {deleting}"));
    cluster.sql("drop trigger wait on disposed.blobs");
    assert_eq!((size(), blobs() >= before), (entries + 1, true));
    sound(&w);
    w.cs(["ledger", "rebuild"]).expect(0);

    // With a server's role the database says of every blob that it may not go, and that is recorded.
    w.ledger = Some(url.replace("tester@", "recording@"));
    let tried = w.cs(["ledger", "dispose", "--finish", "--format", "json"]).expect(0).json();
    let remaining = tried["finished"][0]["remaining"].as_array().unwrap();
    assert!(remaining.iter().any(|r| r["why"].as_str().unwrap().contains("may not remove payloads")), "{tried}");
    assert!(blobs() >= before);
    w.ledger = Some(url.clone());
    sound(&w);

    // With the role for it, the rest is done, once.
    w.ledger = Some(url.replace("tester@", "removing@"));
    let finished = w.cs(["ledger", "dispose", "--finish", "--format", "json"]).expect(0).json();
    assert_eq!(finished["finished"][0]["certificate"], entries);
    assert!(finished["finished"][0]["removed"].as_u64().unwrap() > 3, "{finished}");
    let again = w.cs(["ledger", "dispose", "--finish", "--format", "json"]).expect(0).json();
    assert_eq!(again["finished"], serde_json::json!([]));
    w.ledger = Some(url);
    assert!(blobs() < before);
    sound(&w);
    w.cs(["ledger", "rebuild"]).expect(0);
    let runs = w.cs(["ledger", "runs", "--format", "json"]).expect(0).json();
    assert_eq!(runs["runs"], serde_json::json!([]));
    // Life goes on, also for the same commit: its payloads come back under another entry.
    w.cs(["run"]).expect(11);
    sound(&w);
}
