//! Every page of the server in a real browser: accessible, quiet, kept up to date, readable on paper, on a telephone and without a
//! script. What is looked at is in `tests/browser/`; this makes the world, starts server and script, and does for the script what
//! a person would type.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use countersign_model::Role;
use serde_json::{Value, json};

use super::pages::{House, PEOPLE};
use super::server::said;
use super::sign_in::{CLIENT_SECRET, Provider, secret_file};
use super::support::{World, have_ssh_keygen};
use super::witness::Server;
use super::workload::{have, missing, provider_installed};

/// Where `npm ci` put what `tests/browser/package.json` names.
fn installed() -> Option<PathBuf> {
    if !have("node", &["--version"]) || !have("chromium", &["--version"]) || !have_ssh_keygen() {
        return None;
    }
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("browser");
    let there =
        ["playwright-core", "axe-core"].iter().all(|p| dir.join("node_modules").join(p).join("package.json").exists());
    (there || missing("what browser tests need (tests/browser/package.json; CONTRIBUTING.md has the command)"))
        .then_some(dir)
}

fn serve(world: &World, address: &str) -> Server {
    let ledger = world.repo().join(".countersign");
    Server::start(world, &["--ledger", ledger.to_str().unwrap(), "serve", "--listen", address])
}

/// What the script asks for.
fn answer(world: &World, server: &mut Option<Server>, url: &str, asked: &Value, appended: &mut u32) -> Value {
    match asked["do"].as_str().unwrap() {
        "link" => {
            let person = asked["person"].as_str().unwrap();
            world.by(person, &["login", "--server", url, "--format", "json"]).expect(0).json()
        }
        "append" => {
            // Each is an act of its own.
            let act = if appended.is_multiple_of(2) { "grant" } else { "revoke" };
            *appended += 1;
            world.by("ada", &["role", act, "omar", "developer", "--reason", "helps out for a while"]).expect(0);
            json!({})
        }
        "stop" => {
            assert_eq!(server.take().unwrap().terminate(), Some(0));
            json!({})
        }
        "start" => {
            *server = Some(serve(world, url.trim_start_matches("http://")));
            json!({})
        }
        other => panic!("the script asks for {other}"),
    }
}

/// Runs a script of `tests/browser/`, and answers what it asks for. It ends well, or the test does not.
fn run(world: &World, script: &str, told: &Value, mut answer: impl FnMut(&Value) -> Value) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/browser").join(script);
    let mut command = world.command("node", Path::new("/"));
    let mut child =
        command.arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // Read beside the rest, so that it never waits for a reader.
    let mut stderr = child.stderr.take().unwrap();
    let errors = std::thread::spawn(move || std::io::read_to_string(&mut stderr).unwrap());
    let mut stdin = child.stdin.take().unwrap();
    writeln!(stdin, "{told}").unwrap();
    let mut said = String::new();
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        if let Some(asked) = line.strip_prefix("ask ") {
            let answer = answer(&serde_json::from_str(asked).unwrap());
            writeln!(stdin, "{answer}").unwrap();
        } else {
            eprintln!("{line}");
            said.push_str(&line);
            said.push('\n');
        }
    }
    let status = child.wait().unwrap();
    let errors = errors.join().unwrap();
    assert!(status.success() && said.contains("in all "), "{status}\n{said}{errors}");
}

#[test]
fn every_page_holds_in_a_browser() {
    let Some(modules) = installed() else { return };
    let world = House::of(World::new()).world;
    let mut server = Some(serve(&world, "127.0.0.1:0"));
    let url = server.as_ref().unwrap().url.clone();
    let pages: Vec<Value> = countersign_server::pages()
        .map(|page| {
            let may = |roles: &[Role]| page.roles.iter().any(|role| roles.contains(role));
            let people: Vec<&str> = PEOPLE.iter().filter(|(_, roles)| may(roles)).map(|(name, _)| *name).collect();
            json!({"path": page.path, "question": page.question, "people": people})
        })
        .collect();
    let shots = modules.join("shots");
    let acts: Vec<String> = countersign_server::acts()
        .filter(|act| act.is_of_audit || act.actions.is_empty())
        .map(|act| {
            act.path.split('/').map(|part| if part.starts_with('{') { "[^/?]+" } else { part }).collect::<Vec<_>>()
        })
        .map(|parts| parts.join("/"))
        .collect();
    let told = json!({"url": url, "modules": modules, "shots": shots, "pages": pages, "auditor": "olga", "acts": acts});

    let mut appended = 0;
    run(&world, "main.mjs", &told, |asked| answer(&world, &mut server, &url, asked, &mut appended));
    world.cs(["verify"]).expect(0);
}

