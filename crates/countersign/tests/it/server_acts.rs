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

pub(super) fn prepare(browser: &Browser<'_>, page: &str, fields: &[(&str, &str)]) -> Answer {
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
    // Twice is refused, by hand and here; taken back by hand, it can be said again.
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

/// An audit that admits these auditors.
fn audit(site: &Site, name: &str, auditors: &[&str]) -> String {
    let admitted: Vec<&str> = auditors.iter().flat_map(|auditor| ["--auditor", auditor]).collect();
    let open = ["audit", "open", "--name", name, "--from", "2020-01-01", "--to", "2100-01-01", "--format", "json"];
    let opened = site.world.by("ruth", &[&open[..], &admitted].concat()).expect(0).json();
    opened["audit"].as_str().unwrap().to_owned()
}

/// Somebody's passkey for the site, and its fingerprint.
pub(super) fn passkey(site: &Site, person: &str, seed: u8) -> (Authenticator, String) {
    let token = Authenticator::new(seed, &site.token.origin, "localhost");
    let key = site.world.passkey(person, &token, &format!("{person}-{seed}"));
    (token, key)
}

#[test]
fn an_auditor_asks_is_answered_asks_on_and_closes_with_passkeys() {
    let Some(site) = Site::new() else { return };
    let audit = audit(&site, "SOX", &["olga"]);
    let (ask, answer) = (format!("/audits/{audit}/ask"), format!("/audits/{audit}/answer"));
    let olga = site.browser("olga");
    let page = olga.get(&format!("{ask}?control=dual-approval")).expect(200).body;
    assert!(page.contains("You have no passkey") && page.contains("--control dual-approval --text"), "{page}");
    let (mut hers, key) = passkey(&site, "olga", 5);
    let (mut his, officer) = passkey(&site, "ruth", 6);
    let page = olga.get(&format!("{ask}?control=dual-approval")).expect(200).body;
    assert!(page.contains(&format!("action=\"{ask}/prepare\"")), "{page}");
    let text = "Who signed <b>release</b> 7?\r\nPlease show the ticket.";
    let mut fields = vec![("key", key.as_str()), ("audit", &audit), ("control", "dual-approval"), ("text", text)];
    fields.push(("due", "2090-01-01"));
    let location = prepare(&olga, &ask, &fields).expect(303).header("location").unwrap().to_owned();
    let page = olga.get(&location).expect(200).body;
    assert!(page.contains("Who signed &lt;b&gt;release&lt;/b&gt; 7?<br>Please show the ticket."), "{page}");
    assert!(
        page.contains("2090-01-01T00:00:00.000Z") && page.contains("dual-approval") && page.contains(&key),
        "{page}"
    );
    let asked = Asked::on(&olga, &location);
    let good = format!("{}&audit={audit}", asked.form(&hers.get(&asked.challenge)));
    let done = olga.post(&ask, &good).expect(303);
    assert_eq!(done.header("location"), Some(format!("/audits/{audit}?audit={audit}").as_str()));
    site.refused_as("audit request", olga.post(&ask, &good), 409, "CS-SERVER-040");
    let all = site.world.cs(["audit", "requests", &audit, "--format", "json"]).expect(0).json();
    let thread = all["audits"][0]["requests"][0].clone();
    assert_eq!(thread["messages"][0]["text"], text.replace('\r', ""), "{thread}");
    assert_eq!((&thread["control"], &thread["due"]), (&"dual-approval".into(), &"2090-01-01T00:00:00.000Z".into()));
    assert!(!site.world.ledger_text().contains("Who signed"), "the text is sealed");
    let request = thread["request"].as_str().unwrap();

    // An officer answers with a text and entries; the auditor asks on; then nothing more is needed.
    let ruth = site.browser("ruth");
    let link = format!("{answer}?request={request}");
    assert!(ruth.get(&format!("/audits/{audit}")).expect(200).body.contains(&link));
    assert!(ruth.get(&link).expect(200).body.contains("Who signed"));
    let sign = |browser: &Browser<'_>, token: &mut Authenticator, page: &str, fields: &[(&str, &str)]| {
        let asked = shown(browser, page, fields);
        let form = asked.form(&token.get(&asked.challenge));
        let form = if page == ask { format!("{form}&audit={audit}") } else { form };
        browser.post(page, &form).expect(303);
    };
    let reply = [("key", officer.as_str()), ("request", request), ("text", "Dan did."), ("evidence", "#3, 1")];
    sign(&ruth, &mut his, &answer, &reply);
    let on = [("key", key.as_str()), ("audit", &audit), ("request", request), ("text", "And who else?")];
    assert!(olga.get(&format!("{ask}?request={request}")).expect(200).body.contains("Close it"));
    sign(&olga, &mut hers, &ask, &on);
    sign(&ruth, &mut his, &answer, &[("key", &officer), ("request", request), ("text", "Nobody.")]);
    let close = [("key", key.as_str()), ("audit", &audit), ("request", request), ("close", "1")];
    sign(&olga, &mut hers, &ask, &close);
    let thread = site.world.cs(["audit", "thread", request, "--format", "json"]).expect(0).json();
    let kinds: Vec<&str> = thread["messages"].as_array().unwrap().iter().map(|m| m["kind"].as_str().unwrap()).collect();
    assert_eq!((thread["state"].as_str(), kinds.len()), (Some("closed"), 5), "{thread}");
    assert_eq!(thread["messages"][1]["evidence"], serde_json::json!([1, 3]));
    assert_eq!(thread["messages"][2]["text"], "And who else?");
    site.world.cs(["verify"]).expect(0);
    site.world.cs(["ledger", "rebuild", "--check"]).expect(0);
}

