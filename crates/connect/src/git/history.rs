//! What commits brought: every content that came with one of them, and with which it came first.
//!
//! `rev-list` names the commits, parents before children; several `diff-tree` processes share them and say what each
//! changed against its parents. A merge is compared with all of its parents, so that what only the merge brings is seen.

use std::collections::{BTreeMap, HashSet};
use std::io::{BufRead, Read, Write};
use std::process::{Command, Stdio};

use countersign_model::{Digest, Hasher, TreePath};

use super::command::{failed, is_object_id, start_error};
use super::repository::Repository;
use crate::Error;
use crate::process::{Stream, printable};

const WHAT: &str = "list what commits brought";

/// More contents than this are not listed.
const MOST_CONTENTS: usize = 20_000_000;

/// The longest record, in bytes.
const LONGEST_RECORD: u64 = 1024 * 1024;

/// Fewer commits than this are not worth another process.
const WORTH_A_PROCESS: usize = 256;

/// Which commits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Commits {
    /// Those that any reference or `HEAD` leads to.
    All,
    /// Those of a range in git's notation, such as `main..HEAD` or `v1.0`.
    Range(String),
    /// What a push would bring: those that `new` leads to, without those that `known`, or a tracking branch of the
    /// remote `remote`, leads to. What is not here is left out of `known`.
    Pushed {
        /// Ids or names.
        new: Vec<String>,
        /// Ids or names.
        known: Vec<String>,
        /// The remote's name.
        remote: Option<String>,
    },
}

/// A content, and the first commit that had it at this path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Brought {
    /// The path in that commit.
    pub path: TreePath,
    /// The full id of the content.
    pub blob: String,
    /// Place of the commit in [`History::commits`].
    pub commit: usize,
}

/// What commits brought.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct History {
    /// The commits' full ids, parents before children.
    pub commits: Vec<String>,
    /// Contents of regular files, each once for every path it had, in the order of the commits.
    pub contents: Vec<Brought>,
    /// Contents that these commits changed or took away and none of them brought: what was there before.
    pub before: Vec<(TreePath, String)>,
    /// How many different symbolic links came.
    pub links: u64,
    /// How many different places submodules came to.
    pub submodules: u64,
    /// What git could not list, in its words.
    pub missed: Vec<String>,
}

impl Repository {
    /// What `commits` brought.
    ///
    /// # Errors
    /// [`Error::UnknownRevision`] for a range that git does not understand, [`Error::NoCommits`] where all are asked for
    /// and there is none, [`Error::MissingObject`] and [`Error::CorruptObject`] for commits that must be and cannot be
    /// read. Trees that cannot be read are [`History::missed`].
    pub fn history(&self, commits: &Commits) -> Result<History, Error> {
        let ids = self.ids(commits)?;
        if ids.is_empty() && *commits == Commits::All {
            return Err(Error::NoCommits);
        }
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let share = ids.len().div_ceil(cores).max(WORTH_A_PROCESS);
        let parts: Vec<Result<Part, Error>> = std::thread::scope(|scope| {
            let starts = (0..ids.len()).step_by(share);
            let jobs: Vec<_> = starts
                .map(|first| {
                    let ids = ids.get(first..ids.len().min(first.saturating_add(share))).unwrap_or_default();
                    scope.spawn(move || self.part(ids, first))
                })
                .collect();
            let lost = || Error::GitAnswer { what: WHAT };
            jobs.into_iter().map(|job| job.join().unwrap_or_else(|_| Err(lost()))).collect()
        });
        let mut history = History::default();
        let mut seen = Seen::default();
        let mut before = BTreeMap::new();
        for part in parts {
            let part = part?;
            history.missed.extend(part.missed);
            before.extend(part.before);
            for one in part.contents {
                match one.mode {
                    Mode::File if seen.is_new(&one) => history.contents.push(one.brought),
                    Mode::Link if seen.is_new(&one) => history.links = history.links.saturating_add(1),
                    Mode::Submodule if seen.is_new(&one) => history.submodules = history.submodules.saturating_add(1),
                    _ => {}
                }
            }
            if history.contents.len() > MOST_CONTENTS {
                return Err(Error::TooLarge { what: "the history to be examined", limit: "20,000,000 contents" });
            }
        }
        // Everything that a whole history changed was brought by it.
        if *commits != Commits::All {
            let brought: HashSet<&str> = history.contents.iter().map(|one| one.blob.as_str()).collect();
            before.retain(|blob, _| !brought.contains(blob.as_str()));
            history.before = before.into_iter().map(|(blob, path)| (path, blob)).collect();
        }
        history.commits = ids;
        Ok(history)
    }

