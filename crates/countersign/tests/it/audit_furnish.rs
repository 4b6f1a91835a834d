//! Regulators' requests and rehearsals, as an officer types them.

use std::collections::BTreeMap;
use std::path::Path;

use countersign_evidence::pack::Archive;
use countersign_model::Digest;
use serde_json::Value;

use crate::support::{Ran, World, have_ssh_keygen};

#[track_caller]
fn code(ran: &Ran, code: &str) {
    assert!(ran.err.starts_with(&format!("error[{code}]")), "{}", ran.err);
}

/// The firm, with a deployment in January 2030; it is April.
fn deployed() -> World {
    let mut w = World::new();
    w.now = Some("2030-01-05T00:00:00Z".into());
    w.firm();
    w.commit_signed("mia", "app.sh", "echo app\n");
    w.cs(["run", "--ticket", "CHG-1"]).expect(11);
    w.by("dan", &["approve", "latest", "--as", "technical"]).expect(0);
    w.by("ruth", &["approve", "latest", "--as", "regulatory"]).expect(0);
    let issued =
        w.by("omar", &["grant", "issue", "latest", "--env", "production", "--format", "json"]).expect(0).json();
    w.cs(["deploy", "--grant", issued["grant"]["id"].as_str().unwrap(), "--", "true"]).expect(0);
    w.now = Some("2030-04-02T00:00:00Z".into());
    w
}

fn members(file: &Path) -> BTreeMap<String, String> {
    let archive = Archive::open(Box::new(std::fs::read(file).unwrap())).unwrap();
    let names: Vec<String> = archive.names().map(str::to_owned).collect();
    let read = |name: String| {
        let bytes = archive.read(&name, u64::MAX).unwrap().unwrap();
        (name, String::from_utf8_lossy(&bytes).into_owned())
    };
    names.into_iter().map(read).collect()
}

