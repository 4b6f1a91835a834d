//! Approving and signing in with a passkey in the pages of the server, over HTTP, with a browser and an authenticator in software: what
//! counts, and everything that does not.

use std::net::TcpListener;

use serde_json::{Value, json};

use super::server::{Answer, Browser, firm, said};
use super::support::World;
use super::witness::Server;
use crate::authenticator::Authenticator;

/// A firm whose server is reached by a name, so that passkeys can be made for it.
pub(super) struct Site {
    pub(super) world: World,
    pub(super) server: Server,
    pub(super) run: String,
    pub(super) token: Authenticator,
    pub(super) key: String,
}

impl Site {
    /// Mia has a change that waits, and Dan has a passkey.
    pub(super) fn new() -> Option<Self> {
        let world = firm()?;
        // Taken and given back: nobody else takes it in between, for the system hands ports out in turn.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let origin = format!("http://localhost:{port}");
        world.write("countersign.toml", &format!("[passkeys]\norigin = \"{origin}\"\nrp_id = \"localhost\"\n"));
        world.git(["add", "countersign.toml"]);
        world.commit_signed("mia", "app.sh", "echo app\n");
        world.cs(["run"]).expect(11);
        let run = newest(&world);
        let token = Authenticator::new(1, &origin, "localhost");
        let key = world.passkey("dan", &token, "dan");
        let ledger = world.repo().join(".countersign");
        let listen = format!("127.0.0.1:{port}");
        let server = Server::start(
            &world,
            &["--ledger", ledger.to_str().unwrap(), "serve", "--listen", &listen, "--origin", &origin],
        );
        Some(Self { world, server, run, token, key })
    }

    pub(super) fn browser(&self, person: &str) -> Browser<'_> {
        Browser::of(&self.server, &self.world, person)
    }

    fn page(&self) -> String {
        format!("/approvals/{}/technical", self.run)
    }

    #[track_caller]
    fn refused(&self, answer: Answer, status: u16, code: &str) {
        self.refused_as("approve", answer, status, code);
    }

    /// The answer is a refusal, and the newest refusal in the log is of that act.
    #[track_caller]
    pub(super) fn refused_as(&self, act: &str, answer: Answer, status: u16, code: &str) {
        let answer = answer.expect(status);
        assert!(answer.body.contains(code) && answer.body.contains("countersign explain"), "{}", answer.body);
        let recorded = self.world.refused();
        assert!(recorded.contains(code) && recorded.contains(&format!("\"{act}\"")), "{recorded}");
    }
}

pub(super) fn newest(world: &World) -> String {
    world.cs(["gate", "check", "--format", "json"]).json()["run"]["id"].as_str().unwrap().to_owned()
}

/// What a page asks the passkey for.
pub(super) struct Asked {
    pub(super) csrf: String,
    pub(super) prepared: String,
    pub(super) challenge: String,
}

impl Asked {
    #[track_caller]
    pub(super) fn on(browser: &Browser<'_>, path: &str) -> Self {
        let page = browser.get(path).expect(200);
        let options =
            page.body.split("data-request=\"").nth(1).expect("a statement to sign").split('"').next().unwrap();
        let options: Value = serde_json::from_str(&options.replace("&quot;", "\"")).unwrap();
        assert_eq!(options["userVerification"], "required");
        Self {
            csrf: page.field("csrf"),
            prepared: page.field("prepared"),
            challenge: options["challenge"].as_str().unwrap().to_owned(),
        }
    }

    pub(super) fn form(&self, answer: &Value) -> String {
        form(&[("csrf", &self.csrf), ("prepared", &self.prepared), ("answer", &answer.to_string())])
    }
}

pub(super) fn form(fields: &[(&str, &str)]) -> String {
    let encoded = |text: &str| -> String {
        text.bytes()
            .map(|b| if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("%{b:02X}") })
            .collect()
    };
    fields.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect::<Vec<_>>().join("&")
}