    /// A digest of what [`Commits::All`] stands for now: every reference, `HEAD`, and where a shallow clone is cut off.
    /// Equal digests mean equal histories.
    ///
    /// # Errors
    /// What git says.
    pub fn history_state(&self) -> Result<Digest, Error> {
        let mut command = self.command();
        command.args(["show-ref", "--head", "--hash"]);
        let mut stream = Stream::start(command.stdin(Stdio::null())).map_err(|e| start_error(e, WHAT))?;
        let mut ids = Vec::new();
        stream.output().read_to_end(&mut ids).map_err(|e| start_error(e, WHAT))?;
        let (status, said) = stream.finish().map_err(|e| start_error(e, WHAT))?;
        // 1: there is no reference.
        if !matches!(status.code(), Some(0 | 1)) {
            return Err(failed(WHAT, &said));
        }
        let mut lines: Vec<&[u8]> = ids.split(|b| *b == b'\n').collect();
        lines.sort_unstable();
        lines.dedup();
        let mut hasher = Hasher::new();
        hasher.update(b"countersign/history-state/v1\0");
        for line in lines {
            hasher.update(line);
            hasher.update(b"\n");
        }
        if self.is_shallow() {
            let cut = std::fs::read(self.common_dir().join("shallow"))
                .map_err(|source| Error::GitPipe { what: "say where history is cut", source })?;
            hasher.update(b"shallow\n");
            hasher.update(&cut);
        }
        Ok(hasher.finish())
    }

    /// The commits' ids, parents before children.
    fn ids(&self, commits: &Commits) -> Result<Vec<String>, Error> {
        let mut command = self.command();
        command.args(["rev-list", "--topo-order", "--reverse"]);
        let mut asked = None;
        match commits {
            Commits::All => {
                command.args(["--all", "--"]);
            }
            Commits::Range(range) => {
                let shown = || range.chars().map(printable).take(200).collect::<String>();
                if range.is_empty() || range.starts_with('-') || range.contains(['\0', '\n']) {
                    return Err(Error::UnknownRevision { revision: shown() });
                }
                asked = Some(shown());
                command.args(["--end-of-options", range, "--"]);
            }
            Commits::Pushed { new, known, remote } => {
                if new.is_empty() {
                    return Ok(Vec::new());
                }
                for name in new {
                    command.arg(self.resolve(name)?);
                }
                // A remote's branch may be at a commit that was never fetched.
                command.args(known.iter().filter_map(|name| self.resolve(name).ok()).map(|id| format!("^{id}")));
                if let Some(remote) = remote.as_deref().filter(|name| is_remote_name(name)) {
                    command.arg("--not").arg(format!("--remotes={remote}"));
                }
                command.arg("--");
            }
        }
        let mut stream = Stream::start(command.stdin(Stdio::null())).map_err(|e| start_error(e, WHAT))?;
        let mut ids = Vec::new();
        let mut line = String::new();
        loop {
            line.clear();
            stream.output().take(256).read_line(&mut line).map_err(|e| start_error(e, WHAT))?;
            match line.strip_suffix('\n') {
                _ if line.is_empty() => break,
                Some(id) if self.is_id(id) => ids.push(id.to_owned()),
                _ => return Err(Error::GitAnswer { what: WHAT }),
            }
        }
        let (status, said) = stream.finish().map_err(|e| start_error(e, WHAT))?;
        match (status.success(), asked) {
            (true, _) => Ok(ids),
            (false, Some(revision)) if said.contains("bad revision") || said.contains("bad object") => {
                Err(Error::UnknownRevision { revision })
            }
            _ => Err(failed(WHAT, &said)),
        }
    }

