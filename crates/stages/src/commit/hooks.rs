//! The use cases `hook install`, `hook status` and `hook uninstall`: files where git looks for hooks, and nothing else.
//!
//! A hook that is there already is kept under another name and runs first; its exit code is the hook's. Nothing is
//! ever overwritten: where a place is taken twice, that is an error.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use countersign_connect::Error as GitError;
use countersign_connect::git::hooks::{global_hooks_path, set_global_hooks_path};
use countersign_connect::git::{HooksPath, HooksScope, Repository};

use super::script::{self, Hook, MARK, PASSED_ON, kept_name};
use crate::Error;

/// How a hook stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HookState {
    /// Git runs ours, and it is what this program would install.
    Current,
    /// Git runs one of ours that differs from what this program would install.
    Outdated,
    /// There is one, and it is not ours.
    Foreign,
    /// Ours is there and git does not run it, for it may not be executed.
    NotExecutable,
    /// There is none.
    Absent,
}

impl HookState {
    /// The text form.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::Outdated => "outdated",
            Self::Foreign => "foreign",
            Self::NotExecutable => "not-executable",
            Self::Absent => "absent",
        }
    }
}

/// A hook as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookStatus {
    /// Which.
    pub hook: Hook,
    /// How it stands.
    pub state: HookState,
    /// The file.
    pub file: PathBuf,
    /// The hook that was there before and runs first.
    pub before: Option<PathBuf>,
}

/// Where hooks are, and by what they are run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The directory in which hooks are installed.
    pub dir: PathBuf,
    /// How git comes to look there.
    pub kind: PlaceKind,
}

/// How git comes to look for hooks in a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlaceKind {
    /// It is the repository's own folder.
    Own,
    /// The repository's `core.hooksPath` says so.
    Configured,
    /// The same, and the folder is in the work tree, where other machines share it.
    Shared,
    /// husky runs what is there.
    Husky,
    /// The user's or the system's `core.hooksPath` says so, for every repository.
    Machine,
}

impl PlaceKind {
    /// The text form.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Own => "repository",
            Self::Configured => "core.hooksPath",
            Self::Shared => "core.hooksPath, shared",
            Self::Husky => "husky",
            Self::Machine => "machine",
        }
    }
}

/// Where the hooks of a repository are.
///
/// # Errors
/// [`GitError::NoWorkTree`] for a bare repository.
pub fn place(repository: &Repository) -> Result<Place, Error> {
    if repository.is_bare() {
        return Err(GitError::NoWorkTree { dir: repository.root().to_owned() }.into());
    }
    let HooksPath { dir, scope } = repository.hooks_path()?;
    let husky = repository.root().join(".husky");
    let kind = match scope {
        HooksScope::Default => PlaceKind::Own,
        HooksScope::Machine => PlaceKind::Machine,
        // husky 9 says `.husky/_`, where it writes files anew; those before said `.husky`. What people write is in
        // `.husky` with both.
        HooksScope::Repository if same(&dir, &husky) || same(&dir, &husky.join("_")) => {
            return Ok(Place { dir: husky, kind: PlaceKind::Husky });
        }
        HooksScope::Repository if is_inside(&dir, repository.root()) && !is_inside(&dir, repository.common_dir()) => {
            PlaceKind::Shared
        }
        HooksScope::Repository => PlaceKind::Configured,
    };
    Ok(Place { dir, kind })
}

fn real(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.components().collect())
}

fn same(a: &Path, b: &Path) -> bool {
    real(a) == real(b)
}

fn is_inside(path: &Path, dir: &Path) -> bool {
    real(path).starts_with(real(dir))
}

/// How the hooks in a place stand.
///
/// # Errors
/// When a file cannot be read.
pub fn status(place: &Place, program: &Path) -> Result<Vec<HookStatus>, Error> {
    Hook::ALL
        .iter()
        .map(|hook| {
            let file = place.dir.join(hook.name());
            let state = state(&file, *hook, place.kind, program)?;
            let before = Some(place.dir.join(kept_name(hook.name()))).filter(|f| f.symlink_metadata().is_ok());
            Ok(HookStatus { hook: *hook, state, file, before })
        })
        .collect()
}

