//! Witnesses and the published log, by the real binary over real sockets.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Stdio};

use countersign_connect::{Submission, WitnessClient, WitnessError};
use countersign_evidence::checkpoint::{self, Checkpoint};
use countersign_evidence::merkle::{Hash, MemoryTree, consistency_proof, leaf_hash};
use countersign_evidence::note::{SignerKey, VerifierKey};

use crate::server::{Browser, firm, serve};
use crate::support::World;

/// A server of ours, ended by its id when the test is over.
pub(crate) struct Server {
    child: Child,
    pub(crate) url: String,
}

impl Server {
    /// Starts it and waits until it says where it listens.
    pub(crate) fn start(world: &World, args: &[&str]) -> Self {
        Self::start_saying(world, args, Stdio::null())
    }

    /// As [`Server::start`], with stderr going there.
    pub(crate) fn start_saying(world: &World, args: &[&str], stderr: Stdio) -> Self {
        Self::start_with(world, args, &[], stderr)
    }

    /// As [`Server::start_saying`], with these in its environment.
    pub(crate) fn start_with(world: &World, args: &[&str], variables: &[(&str, &str)], stderr: Stdio) -> Self {
        let mut command = world.command(env!("CARGO_BIN_EXE_countersign"), &world.path("home"));
        let mut child =
            command.args(args).envs(variables.iter().copied()).stdout(Stdio::piped()).stderr(stderr).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let url = line.rsplit(" on ").next().unwrap().trim().trim_end_matches('/').to_owned();
        let here = ["http://127.0.0.1:", "http://localhost:", "https://127.0.0.1:"];
        assert!(here.iter().any(|start| url.starts_with(start)), "{line}");
        Self { child, url }
    }

