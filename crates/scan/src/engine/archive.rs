//! Files inside files: zip (and jar, war, docx, xlsx, odt, which are zips), tar and gzip, inside each other down to
//! three layers. Everything is read as a stream in bounded memory; how much is unpacked is bounded too, so that a small
//! file that unpacks to a huge one costs seconds and is told, not scanned in silence.
//!
//! A zip is read by its local headers (APPNOTE 6.3.10 §4.3.7), from the front: what is in the file is what is looked at,
//! whatever its directory at the end says.

use std::cell::Cell;
use std::io::{self, BufRead, BufReader, Read};

use countersign_model::TreePath;
use flate2::bufread::{DeflateDecoder, MultiGzDecoder};

use super::piece::Gathered;
use super::scanner::last;
use super::utf16::{Order, Utf16Reader};
use super::{FileResult, Match, SNIFF, Scanner, is_binary};

/// Archives inside archives are opened so deep.
const DEPTH: usize = 3;

/// How much is unpacked from one file, in bytes, whatever is inside what.
const UNPACKED: u64 = 1024 * 1024 * 1024;

/// How many files of one archive are looked at.
const MEMBERS: u32 = 100_000;

/// The longest name of a member, in bytes.
const NAME: usize = 4096;

/// How much of what tar says about a member is read, in bytes: a name, and records beside it.
const EXTENSION: u64 = 64 * 1024;

/// An archive by its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Zip,
    Gzip,
    Tar,
    /// One that is known and cannot be opened here, by its name.
    Closed(&'static str),
}

impl Kind {
    /// The kind that the first bytes of a file name.
    pub(super) fn of(head: &[u8]) -> Option<Self> {
        match head {
            [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => Some(Self::Zip),
            [0x1F, 0x8B, 8, ..] => Some(Self::Gzip),
            // POSIX.1-1988 §10.1.1: `ustar` in the field `magic`.
            [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, 0x59, 0x26, 0x53, 0x59, ..] => Some(Self::Closed("bzip2")),
            [0xFD, b'7', b'z', b'X', b'Z', 0, ..] => Some(Self::Closed("xz")),
            [0x28, 0xB5, 0x2F, 0xFD, ..] => Some(Self::Closed("Zstandard")),
            [b'7', b'z', 0xBC, 0xAF, 0x27, 0x1C, ..] => Some(Self::Closed("7z")),
            [b'R', b'a', b'r', b'!', 0x1A, 0x07, ..] => Some(Self::Closed("RAR")),
            _ if head.get(257..262) == Some(b"ustar") => Some(Self::Tar),
            _ => None,
        }
    }
}

/// What may still be unpacked, shared by all layers.
struct Budget<'e> {
    bytes: Cell<u64>,
    members: Cell<u32>,
    /// The rules that do not look at a packed file without a name.
    excluded: &'e [u32],
}

/// Counts what is unpacked and stops when it is too much.
struct Unpacked<'b, R> {
    inner: R,
    budget: &'b Budget<'b>,
}

const TOO_MUCH: &str = "unpacks to more than is looked at";

impl<R: Read> Read for Unpacked<'_, R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let left = self.budget.bytes.get();
        if left == 0 {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, TOO_MUCH));
        }
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(out.len());
        let n = self.inner.read(&mut out[..most])?;
        self.budget.bytes.set(left - n as u64);
        Ok(n)
    }
}

