//! What matches, where, and what is shown of it.

use std::io::{self, Read};

use countersign_model::{Confidence, TreePath};
use countersign_scan::{FileResult, Match, RuleSet, Scanner};
use proptest::prelude::*;

use crate::{SALT, rule, rules, token_rule};

fn path() -> TreePath {
    TreePath::from_bytes("file.txt")
}

fn matches(set: &RuleSet, text: &[u8]) -> Vec<Match> {
    match Scanner::new(set, SALT).scan_bytes(&path(), text) {
        FileResult::Text { matches, missed: None, bytes } => {
            assert_eq!(bytes, text.len() as u64);
            matches
        }
        other => panic!("{other:?}"),
    }
}

fn places(set: &RuleSet, text: &str) -> Vec<(u32, u32, u32, u32)> {
    matches(set, text.as_bytes()).iter().map(|m| (m.line, m.column, m.end_line, m.end_column)).collect()
}

#[test]
fn a_match_knows_its_place() {
    let set = rules(&[token_rule()]);
    assert_eq!(places(&set, "tok_abcd1234"), [(1, 1, 1, 13)]);
    assert_eq!(places(&set, "a\r\nb = tok_abcd1234\r\n"), [(2, 5, 2, 17)]);
    assert_eq!(places(&set, "ü tok_abcd1234 tok_abcd1234\n"), [(1, 4, 1, 16), (1, 17, 1, 29)]);
}

#[test]
fn a_part_of_a_longer_word_is_no_match() {
    let set = rules(&[token_rule()]);
    for text in ["xtok_abcd1234", "tok_abcd12345", "tok_abcd123", "TOK_ABCD1234", ""] {
        assert_eq!(places(&set, text), [], "{text}");
    }
}

#[test]
fn keywords_are_found_in_any_case_and_expressions_say_for_themselves() {
    let set = rules(&[rule("secrets/key", "  keywords: [ApiKey]\n  regex: '(?i)apikey=([a-z]{4})'")]);
    assert_eq!(places(&set, "APIKEY=abcd apikey=efgh").len(), 2);
}

#[test]
fn equal_values_have_equal_identities_under_one_salt_only() {
    let set = rules(&[token_rule()]);
    let found = matches(&set, b"tok_abcd1234 tok_abcd1234 tok_zzzz1234");
    assert_eq!(found[0].identity, found[1].identity);
    assert_ne!(found[0].identity, found[2].identity);
    let other = Scanner::new(&set, &[7; 32]).scan_bytes(&path(), b"tok_abcd1234");
    assert!(matches!(other, FileResult::Text { matches, .. } if matches[0].identity != found[0].identity));
}

#[test]
fn an_allowed_value_is_no_finding_and_stays_readable() {
    let set = rules(&[token_rule()]);
    let found = matches(&set, b"tok_sample12 tok_abcd1234");
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].excerpt, "tok_sample12 [redacted:12]");
}

#[test]
fn low_entropy_is_no_finding_and_still_not_shown() {
    let set = rules(&[
        token_rule(),
        rule("secrets/pass", "  keywords: [password]\n  regex: 'password=(\\w+)'\n  entropy: 3"),
    ]);
    let found = matches(&set, b"password=aaaaaaaa tok_abcd1234");
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].excerpt, "password=[redacted:8] [redacted:12]");
    assert_eq!(matches(&set, b"password=q8Z_3kPx0w").len(), 1);
}

#[test]
fn a_proof_makes_certain_and_may_be_required() {
    let regex = "  keywords: [ghp_]\n  regex: '\\b(ghp_[0-9A-Za-z]{36})\\b'\n  proof: github-crc32";
    let (good, bad) = (b"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", b"ghp_abcdefghijklmnopqrstuvwxyz0123000000");
    let set = rules(&[rule("secrets/gh", regex)]);
    assert_eq!(matches(&set, good)[0].confidence, Confidence::Certain);
    assert_eq!(matches(&set, bad)[0].confidence, Confidence::High);
    let strict = rules(&[rule("secrets/gh", &format!("{regex}\n  proof_required: true"))]);
    assert_eq!(matches(&strict, good).len(), 1);
    assert_eq!(matches(&strict, bad).len(), 0);
}

