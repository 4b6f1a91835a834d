//! Reports of other tools. Their shapes are those that the tools document; every value in them is made up.

use countersign_model::{Confidence, Finding, FindingState, Severity};
use countersign_scan::import::{self, Context, Imported, Mapping};
use countersign_scan::{Baseline, Declaration, Error, RuleSet, Scanner, Walk, scan_source};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::{SALT, rules, token_rule};

/// A value that the test rule finds, put together here so that no file holds it.
fn value() -> String {
    ["tok", "a1b2c3d4"].join("_")
}

struct Desk {
    rules: RuleSet,
    mapping: Mapping,
    roots: Vec<String>,
    commit: Option<String>,
    declarations: Vec<Declaration>,
}

impl Desk {
    fn new() -> Self {
        Self {
            rules: rules(&[token_rule()]),
            mapping: Mapping::shipped().unwrap(),
            roots: vec!["/home/ci/app".into()],
            commit: None,
            declarations: Vec::new(),
        }
    }

    fn read(&self, text: &[u8], file: &str, format: Option<&str>) -> Result<Option<Imported>, Error> {
        let scanner = Scanner::new(&self.rules, SALT);
        let context = Context {
            scanner: &scanner,
            roots: &self.roots,
            mapping: &self.mapping,
            commit: self.commit.as_deref(),
            declarations: &self.declarations,
            baseline: None,
        };
        import::import(text, file, format, &context)
    }

    /// A report that is recognised by its content.
    #[track_caller]
    fn known(&self, report: &Value) -> Imported {
        self.read(report.to_string().as_bytes(), "report.json", None).unwrap().unwrap()
    }
}

#[track_caller]
fn only(read: &Imported) -> &Finding {
    let [report] = read.record.reports.as_slice() else { panic!("{:?}", read.record) };
    let [finding] = report.findings.as_slice() else { panic!("{:?}", report.findings) };
    finding
}

fn semgrep() -> Value {
    json!({
        "version": "2.1.0",
        "$schema": "https://example.org/sarif-schema-2.1.0.json",
        "runs": [{
            "tool": { "driver": { "name": "Semgrep OSS", "semanticVersion": "1.99.0", "rules": [{
                "id": "python.sql.query-from-input",
                "shortDescription": { "text": "A query is put together from input" },
                "defaultConfiguration": { "level": "error" },
                "properties": { "precision": "very-high", "tags": ["CWE-89: SQL", "HIGH CONFIDENCE", "security"] },
            }]}},
            "invocations": [{ "executionSuccessful": true, "toolExecutionNotifications": [] }],
            "results": [{
                "ruleId": "python.sql.query-from-input",
                "message": { "text": "Input gets into\na query." },
                "locations": [{ "physicalLocation": {
                    "artifactLocation": { "uri": "src/db.py", "uriBaseId": "%SRCROOT%" },
                    "region": { "startLine": 12, "startColumn": 5, "endLine": 13, "endColumn": 20,
                                "snippet": { "text": "    run(\"select \" + name)" } },
                }}],
                "fingerprints": { "matchBasedId/v1": "0123abcd_0" },
                "properties": {},
            }],
        }],
    })
}

#[test]
fn sarif_becomes_a_finding_with_tool_version_weakness_and_controls() {
    let read = Desk::new().known(&semgrep());
    assert_eq!(read.stored, None, "nothing in it has to be taken out");
    let report = &read.record.reports[0];
    assert_eq!((report.tool.as_str(), report.version.as_deref()), ("semgrep-oss", Some("1.99.0")));
    let f = only(&read);
    assert_eq!(f.rule, "semgrep-oss/python.sql.query-from-input");
    assert_eq!((f.severity, f.confidence), (Severity::High, Confidence::High));
    assert_eq!((f.path.to_string().as_str(), f.line, f.column, f.end_line, f.end_column), ("src/db.py", 12, 5, 13, 20));
    assert_eq!(
        (f.cwe.as_slice(), f.controls.as_slice()),
        (&["CWE-89".into()][..], &["weaknesses-corrected".into()][..])
    );
    assert_eq!((f.title.as_str(), f.state), ("Input gets into a query.", FindingState::Open));
}

