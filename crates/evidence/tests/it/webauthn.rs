//! Passkeys: what is accepted, what is not, and that stock OpenSSH agrees.

use std::path::Path;

use countersign_evidence::Error;
use countersign_evidence::act::{self, APPROVAL};
use countersign_evidence::sshsig::{self, PublicKey};
use countersign_evidence::webauthn::{
    Assertion, PasskeyError, Registration, advances, challenge, check_enrolment, proof, register,
};
use countersign_model::access::Passkey;
use p256::ecdsa::Signature;
use serde_json::{Value, json};

use crate::authenticator::{AT, Authenticator, UP_UV, attestation, attestation_with, base64url, bytes, der, text};
use crate::support::{command, have};

const ORIGIN: &str = "https://sign.example.test";
const RP_ID: &str = "example.test";
/// What was asked when the passkey was made.
const ASKED: &[u8] = b"thirty-two bytes that are random";
const STATEMENT: &[u8] = b"{\"predicate\":\"ship it\"}";

fn authenticator() -> Authenticator {
    Authenticator::new(7, ORIGIN, RP_ID)
}

fn enrol(answer: &Value) -> Result<Registration, Error> {
    register(&serde_json::to_vec(answer).unwrap(), ASKED, ORIGIN, RP_ID)
}

fn enrolled(token: &Authenticator) -> PublicKey {
    enrol(&token.create(&base64url(ASKED))).unwrap().key
}

fn asked(namespace: &str, statement: &[u8]) -> String {
    base64url(&challenge(namespace, statement).unwrap())
}

/// The SSHSIG that an answer becomes.
fn signed(token: &Authenticator, answer: &Value) -> Result<String, Error> {
    let key = enrolled(&authenticator());
    let assertion = Assertion::from_json(&serde_json::to_vec(answer).unwrap())?;
    assertion.into_sshsig(&key, &token.id(), ORIGIN, APPROVAL, STATEMENT)
}

#[track_caller]
fn refused<T: std::fmt::Debug>(result: Result<T, Error>, what: &str) -> PasskeyError {
    match result {
        Err(Error::Passkey(error)) => error,
        other => panic!("{what}: {other:?}"),
    }
}

/// Whether `ssh-keygen -Y verify` accepts the signature.
fn ssh_keygen_accepts(dir: &Path, key: &PublicKey, namespace: &str, message: &[u8], armored: &str) -> bool {
    let allowed = dir.join("allowed");
    let signature = dir.join("act.sig");
    let statement = dir.join("act");
    std::fs::write(&allowed, format!("per-ada namespaces=\"countersign-*\" {}\n", key.to_openssh())).unwrap();
    std::fs::write(&signature, armored).unwrap();
    std::fs::write(&statement, message).unwrap();
    let mut keygen = command("ssh-keygen");
    keygen.args(["-Y", "verify", "-I", "per-ada", "-n", namespace, "-f"]).arg(allowed).arg("-s").arg(signature);
    keygen.stdin(std::fs::File::open(statement).unwrap()).output().unwrap().status.success()
}

#[test]
fn a_passkey_is_enrolled_and_signs_and_openssh_agrees() {
    let mut token = authenticator();
    token.counter = 41;
    let made = enrol(&token.create(&base64url(ASKED))).unwrap();
    assert_eq!(made.key.application().as_deref(), Some(RP_ID));
    assert_eq!(made.key.algorithm(), "sk-ecdsa-sha2-nistp256@openssh.com");
    assert!(made.key.is_hardware());
    let said = &made.passkey;
    assert_eq!((said.credential.as_str(), said.aaguid.as_str()), (token.id().as_str(), "aa".repeat(16).as_str()));
    assert_eq!((said.origin.as_str(), said.attestation.as_str(), said.counter), (ORIGIN, "none", 41));
    assert_eq!((said.backup_eligible, said.backed_up, said.strength()), (false, false, "passkey"));

    let answer = token.get(&asked(APPROVAL, STATEMENT));
    let armored = signed(&token, &answer).unwrap();
    sshsig::verify(&made.key, APPROVAL, STATEMENT, &armored).unwrap();
    assert_eq!(sshsig::normalise(&armored).unwrap(), armored);
    assert_eq!(sshsig::embedded_key(&armored).unwrap(), made.key);
    let said = proof(&armored).unwrap().unwrap();
    assert_eq!((said.origin.as_str(), said.counter), (ORIGIN, 42));
    assert!(!said.backup_eligible && !said.backed_up);

    if have("ssh-keygen", &["-?"]) {
        let dir = tempfile::tempdir().unwrap();
        assert!(ssh_keygen_accepts(dir.path(), &made.key, APPROVAL, STATEMENT, &armored));
        assert!(!ssh_keygen_accepts(dir.path(), &made.key, APPROVAL, b"{}", &armored));
        assert!(!ssh_keygen_accepts(dir.path(), &made.key, act::CLAIM, STATEMENT, &armored));
        let other = enrolled(&Authenticator::new(8, ORIGIN, RP_ID));
        assert!(!ssh_keygen_accepts(dir.path(), &other, APPROVAL, STATEMENT, &armored));
    }
}

