//! The machine contract: what other programs read, and the exit codes.

use crate::support::{World, have_ssh_keygen, planted_secret, stable};

#[test]
fn run_prints_one_object() {
    let w = World::with_commit();
    w.commit("deploy.sh", &format!("export AWS_ACCESS_KEY_ID={}\n", planted_secret()));
    let j = w.cs(["run", "--ticket", "CHG-1", "--reason", "because", "--format", "json"]).expect(10).json();
    assert_eq!(j["version"], 1);
    for key in ["id", "commit", "base"] {
        assert!(j["run"].get(key).is_some(), "run.{key}");
    }
    let names: Vec<&str> = j["gates"].as_array().unwrap().iter().map(|g| g["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["pre-commit", "build", "release"]);
    for gate in j["gates"].as_array().unwrap() {
        assert!(gate["outcome"].is_string() && gate["reasons"].is_array() && gate["controls"].is_array(), "{gate}");
    }
    assert_eq!(j["gates"][1]["outcome"], "fail");
    assert_eq!(j["gates"][1]["reasons"][0], "finding");
    assert_eq!(j["decision"]["outcome"], "fail");
    assert!(j["decision"]["digest"].as_str().unwrap().starts_with("sha256:"));
    let f = &j["findings"][0];
    for key in ["rule", "severity", "confidence", "path", "line", "fingerprint", "controls"] {
        assert!(!f[key].is_null(), "findings[0].{key}");
    }
    assert_eq!((f["path"].as_str().unwrap(), f["line"].as_u64().unwrap()), ("deploy.sh", 1));
    let info = w.cs(["ledger", "info", "--format", "json"]).expect(0).json();
    assert_eq!(info["size"], j["receipt"]["size"]);
    assert_eq!(info["root"], j["receipt"]["root"]);
    let checkpoint = std::fs::read_to_string(format!("{}/checkpoint", info["tiles"].as_str().unwrap())).unwrap();
    let lines: Vec<&str> = checkpoint.lines().collect();
    assert_eq!(lines[0], info["origin"].as_str().unwrap());
    assert_eq!(lines[1], info["size"].to_string());
    assert_eq!(lines[2], info["root"].as_str().unwrap());
    assert!(info["vkey"].as_str().unwrap().starts_with(lines[0]));
}

#[test]
fn the_value_of_a_secret_is_nowhere() {
    let w = World::with_commit();
    let secret = planted_secret();
    w.commit("deploy.sh", &format!("export AWS_ACCESS_KEY_ID={secret}\n"));
    for format in ["text", "json", "sarif", "github", "gitlab", "junit"] {
        let ran = w.cs(["run", "--format", format]).expect(10);
        assert!(!ran.out.contains(&secret) && !ran.err.contains(&secret), "{format}");
    }
    assert!(!w.ledger_text().contains(&secret));
}

#[test]
fn the_same_commit_again_is_the_same_run_and_the_same_decision() {
    let w = World::with_commit();
    let first = w.cs(["run", "--format", "json"]).expect(11).json();
    let second = w.cs(["run", "--format", "json"]).expect(11).json();
    assert_eq!(first["run"]["id"], second["run"]["id"]);
    assert_eq!((&first["run"]["attempt"], &second["run"]["attempt"]), (&1.into(), &2.into()));
    assert_eq!(first["decision"]["digest"], second["decision"]["digest"]);
    assert_eq!(second["decision"]["reused"], true);
    // One entry for the attempt, and nothing twice.
    assert_eq!(second["receipt"]["size"], first["receipt"]["size"].as_u64().unwrap() + 1);
    w.commit("other", "x\n");
    let other = w.cs(["run", "--format", "json"]).expect(11).json();
    assert_ne!(first["run"]["id"], other["run"]["id"]);
}

#[test]
fn a_run_keeps_its_ticket_until_another_is_named() {
    let w = World::with_commit();
    let first = w.cs(["run", "--ticket", "CHG-1", "--reason", "why", "--format", "json"]).expect(11).json();
    let second = w.cs(["run", "--ticket", "", "--format", "json"]).expect(11).json();
    assert_eq!(second["change"]["ticket"], "CHG-1", "an empty ticket is none");
    assert_eq!(second["decision"]["digest"], first["decision"]["digest"]);
    let third = w.cs(["run", "--ticket", "CHG-2", "--format", "json"]).expect(11).json();
    assert_eq!((&third["change"]["ticket"], &third["change"]["reason"]), (&"CHG-2".into(), &"why".into()));
    assert_ne!(third["decision"]["digest"], first["decision"]["digest"]);
}

#[test]
fn a_moved_and_renamed_finding_keeps_its_fingerprint() {
    let w = World::with_commit();
    let line = format!("export AWS_ACCESS_KEY_ID={}\n", planted_secret());
    w.commit("a.sh", &line);
    let before = w.cs(["run", "--format", "json"]).expect(10).json();
    std::fs::remove_file(w.repo().join("a.sh")).unwrap();
    w.commit("deep/b.sh", &format!("#!/bin/sh\n\n\n{line}"));
    let after = w.cs(["run", "--format", "json"]).expect(10).json();
    assert_eq!(after["findings"][0]["line"], 4);
    assert_eq!(before["findings"][0]["fingerprint"], after["findings"][0]["fingerprint"]);
    let scan = w.cs(["scan", ".", "--format", "json"]).expect(10).json();
    assert_eq!(scan["findings"][0]["fingerprint"], after["findings"][0]["fingerprint"]);
}

#[test]
fn a_baseline_is_a_request_for_what_was_there_before() {
    if !have_ssh_keygen() {
        return;
    }
    let w = World::new();
    w.write("old.sh", &format!("key={}\n", planted_secret()));
    let early = w.cs(["scan", ".", "--write-baseline", "baseline.json"]).expect(2);
    assert!(early.err.starts_with("error[CS-CLI-019]"), "{}", early.err);
    w.firm();
    w.cs(["scan", ".", "--write-baseline", "baseline.json"]).expect(10);
    assert!(!std::fs::read_to_string(w.repo().join("baseline.json")).unwrap().contains(&planted_secret()));
    w.cs(["scan", ".", "--baseline", "baseline.json"]).expect(0);
    let config = std::fs::read_to_string(w.repo().join("countersign.toml")).unwrap();
    w.write(
        "countersign.toml",
        &config.replace("# baseline = \".countersign-baseline.json\"", "baseline = \"baseline.json\""),
    );
    // The configured one is heard without being named, and not while it is written anew.
    w.cs(["scan", "."]).expect(0);
    w.cs(["scan", ".", "--write-baseline", "baseline.json"]).expect(10);
    w.cs(["scan", "."]).expect(0);
    w.commit_signed("mia", "README", "hello\n");
    let j = w.cs(["run", "--format", "json"]).expect(11).json();
    assert_eq!(j["findings"][0]["state"], "suppression-requested", "{j}");
    assert!(j["gates"][2]["reasons"].to_string().contains("suppression-requested"), "{j}");
    // What comes after the baseline counts.
    w.commit_signed("mia", "new.sh", &format!("other={}\n", planted_secret().replace('Z', "Y")));
    let j = w.cs(["run", "--format", "json"]).expect(10).json();
    let open: Vec<&str> = (j["findings"].as_array().unwrap().iter())
        .filter(|f| f["state"] == "open")
        .map(|f| f["path"].as_str().unwrap())
        .collect();
    assert_eq!(open, ["new.sh"]);
}

#[test]
fn exit_0_pass() {
    let w = World::with_commit();
    insta::assert_snapshot!(stable(&w.cs(["scan", "."]).all(), &w), @r"
    exit 0
    --- stdout
    no findings · 1 file, 6 B · [all] rules
    --- stderr
    ");
}

#[test]
fn exit_1_a_deployment_that_failed() {
    if !have_ssh_keygen() {
        return;
    }
    let w = World::approved();
    let grant = w.by("omar", &["deploy", "latest", "--env", "production", "--format", "json"]).expect(0).json();
    let file = grant["grant"]["file"].as_str().unwrap().to_owned();
    let ran = w.cs(["deploy", "--grant", &file, "--", "sh", "-c", "exit 7"]);
    insta::assert_snapshot!(stable(&ran.all(), &w), @r"
    exit 1
    --- stdout
    --- stderr
    error[CS-CLI-014]: the deployment failed: its command ended with code 7
      help: the failure is recorded; fix its cause, then ask a release manager for another grant
      more: countersign explain CS-CLI-014
    ");
    // A failed deployment deployed nothing: the same release may be tried again, with another grant.
    w.by("omar", &["deploy", "latest", "--env", "production"]).expect(0);
}

#[test]
fn exit_130_interrupted() {
    if !have_ssh_keygen() {
        return;
    }
    let w = World::approved();
    let grant = w.by("omar", &["deploy", "latest", "--env", "production", "--format", "json"]).expect(0).json();
    let id = grant["grant"]["id"].as_str().unwrap().to_owned();
    // As Ctrl-C does: the command and the program that waits for it are both told.
    let ran = w.cs(["deploy", "--grant", &id, "--", "sh", "-c", "kill -INT $PPID; kill -INT $$"]);
    insta::assert_snapshot!(stable(&ran.all(), &w), @r"
    exit 130
    --- stdout
    --- stderr
    error[CS-CLI-018]: the deployment was interrupted
      help: look at what it left behind in the environment, then ask a release manager for another grant
      more: countersign explain CS-CLI-018
    ");
    let entries = w.cs(["ledger", "entries", "--format", "json"]).expect(0).json();
    let last = entries["entries"].as_array().unwrap().last().unwrap().clone();
    assert_eq!(last["entry"]["kind"], "DeploymentRecorded", "the outcome is recorded all the same");
    w.cs(["verify"]).expect(0);
}

#[test]
fn exit_2_usage_or_configuration() {
    let w = World::with_commit();
    w.write("countersign.toml", "version = 1\n\n[release]\nenviroment = \"production\"\n");
    insta::assert_snapshot!(stable(&w.cs(["run"]).all(), &w), @r"
    exit 2
    --- stdout
    --- stderr
    error[CS-CLI-001]: the configuration cannot be read: unknown field `enviroment`, expected `environment` or `approvals`
      --> [dir]/repo/countersign.toml:4
      help: did you mean `environment`? known here: environment, approvals
      more: countersign explain CS-CLI-001
    ");
    assert!(
        !w.repo().join(".countersign").exists(),
        "nothing is recorded under a configuration that is not understood"
    );
    w.cs(["run", "--no-such-flag"]).expect(2);
}

#[test]
fn exit_3_nothing_to_examine() {
    let w = World::new();
    std::fs::create_dir(w.path("empty")).unwrap();
    insta::assert_snapshot!(stable(&w.cs(["scan", "../empty"]).all(), &w), @r"
    exit 3
    --- stdout
    no findings · 0 files, 0 B · [all] rules
    --- stderr
    error[CS-CLI-012]: there is nothing to examine in `../empty`
      help: name a file or a directory with files: countersign scan PATH
      more: countersign explain CS-CLI-012
    ");
}

#[test]
fn exit_4_forbidden() {
    if !have_ssh_keygen() {
        return;
    }
    let w = World::with_commit();
    w.key("dan");
    w.cs(["run"]).expect(11);
    insta::assert_snapshot!(stable(&w.by("dan", &["approve", "latest", "--as", "technical"]).all(), &w), @r"
    exit 4
    --- stdout
    --- stderr
    error[CS-RELEASE-001]: cannot approve: no root of trust is established in this ledger
      help: establish it first: countersign init
      more: countersign explain CS-RELEASE-001
    ");
}

#[test]
fn exit_5_a_ledger_that_cannot_be_written() {
    let w = World::with_commit();
    let ran = w.cs(["run", "--ledger", "/sys/countersign"]).expect(5);
    assert!(ran.err.starts_with("error[CS-LEDGER-007]"), "{}", ran.err);
}

#[test]
fn exit_10_denied() {
    let w = World::with_commit();
    w.commit("deploy.sh", &format!("export AWS_ACCESS_KEY_ID={}\n", planted_secret()));
    let ran = w.cs(["run"]).expect(10);
    assert!(ran.out.contains("deploy.sh:1"), "{}", ran.out);
    assert!(ran.out.contains("✗ build        fail"), "{}", ran.out);
    w.cs(["scan", "."]).expect(10);
}

#[test]
fn exit_11_waiting() {
    let w = World::with_commit();
    let ran = w.cs(["run"]).expect(11);
    assert!(ran.out.contains("no-trust-root"), "{}", ran.out);
}

#[test]
fn exit_13_not_verified() {
    let w = World::with_commit();
    w.cs(["run"]).expect(11);
    w.cs(["verify"]).expect(0);
    let bundle = w.repo().join(".countersign/ledger/tile/entries/000.p/4");
    let mut bytes = std::fs::read(&bundle).unwrap();
    bytes[40] ^= 1;
    std::fs::write(&bundle, bytes).unwrap();
    let ran = w.cs(["verify"]).expect(13);
    assert!(ran.out.contains("ledger/tile/entries/000.p/4"), "{}", ran.out);
    let json = w.cs(["verify", "--format", "json"]).expect(13).json();
    assert_eq!(json["verdict"], "failed");
}

#[test]
fn exit_14_something_could_not_be_looked_at() {
    let w = World::with_commit();
    let fifo = w.repo().join("pipe");
    let mut mkfifo = w.command("mkfifo", &w.repo());
    assert!(mkfifo.arg(&fifo).status().unwrap().success());
    let ran = w.cs(["scan", "."]).expect(14);
    assert!(ran.out.contains("not looked at: pipe"), "{}", ran.out);
}
