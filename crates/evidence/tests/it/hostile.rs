//! Any bytes whatever: readers answer, they never panic.

use countersign_evidence::act::SignedAct;
use countersign_evidence::checkpoint::{self, Checkpoint};
use countersign_evidence::cosignature::{self, CosignerKey};
use countersign_evidence::dsse::Envelope;
use countersign_evidence::machine::{MachineKey, MachinePublicKey};
use countersign_evidence::note::{Note, SignerKey, VerifierKey};
use countersign_evidence::receipt::Receipt;
use countersign_evidence::seal::{self, SubjectKey};
use countersign_evidence::sshsig::{self, PublicKey};
use countersign_evidence::tile::{self, TileId};
use countersign_evidence::trust_policy::TrustPolicy;
use countersign_evidence::webauthn::{self, Assertion, check_enrolment, register};
use countersign_evidence::witness::{Answer, Request, decide};
use countersign_evidence::{canonical, statement::Statement};
use proptest::prelude::*;

/// A browser's answer in which all is well but the attestation object, which is anything.
fn registration(object: &[u8]) -> Vec<u8> {
    let client_data = br#"{"type":"webauthn.create","challenge":"","origin":"https://a.test"}"#;
    let (client_data, object) = (webauthn::base64url(client_data), webauthn::base64url(object));
    let response = serde_json::json!({"clientDataJSON": client_data, "attestationObject": object});
    serde_json::to_vec(&serde_json::json!({"id": "AA", "rawId": "AA", "type": "public-key", "response": response}))
        .unwrap()
}

fn read_everything(bytes: &[u8]) {
    let key = SignerKey::from_seed("k", &[1; 32]).unwrap();
    let keys = [key.verifier().clone()];
    let machine = [MachineKey::from_seed(&[1; 32]).public()];
    assert_eq!(canonical::is_canonical(bytes), canonical::from_slice::<serde_json::Value>(bytes).is_ok());
    let _ = checkpoint::open(bytes, "k", &keys).is_ok();
    let _ = Envelope::from_json(bytes).is_ok_and(|e| e.verify(&machine).is_ok());
    let _ = SignedAct::from_slice(bytes).is_ok();
    let _ = Statement::<serde_json::Value>::from_slice(bytes, "p").is_ok();
    let _ = seal::open(&SubjectKey::from_bytes([1; 32]), bytes, b"").is_ok();
    if let Ok(entries) = tile::decode_bundle(bytes) {
        assert_eq!(tile::encode_bundle(&entries).unwrap(), bytes);
    }
    if let Ok(note) = Note::parse(bytes) {
        assert_eq!(note.to_string().as_bytes(), bytes);
    }
    let text = String::from_utf8_lossy(bytes);
    if let Ok(checkpoint) = Checkpoint::parse(&text) {
        assert_eq!(checkpoint.to_text(), text);
    }
    if let Ok(receipt) = Receipt::parse(&text) {
        assert_eq!(receipt.to_text(), text);
        let _ = receipt.verify(b"", &keys).is_ok();
    }
    if let Ok(request) = Request::parse(bytes) {
        assert_eq!(request.to_text().as_bytes(), bytes);
        let _ = decide(&request, &keys, None).is_ok();
    }
    let _ = Answer::read(409, Some(&text), bytes);
    let _ = cosignature::verify_lines(bytes, &text, &keys).is_ok();
    let _ = CosignerKey::parse(&text).is_ok();
    if let Ok(policy) = TrustPolicy::parse(bytes) {
        let _ = policy.examine(bytes).is_ok() || policy.quorum_text().is_empty();
    }
    if let Ok(id) = TileId::parse_path(&text) {
        assert_eq!(id.path(), text);
    }
    let _ = tile::parse_entries_path(&text).is_ok();
    let _ = VerifierKey::parse(&text).is_ok();
    let _ = SignerKey::parse(&text).is_ok();
    let _ = MachineKey::from_pem(&text).is_ok();
    let _ = text.parse::<MachinePublicKey>().is_ok();
    let _ = SubjectKey::parse_hex(&text).is_ok();
    let _ = PublicKey::parse(&text).is_ok();
    let _ = sshsig::embedded_key(&text).is_ok();
    let _ = webauthn::proof(&text).is_ok();
    let _ = Assertion::from_json(bytes).is_ok();
    for answer in [bytes.to_vec(), registration(bytes)] {
        if let Ok(made) = register(&answer, b"", "https://a.test", "a.test") {
            check_enrolment(&made.key, &made.passkey).unwrap();
        }
    }
    let _ = sshsig::sign_with_key_file(&text, "n", b"m").is_ok();
}

