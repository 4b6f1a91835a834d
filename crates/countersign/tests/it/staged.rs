//! `scan --staged`: what the next commit would add, in real repositories.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

use crate::support::{Ran, World, planted_secret};

fn staged(w: &World) -> Ran {
    w.cs(["scan", "--staged", "--format", "json"])
}

fn key_line() -> String {
    format!("export AWS_ACCESS_KEY_ID={}\n", planted_secret())
}

/// Rule, path and line of every finding.
fn found(ran: &Ran) -> Vec<(String, String, u64)> {
    let list = ran.json()["findings"].as_array().unwrap().clone();
    let text = |v: &serde_json::Value| v.as_str().unwrap().to_owned();
    list.iter().map(|f| (text(&f["rule"]), text(&f["path"]), f["line"].as_u64().unwrap())).collect()
}

#[test]
fn only_new_lines_count() {
    let w = World::with_commit();
    w.commit("deploy.sh", &format!("set -e\n{}echo done\n", key_line()));
    // The key stands there already; a line far from it changes.
    w.write("deploy.sh", &format!("set -eu\n{}echo done\n", key_line()));
    w.git(["add", "-A"]);
    assert_eq!(found(&staged(&w).expect(0)), []);
    // A second one is new, in a file that holds the old one too.
    w.write("deploy.sh", &format!("set -eu\n{}echo done\n{}", key_line(), key_line()));
    w.git(["add", "-A"]);
    let found = found(&staged(&w).expect(10));
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].1.as_str(), found[0].2), ("deploy.sh", 4));
    // What is not staged does not count.
    w.git(["reset", "-q"]);
    assert_eq!(staged(&w).expect(0).json()["stats"]["files"], 0);
}

#[test]
fn the_index_is_judged_and_not_the_directory() {
    let w = World::with_commit();
    w.write("a.sh", &key_line());
    w.git(["add", "-A"]);
    w.write("a.sh", "clean\n");
    assert_eq!(staged(&w).expect(10).json()["findings"].as_array().unwrap().len(), 1);
    w.git(["add", "-A"]);
    w.write("a.sh", &key_line());
    staged(&w).expect(0);
}

#[test]
fn the_first_commit_is_looked_at_too() {
    let w = World::new();
    staged(&w).expect(0);
    w.write("a.sh", &key_line());
    w.git(["add", "-A"]);
    let ran = staged(&w).expect(10);
    assert_eq!(found(&ran)[0].1, "a.sh");
    assert!(!ran.out.contains(&planted_secret()));
}

#[test]
fn a_value_of_many_lines_counts_when_one_of_them_is_new() {
    let w = World::with_commit();
    let key = w.key("deploy");
    let whole = std::fs::read_to_string(key).unwrap();
    // All but the third line is committed; that one completes the key.
    let lines: Vec<&str> = whole.lines().collect();
    let part: Vec<&str> = lines.iter().enumerate().filter(|(n, _)| *n != 2).map(|(_, l)| *l).collect();
    w.commit("id", &format!("{}\n", part.join("\n")));
    w.write("id", &whole);
    w.git(["add", "-A"]);
    let found = found(&staged(&w).expect(10));
    assert_eq!((found[0].1.as_str(), found[0].2), ("id", 1), "{found:?}");
}

#[test]
fn a_rename_or_another_mode_brings_nothing_new() {
    let w = World::with_commit();
    w.commit("old.sh", &format!("one\ntwo\nthree\nfour\n{}", key_line()));
    w.git(["mv", "old.sh", "new.sh"]);
    w.git(["update-index", "--chmod=+x", "new.sh"]);
    assert_eq!(staged(&w).expect(0).json()["stats"]["files"], 0);
    // Renamed and changed: only the change counts.
    w.write("new.sh", &format!("one\ntwo\nthree\nfour\n{}five\n", key_line()));
    w.git(["add", "-A"]);
    assert_eq!(found(&staged(&w).expect(0)), []);
    w.write("new.sh", &format!("one\ntwo\nthree\nfour\n{}five\n{}", key_line(), key_line()));
    w.git(["add", "-A"]);
    assert_eq!(found(&staged(&w).expect(10))[0].2, 7);
}

#[test]
fn a_deletion_alone_passes() {
    let w = World::with_commit();
    w.commit("a.sh", &key_line());
    w.git(["rm", "-q", "a.sh"]);
    staged(&w).expect(0);
}

