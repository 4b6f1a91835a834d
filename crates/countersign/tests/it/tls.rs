//! TLS of the server's own, by the real binary, with clients that are not ours.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use super::server::{firm, said};
use super::support::{Ran, World};
use super::witness::Server;

/// A new certificate for this machine with its key, that nobody else can read.
fn certificate(world: &World, serial: u32) {
    let mut command = world.command("openssl", &world.path("."));
    command.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]);
    command.args([
        "-keyout",
        "new.key",
        "-out",
        "new.pem",
        "-subj",
        "/CN=localhost",
        "-set_serial",
        &serial.to_string(),
    ]);
    command.args([
        "-addext",
        "subjectAltName=DNS:localhost,IP:127.0.0.1",
        "-addext",
        "basicConstraints=critical,CA:FALSE",
    ]);
    World::finish(command).expect(0);
    std::fs::set_permissions(world.path("new.key"), std::fs::Permissions::from_mode(0o600)).unwrap();
    // As programs that renew certificates do: the new file takes the name of the old one.
    std::fs::rename(world.path("new.key"), world.path("tls.key")).unwrap();
    std::fs::rename(world.path("new.pem"), world.path("tls.pem")).unwrap();
}

fn serve(world: &World) -> Server {
    let ledger = world.repo().join(".countersign");
    let (ledger, pem, key) = (ledger.display().to_string(), world.path("tls.pem"), world.path("tls.key"));
    let args = ["--ledger", &ledger, "serve", "--listen", "127.0.0.1:0", "--tls-cert", pem.to_str().unwrap()];
    Server::start(world, &[&args[..], &["--tls-key", key.to_str().unwrap()]].concat())
}

/// What `openssl s_client` says of a handshake.
fn handshake(world: &World, server: &Server, more: &[&str]) -> Ran {
    let mut command = world.command("openssl", &world.path("."));
    let address = server.url.trim_start_matches("https://");
    command.args(["s_client", "-connect", address, "-CAfile", "tls.pem", "-verify_return_error", "-brief"]).args(more);
    command.stdin(std::process::Stdio::null());
    World::finish(command)
}

fn serial(world: &World, server: &Server) -> String {
    let mut command = world.command("sh", &world.path("."));
    let address = server.url.trim_start_matches("https://");
    command.args([
        "-c",
        &format!("openssl s_client -connect {address} </dev/null 2>/dev/null | openssl x509 -noout -serial"),
    ]);
    World::finish(command).expect(0).out.trim().to_owned()
}

