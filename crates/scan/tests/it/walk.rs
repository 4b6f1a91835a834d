//! Real directories with what real directories have in them.

use std::fs;
use std::path::Path;

use countersign_model::{Diagnostic, GapKind};
use countersign_scan::{Content, Listing, Options, Source, Walk, scan_source};

use crate::{SALT, rules, token_rule};

fn put(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn list(root: &Path) -> Listing {
    Walk::new(root).items().unwrap()
}

fn paths(listing: &Listing) -> Vec<String> {
    listing.items.iter().map(|i| i.path.to_string()).collect()
}

#[test]
fn hidden_files_are_looked_at_and_ignored_ones_are_not() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    for path in [".git/config", ".countersign/ledger", ".env", ".github/x.yml", "a/b.txt", "z.txt"] {
        put(root, path, "x");
    }
    // A repository inside: its files are looked at, its own `.git` is not; only the top's ledger is left out.
    for path in ["vendor/.git/config", "vendor/file", "vendor/.countersign/file"] {
        put(root, path, "x");
    }
    put(root, ".gitignore", "target/\n*.log\n");
    put(root, "a/.ignore", "secret.txt\n");
    for path in ["target/out", "a/x.log", "a/secret.txt"] {
        put(root, path, "x");
    }
    let all = [
        ".env",
        ".github/x.yml",
        ".gitignore",
        "a/.ignore",
        "a/b.txt",
        "vendor/.countersign/file",
        "vendor/file",
        "z.txt",
    ];
    assert_eq!(paths(&list(root)), all);
    assert_eq!(paths(&list(&root.join("a"))), [".ignore", "b.txt"]);
}

#[test]
fn one_file_is_a_tree_of_one_even_if_it_is_ignored() {
    let dir = tempfile::tempdir().unwrap();
    put(dir.path(), ".git/config", "");
    put(dir.path(), ".gitignore", "*.log\n");
    put(dir.path(), "a.log", "tok_abcd1234");
    let report =
        scan_source(&Walk::new(&dir.path().join("a.log")), &rules(&[token_rule()]), SALT, &Options::default()).unwrap();
    assert_eq!((report.files, report.findings.len()), (1, 1));
    assert_eq!(report.findings[0].path.to_string(), "a.log");
}

#[test]
fn what_is_not_there_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let error = Walk::new(&dir.path().join("none")).items().unwrap_err();
    assert_eq!(error.code(), "CS-SCAN-001");
    let empty = scan_source(&Walk::new(dir.path()), &rules(&[token_rule()]), SALT, &Options::default()).unwrap();
    assert_eq!((empty.files, empty.is_complete()), (0, true));
}

#[test]
fn a_file_that_vanishes_is_a_gap() {
    let dir = tempfile::tempdir().unwrap();
    put(dir.path(), "a", "x");
    put(dir.path(), "b", "x");
    let walk = Walk::new(dir.path());
    let items = walk.items().unwrap().items;
    fs::remove_file(dir.path().join("a")).unwrap();
    let mut reader = walk.reader().unwrap();
    assert_eq!(reader.read(&items[0]).unwrap_err().kind, GapKind::Vanished);
    assert!(matches!(reader.read(&items[1]), Ok(Content::Bytes(_))));
}

#[test]
fn a_large_file_comes_as_a_stream() {
    let dir = tempfile::tempdir().unwrap();
    let mut text = "x".repeat(2 * 1024 * 1024);
    put(dir.path(), "just", &text);
    text.push_str("\ntok_abcd1234");
    put(dir.path(), "more", &text);
    let walk = Walk::new(dir.path());
    let items = walk.items().unwrap().items;
    let mut reader = walk.reader().unwrap();
    assert!(matches!(reader.read(&items[0]), Ok(Content::Bytes(_))));
    assert!(matches!(reader.read(&items[1]), Ok(Content::Stream { size: Some(_), .. })));
    let report = scan_source(&walk, &rules(&[token_rule()]), SALT, &Options::default()).unwrap();
    assert_eq!((report.bytes, report.findings[0].line), (2 * 2 * 1024 * 1024 + 13, 2));
}

#[cfg(unix)]
mod unix {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn links_are_counted_and_never_followed() {
        let dir = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        put(outside.path(), "secret", "tok_abcd1234");
        put(dir.path(), "file", "x");
        symlink(outside.path(), dir.path().join("dir")).unwrap();
        symlink(outside.path().join("secret"), dir.path().join("link")).unwrap();
        symlink("nowhere", dir.path().join("dangling")).unwrap();
        symlink(".", dir.path().join("loop")).unwrap();
        let listing = list(dir.path());
        assert_eq!((paths(&listing), listing.links, listing.gaps.len()), (vec!["file".to_owned()], 4, 0));
    }

    #[test]
    fn a_link_put_in_a_files_place_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        put(dir.path(), "a", "x");
        put(dir.path(), "b", "x");
        let walk = Walk::new(dir.path());
        let items = walk.items().unwrap().items;
        fs::remove_file(dir.path().join("a")).unwrap();
        symlink("b", dir.path().join("a")).unwrap();
        assert_eq!(walk.reader().unwrap().read(&items[0]).unwrap_err().kind, GapKind::Special);
    }

    #[test]
    fn sockets_are_gaps_and_not_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let _socket = UnixListener::bind(dir.path().join("socket")).unwrap();
        let listing = list(dir.path());
        assert_eq!(listing.gaps.len(), 1);
        assert_eq!((listing.gaps[0].kind, listing.gaps[0].path.to_string().as_str()), (GapKind::Special, "socket"));
    }

    #[test]
    fn what_may_not_be_read_is_a_gap() {
        let dir = tempfile::tempdir().unwrap();
        put(dir.path(), "closed/file", "tok_abcd1234");
        put(dir.path(), "file", "tok_abcd1234");
        for path in ["closed", "file"] {
            fs::set_permissions(dir.path().join(path), fs::Permissions::from_mode(0o000)).unwrap();
        }
        // The superuser reads everything; there is nothing to be seen then.
        let superuser = fs::read(dir.path().join("file")).is_ok();
        let report = scan_source(&Walk::new(dir.path()), &rules(&[token_rule()]), SALT, &Options::default()).unwrap();
        fs::set_permissions(dir.path().join("closed"), fs::Permissions::from_mode(0o700)).unwrap();
        let gaps: Vec<_> = report.gaps.iter().map(|g| (g.path.to_string(), g.kind, g.detail.as_str())).collect();
        if superuser {
            println!("skip: run as another user to see what may not be read");
            assert_eq!((gaps.len(), report.files), (0, 2));
        } else {
            let expected = ["closed", "file"].map(|p| (p.to_owned(), GapKind::Unreadable, "permission denied"));
            assert_eq!((gaps, report.files), (expected.to_vec(), 0));
        }
    }

    #[test]
    fn names_that_are_no_text_stay_what_they_are() {
        let dir = tempfile::tempdir().unwrap();
        let names: [&[u8]; 3] = [b"a\xFF", b"a\xFE", b"new\nline%"];
        for name in names {
            fs::write(dir.path().join(OsStr::from_bytes(name)), "tok_abcd1234").unwrap();
        }
        let report = scan_source(&Walk::new(dir.path()), &rules(&[token_rule()]), SALT, &Options::default()).unwrap();
        let seen: Vec<_> = report.findings.iter().map(|f| f.path.to_string()).collect();
        assert_eq!(seen, ["a%FE", "a%FF", "new%0Aline%25"]);
    }
}
