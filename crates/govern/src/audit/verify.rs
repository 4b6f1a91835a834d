//! `verify`: the whole ledger offline. Structure (files, tiles, tree, blobs) is checked by the store; here every
//! statement and act is checked as well, by folding them as any reader would.

use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use countersign_evidence::checkpoint;
use countersign_evidence::note::VerifierKey;
use countersign_evidence::payload_key::PayloadKey;
use countersign_evidence::trust_policy::TrustPolicy;
use countersign_model::audit::is_in;
use countersign_model::{Digest, EventKind};
use countersign_policy::Bundle;
use countersign_store::installation::Pin;
use countersign_store::projection::{Reading, State, StorageRow};
use countersign_store::s3::code::NOT_WORM;
use countersign_store::subjects::{NoKeys, SharedVault};
use countersign_store::verify::MAX_PROBLEMS;
use countersign_store::{
    EntryView, Examiner, Known, Ledger, LogTrust, Notice, OpenedView, Problem, Source, VerifyReport, examine_source,
};

/// What somebody brings along to believe a ledger.
#[derive(Debug, Clone)]
pub enum Anchor {
    /// A pin: this machine's, or a trust file.
    Pin(Pin),
    /// Verifier keys alone, one of which must be the log's: the log is believed, people are believed as far as the log says.
    Keys(Vec<VerifierKey>),
    /// Nothing. The best that can be said then is: consistent, but untrusted.
    None,
}

/// A checkpoint that somebody kept: what is verified must continue it.
#[derive(Debug, Clone)]
pub struct Since {
    /// The file that it comes from.
    pub from: String,
    /// Its bytes: a signed note, or a pin or trust file.
    pub bytes: Vec<u8>,
}

/// What verification found.
pub struct Verified {
    /// The store's report, with the problems of statements and acts added.
    pub report: VerifyReport,
    /// Whether anything outside the ledger vouches for its key.
    pub trusted: bool,
    /// Whether the root of trust is established, and whether it is the pinned one.
    pub root: Root,
    /// Whether payloads were there to be looked at. Where a place publishes the log alone, nothing is known of what they
    /// say and who signed them.
    pub payloads: bool,
    /// The folded state.
    pub state: State,
}

/// What is known of the root of trust.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Root {
    /// `init` has not been run.
    None,
    /// Established, and nobody outside has pinned the entry.
    Unpinned,
    /// Established and pinned.
    Pinned,
}

/// What a verification comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing is wrong, everything could be read, and somebody outside vouches for the key.
    Verified,
    /// All that is missing is the key of sealed payloads.
    Sealed,
    /// Nothing is wrong, and nobody outside vouches for anything.
    Untrusted,
    /// Something is wrong.
    Failed,
}

impl Verdict {
    /// As one word, for programs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Verified => "verified",
            Self::Sealed => "sealed",
            Self::Untrusted => "untrusted",
            Self::Failed => "failed",
        }
    }

    /// As people are told it.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Verified => "verified",
            Self::Sealed => "not verified",
            Self::Untrusted => "consistent, but untrusted",
            Self::Failed => "verification failed",
        }
    }

    /// What to type next, where something is missing that can be brought.
    #[must_use]
    pub const fn help(self) -> Option<&'static str> {
        match self {
            Self::Sealed => Some("bring the key, then: countersign key import-payload-key FILE"),
            Self::Untrusted => {
                Some("bring a trust file from a machine that trusts it: countersign verify --trust FILE")
            }
            Self::Verified | Self::Failed => None,
        }
    }
}

