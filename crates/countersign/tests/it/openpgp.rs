//! Commits signed with OpenPGP, and names that are no identity, through the real binary, git and `gpg`.

use std::fs;
use std::path::Path;
use std::process::Command;

use countersign_evidence::act;
use countersign_model::access::KeyKind;
use countersign_model::event::PersonKeyAdded;
use countersign_model::{Digest, EventKind, PersonId, StreamId, Timestamp};
use countersign_store::NewBlob;

use crate::attacks::{act_of, by_hand_with, id_of, refusals, session};
use crate::support::{Ran, World, have_ssh_keygen};

#[track_caller]
fn code(ran: &Ran, code: &str) {
    assert!(ran.err.starts_with(&format!("error[{code}]")), "{}", ran.err);
}

/// Somebody's `gpg`, whose path is short enough for an agent's socket.
pub(crate) struct Gpg<'a> {
    w: &'a World,
    home: tempfile::TempDir,
}

impl<'a> Gpg<'a> {
    pub(crate) fn new(w: &'a World) -> Self {
        let home = tempfile::Builder::new().prefix("g").tempdir_in("/tmp").unwrap();
        fs::set_permissions(home.path(), std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
        Self { w, home }
    }

    fn command(&self) -> Command {
        let mut gpg = self.w.command("gpg", &self.w.path("home"));
        gpg.arg("--homedir").arg(self.home.path());
        gpg.args(["--batch", "--yes", "--no-tty", "--quiet", "--pinentry-mode", "loopback", "--passphrase", ""]);
        gpg
    }

    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        let mut gpg = self.command();
        gpg.args(args);
        // A test that could not start it would prove nothing.
        World::finish(gpg).expect(0)
    }

    /// A new key that signs; its fingerprint, and the file it is exported to.
    pub(crate) fn key(&self, uid: &str, expires: &str) -> (String, String) {
        self.run(&["--quick-gen-key", uid, "ed25519", "cert,sign", expires]);
        let listed = self.run(&["--with-colons", "--list-keys"]).out;
        let fingerprint =
            listed.lines().rfind(|l| l.starts_with("fpr:")).unwrap().split(':').nth(9).unwrap().to_owned();
        let file = self.export(&fingerprint);
        (fingerprint, file)
    }

    pub(crate) fn export(&self, key: &str) -> String {
        let file = self.home.path().join(format!("{key}.asc"));
        let _ = fs::remove_file(&file);
        self.run(&["--armor", "--output", file.to_str().unwrap(), "--export", key]);
        file.to_str().unwrap().to_owned()
    }

    /// Commits everything, signed by git with this key, as somebody says they are called.
    fn commit(&self, key: &str, author: &str, message: &str) -> String {
        self.w.write("file", message);
        self.w.git(["add", "-A"]);
        let mut git = self.w.command("git", &self.w.repo());
        git.env("GNUPGHOME", self.home.path());
        git.args(["-c", "user.name=X", "-c", "user.email=x@nowhere.example", "-c", "gpg.format=openpgp"]);
        git.args(["-c", &format!("user.signingkey={key}"), "commit", "-q", "-S"]);
        git.args(["--author", author, "-m", message]);
        World::finish(git).expect(0);
        self.w.git(["rev-parse", "HEAD"]).trim().to_owned()
    }
}

impl Drop for Gpg<'_> {
    fn drop(&mut self) {
        let mut stop = self.w.command("gpgconf", &self.w.path("home"));
        let _ = stop.arg("--homedir").arg(self.home.path()).args(["--kill", "gpg-agent"]).status();
    }
}

fn add(w: &World, by: &str, person: &str, file: &str, more: &[&str]) -> Ran {
    w.by(by, &[&["person", "key", "add", person, "--openpgp", file, "--format", "json"], more].concat())
}

/// The reasons of the gate `release`, as one text.
fn reasons(ran: &Ran) -> String {
    let run = ran.json();
    run["gates"].as_array().unwrap().iter().find(|g| g["name"] == "release").unwrap()["reasons"].to_string()
}