#[test]
fn a_passkey_approves_in_the_browser_exactly_what_the_page_shows() {
    let Some(mut site) = Site::new() else { return };
    let path = site.page();
    let mut token = site.token.clone();
    {
        let dan = site.browser("dan");
        assert!(dan.get("/").expect(200).body.contains(&path), "posture says what waits");
        assert!(dan.get("/approvals").expect(200).body.contains(&path));
        let before = site.world.size();
        let page = dan.get(&path).expect(200);
        let commit = site.world.git(["rev-parse", "HEAD"]);
        assert!(page.body.contains(commit.trim()) && page.body.contains("Sign with passkey"), "{}", page.body);
        assert!(page.body.contains(&site.key) && !page.body.contains("<script>"), "no script of its own");
        let asked = Asked::on(&dan, &path);
        assert_eq!(site.world.size(), before, "who looks appends nothing");
        let form = asked.form(&token.get(&asked.challenge));
        let done = dan.post(&path, &form).expect(303);
        assert_eq!(done.header("location"), Some(format!("/runs/{}", site.run).as_str()));
        let approvals = site.world.cs(["approvals", "list", &site.run, "--format", "json"]).expect(0).json();
        let given = &approvals["said"][0];
        assert_eq!((given["counts"].as_bool(), given["statement"]["strength"].as_str()), (Some(true), Some("passkey")));
        assert_eq!(given["statement"]["device"]["key"], site.key.as_str());
        // Its answer is good once; what was signed does not wait any more.
        site.refused(dan.post(&path, &form), 409, "CS-SERVER-040");
        assert!(!dan.get("/approvals").expect(200).body.contains(&path));
        assert!(!dan.get(&path).expect(200).body.contains("data-request"));
    }
    site.world.by("ruth", &["approve", "latest", "--as", "regulatory"]).expect(0);
    site.world.cs(["run"]).expect(0);
    site.world.cs(["verify"]).expect(0);
    site.world.cs(["ledger", "rebuild", "--check"]).expect(0);
    site.token = token;
}

#[test]
fn what_is_not_sent_by_the_page_to_the_page_is_refused() {
    let Some(site) = Site::new() else { return };
    let path = site.page();
    let mut token = site.token.clone();
    let dan = site.browser("dan");
    let asked = Asked::on(&dan, &path);
    let good = asked.form(&token.get(&asked.challenge));
    let kind = ("content-type", "application/x-www-form-urlencoded");
    let before = site.world.size();
    let forged = |answer: Answer| assert!(answer.expect(403).body.contains("CS-SERVER-025"));
    forged(dan.post(&path, &good.replace("csrf=", "csrf=0")));
    forged(dan.post(&path, &good.replace("csrf=", "word=")));
    forged(dan.send("POST", &path, &[kind, ("origin", "https://evil.example")], &good));
    forged(dan.send("POST", &path, &[kind, ("origin", "null")], &good));
    forged(dan.send("POST", &path, &[kind, ("sec-fetch-site", "cross-site")], &good));
    dan.send("POST", &path, &[kind, ("host", "evil.example")], &good).expect(421);
    dan.send("POST", &path, &[("content-type", "text/plain")], &good).expect(400);
    assert_eq!(Browser::new(&site.server).post(&path, &good).expect(303).header("location"), Some("/sign-in"));
    dan.post(&path, &format!("{good}&more={}", "x".repeat(33 << 10))).expect(413);
    dan.post(&path, &format!("{good}&more={}", "x".repeat(200 << 10))).expect(413);
    assert_eq!(site.world.size(), before, "none of it reached the use case");
    // None of them used the answer up.
    dan.post(&path, &good).expect(303);
}

#[test]
fn an_answer_that_is_not_the_one_to_what_was_shown_is_refused_and_recorded() {
    let Some(site) = Site::new() else { return };
    let path = site.page();
    let (token, elsewhere) = (site.token.clone(), "https://evil.test".to_owned());
    let dan = site.browser("dan");
    let tried = |answer: &dyn Fn(&str) -> Value, code: &str| {
        let asked = Asked::on(&dan, &path);
        site.refused(dan.post(&path, &asked.form(&answer(&asked.challenge))), 403, code);
    };
    let other = |seed| Authenticator::new(seed, &site.token.origin, "localhost");
    site.world.passkey("ruth", &other(2), "ruth");
    tried(&|c| other(2).get(c), "CS-PASSKEY-009");
    tried(&|c| Authenticator { credential: token.credential.clone(), ..other(2) }.get(c), "CS-PASSKEY-008");
    tried(&|c| Authenticator { flags: 0x01, ..token.clone() }.get(c), "CS-PASSKEY-005");
    tried(&|c| Authenticator { flags: 0x04, ..token.clone() }.get(c), "CS-PASSKEY-004");
    tried(&|c| Authenticator { origin: elsewhere.clone(), ..token.clone() }.get(c), "CS-PASSKEY-002");
    tried(&|_| token.clone().get("AAAA"), "CS-PASSKEY-002");
    tried(&|_| json!({}), "CS-PASSKEY-001");
    // What was shown to Dan is not for Ruth to send, nor for another slot or run.
    let asked = Asked::on(&dan, &path);
    let answer = token.clone().get(&asked.challenge);
    let ruth = site.browser("ruth");
    let hers = ruth.get("/").expect(200).field("csrf");
    let stolen = Asked { csrf: hers, prepared: asked.prepared.clone(), challenge: String::new() };
    site.refused(ruth.post(&path, &stolen.form(&answer)), 409, "CS-SERVER-040");
    let asked = Asked::on(&dan, &path);
    let answer = token.clone().get(&asked.challenge);
    let slot = path.replace("technical", "regulatory");
    site.refused(dan.post(&slot, &asked.form(&answer)), 409, "CS-SERVER-040");
    let (first, answer) = (Asked::on(&dan, &path), token.clone());
    site.world.commit_signed("mia", "more.sh", "echo more\n");
    site.world.cs(["run"]).expect(11);
    let second = format!("/approvals/{}/technical", newest(&site.world));
    assert_ne!(second, path);
    site.refused(dan.post(&second, &first.form(&answer.clone().get(&first.challenge))), 409, "CS-SERVER-040");
    let (first, asked) = (Asked::on(&dan, &path), Asked::on(&dan, &second));
    site.refused(dan.post(&second, &asked.form(&answer.clone().get(&first.challenge))), 403, "CS-PASSKEY-002");
    // The first run's own answer still counts for the first run, and a copy of it for nothing more.
    let answer = answer.clone().get(&first.challenge);
    dan.post(&path, &first.form(&answer)).expect(303);
    let asked = Asked::on(&dan, &second);
    site.refused(dan.post(&second, &asked.form(&answer)), 403, "CS-PASSKEY-002");
    let copied = Authenticator { counter: 0, ..site.token.clone() }.get(&asked.challenge);
    let asked = Asked { prepared: Asked::on(&dan, &second).prepared, ..asked };
    site.refused(dan.post(&second, &asked.form(&copied)), 403, "CS-PASSKEY-002");
    site.world.cs(["verify"]).expect(0);
}

