//! Accounts elsewhere, OpenPGP keys and passkeys with `--server`, by the real binary on both ends: what is sealed is taken as it was given out
//! or not at all, and what a browser said of a passkey is verified on both ends.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign_evidence::seal::{self, Opener, SubjectKey};
use countersign_evidence::{act, canonical};
use countersign_model::Digest;
use serde_json::{Value, json};

use super::api::{Program, body, code, token};
use super::authenticator::Authenticator;
use super::openpgp::Gpg;
use super::remote_acts::{but, by, code_of, fingerprint, prepare, signed, statements, text};
use super::remote_people::{alike, id_of, last, shows};
use super::server::{Answer, firm, serve};
use super::server_passkeys::Site;
use super::submit::{Pipeline, entries};
use super::support::World;

const SCOPES: &str = "read,approve,audit";
const DAN_AT_GITHUB: [&str; 4] = ["--forge", "github", "--id", "12987654"];
const DAN_AT_GITLAB: [&str; 4] = ["--forge", "gitlab.example", "--id", "815"];

/// What was given out, to be signed and handed in.
struct Given {
    statement: Vec<u8>,
    sealed: Vec<u8>,
    opener: Vec<u8>,
    condition: String,
}

impl Given {
    fn of(program: &Program<'_>, key: &str, asked: &Value) -> Self {
        let given = body(&prepare(program, key, asked).expect(200));
        let sealed = &given["acts"][0]["sealed"];
        let part = |name: &str| sealed[name].as_str().map(|text| STANDARD.decode(text).unwrap()).unwrap_or_default();
        Self {
            statement: statements(&given).remove(0),
            sealed: part("bytes"),
            opener: part("opener"),
            condition: text(&given["condition"]),
        }
    }

    fn changed(&self, path: &str, value: Value) -> Vec<u8> {
        let mut said: Value = serde_json::from_slice(&self.statement).unwrap();
        *said.pointer_mut(path).unwrap() = value;
        canonical::to_vec(&said).unwrap()
    }
}

fn hand_in(program: &Program<'_>, key: u32, condition: &str, act: &[u8], beside: &Value) -> Answer {
    let mut sent = json!({"acts": [STANDARD.encode(act)]});
    sent.as_object_mut().unwrap().extend(beside.as_object().unwrap().clone());
    let (condition, key) = (format!("\"{condition}\""), format!("key-{key:016}"));
    let headers = [
        ("authorization", program.1.as_str()),
        ("content-type", "application/json"),
        ("idempotency-key", &key),
        ("if-match", &condition),
    ];
    program.0.send("POST", "/api/v1/acts", &headers, &sent.to_string())
}

fn sealed(bytes: &[u8]) -> Value {
    json!({"sealed": [STANDARD.encode(bytes)]})
}

fn key_of(world: &World, person: &str) -> SubjectKey {
    let path = world.repo().join(format!(".countersign/subjects/{}.key", id_of(world, person)));
    SubjectKey::parse_hex(std::fs::read_to_string(path).unwrap().trim()).unwrap()
}

