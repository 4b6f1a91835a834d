//! OpenSSH certificates made by the stock `ssh-keygen`, through the real binary: for acts, for commits, and every way in which they do not
//! count. Each is tried twice: shown, which records the refusal, and written into the log by hand, where the fold must not believe it.

use std::fs;

use countersign_evidence::act;
use countersign_evidence::sshsig::Certificate;
use countersign_model::access::CertificateUse;
use countersign_model::event::{
    CertificateAuthorityAdded, CertificateAuthorityRevoked, KeyCertified, RevocationListImported,
};
use countersign_model::{EventKind, StreamId};

use crate::attacks::{act_of, by_hand_with, id_of, refusals, session};
use crate::support::{Ran, World, have_ssh_keygen};

#[track_caller]
fn code(ran: &Ran, code: &str) {
    assert!(ran.err.starts_with(&format!("error[{code}]")), "{}", ran.err);
}

impl World {
    /// A certificate of the authority `ca` for the key `key`; the file's path.
    pub(crate) fn certify(&self, ca: &str, key: &str, options: &[&str]) -> String {
        let mut command = self.command("ssh-keygen", &self.path("."));
        command.args(["-q", "-s"]).arg(self.path(ca)).args(options).arg(self.public(key));
        Self::finish(command).expect(0);
        self.path(&format!("{key}-cert.pub")).to_str().unwrap().to_owned()
    }

    fn show(&self, certificate: &str, key: &str) -> Ran {
        self.by(key, &["person", "key", "certify", certificate, "--format", "json"])
    }

    fn authority(&self, ca: &str, more: &[&str]) -> Ran {
        let public = self.public(ca);
        let args = ["person", "ca", "add", public.to_str().unwrap(), "--reason", "our authority", "--format", "json"];
        self.by("ada", &[args.as_slice(), more].concat())
    }
}

fn release(w: &World, exit: i32) -> String {
    let run = w.cs(["run", "--format", "json"]).expect(exit).json();
    run["gates"].as_array().unwrap().iter().find(|g| g["name"] == "release").unwrap()["reasons"].to_string()
}