#[test]
fn people_sign_in_at_a_provider_and_approve_with_a_passkey() {
    let (Some(modules), Some(provider)) = (installed(), provider_installed()) else { return };
    let world = World::new();
    world.firm();
    // Taken and given back: nobody else takes it in between, for the system hands ports out in turn.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("http://localhost:{port}");
    world.write("countersign.toml", &format!("[passkeys]\norigin = \"{url}\"\nrp_id = \"localhost\"\n"));
    world.git(["add", "countersign.toml"]);
    world.commit_signed("mia", "app.sh", "echo app\n");
    let ran = world.cs(["run", "--format", "json"]).expect(11).json();
    let approval = format!("/approvals/{}/technical", ran["run"]["id"].as_str().unwrap());
    let provider = Provider::start(&world, &provider, 0);
    let account = ["person", "account", "add", "dan", "--issuer", &provider.issuer(), "--subject", "dan-4711"];
    world.by("ada", &account).expect(0);
    let secret = secret_file(&world, CLIENT_SECRET);
    let (listen, ledger) = (format!("127.0.0.1:{port}"), world.repo().join(".countersign"));
    let serve = ["--ledger", ledger.to_str().unwrap(), "serve", "--listen", &listen, "--origin", &url];
    let issuer = provider.issuer();
    let oidc = ["--oidc-issuer", &issuer, "--oidc-client-id", "countersign", "--oidc-secret-file"];
    let server = Server::start(&world, &[&serve[..], &oidc[..], &[secret.to_str().unwrap()]].concat());
    let told = json!({
        "url": url, "modules": modules, "shots": modules.join("shots-signing"), "provider": issuer,
        "subject": "dan-4711", "person": "dan",
    });
    let (request, made) = (world.path("request.json"), world.path("made.json"));
    let path = |file: &'_ PathBuf| file.to_str().unwrap().to_owned();
    run(&world, "signing.mjs", &told, |asked| match asked["do"].as_str().unwrap() {
        "request" => {
            world.cs(["person", "key", "request", "dan", "--out", &path(&request)]).expect(0);
            let request: Value = serde_json::from_slice(&std::fs::read(&request).unwrap()).unwrap();
            json!({ "request": request })
        }
        "enrol" => {
            std::fs::write(&made, asked["made"].to_string()).unwrap();
            let add = ["person", "key", "add", "dan", "--passkey", &path(&made), "--request", &path(&request)];
            world.by("ada", &add).expect(0);
            json!({ "page": approval })
        }
        "approved" => {
            let approvals = said(&world, "ApprovalSigned");
            assert_eq!(approvals.len(), 1);
            world.cs(["verify"]).expect(0);
            json!({})
        }
        other => panic!("the script asks for {other}"),
    });
    let methods: Vec<u64> = said(&world, "SignedIn").iter().map(|e| e["index"].as_u64().unwrap()).collect();
    assert_eq!(methods.len(), 3, "twice at the provider, once with the passkey");
    assert_eq!(server.terminate(), Some(0));
}

/// A server that is reached by a name, so that passkeys can be made for it, and its address.
fn named_site(world: &World) -> (String, String) {
    // Taken and given back: nobody else takes it in between, for the system hands ports out in turn.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("http://localhost:{port}");
    world.write("countersign.toml", &format!("[passkeys]\norigin = \"{url}\"\nrp_id = \"localhost\"\n"));
    world.git(["add", "countersign.toml"]);
    (format!("127.0.0.1:{port}"), url)
}

