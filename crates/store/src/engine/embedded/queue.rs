//! Where callers wait. What comes while a group is made durable is the next group; whoever is in it waits for one answer that
//! wakes all of them.
//!
//! One caller at a time has the turn: it may change the log. The writer's thread takes it for every group. A caller that is
//! alone takes it too, and writes by itself: no other thread has to wake for it.

use std::mem;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};

use crate::Error;
use crate::append::Appended;
use crate::engine::prepare::Prepared;

/// Appends that may wait for the writer; who comes later waits until there is room.
const QUEUE: usize = 1024;

type Answer = Result<Appended, Error>;

/// Those who are answered together.
#[derive(Debug, Default)]
struct Group {
    /// An answer for each, in the order in which they came. Nothing for those whose writer died.
    answers: OnceLock<Vec<Mutex<Option<Answer>>>>,
}

#[derive(Debug, Default)]
struct State {
    waiting: Vec<Prepared>,
    group: Arc<Group>,
    /// Whether somebody has the turn.
    is_taken: bool,
    /// Whether nothing will be written any more.
    has_ended: bool,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    /// There is something to write, or nothing will come any more.
    work: Condvar,
    /// There is room.
    room: Condvar,
    /// Callers between their first and their last step.
    callers: AtomicUsize,
}

/// A caller, from its first step to its last.
pub(super) struct Caller<'a>(&'a Queue);

impl Drop for Caller<'_> {
    fn drop(&mut self) {
        self.0.callers.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The right to change the log. Whoever dies with it ends the queue: nobody knows what is in the log then.
pub(super) struct Turn<'a>(&'a Queue);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.is_taken = false;
        if std::thread::panicking() {
            self.0.give_up(&mut state);
        }
        if !state.waiting.is_empty() || state.has_ended {
            self.0.work.notify_all();
        }
    }
}

/// What a caller does next.
pub(super) enum Next<'a> {
    /// It has the turn, and its batch back.
    Write(Turn<'a>, Box<Prepared>),
    /// Its answer will come.
    Wait(Ticket),
}

/// A place in a group.
pub(super) struct Ticket {
    group: Arc<Group>,
    place: usize,
}

impl Ticket {
    /// Waits for the answer; `None` when the writer died.
    pub(super) fn wait(self) -> Option<Answer> {
        let answer = self.group.answers.wait().get(self.place)?;
        answer.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// A group on its way into the log.
pub(super) struct Writing<'a> {
    _turn: Turn<'a>,
    group: Arc<Group>,
}

impl Writing<'_> {
    /// Answers everybody in the group.
    pub(super) fn answer(self, answers: Vec<Answer>) {
        let answers = answers.into_iter().map(|answer| Mutex::new(Some(answer))).collect();
        // It is set once: here, or when the writer dies.
        let _ = self.group.answers.set(answers);
    }
}

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        // Nobody waits for a writer that died. Where there was an answer, it stays.
        let _ = self.group.answers.set(Vec::new());
    }
}

