//! The index of findings, brought up to the log: records are read, how each finding stands is asked by the rules that gates go by,
//! and by when it should be answered follows from its controls.
//!
//! A finding is due so many hours after it was first seen as the shortest of its controls allows. Whether it is suppressed or waived is
//! asked for the environment, and with the authors, of the run that was scanned last in its repository.

use std::collections::BTreeSet;
use std::sync::OnceLock;
use std::time::Duration;

use countersign_evidence::canonical;
use countersign_model::change::ScanRecord;
use countersign_model::governance::Criticality;
use countersign_model::{EventKind, FindingState, PersonId, ReportRecord, Timestamp};
use countersign_policy::Catalogue;
use countersign_policy::enforcement::FindingScope;
use countersign_scan::RuleSet;
use countersign_store::findings::{Basis, Candidate, Index, Look, LookRow, Meta, New, Seen, Standing, Unsettled};
use countersign_store::projection::{State, WaiverRow, WaiverState};
use countersign_store::{Ledger, Session};

use super::reported::OURS;
use super::{decide, rules};
use crate::Error;

/// Records that are taken in together.
const BATCH: u32 = 512;

/// Entries after which findings may stand otherwise, or weigh more or less.
const ACTS: [EventKind; 10] = [
    EventKind::SuppressionGranted,
    EventKind::WaiverGranted,
    EventKind::WaiverRevoked,
    EventKind::ApplicationRegistered,
    EventKind::ApplicationRetired,
    EventKind::EnvironmentRegistered,
    EventKind::EnvironmentRetired,
    EventKind::CommitsClaimed,
    EventKind::PersonEnrolled,
    EventKind::PersonKeyAdded,
];

/// Entries that say nothing of what was found, of where, and of how it stands. An auditor's every look is one, and the index is not written
/// for each.
const QUIET: [EventKind; 4] =
    [EventKind::EvidenceViewed, EventKind::SignedIn, EventKind::SignedOut, EventKind::SignInRefused];
/// So many of them are looked through each time before the index goes on.
const QUIET_AT_MOST: u64 = 1024;

/// How much somebody does so that the index is up to date.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// How long they wait for another process that does the same.
    pub wait: Duration,
    /// How many records they read. Where more are missing, somebody else is at it, and nothing is done.
    pub records: u64,
}

impl Patience {
    /// All of it.
    pub const WHOLE: Self = Self { wait: Duration::from_secs(600), records: u64::MAX };
}

/// An index, and how far it is.
#[derive(Debug)]
pub struct Renewed {
    /// The index.
    pub index: Index,
    /// It goes up to this size of the log.
    pub size: u64,
    /// So many records of the log are not taken in.
    pub behind: u64,
    /// Records of scans that were disposed of: what they said is not known any more.
    pub disposed: u64,
}

/// What a rule of ours says of its findings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleText {
    /// One line.
    pub title: String,
    /// What somebody could do with such a find.
    pub why: String,
    /// How it is put right.
    pub fix: String,
}

/// What the shipped rule of this id says; none for another tool's rule, and for one of the firm's own.
///
/// # Errors
/// When the shipped rules cannot be read.
pub fn rule_text(id: &str) -> Result<Option<RuleText>, Error> {
    static RULES: OnceLock<RuleSet> = OnceLock::new();
    let rules = match RULES.get() {
        Some(rules) => rules,
        None => {
            let made = RuleSet::shipped()?;
            RULES.get_or_init(|| made)
        }
    };
    Ok(rules.get(id).map(|r| RuleText { title: r.title.clone(), why: r.why.clone(), fix: r.fix.text.clone() }))
}

/// The index of this session's ledger, brought up as far as `patience` goes.
///
/// # Errors
/// When a record, the projection or the index cannot be read. A record that is missing or damaged is counted, and no error.
pub fn renew(session: &Session, catalogue: &Catalogue, patience: Patience) -> Result<Renewed, Error> {
    let state = session.state();
    let basis = Basis {
        origin: state.origin().to_owned(),
        pinned: state.pinned_text(),
        catalogue: catalogue.digest().to_string(),
    };
    let index = match state.path() {
        Some(_) => Index::open(&session.installation().findings(state.origin()), &basis)?,
        // Where the tables of the log are not kept, this is not kept either.
        None => Index::scratch(&basis)?,
    };
    loop {
        let meta = index.meta()?;
        let now = session.now();
        let stands = !meta.unsettled && now < meta.stands_until && now < meta.late_at;
        if stands && meta.size < state.size() && is_quiet_since(session, &index, &meta)? {
            return Ok(Renewed { size: state.size(), behind: 0, disposed: meta.disposed, index });
        }
        let is_whole = meta.size >= state.size() && stands;
        let one_more = u32::try_from(patience.records.saturating_add(1)).ok();
        let is_too_much =
            |most: u32| state.looks(meta.size, state.size(), most).map(|rows| rows.len() == most as usize);
        if is_whole || one_more.map_or(Ok(false), is_too_much)? {
            break;
        }
        let done = index.write(patience.wait, |new| Step { session, catalogue }.take(new))?;
        // Another process is at it: what is there is told, and how far it goes.
        if done.unwrap_or(true) {
            break;
        }
    }
    let meta = index.meta()?;
    let behind = if meta.size < state.size() { state.looks_count(meta.size)? } else { 0 };
    Ok(Renewed { size: meta.size, behind, disposed: meta.disposed, index })
}

