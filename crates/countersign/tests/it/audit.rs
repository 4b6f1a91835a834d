//! Evidence packs, populations and samples, as an auditor meets them: with the program, with stock tools alone, and altered.

use std::fs;
use std::path::{Path, PathBuf};

use countersign_evidence::dsse::{self, Envelope};
use countersign_evidence::machine::MachineKey;
use countersign_evidence::pack::{Archive, MANIFEST, Packer, SUMS};
use countersign_evidence::statement::PAYLOAD_TYPE;
use countersign_govern::Error;
use countersign_govern::audit::pack::check::{self, Checked};
use countersign_govern::audit::verify::Anchor;
use countersign_model::Diagnostic as _;
use countersign_store::installation::Pin;
use serde_json::Value;

use crate::support::{World, have_ssh_keygen};

/// Whether Python is there too. Absent, a test is skipped aloud; under `CI=true` it fails.
fn have_python(w: &World) -> bool {
    let there = w.command("python3", &w.path("")).arg("--version").output().is_ok();
    #[expect(clippy::disallowed_methods, reason = "a test may ask whether it runs in continuous integration")]
    let ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
    assert!(there || !ci, "python3 is not installed");
    if !there {
        eprintln!("skipped: python3 is not installed");
    }
    there
}

/// The firm, and a deployment of one run.
fn deployed() -> World {
    let w = World::new();
    w.firm();
    w.commit_signed("mia", "app.sh", "echo app\n");
    deploy(&w);
    w
}

pub(crate) fn deploy(w: &World) {
    w.cs(["run", "--ticket", "CHG-1"]).expect(11);
    fs::write(w.path("app.tar"), b"artifact").unwrap();
    w.cs(["record", "--artifact", w.path("app.tar").to_str().unwrap()]).expect(0);
    w.by("dan", &["approve", "latest", "--as", "technical"]).expect(0);
    w.by("ruth", &["approve", "latest", "--as", "regulatory"]).expect(0);
    let issued =
        w.by("omar", &["grant", "issue", "latest", "--env", "production", "--format", "json"]).expect(0).json();
    w.cs(["deploy", "--grant", issued["grant"]["id"].as_str().unwrap(), "--", "true"]).expect(0);
}

pub(crate) fn grants(w: &World) -> Vec<String> {
    let listed = w.cs(["audit", "list", "--format", "json"]).expect(0).json();
    listed["deployments"].as_array().unwrap().iter().map(|d| d["grant"].as_str().unwrap().to_owned()).collect()
}

pub(crate) fn pack(w: &World, name: &str, args: &[&str]) -> PathBuf {
    let file = w.path(name);
    let out = ["audit", "pack", "--out", file.to_str().unwrap()];
    w.cs(out.iter().chain(args)).expect(0);
    file
}

fn trust(w: &World) -> Pin {
    let file = w.path("trust.json");
    fs::write(&file, w.cs(["trust", "export"]).expect(0).out).unwrap();
    Pin::load(&file).unwrap()
}

pub(crate) fn unpacked(w: &World, file: &Path, name: &str) -> PathBuf {
    let dir = w.path(name);
    let archive = Archive::open(Box::new(fs::read(file).unwrap())).unwrap();
    for name in archive.names().map(str::to_owned).collect::<Vec<_>>() {
        let to = dir.join(&name);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::write(to, archive.read(&name, u64::MAX).unwrap().unwrap()).unwrap();
    }
    dir
}

