//! A rehearsal of an audit: what the program can show of a framework and a quarter by itself, how long it takes, and what people
//! would have to add.
//!
//! It is the assessment, read for completeness and not for what it comes to, together with the evidence pack of the same window,
//! which is compiled whole and thrown away. Each rehearsal is recorded and compared with the last one of the framework.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use countersign_evidence::canonical;
use countersign_evidence::statement::Subject;
use countersign_model::audit::PackScope;
use countersign_model::event::{EvidencePack, MockAuditDone};
use countersign_model::{Digest, EventKind, Outcome, StreamId};
use countersign_policy::Catalogue;
use countersign_policy::catalogue::Class;
use countersign_store::projection::MockAuditRow;
use countersign_store::session::JSON;
use countersign_store::{NewBlob, Plan, Session};
use serde::{Deserialize, Serialize};

use super::pack;
use super::threads::{check_control_then, check_names, check_period};
use super::verify::Verified;
use crate::Error;
use crate::assess::{self, Ask, Assessment, JudgedControl, JudgedRequirement, Window};

/// How complete the evidence for a requirement is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Completeness {
    /// Automated evidence says all of it.
    Complete,
    /// Automated evidence says its part; people say the rest, or all of it.
    People,
    /// Something is missing that the program could have.
    Missing,
    /// It does not apply.
    NotApplicable,
}

impl Completeness {
    /// The text form.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::People => "people",
            Self::Missing => "missing",
            Self::NotApplicable => "not-applicable",
        }
    }
}

/// A control of a requirement, as automated evidence shows it at work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Operated {
    /// The control.
    pub control: String,
    /// What came of it.
    pub outcome: Outcome,
    /// How many times it worked.
    pub operated: usize,
    /// How many of these break it.
    pub exceptions: usize,
    /// How many entries of the log it was judged from.
    pub entries: usize,
    /// Sources of evidence that were missing.
    pub missing: Vec<&'static str>,
    /// Why nothing can be said of it, or what was looked at.
    pub why: String,
    /// Log index of an assessment before the end of the window that does not know this control.
    pub later_than: Option<u64>,
}

/// A requirement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    /// The requirement.
    pub requirement: String,
    /// How complete the evidence for it is.
    pub completeness: Completeness,
    /// What it comes to as far as there is evidence.
    pub outcome: Outcome,
    /// One sentence.
    pub why: String,
    /// Its controls.
    pub controls: Vec<Operated>,
    /// What people have to add.
    pub people: Vec<String>,
}

/// What became of a requirement since the last rehearsal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// The requirement.
    pub requirement: String,
    /// How complete it was; none: it was not there.
    pub before: Option<Completeness>,
    /// How complete it is; none: it is not there any more.
    pub after: Option<Completeness>,
    /// What it came to.
    pub outcome_before: Option<Outcome>,
    /// What it comes to.
    pub outcome_after: Option<Outcome>,
}

/// A rehearsal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mock {
    /// The framework's title.
    pub title: String,
    /// Requirement by requirement.
    pub lines: Vec<Line>,
    /// The pack that was compiled.
    pub manifest: EvidencePack,
    /// What is recorded.
    pub said: MockAuditDone,
    /// Log index of the record.
    pub index: u64,
    /// The last one of the framework, and what changed since.
    pub last: Option<(MockAuditRow, Vec<Change>)>,
    /// Whether the window is not over yet.
    pub is_running: bool,
}

/// What is kept of a requirement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    completeness: Completeness,
    outcome: Outcome,
}

/// The record: each requirement by its id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    version: u32,
    requirements: BTreeMap<String, Kept>,
}

/// Whether such a rehearsal can be.
///
/// # Errors
/// [`Error::NoSuchFramework`]; those of [`check_period`]; when this machine cannot record it.
pub fn check(session: &Session, catalogue: &Catalogue, framework: &str, quarter: Window) -> Result<(), Error> {
    check_names(session, catalogue, &[framework.to_owned()], &[], &[])?;
    check_period(session, quarter)?;
    Ok(session.must_record()?)
}

