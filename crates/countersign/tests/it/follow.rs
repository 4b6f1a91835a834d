//! Servers on one database, each with tables and a pin of its own that follow what others append.

use std::fs::File;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use super::database::cluster::{self, Cluster};
use super::server::Browser;
use super::support::{World, have_ssh_keygen};
use super::witness::Server;

/// A server with a data directory of its own, and what it says on stderr.
struct Follower {
    world: World,
    server: Server,
    log: PathBuf,
}

impl Follower {
    /// A machine that trusts `firm`'s ledger and serves it from `address`.
    fn start(firm: &World, address: &str) -> Self {
        let world = World::new();
        let trust = world.path("trust");
        firm.cs(["trust", "export", "--out", trust.to_str().unwrap()]).expect(0);
        world.cs(["trust", "import", trust.to_str().unwrap()]).expect(0);
        Self::serve(world, address)
    }

    fn serve(world: World, address: &str) -> Self {
        let log = world.path("stderr");
        let stderr = Stdio::from(File::create(&log).unwrap());
        let args = ["--ledger", address, "serve", "--log-only", "--log-format", "off", "--listen", "127.0.0.1:0"];
        let server = Server::start_saying(&world, &args, stderr);
        Self { world, server, log }
    }

    fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// The directory of the one ledger that this machine knows.
    fn ledger_dir(&self) -> PathBuf {
        let mut dirs = std::fs::read_dir(self.world.path("data/ledgers")).unwrap();
        dirs.next().unwrap().unwrap().path()
    }

    /// How many entries the tables of this machine have, the pin has seen, and the server publishes. No command is run for
    /// that, since it would fold by itself.
    fn sizes(&self) -> (u64, u64, u64) {
        let dir = self.ledger_dir();
        let tables = std::fs::read_dir(&dir).unwrap().map(|e| e.unwrap().path());
        let tables = tables.filter(|p| p.extension().is_some_and(|e| e == "db"));
        let size = |path: PathBuf| {
            let db = rusqlite::Connection::open_with_flags(path, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY).ok()?;
            db.query_row("select size from position", [], |row| row.get::<_, u64>(0)).ok()
        };
        let tables = tables.filter_map(size).max().unwrap_or(0);
        let pin: serde_json::Value = serde_json::from_slice(&std::fs::read(dir.join("pin.json")).unwrap()).unwrap();
        let note = String::from_utf8(self.server.get("/checkpoint").2).unwrap();
        let published = note.lines().nth(1).and_then(|line| line.parse().ok()).unwrap_or(0);
        (tables, pin["seen"]["size"].as_u64().unwrap(), published)
    }

    fn reaches(&self, size: u64) {
        until(|| self.sizes() == (size, size, size), || format!("{:?} of {size}\n{}", self.sizes(), self.said()));
    }
}