#[test]
fn a_pack_is_made_recorded_and_verified() {
    if !have_ssh_keygen() {
        return;
    }
    let w = deployed();
    let grant = grants(&w).pop().unwrap();
    let file = pack(&w, "one.zip", &["--deployment", &grant]);
    let path = file.to_str().unwrap();

    // What was handed over is on record, with its digest, and the record came first.
    let listed = w.cs(["audit", "list", "--format", "json"]).expect(0).json();
    let digest = countersign_model::Digest::of(&fs::read(&file).unwrap()).to_string();
    assert_eq!(listed["packs"][0]["sha256"], digest.as_str());
    assert_eq!(listed["packs"][0]["scope"]["deployment"], grant.as_str());
    w.cs(["verify"]).expect(0);

    // By this machine's pin, by a trust file, and by nobody.
    let seen = w.cs(["verify", path, "--re-evaluate", "--format", "json"]).expect(0).json();
    assert_eq!(seen["verdict"], "verified");
    assert_eq!(seen["pack"]["sha256"], digest.as_str());
    assert_eq!(seen["pack"]["repeated"]["identical"], 2, "the decision, and the one before the artifact");
    trust(&w);
    let mut auditor = World::new();
    auditor.now.clone_from(&w.now);
    let trusted = w.path("trust.json");
    auditor.cs(["verify", path, "--trust", trusted.to_str().unwrap()]).expect(0);
    let ran = auditor.cs(["verify", path]).expect(13);
    assert!(ran.out.contains("consistent, but untrusted"), "{}", ran.all());
    // A trust file of another ledger.
    let other = deployed();
    fs::write(other.path("trust.json"), other.cs(["trust", "export"]).expect(0).out).unwrap();
    auditor.cs(["verify", path, "--trust", other.path("trust.json").to_str().unwrap()]).expect(13);

    // A file that is there is never replaced, and nothing is left behind.
    let before = fs::read(&file).unwrap();
    let ran = w.cs(["audit", "pack", "--deployment", &grant, "--out", path]).expect(2);
    assert!(ran.err.contains("CS-AUDIT-030"), "{}", ran.err);
    assert_eq!(fs::read(&file).unwrap(), before);
    let parts = fs::read_dir(w.path(""))
        .unwrap()
        .filter(|e| e.as_ref().unwrap().path().extension().is_some_and(|e| e == "part"));
    assert_eq!(parts.count(), 0);

    // What there is not.
    let none = format!("gra-{}", "0".repeat(20));
    let err = w.cs(["audit", "pack", "--deployment", &none, "--out", "x.zip"]).expect(3).err;
    assert!(err.contains("CS-AUDIT-032"), "{err}");
    let err = w.cs(["audit", "pack", "--from", "2001-01-01", "--to", "2001-04-01", "--out", "x.zip"]).expect(3).err;
    assert!(err.contains("CS-AUDIT-033"), "{err}");
    let err = w.cs(["audit", "pack", "--application", "shop", "--out", "x.zip"]).expect(2).err;
    assert!(err.contains("CS-AUDIT-034"), "{err}");
    w.cs(["audit", "pack", "--control", "no-such", "--out", "x.zip"]).expect(2);
    w.cs(["audit", "pack", "--deployment", "../x", "--out", "x.zip"]).expect(2);
    assert!(!w.repo().join("x.zip").exists());
}

#[test]
fn the_pages_and_tables_say_who_did_what() {
    if !have_ssh_keygen() {
        return;
    }
    let w = deployed();
    let grant = grants(&w).pop().unwrap();
    let dir = unpacked(&w, &pack(&w, "one.zip", &["--deployment", &grant]), "open");
    let page = fs::read_to_string(dir.join("index.html")).unwrap();
    for text in ["Evidence pack", &grant, "dan (technical)", "ruth (regulatory)", "omar", "self-judged"] {
        assert!(page.contains(text), "{text}\n{page}");
    }
    assert!(!page.contains("<script") && !page.contains("://"), "it needs nothing else");
    let one: Value = serde_json::from_slice(&fs::read(dir.join(format!("deployments/{grant}.json"))).unwrap()).unwrap();
    assert_eq!(one["change"]["ticket"], "CHG-1");
    assert_eq!(one["change"]["commits"][0]["verified_author"], "mia");
    assert_eq!(one["decision"]["outcome"], "pass");
    assert_eq!(one["approvals"].as_array().unwrap().len(), 2);
    assert!(one["duties"].as_array().unwrap().iter().all(|d| d["conflict"] == false));
    let roles: Vec<&str> = one["roles"].as_array().unwrap().iter().map(|r| r["name"].as_str().unwrap()).collect();
    assert!(roles.contains(&"dan") && roles.contains(&"ruth") && roles.contains(&"omar"), "{roles:?}");
    let entries = fs::read_to_string(dir.join("tables/entries.csv")).unwrap();
    let size = w.cs(["audit", "list", "--format", "json"]).expect(0).json()["packs"][0]["size"].as_u64().unwrap();
    assert_eq!(entries.lines().count() as u64, size + 1, "every entry is listed");

    // Masked: nobody is named.
    let dir = unpacked(&w, &pack(&w, "masked.zip", &["--mask"]), "masked");
    for name in ["index.html", "tables/people.csv", "tables/approvals.csv", &format!("deployments/{grant}.json")] {
        let text = fs::read_to_string(dir.join(name)).unwrap();
        for person in ["dan", "ruth", "omar", "mia"] {
            let word = |t: &str| t.split(|c: char| !c.is_ascii_alphanumeric()).any(|w| w == person);
            assert!(!word(&text), "{person} in {name}");
        }
    }
    w.cs(["verify", w.path("masked.zip").to_str().unwrap(), "--re-evaluate"]).expect(0);
}

