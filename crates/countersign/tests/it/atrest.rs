//! A ledger whose payloads are encrypted at rest, with the real binary: the whole way of a release on it, what a stolen
//! copy shows, and what is said where the key is not.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use countersign_evidence::note::SignerKey;
use countersign_evidence::payload_key::PayloadKey;
use countersign_evidence::seal::{self, SubjectKey};
use countersign_model::{ActorId, EventKind, Retention, StreamId, SystemClock};
use countersign_store::{Batch, Ledger, NewBlob, NewEntry};

use super::database::cluster;
use crate::support::{Ran, World, have_ssh_keygen};
use crate::witness::Server;

/// The world, where a ledger that is made is encrypted.
fn encrypting(mut w: World) -> World {
    w.encrypts = true;
    w
}

/// A firm whose ledger is encrypted, with one run that two people approved.
fn encrypted() -> Option<World> {
    if !have_ssh_keygen() {
        return None;
    }
    let w = encrypting(World::new());
    w.firm();
    w.approve();
    Some(w)
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// The directory of the ledger's keys and pin.
fn keys(data: &Path) -> PathBuf {
    let known: Vec<_> = fs::read_dir(data.join("ledgers")).unwrap().map(|entry| entry.unwrap().path()).collect();
    let [one] = known.as_slice() else { panic!("{known:?}") };
    one.clone()
}

pub(crate) fn key_file(w: &World) -> PathBuf {
    keys(&w.path("data")).join("payload.key")
}

fn payload_key(w: &World) -> PayloadKey {
    PayloadKey::parse_hex(fs::read_to_string(key_file(w)).unwrap().trim_end()).unwrap()
}

fn live(w: &World) -> PathBuf {
    w.repo().join(".countersign")
}

/// Every file below a directory, with its bytes.
fn files(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let (mut found, mut dirs) = (Vec::new(), vec![dir.to_owned()]);
    while let Some(next) = dirs.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                dirs.push(path);
            } else if path.is_file() {
                found.push((path.clone(), fs::read(path).unwrap()));
            }
        }
    }
    found
}

/// Entries whose payloads are never sealed.
const OPEN: [&str; 3] = ["LedgerCreated", "LogKeyRotated", "SecondLogKeyChosen"];

/// As many bytes in a row belong to a clear text and to nothing else.
const CHUNK: usize = 48;

/// Parts of what payloads, the statements in them, and attachments say, but for what stands in entries and open payloads
/// too, such as digests and the log's name.
pub(crate) struct Clear(HashSet<Vec<u8>>);

impl Clear {
    pub(crate) fn of(w: &World) -> Self {
        let listed = w.cs(["ledger", "entries", "--format", "json"]).expect(0);
        let (mut texts, mut open) = (Vec::new(), vec![listed.out.clone()]);
        for listed in listed.json()["entries"].as_array().unwrap() {
            let (entry, index) = (&listed["entry"], listed["index"].to_string());
            open.push(w.cs(["ledger", "show", index.as_str()]).expect(0).out);
            let is_open = OPEN.contains(&entry["kind"].as_str().unwrap());
            let mut show = |what: &[&str]| {
                let ran = w.cs([&["ledger", "show", index.as_str()], what].concat());
                // What was disposed of says nothing any more, and a certificate holds two statements and not one.
                match ran.code {
                    0 if is_open => open.push(ran.out),
                    0 => texts.push(ran.out),
                    _ => assert!(ran.err.contains("CS-RETENTION-021") || what == ["--statement"], "{}", ran.all()),
                }
            };
            show(&["--payload"]);
            show(&["--statement"]);
            for n in 0..entry["attachments"].as_array().map_or(0, Vec::len) {
                show(&["--attachment", n.to_string().as_str()]);
            }
        }
        let open: HashSet<&[u8]> = open.iter().flat_map(|text| text.as_bytes().windows(CHUNK)).collect();
        let chunks = texts.iter().flat_map(|text| text.as_bytes().chunks_exact(CHUNK));
        let chunks: HashSet<_> = chunks.filter(|chunk| !open.contains(chunk)).map(<[u8]>::to_vec).collect();
        assert!(texts.len() > 4 && chunks.len() > 100, "{} texts, {} parts", texts.len(), chunks.len());
        Self(chunks)
    }

