//! What is believed of packs, populations and samples, whoever wrote the entries.

use countersign_evidence::sample;
use countersign_model::event::{EvidencePackMade, PopulationSealed, Predicate, SampleDrawn};
use countersign_model::{Digest, EventKind, StreamId, Timestamp};
use countersign_store::projection::{State, Watch, check};
use countersign_store::{Ledger, NewBlob};

use crate::history::History;

const MEMBERS: &str = "{}\n{}\n{}\n";

/// What is said of an entry that is not believed.
fn append<P: Predicate>(
    h: &History,
    ledger: &mut Ledger,
    kind: EventKind,
    said: P,
    blobs: Vec<NewBlob>,
) -> Option<String> {
    let anomalies = |l: &Ledger| State::replay(l, None, &Watch::default()).unwrap().anomalies().unwrap();
    let before = anomalies(ledger).len();
    h.append(ledger, vec![h.machine(kind, StreamId::from_text("audit"), said, blobs)]);
    anomalies(ledger).get(before).map(|a| a.what.clone())
}

#[test]
fn a_sample_is_what_its_seed_chooses_from_what_was_sealed() {
    let dir = tempfile::tempdir().unwrap();
    let (mut h, mut ledger) = History::begin(&dir.path().join("ledger"));
    let founding = h.founding();
    h.append(&mut ledger, founding);
    let time = h.now();
    let sealed = |edit: fn(&mut PopulationSealed)| {
        let mut sealed = PopulationSealed {
            control: "dual-approval".into(),
            definition: Digest::of(b"control"),
            from: Timestamp::from_millis(0),
            to: time,
            applications: Vec::new(),
            query: "deployments".into(),
            size: 1,
            count: 3,
            exceptions: 1,
            root: Digest::of(b"root"),
            members: Digest::of(MEMBERS.as_bytes()),
            time,
        };
        edit(&mut sealed);
        sealed
    };
    let blob = || vec![NewBlob { bytes: MEMBERS.into(), media: "application/jsonl".into() }];
    let kind = EventKind::PopulationSealed;
    for (why, edit) in [
        ("not those the statement names", (|p| p.members = Digest::of(b"others")) as fn(&mut PopulationSealed)),
        ("more of the log than there was", |p| p.size = 1000),
        ("over before it begins", |p| p.to = p.from),
        ("more members than a population can have", |p| p.count = sample::LARGEST + 1),
        ("more exceptions than members", |p| p.exceptions = 4),
    ] {
        let said = append(&h, &mut ledger, kind, sealed(edit), blob()).unwrap_or_else(|| panic!("believed: {why}"));
        assert!(said.contains(why), "{said}");
    }
    let population = ledger.size();
    assert_eq!(append(&h, &mut ledger, kind, sealed(|_| ()), blob()), None);

    let drawn = |population, chosen: Vec<u64>| SampleDrawn {
        population,
        seed: "4 6 1".into(),
        count: chosen.len() as u64,
        chosen,
        by: None,
        time,
    };
    let (kind, chosen) = (EventKind::SampleDrawn, sample::choose("4 6 1", 3, 2));
    let mut other = chosen.clone();
    other.reverse();
    for (why, said) in [
        ("never sealed", drawn(0, chosen.clone())),
        ("never sealed", drawn(population + 1, chosen.clone())),
        ("chooses other members", drawn(population, other)),
        ("is no auditor", SampleDrawn { by: Some(h.person(1)), ..drawn(population, chosen.clone()) }),
        ("chooses other members", drawn(population, vec![0, 1, 2, 3])),
    ] {
        let said = append(&h, &mut ledger, kind, said, vec![]).unwrap_or_else(|| panic!("believed: {why}"));
        assert!(said.contains(why), "{said}");
    }
    assert_eq!(append(&h, &mut ledger, kind, drawn(population, chosen.clone()), vec![]), None);

    let made = |size| EvidencePackMade {
        scope: <_>::default(),
        size,
        deployments: 0,
        pack: Digest::of(b"pack"),
        bytes: 4,
        time,
    };
    let said = append(&h, &mut ledger, EventKind::EvidencePackMade, made(1000), vec![]).unwrap();
    assert!(said.contains("more of the log than there was"), "{said}");
    assert_eq!(append(&h, &mut ledger, EventKind::EvidencePackMade, made(2), vec![]), None);

    let state = State::replay(&ledger, None, &Watch::default()).unwrap();
    assert_eq!((state.populations().unwrap().len(), state.packs().unwrap().len()), (1, 1));
    assert_eq!(state.samples_of(population).unwrap().iter().map(|s| s.chosen.clone()).collect::<Vec<_>>(), [chosen]);
    let path = dir.path().join("p.db");
    drop(State::open(&path, &mut ledger, None, &Watch::default()).unwrap());
    assert!(check(&path, &mut ledger, None, &Watch::default()).unwrap().differences.is_empty());
}