#[test]
fn sixty_four_signatures_of_either_form_become_one_that_openssh_accepts() {
    // `s` and its other half both verify, and authenticators give either.
    let mut token = authenticator();
    let key = enrolled(&token);
    let dir = tempfile::tempdir().unwrap();
    let have = have("ssh-keygen", &["-?"]);
    let mut turned = 0;
    for n in 0_u8..64 {
        let statement = [b"statement ".to_vec(), vec![n]].concat();
        token.counter += 1;
        let client_data = token.client_data("webauthn.get", &asked(APPROVAL, &statement));
        let data = token.data(UP_UV, &[]);
        let der_form = token.sign(&data, &client_data);
        let into = |signature: &[u8]| {
            let answer = token.answered(&data, &client_data, signature);
            let assertion = Assertion::from_json(&serde_json::to_vec(&answer).unwrap()).unwrap();
            assertion.into_sshsig(&key, &token.id(), ORIGIN, APPROVAL, &statement).unwrap()
        };
        let one = into(&der_form);
        let other = into(&other_half(&der_form));
        assert_eq!(one, other, "one signature has one form");
        turned += u32::from(der_form != other_half(&der_form));
        if have && n < 16 {
            assert!(ssh_keygen_accepts(dir.path(), &key, APPROVAL, &statement, &one));
        }
    }
    assert_eq!(turned, 64);
}

/// The same `r`, and the other `s` that verifies.
fn other_half(signature: &[u8]) -> Vec<u8> {
    let r_len = usize::from(signature[3]);
    let number = |bytes: &[u8]| -> [u8; 32] {
        let bytes: Vec<u8> = bytes.iter().copied().skip_while(|b| *b == 0).collect();
        [vec![0; 32 - bytes.len()], bytes].concat().try_into().unwrap()
    };
    let r = number(&signature[4..4 + r_len]);
    let s = number(&signature[6 + r_len..]);
    let whole = Signature::from_scalars(r, s).unwrap();
    let (r, s) = whole.split_scalars();
    let negated = -*s;
    der(&Signature::from_scalars(r.to_bytes(), negated.to_bytes()).unwrap())
}

#[test]
fn self_attestation_is_verified_and_every_other_one_refused() {
    let token = authenticator();
    let client_data = token.client_data("webauthn.create", &base64url(ASKED));
    let data = token.data(UP_UV | AT, &token.attested());
    let statement = |alg: &[u8], sig: &[u8]| [&[0xa2][..], &text("alg"), alg, &text("sig"), &bytes(sig)].concat();
    let with = |format: &str, statement: &[u8]| {
        enrol(&token.created(&client_data, &attestation_with(format, statement, &data)))
    };
    let sig = token.sign(&data, &client_data);
    assert_eq!(with("packed", &statement(&[0x26], &sig)).unwrap().passkey.attestation, "packed-self");

    let mut altered = sig.clone();
    *altered.last_mut().unwrap() ^= 1;
    let chain = [&[0xa3][..], &text("alg"), &[0x26], &text("sig"), &bytes(&sig), &text("x5c"), &[0x81], &bytes(b"der")];
    let other = Authenticator::new(9, ORIGIN, RP_ID);
    for (what, format, statement) in [
        ("another's signature", "packed", statement(&[0x26], &other.sign(&data, &client_data))),
        ("an altered signature", "packed", statement(&[0x26], &altered)),
        ("a signature over something else", "packed", statement(&[0x26], &token.sign(&data, "{}"))),
        ("no DER", "packed", statement(&[0x26], &sig[1..])),
        ("another algorithm", "packed", statement(&[0x27], &sig)),
        ("RS256", "packed", statement(&[0x39, 1, 0], &sig)),
        ("an algorithm of text", "packed", statement(&text("ES256"), &sig)),
        ("no signature", "packed", [&[0xa1][..], &text("alg"), &[0x26]].concat()),
        ("nothing", "packed", vec![0xa0]),
        ("certificates", "packed", chain.concat()),
        ("none with something in it", "none", statement(&[0x26], &sig)),
        ("another format", "fido-u2f", vec![0xa0]),
        ("TPM", "tpm", vec![0xa0]),
        ("no name", "", vec![0xa0]),
    ] {
        assert!(matches!(refused(with(format, &statement), what), PasskeyError::Attestation(_)), "{what}");
    }
}