#[test]
fn what_belongs_to_other_runs_is_left_out_and_counted() {
    if !have_ssh_keygen() {
        return;
    }
    let w = deployed();
    w.commit_signed("mia", "app.sh", "echo two\n");
    deploy(&w);
    let all = grants(&w);
    assert_eq!(all.len(), 2);
    let file = pack(&w, "first.zip", &["--deployment", &all[0]]);
    let seen = w.cs(["verify", file.to_str().unwrap(), "--re-evaluate", "--format", "json"]).expect(0).json();
    assert!(!seen["pack"]["manifest"]["left_out"].as_array().unwrap().is_empty());
    let dir = unpacked(&w, &file, "open");
    assert!(fs::read_to_string(dir.join("index.html")).unwrap().contains("were not chosen"));
    assert!(!dir.join(format!("deployments/{}.json", all[1])).exists());
    assert!(fs::read_to_string(dir.join("tables/entries.csv")).unwrap().contains(",left-out\r\n"));

    // A period has all of it; one that ends before today has nothing of it.
    let file = pack(&w, "all.zip", &[]);
    let seen = w.cs(["verify", file.to_str().unwrap(), "--re-evaluate", "--format", "json"]).expect(0).json();
    assert_eq!(seen["pack"]["manifest"]["left_out"], serde_json::json!([]));
    assert_eq!(seen["pack"]["manifest"]["deployments"], 2);
}

/// Payloads that are encrypted at rest stay so in a pack: whoever holds the key reads them, and nobody else is told that all is
/// well.
#[test]
fn a_pack_of_encrypted_payloads_needs_their_key() {
    if !have_ssh_keygen() {
        return;
    }
    let mut w = World::new();
    w.encrypts = true;
    w.firm();
    w.commit_signed("mia", "app.sh", "echo app\n");
    deploy(&w);
    let file = pack(&w, "sealed.zip", &[]);
    let path = file.to_str().unwrap();
    w.cs(["verify", path, "--re-evaluate"]).expect(0);
    trust(&w);
    let mut auditor = World::new();
    auditor.now.clone_from(&w.now);
    let ran = auditor.cs(["verify", path, "--trust", w.path("trust.json").to_str().unwrap()]).expect(14);
    assert!(ran.out.contains("CS-KEY-040"), "{}", ran.all());
}

/// What was said about a run in a period rests on what was said about it before.
#[test]
fn a_period_takes_whole_runs() {
    if !have_ssh_keygen() {
        return;
    }
    let mut w = World::new();
    w.now = Some("2030-01-05T00:00:00Z".into());
    w.firm();
    w.commit_signed("mia", "app.sh", "echo app\n");
    deploy(&w);
    w.commit_signed("mia", "app.sh", "echo two\n");
    w.cs(["run"]).expect(11);
    w.by("dan", &["approve", "latest", "--as", "technical"]).expect(0);
    w.now = Some("2030-02-05T00:00:00Z".into());
    w.by("ruth", &["approve", "latest", "--as", "regulatory"]).expect(0);
    w.now = Some("2030-03-05T00:00:00Z".into());
    w.cs(["run"]).expect(0);
    let file = pack(&w, "february.zip", &["--from", "2030-02-01", "--to", "2030-03-01"]);
    let seen = w.cs(["verify", file.to_str().unwrap(), "--re-evaluate", "--format", "json"]).expect(0).json();
    assert_eq!(seen["pack"]["manifest"]["deployments"], 0);
    let left_out = seen["pack"]["manifest"]["left_out"].as_array().unwrap();
    assert!(!left_out.is_empty(), "the run that was deployed in January");
    assert!(
        fs::read_to_string(unpacked(&w, &file, "open").join("index.html")).unwrap().contains("Nothing was deployed")
    );
}