impl Queue {
    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing is left half done while it is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A caller begins to prepare its batch.
    pub(super) fn enter(&self) -> Caller<'_> {
        self.callers.fetch_add(1, Ordering::Relaxed);
        Caller(self)
    }

    /// Hands a batch over, or takes the turn where nobody else is about; `None` when nothing will be written any more.
    pub(super) fn hand_over(&self, prepared: Prepared) -> Option<Next<'_>> {
        let mut state = self.state();
        while state.waiting.len() >= QUEUE && !state.has_ended {
            state = self.room.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.has_ended {
            return None;
        }
        let is_alone = !state.is_taken && state.waiting.is_empty() && self.callers.load(Ordering::Relaxed) == 1;
        if is_alone {
            state.is_taken = true;
            return Some(Next::Write(Turn(self), Box::new(prepared)));
        }
        let ticket = Ticket { group: Arc::clone(&state.group), place: state.waiting.len() };
        state.waiting.push(prepared);
        // Whoever has the turn looks for more when it is done.
        if ticket.place == 0 && !state.is_taken {
            self.work.notify_one();
        }
        Some(Next::Wait(ticket))
    }

    /// The writer's next group; `None` when nothing will come any more.
    pub(super) fn next(&self) -> Option<(Writing<'_>, Vec<Prepared>)> {
        let mut state = self.state();
        loop {
            if !state.is_taken && !state.waiting.is_empty() {
                break;
            }
            if !state.is_taken && state.has_ended {
                return None;
            }
            state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.is_taken = true;
        let (batches, group) = (mem::take(&mut state.waiting), mem::take(&mut state.group));
        drop(state);
        if batches.len() >= QUEUE {
            self.room.notify_all();
        }
        Some((Writing { _turn: Turn(self), group }, batches))
    }

    /// Nothing more is taken; what waits is still written.
    pub(super) fn end(&self) {
        self.state().has_ended = true;
        self.work.notify_all();
        self.room.notify_all();
    }

    fn give_up(&self, state: &mut State) {
        state.has_ended = true;
        state.waiting.clear();
        let _ = mem::take(&mut state.group).answers.set(Vec::new());
        self.room.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;
    use std::thread;
    use std::time::Duration;

    use countersign_model::{ActorId, EventKind, Retention, StreamId, Timestamp};

    use super::*;
    use crate::append::{Batch, NewBlob, NewEntry};
    use crate::engine::prepare::prepare;

    fn prepared(size: u64) -> Prepared {
        let entry = NewEntry {
            kind: EventKind::RunStarted,
            stream: StreamId::from_text("s"),
            actor: ActorId::from_text("a"),
            retention: Retention::SoxSevenYears,
            refs: Vec::new(),
            payload: NewBlob { bytes: Vec::new(), media: "m".into() },
            attachments: Vec::new(),
        };
        let batch = Batch { entries: vec![entry], expect_size: Some(size), ..Batch::default() };
        prepare(batch, Timestamp::from_millis(0)).unwrap()
    }

    /// An answer that tells whose it is.
    fn echo(batch: &Prepared) -> Answer {
        Err(Error::SizeConflict { expected: batch.expect_size.unwrap(), found: 0 })
    }

    fn number(answer: Option<Answer>) -> Option<u64> {
        match answer? {
            Err(Error::SizeConflict { expected, .. }) => Some(expected),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn everybody_gets_their_own_answer_and_one_at_a_time_has_the_turn() {
        let (queue, busy) = (Queue::default(), AtomicBool::new(false));
        let commit = |batches: &[Prepared]| -> Vec<Answer> {
            assert!(!busy.swap(true, Ordering::SeqCst), "two at once");
            thread::yield_now();
            let answers = batches.iter().map(echo).collect();
            busy.store(false, Ordering::SeqCst);
            answers
        };
        thread::scope(|scope| {
            let writer = scope.spawn(|| {
                while let Some((writing, batches)) = queue.next() {
                    let answers = commit(&batches);
                    writing.answer(answers);
                }
            });
            let callers: Vec<_> = (0..8_u64)
                .map(|caller| {
                    let (queue, commit) = (&queue, &commit);
                    scope.spawn(move || {
                        for n in 0..300 {
                            let _caller = queue.enter();
                            let own = caller * 1000 + n;
                            let answer = match queue.hand_over(prepared(own)) {
                                Some(Next::Write(_turn, batch)) => commit(&[*batch]).pop(),
                                Some(Next::Wait(ticket)) => ticket.wait(),
                                None => None,
                            };
                            assert_eq!(number(answer), Some(own));
                        }
                    })
                })
                .collect();
            callers.into_iter().for_each(|caller| caller.join().unwrap());
            queue.end();
            writer.join().unwrap();
        });
        assert!(queue.hand_over(prepared(0)).is_none());
    }

    #[test]
    fn a_caller_alone_writes_by_itself() {
        let queue = Queue::default();
        let first = queue.enter();
        let Some(Next::Write(turn, batch)) = queue.hand_over(prepared(7)) else { panic!("it has to wait") };
        assert_eq!(batch.expect_size, Some(7));
        // Who comes meanwhile waits for the writer.
        let second = queue.enter();
        let Some(Next::Wait(ticket)) = queue.hand_over(prepared(8)) else { panic!("two have the turn") };
        drop((turn, first));
        let (writing, batches) = queue.next().unwrap();
        writing.answer(batches.iter().map(echo).collect());
        assert_eq!(number(ticket.wait()), Some(8));
        drop(second);
    }

    #[test]
    fn nobody_waits_for_a_writer_that_died() {
        let queue = Queue::default();
        let (_one, _two) = (queue.enter(), queue.enter());
        let Some(Next::Wait(within)) = queue.hand_over(prepared(1)) else { panic!("it is not alone") };
        let (writing, _) = queue.next().unwrap();
        let Some(Next::Wait(behind)) = queue.hand_over(prepared(2)) else { panic!("the turn is taken") };
        let died = thread::scope(|scope| {
            let writer = scope.spawn(move || {
                let _writing = writing;
                thread::sleep(Duration::from_millis(1));
                panic!("it dies");
            });
            writer.join()
        });
        assert!(died.is_err());
        assert!(within.wait().is_none() && behind.wait().is_none());
        assert!(queue.hand_over(prepared(3)).is_none() && queue.next().is_none());
    }
}
