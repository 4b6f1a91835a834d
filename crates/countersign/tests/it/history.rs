//! `scan --history`: everything that commits brought, in real repositories.

use std::path::Path;

use crate::support::{Ran, World, have_ssh_keygen, planted_secret};

fn key_line() -> String {
    format!("export AWS_ACCESS_KEY_ID={}\n", planted_secret())
}

fn history(w: &World) -> Ran {
    w.cs(["scan", "--history", "--format", "json"])
}

fn head(w: &World) -> String {
    w.git(["rev-parse", "HEAD"]).trim().to_owned()
}

#[test]
fn a_value_is_one_finding_at_the_commit_that_brought_it() {
    let w = World::with_commit();
    w.commit("a.sh", &format!("one\n{}", key_line()));
    let first = head(&w);
    // More versions of the file, another file with the same value, and then it is gone.
    w.commit("a.sh", &format!("one\ntwo\n{}", key_line()));
    w.commit("b.sh", &key_line());
    let there = history(&w).expect(10).json();
    assert_eq!(there["findings"].as_array().unwrap().len(), 1, "{there}");
    assert_eq!(there["findings"][0]["origin"]["at_head"], true);
    w.git(["rm", "-q", "a.sh", "b.sh"]);
    w.git(["commit", "-q", "-m", "gone"]);
    let gone = history(&w).expect(10).json();
    let finding = &gone["findings"][0];
    assert_eq!((finding["path"].as_str(), finding["line"].as_u64()), (Some("a.sh"), Some(2)));
    let origin = &finding["origin"];
    assert_eq!(origin["commit"], first);
    assert_eq!(origin["author"], "Mia <mia@example.com>");
    assert_eq!(origin["date"], "2026-01-02T03:04:05.000Z");
    assert_eq!(origin["at_head"], false);
    assert_eq!(origin["verified"], serde_json::Value::Null);
    assert_eq!(gone["stats"]["commits"], 5);
    let text = w.cs(["scan", "--history"]).expect(10);
    let line = format!("first in {} of 2026-01-02 by Mia <mia@example.com> (not verified: ", &first[..12]);
    assert!(text.out.contains(&line) && text.out.contains("no longer at HEAD"), "{}", text.out);
    assert!(text.out.contains("5 commits with 4 files"), "{}", text.out);
    // A working directory holds none of it.
    w.cs(["scan"]).expect(0);
}

#[test]
fn a_secret_in_a_message_is_found_at_the_commit() {
    let w = World::with_commit();
    w.write("a.sh", "clean\n");
    w.git(["add", "a.sh"]);
    let message = format!("Subject\n\nTried it with\n{}", key_line());
    w.git(["commit", "-q", "--no-verify", "-m", &message]);
    let first = head(&w);
    w.commit("b.sh", "clean too\n");
    let found = history(&w).expect(10).json();
    assert_eq!(found["findings"].as_array().unwrap().len(), 1, "{found}");
    let finding = &found["findings"][0];
    assert_eq!(finding["path"], format!("commit {first} message"));
    assert_eq!((finding["line"].as_u64(), &finding["origin"]["commit"]), (Some(4), &first.clone().into()));
    assert_eq!(finding["origin"]["at_head"], true);
    assert!(!finding["excerpt"].as_str().unwrap().contains(&planted_secret()));
    // Messages are no files.
    assert_eq!((&found["stats"]["commits"], &found["stats"]["files"]), (&3.into(), &3.into()));
    assert_eq!(history(&w).expect(10).json(), found);
}

#[test]
fn a_second_scan_says_the_same() {
    let w = World::with_commit();
    w.commit("a.sh", &key_line());
    let cold = history(&w).expect(10);
    let warm = history(&w).expect(10);
    assert_eq!(cold.out, warm.out);
    // Something new, and what was known.
    w.git(["rm", "-q", "a.sh"]);
    w.commit("c.sh", "clean\n");
    let more = history(&w).expect(10).json();
    assert_eq!(more["findings"][0]["origin"]["at_head"], false);
    // What is kept is of no use to anybody without being what was written: then all is looked at again.
    let dir = w.path("data/scan-cache");
    let mut broken = 0;
    for repository in std::fs::read_dir(dir).unwrap() {
        for file in std::fs::read_dir(repository.unwrap().path()).unwrap() {
            let path = file.unwrap().path();
            let mut bytes = std::fs::read(&path).unwrap();
            assert!(!String::from_utf8_lossy(&bytes).contains(&planted_secret()));
            let last = bytes.len() - 1;
            bytes[last] ^= 1;
            std::fs::write(&path, bytes).unwrap();
            broken += 1;
        }
    }
    assert_eq!(broken, 2);
    let again = w.cs(["scan", "--history", "--format", "json"]).expect(10);
    assert!(again.err.contains("CS-SCAN-013"), "{}", again.err);
    assert_eq!(again.json(), more);
    // A reference that is gone takes what it led to with it.
    w.git(["checkout", "-q", "-b", "side", "HEAD~2"]);
    assert_eq!(w.git(["log", "--oneline"]).lines().count(), 1);
    w.commit("d.sh", &key_line().replace("AKIA", "ASIA"));
    assert_eq!(history(&w).expect(10).json()["findings"].as_array().unwrap().len(), 2);
    w.git(["checkout", "-q", "main"]);
    w.git(["branch", "-q", "-D", "side"]);
    assert_eq!(history(&w).expect(10).json(), more);
}

