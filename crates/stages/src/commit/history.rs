//! The use case `scan --history`: every content that commits brought, looked at once.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::Path;

use countersign_connect::git::{BlobReader, Commits, Head, History, Repository, SignatureStatus, verify_commit};
use countersign_model::{Digest, Gap, GapKind, TreePath};
use countersign_scan::{
    Cache, CacheWarning, Content, HistoryRecord, HistoryScan, Item, ItemReader, Listing, Options, Origin, Report,
    RuleSet, Source, Trace, Versions, scan_source,
};

use crate::Error;
use crate::build::source::content;

/// Whose a key is: a person's name or id, if the key is enrolled.
pub type Holder<'a> = dyn FnMut(&str) -> Option<String> + 'a;

/// What a scan of a history came to.
pub struct Scanned {
    /// The report; its findings have [`Report::origins`].
    pub report: Report,
    /// A cache that had to be thrown away.
    pub cache_warning: Option<CacheWarning>,
    /// The cache could not be kept; the next scan will look at everything again.
    pub cache_unsaved: Option<countersign_scan::Error>,
}

/// Looks at what `commits` brought. `cache_dir` is where answers are kept between scans: by content, and for a whole
/// history that nothing was added to since, all of it.
///
/// # Errors
/// [`countersign_connect::Error::NoCommits`] when there is none; what git and the scan say. What cannot be read is a gap
/// of the report, and so is a history that is cut off.
pub fn scan(
    repository: &Repository,
    commits: &Commits,
    rules: &RuleSet,
    salt: &[u8; 32],
    options: &Options<'_>,
    cache_dir: Option<&Path>,
    holder: &mut Holder<'_>,
) -> Result<Scanned, Error> {
    let whole = *commits == Commits::All;
    let record = match cache_dir.filter(|_| whole) {
        Some(dir) => Some(HistoryRecord::new(dir, &rules.digest(), salt, &repository.history_state()?)),
        None => None,
    };
    let (mut cache_warning, mut cache_unsaved) = (None, None);
    let scan = match record.as_ref().and_then(HistoryRecord::get) {
        Some(scan) => scan,
        None => {
            let opened = cache_dir.map(|dir| Cache::open(dir, &rules.digest(), salt));
            let cache = opened.map(|(cache, warning)| {
                cache_warning = warning;
                cache
            });
            let source = Contents { repository, listed: repository.history(commits)? };
            let scan = HistoryScan::of(&source, rules, salt, &Options { cache: cache.as_ref(), ..*options })?;
            let commits = source.listed.commits.len() as u64;
            let scan = scan.of_commits(commits, source.listed.submodules);
            // A part of the history would push what is known of the rest out of the cache.
            if whole {
                let saved = cache.as_ref().map_or(Ok(()), Cache::save);
                cache_unsaved = saved.and_then(|()| record.as_ref().map_or(Ok(()), |r| r.put(&scan))).err();
            }
            scan
        }
    };
    let (mut report, traces) = scan.finish(options)?;
    if repository.is_shallow() {
        report.gaps.push(Gap {
            path: TreePath::from_text("."),
            kind: GapKind::MissingObject,
            detail: "the clone is shallow, so older history is not here; fetch it with `git fetch --unshallow`".into(),
        });
        report.gaps.sort();
    }
    report.origins = origins(repository, &traces, holder)?;
    Ok(Scanned { report, cache_warning, cache_unsaved })
}

/// What commits brought, as something to scan: contents of files, and what the commits' authors wrote about them.
pub(super) struct Contents<'a> {
    pub(super) repository: &'a Repository,
    pub(super) listed: History,
}

impl Source for Contents<'_> {
    fn items(&self) -> Result<Listing, countersign_scan::Error> {
        let items = self.listed.contents.iter().map(|one| Item {
            path: one.path.clone(),
            blob: Some(one.blob.clone()),
            size: None,
        });
        let messages = self.listed.commits.iter().map(|commit| Item {
            path: TreePath::from_bytes(format!("commit {commit} message")),
            blob: Some(commit.clone()),
            size: None,
        });
        let gaps = self.listed.missed.iter().map(|detail| Gap {
            path: TreePath::from_text("."),
            kind: GapKind::MissingObject,
            detail: format!("some of the history could not be listed: {detail}"),
        });
        Ok(Listing { items: items.chain(messages).collect(), gaps: gaps.collect(), links: self.listed.links })
    }

    fn reader(&self) -> Result<Box<dyn ItemReader + '_>, countersign_scan::Error> {
        Ok(Box::new(Reader {
            objects: self.repository.reader().map_err(countersign_scan::Error::source)?,
            commits: self.listed.commits.iter().map(String::as_str).collect(),
        }))
    }
}

impl Versions for Contents<'_> {
    fn origin(&self, n: usize) -> String {
        let commit = match self.listed.contents.get(n) {
            Some(one) => one.commit,
            // Messages stand behind the contents, in the order of the commits.
            None => n - self.listed.contents.len(),
        };
        self.listed.commits.get(commit).cloned().unwrap_or_default()
    }

    fn files(&self) -> usize {
        self.listed.contents.len()
    }

    fn before(&self) -> Vec<Item> {
        let before = self.listed.before.iter();
        before.map(|(path, blob)| Item { path: path.clone(), blob: Some(blob.clone()), size: None }).collect()
    }
}

