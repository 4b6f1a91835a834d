//! SSH signatures, with `ssh-keygen` as the other party and hardware tokens built by hand.

use std::fs;
use std::path::{Path, PathBuf};

use countersign_evidence::Error;
use countersign_evidence::act::APPROVAL;
use countersign_evidence::sshsig::{self, PublicKey};
use ed25519_dalek::{Signer as _, SigningKey, Verifier as _};
use sha2::{Digest as _, Sha256, Sha512};
use ssh_key::private::{EcdsaKeypair, KeypairData};

use crate::support::{command, have, must};

/// A key of `ssh-keygen` in `dir`; the path of its private half.
fn keygen(dir: &Path, name: &str, options: &[&str]) -> PathBuf {
    let path = dir.join(name);
    must(command("ssh-keygen").args(["-q", "-C", "ada@example.com"]).args(options).arg("-f").arg(&path));
    path
}

fn public(path: &Path) -> PublicKey {
    PublicKey::parse(&fs::read_to_string(path.with_extension("pub")).unwrap()).unwrap()
}

fn private(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

/// What `ssh-keygen -Y verify` says about a signature by the holder of `key`.
fn ssh_keygen_accepts(dir: &Path, key: &PublicKey, namespace: &str, message: &[u8], armored: &str) -> bool {
    fs::write(dir.join("allowed"), format!("ada@example.com {key}\n")).unwrap();
    fs::write(dir.join("sig"), armored).unwrap();
    fs::write(dir.join("message"), message).unwrap();
    let mut verify = command("ssh-keygen");
    verify.args(["-Y", "verify", "-I", "ada@example.com", "-n", namespace, "-f"]).arg(dir.join("allowed"));
    verify.arg("-s").arg(dir.join("sig")).stdin(fs::File::open(dir.join("message")).unwrap());
    verify.output().unwrap().status.success()
}

#[test]
fn signatures_of_ssh_keygen_verify_and_ours_verify_there() {
    if !have("ssh-keygen", &["-?"]) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    for (name, options) in [
        ("ed25519", &["-t", "ed25519", "-N", ""][..]),
        ("p256", &["-t", "ecdsa", "-b", "256", "-N", ""]),
        ("p384", &["-t", "ecdsa", "-b", "384", "-N", ""]),
    ] {
        let path = keygen(dir.path(), name, options);
        let key = public(&path);
        for (hash, message) in [("sha512", &b"approved"[..]), ("sha256", b""), ("sha512", &[0xff; 5000])] {
            let file = dir.path().join("m");
            fs::write(&file, message).unwrap();
            must(
                command("ssh-keygen")
                    .args(["-q", "-Y", "sign", "-n", APPROVAL, "-O"])
                    .arg(format!("hashalg={hash}"))
                    .arg("-f")
                    .arg(&path)
                    .arg(&file),
            );
            let theirs = fs::read_to_string(dir.path().join("m.sig")).unwrap();
            fs::remove_file(dir.path().join("m.sig")).unwrap();
            sshsig::verify(&key, APPROVAL, message, &theirs).unwrap();
            assert_eq!(sshsig::embedded_key(&theirs).unwrap(), key);
            assert_eq!(sshsig::namespace(&theirs).unwrap(), APPROVAL);
            assert_eq!(sshsig::normalise(&theirs).unwrap(), theirs);

            let ours = sshsig::sign_with_key_file(&private(&path), APPROVAL, message).unwrap();
            sshsig::verify(&key, APPROVAL, message, &ours).unwrap();
            assert!(ssh_keygen_accepts(dir.path(), &key, APPROVAL, message, &ours), "{name} {hash}");
            assert!(!ssh_keygen_accepts(dir.path(), &key, APPROVAL, b"other", &ours), "{name} {hash}");
            if name == "ed25519" && hash == "sha512" {
                assert_eq!(ours, theirs, "Ed25519 has one signature for one message");
            }
        }
        let listed = must(command("ssh-keygen").args(["-l", "-f"]).arg(&path));
        assert!(listed.contains(&key.fingerprint()), "{listed}");
        let line = fs::read_to_string(path.with_extension("pub")).unwrap();
        assert_eq!(format!("{key} ada@example.com\n"), line);
        assert_eq!(sshsig::public_of_key_file(&private(&path)).unwrap(), key);
        assert!(!key.is_hardware());
    }
}

#[test]
fn git_signs_commits_in_the_same_format() {
    if !have("ssh-keygen", &["-?"]) || !have("git", &["--version"]) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let path = keygen(dir.path(), "key", &["-t", "ed25519", "-N", ""]);
    let repository = dir.path().join("r");
    let git = |args: &[&str]| {
        let mut git = command("git");
        git.arg("-C").arg(dir.path()).args(["-c", "user.name=Ada", "-c", "user.email=ada@example.com"]);
        git.args(["-c", "gpg.format=ssh", "-c"]).arg(format!("user.signingkey={}", path.display()));
        must(git.args(args))
    };
    git(&["init", "-q", "r"]);
    git(&["-C", "r", "commit", "-q", "-S", "--allow-empty", "-m", "signed"]);
    let commit = git(&["-C", "r", "cat-file", "commit", "HEAD"]);
    assert!(repository.exists());

    // The header `gpgsig` and its continuation lines are taken out; the rest is what was signed.
    let (mut signature, mut signed) = (String::new(), String::new());
    let mut inside = false;
    for line in commit.split_inclusive('\n') {
        if let Some(first) = line.strip_prefix("gpgsig ") {
            (signature, inside) = (first.to_owned(), true);
        } else if let Some(more) = line.strip_prefix(' ').filter(|_| inside) {
            signature.push_str(more);
        } else {
            inside = false;
            signed.push_str(line);
        }
    }
    sshsig::verify(&public(&path), "git", signed.as_bytes(), &signature).unwrap();
    assert!(matches!(
        sshsig::verify(&public(&path), "file", signed.as_bytes(), &signature),
        Err(Error::Namespace { .. })
    ));
}

#[test]
fn weak_encrypted_and_foreign_keys_are_told_apart() {
    if !have("ssh-keygen", &["-?"]) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let sign = |path: &Path| sshsig::sign_with_key_file(&private(path), APPROVAL, b"m").unwrap_err();
    let line = |path: &Path| PublicKey::parse(&fs::read_to_string(path.with_extension("pub")).unwrap()).unwrap_err();

    let rsa = keygen(dir.path(), "rsa", &["-t", "rsa", "-b", "2048", "-N", ""]);
    assert!(matches!(sign(&rsa), Error::WeakAlgorithm(name) if name == "ssh-rsa"));
    assert!(matches!(line(&rsa), Error::WeakAlgorithm(name) if name == "ssh-rsa"));
    let old = keygen(dir.path(), "rsa-pem", &["-t", "rsa", "-b", "2048", "-m", "PEM", "-N", ""]);
    assert!(matches!(sign(&old), Error::WeakAlgorithm(_)));
    let message = dir.path().join("m");
    fs::write(&message, "m").unwrap();
    must(command("ssh-keygen").args(["-q", "-Y", "sign", "-n", "git", "-f"]).arg(&rsa).arg(&message));
    let signature = fs::read_to_string(dir.path().join("m.sig")).unwrap();
    assert!(matches!(sshsig::embedded_key(&signature), Err(Error::WeakAlgorithm(_))));

    let p521 = keygen(dir.path(), "p521", &["-t", "ecdsa", "-b", "521", "-N", ""]);
    assert!(matches!(line(&p521), Error::UnsupportedAlgorithm(_)));
    assert!(matches!(sign(&p521), Error::UnsupportedAlgorithm(_)));

    let locked = keygen(dir.path(), "locked", &["-t", "ed25519", "-N", "correct horse"]);
    assert!(matches!(sign(&locked), Error::EncryptedKey));
    assert_eq!(sshsig::public_of_key_file(&private(&locked)).unwrap(), public(&locked));
    let locked_rsa = keygen(dir.path(), "locked-rsa", &["-t", "rsa", "-b", "2048", "-N", "correct horse"]);
    assert!(matches!(sign(&locked_rsa), Error::WeakAlgorithm(_)));

    // A certificate is not a key: it speaks in the name of whoever signed it.
    let ca = keygen(dir.path(), "ca", &["-t", "ed25519", "-N", ""]);
    let subject = keygen(dir.path(), "subject", &["-t", "ed25519", "-N", ""]);
    must(command("ssh-keygen").args(["-q", "-I", "x", "-n", "ada", "-s"]).arg(&ca).arg(subject.with_extension("pub")));
    let certificate = fs::read_to_string(dir.path().join("subject-cert.pub")).unwrap();
    assert!(matches!(PublicKey::parse(&certificate), Err(Error::UnsupportedAlgorithm(_))));
}

#[test]
fn other_keys_namespaces_and_messages_are_refused() {
    let (a, b) = (Token::new(1), Token::new(2));
    let message = b"approved";
    let good = a.plain(APPROVAL, message);
    sshsig::verify(&a.plain_key(), APPROVAL, message, &good).unwrap();
    let check =
        |key: &PublicKey, namespace, message: &[u8], armored: &str| sshsig::verify(key, namespace, message, armored);
    assert!(matches!(check(&b.plain_key(), APPROVAL, message, &good), Err(Error::OtherKey { .. })));
    assert!(matches!(check(&a.plain_key(), "git", message, &good), Err(Error::Namespace { .. })));
    assert!(matches!(check(&a.plain_key(), APPROVAL, b"denied", &good), Err(Error::SshVerify { .. })));
    assert!(matches!(
        check(&a.plain_key(), APPROVAL, message, "-----BEGIN PGP SIGNATURE-----"),
        Err(Error::SshSignature { .. })
    ));
    // Lines of another width and CRLF are read, and brought into one form.
    let loose = good.replace('\n', "\r\n");
    assert!(check(&a.plain_key(), APPROVAL, message, &loose).is_ok());
    let wide = format!(
        "-----BEGIN SSH SIGNATURE-----\n{}\n-----END SSH SIGNATURE-----",
        good.lines().filter(|l| !l.starts_with('-')).collect::<String>()
    );
    assert_eq!(sshsig::normalise(&wide).unwrap(), good);
}

#[test]
fn damaged_signatures_are_refused() {
    let token = Token::new(1);
    let fields = |version: u32, namespace: &str, reserved: &[u8], hash: &str| {
        token.blob(
            version,
            &token.plain_key_blob(),
            namespace,
            reserved,
            hash,
            &signature_blob("ssh-ed25519", &token.sign_plain(namespace, hash, b"m"), &[]),
        )
    };
    let check = |blob: Vec<u8>| sshsig::verify(&token.plain_key(), "n", b"m", &armored(&blob));
    check(fields(1, "n", b"", "sha512")).unwrap();
    check(fields(1, "n", b"", "sha256")).unwrap();
    for bad in [
        fields(0, "n", b"", "sha512"),
        fields(2, "n", b"", "sha512"),
        fields(1, "", b"", "sha512"),
        fields(1, "n", b"x", "sha512"),
        fields(1, "n", b"", "sha1"),
        fields(1, "n", b"", "sha384"),
    ] {
        assert!(matches!(check(bad), Err(Error::SshSignature { .. })));
    }
    let mut trailing = fields(1, "n", b"", "sha512");
    trailing.push(0);
    assert!(matches!(check(trailing), Err(Error::SshSignature { .. })));
    let good = fields(1, "n", b"", "sha512");
    for len in 0..good.len() {
        assert!(check(good[..len].to_vec()).is_err(), "{len}");
    }
    for at in 0..good.len() {
        for bit in 0..8 {
            let mut altered = good.clone();
            altered[at] ^= 1 << bit;
            assert!(check(altered).is_err(), "byte {at}, bit {bit}");
        }
    }
    for text in [
        "",
        "-----BEGIN SSH SIGNATURE-----",
        "-----BEGIN SSH SIGNATURE-----\n-----END SSH SIGNATURE-----",
        "-----BEGIN SSH SIGNATURE----------END SSH SIGNATURE-----",
    ] {
        assert!(matches!(sshsig::normalise(text), Err(Error::SshSignature { .. })), "{text}");
    }
}

/// Numbers of a signature come with and without a zero before them, and one in 512 is a byte short: signatures of each
/// curve until all of these came. What another library says of each, and of each one turned by a bit, is said here.
#[test]
fn ecdsa_signatures_are_judged_as_another_library_judges_them() {
    let token = Token::new(3);
    for curve in [ssh_key::EcdsaCurve::NistP256, ssh_key::EcdsaCurve::NistP384] {
        let pair = KeypairData::Ecdsa(EcdsaKeypair::random(&mut Counter(9), curve).unwrap());
        let public = ssh_key::PublicKey::from(ssh_key::public::KeyData::try_from(&pair).unwrap());
        let (key, blob) = (PublicKey::parse(&public.to_openssh().unwrap()).unwrap(), public.to_bytes().unwrap());
        let mut lengths = std::collections::BTreeSet::new();
        for n in 0..5000_usize {
            if n > 200 && lengths.len() >= 3 {
                break;
            }
            let message = n.to_be_bytes();
            let data = signed_data("n", "sha512", &message);
            let signature = pair.sign(&data);
            let ours = |raw: &[u8]| {
                let signature = signature_blob(&key.algorithm(), raw, &[]);
                let text = armored(&token.blob(1, &blob, "n", b"", "sha512", &signature));
                sshsig::verify(&key, "n", &message, &text).is_ok()
            };
            let theirs = |raw: &[u8]| {
                ssh_key::Signature::new(public.algorithm(), raw)
                    .is_ok_and(|s| public.key_data().verify(&data, &s).is_ok())
            };
            let raw = signature.as_bytes().to_vec();
            let r = u32::from_be_bytes(raw[..4].try_into().unwrap()) as usize;
            lengths.extend([r, raw.len() - 8 - r]);
            assert!(ours(&raw), "{n}");
            let mut turned = raw.clone();
            let at = n % raw.len();
            turned[at] ^= 1 << (n % 8);
            assert!(!ours(&turned), "{n}: byte {at}");
            // It is slow without optimisation.
            if n % 8 == 0 {
                assert!(theirs(&raw) && !theirs(&turned), "{n}: byte {at}");
            }
            // The same number with a zero that need not be there.
            let padded = [string(&[&[0], &raw[4..4 + r]].concat()), raw[4 + r..].to_vec()].concat();
            assert!(!ours(&padded), "{n}");
        }
        assert!(lengths.len() >= 3, "long and short numbers came: {lengths:?}");
    }
}

#[test]
fn a_weak_point_is_no_key() {
    // The neutral element: with it, a signature over anything can be made.
    let mut point = [0; 32];
    point[0] = 1;
    let line = format!("ssh-ed25519 {}", base64(&[string(b"ssh-ed25519"), string(&point)].concat()));
    assert!(matches!(PublicKey::parse(&line), Err(Error::WeakAlgorithm(_))));
}

#[test]
fn hardware_tokens_count_only_when_touched() {
    for curve in [Curve::Ed25519, Curve::P256] {
        let token = Token::new(3);
        let key = token.hardware_key(curve);
        assert!(key.is_hardware());
        let touched = token.hardware(curve, 0x01, APPROVAL, b"approved");
        sshsig::verify(&key, APPROVAL, b"approved", &touched).unwrap();
        sshsig::verify(&key, APPROVAL, b"approved", &token.hardware(curve, 0x05, APPROVAL, b"approved")).unwrap();
        let untouched = token.hardware(curve, 0x00, APPROVAL, b"approved");
        assert!(matches!(sshsig::verify(&key, APPROVAL, b"approved", &untouched), Err(Error::UserPresence { .. })));
        assert!(matches!(sshsig::verify(&key, APPROVAL, b"denied", &touched), Err(Error::SshVerify { .. })));
        assert_eq!(sshsig::embedded_key(&touched).unwrap(), key);
        // Flags are signed: they cannot be set afterwards.
        let blob = token.hardware_blob(curve, 0x00, APPROVAL, b"approved");
        let mut forged = blob.clone();
        let at = forged.len() - 5;
        assert_eq!(forged[at], 0);
        forged[at] = 1;
        assert!(matches!(sshsig::verify(&key, APPROVAL, b"approved", &armored(&forged)), Err(Error::SshVerify { .. })));
        // A token's key is another key than the same point without a token.
        let plain = token.plain(APPROVAL, b"approved");
        assert!(matches!(sshsig::verify(&key, APPROVAL, b"approved", &plain), Err(Error::OtherKey { .. })));

        if have("ssh-keygen", &["-?"]) {
            let dir = tempfile::tempdir().unwrap();
            assert!(ssh_keygen_accepts(dir.path(), &key, APPROVAL, b"approved", &touched), "{curve:?}");
            assert!(!ssh_keygen_accepts(dir.path(), &key, APPROVAL, b"denied", &touched), "{curve:?}");
        }
    }
}

#[test]
fn a_hardware_key_file_is_only_a_handle() {
    // `ssh-keygen` makes one with a token only; it is built here as OpenSSH's own format describes it.
    let token = Token::new(4);
    let public = token.hardware_key_blob(Curve::Ed25519);
    let private =
        [public[4 + b"sk-ssh-ed25519@openssh.com".len()..].to_vec(), vec![0x01], string(b"handle"), string(b"")]
            .concat();
    let mut secret =
        [[0, 0, 0, 7, 0, 0, 0, 7].to_vec(), string(b"sk-ssh-ed25519@openssh.com"), private, string(b"")].concat();
    let mut pad = 1;
    while !secret.len().is_multiple_of(8) {
        secret.push(pad);
        pad += 1;
    }
    let file = [
        b"openssh-key-v1\0".to_vec(),
        string(b"none"),
        string(b"none"),
        string(b""),
        1_u32.to_be_bytes().to_vec(),
        string(&public),
        string(&secret),
    ]
    .concat();
    let lines: Vec<String> =
        base64(&file).as_bytes().chunks(70).map(|c| String::from_utf8_lossy(c).into_owned()).collect();
    let text =
        format!("-----BEGIN OPENSSH PRIVATE KEY-----\n{}\n-----END OPENSSH PRIVATE KEY-----\n", lines.join("\n"));
    assert!(matches!(sshsig::sign_with_key_file(&text, APPROVAL, b"m"), Err(Error::HardwareKey)));
    assert_eq!(sshsig::public_of_key_file(&text).unwrap(), token.hardware_key(Curve::Ed25519));
}

/// A person's key and a FIDO2 token in one: it signs as a plain key and as hardware would (OpenSSH PROTOCOL.u2f).
struct Token {
    ed25519: SigningKey,
    p256: KeypairData,
}

#[derive(Debug, Clone, Copy)]
enum Curve {
    Ed25519,
    P256,
}

const APPLICATION: &[u8] = b"ssh:";

impl Token {
    fn new(seed: u8) -> Self {
        let mut random = Counter(seed);
        let p256 = KeypairData::Ecdsa(EcdsaKeypair::random(&mut random, ssh_key::EcdsaCurve::NistP256).unwrap());
        Self { ed25519: SigningKey::from_bytes(&[seed; 32]), p256 }
    }

    fn plain_key_blob(&self) -> Vec<u8> {
        [string(b"ssh-ed25519"), string(self.ed25519.verifying_key().as_bytes())].concat()
    }

    fn plain_key(&self) -> PublicKey {
        PublicKey::parse(&format!("ssh-ed25519 {} ada", base64(&self.plain_key_blob()))).unwrap()
    }

    fn sign_plain(&self, namespace: &str, hash: &str, message: &[u8]) -> Vec<u8> {
        self.ed25519.sign(&signed_data(namespace, hash, message)).to_bytes().to_vec()
    }

    fn plain(&self, namespace: &str, message: &[u8]) -> String {
        let signature = signature_blob("ssh-ed25519", &self.sign_plain(namespace, "sha512", message), &[]);
        armored(&self.blob(1, &self.plain_key_blob(), namespace, b"", "sha512", &signature))
    }

    fn name(curve: Curve) -> &'static str {
        match curve {
            Curve::Ed25519 => "sk-ssh-ed25519@openssh.com",
            Curve::P256 => "sk-ecdsa-sha2-nistp256@openssh.com",
        }
    }

    fn hardware_key_blob(&self, curve: Curve) -> Vec<u8> {
        let name = string(Self::name(curve).as_bytes());
        match (curve, &self.p256) {
            (Curve::Ed25519, _) => {
                [name, string(self.ed25519.verifying_key().as_bytes()), string(APPLICATION)].concat()
            }
            (Curve::P256, KeypairData::Ecdsa(pair)) => {
                [name, string(b"nistp256"), string(pair.public_key_bytes()), string(APPLICATION)].concat()
            }
            (Curve::P256, other) => panic!("{other:?}"),
        }
    }

    fn hardware_key(&self, curve: Curve) -> PublicKey {
        PublicKey::parse(&format!("{} {}", Self::name(curve), base64(&self.hardware_key_blob(curve)))).unwrap()
    }

    fn hardware_blob(&self, curve: Curve, flags: u8, namespace: &str, message: &[u8]) -> Vec<u8> {
        let trailer = [vec![flags], 9_u32.to_be_bytes().to_vec()].concat();
        let data = signed_data(namespace, "sha512", message);
        let authenticated =
            [Sha256::digest(APPLICATION).to_vec(), trailer.clone(), Sha256::digest(&data).to_vec()].concat();
        let raw = match curve {
            Curve::Ed25519 => self.ed25519.sign(&authenticated).to_bytes().to_vec(),
            Curve::P256 => self.p256.sign(&authenticated).as_bytes().to_vec(),
        };
        let signature = signature_blob(Self::name(curve), &raw, &trailer);
        self.blob(1, &self.hardware_key_blob(curve), namespace, b"", "sha512", &signature)
    }

    fn hardware(&self, curve: Curve, flags: u8, namespace: &str, message: &[u8]) -> String {
        armored(&self.hardware_blob(curve, flags, namespace, message))
    }

    /// The whole SSHSIG structure.
    fn blob(
        &self,
        version: u32,
        key: &[u8],
        namespace: &str,
        reserved: &[u8],
        hash: &str,
        signature: &[u8],
    ) -> Vec<u8> {
        [
            b"SSHSIG".to_vec(),
            version.to_be_bytes().to_vec(),
            string(key),
            string(namespace.as_bytes()),
            string(reserved),
            string(hash.as_bytes()),
            string(signature),
        ]
        .concat()
    }
}

