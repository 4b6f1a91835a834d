//! Identity tokens: each algorithm once as it should be, and everything that somebody could try.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as B64;
use countersign_evidence::jwt::{Algorithm, Expected, KeySet, Token, TokenError, Verified, thumbprint};
use countersign_model::{Diagnostic as _, Timestamp};
use proptest::prelude::*;
use ring::rand::SystemRandom;
use ring::signature::{self, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RsaKeyPair};
use serde_json::{Value, json};

use crate::support::{command, have};

const ISSUER: &str = "https://issuer.example";
const NOW: i64 = 1_800_000_000;

fn b64(bytes: impl AsRef<[u8]>) -> String {
    B64.encode(bytes)
}

/// An RSA key made now. `ring` makes none, so `openssl` does.
fn rsa() -> Option<RsaKeyPair> {
    if !have("openssl", &["version"]) {
        return None;
    }
    let mut make = command("openssl");
    make.args(["genpkey", "-quiet", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-outform", "DER"]);
    let made = make.output().unwrap();
    assert!(made.status.success());
    // Which of the two forms it writes depends on its version.
    let pair = RsaKeyPair::from_pkcs8(&made.stdout).or_else(|_| RsaKeyPair::from_der(&made.stdout));
    Some(pair.unwrap())
}

fn rsa_jwk(pair: &RsaKeyPair, kid: &str) -> Value {
    let public = ring::rsa::PublicKeyComponents::<Vec<u8>>::from(pair.public());
    json!({"kty": "RSA", "kid": kid, "use": "sig", "n": b64(&public.n), "e": b64(&public.e)})
}

fn ed25519() -> Ed25519KeyPair {
    let key = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
    Ed25519KeyPair::from_pkcs8(key.as_ref()).unwrap()
}

fn ed25519_jwk(pair: &Ed25519KeyPair, kid: &str) -> Value {
    json!({"kty": "OKP", "crv": "Ed25519", "kid": kid, "x": b64(pair.public_key().as_ref())})
}

fn claims() -> Value {
    json!({"iss": ISSUER, "aud": "countersign", "iat": NOW - 10, "nbf": NOW - 10, "exp": NOW + 300, "jti": "one", "sub": "x"})
}

fn token(header: &Value, claims: &Value, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
    raw(&header.to_string(), &claims.to_string(), sign)
}

fn raw(header: &str, claims: &str, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
    let signed = format!("{}.{}", b64(header), b64(claims));
    let signature = b64(sign(signed.as_bytes()));
    format!("{signed}.{signature}")
}

fn set(keys: &[Value]) -> KeySet {
    KeySet::parse(json!({"keys": keys}).to_string().as_bytes()).unwrap()
}

fn verify(token: &str, keys: &KeySet) -> Result<Verified, TokenError> {
    verify_as(token, keys, ISSUER)
}

fn verify_as(token: &str, keys: &KeySet, issuer: &str) -> Result<Verified, TokenError> {
    let expected = Expected {
        issuer,
        audiences: &["countersign".to_owned()],
        algorithms: &Algorithm::ALL.map(|(algorithm, _)| algorithm),
        skew: 60,
        lifetime: 3600,
        now: Timestamp::from_millis(NOW * 1000),
    };
    Token::parse(token.as_bytes())?.verify(keys, &expected)
}

#[test]
fn every_algorithm_is_verified_and_only_with_its_own_key() {
    let Some(rsa) = rsa() else { return };
    let random = SystemRandom::new();
    let ec = |algorithm: &'static signature::EcdsaSigningAlgorithm| {
        let key = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        EcdsaKeyPair::from_pkcs8(algorithm, key.as_ref(), &random).unwrap()
    };
    let ec_jwk = |pair: &EcdsaKeyPair, curve: &str| {
        let (x, y) = pair.public_key().as_ref()[1..].split_at(pair.public_key().as_ref().len() / 2);
        json!({"kty": "EC", "crv": curve, "kid": curve, "x": b64(x), "y": b64(y)})
    };
    let (p256, p384) =
        (ec(&signature::ECDSA_P256_SHA256_FIXED_SIGNING), ec(&signature::ECDSA_P384_SHA384_FIXED_SIGNING));
    let ed = ed25519();
    let keys = [rsa_jwk(&rsa, "rsa"), ec_jwk(&p256, "P-256"), ec_jwk(&p384, "P-384"), ed25519_jwk(&ed, "ed")];
    let all = set(&keys);
    let rsa_signed = |padding: &'static dyn signature::RsaEncoding, message: &[u8]| {
        let mut signed = vec![0; rsa.public().modulus_len()];
        rsa.sign(padding, &random, message, &mut signed).unwrap();
        signed
    };
    for (algorithm, name) in Algorithm::ALL {
        let (kid, nth) = match algorithm {
            Algorithm::Es256 => ("P-256", 1),
            Algorithm::Es384 => ("P-384", 2),
            Algorithm::EdDsa => ("ed", 3),
            _ => ("rsa", 0),
        };
        let sign = |message: &[u8]| match algorithm {
            Algorithm::Rs256 => rsa_signed(&signature::RSA_PKCS1_SHA256, message),
            Algorithm::Rs384 => rsa_signed(&signature::RSA_PKCS1_SHA384, message),
            Algorithm::Rs512 => rsa_signed(&signature::RSA_PKCS1_SHA512, message),
            Algorithm::Ps256 => rsa_signed(&signature::RSA_PSS_SHA256, message),
            Algorithm::Ps384 => rsa_signed(&signature::RSA_PSS_SHA384, message),
            Algorithm::Ps512 => rsa_signed(&signature::RSA_PSS_SHA512, message),
            Algorithm::Es256 => p256.sign(&random, message).unwrap().as_ref().to_vec(),
            Algorithm::Es384 => p384.sign(&random, message).unwrap().as_ref().to_vec(),
            Algorithm::EdDsa => ed.sign(message).as_ref().to_vec(),
        };
        let good = token(&json!({"alg": name, "kid": kid, "typ": "JWT"}), &claims(), sign);
        let verified = verify(&good, &all).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!((verified.id.as_str(), verified.algorithm), ("one", algorithm));
        assert_eq!(verified.thumbprint, thumbprint(keys[nth].to_string().as_bytes()).unwrap());
        // Every other key is the wrong one, whatever its name.
        for (other, key) in keys.iter().enumerate().filter(|(other, _)| *other != nth) {
            let mut renamed = key.clone();
            renamed["kid"] = kid.into();
            let error = verify(&good, &set(&[renamed])).unwrap_err();
            assert!(matches!(error.code(), "CS-TOKEN-006" | "CS-TOKEN-007"), "{name} under key {other}: {error}");
        }
        // A byte of it changed.
        let (rest, signature) = good.rsplit_once('.').unwrap();
        let mut signature = B64.decode(signature).unwrap();
        signature[7] ^= 1;
        assert_eq!(verify(&format!("{rest}.{}", b64(&signature)), &all).unwrap_err(), TokenError::Signature, "{name}");
    }
}

