//! What is read from a repository is what is in it.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;

use countersign_connect::git::Judging;
use countersign_connect::{ChangeStatus, Error, Repository};
use countersign_model::Diagnostic;

use crate::support::{Folder, Work, installed};

#[test]
fn revisions_of_every_kind_lead_to_commits() {
    if !installed("git") {
        return;
    }
    let folder = Folder::new();
    let work = folder.repository("r");
    work.write("a", "a");
    let first = work.commit("First words");
    let second = work.commit("Second");
    work.git(&["tag", "-a", "v1", "-m", "tag", &first]);
    work.git(&["branch", "side", &first]);
    let repository = work.open();
    for (revision, id) in [
        ("HEAD", &second),
        ("HEAD~1", &first),
        ("v1", &first),
        ("side", &first),
        ("refs/heads/main", &second),
        (":/First", &first),
        (&first[..10], &first),
        (first.as_str(), &first),
    ] {
        assert_eq!(&repository.resolve(revision).unwrap(), id, "{revision}");
    }
    let blob = work.git(&["rev-parse", "HEAD:a"]);
    for revision in
        ["", "nothing", "--all", "-n1", "HEAD~9", "side..main", "^HEAD", "HEAD:a", "HEAD^{tree}", "HEAD\nside", &blob]
    {
        let error = repository.resolve(revision).unwrap_err();
        assert!(matches!(error, Error::UnknownRevision { .. }), "{revision}: {error}");
        assert_eq!(error.code(), "CS-GIT-006");
    }
}

#[test]
fn commits_come_with_everybody_who_is_named_in_them() {
    if !installed("git") {
        return;
    }
    let folder = Folder::new();
    let work = folder.repository("r");
    let base = work.commit("Base");
    work.git(&["checkout", "-q", "-b", "side"]);
    work.commit("Side\n\nCo-authored-by: Bob <bob@example.com>");
    work.git(&["checkout", "-q", "main"]);
    work.git(&["commit", "-q", "--allow-empty", "--author", "Carol <carol@example.com>", "-m", "Main"]);
    work.git(&["merge", "-q", "--no-ff", "-m", "Merge", "side"]);
    let repository = work.open();
    let commits = repository.commits(Some(&base), "HEAD").unwrap();
    let by_subject: BTreeMap<_, _> = commits.iter().map(|c| (c.subject.as_str(), c)).collect();
    assert_eq!(by_subject.keys().copied().collect::<Vec<_>>(), ["Main", "Merge", "Side"]);
    assert_eq!(by_subject["Merge"].parents.len(), 2);
    assert_eq!(by_subject["Main"].author_email, "carol@example.com");
    assert_eq!(by_subject["Main"].committer_name, "Alice");
    assert_eq!(by_subject["Side"].co_authors[0].email, "bob@example.com");
    assert_eq!(by_subject["Side"].author_time.millis(), 1_700_000_000_000);
    assert_eq!(by_subject["Side"].tree, work.git(&["rev-parse", "side^{tree}"]));
    assert_eq!(repository.commits(None, "HEAD").unwrap().len(), 4);
    assert_eq!(commits[0].subject, "Merge", "newest first");
}

#[test]
fn a_walk_can_be_ended() {
    if !installed("git") {
        return;
    }
    let folder = Folder::new();
    let work = folder.repository("r");
    for n in 0..5 {
        work.commit(&format!("{n}"));
    }
    let mut seen = 0;
    let result = work.open().each_commit(None, "HEAD", |_| {
        seen += 1;
        if seen == 2 { Err(Error::NoCommits) } else { Ok(()) }
    });
    assert!(matches!(result, Err(Error::NoCommits)));
    assert_eq!(seen, 2);
}

