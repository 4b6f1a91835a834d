//! The index against `HEAD`: what the next commit would add.
//!
//! Two processes, started together and before anything else is done: one says what differs and which lines are new, the
//! other gives contents. The repository is not looked for beforehand, for that would take three more; only when git
//! fails is it, to say what is wrong.
//!
//! Nothing here takes a lock: an index that another git is about to replace is read as it was before.

use std::collections::HashMap;
use std::io::{self, BufRead, Read};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use countersign_model::TreePath;

use super::blobs::{BlobReader, Door};
use super::command::{Git, failed, is_object_id, start_error};
use super::repository::Repository;
use crate::Error;
use crate::process::Stream;

const WHAT: &str = "compare the index with HEAD";

/// More files than this are not listed.
const MOST_FILES: usize = 2_000_000;

/// The longest path, in bytes.
const LONGEST_PATH: u64 = 1024 * 1024;

/// What is kept of a line of a patch: all of a header that is looked at.
const KEPT: usize = 512;

/// Which lines of a staged file are new.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Added {
    /// All of them.
    Everything,
    /// These, first and last, from 1, in order.
    Lines(Vec<(u32, u32)>),
    /// Git does not say, for it takes the file as binary or was told to (`-diff`). `before` is the id of the content
    /// at `HEAD`.
    Unknown {
        /// The full id of the content at `HEAD`.
        before: String,
    },
}

impl Added {
    /// Whether one of the lines from `first` to `last` is new; `None` where git does not say.
    #[must_use]
    pub fn touches(&self, first: u32, last: u32) -> Option<bool> {
        match self {
            Self::Everything => Some(true),
            Self::Lines(lines) => {
                let at = lines.partition_point(|(_, end)| *end < first);
                Some(lines.get(at).is_some_and(|(begin, _)| *begin <= last))
            }
            Self::Unknown { .. } => None,
        }
    }
}

/// A regular file whose content the next commit would change or add.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StagedFile {
    /// Where it will be.
    pub path: TreePath,
    /// The full id of its content.
    pub blob: String,
    /// Its new lines.
    pub added: Added,
}

/// What is staged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StagedChange {
    /// Files with new content, in git's order. Deletions, other modes and mere renames bring none.
    pub files: Vec<StagedFile>,
    /// Symbolic links that are new or lead elsewhere.
    pub links: u64,
    /// Submodules that are new or at another commit.
    pub submodules: u64,
    /// Paths in conflict, which have no one content.
    pub unmerged: Vec<TreePath>,
}

/// A comparison of the index with `HEAD` that has begun.
pub struct Staging {
    door: Door,
    dir: PathBuf,
    diff: Stream,
    blobs: BlobReader,
}

/// Gives the contents of what is staged.
pub struct StagedContents {
    door: Door,
    /// The reader that runs already, for whoever asks first.
    first: std::sync::Mutex<Option<BlobReader>>,
}

impl Staging {
    /// Begins. `dir` is anywhere in the work tree. `in_hook` is for callers whom git may have started: then the
    /// repository and the index that its environment names are the ones.
    ///
    /// # Errors
    /// [`Error::NotARepository`], [`Error::NoWorkTree`], [`Error::Directory`], [`Error::GitMissing`].
    pub fn begin(dir: &Path, in_hook: bool) -> Result<Self, Error> {
        crate::process::enter(dir)?;
        let git = Git::default();
        let named = in_hook && std::env::vars_os().any(|(key, _)| key == "GIT_DIR");
        if !named && !has_git(dir) {
            // No work tree is around here: a bare repository, the inside of `.git`, or nothing.
            let repository = Repository::discover_with(git.clone(), dir)?;
            if repository.is_bare() {
                return Err(Error::NoWorkTree { dir: repository.root().to_owned() });
            }
            return Self::start(Door::Found(repository), dir);
        }
        Self::start(Door::Here { git, dir: dir.to_owned(), in_hook }, dir)
    }

