//! The server's pages, by the real binary over HTTP: who gets in, who sees what, and what the log says of it.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use countersign_model::Role;
use serde_json::Value;

use super::support::{World, have_ssh_keygen, planted_secret};
use super::witness::Server;

/// An answer.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (n, value) = line.split_once(": ")?;
            n.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}\n{}", self.head, self.body);
        self
    }

    /// The value of the hidden field of that name.
    pub(crate) fn field(&self, name: &str) -> String {
        let after = self.body.split(&format!("name=\"{name}\" value=\"")).nth(1).expect(name);
        after.split('"').next().unwrap().to_owned()
    }
}

/// A browser: it keeps one cookie.
pub(crate) struct Browser<'a> {
    server: &'a Server,
    pub(crate) cookie: Option<String>,
}

impl<'a> Browser<'a> {
    pub(crate) fn new(server: &'a Server) -> Self {
        Self { server, cookie: None }
    }

    /// Somebody signed in by their key.
    pub(crate) fn of(server: &'a Server, world: &World, person: &str) -> Self {
        let mut browser = Self::new(server);
        let welcome = world.by(person, &["login", "--server", &server.url, "--format", "json"]).expect(0).json();
        browser.follow(welcome["link"].as_str().unwrap());
        browser
    }

    /// Opens a link that signs in, and presses its button.
    pub(crate) fn follow(&mut self, link: &str) {
        let path = link.strip_prefix(self.server.url.as_str()).expect("a link of this server");
        let token = self.get(path).expect(200).field("token");
        let answer = self.post("/sign-in/link", &format!("token={token}")).expect(303);
        let cookie = answer.header("set-cookie").unwrap();
        assert!(
            cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax") && cookie.contains("Path=/"),
            "{cookie}"
        );
        self.cookie = Some(cookie.split(';').next().unwrap().to_owned());
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], "")
    }

    pub(crate) fn post(&self, path: &str, form: &str) -> Answer {
        let own = [("content-type", "application/x-www-form-urlencoded"), ("origin", self.server.url.as_str())];
        self.send("POST", path, &own, form)
    }

    pub(crate) fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        self.send_bytes(method, path, headers, body.as_bytes())
    }

    pub(crate) fn send_bytes(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let host = self.server.url.trim_start_matches("http://");
        let mut request =
            format!("{method} {path} HTTP/1.1\r\nconnection: close\r\ncontent-length: {}\r\n", body.len());
        if headers.iter().all(|(name, _)| *name != "host") {
            request.push_str(&format!("host: {host}\r\n"));
        }
        if let Some(cookie) = &self.cookie {
            request.push_str(&format!("cookie: {cookie}\r\n"));
        }
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        let mut stream = TcpStream::connect(host).unwrap();
        stream.write_all(&[format!("{request}\r\n").as_bytes(), body].concat()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let answer = String::from_utf8(answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head: head.to_owned(), body: body.to_owned() }
    }
}

pub(crate) fn firm() -> Option<World> {
    have_ssh_keygen().then(|| {
        let world = World::new();
        world.firm();
        world.key("olga");
        world.by("ada", &["person", "add", "olga", "--ssh-key", world.public("olga").to_str().unwrap()]).expect(0);
        world.by("ada", &["role", "grant", "olga", "auditor", "--reason", "audits"]).expect(0);
        world
    })
}

pub(crate) fn serve(world: &World) -> Server {
    let ledger = world.repo().join(".countersign");
    Server::start(world, &["--ledger", ledger.to_str().unwrap(), "serve", "--listen", "127.0.0.1:0"])
}

/// What the log says of a kind, oldest first.
pub(crate) fn said(world: &World, kind: &str) -> Vec<Value> {
    let all = world.cs(["ledger", "entries", "--format", "json"]).expect(0).json();
    let entries = all["entries"].as_array().unwrap();
    entries.iter().filter(|e| e["entry"]["kind"] == kind).cloned().collect()
}

