//! Trusted timestamps over the checkpoint of a pack: by `openssl ts` as the authority, over a real socket, and by authorities
//! that answer with something else.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::support::{World, have_ssh_keygen};

/// How the authority answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Honest,
    /// It stamps the same digest for another request.
    OtherNonce,
    OtherImprint,
    Rejects,
    Garbage,
    /// One byte of the signature is another.
    Tampered,
    Empty,
    Fails,
    Redirects,
    OtherMedia,
    TooLarge,
    HangsUp,
    Slow,
}

const CONFIG: &str = "[tsa]
default_tsa = t
[t]
serial = serial
crypto_device = builtin
signer_cert = tsa.pem
certs = tsa.pem
signer_key = tsa.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256
accuracy = secs:1
ordering = yes
tsa_name = yes
ess_cert_id_chain = no
ess_cert_id_alg = sha256
";

fn openssl(w: &World, dir: &Path, args: &str) -> String {
    let mut command = w.command("openssl", dir);
    command.args(args.split(' '));
    let ran = World::finish(command);
    assert_eq!(ran.code, 0, "openssl {args}: {}{}", ran.out, ran.err);
    format!("{}{}", ran.out, ran.err)
}

/// An authority with a root of its own, whose key is made by these arguments.
fn authority(w: &World, name: &str, key: &str) -> PathBuf {
    let dir = w.path(name);
    fs::create_dir(&dir).unwrap();
    openssl(
        w,
        &dir,
        &format!(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.pem -days 30 -subj /CN={name} \
             -addext keyUsage=critical,keyCertSign"
        ),
    );
    openssl(w, &dir, &format!("req -newkey {key} -nodes -keyout tsa.key -out tsa.csr -subj /CN=stamps-of-{name}"));
    let extensions =
        "extendedKeyUsage=critical,timeStamping\nkeyUsage=critical,digitalSignature\nbasicConstraints=CA:FALSE\n";
    fs::write(dir.join("ext"), extensions).unwrap();
    openssl(w, &dir, "x509 -req -in tsa.csr -CA ca.pem -CAkey ca.key -set_serial 7 -days 30 -extfile ext -out tsa.pem");
    fs::write(dir.join("tsa.cnf"), CONFIG).unwrap();
    fs::write(dir.join("serial"), "01\n").unwrap();
    dir
}

/// What `openssl ts` answers to the query in this file.
fn reply(w: &World, dir: &Path, query: &str) -> Vec<u8> {
    openssl(w, dir, &format!("ts -reply -config tsa.cnf -section t -queryfile {query} -out reply.tsr"));
    fs::read(dir.join("reply.tsr")).unwrap()
}

fn answer(w: &World, dir: &Path, way: Way, query: &[u8]) -> Vec<u8> {
    fs::write(dir.join("query.tsq"), query).unwrap();
    let ok = |media: &str, body: &[u8]| {
        let head = format!("HTTP/1.1 200 OK\r\ncontent-type: {media}\r\ncontent-length: {}\r\n\r\n", body.len());
        [head.as_bytes(), body].concat()
    };
    let reply_of = |other: &str| {
        openssl(w, dir, &format!("ts -query {other} -out other.tsq"));
        ok("application/timestamp-reply", &reply(w, dir, "other.tsq"))
    };
    match way {
        Way::Honest => ok("application/timestamp-reply", &reply(w, dir, "query.tsq")),
        Way::OtherNonce => {
            let text = openssl(w, dir, "ts -query -in query.tsq -text");
            // The dump of the digest, as hex.
            let rows = text.lines().filter_map(|l| l.trim_start().split_once(" - ")).map(|(_, row)| row);
            let hex: String = rows.flat_map(|row| row.chars().take(48)).filter(char::is_ascii_hexdigit).collect();
            reply_of(&format!("-digest {hex} -sha256 -cert"))
        }
        Way::OtherImprint => {
            fs::write(dir.join("other"), "something else").unwrap();
            reply_of("-data other -sha256 -cert")
        }
        Way::Rejects => {
            fs::write(dir.join("other"), "something else").unwrap();
            reply_of("-data other -sha512 -cert")
        }
        Way::Garbage => ok("application/timestamp-reply", b"<html>it works</html>"),
        Way::Tampered => {
            let mut bytes = reply(w, dir, "query.tsq");
            *bytes.last_mut().unwrap() ^= 1;
            ok("application/timestamp-reply", &bytes)
        }
        Way::Empty => ok("application/timestamp-reply", b""),
        Way::Fails => b"HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n".to_vec(),
        Way::Redirects => b"HTTP/1.1 302 There\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n".to_vec(),
        Way::OtherMedia => ok("text/html", &reply(w, dir, "query.tsq")),
        Way::TooLarge => ok("application/timestamp-reply", &vec![0x30; 300 << 10]),
        Way::HangsUp => {
            b"HTTP/1.1 200 OK\r\ncontent-type: application/timestamp-reply\r\ncontent-length: 900\r\n\r\n0".to_vec()
        }
        Way::Slow => {
            std::thread::sleep(Duration::from_secs(20));
            Vec::new()
        }
    }
}

