//! Bad input: a code, a place, the next command; and never a lost or doubled entry.

use crate::support::{World, planted_secret};

/// The number of entries in the ledger.
fn size(w: &World) -> u64 {
    w.cs(["ledger", "info", "--format", "json"]).expect(0).json()["size"].as_u64().unwrap()
}

#[test]
fn a_broken_rule_file_is_named_with_its_line() {
    let w = World::with_commit();
    std::fs::create_dir_all(w.path("rules/secrets")).unwrap();
    std::fs::write(w.path("rules/secrets/x.yaml"), "id: secrets/x\ntitle: X\nfamly: secrets\n").unwrap();
    let rules = w.path("rules");
    let ran = w.cs(["scan", ".", "--rules", rules.to_str().unwrap()]).expect(2);
    assert!(ran.err.contains("error[CS-SCAN-"), "{}", ran.err);
    assert!(ran.err.contains("x.yaml:3"), "{}", ran.err);
    assert!(ran.err.contains("family"), "the nearest known key is named: {}", ran.err);
}

#[test]
fn a_corrupt_cache_is_thrown_away_and_said() {
    let w = World::with_commit();
    w.commit("deploy.sh", &format!("export AWS_ACCESS_KEY_ID={}\n", planted_secret()));
    let first = w.cs(["run", "--format", "json"]).expect(10).json();
    let cache = w.repo().join(".countersign/cache");
    let mut damaged = 0;
    for entry in std::fs::read_dir(&cache).unwrap() {
        let path = entry.unwrap().path();
        let mut bytes = std::fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0xff;
        std::fs::write(&path, bytes).unwrap();
        damaged += 1;
    }
    assert!(damaged > 0, "there is a cache");
    let again = w.cs(["run", "--format", "json"]).expect(10);
    assert!(again.err.contains("note: [CS-SCAN-"), "{}", again.err);
    assert_eq!(again.json()["decision"]["digest"], first["decision"]["digest"]);
    let third = w.cs(["run", "--format", "json"]).expect(10);
    assert!(!third.err.contains("CS-SCAN-"), "it is rebuilt: {}", third.err);
}

#[test]
fn a_missing_object_is_a_gap_and_never_a_pass() {
    let w = World::with_commit();
    w.commit("lost", "this content will be gone\n");
    let blob = w.git(["rev-parse", "HEAD:lost"]);
    let (dir, file) = blob.trim().split_at(2);
    std::fs::remove_file(w.repo().join(".git/objects").join(dir).join(file)).unwrap();
    let j = w.cs(["run", "--format", "json"]).expect(10).json();
    assert_eq!(j["scan"]["gaps"][0]["path"], "lost", "{j}");
    assert_eq!(j["gates"][1]["outcome"], "error");
}

#[cfg(debug_assertions)]
#[test]
fn a_clock_before_the_last_entry_writes_nothing() {
    let mut w = World::with_commit();
    w.now = Some("2030-01-01T00:00:00Z".into());
    w.cs(["run"]).expect(11);
    let before = size(&w);
    w.now = Some("2029-06-01T00:00:00Z".into());
    let ran = w.cs(["run"]).expect(5);
    assert!(ran.err.starts_with("error[CS-LEDGER-005]"), "{}", ran.err);
    assert_eq!(size(&w), before);
    w.now = Some("2030-01-01T00:00:01Z".into());
    w.cs(["run"]).expect(11);
    assert_eq!(size(&w), before + 1);
    w.cs(["verify"]).expect(0);
}

#[test]
fn runs_at_once_on_one_ledger_lose_and_double_nothing() {
    let w = World::with_commit();
    let mut children: Vec<_> = (0..6)
        .map(|_| {
            let mut command = w.command(env!("CARGO_BIN_EXE_countersign"), &w.repo());
            command.args(["run", "--format", "json"]);
            command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap()
        })
        .collect();
    let mut attempts = Vec::new();
    let mut ids = std::collections::BTreeSet::new();
    for child in children.drain(..) {
        let out = child.wait_with_output().unwrap();
        assert_eq!(out.status.code(), Some(11), "{}", String::from_utf8_lossy(&out.stderr));
        let j: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
        attempts.push(j["run"]["attempt"].as_u64().unwrap());
        ids.insert(j["run"]["id"].to_string());
    }
    attempts.sort_unstable();
    assert_eq!(attempts, [1, 2, 3, 4, 5, 6]);
    assert_eq!(ids.len(), 1, "one run, whoever was first");
    // Genesis, six attempts, one scan, one decision.
    assert_eq!(size(&w), 1 + 6 + 1 + 1);
    w.cs(["verify"]).expect(0);
}

#[test]
fn a_ledger_signed_anew_with_fresh_keys_fails_against_the_pin() {
    let w = World::with_commit();
    w.cs(["run"]).expect(11);
    let info = w.cs(["ledger", "info", "--format", "json"]).expect(0).json();
    let ledger = w.repo().join(".countersign");

    // Somebody makes a whole new ledger with keys of their own and puts it in place.
    let forged = w.path("forged");
    let mut forge = w.command(env!("CARGO_BIN_EXE_countersign"), &w.repo());
    forge.env("COUNTERSIGN_DATA_DIR", w.path("mallory")).args(["run", "--ledger"]).arg(&forged);
    assert_eq!(forge.output().unwrap().status.code(), Some(11));
    std::fs::rename(&ledger, w.path("original")).unwrap();
    std::fs::rename(&forged, &ledger).unwrap();
    let ran = w.cs(["verify"]).expect(13);
    assert!(ran.out.contains("untrusted"), "{}", ran.out);
    w.cs(["run"]).expect(4);

    // The same with the name of the ledger that is pinned here.
    let origin = info["origin"].as_str().unwrap();
    let fresh = std::fs::read_to_string(ledger.join("ledger/origin")).unwrap();
    let checkpoint = std::fs::read_to_string(ledger.join("ledger/checkpoint")).unwrap();
    std::fs::write(ledger.join("ledger/origin"), format!("{origin}\n")).unwrap();
    std::fs::write(ledger.join("ledger/checkpoint"), checkpoint.replace(fresh.trim_end(), origin)).unwrap();
    w.cs(["verify"]).expect(13);

    // Brought back, it holds; and nothing of the forgery did harm.
    std::fs::rename(&ledger, w.path("forged-again")).unwrap();
    std::fs::rename(w.path("original"), &ledger).unwrap();
    w.cs(["verify"]).expect(0);
}

