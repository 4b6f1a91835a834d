//! What controls were applied to, as the server keeps it: the same as the command line reads, as it is now in a small ledger, and
//! made beside the requests in a large one; and how auditors take populations away and draw samples of them.

use std::time::{Duration, Instant};

use countersign_evidence::statement::Subject;
use countersign_model::event::EvidenceViewed;
use countersign_model::{Digest, EventKind, StreamId};
use countersign_store::Plan;
use countersign_store::session::SessionError;
use serde_json::Value;

use super::api::{Program, body, code, token};
use super::attacks::session;
use super::audit::deploy;
use super::auditor::{Firm, two};
use super::server::{Answer, Browser, firm, said, serve};
use super::support::World;

const WINDOW: &str = "from=2020-01-01&to=2040-01-01";

/// What the command line reads of the same window.
fn read(world: &World, control: &str, more: &[&str]) -> Result<Value, String> {
    let ask =
        ["audit", "population", "--control", control, "--from", "2020-01-01", "--to", "2040-01-01", "--format", "json"];
    let ran = world.cs(ask.iter().chain(more));
    // It ends with 10 where there are exceptions.
    if [0, 10].contains(&ran.code) { Ok(ran.json()) } else { Err(ran.err) }
}

fn release(world: &World, file: &str) {
    world.commit_signed("mia", file, "echo app\n");
    deploy(world);
}

#[test]
fn of_every_control_it_is_what_the_command_line_reads() {
    let Some(world) = firm() else { return };
    world.by("ada", &["environment", "register", "production", "--tier", "production"]).expect(0);
    let register = ["application", "register", "pay", "--owner", "mia", "--criticality", "low", "--data", "public"];
    world.by("ada", &register).expect(0);
    release(&world, "app.sh");
    world.commit_signed("mia", "unsent.sh", "echo\n");
    world.cs(["run"]).expect(11);
    release(&world, "more.sh");
    let token = token(&world, "mia", "read");
    let server = serve(&world);
    let program = Program::new(&server, &token);
    let controls = body(&program.settled("/api/v1/controls"));
    let (mut full, mut empty) = (0, 0);
    for control in controls["items"].as_array().unwrap() {
        let id = control["control"].as_str().unwrap();
        for more in ["", "&application=pay"] {
            let answer = program.get(&format!("/api/v1/controls/{id}/population?{WINDOW}{more}"));
            let told = read(&world, id, if more.is_empty() { &[] } else { &["--application", "pay"] });
            match told {
                Ok(told) => {
                    let kept = body(&answer.expect(200));
                    for field in ["root", "query", "exceptions", "size", "members"] {
                        assert_eq!(kept[field], told[field], "{id}{more}: {field}");
                    }
                    assert_eq!(kept["count"], told["members"].as_array().unwrap().len(), "{id}{more}");
                    full += 1;
                }
                Err(told) => {
                    assert!(told.contains(&code(&answer)), "{id}{more}: {told}\n{}", answer.body);
                    empty += 1;
                    // What is empty is so of an application, too.
                    break;
                }
            }
        }
    }
    assert!(full > 40 && empty > 10, "{full} {empty}");
}

/// The members that a page shows, and how far of the log it goes.
fn shown(page: &Answer) -> (String, String) {
    let of = |name: &str| {
        let part = page.body.split(&format!("<dt>{name}</dt>")).nth(1).unwrap_or_else(|| panic!("{}", page.body));
        part.split("</dd>").next().unwrap().to_owned()
    };
    (of("Rows"), of("Read up to"))
}

#[test]
fn in_a_small_ledger_it_is_as_it_is_now() {
    let Some(world) = firm() else { return };
    let server = serve(&world);
    let mia = Browser::of(&server, &world, "mia");
    let page = "/controls/dual-approval/population";
    let none = mia.get(page).expect(200);
    assert!(none.body.contains("was applied to nothing in this window"), "{}", none.body);
    for n in 1..4 {
        release(&world, &format!("app{n}.sh"));
        let (rows, _) = shown(&mia.get(page).expect(200));
        assert!(rows.ends_with(&format!(">{n}")), "{rows}");
        let fixed = mia.get(&format!("{page}?{WINDOW}")).expect(200);
        assert!(shown(&fixed).0.ends_with(&format!(">{n}")));
    }
}

