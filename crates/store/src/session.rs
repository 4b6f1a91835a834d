//! An open ledger with the keys and beliefs of this machine: fold, decide, append, and on conflict once more.

mod error;
mod following;
mod identity;
mod rotation;
mod second_key;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use countersign_evidence::act::{self, SignedAct};
use countersign_evidence::machine::MachineKey;
use countersign_evidence::note::SignerKey;
use countersign_evidence::payload_key::id_of;
use countersign_evidence::statement::{self, Statement, Subject};
use countersign_evidence::{canonical, dsse, merkle};
use countersign_model::event::{ActRefused, LedgerCreated, Predicate, Replaced};
use countersign_model::{ActorId, Clock, Diagnostic, Digest, EventKind, PersonId, Retention, RunId, StreamId, digest};

use crate::engine::embedded::{Embedded, Observer, Options};
use crate::findings::Index;
use crate::installation::{Installation, KeyError, Pin, PinnedEntry, Seen};
use crate::postgres::{self, Address, Asked, Held, Keyring, Postgres};
use crate::projection::{self, Checked, Rebuilt, State};
use crate::{Appended, Batch, Error, Ledger, NewBlob, NewEntry, NewLedger, Notice, Paths, Removal, payload_key};

pub use error::{EXPLANATIONS, SessionError};
pub use following::{Following, Told};
pub use second_key::SecondKey;

/// Media type of canonical JSON documents: changes, scan records, facts, policy bundles.
pub const JSON: &str = "application/json";

/// How often a use case folds and decides again when others append at the same time.
const ATTEMPTS: u32 = 20;

/// An open ledger.
pub struct Session {
    ledger: Ledger,
    installation: Installation,
    clock: Arc<dyn Clock>,
    pin: Option<Pin>,
    /// Whether the pin is this machine's, and not somebody's trust file.
    is_own_pin: bool,
    state: State,
    notices: Vec<Notice>,
}

/// Entries to append, if nothing was appended since the state was folded.
#[derive(Default)]
pub struct Plan {
    /// The entries, in order.
    pub entries: Vec<NewEntry>,
}

impl Session {
    /// Opens the ledger in `dir`.
    ///
    /// # Errors
    /// When there is none, it is damaged, or it is older than what this machine has seen.
    pub fn open(dir: &Path, installation: Installation, clock: Arc<dyn Clock>) -> Result<Self, SessionError> {
        Self::with_ledger(Ledger::open(dir)?, installation, clock, None)
    }

    /// Opens the ledger in `dir` and trusts it by a trust file instead of this machine's pin.
    ///
    /// # Errors
    /// As [`Session::open`].
    pub fn open_trusting(
        dir: &Path,
        installation: Installation,
        clock: Arc<dyn Clock>,
        pin: Pin,
    ) -> Result<Self, SessionError> {
        Self::with_ledger(Ledger::open(dir)?, installation, clock, Some(pin))
    }

    /// Opens the ledger in `dir`, or makes a new one with a new log key, and with this salt or a random one.
    ///
    /// # Errors
    /// As [`Session::open`], and when the ledger or its keys cannot be written.
    pub fn open_or_create(
        dir: &Path,
        installation: Installation,
        clock: Arc<dyn Clock>,
        salt: Option<[u8; 32]>,
    ) -> Result<Self, SessionError> {
        let ledger = match Ledger::open(dir) {
            Ok(ledger) => ledger,
            Err(e) if e.is_not_found() => create(dir, &installation, salt)?,
            Err(e) => return Err(e.into()),
        };
        Self::begin(ledger, installation, clock)
    }

    /// Takes over a ledger that was opened elsewhere, by an engine or in a copy, and appends entry 0 where it has none:
    /// keys and pin must be in place already.
    ///
    /// # Errors
    /// As [`Session::open`].
    pub fn begin(ledger: Ledger, installation: Installation, clock: Arc<dyn Clock>) -> Result<Self, SessionError> {
        let mut session = Self::with_ledger(ledger, installation, clock, None)?;
        if session.state.size() == 0 {
            session.append_genesis()?;
        }
        Ok(session)
    }