impl Verified {
    /// What it comes to.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let problems = &self.report.problems;
        match self.trusted {
            true if self.is_sealed() => Verdict::Sealed,
            true if problems.is_empty() => Verdict::Verified,
            false if problems.iter().all(|p| p.code == NOBODY_VOUCHES) => Verdict::Untrusted,
            _ => Verdict::Failed,
        }
    }

    /// Why it comes to that, in the words that follow those of the verdict. `count` writes so many of something: the number, and
    /// what one is called or more of them are.
    #[must_use]
    pub fn because(&self, count: impl Fn(u64, &str, &str) -> String) -> String {
        match self.verdict() {
            Verdict::Verified if !self.payloads => {
                "the published log is whole, signed and consistent; payloads are not published here".to_owned()
            }
            Verdict::Verified => "every byte is accounted for".to_owned(),
            Verdict::Sealed => format!(
                "{} sealed, and this machine does not hold the key [CS-KEY-040]",
                count(self.report.unopened, "payload is", "payloads are")
            ),
            Verdict::Untrusted => "nothing outside the ledger vouches for its key".to_owned(),
            Verdict::Failed => count(
                (self.report.problems.len() as u64).saturating_add(self.report.more_problems),
                "problem",
                "problems",
            ),
        }
    }

    /// How the root of trust stands, in words.
    #[must_use]
    pub const fn root_words(&self) -> &'static str {
        match self.root {
            _ if !self.payloads => "not looked at",
            Root::None if self.report.unopened > 0 => "in a payload that is sealed",
            Root::None => "not established yet (countersign init)",
            Root::Unpinned => "established in the log; nothing outside the ledger has pinned that entry",
            Root::Pinned => "the pinned one",
        }
    }

    /// Whether this is a positive cryptographic result: nothing is wrong, everything could be read, and somebody outside
    /// vouches for the key.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.trusted && self.report.is_sound()
    }

    /// Whether all that is missing is the key of sealed payloads.
    #[must_use]
    pub fn is_sealed(&self) -> bool {
        self.trusted && self.report.problems.is_empty() && self.report.unopened > 0
    }
}

/// The code of a key that nobody outside the ledger vouches for. Where nothing vouches for anything, it is the one
/// problem of a ledger that is sound in itself.
const NOBODY_VOUCHES: &str = "CS-LEDGER-033";
/// The code of a statement or act that is not believed.
const DISBELIEVED: &str = "CS-AUDIT-001";
/// The code of a subject key that does not open its profile.
const LOST_SUBJECT: &str = "CS-AUDIT-003";
/// The code of a remembered checkpoint that says nothing about this log.
const NOT_REMEMBERED: &str = "CS-AUDIT-010";
/// The code of a removal that was interrupted.
const INTERRUPTED: &str = "CS-RETENTION-020";
/// The code of a pinned root of trust that is not in the ledger.
const NO_PINNED_ROOT: &str = "CS-AUDIT-002";

/// The file that holds an entry's payload.
fn file_of(payload: &Digest) -> String {
    let hex = payload.hex();
    let (shard, rest) = hex.split_at(2);
    format!("blobs/sha256/{shard}/{rest}")
}

/// A reader who believes what is signed, and knows from that what may be gone.
struct Reader<'a> {
    state: State,
    /// Whose statements are believed: entry 0 says it, and who reads ahead of it checks again.
    recorder: &'a RwLock<String>,
    /// Entries that are not believed. Where a later certificate names them, they are the rest of a run that was disposed
    /// of in part: a storage did not let go of what they say.
    disbelieved: Vec<(u64, Problem)>,
    /// Entries whose payloads an excerpt left out: first and last of each run of them, in order.
    left_out: &'a [(u64, u64)],
    /// Told how many entries were judged.
    watch: &'a dyn Fn(u64),
    failed: Option<countersign_store::Error>,
}

impl Reader<'_> {
    fn keep<T>(&mut self, result: Result<T, countersign_store::Error>) -> Option<T> {
        result.map_err(|error| self.failed.get_or_insert(error)).ok()
    }
}

/// An entry whose payload's signature was checked, on whatever core.
struct Looked {
    kind: EventKind,
    file: String,
    reading: Reading,
}