#[test]
fn what_is_asked_or_answered_by_others_elsewhere_or_too_late_is_refused_and_recorded() {
    let Some(site) = Site::new() else { return };
    let w = &site.world;
    w.key("ida");
    w.by("ada", &["person", "add", "ida", "--ssh-key", w.public("ida").to_str().unwrap()]).expect(0);
    w.by("ada", &["role", "grant", "ida", "auditor", "--reason", "audits"]).expect(0);
    let (one, two) = (audit(&site, "one", &["olga"]), audit(&site, "two", &["olga", "ida"]));
    let not_hers = audit(&site, "three", &["ida"]);
    let page = |audit: &str, what: &str| format!("/audits/{audit}/{what}");
    let (ask, answer) = (page(&one, "ask"), page(&one, "answer"));
    let (token, key) = passkey(&site, "olga", 5);
    let olga = site.browser("olga");
    let asks = [("key", key.as_str()), ("audit", &one), ("text", "Show me.")];
    let no = |act: &str, answer, status, code: &str| site.refused_as(act, answer, status, code);
    let signed = |asked: &Asked, token: &Authenticator| {
        format!("{}&audit={one}", asked.form(&token.clone().get(&asked.challenge)))
    };
    for (bad, code) in [
        (Authenticator { origin: "https://evil.test".into(), ..token.clone() }, "CS-PASSKEY-002"),
        (Authenticator { flags: 0x01, ..token.clone() }, "CS-PASSKEY-005"),
        (Authenticator::new(7, &token.origin, "localhost"), "CS-PASSKEY-009"),
    ] {
        let asked = shown(&olga, &ask, &asks);
        no("audit request", olga.post(&ask, &signed(&asked, &bad)), 403, code);
    }
    // Another statement's answer, another audit's page, another visit, and an audit that does not admit her.
    let (first, second) = (shown(&olga, &ask, &asks), shown(&olga, &ask, &asks));
    let swapped = Asked { challenge: first.challenge.clone(), ..second };
    no("audit request", olga.post(&ask, &signed(&swapped, &token)), 403, "CS-PASSKEY-002");
    let elsewhere = first.form(&token.clone().get(&first.challenge));
    let elsewhere = format!("{elsewhere}&audit={two}");
    no("audit request", olga.post(&page(&two, "ask"), &elsewhere), 409, "CS-SERVER-040");
    let (ida_token, ida_key) = passkey(&site, "ida", 8);
    let ida = site.browser("ida");
    let asked = shown(&olga, &page(&two, "ask"), &[("key", &key), ("audit", &two), ("text", "Show me.")]);
    let stolen = Asked { csrf: ida.get("/frameworks").expect(200).field("csrf"), ..asked };
    let stolen = format!("{}&audit={two}", stolen.form(&ida_token.clone().get(&stolen.challenge)));
    no("audit request", ida.post(&page(&two, "ask"), &stolen), 409, "CS-SERVER-040");
    let outside = [("key", key.as_str()), ("text", "Show me.")];
    no("audit-request", prepare(&olga, &page(&not_hers, "ask"), &outside), 404, "CS-SERVER-022");
    no(
        "audit request",
        prepare(&olga, &ask, &[("key", &ida_key), ("audit", &one), ("text", "x")]),
        403,
        "CS-SERVER-041",
    );
    // What the command line does not take is not taken here.
    for (more, status, code) in [
        (("text", " "), 400, "CS-AUDIT-068"),
        (("control", "none"), 400, "CS-ASSESS-002"),
        (("due", "2020-01-01"), 400, "CS-AUDIT-069"),
        (("due", "soon"), 400, "CS-SERVER-023"),
        (("request", "req-none"), 404, "CS-SERVER-022"),
    ] {
        let fields: Vec<_> = asks.iter().copied().filter(|(name, _)| *name != more.0).chain([more]).collect();
        assert!(prepare(&olga, &ask, &fields).expect(status).body.contains(code), "{more:?}");
    }
    // Nobody else asks, and an auditor does not answer.
    let (officer, officers) = passkey(&site, "ruth", 6);
    let ruth = site.browser("ruth");
    assert!(prepare(&ruth, &ask, &[("key", &officers), ("text", "x")]).expect(403).body.contains("CS-SERVER-024"));
    assert!(prepare(&olga, &answer, &asks).expect(403).body.contains("CS-SERVER-024"));
    olga.get(&answer).expect(403);
    // An answer that came too late, and one with a key that was revoked meanwhile.
    let asked = w.by("olga", &["audit", "request", &one, "--text", "Who?", "--format", "json"]).expect(0).json();
    let request = asked["request"].as_str().unwrap();
    let reply = [("key", officers.as_str()), ("request", request), ("text", "Dan.")];
    let asked = shown(&ruth, &answer, &reply);
    w.by("ada", &["person", "key", "revoke", "ruth", &officers, "--reason", "lost"]).expect(0);
    no("audit answer", ruth.post(&answer, &asked.form(&officer.clone().get(&asked.challenge))), 403, "CS-IDENTITY-002");
    let (officer, officers) = passkey(&site, "ruth", 9);
    let reply = [("key", officers.as_str()), ("request", request), ("text", "Dan.")];
    let asked = shown(&ruth, &answer, &reply);
    w.by("dan", &["audit", "answer", request, "--text", "I did."]).expect(0);
    let late = ruth.post(&answer, &asked.form(&officer.clone().get(&asked.challenge)));
    assert!(late.status >= 400 && late.body.contains("CS-AUDIT-0"), "{} {}", late.status, late.body);
    let thread = w.cs(["audit", "thread", request, "--format", "json"]).expect(0).json();
    assert_eq!(thread["messages"].as_array().unwrap().len(), 2, "{thread}");
    let all = w.cs(["audit", "requests", &one, "--format", "json"]).expect(0).json();
    assert_eq!(all["audits"][0]["requests"].as_array().unwrap().len(), 1, "nothing else was asked");
    w.cs(["verify"]).expect(0);
}

