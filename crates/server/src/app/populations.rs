//! What controls were applied to, kept in memory: to tell it of a window, every decision in it is read, which takes a minute in a
//! large ledger. It is made beside the requests, one window at a time, for all controls at once, and pages say up to which entry of
//! the log it goes. Those of the last days come with each assessment.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use countersign_govern::assess::Window;
use countersign_govern::audit::population::{self, Population};
use countersign_govern::audit::populations::{self, Populations as All};
use countersign_model::{EventKind, Timestamp};
use countersign_store::Session;
use countersign_store::projection::PopulationRow;

use super::{App, Scope, Trouble, WINDOW_DAYS, live};

/// A log of fewer entries is read within a moment: whoever asks waits for it, and always sees how it is now.
const SMALL: u64 = 10_000;
/// How long they wait.
const PATIENCE: Duration = Duration::from_secs(10);
/// What is made for the first time in a large log is waited for so long: who asks for a page is soon told that it is being made.
const MOMENT: Duration = Duration::from_millis(50);
/// Windows that may wait to be made.
const WAITING: usize = 16;
/// Windows that are kept.
const KEPT: usize = 12;
/// Rows that are kept of all windows together, some fifty bytes each; the newest window is kept in any case.
const ROWS: usize = 20_000_000;
/// Sealed populations that are kept, and for how long: they do not change, but what they are read from may be damaged.
const SEALED: usize = 4;
const SEALED_FOR: Duration = Duration::from_secs(600);
/// How long one that could not be made is said to be so before it is tried again.
const FAILED_FOR: Duration = Duration::from_secs(10);
/// Time alone makes a window that ends now another one.
const MINUTE: Duration = Duration::from_secs(60);
/// How often it is looked whether the server still is.
const EVERY: Duration = Duration::from_millis(200);

/// A window of some applications.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    /// From when on; else 90 days before its end.
    pub(crate) from: Option<Timestamp>,
    /// Before when; else up to now.
    pub(crate) to: Option<Timestamp>,
    /// Applications, by id; none: all of them.
    pub(crate) applications: Vec<String>,
}

impl Asked {
    /// What an assessment looks at.
    pub(super) const fn newest() -> Self {
        Self { from: None, to: None, applications: Vec::new() }
    }

    /// The window, seen from a moment.
    pub(crate) fn window(&self, now: Timestamp) -> Window {
        let to = self.to.unwrap_or_else(|| now.plus_seconds(1));
        Window { from: self.from.unwrap_or_else(|| to.plus_seconds(-WINDOW_DAYS * 24 * 60 * 60)), to }
    }

    /// What of it is inside of a scope. Of an audit whose period is over, where nothing else is asked for: the whole period.
    pub(crate) fn inside(self, scope: &Scope, now: Timestamp) -> Result<Self, Trouble> {
        let whole = self.window(now);
        let (window, applications) = scope.population(now, whole, self.applications)?;
        if window.to != whole.to && self.from.is_none() {
            let ever = Window { from: Timestamp::from_millis(0), to: window.to };
            let (window, applications) = scope.population(now, ever, applications)?;
            return Ok(Self { from: Some(window.from), to: Some(window.to), applications });
        }
        let to = if window.to == whole.to { self.to } else { Some(window.to) };
        let from = if window.from == whole.from { self.from } else { Some(window.from) };
        Ok(Self { from, to, applications })
    }

    /// Whether what is kept of another one answers it as well.
    fn is_met_by(&self, kept: &Kept) -> bool {
        let is_same = || {
            let of = kept.all.window;
            (self.from, self.to, &self.applications) == (Some(of.from), Some(of.to), &kept.all.applications)
        };
        kept.asked == *self || is_same()
    }
}

/// How they stand.
#[derive(Debug)]
pub(crate) enum Stands {
    Ready(Arc<All>),
    /// They are being made.
    Being,
}

struct Kept {
    asked: Asked,
    all: Arc<All>,
    /// What of the log can change them, as it was then.
    seen: u64,
    took: Duration,
    at: Instant,
}