impl Examiner<Looked> for Reader<'_> {
    fn entry(&mut self, index: u64, looked: Looked) -> Vec<Problem> {
        let applied = self.state.apply(&looked.reading);
        (self.watch)(index.saturating_add(1));
        // What the entry rests on is damaged. Any other reader stops there; who verifies sees the rest as well.
        if let Err(error @ countersign_store::Error::Corrupt { .. }) = &applied {
            let what = format!("{}: it cannot be judged: {error}", looked.kind.as_str());
            return vec![Problem::new(DISBELIEVED, looked.file, Some(index), what)];
        }
        if index == 0 {
            let mut recorder = self.recorder.write().unwrap_or_else(PoisonError::into_inner);
            self.state.recorder().clone_into(&mut recorder);
        }
        let what = self.keep(applied).flatten().map(|what| format!("{}: {what}", looked.kind.as_str()));
        let problem = what.map(|what| Problem::new(DISBELIEVED, looked.file, Some(index), what));
        match problem {
            Some(problem) if looked.kind.is_disposable() && self.disbelieved.len() < MAX_PROBLEMS => {
                self.disbelieved.push((index, problem));
                Vec::new()
            }
            problem => problem.into_iter().collect(),
        }
    }

    fn may_be_gone(&mut self, index: u64) -> bool {
        if is_in(self.left_out, index) {
            return true;
        }
        let certificate = self.state.certificate_of(index);
        self.keep(certificate).flatten().is_some()
    }
}

/// Verifies the ledger in `dir`.
///
/// # Errors
/// When there is no ledger, or it cannot be read at all. Everything that is wrong with it is in the report.
pub fn verify(dir: &Path, anchor: &Anchor) -> Result<Verified, countersign_store::Error> {
    verify_with_policy(dir, anchor, None, &[])
}

/// Verifies the ledger in `dir`, that enough witnesses of the policy cosigned its checkpoint, and that it continues every
/// checkpoint that was kept.
///
/// # Errors
/// As [`verify`]; a quorum that is not met is a problem in the report.
pub fn verify_with_policy(
    dir: &Path,
    anchor: &Anchor,
    policy: Option<&TrustPolicy>,
    since: &[Since],
) -> Result<Verified, countersign_store::Error> {
    verify_kept(SharedVault::of_directory(dir), anchor, policy, since)
}

/// Verifies a published ledger wherever it is kept. People's keys are never published: what they seal is taken as it is,
/// and who signed is checked all the same. `payload_key` opens payloads that are sealed at rest. Where a place publishes the
/// log alone, so is what is verified.
///
/// # Errors
/// As [`verify_with_policy`].
pub fn verify_published(
    source: Arc<dyn Source>,
    payload_key: Option<PayloadKey>,
    anchor: &Anchor,
    policy: Option<&TrustPolicy>,
    since: &[Since],
) -> Result<Verified, countersign_store::Error> {
    examine(SharedVault { source, keys: Arc::new(NoKeys), payload_key }, false, anchor, policy, since, &[], &|_| {})
}

/// Verifies the excerpt of a ledger in an evidence pack, of which the payloads of these entries were left out: first and last
/// index of each run of them, in order.
///
/// # Errors
/// As [`verify_with_policy`].
pub(crate) fn verify_excerpt(
    source: Arc<dyn Source>,
    anchor: &Anchor,
    policy: Option<&TrustPolicy>,
    since: &[Since],
    payload_key: Option<PayloadKey>,
    left_out: &[(u64, u64)],
) -> Result<Verified, countersign_store::Error> {
    let vault = SharedVault { source, keys: Arc::new(NoKeys), payload_key };
    examine(vault, false, anchor, policy, since, left_out, &|_| {})
}

