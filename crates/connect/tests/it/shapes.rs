//! Every shape a repository comes in.

use std::fs;

use countersign_connect::{ChangeStatus, Error, Head, ObjectFormat, Repository};
use countersign_model::{Diagnostic, TreePath};

use crate::support::{Folder, Work, command, installed};

#[test]
fn a_repository_without_commits() {
    if !installed("git") {
        return;
    }
    let folder = Folder::new();
    let work = folder.repository("r");
    work.write("a", "a");
    let repository = work.open();
    assert_eq!(repository.head().unwrap(), Head::Unborn { branch: "main".to_owned() });
    assert_eq!(repository.identity().unwrap(), None);
    assert_eq!(repository.dirty().unwrap(), 0);
    assert!(matches!(repository.resolve("HEAD"), Err(Error::NoCommits)));
    assert!(matches!(repository.commits(None, "HEAD"), Err(Error::NoCommits)));
    work.git(&["add", "a"]);
    assert_eq!(repository.dirty().unwrap(), 1);
}

#[test]
fn a_repository_with_one_commit() {
    if !installed("git") {
        return;
    }
    let folder = Folder::new();
    let work = folder.repository("r");
    work.write("dir/a", "a");
    let id = work.commit("First");
    let repository = Repository::discover(&work.0.join("dir")).unwrap();
    assert_eq!(repository.root(), fs::canonicalize(&work.0).unwrap());
    assert_eq!(repository.head().unwrap(), Head::Commit { id: id.clone(), branch: Some("main".to_owned()) });
    assert_eq!(repository.identity().unwrap(), Some(format!("git-root:{id}")));
    assert_eq!(repository.tree_of("HEAD").unwrap(), work.git(&["rev-parse", "HEAD^{tree}"]));
    assert!(!repository.is_bare() && !repository.is_shallow());
    assert_eq!(repository.object_format(), ObjectFormat::Sha1);
    let commits = repository.commits(None, "HEAD").unwrap();
    assert_eq!(commits.len(), 1);
    assert!(commits[0].parents.is_empty() && !commits[0].cut);
    assert_eq!(repository.commits(Some("HEAD"), "HEAD").unwrap(), []);
    let changed = repository.changed_files(None, "HEAD").unwrap();
    assert_eq!(changed.len(), 1);
    assert_eq!(changed[0].status, ChangeStatus::Added);
    // From inside `.git` the work tree around it is found.
    assert_eq!(Repository::discover(&work.0.join(".git/objects")).unwrap().root(), repository.root());
}

#[test]
fn outside_of_any_repository() {
    if !installed("git") {
        return;
    }
    let folder = Folder::new();
    let error = Repository::discover(folder.path()).unwrap_err();
    assert!(matches!(error, Error::NotARepository { .. }), "{error}");
    assert!(error.help().contains("git init"));
    fs::write(folder.join("file"), "").unwrap();
    assert!(matches!(Repository::discover(&folder.join("file")), Err(Error::Directory { .. })));
}

#[test]
fn a_detached_head() {
    if !installed("git") {
        return;
    }
    let folder = Folder::new();
    let work = folder.repository("r");
    let first = work.commit("First");
    work.commit("Second");
    work.git(&["checkout", "-q", "--detach", &first]);
    assert_eq!(work.open().head().unwrap(), Head::Commit { id: first, branch: None });
}

#[test]
fn a_head_that_leads_nowhere_is_no_new_repository() {
    if !installed("git") {
        return;
    }
    let folder = Folder::new();
    let work = folder.repository("r");
    let id = work.commit("First");
    fs::remove_file(work.loose(&id)).unwrap();
    assert!(matches!(work.open().head(), Err(Error::MissingObject { id: missing }) if missing == id));
}

#[test]
fn a_shallow_clone_knows_where_it_is_cut() {
    if !installed("git") {
        return;
    }
    let folder = Folder::new();
    let work = folder.repository("r");
    let first = work.commit("First");
    let second = work.commit("Second");
    let third = work.commit("Third");
    let url = format!("file://{}", work.0.display());
    let clone = Work(folder.join("clone"));
    work.git(&["clone", "-q", "--depth", "2", &url, clone.0.to_str().unwrap()]);
    let repository = clone.open();
    assert!(repository.is_shallow());
    let commits = repository.commits(None, "HEAD").unwrap();
    let seen: Vec<_> = commits.iter().map(|c| (c.id.as_str(), c.cut)).collect();
    assert_eq!(seen, [(third.as_str(), false), (second.as_str(), true)]);
    assert_eq!(commits[1].parents.join(" "), first);
    assert!(matches!(repository.resolve(&first), Err(Error::UnknownRevision { .. })));
    assert_eq!(repository.identity().unwrap(), None, "a file remote is no identity, and the root is cut off");
    clone.git(&["remote", "set-url", "origin", "git@git.example:acme/app.git"]);
    assert_eq!(repository.identity().unwrap().as_deref(), Some("git:git.example/acme/app"));
}

