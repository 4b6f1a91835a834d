//! Git hooks, run by git itself.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::support::{Ran, World, planted_secret};

const HOOKS: [&str; 3] = ["pre-commit", "commit-msg", "pre-push"];

fn key_line() -> String {
    format!("export AWS_ACCESS_KEY_ID={}\n", planted_secret())
}

/// git, which may fail, with hooks as they are configured.
fn git(w: &World, dir: &Path, args: &[&str]) -> Ran {
    git_with(w, dir, args, |_| {})
}

fn git_with(w: &World, dir: &Path, args: &[&str], more: impl FnOnce(&mut std::process::Command)) -> Ran {
    let mut command = w.command("git", dir);
    command.args(["-c", "user.name=Mia", "-c", "user.email=mia@example.com", "-c", "protocol.file.allow=always"]);
    command.args(args);
    more(&mut command);
    World::finish(command)
}

fn script(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// The files in a directory and what is in them.
fn files(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut all: Vec<_> = std::fs::read_dir(dir)
        .unwrap()
        .map(|e| e.unwrap().path())
        .map(|path| (path.clone(), std::fs::read(&path).unwrap()))
        .collect();
    all.sort();
    all
}

fn states(ran: &Ran) -> Vec<String> {
    let list = ran.json()["hooks"].as_array().unwrap().clone();
    list.iter().map(|h| h["state"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_commit_with_a_secret_is_stopped_and_a_clean_one_is_not() {
    let w = World::with_commit();
    w.cs(["hook", "install"]).expect(0);
    w.write("a.sh", &key_line());
    w.git(["add", "-A"]);
    let stopped = git(&w, &w.repo(), &["commit", "-q", "-m", "a"]);
    assert_eq!(stopped.code, 1, "{}", stopped.all());
    assert!(stopped.out.contains("a.sh:1") || stopped.err.contains("a.sh:1"), "{}", stopped.all());
    assert!(!stopped.all().contains(&planted_secret()));
    w.write("a.sh", "clean\n");
    w.git(["add", "-A"]);
    let passed = git(&w, &w.repo(), &["commit", "-q", "-m", "a"]).expect(0);
    // A hook that has nothing to say says nothing.
    assert_eq!((passed.out.as_str(), passed.err.as_str()), ("", ""));
}

#[test]
fn commit_all_and_partial_commits_are_judged_by_their_own_index() {
    let w = World::with_commit();
    w.commit("a.sh", "one\n");
    w.cs(["hook", "install"]).expect(0);
    w.write("a.sh", &key_line());
    assert_eq!(git(&w, &w.repo(), &["commit", "-q", "-a", "-m", "a"]).code, 1);
    assert_eq!(git(&w, &w.repo(), &["commit", "-q", "-m", "a", "a.sh"]).code, 1);
    // A secret that is staged and not part of this commit is not its concern.
    w.git(["add", "a.sh"]);
    w.write("b.sh", "clean\n");
    w.git(["add", "-N", "b.sh"]);
    git(&w, &w.repo(), &["commit", "-q", "-m", "b", "b.sh"]).expect(0);
}

#[test]
fn a_message_with_a_secret_is_stopped() {
    let w = World::with_commit();
    w.cs(["hook", "install"]).expect(0);
    let say = |text: &str| git(&w, &w.repo(), &["commit", "-q", "--allow-empty", "-m", text]);
    let stopped = say(&format!("rotate\n\n{}", key_line()));
    assert_eq!(stopped.code, 1, "{}", stopped.all());
    assert!(stopped.all().contains("commit message:3"), "{}", stopped.all());
    say("rotate the key").expect(0);
}

#[test]
fn the_diff_below_a_message_is_no_part_of_it() {
    let w = World::with_commit();
    w.commit("a.sh", &key_line());
    w.cs(["hook", "install"]).expect(0);
    w.write("a.sh", &format!("{}clean\n", key_line()));
    w.git(["add", "-A"]);
    let editor = w.path("editor");
    script(&editor, "#!/bin/sh\n{ echo subject; cat \"$1\"; } > \"$1.new\" && mv \"$1.new\" \"$1\"\n");
    let ran = git_with(&w, &w.repo(), &["commit", "-q", "-v"], |c| {
        c.env("GIT_EDITOR", &editor);
    });
    ran.expect(0);
}

#[test]
fn a_push_brings_no_secret() {
    let w = World::with_commit();
    let remote = w.path("remote.git");
    w.git(["init", "-q", "--bare", remote.to_str().unwrap()]);
    w.git(["remote", "add", "origin", remote.to_str().unwrap()]);
    w.git(["push", "-q", "origin", "main"]);
    w.cs(["hook", "install"]).expect(0);
    let push = |args: &[&str]| git(&w, &w.repo(), &[&["push", "-q"], args].concat());
    // A new branch, with a secret that its newest commit has no more.
    w.git(["checkout", "-q", "-b", "feature"]);
    w.write("a.sh", &key_line());
    w.git(["add", "-A"]);
    w.git(["commit", "-q", "--no-verify", "-m", "bypassed"]);
    let bypassed = w.git(["rev-parse", "HEAD"]);
    w.git(["rm", "-q", "a.sh"]);
    w.git(["commit", "-q", "-m", "gone"]);
    let stopped = push(&["origin", "feature"]);
    assert_eq!(stopped.code, 1, "{}", stopped.all());
    assert!(stopped.all().contains(&format!("first in {}", &bypassed[..12])), "{}", stopped.all());
    assert!(stopped.all().contains("no longer at HEAD"), "{}", stopped.all());
    // Without it.
    w.git(["reset", "-q", "--hard", "main"]);
    w.commit("b.sh", "clean\n");
    push(&["origin", "feature"]).expect(0);
    // A forced push of another history, on top of what the remote has.
    w.git(["reset", "-q", "--hard", "main"]);
    w.commit("c.sh", "clean\n");
    assert_eq!(push(&["origin", "feature"]).code, 1, "not a fast forward: git refuses by itself");
    push(&["-f", "origin", "feature"]).expect(0);
    w.write("d.sh", &key_line());
    w.git(["add", "-A"]);
    w.git(["commit", "-q", "--no-verify", "-m", "bypassed"]);
    assert_eq!(push(&["-f", "origin", "feature"]).code, 1);
    // Taking a branch away brings nothing, and neither does what the remote has under another name.
    push(&["origin", ":feature"]).expect(0);
    push(&["origin", "main:again"]).expect(0);
    // To an address that has no name.
    assert_eq!(push(&[remote.to_str().unwrap(), "HEAD:refs/heads/x"]).code, 1);
    w.git(["reset", "-q", "--hard", "main"]);
    push(&[remote.to_str().unwrap(), "HEAD:refs/heads/x"]).expect(0);
    push(&["origin", "--all"]).expect(0);
}

#[test]
fn a_hook_that_was_there_goes_first_and_comes_back() {
    let w = World::with_commit();
    let hooks = w.repo().join(".git/hooks");
    std::fs::remove_dir_all(&hooks).ok();
    let trace = w.path("trace");
    script(&hooks.join("pre-commit"), &format!("#!/bin/sh\necho pre-commit \"$#\" >> '{}'\n", trace.display()));
    script(&hooks.join("pre-push"), &format!("#!/bin/sh\ncat >> '{}'\n", trace.display()));
    let before = files(&hooks);
    w.cs(["hook", "install"]).expect(0);
    w.write("a.sh", "clean\n");
    w.git(["add", "-A"]);
    git(&w, &w.repo(), &["commit", "-q", "-m", "a"]).expect(0);
    assert_eq!(std::fs::read_to_string(&trace).unwrap(), "pre-commit 0\n");
    // It gets what git writes, and so do we.
    let remote = w.path("remote.git");
    w.git(["init", "-q", "--bare", remote.to_str().unwrap()]);
    w.git(["push", "-q", remote.to_str().unwrap(), "main"]);
    assert!(std::fs::read_to_string(&trace).unwrap().contains("refs/heads/main "));
    // What it changes is looked at, too.
    script(
        &hooks.join("pre-commit.before-countersign"),
        &format!("#!/bin/sh\necho '{}' > made.sh\ngit add made.sh\n", key_line().trim()),
    );
    w.write("b.sh", "clean\n");
    w.git(["add", "-A"]);
    let stopped = git(&w, &w.repo(), &["commit", "-q", "-m", "b"]);
    assert!(stopped.code == 1 && stopped.all().contains("made.sh:1"), "{}", stopped.all());
    // Its refusal is the refusal.
    script(&hooks.join("pre-commit.before-countersign"), "#!/bin/sh\nexit 7\n");
    let run = World::finish(w.command(hooks.join("pre-commit"), &w.repo()));
    assert_eq!(run.code, 7, "{}", run.all());
    script(&hooks.join("pre-commit.before-countersign"), std::str::from_utf8(&before[0].1).unwrap());
    w.cs(["hook", "uninstall"]).expect(0);
    assert_eq!(files(&hooks), before);
}

#[test]
fn installing_twice_is_installing_once() {
    let w = World::with_commit();
    let hooks = w.repo().join(".git/hooks");
    script(&hooks.join("commit-msg"), "#!/bin/sh\nexit 0\n");
    assert_eq!(w.cs(["hook", "status"]).code, 12);
    w.cs(["hook", "install"]).expect(0);
    let once = files(&hooks);
    w.cs(["hook", "install"]).expect(0);
    assert_eq!(files(&hooks), once);
    let status = w.cs(["hook", "status", "--format", "json"]).expect(0);
    assert_eq!(states(&status), ["current"; 3]);
    // One of another version is brought up to date and keeps what it keeps.
    let ours = std::fs::read_to_string(hooks.join("commit-msg")).unwrap();
    script(&hooks.join("commit-msg"), &ours.replace("hook v1", "hook v0"));
    assert_eq!(states(&w.cs(["hook", "status", "--format", "json"]).expect(12))[1], "outdated");
    w.cs(["hook", "install"]).expect(0);
    assert_eq!(files(&hooks), once);
    // And one that git would not run is told.
    std::fs::set_permissions(hooks.join("pre-push"), std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    assert_eq!(states(&w.cs(["hook", "status", "--format", "json"]).expect(12))[2], "not-executable");
    w.cs(["hook", "install"]).expect(0);
    w.cs(["hook", "status"]).expect(0);
}

#[test]
fn two_hooks_are_not_joined_unasked() {
    let w = World::with_commit();
    let hooks = w.repo().join(".git/hooks");
    script(&hooks.join("pre-commit"), "#!/bin/sh\nexit 0\n");
    w.cs(["hook", "install"]).expect(0);
    script(&hooks.join("pre-commit"), "#!/bin/sh\n# another program's\nexit 0\n");
    let before = files(&hooks);
    let refused = w.cs(["hook", "install"]).expect(2);
    assert!(refused.err.contains("error[CS-COMMIT-002]") && refused.err.contains("rm "), "{}", refused.err);
    assert_eq!(files(&hooks), before);
    // What is not ours stays.
    w.cs(["hook", "uninstall"]).expect(0);
    assert!(hooks.join("pre-commit").exists());
    assert!(!hooks.join("pre-push").exists());
}

#[test]
fn without_the_program_nothing_passes() {
    let w = World::with_commit();
    w.cs(["hook", "install"]).expect(0);
    for hook in HOOKS {
        let path = w.repo().join(".git/hooks").join(hook);
        let text = std::fs::read_to_string(&path).unwrap();
        script(&path, &text.replace(env!("CARGO_BIN_EXE_countersign"), "/nonexistent/countersign"));
    }
    w.write("a.sh", "clean\n");
    w.git(["add", "-A"]);
    let stopped = git(&w, &w.repo(), &["commit", "-q", "-m", "a"]);
    assert_eq!(stopped.code, 1, "{}", stopped.all());
    assert!(stopped.err.contains("not installed") && stopped.err.contains("next: "), "{}", stopped.err);
    // On the search path it is found.
    let bin = Path::new(env!("CARGO_BIN_EXE_countersign")).parent().unwrap().to_owned();
    let path = format!("{}:/usr/bin:/bin", bin.display());
    git_with(&w, &w.repo(), &["commit", "-q", "-m", "a"], |c| {
        c.env("PATH", &path);
    })
    .expect(0);
}

#[test]
fn blanks_and_quotes_in_paths_do_no_harm() {
    let w = World::new();
    let dir = w.path("it's a repository $HOME");
    std::fs::create_dir(&dir).unwrap();
    w.git_in(&dir, ["init", "-q", "-b", "main"]);
    let program = w.path("the program's place");
    std::fs::create_dir(&program).unwrap();
    let program = program.join("countersign");
    std::fs::copy(env!("CARGO_BIN_EXE_countersign"), &program).unwrap();
    let mut install = w.command(&program, &dir);
    install.args(["hook", "install"]);
    World::finish(install).expect(0);
    std::fs::write(dir.join("a.sh"), key_line()).unwrap();
    w.git_in(&dir, ["add", "-A"]);
    assert_eq!(git(&w, &dir, &["commit", "-q", "-m", "a"]).code, 1);
    std::fs::write(dir.join("a.sh"), "clean\n").unwrap();
    w.git_in(&dir, ["add", "-A"]);
    git(&w, &dir, &["commit", "-q", "-m", "a"]).expect(0);
}

#[test]
fn worktrees_share_the_hooks_of_their_repository() {
    let w = World::with_commit();
    let tree = w.path("work tree");
    w.git(["worktree", "add", "-q", "-b", "other", tree.to_str().unwrap()]);
    w.cs_in(&tree, ["hook", "install"]).expect(0);
    w.cs(["hook", "status"]).expect(0);
    for dir in [&tree, &w.repo()] {
        std::fs::write(dir.join("a.sh"), key_line()).unwrap();
        w.git_in(dir, ["add", "-A"]);
        let stopped = git(&w, dir, &["commit", "-q", "-m", "a"]);
        assert!(stopped.code == 1 && stopped.all().contains("a.sh:1"), "{}", stopped.all());
        std::fs::write(dir.join("a.sh"), "clean\n").unwrap();
        w.git_in(dir, ["add", "-A"]);
        git(&w, dir, &["commit", "-q", "-m", "a"]).expect(0);
    }
}

#[test]
fn a_configured_folder_is_the_one() {
    let w = World::with_commit();
    w.git(["config", "core.hooksPath", ".githooks"]);
    w.cs(["hook", "install"]).expect(0);
    let hook = std::fs::read_to_string(w.repo().join(".githooks/pre-commit")).unwrap();
    // Others share it, so it names no place of this machine.
    assert!(!hook.contains(env!("CARGO_BIN_EXE_countersign")), "{hook}");
    assert!(!w.repo().join(".git/hooks/pre-commit").exists());
    let bin = Path::new(env!("CARGO_BIN_EXE_countersign")).parent().unwrap().to_owned();
    let path = format!("{}:/usr/bin:/bin", bin.display());
    w.write("a.sh", &key_line());
    w.git(["add", "a.sh"]);
    let commit = || {
        git_with(&w, &w.repo(), &["commit", "-q", "-m", "a"], |c| {
            c.env("PATH", &path);
        })
    };
    assert_eq!(commit().code, 1);
    w.write("a.sh", "clean\n");
    w.git(["add", "a.sh"]);
    commit().expect(0);
    w.cs(["hook", "uninstall"]).expect(0);
    assert_eq!(files(&w.repo().join(".githooks")), []);
}

#[test]
fn husky_keeps_its_files_and_runs_ours() {
    let w = World::with_commit();
    // What `husky init` of version 9 leaves behind.
    let husky = w.repo().join(".husky");
    for hook in HOOKS {
        script(&husky.join("_").join(hook), "#!/usr/bin/env sh\n. \"$(dirname \"$0\")/h\"");
    }
    script(
        &husky.join("_/h"),
        "#!/usr/bin/env sh\nn=$(basename \"$0\")\ns=$(dirname \"$(dirname \"$0\")\")/$n\n[ ! -f \"$s\" ] && exit 0\nsh -e \"$s\" \"$@\"\nc=$?\n[ $c != 0 ] && echo \"husky - $n script failed (code $c)\"\nexit $c\n",
    );
    std::fs::write(husky.join("pre-commit"), "echo tests >&2\n").unwrap();
    std::fs::write(husky.join("pre-push"), "cat > pushed\n").unwrap();
    std::fs::write(w.repo().join(".gitignore"), "_/\npushed\n").unwrap();
    w.git(["add", "-A"]);
    w.git(["commit", "-q", "-m", "husky"]);
    w.git(["config", "core.hooksPath", ".husky/_"]);
    let before = std::fs::read(husky.join("pre-push")).unwrap();
    w.cs(["hook", "install"]).expect(0);
    let once = std::fs::read(husky.join("pre-push")).unwrap();
    w.cs(["hook", "install"]).expect(0);
    assert_eq!(std::fs::read(husky.join("pre-push")).unwrap(), once);
    assert_eq!(states(&w.cs(["hook", "status", "--format", "json"]).expect(0)), ["current"; 3]);

    let bin = Path::new(env!("CARGO_BIN_EXE_countersign")).parent().unwrap().to_owned();
    let path = format!("{}:/usr/bin:/bin", bin.display());
    let run = |args: &[&str]| {
        git_with(&w, &w.repo(), args, |c| {
            c.env("PATH", &path);
        })
    };
    w.write("a.sh", &key_line());
    w.git(["add", "-A"]);
    let stopped = run(&["commit", "-q", "-m", "a"]);
    assert!(stopped.code == 1 && stopped.all().contains("a.sh:1"), "{}", stopped.all());
    assert!(stopped.err.contains("tests"), "{}", stopped.err);
    run(&["commit", "-q", "-n", "-m", "a"]).expect(0);
    let remote = w.path("remote.git");
    w.git(["init", "-q", "--bare", remote.to_str().unwrap()]);
    assert_eq!(run(&["push", "-q", remote.to_str().unwrap(), "main"]).code, 1);
    w.git(["reset", "-q", "--hard", "HEAD~1"]);
    w.cs(["hook", "install"]).expect(0);
    run(&["push", "-q", remote.to_str().unwrap(), "main"]).expect(0);
    assert!(std::fs::read_to_string(w.repo().join("pushed")).unwrap().contains("refs/heads/main"));
    w.cs(["hook", "uninstall"]).expect(0);
    assert_eq!(std::fs::read(husky.join("pre-push")).unwrap(), before);
    assert!(!husky.join("commit-msg").exists());
}

#[test]
fn hooks_for_the_whole_machine_keep_a_repositorys_own() {
    let w = World::with_commit();
    let config = w.path("gitconfig");
    std::fs::write(&config, "").unwrap();
    let cs = |dir: &Path, args: &[&str]| {
        let mut command = w.command(env!("CARGO_BIN_EXE_countersign"), dir);
        command.args(args).env("GIT_CONFIG_GLOBAL", &config);
        World::finish(command)
    };
    let git = |args: &[&str]| {
        git_with(&w, &w.repo(), args, |c| {
            c.env("GIT_CONFIG_GLOBAL", &config);
        })
    };
    let trace = w.path("trace");
    for hook in ["pre-commit", "post-commit"] {
        let text = format!("#!/bin/sh\necho {hook} >> '{}'\n", trace.display());
        script(&w.repo().join(".git/hooks").join(hook), &text);
    }
    assert_eq!(cs(&w.repo(), &["hook", "status", "--global"]).code, 12);
    cs(&w.path("home"), &["hook", "install", "--global"]).expect(0);
    cs(&w.path("home"), &["hook", "install", "--global"]).expect(0);
    cs(&w.path("home"), &["hook", "status", "--global"]).expect(0);
    // A repository is served by them, and is not given others.
    cs(&w.repo(), &["hook", "status"]).expect(0);
    cs(&w.repo(), &["hook", "install"]).expect(0);
    assert!(!w.repo().join(".git/hooks/pre-push").exists());
    w.write("a.sh", &key_line());
    w.git(["add", "-A"]);
    assert_eq!(git(&["commit", "-q", "-m", "a"]).code, 1);
    w.write("a.sh", "clean\n");
    w.git(["add", "-A"]);
    git(&["commit", "-q", "-m", "a"]).expect(0);
    assert_eq!(std::fs::read_to_string(&trace).unwrap(), "pre-commit\npre-commit\npost-commit\n");
    cs(&w.path("home"), &["hook", "uninstall", "--global"]).expect(0);
    assert!(!std::fs::read_to_string(&config).unwrap().contains("hooksPath ="));
    assert_eq!(files(&w.path("data/hooks")), []);
    // A folder that somebody else chose for every repository is not written to unasked.
    let theirs = w.path("theirs");
    script(&theirs.join("pre-commit"), "#!/bin/sh\nexit 0\n");
    std::fs::write(&config, format!("[core]\n\thooksPath = {}\n", theirs.display())).unwrap();
    let refused = cs(&w.repo(), &["hook", "install"]).expect(2);
    assert!(refused.err.contains("error[CS-COMMIT-001]") && refused.err.contains("--global"), "{}", refused.err);
    cs(&w.repo(), &["hook", "install", "--global"]).expect(0);
    assert!(theirs.join("pre-commit.before-countersign").exists());
    w.write("b.sh", &key_line());
    w.git(["add", "-A"]);
    assert_eq!(git(&["commit", "-q", "-m", "b"]).code, 1);
    cs(&w.repo(), &["hook", "uninstall", "--global"]).expect(0);
    assert!(std::fs::read_to_string(&config).unwrap().contains("theirs"));
    assert_eq!(files(&theirs).len(), 1);
}

#[test]
fn the_pre_commit_frameworks_variables_name_the_push() {
    let w = World::with_commit();
    let first = w.git(["rev-parse", "HEAD"]);
    w.commit("a.sh", &key_line());
    let leaked = w.git(["rev-parse", "HEAD"]);
    w.commit("b.sh", "clean\n");
    let run = |from: &str, to: &str| {
        let mut command = w.command(env!("CARGO_BIN_EXE_countersign"), &w.repo());
        command.args(["hook", "run", "pre-push"]).env("PRE_COMMIT", "1").env("PRE_COMMIT_REMOTE_NAME", "origin");
        command.env("PRE_COMMIT_FROM_REF", from.trim()).env("PRE_COMMIT_TO_REF", to.trim());
        World::finish(command)
    };
    assert_eq!(run(&first, "HEAD").code, 10);
    run(&leaked, "HEAD").expect(0);
    // The file that tells the framework names commands that are there.
    let hooks = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.pre-commit-hooks.yaml"));
    let hooks = hooks.unwrap();
    let entries: Vec<&str> = hooks.lines().filter_map(|l| l.trim().strip_prefix("entry: countersign ")).collect();
    assert_eq!(entries, ["hook run pre-commit", "hook run commit-msg", "hook run pre-push"]);
    for entry in entries {
        w.cs(entry.split(' ').chain(["--help"])).expect(0);
    }
}

#[test]
fn what_is_no_push_and_no_place_for_hooks_is_an_error() {
    let w = World::with_commit();
    let input = w.path("input");
    std::fs::write(&input, "nonsense\n").unwrap();
    let mut command = w.command(env!("CARGO_BIN_EXE_countersign"), &w.repo());
    command.args(["hook", "run", "pre-push", "origin", "address"]).stdin(std::fs::File::open(&input).unwrap());
    let ran = World::finish(command).expect(2);
    assert!(ran.err.contains("error[CS-CLI-015]"), "{}", ran.err);
    let bare = w.path("bare.git");
    w.git(["clone", "-q", "--bare", w.repo().to_str().unwrap(), bare.to_str().unwrap()]);
    w.cs_in(&bare, ["hook", "install"]).expect(2);
    let args = [OsStr::new("hook"), OsStr::new("run"), OsStr::new("commit-msg"), OsStr::new("nowhere")];
    assert!(w.cs(args).expect(2).err.contains("error[CS-CLI-002]"));
}
