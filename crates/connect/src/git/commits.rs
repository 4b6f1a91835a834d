//! Walking history: one `rev-list` feeds one `cat-file`, however many commits there are.

use std::collections::BTreeSet;
use std::io::{BufRead, Read, Write};
use std::process::Stdio;

use countersign_model::Timestamp;

use super::blobs::{Header, read_header};
use super::command::{failed, start_error};
use super::commit::{self, Commit, RawSignature};
use super::repository::Repository;
use super::tree::records;
use crate::Error;
use crate::process::{Running, Stream};

/// The largest commit object that is read, in bytes. Merges of signed tags in large projects reach some hundred KiB.
const LARGEST_COMMIT: u64 = 16 * 1024 * 1024;

/// What [`Repository::commits`] keeps in memory at most, in bytes.
const KEPT: usize = 1024 * 1024 * 1024;

const WHAT: &str = "list commits";

impl Repository {
    /// The commits that `head` has and `base` has not, newest first; all ancestors of `head` when there is no base.
    /// In a shallow clone history ends early: see [`Commit::cut`].
    ///
    /// # Errors
    /// [`Error::UnknownRevision`], [`Error::MissingObject`], [`Error::CorruptObject`]; [`Error::TooLarge`] for a
    /// history of more than 1 GiB, which [`Repository::each_commit`] still walks.
    pub fn commits(&self, base: Option<&str>, head: &str) -> Result<Vec<Commit>, Error> {
        let mut commits = Vec::new();
        let mut kept: usize = 0;
        self.each_commit(base, head, |commit| {
            kept = kept.saturating_add(weight(&commit));
            if kept > KEPT {
                return Err(Error::TooLarge { what: "the history to be examined", limit: "1 GiB" });
            }
            commits.push(commit);
            Ok(())
        })?;
        Ok(commits)
    }

    /// The commits of a branch's first-parent line that say of themselves that they were committed from `from` on and before
    /// `to`, newest first: what was merged into it.
    ///
    /// # Errors
    /// [`Error::UnknownRevision`]; [`Error::GitAnswer`] when git says something else than commits.
    pub fn first_parents(&self, branch: &str, from: Timestamp, to: Timestamp) -> Result<Vec<String>, Error> {
        let head = self.resolve(branch)?;
        let mut command = self.command();
        command.args([
            "log",
            "-z",
            "--no-show-signature",
            "--no-patch",
            "--first-parent",
            "--format=tformat:%H %ct",
            &head,
        ]);
        let mut commits = Vec::new();
        records(&mut command, WHAT, |record, _| {
            let said = std::str::from_utf8(record).ok().and_then(|text| text.split_once(' '));
            let read = said.filter(|(id, _)| self.is_id(id)).and_then(|(id, at)| Some((id, at.parse::<i64>().ok()?)));
            let (id, at) = read.ok_or(Error::GitAnswer { what: WHAT })?;
            let at = Timestamp::from_millis(at.saturating_mul(1000));
            if from <= at && at < to {
                commits.push(id.to_owned());
            }
            Ok(())
        })?;
        Ok(commits)
    }

    /// Gives every commit of [`Repository::commits`] to `visit`, and holds one at a time. An error of `visit` ends
    /// the walk and is returned.
    ///
    /// # Errors
    /// As [`Repository::commits`], and those of `visit`.
    pub fn each_commit(
        &self,
        base: Option<&str>,
        head: &str,
        visit: impl FnMut(Commit) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let head = self.resolve(head)?;
        let base = base.map(|base| self.resolve(base)).transpose()?;
        let cuts = self.cuts()?;
        let mut list = self.command();
        list.arg("rev-list").arg(head).args(base.map(|id| format!("^{id}"))).stdin(Stdio::null());
        let (list, ids) = Running::start(&mut list).map_err(|e| start_error(e, WHAT))?;
        let mut cat = self.command();
        cat.args(["cat-file", "--batch", "--buffer"]).stdin(Stdio::from(ids));
        let mut cat = Stream::start(&mut cat).map_err(|e| start_error(e, WHAT))?;
        self.read_commits(&mut cat, &cuts, visit)?;
        // An end of output is the end of history only when both say that they came to it.
        for outcome in [cat.finish(), list.finish()] {
            let (status, said) = outcome.map_err(|e| start_error(e, WHAT))?;
            if !status.success() {
                return Err(failed(WHAT, &said));
            }
        }
        Ok(())
    }

