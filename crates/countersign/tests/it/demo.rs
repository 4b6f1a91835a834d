//! The demonstration: played by the real binary, believed in every entry, and marked as one everywhere.

use super::server::Browser;
use super::support::{World, have_ssh_keygen};
use super::witness::Server;
use countersign_model::Role;

#[test]
fn a_demonstration_is_played_by_real_commands_and_says_everywhere_what_it_is() {
    if !have_ssh_keygen() {
        return;
    }
    let world = World::new();
    let dir = world.path("demo");
    let dir = dir.to_str().unwrap();
    let home = world.path("home");
    world.cs_in(&home, ["demo", dir, "--no-serve"]).expect(0);
    let (ledger, data) = (format!("{dir}/ledger"), format!("{dir}/data"));
    let cs = |args: &[&str]| {
        let mut command = world.command(env!("CARGO_BIN_EXE_countersign"), &home);
        command.env("COUNTERSIGN_DATA_DIR", &data).args(["--ledger", &ledger]).args(args);
        World::finish(command)
    };
    let verified = cs(&["verify", "--format", "json"]).expect(0).json();
    assert!(verified["origin"].as_str().unwrap().starts_with("countersign.demo/"), "{verified}");
    let entries = cs(&["ledger", "entries", "--format", "json"]).expect(0).json();
    let entries = entries["entries"].as_array().unwrap();
    let count = |kind: &str| entries.iter().filter(|e| e["entry"]["kind"] == kind).count();
    // Half a year of a firm: what the story tells is there, the refusals included.
    for (kind, least) in [
        ("RunStarted", 50),
        ("ApprovalSigned", 90),
        ("DeploymentRecorded", 45),
        ("BreakGlassReviewed", 2),
        ("WaiverGranted", 1),
        ("AuditAnswered", 1),
        ("PopulationSealed", 1),
        ("ActRefused", 1),
    ] {
        assert!(count(kind) >= least, "{kind}: {}", count(kind));
    }
    // Times go on, and not beyond the present.
    let times: Vec<&str> = entries.iter().map(|e| e["entry"]["time"].as_str().unwrap()).collect();
    assert!(times.is_sorted());
    let pack = world.path("pack.zip");
    let from = times.first().unwrap();
    let to = "2100-01-01";
    cs(&["audit", "pack", "--from", &from[..10], "--to", to, "--out", pack.to_str().unwrap()]).expect(0);
    let mut unpacked = world.command("python3", &home);
    unpacked
        .args(["-c", "import sys, zipfile; print(zipfile.ZipFile(sys.argv[1]).read('index.html').decode())"])
        .arg(&pack);
    assert!(World::finish(unpacked).expect(0).out.contains("A demonstration"));
    // A second time it is served, not played.
    let again = world.cs_in(&home, ["demo", dir, "--no-serve"]).expect(0);
    assert!(again.out.contains("there already"), "{}", again.out);
    let occupied = world.cs_in(&home, ["demo", &data, "--no-serve"]).expect(2);
    assert!(occupied.all().contains("not empty"), "{}", occupied.all());

    let key = format!("{dir}/keys/olga");
    let serve = ["--ledger", &ledger, "serve", "--listen", "127.0.0.1:0"];
    let server = Server::start_with(&world, &serve, &[("COUNTERSIGN_DATA_DIR", &data)], std::process::Stdio::null());
    let login = cs(&["login", "--server", &server.url, "--key", &key, "--format", "json"]).expect(0).json();
    let mut olga = Browser::new(&server);
    olga.follow(login["link"].as_str().unwrap());
    let hers = |page: &countersign_server::PageInfo| !page.path.contains('{') && page.roles.contains(&Role::Auditor);
    for page in countersign_server::pages().filter(hers) {
        let answer = olga.get(page.path).expect(200);
        assert!(answer.body.contains("<strong>Demonstration.</strong>"), "{}", page.path);
    }
    // There is something to learn from: findings in every state but one, in every repository.
    let findings = cs(&["findings", "--state", "all", "--format", "json"]).expect(0).json();
    let states = ["open", "waived", "fixed", "late"].map(|s| findings["states"][s].as_u64().unwrap());
    assert_eq!(states, [5, 2, 5, 4], "{findings}");
    let mut repositories: Vec<&str> =
        findings["findings"].as_array().unwrap().iter().map(|f| f["repository"].as_str().unwrap()).collect();
    repositories.sort_unstable();
    repositories.dedup();
    assert_eq!(repositories.len(), 3, "{repositories:?}");
    // Every number leads to a list of so many rows.
    let walked = super::pages::numbers::walk(&olga, Role::Auditor);
    assert!(walked.wrong.is_empty() && walked.numbers > 150, "{} {:#?}", walked.numbers, walked.wrong);
    // One change waits, whatever of the deployed ones would have to be signed anew.
    let login = cs(&["login", "--server", &server.url, "--key", &format!("{dir}/keys/ruth"), "--format", "json"]);
    let mut ruth = Browser::new(&server);
    ruth.follow(login.expect(0).json()["link"].as_str().unwrap());
    let waiting = ruth.get("/approvals").expect(200).body;
    assert_eq!(waiting.matches("countersign approve ").count(), 1, "{waiting}");
}
