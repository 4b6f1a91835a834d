//! Notifications, by the real binary to real receivers on this machine.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Stdio;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::database::cluster;
use crate::server::Browser;
use crate::support::{World, have_ssh_keygen};
use crate::witness::Server;

/// A request that was received.
#[derive(Debug)]
struct Got {
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

impl Got {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    fn id(&self) -> &str {
        &self.headers["webhook-id"]
    }
}

/// A web server that answers these statuses one after the other, the last of them from then on.
struct Hook {
    url: String,
    got: Receiver<Got>,
}

impl Hook {
    fn new(statuses: &'static [u16]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/hook/s3cr3t-path", listener.local_addr().unwrap());
        let (sender, got) = channel();
        // It ends with the test's process.
        std::thread::spawn(move || {
            for (nth, stream) in listener.incoming().enumerate() {
                let status = statuses.get(nth).or(statuses.last()).copied().unwrap();
                let Some(request) = answer(stream.unwrap(), status) else { continue };
                if sender.send(request).is_err() {
                    return;
                }
            }
        });
        Self { url, got }
    }

    #[track_caller]
    fn next(&self) -> Got {
        self.got.recv_timeout(Duration::from_secs(30)).expect("a message arrives")
    }

    fn all(&self) -> Vec<Got> {
        self.got.try_iter().collect()
    }
}

fn answer(mut stream: TcpStream, status: u16) -> Option<Got> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.insert(name.to_lowercase(), value.to_owned());
    }
    let mut body = vec![0; headers.get("content-length")?.parse().ok()?];
    reader.read_exact(&mut body).ok()?;
    let text = format!("HTTP/1.1 {status} x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    stream.write_all(text.as_bytes()).ok()?;
    Some(Got { headers, body })
}

pub(crate) fn at(w: &mut World, time: &str) {
    w.now = Some(time.to_owned());
}

/// The firm in 2030 with a run that waits for two signatures.
pub(crate) fn firm() -> World {
    let mut w = World::new();
    at(&mut w, "2030-01-01T00:00:00Z");
    w.firm();
    w.commit_signed("mia", "app.sh", "echo app\n");
    w.cs(["run"]).expect(11);
    w
}

/// The installation's channels.
pub(crate) fn channels(w: &World, text: &str) {
    std::fs::write(w.path("data/notify.toml"), format!("version = 1\n{text}")).unwrap();
}

pub(crate) fn private(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

fn secret(byte: u8) -> String {
    format!("whsec_{}", STANDARD.encode([byte; 32]))
}

/// A webhook to this machine.
fn webhook(w: &World, name: &str, url: &str, more: &str) -> String {
    private(&w.path("data/hook.secret"), &secret(7));
    format!(
        "[[channel]]\nname = \"{name}\"\nkind = \"webhook\"\nurl = \"{url}\"\nsecret_file = \"hook.secret\"\n\
         allow = [\"127.0.0.0/8\"]\n{more}\n"
    )
}

fn entries(w: &World) -> Vec<(String, u64)> {
    let j = w.cs(["ledger", "entries", "--format", "json"]).expect(0).json();
    let all = j["entries"].as_array().unwrap().iter();
    all.filter_map(|e| {
        let kind = e["entry"]["kind"].as_str().unwrap();
        kind.strip_prefix("Notification").map(|k| (k.to_owned(), e["index"].as_u64().unwrap()))
    })
    .collect()
}

fn kinds(w: &World) -> Vec<String> {
    entries(w).into_iter().map(|(kind, _)| kind).collect()
}

pub(crate) fn notify(w: &World) -> Value {
    let ran = w.cs(["notify", "--format", "json"]);
    assert!(ran.code == 0 || ran.code == 5, "{}{}", ran.out, ran.err);
    let j = ran.json();
    let all_sent = j["deliveries"].as_array().unwrap().iter().all(|d| d["outcome"] == "sent");
    assert_eq!(ran.code == 0, all_sent, "{j}");
    j["deliveries"].clone()
}

/// What is wanted, by key.
fn wanted(w: &World) -> Vec<String> {
    let j = w.cs(["notify", "--dry-run", "--format", "json"]).expect(0).json();
    let all = j["wanted"].as_array().unwrap().iter();
    // The index of the entry is not what these tests are about.
    all.map(|n| {
        let key = n["notice"]["key"].as_str().unwrap();
        let mut parts: Vec<&str> = key.split('/').collect();
        parts.remove(1);
        parts.join("/")
    })
    .collect()
}

#[track_caller]
pub(crate) fn sound(w: &World) {
    w.cs(["verify"]).expect(0);
    assert_eq!(w.cs(["ledger", "rebuild", "--check", "--format", "json"]).expect(0).json()["differences"], json!([]));
}

/// The Python of the guide, which verifies a message.
fn python(w: &World, got: &Got, secret: &str, now: u64) -> (i32, String) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let guide = std::fs::read_to_string(root.join("docs/guides/notifications.md")).unwrap();
    let code = guide.split("```python\n").nth(1).unwrap().split("```").next().unwrap();
    let script = format!(
        "{code}\nimport json, sys\nargs = json.load(open(sys.argv[1]))\nbody = open(sys.argv[2], 'rb').read()\n\
         print(verify(args['secret'], args['headers'], body, now=args['now']))\n"
    );
    std::fs::write(w.path("verify.py"), script).unwrap();
    let args = json!({"secret": secret, "headers": got.headers, "now": now});
    std::fs::write(w.path("args.json"), args.to_string()).unwrap();
    std::fs::write(w.path("body"), &got.body).unwrap();
    let mut command = w.command("python3", &w.path("."));
    command.args(["verify.py", "args.json", "body"]);
    let ran = World::finish(command);
    (ran.code, ran.out.trim().to_owned() + &ran.err)
}