/// What an SSHSIG signature is over.
fn signed_data(namespace: &str, hash: &str, message: &[u8]) -> Vec<u8> {
    let digest = if hash == "sha256" { Sha256::digest(message).to_vec() } else { Sha512::digest(message).to_vec() };
    [b"SSHSIG".to_vec(), string(namespace.as_bytes()), string(b""), string(hash.as_bytes()), string(&digest)].concat()
}

fn signature_blob(algorithm: &str, raw: &[u8], trailer: &[u8]) -> Vec<u8> {
    [string(algorithm.as_bytes()), string(raw), trailer.to_vec()].concat()
}

/// RFC 4251 §5: length and bytes.
fn string(bytes: &[u8]) -> Vec<u8> {
    [&u32::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat()
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

fn armored(blob: &[u8]) -> String {
    let text = base64(blob);
    let lines: Vec<_> = text.as_bytes().chunks(70).map(|c| std::str::from_utf8(c).unwrap()).collect();
    format!("-----BEGIN SSH SIGNATURE-----\n{}\n-----END SSH SIGNATURE-----\n", lines.join("\n"))
}

/// Not random at all: tests want the same key every time.
struct Counter(u8);

impl ssh_key::rand_core::RngCore for Counter {
    fn next_u32(&mut self) -> u32 {
        ssh_key::rand_core::impls::next_u32_via_fill(self)
    }
    fn next_u64(&mut self) -> u64 {
        ssh_key::rand_core::impls::next_u64_via_fill(self)
    }
    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        bytes.iter_mut().for_each(|b| {
            self.0 = self.0.wrapping_mul(5).wrapping_add(1);
            *b = self.0;
        });
    }
    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), ssh_key::rand_core::Error> {
        self.fill_bytes(bytes);
        Ok(())
    }
}

impl ssh_key::rand_core::CryptoRng for Counter {}
