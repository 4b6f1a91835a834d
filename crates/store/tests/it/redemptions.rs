//! What is believed of jobs that came with their identity token alone, and of grants that were redeemed over the network, whoever wrote
//! the entries.

use countersign_evidence::act;
use countersign_model::access::Field;
use countersign_model::access::review::workload_identity;
use countersign_model::event::{
    ApplicationRegistered, DeploymentRecorded, DeploymentStarted, GrantIssued, WorkloadAdmitted,
};
use countersign_model::governance::{Application, CardholderScope, Criticality, DataClass};
use countersign_model::submission::SentBy;
use countersign_model::{Digest, EventKind, PersonId, StreamId};
use countersign_store::projection::GrantState;

use crate::support::ORIGIN;
use crate::workloads::{House, disbelieved};

const REPOSITORY: &str = "https://example.test/shop.git";

impl House {
    /// A house that believes an issuer, whose repository belongs to an application, with a grant that was not used.
    fn granted() -> Self {
        let mut house = Self::new();
        assert_eq!(house.activate(4, "issuers"), None);
        let registered = ApplicationRegistered {
            origin: ORIGIN.into(),
            application: Application {
                id: "shop".into(),
                name: "Shop".into(),
                owner: house.history.person(1),
                deputy: None,
                criticality: Criticality::Critical,
                data: vec![DataClass::Personal],
                cardholder_scope: CardholderScope::Out,
                sox_key_system: false,
                repositories: vec![REPOSITORY.into()],
            },
            replaces: None,
            by: house.history.person(3),
            reason: None,
            time: house.history.now(),
        };
        let (kind, stream) = (EventKind::ApplicationRegistered, StreamId::from_text("registry"));
        let entry = house.history.act(3, act::APPLICATION, kind, stream, registered, vec![]);
        assert_eq!(house.append(entry), None);
        for kind in 1..=6 {
            let entry = house.history.step(kind);
            assert_eq!(house.append(entry), None, "{kind}");
        }
        house
    }

    fn admitted(&self) -> WorkloadAdmitted {
        let now = self.history.now();
        WorkloadAdmitted {
            issuers: Digest::of(b"issuers"),
            entry: "github".into(),
            system: "github-actions".into(),
            issuer: "https://issuer.example".into(),
            fields: [(Field::Repository, REPOSITORY.to_owned())].into(),
            key: "thumbprint".into(),
            token: Digest::of(b"token"),
            repository: REPOSITORY.into(),
            application: "shop".into(),
            issued: now.plus_seconds(-10),
            expires: now.plus_seconds(290),
            time: now,
        }
    }

    fn admit(&mut self, said: WorkloadAdmitted) -> Option<String> {
        let entry = self.history.machine(EventKind::WorkloadAdmitted, StreamId::from_text("visits"), said, Vec::new());
        self.append(entry)
    }

    /// A redemption by a person.
    fn begun(&self) -> DeploymentStarted {
        let GrantIssued { grant, run, .. } = self.history.issued();
        let sent = SentBy {
            key: Some(Digest::of(b"key")),
            request: Some(Digest::of(b"request")),
            person: Some(self.history.person(5)),
            token: Some(Digest::of(b"token")),
            workload: None,
        };
        let (command, time) = (Digest::of(b"make deploy"), self.history.now());
        DeploymentStarted { grant, run, command, break_glass: None, host: None, sent: Some(sent), time }
    }

    fn begin(&mut self, said: DeploymentStarted) -> Option<String> {
        let stream = StreamId::from(&said.grant);
        let entry = self.history.machine(EventKind::DeploymentStarted, stream, said, Vec::new());
        self.append(entry)
    }

    fn ended(&self) -> DeploymentRecorded {
        let GrantIssued { grant, run, commit, environment, .. } = self.history.issued();
        DeploymentRecorded {
            grant,
            run,
            commit,
            environment,
            success: true,
            exit_code: Some(0),
            signal: None,
            sent: self.begun().sent,
            time: self.history.now(),
        }
    }

    fn end(&mut self, said: DeploymentRecorded) -> Option<String> {
        let stream = StreamId::from(&said.grant);
        let entry = self.history.machine(EventKind::DeploymentRecorded, stream, said, Vec::new());
        self.append(entry)
    }
}

/// What came over the network, with something changed.
fn with(mut said: DeploymentStarted, change: impl FnOnce(&mut SentBy)) -> DeploymentStarted {
    change(said.sent.as_mut().unwrap());
    said
}