#[test]
fn links_and_submodules_are_counted_and_not_followed() {
    let w = World::with_commit();
    let inner = w.path("inner");
    std::fs::create_dir(&inner).unwrap();
    w.git_in(&inner, ["init", "-q", "-b", "main"]);
    std::fs::write(inner.join("deploy.sh"), key_line()).unwrap();
    w.git_in(&inner, ["add", "-A"]);
    w.git_in(&inner, ["commit", "-q", "-m", "inner"]);
    w.git(["submodule", "--quiet", "add", inner.to_str().unwrap(), "vendor/inner"]);
    std::os::unix::fs::symlink("vendor/inner/deploy.sh", w.repo().join("link")).unwrap();
    w.git(["add", "-A"]);
    let ran = staged(&w).expect(0).json();
    assert_eq!(ran["stats"]["submodules"], 1, "{ran}");
    assert_eq!(ran["stats"]["links"], 1, "{ran}");
    let text = w.cs(["scan", "--staged"]).expect(0);
    assert!(text.out.contains("1 link not followed, 1 submodule not followed"), "{}", text.out);
}

#[test]
fn a_link_that_becomes_a_file_is_new_from_its_first_line() {
    let w = World::with_commit();
    std::os::unix::fs::symlink("README", w.repo().join("a")).unwrap();
    w.git(["add", "-A"]);
    w.git(["commit", "-q", "-m", "link"]);
    std::fs::remove_file(w.repo().join("a")).unwrap();
    w.write("a", &key_line());
    w.git(["add", "-A"]);
    assert_eq!(found(&staged(&w).expect(10))[0].1, "a");
}

#[test]
fn what_is_only_intended_to_be_added_is_not_staged() {
    let w = World::with_commit();
    w.write("a.sh", &key_line());
    w.git(["add", "-N", "a.sh"]);
    assert_eq!(staged(&w).expect(0).json()["stats"]["files"], 0);
}

#[test]
fn another_git_that_holds_the_index_is_no_hindrance() {
    let w = World::with_commit();
    w.write("a.sh", &key_line());
    w.git(["add", "-A"]);
    let lock = w.repo().join(".git/index.lock");
    std::fs::write(&lock, "").unwrap();
    staged(&w).expect(10);
    assert!(lock.exists());
}

#[test]
fn an_index_that_cannot_be_read_is_an_error() {
    let w = World::with_commit();
    std::fs::write(w.repo().join(".git/index"), "DIRC nonsense").unwrap();
    let ran = staged(&w);
    assert!(ran.code != 0 && ran.err.contains("error[CS-GIT-"), "{}", ran.all());
    assert!(ran.err.contains("help: "), "{}", ran.err);
}

#[test]
fn names_that_are_not_utf8_and_names_that_look_like_headers_are_scanned() {
    let w = World::with_commit();
    for name in [&b"caf\xe9.sh"[..], b"a\nindex 0..0\n@@ -0,0 +1,99 @@", b"with \"quotes\" and blanks"] {
        std::fs::write(w.repo().join(OsStr::from_bytes(name)), key_line()).unwrap();
    }
    w.git(["add", "-A"]);
    assert_eq!(found(&staged(&w).expect(10)).len(), 3);
}

#[test]
fn text_that_looks_like_a_patch_does_not_hide_lines() {
    let w = World::with_commit();
    w.commit("a", "1\n2\n3\n4\n");
    let id = "0".repeat(40);
    let forged = format!("@@ -1,0 +1,0 @@\ndiff --git a/x b/x\nindex {id}..{id}\n@@ -1,9 +1,0 @@\n{}", key_line());
    w.write("a", &format!("{forged}1\n2\n3\n4\n"));
    w.git(["add", "-A"]);
    assert_eq!(found(&staged(&w).expect(10))[0].2, 5);
}

#[test]
fn what_git_takes_for_binary_is_compared_by_value() {
    let w = World::with_commit();
    let utf16 = |text: &str| -> Vec<u8> {
        std::iter::once(0xFEFF_u16).chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect()
    };
    w.write(".gitattributes", "*.lock -diff\n");
    w.write("a.lock", &key_line());
    std::fs::write(w.repo().join("a.reg"), utf16(&key_line())).unwrap();
    w.git(["add", "-A"]);
    w.git(["commit", "-q", "-m", "before"]);
    w.write("a.lock", &format!("moved\n{}", key_line()));
    std::fs::write(w.repo().join("a.reg"), utf16(&format!("moved\n{}", key_line()))).unwrap();
    w.git(["add", "-A"]);
    assert_eq!(found(&staged(&w).expect(0)), []);
    // Once more the same value is one more.
    w.write("a.lock", &format!("{}moved\n{}", key_line(), key_line()));
    w.git(["add", "-A"]);
    assert_eq!(found(&staged(&w).expect(10)).len(), 1);
}

