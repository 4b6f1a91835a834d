//! Reading a pack. Everything about its form is checked when it is opened; contents are read when they are asked for.

use std::collections::HashMap;
use std::io::{self, Read as _};

use countersign_model::{Digest, Hasher};
use flate2::Crc;
use flate2::bufread::DeflateDecoder;

use super::record::{self, CENTRAL_BYTES, END_64_BYTES, END_BYTES, MAX_MEMBER, MAX_NAME, Member};
use super::{MANIFEST, MAX_MANIFEST, PackError, SUMS};

/// Bytes read at once where a whole archive is hashed.
const CHUNK: u64 = 1 << 20;
/// Members at most: a directory of a gigabyte.
const MAX_MEMBERS: u64 = 8 << 20;

/// Bytes that are read from any place, by any thread.
pub trait ReadAt: Send + Sync {
    /// How many there are.
    ///
    /// # Errors
    /// What the place says.
    fn size(&self) -> io::Result<u64>;

    /// Fills `bytes` with those from `offset` on.
    ///
    /// # Errors
    /// [`io::ErrorKind::UnexpectedEof`] when there are fewer, and what the place says.
    fn read_exact_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()>;
}

impl ReadAt for Vec<u8> {
    fn size(&self) -> io::Result<u64> {
        Ok(self.len() as u64)
    }

    fn read_exact_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        let there = usize::try_from(offset).ok().and_then(|at| self.get(at..at.checked_add(bytes.len())?));
        bytes.copy_from_slice(there.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}

/// A pack whose form is right: its members stand one after the other without a gap, each has one name that leads nowhere
/// else, the list of digests and the manifest are the last two, and the directory is the one that follows from them.
///
/// Nothing is known of who made it: that the manifest says.
pub struct Archive {
    bytes: Box<dyn ReadAt>,
    members: Vec<Member>,
    by_name: HashMap<Box<str>, usize>,
}

impl std::fmt::Debug for Archive {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Archive").field("members", &self.members.len()).finish_non_exhaustive()
    }
}

impl Archive {
    /// Reads the directory and holds it against the members.
    ///
    /// # Errors
    /// [`PackError::NoZip`], [`PackError::Truncated`], [`PackError::Name`], [`PackError::Twice`], [`PackError::Form`],
    /// [`PackError::NoManifest`], [`PackError::Io`].
    pub fn open(bytes: Box<dyn ReadAt>) -> Result<Self, PackError> {
        let size = bytes.size()?;
        let mut mark = [0; 4];
        if size < 4 || bytes.read_exact_at(&mut mark, 0).is_err() || mark != *b"PK\x03\x04" {
            return Err(PackError::NoZip);
        }
        let tail = piece(bytes.as_ref(), size.saturating_sub((END_BYTES + END_64_BYTES) as u64), size)?;
        let (start, count) = record::end(&tail).ok_or(PackError::Truncated)?;
        let room = size.checked_sub(start).ok_or(PackError::Truncated)?;
        // Each takes more than its fixed part, so a count that lies is known before memory is taken for it.
        if count > MAX_MEMBERS || count.checked_mul(CENTRAL_BYTES as u64).is_none_or(|least| least > room) {
            return Err(PackError::Form { name: None, what: "its end names more members than there is room for" });
        }
        if room > MAX_MEMBERS * (CENTRAL_BYTES + MAX_NAME + 20) as u64 {
            return Err(PackError::Form { name: None, what: "its directory is larger than one can be" });
        }
        let directory = piece(bytes.as_ref(), start, size)?;
        let mut members: Vec<Member> = Vec::with_capacity(usize::try_from(count).unwrap_or(0));
        let mut by_name = HashMap::with_capacity(members.capacity());
        let (mut at, mut expected) = (0, 0);
        for n in 0..count {
            let record = directory.get(at..).and_then(record::central);
            let (member, len) = record.ok_or(PackError::Form { name: None, what: "its directory is cut short" })?;
            at += len;
            record::check_name(&member.name)?;
            let named = |what| PackError::Form { name: Some(member.name.to_string()), what };
            if member.size > MAX_MEMBER || member.stored > MAX_MEMBER {
                return Err(PackError::TooLarge {
                    name: member.name.to_string(),
                    size: member.size.max(member.stored),
                });
            }
            if !member.deflated && member.size != member.stored {
                return Err(named("it is not compressed and has two sizes"));
            }
            if member.offset != expected {
                return Err(named("it does not begin where the one before it ends"));
            }
            expected = member.end();
            if expected > start {
                return Err(named("it reaches into the directory"));
            }
            let local = piece(bytes.as_ref(), member.offset, member.data())?;
            if local != member.local() {
                return Err(named("its own header says another thing than the directory"));
            }
            if by_name.insert(member.name.clone(), usize::try_from(n).unwrap_or(usize::MAX)).is_some() {
                return Err(PackError::Twice { name: member.name.to_string() });
            }
            members.push(member);
        }
        if expected != start {
            return Err(PackError::Form { name: None, what: "bytes lie between its members and its directory" });
        }
        if record::directory(&members) != directory {
            return Err(PackError::Form {
                name: None,
                what: "its directory is not the one that follows from its members",
            });
        }
        match members.as_slice() {
            [.., sums, manifest] if *sums.name == *SUMS && *manifest.name == *MANIFEST && !manifest.deflated => {}
            _ => return Err(PackError::NoManifest),
        }
        Ok(Self { bytes, members, by_name })
    }