/// Verifies a ledger wherever it is kept, together with the keys of people and the one that opens sealed payloads.
///
/// # Errors
/// As [`verify_with_policy`].
pub fn verify_kept(
    vault: SharedVault,
    anchor: &Anchor,
    policy: Option<&TrustPolicy>,
    since: &[Since],
) -> Result<Verified, countersign_store::Error> {
    verify_watched(vault, anchor, policy, since, &|_| {})
}

/// As [`verify_kept`]; `watch` is told how many entries were judged, after each of them. Files are counted after the last.
///
/// # Errors
/// As [`verify_with_policy`].
pub fn verify_watched(
    vault: SharedVault,
    anchor: &Anchor,
    policy: Option<&TrustPolicy>,
    since: &[Since],
    watch: &dyn Fn(u64),
) -> Result<Verified, countersign_store::Error> {
    examine(vault, true, anchor, policy, since, &[], watch)
}

fn examine(
    vault: SharedVault,
    has_keys: bool,
    anchor: &Anchor,
    policy: Option<&TrustPolicy>,
    since: &[Since],
    left_out: &[(u64, u64)],
    watch: &dyn Fn(u64),
) -> Result<Verified, countersign_store::Error> {
    let (pin, mut trust) = match anchor {
        Anchor::Pin(pin) => {
            let remembered = Some((pin.seen.size, *pin.seen.root.as_bytes()));
            let vkeys = VerifierKey::parse(&pin.vkey).into_iter().collect();
            (Some(pin), LogTrust { vkeys, remembered, ..LogTrust::default() })
        }
        Anchor::Keys(keys) => (None, LogTrust { vkeys: keys.clone(), ..LogTrust::default() }),
        Anchor::None => (None, LogTrust::default()),
    };
    trust.policy = policy.cloned();
    trust.payload_key.clone_from(&vault.payload_key);
    let source = Arc::clone(&vault.source);
    let (known, mut wrong) = remembered(source.as_ref(), &trust, since);
    trust.since = known.iter().map(|(_, known)| known.clone()).collect();
    let recorder = RwLock::new(String::new());
    let read = |index: u64, entry: &EntryView<'_>, leaf: &[u8; 32], opened: OpenedView<'_>| {
        let (kind, file) = (entry.kind(), file_of(entry.payload()));
        let (entry, opened) = (entry.to_entry(), opened.into_opened());
        let recorder = recorder.read().unwrap_or_else(PoisonError::into_inner).clone();
        Looked { kind, file, reading: Reading::new(index, entry, Digest::from_bytes(*leaf), opened, &recorder) }
    };
    let state = State::scratch(vault, pin)?;
    let mut reader = Reader { state, recorder: &recorder, disbelieved: Vec::new(), left_out, watch, failed: None };
    let mut report = examine_source(source.as_ref(), &trust, &read, &mut reader)?;
    wrong.extend(known.iter().filter(|(origin, _)| *origin != report.origin).map(|(origin, known)| {
        let what = format!("it is a checkpoint of the log `{origin}`, this is `{}`", report.origin);
        Problem::new(NOT_REMEMBERED, known.from.clone(), None, what)
    }));
    wrong.into_iter().for_each(|problem| report.add(problem));
    let payloads = !source.is_log_only();
    let Reader { mut state, disbelieved, failed, .. } = reader;
    if let Some(error) = failed {
        return Err(error);
    }
    for (index, problem) in disbelieved {
        if state.certificate_of(index)?.is_none() {
            report.add(problem);
        }
    }
    for index in state.approvals_over_another_log()? {
        let what = "ApprovalSigned: it was signed over a log of another root";
        report.add(Problem::new(DISBELIEVED, "ledger/checkpoint", Some(index), what));
    }
    for problem in other_bundles(&state)? {
        report.add(problem);
    }
    if state.has_open_removal()? {
        let what = "a disposal was interrupted; what it was to remove may still be there: countersign ledger dispose \
                    --finish";
        report.notices.push(Notice { code: INTERRUPTED, what: what.into() });
    }
    let mut lost = if has_keys { state.lost_profiles()? } else { Vec::new() };
    if let (false, Some(dir)) = (lost.is_empty(), source.directory()) {
        // What a running writer acknowledged is in its write-ahead log before it is in files; a reader of the ledger has both.
        if let Ok(ledger) = Ledger::open(dir) {
            state.read_from(ledger.shared_vault().source);
            lost = state.lost_profiles()?;
        }
    }
    for lost in lost {
        let file = format!("subjects/{}.key", lost.person);
        report.add(Problem::new(LOST_SUBJECT, file, Some(lost.index), lost.what));
    }
    for what in state.storages()?.iter().filter_map(StorageRow::warning) {
        report.notices.push(Notice { code: NOT_WORM, what });
    }
    let pinned = pin.and_then(|p| p.trust_root.as_ref()).filter(|_| payloads);
    // Where the entry could not even be read, that is said already; this is about one that is not what is pinned.
    if let (Some(pinned), None) = (pinned, state.trust())
        && report.unopened == 0
        && (report.checked.entries > pinned.index || report.problems.is_empty())
    {
        let what = "the root of trust that is pinned is not in the ledger";
        report.add(Problem::new(NO_PINNED_ROOT, "ledger/checkpoint", Some(pinned.index), what));
    }
    let root = match (state.trust(), pinned) {
        (None, _) => Root::None,
        (Some(_), None) => Root::Unpinned,
        (Some(_), Some(_)) => Root::Pinned,
    };
    let trusted = !matches!(anchor, Anchor::None);
    Ok(Verified { report, trusted, root, payloads, state })
}

