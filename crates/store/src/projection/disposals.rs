//! Payloads that are disposed of, and what may be.
//!
//! Nothing here looks into a payload that could be gone: whether an entry was free follows from its entry, from the
//! events about retention, which are never disposed of, and from the certificate. So a reader who comes after the
//! removal believes exactly what one before it did.

use std::collections::{BTreeMap, BTreeSet};

use countersign_evidence::act;
use countersign_model::event::{DisposalCompleted, DisposalPart, PayloadsDisposed};
use countersign_model::retention::plan::{DisposalPlan, MAX_ENTRIES};
use countersign_model::retention::schedule::Schedule;
use countersign_model::retention::trusted::{self, Attested, Witnessed};
use countersign_model::retention::{Kept, KeptUntil, Selected};
use countersign_model::{Action, Digest, EventKind, PersonId, RunId, StreamId, Timestamp};
use rusqlite::{OptionalExtension as _, Row};

use super::decisions::OUTCOMES_ANEW;
use super::read::{Certificate, Machine, Reading, to_json};
use super::sql::{Fold, Stop, json, require, text, time};
use super::state::State;
use super::table::{self, Table};
use crate::{Error, layout};

pub(super) const TABLES: &[Table] = &[
    Table {
        name: "members",
        key: &["stream"],
        index: "idx",
        sql: "CREATE TABLE members (stream TEXT PRIMARY KEY, run TEXT NOT NULL, idx INTEGER NOT NULL)
            STRICT, WITHOUT ROWID;
            CREATE INDEX members_by_run ON members (run);
            CREATE INDEX entries_by_stream ON entries (stream);
            CREATE INDEX entries_by_actor ON entries (actor);",
    },
    Table {
        name: "pinned_runs",
        key: &["idx"],
        index: "idx",
        sql: "CREATE TABLE pinned_runs (idx INTEGER PRIMARY KEY, run TEXT NOT NULL) STRICT;
            CREATE INDEX pinned_runs_by_run ON pinned_runs (run);",
    },
    Table {
        name: "absent",
        key: &["idx"],
        index: "idx",
        sql: "CREATE TABLE absent (idx INTEGER PRIMARY KEY, blob TEXT NOT NULL) STRICT;",
    },
    Table {
        name: "certificates",
        key: &["idx"],
        index: "idx",
        sql: "CREATE TABLE certificates (idx INTEGER PRIMARY KEY, plan TEXT NOT NULL, entries INTEGER NOT NULL,
            ordered_by TEXT NOT NULL, confirmed_by TEXT NOT NULL, now INTEGER NOT NULL, completed INTEGER,
            removed INTEGER, remaining TEXT) STRICT;",
    },
    Table {
        name: "disposed",
        key: &["idx"],
        index: "idx",
        sql: "CREATE TABLE disposed (idx INTEGER PRIMARY KEY, certificate INTEGER NOT NULL) STRICT;
            CREATE INDEX disposed_by_certificate ON disposed (certificate);",
    },
];

/// Tables whose rows come from entries, not from payloads: a disposal leaves them as they are.
const OF_ENTRIES: [&str; 7] = ["position", "entries", "kinds", "streams", "members", "certificates", "disposed"];

/// A certificate of disposal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateRow {
    /// Log index.
    pub index: u64,
    /// Digest of the plan.
    pub plan: Digest,
    /// How many entries it names.
    pub entries: u64,
    /// Who signed first.
    pub ordered_by: PersonId,
    /// Who signed second.
    pub confirmed_by: PersonId,
    /// The moment that it counts with.
    pub now: Timestamp,
    /// How the removal ended; `None` while nothing says so.
    pub completed: Option<Completion>,
}

/// How a removal ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completion {
    /// Log index.
    pub index: u64,
    /// Blobs removed, or found gone.
    pub removed: u64,
    /// Blobs that are still there, and why.
    pub remaining: Vec<countersign_model::event::Remaining>,
}

/// Entries that go together or not at all: those of a run, or a single one that belongs to none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// The run, where it is one.
    pub run: Option<RunId>,
    /// Its entries whose payloads may go, by index, each with what keeps it.
    pub entries: Vec<(Selected, Kept)>,
}