#[test]
fn a_certified_key_is_its_persons_while_certificate_and_authority_last() {
    if !have_ssh_keygen() {
        return;
    }
    let mut w = World::new();
    w.now = Some("2030-01-01T12:00:00Z".into());
    w.firm();
    w.key("ca");
    let (dan, mia) = (id_of(&w, "dan").to_string(), id_of(&w, "mia").to_string());
    // Only an administrator enrols an authority.
    let public = w.public("ca");
    let before = refusals(&w);
    let by_dan = ["person", "ca", "add", public.to_str().unwrap(), "--for", "dan", "--reason", "x"];
    code(&w.by("dan", &by_dan).expect(4), "CS-ACCESS-004");
    assert_eq!(refusals(&w), before + 1);
    w.authority("ca", &["--for", "dan", "mia"]).expect(0);

    w.key("short");
    let window = "20300101110000Z:20300101200000Z";
    let certificate = w.certify("ca", "short", &["-I", &dan, "-n", &dan, "-z", "77", "-V", window]);
    // Before it is shown, the key is nobody's.
    w.commit_signed("mia", "app.sh", "echo app\n");
    w.cs(["run"]).expect(11);
    code(&w.by("short", &["approve", "latest", "--as", "technical"]).expect(4), "CS-RELEASE-002");
    let shown = w.show(&certificate, "short").expect(0).json();
    assert_eq!((shown["person"].as_str(), shown["serial"].as_u64()), (Some(dan.as_str()), Some(77)));
    assert_eq!(shown["valid_before"], "2030-01-01T20:00:00.000Z");
    w.by("short", &["approve", "latest", "--as", "technical"]).expect(0);
    // A person with two keys is one person.
    code(&w.by("dan", &["approve", "latest", "--as", "technical"]).expect(4), "CS-RELEASE-006");
    w.by("ruth", &["approve", "latest", "--as", "regulatory"]).expect(0);
    w.cs(["run"]).expect(0);
    let listed = w.cs(["person", "key", "list", "dan"]).expect(0).out;
    assert!(listed.contains("before 2030-01-01T20:00:00.000Z"), "{listed}");

    // Its window is over; another certificate of the same key brings it back.
    w.now = Some("2030-01-01T20:00:00Z".into());
    w.commit_signed("mia", "more.sh", "echo more\n");
    w.cs(["run"]).expect(11);
    code(&w.by("short", &["approve", "latest", "--as", "technical"]).expect(4), "CS-IDENTITY-004");
    code(&w.show(&certificate, "short").expect(4), "CS-CERT-006");
    let longer = w.certify("ca", "short", &["-I", &dan, "-n", &dan, "-V", "20300101110000Z:20300102200000Z"]);
    w.show(&longer, "short").expect(0);
    w.by("short", &["approve", "latest", "--as", "technical"]).expect(0);

    // Mia's commits by a certified key that was never shown: the certificate is in the commit. Git signs with it.
    w.key("laptop");
    w.certify(
        "ca",
        "laptop",
        &[
            "-z",
            "18446744073709551615",
            "-I",
            "mia@laptop",
            "-n",
            &format!("mia,{mia}"),
            "-V",
            "20300101110000Z:20300102200000Z",
        ],
    );
    w.git(["checkout", "-q", "--orphan", "mias"]);
    fs::copy(w.path("laptop"), w.path("laptop-cert")).unwrap();
    let key = format!("user.signingkey={}", w.path("laptop-cert.pub").display());
    w.git(["-c", &key, "commit", "-q", "-S", "-m", "by certificate"]);
    assert!(w.git(["cat-file", "commit", "HEAD"]).contains("SSH SIGNATURE"));
    assert!(!release(&w, 11).contains("unverified-author"));
    code(&w.by("mia", &["approve", "latest", "--as", "technical"]).expect(4), "CS-RELEASE-004");
    assert!(!w.ledger_text().contains("mia@laptop"), "the key id is a keyed pseudonym");
    w.by("short", &["approve", "latest", "--as", "technical"]).expect(0);

    // Without its authority none of it counts, and what it had signed by then stands only before the compromise.
    let ca = w.fingerprint("ca");
    code(&w.by("dan", &["person", "ca", "revoke", &ca, "--reason", "x"]).expect(4), "CS-ACCESS-004");
    let since = ["--compromised-since", "2030-01-01T11:00:00Z"];
    w.by("ada", &[&["person", "ca", "revoke", &ca, "--reason", "stolen"][..], &since].concat()).expect(0);
    assert!(release(&w, 11).contains("unverified-author"));
    let text = w.cs(["run"]).expect(11).out;
    assert!(text.contains("needs a technical approval"), "{text}");
    code(&w.by("short", &["approve", "latest", "--as", "technical"]).expect(4), "CS-IDENTITY-002");
    code(&w.show(&longer, "short").expect(4), "CS-CERT-002");
    code(&w.authority("ca", &["--for", "dan"]).expect(2), "CS-IDENTITY-015");
    code(&w.by("ada", &["person", "ca", "revoke", "SHA256:none", "--reason", "x"]).expect(2), "CS-IDENTITY-020");
    assert!(w.cs(["person", "ca", "list"]).expect(0).out.contains("revoked in entry"));
    w.cs(["verify"]).expect(0);
    w.cs(["ledger", "rebuild", "--check"]).expect(0);
}

