//! Published examples, and properties: a valid credential proves itself, and with one character changed it does not.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use proptest::prelude::*;
use sha2::{Digest as _, Sha256};

use super::Proof;
use super::coding::{crc16, crc32, digits};

const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const BASE36: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
const BASE58: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

#[test]
fn names_are_told_apart_and_found() {
    for proof in Proof::ALL {
        assert_eq!(Proof::named(proof.name()), Some(proof));
    }
    assert_eq!(Proof::named("magic"), None);
}

#[test]
fn a_token_with_its_checksum_holds_and_any_other_does_not() {
    // Checksums computed with another program.
    assert!(Proof::GithubCrc32.holds(b"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"));
    assert!(Proof::GithubCrc32.holds(b"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"));
    assert!(!Proof::GithubCrc32.holds(b"ghp_abcdefghijklmnopqrstuvwxyz0123000000"));
    assert!(!Proof::GithubCrc32.holds(b"ghp_short"));
    assert!(!Proof::GithubCrc32.holds(b""));
}

#[test]
fn published_examples_of_checksums_hold() {
    // The sample in Grafana's own test of its generator.
    assert!(Proof::GrafanaCrc32.holds(b"glsa_iNValIdinValiDinvalidinvalidinva_5b582697"));
    // The sample in the documentation of a NATS library.
    assert!(Proof::NatsNkey.holds(b"SUAOBFVHF4ZWKTBJ6QP4C362WLBBBFIE7ENFTPYKUGZ3M2ESOXY353LXDI"));
    // The sample of the Bitcoin wiki's page on the wallet import format.
    assert!(Proof::Base58Check.holds(b"5HueCGU8rMjxEXxiPuD5BDku4MkFqeZyd4dZ1jvhTVqvbTLvyTJ"));
    // Test vector 1 of BIP 32.
    assert!(Proof::Base58Check.holds(
        b"xprv9s21ZrQH143K3QTDL4LXw2F7HEK3wJUD2nW2nRk4stbPy6cq3jPPqjiChkVvvNKmPGJxWUtg6LnF5kejMRNNU3TGtRBeJgk33yuGBxrMPHi"
    ));
    // Valid and invalid ones of BIP 173.
    for valid in ["A12UEL5L", "a12uel5l", "abcdef1qpzry9x8gf2tvdw0s3jn54khce6mua7lmqqqxw"] {
        assert!(Proof::Bech32.holds(valid.as_bytes()), "{valid}");
    }
    for wrong in
        ["pzry9x0s0muk", "1pzry9x0s0muk", "x1b4n0q5v", "li1dgmt3", "A1G7SGD8", "10a06t8", "1qzzfhee", "a12UEL5L"]
    {
        assert!(!Proof::Bech32.holds(wrong.as_bytes()), "{wrong}");
    }
    // The key of age's own tests.
    assert!(Proof::Bech32.holds(b"AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX"));
}

#[test]
fn a_token_header_must_be_a_json_object_with_an_algorithm() {
    // {"alg":"HS256"}
    assert!(Proof::Jwt.holds(b"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln"));
    // {"typ":"JWT"}
    assert!(!Proof::Jwt.holds(b"eyJ0eXAiOiJKV1QifQ.eyJzdWIiOiIxIn0.c2ln"));
    assert!(!Proof::Jwt.holds(b"eyJhbGciOi.e30.x"));
    assert!(!Proof::Jwt.holds(b""));
}

/// The first bytes of a PKCS #8 Ed25519 key: 0x30 0x2e 0x02 0x01 0x00 …
const PKCS8: &[u8] = b"-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIAAA\n-----END PRIVATE KEY-----";