#[test]
fn extensions_and_backup_flags_of_a_registration_are_read() {
    let token = authenticator();
    let client_data = token.client_data("webauthn.create", &base64url(ASKED));
    let with = |flags: u8, tail: &[u8]| {
        let data = token.data(flags, &[&token.attested(), tail].concat());
        enrol(&token.created(&client_data, &attestation(&data)))
    };
    let protected = [&[0xa1][..], &text("credProtect"), &[2]].concat();
    with(UP_UV | AT | 0x80, &protected).unwrap();
    let synced = with(UP_UV | AT | 0x18, &[]).unwrap().passkey;
    assert!(synced.backup_eligible && synced.backed_up);
    assert_eq!(synced.strength(), "synced-passkey");
    let may_be = with(UP_UV | AT | 0x08, &[]).unwrap().passkey;
    assert!(may_be.backup_eligible && !may_be.backed_up);
    for (what, flags, tail) in [
        ("backed up and cannot be", UP_UV | AT | 0x10, &[][..]),
        ("extensions without the flag", UP_UV | AT, &protected),
        ("the flag without extensions", UP_UV | AT | 0x80, &[]),
        ("extensions that are no map", UP_UV | AT | 0x80, &[0x01]),
        ("something after extensions", UP_UV | AT | 0x80, &[0xa0, 0x00]),
        ("something after the key", UP_UV | AT, &[0x00]),
    ] {
        assert!(matches!(refused(with(flags, tail), what), PasskeyError::Form(_)), "{what}");
    }
}