#[test]
fn whatever_is_wrong_with_a_certificate_it_makes_no_key_anybodys() {
    if !have_ssh_keygen() {
        return;
    }
    let mut w = World::new();
    w.now = Some("2030-01-01T12:00:00Z".into());
    w.firm();
    for ca in ["ca", "ca2", "ca3", "gone"] {
        w.key(ca);
    }
    let ids = ["dan", "mia", "ruth", "omar"].map(|name| id_of(&w, name).to_string());
    let [dan, mia, ruth, omar] = ids.each_ref().map(String::as_str);
    w.authority("ca", &["--for", "dan", "mia", "ruth"]).expect(0);
    w.authority("ca2", &["--for", "dan", "--use", "commits"]).expect(0);
    w.authority("ca3", &["--for", "dan", "--valid-after", "2030-02-01"]).expect(0);
    w.authority("gone", &["--for", "dan"]).expect(0);
    w.by("ada", &["person", "ca", "revoke", &w.fingerprint("gone"), "--reason", "x"]).expect(0);
    w.key("stranger");
    w.by("ada", &["person", "leave", "ruth", "--reason", "gone"]).expect(0);
    let day = "20300101000000Z:20300102000000Z";
    let both = format!("{dan},{mia}");
    let besides = format!("{dan},dan");
    let plain = ["-I", dan, "-n", dan, "-V", day];
    let cases: &[(&str, &str, Vec<&str>, &str)] = &[
        ("by nobody's authority", "stranger", plain.to_vec(), "CS-CERT-001"),
        ("by a person's key", "dan", plain.to_vec(), "CS-CERT-001"),
        ("by a revoked authority", "gone", plain.to_vec(), "CS-CERT-002"),
        ("a host's", "ca", [&["-h"][..], &plain].concat(), "CS-CERT-003"),
        ("with a command", "ca", [&["-O", "force-command=/bin/true"][..], &plain].concat(), "CS-CERT-004"),
        ("with an address", "ca", [&["-O", "source-address=127.0.0.1"][..], &plain].concat(), "CS-CERT-004"),
        ("with a PIN", "ca", [&["-O", "verify-required"][..], &plain].concat(), "CS-CERT-004"),
        ("with an unknown condition", "ca", [&["-O", "critical:x@y=1"][..], &plain].concat(), "CS-CERT-004"),
        ("for commits only", "ca2", plain.to_vec(), "CS-CERT-005"),
        ("an authority of next month", "ca3", plain.to_vec(), "CS-CERT-006"),
        ("over", "ca", vec!["-I", dan, "-n", dan, "-V", "20291201000000Z:20300101120000Z"], "CS-CERT-006"),
        ("not yet", "ca", vec!["-I", dan, "-n", dan, "-V", "20300101120001Z:20300201000000Z"], "CS-CERT-006"),
        ("for everybody", "ca", vec!["-I", dan, "-V", day], "CS-CERT-007"),
        ("for a name", "ca", vec!["-I", dan, "-n", "dan", "-V", day], "CS-CERT-007"),
        ("for two people", "ca", vec!["-I", dan, "-n", &both, "-V", day], "CS-CERT-007"),
        ("for somebody it does not speak for", "ca", vec!["-I", omar, "-n", omar, "-V", day], "CS-CERT-007"),
        ("for who left", "ca", vec!["-I", ruth, "-n", ruth, "-V", day], "CS-CERT-011"),
        ("with a name besides", "ca", vec!["-I", dan, "-n", &besides, "-V", day], "CS-CERT-008"),
        ("with a name as key id", "ca", vec!["-I", "dan@firm.example", "-n", dan, "-V", day], "CS-CERT-008"),
        ("with a short name as key id", "ca", vec!["-I", "ada", "-n", dan, "-V", day], "CS-CERT-008"),
    ];
    let mut tried = 0;
    for (n, (what, ca, options, expected)) in cases.iter().enumerate() {
        let key = format!("k{n}");
        w.key(&key);
        let file = w.certify(ca, &key, options);
        let before = refusals(&w);
        code(&w.show(&file, &key).expect(4), expected);
        assert_eq!(refusals(&w), before + 1, "{what} is recorded");
        code(&w.by(&key, &["role", "grant", "mia", "auditor", "--reason", "x"]).expect(4), "CS-ACCESS-003");
        tried += 1;
    }
    assert!(tried >= 20);
    // The certificate of another key; a damaged one; one by an RSA authority.
    w.key("mine");
    let file = w.certify("ca", "mine", &plain);
    code(&w.show(&file, "stranger").expect(2), "CS-IDENTITY-021");
    let text = fs::read_to_string(&file).unwrap();
    let damaged = w.path("damaged");
    let middle = text.len() / 2;
    let flipped = if text.as_bytes()[middle] == b'A' { "B" } else { "A" };
    fs::write(&damaged, format!("{}{flipped}{}", &text[..middle], &text[middle + 1..])).unwrap();
    assert_ne!(w.show(damaged.to_str().unwrap(), "mine").code, 0);
    let mut rsa = w.command("ssh-keygen", &w.path("."));
    rsa.args(["-q", "-t", "rsa", "-b", "2048", "-N", "", "-f"]).arg(w.path("rsa"));
    World::finish(rsa).expect(0);
    let public = w.public("rsa");
    let add = ["person", "ca", "add", public.to_str().unwrap(), "--for", "dan", "--reason", "x"];
    code(&w.by("ada", &add).expect(2), "CS-EVIDENCE-051");
    w.key("other");
    let by_rsa = w.certify("rsa", "other", &plain);
    code(&w.show(&by_rsa, "other").expect(2), "CS-EVIDENCE-051");
    // Somebody's enrolled key needs no certificate, and cannot become another's by one.
    let (dans, mias) = (w.certify("ca", "dan", &plain), w.certify("ca", "mia", &["-I", dan, "-n", dan, "-V", day]));
    code(&w.show(&dans, "dan").expect(4), "CS-CERT-009");
    code(&w.show(&mias, "mia").expect(4), "CS-CERT-009");
    // A certified key that was revoked stays revoked, with every certificate.
    w.show(&file, "mine").expect(0);
    let mine = w.fingerprint("mine");
    w.by("ada", &["person", "key", "revoke", "dan", &mine, "--reason", "lost"]).expect(0);
    let again = w.certify("ca", "mine", &["-I", "1", "-n", dan, "-V", day]);
    code(&w.show(&again, "mine").expect(4), "CS-CERT-010");
    // An authority is no person's key, and nobody lets one speak for themselves while another administrator can.
    code(&w.authority("dan", &["--for", "mia"]).expect(2), "CS-ACCESS-008");
    w.by("ada", &["role", "grant", "mia", "administrator", "--reason", "x"]).expect(0);
    code(&w.authority("ca", &["--for", "Ada"]).expect(4), "CS-IDENTITY-011");
    w.cs(["verify"]).expect(0);
}