#[test]
fn a_hundred_thousand_commits_are_one_stream() {
    if !installed("git") {
        return;
    }
    let folder = Folder::new();
    let work = folder.repository("r");
    let mut script = String::new();
    for n in 1..=100_000 {
        script.push_str("commit refs/heads/main\n");
        script.push_str(&format!("committer Alice <alice@example.com> {} +0000\n", 1_700_000_000 + n));
        let message = format!("Commit {n}\n");
        script.push_str(&format!("data {}\n{message}", message.len()));
    }
    fs::write(folder.join("script"), script).unwrap();
    let input = fs::File::open(folder.join("script")).unwrap();
    assert!(work.command().args(["fast-import", "--quiet"]).stdin(input).status().unwrap().success());
    let commits = work.open().commits(None, "main").unwrap();
    assert_eq!(commits.len(), 100_000);
    assert_eq!(commits[0].subject, "Commit 100000");
    assert_eq!(work.open().commits(Some("main~10"), "main").unwrap().len(), 10);
}

#[test]
fn changed_files_are_told_by_kind() {
    if !installed("git") {
        return;
    }
    let folder = Folder::new();
    let work = folder.repository("r");
    for name in ["same", "modified", "gone", "renamed", "kind"] {
        work.write(name, format!("{name}\n").repeat(20));
    }
    work.commit("Before");
    work.write("modified", "other");
    work.write("new/file", "new");
    fs::remove_file(work.0.join("gone")).unwrap();
    fs::rename(work.0.join("renamed"), work.0.join("renamed-to")).unwrap();
    fs::remove_file(work.0.join("kind")).unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink("same", work.0.join("kind")).unwrap();
    work.commit("After");
    let changed = work.open().changed_files(Some("HEAD~1"), "HEAD").unwrap();
    let changed: BTreeMap<_, _> = changed.iter().map(|c| (c.path.to_string(), c.status)).collect();
    let expected = [
        ("gone", ChangeStatus::Deleted),
        ("kind", ChangeStatus::TypeChanged),
        ("modified", ChangeStatus::Modified),
        ("new/file", ChangeStatus::Added),
        ("renamed", ChangeStatus::Deleted),
        ("renamed-to", ChangeStatus::Added),
    ];
    assert_eq!(changed, expected.map(|(path, status)| (path.to_owned(), status)).into());
    let tree = work.open().tree("HEAD").unwrap();
    assert_eq!((tree.files.len(), tree.links), (4, 1));
}

#[test]
fn pipeline_files_are_listed_links_included() {
    if !installed("git") {
        return;
    }
    let folder = Folder::new();
    let work = folder.repository("r");
    work.write(".github/workflows/ci.yml", "on: push");
    work.write("src/main.rs", "");
    work.write("deploy/Jenkinsfile", "");
    #[cfg(unix)]
    std::os::unix::fs::symlink("ci/real.yml", work.0.join(".gitlab-ci.yml")).unwrap();
    work.commit("Pipelines");
    let files = work.open().pipeline_files("HEAD").unwrap();
    let paths: Vec<_> = files.iter().map(|f| f.path.to_string()).collect();
    assert_eq!(paths, [".github/workflows/ci.yml", ".gitlab-ci.yml", "deploy/Jenkinsfile"]);
}

#[test]
fn commits_that_touch_what_judges_are_told_apart() {
    if !installed("git") {
        return;
    }
    let folder = Folder::new();
    let work = folder.repository("r");
    let files = [
        ("a", "src/main.rs"),
        ("b", ".github/workflows/ci.yml"),
        ("c", "policies/gate.rego"),
        ("d", "deploy/Jenkinsfile.release"),
        ("e", "docs/ci.yml"),
        ("f", ".gitlab-ci.yml"),
    ];
    for (subject, file) in files {
        work.write(file, subject);
        work.commit(subject);
    }
    let repository = work.open();
    let subjects = |base: Option<&str>, what: Judging| {
        let ids = repository.commits_touching(base, "HEAD", what).unwrap();
        let commits = repository.commits(base, "HEAD").unwrap();
        let mut all: Vec<String> = commits.into_iter().filter(|c| ids.contains(&c.id)).map(|c| c.subject).collect();
        all.reverse();
        all
    };
    assert_eq!(subjects(None, Judging::Pipeline), ["b", "d", "f"]);
    assert_eq!(subjects(Some("HEAD~3"), Judging::Pipeline), ["d", "f"]);
    assert_eq!(subjects(None, Judging::Policy), ["c"]);
    // What git is asked and what a path is judged by are the same.
    for (subject, file) in files {
        let judges = Judging::Pipeline.is_at(file.as_bytes());
        assert_eq!(judges, ["b", "d", "f"].contains(&subject), "{file}");
    }
}