/// What makes a registration worthless, and the code that says so.
#[test]
fn attacks_on_a_registration_are_refused_each_for_its_reason() {
    let token = authenticator();
    let chal = base64url(ASKED);
    let said = |kind: &str, challenge: &str| token.client_data(kind, challenge);
    let data = token.data(UP_UV | AT, &token.attested());
    let whole = |data: &[u8]| token.created(&said("webauthn.create", &chal), &attestation(data));
    let client = |client_data: String| token.created(&client_data, &attestation(&data));
    let edited = |at: &str, value: Value| {
        let mut answer = token.create(&chal);
        *answer.pointer_mut(at).unwrap() = value;
        answer
    };
    let flags = |flags: u8| whole(&token.data(flags, &token.attested()));
    let cose = |cose: Vec<u8>| whole(&token.data(UP_UV | AT, &token.attested_with(&cose)));
    let object = |object: Vec<u8>| token.created(&said("webauthn.create", &chal), &object);
    let (x, y) = token.point();
    let ec2 = |alg: &[u8], curve: u8, x: &[u8], y: &[u8]| {
        [&[0xa5, 1, 2, 3][..], alg, &[0x20, curve, 0x21], &bytes(x), &[0x22], &bytes(y)].concat()
    };
    let other_party = Authenticator { rp_id: "evil.test".into(), ..token.clone() };
    let other_origin = Authenticator { origin: "https://evil.test".into(), ..token.clone() };
    let mut long_id = token.clone();
    long_id.credential = vec![1; 1024];
    let mut no_id = token.clone();
    no_id.credential = Vec::new();
    let mut off_curve = y.clone();
    off_curve[31] ^= 1;
    let name = |name: &str, rest: &str| {
        format!("{{\"type\":\"webauthn.create\",\"challenge\":\"{chal}\",\"origin\":\"{name}\"{rest}}}")
    };
    let table: Vec<(&str, Value, &str)> = vec![
        ("a signature for a registration", client(said("webauthn.get", &chal)), "002"),
        ("another challenge", token.create(&base64url(b"another challenge of 32 bytes...")), "002"),
        ("an empty challenge", token.create(""), "002"),
        ("a padded challenge", client(said("webauthn.create", &format!("{chal}="))), "002"),
        ("another origin", other_origin.create(&chal), "002"),
        ("the origin below", client(name("https://a.sign.example.test", "")), "002"),
        ("the origin without TLS", client(name("http://sign.example.test", "")), "002"),
        ("another port", client(name("https://sign.example.test:444", "")), "002"),
        ("a frame of another site", client(name(ORIGIN, ",\"crossOrigin\":true")), "002"),
        ("a frame that is said in text", client(name(ORIGIN, ",\"crossOrigin\":\"false\"")), "002"),
        (
            "a frame's outer origin",
            client(name(ORIGIN, ",\"crossOrigin\":false,\"topOrigin\":\"https://evil.test\"")),
            "002",
        ),
        ("the type twice", client(name(ORIGIN, ",\"type\":\"webauthn.create\"")), "001"),
        ("the challenge twice", client(name(ORIGIN, &format!(",\"challenge\":\"{chal}\""))), "001"),
        ("the origin twice", client(name("https://evil.test", &format!(",\"origin\":\"{ORIGIN}\""))), "001"),
        ("an unknown key twice", client(name(ORIGIN, ",\"a\":1,\"a\":1")), "001"),
        ("a key twice by an escape", client(name(ORIGIN, ",\"or\\u0069gin\":\"https://evil.test\"")), "001"),
        (
            "another order",
            client(format!("{{\"challenge\":\"{chal}\",\"type\":\"webauthn.create\",\"origin\":\"{ORIGIN}\"}}")),
            "001",
        ),
        ("white space", client(name(ORIGIN, "").replace("\":\"", "\": \"")), "001"),
        ("bytes after the client data", client(format!("{}x", name(ORIGIN, ""))), "001"),
        ("client data that is a list", client("[]".into()), "001"),
        ("client data that is no UTF-8", edited("/response/clientDataJSON", json!(base64url(&[0xff]))), "001"),
        ("another relying party", other_party.create(&chal), "003"),
        ("nobody present", flags(0x04 | AT), "004"),
        ("not verified", flags(0x01 | AT), "005"),
        ("neither", flags(AT), "004"),
        ("no credential", whole(&token.data(UP_UV, &[])), "001"),
        ("an assertion's data", whole(&token.data(UP_UV, &token.attested())), "001"),
        ("an id of no bytes", no_id.create(&chal), "001"),
        ("an id of 1024 bytes", long_id.create(&chal), "001"),
        ("another id", edited("/id", json!(base64url(b"another"))), "001"),
        (
            "another id, twice",
            {
                let mut answer = edited("/id", json!(base64url(b"another")));
                *answer.pointer_mut("/rawId").unwrap() = json!(base64url(b"another"));
                answer
            },
            "009",
        ),
        ("another type", edited("/type", json!("password")), "001"),
        ("a padded id", edited("/id", json!("AA==")), "001"),
        ("a padded attestation", edited("/response/attestationObject", json!("AA==")), "001"),
        ("standard base64", edited("/response/attestationObject", json!("+/+/")), "001"),
        ("no response", edited("/response", Value::Null), "001"),
        ("EdDSA", cose([&[0xa4, 1, 1, 3, 0x27, 0x20, 6, 0x21][..], &bytes(&x)].concat()), "006"),
        (
            "RS256",
            cose([&[0xa4, 1, 3, 3, 0x39, 1, 0, 0x20][..], &bytes(&[9; 256]), &[0x21], &bytes(&[1, 0, 1])].concat()),
            "006",
        ),
        ("ES384", cose(ec2(&[0x38, 34], 1, &x, &y)), "006"),
        ("ES256 over P-384", cose(ec2(&[0x26], 2, &x, &y)), "006"),
        ("ES256 over secp256k1", cose(ec2(&[0x26], 8, &x, &y)), "006"),
        ("an algorithm that is positive", cose(ec2(&[0x07], 1, &x, &y)), "006"),
        (
            "a key of another type",
            cose([&[0xa5, 1, 1, 3, 0x26, 0x20, 1, 0x21][..], &bytes(&x), &[0x22], &bytes(&y)].concat()),
            "006",
        ),
        (
            "a compressed point",
            cose([&[0xa5, 1, 2, 3, 0x26, 0x20, 1, 0x21][..], &bytes(&x), &[0x22, 0xf5]].concat()),
            "006",
        ),
        ("a point off the curve", cose(ec2(&[0x26], 1, &x, &off_curve)), "006"),
        ("the point of zeros", cose(ec2(&[0x26], 1, &[0; 32], &[0; 32])), "006"),
        ("a short coordinate", cose(ec2(&[0x26], 1, &x[1..], &y)), "006"),
        ("a long coordinate", cose(ec2(&[0x26], 1, &[&[0][..], &x].concat(), &y)), "006"),
        (
            "a key with more in it",
            cose([&[0xa6, 1, 2, 3, 0x26, 0x20, 1, 0x21][..], &bytes(&x), &[0x22], &bytes(&y), &[0x23, 1]].concat()),
            "006",
        ),
        ("a key that is a list", cose(vec![0x80]), "006"),
        ("a key without algorithm", cose(vec![0xa1, 1, 2]), "006"),
        (
            "a private key",
            cose(
                [&[0xa6, 1, 2, 3, 0x26, 0x20, 1, 0x21][..], &bytes(&x), &[0x22], &bytes(&y), &[0x23], &bytes(&[1; 32])]
                    .concat(),
            ),
            "006",
        ),
        (
            "the algorithm twice",
            cose([&[0xa6, 1, 2, 3, 0x26, 3, 0x26, 0x20, 1, 0x21][..], &bytes(&x), &[0x22], &bytes(&y)].concat()),
            "001",
        ),
        (
            "keys out of order",
            cose([&[0xa5, 3, 0x26, 1, 2, 0x20, 1, 0x21][..], &bytes(&x), &[0x22], &bytes(&y)].concat()),
            "001",
        ),
        (
            "a number longer than needed",
            cose([&[0xa5, 1, 0x18, 2, 3, 0x26, 0x20, 1, 0x21][..], &bytes(&x), &[0x22], &bytes(&y)].concat()),
            "001",
        ),
        (
            "a map of indefinite length",
            cose([&[0xbf, 1, 2, 3, 0x26, 0x20, 1, 0x21][..], &bytes(&x), &[0x22], &bytes(&y), &[0xff]].concat()),
            "001",
        ),
        ("maps without end", cose(vec![0xa1; 2000]), "001"),
        ("lists without end", cose(vec![0x81; 2000]), "001"),
        ("a length of 4 GiB", cose(vec![0x5a, 0xff, 0xff, 0xff, 0xff]), "001"),
        (
            "an object out of order",
            object(
                [&[0xa3][..], &text("attStmt"), &[0xa0], &text("fmt"), &text("none"), &text("authData"), &bytes(&data)]
                    .concat(),
            ),
            "001",
        ),
        (
            "an object with more in it",
            object(
                [
                    &[0xa4][..],
                    &text("fmt"),
                    &text("none"),
                    &text("attStmt"),
                    &[0xa0],
                    &text("authData"),
                    &bytes(&data),
                    &text("zzzzzzzzz"),
                    &[1],
                ]
                .concat(),
            ),
            "001",
        ),
        (
            "an object without a statement",
            object([&[0xa2][..], &text("fmt"), &text("none"), &text("authData"), &bytes(&data)].concat()),
            "001",
        ),
        ("a statement that is a list", object(attestation_with("none", &[0x80], &data)), "001"),
        ("bytes after the object", object([attestation(&data), vec![0]].concat()), "001"),
        (
            "an object of indefinite length",
            object({
                let mut whole = attestation(&data);
                whole[0] = 0xbf;
                whole.push(0xff);
                whole
            }),
            "001",
        ),
    ];
    assert!(table.len() > 60);
    for (what, answer, code) in table {
        let error = refused(enrol(&answer), what);
        assert_eq!(countersign_model::Diagnostic::code(&error), format!("CS-PASSKEY-{code}"), "{what}: {error}");
    }
    let large = format!("{{\"id\":\"{}\"}}", "a".repeat(70_000));
    refused(register(large.as_bytes(), ASKED, ORIGIN, RP_ID), "a large one");
    refused(register(b"", ASKED, ORIGIN, RP_ID), "nothing");
    let answer = serde_json::to_string(&token.create(&chal)).unwrap();
    let twice = answer.replacen("{\"", "{\"id\":\"AA\",\"", 1);
    refused(register(twice.as_bytes(), ASKED, ORIGIN, RP_ID), "a member of the answer twice");
    refused(register(answer.as_bytes(), ASKED, ORIGIN, "evil.test"), "an origin of another party");
    refused(register(answer.as_bytes(), ASKED, "http://sign.example.test", RP_ID), "an origin without TLS");
}

