//! Registry, enforcement and waivers, through the real binary.

use std::process::Stdio;

use crate::support::{Ran, World, have_ssh_keygen, planted_secret};

/// Levels under which a secret in a test environment of something little is advisory, and soft elsewhere.
const LEVELS: &str = "\
version: 1
rules:
  - controls: [secrets-out-of-source]
    tiers: [test]
    criticality: [low]
    level: advisory
    why: there are no secrets of clients in it
  - controls: [secrets-out-of-source]
    tiers: [production]
    criticality: [low]
    level: soft
    override: release-manager
    why: a revoked key may stand for a night
";

/// A firm with a commit that holds a secret.
fn with_secret() -> World {
    let w = World::new();
    w.firm();
    w.commit_signed("mia", "app.py", &format!("export AWS_ACCESS_KEY_ID={}\n", planted_secret()));
    w
}

/// Registers this repository as an application that little depends on, and `qa` as a test environment.
fn register(w: &World) {
    let shop = ["application", "register", "shop", "--owner", "mia", "--deputy", "dan", "--criticality", "low"];
    w.by("ada", &[shop.as_slice(), &["--data", "personal,internal", "--this-repository"]].concat()).expect(0);
    w.by("ada", &["environment", "register", "qa", "--tier", "test"]).expect(0);
    w.by("ada", &["environment", "register", "production", "--tier", "production"]).expect(0);
}

fn levels(w: &World, text: &str) {
    std::fs::write(w.path("enforcement.yaml"), text).unwrap();
    w.by("ruth", &["enforcement", "activate", w.path("enforcement.yaml").to_str().unwrap()]).expect(0);
}

fn gate<'j>(run: &'j serde_json::Value, name: &str) -> &'j serde_json::Value {
    run["gates"].as_array().unwrap().iter().find(|g| g["name"] == name).unwrap()
}

fn joined(a: &[&'static str], b: &[&'static str]) -> Vec<&'static str> {
    [a, b].concat()
}

fn outcome(w: &World, args: &[&str], exit: i32) -> serde_json::Value {
    let args = ["run", "--format", "json"].iter().chain(args);
    w.cs(args).expect(exit).json()
}

#[track_caller]
fn code(ran: &Ran, code: &str) {
    assert!(ran.err.starts_with(&format!("error[{code}]")), "{}", ran.err);
}

