//! What the binary prints for programs, held against the schemas that are checked in.

use jsonschema::Validator;
use serde_json::Value;

use super::{Desk, have, page};

fn schema(name: &str) -> Validator {
    let schema: Value = serde_json::from_str(&page(&format!("schemas/{name}.json"))).unwrap();
    closed(&schema, name);
    jsonschema::options()
        .with_draft(jsonschema::Draft::Draft202012)
        .should_validate_formats(true)
        .build(&schema)
        .unwrap()
}

/// Every object of the schema names all its fields: one that it does not name is an error.
fn closed(schema: &Value, place: &str) {
    match schema {
        Value::Object(fields) => {
            if fields.contains_key("properties") && fields.get("type").is_some() {
                assert_eq!(fields.get("additionalProperties"), Some(&Value::Bool(false)), "{place}");
            }
            fields.iter().for_each(|(key, value)| closed(value, &format!("{place}/{key}")));
        }
        Value::Array(items) => items.iter().for_each(|item| closed(item, place)),
        _ => {}
    }
}

#[track_caller]
fn fits(validator: &Validator, text: &str) -> Value {
    let value: Value = serde_json::from_str(text).unwrap_or_else(|e| panic!("{e}: {text}"));
    let errors: Vec<String> = validator.iter_errors(&value).map(|e| format!("{}: {e}", e.instance_path())).collect();
    assert!(errors.is_empty(), "{errors:#?}\n{text}");
    let mut more = value.clone();
    more["further"] = Value::Null;
    assert!(!validator.is_valid(&more), "a field that the schema does not name is accepted");
    value
}

/// Made up, and put together here, so that this file holds none.
fn token() -> String {
    ["gh", "p_", "ygmO7X688kSLuTTzWJuPjeTw2pwYtb3Za5SA"].concat()
}

fn repository(desk: &Desk) -> String {
    let dir = desk.path("app");
    std::fs::create_dir(&dir).unwrap();
    let app = dir.to_str().unwrap().to_owned();
    desk.run("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-f", "key"]);
    desk.run("git", &["init", "-q", "-b", "main", &app]);
    let token = token();
    let files = [
        ("open.py", format!("token = '{token}'\n")),
        ("marked.py", format!("token = '{token}'  # countersign:allow secrets/github-pat reason: made up\n")),
        ("mark.py", format!("x = 1  # {} secrets/github-pat\n", "countersign:".to_owned() + "allow")),
        ("fixtures/a.py", format!("token = '{token}'\n")),
        (
            "countersign.toml",
            "[[scan.declare]]\npath = 'fixtures/**'\nrule = '*'\nreason = 'made up'\n\n\
             [[scan.declare]]\npath = 'gone/**'\nrule = '*'\nreason = 'nothing left'\n"
                .to_owned(),
        ),
    ];
    std::fs::create_dir(dir.join("fixtures")).unwrap();
    for (name, text) in files {
        std::fs::write(dir.join(name), text).unwrap();
    }
    desk.run("git", &["-C", &app, "add", "."]);
    // A submodule whose commit is not here is a gap.
    let entry = format!("160000,{},vendor", "1".repeat(40));
    desk.run("git", &["-C", &app, "update-index", "--add", "--cacheinfo", &entry]);
    desk.run(
        "git",
        &["-C", &app, "-c", "user.name=Mia", "-c", "user.email=mia@example.test", "commit", "-q", "-m", "one"],
    );
    app
}

