//! A certificate of a control over a period (PCAOB AS 2201 .B28 to .B31): an automated control need not be tested again while
//! it is shown that it did not change since it was, and that changes to it are controlled. Each statement names the entries it
//! rests on; what no entry shows is not proved, and says so.

use std::collections::BTreeMap;

use countersign_evidence::canonical;
use countersign_model::{Digest, Outcome, Timestamp};
use countersign_policy::Catalogue;
use countersign_policy::catalogue::Ready;
use countersign_store::Session;
use serde_json::Value;

use super::{Window, fold};
use crate::Error;
use crate::audit::verify::Verified;

/// A certificate.
#[derive(Debug)]
pub struct Certificate {
    /// The control.
    pub control: String,
    /// One line of it.
    pub title: String,
    /// The version of its file in this program.
    pub digest: Digest,
    /// The ledger.
    pub origin: String,
    /// How many entries it had.
    pub size: u64,
    /// Its root at that size.
    pub root: Digest,
    /// The period.
    pub window: Window,
    /// What is certified.
    pub statements: Vec<Statement>,
    /// Every time the control worked in the period.
    pub operations: Vec<Operation>,
    /// Why there is none, where there is none.
    pub without: Option<String>,
}

/// Whether something is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// Entries show it for the whole period.
    Proved,
    /// Entries show the contrary.
    Refuted,
    /// No entry shows either.
    NotProved,
    /// It does not arise.
    NotApplicable,
}

impl Shown {
    /// The text form.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Proved => "proved",
            Self::Refuted => "refuted",
            Self::NotProved => "not-proved",
            Self::NotApplicable => "not-applicable",
        }
    }
}

/// A statement of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// What is stated.
    pub what: &'static str,
    /// Whether it is shown.
    pub shown: Shown,
    /// By what, or why not.
    pub because: String,
    /// The entries that it rests on.
    pub entries: Vec<u64>,
}

/// One time that a control worked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// What it worked on.
    pub subject: String,
    /// When the newest of its entries was appended.
    pub time: Timestamp,
    /// What came of it.
    pub outcome: Outcome,
    /// Why, where it was broken.
    pub text: Option<String>,
    /// The entries that it comes from.
    pub entries: Vec<u64>,
}

impl Certificate {
    /// What all statements come to: refuted beats not proved, and without any operation nothing is certified.
    #[must_use]
    pub fn shown(&self) -> Shown {
        let any = |wanted: Shown| self.statements.iter().any(|s| s.shown == wanted);
        if any(Shown::Refuted) {
            Shown::Refuted
        } else if any(Shown::NotProved) || self.operations.is_empty() {
            Shown::NotProved
        } else {
            Shown::Proved
        }
    }
}

/// Certifies a control over a period.
///
/// # Errors
/// When there is no such control, or the ledger cannot be read.
pub fn certify(
    session: &Session,
    catalogue: &Catalogue,
    verified: Option<&Verified>,
    id: &str,
    window: Window,
) -> Result<Certificate, Error> {
    let control = catalogue.get(id).ok_or_else(|| Error::NoSuchControl {
        control: id.to_owned(),
        nearest: catalogue.nearest(id).map(str::to_owned),
    })?;
    let folded = fold(session, verified, window, 0)?;
    let times = session.state().entry_times()?;
    let judged = super::judged::one(control, &folded, &Ready::new(&folded.facts));
    let at = |index: u64| usize::try_from(index).ok().and_then(|i| times.get(i)).copied().unwrap_or(window.from);
    let broken: BTreeMap<&str, &str> =
        judged.judgement.failing.iter().map(|f| (f.subject.as_str(), f.text.as_str())).collect();
    let mut operations: Vec<Operation> = judged
        .judgement
        .subjects
        .iter()
        .map(|(subject, entries)| Operation {
            subject: subject.clone(),
            time: at(entries.iter().copied().max().unwrap_or_default()),
            outcome: if broken.contains_key(subject.as_str()) { Outcome::Fail } else { Outcome::Pass },
            text: broken.get(subject.as_str()).map(|text| (*text).to_owned()),
            entries: entries.clone(),
        })
        .collect();
    operations.sort_by(|a, b| (a.time, &a.subject).cmp(&(b.time, &b.subject)));
    let without = operations.is_empty().then(|| judged.judgement.why.clone());
    let statements = vec![
        definition(session, id, window)?,
        policy(session, window, &times)?,
        levels(session, window, &times)?,
        one_of_all(&folded.facts, "rules_digest", "the detection rules did not change"),
        one_of_all(&folded.facts, "engine", "the policy engine did not change"),
        enforcement(session, id, window, &times)?,
        changes_controlled(session, catalogue, &folded, window, &times)?,
        record(verified),
    ];
    let size = session.state().size();
    Ok(Certificate {
        control: control.id.clone(),
        title: control.title.clone(),
        digest: control.digest,
        origin: session.state().origin().to_owned(),
        size,
        root: Digest::from_bytes(session.ledger().root_at(size)?),
        window,
        statements,
        operations,
        without,
    })
}