    /// The names of its members, in the order in which they stand.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.members.iter().map(|member| &*member.name)
    }

    /// The size of a member in bytes; `None` when there is none of that name.
    #[must_use]
    pub fn stat(&self, name: &str) -> Option<u64> {
        self.member(name).map(|member| member.size)
    }

    /// The content of a member; `None` when there is none of that name.
    ///
    /// # Errors
    /// [`PackError::TooLarge`] when it has more than `limit` bytes; [`PackError::Damaged`], [`PackError::Io`].
    pub fn read(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>, PackError> {
        let Some(member) = self.member(name) else { return Ok(None) };
        if member.size > limit {
            return Err(PackError::TooLarge { name: name.to_owned(), size: member.size });
        }
        let stored = piece(self.bytes.as_ref(), member.data(), member.end())?;
        let damaged = |what| PackError::Damaged { name: name.to_owned(), what };
        let content = if member.deflated {
            let mut decoder = DeflateDecoder::new(stored.as_slice());
            let mut content = Vec::with_capacity(usize::try_from(member.size).unwrap_or(0));
            // One byte more than it says, so that a longer one is seen and no bomb goes off.
            let read = (&mut decoder).take(member.size + 1).read_to_end(&mut content);
            read.map_err(|_| damaged("it cannot be decompressed"))?;
            if decoder.total_in() != member.stored {
                return Err(damaged("bytes follow its compressed stream"));
            }
            content
        } else {
            stored
        };
        if content.len() as u64 != member.size {
            return Err(damaged("it has another size than the directory says"));
        }
        let mut crc = Crc::new();
        crc.update(&content);
        if crc.sum() == member.crc { Ok(Some(content)) } else { Err(damaged("its check sum is another")) }
    }

    /// The manifest's bytes.
    ///
    /// # Errors
    /// As [`Archive::read`].
    pub fn manifest(&self) -> Result<Vec<u8>, PackError> {
        self.read(MANIFEST, MAX_MANIFEST)?.ok_or(PackError::NoManifest)
    }

    /// Size and SHA-256 of every byte before the manifest, which is what it signs, and of the whole file: in one pass.
    ///
    /// # Errors
    /// [`PackError::Io`].
    pub fn hashes(&self) -> Result<[(u64, Digest); 2], PackError> {
        let (end, size) = (self.members.last().map_or(0, |manifest| manifest.offset), self.bytes.size()?);
        let (mut hasher, mut at) = (Hasher::new(), 0);
        let mut to = |hasher: &mut Hasher, end: u64| {
            while at < end {
                let next = end.min(at + CHUNK);
                hasher.update(&piece(self.bytes.as_ref(), at, next)?);
                at = next;
            }
            Ok::<_, PackError>(hasher.clone().finish())
        };
        let before = to(&mut hasher, end)?;
        Ok([(end, before), (size, to(&mut hasher, size)?)])
    }

    fn member(&self, name: &str) -> Option<&Member> {
        self.members.get(*self.by_name.get(name)?)
    }
}

fn piece(bytes: &dyn ReadAt, from: u64, to: u64) -> Result<Vec<u8>, PackError> {
    let len = usize::try_from(to.saturating_sub(from)).map_err(|_| PackError::Truncated)?;
    let mut piece = vec![0; len];
    match bytes.read_exact_at(&mut piece, from) {
        Ok(()) => Ok(piece),
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => Err(PackError::Truncated),
        Err(e) => Err(PackError::Io(e)),
    }
}