#[test]
fn a_server_with_a_certificate_speaks_tls_and_takes_up_a_renewed_one() {
    let Some(world) = firm() else { return };
    certificate(&world, 1);
    let server = serve(&world);
    assert!(server.url.starts_with("https://127.0.0.1:"), "{}", server.url);
    for version in ["-tls1_2", "-tls1_3"] {
        let said = handshake(&world, &server, &[version]).expect(0);
        assert!(said.err.contains("Verification: OK"), "{}", said.err);
    }
    for old in ["-tls1", "-tls1_1"] {
        assert_ne!(handshake(&world, &server, &[old, "-cipher", "ALL:@SECLEVEL=0"]).code, 0, "{old}");
    }
    // Whoever speaks no TLS gets no page.
    let mut plain = TcpStream::connect(server.url.trim_start_matches("https://")).unwrap();
    plain.write_all(b"GET /sign-in HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer);
    assert!(!answer.starts_with(b"HTTP/"), "{}", String::from_utf8_lossy(&answer));

    // Our own client trusts what the machine trusts.
    let login = ["login", "--server", &server.url, "--format", "json"];
    let stranger = world.by("mia", &login).expect(5);
    assert!(stranger.err.contains("CS-LOGIN-002"), "{}", stranger.err);
    let key = world.path("mia");
    let mut command = world.command(env!("CARGO_BIN_EXE_countersign"), &world.repo());
    command.args(login).arg("--key").arg(&key).env("SSL_CERT_FILE", world.path("tls.pem"));
    let welcome = World::finish(command).expect(0).json();
    assert!(welcome["link"].as_str().unwrap().starts_with(&server.url));
    // The cookie is one that TLS alone carries.
    let token = welcome["link"].as_str().unwrap().rsplit('/').next().unwrap();
    let mut command = world.command("openssl", &world.path("."));
    let host = server.url.trim_start_matches("https://").to_owned();
    command.args(["s_client", "-connect", &host, "-CAfile", "tls.pem", "-quiet", "-ign_eof"]);
    command
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null());
    let mut child = command.spawn().unwrap();
    let body = format!("token={token}");
    let request = format!(
        "POST /sign-in/link HTTP/1.1\r\nhost: {host}\r\norigin: {}\r\nconnection: close\r\ncontent-type: \
         application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{body}",
        server.url,
        body.len()
    );
    child.stdin.take().unwrap().write_all(request.as_bytes()).unwrap();
    let answer = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
    assert!(answer.starts_with("HTTP/1.1 303"), "{answer}");
    assert!(answer.contains("__Host-countersign=") && answer.contains("; Secure"), "{answer}");
    assert!(answer.contains("strict-transport-security"), "{answer}");
    assert_eq!(said(&world, "SignedIn").len(), 1);

    // A certificate that was renewed is taken up; one that cannot be used leaves the last one.
    assert_eq!(serial(&world, &server), "serial=01");
    certificate(&world, 2);
    std::thread::sleep(Duration::from_secs(6));
    assert_eq!(serial(&world, &server), "serial=02");
    std::fs::write(world.path("tls.pem"), "no certificate").unwrap();
    std::thread::sleep(Duration::from_secs(6));
    assert_eq!(serial(&world, &server), "serial=02");
    assert_eq!(server.terminate(), Some(0));
}

#[test]
fn what_is_no_certificate_or_no_secret_ends_it_at_once() {
    let Some(world) = firm() else { return };
    certificate(&world, 1);
    let good = (world.path("tls.pem"), world.path("tls.key"));
    certificate(&world, 2);
    let (pem, key) = (std::fs::read(&good.0).unwrap(), std::fs::read(&good.1).unwrap());
    let private = |name: &str, bytes: &[u8], mode: u32| {
        let path = world.path(name);
        std::fs::write(&path, bytes).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        path
    };
    private("good.pem", &pem, 0o644);
    private("good.key", &key, 0o600);
    private("open.key", &key, 0o644);
    private("empty", b"", 0o600);
    certificate(&world, 3);
    let other = std::fs::read(world.path("tls.key")).unwrap();
    private("other.key", &other, 0o600);
    for (pem, key, code, exit) in [
        ("empty", "good.key", "CS-SERVER-008", 2),
        ("good.pem", "empty", "CS-SERVER-008", 2),
        ("good.pem", "other.key", "CS-SERVER-008", 2),
        ("good.pem", "open.key", "CS-SERVER-006", 2),
        ("good.pem", "none.key", "CS-SERVER-003", 5),
    ] {
        let (pem, key) = (world.path(pem), world.path(key));
        let args = [
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--tls-cert",
            pem.to_str().unwrap(),
            "--tls-key",
            key.to_str().unwrap(),
        ];
        let ended = world.cs(args).expect(exit);
        assert!(ended.err.contains(code), "{}", ended.err);
    }
    world.cs(["serve", "--tls-cert", "x"]).expect(2);
    let (pem, key) = (world.path("good.pem"), world.path("good.key"));
    let args =
        ["serve", "--listen", "127.0.0.1:0", "--origin", "http://localhost", "--tls-cert", pem.to_str().unwrap()];
    let ended = world.cs([&args[..], &["--tls-key", key.to_str().unwrap()]].concat()).expect(2);
    assert!(ended.err.contains("speaks TLS"), "{}", ended.err);
}
