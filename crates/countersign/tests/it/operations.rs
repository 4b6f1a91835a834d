//! What whoever runs a server sees of it, and how little one client can take: numbers, lines, limits.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::server::{Answer, Browser, firm};
use super::support::World;
use super::witness::Server;
use super::workload::missing;

/// Taken and given back: nobody else takes it in between, for the system hands ports out in turn.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn serve(w: &World, more: &[&str], stderr: Stdio) -> Server {
    let ledger = w.repo().join(".countersign");
    let base = ["--ledger", ledger.to_str().unwrap(), "serve", "--listen", "127.0.0.1:0"];
    Server::start_saying(w, &[&base[..], more].concat(), stderr)
}

/// A Python that has Prometheus's own client library.
fn python() -> Option<PathBuf> {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let python = target.join("schemathesis-venv/bin/python");
    let there = target.join("schemathesis-venv").exists()
        && std::fs::read_dir(target.join("schemathesis-venv/lib"))
            .is_ok_and(|dirs| dirs.flatten().any(|dir| dir.path().join("site-packages/prometheus_client").exists()));
    (there || missing("prometheus-client (target/schemathesis-venv/bin/pip install prometheus-client)"))
        .then_some(python)
}

fn scrape(port: u16) -> String {
    ureq::get(format!("http://127.0.0.1:{port}/metrics")).call().unwrap().into_body().read_to_string().unwrap()
}

