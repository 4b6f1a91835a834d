//! Writing files whole or not at all.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

/// Replaces `file` by `bytes`: written beside it, flushed to the disk, then renamed. Whoever reads it reads the old
/// bytes or the new ones. A crash may leave the file beside it, which the next writer of the same process id replaces.
pub(crate) fn replace(file: &Path, bytes: &[u8]) -> io::Result<()> {
    let name = file.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let mut beside = name.to_os_string();
    beside.push(format!(".{}.tmp", std::process::id()));
    let beside = file.with_file_name(beside);
    let written = File::create(&beside).and_then(|mut f| {
        f.write_all(bytes)?;
        f.sync_all()
    });
    written.and_then(|()| fs::rename(&beside, file)).inspect_err(|_| {
        // The first error is the one that matters; a file that was never made needs no removal.
        let _ = fs::remove_file(&beside);
    })
}
