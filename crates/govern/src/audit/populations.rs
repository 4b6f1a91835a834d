//! What every control was applied to in a window, made at once: the ledger is read once for all of them, and what several controls
//! look at is kept once. A population by itself is made here too ([`super::population::population`]), so there is one truth.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

use countersign_evidence::merkle::{Hash, MemoryTree, leaf_hash};
use countersign_evidence::{canonical, sample};
use countersign_model::{BreakGlassId, Digest, Outcome, Timestamp, WaiverId};
use countersign_policy::Catalogue;
use countersign_policy::catalogue::{Control, Judgement};
use countersign_store::Session;
use countersign_store::projection::State;
use serde_json::Value;

use super::AuditError;
use super::population::{Member, Population};
use crate::Error;
use crate::assess::{JudgedControl, Window, fold, judge_each};

/// What every control was applied to in a window.
#[derive(Debug)]
pub struct Populations {
    /// The window.
    pub window: Window,
    /// Applications, by id; none: all of them.
    pub applications: Vec<String>,
    /// How many entries of the log were read.
    pub size: u64,
    /// What was looked at, by the collection of facts.
    tables: BTreeMap<String, Vec<Element>>,
    controls: BTreeMap<String, Result<Kept, Absent>>,
}

/// Something that controls look at.
#[derive(Debug)]
struct Element {
    subject: Box<str>,
    time: Timestamp,
    entries: Box<[u64]>,
}

/// What one control was applied to.
#[derive(Debug)]
struct Kept {
    title: String,
    definition: Digest,
    query: String,
    /// Places in the table of its query, ascending; none: all of it.
    places: Option<Box<[u32]>>,
    /// What breaks it: places in the table, ascending, and why.
    broken: Vec<(u32, Arc<str>)>,
    root: Digest,
}

/// Why a control has no population.
#[derive(Debug)]
enum Absent {
    Empty { why: String },
    Large { count: u64 },
}

/// The population of one control.
#[derive(Debug, Clone, Copy)]
pub struct One<'a> {
    all: &'a Populations,
    control: &'a str,
    kept: &'a Kept,
    table: &'a [Element],
}

/// What every control was applied to in a window; of some applications, or of all where none is named.
///
/// # Errors
/// [`AuditError::NoSuchApplication`]; when the ledger cannot be read.
pub fn populations(
    session: &Session,
    catalogue: &Catalogue,
    window: Window,
    applications: &[String],
) -> Result<Populations, Error> {
    known(session, applications)?;
    let folded = fold(session, None, window, 0)?;
    let judged = judge_each(catalogue, &folded);
    let times = session.state().entry_times()?;
    Populations::of(session, catalogue, (&folded.facts, &judged, &times), window, applications)
}

/// Whether these applications are registered.
///
/// # Errors
/// [`AuditError::NoSuchApplication`]; when the ledger cannot be read.
pub fn known(session: &Session, applications: &[String]) -> Result<(), Error> {
    super::repositories_of(session.state(), applications).map(drop)
}

impl Populations {
    /// From facts and what controls said of them, as an [`crate::assess::Assessment`] has them, and the times of all entries.
    ///
    /// # Errors
    /// As [`populations`].
    pub fn of(
        session: &Session,
        catalogue: &Catalogue,
        (facts, judged, times): (&Value, &[JudgedControl], &[Timestamp]),
        window: Window,
        applications: &[String],
    ) -> Result<Self, Error> {
        let mut all = Self {
            window,
            applications: applications.to_vec(),
            size: session.state().size(),
            tables: BTreeMap::new(),
            controls: BTreeMap::new(),
        };
        let mut by_query: BTreeMap<&str, Vec<(&Control, &Judgement)>> = BTreeMap::new();
        for one in judged {
            let Some(control) = catalogue.get(&one.id) else { continue };
            match &control.decides {
                Some(decides) => by_query.entry(&decides.over).or_default().push((control, &one.judgement)),
                None => {
                    let why = "people attest it: no entry of the log shows it at work".to_owned();
                    all.controls.insert(control.id.clone(), Err(Absent::Empty { why }));
                }
            }
        }
        let mut texts = HashSet::new();
        for (query, controls) in by_query {
            let wanted = of_applications(session, query, &facts[query], applications)?;
            let table = Table::of(&controls, wanted.as_ref(), times, window)?;
            for (control, judgement) in controls {
                let kept = table.keep(control, judgement, query, &mut texts)?;
                all.controls.insert(control.id.clone(), kept);
            }
            all.tables.insert(query.to_owned(), table.elements);
        }
        Ok(all)
    }