#[test]
fn a_job_that_came_counts_only_where_everything_fits() {
    let mut house = House::granted();
    let good = house.admitted();
    let now = good.time;
    let mut fields = good.fields.clone();
    fields.insert(Field::Repository, "git:github.com/mallory/fork".into());
    disbelieved(house.admit(WorkloadAdmitted { issuers: Digest::of(b"x"), ..good.clone() }), "not in effect");
    disbelieved(house.admit(WorkloadAdmitted { fields, ..good.clone() }), "another repository");
    disbelieved(house.admit(WorkloadAdmitted { application: "bank".into(), ..good.clone() }), "no such application");
    disbelieved(house.admit(WorkloadAdmitted { expires: now.plus_seconds(-301), ..good.clone() }), "not valid");
    disbelieved(house.admit(WorkloadAdmitted { issued: now.plus_seconds(301), ..good.clone() }), "not valid");
    let elsewhere = "https://example.test/other.git".to_owned();
    let fields = [(Field::Repository, elsewhere.clone())].into();
    disbelieved(
        house.admit(WorkloadAdmitted { fields, repository: elsewhere, ..good.clone() }),
        "belongs to no such application",
    );
    assert!(house.state().newest_admissions(9).unwrap().is_empty());
    assert_eq!(house.admit(good), None);
    let came = house.state().newest_admissions(9).unwrap();
    assert_eq!(came.len(), 1);
    assert_eq!((came[0].repository.as_str(), came[0].application.as_str()), (REPOSITORY, "shop"));
}

#[test]
fn a_grant_is_redeemed_over_the_network_by_somebody_who_is_known_or_a_job_that_came() {
    let mut house = House::granted();
    let good = house.begun();
    let job = workload_identity(&house.admitted().issuer, &house.admitted().fields);
    disbelieved(house.begin(with(good.clone(), |s| s.key = None)), "under which key");
    disbelieved(house.begin(with(good.clone(), |s| s.request = None)), "under which key");
    disbelieved(house.begin(with(good.clone(), |s| s.person = None)), "by whom");
    disbelieved(house.begin(with(good.clone(), |s| s.workload = Some(job.clone()))), "by whom");
    let nobody = PersonId::from_text("per-99999999999999999999");
    disbelieved(house.begin(with(good.clone(), |s| s.person = Some(nobody))), "nobody of that id");
    let by_job = |s: &mut SentBy| (s.person, s.token, s.workload) = (None, None, Some(job.clone()));
    disbelieved(house.begin(with(good.clone(), by_job)), "no job of that workload");
    assert_eq!(house.state().grant(&good.grant).unwrap().unwrap().state, GrantState::Issued);
    let admitted = house.admitted();
    assert_eq!(house.admit(admitted), None);
    assert_eq!(house.begin(with(good.clone(), by_job)), None);
    disbelieved(house.begin(good.clone()), "used");
    let row = house.state().grant(&good.grant).unwrap().unwrap();
    assert_eq!((row.state, row.sent.unwrap().workload), (GrantState::Started, Some(job)));
}

#[test]
fn a_key_redeems_one_grant() {
    let mut house = House::granted();
    let first = house.begun();
    assert_eq!(house.begin(first.clone()), None);
    let another = house.history.step(6);
    assert_eq!(house.append(another), None);
    let second = house.begun();
    assert_ne!(first.grant, second.grant);
    disbelieved(house.begin(second.clone()), "under the same key");
    assert_eq!(house.begin(with(second, |s| s.key = Some(Digest::of(b"another")))), None);
    assert_eq!(house.state().grant_redeemed_under(&Digest::of(b"key")).unwrap().unwrap().grant.grant, first.grant);
}

#[test]
fn how_a_deployment_ended_is_said_by_whoever_redeemed_its_grant() {
    let mut house = House::granted();
    let begun = house.begun();
    assert_eq!(house.begin(begun), None);
    let good = house.ended();
    let other = SentBy { person: Some(house.history.person(2)), ..good.sent.clone().unwrap() };
    disbelieved(house.end(DeploymentRecorded { sent: Some(other), ..good.clone() }), "somebody else redeemed");
    let nobody = SentBy { person: None, ..good.sent.clone().unwrap() };
    disbelieved(house.end(DeploymentRecorded { sent: Some(nobody), ..good.clone() }), "somebody else redeemed");
    for (success, exit_code, signal) in [(true, Some(1), None), (false, Some(0), None), (true, None, Some(9))] {
        let odd = DeploymentRecorded { success, exit_code, signal, ..good.clone() };
        disbelieved(house.end(odd), "no such outcome");
    }
    assert_eq!(house.end(good.clone()), None);
    disbelieved(house.end(good), "not started");
}

#[test]
fn a_grant_says_that_a_server_judged_its_run_only_where_one_did() {
    let mut house = House::granted();
    let said = GrantIssued { self_judged: false, ..house.history.issued() };
    let stream = StreamId::from(&said.grant);
    let entry = house.history.act(3, act::GRANT, EventKind::GrantIssued, stream, said, vec![]);
    disbelieved(house.append(entry), "judged what the machine that ran it judged");
}
