//! Notifications by mail, to a real mail server on this machine.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::notify::{at, channels, firm, notify, private, sound};
use crate::support::{World, have_ssh_keygen};

/// A process that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Where `aiosmtpd` is. Absent, a test is skipped aloud; under `CI=true` it fails.
fn aiosmtpd() -> Option<PathBuf> {
    let python = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("mail-venv/bin/python");
    #[expect(clippy::disallowed_methods, reason = "a test may ask whether it runs in continuous integration")]
    let ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
    let how = "python3 -m venv target/mail-venv && target/mail-venv/bin/pip install aiosmtpd==1.4.6";
    assert!(python.exists() || !ci, "aiosmtpd is not installed: {how}");
    if !python.exists() {
        eprintln!("skipped: aiosmtpd is not installed: {how}");
    }
    python.exists().then_some(python)
}

/// A mail server that keeps what it took, one JSON a line.
const MAIL: &str = r#"
import asyncio, json, ssl, sys
from aiosmtpd.smtp import AuthResult, SMTP
out, cert, key, mode = sys.argv[1:5]
class Handler:
    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith('nobody@'):
            return '550 nobody here'
        if address.startswith('later@'):
            return '451 later'
        envelope.rcpt_tos.append(address)
        return '250 OK'
    async def handle_DATA(self, server, session, envelope):
        with open(out, 'a') as f:
            f.write(json.dumps({'from': envelope.mail_from, 'to': envelope.rcpt_tos, 'tls': session.ssl is not None,
                                'user': getattr(session, 'user', None), 'data': envelope.content.decode()}) + '\n')
        return '250 OK'
def login(server, session, envelope, mechanism, data):
    good = data.login == b'gate' and data.password == b'pass-w0rd'
    session.user = data.login.decode()
    return AuthResult(success=good, handled=False)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(cert, key)
options = {}
if mode == 'starttls':
    options = {'tls_context': context, 'require_starttls': True, 'auth_required': True, 'authenticator': login}
async def main():
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(Handler(), **options), '127.0.0.1', 0, ssl=context if mode == 'tls' else None)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()
asyncio.run(main())
"#;

