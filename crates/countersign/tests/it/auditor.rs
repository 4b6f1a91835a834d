//! The auditor's room, by the real binary over HTTP: what an auditor of one application is shown where there are two, what is kept from
//! them, and what of it is recorded.

use std::ffi::OsStr;
use std::path::Path;

use countersign_model::Role;
use countersign_server::Reach;
use serde_json::{Value, json};

use super::api::{Program, token};
use super::remote_acts::{prepare, signed, statements};
use super::server::{Browser, firm, said, serve};
use super::support::World;

/// What there is of one application.
pub(crate) struct Things {
    application: &'static str,
    environment: &'static str,
    ticket: &'static str,
    run: String,
    pub(crate) grant: String,
    waiver: String,
    emergency: String,
    pub(crate) audit: String,
    request: String,
    pub(crate) population: u64,
    pack: String,
    /// Of a finding that another tool reported.
    fingerprint: String,
    /// Streams of the log that belong to it.
    streams: Vec<String>,
}

impl Things {
    /// What stands in the places of paths.
    fn places(&self) -> [(&'static str, String); 13] {
        [
            ("{run}", self.run.clone()),
            ("{grant}", self.grant.clone()),
            ("{slot}", "technical".to_owned()),
            ("{waiver}", self.waiver.clone()),
            ("{application}", self.application.to_owned()),
            ("{emergency}", self.emergency.clone()),
            ("{environment}", self.environment.to_owned()),
            ("{audit}", self.audit.clone()),
            ("{framework}", "sox".to_owned()),
            ("{control}", "dual-approval".to_owned()),
            ("{index}", self.population.to_string()),
            ("{fingerprint}", self.fingerprint.clone()),
            // Access is of the whole firm, whoever of them looks.
            ("{review}", "latest".to_owned()),
        ]
    }

    fn path(&self, pattern: &str) -> String {
        self.places().iter().fold(pattern.to_owned(), |path, (place, value)| path.replace(place, value))
    }

    /// Texts that say something of it.
    fn traces(&self) -> Vec<&str> {
        let Self { environment, run, grant, waiver, emergency, audit, request, pack, fingerprint, .. } = self;
        vec![environment, run, grant, waiver, emergency, audit, request, pack, fingerprint]
    }
}

/// Two applications, each in a repository of its own, with one ledger.
pub(crate) struct Firm {
    pub(crate) world: World,
    pub(crate) a: Things,
    pub(crate) b: Things,
}

fn in_dir(world: &World, dir: &Path, person: &str, args: &[&str]) -> super::support::Ran {
    let ledger = world.repo().join(".countersign");
    let (ledger, key) = (ledger.into_os_string(), world.path(person).into_os_string());
    let args = args.iter().map(|a| OsStr::new(*a));
    let signed = args.clone().next() != Some(OsStr::new("run")) && args.clone().next() != Some(OsStr::new("deploy"));
    let more = [OsStr::new("--ledger"), &ledger];
    let with: Vec<&OsStr> = more.into_iter().chain(args).collect();
    let with = if signed { [&with[..], &[OsStr::new("--key"), &key]].concat() } else { with };
    world.cs_in(dir, with)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}

fn things(
    world: &World,
    name: &'static str,
    environment: &'static str,
    ticket: &'static str,
    auditor: &str,
    masked: &[&str],
) -> Things {
    let dir = world.path(name);
    std::fs::create_dir(&dir).unwrap();
    world.git_in(&dir, ["init", "-q", "-b", "main"]);
    std::fs::write(dir.join("app.sh"), format!("echo {name}\n")).unwrap();
    world.git_in(&dir, ["add", "-A"]);
    let key = format!("user.signingkey={}", world.path("mia").display());
    world.git_in(&dir, ["-c", "gpg.format=ssh", "-c", &key, "commit", "-q", "-S", "-m", name]);
    let by = |person: &str, args: &[&str]| in_dir(world, &dir, person, args);
    by("ada", &["environment", "register", environment, "--tier", "production"]).expect(0);
    let register = ["application", "register", name, "--owner", "mia", "--criticality", "low", "--data", "public"];
    by("ada", &[&register[..], &["--this-repository"]].concat()).expect(0);
    by("mia", &["run", "--env", environment, "--ticket", ticket]).expect(11);
    by("dan", &["approve", "latest", "--as", "technical"]).expect(0);
    by("ruth", &["approve", "latest", "--as", "regulatory"]).expect(0);
    let issued = by("omar", &["grant", "issue", "latest", "--env", environment, "--format", "json"]).expect(0).json();
    let grant = text(&issued["grant"]["id"]);
    by("mia", &["deploy", "--grant", &grant, "--", "true"]).expect(0);
    let waiver = ["waive", "request", "--control", "secrets-out-of-source", "--application", name];
    let waiver = by("mia", &[&waiver[..], &["--accept", "for a test", "--format", "json"]].concat()).expect(0).json();
    let glass = ["break-glass", "open", "latest", "--environment", environment, "--reason", "clients cannot pay"];
    let incident = ticket.replace("CHG", "INC");
    let glass = by("ruth", &[&glass[..], &["--ticket", &incident, "--format", "json"]].concat()).expect(0).json();
    let (emergency, past) = (text(&glass["break_glass"]), text(&glass["grant"]["id"]));
    let open = ["audit", "open", "--name", name, "--from", "2026-01-01", "--to", "2031-01-01", "--application", name];
    let masks: Vec<&str> = masks(masked);
    let open = [&open[..], &["--auditor", auditor, "--format", "json"], &masks].concat();
    let audit = text(&by("ruth", &open).expect(0).json()["audit"]);
    let asked = ["audit", "request", &audit, "--control", "dual-approval", "--text", "Show me.", "--format", "json"];
    let request = text(&by(auditor, &asked).expect(0).json()["request"]);
    let window = ["--from", "2026-01-01", "--to", "2031-01-01", "--application", name];
    let seal = ["audit", "population", "--control", "dual-approval"];
    let ledger = world.repo().join(".countersign");
    let ledger = ledger.to_str().unwrap();
    let unsigned = |args: &[&str]| world.cs_in(&dir, [&["--ledger", ledger], args].concat());
    unsigned(&[&seal[..], &window, &["--seal"]].concat()).expect(0);
    let report = json!({"version": "2.1.0", "runs": [{
        "tool": {"driver": {"name": "semgrep", "rules": [{"id": "injection", "properties": {"security-severity": "8.8"}}]}},
        "invocations": [{"executionSuccessful": true}],
        "results": [{"ruleId": "injection", "message": {"text": "Input gets into a query."}, "locations": [{"physicalLocation": {
            "artifactLocation": {"uri": format!("{name}.py")}, "region": {"startLine": 1}}}]}],
    }]});
    std::fs::write(dir.join("semgrep.sarif"), report.to_string()).unwrap();
    unsigned(&["record", dir.join("semgrep.sarif").to_str().unwrap()]).expect(0);
    let found = unsigned(&["findings", "--format", "json"]).expect(0).json();
    let found = found["findings"].as_array().unwrap();
    let found = found.iter().find(|f| f["path"] == format!("{name}.py")).unwrap();
    let fingerprint = text(&found["fingerprint"]).trim_start_matches("sha256:").to_owned();
    let out = dir.join("pack.zip");
    let pack = [&["audit", "pack"], &window[..], &["--out", out.to_str().unwrap(), "--format", "json"]].concat();
    let pack = unsigned(&pack).expect(0).json();
    let entries = unsigned(&["ledger", "entries", "--format", "json"]).expect(0).json();
    let entries = entries["entries"].as_array().unwrap();
    let runs: Vec<String> =
        entries.iter().filter(|e| e["entry"]["kind"] == "RunStarted").map(|e| text(&e["entry"]["stream"])).collect();
    let sealed = entries.iter().rfind(|e| e["entry"]["kind"] == "PopulationSealed").unwrap();
    let run = runs.last().unwrap().clone();
    let waiver = text(&waiver["waiver"]);
    Things {
        application: name,
        environment,
        ticket,
        streams: vec![
            run.clone(),
            grant.clone(),
            waiver.clone(),
            emergency.clone(),
            past,
            audit.clone(),
            request.clone(),
        ],
        run,
        grant,
        waiver,
        emergency,
        audit,
        request,
        population: sealed["index"].as_u64().unwrap(),
        fingerprint,
        pack: text(&pack["sha256"]).trim_start_matches("sha256:").chars().take(12).collect(),
    }
}

fn masks<'a>(masked: &[&'a str]) -> Vec<&'a str> {
    masked.iter().flat_map(|field| ["--mask", *field]).collect()
}

