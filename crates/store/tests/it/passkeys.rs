//! What is believed of passkeys, whoever wrote the entries: how they are enrolled, and what they sign.

use countersign_evidence::act::{self, SignedAct};
use countersign_evidence::sshsig::PublicKey;
use countersign_evidence::webauthn::{Assertion, Registration, challenge, register};
use countersign_model::access::{KeyKind, Passkey};
use countersign_model::event::{ApprovalSigned, CommitsClaimed, PersonKeyAdded, Predicate};
use countersign_model::{EventKind, Slot, StreamId};
use countersign_store::NewEntry;
use countersign_store::projection::KeyTrouble;

use crate::authenticator::{Authenticator, UP_UV, base64url};
use crate::history::{entry, statement_of};
use crate::keys::{House, disbelieved};
use crate::support::ORIGIN;

const SITE: &str = "https://sign.example.test";
const RP_ID: &str = "example.test";

fn authenticator(seed: u8) -> Authenticator {
    Authenticator::new(seed, SITE, RP_ID)
}

fn registration(token: &Authenticator) -> Registration {
    let answer = serde_json::to_vec(&token.create(&base64url(b"challenge"))).unwrap();
    register(&answer, b"challenge", SITE, RP_ID).unwrap()
}

/// The enrolment of a passkey.
fn enrolment(house: &House, to: usize, token: &Authenticator) -> PersonKeyAdded {
    let made = registration(token);
    let ssh = ssh_key::PrivateKey::from(ssh_key::private::Ed25519Keypair::from_seed(&[1; 32]));
    PersonKeyAdded {
        kind: KeyKind::Passkey,
        key: made.key.to_openssh(),
        passkey: Some(made.passkey),
        ..house.adding(to, &ssh, 0)
    }
}

/// What is signed with a passkey, appended.
fn signed<P: Predicate>(
    token: &mut Authenticator,
    key: &PublicKey,
    namespace: &str,
    kind: EventKind,
    stream: StreamId,
    predicate: P,
) -> NewEntry {
    let statement = statement_of(predicate);
    let answer = token.get(&base64url(&challenge(namespace, &statement).unwrap()));
    let answer = Assertion::from_json(&serde_json::to_vec(&answer).unwrap()).unwrap();
    let armored = answer.into_sshsig(key, &token.id(), &token.origin, namespace, &statement).unwrap();
    let act = SignedAct::new(namespace, &statement, &armored, key).unwrap();
    entry(kind, stream, act.to_vec().unwrap(), vec![])
}

fn approving(house: &House, token: &mut Authenticator, approval: ApprovalSigned) -> NewEntry {
    let key = registration(token).key;
    signed(token, &key, act::APPROVAL, EventKind::ApprovalSigned, house.history.stream(), approval)
}

fn claiming(house: &House, token: &mut Authenticator, by: usize, commit: char) -> NewEntry {
    let key = registration(&Authenticator { counter: 0, origin: SITE.into(), ..token.clone() }).key;
    let commits = vec![commit.to_string().repeat(40)];
    let (origin, repository) = (ORIGIN.into(), "git:h/shop".into());
    let (by, time) = (house.history.person(by), house.history.now());
    let stream = StreamId::from(&by);
    let claimed = CommitsClaimed { origin, repository, commits, by, time };
    signed(token, &key, act::CLAIM, EventKind::CommitsClaimed, stream, claimed)
}