#[test]
fn people_sign_what_pages_show_with_a_passkey() {
    let Some(modules) = installed() else { return };
    let world = World::new();
    world.firm();
    let (listen, url) = named_site(&world);
    world.commit_signed("mia", "app.sh", "echo app\n");
    let ran = world.cs(["run", "--format", "json"]).expect(11).json();
    let reject = format!("/runs/{}/reject", ran["run"]["id"].as_str().unwrap());
    let ledger = world.repo().join(".countersign");
    let serve = ["--ledger", ledger.to_str().unwrap(), "serve", "--listen", &listen, "--origin", &url];
    let server = Server::start(&world, &serve);
    let told = json!({
        "url": url, "modules": modules, "shots": modules.join("shots-acting"), "reject": reject, "person": "dan",
    });
    world.key("olga");
    world.by("ada", &["person", "add", "olga", "--ssh-key", world.public("olga").to_str().unwrap()]).expect(0);
    world.by("ada", &["role", "grant", "olga", "auditor", "--reason", "external audit"]).expect(0);
    run(&world, "acting.mjs", &told, |asked| {
        let person = asked["person"].as_str().unwrap_or_default();
        match asked["do"].as_str().unwrap() {
            "link" => world.by(person, &["login", "--server", &url, "--format", "json"]).expect(0).json(),
            "enrol" => {
                let commands = asked["commands"].as_str().unwrap().replace("countersign person", "\"$0\" person");
                let mut shell = world.command("sh", &world.repo());
                let commands = format!("set -e\n{commands} --key \"$1\"");
                shell.args(["-c", &commands, env!("CARGO_BIN_EXE_countersign")]).arg(world.path("ada"));
                World::finish(shell).expect(0);
                json!({})
            }
            "audit" => {
                let open = ["audit", "open", "--name", "SOX", "--from", "2020-01-01", "--to", "2040-01-01"];
                let opened = world.by("ruth", &[&open[..], &["--format", "json"]].concat()).expect(0).json();
                let audit = opened["audit"].as_str().unwrap();
                json!({ "ask": format!("/audits/{audit}/ask"), "answer": format!("/audits/{audit}/answer") })
            }
            "closed" => {
                let of = |kind: &str| said(&world, kind).len();
                assert_eq!((of("AuditRequested"), of("AuditAnswered"), of("AuditRequestClosed")), (1, 1, 1));
                json!({})
            }
            "withdrawn" => {
                assert_eq!(said(&world, "ApprovalWithdrawn").len(), 1);
                json!({})
            }
            "audit closed" => {
                assert_eq!(said(&world, "AuditClosed").len(), 1);
                json!({})
            }
            "waiver" => {
                let request = ["waive", "request", "--control", "secrets-out-of-source", "--this-repository"];
                let more = ["--accept", "the key is revoked", "--format", "json"];
                let made = world.by("mia", &[&request[..], &more].concat()).expect(0).json();
                json!({ "waiver": format!("/waivers/{}", made["waiver"].as_str().unwrap()) })
            }
            "granted" => {
                let granted = said(&world, "WaiverGranted");
                assert_eq!(granted.len(), 1);
                let index = granted[0]["index"].to_string();
                let statement = world.cs(["ledger", "show", &index, "--statement"]).expect(0).out;
                assert!(statement.contains("agreed in the risk committee"), "{statement}");
                json!({})
            }
            "passkey enrolled" => {
                // Dan, Olga, Ruth and Ada by the commands, and Mia on the page.
                let added = said(&world, "PersonKeyAdded");
                assert_eq!(added.len(), 5);
                let index = added[4]["index"].to_string();
                let statement = world.cs(["ledger", "show", &index, "--statement"]).expect(0).out;
                assert!(statement.contains("a new laptop"), "{statement}");
                json!({})
            }
            "rejected" => {
                assert_eq!(said(&world, "ApprovalRejected").len(), 1);
                json!({})
            }
            other => panic!("the script asks for {other}"),
        }
    });
    world.cs(["verify"]).expect(0);
    assert_eq!(server.terminate(), Some(0));
}