#[test]
fn a_key_signs_in_once_a_link_and_a_stranger_is_refused_and_both_are_recorded() {
    let Some(world) = firm() else { return };
    let server = serve(&world);
    assert_eq!((server.get("/healthz").0, server.get("/readyz").0), (200, 200));
    // The log is public beside the pages, and nothing else of the ledger's files.
    assert_eq!(server.get("/checkpoint").0, 200);
    for path in ["/vkey", "/../salt", "/tile/0/..%2f..%2f..%2fsalt", "/subjects"] {
        assert_eq!(server.get(path).0, 404, "{path}");
    }
    let nobody = Browser::new(&server);
    for path in ["/", "/runs", "/ledger", "/ledger/0", "/access"] {
        assert_eq!(nobody.get(path).expect(303).header("location"), Some("/sign-in"), "{path}");
    }
    nobody.get("/live").expect(401);
    let dan = Browser::of(&server, &world, "dan");
    assert!(dan.get("/").expect(200).body.contains("<strong>dan</strong>"));
    let welcome = world.by("dan", &["login", "--server", &server.url, "--format", "json"]).expect(0).json();
    let link = welcome["link"].as_str().unwrap();
    let mut first = Browser::new(&server);
    first.follow(link);
    let token = link.rsplit('/').next().unwrap();
    nobody.post("/sign-in/link", &format!("token={token}")).expect(403);
    world.key("stranger");
    let out = world.by("stranger", &["login", "--server", &server.url]).expect(4);
    assert!(out.all().contains("CS-SERVER-026"), "{}", out.all());
    assert_eq!(said(&world, "SignedIn").len(), 2);
    let refused = said(&world, "SignInRefused");
    assert_eq!(refused.len(), 2, "the used link, and the stranger");
}

#[test]
fn whoever_asks_from_elsewhere_is_refused() {
    let Some(world) = firm() else { return };
    let server = serve(&world);
    let dan = Browser::of(&server, &world, "dan");
    let csrf = dan.get("/").expect(200).field("csrf");
    let form = ("content-type", "application/x-www-form-urlencoded");
    dan.post("/sign-out", "csrf=guessed").expect(403);
    dan.send("POST", "/sign-out", &[form, ("origin", "https://evil.example")], &format!("csrf={csrf}")).expect(403);
    let cross = [form, ("sec-fetch-site", "cross-site")];
    dan.send("POST", "/sign-out", &cross, &format!("csrf={csrf}")).expect(403);
    dan.send("GET", "/", &[("host", "evil.example")], "").expect(421);
    dan.get("/").expect(200);
    let other = Browser::of(&server, &world, "ruth");
    other.post("/sign-out", &format!("csrf={csrf}")).expect(403);
    let gone = dan.post("/sign-out", &format!("csrf={csrf}")).expect(303);
    assert!(gone.header("set-cookie").unwrap().contains("Max-Age=0"));
    dan.get("/").expect(303);
    assert_eq!(said(&world, "SignedOut").len(), 1);
    // Another origin is what somebody would sign for a server in the middle.
    let elsewhere = server.url.replace("127.0.0.1", "localhost");
    let out = world.by("dan", &["login", "--server", &elsewhere]);
    assert!(out.code != 0 && out.all().contains("CS-LOGIN-0"), "{}", out.all());
}

