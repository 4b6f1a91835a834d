//! The index of findings: brought up step by step it is what is built from the beginning, also after a disposal.

use std::sync::Arc;
use std::time::Duration;

use countersign_model::{Confidence, Digest, PayloadRef, RunId, Severity, Timestamp, TreePath};
use countersign_store::Error;
use countersign_store::findings::{Asked, Basis, Cursor, Index, Look, LookRow, Periods, SEVERITIES, Seen, Standing};
use countersign_store::projection::Within;
use proptest::prelude::*;

fn basis() -> Basis {
    Basis { origin: "log".to_owned(), pinned: String::new(), catalogue: String::new() }
}

const WAIT: Duration = Duration::from_secs(5);

/// One look of a made-up house.
#[derive(Debug, Clone)]
struct Step {
    repository: u8,
    tool: u8,
    run: u8,
    prints: Vec<u8>,
    is_complete: bool,
    gap: bool,
    unread: bool,
}

fn seen(print: u8) -> Seen {
    let severity = SEVERITIES[usize::from(print % 5)];
    Seen {
        rule: format!("secrets/rule-{}", print % 3),
        severity,
        confidence: Confidence::High,
        path: TreePath::from_bytes(if print.is_multiple_of(2) { "gap/a.py" } else { "b.py" }),
        line: u32::from(print),
        fingerprint: Digest::of(&[print]),
        controls: if print.is_multiple_of(4) { Vec::new() } else { vec![format!("control-{}", print % 2)] },
        cwe: vec!["CWE-798".to_owned()],
        title: None,
        excerpt: None,
        asked: print.is_multiple_of(7).then(|| "inline".to_owned()),
        reason: None,
    }
}

fn row(index: usize, step: &Step) -> LookRow {
    LookRow {
        index: index as u64,
        time: Timestamp::from_millis(index as i64 * 3_600_000),
        run: RunId::from_text(format!("run-{}-{}", step.repository, step.run)),
        repository: (step.repository > 0).then(|| format!("https://example.test/{}.git", step.repository)),
        commit: format!("{:040}", step.run),
        record: PayloadRef { sha256: Digest::of(b"x"), size: 1, media: "application/json".to_owned(), sealed: None },
        is_report: step.tool > 0,
    }
}

fn take(index: &Index, all: &[(usize, &Step)]) {
    let done = index.write(WAIT, |new| {
        for (n, step) in all {
            if step.unread {
                new.unread(&row(*n, step), "countersign")?;
                continue;
            }
            let look = Look {
                tool: format!("tool-{}", step.tool),
                findings: step.prints.iter().map(|p| seen(step.tool * 40 + p)).collect(),
                gaps: if step.gap { vec![TreePath::from_bytes("gap")] } else { Vec::new() },
                is_complete: step.is_complete,
                adds: step.tool > 0,
            };
            new.take(&row(*n, step), &look, &|controls| (!controls.is_empty()).then_some(24))?;
        }
        new.lateness(Timestamp::from_millis(40 * 3_600_000))?;
        Ok::<_, Error>(())
    });
    done.unwrap().unwrap();
}

fn step() -> impl Strategy<Value = Step> {
    let prints = proptest::collection::vec(0..12_u8, 0..6);
    (0..3_u8, 0..3_u8, 0..4_u8, prints, proptest::bool::weighted(0.8), any::<bool>(), proptest::bool::weighted(0.1))
        .prop_map(|(repository, tool, run, prints, is_complete, gap, unread)| Step {
            repository,
            tool,
            run,
            prints,
            is_complete,
            gap,
            unread,
        })
}

/// All rows of a list, read part by part.
fn whole(index: &Index, asked: &Asked) -> Vec<(u64, Option<Timestamp>, Digest, Option<String>)> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = index.page(&Asked { after, ..asked.clone() }, 3).unwrap();
        all.extend(page.listed.lines.iter().map(|l| (l.risk, l.due, l.fingerprint, l.repository.clone())));
        match page.listed.next {
            Some(next) => {
                let text = next.to_string();
                assert_eq!(text.parse::<Cursor>(), Ok(next.clone()));
                after = Some(next);
            }
            None => return all,
        }
    }
}

