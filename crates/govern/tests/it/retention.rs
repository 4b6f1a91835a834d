//! Random histories of classes, starts, extensions, holds and clock jumps over a real ledger with real signatures: nothing
//! that is kept is ever disposed of, by any call; and everything stays provable.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use countersign_connect::SshSigner;
use countersign_evidence::act::{self, SignedAct};
use countersign_evidence::canonical;
use countersign_evidence::statement::Subject;
use countersign_govern::access::{Pen, people, roles, root};
use countersign_govern::audit::verify::{Anchor, verify};
use countersign_govern::{Error, retention};
use countersign_model::event::{DecisionMade, EvidenceAttached, PolicyActivated, RunStarted};
use countersign_model::retention::{Day, Selector};
use countersign_model::{ActorId, Clock, Digest, EventKind, RepositoryId, Retention, Role, RunId, StreamId, Timestamp};
use countersign_policy::Bundle;
use countersign_store::installation::Installation;
use countersign_store::projection::{State, Watch};
use countersign_store::session::{JSON, act_statement};
use countersign_store::{NewBlob, Plan, Session};
use proptest::prelude::*;

/// What the machine's clock says: the true time, and how far it is off.
#[derive(Default)]
struct Turned(Mutex<(i64, i64)>);

impl Clock for Turned {
    fn now(&self) -> Timestamp {
        let (truth, off) = *self.0.lock().unwrap();
        Timestamp::from_millis(truth + off)
    }
}

const DAY: i64 = 86_400_000;

impl Turned {
    fn truth(&self) -> Timestamp {
        Timestamp::from_millis(self.0.lock().unwrap().0)
    }
    fn pass(&self, days: i64) {
        self.0.lock().unwrap().0 += days * DAY;
    }
    fn set_off(&self, ms: i64) {
        self.0.lock().unwrap().1 = ms;
    }
    /// The day as an honest person writes it.
    fn today(&self) -> Day {
        Day::of(self.truth()).unwrap()
    }
}

struct World {
    dir: tempfile::TempDir,
    clock: Arc<Turned>,
    keys: BTreeMap<&'static str, SshSigner>,
}

#[expect(clippy::disallowed_methods, reason = "keys are made by the tool that people use")]
fn keygen(path: &PathBuf) -> std::io::Result<()> {
    let args = ["-q", "-t", "ed25519", "-N", "", "-C", "key", "-f"];
    let status = Command::new("ssh-keygen").args(args).arg(path).stdin(Stdio::null()).status()?;
    assert!(status.success());
    Ok(())
}

/// People whose keys are made once: what differs from case to case is the ledger.
fn keys() -> Option<tempfile::TempDir> {
    #[expect(clippy::disallowed_methods, reason = "a test may ask whether it runs in continuous integration")]
    let ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
    let dir = tempfile::tempdir().unwrap();
    for name in ["ada", "ruth", "dan"] {
        if keygen(&dir.path().join(name)).is_err() {
            assert!(!ci, "ssh-keygen is not installed");
            eprintln!("skipped: ssh-keygen is not installed");
            return None;
        }
    }
    Some(dir)
}

impl World {
    fn new(keys: &tempfile::TempDir) -> (Self, Session) {
        let clock = Arc::new(Turned(Mutex::new((1_800_000_000_000, 0))));
        let signer = |name| SshSigner::from_key_file(keys.path().join(name)).unwrap().without_prompts();
        let keys = ["ada", "ruth", "dan"].into_iter().map(|name| (name, signer(name))).collect();
        let world = Self { dir: tempfile::tempdir().unwrap(), clock, keys };
        let mut session = world.open();
        root::establish(&mut session, "Ada", &world.keys["ada"]).unwrap();
        for name in ["ruth", "dan"] {
            people::add(&mut session, name, &world.keys[name].public_key(), &world.keys["ada"]).unwrap();
        }
        let asked = roles::Asked { person: "ruth", role: Role::ComplianceOfficer, reason: "her office" };
        roles::grant(&mut session, asked, None, Pen::Key(&world.keys["ada"])).unwrap();
        (world, session)
    }

    fn open(&self) -> Session {
        let installation = Installation::at(self.dir.path().join("data"));
        Session::open_or_create(&self.dir.path().join("ledger"), installation, self.clock.clone(), None).unwrap()
    }