#[test]
fn a_certificate_that_is_shown_in_the_log_by_hand_counts_only_if_it_could_be_shown() {
    if !have_ssh_keygen() {
        return;
    }
    let w = World::new();
    w.firm();
    for name in ["ca", "ca2", "ca3", "gone", "stranger"] {
        w.key(name);
    }
    let ids = ["dan", "mia", "ruth", "omar"].map(|name| id_of(&w, name).to_string());
    let [dan, mia, ruth, omar] = ids.each_ref().map(String::as_str);
    w.authority("ca", &["--for", "dan", "mia", "ruth"]).expect(0);
    w.authority("ca2", &["--for", "dan", "--use", "commits"]).expect(0);
    w.authority("ca3", &["--for", "dan", "--valid-after", "2059-02-01"]).expect(0);
    w.authority("gone", &["--for", "dan"]).expect(0);
    w.by("ada", &["person", "ca", "revoke", &w.fingerprint("gone"), "--reason", "x"]).expect(0);
    w.by("ada", &["person", "leave", "ruth", "--reason", "gone"]).expect(0);
    let (both, besides) = (format!("{dan},{mia}"), format!("{dan},dan"));
    let origin = session(&w).state().origin().to_owned();
    let hand = |n: usize, ca: &str, options: &[&str], signs: Option<&str>, person: &str| {
        let key = format!("h{n}");
        w.key(&key);
        let window: &[&str] = if options.contains(&"-V") { &[] } else { &["-V", "20200101000000Z:20600101000000Z"] };
        let file = w.certify(ca, &key, &[options, window].concat());
        let line = fs::read_to_string(file).unwrap();
        let certificate = Certificate::parse(&line).unwrap().to_openssh().to_owned();
        let person = id_of(&w, person);
        let p = KeyCertified { origin: origin.clone(), person: person.clone(), certificate, time: session(&w).now() };
        let act = act_of(&w, signs.unwrap_or(&key), act::CERTIFIED_KEY, p);
        by_hand_with(&w, EventKind::KeyCertified, &StreamId::from(&person), &person, &act, &[])
    };
    let plain = ["-I", dan, "-n", dan];
    for (n, (what, ca, options, signs, person)) in [
        ("by nobody's authority", "stranger", plain.to_vec(), None, "dan"),
        ("by a revoked authority", "gone", plain.to_vec(), None, "dan"),
        ("a host's", "ca", [&["-h"][..], &plain].concat(), None, "dan"),
        ("with a command", "ca", [&["-O", "force-command=x"][..], &plain].concat(), None, "dan"),
        ("for commits only", "ca2", plain.to_vec(), None, "dan"),
        ("an authority of another time", "ca3", plain.to_vec(), None, "dan"),
        ("over", "ca", vec!["-I", dan, "-n", dan, "-V", "20200101000000Z:20200102000000Z"], None, "dan"),
        ("not yet", "ca", vec!["-I", dan, "-n", dan, "-V", "20590101000000Z:20600102000000Z"], None, "dan"),
        ("for everybody", "ca", vec!["-I", dan], None, "dan"),
        ("for two people", "ca", vec!["-I", dan, "-n", &both], None, "dan"),
        ("for somebody it does not speak for", "ca", vec!["-I", omar, "-n", omar], None, "omar"),
        ("for who left", "ca", vec!["-I", ruth, "-n", ruth], None, "ruth"),
        ("with a name besides", "ca", vec!["-I", dan, "-n", &besides], None, "dan"),
        ("with a name as key id", "ca", vec!["-I", "dan", "-n", dan], None, "dan"),
        ("said to be another's", "ca", plain.to_vec(), None, "mia"),
        ("shown by another key", "ca", plain.to_vec(), Some("stranger"), "dan"),
        ("shown by the person's other key", "ca", plain.to_vec(), Some("dan"), "dan"),
    ]
    .into_iter()
    .enumerate()
    {
        assert!(hand(n, ca, &options, signs, person).is_some(), "{what}: the fold believes it");
    }
    assert_eq!(hand(100, "ca", &plain, None, "dan"), None, "the honest one is believed");
    assert_eq!(w.cs(["verify"]).expect(13).code, 13);
}

