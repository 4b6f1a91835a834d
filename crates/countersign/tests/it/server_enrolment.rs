//! An administrator enrols somebody's passkey with their own, on a page, over HTTP: what counts, and everything that does not.

use super::authenticator::Authenticator;
use super::remote_people::id_of;
use super::server::{Browser, said};
use super::server_acts::{making, passkey, prepare, shown, told};
use super::server_passkeys::{Asked, Site};

const PLACE: &str = "/passkeys/enrol";

/// What somebody's page shows of a passkey that they made, and its fingerprint.
fn made(browser: &Browser<'_>, token: &Authenticator) -> (String, String) {
    let asked = making(browser);
    let done = browser.post("/passkeys", &asked.form(&token.create(&asked.challenge))).expect(303);
    let page = browser.get(done.header("location").unwrap()).expect(200).body;
    let fingerprint = page.split("SHA256:").nth(1).unwrap().split('<').next().unwrap();
    (told(&page, "What is pasted"), format!("SHA256:{fingerprint}"))
}

fn another(site: &Site, seed: u8) -> Authenticator {
    Authenticator::new(seed, &site.token.origin, "localhost")
}

#[test]
fn an_administrator_enrols_a_passkey_with_their_own() {
    let Some(site) = Site::new() else { return };
    let w = &site.world;
    let ada = site.browser("ada");
    assert!(ada.get("/passkeys").expect(200).body.contains(&format!("href=\"{PLACE}\"")));
    let page = ada.get(PLACE).expect(200).body;
    assert!(page.contains("You have no passkey") && !page.contains("/prepare"), "{page}");
    let (mut hers, key) = passkey(&site, "Ada", 40);
    assert!(ada.get(PLACE).expect(200).body.contains(&format!("action=\"{PLACE}/prepare\"")));

    let mia = site.browser("mia");
    let (pasted, fingerprint) = made(&mia, &another(&site, 41));
    let before = w.size();
    let fields = [("key", key.as_str()), ("made", pasted.as_str()), ("reason", "her <b>laptop</b>")];
    let location = prepare(&ada, PLACE, &fields).expect(303).header("location").unwrap().to_owned();
    let page = ada.get(&location).expect(200).body;
    let id = id_of(w, "mia");
    for says in [&fingerprint, &id, &site.token.origin, "her &lt;b&gt;laptop&lt;/b&gt;", "Enrol with passkey"] {
        assert!(page.contains(says), "{says}: {page}");
    }
    assert_eq!(w.size(), before, "what is only shown is in no log");
    // Another visit is shown nothing of it, and it is signed once.
    site.browser("dan").get(&location).expect(403);
    let asked = Asked::on(&ada, &location);
    let good = asked.form(&hers.get(&asked.challenge));
    let done = ada.post(PLACE, &good).expect(303).header("location").unwrap().to_owned();
    let page = ada.get(&done).expect(200).body;
    assert!(page.contains(&format!("countersign person key revoke {id} {fingerprint}")), "{page}");
    assert!(mia.get("/passkeys").expect(200).body.contains(&fingerprint));
    site.refused_as("person key add", ada.post(PLACE, &good), 409, "CS-SERVER-040");
    let listed = w.cs(["person", "key", "list", "mia", "--format", "json"]).expect(0).json();
    assert_eq!(
        (&listed["keys"][1]["kind"], &listed["keys"][1]["fingerprint"]),
        (&"passkey".into(), &fingerprint.into())
    );
    let index = said(w, "PersonKeyAdded").last().unwrap()["index"].to_string();
    let statement = w.cs(["ledger", "show", &index, "--statement"]).expect(0).out;
    assert!(statement.contains("her <b>laptop</b>") && statement.contains(&id_of(w, "Ada")), "{statement}");
    // The same once more is taken already.
    assert!(prepare(&ada, PLACE, &fields).expect(400).body.contains("CS-ACCESS-008"));

    // Her own she enrols while there is no other administrator, and not after.
    let (own, own_print) = made(&ada, &another(&site, 42));
    let asked = shown(&ada, PLACE, &[("key", &key), ("made", &own)]);
    assert!(
        ada.get(&format!("{PLACE}?prepared={}", asked.prepared)).expect(200).body.contains("no other administrator")
    );
    w.by("ada", &["role", "grant", "ruth", "administrator", "--reason", "stands in"]).expect(0);
    let answer = asked.form(&hers.get(&asked.challenge));
    site.refused_as("person key add", ada.post(PLACE, &answer), 403, "CS-IDENTITY-011");
    site.refused_as("person key add", prepare(&ada, PLACE, &[("key", &key), ("made", &own)]), 403, "CS-IDENTITY-011");
    let (mut officers, officer) = passkey(&site, "ruth", 43);
    let ruth = site.browser("ruth");
    let asked = shown(&ruth, PLACE, &[("key", &officer), ("made", &own)]);
    ruth.post(PLACE, &asked.form(&officers.get(&asked.challenge))).expect(303);
    assert!(ada.get("/passkeys").expect(200).body.contains(&own_print));
    w.cs(["verify"]).expect(0);
    w.cs(["ledger", "rebuild", "--check"]).expect(0);
}