    /// Takes over a ledger that was opened elsewhere; trusts it by a trust file, or by this machine's pin.
    ///
    /// # Errors
    /// As [`Session::open`].
    pub fn with_ledger(
        mut ledger: Ledger,
        installation: Installation,
        clock: Arc<dyn Clock>,
        pin: Option<Pin>,
    ) -> Result<Self, SessionError> {
        let trust_file = pin.is_some();
        let pin = match pin {
            Some(pin) => {
                check_against_pin(&ledger, &pin)?;
                Some(pin)
            }
            None => pin_for(&mut ledger, &installation)?,
        };
        unlock(&mut ledger, &installation)?;
        let index = installation.ledger_dir(ledger.origin());
        if index.is_dir() {
            ledger.set_index(index.join("index.db"));
        }
        let (state, notice) = if trust_file {
            // What another trust makes of the log is not for the tables that this machine keeps.
            (State::replay(&ledger, pin.as_ref(), installation.watch())?, None)
        } else {
            let path = installation.projection(ledger.origin());
            State::open(&path, &mut ledger, pin.as_ref(), installation.watch())?
        };
        rotation::check_keys(&ledger, &state, pin.as_ref())?;
        let notices = notice.into_iter().collect();
        let mut session = Self { ledger, installation, clock, pin, is_own_pin: !trust_file, state, notices };
        session.look()?;
        session.settle_rotation()?;
        Ok(session)
    }

    /// The state at the head that was last seen.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The ledger.
    #[must_use]
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The installation.
    #[must_use]
    pub fn installation(&self) -> &Installation {
        &self.installation
    }

    /// Where caches may be kept; nothing in it is evidence.
    #[must_use]
    pub fn cache_dir(&self) -> PathBuf {
        match self.ledger.directory().filter(|_| self.ledger.payload_key().is_none()) {
            Some(dir) => Paths::new(dir).cache(),
            // Excerpts of findings stand in it. Where payloads are sealed they do not belong beside them.
            None => self.installation.ledger_dir(self.ledger.origin()).join("cache"),
        }
    }

    /// The present moment, by the injected clock.
    #[must_use]
    pub fn now(&self) -> countersign_model::Timestamp {
        self.clock.now()
    }

    /// What this machine believes about the ledger.
    #[must_use]
    pub fn pin(&self) -> Option<&Pin> {
        self.pin.as_ref()
    }