#[test]
fn documents_for_programs_fit_their_schemas() {
    if !have(&["git", "ssh-keygen"]) {
        return;
    }
    let (run, scan, info, verify) =
        (schema("run.v1"), schema("scan.v1"), schema("ledger-info.v1"), schema("verify.v1"));
    let desk = Desk::new();
    let app = repository(&desk);

    let (rebuild, check) = (schema("ledger-rebuild.v1"), schema("ledger-check.v1"));
    let (code, text, _) = desk.countersign(&["--repo", &app, "run", "--format", "json"]);
    assert_eq!(code, 10);
    let first = fits(&run, &text);
    assert_eq!(first["run"]["attempt"], 1);
    assert_eq!(first["decision"]["outcome"], "fail");

    let (code, text, _) = desk.countersign(&["--repo", &app, "ledger", "rebuild", "--format", "json"]);
    assert_eq!(code, 0);
    assert_eq!(fits(&rebuild, &text)["not_believed"], 0);
    let (code, text, _) = desk.countersign(&["--repo", &app, "ledger", "rebuild", "--check", "--format", "json"]);
    assert_eq!(code, 0);
    assert_eq!(fits(&check, &text)["equal"], true);
    assert_eq!(first["scan"]["gaps"].as_array().unwrap().len(), 1);
    let states: Vec<&str> = first["findings"].as_array().unwrap().iter().filter_map(|f| f["state"].as_str()).collect();
    assert!(states.contains(&"open") && states.contains(&"suppression-requested"), "{states:?}");
    assert!(!text.contains(&token()), "the value of a secret is printed");

    desk.said(&["--repo", &app, "init", "--yes", "--name", "Ada", "--ssh-key", "key.pub", "--key", "key"]);
    let (code, text, _) =
        desk.countersign(&["--repo", &app, "run", "--ticket", "CHG-1", "--reason", "why", "--format", "json"]);
    assert_eq!(code, 10);
    let second = fits(&run, &text);
    assert_eq!((&second["run"]["id"], &second["run"]["attempt"]), (&first["run"]["id"], &Value::from(2)));

    let (code, text, _) = desk.countersign(&["scan", &app, "--write-baseline", "baseline.json", "--format", "json"]);
    assert_eq!(code, 10);
    let scanned = fits(&scan, &text);
    assert_eq!(scanned["unused_declarations"].as_array().unwrap().len(), 1);
    std::fs::write(desk.path("app/open.py"), "").unwrap();
    let (_, text, _) = desk.countersign(&["scan", &app, "--baseline", "baseline.json", "--format", "json"]);
    assert!(!fits(&scan, &text)["stale_baseline"].as_array().unwrap().is_empty());

    let found = fits(&schema("findings.v1"), &desk.said(&["--repo", &app, "findings", "--format", "json"]));
    assert!(!found["findings"].as_array().unwrap().is_empty());

    let told = fits(&info, &desk.said(&["--repo", &app, "ledger", "info", "--format", "json"]));
    assert!(std::path::Path::new(told["tiles"].as_str().unwrap()).join("checkpoint").is_file());

    let (assess, certificate) = (schema("assess.v1"), schema("certificate.v1"));
    let (code, text, _) = desk.countersign(&["--repo", &app, "assess", "--record", "--format", "json"]);
    let assessed = fits(&assess, &text);
    assert_eq!((code, &assessed["outcome"]), (10, &Value::from("fail")));
    assert!(assessed["recorded"].is_u64() && !text.contains("Ada"), "a name is printed");
    let args = ["--repo", &app, "control", "certificate", "safeguards-run", "--format", "json"];
    let (code, text, _) = desk.countersign(&args);
    assert_eq!((code, &fits(&certificate, &text)["shown"]), (14, &Value::from("not-proved")));

    let told = fits(&info, &desk.said(&["--repo", &app, "ledger", "info", "--format", "json"]));
    let good = fits(&verify, &desk.said(&["verify", &app, "--format", "json"]));
    assert_eq!((&good["verdict"], &good["root"]), (&Value::from("verified"), &told["root"]));
    std::fs::rename(desk.path("data"), desk.path("elsewhere")).unwrap();
    let (code, text, _) = desk.countersign(&["verify", &app, "--format", "json"]);
    assert_eq!((code, &fits(&verify, &text)["verdict"]), (13, &Value::from("untrusted")));
    std::fs::rename(desk.path("elsewhere"), desk.path("data")).unwrap();
    std::fs::write(desk.path("app/.countersign/stray"), "").unwrap();
    let (code, text, _) = desk.countersign(&["verify", &app, "--format", "json"]);
    let bad = fits(&verify, &text);
    assert_eq!(
        (code, &bad["verdict"], &bad["problems"][0]["file"]),
        (13, &Value::from("failed"), &Value::from("stray"))
    );
}

