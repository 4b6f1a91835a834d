//! The catalogue and the assessment, over real ledgers.

use serde_json::Value;

use crate::support::{World, have_ssh_keygen, planted_secret};

const DAY: &str = "2026-03-10";

/// The firm on a day of its own: one release, tested, approved and deployed.
fn released() -> World {
    let mut w = World::new();
    w.now = Some(format!("{DAY}T08:00:00Z"));
    w.firm();
    w.commit_signed("mia", "app.sh", "echo app\n");
    w.now = Some(format!("{DAY}T09:00:00Z"));
    w.cs(["run", "--ticket", "CHG-1", "--reason", "first"]).expect(11);
    std::fs::write(w.path("app.tar"), "app").unwrap();
    std::fs::write(w.path("junit.xml"), "<testsuite name='a' tests='1'><testcase name='b'/></testsuite>").unwrap();
    let artifact = w.path("app.tar").display().to_string();
    w.cs(["record", "--artifact", &artifact]).expect(0);
    let junit = w.path("junit.xml").display().to_string();
    w.cs(["record", &junit]).expect(0);
    w.cs(["gate", "check", "latest"]).expect(11);
    deploy(&w, "grant.json");
    w
}

fn deploy(w: &World, grant: &str) {
    w.by("dan", &["approve", "latest", "--as", "technical"]).expect(0);
    w.by("ruth", &["approve", "latest", "--as", "regulatory"]).expect(0);
    let grant = w.path(grant).display().to_string();
    w.by("omar", &["deploy", "latest", "--env", "production", "--out", &grant]).expect(0);
    w.cs(["deploy", "--grant", &grant, "--", "true"]).expect(0);
}

fn at<'v>(all: &'v Value, id: &str) -> &'v Value {
    all.as_array().unwrap().iter().find(|c| c["id"] == id).unwrap_or_else(|| panic!("{id} is missing"))
}

#[test]
fn a_release_is_assessed_with_its_evidence_and_without_names() {
    if !have_ssh_keygen() {
        return;
    }
    let mut w = released();
    w.now = Some("2026-03-11T00:00:00Z".into());
    let facts = w.path("facts.json").display().to_string();
    let run = |w: &World| w.cs(["assess", "--facts", &facts, "--format", "json"]).expect(10);
    let first = run(&w);
    let assessed = first.json();
    let outcome = |id: &str| at(&assessed["controls"], id)["outcome"].as_str().unwrap().to_owned();
    for (id, wanted) in [
        ("dual-approval", "pass"),
        ("segregation-of-duties", "pass"),
        ("release-accountable", "pass"),
        ("change-is-documented", "pass"),
        ("steps-in-order", "pass"),
        ("tested-before-release", "pass"),
        ("artifact-is-bound", "pass"),
        ("policy-in-effect", "pass"),
        ("default-deny", "pass"),
        ("decisions-repeat", "pass"),
        ("evidence-is-immutable", "pass"),
        ("trust-is-rooted", "pass"),
        ("secrets-out-of-source", "pass"),
        // Keys in files, no bill of materials, no report, no copy: each is a breach.
        ("strong-authentication", "fail"),
        ("component-inventory", "fail"),
        ("static-analysis", "fail"),
        ("log-is-copied", "fail"),
        // Nothing to judge, and sources that are not there.
        ("failed-deployment-resolved", "not-evaluated"),
        ("dynamic-analysis", "not-evaluated"),
        ("leavers-revoked", "not-evaluated"),
        ("production-is-reconciled", "not-evaluated"),
    ] {
        assert_eq!(outcome(id), wanted, "{id}: {}", at(&assessed["controls"], id)["why"]);
    }
    assert_eq!(at(&assessed["controls"], "leavers-revoked")["missing"], serde_json::json!(["hr-feed"]));
    let sox = &at(&assessed["frameworks"], "sox")["requirements"];
    let tested = at(sox, "CM-2");
    assert_eq!((&tested["outcome"], &tested["verified"]), (&Value::from("pass"), &Value::from(false)));
    assert!(!tested["entries"].as_array().unwrap().is_empty());
    assert_eq!(assessed["maturity"]["level"], 1);
    assert!(!assessed["maturity"]["changes"].as_array().unwrap().is_empty());
    // Every gap is in the plan, and nothing that is met; what people attest besides is in it for them.
    let plan = assessed["plan"].as_array().unwrap();
    let planned = |days: u64, id: &str| {
        plan.iter().any(|i| i["days"] == days && i["controls"].as_array().unwrap().iter().any(|c| c == id))
    };
    assert!(planned(30, "strong-authentication") && planned(90, "leavers-revoked") && !planned(30, "dual-approval"));

    // The same window of the same ledger: the same bytes. Ids only.
    let folded = std::fs::read_to_string(&facts).unwrap();
    let second = run(&w);
    assert_eq!((first.out == second.out, folded == std::fs::read_to_string(&facts).unwrap()), (true, true));
    let html = w.cs(["assess", "--format", "html"]).expect(10).out;
    for text in [&folded, &first.out, &html] {
        for name in ["Ada", "dan", "ruth", "omar", "mia@example.com"] {
            let found = text.split(|c: char| !c.is_alphanumeric() && c != '@' && c != '.').any(|word| word == name);
            assert!(!found, "`{name}` is in it");
        }
    }
    // Another window holds another population.
    let before = w.cs(["assess", "--to", DAY, "--format", "json"]);
    assert_eq!(at(&before.json()["controls"], "dual-approval")["outcome"], "not-evaluated");
}