    /// A run with a file of a class, in one append. The blob of every third is one that others speak of too.
    fn run(&self, session: &mut Session, n: u64, class: Retention) -> Option<RunId> {
        let run = RunId::from_random([u8::try_from(n).unwrap(); 10]);
        let appended = session.transact::<_, countersign_store::session::SessionError>(|s| {
            let change = NewBlob { bytes: format!("change {n}").into_bytes(), media: JSON.into() };
            let started = RunStarted {
                run: run.clone(),
                attempt: 1,
                repository: RepositoryId::from_text("rep-1"),
                identity: Some("example.com/app".into()),
                commit: format!("{n:040}"),
                tree: format!("{n:040}"),
                pipeline: Digest::of(b"pipeline"),
                change: Digest::of(&change.bytes),
                reuses: None,
            };
            let text = if n.is_multiple_of(3) { "shared".to_owned() } else { format!("file {n}") };
            let file = NewBlob { bytes: text.into_bytes(), media: "text/plain".into() };
            let attached = EvidenceAttached {
                run: run.clone(),
                kind: "file".into(),
                name: "file".into(),
                digest: Digest::of(&file.bytes),
                size: file.bytes.len() as u64,
                artifact: false,
                subjects: Vec::new(),
                report: None,
            };
            let (stream, subject) = (StreamId::from(&run), vec![Subject::new("app", "gitCommit", "0")]);
            let first =
                s.machine_entry(EventKind::RunStarted, stream.clone(), subject.clone(), started, vec![], vec![change])?;
            let second = s.machine_entry(EventKind::EvidenceAttached, stream, subject, attached, vec![], vec![file])?;
            let mut entries = vec![first, second];
            for entry in &mut entries {
                entry.retention = class;
            }
            Ok((Plan { entries }, ()))
        });
        // A clock that was set back appends nothing.
        appended.ok().map(|_| run)
    }
}

/// What the test itself knows of a run, by a reckoning of its own: days, always too long rather than too short.
struct Known {
    class: Retention,
    truth: Timestamp,
    started: bool,
    until: Option<Day>,
}

impl Known {
    /// Whether disposing at this true time would be too early, whatever the program says. Years count 365 days here, so
    /// this errs towards allowing; the calendar is tested by itself.
    fn is_too_early(&self, truth: Timestamp) -> bool {
        let days = match self.class {
            Retention::PciTwelveMonths => 365,
            Retention::Sec17a4ThreeYears => 3 * 365,
            Retention::SoxSevenYears if !self.started => return true,
            _ => 7 * 365,
        };
        let least = self.truth.millis() + days * DAY;
        // The clock may have been an hour slow when the run was recorded.
        let until = self.until.and_then(Day::start).map_or(0, Timestamp::millis);
        truth.millis() + 3_600_000 < least.max(until)
    }
}

#[derive(Debug, Clone)]
enum Step {
    Run(u8),
    Pass(u16),
    Off(u8),
    Start,
    Extend(u8, u16),
    Hold(u8),
    Release,
    Dispose(u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => any::<u8>().prop_map(Step::Run),
        6 => (100_u16..900).prop_map(Step::Pass),
        1 => any::<u8>().prop_map(Step::Off),
        1 => Just(Step::Start),
        1 => (any::<u8>(), 1_u16..2000).prop_map(|(a, b)| Step::Extend(a, b)),
        5 => any::<u8>().prop_map(Step::Hold),
        1 => Just(Step::Release),
        6 => any::<u8>().prop_map(Step::Dispose),
    ]
}

/// Every pair that could try. The first of them is the one that may.
const PAIRS: [(&str, &str); 6] =
    [("ruth", "ada"), ("ada", "ruth"), ("ada", "ada"), ("ruth", "ruth"), ("dan", "ada"), ("ruth", "dan")];

