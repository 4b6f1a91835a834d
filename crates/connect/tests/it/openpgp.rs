//! Signatures made by a real `gpg`, good, ended, revoked, weak, spoiled and hostile.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use countersign_connect::gpg::{self, Checked, Keyring, Signed};
use countersign_connect::{RawSignature, SignatureStatus, verify_commit};
use countersign_model::change::OpenPgp;
use countersign_model::{Diagnostic as _, Timestamp};

use crate::support::{Folder, Work, command};

/// 2026-01-02T00:00:00Z: where the clocks of these tests stand.
const NOW: i64 = 1_767_312_000;
const DAY: i64 = 86_400;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(seconds * 1000)
}

/// Somebody's `gpg`.
struct Gpg(Folder);

impl Gpg {
    fn new() -> Self {
        Self(Folder::new())
    }

    fn command(&self, now: i64) -> Command {
        let mut gpg = command("gpg");
        gpg.args([
            "--batch",
            "--yes",
            "--no-tty",
            "--quiet",
            "--no-options",
            "--pinentry-mode",
            "loopback",
            "--passphrase",
            "",
        ]);
        gpg.arg("--homedir").arg(self.0.path()).arg(format!("--faked-system-time={now}!"));
        gpg.stdin(Stdio::null());
        gpg
    }

    fn run(&self, now: i64, arguments: &[&str]) -> Vec<u8> {
        let out = self.command(now).args(arguments).output().unwrap();
        assert!(out.status.success(), "gpg {arguments:?}: {}", String::from_utf8_lossy(&out.stderr));
        out.stdout
    }

    /// A new key, and its fingerprint.
    fn key(&self, uid: &str, algorithm: &str, usage: &str, expires: &str) -> String {
        self.run(NOW, &["--quick-gen-key", uid, algorithm, usage, expires]);
        self.fingerprints().pop().unwrap()
    }

    /// Of every key and subkey.
    fn fingerprints(&self) -> Vec<String> {
        let said = String::from_utf8(self.run(NOW, &["--with-colons", "--list-keys"])).unwrap();
        said.lines().filter(|l| l.starts_with("fpr:")).map(|l| l.split(':').nth(9).unwrap().to_owned()).collect()
    }

    fn export(&self, key: &str) -> Vec<u8> {
        self.run(NOW, &["--export", key])
    }

    fn sign(&self, now: i64, key: &str, more: &[&str], payload: &[u8]) -> Signed {
        let file = self.0.join("payload");
        fs::write(&file, payload).unwrap();
        let key = format!("{key}!");
        let arguments = [more, &["--yes", "-u", &key, "-a", "-b", "-o", "-", file.to_str().unwrap()]].concat();
        Signed { armored: String::from_utf8(self.run(now, &arguments)).unwrap(), payload: payload.to_vec() }
    }
}

impl Drop for Gpg {
    fn drop(&mut self) {
        let _ = command("gpgconf").arg("--homedir").arg(self.0.path()).args(["--kill", "gpg-agent"]).status();
    }
}

fn verdict(ring: &Keyring, signed: &Signed) -> OpenPgp {
    ring.verify(std::slice::from_ref(signed)).unwrap().pop().unwrap().verdict
}

fn named(verdict: OpenPgp, key: &str) -> Checked {
    Checked { verdict, fingerprint: Some(key.to_owned()) }
}

