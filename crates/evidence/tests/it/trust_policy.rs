//! Trust policies: the form, and who is enough.

use countersign_evidence::Error;
use countersign_evidence::checkpoint::Checkpoint;
use countersign_evidence::cosignature::{self, CosignerKey};
use countersign_evidence::merkle::inclusion_proof;
use countersign_evidence::note::{Algorithm, SignerKey};
use countersign_evidence::receipt::Receipt;
use countersign_evidence::trust_policy::TrustPolicy;
use proptest::prelude::*;

use crate::support::{entry, tree};

const TIME: u64 = 1_700_000_000;

fn log() -> SignerKey {
    SignerKey::from_seed("example.com/log", &[1; 32]).unwrap()
}

/// Witness `n`: those with an odd number sign with ML-DSA-44.
fn witness(n: u8) -> CosignerKey {
    let kind = if n % 2 == 1 { Algorithm::MlDsa44 } else { Algorithm::Ed25519Cosignature };
    CosignerKey::from_seed(&format!("w{n}.example"), kind, &[10 + n; 32]).unwrap()
}

fn vkey(n: u8) -> String {
    witness(n).verifier().to_string()
}

fn signed(size: u64, by: &[u8]) -> String {
    let checkpoint = Checkpoint { origin: log().name().into(), size, root: tree(size).root() };
    let lines: Vec<_> = by.iter().map(|n| witness(*n).cosign(&checkpoint.to_text(), TIME).unwrap()).collect();
    cosignature::merge(checkpoint.sign(&log()).unwrap().as_bytes(), &lines).unwrap()
}

/// The example of the specification: two of three here, and one of three there.
fn example() -> String {
    let mut text = format!("# who we trust\n\nlog {} https://log.example/\n", log().verifier());
    for (name, n) in [("X1", 0), ("X2", 1), ("X3", 2), ("Y1", 3), ("Y2", 4), ("Y3", 5)] {
        text.push_str(&format!("\twitness {name} \t {} https://w{n}.example/\n", vkey(n)));
    }
    text.push_str("group X-witnesses 2 X1 X2 X3\ngroup Y-witnesses any Y1 Y2 Y3\n");
    text.push_str("group X-and-Y all X-witnesses Y-witnesses  \n quorum X-and-Y\n");
    text
}

#[test]
fn the_quorum_of_the_specifications_example() {
    let policy = TrustPolicy::parse(example().as_bytes()).unwrap();
    assert_eq!((policy.logs().len(), policy.witnesses().len()), (1, 6));
    assert_eq!(policy.witnesses()[1].url.as_deref(), Some("https://w1.example/"));
    for mask in 0_u8..64 {
        let by: Vec<u8> = (0..6).filter(|n| mask >> n & 1 == 1).collect();
        let enough = (mask & 7).count_ones() >= 2 && mask & 56 != 0;
        let note = signed(7, &by);
        let standing = policy.examine(note.as_bytes()).unwrap();
        assert_eq!(standing.quorum, enough, "{by:?}");
        assert_eq!((standing.cosignatures.len(), standing.missing.len()), (by.len(), 6 - by.len()));
        assert!(standing.cosignatures.iter().all(|c| c.time == TIME));
        match policy.open(note.as_bytes()) {
            Ok(standing) => assert!(enough && standing.checkpoint.size == 7),
            Err(Error::Quorum { asked, signed }) => {
                assert!(!enough && asked == "2 of (group X-witnesses, group Y-witnesses)");
                assert_eq!(signed == "none", by.is_empty());
            }
            Err(other) => panic!("{other}"),
        }
    }
}