#[test]
fn each_role_sees_the_pages_that_are_its_own_and_an_auditors_looks_are_recorded() {
    let Some(world) = firm() else { return };
    world.commit_signed("mia", "leak.sh", &format!("export AWS_ACCESS_KEY_ID={}\n", planted_secret()));
    world.cs(["run", "--ticket", "CHG-0"]).expect(10);
    let found = world.cs(["findings", "--format", "json"]).expect(0).json();
    let fingerprint = found["findings"][0]["fingerprint"].as_str().unwrap().strip_prefix("sha256:").unwrap().to_owned();
    world.commit_signed("mia", "leak.sh", "echo\n");
    world.commit_signed("mia", "app.sh", "echo app\n");
    world.cs(["run", "--ticket", "<script>alert(1)</script>"]).expect(11);
    let run = world.cs(["gate", "check", "--format", "json"]).json()["run"]["id"].as_str().unwrap().to_owned();
    world.by("ada", &["environment", "register", "production", "--tier", "production"]).expect(0);
    let opened =
        ["audit", "open", "--name", "SOX 2026", "--from", "2026-01-01", "--to", "2027-01-01", "--format", "json"];
    let audit = world.by("ruth", &opened).expect(0).json()["audit"].as_str().unwrap().to_owned();
    let seal = ["audit", "population", "--control", "hooks-not-bypassed", "--from", "2026-01-01", "--to", "2027-01-01"];
    world.cs([&seal[..], &["--seal"]].concat());
    let sealed = said(&world, "PopulationSealed")[0]["index"].to_string();
    let waive = ["waive", "request", "--control", "secrets-out-of-source", "--this-repository"];
    let asked = world.by("mia", &[&waive[..], &["--accept", "<script>alert(1)</script>", "--format", "json"]].concat());
    let waiver = asked.expect(0).json()["waiver"].as_str().unwrap().to_owned();
    let (page, sample) = (format!("/populations/{sealed}"), format!("/populations/{sealed}/sample"));
    let places = [
        ("/populations/{index}/sample", sample.as_str()),
        ("/populations/{index}", page.as_str()),
        ("{run}", run.as_str()),
        ("{fingerprint}", fingerprint.as_str()),
        ("{slot}", "technical"),
        ("{waiver}", waiver.as_str()),
        ("{index}", "0"),
        ("{framework}", "sox"),
        ("{control}", "hooks-not-bypassed"),
        ("{environment}", "production"),
        ("{audit}", audit.as_str()),
    ];
    let server = serve(&world);
    let roles: [(&str, &[Role]); 5] = [
        ("ada", &[Role::Administrator]),
        ("mia", &[Role::Developer, Role::Engineer]),
        ("ruth", &[Role::ComplianceOfficer, Role::SecurityOfficer]),
        ("omar", &[Role::ReleaseManager]),
        ("olga", &[Role::Auditor]),
    ];
    let mut shown = 0;
    for (person, roles) in roles {
        let browser = Browser::of(&server, &world, person);
        for page in countersign_server::pages() {
            let path = places.iter().fold(page.path.to_owned(), |path, (place, value)| path.replace(place, value));
            let may = page.roles.iter().any(|role| roles.contains(role));
            let answer = browser.get(&path).expect(if may { 200 } else { 403 });
            assert!(!answer.body.contains("<script>alert"), "{path}");
            if may {
                assert!(answer.body.contains(page.question), "{path}");
                let policy = answer.header("content-security-policy").unwrap();
                assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
                assert_eq!(answer.header("cache-control"), Some("no-store"), "{path}");
                assert!(!answer.body.contains("style=") && !answer.body.contains("onclick"), "{path}");
                shown += usize::from(person == "olga");
            }
        }
        let csrf = browser.get("/frameworks").expect(200).field("csrf");
        shown += usize::from(person == "olga");
        for act in countersign_server::acts() {
            let path = places.iter().fold(act.path.to_owned(), |path, (place, value)| path.replace(place, value));
            let forged = browser.post(&path, "csrf=guessed").expect(403);
            assert!(forged.body.contains("CS-SERVER-025"), "{path}");
            let answer = browser.post(&path, &format!("csrf={csrf}"));
            // An auditor has the acts of an audit and no other, and nobody else has those; whoever may try is told what is missing.
            let of_audit = act.path.starts_with("/populations/") || act.path.starts_with("/audits/{audit}/ask");
            assert_eq!(act.is_of_audit, of_audit, "{}", act.path);
            let (status, code) = match (person == "olga", of_audit, act.path.ends_with("/prepare")) {
                (auditor, of_audit, _) if auditor != of_audit && !act.actions.is_empty() => (403, "CS-SERVER-024"),
                (true, ..) if act.path.ends_with("/sample") => (400, "CS-SERVER-023"),
                _ if act.path == "/ledger/verify" => (303, ""),
                _ if act.path.ends_with("/pack") && person == "ruth" => (303, ""),
                _ if act.path.ends_with("/pack") => (403, "CS-SERVER-024"),
                (_, _, true) => (403, "CS-SERVER-041"),
                (_, _, false) => (409, "CS-SERVER-040"),
            };
            assert!(answer.expect(status).body.contains(code), "{person} {path}");
            // What is no act of the log is a look of an auditor.
            shown += usize::from(person == "olga" && act.actions.is_empty());
            browser.send("GET", &format!("{path}/no-page"), &[], "").expect(404);
        }
    }
    assert_eq!(said(&world, "EvidenceViewed").len(), shown);
    let olga = Browser::of(&server, &world, "olga");
    olga.get(&format!("/runs/{}", "x".repeat(2000))).expect(404);
    let page = olga.get("/runs/no-such-run").expect(404);
    assert!(page.body.contains("CS-SERVER-022"));
    assert_eq!(said(&world, "EvidenceViewed").len(), shown + 1, "a look at nothing is a look");
}