#[test]
fn of_two_rules_at_one_place_the_more_specific_is_kept() {
    let specific = token_rule();
    let generic = rule("secrets/generic-key", "  keywords: [key]\n  regex: 'key = (\\S+)'")
        .replace("severity: high", "severity: critical")
        .replace("confidence: high", "confidence: certain");
    let doubtful = rule("secrets/line", "  keywords: [key]\n  regex: '(?m)(key = \\S+ .*)$'")
        .replace("confidence: high", "confidence: low");
    for files in [[specific.clone(), generic.clone(), doubtful.clone()], [doubtful, generic, specific]] {
        let set = rules(&files);
        let found = matches(&set, b"key = tok_abcd1234 rest");
        assert_eq!(found.len(), 1);
        assert_eq!(set.rule(found[0].rule).id, "secrets/token");
        // What another rule saw as a value is not shown either.
        assert!(!found[0].excerpt.contains("rest"), "{}", found[0].excerpt);
    }
}

#[test]
fn values_that_share_a_quote_are_both_found() {
    let set = rules(&[rule("secrets/list", "  keywords: [keys]\n  regex: '\"([a-z]{4})\"'")]);
    assert_eq!(places(&set, r#"keys: "abcd","efgh""ijkl""#).len(), 3);
}

#[test]
fn a_window_limits_how_far_a_rule_looks_and_cuts_nothing() {
    let set = rules(&[rule("secrets/near", "  keywords: [word]\n  regex: '\\b([a-f0-9]{40})\\b'\n  window: 64")]);
    let value = "0123456789abcdef0123456789abcdef01234567";
    // In the line of the keyword, in the next one, and beyond reach.
    assert_eq!(places(&set, &format!("word {value}")).len(), 1);
    assert_eq!(places(&set, &format!("word\n{value}")).len(), 1);
    assert_eq!(places(&set, &format!("word\n{}{value}", "x\n".repeat(2_000))).len(), 0);
    // The edge of the window falls into the value, for every distance there is.
    for gap in 1..60 {
        assert_eq!(places(&set, &format!("word{}{value}{}", " ".repeat(gap), " ".repeat(9_000))).len(), 1, "{gap}");
        // A longer run of the same characters is another thing, wherever the edge falls.
        assert_eq!(places(&set, &format!("word{}{value}{}", " ".repeat(gap), "a".repeat(9_000))).len(), 0, "{gap}");
    }
}

#[test]
fn a_value_longer_than_its_window_is_found_whole() {
    let set = rules(&[rule("secrets/long", "  keywords: [begin]\n  regex: 'begin(x+)'\n  window: 16")]);
    let text = format!("begin{}end", "x".repeat(20_000));
    assert_eq!(matches(&set, text.as_bytes())[0].excerpt, "begin[redacted:20000]end");
}

#[test]
fn several_lines_are_one_match() {
    let set = rules(&[rule("secrets/block", "  keywords: [BEGIN]\n  regex: '(?s)BEGIN.*?END'\n  window: 512")]);
    assert_eq!(places(&set, "x\n BEGIN\nabc\n END.\n"), [(2, 2, 4, 5)]);
}

#[test]
fn kinds_limit_a_rule_to_some_paths() {
    let limited = token_rule().replace("cwe:", "kinds: ['**/*.cfg', 'conf/*']\ncwe:");
    let set = rules(&[limited]);
    let scanner = Scanner::new(&set, SALT);
    let count = |path: &str| match scanner.scan_bytes(&TreePath::from_bytes(path), b"tok_abcd1234") {
        FileResult::Text { matches, .. } => matches.len(),
        FileResult::Binary { .. } => 99,
    };
    assert_eq!((count("a.cfg"), count("a/b.cfg"), count("conf/a"), count("conf/a/b"), count("a.txt")), (1, 1, 1, 0, 0));
}

#[test]
fn a_nul_makes_binary_and_utf16_is_text() {
    let set = rules(&[token_rule()]);
    let scanner = Scanner::new(&set, SALT);
    let mut text = b"tok_abcd1234 ".to_vec();
    text.push(0);
    assert_eq!(scanner.scan_bytes(&path(), &text), FileResult::Binary { bytes: 14 });
    assert_eq!(scanner.scan_reader(&path(), text.as_slice()).unwrap(), FileResult::Binary { bytes: 14 });
    // A NUL behind the first 8 KiB is part of a text.
    let mut text = vec![b'x'; 9_000];
    text.extend_from_slice(b"\0 tok_abcd1234");
    assert_eq!(matches(&set, &text).len(), 1);

    let plain = "\u{FEFF}key = tok_abcd1234\r\nü tok_abcd1234\n";
    let little: Vec<u8> = plain.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let big: Vec<u8> = plain.encode_utf16().flat_map(u16::to_be_bytes).collect();
    let as_utf8 = matches(&set, plain.trim_start_matches('\u{FEFF}').as_bytes());
    assert_eq!(matches(&set, &little), as_utf8);
    assert_eq!(matches(&set, &big), as_utf8);
    assert_eq!(as_utf8[1].excerpt, "ü [redacted:12]");
}

#[test]
fn an_inline_mark_asks_and_gives_its_reason() {
    let set = rules(&[token_rule()]);
    let text = "\
a = tok_abcd1234 # countersign:allow secrets/token reason: sample of the handbook
# countersign:allow * reason: fixture tok_zzzz1234
b = tok_abcd1234
c = tok_abcd1234 # countersign:allow secrets/other reason: of another rule
d = tok_abcd1234 # countersign:allow secrets/token
";
    let found = matches(&set, text.as_bytes());
    let seen: Vec<_> = found
        .iter()
        .map(|m| (m.line, set.rule(m.rule).id.as_str(), m.suppression.as_ref().map(|s| s.reason.as_str())))
        .collect();
    assert_eq!(
        seen,
        [
            (1, "secrets/token", Some("sample of the handbook")),
            (2, "secrets/token", Some("fixture [redacted:12]")),
            (3, "secrets/token", Some("fixture [redacted:12]")),
            (4, "secrets/token", None),
            (5, "secrets/token", None),
            (5, "scan/suppression-without-reason", None),
        ]
    );
}

#[test]
fn a_mark_without_a_reason_cannot_suppress_itself() {
    let set = rules(&[token_rule()]);
    let text = "# countersign:allow * reason: everything\n# countersign:allow secrets/token\n";
    let found = matches(&set, text.as_bytes());
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].suppression, None);
}