#[test]
fn an_authority_that_is_written_into_the_log_by_hand_counts_only_if_it_could_be_enrolled() {
    if !have_ssh_keygen() {
        return;
    }
    let w = World::new();
    w.firm();
    w.key("ca");
    let (ada, dan, mia) = (id_of(&w, "Ada"), id_of(&w, "dan"), id_of(&w, "mia"));
    let public = |name: &str| {
        let text = fs::read_to_string(w.public(name)).unwrap();
        text.split_whitespace().take(2).collect::<Vec<_>>().join(" ")
    };
    let mut people = vec![dan.clone(), mia.clone()];
    people.sort();
    let honest = CertificateAuthorityAdded {
        origin: session(&w).state().origin().to_owned(),
        key: public("ca"),
        people: people.clone(),
        uses: vec![CertificateUse::Acts, CertificateUse::Commits],
        valid_after: None,
        valid_before: None,
        by: ada.clone(),
        reason: "x".into(),
        time: session(&w).now(),
    };
    let stream = StreamId::from_text("access");
    let add = |p: &CertificateAuthorityAdded, signer: &str| {
        let act = act_of(&w, signer, act::CERTIFICATE_AUTHORITY, p.clone());
        by_hand_with(&w, EventKind::CertificateAuthorityAdded, &stream, &p.by, &act, &[])
    };
    let changed = |change: &dyn Fn(&mut CertificateAuthorityAdded)| {
        let mut p = honest.clone();
        change(&mut p);
        p
    };
    for (what, p, signer) in [
        ("for nobody", changed(&|p| p.people.clear()), "ada"),
        ("for a stranger", changed(&|p| p.people = vec![countersign_model::PersonId::from_random([1; 10])]), "ada"),
        ("not sorted", changed(&|p| p.people.reverse()), "ada"),
        ("for nothing", changed(&|p| p.uses.clear()), "ada"),
        ("a person's key", changed(&|p| p.key = public("dan")), "ada"),
        ("with a comment", changed(&|p| p.key.push_str(" ca")), "ada"),
        ("for another ledger", changed(&|p| p.origin = "x".into()), "ada"),
        ("over", changed(&|p| p.valid_before = Some(countersign_model::Timestamp::from_millis(0))), "ada"),
        ("by an engineer", changed(&|p| p.by = dan.clone()), "dan"),
        ("signed by another", honest.clone(), "dan"),
    ] {
        assert!(add(&p, signer).is_some(), "{what}: the fold believes it");
    }
    assert_eq!(add(&honest, "ada"), None);
    assert!(add(&changed(&|p| p.people = vec![dan.clone()]), "ada").unwrap().contains("fewer"));
    assert!(add(&changed(&|p| p.uses = vec![CertificateUse::Acts]), "ada").unwrap().contains("something else"));
    let revoked = CertificateAuthorityRevoked {
        origin: honest.origin.clone(),
        fingerprint: w.fingerprint("ca"),
        compromised_since: None,
        by: ada,
        reason: "x".into(),
        time: session(&w).now(),
    };
    let revoke = |p: &CertificateAuthorityRevoked, signer: &str| {
        let act = act_of(&w, signer, act::CERTIFICATE_AUTHORITY_REVOCATION, p.clone());
        by_hand_with(&w, EventKind::CertificateAuthorityRevoked, &stream, &p.by, &act, &[])
    };
    let by_dan = CertificateAuthorityRevoked { by: dan, ..revoked.clone() };
    assert!(revoke(&by_dan, "dan").is_some());
    let unknown = CertificateAuthorityRevoked { fingerprint: w.fingerprint("mia"), ..revoked.clone() };
    assert!(revoke(&unknown, "ada").is_some());
    assert_eq!(revoke(&revoked, "ada"), None);
    assert!(revoke(&revoked, "ada").unwrap().contains("revoked before"));
    assert!(add(&honest, "ada").unwrap().contains("revoked"));
}