    /// What was set right on the way (a half-written append that nobody had been told of).
    pub fn take_notices(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.notices)
    }

    /// The key that signs what this installation observes.
    ///
    /// # Errors
    /// When it cannot be read or made.
    pub fn recorder(&self) -> Result<MachineKey, SessionError> {
        Ok(self.installation.recorder()?)
    }

    /// This installation's recorder must be the ledger's, so that what it records is believed.
    ///
    /// # Errors
    /// [`SessionError::OtherRecorder`]; when the recorder's key cannot be read or made.
    pub fn must_record(&self) -> Result<(), SessionError> {
        let recorder = self.recorder()?.public().to_string();
        if recorder == self.state.recorder() { Ok(()) } else { Err(SessionError::OtherRecorder { recorder }) }
    }

    /// The ledger's pin must be this machine's before a person signs anything for it.
    ///
    /// # Errors
    /// When this machine has no pin for the ledger.
    pub fn require_pin(&self) -> Result<&Pin, SessionError> {
        self.pin.as_ref().ok_or_else(|| SessionError::Unpinned { origin: self.ledger.origin().to_owned() })
    }

    /// Plans on the present state and appends; when somebody else appended in between, folds and plans again.
    ///
    /// # Errors
    /// Whatever `plan` says, and what the ledger says.
    pub fn transact<T, E: From<SessionError>>(
        &mut self,
        mut plan: impl FnMut(&Self) -> Result<(Plan, T), E>,
    ) -> Result<(Option<Appended>, T), E> {
        for _ in 0..ATTEMPTS {
            self.look().map_err(SessionError::from)?;
            let (planned, value) = plan(self)?;
            if planned.entries.is_empty() {
                return Ok((None, value));
            }
            match self.append(planned) {
                Ok(appended) => return Ok((Some(appended), value)),
                Err(SessionError::Store(e)) if e.is_conflict() => {
                    self.catch_up().map_err(SessionError::from)?;
                }
                Err(e) => return Err(e.into()),
            }
        }
        Err(SessionError::Contended.into())
    }

    /// Opens the ledger for appending for as long as the engine lives; other processes on the directory append through
    /// it. `None` where this machine does not hold the log's key, or the ledger is no directory. `observer` is told when the
    /// log cannot be published.
    ///
    /// # Errors
    /// When another process writes it, or the key cannot be read.
    pub fn engine(&self, observer: Observer) -> Result<Option<Arc<Embedded>>, SessionError> {
        let Some(dir) = self.ledger.directory() else { return Ok(None) };
        let origin = self.ledger.origin();
        let signer = match self.log_key() {
            Ok(signer) => Arc::new(signer),
            Err(SessionError::Key(KeyError::NoLogKey { .. })) => return Ok(None),
            Err(e) => return Err(e),
        };
        let index = Some(self.installation.ledger_dir(origin).join("index.db"));
        let (installation, clock, pin) = (self.installation.clone(), Arc::clone(&self.clock), self.pin.clone());
        let keyring: Option<Arc<dyn Keyring>> =
            Some(Arc::new(Keeper { dir: dir.to_owned(), installation, clock, pin: pin.filter(|_| !self.is_own_pin) }));
        let options = Options { index, socket: cfg!(unix), observer, keyring, ..Options::new(signer) };
        Ok(Some(Embedded::open(dir, options)?))
    }

    fn append(&mut self, plan: Plan) -> Result<Appended, SessionError> {
        // Before entry 0 nothing says which key is in force but the file that was made with the ledger.
        let signer =
            if self.state.size() == 0 { self.installation.log_key(self.ledger.origin())? } else { self.log_key()? };
        let appended = self.ledger.append(self.batch(plan)?, &signer, self.clock.as_ref())?;
        self.appended(appended)
    }

    fn batch(&self, plan: Plan) -> Result<Batch, Error> {
        let batch = Batch { entries: plan.entries, expect_size: Some(self.state.size()), ..Batch::default() };
        match self.ledger.payload_key() {
            Some(key) => payload_key::seal(batch, key),
            None => Ok(batch),
        }
    }

    /// What every append is followed by.
    fn appended(&mut self, mut appended: Appended) -> Result<Appended, SessionError> {
        self.notices.append(&mut appended.notices);
        self.catch_up()?;
        self.installation.remember(self.ledger.origin(), self.ledger.size(), Digest::from_bytes(self.ledger.root()))?;
        Ok(appended)
    }

    /// Roles are asked for as of now.
    fn look(&mut self) -> Result<(), Error> {
        let now = self.clock.now();
        self.state.look_at(now)
    }

    /// Folds in what others appended.
    fn catch_up(&mut self) -> Result<(), Error> {
        self.state.catch_up(&mut self.ledger, self.installation.watch())?;
        self.look()
    }

    /// Takes in what others appended since: tables and pin are brought up to the log as it is now, which must continue what
    /// this machine has seen. `true` when there was something.
    ///
    /// # Errors
    /// As [`Session::open`].
    pub fn refresh(&mut self) -> Result<bool, SessionError> {
        let before = self.state.size();
        // Read first: another command may append, and remember that, at any moment.
        let pin = if self.is_own_pin { self.installation.pin(self.ledger.origin())? } else { self.pin.clone() };
        if let Some(pin) = &pin {
            // Tables that were folded without a root of trust that is pinned by now would be another's to throw away.
            self.state.set_pin(pin);
        }
        self.catch_up()?;
        if let Some(pin) = &pin {
            check_against_pin(&self.ledger, pin)?;
        }
        self.pin = pin;
        rotation::check_keys(&self.ledger, &self.state, self.pin.as_ref())?;
        self.settle_rotation()?;
        self.installation.remember(self.ledger.origin(), self.ledger.size(), Digest::from_bytes(self.ledger.root()))?;
        Ok(self.state.size() > before)
    }

    /// The blobs of the entries `going`: those that nobody else needs, and those that an entry which is kept speaks of too.
    ///
    /// # Errors
    /// When the log or the projection cannot be read.
    pub fn blobs_of(&self, going: &BTreeSet<u64>) -> Result<(BTreeSet<Digest>, BTreeSet<Digest>), SessionError> {
        let found = self.ledger.blobs_of(going, &self.state.disposed()?)?;
        Ok((found.alone, found.shared))
    }

    /// Removes the blobs of the entries that a believed certificate names, as far as no other entry needs them.
    ///
    /// # Errors
    /// When the log or the projection cannot be read, or the ledger is busy.
    pub fn remove_payloads(&mut self, certificate: u64) -> Result<Removal, SessionError> {
        let going = self.state.disposed_by(certificate)?;
        let removal = self.ledger.remove_payloads(&going, &self.state.disposed()?)?;
        if self.state.path().is_some() {
            Index::forget_disposed(&self.installation.findings(self.ledger.origin()), &self.state)?;
        }
        Ok(removal)
    }

    /// Destroys the key of a person whose erasure stands in the log. Of anybody else's it is not touched.
    ///
    /// # Errors
    /// When the projection cannot be read or the key cannot be removed.
    pub fn forget_subject(&self, person: &PersonId) -> Result<(), SessionError> {
        if self.state.is_erased(person)? {
            self.ledger.subject_keys().destroy(person)?;
        }
        Ok(())
    }

    /// Pins the root of trust that the ledger has, on disk too.
    ///
    /// # Errors
    /// When it has none, or the pin cannot be written.
    pub fn pin_root(&mut self) -> Result<(), SessionError> {
        let unpinned = || SessionError::Unpinned { origin: self.ledger.origin().to_owned() };
        let root = self.state.trust().ok_or_else(unpinned)?;
        let trust_root = Some(PinnedEntry { index: root.index, entry: root.entry });
        let pin = self.installation.update_pin(self.ledger.origin(), |pin| {
            Ok::<_, SessionError>(Pin { trust_root, ..pin.ok_or_else(unpinned)? })
        })?;
        self.state.set_pin(&pin);
        self.pin = Some(pin);
        Ok(self.catch_up()?)
    }

    fn append_genesis(&mut self) -> Result<(), SessionError> {
        let recorder = self.recorder()?.public();
        let gone = self.ledger.directory().map_or_else(Vec::new, |dir| self.installation.ledgers_at(dir));
        let replaces: Vec<Replaced> = gone
            .into_iter()
            .filter(|pin| pin.origin != self.ledger.origin() && pin.seen.size > 0)
            .map(|pin| Replaced { origin: pin.origin, size: pin.seen.size, root: pin.seen.root })
            .collect();
        for ledger in &replaces {
            self.notices.push(Notice {
                code: "CS-TRUST-007",
                what: format!(
                    "the ledger `{}` with {} entries was here before and is gone; the new one says so in entry 0",
                    ledger.origin, ledger.size
                ),
            });
        }
        let actor = recorder_actor(&recorder.to_string());
        let created = LedgerCreated {
            version: 1,
            origin: self.ledger.origin().to_owned(),
            vkey: self.ledger.vkey().to_string(),
            recorder: recorder.to_string(),
            salt_sha256: self.ledger.salt_digest()?,
            payload_key: self.ledger.payload_key().map(|key| key.commitment().to_owned()),
            replaces,
        };
        let payload = NewBlob { bytes: canonical::to_vec(&created).map_err(Error::from)?, media: JSON.into() };
        self.transact::<(), SessionError>(|s| {
            let entries = if s.state.size() > 0 {
                Vec::new()
            } else {
                vec![NewEntry {
                    kind: EventKind::LedgerCreated,
                    stream: StreamId::from_text("ledger"),
                    actor: actor.clone(),
                    retention: Retention::SoxSevenYears,
                    refs: Vec::new(),
                    payload: payload.clone(),
                    attachments: Vec::new(),
                }]
            };
            Ok((Plan { entries }, ()))
        })?;
        Ok(())
    }

    /// Records that an act was tried and refused. A refusal is evidence too: it is recorded before the command fails.
    ///
    /// # Errors
    /// What the ledger says.
    pub fn record_refusal(
        &mut self,
        act: &str,
        run: Option<&RunId>,
        person: Option<&PersonId>,
        code: &str,
    ) -> Result<(), SessionError> {
        self.transact::<(), SessionError>(|s| {
            let predicate = ActRefused {
                act: act.into(),
                run: run.cloned(),
                person: person.cloned(),
                code: code.into(),
                time: s.now(),
            };
            let (stream, subject) = match run.map(|r| s.state.run(r)).transpose().map_err(SessionError::from)?.flatten()
            {
                Some(run) => {
                    let name = run.identity.as_deref().unwrap_or("repository");
                    (StreamId::from(&run.id), Subject::new(name, "gitCommit", run.commit.clone()))
                }
                None => {
                    let vkey = Digest::of(s.state.vkey().as_bytes());
                    (StreamId::from_text("ledger"), Subject::sha256(s.state.origin(), &vkey))
                }
            };
            let entry = s.machine_entry(EventKind::ActRefused, stream, vec![subject], predicate, vec![], vec![])?;
            Ok((Plan { entries: vec![entry] }, ()))
        })?;
        Ok(())
    }

    /// An entry with a statement signed by this installation's recorder.
    ///
    /// # Errors
    /// When the statement cannot be written or signed.
    pub fn machine_entry<P: Predicate>(
        &self,
        kind: EventKind,
        stream: StreamId,
        subject: Vec<Subject>,
        predicate: P,
        refs: Vec<u64>,
        attachments: Vec<NewBlob>,
    ) -> Result<NewEntry, SessionError> {
        let key = self.recorder()?;
        let public = key.public().to_string();
        if public != self.state.recorder() {
            return Err(SessionError::OtherRecorder { recorder: public });
        }
        let bytes = canonical::to_vec(&Statement::new(subject, P::TYPE, predicate)).map_err(Error::from)?;
        let envelope = dsse::sign(statement::PAYLOAD_TYPE, &bytes, &key).map_err(Error::from)?;
        let payload =
            NewBlob { bytes: canonical::to_vec(&envelope).map_err(Error::from)?, media: dsse::MEDIA_TYPE.into() };
        let actor = recorder_actor(&public);
        let (retention, _) = self.state.default_class()?;
        Ok(NewEntry { kind, stream, actor, retention, refs, payload, attachments })
    }

    /// What a statement is about that is about nothing but the ledger: its name, and its key.
    #[must_use]
    pub fn subject(&self) -> Vec<Subject> {
        vec![Subject::sha256(self.state.origin().to_owned(), &Digest::of(self.state.vkey().as_bytes()))]
    }

    /// An entry with a person's signed act.
    ///
    /// # Errors
    /// When its key does not count now, or the act cannot be written.
    pub fn act_entry(
        &self,
        kind: EventKind,
        stream: StreamId,
        actor: ActorId,
        signed: &SignedAct,
        refs: Vec<u64>,
        attachments: Vec<NewBlob>,
    ) -> Result<NewEntry, SessionError> {
        // Before trust is rooted nobody is enrolled: what is appended with the root stands or falls with it.
        if self.state.trust().is_some() {
            self.counts(signed)?;
        }
        let payload = NewBlob { bytes: signed.to_vec().map_err(Error::from)?, media: act::MEDIA_TYPE.into() };
        let (retention, _) = self.state.default_class()?;
        Ok(NewEntry { kind, stream, actor, retention, refs, payload, attachments })
    }
}

