//! Certificates, requests and private keys.

use proptest::prelude::*;
use regorus::Value;

use super::args::{make_object, make_set};
use super::jwt_tests::RS256_KEY;
use super::tests::{call, call_at, json, text};
use super::{Fault, pem};

const ROOT: &str = include_str!("keys_and_certificates/root.pem");
const INTERMEDIATE: &str = include_str!("keys_and_certificates/intermediate.pem");
/// `www.example.org`, for servers, from 2024 to 2026.
const LEAF: &str = include_str!("keys_and_certificates/leaf.pem");
/// The same for clients.
const CLIENT: &str = include_str!("keys_and_certificates/client.pem");
/// Signed with another key than the intermediate's.
const ROGUE: &str = include_str!("keys_and_certificates/rogue.pem");
const REQUEST: &str = include_str!("keys_and_certificates/request.pem");

/// 2025-01-01.
const NOW: i64 = 1_735_689_600;

#[test]
fn a_certificate_has_the_members_that_go_gives_it() {
    let all = call("crypto.x509.parse_certificates", &[text(&format!("{LEAF}{ROOT}"))]).unwrap();
    let (leaf, root) = (&all[0], &all[1]);
    assert_eq!(leaf["Subject"]["CommonName"], text("www.example.org"));
    assert_eq!(leaf["Subject"]["Country"], json(r#"["DE"]"#));
    assert_eq!(leaf["Subject"]["Locality"], Value::Null);
    assert_eq!(leaf["Issuer"]["CommonName"], text("Example Intermediate"));
    assert_eq!(leaf["NotBefore"], text("2024-01-01T00:00:00Z"));
    assert_eq!(leaf["NotAfter"], text("2026-01-01T00:00:00Z"));
    // 0x0123456789abcdef0123456789abcdef without its leading zero.
    assert_eq!(leaf["SerialNumber"], json("1512366075204170947332355369683137007"));
    assert_eq!(leaf["DNSNames"], json(r#"["www.example.org", "example.org"]"#));
    assert_eq!(leaf["EmailAddresses"], json(r#"["admin@example.org"]"#));
    assert_eq!(leaf["IPAddresses"], json(r#"["192.0.2.1", "2001:db8::1"]"#));
    assert_eq!(leaf["URIStrings"], json(r#"["spiffe://example.org/workload?x=1"]"#));
    assert_eq!(leaf["URIs"][0]["Host"], text("example.org"));
    assert_eq!(leaf["URIs"][0]["Path"], text("/workload"));
    // Digital signature and key encipherment; SHA-384 with ECDSA was not used, the key is RSA's.
    assert_eq!((&leaf["KeyUsage"], &leaf["ExtKeyUsage"]), (&json("5"), &json("[1]")));
    assert_eq!((&leaf["PublicKeyAlgorithm"], &leaf["SignatureAlgorithm"]), (&json("1"), &json("10")));
    assert_eq!((&leaf["IsCA"], &leaf["Version"]), (&json("false"), &json("3")));
    assert_eq!(leaf["OCSPServer"], json(r#"["http://ocsp.example.org"]"#));
    assert_eq!(leaf["IssuingCertificateURL"], json(r#"["http://example.org/ca"]"#));
    assert_eq!(leaf["CRLDistributionPoints"], json(r#"["http://example.org/crl"]"#));
    assert_eq!(leaf["PublicKey"]["E"], json("65537"));
    assert_eq!((&root["IsCA"], &root["MaxPathLen"], &root["DNSNames"]), (&json("true"), &json("-1"), &Value::Null));
    assert_eq!(root["KeyUsage"], json("96"));
    assert_eq!(pem::base64(leaf["Raw"].as_string().unwrap()).unwrap(), pem::first(LEAF).unwrap().0.der);
}

#[test]
fn a_request_has_the_names_it_asks_for() {
    let der = pem::to_base64(&pem::first(REQUEST).unwrap().0.der);
    for given in [REQUEST, &pem::to_base64(REQUEST.as_bytes()), &der] {
        let request = call("crypto.x509.parse_certificate_request", &[text(given)]).unwrap();
        assert_eq!(request["Subject"]["CommonName"], text("www.example.org"));
        assert_eq!(request["DNSNames"], json(r#"["req.example.org"]"#));
    }
    assert!(call("crypto.x509.parse_certificate_request", &[text(LEAF)]).is_err());
}

/// Whether the last of the certificates is valid.
fn valid(seconds: i64, chain: &[&str], options: Option<Value>) -> Result<bool, Fault> {
    let chain = text(&chain.concat());
    let answer = match options {
        None => call_at(seconds, "crypto.x509.parse_and_verify_certificates", &[chain])?,
        Some(options) => call_at(seconds, "crypto.x509.parse_and_verify_certificates_with_options", &[chain, options])?,
    };
    Ok(answer[0] == true.into())
}

#[test]
fn a_chain_is_valid_from_root_to_leaf_at_the_frozen_time() {
    let chain = [ROOT, INTERMEDIATE, LEAF];
    assert!(valid(NOW, &chain, None).unwrap());
    let year = 366 * 86_400;
    assert!(!valid(NOW + year, &chain, None).unwrap(), "expired");
    assert!(!valid(NOW - 2 * year, &chain, None).unwrap(), "not yet");
    assert!(!valid(NOW, &[ROOT, INTERMEDIATE, ROGUE], None).unwrap(), "signed by another");
    assert!(!valid(NOW, &[ROOT, LEAF], None).unwrap(), "the intermediate is missing");
    assert!(!valid(NOW, &[LEAF, INTERMEDIATE, ROOT], None).unwrap(), "the wrong way round");
    assert!(!valid(NOW, &[LEAF], None).unwrap());
    assert!(!valid(NOW, &[ROOT, INTERMEDIATE, CLIENT], None).unwrap(), "not for servers");
    let answer = call_at(NOW, "crypto.x509.parse_and_verify_certificates", &[text(&chain.concat())]).unwrap();
    let names: Vec<&Value> = (0..3usize).map(|i| &answer[1][i]["Subject"]["CommonName"]).collect();
    assert_eq!(names, [&text("www.example.org"), &text("Example Intermediate"), &text("Example Root")]);
}

#[test]
fn options_are_heard() {
    let chain = [ROOT, INTERMEDIATE, LEAF];
    let client = [ROOT, INTERMEDIATE, CLIENT];
    let with = |key: &str, value: Value| Some(make_object([(key, value)]));
    let year = 366 * 86_400 * 1_000_000_000;
    assert!(valid(0, &chain, with("CurrentTime", Value::from(NOW * 1_000_000_000))).unwrap());
    assert!(!valid(NOW, &chain, with("CurrentTime", Value::from(NOW * 1_000_000_000 + year))).unwrap());
    assert!(valid(NOW, &chain, with("DNSName", text("example.org"))).unwrap());
    assert!(!valid(NOW, &chain, with("DNSName", text("example.com"))).unwrap());
    let usages = |names: &[&str]| with("KeyUsages", make_set(names.iter().map(|n| text(n))));
    assert!(valid(NOW, &client, usages(&["KeyUsageClientAuth"])).unwrap());
    assert!(valid(NOW, &client, usages(&["KeyUsageAny"])).unwrap());
    assert!(!valid(NOW, &client, usages(&["KeyUsageCodeSigning", "KeyUsageServerAuth"])).unwrap());
    for bad in [
        with("CurrentTime", text("now")),
        with("DNSName", Value::Null),
        with("KeyUsages", text("KeyUsageAny")),
        usages(&["ClientAuth"]),
        with("Roots", Value::Null),
    ] {
        assert!(matches!(valid(NOW, &chain, bad), Err(Fault::Operand(_))));
    }
}

fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap().to_be_bytes();
    [&[tag, 0x82][..], &length, content].concat()
}

/// The key of RFC 7515 A.2 as PKCS #1. What DER allows shorter must be shorter.
fn pkcs1() -> Vec<u8> {
    let jwk = json(RS256_KEY);
    let mut numbers = vec![2, 1, 0];
    for name in ["n", "e", "d", "p", "q", "dp", "dq", "qi"] {
        let mut bytes = pem::base64url(jwk[name].as_string().unwrap()).unwrap();
        if bytes[0] >= 0x80 {
            bytes.insert(0, 0);
        }
        let head = match bytes.len() {
            n @ 0..0x80 => vec![2, n as u8],
            n @ 0x80..0x100 => vec![2, 0x81, n as u8],
            n => vec![2, 0x82, (n >> 8) as u8, n as u8],
        };
        numbers.extend(head.into_iter().chain(bytes));
    }
    tlv(0x30, &numbers)
}

/// PEM that is put together here, so that the text of this file is not one.
fn armored(label: &str, der: &[u8]) -> String {
    format!("-----{} {label}-----\n{}\n-----END {label}-----\n", "BEGIN", pem::to_base64(der))
}

#[test]
fn private_keys_of_every_form() {
    let pkcs1 = pkcs1();
    let rsa = armored("RSA PRIVATE KEY", &pkcs1);
    let parsed = call("crypto.x509.parse_rsa_private_key", &[text(&rsa)]).unwrap();
    assert_eq!(parsed, json(RS256_KEY));
    let algorithm = [0x30, 13, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 13, 1, 1, 1, 5, 0];
    let pkcs8 = tlv(0x30, &[&[2, 1, 0][..], &algorithm, &tlv(4, &pkcs1)].concat());
    assert_eq!(call("crypto.x509.parse_rsa_private_key", &[text(&armored("PRIVATE KEY", &pkcs8))]).unwrap(), parsed);
    let keys = call("crypto.parse_private_keys", &[text(&pem::to_base64(rsa.as_bytes()))]).unwrap();
    assert_eq!(keys[0]["E"], json("65537"));

    // RFC 8410 10.3, and the public key of its 10.1.
    let ed25519 = pem::base64("MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC").unwrap();
    let key = call("crypto.x509.parse_rsa_private_key", &[text(&armored("PRIVATE KEY", &ed25519))]).unwrap();
    assert_eq!(key["x"], text("Gb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE"));

    assert_eq!(call("crypto.parse_private_keys", &[text("")]).unwrap(), Value::Null);
    assert_eq!(call("crypto.parse_private_keys", &[text("no key")]).unwrap(), json("[]"));
    assert!(call("crypto.parse_private_keys", &[text(&armored("PRIVATE KEY", &[1, 2]))]).is_err());
    assert!(call("crypto.x509.parse_keypair", &[text(LEAF), text(&rsa)]).is_err(), "the key is another's");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Damaged DER is an error or another value, never a panic; and never a chain that is valid.
    #[test]
    fn damaged_der_does_no_harm(which in 0..3usize, at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<bool>()) {
        let mut ders = [ROOT, INTERMEDIATE, LEAF].map(|c| pem::first(c).unwrap().0.der);
        let at = at.index(ders[which].len());
        prop_assume!(cut || ders[which][at] != byte);
        if cut {
            ders[which].truncate(at);
        } else {
            ders[which][at] = byte;
        }
        let one = text(&pem::to_base64(&ders[which]));
        let _ = call("crypto.x509.parse_certificates", std::slice::from_ref(&one));
        let _ = call("crypto.x509.parse_certificate_request", &[one]);
        let chain = text(&pem::to_base64(&ders.concat()));
        let answer = call_at(NOW, "crypto.x509.parse_and_verify_certificates", &[chain]).unwrap();
        // The signature of the root is its own word, which is not asked for.
        prop_assert!(which == 0 || answer[0] == false.into(), "{which} {at}");
        let mut key = pkcs1();
        let at = at % key.len();
        key[at] = byte;
        let _ = call("crypto.parse_private_keys", &[text(&armored("RSA PRIVATE KEY", &key))]);
        let _ = call("crypto.parse_private_keys", &[text(&armored("EC PRIVATE KEY", &key))]);
    }
}