/// The options with which a page makes a passkey, and the rest of its form.
#[track_caller]
pub(super) fn making(browser: &Browser<'_>) -> Asked {
    let page = browser.get("/passkeys").expect(200);
    let options = page.body.split("data-create=\"").nth(1).expect("a way to make one").split('"').next().unwrap();
    let options: serde_json::Value = serde_json::from_str(&options.replace("&quot;", "\"")).unwrap();
    assert_eq!(options["pubKeyCredParams"], serde_json::json!([{"type": "public-key", "alg": -7}]));
    assert_eq!(options["authenticatorSelection"]["userVerification"], "required");
    assert_eq!((options["rp"]["id"].as_str(), options["attestation"].as_str()), (Some("localhost"), Some("none")));
    Asked {
        csrf: page.field("csrf"),
        prepared: page.field("prepared"),
        challenge: options["challenge"].as_str().unwrap().to_owned(),
    }
}

/// What a page shows under a name, as it stands there.
pub(super) fn told(page: &str, name: &str) -> String {
    let commands = page.split(&format!("aria-label=\"{name}\"")).nth(1).unwrap().split("<code>").nth(1).unwrap();
    let commands = commands.split("</code>").next().unwrap();
    commands
        .replace("&quot;", "\"")
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&#39;", "'")
        .replace("&amp;", "&")
}