fn until(what: impl Fn() -> bool, else_say: impl Fn() -> String) {
    let start = Instant::now();
    while !what() {
        assert!(start.elapsed() < Duration::from_secs(120), "{}", else_say());
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn size(cluster: &Cluster, schema: &str) -> u64 {
    cluster.sql(&format!("select size from {schema}.head")).parse().unwrap()
}

fn firm(cluster: &Cluster, schema: &str) -> World {
    let mut firm = World::new();
    firm.ledger = Some(cluster.url(schema));
    firm.firm();
    firm
}

#[test]
fn servers_on_one_database_follow_what_others_append() {
    let Some(cluster) = cluster::shared().filter(|_| have_ssh_keygen()) else { return };
    let firm = firm(cluster, "followed");
    let url = cluster.url("followed");
    let called = Follower::start(&firm, &url);
    let looking = Follower::start(&firm, &format!("{url}&notify=off"));
    for follower in [&called, &looking] {
        follower.reaches(size(cluster, "followed"));
    }
    // A third process appends: a commit is judged and approved.
    firm.approve();
    for follower in [&called, &looking] {
        follower.reaches(size(cluster, "followed"));
        let runs = follower.world.cs(["ledger", "runs", "--ledger", &url]).expect(0);
        assert!(runs.out.contains("run-"), "{}", runs.out);
        follower.world.cs(["verify", "--ledger", &url]).expect(0);
        // The tables are those that the log gives.
        follower.world.cs(["ledger", "rebuild", "--check", "--ledger", &url]).expect(0);
        assert_eq!(follower.said(), "");
    }
    for follower in [called, looking] {
        assert_eq!(follower.server.terminate(), Some(0));
    }
    firm.cs(["ledger", "info", "--ledger", &format!("{url}&notify=sometimes")]).expect(2);
}

#[test]
fn servers_outlive_a_restart_of_the_database_and_say_so_once() {
    if !have_ssh_keygen() {
        return;
    }
    let Some(cluster) = Cluster::start(&[]) else { return };
    let firm = firm(&cluster, "restarted");
    let url = cluster.url("restarted");
    let followers = [Follower::start(&firm, &url), Follower::start(&firm, &format!("{url}&notify=off"))];
    let lost = |said: &str| said.matches("the ledger is not followed").count();
    let again = |said: &str| said.matches("the ledger is followed again").count();
    for follower in &followers {
        follower.reaches(size(&cluster, "restarted"));
    }
    cluster.crash();
    for follower in &followers {
        until(|| lost(&follower.said()) > 0, || follower.said());
        assert!(
            follower.said().contains("[CS-PG-001]") && follower.said().contains("pg_isready"),
            "{}",
            follower.said()
        );
    }
    cluster.restart();
    firm.commit("b.sh", "echo b\n");
    firm.cs(["run"]).expect(11);
    for follower in followers {
        follower.reaches(size(&cluster, "restarted"));
        until(|| again(&follower.said()) > 0, || follower.said());
        let said = follower.said();
        assert_eq!((lost(&said), again(&said)), (1, 1), "{said}");
        follower.world.cs(["verify", "--ledger", &url]).expect(0);
        assert_eq!(follower.server.terminate(), Some(0));
    }
}

#[test]
fn a_server_ends_when_the_log_goes_back() {
    let Some(cluster) = cluster::shared().filter(|_| have_ssh_keygen()) else { return };
    let firm = firm(cluster, "went_back");
    let url = cluster.url("went_back");
    let other = Follower::start(&firm, &url);
    other.reaches(size(cluster, "went_back"));
    // The whole schema is taken back to an older state, as a restored dump does.
    let kept = "create table public.kept as table went_back.head";
    cluster.sql(kept);
    firm.commit("c.sh", "echo c\n");
    firm.cs(["run"]).expect(11);
    other.reaches(size(cluster, "went_back"));
    // One with the log key learns from the head, one without from the published checkpoint.
    let holder = Follower::serve(firm, &url);
    holder.reaches(size(cluster, "went_back"));
    cluster.sql(
        "update went_back.head h set size = k.size, root = k.root, epoch = k.epoch, last_time = k.last_time, seal = k.seal, \
         checkpoint = k.checkpoint from public.kept k",
    );
    for follower in [other, holder] {
        let Follower { server, log, .. } = follower;
        assert_eq!(server.ended(), Some(13), "{}", std::fs::read_to_string(&log).unwrap());
    }
}

#[test]
fn an_auditor_with_the_role_for_it_examines_the_ledger_and_reads_no_names() {
    let Some(cluster) = cluster::shared().filter(|_| have_ssh_keygen()) else { return };
    let firm = firm(cluster, "audited");
    firm.approve();
    let roles = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/sql/roles.sql");
    cluster.run("psql", &["-X", "-q", "-v", "ON_ERROR_STOP=1", "-v", "schema=audited", "-f", roles]);
    cluster.sql("create role audrey login in role countersign_auditor");
    let url = cluster.url("audited").replace("tester@", "audrey@");
    let auditor = Follower::start(&firm, &url);
    auditor.reaches(size(cluster, "audited"));
    for args in [&["verify"][..], &["ledger", "runs"], &["ledger", "info"], &["ledger", "rebuild"]] {
        auditor.world.cs(args.iter().chain(&["--ledger", &url])).expect(0);
    }
    // The names of people are sealed with keys that the role may not read.
    assert!(firm.cs(["person", "list"]).expect(0).out.contains("Ada"));
    let people = auditor.world.cs(["person", "list", "--ledger", &url]);
    // As a word: three letters stand in a fingerprint now and then.
    assert!(!people.all().split_whitespace().any(|word| word == "Ada"), "{}", people.all());
    let run = auditor.world.cs(["record", "--ledger", &url, "latest", "--note", "x"]);
    assert_ne!(run.code, 0, "{}", run.all());
    assert_eq!(auditor.server.terminate(), Some(0));
}

#[test]
fn pages_of_a_ledger_in_a_database_are_those_of_the_log() {
    let Some(cluster) = cluster::shared().filter(|_| have_ssh_keygen()) else { return };
    let firm = firm(cluster, "pages");
    let url = cluster.url("pages");
    let server = Server::start(&firm, &["--ledger", &url, "serve", "--listen", "127.0.0.1:0"]);
    let ruth = Browser::of(&server, &firm, "ruth");
    let before = size(cluster, "pages");
    assert!(ruth.get("/").expect(200).body.contains("no run yet"));
    // Another process appends; the next page has it.
    firm.by("ada", &["environment", "register", "staging", "--tier", "test"]).expect(0);
    assert!(ruth.get("/environments").expect(200).body.contains("/environments/staging"));
    assert_eq!(size(cluster, "pages"), before + 1, "looking appends nothing for whoever is no auditor");
    let entries = ruth.get("/ledger").expect(200).body;
    assert!(entries.contains("SignedIn") && entries.contains("EnvironmentRegistered"), "{entries}");
    assert_eq!(server.terminate(), Some(0));
}
