//! Objects: written once and locked, read with bounds, their locks extended and never shortened.

use std::io::Read as _;

use countersign_model::{Digest, Hasher, Timestamp};
use ureq::http::HeaderMap;

use super::error::Said;
use super::transport::{Bucket, Call, Reply, Untaken, header};
use super::{S3Error, time, xml};

/// Answers that have nothing to say are not read any further than this.
pub(super) const MAX_SMALL: u64 = 64 << 10;

/// How an object is locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Nobody can remove or shorten it, whoever they are.
    Compliance,
    /// Whoever has the right to bypass it can.
    Governance,
}

/// A lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lock {
    /// Its mode.
    pub mode: Mode,
    /// Until when.
    pub until: Timestamp,
}

/// What a storage says about an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meta {
    /// Its size in bytes.
    pub size: u64,
    /// Its entity tag: changes with its content.
    pub etag: Option<String>,
    /// The version that stands there now.
    pub version: Option<String>,
    /// Its lock.
    pub lock: Option<Lock>,
    /// Whether a legal hold lies on it.
    pub is_held: bool,
}

/// What became of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// It was written now.
    Written,
    /// The same bytes stood there already.
    Present,
}

impl Bucket {
    /// The object's bytes and what the storage says about it; `None` when there is none.
    ///
    /// # Errors
    /// [`S3Error::TooLarge`] for more than `limit` bytes; what the storage or the way to it says.
    pub fn get(&self, name: &str, limit: u64) -> Result<Option<(Meta, Vec<u8>)>, S3Error> {
        self.read_version(&Call::new("read", "GET", name).key(self.location.key(name)), limit)
    }

    /// As [`Bucket::get`], of a version perhaps.
    pub(super) fn read_version(&self, call: &Call<'_>, limit: u64) -> Result<Option<(Meta, Vec<u8>)>, S3Error> {
        let reply = self.ask(call, limit)?;
        self.found(call, reply, |headers, bytes| Ok((meta(headers, bytes.len() as u64), bytes)))
    }

    /// What the storage says about an object; `None` when there is none.
    ///
    /// # Errors
    /// What the storage or the way to it says.
    pub fn head(&self, name: &str) -> Result<Option<Meta>, S3Error> {
        let call = Call::new("look at", "HEAD", name).key(self.location.key(name));
        let reply = self.ask(&call, MAX_SMALL)?;
        self.found(&call, reply, |headers, _| {
            let size = header(headers, "content-length").and_then(|text| text.parse().ok());
            Ok(meta(headers, size.ok_or("it does not say how large it is")?))
        })
    }

    /// The digest of an object's bytes, which are not kept; `None` when there is none.
    ///
    /// # Errors
    /// As [`Bucket::get`].
    pub fn digest_of(&self, name: &str, limit: u64) -> Result<Option<(Meta, Digest)>, S3Error> {
        let call = Call::new("read", "GET", name).key(self.location.key(name));
        let reply = self.ask_into(&call, |reader| {
            let mut hasher = Hasher::new();
            let mut buffer = vec![0; 64 << 10];
            let mut size = 0_u64;
            let mut reader = reader.take(limit.saturating_add(1));
            loop {
                let n = reader.read(&mut buffer).map_err(Untaken::Broken)?;
                let Some(part) = buffer.get(..n).filter(|p| !p.is_empty()) else { break };
                hasher.update(part);
                size += n as u64;
            }
            if size > limit { Err(Untaken::TooLarge(limit)) } else { Ok((size, hasher.finish())) }
        })?;
        self.found(&call, reply, |headers, (size, digest)| Ok((meta(headers, size), digest)))
    }

    /// Writes an object that must not exist, locked in COMPLIANCE mode until `until`. When something stands there
    /// already, its bytes must be the same, and its lock is extended where it would end earlier.
    ///
    /// Safe to repeat: the storage decides with `If-None-Match: *` who was first, so that an attempt whose answer was
    /// lost is not written a second time.
    ///
    /// # Errors
    /// [`S3Error::Differs`] when other bytes stand there; [`S3Error::NotLocked`] when they are there without a lock that
    /// lasts; what the storage or the way to it says.
    pub fn put_new(&self, name: &str, bytes: &[u8], until: Timestamp) -> Result<Put, S3Error> {
        let call = self.locked("write", name, bytes, until).header("if-none-match", "*");
        match self.ask(&call, MAX_SMALL)? {
            Reply::Good(..) => {
                self.must_hold(name, bytes, until)?;
                Ok(Put::Written)
            }
            Reply::Bad(said) if said.status == 412 => {
                self.must_hold(name, bytes, until)?;
                Ok(Put::Present)
            }
            Reply::Bad(said) => Err(self.refused(&call, said)),
        }
    }