#[test]
fn a_pem_body_must_be_der_or_openssh() {
    assert!(Proof::Pem.holds(PKCS8));
    assert!(Proof::Pem.holds(br"-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIAAA\n-----END PRIVATE KEY-----"));
    // "openssh-key-v1\0"
    assert!(Proof::Pem.holds(b"-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAA\n"));
    assert!(!Proof::Pem.holds(b"-----BEGIN PRIVATE KEY-----\nYOUR KEY HERE\n-----END PRIVATE KEY-----"));
    assert!(!Proof::Pem.holds(b"-----BEGIN PRIVATE KEY-----\n...\n-----END PRIVATE KEY-----"));
    assert!(!Proof::Pem.holds(b"-----BEGIN "));
    assert!(!Proof::Pem.holds(b""));
    assert!(Proof::Base64PrivateKey.holds(STANDARD.encode(PKCS8).as_bytes()));
    let certificate = b"-----BEGIN CERTIFICATE-----\nMC4CAQAwBQYDK2VwBCIEIAAA\n-----END CERTIFICATE-----";
    assert!(!Proof::Base64PrivateKey.holds(STANDARD.encode(certificate).as_bytes()));
    assert!(!Proof::Base64PrivateKey.holds(PKCS8));
}

#[test]
fn a_key_id_must_hold_an_account() {
    // Account 609629065308, the sample of a public write-up of the scheme.
    assert!(Proof::AwsKeyId.holds(b"ASIAY34FZKBOKMUTVV7A"));
    assert!(!Proof::AwsKeyId.holds(b"AKIAIOSFODNN7EXAMPLE"));
    assert!(!Proof::AwsKeyId.holds(b"AKIA777777777777777A"));
    assert!(!Proof::AwsKeyId.holds(b"AKIA"));
}

#[test]
fn credentials_in_base64_have_a_user_and_a_real_password() {
    let holds = |text: &str| Proof::BasicCredentials.holds(STANDARD.encode(text).as_bytes());
    assert!(holds("deploy:uT4vK9-pQ2xZ"));
    // The sample of RFC 7617, whose password is three words.
    assert!(!Proof::BasicCredentials.holds(b"QWxhZGRpbjpvcGVuIHNlc2FtZQ=="));
    for other in
        ["user:changeme", "user:password", "user:${PASSWORD}", ":uT4vK9-pQ2xZ", "nothing at all", "a:\u{7}bcdefg9"]
    {
        assert!(!holds(other), "{other:?}");
    }
    assert!(!Proof::BasicCredentials.holds(b"no base 64"));
}