impl Group {
    /// Whether nothing keeps any of its entries at `now`.
    #[must_use]
    pub fn is_free(&self, now: Timestamp) -> bool {
        self.entries.iter().all(|(_, kept)| kept.is_free(now))
    }

    /// The latest of what keeps its entries.
    #[must_use]
    pub fn until(&self) -> Option<&KeptUntil> {
        self.entries.iter().map(|(_, kept)| &kept.until).max()
    }

    /// Matters with an open hold on any of its entries.
    #[must_use]
    pub fn holds(&self) -> BTreeSet<&str> {
        self.entries.iter().flat_map(|(_, kept)| &kept.holds).map(String::as_str).collect()
    }
}

impl State {
    /// Notes which run a stream belongs to that is not the run's own: a grant's first entry refers to the run's.
    pub(super) fn on_member(&self, reading: &Reading) -> Result<(), Error> {
        let e = &reading.entry;
        let (EventKind::GrantIssued, 1, Some(first)) = (e.kind, e.version, e.refs.first()) else { return Ok(()) };
        let mut query = self.db.prepare_cached("SELECT stream FROM entries WHERE idx = ?1")?;
        let Some(stream) = query.query_row([first], |row| row.get::<_, String>(0)).optional()? else { return Ok(()) };
        if stream.starts_with(RunId::PREFIX) && !e.stream.as_str().starts_with(RunId::PREFIX) {
            self.db.prepare_cached("INSERT INTO members (stream, run, idx) VALUES (?1, ?2, ?3)")?.execute((
                e.stream.as_str(),
                stream,
                reading.index,
            ))?;
        }
        Ok(())
    }

