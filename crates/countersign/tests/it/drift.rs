//! What runs is held against what was let through, with the real binary: snapshots, differences, and how they end.

use countersign_model::Digest;
use serde_json::{Value, json};

use crate::server::{Browser, serve};
use crate::support::{Ran, World, have_ssh_keygen};

/// The firm with registered environments, and a clock.
struct Watched {
    w: World,
    minute: u32,
}

fn deployed(w: &World, environment: &str) {
    let j = w.by("omar", &["grant", "issue", "latest", "--env", environment, "--format", "json"]).expect(0).json();
    w.cs(["deploy", "--grant", j["grant"]["id"].as_str().unwrap(), "--", "true"]).expect(0);
}

fn image(text: &str) -> String {
    Digest::of(text.as_bytes()).to_string()
}

impl Watched {
    fn new() -> Self {
        Self::at(Some("2030-01-01T00:00:00Z"))
    }

    /// At a moment, or now: a server has a clock of its own.
    fn at(time: Option<&str>) -> Self {
        let mut w = World::new();
        w.now = time.map(str::to_owned);
        w.firm();
        w.by("ada", &["environment", "register", "production", "--tier", "production"]).expect(0);
        w.by("ada", &["environment", "register", "staging", "--tier", "test"]).expect(0);
        Self { w, minute: 0 }
    }

    fn later(&mut self, minutes: u32) {
        self.minute += minutes;
        let (day, rest) = (1 + self.minute / 1440, self.minute % 1440);
        self.w.now = Some(format!("2030-01-{day:02}T{:02}:{:02}:00Z", rest / 60, rest % 60));
    }

    /// A change whose image is deployed to an environment.
    fn deploy(&mut self, content: &str, environment: &str) {
        self.later(1);
        let w = &self.w;
        w.commit_signed("mia", "app.sh", &format!("echo {content}\n"));
        w.cs(["run", "--env", environment]).expect(11);
        w.cs(["record", "--artifact", &format!("registry.test/shop/pay:1@{}", image(content))]).expect(0);
        w.by("dan", &["approve", "latest", "--as", "technical"]).expect(0);
        w.by("ruth", &["approve", "latest", "--as", "regulatory"]).expect(0);
        deployed(w, environment);
    }

