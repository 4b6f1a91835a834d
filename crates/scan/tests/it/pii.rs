//! Personal and market data: runs of digits, tables, and what of them is one finding.

use std::fmt::Write as _;

use countersign_model::{Confidence, TreePath};
use countersign_scan::{FileResult, Match, RuleSet, Scanner};
use proptest::prelude::*;

use crate::SALT;

fn shipped() -> RuleSet {
    RuleSet::shipped().unwrap()
}

fn matches(rules: &RuleSet, path: &str, text: &[u8]) -> Vec<Match> {
    match Scanner::new(rules, SALT).scan_bytes(&TreePath::from_bytes(path), text) {
        FileResult::Text { matches, missed: None, .. } => matches,
        other => panic!("{other:?}"),
    }
}

/// Rule, line and excerpt of everything that was found.
fn said(rules: &RuleSet, text: &str) -> Vec<(String, u32, String)> {
    let found = matches(rules, "file.txt", text.as_bytes());
    found.into_iter().map(|m| (rules.rule(m.rule).id.clone(), m.line, m.excerpt)).collect()
}

fn luhn(body: &str) -> String {
    let sum: u32 = body
        .bytes()
        .rev()
        .enumerate()
        .map(|(n, b)| {
            let d = u32::from(b - b'0') * if n % 2 == 0 { 2 } else { 1 };
            if d > 9 { d - 9 } else { d }
        })
        .sum();
    format!("{body}{}", (10 - sum % 10) % 10)
}

/// Card numbers that look drawn: the same ones every time, from a linear congruential generator (Knuth, MMIX).
fn cards(count: usize) -> Vec<String> {
    let mut state = 11_u64;
    let mut out = Vec::with_capacity(count);
    while out.len() < count {
        let mut body = "4".to_owned();
        while body.len() < 15 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let _ = write!(body, "{}", (state >> 33) % 10);
        }
        let mut different: Vec<u8> = body.bytes().collect();
        different.sort_unstable();
        different.dedup();
        if different.len() >= 7 && !body.as_bytes().windows(4).any(|w| w.iter().all(|b| *b == w[0])) {
            out.push(luhn(&body));
        }
    }
    out
}

#[test]
fn a_column_is_one_finding_whatever_its_length() {
    let rules = shipped();
    let mut text = "id,card_number,note\n".to_owned();
    for (n, card) in cards(10_000).iter().enumerate() {
        let _ = writeln!(text, "{n},{card},\"paid, in full\"");
    }
    let found = said(&rules, &text);
    assert_eq!(found, [("pii/payment-card-number".to_owned(), 2, "10000 values of card_number".to_owned())]);
    // It reaches to the last of them, so that a row that is added anywhere touches it.
    let found = matches(&rules, "cards.csv", text.as_bytes());
    assert_eq!((found[0].line, found[0].end_line, found[0].end_column), (2, 10_001, 22));
    // Without a header the numbers tell it themselves, and the column has no name.
    let body = text.split_once('\n').unwrap().1;
    let found = said(&rules, body);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].2, "10000 values of a column without a name");
}

#[test]
fn a_few_values_are_shown_each_and_none_is_shown_whole() {
    let rules = shipped();
    let found = said(&rules, "holder,card number\nAnna,4539106549121033\nBjorn,4716503446637951\n");
    assert_eq!(found.len(), 2, "{found:?}");
    assert_eq!(found[1], ("pii/payment-card-number".into(), 3, "Bjorn,[redacted:16]".into()));
}

#[test]
fn other_data_of_a_record_is_left_out_of_excerpts() {
    let rules = shipped();
    let text = "[{\"fullName\": \"Anna Holm\", \"email\": \"anna@postbox.se\", \"iban\": \"DE86500105173648296105\"}]";
    let found = said(&rules, text);
    assert_eq!(found.len(), 1, "{found:?}");
    for private in ["Anna", "anna", "DE86"] {
        assert!(!found[0].2.contains(private), "{found:?}");
    }
}

#[test]
fn the_identity_of_a_column_stands_for_all_its_values() {
    let rules = shipped();
    let table = |cards: &[String]| format!("pan\n{}\n", cards.join("\n"));
    let all = cards(40);
    let identity = |text: &str| {
        let found = matches(&rules, "a.csv", text.as_bytes());
        assert_eq!(found.len(), 1);
        found[0].identity
    };
    let one = identity(&table(&all));
    // Moved lines change nothing, another value does.
    assert_eq!(one, identity(&format!("\n# cards\n{}", table(&all))));
    assert_ne!(one, identity(&table(&all[..39])));
}