impl Scanner<'_> {
    /// Looks at everything in an archive. What could not be looked at is noted in `out`.
    ///
    /// `excluded` are the rules that do not look at the archive itself, nor at a packed file without a name.
    pub(super) fn archive(&self, kind: Kind, reader: &mut dyn Read, excluded: &[u32], out: &mut Gathered) {
        self.archive_within(UNPACKED, MEMBERS, kind, reader, excluded, out);
    }

    fn archive_within(
        &self,
        bytes: u64,
        members: u32,
        kind: Kind,
        reader: &mut dyn Read,
        excluded: &[u32],
        out: &mut Gathered,
    ) {
        let budget = Budget { bytes: Cell::new(bytes), members: Cell::new(members), excluded };
        self.open(kind, reader, "", &budget, 1, out);
    }

    /// `inside` is the path of the archive within the outermost one; empty for that itself.
    fn open(
        &self,
        kind: Kind,
        reader: &mut dyn Read,
        inside: &str,
        budget: &Budget<'_>,
        depth: usize,
        out: &mut Gathered,
    ) {
        let result = match kind {
            Kind::Closed(form) => {
                let why = format!("packed with {form}, which is not opened here");
                Err(io::Error::new(io::ErrorKind::Unsupported, why))
            }
            Kind::Gzip => self.gzip(reader, inside, budget, depth, out),
            Kind::Tar => self.tar(reader, inside, budget, depth, out),
            Kind::Zip => self.zip(reader, inside, budget, depth, out),
        };
        if let Err(error) = result {
            let place = if inside.is_empty() { "the archive" } else { inside };
            out.note(format!("{place}: {}", error_text(&error)));
        }
    }

    fn gzip(
        &self,
        reader: &mut dyn Read,
        inside: &str,
        budget: &Budget<'_>,
        depth: usize,
        out: &mut Gathered,
    ) -> io::Result<()> {
        let mut unpacked = Unpacked { inner: MultiGzDecoder::new(BufReader::new(reader)), budget };
        // One file without a name of its own; its rules are those for the packed one's.
        self.member(&mut unpacked, inside, budget, depth, out)
    }

    fn tar(
        &self,
        reader: &mut dyn Read,
        inside: &str,
        budget: &Budget<'_>,
        depth: usize,
        out: &mut Gathered,
    ) -> io::Result<()> {
        let mut archive = tar::Archive::new(Unpacked { inner: reader, budget });
        let mut long: Option<Vec<u8>> = None;
        // The crate would read a name of any length into memory, so names are read here.
        for entry in archive.entries()?.raw(true) {
            let mut entry = entry?;
            let kind = entry.header().entry_type();
            if kind.is_gnu_longname() || kind.is_pax_local_extensions() {
                let mut text = Vec::new();
                (&mut entry).take(EXTENSION).read_to_end(&mut text)?;
                let name = if kind.is_gnu_longname() { Some(text) } else { pax_path(&text) };
                long = name.or(long);
                continue;
            }
            if kind.is_pax_global_extensions() || kind.is_gnu_longlink() {
                continue;
            }
            let name = long.take().unwrap_or_else(|| entry.path_bytes().into_owned());
            if !kind.is_file() {
                continue;
            }
            count(budget)?;
            let name = join(inside, name.strip_suffix(b"\0").unwrap_or(&name));
            self.member(&mut entry, &name, budget, depth, out)?;
        }
        Ok(())
    }

    fn zip(
        &self,
        reader: &mut dyn Read,
        inside: &str,
        budget: &Budget<'_>,
        depth: usize,
        out: &mut Gathered,
    ) -> io::Result<()> {
        let mut input = BufReader::new(reader);
        while let Some(header) = Header::read(&mut input)? {
            count(budget)?;
            let name = join(inside, &header.name);
            if header.is_encrypted() {
                out.note(format!("{name}: encrypted"));
                header.skip(&mut input)?;
                continue;
            }
            match header.method {
                0 if header.has_descriptor() && header.packed == 0 => {
                    return Err(io::Error::new(io::ErrorKind::Unsupported, "a stored member of unknown size"));
                }
                0 => {
                    let mut packed = (&mut input).take(header.packed);
                    self.member(&mut Unpacked { inner: &mut packed, budget }, &name, budget, depth, out)?;
                    io::copy(&mut packed, &mut io::sink())?;
                }
                8 => {
                    let mut decoder = DeflateDecoder::new(&mut input);
                    let mut unpacked = Unpacked { inner: &mut decoder, budget };
                    self.member(&mut unpacked, &name, budget, depth, out)?;
                    // The stream itself says where it ends.
                    io::copy(&mut unpacked, &mut io::sink())?;
                }
                method => {
                    out.note(format!("{name}: packed with method {method}, which is not known here"));
                    header.skip(&mut input)?;
                }
            }
            if header.has_descriptor() {
                descriptor(&mut input)?;
            }
        }
        Ok(())
    }

    /// One file of an archive: another archive, text, or nothing that is looked at.
    fn member(
        &self,
        reader: &mut dyn Read,
        name: &str,
        budget: &Budget<'_>,
        depth: usize,
        out: &mut Gathered,
    ) -> io::Result<()> {
        let mut head = Vec::with_capacity(SNIFF);
        (&mut *reader).take(SNIFF as u64).read_to_end(&mut head)?;
        if let Some(kind) = Kind::of(&head) {
            let mut all = io::Cursor::new(head).chain(reader);
            if depth == DEPTH {
                out.note(format!("{name}: an archive deeper than {DEPTH} layers"));
            } else {
                self.open(kind, &mut all, name, budget, depth + 1, out);
            }
            return Ok(());
        }
        let order = Order::of(&head);
        let excluded =
            if name.is_empty() { budget.excluded.to_vec() } else { self.rules.excluded(&TreePath::from_bytes(name)) };
        if order.is_none() && is_binary(&head) {
            return self.binary(reader, head, name, &excluded, out);
        }
        let before = out.matches.len();
        let mut all = io::Cursor::new(head).chain(reader);
        match order {
            Some(order) => self.stream(&mut Utf16Reader::new(all, order), &excluded, out)?,
            None => self.stream(&mut all, &excluded, out)?,
        };
        if !name.is_empty() {
            for found in &mut out.matches[before..] {
                found.inside = Some(name.to_owned());
            }
        }
        Ok(())
    }
}

