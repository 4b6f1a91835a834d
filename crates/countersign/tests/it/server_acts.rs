//! What people sign with a passkey in the pages of the server beside approvals, over HTTP: what counts, and everything that does not.

use super::server::{Answer, Browser};
use super::server_passkeys::{Asked, Site, form, newest};
use crate::authenticator::Authenticator;

/// Sends the form of a page on which something is prepared, and leads to what was made of it.
#[track_caller]
pub(super) fn shown(browser: &Browser<'_>, page: &str, fields: &[(&str, &str)]) -> Asked {
    let answer = prepare(browser, page, fields).expect(303);
    Asked::on(browser, answer.header("location").unwrap())
}

fn prepare(browser: &Browser<'_>, page: &str, fields: &[(&str, &str)]) -> Answer {
    let csrf = browser.get("/frameworks").expect(200).field("csrf");
    browser.post(&format!("{page}/prepare"), &form(&[&[("csrf", csrf.as_str())], fields].concat()))
}

#[test]
fn a_passkey_says_no_in_the_browser_as_the_command_line_does() {
    let Some(site) = Site::new() else { return };
    let path = format!("/runs/{}/reject", site.run);
    let mut token = site.token.clone();
    let dan = site.browser("dan");
    assert!(dan.get(&format!("/approvals/{}/technical", site.run)).expect(200).body.contains(&path));
    let page = dan.get(&path).expect(200).body;
    assert!(page.contains(&format!("countersign reject {}", site.run)) && !page.contains("data-request"), "{page}");
    let before = site.world.size();
    let fields = [("key", site.key.as_str()), ("reason", "it <b>drops</b> the audit trail")];
    let location = prepare(&dan, &path, &fields).expect(303).header("location").unwrap().to_owned();
    let page = dan.get(&location).expect(200).body;
    assert!(page.contains("it &lt;b&gt;drops&lt;/b&gt; the audit trail") && page.contains(&site.key), "{page}");
    assert_eq!(site.world.size(), before, "what is only shown is in no log");
    // It can be looked at again, in its visit alone, and is signed once.
    let asked = Asked::on(&dan, &location);
    site.browser("ruth").get(&location).expect(409);
    let good = asked.form(&token.get(&asked.challenge));
    let done = dan.post(&path, &good).expect(303);
    assert_eq!(done.header("location"), Some(format!("/runs/{}", site.run).as_str()));
    site.refused_as("reject", dan.post(&path, &good), 409, "CS-SERVER-040");
    let said = site.world.cs(["approvals", "list", &site.run, "--format", "json"]).expect(0).json();
    let no = &said["said"][0];
    assert_eq!((no["kind"].as_str(), no["statement"]["slot"].as_str()), (Some("rejection"), Some("technical")));
    assert_eq!(no["statement"]["reason"], "it <b>drops</b> the audit trail");
    assert_eq!(no["statement"]["device"]["key"], site.key.as_str());
    // Twice is refused, by hand and here; taking it back is the command line's.
    site.refused_as("reject", prepare(&dan, &path, &fields), 403, "CS-APPROVAL-018");
    assert!(
        dan.get(&path).expect(200).body.contains("CS-APPROVAL-018")
            || !dan.get(&path).expect(200).body.contains("/prepare")
    );
    site.world.by("dan", &["withdraw", &site.run, "--reason", "it was fixed elsewhere"]).expect(0);
    shown(&dan, &path, &fields);
    site.world.cs(["verify"]).expect(0);
    site.world.cs(["ledger", "rebuild", "--check"]).expect(0);
}

#[test]
fn a_rejection_that_is_not_what_was_shown_or_by_whom_it_may_is_refused_and_recorded() {
    let Some(site) = Site::new() else { return };
    let path = format!("/runs/{}/reject", site.run);
    let token = site.token.clone();
    let dan = site.browser("dan");
    let fields = [("key", site.key.as_str()), ("reason", "no")];
    let no = |answer, status, code: &str| site.refused_as("reject", answer, status, code);
    assert!(prepare(&dan, &path, &[("key", &site.key), ("reason", " ")]).expect(400).body.contains("CS-APPROVAL-026"));
    no(prepare(&dan, &path, &[("key", "SHA256:none"), ("reason", "no")]), 403, "CS-SERVER-041");
    for (bad, code) in [
        (Authenticator { origin: "https://evil.test".into(), ..token.clone() }, "CS-PASSKEY-002"),
        (Authenticator { flags: 0x01, ..token.clone() }, "CS-PASSKEY-005"),
        (Authenticator::new(7, &token.origin, "localhost"), "CS-PASSKEY-009"),
    ] {
        let asked = shown(&dan, &path, &fields);
        no(dan.post(&path, &asked.form(&bad.clone().get(&asked.challenge))), 403, code);
    }
    // What was made for an approval is none for a rejection: the namespaces differ, and so do the places.
    let approval = Asked::on(&dan, &format!("/approvals/{}/technical", site.run));
    let answer = token.clone().get(&approval.challenge);
    no(dan.post(&path, &approval.form(&answer)), 409, "CS-SERVER-040");
    let asked = shown(&dan, &path, &fields);
    no(dan.post(&path, &asked.form(&answer)), 403, "CS-PASSKEY-002");
    // Another visit's, another run's.
    let asked = shown(&dan, &path, &fields);
    let ruth = site.browser("ruth");
    let stolen = Asked { csrf: ruth.get("/").expect(200).field("csrf"), ..asked };
    no(ruth.post(&path, &stolen.form(&token.clone().get(&stolen.challenge))), 409, "CS-SERVER-040");
    let asked = shown(&dan, &path, &fields);
    site.world.commit_signed("mia", "more.sh", "echo more\n");
    site.world.cs(["run"]).expect(11);
    let second = format!("/runs/{}/reject", newest(&site.world));
    no(dan.post(&second, &asked.form(&token.clone().get(&asked.challenge))), 409, "CS-SERVER-040");
    // What it is about changed, or whoever signs may no longer.
    let asked = shown(&dan, &second, &fields);
    site.world.cs(["run", "--ticket", "PAY-9"]).expect(11);
    no(dan.post(&second, &asked.form(&token.clone().get(&asked.challenge))), 409, "CS-RELEASE-011");
    let asked = shown(&dan, &second, &fields);
    site.world.by("ada", &["role", "revoke", "dan", "engineer", "--reason", "moved"]).expect(0);
    let refused = dan.post(&second, &asked.form(&token.clone().get(&asked.challenge)));
    no(refused, 403, "CS-APPROVAL-020");
    // Whoever wrote it has no say, and an auditor has no such act.
    let mia = site.world.passkey("mia", &Authenticator::new(3, &token.origin, "localhost"), "mia");
    let author = site.browser("mia");
    no(prepare(&author, &path, &[("key", &mia), ("reason", "no")]), 403, "CS-APPROVAL-020");
    assert!(!author.get(&path).expect(200).body.contains("/prepare"));
    let olga = site.browser("olga");
    olga.get(&path).expect(403);
    assert!(prepare(&olga, &path, &fields).expect(403).body.contains("CS-SERVER-024"));
    let said = site.world.cs(["approvals", "list", &site.run, "--format", "json"]).expect(0).json();
    assert_eq!(said["said"].as_array().unwrap().len(), 0);
    site.world.cs(["verify"]).expect(0);
}
