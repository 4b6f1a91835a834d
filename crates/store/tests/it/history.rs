//! Histories: logs as a house full of people and machines would write them, signed by real keys.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use countersign_evidence::act::{self, SignedAct};
use countersign_evidence::machine::MachineKey;
use countersign_evidence::note::SignerKey;
use countersign_evidence::sshsig::PublicKey;
use countersign_evidence::statement::{self, Statement, Subject};
use countersign_evidence::{canonical, dsse};
use countersign_model::change::{Change, Pipeline};
use countersign_model::event::{
    ActRefused, ApplicationRegistered, ApprovalSigned, Artifact, AssessmentRecorded, CommitsClaimed, DecisionMade,
    DeploymentRecorded, DeploymentStarted, Device, EnforcementActivated, EnforcementOverridden, EnvironmentRegistered,
    EvidenceAttached, FindingsRecorded, GateAcknowledged, GateOwnersAssigned, GrantIssued, LedgerCreated,
    PersonEnrolled, PolicyActivated, Predicate, RoleGranted, RunStarted, SecondLogKeyChosen, SuppressionGranted,
    TrustRootEstablished, WaiverRequested,
};
use countersign_model::governance::{
    Application, CardholderScope, Criticality, DataClass, DeploymentEnvironment, Scope, Tier, WaiverCategory,
};
use countersign_model::{
    ActorId, Digest, EventKind, GrantId, OverrideId, PersonId, RepositoryId, Retention, Role, RunId, Slot, StreamId,
    Timestamp, WaiverId,
};
use countersign_store::{Batch, Ledger, NewBlob, NewEntry, NewLedger};
use serde_json::json;
use ssh_key::private::Ed25519Keypair;
use ssh_key::{HashAlg, LineEnding, PrivateKey};

use crate::support::{ORIGIN, Unsynced, clock, signer};

const IDENTITY: &str = "https://example.test/shop.git";

/// Somebody with a key.
struct Somebody {
    id: PersonId,
    key: PrivateKey,
    public: PublicKey,
}

/// The key of the nth person, who exists nowhere else.
pub(crate) fn key_of(n: u8) -> PrivateKey {
    PrivateKey::from(Ed25519Keypair::from_seed(&[100 + n; 32]))
}

impl Somebody {
    fn new(n: u8) -> Self {
        let key = key_of(n);
        let public = PublicKey::parse(&key.public_key().to_openssh().unwrap()).unwrap();
        Self { id: PersonId::from_random([n; 10]), key, public }
    }

    fn device(&self) -> Device {
        Device { key: self.public.fingerprint(), host: "host-1".into() }
    }
}

struct Run {
    id: RunId,
    commit: String,
    tree: String,
    attempts: u64,
    decision: Digest,
    artifacts: BTreeSet<Artifact>,
}

/// Writes a history.
pub(crate) struct History {
    log: SignerKey,
    recorder: MachineKey,
    people: Vec<Somebody>,
    bundle: Digest,
    serial: u64,
    run: Option<Run>,
    grant: Option<GrantIssued>,
    levels: bool,
    owners: bool,
    /// Seconds by which entries are appended later than by their number.
    pub(crate) later: i64,
    /// Milliseconds by which statements are made later than the first.
    pub(crate) stated: i64,
    /// The rules for roles that the root names.
    pub(crate) role_rules: Option<u8>,
    /// So many findings stand in the record of each scan, half of them new; without any, what is attached is no record.
    pub(crate) found: u64,
}

/// Kinds of steps that [`History::step`] knows; from [`FIRST_DISBELIEVED`] on they are not believed.
pub(crate) const STEPS: u8 = 33;
/// See [`STEPS`].
pub(crate) const FIRST_DISBELIEVED: u8 = 19;

fn blob(bytes: impl Into<Vec<u8>>) -> NewBlob {
    NewBlob { bytes: bytes.into(), media: "application/json".into() }
}

/// A change of one commit that nobody enrolled signed.
fn change(commit: &str, tree: &str) -> Vec<u8> {
    let change = Change {
        version: 1,
        identity: Some(IDENTITY.into()),
        commit: commit.into(),
        tree: tree.into(),
        base: None,
        environment: "production".into(),
        shallow: false,
        complete: true,
        commits: Vec::new(),
        files: Vec::new(),
        pipeline: Pipeline { digest: Digest::of(b"pipeline"), files: 0, changed: false },
        ticket: None,
        reason: None,
    };
    canonical::to_vec(&change).unwrap()
}