fn play(keys: &tempfile::TempDir, steps: &[Step]) -> (usize, usize) {
    let (world, mut session) = World::new(keys);
    let mut known = BTreeMap::<RunId, Known>::new();
    let mut held = BTreeSet::<RunId>::new();
    let mut gone = BTreeSet::<RunId>::new();
    let ruth = Pen::Key(&world.keys["ruth"]);
    let pick = |known: &BTreeMap<RunId, Known>, n: u8| known.keys().nth(usize::from(n) % known.len().max(1)).cloned();
    for (n, step) in steps.iter().enumerate() {
        match step {
            Step::Run(class) => {
                let class = match class % 5 {
                    0..3 => Retention::PciTwelveMonths,
                    3 => Retention::Sec17a4ThreeYears,
                    _ => Retention::SoxSevenYears,
                };
                if let Some(run) = world.run(&mut session, n as u64, class) {
                    known.insert(run, Known { class, truth: world.clock.truth(), started: false, until: None });
                }
            }
            Step::Pass(days) => world.clock.pass(i64::from(*days)),
            Step::Off(by) => {
                world.clock.set_off([0, 0, 0, 0, 3_600_000, -3_600_000, 10 * 365 * DAY][usize::from(*by) % 7]);
            }
            Step::Start => {
                let (event, on) = ("audit-concluded".parse().unwrap(), world.clock.today());
                if retention::start(&mut session, &event, &Selector::All, on, "test", ruth).is_ok() {
                    known.values_mut().for_each(|k| k.started = true);
                }
            }
            Step::Extend(which, days) => {
                let Some(run) = pick(&known, *which) else { continue };
                let until = Day::of(world.clock.truth().plus_seconds(i64::from(*days) * 86_400)).unwrap();
                let selector = Selector::Run(run.clone());
                if retention::extend(&mut session, &selector, None, Some(until), "test", ruth).is_ok() {
                    let known = known.get_mut(&run).unwrap();
                    known.until = known.until.max(Some(until));
                }
            }
            Step::Hold(which) => {
                let Some(run) = pick(&known, *which) else { continue };
                if retention::place(&mut session, "m-1", &Selector::Run(run.clone()), "test", ruth).is_ok() {
                    held.insert(run);
                }
            }
            Step::Release => {
                if retention::release(&mut session, "m-1", "test", ruth).is_ok() {
                    held.clear();
                }
            }
            Step::Dispose(pair) => {
                let (first, second) = PAIRS[if *pair < 192 { 0 } else { usize::from(*pair) % PAIRS.len() }];
                let today = world.clock.today();
                let tried: Result<_, Error> = retention::order(&mut session, today, &world.keys[first])
                    .and_then(|order| retention::execute(&mut session, &order, today, &world.keys[second]));
                let left: BTreeSet<RunId> = session.state().runs().unwrap().into_iter().map(|r| r.id).collect();
                for (run, about) in known.iter().filter(|(run, _)| !left.contains(*run) && !gone.contains(*run)) {
                    assert!(tried.is_ok() && PAIRS[..2].contains(&(first, second)), "{first} and {second} disposed");
                    assert!(!held.contains(run), "{run} was under hold");
                    assert!(!about.is_too_early(world.clock.truth()), "{run} went too early");
                }
                gone = known.keys().filter(|run| !left.contains(*run)).cloned().collect();
            }
        }
    }
    proven(&world, &session);
    (known.len(), gone.len())
}

fn proven(world: &World, session: &Session) {
    let pin = session.pin().unwrap().clone();
    // The pin is as old as the session; what this machine has seen since stands in its own.
    let pin = session.installation().pin(&pin.origin).unwrap().unwrap();
    let verified = verify(&world.dir.path().join("ledger"), &Anchor::Pin(pin)).unwrap();
    assert!(verified.holds(), "{:?}", verified.report.problems);
    let replayed = State::replay(session.ledger(), session.pin(), &Watch::default()).unwrap();
    assert_eq!(session.state().compare(&replayed).unwrap().differences, vec![]);
    let vkey = session.ledger().vkey().clone();
    for index in 0..session.ledger().size() {
        let entry = session.ledger().entry_bytes(index).unwrap();
        let proven = session.ledger().receipt(index).unwrap().verify(&entry, std::slice::from_ref(&vkey));
        assert!(proven.is_ok(), "entry {index}");
    }
}

#[test]
fn nothing_that_is_kept_ever_goes() {
    let Some(keys) = keys() else { return };
    let mut seen = (0, 0);
    let config = ProptestConfig { cases: 8, max_shrink_iters: 40, failure_persistence: None, ..Default::default() };
    let mut runner = proptest::test_runner::TestRunner::new_with_rng(
        config,
        proptest::test_runner::TestRng::deterministic_rng(proptest::test_runner::RngAlgorithm::ChaCha),
    );
    let seen_in = std::cell::RefCell::new(&mut seen);
    runner
        .run(&prop::collection::vec(step(), 24..32), |steps| {
            let (runs, gone) = play(&keys, &steps);
            let mut seen = seen_in.borrow_mut();
            (seen.0, seen.1) = (seen.0 + runs, seen.1 + gone);
            Ok(())
        })
        .unwrap();
    assert!(seen.1 > 0 && seen.0 > seen.1, "the histories must dispose of something and keep something: {seen:?}");
}