#[test]
fn blobs_are_read_in_any_order_and_need_not_be_read_out() {
    if !installed("git") {
        return;
    }
    let folder = Folder::new();
    let work = folder.repository("r");
    let large = vec![b'x'; 40 * 1024 * 1024];
    let (small, empty, large_id) =
        (work.object("blob", b"small\n"), work.object("blob", b""), work.object("blob", &large));
    let repository = work.open();
    let mut reader = repository.reader().unwrap();
    for _ in 0..3 {
        assert_eq!(reader.read(&small).unwrap().bytes(6).unwrap(), b"small\n");
        assert_eq!(reader.read(&empty).unwrap().bytes(0).unwrap(), b"");
        // Only the beginning of something large, then on to the next.
        let mut content = reader.read(&large_id).unwrap();
        assert_eq!(content.size(), 40 * 1024 * 1024);
        let mut start = [0; 10];
        content.read_exact(&mut start).unwrap();
        assert_eq!(&start, b"xxxxxxxxxx");
        reader.read(&small).unwrap();
        assert!(matches!(reader.read(&small).unwrap().bytes(5), Err(Error::TooLarge { .. })));
    }
    assert_eq!(reader.read(&large_id).unwrap().bytes(u64::MAX).unwrap(), large);
    assert!(matches!(reader.read("HEAD"), Err(Error::UnknownRevision { .. })));
    assert!(matches!(reader.read("--batch\n"), Err(Error::UnknownRevision { .. })));
}

