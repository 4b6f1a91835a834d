//! Packs of ledgers in which something happened: findings that were let stand, payloads that were disposed of, a legal hold,
//! several applications.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::audit::{deploy, grants, pack, unpacked};
use crate::support::{World, have_ssh_keygen, planted_secret};

fn verified(w: &World, file: &Path) -> Value {
    let ran = w.cs(["verify", file.to_str().unwrap(), "--re-evaluate", "--format", "json"]).expect(0);
    ran.json()["pack"]["manifest"].clone()
}

/// The SARIF files in a pack, each valid by the standard's schema.
fn sarif(dir: &Path) -> Vec<(String, Value)> {
    let mut schema: Value =
        serde_json::from_str(include_str!("../../../scan/tests/it/schema/sarif-2.1.0.json")).unwrap();
    // The pattern of `language` has a stray `]`, which only lenient readers take; no report of ours has a language.
    for owner in ["run", "toolComponent"] {
        schema["definitions"][owner]["properties"]["language"].as_object_mut().unwrap().remove("pattern");
    }
    let validator = jsonschema::options().with_draft(jsonschema::Draft::Draft7).build(&schema).unwrap();
    let mut all = Vec::new();
    for file in fs::read_dir(dir.join("findings")).unwrap() {
        let file: PathBuf = file.unwrap().path();
        let log: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
        let errors: Vec<_> = validator.iter_errors(&log).map(|e| format!("{} {e}", e.instance_path())).collect();
        assert!(errors.is_empty(), "{errors:#?}");
        all.push((file.file_stem().unwrap().to_string_lossy().into_owned(), log));
    }
    all
}