    /// Writes a new version of an object that changes, locked in COMPLIANCE mode until `until`. `instead_of` is the
    /// entity tag of what was read before; `None` when nothing was there.
    ///
    /// # Errors
    /// [`S3Error::Conflict`] when something else stands there by now; otherwise as [`Bucket::put_new`].
    pub fn put_replace(
        &self,
        name: &str,
        bytes: &[u8],
        until: Timestamp,
        instead_of: Option<&str>,
    ) -> Result<Put, S3Error> {
        let call = self.locked("write", name, bytes, until);
        let call = match instead_of {
            Some(etag) => call.header("if-match", etag),
            None => call.header("if-none-match", "*"),
        };
        let put = match self.ask(&call, MAX_SMALL)? {
            Reply::Good(..) => Put::Written,
            // Perhaps an earlier attempt of this very call was carried out, and its answer lost.
            Reply::Bad(said) if said.status == 412 => Put::Present,
            Reply::Bad(said) => return Err(self.refused(&call, said)),
        };
        match self.must_hold(name, bytes, until) {
            Err(S3Error::Differs { name }) => Err(S3Error::Conflict { name }),
            other => other.map(|()| put),
        }
    }

    /// The question that writes a locked object.
    pub(super) fn locked<'a>(
        &self,
        action: &'static str,
        name: &'a str,
        bytes: &'a [u8],
        until: Timestamp,
    ) -> Call<'a> {
        Call::new(action, "PUT", name)
            .key(self.location.key(name))
            .body(bytes)
            .header("x-amz-object-lock-mode", "COMPLIANCE")
            .header("x-amz-object-lock-retain-until-date", time::text(until))
    }

    /// Reads back what was written: the bytes, and a lock that lasts. A lock that ends earlier is extended.
    fn must_hold(&self, name: &str, bytes: &[u8], until: Timestamp) -> Result<(), S3Error> {
        let limit = bytes.len() as u64;
        let until = time::whole_seconds(until);
        let there = match self.digest_of(name, limit) {
            Err(S3Error::TooLarge { .. }) => return Err(S3Error::Differs { name: name.to_owned() }),
            other => other?,
        };
        let Some((meta, digest)) = there else {
            return Err(S3Error::Missing { name: name.to_owned() });
        };
        if digest != Digest::of(bytes) {
            return Err(S3Error::Differs { name: name.to_owned() });
        }
        self.lock_until(name, &meta, until)
    }

    /// Whether these bytes stand there. If so, the lock is extended where it would end before `until`.
    ///
    /// # Errors
    /// [`S3Error::Differs`] when others do; [`S3Error::NotLocked`] when the storage does not hold the lock.
    pub fn holds(&self, name: &str, bytes: &[u8], until: Timestamp) -> Result<bool, S3Error> {
        match self.must_hold(name, bytes, until) {
            Ok(()) => Ok(true),
            Err(S3Error::Missing { .. }) => Ok(false),
            Err(e) => Err(e),
        }
    }

    /// Extends the lock of an object as it was seen, unless it lasts long enough, and sees whether it holds.
    pub(super) fn lock_until(&self, name: &str, meta: &Meta, until: Timestamp) -> Result<(), S3Error> {
        if lasts(meta.lock, until) {
            return Ok(());
        }
        let set = self.set_retention(name, meta.version.as_deref(), until);
        match (self.head(name)?, set) {
            // Somebody else may have extended it further in the same moment; then the storage refuses this one.
            (Some(meta), _) if lasts(meta.lock, until) => Ok(()),
            (_, Err(e)) => Err(e),
            _ => Err(S3Error::NotLocked { name: name.to_owned(), wanted: until }),
        }
    }

    /// Extends the lock of an object. `false` when it lasts that long already.
    ///
    /// # Errors
    /// [`S3Error::Shortens`] when it would end earlier than it does; nothing is asked of the storage then, which should
    /// refuse too. [`S3Error::NotLocked`] when the storage agreed, and does not hold it.
    pub fn extend(&self, name: &str, until: Timestamp) -> Result<bool, S3Error> {
        let until = time::whole_seconds(until);
        let Some(meta) = self.head(name)? else {
            return Err(S3Error::Missing { name: name.to_owned() });
        };
        match meta.lock {
            Some(lock) if lock.mode == Mode::Compliance && lock.until == until => Ok(false),
            Some(lock) if lock.until > until => {
                Err(S3Error::Shortens { name: name.to_owned(), until: lock.until, wanted: until })
            }
            _ => self.lock_until(name, &meta, until).map(|()| true),
        }
    }

    fn set_retention(&self, name: &str, version: Option<&str>, until: Timestamp) -> Result<(), S3Error> {
        let body = xml::retention("COMPLIANCE", until);
        let call = Call::new("lock", "PUT", name).key(self.location.key(name)).query("retention", "");
        self.done(versioned(call, version).body(body.as_bytes()))
    }

    /// Puts a legal hold on an object, or lifts it. While it lies there the object cannot be removed, whatever its date.
    ///
    /// # Errors
    /// What the storage or the way to it says.
    pub fn set_hold(&self, name: &str, version: Option<&str>, is_on: bool) -> Result<(), S3Error> {
        let body = xml::hold(is_on);
        let action = if is_on { "put a hold on" } else { "lift the hold on" };
        let call = Call::new(action, "PUT", name).key(self.location.key(name)).query("legal-hold", "");
        self.done(versioned(call, version).body(body.as_bytes()))
    }

    /// Sees to it that a legal hold lies on an object.
    ///
    /// # Errors
    /// [`S3Error::Missing`]; what the storage or the way to it says.
    pub fn hold(&self, name: &str) -> Result<(), S3Error> {
        match self.head(name)? {
            None => Err(S3Error::Missing { name: name.to_owned() }),
            Some(meta) if meta.is_held => Ok(()),
            Some(meta) => self.set_hold(name, meta.version.as_deref(), true),
        }
    }

    /// Asks for something that has no answer but yes.
    pub(super) fn done(&self, call: Call<'_>) -> Result<(), S3Error> {
        match self.ask(&call, MAX_SMALL)? {
            Reply::Good(..) => Ok(()),
            Reply::Bad(said) => Err(self.refused(&call, said)),
        }
    }

    fn found<T, U>(
        &self,
        call: &Call<'_>,
        reply: Reply<T>,
        read: impl FnOnce(&HeaderMap, T) -> Result<U, &'static str>,
    ) -> Result<Option<U>, S3Error> {
        match reply {
            Reply::Good(headers, body) => read(&headers, body).map(Some).map_err(|what| S3Error::Unexpected {
                action: call.action,
                name: call.name.to_owned(),
                what: what.to_owned(),
            }),
            // An answer to HEAD has no body that could say which of the two is missing.
            Reply::Bad(said) if said.status == 404 && said.code != "NoSuchBucket" => Ok(None),
            Reply::Bad(said) => Err(self.refused(call, said)),
        }
    }

    /// What a refusal means.
    pub(super) fn refused(&self, call: &Call<'_>, said: Said) -> S3Error {
        if said.code == "NoSuchBucket" {
            return S3Error::NoBucket { bucket: self.location.bucket().to_owned() };
        }
        let (action, name) = (call.action, call.name.to_owned());
        match said.status {
            401 | 403 => S3Error::Denied { action, name, said },
            _ => S3Error::Unexpected { action, name, what: said.to_string() },
        }
    }
}

pub(super) fn versioned<'a>(call: Call<'a>, version: Option<&str>) -> Call<'a> {
    match version {
        Some(version) => call.query("versionId", version),
        None => call,
    }
}

fn lasts(lock: Option<Lock>, until: Timestamp) -> bool {
    lock.is_some_and(|lock| lock.mode == Mode::Compliance && lock.until >= until)
}

fn meta(headers: &HeaderMap, size: u64) -> Meta {
    let text = |name: &str| header(headers, name).map(str::to_owned);
    let mode = match header(headers, "x-amz-object-lock-mode") {
        Some("COMPLIANCE") => Some(Mode::Compliance),
        Some("GOVERNANCE") => Some(Mode::Governance),
        _ => None,
    };
    let until = header(headers, "x-amz-object-lock-retain-until-date").and_then(|text| text.parse().ok());
    Meta {
        size,
        etag: text("etag"),
        version: text("x-amz-version-id").filter(|v| v != "null"),
        lock: mode.zip(until).map(|(mode, until)| Lock { mode, until }),
        is_held: header(headers, "x-amz-object-lock-legal-hold") == Some("ON"),
    }
}
