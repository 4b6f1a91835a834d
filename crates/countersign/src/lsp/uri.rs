//! Addresses of documents: `file:` URIs (RFC 8089) and paths.

use std::path::{Path, PathBuf};

/// The file that a URI names; `None` where it names none of this machine.
pub(crate) fn to_path(uri: &str) -> Option<PathBuf> {
    let rest = uri.strip_prefix("file://")?;
    let rest = rest.strip_prefix("localhost").unwrap_or(rest);
    if !rest.starts_with('/') {
        return None;
    }
    let bytes = decode(rest.split(['?', '#']).next().unwrap_or_default())?;
    // `/C:/x` is `C:/x` where drives are.
    let drive = cfg!(windows) && bytes.get(2) == Some(&b':');
    Some(path_of(&bytes[usize::from(drive)..]))
}

/// The last part of a URI of any kind, as a file name.
pub(crate) fn name(uri: &str) -> Vec<u8> {
    let path = uri.split(['?', '#']).next().unwrap_or_default();
    let last = path.rsplit(['/', ':']).next().unwrap_or_default();
    decode(last).filter(|n| !n.is_empty()).unwrap_or_else(|| b"untitled".to_vec())
}

/// The URI of a file; `None` where the path is not absolute.
pub(crate) fn of_path(path: &Path) -> Option<String> {
    if !path.is_absolute() {
        return None;
    }
    let mut uri = String::from("file://");
    for b in bytes_of(path) {
        if b.is_ascii_alphanumeric() || b"/-._~".contains(&b) {
            uri.push(char::from(b));
        } else {
            uri.push_str(&format!("%{b:02X}"));
        }
    }
    Some(uri)
}

/// Percent-encoding undone (RFC 3986, 2.1); `None` where it is broken or hides a NUL.
fn decode(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(b) = bytes.next() {
        let b = match b {
            b'%' => {
                let digit = |b: Option<u8>| char::from(b?).to_digit(16).and_then(|d| u8::try_from(d).ok());
                digit(bytes.next())? * 16 + digit(bytes.next())?
            }
            b => b,
        };
        if b == 0 {
            return None;
        }
        out.push(b);
    }
    Some(out)
}

/// The path of these bytes.
#[cfg(unix)]
pub(crate) fn path_of(bytes: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt as _;
    PathBuf::from(std::ffi::OsStr::from_bytes(bytes))
}

/// The bytes of a path, with `/` between its parts.
#[cfg(unix)]
pub(crate) fn bytes_of(path: &Path) -> Vec<u8> {
    use std::os::unix::ffi::OsStrExt as _;
    path.as_os_str().as_bytes().to_vec()
}

#[cfg(not(unix))]
pub(crate) fn path_of(bytes: &[u8]) -> PathBuf {
    PathBuf::from(String::from_utf8_lossy(bytes).into_owned())
}

#[cfg(not(unix))]
pub(crate) fn bytes_of(path: &Path) -> Vec<u8> {
    path.to_string_lossy().replace('\\', "/").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn files_have_addresses_and_addresses_files() {
        for (uri, path) in [
            ("file:///a/b%20c.py", Some("/a/b c.py")),
            ("file://localhost/a", Some("/a")),
            ("file:///a/%C3%BC?x#y", Some("/a/ü")),
            ("file://host/a", None),
            ("file:///a%2", None),
            ("file:///a%00b", None),
            ("untitled:Untitled-1", None),
        ] {
            assert_eq!(to_path(uri), path.map(PathBuf::from), "{uri}");
        }
        let path = Path::new("/a b/ü#?.py");
        assert_eq!(to_path(&of_path(path).unwrap()).as_deref(), Some(path));
        assert_eq!(of_path(Path::new("a")), None);
        assert_eq!(name("untitled:Untitled-1"), b"Untitled-1");
        assert_eq!(name("vscode-vfs://github/a/b%20c.py?q"), b"b c.py");
        assert_eq!(name(""), b"untitled");
    }
}
