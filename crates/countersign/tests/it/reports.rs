//! Reports of other tools, through the binary: recorded, judged by the same gates, required, outdated, granted.
#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

use serde_json::{Value, json};

use crate::support::{Ran, World, have_ssh_keygen, planted_secret};

fn sarif(tool: &str, results: &Value, revision: Option<&str>) -> Value {
    let mut run = json!({
        "tool": { "driver": { "name": tool, "semanticVersion": "1.99.0", "rules": [{
            "id": "sql-from-input",
            "properties": { "tags": ["CWE-89: SQL"], "security-severity": "8.8", "precision": "high" },
        }]}},
        "invocations": [{ "executionSuccessful": true }],
        "results": results,
    });
    if let Some(revision) = revision {
        run["versionControlProvenance"] = json!([{ "repositoryUri": "https://example.org/a", "revisionId": revision }]);
    }
    json!({ "version": "2.1.0", "runs": [run] })
}

fn result(path: &str, line: u32) -> Value {
    json!({
        "ruleId": "sql-from-input", "message": { "text": "Input gets into a query." },
        "locations": [{ "physicalLocation": { "artifactLocation": { "uri": path }, "region": { "startLine": line } } }],
    })
}

fn gitleaks(secret: &str, path: &str, line: u32) -> Value {
    json!([{
        "RuleID": "aws-access-token", "Description": "A cloud key", "StartLine": line, "EndLine": line,
        "StartColumn": 1, "EndColumn": 20, "Match": secret, "Secret": secret, "File": path, "SymlinkFile": "",
        "Commit": "", "Entropy": 3.9, "Author": "Mia", "Email": "mia@example.com", "Date": "", "Message": "",
        "Tags": [], "Fingerprint": format!("{path}:aws-access-token:{line}"),
    }])
}

/// Writes a report beside the repository, as a pipeline does.
fn report(w: &World, name: &str, content: &Value) -> String {
    let path = w.path(name);
    std::fs::write(&path, content.to_string()).unwrap();
    path.display().to_string()
}

/// The codes of the reasons of a gate, after deciding again.
#[track_caller]
fn codes(w: &World, code: i32, gate: &str) -> Vec<String> {
    let ran = w.cs(["gate", "check", "--format", "json"]).expect(code);
    let gates = ran.json()["gates"].as_array().unwrap().clone();
    let gate = gates.iter().find(|g| g["name"] == gate).unwrap().clone();
    gate["reasons"].as_array().unwrap().iter().map(|r| r.as_str().unwrap().to_owned()).collect()
}

fn record(w: &World, file: &str) -> Ran {
    w.cs(["record", file, "--format", "json"])
}

const REQUIRED: &str = "version = 1\n[scan]\nrequired_reports = [\"semgrep\"]\n";

