//! What auditors look at, recorded before they are shown it. Looks that come at once share one append: whoever comes first appends for
//! all who wait, and each goes on when its own look is in the log.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, PoisonError};

use countersign_model::event::EvidenceViewed;
use countersign_model::{Digest, EventKind};
use countersign_store::Session;

use super::{Visit, entry, lock};
use crate::app::Trouble;

/// Looks that wait for their append.
#[derive(Default)]
pub(crate) struct Looks {
    inner: Mutex<Inner>,
    changed: Condvar,
}

#[derive(Default)]
struct Inner {
    next: u64,
    /// Whether somebody appends at the moment.
    busy: bool,
    waiting: Vec<(u64, EvidenceViewed)>,
    done: BTreeMap<u64, Result<(), Trouble>>,
}

/// What somebody took upon themselves to append for others too. However that ends, they are told.
struct Turn<'a> {
    looks: &'a Looks,
    others: Vec<u64>,
    came_to: Result<(), Trouble>,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut inner = lock(&self.looks.inner);
        for ticket in &self.others {
            inner.done.insert(*ticket, self.came_to.clone());
        }
        inner.busy = false;
        drop(inner);
        self.looks.changed.notify_all();
    }
}

impl Looks {
    /// Waits until the look is recorded, by whomever.
    ///
    /// # Errors
    /// What the append said; then it is not known to be recorded, and nothing may be shown.
    fn record(
        &self,
        look: EvidenceViewed,
        append: &mut dyn FnMut(&[EvidenceViewed]) -> Result<(), Trouble>,
    ) -> Result<(), Trouble> {
        let mut inner = lock(&self.inner);
        let ticket = inner.next;
        inner.next += 1;
        inner.waiting.push((ticket, look));
        loop {
            if let Some(done) = inner.done.remove(&ticket) {
                return done;
            }
            if inner.busy {
                inner = self.changed.wait(inner).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            inner.busy = true;
            let waiting = std::mem::take(&mut inner.waiting);
            drop(inner);
            let (tickets, looks): (Vec<u64>, Vec<EvidenceViewed>) = waiting.into_iter().unzip();
            let others = tickets.into_iter().filter(|other| *other != ticket).collect();
            let came_to = Err(Trouble::internal("an auditor's look could not be recorded"));
            let mut turn = Turn { looks: self, others, came_to };
            turn.came_to = append(&looks);
            return turn.came_to.clone();
        }
    }
}

/// An auditor looks at something: first the log says so.
pub(crate) fn viewed(
    looks: &Looks,
    session: &mut Session,
    visit: &Visit,
    path: &str,
    query: Option<&str>,
) -> Result<(), Trouble> {
    let look = EvidenceViewed {
        person: visit.person.clone(),
        visit: visit.name.clone(),
        path: path.to_owned(),
        query: query.filter(|q| !q.is_empty()).map(|q| hidden(session, q)).transpose()?,
        time: session.now(),
    };
    looks.record(look, &mut |all| {
        session.transact::<(), Trouble>(|s| {
            let entries = all.iter().map(|look| entry(s, EventKind::EvidenceViewed, look)).collect::<Result<_, _>>()?;
            Ok((countersign_store::Plan { entries }, ()))
        })?;
        Ok(())
    })
}

/// What is recorded of a query, which may hold anything: whoever has the ledger's salt can tell whether it was this one.
fn hidden(session: &Session, query: &str) -> Result<Digest, Trouble> {
    let mut bytes = session.ledger().salt()?.to_vec();
    bytes.extend_from_slice(query.as_bytes());
    Ok(Digest::of(&bytes))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc::channel;

    use countersign_model::{PersonId, Timestamp};

    use super::*;

    fn look(n: usize) -> EvidenceViewed {
        let (person, visit) = (PersonId::from_text("per-1"), "visit".to_owned());
        EvidenceViewed { person, visit, path: format!("/{n}"), query: None, time: Timestamp::from_millis(0) }
    }

    #[test]
    fn looks_that_wait_are_appended_together_and_each_goes_on_when_its_own_is() {
        let looks = Arc::new(Looks::default());
        let log = Arc::new(Mutex::new(Vec::<Vec<String>>::new()));
        let (begun, begins) = channel();
        let (go_on, goes_on) = channel::<()>();
        let first = {
            let (looks, log) = (Arc::clone(&looks), Arc::clone(&log));
            std::thread::spawn(move || {
                looks.record(look(0), &mut |all| {
                    begun.send(()).unwrap();
                    goes_on.recv().unwrap();
                    lock(&log).push(all.iter().map(|l| l.path.clone()).collect());
                    Ok(())
                })
            })
        };
        begins.recv().unwrap();
        // While the first is appended, others come.
        let others: Vec<_> = (1..6)
            .map(|n| {
                let (looks, log) = (Arc::clone(&looks), Arc::clone(&log));
                std::thread::spawn(move || {
                    let own = format!("/{n}");
                    let done = looks.record(look(n), &mut |all| {
                        lock(&log).push(all.iter().map(|l| l.path.clone()).collect());
                        Ok(())
                    });
                    assert!(lock(&log).concat().contains(&own), "it goes on before its look is recorded");
                    done
                })
            })
            .collect();
        while lock(&looks.inner).waiting.len() < 5 {
            std::thread::yield_now();
        }
        assert_eq!(lock(&log).len(), 0);
        go_on.send(()).unwrap();
        assert_eq!(first.join().unwrap(), Ok(()));
        for other in others {
            assert_eq!(other.join().unwrap(), Ok(()));
        }
        let log = lock(&log);
        assert_eq!(log.len(), 2, "the five that waited share one append");
        let mut all = log.concat();
        all.sort();
        assert_eq!(all, ["/0", "/1", "/2", "/3", "/4", "/5"]);
        assert!(lock(&looks.inner).done.is_empty());
    }

    #[test]
    fn whoever_shares_an_append_that_fails_is_shown_nothing() {
        let looks = Arc::new(Looks::default());
        let (begun, begins) = channel();
        let (go_on, goes_on) = channel::<()>();
        // The first breaks off in the middle, as a fault of the program would have it.
        let first = {
            let looks = Arc::clone(&looks);
            std::thread::spawn(move || {
                looks.record(look(0), &mut |_| {
                    begun.send(()).unwrap();
                    goes_on.recv().unwrap();
                    panic!("broken off")
                })
            })
        };
        begins.recv().unwrap();
        let appends = Arc::new(AtomicUsize::new(0));
        let others: Vec<_> = (1..4)
            .map(|n| {
                let (looks, appends) = (Arc::clone(&looks), Arc::clone(&appends));
                std::thread::spawn(move || {
                    looks.record(look(n), &mut |_| {
                        appends.fetch_add(1, Ordering::SeqCst);
                        Err(Trouble::busy())
                    })
                })
            })
            .collect();
        while lock(&looks.inner).waiting.len() < 3 {
            std::thread::yield_now();
        }
        go_on.send(()).unwrap();
        assert!(first.join().is_err());
        for other in others {
            assert_eq!(other.join().unwrap(), Err(Trouble::busy()));
        }
        assert_eq!(appends.load(Ordering::SeqCst), 1);
        assert_eq!(looks.record(look(9), &mut |_| Ok(())), Ok(()), "the next one is recorded again");
        assert!(lock(&looks.inner).done.is_empty());
    }
}