/// Runs the program with an authority beside it that answers one request.
fn with_authority<T>(w: &World, dir: &Path, way: Way, run: impl FnOnce(&str) -> T) -> T {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/stamp", listener.local_addr().unwrap());
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            let query = body(&stream);
            let answer = answer(w, dir, way, &query);
            // Whoever asked may be gone.
            let _ = (&stream).write_all(&answer);
        });
        run(&url)
    })
}

fn body(stream: &TcpStream) -> Vec<u8> {
    let (mut reader, mut len, mut media) = (BufReader::new(stream), 0, String::new());
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let lower = line.trim().to_ascii_lowercase();
        if lower.is_empty() {
            break;
        }
        if let Some(value) = lower.strip_prefix("content-length:") {
            len = value.trim().parse().unwrap();
        }
        if let Some(value) = lower.strip_prefix("content-type:") {
            media = value.trim().to_owned();
        }
    }
    assert_eq!(media, "application/timestamp-query");
    let mut body = vec![0; len];
    reader.read_exact(&mut body).unwrap();
    body
}

fn have_openssl(w: &World) -> bool {
    let there = w.command("openssl", &w.path("")).arg("version").output().is_ok();
    #[expect(clippy::disallowed_methods, reason = "a test may ask whether it runs in continuous integration")]
    let ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
    assert!(there || !ci, "openssl is not installed");
    if !there {
        eprintln!("skipped: openssl is not installed");
    }
    there
}

/// A ledger with something in it.
fn firm() -> Option<World> {
    if !have_ssh_keygen() {
        return None;
    }
    let w = World::new();
    if !have_openssl(&w) {
        return None;
    }
    w.firm();
    Some(w)
}

#[test]
fn openssl_stamps_a_pack_and_verifies_it() {
    let Some(w) = firm() else { return };
    for (name, key) in [
        ("rsa", "rsa:2048"),
        ("p256", "ec -pkeyopt ec_paramgen_curve:P-256"),
        ("p384", "ec -pkeyopt ec_paramgen_curve:P-384"),
    ] {
        let dir = authority(&w, name, key);
        let (file, ca) = (w.path(&format!("{name}.zip")), dir.join("ca.pem"));
        let (path, ca) = (file.to_str().unwrap(), ca.to_str().unwrap());
        let args = |url: &str| {
            w.cs(["audit", "pack", "--from", "2020-01-01", "--timestamp", url, "--timestamp-ca", ca, "--out", path])
        };
        with_authority(&w, &dir, Way::Honest, args).expect(0);

        // Verified by us, with the authority's root and without.
        let seen = w.cs(["verify", path, "--re-evaluate", "--timestamp-ca", ca, "--format", "json"]).expect(0).json();
        let schema = include_str!("../../../../schemas/verify.v1.json");
        let schema = jsonschema::validator_for(&serde_json::from_str(schema).unwrap()).unwrap();
        assert!(schema.is_valid(&seen), "{seen}");
        assert_eq!(seen["pack"]["timestamp"]["vouched"], true);
        assert_eq!(seen["pack"]["timestamp"]["time"], seen["pack"]["manifest"]["timestamp"]["time"]);
        let ran = w.cs(["verify", path]).expect(0);
        assert!(ran.out.contains("nobody here vouches for who signed it"), "{}", ran.out);

        // And by openssl, as VERIFY.md says.
        let open = crate::audit::unpacked(&w, &file, &format!("open-{name}"));
        fs::copy(ca, open.join("tsa-ca.pem")).unwrap();
        let text = fs::read_to_string(open.join("VERIFY.md")).unwrap();
        let line = text.lines().find(|l| l.contains("openssl ts -verify")).unwrap().trim();
        let said = openssl(&w, &open, line.strip_prefix("openssl ").unwrap());
        assert!(said.contains("Verification: OK"), "{said}");
        assert!(fs::read_to_string(open.join("index.html")).unwrap().contains("time-stamping authority"));

        // Another authority's root vouches for nothing.
        let other = authority(&w, &format!("other-{name}"), "rsa:2048").join("ca.pem");
        let ran = w.cs(["verify", path, "--timestamp-ca", other.to_str().unwrap()]).expect(13);
        assert!(ran.err.contains("CS-AUDIT-105"), "{}", ran.all());
    }
    // A pack without a timestamp has none to vouch for.
    let plain = w.path("plain.zip");
    w.cs(["audit", "pack", "--from", "2020-01-01", "--out", plain.to_str().unwrap()]).expect(0);
    let ca = w.path("rsa/ca.pem");
    let ran = w.cs(["verify", plain.to_str().unwrap(), "--timestamp-ca", ca.to_str().unwrap()]).expect(13);
    assert!(ran.err.contains("CS-AUDIT-036") && ran.err.contains("no timestamp"), "{}", ran.err);
    let ran = w.cs(["verify", plain.to_str().unwrap(), "--timestamp-ca", w.path("rsa/tsa.key").to_str().unwrap()]);
    assert!(ran.expect(2).err.contains("CS-AUDIT-107"));
}

