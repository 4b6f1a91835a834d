//! Authorities for SSH certificates, keys that they certified, and revocation lists, with `--server`, by the real binary on both ends.

use countersign_evidence::{act, canonical};
use serde_json::{Value, json};

use super::api::{Program, body, code, token};
use super::remote_acts::{but, by, code_of, fingerprint, hand_in, prepare, signed, statements, text};
use super::remote_people::{alike, id_of, last, looks_alike, shows};
use super::server::{Answer, firm, serve};
use super::submit::{Pipeline, entries};
use super::support::World;

const SCOPES: &str = "read,approve,audit";
const AUTHORITIES: [&str; 3] = ["CertificateAuthorityAdded", "CertificateAuthorityRevoked", "ActRefused"];

/// The public key of a new pair.
fn public(world: &World, name: &str) -> String {
    world.key(name);
    world.public(name).to_str().unwrap().to_owned()
}

fn line(world: &World, name: &str) -> String {
    let public: countersign_evidence::sshsig::PublicKey =
        std::fs::read_to_string(world.public(name)).unwrap().trim().parse().unwrap();
    public.to_openssh()
}

fn changed(statement: &[u8], fields: &[(&str, Value)]) -> Vec<u8> {
    let mut said: Value = serde_json::from_slice(statement).unwrap();
    for (field, value) in fields {
        said["predicate"][*field] = value.clone();
    }
    canonical::to_vec(&said).unwrap()
}

#[test]
fn authorities_are_enrolled_and_revoked_from_a_machine_without_the_ledger() {
    let Some(world) = firm() else { return };
    let server = serve(&world);
    let pipeline = Pipeline::new(&world, &server, token(&world, "ada", SCOPES));
    let (ca, second, third) = (public(&world, "ca"), public(&world, "ca2"), public(&world, "ca3"));
    let (fourth, of_mia) = (public(&world, "ca4"), world.public("mia").to_str().unwrap().to_owned());
    let add = |ca, people: &[&'static str], more: &[&'static str]| -> Vec<&str> {
        [&["person", "ca", "add", ca, "--reason", "our authority", "--for"][..], people, more].concat()
    };
    let before = entries(&world, &AUTHORITIES)[2];
    shows(&pipeline, "dan");
    assert_eq!(code_of(&alike(&pipeline, "dan", &add(&ca, &["dan"], &[]))), "CS-ACCESS-004");
    // Whoever may not hears of nobody, and of no authority, by asking.
    assert_eq!(code_of(&alike(&pipeline, "dan", &add(&ca, &["nobody"], &[]))), "CS-ACCESS-004");
    let none = ["person", "ca", "revoke", "SHA256:none", "--reason", "x"];
    assert_eq!(code_of(&alike(&pipeline, "dan", &none)), "CS-ACCESS-004");
    assert_eq!(entries(&world, &AUTHORITIES), [0, 0, before + 6]);

    shows(&pipeline, "ada");
    assert_eq!(looks_alike(&pipeline, &["person", "ca", "list"]), "there is no certificate authority\n");
    let until = ["--use", "acts", "--valid-before", "2099-01-01"];
    let ran = by(&pipeline, "ada", &add(&ca, &["dan"], &until)).expect(0);
    let (print, dan, mia) = (world.fingerprint("ca"), id_of(&world, "dan"), id_of(&world, "mia"));
    let said = format!(
        "✓ {print} certifies keys {}\n    for acts, before 2099-01-01T00:00:00.000Z\n    {dan}  dan\n\
         Each of them shows a certificate: countersign person key certify FILE-cert.pub --key FILE\n",
        last(&world, "CertificateAuthorityAdded")
    );
    assert_eq!(ran.out, said);
    assert!(ran.err.contains("signing with") && ran.err.contains(&dan), "{}", ran.err);
    // For more people than before, and for what it was before.
    let ran = by(&pipeline, "ada", &add(&ca, &["MIA"], &[])).expect(0).out;
    assert!(ran.contains("    for acts\n") && ran.contains(&dan) && ran.contains(&mia), "{ran}");
    // The same there and here.
    let json = ["--format", "json"];
    let there = by(&pipeline, "ada", &add(&second, &["dan"], &json)).expect(0).json();
    let here = world.by("ada", &add(&third, &["dan"], &json)).expect(0).json();
    assert_eq!(but(there.clone(), &["index", "authority"]), but(here, &["index", "authority"]));
    assert_eq!(there["authority"], json!(world.fingerprint("ca2")));
    let text = |ca| {
        let ran =
            (by(&pipeline, "ada", &add(ca, &["dan", "mia"], &[])), world.by("ada", &add(ca, &["dan", "mia"], &[])));
        let out = |ran: super::support::Ran| ran.expect(0).out.split_once('\n').unwrap().1.to_owned();
        assert_eq!(out(ran.0), out(ran.1));
    };
    text(&ca);
    text(&second);
    for args in [
        add(&ca, &["nobody"], &[]),
        add(&ca, &["dan"], &["--valid-before", "2020-01-01"]),
        add(&fourth, &["dan"], &["--valid-after", "2099-01-01", "--valid-before", "2098-01-01"]),
        vec!["person", "ca", "add", &ca, "--for", "dan", "--reason", " "],
        vec!["person", "ca", "add", &of_mia, "--for", "dan", "--reason", "x"],
        none.to_vec(),
        vec!["person", "ca", "revoke", "SHA256:", "--reason", "x"],
        vec!["person", "ca", "revoke", &print, "--reason", "x", "--compromised-since", "2099-01-01"],
    ] {
        assert_ne!(alike(&pipeline, "ada", &args).code, 0, "{args:?}");
    }

    // The start of a fingerprint is enough.
    let start = &print["SHA256:".len()..][..20];
    let ran = by(&pipeline, "ada", &["person", "ca", "revoke", start, "--reason", "given up"]).expect(0).out;
    let entry = last(&world, "CertificateAuthorityRevoked");
    assert_eq!(ran, format!("✓ {print} certifies nothing any more, and no key that it certified counts {entry}\n"));
    alike(&pipeline, "ada", &["person", "ca", "revoke", &print, "--reason", "given up"]);
    alike(&pipeline, "ada", &add(&ca, &["dan"], &[]));
    let since = ["--reason", "stolen", "--compromised-since", "2026-01-01", "--format", "json"];
    let (two, three) = (world.fingerprint("ca2"), world.fingerprint("ca3"));
    let revoke = |print| [&["person", "ca", "revoke", print][..], &since].concat();
    let there = by(&pipeline, "ada", &revoke(&two)).expect(0).json();
    let here = world.by("ada", &revoke(&three)).expect(0).json();
    assert_eq!(but(there.clone(), &["index", "authority"]), but(here, &["index", "authority"]));
    assert_eq!(there["compromised_since"], "2026-01-01T00:00:00.000Z");

    for args in [&["person", "ca", "list"][..], &["person", "ca", "list", "--format", "json"]] {
        assert!(looks_alike(&pipeline, args).contains("stolen"));
    }
    shows(&pipeline, "mia");
    pipeline.cs(&["person", "ca", "list"]).expect(4);
    world.cs(["ledger", "rebuild", "--check"]).expect(0);
    world.cs(["verify"]).expect(0);
}