    /// Those that occur in `bytes`.
    pub(crate) fn leaks(&self, bytes: &[u8]) -> Vec<String> {
        let found = bytes.windows(CHUNK).filter(|window| self.0.contains(*window));
        found.map(|window| String::from_utf8_lossy(window).into_owned()).collect()
    }
}

#[track_caller]
fn assert_no_leak(dir: &Path, clear: &Clear) {
    for (path, bytes) in files(dir) {
        let leaked = clear.leaks(&bytes);
        assert!(leaked.is_empty(), "{}: {:?}", path.display(), leaked.first());
    }
}

fn deploy(w: &World) {
    let omar = w.path("omar");
    w.cs(["deploy", "latest", "--env", "production", "--key", text(&omar), "--", "true"]).expect(0);
}

fn size(w: &World) -> u64 {
    w.cs(["ledger", "info", "--format", "json"]).expect(0).json()["size"].as_u64().unwrap()
}

/// Everything that proves something.
#[track_caller]
fn sound(w: &World) {
    let verified = w.cs(["verify", "--format", "json"]).expect(0).json();
    assert_eq!((verified["verdict"].as_str(), verified["unopened"].as_u64()), (Some("verified"), Some(0)));
    w.cs(["ledger", "rebuild", "--check"]).expect(0);
    for index in 0..size(w) {
        w.cs(["ledger", "receipt", &index.to_string()]).expect(0);
    }
}

#[track_caller]
fn sealed(ran: Ran) -> serde_json::Value {
    let said = ran.expect(14).json();
    assert_eq!(said["verdict"], "sealed");
    assert_eq!(said["problems"], serde_json::json!([]));
    assert!(said["unopened"].as_u64().unwrap() > 0);
    said
}

#[test]
fn a_release_on_an_encrypted_ledger_leaves_no_clear_text() {
    if !have_ssh_keygen() {
        return;
    }
    // The same check finds everything in a ledger that is not encrypted.
    let plain = World::approved();
    let clear = Clear::of(&plain);
    let leaked: usize = files(&live(&plain)).iter().filter(|(_, bytes)| !clear.leaks(bytes).is_empty()).count();
    assert!(leaked > 10, "{leaked}");

    let w = encrypted().unwrap();
    deploy(&w);
    let runs = w.cs(["ledger", "runs", "--format", "json"]).expect(0).json();
    w.cs(["replay", runs["runs"][0]["run"].as_str().unwrap()]).expect(0);
    // Judged again: the scan record is recognised although the log names the digest of sealed bytes.
    let before = size(&w);
    w.cs(["run"]).expect(0);
    assert_eq!(size(&w), before + 1, "an attempt alone");
    // A find, so that the scanner has something to remember.
    w.commit_signed("mia", "leak.sh", &format!("export KEY={}\n", crate::support::planted_secret()));
    w.cs(["run"]).expect(10);
    // And a file that somebody attaches.
    let report = w.path("report.xml");
    let said = format!("<testsuite>{}</testsuite>", "a sentence of a report ".repeat(20));
    fs::write(&report, &said).unwrap();
    let recorded = w.cs(["record", text(&report), "--format", "json"]).expect(0).json();
    assert_eq!(recorded["files"][0]["kind"], "junit");
    let last = (size(&w) - 1).to_string();
    assert_eq!(w.cs(["ledger", "show", last.as_str(), "--attachment", "0"]).expect(0).out, said);
    assert!(!w.ledger_text().contains("a sentence of a report"));
    // What is read out of another tool's report is held against what it says, not against its sealed bytes.
    let sarif = w.path("semgrep.sarif");
    let run = serde_json::json!({ "tool": { "driver": { "name": "semgrep", "rules": [] } }, "results": [] });
    fs::write(&sarif, serde_json::json!({ "version": "2.1.0", "runs": [run] }).to_string()).unwrap();
    let recorded = w.cs(["record", text(&sarif), "--format", "json"]).expect(0).json();
    assert_eq!(recorded["files"][0]["kind"], "sarif", "{recorded}");
    sound(&w);
    assert_no_leak(&live(&w), &Clear::of(&w));
    assert!(!live(&w).join("cache").read_dir().unwrap().any(|_| true), "excerpts of finds are in the data directory");
    let hex = fs::read_to_string(key_file(&w)).unwrap();
    assert!(!w.ledger_text().contains(hex.trim_end()), "the key lies beside what it opens");

    // A person's profile is sealed twice: the key that lies in the ledger does not do without the one that does not.
    let entries = w.cs(["ledger", "entries", "--format", "json"]).expect(0).json();
    let enrolled = entries["entries"].as_array().unwrap().iter().find(|e| e["entry"]["kind"] == "PersonEnrolled");
    let digest = enrolled.unwrap()["entry"]["attachments"][0]["sha256"].as_str().unwrap().replace("sha256:", "");
    let stored = fs::read(live(&w).join("blobs/sha256").join(&digest[..2]).join(&digest[2..])).unwrap();
    let opened = payload_key(&w).open(stored.clone()).unwrap();
    let names: Vec<_> = fs::read_dir(live(&w).join("subjects"))
        .unwrap()
        .filter_map(|file| {
            let path = file.unwrap().path();
            let key = SubjectKey::parse_hex(fs::read_to_string(&path).unwrap().trim_end()).unwrap();
            let person = path.file_stem().unwrap().to_str().unwrap().as_bytes().to_vec();
            assert!(seal::open(&key, &stored, &person).is_err());
            seal::open(&key, &opened, &person).ok()
        })
        .collect();
    assert_eq!(names.len(), 1);
    assert!(String::from_utf8_lossy(&names[0]).contains("mia"));
}