#[test]
fn numbers_for_tests_are_no_findings_alone_or_in_columns() {
    let rules = shipped();
    let tests = ["4111111111111111", "378282246310005", "5555555555554444", "4012888888881881", "6011000990139424"];
    let text = format!("card_number,ssn\n{}", tests.map(|t| format!("{t},078-05-1120\n")).concat());
    assert_eq!(said(&rules, &text), []);
    // One that is live among them is.
    let found = said(&rules, &format!("{text}4539106549121033,219-09-9999\n"));
    assert_eq!(found.len(), 1, "{found:?}");
}

#[test]
fn public_identifiers_alone_are_no_findings() {
    let rules = shipped();
    for text in [
        "isin,cusip,sedol,figi,lei,bic\nUS0378331005,037833100,2046251,BBG000B9XRY4,HWUPKR0MPOU8FGXBT394,NDEASESS\n"
            .repeat(9),
        "[{\"isin\": \"US0378331005\", \"quantity\": 100}, {\"isin\": \"DE0007164600\", \"quantity\": 5}]".repeat(5),
    ] {
        assert_eq!(said(&rules, &text), [], "{text}");
    }
}

#[test]
fn what_only_looks_like_a_number_of_a_person_is_none() {
    let rules = shipped();
    for text in [
        "commit 4539106549121033a4539106549121033b4539106",
        "550e8400-e29b-41d4-a716-446655440000",
        "version 4.5391.0654.9121033",
        "static const u64 t[] = { 4539106549121033, 4716503446637951, 5235630945463388, 3541992135577607 };",
        "double x = 0.4539106549121033;",
        "0x4539106549121033",
        "ts=1714564800000000000 seq 453910654912103",
        "+4539106549121033",
        "$4539106549121033",
        "00000010: 4539 1065 4912 1033 4716 5034 4663 7951  E9.eI..3G.P4Fcy.",
        "tel 536-22-8714",
    ] {
        let found = said(&rules, text);
        assert!(found.is_empty(), "{text}: {found:?}");
    }
    let bare = matches(&rules, "x", b"order 4539106549121033 shipped");
    assert_eq!(bare[0].confidence, Confidence::Low, "without words it is a guess");
}

#[test]
fn dumps_are_read_with_and_without_names() {
    let rules = shipped();
    let rows = [
        "(1, 'Anna Holm', '536-22-8714')",
        "(2, 'O''Neil, J.', '217-64-9038')",
        "(3, 'C', NULL)",
        "(4, 'D)', '401-38-9265')",
        "(5, 'E', '312-55-8571')",
    ];
    let inserts = format!("INSERT INTO \"public\".\"people\" (\"id\", \"name\", \"ssn\") VALUES {};", rows.join(", "));
    let created = format!(
        "CREATE TABLE IF NOT EXISTS `people` (\n  `id` int(11) NOT NULL DEFAULT '0',\n  `name` varchar(80),\n  `ssn` char(11),\n  \
         PRIMARY KEY (`id`)\n);\nINSERT INTO `people` VALUES {};\n",
        rows.join(",")
    );
    let single: String = rows.iter().map(|r| format!("insert into people (id, name, ssn) values {r};\n")).collect();
    let copied = "COPY public.people (id, name, ssn) FROM stdin;\n1\tA\t536-22-8714\n2\tB\t217-64-9038\n3\tC\t\\N\n4\tD\t401-38-9265\n\
                  5\tE\t312-55-8571\n\\.\n\nSELECT 1;\n";
    for text in [inserts.as_str(), &created, &single, copied] {
        let found = said(&rules, text);
        assert!(found.iter().any(|f| f.0 == "pii/us-ssn" && f.2 == "4 values of people_ssn"), "{text}: {found:?}");
        assert_eq!(found.len(), 1, "{text}: {found:?}");
    }
}

#[test]
fn a_mark_where_a_column_begins_asks_for_it() {
    let rules = shipped();
    let mut text = "INSERT INTO t (card_number) VALUES\n".to_owned();
    for (n, card) in cards(20).iter().enumerate() {
        let mark = if n == 0 { " -- countersign:allow pii/payment-card-number reason: revoked cards" } else { "" };
        let _ = writeln!(text, "('{card}'){}{mark}", if n == 19 { ";" } else { "," });
    }
    let found = matches(&rules, "t.sql", text.as_bytes());
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].suppression.as_ref().map(|s| s.reason.as_str()), Some("revoked cards"));
}