#[test]
fn only_the_very_authority_that_was_given_out_is_enrolled_and_once() {
    let Some(world) = firm() else { return };
    let server = serve(&world);
    public(&world, "ca");
    public(&world, "ca2");
    let ada = Program::new(&server, &token(&world, "ada", SCOPES));
    let ruth = Program::new(&server, &token(&world, "ruth", SCOPES));
    let of_ada = fingerprint(&world, "Ada");
    let (dan, mia, omar) = (id_of(&world, "dan"), id_of(&world, "mia"), id_of(&world, "omar"));
    let mut refused = entries(&world, &AUTHORITIES)[2];
    let asked = json!({"kind": "person-ca-add", "key": line(&world, "ca"), "people": ["dan"], "reason": "x"});

    // Nothing is given out for somebody else's key, or to whoever may not.
    assert_eq!(code(&prepare(&ruth, &of_ada, &asked).expect(403)), "CS-SERVER-024");
    assert_eq!(code(&prepare(&ruth, &fingerprint(&world, "ruth"), &asked).expect(403)), "CS-ACCESS-004");
    refused += 2;
    for bad in [
        json!({"kind": "person-ca-add", "key": line(&world, "ca"), "people": [], "reason": "x"}),
        json!({"kind": "person-ca-add", "key": line(&world, "ca"), "people": ["dan"], "uses": ["all"], "reason": "x"}),
        json!({"kind": "person-ca-add", "key": line(&world, "ca"), "reason": "x"}),
        json!({"kind": "person-ca-revoke", "authority": "SHA256:", "reason": "x", "since": "2026-01-01T00:00:00Z"}),
    ] {
        assert_eq!(code(&prepare(&ada, &of_ada, &bad).expect(400)), "CS-SERVER-110", "{bad}");
    }
    let cut = ["ssh-ed25519", "AAAA"].join(" ");
    let no_key = json!({"kind": "person-ca-add", "key": cut, "people": ["dan"], "reason": "x"});
    let answer = prepare(&ada, &of_ada, &no_key);
    assert!((400..500).contains(&answer.status) && code(&answer).starts_with("CS-EVIDENCE-"), "{}", answer.body);

    let given = body(&prepare(&ada, &of_ada, &asked).expect(200));
    assert_eq!(given["about"]["people"], json!([{"person": dan, "name": "dan"}]));
    let (statement, condition) = (statements(&given).remove(0), text(&given["condition"]));
    let good = signed(&world, "ada", act::CERTIFICATE_AUTHORITY, &statement);
    let mut key = 0_u32;
    let mut send = |program: &Program<'_>, condition: &str, act: &[u8]| -> Answer {
        key += 1;
        hand_in(program, Some(&format!("key-{key:016}")), Some(condition), &[act.to_vec()])
    };
    let by_ruth = signed(&world, "ruth", act::CERTIFICATE_AUTHORITY, &statement);
    for (program, act) in [(&ruth, &good), (&ada, &by_ruth)] {
        assert_eq!(code(&send(program, &condition, act).expect(403)), "CS-SERVER-024");
    }
    let other = signed(&world, "ada", act::CERTIFICATE_AUTHORITY_REVOCATION, &statement);
    assert_eq!(code(&send(&ada, &condition, &other).expect(403)), "CS-HANDED-001");
    refused += 3;
    for (field, value, status, expected) in [
        ("reason", json!("x "), 409, "CS-HANDED-002"),
        ("by", json!(id_of(&world, "ruth")), 409, "CS-HANDED-002"),
        ("origin", json!("example.org/other"), 409, "CS-HANDED-002"),
        ("uses", json!([]), 409, "CS-HANDED-002"),
        ("uses", json!(["commits", "acts"]), 409, "CS-HANDED-002"),
        ("people", json!(["dan"]), 409, "CS-HANDED-002"),
        ("people", json!([dan, dan]), 409, "CS-HANDED-002"),
        ("time", json!("2026-01-01T00:00:00.000Z"), 409, "CS-HANDED-003"),
        ("more", json!("x"), 403, "CS-HANDED-001"),
    ] {
        let act = signed(&world, "ada", act::CERTIFICATE_AUTHORITY, &changed(&statement, &[(field, value)]));
        let answer = send(&ada, &condition, &act);
        assert_eq!((answer.status, code(&answer).as_str()), (status, expected), "{field}: {}", answer.body);
        refused += 1;
    }
    // Another key or other people are looked at otherwise than what was looked at.
    for (field, value) in [("key", json!(line(&world, "ca2"))), ("people", json!([dan, mia]))] {
        let act = signed(&world, "ada", act::CERTIFICATE_AUTHORITY, &changed(&statement, &[(field, value)]));
        assert_eq!(code(&send(&ada, &condition, &act).expect(412)), "CS-SERVER-113", "{field}");
    }
    assert_eq!(entries(&world, &AUTHORITIES), [0, 0, refused]);
    let first = body(&send(&ada, &condition, &good).expect(200));
    assert_eq!(body(&send(&ada, &condition, &good).expect(200)), first);
    assert_eq!(entries(&world, &AUTHORITIES), [1, 0, refused]);

    // What somebody else added meanwhile is not taken away again.
    let asked = json!({"kind": "person-ca-add", "key": line(&world, "ca"), "people": ["omar"], "reason": "x"});
    let given = body(&prepare(&ada, &of_ada, &asked).expect(200));
    let late = signed(&world, "ada", act::CERTIFICATE_AUTHORITY, &statements(&given)[0]);
    let ca = world.public("ca");
    world.by("ada", &["person", "ca", "add", ca.to_str().unwrap(), "--for", "mia", "--reason", "x"]).expect(0);
    let answer = send(&ada, &text(&given["condition"]), &late).expect(412);
    assert_eq!(code(&answer), "CS-SERVER-113");
    let now = body(&prepare(&ada, &of_ada, &asked).expect(200));
    assert_eq!(code(&send(&ada, &text(&now["condition"]), &late).expect(409)), "CS-HANDED-002");
    let mut all = [dan, mia, omar];
    all.sort();
    let said: Value = serde_json::from_slice(&statements(&now)[0]).unwrap();
    assert_eq!(said["predicate"]["people"], json!(all));

    // They are of the whole firm: no token that is limited opens them.
    let issue = ["token", "issue", "--scope", SCOPES, "--repository", "git:git.example/acme/pay", "--format", "json"];
    let limited = Program::new(&server, &world.by("ada", &issue).expect(0).json());
    for asked in [asked, json!({"kind": "person-ca-revoke", "authority": "SHA256:", "reason": "x"})] {
        assert_eq!(code(&prepare(&limited, &of_ada, &asked).expect(404)), "CS-SERVER-022", "{asked}");
    }
    world.cs(["ledger", "rebuild", "--check"]).expect(0);
    world.cs(["verify"]).expect(0);
}