fn value(text: &str, name: &str) -> f64 {
    let line = text.lines().find(|line| line.starts_with(name) && line[name.len()..].starts_with(' ')).expect(name);
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

#[test]
fn numbers_and_lines_say_what_happened_and_name_nobody() {
    let Some(world) = firm() else { return };
    let port = free_port();
    let said = world.path("said");
    let file = std::fs::File::create(&said).unwrap();
    let address = format!("127.0.0.1:{port}");
    let server = serve(&world, &["--metrics", &address, "--log-format", "json"], file.into());
    let dan = Browser::of(&server, &world, "dan");
    dan.get("/").expect(200);
    let page =
        dan.send("GET", "/runs/run-of-nobody?person=hush-hush", &[("x-request-id", "trace-7.a_B")], "").expect(404);
    assert_eq!(page.header("x-request-id"), Some("trace-7.a_B"));
    assert!(page.body.contains("trace-7.a_B"), "{}", page.body);
    // One that could be read as something else is replaced, and the page says which it is.
    let other = dan.send("GET", "/sign-in/link/", &[("x-request-id", "a\",\"status\":\"200")], "");
    let id = other.header("x-request-id").unwrap();
    assert!(id.len() == 24 && id.bytes().all(|b| b.is_ascii_hexdigit()), "{id}");
    dan.send("GET", "/api/v1/runs", &[("authorization", "Bearer cst_hush-hush")], "").expect(401);
    dan.send("BREW", "/", &[], "").expect(405);
    let stranger = Browser::new(&server);
    stranger.post("/sign-in/link", "token=hush-hush").expect(403);
    assert_eq!(stranger.get("/metrics").status, 404, "numbers are served elsewhere");
    let deadline = Instant::now() + Duration::from_secs(60);
    let text = loop {
        let text = scrape(port);
        if value(&text, "countersign_assessment_timestamp_seconds") > 0.0 || Instant::now() > deadline {
            break text;
        }
        std::thread::sleep(Duration::from_millis(100));
    };
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs_f64();
    for name in ["log_newest_entry", "log_followed", "assessment"] {
        let at = value(&text, &format!("countersign_{name}_timestamp_seconds"));
        assert!((now - at).abs() < 120.0, "{name}: {at}");
    }
    assert!(value(&text, "countersign_log_entries") > 10.0);
    assert_eq!(value(&text, "countersign_http_requests_total{method=\"GET\",route=\"/\",status=\"200\"}"), 1.0);
    assert_eq!(
        value(&text, "countersign_http_requests_total{method=\"GET\",route=\"/runs/{run}\",status=\"404\"}"),
        1.0
    );
    assert_eq!(value(&text, "countersign_http_requests_total{method=\"other\",route=\"/\",status=\"405\"}"), 1.0);
    assert_eq!(value(&text, "countersign_sign_ins_total{method=\"ssh-key\",outcome=\"signed-in\"}"), 1.0);
    assert_eq!(value(&text, "countersign_sign_ins_total{method=\"link\",outcome=\"refused\"}"), 1.0);
    assert_eq!(value(&text, "countersign_sign_ins_total{method=\"token\",outcome=\"refused\"}"), 1.0);
    assert!(value(&text, "countersign_http_request_duration_seconds_count{route=\"/\"}") >= 1.0);
    if let Some(python) = python() {
        let program = "import sys\nfrom prometheus_client.parser import text_string_to_metric_families as parse\n\
                       families = list(parse(sys.stdin.read()))\n\
                       assert len(families) > 12, families\n\
                       for f in families:\n    assert f.documentation and f.type in ('counter', 'gauge', 'histogram'), f\n\
                       for f in families:\n    if f.type == 'histogram':\n        for s in f.samples:\n            if s.name.endswith('_count'):\n                inf = [b.value for b in f.samples if b.labels == {**s.labels, 'le': '+Inf'}]\n                assert inf == [s.value], (s, inf)\n\
                       print(len(families))";
        let mut command = world.command(python.to_str().unwrap(), Path::new("/"));
        command.args(["-c", program]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        let out = child.wait_with_output().unwrap();
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    }
    assert_eq!(server.terminate(), Some(0));
    // Every line is whole, the last one too, and says nothing that somebody asked for.
    let all = std::fs::read_to_string(&said).unwrap();
    let lines: Vec<Value> =
        all.lines().filter(|l| l.starts_with('{')).map(|l| serde_json::from_str(l).expect(l)).collect();
    let of = |id: &str| lines.iter().find(|l| l["request"] == id).cloned().unwrap_or_else(|| panic!("{id}: {all}"));
    let line = of("trace-7.a_B");
    assert_eq!((&line["route"], &line["status"], &line["method"]), (&"/runs/{run}".into(), &404.into(), &"GET".into()));
    assert!(line["milliseconds"].as_f64().unwrap() > 0.0 && line["peer"] == "127.0.0.1" && line["time"].is_string());
    of(id);
    assert!(lines.iter().any(|l| l["code"] == "CS-SERVER-051" && l["status"] == 401), "{all}");
    for hidden in ["hush", "run-of-nobody", "cst_", "dan", "per-"] {
        assert!(!all.contains(hidden) && !text.contains(hidden), "`{hidden}` is said:\n{all}\n{text}");
    }
}

#[test]
fn a_client_that_asks_too_often_is_told_so_and_others_are_served() {
    let Some(world) = firm() else { return };
    let server = serve(&world, &["--rate", "5", "--trusted-proxy", "192.0.2.0/24"], Stdio::null());
    let dan = Browser::of(&server, &world, "dan");
    let stranger = Browser::new(&server);
    // Nobody's cookie or token, and nobody's word on where they come from, makes another client.
    let storm = |path: &str, n: usize| -> Answer {
        let from = format!("198.51.100.{n}");
        let cookie = format!("countersign={n:064x}");
        let token = format!("Bearer cst_{n}");
        stranger.send("GET", path, &[("x-forwarded-for", &from), ("cookie", &cookie), ("authorization", &token)], "")
    };
    let answers: Vec<Answer> = (0..60).map(|n| storm("/assets/style.css", n)).collect();
    let refused: Vec<&Answer> = answers.iter().filter(|a| a.status == 429).collect();
    assert!(answers[0].status == 200 && refused.len() > 10, "{} of 60", refused.len());
    for answer in &refused {
        let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=2).contains(&wait) && answer.body.contains("CS-SERVER-062"));
    }
    let answers: Vec<Answer> = (0..20).map(|n| storm("/api/v1/runs", n)).collect();
    let problem = answers.iter().find(|a| a.status == 429).expect("the same bucket for the API");
    assert_eq!(problem.header("content-type"), Some("application/problem+json"));
    // Whoever is signed in does not pay for it, and has a bucket of their own.
    assert_eq!(dan.get("/").status, 200);
    assert!((0..60).any(|_| dan.get("/access").status == 429));
    drop(server);

    let server = serve(&world, &["--rate", "5", "--trusted-proxy", "127.0.0.1"], Stdio::null());
    let behind = Browser::new(&server);
    let from = |ip: &str| behind.send("GET", "/assets/mark.svg", &[("x-forwarded-for", ip)], "").status;
    assert!((0..60).any(|_| from("198.51.100.1") == 429));
    assert_eq!(from("198.51.100.2"), 200);
    assert_eq!(from("198.51.100.1, 198.51.100.3"), 200, "what the proxy added counts, and not what it was told");
    drop(server);
    let ledger = world.repo().join(".countersign");
    let bad = ["--ledger", ledger.to_str().unwrap(), "serve", "--listen", "127.0.0.1:0", "--trusted-proxy", "proxy"];
    assert!(world.cs(bad).expect(2).err.contains("CS-SERVER-007"));
}