/// `VERIFY.md` is done, word for word, by a shell that knows no program of ours.
#[test]
fn stock_tools_check_a_pack() {
    if !have_ssh_keygen() {
        return;
    }
    let w = deployed();
    let grant = grants(&w).pop().unwrap();
    if !have_python(&w) {
        return;
    }
    let file = pack(&w, "one.zip", &["--deployment", &grant]);
    let dir = w.path("unpacked");
    fs::create_dir(&dir).unwrap();
    let mut unzip = w.command("python3", &dir);
    World::finish({
        unzip.args(["-m", "zipfile", "-e"]).arg(&file).arg(".");
        unzip
    })
    .expect(0);
    let text = fs::read_to_string(dir.join("VERIFY.md")).unwrap();
    let blocks: Vec<String> = text
        .split("\n\n")
        .filter(|part| part.starts_with("    "))
        .map(|part| part.lines().map(|line| line.strip_prefix("    ").unwrap_or(line)).collect::<Vec<_>>().join("\n"))
        .collect();
    let shell = |script: &str| {
        let mut sh = w.command("sh", &dir);
        sh.args(["-ec", script]);
        let ran = World::finish(sh);
        (ran.code, format!("{}{}", ran.out, ran.err))
    };
    assert_ne!(shell("command -v countersign").0, 0, "our program is not on the path");
    let block = |with: &str| {
        let mut found = blocks.iter().filter(|b| b.contains(with));
        let block = found.next().unwrap_or_else(|| panic!("{with} in {blocks:?}")).clone();
        assert!(found.next().is_none(), "{with}");
        block
    };
    let (code, said) = shell(&block("sha256sum --quiet"));
    assert_eq!((code, said.as_str()), (0, ""));
    let (code, said) = shell(&block("openssl pkeyutl"));
    assert!(code == 0 && said.contains("Signature Verified Successfully"), "{said}");
    let (_, sum) = shell("sha256sum SHA256SUMS");
    let manifest = fs::read_to_string(dir.join("manifest.json")).unwrap();
    assert!(manifest.contains(sum.split(' ').next().unwrap()), "{manifest}");
    // Where entry 0 says that the recorder's key stands.
    let (code, name) = shell(&block("proofs/0.entry"));
    let genesis = fs::read_to_string(dir.join(name.trim())).unwrap();
    let (_, raw) = shell("openssl pkey -pubin -in trust/recorder.pem -outform DER | tail -c 32 | base64 -w0");
    assert!(code == 0 && genesis.contains(&format!("ed25519:{raw}")), "{name}: {genesis}");
    let (code, said) = shell(&block("awk"));
    assert_eq!((code, said.as_str()), (0, ""));
    let (code, said) = shell(&block("ssh-keygen -Y verify"));
    assert_eq!(code, 0, "{said}");
    assert!(!said.contains("WRONG"), "{said}");
    assert!(said.matches("Good \"countersign-").count() >= 4, "root, approvals and grant: {said}");

    go_reads_its_log(&w, &dir);

    // One byte of each is enough.
    fs::write(dir.join("index.html"), b"<p>all is well</p>").unwrap();
    assert_ne!(shell(&block("sha256sum --quiet")).0, 0);
    let signed = fs::read_dir(dir.join("acts")).unwrap().map(|e| e.unwrap().path());
    let statement = signed.filter(|p| p.extension().is_some_and(|e| e == "statement")).min().unwrap();
    let mut bytes = fs::read(&statement).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&statement, bytes).unwrap();
    let (_, said) = shell(&block("ssh-keygen -Y verify"));
    assert!(said.contains("WRONG"), "{said}");
}