#[test]
fn no_output_holds_a_value() {
    let set = RuleSet::shipped().unwrap();
    let mut values = 0;
    for rule in set.rules() {
        for example in &rule.examples.fail {
            for m in matches_any(&set, example.as_bytes()) {
                let lines: Vec<&str> = example.split('\n').collect();
                let first = &lines[m.line as usize - 1][m.column as usize - 1..];
                let value = if m.line == m.end_line { &first[..(m.end_column - m.column) as usize] } else { first };
                let shown = format!("{m:?} {:?}", Scanner::new(&set, SALT));
                // Two characters may stand anywhere; eight do not by chance.
                if value.len() >= 8 {
                    assert!(!shown.contains(value), "{}: {shown}", rule.id);
                    values += 1;
                }
            }
        }
    }
    assert!(values > 80);
}

fn matches_any(set: &RuleSet, text: &[u8]) -> Vec<Match> {
    match Scanner::new(set, SALT).scan_bytes(&path(), text) {
        FileResult::Text { matches, .. } => matches,
        FileResult::Binary { .. } => Vec::new(),
    }
}

#[test]
fn more_matches_than_anybody_reads_are_counted_and_told() {
    let set = rules(&[token_rule()]);
    let text = "tok_abcd1234\n".repeat(10_003);
    match Scanner::new(&set, SALT).scan_bytes(&path(), text.as_bytes()) {
        FileResult::Text { matches, missed: Some(why), .. } => {
            assert_eq!(matches.len(), 10_000);
            assert!(why.starts_with("3 more matches"), "{why}");
        }
        other => panic!("{other:?}"),
    }
}

/// Gives a text in pieces of odd sizes, as a pipe does.
struct Drip<'a>(&'a [u8], usize);

impl Read for Drip<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.1 = self.1 * 31 % 65_521 + 1;
        let n = self.0.len().min(out.len()).min(self.1);
        out[..n].copy_from_slice(&self.0[..n]);
        self.0 = &self.0[n..];
        Ok(n)
    }
}