#[test]
fn a_webhook_is_told_once_signed_and_tried_again_when_it_is_busy() {
    if !have_ssh_keygen() {
        return;
    }
    let mut w = firm();
    let hook = Hook::new(&[500, 200]);
    assert_eq!(
        w.cs(["notify"]).expect(2).err.lines().next().unwrap(),
        "error[CS-CLI-015]: no channel is configured, so nobody can be told anything"
    );
    let both = webhook(&w, "officers", &hook.url, "old_secret_env = \"OLD_SECRET\"");
    channels(&w, &format!("server = \"https://countersign.bank.example\"\n{both}"));
    let unset = w.cs(["notify"]).expect(2);
    assert!(unset.err.contains("`OLD_SECRET` is not set") && unset.err.contains("notify.toml:9"), "{}", unset.err);
    channels(&w, &format!("server = \"https://countersign.bank.example\"\n{}", webhook(&w, "officers", &hook.url, "")));
    assert_eq!(wanted(&w), ["approval-wanted/regulatory", "approval-wanted/technical"]);
    assert!(kinds(&w).is_empty() && hook.all().is_empty(), "a dry run does nothing");

    // The first is not taken; the second waits behind it.
    let failed = notify(&w);
    assert_eq!(failed.as_array().unwrap().len(), 1);
    assert_eq!(
        (&failed[0]["outcome"], &failed[0]["why"], &failed[0]["status"]),
        (&"failed".into(), &"busy".into(), &500.into())
    );
    assert!(!failed.to_string().contains("s3cr3t"), "{failed}");
    assert_eq!(failed[0]["next"], "2030-01-01T00:01:00.000Z");
    let first = hook.next();
    at(&mut w, "2030-01-01T00:00:59Z");
    assert_eq!(notify(&w), json!([]));
    assert_eq!(kinds(&w), ["Started", "Failed"]);
    let status = w.cs(["notify", "status"]).expect(5);
    assert!(
        status.out.contains("is tried again at 2030-01-01T00:01:00.000Z: busy, 500, after 1 attempt"),
        "{}",
        status.out
    );
    let doctor = w.cs(["doctor"]);
    assert!(doctor.code == 1 && doctor.out.contains("officers: 1 message is failing"), "{}", doctor.out);

    at(&mut w, "2030-01-01T00:01:00Z");
    let sent = notify(&w);
    assert_eq!(sent.as_array().unwrap().len(), 2);
    let (again, other) = (hook.next(), hook.next());
    assert_eq!(again.id(), first.id(), "the same message has the same name");
    assert_ne!(again.id(), other.id());
    assert_eq!(again.json()["data"]["notices"], first.json()["data"]["notices"]);
    assert_eq!((&sent[0]["attempt"], &sent[1]["attempt"]), (&2.into(), &1.into()));
    assert_eq!(kinds(&w), ["Started", "Failed", "Started", "Sent", "Started", "Sent"]);
    assert_eq!(notify(&w), json!([]));
    assert!(hook.all().is_empty());
    w.cs(["notify", "status"]).expect(0);

    // What it says.
    let j = other.json();
    let n = &j["data"]["notices"][0];
    let run = w.cs(["gate", "check", "--format", "json"]).expect(11).json()["run"].clone();
    let run = run.as_str().or_else(|| run["id"].as_str()).unwrap().to_owned();
    assert_eq!(n["url"], format!("https://countersign.bank.example/approvals/{run}/technical"));
    assert_eq!(n["command"], format!("countersign approve {run} --as technical"));
    assert_eq!(
        (&n["roles"], &j["data"]["test"], &j["data"]["demonstration"]),
        (&json!(["engineer"]), &false.into(), &false.into())
    );
    for got in [&first, &again, &other] {
        let text = String::from_utf8(got.body.clone()).unwrap().to_lowercase();
        for name in ["mia", "dan", "ruth", "omar", "ada", "example.org"] {
            assert!(!text.contains(&format!("\"{name}")) && !text.contains(&format!(" {name} ")), "{name}: {text}");
        }
    }
    // The guide's Python verifies it, and nothing that was changed.
    let seconds = again.headers["webhook-timestamp"].parse::<u64>().unwrap();
    assert_eq!(python(&w, &again, &secret(7), seconds), (0, again.id().to_owned()));
    assert!(python(&w, &again, &secret(8), seconds).1.contains("not signed with this secret"));
    assert!(python(&w, &again, &secret(7), seconds + 301).1.contains("too old"));
    let changed = Got { headers: again.headers.clone(), body: again.body.iter().rev().copied().collect() };
    assert!(python(&w, &changed, &secret(7), seconds).1.contains("not signed"));

    // Nothing secret is in the ledger.
    let ledger = w.ledger_text();
    for text in ["s3cr3t-path", "whsec_", &STANDARD.encode([7; 32]), "127.0.0.1"] {
        assert!(!ledger.contains(text), "{text}");
    }
    // Two secrets while one replaces the other.
    private(&w.path("data/old.secret"), &secret(8));
    channels(&w, &webhook(&w, "officers", &hook.url, "old_secret_file = \"old.secret\""));
    w.cs(["notify", "test", "officers"]).expect(0);
    let tested = hook.next();
    assert_eq!(tested.json()["data"]["test"], true);
    let seconds = tested.headers["webhook-timestamp"].parse::<u64>().unwrap();
    for known in [7, 8] {
        assert_eq!(python(&w, &tested, &secret(known), seconds).0, 0);
    }
    assert_eq!(kinds(&w).len(), 6, "a test is not recorded");
    sound(&w);
}