    fn start(door: Door, dir: &Path) -> Result<Self, Error> {
        let mut command = door.command();
        // Not `diff-index`: that one has no answer before the first commit.
        command.args(["diff", "--cached", "--raw", "--patch", "-z", "--unified=0", "--inter-hunk-context=0"]);
        command.args(["--full-index", "--no-abbrev", "--find-renames", "--diff-algorithm=default", "--no-color"]);
        command.args(["--no-ext-diff", "--no-textconv", "--no-relative", "--submodule=short"]);
        command.args(["--ignore-submodules=none", "--ita-invisible-in-index", "--"]);
        let diff = Stream::start(command.stdin(Stdio::null())).map_err(|e| start_error(e, WHAT))?;
        let blobs = BlobReader::start(door.clone())?;
        Ok(Self { door, dir: dir.to_owned(), diff, blobs })
    }

    /// Waits for the comparison's end.
    ///
    /// # Errors
    /// [`Error::NotARepository`], [`Error::NoWorkTree`], [`Error::DubiousOwnership`]; [`Error::GitFailed`] for an index
    /// that cannot be read, [`Error::MissingObject`] and [`Error::CorruptObject`] for contents that must be and cannot.
    pub fn change(mut self) -> Result<(StagedChange, StagedContents), Error> {
        let read = read(self.diff.output()).map_err(|e| start_error(e, WHAT))?;
        let (status, said) = self.diff.finish().map_err(|e| start_error(e, WHAT))?;
        // Where git fell over a content after it had listed everything, its lines are not known and all else is.
        match read {
            Some(read) if status.success() || read.listed => {
                let contents = StagedContents { door: self.door, first: std::sync::Mutex::new(Some(self.blobs)) };
                Ok((read.change, contents))
            }
            None if status.success() => Err(Error::GitAnswer { what: WHAT }),
            _ => Err(diagnose(&self.dir, &said)),
        }
    }
}

impl StagedContents {
    /// A reader of the contents.
    ///
    /// # Errors
    /// [`Error::GitMissing`] and the like, when a process cannot be started.
    pub fn reader(&self) -> Result<BlobReader, Error> {
        let first = self.first.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        first.map_or_else(|| BlobReader::start(self.door.clone()), Ok)
    }

    /// The content of the file at `path` in the index, of at most `limit` bytes; `None` when there is none.
    ///
    /// # Errors
    /// [`Error::TooLarge`]; [`Error::CorruptObject`] when it cannot be read.
    pub fn file(&self, path: &str, limit: u64) -> Result<Option<Vec<u8>>, Error> {
        let mut reader = self.reader()?;
        let content = reader.read_named(&format!(":0:{path}"))?.map(|content| content.bytes(limit)).transpose()?;
        *self.first.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(reader);
        Ok(content)
    }
}

/// Whether `dir` or a directory above it holds a `.git`.
fn has_git(dir: &Path) -> bool {
    let Ok(dir) = std::fs::canonicalize(dir) else { return false };
    dir.ancestors().any(|dir| dir.join(".git").symlink_metadata().is_ok())
}

/// Why a comparison failed: mostly because there is no repository that git would read.
fn diagnose(dir: &Path, said: &str) -> Error {
    match Repository::discover(dir) {
        Ok(repository) if repository.is_bare() => Error::NoWorkTree { dir: repository.root().to_owned() },
        Ok(_) => failed(WHAT, said),
        Err(error) => error,
    }
}

/// What git's answer says.
struct Answer {
    change: StagedChange,
    /// Whether the list of files came to its end.
    listed: bool,
}

/// A record of the list.
struct Entry {
    path: TreePath,
    mode: Vec<u8>,
    before: String,
    after: String,
    status: u8,
    /// The content before was no regular file.
    other_kind: bool,
}