#[test]
fn a_finding_of_another_tool_denies_and_its_correction_passes() {
    let w = World::with_commit();
    w.commit("db.py", "q = run('select ' + name)\n");
    w.cs(["run"]).expect(11);
    let file = report(&w, "semgrep.sarif", &sarif("Semgrep OSS", &json!([result("db.py", 1)]), None));
    let said = record(&w, &file).expect(0).json();
    assert_eq!(said["files"][0]["kind"], "sarif");
    assert_eq!(said["files"][0]["reports"][0]["tool"], "semgrep-oss");
    assert_eq!(said["files"][0]["reports"][0]["findings"], 1);

    assert_eq!(codes(&w, 10, "build"), ["finding"]);
    let ran = w.cs(["run", "--format", "json"]).expect(10).json();
    let finding = &ran["reported"][0];
    assert_eq!((&finding["rule"], &finding["path"]), (&json!("semgrep-oss/sql-from-input"), &json!("db.py")));
    assert_eq!((&finding["cwe"], &finding["controls"]), (&json!(["CWE-89"]), &json!(["weaknesses-corrected"])));
    assert_eq!(ran["reports"][0]["version"], "1.99.0");
    let text = w.cs(["run"]).expect(10).out;
    assert!(text.contains("report of semgrep-oss 1.99.0: 1 finding"), "{text}");
    assert!(text.contains("db.py:1  semgrep-oss/sql-from-input  high, seen by semgrep-oss"), "{text}");

    // Every form of the report has it, not the people's and the programs' alone.
    let of_sarif = w.cs(["run", "--format", "sarif"]).expect(10).json();
    let result = &of_sarif["runs"][0]["results"][0];
    assert_eq!((&result["ruleId"], &result["level"]), (&json!("semgrep-oss/sql-from-input"), &json!("error")));
    assert_eq!(result["locations"][0]["physicalLocation"]["region"]["startLine"], 1);
    for (format, wanted) in [
        ("junit", "classname=\"semgrep-oss/sql-from-input\""),
        ("github", "::error file=db.py,line=1"),
        ("gitlab", "semgrep-oss/sql-from-input"),
    ] {
        let out = w.cs(["run", "--format", format]).expect(10).out;
        assert!(out.contains(wanted) && out.contains("(reported by semgrep-oss)"), "{format}: {out}");
    }

    // The same decision comes out of the record alone.
    w.cs(["replay", "latest"]).expect(0);

    w.commit("db.py", "q = run('select ?', name)\n");
    w.cs(["run"]).expect(11);
    let file = report(&w, "semgrep.sarif", &sarif("Semgrep OSS", &json!([]), None));
    record(&w, &file).expect(0);
    assert_eq!(codes(&w, 11, "build"), [""; 0]);
}

#[test]
fn a_report_is_required_of_this_very_commit() {
    let w = World::with_commit();
    w.commit("countersign.toml", REQUIRED);
    let first = w.git(["rev-parse", "HEAD"]).trim().to_owned();
    w.cs(["run"]).expect(10);
    assert_eq!(codes(&w, 10, "build"), ["report-missing"]);
    // Another tool's is none of it.
    record(&w, &report(&w, "c.sarif", &sarif("CodeQL", &json!([]), None))).expect(0);
    assert_eq!(codes(&w, 10, "build"), ["report-missing"]);
    record(&w, &report(&w, "s.sarif", &sarif("Semgrep OSS", &json!([]), Some(&first)))).expect(0);
    assert_eq!(codes(&w, 11, "build"), [""; 0]);

    // The next commit: the report of the one before says whose it is.
    w.commit("a.py", "pass\n");
    w.cs(["run"]).expect(10);
    let said = record(&w, &report(&w, "s.sarif", &sarif("Semgrep OSS", &json!([]), Some(&first)))).expect(0);
    assert_eq!(said.json()["files"][0]["reports"][0]["current"], false);
    assert!(said.err.contains("was made for commit"), "{}", said.err);
    assert_eq!(codes(&w, 10, "build"), ["report-outdated"]);
    // A report that says nothing, and somebody who does.
    let plain = report(&w, "s2.sarif", &sarif("Semgrep OSS", &json!([]), None));
    w.cs(["record", &plain, "--commit", "HEAD~1"]).expect(0);
    assert_eq!(codes(&w, 10, "build"), ["report-outdated"]);
    w.cs(["record", &plain, "--commit", "HEAD"]).expect(0);
    assert_eq!(codes(&w, 11, "build"), [""; 0]);
}

#[test]
fn half_a_report_keeps_the_gate_shut() {
    let w = World::with_commit();
    w.cs(["run"]).expect(11);
    let mut log = sarif("Semgrep OSS", &json!([]), None);
    log["runs"][0]["invocations"][0]["executionSuccessful"] = json!(false);
    let said = record(&w, &report(&w, "s.sarif", &log)).expect(0);
    assert!(said.err.contains("is not whole"), "{}", said.err);
    assert_eq!(codes(&w, 10, "build"), ["report-incomplete"]);
}