impl Kept {
    /// Whether they are to be made anew.
    fn is_due(&self, seen: u64, is_small: bool) -> bool {
        let is_other = self.seen < seen || self.at.elapsed() > MINUTE;
        // Making them is never more than a tenth of a core, as the assessment is.
        is_other && (is_small || self.at.elapsed() > self.took.saturating_mul(10).max(MINUTE))
    }
}

#[derive(Default)]
struct Inner {
    /// Newest use first.
    kept: VecDeque<Kept>,
    wanted: VecDeque<Asked>,
    being: Option<Asked>,
    failed: Vec<(Asked, Trouble, Instant)>,
    sealed: VecDeque<Sealed>,
}

struct Sealed {
    index: u64,
    whole: Arc<(PopulationRow, Population)>,
    at: Instant,
}

/// What was made of this server's ledger.
#[derive(Default)]
pub(crate) struct Populations {
    inner: Mutex<Inner>,
    changed: Condvar,
    /// Reading all decisions of a large log takes gigabytes: one does it at a time, the assessment or this.
    pub(super) reading: Mutex<()>,
}

impl Inner {
    fn find(&mut self, asked: &Asked) -> Option<&Kept> {
        let met = self.kept.iter().enumerate().filter(|(_, kept)| asked.is_met_by(kept));
        let (at, _) = met.max_by_key(|(_, kept)| kept.at)?;
        let kept = self.kept.remove(at)?;
        self.kept.push_front(kept);
        self.kept.front()
    }

    fn is_under_way(&self, asked: &Asked) -> bool {
        self.being.as_ref() == Some(asked) || self.wanted.contains(asked)
    }

    /// Why it could not be made just now; it is tried again soon.
    fn failure(&self, asked: &Asked) -> Option<Trouble> {
        let found = self.failed.iter().find(|(of, _, at)| of == asked && at.elapsed() < FAILED_FOR);
        found.map(|(_, trouble, _)| trouble.clone())
    }

    fn want(&mut self, asked: &Asked) -> Result<(), Trouble> {
        if !self.is_under_way(asked) {
            if self.wanted.len() >= WAITING {
                return Err(Trouble::busy());
            }
            self.wanted.push_back(asked.clone());
        }
        Ok(())
    }

    fn keep(&mut self, new: Kept) {
        self.failed.retain(|(asked, ..)| *asked != new.asked);
        // What was shown before is still taken away as it was shown.
        self.kept.push_front(new);
        let mut rows = 0;
        let mut n = 0;
        self.kept.retain(|kept| {
            rows += kept.all.weight();
            n += 1;
            n == 1 || (n <= KEPT && rows <= ROWS)
        });
    }
}

impl Populations {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps what was made with an assessment.
    pub(super) fn put(&self, asked: Asked, all: All, seen: u64, took: Duration) {
        self.lock().keep(Kept { asked, all: Arc::new(all), seen, took, at: Instant::now() });
        self.changed.notify_all();
    }

    /// Those of a window, or that they are being made. `goes_on`: whoever asks was given a part before, and goes on with the next of the same.
    pub(crate) fn stands(&self, session: &Session, asked: &Asked, goes_on: bool) -> Result<Stands, Trouble> {
        populations::known(session, &asked.applications)?;
        let (seen, is_small) = (seen(session)?, session.state().size() < SMALL);
        let until = Instant::now() + if is_small { PATIENCE } else { MOMENT };
        let mut inner = self.lock();
        loop {
            if let Some(kept) = inner.find(asked) {
                let (is_due, all) = (kept.is_due(seen, is_small), Arc::clone(&kept.all));
                if !is_due || goes_on {
                    return Ok(Stands::Ready(all));
                }
                // What is kept of a large log is shown until there is another.
                if !is_small {
                    inner.want(asked)?;
                    self.changed.notify_all();
                    return Ok(Stands::Ready(all));
                }
            } else if let Some(trouble) = inner.failure(asked) {
                return Err(trouble);
            }
            inner.want(asked)?;
            self.changed.notify_all();
            let patience = until.saturating_duration_since(Instant::now());
            let waits = |inner: &mut Inner| inner.is_under_way(asked);
            let waited =
                self.changed.wait_timeout_while(inner, patience, waits).unwrap_or_else(PoisonError::into_inner);
            inner = waited.0;
            if let Some(trouble) = inner.failure(asked) {
                return Err(trouble);
            }
            if waited.1.timed_out() {
                return Ok(inner.find(asked).map_or(Stands::Being, |kept| Stands::Ready(Arc::clone(&kept.all))));
            }
            // One that had begun before the log was as it is now is made once more.
        }
    }