#[test]
fn applications_are_registered_and_nobody_who_releases_makes_one_weaker() {
    if !have_ssh_keygen() {
        return;
    }
    let w = World::with_commit();
    w.firm();
    let shop =
        ["application", "register", "shop", "--owner", "mia", "--data", "personal", "--repository", "git:h/shop"];
    let with = |criticality: &'static str| joined(&shop, &["--criticality", criticality]);
    code(&w.by("omar", &with("low")).expect(4), "CS-REGISTRY-005");
    code(&w.by("dan", &with("critical")).expect(4), "CS-ACCESS-011");
    w.by("omar", &with("critical")).expect(0);
    code(&w.by("omar", &with("critical")).expect(2), "CS-REGISTRY-003");
    let change = |args: &[&'static str]| joined(&["application", "change", "shop"], args);
    code(&w.by("omar", &change(&["--criticality", "high"])).expect(4), "CS-REGISTRY-005");
    code(&w.by("omar", &change(&["--data", "internal"])).expect(4), "CS-REGISTRY-005");
    w.by("ada", &change(&["--criticality", "high"])).expect(0);
    w.by("omar", &change(&["--sox-key-system", "yes", "--deputy", "dan"])).expect(0);
    let again = w.by("omar", &change(&["--sox-key-system", "yes"])).expect(0);
    assert!(again.out.contains("nothing about it is new"), "{}", again.out);
    let j = w.cs(["application", "show", "shop", "--format", "json"]).expect(0).json();
    assert_eq!((&j["what"]["criticality"], &j["what"]["sox_key_system"]), (&"high".into(), &true.into()));
    assert!(j["what"]["owner"].as_str().unwrap().starts_with("per-"), "people are ids: {j}");

    let bank = ["application", "register", "bank", "--criticality", "critical"];
    let with = |args: &[&'static str]| joined(&bank, args);
    code(
        &w.by("ada", &with(&["--owner", "mia", "--data", "public", "--repository", "git:h/shop"])).expect(2),
        "CS-REGISTRY-004",
    );
    code(&w.by("ada", &with(&["--owner", "nobody", "--data", "public"])).expect(2), "CS-ACCESS-009");
    code(&w.by("ada", &with(&["--owner", "mia", "--data", "cardholder"])).expect(2), "CS-REGISTRY-001");
    code(&w.by("ada", &with(&["--owner", "mia", "--deputy", "mia", "--data", "public"])).expect(2), "CS-REGISTRY-001");
    code(&w.by("ada", &["application", "retire", "bank", "--reason", "sold"]).expect(2), "CS-REGISTRY-002");
    code(&w.by("omar", &change(&["--without-repository", "git:h/shop"])).expect(4), "CS-REGISTRY-005");
    code(&w.by("omar", &["application", "retire", "shop", "--reason", "sold"]).expect(4), "CS-ACCESS-011");
    w.by("ada", &["application", "retire", "shop", "--reason", "sold"]).expect(0);
    assert!(w.cs(["application", "list"]).expect(0).out.contains("retired"));

    code(&w.by("omar", &["environment", "register", "qa", "--tier", "test"]).expect(4), "CS-REGISTRY-005");
    w.by("omar", &["environment", "register", "live", "--tier", "production"]).expect(0);
    code(&w.by("omar", &["environment", "change", "live", "--tier", "test"]).expect(4), "CS-REGISTRY-005");
    code(&w.by("omar", &["environment", "retire", "live", "--reason", "moved"]).expect(4), "CS-ACCESS-011");
    w.by("ada", &["environment", "change", "live", "--tier", "pre-production"]).expect(0);
    w.by("ada", &["environment", "retire", "live", "--reason", "moved"]).expect(0);
    assert!(w.cs(["environment", "list"]).expect(0).out.contains("retired"));
    w.cs(["verify"]).expect(0);
}

#[test]
fn what_is_registered_elsewhere_changes_no_decision_here() {
    if !have_ssh_keygen() {
        return;
    }
    let w = World::approved();
    let other = ["application", "register", "bank", "--owner", "mia", "--criticality", "low", "--data", "public"];
    w.by("ada", &[other.as_slice(), &["--repository", "git:h/bank"]].concat()).expect(0);
    w.by("ada", &["environment", "register", "qa", "--tier", "test"]).expect(0);
    assert_eq!(outcome(&w, &[], 0)["decision"]["reused"], true);
    register_here(&w);
    let j = outcome(&w, &[], 11);
    assert_eq!(j["decision"]["reused"], false, "new facts are a new decision");
    for which in ["latest", j["decision"]["id"].as_str().unwrap()] {
        w.cs(["replay", which]).expect(0);
    }
}

fn register_here(w: &World) {
    let here = ["application", "register", "shop", "--owner", "mia", "--criticality", "critical", "--data", "public"];
    w.by("omar", &[here.as_slice(), &["--this-repository"]].concat()).expect(0);
}

#[test]
fn a_wrong_enforcement_file_is_named_with_its_line_and_puts_nothing_in_effect() {
    if !have_ssh_keygen() {
        return;
    }
    let w = World::with_commit();
    w.firm();
    let file = w.path("enforcement.yaml");
    let check = |text: &str, verb: &str| {
        std::fs::write(&file, text).unwrap();
        w.by("ruth", &["enforcement", verb, file.to_str().unwrap()])
    };
    for (from, to, line) in [
        ("[secrets-out-of-source]\n    tiers: [production]", "[secrets-out-of-sauce]\n    tiers: [production]", 8),
        ("level: soft", "level: sofd", 11),
        ("criticality: [low]\n    level: adv", "critical: [low]\n    level: adv", 5),
    ] {
        let ran = check(&LEVELS.replace(from, to), "activate").expect(2);
        code(&ran, "CS-ENFORCE-001");
        assert!(ran.err.contains(&format!("enforcement.yaml:{line}")), "{}", ran.err);
    }
    assert!(w.cs(["enforcement", "show"]).expect(0).out.contains("every control is hard"));
    std::fs::write(&file, LEVELS).unwrap();
    let name = file.to_str().unwrap();
    let checked = w.cs(["enforcement", "check", name]).expect(0);
    assert!(checked.out.contains("secrets-out-of-source") && checked.out.contains("low advisory"), "{}", checked.out);
    assert!(w.cs(["enforcement", "diff", name]).expect(0).out.contains("hard → advisory"));
    code(&w.by("omar", &["enforcement", "activate", name]).expect(4), "CS-ACCESS-011");
    w.by("ruth", &["enforcement", "activate", name]).expect(0);
    assert!(w.cs(["enforcement", "diff", name]).expect(0).out.contains("0 levels change"));
    assert!(w.by("ruth", &["enforcement", "activate", name]).expect(0).out.contains("already"));
}

#[test]
fn tier_and_criticality_decide_what_blocks_and_every_decision_is_replayed() {
    if !have_ssh_keygen() {
        return;
    }
    let w = with_secret();
    let before = outcome(&w, &["--env", "qa"], 10);
    levels(&w, LEVELS);
    assert_eq!(gate(&outcome(&w, &["--env", "qa"], 10), "build")["outcome"], "fail", "not registered: the strictest");
    register(&w);
    let j = outcome(&w, &["--env", "qa"], 11);
    let build = gate(&j, "build");
    assert_eq!(build["outcome"], "pass");
    let denial = build["details"].as_array().unwrap().iter().find(|d| d["effect"] == "deny").unwrap();
    assert_eq!((&denial["level"], &denial["standing"]), (&"advisory".into(), &"advised".into()), "it stays visible");
    let text = w.cs(["run", "--env", "qa"]).expect(11).out;
    assert!(text.contains("finding [advised]:"), "{text}");
    assert_eq!(gate(&outcome(&w, &["--env", "production"], 10), "build")["outcome"], "fail");
    // What was decided before there were levels comes out again as well.
    for id in [&before, &j].map(|j| j["decision"]["id"].as_str().unwrap().to_owned()) {
        let replay = w.cs(["replay", &id, "--format", "json"]).expect(0).json();
        assert_eq!(replay["result"], "identical");
    }
    w.cs(["verify"]).expect(0);
}

#[test]
fn what_is_soft_is_let_pass_by_the_role_that_is_named_and_by_nobody_else() {
    if !have_ssh_keygen() {
        return;
    }
    let w = with_secret();
    let over = |who: &str| w.by(who, &["enforcement", "override", "latest", "--reason", "the key is revoked already"]);
    outcome(&w, &[], 10);
    code(&over("omar").expect(2), "CS-RELEASE-020");
    register(&w);
    levels(&w, LEVELS);
    let text = w.cs(["run"]).expect(10).out;
    assert!(text.contains("finding [soft]:"), "{text}");
    code(&over("ruth").expect(4), "CS-RELEASE-003");
    code(&over("mia").expect(4), "CS-RELEASE-012");
    let done = over("omar").expect(0);
    assert!(done.out.contains("build  finding"), "{}", done.out);
    let j = outcome(&w, &[], 11);
    assert_eq!(gate(&j, "build")["outcome"], "waived");
    assert_eq!(gate(&j, "release")["outcome"], "pending", "two people approve all the same");
    code(&over("omar").expect(2), "CS-RELEASE-020");
    w.by("dan", &["approve", "latest", "--as", "technical"]).expect(0);
    w.by("ruth", &["approve", "latest", "--as", "regulatory"]).expect(0);
    outcome(&w, &[], 0);
    assert_eq!(w.cs(["replay", "latest", "--format", "json"]).expect(0).json()["result"], "identical");
    // Another secret was not overridden.
    w.commit_signed(
        "mia",
        "more.py",
        &format!("export AWS_ACCESS_KEY_ID={}\n", planted_secret().replace("Z7Q4", "Q4Z7")),
    );
    assert_eq!(gate(&outcome(&w, &[], 10), "build")["outcome"], "fail");
    // What the assignment makes hard is not overridden any more.
    levels(&w, "version: 1\n");
    w.git(["reset", "-q", "--hard", "HEAD~1"]);
    assert_eq!(gate(&outcome(&w, &[], 10), "build")["outcome"], "fail");
    w.cs(["verify"]).expect(0);
}

#[test]
fn a_repository_tightens_and_is_told_the_line_where_it_loosens() {
    if !have_ssh_keygen() {
        return;
    }
    let w = with_secret();
    register(&w);
    levels(&w, LEVELS);
    outcome(&w, &["--env", "qa"], 11);
    let config = |level: &str, control: &str| {
        format!(
            "version = 1\n\n[[enforcement.tighten]]\ncontrol = \"{control}\"\nlevel = \"{level}\"\ntiers = [\"test\"]\n"
        )
    };
    w.commit_signed("mia", "countersign.toml", &config("hard", "secrets-out-of-source"));
    let j = outcome(&w, &["--env", "qa"], 10);
    assert_eq!(gate(&j, "build")["outcome"], "fail");
    for (level, control, line) in [("audit", "secrets-out-of-source", 5), ("hard", "secrets-out-of-sauce", 4)] {
        w.write("countersign.toml", &config(level, control));
        let ran = w.cs(["run", "--env", "qa"]).expect(2);
        code(&ran, "CS-CLI-001");
        assert!(ran.err.contains(&format!("countersign.toml:{line}")), "{}", ran.err);
    }
    w.git(["checkout", "-q", "countersign.toml"]);
    w.cs(["replay", "latest"]).expect(0);
}

/// Asks for a waiver of the secret, and gives back its id.
fn asked(w: &World, who: &str, args: &[&str]) -> String {
    let request = ["waive", "request", "--control", "secrets-out-of-source", "--accept", "the key is revoked"];
    let args = [request.as_slice(), args, &["--format", "json"]].concat();
    w.by(who, &args).expect(0).json()["waiver"].as_str().unwrap().to_owned()
}

#[test]
fn a_waiver_takes_two_people_of_whom_one_holds_the_role_of_its_category() {
    if !have_ssh_keygen() {
        return;
    }
    let w = with_secret();
    let j = outcome(&w, &[], 10);
    let id = asked(&w, "ruth", &["--path", "*.py"]);
    let grant = |who: &str, id: &str| w.by(who, &["waive", "grant", id, "--reason", "for a night"]);
    code(&grant("ruth", &id).expect(4), "CS-WAIVER-006");
    code(&grant("omar", &id).expect(4), "CS-ACCESS-011");
    assert_eq!(outcome(&w, &[], 10)["decision"]["id"], j["decision"]["id"], "asked for is not granted");
    grant("dan", &id).expect(0);
    code(&grant("dan", &id).expect(4), "CS-WAIVER-005");
    let j = outcome(&w, &[], 11);
    assert_eq!(gate(&j, "build")["outcome"], "waived");
    let lifted = gate(&j, "build")["details"].as_array().unwrap().iter().find(|d| d["standing"] == "waived").unwrap();
    assert_eq!(lifted["by"], id.as_str());
    assert_eq!(w.cs(["replay", "latest", "--format", "json"]).expect(0).json()["result"], "identical");
    let listed = w.cs(["waive", "list", "--format", "json"]).expect(0).json();
    assert_eq!(listed["waivers"][0]["state"], "active");
    assert_eq!(listed["waivers"][0]["covers"]["findings"], 1);

    // Another control meets the objective: that is a security officer's to say.
    let mitigated = ["--path", "*.py", "--category", "mitigated", "--compensating", "dual-approval"];
    let id = asked(&w, "mia", &mitigated);
    code(&grant("dan", &id).expect(4), "CS-ACCESS-011");
    grant("ruth", &id).expect(0);
    w.by("mia", &["waive", "revoke", listed["waivers"][0]["waiver"].as_str().unwrap(), "--reason", "not needed"])
        .expect(4);
    w.by("ruth", &["waive", "revoke", listed["waivers"][0]["waiver"].as_str().unwrap(), "--reason", "not needed"])
        .expect(0);
    assert_eq!(gate(&outcome(&w, &[], 11), "build")["outcome"], "mitigated");

    let request = |args: &[&str]| w.by("mia", &[&["waive", "request", "--accept", "x"], args].concat());
    code(&request(&["--control", "no-such", "--path", "*"]).expect(2), "CS-WAIVER-002");
    code(&request(&["--control", "dual-approval"]).expect(2), "CS-WAIVER-003");
    code(&request(&["--control", "dual-approval", "--path", "["]).expect(2), "CS-WAIVER-001");
    code(
        &request(&["--control", "dual-approval", "--path", "*", "--category", "mitigated"]).expect(2),
        "CS-WAIVER-003",
    );
    code(&request(&["--control", "dual-approval", "--application", "none"]).expect(2), "CS-REGISTRY-002");
    request(&["--control", "dual-approval", "--path", "*", "--days", "366"]).expect(2);
    code(&w.cs(["waive", "show", "wai-none"]).expect(2), "CS-WAIVER-004");
}

#[test]
fn a_waiver_that_covers_nothing_is_told_by_run_and_by_the_list() {
    if !have_ssh_keygen() {
        return;
    }
    let w = with_secret();
    outcome(&w, &[], 10);
    let id = asked(&w, "mia", &["--path", "elsewhere/**"]);
    w.by("dan", &["waive", "grant", &id, "--reason", "for a night"]).expect(0);
    let text = w.cs(["run"]).expect(10).out;
    assert!(text.contains("waiver-unmatched") && text.contains(&id), "{text}");
    let listed = w.cs(["waive", "list"]).expect(0).out;
    assert!(listed.contains("it covers nothing any more"), "{listed}");
    // One that is about another environment is not about this run, and nothing is said of it.
    let id = asked(&w, "mia", &["--path", "**", "--environment", "qa"]);
    w.by("dan", &["waive", "grant", &id, "--reason", "for a night"]).expect(0);
    let text = w.cs(["run"]).expect(10).out;
    assert!(!text.contains(&id), "{text}");
    assert_eq!(gate(&outcome(&w, &["--env", "qa"], 11), "build")["outcome"], "waived");
}

#[test]
fn a_waiver_is_about_the_application_the_tier_and_the_finding_that_it_names() {
    if !have_ssh_keygen() {
        return;
    }
    let w = with_secret();
    register(&w);
    let run = outcome(&w, &["--env", "qa"], 10);
    let print = run["findings"].as_array().into_iter().flatten().find_map(|f| f["fingerprint"].as_str());
    let print = print.map_or_else(|| fingerprint(&w), str::to_owned);
    let short = print.trim_start_matches("sha256:").chars().take(12).collect::<String>();
    let id = asked(&w, "mia", &["--application", "shop", "--tier", "test", "--finding", &short]);
    w.by("dan", &["waive", "grant", &id, "--reason", "for a night"]).expect(0);
    let shown = w.cs(["waive", "show", &id, "--format", "json"]).expect(0).json();
    assert_eq!(shown["scope"]["fingerprint"], print.as_str());
    assert_eq!(gate(&outcome(&w, &["--env", "qa"], 11), "build")["outcome"], "waived");
    assert_eq!(gate(&outcome(&w, &["--env", "production"], 10), "build")["outcome"], "fail", "another tier");
    assert_eq!(gate(&outcome(&w, &["--env", "elsewhere"], 10), "build")["outcome"], "fail", "no tier at all");
    // What is retired is nobody's application, and the waiver is about nothing here.
    w.by("ada", &["application", "retire", "shop", "--reason", "sold"]).expect(0);
    assert_eq!(gate(&outcome(&w, &["--env", "qa"], 10), "build")["outcome"], "fail");
    let ran =
        w.by("mia", &["waive", "request", "--control", "secrets-out-of-source", "--accept", "x", "--finding", "ab"]);
    code(&ran.expect(2), "CS-CLI-015");
}

/// The fingerprint of the one finding.
fn fingerprint(w: &World) -> String {
    let found = w.cs(["scan", ".", "--format", "json"]).json();
    found["findings"][0]["fingerprint"].as_str().unwrap().to_owned()
}

#[test]
fn a_revoked_waiver_closes_even_a_grant_that_was_issued() {
    if !have_ssh_keygen() {
        return;
    }
    let w = with_secret();
    outcome(&w, &[], 10);
    let id = asked(&w, "mia", &["--path", "app.py"]);
    w.by("dan", &["waive", "grant", &id, "--reason", "for a night"]).expect(0);
    outcome(&w, &[], 11);
    w.by("dan", &["approve", "latest", "--as", "technical"]).expect(0);
    w.by("ruth", &["approve", "latest", "--as", "regulatory"]).expect(0);
    let grant = w.by("omar", &["deploy", "latest", "--env", "production", "--format", "json"]).expect(0).json();
    w.by("ruth", &["waive", "revoke", &id, "--reason", "the key was used"]).expect(0);
    let ran = w.cs(["deploy", "--grant", grant["grant"]["id"].as_str().unwrap(), "--", "true"]);
    assert_ne!(ran.code, 0, "{}{}", ran.out, ran.err);
    assert_eq!(gate(&outcome(&w, &[], 10), "build")["outcome"], "fail");
    let listed = w.cs(["waive", "list"]).expect(0).out;
    assert!(listed.contains("revoked"), "it stays visible: {listed}");
    w.cs(["verify"]).expect(0);
}

#[test]
fn of_two_who_grant_at_once_one_does() {
    if !have_ssh_keygen() {
        return;
    }
    let w = with_secret();
    let id = asked(&w, "mia", &["--path", "app.py"]);
    let start = |who: &str| {
        let mut command = w.command(env!("CARGO_BIN_EXE_countersign"), &w.repo());
        command.args(["waive", "grant", &id, "--reason", "both", "--key"]).arg(w.path(who));
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let both = ["dan", "ruth"].map(start).map(|child| child.wait_with_output().unwrap().status.code());
    assert!(both.contains(&Some(0)) && both.contains(&Some(4)), "{both:?}");
    let shown = w.cs(["waive", "show", &id, "--format", "json"]).expect(0).json();
    assert_eq!(shown["state"], "active");
    w.cs(["verify"]).expect(0);
}

#[cfg(debug_assertions)]
#[test]
fn an_expired_waiver_opens_what_it_covered_again_and_no_clock_brings_it_back() {
    if !have_ssh_keygen() {
        return;
    }
    let mut w = World::new();
    w.now = Some("2030-01-01T00:00:00Z".into());
    w.firm();
    w.commit_signed("mia", "app.py", &format!("export AWS_ACCESS_KEY_ID={}\n", planted_secret()));
    let id = asked(&w, "mia", &["--path", "app.py", "--days", "10"]);
    w.by("dan", &["waive", "grant", &id, "--reason", "for ten days"]).expect(0);
    let j = outcome(&w, &[], 11);
    w.now = Some("2030-01-10T23:59:59Z".into());
    assert_eq!(outcome(&w, &[], 11)["decision"]["id"], j["decision"]["id"], "the decision is good until then");
    w.now = Some("2030-01-11T00:00:00Z".into());
    assert_eq!(gate(&outcome(&w, &[], 10), "build")["outcome"], "fail");
    assert!(w.cs(["waive", "list"]).expect(0).out.contains("expired"));
    // A clock that is set back cannot append, and what is over stays over for whoever only looks.
    w.now = Some("2030-01-05T00:00:00Z".into());
    w.cs(["run"]).expect(5);
    assert!(w.cs(["waive", "list"]).expect(0).out.contains("expired"));
    // What is over is asked for again, counted, and granted by somebody else.
    w.now = Some("2030-01-12T00:00:00Z".into());
    let renewed = w.by("mia", &["waive", "renew", &id, "--accept", "still revoked", "--days", "5", "--format", "json"]);
    let renewed = renewed.expect(0).json()["waiver"].as_str().unwrap().to_owned();
    code(&w.by("mia", &["waive", "grant", &renewed, "--reason", "me"]).expect(4), "CS-WAIVER-006");
    w.by("dan", &["waive", "grant", &renewed, "--reason", "once more"]).expect(0);
    assert_eq!(gate(&outcome(&w, &[], 11), "build")["outcome"], "waived");
    let shown = w.cs(["waive", "show", &renewed, "--format", "json"]).expect(0).json();
    assert_eq!((&shown["renewals"], &shown["renews"]), (&1.into(), &id.as_str().into()));
    // A grant of what is over by then is refused, and one that has not begun covers nothing.
    let late = asked(&w, "mia", &["--path", "app.py", "--from", "2030-02-01", "--days", "1"]);
    w.by("dan", &["waive", "grant", &late, "--reason", "ahead"]).expect(0);
    let never = asked(&w, "mia", &["--path", "app.py", "--days", "1"]);
    w.now = Some("2030-01-20T00:00:00Z".into());
    assert_eq!(gate(&outcome(&w, &[], 10), "build")["outcome"], "fail");
    code(&w.by("dan", &["waive", "grant", &never, "--reason", "too late"]).expect(4), "CS-WAIVER-005");
    w.now = Some("2030-02-01T12:00:00Z".into());
    assert_eq!(gate(&outcome(&w, &[], 11), "build")["outcome"], "waived");
    w.cs(["verify"]).expect(0);
}