#[test]
fn a_passkey_approves_as_strongly_as_it_is_and_no_stronger() {
    for (flags, text, stronger) in [(UP_UV, "passkey", None), (UP_UV | 0x18, "synced-passkey", Some("passkey"))] {
        let mut house = House::new();
        let mut token = authenticator(1);
        token.flags = flags;
        let added = enrolment(&house, 1, &token);
        assert_eq!(house.add(added.clone(), 0), None);
        disbelieved(house.add(added, 0), "somebody's before");
        let key = registration(&token).key;
        let now = house.place();
        let strong = house.state().people_with_hardware_keys(now).unwrap();
        assert_eq!(strong.contains(&house.history.person(1)), stronger.is_none());
        house.decided();
        let mut approval = house.history.approves(1, Slot::Technical);
        approval.device.key = key.fingerprint();
        if let Some(wrong) = stronger {
            approval.strength = wrong.into();
            let entry = approving(&house, &mut token, approval.clone());
            disbelieved(house.append(entry), "stronger than its key");
        }
        approval.strength = text.into();
        let entry = approving(&house, &mut token, approval.clone());
        assert_eq!(house.append(entry), None);
        let row = &house.state().run(&house.history.run()).unwrap().unwrap().approvals[0];
        assert_eq!((row.strength.as_str(), &row.device.key), (text, &key.fingerprint()));
        // The SSH key and the passkey are one person's.
        let again = house.history.step(4);
        disbelieved(house.append(again), "gave this approval before");
    }
}

#[test]
fn what_an_enrolment_of_a_passkey_says_must_be_so() {
    let mut house = House::new();
    let token = authenticator(1);
    let good = enrolment(&house, 1, &token);
    let made = good.passkey.clone().unwrap();
    let with = |passkey: Passkey| PersonKeyAdded { passkey: Some(passkey), ..good.clone() };
    let ssh = house.adding(1, &ssh_key::PrivateKey::from(ssh_key::private::Ed25519Keypair::from_seed(&[2; 32])), 0);
    for (what, wrong, why) in [
        ("nothing about its use", PersonKeyAdded { passkey: None, ..good.clone() }, "how it is used"),
        (
            "another relying party's origin",
            with(Passkey { origin: "https://evil.test".into(), ..made.clone() }),
            "origin",
        ),
        ("no TLS", with(Passkey { origin: "http://sign.example.test".into(), ..made.clone() }), "origin"),
        ("another attestation", with(Passkey { attestation: "tpm".into(), ..made.clone() }), "attestation"),
        ("no credential", with(Passkey { credential: String::new(), ..made.clone() }), "cannot be so"),
        ("an SSH key", PersonKeyAdded { key: ssh.key.clone(), ..good.clone() }, "not accepted"),
        ("a passkey as an SSH key", PersonKeyAdded { kind: KeyKind::SshHardwareKey, ..good.clone() }, "another kind"),
        ("an SSH key with a passkey's use", PersonKeyAdded { passkey: Some(made.clone()), ..ssh }, "another kind"),
        ("a comment", PersonKeyAdded { key: format!("{} ada", good.key), ..good.clone() }, "one form"),
        (
            "a certificate",
            PersonKeyAdded { certificate: Some(countersign_model::Digest::of(b"x")), ..good.clone() },
            "how it is used",
        ),
    ] {
        let said = house.add(wrong, 0);
        assert!(said.as_deref().is_some_and(|s| s.contains(why)), "{what}: {said:?}");
    }
    // Nobody but an administrator enrols one.
    let own = PersonKeyAdded { by: house.history.person(1), ..good.clone() };
    disbelieved(house.add(own, 1), "no administrator");
    assert_eq!(house.add(good, 0), None);
}