/// Canonical statement bytes for a person to sign.
///
/// # Errors
/// When the predicate cannot be written as canonical JSON.
pub fn act_statement<P: Predicate>(subject: Vec<Subject>, predicate: P) -> Result<Vec<u8>, SessionError> {
    Ok(canonical::to_vec(&Statement::new(subject, P::TYPE, predicate)).map_err(Error::from)?)
}

/// The opaque id under which a recorder acts.
fn recorder_actor(public: &str) -> ActorId {
    let hex: String = Digest::of(public.as_bytes()).hex().chars().take(20).collect();
    ActorId::from_text(format!("{}{hex}", ActorId::PREFIX))
}

/// The key and the pin of a new ledger. They come first: a ledger nobody can sign for must not come into being.
fn new_key(installation: &Installation) -> Result<(String, SignerKey), SessionError> {
    installation.recorder()?;
    let id = countersign_evidence::random::<10>().map_err(|_| KeyError::Random)?;
    let host = if installation.demonstrates { countersign_model::DEMONSTRATION } else { "countersign.local" };
    let origin = format!("{host}/{}", digest::to_hex(&id));
    let signer = installation.make_log_key(&origin)?;
    if installation.seals_payloads {
        installation.make_payload_key(&origin)?;
    }
    installation.update_pin(&origin, |_| {
        Ok::<_, KeyError>(Pin {
            version: 1,
            origin: origin.clone(),
            vkey: signer.verifier().to_string(),
            trust_root: None,
            seen: Seen { size: 0, root: Digest::from_bytes(merkle::empty_root()) },
            recorder: None,
        })
    })?;
    Ok((origin, signer))
}