/// What is answered to these bytes.
fn raw(server: &Server, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(server.url.trim_start_matches("http://")).unwrap();
    // The server may have said no before all of it was sent.
    let _ = stream.write_all(bytes);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn what_is_too_large_too_slow_or_two_things_at_once_is_refused() {
    let Some(world) = firm() else { return };
    let server = serve(&world, &["--log-format", "off"], Stdio::null());
    let host = server.url.trim_start_matches("http://").to_owned();
    // Slow ones first: they take as long as they may, beside the rest.
    let slow: Vec<_> = [
        (format!("GET /sign-in HTTP/1.1\r\nhost: {host}\r\nx: "), 20),
        (format!("POST /sign-in/link HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/x-www-form-urlencoded\r\ncontent-length: 1000\r\n\r\ntoken="), 35),
    ]
    .into_iter()
    .map(|(begin, most)| {
        let host = host.clone();
        std::thread::spawn(move || {
            let began = Instant::now();
            let mut stream = TcpStream::connect(host).unwrap();
            stream.write_all(begin.as_bytes()).unwrap();
            while stream.write_all(b"a").is_ok() && began.elapsed() < Duration::from_secs(60) {
                std::thread::sleep(Duration::from_millis(500));
            }
            (began.elapsed(), most)
        })
    })
    .collect();

    let head = |more: &str| format!("GET /sign-in HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n{more}\r\n");
    let refused = |bytes: &[u8], what: &str| {
        let answer = raw(&server, bytes);
        let status = answer.split(' ').nth(1).unwrap_or("none");
        assert!(answer.is_empty() || status.starts_with('4'), "{what}: {answer}");
    };
    assert!(raw(&server, head("").as_bytes()).starts_with("HTTP/1.1 200"));
    refused(head(&format!("x: {}\r\n", "a".repeat(1 << 20))).as_bytes(), "a head of a mebibyte");
    refused(head(&"x: y\r\n".repeat(5000)).as_bytes(), "very many headers");
    refused(format!("GET /{} HTTP/1.1\r\nhost: {host}\r\n\r\n", "a".repeat(1 << 20)).as_bytes(), "a long address");
    let post = |more: &str| {
        format!(
            "POST /sign-in/link HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\ncontent-type: application/x-www-form-urlencoded\r\n{more}\r\n"
        )
    };
    let large = raw(&server, post("content-length: 1000000000\r\n").as_bytes());
    assert!(large.starts_with("HTTP/1.1 413"), "{large}");
    let chunk = format!("100000\r\n{}\r\n", "a".repeat(1 << 20));
    refused((post("transfer-encoding: chunked\r\n") + &chunk.repeat(4) + "0\r\n\r\n").as_bytes(), "chunks without end");
    // What two readers could read as two requests (RFC 9112 6.3).
    refused(post("content-length: 3\r\ncontent-length: 4\r\n").as_bytes(), "two lengths");
    refused(
        (post("content-length: 3\r\ntransfer-encoding: xchunked\r\n") + "a=b").as_bytes(),
        "an encoding nobody knows",
    );
    refused(head("x y: z\r\n").as_bytes(), "a name with a space");
    refused(head("x\u{0}: z\r\n").as_bytes(), "a name with a NUL");
    refused(head("x-request-id: a\rb\r\n").as_bytes(), "a bare CR");
    refused(
        format!("GET /sign-in HTTP/1.1\r\nhost: {host}\r\nhost: evil.example\r\nconnection: close\r\n\r\n").as_bytes(),
        "two hosts",
    );
    refused(b"GET /sign-in HTTP/1.1\r\nconnection: close\r\n\r\n", "no host");
    // Nothing of an address or a header becomes a line of an answer's head.
    for path in [
        "/%0d%0aset-cookie:%20x=y",
        "/runs/%0d%0aset-cookie:%20x=y",
        "/sign-in/link/%0d%0aset-cookie:%20x=y",
        "/sign-in/oidc/callback?state=%0d%0aset-cookie:%20x=y",
    ] {
        let answer = raw(
            &server,
            format!(
                "GET {path} HTTP/1.1\r\nhost: {host}\r\nx-request-id: %0d%0aset-cookie\r\nconnection: close\r\n\r\n"
            )
            .as_bytes(),
        );
        let head = answer.split("\r\n\r\n").next().unwrap().to_ascii_lowercase();
        assert!(!head.is_empty() && !head.contains("set-cookie"), "{path}: {head}");
    }
    for thread in slow {
        let (took, most) = thread.join().unwrap();
        assert!(took < Duration::from_secs(most), "it took {took:?}");
    }
    assert!(raw(&server, head("").as_bytes()).starts_with("HTTP/1.1 200"));
}
