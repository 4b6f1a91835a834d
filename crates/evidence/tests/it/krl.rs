//! Revocation lists made by the stock `ssh-keygen -k`, asked as `ssh-keygen -Q` answers.

use std::fs;
use std::path::Path;

use countersign_evidence::sshsig::{Certificate, PublicKey, RevocationList};

use crate::support::{command, have, must};

fn keygen(dir: &Path, name: &str) -> PublicKey {
    must(command("ssh-keygen").args(["-q", "-N", "", "-C", "", "-t", "ed25519", "-f"]).arg(dir.join(name)));
    PublicKey::parse(&fs::read_to_string(dir.join(format!("{name}.pub"))).unwrap()).unwrap()
}

fn certify(dir: &Path, ca: &str, key: &str, id: &str, serial: u64) -> Certificate {
    let mut sign = command("ssh-keygen");
    sign.args(["-q", "-s"]).arg(dir.join(ca)).args(["-I", id, "-n", "x", "-z", &serial.to_string()]);
    must(sign.arg(dir.join(format!("{key}.pub"))));
    Certificate::parse(&fs::read_to_string(dir.join(format!("{key}-cert.pub"))).unwrap()).unwrap()
}

/// A list of this specification.
fn list(dir: &Path, ca: Option<&str>, number: u64, spec: &str) -> (RevocationList, Vec<u8>) {
    fs::write(dir.join("spec"), spec).unwrap();
    let mut make = command("ssh-keygen");
    make.args(["-q", "-k", "-z", &number.to_string(), "-f"]).arg(dir.join("krl"));
    if let Some(ca) = ca {
        make.arg("-s").arg(dir.join(format!("{ca}.pub")));
    }
    must(make.arg(dir.join("spec")));
    let bytes = fs::read(dir.join("krl")).unwrap();
    (RevocationList::parse(&bytes).unwrap(), bytes)
}

/// What `ssh-keygen -Q` says of a file.
fn revoked(dir: &Path, file: &str) -> bool {
    !command("ssh-keygen")
        .args(["-Q", "-f"])
        .arg(dir.join("krl"))
        .arg(dir.join(file))
        .output()
        .unwrap()
        .status
        .success()
}

fn names_key(list: &RevocationList, key: &PublicKey) -> bool {
    list.keys.contains(&key.fingerprint()) || list.sha1.contains(&key.sha1().unwrap())
}

fn names_serial(ranges: &[(u64, u64)], serial: u64) -> bool {
    serial != 0 && ranges.iter().any(|(first, last)| (*first..=*last).contains(&serial))
}

fn names(list: &RevocationList, certificate: &Certificate) -> bool {
    names_key(list, &certificate.key)
        || names_key(list, &certificate.authority)
        || list.certificates.iter().any(|c| {
            c.authority.as_ref().is_none_or(|a| *a == certificate.authority)
                && (names_serial(&c.serials, certificate.serial) || c.key_ids.contains(&certificate.key_id))
        })
}

#[test]
fn every_kind_of_entry_revokes_what_it_revokes_for_ssh_keygen() {
    if !have("ssh-keygen", &["-?"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let (_ca, _other, a, b) = (keygen(dir, "ca"), keygen(dir, "other"), keygen(dir, "a"), keygen(dir, "b"));
    let line = |name: &str| fs::read_to_string(dir.join(format!("{name}.pub"))).unwrap();
    // Neighbours, gaps, single ones: ssh-keygen chooses lists, ranges and bitmaps for them.
    let bitmap: String = (1000..1400).filter(|n| n % 3 != 0).map(|n| format!("serial: {n}\n")).collect();
    let specs: Vec<(Option<&str>, String)> = vec![
        (Some("ca"), "serial: 7\n".into()),
        (Some("ca"), "serial: 100-200\n".into()),
        (Some("ca"), bitmap),
        (Some("ca"), "serial: 18446744073709551615\n".into()),
        (Some("ca"), "id: somebody\n".into()),
        (None, format!("key: {}", line("a"))),
        (None, format!("sha1: {}", line("a"))),
        (None, format!("sha256: {}", line("a"))),
        (None, format!("key: {}", line("ca"))),
        (None, format!("hash: {}\n", a.fingerprint())),
        (Some("ca"), format!("serial: 7\nserial: 9-12\nid: somebody\nkey: {}sha1: {}", line("b"), line("other"))),
    ];
    let mut hits = 0;
    for (ca, spec) in &specs {
        let (list, bytes) = list(dir, *ca, 5, spec);
        assert_eq!(list.number, 5);
        for (name, key) in [("a", &a), ("b", &b)] {
            let said = revoked(dir, &format!("{name}.pub"));
            assert_eq!(names_key(&list, key), said, "{spec}: {name}");
            hits += usize::from(said);
        }
        for (authority, id, serial) in [
            ("ca", "x", 0),
            ("ca", "x", 7),
            ("ca", "x", 8),
            ("ca", "x", 150),
            ("ca", "x", 201),
            ("ca", "x", 1000),
            ("ca", "x", 1001),
            ("ca", "x", 1002),
            ("ca", "x", 1399),
            ("ca", "x", u64::MAX),
            ("ca", "somebody", 1),
            ("other", "somebody", 7),
        ] {
            let certificate = certify(dir, authority, "b", id, serial);
            let said = revoked(dir, "b-cert.pub");
            assert_eq!(names(&list, &certificate), said, "{spec}: {authority} {id} {serial}");
            hits += usize::from(said);
        }
        // The format does not say how long a list is: it can end after its head, and between two sections.
        for at in (0..bytes.len()).filter(|at| *at != 44 && spec.lines().count() == 1) {
            assert!(RevocationList::parse(&bytes[..at]).is_err(), "{at} bytes of {spec}");
        }
        assert!(RevocationList::parse(&[bytes.as_slice(), b"\x09\0\0\0\0"].concat()).is_err());
        assert!(RevocationList::parse(&[bytes.as_slice(), b"\0"].concat()).is_err());
    }
    assert!(hits > 20, "{hits}");
    assert!(RevocationList::parse(b"").is_err());
    assert!(RevocationList::parse(&vec![0; (1 << 20) + 1]).is_err());
}
