//! A value that was found once is found wherever it stands.

use std::sync::atomic::Ordering;

use countersign_model::{Confidence, FindingState};
use countersign_scan::{Baseline, Cache, KnownBy, KnownValue, Options, Report, RuleSet};

use crate::tree::Memory;
use crate::{SALT, rule, rules};

const VALUE: &str = "kT7pQ2vX9mZr4LbN8sWd";

/// A rule that needs a name before the value, in one kind of file.
fn named() -> RuleSet {
    let text =
        rule("secrets/acme", "  names: [acme_key]\n  value: '[0-9A-Za-z]{20}'\n  quoted: true\n  unquoted: true");
    rules(&[text.replace("family: secrets", "family: secrets\nkinds: ['*.env']")])
}

fn places(report: &Report) -> Vec<(String, u32, u32)> {
    report.findings.iter().map(|f| (f.path.to_string(), f.line, f.column)).collect()
}

fn tree() -> Memory {
    let note = format!("call it with\n  `{VALUE}`\nand not {VALUE}x\n");
    let test = format!("assert(login(\"{VALUE}\"));\n");
    let known = format!("# old: {VALUE}\nACME_KEY={VALUE}\n");
    Memory::of([("a/notes.md", &note), ("k.env", &known), ("other.txt", "nothing"), ("t.c", &test)])
}

#[test]
fn places_without_the_rules_context_are_findings_of_the_same_rule_and_value() {
    let set = named();
    let report = tree().scan(&set, &Options::default());
    let at = |path: &str, line, column| (path.to_owned(), line, column);
    assert_eq!(places(&report), [at("a/notes.md", 2, 4), at("k.env", 1, 8), at("k.env", 2, 10), at("t.c", 1, 15)]);
    let first = &report.findings[2];
    for finding in &report.findings {
        assert_eq!((&finding.rule, finding.value), (&first.rule, first.value));
        assert_eq!(finding.confidence, Confidence::High);
        assert!(!finding.excerpt.contains(VALUE) && finding.excerpt.contains("[redacted:20]"), "{}", finding.excerpt);
    }
    let mut prints: Vec<_> = report.findings.iter().map(|f| f.fingerprint).collect();
    prints.sort();
    prints.dedup();
    assert_eq!(prints.len(), 4, "each place has a fingerprint of its own");
}

#[test]
fn what_was_found_by_itself_keeps_its_fingerprint_when_other_places_come() {
    let set = named();
    let line = format!("ACME_KEY={VALUE}\n");
    let alone = Memory::of([("k.env", &line)]).scan(&set, &Options::default());
    let all = tree().scan(&set, &Options::default());
    assert_eq!(all.findings[2].fingerprint, alone.findings[0].fingerprint);
    // So a request for the one place speaks for no other.
    let baseline = Baseline::of(&alone.findings);
    let report = tree().scan(&set, &Options { baseline: Some(&baseline), ..Options::default() });
    let open: Vec<_> = report.findings.iter().map(|f| f.state == FindingState::Open).collect();
    assert_eq!(open, [true, true, false, true]);
}

#[test]
fn a_mark_at_one_place_hides_no_other() {
    let set = named();
    let known = format!("ACME_KEY={VALUE} # countersign:allow secrets/acme reason: a sample\n");
    let note = format!("{VALUE}\n{VALUE} <!-- countersign:allow secrets/acme reason: shown on purpose -->\n");
    let report = Memory::of([("k.env", &known), ("n.md", &note)]).scan(&set, &Options::default());
    let states: Vec<_> = report.findings.iter().map(|f| (f.path.to_string(), f.line, f.reason.as_deref())).collect();
    assert_eq!(
        states,
        [
            ("k.env".to_owned(), 1, Some("a sample")),
            ("n.md".to_owned(), 1, None),
            ("n.md".to_owned(), 2, Some("shown on purpose")),
        ]
    );
}

#[test]
fn excerpts_found_before_the_value_was_known_do_not_show_it() {
    let set = rules(&[
        rule("secrets/acme", "  names: [acme_key]\n  value: '[0-9A-Za-z]{20}'\n  unquoted: true"),
        rule("secrets/token", "  keywords: [tok_]\n  regex: '\\b(tok_[a-z0-9]{8})\\b'"),
    ]);
    let both = format!("use tok_abcd1234 and {VALUE}\n");
    let known = format!("acme_key={VALUE}\n");
    let report = Memory::of([("both.txt", &both), ("k.env", &known)]).scan(&set, &Options::default());
    assert_eq!(report.findings.len(), 3);
    for finding in &report.findings {
        assert!(!finding.excerpt.contains(VALUE), "{}", finding.excerpt);
        assert!(!finding.excerpt.contains("tok_abcd1234"), "{}", finding.excerpt);
    }
}

#[test]
fn words_placeholders_and_what_stands_alone_are_not_looked_for() {
    let set = rules(&[
        rule("secrets/acme", "  names: [acme_key]\n  filters: []\n  unquoted: true"),
        rule("secrets/token", "  keywords: [tok_]\n  regex: '\\b(tok_[a-z0-9]{8})\\b'"),
    ]);
    for value in ["administrator", "changeme-now", "1234-5678", "tok_abcd1234"] {
        let known = format!("acme_key={value}\n");
        let note = format!("the {value} there\n");
        let tree = Memory::of([("k.env", &known), ("n.md", &note)]);
        let report = tree.scan(&set, &Options::default());
        let wanted = if value.starts_with("tok") { 2 } else { 1 };
        assert_eq!(report.findings.len(), wanted, "{value}: {:?}", places(&report));
        assert_eq!(tree.reads.load(Ordering::Relaxed), 2, "{value}: nothing is read twice");
    }
}