fn state(file: &Path, hook: Hook, kind: PlaceKind, program: &Path) -> Result<HookState, Error> {
    let bytes = match fs::read(file) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == io::ErrorKind::NotFound && file.symlink_metadata().is_err() => {
            return Ok(HookState::Absent);
        }
        // A link that leads nowhere is somebody's hook all the same.
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(HookState::Foreign),
        Err(source) => return Err(Error::HookFile { path: file.to_owned(), source }),
    };
    if kind == PlaceKind::Husky {
        let text = String::from_utf8_lossy(&bytes);
        return Ok(match script::find_block(&text) {
            None => HookState::Foreign,
            Some(range) if text[range.clone()] == script::block(hook) => HookState::Current,
            Some(_) => HookState::Outdated,
        });
    }
    if !is_ours(&bytes) {
        return Ok(HookState::Foreign);
    }
    if !is_executable(file) {
        return Ok(HookState::NotExecutable);
    }
    Ok(if bytes == wanted(hook, kind, program) { HookState::Current } else { HookState::Outdated })
}

fn wanted(hook: Hook, kind: PlaceKind, program: &Path) -> Vec<u8> {
    let program = Some(program).filter(|_| kind != PlaceKind::Shared);
    script::script(hook, program, kind == PlaceKind::Machine)
}

fn is_ours(bytes: &[u8]) -> bool {
    bytes.split(|b| *b == b'\n').nth(1).is_some_and(|line| line.starts_with(MARK.as_bytes()))
}

#[cfg(unix)]
fn is_executable(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    fs::metadata(file).is_ok_and(|m| m.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_executable(_file: &Path) -> bool {
    true
}

/// Installs the hooks of a repository and says how they stand then. What is current stays as it is.
///
/// # Errors
/// [`Error::HooksOfMachine`] where hooks are somewhere for every repository, [`Error::HookKeptAlready`] where two hooks
/// would have to be kept, [`Error::HookFile`] when a file cannot be written.
pub fn install(place: &Place, program: &Path) -> Result<Vec<HookStatus>, Error> {
    let before = status(place, program)?;
    if place.kind == PlaceKind::Machine {
        // Ours for the whole machine serves this repository too.
        return match before.iter().all(|h| h.state == HookState::Current) {
            true => Ok(before),
            false => Err(Error::HooksOfMachine { dir: place.dir.clone() }),
        };
    }
    put(place, program, &before)?;
    status(place, program)
}

fn put(place: &Place, program: &Path, before: &[HookStatus]) -> Result<(), Error> {
    // All is looked at before anything is changed.
    for one in before.iter().filter(|_| place.kind != PlaceKind::Husky) {
        if let (HookState::Foreign, Some(kept)) = (one.state, &one.before) {
            return Err(Error::HookKeptAlready { path: one.file.clone(), kept: kept.clone() });
        }
    }
    let fault = |path: &Path| {
        let path = path.to_owned();
        move |source| Error::HookFile { path, source }
    };
    fs::create_dir_all(&place.dir).map_err(fault(&place.dir))?;
    for one in before {
        match one.state {
            HookState::Current => {}
            _ if place.kind == PlaceKind::Husky => {
                let text = match fs::read_to_string(&one.file) {
                    Err(e) if e.kind() == io::ErrorKind::NotFound => String::new(),
                    other => other.map_err(fault(&one.file))?,
                };
                write(&one.file, script::with_block(&text, one.hook).as_bytes())?;
            }
            state => {
                if state == HookState::Foreign {
                    let kept = place.dir.join(kept_name(one.hook.name()));
                    fs::rename(&one.file, &kept).map_err(fault(&one.file))?;
                }
                write(&one.file, &wanted(one.hook, place.kind, program))?;
            }
        }
    }
    Ok(())
}

/// Replaces a file as a whole, and makes it executable.
fn write(file: &Path, bytes: &[u8]) -> Result<(), Error> {
    let fault = |source| Error::HookFile { path: file.to_owned(), source };
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(".countersign-new");
    let new = file.with_file_name(name);
    fs::write(&new, bytes).map_err(fault)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(&new, fs::Permissions::from_mode(0o755)).map_err(fault)?;
    }
    fs::rename(&new, file).map_err(fault)
}

/// What `uninstall` did about a hook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removed {
    /// Ours is gone.
    Gone,
    /// Ours is gone, and the one that was there before is back.
    Restored,
    /// What is there is not ours, and stays.
    NotOurs,
    /// There was none.
    Absent,
}