#[test]
fn severity_comes_from_the_score_before_the_level() {
    for (result, rule, severity) in [
        (json!({"security-severity": "9.8"}), json!({"security-severity": "2.0"}), Severity::Critical),
        (json!({}), json!({"security-severity": 7.0}), Severity::High),
        (json!({}), json!({"security-severity": "4.2"}), Severity::Medium),
        (json!({}), json!({"security-severity": "0.1"}), Severity::Low),
        (json!({}), json!({"security-severity": "0.0"}), Severity::Info),
        (json!({}), json!({"security-severity": "NaN"}), Severity::High),
        (json!({"severity": "LOW"}), json!({}), Severity::Low),
        (json!({}), json!({}), Severity::High),
    ] {
        let mut log = semgrep();
        log["runs"][0]["results"][0]["properties"] = result.clone();
        log["runs"][0]["tool"]["driver"]["rules"][0]["properties"] = rule.clone();
        assert_eq!(only(&Desk::new().known(&log)).severity, severity, "{result} {rule}");
    }
    for (level, severity) in [("warning", Severity::Medium), ("note", Severity::Low), ("none", Severity::Info)] {
        let mut log = semgrep();
        log["runs"][0]["results"][0]["level"] = json!(level);
        assert_eq!(only(&Desk::new().known(&log)).severity, severity, "{level}");
    }
}

#[test]
fn rules_and_weaknesses_are_found_wherever_the_format_lets_them_stand() {
    // CodeQL: the rules are those of an extension, weaknesses are tags of its own form.
    let codeql = json!({ "version": "2.1.0", "runs": [{
        "tool": { "driver": { "name": "CodeQL", "semanticVersion": "2.20.0" },
                  "extensions": [{ "name": "codeql/java-queries", "rules": [{
                      "id": "java/path-injection", "properties": { "tags": ["external/cwe/cwe-022"], "security-severity": "7.5" } }] }] },
        "artifacts": [{ "location": { "uri": "src/A.java", "uriBaseId": "%SRCROOT%" } }],
        "originalUriBaseIds": { "%SRCROOT%": { "uri": "file:///runner/work/app/" } },
        "versionControlProvenance": [{ "repositoryUri": "https://example.org/app", "revisionId": "ABCDEF0123" }],
        "results": [{ "rule": { "id": "java/path-injection", "index": 0, "toolComponent": { "index": 0 } },
                      "message": { "text": "A path." },
                      "locations": [{ "physicalLocation": { "artifactLocation": { "index": 0 }, "region": { "startLine": 3 } } }],
                      "partialFingerprints": { "primaryLocationLineHash": "77aa:1" } }],
    }]});
    let read = Desk::new().known(&codeql);
    let f = only(&read);
    assert_eq!((f.rule.as_str(), f.path.to_string().as_str()), ("codeql/java/path-injection", "src/A.java"));
    assert_eq!((f.cwe.as_slice(), f.severity), (&["CWE-22".into()][..], Severity::High));
    assert_eq!(read.record.reports[0].revisions, ["abcdef0123"]);

    // Taxa of the result and relationships of the rule.
    let mut taxa = semgrep();
    taxa["runs"][0]["results"][0]["taxa"] = json!([{ "id": "78", "toolComponent": { "name": "CWE" } }]);
    taxa["runs"][0]["tool"]["driver"]["rules"][0]["relationships"] =
        json!([{ "target": { "id": "CWE-079", "toolComponent": { "name": "CWE" } } }]);
    assert_eq!(only(&Desk::new().known(&taxa)).cwe, ["CWE-78", "CWE-79", "CWE-89"]);

    // ZAP: a page of a running program.
    let mut zap = semgrep();
    zap["runs"][0]["tool"]["driver"] = json!({ "name": "ZAP" });
    zap["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"] =
        json!({ "uri": "https://u:p@shop.example/login?session=1" });
    assert_eq!(only(&Desk::new().known(&zap)).path.to_string(), "https://shop.example/login");
}

