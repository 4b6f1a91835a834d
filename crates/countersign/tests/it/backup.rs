//! `ledger backup`, `ledger restore` and `ledger fork-check`: copies that prove what is in them.

use std::fs;
use std::path::{Path, PathBuf};

use countersign_evidence::checkpoint;
use countersign_evidence::merkle;
use countersign_evidence::note::VerifierKey;
use countersign_model::Digest;

use crate::support::{World, have_ssh_keygen};

fn world() -> Option<World> {
    let w = World::with_commit();
    if !have_ssh_keygen() {
        return None;
    }
    w.firm();
    w.cs(["run"]).expect(11);
    Some(w)
}

/// Every file below a directory by its relative name.
fn files(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    let mut dirs = vec![dir.to_owned()];
    while let Some(next) = dirs.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                dirs.push(path);
            } else {
                found.push((path.strip_prefix(dir).unwrap().to_owned(), fs::read(path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn a_ledger_comes_back_whole_and_says_so() {
    let Some(w) = world() else { return };
    let (target, back) = (w.path("backup"), w.path("back"));
    let made = w.cs(["ledger", "backup", text(&target), "--format", "json"]).expect(0).json();
    let size = made["manifest"]["size"].as_u64().unwrap();
    assert_eq!(made["copied"], made["manifest"]["files"]);
    w.cs(["verify", text(&target.join("copy"))]).expect(0);

    // The list is one that sha256sum checks.
    let mut check = w.command("sha256sum", &target);
    assert!(check.args(["--check", "--quiet", "files"]).status().unwrap().success());
    // No private key of the log or the recorder is in it.
    for (name, bytes) in files(&target) {
        assert!(!String::from_utf8_lossy(&bytes).contains("PRIVATE"), "{}", name.display());
    }

    let restored = w.cs(["ledger", "restore", text(&target), text(&back), "--format", "json"]).expect(0).json();
    assert_eq!((restored["size"].as_u64(), restored["pinned_size"].as_u64()), (Some(size), Some(size)));
    let live: Vec<_> =
        files(&w.repo().join(".countersign")).into_iter().filter(|(n, _)| !n.starts_with("cache")).collect();
    let copy: Vec<_> = files(&back).into_iter().filter(|(n, _)| !n.starts_with("cache")).collect();
    let names = |files: &[(PathBuf, Vec<u8>)]| files.iter().map(|(n, _)| n.clone()).collect::<Vec<_>>();
    let (live, copy): (Vec<_>, Vec<_>) = (
        live.into_iter().filter(|(n, _)| !n.starts_with("wal")).collect(),
        copy.into_iter().filter(|(n, _)| !n.starts_with("wal")).collect(),
    );
    assert_eq!(names(&live), names(&copy));
    assert!(live == copy, "a file differs");
    // It is a ledger like any other: this machine goes on with it.
    w.cs(["--ledger", text(&back), "run"]).expect(11);
    w.cs(["verify", text(&back)]).expect(0);

    // Nothing is overwritten.
    w.cs(["ledger", "restore", text(&target), text(&back)]).expect(2);
    w.cs(["ledger", "restore", text(&target), text(&w.repo().join(".countersign"))]).expect(2);
}

#[test]
fn only_what_is_new_is_copied() {
    let Some(w) = world() else { return };
    let target = w.path("backup");
    let backup = || w.cs(["ledger", "backup", text(&target), "--format", "json"]).expect(0).json();
    backup();
    let again = backup();
    assert_eq!(again["copied"], 2, "the checkpoint and the key's name are written anew, and nothing else");
    w.cs(["run"]).expect(11);
    w.by("ada", &["ledger", "rotate-key"]).expect(0);
    let more = backup();
    let (copied, all) = (more["copied"].as_u64().unwrap(), more["manifest"]["files"].as_u64().unwrap());
    assert!(copied > 2 && copied < all / 2, "{copied} of {all}");
    let restored = w.cs(["ledger", "restore", text(&target), text(&w.path("back")), "--format", "json"]);
    assert_eq!(restored.expect(0).json()["size"], more["manifest"]["size"]);
    assert!(w.path("back/ledger/rotations/1").exists());

    // Another ledger's backup is not mixed with it, and neither is anything else.
    let other = w.path("other");
    w.cs(["--ledger", text(&other), "run"]).expect(11);
    let refused = w.cs(["--ledger", text(&other), "ledger", "backup", text(&target)]).expect(13);
    assert!(refused.err.contains("CS-BACKUP-001"), "{}", refused.err);
    w.cs(["ledger", "backup", text(&w.path("home/.."))]).expect(13);
}

#[test]
fn what_is_missing_or_altered_does_not_come_back() {
    let Some(w) = world() else { return };
    let (target, sound) = (w.path("backup"), w.path("sound"));
    w.cs(["ledger", "backup", text(&target)]).expect(0);
    fs::rename(&target, &sound).unwrap();
    let blob = files(&sound.join("copy/blobs")).remove(0).0;
    let lose = |name: &str| fs::remove_file(target.join(name)).unwrap();
    let alter = |name: &str| {
        let mut bytes = fs::read(target.join(name)).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(target.join(name), bytes).unwrap();
    };
    let blob = format!("copy/blobs/{}", blob.display());
    let changes: [(&str, &dyn Fn()); 8] = [
        ("a blob is lost", &|| lose(&blob)),
        ("a blob is altered", &|| alter(&blob)),
        ("the manifest is lost", &|| lose("manifest.json")),
        ("the manifest is altered", &|| alter("manifest.json")),
        ("the list is altered", &|| alter("files")),
        ("the checkpoint is lost", &|| lose("copy/ledger/checkpoint")),
        ("the salt is altered", &|| alter("copy/salt")),
        ("a line of the list leads elsewhere", &|| {
            let list = fs::read_to_string(target.join("files")).unwrap().replacen("copy/salt", "copy/../salt", 1);
            fs::write(target.join("files"), list).unwrap();
        }),
    ];
    for (what, change) in changes {
        fs::create_dir(&target).unwrap();
        for (name, bytes) in files(&sound) {
            fs::create_dir_all(target.join(&name).parent().unwrap()).unwrap();
            fs::write(target.join(name), bytes).unwrap();
        }
        change();
        let refused = w.cs(["ledger", "restore", text(&target), text(&w.path("back"))]);
        assert_eq!(refused.code, 13, "{what}: {}{}", refused.out, refused.err);
        assert!(!w.path("back").exists(), "{what}");
        fs::remove_dir_all(&target).unwrap();
    }
    let left: Vec<_> = fs::read_dir(w.path("")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(left.iter().all(|n| !n.to_string_lossy().contains("restoring")), "{left:?}");

    // A backup that is older than what this machine has seen lacks something, and says so.
    w.cs(["run"]).expect(11);
    let refused = w.cs(["ledger", "restore", text(&sound), text(&w.path("back"))]).expect(13);
    assert!(refused.out.contains("CS-LEDGER-034"), "{}", refused.out);
    // On a machine that never saw the ledger nobody vouches for it, unless somebody brings a trust file.
    let stranger = |args: &[&str]| {
        let mut command = w.command(env!("CARGO_BIN_EXE_countersign"), &w.repo());
        command.env("COUNTERSIGN_DATA_DIR", w.path("stranger")).args(args).output().unwrap().status.code().unwrap()
    };
    let (from, to) = (text(&sound).to_owned(), w.path("elsewhere"));
    assert_eq!(stranger(&["ledger", "restore", &from, text(&to)]), 13);
    fs::copy(sound.join("copy/ledger/vkey"), w.path("vkey")).unwrap();
    assert_eq!(stranger(&["ledger", "restore", &from, text(&to), "--trust", text(&w.path("vkey"))]), 0);
    assert!(to.join("ledger/checkpoint").exists());
}

#[test]
fn copies_of_one_log_are_told_from_a_fork() {
    let Some(w) = world() else { return };
    let target = w.path("backup");
    w.cs(["ledger", "backup", text(&target)]).expect(0);
    let live = w.repo().join(".countersign");
    let check = |a: &Path, b: &Path| w.cs(["ledger", "fork-check", text(a), text(b), "--format", "json"]);
    assert_eq!(check(&live, &target).expect(0).json()["result"], "same");
    // A second machine with the same keys goes on from the copy, and so does the first: that is a fork.
    let (twin, data) = (w.path("twin"), w.path("twin-data"));
    w.cs(["ledger", "restore", text(&target), text(&twin)]).expect(0);
    let common = check(&live, &twin).expect(0).json()["common"].as_u64().unwrap();
    for (name, bytes) in files(&w.path("data")) {
        fs::create_dir_all(data.join(&name).parent().unwrap()).unwrap();
        fs::write(data.join(name), bytes).unwrap();
    }
    w.cs(["run"]).expect(11);
    let prefix = check(&twin, &live).expect(0).json();
    assert_eq!((prefix["result"].as_str(), prefix["common"].as_u64()), (Some("prefix"), Some(common)));
    for _ in 0..3 {
        let mut command = w.command(env!("CARGO_BIN_EXE_countersign"), &w.repo());
        command.env("COUNTERSIGN_DATA_DIR", &data).args(["--ledger", text(&twin), "run", "--reason", "twin"]);
        assert_eq!(command.output().unwrap().status.code(), Some(11));
    }
    let proof = w.path("proof.json");
    let args = ["ledger", "fork-check", text(&live), text(&twin), "--out", text(&proof)];
    let forked = w.cs(args).expect(13);
    assert!(forked.out.contains("was forked"), "{}", forked.out);
    let said = check(&twin, &live).expect(13).json();
    assert_eq!((said["common"].as_u64(), said["proof"]["first"].as_u64()), (Some(common), Some(common + 1)));

    // The file is a proof for anybody who has the key and RFC 6962.
    let proof: serde_json::Value = serde_json::from_slice(&fs::read(proof).unwrap()).unwrap();
    let key = VerifierKey::parse(fs::read_to_string(live.join("ledger/vkey")).unwrap().trim_end()).unwrap();
    let open = |name: &str| {
        let note = proof[name].as_str().unwrap();
        checkpoint::open(note.as_bytes(), key.name(), std::slice::from_ref(&key)).unwrap()
    };
    let digest = |value: &serde_json::Value| *value.as_str().unwrap().parse::<Digest>().unwrap().as_bytes();
    let (smaller, larger, root) = (open("smaller"), open("larger"), digest(&proof["root"]));
    let path: Vec<_> = proof["proof"].as_array().unwrap().iter().map(digest).collect();
    merkle::verify_consistency(smaller.size, larger.size, &path, &root, &larger.root).unwrap();
    assert_ne!(root, smaller.root);

    // Copies of two ledgers are no fork.
    let other = w.path("other");
    w.cs(["--ledger", text(&other), "run"]).expect(11);
    let refused = check(&live, &other).expect(2);
    assert!(refused.err.contains("CS-BACKUP-002"), "{}", refused.err);
}

#[test]
#[cfg(unix)]
fn a_backup_is_made_beside_the_process_that_serves_while_others_append() {
    let Some(w) = world() else { return };
    let repo = text(&w.repo()).to_owned();
    let server = crate::witness::Server::start(&w, &["--repo", &repo, "serve", "--listen", "127.0.0.1:0"]);
    let (target, key) = (w.path("backup"), text(&w.path("vkey")).to_owned());
    fs::copy(w.repo().join(".countersign/ledger/vkey"), &key).unwrap();
    let last = std::thread::scope(|scope| {
        let appends = scope.spawn(|| {
            for _ in 0..6 {
                w.cs(["run"]).expect(11);
            }
        });
        let mut last = 0;
        for _ in 0..4 {
            let made = w.cs(["ledger", "backup", text(&target), "--format", "json"]).expect(0).json();
            let (size, waiting) = (made["manifest"]["size"].as_u64().unwrap(), made["waiting"].as_u64().unwrap());
            assert!(size >= last && waiting < 100, "{made}");
            last = size;
            // This machine has seen more by now, so the key alone is asked.
            let copy = text(&target.join("copy")).to_owned();
            w.cs(["verify", &copy, "--trust", &key]).expect(0);
        }
        appends.join().unwrap();
        last
    });
    assert!(last > 0);
    // What waits for its place still, one more append publishes or a second does; a later backup has everything.
    assert_eq!(server.terminate(), Some(0));
    let made = w.cs(["ledger", "backup", text(&target), "--format", "json"]).expect(0).json();
    assert_eq!(made["manifest"]["size"], w.cs(["ledger", "info", "--format", "json"]).json()["size"]);
    let restored =
        w.cs(["ledger", "restore", text(&target), text(&w.path("back")), "--format", "json"]).expect(0).json();
    assert_eq!(restored["size"], made["manifest"]["size"]);
    // A restored copy is a backup of that moment; the ledger goes on, and its key is exchanged beside a server too.
    let server = crate::witness::Server::start(&w, &["--repo", &repo, "serve", "--listen", "127.0.0.1:0"]);
    w.by("ada", &["ledger", "rotate-key"]).expect(0);
    assert_eq!(server.terminate(), Some(0));
    w.cs(["verify"]).expect(0);
}