fn mail_server(w: &World, python: &Path, mode: &str) -> (Running, u16) {
    std::fs::write(w.path("mail.py"), MAIL).unwrap();
    let mut command = w.command(python, &w.path("."));
    command.args(["mail.py", &format!("{mode}.jsonl"), "cert.pem", "key.pem", mode]).stdout(Stdio::piped());
    let mut child = Running(command.spawn().unwrap());
    let mut line = String::new();
    BufReader::new(child.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    (child, line.trim().parse().expect("the mail server says its port"))
}

#[test]
fn mail_goes_to_a_real_server_with_tls_and_an_account_and_never_without() {
    let Some(python) = aiosmtpd() else { return };
    if !have_ssh_keygen() {
        return;
    }
    let mut w = firm();
    let mut command = w.command("openssl", &w.path("."));
    command.args([
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "7",
        "-keyout",
        "key.pem",
        "-out",
        "cert.pem",
        "-subj",
        "/CN=localhost",
        "-addext",
        "subjectAltName=DNS:localhost",
        "-addext",
        "basicConstraints=critical,CA:FALSE",
    ]);
    World::finish(command).expect(0);
    private(&w.path("data/mail.password"), "pass-w0rd\n");
    let (_starttls, port) = mail_server(&w, &python, "starttls");
    let (_tls, tls_port) = mail_server(&w, &python, "tls");
    let (_plain, plain_port) = mail_server(&w, &python, "plain");
    let mail = |name: &str, port: u16, more: &str| {
        format!(
            "[[channel]]\nname = \"{name}\"\nkind = \"email\"\nhost = \"localhost\"\nport = {port}\nfrom = \"gate@bank.example\"\n\
             roles = [\"engineer\"]\nallow = [\"127.0.0.0/8\", \"::1\"]\nca = \"{}\"\n{more}\n",
            w.path("cert.pem").display()
        )
    };
    let account = "user = \"gate\"\npassword_file = \"mail.password\"\n";
    let to = "to = [\"a@bank.example\", \"b@bank.example\"]\n";
    let took = |mode: &str| -> Vec<Value> {
        let text = std::fs::read_to_string(w.path(&format!("{mode}.jsonl"))).unwrap_or_default();
        text.lines().map(|l| serde_json::from_str(l).unwrap()).collect()
    };

    channels(
        &w,
        &[
            mail("starttls", port, &format!("{account}{to}")),
            mail("tls", tls_port, &format!("tls = \"tls\"\n{to}")),
            mail("plain", plain_port, &format!("tls = \"none\"\n{to}")),
        ]
        .concat(),
    );
    let sent = notify(&w);
    assert!(sent.as_array().unwrap().iter().all(|d| d["outcome"] == "sent"), "{sent}");
    for (mode, tls) in [("starttls", true), ("tls", true), ("plain", false)] {
        let letters = took(mode);
        assert_eq!(letters.len(), 1, "{mode}");
        let letter = &letters[0];
        if mode == "starttls" {
            assert_eq!((&letter["tls"], &letter["user"]), (&tls.into(), &"gate".into()));
        }
        assert_eq!(
            (&letter["from"], &letter["to"]),
            (&"gate@bank.example".into(), &json!(["a@bank.example", "b@bank.example"]))
        );
        let data = letter["data"].as_str().unwrap();
        let id = sent.as_array().unwrap().iter().find(|d| d["channel"] == mode).unwrap()["message"]
            .as_str()
            .unwrap()
            .to_owned();
        assert!(data.contains(&format!("Message-ID: <{id}@bank.example>")), "{data}");
        let body = data.split("\r\n\r\n").nth(1).unwrap().replace("\r\n", "");
        let text = String::from_utf8(STANDARD.decode(body).unwrap()).unwrap();
        assert!(
            text.starts_with("A technical approval is wanted for ") && text.contains("countersign approve run-"),
            "{text}"
        );
    }
    assert!(!w.ledger_text().contains("bank.example"), "no address is in the ledger");

    // What is not right is not sent, and no password is repeated.
    private(&w.path("data/wrong.password"), "hunter2");
    let wrong = [
        (
            "a certificate of somebody else",
            mail("x", port, &format!("{account}{to}")).replace("cert.pem", "data/other.pem"),
            "tls",
            "failed",
        ),
        ("no STARTTLS", mail("y", plain_port, to), "tls", "given-up"),
        (
            "a wrong password",
            mail("z", port, &format!("user = \"gate\"\npassword_file = \"wrong.password\"\n{to}")),
            "rejected",
            "given-up",
        ),
        ("no account", mail("u", port, to), "rejected", "given-up"),
        (
            "nobody there",
            mail("v", tls_port, "tls = \"tls\"\nto = [\"a@bank.example\", \"nobody@bank.example\"]\n"),
            "rejected",
            "given-up",
        ),
        ("later", mail("w", tls_port, "tls = \"tls\"\nto = [\"later@bank.example\"]\n"), "busy", "failed"),
    ];
    let mut command = w.command("openssl", &w.path("data"));
    command.args([
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "7",
        "-keyout",
        "other.key",
        "-out",
        "other.pem",
        "-subj",
        "/CN=other",
    ]);
    World::finish(command).expect(0);
    let before = ["starttls", "tls", "plain"].map(|m| took(m).len());
    for (what, channel, why, outcome) in wrong {
        channels(&w, &channel);
        let failed = notify(&w);
        assert_eq!((&failed[0]["why"], &failed[0]["outcome"]), (&why.into(), &outcome.into()), "{what}: {failed}");
        assert!(!failed.to_string().contains("hunter2"), "{failed}");
    }
    assert_eq!(["starttls", "tls", "plain"].map(|m| took(m).len()), before);
    at(&mut w, "2030-01-01T00:10:00Z");
    sound(&w);
}