fn judged(w: &World, exit: i32) -> String {
    reasons(&w.cs(["run", "--format", "json"]).expect(exit))
}

#[test]
fn a_commit_signed_with_an_enrolled_openpgp_key_is_its_persons() {
    if !have_ssh_keygen() {
        return;
    }
    let w = World::new();
    w.firm();
    let gpg = Gpg::new(&w);
    let (key, file) = gpg.key("Mia Muster <mia@firm.example>", "1y");
    let id = gpg.commit(&key, "Somebody <else@nowhere.example>", "one");
    assert!(judged(&w, 11).contains("unverified-author"));
    let text = w.cs(["run"]).expect(11).out;
    assert!(text.contains("by an OpenPGP key that belongs to nobody enrolled"), "{text}");

    // Only an administrator enrols it, and what was tried is recorded.
    let before = refusals(&w);
    code(&add(&w, "dan", "mia", &file, &[]).expect(4), "CS-ACCESS-004");
    assert_eq!(refusals(&w), before + 1);
    let added = add(&w, "ada", "mia", &file, &["--reason", "signs with it"]).expect(0).json();
    assert_eq!((added["key"].as_str(), added["renewed"].as_bool()), (Some(key.as_str()), Some(false)));
    assert!(added["valid_before"].is_string(), "the key's own end is its window: {added}");
    let run = w.cs(["run"]).expect(11).out;
    assert!(run.contains("signed or claimed by mia"), "{run}");
    assert!(!judged(&w, 11).contains("unverified-author"));
    // Whose commit it is cannot approve it.
    code(&w.by("mia", &["approve", "latest", "--as", "technical"]).expect(4), "CS-RELEASE-004");
    w.by("dan", &["approve", "latest", "--as", "technical"]).expect(0);
    w.by("ruth", &["approve", "latest", "--as", "regulatory"]).expect(0);
    w.cs(["run"]).expect(0);

    // It is no SSH key: it signs no acts, and is in no list for ssh-keygen.
    let acts = w.cs(["person", "key", "list", "mia"]).expect(0).out;
    assert!(acts.contains("openpgp") && acts.contains(&key), "{acts}");
    assert!(!w.cs(["person", "list", "--format", "allowed-signers"]).expect(0).out.contains(&key));
    fs::copy(&file, w.path("pgp")).unwrap();
    code(&w.by("pgp", &["approve", "latest", "--as", "technical"]).expect(2), "CS-SSH-011");

    // Names and addresses in the certificate are sealed: nothing in the ledger shows them.
    let all = w.ledger_text();
    assert!(!all.contains("Muster") && !all.contains("mia@firm.example"));
    // Nor do the bytes of the certificate, in which the name would stand.
    assert!(all.contains(&key));

    // A key is one person's. The same one again renews it; revoked, it never comes back.
    code(&add(&w, "ada", "dan", &file, &[]).expect(2), "CS-ACCESS-008");
    gpg.run(&["--quick-set-expire", &key, "2y"]);
    let renewed = add(&w, "ada", "mia", &gpg.export(&key), &[]).expect(0).json();
    assert_eq!(renewed["renewed"], true);
    assert!(renewed["valid_before"].as_str() > added["valid_before"].as_str());
    let revoke = ["person", "key", "revoke", "mia", &key[..8], "--reason", "lost", "--compromised-since", "2026-01-01"];
    w.by("ada", &revoke).expect(0);
    code(&add(&w, "ada", "mia", &file, &[]).expect(2), "CS-IDENTITY-015");
    assert!(judged(&w, 11).contains("unverified-author"));
    // Its holder stays excluded, and claims settle it.
    code(&w.by("mia", &["approve", "latest", "--as", "technical"]).expect(4), "CS-RELEASE-004");
    w.by("mia", &["claim", &id]).expect(0);
    assert!(!judged(&w, 11).contains("unverified-author"));
    w.cs(["verify"]).expect(0);
    w.cs(["ledger", "rebuild", "--check"]).expect(0);
}

