//! A ledger that has something for every page, made by the commands that people type.

use std::path::Path;

use countersign_model::Role;
use countersign_server::PageInfo;
use serde_json::{Value, json};

use crate::server::said;
use crate::support::{World, planted_secret};

const OWNERS: &str = "version: 1\ngates:\n  - gate: release\n    owner: ruth\n    deputy: dan\n    respond_within: 4h\n    \
                      escalation:\n      - after: 8h\n        role: administrator\n    \
                      fallback: two officers decide on paper, and record it within a day\n";

/// Everybody of the house who can sign in, with their roles; whoever sees most is first.
pub(crate) const PEOPLE: [(&str, &[Role]); 6] = [
    ("ruth", &[Role::ComplianceOfficer, Role::SecurityOfficer]),
    ("ada", &[Role::Administrator]),
    ("dan", &[Role::Engineer, Role::ComplianceOfficer]),
    ("mia", &[Role::Developer, Role::Engineer]),
    ("omar", &[Role::ReleaseManager]),
    ("olga", &[Role::Auditor]),
];

/// The ledger, and what stands in the places of the paths.
pub(crate) struct House {
    pub(crate) world: World,
    places: Vec<(&'static str, String)>,
}

/// A report of another tool: what it found by rule, path, line and how severe that is.
fn sarif(found: &[(&str, &str, u32, &str)]) -> Value {
    let rules: Vec<Value> = found
        .iter()
        .map(|(rule, _, _, severity)| json!({"id": rule, "properties": {"security-severity": severity, "precision": "high"}}))
        .collect();
    let results: Vec<Value> = found
        .iter()
        .map(|(rule, path, line, _)| {
            let place = json!({"artifactLocation": {"uri": path}, "region": {"startLine": line}});
            json!({"ruleId": rule, "message": {"text": "found"}, "locations": [{"physicalLocation": place}]})
        })
        .collect();
    let driver = json!({"name": "Semgrep OSS", "semanticVersion": "1.99.0", "rules": rules});
    let invocations = json!([{"executionSuccessful": true}]);
    json!({"version": "2.1.0", "runs": [{"tool": {"driver": driver}, "invocations": invocations, "results": results}]})
}

impl House {
    /// The house in May 2026: every command has its time, and the server that shows it stands at the last.
    pub(crate) fn in_may() -> Self {
        let mut world = World::new();
        world.now = Some("2026-05-04T09:00:00Z".to_owned());
        Self::of(world)
    }

    /// The house of this moment.
    pub(crate) fn of(mut w: World) -> Self {
        w.firm();
        w.key("olga");
        w.by("ada", &["person", "add", "olga", "--ssh-key", w.public("olga").to_str().unwrap()]).expect(0);
        w.by("ada", &["role", "grant", "olga", "auditor", "--reason", "external audit"]).expect(0);
        w.by("ada", &["environment", "register", "production", "--tier", "production"]).expect(0);
        let owners = w.path("gates.yaml");
        std::fs::write(&owners, OWNERS).unwrap();
        w.by("ruth", &["gate", "activate", owners.to_str().unwrap()]).expect(0);

        at(&mut w, "2026-05-05T10:00:00Z");
        w.commit_signed("mia", "app.sh", "echo app\n");
        let shop =
            ["application", "register", "shop", "--owner", "mia", "--deputy", "dan", "--criticality", "critical"];
        w.by("ada", &[&shop[..], &["--data", "personal", "--this-repository"]].concat()).expect(0);
        let run = w.cs(["run", "--ticket", "CHG-1", "--format", "json"]).expect(11).json();
        let run = run["run"]["id"].as_str().unwrap().to_owned();
        std::fs::write(w.path("app.tar"), b"artifact").unwrap();
        w.cs(["record", "--artifact", w.path("app.tar").to_str().unwrap()]).expect(0);
        w.by("dan", &["approve", "latest", "--as", "technical"]).expect(0);
        at(&mut w, "2026-05-05T13:30:00Z");
        w.by("ruth", &["approve", "latest", "--as", "regulatory"]).expect(0);
        let issue = ["grant", "issue", "latest", "--env", "production", "--format", "json"];
        let issued = w.by("omar", &issue).expect(0).json();
        w.cs(["deploy", "--grant", issued["grant"]["id"].as_str().unwrap(), "--", "true"]).expect(0);

        at(&mut w, "2026-05-11T09:00:00Z");
        let open =
            ["audit", "open", "--name", "The year", "--from", "2020-01-01", "--to", "2040-01-01", "--format", "json"];
        let audit = w.by("ruth", &open).expect(0).json()["audit"].as_str().unwrap().to_owned();
        let question = ["audit", "request", &audit, "--control", "dual-approval", "--text", "Who approved release 1?"];
        w.by("olga", &question).expect(0);
        let seal = ["audit", "population", "--control", "dual-approval", "--from", "2020-01-01", "--to", "2040-01-01"];
        w.cs([&seal[..], &["--seal"]].concat()).expect(0);
        let sealed = said(&w, "PopulationSealed")[0]["index"].to_string();
        let review =
            ["access", "review", "open", "--from", "2020-01-01", "--due", "2040-01-01", "--reason", "the yearly one"];
        w.by("ruth", &[&review[..], &["--reviewer", "ruth", "--reviewer", "dan"]].concat()).expect(0);

        at(&mut w, "2026-05-12T22:00:00Z");
        emergency(&mut w);

        at(&mut w, "2026-05-18T08:00:00Z");
        let (waits, waiver) = findings(&mut w);
        let found = w.cs(["findings", "--format", "json"]).expect(0).json();
        let print = found["findings"][0]["fingerprint"].as_str().unwrap().trim_start_matches("sha256:").to_owned();

        at(&mut w, "2026-05-27T09:00:00Z");
        look(&w, &["artifact"], 0);
        at(&mut w, "2026-05-27T09:30:00Z");
        look(&w, &["artifact", "somebody's shell"], 12);

        at(&mut w, "2026-05-28T09:00:00Z");
        let places = vec![
            ("{slot}", "technical".to_owned()),
            ("/approvals/{run}", format!("/approvals/{waits}")),
            ("/populations/{index}", format!("/populations/{sealed}")),
            ("{run}", run),
            ("{waiver}", waiver),
            ("{fingerprint}", print),
            ("{index}", "0".to_owned()),
            ("{framework}", "sox".to_owned()),
            ("{control}", "dual-approval".to_owned()),
            ("{environment}", "production".to_owned()),
            ("{audit}", audit),
        ];
        Self { world: w, places }
    }

