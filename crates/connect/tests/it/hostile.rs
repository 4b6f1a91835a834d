//! A repository that wants to run code, or to show another history than its own.

use std::fs;
use std::path::Path;

use countersign_connect::{Error, RawSignature, Repository};

use crate::support::{Folder, Work, installed};

/// A script that leaves a trace when it runs.
#[cfg(unix)]
fn trap(folder: &Folder) -> String {
    use std::os::unix::fs::PermissionsExt;
    let script = folder.join("trap.sh");
    fs::write(&script, format!("#!/bin/sh\ntouch '{}'\ncat\n", folder.join("ran").display())).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    script.to_str().unwrap().to_owned()
}

/// Everything that is ever read.
fn read_everything(repository: &Repository) {
    repository.head().unwrap();
    repository.identity().unwrap();
    repository.commits(None, "HEAD").unwrap();
    repository.changed_files(Some("HEAD~1"), "HEAD").unwrap();
    repository.pipeline_files("HEAD").unwrap();
    repository.dirty().unwrap();
    let mut reader = repository.reader().unwrap();
    for file in repository.tree("HEAD").unwrap().files {
        let _ = reader.read(&file.blob).and_then(|content| content.bytes(1 << 20));
    }
}

#[cfg(unix)]
#[test]
fn configuration_runs_nothing() {
    if !installed("git") {
        return;
    }
    let folder = Folder::new();
    let trap = trap(&folder);
    let work = folder.repository("r");
    work.write("a.txt", "first\n");
    work.write(".gitattributes", "* filter=evil diff=evil\n");
    work.commit("First");
    work.write("a.txt", "second\n");
    work.commit("Second");
    for (key, value) in [
        ("core.fsmonitor", trap.as_str()),
        ("core.hooksPath", folder.path().to_str().unwrap()),
        ("core.pager", &trap),
        ("core.sshCommand", &trap),
        ("core.askPass", &trap),
        ("core.editor", &trap),
        ("core.gitProxy", &trap),
        ("core.alternateRefsCommand", &trap),
        ("pager.status", &trap),
        ("pager.rev-list", &trap),
        ("credential.helper", &trap),
        ("diff.external", &trap),
        ("diff.evil.command", &trap),
        ("diff.evil.textconv", &trap),
        ("filter.evil.clean", &trap),
        ("filter.evil.smudge", &trap),
        ("filter.evil.process", &trap),
        ("filter.evil.required", "true"),
        ("gpg.program", &trap),
        ("gpg.ssh.program", &trap),
        ("log.showSignature", "true"),
        ("uploadpack.packObjectsHook", &trap),
        ("protocol.allow", "always"),
        ("protocol.ext.allow", "always"),
        ("remote.origin.url", &format!("ext::{trap}")),
        ("remote.origin.promisor", "true"),
        ("remote.origin.partialCloneFilter", "blob:none"),
        ("extensions.partialClone", "origin"),
        ("core.repositoryFormatVersion", "1"),
    ] {
        work.git(&["config", "--local", key, value]);
    }
    for hook in ["post-index-change", "post-checkout", "reference-transaction"] {
        fs::create_dir_all(work.0.join(".git/hooks")).unwrap();
        fs::copy(&trap, work.0.join(".git/hooks").join(hook)).unwrap();
        fs::copy(&trap, folder.join(hook)).unwrap();
    }
    // Other timestamps make git compare by content; a missing object makes it want to fetch.
    fs::remove_file(work.0.join("a.txt")).unwrap();
    fs::write(work.0.join("a.txt"), "second!\n").unwrap();
    let content = fs::read(work.0.join(".git/config")).unwrap();
    let missing = "HEAD~1:a.txt";
    let missing = { git_rev(&work, missing) };
    fs::remove_file(work.loose(&missing)).unwrap();
    let repository = work.open();
    read_everything(&repository);
    assert!(repository.reader().unwrap().read(&missing).is_err());
    assert!(!folder.join("ran").exists(), "the repository ran its program");
    assert_eq!(fs::read(work.0.join(".git/config")).unwrap(), content, "reading wrote");
    assert_eq!(repository.dirty().unwrap(), 1);
    // And it would have: a git that believes the configuration runs it.
    let _ = work.command().arg("status").output().unwrap();
    assert!(folder.join("ran").exists(), "the trap is no trap");
}

/// The id behind a revision, without running what the configuration names.
fn git_rev(work: &Work, revision: &str) -> String {
    work.git(&["-c", "core.fsmonitor=false", "rev-parse", revision])
}

#[cfg(unix)]
#[test]
fn a_filter_that_cannot_be_overruled_is_refused() {
    if !installed("git") {
        return;
    }
    let folder = Folder::new();
    let trap = trap(&folder);
    let work = folder.repository("r");
    work.write("a", "a");
    work.commit("First");
    work.git(&["config", "--local", "filter.a=b.clean", "placeholder"]);
    let config = fs::read_to_string(work.0.join(".git/config")).unwrap();
    fs::write(work.0.join(".git/config"), config.replace("placeholder", &trap)).unwrap();
    assert!(matches!(work.open().dirty(), Err(Error::UnsafeConfiguration { .. })));
    assert!(!folder.join("ran").exists());
}