#[test]
fn looks_that_come_at_once_are_each_recorded() {
    let Some(world) = firm() else { return };
    let ledger = world.repo().join(".countersign");
    let serve = ["--ledger", ledger.to_str().unwrap(), "serve", "--listen", "127.0.0.1:0", "--rate", "100000"];
    let server = Server::start(&world, &serve);
    let olga = Browser::of(&server, &world, "olga");
    const BROWSERS: usize = 12;
    let mut looks: Vec<String> = std::thread::scope(|scope| {
        let browse = |n: usize| {
            let mut own = Browser::new(&server);
            own.cookie.clone_from(&olga.cookie);
            let mut paths: Vec<String> = (0..4).map(|m| format!("/runs/none-{n}-{m}")).collect();
            for path in &paths {
                own.get(path).expect(404);
            }
            own.get("/findings").expect(200);
            paths.push("/findings".to_owned());
            paths
        };
        let browsers: Vec<_> = (0..BROWSERS).map(|n| scope.spawn(move || browse(n))).collect();
        browsers.into_iter().flat_map(|browser| browser.join().unwrap()).collect()
    });
    looks.sort();
    let mut recorded: Vec<String> = Vec::new();
    for entry in said(&world, "EvidenceViewed") {
        let statement = world.cs(["ledger", "show", &entry["index"].to_string(), "--statement"]).expect(0).json();
        recorded.push(statement["predicate"]["path"].as_str().unwrap().to_owned());
    }
    recorded.sort();
    assert_eq!(recorded, looks);
}

#[test]
fn a_role_or_a_key_that_ends_ends_the_visit() {
    let Some(world) = firm() else { return };
    let server = serve(&world);
    let omar = Browser::of(&server, &world, "omar");
    let olga = Browser::of(&server, &world, "olga");
    omar.get("/runs").expect(200);
    olga.get("/runs").expect(200);
    world.by("ada", &["role", "revoke", "omar", "release-manager", "--reason", "moved"]).expect(0);
    omar.get("/runs").expect(403);
    world.by("omar", &["login", "--server", &server.url]).expect(4);
    let keys = world.cs(["person", "key", "list", "olga", "--format", "json"]).expect(0).json();
    let key = keys["keys"][0]["fingerprint"].as_str().unwrap();
    world.by("ada", &["person", "key", "revoke", "olga", key, "--reason", "lost"]).expect(0);
    let answer = olga.get("/runs").expect(403);
    assert!(answer.body.contains("was revoked"), "{}", answer.body);
}