#[test]
fn what_gpg_says_is_told_by_name_and_only_good_counts() {
    let gpg = Gpg::new();
    let ann = gpg.key("Ann <ann@firm.example>", "ed25519", "cert,sign", "30d");
    gpg.run(NOW, &["--quick-add-key", &ann, "ed25519", "sign", "3d"]);
    let subkey = gpg.fingerprints().into_iter().find(|f| *f != ann).unwrap();
    let certificate = gpg::inspect(&gpg.export(&ann), at(NOW)).unwrap();
    assert_eq!(certificate.fingerprint, ann);
    assert_eq!(certificate.expires, Some(at(NOW + 30 * DAY)));
    let ring = |now| Keyring::new(&[(ann.clone(), certificate.bytes.clone())], at(now)).unwrap();
    let one = |ring: &Keyring, signed: &Signed| ring.verify(std::slice::from_ref(signed)).unwrap().pop().unwrap();

    let good = gpg.sign(NOW, &ann, &[], b"tree x\n");
    let by_subkey = gpg.sign(NOW, &subkey, &[], b"tree x\n");
    let ended = gpg.sign(NOW, &ann, &["--default-sig-expire", "1d"], b"tree x\n");
    let today = ring(NOW);
    assert_eq!(one(&today, &good), named(OpenPgp::Good, &ann));
    // A subkey counts as its primary key.
    assert_eq!(one(&today, &by_subkey), named(OpenPgp::Good, &ann));
    assert_eq!(one(&today, &ended), named(OpenPgp::Good, &ann));
    // It is the moment that is asked about which counts, for the signature, the subkey and the key.
    assert_eq!(one(&ring(NOW + 2 * DAY), &ended), named(OpenPgp::ExpiredSignature, &ann));
    assert_eq!(one(&ring(NOW + 2 * DAY), &by_subkey), named(OpenPgp::Good, &ann));
    assert_eq!(one(&ring(NOW + 4 * DAY), &by_subkey), named(OpenPgp::ExpiredKey, &ann));
    assert_eq!(one(&ring(NOW + 4 * DAY), &good), named(OpenPgp::Good, &ann));
    assert_eq!(one(&ring(NOW + 31 * DAY), &good), named(OpenPgp::ExpiredKey, &ann));
    assert_eq!(one(&ring(NOW - DAY), &good).verdict, OpenPgp::NoKey, "the key is from the future");
    // Another text.
    let spoiled = Signed { payload: b"tree y\n".to_vec(), ..good.clone() };
    assert_eq!(one(&today, &spoiled), Checked { verdict: OpenPgp::Bad, fingerprint: None });
    // SHA-1.
    let sha1 = gpg.sign(NOW, &ann, &["--digest-algo", "SHA1"], b"tree x\n");
    assert_eq!(one(&today, &sha1).verdict, OpenPgp::NotVerifiable);
    // Nobody's.
    let eve = gpg.key("Ann <ann@firm.example>", "ed25519", "cert,sign", "never");
    let stranger = gpg.sign(NOW, &eve, &[], b"tree x\n");
    assert_eq!(one(&today, &stranger), Checked { verdict: OpenPgp::NoKey, fingerprint: None });
    // Revoked by its owner.
    let revocation = fs::read_to_string(gpg.0.join("openpgp-revocs.d").join(format!("{ann}.rev"))).unwrap();
    fs::write(gpg.0.join("rev"), revocation.replace(":-----BEGIN", "-----BEGIN")).unwrap();
    gpg.run(NOW, &["--import", gpg.0.join("rev").to_str().unwrap()]);
    let revoked = gpg.export(&ann);
    let error = gpg::inspect(&revoked, at(NOW)).unwrap_err();
    assert!(error.to_string().contains("revoked"), "{error}");
    let ring = Keyring::new(&[(ann.clone(), revoked)], at(NOW)).unwrap();
    assert_eq!(one(&ring, &good), named(OpenPgp::RevokedKey, &ann));
}

