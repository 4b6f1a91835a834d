//! Counts, figures and lists of parts are what a plain walk over everything comes to.

use std::collections::BTreeMap;

use countersign_model::{EventKind, Outcome, RunId, Timestamp};
use countersign_store::projection::{DeploymentRow, DeploymentsAsked, EntriesAsked, RunsAsked, State, Watch, Within};

use crate::history::History;

const EVERY: i64 = 7;
/// The repository that histories are about.
const OWN: &str = "https://example.test/shop.git";

/// A log of some releases; every fifth deployment failed. Time moves with every release.
fn folded(dir: &std::path::Path) -> State {
    let (mut history, mut ledger) = History::begin(&dir.join("ledger"));
    let founding = history.founding();
    history.append(&mut ledger, founding);
    for _ in 0..23 {
        history.stated += 3;
        let release = history.release();
        history.append(&mut ledger, release);
    }
    // Begun, and nothing decided.
    let begun = history.step(0);
    history.append(&mut ledger, vec![begun]);
    State::replay(&ledger, None, &Watch::default()).unwrap()
}

fn time_of(state: &State, index: u64) -> Timestamp {
    state.entries_from(index, 1).unwrap()[0].time
}

fn median(mut all: Vec<i64>) -> Option<i64> {
    all.sort_unstable();
    all.get(all.len().checked_sub(1)? / 2).copied()
}

#[test]
fn figures_of_delivery_are_those_of_all_deployments() {
    let dir = tempfile::tempdir().unwrap();
    let state = folded(dir.path());
    let all = state.deployments().unwrap();
    let failed = all.iter().filter(|d| !d.success).count();
    assert!(failed > 2 && all.len() > 3 * failed, "{failed} of {}", all.len());
    let from = all[3].time;
    let (mut broken, mut restored, mut lead) = (BTreeMap::new(), Vec::new(), Vec::new());
    let mut stretches = vec![(0, 0); 4];
    for d in &all {
        let place = (d.repository.as_str(), d.environment.as_str());
        if !d.success {
            broken.entry(place).or_insert(d.time);
        }
        let ended = if d.success { broken.remove(&place) } else { None };
        if d.time < from {
            continue;
        }
        restored.extend(ended.map(|since| d.time.millis() - since.millis()));
        if d.success {
            let judged = time_of(&state, state.run(&d.run).unwrap().unwrap().index);
            lead.push(d.time.millis() - judged.millis());
        }
        let nth = usize::try_from((d.time.millis() - from.millis()) / EVERY).unwrap();
        if let Some((good, bad)) = stretches.get_mut(nth) {
            if d.success { *good += 1 } else { *bad += 1 }
        }
    }
    let told = state.delivery(&DeploymentsAsked::default(), from, EVERY, 4).unwrap();
    let since = |success| {
        let asked = DeploymentsAsked { from: Some(from), success: Some(success), ..DeploymentsAsked::default() };
        state.deployments_count(&asked).unwrap()
    };
    assert_eq!((told.succeeded, told.failed), (since(true), since(false)));
    assert_eq!(told.stretches, stretches);
    assert!(told.stretches.iter().any(|(good, _)| *good > 0));
    assert!(!restored.is_empty());
    assert_eq!((told.lead, told.restore), (median(lead), median(restored)));
    let elsewhere = DeploymentsAsked { environment: Some("nowhere".into()), ..DeploymentsAsked::default() };
    let none = state.delivery(&elsewhere, from, EVERY, 4).unwrap();
    assert_eq!((none.succeeded + none.failed, none.lead, none.restore), (0, None, None));
}

