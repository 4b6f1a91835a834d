//! Keys of people through the real binary: several a person, windows, revocation, compromise, clocks.

use std::process::Stdio;

use crate::support::{Ran, World, have_ssh_keygen};

#[track_caller]
fn code(ran: &Ran, code: &str) {
    assert!(ran.err.starts_with(&format!("error[{code}]")), "{}", ran.err);
}

impl World {
    /// The firm, and a second key `dan2` of Dan's.
    fn with_second_key() -> Self {
        let w = Self::new();
        w.firm();
        w.add_key("dan", "dan2", &[]);
        w.commit_signed("mia", "app.sh", "echo app\n");
        w
    }

    fn add_key(&self, person: &str, name: &str, more: &[&str]) {
        self.key(name);
        let public = self.public(name);
        let args = ["person", "key", "add", person, "--ssh-key", public.to_str().unwrap()];
        self.by("ada", &[args.as_slice(), more].concat()).expect(0);
    }

    pub(crate) fn fingerprint(&self, name: &str) -> String {
        let mut command = self.command("ssh-keygen", &self.path("home"));
        command.arg("-lf").arg(self.public(name));
        Self::finish(command).expect(0).out.split_whitespace().nth(1).unwrap().to_owned()
    }

    fn revoke(&self, person: &str, name: &str, more: &[&str]) -> Ran {
        let fingerprint = self.fingerprint(name);
        let args = ["person", "key", "revoke", person, &fingerprint, "--reason", "lost", "--format", "json"];
        self.by("ada", &[args.as_slice(), more].concat())
    }

    /// The newest refusal in the ledger.
    fn last_refusal(&self) -> String {
        let entries = self.cs(["ledger", "entries", "--format", "json"]).expect(0).json();
        let all = entries["entries"].as_array().unwrap();
        let refused = all.iter().rev().find(|e| e["entry"]["kind"] == "ActRefused").unwrap();
        self.cs(["ledger", "show", &refused["index"].to_string(), "--statement"]).expect(0).out
    }
}

#[test]
fn one_human_with_two_keys_fills_one_slot_whichever_key_signs() {
    if !have_ssh_keygen() {
        return;
    }
    let w = World::with_second_key();
    w.cs(["run"]).expect(11);
    // Dan is engineer and compliance officer: with two keys he is still one person.
    w.by("dan2", &["approve", "latest", "--as", "technical"]).expect(0);
    code(&w.by("dan", &["approve", "latest", "--as", "technical"]).expect(4), "CS-RELEASE-006");
    code(&w.by("dan", &["approve", "latest", "--as", "regulatory"]).expect(4), "CS-RELEASE-005");
    // An author's second key is an author's.
    w.add_key("mia", "mia2", &[]);
    code(&w.by("mia2", &["approve", "latest", "--as", "technical"]).expect(4), "CS-RELEASE-004");
    // A key is one person's, for ever.
    let public = w.public("dan2");
    let taken = ["person", "key", "add", "mia", "--ssh-key", public.to_str().unwrap()];
    code(&w.by("ada", &taken).expect(2), "CS-ACCESS-008");
    w.by("ruth", &["approve", "latest", "--as", "regulatory"]).expect(0);
    w.cs(["run"]).expect(0);
    w.cs(["verify"]).expect(0);
}

#[test]
fn a_revoked_key_signs_nothing_and_what_it_signed_before_stands() {
    if !have_ssh_keygen() {
        return;
    }
    let w = World::with_second_key();
    w.cs(["run"]).expect(11);
    w.by("dan2", &["approve", "latest", "--as", "technical"]).expect(0);
    assert_eq!(w.revoke("dan", "dan2", &[]).expect(0).json()["suspect"], serde_json::json!([]));
    code(&w.revoke("dan", "dan2", &[]).expect(2), "CS-IDENTITY-015");
    w.by("ruth", &["approve", "latest", "--as", "regulatory"]).expect(0);
    w.cs(["run"]).expect(0);
    // What it signs now is refused, and that is recorded; the other key counts.
    w.commit_signed("mia", "more.sh", "echo more\n");
    w.cs(["run"]).expect(11);
    code(&w.by("dan2", &["approve", "latest", "--as", "technical"]).expect(4), "CS-IDENTITY-002");
    assert!(w.last_refusal().contains("CS-IDENTITY-002"), "{}", w.last_refusal());
    w.by("dan", &["approve", "latest", "--as", "technical"]).expect(0);
    // A key that nobody has is another thing.
    w.key("stranger");
    code(&w.by("stranger", &["approve", "latest", "--as", "technical"]).expect(4), "CS-RELEASE-002");
    assert!(w.last_refusal().contains("CS-RELEASE-002"));
    // An administrator's acts with a revoked key are refused in the same way.
    w.add_key("ada", "ada2", &[]);
    w.revoke("ada", "ada2", &[]).expect(0);
    code(&w.by("ada2", &["role", "grant", "mia", "auditor", "--reason", "x"]).expect(4), "CS-IDENTITY-002");
    // The only key that an administrator has left stays.
    code(&w.revoke("ada", "ada", &[]).expect(2), "CS-IDENTITY-016");
    let listed = w.cs(["person", "key", "list", "dan"]).expect(0).out;
    assert!(listed.contains("revoked") && listed.contains("active"), "{listed}");
    w.cs(["verify"]).expect(0);
    w.cs(["ledger", "rebuild", "--check"]).expect(0);
}