#[test]
fn accounts_are_linked_and_unlinked_from_a_machine_without_the_ledger() {
    let Some(world) = firm() else { return };
    let server = serve(&world);
    let pipeline = Pipeline::new(&world, &server, token(&world, "ada", SCOPES));
    const KINDS: [&str; 3] = ["AccountLinked", "AccountUnlinked", "ActRefused"];
    let account = |verb, person, account: &[&'static str], more: &[&'static str]| {
        [&["person", "account", verb, person], account, more].concat()
    };
    let add = |person, which: &[&'static str], more: &[&'static str]| account("add", person, which, more);
    let remove = |person, which: &[&'static str], more: &[&'static str]| account("remove", person, which, more);
    let before = entries(&world, &KINDS)[2];
    shows(&pipeline, "dan");
    assert_eq!(code_of(&alike(&pipeline, "dan", &add("dan", &DAN_AT_GITHUB, &[]))), "CS-ACCESS-004");
    // Whoever may not hears of nobody by asking.
    assert_eq!(code_of(&alike(&pipeline, "dan", &add("nobody", &DAN_AT_GITHUB, &[]))), "CS-ACCESS-004");
    assert_eq!(entries(&world, &KINDS), [0, 0, before + 4]);

    shows(&pipeline, "ada");
    let ran = by(&pipeline, "ada", &add("Dan", &DAN_AT_GITHUB, &["--login", "octo-dan"])).expect(0);
    assert_eq!(ran.out, format!("✓ the account is now dan's {}\n", last(&world, "AccountLinked")));
    assert!(
        !ran.err.contains("octo-dan") && !ran.err.contains("12987654"),
        "it is in nothing that is signed: {}",
        ran.err
    );
    let json = ["--format", "json"];
    let there = by(&pipeline, "ada", &add("dan", &DAN_AT_GITLAB, &json)).expect(0).json();
    world.by("ada", &remove("dan", &DAN_AT_GITLAB, &["--reason", "x"])).expect(0);
    let here = world.by("ada", &add("dan", &DAN_AT_GITLAB, &json)).expect(0).json();
    assert_eq!(but(there, &["index"]), but(here, &["index"]));
    let listed = world.cs(["person", "account", "list", "dan", "--format", "json"]).expect(0).json();
    let row = &listed["accounts"][0];
    assert_eq!((&row["login"], &row["subject"]), (&json!("octo-dan"), &json!("12987654")));
    for args in [
        add("mia", &DAN_AT_GITHUB, &[]),
        add("dan", &DAN_AT_GITHUB, &[]),
        add("nobody", &DAN_AT_GITHUB, &[]),
        add("dan", &["--forge", "github", "--id", "octo"], &[]),
        remove("mia", &DAN_AT_GITHUB, &["--reason", "x"]),
        remove("dan", &DAN_AT_GITHUB, &["--reason", " "]),
    ] {
        assert_ne!(alike(&pipeline, "ada", &args).code, 0, "{args:?}");
    }
    let ran = by(&pipeline, "ada", &remove("dan", &DAN_AT_GITHUB, &["--reason", "left the team"])).expect(0);
    assert_eq!(ran.out, format!("✓ the account is no longer dan's {}\n", last(&world, "AccountUnlinked")));
    let there = by(&pipeline, "ada", &remove("dan", &DAN_AT_GITLAB, &["--reason", "x", "--format", "json"]));
    assert_eq!(but(there.expect(0).json(), &["index"]), json!({"version": 1, "person": id_of(&world, "dan")}));
    alike(&pipeline, "ada", &remove("dan", &DAN_AT_GITLAB, &["--reason", "x"]));
    let all = world.ledger_text();
    assert!(!all.contains("octo-dan") && !all.contains("12987654"), "which account it is stands in the ledger");
    world.cs(["ledger", "rebuild", "--check"]).expect(0);
    world.cs(["verify"]).expect(0);
}