#[test]
fn replaced_objects_and_grafts_are_not_believed() {
    if !installed("git") {
        return;
    }
    let folder = Folder::new();
    let work = folder.repository("r");
    work.write("a", "honest");
    let first = work.commit("First");
    let second = work.commit("Second");
    let third = work.commit("Third");
    let blob = work.git(&["rev-parse", "HEAD:a"]);
    let other = work.object("blob", b"forged");
    work.git(&["replace", &blob, &other]);
    let forged = work.git(&["commit-tree", "HEAD^{tree}", "-m", "Forged"]);
    work.git(&["replace", &second, &forged]);
    fs::create_dir_all(work.0.join(".git/info")).unwrap();
    fs::write(work.0.join(".git/info/grafts"), format!("{third}\n")).unwrap();
    let repository = work.open();
    let ids: Vec<_> = repository.commits(None, "HEAD").unwrap().into_iter().map(|c| c.id).collect();
    assert_eq!(ids, [third, second, first]);
    assert_eq!(repository.reader().unwrap().read(&blob).unwrap().bytes(100).unwrap(), b"honest");
}

#[test]
fn attributes_and_submodule_settings_hide_no_change() {
    if !installed("git") {
        return;
    }
    let folder = Folder::new();
    let work = folder.repository("r");
    work.write(".gitmodules", "[submodule \"m\"]\n\tpath = m\n\turl = x\n\tignore = all\n");
    work.write(".gitattributes", "* -diff export-ignore\n");
    work.commit("First");
    work.git(&["update-index", "--add", "--cacheinfo", &format!("160000,{},m", "1".repeat(40))]);
    work.git(&["commit", "-q", "-m", "A submodule"]);
    work.git(&["config", "diff.ignoreSubmodules", "all"]);
    work.git(&["config", "diff.orderFile", "/nonexistent"]);
    work.git(&["config", "diff.relative", "true"]);
    work.git(&["config", "diff.renames", "copies"]);
    let changed = work.open().changed_files(Some("HEAD~1"), "HEAD").unwrap();
    assert_eq!(changed.len(), 1);
    assert_eq!(changed[0].path.to_string(), "m");
}

#[test]
fn a_commit_that_lies_in_its_headers_is_read_as_git_reads_it() {
    if !installed("git") {
        return;
    }
    let folder = Folder::new();
    let work = folder.repository("r");
    let first = work.commit("First");
    let tree = work.git(&["rev-parse", "HEAD^{tree}"]);
    let text = format!(
        "tree {tree}\nauthor M <m@example.com> 1 +0000\nauthor N <n@example.com> 1 +0000\n\
         committer C <c@example.com> 1 +0000\nparent {first}\ngpgsig nonsense\n\nSubject \x1b[2J\n"
    );
    let id = work.object("commit", text.as_bytes());
    let commits = work.open().commits(None, &id).unwrap();
    assert_eq!(commits.len(), 1, "a parent behind the author is none");
    assert!(commits[0].parents.is_empty());
    assert_eq!(commits[0].co_authors[0].name, "N");
    assert_eq!(commits[0].signature, RawSignature::Malformed);
    assert!(!commits[0].subject.contains('\x1b'));
}

#[test]
fn a_huge_commit_and_an_endless_tree_are_refused() {
    if !installed("git") {
        return;
    }
    let folder = Folder::new();
    let work = folder.repository("r");
    work.commit("First");
    let mut tree = work.git(&["rev-parse", "HEAD^{tree}"]);
    let huge = format!("tree {tree}\nauthor A <a> 1 +0000\ncommitter A <a> 1 +0000\n\n{}", "x".repeat(17 << 20));
    let huge = work.object("commit", huge.as_bytes());
    assert!(matches!(work.open().commits(None, &huge), Err(Error::TooLarge { .. })));
    // Ten levels of ten names for the tree below: ten thousand million files.
    let blob = work.object("blob", b"x");
    tree.clear();
    for level in 0..10 {
        let (mode, id) = if level == 0 { ("100644", &blob) } else { ("40000", &tree) };
        let raw: Vec<u8> = (0..id.len() / 2).map(|i| u8::from_str_radix(&id[i * 2..i * 2 + 2], 16).unwrap()).collect();
        let entries: Vec<u8> = (0..10).flat_map(|n| [format!("{mode} {n}\0").as_bytes(), &raw[..]].concat()).collect();
        tree = work.object("tree", &entries);
    }
    let bomb = work.git(&["commit-tree", &tree, "-m", "Bomb"]);
    assert!(matches!(work.open().pipeline_files(&bomb), Err(Error::TooLarge { .. })));
}

#[test]
fn a_repository_inside_another_is_not_mistaken_for_it() {
    if !installed("git") {
        return;
    }
    let folder = Folder::new();
    let outer = folder.repository("outer");
    outer.commit("Outer");
    let inner = folder.repository("outer/inner");
    let id = inner.commit("Inner");
    let repository = Repository::discover(Path::new(&inner.0)).unwrap();
    assert_eq!(repository.resolve("HEAD").unwrap(), id);
}
