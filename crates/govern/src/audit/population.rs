//! Populations: everything that a control was applied to in a window of time. An auditor needs it complete, and before
//! anybody knows which of it will be looked at (PCAOB AS 1105 on information produced by the company).
//!
//! [`super::populations`] makes them. The members come from the same facts as `assess` and `control certify`, so there is one truth. A population is sealed by
//! an entry that names its digest; only then a seed is taken ([`countersign_evidence::sample`]).

use countersign_evidence::merkle::{MemoryTree, leaf_hash};
use countersign_evidence::statement::Subject;
use countersign_evidence::{canonical, sample};
use countersign_model::event::{PopulationSealed, SampleDrawn};
use countersign_model::{Action, Digest, EventKind, Outcome, PersonId, StreamId, Timestamp};
use countersign_policy::Catalogue;
use countersign_policy::catalogue::{Frequency, Ready};
use countersign_store::projection::{PopulationRow, SampleRow};
use countersign_store::{NewBlob, Plan, Session};
use serde::{Deserialize, Serialize};

use super::populations::Populations;
use super::{AuditError, csv_cell};
use crate::Error;
use crate::access::needs;
use crate::assess::{Window, fold, judged_one};

/// The media type of a list of members.
const JSON_LINES: &str = "application/jsonl";

/// One time that the control worked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
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

/// A population, in the order of time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Population {
    /// The control.
    pub control: String,
    /// One line of it.
    pub title: String,
    /// The version of its file.
    pub definition: Digest,
    /// The window.
    pub window: Window,
    /// Applications, by id; none: all of them.
    pub applications: Vec<String>,
    /// The collection of facts that was asked for.
    pub query: String,
    /// How many entries of the log were read.
    pub size: u64,
    /// The members.
    pub members: Vec<Member>,
}

impl Population {
    /// A population as it was sealed.
    #[must_use]
    pub fn sealed(row: &PopulationRow, title: &str, members: Vec<Member>) -> Self {
        let said = &row.said;
        Self {
            control: said.control.clone(),
            title: title.to_owned(),
            definition: said.definition,
            window: Window { from: said.from, to: said.to },
            applications: said.applications.clone(),
            query: said.query.clone(),
            size: said.size,
            members,
        }
    }

    /// The members for spreadsheets (RFC 4180), after lines that begin with `#`: what was asked, how many rows there are, the root over
    /// them, and the digest of the same as JSON Lines.
    ///
    /// # Errors
    /// None is known.
    pub fn csv(&self) -> Result<String, Error> {
        let applications = if self.applications.is_empty() { "all".to_owned() } else { self.applications.join(" ") };
        let facts = [
            ("control", self.control.clone()),
            ("version of its file", self.definition.to_string()),
            ("query", self.query.clone()),
            ("from", self.window.from.to_string()),
            ("before", self.window.to.to_string()),
            ("applications", applications),
            ("entries read", self.size.to_string()),
            ("rows", self.members.len().to_string()),
            ("exceptions", self.exceptions().to_string()),
            ("root over the rows (RFC 6962)", self.root()?.to_string()),
            ("SHA-256 of the rows as JSON Lines", Digest::of(&self.lines()?).to_string()),
        ];
        let mut out = String::new();
        for (name, value) in facts {
            out.push_str(&csv_cell(&format!("# {name}: {value}")));
            out.push_str("\r\n");
        }
        out.push_str(&csv(&self.members));
        Ok(out)
    }

    /// How many break the control.
    #[must_use]
    pub fn exceptions(&self) -> u64 {
        self.members.iter().filter(|m| m.outcome != Outcome::Pass).count() as u64
    }

    /// The members as JSON Lines, each line canonical (RFC 8785).
    ///
    /// # Errors
    /// None is known.
    pub fn lines(&self) -> Result<Vec<u8>, Error> {
        let mut out = Vec::new();
        for member in &self.members {
            out.extend(canonical::to_vec(member)?);
            out.push(b'\n');
        }
        Ok(out)
    }

    /// The root of a Merkle tree over the lines, without their ends (RFC 6962 §2.1).
    ///
    /// # Errors
    /// None is known.
    pub fn root(&self) -> Result<Digest, Error> {
        let mut tree = MemoryTree::new();
        for member in &self.members {
            tree.extend([leaf_hash(&canonical::to_vec(member)?)]);
        }
        Ok(Digest::from_bytes(tree.root()))
    }
}

