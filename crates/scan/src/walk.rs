//! A directory, or a single file, as a source.

use std::borrow::Cow;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use countersign_model::{Gap, GapKind, TreePath};
use ignore::{DirEntry, WalkBuilder, WalkState};

use crate::Error;
use crate::engine::PIECE;
use crate::tree::{Content, Item, ItemReader, Listing, Source};

/// Walks a directory. `.gitignore` (inside a work tree) and `.ignore` are respected, the user's own global list is not,
/// so that two people see the same. Hidden files are looked at; `.git` anywhere and `.countersign` at the top are not.
/// Links are counted and never followed; sockets, pipes and devices are gaps.
#[derive(Debug, Clone)]
pub struct Walk {
    root: PathBuf,
}

impl Walk {
    /// A walk below `root`; a single file is a tree of one, whatever is ignored.
    #[must_use]
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_path_buf() }
    }

    fn single(&self) -> Item {
        let name = self.root.file_name().map_or_else(|| self.root.as_path(), Path::new);
        Item { path: tree_path(name), blob: None, size: None }
    }
}

impl Source for Walk {
    fn items(&self) -> Result<Listing, Error> {
        let fault = |source| Error::Root { root: self.root.clone(), source };
        let kind = fs::metadata(&self.root).map_err(fault)?.file_type();
        let mut listing = Listing::default();
        if !kind.is_dir() {
            let item = self.single();
            if kind.is_file() {
                listing.items.push(item);
            } else {
                listing.gaps.push(special(item.path));
            }
            return Ok(listing);
        }
        fs::read_dir(&self.root).map_err(fault)?;
        let top = self.root.clone();
        let walk = WalkBuilder::new(&self.root)
            .hidden(false)
            .git_global(false)
            .follow_links(false)
            .filter_entry(move |entry| {
                let name = entry.file_name();
                name != ".git" && !(name == ".countersign" && entry.path().parent() == Some(top.as_path()))
            })
            .build_parallel();
        // Reading directories waits for the file system, so it is done on all cores as everything else is.
        let listed = Mutex::new(listing);
        walk.run(|| {
            Box::new(|entry| {
                self.list(entry, &mut lock(&listed));
                WalkState::Continue
            })
        });
        let mut listing = listed.into_inner().unwrap_or_else(PoisonError::into_inner);
        listing.items.sort();
        listing.gaps.sort();
        Ok(listing)
    }

    fn reader(&self) -> Result<Box<dyn ItemReader + '_>, Error> {
        let single = fs::metadata(&self.root).is_ok_and(|m| !m.is_dir());
        Ok(Box::new(WalkReader { root: &self.root, single, buffer: Vec::new() }))
    }
}

impl Walk {
    /// `path` as it stands below the root.
    fn inside(&self, path: &Path) -> TreePath {
        tree_path(path.strip_prefix(&self.root).unwrap_or(path))
    }

    fn list(&self, entry: Result<DirEntry, ignore::Error>, listing: &mut Listing) {
        let entry = match entry {
            Err(error) => return listing.gaps.push(self.gap(&error)),
            Ok(entry) => entry,
        };
        let path = self.inside(entry.path());
        match entry.file_type() {
            // Only the standard input has no type, and nobody walks that.
            None => listing.gaps.push(special(path)),
            Some(t) if t.is_dir() => {}
            Some(t) if t.is_symlink() => listing.links += 1,
            Some(t) if t.is_file() => listing.items.push(Item { path, blob: None, size: None }),
            Some(_) => listing.gaps.push(special(path)),
        }
    }

    fn gap(&self, error: &ignore::Error) -> Gap {
        let path = path_of(error).map_or_else(|| TreePath::from_text("."), |p| self.inside(p));
        match error.io_error() {
            Some(e) => gap(path, e),
            None => Gap { path, kind: GapKind::Unreadable, detail: "the directory could not be walked".into() },
        }
    }
}

fn lock(listing: &Mutex<Listing>) -> MutexGuard<'_, Listing> {
    listing.lock().unwrap_or_else(PoisonError::into_inner)
}