#[test]
fn a_backup_is_restored_elsewhere_with_the_exported_key() {
    let Some(w) = encrypted() else { return };
    let [exported, trust, backup, back, other] =
        ["payload.key", "trust.json", "backup", "back", "other"].map(|name| w.path(name));
    w.cs(["verify"]).expect(0);
    w.cs(["key", "export-payload-key", text(&exported)]).expect(0);
    w.cs(["trust", "export", "--out", text(&trust)]).expect(0);
    w.cs(["ledger", "backup", text(&backup)]).expect(0);
    assert_no_leak(&backup.join("copy"), &Clear::of(&w));

    // Another machine: another data directory, and nothing of the first one.
    let elsewhere = |args: &[&str]| {
        let mut command = w.command(env!("CARGO_BIN_EXE_countersign"), &w.path("home"));
        let done = command.env_remove("COUNTERSIGN_ENCRYPT_PAYLOADS").env("COUNTERSIGN_DATA_DIR", &other).args(args);
        let done = done.output().unwrap();
        let [out, err] = [done.stdout, done.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
        Ran { code: done.status.code().unwrap(), out, err }
    };
    let copy = backup.join("copy");
    let restore = ["ledger", "restore", text(&backup), text(&back), "--trust", text(&trust)];
    let json = ["--format", "json"];
    sealed(elsewhere(&[&restore[..], &json].concat()));
    assert!(!back.exists(), "what cannot be looked at is not put in place");
    // A wrong key is not taken, and one that is put there all the same opens nothing.
    let wrong = w.path("wrong.key");
    fs::write(&wrong, format!("{}\n", "ab".repeat(32))).unwrap();
    let import = |file: &Path| elsewhere(&["key", "import-payload-key", text(file), "--ledger", text(&copy)]);
    assert!(import(&wrong).expect(2).err.contains("CS-KEY-042"));
    elsewhere(&["trust", "import", text(&trust)]).expect(0);
    fs::copy(&wrong, keys(&other).join("payload.key")).unwrap();
    sealed(elsewhere(&[&restore[..], &json].concat()));
    sealed(elsewhere(&["verify", text(&copy), "--format", "json"]));
    let said = elsewhere(&["verify", text(&copy)]).expect(14).out;
    assert!(said.contains("not verified") && said.contains("import-payload-key"), "{said}");
    assert!(!said.contains("✓"), "{said}");

    assert!(import(&exported).expect(0).out.contains(payload_key(&w).id()));
    elsewhere(&restore).expect(0);
    let verified = elsewhere(&["verify", text(&back), "--format", "json"]).expect(0).json();
    assert_eq!((verified["verdict"].as_str(), verified["unopened"].as_u64()), (Some("verified"), Some(0)));
    elsewhere(&["ledger", "runs", "--ledger", text(&back)]).expect(0);
    assert_no_leak(&back, &Clear::of(&w));
}

#[test]
fn without_the_key_nothing_is_verified_and_nothing_is_wrong() {
    let Some(w) = encrypted() else { return };
    let exported = w.path("payload.key");
    w.cs(["key", "export-payload-key", text(&exported)]).expect(0);
    assert_eq!(fs::read(&exported).unwrap(), fs::read(key_file(&w)).unwrap());
    #[cfg(unix)]
    for file in [exported.clone(), key_file(&w)] {
        let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(file).unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600);
    }
    // It overwrites nothing.
    assert!(w.cs(["key", "export-payload-key", text(&exported)]).expect(5).err.contains("CS-KEY-002"));
    let shown = w.cs(["key", "show", "--format", "json"]).expect(0).json();
    let id = shown["keys"].as_array().unwrap().iter().find(|key| key["name"] == "payload").unwrap()["public"].clone();

    fs::remove_file(key_file(&w)).unwrap();
    let said = sealed(w.cs(["verify", "--format", "json"]));
    assert!(said["unopened"].as_u64().unwrap() > said["size"].as_u64().unwrap(), "attachments count too");
    let said = w.cs(["verify"]).expect(14).out;
    assert!(said.contains("payloads are sealed") && said.contains("import-payload-key"), "{said}");
    // Nothing is appended in the clear, and nothing is guessed.
    let none = w.path("none");
    for command in [
        &["run"][..],
        &["ledger", "runs"],
        &["ledger", "backup", text(&none)],
        &["key", "export-payload-key", text(&none)],
    ] {
        let refused = w.cs(command).expect(14);
        assert!(refused.err.contains("CS-KEY-040") && refused.err.contains(id.as_str().unwrap()), "{}", refused.err);
    }
    assert!(!none.exists());
    // Entries, proofs and what is not sealed are there without the key.
    w.cs(["ledger", "entries"]).expect(0);
    w.cs(["ledger", "receipt", "3"]).expect(0);
    w.cs(["ledger", "show", "0", "--payload"]).expect(0);
    w.cs(["ledger", "show", "1", "--payload"]).expect(14);

    // What is altered is found without the key.
    let (blob, whole) = files(&live(&w).join("blobs")).remove(0);
    let mut bent = whole.clone();
    *bent.last_mut().unwrap() ^= 1;
    write(&blob, &bent);
    w.cs(["verify"]).expect(13);
    write(&blob, &whole);
    sealed(w.cs(["verify", "--format", "json"]));

    // Another key is not taken; the right one opens everything.
    assert!(w.cs(["key", "import-payload-key", text(&w.path("ada"))]).expect(13).err.contains("CS-KEY-004"));
    w.cs(["key", "import-payload-key", text(&exported)]).expect(0);
    deploy(&w);
    sound(&w);
}

