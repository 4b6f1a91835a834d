//! Repositories of every shape: each has a clear outcome.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

use crate::support::{World, planted_secret, stable};

#[test]
fn no_commits_is_nothing_to_examine() {
    let w = World::new();
    let ran = w.cs(["run"]).expect(3);
    insta::assert_snapshot!(stable(&ran.err, &w), @r"
    error[CS-BUILD-001]: the repository has no commits yet (branch `main`)
      help: make a first commit: git commit
      more: countersign explain CS-BUILD-001
    ");
}

#[test]
fn no_repository_is_said_so() {
    let w = World::new();
    let ran = w.cs_in(&w.path("home"), ["run"]).expect(2);
    assert!(ran.err.contains("error[CS-GIT-"), "{}", ran.err);
    assert!(ran.err.contains("help: "), "{}", ran.err);
}

#[test]
fn one_commit_is_judged() {
    let w = World::with_commit();
    let ran = w.cs(["run", "--format", "json"]).expect(11).json();
    assert_eq!(ran["run"]["attempt"], 1);
    assert_eq!(ran["change"]["commits"], 1);
    assert_eq!(ran["run"]["base"], serde_json::Value::Null);
}

#[test]
fn a_shallow_clone_is_an_incomplete_history() {
    let w = World::with_commit();
    w.commit("a", "1\n");
    w.commit("b", "2\n");
    let url = format!("file://{}", w.repo().display());
    let shallow = w.path("shallow");
    w.git(["clone", "-q", "--depth", "1", &url, shallow.to_str().unwrap()]);
    let ran = w.cs_in(&shallow, ["run", "--format", "json"]).expect(10).json();
    assert_eq!(ran["change"]["complete"], false);
    assert!(ran["gates"].to_string().contains("history-incomplete"), "{}", ran["gates"]);
}

#[test]
fn a_detached_head_is_judged_by_its_commit() {
    let w = World::with_commit();
    let first = w.git(["rev-parse", "HEAD"]);
    w.commit("a", "1\n");
    w.git(["checkout", "-q", first.trim()]);
    let ran = w.cs(["run", "--format", "json"]).expect(11).json();
    assert_eq!(ran["run"]["commit"], first.trim());
}

#[test]
fn a_submodule_that_is_not_here_is_a_gap_and_one_that_is_here_is_scanned() {
    let w = World::with_commit();
    let inner = w.path("inner");
    std::fs::create_dir(&inner).unwrap();
    w.git_in(&inner, ["init", "-q", "-b", "main"]);
    std::fs::write(inner.join("deploy.sh"), format!("export AWS_ACCESS_KEY_ID={}\n", planted_secret())).unwrap();
    w.git_in(&inner, ["add", "-A"]);
    w.git_in(&inner, ["commit", "-q", "-m", "inner"]);
    w.git(["submodule", "--quiet", "add", inner.to_str().unwrap(), "vendor/inner"]);
    w.git(["commit", "-q", "-m", "submodule"]);
    let here = w.cs(["run", "--format", "json"]).expect(10).json();
    assert_eq!(here["findings"][0]["path"], "vendor/inner/deploy.sh", "{here}");
    assert_eq!(here["scan"]["gaps"].as_array().unwrap().len(), 0);

    let clone = w.path("clone");
    w.git(["clone", "-q", w.repo().to_str().unwrap(), clone.to_str().unwrap()]);
    let absent = w.cs_in(&clone, ["run", "--format", "json"]).expect(10).json();
    assert_eq!(absent["scan"]["gaps"][0]["kind"], "submodule", "{absent}");
    assert!(absent["gates"].to_string().contains("scan-incomplete"));
}

#[test]
fn worktrees_share_one_ledger() {
    let w = World::with_commit();
    let first = w.cs(["run", "--format", "json"]).expect(11).json();
    let tree = w.path("worktree");
    w.git(["worktree", "add", "-q", "--detach", tree.to_str().unwrap()]);
    let second = w.cs_in(&tree, ["run", "--format", "json"]).expect(11).json();
    assert_eq!(first["run"]["id"], second["run"]["id"]);
    assert_eq!(second["run"]["attempt"], 2);
    assert_eq!(second["decision"]["reused"], true);
    assert!(!tree.join(".countersign").exists());
}

#[test]
fn names_that_are_not_utf8_are_escaped_and_scanned() {
    let w = World::with_commit();
    let name = OsStr::from_bytes(b"caf\xe9 50%.sh");
    std::fs::write(w.repo().join(name), format!("key={}\n", planted_secret())).unwrap();
    w.git(["add", "-A"]);
    w.git(["commit", "-q", "-m", "odd"]);
    let ran = w.cs(["run", "--format", "json"]).expect(10).json();
    assert_eq!(ran["findings"][0]["path"], "caf%E9 50%25.sh", "{ran}");
}

#[test]
fn a_bare_repository_is_judged() {
    let w = World::with_commit();
    let bare = w.path("bare.git");
    w.git(["clone", "-q", "--bare", w.repo().to_str().unwrap(), bare.to_str().unwrap()]);
    let ran = w.cs_in(&bare, ["run", "--format", "json"]).expect(11).json();
    assert_eq!(ran["scan"]["files"], 1);
}

#[test]
fn a_hook_s_environment_does_not_mislead() {
    let w = World::with_commit();
    let mut command = w.command(env!("CARGO_BIN_EXE_countersign"), &w.repo());
    command.env("GIT_DIR", "/nonexistent").env("GIT_INDEX_FILE", "/nonexistent/index").args(["run"]);
    assert_eq!(command.output().unwrap().status.code(), Some(11));
}

#[test]
fn the_commit_is_judged_and_not_the_directory() {
    let w = World::with_commit();
    w.write("README", &format!("key={}\n", planted_secret()));
    let ran = w.cs(["run", "--format", "json"]).expect(11).json();
    assert_eq!(ran["findings"].as_array().unwrap().len(), 0);
    assert_eq!(ran["change"]["not_judged"], 1);
}

#[test]
fn the_ledger_ignores_itself_in_git() {
    let w = World::with_commit();
    w.cs(["run"]).expect(11);
    assert_eq!(w.git(["status", "--porcelain"]), "");
}