    /// `kill -9`.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM, and how it ended.
    #[expect(clippy::disallowed_methods, reason = "sends a signal as a service manager does")]
    pub(crate) fn terminate(mut self) -> Option<i32> {
        let id = self.child.id().to_string();
        assert!(std::process::Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        self.child.wait().unwrap().code()
    }

    /// How it ended by itself.
    pub(crate) fn ended(mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }

    /// Status, head and body of a request.
    fn ask(&self, request: &str) -> (u16, String, Vec<u8>) {
        let address = self.url.trim_start_matches("http://");
        let mut stream = TcpStream::connect(address).unwrap();
        let _ = stream.write_all(request.as_bytes());
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let split = answer.windows(4).position(|w| w == b"\r\n\r\n").unwrap_or(answer.len());
        let head = String::from_utf8_lossy(&answer[..split]).to_ascii_lowercase();
        let status = head.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or(0);
        (status, head, answer.get(split + 4..).unwrap_or_default().to_vec())
    }

    pub(crate) fn get(&self, path: &str) -> (u16, String, Vec<u8>) {
        self.ask(&format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn tree(size: u64) -> MemoryTree {
    let mut tree = MemoryTree::new();
    tree.extend((0..size).map(|i| leaf_hash(&i.to_be_bytes())));
    tree
}

fn log() -> SignerKey {
    SignerKey::from_seed("example.com/log", &[1; 32]).unwrap()
}

fn signed(size: u64, root: Hash) -> String {
    Checkpoint { origin: "example.com/log".into(), size, root }.sign(&log()).unwrap()
}

/// A witness that knows the log above, and its verifier keys.
pub(crate) fn init(world: &World, dir: &str, name: &str) -> Vec<VerifierKey> {
    let out = world.cs_in(&world.path("home"), ["witness", "init", dir, "--name", name]).expect(0).out;
    let keys: Vec<_> = out.lines().filter_map(|line| VerifierKey::parse(line).ok()).collect();
    assert_eq!(keys.len(), 2, "{out}");
    keys
}

fn cosign(server: &Server, keys: &[VerifierKey], hint: u64, size: u64) -> Result<usize, WitnessError> {
    let tree = tree(size);
    let checkpoint = signed(size, tree.root());
    let submission = Submission { checkpoint: &checkpoint, size, hint };
    let client = WitnessClient::new(&server.url).unwrap();
    client.cosign(&submission, keys, |old| consistency_proof(old, size, &tree)).map(|lines| lines.len())
}

#[test]
fn a_witness_over_http_survives_being_killed() {
    let world = World::new();
    let keys = init(&world, "w", "witness.example/w1");
    let serve = ["witness", "serve", "w", "--listen", "127.0.0.1:0"];
    let server = Server::start(&world, &serve);
    assert!(matches!(cosign(&server, &keys, 0, 5), Err(WitnessError::Refused { status: 404, .. })));
    world.cs_in(&world.path("home"), ["witness", "add-log", "w", &log().verifier().to_string()]).expect(0);
    assert_eq!(cosign(&server, &keys, 0, 5).unwrap(), 2);
    assert_eq!(cosign(&server, &keys[..1], 3, 9).unwrap(), 1, "it names the size it knows, and is asked again");
    server.kill();
    let server = Server::start(&world, &serve);
    assert!(matches!(cosign(&server, &keys, 5, 7), Err(WitnessError::Ahead { known: 9, size: 7, .. })));
    let fork = signed(9, [7; 32]);
    let submission = Submission { checkpoint: &fork, size: 9, hint: 9 };
    let client = WitnessClient::new(&format!("{}/", server.url)).unwrap();
    let refused = client.cosign(&submission, &keys, |_| Ok::<_, std::io::Error>(Vec::new()));
    assert!(matches!(refused, Err(WitnessError::Contradicted { .. })));
    // Another witness's key: what came back is not its word.
    let other = init(&world, "other", "witness.example/w2");
    assert!(matches!(cosign(&server, &other, 9, 12), Err(WitnessError::Answer { .. })));
    // A second process does not serve the same memory.
    let second = world.cs_in(&world.path("home"), serve).expect(5);
    assert!(second.err.contains("CS-SERVER-012"), "{}", second.err);
    let path = format!("/{}/checkpoint", countersign_model::Digest::of(b"example.com/log").hex());
    let (status, _, note) = server.get(&path);
    assert_eq!((status, checkpoint::open_any(&note, &[log().verifier().clone()]).unwrap().size), (200, 12));
    assert_eq!(server.terminate(), Some(0));
}

#[test]
fn a_witness_bounds_what_it_reads() {
    let world = World::new();
    init(&world, "w", "witness.example/w1");
    let server = Server::start(&world, &["witness", "serve", "w", "--listen", "127.0.0.1:0"]);
    let post = |length: usize, body: &str| {
        server.ask(&format!(
            "POST /add-checkpoint HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
        ))
    };
    assert_eq!(post(4, "old ").0, 400);
    assert_eq!(post(3 << 20, "old 0\n").0, 413);
    for (path, status) in [
        ("/", 404),
        ("/add-checkpoint", 405),
        ("/keys/ed25519", 404),
        ("/..%2f..%2fkeys/checkpoint", 404),
        ("/%00/checkpoint", 404),
    ] {
        assert_eq!(server.get(path).0, status, "{path}");
    }
    assert_eq!(server.terminate(), Some(0));
}

#[test]
fn clients_refuse_addresses_that_are_none() {
    for bad in [
        "",
        "witness.example",
        "ftp://w.example",
        "https://",
        "https:///x",
        "https://u:p@w.example",
        "http://w.example/?q",
        "http://w example",
    ] {
        assert!(matches!(WitnessClient::new(bad), Err(WitnessError::Url { .. })), "{bad}");
    }
    let shown = WitnessClient::new("https://user:secret@w.example").unwrap_err().to_string();
    assert!(!shown.contains("secret"), "{shown}");
    // Nobody listens there: a port that was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let client = WitnessClient::new(&format!("http://127.0.0.1:{port}")).unwrap();
    let checkpoint = signed(1, tree(1).root());
    let submission = Submission { checkpoint: &checkpoint, size: 1, hint: 0 };
    let down = client.cosign(&submission, &[], |_| Ok::<_, std::io::Error>(Vec::new()));
    assert!(matches!(down, Err(WitnessError::Unreachable { .. })));
}

#[test]
fn the_published_log_is_the_one_on_the_disk() {
    let world = World::with_commit();
    let ran = world.cs(["run"]);
    assert!(ran.code == 11 || ran.code == 10, "{}", ran.all());
    let repo = world.repo().display().to_string();
    let server = Server::start(&world, &["--repo", &repo, "serve", "--log-only", "--listen", "127.0.0.1:0"]);
    let ledger = world.repo().join(".countersign/ledger");
    let (status, head, body) = server.get("/checkpoint");
    assert_eq!((status, &body), (200, &std::fs::read(ledger.join("checkpoint")).unwrap()));
    assert!(
        head.contains("content-type: text/plain; charset=utf-8") && head.contains("cache-control: public, max-age=2")
    );
    let vkey = std::fs::read_to_string(ledger.join("vkey")).unwrap();
    let size = checkpoint::open_any(&body, &[VerifierKey::parse(vkey.trim()).unwrap()]).unwrap().size;
    for kind in ["0", "entries"] {
        let path = format!("tile/{kind}/000.p/{size}");
        let (status, head, body) = server.get(&format!("/{path}"));
        assert_eq!((status, body), (200, std::fs::read(ledger.join(&path)).unwrap()));
        assert!(head.contains("content-type: application/octet-stream"));
    }
    for path in
        ["/", "/vkey", "/ledger/checkpoint", "/../salt", "/tile/0/..%2f..%2f..%2fsalt", "/tile/0/000", "/subjects"]
    {
        assert_eq!(server.get(path).0, 404, "{path}");
    }
    assert_eq!(server.terminate(), Some(0));
}

#[test]
fn commands_append_through_the_process_that_serves() {
    let world = World::with_commit();
    world.cs(["run"]);
    let size_of = |note: &[u8]| String::from_utf8_lossy(note).lines().nth(1).unwrap().parse::<u64>().unwrap();
    let ledger = world.repo().join(".countersign");
    let before = size_of(&std::fs::read(ledger.join("ledger/checkpoint")).unwrap());
    let repo = world.repo().display().to_string();
    let server = Server::start(&world, &["--repo", &repo, "serve", "--listen", "127.0.0.1:0"]);
    for n in 1..=3 {
        let ran = world.cs(["run"]);
        assert_eq!(ran.code, 11, "{}", ran.all());
        // The answer of the serving process and what it serves agree at once.
        assert_eq!(size_of(&server.get("/checkpoint").2), before + n, "{}", ran.all());
    }
    let info = world.cs(["ledger", "info", "--format", "json"]).expect(0).json();
    assert_eq!(info["size"], before + 3);
    // It is killed: what was acknowledged is there for the next command.
    server.kill();
    let ran = world.cs(["run"]);
    assert_eq!(ran.code, 11, "{}", ran.all());
    world.cs(["verify"]).expect(0);
    assert_eq!(size_of(&std::fs::read(ledger.join("ledger/checkpoint")).unwrap()), before + 4);
    // Ended in an orderly way it leaves nothing behind.
    let server = Server::start(&world, &["--repo", &repo, "serve", "--listen", "127.0.0.1:0"]);
    world.cs(["run"]);
    assert_eq!(server.terminate(), Some(0));
    assert_eq!(std::fs::read_dir(ledger.join("wal")).unwrap().count(), 0);
    world.cs(["verify"]).expect(0);
}

#[test]
fn a_process_that_serves_and_cannot_publish_says_so_once_and_says_when_it_can_again() {
    let world = World::with_commit();
    world.cs(["run"]);
    let log = world.path("stderr");
    let said = || std::fs::read_to_string(&log).unwrap();
    let until = |text: &str| {
        let start = std::time::Instant::now();
        while !said().contains(text) {
            assert!(start.elapsed().as_secs() < 120, "{}", said());
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    };
    let repo = world.repo().display().to_string();
    let args = ["--repo", &repo, "serve", "--listen", "127.0.0.1:0"];
    let server = Server::start_saying(&world, &args, Stdio::from(std::fs::File::create(&log).unwrap()));
    // Nothing can take the place of a directory that holds something.
    let obstacle = world.repo().join(".countersign/tmp/checkpoint");
    std::fs::create_dir_all(obstacle.join("full")).unwrap();
    assert_eq!(world.cs(["run"]).code, 11, "appending goes on");
    until("[CS-LEDGER-027] the log cannot be published");
    assert!(said().contains("[CS-LEDGER-008]") && said().contains("countersign explain CS-LEDGER-008"), "{}", said());
    assert_eq!(world.cs(["run"]).code, 11);
    std::fs::remove_dir_all(&obstacle).unwrap();
    until("the log is published again, up to");
    assert_eq!(said().lines().count(), 2, "{}", said());
    assert_eq!(server.terminate(), Some(0));
    world.cs(["verify"]).expect(0);
}

/// A world with a run in its ledger, two witnesses that know it, and a policy that asks for both.
struct Witnessed {
    world: World,
    keys: [Vec<VerifierKey>; 2],
    vkey: String,
}

const SERVE: [[&str; 5]; 2] =
    [["witness", "serve", "w1", "--listen", "127.0.0.1:0"], ["witness", "serve", "w2", "--listen", "127.0.0.1:0"]];

impl Witnessed {
    fn new() -> Self {
        Self::of(World::with_commit())
    }

    fn of(world: World) -> Self {
        world.cs(["run"]);
        let keys = [init(&world, "w1", "witness.example/w1"), init(&world, "w2", "witness.example/w2")];
        let vkey =
            world.cs(["ledger", "info", "--format", "json"]).expect(0).json()["vkey"].as_str().unwrap().to_owned();
        for dir in ["w1", "w2"] {
            world.cs_in(&world.path("home"), ["witness", "add-log", dir, &vkey]).expect(0);
        }
        Self { world, keys, vkey }
    }

    fn servers(&self) -> [Server; 2] {
        SERVE.map(|args| Server::start(&self.world, &args))
    }

    /// The first witness by its Ed25519 key, the second by ML-DSA-44.
    fn policy(&self, servers: &[Server; 2]) -> String {
        format!(
            "log {}\nwitness one {} {}\nwitness two {} {}/\ngroup both all one two\nquorum both\n",
            self.vkey, self.keys[0][0], servers[0].url, self.keys[1][1], servers[1].url
        )
    }

    fn set(&self, policy: &str) {
        std::fs::write(self.world.path("policy"), policy).unwrap();
        self.world.cs(["trust", "policy", "set", &self.world.path("policy").display().to_string()]).expect(0);
    }

    fn checkpoint(&self) -> String {
        std::fs::read_to_string(self.world.repo().join(".countersign/ledger/checkpoint")).unwrap()
    }
}

#[test]
fn a_ledger_is_witnessed_and_a_witness_that_is_down_delays_it_only() {
    let w = Witnessed::new();
    let nothing_set = w.world.cs(["ledger", "witness"]).expect(2);
    assert!(nothing_set.err.contains("CS-AUDIT-021"), "{}", nothing_set.err);
    let servers = w.servers();
    let policy = w.policy(&servers);
    w.set(&policy);
    let [one, two] = servers;
    two.kill();
    let unmet = w.world.cs(["ledger", "witness"]).expect(14);
    assert!(
        unmet.out.contains("✓ one") && unmet.out.contains("CS-WITNESS-002") && unmet.out.contains("2 of (one, two)"),
        "{}",
        unmet.out
    );
    assert!(w.world.cs(["verify"]).expect(13).out.contains("CS-EVIDENCE-047"));
    // The command's own outcome stands, whatever the witnesses do.
    w.world.commit("more", "more\n");
    let ran = w.world.cs(["run"]);
    assert!((ran.code == 10 || ran.code == 11) && ran.err.contains("quorum of witnesses is not met"), "{}", ran.all());
    one.kill();
    let servers = w.servers();
    w.set(&w.policy(&servers));
    let met = w.world.cs(["ledger", "witness", "--format", "json"]).expect(0).json();
    assert_eq!((&met["quorum"]["met"], met["cosignatures"].as_array().unwrap().len()), (&true.into(), 2));
    assert!(w.world.cs(["verify"]).expect(0).out.contains("witnesses: one, two"));
    // From now on every append is cosigned by itself, and says nothing about it.
    w.world.commit("again", "again\n");
    let ran = w.world.cs(["run"]);
    assert!((ran.code == 10 || ran.code == 11) && !ran.err.contains("witness"), "{}", ran.all());
    assert_eq!(
        w.world.cs(["verify", "--format", "json"]).expect(0).json()["witnesses"],
        serde_json::json!(["one", "two"])
    );
    // A receipt carries the cosignatures, and stands without us.
    let text = w.world.cs(["ledger", "receipt", "1"]).expect(0).out;
    let receipt = countersign_evidence::receipt::Receipt::parse(&text).unwrap();
    let policy = countersign_evidence::trust_policy::TrustPolicy::parse(w.policy(&servers).as_bytes()).unwrap();
    let entry = w.world.cs(["ledger", "show", "1"]).expect(0).json();
    let entry = countersign_evidence::canonical::to_vec(&entry).unwrap();
    let standing = receipt.verify_with_policy(&entry, &policy).unwrap();
    assert_eq!(standing.cosignatures.len(), 2);
}

#[test]
fn the_page_of_the_ledger_says_who_cosigned_the_newest_checkpoint() {
    let Some(world) = firm() else { return };
    world.commit("first", "first\n");
    let w = Witnessed::of(world);
    let server = serve(&w.world);
    let browser = Browser::of(&server, &w.world, "ada");
    let look = || {
        let page = browser.get("/ledger").expect(200).body;
        page.split("<dt>Witnesses</dt>").nth(1).unwrap().split("</dd>").next().unwrap().to_owned()
    };
    assert!(look().contains("none is asked for"), "{}", look());
    let witnesses = w.servers();
    w.set(&w.policy(&witnesses));
    let waits = look();
    assert!(waits.contains("waits for them") && waits.contains("one") && waits.contains("two"), "{waits}");
    assert!(!waits.contains("<time"), "{waits}");
    w.world.cs(["ledger", "witness"]).expect(0);
    let met = look();
    assert!(met.contains("is cosigned") && met.matches("<time").count() == 2, "{met}");
    // The next entry makes another checkpoint.
    Browser::of(&server, &w.world, "ada");
    assert!(look().contains("waits for them"), "{}", look());
}

#[test]
fn every_altered_byte_of_a_cosigned_checkpoint_is_found_by_who_has_the_policy() {
    let w = Witnessed::new();
    let servers = w.servers();
    w.set(&w.policy(&servers));
    w.world.cs(["ledger", "witness"]).expect(0);
    let file = w.world.repo().join(".countersign/ledger/checkpoint");
    let good = w.checkpoint();
    // Lines of witnesses are the last two; a hundred bytes of them stand for all, for every try is a whole verification.
    let from = good.find("— witness.example/w1").unwrap();
    for at in (from..good.len()).step_by((good.len() - from) / 12) {
        let mut bad = good.clone().into_bytes();
        bad[at] ^= 1;
        std::fs::write(&file, bad).unwrap();
        w.world.cs(["verify"]).expect(13);
    }
    std::fs::write(&file, &good).unwrap();
    w.world.cs(["verify"]).expect(0);
    // The policy alone is a trust file: it names the log and the witnesses.
    let policy = w.world.path("policy").display().to_string();
    w.world.cs(["verify", "--trust", &policy]).expect(0);
    // Who has the log's key only is told that there are words of others, and believes the log as before.
    std::fs::write(w.world.path("vkey"), &w.vkey).unwrap();
    let vkey = w.world.path("vkey").display().to_string();
    assert!(w.world.cs(["verify", "--trust", &vkey]).expect(0).out.contains("2 cosignature(s)"));
    // A line that is no cosignature is nobody's.
    std::fs::write(&file, format!("{good}— stranger AAAAAAA=\n")).unwrap();
    assert!(w.world.cs(["verify", "--trust", &vkey]).expect(13).out.contains("nobody can check"));
    std::fs::write(&file, &good).unwrap();
    // A policy for another log is refused, and so is one with a mistake, by its line.
    std::fs::write(w.world.path("other"), format!("log {}\nquorum none\n", log().verifier())).unwrap();
    let other = w.world.path("other").display().to_string();
    assert!(w.world.cs(["trust", "policy", "set", &other]).expect(2).err.contains("CS-AUDIT-020"));
    std::fs::write(w.world.path("other"), "quorum none\nquorum none\n").unwrap();
    assert!(w.world.cs(["trust", "policy", "set", &other]).expect(2).err.contains("line 2"));
    assert_eq!(w.world.cs(["trust", "policy", "show"]).expect(0).out, w.policy(&servers));
}

#[test]
fn a_ledger_that_was_rolled_back_is_told_apart_by_its_witness() {
    let w = Witnessed::new();
    let servers = w.servers();
    w.set(&w.policy(&servers));
    w.world.cs(["ledger", "witness"]).expect(0);
    // A copy of everything, this machine's memory included, from before the next run.
    let copy = |from: &str, to: &str| {
        let mut cp = w.world.command("cp", &w.world.path("home"));
        assert!(cp.args(["-a", "--"]).args([w.world.path(from), w.world.path(to)]).status().unwrap().success());
    };
    copy("repo/.countersign", "ledger-before");
    copy("data", "data-before");
    w.world.commit("more", "more\n");
    w.world.cs(["run"]);
    w.world.cs(["verify"]).expect(0);
    for (old, now) in [("ledger-before", "repo/.countersign"), ("data-before", "data")] {
        std::fs::remove_dir_all(w.world.path(now)).unwrap();
        std::fs::rename(w.world.path(old), w.world.path(now)).unwrap();
    }
    // Nothing here can tell: the ledger is sound and the pin agrees. The witness can, as soon as anything is appended.
    w.world.cs(["verify"]).expect(0);
    w.world.commit("other", "other\n");
    let ran = w.world.cs(["run"]);
    assert!(ran.err.contains("CS-WITNESS-00"), "{}", ran.all());
    // Shorter than what it saw, or of another history: either is an alarm.
    let alarm = w.world.cs(["ledger", "witness"]).expect(13);
    assert!(alarm.out.contains("CS-WITNESS-004") || alarm.out.contains("CS-WITNESS-008"), "{}", alarm.out);
}

#[test]
fn a_published_log_is_verified_where_it_is_published() {
    let world = World::with_commit();
    let ran = world.cs(["run"]);
    assert!(ran.code == 11 || ran.code == 10, "{}", ran.all());
    let repo = world.repo().display().to_string();
    let ledger = world.repo().join(".countersign/ledger");
    let seen = std::fs::read(ledger.join("checkpoint")).unwrap();
    std::fs::write(world.path("seen"), &seen).unwrap();
    let vkey = std::fs::read_to_string(ledger.join("vkey")).unwrap();
    let vkey = vkey.trim();
    std::fs::write(world.path("key"), vkey).unwrap();
    std::fs::write(world.path("policy"), format!("log {vkey}\nquorum none\n")).unwrap();
    let witness = init(&world, "w", "witness.example/w").remove(0);
    let cosigned = format!("log {vkey}\nwitness w {witness}\nquorum w\n");
    std::fs::write(world.path("cosigned"), cosigned).unwrap();
    let server = Server::start(&world, &["--repo", &repo, "serve", "--listen", "127.0.0.1:0"]);
    let file = |name: &str| world.path(name).display().to_string();
    let url = server.url.clone();
    let verify = |rest: &[&str]| world.cs([&["verify", url.as_str(), "--format", "json"], rest].concat());

    // By this machine's pin, by the key alone, by a policy; nothing is said of payloads.
    for rest in [vec![], vec!["--trust", &file("key")], vec!["--trust", &file("policy")]] {
        let json = verify(&rest).expect(0).json();
        assert_eq!((json["verdict"].as_str(), json["payloads"].as_bool()), (Some("verified"), Some(false)), "{json}");
        assert!(json["checked"]["entries"].as_u64().unwrap() > 1 && json["checked"]["blobs"] == 0);
        assert!(json["notices"].as_array().unwrap().iter().any(|n| n["code"] == "CS-LEDGER-053"), "{json}");
    }
    verify(&["--payloads"]).expect(14);
    verify(&["--since", &file("seen")]).expect(0);
    let json = verify(&["--trust", &file("cosigned")]).expect(13).json();
    assert_eq!(json["problems"][0]["code"], "CS-EVIDENCE-047", "{json}");
    let other = SignerKey::generate("other.example").unwrap();
    std::fs::write(world.path("other"), other.verifier().to_string()).unwrap();
    let json = verify(&["--trust", &file("other")]).expect(13).json();
    assert_eq!(json["problems"][0]["file"], "ledger/checkpoint", "{json}");

    assert_eq!(server.terminate(), Some(0));
    // Nobody answers: that is no verdict.
    assert_eq!(verify(&["--trust", &file("key")]).code, 5);
    assert_eq!(world.cs(["verify", "http://u:p@127.0.0.1/"]).code, 2);
}

/// Any web server over the folder `ledger/` publishes the log: the least one there is.
fn static_server(dir: std::path::PathBuf) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut line = String::new();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            reader.read_line(&mut line).unwrap();
            loop {
                let mut header = String::new();
                if reader.read_line(&mut header).unwrap() <= 2 {
                    break;
                }
            }
            let path = line.split(' ').nth(1).unwrap_or_default().trim_start_matches('/');
            let (status, body) = match std::fs::read(dir.join(path)) {
                Ok(body) => ("200 OK", body),
                Err(_) => ("404 Not Found", Vec::new()),
            };
            let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
            let _ = stream.write_all(&[head.as_bytes(), &body].concat());
        }
    });
    url
}

#[test]
fn damage_to_a_published_log_is_named_from_afar() {
    let world = World::with_commit();
    world.cs(["run"]);
    let ledger = world.repo().join(".countersign/ledger");
    let url = static_server(ledger.clone());
    let vkey = std::fs::read_to_string(ledger.join("vkey")).unwrap();
    let checkpoint = std::fs::read(ledger.join("checkpoint")).unwrap();
    let size = checkpoint::open_any(&checkpoint, &[VerifierKey::parse(vkey.trim()).unwrap()]).unwrap().size;
    let verify = || world.cs(["verify", url.as_str(), "--format", "json"]);
    verify().expect(0);
    for (name, entry) in [
        ("checkpoint".to_owned(), None),
        (format!("tile/0/000.p/{size}"), None),
        (format!("tile/entries/000.p/{size}"), Some(0)),
    ] {
        let file = ledger.join(&name);
        let good = std::fs::read(&file).unwrap();
        let mut bad = good.clone();
        bad[40] ^= 1;
        std::fs::write(&file, bad).unwrap();
        let json = verify().expect(13).json();
        let is_named = |p: &serde_json::Value| p["file"] == format!("ledger/{name}") && p["entry"].as_u64() == entry;
        assert!(json["problems"].as_array().unwrap().iter().any(is_named), "{name}: {json}");
        std::fs::remove_file(&file).unwrap();
        let gone = verify();
        // Without a checkpoint there is no log.
        assert_eq!(gone.code, if name == "checkpoint" { 3 } else { 13 }, "{name}: {}", gone.all());
        std::fs::write(&file, good).unwrap();
    }
    verify().expect(0);
}

#[test]
fn a_remembered_checkpoint_catches_a_rollback() {
    let world = World::with_commit();
    world.cs(["run"]);
    let (ledger, old) = (world.repo().join(".countersign"), world.path("old"));
    let copy = |from: &std::path::Path, to: &std::path::Path| {
        #[expect(clippy::disallowed_methods, reason = "copied as people copy")]
        let copied = std::process::Command::new("cp").arg("-r").args([from, to]).status().unwrap();
        assert!(copied.success());
    };
    copy(&ledger, &old);
    world.commit("README", "hello again\n");
    world.cs(["run"]);
    std::fs::copy(ledger.join("ledger/checkpoint"), world.path("seen")).unwrap();
    std::fs::copy(ledger.join("ledger/vkey"), world.path("key")).unwrap();
    let file = |name: &str| world.path(name).display().to_string();
    let verify = |path: &str, since: &str| {
        world.cs(["verify", path, "--trust", &file("key"), "--since", since, "--format", "json"])
    };
    verify(&file("repo"), &file("seen")).expect(0);
    let json = verify(&file("old"), &file("seen")).expect(13).json();
    let what = json["problems"][0]["what"].as_str().unwrap();
    assert_eq!(json["problems"][0]["code"], "CS-LEDGER-034", "{json}");
    assert!(what.contains("sha256:") && what.contains("are missing"), "{what}");
    // What says nothing about this log is no reassurance.
    let json = verify(&file("repo"), &file("key")).expect(13).json();
    assert_eq!(json["problems"][0]["code"], "CS-AUDIT-010", "{json}");
}
