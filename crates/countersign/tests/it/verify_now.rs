//! Verifying the ledger from its page: as the command line does it, by whoever is signed in, beside the requests, and what came of it
//! for everybody who looks.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::server::{Answer, Browser, firm, said, serve};
use super::support::World;

fn ask(browser: &Browser<'_>) -> Answer {
    let csrf = browser.get("/frameworks").expect(200).field("csrf");
    browser.post("/ledger/verify", &format!("csrf={csrf}"))
}

/// The part of the ledger's page about verifying, once nothing is under way.
#[track_caller]
fn settled(browser: &Browser<'_>) -> String {
    let begun = Instant::now();
    loop {
        let body = browser.get("/ledger").expect(200).body;
        let part = body.split("id=\"verified\"").nth(1).unwrap().split("</section>").next().unwrap();
        let state = part.split("data-verification=\"").nth(1).unwrap().split('"').next().unwrap();
        if !state.ends_with("being") {
            return part.to_owned();
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "{part}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[track_caller]
fn verified(browser: &Browser<'_>) -> String {
    assert_eq!(ask(browser).expect(303).header("location"), Some("/ledger#verified"));
    settled(browser)
}

#[test]
fn whoever_is_signed_in_verifies_from_the_page_and_everybody_sees_who_did_and_what_came_of_it() {
    let Some(world) = firm() else { return };
    world.commit_signed("mia", "app.sh", "echo app\n");
    world.cs(["run"]).expect(11);
    let server = serve(&world);
    let (mia, olga) = (Browser::of(&server, &world, "mia"), Browser::of(&server, &world, "olga"));
    let page = settled(&mia);
    assert!(page.contains("data-verification=\"\"") && page.contains("Verify now"), "{page}");
    let before = world.size();
    let page = verified(&mia);
    assert_eq!(world.size(), before, "nothing of it is recorded");
    let command = world.cs(["verify", "--format", "json"]).expect(0).json();
    assert!(page.contains("data-verification=\"1 over\"") && page.contains("by mia"), "{page}");
    assert!(page.contains(" verified</span> every byte is accounted for"), "{page}");
    assert!(page.contains("pinned on this server&#39;s machine") || page.contains("pinned on this server's machine"));
    assert!(page.contains("the pinned one") && page.contains(command["root"].as_str().unwrap()), "{page}");
    // Files are as of one moment: what still waits in the write-ahead log then is a file later.
    assert!(page.contains(&format!("<dd>{} entries, ", command["checked"]["entries"])), "{page}");
    assert!(page.contains(&format!("{} entries</dd>", command["size"])), "{page}");

    // It is no act of the log; that an auditor asked is recorded as their look, and the result is the same for everybody.
    let looks = said(&world, "EvidenceViewed").len();
    ask(&olga).expect(303);
    let asked = said(&world, "EvidenceViewed");
    assert_eq!(asked.len(), looks + 2, "the page that has the form, and the act");
    let index = asked.last().unwrap()["index"].to_string();
    let shown = world.cs(["ledger", "show", &index, "--statement"]).expect(0).out;
    assert!(shown.contains("\"/ledger/verify\""), "{shown}");
    let page = settled(&mia);
    assert!(page.contains("data-verification=\"2 over\"") && page.contains("by olga"), "{page}");
    assert!(settled(&olga).contains("by olga"));
    // Neither without the visit's secret word, nor from elsewhere, nor by nobody.
    let csrf = mia.get("/frameworks").expect(200).field("csrf");
    let kind = ("content-type", "application/x-www-form-urlencoded");
    assert!(mia.post("/ledger/verify", "csrf=guessed").expect(403).body.contains("CS-SERVER-025"));
    let elsewhere = [kind, ("origin", "https://evil.example")];
    mia.send("POST", "/ledger/verify", &elsewhere, &format!("csrf={csrf}")).expect(403);
    let nobody = Browser::new(&server).post("/ledger/verify", &format!("csrf={csrf}")).expect(303);
    assert_eq!(nobody.header("location"), Some("/sign-in"));
    assert!(settled(&mia).contains("data-verification=\"2 over\""));
    // How to be sure without the server is exact: its log, from anywhere that has the trust file.
    let body = mia.get("/ledger").expect(200).body;
    assert!(body.contains(&format!("countersign verify {}/ --trust firm.json", server.url)), "{body}");
    let trust = world.path("firm.json").display().to_string();
    world.cs(["trust", "export", "--out", &trust]).expect(0);
    world.cs(["verify", &format!("{}/", server.url), "--trust", &trust]).expect(0);
    assert!(mia.get("/assets/verify-without-us.md").expect(200).body.starts_with("# Verify without us"));
}

/// What open pages are told as it happens.
#[test]
fn an_open_page_is_told_when_a_verification_begins_and_when_it_is_over() {
    let Some(world) = firm() else { return };
    let server = serve(&world);
    let dan = Browser::of(&server, &world, "dan");
    let host = server.url.trim_start_matches("http://");
    let stream = |from: usize| {
        let mut stream = TcpStream::connect(host).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let cookie = dan.cookie.as_ref().unwrap();
        write!(stream, "GET /live?from={from} HTTP/1.1\r\nhost: {host}\r\ncookie: {cookie}\r\n\r\n").unwrap();
        stream
    };
    let until = |stream: &mut TcpStream, what: &str| {
        let (mut read, mut buffer) = (String::new(), [0; 4096]);
        while !read.contains(what) {
            let n = stream.read(&mut buffer).unwrap();
            assert!(n > 0, "{read}");
            read.push_str(&String::from_utf8_lossy(&buffer[..n]));
        }
        read
    };
    let mut open = stream(world.size());
    let first = until(&mut open, "retry: 1000");
    assert!(!first.contains("verification"), "{first}");
    ask(&dan).expect(303);
    let told = until(&mut open, "\"state\":\"over\"");
    assert!(told.contains("event: verification\ndata: {") && told.contains("\"id\":1"), "{told}");
    assert!(!told.contains("id: "), "it is no entry: {told}");
    // Whoever comes later is told how things stand.
    until(&mut stream(world.size()), "{\"id\":1,\"judged\":null,\"state\":\"over\"}");
}

/// The file of what an entry says.
fn payload(world: &World, kind: &str) -> (u64, PathBuf) {
    let entry = said(world, kind).pop().unwrap();
    let hex = entry["entry"]["payload"]["sha256"].as_str().unwrap().trim_start_matches("sha256:").to_owned();
    let file = world.repo().join(".countersign/blobs/sha256").join(&hex[..2]).join(&hex[2..]);
    (entry["index"].as_u64().unwrap(), file)
}

#[test]
fn what_is_wrong_is_named_with_its_entry_and_stays_shown_until_the_next_time() {
    let Some(world) = firm() else { return };
    world.commit_signed("mia", "app.sh", "echo app\n");
    world.cs(["run"]).expect(11);
    let server = serve(&world);
    let (dan, olga) = (Browser::of(&server, &world, "dan"), Browser::of(&server, &world, "olga"));
    let (index, file) = payload(&world, "DecisionMade");
    let good = std::fs::read(&file).unwrap();
    let mut bad = good.clone();
    *bad.last_mut().unwrap() ^= 1;
    let swap = |bytes: &[u8]| {
        // What is kept is read only.
        std::fs::remove_file(&file).unwrap();
        std::fs::write(&file, bytes).unwrap();
    };
    swap(&bad);
    let page = verified(&dan);
    let command = world.cs(["verify", "--format", "json"]).expect(13).json();
    let problem = &command["problems"][0];
    assert!(page.contains("verification failed</span> ") && page.contains(problem["code"].as_str().unwrap()), "{page}");
    assert!(page.contains(&format!("href=\"/ledger/{index}\"")) && problem["entry"] == index, "{page} {problem}");
    assert!(page.contains(problem["file"].as_str().unwrap()) && !page.contains("every byte"), "{page}");
    // Whoever audits nothing that is open sees that it is so, and not what.
    let hers = settled(&olga);
    assert!(hers.contains(&format!("#{index}")) && !hers.contains(&format!("href=\"/ledger/{index}\"")), "{hers}");
    assert!(hers.contains("outside of your scope") && hers.contains("verification failed"), "{hers}");
    swap(&good);
    assert!(settled(&dan).contains("verification failed"), "until the next time");
    let page = verified(&dan);
    assert!(page.contains("data-verification=\"2 over\"") && page.contains("every byte is accounted for"), "{page}");
    world.cs(["verify"]).expect(0);
}