/// Opens the ledger in a database; it can be appended to where its log key is here.
///
/// # Errors
/// As [`Session::open`].
pub fn open_postgres(address: Address, installation: &Installation) -> Result<Ledger, SessionError> {
    over_postgres(&Arc::new(engine(address, postgres::Options::default(), installation)?))
}

/// The ledger that an engine has open; it can be appended to where the engine has the log key.
///
/// # Errors
/// As [`Session::open`].
pub fn over_postgres(engine: &Arc<Postgres>) -> Result<Ledger, SessionError> {
    Ok(match engine.can_append() {
        true => Ledger::with_engine(Arc::clone(engine) as _)?,
        false => Ledger::over(Arc::clone(engine) as _)?,
    })
}

/// The engine of the ledger in a database, with the log key where that is here.
///
/// # Errors
/// As [`Session::open`].
pub fn engine(
    address: Address,
    options: postgres::Options,
    installation: &Installation,
) -> Result<Postgres, SessionError> {
    Ok(Postgres::open(address, options, keyring(installation))?)
}

/// Looks for the keys of logs in an installation, each time it is asked.
fn keyring(installation: &Installation) -> Arc<dyn Keyring> {
    let installation = installation.clone();
    Arc::new(move |asked: &Asked| keys_of(&installation, asked))
}