/// The log in an unpacked pack, and the proof of each entry in it, by Go's own sumdb packages (`tests/go-verifier`).
fn go_reads_its_log(w: &World, dir: &Path) {
    let gopath = "/usr/share/gocode";
    let there = Path::new(gopath).is_dir() && w.command("go", dir).arg("version").output().is_ok();
    #[expect(clippy::disallowed_methods, reason = "a test may ask whether it runs in continuous integration")]
    let ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
    assert!(there || !ci, "Go and its module x/mod are not installed");
    if !there {
        return eprintln!("skipped: Go and its module x/mod are not installed");
    }
    let (verifier, source) =
        (w.path("go-verifier"), Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/go-verifier"));
    let mut go = w.command("go", &source);
    go.env("GO111MODULE", "off").env("GOPATH", gopath).env("GOFLAGS", "").env("GOCACHE", w.path("go-cache"));
    go.args(["build", "-o"]).arg(&verifier).arg("main.go");
    World::finish(go).expect(0);
    let vkey = fs::read_to_string(dir.join("trust/log.vkey")).unwrap();
    let check = |proof: &Path| {
        let mut command = w.command(&verifier, dir);
        command.arg(dir.join("evidence/ledger")).arg(vkey.trim()).arg(proof);
        World::finish(command)
    };
    let proofs = fs::read_dir(dir.join("proofs")).unwrap().map(|e| e.unwrap().path());
    let proofs: Vec<PathBuf> = proofs.filter(|p| p.extension().is_some_and(|e| e == "tlog-proof")).collect();
    assert!(proofs.len() > 5);
    for proof in &proofs {
        assert!(check(proof).expect(0).out.starts_with("ok size="));
    }
    // Another entry's number in the same proof.
    let text = fs::read_to_string(&proofs[0]).unwrap();
    let line = text.lines().find(|l| l.starts_with("index ")).unwrap();
    let wrong = if line == "index 3" { "index 4" } else { "index 3" };
    fs::write(dir.join("wrong.tlog-proof"), text.replacen(line, wrong, 1)).unwrap();
    assert_eq!(check(&dir.join("wrong.tlog-proof")).code, 1);
    fs::remove_file(dir.join("wrong.tlog-proof")).unwrap();
}

/// A pack taken apart.
struct Apart {
    members: Vec<(String, Vec<u8>)>,
    manifest: Vec<u8>,
}

impl Apart {
    fn of(file: &Path) -> Self {
        let archive = Archive::open(Box::new(fs::read(file).unwrap())).unwrap();
        let read = |name: &str| archive.read(name, u64::MAX).unwrap().unwrap();
        let own = archive.names().filter(|name| ![SUMS, MANIFEST].contains(name));
        Self { members: own.map(|name| (name.to_owned(), read(name))).collect(), manifest: read(MANIFEST) }
    }

    /// Packed again, with the manifest that `sign` makes of the old one.
    fn packed(&self, sign: impl FnOnce(Value) -> Vec<u8>) -> Vec<u8> {
        let mut packer = Packer::new(Vec::new());
        for (name, content) in &self.members {
            packer.add(name, content).unwrap();
        }
        let (_, bytes) = packer
            .finish::<Error>(|before| {
                let envelope = Envelope::from_json(&self.manifest).unwrap();
                let mut said: Value = serde_json::from_slice(&envelope.unverified_payload().unwrap()).unwrap();
                said["subject"][0]["digest"]["sha256"] = before.sums.hex().into();
                said["predicate"]["archive"] = serde_json::json!({
                    "size": before.size, "sha256": before.digest, "members": before.members,
                });
                Ok(sign(said))
            })
            .unwrap();
        bytes
    }

    /// With the manifest as it was.
    fn kept(&self) -> Vec<u8> {
        self.packed(|_| self.manifest.clone())
    }
}

/// What is found in these bytes, by whoever has the pin.
fn found(w: &World, pin: &Pin, bytes: &[u8]) -> Result<Checked, Error> {
    let file = w.path("altered.zip");
    fs::write(&file, bytes).unwrap();
    check::check(&check::open(&file)?, &Anchor::Pin(pin.clone()), None, &[], None, None, None)
}

/// Numbers that look random and are the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % n as u64).unwrap()
    }
}

