//! Digest, check sum and compression of members, on all cores. What comes back is in the order in which it was given, so that
//! a pack has the same bytes however many there are.

use std::collections::VecDeque;
use std::io;
use std::num::NonZeroUsize;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};

use countersign_model::Digest;
use flate2::{Compress, Compression, Crc, FlushCompress, Status};

/// Members smaller than this are not worth compressing.
const SMALL: usize = 64;
/// Threads at most.
const MOST: usize = 8;
/// Bytes that are handed over to a thread at once.
const BATCH: usize = 256 << 10;
/// Bytes that may be under way: this bounds the memory, whatever the pack's size.
const AHEAD: usize = 8 << 20;

/// A member that is to be prepared.
pub(super) struct Raw {
    pub(super) name: Box<str>,
    pub(super) content: Vec<u8>,
}

/// What is known of a member before it is written.
pub(super) struct Ready {
    pub(super) name: Box<str>,
    pub(super) digest: Digest,
    pub(super) crc: u32,
    /// Bytes of the content.
    pub(super) size: u64,
    /// The compressed stream, where it is smaller than the content.
    pub(super) deflated: Option<Vec<u8>>,
}

impl Ready {
    /// A member that is not compressed, so that there is one way only to write it.
    pub(super) fn as_it_is(name: Box<str>, content: &[u8]) -> Self {
        let mut crc = Crc::new();
        crc.update(content);
        Self { name, digest: Digest::of(content), crc: crc.sum(), size: content.len() as u64, deflated: None }
    }
}

/// A member, and its content where the compressed one does not take its place.
pub(super) type Done = (Ready, Vec<u8>);

/// What compresses, used again for the next member.
pub(super) struct Press(Compress);

impl Press {
    pub(super) fn new() -> Self {
        // The fast one: what is handed over is text that says the same words again and again.
        Self(Compress::new(Compression::fast(), false))
    }

    /// Prepares a member.
    pub(super) fn press(&mut self, name: Box<str>, content: &[u8]) -> io::Result<Ready> {
        let deflated = if content.len() >= SMALL { self.deflate(content)? } else { None };
        Ok(Ready { deflated, ..Ready::as_it_is(name, content) })
    }

    /// The compressed stream, where it is smaller.
    fn deflate(&mut self, content: &[u8]) -> io::Result<Option<Vec<u8>>> {
        self.0.reset();
        let mut out = Vec::with_capacity(content.len() / 3 + 64);
        loop {
            let read = usize::try_from(self.0.total_in()).unwrap_or(usize::MAX);
            let status = self.0.compress_vec(content.get(read..).unwrap_or_default(), &mut out, FlushCompress::Finish);
            if status.map_err(io::Error::other)? == Status::StreamEnd {
                return Ok((out.len() < content.len()).then_some(out));
            }
            if out.len() >= content.len() {
                return Ok(None);
            }
            out.reserve(content.len() / 3 + 64);
        }
    }
}

fn done_with(press: &mut Press, raw: Raw) -> io::Result<Done> {
    let ready = press.press(raw.name, &raw.content)?;
    let content = if ready.deflated.is_some() { Vec::new() } else { raw.content };
    Ok((ready, content))
}

struct Lane {
    give: Option<Sender<Vec<Raw>>>,
    take: Receiver<io::Result<Vec<Done>>>,
    thread: Option<JoinHandle<()>>,
}

/// Threads that prepare members.
pub(super) struct Lanes {
    lanes: Vec<Lane>,
    /// What is gathered for the next thread.
    batch: Vec<Raw>,
    bytes: usize,
    /// Which thread has which batches, the oldest first, with their bytes.
    under_way: VecDeque<(usize, usize)>,
    ahead: usize,
    next: usize,
}