/// Keeps the ledger in a directory open for others, and its keys.
struct Keeper {
    dir: PathBuf,
    installation: Installation,
    clock: Arc<dyn Clock>,
    /// A trust file's, where it is not this machine's.
    pin: Option<Pin>,
}

impl Keyring for Keeper {
    fn held(&self, asked: &Asked) -> Result<Option<Held>, Error> {
        keys_of(&self.installation, asked)
    }

    fn is_ordered(&self, kind: EventKind, act: &[u8]) -> Result<(), Error> {
        let ledger = Ledger::open(&self.dir)?;
        let session =
            Session::with_ledger(ledger, self.installation.clone(), Arc::clone(&self.clock), self.pin.clone());
        let session = session.map_err(|e| told(&e))?;
        session
            .state()
            .is_key_act(kind, act)?
            .map_err(|why| Error::BadBatch { what: format!("nobody may order it: {why}") })
    }
}

fn keys_of(installation: &Installation, asked: &Asked) -> Result<Option<Held>, Error> {
    let origin = &asked.origin;
    let Some(key) = held(installation.log_key_of(origin, &asked.vkey))? else { return Ok(None) };
    // A device may hold the key before, or not any more: nothing depends on it.
    let before = asked
        .before
        .as_ref()
        .and_then(|vkey| installation.log_key(origin).ok().filter(|key| key.verifier().to_string() == *vkey));
    let second = match &asked.second {
        Some(vkey) => held(installation.second_log_key(origin, vkey))?,
        None => None,
    };
    Ok(Some(Held { key, before, second }))
}

/// An error that keeps its code on the way through an engine.
fn told(e: &dyn Diagnostic) -> Error {
    Error::Told { code: e.code(), what: e.to_string(), help: e.help(), exit: e.exit(), conflict: false }
}

/// A key, unless it is not here, or another one is.
fn held<T>(key: Result<T, KeyError>) -> Result<Option<T>, Error> {
    match key {
        Ok(key) => Ok(Some(key)),
        Err(
            KeyError::NoLogKey { .. }
            | KeyError::OldLogKey { .. }
            | KeyError::NoSecondKey { .. }
            | KeyError::OtherSecondKey { .. },
        ) => Ok(None),
        Err(e) => {
            Err(Error::Told { code: e.code(), what: e.to_string(), help: e.help(), exit: e.exit(), conflict: false })
        }
    }
}

