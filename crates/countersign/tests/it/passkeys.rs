//! Passkeys through the real binary: enrolled, and approving in two steps, with a browser and an authenticator in software.

use std::path::PathBuf;
use std::process::Stdio;

use serde_json::Value;

use crate::authenticator::{Authenticator, UP_UV};
use crate::support::{Ran, World, have_ssh_keygen};

const SITE: &str = "https://sign.example.test";
const RP_ID: &str = "example.test";
const CONFIG: &str = "[passkeys]\norigin = \"https://sign.example.test\"\nrp_id = \"example.test\"\n";

#[track_caller]
fn code(ran: &Ran, code: &str) {
    assert!(ran.err.starts_with(&format!("error[{code}]")), "{}", ran.err);
}

impl World {
    /// The firm; passkeys are used in [`SITE`]; Mia has a commit that is judged.
    fn with_site() -> Self {
        let w = Self::new();
        w.firm();
        w.write("countersign.toml", CONFIG);
        w.git(["add", "countersign.toml"]);
        w.commit_signed("mia", "app.sh", "echo app\n");
        w.cs(["run"]).expect(11);
        w
    }

    pub(crate) fn file(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    pub(crate) fn read(&self, name: &str) -> Value {
        serde_json::from_slice(&std::fs::read(self.path(name)).unwrap()).unwrap()
    }

    pub(crate) fn answer(&self, name: &str, answer: &Value) -> String {
        std::fs::write(self.path(name), serde_json::to_vec(answer).unwrap()).unwrap();
        self.file(name)
    }

    /// Asks for a passkey of somebody, and lets the authenticator make it: request and answer.
    pub(crate) fn made(&self, person: &str, token: &Authenticator, name: &str) -> (String, String) {
        let request = self.file(&format!("{name}.request"));
        self.cs(["person", "key", "request", person, "--out", &request]).expect(0);
        let asked = self.read(&format!("{name}.request"));
        let answer = token.create(asked["publicKey"]["challenge"].as_str().unwrap());
        (request, self.answer(&format!("{name}.answer"), &answer))
    }

    /// The fingerprint of a new passkey of somebody.
    pub(crate) fn passkey(&self, person: &str, token: &Authenticator, name: &str) -> String {
        let (request, answer) = self.made(person, token, name);
        let add = ["person", "key", "add", person, "--passkey", &answer, "--request", &request, "--format", "json"];
        self.by("ada", &add).expect(0).json()["key"].as_str().unwrap().to_owned()
    }

    /// Asks for an approval by a passkey: the request's file.
    fn asked(&self, slot: &str, key: &str, name: &str) -> String {
        let request = self.file(name);
        self.cs(["approve", "latest", "--as", slot, "--passkey", key, "--request", &request]).expect(0);
        request
    }

    fn sign(&self, token: &mut Authenticator, name: &str) -> String {
        let challenge = self.read(name)["publicKey"]["challenge"].as_str().unwrap().to_owned();
        let answer = token.get(&challenge);
        self.answer(&format!("{name}.answer"), &answer)
    }

    fn hand_in(&self, slot: &str, request: &str, answer: &str) -> Ran {
        self.cs(["approve", "latest", "--as", slot, "--request", request, "--signature", answer])
    }

    pub(crate) fn refused(&self) -> String {
        let entries = self.cs(["ledger", "entries", "--format", "json"]).expect(0).json();
        let all = entries["entries"].as_array().unwrap();
        let refused = all.iter().rev().find(|e| e["entry"]["kind"] == "ActRefused").unwrap();
        self.cs(["ledger", "show", &refused["index"].to_string(), "--statement"]).expect(0).out
    }

    pub(crate) fn size(&self) -> usize {
        let entries = self.cs(["ledger", "entries", "--format", "json"]).expect(0).json();
        entries["entries"].as_array().unwrap().len()
    }
}

fn token(seed: u8) -> Authenticator {
    Authenticator::new(seed, SITE, RP_ID)
}

#[test]
fn a_passkey_approves_in_two_steps_and_counts_as_hardware_offline_and_for_ssh_keygen() {
    if !have_ssh_keygen() {
        return;
    }
    let w = World::with_site();
    let mut token = token(1);
    let key = w.passkey("dan", &token, "dan");
    let listed = w.cs(["person", "key", "list", "dan", "--format", "json"]).expect(0).json();
    let row = listed["keys"].as_array().unwrap().iter().find(|k| k["fingerprint"] == key.as_str()).unwrap();
    assert_eq!((row["kind"].as_str(), row["passkey"]["origin"].as_str()), (Some("passkey"), Some(SITE)));
    assert_eq!(row["passkey"]["attestation"], "none");

    // The second request names what there is already, so that one authenticator makes no second key.
    w.cs(["person", "key", "request", "dan", "--out", &w.file("again")]).expect(0);
    let again = w.read("again");
    assert_eq!(again["publicKey"]["excludeCredentials"][0]["id"], token.id());
    assert_eq!(again["publicKey"]["authenticatorSelection"]["userVerification"], "required");

    let before = w.size();
    let request = w.asked("technical", &key, "ask");
    assert_eq!(w.size(), before, "nothing is signed yet");
    let asked = w.read("ask");
    assert_eq!((asked["origin"].as_str(), asked["publicKey"]["rpId"].as_str()), (Some(SITE), Some(RP_ID)));
    assert_eq!(asked["publicKey"]["allowCredentials"][0]["id"], token.id());
    assert_eq!(asked["publicKey"]["userVerification"], "required");
    let answer = w.sign(&mut token, "ask");
    let approved = w.hand_in("technical", &request, &answer).expect(0);
    assert!(approved.out.contains("technical approval"), "{}", approved.out);
    let approvals = w.cs(["approvals", "list", "latest", "--format", "json"]).expect(0).json();
    let given = &approvals["said"][0];
    assert_eq!(given["counts"], true, "{approvals}");
    assert_eq!(given["statement"]["strength"], "passkey");
    assert_eq!(given["statement"]["device"]["key"], key);
    assert_eq!(given["statement"]["authenticator"], RP_ID);

    // Again, it is an approval that was given.
    code(&w.hand_in("technical", &request, &answer).expect(4), "CS-PASSKEY-012");
    w.by("ruth", &["approve", "latest", "--as", "regulatory"]).expect(0);
    w.cs(["run"]).expect(0);
    w.cs(["verify"]).expect(0);
    w.cs(["ledger", "rebuild", "--check"]).expect(0);

    // Stock OpenSSH proves it.
    let index = given["index"].as_u64().unwrap().to_string();
    let payload = w.cs(["ledger", "show", &index, "--payload"]).expect(0).out;
    let act: Value = serde_json::from_str(&payload).unwrap();
    assert!(ssh_keygen_accepts(&w, &act, "countersign-approval@v1"));
    assert!(!ssh_keygen_accepts(&w, &act, "countersign-claim@v1"));
}

/// Whether `ssh-keygen -Y verify` accepts a stored act with the list of signers that is printed.
fn ssh_keygen_accepts(w: &World, act: &Value, namespace: &str) -> bool {
    use base64::Engine as _;
    let statement = base64::engine::general_purpose::STANDARD.decode(act["payload"].as_str().unwrap()).unwrap();
    let said: Value = serde_json::from_slice(&statement).unwrap();
    let person = said["predicate"]["person"].as_str().unwrap();
    let put = |name: &str, bytes: &[u8]| -> PathBuf {
        std::fs::write(w.path(name), bytes).unwrap();
        w.path(name)
    };
    let signers = put("signers", w.cs(["person", "list", "--format", "allowed-signers"]).expect(0).out.as_bytes());
    let signature = put("act.sig", act["signature"].as_str().unwrap().as_bytes());
    let statement = put("act", &statement);
    let mut command = w.command("ssh-keygen", &w.path("home"));
    command.args(["-Y", "verify", "-n", namespace, "-I", person, "-f"]).arg(signers).arg("-s").arg(signature);
    command.stdin(std::fs::File::open(statement).unwrap()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().unwrap().success()
}

#[test]
fn an_answer_that_is_not_the_one_to_the_request_is_refused_and_recorded() {
    if !have_ssh_keygen() {
        return;
    }
    let w = World::with_site();
    let mut token = token(1);
    let key = w.passkey("dan", &token, "dan");
    let request = w.asked("technical", &key, "ask");
    let challenge = w.read("ask")["publicKey"]["challenge"].as_str().unwrap().to_owned();
    let mut tries = 0;
    let mut tried = |answer: &Value, expected: &str| {
        tries += 1;
        let answer = w.answer(&format!("try{tries}"), answer);
        code(&w.hand_in("technical", &request, &answer).expect(13), expected);
        assert!(w.refused().contains(expected), "{}", w.refused());
    };
    tried(&Authenticator { flags: 0x01, ..token.clone() }.get(&challenge), "CS-PASSKEY-005");
    tried(&Authenticator { flags: 0x04, ..token.clone() }.get(&challenge), "CS-PASSKEY-004");
    tried(&Authenticator { origin: "https://evil.test".into(), ..token.clone() }.get(&challenge), "CS-PASSKEY-002");
    tried(&Authenticator { rp_id: "evil.test".into(), ..token.clone() }.get(&challenge), "CS-PASSKEY-003");
    tried(&Authenticator { credential: token.credential.clone(), ..self::token(2) }.get(&challenge), "CS-PASSKEY-008");
    tried(&self::token(2).get(&challenge), "CS-PASSKEY-009");
    tried(&token.clone().get("AAAA"), "CS-PASSKEY-002");
    tried(&token.create(&challenge), "CS-PASSKEY-001");
    tried(&serde_json::json!({}), "CS-PASSKEY-001");

    // The request of one slot is none for another, and one that is altered is none at all.
    let answer = w.sign(&mut token, "ask");
    code(&w.hand_in("regulatory", &request, &answer).expect(13), "CS-PASSKEY-013");
    let mut altered = w.read("ask");
    altered["statement"] = "e30=".into();
    let altered = w.answer("altered", &altered);
    code(&w.hand_in("technical", &altered, &answer).expect(13), "CS-PASSKEY-013");
    // A request is not written over.
    let again = w.cs(["approve", "latest", "--as", "technical", "--passkey", &key, "--request", &request]);
    assert!(again.code != 0 && again.err.contains("ask"), "{}", again.err);

    // What changed in between closes the way.
    w.commit_signed("mia", "more.sh", "echo more\n");
    w.cs(["run"]).expect(11);
    code(&w.hand_in("technical", &request, &answer).expect(13), "CS-PASSKEY-013");
    // Another run is judged, and the first one is still there to be approved, with its own request.
    let first = w.read("ask");
    use base64::Engine as _;
    let statement = base64::engine::general_purpose::STANDARD.decode(first["statement"].as_str().unwrap()).unwrap();
    let statement: Value = serde_json::from_slice(&statement).unwrap();
    let run = statement["predicate"]["run"].as_str().unwrap();
    w.cs(["approve", run, "--as", "technical", "--request", &request, "--signature", &answer]).expect(0);
    w.cs(["verify"]).expect(0);
}

#[test]
fn a_passkey_that_may_not_sign_is_not_even_asked() {
    if !have_ssh_keygen() {
        return;
    }
    let w = World::with_site();
    let mut token = token(1);
    let key = w.passkey("dan", &token, "dan");
    let ask =
        |key: &str, slot: &str| w.cs(["approve", "latest", "--as", slot, "--passkey", key, "--request", &w.file("no")]);
    // Nobody's, an SSH key, and the author's.
    code(&ask("SHA256:nobody", "technical").expect(4), "CS-RELEASE-002");
    code(&ask("", "technical").expect(4), "CS-RELEASE-002");
    let mut command = w.command("ssh-keygen", &w.path("home"));
    command.arg("-lf").arg(w.public("dan"));
    let plain = World::finish(command).expect(0).out.split_whitespace().nth(1).unwrap().to_owned();
    code(&ask(&plain, "technical").expect(4), "CS-PASSKEY-011");
    let mias = w.passkey("mia", &self::token(3), "mia");
    code(&ask(&mias, "technical").expect(4), "CS-RELEASE-004");
    assert!(w.refused().contains("CS-RELEASE-004"));
    // A passkey signs nothing without a browser.
    let row = w.cs(["person", "list", "--format", "allowed-signers"]).expect(0).out;
    let line = row.lines().find(|l| l.contains("sk-ecdsa-sha2-nistp256@openssh.com")).unwrap();
    let public = line.split_once("\" ").unwrap().1;
    std::fs::write(w.path("passkey.pub"), public).unwrap();
    let direct = w.cs(["approve", "latest", "--as", "technical", "--key", &w.file("passkey.pub")]);
    code(&direct.expect(4), "CS-PASSKEY-011");
    // Asked, then revoked: the answer is worth nothing any more.
    let request = w.asked("technical", &key, "ask");
    let answer = w.sign(&mut token, "ask");
    w.by("ada", &["person", "key", "revoke", "dan", &key, "--reason", "lost"]).expect(0);
    code(&w.hand_in("technical", &request, &answer).expect(4), "CS-IDENTITY-002");
    code(&ask(&key, "technical").expect(4), "CS-IDENTITY-002");
    assert!(!w.path("no").exists());
}

#[test]
fn a_passkey_is_enrolled_for_one_person_by_an_administrator_and_for_one_request() {
    if !have_ssh_keygen() {
        return;
    }
    let w = World::with_site();
    let token = token(1);
    let (request, answer) = w.made("dan", &token, "dan");
    let add = |person: &str, answer: &str, request: &str| {
        w.by("ada", &["person", "key", "add", person, "--passkey", answer, "--request", request])
    };
    // For another person, of another request, without the person verified, synced or not where it says so.
    code(&add("ruth", &answer, &request).expect(13), "CS-PASSKEY-002");
    let (other, _) = w.made("dan", &token, "other");
    code(&add("dan", &answer, &other).expect(13), "CS-PASSKEY-002");
    let unverified = w.made("dan", &Authenticator { flags: 0x01, ..token.clone() }, "unverified");
    code(&add("dan", &unverified.1, &unverified.0).expect(13), "CS-PASSKEY-005");
    // By somebody who is no administrator.
    let by_dan = ["person", "key", "add", "dan", "--passkey", &answer, "--request", &request];
    code(&w.by("dan", &by_dan).expect(4), "CS-ACCESS-004");
    assert!(add("dan", &answer, &request).expect(0).out.contains("one more key"));
    code(&add("dan", &answer, &request).expect(2), "CS-ACCESS-008");
    // A synced one is enrolled, and approves as a key that may leave its device.
    let mut synced = Authenticator { flags: UP_UV | 0x18, ..self::token(4) };
    let key = w.passkey("ruth", &synced, "ruth");
    let request = w.asked("regulatory", &key, "ask");
    let answer = w.sign(&mut synced, "ask");
    w.hand_in("regulatory", &request, &answer).expect(0);
    let approvals = w.cs(["approvals", "list", "latest", "--format", "json"]).expect(0).json();
    assert_eq!(approvals["said"][0]["statement"]["strength"], "synced-passkey");
    // Somewhere else, nothing is asked; nowhere, it is said what is missing.
    w.write("countersign.toml", "[passkeys]\norigin = \"https://sign.example.test\"\nrp_id = \"evil.test\"\n");
    code(&w.cs(["person", "key", "request", "dan", "--out", &w.file("bad")]).expect(2), "CS-PASSKEY-010");
    w.write("countersign.toml", "");
    let none = w.cs(["person", "key", "request", "dan", "--out", &w.file("bad")]).expect(2);
    assert!(none.err.contains("[passkeys]"), "{}", none.err);
    assert!(!w.path("bad").exists());
}
