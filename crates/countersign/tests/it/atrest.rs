//! A ledger whose payloads are encrypted at rest, with the real binary: the whole way of a release on it, what a stolen
//! copy shows, and what is said where the key is not.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::{World, have_ssh_keygen};

/// A firm whose ledger is encrypted, with one run that two people approved.
fn encrypted() -> World {
    let w = World::new();
    w.key("ada");
    let (public, key) = (w.public("ada"), w.path("ada"));
    let [public, key] = [&public, &key].map(|path| path.to_str().unwrap());
    let init = ["init", "--yes", "--name", "Ada", "--ssh-key", public, "--key", key, "--encrypt-payloads"];
    w.cs(init).expect(0);
    // A second `init` by the same administrator finds everything in place.
    w.cs(init).expect(0);
    for (person, roles) in [
        ("mia", &["developer", "engineer"][..]),
        ("dan", &["engineer", "compliance-officer"][..]),
        ("ruth", &["compliance-officer", "security-officer"][..]),
        ("omar", &["release-manager"][..]),
    ] {
        w.key(person);
        w.cs(["person", "add", person, "--ssh-key", w.public(person).to_str().unwrap(), "--key", key]).expect(0);
        for role in roles {
            w.cs(["role", "grant", person, role, "--key", key]).expect(0);
        }
    }
    w.approve();
    w
}

/// The file of the payload key in the data directory.
fn key_file(w: &World) -> PathBuf {
    let keys: Vec<_> = fs::read_dir(w.path("data/ledgers"))
        .unwrap()
        .map(|entry| entry.unwrap().path().join("payload.key"))
        .filter(|path| path.exists())
        .collect();
    let [key] = keys.as_slice() else { panic!("{keys:?}") };
    key.clone()
}