#[test]
fn what_is_refused_for_good_is_given_up_and_what_leads_inside_is_not_reached() {
    if !have_ssh_keygen() {
        return;
    }
    let mut w = firm();
    let hook = Hook::new(&[404, 404, 200]);
    channels(&w, &webhook(&w, "officers", &hook.url, "events = [\"approval-wanted\"]\nroles = [\"engineer\"]"));
    let given_up = notify(&w);
    assert_eq!(
        (&given_up[0]["outcome"], &given_up[0]["why"], &given_up[0]["next"]),
        (&"given-up".into(), &"rejected".into(), &Value::Null)
    );
    assert_eq!(hook.all().len(), 1);
    at(&mut w, "2030-01-02T00:00:00Z");
    assert_eq!(notify(&w), json!([]), "it is not tried for ever");
    let doctor = w.cs(["doctor"]);
    assert!(doctor.code == 1 && doctor.out.contains("officers: 1 message is given up"), "{}", doctor.out);
    w.cs(["notify", "--again"]).expect(5);
    w.cs(["notify", "--again"]).expect(0);
    assert_eq!(hook.all().len(), 2);
    assert_eq!(kinds(&w), ["Started", "Failed", "Started", "Failed", "Started", "Sent"]);

    // Without `allow`, this machine is not reached.
    let stranger = Hook::new(&[200]);
    let text = webhook(&w, "inside", &stranger.url, "").replace("allow = [\"127.0.0.0/8\"]\n", "");
    channels(&w, &text);
    let refused = notify(&w);
    assert_eq!((&refused[0]["outcome"], &refused[0]["why"]), (&"given-up".into(), &"refused".into()));
    assert!(refused[0]["detail"].as_str().unwrap().contains("allow = [\"127.0.0.1\"]"), "{refused}");
    let test = w.cs(["notify", "test", "inside"]).expect(5);
    assert!(test.out.contains("an address of this machine") && !test.out.contains("s3cr3t"), "{}", test.out);
    assert!(stranger.all().is_empty());

    // What was signed meanwhile is asked of nobody any more.
    w.by("dan", &["approve", "latest", "--as", "technical"]).expect(0);
    assert_eq!(wanted(&w), ["approval-wanted/regulatory"]);
    sound(&w);
}