pub(crate) fn two(masked: &[&str]) -> Option<Firm> {
    let world = firm()?;
    world.key("otto");
    world.by("ada", &["person", "add", "otto", "--ssh-key", world.public("otto").to_str().unwrap()]).expect(0);
    world.by("ada", &["role", "grant", "otto", "auditor", "--reason", "audits the other one"]).expect(0);
    let a = things(&world, "gateway", "gate-prod", "CHG-1001", "olga", masked);
    let b = things(&world, "payments", "pay-prod", "CHG-2002", "otto", &[]);
    let review = ["access", "review", "open", "--from", "2026-01-01", "--due", "2099-01-01", "--reason", "yearly"];
    world.by("ruth", &review).expect(0);
    Some(Firm { world, a, b })
}

/// The pages that an auditor may look at.
fn pages() -> impl Iterator<Item = countersign_server::PageInfo> {
    countersign_server::pages().filter(|page| page.roles.contains(&Role::Auditor))
}

#[test]
fn an_auditor_of_one_application_is_shown_nothing_of_another() {
    let Some(Firm { world, a, b }) = two(&[]) else { return };
    let server = serve(&world);
    let olga = Browser::of(&server, &world, "olga");
    let program = Program::new(&server, &token(&world, "olga", "read,audit"));
    program.settled("/api/v1/frameworks").expect(200);
    let (mut objects, mut lists) = (0, 0);
    let rooms = pages().map(|page| (page.path, page.reach));
    let resources = countersign_server::resources()
        .filter(|r| r.roles.contains(&Role::Auditor))
        .map(|resource| (resource.path, resource.reach));
    let files = countersign_server::files().map(|file| (file.path, file.reach));
    let sealed = said(&world, "PopulationSealed").len();
    for (pattern, reach) in rooms.chain(resources).chain(files) {
        let is_api = pattern.starts_with("/api/");
        let is_file = pattern.ends_with("/export");
        if pattern.ends_with("/pack") {
            // It is there when an officer had it made, of which there is a test of its own.
            olga.get(&a.path(pattern)).expect(404);
            olga.get(&b.path(pattern)).expect(404);
            continue;
        }
        let get = |path: &str| match (is_api, is_file) {
            (true, _) => program.get(path),
            (_, true) => olga.get(&format!("{path}?format=csv")),
            _ => olga.get(path),
        };
        let is_object = !matches!(reach, Reach::Firm | Reach::List);
        let own = get(&a.path(pattern)).expect(200);
        let other = get(&b.path(pattern));
        if is_object {
            objects += 1;
            let (path, made_up) = (b.path(pattern), get(&pattern.replace(['{', '}'], "")));
            let answer = other.expect(404);
            assert_eq!(made_up.status, 404, "{path}");
            let code = |body: &str| body.contains("CS-SERVER-022");
            assert!(code(&answer.body) && code(&made_up.body), "{path}");
        } else if reach == Reach::List {
            lists += 1;
            for trace in b.traces() {
                assert!(!own.body.contains(trace), "{pattern} says {trace}: {}", own.body);
            }
            assert!(is_api || is_file || own.body.contains("Scope: the audit"), "{pattern}");
        } else {
            assert!(is_api || own.body.contains("about the whole firm"), "{pattern}");
        }
    }
    assert!(objects >= 13 && lists >= 13 && sealed == 2, "{objects} {lists}");

    // A finding of the other one is none here, and of her own she sees one.
    olga.get(&format!("/findings/{}", b.fingerprint)).expect(404);
    program.get(&format!("/api/v1/findings/{}", b.fingerprint)).expect(404);
    let found = program.get("/api/v1/findings").expect(200).body;
    let found: Value = serde_json::from_str(&found).unwrap();
    assert_eq!((&found["count"], &found["states"]["open"]), (&json!(1), &json!(1)), "{found}");
    assert!(olga.get("/").expect(200).body.contains("href=\"/findings?late=true\""));

    // Every entry of the log, one by one.
    let all = world.cs(["ledger", "entries", "--format", "json"]).expect(0).json();
    let mut hidden = 0;
    for e in all["entries"].as_array().unwrap() {
        let (index, stream) = (e["index"].as_u64().unwrap(), e["entry"]["stream"].as_str().unwrap());
        let of = |things: &Things| things.streams.iter().any(|s| s == stream) || index == things.population;
        let page = olga.get(&format!("/ledger/{index}"));
        let resource = program.get(&format!("/api/v1/entries/{index}"));
        assert_eq!(page.status, resource.status, "{index}");
        if of(&b) {
            hidden += 1;
            assert_eq!(page.status, 404, "{index} {}", e["entry"]["kind"]);
        } else if of(&a) {
            assert_eq!(page.status, 200, "{index} {}", e["entry"]["kind"]);
        } else if page.status == 200 && e["entry"]["kind"] != "EvidenceViewed" {
            // Her own looks say where she tried to look. Names of an application are no secret (the runbook has them); what happened to it is.
            for trace in b.traces().iter().filter(|trace| **trace != b.environment) {
                assert!(!page.body.contains(trace), "{index} {} says {trace}", e["entry"]["kind"]);
            }
        }
    }
    assert!(hidden >= 10, "{hidden}");

    // What controls were applied to, and what broke them.
    let controls = program.get("/api/v1/controls").expect(200).body;
    let controls: Value = serde_json::from_str(&controls).unwrap();
    let mut populations = 0;
    for control in controls["items"].as_array().unwrap() {
        let id = control["control"].as_str().unwrap();
        for path in [
            format!("/controls/{id}"),
            format!("/controls/{id}/population"),
            format!("/api/v1/controls/{id}/population"),
        ] {
            let answer = if path.starts_with("/api") { program.get(&path) } else { olga.get(&path) };
            populations += usize::from(answer.status == 200 && path.contains("population"));
            // What is called how is the firm's; the registered environments are a population of their own.
            for trace in b.traces().into_iter().filter(|trace| *trace != b.environment) {
                assert!(!answer.body.contains(trace), "{path} says {trace}: {}", answer.body);
            }
        }
    }
    assert!(populations > 10, "{populations}");
    olga.get(&format!("/controls/dual-approval/population?application={}", b.application)).expect(404);
    program.get(&format!("/api/v1/controls/dual-approval/population?application={}", b.application)).expect(404);
    let before = "/controls/dual-approval/population?from=2020-01-01&to=2021-01-01";
    olga.get(before).expect(400);

    // Nor through the audit of another.
    for path in ["/", "/runs"] {
        olga.get(&format!("{path}?audit={}", b.audit)).expect(404);
    }
    program.get(&format!("/api/v1/runs?audit={}", b.audit)).expect(404);
    // A number and its list are of the scope both.
    let runs = olga.get("/runs").expect(200).body;
    assert!(runs.contains(&a.run) && runs.contains("1 in this list"), "{runs}");
    let counted: Value = serde_json::from_str(&program.get("/api/v1/runs").expect(200).body).unwrap();
    assert_eq!(counted["count"], 1);
    // The firm's own people are limited to nothing.
    let dan = Browser::of(&server, &world, "dan");
    for things in [&a, &b] {
        dan.get(&format!("/runs/{}", things.run)).expect(200);
    }

    // An auditor who is somebody else as well sees the firm; one whom no open audit admits sees nothing of an application.
    world.by("ruth", &["audit", "close", &b.audit]).expect(10);
    world.by("otto", &["audit", "close", &b.request]).expect(0);
    let otto = Browser::of(&server, &world, "otto");
    otto.get(&format!("/runs/{}", b.run)).expect(200);
    world.by("otto", &["audit", "close", &b.audit]).expect(0);
    otto.get(&format!("/runs/{}", b.run)).expect(404);
    let empty = otto.get("/runs").expect(200).body;
    assert!(empty.contains("No open audit admits you") && empty.contains("0 in this list"), "{empty}");
    otto.get(&format!("/audits/{}", b.audit)).expect(200);
    otto.get("/controls/dual-approval/population").expect(404);
    otto.get("/controls").expect(200);
}

