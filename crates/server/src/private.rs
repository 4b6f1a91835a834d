//! Files that hold a secret.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use zeroize::Zeroizing;

use crate::Error;

/// Bytes of the largest such file.
const LARGEST: u64 = 1 << 20;

/// Reads a file that holds a secret. As `ssh` does, it refuses one of this user's that others can read; one of another owner, such as
/// an administrator's for a group of services, may be read by that group, and by nobody else.
///
/// # Errors
/// [`Error::Exposed`]; when the file cannot be read.
pub fn private(path: &Path) -> Result<Zeroizing<Vec<u8>>, Error> {
    let mut file = File::open(path).map_err(Error::file("read", path))?;
    let about = file.metadata().map_err(Error::file("read", path))?;
    let own = about.uid() == rustix::process::geteuid().as_raw();
    let exposed = if own { 0o077 } else { 0o007 };
    if about.is_file() && about.mode() & exposed != 0 {
        return Err(Error::Exposed { path: path.to_owned() });
    }
    let mut bytes = Zeroizing::new(Vec::new());
    file.by_ref().take(LARGEST).read_to_end(&mut bytes).map_err(Error::file("read", path))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn what_others_can_read_is_no_secret() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        fs::write(&path, "hush").unwrap();
        for (mode, good) in [(0o600, true), (0o400, true), (0o640, false), (0o604, false), (0o644, false)] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(private(&path).is_ok(), good, "{mode:o}");
        }
        assert!(matches!(private(&dir.path().join("none")), Err(Error::File { .. })));
    }
}
