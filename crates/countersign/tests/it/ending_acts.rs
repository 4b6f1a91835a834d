//! Taking back what one said, and closing an audit, with a passkey on pages, over HTTP: what counts, and everything that does not.

use super::server::{Browser, said};
use super::server_acts::{prepare, shown};
use super::server_passkeys::{Asked, Site};
use crate::authenticator::Authenticator;

/// A passkey of somebody for the site, and its fingerprint.
fn passkey(site: &Site, person: &str, seed: u8) -> (Authenticator, String) {
    let token = Authenticator::new(seed, &site.token.origin, "localhost");
    let key = site.world.passkey(person, &token, &format!("{person}-{seed}"));
    (token, key)
}

fn sign(browser: &Browser<'_>, token: &mut Authenticator, page: &str, fields: &[(&str, &str)]) -> String {
    let asked = shown(browser, page, fields);
    let done = browser.post(page, &asked.form(&token.get(&asked.challenge))).expect(303);
    done.header("location").unwrap().to_owned()
}

#[test]
fn what_somebody_said_is_taken_back_in_the_browser_as_the_command_line_does() {
    let Some(site) = Site::new() else { return };
    let w = &site.world;
    let (run, page) = (format!("/runs/{}", site.run), format!("/runs/{}/withdraw", site.run));
    let mut token = site.token.clone();
    let dan = site.browser("dan");
    assert!(dan.get(&page).expect(200).body.contains("nothing of yours stands"));
    assert!(!dan.get(&run).expect(200).body.contains(&page) && !dan.get("/approvals").expect(200).body.contains(&page));
    w.by("dan", &["approve", "latest", "--as", "technical"]).expect(0);
    w.by("ruth", &["approve", "latest", "--as", "regulatory"]).expect(0);
    w.cs(["gate", "check", "latest"]).expect(0);
    let index = said(w, "ApprovalSigned")[0]["index"].to_string();
    for from in [run.as_str(), "/approvals"] {
        assert!(dan.get(from).expect(200).body.contains(&format!("href=\"{page}\"")), "{from}");
    }
    let body = dan.get(&page).expect(200).body;
    assert!(body.contains(&format!("href=\"/ledger/{index}\"")) && body.contains("countersign withdraw"), "{body}");
    // Nothing of others is shown as theirs to take back.
    assert!(site.browser("mia").get(&page).expect(200).body.contains("nothing of yours stands"));
    let before = w.size();
    let fields = [("key", site.key.as_str()), ("reason", "I saw <b>another</b> tree")];
    let location = prepare(&dan, &page, &fields).expect(303).header("location").unwrap().to_owned();
    let body = dan.get(&location).expect(200).body;
    assert!(
        body.contains("I saw &lt;b&gt;another&lt;/b&gt; tree") && body.contains("Take back with passkey"),
        "{body}"
    );
    assert_eq!(w.size(), before, "what is only shown is in no log");
    let asked = Asked::on(&dan, &location);
    let good = asked.form(&token.get(&asked.challenge));
    assert_eq!(dan.post(&page, &good).expect(303).header("location"), Some(run.as_str()));
    site.refused_as("withdraw", dan.post(&page, &good), 409, "CS-SERVER-040");
    w.cs(["gate", "check", "latest"]).expect(11);
    let back = said(w, "ApprovalWithdrawn");
    assert_eq!(back.len(), 1);
    let statement = w.cs(["ledger", "show", &back[0]["index"].to_string(), "--statement"]).expect(0).out;
    assert!(statement.contains("I saw <b>another</b> tree") && statement.contains(&site.key), "{statement}");
    assert!(!dan.get("/approvals").expect(200).body.contains(&page));
    // A rejection too; and what is not there cannot be taken back, by hand or here.
    site.refused_as("withdraw", prepare(&dan, &page, &fields), 403, "CS-APPROVAL-019");
    w.by("dan", &["reject", "latest", "--reason", "no"]).expect(0);
    assert_eq!(sign(&dan, &mut token, &page, &fields), run);
    let list = w.cs(["approvals", "list", &site.run, "--format", "json"]).expect(0).json();
    assert!(
        list["said"].as_array().unwrap().iter().all(|s| s["kind"] != "rejection" || !s["withdrawn"].is_null()),
        "{list}"
    );
    w.by("dan", &["approve", "latest", "--as", "technical"]).expect(0);
    w.cs(["verify"]).expect(0);
    w.cs(["ledger", "rebuild", "--check"]).expect(0);
}