#[test]
fn what_is_not_verified_is_marked_in_every_report_and_pages_need_nothing_else() {
    if !have_ssh_keygen() {
        return;
    }
    let w = World::new();
    w.firm();
    let text = w.cs(["assess", "--framework", "gdpr"]);
    let marked = text.out.lines().filter(|l| l.contains("[not verified]")).count();
    assert_eq!(marked, 23, "{}", text.out);
    let html = w.cs(["assess", "--framework", "gdpr", "--format", "html"]).out;
    assert_eq!(html.matches("<span class=\"mark\">not verified</span>").count(), 24, "the note, and each of them");
    for outside in ["<script", "<link", "<img", "src=", "@import", "url("] {
        assert!(!html.contains(outside), "{outside}");
    }
    let show = w.cs(["framework", "show", "gdpr"]).expect(0);
    assert!(show.out.contains("[not verified]"));
    // Markup of a framework of the project stays text.
    w.write(
        "compliance/frameworks/own.yaml",
        "id: own\ntitle: <script>alert(1)</script>\npublisher: us\nsource: here\nchecked_on: 2026-01-01\nrequirements:\n  - {id: '1', duty: '<b>bold</b>', class: partial, verified: false, controls: [dual-approval]}\n",
    );
    let html = w.cs(["assess", "--framework", "own", "--format", "html"]).out;
    assert!(!html.contains("<script") && !html.contains("<b>") && html.contains("&lt;b&gt;bold"), "{html}");
}

#[test]
fn a_record_that_cannot_be_read_is_an_error_and_no_pass() {
    if !have_ssh_keygen() {
        return;
    }
    let mut w = released();
    w.now = Some("2026-03-11T00:00:00Z".into());
    let shown = w.cs(["ledger", "entries"]).expect(0).out;
    let line = shown.lines().rfind(|l| l.contains("DecisionMade")).unwrap();
    let index = line.split_whitespace().next().unwrap();
    let entry = w.cs(["ledger", "show", index]).expect(0).json();
    let facts = find_text(&entry, "attachments").expect("an entry has attachments");
    let digest = facts[0]["sha256"].as_str().unwrap().trim_start_matches("sha256:").to_owned();
    let blob = w.repo().join(format!(".countersign/blobs/sha256/{}/{}", &digest[..2], &digest[2..]));
    std::fs::remove_file(&blob).unwrap_or_else(|e| panic!("{}: {e}", blob.display()));
    let assessed = w.cs(["assess", "--format", "json"]).expect(10).json();
    assert_eq!(at(&assessed["controls"], "dual-approval")["outcome"], "error");
    assert_eq!(at(&assessed["controls"], "evidence-is-immutable")["outcome"], "fail");
    assert!(!assessed["unreadable"].as_array().unwrap().is_empty());
}

/// The value of a key, wherever it is.
fn find_text(value: &Value, key: &str) -> Option<Value> {
    match value {
        Value::Object(fields) => {
            fields.get(key).cloned().or_else(|| fields.values().find_map(|inner| find_text(inner, key)))
        }
        Value::Array(items) => items.iter().find_map(|inner| find_text(inner, key)),
        _ => None,
    }
}