#[test]
fn deployments_of_a_period_are_listed_and_counted_as_a_walk_finds_them() {
    let dir = tempfile::tempdir().unwrap();
    let state = folded(dir.path());
    let all = state.deployments().unwrap();
    let (first, last) = (all[0].time, all[all.len() - 1].time);
    let (early, late) = (all[all.len() / 4].time, all[all.len() / 2].time);
    let after = Timestamp::from_millis(last.millis() + 1);
    let other = || "https://example.test/other.git".to_owned();
    let mut cut = 0;
    for (from, to) in [(first, after), (early, late), (first, early), (late, after), (late, early), (first, last)] {
        for repositories in [None, Some(vec![other(), OWN.to_owned()]), Some(vec![other()])] {
            for since in [None, Some(early)] {
                for success in [None, Some(true), Some(false)] {
                    let within = Within { from, to, repositories: repositories.clone() };
                    let fits = |d: &&DeploymentRow| {
                        within.has_time(d.time)
                            && within.has_repository(Some(&d.repository))
                            && since.is_none_or(|since| d.time >= since)
                            && success.is_none_or(|success| d.success == success)
                    };
                    let mut wanted: Vec<u64> = all.iter().filter(fits).map(|d| d.index).collect();
                    wanted.reverse();
                    let within = Some(within);
                    let asked = DeploymentsAsked { from: since, success, within, ..DeploymentsAsked::default() };
                    assert_eq!(state.deployments_count(&asked).unwrap(), wanted.len() as u64);
                    let (mut listed, mut before) = (Vec::new(), None);
                    loop {
                        let part = state.deployments_page(&DeploymentsAsked { before, ..asked.clone() }, 4).unwrap();
                        listed.extend(part.iter().map(|d| d.index));
                        before = part.last().map(|d| d.index);
                        if before.is_none() {
                            break;
                        }
                    }
                    assert_eq!(listed, wanted);
                    cut += usize::from(!wanted.is_empty() && wanted.len() < all.len());
                }
            }
        }
    }
    assert!(cut > 10, "periods must cut");
}

#[test]
fn what_runs_somewhere_is_the_newest_success_of_each_repository() {
    let dir = tempfile::tempdir().unwrap();
    let state = folded(dir.path());
    let mut newest = BTreeMap::new();
    for d in state.deployments().unwrap().into_iter().filter(|d| d.success) {
        newest.insert((d.environment, d.repository), d.index);
    }
    assert!(!newest.is_empty());
    for ((environment, repository), index) in newest {
        let running = state.running(&environment, None).unwrap();
        let here = running.iter().find(|line| line.repository == repository).unwrap();
        assert_eq!(here.index, index);
    }
    assert_eq!(state.running("nowhere", None).unwrap(), []);
}