#[test]
fn bases_lead_to_paths_inside_the_tree() {
    let bases = json!({
        "ROOT": { "uri": "file:///home/ci/app/" },
        "SRC": { "uri": "src/", "uriBaseId": "ROOT" },
        "ELSEWHERE": { "uri": "file:///runner/work/app/" },
        "LOOP": { "uri": "x/", "uriBaseId": "LOOP" },
        "UP": { "uri": "../../" },
    });
    for (uri, base, path) in [
        ("db.py", "SRC", "src/db.py"),
        ("file:///home/ci/app/src/db.py", "", "src/db.py"),
        ("file:///runner/work/app/src/db.py", "", "src/db.py"),
        ("src/db.py", "ELSEWHERE", "src/db.py"),
        ("src\\db.py", "", "src/db.py"),
        ("file:///etc/passwd", "", "(outside)/passwd"),
        ("etc/passwd", "UP", "(outside)/passwd"),
        ("../db.py", "ROOT", "(outside)/db.py"),
        ("db.py", "NOWHERE", "db.py"),
    ] {
        let mut log = semgrep();
        log["runs"][0]["originalUriBaseIds"] = bases.clone();
        let at = &mut log["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"];
        *at = if base.is_empty() { json!({ "uri": uri }) } else { json!({ "uri": uri, "uriBaseId": base }) };
        assert_eq!(only(&Desk::new().known(&log)).path.to_string(), path, "{uri} {base}");
    }
    let mut log = semgrep();
    log["runs"][0]["originalUriBaseIds"] = bases;
    log["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"] =
        json!({ "uri": "a", "uriBaseId": "LOOP" });
    assert!(only(&Desk::new().known(&log)).path.to_string().ends_with("x/a"), "a loop of bases ends");
}

#[test]
fn what_is_no_finding_is_counted_and_what_is_suppressed_asks() {
    let mut log = semgrep();
    let one = log["runs"][0]["results"][0].clone();
    let mut results = Vec::new();
    for (key, said) in [("kind", "pass"), ("kind", "notApplicable"), ("baselineState", "absent"), ("kind", "review")] {
        let mut result = one.clone();
        result[key] = json!(said);
        results.push(result);
    }
    let mut accepted = one.clone();
    accepted["fingerprints"] = json!({ "id": "2" });
    accepted["suppressions"] = json!([{ "kind": "inSource", "justification": "a sample" }]);
    let mut rejected = one;
    rejected["fingerprints"] = json!({ "id": "3" });
    rejected["suppressions"] = json!([{ "kind": "external", "status": "rejected" }]);
    results.extend([accepted, rejected]);
    log["runs"][0]["results"] = json!(results);
    let read = Desk::new().known(&log);
    let report = &read.record.reports[0];
    assert_eq!((report.passed_over, report.findings.len()), (3, 3));
    let asked: Vec<_> = report.findings.iter().filter(|f| f.state == FindingState::SuppressionRequested).collect();
    assert_eq!(asked.len(), 1);
    assert_eq!((asked[0].reason.as_deref(), asked[0].requested_by.as_deref()), (Some("a sample"), Some("report")));
}

#[test]
fn a_report_that_is_not_whole_says_so() {
    for (key, value, part) in [
        ("invocations", json!([{ "executionSuccessful": false }]), "did not end with success"),
        (
            "invocations",
            json!([{ "executionSuccessful": true, "toolExecutionNotifications": [{ "level": "error", "message": {} }] }]),
            "an error",
        ),
        ("results", Value::Null, "no list of results"),
        ("externalPropertyFileReferences", json!({ "results": [{ "location": {} }] }), "other files"),
    ] {
        let mut log = semgrep();
        log["runs"][0][key] = value;
        let read = Desk::new().known(&log);
        let why = &read.record.reports[0].incomplete;
        assert!(why.len() == 1 && why[0].contains(part), "{key}: {why:?}");
    }
}