#[test]
fn objects_must_have_their_fields() {
    let encode = |json: &str| STANDARD.encode(json);
    assert!(Proof::GrafanaApiKey.holds(encode(r#"{"k":"Zp3","n":"ci","id":1}"#).as_bytes()));
    assert!(!Proof::GrafanaApiKey.holds(encode(r#"{"k":"Zp3","t":"ci","c":1}"#).as_bytes()));
    let account = r#"{"signInAddress":"acme.example","email":"a@b.example"}"#;
    assert!(Proof::OnepasswordToken.holds(format!("ops_{}", encode(account)).as_bytes()));
    assert!(!Proof::OnepasswordToken.holds(format!("ops_{}", encode(r#"{"email":"a"}"#)).as_bytes()));
    assert!(!Proof::OnepasswordToken.holds(encode(account).as_bytes()));
}

/// Every text that differs from `text` in one character, which comes from `alphabet`; `same` tells what counts as no
/// difference.
fn altered<'a>(
    text: &'a str,
    from: usize,
    alphabet: &'a [u8],
    same: fn(u8, u8) -> bool,
) -> impl Iterator<Item = Vec<u8>> + 'a {
    (from..text.len()).flat_map(move |at| {
        let was = text.as_bytes()[at];
        alphabet.iter().filter(move |b| !same(**b, was)).map(move |b| {
            let mut other = text.as_bytes().to_vec();
            other[at] = *b;
            other
        })
    })
}

fn exact(a: u8, b: u8) -> bool {
    a == b
}

fn base32(bytes: &[u8]) -> String {
    let bits: Vec<u8> = bytes.iter().flat_map(|b| (0..8).rev().map(move |n| b >> n & 1)).collect();
    bits.chunks(5)
        .map(|five| {
            let value = (0..5).fold(0, |v, n| v << 1 | five.get(n).copied().unwrap_or(0));
            char::from(BASE32[usize::from(value)])
        })
        .collect()
}

fn base58(bytes: &[u8]) -> String {
    let mut number = bytes.to_vec();
    let mut out: Vec<u8> = Vec::new();
    while number.iter().any(|b| *b != 0) {
        let mut rest = 0_u32;
        for byte in &mut number {
            let here = rest << 8 | u32::from(*byte);
            *byte = u8::try_from(here / 58).unwrap();
            rest = here % 58;
        }
        out.push(BASE58[rest as usize]);
    }
    out.extend(bytes.iter().take_while(|b| **b == 0).map(|_| b'1'));
    out.reverse();
    String::from_utf8(out).unwrap()
}

/// A macaroon in the second binary format with one caveat.
fn macaroon(location: &str, identifier: &[u8], caveat: &[u8], signature: &[u8; 32]) -> Vec<u8> {
    let mut out = vec![2];
    let mut field = |kind: u8, bytes: &[u8]| {
        out.push(kind);
        let mut length = bytes.len();
        while length > 0x7F {
            out.push(u8::try_from(length & 0x7F).unwrap() | 0x80);
            length >>= 7;
        }
        out.push(u8::try_from(length).unwrap());
        out.extend_from_slice(bytes);
    };
    field(1, location.as_bytes());
    field(2, identifier);
    out.push(0);
    let mut section = vec![2, u8::try_from(caveat.len()).unwrap()];
    section.extend_from_slice(caveat);
    section.extend([0, 0, 6, 32]);
    out.extend(section);
    out.extend(signature);
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn no_bytes_make_a_proof_panic(value: Vec<u8>, text in "-----BEGIN [A-Z ]*-----[A-Za-z0-9+/=\\\\n\n]*", token in "[a-z]{2,6}_[A-Za-z0-9_.=-]{0,80}") {
        for proof in Proof::ALL {
            proof.holds(&value);
            proof.holds(text.as_bytes());
            proof.holds(token.as_bytes());
        }
    }

    #[test]
    fn base62_checksums(random in "[A-Za-z0-9]{30}") {
        let sum = digits::<6>(crc32(random.as_bytes()), BASE62);
        let token = format!("ghp_{random}{}", String::from_utf8_lossy(&sum));
        prop_assert!(Proof::GithubCrc32.holds(token.as_bytes()));
        for other in altered(&token, 4, BASE62, exact) {
            prop_assert!(!Proof::GithubCrc32.holds(&other));
        }
    }

    #[test]
    fn grafana_checksums(random in "[A-Za-z0-9]{32}") {
        let key = format!("glsa_{random}");
        let sum: String = crc32(key.as_bytes()).to_le_bytes().iter().map(|b| format!("{b:02x}")).collect();
        let token = format!("{key}_{sum}");
        prop_assert!(Proof::GrafanaCrc32.holds(token.as_bytes()));
        for other in altered(&token[..38], 0, BASE62, exact) {
            prop_assert!(!Proof::GrafanaCrc32.holds(&[other.as_slice(), &token.as_bytes()[38..]].concat()));
        }
        for other in altered(&token, 38, BASE62, |a, b| a.eq_ignore_ascii_case(&b)) {
            prop_assert!(!Proof::GrafanaCrc32.holds(&other));
        }
    }

    #[test]
    fn gitlab_checksums(random: [u8; 16], routing in "o:[0-9a-z]{1,6}\nu:[0-9a-z]{1,6}", versioned: bool) {
        let length = u8::try_from(routing.len()).unwrap();
        let payload = URL_SAFE_NO_PAD.encode([&random[..], routing.as_bytes(), &[length]].concat());
        let stated = digits::<2>(u32::try_from(payload.len()).unwrap(), BASE36);
        let before = format!("glpat-{payload}.{}{}", if versioned { "01." } else { "" }, String::from_utf8_lossy(&stated));
        let sum = digits::<7>(crc32(before.as_bytes()), BASE36);
        let token = format!("{before}{}", String::from_utf8_lossy(&sum));
        prop_assert!(Proof::GitlabCrc32.holds(token.as_bytes()), "{token}");
        for other in altered(&token, 0, b"Aa0-._z", exact) {
            prop_assert!(!Proof::GitlabCrc32.holds(&other));
        }
    }

    #[test]
    fn nats_checksums(key: [u8; 32], role in 0_usize..6) {
        let role = [0_u8, 2 << 3, 13 << 3, 14 << 3, 20 << 3, 23 << 3][role];
        let mut bytes = vec![(18 << 3) | role >> 5, role << 3];
        bytes.extend(key);
        bytes.extend(crc16(&bytes).to_le_bytes());
        let seed = base32(&bytes);
        prop_assert!(seed.starts_with('S') && seed.len() == 58);
        prop_assert!(Proof::NatsNkey.holds(seed.as_bytes()));
        for other in altered(&seed, 0, BASE32, exact) {
            prop_assert!(!Proof::NatsNkey.holds(&other));
        }
    }

    #[test]
    fn base58_checksums(key: [u8; 32], compressed: bool) {
        let mut bytes = vec![0x80];
        bytes.extend(key);
        if compressed {
            bytes.push(1);
        }
        let sum = Sha256::digest(Sha256::digest(&bytes));
        bytes.extend(&sum[..4]);
        let text = base58(&bytes);
        prop_assert!(Proof::Base58Check.holds(text.as_bytes()));
        for other in altered(&text, 0, b"2Bk9Zq", exact) {
            prop_assert!(!Proof::Base58Check.holds(&other));
        }
    }

    #[test]
    fn bech32_checksums(at in 0_usize..58, to in "[QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L]") {
        // Any change of up to four characters is found, so one starting point shows it.
        let key = "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX";
        let mut other = key.to_owned();
        other.replace_range(16 + at..17 + at, &to);
        prop_assert_eq!(Proof::Bech32.holds(other.as_bytes()), other == key);
    }

    #[test]
    fn aws_accounts(account in 1_u64..1_000_000_000_000, rest: [u8; 5]) {
        // The account lies one bit into the first six bytes.
        let first = (account << 7).to_be_bytes();
        let id = format!("AKIA{}", base32(&[&first[2..8], &rest[1..]].concat()));
        prop_assert!(id.as_bytes()[4] == b'I' || id.as_bytes()[4] == b'J' || Proof::AwsKeyId.holds(id.as_bytes()), "{id}");
    }

    #[test]
    fn discord_ids(id in "[1-9][0-9]{16,19}", tail in "[A-Za-z0-9_-]{6}\\.[A-Za-z0-9_-]{38}") {
        let head = URL_SAFE_NO_PAD.encode(&id);
        let token = format!("{head}.{tail}");
        prop_assert!(Proof::DiscordToken.holds(token.as_bytes()));
        let letters = URL_SAFE_NO_PAD.encode(id.replacen(char::is_numeric, "x", 1));
        let other = format!("{letters}.{tail}");
        prop_assert!(!Proof::DiscordToken.holds(other.as_bytes()));
    }

    #[test]
    fn sentry_objects(issued in 1.0e9..2.0e9_f64, org in "[a-z]{2,12}", secret: [u8; 32]) {
        let json = format!(r#"{{"iat":{issued},"url":"https://s.example","region_url":"https://r.example","org":"{org}"}}"#);
        let token = format!("sntrys_{}_{}", STANDARD.encode(&json), STANDARD_NO_PAD.encode(secret));
        prop_assert!(Proof::SentryOrgToken.holds(token.as_bytes()));
        prop_assert!(!Proof::SentryOrgToken.holds(&token.as_bytes()[..token.len() - 4]));
        let other = format!("sntrys_{}_{}", STANDARD.encode(json.replace("\"org\"", "\"orb\"")), STANDARD_NO_PAD.encode(secret));
        prop_assert!(!Proof::SentryOrgToken.holds(other.as_bytes()));
    }

    #[test]
    fn macaroons(identifier in "[ -~]{20,160}", caveat in "[ -~]{1,100}", signature: [u8; 32], cut in 1_usize..40) {
        for (location, holds) in [("pypi.org", true), ("test.pypi.org", true), ("pypi.example", false)] {
            let bytes = macaroon(location, identifier.as_bytes(), caveat.as_bytes(), &signature);
            let token = |bytes: &[u8]| format!("pypi-{}", URL_SAFE_NO_PAD.encode(bytes));
            prop_assert_eq!(Proof::PypiMacaroon.holds(token(&bytes).as_bytes()), holds);
            prop_assert!(!Proof::PypiMacaroon.holds(token(&bytes[..bytes.len() - cut]).as_bytes()));
            prop_assert!(!Proof::PypiMacaroon.holds(token(&[&bytes[..], b"x"].concat()).as_bytes()));
        }
    }
}