#[test]
fn findings_are_sarif_with_what_became_of_them() {
    if !have_ssh_keygen() {
        return;
    }
    let w = World::new();
    w.firm();
    // Two secrets: one is waived, the other suppressed, each by somebody else than who asks.
    let other = planted_secret().replace("Z7Q4", "Q4Z7");
    let marked = format!("key={other} # countersign:allow * reason: a made-up value\n");
    w.commit_signed("mia", "fixture.sh", &marked);
    w.commit_signed("mia", "app.py", &format!("export AWS_ACCESS_KEY_ID={}\n", planted_secret()));
    w.cs(["run"]).expect(10);
    let request = ["waive", "request", "--control", "secrets-out-of-source", "--accept", "the key is revoked"];
    let request = [request.as_slice(), &["--path", "*.py", "--format", "json"]].concat();
    let id = w.by("ruth", &request).expect(0).json()["waiver"].as_str().unwrap().to_owned();
    w.by("dan", &["waive", "grant", &id, "--reason", "for a night"]).expect(0);
    w.by("ruth", &["suppression", "grant", "latest", "--all", "--reason", "test data"]).expect(0);
    deploy(&w);
    // The next release has neither.
    w.commit_signed("mia", "app.py", "print('hello')\n");
    w.commit_signed("mia", "fixture.sh", "echo\n");
    deploy(&w);

    let all = grants(&w);
    let file = pack(&w, "all.zip", &[]);
    verified(&w, &file);
    let dir = unpacked(&w, &file, "all");
    let logs = sarif(&dir);
    assert_eq!(logs.len(), 2);
    let of = |grant: &str| &logs.iter().find(|(name, _)| name == grant).unwrap().1["runs"][0];
    let (first, second) = (of(&all[0]), of(&all[1]));
    assert_eq!(first["properties"]["deployment"], all[0].as_str());
    let results = first["results"].as_array().unwrap();
    let at = |path: &str| {
        let is_it = |r: &&Value| r["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == path;
        results.iter().find(is_it).unwrap_or_else(|| panic!("{path}: {results:#?}"))
    };
    let waived = at("app.py");
    assert_eq!(waived["properties"]["disposition"], format!("waived by {id}").as_str());
    assert_eq!(waived["suppressions"][0]["status"], "accepted");
    assert_eq!(waived["suppressions"][0]["properties"]["granted_by"], "dan");
    assert!(waived["suppressions"][0]["properties"]["until"].is_string());
    let suppressed = at("fixture.sh");
    assert_eq!(suppressed["properties"]["disposition"], "suppressed by grant");
    assert_eq!(suppressed["suppressions"][0]["properties"]["granted_by"], "ruth");
    assert!(first["results"][0].get("baselineState").is_none(), "nothing is before it");
    // The values themselves are nowhere.
    assert!(!first.to_string().contains(&planted_secret()) && !first.to_string().contains(&other));
    let gone = second["results"].as_array().unwrap();
    assert_eq!(gone.len(), results.len());
    assert!(
        gone.iter().all(|r| r["baselineState"] == "absent" && r["properties"]["disposition"] == "fixed"),
        "{gone:#?}"
    );
    assert_eq!(second["properties"]["comparedWith"], all[0].as_str());
    let table = fs::read_to_string(dir.join("tables/findings.csv")).unwrap();
    assert!(table.contains(",dan,") && table.contains(",ruth,"), "{table}");

    // Alone, there is nothing to compare with, and what is derived again is that.
    let file = pack(&w, "second.zip", &["--deployment", &all[1]]);
    verified(&w, &file);
    assert_eq!(sarif(&unpacked(&w, &file, "second"))[0].1["runs"][0]["results"], serde_json::json!([]));
}

#[test]
fn what_was_disposed_of_stands_on_the_first_page_with_its_certificate() {
    if !have_ssh_keygen() {
        return;
    }
    let mut w = World::new();
    w.now = Some("2027-01-10T12:00:00Z".into());
    w.firm();
    w.approve();
    let start = ["retention", "start", "audit-concluded", "--select", "all", "--on", "2027-01-05", "--reason", "AR-7"];
    w.by("ruth", &start).expect(0);
    w.now = Some("2034-06-01T12:00:00Z".into());

    // Under a legal hold nothing goes, and a pack has it all; that there is a hold is in it.
    w.by("ruth", &["hold", "place", "26-cv-1", "--select", "all", "--reason", "subpoena"]).expect(0);
    let order = w.path("order.json");
    let order = order.to_str().unwrap();
    let order_out = ["ledger", "dispose", "--out", order, "--today", "2034-06-01"];
    w.by("dan", &order_out).expect(3);
    let held = pack(&w, "held.zip", &["--from", "2027-01-01"]);
    assert_eq!(verified(&w, &held)["missing"], serde_json::json!([]));
    let entries = fs::read_to_string(unpacked(&w, &held, "held").join("tables/entries.csv")).unwrap();
    assert!(entries.contains(",HoldPlaced,") && !entries.contains(",disposed\r\n"), "{entries}");
    w.by("ruth", &["hold", "release", "26-cv-1", "--reason", "settled"]).expect(0);

    w.by("dan", &order_out).expect(11);
    let done = w.by("ada", &["ledger", "dispose", order, "--today", "2034-06-01", "--format", "json"]).expect(0).json();
    let certificate = done["certificate"].as_u64().unwrap();
    let file = pack(&w, "disposed.zip", &["--from", "2027-01-01"]);
    let manifest = verified(&w, &file);
    let missing = manifest["missing"].as_array().unwrap();
    assert!(missing.len() > 3 && missing.iter().all(|m| m["certificate"] == certificate), "{manifest}");
    let dir = unpacked(&w, &file, "disposed");
    let page = fs::read_to_string(dir.join("index.html")).unwrap();
    let line = format!("entry {}: disposed of, by the certificate in entry {certificate}", missing[0]["entry"]);
    assert!(page.contains(&line) && !page.contains("incomplete"), "{line}\n{page}");
    assert!(fs::read_to_string(dir.join("tables/entries.csv")).unwrap().contains(",disposed\r\n"));
    // The pack from before still has what is gone now, and still holds: it does not change.
    verified(&w, &held);
}

#[test]
fn a_pack_of_one_application_leaves_the_others_out_and_says_so() {
    if !have_ssh_keygen() {
        return;
    }
    let w = World::new();
    w.firm();
    w.commit_signed("mia", "app.sh", "echo app\n");
    let shop = ["application", "register", "shop", "--owner", "mia", "--deputy", "dan", "--criticality", "low"];
    w.by("ada", &[shop.as_slice(), &["--data", "internal", "--this-repository"]].concat()).expect(0);
    let other = ["application", "register", "other", "--owner", "mia", "--deputy", "dan", "--criticality", "low"];
    w.by("ada", &[other.as_slice(), &["--data", "internal", "--repository", "git:host/other"]].concat()).expect(0);
    w.by("ada", &["environment", "register", "production", "--tier", "production"]).expect(0);
    deploy(&w);
    w.commit_signed("mia", "app.sh", "echo two\n");
    w.cs(["run"]).expect(11);

    let ours = pack(&w, "shop.zip", &["--application", "shop"]);
    let manifest = verified(&w, &ours);
    assert_eq!(
        (&manifest["deployments"], &manifest["scope"]["applications"]),
        (&1.into(), &serde_json::json!(["shop"]))
    );
    assert!(!manifest["left_out"].as_array().unwrap().is_empty(), "the run that was not deployed");
    let dir = unpacked(&w, &ours, "shop");
    let page = fs::read_to_string(dir.join("index.html")).unwrap();
    assert!(page.contains("shop") && page.contains("were not chosen"), "{page}");
    assert!(fs::read_to_string(dir.join("tables/deployments.csv")).unwrap().contains(",shop,"));

    let theirs = pack(&w, "other.zip", &["--application", "other"]);
    assert_eq!(verified(&w, &theirs)["deployments"], 0);
    let page = fs::read_to_string(unpacked(&w, &theirs, "other").join("index.html")).unwrap();
    assert!(page.contains("Nothing was deployed"), "{page}");
    let ran = w.cs(["audit", "pack", "--application", "nobody", "--out", "nobody.zip"]).expect(2);
    assert!(ran.err.contains("CS-AUDIT-034") && ran.err.contains("other, shop"), "{}", ran.err);
}

/// The rows of a table.
fn rows(dir: &Path, table: &str) -> Vec<Value> {
    let text = fs::read_to_string(dir.join(format!("tables/{table}.jsonl"))).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn row<'r>(rows: &'r [Value], key: &str, value: &str) -> &'r Value {
    rows.iter().find(|row| row[key] == value).unwrap_or_else(|| panic!("{key} {value}: {rows:#?}"))
}