    /// The run that a stream belongs to: its own, or that of a grant.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn run_of_stream(&self, stream: &StreamId) -> Result<Option<RunId>, Error> {
        if stream.as_str().starts_with(RunId::PREFIX) {
            return Ok(Some(RunId::from_text(stream.as_str())));
        }
        let mut query = self.db.prepare_cached("SELECT run FROM members WHERE stream = ?1")?;
        Ok(query.query_row([stream.as_str()], |row| text(row, 0)).optional()?)
    }

    /// Streams other than their own that belong to runs: those of grants.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn streams_of_runs(&self) -> Result<Vec<(StreamId, RunId)>, Error> {
        let mut query = self.db.prepare_cached("SELECT stream, run FROM members")?;
        Ok(query.query_map([], |row| Ok((text(row, 0)?, text(row, 1)?)))?.collect::<Result<_, _>>()?)
    }

    /// Runs that something was appended about from `from` on and before `to`.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn runs_between(&self, from: Timestamp, to: Timestamp) -> Result<BTreeSet<RunId>, Error> {
        let mut query = self.db.prepare_cached(
            "SELECT DISTINCT coalesce(m.run, e.stream) FROM entries e LEFT JOIN members m ON m.stream = e.stream
             WHERE e.time >= ?1 AND e.time < ?2",
        )?;
        let runs = query.query_map([from.millis(), to.millis()], |row| text::<RunId>(row, 0))?;
        let mut found = runs.collect::<Result<BTreeSet<RunId>, _>>()?;
        found.retain(|run| run.as_str().starts_with(RunId::PREFIX));
        Ok(found)
    }

    /// Runs whose payloads stay, because acts that are never disposed of rest on them.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn pinned_runs(&self) -> Result<BTreeSet<RunId>, Error> {
        let mut query = self.db.prepare_cached("SELECT DISTINCT run FROM pinned_runs")?;
        Ok(query.query_map([], |row| text(row, 0))?.collect::<Result<_, _>>()?)
    }

    /// What an entry says of a run must stand in a stream of that run: so it can be told from the entry alone which
    /// entries go with a run.
    pub(super) fn belongs(&self, reading: &Reading, run: &RunId) -> Fold {
        let found = self.run_of_stream(&reading.entry.stream)?;
        Ok(require(found.as_ref() == Some(run), "it stands in a stream of another run")?)
    }

    /// From now on the payloads of this run stay.
    pub(super) fn pin_run(&self, index: u64, run: &RunId) -> Fold {
        self.db.prepare_cached("INSERT INTO pinned_runs (idx, run) VALUES (?1, ?2)")?.execute((index, run.as_str()))?;
        Ok(())
    }

    /// The payload is gone, or a sealed attachment that its statement names. Whether it may be, a later certificate must say.
    pub(super) fn on_absent(&self, index: u64, blob: &Digest) -> Fold {
        self.db.prepare_cached("INSERT INTO absent (idx, blob) VALUES (?1, ?2)")?.execute((index, blob.to_string()))?;
        Ok(())
    }

    /// A payload that is gone without a certificate is missing.
    pub(super) fn nothing_absent(&self) -> Result<(), Error> {
        let mut query = self.db.prepare_cached("SELECT blob FROM absent ORDER BY idx LIMIT 1")?;
        match query.query_row([], |row| text::<Digest>(row, 0)).optional()? {
            Some(blob) => Err(Error::MissingBlob { file: layout::blob_name(&blob) }),
            None => Ok(()),
        }
    }

    pub(super) fn on_disposed(&self, reading: &Reading, certificate: &Certificate) -> Fold {
        let index = reading.index;
        let first: PayloadsDisposed = self.signed(&certificate.orders, act::DISPOSAL, |p: &PayloadsDisposed| &p.by)?;
        let second: PayloadsDisposed =
            self.signed(&certificate.confirms, act::DISPOSAL, |p: &PayloadsDisposed| &p.by)?;
        for (signed, part) in [(&first, DisposalPart::Orders), (&second, DisposalPart::Confirms)] {
            self.same_ledger(&signed.origin)?;
            require(signed.part == part, "its two signatures are not an order and a confirmation")?;
            require(signed.plan == certificate.digest, "a signature is over another plan")?;
        }
        self.four_eyes(&first.by, &second.by)?;
        let plan = &certificate.plan;
        self.same_ledger(&plan.origin)?;
        let now = disposal_time(plan, &first, &second)?.min(reading.entry.time);
        self.may_go(plan, now, index)??;
        self.db
            .prepare_cached(
                "INSERT INTO certificates (idx, plan, entries, ordered_by, confirmed_by, now)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute((
                index,
                certificate.digest.to_string(),
                plan.entries.len(),
                first.by.as_str(),
                second.by.as_str(),
                now.millis(),
            ))?;
        let mut insert = self.db.prepare_cached("INSERT INTO disposed (idx, certificate) VALUES (?1, ?2)")?;
        for entry in &plan.entries {
            insert.execute((entry.index, index))?;
        }
        self.bury(index)
    }

    /// Takes out every row that comes from an entry the certificate names.
    fn bury(&self, certificate: u64) -> Fold {
        for table in table::all().filter(|t| !OF_ENTRIES.contains(&t.name)) {
            let sql = format!(
                "DELETE FROM {} WHERE {} IN (SELECT idx FROM disposed WHERE certificate = ?1)",
                table.name, table.index
            );
            self.db.prepare_cached(&sql)?.execute([certificate])?;
        }
        // A repository is known from the first of its runs that is still there.
        self.db.execute_batch(
            "DELETE FROM repositories;
             INSERT INTO repositories (idx, identity, repository)
             SELECT idx, identity, repository FROM runs r WHERE NOT EXISTS
             (SELECT 1 FROM runs o WHERE o.identity IS r.identity AND o.idx < r.idx)",
        )?;
        self.db.execute_batch(OUTCOMES_ANEW)?;
        Ok(())
    }

    pub(super) fn on_disposal_completed(&self, index: u64, machine: &Machine) -> Fold {
        let p: DisposalCompleted = self.statement(machine)?;
        let known = self.db.prepare_cached("SELECT 1 FROM certificates WHERE idx = ?1")?.exists([p.certificate])?;
        require(known, "it speaks of a disposal that was never certified")?;
        self.db
            .prepare_cached("UPDATE certificates SET completed = ?2, removed = ?3, remaining = ?4 WHERE idx = ?1")?
            .execute((p.certificate, index, p.removed, to_json(&p.remaining)?))?;
        Ok(())
    }

    /// One of the two is a compliance officer, the other somebody else who may: an administrator, the designated executive
    /// officer or one of their officers, or another compliance officer.
    fn four_eyes(&self, first: &PersonId, second: &PersonId) -> Fold {
        require(first != second, "one person signed twice")?;
        for person in [first, second] {
            require(self.may_dispose(person)?, &format!("{person} may not sign a disposal"))?;
        }
        let officer = self.may(first, Action::LeadDisposal)? || self.may(second, Action::LeadDisposal)?;
        Ok(require(officer, "no compliance officer is among the two")?)
    }

    /// Whether these two people together may dispose of payloads; why not, as a fragment.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn may_dispose_together(&self, first: &PersonId, second: &PersonId) -> Result<Result<(), String>, Error> {
        reason(self.four_eyes(first, second))
    }

    /// Whether this person may give one of the two signatures over a disposal.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn may_sign_disposal(&self, person: &PersonId) -> Result<bool, Error> {
        match self.may_dispose(person) {
            Ok(may) => Ok(may),
            Err(Stop::Failed(error)) => Err(error),
            Err(Stop::Disbelieved(_)) => Ok(false),
        }
    }

    /// Whether everything that a plan names is free at `now`, in a log of `size` entries; why not, as a fragment.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn may_go(&self, plan: &DisposalPlan, now: Timestamp, size: u64) -> Result<Result<(), String>, Error> {
        reason(self.check_plan(plan, now, size))
    }

    fn check_plan(&self, plan: &DisposalPlan, now: Timestamp, size: u64) -> Fold {
        require(plan.version == DisposalPlan::VERSION, "the plan is of another version")?;
        require(!plan.entries.is_empty(), "the plan names nothing")?;
        require(plan.entries.len() <= MAX_ENTRIES, "the plan names too much")?;
        let ascending = plan.entries.is_sorted_by(|a, b| a.index < b.index);
        require(ascending, "the plan's entries are not in order")?;
        let schedule = self.schedule()?;
        let mut runs = BTreeMap::<RunId, BTreeSet<u64>>::new();
        for planned in &plan.entries {
            let index = planned.index;
            require(index < size, &format!("entry {index} is not before the certificate"))?;
            let entry = self.selected(index)?.ok_or_else(|| Stop::from(format!("there is no entry {index}")))?;
            require(entry.kind.is_disposable(), &format!("entry {index} is {} and stays", entry.kind.as_str()))?;
            require(entry.kind == planned.kind, &format!("entry {index} is of another kind"))?;
            require(entry.retention == planned.class, &format!("entry {index} is of another class"))?;
            require(self.certificate_of(index)?.is_none(), &format!("entry {index} is disposed of already"))?;
            let kept = schedule.kept(&entry);
            require(kept.holds.is_empty(), &format!("entry {index} is under hold for {}", kept.holds.join(", ")))?;
            require(kept.until.is_over(now), &format!("entry {index} is kept {}", kept.until))?;
            let same = kept.until.date() == Some(planned.kept_until);
            require(same, &format!("the date of entry {index} is another than the plan says"))?;
            if let Some(run) = entry.run {
                runs.entry(run).or_default().insert(index);
            }
        }
        // A run goes as a whole: what is left of half a run would be believed by nobody.
        for (run, named) in &runs {
            let pinned = self.db.prepare_cached("SELECT 1 FROM pinned_runs WHERE run = ?1")?.exists([run.as_str()])?;
            require(!pinned, &format!("a grant for {run} does not refer to it, so the run stays"))?;
            for entry in self.entries_of(run)? {
                let goes = named.contains(&entry.index) || !entry.kind.is_disposable() || entry.index >= size;
                require(goes, &format!("the plan leaves out entry {} of {run}", entry.index))?;
            }
        }
        Ok(())
    }

    /// What is known of an entry without its payload.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn selected(&self, index: u64) -> Result<Option<Selected>, Error> {
        let mut query = self.db.prepare_cached(concat!(
            "SELECT e.idx, e.kind, e.stream, e.time, e.actor, e.retention, m.run FROM entries e ",
            "LEFT JOIN members m ON m.stream = e.stream WHERE e.idx = ?1"
        ))?;
        Ok(query.query_row([index], selected).optional()?)
    }

    /// Every entry that belongs to a run, its grants and deployments included, by index.
    fn entries_of(&self, run: &RunId) -> Result<Vec<Selected>, Error> {
        let mut query = self.db.prepare_cached(
            "SELECT e.idx, e.kind, e.stream, e.time, e.actor, e.retention, m.run FROM entries e
             LEFT JOIN members m ON m.stream = e.stream
             WHERE e.stream = ?1 OR e.stream IN (SELECT stream FROM members WHERE run = ?1) ORDER BY e.idx",
        )?;
        Ok(query.query_map([run.as_str()], selected)?.collect::<Result<_, _>>()?)
    }

    /// Every entry that a person caused, or that stands in their stream, by index.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn entries_about(&self, person: &PersonId) -> Result<Vec<Selected>, Error> {
        let mut query = self.db.prepare_cached(
            "SELECT e.idx, e.kind, e.stream, e.time, e.actor, e.retention, m.run FROM entries e
             LEFT JOIN members m ON m.stream = e.stream WHERE e.actor = ?1 OR e.stream = ?1 ORDER BY e.idx",
        )?;
        Ok(query.query_map([person.as_str()], selected)?.collect::<Result<_, _>>()?)
    }

    /// The certificate by which an entry's payload was disposed of.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn certificate_of(&self, index: u64) -> Result<Option<u64>, Error> {
        let mut query = self.db.prepare_cached("SELECT certificate FROM disposed WHERE idx = ?1")?;
        Ok(query.query_row([index], |row| row.get(0)).optional()?)
    }

    /// The entries that a certificate names, by index.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn disposed_by(&self, certificate: u64) -> Result<BTreeSet<u64>, Error> {
        let mut query = self.db.prepare_cached("SELECT idx FROM disposed WHERE certificate = ?1")?;
        Ok(query.query_map([certificate], |row| row.get(0))?.collect::<Result<_, _>>()?)
    }

    /// Whether a removal has not been completed: blobs that nobody needs may still be there.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn has_open_removal(&self) -> Result<bool, Error> {
        Ok(self.db.prepare_cached("SELECT 1 FROM certificates WHERE completed IS NULL")?.exists([])?)
    }

    /// Every entry whose payload is disposed of.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn disposed(&self) -> Result<BTreeSet<u64>, Error> {
        let mut query = self.db.prepare_cached("SELECT idx FROM disposed")?;
        Ok(query.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?)
    }

    /// Every entry whose payload is disposed of, with the certificate that says so.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn disposed_with(&self) -> Result<BTreeMap<u64, u64>, Error> {
        let mut query = self.db.prepare_cached("SELECT idx, certificate FROM disposed")?;
        Ok(query.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?)
    }

    /// Every certificate of disposal, oldest first.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn certificates(&self) -> Result<Vec<CertificateRow>, Error> {
        let mut query = self.db.prepare_cached(
            "SELECT idx, plan, entries, ordered_by, confirmed_by, now, completed, removed, remaining FROM certificates
             ORDER BY idx",
        )?;
        let rows = query.query_map([], |row| {
            let completed = match row.get::<_, Option<u64>>(6)? {
                Some(index) => Some(Completion { index, removed: row.get(7)?, remaining: json(row, 8)? }),
                None => None,
            };
            Ok(CertificateRow {
                index: row.get(0)?,
                plan: text(row, 1)?,
                entries: row.get(2)?,
                ordered_by: text(row, 3)?,
                confirmed_by: text(row, 4)?,
                now: time(row, 5)?,
                completed,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// What keeps every entry, by index.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn kept(&self, schedule: &Schedule) -> Result<BTreeMap<u64, Kept>, Error> {
        let mut query = self.db.prepare_cached(
            "SELECT e.idx, e.kind, e.stream, e.time, e.actor, e.retention, m.run FROM entries e
             LEFT JOIN members m ON m.stream = e.stream",
        )?;
        let kept = query.query_map([], selected)?.map(|entry| {
            let entry = entry?;
            Ok((entry.index, schedule.kept(&entry)))
        });
        kept.collect::<Result<_, rusqlite::Error>>().map_err(Error::from)
    }

    /// Everything whose payload is still there and may go some day, in groups that go together, by first index.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn groups(&self, schedule: &Schedule) -> Result<Vec<Group>, Error> {
        let mut query = self.db.prepare_cached(
            "SELECT e.idx, e.kind, e.stream, e.time, e.actor, e.retention, m.run FROM entries e
             LEFT JOIN members m ON m.stream = e.stream
             WHERE NOT EXISTS (SELECT 1 FROM disposed d WHERE d.idx = e.idx) ORDER BY e.idx",
        )?;
        let mut groups = Vec::<Group>::new();
        let mut of_run = BTreeMap::<RunId, usize>::new();
        for entry in query.query_map([], selected)? {
            let entry = entry?;
            if !entry.kind.is_disposable() {
                continue;
            }
            let kept = schedule.kept(&entry);
            let at = entry.run.as_ref().and_then(|run| of_run.get(run)).copied();
            match at.and_then(|at| groups.get_mut(at)) {
                Some(group) => group.entries.push((entry, kept)),
                None => {
                    if let Some(run) = &entry.run {
                        of_run.insert(run.clone(), groups.len());
                    }
                    groups.push(Group { run: entry.run.clone(), entries: vec![(entry, kept)] });
                }
            }
        }
        Ok(groups)
    }

    /// Runs that what comes next is held against: for every environment the runs that brought the last two different
    /// commits there, since a release is judged from one of these on; and runs whose grants do not refer to them.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn runs_in_use(&self) -> Result<BTreeSet<RunId>, Error> {
        let mut commits = BTreeMap::<(String, String), Vec<String>>::new();
        let mut query = self.db.prepare_cached("SELECT run FROM pinned_runs")?;
        let mut runs: BTreeSet<RunId> = query.query_map([], |row| text(row, 0))?.collect::<Result<_, _>>()?;
        for deployment in self.deployments()?.into_iter().rev().filter(|d| d.success) {
            let seen = commits.entry((deployment.repository, deployment.environment)).or_default();
            if seen.len() < 2 && !seen.contains(&deployment.commit) {
                seen.push(deployment.commit);
                runs.insert(deployment.run);
            }
        }
        Ok(runs)
    }
}