#[test]
fn a_ledger_that_is_taken_away_leaves_a_trace_in_the_next_one() {
    let w = World::with_commit();
    let first = w.cs(["run"]).expect(11);
    assert!(!first.err.contains("CS-TRUST-007"), "{}", first.err);
    let info = w.cs(["ledger", "info", "--format", "json"]).expect(0).json();
    std::fs::rename(w.repo().join(".countersign"), w.path("taken")).unwrap();
    let ran = w.cs(["run"]).expect(11);
    assert!(ran.err.contains("note: [CS-TRUST-007]"), "{}", ran.err);
    let genesis = w.cs(["ledger", "show", "0", "--payload"]).expect(0).json();
    assert_eq!(genesis["replaces"][0]["origin"], info["origin"]);
    assert_eq!(genesis["replaces"][0]["size"], info["size"]);
    w.cs(["verify"]).expect(0);
}

#[test]
fn an_older_copy_of_the_ledger_is_a_rollback() {
    let w = World::with_commit();
    w.cs(["run"]).expect(11);
    let ledger = w.repo().join(".countersign");
    let copy = w.path("copy");
    assert!(w.command("cp", &w.repo()).arg("-a").arg(&ledger).arg(&copy).status().unwrap().success());
    w.cs(["run"]).expect(11);
    std::fs::rename(&ledger, w.path("newer")).unwrap();
    std::fs::rename(&copy, &ledger).unwrap();
    w.cs(["verify"]).expect(13);
    let ran = w.cs(["run"]).expect(13);
    assert!(ran.err.starts_with("error[CS-TRUST-003]"), "{}", ran.err);
}

#[test]
fn a_ledger_without_a_pin_is_consistent_but_untrusted() {
    let w = World::with_commit();
    w.cs(["run"]).expect(11);
    let trust = w.path("trust.json");
    w.cs(["trust", "export", "--out", trust.to_str().unwrap()]).expect(0);
    let elsewhere = |args: &[&str]| {
        let mut command = w.command(env!("CARGO_BIN_EXE_countersign"), &w.repo());
        command.env("COUNTERSIGN_DATA_DIR", w.path("elsewhere")).args(args);
        let out = command.output().unwrap();
        (out.status.code(), String::from_utf8_lossy(&out.stdout).into_owned())
    };
    let (code, out) = elsewhere(&["verify"]);
    assert_eq!(code, Some(13), "{out}");
    assert!(out.contains("consistent, but untrusted"), "{out}");
    assert_eq!(elsewhere(&["verify", "--trust", trust.to_str().unwrap()]).0, Some(0));
    assert_eq!(elsewhere(&["verify", "--trust", ".countersign/ledger/vkey"]).0, Some(13), "it vouches for itself");
    assert_eq!(elsewhere(&["trust", "import", trust.to_str().unwrap()]).0, Some(0));
    assert_eq!(elsewhere(&["verify"]).0, Some(0));
}

#[test]
fn a_full_disk_acknowledges_nothing_and_is_got_over() {
    let w = World::with_commit();
    let mount = w.path("small");
    std::fs::create_dir(&mount).unwrap();
    let mut command = w.command("mount", &w.repo());
    command.args(["-t", "tmpfs", "-o", "size=256k", "tmpfs"]).arg(&mount);
    let mounted = command.output();
    if !mounted.as_ref().is_ok_and(|o| o.status.success()) {
        eprintln!("skipped: this account may not mount a small file system: {mounted:?}");
        return;
    }
    let ledger = mount.join("ledger");
    let ledger = ledger.to_str().unwrap();
    let mut done = 0;
    let full = loop {
        w.commit("counter", &format!("{done}\n"));
        let ran = w.cs(["run", "--ledger", ledger]);
        if ran.code != 11 {
            break ran;
        }
        done += 1;
        assert!(done < 200, "the disk never filled up");
    };
    let verdict = w.cs(["verify", ledger]);
    // Room again: the same command works, and nothing is there twice.
    let mut more = w.command("mount", &w.repo());
    let grown = more.args(["-o", "remount,size=8m"]).arg(&mount).status().unwrap().success();
    let again = w.cs(["run", "--ledger", ledger, "--format", "json"]);
    let after = w.cs(["verify", ledger]);
    assert!(w.command("umount", &w.repo()).arg(&mount).status().unwrap().success());
    assert!(done > 0, "{}", full.err);
    assert_eq!(full.code, 5, "{}\n{}", full.out, full.err);
    assert!(full.err.contains("error[CS-LEDGER-006]"), "{}", full.err);
    assert_eq!(verdict.code, 0, "{}", verdict.out);
    assert!(grown);
    assert_eq!(again.expect(11).json()["run"]["attempt"], 1, "what was not acknowledged was not recorded");
    assert_eq!(after.code, 0, "{}", after.out);
}
