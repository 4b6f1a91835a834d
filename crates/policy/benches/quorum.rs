//! How fast a quorum is computed over many people. `cargo bench -p countersign-policy --bench quorum`
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot begin has nothing to say")]

use std::collections::BTreeMap;

use countersign_model::access::{Duty, SlotRule, Strength};
use countersign_model::{PersonId, Role, Slot, Timestamp};
use countersign_policy::quorum::{Case, Given, Held, Signer, fillable, quorum};

fn main() {
    divan::main();
}

const ROLES: [Role; 6] = [
    Role::Developer,
    Role::Engineer,
    Role::ReleaseManager,
    Role::SecurityOfficer,
    Role::ComplianceOfficer,
    Role::Administrator,
];

struct Firm {
    slots: Vec<SlotRule>,
    people: BTreeMap<PersonId, Signer>,
    duties: BTreeMap<PersonId, Vec<Held>>,
    given: Vec<Given>,
}

/// A thousand people with two roles each, a fifth of them authors, twelve slots of which some come after another, and a signature
/// of everybody. Where `missing`, nobody may fill the last slot, so all is tried.
fn firm(people: usize, missing: bool) -> Firm {
    let slots: Vec<SlotRule> = (0..12_usize)
        .map(|n| SlotRule {
            slot: format!("slot-{n}").parse().unwrap(),
            roles: if missing && n == 11 { [Role::Auditor].into() } else { [ROLES[n % 6], ROLES[(n + 1) % 6]].into() },
            excludes: [Duty::PipelineEditor].into(),
            after: if n % 4 == 3 { [format!("slot-{}", n - 1).parse().unwrap()].into() } else { Default::default() },
            valid_hours: Some(72),
            ..SlotRule::standard(Slot::Technical)
        })
        .collect();
    let id = |n: usize| PersonId::from_text(format!("per-{n:020}"));
    let signer = |n: usize| Signer { roles: [ROLES[n % 6], ROLES[(n * 5 + 2) % 6]].into(), strength: Strength::Key };
    let held = |n: usize| Held { duty: Duty::Author, by: format!("commit {n}") };
    Firm {
        people: (0..people).map(|n| (id(n), signer(n))).collect(),
        duties: (0..people).filter(|n| n % 5 == 0).map(|n| (id(n), vec![held(n)])).collect(),
        given: (0..people)
            .map(|n| Given {
                index: n as u64 + 100,
                slot: slots[n * 7 % 12].slot.clone(),
                person: id(n),
                time: Timestamp::from_millis(0),
                expires: None,
                strength: Strength::Key,
                withdrawn: None,
                differs: Vec::new(),
            })
            .collect(),
        slots,
    }
}

#[divan::bench(args = [false, true])]
fn thousand_people_twelve_slots(bencher: divan::Bencher<'_, '_>, missing: bool) {
    let f = firm(1_000, missing);
    let case = Case {
        slots: &f.slots,
        people: &f.people,
        duties: &f.duties,
        given: &f.given,
        rejections: &[],
        now: Timestamp::from_millis(1),
    };
    assert_eq!(quorum(&case).is_met(), !missing);
    bencher.bench(|| quorum(divan::black_box(&case)).is_met());
}

#[divan::bench]
fn thousand_people_fillable(bencher: divan::Bencher<'_, '_>) {
    let f = firm(1_000, false);
    bencher.bench(|| fillable(divan::black_box(&f.slots), &f.people).is_ok());
}
