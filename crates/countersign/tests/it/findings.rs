//! The index of findings, by the real binary: what stands how, what a page's numbers lead to, the commands that a page prints, and
//! that what was brought up step by step is what is built from the log, also after a disposal.
#![cfg(debug_assertions)]

use std::path::PathBuf;

use serde_json::{Value, json};

use super::server::{Browser, firm, serve};
use super::support::{World, have_ssh_keygen};

/// Values that look like cloud keys and are none: built here, so that no file of ours holds one.
fn secret(n: u8) -> String {
    format!("{}Z7Q4M2X5K3J6W2V{}", "AKIA", char::from(b'A' + n))
}

fn leak(n: u8) -> String {
    format!("export AWS_ACCESS_KEY_ID={}\n", secret(n))
}

fn findings(w: &World, more: &[&str]) -> Value {
    w.cs(["findings", "--format", "json", "--state", "all"].iter().chain(more)).expect(0).json()
}

/// The index's file.
fn index(w: &World) -> PathBuf {
    let mut dirs = vec![w.path("")];
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                dirs.push(path);
            } else if path.ends_with("findings.db") {
                return path;
            }
        }
    }
    panic!("no index is kept");
}

/// What is kept is what is built from the log.
#[track_caller]
fn same_from_the_beginning(w: &World) -> Value {
    let kept = findings(w, &[]);
    let path = index(w);
    std::fs::remove_file(&path).unwrap();
    for end in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{end}", path.display()));
    }
    let built = findings(w, &[]);
    assert_eq!(kept, built);
    built
}

fn states(found: &Value) -> [u64; 5] {
    ["open", "suppressed", "waived", "fixed", "late"].map(|s| found["states"][s].as_u64().unwrap())
}

#[test]
fn step_by_step_it_is_what_the_log_gives_also_when_waivers_end_and_records_are_disposed_of() {
    if !have_ssh_keygen() {
        return;
    }
    let mut w = World::new();
    w.now = Some("2027-01-10T12:00:00Z".into());
    w.firm();
    w.commit_signed("mia", "gone/first.sh", &leak(0));
    w.cs(["run"]).expect(10);
    assert_eq!(states(&findings(&w, &[])), [1, 0, 0, 0, 0]);
    w.commit_signed("mia", "second.sh", &leak(1));
    w.cs(["run"]).expect(10);
    let first = findings(&w, &[]);
    assert_eq!(states(&first), [2, 0, 0, 0, 0]);
    let sla = first["findings"][0]["due"].as_str().unwrap().to_owned();
    w.commit_signed("mia", "gone/first.sh", "echo\n");
    w.cs(["run"]).expect(10);
    let fixed = same_from_the_beginning(&w);
    assert_eq!(states(&fixed), [1, 0, 0, 1, 0]);
    let open = w.cs(["findings", "--format", "json"]).expect(0).json();
    assert_eq!((&open["count"], &open["findings"][0]["path"]), (&json!(1), &json!("second.sh")));

    // A waiver that ends, and then the day by which it was to be answered.
    let print = open["findings"][0]["fingerprint"].as_str().unwrap().to_owned();
    let mut ask = vec!["waive", "request", "--finding", &print, "--accept", "it opens nothing", "--days", "1"];
    let controls: Vec<String> =
        open["findings"][0]["controls"].as_array().unwrap().iter().map(|c| c.as_str().unwrap().to_owned()).collect();
    for control in &controls {
        ask.extend(["--control", control]);
    }
    ask.extend(["--format", "json"]);
    let waiver = w.by("mia", &ask).expect(0).json()["waiver"].as_str().unwrap().to_owned();
    assert_eq!(states(&findings(&w, &[])), [1, 0, 0, 1, 0], "a request is none");
    w.by("ruth", &["waive", "grant", &waiver, "--reason", "for a day"]).expect(0);
    let waived = same_from_the_beginning(&w);
    assert_eq!(states(&waived), [0, 0, 1, 1, 0]);
    let line = waived["findings"].as_array().unwrap().iter().find(|f| f["state"] == "waived").unwrap();
    assert_eq!(line["waiver"], waiver.as_str());
    w.now = Some(sla.clone());
    assert_eq!(states(&findings(&w, &["--late"])), [1, 0, 0, 1, 1]);
    assert_eq!(states(&same_from_the_beginning(&w)), [1, 0, 0, 1, 1]);
    let late = w.cs(["findings", "--late", "--format", "json"]).expect(0).json();
    assert_eq!((&late["count"], &late["findings"][0]["days_past"]), (&json!(1), &json!(0)));
    let text = w.cs(["findings"]).expect(0).out;
    assert!(text.contains("0 days past SLA") && text.contains("1 of 1 finding;"), "{text}");

    // An application that little depends on weighs less.
    let risk = late["findings"][0]["risk"].as_u64().unwrap();
    let repository = late["findings"][0]["repository"].as_str().unwrap();
    w.by(
        "ada",
        &[
            "application",
            "register",
            "shop",
            "--name",
            "Shop",
            "--owner",
            "omar",
            "--criticality",
            "low",
            "--data",
            "public",
            "--cardholder-scope",
            "out",
            "--repository",
            repository,
        ],
    )
    .expect(0);
    assert_eq!(same_from_the_beginning(&w)["findings"][0]["risk"], risk / 4);

    // One whose record is gone without a certificate is counted, and the command says that it could not look.
    let start = ["retention", "start", "audit-concluded", "--select", "all", "--on", "2027-01-05", "--reason", "AR-7"];
    w.by("ruth", &start).expect(0);
    let before = findings(&w, &[]);
    w.now = Some("2034-06-11T12:00:00Z".into());
    let order = w.path("order.json");
    let order = order.to_str().unwrap();
    w.by("dan", &["ledger", "dispose", "--out", order, "--today", "2034-06-11"]).expect(11);
    w.by("ada", &["ledger", "dispose", order, "--today", "2034-06-11"]).expect(0);
    let bytes = std::fs::read(index(&w)).unwrap();
    for path in ["gone/first.sh", "second.sh"] {
        assert!(!bytes.windows(path.len()).any(|part| part == path.as_bytes()), "{path} stands in the file");
    }
    let after = same_from_the_beginning(&w);
    assert_eq!((&before["disposed"], &after["disposed"], &after["count"]), (&json!(0), &json!(3), &json!(0)));
    w.cs(["run"]).expect(10);
    let again = same_from_the_beginning(&w);
    assert_eq!((states(&again), &again["disposed"]), ([1, 0, 0, 0, 0], &json!(3)));
    assert!(again["findings"][0]["first_time"].as_str().unwrap().starts_with("2034-"), "what is known is known");
}