/// The control's file, as recorded assessments name it.
fn definition(session: &Session, id: &str, window: Window) -> Result<Statement, Error> {
    let what = "the control itself did not change";
    let mut anchors: Vec<(u64, Timestamp, String)> = Vec::new();
    for row in session.state().assessments()? {
        let record: Value = canonical::from_slice(&session.ledger().payload(&row.record)?)?;
        if let Some(digest) = record["controls"][id]["digest"].as_str() {
            anchors.push((row.index, row.time, digest.to_owned()));
        }
    }
    let base = anchors.iter().rposition(|(_, time, _)| *time <= window.from);
    let end = anchors.iter().position(|(_, time, _)| *time >= window.to);
    let start = base.unwrap_or_default();
    let stop = end.map_or(anchors.len(), |end| end.saturating_add(1));
    let counted: Vec<&(u64, Timestamp, String)> = anchors.iter().take(stop).skip(start).collect();
    let entries: Vec<u64> = counted.iter().map(|(index, ..)| *index).collect();
    let [first, .., last] = counted.as_slice() else {
        let because = format!(
            "one recorded assessment at the start and one at the end are needed, and {} there: countersign assess --record",
            match counted.len() {
                0 => "none is".to_owned(),
                1 => "one alone is".to_owned(),
                n => format!("{n} are"),
            }
        );
        return Ok(Statement { what, shown: Shown::NotProved, because, entries });
    };
    if let Some(other) = counted.iter().find(|(_, _, digest)| *digest != first.2) {
        let because = format!("{} in entry {}, {} in entry {}", first.2, first.0, other.2, other.0);
        return Ok(Statement { what, shown: Shown::Refuted, because, entries });
    }
    let span = format!("{} in every recorded assessment from {} to {}", first.2, first.1, last.1);
    let whole = base.is_some() && end.is_some();
    let because = if whole { span } else { format!("{span}, which is not the whole period") };
    Ok(Statement { what, shown: if whole { Shown::Proved } else { Shown::NotProved }, because, entries })
}

/// Something that is in effect from an entry on.
struct InEffect {
    index: u64,
    digest: Digest,
}

/// The policy bundle in effect.
fn policy(session: &Session, window: Window, times: &[Timestamp]) -> Result<Statement, Error> {
    let bundles = session.state().bundles()?.into_iter().map(|b| InEffect { index: b.index, digest: b.digest });
    let what = "the policy bundle in effect did not change";
    let none = "no bundle was put in effect: countersign init";
    Ok(unchanged(what, &bundles.collect::<Vec<_>>(), window, times, (Shown::NotProved, none)))
}

/// How strongly each control holds a change up.
fn levels(session: &Session, window: Window, times: &[Timestamp]) -> Result<Statement, Error> {
    let assignments = session.state().assignments()?.into_iter().map(|a| InEffect { index: a.index, digest: a.digest });
    let what = "how strongly controls are enforced did not change";
    let none = "nobody put levels in effect, so every control is hard";
    Ok(unchanged(what, &assignments.collect::<Vec<_>>(), window, times, (Shown::Proved, none)))
}

/// That one and the same was in effect from the start of the period to its end. Where nothing ever was, `none` says what that
/// means; what came into effect within the period changed it.
fn unchanged(
    what: &'static str,
    all: &[InEffect],
    window: Window,
    times: &[Timestamp],
    none: (Shown, &str),
) -> Statement {
    let at = |index: u64| usize::try_from(index).ok().and_then(|i| times.get(i)).copied().unwrap_or(window.to);
    let base = all.iter().rposition(|x| at(x.index) <= window.from);
    let counted: Vec<&InEffect> =
        all.iter().skip(base.unwrap_or_default()).filter(|x| at(x.index) < window.to).collect();
    let entries = counted.iter().map(|x| x.index).collect();
    let (shown, because) = match counted.as_slice() {
        [] => (none.0, none.1.to_owned()),
        [first, rest @ ..] => match rest.iter().find(|x| x.digest != first.digest) {
            Some(other) => {
                let because = format!("{} until entry {}, {} from there on", first.digest, other.index, other.digest);
                (Shown::Refuted, because)
            }
            None if base.is_none() => {
                let because = format!("{} came into effect in entry {}, within the period", first.digest, first.index);
                // Before it something else held: nothing could be decided, or every control was hard.
                (if none.0 == Shown::Proved { Shown::Refuted } else { Shown::NotProved }, because)
            }
            None => (Shown::Proved, first.digest.to_string()),
        },
    };
    Statement { what, shown, because, entries }
}