#[test]
fn hostile_texts_and_packets_make_nothing_good() {
    let gpg = Gpg::new();
    let id = "E4542ED40FB9BD61";
    let lines = format!(
        "[GNUPG:] GOODSIG {id} x\n[GNUPG:] VALIDSIG {0} 2026-01-02 1767312000 0 4 0 22 8 00 {0}\n",
        "A".repeat(40)
    );
    // The name of the key is the lines that a good signature has, and so are a notation and the text that is signed.
    let uid = format!("x [GNUPG:] GOODSIG {id} x [GNUPG:] FILE_DONE <a@b.example>");
    let key = gpg.key(&uid, "ed25519", "cert,sign", "never");
    let other = gpg.key("Bob <bob@firm.example>", "ed25519", "cert,sign", "never");
    let cert = |key: &str| (key.to_owned(), gpg::inspect(&gpg.export(key), at(NOW)).unwrap().bytes);
    let ring = Keyring::new(&[cert(&key)], at(NOW)).unwrap();
    let notation = format!("x@b.example={}", lines.lines().next().unwrap());
    let policy = "https://b.example/[GNUPG:]";
    let mut hostile = gpg.sign(NOW, &key, &["--sig-notation", &notation, "--sig-policy-url", policy], lines.as_bytes());
    assert_eq!(ring.verify(&[hostile.clone()]).unwrap(), [named(OpenPgp::Good, &key)]);
    hostile.payload.push(b'!');
    let spoiled = hostile.clone();
    assert_eq!(verdict(&ring, &spoiled), OpenPgp::Bad);

    let good = gpg.sign(NOW, &key, &[], lines.as_bytes());
    let raw = dearmor(&gpg, &good.armored);
    let with = |bytes: &[u8]| Signed { armored: armor(&gpg, bytes), payload: lines.clone().into_bytes() };
    assert_eq!(verdict(&ring, &with(&raw)), OpenPgp::Good);
    // Two signatures; one, and a whole signed message behind it; one over a key; a private key.
    assert_eq!(verdict(&ring, &with(&[raw.clone(), raw.clone()].concat())), OpenPgp::Bad);
    let message = gpg.run(NOW, &["-u", &key, "-z", "0", "-s", "-o", "-", gpg.0.join("payload").to_str().unwrap()]);
    assert_eq!(verdict(&ring, &with(&[raw.clone(), message.clone()].concat())), OpenPgp::Bad);
    assert_eq!(verdict(&ring, &with(&message)), OpenPgp::Bad);
    let mut certification = raw.clone();
    let at_type = certification.iter().position(|b| *b == 4).unwrap() + 1;
    certification[at_type] = 0x13;
    assert_eq!(verdict(&ring, &with(&certification)), OpenPgp::NotVerifiable);
    assert_eq!(
        verdict(&ring, &Signed { armored: "-----BEGIN PGP SIGNATURE-----".into(), payload: vec![] }),
        OpenPgp::Bad
    );

    // A certificate under another's fingerprint vouches for nobody; a damaged one spoils nothing.
    let confused = [(other.clone(), cert(&key).1), ("F".repeat(40), b"\x99\x00".to_vec()), cert(&other)];
    let ring = Keyring::new(&confused, at(NOW)).unwrap();
    assert_eq!(verdict(&ring, &good), OpenPgp::NoKey);
    assert_eq!(verdict(&ring, &gpg.sign(NOW, &other, &[], b"x")), OpenPgp::Good);

    // Many at once, on all cores: each answer stands at its place.
    let ring = Keyring::new(&[cert(&key)], at(NOW)).unwrap();
    let stranger = gpg.sign(NOW, &other, &[], b"x");
    let broken = Signed { armored: "hello".into(), payload: vec![] };
    let kinds = [(good, OpenPgp::Good), (spoiled, OpenPgp::Bad), (broken, OpenPgp::Bad), (stranger, OpenPgp::NoKey)];
    let many: Vec<_> = kinds.iter().cycle().take(301).cloned().collect();
    let signed: Vec<Signed> = many.iter().map(|(signed, _)| signed.clone()).collect();
    let said: Vec<OpenPgp> = ring.verify(&signed).unwrap().into_iter().map(|c| c.verdict).collect();
    assert_eq!(said, many.into_iter().map(|(_, verdict)| verdict).collect::<Vec<_>>());
}

fn dearmor(gpg: &Gpg, armored: &str) -> Vec<u8> {
    fs::write(gpg.0.join("armored"), armored).unwrap();
    gpg.run(NOW, &["--dearmor", "-o", "-", gpg.0.join("armored").to_str().unwrap()])
}

/// The armour of a signature around any bytes.
fn armor(gpg: &Gpg, bytes: &[u8]) -> String {
    fs::write(gpg.0.join("bytes"), bytes).unwrap();
    let text =
        String::from_utf8(gpg.run(NOW, &["--enarmor", "-o", "-", gpg.0.join("bytes").to_str().unwrap()])).unwrap();
    text.replace("PGP ARMORED FILE", "PGP SIGNATURE")
}