#[test]
fn the_cache_answers_for_the_values_that_were_looked_for_and_for_no_others() {
    let set = named();
    let dir = tempfile::tempdir().unwrap();
    let scan = |tree: &Memory| {
        let (cache, warning) = Cache::open(dir.path(), &set.digest(), SALT);
        assert!(warning.is_none(), "{warning:?}");
        let report = tree.scan(&set, &Options { cache: Some(&cache), ..Options::default() });
        cache.save().unwrap();
        report
    };
    let same = |tree: &Memory| {
        let report = scan(tree);
        assert_eq!(Report { cached: 0, ..report }, tree.scan(&set, &Options::default()));
    };
    let reads = |tree: &Memory| {
        let before = tree.reads.load(Ordering::Relaxed);
        scan(tree);
        tree.reads.load(Ordering::Relaxed) - before
    };

    let mut all = tree();
    same(&all);
    assert_eq!(reads(&all), 0, "an unchanged tree is read not at all");

    // A new file is searched for what is known, and only it is read, and the file that the value comes from.
    all.files.insert("new.txt".into(), format!("{VALUE}\n").into_bytes());
    assert_eq!(reads(&all), 3, "the new one twice, the file with the value once");
    same(&all);
    assert_eq!(reads(&all), 0);

    // A new value is looked for in what is known already.
    let other = "Zq3QvW8KnB5xTgK1Lm7R";
    all.files.insert("old.txt".into(), format!("was {other} once\n").into_bytes());
    same(&all);
    all.files.insert("second.env".into(), format!("ACME_KEY={other}\n").into_bytes());
    same(&all);
    assert_eq!(scan(&all).findings.len(), 7);
    assert_eq!(reads(&all), 0);

    // A value whose first place is gone is not looked for any more.
    all.files.remove("second.env");
    same(&all);
    all.files.remove("k.env");
    same(&all);
    assert!(scan(&all).findings.is_empty());
    all.files.insert("k.env".into(), format!("ACME_KEY={VALUE}\n").into_bytes());
    same(&all);
}

#[test]
fn it_is_found_in_large_files_and_in_archives_too() {
    let set = named();
    let mut tree = Memory::of([]);
    tree.files.insert("k.env".into(), format!("ACME_KEY={VALUE}\n").into_bytes());
    let mut large = "word and word\n".repeat(400_000).into_bytes();
    large.extend(format!("see {VALUE}\n").bytes());
    tree.files.insert("large.txt".into(), large);
    let wide: Vec<u8> =
        [0xFF, 0xFE].into_iter().chain(format!("see {VALUE}\n").encode_utf16().flat_map(u16::to_le_bytes)).collect();
    tree.files.insert("wide.txt".into(), wide);
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut packed, format!("see {VALUE}\n").as_bytes()).unwrap();
    tree.files.insert("z.gz".into(), packed.finish().unwrap());
    let report = tree.scan(&set, &Options::default());
    let lines: Vec<_> = places(&report).into_iter().map(|(path, line, _)| (path, line)).collect();
    assert_eq!(
        lines,
        [
            ("k.env".to_owned(), 1),
            ("large.txt".to_owned(), 400_001),
            ("wide.txt".to_owned(), 1),
            ("z.gz".to_owned(), 1)
        ]
    );
}

#[test]
fn the_same_value_under_another_rule_or_in_another_file_is_told() {
    let by_name = rule("secrets/acme", "  names: [acme_key]\n  value: '[0-9A-Za-z]{20}'\n  unquoted: true");
    let other = rule("secrets/bolt", "  names: [bolt_key]\n  value: '[0-9A-Za-z]{20}'\n  unquoted: true");
    let set = rules(&[by_name, other]);
    let acme = format!("acme_key={VALUE}\n");
    let bolt = format!("bolt_key={VALUE}\n");
    let before = Memory::of([("a.env", &acme)]).scan(&set, &Options::default());
    assert!(before.known.is_empty());

    // In one report.
    let both = Memory::of([("a.env", &acme), ("b.env", &bolt)]).scan(&set, &Options::default());
    let known = &both.known[&both.findings[1].fingerprint];
    assert_eq!((known.by, known.rule.as_str(), known.line), (KnownBy::Report, "secrets/acme", Some(1)));
    assert_eq!(both.known.len(), 1);

    // The file is another, the rule is another; the baseline knows the value all the same.
    let now = Memory::of([("b.env", &bolt)]);
    let baseline = Baseline::of(&before.findings);
    let report = now.scan(&set, &Options { baseline: Some(&baseline), ..Options::default() });
    assert_eq!(report.findings[0].state, FindingState::Open, "a request for one rule is none for another");
    let known = &report.known[&report.findings[0].fingerprint];
    assert_eq!(
        (known.by, known.rule.as_str(), known.path.to_string()),
        (KnownBy::Baseline, "secrets/acme", "a.env".into())
    );

    // And so does what was recorded earlier.
    let recorded = [KnownValue {
        value: before.findings[0].value.unwrap(),
        rule: "secrets/acme".into(),
        path: before.findings[0].path.clone(),
        line: 1,
    }];
    let report = now.scan(&set, &Options { recorded: &recorded, ..Options::default() });
    assert_eq!(report.known[&report.findings[0].fingerprint].by, KnownBy::Record);
    let mut text = Vec::new();
    countersign_scan::report::text::write(&report, &set, &mut text).unwrap();
    let text = String::from_utf8(text).unwrap();
    assert!(text.contains("the same value as secrets/acme at a.env:1 in the record of an earlier run"), "{text}");

    // What is where it was is no news.
    let report = Memory::of([("a.env", &acme)]).scan(&set, &Options { recorded: &recorded, ..Options::default() });
    assert!(report.known.is_empty());
}