impl History {
    /// A history, and a ledger in `dir` with entry 0.
    pub(crate) fn begin(dir: &Path) -> (Self, Ledger) {
        let log = signer();
        let storage = Arc::new(Unsynced);
        let mut ledger = Ledger::create_with(dir, &NewLedger { signer: &log, salt: Some([5; 32]) }, storage).unwrap();
        let history = Self {
            log,
            recorder: MachineKey::from_seed(&[9; 32]),
            people: (0..6).map(Somebody::new).collect(),
            bundle: Digest::of(b"bundle"),
            serial: 0,
            run: None,
            grant: None,
            levels: false,
            owners: false,
            later: 0,
            stated: 0,
            role_rules: None,
            found: 0,
        };
        let created = LedgerCreated {
            version: 1,
            origin: ledger.origin().into(),
            vkey: ledger.vkey().to_string(),
            recorder: history.recorder.public().to_string(),
            salt_sha256: ledger.salt_digest().unwrap(),
            payload_key: None,
            replaces: Vec::new(),
        };
        let payload = canonical::to_vec(&created).unwrap();
        history
            .append(&mut ledger, vec![entry(EventKind::LedgerCreated, StreamId::from_text("ledger"), payload, vec![])]);
        (history, ledger)
    }

    pub(crate) fn append(&self, ledger: &mut Ledger, entries: Vec<NewEntry>) {
        let seconds = i64::try_from(ledger.size()).unwrap() + self.later;
        ledger.append(Batch { entries, ..Batch::default() }, &self.log, &clock(seconds)).unwrap();
    }

    /// The root of trust, a policy bundle, five more people and their roles.
    pub(crate) fn founding(&mut self) -> Vec<NewEntry> {
        let ada = &self.people[0];
        let profile = |p: &Somebody| format!("sealed profile of {}", p.id);
        let root = TrustRootEstablished {
            origin: ORIGIN.into(),
            vkey: self.log.verifier().to_string(),
            recorder: self.recorder.public().to_string(),
            administrator: ada.id.clone(),
            key: ada.public.to_openssh(),
            profile: Digest::of(profile(ada).as_bytes()),
            role_rules: self.role_rules,
            time: self.time(),
        };
        let stream = StreamId::from_text("access");
        let kind = EventKind::TrustRootEstablished;
        let mut entries = vec![self.act(0, act::TRUST_ROOT, kind, stream.clone(), root, vec![blob(profile(ada))])];
        let policy = PolicyActivated {
            origin: ORIGIN.into(),
            bundle: self.bundle,
            by: ada.id.clone(),
            reason: None,
            time: self.time(),
        };
        entries.push(self.act(0, act::POLICY, EventKind::PolicyActivated, stream, policy, vec![blob("bundle")]));
        for n in 1..6 {
            entries.push(self.enrolment(n, 0));
        }
        let roles =
            [Role::Engineer, Role::ComplianceOfficer, Role::ReleaseManager, Role::SecurityOfficer, Role::Developer];
        for (n, role) in (1..).zip(roles) {
            entries.push(self.role(n, role, 0));
        }
        entries
    }

    fn enrolment(&self, n: usize, by: usize) -> NewEntry {
        let p = &self.people[n];
        let profile = format!("sealed profile of {}", p.id);
        let enrolled = PersonEnrolled {
            origin: ORIGIN.into(),
            person: p.id.clone(),
            key: p.public.to_openssh(),
            profile: Digest::of(profile.as_bytes()),
            by: self.people[by].id.clone(),
            time: self.time(),
        };
        let kind = EventKind::PersonEnrolled;
        self.act(by, act::ENROLMENT, kind, StreamId::from(&p.id), enrolled, vec![blob(profile)])
    }

    pub(crate) fn role(&self, n: usize, role: Role, by: usize) -> NewEntry {
        let person = self.people[n].id.clone();
        let stream = StreamId::from(&person);
        let by_id = self.people[by].id.clone();
        let granted = RoleGranted {
            origin: ORIGIN.into(),
            person,
            role,
            by: by_id,
            reason: None,
            expires: None,
            time: self.time(),
        };
        self.act(by, act::ROLE_BEFORE, EventKind::RoleGranted, stream, granted, vec![])
    }