const YEARS: &str = "20200101000000Z:20600101000000Z";
const CERTIFIED: [&str; 2] = ["KeyCertified", "ActRefused"];

/// An authority for some of the firm.
fn authority(world: &World, name: &str, people: &[&str], more: &[&str]) {
    let public = public(world, name);
    let args = ["person", "ca", "add", &public, "--reason", "our authority", "--for"];
    world.by("ada", &[&args[..], people, more].concat()).expect(0);
}

#[test]
fn a_certificate_is_shown_from_a_machine_without_the_ledger() {
    let Some(world) = firm() else { return };
    let server = serve(&world);
    let pipeline = Pipeline::new(&world, &server, token(&world, "mia", "read,submit"));
    let run = pipeline.cs(&["run", "--ticket", "CHG-1", "--reason", "why", "--format", "json"]).expect(11).json();
    let (dan, mia) = (id_of(&world, "dan"), id_of(&world, "mia"));
    authority(&world, "ca", &["dan", "mia"], &[]);
    authority(&world, "commits", &["dan"], &["--use", "commits"]);
    authority(&world, "gone", &["dan"], &[]);
    world.by("ada", &["person", "ca", "revoke", &world.fingerprint("gone"), "--reason", "x"]).expect(0);
    let made = |ca, key: &str, options: &[&str]| {
        world.key(key);
        world.certify(ca, key, &[options, &["-V", YEARS]].concat())
    };
    let plain = ["-I", &dan, "-n", &dan];
    shows(&pipeline, "dan");
    let file = made("ca", "laptop", &[&plain[..], &["-z", "18446744073709551615"]].concat());
    let ran = by(&pipeline, "laptop", &["person", "key", "certify", &file]).expect(0);
    let said = format!(
        "✓ the key {} is dan's, from 2020-01-01T00:00:00.000Z on, before 2060-01-01T00:00:00.000Z {}, by certificate \
         18446744073709551615 of {}\n",
        world.fingerprint("laptop"),
        last(&world, "KeyCertified"),
        world.fingerprint("ca")
    );
    assert_eq!(ran.out, said);
    assert!(ran.err.contains("signing with") && ran.err.contains("ssh-ed25519-cert-v01@openssh.com"), "{}", ran.err);
    let (one, two) = (made("ca", "one", &plain), made("ca", "two", &plain));
    let json = |file| ["person", "key", "certify", file, "--format", "json"];
    let there = by(&pipeline, "one", &json(&one)).expect(0).json();
    let here = world.by("two", &json(&two)).expect(0).json();
    assert_eq!(but(there.clone(), &["index", "key"]), but(here, &["index", "key"]));
    assert_eq!((&there["person"], &there["key"]), (&json!(dan), &json!(world.fingerprint("one"))));
    // From then on it is a key like any other: it signs here too, and what it says is dan's.
    let reject = ["reject", run["run"].as_str().unwrap(), "--reason", "no test plan"];
    assert!(by(&pipeline, "laptop", &reject).expect(0).out.contains("rejected by dan"));
    // Shown once more, with another certificate, its window is another.
    let longer = world.certify("ca", "one", &["-I", &dan, "-n", &dan, "-V", "20200101000000Z:20700101000000Z"]);
    let there = by(&pipeline, "one", &json(&longer)).expect(0).json();
    assert_eq!(there["valid_before"], "2070-01-01T00:00:00.000Z");

    let both = format!("{dan},{mia}");
    let before = entries(&world, &CERTIFIED);
    let mut tried = 0;
    for (n, (what, ca, options, expected)) in [
        ("by nobody's authority", "mia", plain.to_vec(), "CS-CERT-001"),
        ("by a revoked authority", "gone", plain.to_vec(), "CS-CERT-002"),
        ("a host's", "ca", [&["-h"][..], &plain].concat(), "CS-CERT-003"),
        ("with a command", "ca", [&["-O", "force-command=/bin/true"][..], &plain].concat(), "CS-CERT-004"),
        ("for commits only", "commits", plain.to_vec(), "CS-CERT-005"),
        ("for everybody", "ca", vec!["-I", &dan], "CS-CERT-007"),
        ("for a name", "ca", vec!["-I", &dan, "-n", "dan"], "CS-CERT-007"),
        ("for two people", "ca", vec!["-I", &dan, "-n", &both], "CS-CERT-007"),
        ("with a name as key id", "ca", vec!["-I", "dan@firm.example", "-n", &dan], "CS-CERT-008"),
    ]
    .into_iter()
    .enumerate()
    {
        let key = format!("k{n}");
        let file = made(ca, &key, &options);
        let ran = alike(&pipeline, &key, &["person", "key", "certify", &file]);
        assert_eq!((ran.code, code_of(&ran).as_str()), (4, expected), "{what}");
        tried += 1;
        assert_eq!(entries(&world, &CERTIFIED), [before[0], before[1] + 2 * tried], "{what} is recorded");
    }
    assert_eq!(tried, 9);
    world.key("over");
    let over = world.certify("ca", "over", &["-I", &dan, "-n", &dan, "-V", "20200101000000Z:20200102000000Z"]);
    assert_eq!(code_of(&alike(&pipeline, "over", &["person", "key", "certify", &over])), "CS-CERT-006");
    // Another key than the certificate's; no certificate; what belongs to somebody else.
    world.key("other");
    let ran = alike(&pipeline, "other", &["person", "key", "certify", &file]).expect(2);
    assert_eq!(code_of(&ran), "CS-IDENTITY-021");
    let no_certificate = world.public("other");
    let ran = alike(&pipeline, "other", &["person", "key", "certify", no_certificate.to_str().unwrap()]);
    assert_ne!(ran.code, 0);
    let refused = entries(&world, &CERTIFIED)[1];
    let mias = made("ca", "hers", &["-I", &mia, "-n", &mia]);
    assert_eq!(code_of(&by(&pipeline, "hers", &["person", "key", "certify", &mias]).expect(4)), "CS-SERVER-024");
    assert_eq!(entries(&world, &CERTIFIED), [before[0], refused + 1]);
    shows(&pipeline, "mia");
    by(&pipeline, "hers", &["person", "key", "certify", &mias]).expect(0);
    world.cs(["ledger", "rebuild", "--check"]).expect(0);
    world.cs(["verify"]).expect(0);
}