#[test]
fn a_certificate_holds_between_two_recorded_assessments_until_something_changes() {
    if !have_ssh_keygen() {
        return;
    }
    let mut w = released();
    w.now = Some("2026-04-01T00:00:00Z".into());
    let recorded = w.cs(["assess", "--record", "--format", "json"]).expect(10).json();
    let baseline = recorded["recorded"].as_u64().unwrap();
    w.now = Some("2026-05-01T00:00:00Z".into());
    w.commit_signed("mia", "app.sh", "echo more\n");
    w.cs(["run", "--ticket", "CHG-2", "--reason", "second"]).expect(11);
    deploy(&w, "grant-2.json");
    let args =
        ["control", "certificate", "dual-approval", "--from", "2026-04-01", "--to", "2026-07-01", "--format", "json"];
    let without = w.cs(args).expect(14).json();
    assert_eq!((&without["shown"], &without["statements"][0]["shown"]), (&"not-proved".into(), &"not-proved".into()));
    w.now = Some("2026-07-01T00:00:00Z".into());
    let end = w.cs(["assess", "--record", "--format", "json"]).expect(10).json()["recorded"].as_u64().unwrap();
    w.cs(["verify"]).expect(0);
    let certificate = w.cs(args).expect(0).json();
    assert_eq!(certificate["shown"], "proved", "{certificate:#}");
    assert_eq!(certificate["statements"][0]["entries"], serde_json::json!([baseline, end]));
    let operations = certificate["operations"].as_array().unwrap();
    assert_eq!((operations.len(), &operations[0]["outcome"]), (1, &Value::from("pass")));

    // Another policy in the same period, and the certificate is refused.
    let policies = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../policies");
    let copy = w.path("policies");
    copy_dir(&policies, &copy);
    let lib = copy.join("lib/reasons.rego");
    std::fs::write(&lib, std::fs::read_to_string(&lib).unwrap() + "\n# changed\n").unwrap();
    w.now = Some("2026-07-02T00:00:00Z".into());
    w.by("ruth", &["policy", "activate", copy.to_str().unwrap(), "--reason", "other"]).expect(0);
    w.now = Some("2026-08-01T00:00:00Z".into());
    w.cs(["assess", "--record"]).expect(10);
    let args = ["control", "certificate", "dual-approval", "--from", "2026-04-01", "--to", "2026-08-01"];
    let refused = w.cs(args).expect(10).out;
    assert!(refused.contains("✗ refuted"), "{refused}");
}

fn copy_dir(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let (path, name) = entry.map(|e| (e.path(), e.file_name())).unwrap();
        if path.is_dir() {
            copy_dir(&path, &to.join(name));
        } else {
            std::fs::copy(&path, to.join(name)).unwrap();
        }
    }
}

const OWN: &str = "id: two-eyes-here\ntitle: Two of us\nobjective: To be two\nowner: head-of-us\ndeputy: deputy-of-us\nrequirements: ['ccc.made:CCC.Made.CN01.TR01']\nevidence: [ApprovalSigned]\nneeds: [ledger]\nfrequency: each-deployment\nsla: 24h\ndecides:\n  over: deployments\n  rule: |\n    fail contains {\"subject\": e.id, \"text\": \"fewer than two\"} if {\n      some e in input.deployments\n      count(e.approvals) < 2\n    }\nexamples:\n  pass:\n    - deployments: [{approvals: [{person: per-a}, {person: per-b}]}]\n  fail:\n    - deployments: [{approvals: [{person: per-a}]}]\n";