#[test]
fn what_is_enforced_and_waived_fits_its_schemas() {
    if !have(&["git", "ssh-keygen"]) {
        return;
    }
    let (run, waivers, levels, lint) =
        (schema("run.v1"), schema("waivers.v1"), schema("enforcement.v1"), schema("runbook-lint.v1"));
    let desk = Desk::new();
    let app = repository(&desk);
    let at = |args: &[&str]| [&["--repo", &app], args].concat().into_iter().map(str::to_owned).collect::<Vec<_>>();
    let said = |args: &[&str]| desk.said(&at(args).iter().map(String::as_str).collect::<Vec<_>>());
    said(&["init", "--yes", "--name", "Ada", "--ssh-key", "key.pub", "--key", "key"]);
    desk.run("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-f", "bea"]);
    said(&["person", "add", "Bea", "--ssh-key", "bea.pub", "--key", "key"]);
    for role in ["security-officer", "compliance-officer"] {
        said(&["role", "grant", "Bea", role, "--reason", "x", "--key", "key"]);
    }
    assert!(fits(&levels, &said(&["enforcement", "show", "--format", "json"]))["index"].is_null());
    // A review of everybody's access, which the two look at for each other.
    let opened = ["access", "review", "open", "--from", "2026-01-01", "--due", "2999-01-01", "--reason", "yearly"];
    said(&[&opened[..], &["--key", "bea"]].concat());
    said(&["access", "review", "decide", "latest", "keep", "--all-of", "Ada", "--key", "bea"]);
    let review = fits(&schema("access-review.v1"), &said(&["access", "review", "show", "--format", "json"]));
    assert!(
        review["lines"][0]["decision"]["index"].is_u64() && review["population"] == review["recomputed"],
        "{review}"
    );
    // Bea opens an audit, Cy asks in it, and Ada answers.
    desk.run("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-f", "cy"]);
    said(&["person", "add", "Cy", "--ssh-key", "cy.pub", "--key", "key"]);
    said(&["role", "grant", "Cy", "auditor", "--reason", "x", "--key", "key"]);
    said(&["audit", "open", "--name", "x", "--from", "2020-01-01", "--to", "2999-01-01", "--key", "bea"]);
    said(&["audit", "request", "aud-", "--control", "dual-approval", "--text", "who?", "--key", "cy"]);
    said(&["audit", "answer", "arq-", "--text", "she did", "--evidence", "1", "--key", "key"]);
    let asked = fits(&schema("audit-requests.v1"), &said(&["audit", "requests", "--format", "json"]));
    assert_eq!(asked["audits"][0]["requests"][0]["messages"][1]["text"], "she did");
    let times = ["--received", "2026-01-01", "--due", "2999-01-01", "--from", "2020-01-01", "--to", "2999-01-01"];
    let furnish = ["audit", "furnish", "open", "--regulator", "SEC", "--reference", "x", "--key", "bea"];
    said(&[&furnish[..], &times].concat());
    let out = desk.path("f.zip");
    said(&["audit", "furnish", "deliver", "fur-", "--recipient", "x", "--out", out.to_str().unwrap(), "--key", "bea"]);
    let listed = fits(&schema("audit-furnish.v1"), &said(&["audit", "furnish", "list", "--format", "json"]));
    assert_eq!(listed["requests"][0]["deliveries"].as_array().unwrap().len(), 1);
    let year = &asked["audits"][0]["opened_at"].as_str().unwrap()[..4];
    let month: u8 = asked["audits"][0]["opened_at"].as_str().unwrap()[5..7].parse().unwrap();
    let quarter = format!("{year}-Q{}", month.div_ceil(3));
    for last in [false, true] {
        let mock = at(&["audit", "mock", "--framework", "sox", "--quarter", &quarter, "--format", "json"]);
        let (code, text, _) = desk.countersign(&mock.iter().map(String::as_str).collect::<Vec<_>>());
        let mock = fits(&schema("audit-mock.v1"), &text);
        assert_eq!((code, mock["last"].is_object()), (14, last));
    }
    let file = "version: 1\nrules:\n  - controls: [scan-is-complete]\n    level: advisory\n    why: tried\n";
    std::fs::write(desk.path("enforcement.yaml"), file).unwrap();
    said(&["enforcement", "activate", "enforcement.yaml", "--key", "bea"]);
    let shown = fits(&levels, &said(&["enforcement", "show", "--format", "json"]));
    assert!(shown["index"].is_u64() && shown["levels"].to_string().contains("\"advisory\""));
    let request =
        ["waive", "request", "--control", "secrets-out-of-source", "--path", "open.py", "--accept", "made up"];
    let asked: Value =
        serde_json::from_str(&said(&[&request[..], &["--key", "key", "--format", "json"]].concat())).unwrap();
    fits(&waivers, &said(&["waive", "list", "--format", "json"]));
    said(&["waive", "grant", asked["waiver"].as_str().unwrap(), "--reason", "seen", "--key", "bea"]);
    let (_, text, _) = desk.countersign(&["--repo", &app, "run", "--format", "json"]);
    let judged = fits(&run, &text).to_string();
    assert!(judged.contains("\"advised\"") && judged.contains("\"waived\""), "{judged}");
    let listed = fits(&waivers, &said(&["waive", "list", "--format", "json"]));
    assert_eq!(listed["waivers"][0]["covers"]["findings"], 1);
    let (_, text, _) = desk.countersign(&["--repo", &app, "gate", "explain", "--format", "json"]);
    let explained = fits(&schema("gate-explain.v1"), &text);
    assert!(explained["gates"][2]["unfillable"]["missing"].is_u64(), "{explained}");
    let rules =
        "version: 1\nrules: [{why: x, tiers: [production], slots: [{slot: technical, roles: [engineer], count: 2}]}]\n";
    std::fs::write(desk.path("approvals.yaml"), rules).unwrap();
    let (_, text, _) = desk.countersign(&["--repo", &app, "approvals", "check", "approvals.yaml", "--format", "json"]);
    assert_ne!(fits(&schema("approval-rules.v1"), &text)["unfillable"][0]["missing"], 0);
    let (code, text, _) = desk.countersign(&["--repo", &app, "runbook", "lint", "--format", "json"]);
    assert_eq!((code, fits(&lint, &text)["findings"].as_array().unwrap().len()), (10, 3));
}