#[test]
fn no_pack_is_silently_without_its_timestamp() {
    let Some(w) = firm() else { return };
    let dir = authority(&w, "tsa", "rsa:2048");
    let before = w.cs(["audit", "list", "--format", "json"]).expect(0).out;
    for (way, code, exit) in [
        (Way::OtherNonce, "CS-AUDIT-103", 13),
        (Way::OtherImprint, "CS-AUDIT-102", 13),
        (Way::Rejects, "CS-AUDIT-101", 5),
        (Way::Garbage, "CS-AUDIT-100", 13),
        (Way::Tampered, "CS-AUDIT-104", 13),
        (Way::Empty, "CS-AUDIT-100", 13),
        (Way::Fails, "CS-AUDIT-109", 5),
        (Way::Redirects, "CS-AUDIT-109", 5),
        (Way::OtherMedia, "CS-AUDIT-109", 5),
        (Way::TooLarge, "CS-AUDIT-109", 5),
        (Way::HangsUp, "CS-AUDIT-109", 5),
    ] {
        refused(&w, &dir, way, code, exit);
    }
    // Nobody there, and no address at all.
    for (url, code, exit) in [
        ("http://127.0.0.1:1/", "CS-AUDIT-109", 5),
        ("ftp://example.com/", "CS-AUDIT-108", 2),
        ("http://user:secret@127.0.0.1/", "CS-AUDIT-108", 2),
    ] {
        let ran = w.cs(["audit", "pack", "--from", "2020-01-01", "--timestamp", url]).expect(exit);
        assert!(ran.err.contains(code) && !ran.err.contains("secret"), "{}", ran.err);
    }
    assert_eq!(w.cs(["audit", "list", "--format", "json"]).expect(0).out, before, "no pack is on record");
    w.cs(["verify"]).expect(0);
}

#[test]
fn an_authority_that_does_not_answer_is_not_waited_for() {
    let Some(w) = firm() else { return };
    let dir = authority(&w, "tsa", "rsa:2048");
    refused(&w, &dir, Way::Slow, "CS-AUDIT-109", 5);
}

fn refused(w: &World, dir: &Path, way: Way, code: &str, exit: i32) {
    let file = w.path("refused.zip");
    let run = |url: &str| {
        w.cs(["audit", "pack", "--from", "2020-01-01", "--timestamp", url, "--out", file.to_str().unwrap()])
    };
    let ran = with_authority(w, dir, way, run);
    assert!(ran.code == exit && ran.err.contains(code) && ran.err.contains("help:"), "{way:?}: {}", ran.all());
    let left = fs::read_dir(w.path("")).unwrap().map(|e| e.unwrap().file_name().to_string_lossy().into_owned());
    assert!(!left.into_iter().any(|name| name.contains("refused.zip")), "{way:?}");
}