#[test]
fn runs_are_counted_by_time_and_outcome_and_period_as_a_walk_counts_them() {
    let dir = tempfile::tempdir().unwrap();
    let state = folded(dir.path());
    let runs = state.runs().unwrap();
    let mut times = Vec::new();
    for run in &runs {
        let row = state.run(&run.id).unwrap().unwrap();
        let mut said = row.attempts.clone();
        said.extend(row.decisions.iter().map(|d| d.index));
        said.extend(row.approvals.iter().map(|a| a.index));
        said.extend(state.deployments().unwrap().iter().filter(|d| d.run == run.id).map(|d| d.index));
        times.push((run.id.clone(), said.into_iter().map(|i| time_of(&state, i)).collect::<Vec<_>>()));
    }
    let (first, last) = (time_of(&state, runs[0].index), state.newest_time().unwrap());
    let after = Timestamp::from_millis(last.millis() + 1);
    let middle = time_of(&state, runs[runs.len() / 2].index);
    let mut cut = 0;
    for (from, to) in [(first, after), (middle, after), (first, middle), (middle, middle), (after, after)] {
        let within = Within { from, to, repositories: None };
        let expected: Vec<_> =
            times.iter().filter(|(_, said)| said.iter().any(|at| within.has_time(*at))).map(|(id, _)| id).collect();
        let asked = RunsAsked { within: Some(within.clone()), ..RunsAsked::default() };
        let mut listed: Vec<_> = state.runs_page(&asked, 1000).unwrap().into_iter().map(|line| line.id).collect();
        listed.reverse();
        assert_eq!(listed.iter().collect::<Vec<_>>(), expected);
        assert_eq!(state.runs_count(&asked).unwrap(), expected.len() as u64);
        for (id, _) in &times {
            assert_eq!(state.is_run_within(id, &within).unwrap(), expected.contains(&id));
        }
        cut += usize::from(!expected.is_empty() && expected.len() < times.len());
        let own =
            Within { repositories: Some(vec!["https://example.test/other.git".into(), OWN.into()]), ..within.clone() };
        // Of those that began in a stretch of time, cut by the period or not.
        for (since, until) in [(first, middle), (middle, last), (first, after), (after, first)] {
            let began = |id: &RunId| (since..until).contains(&time_of(&state, state.run(id).unwrap().unwrap().index));
            let wanted = expected.iter().filter(|id| began(id)).count() as u64;
            for within in [&within, &own] {
                for repository in [None, Some(OWN.to_owned())] {
                    let (from, to, within) = (Some(since), Some(until), Some(within.clone()));
                    let asked = RunsAsked { from, to, repository, within, ..RunsAsked::default() };
                    assert_eq!(state.runs_count(&asked).unwrap(), wanted);
                    assert_eq!(state.runs_page(&asked, 1000).unwrap().len() as u64, wanted);
                    let by_outcome = |outcome| RunsAsked { among: vec![outcome], ..asked.clone() };
                    let all = Outcome::ALL.map(Some).into_iter().chain([None]);
                    let sum: u64 = all.map(|o| state.runs_count(&by_outcome(o)).unwrap()).sum();
                    assert_eq!(sum, wanted);
                }
                let length = until.millis().saturating_sub(since.millis()).max(1);
                let weeks = state.runs_over_time(since, length, 1, Some(within)).unwrap();
                assert_eq!(weeks.iter().map(|(.., n)| n).sum::<u64>(), if since < until { wanted } else { 0 });
            }
        }
        let nowhere = Within { repositories: Some(vec!["https://example.test/other.git".into()]), ..within };
        let asked = RunsAsked { within: Some(nowhere), ..RunsAsked::default() };
        assert_eq!(state.runs_count(&asked).unwrap(), 0);
    }
    assert!(cut >= 2, "periods must cut");

    let span = last.millis() - first.millis() + 1;
    let counted = state.runs_over_time(first, span / 3 + 1, 3, None).unwrap();
    let all = Within { from: first, to: after, repositories: None };
    assert_eq!(counted, state.runs_over_time(first, span / 3 + 1, 3, Some(&all)).unwrap());
    for (nth, outcome, n) in &counted {
        let start = first.millis() + i64::from(*nth) * (span / 3 + 1);
        let asked = RunsAsked {
            among: vec![*outcome],
            from: Some(Timestamp::from_millis(start)),
            to: Some(Timestamp::from_millis(start + span / 3 + 1)),
            ..RunsAsked::default()
        };
        assert_eq!((state.runs_count(&asked).unwrap(), state.runs_page(&asked, 1000).unwrap().len() as u64), (*n, *n));
    }
    let any = RunsAsked { among: counted.iter().map(|(_, outcome, _)| *outcome).collect(), ..RunsAsked::default() };
    assert_eq!(state.runs_count(&any).unwrap(), runs.len() as u64);
    for outcome in Outcome::ALL {
        let asked = RunsAsked { outcome: Some(outcome), ..RunsAsked::default() };
        let drawn: u64 = counted.iter().filter(|(_, o, _)| *o == Some(outcome)).map(|(.., n)| n).sum();
        assert_eq!(drawn, state.runs_count(&asked).unwrap(), "{outcome}");
    }
    let undecided = RunsAsked { undecided: true, ..RunsAsked::default() };
    let drawn: u64 = counted.iter().filter(|(_, o, _)| o.is_none()).map(|(.., n)| n).sum();
    assert_eq!((drawn, state.runs_count(&undecided).unwrap()), (1, 1));
    let line = state.runs_page(&undecided, 5).unwrap().pop().unwrap();
    assert_eq!((line.outcome, line.decision), (None, None));
}

#[test]
fn kinds_are_counted_as_the_lists_of_them_are_long() {
    let dir = tempfile::tempdir().unwrap();
    let state = folded(dir.path());
    let kinds = state.kinds().unwrap();
    let there: Vec<EventKind> = kinds.iter().map(|(kind, _)| *kind).collect();
    assert!(state.has_only_since(0, &there).unwrap() && state.has_only_since(state.size(), &[]).unwrap());
    let last = state.entries_from(state.size() - 1, 1).unwrap()[0].kind;
    let others: Vec<EventKind> = there.iter().copied().filter(|kind| *kind != last).collect();
    assert!(!state.has_only_since(state.size() - 1, &others).unwrap() && !state.has_only_since(0, &[last]).unwrap());
    assert!(state.has_only_since(state.size() - 1, &[last]).unwrap());
    assert_eq!(kinds.iter().map(|(_, n)| n).sum::<u64>(), state.size());
    for kind in EventKind::ALL {
        let asked = EntriesAsked { kind: Some(kind), ..EntriesAsked::default() };
        let listed = state.entries_page(&asked, 10_000).unwrap().len() as u64;
        assert_eq!(state.entries_count(&asked).unwrap(), listed);
        assert_eq!(kinds.iter().find(|(known, _)| *known == kind).map_or(0, |(_, n)| *n), listed);
    }
}