#[test]
fn an_audit_is_of_its_period_and_somebody_with_several_chooses() {
    let Some(Firm { world, a, b }) = two(&[]) else { return };
    let open = ["audit", "open", "--name", "Both of them", "--from", "2026-01-01", "--to", "2031-01-01"];
    let both = text(&world.by("ruth", &[&open[..], &["--format", "json"]].concat()).expect(0).json()["audit"]);
    let server = serve(&world);
    let olga = Browser::of(&server, &world, "olga");
    // The newest one that admits her, which names no auditor.
    let page = olga.get("/runs").expect(200).body;
    assert!(page.contains(&a.run) && page.contains(&b.run) && page.contains("Both of them"), "{page}");
    assert!(page.contains(&format!("href=\"/?audit={}\"", a.audit)), "the other one can be chosen");
    let page = olga.get(&format!("/runs?audit={}", a.audit)).expect(200).body;
    assert!(page.contains(&a.run) && !page.contains(&b.run), "{page}");
    // What was chosen stays chosen.
    assert!(page.contains(&format!("href=\"/runs/{}?audit={}\"", a.run, a.audit)), "{page}");
    assert!(page.contains(&format!("name=\"audit\" value=\"{}\"", a.audit)), "{page}");
    olga.get(&format!("/runs/{}?audit={}", b.run, a.audit)).expect(404);
    olga.get(&format!("/runs/{}?audit={both}", b.run)).expect(200);

    // Of a period in which nothing of it happened.
    world.by("ruth", &["audit", "close", &both]).expect(0);
    let early = ["audit", "open", "--name", "Later", "--from", "2026-01-01", "--to", "2026-01-02", "--format", "json"];
    let said = world.by("ruth", &early);
    assert!(said.all().contains("CS-AUDIT-033"), "an audit of a period without an entry is none: {}", said.all());
}