fn gitleaks(secret: &str) -> Value {
    json!([{
        "RuleID": "generic-api-key", "Description": "A key", "StartLine": 2, "EndLine": 2, "StartColumn": 8,
        "EndColumn": 20, "Match": format!("key = \"{secret}\""), "Secret": secret, "File": "conf/app.ini",
        "SymlinkFile": "", "Commit": "", "Entropy": 3.5, "Author": "Mia Example", "Email": "mia@example.org",
        "Date": "", "Message": format!("add {secret}"), "Tags": [], "Fingerprint": "conf/app.ini:generic-api-key:2",
    }])
}

fn trufflehog(secret: &str) -> String {
    let finding = json!({
        "SourceMetadata": { "Data": { "Git": { "commit": "c", "file": "conf/app.ini", "email": "Mia <mia@example.org>",
                                               "line": 2, "link": format!("https://x/{secret}") } } },
        "SourceID": 1, "SourceType": 16, "DetectorType": 2, "DetectorName": "Token", "DecoderName": "PLAIN",
        "Verified": false, "Raw": secret, "RawV2": format!("{secret}:more"), "Redacted": secret.chars().take(6).collect::<String>(),
        "ExtraData": { "account": "1" }, "StructuredData": null,
    });
    format!("{{\"level\":\"info-0\",\"msg\":\"running source\"}}\n{finding}\n")
}

fn alerts(secret: &str) -> Value {
    json!([{
        "number": 7, "state": "open", "secret_type": "example_token", "secret_type_display_name": "Example token",
        "secret": secret, "validity": "active", "resolution": null, "resolved_by": null,
        "push_protection_bypassed_by": { "login": "mia-example", "id": 5 },
        "first_location_detected": { "path": "conf/app.ini", "start_line": 2, "end_line": 2, "start_column": 8,
                                     "end_column": 20, "commit_sha": "c" },
    }])
}

fn secrets_baseline(extra: &Value) -> Value {
    let mut secret = json!({
        "type": "Secret Keyword", "filename": "conf/app.ini", "line_number": 2, "is_verified": false,
        "hashed_secret": "00112233445566778899aabbccddeeff00112233",
    });
    for (key, value) in extra.as_object().into_iter().flatten() {
        secret[key] = value.clone();
    }
    json!({ "version": "1.5.0", "plugins_used": [{ "name": "KeywordDetector" }], "filters_used": [],
            "results": { "conf/app.ini": [secret] }, "generated_at": "2026-01-01T00:00:00Z" })
}

/// The identity that our own scanner gives the value.
fn ours() -> Finding {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("conf")).unwrap();
    std::fs::write(dir.path().join("conf/app.ini"), format!("[x]\nkey = \"{}\"\n", value())).unwrap();
    let report = scan_source(&Walk::new(dir.path()), &rules(&[token_rule()]), SALT, &Default::default()).unwrap();
    let [finding] = report.findings.as_slice() else { panic!("{:?}", report.findings) };
    finding.clone()
}

#[test]
fn values_are_recognised_and_not_kept_whoever_found_them() {
    let secret = value();
    let reports = [
        ("gitleaks/generic-api-key", gitleaks(&secret).to_string()),
        ("trufflehog/Token", trufflehog(&secret)),
        ("github-secret-scanning/example_token", alerts(&secret).to_string()),
    ];
    for (rule, text) in reports {
        let read = Desk::new().read(text.as_bytes(), "r.json", None).unwrap().unwrap();
        let f = only(&read);
        assert_eq!((f.rule.as_str(), f.path.to_string().as_str(), f.line), (rule, "conf/app.ini", 2));
        assert_eq!(f.value, ours().value, "{rule}: the same value has one identity");
        assert_eq!(f.controls, ["secrets-out-of-source"]);
        let stored = String::from_utf8(read.stored.unwrap()).unwrap();
        for private in [secret.as_str(), &secret[..8], "Mia", "mia@", "mia-example"] {
            let record = serde_json::to_string(&read.record).unwrap();
            assert!(!stored.contains(private) && !record.contains(private), "{rule}: {private}\n{stored}\n{record}");
        }
        assert!(read.record.hidden > 0);
        // What is stored can be read again, and says the same without the value.
        let again = Desk::new().read(stored.as_bytes(), "r.json", None).unwrap().unwrap();
        let f = only(&again);
        assert_eq!((f.path.to_string().as_str(), f.line, f.value), ("conf/app.ini", 2, None));
    }
}

