//! Verifying the whole ledger beside the requests, as `countersign verify` does on this machine. One at a time: whoever asks meanwhile
//! is shown the one that is under way. It takes nothing that a request needs: no ledger of the pool, and no lock, for the engine that
//! holds the ledger open lets a reader look at it as of one moment. What came of it is kept in memory until the next, and is no proof.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use countersign_evidence::trust_policy::TrustPolicy;
use countersign_govern::audit::verify::{self, Anchor, Verdict, Verified};
use countersign_model::{PersonId, Timestamp};
use countersign_store::Session;
use countersign_store::subjects::SharedVault;
use countersign_store::verify::{Checked, Problem};
use tokio::sync::watch;

use super::{App, Trouble, live};
use crate::web::parts::grouped;

/// Problems that are kept to be shown; the command line lists more.
const SHOWN: usize = 100;
/// How often open pages are told how far it is.
const TOLD: Duration = Duration::from_millis(500);

/// Who had it verified, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Begun {
    /// Counted from one, since the server was started.
    pub(crate) id: u64,
    pub(crate) by: PersonId,
    pub(crate) at: Timestamp,
    /// Entries that were there then.
    pub(crate) size: u64,
}

/// What was found.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub(crate) verdict: Verdict,
    /// Why, in the words that follow the verdict's.
    pub(crate) because: String,
    /// What this machine trusts the log's key by.
    pub(crate) trusted: bool,
    /// How the root of trust stands, in words.
    pub(crate) root_of_trust: &'static str,
    pub(crate) size: u64,
    pub(crate) root: [u8; 32],
    pub(crate) checked: Checked,
    pub(crate) witnesses: Vec<String>,
    pub(crate) notices: Vec<String>,
    pub(crate) problems: Vec<Problem>,
    /// Problems that are not among them.
    pub(crate) more: u64,
}

/// A verification that is over.
#[derive(Debug, Clone)]
pub(crate) struct Done {
    pub(crate) begun: Begun,
    pub(crate) took: Duration,
    pub(crate) came: Result<Found, Trouble>,
}

/// How things stand, for open pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Told {
    /// The newest one; 0: nobody asked for one.
    pub(crate) id: u64,
    /// How many entries were judged, while it is under way.
    pub(crate) judged: Option<u64>,
}

/// The verifications of this server.
pub(crate) struct Verification {
    inner: Mutex<Inner>,
    told: watch::Sender<Told>,
}

#[derive(Default)]
struct Inner {
    being: Option<Begun>,
    last: Option<Arc<Done>>,
}

impl Default for Verification {
    fn default() -> Self {
        Self { inner: Mutex::default(), told: watch::Sender::new(Told { id: 0, judged: None }) }
    }
}

impl Verification {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The one that is under way, with how many entries were judged, and the last one that is over.
    pub(crate) fn stands(&self) -> (Option<(Begun, u64)>, Option<Arc<Done>>) {
        let inner = self.lock();
        let judged = self.told.borrow().judged.unwrap_or(0);
        (inner.being.clone().map(|begun| (begun, judged)), inner.last.clone())
    }

    /// Told whenever one begins, goes on and ends.
    pub(crate) fn subscribe(&self) -> watch::Receiver<Told> {
        self.told.subscribe()
    }

    /// Begins one, unless one is under way.
    fn claim(&self, by: &PersonId, at: Timestamp, size: u64) -> Option<Begun> {
        let mut inner = self.lock();
        if inner.being.is_some() {
            return None;
        }
        let id = self.told.borrow().id.saturating_add(1);
        let begun = Begun { id, by: by.clone(), at, size };
        inner.being = Some(begun.clone());
        self.told.send_replace(Told { id, judged: Some(0) });
        Some(begun)
    }

    fn judged(&self, id: u64, judged: u64) {
        self.told.send_replace(Told { id, judged: Some(judged) });
    }

    fn end(&self, done: Done) {
        let id = done.begun.id;
        {
            let mut inner = self.lock();
            inner.being = None;
            inner.last = Some(Arc::new(done));
        }
        self.told.send_replace(Told { id, judged: None });
    }
}

/// One that is under way. Whatever becomes of its thread, it ends.
struct Under {
    of: Arc<Verification>,
    begun: Begun,
    since: Instant,
    came: Option<Result<Found, Trouble>>,
}

impl Under {
    /// It is over.
    fn comes_to(mut self, came: Result<Found, Trouble>) {
        self.came = Some(came);
    }
}

impl Drop for Under {
    fn drop(&mut self) {
        let came = self.came.take().unwrap_or_else(|| Err(Trouble::internal("the verification ended before its time")));
        self.of.end(Done { begun: self.begun.clone(), took: self.since.elapsed(), came });
    }
}