#[test]
fn what_may_not_be_enrolled_or_is_no_passkey_is_refused_and_recorded() {
    let Some(site) = Site::new() else { return };
    let w = &site.world;
    let (ada, mia, dan) = (site.browser("ada"), site.browser("mia"), site.browser("dan"));
    let (hers, key) = passkey(&site, "Ada", 40);
    let (pasted, _) = made(&mia, &another(&site, 41));
    let no = |answer, status, code: &str| site.refused_as("person key add", answer, status, code);
    let added = said(w, "PersonKeyAdded").len();

    // Whoever is no administrator, and an auditor.
    dan.get(PLACE).expect(403);
    assert!(!dan.get("/passkeys").expect(200).body.contains(PLACE));
    no(prepare(&dan, PLACE, &[("key", &site.key), ("made", &pasted)]), 403, "CS-ACCESS-004");
    let olga = site.browser("olga");
    olga.get(PLACE).expect(403);
    assert!(prepare(&olga, PLACE, &[("made", &pasted)]).expect(403).body.contains("CS-SERVER-024"));
    // With no passkey of theirs.
    no(prepare(&ada, PLACE, &[("key", "SHA256:none"), ("made", &pasted)]), 403, "CS-SERVER-041");
    no(prepare(&ada, PLACE, &[("key", &site.key), ("made", &pasted)]), 403, "CS-SERVER-041");

    // What is no passkey that was made here.
    let read = |text: &str| -> serde_json::Value { serde_json::from_str(text).unwrap() };
    let (other, _) = made(&dan, &another(&site, 44));
    let changed = |of: &str, part: &str, text: String| {
        let mut all = read(of);
        all[part] = text.into();
        all.to_string()
    };
    let request = |field: &str, value: &str| {
        let mut request = read(read(&pasted)["request"].as_str().unwrap());
        request[field] = value.into();
        changed(&pasted, "request", request.to_string())
    };
    for (text, status, code) in [
        (String::new(), 403, "CS-PASSKEY-001"),
        ("cat > passkey.request.json".to_owned(), 403, "CS-PASSKEY-001"),
        (changed(&pasted, "more", "x".to_owned()), 403, "CS-PASSKEY-001"),
        (changed(&pasted, "request", "{}".to_owned()), 403, "CS-PASSKEY-001"),
        (changed(&pasted, "answer", "{}".to_owned()), 403, "CS-PASSKEY-001"),
        (changed(&pasted, "answer", read(&other)["answer"].as_str().unwrap().to_owned()), 403, "CS-PASSKEY-002"),
        (request("ledger", "example.org/other"), 403, "CS-PASSKEY-002"),
        (request("origin", "https://evil.test"), 400, "CS-PASSKEY-010"),
    ] {
        no(prepare(&ada, PLACE, &[("key", &key), ("made", &text)]), status, code);
    }
    let nobody = prepare(&ada, PLACE, &[("key", &key), ("made", &request("person", "per-00000000000000000000"))]);
    assert!(nobody.expect(400).body.contains("CS-ACCESS-009"));

    // Another authenticator's answer, another visit's, and of an administrator who is none any more.
    let asked = shown(&ada, PLACE, &[("key", &key), ("made", &pasted)]);
    no(ada.post(PLACE, &asked.form(&another(&site, 45).get(&asked.challenge))), 403, "CS-PASSKEY-009");
    let asked = shown(&ada, PLACE, &[("key", &key), ("made", &pasted)]);
    let stolen = Asked { csrf: dan.get("/").expect(200).field("csrf"), ..asked };
    no(dan.post(PLACE, &stolen.form(&hers.clone().get(&stolen.challenge))), 409, "CS-SERVER-040");
    let asked = shown(&ada, PLACE, &[("key", &key), ("made", &pasted)]);
    w.by("ada", &["role", "grant", "ruth", "administrator", "--reason", "takes over"]).expect(0);
    w.by("ruth", &["role", "grant", "Ada", "developer", "--reason", "moved"]).expect(0);
    w.by("ruth", &["role", "revoke", "Ada", "administrator", "--reason", "moved"]).expect(0);
    no(ada.post(PLACE, &asked.form(&hers.clone().get(&asked.challenge))), 403, "CS-ACCESS-004");
    assert_eq!(said(w, "PersonKeyAdded").len(), added);
    w.cs(["verify"]).expect(0);
}
