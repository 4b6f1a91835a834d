//! Signing in at an OpenID provider: npm `oidc-provider`, started here, and a browser as small as HTTP. What is tried against it is what
//! RFC 6819, RFC 9207 and RFC 9700 warn of.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Stdio};

use super::server::{Answer, Browser, firm, said};
use super::support::World;
use super::witness::Server;
use super::workload::provider_installed;

/// The provider.
pub(crate) struct Provider {
    child: Child,
    pub(crate) port: u16,
    /// Kept open, so that what the provider says has somewhere to go.
    _out: BufReader<ChildStdout>,
}

impl Drop for Provider {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Provider {
    pub(crate) fn start(w: &World, modules: &Path, port: u16) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oidc/sign-in.mjs");
        let mut command = w.command("node", Path::new("/"));
        command.arg(script).arg(modules).arg(port.to_string()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        while !line.starts_with("ready ") {
            line.clear();
            assert!(out.read_line(&mut line).unwrap() > 0, "the provider ended: {:?}", child.wait());
        }
        let port = line["ready ".len()..].trim().parse().unwrap();
        Self { child, port, _out: out }
    }

    pub(crate) fn issuer(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    fn ask(&self, path: &str) -> String {
        ureq::get(format!("{}{path}", self.issuer())).call().unwrap().into_body().read_to_string().unwrap()
    }

    fn fetched(&self) -> u32 {
        self.ask("/fetched").parse().unwrap()
    }
}

pub(crate) fn secret_file(w: &World, text: &str) -> PathBuf {
    let file = w.path("client-secret");
    std::fs::write(&file, text).unwrap();
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    file
}

fn serve(w: &World, issuer: &str, client: &str, secret: Option<&str>) -> Server {
    let ledger = w.repo().join(".countersign");
    let file = secret.map(|text| secret_file(w, text));
    let mut args = vec!["--ledger", ledger.to_str().unwrap(), "serve", "--listen", "127.0.0.1:0"];
    args.extend(["--oidc-issuer", issuer, "--oidc-client-id", client]);
    if let Some(file) = &file {
        args.extend(["--oidc-secret-file", file.to_str().unwrap()]);
    }
    Server::start(w, &args)
}

/// The secret of the client `countersign`, as the provider's script has it.
pub(crate) const CLIENT_SECRET: &str = "a secret & = of tests\n";

fn cookie(answer: &Answer, name: &str) -> Option<String> {
    let lines = answer.head.lines().filter_map(|line| line.split_once(": "));
    let mut set = lines.filter(|(n, _)| n.eq_ignore_ascii_case("set-cookie")).map(|(_, v)| v);
    set.find(|v| v.starts_with(&format!("{name}="))).map(|v| v.split(';').next().unwrap().to_owned())
}

/// Begins a sign-in: its cookie, and where the provider is.
fn begin(server: &Server) -> (String, String) {
    let answer = Browser::new(server).get("/sign-in/oidc").expect(303);
    let set = answer.header("set-cookie").unwrap();
    assert!(set.contains("HttpOnly; SameSite=Lax; Max-Age=600"), "{set}");
    (cookie(&answer, "countersign-oidc").unwrap(), answer.header("location").unwrap().to_owned())
}

/// Goes to the provider and signs in there as `login`, with a browser that was never there; what comes back is a path of the server.
fn at_provider(server: &Server, address: &str, login: &str) -> String {
    let agent = ureq::Agent::config_builder().max_redirects(0).max_redirects_will_error(false).build().new_agent();
    let mut cookies = BTreeMap::new();
    let (mut url, mut form) = (address.to_owned(), None);
    for _ in 0..10 {
        if let Some(path) = url.strip_prefix(server.url.as_str()) {
            return path.to_owned();
        }
        let held = cookies.iter().map(|(n, v)| format!("{n}={v}")).collect::<Vec<_>>().join("; ");
        let answer = match form.take() {
            None => agent.get(&url).header("cookie", held).call(),
            Some(form) => agent.post(&url).header("cookie", held).send_form([("login", form)]),
        };
        let answer = answer.unwrap();
        for set in answer.headers().get_all("set-cookie") {
            let (name, value) = set.to_str().unwrap().split(';').next().unwrap().split_once('=').unwrap();
            cookies.insert(name.to_owned(), value.to_owned());
        }
        match answer.headers().get("location") {
            Some(to) if to.to_str().unwrap().starts_with('/') => {
                let root: Vec<&str> = address.splitn(4, '/').take(3).collect();
                url = format!("{}{}", root.join("/"), to.to_str().unwrap());
            }
            Some(to) => url = to.to_str().unwrap().to_owned(),
            None => form = Some(login),
        }
    }
    panic!("the provider sends nobody back");
}

fn come_back(server: &Server, cookie: &str, path: &str) -> Answer {
    let mut browser = Browser::new(server);
    browser.cookie = Some(cookie.to_owned());
    browser.send("GET", path, &[("sec-fetch-site", "cross-site")], "")
}

/// All of it.
fn sign_in(server: &Server, login: &str) -> Answer {
    let (cookie, address) = begin(server);
    let path = at_provider(server, &address, login);
    come_back(server, &cookie, &path)
}

fn link(w: &World, provider: &Provider, person: &str, subject: &str) {
    w.by("ada", &["person", "account", "add", person, "--issuer", &provider.issuer(), "--subject", subject]).expect(0);
}

fn visitor<'a>(server: &'a Server, answer: Answer) -> Browser<'a> {
    let answer = answer.expect(303);
    assert_eq!(answer.header("location"), Some("/"));
    // The cookie of the sign-in ends as the visit begins.
    assert_eq!(cookie(&answer, "countersign-oidc").as_deref(), Some("countersign-oidc="));
    let mut browser = Browser::new(server);
    browser.cookie = cookie(&answer, "countersign");
    browser
}

