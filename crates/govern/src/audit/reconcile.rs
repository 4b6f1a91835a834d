//! Reconciliation: independent sources of what happened, held against each other. Each gap is named with its kind; a listing
//! that nobody compared with another is not known to be complete.

use std::collections::{BTreeMap, BTreeSet};

use countersign_store::Session;
use countersign_store::projection::{DeploymentRow, GrantState, SnapshotsAsked, State};

use crate::Error;
use crate::assess::Window;

/// A line of a list from elsewhere: what the deployment tool, or production itself, says was deployed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Imported {
    /// The line, from 1.
    pub line: usize,
    /// The environment.
    pub environment: String,
    /// The commit; at least seven hex digits of it.
    pub commit: String,
}

/// Something that one source has and another has not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// Which kind.
    pub kind: &'static str,
    /// What it is about.
    pub subject: String,
    /// In words.
    pub text: String,
    /// Log indices.
    pub entries: Vec<u64>,
}

/// What came of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reconciliation {
    /// How many each source has in the window; `None`: the source was not asked.
    pub sources: BTreeMap<&'static str, Option<u64>>,
    /// The gaps, in the order of their kinds.
    pub gaps: Vec<Gap>,
}

/// Holds the sources of a window against each other. `merged` are commits that came to a protected branch in it.
///
/// # Errors
/// When the ledger cannot be read.
pub fn reconcile(
    session: &Session,
    window: Window,
    imported: Option<&[Imported]>,
    merged: Option<&[String]>,
) -> Result<Reconciliation, Error> {
    of_log(session.state(), &|_| true, window, imported, merged)
}

/// As [`reconcile`], of the entries that are seen.
pub(crate) fn of_log(
    state: &State,
    sees: &dyn Fn(u64) -> bool,
    window: Window,
    imported: Option<&[Imported]>,
    merged: Option<&[String]>,
) -> Result<Reconciliation, Error> {
    let times = state.entry_times()?;
    let at = |index: u64| usize::try_from(index).ok().and_then(|i| times.get(i)).copied();
    let within = |index: u64| at(index).is_some_and(|time| window.holds(time)) && sees(index);
    let mut found = Reconciliation::default();
    let (mut runs, mut decisions) = (0, 0);
    for id in state.runs_between(window.from, window.to)? {
        let Some(run) = state.run(&id)? else { continue };
        decisions += run.decisions.iter().filter(|d| within(d.index)).count() as u64;
        if !run.attempts.iter().any(|index| within(*index)) {
            continue;
        }
        runs += 1;
        if run.decisions.is_empty() {
            let text = "it was begun and nothing was decided".to_owned();
            let subject = run.id.to_string();
            found.gaps.push(Gap { kind: "run-without-decision", subject, text, entries: run.attempts });
        }
    }
    let deployments: Vec<DeploymentRow> = state.deployments()?.into_iter().filter(|d| within(d.index)).collect();
    let mut grants = 0;
    for row in state.grants()?.into_iter().filter(|g| within(g.index)) {
        grants += 1;
        let subject = row.grant.grant.to_string();
        match row.state {
            GrantState::Started => {
                let entries = vec![row.index, row.started.unwrap_or(row.index)];
                let text = "it was redeemed and how it ended is not on record".to_owned();
                found.gaps.push(Gap { kind: "deployment-without-end", subject, text, entries });
            }
            GrantState::Issued if row.grant.expires < window.to => {
                let text = "it was issued and never used".to_owned();
                found.gaps.push(Gap { kind: "grant-not-used", subject, text, entries: vec![row.index] });
            }
            _ => {}
        }
    }
    if let Some(imported) = imported {
        against_list(&deployments, imported, &mut found);
    }
    if let Some(merged) = merged {
        let judged: BTreeSet<String> = state.runs()?.into_iter().map(|run| run.commit).collect();
        for commit in merged.iter().filter(|commit| !judged.contains(*commit)) {
            let text = "it is on the protected branch and was never judged by itself".to_owned();
            found.gaps.push(Gap { kind: "merge-without-run", subject: commit.clone(), text, entries: vec![] });
        }
    }
    let snapshots = state.snapshots_count(&SnapshotsAsked {
        from: Some(window.from),
        to: Some(window.to),
        ..SnapshotsAsked::default()
    })?;
    // Where nobody ever looked, none in this window says nothing.
    let looked = state.snapshots_count(&SnapshotsAsked::default())? > 0;
    for seen in
        state.sightings_between(window.from, window.to)?.into_iter().filter(|s| s.grant.is_none() && sees(s.first.0))
    {
        let text = format!("{} ran, and no recorded deployment put it there", seen.name);
        let subject = format!("{} in {}", seen.digest, seen.environment);
        found.gaps.push(Gap { kind: "running-without-deployment", subject, text, entries: vec![seen.first.0] });
    }
    found.sources = BTreeMap::from([
        ("runs", Some(runs)),
        ("decisions", Some(decisions)),
        ("grants", Some(grants)),
        ("deployments", Some(deployments.len() as u64)),
        ("imported list", imported.map(|all| all.len() as u64)),
        ("protected branch", merged.map(|all| all.len() as u64)),
        ("snapshots", looked.then_some(snapshots)),
    ]);
    found.gaps.sort_by(|a, b| (a.kind, &a.subject).cmp(&(b.kind, &b.subject)));
    Ok(found)
}

