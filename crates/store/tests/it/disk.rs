//! Real limits of real file systems.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use countersign_model::Diagnostic as _;
use countersign_store::{Batch, Error, Ledger, NewLedger, code};

use crate::support::{assert_sound, batch, clock, entry, examine, genesis, new_ledger, signer, trust};

/// A small file system that is unmounted when the test ends.
struct Small(PathBuf);

impl Small {
    #[expect(clippy::disallowed_methods, reason = "there is no other way to have a disk that is full")]
    fn mount(dir: &Path) -> Result<Self, String> {
        let output = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=512k", "tmpfs"])
            .arg(dir)
            .output()
            .map_err(|e| e.to_string())?;
        if output.status.success() {
            Ok(Self(dir.to_path_buf()))
        } else {
            Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
        }
    }
}

impl Drop for Small {
    #[expect(clippy::disallowed_methods, reason = "what was mounted must be unmounted")]
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let _small = match Small::mount(dir.path()) {
        Ok(small) => small,
        Err(why) => {
            println!("skipped: no small file system can be mounted here ({why}); failing storage covers every step");
            return;
        }
    };
    let path = dir.path().join("l");
    let mut ledger = Ledger::create(&path, &NewLedger { signer: &signer(), salt: None }).unwrap();
    let first = genesis(&ledger);
    ledger.append(first, &signer(), &clock(0)).unwrap();
    let mut acknowledged = 1;
    let error = loop {
        let payload = format!("{acknowledged}").repeat(2000);
        let batch = Batch { entries: vec![entry("run-1", payload)], ..Batch::default() };
        match ledger.append(batch, &signer(), &clock(1)) {
            Ok(_) => acknowledged += 1,
            Err(e) => break e,
        }
    };
    assert_eq!(error.code(), code::DISK_FULL, "{error:?}");
    assert!(acknowledged > 5);
    // Some may wait in the write-ahead log, for there was no room for tiles; they are part of the ledger all the same.
    assert_eq!(Ledger::open(&path).unwrap().size(), acknowledged);
    assert!(examine(&path, &trust()).is_sound());
    // Room is made, and it goes on.
    drop(ledger);
    let status = remount(dir.path());
    assert!(status, "remount");
    let mut ledger = Ledger::open(&path).unwrap();
    assert_eq!(ledger.append(batch("more", 2), &signer(), &clock(2)).unwrap().first_index, acknowledged);
    assert_sound(&path);
}

#[expect(clippy::disallowed_methods, reason = "there is no other way to make room")]
fn remount(dir: &Path) -> bool {
    Command::new("mount").args(["-o", "remount,size=4m"]).arg(dir).status().is_ok_and(|s| s.success())
}

#[cfg(unix)]
#[test]
fn a_ledger_that_may_not_be_written_is_read_all_the_same() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("l");
    drop(new_ledger(&path));
    let set = |mode| {
        for name in ["", "ledger", "ledger/tile", "ledger/tile/0", "blobs", "blobs/sha256", "tmp"] {
            fs::set_permissions(path.join(name), fs::Permissions::from_mode(mode)).unwrap();
        }
    };
    set(0o555);
    let is_powerless = fs::write(path.join("probe"), "").is_err();
    let mut ledger = Ledger::open(&path).unwrap();
    assert_eq!(ledger.entries(0..9).unwrap().len(), 1);
    if is_powerless {
        let error = ledger.append(batch("x", 1), &signer(), &clock(1)).unwrap_err();
        assert!(matches!(error, Error::ReadOnly { .. }), "{error:?}");
        assert_sound(&path);
    } else {
        println!("permissions do not bind this user; failing storage covers a read-only ledger");
        fs::remove_file(path.join("probe")).unwrap();
    }
    set(0o755);
    ledger.append(batch("x", 1), &signer(), &clock(1)).unwrap();
    assert_sound(&path);
}