/// That every decision of the period names one and the same.
fn one_of_all(facts: &Value, field: &str, what: &'static str) -> Statement {
    let decisions = facts["decisions"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut values: BTreeMap<&str, u64> = BTreeMap::new();
    let mut entries = Vec::new();
    for decision in decisions {
        let index = decision["entries"][0].as_u64().unwrap_or_default();
        let value = decision[field].as_str().unwrap_or_default();
        if !values.contains_key(value) {
            values.insert(value, index);
            entries.push(index);
        }
    }
    let named: Vec<String> = values.iter().map(|(value, index)| format!("{value} from entry {index} on")).collect();
    let (shown, because) = match values.len() {
        0 => (Shown::NotProved, "nothing was decided in the period".to_owned()),
        1 if values.contains_key("") => (Shown::NotProved, "the decisions of the period cannot be read".to_owned()),
        1 => (Shown::Proved, format!("in every decision ({}): {}", decisions.len(), named.join(", "))),
        _ => (Shown::Refuted, named.join(", ")),
    };
    Statement { what, shown, because, entries }
}

/// That no grant was issued past a gate that serves the control.
fn enforcement(session: &Session, id: &str, window: Window, times: &[Timestamp]) -> Result<Statement, Error> {
    let what = "every gate that serves the control was enforced";
    let within =
        |index: u64| usize::try_from(index).ok().and_then(|i| times.get(i)).is_some_and(|time| window.holds(*time));
    let (mut served, mut past, mut entries) = (0_usize, Vec::new(), Vec::new());
    for steps in session.state().grant_steps()?.into_iter().filter(|s| within(s.index)) {
        let Some(row) = session.state().grant(&steps.grant)? else { continue };
        let Some(run) = session.state().run(&row.grant.run)? else { continue };
        let Some(decision) = run.decisions.iter().rev().find(|d| d.digest == row.grant.decision) else { continue };
        let gates = decision.document["verdict"]["gates"].as_array().map(Vec::as_slice).unwrap_or_default();
        for gate in gates {
            if !gate["controls"].as_array().is_some_and(|all| all.iter().any(|c| c == id)) {
                continue;
            }
            served = served.saturating_add(1);
            entries.extend([decision.index, steps.index]);
            let outcome = serde_json::from_value(gate["outcome"].clone()).unwrap_or(Outcome::Error);
            if !outcome.opens() {
                past.push(format!("entry {} grants what gate {} held shut", steps.index, gate["name"]));
            }
        }
    }
    entries.sort_unstable();
    entries.dedup();
    let (shown, because) = if !past.is_empty() {
        (Shown::Refuted, past.join("; "))
    } else if served > 0 {
        (Shown::Proved, format!("open before a grant was issued, each of {served} times that a gate served it"))
    } else {
        let because = "no gate of a decision in the period that a grant rests on serves it; it is judged afterwards";
        (Shown::NotApplicable, because.to_owned())
    };
    Ok(Statement { what, shown, because, entries })
}

/// That changes to what decides were under control: there were none, or the controls over them were kept.
fn changes_controlled(
    session: &Session,
    catalogue: &Catalogue,
    folded: &super::Folded,
    window: Window,
    times: &[Timestamp],
) -> Result<Statement, Error> {
    let what = "changes to what decides are controlled";
    let at = |index: u64| usize::try_from(index).ok().and_then(|i| times.get(i)).copied();
    let bundles = session.state().bundles()?;
    let within = bundles.iter().any(|b| at(b.index).is_some_and(|time| window.holds(time)));
    if let (false, Some(last)) = (within, bundles.iter().rfind(|b| at(b.index).is_some_and(|time| time < window.from)))
    {
        let because = "nothing of it was changed in the period".to_owned();
        return Ok(Statement { what, shown: Shown::Proved, because, entries: vec![last.index] });
    }
    let ids = ["policy-in-effect", "policy-editor-is-independent", "default-deny"];
    let ready = Ready::new(&folded.facts);
    let chosen = ids.iter().filter_map(|id| catalogue.get(id));
    let judged: Vec<_> = chosen.map(|c| super::judged::one(c, folded, &ready)).collect();
    let outcome = Outcome::all(judged.iter().map(|c| c.judgement.outcome));
    let each: Vec<String> = judged.iter().map(|c| format!("{} {}", c.id, c.judgement.outcome)).collect();
    let entries = judged.iter().flat_map(|c| c.judgement.entries.iter().copied());
    let entries: std::collections::BTreeSet<u64> = entries.collect();
    let shown = match outcome {
        Outcome::Pass => Shown::Proved,
        Outcome::Fail => Shown::Refuted,
        _ => Shown::NotProved,
    };
    Ok(Statement { what, shown, because: each.join(", "), entries: entries.into_iter().collect() })
}

/// That the record itself holds.
fn record(verified: Option<&Verified>) -> Statement {
    let what = "the record holds";
    let (shown, because) = match verified {
        None => (Shown::NotProved, "it was not verified".to_owned()),
        Some(v) if v.holds() => (Shown::Proved, format!("{} entries verified against the pinned key", v.report.size)),
        Some(v) if v.report.problems.is_empty() => (
            Shown::NotProved,
            "it is consistent, and nobody outside vouches for it, or not all of it could be read".to_owned(),
        ),
        Some(v) => (Shown::Refuted, format!("{} problems: countersign verify", v.report.problems.len())),
    };
    Statement { what, shown, because, entries: Vec::new() }
}