/// What is remembered of periods is what is counted anew, whatever happened to the index since.
fn as_counted_anew(index: Index, periods: &Arc<Periods>) -> Result<Index, TestCaseError> {
    let hour = |n: i64| Timestamp::from_millis(n * 3_600_000);
    let one = Some(vec!["https://example.test/1.git".to_owned()]);
    let asked = [(0, 100, None), (5, 20, None), (5, 20, one), (12, 13, None), (20, 20, None)].map(|(from, to, of)| {
        let within = Within { from: hour(from), to: hour(to), repositories: of };
        Asked { within: Some(within), ..Asked::default() }
    });
    let index = index.remembering(periods);
    let known: Vec<_> = asked.iter().map(|asked| index.page(asked, 5).unwrap()).collect();
    let index = index.remembering(&Arc::default());
    for (asked, known) in asked.iter().zip(known) {
        prop_assert_eq!(&index.page(asked, 5).unwrap(), &known);
        prop_assert_eq!(&index.counts(asked).unwrap(), &known.counts);
    }
    Ok(index)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn step_by_step_is_from_the_beginning_and_every_count_leads_to_so_many_rows(
        steps in proptest::collection::vec(step(), 1..40),
        cut in 1..5_usize,
        gone in proptest::collection::btree_set(0..40_usize, 0..6),
    ) {
        let all: Vec<(usize, &Step)> = steps.iter().enumerate().collect();
        let scratch = Index::scratch(&basis()).unwrap();
        take(&scratch, &all);
        let periods = Arc::new(Periods::default());
        let mut by_steps = Index::scratch(&basis()).unwrap();
        for part in all.chunks(cut) {
            take(&by_steps, part);
            by_steps = as_counted_anew(by_steps, &periods)?;
        }
        prop_assert_eq!(scratch.told().unwrap(), by_steps.told().unwrap());

        // What was disposed of leaves as if it had never been there.
        let gone: Vec<u64> = gone.into_iter().map(|n| n as u64).collect();
        let kept: Vec<(usize, &Step)> = all.iter().filter(|(n, _)| !gone.contains(&(*n as u64))).copied().collect();
        let stale = by_steps.write(WAIT, |new| {
            new.forget(&gone)?;
            new.stale()
        });
        for (id, repository) in stale.unwrap().unwrap() {
            let of: Vec<_> = kept.iter().filter(|(n, s)| row(*n, s).repository == repository).copied().collect();
            take(&by_steps, &of);
            by_steps.write(WAIT, |new| { new.is_read(id)?; new.tidy() }).unwrap();
            by_steps = as_counted_anew(by_steps, &periods)?;
        }
        let without = Index::scratch(&basis()).unwrap();
        take(&without, &kept);
        without.write(WAIT, |new| new.tidy()).unwrap();
        prop_assert_eq!(without.told().unwrap(), by_steps.told().unwrap());
        as_counted_anew(by_steps, &periods)?;

        let everything = scratch.page(&Asked::default(), 1000).unwrap();
        prop_assert_eq!(everything.counts.asked, everything.listed.lines.len() as u64);
        let mut filters = vec![Asked { late: true, ..Asked::default() }];
        filters.extend(Standing::ALL.map(|s| Asked { stands: Some(s), ..Asked::default() }));
        filters.extend(SEVERITIES.map(|s| Asked { severity: Some(s), ..Asked::default() }));
        for name in &everything.names.repositories {
            filters.push(Asked { repository: Some(name.clone()), ..Asked::default() });
        }
        for name in &everything.names.rules {
            filters.push(Asked { rule: Some(name.clone()), stands: Some(Standing::Open), ..Asked::default() });
        }
        for name in &everything.names.controls {
            filters.push(Asked { control: Some(name.clone()), ..Asked::default() });
        }
        for asked in filters {
            let rows = whole(&scratch, &asked);
            prop_assert_eq!(rows.len() as u64, scratch.counts(&asked).unwrap().asked, "{:?}", asked);
            let mut sorted = rows.clone();
            // No day comes last.
            sorted.sort_by_key(|(risk, due, print, _)| {
                (std::cmp::Reverse(*risk), due.is_none(), *due, *print)
            });
            prop_assert_eq!(&rows, &sorted);
            let mut once = rows.clone();
            once.sort();
            once.dedup();
            prop_assert_eq!(once.len(), rows.len());
        }
        // An audit of a period, and of some repositories.
        let hour = |n: i64| Timestamp::from_millis(n * 3_600_000);
        for repositories in [None, Some(vec!["https://example.test/1.git".to_owned()]), Some(Vec::new())] {
            let within = Within { from: hour(5), to: hour(20), repositories };
            let asked = Asked { within: Some(within.clone()), ..Asked::default() };
            let rows = whole(&scratch, &asked);
            prop_assert_eq!(rows.len() as u64, scratch.counts(&asked).unwrap().asked);
            for (_, _, print, repository) in whole(&scratch, &Asked::default()) {
                let all = scratch.one(&print, None).unwrap();
                let one = all.iter().find(|o| o.line.repository == repository).unwrap();
                let last = one.looks.first().unwrap().time;
                let there = one.line.first_time < hour(20) && (one.line.stands != Standing::Fixed || last >= hour(5));
                let wanted = there && within.has_repository(repository.as_deref());
                prop_assert_eq!(rows.iter().any(|r| r.2 == print && r.3 == repository), wanted);
                let shown = scratch.one(&print, Some(&within)).unwrap();
                prop_assert_eq!(shown.iter().any(|o| o.line.repository == repository), wanted);
            }
        }
        let counts = &everything.counts;
        prop_assert_eq!(counts.stands.values().sum::<u64>(), counts.asked);
        prop_assert_eq!(counts.severity.values().sum::<u64>(), counts.asked);
        for line in &everything.listed.lines {
            let one = scratch.one(&line.fingerprint, None).unwrap();
            prop_assert!(one.iter().any(|o| o.line == *line && o.looks.len() as u64 == o.seen && o.seen > 0));
        }
    }
}