#[test]
fn a_period_is_assessed_and_reconciled_from_what_the_pack_holds() {
    if !have_ssh_keygen() {
        return;
    }
    let mut w = World::new();
    w.now = Some("2027-01-10T12:00:00Z".into());
    w.firm();
    w.commit_signed("mia", "app.sh", "echo app\n");
    deploy(&w);
    w.now = Some("2027-05-10T12:00:00Z".into());
    w.commit_signed("mia", "app.sh", "echo two\n");
    deploy(&w);
    // Granted, and never used.
    w.commit_signed("mia", "app.sh", "echo three\n");
    w.cs(["run"]).expect(11);
    w.by("dan", &["approve", "latest", "--as", "technical"]).expect(0);
    w.by("ruth", &["approve", "latest", "--as", "regulatory"]).expect(0);
    w.by("omar", &["grant", "issue", "latest", "--env", "production"]).expect(0);
    w.now = Some("2027-08-01T12:00:00Z".into());

    let window = ["--from", "2027-04-01", "--to", "2027-07-01"];
    let file = pack(&w, "second.zip", &window);
    let ran = w.cs(["verify", file.to_str().unwrap(), "--re-evaluate", "--format", "json"]).expect(0).json();
    assert_eq!(ran["pack"]["repeated"]["not_derived"], serde_json::json!([]));
    assert!(ran["pack"]["manifest"]["catalogue"].is_string(), "{ran}");
    let dir = unpacked(&w, &file, "second");

    // The same as the program says of the window, as far as the pack has it.
    let operation = rows(&dir, "control-operation");
    let dual = row(&operation, "control", "dual-approval");
    assert_eq!(dual["sentence"], "operated 1 of 1 times, 0 exceptions");
    let population = ["audit", "population", "--control", "dual-approval", "--format", "json"];
    let listed = w.cs(population.iter().chain(&window)).expect(0).json();
    assert_eq!(dual["operated"], listed["count"]);
    let why = |control: &str| {
        let row = row(&operation, "control", control);
        assert_eq!(row["outcome"], "not-evaluated", "{row}");
        row["why"].as_str().unwrap().to_owned()
    };
    assert!(why("trust-is-rooted").starts_with("not looked at in a pack: it is about the machine"));
    assert!(why("severe-corrected-in-time").contains("runs from before the period"));
    assert!(why("decisions-repeat").contains("--re-evaluate"));
    let assessment = rows(&dir, "assessment");
    let said = w.cs(["assess", "--from", "2027-04-01", "--to", "2027-07-01", "--format", "json"]).json();
    let requirements: usize =
        said["frameworks"].as_array().unwrap().iter().map(|f| f["requirements"].as_array().unwrap().len()).sum();
    assert_eq!(assessment.len(), requirements);
    assert!(assessment.iter().any(|r| r["controls"].as_array().unwrap().contains(&"dual-approval:pass".into())));

    let reconciled = rows(&dir, "reconciliation");
    let gap = row(&reconciled, "kind", "grant-not-used");
    assert_eq!((&gap["row"], gap["entries"].as_array().unwrap().len()), (&"gap".into(), 1));
    assert_eq!(row(&reconciled, "kind", "protected branch")["text"], "not asked");
    assert_eq!(row(&reconciled, "kind", "deployments")["count"], 1, "that of the period");
    let matrix = rows(&dir, "segregation-matrix");
    let omar = row(&matrix, "name", "omar");
    assert!(omar["duties"].as_str().unwrap().contains("deployer 1×"), "{omar}");
    let page = fs::read_to_string(dir.join("index.html")).unwrap();
    for name in ["assessment", "control-operation", "reconciliation", "segregation-matrix", "control-history"] {
        assert!(page.contains(&format!("href=\"tables/{name}.csv\"")), "{name}\n{page}");
        assert!(dir.join(format!("tables/{name}.csv")).exists());
    }

    // The first quarter: what came after it is not looked at either.
    let first = pack(&w, "first.zip", &["--from", "2027-01-01", "--to", "2027-04-01"]);
    verified(&w, &first);
    let operation = rows(&unpacked(&w, &first, "first"), "control-operation");
    let later = row(&operation, "control", "failed-deployment-resolved")["why"].as_str().unwrap().to_owned();
    assert!(later.contains("after the period"), "{later}");

    // By whom another catalogue is at hand, what rests on it is named and not judged.
    let own = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../controls/dual-approval.yaml")).unwrap();
    w.write("compliance/controls/two-here.yaml", &own.replace("id: dual-approval", "id: two-here"));
    let other = pack(&w, "own.zip", &window);
    verified(&w, &other);
    let path = file.to_str().unwrap();
    let ran = w.cs(["verify", path, "--re-evaluate"]).expect(14);
    assert!(
        ran.out.contains("tables/assessment.csv: not derived again: it was made with another catalogue"),
        "{}",
        ran.all()
    );
    assert!(!ran.out.contains("tables/reconciliation.csv:"), "{}", ran.all());
    w.cs(["verify", path]).expect(0);

    // One deployment is no period.
    let one = pack(&w, "one.zip", &["--deployment", &grants(&w)[0]]);
    assert!(verified(&w, &one).get("catalogue").is_none());
    assert!(!unpacked(&w, &one, "one").join("tables/assessment.csv").exists());
}

#[cfg(feature = "parquet")]
#[test]
fn tables_are_parquet_too() {
    if !have_ssh_keygen() {
        return;
    }
    let w = World::new();
    w.firm();
    w.commit_signed("mia", "app.sh", "echo app\n");
    deploy(&w);
    let file = pack(&w, "all.zip", &["--parquet"]);
    let manifest = verified(&w, &file);
    assert!(manifest["parquet"].as_str().unwrap().starts_with("parquet-rs "), "{manifest}");
    let dir = unpacked(&w, &file, "all");
    let csv = fs::read_dir(dir.join("tables")).unwrap().filter_map(|file| {
        let file = file.unwrap().path();
        (file.extension()? == "csv").then_some(file)
    });
    for file in csv {
        let bytes = fs::read(file.with_extension("parquet")).unwrap();
        assert!(bytes.starts_with(b"PAR1") && bytes.ends_with(b"PAR1"), "{}", file.display());
    }
}