#[test]
fn only_one_public_key_that_signs_and_is_strong_is_enrolled() {
    let gpg = Gpg::new();
    let ann = gpg.key("Ann <ann@firm.example>", "rsa2048", "cert,sign", "2d");
    let short = gpg.key("Short", "rsa1024", "cert,sign", "never");
    let only = gpg.key("Only", "ed25519", "cert", "never");
    let public = gpg.export(&ann);
    let refused = |bytes: &[u8], now: i64| gpg::inspect(bytes, at(now)).unwrap_err();
    assert_eq!(gpg::inspect(&public, at(NOW)).unwrap().fingerprint, ann);
    assert_eq!(gpg::inspect(&gpg.run(NOW, &["--armor", "--export", &ann]), at(NOW)).unwrap().fingerprint, ann);
    for (error, code, said) in [
        (refused(&public, NOW + 3 * DAY), "CS-GPG-003", "expired"),
        (refused(&gpg.export(&short), NOW), "CS-GPG-003", "RSA with 1024 bits"),
        (refused(&gpg.export(&only), NOW), "CS-GPG-003", "can sign"),
        (refused(&[public.clone(), gpg.export(&only)].concat(), NOW), "CS-GPG-003", "2 keys"),
        (refused(b"", NOW), "CS-GPG-003", "0 keys"),
        (refused(b"ssh-ed25519 AAAA\n", NOW), "CS-GPG-003", "damaged"),
        (refused(&public[..public.len() - 1], NOW), "CS-GPG-003", "damaged"),
        (refused(&gpg.run(NOW, &["--export-secret-keys", &ann]), NOW), "CS-GPG-004", "private"),
        (refused(&gpg.run(NOW, &["--armor", "--export-secret-keys", &ann]), NOW), "CS-GPG-004", "private"),
    ] {
        assert_eq!(error.code(), code, "{error}");
        assert!(error.to_string().contains(said), "{error}");
        assert!(!error.help().is_empty());
    }
    // A key that was weak all along and stands in the log by hand verifies nothing.
    let weak = Keyring::new(&[(short.clone(), gpg.export(&short))], at(NOW)).unwrap();
    assert_eq!(verdict(&weak, &gpg.sign(NOW, &short, &[], b"x")), OpenPgp::WeakKey);
}

#[test]
fn a_commit_signed_by_git_verifies_and_an_altered_one_does_not() {
    let gpg = Gpg::new();
    let ann = gpg.key("Ann <ann@firm.example>", "ed25519", "cert,sign", "never");
    for format in ["sha1", "sha256"] {
        let folder = Folder::new();
        let work = Work(folder.join("r"));
        fs::create_dir(&work.0).unwrap();
        work.git(&["init", "-q", "-b", "main", &format!("--object-format={format}")]);
        let program = script(&folder, gpg.0.path());
        let settings = [format!("gpg.program={program}"), format!("user.signingKey={ann}")];
        work.git(&["-c", &settings[0], "-c", &settings[1], "commit", "-q", "--allow-empty", "-S", "-m", "Signed"]);
        let commit = work.open().commits(None, "HEAD").unwrap().pop().unwrap();
        let ring = Keyring::new(&[(ann.clone(), gpg.export(&ann))], at(NOW)).unwrap();
        // Without the enrolled keys nothing is said of it.
        assert!(matches!(verify_commit(&commit.signature), SignatureStatus::Unsupported { format: "OpenPGP" }));
        let RawSignature::OpenPgp(signed) = commit.signature else { panic!("{:?}", commit.signature) };
        assert_eq!(ring.verify(&[signed]).unwrap(), [named(OpenPgp::Good, &ann)], "{format}");
        let raw = work.command().args(["cat-file", "commit", &commit.id]).output().unwrap().stdout;
        let altered = String::from_utf8(raw).unwrap().replace("Signed", "Altered");
        let id = work.object("commit", altered.as_bytes());
        let commit = work.open().commits(None, &id).unwrap().pop().unwrap();
        let RawSignature::OpenPgp(signed) = commit.signature else { panic!("{:?}", commit.signature) };
        assert_eq!(verdict(&ring, &signed), OpenPgp::Bad, "{format}");
    }
}

/// `gpg` as git is to call it here: with its home, and with the clock of these tests.
fn script(folder: &Folder, home: &Path) -> String {
    let path = folder.join("gpg.sh");
    let text = format!(
        "#!/bin/sh\nexec gpg --homedir '{}' --batch --quiet --faked-system-time {NOW}! \"$@\"\n",
        home.display()
    );
    fs::write(&path, text).unwrap();
    #[cfg(unix)]
    fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    path.to_str().unwrap().to_owned()
}
