//! `ledger rotate-key`: the log's key is exchanged, whoever pinned the old one follows, and nothing is lost on the way.

use std::fs;
use std::path::{Path, PathBuf};

use countersign_evidence::checkpoint::{self, Checkpoint};
use countersign_evidence::note::{Note, SignerKey, VerifierKey};
use countersign_evidence::rotation::Rotation;

#[cfg(unix)]
use crate::hsm::Hsm;
use crate::support::{Ran, World, have_ssh_keygen};

/// A firm with a ledger of its own; `None` where ssh-keygen is absent.
fn firm() -> Option<World> {
    let w = World::with_commit();
    if !have_ssh_keygen() {
        return None;
    }
    w.firm();
    Some(w)
}

fn rotate(w: &World, more: &[&str]) -> Ran {
    w.by("ada", &[&["ledger", "rotate-key", "--format", "json"], more].concat())
}

fn ledger(w: &World) -> PathBuf {
    w.repo().join(".countersign/ledger")
}

/// The directory of the ledger's keys and pin.
fn keys(data: &Path) -> PathBuf {
    fs::read_dir(data.join("ledgers")).unwrap().next().unwrap().unwrap().path()
}

fn read(path: impl AsRef<Path>) -> String {
    fs::read_to_string(path).unwrap()
}

fn vkey(w: &World) -> VerifierKey {
    VerifierKey::parse(read(ledger(w).join("vkey")).trim_end()).unwrap()
}

