//! Witnesses and the published log, by the real binary over real sockets.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Stdio};

use countersign_connect::{Submission, WitnessClient, WitnessError};
use countersign_evidence::checkpoint::{self, Checkpoint};
use countersign_evidence::merkle::{Hash, MemoryTree, consistency_proof, leaf_hash};
use countersign_evidence::note::{SignerKey, VerifierKey};

use crate::support::World;

/// A server of ours, ended by its id when the test is over.
pub(crate) struct Server {
    child: Child,
    pub(crate) url: String,
}

impl Server {
    /// Starts it and waits until it says where it listens.
    pub(crate) fn start(world: &World, args: &[&str]) -> Self {
        let mut command = world.command(env!("CARGO_BIN_EXE_countersign"), &world.path("home"));
        let mut child = command.args(args).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let url = line.rsplit(" on ").next().unwrap().trim().trim_end_matches('/').to_owned();
        assert!(url.starts_with("http://127.0.0.1:"), "{line}");
        Self { child, url }
    }

    /// `kill -9`.
    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM, and how it ended.
    #[expect(clippy::disallowed_methods, reason = "sends a signal as a service manager does")]
    fn terminate(mut self) -> Option<i32> {
        let id = self.child.id().to_string();
        assert!(std::process::Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
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

    fn get(&self, path: &str) -> (u16, String, Vec<u8>) {
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
    assert!(matches!(refused, Err(WitnessError::Refused { status: 422, .. })));
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
    let server = Server::start(&world, &["--repo", &repo, "serve", "--listen", "127.0.0.1:0"]);
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
