//! OPA's archive of a bundle: a gzipped tar of its files.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};

use flate2::read::GzDecoder;
use flate2::{Compression, GzBuilder};

use super::{Bundle, MAX_BYTES, MAX_FILE, MAX_FILES, data, is_policy};
use crate::Error;

/// The file that holds signatures.
pub(super) const SIGNATURES: &str = ".signatures.json";

/// A bundle as it was read from an archive.
#[derive(Debug, Clone)]
pub struct Archive {
    /// What decides.
    pub bundle: Bundle,
    /// Every file in it but the signatures, tests and documents of other names too: what a signature is over.
    pub files: BTreeMap<String, Vec<u8>>,
    /// The text of `.signatures.json`.
    pub signatures: Option<String>,
}

/// Reads an archive (`.tar.gz`).
///
/// # Errors
/// [`Error::Bundle`] when it is no gzipped tar, holds a link or a device, too much, or no bundle. What is neither Rego
/// nor a document nor Markdown is refused, as [`Bundle::load`] does.
pub fn read_archive(bytes: &[u8]) -> Result<Archive, Error> {
    let broken = |e: std::io::Error| Error::bundle(format!("it is no gzipped tar: {e}"));
    // One byte more than allowed, so that more is seen.
    let limit = 4 * MAX_BYTES as u64;
    let mut archive = tar::Archive::new(GzDecoder::new(bytes).take(limit + 1));
    let (mut files, mut signatures, mut total) = (BTreeMap::new(), None, 0_u64);
    for entry in archive.entries().map_err(broken)? {
        let entry = entry.map_err(broken)?;
        let path =
            String::from_utf8_lossy(&entry.path_bytes()).trim_start_matches("./").trim_start_matches('/').to_owned();
        match entry.header().entry_type() {
            tar::EntryType::Directory | tar::EntryType::XGlobalHeader => continue,
            tar::EntryType::Regular => {}
            _ => return Err(Error::bundle(format!("`{}` is not a file", path.escape_default()))),
        }
        let mut contents = Vec::new();
        entry.take(MAX_FILE as u64 + 1).read_to_end(&mut contents).map_err(broken)?;
        total += contents.len() as u64;
        if contents.len() > MAX_FILE || total > limit || files.len() > 2 * MAX_FILES {
            return Err(Error::bundle("it holds too much"));
        }
        if path == SIGNATURES {
            signatures =
                Some(String::from_utf8(contents).map_err(|_| Error::bundle(format!("`{SIGNATURES}` is not UTF-8")))?);
        } else if files.insert(path.clone(), contents).is_some() {
            return Err(Error::bundle(format!("`{}` is in it twice", path.escape_default())));
        }
    }
    let mut kept = BTreeMap::new();
    for (path, contents) in &files {
        let name = path.rsplit('/').next().unwrap_or(path);
        if is_policy(path) || data::is_document(name) || path == data::MANIFEST {
            let text =
                String::from_utf8(contents.clone()).map_err(|_| Error::bundle(format!("`{path}` is not UTF-8")))?;
            kept.insert(path.clone(), text);
        } else if !name.ends_with("_test.rego") && !name.ends_with(".md") {
            return Err(Error::bundle(format!("`{}` is no Rego file and would have no effect", path.escape_default())));
        }
    }
    Ok(Archive { bundle: Bundle::new(kept)?, files, signatures })
}