#[test]
fn what_a_regulator_asks_for_is_handed_over_whole_with_an_index_and_on_record() {
    if !have_ssh_keygen() {
        return;
    }
    let mut w = deployed();
    let hold = ["hold", "place", "SEC v. Firm", "--select", "run:latest", "--reason", "preserve"];
    w.by("ruth", &hold).expect(0);
    let asks = |w: &World, by: &str, more: &[&str]| {
        let ask = ["audit", "furnish", "open", "--regulator", "SEC", "--reference", "MH-0042"];
        w.by(by, &[&ask[..], more].concat())
    };
    let period = ["--from", "2030-01-01", "--to", "2030-04-01"];
    let times = ["--received", "2030-04-01", "--due", "2030-04-04"];
    let whole = [&period[..], &times].concat();
    code(&asks(&w, "omar", &whole).expect(4), "CS-ACCESS-011");
    code(
        &asks(&w, "ruth", &[&period[..], &["--received", "2030-05-01", "--due", "2030-06-01"]].concat()).expect(2),
        "CS-AUDIT-069",
    );
    code(
        &asks(&w, "ruth", &[&period[..], &["--received", "2030-04-01", "--due", "2030-04-01"]].concat()).expect(2),
        "CS-AUDIT-069",
    );
    code(
        &asks(&w, "ruth", &[&["--from", "2020-01-01", "--to", "2020-04-01"][..], &times].concat()).expect(3),
        "CS-AUDIT-033",
    );
    code(
        &asks(&w, "ruth", &[&["--from", "2030-04-01", "--to", "2030-01-01"][..], &times].concat()).expect(2),
        "CS-AUDIT-066",
    );
    code(
        &asks(&w, "ruth", &[&["--from", "2031-01-01", "--to", "2031-04-01"][..], &times].concat()).expect(2),
        "CS-AUDIT-066",
    );
    code(&asks(&w, "ruth", &[&whole[..], &["--application", "none"]].concat()).expect(2), "CS-AUDIT-034");
    code(&asks(&w, "ruth", &[&whole[..], &["--control", "none"]].concat()).expect(2), "CS-ASSESS-002");
    code(&asks(&w, "ruth", &[&whole[..], &["--framework", "none"]].concat()).expect(2), "CS-ASSESS-001");
    code(&asks(&w, "ruth", &[&whole[..], &["--received-by", "nobody"]].concat()).expect(2), "CS-ACCESS-009");
    asks(&w, "ruth", &times).expect(2);
    let opened = asks(&w, "ruth", &[&whole[..], &["--received-by", "dan", "--format", "json"]].concat()).expect(0);
    let id = opened.json()["furnish"].as_str().unwrap().to_owned();
    let listed =
        |w: &World| w.cs(["audit", "furnish", "list", "--format", "json"]).expect(0).json()["requests"][0].clone();
    assert_eq!((&listed(&w)["late"], &listed(&w)["delivered"]), (&false.into(), &Value::Null));

    // Late, and said so; nobody hands over but a compliance officer, and nothing is made for another one.
    w.now = Some("2030-04-05T01:00:00Z".into());
    assert!(w.cs(["audit", "furnish", "list"]).expect(0).out.contains("overdue by 1d 1h"));
    let file = w.path("sec.zip");
    let out = file.to_str().unwrap();
    let deliver = ["audit", "furnish", "deliver", &id, "--out", out, "--recipient", "portal receipt 17"];
    code(&w.by("omar", &deliver).expect(4), "CS-ACCESS-011");
    assert_eq!(w.cs(["audit", "list", "--format", "json"]).expect(0).json()["packs"], serde_json::json!([]));
    code(
        &w.by("ruth", &["audit", "furnish", "deliver", "fur-none", "--out", out, "--recipient", "x"]).expect(2),
        "CS-AUDIT-075",
    );
    let done = w.by("ruth", &[&deliver[..], &["--format", "json"]].concat()).expect(0).json();
    assert_eq!((&done["late"], &done["elapsed_seconds"]), (&true.into(), &(4 * 86_400 + 3600).into()));
    let digest = Digest::of(&std::fs::read(&file).unwrap()).to_string();
    assert_eq!(done["delivery"]["pack"], digest.as_str());
    assert!(done["pack_entry"].as_u64().unwrap() < done["entry"].as_u64().unwrap());
    code(&w.by("ruth", &deliver).expect(2), "CS-AUDIT-030");
    let row = listed(&w);
    assert_eq!((&row["deliveries"][0]["pack"], &row["late"]), (&done["delivery"]["pack"], &true.into()));

    // Both forms of every record, from an index that is itself in both forms.
    let all = members(&file);
    let index = &all["index.html"];
    for text in
        ["Furnished on request", "MH-0042", "dan", "SEC v. Firm", "None of the records was disposed of", "records.html"]
    {
        assert!(index.contains(text), "{text}");
    }
    let rows: Vec<Value> = all["tables/records.jsonl"].lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(rows.len() as u64, done["delivery"]["records"].as_u64().unwrap());
    for row in &rows {
        assert!(all.contains_key(row["for_people"].as_str().unwrap()), "{row}");
        assert!(all.contains_key(row["for_programs"].as_str().unwrap()), "{row}");
    }
    let held = rows.iter().filter(|r| r["held_for"] == serde_json::json!(["SEC v. Firm"])).count() as u64;
    assert!(held > 0 && held == done["delivery"]["held"].as_u64().unwrap());
    assert!(rows.iter().any(|r| r["record"] == "DecisionMade" && r["for_people"].as_str().unwrap().starts_with("deployments/gra-")));
    assert_eq!(all["tables/records.csv"].lines().count(), rows.len() + 1);
    assert!(all["records.html"].contains("DecisionMade"));
    w.cs(["verify", out, "--re-evaluate"]).expect(0);
    w.cs(["verify"]).expect(0);
    w.cs(["ledger", "rebuild", "--check"]).expect(0);

    // One deployment alone.
    let grant = w.cs(["audit", "list", "--format", "json"]).expect(0).json()["deployments"][0]["grant"].clone();
    let more = [&times[..], &["--deployment", grant.as_str().unwrap(), "--format", "json"]].concat();
    let id = asks(&w, "ruth", &more).expect(0).json()["furnish"].as_str().unwrap().to_owned();
    let file = w.path("one.zip");
    let out = file.to_str().unwrap();
    w.by("ruth", &["audit", "furnish", "deliver", &id, "--out", out, "--recipient", "x", "--mask"]).expect(0);
    let all = members(&file);
    assert!(
        all["tables/records.csv"].contains("DeploymentRecorded")
            && !all["tables/records.csv"].contains("PersonEnrolled")
    );
    w.cs(["verify", out, "--re-evaluate"]).expect(0);
}