    /// The population of a control.
    ///
    /// # Errors
    /// [`AuditError::EmptyPopulation`], [`AuditError::LargePopulation`], [`Error::NoSuchControl`].
    pub fn get<'a>(&'a self, control: &'a str) -> Result<One<'a>, Error> {
        let none = || Error::NoSuchControl { control: control.to_owned(), nearest: None };
        match self.controls.get(control).ok_or_else(none)? {
            Ok(kept) => {
                let table = self.tables.get(&kept.query).map_or(&[][..], Vec::as_slice);
                Ok(One { all: self, control, kept, table })
            }
            Err(Absent::Empty { why }) => {
                Err(AuditError::EmptyPopulation { control: control.to_owned(), why: why.clone() }.into())
            }
            Err(Absent::Large { count }) => {
                Err(AuditError::LargePopulation { count: *count, most: sample::LARGEST }.into())
            }
        }
    }

    /// How many rows are held in memory for all of it: of the tables, and of what controls say of them.
    #[must_use]
    pub fn weight(&self) -> usize {
        let of = |kept: &Kept| kept.places.as_ref().map_or(0, |places| places.len()).saturating_add(kept.broken.len());
        let said: usize = self.controls.values().flatten().map(of).sum();
        self.tables.values().map(Vec::len).sum::<usize>().saturating_add(said)
    }
}

impl One<'_> {
    /// How many members it has.
    #[must_use]
    pub fn count(&self) -> usize {
        self.kept.places.as_ref().map_or(self.table.len(), |places| places.len())
    }

    /// How many of them break the control.
    #[must_use]
    pub fn exceptions(&self) -> u64 {
        self.kept.broken.len() as u64
    }

    /// The root of a Merkle tree over the lines of the members, without their ends (RFC 6962 §2.1).
    #[must_use]
    pub fn root(&self) -> Digest {
        self.kept.root
    }

    /// The version of the control's file.
    #[must_use]
    pub fn definition(&self) -> Digest {
        self.kept.definition
    }

    /// The collection of facts that was asked for.
    #[must_use]
    pub fn query(&self) -> &str {
        &self.kept.query
    }

    /// Members by their places in the order of time, from 0; fewer where it ends before.
    #[must_use]
    pub fn members(&self, range: Range<usize>) -> Vec<Member> {
        let end = range.end.min(self.count());
        (range.start.min(end)..end).filter_map(|nth| self.member(nth)).collect()
    }

    fn member(&self, nth: usize) -> Option<Member> {
        let place = match &self.kept.places {
            Some(places) => *places.get(nth)?,
            None => u32::try_from(nth).ok()?,
        };
        Some(member(self.table.get(place as usize)?, why(&self.kept.broken, place)))
    }

    /// The whole of it.
    #[must_use]
    pub fn whole(&self) -> Population {
        Population {
            control: self.control.to_owned(),
            title: self.kept.title.clone(),
            definition: self.kept.definition,
            window: self.all.window,
            applications: self.all.applications.clone(),
            query: self.kept.query.clone(),
            size: self.all.size,
            members: self.members(0..self.count()),
        }
    }
}

/// Why the element at a place breaks a control, where it does.
fn why(broken: &[(u32, Arc<str>)], place: u32) -> Option<&str> {
    let at = broken.binary_search_by_key(&place, |(at, _)| *at).ok()?;
    broken.get(at).map(|(_, why)| &**why)
}

fn member(element: &Element, why: Option<&str>) -> Member {
    Member {
        subject: element.subject.to_string(),
        time: element.time,
        outcome: if why.is_some() { Outcome::Fail } else { Outcome::Pass },
        text: why.map(str::to_owned),
        entries: element.entries.to_vec(),
    }
}

fn leaf(element: &Element, why: Option<&str>) -> Result<Hash, Error> {
    Ok(leaf_hash(&canonical::to_vec(&member(element, why))?))
}

/// What controls of one query look at, in the order of time, while their populations are made.
struct Table<'a> {
    elements: Vec<Element>,
    places: HashMap<&'a str, u32>,
    /// Of the lines of those that break nothing: most lines of most controls.
    leaves: Vec<Hash>,
}