#[test]
fn a_receipt_carries_the_cosignatures() {
    let policy = TrustPolicy::parse(example().as_bytes()).unwrap();
    let receipt = |by: &[u8]| {
        let text = Receipt::new(3, inclusion_proof(3, 7, &tree(7)).unwrap(), signed(7, by)).to_text();
        Receipt::parse(&text).unwrap()
    };
    let standing = receipt(&[0, 1, 5]).verify_with_policy(&entry(3), &policy).unwrap();
    assert_eq!(standing.cosignatures.len(), 3);
    let refused = receipt(&[0, 1]).verify_with_policy(&entry(3), &policy);
    assert!(matches!(refused, Err(Error::Quorum { .. })));
    let other = receipt(&[0, 1, 5]).verify_with_policy(&entry(4), &policy);
    assert!(matches!(other, Err(Error::Inclusion { .. })));
    // The plain reader sees the same receipt.
    receipt(&[0, 1, 5]).verify(&entry(3), &[log().verifier().clone()]).unwrap();
}

#[test]
fn a_bad_cosignature_rejects_and_a_strange_log_is_not_accepted() {
    let policy = TrustPolicy::parse(example().as_bytes()).unwrap();
    let other =
        witness(0).cosign(&signed(8, &[]).split("\n\n").next().map(|t| format!("{t}\n")).unwrap(), TIME).unwrap();
    let forged = cosignature::merge(signed(7, &[1, 2, 3]).as_bytes(), &[other]).unwrap();
    assert!(matches!(policy.open(forged.as_bytes()), Err(Error::NoteSignature { .. })));
    let strange = SignerKey::from_seed("example.com/log", &[2; 32]).unwrap();
    let checkpoint = Checkpoint { origin: "example.com/log".into(), size: 7, root: tree(7).root() };
    let lines: Vec<_> = [0, 1, 3].map(|n| witness(n).cosign(&checkpoint.to_text(), TIME).unwrap()).to_vec();
    let note = cosignature::merge(checkpoint.sign(&strange).unwrap().as_bytes(), &lines).unwrap();
    assert!(matches!(policy.open(note.as_bytes()), Err(Error::Origin { .. })));
    let standing = policy.examine_with(note.as_bytes(), &[strange.verifier().clone()]).unwrap();
    assert!(standing.quorum);
}

#[test]
fn a_witness_named_like_the_log_is_not_the_log() {
    // An ML-DSA-44 key may sign for logs and for witnesses; the policy says which it is.
    let namesake = CosignerKey::from_seed("example.com/log", Algorithm::MlDsa44, &[9; 32]).unwrap();
    let text = format!("log {}\nwitness w {}\nquorum w\n", log().verifier(), namesake.verifier());
    let policy = TrustPolicy::parse(text.as_bytes()).unwrap();
    let checkpoint = Checkpoint { origin: "example.com/log".into(), size: 7, root: tree(7).root() }.to_text();
    let alone = format!("{checkpoint}\n{}", namesake.cosign(&checkpoint, TIME).unwrap().to_line());
    assert!(matches!(policy.open(alone.as_bytes()), Err(Error::NoKnownSigner)));
}

#[test]
fn a_quorum_of_none_needs_nobody_and_a_log_known_elsewhere_will_do() {
    let policy = TrustPolicy::parse(b"quorum none\n").unwrap();
    assert!(!policy.asks_for_witnesses());
    assert!(matches!(policy.open(signed(7, &[]).as_bytes()), Err(Error::NoKnownSigner)));
    assert!(policy.examine_with(signed(7, &[]).as_bytes(), &[log().verifier().clone()]).unwrap().quorum);
}