/// Reads the output of `git diff --cached --raw --patch -z`; `None` when it is something else.
fn read(input: &mut impl BufRead) -> io::Result<Option<Answer>> {
    let mut entries = Vec::new();
    let mut record = Vec::new();
    let mut listed = false;
    loop {
        let more = record_of(input, &mut record)?;
        if !more {
            break;
        }
        if record.is_empty() {
            listed = true;
            break;
        }
        let Some((mode_before, mut entry)) = entry(&record) else { return Ok(None) };
        entry.other_kind = !mode_before.starts_with(b"100");
        if matches!(entry.status, b'R' | b'C') {
            // Where it came from.
            if !record_of(input, &mut record)? {
                return Ok(None);
            }
        }
        if !record_of(input, &mut record)? || record.is_empty() || entries.len() >= MOST_FILES {
            return Ok(None);
        }
        entry.path = TreePath::from_bytes(record.as_slice());
        entries.push(entry);
    }
    let lines = patches(input)?;
    Ok(Some(Answer { change: change(entries, &lines), listed }))
}

/// Reads up to the next NUL, which is left out; false at the end.
fn record_of(input: &mut impl BufRead, record: &mut Vec<u8>) -> io::Result<bool> {
    record.clear();
    input.by_ref().take(LONGEST_PATH).read_until(0, record)?;
    match record.pop() {
        None => Ok(false),
        Some(0) => Ok(true),
        Some(_) => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

/// `:MODE MODE ID ID STATUS` (git-diff, "RAW OUTPUT FORMAT").
fn entry(record: &[u8]) -> Option<(Vec<u8>, Entry)> {
    let mut words = record.strip_prefix(b":")?.split(|b| *b == b' ');
    let (before_mode, mode) = (words.next()?, words.next()?);
    let mut id = || words.next().and_then(|w| std::str::from_utf8(w).ok()).filter(|w| is_object_id(w));
    let (before, after) = (id()?.to_owned(), id()?.to_owned());
    let status = *words.next()?.first()?;
    let (path, mode) = (TreePath::from_bytes(b""), mode.to_vec());
    Some((before_mode.to_vec(), Entry { path, mode, before, after, status, other_kind: false }))
}

/// The new lines of each pair of contents that a patch shows.
type Lines = HashMap<(String, String), Vec<(u32, u32)>>;

/// Reads the patches. Lines of content are counted, as the hunk's header says, and not looked at: whatever stands in
/// them is no header.
fn patches(input: &mut impl BufRead) -> io::Result<Lines> {
    let mut lines = Lines::new();
    let mut pair = None;
    let mut line = Vec::new();
    while line_of(input, &mut line)? {
        if let Some(ids) = line.strip_prefix(b"index ") {
            pair = ids_of(ids);
        } else if line.starts_with(b"diff ") {
            pair = None;
        } else if let Some((removed, first, count)) = hunk(&line) {
            if let (Some(pair), true) = (&pair, count > 0) {
                let range = (first, first.saturating_add(count.saturating_sub(1)));
                lines.entry(pair.clone()).or_default().push(range);
            } else if let Some(pair) = &pair {
                lines.entry(pair.clone()).or_default();
            }
            let mut left = u64::from(removed).saturating_add(u64::from(count));
            while left > 0 && line_of(input, &mut line)? {
                // `\ No newline at end of file` is no line of either.
                left = left.saturating_sub(u64::from(!line.starts_with(b"\\")));
            }
        }
    }
    Ok(lines)
}

/// Reads a line and keeps its beginning; false at the end.
fn line_of(input: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    let mut any = false;
    loop {
        let part = match input.fill_buf() {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            other => other?,
        };
        if part.is_empty() {
            return Ok(any);
        }
        any = true;
        let end = part.iter().position(|b| *b == b'\n');
        let text = part.get(..end.unwrap_or(part.len())).unwrap_or_default();
        line.extend_from_slice(text.get(..KEPT.saturating_sub(line.len()).min(text.len())).unwrap_or_default());
        let used = end.map_or(part.len(), |at| at.saturating_add(1));
        input.consume(used);
        if end.is_some() {
            return Ok(true);
        }
    }
}

/// `ID..ID`, and a mode where both have the same.
fn ids_of(text: &[u8]) -> Option<(String, String)> {
    let text = std::str::from_utf8(text).ok()?;
    let (before, after) = text.split(' ').next()?.split_once("..")?;
    (is_object_id(before) && is_object_id(after)).then(|| (before.to_owned(), after.to_owned()))
}

/// Number of removed lines, first added line and number of added lines of `@@ -A,B +C,D @@`.
fn hunk(line: &[u8]) -> Option<(u32, u32, u32)> {
    let text = String::from_utf8_lossy(line.strip_prefix(b"@@ -")?).into_owned();
    let mut words = text.split(' ');
    let numbers = |word: &str| -> Option<(u32, u32)> {
        let (first, count) = word.split_once(',').unwrap_or((word, "1"));
        Some((first.parse().ok()?, count.parse().ok()?))
    };
    let (_, removed) = numbers(words.next()?)?;
    let (first, count) = numbers(words.next()?.strip_prefix('+')?)?;
    Some((removed, first, count))
}

fn change(entries: Vec<Entry>, lines: &Lines) -> StagedChange {
    let mut change = StagedChange::default();
    for entry in entries {
        match (entry.status, entry.mode.as_slice()) {
            (b'U', _) => change.unmerged.push(entry.path),
            (b'D', _) => {}
            (_, b"160000") => change.submodules = change.submodules.saturating_add(1),
            _ if entry.before == entry.after && !entry.other_kind => {}
            (_, b"120000") => change.links = change.links.saturating_add(1),
            (status, _) => {
                let added = if status == b'A' || entry.other_kind {
                    Added::Everything
                } else {
                    match lines.get(&(entry.before.clone(), entry.after.clone())) {
                        Some(lines) => Added::Lines(lines.clone()),
                        None => Added::Unknown { before: entry.before },
                    }
                };
                change.files.push(StagedFile { path: entry.path, blob: entry.after, added });
            }
        }
    }
    change
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lines_are_told_from_headers() {
        let (a, b) = ("a".repeat(40), "b".repeat(40));
        let text = format!(
            "diff --git a/x b/x\nindex {a}..{b} 100644\n--- a/x\n+++ b/x\n@@ -1,2 +1,3 @@ f\n-@@ -1 +1 @@\n-x\n\
             \\ No newline at end of file\n+@@ -9 +9 @@\n+index 0..0\n+y\n\\ No newline at end of file\n@@ -9,2 +9,0 @@\n-p\n-q\n@@ -20,0 +19 @@\n+z\n"
        );
        let lines = patches(&mut text.as_bytes()).unwrap();
        assert_eq!(lines.get(&(a, b)), Some(&vec![(1, 3), (19, 19)]));
        assert_eq!(lines.len(), 1);
    }

    #[test]
    fn a_value_counts_when_it_touches_a_new_line() {
        let added = Added::Lines(vec![(3, 5), (9, 9)]);
        let at = |first, last| added.touches(first, last).unwrap();
        assert!(at(3, 3) && at(5, 8) && at(1, 3) && at(9, 9) && at(6, 20));
        assert!(!at(1, 2) && !at(6, 8) && !at(10, 11));
    }

    proptest! {
        #[test]
        fn no_answer_makes_it_fall_over(bytes: Vec<u8>, from in 0_usize..400) {
            let _ = read(&mut &bytes[..]);
            let id = "a".repeat(40);
            let good = format!(":100644 100644 {id} {id} M\0p\0\0diff --git a/p b/p\nindex {id}..{id}\n@@ -1,99 +2,7 @@\n+x\n");
            let mut cut = good.into_bytes();
            cut.truncate(from);
            cut.extend(bytes);
            let _ = read(&mut &cut[..]);
        }
    }
}