#[test]
fn a_secret_that_two_tools_see_is_one_finding_and_its_value_is_in_no_file() {
    let w = World::with_commit();
    let secret = planted_secret();
    w.commit("app.env", &format!("AWS_ACCESS_KEY_ID={secret}\n"));
    let ran = w.cs(["run", "--format", "json"]).expect(10).json();
    let ours = ran["findings"][0]["fingerprint"].clone();
    let file = report(&w, "leaks.json", &gitleaks(&secret, "app.env", 1));
    let said = record(&w, &file).expect(0);
    assert!(said.err.contains("was attached without them"), "{}", said.err);
    assert_eq!(said.json()["files"][0]["kind"], "gitleaks");
    let ran = w.cs(["run", "--format", "json"]).expect(10).json();
    let seen = ran["reported"].as_array().unwrap();
    assert_eq!(seen.len(), 1, "{seen:?}");
    assert_eq!(seen[0]["fingerprint"], ours);
    assert_eq!(seen[0]["tools"], json!(["countersign", "gitleaks"]));
    let text = w.ledger_text();
    assert!(!text.contains(&secret) && !text.contains("mia@example.com"));
    // A blob is stored as it is, so the search above would have found it.
    assert!(text.contains("aws-access-token"));
    assert_eq!(record(&w, &file).expect(0).json()["files"][0]["known"], true);
}

#[test]
fn a_report_that_cannot_be_read_is_not_recorded_unless_somebody_says_so() {
    let w = World::with_commit();
    w.cs(["run"]).expect(11);
    let path = w.path("s.sarif");
    std::fs::write(&path, "{\"version\":\"2.1.0\",\"runs\":[{\"tool\":3}]}").unwrap();
    let file = path.display().to_string();
    let said = record(&w, &file).expect(2);
    assert!(said.err.contains("CS-SCAN-040") && said.err.contains("--unread"), "{}", said.err);
    w.cs(["record", &file, "--report", "lint"]).expect(2);
    let said = w.cs(["record", &file, "--unread"]).expect(0);
    assert!(said.err.contains("counts as no report"), "{}", said.err);
    let empty = report(&w, "leaks.json", &json!([]));
    let said = w.cs(["record", &empty, "--report", "gitleaks", "--format", "json"]).expect(0).json();
    assert_eq!(said["files"][0]["reports"][0]["findings"], 0);
}

#[test]
fn a_mapping_names_controls_that_there_are() {
    let w = World::with_commit();
    w.commit("countersign.toml", "version = 1\n[scan.mapping.cwe]\nCWE-89 = [\"change-is-documented\"]\n");
    w.cs(["run"]).expect(11);
    record(&w, &report(&w, "s.sarif", &sarif("Semgrep", &json!([result("a.py", 1)]), None))).expect(0);
    let ran = w.cs(["run", "--format", "json"]).expect(10).json();
    assert_eq!(ran["reported"][0]["controls"], json!(["change-is-documented", "weaknesses-corrected"]));
    for bad in ["CWE-89 = [\"made-up\"]", "SQL = [\"change-is-documented\"]"] {
        w.commit("countersign.toml", &format!("version = 1\n[scan.mapping.cwe]\n{bad}\n"));
        let said = w.cs(["run"]).expect(2);
        assert!(said.err.contains("CS-SCAN-043"), "{}", said.err);
    }
    w.commit("countersign.toml", "version = 1\n[scan]\nrequired_reports = [\"Semgrep OSS\"]\n");
    assert!(w.cs(["run"]).expect(2).err.contains("semgrep-oss"));
}