/// What is rehearsed.
#[derive(Debug, Clone, Copy)]
pub struct Rehearsal<'a> {
    /// The framework.
    pub framework: &'a str,
    /// The quarter.
    pub quarter: Window,
    /// A directory in which the pack may stand while it is compiled.
    pub beside: &'a Path,
    /// Since when it takes time.
    pub begun: Instant,
}

/// Rehearses an audit and records it. `verified` is what a verification of the very ledger said just now, where there was one.
///
/// # Errors
/// Those of [`check`]; when the ledger cannot be read or appended to.
pub fn rehearse(
    session: &mut Session,
    catalogue: &Catalogue,
    verified: Option<&Verified>,
    asked: &Rehearsal<'_>,
) -> Result<Mock, Error> {
    let Rehearsal { framework, quarter, beside, begun } = *asked;
    check(session, catalogue, framework, quarter)?;
    let ask = Ask { window: quarter, framework: Some(framework.to_owned()), repeat: 0 };
    let assessment = assess::assess(session, catalogue, verified, &ask)?;
    let lines = lines(session, &assessment)?;
    let scope = PackScope {
        from: Some(quarter.from),
        to: Some(quarter.to),
        frameworks: vec![framework.to_owned()],
        ..PackScope::default()
    };
    let (file, manifest, _) = pack::rehearse(session, catalogue, &scope, beside)?;
    let record = Record {
        version: 1,
        requirements: lines
            .iter()
            .map(|l| (l.requirement.clone(), Kept { completeness: l.completeness, outcome: l.outcome }))
            .collect(),
    };
    let last = match session.state().last_mock_audit(framework)? {
        None => None,
        Some(row) => {
            let before: Record = canonical::from_slice(&session.ledger().payload(&row.record)?)?;
            Some((row, changes(&before, &record)))
        }
    };
    let bytes = canonical::to_vec(&record)?;
    let digest = Digest::of(&bytes);
    let count = |wanted: Completeness| lines.iter().filter(|l| l.completeness == wanted).count() as u64;
    let said = MockAuditDone {
        framework: framework.to_owned(),
        from: quarter.from,
        to: quarter.to,
        size: assessment.size,
        catalogue: assessment.catalogue,
        requirements: lines.len() as u64,
        complete: count(Completeness::Complete),
        people: count(Completeness::People),
        missing: count(Completeness::Missing),
        not_applicable: count(Completeness::NotApplicable),
        broken: lines.iter().filter(|l| l.outcome == Outcome::Fail).count() as u64,
        pack: file.digest,
        bytes: file.size,
        took_ms: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
        record: digest,
        time: session.now(),
    };
    let (_, index) = session.transact::<_, Error>(|s| {
        let index = s.ledger().size();
        let blob = NewBlob { bytes: bytes.clone(), media: JSON.into() };
        let subject = vec![Subject::sha256("mock-audit", &digest)];
        let stream = StreamId::from_text("audit");
        let entry = s.machine_entry(EventKind::MockAuditDone, stream, subject, said.clone(), vec![], vec![blob])?;
        Ok((Plan { entries: vec![entry] }, index))
    })?;
    let title = assessment.frameworks.first().map(|f| f.framework.title.clone()).unwrap_or_default();
    let is_running = quarter.to > session.now();
    Ok(Mock { title, lines, manifest, said, index, last, is_running })
}

fn lines(session: &Session, assessment: &Assessment) -> Result<Vec<Line>, Error> {
    let controls: BTreeMap<&str, &JudgedControl> = assessment.controls.iter().map(|c| (c.id.as_str(), c)).collect();
    let mut all = Vec::new();
    for requirement in assessment.frameworks.iter().flat_map(|f| &f.requirements) {
        let judged: Vec<&JudgedControl> =
            requirement.controls.iter().filter_map(|(id, _)| controls.get(id.as_str()).copied()).collect();
        let mut operated = Vec::new();
        for control in &judged {
            let later_than = match check_control_then(session, &control.id, assessment.window.to) {
                Err(Error::Thread(super::threads::ThreadError::ControlNotThen { entry, .. })) => Some(entry),
                Err(other) => return Err(other),
                Ok(()) => None,
            };
            operated.push(Operated {
                control: control.id.clone(),
                outcome: control.judgement.outcome,
                operated: control.judgement.population,
                exceptions: control.judgement.failing.len(),
                entries: control.judgement.entries_in_all,
                missing: control.judgement.missing.clone(),
                why: control.judgement.why.clone(),
                later_than,
            });
        }
        all.push(Line {
            requirement: requirement.requirement.id.clone(),
            completeness: completeness(requirement, &operated),
            outcome: requirement.outcome,
            why: requirement.why.clone(),
            people: people(requirement, &judged),
            controls: operated,
        });
    }
    Ok(all)
}

