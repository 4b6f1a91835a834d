//! Granting, refusing and ending waivers with a passkey on their page, over HTTP: what counts, and everything that does not.

use serde_json::Value;

use super::server::{Browser, said};
use super::server_acts::{prepare, shown};
use super::server_passkeys::{Asked, Site};
use crate::authenticator::Authenticator;

/// Asks for a waiver at the command line; its id, and its page.
fn asked(site: &Site, by: &str, more: &[&str]) -> (String, String) {
    let request = ["waive", "request", "--control", "secrets-out-of-source", "--this-repository", "--format", "json"];
    let accept = ["--accept", "the key is <b>revoked</b>"];
    let made = site.world.by(by, &[&request[..], &accept, more].concat()).expect(0).json();
    let id = made["waiver"].as_str().unwrap().to_owned();
    let page = format!("/waivers/{id}");
    (id, page)
}

/// A passkey of somebody for the site, and its fingerprint.
fn passkey(site: &Site, person: &str, seed: u8) -> (Authenticator, String) {
    let token = Authenticator::new(seed, &site.token.origin, "localhost");
    let key = site.world.passkey(person, &token, &format!("{person}-{seed}"));
    (token, key)
}

fn state(site: &Site, id: &str) -> Value {
    let all = site.world.cs(["waive", "list", "--format", "json"]).expect(0).json();
    let found = all["waivers"].as_array().unwrap().iter().find(|w| w["waiver"] == id);
    found.unwrap_or_else(|| panic!("{id}: {all}")).clone()
}

fn sign(browser: &Browser<'_>, token: &mut Authenticator, page: &str, fields: &[(&str, &str)]) {
    let asked = shown(browser, page, fields);
    let done = browser.post(page, &asked.form(&token.get(&asked.challenge))).expect(303);
    assert_eq!(done.header("location"), Some(page));
}