/// Waits for what is made beside the requests.
#[track_caller]
fn made(browser: &Browser<'_>, path: &str) -> Answer {
    let begun = Instant::now();
    loop {
        let answer = browser.get(path).expect(200);
        if !answer.body.contains("data-waits=") {
            return answer;
        }
        assert!(answer.body.contains("is being read; this page shows it when it is there"), "{}", answer.body);
        assert!(begun.elapsed() < Duration::from_secs(120), "it is never there");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// As many looks of an auditor as make a ledger a large one.
fn many_looks(world: &World) {
    {
        let server = serve(world);
        drop(Browser::of(&server, world, "olga"));
    }
    let mut session = session(world);
    let visit = session.state().visits(1).unwrap().pop().unwrap();
    let look = EvidenceViewed {
        person: visit.person,
        visit: visit.visit,
        path: "/runs".to_owned(),
        query: None,
        time: session.now(),
    };
    let subject = vec![Subject::sha256("ledger", &Digest::of(b"ledger"))];
    session
        .transact::<_, SessionError>(|s| {
            let stream = || StreamId::from_text("visits");
            let entry =
                || s.machine_entry(EventKind::EvidenceViewed, stream(), subject.clone(), look.clone(), vec![], vec![]);
            Ok((Plan { entries: (0..10_000).map(|_| entry()).collect::<Result<_, _>>()? }, ()))
        })
        .unwrap();
    assert_eq!(session.state().anomalies().unwrap().len(), 0);
}

#[test]
fn in_a_large_ledger_it_is_made_beside_the_requests_kept_and_said_how_far_it_goes() {
    let Some(world) = firm() else { return };
    release(&world, "app.sh");
    many_looks(&world);
    let token = token(&world, "mia", "read");
    let server = serve(&world);
    let (mia, program) = (Browser::of(&server, &world, "mia"), Program::new(&server, &token));
    let page = format!("/controls/dual-approval/population?{WINDOW}");
    let answer = made(&mia, &page);
    let (rows, size) = shown(&answer);
    assert!(rows.ends_with(">1"), "{rows}");
    // A program that asks for it, and the file, are answered from the same.
    let kept = body(&program.get(&format!("/api/v1{page}")).expect(200));
    let told = read(&world, "dual-approval", &[]).unwrap();
    assert_eq!((&kept["root"], &kept["members"]), (&told["root"], &told["members"]));
    let link = answer.body.split("href=\"").find(|rest| rest.contains("format=jsonl")).unwrap();
    let link = link.split('"').next().unwrap().replace("&amp;", "&");
    let file = mia.get(&link).expect(200);
    assert_eq!(file.header("countersign-root"), kept["root"].as_str());
    assert!(file.body.contains(kept["members"][0]["subject"].as_str().unwrap()));
    // It is kept for a while, whatever is appended, and says so; a server that begins anew reads anew.
    release(&world, "more.sh");
    assert_eq!(shown(&made(&mia, &page)), (rows, size.clone()));
    // Another window is read of the log as it is now.
    let other = made(&mia, "/controls/dual-approval/population?from=2020-01-01&to=2041-01-01");
    assert!(shown(&other).0.ends_with(">2"), "{}", other.body);
    assert_ne!(shown(&other).1, size);
    // Applications that are not there are refused at once, and nothing is made for them.
    let answer = program.get(&format!("/api/v1{page}&application=nobody")).expect(400);
    assert_eq!(code(&answer), "CS-AUDIT-034");
}

#[test]
fn of_an_audit_whose_period_is_over_it_is_the_whole_period_where_nothing_else_is_asked_for() {
    let Some(world) = firm() else { return };
    let end = session(&world).now().to_string();
    world.by("ruth", &["audit", "open", "--name", "Until now", "--from", "2019-01-01", "--to", &end]).expect(0);
    let token = token(&world, "mia", "read");
    let server = serve(&world);
    let (program, olga) = (Program::new(&server, &token), Browser::of(&server, &world, "olga"));
    let controls = body(&program.settled("/api/v1/controls"));
    let mut shown = 0;
    for control in controls["items"].as_array().unwrap() {
        let id = control["control"].as_str().unwrap();
        let page = olga.get(&format!("/controls/{id}/population")).expect(200).body;
        if page.contains("applied to nothing in this window") {
            continue;
        }
        for (name, at) in [("From", "2019-01-01T00:00:00.000Z"), ("Before", &end)] {
            assert!(page.contains(&format!("<dt>{name}</dt><dd><code>{at}</code></dd>")), "{id}: {page}");
        }
        shown += 1;
    }
    // What the ledger is as a whole is there at any time.
    assert!(shown > 0);
}

#[test]
fn a_population_is_taken_away_whole_with_what_was_asked_and_that_is_a_look() {
    let Some(Firm { world, a, .. }) = two(&[]) else { return };
    let server = serve(&world);
    let olga = Browser::of(&server, &world, "olga");
    let page = olga.get(&format!("/populations/{}", a.population)).expect(200).body;
    let seal = &said(&world, "PopulationSealed")[0];
    let looks = said(&world, "EvidenceViewed").len();
    let lines = olga.get(&format!("/populations/{}/export?format=jsonl", a.population)).expect(200);
    assert_eq!(said(&world, "EvidenceViewed").len(), looks + 1);
    let digest = countersign_model::Digest::of(lines.body.as_bytes());
    assert!(page.contains(&digest.to_string()), "what is sealed is what is taken away: {digest} {page}");
    assert_eq!(seal["entry"]["attachments"][0]["sha256"], digest.to_string());
    assert_eq!(lines.header("etag"), Some(format!("\"{}\"", digest.hex()).as_str()));
    let encoded = countersign_evidence::encoding::to_base64(digest.as_bytes());
    assert_eq!(lines.header("repr-digest"), Some(format!("sha-256=:{encoded}:").as_str()));
    assert_eq!(lines.header("countersign-rows"), Some("1"));
    let disposition = lines.header("content-disposition").unwrap();
    assert_eq!(disposition, "attachment; filename=\"population-dual-approval-2026-01-01-2031-01-01.jsonl\"");
    let root = lines.header("countersign-root").unwrap();
    let csv = olga.get(&format!("/populations/{}/export?format=csv", a.population)).expect(200).body;
    for said in [
        "# query: deployments\r\n",
        "# rows: 1\r\n",
        "# applications: gateway\r\n",
        root,
        &digest.to_string(),
        &a.grant,
    ] {
        assert!(csv.contains(said), "{said}: {csv}");
    }
    assert!(csv.contains("subject,time,outcome,text,entries\r\n"), "{csv}");
    olga.get(&format!("/populations/{}/export", a.population)).expect(400);
    // What is not sealed, with the link of its page.
    let page = olga.get("/controls/dual-approval/population?from=2026-02-01&to=2030-12-01").expect(200).body;
    let link = page.split("href=\"").find(|rest| rest.contains("format=jsonl")).unwrap().split('"').next().unwrap();
    let file = olga.get(&link.replace("&amp;", "&")).expect(200);
    assert_eq!(file.body, lines.body, "the same members");
    assert!(page.contains(file.header("countersign-root").unwrap()));
    // Who may look at the page may have the file; nobody else.
    Browser::of(&server, &world, "dan").get(&format!("/populations/{}/export?format=csv", a.population)).expect(200);
    Browser::of(&server, &world, "omar").get(&format!("/populations/{}/export?format=csv", a.population)).expect(403);
    assert_eq!(Browser::new(&server).get("/populations/1/export?format=csv").expect(303).body, "");
}

#[test]
fn an_auditor_draws_a_sample_by_their_seed_and_nobody_else_does() {
    let Some(Firm { world, a, b }) = two(&[]) else { return };
    let server = serve(&world);
    let olga = Browser::of(&server, &world, "olga");
    let path = format!("/populations/{}/sample", a.population);
    let csrf = |browser: &Browser<'_>| browser.get("/frameworks").expect(200).field("csrf");
    let own = csrf(&olga);
    let form = format!("csrf={own}&seed=4+6+%27x%27&size=1");
    olga.post(&path, "csrf=guessed&seed=4&size=1").expect(403);
    for bad in ["seed=&size=1", "seed=4&size=0", "seed=4&size=2", "seed=4&size=x", "seed=4"] {
        olga.post(&path, &format!("csrf={own}&{bad}")).expect(400);
    }
    olga.post(&format!("/populations/{}/sample", b.population), &form).expect(404);
    olga.post("/populations/0/sample", &form).expect(404);
    for person in ["ruth", "ada", "dan", "mia"] {
        let other = Browser::of(&server, &world, person);
        let answer = other.post(&path, &format!("csrf={}&seed=4&size=1&audit={}", csrf(&other), a.audit)).expect(403);
        assert!(answer.body.contains("CS-SERVER-024"), "{person}");
    }
    assert_eq!(said(&world, "SampleDrawn").len(), 0);
    let to = olga.post(&path, &form).expect(303).header("location").unwrap().to_owned();
    let drawn = said(&world, "SampleDrawn");
    assert_eq!((drawn.len(), to), (1, format!("/populations/{}?sample={}", a.population, drawn[0]["index"])));
    // The same again is the same.
    olga.post(&path, &form).expect(303);
    assert_eq!(said(&world, "SampleDrawn").len(), 1);
    let page = olga.get(&format!("/populations/{}?sample={}", a.population, drawn[0]["index"])).expect(200).body;
    assert!(
        page.contains("Sample by the seed 4 6 &#39;x&#39;") || page.contains("Sample by the seed 4 6 'x'"),
        "{page}"
    );
    assert!(page.contains("olga") && page.contains("hashlib.sha256") && page.contains(&a.grant), "{page}");
    let entry = olga.get(&format!("/ledger/{}", drawn[0]["index"])).expect(200).body;
    assert!(entry.contains("&quot;by&quot;: &quot;per-"), "who named the seed is in the entry: {entry}");
    // As an auditor does without us.
    let command = page.split("python3 sample.py").nth(1).unwrap().split('<').next().unwrap();
    let command = command.replace("&#39;", "'").replace("&quot;", "\"").replace("&amp;", "&");
    std::fs::write(world.path("sample.py"), countersign_evidence::sample::PYTHON).unwrap();
    let mut python = world.command("sh", &world.path("."));
    let ran = World::finish({
        python.args(["-c", &format!("python3 sample.py {command}")]);
        python
    })
    .expect(0);
    assert_eq!(ran.out, "0\n");
    world.cs(["verify"]).expect(0);
}
