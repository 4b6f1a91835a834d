//! The records of a zip in the one form that a pack has (PKWARE APPNOTE 6.3.10, §4.3 to 4.5).

use std::path::{Component, Path};

use super::PackError;

/// Bytes of the longest name.
pub const MAX_NAME: usize = 512;
/// Bytes of the largest member.
pub const MAX_MEMBER: u64 = 1 << 31;

const LOCAL: u32 = 0x0403_4b50;
const CENTRAL: u32 = 0x0201_4b50;
const END: u32 = 0x0605_4b50;
const END_64: u32 = 0x0606_4b50;
const LOCATOR_64: u32 = 0x0706_4b50;
/// Names are UTF-8 (§4.4.4, bit 11).
const UTF_8: u16 = 0x0800;
/// 1980-01-01, the first day there is: a pack says when it was made in its manifest, and nowhere else.
const DAY: u16 = 0x0021;
/// `-rw-r--r--` of a plain file, as Unix says it.
const MODE: u32 = 0o100_644 << 16;
const UNIX: u16 = 3 << 8;
/// Sizes and counts from here on stand in the 64-bit records.
const FULL_32: u64 = 0xffff_ffff;
const FULL_16: u64 = 0xffff;
/// Bytes of a local header before the name.
pub(super) const LOCAL_BYTES: usize = 30;
/// Bytes of a record of the directory before the name.
pub(super) const CENTRAL_BYTES: usize = 46;
/// Bytes of the end record.
pub(super) const END_BYTES: usize = 22;
/// Bytes of the 64-bit end record and its locator.
pub(super) const END_64_BYTES: usize = 56 + 20;

/// A member of the archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) name: Box<str>,
    pub(super) crc: u32,
    /// Whether it is compressed (deflate).
    pub(super) deflated: bool,
    /// Bytes as they stand in the archive.
    pub(super) stored: u64,
    /// Bytes that it has.
    pub(super) size: u64,
    /// Where its local header begins.
    pub(super) offset: u64,
}

impl Member {
    pub(super) fn data(&self) -> u64 {
        self.offset + (LOCAL_BYTES + self.name.len()) as u64
    }

    /// Where the next member begins.
    pub(super) fn end(&self) -> u64 {
        self.data() + self.stored
    }

    const fn method(&self) -> u16 {
        if self.deflated { 8 } else { 0 }
    }

    fn sizes(&self, out: &mut Vec<u8>) {
        // Both are below 2 GiB: see `MAX_MEMBER`.
        for size in [self.stored, self.size] {
            put32(out, u32::try_from(size).unwrap_or(u32::MAX));
        }
        put16(out, u16::try_from(self.name.len()).unwrap_or(u16::MAX));
    }

    pub(super) fn local(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(LOCAL_BYTES + self.name.len());
        put32(&mut out, LOCAL);
        for field in [20, UTF_8, self.method(), 0, DAY] {
            put16(&mut out, field);
        }
        put32(&mut out, self.crc);
        self.sizes(&mut out);
        put16(&mut out, 0);
        out.extend_from_slice(self.name.as_bytes());
        out
    }

    pub(super) fn central(&self, out: &mut Vec<u8>) {
        let is_far = self.offset >= FULL_32;
        put32(out, CENTRAL);
        for field in [UNIX | 45, if is_far { 45 } else { 20 }, UTF_8, self.method(), 0, DAY] {
            put16(out, field);
        }
        put32(out, self.crc);
        self.sizes(out);
        for field in [if is_far { 12 } else { 0 }, 0, 0, 0] {
            put16(out, field);
        }
        put32(out, MODE);
        put32(out, u32::try_from(self.offset).unwrap_or(u32::MAX));
        out.extend_from_slice(self.name.as_bytes());
        if is_far {
            put16(out, 1);
            put16(out, 8);
            put64(out, self.offset);
        }
    }
}