#[test]
fn archives_are_compared_by_value_too() {
    let w = World::with_commit();
    // A gzip file of one stored block (RFC 1951, 3.2.4; RFC 1952).
    let gzip = |text: &str| -> Vec<u8> {
        let mut out = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255, 1];
        let length = u16::try_from(text.len()).unwrap();
        out.extend(length.to_le_bytes().into_iter().chain((!length).to_le_bytes()).chain(text.bytes()));
        let mut crc = !0_u32;
        for byte in text.bytes() {
            crc ^= u32::from(byte);
            for _ in 0..8 {
                crc = (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg());
            }
        }
        out.extend((!crc).to_le_bytes().into_iter().chain(u32::from(length).to_le_bytes()));
        out
    };
    let stage = |text: &str| {
        std::fs::write(w.repo().join("a.sh.gz"), gzip(text)).unwrap();
        w.git(["add", "-A"]);
    };
    stage(&key_line());
    let new = found(&staged(&w).expect(10));
    assert!(new[0].1.starts_with("a.sh.gz"), "{new:?}");
    w.git(["commit", "-q", "-m", "archive"]);
    stage(&format!("another line\n{}", key_line()));
    assert_eq!(found(&staged(&w).expect(0)), []);
    stage(&format!("{}another line\n{}", key_line(), key_line()));
    assert_eq!(found(&staged(&w).expect(10)).len(), 1);
}

#[test]
fn a_conflict_is_a_gap() {
    let w = World::with_commit();
    w.git(["checkout", "-q", "-b", "other"]);
    w.commit("README", "theirs\n");
    w.git(["checkout", "-q", "main"]);
    w.commit("README", "ours\n");
    let mut merge = w.command("git", &w.repo());
    let merge = merge.args(["-c", "user.name=M", "-c", "user.email=m@example.com", "merge", "-q", "other"]).output();
    assert!(!merge.unwrap().status.success());
    let ran = staged(&w).expect(14).json();
    assert_eq!(ran["gaps"][0]["path"], "README", "{ran}");
}

#[test]
fn content_that_is_gone_is_a_gap() {
    let w = World::with_commit();
    w.write("a.sh", &key_line());
    w.write("b.sh", &key_line());
    w.git(["add", "-A"]);
    let id = w.git(["rev-parse", ":a.sh"]);
    // Both files are one blob.
    std::fs::remove_file(w.repo().join(format!(".git/objects/{}/{}", &id[..2], id[2..].trim()))).unwrap();
    let ran = staged(&w);
    assert_eq!(ran.code, 14, "{}", ran.all());
}

#[test]
fn a_linked_worktree_has_an_index_of_its_own() {
    let w = World::with_commit();
    let tree = w.path("work tree");
    w.git(["worktree", "add", "-q", "--detach", tree.to_str().unwrap()]);
    std::fs::write(tree.join("a.sh"), key_line()).unwrap();
    w.git_in(&tree, ["add", "-A"]);
    w.cs_in(&tree, ["scan", "--staged"]).expect(10);
    w.cs(["scan", "--staged"]).expect(0);
    // From a folder inside, and by name from elsewhere.
    let sub = tree.join("sub");
    std::fs::create_dir(&sub).unwrap();
    w.cs_in(&sub, ["scan", "--staged"]).expect(10);
    w.cs_in(&w.path("home"), [OsStr::new("scan"), OsStr::new("--staged"), OsStr::new("--repo"), tree.as_os_str()])
        .expect(10);
}

#[test]
fn where_nothing_can_be_staged_it_is_said() {
    let w = World::with_commit();
    let outside = w.cs_in(&w.path("home"), ["scan", "--staged"]).expect(2);
    assert!(outside.err.contains("error[CS-GIT-003]"), "{}", outside.err);
    let bare = w.path("bare.git");
    w.git(["clone", "-q", "--bare", w.repo().to_str().unwrap(), bare.to_str().unwrap()]);
    let bare = w.cs_in(&bare, ["scan", "--staged"]).expect(2);
    assert!(bare.err.contains("error[CS-GIT-015]") && bare.err.contains("--history"), "{}", bare.err);
    w.cs(["scan", "--staged", "src"]).expect(2);
}

#[test]
fn suppressions_are_those_that_would_be_committed() {
    let w = World::with_commit();
    w.write("a.sh", &key_line());
    w.git(["add", "a.sh"]);
    let declare = "[[scan.declare]]\npath = \"*.sh\"\nrule = \"*\"\nreason = \"made up\"\n";
    w.write("countersign.toml", declare);
    staged(&w).expect(10);
    w.git(["add", "countersign.toml"]);
    assert_eq!(staged(&w).expect(0).json()["findings"][0]["state"], "suppression-requested");
    w.write("countersign.toml", "[scam]\n");
    staged(&w).expect(0);
    w.git(["add", "countersign.toml"]);
    assert!(staged(&w).expect(2).err.contains("countersign.toml:1"));
}

#[test]
fn fingerprints_are_those_of_a_scan() {
    let w = World::with_commit();
    w.firm();
    w.write("a.sh", &key_line());
    w.git(["add", "-A"]);
    let staged = staged(&w).expect(10).json();
    let tree = w.cs(["scan", "--format", "json"]).expect(10).json();
    assert_eq!(staged["findings"][0]["fingerprint"], tree["findings"][0]["fingerprint"]);
}