#[test]
fn a_record_that_cannot_be_read_is_counted_and_never_silence() {
    if !have_ssh_keygen() {
        return;
    }
    let w = World::new();
    w.firm();
    w.commit_signed("mia", "a.sh", &leak(0));
    w.cs(["run"]).expect(10);
    let all = w.cs(["ledger", "entries", "--format", "json"]).expect(0).json();
    let entry = all["entries"].as_array().unwrap().iter().find(|e| e["entry"]["kind"] == "FindingsRecorded").unwrap();
    let digest = entry["entry"]["attachments"][0]["sha256"].as_str().unwrap().strip_prefix("sha256:").unwrap();
    let (shard, rest) = digest.split_at(2);
    std::fs::remove_file(w.repo().join(format!(".countersign/blobs/sha256/{shard}/{rest}"))).unwrap();
    let found = w.cs(["findings", "--format", "json"]).expect(14).json();
    assert_eq!((&found["unread"], &found["count"]), (&json!([entry["index"]]), &json!(0)));
    assert!(w.cs(["findings"]).expect(14).out.contains("1 record is missing or damaged"));
    let server = serve(&w);
    let dan = Browser::of(&server, &w, "dan");
    assert!(dan.get("/findings").expect(200).body.contains("1 record is missing or damaged"));
}

/// The body of a page's first table.
fn rows(page: &str) -> usize {
    page.split("<tbody>").nth(1).map_or(0, |body| body.split("</tbody>").next().unwrap().matches("<tr>").count())
}

/// Addresses of links whose text ends with a number, with the number.
fn numbered(page: &str) -> Vec<(String, usize)> {
    let links = page.split("class=\"filters\"").skip(1).flat_map(|nav| {
        nav.split("</nav>").next().unwrap().split("<a href=\"").skip(1).map(str::to_owned).collect::<Vec<_>>()
    });
    links
        .map(|link| {
            let (href, rest) = link.split_once('"').unwrap();
            let text = rest.split('>').nth(1).unwrap().split('<').next().unwrap();
            (href.replace("&amp;", "&"), text.rsplit(' ').next().unwrap().parse().unwrap())
        })
        .collect()
}

