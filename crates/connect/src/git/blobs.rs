//! Reading blobs: one `cat-file --batch` per reader. It is asked one object at a time, or for a few that are announced.

use std::collections::VecDeque;
use std::io::{self, BufRead, Read, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::command::{Git, failed, is_object_id, start_error};
use super::repository::Repository;
use crate::Error;
use crate::process::Stream;

const WHAT: &str = "read an object";

/// The longest header line: an id, a type and a size, or a name that leads nowhere.
const LONGEST_HEADER: u64 = 8 * 1024;

/// What is left of an object that nobody wants is read and dropped up to this many bytes; beyond it a new process is
/// cheaper.
const WORTH_SKIPPING: u64 = 16 * 1024 * 1024;

/// The longest commit that is read for its message.
const MOST_COMMIT: u64 = 16 * 1024 * 1024;

/// How git is called for a repository.
#[derive(Debug, Clone)]
pub(super) enum Door {
    /// A repository that was found: it is named to git, so that nothing around it matters.
    Found(Repository),
    /// The repository that git itself finds from `dir`, or that a hook's environment names.
    Here {
        /// The program.
        git: Git,
        /// Where it is started.
        dir: PathBuf,
        /// Whether the variables that git sets for hooks count.
        in_hook: bool,
    },
}

impl Door {
    pub(super) fn command(&self) -> Command {
        match self {
            Self::Found(repository) => repository.command(),
            Self::Here { git, dir, in_hook: true } => git.command_in_hook(dir),
            Self::Here { git, dir, in_hook: false } => git.command(dir),
        }
    }

    fn is_id(&self, text: &str) -> bool {
        match self {
            Self::Found(repository) => repository.is_id(text),
            Self::Here { .. } => is_object_id(text),
        }
    }

    /// Whether an object that git calls missing has a file of its own all the same.
    fn holds_file_of(&self, id: &str) -> bool {
        let Self::Found(repository) = self else { return false };
        id.split_at_checked(2)
            .map(|(folder, name)| repository.common_dir().join("objects").join(folder).join(name))
            .is_some_and(|file| file.symlink_metadata().is_ok())
    }
}

/// Reads blobs of one repository through a git process of its own. A worker thread each; it starts with the first read
/// and starts anew after a damaged object.
pub struct BlobReader {
    door: Door,
    stream: Option<Stream>,
    /// Bytes of the last object that have not been read, the line break behind it included.
    pending: u64,
    /// What the process was asked for and has not been read yet, in order.
    asked: VecDeque<String>,
}

impl Repository {
    /// A reader of blobs.
    ///
    /// # Errors
    /// [`Error::GitMissing`] and the like, when the process cannot be started.
    pub fn reader(&self) -> Result<BlobReader, Error> {
        BlobReader::start(Door::Found(self.clone()))
    }
}

impl BlobReader {
    pub(super) fn start(door: Door) -> Result<Self, Error> {
        let mut reader = Self { door, stream: None, pending: 0, asked: VecDeque::new() };
        reader.stream()?;
        Ok(reader)
    }

    /// Asks for these blobs, which will be read next and in this order: git then works on one while another is looked
    /// at. No more than 32 at a time, for the pipe must take all of their ids. Anything else may be read instead.
    pub fn announce<'i>(&mut self, ids: impl IntoIterator<Item = &'i str>) {
        if !self.asked.is_empty() {
            self.reset();
        }
        self.skip_pending();
        let ids: Vec<&str> = ids.into_iter().filter(|id| self.door.is_id(id)).take(32).collect();
        let lines: String = ids.iter().flat_map(|id| [*id, "\n"]).collect();
        let sent = self.stream().is_ok_and(|stream| {
            stream.input().is_ok_and(|input| input.write_all(lines.as_bytes()).and_then(|()| input.flush()).is_ok())
        });
        match sent {
            true => self.asked.extend(ids.into_iter().map(str::to_owned)),
            // Each is asked for again, alone, and then it is told what is wrong.
            false => self.reset(),
        }
    }

    /// The content of the blob `id`, a full object id.
    ///
    /// # Errors
    /// [`Error::MissingObject`] when the repository does not hold it; [`Error::CorruptObject`] when it is damaged or no
    /// blob; [`Error::UnknownRevision`] when `id` is no object id. The reader can be used on after each of them.
    pub fn read(&mut self, id: &str) -> Result<BlobContent<'_>, Error> {
        if !self.door.is_id(id) {
            let revision = id.chars().map(crate::process::printable).take(200).collect();
            return Err(Error::UnknownRevision { revision });
        }
        match self.header(id, "blob")? {
            Some((found, size)) if found == id => Ok(BlobContent { reader: self, id: found, size, left: size }),
            Some(_) => {
                self.reset();
                Err(Error::GitAnswer { what: WHAT })
            }
            None => Err(self.absent(id)),
        }
    }

    /// The message of the commit `id`, a full object id: what its author wrote, and none of what git writes before it.
    ///
    /// # Errors
    /// As [`BlobReader::read`].
    pub fn read_message(&mut self, id: &str) -> Result<Vec<u8>, Error> {
        if !self.door.is_id(id) {
            let revision = id.chars().map(crate::process::printable).take(200).collect();
            return Err(Error::UnknownRevision { revision });
        }
        let Some((found, size)) = self.header(id, "commit")? else { return Err(self.absent(id)) };
        let mut bytes = BlobContent { reader: self, id: found, size, left: size }.bytes(MOST_COMMIT)?;
        // An empty line ends the headers; those that go on begin with a blank.
        let message = bytes.windows(2).position(|two| two == b"\n\n").map_or(bytes.len(), |at| at + 2);
        bytes.drain(..message);
        Ok(bytes)
    }

    /// The content of what `name` leads to, in any of git's notations without a line break; `None` when it leads
    /// nowhere.
    pub(super) fn read_named(&mut self, name: &str) -> Result<Option<BlobContent<'_>>, Error> {
        if name.contains('\n') {
            return Ok(None);
        }
        Ok(self.header(name, "blob")?.map(|(id, size)| BlobContent { reader: self, id, size, left: size }))
    }

    /// Id and size of the object of this kind that `name` leads to; its content comes next.
    fn header(&mut self, name: &str, wanted: &str) -> Result<Option<(String, u64)>, Error> {
        self.skip_pending();
        let known = self.asked.pop_front().is_some_and(|asked| asked == name);
        if !known && !self.asked.is_empty() {
            self.reset();
        }
        let header = match known {
            true => self.stream().map_err(io::Error::other).and_then(|stream| read_header(stream.output())),
            false => self.ask(name),
        };
        match header {
            Ok(Header::Found { id, kind, size }) => {
                self.pending = size.saturating_add(1);
                if kind != wanted {
                    return Err(Error::CorruptObject { id, detail: format!("it is a {kind}, not a {wanted}") });
                }
                Ok(Some((id, size)))
            }
            Ok(Header::Missing { .. }) => Ok(None),
            // Git ends itself over a damaged object, and says why.
            Ok(Header::End) => Err(self.post_mortem(name)),
            Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Err(self.post_mortem(name)),
            Err(source) => {
                self.reset();
                Err(start_error(source, WHAT))
            }
        }
    }

    fn ask(&mut self, name: &str) -> io::Result<Header> {
        let stream = self.stream().map_err(io::Error::other)?;
        let input = stream.input()?;
        input.write_all(name.as_bytes())?;
        input.write_all(b"\n")?;
        input.flush()?;
        read_header(stream.output())
    }

    fn stream(&mut self) -> Result<&mut Stream, Error> {
        if self.stream.is_none() {
            let mut command = self.door.command();
            command.args(["cat-file", "--batch"]).stdin(Stdio::piped());
            self.pending = 0;
            self.stream = Some(Stream::start(&mut command).map_err(|e| start_error(e, WHAT))?);
        }
        self.stream.as_mut().ok_or(Error::GitAnswer { what: WHAT })
    }

    /// Ends the process and forgets what it was asked for; the next read starts another.
    fn reset(&mut self) {
        self.stream = None;
        self.pending = 0;
        self.asked.clear();
    }

    /// Brings the process to the end of the last object.
    fn skip_pending(&mut self) {
        let pending = std::mem::take(&mut self.pending);
        let Some(stream) = self.stream.as_mut().filter(|_| pending > 0) else { return };
        let skipped = pending <= WORTH_SKIPPING
            && io::copy(&mut stream.output().take(pending), &mut io::sink()).is_ok_and(|n| n == pending);
        if !skipped {
            self.reset();
        }
    }

    /// Git calls an object missing too when the file that holds it makes no sense from its first byte.
    fn absent(&self, id: &str) -> Error {
        match self.door.holds_file_of(id) {
            true => {
                Error::CorruptObject { id: id.to_owned(), detail: "its file is there and cannot be read".to_owned() }
            }
            false => Error::MissingObject { id: id.to_owned() },
        }
    }

    /// Why the process ended over `id`.
    fn post_mortem(&mut self, id: &str) -> Error {
        self.pending = 0;
        self.asked.clear();
        let said = match self.stream.take().map(Stream::finish) {
            Some(Ok((_, said))) => said,
            _ => String::new(),
        };
        match failed(WHAT, &said) {
            Error::MissingObject { .. } => Error::MissingObject { id: id.to_owned() },
            _ if said.is_empty() => Error::CorruptObject { id: id.to_owned(), detail: "git ended over it".to_owned() },
            _ => Error::CorruptObject { id: id.to_owned(), detail: said },
        }
    }
}

