//! Ledgers that hold what no page was written for: every page is asked, and every link is followed. A page says what it cannot read; it
//! never breaks down over it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::os::unix::fs::PermissionsExt as _;

use countersign_evidence::machine::MachineKey;
use countersign_model::Role;
use countersign_store::installation::Installation;
use ssh_key::private::Ed25519Keypair;
use ssh_key::{LineEnding, PrivateKey};

use super::walk::links;
use crate::server::{Browser, serve};
use crate::support::{World, have_ssh_keygen};

#[expect(dead_code, reason = "it is the store's tests' own, and they use all of it")]
#[path = "../../../../store/tests/it/history.rs"]
mod history;
#[expect(dead_code, reason = "it is the store's tests' own, and they use all of it")]
#[path = "../../../../store/tests/it/support.rs"]
pub(crate) mod ledgers;

/// Links of one kind that are followed.
const OF_A_KIND: usize = 12;

/// What answered that it broke down, of all pages and of the links on them.
fn broken(browser: &Browser<'_>, role: Role) -> (usize, BTreeSet<String>) {
    let kinds = countersign_server::pages().filter(|p| p.roles.contains(&role) && !p.path.contains('{'));
    let mut queue: VecDeque<String> = kinds.map(|p| p.path.to_owned()).collect();
    let mut seen: BTreeSet<String> = queue.iter().cloned().collect();
    let mut of_a_kind: BTreeMap<String, usize> = BTreeMap::new();
    let (mut asked, mut broken) = (0, BTreeSet::new());
    while let Some(at) = queue.pop_front() {
        let answer = browser.get(at.split('#').next().unwrap());
        asked += 1;
        if answer.status >= 500 {
            let code =
                answer.body.split("countersign explain ").nth(1).and_then(|rest| rest.get(..13)).unwrap_or_default();
            broken.insert(format!("{at} answered {} {code}", answer.status));
        }
        for link in links(&answer.body) {
            let kind = link.href.split(['?', '#']).next().unwrap().split('/').take(2).collect::<String>();
            let so_far = of_a_kind.entry(kind).or_default();
            if *so_far < OF_A_KIND && seen.insert(link.href.clone()) {
                *so_far += 1;
                queue.push_back(link.href);
            }
        }
    }
    (asked, broken)
}

/// A key as ssh-keygen writes one.
fn key(world: &World, n: u8) -> String {
    let name = format!("person-{n}");
    let pem = PrivateKey::from(Ed25519Keypair::from_seed(&[100 + n; 32])).to_openssh(LineEnding::LF).unwrap();
    std::fs::write(world.path(&name), pem.as_bytes()).unwrap();
    std::fs::set_permissions(world.path(&name), std::fs::Permissions::from_mode(0o600)).unwrap();
    name
}

#[test]
fn no_page_breaks_down_over_what_a_ledger_holds() {
    if !have_ssh_keygen() {
        return;
    }
    let mut world = World::new();
    world.now = Some("2026-11-18T12:00:00Z".to_owned());
    let dir = world.repo().join(".countersign");
    let (mut history, mut ledger) = history::History::begin(&dir);
    // Signed by whom it must be, and of a content that nobody can read: decisions by rules that there are not, owners of gates, levels and
    // bundles that are no documents, half of the scans no records; and everything that is not believed at all.
    let founding = history.founding();
    history.append(&mut ledger, founding);
    let auditor = history.role(5, Role::Auditor, 0);
    history.append(&mut ledger, vec![auditor]);
    for round in 0..3 {
        history.found = if round == 1 { 10 } else { 0 };
        let release = history.release();
        history.append(&mut ledger, release);
        for kind in 9..history::STEPS {
            if history.possible(kind) {
                let step = history.step(kind);
                history.append(&mut ledger, vec![step]);
            }
        }
    }
    let recorder = MachineKey::from_seed(&[9; 32]);
    let data = world.path("data");
    std::fs::create_dir_all(&data).unwrap();
    std::fs::write(data.join("recorder.key"), recorder.to_pem().unwrap().as_bytes()).unwrap();
    let keys = Installation::at(&data).ledger_dir(ledger.origin());
    std::fs::create_dir_all(&keys).unwrap();
    std::fs::write(keys.join("log.key"), format!("{}\n", ledgers::signer().to_text().unwrap().as_str())).unwrap();
    drop(ledger);
    let server = serve(&world);
    for (n, role) in
        [(0, Role::Administrator), (2, Role::ComplianceOfficer), (4, Role::SecurityOfficer), (5, Role::Auditor)]
    {
        let name = key(&world, n);
        let browser = Browser::of(&server, &world, &name);
        let (asked, broken) = broken(&browser, role);
        eprintln!("{role}: {asked} asked");
        assert!(broken.is_empty() && asked > 60, "{role}: {asked} asked, {broken:#?}");
    }
}
