//! The story: a trading gateway, a payments service and their infrastructure, for half a year.
//!
//! To add a scene, add a function and call it from [`play`]. Every line is a command as somebody would type it, with the exit code that
//! it must end with.

use countersign_model::{Digest, Exit};
use serde_json::json;

use super::{Stage, strayed};
use crate::errors::{CliError, Failure};

/// Somebody in it.
pub(super) struct Player {
    pub(super) name: &'static str,
    pub(super) roles: &'static [&'static str],
}

const fn player(name: &'static str, roles: &'static [&'static str]) -> Player {
    Player { name, roles }
}

/// Everybody, the first administrator first.
pub(super) const PEOPLE: [Player; 9] = [
    player("ada", &["administrator"]),
    player("grace", &["developer"]),
    player("ken", &["developer"]),
    player("dana", &["engineer"]),
    player("erik", &["engineer"]),
    player("ruth", &["compliance-officer"]),
    player("sam", &["security-officer"]),
    player("omar", &["release-manager"]),
    player("olga", &["auditor"]),
];

const REPOSITORIES: [&str; 3] = ["trading-gateway", "payments", "platform"];

/// Plays all of it.
pub(super) fn play(stage: &mut Stage) -> Result<(), Failure> {
    found(stage)?;
    for week in 1..=24 {
        stage.morning(3);
        match week {
            3 => other_tools_find(stage)?,
            4 => leaked_key(stage)?,
            9 | 18 => emergency(stage)?,
            13 | 21 => failed_deployment(stage)?,
            16 => own_approval(stage)?,
            19 => report_in_release(stage, "trading-gateway", "grace", 19, &LATER_IN_CODE)?,
            22 => simulator(stage)?,
            _ => ordinary(stage, "trading-gateway", "grace", week)?,
        }
        if week == 24 {
            key_left_open(stage)?;
        }
        stage.morning(3);
        match week {
            7 => advisory_let_stand(stage)?,
            14 => advisory_put_right(stage)?,
            // Whatever else of it would wait for that key.
            24 => ordinary(stage, "payments", "ken", week)?,
            _ if week % 3 == 0 => ordinary(stage, "platform", "ken", week)?,
            _ => ordinary(stage, "payments", "ken", week)?,
        }
        stage.morning(1);
        match week {
            11 => rolled_back(stage)?,
            24 => left_behind(stage)?,
            _ => look(stage, &[], Exit::Pass)?,
        }
    }
    audit(stage)?;
    waiver(stage)?;
    waiting(stage)
}

/// Keys, repositories, the root of trust, people and roles, what is deployed where.
fn found(stage: &mut Stage) -> Result<(), Failure> {
    for person in &PEOPLE {
        let key = stage.key(person.name);
        let words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", person.name, "-f"];
        let mut words: Vec<&std::ffi::OsStr> = words.iter().map(std::ffi::OsStr::new).collect();
        words.push(key.as_os_str());
        stage.tool(&stage.dir, &words)?;
    }
    for name in REPOSITORIES {
        let path = stage.repo(name);
        std::fs::create_dir_all(&path).map_err(|source| CliError::Write { path, source })?;
        stage.git(name, &["init", "-q", "-b", "main"])?;
        let address = format!("https://git.demo.example/{name}.git");
        stage.git(name, &["remote", "add", "origin", &address])?;
        let author = if name == "trading-gateway" { "grace" } else { "ken" };
        stage.commit(name, author, "README.md", &format!("# {name}\n"), "Begin")?;
    }
    let public = |name: &str| format!("{}.pub", stage.key(name).display());
    let keys: Vec<String> = PEOPLE.iter().map(|p| public(p.name)).collect();
    let first = REPOSITORIES[0];
    stage.by("ada", Exit::Pass, first, &["init", "--yes", "--name", "ada", "--ssh-key", &keys[0]])?;
    for (person, key) in PEOPLE.iter().zip(&keys).skip(1) {
        stage.by("ada", Exit::Pass, first, &["person", "add", person.name, "--ssh-key", key])?;
        for role in person.roles {
            let grant = ["role", "grant", person.name, role, "--reason", "their work"];
            stage.by("ada", Exit::Pass, first, &grant)?;
        }
    }
    for (environment, tier) in [("staging", "test"), ("production", "production")] {
        stage.by("ada", Exit::Pass, first, &["environment", "register", environment, "--tier", tier])?;
    }
    for (application, owner, criticality) in [("trading-gateway", "grace", "critical"), ("payments", "ken", "high")] {
        let register = [
            "application",
            "register",
            application,
            "--owner",
            owner,
            "--criticality",
            criticality,
            "--this-repository",
            "--sox-key-system",
            "yes",
            "--data",
            "market-sensitive",
            "--cardholder-scope",
            "out",
        ];
        stage.by("ada", Exit::Pass, application, &register)?;
    }
    Ok(())
}

/// A change of a repository: something that is worth a release.
fn change(stage: &Stage, repo: &str, author: &str, n: i64) -> Result<(), Failure> {
    let (file, content, message) = match repo {
        "trading-gateway" => (
            "src/limits.py",
            format!(
                "# Limits of orders, version {n}.\nMAX_ORDER = {}\n\n\ndef allowed(quantity):\n    return 0 < quantity <= MAX_ORDER\n",
                1000 + n * 10
            ),
            format!("Raise the order limit, step {n}"),
        ),
        "payments" => (
            "src/settle.py",
            format!(
                "# Settlement windows, version {n}.\nCUT_OFF_HOUR = {}\n\n\ndef is_open(hour):\n    return hour < CUT_OFF_HOUR\n",
                14 + n % 4
            ),
            format!("Move the settlement cut-off, step {n}"),
        ),
        _ => (
            "main.tf",
            format!("resource \"aws_s3_bucket\" \"records\" {{\n  bucket = \"records-{n}\"\n}}\n"),
            format!("Another bucket for records, step {n}"),
        ),
    };
    stage.commit(repo, author, file, &content, &message)
}

/// Judged, signed by two, deployed.
fn release(stage: &mut Stage, repo: &str, command: &str) -> Result<(), Failure> {
    let ticket = format!("CHG-{}", 1000 + stage.steps);
    stage.expect(Exit::Waiting, repo, &["run", "--no-progress", "--ticket", &ticket, "--reason", "planned change"])?;
    signed(stage, repo, command)
}

/// Signed by two, deployed.
fn signed(stage: &mut Stage, repo: &str, command: &str) -> Result<(), Failure> {
    build(stage, repo)?;
    stage.later(25);
    let engineer = if stage.steps.is_multiple_of(2) { "dana" } else { "erik" };
    stage.by(engineer, Exit::Pass, repo, &["approve", "latest", "--as", "technical"])?;
    stage.later(70);
    stage.by("ruth", Exit::Pass, repo, &["approve", "latest", "--as", "regulatory"])?;
    stage.later(15);
    deploy(stage, repo, command)
}

/// The image that is built of the newest commit, by the digest that a registry would give it.
fn build(stage: &mut Stage, repo: &str) -> Result<(), Failure> {
    let digest = Digest::of(format!("{repo} {}", stage.steps).as_bytes()).to_string();
    stage.expect(Exit::Pass, repo, &["record", "--artifact", &format!("registry.demo.example/{repo}@{digest}")])?;
    stage.built.insert(repo.to_owned(), digest);
    Ok(())
}

/// Somebody looks what runs in production: the images that were deployed, or others in their place, or besides.
fn look(stage: &mut Stage, other: &[(&str, String)], exit: Exit) -> Result<(), Failure> {
    let mut runs = stage.running.clone();
    runs.extend(other.iter().map(|(name, digest)| ((*name).to_owned(), digest.clone())));
    let lines = runs
        .iter()
        .map(|(name, digest)| format!("{}  registry.demo.example/{name}\n", digest.trim_start_matches("sha256:")));
    let path = stage.dir.join("reports").join(format!("{}.sums", stage.steps));
    std::fs::write(&path, lines.collect::<String>())
        .map_err(|source| CliError::Write { path: path.clone(), source })?;
    stage.expect(exit, REPOSITORIES[0], &["snapshot", "production", "--sums", &path.display().to_string()])
}

/// Somebody brings an older image back by hand; it is found the next morning, and deployed again as it should be.
fn rolled_back(stage: &mut Stage) -> Result<(), Failure> {
    look(stage, &[], Exit::Pass)?;
    let before = stage.running.get("payments").cloned();
    ordinary(stage, "payments", "ken", 111)?;
    stage.morning(1);
    look(stage, &[("payments", before.unwrap_or_default())], Exit::Drift)?;
    stage.later(50);
    deploy(stage, "payments", "true")?;
    look(stage, &[], Exit::Pass)
}

/// Somebody put a container into production to look at something, and left it there.
fn left_behind(stage: &mut Stage) -> Result<(), Failure> {
    look(stage, &[("debug-shell", Digest::of(b"a shell").to_string())], Exit::Drift)
}

fn deploy(stage: &mut Stage, repo: &str, command: &str) -> Result<(), Failure> {
    let grant = stage.dir.join("grants").join(format!("{}.json", stage.steps)).display().to_string();
    stage.by("omar", Exit::Pass, repo, &["deploy", "latest", "--env", "production", "--out", &grant])?;
    stage.later(3);
    let ends = if command == "true" { Exit::Pass } else { Exit::Internal };
    stage.expect(ends, repo, &["deploy", "--grant", &grant, "--", command])?;
    if ends == Exit::Pass {
        placed(stage, repo);
    }
    Ok(())
}

fn placed(stage: &mut Stage, repo: &str) {
    if let Some(digest) = stage.built.get(repo).cloned() {
        stage.running.insert(repo.to_owned(), digest);
    }
}

fn ordinary(stage: &mut Stage, repo: &str, author: &str, week: i64) -> Result<(), Failure> {
    change(stage, repo, author, week)?;
    release(stage, repo, "true")
}

/// A key is committed: the gate denies, the key is taken out and revoked, and the next run passes.
fn leaked_key(stage: &mut Stage) -> Result<(), Failure> {
    // Put together here, so that no file of ours holds one.
    let key = format!("{}{}", "AKIA", "Z7Q4M2X5K3J6W2VT");
    let leak = format!("AWS_ACCESS_KEY_ID = \"{key}\"\n");
    stage.commit("trading-gateway", "grace", "src/settings.py", &leak, "Read market data from the bucket")?;
    let run = ["run", "--no-progress", "--ticket", "CHG-LEAK", "--reason", "market data"];
    stage.expect(Exit::Denied, "trading-gateway", &run)?;
    stage.later(40);
    let clean = "import os\n\nAWS_ACCESS_KEY_ID = os.environ[\"AWS_ACCESS_KEY_ID\"]\n";
    stage.commit(
        "trading-gateway",
        "grace",
        "src/settings.py",
        clean,
        "Take the key from the environment; it is rotated",
    )?;
    release(stage, "trading-gateway", "true")
}

/// Something that another tool found: rule, what it says, place, severity by CVSS, weakness.
struct Found {
    rule: &'static str,
    text: &'static str,
    path: &'static str,
    line: u32,
    score: &'static str,
    cwe: &'static str,
}

/// A tool's name and what it found.
type Report<'r> = (&'r str, &'r [Found]);

const IN_CODE: &str = "Semgrep OSS";
const IN_COMPONENTS: &str = "osv-scanner";
const INJECTION: Found = Found {
    rule: "python.query-from-input",
    text: "Input gets into a query",
    path: "src/orders.py",
    line: 1,
    score: "8.8",
    cwe: "CWE-89",
};
const TIMEOUT: Found = Found {
    rule: "python.request-without-timeout",
    text: "A request waits for ever",
    path: "src/limits.py",
    line: 6,
    score: "3.1",
    cwe: "CWE-400",
};
const RANDOM: Found = Found {
    rule: "python.weak-random",
    text: "Random numbers that can be guessed",
    path: "src/limits.py",
    line: 2,
    score: "5.3",
    cwe: "CWE-330",
};
const LOG: Found = Found {
    rule: "python.log-from-input",
    text: "Input gets into the log as it is",
    path: "src/limits.py",
    line: 5,
    score: "4.3",
    cwe: "CWE-117",
};
const PARSER: Found = Found {
    rule: "DEMO-2026-0041",
    text: "parser 2.1 loops on crafted input",
    path: "requirements.txt",
    line: 1,
    score: "7.5",
    cwe: "CWE-400",
};
const HTTP: Found = Found {
    rule: "DEMO-2026-0058",
    text: "http 0.9 takes two lengths of one request",
    path: "requirements.txt",
    line: 2,
    score: "5.3",
    cwe: "CWE-444",
};
const YAML: Found = Found {
    rule: "DEMO-2026-0063",
    text: "yaml 5.2 makes objects of input",
    path: "requirements.txt",
    line: 3,
    score: "4.8",
    cwe: "CWE-20",
};
const CRYPTO: Found = Found {
    rule: "DEMO-2026-0097",
    text: "crypto 40.0 accepts signatures of nobody",
    path: "requirements.txt",
    line: 4,
    score: "9.1",
    cwe: "CWE-347",
};
const TLS: Found = Found {
    rule: "DEMO-2026-0112",
    text: "http 0.9 does not look at the name in a certificate",
    path: "requirements.txt",
    line: 2,
    score: "6.5",
    cwe: "CWE-295",
};
const LATER_IN_CODE: Report<'static> = (IN_CODE, &[TIMEOUT, LOG]);

/// Writes a report beside the repositories, as a pipeline does, and records it for the newest run of one.
fn report(stage: &mut Stage, repo: &str, (tool, found): Report<'_>) -> Result<(), Failure> {
    let rules: Vec<_> = found
        .iter()
        .map(|f| json!({"id": f.rule, "shortDescription": {"text": f.text}, "properties": {"tags": [f.cwe], "security-severity": f.score, "precision": "high"}}))
        .collect();
    let results: Vec<_> = found
        .iter()
        .map(|f| {
            let at = json!({"artifactLocation": {"uri": f.path}, "region": {"startLine": f.line}});
            json!({"ruleId": f.rule, "message": {"text": f.text}, "locations": [{"physicalLocation": at}]})
        })
        .collect();
    let driver = json!({"name": tool, "semanticVersion": "1.99.0", "rules": rules});
    let invocations = json!([{"executionSuccessful": true}]);
    let run = json!({"tool": {"driver": driver}, "invocations": invocations, "results": results});
    let path = stage.dir.join("reports").join(format!("{}.sarif", stage.steps));
    let sarif = json!({"version": "2.1.0", "runs": [run]}).to_string();
    std::fs::write(&path, sarif).map_err(|source| CliError::Write { path: path.clone(), source })?;
    stage.expect(Exit::Pass, repo, &["record", &path.display().to_string()])
}

fn judged(stage: &mut Stage, repo: &str, exit: Exit) -> Result<(), Failure> {
    let ticket = format!("CHG-{}", 1000 + stage.steps);
    stage.expect(exit, repo, &["run", "--no-progress", "--ticket", &ticket, "--reason", "planned change"])
}

/// A change whose report of another tool has nothing that stops it.
fn report_in_release(
    stage: &mut Stage,
    repo: &str,
    author: &str,
    week: i64,
    reported: &Report<'_>,
) -> Result<(), Failure> {
    change(stage, repo, author, week)?;
    judged(stage, repo, Exit::Waiting)?;
    report(stage, repo, *reported)?;
    signed(stage, repo, "true")
}

/// The analysis of code sees an injection: the gate denies, it is put right, and the rest stays open.
fn other_tools_find(stage: &mut Stage) -> Result<(), Failure> {
    let repo = "trading-gateway";
    let bad = "def find(db, name):\n    return db.run(\"select * from orders where name = '\" + name + \"'\")\n";
    stage.commit(repo, "grace", "src/orders.py", bad, "Find orders by name")?;
    judged(stage, repo, Exit::Waiting)?;
    report(stage, repo, (IN_CODE, &[INJECTION, TIMEOUT, RANDOM]))?;
    stage.expect(Exit::Denied, repo, &["gate", "check"])?;
    stage.later(95);
    let good = "def find(db, name):\n    return db.run(\"select * from orders where name = ?\", name)\n";
    stage.commit(repo, "grace", "src/orders.py", good, "Bind the name")?;
    judged(stage, repo, Exit::Waiting)?;
    report(stage, repo, (IN_CODE, &[TIMEOUT, RANDOM]))?;
    signed(stage, repo, "true")
}

/// Advisories about components: one would stop the release and is let stand for a while, for nothing reaches it.
fn advisory_let_stand(stage: &mut Stage) -> Result<(), Failure> {
    let repo = "payments";
    let pinned = "parser==2.1\nhttp==0.9\nyaml==5.2\ncrypto==40.0\n";
    stage.commit(repo, "ken", "requirements.txt", pinned, "Pin the components")?;
    judged(stage, repo, Exit::Waiting)?;
    report(stage, repo, (IN_COMPONENTS, &[PARSER, HTTP, YAML]))?;
    stage.expect(Exit::Denied, repo, &["gate", "check"])?;
    let open = stage.json(Exit::Pass, repo, &["findings"])?;
    let all = open["findings"].as_array().into_iter().flatten();
    let of = |f: &&serde_json::Value| f["rule"].as_str().is_some_and(|rule| rule.ends_with(PARSER.rule));
    let print = all.filter(of).find_map(|f| f["fingerprint"].as_str()).map(str::to_owned);
    let print = print.ok_or_else(|| strayed("findings", "the advisory is not there"))?;
    let why = "the parser reads only files of our own; its successor is announced for the autumn";
    let_stand(stage, repo, "weaknesses-corrected", ["--finding", &print], why)?;
    signed(stage, repo, "true")
}

/// Another is put right by the next version.
fn advisory_put_right(stage: &mut Stage) -> Result<(), Failure> {
    let repo = "payments";
    change(stage, repo, "ken", 14)?;
    judged(stage, repo, Exit::Waiting)?;
    report(stage, repo, (IN_COMPONENTS, &[PARSER, HTTP, CRYPTO]))?;
    stage.expect(Exit::Denied, repo, &["gate", "check"])?;
    stage.later(200);
    let pinned = "parser==2.1\nhttp==0.9\nyaml==6.0\ncrypto==41.1\n";
    stage.commit(repo, "ken", "requirements.txt", pinned, "Take the mended version of crypto")?;
    judged(stage, repo, Exit::Waiting)?;
    report(stage, repo, (IN_COMPONENTS, &[PARSER, HTTP]))?;
    signed(stage, repo, "true")
}

/// A waiver is asked for by an author and granted by an officer.
fn let_stand(stage: &mut Stage, repo: &str, control: &str, what: [&str; 2], why: &str) -> Result<(), Failure> {
    let ask = ["waive", "request", "--control", control, "--this-repository", what[0], what[1], "--days", "240"];
    let author = if repo == "payments" { "ken" } else { "grace" };
    let asked = stage.by_json(author, repo, &[&ask[..], &["--accept", why]].concat())?;
    let id = asked["waiver"].as_str().map(str::to_owned);
    let id = id.ok_or_else(|| strayed("waive request", "it named no waiver"))?;
    stage.later(75);
    stage.by("ruth", Exit::Pass, repo, &["waive", "grant", &id, "--reason", "seen with the author"])
}

/// A made-up key of the exchange's simulator stands in a test, and is let stand.
fn simulator(stage: &mut Stage) -> Result<(), Failure> {
    let repo = "trading-gateway";
    let key = format!("{}{}", "AKIA", "Z7Q4M2X5K3J6W2VS");
    let test = format!("SIMULATOR_KEY = \"{key}\"\n");
    stage.commit(repo, "grace", "test/simulator.py", &test, "Test against the simulator")?;
    judged(stage, repo, Exit::Denied)?;
    let why = "a made-up value of the exchange's simulator";
    let_stand(stage, repo, "secrets-out-of-source", ["--path", "test/**"], why)?;
    stage.expect(Exit::Waiting, repo, &["gate", "check"])?;
    signed(stage, repo, "true")
}

/// A key is committed to the infrastructure, the gate denies, and nobody has looked at it since.
fn key_left_open(stage: &mut Stage) -> Result<(), Failure> {
    let key = format!("{}{}", "AKIA", "Z7Q4M2X5K3J6W2VR");
    let leak = format!("access_key = \"{key}\"\n");
    stage.commit("platform", "ken", "backend.hcl", &leak, "Keep the state in a bucket")?;
    judged(stage, "platform", Exit::Denied)
}

/// Orders fail at night: a security officer breaks the glass, others ratify and review it.
fn emergency(stage: &mut Stage) -> Result<(), Failure> {
    let repo = "trading-gateway";
    change(stage, repo, "grace", 600)?;
    stage.expect(
        Exit::Waiting,
        repo,
        &["run", "--no-progress", "--ticket", "INC-77", "--reason", "orders are rejected"],
    )?;
    build(stage, repo)?;
    let grant = stage.dir.join("grants").join(format!("{}.json", stage.steps)).display().to_string();
    let open = [
        "break-glass",
        "open",
        "latest",
        "--environment",
        "production",
        "--reason",
        "orders are rejected at the open",
        "--ticket",
        "INC-77",
        "--minutes",
        "60",
        "--out",
        &grant,
    ];
    let opened = stage.by_json("sam", repo, &open)?;
    let id = opened["break_glass"].as_str().or(opened["id"].as_str()).map(str::to_owned);
    let id = id.ok_or_else(|| strayed("break-glass open", "it named no emergency"))?;
    stage.expect(Exit::Pass, repo, &["deploy", "--grant", &grant, "--", "true"])?;
    placed(stage, repo);
    stage.later(20);
    stage.by("sam", Exit::Pass, repo, &["break-glass", "close", &id, "--reason", "orders pass again"])?;
    stage.later(180);
    let ratify = ["break-glass", "ratify", &id, "--statement", "read the change and the incident; it was needed"];
    stage.by("ruth", Exit::Pass, repo, &ratify)?;
    stage.morning(1);
    let review = [
        "break-glass",
        "review",
        &id,
        "--findings",
        "the limit was below the open's volume",
        "--root-cause",
        "limits were not load-tested",
        "--corrective-action",
        "a test replays last month's opens",
    ];
    stage.by("dana", Exit::Pass, repo, &review)
}

/// A deployment fails; the next change mends it.
fn failed_deployment(stage: &mut Stage) -> Result<(), Failure> {
    let n = 800 + i64::try_from(stage.steps).unwrap_or(0);
    change(stage, "trading-gateway", "grace", n)?;
    release(stage, "trading-gateway", "false")?;
    stage.later(45);
    change(stage, "trading-gateway", "grace", n + 1)?;
    release(stage, "trading-gateway", "true")
}

/// Somebody who may approve wrote the change: they are refused, and somebody else signs.
fn own_approval(stage: &mut Stage) -> Result<(), Failure> {
    change(stage, "trading-gateway", "erik", 1000)?;
    let run = ["run", "--no-progress", "--ticket", "CHG-OWN", "--reason", "a correction"];
    stage.expect(Exit::Waiting, "trading-gateway", &run)?;
    build(stage, "trading-gateway")?;
    stage.later(10);
    stage.by("erik", Exit::Forbidden, "trading-gateway", &["approve", "latest", "--as", "technical"])?;
    stage.later(30);
    stage.by("dana", Exit::Pass, "trading-gateway", &["approve", "latest", "--as", "technical"])?;
    stage.by("ruth", Exit::Pass, "trading-gateway", &["approve", "latest", "--as", "regulatory"])?;
    deploy(stage, "trading-gateway", "true")
}

/// An auditor asks, somebody answers, a population is sealed and a sample drawn.
fn audit(stage: &mut Stage) -> Result<(), Failure> {
    let repo = REPOSITORIES[0];
    let day = |days: i64| {
        let at = stage.end.plus_seconds(-days * 24 * 60 * 60).to_string();
        at.chars().take(10).collect::<String>()
    };
    let (from, to) = (day(super::DAYS), day(0));
    let open =
        ["audit", "open", "--name", "SOX, change management", "--from", &from, "--to", &to, "--framework", "sox"];
    let audit = stage.by_json("ruth", repo, &open)?["audit"].as_str().map(str::to_owned);
    let audit = audit.ok_or_else(|| strayed("audit open", "it named no audit"))?;
    stage.later(120);
    let ask = [
        "audit",
        "request",
        &audit,
        "--control",
        "dual-approval",
        "--text",
        "Show the approvals of the emergency change.",
    ];
    let request = stage.by_json("olga", repo, &ask)?["request"].as_str().map(str::to_owned);
    let request = request.ok_or_else(|| strayed("audit request", "it named no request"))?;
    stage.later(240);
    stage.by(
        "sam",
        Exit::Pass,
        repo,
        &[
            "audit",
            "answer",
            &request,
            "--text",
            "It went past the gates as INC-77; ratified and reviewed within a day.",
        ],
    )?;
    stage.later(30);
    let ask = [
        "audit",
        "request",
        &audit,
        "--control",
        "segregation-of-duties",
        "--text",
        "Who reviewed the roles this quarter?",
    ];
    stage.by("olga", Exit::Pass, repo, &ask)?;
    // An emergency is an exception to it, and is listed as one.
    let seal = ["audit", "population", "--control", "dual-approval", "--from", &from, "--to", &to, "--seal"];
    stage.expect(Exit::Denied, repo, &seal)
}

/// Another waiver waits for an officer.
fn waiver(stage: &mut Stage) -> Result<(), Failure> {
    let path = ["waive", "request", "--control", "secrets-out-of-source", "--path", "fixtures/**", "--days", "30"];
    let why = ["--accept", "made-up card numbers of the test scheme"];
    stage.by("ken", Exit::Pass, "payments", &[&path[..], &why[..]].concat())
}

/// A change that waits for its second signature.
fn waiting(stage: &mut Stage) -> Result<(), Failure> {
    stage.later(60);
    change(stage, "payments", "ken", 99)?;
    let run = ["run", "--no-progress", "--ticket", "CHG-NEXT", "--reason", "next window"];
    stage.expect(Exit::Waiting, "payments", &run)?;
    // The newest advisory is of today: it is open, and not late.
    report(stage, "payments", (IN_COMPONENTS, &[PARSER, HTTP, TLS]))?;
    stage.by("dana", Exit::Pass, "payments", &["approve", "latest", "--as", "technical"])
}