fn path_of(error: &ignore::Error) -> Option<&Path> {
    match error {
        ignore::Error::WithPath { path, .. } => Some(path),
        ignore::Error::Loop { child, .. } => Some(child),
        ignore::Error::WithDepth { err, .. } | ignore::Error::WithLineNumber { err, .. } => path_of(err),
        _ => None,
    }
}

fn special(path: TreePath) -> Gap {
    Gap { path, kind: GapKind::Special, detail: "neither file, directory nor link".into() }
}

fn gap(path: TreePath, error: &io::Error) -> Gap {
    let kind = if error.kind() == io::ErrorKind::NotFound { GapKind::Vanished } else { GapKind::Unreadable };
    // The kind's name and nothing of the system's own text, which may name the machine.
    Gap { path, kind, detail: error.kind().to_string() }
}

struct WalkReader<'a> {
    root: &'a Path,
    single: bool,
    buffer: Vec<u8>,
}

impl ItemReader for WalkReader<'_> {
    fn read(&mut self, item: &Item) -> Result<Content<'_>, Gap> {
        let fault = |e: io::Error| gap(item.path.clone(), &e);
        let path = if self.single { self.root.to_path_buf() } else { self.root.join(os_path(&item.path)) };
        let mut file = match open(&path, self.single) {
            Ok(Some(file)) => file,
            Ok(None) => return Err(special(item.path.clone())),
            Err(e) => return Err(fault(e)),
        };
        let metadata = file.metadata().map_err(fault)?;
        if !metadata.is_file() {
            return Err(special(item.path.clone()));
        }
        let size = metadata.len();
        let wanted = usize::try_from(size).unwrap_or(usize::MAX).min(PIECE);
        if self.buffer.len() < wanted {
            self.buffer.resize(wanted, 0);
        }
        // One call for a usual file: what is there is what there was when it was asked for its size.
        let mut filled = 0;
        while filled < wanted {
            match file.read(&mut self.buffer[filled..wanted]) {
                Ok(0) => break,
                Ok(n) => filled += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(fault(e)),
            }
        }
        let bytes = &self.buffer[..filled];
        // A file without a size may have contents all the same, as those of a file system of the kernel's do.
        if size > 0 && size <= PIECE as u64 {
            return Ok(Content::Bytes(Cow::Borrowed(bytes)));
        }
        Ok(Content::Stream { reader: Box::new(bytes.chain(file)), size: Some(size).filter(|size| *size > 0) })
    }
}

/// Opens a file; `None` where a link, a pipe or another special file stands in its place. Between listing and reading,
/// somebody may have put one there, so it is neither followed nor waited for.
#[cfg(unix)]
fn open(path: &Path, follow: bool) -> io::Result<Option<File>> {
    use rustix::fs::{Mode, OFlags};
    use rustix::io::Errno;
    let links = if follow { OFlags::empty() } else { OFlags::NOFOLLOW };
    match rustix::fs::open(
        path,
        OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY | links,
        Mode::empty(),
    ) {
        Ok(file) => Ok(Some(File::from(file))),
        // A link, or a socket.
        Err(Errno::LOOP | Errno::NXIO) => Ok(None),
        Err(e) => Err(e.into()),
    }
}

#[cfg(not(unix))]
fn open(path: &Path, follow: bool) -> io::Result<Option<File>> {
    let now = fs::symlink_metadata(path)?.file_type();
    if !(now.is_file() || follow && now.is_symlink()) {
        return Ok(None);
    }
    File::open(path).map(Some)
}

#[cfg(unix)]
fn tree_path(path: &Path) -> TreePath {
    use std::os::unix::ffi::OsStrExt as _;
    TreePath::from_bytes(path.as_os_str().as_bytes())
}

#[cfg(unix)]
fn os_path(path: &TreePath) -> PathBuf {
    use std::os::unix::ffi::OsStrExt as _;
    PathBuf::from(std::ffi::OsStr::from_bytes(path.as_bytes()))
}

#[cfg(not(unix))]
fn tree_path(path: &Path) -> TreePath {
    let parts: Vec<_> = path.components().map(|c| c.as_os_str().to_string_lossy()).collect();
    TreePath::from_bytes(parts.join("/"))
}

#[cfg(not(unix))]
fn os_path(path: &TreePath) -> PathBuf {
    String::from_utf8_lossy(path.as_bytes()).split('/').collect()
}