#[test]
fn a_large_stream_is_scanned_with_right_places_and_nothing_lost() {
    let set = rules(&[token_rule()]);
    let scanner = Scanner::new(&set, SALT);
    let mut text = String::new();
    let mut expected = Vec::new();
    let mut line = 1_u32;
    while text.len() < 20 * 1024 * 1024 {
        // Lines of all lengths, a token every few hundred kilobytes and so at every kind of place.
        let column = (line as usize * 7_919) % 400;
        text.extend(std::iter::repeat_n('x', column));
        if line.is_multiple_of(1_009) {
            text.push_str(" tok_abcd1234");
            expected.push((line, column as u32 + 2));
        }
        text.push('\n');
        line += 1;
    }
    for result in
        [scanner.scan_bytes(&path(), text.as_bytes()), scanner.scan_reader(&path(), Drip(text.as_bytes(), 7)).unwrap()]
    {
        match result {
            FileResult::Text { matches, bytes, missed: None } => {
                assert_eq!(bytes, text.len() as u64);
                let got: Vec<_> = matches.iter().map(|m| (m.line, m.column)).collect();
                assert_eq!(got, expected);
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn one_line_of_fifty_megabytes_is_scanned() {
    let set = rules(&[token_rule()]);
    let mut text = vec![b'x'; 50 * 1024 * 1024];
    // At the beginning, on both sides of where a piece ends, and at the end.
    let places = [0, 8 * 1024 * 1024 - 5, 8 * 1024 * 1024 + 500, 30_000_000, text.len() - 14];
    for at in places {
        text[at..at + 14].copy_from_slice(b" tok_abcd1234 ");
    }
    let found = matches(&set, &text);
    let got: Vec<_> = found.iter().map(|m| (m.line, m.column as usize)).collect();
    assert_eq!(got, places.map(|p| (1, p + 2)));
    assert!(found.iter().all(|m| m.excerpt.chars().count() <= 160 && m.excerpt.contains("[redacted:12]")));
}

#[test]
fn a_reader_that_fails_says_nothing_about_the_contents() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::ErrorKind::ConnectionReset.into())
        }
    }
    let set = rules(&[token_rule()]);
    let text = vec![b'x'; 100_000];
    assert!(Scanner::new(&set, SALT).scan_reader(&path(), text.as_slice().chain(Broken)).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_panic_and_reading_is_scanning(
        parts in prop::collection::vec(
            prop_oneof![
                any::<Vec<u8>>(),
                "[ -~\n]{0,40}".prop_map(String::into_bytes),
                Just(b"tok_abcd1234".to_vec()),
                Just(b"password=\"hunter2hunter2\"".to_vec()),
                Just(b"-----BEGIN PRIVATE KEY-----\n".to_vec()),
                Just(b" # countersign:allow secrets/token reason: r\n".to_vec()),
                Just(b"AKIA".to_vec()),
                Just(vec![0xFF, 0xFE]),
            ],
            0..24,
        ),
        own: bool,
    ) {
        let bytes = parts.concat();
        let set = if own { rules(&[token_rule()]) } else { RuleSet::shipped().unwrap() };
        let scanner = Scanner::new(&set, SALT);
        let at_once = scanner.scan_bytes(&path(), &bytes);
        prop_assert_eq!(&at_once, &scanner.scan_reader(&path(), Drip(&bytes, 3)).unwrap());
        prop_assert_eq!(&at_once, &scanner.scan_bytes(&path(), &bytes));
        if let FileResult::Text { matches, .. } = at_once {
            prop_assert!(matches.windows(2).all(|m| (m[0].line, m[0].column) <= (m[1].line, m[1].column)));
        }
    }

    #[test]
    fn a_token_is_found_wherever_it_stands(before in "[ -~\n]{0,3000}", after in "[ -~\n]{0,3000}") {
        let set = rules(&[token_rule()]);
        let text = format!("{before}\ntok_q7q7q7q7\n{after}");
        let line = before.matches('\n').count() as u32 + 2;
        let found = matches(&set, text.as_bytes());
        prop_assert!(found.iter().any(|m| (m.line, m.column) == (line, 1)));
        prop_assert!(found.iter().all(|m| !m.excerpt.contains("tok_q7q7q7q7")));
    }
}
