//! Every page of the table of pages as it was when somebody last looked at it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use countersign_model::Role;
use countersign_server::PageInfo;

use super::House;
use super::markup::{laid_out, without_chance};
use crate::server::{Browser, serve};
use crate::support::{World, have_ssh_keygen};
use crate::witness::Server;

/// What was compared, and what differs.
struct Album<'w> {
    world: &'w World,
    url: String,
    dir: PathBuf,
    is_written: bool,
    seen: BTreeSet<String>,
    differences: Vec<String>,
}

impl<'w> Album<'w> {
    #[expect(clippy::disallowed_methods, reason = "tests are steered by the environment")]
    fn of(world: &'w World, server: &Server, name: &str) -> Self {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/pages/snapshots").join(name);
        let is_written = std::env::var("UPDATE_SNAPSHOTS").is_ok();
        if is_written {
            let _ = std::fs::remove_dir_all(&dir);
            std::fs::create_dir_all(&dir).unwrap();
        }
        Self { world, url: server.url.clone(), dir, is_written, seen: BTreeSet::new(), differences: Vec::new() }
    }

    /// Holds a page against its picture, or takes the picture.
    fn compare(&mut self, browser: &Browser<'_>, name: &str, status: u16, address: &str) {
        let body = browser.get(address).expect(status).body;
        let csrf =
            body.split("name=\"csrf\" value=\"").nth(1).and_then(|rest| rest.split('"').next()).map(str::to_owned);
        let body = csrf.map_or(body.clone(), |csrf| body.replace(&csrf, "[csrf]")).replace(&self.url, "[server]");
        let now = without_chance(&laid_out(&body));
        let file = format!("{name}.html");
        let path = self.dir.join(&file);
        assert!(self.seen.insert(file.clone()), "{file} twice");
        if self.is_written {
            std::fs::write(&path, &now).unwrap();
            return;
        }
        if std::fs::read_to_string(&path).ok().as_deref() == Some(now.as_str()) {
            return;
        }
        // git is there in every test, and its diff is one that people read.
        let new = self.world.path("now.html");
        std::fs::write(&new, &now).unwrap();
        let old = if path.exists() { path } else { PathBuf::from("/dev/null") };
        let mut diff = self.world.command("git", &self.world.path(""));
        diff.args(["diff", "--no-index", "--no-color", "-U2"]).arg(old).arg(new);
        let said = World::finish(diff).out;
        let lines: Vec<&str> = said.lines().skip(4).take(60).collect();
        self.differences.push(format!("--- {address} differs from {file}\n{}\n", lines.join("\n")));
    }

    /// Nothing differs, and no picture is left of a page that there is no more.
    fn close(self) {
        let there: BTreeSet<String> = std::fs::read_dir(&self.dir)
            .map(|all| all.map(|file| file.unwrap().file_name().into_string().unwrap()).collect())
            .unwrap_or_default();
        let left: Vec<&String> = there.difference(&self.seen).collect();
        assert!(
            self.differences.is_empty() && left.is_empty(),
            "{}\nof no page: {left:?}\nwhere it is meant so: UPDATE_SNAPSHOTS=1 cargo test -p countersign --test it pages::\n",
            self.differences.concat()
        );
    }
}

/// The file of a page: its path with dots.
fn name(page: &PageInfo) -> String {
    let path = page.path.trim_matches('/').replace('/', ".").replace(['{', '}'], "");
    if path.is_empty() { "posture".to_owned() } else { path }
}

/// What is computed beside the requests is there.
pub(super) fn settled(browser: &Browser<'_>) {
    let begun = Instant::now();
    for (page, waits) in [("/controls", "is being computed"), ("/findings", "are being taken in")] {
        while browser.get(page).expect(200).body.contains(waits) {
            assert!(begun.elapsed() < Duration::from_secs(120), "{page} is not there");
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

#[test]
fn every_page_is_what_it_was_for_an_administrator_and_for_an_auditor() {
    if !have_ssh_keygen() {
        return;
    }
    let house = House::in_may();
    let server = serve(&house.world);
    settled(&Browser::of(&server, &house.world, "ada"));
    for (person, role) in [("ada", Role::Administrator), ("olga", Role::Auditor)] {
        let browser = Browser::of(&server, &house.world, person);
        let mut album = Album::of(&house.world, &server, role.as_str());
        for page in countersign_server::pages().filter(|page| page.roles.contains(&role)) {
            album.compare(&browser, &name(&page), 200, &house.address(&page));
        }
        album.close();
    }
}

#[test]
fn every_list_of_a_new_firm_is_what_it_was_and_so_are_the_pages_of_what_is_not_there() {
    if !have_ssh_keygen() {
        return;
    }
    let mut world = World::new();
    world.now = Some("2026-05-04T09:00:00Z".to_owned());
    world.firm();
    let server = serve(&world);
    let nobody = Browser::new(&server);
    let ada = Browser::of(&server, &world, "ada");
    settled(&ada);
    let mut album = Album::of(&world, &server, "new");
    let lists = |page: &PageInfo| !page.path.contains('{') && page.roles.contains(&Role::Administrator);
    for page in countersign_server::pages().filter(lists) {
        album.compare(&ada, &name(&page), 200, page.path);
    }
    album.compare(&nobody, "sign-in", 200, "/sign-in");
    album.compare(&ada, "not-found", 404, "/runs/no-such-run");
    album.compare(&ada, "bad-request", 400, "/runs?outcome=odd");
    album.compare(&Browser::of(&server, &world, "omar"), "forbidden", 403, "/access");
    album.close();
}