impl Scanner<'_> {
    /// A file of an archive that is no text: what its end says, where that is wanted.
    fn binary(
        &self,
        reader: &mut dyn Read,
        head: Vec<u8>,
        name: &str,
        excluded: &[u32],
        out: &mut Gathered,
    ) -> io::Result<()> {
        let Some(wanted) = self.wants_end(excluded, &head) else { return Ok(()) };
        let (end, bytes) = last(&mut io::Cursor::new(head).chain(reader), wanted)?;
        if let FileResult::Text { matches, missed, .. } = self.by_end(excluded, &end, bytes) {
            let inside = (!name.is_empty()).then(|| name.to_owned());
            out.matches.extend(matches.into_iter().map(|found| Match { inside: inside.clone(), ..found }));
            if let Some(why) = missed {
                out.note(if name.is_empty() { why } else { format!("{name}: {why}") });
            }
        }
        Ok(())
    }
}

fn count(budget: &Budget<'_>) -> io::Result<()> {
    match budget.members.get().checked_sub(1) {
        Some(left) => {
            budget.members.set(left);
            Ok(())
        }
        None => Err(io::Error::new(io::ErrorKind::FileTooLarge, TOO_MUCH)),
    }
}

/// The path in the records of a pax header (POSIX.1-2001, pax, "pax Extended Header"): `LENGTH KEY=VALUE` and a line end.
fn pax_path(records: &[u8]) -> Option<Vec<u8>> {
    let mut rest = records;
    while let Some(space) = rest.iter().position(|b| *b == b' ') {
        let length: usize = std::str::from_utf8(&rest[..space]).ok()?.parse().ok()?;
        let record = rest.get(space + 1..length)?;
        if let Some(path) = record.strip_prefix(b"path=") {
            return Some(path.strip_suffix(b"\n").unwrap_or(path).to_vec());
        }
        rest = rest.get(length..)?;
    }
    None
}

/// A member's path within the outermost archive. What is no text or would break a line is escaped.
fn join(inside: &str, name: &[u8]) -> String {
    let name = name.get(..NAME).unwrap_or(name).escape_ascii().to_string();
    if inside.is_empty() { name } else { format!("{inside}!/{name}") }
}

/// In words that are the same everywhere, and without anything from the file.
fn error_text(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::FileTooLarge => TOO_MUCH.into(),
        io::ErrorKind::Unsupported => error.to_string(),
        io::ErrorKind::UnexpectedEof => "ends before it should".into(),
        _ => "broken".into(),
    }
}

/// A local file header (APPNOTE §4.3.7).
struct Header {
    flags: u16,
    method: u16,
    /// The size of the packed member; 0 where only a descriptor behind it says so.
    packed: u64,
    name: Vec<u8>,
}