/// Pieces that the formats are made of, so that random texts get past the first checks.
const PIECES: &[&str] = &[
    "\n",
    "\n\n",
    " ",
    "+",
    "/",
    "=",
    "\u{2014} ",
    "k ",
    "k+",
    "PRIVATE+KEY+",
    "c2sp.org/tlog-proof@v1\n",
    "index ",
    "old ",
    "witness ",
    "group ",
    "quorum none\n",
    "log ",
    "any ",
    "extra ",
    "0",
    "1",
    "18446744073709551615",
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
    "tile/",
    "entries/",
    "x001/",
    "000",
    ".p/",
    "ssh-ed25519 ",
    "ssh-rsa ",
    "ssh-dss ",
    "ecdsa-sha2-nistp256 ",
    "sk-ssh-ed25519@openssh.com ",
    "AAAAC3NzaC1lZDI1NTE5AAAAI",
    "-----BEGIN SSH SIGNATURE-----\n",
    "-----END SSH SIGNATURE-----",
    "U1NIU0lHAAAAAQAAADMAAAALc3NoLWVkMjU1MTkAAAAg",
    "-----BEGIN OPENSSH PRIVATE KEY-----\n",
    "-----END OPENSSH PRIVATE KEY-----\n",
    "b3BlbnNzaC1rZXktdjEA",
    "{",
    "}",
    "[",
    "]",
    "\"payload\":",
    "\"payloadType\":",
    "\"signatures\":",
    "\"_type\":",
    "\"",
    ",",
    ":",
    "null",
    "CSEAL1\0",
    "é",
    "\u{0}",
    "-----BEGIN PRIVATE KEY-----\n",
    "-----END PRIVATE KEY-----\n",
    "MC4CAQAwBQYDK2VwBCIEI",
    "ed25519:",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn any_bytes(bytes: Vec<u8>) {
        read_everything(&bytes);
    }

    #[test]
    fn any_pieces(pieces in prop::collection::vec(prop::sample::select(PIECES), 0..12)) {
        read_everything(pieces.concat().as_bytes());
    }

    #[test]
    fn damaged_signatures_and_keys(at in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6), cut: prop::sample::Index) {
        let pair = ssh_key::private::Ed25519Keypair::from_seed(&[1; 32]);
        let file = ssh_key::PrivateKey::from(pair).to_openssh(ssh_key::LineEnding::LF).unwrap().to_string();
        let signature = sshsig::sign_with_key_file(&file, "n", b"m").unwrap();
        for good in [file, signature] {
            let mut bytes = good.into_bytes();
            for (index, value) in &at {
                let i = index.index(bytes.len());
                bytes[i] = *value;
            }
            read_everything(&bytes);
            bytes.truncate(cut.index(bytes.len() + 1));
            read_everything(&bytes);
        }
    }

    #[test]
    fn damaged_structures_inside_good_armour(at in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6), cut: prop::sample::Index) {
        use base64::Engine as _;
        let engine = base64::engine::general_purpose::STANDARD;
        let pair = ssh_key::private::Ed25519Keypair::from_seed(&[1; 32]);
        let file = ssh_key::PrivateKey::from(pair).to_openssh(ssh_key::LineEnding::LF).unwrap().to_string();
        let signature = sshsig::sign_with_key_file(&file, "n", b"m").unwrap();
        for good in [file, signature] {
            let lines: Vec<&str> = good.lines().collect();
            let mut bytes = engine.decode(lines[1..lines.len() - 1].concat()).unwrap();
            for (index, value) in &at {
                let i = index.index(bytes.len());
                bytes[i] = *value;
            }
            bytes.truncate(cut.index(bytes.len()) + 1);
            let body: Vec<String> = engine.encode(&bytes).as_bytes().chunks(70).map(|c| String::from_utf8_lossy(c).into_owned()).collect();
            let text = format!("{}\n{}\n{}\n", lines[0], body.join("\n"), lines[lines.len() - 1]);
            read_everything(text.as_bytes());
        }
    }
}