fn pinned(data: &Path) -> String {
    let pin: serde_json::Value = serde_json::from_str(&read(keys(data).join("pin.json"))).unwrap();
    pin["vkey"].as_str().unwrap().to_owned()
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

fn replace(from: &Path, to: &Path) {
    fs::remove_dir_all(to).unwrap();
    copy(from, to);
}

#[test]
fn the_key_is_exchanged_and_everybody_follows() {
    let Some(w) = firm() else { return };
    let old = vkey(&w);
    let old_secret = read(keys(&w.path("data")).join("log.key"));
    w.cs(["trust", "export", "--out", w.path("old-trust").to_str().unwrap()]).expect(0);
    let rotated = rotate(&w, &["--reason", "yearly"]).expect(0).json();
    let new = vkey(&w);
    assert_eq!((rotated["old"].as_str(), rotated["new"].as_str()), (Some(&*old.to_string()), Some(&*new.to_string())));
    assert_ne!(old, new);

    // The note leads from one to the other, and says what the log was.
    let note = read(ledger(&w).join("rotations/1"));
    let said = Rotation::open(note.as_bytes(), old.name(), &old).unwrap();
    assert_eq!((said.new, said.size), (new.clone(), rotated["index"].as_u64().unwrap()));
    let index = said.size.to_string();
    let statement = w.cs(["ledger", "show", &index, "--statement"]).expect(0).json();
    assert_eq!(statement["predicate"]["note"], note.as_str());
    assert_eq!(statement["predicate"]["reason"], "yearly");

    // The checkpoint between the two carries both signatures, the next one that of the new key alone.
    let signers = || Note::parse(read(ledger(&w).join("checkpoint")).as_bytes()).unwrap().signatures.len();
    assert_eq!(signers(), 2);
    w.cs(["verify"]).expect(0);
    w.cs(["run"]).expect(11);
    assert_eq!(signers(), 1);
    let last = read(ledger(&w).join("checkpoint"));
    assert!(checkpoint::open(last.as_bytes(), new.name(), std::slice::from_ref(&new)).is_ok());
    w.cs(["verify"]).expect(0);
    assert_eq!(pinned(&w.path("data")), new.to_string());
    let data = keys(&w.path("data"));
    assert!(!data.join("log.key.next").exists());
    assert_ne!(read(data.join("log.key")), old_secret, "the old key stayed behind");

    // A trust file with the old key still leads to the new one, and so does the old key alone.
    let verified = w.cs(["verify", "--trust", w.path("old-trust").to_str().unwrap(), "--format", "json"]).expect(0);
    assert!(verified.json()["problems"].as_array().unwrap().is_empty());
    fs::write(w.path("old-vkey"), format!("{old}\n")).unwrap();
    w.cs(["verify", "--trust", w.path("old-vkey").to_str().unwrap()]).expect(0);

    // Another machine that pinned the old key follows when it next reads.
    let other = w.path("other-data");
    let elsewhere = |args: &[&str]| {
        let mut command = w.command(env!("CARGO_BIN_EXE_countersign"), &w.repo());
        let done = command.env("COUNTERSIGN_DATA_DIR", &other).args(args).output().unwrap();
        (done.status.code().unwrap(), String::from_utf8_lossy(&done.stderr).into_owned())
    };
    assert_eq!(elsewhere(&["trust", "import", w.path("old-trust").to_str().unwrap()]).0, 0);
    assert_eq!(pinned(&other), old.to_string());
    assert_eq!(elsewhere(&["verify"]).0, 0);
    assert_eq!(elsewhere(&["ledger", "runs"]).0, 0);
    assert_eq!(pinned(&other), new.to_string());

    // And once more, and once more.
    for n in 2..4 {
        rotate(&w, &[]).expect(0);
        assert!(ledger(&w).join(format!("rotations/{n}")).exists());
        w.cs(["verify"]).expect(0);
    }
    w.cs(["verify", "--trust", w.path("old-trust").to_str().unwrap()]).expect(0);
    assert_eq!(elsewhere(&["ledger", "runs"]).0, 0);
    w.cs(["run"]).expect(11);
}

#[test]
fn an_interruption_between_any_two_steps_is_completed_or_undone() {
    let Some(w) = firm() else { return };
    let (live, data) = (w.repo().join(".countersign"), w.path("data"));
    let (before, data_before) = (w.path("before"), w.path("data-before"));
    copy(&live, &before);
    copy(&data, &data_before);
    rotate(&w, &[]).expect(0);
    let (after, data_after) = (w.path("after"), w.path("data-after"));
    copy(&live, &after);
    copy(&data, &data_after);
    let (old, new) = (read(before.join("ledger/vkey")), read(after.join("ledger/vkey")));

    // Each step is one rename; they are done one after the other on what was there before.
    let steps: [(&str, &dyn Fn()); 6] = [
        ("the next key is kept", &|| {
            fs::copy(keys(&data_after).join("log.key"), keys(&data).join("log.key.next")).unwrap();
        }),
        ("the entry is appended", &|| {
            replace(&after, &live);
            fs::remove_dir_all(live.join("ledger/rotations")).unwrap();
            fs::copy(before.join("ledger/vkey"), live.join("ledger/vkey")).unwrap();
        }),
        ("the note is written", &|| copy(&after.join("ledger/rotations"), &live.join("ledger/rotations"))),
        ("the key in force is named", &|| {
            fs::copy(after.join("ledger/vkey"), live.join("ledger/vkey")).unwrap();
        }),
        ("the key is in its place", &|| {
            fs::rename(keys(&data).join("log.key.next"), keys(&data).join("log.key")).unwrap();
        }),
        ("the pin follows", &|| {
            fs::copy(keys(&data_after).join("pin.json"), keys(&data).join("pin.json")).unwrap();
        }),
    ];
    for reached in 0..steps.len() {
        replace(&before, &live);
        replace(&data_before, &data);
        for (_, step) in &steps[..=reached] {
            step();
        }
        let name = steps[reached].0;
        let is_done = reached > 0;
        // Whoever looks first sees a sound ledger, and changes nothing.
        let seen = w.cs(["verify", "--format", "json"]);
        assert_eq!(seen.code, 0, "{name}: {}{}", seen.out, seen.err);
        assert_eq!(seen.out.contains("was interrupted"), (1..=2).contains(&reached), "{name}: {}", seen.out);
        let ran = w.cs(["run"]);
        assert_eq!(ran.code, 11, "{name}: {}", ran.err);
        assert_eq!(read(live.join("ledger/vkey")), if is_done { new.clone() } else { old.clone() }, "{name}");
        assert_eq!(live.join("ledger/rotations/1").exists(), is_done, "{name}");
        assert_eq!(keys(&data).join("log.key.next").exists(), !is_done, "{name}");
        assert_eq!(format!("{}\n", pinned(&data)), if is_done { new.clone() } else { old.clone() }, "{name}");
        w.cs(["verify"]).expect(0);
        // The way on is open.
        rotate(&w, &[]).expect(0);
        w.cs(["run"]).expect(11);
        w.cs(["verify"]).expect(0);
    }
}

#[test]
fn only_the_log_itself_says_that_its_key_was_exchanged() {
    let Some(w) = firm() else { return };
    let stolen = SignerKey::parse(read(keys(&w.path("data")).join("log.key")).trim_end()).unwrap();
    w.cs(["trust", "export", "--out", w.path("old-trust").to_str().unwrap()]).expect(0);
    rotate(&w, &[]).expect(0);
    rotate(&w, &[]).expect(0);
    w.cs(["run"]).expect(11);
    let (live, sound) = (w.repo().join(".countersign"), w.path("sound"));
    copy(&live, &sound);
    let data = w.path("data-sound");
    copy(&w.path("data"), &data);
    let trust = w.path("old-trust");
    let is_refused = |what: &str, file: &str| {
        for args in
            [&["verify", "--format", "json"][..], &["verify", "--format", "json", "--trust", trust.to_str().unwrap()]]
        {
            let refused = w.cs(args);
            assert_eq!(refused.code, 13, "{what}: {}{}", refused.out, refused.err);
            assert!(refused.out.contains(file), "{what}: {}", refused.out);
        }
    };
    for (what, file, change) in [
        ("missing", "ledger/rotations/1", &(|| fs::remove_file(live.join("ledger/rotations/1")).unwrap()) as &dyn Fn()),
        ("missing last", "ledger/rotations/2", &|| fs::remove_file(live.join("ledger/rotations/2")).unwrap()),
        ("swapped", "ledger/rotations/1", &|| {
            let at = |n| live.join("ledger/rotations").join(n);
            fs::rename(at("1"), at("x")).unwrap();
            fs::rename(at("2"), at("1")).unwrap();
            fs::rename(at("x"), at("2")).unwrap();
        }),
        ("not in the log", "ledger/rotations/3", &|| {
            // The holder of the present key and of another one agree behind the log's back.
            let present = SignerKey::parse(read(keys(&w.path("data")).join("log.key")).trim_end()).unwrap();
            let other = SignerKey::generate(present.name()).unwrap();
            let (old, new) = (present.verifier().clone(), other.verifier().clone());
            let root = checkpoint::open(
                read(live.join("ledger/checkpoint")).as_bytes(),
                present.name(),
                std::slice::from_ref(&old),
            );
            let Checkpoint { origin, size, root } = root.unwrap();
            let note = Rotation { origin: origin.clone(), old, new, size, root }.sign(&present, &other).unwrap();
            fs::write(live.join("ledger/rotations/3"), note).unwrap();
            fs::write(live.join("ledger/vkey"), format!("{}\n", other.verifier())).unwrap();
            let signed = Checkpoint { origin, size, root }.sign(&other).unwrap();
            fs::write(live.join("ledger/checkpoint"), signed).unwrap();
        }),
        ("the old key named again", "ledger/vkey", &|| {
            fs::write(live.join("ledger/vkey"), format!("{}\n", stolen.verifier())).unwrap();
        }),
        ("signed by the key that was given up", "ledger/checkpoint", &|| {
            let text = Note::parse(read(live.join("ledger/checkpoint")).as_bytes()).unwrap().text;
            let signed = Checkpoint::parse(&text).unwrap().sign(&stolen).unwrap();
            fs::write(live.join("ledger/checkpoint"), signed).unwrap();
        }),
        ("another note after it", "ledger/rotations/7", &|| {
            fs::copy(live.join("ledger/rotations/1"), live.join("ledger/rotations/7")).unwrap();
        }),
    ] {
        change();
        is_refused(what, file);
        // A command that would append is refused, too, or heals what the log itself tells of.
        let ran = w.cs(["run"]);
        assert!(
            ran.code == 13 || what.starts_with("missing") || what.ends_with("after it") || what == "swapped",
            "{what}: {}",
            ran.err
        );
        replace(&sound, &live);
        replace(&data, &w.path("data"));
    }
    w.cs(["verify"]).expect(0);
}

#[test]
fn an_administrator_orders_it_and_nobody_else() {
    let w = World::with_commit();
    if !have_ssh_keygen() {
        return;
    }
    w.key("eve");
    w.cs(["run"]).expect(11);
    let refused = w.by("eve", &["ledger", "rotate-key"]).expect(4);
    assert!(refused.err.contains("CS-ACCESS-001"), "{}", refused.err);
    w.firm();
    let before = vkey(&w);
    let refused = w.by("omar", &["ledger", "rotate-key"]).expect(4);
    assert!(refused.err.contains("CS-ACCESS-004"), "{}", refused.err);
    assert_eq!(vkey(&w), before);
    assert!(w.cs(["ledger", "entries"]).expect(0).out.contains("ActRefused"));
    w.cs(["verify"]).expect(0);
}

#[cfg(unix)]
#[test]
fn a_key_in_a_token_takes_over_and_is_taken_over_from() {
    let Some(hsm) = Hsm::new() else { return };
    hsm.w.firm();
    let device = |name: &str| hsm.uri(name);
    let rotate =
        |to: &[&str]| hsm.cs(&[&["ledger", "rotate-key", "--key", hsm.w.path("ada").to_str().unwrap()], to].concat());
    rotate(&["--to", &device("log")]).expect(0);
    hsm.cs(&["run"]).expect(11);
    let kept = read(keys(&hsm.w.path("data")).join("log.key"));
    assert_eq!(kept.trim_end(), device("log"), "the address stands in place of the key");
    rotate(&["--to", &device("next")]).expect(0);
    hsm.cs(&["run"]).expect(11);
    let refused = rotate(&["--to", &device("log")]).expect(2);
    assert!(refused.err.contains("CS-KEY-014"), "{}", refused.err);
    // A device that is not there changes nothing.
    let refused = rotate(&["--to", &Hsm::bare("missing")]);
    assert_eq!(refused.code, 4, "{}", refused.err);
    hsm.cs(&["run"]).expect(11);
    rotate(&[]).expect(0);
    hsm.w.cs(["run"]).expect(11);
    hsm.w.cs(["verify"]).expect(0);
}

#[cfg(unix)]
#[test]
fn beside_a_server_that_has_the_ledger_open_it_is_done_through_it() {
    let Some(w) = firm() else { return };
    let at = w.repo().join(".countersign").display().to_string();
    let args = ["--ledger", &at, "serve", "--listen", "127.0.0.1:0"];
    let serve = || crate::witness::Server::start(&w, &args);
    let signers = |server: &crate::witness::Server| Note::parse(&server.get("/checkpoint").2).unwrap().signatures.len();
    let server = serve();
    w.cs(["run"]).expect(11);
    let old = vkey(&w);
    let rotated = rotate(&w, &[]).expect(0).json();
    assert_eq!(
        (rotated["old"].as_str(), rotated["new"].as_str()),
        (Some(&*old.to_string()), Some(&*vkey(&w).to_string()))
    );
    assert_eq!(signers(&server), 2, "the checkpoint between the two");
    assert_eq!(pinned(&w.path("data")), vkey(&w).to_string());
    assert!(!keys(&w.path("data")).join("log.key.next").exists());
    w.cs(["verify"]).expect(0);
    w.cs(["run"]).expect(11);
    assert_eq!(signers(&server), 1, "the new key alone");
    // A second key comes and goes, and the first one is exchanged meanwhile.
    w.by("ada", &["ledger", "sign-also", "ml-dsa-44"]).expect(0);
    assert_eq!(signers(&server), 2);
    rotate(&w, &[]).expect(0);
    assert_eq!(signers(&server), 3);
    w.cs(["run"]).expect(11);
    assert_eq!(signers(&server), 2);
    w.by("ada", &["ledger", "sign-also", "none"]).expect(0);
    assert_eq!(signers(&server), 1);
    w.cs(["verify"]).expect(0);
    // It dies, and the next one is as good as it was.
    server.kill();
    w.cs(["verify"]).expect(0);
    let server = serve();
    rotate(&w, &[]).expect(0);
    server.kill();
    w.cs(["run"]).expect(11);
    for args in [&["verify"][..], &["ledger", "rebuild", "--check"]] {
        w.cs(args).expect(0);
    }
    // A process of another installation does not hold the new key: nothing happens.
    let other = w.path("other-data");
    copy(&w.path("data"), &other);
    let elsewhere = [("COUNTERSIGN_DATA_DIR", other.to_str().unwrap())];
    let server = crate::witness::Server::start_with(&w, &args, &elsewhere, std::process::Stdio::null());
    let (before, size) = (vkey(&w), w.cs(["ledger", "info", "--format", "json"]).json()["size"].clone());
    let refused = rotate(&w, &[]).expect(4);
    assert!(refused.err.contains("CS-LEDGER-056"), "{}", refused.err);
    assert_eq!((vkey(&w), &w.cs(["ledger", "info", "--format", "json"]).json()["size"]), (before, &size));
    w.cs(["run"]).expect(11);
    assert_eq!(server.terminate(), Some(0));
    w.cs(["verify"]).expect(0);
}