#[test]
fn a_certificate_is_shown_by_its_key_alone_for_whom_it_names_and_once() {
    let Some(world) = firm() else { return };
    let server = serve(&world);
    let dan = Program::new(&server, &token(&world, "dan", SCOPES));
    let mia = Program::new(&server, &token(&world, "mia", SCOPES));
    let (id, of_mia) = (id_of(&world, "dan"), id_of(&world, "mia"));
    authority(&world, "ca", &["dan", "mia"], &[]);
    for name in ["laptop", "other"] {
        world.key(name);
        world.certify("ca", name, &["-I", &id, "-n", &id, "-V", YEARS]);
    }
    let certificate = |name: &str| {
        let text = std::fs::read_to_string(world.path(&format!("{name}-cert.pub"))).unwrap();
        countersign_evidence::sshsig::Certificate::parse(&text).unwrap().to_openssh().to_owned()
    };
    let asked = json!({"kind": "person-key-certify", "certificate": certificate("laptop")});
    let (key, of_dan) = (world.fingerprint("laptop"), world.fingerprint("dan"));
    let mut refused = entries(&world, &CERTIFIED)[1];
    // Not for whom it does not name, and not by another key: not by one of dan's either.
    for (program, key) in
        [(&mia, &key), (&dan, &of_dan), (&dan, &world.fingerprint("other")), (&mia, &world.fingerprint("mia"))]
    {
        assert_eq!(code(&prepare(program, key, &asked).expect(403)), "CS-SERVER-024");
        refused += 1;
    }
    for bad in [
        json!({"kind": "person-key-certify", "certificate": certificate("laptop"), "person": id}),
        json!({"kind": "person-key-certify"}),
    ] {
        assert_eq!(code(&prepare(&dan, &key, &bad).expect(400)), "CS-SERVER-110", "{bad}");
    }
    let damaged = json!({"kind": "person-key-certify", "certificate": "ssh-ed25519-cert-v01@openssh.com AAAA"});
    let answer = prepare(&dan, &key, &damaged);
    assert!((400..500).contains(&answer.status), "{}", answer.body);
    assert_eq!(entries(&world, &CERTIFIED), [0, refused]);

    let given = body(&prepare(&dan, &key, &asked).expect(200));
    assert_eq!((&given["person"], &given["about"]["name"]), (&json!(id), &json!("dan")));
    let (statement, condition) = (statements(&given).remove(0), text(&given["condition"]));
    let good = signed(&world, "laptop", act::CERTIFIED_KEY, &statement);
    let mut n = 0_u32;
    let mut send = |program: &Program<'_>, act: &[u8]| -> Answer {
        n += 1;
        hand_in(program, Some(&format!("key-{n:016}")), Some(&condition), &[act.to_vec()])
    };
    for (program, act) in [
        (&mia, good.clone()),
        (&dan, signed(&world, "dan", act::CERTIFIED_KEY, &statement)),
        (&dan, signed(&world, "other", act::CERTIFIED_KEY, &statement)),
    ] {
        assert_eq!(code(&send(program, &act).expect(403)), "CS-SERVER-024");
    }
    let other = signed(&world, "laptop", act::PERSON_KEY, &statement);
    assert_eq!(code(&send(&dan, &other).expect(403)), "CS-HANDED-001");
    refused += 4;
    for (field, value, status, expected) in [
        ("origin", json!("example.org/other"), 409, "CS-HANDED-002"),
        ("person", json!(of_mia), 409, "CS-HANDED-002"),
        ("certificate", json!(format!("{} x", certificate("laptop"))), 409, "CS-HANDED-002"),
        ("certificate", json!(certificate("other")), 403, "CS-SERVER-024"),
        ("time", json!("2026-01-01T00:00:00.000Z"), 409, "CS-HANDED-003"),
        ("more", json!("x"), 403, "CS-HANDED-001"),
    ] {
        let act = signed(&world, "laptop", act::CERTIFIED_KEY, &changed(&statement, &[(field, value)]));
        let answer = send(&dan, &act);
        assert_eq!((answer.status, code(&answer).as_str()), (status, expected), "{field}: {}", answer.body);
        refused += 1;
    }
    // The signature of one statement under another that would be taken: its time is free.
    let mut act: Value = serde_json::from_slice(&good).unwrap();
    let said: Value = serde_json::from_slice(&statement).unwrap();
    let time: countersign_model::Timestamp = said["predicate"]["time"].as_str().unwrap().parse().unwrap();
    let moved = changed(&statement, &[("time", json!(time.plus_seconds(-1)))]);
    act["payload"] = json!(countersign_evidence::to_base64(&moved));
    let answer = send(&dan, &canonical::to_vec(&act).unwrap()).expect(403);
    assert!(code(&answer).starts_with("CS-EVIDENCE-"), "{}", answer.body);
    assert_eq!(entries(&world, &CERTIFIED), [0, refused + 1]);

    let first = body(&send(&dan, &good).expect(200));
    assert_eq!((&first["result"]["person"], &first["result"]["key"]), (&json!(id), &json!(key)));
    assert_eq!(body(&send(&dan, &good).expect(200)), first);
    assert_eq!(entries(&world, &CERTIFIED), [1, refused + 1]);
    // What was looked at is another now: the key is somebody's.
    let again =
        signed(&world, "laptop", act::CERTIFIED_KEY, &changed(&statement, &[("time", json!(time.plus_seconds(-2)))]));
    assert_eq!(code(&send(&dan, &again).expect(412)), "CS-SERVER-113");
    // An auditor has the acts of an audit alone, and no token that is limited opens it.
    let olga = Program::new(&server, &token(&world, "olga", "read,audit,approve"));
    assert_eq!(code(&prepare(&olga, &key, &asked).expect(403)), "CS-SERVER-024");
    let issue = ["token", "issue", "--scope", SCOPES, "--repository", "git:git.example/acme/pay", "--format", "json"];
    let limited = Program::new(&server, &world.by("dan", &issue).expect(0).json());
    assert_eq!(code(&prepare(&limited, &key, &asked).expect(404)), "CS-SERVER-022");
    world.cs(["ledger", "rebuild", "--check"]).expect(0);
    world.cs(["verify"]).expect(0);
}