/// What the control was applied to in a window.
///
/// # Errors
/// [`AuditError::EmptyPopulation`], [`AuditError::NoSuchApplication`], [`Error::NoSuchControl`]; when the ledger cannot be read.
pub fn population(
    session: &Session,
    catalogue: &Catalogue,
    id: &str,
    window: Window,
    applications: &[String],
) -> Result<Population, Error> {
    let control = catalogue.get(id).ok_or_else(|| Error::NoSuchControl {
        control: id.to_owned(),
        nearest: catalogue.nearest(id).map(str::to_owned),
    })?;
    let folded = fold(session, None, window, 0)?;
    let judged = judged_one(control, &folded, &Ready::new(&folded.facts));
    let times = session.state().entry_times()?;
    let all = Populations::of(session, catalogue, (&folded.facts, &[judged], &times), window, applications)?;
    Ok(all.get(id)?.whole())
}

/// Seals a population; the log index. One that is sealed already just so is not sealed again.
///
/// # Errors
/// When it cannot be appended.
pub fn seal(session: &mut Session, population: &Population) -> Result<u64, Error> {
    let bytes = population.lines()?;
    let (digest, root) = (Digest::of(&bytes), population.root()?);
    session.must_record()?;
    let (_, index) = session.transact::<_, Error>(|s| {
        let same = |row: &&PopulationRow| {
            let said = &row.said;
            (&said.control, said.definition, said.from, said.to, said.members, &said.applications)
                == (
                    &population.control,
                    population.definition,
                    population.window.from,
                    population.window.to,
                    digest,
                    &population.applications,
                )
        };
        if let Some(row) = s.state().populations()?.iter().find(same) {
            return Ok((Plan { entries: Vec::new() }, row.index));
        }
        let index = s.ledger().size();
        let predicate = PopulationSealed {
            control: population.control.clone(),
            definition: population.definition,
            from: population.window.from,
            to: population.window.to,
            applications: population.applications.clone(),
            query: population.query.clone(),
            size: population.size,
            count: population.members.len() as u64,
            exceptions: population.exceptions(),
            root,
            members: digest,
            time: s.now(),
        };
        let blob = NewBlob { bytes: bytes.clone(), media: JSON_LINES.into() };
        let subject = vec![Subject::sha256("population", &digest)];
        let stream = StreamId::from_text("audit");
        let entry = s.machine_entry(EventKind::PopulationSealed, stream, subject, predicate, vec![], vec![blob])?;
        Ok((Plan { entries: vec![entry] }, index))
    })?;
    Ok(index)
}

/// A sealed population and its members.
///
/// # Errors
/// [`AuditError::NoSuchPopulation`], [`AuditError::PopulationDiffers`]; when the ledger cannot be read.
pub fn sealed(session: &Session, index: u64) -> Result<(PopulationRow, Vec<Member>), Error> {
    let row = session.state().population(index)?.ok_or(AuditError::NoSuchPopulation { index })?;
    let bytes = session.ledger().payload(&row.members)?;
    let (mut members, mut tree): (Vec<Member>, _) = (Vec::new(), MemoryTree::new());
    for line in bytes.split_inclusive(|b| *b == b'\n').map(|line| line.strip_suffix(b"\n").unwrap_or(line)) {
        members.push(canonical::from_slice(line)?);
        tree.extend([leaf_hash(line)]);
    }
    let exceptions = members.iter().filter(|m| m.outcome != Outcome::Pass).count() as u64;
    if (members.len() as u64, exceptions, Digest::from_bytes(tree.root()))
        != (row.said.count, row.said.exceptions, row.said.root)
    {
        return Err(AuditError::PopulationDiffers { index }.into());
    }
    Ok((row, members))
}

/// Draws a sample of a sealed population and records it. The same seed and count give the same sample, which is recorded once.
///
/// # Errors
/// [`AuditError::NoSuchPopulation`], [`AuditError::BadSeed`]; when it cannot be appended.
pub fn draw(session: &mut Session, population: u64, seed: &str, count: u64) -> Result<(SampleRow, Vec<Member>), Error> {
    draw_by(session, population, seed, count, None)
}