#[test]
fn every_mistake_is_named_with_its_line() {
    let good = example();
    let line = |text: &str| text.to_owned();
    let cases = [
        (good.replace("quorum X-and-Y", "quorum nobody"), 13, "no earlier line"),
        (good.replace(" quorum X-and-Y\n", ""), 0, "no line `quorum`"),
        (format!("{good}quorum none\n"), 14, "a quorum on an earlier line"),
        (good.trim_end().to_owned(), 0, "newline"),
        (good.replace("group X-witnesses 2", "group X-witnesses 4"), 10, "threshold"),
        (good.replace("group X-witnesses 2", "group X-witnesses 0"), 10, "threshold"),
        (good.replace("group X-witnesses 2", "group X-witnesses 02"), 10, "threshold"),
        (good.replace("any Y1 Y2 Y3", "any Y1 Y2 X3"), 11, "a group already"),
        (good.replace("any Y1 Y2 Y3", "any Y1 Y1"), 11, "a group already"),
        (good.replace("any Y1 Y2 Y3", "any X-and-Y"), 11, "no earlier line"),
        (good.replace("any Y1 Y2 Y3", "any none"), 11, "no earlier line"),
        (good.replace("any Y1 Y2 Y3", "any"), 11, "a group reads"),
        (good.replace("group Y-witnesses", "group X1"), 11, "its name is on an earlier line"),
        (good.replace("witness X2", "witness X1"), 5, "its name is on an earlier line"),
        (good.replace("witness X2", "witness none"), 5, "meaning of its own"),
        (good.replace(&vkey(1), &vkey(0)), 5, "its key is on an earlier line"),
        (good.replace(&vkey(1), &log().verifier().to_string()), 5, "does not cosign"),
        (good.replace(&vkey(1), "x"), 5, "name+hex+base64"),
        (good.replace(&log().verifier().to_string(), &vkey(6)), 3, "does not sign for logs"),
        (good.replace("https://log.example/", "a b"), 3, "a log reads"),
        (good.replace("log ", "logs "), 3, "begins with none"),
        (good.replace("# who", "# \u{1}who"), 1, "control characters"),
        (good.replace('\n', "\r\n"), 1, "control characters"),
        (line("\n"), 0, "no line `quorum`"),
        (line(""), 0, "newline"),
    ];
    for (text, at, fragment) in cases {
        match TrustPolicy::parse(text.as_bytes()) {
            Err(Error::TrustPolicy { line, what }) => assert!(line == at && what.contains(fragment), "{line} {what}"),
            other => panic!("{fragment}: {:?}", other.err()),
        }
    }
    // One key under two names is one key; and a log is no witness of itself.
    let same = CosignerKey::from_seed("other.example", Algorithm::Ed25519Cosignature, &[10; 32]).unwrap();
    let twice = good.replace(&vkey(1), &same.verifier().to_string());
    assert!(matches!(TrustPolicy::parse(twice.as_bytes()), Err(Error::TrustPolicy { line: 5, .. })));
    let own = CosignerKey::from_seed("other.example", Algorithm::Ed25519Cosignature, &[1; 32]).unwrap();
    let own = good.replace(&vkey(1), &own.verifier().to_string());
    assert!(matches!(TrustPolicy::parse(own.as_bytes()), Err(Error::TrustPolicy { line: 5, .. })));
}

#[test]
fn comments_may_hold_other_encodings_and_sizes_are_bounded() {
    assert!(TrustPolicy::parse(b"# caf\xe9\nquorum none\n").is_ok());
    assert!(matches!(TrustPolicy::parse(b"quorum caf\xe9\n"), Err(Error::TrustPolicy { line: 1, .. })));
    let big = vec![b'#'; countersign_evidence::trust_policy::MAX_BYTES + 1];
    assert!(TrustPolicy::parse(&big).is_err());
    let mut many = format!("witness w {}\n", vkey(0));
    many.push_str("group g0 any w\n");
    (1..256).for_each(|n| many.push_str(&format!("group g{n} any g{}\n", n - 1)));
    assert!(TrustPolicy::parse(format!("{many}quorum g255\n").as_bytes()).is_ok());
    assert!(TrustPolicy::parse(format!("{many}group g256 any g255\nquorum g256\n").as_bytes()).is_err());
}

proptest! {
    #[test]
    fn any_lines(lines in prop::collection::vec(prop::sample::select(vec!["log", "witness", "group", "quorum", "any", "all", "1", "a", "b", "none", "#", "\t", "KEY"]), 0..60)) {
        let text = lines.join(" ").replace(" quorum", "\nquorum").replace(" group", "\ngroup").replace(" witness", "\nwitness").replace("KEY", &vkey(0));
        let _ = TrustPolicy::parse(format!("{text}\n").as_bytes()).is_ok();
    }
}