#[test]
fn a_registration_cut_off_or_flipped_anywhere_is_refused() {
    let token = authenticator();
    let chal = base64url(ASKED);
    let client_data = token.client_data("webauthn.create", &chal);
    let object = attestation(&token.data(UP_UV | AT, &token.attested()));
    for n in 0..object.len() {
        refused(enrol(&token.created(&client_data, &object[..n])), "an object cut off");
    }
    for n in 0..client_data.len() {
        refused(enrol(&token.created(&client_data[..n], &object)), "client data cut off");
    }
    let data = token.data(UP_UV | AT, &token.attested());
    for n in 0..data.len() {
        refused(enrol(&token.created(&client_data, &attestation(&data[..n]))), "authenticator data cut off");
    }
    let whole = serde_json::to_vec(&token.create(&chal)).unwrap();
    for n in 0..whole.len() {
        refused(register(&whole[..n], ASKED, ORIGIN, RP_ID), "an answer cut off");
    }
    // A flipped bit gives another key at most, and where the key vouches for itself not even that.
    let sig = token.sign(&data, &client_data);
    let statement = [&[0xa2][..], &text("alg"), &[0x26], &text("sig"), &bytes(&sig)].concat();
    let object = attestation_with("packed", &statement, &data);
    for at in 0..object.len() {
        for bit in [0x01, 0x10, 0x80] {
            let mut flipped = object.clone();
            flipped[at] ^= bit;
            refused(enrol(&token.created(&client_data, &flipped)), "a bit flipped");
        }
    }
}