#[test]
fn an_officer_looks_with_the_eyes_of_an_auditor_and_that_is_no_auditors_look() {
    let Some(Firm { world, a, b }) = two(&["names"]) else { return };
    let server = serve(&world);
    let ruth = Browser::of(&server, &world, "ruth");
    let looks = said(&world, "EvidenceViewed").len();
    let as_auditor = |path: &str| ruth.get(&format!("{path}?audit={}", a.audit));
    let page = as_auditor(&format!("/runs/{}", a.run)).expect(200).body;
    assert!(
        page.contains("As an auditor.")
            && !page.contains("countersign approve")
            && !page.contains("Auditor.</strong> You"),
        "{page}"
    );
    assert!(!page.contains("dan"), "names are masked for her too: {page}");
    as_auditor(&format!("/runs/{}", b.run)).expect(404);
    assert!(ruth.get(&format!("/runs/{}", b.run)).expect(200).body.contains("dan"));
    let list = as_auditor("/runs").expect(200).body;
    assert!(list.contains(&a.run) && !list.contains(&b.run));
    assert_eq!(said(&world, "EvidenceViewed").len(), looks);
    // Whoever does not answer for audits cannot.
    let dan = Browser::of(&server, &world, "mia");
    dan.get(&format!("/runs?audit={}", a.audit)).expect(404);
}