#[test]
fn a_thousand_manipulations_are_found_and_named() {
    if !have_ssh_keygen() {
        return;
    }
    let w = deployed();
    let grant = grants(&w).pop().unwrap();
    let file = pack(&w, "one.zip", &["--deployment", &grant]);
    let (pin, bytes) = (trust(&w), fs::read(&file).unwrap());
    let whole = Apart::of(&file);
    assert!(found(&w, &pin, &bytes).unwrap().verified.holds());
    assert_eq!(whole.kept(), bytes, "packed again as it was, it is the same");
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    let mut named = 0;
    for n in 0..1000 {
        let (i, j) = (random.below(whole.members.len()), random.below(whole.members.len()));
        let mut apart = Apart { members: whole.members.clone(), manifest: whole.manifest.clone() };
        let (what, altered, about) = match n % 7 {
            0 => {
                let at = random.below(bytes.len());
                let mut altered = bytes.clone();
                altered[at] ^= 1 << random.below(8);
                (format!("bit of byte {at} turned"), altered, None)
            }
            1 => {
                let (name, _) = apart.members.remove(i);
                (format!("{name} removed"), apart.kept(), Some(SUMS.to_owned()))
            }
            2 => {
                let name = format!("evidence/blobs/sha256/ab/more{n}");
                apart.members.insert(i, (name, b"more".to_vec()));
                ("a file added".into(), apart.kept(), Some(SUMS.to_owned()))
            }
            3 => {
                let other = apart.members[j].1.clone();
                if apart.members[i].1 == other {
                    continue;
                }
                let first = std::mem::replace(&mut apart.members[i].1, other);
                apart.members[j].1 = first;
                (format!("{} and {} swapped", apart.members[i].0, apart.members[j].0), apart.kept(), None)
            }
            4 => {
                apart.members[i].0.push_str(".old");
                (format!("{} renamed", apart.members[i].0), apart.kept(), None)
            }
            5 => {
                if i == j {
                    continue;
                }
                apart.members.swap(i, j);
                (format!("{i} and {j} in another order"), apart.kept(), None)
            }
            // Nothing can be cut off an empty file.
            _ if apart.members[i].1.is_empty() => continue,
            _ => {
                let at = random.below(apart.members[i].1.len() + 1);
                apart.members[i].1.truncate(at.saturating_sub(1));
                (format!("{} cut", apart.members[i].0), apart.kept(), None)
            }
        };
        let error = found(&w, &pin, &altered).err().unwrap_or_else(|| panic!("{n}: {what} was not found"));
        assert_eq!(error.exit(), countersign_model::Exit::Unverified, "{what}: {error}");
        let said =
            format!("{error}: {}", std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default());
        let names_one = whole.members.iter().any(|(name, _)| said.contains(name.as_str())) || said.contains(SUMS);
        named += usize::from(names_one);
        if let Some(about) = about {
            assert!(said.contains(&about) || names_one, "{what}: {said}");
        }
        if n % 7 != 0 {
            assert!(names_one, "{what}: {said}");
        }
    }
    // A turned bit may lie in what has no name: the directory, the manifest.
    assert!(named > 900, "{named}");
}

