//! Attacks on approvals: whatever is substituted, replayed, confused or written into the log by hand, no gate opens by it, and it
//! leaves a trace. Each attack is tried twice: handed in by `import`, which records the refusal, and appended to the log past every
//! use case, where the fold must not believe it.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use countersign_evidence::act::{self, SignedAct};
use countersign_evidence::canonical;
use countersign_evidence::sshsig::PublicKey;
use countersign_evidence::statement::Statement;
use countersign_model::event::{
    ApprovalRejected, ApprovalSigned, ApprovalWithdrawn, Artifact, Device, EvidenceCheckpoint, Predicate,
};
use countersign_model::{ActorId, Digest, EventKind, PersonId, RunId, StreamId, SystemClock, Timestamp};
use countersign_store::installation::Installation;
use countersign_store::session::act_statement;
use countersign_store::{NewBlob, NewEntry, Plan, Session};

use crate::support::{World, have_ssh_keygen};

/// What `approve --out` wrote, opened.
fn statement(file: &Path) -> ApprovalSigned {
    let act = SignedAct::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let statement: Statement<ApprovalSigned> = canonical::from_slice(&act.statement().unwrap()).unwrap();
    statement.predicate
}

/// Signs bytes with somebody's key, as anybody can with OpenSSH.
pub(crate) fn sign(w: &World, key: &str, namespace: &str, bytes: &[u8]) -> SignedAct {
    let file = w.path("to-sign");
    std::fs::write(&file, bytes).unwrap();
    let _ = std::fs::remove_file(w.path("to-sign.sig"));
    let mut command = w.command("ssh-keygen", &w.path("."));
    command.args(["-q", "-Y", "sign", "-n", namespace, "-f"]).arg(w.path(key)).arg(&file);
    command.stdin(Stdio::null());
    World::finish(command).expect(0);
    let armored = std::fs::read_to_string(w.path("to-sign.sig")).unwrap();
    let public = PublicKey::parse(&std::fs::read_to_string(w.public(key)).unwrap()).unwrap();
    SignedAct::new(namespace, bytes, &armored, &public).unwrap()
}

/// The act over a predicate.
pub(crate) fn act_of<P: Predicate>(w: &World, key: &str, namespace: &str, predicate: P) -> SignedAct {
    let subject = vec![countersign_evidence::statement::Subject::new("r", "gitCommit", "c")];
    sign(w, key, namespace, &act_statement(subject, predicate).unwrap())
}

pub(crate) fn session(w: &World) -> Session {
    let dir: PathBuf = w.repo().join(".countersign");
    Session::open(&dir, Installation::at(w.path("data")), Arc::new(SystemClock)).unwrap()
}

/// Appends an act as it is, past every use case; what the fold says of it, nothing where it is believed.
fn by_hand(w: &World, kind: EventKind, stream: &StreamId, actor: &PersonId, act: &SignedAct) -> Option<String> {
    by_hand_with(w, kind, stream, actor, act, &[])
}

/// The same with attachments.
pub(crate) fn by_hand_with(
    w: &World,
    kind: EventKind,
    stream: &StreamId,
    actor: &PersonId,
    act: &SignedAct,
    attachments: &[NewBlob],
) -> Option<String> {
    let mut s = session(w);
    let (appended, ()) = s
        .transact(|s| {
            // Not `act_entry`: that asks whether the key counts.
            let entry = NewEntry {
                kind,
                stream: stream.clone(),
                actor: ActorId::from(actor),
                retention: s.state().default_class()?.0,
                refs: Vec::new(),
                payload: NewBlob { bytes: act.to_vec().unwrap(), media: act::MEDIA_TYPE.into() },
                attachments: attachments.to_vec(),
            };
            Ok::<_, countersign_store::session::SessionError>((Plan { entries: vec![entry] }, ()))
        })
        .unwrap();
    let index = appended.unwrap().first_index;
    s.state().anomalies().unwrap().into_iter().find(|a| a.index == index).map(|a| a.what)
}

pub(crate) fn refusals(w: &World) -> usize {
    let j = w.cs(["ledger", "entries", "--format", "json"]).expect(0).json();
    j["entries"].as_array().unwrap().iter().filter(|e| e["entry"]["kind"] == "ActRefused").count()
}