#[test]
fn every_number_leads_to_a_list_of_so_many_rows() {
    let Some(world) = firm() else { return };
    for n in 0..3 {
        world.commit_signed("mia", &format!("app{n}.sh"), "echo app\n");
        world.cs(["run"]).expect(11);
    }
    world.commit("unsigned.sh", "echo\n");
    let last = world.cs(["run"]);
    assert!(last.code == 10 || last.code == 11, "{}", last.all());
    let server = serve(&world);
    let dan = Browser::of(&server, &world, "dan");
    let posture = dan.get("/").expect(200).body;
    let tiles: Vec<(String, usize)> = posture
        .split("<a class=\"tile")
        .skip(1)
        .map(|tile| {
            let href = tile.split("href=\"").nth(1).unwrap().split('"').next().unwrap().replace("&amp;", "&");
            let number = tile.split("class=\"number\">").nth(1).unwrap().split('<').next().unwrap();
            (href, number.replace('\u{202f}', "").parse().unwrap())
        })
        .collect();
    assert!(tiles.len() >= 5 && tiles.iter().map(|(_, n)| n).sum::<usize>() >= 4, "{tiles:?}");
    for (href, number) in tiles.iter().filter(|(href, _)| href.starts_with("/runs")) {
        let list = dan.get(href).expect(200).body;
        let rows = list.split("<tbody>").nth(1).map_or(0, |body| body.matches("<tr>").count());
        assert_eq!(rows, *number, "{href}");
    }
    let all = dan.get("/runs").expect(200).body;
    assert_eq!(all.split("<tbody>").nth(1).unwrap().matches("<tr>").count(), 4);
}

#[test]
fn what_is_appended_is_on_open_pages_within_a_second_and_a_reconnect_misses_nothing() {
    let Some(world) = firm() else { return };
    let server = serve(&world);
    let dan = Browser::of(&server, &world, "dan");
    let host = server.url.trim_start_matches("http://");
    let mut stream = TcpStream::connect(host).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let cookie = dan.cookie.as_ref().unwrap();
    write!(stream, "GET /live HTTP/1.1\r\nhost: {host}\r\ncookie: {cookie}\r\nlast-event-id: 3\r\n\r\n").unwrap();
    let mut read = String::new();
    let mut until = |what: &str| {
        let mut buffer = [0; 4096];
        while !read.contains(what) {
            let n = stream.read(&mut buffer).unwrap();
            assert!(n > 0, "{read}");
            read.push_str(&String::from_utf8_lossy(&buffer[..n]));
        }
        read.clone()
    };
    let first = until("SignedIn");
    assert!(first.contains("id: 4\n") && !first.contains("id: 3\n"), "{first}");
    let size =
        world.cs(["ledger", "entries", "--format", "json"]).expect(0).json()["entries"].as_array().unwrap().len();
    world.by("ada", &["role", "grant", "omar", "developer", "--reason", "helps out"]).expect(0);
    let appended = Instant::now();
    until(&format!("id: {size}\n"));
    let took = appended.elapsed();
    // The bound that is asked for is a second on a quiet machine; the benchmark measures it.
    assert!(took < Duration::from_secs(10), "{took:?}");
}

#[test]
fn what_has_no_key_or_no_encryption_serves_no_pages() {
    let Some(world) = firm() else { return };
    let ledger = world.repo().join(".countersign");
    let ledger = ledger.to_str().unwrap();
    let out = world.cs(["--ledger", ledger, "serve", "--listen", "0.0.0.0:0"]).expect(2);
    assert!(out.all().contains("CS-SERVER-005"), "{}", out.all());
    let out = world.cs(["--ledger", ledger, "serve", "--listen", "127.0.0.1:0", "--origin", "countersign"]).expect(2);
    assert!(out.all().contains("CS-SERVER-004"), "{}", out.all());
    let server = Server::start(&world, &["--ledger", ledger, "serve", "--listen", "127.0.0.1:0", "--log-only"]);
    assert_eq!(server.get("/checkpoint").0, 200);
    assert_eq!(server.get("/sign-in").0, 404);
    drop(server);
    let other = World::new();
    let server = Server::start(&other, &["--ledger", ledger, "serve", "--listen", "127.0.0.1:0"]);
    assert_eq!(server.get("/checkpoint").0, 200);
    assert_eq!(server.get("/").0, 404);
}