#[test]
fn what_an_audit_masks_is_on_no_page_and_in_no_answer_for_its_auditor() {
    let Some(Firm { world, a, .. }) = two(&["names", "hosts", "tickets"]) else { return };
    let server = serve(&world);
    let olga = Browser::of(&server, &world, "olga");
    let program = Program::new(&server, &token(&world, "olga", "read,audit"));
    program.settled("/api/v1/frameworks").expect(200);
    let ruth = Browser::of(&server, &world, "ruth");
    let run = ruth.get(&format!("/runs/{}", a.run)).expect(200).body;
    let host = run.split("<th scope=\"col\">Host</th>").nth(1).expect("a host");
    let host = host.split("<td>").nth(5).unwrap().split('<').next().unwrap().to_owned();
    assert!(!host.is_empty() && run.contains(a.ticket) && run.contains(">dan<"), "{host}: {run}");
    let incident = a.ticket.replace("CHG", "INC");
    assert!(ruth.get("/runbook").expect(200).body.contains(&incident));
    let words = |body: &str| -> std::collections::BTreeSet<String> {
        body.split(|c: char| !c.is_alphanumeric() && c != '-').map(str::to_owned).collect()
    };
    let mut asked = 0;
    let rooms = pages()
        .map(|page| page.path)
        .chain(countersign_server::resources().filter(|r| r.roles.contains(&Role::Auditor)).map(|r| r.path));
    let entries = world.cs(["ledger", "entries", "--format", "json"]).expect(0).json();
    let entries = entries["entries"].as_array().unwrap().len();
    let indices = (0..entries).flat_map(|n| [format!("/ledger/{n}"), format!("/api/v1/entries/{n}")]);
    for path in rooms.map(|pattern| a.path(pattern)).chain(indices) {
        let answer = if path.starts_with("/api") { program.get(&path) } else { olga.get(&path) };
        if answer.status == 404 {
            continue;
        }
        asked += 1;
        let body = answer.expect(200).body;
        let found = words(&body);
        for hidden in ["dan", "ruth", "mia", "omar", "ada", "Ada", "otto", host.as_str(), a.ticket, &incident] {
            assert!(!found.contains(hidden), "{path} says {hidden}: {body}");
        }
    }
    assert!(asked > 80, "{asked}");
    assert!(olga.get("/").expect(200).body.contains(">olga<"), "her own name is no secret to her");
    assert!(olga.get(&format!("/runs/{}", a.run)).expect(200).body.contains("masked"));
}

#[test]
fn the_pack_of_an_audit_is_made_beside_the_requests_by_an_officer_and_taken_by_whom_the_audit_admits() {
    let Some(Firm { world, a, b }) = two(&["names"]) else { return };
    let server = serve(&world);
    let ruth = Browser::of(&server, &world, "ruth");
    let (page, path) = (format!("/audits/{}", a.audit), format!("/audits/{}/pack", a.audit));
    let csrf = ruth.get(&page).expect(200).field("csrf");
    let before = said(&world, "EvidencePackMade").len();
    for person in ["olga", "ada", "dan"] {
        let other = Browser::of(&server, &world, person);
        let csrf = other.get("/frameworks").expect(200).field("csrf");
        let status = if person == "dan" { 303 } else { 403 };
        // Dan is a compliance officer too.
        other.post(&format!("/audits/{}/pack", b.audit), &format!("csrf={csrf}")).expect(status);
    }
    ruth.get(&path).expect(404);
    let mut begun = 0;
    for _ in 0..200 {
        let answer = ruth.post(&path, &format!("csrf={csrf}"));
        if answer.status == 303 {
            begun += 1;
            break;
        }
        // One at a time.
        assert!(answer.expect(409).body.contains("CS-SERVER-070"));
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    assert_eq!(begun, 1);
    let olga = Browser::of(&server, &world, "olga");
    let ready = (0..300).find_map(|_| {
        std::thread::sleep(std::time::Duration::from_millis(100));
        let body = olga.get(&page).expect(200).body;
        body.contains("Take the pack").then_some(body)
    });
    let ready = ready.expect("a pack");
    assert_eq!(said(&world, "EvidencePackMade").len(), before + 2);
    let looks = said(&world, "EvidenceViewed").len();
    let host = server.url.trim_start_matches("http://");
    let cookie = olga.cookie.clone().unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\ncookie: {cookie}\r\n\r\n");
    let mut stream = std::net::TcpStream::connect(host).unwrap();
    std::io::Write::write_all(&mut stream, request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    std::io::Read::read_to_end(&mut stream, &mut answer).unwrap();
    let split = answer.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
    let (head, zip) = (String::from_utf8_lossy(&answer[..split]).into_owned(), &answer[split + 4..]);
    assert!(head.starts_with("HTTP/1.1 200") && head.contains(&format!("evidence-{}.zip", a.audit)), "{head}");
    let digest = countersign_model::Digest::of(zip);
    assert!(ready.contains(&digest.to_string()) && head.contains(&digest.hex().to_string()), "{digest} {head}");
    assert_eq!(said(&world, "EvidenceViewed").len(), looks + 1);
    // It holds with the firm's trust file alone, and names nobody.
    let (pack, trust) = (world.path("pack.zip"), world.path("firm.json"));
    std::fs::write(&pack, zip).unwrap();
    world.cs(["trust", "export", "--out", trust.to_str().unwrap()]).expect(0);
    let home = world.path("home");
    let checked =
        world.cs_in(&home, ["verify", pack.to_str().unwrap(), "--trust", trust.to_str().unwrap(), "--format", "json"]);
    assert_eq!(checked.expect(0).json()["version"], 1);
    // Not the other's auditor, nor whoever answers for no audit; and no server leaves it behind.
    Browser::of(&server, &world, "otto").get(&path).expect(404);
    Browser::of(&server, &world, "omar").get(&path).expect(403);
    let cache = world.repo().join(".countersign").join("cache");
    let folders = || {
        let all = std::fs::read_dir(&cache).map(|all| all.flatten().collect::<Vec<_>>()).unwrap_or_default();
        all.iter().filter(|e| e.file_name().to_string_lossy().starts_with("packs-")).count()
    };
    assert_eq!(folders(), 1, "{cache:?}");
    assert_eq!(server.terminate(), Some(0));
    assert_eq!(folders(), 0, "{cache:?}");
}

#[test]
fn a_pack_that_would_show_what_an_audit_masks_is_not_for_its_auditor() {
    let Some(Firm { world, a, .. }) = two(&["hosts"]) else { return };
    let server = serve(&world);
    let ruth = Browser::of(&server, &world, "ruth");
    let (page, path) = (format!("/audits/{}", a.audit), format!("/audits/{}/pack", a.audit));
    let csrf = ruth.get(&page).expect(200).field("csrf");
    ruth.post(&path, &format!("csrf={csrf}")).expect(303);
    let made = (0..300).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(100));
        ruth.get(&page).expect(200).body.contains("Take the pack")
    });
    assert!(made);
    let olga = Browser::of(&server, &world, "olga");
    assert!(olga.get(&page).expect(200).body.contains("keeps some of that from you"));
    olga.get(&path).expect(404);
}