#[test]
fn whose_account_it_is_signs_in_and_nobody_else_does() {
    let (Some(world), Some(modules)) = (firm(), provider_installed()) else { return };
    let provider = Provider::start(&world, &modules, 0);
    link(&world, &provider, "dan", "dan-4711");
    let server = serve(&world, &provider.issuer(), "countersign", Some(CLIENT_SECRET));
    let page = Browser::new(&server).get("/sign-in").expect(200);
    assert!(page.body.contains(&format!("Sign in at 127.0.0.1:{}", provider.port)), "{}", page.body);

    let dan = visitor(&server, sign_in(&server, "dan-4711"));
    assert!(dan.get("/").expect(200).body.contains("<strong>dan</strong>"));
    let entries = said(&world, "SignedIn");
    assert_eq!(entries.len(), 1);
    // A second one asks for no keys; each visit has a secret of its own, and one that was brought along opens nothing.
    let fetched = provider.fetched();
    let (begun, address) = begin(&server);
    let path = at_provider(&server, &address, "dan-4711");
    let fixed = "countersign=5d41402abc4b2a76b9719d911017c592ae2f9d9fb3f2bbd0ac51fbb3f7f0a111";
    let again = visitor(&server, come_back(&server, &format!("{fixed}; {begun}"), &path));
    assert!(again.cookie.is_some() && again.cookie != dan.cookie && again.cookie.as_deref() != Some(fixed));
    let mut attacker = Browser::new(&server);
    attacker.cookie = Some(fixed.to_owned());
    attacker.get("/").expect(303);
    assert_eq!(provider.fetched(), fetched);

    // Somebody whom the provider knows and nobody linked is told what an administrator types, and is nobody.
    let stranger = sign_in(&server, "eve-1").expect(403);
    assert!(stranger.body.contains("CS-SERVER-061") && stranger.body.contains("--subject eve-1"), "{}", stranger.body);
    assert_eq!(cookie(&stranger, "countersign"), None);
    // An account that is taken away ends what it opened, and opens nothing.
    let remove = ["person", "account", "remove", "dan", "--issuer", &provider.issuer(), "--subject", "dan-4711"];
    world.by("ada", &[&remove[..], &["--reason", "moved"]].concat()).expect(0);
    dan.get("/").expect(403);
    sign_in(&server, "dan-4711").expect(403);
    // Whose it is next is who comes.
    link(&world, &provider, "omar", "dan-4711");
    dan.get("/").expect(403);
    assert!(visitor(&server, sign_in(&server, "dan-4711")).get("/").expect(200).body.contains("<strong>omar</strong>"));
    // Roles are the ledger's: without one, nobody is let in.
    world.by("ada", &["role", "revoke", "omar", "release-manager", "--reason", "moves"]).expect(0);
    sign_in(&server, "dan-4711").expect(403);
    assert_eq!(said(&world, "SignedIn").len(), 3);
    assert!(!said(&world, "SignInRefused").is_empty());
    assert_eq!(server.terminate(), Some(0));
    let all = world.ledger_text();
    assert!(!all.contains("eve-1") && !all.contains("dan-4711"), "an account stands in the ledger");
    world.cs(["verify"]).expect(0);
}