#[test]
fn what_changed_after_it_was_shown_is_not_approved() {
    let Some(site) = Site::new() else { return };
    let path = site.page();
    let mut token = site.token.clone();
    let dan = site.browser("dan");
    let asked = Asked::on(&dan, &path);
    site.world.cs(["run", "--ticket", "PAY-7"]).expect(11);
    site.refused(dan.post(&path, &asked.form(&token.get(&asked.challenge))), 409, "CS-RELEASE-011");
    // A key that is revoked in between.
    let asked = Asked::on(&dan, &path);
    site.world.by("ada", &["person", "key", "revoke", "dan", &site.key, "--reason", "lost"]).expect(0);
    site.refused(dan.post(&path, &asked.form(&token.get(&asked.challenge))), 403, "CS-IDENTITY-002");
    let page = dan.get(&path).expect(200).body;
    assert!(!page.contains("data-request") && page.contains("no passkey"), "{page}");
    site.refused(
        dan.post(&format!("{path}/prepare"), &form(&[("csrf", &asked.csrf), ("key", &site.key)])),
        403,
        "CS-SERVER-041",
    );
}

#[test]
fn whoever_wrote_it_audits_or_signs_elsewhere_is_offered_nothing() {
    let Some(site) = Site::new() else { return };
    let path = site.page();
    let token = Authenticator::new(3, &site.token.origin, "localhost");
    let key = site.world.passkey("mia", &token, "mia");
    let mia = site.browser("mia");
    let page = mia.get(&path).expect(200);
    assert!(page.body.contains("not by you") && !page.body.contains("data-request"), "{}", page.body);
    assert!(!mia.get("/approvals").expect(200).body.contains(&path));
    let csrf = page.field("csrf");
    site.refused(mia.post(&format!("{path}/prepare"), &form(&[("csrf", &csrf), ("key", &key)])), 403, "CS-RELEASE-004");
    let made_up = [("csrf", csrf.as_str()), ("prepared", "0000"), ("answer", "{}")];
    site.refused(mia.post(&path, &form(&made_up)), 409, "CS-SERVER-040");
    // Another's passkey is not hers to ask with.
    site.refused(
        mia.post(&format!("{path}/prepare"), &form(&[("csrf", &csrf), ("key", &site.key)])),
        403,
        "CS-SERVER-041",
    );
    let olga = site.browser("olga");
    olga.get(&path).expect(404);
    site.world.by("ruth", &["audit", "open", "--name", "SOX", "--from", "2020-01-01", "--to", "2100-01-01"]).expect(0);
    let page = olga.get(&path).expect(200);
    assert!(!page.body.contains("data-request") && !page.body.contains("<form method=\"post\" action=\"/approvals"));
    let refused = olga.post(&path, &form(&[("csrf", &page.field("csrf"))])).expect(403);
    assert!(refused.body.contains("CS-SERVER-024"));
    // A passkey that was enrolled for another origin is told apart, and by which.
    let config = "[passkeys]\norigin = \"https://sign.example.test\"\nrp_id = \"example.test\"\n";
    site.world.write("countersign.toml", config);
    site.world.by("ada", &["role", "grant", "omar", "engineer", "--reason", "stands in"]).expect(0);
    site.world.passkey("omar", &Authenticator::new(4, "https://sign.example.test", "example.test"), "omar");
    let page = site.browser("omar").get(&path).expect(200).body;
    assert!(
        page.contains("another origin") && page.contains("https://sign.example.test") && !page.contains("data-request")
    );
    // Whoever may is led back to the statement, and nothing is decided twice.
    let before = site.world.size();
    let dan = site.browser("dan");
    let csrf = dan.get(&path).expect(200).field("csrf");
    let back = dan.post(&format!("{path}/prepare"), &form(&[("csrf", &csrf), ("key", &site.key)])).expect(303);
    Asked::on(&dan, back.header("location").unwrap());
    assert_eq!(site.world.size(), before + 1, "the sign-in alone");
}

