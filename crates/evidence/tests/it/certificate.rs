//! Certificates made by the stock `ssh-keygen`, read to the last byte.

use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign_evidence::Error;
use countersign_evidence::sshsig::{self, Certificate, PublicKey};

use crate::support::{command, have, must};

fn keygen(dir: &Path, name: &str, options: &[&str]) {
    must(command("ssh-keygen").args(["-q", "-N", "", "-C", "", "-f"]).arg(dir.join(name)).arg("-t").args(options));
}

/// The line of a certificate of `ca` for `key`.
fn certify(dir: &Path, ca: &str, key: &str, options: &[&str]) -> String {
    let mut sign = command("ssh-keygen");
    sign.args(["-q", "-s"]).arg(dir.join(ca)).args(options).arg(dir.join(format!("{key}.pub")));
    must(&mut sign);
    fs::read_to_string(dir.join(format!("{key}-cert.pub"))).unwrap()
}

fn public(dir: &Path, name: &str) -> PublicKey {
    PublicKey::parse(&fs::read_to_string(dir.join(format!("{name}.pub"))).unwrap()).unwrap()
}

#[test]
fn what_ssh_keygen_certifies_is_read_as_it_says_it() {
    if !have("ssh-keygen", &["-?"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let kinds = [("a", &["ed25519"][..]), ("b", &["ecdsa", "-b", "256"]), ("c", &["ecdsa", "-b", "384"])];
    for (name, options) in kinds {
        keygen(dir, name, options);
        keygen(dir, &format!("ca-{name}"), options);
    }
    for (ca, _) in kinds {
        for (key, _) in kinds {
            let ca = format!("ca-{ca}");
            let options =
                ["-I", "some id", "-n", "x,y", "-z", "18446744073709551615", "-V", "19700102000000Z:20300101000000Z"];
            let line = certify(dir, &ca, key, &options);
            let read = Certificate::parse(&line).unwrap();
            assert_eq!((&read.key, &read.authority), (&public(dir, key), &public(dir, &ca)));
            assert_eq!((read.serial, read.key_id.as_str(), read.user), (u64::MAX, "some id", true));
            assert_eq!(read.principals, ["x", "y"]);
            assert_eq!((read.valid_after, read.valid_before), (86_400, 1_893_456_000));
            assert!(read.critical.is_empty());
            assert_eq!(Certificate::parse(read.to_openssh()).unwrap(), read);
        }
    }
    let critical = ["-I", "x", "-O", "force-command=x", "-O", "critical:z@y=1"];
    let read = Certificate::parse(&certify(dir, "ca-a", "a", &critical)).unwrap();
    assert_eq!(read.critical, ["force-command", "z@y"]);
    assert_eq!((read.valid_after, read.valid_before), (0, u64::MAX));
    assert!(!Certificate::parse(&certify(dir, "ca-a", "a", &["-h", "-I", "x"])).unwrap().user);

    // RSA certifies nothing and is certified for nothing, whatever the hash; P-521 neither.
    keygen(dir, "rsa", &["rsa", "-b", "2048"]);
    keygen(dir, "p521", &["ecdsa", "-b", "521"]);
    for (ca, key) in [("rsa", "a"), ("ca-a", "rsa")] {
        let error = Certificate::parse(&certify(dir, ca, key, &["-I", "x"])).unwrap_err();
        assert!(matches!(error, Error::WeakAlgorithm(_)), "{error}");
    }
    assert!(Certificate::parse(&certify(dir, "p521", "a", &["-I", "x"])).is_err());
    assert!(Certificate::parse(&certify(dir, "ca-a", "p521", &["-I", "x"])).is_err());
    assert!(Certificate::parse(&public(dir, "a").to_openssh()).is_err());
}

#[test]
fn not_one_byte_can_be_another() {
    if !have("ssh-keygen", &["-?"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    keygen(dir, "ca", &["ed25519"]);
    keygen(dir, "a", &["ed25519"]);
    let line = certify(dir, "ca", "a", &["-I", "x", "-n", "x"]);
    let (name, base64) = line.trim().split_once(' ').unwrap();
    let blob = STANDARD.decode(base64.split_whitespace().next().unwrap()).unwrap();
    let read = |blob: &[u8]| Certificate::parse(&format!("{name} {}", STANDARD.encode(blob)));
    assert!(read(&blob).is_ok());
    for at in 0..blob.len() {
        for bit in [0x01, 0x80] {
            let mut other = blob.clone();
            other[at] ^= bit;
            assert!(read(&other).is_err(), "byte {at}");
        }
        assert!(read(&blob[..at]).is_err(), "{at} bytes");
    }
    assert!(read(&[blob.as_slice(), b"\0"].concat()).is_err());
    assert!(Certificate::parse(&line.replacen("ssh-ed25519", "sk-ssh-ed25519", 1)).is_err());
}

#[test]
fn a_signature_with_a_certificate_is_stored_with_the_bare_key_and_holds_for_ssh_keygen() {
    if !have("ssh-keygen", &["-?"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    keygen(dir, "ca", &["ed25519"]);
    keygen(dir, "a", &["ed25519"]);
    certify(dir, "ca", "a", &["-I", "somebody@firm.example", "-n", "x"]);
    fs::write(dir.join("text"), "hello").unwrap();
    let mut sign = command("ssh-keygen");
    must(sign.args(["-q", "-Y", "sign", "-n", "git", "-f"]).arg(dir.join("a-cert.pub")).arg(dir.join("text")));
    let armored = fs::read_to_string(dir.join("text.sig")).unwrap();
    let key = public(dir, "a");
    let certificate = Certificate::of_signature(&armored).unwrap().unwrap();
    assert_eq!((&certificate.key, certificate.key_id.as_str()), (&key, "somebody@firm.example"));
    assert_eq!(sshsig::embedded_key(&armored).unwrap(), key);
    sshsig::verify(&key, "git", b"hello", &armored).unwrap();
    assert!(sshsig::verify(&key, "git", b"hallo", &armored).is_err());
    let bare = sshsig::normalise(&armored).unwrap();
    assert_eq!(Certificate::of_signature(&bare).unwrap(), None);
    assert_eq!(sshsig::normalise(&bare).unwrap(), bare);
    sshsig::verify(&key, "git", b"hello", &bare).unwrap();
    fs::write(dir.join("signers"), format!("x {}\n", key.to_openssh())).unwrap();
    fs::write(dir.join("bare.sig"), &bare).unwrap();
    let mut verify = command("ssh-keygen");
    verify.args(["-q", "-Y", "verify", "-n", "git", "-I", "x", "-f"]).arg(dir.join("signers")).arg("-s");
    must(verify.arg(dir.join("bare.sig")).stdin(fs::File::open(dir.join("text")).unwrap()));
}