/// What a verification works with; nothing of it is a request's.
struct Subject {
    vault: SharedVault,
    anchor: Anchor,
    policy: Option<TrustPolicy>,
}

impl Subject {
    /// The ledger as this machine knows it: its pin, its trust policy, and the payload key that it holds.
    fn of(session: &Session) -> Result<Self, Trouble> {
        let (ledger, machine) = (session.ledger(), session.installation());
        let vault = match ledger.directory() {
            Some(dir) => SharedVault::of_directory(dir).with_payload_key(ledger.payload_key().cloned()),
            None => ledger.shared_vault(),
        };
        let pin = machine.pin(ledger.origin()).map_err(|e| Trouble::of(&e))?;
        let policy = match &pin {
            Some(_) => machine.trust_policy(ledger.origin()).map_err(|e| Trouble::of(&e))?,
            None => None,
        };
        Ok(Self { vault, anchor: pin.map_or(Anchor::None, Anchor::Pin), policy })
    }

    fn verify(self, watch: &dyn Fn(u64)) -> Result<Found, Trouble> {
        let verified = verify::verify_watched(self.vault, &self.anchor, self.policy.as_ref(), &[], watch)?;
        Ok(found(verified))
    }
}

fn found(verified: Verified) -> Found {
    let because = verified.because(|n, one, more| format!("{} {}", grouped(n), if n == 1 { one } else { more }));
    let (verdict, trusted, root_of_trust) = (verified.verdict(), verified.trusted, verified.root_words());
    let report = verified.report;
    let mut problems = report.problems;
    let more = (problems.len().saturating_sub(SHOWN) as u64).saturating_add(report.more_problems);
    problems.truncate(SHOWN);
    Found {
        verdict,
        because,
        trusted,
        root_of_trust,
        size: report.size,
        root: report.root,
        checked: report.checked,
        witnesses: report.cosignatures.into_iter().map(|c| c.witness).collect(),
        notices: report.notices.into_iter().take(SHOWN).map(|notice| notice.what).collect(),
        problems,
        more,
    }
}

/// Begins to verify the ledger, or joins the verification that is under way.
pub(crate) fn begin(app: &App, session: &Session, by: &PersonId) -> Result<(), Trouble> {
    let subject = Subject::of(session)?;
    let Some(begun) = app.verification.claim(by, session.now(), session.ledger().size()) else { return Ok(()) };
    let of = Arc::clone(&app.verification);
    let under = Under { of, begun, since: Instant::now(), came: None };
    let started = std::thread::Builder::new().name("verifies".to_owned()).spawn(move || {
        live::steps_back();
        let (of, id) = (Arc::clone(&under.of), under.begun.id);
        let told = std::cell::Cell::new(Instant::now());
        let came = subject.verify(&|judged| {
            if told.get().elapsed() >= TOLD {
                told.set(Instant::now());
                of.judged(id, judged);
            }
        });
        under.comes_to(came);
    });
    // Where there is no thread, what it would have held is dropped, and so it ends.
    started.map(|_| ()).map_err(|_| Trouble::internal("the system gave no thread"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn under(of: &Arc<Verification>, who: &str) -> Option<Under> {
        let begun = of.claim(&PersonId::from_text(who), Timestamp::from_millis(0), 7)?;
        Some(Under { of: Arc::clone(of), begun, since: Instant::now(), came: None })
    }

    #[test]
    fn one_is_under_way_at_a_time_and_the_last_is_kept_until_the_next_is_over() {
        let all = Arc::new(Verification::default());
        let pages = all.subscribe();
        assert!(matches!(all.stands(), (None, None)));
        let first = under(&all, "per-1").unwrap();
        assert!(under(&all, "per-2").is_none(), "whoever asks meanwhile joins");
        all.judged(1, 5);
        let (being, last) = all.stands();
        let (begun, judged) = being.unwrap();
        assert_eq!((begun.by.as_str(), begun.id, begun.size, judged), ("per-1", 1, 7, 5));
        assert!(last.is_none());
        assert_eq!(*pages.borrow(), Told { id: 1, judged: Some(5) });
        first.comes_to(Err(Trouble::busy()));
        assert_eq!(*pages.borrow(), Told { id: 1, judged: None });
        let second = under(&all, "per-2").unwrap();
        let (being, last) = all.stands();
        assert_eq!((being.unwrap().1, last.unwrap().begun.id), (0, 1), "the last one is shown meanwhile");
        // A thread that ends before its time leaves no verification that never ends.
        drop(second);
        let (being, last) = all.stands();
        let last = last.unwrap();
        assert!(being.is_none() && last.begun.id == 2);
        assert_eq!(last.came.as_ref().unwrap_err().code, Trouble::internal("").code);
    }
}