#[test]
fn a_value_that_the_tool_hid_has_no_identity() {
    for hidden in ["REDACTED", "tok_a...", "", "*****"] {
        assert_eq!(only(&Desk::new().known(&gitleaks(hidden))).value, None, "{hidden}");
    }
}

#[test]
fn what_is_verified_is_certain_and_what_is_resolved_asks() {
    let text = trufflehog(&value()).replace("\"Verified\":false", "\"Verified\":true");
    // What is stored of one line is one line, and a report of the same tool.
    let line = text.lines().last().unwrap();
    let stored = Desk::new().read(line.as_bytes(), "hog.json", None).unwrap().unwrap().stored.unwrap();
    assert_eq!(stored.iter().filter(|b| **b == b'\n').count(), 1);
    assert!(Desk::new().read(&stored, "hog.json", None).unwrap().is_some());
    let read = Desk::new().read(text.as_bytes(), "r", None).unwrap().unwrap();
    assert_eq!((only(&read).severity, only(&read).confidence), (Severity::Critical, Confidence::Certain));
    let mut resolved = alerts(&value());
    resolved[0]["state"] = json!("resolved");
    resolved[0]["resolution"] = json!("used_in_tests");
    let read = Desk::new().known(&resolved);
    assert_eq!(only(&read).state, FindingState::SuppressionRequested);
    assert_eq!(only(&read).reason.as_deref(), Some("resolved at GitHub: used_in_tests"));
    let read = Desk::new().known(&secrets_baseline(&json!({ "is_secret": false })));
    assert_eq!(only(&read).state, FindingState::SuppressionRequested);
    let read = Desk::new().known(&secrets_baseline(&json!({ "is_verified": true })));
    assert_eq!(
        (only(&read).confidence, only(&read).rule.as_str()),
        (Confidence::Certain, "detect-secrets/secret-keyword")
    );
    assert!(!String::from_utf8(read.stored.unwrap()).unwrap().contains("00112233"), "a guessable hash is not stored");
}

#[test]
fn a_log_that_tells_of_an_error_makes_a_report_incomplete() {
    let text = format!("{}{}", trufflehog(&value()), "{\"level\":\"error\",\"msg\":\"cannot clone\"}\n");
    let read = Desk::new().read(text.as_bytes(), "r", None).unwrap().unwrap();
    assert_eq!(read.record.reports[0].incomplete.len(), 1);
}

#[test]
fn sarif_of_a_tool_for_secrets_is_stored_without_what_it_quotes() {
    let secret = value();
    let mut log = semgrep();
    log["runs"][0]["tool"]["driver"] = json!({ "name": "gitleaks", "rules": [] });
    let result = &mut log["runs"][0]["results"][0];
    result["locations"][0]["physicalLocation"]["region"]["snippet"]["text"] = json!(secret);
    result["partialFingerprints"] = json!({ "author": "Mia", "email": "mia@example.org", "commitMessage": "m" });
    let read = Desk::new().known(&log);
    assert_eq!(only(&read).value, ours().value);
    assert_eq!(only(&read).cwe, ["CWE-798"]);
    let stored = String::from_utf8(read.stored.unwrap()).unwrap();
    assert!(!stored.contains(&secret) && !stored.contains("Mia") && !stored.contains("mia@"), "{stored}");
    // In the report of any other tool, what our own rules recognise goes as well.
    let mut log = semgrep();
    log["runs"][0]["results"][0]["message"]["text"] = json!(format!("key = \"{secret}\" is in clear"));
    let read = Desk::new().known(&log);
    assert!(!String::from_utf8(read.stored.clone().unwrap()).unwrap().contains(&secret));
    assert!(!serde_json::to_string(&read.record).unwrap().contains(&secret));
}