#[test]
fn two_that_tell_at_once_tell_it_once() {
    if !have_ssh_keygen() {
        return;
    }
    let w = firm();
    let hook = Hook::new(&[200]);
    channels(&w, &webhook(&w, "officers", &hook.url, ""));
    let told: Vec<_> = std::thread::scope(|scope| {
        let all: Vec<_> = (0..6).map(|_| scope.spawn(|| w.cs(["notify", "--format", "json"]))).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    let told: usize = told.into_iter().map(|ran| ran.expect(0).json()["deliveries"].as_array().unwrap().len()).sum();
    // Whoever found the channel taken left the rest to the next call.
    let rest = notify(&w).as_array().unwrap().len();
    assert_eq!(told + rest, 2);
    let mut ids: Vec<String> = hook.all().iter().map(|got| got.id().to_owned()).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 2);
    let mut all = kinds(&w);
    all.sort();
    assert_eq!(all, ["Sent", "Sent", "Started", "Started"]);
    sound(&w);
}

#[test]
fn whoever_dies_between_sending_and_recording_leaves_an_attempt_that_is_made_again_under_its_name() {
    if !have_ssh_keygen() {
        return;
    }
    let mut w = firm();
    // It takes the message, and never answers.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    channels(&w, &webhook(&w, "officers", &url, "roles = [\"engineer\"]"));
    let mut command = w.command(env!("CARGO_BIN_EXE_countersign"), &w.repo());
    let mut dying = command.args(["notify"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let (stream, _) = listener.accept().unwrap();
    dying.kill().unwrap();
    dying.wait().unwrap();
    drop((stream, listener));
    assert_eq!(kinds(&w), ["Started"]);

    let hook = Hook::new(&[200]);
    channels(&w, &webhook(&w, "officers", &hook.url, "roles = [\"engineer\"]"));
    at(&mut w, "2030-01-01T00:02:59Z");
    assert_eq!(notify(&w), json!([]), "it may still be on its way");
    at(&mut w, "2030-01-01T00:03:00Z");
    let sent = notify(&w);
    assert_eq!((&sent[0]["attempt"], &sent[0]["outcome"]), (&2.into(), &"sent".into()));
    assert_eq!(hook.next().id(), sent[0]["message"].as_str().unwrap());
    assert_eq!(kinds(&w), ["Started", "Started", "Sent"]);
    sound(&w);
}

#[test]
fn what_is_wanted_follows_from_the_ledger_and_the_time() {
    if !have_ssh_keygen() {
        return;
    }
    let mut w = firm();
    let owners = "version: 1\ngates:\n  - gate: release\n    owner: ruth\n    deputy: dan\n    respond_within: 4h\n    escalation:\n      \
                  - after: 6h\n        role: administrator\n    failure: closed\n    fallback: two officers decide on paper\n";
    std::fs::write(w.path("owners.yaml"), owners).unwrap();
    w.by("ruth", &["gate", "activate", w.path("owners.yaml").to_str().unwrap()]).expect(0);
    let waits = ["approval-wanted/regulatory", "approval-wanted/technical"];
    assert_eq!(wanted(&w), waits);
    at(&mut w, "2030-01-01T03:00:00Z");
    assert_eq!(wanted(&w)[0], "approval-due");
    at(&mut w, "2030-01-01T04:00:00Z");
    assert_eq!(wanted(&w)[..2], ["approval-overdue", "approval-wanted/regulatory"]);
    at(&mut w, "2030-01-01T06:00:00Z");
    assert_eq!(wanted(&w)[..2], ["approval-overdue", "approval-overdue/1"]);
    // Nobody is asked about what nobody signed for two weeks.
    at(&mut w, "2030-01-15T00:00:01Z");
    assert_eq!(wanted(&w), [""; 0]);

    // An emergency: told when it is opened, then what it owes, step by step.
    w.by("ada", &["environment", "register", "production", "--tier", "production"]).expect(0);
    let open = [
        "break-glass",
        "open",
        "latest",
        "--environment",
        "production",
        "--reason",
        "Mia Meier is stuck",
        "--ticket",
        "INC-1",
    ];
    w.by("ruth", &open).expect(0);
    assert_eq!(wanted(&w)[0], "emergency-opened");
    let dry = w.cs(["notify", "--dry-run"]).expect(0).out;
    assert!(dry.contains("ticket INC-1") && !dry.contains("Mia"), "{dry}");
    let duties = |w: &World| -> Vec<String> { wanted(w).into_iter().filter(|k| k.starts_with("duty")).collect() };
    assert_eq!(duties(&w), [""; 0]);
    at(&mut w, "2030-01-15T18:00:01Z");
    assert_eq!(duties(&w), ["duty-due/ratification"]);
    at(&mut w, "2030-01-16T00:00:02Z");
    assert_eq!(duties(&w), ["duty-overdue/ratification"]);
    at(&mut w, "2030-01-16T06:00:02Z");
    assert_eq!(duties(&w), ["duty-overdue/ratification", "duty-overdue/ratification/1"]);

    // A waiver that is asked for, and one that ends.
    let ask = [
        "waive",
        "request",
        "--control",
        "secrets-out-of-source",
        "--path",
        "old/**",
        "--category",
        "waived",
        "--days",
        "28",
        "--accept",
        "it goes",
    ];
    let asked = w.by("mia", &[&ask[..], &["--format", "json"]].concat());
    if asked.code != 0 {
        panic!("{}", asked.err);
    }
    let id = asked.json()["waiver"].as_str().unwrap().to_owned();
    assert!(wanted(&w).contains(&"waiver-wanted".to_owned()));
    w.by("dan", &["waive", "grant", &id, "--reason", "it does"]).expect(0);
    assert!(!wanted(&w).iter().any(|k| k.starts_with("waiver")));
    at(&mut w, "2030-02-06T07:00:00Z");
    assert!(wanted(&w).contains(&"waiver-ending".to_owned()));
    at(&mut w, "2030-02-14T07:00:00Z");
    assert!(!wanted(&w).iter().any(|k| k.starts_with("waiver")));

    // More than five at once are one message.
    let hook = Hook::new(&[200]);
    channels(&w, &webhook(&w, "officers", &hook.url, ""));
    for n in 0..6 {
        let path = format!("old{n}/**");
        let ask: Vec<&str> = ask.iter().map(|a| if *a == "old/**" { path.as_str() } else { a }).collect();
        w.by("mia", &ask).expect(0);
    }
    let all = wanted(&w).len();
    let sent = notify(&w);
    assert_eq!(
        (sent.as_array().unwrap().len(), hook.next().json()["data"]["notices"].as_array().unwrap().len()),
        (1, all)
    );
    sound(&w);
}

#[test]
fn slack_teams_and_programs_get_their_shapes() {
    if !have_ssh_keygen() {
        return;
    }
    let w = firm();
    let (slack, teams) = (Hook::new(&[200]), Hook::new(&[202]));
    private(&w.path("data/chat.url"), &slack.url);
    let out = w.path("paged");
    std::fs::write(w.path("data/page.sh"), format!("#!/bin/sh\ncat > {}\n", out.display())).unwrap();
    std::fs::set_permissions(w.path("data/page.sh"), std::fs::Permissions::from_mode(0o755)).unwrap();
    let allow = "allow = [\"127.0.0.1\"]\nroles = [\"engineer\"]\n";
    channels(
        &w,
        &format!(
            "[[channel]]\nname = \"chat\"\nkind = \"slack\"\nurl_file = \"chat.url\"\n{allow}\
             [[channel]]\nname = \"team\"\nkind = \"teams\"\nurl = \"{}\"\n{allow}\
             [[channel]]\nname = \"pager\"\nkind = \"command\"\ncommand = \"./page.sh\"\nroles = [\"engineer\"]\n",
            teams.url
        ),
    );
    let sent = notify(&w);
    assert_eq!(sent.as_array().unwrap().len(), 3, "{sent}");
    let j = slack.next().json();
    assert_eq!(j["blocks"][0]["type"], "header");
    assert!(j["text"].as_str().unwrap().starts_with("A technical approval is wanted for "));
    let card = teams.next().json()["attachments"][0].clone();
    assert_eq!(card["contentType"], "application/vnd.microsoft.card.adaptive");
    assert_eq!(card["content"]["version"], "1.5");
    let paged: Value = serde_json::from_slice(&std::fs::read(&out).unwrap()).unwrap();
    assert_eq!(paged["data"]["notices"][0]["part"], "technical");
    let status = w.cs(["notify", "status"]).expect(0).out;
    assert!(status.contains("chat  slack to http://127.0.0.1:") && !status.contains("s3cr3t"), "{status}");
}

#[test]
fn a_file_that_cannot_be_used_is_an_error_with_its_line() {
    if !have_ssh_keygen() {
        return;
    }
    let w = firm();
    private(&w.path("data/hook.secret"), &secret(7));
    std::fs::write(w.path("data/open.secret"), secret(7)).unwrap();
    std::fs::set_permissions(w.path("data/open.secret"), std::fs::Permissions::from_mode(0o644)).unwrap();
    private(&w.path("data/bad.secret"), "hunter2-hunter2");
    let hook = |line: &str| {
        format!("[[channel]]\nname = \"a\"\nkind = \"webhook\"\nurl = \"https://a.example/s3cr3t\"\n{line}\n")
    };
    let good = hook("secret_file = \"hook.secret\"");
    let mail = |line: &str| {
        format!("[[channel]]\nname = \"m\"\nkind = \"email\"\nhost = \"a.example\"\nfrom = \"a@a.example\"\n{line}\n")
    };
    let cases = [
        ("chanel = 1\n".to_owned(), 2, "did you mean `channel`"),
        (good.replace("kind", "knd"), 4, "did you mean `kind`"),
        (good.replace("webhook", "hook"), 4, ""),
        (good.replace("\"a\"", "\"A b\""), 3, "stands in the log"),
        (format!("{good}{good}"), 8, "two channels `a`"),
        (hook("events = [\"aproval-wanted\"]\nsecret_file = \"hook.secret\""), 6, "did you mean `approval-wanted`"),
        (hook("roles = [\"boss\"]\nsecret_file = \"hook.secret\""), 6, ""),
        (hook("allow = [\"10.0.0.1/8\"]\nsecret_file = \"hook.secret\""), 6, "is no network"),
        (hook(""), 4, "a webhook is signed"),
        (hook("secret_file = \"bad.secret\""), 6, "whsec_"),
        (hook("secret_env = \"NOT_SET\""), 6, "not set"),
        (hook("secret_file = \"hook.secret\"\nto = [\"a@b\"]"), 7, "has no `to`"),
        (hook("secret_file = \"hook.secret\"\nsecret_env = \"X\""), 6, "more than one way"),
        (good.replace("https://", "http://"), 5, "plain HTTP"),
        (good.replace("https://", "https://u:hunter2@"), 5, "a user or a password"),
        (mail(""), 2, "recipients"),
        (mail("to = [\"a@b\\r\\nBcc: c@d\"]"), 7, "no address of mail"),
        (mail("to = [\"a@b\"]\nuser = \"u\""), 8, "belong together"),
        (mail("to = [\"a@b\"]\nport = 22"), 7, "another service"),
        ("[[channel]]\nname = \"c\"\nkind = \"command\"\n".to_owned(), 4, "has `command`"),
    ];
    for (text, line, says) in cases {
        channels(&w, &text);
        let ran = w.cs(["notify", "--dry-run"]).expect(2);
        let place = format!("notify.toml:{line}");
        assert!(
            ran.err.contains("CS-CLI-024") && ran.err.contains(&place) && ran.err.contains(says),
            "{text}\n{}",
            ran.err
        );
        assert!(!ran.err.contains("hunter2") && !ran.err.contains("s3cr3t"), "{}", ran.err);
    }
    channels(&w, &hook("secret_file = \"open.secret\""));
    assert!(w.cs(["notify"]).expect(2).err.contains("open.secret"), "a secret that others can read");
    channels(&w, &hook("secret_file = \"none\""));
    assert_ne!(w.cs(["notify"]).code, 0);
    // The server does not start with it either, and doctor says so.
    channels(&w, "chanel = 1\n");
    assert!(w.cs(["serve", "--listen", "127.0.0.1:0"]).expect(2).err.contains("CS-CLI-024"));
    assert!(w.cs(["doctor"]).out.contains("CS-CLI-024"));
    let other = w.path("other.toml");
    std::fs::write(
        &other,
        format!("version = 1\n{good}").replace("hook.secret", w.path("data/hook.secret").to_str().unwrap()),
    )
    .unwrap();
    w.cs(["notify", "--dry-run", "--channels", other.to_str().unwrap()]).expect(0);
    assert!(w.cs(["notify", "test", "b", "--channels", other.to_str().unwrap()]).expect(2).err.contains("channels: a"));
}

#[test]
fn a_server_tells_by_itself_and_with_commands_beside_it_each_is_told_once() {
    if !have_ssh_keygen() {
        return;
    }
    let w = World::new();
    w.firm();
    w.commit_signed("mia", "app.sh", "echo app\n");
    let hook = Hook::new(&[200]);
    channels(&w, &webhook(&w, "officers", &hook.url, ""));
    let repo = w.repo();
    let server = Server::start(&w, &["serve", "--listen", "127.0.0.1:0", "--repo", repo.to_str().unwrap()]);
    w.cs(["run"]).expect(11);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| notify(&w));
        }
    });
    let (a, b) = (hook.next(), hook.next());
    assert_ne!(a.id(), b.id());
    // Whoever tells the last of it has an outcome to record.
    let mut tries = 0;
    while kinds(&w).iter().filter(|k| *k == "Sent").count() < 2 {
        tries += 1;
        assert!(tries < 100, "the outcomes are recorded");
    }
    // The runbook's page shows the channel and its newest message.
    let page = Browser::of(&server, &w, "ruth").get("/runbook").expect(200).body;
    let part = page.split("<h2>Notifications").nth(1).expect("a part about channels");
    assert!(part.contains("officers") && part.contains("everything arrived") && part.contains("/ledger/"), "{part}");
    drop(server);
    let mut all = kinds(&w);
    all.sort();
    assert_eq!(all, ["Sent", "Sent", "Started", "Started"]);
    assert!(hook.all().is_empty(), "nothing was told twice");
    sound(&w);
}