    /// The entries of one release, all believed: run, scan, decision, evidence, two approvals, grant, deployment.
    pub(crate) fn release(&mut self) -> Vec<NewEntry> {
        (0..9).map(|kind| self.step(kind)).collect()
    }

    /// One more entry. Kinds before [`FIRST_DISBELIEVED`] are believed where [`History::possible`] says so.
    pub(crate) fn step(&mut self, kind: u8) -> NewEntry {
        self.serial += 1;
        match kind {
            0 => self.run_started(),
            1 => self.findings(),
            2 => self.decision(),
            3 => {
                let (serial, entry) = (self.serial, self.evidence());
                if serial.is_multiple_of(2) {
                    let name = format!("bom-{serial}.json");
                    let artifact = Artifact { name, digest: Digest::of(b"sbom") };
                    self.run.as_mut().unwrap().artifacts.insert(artifact);
                }
                entry
            }
            4 => self.approval(1, Slot::Technical),
            5 => self.approval(2, Slot::Regulatory),
            6 => self.grant(),
            7 => self.deployment_start(),
            8 => self.deployment(),
            9 => self.refusal(),
            10 => self.claim(5, 5),
            11 => self.suppression(),
            12 => self.application(3, Criticality::Critical),
            13 => self.environment(),
            14 => {
                self.levels = true;
                self.enforcement(4)
            }
            15 => self.waiver(5, 90),
            16 => {
                self.owners = true;
                self.gate_owners()
            }
            17 => self.overriding(),
            18 => self.acknowledgement(),
            // A second root, an enrolment and a role by somebody who may not, a role for nobody.
            19 => self.founding().swap_remove(0),
            20 => self.enrolment(1, 0),
            21 => self.role(5, Role::Administrator, 4),
            // An act that names another person than the one who signed it.
            22 => self.claim(4, 5),
            // An engineer's approval in the other slot.
            23 => self.approval(1, Slot::Regulatory),
            // No act, no envelope, and an envelope of another recorder.
            24 => entry(EventKind::ApprovalSigned, self.stream(), format!("no act {}", self.serial), vec![]),
            25 => entry(EventKind::DecisionMade, self.stream(), format!("no envelope {}", self.serial), vec![]),
            // A release manager who makes something weaker, levels by an engineer, a waiver that lasts too long.
            26 => self.application(3, Criticality::Low),
            27 => self.enforcement(1),
            28 => self.waiver(5, 400),
            // Statements that are signed, with something else attached than they name.
            29 => NewEntry { attachments: vec![blob("another file")], ..self.evidence() },
            30 => NewEntry { attachments: vec![blob("other facts"), blob("bundle")], ..self.decision() },
            31 => NewEntry { attachments: vec![blob("sbom"), blob("one more")], ..self.evidence() },
            _ => {
                let mine = std::mem::replace(&mut self.recorder, MachineKey::from_seed(&[66; 32]));
                let forged = self.refusal();
                self.recorder = mine;
                forged
            }
        }
    }

    /// Whether a step of this kind makes sense now; a first run always does.
    pub(crate) fn possible(&self, kind: u8) -> bool {
        match kind {
            0 | 9 | 10 | 11 => true,
            7 | 8 => self.grant.is_some(),
            12..=16 | 26..=28 => true,
            17 => self.levels && self.run.is_some(),
            18 => self.owners,
            _ => self.run.is_some(),
        }
    }

    fn time(&self) -> Timestamp {
        Timestamp::from_millis(1_795_000_000_000 + self.stated)
    }

    fn id(&self, what: &str) -> [u8; 10] {
        let digest = Digest::of(format!("{what} {}", self.serial).as_bytes());
        std::array::from_fn(|i| digest.as_bytes()[i])
    }

    fn hex(&self, what: &str) -> String {
        Digest::of(format!("{what} {}", self.serial).as_bytes()).hex().chars().take(40).collect()
    }

    pub(crate) fn stream(&self) -> StreamId {
        self.run.as_ref().map_or_else(|| StreamId::from_text("ledger"), |r| StreamId::from(&r.id))
    }

    pub(crate) fn run(&self) -> RunId {
        self.the_run().id.clone()
    }

    /// Their first key's fingerprint.
    pub(crate) fn first_key(&self, n: usize) -> String {
        self.people[n].public.fingerprint()
    }

    fn the_run(&self) -> &Run {
        self.run.as_ref().unwrap()
    }