pub(super) struct Reader<'a> {
    objects: BlobReader,
    /// The items of these ids are messages.
    commits: HashSet<&'a str>,
}

impl ItemReader for Reader<'_> {
    fn announce(&mut self, items: &[&Item]) {
        self.objects.announce(items.iter().filter_map(|item| item.blob.as_deref()));
    }

    fn read(&mut self, item: &Item) -> Result<Content<'_>, Gap> {
        match item.blob.as_deref().filter(|id| self.commits.contains(id)) {
            Some(commit) => match self.objects.read_message(commit) {
                Ok(message) => Ok(Content::Bytes(message.into())),
                Err(e) => Err(Gap { path: item.path.clone(), kind: GapKind::Unreadable, detail: e.to_string() }),
            },
            None => content(&mut self.objects, item),
        }
    }
}

/// Where each finding came from: its first commit, who wrote that, and whether the value is at `HEAD`.
fn origins(
    repository: &Repository,
    traces: &BTreeMap<Digest, Trace>,
    holder: &mut Holder<'_>,
) -> Result<BTreeMap<Digest, Origin>, Error> {
    if traces.is_empty() {
        return Ok(BTreeMap::new());
    }
    let mut head: BTreeSet<String> = BTreeSet::new();
    if let Head::Commit { id, .. } = repository.head()? {
        head.extend(repository.tree(&id)?.files.into_iter().map(|file| file.blob));
        // A message is where its commit is.
        if traces.values().any(|trace| trace.blobs.contains(&trace.origin)) {
            repository.each_commit(None, &id, |commit| {
                head.insert(commit.id);
                Ok(())
            })?;
        }
    }
    let ids: BTreeSet<&String> = traces.values().map(|trace| &trace.origin).collect();
    let ids: Vec<String> = ids.into_iter().cloned().collect();
    let commits = repository.commits_named(&ids)?;
    let mut origins = BTreeMap::new();
    let by_id: BTreeMap<&str, _> = commits.iter().map(|commit| (commit.id.as_str(), commit)).collect();
    for (print, trace) in traces {
        let Some(commit) = by_id.get(trace.origin.as_str()) else { continue };
        let (verified, identity) = match verify_commit(&commit.signature) {
            SignatureStatus::Valid { fingerprint, .. } => match holder(&fingerprint) {
                Some(person) => (Some(person), format!("signed with {fingerprint}")),
                None => (None, format!("signed with {fingerprint}, which belongs to nobody enrolled here")),
            },
            SignatureStatus::None => (None, "the commit is not signed".to_owned()),
            SignatureStatus::Invalid { .. } => (None, "the commit's signature does not verify".to_owned()),
            SignatureStatus::Unsupported { format: "OpenPGP" } => {
                (None, "the commit has an OpenPGP signature, which `run` verifies".to_owned())
            }
            SignatureStatus::Unsupported { format } => {
                (None, format!("the commit is signed in a format that is not verified here ({format})"))
            }
        };
        let author = format!("{} <{}>", commit.author_name, commit.author_email);
        let at_head = trace.blobs.iter().any(|blob| head.contains(blob));
        let origin =
            Origin { commit: trace.origin.clone(), author, date: commit.author_time, verified, identity, at_head };
        origins.insert(*print, origin);
    }
    Ok(origins)
}

/// One text that is in no commit yet: a commit's message.
struct Message<'a>(&'a [u8]);

impl Source for Message<'_> {
    fn items(&self) -> Result<Listing, countersign_scan::Error> {
        let path = TreePath::from_text("commit message");
        Ok(Listing { items: vec![Item { path, blob: None, size: None }], ..Listing::default() })
    }

    fn reader(&self) -> Result<Box<dyn ItemReader + '_>, countersign_scan::Error> {
        Ok(Box::new(MessageReader(self.0)))
    }
}

struct MessageReader<'a>(&'a [u8]);

impl ItemReader for MessageReader<'_> {
    fn read(&mut self, _item: &Item) -> Result<Content<'_>, Gap> {
        Ok(Content::Bytes(std::borrow::Cow::Borrowed(self.0)))
    }
}

/// Looks at a commit's message, down to the diff that `commit --verbose` shows below it. Comments are looked at too:
/// what begins one is the user's choice, and a line that is looked at in vain costs nothing.
///
/// # Errors
/// As [`scan_source`].
pub fn scan_message(message: &[u8], rules: &RuleSet, salt: &[u8; 32], options: &Options<'_>) -> Result<Report, Error> {
    /// Behind the comment character (git-commit, "--cleanup=scissors").
    const SCISSORS: &[u8] = b" ------------------------ >8 ------------------------";
    let mut end = 0;
    for line in message.split_inclusive(|b| *b == b'\n') {
        if line.trim_ascii_end().get(1..) == Some(SCISSORS) {
            break;
        }
        end += line.len();
    }
    Ok(scan_source(&Message(message.get(..end).unwrap_or(message)), rules, salt, options)?)
}