#[test]
fn a_passkey_that_the_browser_made_is_enrolled_by_an_administrators_own_act_alone() {
    let Some(site) = Site::new() else { return };
    let w = &site.world;
    let mia = site.browser("mia");
    let token = Authenticator::new(11, &site.token.origin, "localhost");
    let before = w.size();
    let asked = making(&mia);
    let good = asked.form(&token.create(&asked.challenge));
    let done = mia.post("/passkeys", &good).expect(303);
    let location = done.header("location").unwrap().to_owned();
    let page = mia.get(&location).expect(200).body;
    assert_eq!(w.size(), before, "what is only made is in no log");
    assert!(!w.cs(["person", "key", "list", "mia"]).expect(0).out.contains("passkey"));
    // Another visit sees nothing of it, and its request is good once.
    site.browser("dan").get(&location).expect(409);
    site.refused_as("person key add", mia.post("/passkeys", &good), 409, "CS-SERVER-040");
    // Nobody enrols it for themselves; an administrator types exactly what the page says.
    let commands = told(&page, "Commands");
    let typed = |person: &str| {
        let mut shell = w.command("sh", &w.repo());
        let commands = commands.replace("countersign person", "\"$0\" person");
        shell.args([
            "-c",
            &format!("set -e\n{commands} --key \"$1\" --format json"),
            env!("CARGO_BIN_EXE_countersign"),
        ]);
        shell.arg(w.path(person));
        super::support::World::finish(shell)
    };
    assert!(typed("mia").expect(4).all().contains("CS-"));
    let added = typed("ada").expect(0).json();
    let fingerprint = added["key"].as_str().unwrap();
    assert!(page.contains(fingerprint) && page.contains("rp_id = &quot;localhost&quot;"), "{page}");
    let mine = mia.get("/passkeys").expect(200).body;
    assert!(mine.contains(fingerprint) && mine.contains("active"), "{mine}");
    w.cs(["verify"]).expect(0);
}

#[test]
fn what_no_browser_made_for_this_page_is_refused_and_recorded() {
    let Some(site) = Site::new() else { return };
    let token = Authenticator::new(11, &site.token.origin, "localhost");
    let mia = site.browser("mia");
    let no = |answer, status, code: &str| site.refused_as("person key add", answer, status, code);
    for (bad, code) in [
        (Authenticator { origin: "https://evil.test".into(), ..token.clone() }, "CS-PASSKEY-002"),
        (Authenticator { flags: 0x01, ..token.clone() }, "CS-PASSKEY-005"),
    ] {
        let asked = making(&mia);
        no(mia.post("/passkeys", &asked.form(&bad.create(&asked.challenge))), 403, code);
    }
    let (first, second) = (making(&mia), making(&mia));
    no(mia.post("/passkeys", &second.form(&token.create(&first.challenge))), 403, "CS-PASSKEY-002");
    // What would be more than a word of the commands.
    for field in ["id", "rawId", "type"] {
        let asked = making(&mia);
        let mut answer = token.create(&asked.challenge);
        answer[field] = "x\nEND\nrm -rf /tmp/none".into();
        no(mia.post("/passkeys", &asked.form(&answer)), 403, "CS-PASSKEY-001");
    }
    let asked = making(&mia);
    let dan = site.browser("dan");
    let stolen = Asked { csrf: dan.get("/").expect(200).field("csrf"), ..asked };
    no(dan.post("/passkeys", &stolen.form(&token.create(&stolen.challenge))), 409, "CS-SERVER-040");
    // What is made to sign with is no approval, and an auditor makes one like everybody.
    let asked = making(&mia);
    let approval = format!("/approvals/{}/technical", site.run);
    let form = asked.form(&token.clone().get(&asked.challenge));
    site.refused_as("approve", mia.post(&approval, &form), 409, "CS-SERVER-040");
    let olga = site.browser("olga");
    let asked = making(&olga);
    olga.post("/passkeys", &asked.form(&token.create(&asked.challenge))).expect(303);
}