    /// A sealed population with its members, held against what was sealed.
    pub(crate) fn sealed(
        &self,
        session: &Session,
        index: u64,
        title: &str,
    ) -> Result<Arc<(PopulationRow, Population)>, Trouble> {
        {
            let mut inner = self.lock();
            inner.sealed.retain(|kept| kept.at.elapsed() < SEALED_FOR);
            if let Some(kept) = inner.sealed.iter().find(|kept| kept.index == index) {
                return Ok(Arc::clone(&kept.whole));
            }
        }
        let (row, members) = population::sealed(session, index)?;
        let whole = Population::sealed(&row, title, members);
        let whole = Arc::new((row, whole));
        let mut inner = self.lock();
        inner.sealed.push_front(Sealed { index, whole: Arc::clone(&whole), at: Instant::now() });
        inner.sealed.truncate(SEALED);
        Ok(whole)
    }

    /// The next window that is wanted, once there is one.
    fn next(&self) -> Option<Asked> {
        let none = |inner: &mut Inner| inner.wanted.is_empty();
        let (mut inner, _) =
            self.changed.wait_timeout_while(self.lock(), EVERY, none).unwrap_or_else(PoisonError::into_inner);
        let asked = inner.wanted.pop_front()?;
        inner.being = Some(asked.clone());
        Some(asked)
    }

    fn done(&self, asked: Asked, made: Result<Kept, Trouble>) {
        let mut inner = self.lock();
        inner.being = None;
        match made {
            Ok(kept) => inner.keep(kept),
            Err(trouble) => {
                inner.failed.retain(|(of, _, at)| *of != asked && at.elapsed() < FAILED_FOR);
                inner.failed.push((asked, trouble, Instant::now()));
            }
        }
        drop(inner);
        self.changed.notify_all();
    }
}

/// How many entries there are that can change what a control was applied to: that an auditor looked changes nothing.
pub(super) fn seen(session: &Session) -> Result<u64, Trouble> {
    let kinds = session.state().kinds()?;
    let looks = kinds.iter().find(|(kind, _)| *kind == EventKind::EvidenceViewed).map_or(0, |(_, n)| *n);
    Ok(session.state().size().saturating_sub(looks))
}

/// Makes what is wanted, as long as the server is.
pub(super) fn populates(app: &Weak<App>, all: &Populations) {
    loop {
        let next = all.next();
        let Some(app) = app.upgrade() else { return };
        let Some(asked) = next else { continue };
        let (held, of) = (Arc::clone(&app), asked.clone());
        // By a thread of its own: one that steps back cannot come forward again, and one that breaks down takes nothing along.
        let started = std::thread::Builder::new().name("populates".to_owned()).spawn(move || make(&held, of));
        let made = match started.map(std::thread::JoinHandle::join) {
            Ok(Ok(made)) => made,
            Ok(Err(_)) => Err(Trouble::internal("reading what controls were applied to ended before its time")),
            Err(_) => Err(Trouble::internal("the system gave no thread")),
        };
        all.done(asked, made);
        app.tell_computed();
    }
}

fn make(app: &App, asked: Asked) -> Result<Kept, Trouble> {
    let _one = app.populations.reading.lock().unwrap_or_else(PoisonError::into_inner);
    app.pool.lend(|session| {
        let is_small = session.state().size() < SMALL;
        if !is_small {
            live::steps_back();
        }
        let seen = seen(session)?;
        // The assessment that this waited for may have made it.
        if let Some(kept) = app.populations.lock().find(&asked)
            && !kept.is_due(seen, is_small)
        {
            return Ok(Kept { asked: asked.clone(), all: Arc::clone(&kept.all), ..*kept });
        }
        let begun = Instant::now();
        let all = populations::populations(session, &app.catalogue, asked.window(session.now()), &asked.applications)?;
        Ok(Kept { asked: asked.clone(), all: Arc::new(all), seen, took: begun.elapsed(), at: Instant::now() })
    })
}