/// What makes a signature worthless, and the code that says so.
#[test]
fn attacks_on_a_signature_are_refused_each_for_its_reason() {
    let mut token = authenticator();
    token.counter = 9;
    let chal = asked(APPROVAL, STATEMENT);
    let data = token.data(UP_UV, &[]);
    let good = token.client_data("webauthn.get", &chal);
    let client = |client_data: String| token.got(&data, &client_data);
    let name = |origin: &str, rest: &str| {
        format!("{{\"type\":\"webauthn.get\",\"challenge\":\"{chal}\",\"origin\":\"{origin}\"{rest}}}")
    };
    let with = |data: Vec<u8>| token.got(&data, &good);
    let edited = |at: &str, value: Value| {
        let mut answer = token.got(&data, &good);
        *answer.pointer_mut(at).unwrap() = value;
        answer
    };
    let other_key = Authenticator { credential: token.credential.clone(), ..Authenticator::new(8, ORIGIN, RP_ID) };
    let other_party = Authenticator { rp_id: "evil.test".into(), ..token.clone() };
    let other_origin = Authenticator { origin: "https://evil.test".into(), ..token.clone() };
    let sig = token.sign(&data, &good);
    let der = |signature: Vec<u8>| token.answered(&data, &good, &signature);
    let mut altered = sig.clone();
    *altered.last_mut().unwrap() ^= 1;
    // Authenticator data that was signed without the person, with flags set afterwards.
    let raised = token.answered(&data, &good, &token.sign(&token.data(0x01, &[]), &good));
    let mut counted = token.clone();
    counted.counter = 77;
    let r_len = usize::from(sig[3]);
    let padded_r = {
        let mut long = sig.clone();
        long[1] += 1;
        long[3] += 1;
        long.insert(4, 0);
        long
    };
    let zero_s = [
        &[0x30, u8::try_from(r_len + 5).unwrap(), 2, u8::try_from(r_len).unwrap()][..],
        &sig[4..4 + r_len],
        &[2, 1, 0],
    ]
    .concat();
    let table: Vec<(&str, Value, &str)> = vec![
        ("a registration for a signature", client(token.client_data("webauthn.create", &chal)), "002"),
        ("a payment", client(token.client_data("payment.get", &chal)), "002"),
        ("another statement", client(token.client_data("webauthn.get", &asked(APPROVAL, b"{}"))), "002"),
        ("another act", client(token.client_data("webauthn.get", &asked(act::CLAIM, STATEMENT))), "002"),
        ("the statement itself", client(token.client_data("webauthn.get", &base64url(STATEMENT))), "002"),
        ("an empty challenge", client(token.client_data("webauthn.get", "")), "002"),
        ("another origin", other_origin.got(&data, &other_origin.client_data("webauthn.get", &chal)), "002"),
        ("another port", client(name("https://sign.example.test:8443", "")), "002"),
        ("the same party's other host", client(name("https://example.test", "")), "002"),
        ("a frame of another site", client(name(ORIGIN, ",\"crossOrigin\":true")), "002"),
        ("a frame that is null", client(name(ORIGIN, ",\"crossOrigin\":null")), "002"),
        ("a frame's outer origin", client(name(ORIGIN, ",\"topOrigin\":\"https://evil.test\"")), "002"),
        ("the origin twice", client(name("https://evil.test", &format!(",\"origin\":\"{ORIGIN}\""))), "001"),
        ("the challenge twice", client(name(ORIGIN, ",\"challenge\":\"AA\"")), "001"),
        ("the type twice", client(name(ORIGIN, ",\"type\":\"webauthn.get\"")), "001"),
        (
            "another order",
            client(format!("{{\"origin\":\"{ORIGIN}\",\"type\":\"webauthn.get\",\"challenge\":\"{chal}\"}}")),
            "001",
        ),
        ("bytes after the client data", client(format!("{good} x")), "001"),
        ("another relying party", other_party.got(&other_party.data(UP_UV, &[]), &good), "003"),
        ("nobody present", with(token.data(0x04, &[])), "004"),
        ("not verified", with(token.data(0x01, &[])), "005"),
        ("flags set afterwards", raised, "008"),
        ("backed up and cannot be", with(token.data(UP_UV | 0x10, &[])), "001"),
        ("a credential with it", with(token.data(UP_UV | AT, &token.attested())), "001"),
        ("a credential said and not there", with(token.data(UP_UV | AT, &[])), "001"),
        ("extensions", with(token.data(UP_UV | 0x80, &[0xa0])), "001"),
        ("extensions said and not there", with(token.data(UP_UV | 0x80, &[])), "001"),
        ("bytes after the data", with([data.clone(), vec![0]].concat()), "001"),
        ("data cut off", with(data[..36].to_vec()), "001"),
        ("another counter than was signed", token.answered(&counted.data(UP_UV, &[]), &good, &sig), "008"),
        ("another key", other_key.got(&data, &good), "008"),
        ("an altered signature", der(altered), "008"),
        ("another's client data", token.answered(&data, &good, &token.sign(&data, "{}")), "008"),
        ("no signature", der(Vec::new()), "001"),
        ("raw r and s", der(vec![7; 64]), "001"),
        ("bytes after the signature", der([sig.clone(), vec![0]].concat()), "001"),
        ("a number longer than needed", der(padded_r), "001"),
        ("s of zero", der(zero_s), "001"),
        ("a length in two bytes", der([&[0x30, 0x81, sig[1]][..], &sig[2..]].concat()), "001"),
        ("indefinite length", der([&[0x30, 0x80][..], &sig[2..], &[0, 0]].concat()), "001"),
        ("another tag", der([&[0x31][..], &sig[1..]].concat()), "001"),
        ("another credential", edited("/id", json!(base64url(b"another"))), "001"),
        ("another type", edited("/type", json!("password")), "001"),
        ("padded bytes", edited("/response/authenticatorData", json!("AA==")), "001"),
        ("no response", edited("/response", Value::Null), "001"),
    ];
    signed(&token, &token.got(&data, &good)).unwrap();
    for (what, answer, code) in table {
        let error = refused(signed(&token, &answer), what);
        assert_eq!(countersign_model::Diagnostic::code(&error), format!("CS-PASSKEY-{code}"), "{what}: {error}");
    }
    // Another credential of the same authenticator answered.
    let other = Authenticator { credential: vec![1], ..token.clone() };
    let answer = Assertion::from_json(&serde_json::to_vec(&other.got(&data, &good)).unwrap()).unwrap();
    assert_eq!(answer.credential(), other.id());
    let answer = answer.into_sshsig(&enrolled(&token), &token.id(), ORIGIN, APPROVAL, STATEMENT);
    assert_eq!(refused(answer, "another credential"), PasskeyError::OtherCredential);
}