#[test]
fn a_sealed_account_is_taken_as_it_was_given_out_or_not_at_all() {
    let Some(world) = firm() else { return };
    let server = serve(&world);
    let ada = Program::new(&server, &token(&world, "ada", SCOPES));
    let ruth = Program::new(&server, &token(&world, "ruth", SCOPES));
    let of_ada = fingerprint(&world, "Ada");
    const KINDS: [&str; 2] = ["AccountLinked", "ActRefused"];
    let refused = entries(&world, &KINDS)[1];
    let asked =
        json!({"kind": "person-account-add", "person": "dan", "issuer": "https://id.example", "subject": "7c1f"});
    assert_eq!(code(&prepare(&ruth, &fingerprint(&world, "ruth"), &asked).expect(403)), "CS-ACCESS-004");
    assert_eq!(code(&prepare(&ruth, &of_ada, &asked).expect(403)), "CS-SERVER-024");
    for bad in [
        json!({"kind": "person-account-add", "person": "dan", "issuer": "id.example", "subject": "7c1f"}),
        json!({"kind": "person-account-add", "person": "dan", "issuer": "https://id.example", "subject": ""}),
        json!({"kind": "person-account-remove", "person": "dan", "issuer": "https://id.example", "subject": "7c1f",
            "reason": "x", "pseudonym": "acc"}),
    ] {
        assert_eq!(code(&prepare(&ada, &of_ada, &bad).expect(400)), "CS-SERVER-110", "{bad}");
    }

    // It opens to what was asked for, for whom it belongs to and under its pseudonym alone.
    let one = Given::of(&ada, &of_ada, &asked);
    let said: Value = serde_json::from_slice(&one.statement).unwrap();
    let dan = id_of(&world, "dan");
    let context = format!("{dan} account {}", text(&said["predicate"]["account"]));
    let opener = Opener::from_bytes(one.opener.clone().try_into().unwrap());
    let plain = seal::open_with(&opener, &one.sealed, context.as_bytes()).unwrap();
    let plain: Value = serde_json::from_slice(&plain).unwrap();
    assert_eq!(plain, json!({"issuer": "https://id.example", "subject": "7c1f"}));
    assert_eq!(said["predicate"]["sealed"], Digest::of(&one.sealed).to_string());

    let mut key = 0;
    let mut send = |statement: &[u8], beside: &Value| {
        key += 1;
        hand_in(&ada, key, &one.condition, &signed(&world, "ada", act::ACCOUNT, statement), beside)
    };
    let own = key_of(&world, "dan");
    let canonical = |account: &Value| canonical::to_vec(account).unwrap();
    let by_key = |key: &SubjectKey, account: &Value, context: &str| {
        seal::seal(key, &canonical(account), context.as_bytes()).unwrap()
    };
    let good = json!({"issuer": "https://id.example", "subject": "7c1f"});
    let two = Given::of(&ada, &of_ada, &asked);
    let mut tries = 0;
    for beside in [json!({}), sealed(&two.sealed), sealed(b"x")] {
        assert_eq!(code(&send(&one.statement, &beside).expect(409)), "CS-HANDED-006", "{beside}");
        tries += 1;
    }
    for (bytes, expected) in [
        (b"x".to_vec(), "CS-HANDED-006"),
        (by_key(&key_of(&world, "mia"), &good, &context), "CS-HANDED-006"),
        (by_key(&own, &good, &format!("{dan} account other")), "CS-HANDED-006"),
        (by_key(&own, &json!({"issuer": "id.example", "subject": "7c1f"}), &context), "CS-HANDED-006"),
        (by_key(&own, &json!({"issuer": "https://id.example", "subject": "7c1f", "x": 1}), &context), "CS-HANDED-006"),
        // Of another account the pseudonym is another.
        (by_key(&own, &json!({"issuer": "https://id.example", "subject": "7c20"}), &context), "CS-HANDED-006"),
    ] {
        let statement = one.changed("/predicate/sealed", json!(Digest::of(&bytes)));
        let answer = send(&statement, &sealed(&bytes));
        assert_eq!((answer.status, code(&answer).as_str()), (409, expected), "{}", answer.body);
        tries += 1;
    }
    let person = one.changed("/predicate/person", json!(id_of(&world, "mia")));
    assert_eq!(code(&send(&person, &sealed(&one.sealed)).expect(412)), "CS-SERVER-113");
    let account = one.changed("/predicate/account", json!("acc-other"));
    assert_eq!(code(&send(&account, &sealed(&one.sealed)).expect(409)), "CS-HANDED-006");
    // A passkey beside what enrols none.
    let mut beside = sealed(&one.sealed);
    beside["passkey"] = json!({"request": "{}", "answer": "{}"});
    assert_eq!(code(&send(&one.statement, &beside).expect(403)), "CS-HANDED-001");
    assert_eq!(entries(&world, &KINDS), [0, refused + 4 + tries]);

    let first = body(&send(&one.statement, &sealed(&one.sealed)).expect(200));
    assert_eq!(body(&send(&one.statement, &sealed(&one.sealed)).expect(200)), first);
    assert_eq!(entries(&world, &KINDS)[0], 1);
    // Another pseudonym than an account of the person is unlinked from nobody.
    let remove = json!({"kind": "person-account-remove", "person": "dan", "issuer": "https://id.example",
        "subject": "7c1f", "reason": "x"});
    let given = Given::of(&ada, &of_ada, &remove);
    let other = signed(&world, "ada", act::ACCOUNT_REMOVAL, &given.changed("/predicate/account", json!("other")));
    assert_eq!(code(&hand_in(&ada, 100, &given.condition, &other, &json!({})).expect(400)), "CS-ACCOUNT-003");
    // They are of the whole firm: no token that is limited opens them.
    let issue = ["token", "issue", "--scope", SCOPES, "--repository", "git:git.example/acme/pay", "--format", "json"];
    let limited = Program::new(&server, &world.by("ada", &issue).expect(0).json());
    for asked in [asked, remove] {
        assert_eq!(code(&prepare(&limited, &of_ada, &asked).expect(404)), "CS-SERVER-022", "{asked}");
    }
    world.cs(["ledger", "rebuild", "--check"]).expect(0);
    world.cs(["verify"]).expect(0);
}