/// Whether nothing was appended since that the index would be written for.
fn is_quiet_since(session: &Session, index: &Index, meta: &Meta) -> Result<bool, Error> {
    let state = session.state();
    Ok(meta.size > 0
        && state.size() - meta.size <= QUIET_AT_MOST
        && state.has_only_since(meta.size, &QUIET)?
        && !index.is_stale()?
        && meta.root == root_at(session.ledger(), meta.size)?)
}

struct Step<'a> {
    session: &'a Session,
    catalogue: &'a Catalogue,
}

impl Step<'_> {
    /// Takes in the next records. When there are none any more, asks how what is there stands.
    /// Whether that is done.
    fn take(&self, new: &mut New<'_>) -> Result<bool, Error> {
        let (state, ledger) = (self.session.state(), self.session.ledger());
        let mut meta = new.index().meta()?;
        if meta.size > state.size() {
            // Somebody who saw more of the log was here.
            return Ok(true);
        }
        if meta.size > 0 && meta.root != root_at(ledger, meta.size)? {
            new.clear()?;
            meta = new.index().meta()?;
        }
        let within = |controls: &[String]| -> Option<u32> {
            controls.iter().filter_map(|id| self.catalogue.get(id)).map(|c| c.sla_hours).min()
        };
        let rows = state.looks(meta.size, state.size(), BATCH)?;
        let is_done = rows.len() < BATCH as usize;
        let to = rows.last().filter(|_| !is_done).map_or(state.size(), |row| row.index.saturating_add(1));
        let disposed = state.looks_disposed(meta.size, to)?;
        meta.disposed += disposed.iter().filter(|(_, is_scan)| *is_scan).count() as u64;
        let disposed: Vec<u64> = disposed.into_iter().map(|(index, _)| index).collect();
        new.forget(&disposed)?;
        for (id, repository) in new.stale()? {
            let again = state.looks_of(repository.as_deref(), meta.size)?;
            for part in again.chunks(BATCH as usize) {
                taken(new, ledger, part, &within)?;
            }
            new.is_read(id)?;
            new.tidy()?;
        }
        taken(new, ledger, &rows, &within)?;
        if !meta.unsettled && meta.size < to {
            meta.unsettled = state.has_since(meta.size, &ACTS)?;
            for repository in state.attempted_since(meta.size)? {
                new.unsettle(repository.as_deref())?;
            }
        }
        (meta.size, meta.root) = (to, root_at(ledger, to)?);
        if is_done {
            self.settle(new, &mut meta)?;
        }
        new.set_meta(&meta)?;
        Ok(is_done)
    }

    /// How everything stands that may stand otherwise than is written.
    fn settle(&self, new: &mut New<'_>, meta: &mut Meta) -> Result<(), Error> {
        let (state, now) = (self.session.state(), self.session.now());
        let all = meta.unsettled || now >= meta.stands_until;
        let newest = state.newest_time()?;
        let mut waivers = Vec::new();
        let mut until = Timestamp::from_millis(i64::MAX);
        let mut changes = |at: Timestamp| {
            if at > now {
                until = until.min(at);
            }
        };
        for row in state.granted_waivers()? {
            changes(row.request.not_before);
            changes(row.request.expires);
            if row.state(now, newest) == WaiverState::Active {
                waivers.push((FindingScope::new(&row.request.scope)?, row));
            }
        }
        // Sets of controls of which a waiver covers every one: their findings may be waived.
        let covered = |set: &[String]| {
            let whole = |w: &WaiverRow| set.iter().all(|c| w.request.scope.controls.contains(c));
            !set.is_empty() && waivers.iter().any(|(_, row)| whole(row))
        };
        let sets = new.index().control_sets()?;
        let sets: Vec<i64> = sets.iter().filter(|(_, set)| covered(set)).map(|(id, _)| *id).collect();
        for Unsettled { id, repository, run } in new.unsettled(all)? {
            let application = match &repository {
                Some(repository) => state.application_of(repository)?,
                None => None,
            };
            let candidates = new.candidates(id, &sets)?;
            // Whose change it is cannot always be read. Then nothing speaks for a finding.
            let place = match &run {
                Some(run) if !candidates.is_empty() => Place::of(self.session, run)?,
                _ => None,
            };
            let here: Vec<&(FindingScope, WaiverRow)> = match &place {
                Some(place) => {
                    let application = application.as_ref().map(|a| a.what.id.as_str());
                    waivers.iter().filter(|(_, row)| place.has(row, repository.as_deref(), application)).collect()
                }
                None => Vec::new(),
            };
            for finding in candidates {
                let stands = match &place {
                    Some(place) => stands(&finding, repository.as_deref(), place, &here, state, now)?,
                    None => Stands::default(),
                };
                if let Some(at) = stands.until {
                    changes(at);
                }
                if !stands.is_as(&finding) {
                    let waiver = stands.by_waiver.as_deref();
                    new.stand(finding.id, stands.what, waiver, stands.by_entry, stands.until)?;
                }
            }
            new.settled(id, factor(application.map(|a| a.what.criticality)))?;
        }
        if !all {
            // What was looked at before still ends when it did.
            changes(meta.stands_until);
        }
        meta.late_at = new.lateness(now)?;
        (meta.stands_until, meta.unsettled) = (until, false);
        Ok(())
    }
}