#[test]
fn a_signature_cut_off_or_flipped_anywhere_is_refused() {
    let mut token = authenticator();
    token.counter = 9;
    let chal = asked(APPROVAL, STATEMENT);
    let (data, good) = (token.data(UP_UV, &[]), token.client_data("webauthn.get", &chal));
    let sig = token.sign(&data, &good);
    for n in 0..data.len() {
        refused(signed(&token, &token.answered(&data[..n], &good, &sig)), "data cut off");
    }
    for n in 0..good.len() {
        refused(signed(&token, &token.answered(&data, &good[..n], &sig)), "client data cut off");
    }
    for n in 0..sig.len() {
        refused(signed(&token, &token.answered(&data, &good, &sig[..n])), "a signature cut off");
        let mut flipped = sig.clone();
        flipped[n] ^= 1;
        refused(signed(&token, &token.answered(&data, &good, &flipped)), "a bit of the signature flipped");
    }
    let whole = serde_json::to_vec(&token.got(&data, &good)).unwrap();
    for n in 0..whole.len() {
        let error = Assertion::from_json(&whole[..n]).unwrap_err();
        assert!(matches!(error, PasskeyError::Form(_)), "{n}");
    }
    // What is stored: no byte of it can be another one, or be missing.
    let key = enrolled(&token);
    let armored = signed(&token, &token.got(&data, &good)).unwrap();
    let blob = dearmored(&armored);
    for at in 0..blob.len() {
        for bit in [0x01, 0x20, 0x80] {
            let mut flipped = blob.clone();
            flipped[at] ^= bit;
            assert!(sshsig::verify(&key, APPROVAL, STATEMENT, &rearmored(&flipped)).is_err(), "byte {at}");
        }
        assert!(sshsig::verify(&key, APPROVAL, STATEMENT, &rearmored(&blob[..at])).is_err(), "cut at {at}");
    }
    assert!(sshsig::verify(&key, APPROVAL, STATEMENT, &rearmored(&[blob, vec![0]].concat())).is_err());
}