#[test]
fn an_answer_counts_in_its_browser_once_and_from_its_provider() {
    let (Some(world), Some(modules)) = (firm(), provider_installed()) else { return };
    let provider = Provider::start(&world, &modules, 0);
    link(&world, &provider, "dan", "dan");
    let server = serve(&world, &provider.issuer(), "countersign", Some(CLIENT_SECRET));
    let refused = |cookie: &str, path: &str, code: &str, what: &str| {
        let answer = come_back(&server, cookie, path);
        assert!(
            matches!(answer.status, 400 | 403) && answer.body.contains(code),
            "{what}: {} {}",
            answer.status,
            answer.body
        );
        assert_eq!(self::cookie(&answer, "countersign"), None, "{what}");
    };
    const NOT_BEGUN: &str = "CS-SERVER-060";

    // Somebody sends another the answer of their own sign-in, and they would be signed in as the wrong one.
    let (mallory, address) = begin(&server);
    let path = at_provider(&server, &address, "dan");
    let (victim, _) = begin(&server);
    refused("", &path, NOT_BEGUN, "no cookie");
    refused(&victim, &path, NOT_BEGUN, "the state of another browser");
    let (before, query) = path.split_once('?').unwrap();
    let with = |name: &str, value: Option<&str>| {
        let kept = query.split('&').filter(|pair| !pair.starts_with(&format!("{name}=")));
        let mut pairs: Vec<String> = kept.map(str::to_owned).collect();
        pairs.extend(value.map(|v| format!("{name}={v}")));
        format!("{before}?{}", pairs.join("&"))
    };
    refused(&mallory, &with("state", Some("guessed")), NOT_BEGUN, "a guessed state");
    refused(&mallory, &with("state", None), NOT_BEGUN, "no state");
    refused(&mallory, &format!("{path}&state=x"), "CS-SERVER-023", "two states");
    refused(&mallory.replacen('=', "=9", 1), &path, NOT_BEGUN, "a cookie that was changed");
    // What was wrong so far used nothing up.
    visitor(&server, come_back(&server, &mallory, &path));
    refused(&mallory, &path, NOT_BEGUN, "the same answer again");

    for (name, value, code) in [
        ("iss", Some("http%3A%2F%2Fevil.example"), NOT_BEGUN),
        ("iss", None, NOT_BEGUN),
        ("code", None, NOT_BEGUN),
        ("code", Some("guessed"), "CS-OIDC-006"),
    ] {
        let (cookie, address) = begin(&server);
        let path = at_provider(&server, &address, "dan");
        let (before, query) = path.split_once('?').unwrap();
        let kept = query.split('&').filter(|pair| !pair.starts_with(&format!("{name}=")));
        let mut pairs: Vec<String> = kept.map(str::to_owned).collect();
        pairs.extend(value.map(|v| format!("{name}={v}")));
        refused(&cookie, &format!("{before}?{}", pairs.join("&")), code, name);
        refused(&cookie, &path, NOT_BEGUN, "an answer after a wrong one");
    }

    // A code that somebody saw, in a sign-in of their own: PKCE and the provider refuse it.
    let (_, seen) = begin(&server);
    let seen = at_provider(&server, &seen, "dan");
    let code = seen.split(['?', '&']).find(|pair| pair.starts_with("code=")).unwrap();
    let (own, address) = begin(&server);
    let own_path = at_provider(&server, &address, "mallory");
    let own_code = own_path.split(['?', '&']).find(|pair| pair.starts_with("code=")).unwrap();
    refused(&own, &own_path.replace(own_code, code), "CS-OIDC-006", "a code of another sign-in");

    let (cookie, address) = begin(&server);
    refused(&cookie, &at_provider(&server, &address, "nobody"), "CS-OIDC-006", "they said no");
    // A page elsewhere begins no sign-in here.
    let elsewhere = Browser::new(&server).send("GET", "/sign-in/oidc", &[("sec-fetch-site", "cross-site")], "");
    elsewhere.expect(403);
    assert!(!said(&world, "SignInRefused").is_empty());
}

