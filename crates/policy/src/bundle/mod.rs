//! A policy bundle: a few Rego files, and documents they read, under one digest.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::path::Path;

use countersign_evidence::canonical;
use countersign_model::Digest;
use include_dir::{Dir, include_dir};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::Error;

mod archive;
mod data;
mod signatures;

pub use archive::{Archive, read_archive, write_archive};
pub use data::Manifest;
pub(crate) use data::join as join_documents;
pub use signatures::{Key, Signed, sign, verify};

static SHIPPED: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../policies");

/// The version of the transport form.
const VERSION: u32 = 1;
/// The most files in a bundle.
const MAX_FILES: usize = 512;
/// The largest file, in bytes; the interpreter's own limit.
const MAX_FILE: usize = 1 << 20;
/// The largest bundle, in bytes of Rego.
const MAX_BYTES: usize = 8 << 20;
/// The longest path, in bytes.
const MAX_PATH: usize = 200;
/// The deepest folder that is read.
const MAX_DEPTH: usize = 8;

/// Rego files and documents (`data.json`, `data.yaml`) by path, and OPA's `.manifest` where there is one. Paths are
/// relative, `/`-separated, of plain ASCII; tests (`*_test.rego`) are never part of it, so that what is digested is what
/// decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle {
    files: BTreeMap<String, String>,
}

/// The transport form, as it is read.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Transport {
    version: u32,
    files: BTreeMap<String, String>,
}

impl Bundle {
    /// The bundle that comes with the binary (`policies/`).
    #[must_use]
    pub fn shipped() -> Self {
        let mut files = BTreeMap::new();
        collect(&SHIPPED, &mut files);
        Self { files }
    }

    /// The files that the shipped bundle is made of, with their tests and notes: where a firm's own starts from.
    #[must_use]
    pub fn shipped_sources() -> BTreeMap<String, String> {
        fn all(dir: &Dir<'_>, out: &mut BTreeMap<String, String>) {
            for file in dir.files() {
                let path = file.path().iter().map(|part| part.to_string_lossy()).collect::<Vec<_>>().join("/");
                out.extend(file.contents_utf8().map(|text| (path, text.to_owned())));
            }
            dir.dirs().for_each(|d| all(d, out));
        }
        let mut out = BTreeMap::new();
        all(&SHIPPED, &mut out);
        out
    }

    /// A bundle of `files`, path to Rego text.
    ///
    /// # Errors
    /// [`Error::Bundle`] when there are none or too many, one is too large, or a path is not plain.
    pub fn new(files: BTreeMap<String, String>) -> Result<Self, Error> {
        if !files.keys().any(|path| is_policy(path)) {
            return Err(Error::bundle("there is no `.rego` file in it"));
        }
        if files.len() > MAX_FILES {
            return Err(Error::bundle(format!("more than {MAX_FILES} files")));
        }
        for (path, text) in &files {
            check_path(path)?;
            if text.len() > MAX_FILE {
                return Err(Error::bundle(format!("`{path}` is larger than {MAX_FILE} bytes")));
            }
        }
        if files.values().map(String::len).sum::<usize>() > MAX_BYTES {
            return Err(Error::bundle(format!("more than {MAX_BYTES} bytes in all")));
        }
        let bundle = Self { files };
        // What cannot be one document is no bundle.
        bundle.data()?;
        Ok(bundle)
    }

    /// Reads a folder: its `.rego` files, without tests, its documents and its `.manifest`. Markdown and other hidden
    /// files are passed over; anything else is an error rather than silently without effect.
    ///
    /// # Errors
    /// [`Error::Read`] when something cannot be read, [`Error::Bundle`] when it is no bundle.
    pub fn load(dir: &Path) -> Result<Self, Error> {
        let mut files = BTreeMap::new();
        let mut bytes = 0;
        read(dir, "", 0, &mut files, &mut bytes)?;
        Self::new(files)
    }

