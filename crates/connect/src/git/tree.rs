//! The files of a commit.

use std::io::{BufRead, Read};
use std::process::{Command, Stdio};

use countersign_model::TreePath;

use super::command::{failed, is_object_id, start_error};
use super::repository::Repository;
use crate::Error;
use crate::process::Stream;

/// A tree can name itself many times over and unfold to more files than there are atoms; this many are listed.
const MOST_ENTRIES: usize = 2_000_000;

/// And this many bytes of paths.
const MOST_PATH_BYTES: usize = 1024 * 1024 * 1024;

/// The longest record of a listing, in bytes.
const LONGEST_RECORD: u64 = 1024 * 1024;

/// A file of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeFile {
    /// Where it is.
    pub path: TreePath,
    /// The full id of its content.
    pub blob: String,
    /// Its size in bytes. Git lists sizes seven times slower than names, so a listing leaves it out; a
    /// [`BlobReader`](super::BlobReader) tells it before the content.
    pub size: Option<u64>,
    /// Its mode: `0o100644`, `0o100755`, and `0o120000` for a link.
    pub mode: u32,
}

/// A submodule: a commit of another repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submodule {
    /// Where it is mounted.
    pub path: TreePath,
    /// The commit's full id.
    pub commit: String,
}

/// Everything in a commit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tree {
    /// Regular files, in git's order (by bytes).
    pub files: Vec<TreeFile>,
    /// How many symbolic links there are; they are not among the files, for their content is a path.
    pub links: u64,
    /// Submodules.
    pub submodules: Vec<Submodule>,
}

/// One entry of a listing.
pub(super) enum TreeEntry {
    File(TreeFile),
    Link(TreeFile),
    Submodule(Submodule),
}

const WHAT: &str = "list a tree";

impl Repository {
    /// Everything in `commit`.
    ///
    /// # Errors
    /// [`Error::UnknownRevision`]; [`Error::MissingObject`] and [`Error::CorruptObject`] for a tree that cannot be
    /// read; [`Error::TooLarge`] for more than two million entries.
    pub fn tree(&self, commit: &str) -> Result<Tree, Error> {
        let mut tree = Tree::default();
        self.each_entry(commit, |entry| match entry {
            TreeEntry::File(file) => tree.files.push(file),
            TreeEntry::Link(_) => tree.links = tree.links.saturating_add(1),
            TreeEntry::Submodule(module) => tree.submodules.push(module),
        })?;
        Ok(tree)
    }

    /// Gives every entry of `commit` to `visit`.
    pub(super) fn each_entry(&self, commit: &str, mut visit: impl FnMut(TreeEntry)) -> Result<(), Error> {
        let commit = self.resolve(commit)?;
        let mut command = self.command();
        command.args(["ls-tree", "-r", "-z", "--full-tree", &commit]);
        records(&mut command, WHAT, |record, _| {
            let entry = parse(record).ok_or(Error::GitAnswer { what: WHAT })?;
            visit(entry);
            Ok(())
        })
    }
}

/// `MODE SP TYPE SP ID TAB PATH`.
pub(super) fn parse(record: &[u8]) -> Option<TreeEntry> {
    let tab = record.iter().position(|b| *b == b'\t')?;
    let path = TreePath::from_bytes(record.get(tab.checked_add(1)?..)?);
    let mut words = std::str::from_utf8(record.get(..tab)?).ok()?.split(' ');
    let (mode, kind, id) = (words.next()?, words.next()?, words.next()?);
    if words.next().is_some() || !is_object_id(id) || path.as_bytes().is_empty() {
        return None;
    }
    let mode = u32::from_str_radix(mode, 8).ok()?;
    let file = |path| TreeFile { path, blob: id.to_owned(), size: None, mode };
    match (kind, mode) {
        ("blob", 0o120_000) => Some(TreeEntry::Link(file(path))),
        ("blob", _) => Some(TreeEntry::File(file(path))),
        ("commit", 0o160_000) => Some(TreeEntry::Submodule(Submodule { path, commit: id.to_owned() })),
        _ => None,
    }
}

/// Gives every NUL-ended record of a command's output to `visit`, with its number from 0, and checks that the command
/// ended well: a listing that broke off is an error, not a short listing.
pub(super) fn records(
    command: &mut Command,
    what: &'static str,
    mut visit: impl FnMut(&[u8], usize) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut stream = Stream::start(command.stdin(Stdio::null())).map_err(|e| start_error(e, what))?;
    let mut record = Vec::new();
    let mut bytes: usize = 0;
    for number in 0.. {
        record.clear();
        stream.output().take(LONGEST_RECORD).read_until(0, &mut record).map_err(|e| start_error(e, what))?;
        if record.is_empty() {
            break;
        }
        bytes = bytes.saturating_add(record.len());
        if number >= MOST_ENTRIES
            || bytes > MOST_PATH_BYTES
            || record.len() >= usize::try_from(LONGEST_RECORD).unwrap_or(0)
        {
            return Err(Error::TooLarge { what: "a tree's listing", limit: "2,000,000 entries or 1 GiB of paths" });
        }
        match record.strip_suffix(&[0]) {
            Some(record) => visit(record, number)?,
            // Cut off in the middle: the process's end says why, below.
            None => break,
        }
    }
    let whole = record.is_empty();
    let (status, said) = stream.finish().map_err(|e| start_error(e, what))?;
    match status.success() {
        true if whole => Ok(()),
        true => Err(Error::GitAnswer { what }),
        false => Err(failed(what, &said)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn entries_are_told_apart() {
        let id = "a".repeat(40);
        let of = |text: String| parse(text.as_bytes());
        assert!(
            matches!(of(format!("100644 blob {id}\ta b")), Some(TreeEntry::File(f)) if f.path.to_string() == "a b")
        );
        assert!(matches!(of(format!("120000 blob {id}\tl")), Some(TreeEntry::Link(_))));
        assert!(matches!(of(format!("160000 commit {id}\tm")), Some(TreeEntry::Submodule(_))));
        assert!(of(format!("040000 tree {id}\td")).is_none());
        assert!(of(format!("100644 blob {id}\t")).is_none());
    }

    proptest! {
        #[test]
        fn no_record_makes_it_fall_over(bytes: Vec<u8>) {
            let _ = parse(&bytes);
        }
    }
}