    /// Every third time another attempt of the run that is there.
    fn run_started(&mut self) -> NewEntry {
        let again = self.serial % 3 == 2 && self.run.is_some();
        if !again {
            self.run = Some(Run {
                id: RunId::from_random(self.id("run")),
                commit: self.hex("commit"),
                tree: self.hex("tree"),
                attempts: 0,
                decision: Digest::of(b"none yet"),
                artifacts: BTreeSet::new(),
            });
        }
        let run = self.run.as_mut().unwrap();
        run.attempts += 1;
        let change = change(&run.commit, &run.tree);
        let started = RunStarted {
            run: run.id.clone(),
            attempt: run.attempts,
            repository: RepositoryId::from_random([3; 10]),
            identity: Some(IDENTITY.into()),
            commit: run.commit.clone(),
            tree: run.tree.clone(),
            pipeline: Digest::of(b"pipeline"),
            change: Digest::of(&change),
            reuses: None,
        };
        self.machine(EventKind::RunStarted, self.stream(), started, vec![blob(change)])
    }

    fn findings(&self) -> NewEntry {
        let run = self.the_run();
        let record = if self.found == 0 { b"record".to_vec() } else { self.record() };
        let found = FindingsRecorded {
            run: run.id.clone(),
            commit: run.commit.clone(),
            record: Digest::of(&record),
            findings: if self.found == 0 { self.serial % 7 } else { self.found },
            gaps: self.serial % 2,
        };
        self.machine(EventKind::FindingsRecorded, self.stream(), found, vec![blob(record)])
    }

    /// A scan record as `run` attaches it.
    fn record(&self) -> Vec<u8> {
        let finding = |n: u64| {
            // The first half is in every record.
            let is_old = n < self.found / 2;
            let what = if is_old { format!("old {n}") } else { format!("{} {n}", self.serial) };
            let severity = ["critical", "high", "medium", "low", "info"][usize::try_from(n % 5).unwrap()];
            json!({
                "rule": format!("secrets/rule-{}", n % 40), "severity": severity, "confidence": "high",
                "path": format!("services/part-{}/file-{}.py", n % 97, self.serial % 1000), "line": 7,
                "fingerprint": Digest::of(what.as_bytes()), "controls": ["secrets-out-of-source"], "stages": ["build"],
                "cwe": ["CWE-798"], "state": "open", "reason": null, "requested_by": null,
            })
        };
        let record = json!({
            "version": 1, "rules": 400, "rules_digest": Digest::of(b"rules"), "files": 1000, "bytes": 1_000_000,
            "binary": 0, "links": 0, "gaps": [], "findings": (0..self.found).map(finding).collect::<Vec<_>>(),
            "unused_declarations": [], "stale_baseline": 0,
        });
        canonical::to_vec(&record).unwrap()
    }

    fn decision(&mut self) -> NewEntry {
        let reasons: Vec<_> = (0..8)
            .map(|n| json!({"code": format!("reason-{n}"), "effect": "wait", "text": "one sentence that says why"}))
            .collect();
        let gate = |name: &str| {
            let requires: &[&str] = if name == "release" { &["regulatory", "technical"] } else { &[] };
            json!({"name": name, "outcome": "pending", "reasons": reasons, "controls": ["CC8.1"], "requires": requires})
        };
        let document = json!({
            "version": 1, "bundle": self.bundle, "engine": "rego 1", "facts": Digest::of(b"facts"),
            "verdict": {"gates": [gate("pre-commit"), gate("build"), gate("release")], "enforcement": {"waivers": [
                {"id": WaiverId::from_random([8; 10]), "findings": 1, "reasons": 2},
            ]}}, "serial": self.serial,
        });
        let digest = canonical::digest(&document).unwrap();
        let run = self.run.as_mut().unwrap();
        run.decision = digest;
        let made = DecisionMade { run: run.id.clone(), digest, decision: document };
        self.machine(EventKind::DecisionMade, self.stream(), made, vec![blob("facts"), blob("bundle")])
    }

    fn evidence(&self) -> NewEntry {
        let attached = EvidenceAttached {
            run: self.the_run().id.clone(),
            kind: "sbom".into(),
            name: format!("bom-{}.json", self.serial),
            digest: Digest::of(b"sbom"),
            size: 4,
            artifact: self.serial.is_multiple_of(2),
            subjects: Vec::new(),
            report: None,
        };
        self.machine(EventKind::EvidenceAttached, self.stream(), attached, vec![blob("sbom")])
    }