/// Whoever signs the manifest anew with another key, or packs another truth, is found by the ledger's own keys.
#[test]
fn a_pack_that_is_signed_anew_is_found() {
    if !have_ssh_keygen() {
        return;
    }
    let w = deployed();
    w.commit_signed("mia", "app.sh", "echo two\n");
    deploy(&w);
    let grant = grants(&w).remove(0);
    let file = pack(&w, "one.zip", &["--deployment", &grant]);
    let pin = trust(&w);
    let recorder = MachineKey::from_pem(&fs::read_to_string(w.path("data/recorder.key")).unwrap()).unwrap();
    let by = |key: &MachineKey, said: &Value| {
        let bytes = countersign_evidence::canonical::to_vec(said).unwrap();
        dsse::sign(PAYLOAD_TYPE, &bytes, key).unwrap().to_json().unwrap()
    };
    let whole = || Apart::of(&file);
    let fails = |bytes: Vec<u8>, code: &str| {
        let error = found(&w, &pin, &bytes).err().unwrap_or_else(|| panic!("{code}: not found"));
        assert_eq!(error.code(), code, "{error}");
    };
    let other = MachineKey::generate().unwrap();
    fails(whole().packed(|said| by(&other, &said)), "CS-AUDIT-036");
    // The recorder itself signs what is not so.
    let edited = |edit: fn(&mut Value)| {
        whole().packed(|mut said| {
            edit(&mut said["predicate"]);
            by(&recorder, &said)
        })
    };
    assert!(found(&w, &pin, &edited(|_| ())).unwrap().verified.holds());
    fails(edited(|p| p["version"] = 2.into()), "CS-AUDIT-035");
    fails(edited(|p| p["origin"] = "another/log".into()), "CS-AUDIT-036");
    fails(edited(|p| p["size"] = 3.into()), "CS-AUDIT-036");
    fails(edited(|p| p["deployments"] = 2.into()), "CS-AUDIT-036");

    fails(edited(|p| p["scope"]["deployment"] = format!("gra-{}", "1".repeat(20)).into()), "CS-AUDIT-032");
    fails(edited(|p| p["more"] = 1.into()), "CS-EVIDENCE-001");
    for runs in [serde_json::json!([[5, 3]]), serde_json::json!([[3, 5], [4, 6]]), serde_json::json!([[0, 1_000_000]])]
    {
        let bytes = whole().packed(|mut said| {
            said["predicate"]["left_out"] = runs.clone();
            by(&recorder, &said)
        });
        let error = found(&w, &pin, &bytes).err().unwrap_or_else(|| panic!("{runs}: not found"));
        assert!(["CS-AUDIT-036", "CS-EVIDENCE-002"].contains(&error.code()), "{runs}: {error}");
    }
    // It says that all of today is in it, and left something out.
    fails(edited(|p| p["scope"] = serde_json::json!({})), "CS-AUDIT-038");
    // A payload is missing that nobody left out.
    let mut apart = whole();
    let blob = apart.members.iter().position(|(name, _)| name.starts_with("evidence/blobs/")).unwrap();
    apart.members.remove(blob);
    let checked = found(&w, &pin, &apart.packed(|said| by(&recorder, &said))).unwrap();
    assert!(checked.verified.report.problems.iter().any(|p| p.code == "CS-LEDGER-013"), "it is missed by name");
    // A page that says another thing than the log is found when everything is derived again.
    let mut apart = whole();
    let page = apart.members.iter_mut().find(|(name, _)| name == "index.html").unwrap();
    page.1 = b"<p>all is well</p>".to_vec();
    let file = w.path("page.zip");
    fs::write(&file, apart.packed(|said| by(&recorder, &said))).unwrap();
    w.cs(["verify", file.to_str().unwrap()]).expect(0);
    let ran = w.cs(["verify", file.to_str().unwrap(), "--re-evaluate"]).expect(13);
    assert!(ran.err.contains("CS-AUDIT-037") && ran.err.contains("index.html"), "{}", ran.err);
}