    /// Reads the transport form.
    ///
    /// # Errors
    /// When the bytes are not canonical JSON, of another version, or no bundle.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let transport: Transport = canonical::from_slice(bytes).map_err(Error::canonical)?;
        if transport.version != VERSION {
            return Err(Error::bundle(format!("version {}, and only version {VERSION} is known", transport.version)));
        }
        Self::new(transport.files)
    }

    /// The transport form: canonical JSON (RFC 8785), `{"files":{path:text},"version":1}`.
    #[must_use]
    pub fn to_text(&self) -> String {
        let files = self.files.iter().map(|(path, text)| (path.clone(), Value::from(text.as_str())));
        canonical_text([("files".to_owned(), object(files)), ("version".to_owned(), Value::from(VERSION))])
    }

    /// The transport form, as bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.to_text().into_bytes()
    }

    /// SHA-256 over the canonical JSON `{path: hex of the file's SHA-256}`.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let digests = self.files.iter().map(|(path, text)| (path.clone(), Digest::of(text.as_bytes()).hex().into()));
        Digest::of(canonical_text(digests).as_bytes())
    }

    /// The files, path to text.
    #[must_use]
    pub const fn files(&self) -> &BTreeMap<String, String> {
        &self.files
    }
}

impl Bundle {
    /// The Rego files, path to text.
    pub fn modules(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files.iter().filter(|(path, _)| is_policy(path)).map(|(path, text)| (path.as_str(), text.as_str()))
    }
}

/// RFC 8785 text of an object whose keys come sorted, are ASCII and hold nothing but strings, small integers and such
/// objects: there serde_json's compact form *is* the canonical one, and cannot fail. A test compares the two.
fn canonical_text(fields: impl IntoIterator<Item = (String, Value)>) -> String {
    object(fields).to_string()
}

fn object(fields: impl IntoIterator<Item = (String, Value)>) -> Value {
    Value::Object(fields.into_iter().collect::<Map<_, _>>())
}

fn is_policy(name: &str) -> bool {
    name.ends_with(".rego") && !name.ends_with("_test.rego")
}

fn collect(dir: &Dir<'_>, files: &mut BTreeMap<String, String>) {
    for file in dir.files() {
        let path = file.path().iter().map(|part| part.to_string_lossy()).collect::<Vec<_>>().join("/");
        if let Some(text) = file.contents_utf8().filter(|_| is_policy(&path)) {
            files.insert(path, text.to_owned());
        }
    }
    dir.dirs().for_each(|d| collect(d, files));
}

fn check_path(path: &str) -> Result<(), Error> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let part = |part: &str| !part.is_empty() && !part.starts_with('.') && part.chars().all(plain);
    let name = path.rsplit('/').next().unwrap_or(path);
    let known = is_policy(path) || data::is_document(name);
    if path == data::MANIFEST || path.len() <= MAX_PATH && known && path.split('/').all(part) {
        return Ok(());
    }
    let shown: String = path.chars().take(MAX_PATH).flat_map(char::escape_default).collect();
    Err(Error::bundle(format!("`{shown}` is not a plain path of a `.rego` file, a `data.json` or a `data.yaml`")))
}