#[test]
fn an_auditor_asks_with_the_very_command_that_a_page_shows() {
    let Some(Firm { world, a, b }) = two(&[]) else { return };
    let server = serve(&world);
    let olga = Browser::of(&server, &world, "olga");
    // The first assessment is computed beside the requests.
    let control = (0..600).find_map(|_| {
        let body = olga.get("/controls/dual-approval").expect(200).body;
        if body.contains("No assessment yet") {
            std::thread::sleep(std::time::Duration::from_millis(100));
            return None;
        }
        Some(body)
    });
    let control = control.expect("an assessment");
    assert!(control.contains("Show me.") && control.contains(&a.request) && !control.contains(&b.request), "{control}");
    let link = control.split("href=\"").find(|rest| rest.contains("/ask?control=dual-approval")).unwrap();
    let link = link.split('"').next().unwrap().replace("&amp;", "&");
    let typed = |path: &str| {
        let page = olga.get(path).expect(200).body;
        let command =
            page.split("id=\"command\"").nth(1).unwrap().split('>').nth(1).unwrap().split('<').next().unwrap();
        let command = command.replace("&#39;", "'").replace("&quot;", "\"");
        let words = command.strip_prefix("countersign ").expect("a command of ours").to_owned();
        let mut shell = world.command("sh", &world.repo());
        let key = world.path("olga");
        shell
            .args(["-c", &format!("\"$0\" {words} --key \"$1\" --format json"), env!("CARGO_BIN_EXE_countersign")])
            .arg(key);
        World::finish(shell)
    };
    let asked = typed(&link).expect(0).json();
    let request = asked["request"].as_str().unwrap();
    let thread = world.cs(["audit", "thread", request, "--format", "json"]).expect(0).json();
    assert_eq!(thread["messages"][0]["text"], "What I need, in words", "{thread}");
    let control = olga.get("/controls/dual-approval").expect(200).body;
    assert!(control.contains(request) && control.contains("What I need, in words"), "{control}");
    // After an answer she asks on.
    world.by("dan", &["audit", "answer", request, "--text", "Here it is."]).expect(0);
    let page = olga.get(&format!("/audits/{}", a.audit)).expect(200).body;
    let link = page.split("href=\"").find(|rest| rest.contains(&format!("ask?request={request}"))).unwrap();
    typed(link.split('"').next().unwrap()).expect(0);
    olga.get(&format!("/audits/{}/ask?application={}", a.audit, b.application)).expect(404);
    olga.get(&format!("/audits/{}/ask?request={}", a.audit, b.request)).expect(404);
    olga.get(&format!("/audits/{}/ask?control=x%3Bid", a.audit)).expect(404);
    // Whoever answers for no audit is told nothing of what was asked.
    assert!(!Browser::of(&server, &world, "omar").get("/controls/dual-approval").expect(200).body.contains("Show me."));
}