#[test]
fn a_token_that_is_not_for_this_sign_in_counts_for_nobody() {
    let (Some(world), Some(modules)) = (firm(), provider_installed()) else { return };
    let provider = Provider::start(&world, &modules, 0);
    link(&world, &provider, "dan", "dan");
    let server = serve(&world, &provider.issuer(), "countersign", Some(CLIENT_SECRET));
    for (how, code) in [
        ("nonce", "CS-TOKEN-012"),
        ("no-nonce", "CS-TOKEN-012"),
        ("audience", "CS-TOKEN-009"),
        ("several", "CS-TOKEN-012"),
        ("party", "CS-TOKEN-012"),
        ("issuer", "CS-TOKEN-008"),
        ("expired", "CS-TOKEN-010"),
        ("old", "CS-TOKEN-012"),
        ("future", "CS-TOKEN-011"),
        ("subject", "CS-TOKEN-012"),
        ("stranger", "CS-TOKEN-004"),
        ("strange-key", "CS-TOKEN-007"),
        ("brought", "CS-TOKEN-001"),
        ("none", "CS-TOKEN-002"),
        ("hmac", "CS-TOKEN-002"),
    ] {
        provider.ask(&format!("/next?token={how}"));
        let answer = sign_in(&server, "dan");
        assert!(answer.status == 403 && answer.body.contains(code), "{how}: {} {}", answer.status, answer.body);
        assert_eq!(cookie(&answer, "countersign"), None, "{how}");
    }
    assert_eq!(said(&world, "SignedIn").len(), 0);
    visitor(&server, sign_in(&server, "dan"));
    // The provider has another key from now on.
    let port = provider.port;
    drop(provider);
    let provider = Provider::start(&world, &modules, port);
    visitor(&server, sign_in(&server, "dan"));
    assert_eq!(provider.fetched(), 1);
    drop(provider);
    // One that is away signs nobody in, and that is no refusal of anybody.
    let before = said(&world, "SignInRefused").len();
    let (cookie, address) = begin(&server);
    let state = address.split(['?', '&']).find(|pair| pair.starts_with("state=")).unwrap();
    let path = format!("/sign-in/oidc/callback?{state}&code=x&iss=http%3A%2F%2F127.0.0.1%3A{port}");
    assert!(come_back(&server, &cookie, &path).expect(502).body.contains("CS-OIDC-002"));
    assert_eq!(said(&world, "SignInRefused").len(), before);
}

#[test]
fn clients_of_every_kind_and_a_configuration_that_is_wrong() {
    let (Some(world), Some(modules)) = (firm(), provider_installed()) else { return };
    let provider = Provider::start(&world, &modules, 0);
    link(&world, &provider, "dan", "dan");
    let public = serve(&world, &provider.issuer(), "public", None);
    visitor(&public, sign_in(&public, "dan"));
    drop(public);
    let wrong = serve(&world, &provider.issuer(), "countersign", Some("another"));
    let refused = sign_in(&wrong, "dan").expect(403);
    assert!(refused.body.contains("invalid_client"), "{}", refused.body);
    drop(wrong);
    // Another name of the same place is another issuer.
    let alias = serve(&world, &format!("http://localhost:{}", provider.port), "public", None);
    let other = Browser::new(&alias).get("/sign-in/oidc").expect(502);
    assert!(other.body.contains("CS-OIDC-00"), "{}", other.body);
    drop(alias);
    let ledger = world.repo().join(".countersign");
    let tried = |more: &[&str]| {
        let base = ["--ledger", ledger.to_str().unwrap(), "serve", "--listen", "127.0.0.1:0", "--oidc-client-id", "c"];
        world.cs([&base[..], more].concat())
    };
    assert!(tried(&["--oidc-issuer", "http://id.example"]).expect(2).err.contains("CS-OIDC-001"));
    let file = secret_file(&world, "hush");
    let secret = ["--oidc-issuer", "https://id.example", "--oidc-secret-file", file.to_str().unwrap()];
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    assert!(tried(&secret).expect(2).err.contains("CS-SERVER-006"));
}