#[test]
fn a_project_imports_a_framework_and_adds_a_control() {
    if !have_ssh_keygen() {
        return;
    }
    let mut w = released();
    w.now = Some("2026-03-11T00:00:00Z".into());
    // Made up, in the shape in which FINOS publishes.
    let published = "control-families:\n  - title: A\n    controls:\n      - id: CCC.Made.CN01\n        title: Two\n        assessment-requirements:\n          - id: CCC.Made.CN01.TR01\n            text: Two approve\n            applicability: [tlp-red]\n        guideline-mappings:\n          - reference-id: NIST_800_53\n            entries: [{reference-id: AC-3, strength: 0}]\n";
    std::fs::write(w.path("controls.yaml"), published).unwrap();
    let file = w.path("controls.yaml").display().to_string();
    w.cs(["framework", "import", &file, "--source", "https://example.test"]).expect(0);
    assert!(w.repo().join("compliance/frameworks/ccc.made.yaml").is_file());
    // What somebody may have written into it stays.
    w.cs(["framework", "import", &file]).expect(2);
    w.cs(["framework", "import", &file, "--force"]).expect(0);
    let none = w.cs(["assess", "--framework", "ccc.made", "--format", "json"]).expect(14).json();
    assert_eq!(at(&none["frameworks"][0]["requirements"], "CCC.Made.CN01.TR01")["outcome"], "not-evaluated");
    assert_eq!(none["frameworks"][0]["licence"], "Community Specification License 1.0");

    w.write("compliance/controls/two-eyes-here.yaml", OWN);
    w.cs(["control", "test", "two-eyes-here"]).expect(0);
    let met = w.cs(["assess", "--framework", "ccc.made", "--format", "json"]).expect(11).json();
    // It is partial, so people attest the rest.
    assert_eq!(at(&met["frameworks"][0]["requirements"], "CCC.Made.CN01.TR01")["outcome"], "pending");
    assert_eq!((&met["controls"][0]["added"], &met["controls"][0]["outcome"]), (&true.into(), &"pass".into()));

    // An example that does not come out, an unknown requirement, and a shipped control's name.
    w.write("compliance/controls/two-eyes-here.yaml", &OWN.replace("count(e.approvals) < 2", "count(e.approvals) < 1"));
    let tried = w.cs(["control", "test", "two-eyes-here"]).expect(10);
    assert!(tried.out.contains("example 1 under `fail` comes out as pass"), "{}", tried.out);
    w.write("compliance/controls/two-eyes-here.yaml", &OWN.replace("CN01.TR01", "CN01.TR02"));
    let unknown = w.cs(["control", "list"]).expect(2).err;
    assert!(
        unknown.contains("two-eyes-here.yaml:6") && unknown.contains("did you mean `CCC.Made.CN01.TR01`"),
        "{unknown}"
    );
    std::fs::remove_file(w.repo().join("compliance/controls/two-eyes-here.yaml")).unwrap();
    w.write("compliance/controls/dual-approval.yaml", &OWN.replace("two-eyes-here", "dual-approval"));
    assert!(w.cs(["assess"]).expect(2).err.contains("already"));
}

#[test]
fn what_people_register_and_let_stand_is_judged_as_that() {
    if !have_ssh_keygen() {
        return;
    }
    let mut w = World::new();
    w.now = Some(format!("{DAY}T08:00:00Z"));
    w.firm();
    w.cs(["assess", "--record"]).expect(10);
    let shop = ["application", "register", "shop", "--owner", "mia", "--deputy", "dan", "--criticality", "critical"];
    w.by("ada", &[shop.as_slice(), &["--data", "personal", "--repository", "git:host/shop"]].concat()).expect(0);
    w.by("ada", &["environment", "register", "production", "--tier", "production"]).expect(0);
    w.now = Some(format!("{DAY}T09:00:00Z"));
    w.commit_signed("mia", "app.py", &format!("export AWS_ACCESS_KEY_ID={}\n", planted_secret()));
    w.cs(["run"]).expect(10);
    let request = ["waive", "request", "--control", "secrets-out-of-source", "--this-repository"];
    let request = [request.as_slice(), &["--accept", "the key is revoked", "--format", "json"]].concat();
    let id = w.by("mia", &request).expect(0).json()["waiver"].as_str().unwrap().to_owned();
    w.by("ruth", &["waive", "grant", &id, "--reason", "for a night"]).expect(0);
    w.cs(["run"]).expect(11);
    deploy(&w, "grant.json");
    w.now = Some("2026-03-11T00:00:00Z".into());
    let facts = w.path("facts.json").display().to_string();
    let assessed = w.cs(["assess", "--record", "--facts", &facts, "--format", "json"]).expect(10).json();
    let control = |id: &str| at(&assessed["controls"], id).clone();
    let secrets = control("secrets-out-of-source");
    assert_eq!((&secrets["outcome"], secrets["failing"].as_array().unwrap().len()), (&"waived".into(), 1), "{secrets}");
    for (id, wanted) in [
        ("waivers-are-sound", "pass"),
        ("applications-registered", "pass"),
        // A decision that a waiver had a say in comes out the same again.
        ("decisions-repeat", "pass"),
        ("processing-recorded", "not-evaluated"),
        ("environments-separated", "not-evaluated"),
        ("gate-owners-named", "not-evaluated"),
    ] {
        assert_eq!(control(id)["outcome"], wanted, "{id}: {}", control(id)["why"]);
    }
    assert_eq!(control("environments-separated")["missing"], serde_json::json!(["environment-inventory"]));
    let folded: Value = serde_json::from_str(&std::fs::read_to_string(&facts).unwrap()).unwrap();
    assert_eq!(folded["waivers"][0]["category"], "waived");
    assert_eq!(folded["environments"][0]["production"], true);
    assert_eq!(folded["deployments"][0]["lifted"][0]["standing"], "waived");

    // Levels that came into effect within the period are a change of what decides.
    w.now = Some("2026-03-11T06:00:00Z".into());
    std::fs::write(w.path("enforcement.yaml"), "version: 1\ndefault: hard\nrules: []\n").unwrap();
    w.by("ruth", &["enforcement", "activate", w.path("enforcement.yaml").to_str().unwrap()]).expect(0);
    w.now = Some("2026-03-12T00:00:00Z".into());
    let certificate = ["control", "certificate", "dual-approval", "--from", "2026-03-11", "--format", "json"];
    let certificate = w.cs(certificate).expect(10).json();
    let levels = &certificate["statements"].as_array().unwrap()[2];
    assert!(levels["what"].as_str().unwrap().contains("enforced"), "{levels}");
    assert_eq!(levels["shown"], "refuted", "{levels}");
    // What was registered anew after the window has lost its earlier state: an error, and no pass.
    w.by("ada", &["application", "change", "shop", "--deputy", "ruth"]).expect(0);
    let before = w.cs(["assess", "--to", "2026-03-11", "--format", "json"]).expect(10).json();
    assert_eq!(at(&before["controls"], "applications-registered")["outcome"], "error");
    assert_eq!(before["unreadable"][0]["collection"], "applications");
}