#[test]
fn what_the_users_own_keyring_trusts_says_nothing_and_without_gpg_nothing_is_verified() {
    if !have_ssh_keygen() {
        return;
    }
    let w = World::new();
    w.firm();
    let gpg = Gpg::new(&w);
    let (mia, file) = gpg.key("mia <mia@firm.example>", "never");
    let (eve, _) = gpg.key("mia <mia@firm.example>", "never");
    add(&w, "ada", "mia", &file, &[]).expect(0);
    gpg.commit(&eve, "mia <mia@firm.example>", "by eve");
    // In the keyring of whoever runs it, both keys are there and trusted ultimately.
    let run = |path: Option<&Path>| {
        let mut command = w.command(env!("CARGO_BIN_EXE_countersign"), &w.repo());
        command.args(["run", "--format", "json"]).env("GNUPGHOME", gpg.home.path());
        if let Some(path) = path {
            command.env("PATH", path);
        }
        World::finish(command)
    };
    assert!(reasons(&run(None).expect(11)).contains("unverified-author"));
    w.git(["reset", "-q", "--hard", "HEAD"]);
    w.git(["checkout", "-q", "--orphan", "other"]);
    gpg.commit(&mia, "mia <mia@firm.example>", "by mia");
    assert!(!reasons(&run(None).expect(11)).contains("unverified-author"));

    // A machine with git and without gpg.
    let tools = w.path("tools");
    fs::create_dir(&tools).unwrap();
    for tool in ["git", "ssh-keygen"] {
        let mut find = w.command("sh", &tools);
        find.args(["-c", &format!("command -v {tool}")]);
        let found = World::finish(find).expect(0).out;
        std::os::unix::fs::symlink(found.trim(), tools.join(tool)).unwrap();
    }
    assert!(reasons(&run(Some(&tools)).expect(11)).contains("unverified-author"));
    let bare = |args: &[&str]| {
        let mut command = w.command(env!("CARGO_BIN_EXE_countersign"), &w.repo());
        command.args(args).env("PATH", &tools);
        World::finish(command)
    };
    let text = bare(&["run"]).expect(11).out;
    assert!(text.contains("gpg is not here (apt-get install gnupg)"), "{text}");
    let key = w.path("ada");
    let add = ["person", "key", "add", "mia", "--openpgp", &file, "--key", key.to_str().unwrap()];
    code(&bare(&add).expect(2), "CS-GPG-001");
    assert!(bare(&["doctor"]).out.contains("gpg is missing"));
    // A program of that name that says what it likes opens nothing: no decision is made.
    let liar = "#!/bin/sh\nfor a in \"$@\"; do case $a in said) printf '[GNUPG:] FILE_START 1 0\\n[GNUPG:] GOODSIG x\\n' > said;; esac; done\n";
    fs::write(tools.join("gpg"), liar).unwrap();
    fs::set_permissions(tools.join("gpg"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    code(&bare(&["run"]).expect(1), "CS-GPG-002");
}

#[test]
fn spoiled_and_ended_signatures_are_told_by_name() {
    if !have_ssh_keygen() {
        return;
    }
    let mut w = World::new();
    w.now = Some("2030-01-01T00:00:00Z".into());
    w.firm();
    let file = {
        let gpg = Gpg::new(&w);
        let mut make = gpg.command();
        make.args(["--faked-system-time", "20291231T000000", "--quick-gen-key", "mia", "ed25519", "cert,sign", "5d"]);
        World::finish(make).expect(0);
        let listed = gpg.run(&["--with-colons", "--list-keys"]).out;
        let key = listed.lines().find(|l| l.starts_with("fpr:")).unwrap().split(':').nth(9).unwrap().to_owned();
        // Git's program is gpg at that time, which leaves out no line of its own.
        let program = w.path("gpg.sh");
        let home = gpg.home.path().display();
        fs::write(
            &program,
            format!("#!/bin/sh\nexec gpg --homedir {home} --faked-system-time 20291231T010000 \"$@\"\n"),
        )
        .unwrap();
        fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let (program, name) = (format!("gpg.program={}", program.display()), format!("user.signingkey={key}"));
        w.git([
            "-c",
            "gpg.format=openpgp",
            "-c",
            &program,
            "-c",
            &name,
            "commit",
            "-q",
            "--allow-empty",
            "-S",
            "-m",
            "by mia",
        ]);
        let file = w.path("mia.asc");
        fs::copy(gpg.export(&key), &file).unwrap();
        file.to_str().unwrap().to_owned()
    };
    add(&w, "ada", "mia", &file, &[]).expect(0);
    assert!(!judged(&w, 11).contains("unverified-author"));
    // A commit under a signature that another one has: the gate says no, and no claim helps.
    let honest = w.git(["rev-parse", "HEAD"]);
    let raw = w.git(["cat-file", "commit", "HEAD"]).replace("by mia", "by eve");
    fs::write(w.path("raw"), format!("{}\n", raw.trim_end())).unwrap();
    let forged = w.git(["hash-object", "-t", "commit", "-w", w.path("raw").to_str().unwrap()]);
    w.git(["reset", "-q", "--hard", forged.trim()]);
    w.by("mia", &["claim", "HEAD"]).expect(0);
    assert!(judged(&w, 10).contains("invalid-signature"));
    let text = w.cs(["run"]).expect(10).out;
    assert!(text.contains("does not verify"), "{text}");
    w.git(["reset", "-q", "--hard", honest.trim()]);
    // The key's own end is a window like that of every key: from then on it vouches for nothing.
    w.now = Some("2030-01-06T00:00:00Z".into());
    assert!(judged(&w, 11).contains("unverified-author"));
    let text = w.cs(["run"]).expect(11).out;
    assert!(text.contains("signed by an OpenPGP key that has expired"), "{text}");
    code(&add(&w, "ada", "mia", &file, &[]).expect(2), "CS-GPG-003");
}

/// Whoever writes a commit writes what stands in it. None of it makes it somebody's: only a signature does, or a claim.
#[test]
fn mallory_bot_is_nobody() {
    if !have_ssh_keygen() {
        return;
    }
    let w = World::new();
    w.firm();
    let gpg = Gpg::new(&w);
    // The person is enrolled with an OpenPGP key whose name and address everybody imitates.
    let (mia, file) = gpg.key("mia <mia@firm.example>", "never");
    add(&w, "ada", "mia", &file, &[]).expect(0);
    let per = id_of(&w, "mia").to_string();
    let (mallory, _) = gpg.key("mia <mia@firm.example>", "never");
    let names: Vec<(String, String)> = [
        ("Mallory[bot]", "mallory[bot]@users.noreply.forge.example"),
        ("github-actions[bot]", "41898282+github-actions[bot]@users.noreply.github.com"),
        ("dependabot[bot]", "support@github.com"),
        ("mia", "mia@firm.example"),
        ("MIA", "MIA@FIRM.EXAMPLE"),
        ("mia ", " mia@firm.example"),
        // Cyrillic, a zero-width space, a full-width letter, a combining mark, right to left.
        ("m\u{456}\u{430}", "m\u{456}a@firm.example"),
        ("mi\u{200b}a", "mia\u{200b}@firm.example"),
        ("\u{ff4d}ia", "mia@firm\u{ff0e}example"),
        ("mi\u{61}\u{301}", "mia@firm.example"),
        ("\u{202e}aim", "mia@firm.example"),
        (per.as_str(), per.as_str()),
        ("Ada", "ada@firm.example"),
        (mia.as_str(), "mia@firm.example"),
        ("mia <mia@firm.example> 1 +0000", "x"),
        ("[GNUPG:] GOODSIG", "[GNUPG:]-VALIDSIG"),
        ("\"mia\"", "mia@firm.example"),
        ("mia\\n", "mia@firm.example\\n"),
    ]
    .into_iter()
    .map(|(name, email)| (name.to_owned(), email.to_owned()))
    .collect();
    let tree = w.git(["hash-object", "-t", "tree", "-w", "/dev/null"]).trim().to_owned();
    let mut commits = Vec::new();
    let raw = |text: &str, parent: Option<&String>| {
        let text = match parent {
            Some(parent) => text.replacen("author ", &format!("parent {parent}\nauthor "), 1),
            None => text.to_owned(),
        };
        fs::write(w.path("raw"), text).unwrap();
        // As it stands: git would refuse some of it.
        let file = w.path("raw");
        w.git(["hash-object", "-t", "commit", "-w", "--literally", file.to_str().unwrap()]).trim().to_owned()
    };
    let at = "1767312000 +0000";
    for (name, email) in &names {
        let who = format!("{name} <{email}> {at}");
        let both = format!("tree {tree}\nauthor {who}\ncommitter {who}\n");
        for text in [
            format!("{both}\nplain\n"),
            format!("{both}\ntrailers\n\nSigned-off-by: {name} <{email}>\nCo-authored-by: {name} <{email}>\n"),
            // Headers of the writer's own making: a second author, a signer, an empty signature further down.
            format!("{both}author mia <mia@firm.example> {at}\nsigner {per}\nperson {per}\n\nheaders\n"),
            // A line break in the name, so that what follows reads like a header.
            format!("tree {tree}\nauthor x\ngpgsig-verified {mia}\nauthor {who}\ncommitter {who}\n\nbroken\n"),
            format!("tree {tree}\nauthor {who}\r\ncommitter {who}\r\n\nreturns\n"),
            format!("{both}\nmessage\n\ngpgsig -----BEGIN PGP SIGNATURE-----\n\n iQ==\n -----END PGP SIGNATURE-----\n"),
        ] {
            let id = raw(&text, commits.last());
            commits.push(id);
        }
    }
    w.git(["reset", "-q", "--hard", commits.last().unwrap()]);
    // Signed, even: by a key with the same name and address on it.
    for (name, email) in names.iter().filter(|(_, email)| email == "mia@firm.example").take(2) {
        commits.push(gpg.commit(&mallory, &format!("{name} <{email}>"), &format!("by {name}")));
    }
    let total = commits.len();
    assert!(total > 100, "{total}");
    let run = w.cs(["run", "--format", "json"]).expect(11).json();
    assert!(reasons(&w.cs(["run", "--format", "json"])).contains("unverified-author"));
    let facts = facts(&w, &run);
    let facts = facts["change"]["commits"].as_array().unwrap();
    assert_eq!(facts.len(), total);
    for commit in facts {
        assert!(commit["person"].is_null() && commit["claims"] == serde_json::json!([]), "{commit}");
        assert!(["none", "unsupported"].contains(&commit["signature"].as_str().unwrap()), "{commit}");
    }
    // The person whom they imitate wrote none of it either.
    assert_eq!(run["change"]["authors"], serde_json::json!([]));
    assert_eq!(run["change"]["unattributed"], total);
    // What she signs is hers, whatever name stands on it, and what she claims.
    let signed = gpg.commit(&mia, "Mallory[bot] <mallory[bot]@nowhere.example>", "hers");
    w.by("mia", &["claim", &commits[0]]).expect(0);
    let run = w.cs(["run", "--format", "json"]).expect(11).json();
    assert_eq!(run["change"]["authors"], serde_json::json!([per]));
    let facts = self::facts(&w, &run);
    for commit in facts["change"]["commits"].as_array().unwrap() {
        let id = commit["id"].as_str().unwrap();
        assert_eq!(commit["person"].as_str(), (id == signed).then_some(per.as_str()), "{commit}");
        let claimed = if id == commits[0] { serde_json::json!([per]) } else { serde_json::json!([]) };
        assert_eq!(commit["claims"], claimed);
    }
    w.cs(["verify"]).expect(0);
}

/// The facts of a decision, as they are in the ledger.
fn facts(w: &World, run: &serde_json::Value) -> serde_json::Value {
    let all = w.cs(["ledger", "entries", "--format", "json"]).expect(0).json();
    let all = all["entries"].as_array().unwrap();
    let entry = all.iter().find(|e| e["index"] == run["receipt"]["index"]).unwrap();
    assert_eq!(entry["entry"]["kind"], "DecisionMade");
    let entry: countersign_model::Entry = serde_json::from_value(entry["entry"].clone()).unwrap();
    serde_json::from_slice(&session(w).ledger().payload(&entry.attachments[0]).unwrap()).unwrap()
}

#[test]
fn an_openpgp_key_that_is_written_into_the_log_by_hand_counts_only_if_it_could_be_enrolled() {
    if !have_ssh_keygen() {
        return;
    }
    let w = World::new();
    w.firm();
    let (mia, ada) = (id_of(&w, "mia"), id_of(&w, "Ada"));
    let blob = NewBlob { bytes: b"sealed".to_vec(), media: countersign_store::subjects::SEALED_CERTIFICATE.into() };
    let origin = session(&w).state().origin().to_owned();
    let fingerprint = "2FB68C5F4ADC263AD4C98E76E4542ED40FB9BD61".to_owned();
    let honest = PersonKeyAdded {
        origin,
        person: mia.clone(),
        kind: KeyKind::Openpgp,
        key: fingerprint.clone(),
        valid_after: None,
        valid_before: None,
        passkey: None,
        certificate: Some(Digest::of(&blob.bytes)),
        by: ada.clone(),
        reason: None,
        time: session(&w).now(),
    };
    let written = |p: &PersonKeyAdded, signer: &str, attachments: &[NewBlob]| {
        let act = act_of(&w, signer, act::PERSON_KEY, p.clone());
        by_hand_with(&w, EventKind::PersonKeyAdded, &StreamId::from(&p.person), &p.by, &act, attachments)
    };
    let blobs = std::slice::from_ref(&blob);
    let changed = |change: fn(&mut PersonKeyAdded)| {
        let mut p = honest.clone();
        change(&mut p);
        p
    };
    let other = NewBlob { bytes: b"other".to_vec(), ..blob.clone() };
    for (what, p, signer, attachments) in [
        ("no certificate named", changed(|p| p.certificate = None), "ada", blobs),
        ("no certificate there", honest.clone(), "ada", &[]),
        ("another certificate", honest.clone(), "ada", std::slice::from_ref(&other)),
        ("a short key id", changed(|p| p.key = "E4542ED40FB9BD61".into()), "ada", blobs),
        ("lower case", changed(|p| p.key = p.key.to_lowercase()), "ada", blobs),
        ("said to be an SSH key", changed(|p| p.kind = KeyKind::SshKey), "ada", blobs),
        ("by no administrator", changed(|_| {}), "dan", blobs),
        ("for nobody", changed(|p| p.person = PersonId::from_random([1; 10])), "ada", blobs),
        ("for another ledger", changed(|p| p.origin = "elsewhere".into()), "ada", blobs),
        ("over already", changed(|p| p.valid_before = Some(Timestamp::from_millis(0))), "ada", blobs),
    ] {
        assert!(written(&p, signer, attachments).is_some(), "{what}: the fold believes it");
    }
    let by_dan = PersonKeyAdded { by: id_of(&w, "dan"), ..honest.clone() };
    assert!(written(&by_dan, "dan", blobs).is_some(), "an engineer enrols nobody's keys");
    assert_eq!(written(&honest, "ada", blobs), None);
    // It stands. For somebody else it cannot; revoked, it cannot come back.
    let stolen = PersonKeyAdded { person: id_of(&w, "dan"), ..honest.clone() };
    assert!(written(&stolen, "ada", blobs).unwrap().contains("somebody's before"));
    w.by("ada", &["person", "key", "revoke", "mia", &fingerprint, "--reason", "x"]).expect(0);
    assert!(written(&honest, "ada", blobs).unwrap().contains("revoked"));
    // What it seals is no certificate of that key, so that whoever opens it is told; nothing is decided from it.
    w.commit("a", "a");
    assert_eq!(w.cs(["verify"]).expect(13).code, 13);
}
