//! Other processes on the same directory append through the one that holds the lock, by a local socket in `tmp/`.
//!
//! One request and one answer at a time on a connection. A request is a length (u32, big-endian), a JSON head of that
//! many bytes, and the blobs that the head gives the sizes of, one after the other. An answer is a length and JSON.
//! Who may reach the socket is what may write the directory: the socket grants nothing more.

use std::collections::BTreeSet;
use std::io::{self, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

use countersign_evidence::merkle::Hash;
use countersign_evidence::note::{Note, Signature};
use countersign_model::{ActorId, Diagnostic as _, Digest, EventKind, Exit, Retention, StreamId, Timestamp};
use serde::{Deserialize, Serialize};

use super::Embedded;
use crate::append::{Appended, Batch, NewBlob, NewEntry};
use crate::blob::MAX_BLOB_BYTES;
use crate::engine::{Engine as _, KeyChange};
use crate::layout::{Paths, TMP};
use crate::lock;
use crate::{Blobs, Error, Notice, Removal};

/// The largest head of a request or answer.
const MAX_HEAD: u32 = 64 << 20;
/// The blobs of one request together.
const MAX_BLOBS: u64 = 2 * MAX_BLOB_BYTES;
/// How long a process waits for the other one; a sync on a busy disk takes seconds.
const PATIENCE: Duration = Duration::from_secs(60);
/// Blobs that one request removes at most.
const MAX_REMOVED: usize = 4096;
/// Connections that are served at once; further ones wait.
const MAX_CONNECTIONS: usize = 256;

/// What is asked: to append, also a batch that exchanges keys, to add cosignatures to the checkpoint with this text, or to
/// remove blobs.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Ask {
    /// See [`crate::Engine::exchange`]. The blobs of the batch follow.
    Exchange {
        v: u32,
        exchange: KeyChange,
        append: Head,
    },
    /// See [`crate::Engine::remove_blobs`].
    Remove {
        v: u32,
        remove: Vec<Digest>,
        seen: u64,
        spared: Vec<u64>,
    },
    /// A note of that text with the cosignatures alone.
    Cosign {
        v: u32,
        cosign: String,
    },
    Append(Head),
}

/// A request as it was read, its blobs included.
enum Request {
    Append(Batch, Timestamp),
    Exchange(Batch, Timestamp, KeyChange),
    Remove(Blobs, u64, BTreeSet<u64>),
    Cosign(Note),
}

#[derive(Serialize, Deserialize)]
struct Head {
    v: u32,
    now: Timestamp,
    expect: Vec<(StreamId, u64)>,
    expect_size: Option<u64>,
    key: Option<String>,
    #[serde(default)]
    sealed_with: Option<String>,
    entries: Vec<EntryHead>,
}

#[derive(Serialize, Deserialize)]
struct EntryHead {
    kind: EventKind,
    stream: StreamId,
    actor: ActorId,
    retention: Retention,
    refs: Vec<u64>,
    /// The payload, then the attachments.
    blobs: Vec<BlobHead>,
}

#[derive(Serialize, Deserialize)]
struct BlobHead {
    size: u64,
    media: String,
}

#[derive(Serialize, Deserialize)]
enum Answer {
    Appended { first_index: u64, size: u64, root: Digest, time: Timestamp, checkpoint: String, repeated: bool },
    Cosigned { current: bool },
    Removed { removed: u64, shared: Vec<Digest>, refused: Vec<(Digest, String)> },
    Refused { code: String, what: String, help: String, exit: u8, conflict: bool },
}

impl Answer {
    fn of(a: Appended) -> Self {
        let (root, checkpoint) = (Digest::from_bytes(a.root), a.checkpoint);
        let (first_index, size, time, repeated) = (a.first_index, a.size, a.time, a.repeated);
        Self::Appended { first_index, size, root, time, checkpoint, repeated }
    }
}

/// The socket's path. It is short whatever the ledger's own path is, for a socket's may have a hundred bytes only.
struct Place {
    path: PathBuf,
    /// Keeps the directory that `path` goes through.
    _dir: std::fs::File,
}