impl<'a> Table<'a> {
    fn of(
        controls: &[(&Control, &'a Judgement)],
        wanted: Option<&BTreeSet<String>>,
        times: &[Timestamp],
        window: Window,
    ) -> Result<Self, Error> {
        let at = |index: u64| usize::try_from(index).ok().and_then(|i| times.get(i)).copied().unwrap_or(window.from);
        let subjects = controls.iter().flat_map(|(_, judgement)| &judgement.subjects);
        let mut seen: HashSet<&'a str> = HashSet::new();
        let mut found: Vec<(Timestamp, &'a str, &'a [u64])> = subjects
            .filter(|(subject, _)| wanted.is_none_or(|wanted| wanted.contains(subject)) && seen.insert(subject))
            .map(|(subject, entries)| {
                let newest = entries.iter().copied().max().unwrap_or_default();
                (at(newest), subject.as_str(), entries.as_slice())
            })
            .collect();
        found.sort_unstable();
        let elements: Vec<Element> = found
            .iter()
            .map(|(time, subject, entries)| Element {
                subject: (*subject).into(),
                time: *time,
                entries: (*entries).into(),
            })
            .collect();
        let leaves = elements.iter().map(|element| leaf(element, None)).collect::<Result<_, _>>()?;
        let places = (0..).zip(&found).map(|(place, (_, subject, _))| (*subject, place)).collect();
        Ok(Self { elements, places, leaves })
    }

    fn keep(
        &self,
        control: &Control,
        judgement: &Judgement,
        query: &str,
        texts: &mut HashSet<Arc<str>>,
    ) -> Result<Result<Kept, Absent>, Error> {
        let place = |subject: &str| self.places.get(subject).copied();
        let mut places: Vec<u32> = judgement.subjects.iter().filter_map(|(subject, _)| place(subject)).collect();
        places.sort_unstable();
        if places.is_empty() {
            return Ok(Err(Absent::Empty { why: judgement.why.clone() }));
        }
        if places.len() as u64 > sample::LARGEST {
            return Ok(Err(Absent::Large { count: places.len() as u64 }));
        }
        // Of what breaks it for several reasons, the last is told.
        let broken: BTreeMap<u32, &str> =
            judgement.failing.iter().filter_map(|f| Some((place(&f.subject)?, f.text.as_str()))).collect();
        let mut tree = MemoryTree::new();
        let mut next = places.iter().peekable();
        for (place, (element, plain)) in (0..).zip(self.elements.iter().zip(&self.leaves)) {
            if next.next_if_eq(&&place).is_some() {
                tree.push(match broken.get(&place) {
                    Some(why) => leaf(element, Some(why))?,
                    None => *plain,
                });
            }
        }
        let mut shared = |text: &str| {
            if let Some(known) = texts.get(text) {
                return Arc::clone(known);
            }
            let new: Arc<str> = text.into();
            texts.insert(Arc::clone(&new));
            new
        };
        let broken = broken.into_iter().map(|(place, text)| (place, shared(text))).collect();
        Ok(Ok(Kept {
            title: control.title.clone(),
            definition: control.digest,
            query: query.to_owned(),
            places: (places.len() < self.elements.len()).then(|| places.into_boxed_slice()),
            broken,
            root: Digest::from_bytes(tree.root()),
        }))
    }
}

/// Ids of the elements that belong to these applications; `None` when all are wanted.
fn of_applications(
    session: &Session,
    query: &str,
    elements: &serde_json::Value,
    applications: &[String],
) -> Result<Option<BTreeSet<String>>, Error> {
    if applications.is_empty() {
        return Ok(None);
    }
    let wanted = Wanted {
        state: session.state(),
        applications,
        repositories: super::repositories_of(session.state(), applications)?,
    };
    let mut ids = BTreeSet::new();
    for element in elements.as_array().map(Vec::as_slice).unwrap_or_default() {
        if let Some(id) = element["id"].as_str()
            && wanted.has(query, id, element)?
        {
            ids.insert(id.to_owned());
        }
    }
    Ok(Some(ids))
}

/// Some applications and their repositories.
struct Wanted<'a> {
    state: &'a State,
    applications: &'a [String],
    repositories: BTreeSet<String>,
}

impl Wanted<'_> {
    /// Whether an element belongs to one of them. What belongs to no application alone stays, for leaving it out would hide it.
    fn has(&self, query: &str, id: &str, element: &serde_json::Value) -> Result<bool, Error> {
        if let Some(repository) = element["repository"].as_str() {
            return Ok(self.repositories.contains(repository));
        }
        if query == "applications" {
            return Ok(self.has_application(Some(id)));
        }
        if id.starts_with(WaiverId::PREFIX)
            && let Some(row) = self.state.waiver(&WaiverId::from_text(id))?
        {
            let scope = row.request.scope;
            let of_one = scope.application.is_some() || scope.repository.is_some();
            return Ok(!of_one || self.is_of(scope.application.as_deref(), scope.repository.as_deref()));
        }
        if id.starts_with(BreakGlassId::PREFIX)
            && let Some(row) = self.state.emergency(&BreakGlassId::from_text(id))?
        {
            return Ok(self.is_of(row.opened.application.as_deref(), row.opened.repository.as_deref()));
        }
        let Some(first) = element["entries"].get(0).and_then(serde_json::Value::as_u64) else { return Ok(true) };
        let entry = self.state.entries_from(first, 1)?.into_iter().find(|line| line.index == first);
        let run = entry.map(|line| self.state.run_of_stream(&line.stream)).transpose()?.flatten();
        match run {
            Some(run) => Ok(self.state.repository_of_run(&run)?.is_none_or(|of| self.repositories.contains(&of))),
            None => Ok(true),
        }
    }

    fn is_of(&self, application: Option<&str>, repository: Option<&str>) -> bool {
        self.has_application(application) || repository.is_some_and(|r| self.repositories.contains(r))
    }

    fn has_application(&self, id: Option<&str>) -> bool {
        id.is_some_and(|id| self.applications.iter().any(|known| known == id))
    }
}