impl World {
    /// A revocation list of this specification, by the stock `ssh-keygen`; the file's path.
    pub(crate) fn list(&self, number: u64, ca: &str, spec: &str) -> String {
        fs::write(self.path("spec"), spec).unwrap();
        let mut command = self.command("ssh-keygen", &self.path("."));
        command.args(["-q", "-k", "-z", &number.to_string(), "-f"]).arg(self.path("krl"));
        command.arg("-s").arg(self.public(ca)).arg(self.path("spec"));
        Self::finish(command).expect(0);
        self.path("krl").to_str().unwrap().to_owned()
    }

    fn import_list(&self, by: &str, file: &str) -> Ran {
        self.by(by, &["person", "krl", "import", file, "--reason", "the weekly list", "--format", "json"])
    }
}

#[test]
fn what_a_revocation_list_names_counts_no_more_and_nothing_brings_it_back() {
    if !have_ssh_keygen() {
        return;
    }
    let w = World::new();
    w.firm();
    for name in ["ca", "ca2", "single", "ranged", "named", "kept", "by-sha1", "by-sha256", "laptop", "second"] {
        w.key(name);
    }
    let (dan, mia) = (id_of(&w, "dan").to_string(), id_of(&w, "mia").to_string());
    for ca in ["ca", "ca2"] {
        w.authority(ca, &["--for", "dan", "mia"]).expect(0);
    }
    let show = |ca: &str, key: &str, serial: &str, id: &str| {
        let file = w.certify(ca, key, &["-I", id, "-z", serial, "-n", &dan, "-V", "20200101000000Z:20600101000000Z"]);
        w.show(&file, key)
    };
    show("ca", "single", "7", &dan).expect(0);
    show("ca", "ranged", "150", &dan).expect(0);
    show("ca", "named", "900", "4711").expect(0);
    show("ca", "kept", "8", &dan).expect(0);
    show("ca2", "second", "7", &dan).expect(0);
    for key in ["by-sha1", "by-sha256"] {
        let public = w.public(key);
        w.by("ada", &["person", "key", "add", "dan", "--ssh-key", public.to_str().unwrap()]).expect(0);
    }
    w.certify("ca", "laptop", &["-I", "mia@laptop", "-z", "77", "-n", &mia, "-V", "20200101000000Z:20600101000000Z"]);
    fs::copy(w.path("laptop"), w.path("laptop-cert")).unwrap();
    let key = format!("user.signingkey={}", w.path("laptop-cert.pub").display());
    w.git(["-c", &key, "commit", "-q", "--allow-empty", "-S", "-m", "by certificate"]);
    assert!(!release(&w, 11).contains("unverified-author"));

    let line = |name: &str| fs::read_to_string(w.public(name)).unwrap();
    let spec = format!(
        "serial: 7\nserial: 100-200\nid: 4711\nid: mia@laptop\nsha1: {}sha256: {}",
        line("by-sha1"),
        line("by-sha256")
    );
    let file = w.list(5, "ca", &spec);
    let before = refusals(&w);
    code(&w.import_list("dan", &file).expect(4), "CS-ACCESS-004");
    assert_eq!(refusals(&w), before + 1);
    let imported = w.import_list("ada", &file).expect(0).json();
    let mut gone: Vec<String> =
        ["single", "ranged", "named", "by-sha1", "by-sha256"].iter().map(|name| w.fingerprint(name)).collect();
    gone.sort();
    let mut said: Vec<&str> = imported["keys"].as_array().unwrap().iter().map(|k| k.as_str().unwrap()).collect();
    said.sort_unstable();
    assert_eq!(said, gone);
    assert_eq!(imported["authorities"], serde_json::json!([]));
    for key in ["single", "ranged", "named", "by-sha1", "by-sha256"] {
        code(&w.by(key, &["approve", "latest", "--as", "technical"]).expect(4), "CS-IDENTITY-002");
    }
    assert!(release(&w, 11).contains("unverified-author"), "the key id in the commit's certificate is listed");
    assert!(!w.ledger_text().contains("mia@laptop"));
    // Another authority's certificate of the same serial is another one.
    w.by("second", &["approve", "latest", "--as", "technical"]).expect(0);
    // None of it comes back: not by a certificate of a listed serial, by another certificate, or as a plain key.
    w.key("fresh");
    code(&show("ca", "fresh", "199", &dan).expect(4), "CS-CERT-012");
    code(&show("ca", "fresh", "1", "4711").expect(4), "CS-CERT-012");
    code(&show("ca2", "by-sha1", "1", &dan).expect(4), "CS-CERT-012");
    code(&show("ca", "single", "1000", &dan).expect(4), "CS-CERT-010");
    w.key("lost");
    let lost = w.list(6, "ca", &format!("key: {}", line("lost")));
    assert_eq!(w.import_list("ada", &lost).expect(0).json()["keys"], serde_json::json!([]));
    let public = w.public("lost");
    let public = public.to_str().unwrap();
    code(&w.by("ada", &["person", "key", "add", "dan", "--ssh-key", public]).expect(2), "CS-IDENTITY-022");
    code(&w.by("ada", &["person", "add", "Lu", "--ssh-key", public]).expect(2), "CS-IDENTITY-022");
    code(&w.authority("lost", &["--for", "dan"]).expect(2), "CS-IDENTITY-022");
    // Numbers rise; what is damaged is refused as a whole; the last administrator's key stays.
    code(&w.import_list("ada", &w.list(6, "ca", "serial: 1\n")).expect(2), "CS-IDENTITY-023");
    fs::write(w.path("bad"), [fs::read(w.path("krl")).unwrap().as_slice(), b"x"].concat()).unwrap();
    code(&w.import_list("ada", w.path("bad").to_str().unwrap()).expect(13), "CS-EVIDENCE-062");
    code(&w.import_list("ada", &w.list(7, "ca", &format!("key: {}", line("ada")))).expect(2), "CS-IDENTITY-016");
    // With an authority go the keys that it certified.
    let both = w.import_list("ada", &w.list(8, "ca", &format!("sha256: {}", line("ca2")))).expect(0).json();
    assert_eq!(both["authorities"], serde_json::json!([w.fingerprint("ca2")]));
    assert_eq!(both["keys"], serde_json::json!([w.fingerprint("second")]));
    let listed = w.cs(["person", "krl", "list", "--format", "json"]).expect(0).json();
    let numbers: Vec<_> = listed["lists"].as_array().unwrap().iter().map(|l| l["number"].as_str().unwrap()).collect();
    assert_eq!(numbers, ["5", "6", "8"]);
    w.cs(["verify"]).expect(0);
    w.cs(["ledger", "rebuild", "--check"]).expect(0);

    // By hand: an old number, by an engineer, for another ledger, against the last administrator.
    let honest = RevocationListImported {
        origin: session(&w).state().origin().to_owned(),
        number: "9".into(),
        digest: countersign_model::Digest::of(b"x"),
        keys: vec![w.fingerprint("kept")],
        sha1: vec![],
        certificates: vec![],
        by: id_of(&w, "Ada"),
        reason: "x".into(),
        time: session(&w).now(),
    };
    let written = |p: &RevocationListImported, signer: &str| {
        let act = act_of(&w, signer, act::REVOCATION_LIST, p.clone());
        let stream = StreamId::from_text("access");
        by_hand_with(&w, EventKind::RevocationListImported, &stream, &p.by, &act, &[])
    };
    let changed = |change: &dyn Fn(&mut RevocationListImported)| {
        let mut p = honest.clone();
        change(&mut p);
        p
    };
    for (what, p, signer) in [
        ("an old number", changed(&|p| p.number = "8".into()), "ada"),
        ("no number", changed(&|p| p.number = "09".into()), "ada"),
        ("by an engineer", changed(&|p| p.by = id_of(&w, "dan")), "dan"),
        ("signed by another", honest.clone(), "dan"),
        ("for another ledger", changed(&|p| p.origin = "x".into()), "ada"),
        ("the last administrator", changed(&|p| p.keys = vec![w.fingerprint("ada")]), "ada"),
    ] {
        assert!(written(&p, signer).is_some(), "{what}: the fold believes it");
    }
    assert_eq!(written(&honest, "ada"), None);
    code(&w.by("kept", &["approve", "latest", "--as", "technical"]).expect(4), "CS-IDENTITY-002");
}