/// The content of a blob, read as it comes. What is not read is skipped when the reader is used again.
pub struct BlobContent<'a> {
    reader: &'a mut BlobReader,
    id: String,
    size: u64,
    left: u64,
}

impl BlobContent<'_> {
    /// The blob's size in bytes, known before anything is read.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The whole content.
    ///
    /// # Errors
    /// [`Error::TooLarge`] when it is larger than `limit` bytes; [`Error::CorruptObject`] when it ends early.
    pub fn bytes(mut self, limit: u64) -> Result<Vec<u8>, Error> {
        if self.size > limit {
            return Err(Error::TooLarge { what: "a file", limit: "the limit for one file" });
        }
        let mut bytes = Vec::with_capacity(usize::try_from(self.size).unwrap_or(0).min(16 * 1024 * 1024));
        match self.read_to_end(&mut bytes) {
            Ok(_) => Ok(bytes),
            Err(e) => Err(Error::CorruptObject { id: self.id, detail: e.to_string() }),
        }
    }
}

impl Read for BlobContent<'_> {
    /// As [`Read::read`]. A blob that ends before its size is an error (`InvalidData`), never a short file.
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let want = usize::try_from(self.left).unwrap_or(usize::MAX).min(buf.len());
        let Some(buf) = buf.get_mut(..want).filter(|b| !b.is_empty()) else { return Ok(0) };
        let stream = self.reader.stream.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        let n = stream.output().read(buf)?;
        if n == 0 {
            let error = self.reader.post_mortem(&self.id);
            return Err(io::Error::new(io::ErrorKind::InvalidData, error));
        }
        let read = u64::try_from(n).unwrap_or(u64::MAX);
        self.left = self.left.saturating_sub(read);
        self.reader.pending = self.reader.pending.saturating_sub(read);
        Ok(n)
    }
}