/// Attached policy bundles that are not those which signed statements name: whoever uses one compares, and so does whoever
/// looks at the evidence.
fn other_bundles(state: &State) -> Result<Vec<Problem>, countersign_store::Error> {
    let mut problems = Vec::new();
    for (named, blob) in state.attached_bundles()? {
        // One that is missing or damaged is a problem of its own.
        let Ok(bytes) = state.payload(&blob) else { continue };
        let is_it = Bundle::from_bytes(&bytes).is_ok_and(|bundle| bundle.digest().to_string() == named);
        let entries = if is_it { Vec::new() } else { state.entries_with_bundle(&named, &blob.sha256)? };
        problems.extend(entries.into_iter().map(|index| {
            let what = "the attached policy bundle is not the one that the statement names";
            Problem::new(DISBELIEVED, file_of(&blob.sha256), Some(index), what)
        }));
    }
    Ok(problems)
}

/// What the remembered checkpoints say, each with the log that it speaks of. One that cannot be believed is a problem: it
/// was brought along to catch a rollback, and does not.
fn remembered(source: &dyn Source, trust: &LogTrust, since: &[Since]) -> (Vec<(String, Known)>, Vec<Problem>) {
    let mut keys = trust.vkeys.clone();
    if keys.is_empty()
        && let Ok(Some(vkey)) = source.read("ledger/vkey", 1024)
    {
        // Nobody vouches for the log's own key, which is said elsewhere.
        keys.extend(VerifierKey::parse(String::from_utf8_lossy(&vkey).trim_end()));
    }
    let (mut known, mut wrong) = (Vec::new(), Vec::new());
    for one in since {
        let seen = if one.bytes.trim_ascii_start().starts_with(b"{") {
            Pin::from_slice(&one.bytes)
                .map(|pin| (pin.origin, pin.seen.size, *pin.seen.root.as_bytes()))
                .map_err(|e| e.to_string())
        } else {
            checkpoint::open_any(&one.bytes, &keys).map(|c| (c.origin, c.size, c.root)).map_err(|e| e.to_string())
        };
        match seen {
            Ok((origin, size, root)) => known.push((origin, Known { from: one.from.clone(), size, root })),
            Err(what) => wrong.push(Problem::new(NOT_REMEMBERED, one.from.clone(), None, what)),
        }
    }
    (known, wrong)
}