/// The moment that a disposal counts with.
///
/// # Errors
/// Why the time is not trusted.
pub fn disposal_time(
    plan: &DisposalPlan,
    first: &PayloadsDisposed,
    second: &PayloadsDisposed,
) -> Result<Timestamp, String> {
    let attested = |p: &PayloadsDisposed| Attested { clock: p.time, today: p.today };
    let witnessed = plan.witnessed.map_or(Witnessed::NoneConfigured, |at| Witnessed::At(Some(at)));
    trusted::now(attested(first), attested(second), witnessed).map_err(|e| e.to_string())
}

fn reason(fold: Fold) -> Result<Result<(), String>, Error> {
    match fold {
        Ok(()) => Ok(Ok(())),
        Err(Stop::Disbelieved(why)) => Ok(Err(why)),
        Err(Stop::Failed(error)) => Err(error),
    }
}

fn selected(row: &Row<'_>) -> rusqlite::Result<Selected> {
    let stream: StreamId = text(row, 2)?;
    let run = match row.get::<_, Option<String>>(6)? {
        Some(run) => Some(RunId::from_text(run)),
        None => stream.as_str().starts_with(RunId::PREFIX).then(|| RunId::from_text(stream.as_str())),
    };
    Ok(Selected {
        index: row.get(0)?,
        kind: text(row, 1)?,
        time: time(row, 3)?,
        actor: text(row, 4)?,
        retention: text(row, 5)?,
        stream,
        run,
    })
}