    fn approval(&self, who: usize, slot: Slot) -> NewEntry {
        let approval = self.approves(who, slot);
        self.act(who, act::APPROVAL, EventKind::ApprovalSigned, self.stream(), approval, vec![])
    }

    /// What an approval would say.
    pub(crate) fn approves(&self, who: usize, slot: Slot) -> ApprovalSigned {
        let run = self.the_run();
        ApprovalSigned {
            origin: ORIGIN.into(),
            repository: IDENTITY.into(),
            run: run.id.clone(),
            commit: run.commit.clone(),
            tree: run.tree.clone(),
            artifacts: run.artifacts.iter().cloned().collect(),
            environment: "production".into(),
            bundle: self.bundle,
            decision: run.decision,
            gate: "release".into(),
            slot: slot.into(),
            person: self.people[who].id.clone(),
            device: self.people[who].device(),
            strength: "ssh-key".into(),
            time: self.time(),
            authenticator: None,
            evidence: None,
            waivers: None,
            levels: None,
            rules: None,
            findings: None,
            expires: None,
        }
    }

    pub(crate) fn grant(&mut self) -> NewEntry {
        let run = self.the_run();
        let grant = GrantIssued {
            origin: ORIGIN.into(),
            grant: GrantId::from_random(self.id("grant")),
            repository: IDENTITY.into(),
            run: run.id.clone(),
            commit: run.commit.clone(),
            tree: run.tree.clone(),
            artifacts: Vec::new(),
            environment: "production".into(),
            replaces: None,
            decision: run.decision,
            approvals: vec![1, 2],
            by: self.people[3].id.clone(),
            device: self.people[3].device(),
            self_judged: true,
            time: self.time(),
            expires: self.time().plus_seconds(900),
            break_glass: None,
            standing: None,
            excluded: Vec::new(),
        };
        self.grant = Some(grant.clone());
        let stream = StreamId::from(&grant.grant);
        self.act(3, act::GRANT, EventKind::GrantIssued, stream, grant, vec![])
    }

    fn deployment_start(&self) -> NewEntry {
        let grant = self.grant.as_ref().unwrap();
        let (id, run) = (grant.grant.clone(), grant.run.clone());
        let stream = StreamId::from(&id);
        let started = DeploymentStarted {
            grant: id,
            run,
            command: Digest::of(b"make deploy"),
            break_glass: None,
            host: None,
            sent: None,
            time: self.time(),
        };
        self.machine(EventKind::DeploymentStarted, stream, started, vec![])
    }

    fn deployment(&self) -> NewEntry {
        let grant = self.grant.as_ref().unwrap();
        let ended = DeploymentRecorded {
            grant: grant.grant.clone(),
            run: grant.run.clone(),
            commit: grant.commit.clone(),
            environment: grant.environment.clone(),
            success: !self.serial.is_multiple_of(5),
            exit_code: Some(0),
            signal: None,
            sent: None,
            time: self.time(),
        };
        self.machine(EventKind::DeploymentRecorded, StreamId::from(&grant.grant), ended, vec![])
    }

    fn refusal(&self) -> NewEntry {
        let refused = ActRefused {
            act: format!("approve {}", self.serial),
            run: self.run.as_ref().map(|r| r.id.clone()),
            person: None,
            code: "CS-STAGE-001".into(),
            time: self.time(),
        };
        self.machine(EventKind::ActRefused, self.stream(), refused, vec![])
    }

    fn claim(&self, by: usize, signed_by: usize) -> NewEntry {
        let by = &self.people[by];
        let claimed = CommitsClaimed {
            origin: ORIGIN.into(),
            repository: IDENTITY.into(),
            commits: vec![self.hex("claimed"), self.hex("claimed too")],
            by: by.id.clone(),
            time: self.time(),
        };
        self.act(signed_by, act::CLAIM, EventKind::CommitsClaimed, StreamId::from(&by.id), claimed, vec![])
    }

    fn suppression(&self) -> NewEntry {
        let granted = SuppressionGranted {
            origin: ORIGIN.into(),
            repository: IDENTITY.into(),
            fingerprints: vec![Digest::of(&[u8::try_from(self.serial % 3).unwrap()])],
            by: self.people[4].id.clone(),
            reason: "not reachable".into(),
            expires: self.time().plus_seconds(86_400),
            time: self.time(),
        };
        self.act(4, act::SUPPRESSION, EventKind::SuppressionGranted, self.stream(), granted, vec![])
    }