#[test]
fn every_number_leads_to_so_many_rows_and_the_commands_of_the_page_ask_for_waivers() {
    let Some(mut w) = firm() else { return };
    w.now = Some("2027-01-10T12:00:00Z".into());
    let w = w;
    for n in 0..3 {
        w.commit_signed("mia", &format!("it's {n}.sh"), &leak(n));
        w.cs(["run"]).expect(10);
    }
    w.commit_signed("mia", "it's 0.sh", "echo\n");
    w.cs(["run"]).expect(10);
    let all = findings(&w, &[]);
    assert_eq!(states(&all), [2, 0, 0, 1, 0]);
    let mut w = w;
    w.now = Some("2027-03-10T12:00:00Z".into());
    let server = serve(&w);
    let dan = Browser::of(&server, &w, "dan");
    let page = dan.get("/findings").expect(200).body;
    assert_eq!(rows(&page), 2);
    let links = numbered(&page);
    assert_eq!(links.iter().map(|(_, n)| *n).collect::<Vec<_>>()[..6], [2, 0, 0, 1, 3, 2], "{links:?}");
    for (href, number) in &links {
        assert_eq!(rows(&dan.get(href).expect(200).body), *number, "{href}");
    }
    let posture = dan.get("/").expect(200).body;
    let tile = posture.split("href=\"/findings?late=true\"").nth(1).unwrap();
    assert!(tile.starts_with("><span class=\"number\">2</span>"), "{}", &tile[..80]);
    for bad in ["state=x", "severity=x", "late=x", "after=x"] {
        dan.get(&format!("/findings?{bad}")).expect(400);
    }

    // One of them, its history, and what a run's own page leads to.
    let open: Vec<&Value> = all["findings"].as_array().unwrap().iter().filter(|f| f["state"] == "open").collect();
    let hex = |f: &Value| f["fingerprint"].as_str().unwrap().strip_prefix("sha256:").unwrap().to_owned();
    let one = dan.get(&format!("/findings/{}", hex(open[0]))).expect(200).body;
    for part in ["How it is put right", "secrets-out-of-source", "First seen", "days past", "Seen in"] {
        assert!(one.contains(part), "{part}: {one}");
    }
    dan.get(&format!("/findings/{}", "0".repeat(64))).expect(404);
    dan.get("/findings/x").expect(404);
    let run = w.cs(["ledger", "runs", "--format", "json"]).expect(0).json();
    let run = run["runs"].as_array().unwrap().last().unwrap()["run"].as_str().unwrap().to_owned();
    assert!(dan.get(&format!("/runs/{run}")).expect(200).body.contains(&format!("/findings/{}", hex(open[0]))));

    // The commands, as a shell runs them.
    let chosen: Vec<String> = open.iter().map(|f| format!("f-{}=1", hex(f))).collect();
    let asked = format!("/findings/waive?{}&days=30&accept=it%27s+%24%28no%29+risk", chosen.join("&"));
    let page = dan.get(&asked).expect(200).body;
    let code = page.split("<pre").nth(1).unwrap().split("<code>").nth(1).unwrap().split("</code>").next().unwrap();
    let code = code.replace("&amp;", "&").replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"");
    assert_eq!(code.lines().count(), 2);
    let key = w.path("mia");
    for line in code.lines() {
        let binary = env!("CARGO_BIN_EXE_countersign");
        let line = line.replacen("countersign", binary, 1);
        let mut command = w.command("sh", &w.repo());
        command.arg("-c").arg(format!("{line} --key '{}'", key.display()));
        World::finish(command).expect(0);
    }
    let waivers = w.cs(["waive", "list", "--format", "json"]).expect(0).json();
    let waivers = waivers["waivers"].as_array().unwrap();
    assert_eq!(waivers.len(), 2);
    for waiver in waivers {
        assert_eq!(waiver["acceptance"], "it's $(no) risk");
        w.by("ruth", &["waive", "grant", waiver["waiver"].as_str().unwrap(), "--reason", "yes"]).expect(0);
    }
    let page = dan.get("/findings?state=waived").expect(200).body;
    assert_eq!(rows(&page), 2);
    let page = dan.get(&format!("/findings/{}", hex(open[1]))).expect(200).body;
    assert!(page.contains("asked for by mia") && page.contains("granted by ruth"), "{page}");

    // An auditor looks, and asks for nothing.
    let olga = Browser::of(&server, &w, "olga");
    let page = olga.get("/findings?state=all").expect(200).body;
    assert!(!page.contains("checkbox") && !page.contains("/findings/waive"), "{page}");
    olga.get("/findings/waive").expect(403);
}