#[test]
fn a_passkey_signs_in_its_origin_and_its_counter_goes_on() {
    let mut house = House::new();
    let mut token = authenticator(1);
    token.counter = 5;
    let added = enrolment(&house, 5, &token);
    assert_eq!(house.add(added, 0), None);
    // The counter stands still, goes back, goes on; what is not believed does not count.
    token.counter = 4;
    let entry = claiming(&house, &mut token, 5, 'a');
    disbelieved(house.append(entry), "was 5 and is 5");
    token.counter = 1;
    let entry = claiming(&house, &mut token, 5, 'a');
    disbelieved(house.append(entry), "was 5 and is 2");
    token.counter = 99;
    let first = claiming(&house, &mut token, 5, 'a');
    assert_eq!(house.append(first.clone()), None);
    token.counter = 9;
    let entry = claiming(&house, &mut token, 5, 'b');
    disbelieved(house.append(entry), "was 100 and is 10");
    disbelieved(house.append(first), "was 100 and is 100");
    token.counter = 100;
    let entry = claiming(&house, &mut token, 5, 'b');
    assert_eq!(house.append(entry), None);
    // Another origin of the same relying party.
    let mut elsewhere = Authenticator { origin: "https://other.example.test".into(), ..token.clone() };
    let entry = claiming(&house, &mut elsewhere, 5, 'c');
    disbelieved(house.append(entry), "another origin");
    // The key says otherwise of whether it may be backed up: it is another one.
    let mut synced = Authenticator { flags: UP_UV | 0x08, ..token.clone() };
    let entry = claiming(&house, &mut synced, 5, 'c');
    disbelieved(house.append(entry), "backed up");
    // Somebody else's name.
    let entry = claiming(&house, &mut token, 4, 'c');
    disbelieved(house.append(entry), "no key of");
    token.counter = 200;
    let entry = claiming(&house, &mut token, 5, 'c');
    assert_eq!(house.append(entry), None);
    let fingerprint = registration(&token).key.fingerprint();
    let key = house.state().key(&fingerprint).unwrap().unwrap();
    assert!(matches!(house.state().misuse(&key, None).unwrap(), Some(KeyTrouble::OtherUse { .. })));
    // Revoked it signs nothing.
    assert_eq!(house.revoke(5, &fingerprint, 0, None), None);
    let entry = claiming(&house, &mut token, 5, 'd');
    disbelieved(house.append(entry), "was revoked in entry");
}

#[test]
fn an_authenticator_without_a_counter_says_zero_for_ever_and_signs() {
    let mut house = House::new();
    let token = authenticator(1);
    let added = enrolment(&house, 5, &token);
    assert_eq!(house.add(added, 0), None);
    for commit in ['a', 'b', 'c'] {
        let entry = zero(&house, &token, commit);
        assert_eq!(house.append(entry), None, "{commit}");
    }
}

/// A claim with counter 0.
fn zero(house: &House, token: &Authenticator, commit: char) -> NewEntry {
    let key = registration(token).key;
    let (by, time) = (house.history.person(5), house.history.now());
    let stream = StreamId::from(&by);
    let commits = vec![commit.to_string().repeat(40)];
    let claimed = CommitsClaimed { origin: ORIGIN.into(), repository: "git:h/shop".into(), commits, by, time };
    let statement = statement_of(claimed);
    let client_data = token.client_data("webauthn.get", &base64url(&challenge(act::CLAIM, &statement).unwrap()));
    let answer = token.got(&token.data(UP_UV, &[]), &client_data);
    let answer = Assertion::from_json(&serde_json::to_vec(&answer).unwrap()).unwrap();
    let armored = answer.into_sshsig(&key, &token.id(), SITE, act::CLAIM, &statement).unwrap();
    let act = SignedAct::new(act::CLAIM, &statement, &armored, &key).unwrap();
    entry(EventKind::CommitsClaimed, stream, act.to_vec().unwrap(), vec![])
}

#[test]
fn a_passkey_is_not_the_last_key_that_an_administrator_has() {
    let mut house = House::new();
    let first = house.history.first_key(0);
    let added = enrolment(&house, 0, &authenticator(1));
    assert_eq!(house.add(added, 0), None);
    disbelieved(house.revoke(0, &first, 0, None), "no administrator would be left");
    let ssh = ssh_key::PrivateKey::from(ssh_key::private::Ed25519Keypair::from_seed(&[3; 32]));
    let added = house.adding(0, &ssh, 0);
    assert_eq!(house.add(added, 0), None);
    assert_eq!(house.revoke(0, &first, 0, None), None);
}

#[test]
fn a_key_of_openssh_enrolled_for_a_party_signs_nothing_as_a_passkey() {
    // Somebody enrols a passkey's key as a hardware key of SSH: what browsers let it sign is then not what was enrolled.
    let mut house = House::new();
    let mut token = authenticator(1);
    let made = enrolment(&house, 5, &token);
    let plain = PersonKeyAdded { kind: KeyKind::SshHardwareKey, passkey: None, ..made };
    assert_eq!(house.add(plain, 0), None);
    let entry = claiming(&house, &mut token, 5, 'a');
    disbelieved(house.append(entry), "enrolled as no passkey");
}