/// The directory of an archive, and its end.
pub(super) fn directory(members: &[Member]) -> Vec<u8> {
    let start = members.last().map_or(0, Member::end);
    let mut out = Vec::with_capacity(members.len() * (CENTRAL_BYTES + 64) + END_BYTES);
    members.iter().for_each(|member| member.central(&mut out));
    let (count, bytes) = (members.len() as u64, out.len() as u64);
    if count >= FULL_16 || bytes >= FULL_32 || start >= FULL_32 {
        let at = start + bytes;
        put32(&mut out, END_64);
        put64(&mut out, 44);
        put16(&mut out, UNIX | 45);
        put16(&mut out, 45);
        put32(&mut out, 0);
        put32(&mut out, 0);
        for field in [count, count, bytes, start] {
            put64(&mut out, field);
        }
        put32(&mut out, LOCATOR_64);
        put32(&mut out, 0);
        put64(&mut out, at);
        put32(&mut out, 1);
    }
    put32(&mut out, END);
    let short = u16::try_from(count).unwrap_or(u16::MAX);
    for field in [0, 0, short, short] {
        put16(&mut out, field);
    }
    put32(&mut out, u32::try_from(bytes).unwrap_or(u32::MAX));
    put32(&mut out, u32::try_from(start).unwrap_or(u32::MAX));
    put16(&mut out, 0);
    out
}

/// Where the directory begins and how many members it has, as the end of the archive says. Whether all of it is as it should
/// be is seen when it is written anew.
pub(super) fn end(tail: &[u8]) -> Option<(u64, u64)> {
    let end = tail.last_chunk::<END_BYTES>()?;
    if get32(end, 0)? != END {
        return None;
    }
    let (count, start) = (u64::from(get16(end, 10)?), u64::from(get32(end, 16)?));
    if count < FULL_16 && start < FULL_32 && u64::from(get32(end, 12)?) < FULL_32 {
        return Some((start, count));
    }
    let wide = tail.len().checked_sub(END_BYTES + END_64_BYTES).and_then(|at| tail.get(at..))?;
    if get32(wide, 0)? != END_64 {
        return None;
    }
    Some((get64(wide, 48)?, get64(wide, 32)?))
}

/// Reads a record of the directory; the member, and how many bytes the record has.
pub(super) fn central(bytes: &[u8]) -> Option<(Member, usize)> {
    if get32(bytes, 0)? != CENTRAL {
        return None;
    }
    let (name, extra) = (usize::from(get16(bytes, 28)?), usize::from(get16(bytes, 30)?));
    let text = std::str::from_utf8(bytes.get(CENTRAL_BYTES..CENTRAL_BYTES + name)?).ok()?;
    let short = u64::from(get32(bytes, 42)?);
    let offset = if extra == 0 { short } else { get64(bytes, CENTRAL_BYTES + name + 4)? };
    let member = Member {
        name: text.into(),
        crc: get32(bytes, 16)?,
        deflated: get16(bytes, 10)? == 8,
        stored: get32(bytes, 20)?.into(),
        size: get32(bytes, 24)?.into(),
        offset,
    };
    Some((member, CENTRAL_BYTES + name + extra))
}

/// A name that means the same place everywhere, and none outside of the directory that the archive is unpacked into.
pub(super) fn check_name(name: &str) -> Result<(), PackError> {
    let is_plain = |c: char| c.is_ascii_graphic() && !matches!(c, '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|');
    let mut parts = name.split('/');
    let is_good = !name.is_empty()
        && name.len() <= MAX_NAME
        && name.chars().all(is_plain)
        && parts.all(|part| !part.is_empty() && part != "." && part != ".." && !part.ends_with('.'))
        && Path::new(name).components().all(|c| matches!(c, Component::Normal(_)));
    if is_good { Ok(()) } else { Err(PackError::Name { name: name.escape_default().take(80).collect() }) }
}

fn put16(out: &mut Vec<u8>, value: u16) {
    out.extend_from_slice(&value.to_le_bytes());
}

fn put32(out: &mut Vec<u8>, value: u32) {
    out.extend_from_slice(&value.to_le_bytes());
}

fn put64(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(&value.to_le_bytes());
}

fn get<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk::<N>().copied()
}

fn get16(bytes: &[u8], at: usize) -> Option<u16> {
    get(bytes, at).map(u16::from_le_bytes)
}

fn get32(bytes: &[u8], at: usize) -> Option<u32> {
    get(bytes, at).map(u32::from_le_bytes)
}

fn get64(bytes: &[u8], at: usize) -> Option<u64> {
    get(bytes, at).map(u64::from_le_bytes)
}