#[test]
fn a_rehearsal_says_what_is_there_what_is_missing_and_what_changed() {
    if !have_ssh_keygen() {
        return;
    }
    let mut w = deployed();
    let mock = |w: &World, framework: &str, quarter: &str| {
        w.cs(["audit", "mock", "--framework", framework, "--quarter", quarter, "--format", "json"])
    };
    code(&mock(&w, "sux", "2030-Q1").expect(2), "CS-ASSESS-001");
    code(&mock(&w, "sox", "2030-Q3").expect(2), "CS-AUDIT-066");
    code(&mock(&w, "sox", "2029-Q1").expect(3), "CS-AUDIT-033");
    mock(&w, "sox", "2030-Q5").expect(2);
    let before = std::fs::read_dir(w.path("data")).unwrap().count();
    let first = mock(&w, "sox", "2030-Q1").expect(14).json();
    assert_eq!(std::fs::read_dir(w.path("data")).unwrap().count(), before, "nothing is left of the pack");
    assert_eq!(
        (&first["last"], &first["running"], &first["pack"]["deployments"]),
        (&Value::Null, &false.into(), &1.into())
    );
    let counts = |v: &Value, name: &str| v["counts"][name].as_u64().unwrap();
    let sum: u64 = ["complete", "people", "missing", "not_applicable"].iter().map(|n| counts(&first, n)).sum();
    assert_eq!(sum, counts(&first, "requirements"));
    assert!(counts(&first, "missing") > 0 && counts(&first, "people") > 0, "{first}");
    let all = first["requirements"].as_array().unwrap();
    let dual =
        all.iter().flat_map(|r| r["controls"].as_array().unwrap()).find(|c| c["control"] == "dual-approval").unwrap();
    assert_eq!((&dual["operated"], &dual["exceptions"], &dual["outcome"]), (&1.into(), &0.into(), &"pass".into()));
    assert!(all.iter().any(|r| !r["people"].as_array().unwrap().is_empty()));
    // What is missing is named.
    for line in all.iter().filter(|r| r["completeness"] == "missing") {
        let silent = |c: &&Value| ["error", "not-evaluated"].contains(&c["outcome"].as_str().unwrap());
        assert!(line["controls"].as_array().unwrap().iter().any(|c| silent(&c)), "{line}");
    }
    // A quarter later nothing was deployed: what was shown is not shown any more.
    w.now = Some("2030-05-02T00:00:00Z".into());
    w.commit_signed("mia", "app.sh", "echo two\n");
    w.cs(["run"]).expect(11);
    let second = mock(&w, "sox", "2030-Q2").expect(14).json();
    assert_eq!((&second["running"], &second["last"]["entry"]), (&true.into(), &first["entry"]));
    let changes = second["last"]["changes"].as_array().unwrap();
    assert!(changes.iter().any(|c| c["after"] == "missing" && c["before"] != "missing"), "{changes:?}");
    let text = w.cs(["audit", "mock", "--framework", "sox", "--quarter", "2030-Q1"]).expect(14).out;
    for part in [
        "from automated evidence alone",
        "operated 1 of 1 times, 0 exceptions",
        "people add",
        "against entry",
        "changed",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    w.cs(["verify"]).expect(0);
    w.cs(["ledger", "rebuild", "--check"]).expect(0);
}

/// What was disposed of is not silently missing: the first page names it with its certificate.
#[test]
fn what_was_disposed_of_is_said_on_the_first_page() {
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
    w.commit_signed("mia", "more.sh", "echo more\n");
    w.cs(["run"]).expect(11);
    let order = w.path("order.json");
    let order = order.to_str().unwrap();
    w.by("dan", &["ledger", "dispose", "--out", order, "--today", "2034-06-01"]).expect(11);
    w.by("ada", &["ledger", "dispose", order, "--today", "2034-06-01"]).expect(0);
    let asked =
        ["audit", "furnish", "open", "--regulator", "FINRA", "--reference", "8210-7", "--received", "2034-05-30"];
    let scope = ["--due", "2034-07-01", "--from", "2027-01-01", "--to", "2028-01-01"];
    w.by("ruth", &[&asked[..], &scope].concat()).expect(0);
    let file = w.path("f.zip");
    let out = file.to_str().unwrap();
    let deliver = ["audit", "furnish", "deliver", "fur-", "--out", out, "--recipient", "x", "--format", "json"];
    let done = w.by("ruth", &deliver).expect(0).json();
    let disposed = done["delivery"]["disposed"].as_u64().unwrap();
    assert!(disposed > 2 && done["delivery"]["missing"] == 0, "{done}");
    let all = members(&file);
    let text = format!("{disposed} of the records were disposed of under the retention rules");
    assert!(all["index.html"].contains(&text) && all["index.html"].contains("by the certificate in entry"));
    let rows: Vec<Value> = all["tables/records.jsonl"].lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let gone: Vec<&Value> = rows.iter().filter(|r| r["status"] == "disposed").collect();
    assert_eq!(gone.len() as u64, disposed);
    assert!(gone.iter().all(|r| r["certificate"].is_u64() && r["for_programs"].is_null()));
    w.cs(["verify", out, "--re-evaluate"]).expect(0);
}