/// Writes an archive, with signatures where there are some. The same bundle gives the same bytes.
///
/// # Errors
/// [`Error::Bundle`] when it cannot be packed.
pub fn write_archive(bundle: &Bundle, revision: Option<&str>, signatures: Option<&str>) -> Result<Vec<u8>, Error> {
    let failed = |e: std::io::Error| Error::bundle(format!("it cannot be packed: {e}"));
    let mut files = match revision {
        Some(revision) => data::with_revision(bundle, revision)?,
        None => bundle.files().clone(),
    };
    files.extend(signatures.map(|text| (SIGNATURES.to_owned(), text.to_owned())));
    let mut tar = tar::Builder::new(Vec::new());
    for (path, text) in &files {
        let mut header = tar::Header::new_ustar();
        header.set_mode(0o644);
        header.set_mtime(0);
        header.set_size(text.len() as u64);
        // As OPA names them: from the root of the bundle.
        tar.append_data(&mut header, path, text.as_bytes()).map_err(failed)?;
    }
    let tar = tar.into_inner().map_err(failed)?;
    let mut gz = GzBuilder::new().mtime(0).write(Vec::new(), Compression::new(6));
    gz.write_all(&tar).map_err(failed)?;
    gz.finish().map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bundle() -> Bundle {
        let files =
            [("a/b.rego", "package a.b\n"), ("a/data.json", "{\"x\": 1}"), (".manifest", "{\"revision\": \"1\"}")];
        Bundle::new(files.iter().map(|(p, t)| ((*p).to_owned(), (*t).to_owned())).collect()).unwrap()
    }

    #[test]
    fn what_is_written_is_read_and_written_again_byte_for_byte() {
        let bytes = write_archive(&bundle(), None, Some("{\"signatures\":[]}")).unwrap();
        let read = read_archive(&bytes).unwrap();
        assert_eq!(read.bundle, bundle());
        assert_eq!(read.signatures.as_deref(), Some("{\"signatures\":[]}"));
        assert_eq!(write_archive(&read.bundle, None, read.signatures.as_deref()).unwrap(), bytes);
        let named = read_archive(&write_archive(&bundle(), Some("2"), None).unwrap()).unwrap();
        assert_eq!(named.bundle.manifest().unwrap().revision, "2");
    }

    #[test]
    fn hostile_archives_are_refused() {
        let pack = |add: &dyn Fn(&mut tar::Builder<Vec<u8>>)| {
            let mut tar = tar::Builder::new(Vec::new());
            add(&mut tar);
            let mut gz = GzBuilder::new().write(Vec::new(), Compression::fast());
            gz.write_all(&tar.into_inner().unwrap()).unwrap();
            gz.finish().unwrap()
        };
        let file = |tar: &mut tar::Builder<Vec<u8>>, path: &str, contents: &[u8]| {
            let mut header = tar::Header::new_gnu();
            header.set_size(contents.len() as u64);
            header.as_gnu_mut().unwrap().name[..path.len()].copy_from_slice(path.as_bytes());
            header.set_cksum();
            tar.append(&header, contents).unwrap();
        };
        let policy = |tar: &mut tar::Builder<Vec<u8>>| file(tar, "/a.rego", b"package a");
        assert!(read_archive(&pack(&|t| policy(t))).is_ok());
        let link = |tar: &mut tar::Builder<Vec<u8>>| {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(tar::EntryType::Symlink);
            header.set_size(0);
            tar.append_link(&mut header, "b.rego", "/etc/passwd").unwrap();
        };
        for (what, bytes) in [
            ("no tar", b"nothing".to_vec()),
            ("empty", pack(&|_| ())),
            (
                "a link",
                pack(&|t| {
                    policy(t);
                    link(t);
                }),
            ),
            (
                "twice",
                pack(&|t| {
                    policy(t);
                    file(t, "a.rego", b"package b");
                }),
            ),
            (
                "a way out",
                pack(&|t| {
                    policy(t);
                    file(t, "../b.rego", b"package b");
                }),
            ),
            (
                "another file",
                pack(&|t| {
                    policy(t);
                    file(t, "policy.wasm", b"\0asm");
                }),
            ),
            ("no text", pack(&|t| file(t, "a.rego", b"\xff"))),
            ("too large", pack(&|t| file(t, "a.rego", &vec![b' '; MAX_FILE + 1]))),
        ] {
            assert!(read_archive(&bytes).is_err(), "{what}");
        }
    }
}