/// Hands an act in; it must be refused, recorded, and change no gate.
#[track_caller]
fn handed_in(w: &World, what: &str, bytes: &[u8], code: &str) {
    let file = w.path("handed-in");
    std::fs::write(&file, bytes).unwrap();
    let before = refusals(w);
    let ran = w.cs(["import", file.to_str().unwrap()]);
    assert!(ran.code != 0, "{what}: it was taken\n{}", ran.out);
    assert!(ran.err.starts_with(&format!("error[{code}")), "{what}: {}", ran.err);
    assert_eq!(refusals(w), before + 1, "{what}: a refusal is recorded");
}

/// An approval with one thing that is not so.
type Change = fn(&mut ApprovalSigned);

/// What is substituted, how, and what `import` says. The signer is the person whom the approval names, with a key of theirs.
const SUBSTITUTED: &[(&str, Change, &str)] = &[
    ("another ledger", |p| p.origin = "countersign.local/00000000000000000000".into(), "CS-RELEASE-010"),
    ("no ledger", |p| p.origin = String::new(), "CS-RELEASE-010"),
    ("another repository", |p| p.repository = "https://example.test/other.git".into(), "CS-APPROVAL-011"),
    ("a run that is not here", |p| p.run = RunId::from_random([9; 10]), "CS-APPROVAL-021"),
    ("a run that is no id", |p| p.run = RunId::from_text("run-x' OR 1=1"), "CS-APPROVAL-021"),
    ("another commit", |p| p.commit = "0".repeat(40), "CS-APPROVAL-011"),
    ("another tree", |p| p.tree = "0".repeat(40), "CS-APPROVAL-011"),
    ("an artifact more", |p| p.artifacts.push(artifact("z.tar", b"z")), "CS-APPROVAL-011"),
    ("an artifact less", |p| p.artifacts.clear(), "CS-APPROVAL-011"),
    ("an artifact of other bytes", |p| p.artifacts[0].digest = Digest::of(b"other"), "CS-APPROVAL-011"),
    ("an artifact of another name", |p| p.artifacts[0].name = "b.tar".into(), "CS-APPROVAL-011"),
    ("another environment", |p| p.environment = "staging".into(), "CS-APPROVAL-011"),
    ("another environment by case", |p| p.environment = "Production".into(), "CS-APPROVAL-011"),
    ("another policy bundle", |p| p.bundle = Digest::of(b"lenient"), "CS-APPROVAL-011"),
    ("another decision", |p| p.decision = Digest::of(b"a pass"), "CS-RELEASE-011"),
    ("another gate", |p| p.gate = "build".into(), "CS-APPROVAL-011"),
    ("a slot that nobody asks for", |p| p.slot = "security".parse().unwrap(), "CS-APPROVAL-010"),
    ("levels that are not in effect", |p| p.levels = Some(Digest::of(b"levels")), "CS-APPROVAL-011"),
    ("rules that are not in effect", |p| p.rules = Some(Digest::of(b"rules")), "CS-APPROVAL-011"),
    ("waivers that are not in force", |p| p.waivers = Some(Digest::of(b"waivers")), "CS-APPROVAL-011"),
    ("other findings", |p| p.findings = Some(Digest::of(b"clean")), "CS-APPROVAL-011"),
    ("no findings", |p| p.findings = None, "CS-APPROVAL-011"),
    ("over already", |p| p.expires = Some(p.time), "CS-APPROVAL-015"),
    ("over since long", |p| p.expires = Some(Timestamp::from_millis(0)), "CS-APPROVAL-015"),
    ("signed in the future", |p| p.time = p.time.plus_seconds(86_400), "CS-APPROVAL-017"),
    ("a stronger key than there is", |p| p.strength = "ssh-hardware-key".into(), "CS-APPROVAL-024"),
    ("a passkey that is none", |p| p.strength = "passkey".into(), "CS-APPROVAL-024"),
    (
        "a key of nobody",
        |p| p.device.key = "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA".into(),
        "CS-RELEASE-002",
    ),
    ("more log than there is", |p| seen(p).size = 1 << 40, "CS-APPROVAL-025"),
    ("another root", |p| seen(p).root = Digest::of(b"root"), "CS-APPROVAL-025"),
    ("before its decision", before_the_decision, "CS-APPROVAL-0"),
];

fn artifact(name: &str, bytes: &[u8]) -> Artifact {
    Artifact { name: name.into(), digest: Digest::of(bytes) }
}