#[test]
fn a_bare_repository() {
    if !installed("git") {
        return;
    }
    let folder = Folder::new();
    let work = folder.repository("r");
    work.write("a", "a");
    let id = work.commit("First");
    let bare = Work(folder.join("bare.git"));
    work.git(&["clone", "-q", "--bare", ".", bare.0.to_str().unwrap()]);
    let repository = bare.open();
    assert!(repository.is_bare());
    assert_eq!(repository.root(), fs::canonicalize(&bare.0).unwrap());
    assert_eq!(repository.dirty().unwrap(), 0);
    assert_eq!(repository.tree(&id).unwrap().files.len(), 1);
    assert!(repository.submodule(&TreePath::from_text("a"), &id).is_none());
    assert!(Repository::discover(&bare.0.join("objects")).unwrap().is_bare());
}

#[test]
fn a_linked_worktree() {
    if !installed("git") {
        return;
    }
    let folder = Folder::new();
    let work = folder.repository("r");
    work.write("a", "a");
    work.commit("First");
    let linked = Work(folder.join("linked"));
    work.git(&["worktree", "add", "-q", "-b", "side", linked.0.to_str().unwrap()]);
    linked.write("a", "changed");
    let id = {
        linked.git(&["commit", "-q", "-am", "Second"]);
        linked.git(&["rev-parse", "HEAD"])
    };
    linked.write("a", "again");
    let repository = linked.open();
    assert_eq!(repository.root(), fs::canonicalize(&linked.0).unwrap());
    assert_eq!(repository.head().unwrap(), Head::Commit { id, branch: Some("side".to_owned()) });
    assert_eq!(repository.dirty().unwrap(), 1);
    assert_eq!(work.open().dirty().unwrap(), 0);
    assert_eq!(fs::canonicalize(repository.common_dir()).unwrap(), fs::canonicalize(work.0.join(".git")).unwrap());
}

#[test]
fn a_sha256_repository() {
    if !installed("git") {
        return;
    }
    let folder = Folder::new();
    let work = Work(folder.join("r"));
    fs::create_dir(&work.0).unwrap();
    work.git(&["init", "-q", "-b", "main", "--object-format=sha256"]);
    work.write("a", "content");
    let id = work.commit("First");
    let repository = work.open();
    assert_eq!(repository.object_format(), ObjectFormat::Sha256);
    assert_eq!(id.len(), repository.object_format().hex_len());
    assert_eq!(repository.commits(None, "main").unwrap()[0].id, id);
    let tree = repository.tree(&id).unwrap();
    let mut reader = repository.reader().unwrap();
    assert_eq!(reader.read(&tree.files[0].blob).unwrap().bytes(100).unwrap(), b"content");
    assert!(reader.read(&"a".repeat(40)).is_err(), "a SHA-1 id names nothing here");
}

#[test]
fn a_submodule_is_its_own_repository_if_it_is_here() {
    if !installed("git") {
        return;
    }
    let folder = Folder::new();
    let inner = folder.repository("inner");
    inner.write("lib", "lib");
    let commit = inner.commit("Library");
    let work = folder.repository("outer");
    work.write("a", "a");
    work.git(&["submodule", "--quiet", "add", inner.0.to_str().unwrap(), "vendor/lib"]);
    work.commit("With a library");
    let repository = work.open();
    let tree = repository.tree("HEAD").unwrap();
    assert_eq!(tree.submodules.len(), 1);
    let module = &tree.submodules[0];
    assert_eq!((module.path.to_string().as_str(), &module.commit), ("vendor/lib", &commit));
    let checkout = repository.submodule(&module.path, &module.commit).unwrap();
    assert_eq!(checkout.tree(&commit).unwrap().files.len(), 1);
    assert!(repository.submodule(&module.path, &"0".repeat(40)).is_none());
    // A clone without `--recurse-submodules` has an empty folder there, and must not find the repository around it.
    let clone = Work(folder.join("clone"));
    work.git(&["clone", "-q", ".", clone.0.to_str().unwrap()]);
    assert!(clone.open().submodule(&module.path, &module.commit).is_none());
    let head = clone.git(&["rev-parse", "HEAD"]);
    assert!(clone.open().submodule(&module.path, &head).is_none());
}