#[test]
fn missing_and_damaged_objects_are_told_apart_and_the_reader_goes_on() {
    if !installed("git") {
        return;
    }
    let folder = Folder::new();
    let work = folder.repository("r");
    work.write("a", "sound");
    work.commit("First");
    let sound = work.git(&["rev-parse", "HEAD:a"]);
    let tree = work.git(&["rev-parse", "HEAD^{tree}"]);
    let absent = "1".repeat(40);
    // Cut short on disk, emptied, and overwritten with something that does not unpack.
    let random: Vec<u8> = (0..200_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    let broken: Vec<String> = (0_u8..3)
        .map(|n| {
            let id = work.object("blob", &[&random[..], &[n]].concat());
            let path = work.loose(&id);
            let bytes = fs::read(&path).unwrap();
            let bytes = match n {
                0 => bytes[..bytes.len() / 2].to_vec(),
                1 => Vec::new(),
                _ => b"this is not zlib".to_vec(),
            };
            fs::remove_file(&path).unwrap();
            fs::write(&path, bytes).unwrap();
            id
        })
        .collect();
    let repository = work.open();
    let mut reader = repository.reader().unwrap();
    for id in &broken {
        let error = match reader.read(id) {
            Err(error) => error,
            Ok(content) => content.bytes(u64::MAX).unwrap_err(),
        };
        assert!(matches!(error, Error::CorruptObject { .. }), "{error:?}");
        assert_eq!(error.exit(), countersign_model::Exit::Incomplete);
        assert_eq!(reader.read(&sound).unwrap().bytes(100).unwrap(), b"sound");
    }
    assert!(matches!(reader.read(&absent), Err(Error::MissingObject { id }) if id == absent));
    assert!(matches!(reader.read(&tree), Err(Error::CorruptObject { .. })), "a tree is no blob");
    assert_eq!(reader.read(&sound).unwrap().bytes(100).unwrap(), b"sound");
}

#[test]
fn a_partial_clone_is_incomplete_and_fetches_nothing() {
    if !installed("git") {
        return;
    }
    let folder = Folder::new();
    let work = folder.repository("r");
    work.write("a", "content");
    work.commit("First");
    work.git(&["config", "uploadpack.allowFilter", "true"]);
    let url = format!("file://{}", work.0.display());
    let clone = Work(folder.join("clone"));
    work.git(&["clone", "-q", "--no-checkout", "--filter=blob:none", &url, clone.0.to_str().unwrap()]);
    let repository = clone.open();
    let tree = repository.tree("HEAD").unwrap();
    let mut reader = repository.reader().unwrap();
    for _ in 0..2 {
        assert!(matches!(reader.read(&tree.files[0].blob), Err(Error::MissingObject { .. })));
    }
}

#[test]
fn a_missing_tree_is_no_short_listing() {
    if !installed("git") {
        return;
    }
    let folder = Folder::new();
    let work = folder.repository("r");
    work.write("a", "a");
    work.write("dir/b", "b");
    work.write("z", "z");
    work.commit("First");
    let inner = work.git(&["rev-parse", "HEAD:dir"]);
    fs::remove_file(work.loose(&inner)).unwrap();
    let repository = work.open();
    let error = repository.tree("HEAD").unwrap_err();
    assert!(!matches!(error, Error::GitAnswer { .. }), "{error}");
    assert!(repository.changed_files(None, "HEAD").is_err());
    assert!(repository.pipeline_files("HEAD").is_err());
}

#[test]
fn missing_history_is_no_short_history() {
    if !installed("git") {
        return;
    }
    let folder = Folder::new();
    let work = folder.repository("r");
    let first = work.commit("First");
    work.commit("Second");
    work.commit("Third");
    fs::remove_file(work.loose(&first)).unwrap();
    assert!(work.open().commits(None, "HEAD").is_err());
    assert!(work.open().identity().is_err());
}

#[test]
fn dirty_counts_tracked_files_only() {
    if !installed("git") {
        return;
    }
    let folder = Folder::new();
    let work = folder.repository("r");
    for name in ["a", "b", "c", "d"] {
        work.write(name, name);
    }
    work.commit("First");
    let repository = Repository::discover(&work.0).unwrap();
    assert_eq!(repository.dirty().unwrap(), 0);
    work.write("untracked", "x");
    assert_eq!(repository.dirty().unwrap(), 0);
    work.write("a", "changed");
    fs::remove_file(work.0.join("b")).unwrap();
    work.git(&["mv", "c", "moved"]);
    assert_eq!(repository.dirty().unwrap(), 4, "a, b, and both ends of the move");
}

#[test]
fn identity_follows_the_remote_and_drops_credentials() {
    if !installed("git") {
        return;
    }
    let folder = Folder::new();
    let work = folder.repository("r");
    let id = work.commit("First");
    let repository = work.open();
    work.git(&["remote", "add", "origin", "https://user:secret@git.example/Acme/app.git"]);
    assert_eq!(repository.identity().unwrap().as_deref(), Some("git:git.example/Acme/app"));
    work.git(&["remote", "set-url", "origin", "ssh://git@git.example/Acme/app"]);
    assert_eq!(repository.identity().unwrap().as_deref(), Some("git:git.example/Acme/app"));
    work.git(&["config", "url.https://git.example/.insteadOf", "corp:"]);
    work.git(&["remote", "set-url", "origin", "corp:Acme/app"]);
    assert_eq!(repository.identity().unwrap().as_deref(), Some("git:git.example/Acme/app"));
    // A mirror near this machine does not change what the repository is.
    work.git(&["config", "url.https://mirror.local/.insteadOf", "https://far.example/"]);
    work.git(&["remote", "set-url", "origin", "https://far.example/Acme/app"]);
    assert_eq!(repository.identity().unwrap().as_deref(), Some("git:far.example/Acme/app"));
    work.git(&["remote", "set-url", "origin", "/srv/git/app.git"]);
    assert_eq!(repository.identity().unwrap(), Some(format!("git-root:{id}")));
}

#[test]
fn of_several_roots_the_oldest_names_the_repository() {
    if !installed("git") {
        return;
    }
    let folder = Folder::new();
    let work = folder.repository("r");
    let tree = work.object("tree", b"");
    let root = |time: u64| {
        let text = format!("tree {tree}\nauthor A <a> {time} +0000\ncommitter A <a> {time} +0000\n\nRoot {time}\n");
        work.object("commit", text.as_bytes())
    };
    let (late, early) = (root(2_000), root(1_000));
    let merge = work.git(&["commit-tree", &tree, "-p", &late, "-p", &early, "-m", "Merge"]);
    work.git(&["update-ref", "refs/heads/main", &merge]);
    assert_eq!(work.open().identity().unwrap(), Some(format!("git-root:{early}")));
}