fn seen(p: &mut ApprovalSigned) -> &mut EvidenceCheckpoint {
    p.evidence.as_mut().unwrap()
}

fn before_the_decision(p: &mut ApprovalSigned) {
    *seen(p) = EvidenceCheckpoint { size: 1, root: Digest::of(b"no root") };
}

/// A firm with a run that has an artifact and waits, and what an honest engineer's approval of it would be.
fn waiting() -> (World, ApprovalSigned) {
    let w = World::new();
    w.firm();
    w.commit_signed("mia", "app.sh", "echo app\n");
    w.cs(["run"]).expect(11);
    std::fs::write(w.path("a.tar"), b"artifact").unwrap();
    w.cs(["record", "--artifact", w.path("a.tar").to_str().unwrap()]).expect(0);
    w.cs(["gate", "check"]).expect(11);
    let out = w.path("honest");
    w.by("dan", &["approve", "latest", "--as", "technical", "--out", out.to_str().unwrap()]).expect(0);
    let honest = statement(&out);
    (w, honest)
}

pub(crate) fn id_of(w: &World, name: &str) -> PersonId {
    let j = w.cs(["person", "list", "--format", "json"]).expect(0).json();
    let people = j["people"].as_array().unwrap();
    let one = people.iter().find(|p| p["name"] == name).unwrap_or_else(|| panic!("no {name}: {j}"));
    PersonId::from_text(one["id"].as_str().or(one["person"].as_str()).unwrap())
}

fn device(w: &World, name: &str) -> Device {
    let public = PublicKey::parse(&std::fs::read_to_string(w.public(name)).unwrap()).unwrap();
    Device { key: public.fingerprint(), host: "h".into() }
}

#[test]
fn whatever_is_substituted_in_an_approval_it_counts_for_nothing() {
    if !have_ssh_keygen() {
        return;
    }
    let (w, honest) = waiting();
    let stream = StreamId::from(&honest.run);
    let mut tried = 0;
    for (what, change, code) in SUBSTITUTED {
        let mut p = honest.clone();
        change(&mut p);
        let act = act_of(&w, "dan", act::APPROVAL, p.clone());
        handed_in(&w, what, &act.to_vec().unwrap(), code);
        // The log has moved on by the refusal; what the approval has seen is still before that.
        let said = by_hand(&w, EventKind::ApprovalSigned, &stream, &p.person, &act);
        // A log that only ledgers further on can disprove is told apart by whoever has both: import does.
        assert!(said.is_some(), "{what}: the fold believes it");
        tried += 2;
    }
    assert!(tried >= 60, "{tried}");
    // None of it filled anything.
    let j = w.cs(["gate", "explain", "--format", "json"]).expect(11).json();
    let slots = j["gates"][2]["slots"].as_array().unwrap();
    assert!(slots.iter().all(|s| s["filled"].as_array().unwrap().is_empty()), "{j}");
    // Whoever reads the ledger is told of every one.
    let verified = w.cs(["verify", "--format", "json"]).expect(13).json();
    let problems = verified["problems"].as_array().unwrap().len();
    assert!(problems >= SUBSTITUTED.len(), "{problems} problems: {verified}");
    // And the honest one is still good.
    let act = act_of(&w, "dan", act::APPROVAL, honest.clone());
    assert_eq!(by_hand(&w, EventKind::ApprovalSigned, &stream, &honest.person, &act), None);
    handed_in(&w, "the same twice", &act.to_vec().unwrap(), "CS-RELEASE-006");
    let again = by_hand(&w, EventKind::ApprovalSigned, &stream, &honest.person, &act);
    assert!(again.unwrap().contains("before"), "doubled by hand");
}