    /// What these commits brought; the first of them has the number `first`.
    fn part(&self, ids: &[String], first: usize) -> Result<Part, Error> {
        let mut command = self.command();
        command.args(["diff-tree", "--stdin", "-r", "-c", "--root", "--raw", "-z", "--no-renames", "--no-abbrev"]);
        command.args(["--no-ext-diff", "--no-textconv", "--no-relative", "--ignore-submodules=none"]);
        feed(&mut command, ids, |output| part(output, ids, first))
    }
}

/// Starts `command`, writes `ids` to it from another thread, and has its output read.
fn feed(
    command: &mut Command,
    ids: &[String],
    read: impl FnOnce(&mut dyn BufRead) -> Result<Part, Error>,
) -> Result<Part, Error> {
    let mut stream = Stream::start(command.stdin(Stdio::piped())).map_err(|e| start_error(e, WHAT))?;
    let input = stream.take_input().map_err(|e| start_error(e, WHAT))?;
    let mut part = std::thread::scope(|scope| {
        scope.spawn(move || {
            let mut input = std::io::BufWriter::with_capacity(64 * 1024, input);
            for id in ids {
                // A process that ended early says why itself.
                if input.write_all(id.as_bytes()).and_then(|()| input.write_all(b"\n")).is_err() {
                    return;
                }
            }
            let _ = input.flush();
        });
        read(stream.output())
    })?;
    let (status, said) = stream.finish().map_err(|e| start_error(e, WHAT))?;
    match failed(WHAT, &said) {
        _ if status.success() => {}
        Error::MissingObject { id } => part.missed.push(format!("the repository does not hold object {id}")),
        error => part.missed.push(error.to_string()),
    }
    Ok(part)
}

/// Whether a name is that of a remote and no pattern: git reads `--remotes=` as one.
fn is_remote_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(['*', '?', '[', '\\', '\n', '\0']) && !name.starts_with('-')
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    File,
    Link,
    Submodule,
    Gone,
}

struct One {
    mode: Mode,
    brought: Brought,
}

#[derive(Default)]
struct Part {
    contents: Vec<One>,
    /// Contents of the other side, each with a path that it had.
    before: BTreeMap<String, TreePath>,
    missed: Vec<String>,
}

/// Contents and paths that were met, by a digest of both: two of them would take twice the memory of the list itself.
#[derive(Default)]
struct Seen(HashSet<[u8; 16]>);

impl Seen {
    fn is_new(&mut self, one: &One) -> bool {
        let mut hasher = Hasher::new();
        hasher.update(one.brought.blob.as_bytes());
        hasher.update(&[u8::from(one.mode == Mode::File)]);
        hasher.update(one.brought.path.as_bytes());
        let digest = hasher.finish();
        let short = digest.as_bytes().first_chunk().copied().unwrap_or_default();
        self.0.insert(short)
    }
}