/// Each attack, and the code it is refused with.
#[test]
fn attacks_are_refused_each_for_its_reason() {
    let Some(rsa) = rsa() else { return };
    let (ed, mallory) = (ed25519(), ed25519());
    let mut rsa_key = rsa_jwk(&rsa, "rsa");
    rsa_key["alg"] = "RS256".into();
    let keys = [rsa_key.clone(), ed25519_jwk(&ed, "ed")];
    let both = set(&keys);
    let one = set(&keys[1..]);
    let by = |pair: &Ed25519KeyPair, header: Value, claims: &Value| {
        token(&header, claims, |m| pair.sign(m).as_ref().to_vec())
    };
    let head = || json!({"alg": "EdDSA", "kid": "ed"});
    let with = |name: &str, value: Value| {
        let mut claims = claims();
        claims[name] = value;
        claims
    };
    let without = |name: &str| {
        let mut claims = claims();
        claims.as_object_mut().unwrap().remove(name);
        claims
    };
    let good = by(&ed, head(), &claims());
    assert!(verify(&good, &both).is_ok());
    assert!(verify(&format!(" {good}\n"), &both).is_ok(), "a file ends with a line break");
    assert!(verify(&by(&ed, json!({"alg": "EdDSA"}), &claims()), &one).is_ok(), "one key needs no name");
    assert!(verify(&by(&ed, json!({"alg": "Ed25519", "kid": "ed"}), &claims()), &both).is_ok(), "RFC 9864");
    assert!(verify(&by(&ed, head(), &with("aud", json!(["other", "countersign"]))), &both).is_ok());
    assert!(verify(&by(&ed, head(), &with("exp", json!(NOW - 59))), &both).is_ok(), "within the skew");
    assert_eq!(
        verify(&by(&ed, head(), &without("jti")), &both).unwrap().id.len(),
        71,
        "then its digest tells it apart"
    );

    let (head_text, claims_text, sig) = {
        let mut parts = good.split('.');
        (parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap())
    };
    let hmac = |secret: &[u8], message: &[u8]| {
        ring::hmac::sign(&ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret), message).as_ref().to_vec()
    };
    let public = ring::rsa::PublicKeyComponents::<Vec<u8>>::from(rsa.public());
    let hs = |kid: &str| json!({"alg": "HS256", "kid": kid});
    let ed_signed = |m: &[u8]| ed.sign(m).as_ref().to_vec();
    let json_form = json!({"payload": claims_text, "protected": head_text, "signature": sig}).to_string();
    // 64 bytes leave four bits of the last character unused; the one after it in the alphabet sets the lowest of them.
    let flipped = match sig.chars().last() {
        Some('A') => 'B',
        Some('Q') => 'R',
        Some('g') => 'h',
        last => {
            assert_eq!(last, Some('w'));
            'x'
        }
    };
    let stray = format!("{head_text}.{claims_text}.{}{flipped}", &sig[..sig.len() - 1]);
    let weak = json!({"kty": "RSA", "kid": "ed", "n": b64([0xff_u8; 128]), "e": "AQAB"});
    let small_order = {
        let mut point = [0_u8; 32];
        point[0] = 1;
        json!({"kty": "OKP", "crv": "Ed25519", "kid": "ed", "x": b64(point)})
    };
    let forged_for_weak_point = token(&head(), &claims(), |_| {
        let mut signed = vec![0; 64];
        signed[0] = 1;
        signed
    });
    let key_with = |name: &str, value: Value| {
        let mut key = ed25519_jwk(&ed, "ed");
        key[name] = value;
        set(&[key])
    };
    let attacks: Vec<(&str, String, KeySet, &str)> = vec![
        ("alg none", format!("{}.{claims_text}.", b64(r#"{"alg":"none"}"#)), both.clone(), "CS-TOKEN-002"),
        ("alg None", format!("{}.{claims_text}.", b64(r#"{"alg":"None","kid":"ed"}"#)), both.clone(), "CS-TOKEN-002"),
        ("no alg", format!("{}.{claims_text}.{sig}", b64(r#"{"kid":"ed"}"#)), both.clone(), "CS-TOKEN-001"),
        (
            "HS256 by the RSA modulus",
            token(&hs("rsa"), &claims(), |m| hmac(&public.n, m)),
            both.clone(),
            "CS-TOKEN-002",
        ),
        (
            "HS256 by the JWK's text",
            token(&hs("rsa"), &claims(), |m| hmac(rsa_key.to_string().as_bytes(), m)),
            both.clone(),
            "CS-TOKEN-002",
        ),
        (
            "HS256 by a published secret",
            token(&hs("s"), &claims(), |m| hmac(b"secret", m)),
            set(&[json!({"kty": "oct", "kid": "s", "k": b64("secret")})]),
            "CS-TOKEN-002",
        ),
        (
            "EdDSA with the name of the RSA key",
            by(&ed, json!({"alg": "EdDSA", "kid": "rsa"}), &claims()),
            both.clone(),
            "CS-TOKEN-006",
        ),
        (
            "RS384 with a key for RS256",
            token(&json!({"alg": "RS384", "kid": "rsa"}), &claims(), ed_signed),
            both.clone(),
            "CS-TOKEN-006",
        ),
        ("another's key under the same name", by(&mallory, head(), &claims()), both.clone(), "CS-TOKEN-007"),
        (
            "a name that the issuer does not have",
            by(&mallory, json!({"alg": "EdDSA", "kid": "mallory"}), &claims()),
            both.clone(),
            "CS-TOKEN-004",
        ),
        (
            "no name where there are several keys",
            by(&ed, json!({"alg": "EdDSA"}), &claims()),
            both.clone(),
            "CS-TOKEN-005",
        ),
        ("a name that is no text", by(&ed, json!({"alg": "EdDSA", "kid": 1}), &claims()), both.clone(), "CS-TOKEN-001"),
        (
            "a key brought along",
            by(&mallory, json!({"alg": "EdDSA", "jwk": ed25519_jwk(&mallory, "ed")}), &claims()),
            both.clone(),
            "CS-TOKEN-001",
        ),
        (
            "a key set named",
            by(&mallory, json!({"alg": "EdDSA", "kid": "ed", "jku": "https://m.example"}), &claims()),
            both.clone(),
            "CS-TOKEN-001",
        ),
        (
            "a certificate brought along",
            by(&mallory, json!({"alg": "EdDSA", "kid": "ed", "x5c": ["AA=="]}), &claims()),
            both.clone(),
            "CS-TOKEN-001",
        ),
        (
            "a certificate named",
            by(&mallory, json!({"alg": "EdDSA", "kid": "ed", "x5u": "https://m.example"}), &claims()),
            both.clone(),
            "CS-TOKEN-001",
        ),
        (
            "an unknown extension",
            by(&ed, json!({"alg": "EdDSA", "kid": "ed", "crit": ["x"], "x": 1}), &claims()),
            both.clone(),
            "CS-TOKEN-001",
        ),
        (
            "unencoded payload",
            by(&ed, json!({"alg": "EdDSA", "kid": "ed", "b64": false}), &claims()),
            both.clone(),
            "CS-TOKEN-001",
        ),
        (
            "compressed",
            by(&ed, json!({"alg": "EdDSA", "kid": "ed", "zip": "DEF"}), &claims()),
            both.clone(),
            "CS-TOKEN-001",
        ),
        (
            "a token in a token",
            by(&ed, json!({"alg": "EdDSA", "kid": "ed", "cty": "JWT"}), &claims()),
            both.clone(),
            "CS-TOKEN-001",
        ),
        (
            "another kind of token",
            by(&ed, json!({"alg": "EdDSA", "kid": "ed", "typ": "dpop+jwt"}), &claims()),
            both.clone(),
            "CS-TOKEN-001",
        ),
        ("another issuer", by(&ed, head(), &with("iss", json!("https://evil.example"))), both.clone(), "CS-TOKEN-008"),
        (
            "nearly the issuer",
            by(&ed, head(), &with("iss", json!("https://issuer.example/"))),
            both.clone(),
            "CS-TOKEN-008",
        ),
        (
            "issuer in capitals",
            by(&ed, head(), &with("iss", json!("https://ISSUER.example"))),
            both.clone(),
            "CS-TOKEN-008",
        ),
        ("no issuer", by(&ed, head(), &without("iss")), both.clone(), "CS-TOKEN-012"),
        ("a list of issuers", by(&ed, head(), &with("iss", json!([ISSUER]))), both.clone(), "CS-TOKEN-012"),
        ("for somebody else", by(&ed, head(), &with("aud", json!("sts.example"))), both.clone(), "CS-TOKEN-009"),
        ("for nearly us", by(&ed, head(), &with("aud", json!("countersign "))), both.clone(), "CS-TOKEN-009"),
        ("for nobody", by(&ed, head(), &with("aud", json!([]))), both.clone(), "CS-TOKEN-009"),
        ("no audience", by(&ed, head(), &without("aud")), both.clone(), "CS-TOKEN-012"),
        (
            "an audience that is a number",
            by(&ed, head(), &with("aud", json!(["countersign", 1]))),
            both.clone(),
            "CS-TOKEN-012",
        ),
        ("expired", by(&ed, head(), &with("exp", json!(NOW - 61))), both.clone(), "CS-TOKEN-010"),
        ("never ends", by(&ed, head(), &without("exp")), both.clone(), "CS-TOKEN-012"),
        ("ends too late", by(&ed, head(), &with("exp", json!(NOW + 7200))), both.clone(), "CS-TOKEN-012"),
        ("an end that is a text", by(&ed, head(), &with("exp", json!("2099-01-01"))), both.clone(), "CS-TOKEN-012"),
        ("an end past all years", by(&ed, head(), &with("exp", json!(1e300))), both.clone(), "CS-TOKEN-012"),
        ("an end before all years", by(&ed, head(), &with("exp", json!(-1))), both.clone(), "CS-TOKEN-012"),
        ("begins later", by(&ed, head(), &with("nbf", json!(NOW + 61))), both.clone(), "CS-TOKEN-011"),
        ("issued later", by(&ed, head(), &with("iat", json!(NOW + 61))), both.clone(), "CS-TOKEN-011"),
        ("issued never", by(&ed, head(), &without("iat")), both.clone(), "CS-TOKEN-012"),
        ("an empty jti", by(&ed, head(), &with("jti", json!(""))), both.clone(), "CS-TOKEN-012"),
        ("a jti that is a number", by(&ed, head(), &with("jti", json!(1))), both.clone(), "CS-TOKEN-012"),
        (
            "a claim twice",
            raw(&head().to_string(), &claims().to_string().replacen('{', "{\"sub\":\"y\",", 1), ed_signed),
            both.clone(),
            "CS-TOKEN-001",
        ),
        (
            "a nested claim twice",
            raw(
                &head().to_string(),
                &with("x", json!({"a": 1})).to_string().replace("{\"a\":1}", "{\"a\":1,\"a\":2}"),
                ed_signed,
            ),
            both.clone(),
            "CS-TOKEN-001",
        ),
        (
            "alg twice",
            raw(r#"{"alg":"none","alg":"EdDSA","kid":"ed"}"#, &claims().to_string(), ed_signed),
            both.clone(),
            "CS-TOKEN-001",
        ),
        ("claims that are a list", raw(&head().to_string(), "[]", ed_signed), both.clone(), "CS-TOKEN-001"),
        ("the JSON form", json_form, both.clone(), "CS-TOKEN-001"),
        ("encrypted", format!("{good}.AA.AA"), both.clone(), "CS-TOKEN-001"),
        ("two segments", format!("{head_text}.{claims_text}"), both.clone(), "CS-TOKEN-001"),
        ("no signature", format!("{head_text}.{claims_text}."), both.clone(), "CS-TOKEN-007"),
        ("padded", format!("{head_text}=.{claims_text}.{sig}"), both.clone(), "CS-TOKEN-001"),
        ("stray bits in the signature", stray, both.clone(), "CS-TOKEN-001"),
        ("standard base64", good.replacen(head_text, &format!("+/{head_text}"), 1), both.clone(), "CS-TOKEN-001"),
        ("a space inside", good.replacen('.', " .", 1), both.clone(), "CS-TOKEN-001"),
        ("too large", by(&ed, head(), &with("x", json!("y".repeat(20_000)))), both.clone(), "CS-TOKEN-001"),
        ("nothing", String::new(), both.clone(), "CS-TOKEN-001"),
        (
            "an RSA key of 1024 bits",
            token(&json!({"alg": "RS256", "kid": "ed"}), &claims(), |_| vec![1; 128]),
            set(&[weak]),
            "CS-TOKEN-003",
        ),
        ("a key of small order", forged_for_weak_point, set(&[small_order]), "CS-TOKEN-007"),
        ("a key for encryption", good.clone(), key_with("use", json!("enc")), "CS-TOKEN-003"),
        ("a key for signing only", good.clone(), key_with("key_ops", json!(["sign"])), "CS-TOKEN-003"),
        ("a key whose private half is published", good.clone(), key_with("d", json!("AA")), "CS-TOKEN-003"),
        ("a key for another algorithm", good.clone(), key_with("alg", json!("ES256")), "CS-TOKEN-006"),
        ("two keys of one name", good.clone(), set(&[keys[1].clone(), ed25519_jwk(&mallory, "ed")]), "CS-TOKEN-003"),
    ];
    for (what, token, keys, code) in &attacks {
        match verify(token, keys) {
            Ok(_) => panic!("{what}: accepted"),
            Err(error) => assert_eq!(error.code(), *code, "{what}: {error}"),
        }
    }
    assert!(attacks.len() >= 55, "{}", attacks.len());

    // The same name of a key at another issuer: whose keys are tried follows from `iss`, and there the signature fails.
    let theirs = by(&mallory, head(), &with("iss", json!("https://other.example")));
    assert!(verify_as(&theirs, &set(&[ed25519_jwk(&mallory, "ed")]), "https://other.example").is_ok());
    assert_eq!(verify(&theirs, &both).unwrap_err().code(), "CS-TOKEN-007");
    assert_eq!(
        verify_as(&good, &set(&[ed25519_jwk(&mallory, "ed")]), "https://other.example").unwrap_err().code(),
        "CS-TOKEN-007"
    );
}

#[test]
fn an_algorithm_that_the_issuer_does_not_use_is_refused() {
    let ed = ed25519();
    let good = token(&json!({"alg": "EdDSA", "kid": "ed"}), &claims(), |m| ed.sign(m).as_ref().to_vec());
    let expected = Expected {
        issuer: ISSUER,
        audiences: &["countersign".to_owned()],
        algorithms: &[Algorithm::Rs256],
        skew: 60,
        lifetime: 3600,
        now: Timestamp::from_millis(NOW * 1000),
    };
    let error = Token::parse(good.as_bytes()).unwrap().verify(&set(&[ed25519_jwk(&ed, "ed")]), &expected).unwrap_err();
    assert_eq!(error, TokenError::Algorithm { name: "EdDSA".into() });
}

#[test]
fn what_is_no_key_set_is_said() {
    let many = json!({"keys": vec![json!({"kty": "oct"}); 101]}).to_string();
    let large = format!("{{\"keys\":[{{\"kty\":\"{}\"}}]}}", "x".repeat(300_000));
    for bad in [
        "",
        "[]",
        "{}",
        r#"{"keys":{}}"#,
        r#"{"keys":[]}"#,
        r#"{"keys":[1]}"#,
        r#"{"keys":[],"keys":[]}"#,
        &many,
        &large,
    ] {
        let error = KeySet::parse(bad.as_bytes()).unwrap_err();
        assert_eq!(error.code(), "CS-TOKEN-003", "{}", bad.chars().take(40).collect::<String>());
    }
    // A key that is of no use here does not stand in the way of another.
    let ed = ed25519();
    let mixed =
        set(&[json!({"kty": "EC", "crv": "P-521", "kid": "old"}), json!({"kid": "odd"}), ed25519_jwk(&ed, "ed")]);
    assert_eq!(mixed.usable(), 1);
    let good = token(&json!({"alg": "EdDSA", "kid": "ed"}), &claims(), |m| ed.sign(m).as_ref().to_vec());
    assert!(verify(&good, &mixed).is_ok());
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes: Vec<u8>, text in "[A-Za-z0-9_-]{0,40}\\.[A-Za-z0-9_-]{0,40}\\.[A-Za-z0-9_-]{0,40}") {
        let _ = Token::parse(&bytes);
        let _ = Token::parse(text.as_bytes());
        let _ = KeySet::parse(&bytes);
    }

    #[test]
    fn a_changed_byte_is_found(at: proptest::sample::Index, bit in 0_u8..8) {
        let ed = ed25519();
        let mut good = token(&json!({"alg": "EdDSA", "kid": "ed"}), &claims(), |m| ed.sign(m).as_ref().to_vec()).into_bytes();
        let at = at.index(good.len());
        good[at] ^= 1 << bit;
        let keys = set(&[ed25519_jwk(&ed, "ed")]);
        let text = String::from_utf8_lossy(&good).into_owned();
        // A line break at the end is no part of a token.
        prop_assume!(text.trim().len() == text.len());
        prop_assert!(verify(&text, &keys).is_err());
    }
}