#[test]
fn whoever_signs_for_another_or_as_something_else_signs_nothing() {
    if !have_ssh_keygen() {
        return;
    }
    let (w, honest) = waiting();
    let stream = StreamId::from(&honest.run);
    let approval = EventKind::ApprovalSigned;
    w.key("eve");
    // Signed with every other key than that of the person it names; the device may say either.
    for key in ["eve", "mia", "ruth", "ada"] {
        let mut p = honest.clone();
        let act = act_of(&w, key, act::APPROVAL, p.clone());
        handed_in(&w, key, &act.to_vec().unwrap(), "CS-APPROVAL-023");
        assert!(by_hand(&w, approval, &stream, &p.person, &act).is_some(), "{key}");
        p.device = device(&w, key);
        let act = act_of(&w, key, act::APPROVAL, p.clone());
        handed_in(&w, key, &act.to_vec().unwrap(), "CS-RELEASE-002");
        assert!(by_hand(&w, approval, &stream, &p.person, &act).is_some(), "{key} with its own device");
    }
    // Another person's id over one's own signature: a compliance officer as the engineer, and the engineer as them.
    for name in ["ruth", "mia", "omar", "Ada"] {
        let mut p = honest.clone();
        p.person = id_of(&w, name);
        let act = act_of(&w, "dan", act::APPROVAL, p.clone());
        handed_in(&w, name, &act.to_vec().unwrap(), "CS-RELEASE-002");
        assert!(by_hand(&w, approval, &stream, &p.person, &act).is_some(), "as {name}");
    }
    let mut nobody = honest.clone();
    nobody.person = PersonId::from_random([7; 10]);
    let act = act_of(&w, "dan", act::APPROVAL, nobody.clone());
    handed_in(&w, "nobody", &act.to_vec().unwrap(), "CS-RELEASE-002");
    assert!(by_hand(&w, approval, &stream, &nobody.person, &act).is_some(), "nobody");
    // Signed for another act, handed in as an approval.
    for namespace in act::NAMESPACES.iter().filter(|n| **n != act::APPROVAL).take(20) {
        let act = act_of(&w, "dan", namespace, honest.clone());
        handed_in(&w, namespace, &act.to_vec().unwrap(), "CS-APPROVAL-022");
        assert!(by_hand(&w, approval, &stream, &honest.person, &act).is_some(), "{namespace}");
    }
    // An author, the regulatory slot by an engineer who may, and the duty that an honest person has not.
    let author = ApprovalSigned { person: id_of(&w, "mia"), device: device(&w, "mia"), ..honest.clone() };
    let act = act_of(&w, "mia", act::APPROVAL, author.clone());
    handed_in(&w, "an author", &act.to_vec().unwrap(), "CS-RELEASE-004");
    assert!(by_hand(&w, approval, &stream, &author.person, &act).unwrap().contains("author"));
    let outsider = ApprovalSigned { person: id_of(&w, "omar"), device: device(&w, "omar"), ..honest.clone() };
    let act = act_of(&w, "omar", act::APPROVAL, outsider.clone());
    handed_in(&w, "no engineer", &act.to_vec().unwrap(), "CS-RELEASE-003");
    assert!(by_hand(&w, approval, &stream, &outsider.person, &act).is_some());
    // In another stream than the run's, and as another kind of event.
    let good = act_of(&w, "dan", act::APPROVAL, honest.clone());
    for (other, kind) in [
        (StreamId::from_text("ledger"), approval),
        (StreamId::from(&RunId::from_random([1; 10])), approval),
        (StreamId::from(&honest.person), approval),
        (stream.clone(), EventKind::ApprovalRejected),
        (stream.clone(), EventKind::ApprovalWithdrawn),
        (stream.clone(), EventKind::GrantIssued),
        (stream.clone(), EventKind::CommitsClaimed),
        (stream.clone(), EventKind::ApprovalRulesActivated),
    ] {
        assert!(by_hand(&w, kind, &other, &honest.person, &good).is_some(), "{kind:?} in {other}");
    }
    w.cs(["gate", "check"]).expect(11);
}