    /// Where a page with parts in its path is shown.
    pub(crate) fn address(&self, page: &PageInfo) -> String {
        let path = self.places.iter().fold(page.path.to_owned(), |path, (place, value)| path.replace(place, value));
        assert!(!path.contains('{'), "{path}: the house has nothing that this page shows");
        path
    }
}

/// The clock is set, where it is set by hand.
fn at(w: &mut World, time: &str) {
    if w.now.is_some() {
        w.now = Some(time.to_owned());
    }
}

/// A snapshot of production, by the content of what runs there.
fn look(w: &World, runs: &[&str], code: i32) {
    let line = |content: &&str| {
        let digest = countersign_model::Digest::of(content.as_bytes()).to_string();
        format!("{}  /srv/{}\n", digest.trim_start_matches("sha256:"), content.replace(' ', "-"))
    };
    let sums = w.path("sums");
    std::fs::write(&sums, runs.iter().map(line).collect::<String>()).unwrap();
    w.cs(["snapshot", "production", "--sums", sums.to_str().unwrap()]).expect(code);
}

/// Past the gates at night; it fails, and is not ratified in time.
fn emergency(w: &mut World) {
    w.commit_signed("mia", "night.sh", "echo night\n");
    w.cs(["run", "--ticket", "INC-7"]).expect(11);
    let grant = w.path("grant.json").display().to_string();
    let open = ["break-glass", "open", "latest", "--environment", "production", "--reason", "orders are rejected"];
    let opened = w.by("ruth", &[&open[..], &["--ticket", "INC-7", "--out", &grant, "--format", "json"]].concat());
    let id = opened.expect(0).json()["break_glass"].as_str().unwrap().to_owned();
    w.cs(["deploy", "--grant", &grant, "--", "false"]).expect(1);
    w.by("ruth", &["break-glass", "close", &id, "--reason", "it did not help"]).expect(0);
}

/// What our scan and another tool found: open, past its time, waived, asked for, fixed. Which run waits is said, and which waiver is asked
/// for.
fn findings(w: &mut World) -> (String, String) {
    w.commit_signed("mia", "next.sh", "echo next\n");
    let waits = w.cs(["run", "--ticket", "CHG-2", "--format", "json"]).expect(11).json();
    let report = |w: &World, found: &[(&str, &str, u32, &str)]| {
        let path = w.path("semgrep.sarif");
        std::fs::write(&path, sarif(found).to_string()).unwrap();
        w.cs([Path::new("record"), &path]).expect(0);
    };
    w.commit_signed("mia", "db.py", "q = run('select ' + name)\n");
    w.cs(["run", "--ticket", "CHG-3"]).expect(11);
    let (sql, hash) = (("sql-from-input", "db.py", 1, "8.8"), ("weak-hash", "db.py", 1, "5.0"));
    report(w, &[sql, hash, ("shell-from-input", "next.sh", 1, "9.8")]);
    w.commit_signed("mia", "next.sh", "printf next\n");
    w.commit_signed("mia", "key.py", &format!("export AWS_ACCESS_KEY_ID={}\n", planted_secret()));
    w.cs(["run"]).expect(10);
    report(w, &[sql, hash]);
    let all = w.cs(["findings", "--format", "json"]).expect(0).json();
    let weak = all["findings"].as_array().unwrap().iter().find(|f| f["rule"].as_str().unwrap().ends_with("weak-hash"));
    let print = weak.unwrap()["fingerprint"].as_str().unwrap().to_owned();
    let waiver = ["waive", "request", "--control", "weaknesses-corrected", "--this-repository", "--finding", &print];
    let asked = w.by("mia", &[&waiver[..], &["--accept", "no secret is hashed", "--format", "json"]].concat());
    let id = asked.expect(0).json()["waiver"].as_str().unwrap().to_owned();
    w.by("ruth", &["waive", "grant", &id, "--reason", "seen with the author"]).expect(0);
    let waiver = ["waive", "request", "--control", "secrets-out-of-source", "--this-repository"];
    let asked = w.by("mia", &[&waiver[..], &["--accept", "the key is revoked", "--format", "json"]].concat()).expect(0);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    (text(&waits["run"]["id"]), text(&asked.json()["waiver"]))
}