fn deploy(w: &World) {
    let omar = w.path("omar");
    w.cs(["deploy", "latest", "--env", "production", "--key", text(&omar), "--", "true"]).expect(0);
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn the_way_of_a_release_on_an_encrypted_ledger() {
    if !have_ssh_keygen() {
        return;
    }
    let w = encrypted();
    deploy(&w);
    let runs = w.cs(["ledger", "runs", "--format", "json"]).expect(0).json();
    w.cs(["replay", runs["runs"][0]["run"].as_str().unwrap()]).expect(0);
    // Judged again: the scan record is recognised although the log names the digest of sealed bytes.
    let before = w.cs(["ledger", "info", "--format", "json"]).expect(0).json()["size"].as_u64().unwrap();
    w.cs(["run"]).expect(0);
    let after = w.cs(["ledger", "info", "--format", "json"]).expect(0).json()["size"].as_u64().unwrap();
    assert_eq!(after, before + 1, "an attempt alone");

    let verified = w.cs(["verify", "--format", "json"]).expect(0).json();
    assert_eq!((verified["verdict"].as_str(), verified["unopened"].as_u64()), (Some("verified"), Some(0)));
    w.cs(["ledger", "rebuild", "--check"]).expect(0);
    w.cs(["ledger", "receipt", "3"]).expect(0);

    // What a stolen copy shows: no statement, no signature, no file content, no policy.
    let all = w.ledger_text();
    for plain in ["app.sh", "in-toto", "SSH SIGNATURE", "predicateType", "mia@example.com", "package countersign"] {
        assert!(!all.contains(plain), "{plain}");
    }
    assert!(all.contains("CSEAL1"));

    // A backup holds sealed bytes and not the key; restored, it verifies where the key is.
    let (backup, back) = (w.path("backup"), w.path("back"));
    w.cs(["ledger", "backup", text(&backup)]).expect(0);
    w.cs(["ledger", "restore", text(&backup), text(&back)]).expect(0);
    w.cs(["verify", text(&back)]).expect(0);
}

#[test]
fn without_the_key_nothing_is_verified_and_nothing_is_wrong() {
    if !have_ssh_keygen() {
        return;
    }
    let w = encrypted();
    let exported = w.path("payload.key");
    w.cs(["key", "export-payload-key", text(&exported)]).expect(0);
    assert_eq!(fs::read(&exported).unwrap(), fs::read(key_file(&w)).unwrap());
    #[cfg(unix)]
    for file in [exported.clone(), key_file(&w)] {
        let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(file).unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600);
    }
    // It overwrites nothing.
    assert!(w.cs(["key", "export-payload-key", text(&exported)]).expect(5).err.contains("CS-KEY-002"));
    let shown = w.cs(["key", "show", "--format", "json"]).expect(0).json();
    let id = shown["keys"].as_array().unwrap().iter().find(|key| key["name"] == "payload").unwrap()["public"].clone();

    fs::remove_file(key_file(&w)).unwrap();
    let sealed = w.cs(["verify", "--format", "json"]).expect(14).json();
    assert_eq!(sealed["verdict"], "sealed");
    assert_eq!(sealed["problems"], serde_json::json!([]));
    assert!(sealed["unopened"].as_u64().unwrap() > sealed["size"].as_u64().unwrap(), "attachments count too");
    let said = w.cs(["verify"]).expect(14).out;
    assert!(said.contains("payloads are sealed") && said.contains("import-payload-key"), "{said}");
    // Nothing is appended in the clear, and nothing is guessed.
    for command in [&["run"][..], &["ledger", "runs"], &["key", "export-payload-key", text(&w.path("none"))]] {
        let refused = w.cs(command).expect(14);
        assert!(refused.err.contains("CS-KEY-040") && refused.err.contains(id.as_str().unwrap()), "{}", refused.err);
    }

    // What is altered is found without the key.
    let blobs = w.repo().join(".countersign/blobs/sha256");
    let shard = fs::read_dir(blobs).unwrap().next().unwrap().unwrap().path();
    let blob = fs::read_dir(shard).unwrap().next().unwrap().unwrap().path();
    let whole = fs::read(&blob).unwrap();
    let mut bent = whole.clone();
    *bent.last_mut().unwrap() ^= 1;
    #[cfg(unix)]
    fs::set_permissions(&blob, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    fs::write(&blob, bent).unwrap();
    w.cs(["verify"]).expect(13);
    fs::write(&blob, whole).unwrap();

    // Another key is not taken; the right one opens everything.
    let other = w.path("other.key");
    fs::write(&other, format!("{}\n", "ab".repeat(32))).unwrap();
    assert!(w.cs(["key", "import-payload-key", text(&other)]).expect(2).err.contains("CS-KEY-042"));
    assert!(w.cs(["key", "import-payload-key", text(&w.path("ada"))]).expect(13).err.contains("CS-KEY-004"));
    w.cs(["verify"]).expect(14);
    w.cs(["key", "import-payload-key", text(&exported)]).expect(0);
    w.cs(["verify"]).expect(0);
    deploy(&w);
    w.cs(["verify"]).expect(0);
}

#[test]
fn it_is_chosen_when_a_ledger_is_made_and_never_later() {
    if !have_ssh_keygen() {
        return;
    }
    // A ledger that `run` makes.
    let w = World::with_commit();
    let mut run = w.command(env!("CARGO_BIN_EXE_countersign"), &w.repo());
    let ran = run.args(["run"]).env("COUNTERSIGN_ENCRYPT_PAYLOADS", "true").output().unwrap();
    assert!(key_file(&w).exists(), "{}", String::from_utf8_lossy(&ran.stderr));
    assert!(!w.ledger_text().contains("predicateType"));
    let shown = w.cs(["ledger", "show", "1"]).expect(0).json();
    assert_eq!(shown.to_string().matches("\"sealed\"").count(), 2, "{shown}");

    // One that was made without: entries say nothing of sealing, and there is no way to it.
    let plain = World::approved();
    let entries = plain.cs(["ledger", "show", "1"]).expect(0).out;
    assert!(!entries.contains("sealed\"") && !plain.ledger_text().contains("payload_key"));
    let (public, key) = (plain.public("ada"), plain.path("ada"));
    let init = ["init", "--yes", "--ssh-key", text(&public), "--key", text(&key), "--encrypt-payloads"];
    assert!(plain.cs(init).expect(2).err.contains("CS-KEY-041"));
    assert!(plain.cs(["key", "export-payload-key", text(&plain.path("x"))]).expect(2).err.contains("CS-KEY-041"));
    plain.cs(["verify"]).expect(0);
}
