//! Writing a pack, member by member: no more than one of them is in memory.

use std::collections::HashSet;
use std::io::{self, Write};

use countersign_model::{Digest, Hasher};
use flate2::write::DeflateEncoder;
use flate2::{Compression, Crc};

use super::record::{self, MAX_MEMBER, Member};
use super::{MANIFEST, PackError, SUMS};

/// Members smaller than this are not worth compressing.
const SMALL: usize = 64;

/// Writes a pack.
pub struct Packer<W: Write> {
    out: Counted<W>,
    members: Vec<Member>,
    /// A part of each name's SHA-256: there are hundreds of thousands of names, and they stand in `members` already.
    names: HashSet<[u8; 16]>,
    sums: Vec<u8>,
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
        f.debug_struct("Packer").field("members", &self.members.len()).field("size", &self.out.size).finish()
    }
}

impl<W: Write> Packer<W> {
    /// An empty pack that is written to `out`.
    pub fn new(out: W) -> Self {
        let out = Counted { out, hasher: Hasher::new(), size: 0 };
        Self { out, members: Vec::new(), names: HashSet::new(), sums: Vec::new() }
    }

    /// How many bytes were written.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.out.size
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
        self.sums.extend_from_slice(format!("{}  {name}\n", Digest::of(content).hex()).as_bytes());
        self.put(name, content, true)
    }

    /// Writes the list of digests and asks for the manifest, which signs all that was written before.
    ///
    /// # Errors
    /// As [`Packer::add`], and whatever `manifest` says.
    pub fn finish<E: From<PackError>>(
        mut self,
        manifest: impl FnOnce(&Before) -> Result<Vec<u8>, E>,
    ) -> Result<(Written, W), E> {
        let (sums, members) = (std::mem::take(&mut self.sums), self.members.len() as u64);
        self.put(SUMS, &sums, true)?;
        let before =
            Before { size: self.out.size, digest: self.out.hasher.clone().finish(), sums: Digest::of(&sums), members };
        let manifest = manifest(&before)?;
        // As it is, so that nothing of it can be written in two ways.
        self.put(MANIFEST, &manifest, false)?;
        let directory = record::directory(&self.members);
        self.out.write_all(&directory).and_then(|()| self.out.flush()).map_err(PackError::Io)?;
        let Counted { out, hasher, size } = self.out;
        Ok((Written { digest: hasher.finish(), size, members: self.members.len() as u64 }, out))
    }

    fn put(&mut self, name: &str, content: &[u8], compress: bool) -> Result<(), PackError> {
        record::check_name(name)?;
        let size = content.len() as u64;
        if size > MAX_MEMBER {
            return Err(PackError::TooLarge { name: name.to_owned(), size });
        }
        if !self.names.insert(short(name)) {
            return Err(PackError::Twice { name: name.to_owned() });
        }
        let mut deflated = Vec::new();
        if compress && content.len() >= SMALL {
            // The fast one: what is handed over is text that says the same words again and again.
            let mut encoder = DeflateEncoder::new(Vec::with_capacity(content.len() / 3), Compression::fast());
            encoder.write_all(content).map_err(PackError::Io)?;
            deflated = encoder.finish().map_err(PackError::Io)?;
        }
        let is_smaller = !deflated.is_empty() && deflated.len() < content.len();
        let stored = if is_smaller { &deflated } else { content };
        let mut crc = Crc::new();
        crc.update(content);
        let member = Member {
            name: name.into(),
            crc: crc.sum(),
            deflated: is_smaller,
            stored: stored.len() as u64,
            size,
            offset: self.out.size,
        };
        self.out.write_all(&member.local()).and_then(|()| self.out.write_all(stored)).map_err(PackError::Io)?;
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
