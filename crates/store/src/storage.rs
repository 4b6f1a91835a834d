//! The one door through which the ledger's directory is changed, so that tests can let any single step fail.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// Who may read a file besides its owner and group (the process's umask narrows it further).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Everybody: what an auditor needs.
    Open,
    /// Owner and group only: the salt and people's keys.
    Confidential,
}

/// Changes to the ledger's directory. Every step is one call; nothing else in this crate writes, except for the
/// content of the lock file, which nothing depends on.
pub trait Storage: Send + Sync + std::fmt::Debug {
    /// Makes a directory whose parent exists. One that exists already is fine.
    ///
    /// # Errors
    /// What the operating system says.
    fn create_dir(&self, path: &Path) -> io::Result<()>;
    /// Writes a file that must not exist, and syncs its content. Its name is durable only after [`Self::sync_dir`].
    ///
    /// # Errors
    /// What the operating system says; a part of the file may stay behind.
    fn write_new(&self, path: &Path, bytes: &[u8], access: Access) -> io::Result<()>;
    /// Writes a file that must not exist, without syncing it: durable only after [`Self::sync_files`].
    ///
    /// # Errors
    /// What the operating system says; a part of the file may stay behind.
    fn write_later(&self, path: &Path, bytes: &[u8]) -> io::Result<()>;
    /// Makes the content of these files durable, and the names in these directories.
    ///
    /// # Errors
    /// What the operating system says. Which of them are durable is not known then: write them anew.
    fn sync_files(&self, files: &[PathBuf], dirs: &[PathBuf]) -> io::Result<()>;
    /// Opens a file for appending; it is made where it is missing, and its name is durable only after
    /// [`Self::sync_dir`].
    ///
    /// # Errors
    /// What the operating system says.
    fn append_to(&self, path: &Path) -> io::Result<Box<dyn AppendFile>>;
    /// Moves a file or directory into place, replacing a file that stands there.
    ///
    /// # Errors
    /// What the operating system says.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Makes the names in a directory durable.
    ///
    /// # Errors
    /// What the operating system says.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
    /// Removes a file.
    ///
    /// # Errors
    /// What the operating system says.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Removes an empty directory.
    ///
    /// # Errors
    /// What the operating system says.
    fn remove_dir(&self, path: &Path) -> io::Result<()>;
}

/// A file that only grows, such as a segment of the write-ahead log.
pub trait AppendFile: Send + std::fmt::Debug {
    /// Appends the bytes; durable only after [`Self::sync`].
    ///
    /// # Errors
    /// What the operating system says; a part of the bytes may stay behind.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Makes everything appended durable (fdatasync).
    ///
    /// # Errors
    /// What the operating system says. Whether any of it is durable is not known then, and a second call could claim
    /// what is not so: never ask again.
    fn sync(&mut self) -> io::Result<()>;
    /// Cuts the file back to `len` bytes.
    ///
    /// # Errors
    /// What the operating system says.
    fn cut(&mut self, len: u64) -> io::Result<()>;
}

/// From this many files on, one sync of the whole file system costs less than one for each.
const MANY_FILES: usize = 24;

/// The file system.
#[derive(Debug, Clone, Copy, Default)]
pub struct Disk;

impl AppendFile for File {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }

    fn cut(&mut self, len: u64) -> io::Result<()> {
        self.set_len(len)
    }
}

/// One call that makes everything on the file system of `dir` durable; `None` where there is no such call.
#[cfg(target_os = "linux")]
fn sync_file_system(dir: &Path) -> Option<io::Result<()>> {
    Some(File::open(dir).and_then(|dir| rustix::fs::syncfs(dir).map_err(io::Error::from)))
}

#[cfg(not(target_os = "linux"))]
fn sync_file_system(_: &Path) -> Option<io::Result<()>> {
    None
}

