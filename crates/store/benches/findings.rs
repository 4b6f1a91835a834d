//! How long the index of findings takes to be built, and what is asked of it, against reading the same rows and nothing else.
//! `cargo bench -p countersign-store --bench findings`; `FINDINGS_RUNS=100000` for another number of runs than 10,000. Ten findings
//! a run are new; in half of the repositories they stay, in the others they are fixed after five runs.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark that cannot begin has nothing to say")]
#![expect(clippy::disallowed_methods, reason = "it asks the environment how much to make")]

use std::time::{Duration, Instant};

use countersign_model::{Confidence, Digest, PayloadRef, RunId, Severity, Timestamp, TreePath};
use countersign_store::Error;
use countersign_store::findings::{Asked, Basis, Index, Look, LookRow, SEVERITIES, Seen, Standing};

const REPOSITORIES: u64 = 200;
const NEW: u64 = 10;
const STAYS: u64 = 5;
const ASKED: usize = 100;

fn print(n: u64) -> Digest {
    Digest::of(&n.to_be_bytes())
}

fn seen(n: u64) -> Seen {
    let rule = n % 40;
    Seen {
        rule: format!("secrets/rule-{rule}"),
        severity: SEVERITIES[usize::try_from(rule % 5).unwrap()],
        confidence: Confidence::High,
        path: TreePath::from_bytes(format!("services/part-{}/src/file-{n}.py", n % 97)),
        line: 7,
        fingerprint: print(n),
        controls: vec![format!("control-{}", rule % 12)],
        cwe: vec!["CWE-798".to_owned()],
        title: None,
        excerpt: None,
        asked: None,
        reason: None,
    }
}

fn row(run: u64) -> LookRow {
    LookRow {
        index: run,
        time: Timestamp::from_millis(i64::try_from(run).unwrap() * 60_000),
        run: RunId::from_text(format!("run-{run:020}")),
        repository: Some(format!("https://example.test/{}.git", run % REPOSITORIES)),
        commit: format!("{run:040}"),
        record: PayloadRef { sha256: print(0), size: 1, media: String::new(), sealed: None },
        is_report: false,
    }
}

fn look(run: u64) -> Look {
    let stays = (run % REPOSITORIES).is_multiple_of(2);
    let back = if stays { 0 } else { STAYS - 1 };
    let runs = (0..=back).filter_map(|n| run.checked_sub(n * REPOSITORIES));
    Look {
        tool: "countersign".to_owned(),
        findings: runs.flat_map(|run| run * NEW..(run + 1) * NEW).map(seen).collect(),
        gaps: Vec::new(),
        // What does not say all closes nothing.
        is_complete: !stays,
        adds: false,
    }
}

fn main() {
    let runs = std::env::var("FINDINGS_RUNS").ok().and_then(|n| n.parse().ok()).unwrap_or(10_000_u64);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("findings.db");
    let basis = Basis { origin: String::new(), pinned: String::new(), catalogue: String::new() };
    let index = Index::open(&path, &basis).unwrap();
    let within = |_: &[String]| Some(24 * 30);
    let now = Timestamp::from_millis(i64::try_from(runs).unwrap() * 60_000);
    let begun = Instant::now();
    let mut from = 0;
    while from < runs {
        let to = runs.min(from + 512);
        let write = index.write(Duration::from_secs(5), |new| {
            for run in from..to {
                new.take(&row(run), &look(run), &within)?;
            }
            Ok::<_, Error>(())
        });
        write.unwrap().unwrap();
        from = to;
    }
    index.write(Duration::from_secs(5), |new| new.lateness(now)).unwrap();
    let took = begun.elapsed();
    let all = index.counts(&Asked::default()).unwrap();
    let bytes = std::fs::metadata(&path).unwrap().len();
    println!(
        "{} findings of {runs} runs in {REPOSITORIES} repositories, {} of them open, {} late; {:.1} s, {:.0} runs a second, {} bytes a finding\n",
        all.asked,
        all.stands.get(&Standing::Open).unwrap_or(&0),
        all.late,
        took.as_secs_f64(),
        // Counts stay far below 2^53.
        runs as f64 / took.as_secs_f64(),
        bytes / all.asked.max(1)
    );

    // What the machine does at best: so many rows by their number, and nothing else.
    let db = rusqlite::Connection::open(&path).unwrap();
    let mut query = db.prepare("SELECT * FROM findings WHERE id = ?1").unwrap();
    let mut next = 1_u64;
    let raw = measured("50 rows read by their number", None, || {
        for _ in 0..50 {
            next = (next * 7919) % all.asked + 1;
            let path: Vec<u8> = query.query_row([next], |row| row.get("path")).unwrap();
            assert!(!path.is_empty());
        }
    });

    let open = Asked { stands: Some(Standing::Open), ..Asked::default() };
    let repository = |n: u64| Some(format!("https://example.test/{n}.git"));
    let deep = {
        // The last part but a few: a page far down a list costs what the first does.
        let mut asked = Asked { severity: Some(Severity::Info), ..open.clone() };
        for _ in 0..20 {
            asked.after = index.page(&asked, 500).unwrap().listed.next;
        }
        Asked { severity: None, ..asked }
    };
    for (what, asked) in [
        ("the first page: what is open", open.clone()),
        ("a page far down that list", deep),
        ("of one repository", Asked { repository: repository(0), ..open.clone() }),
        ("of one rule", Asked { rule: Some("secrets/rule-7".to_owned()), ..open.clone() }),
        ("of one control", Asked { control: Some("control-3".to_owned()), ..open.clone() }),
        ("past SLA", Asked { late: true, ..Asked::default() }),
        (
            "fixed, of the lowest severity",
            Asked { stands: Some(Standing::Fixed), severity: Some(Severity::Info), ..Asked::default() },
        ),
        ("everything", Asked::default()),
    ] {
        measured(what, Some(raw), || {
            let page = index.read(|index| index.page(&asked, 50)).unwrap();
            assert!(page.counts.asked >= page.listed.lines.len() as u64);
        });
    }
    measured("the counts alone", Some(raw), || assert_eq!(index.counts(&Asked::default()).unwrap(), all));
    let mut n = 0;
    measured("one finding with its history", Some(raw), || {
        n = (n + 7919) % all.asked;
        assert_eq!(index.one(&print(n), None).unwrap().len(), 1);
    });
}

/// The median and the slowest but one of a hundred.
fn measured(what: &str, limit: Option<Duration>, mut work: impl FnMut()) -> Duration {
    let mut all: Vec<Duration> = (0..ASKED)
        .map(|_| {
            let begun = Instant::now();
            work();
            begun.elapsed()
        })
        .collect();
    all.sort();
    let (median, p99) = (all[ASKED / 2], all[ASKED - 2]);
    let ratio = limit.map(|l| format!(", {:.0} × the rows alone", median.as_secs_f64() / l.as_secs_f64()));
    println!(
        "{what:<34} p50 {:>7.2} ms, p99 {:>7.2} ms{}",
        median.as_secs_f64() * 1e3,
        p99.as_secs_f64() * 1e3,
        ratio.unwrap_or_default()
    );
    median
}