#[test]
fn what_a_merge_alone_brings_is_seen() {
    let w = World::with_commit();
    w.commit("a", "1\n");
    w.git(["checkout", "-q", "-b", "side"]);
    w.commit("a", "2\n");
    w.git(["checkout", "-q", "main"]);
    w.commit("a", "3\n");
    let mut merge = w.command("git", &w.repo());
    merge.args(["-c", "user.name=M", "-c", "user.email=m@example.com", "merge", "-q", "side"]);
    assert!(!merge.output().unwrap().status.success());
    w.commit("a", &key_line());
    let merge = head(&w);
    w.commit("a", "4\n");
    assert_eq!(history(&w).expect(10).json()["findings"][0]["origin"]["commit"], merge);
}

#[test]
fn a_range_is_what_it_says() {
    let w = World::with_commit();
    w.commit("a.sh", &key_line());
    w.commit("b.sh", "clean\n");
    w.cs(["scan", "--history", "HEAD~1..HEAD"]).expect(0);
    w.cs(["scan", "--history", "HEAD~2..HEAD"]).expect(10);
    w.cs(["scan", "--history", "HEAD..HEAD"]).expect(0);
    for wrong in ["nowhere..HEAD", "--all", ""] {
        let arg = format!("--history={wrong}");
        let ran = w.cs(["scan", &arg]).expect(2);
        assert!(ran.err.contains("error[CS-GIT-006]"), "{wrong}: {}", ran.err);
    }
    w.cs(["scan", "--history", "HEAD", "README"]).expect(2);
}

#[test]
fn a_signature_says_who_it_was() {
    if !have_ssh_keygen() {
        return;
    }
    let w = World::new();
    w.firm();
    w.key("eve");
    w.commit_signed("mia", "a.sh", &key_line());
    w.commit_signed("eve", "b.sh", &key_line().replace("AKIA", "ASIA"));
    let found = history(&w).expect(10).json();
    let by = |path: &str| {
        let list = found["findings"].as_array().unwrap();
        list.iter().find(|f| f["path"] == path).unwrap()["origin"].clone()
    };
    assert_eq!(by("a.sh")["verified"], "mia");
    assert_eq!(by("b.sh")["verified"], serde_json::Value::Null);
    assert!(by("b.sh")["identity"].as_str().unwrap().contains("nobody enrolled"), "{found}");
}

#[test]
fn a_shallow_clone_is_incomplete() {
    let w = World::with_commit();
    w.commit("a.sh", "clean\n");
    let url = format!("file://{}", w.repo().display());
    let shallow = w.path("shallow");
    w.git(["clone", "-q", "--depth", "1", &url, shallow.to_str().unwrap()]);
    let ran = w.cs_in(&shallow, ["scan", "--history"]).expect(14);
    assert!(ran.out.contains("git fetch --unshallow"), "{}", ran.out);
    // Made whole, it is.
    w.git_in(&shallow, ["fetch", "-q", "--unshallow"]);
    w.cs_in(&shallow, ["scan", "--history"]).expect(0);
}

#[test]
fn a_partial_clone_has_gaps() {
    let w = World::with_commit();
    w.commit("a.sh", "1\n");
    w.commit("a.sh", "2\n");
    w.git(["config", "uploadpack.allowFilter", "true"]);
    let url = format!("file://{}", w.repo().display());
    let partial = w.path("partial");
    w.git(["clone", "-q", "--filter=blob:none", &url, partial.to_str().unwrap()]);
    let ran = w.cs_in(&partial, ["scan", "--history", "--format", "json"]).expect(14).json();
    assert_eq!(ran["gaps"][0]["kind"], "missing-object", "{ran}");
    assert_eq!(ran["gaps"].as_array().unwrap().len(), 1, "{ran}");
}