fn root_at(ledger: &Ledger, size: u64) -> Result<String, Error> {
    Ok(countersign_model::Digest::from_bytes(ledger.root_at(size)?).to_string())
}

/// How much depends on a repository. What belongs to no application is judged as the strictest, here as everywhere.
fn factor(criticality: Option<Criticality>) -> u8 {
    match criticality {
        Some(Criticality::Low) => 1,
        Some(Criticality::Medium) => 2,
        Some(Criticality::High) => 3,
        Some(Criticality::Critical) | None => 4,
    }
}

/// What decides which suppressions and waivers count in a repository.
struct Place {
    environment: String,
    tier: Option<countersign_model::governance::Tier>,
    authors: BTreeSet<PersonId>,
}

impl Place {
    /// By the run that was scanned last; none where its change cannot be read.
    fn of(session: &Session, run: &countersign_model::RunId) -> Result<Option<Self>, Error> {
        let state = session.state();
        let Some(row) = state.run(run)? else { return Ok(None) };
        let change = match decide::read_change(session.ledger(), &row.change) {
            Ok(change) => change,
            Err(Error::Session(countersign_store::session::SessionError::Store(e))) if is_lost(&e) => return Ok(None),
            Err(e) => return Err(e),
        };
        let known = state.environment(&change.environment)?.filter(|e| e.retired.is_none());
        Ok(Some(Self {
            tier: known.map(|e| e.what.tier),
            authors: rules::authors(&change, state)?,
            environment: change.environment,
        }))
    }

    fn has(&self, row: &WaiverRow, repository: Option<&str>, application: Option<&str>) -> bool {
        // A grant by an author of the change is a grant by one who asks.
        let by_author = row.granted.as_ref().is_none_or(|g| self.authors.contains(&g.by));
        !by_author && row.request.scope.is_about(repository, application, (&self.environment, self.tier))
    }
}

struct Stands {
    what: Standing,
    by_waiver: Option<String>,
    by_entry: Option<u64>,
    until: Option<Timestamp>,
}

impl Default for Stands {
    fn default() -> Self {
        Self { what: Standing::Open, by_waiver: None, by_entry: None, until: None }
    }
}

impl Stands {
    fn is_as(&self, finding: &Candidate) -> bool {
        self.what == finding.stands
            && self.by_waiver == finding.by_waiver
            && self.by_entry == finding.by_entry
            && self.until == finding.until
    }
}