#[test]
fn bytes_that_are_no_act_are_refused_and_recorded() {
    if !have_ssh_keygen() {
        return;
    }
    let (w, honest) = waiting();
    let good = String::from_utf8(act_of(&w, "dan", act::APPROVAL, honest.clone()).to_vec().unwrap()).unwrap();
    let other = String::from_utf8(
        act_of(&w, "dan", act::APPROVAL, ApprovalSigned { gate: "x".into(), ..honest }).to_vec().unwrap(),
    )
    .unwrap();
    let field = |text: &str, name: &str| {
        let v: serde_json::Value = serde_json::from_str(text).unwrap();
        v[name].as_str().unwrap().to_owned()
    };
    let payload_of_other = good.replace(&field(&good, "payload"), &field(&other, "payload"));
    let signature_of_other = {
        let quoted = |t: &str| serde_json::to_string(&field(t, "signature")).unwrap();
        good.replace(&quoted(&good), &quoted(&other))
    };
    for (what, bytes, code) in [
        ("nothing", String::new(), "CS-"),
        ("no JSON", "approve".into(), "CS-"),
        ("another document", "{\"version\":1}".into(), "CS-"),
        ("a field more", good.replacen('{', "{\"a\":1,", 1), "CS-"),
        ("cut off", good[..good.len() - 2].into(), "CS-"),
        ("a space more", good.replacen(':', ": ", 1), "CS-"),
        ("another payload", payload_of_other, "CS-"),
        ("another signature", signature_of_other, "CS-"),
        ("another namespace in the envelope", good.replace("countersign-approval@v1", "countersign-waiver@v1"), "CS-"),
        ("a namespace of nobody", good.replace("countersign-approval@v1", "file"), "CS-"),
        ("another payload type", good.replace("application/vnd.in-toto+json", "text/plain"), "CS-"),
        ("a line of the signature gone", good.replacen("\\n", "", 3), "CS-"),
    ] {
        assert_ne!(bytes, good, "{what}");
        handed_in(&w, what, bytes.as_bytes(), code);
    }
    w.cs(["verify"]).expect(0);
}