impl Header {
    /// The next header; `None` where the members end.
    fn read(input: &mut impl BufRead) -> io::Result<Option<Self>> {
        let broken = || io::Error::new(io::ErrorKind::InvalidData, "no header where one must be");
        if input.fill_buf()?.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let signature = u32::from_le_bytes(bytes(input)?);
        match signature {
            0x0403_4B50 => {}
            // The directory, its end, or what may stand before it: no more members.
            0x0201_4B50 | 0x0605_4B50 | 0x0606_4B50 | 0x0806_4B50 => return Ok(None),
            _ => return Err(broken()),
        }
        let fixed: [u8; 26] = bytes(input)?;
        let u16_at = |n: usize| u16::from_le_bytes([fixed[n], fixed[n + 1]]);
        let u32_at = |n: usize| u32::from_le_bytes([fixed[n], fixed[n + 1], fixed[n + 2], fixed[n + 3]]);
        let mut name = vec![0; usize::from(u16_at(22))];
        input.read_exact(&mut name)?;
        let mut extra = vec![0; usize::from(u16_at(24))];
        input.read_exact(&mut extra)?;
        let packed = match u32_at(14) {
            u32::MAX => zip64_packed(&extra).ok_or_else(broken)?,
            size => u64::from(size),
        };
        Ok(Some(Self { flags: u16_at(2), method: u16_at(4), packed, name }))
    }

    const fn is_encrypted(&self) -> bool {
        self.flags & 1 != 0
    }

    const fn has_descriptor(&self) -> bool {
        self.flags & 8 != 0
    }

    /// Over a member that is not unpacked.
    fn skip(&self, input: &mut impl Read) -> io::Result<()> {
        if self.has_descriptor() && self.packed == 0 {
            return Err(io::Error::new(io::ErrorKind::Unsupported, "a member of unknown size that cannot be unpacked"));
        }
        let skipped = io::copy(&mut input.take(self.packed), &mut io::sink())?;
        if skipped < self.packed { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
    }
}

/// The packed size in the extra field of ZIP64 (APPNOTE §4.5.3): behind the unpacked size.
fn zip64_packed(mut extra: &[u8]) -> Option<u64> {
    while let [a, b, c, d, rest @ ..] = extra {
        let (id, length) = (u16::from_le_bytes([*a, *b]), usize::from(u16::from_le_bytes([*c, *d])));
        if id == 1 {
            return rest.get(8..16)?.try_into().ok().map(u64::from_le_bytes);
        }
        extra = rest.get(length..)?;
    }
    None
}

/// Over the descriptor behind a member (APPNOTE §4.3.9): an optional signature, a checksum, two sizes of four or eight
/// bytes each. Which of these it is, what follows tells.
fn descriptor(input: &mut impl BufRead) -> io::Result<()> {
    let first = u32::from_le_bytes(bytes(input)?);
    if first == 0x0807_4B50 {
        bytes::<4>(input)?;
    }
    bytes::<8>(input)?;
    let next = input.fill_buf()?;
    if !next.is_empty() && !next.starts_with(b"P") {
        bytes::<8>(input)?;
    }
    Ok(())
}

fn bytes<const N: usize>(input: &mut impl Read) -> io::Result<[u8; N]> {
    let mut out = [0; N];
    input.read_exact(&mut out)?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;
    use crate::RuleSet;

    #[test]
    fn a_bomb_is_told_and_bounded() {
        let rules = RuleSet::from_files([]).unwrap();
        let scanner = Scanner::new(&rules, &[7; 32]);
        let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        out.write_all(&[b'a'; 10_000]).unwrap();
        let bomb = out.finish().unwrap();
        let missed = |bytes, members, kind, archive: &[u8]| {
            let mut gathered = Gathered::default();
            scanner.archive_within(bytes, members, kind, &mut io::Cursor::new(archive), &[], &mut gathered);
            gathered.missed(&rules)
        };
        assert_eq!(missed(10_001, 1, Kind::Gzip, &bomb), None);
        assert_eq!(missed(9_999, 1, Kind::Gzip, &bomb), Some(format!("the archive: {TOO_MUCH}")));

        let mut tar = tar::Builder::new(Vec::new());
        for name in ["a", "b", "c"] {
            let mut header = tar::Header::new_ustar();
            header.set_size(1);
            tar.append_data(&mut header, name, &b"x"[..]).unwrap();
        }
        let tar = tar.into_inner().unwrap();
        assert_eq!(missed(1 << 20, 3, Kind::Tar, &tar), None);
        assert_eq!(missed(1 << 20, 2, Kind::Tar, &tar), Some(format!("the archive: {TOO_MUCH}")));
    }
}
