//! Ledgers to play with, and storage that fails at a chosen step.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use countersign_evidence::canonical;
use countersign_evidence::note::{SignerKey, VerifierKey};
use countersign_model::event::LedgerCreated;
use countersign_model::{ActorId, EventKind, FixedClock, Retention, StreamId, Timestamp};
use countersign_store::storage::{Access, AppendFile, Storage};
use countersign_store::verify::{LogTrust, Problem, VerifyReport, verify};
use countersign_store::{Batch, Ledger, NewBlob, NewEntry, NewLedger};

pub(crate) const ORIGIN: &str = "countersign.local/00112233445566778899";

pub(crate) fn signer() -> SignerKey {
    SignerKey::from_seed(ORIGIN, &[7; 32]).unwrap()
}

pub(crate) fn trust() -> LogTrust {
    LogTrust { vkeys: vec![signer().verifier().clone()], ..LogTrust::default() }
}

pub(crate) fn trusting(key: &VerifierKey) -> LogTrust {
    LogTrust { vkeys: vec![key.clone()], ..LogTrust::default() }
}

/// Noon of some day, and so many seconds.
pub(crate) fn clock(seconds: i64) -> FixedClock {
    FixedClock(Timestamp::from_millis(1_795_000_000_000).plus_seconds(seconds))
}

pub(crate) fn entry(stream: &str, payload: impl Into<Vec<u8>>) -> NewEntry {
    NewEntry {
        kind: EventKind::RunStarted,
        stream: StreamId::from_text(stream),
        actor: ActorId::from_text("act-0"),
        retention: Retention::SoxSevenYears,
        refs: Vec::new(),
        payload: NewBlob { bytes: payload.into(), media: "text/plain".into() },
        attachments: Vec::new(),
    }
}

/// `n` entries with payloads of their own, in a few streams.
pub(crate) fn batch(name: &str, n: usize) -> Batch {
    let entries = (0..n).map(|i| entry(&format!("run-{}", i % 3), format!("{name} {i}"))).collect();
    Batch { entries, ..Batch::default() }
}

pub(crate) fn genesis(ledger: &Ledger) -> Batch {
    genesis_with(ledger, None)
}

/// Entry 0 of a ledger that commits to a payload key.
pub(crate) fn genesis_with(ledger: &Ledger, payload_key: Option<String>) -> Batch {
    let created = LedgerCreated {
        version: 1,
        origin: ledger.origin().into(),
        vkey: ledger.vkey().to_string(),
        recorder: "ed25519:".into(),
        salt_sha256: ledger.salt_digest().unwrap(),
        payload_key,
        replaces: Vec::new(),
    };
    let payload = canonical::to_vec(&created).unwrap();
    let entry = NewEntry { kind: EventKind::LedgerCreated, ..entry("ledger", payload) };
    Batch { entries: vec![entry], ..Batch::default() }
}

/// A ledger with entry 0, written without waiting for the disk.
pub(crate) fn new_ledger(dir: &Path) -> Ledger {
    new_ledger_signed_by(dir, &signer())
}

pub(crate) fn new_ledger_signed_by(dir: &Path, signer: &SignerKey) -> Ledger {
    let mut ledger = Ledger::create_with(dir, &NewLedger { signer, salt: Some([5; 32]) }, Arc::new(Unsynced)).unwrap();
    let batch = genesis(&ledger);
    ledger.append(batch, signer, &clock(0)).unwrap();
    ledger
}

pub(crate) fn examine(dir: &Path, trust: &LogTrust) -> VerifyReport {
    verify(dir, trust, &mut |_, _, _| Vec::new()).unwrap()
}

/// Asserts that the ledger is sound and that nothing is left to tidy up.
pub(crate) fn assert_sound(dir: &Path) -> VerifyReport {
    let report = examine(dir, &trust());
    assert_eq!(report.problems, Vec::<Problem>::new());
    assert_eq!(report.notices, Vec::new());
    report
}

/// Every file below `dir`, relative, sorted.
pub(crate) fn files(dir: &Path) -> Vec<String> {
    fn walk(root: &Path, dir: &Path, out: &mut Vec<String>) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(root, &path, out);
            } else {
                out.push(path.strip_prefix(root).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    let mut out = Vec::new();
    walk(dir, dir, &mut out);
    out.sort();
    out
}

pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// The file system without waiting for the disk: for tests that are not about durability.
#[derive(Debug)]
pub(crate) struct Unsynced;

impl Storage for Unsynced {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        if path.is_dir() { Ok(()) } else { fs::create_dir(path) }
    }
    fn write_new(&self, path: &Path, bytes: &[u8], _: Access) -> io::Result<()> {
        let mut file = fs::File::create_new(path)?;
        io::Write::write_all(&mut file, bytes)
    }
    fn write_later(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.write_new(path, bytes, Access::Open)
    }
    fn sync_files(&self, files: &[PathBuf], dirs: &[PathBuf]) -> io::Result<()> {
        let is_there = files.iter().all(|f| f.is_file()) && dirs.iter().all(|d| d.is_dir());
        if is_there { Ok(()) } else { Err(io::ErrorKind::NotFound.into()) }
    }
    fn append_to(&self, path: &Path) -> io::Result<Box<dyn AppendFile>> {
        Ok(Box::new(UnsyncedFile(fs::OpenOptions::new().append(true).create(true).open(path)?)))
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }
    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        if path.is_dir() { Ok(()) } else { Err(io::ErrorKind::NotFound.into()) }
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }
    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        fs::remove_dir(path)
    }
}

