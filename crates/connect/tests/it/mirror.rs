//! What is sent to be judged, from one repository to a mirror.

use std::fs::File;
use std::io::{Seek as _, SeekFrom, Write as _};

use countersign_connect::git::{Head, Mirror};
use countersign_connect::{Error, ObjectFormat};

use crate::support::{Folder, installed};

const IDENTITY: &str = "git:git.example/a/b";

fn scratch(folder: &Folder, name: &str) -> File {
    let path = folder.path().join(name);
    File::options().read(true).write(true).create_new(true).open(path).unwrap()
}

fn rewound(mut file: File) -> File {
    file.seek(SeekFrom::Start(0)).unwrap();
    file
}

#[test]
fn a_commit_comes_whole_and_later_ones_bring_what_is_new_alone() {
    if !installed("git") {
        return;
    }
    let folder = Folder::new();
    let work = folder.repository("r");
    work.write("a", "a lot of text\n".repeat(2000));
    let first = work.commit("First");
    let mirror = Mirror::open_or_create(&folder.path().join("m"), ObjectFormat::Sha1).unwrap();
    assert!(mirror.tips().unwrap().is_empty() && !mirror.holds(&first).unwrap());
    let pack = scratch(&folder, "one");
    work.open().pack(&first, &[], &pack).unwrap();
    mirror.receive(rewound(pack), 1 << 20, &first).unwrap();
    assert!(mirror.holds(&first).unwrap());
    assert_eq!(mirror.tips().unwrap(), std::slice::from_ref(&first));
    let there = mirror.at(IDENTITY, &first).unwrap();
    assert_eq!(there.head().unwrap(), Head::Commit { id: first.clone(), branch: None });
    assert_eq!(there.identity().unwrap().as_deref(), Some(IDENTITY));
    assert_eq!(there.tree_of(&first).unwrap(), work.open().tree_of(&first).unwrap());

    work.write("a", &("a lot of text\n".repeat(2000) + "and a line\n"));
    let second = work.commit("Second");
    let unknown = "0".repeat(40);
    let pack = scratch(&folder, "two");
    work.open().pack(&second, &[unknown, first.clone()], &pack).unwrap();
    assert!(pack.metadata().unwrap().len() < 1000, "a delta against what is there");
    // A mirror that lacks what it is a delta against does not take it.
    let other = Mirror::open_or_create(&folder.path().join("o"), ObjectFormat::Sha1).unwrap();
    let copy = File::open(folder.path().join("two")).unwrap();
    assert!(matches!(other.receive(copy, 1 << 20, &second), Err(Error::Pack { .. })));
    mirror.receive(rewound(pack), 1 << 20, &second).unwrap();
    assert!(mirror.holds(&second).unwrap());
    // An empty one is enough where all of it is there.
    mirror.receive(scratch(&folder, "none"), 1 << 20, &first).unwrap();

    let root = format!("git-root:{first}");
    assert!(mirror.at(&root, &second).is_ok());
    for wrong in ["git-root:0", "git:/a", "git:user@h/a", "https://git.example/a/b", "", &format!("git-root:{second}")]
    {
        assert!(matches!(mirror.at(wrong, &second), Err(Error::NotThatRepository { .. })), "{wrong}");
    }
    let again = Mirror::open_or_create(&folder.path().join("m"), ObjectFormat::Sha256);
    assert!(matches!(again, Err(Error::OtherFormat { .. })));
}

#[test]
fn what_is_too_large_or_not_whole_leaves_nothing_behind() {
    if !installed("git") {
        return;
    }
    let folder = Folder::new();
    let work = folder.repository("r");
    work.write("a", "a");
    let id = work.commit("First");
    let mirror = Mirror::open_or_create(&folder.path().join("m"), ObjectFormat::Sha1).unwrap();
    let packs = || std::fs::read_dir(folder.path().join("m/objects/pack")).map_or(0, Iterator::count);
    let pack = scratch(&folder, "one");
    work.open().pack(&id, &[], &pack).unwrap();
    let copy = || File::open(folder.path().join("one")).unwrap();
    assert!(matches!(mirror.receive(copy(), 10, &id), Err(Error::TooLarge { .. })));
    let mut garbage = scratch(&folder, "garbage");
    garbage.write_all(b"PACK and nothing more").unwrap();
    assert!(matches!(mirror.receive(rewound(garbage), 1 << 20, &id), Err(Error::Pack { .. })));
    for named in ["", "HEAD", "main", "--all", &"0".repeat(40), &"0".repeat(64)] {
        assert!(matches!(mirror.receive(copy(), 1 << 20, named), Err(Error::Pack { .. })), "{named}");
    }
    assert_eq!(packs(), 0);
    assert!(mirror.tips().unwrap().is_empty());
    mirror.receive(copy(), 1 << 20, &id).unwrap();
    assert!(mirror.holds(&id).unwrap());
}