#[test]
fn a_change_cannot_lift_a_requirement_for_itself() {
    if !have_ssh_keygen() {
        return;
    }
    let w = World::new();
    w.firm();
    w.commit_signed("mia", "countersign.toml", REQUIRED);
    w.cs(["run"]).expect(10);
    record(&w, &report(&w, "s.sarif", &sarif("Semgrep", &json!([]), None))).expect(0);
    w.by("dan", &["approve", "latest", "--as", "technical"]).expect(0);
    w.by("ruth", &["approve", "latest", "--as", "regulatory"]).expect(0);
    let grant = w.by("omar", &["deploy", "latest", "--env", "production", "--format", "json"]).expect(0).json();
    w.cs(["deploy", "--grant", grant["grant"]["file"].as_str().unwrap(), "--", "true"]).expect(0);
    w.commit_signed("mia", "countersign.toml", "version = 1\n");
    w.cs(["run"]).expect(10);
    assert_eq!(codes(&w, 10, "build"), ["report-missing"]);
}

#[test]
fn what_another_tool_finds_is_let_stand_by_somebody_else() {
    if !have_ssh_keygen() {
        return;
    }
    let w = World::new();
    w.firm();
    w.commit_signed("mia", "db.py", "q = 1\n");
    w.cs(["run"]).expect(11);
    let mut asked = result("db.py", 1);
    asked["suppressions"] = json!([{ "kind": "inSource", "justification": "the name is one of ours" }]);
    record(&w, &report(&w, "s.sarif", &sarif("Semgrep", &json!([asked]), None))).expect(0);
    assert!(codes(&w, 11, "build").is_empty());
    assert!(codes(&w, 11, "release").contains(&"suppression-requested".to_owned()));
    let listed = w.cs(["suppression", "list"]).expect(0).out;
    assert!(
        listed.contains("semgrep/sql-from-input") && listed.contains("report: the name is one of ours"),
        "{listed}"
    );
    w.by("mia", &["suppression", "grant", "latest", "--all", "--reason", "x"]).expect(4);
    w.by("ruth", &["suppression", "grant", "latest", "--all", "--reason", "looked at"]).expect(0);
    assert!(!codes(&w, 11, "release").contains(&"suppression-requested".to_owned()));
}

#[test]
fn the_past_is_taken_over_in_one_signed_act() {
    if !have_ssh_keygen() {
        return;
    }
    let w = World::new();
    w.firm();
    let secret = planted_secret();
    w.write("a.env", &format!("AWS_ACCESS_KEY_ID={secret}\n"));
    w.write("b.env", &format!("\nAWS_ACCESS_KEY_ID={secret}\n"));
    w.write("countersign.toml", "version = 1\n[scan]\nbaseline = \".gitleaksignore\"\n");
    let ignore = "a.env:aws-access-token:1\nb.env:aws-access-token:2\ngone.env:aws-access-token:1\n";
    w.commit_signed("mia", ".gitleaksignore", ignore);
    w.cs(["run"]).expect(11);
    assert!(codes(&w, 11, "release").contains(&"suppression-requested".to_owned()));
    let scanned = w.cs(["scan", ".", "--baseline", ".gitleaksignore", "--format", "json"]).expect(0).json();
    assert_eq!(scanned["stale_baseline"][0]["path"], "gone.env");

    w.write("other", "a.env:aws-access-token:1\n");
    std::fs::write(w.path("empty.gitleaksignore"), "# nothing\n").unwrap();
    let none = w.path("empty.gitleaksignore").display().to_string();
    w.by("ruth", &["suppression", "grant", "latest", "--baseline", &none, "--reason", "x"]).expect(2);
    let grant = ["suppression", "grant", "latest", "--baseline", ".gitleaksignore", "--reason", "before the first run"];
    w.by("mia", &grant).expect(4);
    let before = w.cs(["ledger", "info", "--format", "json"]).expect(0).json()["size"].as_u64().unwrap();
    let said = w.by("ruth", &grant).expect(0);
    assert!(said.out.contains("2 suppressions granted"), "{}", said.out);
    let after = w.cs(["ledger", "info", "--format", "json"]).expect(0).json()["size"].as_u64().unwrap();
    assert_eq!(after, before + 1, "one act");
    assert!(!codes(&w, 11, "release").contains(&"suppression-requested".to_owned()));
}