    /// What a cluster says that runs.
    fn pods(&self, running: &[&str]) -> String {
        let items: Vec<Value> = running
            .iter()
            .enumerate()
            .map(|(n, content)| {
                json!({
                    "kind": "Pod", "metadata": {"name": format!("pay-{n}"), "namespace": "shop"},
                    "status": {"phase": "Running", "containerStatuses": [{
                        "name": "pay", "image": format!("registry.test/shop/pay:{content}"),
                        "imageID": format!("registry.test/shop/pay@{}", image(content)), "state": {"running": {}},
                    }]},
                })
            })
            .collect();
        let path = self.w.path("pods.json");
        std::fs::write(&path, json!({"kind": "PodList", "apiVersion": "v1", "items": items}).to_string()).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn snapshot(&mut self, environment: &str, running: &[&str]) -> Ran {
        self.later(20);
        let pods = self.pods(running);
        self.w.cs(["snapshot", environment, "--kubernetes", &pods, "--format", "json"])
    }

    fn kinds(&self, kind: &str) -> usize {
        let j = self.w.cs(["ledger", "entries", "--format", "json"]).expect(0).json();
        j["entries"].as_array().unwrap().iter().filter(|e| e["entry"]["kind"] == kind).count()
    }
}

fn differences(j: &Value) -> Vec<(String, String)> {
    let text = |v: &Value| v.as_str().unwrap().to_owned();
    j["drift"].as_array().unwrap().iter().map(|d| (text(&d["kind"]), text(&d["name"]))).collect()
}

fn pair(kind: &str, name: &str) -> (String, String) {
    (kind.to_owned(), name.to_owned())
}

#[test]
fn what_runs_is_held_against_what_was_let_through_until_it_is_so_again() {
    if !have_ssh_keygen() {
        return;
    }
    let mut d = Watched::new();
    // Nothing was deployed: whatever runs is nobody's.
    d.deploy("one", "production");
    d.w.cs(["drift"]).expect(14);
    let j = d.snapshot("production", &["one", "one"]).expect(0).json();
    assert_eq!((&j["seen"][0]["count"], &j["outcome"], &j["recorded"]), (&2.into(), &"pass".into(), &true.into()));
    assert!(j["seen"][0]["run"].as_str().unwrap().starts_with("run-"), "{j}");
    d.w.cs(["drift", "production"]).expect(0);

    // Somebody put something there by hand.
    let j = d.snapshot("production", &["one", "by-hand"]).expect(12).json();
    assert_eq!(differences(&j), [pair("unknown", "registry.test/shop/pay:by-hand")]);
    assert_eq!((&j["new"], j["told"].is_u64()), (&1.into(), true), "{j}");
    // The same again is no news, and after a while it is on record that somebody looked.
    let j = d.snapshot("production", &["by-hand", "one"]).expect(12).json();
    assert_eq!((&j["new"], &j["told"], &j["recorded"]), (&0.into(), &Value::Null, &true.into()), "{j}");
    let ran = d.w.cs(["drift", "production"]).expect(12);
    assert!(
        ran.out.contains("✗ production: 1 difference") && ran.out.contains("find out who put it there"),
        "{}",
        ran.out
    );
    assert_eq!(d.kinds("DriftDetected"), 1);

    // The new image is out, the old one still runs as well; then it does not.
    d.deploy("two", "production");
    let j = d.snapshot("production", &["two", "one"]).expect(12).json();
    assert_eq!(differences(&j), [pair("replaced", "registry.test/shop/pay:one")]);
    d.snapshot("production", &["two"]).expect(0);
    d.w.cs(["drift"]).expect(0);

    // What was deployed does not run, and what runs was deployed to another place.
    d.deploy("three", "staging");
    let j = d.snapshot("production", &["three"]).expect(12).json();
    assert_eq!(differences(&j), [pair("elsewhere", "registry.test/shop/pay:three"), pair("missing", "pay")]);
    assert!(j["drift"][1]["fix"].as_str().unwrap().starts_with("deploy it again: countersign deploy run-"), "{j}");
    d.snapshot("production", &["two"]).expect(0);

    // What cannot be told is no pass, and is no drift.
    std::fs::write(
        d.w.path("odd.json"),
        r#"{"kind": "PodList", "items": [{"metadata": {"name": "x"}, "status": {"phase": "Running"}}]}"#,
    )
    .unwrap();
    d.later(1);
    d.w.cs(["snapshot", "staging", "--kubernetes", d.w.path("odd.json").to_str().unwrap()]).expect(12);
    let told = |d: &Watched| {
        let wanted = d.w.cs(["notify", "--dry-run", "--format", "json"]).expect(0).json();
        let keys = wanted["wanted"].as_array().unwrap().iter().map(|n| n["notice"]["key"].as_str().unwrap().to_owned());
        keys.filter(|key| key.starts_with("drift-"))
            .map(|key| key.split('/').next().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(told(&d), ["drift-detected"]);
    d.later(8 * 1440);
    assert_eq!(told(&d), ["drift-overdue"]);
    // Of what is no more nobody is asked anything.
    d.w.by("ada", &["environment", "retire", "staging", "--reason", "not used"]).expect(0);
    assert_eq!(told(&d), Vec::<String>::new());

    // All of it is believed by whoever reads the log, and the tables are what it says.
    d.w.cs(["verify"]).expect(0);
    d.w.cs(["ledger", "rebuild", "--check"]).expect(0);
    let j = d.w.cs(["assess", "--framework", "sox", "--format", "json"]);
    let j: Value = serde_json::from_str(&j.out).unwrap();
    let of = |id: &str| {
        let all = j["controls"].as_array().unwrap();
        all.iter().find(|c| c["id"] == id).map(|c| c["outcome"].as_str().unwrap().to_owned())
    };
    assert_eq!(of("production-is-reconciled").as_deref(), Some("fail"), "{j}");
}

#[test]
fn a_look_that_says_the_same_is_recorded_every_quarter_of_an_hour() {
    if !have_ssh_keygen() {
        return;
    }
    let mut d = Watched::new();
    d.deploy("one", "production");
    d.snapshot("production", &["one"]).expect(0);
    for (minutes, recorded) in [(5, false), (9, false), (1, true), (1, false)] {
        d.later(minutes);
        let pods = d.pods(&["one"]);
        let j = d.w.cs(["snapshot", "production", "--kubernetes", &pods, "--format", "json"]).expect(0).json();
        assert_eq!(j["recorded"], recorded, "{minutes}: {j}");
    }
    // What changed is recorded at once, and so is a deployment of the same bytes.
    d.later(1);
    let pods = d.pods(&["one", "one"]);
    let j = d.w.cs(["snapshot", "production", "--kubernetes", &pods, "--format", "json"]).expect(0).json();
    assert_eq!(j["recorded"], true);
    assert_eq!(d.kinds("SnapshotTaken"), 3);
    assert_eq!(d.kinds("DriftDetected"), 0);
}

#[test]
fn files_and_sums_are_looked_at_and_a_snapshot_of_one_application_leaves_the_others_alone() {
    if !have_ssh_keygen() {
        return;
    }
    let mut d = Watched::new();
    d.later(1);
    d.w.commit_signed("mia", "app.sh", "echo app\n");
    d.w.by(
        "ada",
        &[
            "application",
            "register",
            "shop",
            "--owner",
            "mia",
            "--criticality",
            "high",
            "--data",
            "internal",
            "--cardholder-scope",
            "out",
            "--sox-key-system",
            "no",
            "--this-repository",
        ],
    )
    .expect(0);
    let app = d.w.path("app.tar");
    std::fs::write(&app, b"artifact").unwrap();
    let app = app.to_str().unwrap().to_owned();
    d.w.cs(["run"]).expect(11);
    d.w.cs(["record", "--artifact", &app]).expect(0);
    d.w.by("dan", &["approve", "latest", "--as", "technical"]).expect(0);
    d.w.by("ruth", &["approve", "latest", "--as", "regulatory"]).expect(0);
    deployed(&d.w, "production");
    d.later(1);
    d.w.cs(["snapshot", "production", "--file", &app]).expect(0);
    std::fs::write(&app, b"changed").unwrap();
    let ran = d.w.cs(["snapshot", "production", "--file", &app]).expect(12);
    assert!(ran.out.contains("✗ production drifted: 1 part runs, 2 differences"), "{}", ran.out);
    // Another way to look at all of it says that the file is as it was.
    let sums = d.w.path("sums");
    let right = image("artifact");
    std::fs::write(&sums, format!("{}  /srv/app.tar\n", right.trim_start_matches("sha256:"))).unwrap();
    let sums = sums.to_str().unwrap();
    d.later(1);
    // A look at the application does not end what a look at the whole found.
    d.w.cs(["snapshot", "production", "--sums", sums, "--application", "shop"]).expect(0);
    d.w.cs(["drift", "production"]).expect(12);
    d.later(1);
    d.w.cs(["snapshot", "production", "--sums", sums]).expect(0);
    d.w.cs(["drift", "production"]).expect(0);

    for (args, code) in [
        (&["snapshot", "nowhere", "--sums", sums][..], "CS-FREEZE-003"),
        (&["snapshot", "production", "--sums", sums, "--application", "none"], "CS-OPERATE-007"),
        (&["snapshot", "production", "--sums", &app], "CS-OPERATE-004"),
        (&["snapshot", "production", "--kubernetes", &app], "CS-OPERATE-003"),
        (&["snapshot", "production", "--file", "/nowhere/x"], "CS-OPERATE-001"),
    ] {
        let before = d.kinds("SnapshotTaken");
        let ran = d.w.cs(args);
        assert!(ran.code == 2 || ran.code == 3, "{args:?}: {}{}", ran.out, ran.err);
        assert!(ran.err.starts_with(&format!("error[{code}")) && ran.err.contains("help:"), "{args:?}: {}", ran.err);
        assert_eq!(d.kinds("SnapshotTaken"), before);
    }
    d.w.cs(["snapshot", "production"]).expect(2);
    d.w.cs(["verify"]).expect(0);
    d.w.cs(["ledger", "rebuild", "--check"]).expect(0);
}

#[test]
fn a_program_beside_the_cluster_says_what_runs_and_the_server_holds_it_against_the_log() {
    if !have_ssh_keygen() {
        return;
    }
    let d = Watched::at(None);
    d.w.commit_signed("mia", "app.sh", "echo app\n");
    d.w.by(
        "ada",
        &[
            "application",
            "register",
            "shop",
            "--owner",
            "mia",
            "--criticality",
            "high",
            "--data",
            "internal",
            "--cardholder-scope",
            "out",
            "--sox-key-system",
            "no",
            "--this-repository",
        ],
    )
    .expect(0);
    d.w.cs(["run"]).expect(11);
    d.w.cs(["record", "--artifact", &format!("registry.test/shop/pay@{}", image("one"))]).expect(0);
    d.w.by("dan", &["approve", "latest", "--as", "technical"]).expect(0);
    d.w.by("ruth", &["approve", "latest", "--as", "regulatory"]).expect(0);
    deployed(&d.w, "production");
    let token = |more: &[&str]| {
        let args = [&["token", "issue", "--days", "1", "--format", "json"][..], more].concat();
        d.w.by("omar", &args).expect(0).json()["text"].as_str().unwrap().to_owned()
    };
    let (watch, reads) = (token(&["--scope", "observe"]), token(&["--scope", "read"]));
    let of_shop = token(&["--scope", "observe", "--application", "shop"]);
    let server = serve(&d.w);
    let sends = |token: &str, more: &[&str]| {
        let pods = d.pods(&["one", "by-hand"]);
        let mut command = d.w.command(env!("CARGO_BIN_EXE_countersign"), &d.w.path("home"));
        let args = ["snapshot", "production", "--kubernetes", &pods, "--server", &server.url, "--format", "json"];
        command.env("COUNTERSIGN_TOKEN", token).args(args).args(more);
        World::finish(command)
    };
    // A token that reads says nothing, and one of an application says nothing of the others.
    assert!(sends(&reads, &[]).expect(4).err.contains("observe"));
    sends(&of_shop, &[]).expect(3);
    assert_eq!(d.kinds("SnapshotTaken"), 0);
    let j = sends(&watch, &[]).expect(12).json();
    assert_eq!(differences(&j), [pair("unknown", "registry.test/shop/pay:by-hand")]);
    assert_eq!((&j["recorded"], &j["new"], j["told"].is_u64()), (&true.into(), &1.into(), true), "{j}");
    // The answer was lost: the same again is the same entry.
    let again = sends(&watch, &[]).expect(12).json();
    assert_eq!((&again["recorded"], &again["index"]), (&false.into(), &j["index"]), "{again}");
    let j = sends(&of_shop, &["--application", "shop"]).expect(12).json();
    assert_eq!(j["applications"], json!(["shop"]));
    d.w.cs(["drift", "production"]).expect(12);
    // A name is a part of an address, whatever is in it, and an environment that is not there is told.
    d.w.by("ada", &["environment", "register", "eu/west 1?", "--tier", "test"]).expect(0);
    let elsewhere = |environment: &str| {
        let pods = d.pods(&["by-hand"]);
        let mut command = d.w.command(env!("CARGO_BIN_EXE_countersign"), &d.w.path("home"));
        let args = ["snapshot", environment, "--kubernetes", &pods, "--server", &server.url, "--format", "json"];
        command.env("COUNTERSIGN_TOKEN", &watch).args(args);
        World::finish(command)
    };
    assert_eq!(elsewhere("eu/west 1?").expect(12).json()["environment"], "eu/west 1?");
    let ran = elsewhere("nowhere");
    assert!(ran.code != 0 && ran.err.contains("CS-FREEZE-003") && ran.err.contains("help:"), "{}", ran.all());
    let page = Browser::of(&server, &d.w, "ruth").get("/environments?drift=yes").expect(200).body;
    assert!(page.contains("/environments/eu%2Fwest%201%3F"), "{page}");
    Browser::of(&server, &d.w, "ruth").get("/environments/eu%2Fwest%201%3F").expect(200);
    drop(server);
    d.w.cs(["verify"]).expect(0);
    d.w.cs(["ledger", "rebuild", "--check"]).expect(0);
}