/// Whoever holds a token that is limited to one application gets, at every resource and with every request, nothing of another.
#[test]
fn a_token_of_one_application_opens_nothing_of_another() {
    let Some(Firm { world, a, b }) = two(&[]) else { return };
    let server = serve(&world);
    let whole = Program::new(&server, &token(&world, "ruth", "read,approve,deploy"));
    let issue =
        ["token", "issue", "--scope", "read,audit,submit,approve,deploy,observe", "--format", "json", "--application"];
    assert!(world.by("ruth", &[&issue[..], &["nothing"]].concat()).expect(2).err.contains("CS-AUDIT-034"));
    let limited = [&issue[..], &["gateway"]].concat();
    assert!(
        world.by("ruth", &[&limited[..], &["--repository", "/etc"]].concat()).expect(2).err.contains("CS-BEARER-005")
    );
    let limited = world.by("ruth", &limited).expect(0).json();
    assert_eq!(limited["applications"], json!(["gateway"]));
    let program = Program::new(&server, &limited);
    program.settled("/api/v1/frameworks").expect(200);
    let me: Value = serde_json::from_str(&program.get("/api/v1/me").expect(200).body).unwrap();
    assert_eq!((&me["applications"], &me["repositories"]), (&json!(["gateway"]), &json!([])));
    let keys = world.cs(["person", "key", "list", "ruth", "--format", "json"]).expect(0).json();
    let own_key = keys["keys"][0]["fingerprint"].as_str().unwrap();
    let key = own_key.replace('+', "%2B").replace('/', "%2F");
    let identity = |things: &Things| {
        let run: Value =
            serde_json::from_str(&whole.get(&format!("/api/v1/runs/{}", things.run)).expect(200).body).unwrap();
        (text(&run["repository"]), text(&run["commit"]))
    };
    let ((own, commit), (others, other_commit)) = (identity(&a), identity(&b));
    let query = |pattern: &str, things: &Things, repository: &str, commit: &str| match pattern {
        "/api/v1/runs/{run}/approvals/{slot}" => format!("?key={key}"),
        "/api/v1/runs/{run}/grant-statement" => format!("?key={key}&environment={}", things.environment),
        "/api/v1/repositories" => format!("?repository={repository}&commit={commit}"),
        _ => String::new(),
    };
    let (mut objects, mut lists) = (0, 0);
    for resource in countersign_server::resources() {
        let pattern = resource.path;
        if pattern.ends_with("{submission}") {
            continue;
        }
        let is_object = !matches!(resource.reach, Reach::Firm | Reach::List) || pattern.ends_with("/repositories");
        let get = |things: &Things, of: (&str, &str)| {
            program.get(&(things.path(pattern) + &query(pattern, things, of.0, of.1)))
        };
        let mine = get(&a, (&own, &commit));
        assert_ne!(mine.status, 404, "{pattern}: {}", mine.body);
        let other = get(&b, (&others, &other_commit));
        if is_object {
            objects += 1;
            assert!(other.expect(404).body.contains("CS-SERVER-022"), "{pattern}");
        } else if resource.reach == Reach::List {
            lists += 1;
            for trace in b.traces() {
                assert!(!mine.body.contains(trace), "{pattern} says {trace}: {}", mine.body);
            }
        }
    }
    assert!(objects >= 10 && lists >= 7, "{objects} {lists}");
    program.get(&format!("/api/v1/findings/{}", b.fingerprint)).expect(404);
    program.get("/api/v1/controls/dual-approval/population?application=payments").expect(404);
    let all = world.cs(["ledger", "entries", "--format", "json"]).expect(0).json();
    for e in all["entries"].as_array().unwrap() {
        let (index, stream) = (e["index"].as_u64().unwrap(), e["entry"]["stream"].as_str().unwrap());
        let of = |things: &Things| things.streams.iter().any(|s| s == stream) || index == things.population;
        let expected = if of(&b) { 404 } else { 200 };
        let answer = program.get(&format!("/api/v1/entries/{index}"));
        assert!(
            answer.status == expected || expected == 200 && !of(&a),
            "{index} {}: {}",
            e["entry"]["kind"],
            answer.status
        );
    }

    // What changes something: each request, about the other application.
    let jwt: Value =
        serde_json::from_str(&whole.get(&format!("/api/v1/grants/{}/token", b.grant)).expect(200).body).unwrap();
    let jwt = jwt["token"].as_str().unwrap();
    // What she signs with a whole token's help is not taken with a limited one.
    let granted = json!({"kind": "waive-grant", "waiver": b.waiver, "reason": "no"});
    let given: Value = serde_json::from_str(&prepare(&whole, own_key, &granted).expect(200).body).unwrap();
    let act = signed(&world, "ruth", countersign_evidence::act::WAIVER, &statements(&given)[0]);
    let act = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, act);
    let before = said(&world, "ActRefused").len();
    let command = format!("sha256:{}", "1".repeat(64));
    let mut sent = 0;
    for write in countersign_server::writes() {
        let query = match write.path {
            "/api/v1/submissions" => format!("?repository={others}&commit={other_commit}"),
            path if path.ends_with("/evidence") => "?name=a.txt".to_owned(),
            path if path.ends_with("/artifacts") => format!("?name=a&size=1&sha256={}", "1".repeat(64)),
            _ => String::new(),
        };
        let body = match write.path {
            "/api/v1/redemptions" => json!({"grant": b.grant, "artifacts": [], "command": command}).to_string(),
            "/api/v1/acts/prepare" => json!({"key": own_key, "host": "x", "act": granted}).to_string(),
            "/api/v1/acts" => json!({"acts": [act]}).to_string(),
            "/api/v1/verifications" => json!({"token": jwt, "environment": b.environment, "artifacts": []}).to_string(),
            _ => "{}".to_owned(),
        };
        let condition = format!("\"sha256:{}\"", "0".repeat(64));
        let mut headers = vec![("authorization", program.1.as_str()), ("idempotency-key", "0123456789abcdef")];
        headers.push(("if-match", &condition));
        headers.extend(write.media.map(|media| ("content-type", media)));
        let answer = program.0.send("POST", &(b.path(write.path) + &query), &headers, &body).expect(404);
        assert!(answer.body.contains("CS-SERVER-022"), "{}: {}", write.path, answer.body);
        sent += 1;
    }
    // And each kind of act by itself; what is for the whole firm is not for whoever acts for one application.
    let firm = json!({"controls": ["secrets-out-of-source"], "path": "**"});
    let others_scope = json!({"controls": ["secrets-out-of-source"], "application": "payments"});
    let both = json!({"controls": ["secrets-out-of-source"], "application": "gateway", "repository": others});
    let asks = |scope: &Value| json!({"kind": "waive-request", "scope": scope, "category": "waived", "acceptance": "x", "days": 1});
    let glass = |run: &str, application: Value| {
        json!({
            "kind": "break-glass-open", "run": run, "environment": "x", "application": application, "any_commit": false,
            "reason": "x", "ticket": "INC-1", "minutes": 1, "ratify_hours": 1, "review_days": 1,
        })
    };
    let packs = world.cs(["audit", "list", "--format", "json"]).expect(0).json()["packs"].clone();
    let pack = |things: &Things| {
        let mut all = packs.as_array().unwrap().iter().map(|pack| text(&pack["sha256"]));
        all.find(|digest| digest.trim_start_matches("sha256:").starts_with(&things.pack)).unwrap()
    };
    let opens = |applications: &[&str]| {
        let (from, to) = ("2026-01-01T00:00:00Z", "2031-01-01T00:00:00Z");
        json!({"kind": "audit-open", "name": "x", "from": from, "to": to, "applications": applications})
    };
    for asked in [
        json!({"kind": "reject", "run": b.run, "reason": "no"}),
        json!({"kind": "withdraw", "run": b.run, "reason": "no"}),
        json!({"kind": "waive-reject", "waiver": b.waiver, "reason": "no"}),
        json!({"kind": "waive-revoke", "waiver": b.waiver, "reason": "no"}),
        json!({"kind": "waive-renew", "waiver": b.waiver, "acceptance": "no", "days": 1}),
        json!({"kind": "grant-revoke", "grant": b.grant, "reason": "no"}),
        asks(&firm),
        asks(&others_scope),
        asks(&both),
        glass(&b.run, Value::Null),
        glass(&a.run, json!("payments")),
        json!({"kind": "break-glass-grant", "emergency": "brk-", "run": a.run}),
        json!({"kind": "break-glass-close", "emergency": "brk-", "reason": "no"}),
        opens(&[]),
        opens(&["payments"]),
        opens(&["gateway", "payments"]),
        json!({"kind": "audit-request", "audit": b.audit, "text": "no"}),
        json!({"kind": "audit-close", "audit": b.audit}),
        json!({"kind": "audit-answer", "request": b.request, "text": "no"}),
        json!({"kind": "audit-answer", "request": a.request, "text": "no", "evidence": [b.population]}),
        json!({"kind": "audit-answer", "request": a.request, "text": "no", "packs": [pack(&b)]}),
        json!({"kind": "audit-follow-up", "request": b.request, "text": "no"}),
        json!({"kind": "audit-request-close", "request": b.request}),
        json!({"kind": "reject", "run": "run-00000000000000000000", "reason": "no"}),
    ] {
        let answer = prepare(&program, own_key, &asked);
        assert_eq!(answer.status, 404, "{asked}: {}", answer.body);
        sent += 1;
    }
    assert_eq!(said(&world, "ActRefused").len(), before + sent, "each is recorded");
    let own = json!({"controls": ["secrets-out-of-source"], "application": "gateway"});
    prepare(&program, own_key, &asks(&own)).expect(200);
    prepare(&program, own_key, &opens(&["gateway"])).expect(200);
    let answers = json!({"kind": "audit-answer", "request": a.request, "text": "yes", "evidence": [a.population], "packs": [pack(&a)]});
    prepare(&program, own_key, &answers).expect(200);
    let list = world.cs(["token", "list"]).expect(0).out;
    assert!(list.contains("of gateway"), "{list}");
    world.cs(["ledger", "rebuild", "--check"]).expect(0);
}