#[test]
fn what_was_good_once_is_not_good_for_what_came_after() {
    if !have_ssh_keygen() {
        return;
    }
    let (w, honest) = waiting();
    let stream = StreamId::from(&honest.run);
    let act = act_of(&w, "dan", act::APPROVAL, honest.clone());
    let kept = act.to_vec().unwrap();
    let approval = EventKind::ApprovalSigned;
    let both = |what: &str, code: &str| {
        handed_in(&w, what, &kept, code);
        assert!(by_hand(&w, approval, &stream, &honest.person, &act).is_some(), "{what}");
    };
    // Taken back, and played again: whoever took it back has to sign anew, for the log has moved on.
    w.by("dan", &["approve", "latest", "--as", "technical"]).expect(0);
    both("again while it stands", "CS-RELEASE-006");
    w.by("dan", &["reject", "latest", "--reason", "no"]).expect(0);
    both("against one's own rejection", "CS-APPROVAL-018");
    // Another artifact.
    std::fs::write(w.path("b.tar"), b"other").unwrap();
    w.cs(["record", "--artifact", w.path("b.tar").to_str().unwrap()]).expect(0);
    w.cs(["gate", "check"]).expect(11);
    both("another artifact", "CS-RELEASE-011");
    // Other facts: a ticket, other evidence, and a later attempt.
    w.cs(["run", "--ticket", "CHG-9"]).expect(11);
    both("another ticket", "CS-RELEASE-011");
    std::fs::write(w.path("bom.json"), br#"{"bomFormat":"CycloneDX","specVersion":"1.5","version":1}"#).unwrap();
    w.cs(["record", w.path("bom.json").to_str().unwrap()]).expect(0);
    w.cs(["gate", "check"]).expect(11);
    both("other evidence", "CS-RELEASE-011");
    // Levels and rules that were put in effect since.
    std::fs::write(w.path("levels.yaml"), "version: 1\n").unwrap();
    w.by("ruth", &["enforcement", "activate", w.path("levels.yaml").to_str().unwrap()]).expect(0);
    w.cs(["gate", "check"]).expect(11);
    both("other levels", "CS-RELEASE-011");
    let out = w.path("fresh");
    w.by("dan", &["approve", "latest", "--as", "technical", "--out", out.to_str().unwrap()]).expect(0);
    let fresh = statement(&out);
    let rules = "version: 1\nrules:\n  - why: x\n    slots: [{slot: technical, roles: [engineer]}]\n";
    std::fs::write(w.path("rules.yaml"), rules).unwrap();
    w.by("ruth", &["approvals", "activate", w.path("rules.yaml").to_str().unwrap()]).expect(0);
    handed_in(&w, "other rules", &std::fs::read(&out).unwrap(), "CS-APPROVAL-011");
    let fresh_act = SignedAct::from_slice(&std::fs::read(&out).unwrap()).unwrap();
    assert!(by_hand(&w, approval, &stream, &fresh.person, &fresh_act).is_some(), "other rules");
    // The person becomes an author by a claim after they signed.
    w.by("dan", &["approve", "latest", "--as", "technical", "--out", out.to_str().unwrap()]).expect(0);
    let signed = SignedAct::from_slice(&std::fs::read(&out).unwrap()).unwrap();
    w.by("dan", &["claim", "HEAD"]).expect(0);
    w.cs(["gate", "check"]).expect(11);
    handed_in(&w, "a claim after the approval", &std::fs::read(&out).unwrap(), "CS-RELEASE-011");
    let said = by_hand(&w, approval, &stream, &fresh.person, &signed).unwrap();
    assert!(said.contains("co-author") || said.contains("replaced"), "{said}");
}

#[test]
fn approvals_of_another_repository_and_of_a_copy_of_the_ledger_are_not_taken() {
    if !have_ssh_keygen() {
        return;
    }
    let (w, honest) = waiting();
    let act = act_of(&w, "dan", act::APPROVAL, honest);
    let kept = act.to_vec().unwrap();
    // Another world: other ledger, other people.
    let (other, theirs) = waiting();
    handed_in(&other, "another ledger's", &kept, "CS-RELEASE-010");
    // The other ledger's name over the first one's run; the key is of nobody there.
    let mut forged = statement_of(&act);
    forged.origin = theirs.origin.clone();
    let forged = act_of(&w, "dan", act::APPROVAL, forged);
    handed_in(&other, "another ledger's run", &forged.to_vec().unwrap(), "CS-APPROVAL-021");
    let mut forged = statement_of(&act);
    (forged.origin, forged.run) = (theirs.origin.clone(), theirs.run.clone());
    let forged = act_of(&w, "dan", act::APPROVAL, forged);
    handed_in(&other, "another ledger's person", &forged.to_vec().unwrap(), "CS-RELEASE-002");
    // A superseded run: another commit is judged, and the old run is deployed no more.
    w.commit_signed("mia", "next.sh", "echo next\n");
    w.cs(["run"]).expect(11);
    let j = w.cs(["gate", "check", "--format", "json"]).expect(11).json();
    let new = RunId::from_text(j["run"]["id"].as_str().unwrap());
    let mut moved = statement_of(&act);
    moved.run = new.clone();
    let moved_act = act_of(&w, "dan", act::APPROVAL, moved.clone());
    handed_in(&w, "the old commit's for the new run", &moved_act.to_vec().unwrap(), "CS-RELEASE-011");
    let said = by_hand(&w, EventKind::ApprovalSigned, &StreamId::from(&new), &moved.person, &moved_act);
    assert!(said.is_some(), "the old commit's for the new run");
}

fn statement_of(act: &SignedAct) -> ApprovalSigned {
    let statement: Statement<ApprovalSigned> = canonical::from_slice(&act.statement().unwrap()).unwrap();
    statement.predicate
}

#[test]
fn rejections_and_withdrawals_cannot_be_forged_either() {
    if !have_ssh_keygen() {
        return;
    }
    let (w, honest) = waiting();
    let stream = StreamId::from(&honest.run);
    w.by("dan", &["approve", "latest", "--as", "technical"]).expect(0);
    let given = session(&w).state().run(&honest.run).unwrap().unwrap().approvals[0].index;
    let no = ApprovalRejected {
        origin: honest.origin.clone(),
        repository: honest.repository.clone(),
        run: honest.run.clone(),
        commit: honest.commit.clone(),
        decision: honest.decision,
        gate: "release".into(),
        slot: "regulatory".parse().unwrap(),
        person: id_of(&w, "ruth"),
        device: device(&w, "ruth"),
        reason: "no".into(),
        time: honest.time,
    };
    let reject = |what: &str, key: &str, change: &dyn Fn(&mut ApprovalRejected)| {
        let mut p = no.clone();
        change(&mut p);
        let act = act_of(&w, key, act::REJECTION, p.clone());
        let said = by_hand(&w, EventKind::ApprovalRejected, &stream, &p.person, &act);
        assert!(said.is_some(), "{what}: the fold believes it");
    };
    reject("in another's name", "dan", &|_| ());
    reject("by an author", "mia", &|p| {
        (p.person, p.device, p.slot) = (id_of(&w, "mia"), device(&w, "mia"), "technical".parse().unwrap())
    });
    reject("by somebody without a say", "omar", &|p| (p.person, p.device) = (id_of(&w, "omar"), device(&w, "omar")));
    reject("of another decision", "ruth", &|p| p.decision = Digest::of(b"d"));
    reject("of another run", "ruth", &|p| p.run = RunId::from_random([5; 10]));
    reject("of another commit", "ruth", &|p| p.commit = "0".repeat(40));
    reject("of another repository", "ruth", &|p| p.repository = "r".into());
    reject("of another gate", "ruth", &|p| p.gate = "build".into());
    reject("for another slot", "ruth", &|p| p.slot = "technical".parse().unwrap());
    reject("without a reason", "ruth", &|p| p.reason = " ".into());
    reject("to another ledger", "ruth", &|p| p.origin = "o".into());
    reject("from the future", "ruth", &|p| p.time = p.time.plus_seconds(86_400));
    reject("with another device", "ruth", &|p| p.device = device(&w, "dan"));
    let back = ApprovalWithdrawn {
        origin: honest.origin.clone(),
        repository: honest.repository.clone(),
        run: honest.run.clone(),
        decision: honest.decision,
        acts: vec![given],
        person: honest.person.clone(),
        device: device(&w, "dan"),
        reason: "r".into(),
        time: honest.time,
    };
    let withdraw = |what: &str, key: &str, change: &dyn Fn(&mut ApprovalWithdrawn)| {
        let mut p = back.clone();
        change(&mut p);
        let act = act_of(&w, key, act::WITHDRAWAL, p.clone());
        let said = by_hand(&w, EventKind::ApprovalWithdrawn, &stream, &p.person, &act);
        assert!(said.is_some(), "{what}: the fold believes it");
    };
    withdraw("in another's name", "ruth", &|_| ());
    withdraw("of another's approval", "ruth", &|p| (p.person, p.device) = (id_of(&w, "ruth"), device(&w, "ruth")));
    withdraw("of nothing", "dan", &|p| p.acts.clear());
    withdraw("of more than there is", "dan", &|p| p.acts.push(given + 1));
    withdraw("of another decision", "dan", &|p| p.decision = Digest::of(b"d"));
    withdraw("of another run", "dan", &|p| p.run = RunId::from_random([5; 10]));
    withdraw("to another ledger", "dan", &|p| p.origin = "o".into());
    withdraw("without a reason", "dan", &|p| p.reason = String::new());
    // None of it changed anything: dan's approval stands, and nobody rejected.
    let j = w.cs(["gate", "explain", "--format", "json"]).expect(11).json();
    assert_eq!(j["gates"][2]["rejected"].as_array().unwrap().len(), 0);
    let filled: usize =
        j["gates"][2]["slots"].as_array().unwrap().iter().map(|s| s["filled"].as_array().unwrap().len()).sum();
    assert_eq!(filled, 1, "{j}");
}

#[test]
fn a_bit_of_any_payload_is_named_and_the_rest_is_verified_all_the_same() {
    if !have_ssh_keygen() {
        return;
    }
    let w = World::approved();
    let blobs = w.repo().join(".countersign/blobs/sha256");
    let mut files = Vec::new();
    for shard in std::fs::read_dir(&blobs).unwrap() {
        files.extend(std::fs::read_dir(shard.unwrap().path()).unwrap().map(|file| file.unwrap().path()));
    }
    assert!(files.len() > 10, "{files:?}");
    for file in files {
        let bytes = std::fs::read(&file).unwrap();
        let mut other = bytes.clone();
        other[bytes.len() / 2] ^= 1;
        let writable = |path: &std::path::Path| {
            let mut permissions = std::fs::metadata(path).unwrap().permissions();
            #[expect(clippy::permissions_set_readonly_false, reason = "a test's own file, for the test's own user")]
            permissions.set_readonly(false);
            std::fs::set_permissions(path, permissions).unwrap();
        };
        writable(&file);
        std::fs::write(&file, &other).unwrap();
        let ran = w.cs(["verify"]).expect(13);
        let name = file.strip_prefix(w.repo().join(".countersign")).unwrap().to_str().unwrap();
        assert!(ran.out.contains(&format!("✗ {name} entry ")), "{name}: {}", ran.all());
        assert!(ran.out.contains("verification failed: "), "{name}: {}", ran.all());
        std::fs::write(&file, &bytes).unwrap();
    }
    w.cs(["verify"]).expect(0);
}