    /// An assessment of a log of `size` entries.
    pub(crate) fn assessment(&mut self, size: u64) -> NewEntry {
        self.serial += 1;
        let assessed = AssessmentRecorded {
            from: Timestamp::from_millis(0),
            to: self.time(),
            size,
            facts: Digest::of(b"facts"),
            catalogue: Digest::of(b"catalogue"),
            outcome: countersign_model::Outcome::Fail,
            record: Digest::of(b"record"),
            time: self.time(),
        };
        let stream = StreamId::from_text("assessments");
        self.machine(EventKind::AssessmentRecorded, stream, assessed, vec![blob("record")])
    }

    fn application(&self, by: usize, criticality: Criticality) -> NewEntry {
        let registered = ApplicationRegistered {
            origin: ORIGIN.into(),
            application: Application {
                id: format!("app-{}", self.serial),
                name: "Shop".into(),
                owner: self.people[1].id.clone(),
                deputy: Some(self.people[2].id.clone()),
                criticality,
                data: vec![DataClass::Personal],
                cardholder_scope: CardholderScope::Out,
                sox_key_system: false,
                repositories: vec![format!("git:host/{}", self.serial)],
            },
            replaces: None,
            by: self.people[by].id.clone(),
            reason: None,
            time: self.time(),
        };
        let stream = StreamId::from_text("registry");
        self.act(by, act::APPLICATION, EventKind::ApplicationRegistered, stream, registered, vec![])
    }

    fn environment(&self) -> NewEntry {
        let environment = DeploymentEnvironment { id: format!("live-{}", self.serial), tier: Tier::Production };
        let (origin, by, time) = (ORIGIN.into(), self.people[3].id.clone(), self.time());
        let registered = EnvironmentRegistered { origin, environment, replaces: None, by, reason: None, time };
        let stream = StreamId::from_text("registry");
        self.act(3, act::ENVIRONMENT, EventKind::EnvironmentRegistered, stream, registered, vec![])
    }

    pub(crate) fn enforcement(&self, by: usize) -> NewEntry {
        let assignment = Digest::of(b"levels");
        let (origin, time) = (ORIGIN.into(), self.time());
        let activated = EnforcementActivated { origin, assignment, by: self.person(by), reason: None, time };
        let stream = StreamId::from_text("enforcement");
        self.act(by, act::ENFORCEMENT, EventKind::EnforcementActivated, stream, activated, vec![blob("levels")])
    }

    fn overriding(&self) -> NewEntry {
        let run = self.the_run();
        let overridden = EnforcementOverridden {
            origin: ORIGIN.into(),
            id: OverrideId::from_random(self.id("override")),
            repository: IDENTITY.into(),
            run: run.id.clone(),
            decision: run.decision,
            assignment: Digest::of(b"levels"),
            reasons: vec![Digest::of(b"reason")],
            by: self.person(4),
            reason: "revoked already".into(),
            time: self.time(),
        };
        self.act(4, act::OVERRIDE, EventKind::EnforcementOverridden, self.stream(), overridden, vec![])
    }

    /// What somebody would ask for.
    pub(crate) fn request(&self, by: usize, days: i64) -> WaiverRequested {
        let scope = Scope { controls: vec!["a".into()], path: Some("**".into()), ..Scope::default() };
        WaiverRequested {
            origin: ORIGIN.into(),
            waiver: WaiverId::from_random(self.id("waiver")),
            scope,
            category: WaiverCategory::Waived,
            compensating: None,
            acceptance: "nothing of clients is there".into(),
            not_before: self.time(),
            expires: self.time().plus_seconds(days * 86_400),
            renews: None,
            renewals: 0,
            by: self.person(by),
            time: self.time(),
        }
    }

    fn waiver(&self, by: usize, days: i64) -> NewEntry {
        let request = self.request(by, days);
        let stream = StreamId::from(&request.waiver);
        self.act(by, act::WAIVER_REQUEST, EventKind::WaiverRequested, stream, request, vec![])
    }

