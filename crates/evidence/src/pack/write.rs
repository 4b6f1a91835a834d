//! Writing a pack, member by member: no more than a few of them are in memory.

use std::collections::HashSet;
use std::io::{self, Write};

use countersign_model::{Digest, Hasher};

use super::lanes::{Lanes, Press, Raw, Ready};
use super::record::{self, MAX_MEMBER, Member};
use super::{MANIFEST, PackError, SUMS};

/// A member larger than this is compressed where it stands.
const LARGE: usize = 1 << 20;

/// Writes a pack.
pub struct Packer<W: Write> {
    out: Counted<W>,
    members: Vec<Member>,
    /// A part of each name's SHA-256: there are hundreds of thousands of names, and they stand in `members` already.
    names: HashSet<[u8; 16]>,
    sums: Vec<u8>,
    /// Members on their way to `out`.
    lanes: Lanes,
}

/// A pack that was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// SHA-256 of the whole file.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// How many members it has.
    pub members: u64,
}

/// Everything before the manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Before {
    /// Its size in bytes.
    pub size: u64,
    /// Its SHA-256.
    pub digest: Digest,
    /// The SHA-256 of `SHA256SUMS`.
    pub sums: Digest,
    /// How many members are listed there.
    pub members: u64,
}

impl<W: Write> std::fmt::Debug for Packer<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Packer").field("members", &self.names.len()).finish_non_exhaustive()
    }
}

impl<W: Write> Packer<W> {
    /// An empty pack that is written to `out`.
    pub fn new(out: W) -> Self {
        let out = Counted { out, hasher: Hasher::new(), size: 0 };
        Self { out, members: Vec::new(), names: HashSet::new(), sums: Vec::new(), lanes: Lanes::new() }
    }

    /// Whether there is a member of that name.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.names.contains(&short(name))
    }

    /// Adds a member.
    ///
    /// # Errors
    /// [`PackError::Name`], [`PackError::Twice`], [`PackError::TooLarge`], [`PackError::Io`].
    pub fn add(&mut self, name: &str, content: &[u8]) -> Result<(), PackError> {
        if name == SUMS || name == MANIFEST {
            return Err(PackError::Twice { name: name.to_owned() });
        }
        let name = self.take(name, content.len())?;
        let is_large = content.len() > LARGE;
        let ready = if is_large {
            self.lanes.rest()?
        } else {
            self.lanes.add(Raw { name: name.clone(), content: content.to_vec() })?
        };
        for (ready, raw) in ready {
            self.list(&ready);
            self.put(ready, &raw)?;
        }
        if is_large {
            // It is not copied.
            let ready = Press::new().press(name, content)?;
            self.list(&ready);
            self.put(ready, content)?;
        }
        Ok(())
    }

    /// Writes the list of digests and asks for the manifest, which signs all that was written before.
    ///
    /// # Errors
    /// As [`Packer::add`], and whatever `manifest` says.
    pub fn finish<E: From<PackError>>(
        mut self,
        manifest: impl FnOnce(&Before) -> Result<Vec<u8>, E>,
    ) -> Result<(Written, W), E> {
        for (ready, raw) in self.lanes.rest().map_err(PackError::Io)? {
            self.list(&ready);
            self.put(ready, &raw)?;
        }
        let (sums, members) = (std::mem::take(&mut self.sums), self.members.len() as u64);
        let digest = Digest::of(&sums);
        let name = self.take(SUMS, sums.len())?;
        self.put(Press::new().press(name, &sums).map_err(PackError::Io)?, &sums)?;
        drop(sums);
        let before = Before { size: self.out.size, digest: self.out.hasher.clone().finish(), sums: digest, members };
        let manifest = manifest(&before)?;
        // As it is, so that nothing of it can be written in two ways.
        let name = self.take(MANIFEST, manifest.len())?;
        self.put(Ready::as_it_is(name, &manifest), &manifest)?;
        let directory = record::directory(&self.members);
        self.out.write_all(&directory).and_then(|()| self.out.flush()).map_err(PackError::Io)?;
        let Counted { out, hasher, size } = self.out;
        Ok((Written { digest: hasher.finish(), size, members: self.members.len() as u64 }, out))
    }

    /// Takes a name, if it may be one and is free.
    fn take(&mut self, name: &str, size: usize) -> Result<Box<str>, PackError> {
        record::check_name(name)?;
        let size = size as u64;
        if size > MAX_MEMBER {
            return Err(PackError::TooLarge { name: name.to_owned(), size });
        }
        if !self.names.insert(short(name)) {
            return Err(PackError::Twice { name: name.to_owned() });
        }
        Ok(name.into())
    }

    fn list(&mut self, ready: &Ready) {
        self.sums.extend_from_slice(format!("{}  {}\n", ready.digest.hex(), ready.name).as_bytes());
    }

    /// Writes a member that was prepared, with this content.
    fn put(&mut self, ready: Ready, content: &[u8]) -> Result<(), PackError> {
        let stored = ready.deflated.as_deref().unwrap_or(content);
        let member = Member {
            name: ready.name,
            crc: ready.crc,
            deflated: ready.deflated.is_some(),
            stored: stored.len() as u64,
            size: ready.size,
            offset: self.out.size,
        };
        let written = self.out.write_all(&member.local()).and_then(|()| self.out.write_all(stored));
        written.map_err(PackError::Io)?;
        self.members.push(member);
        Ok(())
    }
}

fn short(name: &str) -> [u8; 16] {
    let mut short = [0; 16];
    short.copy_from_slice(&Digest::of(name.as_bytes()).as_bytes()[..16]);
    short
}

/// Counts and hashes what is written through it.
struct Counted<W> {
    out: W,
    hasher: Hasher,
    size: u64,
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.hasher.update(bytes.get(..written).unwrap_or_default());
        self.size += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