#[test]
fn a_withdrawal_that_is_not_what_was_shown_or_of_what_stands_no_more_is_refused_and_recorded() {
    let Some(site) = Site::new() else { return };
    let w = &site.world;
    let page = format!("/runs/{}/withdraw", site.run);
    let token = site.token.clone();
    let dan = site.browser("dan");
    let fields = [("key", site.key.as_str()), ("reason", "moved")];
    w.by("dan", &["approve", "latest", "--as", "technical"]).expect(0);
    let no = |answer, status, code: &str| site.refused_as("withdraw", answer, status, code);
    assert!(prepare(&dan, &page, &[fields[0], ("reason", " ")]).expect(400).body.contains("CS-APPROVAL-026"));
    no(prepare(&dan, &page, &[("key", "SHA256:none"), fields[1]]), 403, "CS-SERVER-041");
    for (bad, code) in [
        (Authenticator { origin: "https://evil.test".into(), ..token.clone() }, "CS-PASSKEY-002"),
        (Authenticator { flags: 0x01, ..token.clone() }, "CS-PASSKEY-005"),
        (Authenticator::new(7, &token.origin, "localhost"), "CS-PASSKEY-009"),
    ] {
        let asked = shown(&dan, &page, &fields);
        no(dan.post(&page, &asked.form(&bad.clone().get(&asked.challenge))), 403, code);
    }
    // The answer to a rejection is none to a withdrawal; another visit's is none.
    let reject = format!("/runs/{}/reject", site.run);
    let (first, second) = (shown(&dan, &page, &fields), shown(&dan, &reject, &fields));
    let swapped = Asked { challenge: second.challenge, ..first };
    no(dan.post(&page, &swapped.form(&token.clone().get(&swapped.challenge))), 403, "CS-PASSKEY-002");
    let ruth = site.browser("ruth");
    let asked = shown(&dan, &page, &fields);
    let stolen = Asked { csrf: ruth.get("/frameworks").expect(200).field("csrf"), ..asked };
    no(ruth.post(&page, &stolen.form(&token.clone().get(&stolen.challenge))), 409, "CS-SERVER-040");
    // What is taken back is taken back meanwhile, or more was said.
    let late = shown(&dan, &page, &fields);
    w.by("dan", &["withdraw", "latest", "--reason", "by hand"]).expect(0);
    no(dan.post(&page, &late.form(&token.clone().get(&late.challenge))), 403, "CS-APPROVAL-019");
    w.by("dan", &["approve", "latest", "--as", "technical"]).expect(0);
    let late = shown(&dan, &page, &fields);
    w.by("dan", &["withdraw", "latest", "--reason", "by hand"]).expect(0);
    w.by("dan", &["approve", "latest", "--as", "technical"]).expect(0);
    let changed = dan.post(&page, &late.form(&token.clone().get(&late.challenge)));
    assert!(changed.status == 409 || changed.status == 503, "{} {}", changed.status, changed.body);
    // An auditor looks at it as they look at the run, and has no such act.
    let olga = site.browser("olga");
    olga.get(&page).expect(403);
    assert!(prepare(&olga, &page, &fields).expect(403).body.contains("CS-SERVER-024"));
    assert_eq!(said(w, "ApprovalWithdrawn").len(), 2, "those by hand");
    w.cs(["verify"]).expect(0);
}

#[test]
fn an_officer_closes_an_audit_in_which_nothing_waits() {
    let Some(site) = Site::new() else { return };
    let w = &site.world;
    let open = ["audit", "open", "--name", "SOX", "--from", "2020-01-01", "--to", "2100-01-01", "--format", "json"];
    let audit = w.by("ruth", &open).expect(0).json()["audit"].as_str().unwrap().to_owned();
    let (of, page) = (format!("/audits/{audit}"), format!("/audits/{audit}/close"));
    let ask = |text: &str| {
        let asked = w.by("olga", &["audit", "request", &audit, "--text", text, "--format", "json"]).expect(0).json();
        asked["request"].as_str().unwrap().to_owned()
    };
    let request = ask("Who?");
    let (mut token, key) = passkey(&site, "ruth", 6);
    let fields = [("key", key.as_str())];
    let ruth = site.browser("ruth");
    assert!(ruth.get(&of).expect(200).body.contains(&format!("href=\"{page}\"")));
    // While a request waits it is closed by nobody.
    let body = ruth.get(&page).expect(200).body;
    assert!(body.contains("not by you, or not now") && !body.contains("/prepare"), "{body}");
    assert!(prepare(&ruth, &page, &fields).status >= 400);
    w.by("ruth", &["audit", "answer", &request, "--text", "Dan."]).expect(0);
    let body = ruth.get(&page).expect(200).body;
    assert!(body.contains("1 request was made, and 1 of them answered") && body.contains("/prepare"), "{body}");
    // More is asked between page and signature, and answered: what is signed counts it no longer.
    let late = shown(&ruth, &page, &fields);
    let more = ask("And who else?");
    w.by("ruth", &["audit", "answer", &more, "--text", "Nobody."]).expect(0);
    let moved = ruth.post(&page, &late.form(&token.clone().get(&late.challenge)));
    assert!(moved.status >= 400 && said(w, "AuditClosed").is_empty(), "{} {}", moved.status, moved.body);
    // Whoever answers for no audit, an auditor, another key, another statement.
    let mia = site.browser("mia");
    mia.get(&page).expect(403);
    let (_, hers) = passkey(&site, "mia", 3);
    site.refused_as("audit close", prepare(&mia, &page, &[("key", &hers)]), 403, "CS-ACCESS-011");
    let olga = site.browser("olga");
    olga.get(&page).expect(403);
    assert!(prepare(&olga, &page, &fields).expect(403).body.contains("CS-SERVER-024"));
    let asked = shown(&ruth, &page, &fields);
    let bad = Authenticator { flags: 0x01, ..token.clone() };
    let answer = ruth.post(&page, &asked.form(&bad.clone().get(&asked.challenge)));
    site.refused_as("audit close", answer, 403, "CS-PASSKEY-005");
    assert_eq!(sign(&ruth, &mut token, &page, &fields), of);
    let closed = said(w, "AuditClosed");
    assert_eq!(closed.len(), 1);
    let statement = w.cs(["ledger", "show", &closed[0]["index"].to_string(), "--statement"]).expect(0).out;
    assert!(statement.contains("\"requests\": 2") || statement.contains("\"requests\":2"), "{statement}");
    let body = ruth.get(&of).expect(200).body;
    assert!(body.contains("closed") && !body.contains(&page), "{body}");
    // It is closed once, and its auditors see nothing through it any more.
    assert!(ruth.get(&page).expect(200).body.contains("not by you, or not now"));
    olga.get(&format!("/runs/{}", site.run)).expect(404);
    w.cs(["verify"]).expect(0);
    w.cs(["ledger", "rebuild", "--check"]).expect(0);
}