impl Place {
    fn of(paths: &Paths) -> io::Result<Self> {
        let dir = std::fs::File::open(paths.at(TMP))?;
        let long = paths.at(TMP).join("socket");
        #[cfg(target_os = "linux")]
        let path = {
            use std::os::fd::AsRawFd as _;
            let through = PathBuf::from(format!("/proc/self/fd/{}/socket", dir.as_raw_fd()));
            if long.as_os_str().len() < 100 { long } else { through }
        };
        #[cfg(not(target_os = "linux"))]
        let path = long;
        Ok(Self { path, _dir: dir })
    }
}

/// Serves other processes until it is dropped.
pub(super) struct Listener {
    place: Place,
    ended: Arc<AtomicBool>,
    accepting: Option<JoinHandle<()>>,
}

impl Listener {
    pub(super) fn start(paths: &Paths, engine: &Arc<Embedded>) -> Result<Self, Error> {
        let writing = |e| Error::writing("listen at", "tmp/socket", e);
        let place = Place::of(paths).map_err(writing)?;
        // The lock is ours, so a socket that is left there has nobody behind it.
        match std::fs::remove_file(&place.path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(writing(e)),
            _ => {}
        }
        let listener = UnixListener::bind(&place.path).map_err(writing)?;
        let ended = Arc::new(AtomicBool::new(false));
        let accepting = {
            let (engine, ended) = (Arc::downgrade(engine), Arc::clone(&ended));
            let named = std::thread::Builder::new().name("ledger-socket".into());
            named.spawn(move || accept_loop(&listener, &engine, &ended)).map_err(super::thread_failed)?
        };
        Ok(Self { place, ended, accepting: Some(accepting) })
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        // Wakes the one who waits for connections.
        let _ = UnixStream::connect(&self.place.path);
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
        let _ = std::fs::remove_file(&self.place.path);
    }
}

fn accept_loop(listener: &UnixListener, engine: &Weak<Embedded>, ended: &AtomicBool) {
    let busy = Arc::new(());
    for stream in listener.incoming() {
        if ended.load(Ordering::SeqCst) {
            return;
        }
        let Ok(stream) = stream else { continue };
        if Arc::strong_count(&busy) > MAX_CONNECTIONS {
            continue;
        }
        let (engine, busy) = (Weak::clone(engine), Arc::clone(&busy));
        // Where no thread is to be had, the connection closes, and the other process says so.
        let _ = std::thread::Builder::new().name("ledger-client".into()).spawn(move || {
            let _busy = busy;
            serve(stream, &engine)
        });
    }
}

fn serve(mut stream: UnixStream, engine: &Weak<Embedded>) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    while let Some(request) = read_request(&mut stream)? {
        let Some(engine) = engine.upgrade() else { return Ok(()) };
        let done = match request {
            Request::Append(batch, now) => engine.append(batch, now).map(Answer::of),
            Request::Exchange(batch, now, change) => engine.exchange(batch, now, &change).map(Answer::of),
            Request::Remove(blobs, seen, spared) => engine.remove_blobs(blobs, seen, &spared).map(|done| {
                let (removed, refused) = (done.removed, done.refused);
                Answer::Removed { removed, shared: done.shared.into_iter().collect(), refused }
            }),
            Request::Cosign(note) => {
                engine.add_cosignatures(&note.text, &note.signatures).map(|current| Answer::Cosigned { current })
            }
        };
        let answer = match done {
            Ok(answer) => answer,
            Err(e) => Answer::Refused {
                code: e.code().to_owned(),
                what: e.to_string(),
                help: e.help(),
                exit: e.exit().code(),
                conflict: e.is_conflict(),
            },
        };
        drop(engine);
        write_message(&mut stream, &serde_json::to_vec(&answer)?)?;
    }
    Ok(())
}

fn write_message(stream: &mut UnixStream, bytes: &[u8]) -> io::Result<()> {
    let length = u32::try_from(bytes.len()).map_err(|_| io::ErrorKind::InvalidData)?;
    stream.write_all(&length.to_be_bytes())?;
    stream.write_all(bytes)
}

/// `None` at the end of the connection.
fn read_message(stream: &mut UnixStream) -> io::Result<Option<Vec<u8>>> {
    let mut length = [0; 4];
    if let Err(e) = stream.read_exact(&mut length) {
        return if e.kind() == io::ErrorKind::UnexpectedEof { Ok(None) } else { Err(e) };
    }
    let length = u32::from_be_bytes(length);
    if length > MAX_HEAD {
        return Err(io::ErrorKind::InvalidData.into());
    }
    read_bytes(stream, u64::from(length)).map(Some)
}