#[test]
fn gates_are_judged_by_who_took_them_on() {
    if !have_ssh_keygen() {
        return;
    }
    let w = World::with_commit();
    w.firm();
    let gate = |name: &str, deputy: &str| {
        format!("  - gate: {name}\n    owner: ruth\n{deputy}    respond_within: 4h\n    fallback: on paper\n")
    };
    let deputy = "    deputy: dan\n";
    let owners =
        format!("version: 1\ngates:\n{}{}{}", gate("release", deputy), gate("build", deputy), gate("pre-commit", ""));
    std::fs::write(w.path("gates.yaml"), owners).unwrap();
    w.by("ruth", &["gate", "activate", w.path("gates.yaml").to_str().unwrap()]).expect(0);
    w.by("ruth", &["gate", "acknowledge", "build"]).expect(0);
    w.by("ruth", &["gate", "acknowledge", "pre-commit"]).expect(0);
    w.by("dan", &["gate", "review", "build", "--finding", "as it was"]).expect(0);
    let assessed = w.cs(["assess", "--format", "json"]).expect(10).json();
    let broken = |id: &str| -> Vec<String> {
        let failing = at(&assessed["controls"], id)["failing"].as_array().unwrap();
        failing.iter().map(|f| f["subject"].as_str().unwrap().to_owned()).collect()
    };
    // Nobody took `release` on, and `pre-commit` has no deputy.
    assert_eq!(broken("gate-owners-named"), ["pre-commit", "release"]);
    assert_eq!(broken("gates-reviewed"), ["pre-commit", "release"]);
    let d8 = at(&assessed["maturity"]["dimensions"], "D8");
    assert_eq!(d8["level"], 2, "{d8}");
}

#[test]
fn bad_questions_are_answered_with_what_to_type() {
    if !have_ssh_keygen() {
        return;
    }
    let w = World::new();
    w.firm();
    for (args, code, says) in [
        (&["assess", "--framework", "sax"][..], 2, "sox"),
        (&["assess", "--from", "2026-02-01", "--to", "2026-01-01"], 2, "ends before it begins"),
        (&["assess", "--from", "yesterday"], 2, "2026-01-01"),
        (&["control", "show", "dual-aproval"], 2, "did you mean `dual-approval`"),
        (&["framework", "show", "nope"], 2, "gdpr"),
        (&["framework", "import", "nowhere.yaml"], 2, "nowhere.yaml"),
    ] {
        let ran = w.cs(args).expect(code);
        assert!(ran.err.contains(says), "{args:?}: {}", ran.err);
    }
    w.write("countersign.toml", "[catalogue]\ndir = 'nowhere'\n");
    assert!(w.cs(["control", "list"]).expect(2).err.contains("nowhere"));
}