impl Lanes {
    pub(super) fn new() -> Self {
        let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get).min(MOST);
        let lane = || {
            let ((give, given), (done, take)) = (channel::<Vec<Raw>>(), channel());
            let thread = thread::spawn(move || {
                let mut press = Press::new();
                for batch in given {
                    let ready: io::Result<Vec<Done>> =
                        batch.into_iter().map(|raw| done_with(&mut press, raw)).collect();
                    // Nobody listens any more when the pack was given up.
                    if done.send(ready).is_err() {
                        return;
                    }
                }
            });
            Lane { give: Some(give), take, thread: Some(thread) }
        };
        let lanes = (0..cores).map(|_| lane()).collect();
        Self { lanes, batch: Vec::new(), bytes: 0, under_way: VecDeque::new(), ahead: 0, next: 0 }
    }

    /// Takes a member; what is ready meanwhile comes back.
    pub(super) fn add(&mut self, raw: Raw) -> io::Result<Vec<Done>> {
        self.bytes += raw.content.len() + raw.name.len();
        self.batch.push(raw);
        if self.bytes < BATCH {
            return Ok(Vec::new());
        }
        self.hand_over()?;
        let mut ready = Vec::new();
        while self.ahead > AHEAD {
            ready.extend(self.oldest()?);
        }
        Ok(ready)
    }

    /// Everything that is left.
    pub(super) fn rest(&mut self) -> io::Result<Vec<Done>> {
        self.hand_over()?;
        let mut ready = Vec::new();
        while !self.under_way.is_empty() {
            ready.extend(self.oldest()?);
        }
        Ok(ready)
    }

    fn hand_over(&mut self) -> io::Result<()> {
        let (batch, bytes) = (std::mem::take(&mut self.batch), std::mem::take(&mut self.bytes));
        if batch.is_empty() {
            return Ok(());
        }
        let lane = self.lanes.get(self.next).and_then(|lane| lane.give.as_ref()).ok_or_else(broken)?;
        lane.send(batch).map_err(|_| broken())?;
        self.under_way.push_back((self.next, bytes));
        self.ahead += bytes;
        self.next = (self.next + 1) % self.lanes.len().max(1);
        Ok(())
    }

    fn oldest(&mut self) -> io::Result<Vec<Done>> {
        let Some((lane, bytes)) = self.under_way.pop_front() else { return Ok(Vec::new()) };
        self.ahead -= bytes;
        self.lanes.get(lane).ok_or_else(broken)?.take.recv().map_err(|_| broken())?
    }
}

impl Drop for Lanes {
    fn drop(&mut self) {
        self.lanes.iter_mut().for_each(|lane| lane.give = None);
        for thread in self.lanes.iter_mut().filter_map(|lane| lane.thread.take()) {
            // One that broke off was told already, by what did not come back.
            let _ = thread.join();
        }
    }
}

fn broken() -> io::Error {
    io::Error::other("a thread that compresses broke off")
}

#[cfg(test)]
mod tests {
    use super::{Done, Lanes, Press, Raw};

    fn raw(n: u32) -> Raw {
        // Lengths of all kinds, some that compress and some that do not.
        let len = [0, 1, 63, 64, 65, 1000, 40_000][n as usize % 7];
        let mut state = n;
        let bytes = (0..len).map(|at| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            if n.is_multiple_of(2) { (state >> 24) as u8 } else { b"the same words "[at % 15] }
        });
        Raw { name: format!("{n}").into(), content: bytes.collect() }
    }

    #[test]
    fn the_order_and_the_bytes_are_those_of_one_thread() {
        let (mut lanes, mut all): (Lanes, Vec<Done>) = (Lanes::new(), Vec::new());
        for n in 0..2000 {
            all.extend(lanes.add(raw(n)).unwrap());
        }
        all.extend(lanes.rest().unwrap());
        assert_eq!(all.len(), 2000);
        for (n, (ready, content)) in (0..).zip(all) {
            // A press that was never used before gives the same.
            let raw = raw(n);
            let alone = Press::new().press(raw.name, &raw.content).unwrap();
            assert!(ready.deflated.is_some() && content.is_empty() || content == raw.content);
            assert_eq!(*ready.name, *alone.name);
            assert_eq!((ready.digest, ready.crc, ready.size), (alone.digest, alone.crc, alone.size));
            assert!(ready.deflated == alone.deflated, "{n}");
        }
    }
}