/// Each line of the list is one deployment of the log, and the other way round: two lines that say the same are two.
fn against_list(deployments: &[DeploymentRow], imported: &[Imported], found: &mut Reconciliation) {
    let mut open: Vec<&DeploymentRow> = deployments.iter().collect();
    for line in imported {
        let is_it = |d: &&DeploymentRow| d.environment == line.environment && d.commit.starts_with(&line.commit);
        match open.iter().position(is_it) {
            Some(place) => {
                open.remove(place);
            }
            None => {
                let subject = format!("{} in {}", line.commit, line.environment);
                let text = format!("line {} of the list names it, and the log has no such deployment", line.line);
                found.gaps.push(Gap { kind: "deployment-without-grant", subject, text, entries: vec![] });
            }
        }
    }
    for d in open {
        let text = "the log has it, and the list does not name it".to_owned();
        let subject = d.grant.to_string();
        found.gaps.push(Gap { kind: "deployment-not-in-list", subject, text, entries: vec![d.index] });
    }
}

/// Reads a list: CSV with a head line that has the columns `environment` and `commit`, in any order, others beside them.
///
/// # Errors
/// What is wrong, with the line.
pub fn read_list(text: &str) -> Result<Vec<Imported>, (usize, &'static str)> {
    let mut lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let head = lines.next().map(|(_, line)| line).ok_or((1, "it is empty"))?;
    let columns: Vec<&str> = head.trim_start_matches('\u{feff}').split(',').map(str::trim).collect();
    let place = |name: &str| columns.iter().position(|column| column.eq_ignore_ascii_case(name));
    let (Some(environment), Some(commit)) = (place("environment"), place("commit")) else {
        return Err((1, "its first line names no columns `environment` and `commit`"));
    };
    lines
        .map(|(n, line)| {
            let line_number = n + 1;
            if line.contains('"') {
                return Err((line_number, "quoted cells are not read: leave out columns with commas in them"));
            }
            let cells: Vec<&str> = line.split(',').map(str::trim).collect();
            if cells.len() != columns.len() {
                return Err((line_number, "it has another number of cells than the first line"));
            }
            let cell = |at: usize| cells.get(at).copied().unwrap_or_default();
            let commit = cell(commit).to_ascii_lowercase();
            if !(7..=64).contains(&commit.len()) || !commit.bytes().all(|b| b.is_ascii_hexdigit()) {
                return Err((line_number, "its commit is not 7 to 64 hex digits"));
            }
            if cell(environment).is_empty() {
                return Err((line_number, "it names no environment"));
            }
            Ok(Imported { line: line_number, environment: cell(environment).to_owned(), commit })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::read_list;

    #[test]
    fn lists_are_read_strictly() {
        let read = read_list("time, Commit ,environment\n2026-01-01,ABCDEF0123,production\n\n").unwrap();
        assert_eq!(
            (read[0].line, read[0].environment.as_str(), read[0].commit.as_str()),
            (2, "production", "abcdef0123")
        );
        assert_eq!(read_list("").unwrap_err().0, 1);
        assert_eq!(read_list("a,b\n").unwrap_err().0, 1);
        assert_eq!(read_list("commit,environment\nabcdef0,production,x\n").unwrap_err().0, 2);
        assert_eq!(read_list("commit,environment\nabc,production\n").unwrap_err().0, 2);
        assert_eq!(read_list("commit,environment\nabcdef0,\n").unwrap_err().0, 2);
        assert_eq!(read_list("commit,environment\n\"abcdef0\",production\n").unwrap_err().0, 2);
    }
}