#[derive(Debug)]
struct UnsyncedFile(fs::File);

impl AppendFile for UnsyncedFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        io::Write::write_all(&mut self.0, bytes)
    }
    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }
    fn cut(&mut self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }
}

/// What goes wrong, and from which step on.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fault {
    /// One step fails; a write leaves half a file behind, as a full disk does.
    Once(io::ErrorKind),
    /// That step and all later ones fail.
    Always(io::ErrorKind),
    /// The process is killed before the step.
    Kill,
    /// The process is killed in the middle of the step, or right after it where it has no middle.
    KillWithin,
    /// The power fails after the step. Of the names, contents and appended bytes that were not synced, those whose bit is
    /// set are lost, in any order; what was appended may be torn.
    PowerCut(u64),
}

/// Storage that fails at step `at`, counted from 0.
#[derive(Debug, Clone)]
pub(crate) struct Faulty {
    fault: Fault,
    at: usize,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    step: usize,
    dead: bool,
    /// What a power cut takes back: what must be synced to prevent it, and how.
    unsynced: Vec<(PathBuf, Undo)>,
    /// The step names, for messages.
    steps: Vec<String>,
}

#[derive(Debug)]
enum Undo {
    Forget(PathBuf),
    Restore(PathBuf, Vec<u8>),
    MoveBack {
        from: PathBuf,
        to: PathBuf,
        replaced: Option<Vec<u8>>,
    },
    Remake(PathBuf),
    /// The file ends here.
    Cut(PathBuf, u64),
}

impl Faulty {
    pub(crate) fn new(fault: Fault, at: usize) -> Arc<Self> {
        Arc::new(Self { fault, at, state: Arc::default() })
    }

    /// How many steps there were.
    pub(crate) fn steps(&self) -> usize {
        self.state.lock().unwrap().step
    }

    /// How many things were not synced when it stopped.
    pub(crate) fn lost(&self) -> usize {
        self.state.lock().unwrap().unsynced.len()
    }

    /// The name of a step.
    pub(crate) fn step_name(&self, step: usize) -> String {
        self.state.lock().unwrap().steps.get(step).cloned().unwrap_or_default()
    }

    fn step(
        &self,
        name: &str,
        path: &Path,
        act: impl FnOnce() -> io::Result<()>,
        half: impl FnOnce(),
        undo: impl FnOnce() -> Vec<(PathBuf, Undo)>,
    ) -> io::Result<()> {
        let mut state = self.state.lock().unwrap();
        let dead = || io::Error::other("the process is dead");
        if state.dead {
            return Err(dead());
        }
        let step = state.step;
        state.step += 1;
        state.steps.push(format!("{name} {}", path.file_name().unwrap_or_default().to_string_lossy()));
        match self.fault {
            Fault::Once(kind) if step == self.at => {
                half();
                return Err(kind.into());
            }
            Fault::Always(kind) if step >= self.at => {
                half();
                return Err(kind.into());
            }
            Fault::Kill if step == self.at => {
                state.dead = true;
                return Err(dead());
            }
            Fault::KillWithin if step == self.at => {
                state.dead = true;
                half();
                return Err(dead());
            }
            _ => {}
        }
        let undo = undo();
        act()?;
        state.unsynced.extend(undo);
        if let Fault::PowerCut(lost) = self.fault
            && step == self.at
        {
            state.dead = true;
            let unsynced: Vec<_> = std::mem::take(&mut state.unsynced);
            for (i, (_, undo)) in unsynced.iter().enumerate().rev() {
                if lost >> (i % 64) & 1 == 1 {
                    undo.apply();
                }
            }
            // They count as what could have been lost.
            state.unsynced = unsynced;
            return Err(dead());
        }
        Ok(())
    }

    fn synced(&self, paths: &[PathBuf]) {
        // A directory path may come with or without a slash at its end.
        let paths: Vec<PathBuf> = paths.iter().map(|p| p.components().collect()).collect();
        self.state.lock().unwrap().unsynced.retain(|(needs, _)| !paths.contains(needs));
    }
}