#[test]
fn the_second_person_grants_refuses_and_ends_a_waiver_on_its_page_as_the_command_line_does() {
    let Some(site) = Site::new() else { return };
    let w = &site.world;
    w.commit_signed("mia", "leak.sh", &format!("export AWS_ACCESS_KEY_ID={}\n", super::support::planted_secret()));
    w.cs(["run", "--ticket", "CHG-1"]).expect(10);
    let (id, page) = asked(&site, "mia", &[]);
    let (mut token, key) = passkey(&site, "ruth", 6);
    let ruth = site.browser("ruth");
    while ruth.get("/findings").expect(200).body.contains("are being taken in") {
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    // What waits for her leads there, and the page has all that she decides about.
    assert!(ruth.get("/").expect(200).body.contains(&format!("href=\"{page}\"")), "posture leads to it");
    assert!(ruth.get("/waivers").expect(200).body.contains(&format!("href=\"{page}\"")));
    let body = ruth.get(&page).expect(200).body;
    for what in ["the key is &lt;b&gt;revoked&lt;/b&gt;", "secrets-out-of-source", "leak.sh:1", "a compliance-officer"]
    {
        assert!(body.contains(what), "{what}: {body}");
    }
    assert!(body.contains("by mia") && body.contains("Nobody has decided about it"), "{body}");
    assert!(body.contains("value=\"grant\"") && body.contains("value=\"reject\""), "{body}");
    let before = w.size();
    let fields = [("key", key.as_str()), ("decision", "grant"), ("reason", "seen <i>together</i>")];
    let location = prepare(&ruth, &page, &fields).expect(303).header("location").unwrap().to_owned();
    let body = ruth.get(&location).expect(200).body;
    assert!(body.contains("seen &lt;i&gt;together&lt;/i&gt;") && body.contains("the grant of a waiver"), "{body}");
    assert!(body.contains("Grant with passkey") && body.contains(&key), "{body}");
    assert_eq!(w.size(), before, "what is only shown is in no log");
    let asked_once = Asked::on(&ruth, &location);
    let good = asked_once.form(&token.get(&asked_once.challenge));
    assert_eq!(ruth.post(&page, &good).expect(303).header("location"), Some(page.as_str()));
    site.refused_as("waive grant", ruth.post(&page, &good), 409, "CS-SERVER-040");
    let granted = said(w, "WaiverGranted");
    assert_eq!(granted.len(), 1);
    let index = granted[0]["index"].to_string();
    let statement = w.cs(["ledger", "show", &index, "--statement"]).expect(0).out;
    assert!(statement.contains("seen <i>together</i>") && statement.contains(&id), "{statement}");
    assert_eq!(state(&site, &id)["state"], "active");
    let body = ruth.get(&page).expect(200).body;
    assert!(body.contains(&format!("href=\"/ledger/{index}\"")) && body.contains("granted"), "{body}");
    assert!(body.contains("value=\"revoke\"") && !body.contains("value=\"grant\""), "{body}");
    assert!(!ruth.get("/").expect(200).body.contains(&page), "nothing waits any more");
    // Granted twice is refused, as by hand; ended once.
    site.refused_as("waive grant", prepare(&ruth, &page, &fields), 403, "CS-WAIVER-005");
    sign(&ruth, &mut token, &page, &[("key", &key), ("decision", "revoke"), ("reason", "it was put right")]);
    assert_eq!(state(&site, &id)["state"], "revoked");
    let body = ruth.get(&page).expect(200).body;
    assert!(body.contains("it was put right") && !body.contains("/prepare"), "{body}");
    // Another is refused.
    let (second, page) = asked(&site, "mia", &["--days", "30"]);
    sign(&ruth, &mut token, &page, &[("key", &key), ("decision", "reject"), ("reason", "fix it")]);
    assert_eq!(state(&site, &second)["state"], "rejected");
    assert_eq!(said(w, "WaiverRejected").len(), 1);
    w.cs(["verify"]).expect(0);
    w.cs(["ledger", "rebuild", "--check"]).expect(0);
}

#[test]
fn a_waiver_that_was_granted_is_renewed_on_a_page_and_granted_by_somebody_else() {
    let Some(site) = Site::new() else { return };
    let w = &site.world;
    let (id, page) = asked(&site, "mia", &["--days", "30"]);
    let renew = format!("{page}/renew");
    let (mut token, key) = passkey(&site, "mia", 3);
    let mia = site.browser("mia");
    let fields = [("key", key.as_str()), ("accept", "it is <i>still</i> old"), ("days", "20")];
    // What was not granted yet does not go on.
    assert!(!mia.get(&page).expect(200).body.contains(&renew));
    let body = mia.get(&renew).expect(200).body;
    assert!(body.contains("not by you, or not now") && !body.contains("/prepare"), "{body}");
    assert!(prepare(&mia, &renew, &fields).expect(403).body.contains("CS-WAIVER-005"));
    w.by("ruth", &["waive", "grant", &id, "--reason", "for a month"]).expect(0);
    assert!(mia.get(&page).expect(200).body.contains(&format!("href=\"{renew}\"")));
    let body = mia.get(&renew).expect(200).body;
    assert!(body.contains("secrets-out-of-source") && body.contains("the key is &lt;b&gt;revoked&lt;/b&gt;"), "{body}");
    let before = w.size();
    for (name, value) in [("days", "0"), ("days", "366"), ("days", "x"), ("accept", " "), ("accept", "a\nb")] {
        let bad: Vec<_> = fields.iter().map(|f| if f.0 == name { (name, value) } else { *f }).collect();
        let answer = prepare(&mia, &renew, &bad);
        assert!((400..500).contains(&answer.status), "{name}={value}: {}", answer.status);
    }
    let location = prepare(&mia, &renew, &fields).expect(303).header("location").unwrap().to_owned();
    let body = mia.get(&location).expect(200).body;
    assert!(body.contains("it is &lt;i&gt;still&lt;/i&gt; old") && body.contains(&id), "{body}");
    assert_eq!(w.size(), before, "what is only shown is in no log");
    let asked_once = Asked::on(&mia, &location);
    let good = asked_once.form(&token.get(&asked_once.challenge));
    let next = mia.post(&renew, &good).expect(303).header("location").unwrap().to_owned();
    site.refused_as("waive request", mia.post(&renew, &good), 409, "CS-SERVER-040");
    let all = w.cs(["waive", "list", "--format", "json"]).expect(0).json();
    let second = all["waivers"].as_array().unwrap().iter().find(|one| one["renews"] == id.as_str()).unwrap().clone();
    let of_second = second["waiver"].as_str().unwrap();
    assert_eq!(next, format!("/waivers/{of_second}"));
    assert_eq!((&second["renewals"], &second["state"]), (&Value::from(1), &Value::from("requested")));
    assert_eq!(second["scope"], state(&site, &id)["scope"]);
    // She who asked does not grant it, and what was ended does not go on.
    let grant = [("key", key.as_str()), ("decision", "grant"), ("reason", "mine")];
    site.refused_as("waive grant", prepare(&mia, &next, &grant), 403, "CS-WAIVER-006");
    w.by("ruth", &["waive", "grant", of_second, "--reason", "once more"]).expect(0);
    assert_eq!(state(&site, of_second)["state"], "active");
    // What is ended while somebody looks at what they would sign does not go on either.
    let late = shown(&mia, &renew, &fields);
    w.by("ruth", &["waive", "revoke", &id, "--reason", "it is used"]).expect(0);
    let requests = said(w, "WaiverRequested").len();
    site.refused_as("waive request", mia.post(&renew, &late.form(&token.get(&late.challenge))), 403, "CS-WAIVER-005");
    assert_eq!(said(w, "WaiverRequested").len(), requests);
    assert!(prepare(&mia, &renew, &fields).expect(403).body.contains("CS-WAIVER-005"));
    w.cs(["verify"]).expect(0);
    w.cs(["ledger", "rebuild", "--check"]).expect(0);
}

#[test]
fn whoever_asked_lacks_the_role_or_signs_something_else_grants_nothing_and_it_is_recorded() {
    let Some(site) = Site::new() else { return };
    let w = &site.world;
    let (id, page) = asked(&site, "ruth", &[]);
    let (token, key) = passkey(&site, "ruth", 6);
    let ruth = site.browser("ruth");
    let grant = [("key", key.as_str()), ("decision", "grant"), ("reason", "I say so")];
    let no = |act: &str, answer, status, code: &str| site.refused_as(act, answer, status, code);
    // Whoever asked takes the request back, and grants nothing.
    let body = ruth.get(&page).expect(200).body;
    assert!(body.contains("Take the request back") && !body.contains("value=\"grant\""), "{body}");
    assert!(!ruth.get("/").expect(200).body.contains(&page), "it does not wait for her");
    no("waive grant", prepare(&ruth, &page, &grant), 403, "CS-WAIVER-006");
    // An engineer decides about none that is another's; a developer neither.
    let mia = site.browser("mia");
    let (_, hers) = passkey(&site, "mia", 3);
    let tries = |decision| [("key", hers.as_str()), ("decision", decision), ("reason", "x")];
    no("waive grant", prepare(&mia, &page, &tries("grant")), 403, "CS-ACCESS-011");
    no("waive reject", prepare(&mia, &page, &tries("reject")), 403, "CS-ACCESS-011");
    let body = mia.get(&page).expect(200).body;
    assert!(body.contains("not by you, or not now") && !body.contains("/prepare"), "{body}");
    // What another control does the work for is a security officer's.
    w.key("cora");
    w.by("ada", &["person", "add", "cora", "--ssh-key", w.public("cora").to_str().unwrap()]).expect(0);
    w.by("ada", &["role", "grant", "cora", "compliance-officer", "--reason", "x"]).expect(0);
    let (token_of_cora, of_cora) = passkey(&site, "cora", 8);
    let cora = site.browser("cora");
    let mitigated = ["--category", "mitigated", "--compensating", "dual-approval"];
    let (_, other) = asked(&site, "mia", &mitigated);
    let fields = [("key", of_cora.as_str()), ("decision", "grant"), ("reason", "x")];
    assert!(!cora.get("/").expect(200).body.contains(&other) && cora.get("/").expect(200).body.contains(&page));
    no("waive grant", prepare(&cora, &other, &fields), 403, "CS-ACCESS-011");
    assert!(cora.get(&other).expect(200).body.contains("dual-approval"));
    // What browsers and passkeys must not get away with.
    for (bad, code) in [
        (Authenticator { origin: "https://evil.test".into(), ..token_of_cora.clone() }, "CS-PASSKEY-002"),
        (Authenticator { flags: 0x01, ..token_of_cora.clone() }, "CS-PASSKEY-005"),
        (Authenticator::new(7, &token.origin, "localhost"), "CS-PASSKEY-009"),
    ] {
        let asked = shown(&cora, &page, &fields);
        no("waive grant", cora.post(&page, &asked.form(&bad.clone().get(&asked.challenge))), 403, code);
    }
    // The answer to a refusal is none for a grant; another page's, another visit's.
    let (first, second) =
        (shown(&cora, &page, &fields), shown(&cora, &page, &[fields[0], ("decision", "reject"), fields[2]]));
    let swapped = Asked { challenge: second.challenge, ..first };
    no(
        "waive grant",
        cora.post(&page, &swapped.form(&token_of_cora.clone().get(&swapped.challenge))),
        403,
        "CS-PASSKEY-002",
    );
    let elsewhere = shown(&cora, &page, &fields);
    let form = elsewhere.form(&token_of_cora.clone().get(&elsewhere.challenge));
    no("waive grant", cora.post(&other, &form), 409, "CS-SERVER-040");
    let asked_here = shown(&cora, &page, &fields);
    let stolen = Asked { csrf: ruth.get("/frameworks").expect(200).field("csrf"), ..asked_here };
    no("waive grant", ruth.post(&page, &stolen.form(&token.clone().get(&stolen.challenge))), 409, "CS-SERVER-040");
    no("waive grant", prepare(&cora, &page, &[("key", &key), fields[1], fields[2]]), 403, "CS-SERVER-041");
    // What no command line takes.
    for (more, status, code) in
        [(("reason", " "), 400, "CS-ACCESS-012"), (("decision", "perhaps"), 400, "CS-SERVER-023")]
    {
        let fields: Vec<_> = fields.iter().copied().filter(|(name, _)| *name != more.0).chain([more]).collect();
        let answer = prepare(&cora, &page, &fields);
        assert!(answer.status == status && answer.body.contains(code), "{}", answer.body);
    }
    prepare(&cora, "/waivers/wai-none", &fields).expect(404);
    // Somebody was faster, or the role ended meanwhile.
    let late = shown(&cora, &page, &fields);
    w.by("ada", &["role", "grant", "cora", "developer", "--reason", "moves"]).expect(0);
    w.by("ada", &["role", "revoke", "cora", "compliance-officer", "--reason", "moved"]).expect(0);
    no("waive grant", cora.post(&page, &late.form(&token_of_cora.clone().get(&late.challenge))), 403, "CS-ACCESS-011");
    w.by("ada", &["role", "grant", "cora", "compliance-officer", "--reason", "is back"]).expect(0);
    let late = shown(&cora, &page, &fields);
    w.by("ruth", &["waive", "reject", &id, "--reason", "taken back"]).expect(0);
    no("waive grant", cora.post(&page, &late.form(&token_of_cora.clone().get(&late.challenge))), 403, "CS-WAIVER-005");
    // An auditor sees it as far as an audit admits them, and has no such act.
    let olga = site.browser("olga");
    olga.get(&page).expect(404);
    assert!(prepare(&olga, &page, &fields).expect(403).body.contains("CS-SERVER-024"));
    w.by("ruth", &["audit", "open", "--name", "SOX", "--from", "2020-01-01", "--to", "2100-01-01"]).expect(0);
    let body = olga.get(&page).expect(200).body;
    assert!(body.contains("taken back") && !body.contains("/prepare"), "{body}");
    assert_eq!((said(w, "WaiverGranted").len(), said(w, "WaiverRejected").len()), (0, 1));
    w.cs(["verify"]).expect(0);
}