#[test]
fn a_key_of_openssh_signs_as_no_passkey_and_a_passkey_as_no_key_of_openssh() {
    // The same point with OpenSSH's own application: a page of no origin could have asked for it.
    let token = Authenticator { rp_id: "ssh:".into(), ..authenticator() };
    let (x, y) = token.point();
    let blob = [
        string(b"sk-ecdsa-sha2-nistp256@openssh.com"),
        string(b"nistp256"),
        string(&[&[4][..], &x, &y].concat()),
        string(b"ssh:"),
    ]
    .concat();
    use base64::Engine as _;
    let line =
        format!("sk-ecdsa-sha2-nistp256@openssh.com {}", base64::engine::general_purpose::STANDARD.encode(&blob));
    let key = PublicKey::parse(&line).unwrap();
    let good = token.client_data("webauthn.get", &asked(APPROVAL, STATEMENT));
    let answer = serde_json::to_vec(&token.got(&token.data(UP_UV, &[]), &good)).unwrap();
    let answer = Assertion::from_json(&answer).unwrap();
    let answer = answer.into_sshsig(&key, &token.id(), ORIGIN, APPROVAL, STATEMENT);
    assert!(matches!(refused(answer, "OpenSSH's own"), PasskeyError::Origin(_)));
    // A plain key is no passkey, whatever the signature calls itself.
    let plain = ssh_key::private::Ed25519Keypair::from_seed(&[7; 32]);
    let plain = ssh_key::PrivateKey::from(plain).public_key().to_openssh().unwrap();
    let answer = token.got(&token.data(UP_UV, &[]), &good);
    let answer = Assertion::from_json(&serde_json::to_vec(&answer).unwrap()).unwrap();
    let plain = PublicKey::parse(&plain).unwrap();
    let answer = answer.into_sshsig(&plain, &token.id(), ORIGIN, APPROVAL, STATEMENT);
    assert!(matches!(refused(answer, "a plain key"), PasskeyError::Algorithm(_)));
    assert!(matches!(
        refused(check_enrolment(&plain, &said_of(&token)).map_err(Error::from), "a plain key"),
        PasskeyError::Algorithm(_)
    ));
}

fn said_of(token: &Authenticator) -> Passkey {
    Passkey { credential: token.id(), ..enrol(&authenticator().create(&base64url(ASKED))).unwrap().passkey }
}

#[test]
fn what_an_enrolment_says_is_checked_again_by_whoever_reads_it() {
    let token = authenticator();
    let (key, said) = (enrolled(&token), said_of(&token));
    assert_eq!(check_enrolment(&key, &said), Ok(()));
    for (what, wrong) in [
        ("another origin", Passkey { origin: "https://evil.test".into(), ..said.clone() }),
        ("no origin", Passkey { origin: String::new(), ..said.clone() }),
        ("no credential", Passkey { credential: String::new(), ..said.clone() }),
        ("a padded credential", Passkey { credential: "AA==".into(), ..said.clone() }),
        ("a long credential", Passkey { credential: base64url(&[0; 1024]), ..said.clone() }),
        ("no kind", Passkey { aaguid: String::new(), ..said.clone() }),
        ("a kind in capitals", Passkey { aaguid: "AA".repeat(16), ..said.clone() }),
        ("another attestation", Passkey { attestation: "packed".into(), ..said.clone() }),
        ("backed up and cannot be", Passkey { backed_up: true, ..said.clone() }),
    ] {
        assert!(check_enrolment(&key, &wrong).is_err(), "{what}");
    }
}

#[test]
fn a_counter_never_stands_still_nor_goes_back() {
    for (before, now) in [(0, 0), (0, 1), (1, 2), (7, 1000), (0, u32::MAX)] {
        assert!(advances(before, now), "{before} {now}");
    }
    for (before, now) in [(1, 1), (2, 1), (1, 0), (u32::MAX, 0), (u32::MAX, u32::MAX)] {
        assert!(!advances(before, now), "{before} {now}");
    }
}

fn string(bytes: &[u8]) -> Vec<u8> {
    [&u32::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat()
}

fn dearmored(armored: &str) -> Vec<u8> {
    use base64::Engine as _;
    let body: String = armored.lines().filter(|l| !l.starts_with("-----")).collect();
    base64::engine::general_purpose::STANDARD.decode(body).unwrap()
}

fn rearmored(blob: &[u8]) -> String {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(blob);
    let lines: Vec<_> = text.as_bytes().chunks(70).map(|c| std::str::from_utf8(c).unwrap()).collect();
    format!("-----BEGIN SSH SIGNATURE-----\n{}\n-----END SSH SIGNATURE-----\n", lines.join("\n"))
}