impl Undo {
    fn apply(&self) {
        // What it undoes may itself have been undone with its directory.
        match self {
            Self::Forget(path) if path.is_dir() => fs::remove_dir_all(path).unwrap(),
            Self::Forget(path) => drop(fs::remove_file(path)),
            Self::Restore(path, bytes) => drop(fs::write(path, bytes)),
            Self::Remake(path) => drop(fs::create_dir(path)),
            Self::MoveBack { from, to, replaced } => {
                drop(fs::rename(to, from));
                if let Some(bytes) = replaced {
                    drop(fs::write(to, bytes));
                }
            }
            Self::Cut(path, len) => {
                if let Ok(file) = fs::OpenOptions::new().write(true).open(path)
                    && file.metadata().unwrap().len() > *len
                {
                    file.set_len(*len).unwrap();
                }
            }
        }
    }
}

fn above(path: &Path) -> PathBuf {
    path.parent().unwrap().to_path_buf()
}

impl Storage for Faulty {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        let made = || if path.is_dir() { Vec::new() } else { vec![(above(path), Undo::Forget(path.into()))] };
        self.step("mkdir", path, || Unsynced.create_dir(path), || drop(Unsynced.create_dir(path)), made)
    }
    fn write_new(&self, path: &Path, bytes: &[u8], access: Access) -> io::Result<()> {
        let half = bytes.get(..bytes.len() / 2).unwrap();
        self.step(
            "write",
            path,
            || Unsynced.write_new(path, bytes, access),
            || drop(Unsynced.write_new(path, half, access)),
            || vec![(above(path), Undo::Forget(path.into()))],
        )
    }
    fn write_later(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let half = bytes.len() / 2;
        self.step(
            "write later",
            path,
            || Unsynced.write_new(path, bytes, Access::Open),
            || drop(Unsynced.write_new(path, &bytes[..half], Access::Open)),
            || {
                let torn = Undo::Cut(path.into(), half as u64);
                vec![(above(path), Undo::Forget(path.into())), (path.into(), torn)]
            },
        )
    }
    fn sync_files(&self, files: &[PathBuf], dirs: &[PathBuf]) -> io::Result<()> {
        let synced = self.step("sync", Path::new("files"), || Unsynced.sync_files(files, dirs), || {}, Vec::new);
        if synced.is_ok() {
            self.synced(files);
            self.synced(dirs);
        }
        synced
    }
    fn append_to(&self, path: &Path) -> io::Result<Box<dyn AppendFile>> {
        let mut opened = None;
        let made = || if path.exists() { Vec::new() } else { vec![(above(path), Undo::Forget(path.into()))] };
        let open = || {
            opened = Some(Unsynced.append_to(path)?);
            Ok(())
        };
        self.step("open", path, open, || {}, made)?;
        Ok(Box::new(FaultyFile { storage: self.clone(), path: path.into(), file: opened.unwrap() }))
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let back = || Undo::MoveBack { from: from.into(), to: to.into(), replaced: fs::read(to).ok() };
        self.step("rename", to, || Unsynced.rename(from, to), || {}, || vec![(above(to), back())])
    }
    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let synced = self.step("sync", path, || Unsynced.sync_dir(path), || {}, Vec::new);
        if synced.is_ok() {
            self.synced(&[path.into()]);
        }
        synced
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        let undo = || {
            let bytes = fs::read(path).ok();
            bytes.map(|bytes| (above(path), Undo::Restore(path.into(), bytes))).into_iter().collect()
        };
        self.step("remove", path, || Unsynced.remove(path), || {}, undo)
    }
    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        let undo = || vec![(above(path), Undo::Remake(path.into()))];
        self.step("rmdir", path, || Unsynced.remove_dir(path), || {}, undo)
    }
}

#[derive(Debug)]
struct FaultyFile {
    storage: Faulty,
    path: PathBuf,
    file: Box<dyn AppendFile>,
}

impl AppendFile for FaultyFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let before = fs::metadata(&self.path).map_or(0, |m| m.len());
        let half = bytes.len() / 2;
        let path = self.path.clone();
        let undo = || {
            let cut = |at: u64| (path.clone(), Undo::Cut(path.clone(), at));
            vec![cut(before), cut(before + half as u64), cut(before + bytes.len() as u64 - 1)]
        };
        let file = std::cell::RefCell::new(&mut self.file);
        self.storage.step(
            "append",
            &self.path,
            || file.borrow_mut().append(bytes),
            || drop(file.borrow_mut().append(&bytes[..half])),
            undo,
        )
    }
    fn sync(&mut self) -> io::Result<()> {
        let synced = self.storage.step("sync", &self.path, || Ok(()), || {}, Vec::new);
        if synced.is_ok() {
            self.storage.synced(std::slice::from_ref(&self.path));
        }
        synced
    }
    fn cut(&mut self, len: u64) -> io::Result<()> {
        let file = &mut self.file;
        self.storage.step("cut", &self.path, || file.cut(len), || {}, Vec::new)
    }
}
