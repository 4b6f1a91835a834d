//! A storage behind TLS, with an authority of its own.

use std::path::Path;
use std::process::Command;

use countersign_store::s3::{Options, Patience, Put, S3Error};

use super::servers::{ACCESS_KEY, SECRET_KEY, secure_seaweedfs};
use super::{ahead, bucket_at, patience};

/// An authority, and a certificate for `localhost` that it signed: `ca.pem`, `leaf.pem`, `leaf.key`.
fn certificates(dir: &Path) -> bool {
    std::fs::write(dir.join("ext"), "subjectAltName=DNS:localhost\nbasicConstraints=CA:FALSE\n").unwrap();
    let curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
    let steps: [&[&str]; 3] = [
        &["req", "-x509", "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=test authority", "-days", "2"],
        &["req", "-keyout", "leaf.key", "-out", "leaf.csr", "-subj", "/CN=localhost"],
        &[
            "x509",
            "-req",
            "-in",
            "leaf.csr",
            "-CA",
            "ca.pem",
            "-CAkey",
            "ca.key",
            "-CAcreateserial",
            "-days",
            "2",
            "-extfile",
            "ext",
            "-out",
            "leaf.pem",
        ],
    ];
    for step in steps {
        #[expect(clippy::disallowed_methods, reason = "a test makes its own certificates")]
        let mut command = Command::new("openssl");
        command.current_dir(dir).args(step);
        if step[0] == "req" {
            command.args(curve);
        }
        match command.output() {
            Ok(output) => assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr)),
            Err(_) => {
                #[expect(clippy::disallowed_methods, reason = "a test asks whether it runs in continuous integration")]
                let ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
                assert!(!ci, "openssl is not installed");
                eprintln!("skipped: openssl is not installed");
                return false;
            }
        }
    }
    true
}

#[test]
fn only_a_storage_with_the_right_certificate_is_spoken_to() {
    let dir = tempfile::tempdir().unwrap();
    if !certificates(dir.path()) {
        return;
    }
    let Some(server) = secure_seaweedfs(&dir.path().join("leaf.pem"), &dir.path().join("leaf.key")) else { return };
    let at = |ca_pem: Option<Vec<u8>>| {
        let options = Options { patience: patience(), ca_pem, ..Options::default() };
        bucket_at(&server, "behind-tls", (ACCESS_KEY, SECRET_KEY), options)
    };
    let believed = at(Some(std::fs::read(dir.path().join("ca.pem")).unwrap()));
    believed.create(true).unwrap();
    assert_eq!(believed.put_new("a", b"a", ahead(60)).unwrap(), Put::Written);
    assert_eq!(believed.get("a", 1).unwrap().unwrap().1, b"a");

    // Browsers do not know this authority, and nothing is asked a second time.
    let patience = Patience { attempts: 1, ..patience() };
    let error = at(None).with_patience(patience).unwrap().get("a", 1).unwrap_err();
    assert!(error.to_string().to_lowercase().contains("certificate"), "{error}");
    assert!(matches!(error, S3Error::Unexpected { .. }), "{error}");
}
