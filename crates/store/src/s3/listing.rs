//! What stands in a bucket.

use super::S3Error;
use super::transport::{Bucket, Call, Reply};
use super::xml::{self, MAX_LIST_BYTES, Version};

/// Pages of a listing that are read, of 1,000 keys each. A ledger of 100 million entries has fewer objects in one place.
const MAX_PAGES: usize = 10_000;

/// An object, or what several of them have in common.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Found {
    /// Its name in the ledger; that of a directory is without a `/` at its end.
    pub name: String,
    /// Its size in bytes; 0 for a directory.
    pub size: u64,
    /// Whether further names begin with it and a `/`.
    pub is_dir: bool,
}

impl Bucket {
    /// What stands directly in `dir`; empty for the top of the location.
    ///
    /// # Errors
    /// What the storage or the way to it says.
    pub fn list(&self, dir: &str) -> Result<Vec<Found>, S3Error> {
        self.pages(dir, true)
    }

    /// Every object below `dir`, however deep.
    ///
    /// # Errors
    /// What the storage or the way to it says.
    pub fn list_all(&self, dir: &str) -> Result<Vec<Found>, S3Error> {
        self.pages(dir, false)
    }

    fn pages(&self, dir: &str, is_flat: bool) -> Result<Vec<Found>, S3Error> {
        let prefix = self.inside(dir);
        let mut found = Vec::new();
        let mut token: Option<String> = None;
        for _ in 0..MAX_PAGES {
            let mut call = Call::new("list", "GET", dir).query("list-type", "2").query("encoding-type", "url");
            call = call.query("prefix", prefix.clone());
            if is_flat {
                call = call.query("delimiter", "/");
            }
            if let Some(token) = &token {
                call = call.query("continuation-token", token.clone());
            }
            let page = self.page(&call, xml::page)?;
            for (key, size) in page.objects {
                // The place itself can be an object of no bytes, which some tools make.
                if let Some(name) = self.location.name(&key).filter(|n| key != prefix && !n.is_empty()) {
                    found.push(Found { name: name.to_owned(), size, is_dir: false });
                }
            }
            for key in page.prefixes {
                if let Some(name) = self.location.name(key.trim_end_matches('/')).filter(|n| !n.is_empty()) {
                    found.push(Found { name: name.to_owned(), size: 0, is_dir: true });
                }
            }
            match page.next {
                Some(next) if token.as_ref() != Some(&next) => token = Some(next),
                Some(_) => return Err(self.strange(&call, "the next page is the same page")),
                None => return Ok(found),
            }
        }
        Err(S3Error::Unexpected { action: "list", name: dir.to_owned(), what: "it does not end".into() })
    }

    /// All versions of everything whose name begins with `name`, and the marks of deletions.
    ///
    /// # Errors
    /// What the storage or the way to it says.
    pub fn versions(&self, name: &str) -> Result<Vec<Version>, S3Error> {
        let prefix = self.location.key(name);
        let mut versions = Vec::new();
        let mut next: Option<(String, String)> = None;
        for _ in 0..MAX_PAGES {
            let mut call = Call::new("list the versions of", "GET", name).query("versions", "");
            call = call.query("encoding-type", "url").query("prefix", prefix.clone());
            if let Some((key, version)) = &next {
                call = call.query("key-marker", key.clone());
                if !version.is_empty() {
                    call = call.query("version-id-marker", version.clone());
                }
            }
            let page = self.page(&call, xml::version_page)?;
            for mut version in page.versions {
                if let Some(name) = self.location.name(&version.name) {
                    version.name = name.to_owned();
                    versions.push(version);
                }
            }
            match page.next {
                Some(marker) if next.as_ref() != Some(&marker) => next = Some(marker),
                Some(_) => return Err(self.strange(&call, "the next page is the same page")),
                None => return Ok(versions),
            }
        }
        Err(S3Error::Unexpected { action: "list", name: name.to_owned(), what: "it does not end".into() })
    }

    fn page<T>(&self, call: &Call<'_>, read: impl FnOnce(&[u8]) -> Result<T, String>) -> Result<T, S3Error> {
        match self.ask(call, MAX_LIST_BYTES)? {
            Reply::Good(_, bytes) => read(&bytes).map_err(|what| self.strange(call, &what)),
            Reply::Bad(said) => Err(self.refused(call, said)),
        }
    }

    fn strange(&self, call: &Call<'_>, what: &str) -> S3Error {
        S3Error::Unexpected { action: call.action, name: call.name.to_owned(), what: what.to_owned() }
    }

    /// The prefix of keys inside a directory.
    fn inside(&self, dir: &str) -> String {
        match self.location.key(dir).as_str() {
            "" => String::new(),
            key => format!("{key}/"),
        }
    }
}