/// Opens the ledger in a database, or makes a new one with a new log key, and with this salt or a random one.
///
/// # Errors
/// As [`Session::open_or_create`].
pub fn open_or_create_postgres(
    address: Address,
    installation: &Installation,
    salt: Option<[u8; 32]>,
) -> Result<Ledger, SessionError> {
    match open_postgres(address.clone(), installation) {
        Err(SessionError::Store(e)) if e.is_not_found() => {}
        opened => return opened,
    }
    let (_, signer) = new_key(installation)?;
    match Postgres::create(address.clone(), postgres::Options::default(), signer, keyring(installation), salt) {
        Ok(made) => Ok(Ledger::with_engine(Arc::new(made))?),
        // Somebody else was first: theirs counts.
        Err(e) if e.is_already_there() => open_postgres(address, installation),
        Err(e) => Err(e.into()),
    }
}

fn create(dir: &Path, installation: &Installation, salt: Option<[u8; 32]>) -> Result<Ledger, SessionError> {
    let (origin, signer) = new_key(installation)?;
    let made = Ledger::create(dir, &NewLedger { signer: &signer, salt });
    if made.is_ok() {
        installation.note_place(&origin, dir)?;
    }
    match made {
        Ok(ledger) => Ok(ledger),
        // Somebody else was first: theirs counts.
        Err(e) if e.is_already_there() => Ok(Ledger::open(dir)?),
        Err(e) => Err(e.into()),
    }
}

/// Folds the log of a ledger anew into the tables that this machine keeps.
///
/// # Errors
/// As [`Session::open`], and what the database says.
pub fn rebuild(mut ledger: Ledger, installation: &Installation) -> Result<Rebuilt, SessionError> {
    let pin = pin_for(&mut ledger, installation)?;
    unlock(&mut ledger, installation)?;
    Index::discard(&installation.findings(ledger.origin()))?;
    let path = installation.projection(ledger.origin());
    Ok(projection::rebuild(&path, &mut ledger, pin.as_ref(), installation.watch())?)
}

/// Folds the log of a ledger anew beside the tables that this machine keeps, and compares.
///
/// # Errors
/// As [`Session::open`]; [`Error::NoProjection`] when nothing is kept yet.
pub fn check(mut ledger: Ledger, installation: &Installation) -> Result<Checked, SessionError> {
    let pin = pin_for(&mut ledger, installation)?;
    unlock(&mut ledger, installation)?;
    let path = installation.projection(ledger.origin());
    Ok(projection::check(&path, &mut ledger, pin.as_ref(), installation.watch())?)
}

/// Gives the ledger its payload key. Entry 0 says whether it has one: nothing is appended in the clear to a ledger whose
/// payloads are sealed, and nothing is sealed that others will look for in the clear.
fn unlock(ledger: &mut Ledger, installation: &Installation) -> Result<(), SessionError> {
    installation.unlock(ledger)?;
    if ledger.size() == 0 {
        return Ok(());
    }
    match payload_key::named_in(ledger)? {
        Some(named) if ledger.payload_key().is_none_or(|held| held.commitment() != named) => {
            Err(Error::Sealed { key: id_of(&named).to_owned() }.into())
        }
        Some(_) => Ok(()),
        None => {
            ledger.set_payload_key(None);
            Ok(())
        }
    }
}

/// This machine's pin for the ledger, with which the ledger must agree.
fn pin_for(ledger: &mut Ledger, installation: &Installation) -> Result<Option<Pin>, SessionError> {
    let pin = installation.pin(ledger.origin())?;
    if let Some(pin) = &pin {
        if ledger.size() < pin.seen.size {
            // Somebody else on this machine appended, and remembered that, after the log's head was read here: it is read once more, after
            // the pin. What is shorter then was shortened.
            ledger.refresh()?;
        }
        check_against_pin(ledger, pin)?;
    }
    Ok(pin)
}

fn check_against_pin(ledger: &Ledger, pin: &Pin) -> Result<(), SessionError> {
    if ledger.origin() != pin.origin {
        return Err(SessionError::Forged { origin: ledger.origin().to_owned() });
    }
    let seen = &pin.seen;
    if ledger.size() < seen.size {
        return Err(SessionError::RolledBack { size: ledger.size(), seen: seen.size });
    }
    if Digest::from_bytes(ledger.root_at(seen.size)?) != seen.root {
        return Err(SessionError::Forked { size: seen.size });
    }
    Ok(())
}

/// Where the ledger of a repository lies unless `--ledger` says otherwise.
#[must_use]
pub fn default_ledger_dir(repository_root: &Path) -> PathBuf {
    repository_root.join(".countersign")
}