    /// The commits with these full ids, in this order.
    ///
    /// # Errors
    /// [`Error::MissingObject`], [`Error::CorruptObject`].
    pub fn commits_named(&self, ids: &[String]) -> Result<Vec<Commit>, Error> {
        let cuts = self.cuts()?;
        let mut cat = self.command();
        cat.args(["cat-file", "--batch", "--buffer"]).stdin(Stdio::piped());
        let mut cat = Stream::start(&mut cat).map_err(|e| start_error(e, WHAT))?;
        let mut input = cat.take_input().map_err(|e| start_error(e, WHAT))?;
        let mut commits = Vec::with_capacity(ids.len());
        std::thread::scope(|scope| {
            scope.spawn(move || {
                let lines: String = ids.iter().flat_map(|id| [id.as_str(), "\n"]).collect();
                // A process that ended early says why itself.
                let _ = input.write_all(lines.as_bytes());
            });
            self.read_commits(&mut cat, &cuts, |commit| {
                commits.push(commit);
                Ok(())
            })
        })?;
        let (status, said) = cat.finish().map_err(|e| start_error(e, WHAT))?;
        match status.success() {
            true => Ok(commits),
            false => Err(failed(WHAT, &said)),
        }
    }

    /// Reads the answers of a `cat-file --batch` that was asked for commits.
    fn read_commits(
        &self,
        cat: &mut Stream,
        cuts: &BTreeSet<String>,
        mut visit: impl FnMut(Commit) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut bytes = Vec::new();
        loop {
            match read_header(cat.output()).map_err(|e| start_error(e, WHAT))? {
                Header::End => return Ok(()),
                Header::Missing { id } => return Err(Error::MissingObject { id }),
                Header::Found { id, kind, size } => {
                    if kind != "commit" {
                        return Err(Error::CorruptObject { id, detail: format!("it is a {kind}, not a commit") });
                    }
                    if size > LARGEST_COMMIT {
                        return Err(Error::TooLarge { what: "a single commit object", limit: "16 MiB" });
                    }
                    bytes.clear();
                    let read = cat.output().take(size).read_to_end(&mut bytes).map_err(|e| start_error(e, WHAT))?;
                    if u64::try_from(read).ok() != Some(size) {
                        return Err(Error::CorruptObject { id, detail: "its end is missing".to_owned() });
                    }
                    end_of_object(cat.output())?;
                    let mut commit = commit::parse(&id, &bytes, |id| self.is_id(id))
                        .ok_or_else(|| Error::CorruptObject { id: id.clone(), detail: "not a commit".to_owned() })?;
                    commit.cut = cuts.contains(&id);
                    visit(commit)?;
                }
            }
        }
    }

    /// The commits whose parents a shallow clone does not hold.
    fn cuts(&self) -> Result<BTreeSet<String>, Error> {
        if !self.is_shallow() {
            return Ok(BTreeSet::new());
        }
        let text = std::fs::read_to_string(self.common_dir().join("shallow"))
            .map_err(|source| Error::GitPipe { what: "say where history is cut", source })?;
        Ok(text.lines().map(|line| line.trim().to_owned()).collect())
    }
}

/// Takes the line break that follows every object.
fn end_of_object(output: &mut impl BufRead) -> Result<(), Error> {
    let mut end = [0];
    match output.read_exact(&mut end) {
        Ok(()) if end == *b"\n" => Ok(()),
        Ok(()) => Err(Error::GitAnswer { what: WHAT }),
        Err(source) => Err(Error::GitPipe { what: WHAT, source }),
    }
}

/// About how much memory a commit takes, in bytes.
fn weight(commit: &Commit) -> usize {
    let signature = match &commit.signature {
        RawSignature::Ssh { armored, payload } => armored.len().saturating_add(payload.len()),
        RawSignature::OpenPgp(signed) => signed.armored.len().saturating_add(signed.payload.len()),
        _ => 0,
    };
    let names: usize = commit.co_authors.iter().map(|i| i.name.len().saturating_add(i.email.len())).sum();
    signature.saturating_add(names).saturating_add(commit.parents.len().saturating_mul(64)).saturating_add(1024)
}