const LISTS: [&str; 2] = ["RevocationListImported", "ActRefused"];

/// A revocation list of a number, in a file of its own.
fn list(world: &World, number: u64, spec: &str) -> String {
    let file = world.path(&format!("krl-{number}"));
    std::fs::rename(world.list(number, "ca", spec), &file).unwrap();
    file.to_str().unwrap().to_owned()
}

#[test]
fn a_revocation_list_is_imported_from_a_machine_without_the_ledger() {
    let Some(world) = firm() else { return };
    let server = serve(&world);
    let pipeline = Pipeline::new(&world, &server, token(&world, "ada", SCOPES));
    let dan = id_of(&world, "dan");
    authority(&world, "ca", &["dan", "mia"], &[]);
    authority(&world, "ca2", &["dan"], &[]);
    let show = |ca, key: &str, serial: &str, id: &str| {
        world.key(key);
        let file = world.certify(ca, key, &["-I", id, "-z", serial, "-n", &dan, "-V", YEARS]);
        world.by(key, &["person", "key", "certify", &file]).expect(0);
    };
    show("ca", "single", "7", &dan);
    show("ca", "ranged", "150", &dan);
    show("ca", "named", "900", "4711");
    show("ca2", "second", "7", &dan);
    let public = |name: &str| std::fs::read_to_string(world.public(name)).unwrap();
    let import = |file| ["person", "krl", "import", file, "--reason", "the weekly list"];
    let json = |file| [&import(file)[..], &["--format", "json"]].concat();
    shows(&pipeline, "ada");
    assert_eq!(looks_alike(&pipeline, &["person", "krl", "list"]), "no revocation list was imported\n");
    let five = list(&world, 5, "serial: 7\nid: mia@laptop\n");
    let before = entries(&world, &LISTS)[1];
    shows(&pipeline, "dan");
    assert_eq!(code_of(&alike(&pipeline, "dan", &import(&five)).expect(4)), "CS-ACCESS-004");
    assert_eq!(entries(&world, &LISTS), [0, before + 2]);

    shows(&pipeline, "ada");
    let ran = by(&pipeline, "ada", &import(&five)).expect(0);
    let single = world.fingerprint("single");
    let said = format!(
        "✓ the revocation list 5 is in effect {}\n    the key {single} does not count any more\n",
        last(&world, "RevocationListImported")
    );
    assert_eq!(ran.out, said);
    assert!(ran.err.contains("signing with") && ran.err.contains("keyid-"), "{}", ran.err);
    assert!(!ran.err.contains("mia@laptop") && !world.ledger_text().contains("mia@laptop"));
    // Whatever a list names: what it ended is the same as where the ledger is.
    let six = list(&world, 6, &format!("serial: 100-200\nid: 4711\nsha256: {}", public("ca2")));
    let there = by(&pipeline, "ada", &json(&six)).expect(0).json();
    let mut ended: Vec<String> = ["ranged", "named", "second"].map(|name| world.fingerprint(name)).to_vec();
    ended.sort();
    let mut keys: Vec<String> = there["keys"].as_array().unwrap().iter().map(text).collect();
    keys.sort();
    assert_eq!((keys, &there["authorities"]), (ended, &json!([world.fingerprint("ca2")])));
    assert_eq!((&there["number"], &there["version"]), (&json!("6"), &json!(1)));
    let (seven, eight) = (list(&world, 7, "serial: 1-9\n"), list(&world, 8, "serial: 1-10\n"));
    let there = by(&pipeline, "ada", &json(&seven)).expect(0).json();
    let here = world.by("ada", &json(&eight)).expect(0).json();
    assert_eq!(but(there, &["index", "number"]), but(here, &["index", "number"]));
    let nine = list(&world, 18_446_744_073_709_551_614, &format!("sha1: {}", public("mia")));
    let ran = by(&pipeline, "ada", &import(&nine)).expect(0).out;
    assert!(ran.contains("18446744073709551614 is in effect") && ran.contains(&world.fingerprint("mia")), "{ran}");

    let damaged = world.path("damaged").to_str().unwrap().to_owned();
    std::fs::write(&damaged, [std::fs::read(&five).unwrap().as_slice(), b"x"].concat()).unwrap();
    let admin = list(&world, u64::MAX, &format!("key: {}", public("ada")));
    for (file, exit, expected) in
        [(&seven, 2, "CS-IDENTITY-023"), (&damaged, 13, "CS-EVIDENCE-062"), (&admin, 2, "CS-IDENTITY-016")]
    {
        assert_eq!(code_of(&alike(&pipeline, "ada", &import(file)).expect(exit)), expected);
    }
    alike(&pipeline, "ada", &["person", "krl", "import", &admin, "--reason", " "]).expect(2);
    for args in [&["person", "krl", "list"][..], &["person", "krl", "list", "--format", "json"]] {
        assert!(looks_alike(&pipeline, args).contains("18446744073709551614"));
    }
    shows(&pipeline, "omar");
    pipeline.cs(&["person", "krl", "list"]).expect(4);
    world.cs(["ledger", "rebuild", "--check"]).expect(0);
    world.cs(["verify"]).expect(0);
}