/// Statements that the recorder and an officer really signed, with other things attached than they name: whoever holds the
/// log's key alone can append that.
#[test]
fn what_is_attached_is_what_the_statement_names_or_verification_says_so() {
    let Some(keys) = keys() else { return };
    let (world, mut session) = World::new(&keys);
    let run = world.run(&mut session, 1, Retention::SoxSevenYears).unwrap();
    let blob = |bytes: Vec<u8>| NewBlob { bytes, media: JSON.into() };
    let shipped = Bundle::shipped();
    let facts = b"{}".to_vec();
    let other = Bundle::new([("gates/build.rego".to_owned(), "package other\n".to_owned())].into()).unwrap();
    let evidence = |digest: Digest| EvidenceAttached {
        run: run.clone(),
        kind: "file".into(),
        name: "file".into(),
        digest,
        size: 4,
        artifact: false,
        subjects: Vec::new(),
        report: None,
    };
    let mut append = |what: &str| {
        let stream = StreamId::from(&run);
        let subject = vec![Subject::new("app", "gitCommit", "0")];
        let document = serde_json::json!({"facts": Digest::of(&facts), "bundle": shipped.digest()});
        let decided =
            DecisionMade { run: run.clone(), digest: canonical::digest(&document).unwrap(), decision: document };
        let attach = |s: &Session, kind, attachments| match kind {
            EventKind::DecisionMade => {
                s.machine_entry(kind, stream.clone(), subject.clone(), decided.clone(), vec![], attachments)
            }
            _ => {
                let said = evidence(Digest::of(b"true"));
                s.machine_entry(kind, stream.clone(), subject.clone(), said, vec![], attachments)
            }
        };
        let (appended, ()) = session
            .transact::<_, countersign_store::session::SessionError>(|s| {
                let entry = match what {
                    "file" => attach(s, EventKind::EvidenceAttached, vec![blob(b"true".to_vec())]),
                    "another file" => attach(s, EventKind::EvidenceAttached, vec![blob(b"lies".to_vec())]),
                    "no file" => attach(s, EventKind::EvidenceAttached, vec![]),
                    "decision" => {
                        attach(s, EventKind::DecisionMade, vec![blob(facts.clone()), blob(shipped.to_bytes())])
                    }
                    "other facts" => {
                        attach(s, EventKind::DecisionMade, vec![blob(b"[]".to_vec()), blob(shipped.to_bytes())])
                    }
                    "another bundle" => {
                        attach(s, EventKind::DecisionMade, vec![blob(facts.clone()), blob(other.to_bytes())])
                    }
                    _ => {
                        let by = s.state().holder(&world.keys["ruth"].public_key().fingerprint())?.unwrap();
                        let predicate = PolicyActivated {
                            origin: s.state().origin().to_owned(),
                            bundle: shipped.digest(),
                            by: by.clone(),
                            reason: None,
                            time: s.now(),
                        };
                        let said = act_statement(vec![Subject::sha256("policy-bundle", &shipped.digest())], predicate)?;
                        let armored = world.keys["ruth"].sign(act::POLICY, &said).unwrap();
                        let signed = SignedAct::new(act::POLICY, &said, &armored, &world.keys["ruth"].public_key());
                        let (kind, stream) = (EventKind::PolicyActivated, StreamId::from_text("access"));
                        let bundle = if what == "policy" { &shipped } else { &other };
                        let attached = vec![blob(bundle.to_bytes())];
                        s.act_entry(kind, stream, ActorId::from(&by), &signed.unwrap(), vec![], attached)
                    }
                }?;
                Ok((Plan { entries: vec![entry] }, ()))
            })
            .unwrap();
        let installation = Installation::at(world.dir.path().join("data"));
        let pin = installation.pin(session.ledger().origin()).unwrap().unwrap();
        let verified = verify(&world.dir.path().join("ledger"), &Anchor::Pin(pin)).unwrap();
        let index = appended.unwrap().first_index;
        let problems: Vec<_> = verified.report.problems.iter().filter(|p| p.entry == Some(index)).collect();
        (problems.len(), problems.iter().all(|p| p.code == "CS-AUDIT-001"))
    };
    for named in ["file", "decision", "policy"] {
        assert_eq!(append(named), (0, true), "{named}");
    }
    for another in ["another file", "no file", "other facts", "another bundle", "another policy"] {
        assert_eq!(append(another), (1, true), "{another}");
    }
}