fn part(output: &mut dyn BufRead, ids: &[String], first: usize) -> Result<Part, Error> {
    let wrong = || Error::GitAnswer { what: WHAT };
    let mut part = Part::default();
    let mut seen = Seen::default();
    let mut at = None;
    let mut record = Vec::new();
    while record_of(output, &mut record)? {
        if record.first() != Some(&b':') {
            // Commits come in the order in which they were asked for; those that bring nothing are left out.
            let from: usize = at.map_or(0, |n: usize| n.saturating_add(1));
            let rest = ids.get(from..).unwrap_or_default();
            let next = rest.iter().position(|id| id.as_bytes() == record.as_slice()).ok_or_else(wrong)?;
            at = Some(from.saturating_add(next));
            continue;
        }
        let (mode, blob, before) = entry(&record).ok_or_else(wrong)?;
        let commit = at.ok_or_else(wrong)?.saturating_add(first);
        if !record_of(output, &mut record)? || record.is_empty() {
            return Err(wrong());
        }
        let path = TreePath::from_bytes(record.as_slice());
        for blob in before {
            part.before.entry(blob).or_insert_with(|| path.clone());
        }
        let one = One { mode, brought: Brought { path, blob, commit } };
        if mode != Mode::Gone && seen.is_new(&one) {
            part.contents.push(one);
        }
    }
    Ok(part)
}

/// Reads up to the next NUL, which is left out; false at the end.
fn record_of(output: &mut dyn BufRead, record: &mut Vec<u8>) -> Result<bool, Error> {
    record.clear();
    output.take(LONGEST_RECORD).read_until(0, record).map_err(|e| start_error(e, WHAT))?;
    match record.pop() {
        None => Ok(false),
        Some(0) => Ok(true),
        // Cut off in the middle: the process's end says why.
        Some(_) => Ok(false),
    }
}

/// Mode and id of the result, and the ids of what was a regular file before: `:MODE MODE ID ID STATUS`, or with N colons, N modes and ids before them (git-diff-tree,
/// "RAW OUTPUT FORMAT" and "COMBINED DIFF FORMAT").
fn entry(record: &[u8]) -> Option<(Mode, String, Vec<String>)> {
    let parents = record.iter().take_while(|b| **b == b':').count();
    let words: Vec<&[u8]> = record.get(parents..)?.split(|b| *b == b' ').collect();
    let (modes, ids) = words.split_at_checked(parents.checked_add(1)?)?;
    let id_of = |word: &[u8]| std::str::from_utf8(word).ok().filter(|id| is_object_id(id)).map(str::to_owned);
    let (mode, id) = (modes.get(parents)?, id_of(ids.get(parents)?)?);
    let before = modes.iter().zip(ids).take(parents).filter(|(mode, _)| mode.starts_with(b"100"));
    let before = before.map(|(_, id)| id_of(id)).collect::<Option<Vec<_>>>()?;
    let mode = match *mode {
        b"000000" => Mode::Gone,
        b"120000" => Mode::Link,
        b"160000" => Mode::Submodule,
        mode if mode.starts_with(b"100") => Mode::File,
        _ => return None,
    };
    Some((mode, id, before))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn results_of_ordinary_and_of_merge_commits_are_read() {
        let (a, b, c) = ("a".repeat(40), "b".repeat(40), "c".repeat(40));
        let read = |text: String| entry(text.as_bytes()).map(|(mode, id, before)| (mode, id, before.len()));
        assert_eq!(read(format!(":100644 100755 {a} {b} M")), Some((Mode::File, b.clone(), 1)));
        assert_eq!(read(format!("::100644 100644 120000 {a} {b} {c} MM")), Some((Mode::Link, c, 2)));
        assert_eq!(read(format!(":100644 000000 {a} {b} D")), Some((Mode::Gone, b.clone(), 1)));
        assert_eq!(read(format!(":100644 160000 {a} {b} T")), Some((Mode::Submodule, b, 1)));
        assert_eq!(read(format!(":100644 {a} M")), None);
    }

    proptest! {
        #[test]
        fn no_answer_makes_it_fall_over(bytes: Vec<u8>) {
            let _ = part(&mut &bytes[..], &["a".repeat(40)], 0);
            let mut plausible = format!("{}\0:", "a".repeat(40)).into_bytes();
            plausible.extend(bytes);
            let _ = part(&mut plausible.as_slice(), &["a".repeat(40)], 0);
        }
    }
}