fn stands(
    finding: &Candidate,
    repository: Option<&str>,
    place: &Place,
    waivers: &[&(FindingScope, WaiverRow)],
    state: &State,
    now: Timestamp,
) -> Result<Stands, Error> {
    if let (true, Some(repository)) = (finding.asked, repository) {
        let grant = state.suppression(repository, &finding.fingerprint)?;
        if let Some(grant) = grant.filter(|g| g.expires > now && !place.authors.contains(&g.by)) {
            let (by_entry, until) = (Some(grant.index), Some(grant.expires));
            return Ok(Stands { what: Standing::Suppressed, by_waiver: None, by_entry, until });
        }
    }
    let covering = waivers
        .iter()
        .filter(|(scope, _)| scope.covers(&finding.controls, &finding.rule, &finding.path, &finding.fingerprint));
    // Of several, the one that holds longest.
    let longest = covering.map(|(_, row)| row).max_by_key(|row| (row.request.expires, row.index));
    Ok(longest.map_or_else(Stands::default, |row| Stands {
        what: Standing::Waived,
        by_waiver: Some(row.request.waiver.to_string()),
        by_entry: row.granted.as_ref().map(|g| g.index),
        until: Some(row.request.expires),
    }))
}

/// Reads records on all cores and takes them in, in their order.
fn taken(
    new: &mut New<'_>,
    ledger: &Ledger,
    rows: &[LookRow],
    within: &dyn Fn(&[String]) -> Option<u32>,
) -> Result<(), Error> {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
    let part = rows.len().div_ceil(cores).max(16);
    let read: Vec<Result<Option<Vec<Look>>, Error>> = std::thread::scope(|scope| {
        let parts: Vec<_> = rows
            .chunks(part)
            .map(|rows| scope.spawn(move || rows.iter().map(|row| looks(ledger, row)).collect::<Vec<_>>()))
            .collect();
        parts.into_iter().flat_map(|part| part.join().unwrap_or_default()).collect()
    });
    if read.len() != rows.len() {
        return Err(countersign_store::Error::FoldBrokeOff.into());
    }
    for (row, looks) in rows.iter().zip(read) {
        match looks? {
            Some(looks) => {
                for look in &looks {
                    new.take(row, look, within)?;
                }
            }
            // Which tool's it was, nobody knows.
            None => new.unread(row, if row.is_report { "unknown" } else { OURS })?,
        }
    }
    Ok(())
}

/// What a record says; `None` where it is missing, damaged, or sealed with a key that is not here.
fn looks(ledger: &Ledger, row: &LookRow) -> Result<Option<Vec<Look>>, Error> {
    let bytes = match ledger.payload(&row.record) {
        Ok(bytes) => bytes,
        Err(e) if is_lost(&e) => return Ok(None),
        Err(e) => return Err(e.into()),
    };
    if !row.is_report {
        let Ok(record) = canonical::from_slice::<ScanRecord>(&bytes) else { return Ok(None) };
        let seen = record.findings.into_iter().map(|f| Seen {
            asked: asked(f.state, f.requested_by),
            rule: f.rule,
            severity: f.severity,
            confidence: f.confidence,
            path: f.path,
            line: f.line,
            fingerprint: f.fingerprint,
            controls: f.controls,
            cwe: f.cwe,
            title: None,
            excerpt: None,
            reason: f.reason,
        });
        let gaps = record.gaps.into_iter().map(|gap| gap.path).collect();
        let look = Look { tool: OURS.to_owned(), findings: seen.collect(), gaps, is_complete: true, adds: false };
        return Ok(Some(vec![look]));
    }
    let Ok(record) = canonical::from_slice::<ReportRecord>(&bytes) else { return Ok(None) };
    // The findings of a report for another commit do not count: the code is another.
    let current = record.reports.into_iter().filter(|report| report.is_for(&row.commit));
    let looks = current.map(|report| Look {
        is_complete: report.incomplete.is_empty(),
        findings: report
            .findings
            .into_iter()
            .map(|f| Seen {
                asked: asked(f.state, f.requested_by),
                rule: f.rule,
                severity: f.severity,
                confidence: f.confidence,
                path: f.path,
                line: f.line,
                fingerprint: f.fingerprint,
                controls: f.controls,
                cwe: f.cwe,
                title: Some(f.title),
                excerpt: Some(f.excerpt).filter(|text| !text.is_empty()),
                reason: f.reason,
            })
            .collect(),
        tool: report.tool,
        gaps: Vec::new(),
        adds: true,
    });
    Ok(Some(looks.collect()))
}

fn asked(state: FindingState, by: Option<String>) -> Option<String> {
    (state != FindingState::Open).then(|| by.unwrap_or_else(|| "report".to_owned()))
}

/// Whether what an entry speaks of will not be there the next time either.
fn is_lost(error: &countersign_store::Error) -> bool {
    use countersign_store::Error::{Corrupt, MissingBlob, Sealed};
    matches!(error, MissingBlob { .. } | Corrupt { .. } | Sealed { .. })
}