#[test]
fn waivers_of_what_was_chosen_are_asked_for_one_signature_after_the_other() {
    let Some(site) = Site::new() else { return };
    let w = &site.world;
    let leak = |name: &str| {
        w.commit_signed("mia", name, &format!("export AWS_ACCESS_KEY_ID={}\n", super::support::planted_secret()))
    };
    leak("one.sh");
    leak("two.sh");
    w.cs(["run", "--ticket", "CHG-1"]).expect(10);
    let found = w.cs(["findings", "--format", "json"]).expect(0).json();
    let mut prints: Vec<String> = found["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|f| f["fingerprint"].as_str().unwrap().trim_start_matches("sha256:").to_owned())
        .collect();
    prints.sort_unstable();
    prints.dedup();
    assert!(prints.len() >= 2, "{found}");
    let mut token = site.token.clone();
    let dan = site.browser("dan");
    while dan.get("/findings").expect(200).body.contains("are being taken in") {
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    let names: Vec<String> = prints.iter().map(|print| format!("f-{print}")).collect();
    let query: Vec<String> = names.iter().map(|name| format!("{name}=1")).collect();
    let chosen = format!("/findings/waive?{}", query.join("&"));
    assert!(dan.get(&chosen).expect(200).body.contains("Say first what could happen"));
    let mut page = format!("{chosen}&accept=the+keys+are+revoked&days=30");
    let mut signed = 0;
    while page.starts_with("/findings/waive") {
        let shown_page = dan.get(&page).expect(200);
        let body = &shown_page.body;
        assert!(body.contains("/findings/waive/prepare"), "{body}");
        let left: Vec<String> =
            names.iter().filter(|name| body.contains(&format!("name=\"{name}\""))).cloned().collect();
        assert_eq!(left.len(), names.len() - signed);
        let mut fields = vec![("key", site.key.as_str()), ("accept", "the keys are revoked"), ("days", "30")];
        fields.extend(left.iter().map(|name| (name.as_str(), "1")));
        let asked = shown(&dan, "/findings/waive", &fields);
        let done = dan.post("/findings/waive", &asked.form(&token.get(&asked.challenge))).expect(303);
        page = done.header("location").unwrap().to_owned();
        signed += 1;
    }
    assert_eq!((signed, page.as_str()), (names.len(), "/waivers"));
    let all = w.cs(["waive", "list", "--format", "json"]).expect(0).json();
    let mut asked: Vec<String> = all["waivers"].as_array().unwrap().iter().map(|w| w.to_string()).collect();
    asked.sort_unstable();
    assert_eq!(asked.len(), names.len());
    for print in &prints {
        assert_eq!(asked.iter().filter(|waiver| waiver.contains(print.as_str())).count(), 1, "{asked:?}");
    }
    // Whoever audits asks for none, a visitor without a passkey gets the commands, and what is swapped counts for nothing.
    let mia = site.browser("mia");
    let body = mia.get(&chosen).expect(200).body;
    assert!(body.contains("You have no passkey") && body.contains("countersign waive request"), "{body}");
    let fields = [("key", site.key.as_str()), (names[0].as_str(), "1"), ("accept", "x"), ("days", "30")];
    site.refused_as("waive request", prepare(&mia, "/findings/waive", &fields), 403, "CS-SERVER-041");
    assert!(prepare(&site.browser("olga"), "/findings/waive", &fields).expect(403).body.contains("CS-SERVER-024"));
    let (first, second) = (shown(&dan, "/findings/waive", &fields), shown(&dan, "/findings/waive", &fields));
    let swapped = second.form(&token.get(&first.challenge));
    site.refused_as("waive request", dan.post("/findings/waive", &swapped), 403, "CS-PASSKEY-002");
    let no_days = [("key", site.key.as_str()), (names[0].as_str(), "1"), ("accept", "x"), ("days", "400")];
    prepare(&dan, "/findings/waive", &no_days).expect(400);
    w.cs(["verify"]).expect(0);
    w.cs(["ledger", "rebuild", "--check"]).expect(0);
}