/// More than eight megabytes are read in pieces. What is found is what is found in one.
#[test]
fn large_tables_are_read_in_pieces() {
    let rules = shipped();
    let cards = cards(1000);
    let filler = "x".repeat(600);
    for form in ["csv", "json", "copy", "insert"] {
        let mut text = match form {
            "csv" => "id,card_number,note\n".to_owned(),
            "json" => "[\n".to_owned(),
            "copy" => "COPY t (id, card_number, note) FROM stdin;\n".to_owned(),
            _ => "INSERT INTO t (id, card_number, note) VALUES\n".to_owned(),
        };
        let rows = 14_500;
        for n in 0..rows {
            let card = &cards[n % cards.len()];
            let _ = match form {
                "csv" => writeln!(text, "{n},{card},{filler}"),
                "json" => writeln!(text, "{{\"id\": {n},\n \"card_number\": \"{card}\",\n \"note\": \"{filler}\"}},"),
                "copy" => writeln!(text, "{n}\t{card}\t{filler}"),
                _ => writeln!(text, "({n}, '{card}', '{filler}'),"),
            };
        }
        let found = matches(&rules, "file", text.as_bytes());
        assert_eq!(found.len(), 1, "{form}: {} findings, {:?}", found.len(), &found[..found.len().min(3)]);
        let counted: u64 = found[0].excerpt.split_whitespace().next().unwrap().parse().unwrap();
        assert!(found[0].end_line as usize >= rows, "{form}: {}", found[0].end_line);
        // A record that a piece ends in may be missed, and no more.
        assert!((rows as u64 - 4..=rows as u64).contains(&counted), "{form}: {}", found[0].excerpt);
    }
}

#[test]
fn parquet_files_are_known_by_their_columns() {
    let rules = shipped();
    let file = include_bytes!("../../src/pii/testdata/people.parquet");
    let found = matches(&rules, "people.parquet", file);
    assert_eq!(found.len(), 1);
    assert_eq!(rules.rule(found[0].rule).id, "pii/sensitive-column");
    assert_eq!((found[0].line, found[0].excerpt.as_str()), (1, "2 columns of a Parquet file: full_name, ssn"));
    let path = TreePath::from_bytes("people.parquet");
    let scanner = Scanner::new(&rules, SALT);
    assert_eq!(scanner.scan_reader(&path, &file[..]).unwrap(), scanner.scan_bytes(&path, file));
    // In an archive too, by its name there.
    let packed = matches(&rules, "data.zip", &crate::archives::zip(&[("x/people.parquet", file)]));
    assert_eq!(packed.len(), 1);
    assert_eq!((packed[0].inside.as_deref(), &packed[0].excerpt), (Some("x/people.parquet"), &found[0].excerpt));
    // Cut short it is any other binary file.
    let cut = &file[..file.len() - 1];
    assert_eq!(scanner.scan_bytes(&path, cut), FileResult::Binary { bytes: cut.len() as u64 });
    // More than is kept of its end: what is there is read, and a footer that is longer is a gap.
    let mut long = file.to_vec();
    long.splice(4..4, vec![0; 9 * 1024 * 1024]);
    match scanner.scan_reader(&path, &long[..]).unwrap() {
        FileResult::Text { matches, bytes, missed: None } => assert_eq!((matches.len(), bytes), (1, long.len() as u64)),
        other => panic!("{other:?}"),
    }
    let size = (8_u32 * 1024 * 1024).to_le_bytes();
    let at = long.len() - 8;
    long.splice(at..at + 4, size);
    assert!(
        matches!(scanner.scan_bytes(&path, &long), FileResult::Text { missed: Some(why), .. } if why.contains("4 MiB"))
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn no_table_panics_and_no_value_is_shown(
        parts in prop::collection::vec(
            prop_oneof![
                "[ -~\n\t]{0,30}",
                Just("card_number,email\n4539106549121033,anna@postbox.se\n".to_owned()),
                Just("{\"ssn\": \"536-22-8714\", \"card\": {\"number\": \"4539106549121033\"}".to_owned()),
                Just("INSERT INTO t (ssn, x) VALUES ('536-22-8714', ".to_owned()),
                Just("CREATE TABLE t (ssn int, ".to_owned()),
                Just("COPY t (a, ssn) FROM stdin;\n1\t536-22-8714\n".to_owned()),
                Just("\"},[{]}\\\"".to_owned()),
                Just("',''(,)\n".to_owned()),
            ],
            0..16,
        ),
    ) {
        let rules = shipped();
        let text = parts.concat();
        for found in matches(&rules, "f", text.as_bytes()) {
            prop_assert!(!found.excerpt.contains("4539106549121033"), "{}", found.excerpt);
        }
    }
}