#[test]
fn populations_are_sealed_before_a_seed_chooses() {
    if !have_ssh_keygen() {
        return;
    }
    let w = deployed();
    let ask = ["audit", "population", "--control", "dual-approval"];
    let ran = w.cs(ask).expect(0);
    assert!(ran.out.contains("operated 1 of 1 times, 0 exceptions"), "{}", ran.out);
    assert!(ran.out.contains("not sealed"), "{}", ran.out);
    let sealed = |args: &[&str]| w.cs(ask.iter().chain(args)).expect(0).json();
    let window = ["--from", "2020-01-01", "--to", "2040-01-01", "--format", "json"];
    let first = sealed(&[&window[..], &["--seal"]].concat());
    let entry = first["entry"].as_u64().unwrap().to_string();
    assert_eq!(first["members"].as_array().unwrap().len(), 1);
    let again = sealed(&[&window[..], &["--seal"]].concat());
    assert_eq!(first["entry"], again["entry"], "what is sealed already is not sealed twice");

    let draw = ["audit", "sample", "--population", &entry, "--seed", "4 6 1 1 3", "--format", "json"];
    let drawn = w.cs(draw).expect(0).json();
    assert_eq!(drawn["chosen"], serde_json::json!([0]));
    assert!(drawn["entry"].as_u64().unwrap() > first["entry"].as_u64().unwrap());
    assert_eq!(w.cs(draw).expect(0).json()["entry"], drawn["entry"], "the same sample is recorded once");
    let err = w.cs(["audit", "sample", "--population", "0", "--seed", "x"]).expect(2).err;
    assert!(err.contains("CS-AUDIT-041"), "{err}");
    let err = w.cs(["audit", "sample", "--population", &entry, "--seed", " "]).expect(2).err;
    assert!(err.contains("CS-AUDIT-042"), "{err}");
    let err = w.cs(["audit", "population", "--control", "drift-is-resolved"]).expect(3).err;
    assert!(err.contains("CS-AUDIT-040"), "{err}");
    w.cs(["audit", "population", "--control", "dual-aproval"]).expect(2);
    let csv = w.cs(ask.iter().chain(&["--format", "csv"])).expect(0).out;
    assert!(csv.starts_with("subject,time,outcome,text,entries\r\n") && csv.lines().count() == 2, "{csv}");
    w.cs(["verify"]).expect(0);
    w.cs(["ledger", "rebuild", "--check"]).expect(0);

    // The algorithm in the pack gives what the program gave.
    if !have_python(&w) {
        return;
    }
    let dir = unpacked(&w, &pack(&w, "all.zip", &[]), "open");
    let many: Vec<u64> = countersign_evidence::sample::choose("4 6 1 1 3", 1000, 25);
    let mut python = w.command("python3", &dir);
    python.args(["sample.py", "4 6 1 1 3", "1000", "25"]);
    let said = World::finish(python).expect(0).out;
    assert_eq!(said.lines().map(|l| l.parse::<u64>().unwrap()).collect::<Vec<_>>(), many);
}

#[test]
fn sources_are_held_against_each_other() {
    if !have_ssh_keygen() {
        return;
    }
    let w = deployed();
    w.cs(["audit", "reconcile"]).expect(0);
    let commit = w.git(["rev-parse", "HEAD"]);
    let list = w.path("list.csv");
    let compare = |text: String| {
        fs::write(&list, text).unwrap();
        w.cs(["audit", "reconcile", "--deployments", list.to_str().unwrap(), "--format", "json"])
    };
    let line = format!("environment,commit\nproduction,{}\n", &commit.trim()[..12]);
    assert_eq!(compare(line.clone()).expect(0).json()["sources"]["imported list"], 1);
    // The same deployment twice is two deployments: one of them the log does not know.
    let kinds = |ran: crate::support::Ran| -> Vec<String> {
        let gaps = ran.expect(10).json()["gaps"].clone();
        gaps.as_array().unwrap().iter().map(|g| g["kind"].as_str().unwrap().to_owned()).collect()
    };
    let twice = format!("{line}production,{}\n", commit.trim());
    assert_eq!(kinds(compare(twice)), ["deployment-without-grant"]);
    assert_eq!(kinds(compare("environment,commit\n".into())), ["deployment-not-in-list"]);
    let err = compare("environment,commit\nproduction,xyz\n".into()).expect(2).err;
    assert!(err.contains("CS-AUDIT-043") && err.contains("list.csv:2"), "{err}");

    // What came to the branch and was never judged by itself.
    w.commit_signed("mia", "b.sh", "echo b\n");
    let branch = w.cs(["audit", "reconcile", "--from", "2001-01-01", "--branch", "HEAD", "--format", "json"]);
    let gaps = branch.expect(10).json()["gaps"].clone();
    let last = w.git(["rev-parse", "HEAD"]);
    assert!(gaps.as_array().unwrap().iter().any(|g| g["kind"] == "merge-without-run" && g["subject"] == last.trim()));
    // A grant that nobody used.
    let mut w = w;
    w.cs(["run"]).expect(11);
    w.by("dan", &["approve", "latest", "--as", "technical"]).expect(0);
    w.by("ruth", &["approve", "latest", "--as", "regulatory"]).expect(0);
    w.by("omar", &["grant", "issue", "latest", "--env", "production"]).expect(0);
    w.now = Some("2040-01-01T00:00:00Z".into());
    let gaps =
        w.cs(["audit", "reconcile", "--from", "2020-01-01", "--format", "json"]).expect(10).json()["gaps"].clone();
    assert!(gaps.as_array().unwrap().iter().any(|g| g["kind"] == "grant-not-used"), "{gaps}");
}