#[test]
fn what_a_look_does_not_see_is_fixed_unless_it_could_not_look() {
    let index = Index::scratch(&basis()).unwrap();
    let step = |prints: &[u8]| Step {
        repository: 1,
        tool: 0,
        run: 0,
        prints: prints.to_vec(),
        is_complete: true,
        gap: false,
        unread: false,
    };
    take(&index, &[(0, &step(&[1, 2, 3]))]);
    take(&index, &[(1, &Step { gap: true, ..step(&[3]) })]);
    let stands = |print: u8| {
        let one = index.one(&Digest::of(&[print]), None).unwrap().swap_remove(0);
        (one.line.stands, one.line.held, one.seen, one.came)
    };
    assert_eq!(stands(1), (Standing::Fixed, false, 1, 1));
    assert_eq!(stands(2), (Standing::Open, true, 1, 1), "its directory could not be looked at");
    assert_eq!(stands(3), (Standing::Open, false, 2, 1));
    take(&index, &[(2, &step(&[1, 3]))]);
    assert_eq!(stands(1), (Standing::Open, false, 2, 2), "it came back");
    assert_eq!(stands(2), (Standing::Fixed, false, 1, 1));
    take(&index, &[(3, &Step { is_complete: false, ..step(&[]) })]);
    assert_eq!(stands(3), (Standing::Open, true, 3, 1), "a look that does not say all closes nothing");
    take(&index, &[(4, &Step { unread: true, ..step(&[]) })]);
    assert_eq!(stands(3), (Standing::Open, true, 3, 1));
    assert_eq!(index.unread().unwrap(), [4]);
    // Reports of one tool for one run add up; those for the next run do not.
    let report = |run: u8, prints: &[u8]| Step { tool: 1, run, ..step(prints) };
    take(&index, &[(5, &report(1, &[1])), (6, &report(1, &[2]))]);
    assert_eq!((stands(41).0, stands(42).0), (Standing::Open, Standing::Open));
    take(&index, &[(7, &report(2, &[2]))]);
    assert_eq!((stands(41).0, stands(42).0), (Standing::Fixed, Standing::Open));
}

#[test]
fn a_file_of_another_log_or_a_damaged_one_is_made_anew() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("findings.db");
    let one = Step { repository: 1, tool: 0, run: 0, prints: vec![1], is_complete: true, gap: false, unread: false };
    let index = Index::open(&path, &basis()).unwrap();
    take(&index, &[(0, &one)]);
    let count = |index: &Index| index.counts(&Asked::default()).unwrap().asked;
    assert_eq!(count(&index), 1);
    drop(index);
    assert_eq!(count(&Index::open(&path, &basis()).unwrap()), 1);
    let other = Basis { pinned: "another".to_owned(), ..basis() };
    assert_eq!(count(&Index::open(&path, &other).unwrap()), 0);
    std::fs::write(&path, vec![b'x'; 8192]).unwrap();
    let index = Index::open(&path, &basis()).unwrap();
    take(&index, &[(0, &one)]);
    assert_eq!(count(&index), 1);
    // One that is written says so instead of waiting for ever.
    let second = Index::open(&path, &basis()).unwrap();
    let inner = index.write(WAIT, |_| Ok::<_, Error>(second.write(Duration::from_millis(1), |_| Ok::<_, Error>(()))));
    assert!(inner.unwrap().unwrap().unwrap().is_none());
    assert_eq!(severities(&index), [Severity::High]);
}

fn severities(index: &Index) -> Vec<Severity> {
    index.page(&Asked::default(), 9).unwrap().listed.lines.iter().map(|l| l.severity).collect()
}