#[test]
fn a_revocation_list_is_taken_with_the_very_file_that_was_signed_and_once() {
    let Some(world) = firm() else { return };
    let server = serve(&world);
    public(&world, "ca");
    let ada = Program::new(&server, &token(&world, "ada", SCOPES));
    let of_ada = fingerprint(&world, "Ada");
    let (one, other) = (list(&world, 1, "serial: 7\nid: mia@laptop\n"), list(&world, 2, "serial: 8\n"));
    let bytes = |file: &str| countersign_evidence::to_base64(&std::fs::read(file).unwrap());
    let asked = json!({"kind": "person-krl-import", "list": bytes(&one), "reason": "x"});
    let mut refused = entries(&world, &LISTS)[1];
    let ruth = Program::new(&server, &token(&world, "ruth", SCOPES));
    assert_eq!(code(&prepare(&ruth, &of_ada, &asked).expect(403)), "CS-SERVER-024");
    let no_list = json!({"kind": "person-krl-import", "list": "AAAA", "reason": "x"});
    // Whoever may not is told that, and nothing is read for them.
    assert_eq!(code(&prepare(&ruth, &fingerprint(&world, "ruth"), &no_list).expect(403)), "CS-ACCESS-004");
    refused += 2;
    assert_eq!(code(&prepare(&ada, &of_ada, &no_list).expect(403)), "CS-EVIDENCE-062");
    for bad in [
        json!({"kind": "person-krl-import", "list": "no base64", "reason": "x"}),
        json!({"kind": "person-krl-import", "list": "", "reason": "x"}),
        json!({"kind": "person-krl-import", "reason": "x"}),
        json!({"kind": "person-krl-import", "list": bytes(&one), "reason": "x", "number": "1"}),
    ] {
        assert_eq!(code(&prepare(&ada, &of_ada, &bad).expect(400)), "CS-SERVER-110", "{bad}");
    }
    // What is larger than what is taken so, or says more, is taken where the ledger is.
    let large = |spec: &str| json!({"kind": "person-krl-import", "list": bytes(&list(&world, 3, spec)), "reason": "x"});
    let ids = |n: usize| (0..n).map(|n| format!("id: {n:060}\n")).collect::<String>();
    let serials =
        (0..24_000).map(|n| format!("serial: {}\n", 4_611_686_018_427_387_904_u64 + n * 1000)).collect::<String>();
    for asked in [large(&ids(4500)), large(&serials)] {
        let answer = prepare(&ada, &of_ada, &asked).expect(413);
        assert!(code(&answer) == "CS-SERVER-081" && answer.body.contains("where the ledger is"), "{}", answer.body);
    }

    let given = body(&prepare(&ada, &of_ada, &asked).expect(200));
    let (statement, condition) = (statements(&given).remove(0), text(&given["condition"]));
    let good = signed(&world, "ada", act::REVOCATION_LIST, &statement);
    let mut n = 0_u32;
    let mut send = |condition: &str, act: &[u8], beside: Value| -> Answer {
        n += 1;
        let mut sent = json!({"acts": [countersign_evidence::to_base64(act)]});
        sent.as_object_mut().unwrap().extend(beside.as_object().unwrap().clone());
        let (condition, key) = (format!("\"{condition}\""), format!("key-{n:016}"));
        let headers = [
            ("authorization", ada.1.as_str()),
            ("content-type", "application/json"),
            ("idempotency-key", &key),
            ("if-match", &condition),
        ];
        ada.0.send("POST", "/api/v1/acts", &headers, &sent.to_string())
    };
    let file = |file: &str| json!({"list": bytes(file)});
    // The file is missing, is another one, is none, or stands beside what names none.
    for (beside, status, expected) in [
        (json!({}), 403, "CS-HANDED-001"),
        (json!({"list": null}), 403, "CS-HANDED-001"),
        (file(&other), 409, "CS-HANDED-002"),
        (json!({"list": bytes(&one), "sealed": [bytes(&one)]}), 409, "CS-HANDED-006"),
    ] {
        let answer = send(&condition, &good, beside);
        assert_eq!((answer.status, code(&answer).as_str()), (status, expected), "{}", answer.body);
        refused += 1;
    }
    assert_eq!(code(&send(&condition, &good, json!({"list": "AAAA"})).expect(403)), "CS-EVIDENCE-062");
    assert_eq!(code(&send(&condition, &good, json!({"list": "no base64"})).expect(400)), "CS-SERVER-110");
    let revoke = json!({"kind": "person-leave", "person": "mia", "reason": "x"});
    let leave = body(&prepare(&ada, &of_ada, &revoke).expect(200));
    let leave = signed(&world, "ada", act::LEAVING, &statements(&leave)[0]);
    assert_eq!(code(&send(&condition, &leave, file(&one)).expect(403)), "CS-HANDED-001");
    refused += 1;
    let mut said: Value = serde_json::from_slice(&statement).unwrap();
    let certificates = said["predicate"]["certificates"].take();
    let listed = |path: &str, value: Value| {
        let mut all = certificates.clone();
        *all.pointer_mut(path).unwrap() = value;
        all
    };
    for (field, value, status, expected) in [
        ("number", json!("2"), 409, "CS-HANDED-002"),
        ("digest", json!(countersign_model::Digest::of(b"x")), 409, "CS-HANDED-002"),
        ("keys", json!([world.fingerprint("mia")]), 409, "CS-HANDED-002"),
        ("sha1", json!(["00"]), 409, "CS-HANDED-002"),
        ("certificates", json!([]), 409, "CS-HANDED-002"),
        ("certificates", listed("/0/serials/0/1", json!("8")), 409, "CS-HANDED-002"),
        ("certificates", listed("/0/pseudonyms/0", json!("keyid-0123456789abcdef")), 409, "CS-HANDED-002"),
        ("by", json!(id_of(&world, "ruth")), 409, "CS-HANDED-002"),
        ("origin", json!("example.org/other"), 409, "CS-HANDED-002"),
        ("reason", json!("x "), 409, "CS-HANDED-002"),
        ("time", json!("2026-01-01T00:00:00.000Z"), 409, "CS-HANDED-003"),
        ("more", json!("x"), 403, "CS-HANDED-001"),
    ] {
        let act = signed(&world, "ada", act::REVOCATION_LIST, &changed(&statement, &[(field, value)]));
        let answer = send(&condition, &act, file(&one));
        assert_eq!((answer.status, code(&answer).as_str()), (status, expected), "{field}: {}", answer.body);
        refused += 1;
    }
    assert_eq!(entries(&world, &LISTS), [0, refused]);
    let first = body(&send(&condition, &good, file(&one)).expect(200));
    assert_eq!(body(&send(&condition, &good, file(&one)).expect(200)), first);
    assert_eq!(entries(&world, &LISTS), [1, refused]);
    let next = json!({"kind": "person-krl-import", "list": bytes(&other), "reason": "x"});
    let given = body(&prepare(&ada, &of_ada, &next).expect(200));
    assert_eq!(given["about"]["before"]["number"], "1");
    let late = signed(&world, "ada", act::REVOCATION_LIST, &statements(&given)[0]);
    assert_eq!(code(&send(&condition, &late, file(&other)).expect(412)), "CS-SERVER-113");

    // They are of the whole firm: no token that is limited opens it.
    let issue = ["token", "issue", "--scope", SCOPES, "--repository", "git:git.example/acme/pay", "--format", "json"];
    let limited = Program::new(&server, &world.by("ada", &issue).expect(0).json());
    assert_eq!(code(&prepare(&limited, &of_ada, &next).expect(404)), "CS-SERVER-022");
    world.cs(["ledger", "rebuild", "--check"]).expect(0);
    world.cs(["verify"]).expect(0);
}