#[cfg(unix)]
#[test]
fn names_that_are_not_utf8() {
    use std::os::unix::ffi::OsStrExt;
    if !installed("git") {
        return;
    }
    let folder = Folder::new();
    let work = folder.repository("r");
    work.commit("Nothing");
    let names: [&[u8]; 4] = [b"caf\xe9", b"tab\there", b"line\nbreak", "\u{fc}ml\u{e4}ut".as_bytes()];
    for name in names {
        fs::write(work.0.join(std::ffi::OsStr::from_bytes(name)), name).unwrap();
    }
    work.commit("Names");
    let repository = work.open();
    let tree = repository.tree("HEAD").unwrap();
    let mut reader = repository.reader().unwrap();
    for name in names {
        let file = tree.files.iter().find(|f| f.path.as_bytes() == name).unwrap();
        assert_eq!(reader.read(&file.blob).unwrap().bytes(100).unwrap(), name);
    }
    let changed = repository.changed_files(Some("HEAD~1"), "HEAD").unwrap();
    assert_eq!(changed.len(), names.len());
    assert!(names.iter().all(|name| changed.iter().any(|c| c.path.as_bytes() == *name)));
}

#[cfg(unix)]
#[test]
fn a_folder_whose_name_is_no_utf8_and_holds_a_line_break() {
    use std::os::unix::ffi::OsStrExt;
    if !installed("git") {
        return;
    }
    let folder = Folder::new();
    let work = Work(folder.path().join(std::ffi::OsStr::from_bytes(b"odd\n\xff")));
    fs::create_dir(&work.0).unwrap();
    work.git(&["init", "-q", "-b", "main"]);
    work.write("a", "a");
    work.commit("First");
    let repository = work.open();
    assert_eq!(repository.root(), fs::canonicalize(&work.0).unwrap());
    assert_eq!(repository.tree("HEAD").unwrap().files.len(), 1);
    assert_eq!(repository.dirty().unwrap(), 0);
}

#[cfg(unix)]
#[test]
fn a_repository_of_another_account_is_explained() {
    if !installed("git") {
        return;
    }
    let folder = Folder::new();
    let work = folder.repository("r");
    work.commit("First");
    let trusted = command("git").args(["config", "--get-all", "safe.directory"]).output().unwrap();
    let given_away = std::os::unix::fs::chown(&work.0, Some(65_534), None).is_ok();
    if !given_away || !trusted.stdout.is_empty() {
        println!("skipped: this account cannot give a folder away, or trusts every folder");
        return;
    }
    let error = Repository::discover(&work.0).unwrap_err();
    assert!(matches!(error, Error::DubiousOwnership { .. }), "{error}");
    let real = fs::canonicalize(&work.0).unwrap();
    assert_eq!(error.help(), format!("if you trust it: `git config --global --add safe.directory {}`", real.display()));
}

/// A hook runs with variables that point git at the repository being committed to; a reader started from it must not
/// follow them.
#[test]
fn variables_of_a_surrounding_git_are_not_followed() {
    if !installed("git") {
        return;
    }
    let folder = Folder::new();
    let work = folder.repository("r");
    work.write("a", "a");
    let id = work.commit("Wanted");
    let other = folder.repository("other");
    other.commit("Not wanted");
    // The environment of this process cannot be changed; so the test below runs in one of its own.
    let out = command(std::env::current_exe().unwrap())
        .args(["--exact", "shapes::inside_a_hook", "--ignored"])
        .current_dir(&work.0)
        .env("EXPECTED_HEAD", &id)
        .env("GIT_DIR", other.0.join(".git"))
        .env("GIT_WORK_TREE", &other.0)
        .env("GIT_INDEX_FILE", other.0.join(".git/index"))
        .env("GIT_OBJECT_DIRECTORY", other.0.join(".git/objects"))
        .env("GIT_NAMESPACE", "elsewhere")
        .env("GIT_PREFIX", "dir/")
        .env("GIT_CEILING_DIRECTORIES", folder.path())
        .env("GIT_CONFIG_COUNT", "1")
        .env("GIT_CONFIG_KEY_0", "core.bare")
        .env("GIT_CONFIG_VALUE_0", "true")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&out.stdout);
    assert!(out.status.success() && said.contains("1 passed"), "{said}");
}

#[test]
#[ignore = "started by the test above, with an environment of its own"]
fn inside_a_hook() {
    #[expect(clippy::disallowed_methods, reason = "the test above says what to expect")]
    let expected = std::env::var("EXPECTED_HEAD").unwrap();
    let repository = Repository::discover(&std::env::current_dir().unwrap()).unwrap();
    assert_eq!(repository.resolve("HEAD").unwrap(), expected);
    assert_eq!(repository.tree("HEAD").unwrap().files.len(), 1);
    assert_eq!(repository.dirty().unwrap(), 0);
}