fn remove_object(repo: &Path, id: &str) {
    std::fs::remove_file(repo.join(format!(".git/objects/{}/{}", &id[..2], &id[2..]))).unwrap();
}

#[test]
fn what_is_missing_or_broken_is_a_gap_and_the_rest_is_looked_at() {
    let w = World::with_commit();
    w.commit("a.sh", "clean\n");
    w.commit("b.sh", &key_line());
    w.commit("c.sh", "clean too\n");
    let id = |name: &str| w.git(["rev-parse", name]).trim().to_owned();
    let blob = id("HEAD:a.sh");
    let file = w.repo().join(format!(".git/objects/{}/{}", &blob[..2], &blob[2..]));
    let kept = std::fs::read(&file).unwrap();
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    std::fs::write(&file, b"broken").unwrap();
    let broken = history(&w).expect(10).json();
    assert_eq!(broken["gaps"][0]["path"], "a.sh", "{broken}");
    assert_eq!(broken["findings"][0]["path"], "b.sh");
    std::fs::remove_file(&file).unwrap();
    assert_eq!(history(&w).expect(10).json()["gaps"][0]["kind"], "missing-object");
    std::fs::write(&file, kept).unwrap();
    assert_eq!(history(&w).expect(10).json()["gaps"].as_array().unwrap().len(), 0);
    // What is kept of a history that nothing came to is still right; without it the objects are asked for.
    std::fs::remove_dir_all(w.path("data/scan-cache")).unwrap();
    // A tree that is not there: what could be listed was, and that something could not is said.
    remove_object(&w.repo(), &id("HEAD~1^{tree}"));
    let ran = history(&w);
    assert!(matches!(ran.code, 10 | 14), "{}", ran.all());
    assert!(!ran.json()["gaps"].as_array().unwrap().is_empty(), "{}", ran.out);
    // A commit that is not there: nothing can be said of what was before it.
    remove_object(&w.repo(), &id("HEAD~2"));
    let ran = history(&w).expect(14);
    assert!(ran.err.contains("error[CS-GIT-008]"), "{}", ran.err);
}

#[test]
fn nothing_committed_is_nothing_to_examine_and_a_bare_repository_is_something() {
    let w = World::new();
    let ran = w.cs(["scan", "--history"]).expect(3);
    assert!(ran.err.contains("error[CS-GIT-007]"), "{}", ran.err);
    w.commit("a.sh", &key_line());
    let bare = w.path("bare.git");
    w.git(["clone", "-q", "--bare", w.repo().to_str().unwrap(), bare.to_str().unwrap()]);
    w.cs_in(&bare, ["scan", "--history"]).expect(10);
    w.cs_in(&w.path("home"), ["scan", "--history"]).expect(2);
}

#[test]
fn what_every_reference_leads_to_is_looked_at() {
    let w = World::with_commit();
    w.git(["checkout", "-q", "-b", "side"]);
    w.commit("a.sh", &key_line());
    w.git(["tag", "-a", "-m", "x", "v1"]);
    w.git(["checkout", "-q", "main"]);
    w.git(["branch", "-q", "-D", "side"]);
    history(&w).expect(10);
    // Names that are not UTF-8, links and submodules do no harm.
    use std::os::unix::ffi::OsStrExt as _;
    let name = std::ffi::OsStr::from_bytes(b"caf\xe9.sh");
    std::fs::write(w.repo().join(name), key_line().replace("AKIA", "ASIA")).unwrap();
    std::os::unix::fs::symlink("x", w.repo().join("link")).unwrap();
    w.git(["add", "-A"]);
    w.git(["commit", "-q", "-m", "names"]);
    let ran = history(&w).expect(10).json();
    assert_eq!(ran["findings"].as_array().unwrap().len(), 2, "{ran}");
    assert_eq!(ran["stats"]["links"], 1);
}

#[test]
fn suppressions_at_head_count() {
    let w = World::with_commit();
    w.commit("a.sh", &key_line());
    history(&w).expect(10);
    w.commit("countersign.toml", "[[scan.declare]]\npath = \"a.sh\"\nrule = \"*\"\nreason = \"rotated\"\n");
    assert_eq!(history(&w).expect(0).json()["findings"][0]["state"], "suppression-requested");
    // The newest version of a file says what it asks for.
    w.git(["rm", "-q", "countersign.toml"]);
    w.commit("a.sh", &key_line().replace('\n', "  # countersign:allow * reason: rotated\n"));
    assert_eq!(history(&w).expect(0).json()["findings"][0]["requested_by"], "inline");
}