/// Missing beats people: what the program could have shown is looked at first.
fn completeness(requirement: &JudgedRequirement, controls: &[Operated]) -> Completeness {
    let is_silent =
        |c: &Operated| matches!(c.outcome, Outcome::Error | Outcome::NotEvaluated) || c.later_than.is_some();
    if requirement.outcome == Outcome::NotApplicable {
        Completeness::NotApplicable
    } else if controls.is_empty() {
        Completeness::People
    } else if controls.iter().any(is_silent) {
        Completeness::Missing
    } else if requirement.requirement.class == Class::Automatic {
        Completeness::Complete
    } else {
        Completeness::People
    }
}

/// What people have to add: what no control meets, and what controls leave to them.
fn people(requirement: &JudgedRequirement, controls: &[&JudgedControl]) -> Vec<String> {
    if requirement.outcome == Outcome::NotApplicable {
        return Vec::new();
    }
    let mut all: Vec<String> = requirement.requirement.reason.iter().cloned().collect();
    if requirement.requirement.class != Class::Automatic {
        all.extend(controls.iter().filter_map(|c| Some(format!("{}: {}", c.id, c.attests.as_deref()?))));
        if all.is_empty() {
            all.push(format!("evidence decides a part of it at most: {}", requirement.requirement.duty));
        }
    }
    all
}

fn changes(before: &Record, after: &Record) -> Vec<Change> {
    let ids: std::collections::BTreeSet<&String> =
        before.requirements.keys().chain(after.requirements.keys()).collect();
    ids.into_iter()
        .filter_map(|id| {
            let (b, a) = (before.requirements.get(id), after.requirements.get(id));
            (b != a).then(|| Change {
                requirement: id.clone(),
                before: b.map(|k| k.completeness),
                after: a.map(|k| k.completeness),
                outcome_before: b.map(|k| k.outcome),
                outcome_after: a.map(|k| k.outcome),
            })
        })
        .collect()
}

/// The quarter that a text such as `2026-Q3` names.
#[must_use]
pub fn quarter(text: &str) -> Option<Window> {
    let (year, nth) = text.split_once("-Q")?;
    let nth: u8 = nth.parse().ok().filter(|n| (1..=4).contains(n) && nth.len() == 1)?;
    let year: u16 =
        year.parse().ok().filter(|y| year.len() == 4 && year.bytes().all(|b| b.is_ascii_digit()) && *y >= 1970)?;
    let first = |year: u16, month: u8| {
        let day: countersign_model::retention::Day = format!("{year:04}-{month:02}-01").parse().ok()?;
        day.start()
    };
    let from = first(year, nth * 3 - 2)?;
    let to = if nth == 4 { first(year + 1, 1)? } else { first(year, nth * 3 + 1)? };
    Some(Window { from, to })
}

#[cfg(test)]
mod tests {
    use super::quarter;

    #[test]
    fn a_quarter_is_a_year_and_a_number() {
        let q3 = quarter("2026-Q3").unwrap();
        assert_eq!(q3.from.to_string().get(..10), Some("2026-07-01"));
        assert_eq!(q3.to.to_string().get(..10), Some("2026-10-01"));
        assert_eq!(quarter("2026-Q4").unwrap().to.to_string().get(..10), Some("2027-01-01"));
        for bad in
            ["2026-Q0", "2026-Q5", "2026Q3", "26-Q3", "2026-Q03", "2026-q3", "-Q1", "2026-Q", "1969-Q1", "+026-Q1"]
        {
            assert!(quarter(bad).is_none(), "{bad}");
        }
    }
}