impl Storage for Disk {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        match fs::create_dir(path) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
            other => other,
        }
    }

    fn write_new(&self, path: &Path, bytes: &[u8], access: Access) -> io::Result<()> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        restrict(&mut options, access);
        let mut file = options.open(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    }

    fn write_later(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        OpenOptions::new().write(true).create_new(true).open(path)?.write_all(bytes)
    }

    fn sync_files(&self, files: &[PathBuf], dirs: &[PathBuf]) -> io::Result<()> {
        if files.len() >= MANY_FILES
            && let Some(dir) = dirs.first()
            && let Some(synced) = sync_file_system(dir)
        {
            return synced;
        }
        files.iter().try_for_each(|file| File::open(file)?.sync_data())?;
        dirs.iter().try_for_each(|dir| self.sync_dir(dir))
    }

    fn append_to(&self, path: &Path) -> io::Result<Box<dyn AppendFile>> {
        Ok(Box::new(OpenOptions::new().append(true).create(true).open(path)?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        fs::remove_dir(path)
    }
}

#[cfg(unix)]
fn restrict(options: &mut OpenOptions, access: Access) {
    use std::os::unix::fs::OpenOptionsExt as _;
    options.mode(match access {
        Access::Open => 0o666,
        Access::Confidential => 0o660,
    });
}

#[cfg(not(unix))]
fn restrict(_: &mut OpenOptions, _: Access) {}

/// Writes a file that only its owner may read, unless it exists; its directories are made where they are missing.
/// It appears whole or not at all, and is durable when this returns.
///
/// # Errors
/// `AlreadyExists` when it is there; else what the operating system says.
pub(crate) fn create_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let parent = private_parent(path)?;
    let temporary = beside(path)?;
    write_owned(&temporary, bytes, 0o600)?;
    // A link, unlike a rename, never replaces what somebody else put there in the meantime.
    let linked = fs::hard_link(&temporary, path);
    let removed = fs::remove_file(&temporary);
    linked?;
    removed?;
    Disk.sync_dir(parent)
}

/// Writes a file that only its owner may read, in place of the one that is there.
///
/// # Errors
/// What the operating system says; the old file is whole then.
pub(crate) fn replace_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let parent = private_parent(path)?;
    let temporary = beside(path)?;
    write_owned(&temporary, bytes, 0o600)?;
    if let Err(e) = fs::rename(&temporary, path) {
        // The first error tells more than one about tidying up.
        let _ = fs::remove_file(&temporary);
        return Err(e);
    }
    Disk.sync_dir(parent)
}

/// Makes durable what was done to the names beside `path`.
pub(crate) fn sync_private_dir(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |dir| Disk.sync_dir(dir))
}

/// Writes a person's key into the ledger: for owner and group, so that a shared ledger stays readable to both.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> Result<(), crate::Error> {
    let name = path.display().to_string();
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    let new = Path::new(&new);
    let write = || {
        write_owned(new, bytes, 0o660)?;
        let linked = fs::hard_link(new, path);
        fs::remove_file(new)?;
        linked?;
        path.parent().map_or(Ok(()), |dir| Disk.sync_dir(dir))
    };
    write().map_err(|e| crate::Error::writing("write", name, e))
}

/// The directory of a private file, made if need be, and then for its owner only.
fn private_parent(path: &Path) -> io::Result<&Path> {
    let parent = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    private_dir(parent)?;
    Ok(parent)
}

/// Makes a directory for its owner only, unless it is there.
pub(crate) fn private_dir(dir: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir)
}

/// A name that nobody else uses, in the same directory.
fn beside(path: &Path) -> io::Result<PathBuf> {
    let random: [u8; 8] = countersign_evidence::random().map_err(io::Error::other)?;
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".new-{}", countersign_model::digest::to_hex(&random)));
    Ok(PathBuf::from(name))
}

#[cfg_attr(not(unix), expect(unused_variables, reason = "permissions are a matter of Unix"))]
fn write_owned(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
    let mut file = options.open(path)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    if written.is_err() {
        // The first error tells more than one about tidying up.
        let _ = fs::remove_file(path);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_private_file_is_never_overwritten_unless_asked() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b/key");
        create_private(&path, b"one").unwrap();
        assert_eq!(create_private(&path, b"two").unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).unwrap(), b"one");
        replace_private(&path, b"three").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"three");
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "nothing stays behind");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
            assert_eq!(fs::metadata(path.parent().unwrap()).unwrap().permissions().mode() & 0o777, 0o700);
        }
    }

    #[test]
    fn a_persons_key_is_never_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("per-0.key");
        write_private(&path, b"one").unwrap();
        assert!(write_private(&path, b"two").is_err());
        assert_eq!(fs::read(&path).unwrap(), b"one");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
