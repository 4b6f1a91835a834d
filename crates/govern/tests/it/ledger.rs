//! Access and audit over a real ledger, with real SSH keys.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use countersign_connect::SshSigner;
use countersign_govern::access::{Pen, people, roles, root};
use countersign_govern::audit::verify::{Anchor, Root, verify};
use countersign_model::{Diagnostic as _, EventKind, Role, SystemClock};
use countersign_store::installation::Installation;
use countersign_store::projection::{State, Watch};
use countersign_store::subjects::SubjectKeys;
use countersign_store::{Paths, Session};

struct World {
    dir: tempfile::TempDir,
}

impl World {
    /// `None` where there is no `ssh-keygen`: skipped aloud, and a failure under `CI=true`.
    fn new() -> Option<Self> {
        let world = Self { dir: tempfile::tempdir().unwrap() };
        #[expect(clippy::disallowed_methods, reason = "a test may ask whether it runs in continuous integration")]
        let ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
        if world.keygen("probe").is_err() {
            assert!(!ci, "ssh-keygen is not installed");
            eprintln!("skipped: ssh-keygen is not installed");
            return None;
        }
        Some(world)
    }

    #[expect(clippy::disallowed_methods, reason = "keys are made by the tool that people use")]
    fn keygen(&self, name: &str) -> std::io::Result<PathBuf> {
        let path = self.dir.path().join(name);
        let status = Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-C", name, "-f"])
            .arg(&path)
            .stdin(Stdio::null())
            .status()?;
        assert!(status.success());
        Ok(path)
    }

    fn signer(&self, name: &str) -> SshSigner {
        SshSigner::from_key_file(self.keygen(name).unwrap()).unwrap().without_prompts()
    }

    fn ledger(&self) -> PathBuf {
        self.dir.path().join("ledger")
    }

    fn installation(&self) -> Installation {
        Installation::at(self.dir.path().join("data"))
    }

    fn open(&self) -> Session {
        Session::open_or_create(&self.ledger(), self.installation(), Arc::new(SystemClock), None).unwrap()
    }

    fn verified(&self) -> countersign_govern::audit::verify::Verified {
        let origin = self.open().ledger().origin().to_owned();
        let pin = self.installation().pin(&origin).unwrap().unwrap();
        verify(&self.ledger(), &Anchor::Pin(pin)).unwrap()
    }
}

/// The state that grew with the appends must be the one that a reader folds from nothing.
#[track_caller]
fn state_is_replay(session: &Session, world: &World) {
    let again = world.open();
    for replayed in [again.state(), &State::replay(session.ledger(), session.pin(), &Watch::default()).unwrap()] {
        let compared = session.state().compare(replayed).unwrap();
        assert_eq!((compared.differences, compared.entries), (vec![], session.ledger().size()));
    }
}

#[test]
fn the_live_state_is_the_replayed_one_after_every_act() {
    let Some(world) = World::new() else { return };
    let ada = world.signer("ada");
    let mut session = world.open();
    state_is_replay(&session, &world);
    root::establish(&mut session, "Ada", &ada).unwrap();
    state_is_replay(&session, &world);
    for (n, roles) in [&[Role::Engineer][..], &[], &[Role::Auditor, Role::ReleaseManager]].into_iter().enumerate() {
        let name = format!("Person {n}");
        let signer = world.signer(&format!("key{n}"));
        people::add(&mut session, &name, &signer.public_key(), &ada).unwrap();
        state_is_replay(&session, &world);
        for role in roles {
            let asked = roles::Asked { person: &name, role: *role, reason: "because" };
            roles::grant(&mut session, asked, None, Pen::Key(&ada)).unwrap();
            state_is_replay(&session, &world);
        }
    }
    assert_eq!(session.state().people().unwrap().len(), 4);
    let verified = world.verified();
    assert!(verified.holds(), "{:?}", verified.report.problems);
    assert_eq!(verified.root, Root::Pinned);
}

#[test]
fn a_destroyed_key_leaves_a_tombstone_and_every_proof() {
    // Its spaces stand in no key and no digest, which three letters do now and then.
    const NAME: &str = "Bob of Nowhere";
    let Some(world) = World::new() else { return };
    let ada = world.signer("ada");
    let mut session = world.open();
    root::establish(&mut session, "Ada", &ada).unwrap();
    let (bob, _) = people::add(&mut session, NAME, &world.signer("bob").public_key(), &ada).unwrap();
    drop(session);
    SubjectKeys::destroy(&Paths::new(world.ledger()), &bob).unwrap();
    let session = world.open();
    let person = session.state().person(&bob).unwrap().unwrap();
    assert_eq!((person.name.as_deref(), person.label()), (None, bob.as_str()));
    assert!(session.state().path().is_some_and(Path::exists), "the tables are kept");
    let kept = text_of(world.installation().dir());
    assert!(kept.contains(bob.as_str()) && !kept.contains(NAME), "no table ever held the name");
    assert!(!text_of(&world.ledger()).contains(NAME), "the name stood nowhere but in the sealed profile");
    // Nothing else is lost, and what is missing is named: no entry says that the key was destroyed.
    let problems = world.verified().report.problems;
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert_eq!((problems[0].code, problems[0].file.as_str()), ("CS-AUDIT-003", format!("subjects/{bob}.key").as_str()));
}

fn text_of(dir: &Path) -> String {
    let mut text = String::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            text.push_str(&text_of(&path));
        } else {
            text.push_str(&String::from_utf8_lossy(&std::fs::read(path).unwrap()));
        }
    }
    text
}

#[test]
fn names_and_keys_are_enrolled_once() {
    let Some(world) = World::new() else { return };
    let ada = world.signer("ada");
    let bob = world.signer("bob");
    let mut session = world.open();
    let before = people::add(&mut session, "Bob", &bob.public_key(), &ada).unwrap_err();
    assert_eq!(before.code(), "CS-ACCESS-001");
    root::establish(&mut session, "Ada", &ada).unwrap();
    people::add(&mut session, "Bob", &bob.public_key(), &ada).unwrap();
    let size = session.state().size();
    for (name, key, signer, code) in [
        ("bob", world.signer("other").public_key(), &ada, "CS-ACCESS-007"),
        ("Robert", bob.public_key(), &ada, "CS-ACCESS-008"),
        ("", bob.public_key(), &ada, "CS-ACCESS-006"),
        ("a\nb", bob.public_key(), &ada, "CS-ACCESS-006"),
        ("Carl", world.signer("carl").public_key(), &bob, "CS-ACCESS-004"),
    ] {
        assert_eq!(people::add(&mut session, name, &key, signer).unwrap_err().code(), code, "{name:?}");
    }
    let entries = session.ledger().entries(size..session.state().size()).unwrap();
    assert!(entries.iter().all(|(_, e)| e.kind == EventKind::ActRefused), "a refusal appends nothing but itself");
    assert_eq!(entries.len(), 1, "who is forbidden something finds it recorded");
    let keys = std::fs::read_dir(world.ledger().join("subjects")).unwrap().count();
    assert_eq!(keys, session.state().people().unwrap().len(), "no key of somebody who was never enrolled stays behind");
}