fn read(
    dir: &Path,
    prefix: &str,
    depth: usize,
    files: &mut BTreeMap<String, String>,
    bytes: &mut usize,
) -> Result<(), Error> {
    let unreadable = |path: &Path| {
        let path = path.display().to_string();
        move |source| Error::Read { path, source }
    };
    if depth > MAX_DEPTH {
        return Err(Error::bundle(format!("`{prefix}` is nested deeper than {MAX_DEPTH} folders")));
    }
    for entry in fs::read_dir(dir).map_err(unreadable(dir))? {
        let entry = entry.map_err(unreadable(dir))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with('.') && !(depth == 0 && name == data::MANIFEST) {
            continue;
        }
        let kind = entry.file_type().map_err(unreadable(&entry.path()))?;
        let path = format!("{prefix}{name}");
        if kind.is_dir() {
            read(&entry.path(), &format!("{path}/"), depth + 1, files, bytes)?;
        } else if !kind.is_file() {
            return Err(Error::bundle(format!("`{path}` is neither a file nor a folder; links are not followed")));
        } else if is_policy(&name) || data::is_document(&name) || name == data::MANIFEST {
            let file = fs::File::open(entry.path()).map_err(unreadable(&entry.path()))?;
            let mut text = String::new();
            // One byte more than allowed, so that `new` sees that it is too large.
            file.take(MAX_FILE as u64 + 1).read_to_string(&mut text).map_err(unreadable(&entry.path()))?;
            *bytes += text.len();
            if *bytes > MAX_BYTES || files.len() >= MAX_FILES {
                return Err(Error::bundle(format!("more than {MAX_FILES} files or {MAX_BYTES} bytes in all")));
            }
            files.insert(path, text);
        } else if !name.ends_with("_test.rego") && !name.ends_with(".md") {
            return Err(Error::bundle(format!("`{path}` is no Rego file and would have no effect")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn bundle(files: &[(&str, &str)]) -> Result<Bundle, Error> {
        Bundle::new(files.iter().map(|(p, t)| ((*p).to_owned(), (*t).to_owned())).collect())
    }

    #[test]
    fn shipped_files_are_a_bundle_without_tests() {
        let shipped = Bundle::shipped();
        assert_eq!(Bundle::new(shipped.files().clone()).unwrap(), shipped);
        assert!(shipped.files().keys().all(|p| !p.contains("_test")));
        for gate in ["pre_commit", "build", "release"] {
            assert!(shipped.files().contains_key(&format!("gates/{gate}.rego")), "{gate}");
        }
    }

    #[test]
    fn digest_is_over_the_canonical_map_of_digests() {
        let bundle = bundle(&[("b.rego", "package b"), ("a/c.rego", "package c")]).unwrap();
        let map = json!({
            "b.rego": Digest::of(b"package b").hex(),
            "a/c.rego": Digest::of(b"package c").hex(),
        });
        assert_eq!(bundle.digest(), canonical::digest(&map).unwrap());
    }

    #[test]
    fn a_folder_is_read_without_its_tests_or_not_at_all() {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        assert_eq!(Bundle::load(&here.join("../../policies")).unwrap(), Bundle::shipped());
        let other = Bundle::load(&here.join("src")).unwrap_err();
        assert!(other.to_string().contains("no Rego file"), "{other}");
        assert!(matches!(Bundle::load(&here.join("nowhere")), Err(Error::Read { .. })));
    }

    #[test]
    fn odd_paths_are_refused() {
        for path in
            ["", ".rego", "/a.rego", "a//b.rego", "../a.rego", "a/./b.rego", "a\\b.rego", "ä.rego", "a_test.rego"]
        {
            assert!(bundle(&[(path, "package a")]).is_err(), "{path}");
        }
        assert!(bundle(&[]).is_err());
        assert!(bundle(&[("a.rego", &" ".repeat(MAX_FILE + 1))]).is_err());
    }

    #[test]
    fn another_version_and_unknown_keys_are_refused() {
        assert!(Bundle::from_bytes(br#"{"files":{"a.rego":"package a"},"version":1}"#).is_ok());
        assert!(Bundle::from_bytes(br#"{"files":{"a.rego":"package a"},"version":2}"#).is_err());
        assert!(Bundle::from_bytes(br#"{"files":{"a.rego":"package a"},"more":0,"version":1}"#).is_err());
        assert!(Bundle::from_bytes(br#"{"version":1,"files":{"a.rego":"package a"}}"#).is_err(), "not canonical");
    }

    proptest! {
        #[test]
        fn transport_is_canonical_and_round_trips(files in prop::collection::btree_map("[a-zA-Z0-9_-]{1,9}\\.rego", any::<String>(), 1..5)) {
            prop_assume!(files.keys().all(|p| is_policy(p)));
            let bundle = Bundle::new(files.clone()).unwrap();
            let bytes = bundle.to_bytes();
            prop_assert_eq!(&bytes, &canonical::to_vec(&json!({"version": 1, "files": files})).unwrap());
            prop_assert_eq!(Bundle::from_bytes(&bytes).unwrap(), bundle);
        }

        #[test]
        fn any_bytes_are_read_without_panic(bytes: Vec<u8>) {
            prop_assert!(Bundle::from_bytes(&bytes).is_err());
        }
    }
}