#[test]
fn since_a_key_was_compromised_its_approvals_and_grants_open_nothing_and_are_listed() {
    if !have_ssh_keygen() {
        return;
    }
    let mut w = World::new();
    w.now = Some("2026-11-25T08:00:00Z".into());
    w.firm();
    w.add_key("dan", "dan2", &[]);
    w.add_key("omar", "omar2", &[]);
    w.commit_signed("mia", "app.sh", "echo app\n");
    w.now = Some("2026-11-25T10:00:00Z".into());
    w.cs(["run"]).expect(11);
    w.by("dan2", &["approve", "latest", "--as", "technical"]).expect(0);
    w.by("ruth", &["approve", "latest", "--as", "regulatory"]).expect(0);
    w.cs(["run"]).expect(0);
    let grant = w.path("grant.json");
    let grant = grant.to_str().unwrap();
    w.by("omar2", &["deploy", "latest", "--env", "production", "--out", grant]).expect(0);

    // Omar's key was stolen an hour ago: the grant is good for nothing.
    w.now = Some("2026-11-25T10:05:00Z".into());
    code(&w.revoke("omar", "omar2", &["--compromised-since", "2026-11-25T10:06:00Z"]).expect(2), "CS-IDENTITY-013");
    let revoked = w.revoke("omar", "omar2", &["--compromised-since", "2026-11-25T09:00:00Z"]).expect(0).json();
    assert_eq!(revoked["suspect"][0]["kind"], "GrantIssued");
    code(&w.cs(["deploy", "--grant", grant, "--", "true"]).expect(4), "CS-IDENTITY-002");
    assert!(w.last_refusal().contains("CS-IDENTITY-002"));

    // Dan's, too: his approval fills no slot any more. With his other key he approves again.
    let revoked = w.revoke("dan", "dan2", &["--compromised-since", "2026-11-25T10:00:00Z"]).expect(0).json();
    let kinds: Vec<_> = revoked["suspect"].as_array().unwrap().iter().map(|a| a["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["ApprovalSigned"]);
    let run = w.cs(["run"]).expect(11).out;
    assert!(run.contains("needs a technical approval"), "{run}");
    w.by("dan", &["approve", "latest", "--as", "technical"]).expect(0);
    w.cs(["run"]).expect(0);
    w.cs(["verify"]).expect(0);
}

#[test]
fn a_commit_of_a_key_that_was_revoked_has_an_author_nobody_vouches_for_and_its_holder_stays_excluded() {
    if !have_ssh_keygen() {
        return;
    }
    let w = World::new();
    w.firm();
    w.commit_signed("mia", "app.sh", "echo app\n");
    w.add_key("mia", "mia2", &[]);
    let reasons = |exit| {
        let run = w.cs(["run", "--format", "json"]).expect(exit).json();
        run["gates"].as_array().unwrap().iter().find(|g| g["name"] == "release").unwrap()["reasons"].to_string()
    };
    assert!(!reasons(11).contains("unverified-author"));
    w.revoke("mia", "mia", &[]).expect(0);
    assert!(reasons(11).contains("unverified-author"));
    code(&w.by("mia2", &["approve", "latest", "--as", "technical"]).expect(4), "CS-RELEASE-004");
    w.by("mia2", &["claim", "HEAD"]).expect(0);
    assert!(!reasons(11).contains("unverified-author"));
}

#[test]
fn a_carried_approval_counts_by_the_moment_at_which_it_arrives() {
    if !have_ssh_keygen() {
        return;
    }
    let mut w = World::new();
    w.now = Some("2026-11-25T08:00:00Z".into());
    w.firm();
    w.add_key("dan", "dan2", &["--valid-before", "2026-11-26"]);
    let window = ["--valid-after", "2026-11-26", "--valid-before", "2026-11-27"];
    w.add_key("dan", "dan3", &window);
    w.key("dan4");
    let public = w.public("dan4");
    let never = ["person", "key", "add", "dan", "--ssh-key", public.to_str().unwrap()];
    code(&w.by("ada", &[never.as_slice(), &["--valid-before", "2026-11-25"]].concat()).expect(2), "CS-IDENTITY-010");
    w.commit_signed("mia", "app.sh", "echo app\n");
    w.cs(["run"]).expect(11);
    let file = w.path("approval.json");
    let file = file.to_str().unwrap();
    let carry =
        |w: &World, key: &str, exit| w.by(key, &["approve", "latest", "--as", "technical", "--out", file]).expect(exit);
    code(&carry(&w, "dan3", 4), "CS-IDENTITY-003");
    // Signed by a clock that is six minutes ahead.
    w.now = Some("2026-11-25T08:06:00Z".into());
    carry(&w, "dan2", 0);
    w.now = Some("2026-11-25T08:00:00Z".into());
    let ahead = w.cs(["import", file]);
    code(&ahead, "CS-APPROVAL-017");
    assert_ne!(ahead.code, 0);
    assert!(w.last_refusal().contains("CS-APPROVAL-017"));
    // Signed in its window, and there after it.
    w.now = Some("2026-11-25T23:59:00Z".into());
    carry(&w, "dan2", 0);
    w.now = Some("2026-11-26T00:00:00Z".into());
    code(&w.cs(["import", file]).expect(4), "CS-IDENTITY-004");
    w.by("dan3", &["approve", "latest", "--as", "technical"]).expect(0);
    w.cs(["verify"]).expect(0);
}

#[test]
fn nobody_gives_themselves_a_key_while_another_administrator_can() {
    if !have_ssh_keygen() {
        return;
    }
    let w = World::new();
    w.firm();
    let added = |who: &str, by: &str, name: &str| {
        w.key(name);
        let public = w.public(name);
        w.by(by, &["person", "key", "add", who, "--ssh-key", public.to_str().unwrap(), "--format", "json"])
    };
    assert_eq!(added("ada", "ada", "ada2").expect(0).json()["alone"], true);
    w.by("ada", &["role", "grant", "ruth", "administrator", "--reason", "x"]).expect(0);
    code(&added("ada", "ada", "ada3").expect(4), "CS-IDENTITY-011");
    assert!(w.last_refusal().contains("CS-IDENTITY-011"));
    code(&added("dan", "dan", "dan2").expect(4), "CS-ACCESS-004");
    assert_eq!(added("ada", "ruth", "ada4").expect(0).json()["alone"], false);
    code(
        &w.by("ada", &["person", "key", "revoke", "dan", "SHA256:none", "--reason", "x"]).expect(2),
        "CS-IDENTITY-014",
    );
}

#[test]
fn ssh_keygen_knows_when_a_key_counted() {
    if !have_ssh_keygen() {
        return;
    }
    let mut w = World::new();
    w.now = Some("2026-11-25T08:00:00Z".into());
    w.firm();
    w.add_key("dan", "dan2", &[]);
    w.commit_signed("mia", "app.sh", "echo app\n");
    w.cs(["run"]).expect(11);
    let file = w.path("approval.json");
    w.by("dan2", &["approve", "latest", "--as", "technical", "--out", file.to_str().unwrap()]).expect(0);
    w.now = Some("2026-11-25T09:00:00Z".into());
    w.revoke("dan", "dan2", &[]).expect(0);
    let signers = w.path("signers");
    std::fs::write(&signers, w.cs(["person", "list", "--format", "allowed-signers"]).expect(0).out).unwrap();
    let act: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    std::fs::write(w.path("act.sig"), act["signature"].as_str().unwrap()).unwrap();
    let mut decode = w.command("base64", &w.path("home"));
    std::fs::write(w.path("act.b64"), act["payload"].as_str().unwrap()).unwrap();
    decode.arg("-d").arg(w.path("act.b64")).stdout(std::fs::File::create(w.path("act")).unwrap());
    assert!(decode.status().unwrap().success());
    let statement: serde_json::Value = serde_json::from_slice(&std::fs::read(w.path("act")).unwrap()).unwrap();
    let dan = statement["predicate"]["person"].as_str().unwrap().to_owned();
    let verify = |time: &str| {
        let mut command = w.command("ssh-keygen", &w.path("home"));
        let option = format!("verify-time={time}");
        command.args(["-Y", "verify", "-n", "countersign-approval@v1", "-I", &dan, "-O", &option, "-f"]).arg(&signers);
        command.arg("-s").arg(w.path("act.sig")).stdin(std::fs::File::open(w.path("act")).unwrap());
        command.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().success()
    };
    assert!(verify("20261125083000Z"));
    assert!(!verify("20261125093000Z"), "the key was revoked by then");
}