fn write(file: &Path, bytes: &[u8]) {
    #[cfg(unix)]
    fs::set_permissions(file, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    fs::write(file, bytes).unwrap();
}

#[test]
fn it_is_chosen_when_a_ledger_is_made_and_never_later() {
    if !have_ssh_keygen() {
        return;
    }
    // A ledger that `run` makes.
    let w = encrypting(World::with_commit());
    w.cs(["run"]).expect(11);
    assert!(key_file(&w).exists());
    let shown = w.cs(["ledger", "show", "1"]).expect(0).json();
    assert_eq!(shown.to_string().matches("\"sealed\"").count(), 2, "{shown}");
    // One that `init` makes; a second `init` by the same administrator finds everything in place.
    let mut w = World::new();
    w.key("ada");
    let init = |w: &World, more: &[&str]| {
        let public = w.public("ada");
        w.by("ada", &[&["init", "--yes", "--ssh-key", text(&public)], more].concat())
    };
    for _ in 0..2 {
        init(&w, &["--encrypt-payloads"]).expect(0);
    }
    assert!(key_file(&w).exists());
    sound(&w);
    w.encrypts = true;
    sound(&w);

    // One that was made without: entries say nothing of sealing, there is no way to it, and who asks for it is told so
    // before anything is written in the clear.
    let mut plain = World::approved();
    let entries = plain.cs(["ledger", "show", "1"]).expect(0).out;
    assert!(!entries.contains("sealed\"") && !plain.ledger_text().contains("payload_key"));
    let before = size(&plain);
    assert!(init(&plain, &["--encrypt-payloads"]).expect(2).err.contains("CS-KEY-041"));
    assert!(plain.cs(["key", "export-payload-key", text(&plain.path("x"))]).expect(2).err.contains("CS-KEY-041"));
    plain.encrypts = true;
    assert!(plain.cs(["run"]).expect(2).err.contains("CS-KEY-041"));
    assert_eq!(size(&plain), before);
    plain.cs(["verify"]).expect(0);
}

#[test]
fn what_goes_through_a_running_engine_is_sealed() {
    let Some(w) = encrypted() else { return };
    let repo = w.repo();
    let serve = ["--repo", text(&repo), "serve", "--listen", "127.0.0.1:0"];
    let server = Server::start(&w, &serve);
    let before = size(&w);
    w.commit_signed("mia", "more.sh", "echo more\n");
    w.cs(["run"]).expect(11);
    w.by("dan", &["approve", "latest", "--as", "technical"]).expect(0);
    let after = size(&w);
    assert!(after > before + 2);
    let served = server.get("/checkpoint").2;
    assert!(
        String::from_utf8_lossy(&served).lines().nth(1) == Some(after.to_string().as_str()),
        "it was appended there"
    );
    let clear = Clear::of(&w);
    assert_no_leak(&live(&w), &clear);
    w.cs(["verify"]).expect(0);
    // It is killed, and what it acknowledged lies in the write-ahead log: sealed as well.
    w.cs(["run"]).expect(11);
    server.kill();
    assert_no_leak(&live(&w), &clear);
    w.by("ruth", &["approve", "latest", "--as", "regulatory"]).expect(0);
    assert_no_leak(&live(&w), &Clear::of(&w));
    sound(&w);
}

#[test]
fn the_rows_of_a_database_hold_no_clear_text() {
    let Some(cluster) = cluster::shared().filter(|_| have_ssh_keygen()) else { return };
    let mut w = encrypting(World::new());
    w.ledger = Some(cluster.url("sealed"));
    w.firm();
    w.approve();
    w.by("omar", &["deploy", "latest", "--env", "production"]).expect(0);
    assert!(!live(&w).exists());
    for args in [&["verify"][..], &["ledger", "runs"], &["ledger", "rebuild", "--check"]] {
        w.cs(args).expect(0);
    }
    let clear = Clear::of(&w);
    let schema = |name: &str| dumped(&cluster.run("pg_dump", &["--data-only", "-n", name]));
    let rows = schema("sealed");
    assert!(rows.windows(7).filter(|mark| *mark == b"CSEAL1\0").count() > 20, "the dump holds the blobs");
    assert_eq!(clear.leaks(&rows), [""; 0]);

    // The same rows of a ledger that is not encrypted hold all of it.
    let mut plain = World::with_commit();
    plain.ledger = Some(cluster.url("clear"));
    plain.cs(["run"]).expect(11);
    let clear = Clear::of(&plain);
    assert!(clear.leaks(&schema("clear")).len() > 100);

    let exported = w.path("payload.key");
    w.cs(["key", "export-payload-key", text(&exported)]).expect(0);
    let kept = keys_of(&w);
    fs::remove_file(&kept).unwrap();
    sealed(w.cs(["verify", "--format", "json"]));
    assert!(w.cs(["run"]).expect(14).err.contains("CS-KEY-040"));
    w.cs(["key", "import-payload-key", text(&exported)]).expect(0);
    w.cs(["verify"]).expect(0);
    // A blob that was changed is found with the key and without.
    cluster.sql("update sealed.blobs set bytes = set_byte(bytes, 40, get_byte(bytes, 40) # 1) where sha256 = (select sha256 from sealed.blobs order by sha256 limit 1)");
    w.cs(["verify"]).expect(13);
    fs::remove_file(&kept).unwrap();
    w.cs(["verify"]).expect(13);
}

/// The payload key among the ledgers that the data directory knows.
fn keys_of(w: &World) -> PathBuf {
    let known = fs::read_dir(w.path("data/ledgers")).unwrap();
    known.map(|entry| entry.unwrap().path().join("payload.key")).find(|path| path.exists()).unwrap()
}

/// A dump, and after it what its `\x…` values say.
fn dumped(dump: &[u8]) -> Vec<u8> {
    let mut all = dump.to_vec();
    for value in String::from_utf8_lossy(dump).split("\\x").skip(1) {
        let hex: String = value.chars().take_while(char::is_ascii_hexdigit).collect();
        all.extend(countersign_model::digest::from_hex(&hex).unwrap_or_default());
    }
    all
}

/// The log key of the ledger, to do with it what this program does not.
fn log_key(w: &World) -> SignerKey {
    SignerKey::parse(fs::read_to_string(keys(&w.path("data")).join("log.key")).unwrap().trim_end()).unwrap()
}

#[test]
fn what_is_appended_in_the_clear_or_with_another_key_is_found() {
    let Some(w) = encrypted() else { return };
    let (sound, copy) = (live(&w), w.path("copy"));
    let other = PayloadKey::from_bytes([3; 32]).unwrap();
    for (sealed_with, key) in [(None, None), (Some(other.id().to_owned()), Some(&other))] {
        copy_dir(&sound, &copy);
        let mut ledger = Ledger::open(&copy).unwrap();
        let payload = b"what nobody is to read".to_vec();
        let bytes = key.map_or(payload.clone(), |key| key.seal(&payload).unwrap());
        let entry = NewEntry {
            kind: EventKind::ActRefused,
            stream: StreamId::from_text("s"),
            actor: ActorId::from_text("act-0"),
            retention: Retention::SoxSevenYears,
            refs: Vec::new(),
            payload: NewBlob { bytes, media: "text/plain".into() },
            attachments: Vec::new(),
        };
        let batch = Batch { entries: vec![entry], sealed_with, ..Batch::default() };
        let index = ledger.append(batch, &log_key(&w), &SystemClock).unwrap().first_index;
        let found = w.cs(["verify", text(&copy), "--format", "json"]).expect(13).json();
        let problems = found["problems"].as_array().unwrap();
        assert!(problems.iter().any(|p| p["code"] == "CS-KEY-043" && p["entry"] == index), "{found}");
        fs::remove_dir_all(&copy).unwrap();
    }
}

fn copy_dir(from: &Path, to: &Path) {
    for (path, bytes) in files(from) {
        let target = to.join(path.strip_prefix(from).unwrap());
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::write(target, bytes).unwrap();
    }
    for dir in ["tmp", "cache", "subjects", "wal"] {
        fs::create_dir_all(to.join(dir)).unwrap();
    }
}

#[test]
fn the_keys_of_an_encrypted_log_are_exchanged() {
    let Some(w) = encrypted() else { return };
    let trust = w.path("trust.json");
    w.cs(["trust", "export", "--out", text(&trust)]).expect(0);
    w.by("ada", &["ledger", "rotate-key"]).expect(0);
    w.by("ada", &["ledger", "sign-also", "ml-dsa-44"]).expect(0);
    w.cs(["run"]).expect(0);
    sound(&w);
    w.cs(["verify", "--trust", text(&trust)]).expect(0);
    assert_no_leak(&live(&w), &Clear::of(&w));
    // Who holds no payload key follows the log's keys all the same: it is the payloads alone that stay unread.
    fs::remove_file(key_file(&w)).unwrap();
    sealed(w.cs(["verify", "--trust", text(&trust), "--format", "json"]));
}

/// What the clock of the binary says; only a debug build lets itself be told.
#[cfg(debug_assertions)]
mod later {
    use super::*;

    fn audited() -> Option<World> {
        if !have_ssh_keygen() {
            return None;
        }
        let mut w = encrypting(World::new());
        w.now = Some("2027-01-10T12:00:00Z".into());
        w.firm();
        w.approve();
        let start =
            ["retention", "start", "audit-concluded", "--select", "all", "--on", "2027-01-05", "--reason", "AR"];
        w.by("ruth", &start).expect(0);
        w.now = Some("2034-06-01T12:00:00Z".into());
        Some(w)
    }

    fn entry(w: &World, kind: &str) -> serde_json::Value {
        let all = w.cs(["ledger", "entries", "--format", "json"]).expect(0).json();
        all["entries"].as_array().unwrap().iter().find(|e| e["entry"]["kind"] == kind).unwrap().clone()
    }

    fn blob(w: &World, blob: &serde_json::Value) -> PathBuf {
        let hex = blob["sha256"].as_str().unwrap().replace("sha256:", "");
        live(w).join("blobs/sha256").join(&hex[..2]).join(&hex[2..])
    }

    #[test]
    fn payloads_are_disposed_of() {
        let Some(w) = audited() else { return };
        let started = entry(&w, "RunStarted");
        let [payload, change] =
            [&started["entry"]["payload"], &started["entry"]["attachments"][0]].map(|b| blob(&w, b));
        let [kept, kept_change] = [&payload, &change].map(|file| fs::read(file).unwrap());

        // An attachment that a statement names is missed like the statement itself, and its file is named.
        fs::remove_file(&change).unwrap();
        let found = w.cs(["verify", "--format", "json"]).expect(13).json();
        let missing = |p: &serde_json::Value| p["code"] == "CS-LEDGER-013" && p["entry"] == started["index"];
        assert!(found["problems"].as_array().unwrap().iter().any(missing), "{found}");
        let name = change.file_name().unwrap().to_str().unwrap();
        assert!(w.cs(["ledger", "rebuild"]).expect(13).err.contains(name));
        fs::write(&change, &kept_change).unwrap();
        w.cs(["verify"]).expect(0);

        let backup = w.path("backup");
        w.cs(["ledger", "backup", text(&backup)]).expect(0);
        let copied = backup.join("copy").join(payload.strip_prefix(live(&w)).unwrap());
        assert!(copied.exists());
        let order = w.path("order.json");
        w.by("dan", &["ledger", "dispose", "--out", text(&order), "--today", "2034-06-01"]).expect(11);
        let dispose = ["ledger", "dispose", text(&order), "--today", "2034-06-01", "--format", "json"];
        let done = w.by("ada", &dispose).expect(0).json();
        assert!(done["finished"]["removed"].as_u64().unwrap() > 3, "{done}");
        assert!(!payload.exists() && !change.exists());
        sound(&w);
        w.cs(["ledger", "rebuild"]).expect(0);
        sound(&w);
        assert_no_leak(&live(&w), &Clear::of(&w));
        // Half of what went comes back, as from a storage that did not let go of it.
        fs::write(&payload, &kept).unwrap();
        sound(&w);
        fs::remove_file(&payload).unwrap();
        // Who has no key sees that blobs are gone, and not why.
        let key = fs::read(key_file(&w)).unwrap();
        fs::remove_file(key_file(&w)).unwrap();
        let said = sealed(w.cs(["verify", "--format", "json"]));
        let notices = said["notices"].as_array().unwrap();
        assert!(notices.iter().any(|n| n["what"].as_str().unwrap().contains("are gone")), "{said}");
        fs::write(key_file(&w), key).unwrap();
        // What went is missed in no backup, and an earlier one lets it go as well.
        let back = w.path("back");
        w.cs(["ledger", "backup", text(&backup)]).expect(0);
        assert!(!copied.exists());
        w.cs(["ledger", "restore", text(&backup), text(&back)]).expect(0);
        w.cs(["verify", text(&back)]).expect(0);
        // Life goes on, also for the same commit.
        w.cs(["run"]).expect(11);
        sound(&w);
    }

    #[test]
    fn a_persons_data_is_erased() {
        let Some(w) = audited() else { return };
        let people = || w.cs(["person", "list", "--format", "json"]).expect(0).json().to_string();
        assert!(people().contains("\"mia\""));
        let erase = ["ledger", "erase-subject", "mia", "--reason", "DSR-4", "--today", "2034-06-01"];
        w.by("ruth", &erase).expect(0);
        assert!(!people().contains("\"mia\""), "the payload key alone does not bring a name back");
        sound(&w);
        w.cs(["ledger", "rebuild"]).expect(0);
        sound(&w);
    }
}