/// Removes the hooks of a repository and puts back those that were there before.
///
/// # Errors
/// [`Error::HooksOfMachine`], [`Error::HookFile`].
pub fn uninstall(place: &Place, program: &Path) -> Result<Vec<(HookStatus, Removed)>, Error> {
    let hooks = status(place, program)?;
    if place.kind == PlaceKind::Machine {
        return Err(Error::HooksOfMachine { dir: place.dir.clone() });
    }
    hooks.into_iter().map(|hook| Ok((hook.clone(), take(place, &hook)?))).collect()
}

fn take(place: &Place, hook: &HookStatus) -> Result<Removed, Error> {
    let fault = |source| Error::HookFile { path: hook.file.clone(), source };
    match hook.state {
        HookState::Absent => return Ok(Removed::Absent),
        HookState::Foreign => return Ok(Removed::NotOurs),
        _ => {}
    }
    if place.kind == PlaceKind::Husky {
        let text = fs::read_to_string(&hook.file).map_err(fault)?;
        let rest = script::without_block(&text).unwrap_or_default();
        if rest.trim().is_empty() {
            fs::remove_file(&hook.file).map_err(fault)?;
            return Ok(Removed::Gone);
        }
        write(&hook.file, rest.as_bytes())?;
        return Ok(Removed::Restored);
    }
    match &hook.before {
        Some(before) => {
            fs::rename(before, &hook.file).map_err(fault)?;
            Ok(Removed::Restored)
        }
        None => {
            fs::remove_file(&hook.file).map_err(fault)?;
            Ok(Removed::Gone)
        }
    }
}

/// Where hooks for the whole machine are: where the user's configuration says, else in `own`.
///
/// # Errors
/// What git says.
pub fn machine_place(own: &Path) -> Result<(Place, bool), Error> {
    let configured = global_hooks_path()?;
    let set = configured.is_some();
    let dir = configured.unwrap_or_else(|| own.to_owned());
    // A folder that somebody else chose has replaced repositories' own hooks before; ours do not bring those back.
    let kind = if same(&dir, own) { PlaceKind::Machine } else { PlaceKind::Configured };
    Ok((Place { dir, kind }, set))
}

/// Installs hooks for every repository of this user.
///
/// # Errors
/// As [`install`], and what git says when the configuration cannot be written.
pub fn install_machine(own: &Path, program: &Path) -> Result<(Place, Vec<HookStatus>), Error> {
    let (place, set) = machine_place(own)?;
    put(&place, program, &status(&place, program)?)?;
    if place.kind == PlaceKind::Machine {
        for name in PASSED_ON {
            let file = place.dir.join(name);
            if file.symlink_metadata().is_err() {
                write(&file, &script::pass_on(name))?;
            }
        }
    }
    if !set {
        set_global_hooks_path(Some(&place.dir))?;
    }
    let hooks = status(&place, program)?;
    Ok((place, hooks))
}

/// Removes them.
///
/// # Errors
/// As [`install_machine`].
pub fn uninstall_machine(own: &Path, program: &Path) -> Result<Vec<(HookStatus, Removed)>, Error> {
    let (place, set) = machine_place(own)?;
    let hooks = status(&place, program)?;
    // First the setting: a folder that git still looks into and that is empty would hide repositories' own hooks.
    if set && place.kind == PlaceKind::Machine {
        set_global_hooks_path(None)?;
    }
    let removed = hooks.into_iter().map(|hook| Ok((hook.clone(), take(&place, &hook)?))).collect();
    for name in PASSED_ON.iter().filter(|_| place.kind == PlaceKind::Machine) {
        let file = place.dir.join(name);
        if fs::read(&file).is_ok_and(|bytes| is_ours(&bytes)) {
            fs::remove_file(&file).map_err(|source| Error::HookFile { path: file.clone(), source })?;
        }
    }
    removed
}