    fn gate_owners(&self) -> NewEntry {
        let (origin, owners, time) = (ORIGIN.into(), Digest::of(b"owners"), self.time());
        let assigned = GateOwnersAssigned { origin, owners, by: self.person(4), reason: None, time };
        let stream = StreamId::from_text("gates");
        self.act(4, act::GATE_OWNERS, EventKind::GateOwnersAssigned, stream, assigned, vec![blob("owners")])
    }

    fn acknowledgement(&self) -> NewEntry {
        let (origin, owners, time) = (ORIGIN.into(), Digest::of(b"owners"), self.time());
        let acknowledged = GateAcknowledged { origin, gate: "build".into(), owners, by: self.person(5), time };
        let stream = StreamId::from_text("gates");
        self.act(5, act::GATE_ACKNOWLEDGEMENT, EventKind::GateAcknowledged, stream, acknowledged, vec![])
    }

    /// The run that was started last: its id, its commit, how many attempts it has.
    pub(crate) fn last_run(&self) -> (RunId, String, u64) {
        let run = self.the_run();
        (run.id.clone(), run.commit.clone(), run.attempts)
    }

    pub(crate) fn person(&self, n: usize) -> PersonId {
        self.people[n].id.clone()
    }

    pub(crate) fn device(&self, n: usize) -> Device {
        self.people[n].device()
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.time()
    }

    /// The grant that the last step of its kind issued.
    pub(crate) fn issued(&self) -> GrantIssued {
        self.grant.clone().unwrap()
    }

    pub(crate) fn machine<P: Predicate>(
        &self,
        kind: EventKind,
        stream: StreamId,
        predicate: P,
        more: Vec<NewBlob>,
    ) -> NewEntry {
        let bytes = canonical::to_vec(&Statement::new(subject(), P::TYPE, predicate)).unwrap();
        let envelope = dsse::sign(statement::PAYLOAD_TYPE, &bytes, &self.recorder).unwrap();
        entry(kind, stream, canonical::to_vec(&envelope).unwrap(), more)
    }

    /// Somebody chooses or retires the log's second key.
    pub(crate) fn second_key(&self, who: usize, vkey: Option<String>) -> NewEntry {
        let by = self.people[who].id.clone();
        let chosen = SecondLogKeyChosen { origin: ORIGIN.into(), vkey, by, reason: None, time: self.time() };
        let stream = StreamId::from_text("ledger");
        self.act(who, act::SECOND_LOG_KEY, EventKind::SecondLogKeyChosen, stream, chosen, vec![])
    }

    pub(crate) fn act<P: Predicate>(
        &self,
        who: usize,
        namespace: &str,
        kind: EventKind,
        stream: StreamId,
        predicate: P,
        more: Vec<NewBlob>,
    ) -> NewEntry {
        let actor = ActorId::from(&self.people[who].id);
        NewEntry { actor, ..self.act_with(&self.people[who].key, namespace, kind, stream, predicate, more) }
    }

    /// An act that is signed with any key.
    pub(crate) fn act_with<P: Predicate>(
        &self,
        key: &PrivateKey,
        namespace: &str,
        kind: EventKind,
        stream: StreamId,
        predicate: P,
        more: Vec<NewBlob>,
    ) -> NewEntry {
        let public = PublicKey::parse(&key.public_key().to_openssh().unwrap()).unwrap();
        let bytes = statement_of(predicate);
        let signature = key.sign(namespace, HashAlg::Sha512, &bytes).unwrap().to_pem(LineEnding::LF).unwrap();
        let signed = SignedAct::new(namespace, &bytes, &signature, &public).unwrap();
        entry(kind, stream, signed.to_vec().unwrap(), more)
    }
}

/// The canonical statement of a predicate.
pub(crate) fn statement_of<P: Predicate>(predicate: P) -> Vec<u8> {
    canonical::to_vec(&Statement::new(subject(), P::TYPE, predicate)).unwrap()
}

fn subject() -> Vec<Subject> {
    vec![Subject::sha256("subject", &Digest::of(b"subject"))]
}

pub(crate) fn entry(
    kind: EventKind,
    stream: StreamId,
    payload: impl Into<Vec<u8>>,
    attachments: Vec<NewBlob>,
) -> NewEntry {
    NewEntry {
        kind,
        stream,
        actor: ActorId::from_text("act-0"),
        retention: Retention::SoxSevenYears,
        refs: Vec::new(),
        payload: blob(payload),
        attachments,
    }
}