#[test]
fn a_passkey_signs_in_once_and_whatever_else_is_refused_and_recorded() {
    let Some(site) = Site::new() else { return };
    let mut token = site.token.clone();
    let mut nobody = Browser::new(&site.server);
    assert!(nobody.get("/sign-in").expect(200).body.contains("Sign in with a passkey"));
    let ask = || {
        let asked: Value =
            serde_json::from_str(&Browser::new(&site.server).get("/sign-in/passkey").expect(200).body).unwrap();
        assert_eq!(asked["publicKey"]["allowCredentials"], json!([]), "nobody is named to a stranger");
        assert_eq!(
            (asked["publicKey"]["rpId"].as_str(), asked["publicKey"]["userVerification"].as_str()),
            (Some("localhost"), Some("required"))
        );
        (asked["statement"].as_str().unwrap().to_owned(), asked["publicKey"]["challenge"].as_str().unwrap().to_owned())
    };
    let answered = |statement: &str, answer: &Value| form(&[("statement", statement), ("answer", &answer.to_string())]);
    let (statement, challenge) = ask();
    let good = answered(&statement, &token.get(&challenge));
    let kind = ("content-type", "application/x-www-form-urlencoded");
    nobody.send("POST", "/sign-in/passkey", &[kind, ("origin", "https://evil.example")], &good).expect(403);
    let welcome = nobody.post("/sign-in/passkey", &good).expect(303);
    let cookie = welcome.header("set-cookie").unwrap();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"), "{cookie}");
    nobody.cookie = Some(cookie.split(';').next().unwrap().to_owned());
    let dan = nobody;
    assert!(dan.get("/").expect(200).body.contains("<strong>dan</strong>"));
    let entries = said(&site.world, "SignedIn");
    let shown = site.world.cs(["ledger", "show", &entries[0]["index"].to_string(), "--statement"]).expect(0).out;
    assert!(shown.contains("\"passkey\"") && shown.contains(&site.key), "{shown}");

    let stranger = Browser::new(&site.server);
    let refused = |form: &str| {
        let answer = stranger.post("/sign-in/passkey", form).expect(403);
        assert!(answer.body.contains("CS-SERVER-026") && answer.header("set-cookie").is_none(), "{}", answer.body);
    };
    refused(&good);
    let (statement, challenge) = ask();
    let (other, _) = ask();
    refused(&answered(&other, &token.get(&challenge)));
    refused(&answered(&statement, &Authenticator::new(9, &token.origin, "localhost").get(&challenge)));
    refused(&answered(&statement, &token.get(&challenge)));
    let (statement, challenge) = ask();
    refused(&answered(&statement, &Authenticator { flags: 0x01, ..token.clone() }.get(&challenge)));
    let (statement, challenge) = ask();
    refused(&answered(
        &statement,
        &Authenticator { origin: "https://evil.test".into(), ..token.clone() }.get(&challenge),
    ));
    // What is signed to approve signs nobody in.
    let asked = Asked::on(&dan, &site.page());
    let (statement, _) = ask();
    refused(&answered(&statement, &token.get(&asked.challenge)));
    refused("statement=e30%3D&answer=%7B%7D");
    assert!(!said(&site.world, "SignInRefused").is_empty());
    // After ten refusals the person is left alone for a minute, with a good answer too.
    for _ in 0..10 {
        let (statement, _) = ask();
        refused(&answered(&statement, &token.get("AAAA")));
    }
    let (statement, challenge) = ask();
    let locked = stranger.post("/sign-in/passkey", &answered(&statement, &token.get(&challenge))).expect(429);
    assert!(locked.body.contains("CS-SERVER-027"));
    dan.get("/").expect(200);
    // A passkey that is revoked ends what began with it.
    site.world.by("ada", &["person", "key", "revoke", "dan", &site.key, "--reason", "lost"]).expect(0);
    dan.get("/").expect(403);
}