#[test]
fn an_openpgp_key_is_enrolled_and_renewed_from_a_machine_without_the_ledger() {
    let Some(world) = firm() else { return };
    let server = serve(&world);
    let pipeline = Pipeline::new(&world, &server, token(&world, "ada", SCOPES));
    const KINDS: [&str; 2] = ["PersonKeyAdded", "ActRefused"];
    let gpg = Gpg::new(&world);
    let (one, file) = gpg.key("Mia Muster <mia@firm.example>", "1y");
    let add = |person: &'static str, file: &str, more: &[&'static str]| -> Vec<String> {
        let all = [&["person", "key", "add", person, "--openpgp", file], more].concat();
        all.into_iter().map(str::to_owned).collect()
    };
    let strs = |args: &[String]| args.iter().map(|arg| arg.as_str().to_owned()).collect::<Vec<_>>();
    let say = |who: &str, args: Vec<String>| {
        let args = strs(&args);
        by(&pipeline, who, &args.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let same =
        |who: &str, args: Vec<String>| alike(&pipeline, who, &args.iter().map(String::as_str).collect::<Vec<_>>());
    let before = entries(&world, &KINDS);
    shows(&pipeline, "dan");
    assert_eq!(code_of(&same("dan", add("mia", &file, &[]))), "CS-ACCESS-004");
    assert_eq!(entries(&world, &KINDS), [before[0], before[1] + 2]);

    shows(&pipeline, "ada");
    let json = ["--reason", "signs with it", "--format", "json"];
    let there = say("ada", add("mia", &file, &json)).expect(0);
    assert!(!there.err.contains("Muster"), "it is in nothing that is signed: {}", there.err);
    let there = there.json();
    assert_eq!((there["key"].as_str(), &there["renewed"]), (Some(one.as_str()), &json!(false)));
    assert!(there["valid_before"].is_string(), "the key's own end is its window: {there}");
    let listed = world.cs(["person", "key", "list", "mia", "--format", "json"]).expect(0).json();
    assert_eq!((&listed["keys"][1]["kind"], &listed["keys"][1]["fingerprint"]), (&json!("openpgp"), &there["key"]));
    // The same again renews it, as where the ledger is; before a day that was asked for it ends then.
    gpg.run(&["--quick-set-expire", &one, "2y"]);
    let again = gpg.export(&one);
    let renewed = say("ada", add("mia", &again, &json)).expect(0).json();
    let here =
        world.by("ada", &["person", "key", "add", "mia", "--openpgp", &again, "--reason", "x", "--format", "json"]);
    assert_eq!(but(renewed.clone(), &["index"]), but(here.expect(0).json(), &["index"]));
    assert_eq!(renewed["renewed"], true);
    assert!(renewed["valid_before"].as_str() > there["valid_before"].as_str());
    let (_, own) = gpg.key("Ada Alba <ada@firm.example>", "never");
    let ran = say("ada", add("Ada", &own, &["--valid-before", "2099-01-01"])).expect(0).out;
    assert!(ran.contains(", before 2099-01-01") && ran.contains("no other administrator"), "{ran}");
    same("ada", add("dan", &file, &[]));
    same("ada", add("mia", &file, &["--valid-before", "2020-01-01"]));
    same("ada", add("nobody", &file, &[]));

    // What was sealed of another key, or of none, is no key that was given out.
    let ada = Program::new(&server, &token(&world, "ada", SCOPES));
    let of_ada = fingerprint(&world, "Ada");
    let (two, file) = gpg.key("Dan Drum <dan@firm.example>", "1y");
    let bytes = std::fs::read(&file).unwrap();
    let asked = json!({"kind": "person-openpgp-add", "person": "dan", "certificate": STANDARD.encode(&bytes)});
    let given = Given::of(&ada, &of_ada, &asked);
    let context = format!("{} openpgp {two}", id_of(&world, "dan"));
    let key = key_of(&world, "dan");
    let sound = seal::open(&key, &given.sealed, context.as_bytes()).unwrap();
    let before = entries(&world, &KINDS);
    let mut send = 0;
    for (plain, expected) in [(b"no key".to_vec(), "CS-GPG-003"), (bytes, "CS-HANDED-006")] {
        let bytes = seal::seal(&key, &plain, context.as_bytes()).unwrap();
        let statement = given.changed("/predicate/certificate", json!(Digest::of(&bytes)));
        let act = signed(&world, "ada", act::PERSON_KEY, &statement);
        send += 1;
        let answer = hand_in(&ada, send, &given.condition, &act, &sealed(&bytes));
        assert_eq!((code(&answer).as_str(), answer.status == 200), (expected, false), "{}", answer.body);
    }
    let act = signed(&world, "ada", act::PERSON_KEY, &given.statement);
    assert_eq!(code(&hand_in(&ada, 10, &given.condition, &act, &json!({})).expect(409)), "CS-HANDED-006");
    assert_eq!(entries(&world, &KINDS)[0], before[0]);
    let first = body(&hand_in(&ada, 11, &given.condition, &act, &sealed(&given.sealed)).expect(200));
    assert_eq!(body(&hand_in(&ada, 12, &given.condition, &act, &sealed(&given.sealed)).expect(200)), first);
    assert!(!sound.is_empty() && !world.ledger_text().contains("Muster"));
    world.cs(["ledger", "rebuild", "--check"]).expect(0);
    world.cs(["verify"]).expect(0);
}

#[test]
fn a_passkey_is_enrolled_from_a_machine_without_the_ledger() {
    let Some(site) = Site::new() else { return };
    let world = &site.world;
    let pipeline = Pipeline::new(world, &site.server, token(world, "ada", SCOPES));
    const KINDS: [&str; 2] = ["PersonKeyAdded", "ActRefused"];
    let made = |person: &str, seed: u8| {
        let token = Authenticator::new(seed, &site.token.origin, "localhost");
        world.made(person, &token, &format!("{person}-{seed}"))
    };
    let (request, answer) = made("mia", 31);
    let add = ["person", "key", "add", "mia", "--passkey", &answer, "--request", &request];
    let before = entries(world, &KINDS);
    shows(&pipeline, "dan");
    assert_eq!(code_of(&alike(&pipeline, "dan", &add)), "CS-ACCESS-004");
    assert_eq!(entries(world, &KINDS), [before[0], before[1] + 2]);
    shows(&pipeline, "ada");
    let json = ["--reason", "her laptop", "--valid-before", "2099-01-01", "--format", "json"];
    let there = by(&pipeline, "ada", &[&add[..], &json].concat()).expect(0).json();
    let (request, answer) = made("mia", 32);
    let more = ["person", "key", "add", "mia", "--passkey", &answer, "--request", &request];
    let here = world.by("ada", &[&more[..], &json].concat()).expect(0).json();
    assert_eq!(but(there.clone(), &["index", "key"]), but(here, &["index", "key"]));
    let listed = world.cs(["person", "key", "list", "mia", "--format", "json"]).expect(0).json();
    assert_eq!((&listed["keys"][1]["kind"], &listed["keys"][1]["fingerprint"]), (&json!("passkey"), &there["key"]));
    let (request, answer) = made("mia", 33);
    let text_of = ["person", "key", "add", "mia", "--passkey", &answer, "--request", &request];
    let ran = by(&pipeline, "ada", &text_of).expect(0).out;
    assert!(
        ran.starts_with("✓ mia has one more key, SHA256:") && ran.contains(&last(world, "PersonKeyAdded")),
        "{ran}"
    );

    // Hers once, another's request, no answer to it, and one that was made for another origin.
    alike(&pipeline, "ada", &add);
    let (of_dan, by_dan) = made("dan", 34);
    let (of_mia, by_mia) = made("mia", 35);
    for (person, answer, request) in
        [("mia", &by_dan, &of_dan), ("dan", &by_mia, &of_dan), ("dan", &of_dan, &by_dan), ("nobody", &by_dan, &of_dan)]
    {
        let args = ["person", "key", "add", person, "--passkey", answer, "--request", request];
        assert_ne!(alike(&pipeline, "ada", &args).code, 0, "{args:?}");
    }

    // Nothing of what comes back is believed: it is verified once more.
    let ada = Program::new(&site.server, &token(world, "ada", SCOPES));
    let of_ada = fingerprint(world, "Ada");
    let read = |file: &str| std::fs::read_to_string(file).unwrap();
    let ceremony = |request: &str, answer: &str| json!({"request": read(request), "answer": read(answer)});
    let asked = |passkey: Value| json!({"kind": "person-passkey-add", "person": "dan", "passkey": passkey});
    let refused = prepare(&ada, &of_ada, &asked(ceremony(&of_mia, &by_mia))).expect(403);
    assert_eq!(code(&refused), "CS-PASSKEY-002", "{}", refused.body);
    let good = ceremony(&of_dan, &by_dan);
    let given = Given::of(&ada, &of_ada, &asked(good.clone()));
    let act = signed(world, "ada", act::PERSON_KEY, &given.statement);
    let before = entries(world, &KINDS);
    let (second, by_second) = made("dan", 36);
    for (n, (beside, expected)) in [
        (json!({}), "CS-HANDED-001"),
        (json!({"passkey": ceremony(&of_dan, &by_mia)}), "CS-PASSKEY-002"),
        (json!({"passkey": ceremony(&second, &by_second)}), "CS-HANDED-002"),
    ]
    .into_iter()
    .enumerate()
    {
        let answer = hand_in(&ada, u32::try_from(n).unwrap(), &given.condition, &act, &beside);
        assert_eq!((code(&answer).as_str(), answer.status == 200), (expected, false), "{}", answer.body);
    }
    let counted = given.changed("/predicate/passkey/backed_up", json!(true));
    let counted = signed(world, "ada", act::PERSON_KEY, &counted);
    let beside = json!({"passkey": good});
    assert_eq!(code(&hand_in(&ada, 10, &given.condition, &counted, &beside).expect(409)), "CS-HANDED-002");
    assert_eq!(entries(world, &KINDS), [before[0], before[1] + 4]);
    let first = body(&hand_in(&ada, 11, &given.condition, &act, &beside).expect(200));
    assert_eq!(body(&hand_in(&ada, 12, &given.condition, &act, &beside).expect(200)), first);
    world.cs(["ledger", "rebuild", "--check"]).expect(0);
    world.cs(["verify"]).expect(0);
}
