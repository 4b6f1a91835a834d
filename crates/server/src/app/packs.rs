//! Evidence packs of audits, made beside the requests, one at a time, and kept for a day. A pack is recorded before it can be had;
//! what is here is only the file, and whoever loses it makes another.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use countersign_govern::audit::pack;
use countersign_model::audit::PackScope;
use countersign_model::audit::threads::MaskedField;
use countersign_model::event::AuditOpened;
use countersign_model::{AuditId, Digest, Timestamp};

use super::{App, Trouble};

/// How long a file is kept.
pub(crate) const KEPT: Duration = Duration::from_secs(24 * 60 * 60);
/// What the folders of servers are called; each process has its own.
const FOLDER: &str = "packs-";

/// A pack that can be had.
#[derive(Debug, Clone)]
pub(crate) struct Ready {
    pub(crate) path: PathBuf,
    pub(crate) sha256: Digest,
    pub(crate) bytes: u64,
    /// The entry that records it.
    pub(crate) index: u64,
    pub(crate) made: Timestamp,
    until: Instant,
}

/// How the pack of an audit stands.
#[derive(Debug, Clone)]
pub(crate) enum Stands {
    /// Nobody asked for one.
    Not,
    /// It is being made.
    Being,
    /// It could not be made.
    Failed(Trouble),
    Ready(Ready),
}

/// Every pack that was asked for.
pub(crate) struct Packs {
    folder: PathBuf,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    being: Option<AuditId>,
    failed: BTreeMap<AuditId, Trouble>,
    ready: BTreeMap<AuditId, Ready>,
}

impl Packs {
    /// Under a cache. What servers left there that did not end in order is removed when its day is over.
    pub(super) fn new(cache: &Path) -> Self {
        for left in fs::read_dir(cache).into_iter().flatten().flatten() {
            let is_ours = left.file_name().to_string_lossy().starts_with(FOLDER);
            let age = left.metadata().and_then(|m| m.modified()).ok().and_then(age_of);
            if is_ours && age.is_some_and(|age| age > KEPT) {
                // One that cannot be removed is tried again at the next start; it is a cache.
                let _ = fs::remove_dir_all(left.path());
            }
        }
        Self { folder: cache.join(format!("{FOLDER}{}", std::process::id())), inner: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How the pack of an audit stands.
    pub(crate) fn stands(&self, audit: &AuditId) -> Stands {
        let inner = self.lock();
        if inner.being.as_ref() == Some(audit) {
            Stands::Being
        } else if let Some(trouble) = inner.failed.get(audit) {
            Stands::Failed(trouble.clone())
        } else {
            inner.ready.get(audit).cloned().map_or(Stands::Not, Stands::Ready)
        }
    }

    /// The server ends: nothing of it stays, whoever else still computes something and holds on.
    pub(crate) fn end(&self) {
        // A later start removes what cannot be removed now.
        let _ = fs::remove_dir_all(&self.folder);
    }

    /// Removes what was kept long enough.
    pub(super) fn sweep(&self, now: Instant) {
        let mut inner = self.lock();
        let over: Vec<AuditId> =
            inner.ready.iter().filter(|(_, ready)| ready.until <= now).map(|(audit, _)| audit.clone()).collect();
        for audit in over {
            if let Some(ready) = inner.ready.remove(&audit) {
                remove(&ready.path);
            }
        }
    }
}

fn remove(path: &Path) {
    // It is in a cache, and the folder goes at the end.
    let _ = fs::remove_file(path);
}

#[expect(clippy::disallowed_methods, reason = "the age of a file is told by the clock that dated it")]
fn age_of(modified: SystemTime) -> Option<Duration> {
    SystemTime::now().duration_since(modified).ok()
}

/// Begins to make the pack of an audit, if none is being made.
pub(crate) fn begin(app: &Arc<App>, said: &AuditOpened) -> Result<(), Trouble> {
    {
        let mut inner = app.packs.lock();
        if inner.being.is_some() {
            return Err(Trouble::pack_being_made());
        }
        inner.failed.remove(&said.audit);
        inner.being = Some(said.audit.clone());
    }
    let (held, said) = (Arc::clone(app), said.clone());
    let started = std::thread::Builder::new().name("packs".to_owned()).spawn(move || {
        let made = make(&held, &said);
        let mut inner = held.packs.lock();
        inner.being = None;
        match made {
            Ok(ready) => {
                if let Some(before) = inner.ready.insert(said.audit.clone(), ready) {
                    remove(&before.path);
                }
            }
            Err(trouble) => {
                inner.failed.insert(said.audit.clone(), trouble);
            }
        }
    });
    if started.is_err() {
        app.packs.lock().being = None;
        return Err(Trouble::internal("the system gave no thread"));
    }
    Ok(())
}

fn make(app: &App, said: &AuditOpened) -> Result<Ready, Trouble> {
    let folder = &app.packs.folder;
    private(folder).map_err(|e| Trouble::internal(&format!("the folder for packs cannot be made: {e}")))?;
    let word = countersign_model::digest::to_hex(&countersign_evidence::random::<8>()?);
    let path = folder.join(format!("{}-{word}.zip", said.audit));
    let scope = PackScope {
        from: Some(said.from),
        to: Some(said.to),
        applications: said.applications.clone(),
        frameworks: said.frameworks.clone(),
        ..PackScope::default()
    };
    let masked = said.masked.contains(&MaskedField::Names);
    let made =
        app.pool.lend(|session| Ok((pack::make(session, &app.catalogue, &scope, masked, &path)?, session.now())));
    let (made, now) = made?;
    Ok(Ready {
        path,
        sha256: made.file.digest,
        bytes: made.file.size,
        index: made.index,
        made: now,
        until: Instant::now() + KEPT,
    })
}

/// A folder that its owner alone can look into.
fn private(folder: &Path) -> std::io::Result<()> {
    fs::create_dir_all(folder)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(folder, fs::Permissions::from_mode(0o700))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_of_another_process_stays_for_its_day_and_what_is_ours_goes_at_the_end() {
        let cache = tempfile::tempdir().unwrap();
        let (old, young, other) =
            (cache.path().join("packs-1"), cache.path().join("packs-2"), cache.path().join("else"));
        for folder in [&old, &young, &other] {
            fs::create_dir(folder).unwrap();
            fs::write(folder.join("x.zip"), "x").unwrap();
        }
        let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(1);
        for folder in [&old, &other] {
            fs::File::open(folder).unwrap().set_modified(long_ago).unwrap();
        }
        let packs = Packs::new(cache.path());
        assert!(!old.exists() && young.exists() && other.exists());
        private(&packs.folder).unwrap();
        let (audit, path) = (AuditId::from_text("aud-1"), packs.folder.join("y.zip"));
        fs::write(&path, "y").unwrap();
        let now = Instant::now();
        let ready = Ready {
            path: path.clone(),
            sha256: Digest::of(b"y"),
            bytes: 1,
            index: 1,
            made: Timestamp::from_millis(0),
            until: now + KEPT,
        };
        packs.lock().ready.insert(audit.clone(), ready);
        packs.sweep(now);
        assert!(matches!(packs.stands(&audit), Stands::Ready(_)) && path.exists());
        packs.sweep(now + KEPT);
        assert!(matches!(packs.stands(&audit), Stands::Not) && !path.exists());
        let folder = packs.folder.clone();
        packs.end();
        assert!(!folder.exists() && young.exists());
    }
}