#[test]
fn two_servers_on_one_database_tell_each_thing_once_between_them() {
    let Some(cluster) = cluster::shared().filter(|_| have_ssh_keygen()) else { return };
    let mut w = World::new();
    let url = cluster.url("told");
    w.ledger = Some(url.clone());
    w.firm();
    w.commit_signed("mia", "app.sh", "echo app\n");
    let hook = Hook::new(&[200]);
    channels(&w, &webhook(&w, "officers", &hook.url, ""));
    // The other one has the same keys and channels, and tables and a pin of its own.
    let other = w.path("data.other");
    let copied = w.command("cp", &w.path("home")).arg("-Rp").args([w.path("data"), other.clone()]).status().unwrap();
    assert!(copied.success());
    let args = ["--ledger", &url, "serve", "--listen", "127.0.0.1:0"];
    let one = Server::start(&w, &args);
    let env = [("COUNTERSIGN_DATA_DIR", other.to_str().unwrap())];
    let two = Server::start_with(&w, &args, &env, std::process::Stdio::null());
    w.cs(["run"]).expect(11);
    let (a, b) = (hook.next(), hook.next());
    assert_ne!(a.id(), b.id());
    let mut tries = 0;
    while kinds(&w).iter().filter(|k| *k == "Sent").count() < 2 {
        tries += 1;
        assert!(tries < 100, "the outcomes are recorded");
    }
    // Each of them has looked again since.
    std::thread::sleep(Duration::from_secs(3));
    for server in [one, two] {
        assert_eq!(server.terminate(), Some(0));
    }
    let mut all = kinds(&w);
    all.sort();
    assert_eq!(all, ["Sent", "Sent", "Started", "Started"]);
    assert!(hook.all().is_empty(), "nothing was told twice");
    w.cs(["verify"]).expect(0);
    w.cs(["ledger", "rebuild", "--check"]).expect(0);
}
