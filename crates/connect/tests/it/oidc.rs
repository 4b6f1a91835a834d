//! Keys of issuers, fetched from servers that do what they should not.

use std::cell::RefCell;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::thread;

use countersign_connect::oidc::{IssuerKeys, OidcError};
use countersign_model::{Diagnostic as _, Timestamp};

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

/// A server that gives these answers, one a request, and ends; and the requests it got. `HERE` is its own address.
fn server(answers: Vec<String>) -> (String, thread::JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let here = format!("http://{}", listener.local_addr().unwrap());
    let address = here.clone();
    let thread = thread::spawn(move || {
        let mut asked = Vec::new();
        for answer in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map(Result::unwrap);
            asked.push(lines.next().unwrap());
            while lines.next().is_some_and(|line| !line.is_empty()) {}
            // Whoever has read enough goes away.
            let _ = stream.write_all(answer.replace("HERE", &address).as_bytes());
        }
        asked
    });
    (here, thread)
}

fn answer(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nconnection: close\r\n\r\n{body}")
}

fn configuration() -> String {
    answer("200 OK", r#"{"issuer": "HERE", "jwks_uri": "HERE/keys"}"#)
}

const SET: &str = r#"{"keys": [{"kty": "RSA"}]}"#;

fn quiet(_: &str) {}

#[track_caller]
fn refused(answers: Vec<String>) -> OidcError {
    let count = answers.len();
    let (issuer, thread) = server(answers);
    let error = IssuerKeys::new(None, NOW, &quiet).of(&issuer, false).unwrap_err();
    assert_eq!(thread.join().unwrap().len(), count);
    error
}

#[test]
fn keys_are_found_by_discovery_and_kept_for_an_hour() {
    let dir = tempfile::tempdir().unwrap();
    let (issuer, thread) = server(vec![configuration(), answer("200 OK", SET)]);
    let at = |now| IssuerKeys::new(Some(dir.path().to_owned()), now, &quiet);
    let fetched = at(NOW).of(&issuer, false).unwrap();
    assert_eq!((fetched.set.as_slice(), fetched.kept), (SET.as_bytes(), false));
    let asked = thread.join().unwrap();
    assert_eq!(asked, ["GET /.well-known/openid-configuration HTTP/1.1", "GET /keys HTTP/1.1"]);
    // The server is gone: what was kept answers, until it is an hour old, or from a clock that goes backwards, or of another issuer.
    assert!(at(NOW.plus_seconds(3599)).of(&issuer, false).unwrap().kept);
    assert_eq!(at(NOW.plus_seconds(3600)).of(&issuer, false).unwrap_err().code(), "CS-OIDC-002");
    assert_eq!(at(NOW.plus_seconds(-1)).of(&issuer, false).unwrap_err().code(), "CS-OIDC-002");
    // Damaged, it is not there.
    let file = std::fs::read_dir(dir.path()).unwrap().next().unwrap().unwrap().path();
    std::fs::write(file, "{").unwrap();
    assert_eq!(at(NOW).of(&issuer, false).unwrap_err().code(), "CS-OIDC-002");
}

#[test]
fn what_fails_on_the_way_is_tried_again_aloud_and_a_refusal_is_not() {
    let (issuer, thread) = server(vec![answer("503 Busy", ""), configuration(), answer("200 OK", SET)]);
    let said = RefCell::new(Vec::new());
    let note = |text: &str| said.borrow_mut().push(text.to_owned());
    IssuerKeys::new(None, NOW, &note).of(&issuer, false).unwrap();
    assert_eq!(thread.join().unwrap().len(), 3);
    let said = said.into_inner();
    assert!(said.len() == 1 && said[0].contains("503") && said[0].contains("trying again (1 of 2)"), "{said:?}");
    assert_eq!(refused(vec![answer("404 Not Found", "")]).code(), "CS-OIDC-003");
}

#[test]
fn redirects_other_issuers_and_too_much_are_refused() {
    let away = "HTTP/1.1 302 Found\r\nlocation: HERE/elsewhere\r\nconnection: close\r\n\r\n".to_owned();
    assert_eq!(refused(vec![away]).code(), "CS-OIDC-003");
    let other = answer("200 OK", r#"{"issuer": "https://other.example", "jwks_uri": "HERE/keys"}"#);
    assert_eq!(refused(vec![other]).code(), "CS-OIDC-004");
    assert_eq!(refused(vec![answer("200 OK", r#"{"issuer": "HERE"}"#)]).code(), "CS-OIDC-004");
    assert_eq!(refused(vec![answer("200 OK", "<html>")]).code(), "CS-OIDC-004");
    let plain = answer("200 OK", r#"{"issuer": "HERE", "jwks_uri": "http://keys.example/x"}"#);
    assert_eq!(refused(vec![plain]).code(), "CS-OIDC-001");
    assert_eq!(refused(vec![configuration(), answer("200 OK", &"x".repeat(300_000))]).code(), "CS-OIDC-004");
}

#[test]
fn a_token_is_asked_for_with_the_audience_and_the_secret_is_in_no_error() {
    let (here, thread) = server(vec![answer("200 OK", r#"{"value": "a.b.c"}"#)]);
    let keys = IssuerKeys::new(None, NOW, &quiet);
    let token =
        keys.github_token(&format!("{here}/token?api-version=2.0"), "the-secret", "https://us.example").unwrap();
    assert_eq!(token, b"a.b.c");
    assert_eq!(thread.join().unwrap(), ["GET /token?api-version=2.0&audience=https%3A%2F%2Fus.example HTTP/1.1"]);
    let (here, thread) = server(vec![answer("403 Forbidden", "")]);
    let error = keys.github_token(&format!("{here}/token?secret=1"), "the-secret", "us").unwrap_err();
    thread.join().unwrap();
    assert!(!format!("{error} {error:?}").contains("secret"), "{error:?}");
}