#[test]
fn declarations_of_the_repository_speak_for_findings_of_other_tools() {
    let mut desk = Desk::new();
    let (path, rule) = ("src/**".to_owned(), "semgrep-oss/*".to_owned());
    desk.declarations.push(Declaration { path, rule, reason: "generated".into() });
    let read = desk.known(&semgrep());
    assert_eq!(only(&read).state, FindingState::SuppressionRequested);
    assert_eq!(only(&read).requested_by.as_deref(), Some("declaration"));
}

#[test]
fn fingerprints_stay_when_lines_move_and_differ_between_values() {
    let base = only(&Desk::new().known(&semgrep())).fingerprint;
    let mut moved = semgrep();
    moved["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["region"]["startLine"] = json!(2);
    assert_eq!(only(&Desk::new().known(&moved)).fingerprint, base);
    let mut other = semgrep();
    other["runs"][0]["results"][0]["fingerprints"] = json!({ "matchBasedId/v1": "other" });
    assert_ne!(only(&Desk::new().known(&other)).fingerprint, base);
}

#[test]
fn files_that_are_no_reports_are_left_alone() {
    for text in ["", "hello", "{}", "[]", "[1]", "<testsuites/>", "{\"bomFormat\":\"CycloneDX\"}", "{\"unfinished\": "]
    {
        assert!(Desk::new().read(text.as_bytes(), "file.json", None).unwrap().is_none(), "{text}");
    }
    // An empty list says nothing of who wrote it; whoever records it does.
    let read = Desk::new().read(b"[]", "leaks.json", Some("gitleaks")).unwrap().unwrap();
    assert_eq!((read.record.reports[0].tool.as_str(), read.record.reports[0].findings.len()), ("gitleaks", 0));
    let read = Desk::new().read(b"", "hog.json", Some("trufflehog")).unwrap().unwrap();
    assert_eq!(read.record.reports[0].tool, "trufflehog");
}

#[test]
fn broken_reports_are_errors_that_quote_nothing() {
    let secret = value();
    let mut wrong_kind = semgrep();
    wrong_kind["runs"][0]["results"][0]["ruleId"] = json!({ "x": secret });
    let mut no_tool = semgrep();
    no_tool["runs"][0]["tool"] = json!({ "driver": {} });
    let mut other_version = semgrep();
    other_version["version"] = json!("2.0.0");
    let deep = format!("{{\"version\":\"2.1.0\",\"runs\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    let mut wrong_leak = gitleaks(&secret);
    wrong_leak[0]["StartLine"] = json!(secret);
    for (text, file, format) in [
        (wrong_kind.to_string(), "r.sarif", None),
        (no_tool.to_string(), "r.sarif", None),
        (other_version.to_string(), "r.sarif", None),
        (semgrep().to_string()[..400].to_owned(), "r.sarif", None),
        (deep, "r.sarif", None),
        (wrong_leak.to_string(), "r.json", None),
        ("{\"DetectorName\": 1}".into(), "r.json", Some("trufflehog")),
        ("{\"a\": 1}".into(), "r.json", Some("trufflehog")),
        ("{\"results\": []}".into(), "r.json", Some("detect-secrets")),
    ] {
        let error = Desk::new().read(text.as_bytes(), file, format).unwrap_err();
        assert!(matches!(error, Error::Report { .. }), "{error:?}");
        let told = format!("{error} {error:?}");
        assert!(!told.contains(&secret[4..]), "{told}");
    }
    // Cut short in the middle, under any name: the schema says what it was.
    let cut = "{\"$schema\":\"https://example.org/sarif-2.1.0.json\",\"version\":\"2.1.0\",\"runs\":[{";
    assert!(matches!(Desk::new().read(cut.as_bytes(), "x.json", None), Err(Error::Report { .. })));
    assert!(matches!(Desk::new().read(b"[]", "x", Some("lint")), Err(Error::ReportFormat { .. })));
}

#[test]
fn limits_are_errors_and_no_shorter_reports() {
    let many = format!("[{}]", vec![gitleaks("x")[0].to_string(); import::MOST_FINDINGS + 1].join(","));
    assert!(matches!(Desk::new().read(many.as_bytes(), "r.json", None), Err(Error::ReportTooLarge { .. })));
    let mut large = b"{\"version\":\"2.1.0\",\"runs\":[]}".to_vec();
    large.resize(import::MOST_BYTES + 1, b' ');
    assert!(matches!(Desk::new().read(&large, "r.sarif", None), Err(Error::ReportTooLarge { .. })));
}

#[test]
fn a_tool_with_our_name_is_not_taken_for_us() {
    for name in ["Countersign", "secrets", "PII"] {
        let mut log = semgrep();
        log["runs"][0]["tool"]["driver"]["name"] = json!(name);
        let read = Desk::new().known(&log);
        assert!(read.record.reports[0].tool.ends_with("-report"), "{}", read.record.reports[0].tool);
    }
}

#[test]
fn baselines_of_other_tools_ask_and_stale_entries_are_told() {
    let dir = tempfile::tempdir().unwrap();
    let secret = value();
    std::fs::create_dir(dir.path().join("conf")).unwrap();
    std::fs::write(dir.path().join("conf/app.ini"), format!("[x]\nkey = \"{secret}\"\n")).unwrap();
    let set = rules(&[token_rule()]);
    let scan = |file: &str, text: &str| {
        let baseline = Baseline::parse(text.as_bytes(), std::path::Path::new(file)).unwrap();
        let options = countersign_scan::Options { baseline: Some(&baseline), ..Default::default() };
        scan_source(&Walk::new(dir.path()), &set, SALT, &options).unwrap()
    };
    let commit = "0123456789abcdef0123456789abcdef01234567";
    let ignore = format!(
        "# known\nconf/app.ini:generic-api-key:2\n{commit}:conf/app.ini:generic-api-key:2\nconf/app.ini:generic-api-key:9\n"
    );
    let report = scan(".gitleaksignore", &ignore);
    assert_eq!(report.findings[0].state, FindingState::SuppressionRequested);
    assert_eq!(report.findings[0].reason.as_deref(), Some("in .gitleaksignore: generic-api-key, line 2"));
    assert_eq!(report.findings[0].requested_by.as_deref(), Some("baseline"));
    assert_eq!(report.stale_baseline.len(), 1, "{:?}", report.stale_baseline);

    // The hash decides, not the line: the entry follows its value and nothing else at its place.
    let hash = sha1_hex(secret.as_bytes());
    for (extra, state) in [
        (json!({ "hashed_secret": hash, "line_number": 40 }), FindingState::SuppressionRequested),
        (json!({ "line_number": 2 }), FindingState::Open),
        (json!({ "hashed_secret": hash, "filename": "x" }), FindingState::SuppressionRequested),
    ] {
        let report = scan(".secrets.baseline", &secrets_baseline(&extra).to_string());
        assert_eq!(report.findings[0].state, state, "{extra}");
        assert_eq!(report.stale_baseline.len(), usize::from(state == FindingState::Open), "{extra}");
    }
}

#[test]
fn broken_baselines_of_other_tools_name_the_line() {
    for text in ["a\n", "a:b\n", "a:b:c\n", ":b:1\n"] {
        let error = Baseline::parse(text.as_bytes(), std::path::Path::new(".gitleaksignore")).unwrap_err();
        assert!(matches!(error, Error::BaselineLine { line: Some(1), .. }), "{text}: {error:?}");
    }
    let text = secrets_baseline(&json!({ "hashed_secret": "zz" })).to_string();
    let error = Baseline::parse(text.as_bytes(), std::path::Path::new(".secrets.baseline")).unwrap_err();
    assert!(matches!(error, Error::BaselineLine { .. }), "{error:?}");
}

/// SHA-1 of a text, in hex.
fn sha1_hex(bytes: &[u8]) -> String {
    use sha1::Digest as _;
    sha1::Sha1::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}

/// Any JSON, with the keys that the formats have among others.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
        Just(json!("2.1.0")),
        Just(json!("file:///a/../../%2e%2e/%00")),
    ];
    let keys = prop::sample::select(vec![
        "version",
        "runs",
        "tool",
        "driver",
        "name",
        "rules",
        "id",
        "results",
        "ruleId",
        "ruleIndex",
        "rule",
        "message",
        "text",
        "locations",
        "physicalLocation",
        "artifactLocation",
        "uri",
        "uriBaseId",
        "index",
        "region",
        "startLine",
        "originalUriBaseIds",
        "properties",
        "tags",
        "taxa",
        "suppressions",
        "RuleID",
        "StartLine",
        "Secret",
        "File",
        "DetectorName",
        "SourceMetadata",
        "Data",
        "Raw",
        "plugins_used",
        "hashed_secret",
        "number",
        "secret_type",
    ]);
    leaf.prop_recursive(6, 64, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((keys.clone(), inner), 0..6)
                .prop_map(|pairs| Value::Object(pairs.into_iter().map(|(k, v)| (k.to_owned(), v)).collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let desk = Desk::new();
        let _ = desk.read(&bytes, "x.sarif", None);
        for format in import::formats() {
            let _ = desk.read(&bytes, "x", Some(format));
        }
        let _ = Baseline::parse(&bytes, std::path::Path::new(".gitleaksignore"));
        let _ = Baseline::parse(&bytes, std::path::Path::new(".secrets.baseline"));
    }

    #[test]
    fn no_document_panics(value in any_json()) {
        let desk = Desk::new();
        let text = value.to_string();
        let _ = desk.read(text.as_bytes(), "x.json", None);
        for format in import::formats() {
            let _ = desk.read(text.as_bytes(), "x", Some(format));
        }
    }

    /// One field of a good report is exchanged for anything.
    #[test]
    fn no_change_of_a_good_report_panics(value in any_json(), pick in any::<prop::sample::Index>()) {
        let mut log = semgrep();
        let mut pointers = Vec::new();
        pointers_of("", &log, &mut pointers);
        let pointer: &String = pick.get(&pointers);
        *log.pointer_mut(pointer).unwrap() = value;
        let _ = Desk::new().read(log.to_string().as_bytes(), "x.sarif", None);
    }

    /// Whatever the value is, it is in nothing that is kept.
    #[test]
    fn no_value_is_kept(secret in "[A-Za-z0-9+/=_\\-\"\\\\ é]{12,40}") {
        let secret = format!("Zq7{secret}");
        let written = serde_json::to_string(&secret).unwrap();
        let inner = &written[1..written.len() - 1];
        for text in [gitleaks(&secret).to_string(), trufflehog(&secret), alerts(&secret).to_string()] {
            let read = Desk::new().read(text.as_bytes(), "r.json", None).unwrap().unwrap();
            let stored = String::from_utf8(read.stored.clone().unwrap()).unwrap();
            let record = serde_json::to_string(&read.record).unwrap();
            prop_assert!(!stored.contains(inner) && !record.contains(inner), "{stored} {record}");
        }
    }
}

fn pointers_of(at: &str, value: &Value, out: &mut Vec<String>) {
    let mut child = |key: &str, value: &Value| {
        let pointer = format!("{at}/{}", key.replace('~', "~0").replace('/', "~1"));
        out.push(pointer.clone());
        pointers_of(&pointer, value, out);
    };
    match value {
        Value::Object(fields) => fields.iter().for_each(|(k, v)| child(k, v)),
        Value::Array(items) => items.iter().enumerate().for_each(|(n, v)| child(&n.to_string(), v)),
        _ => {}
    }
}