/// The line in front of an object.
pub(super) enum Header {
    /// The object follows: `size` bytes and a line break.
    Found {
        /// Its id.
        id: String,
        /// `blob`, `commit`, `tree` or `tag`.
        kind: String,
        /// Its size in bytes.
        size: u64,
    },
    /// There is no such object.
    Missing {
        /// Its id.
        id: String,
    },
    /// There are no more objects.
    End,
}

/// Reads the line in front of an object (git-cat-file, "BATCH OUTPUT").
pub(super) fn read_header(output: &mut impl BufRead) -> io::Result<Header> {
    let mut line = Vec::new();
    output.by_ref().take(LONGEST_HEADER).read_until(b'\n', &mut line)?;
    if line.is_empty() {
        return Ok(Header::End);
    }
    let wrong = || io::Error::new(io::ErrorKind::InvalidData, "no header of an object");
    let text = std::str::from_utf8(&line).map_err(|_| wrong())?.strip_suffix('\n').ok_or_else(wrong)?;
    // What was asked for stands there as it was asked, blanks and all.
    if let Some(id) = text.strip_suffix(" missing") {
        return Ok(Header::Missing { id: id.to_owned() });
    }
    let mut words = text.split(' ');
    match (words.next(), words.next(), words.next(), words.next()) {
        (Some(id), Some(kind), Some(size), None) => {
            let size = size.parse().map_err(|_| wrong())?;
            Ok(Header::Found { id: id.to_owned(), kind: kind.to_owned(), size })
        }
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_reader_goes_to_any_thread() {
        fn fits<T: Send>() {}
        fits::<BlobReader>();
        fits::<Repository>();
    }

    proptest! {
        #[test]
        fn no_header_makes_it_fall_over(bytes: Vec<u8>) {
            let _ = read_header(&mut &bytes[..]);
        }
    }
}