/// As [`draw`], for an auditor who named the seed.
///
/// # Errors
/// As [`draw`]; [`Error::NotRole`].
pub fn draw_by(
    session: &mut Session,
    population: u64,
    seed: &str,
    count: u64,
    by: Option<&PersonId>,
) -> Result<(SampleRow, Vec<Member>), Error> {
    if seed.trim().is_empty() || seed.len() > 200 || seed.chars().any(char::is_control) {
        return Err(AuditError::BadSeed.into());
    }
    let (row, members) = sealed(session, population)?;
    session.must_record()?;
    let chosen = sample::choose(seed, row.said.count, count);
    let (_, drawn) = session.transact::<_, Error>(|s| {
        if let Some(by) = by {
            needs(s, by, Action::AskInAudit)?;
        }
        let before = s.state().samples_of(population)?;
        if let Some(same) = before.into_iter().find(|b| b.seed == seed && b.chosen == chosen) {
            return Ok((Plan { entries: Vec::new() }, same));
        }
        let time = s.now();
        let drawn = SampleRow {
            index: s.ledger().size(),
            population,
            seed: seed.to_owned(),
            chosen: chosen.clone(),
            by: by.cloned(),
            time,
        };
        let predicate = SampleDrawn {
            population,
            seed: seed.to_owned(),
            count: chosen.len() as u64,
            chosen: chosen.clone(),
            by: by.cloned(),
            time,
        };
        let subject = vec![Subject::sha256("population", &row.said.members)];
        let stream = StreamId::from_text("audit");
        let entry = s.machine_entry(EventKind::SampleDrawn, stream, subject, predicate, vec![population], vec![])?;
        Ok((Plan { entries: vec![entry] }, drawn))
    })?;
    let taken = drawn.chosen.iter().filter_map(|i| members.get(usize::try_from(*i).ok()?).cloned()).collect();
    Ok((drawn, taken))
}

/// Members for spreadsheets (RFC 4180).
#[must_use]
pub fn csv(members: &[Member]) -> String {
    let mut out = String::from("subject,time,outcome,text,entries\r\n");
    for m in members {
        let entries: Vec<String> = m.entries.iter().map(ToString::to_string).collect();
        let cells = [
            csv_cell(&m.subject),
            m.time.to_string(),
            m.outcome.to_string(),
            csv_cell(m.text.as_deref().unwrap_or_default()),
            entries.join(" "),
        ];
        out.push_str(&cells.join(","));
        out.push_str("\r\n");
    }
    out
}

/// How many members are commonly tested of a control that works so often. Practice of the large firms; PCAOB prescribes no
/// number.
#[must_use]
pub const fn usual_size(frequency: Frequency) -> u64 {
    match frequency {
        Frequency::Yearly => 1,
        Frequency::Quarterly => 2,
        Frequency::Monthly => 5,
        Frequency::Weekly => 15,
        Frequency::Daily | Frequency::EachChange | Frequency::EachDeployment | Frequency::EachEvent => 25,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_for_spreadsheets_says_what_it_is_and_holds_no_formula() {
        let member = |subject: &str, text: Option<&str>| Member {
            subject: subject.to_owned(),
            time: Timestamp::from_millis(0),
            outcome: if text.is_some() { Outcome::Fail } else { Outcome::Pass },
            text: text.map(str::to_owned),
            entries: vec![1, 2],
        };
        let p = Population {
            control: "c".into(),
            title: String::new(),
            definition: Digest::of(b"c"),
            window: Window { from: Timestamp::from_millis(0), to: Timestamp::from_millis(1) },
            applications: vec!["=1+1".into(), "b,c".into()],
            query: "runs".into(),
            size: 3,
            members: vec![member("=HYPERLINK(\"x\")", Some("-2,\n@x")), member("run-1", None)],
        };
        let csv = p.csv().unwrap();
        let lines: Vec<&str> = csv.split("\r\n").collect();
        assert_eq!((lines[0], lines[5], lines[7]), ("# control: c", "\"# applications: =1+1 b,c\"", "# rows: 2"));
        assert_eq!(lines[9], format!("# root over the rows (RFC 6962): {}", p.root().unwrap()));
        assert_eq!(lines[11], "subject,time,outcome,text,entries");
        assert_eq!(lines[12], "\"'=HYPERLINK(\"\"x\"\")\",1970-01-01T00:00:00.000Z,fail,\"'-2,\n@x\",1 2");
        for line in &lines {
            assert!(!line.starts_with(['=', '+', '-', '@', '\t']), "{line}");
        }
    }
}