/// Memory grows with what really comes, not with what was announced.
fn read_bytes(stream: &mut UnixStream, length: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    stream.take(length).read_to_end(&mut bytes)?;
    if bytes.len() as u64 == length { Ok(bytes) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

fn read_request(stream: &mut UnixStream) -> io::Result<Option<Request>> {
    let Some(head) = read_message(stream)? else { return Ok(None) };
    let (head, change) = match serde_json::from_slice(&head)? {
        Ask::Append(head) => (head, None),
        Ask::Exchange { exchange, append, .. } => (append, Some(exchange)),
        Ask::Remove { remove, seen, spared, .. } => {
            let blobs = Blobs { alone: remove.into_iter().collect(), ..Blobs::default() };
            return Ok(Some(Request::Remove(blobs, seen, spared.into_iter().collect())));
        }
        Ask::Cosign { cosign, .. } => {
            let note = Note::parse(cosign.as_bytes()).map_err(|_| io::ErrorKind::InvalidData)?;
            return Ok(Some(Request::Cosign(note)));
        }
    };
    let mut room = MAX_BLOBS;
    let mut entries = Vec::new();
    for entry in head.entries {
        let mut blobs = Vec::new();
        for blob in entry.blobs {
            room = room.checked_sub(blob.size).ok_or(io::ErrorKind::InvalidData)?;
            blobs.push(NewBlob { bytes: read_bytes(stream, blob.size)?, media: blob.media });
        }
        let mut blobs = blobs.into_iter();
        let payload = blobs.next().ok_or(io::ErrorKind::InvalidData)?;
        entries.push(NewEntry {
            kind: entry.kind,
            stream: entry.stream,
            actor: entry.actor,
            retention: entry.retention,
            refs: entry.refs,
            payload,
            attachments: blobs.collect(),
        });
    }
    let (expect, expect_size, key) = (head.expect, head.expect_size, head.key);
    let batch = Batch { entries, expect, expect_size, key, sealed_with: head.sealed_with };
    Ok(Some(match change {
        Some(change) => Request::Exchange(batch, head.now, change),
        None => Request::Append(batch, head.now),
    }))
}

/// A connection to the process that writes the ledger.
pub(crate) struct Client {
    stream: UnixStream,
    holder: Option<u32>,
}

impl Client {
    /// Connects to the engine that has the ledger open; `None` when there is none that lets others append.
    pub(crate) fn connect(paths: &Paths) -> Result<Option<Self>, Error> {
        let Ok(place) = Place::of(paths) else { return Ok(None) };
        let Ok(stream) = UnixStream::connect(&place.path) else { return Ok(None) };
        Ok(Some(Self { stream, holder: lock::named_holder(paths) }))
    }

    pub(crate) fn append(&mut self, batch: Batch, now: Timestamp) -> Result<Appended, Error> {
        let holder = self.holder;
        self.send(batch, now, None).map_err(|source| Error::WriterGone { holder, source })?
    }

    /// As [`crate::Engine::exchange`].
    pub(crate) fn exchange(&mut self, batch: Batch, now: Timestamp, change: &KeyChange) -> Result<Appended, Error> {
        let holder = self.holder;
        self.send(batch, now, Some(change.clone())).map_err(|source| Error::WriterGone { holder, source })?
    }

    /// As [`crate::Engine::remove_blobs`], some at a time: others append in between, and no answer takes long.
    pub(crate) fn remove_blobs(&mut self, blobs: Blobs, seen: u64, spared: &BTreeSet<u64>) -> Result<Removal, Error> {
        let holder = self.holder;
        let mut removal = Removal { shared: blobs.shared, ..Removal::default() };
        let going: Vec<Digest> = blobs.alone.into_iter().collect();
        for some in going.chunks(MAX_REMOVED) {
            let ask = Ask::Remove { v: 1, remove: some.to_vec(), seen, spared: spared.iter().copied().collect() };
            let answer = self.limit().and_then(|()| {
                write_message(&mut self.stream, &serde_json::to_vec(&ask)?)?;
                self.answer()
            });
            match answer.map_err(|source| Error::WriterGone { holder, source })? {
                Answer::Removed { removed, shared, refused } => {
                    removal.removed = removal.removed.saturating_add(removed);
                    removal.shared.extend(shared);
                    removal.refused.extend(refused);
                }
                Answer::Refused { code, what, help, exit, conflict } => {
                    return Err(refused(&code, what, help, exit, conflict));
                }
                _ => return Err(Error::WriterGone { holder, source: io::ErrorKind::InvalidData.into() }),
            }
        }
        Ok(removal)
    }

    /// As [`crate::Engine::add_cosignatures`].
    pub(crate) fn add_cosignatures(&mut self, text: &str, added: &[Signature]) -> Result<bool, Error> {
        let holder = self.holder;
        let note = Note { text: text.to_owned(), signatures: added.to_vec() };
        let ask = Ask::Cosign { v: 1, cosign: note.to_string() };
        let answer = self.limit().and_then(|()| {
            write_message(&mut self.stream, &serde_json::to_vec(&ask)?)?;
            self.answer()
        });
        match answer.map_err(|source| Error::WriterGone { holder, source })? {
            Answer::Cosigned { current } => Ok(current),
            Answer::Refused { code, what, help, exit, conflict } => Err(refused(&code, what, help, exit, conflict)),
            _ => Err(Error::WriterGone { holder, source: io::ErrorKind::InvalidData.into() }),
        }
    }

    fn limit(&self) -> io::Result<()> {
        self.stream.set_read_timeout(Some(PATIENCE))?;
        self.stream.set_write_timeout(Some(PATIENCE))
    }

    fn answer(&mut self) -> io::Result<Answer> {
        let answer = read_message(&mut self.stream)?.ok_or(io::ErrorKind::UnexpectedEof)?;
        Ok(serde_json::from_slice(&answer)?)
    }

    fn send(&mut self, batch: Batch, now: Timestamp, change: Option<KeyChange>) -> io::Result<Result<Appended, Error>> {
        self.limit()?;
        let entries = batch.entries.iter().map(|entry| EntryHead {
            kind: entry.kind,
            stream: entry.stream.clone(),
            actor: entry.actor.clone(),
            retention: entry.retention,
            refs: entry.refs.clone(),
            blobs: std::iter::once(&entry.payload)
                .chain(&entry.attachments)
                .map(|b| BlobHead { size: b.bytes.len() as u64, media: b.media.clone() })
                .collect(),
        });
        let append = Head {
            v: 1,
            now,
            expect: batch.expect.clone(),
            expect_size: batch.expect_size,
            key: batch.key.clone(),
            sealed_with: batch.sealed_with.clone(),
            entries: entries.collect(),
        };
        let ask = match change {
            None => Ask::Append(append),
            Some(exchange) => Ask::Exchange { v: 1, exchange, append },
        };
        write_message(&mut self.stream, &serde_json::to_vec(&ask)?)?;
        for entry in &batch.entries {
            for blob in std::iter::once(&entry.payload).chain(&entry.attachments) {
                self.stream.write_all(&blob.bytes)?;
            }
        }
        Ok(match self.answer()? {
            Answer::Appended { first_index, size, root, time, checkpoint, repeated } => {
                let root: Hash = *root.as_bytes();
                Ok(Appended { first_index, size, root, time, checkpoint, repeated, notices: Vec::<Notice>::new() })
            }
            Answer::Refused { code, what, help, exit, conflict } => Err(refused(&code, what, help, exit, conflict)),
            _ => return Err(io::ErrorKind::InvalidData.into()),
        })
    }
}

fn refused(code: &str, what: String, help: String, exit: u8, conflict: bool) -> Error {
    let exit = Exit::from_code(exit).unwrap_or(Exit::Backend);
    Error::Told { code: known_code(code), what, help, exit, conflict }
}

/// The code as this program knows it. The other process may be of a newer version.
fn known_code(code: &str) -> &'static str {
    crate::EXPLANATIONS
        .iter()
        .chain(countersign_evidence::EXPLANATIONS)
        .map(|e| e.code)
        .find(|known| *known == code)
        .unwrap_or(crate::code::WRITER_GONE)
}
