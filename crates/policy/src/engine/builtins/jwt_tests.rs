//! Tokens and signatures: the examples of the RFCs, and what must not verify.

use proptest::prelude::*;
use regorus::Value;

use super::jwk::Private;
use super::jws::{self, Curve};
use super::tests::{call, call_at, json, text};
use super::{Fault, pem};

/// RFC 7515 A.1.
const HS256: &str = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const HS256_KEY: &str =
    r#"{"kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"}"#;
/// RFC 7515 A.2.
const RS256: &str = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
pub(super) const RS256_KEY: &str = include_str!("keys_and_certificates/rfc7515-a2.jwk");
/// RFC 7515 A.3.
const ES256: &str = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
const ES256_KEY: &str = r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#;
const PAYLOAD: &str = "{\"iss\":\"joe\",\r\n \"exp\":1300819380,\r\n \"http://example.com/is_root\":true}";
/// A second before and at the `exp` of these.
const BEFORE: i64 = 1_300_819_379;
const AT: i64 = 1_300_819_380;

fn decode_verify(seconds: i64, token: &str, constraints: Value) -> Result<bool, Fault> {
    let answer = call_at(seconds, "io.jwt.decode_verify", &[text(token), constraints])?;
    Ok(answer[0] == Value::from(true))
}

fn with_key(key: &str, more: &[(&str, Value)]) -> Value {
    let all = [("cert", text(key))].into_iter().chain(more.iter().map(|(k, v)| (*k, v.clone())));
    super::args::make_object(all)
}

#[test]
fn the_examples_of_rfc_7515() {
    let signed = |header: &str, key: &str| call("io.jwt.encode_sign_raw", &[text(header), text(PAYLOAD), text(key)]);
    assert_eq!(signed("{\"typ\":\"JWT\",\r\n \"alg\":\"HS256\"}", HS256_KEY).unwrap(), text(HS256));
    assert_eq!(signed("{\"alg\":\"RS256\"}", RS256_KEY).unwrap(), text(RS256));
    for (name, token, key) in [("rs256", RS256, RS256_KEY), ("es256", ES256, ES256_KEY)] {
        let name = format!("io.jwt.verify_{name}");
        assert_eq!(call(&name, &[text(token), text(key)]).unwrap(), true.into(), "{name}");
        let set = format!("{{\"keys\": [{key}]}}");
        assert_eq!(call(&name, &[text(token), text(&set)]).unwrap(), true.into(), "{name} of a set");
    }
    let decoded = call("io.jwt.decode", &[text(ES256)]).unwrap();
    assert_eq!((&decoded[0], &decoded[1]), (&json(r#"{"alg":"ES256"}"#), &json(PAYLOAD)));
    assert_eq!(decoded[2].as_string().unwrap().get(..8), Some("0ed12153"));
}

#[test]
fn the_examples_of_rfc_8037_and_rfc_6979() {
    let seed = pem::base64url("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A").unwrap();
    let message = b"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
    let want = "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
    let signed = jws::sign("EdDSA", &Private::Ed25519(seed), message).unwrap();
    assert_eq!(pem::to_base64url(&signed), want);
    let key = r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
    let token = format!("{}.{want}", std::str::from_utf8(message).unwrap());
    assert_eq!(call("io.jwt.verify_eddsa", &[text(&token), text(key)]).unwrap(), true.into());

    let hex = |text: &str| -> Vec<u8> {
        text.as_bytes().chunks(2).map(|p| u8::from_str_radix(std::str::from_utf8(p).unwrap(), 16).unwrap()).collect()
    };
    for (alg, curve, d, signature) in [
        (
            "ES256",
            Curve::P256,
            "C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721",
            "EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716\
             F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8",
        ),
        (
            "ES384",
            Curve::P384,
            "6B9D3DAD2E1B8C1C05B19875B6659F4DE23C3B667BF297BA9AA47740787137D896D5724E4C70A825F872C9EA60D2EDF5",
            "94EDBB92A5ECB8AAD4736E56C691916B3F88140666CE9FA73D64C4EA95AD133C81A648152E44ACF96E36DD1E80FABE46\
             99EF4AEB15F178CEA1FE40DB2603138F130E740A19624526203B6351D0A3A94FA329C145786E679E7B82C71A38628AC8",
        ),
    ] {
        let key = Private::Ec { curve, d: hex(d) };
        assert_eq!(jws::sign(alg, &key, b"sample").unwrap(), hex(signature), "{alg}");
    }
}

#[test]
fn constraints_are_all_met_or_the_token_is_not_verified() {
    let key = |more: &[(&str, Value)]| with_key(ES256_KEY, more);
    assert!(decode_verify(BEFORE, ES256, key(&[])).unwrap());
    assert!(!decode_verify(AT, ES256, key(&[])).unwrap(), "the frozen clock is what counts");
    let ns = |seconds: i64| ("time", Value::from(seconds * 1_000_000_000));
    assert!(decode_verify(AT, ES256, key(&[ns(BEFORE)])).unwrap());
    assert!(!decode_verify(BEFORE, ES256, key(&[ns(AT)])).unwrap());
    assert!(decode_verify(BEFORE, ES256, key(&[("iss", text("joe")), ("alg", text("ES256"))])).unwrap());
    assert!(!decode_verify(BEFORE, ES256, key(&[("iss", text("eve"))])).unwrap());
    assert!(!decode_verify(BEFORE, ES256, key(&[("alg", text("ES384"))])).unwrap());
    assert!(!decode_verify(BEFORE, ES256, key(&[("aud", text("me"))])).unwrap());
    for bad in [
        key(&[("secret", text("s"))]),
        key(&[("issuer", text("joe"))]),
        key(&[("time", text("now"))]),
        key(&[("time", Value::from(-1i64))]),
        json("{}"),
        json(r#"{"secret": ""}"#),
    ] {
        assert!(matches!(decode_verify(BEFORE, ES256, bad), Err(Fault::Operand(_))));
    }
}

fn own(header: &str, payload: &str) -> String {
    let token = call("io.jwt.encode_sign_raw", &[text(header), text(payload), text(HS256_KEY)]).unwrap();
    token.as_string().unwrap().to_string()
}

#[test]
fn a_token_for_someone_is_for_no_one_else() {
    let secret = "a secret of thirty-two characters";
    let key = format!(r#"{{"kty":"oct","k":"{}"}}"#, pem::to_base64url(secret.as_bytes()));
    let token = |payload: &str| {
        let signed = call("io.jwt.encode_sign_raw", &[text(r#"{"alg":"HS256"}"#), text(payload), text(&key)]).unwrap();
        signed.as_string().unwrap().to_string()
    };
    let verified = |payload: &str, aud: &str| {
        decode_verify(0, &token(payload), json(&format!(r#"{{"secret": "{secret}"{aud}}}"#))).unwrap()
    };
    assert!(verified(r#"{"aud": ["you", "me"]}"#, r#", "aud": "me""#));
    assert!(!verified(r#"{"aud": ["you"]}"#, r#", "aud": "me""#));
    assert!(!verified(r#"{"aud": "me"}"#, ""), "a token with an audience needs the constraint");
    assert!(verified("{}", ""));
    assert!(!verified(r#"{"nbf": 0.5}"#, ""));
    assert!(verified(r#"{"nbf": 0, "exp": 0.5}"#, ""));
    let wrong = decode_verify(0, &token(r#"{"exp": "never"}"#), json(&format!(r#"{{"secret": "{secret}"}}"#)));
    assert!(matches!(wrong, Err(Fault::Operand(_))));
}

#[test]
fn what_a_forger_would_try_does_not_verify() {
    let unsigned = format!("{}.{}.", pem::to_base64url(b"{\"alg\":\"none\"}"), pem::to_base64url(b"{}"));
    assert!(!decode_verify(0, &unsigned, with_key(ES256_KEY, &[])).unwrap());
    assert!(!decode_verify(0, &unsigned, json(r#"{"secret": "s"}"#)).unwrap());
    // A public key as the secret of an HMAC.
    let forged = own(r#"{"alg":"HS256"}"#, "{}");
    assert!(!decode_verify(0, &forged, with_key(RS256_KEY, &[])).unwrap());
    assert!(!decode_verify(0, &forged, with_key(HS256_KEY, &[])).unwrap(), "secrets are not given as certificates");
    assert_eq!(call("io.jwt.verify_rs256", &[text(&forged), text(HS256_KEY)]).unwrap(), false.into());
    // Extensions that must be understood.
    let critical = own(r#"{"alg":"HS256","crit":["b64"],"b64":false}"#, "{}");
    let secret =
        pem::base64url("AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow");
    assert!(String::from_utf8(secret.unwrap()).is_err(), "the key of the RFC is no text, so no `secret` has it");
    assert!(!decode_verify(0, &critical, json(r#"{"secret": "s"}"#)).unwrap());
    // Another algorithm's key, and an all-zero signature.
    assert_eq!(call("io.jwt.verify_es384", &[text(ES256), text(ES256_KEY)]).unwrap(), false.into());
    let (body, _) = ES256.rsplit_once('.').unwrap();
    let zero = format!("{body}.{}", pem::to_base64url(&[0; 64]));
    assert_eq!(call("io.jwt.verify_es256", &[text(&zero), text(ES256_KEY)]).unwrap(), false.into());
}

#[test]
fn signatures_that_no_replay_could_make_are_refused() {
    for alg in ["PS256", "PS384", "PS512"] {
        let header = format!(r#"{{"alg":"{alg}"}}"#);
        let answer = call("io.jwt.encode_sign_raw", &[text(&header), text("{}"), text(RS256_KEY)]);
        assert!(matches!(answer, Err(Fault::Refused(_))), "{alg}");
    }
}

#[test]
fn a_token_in_a_token_is_bounded() {
    let mut token = own(r#"{"alg":"HS256"}"#, r#"{"a":1}"#);
    for _ in 0..3 {
        token = own(r#"{"alg":"HS256","cty":"JWT","typ":"x"}"#, &token);
    }
    assert_eq!(call("io.jwt.decode", &[text(&token)]).unwrap()[1], json(r#"{"a":1}"#));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever bit of a token is turned over, it does not verify.
    #[test]
    fn a_changed_token_does_not_verify(at in 0..1000usize, bit in 0..6u8) {
        for (name, token, key) in [("io.jwt.verify_es256", ES256, ES256_KEY), ("io.jwt.verify_rs256", RS256, RS256_KEY)] {
            let parts: Vec<Vec<u8>> = token.split('.').map(|p| pem::base64url(p).unwrap()).collect();
            let total: usize = parts.iter().map(Vec::len).sum();
            let (mut place, mut changed) = (at % total, parts.clone());
            for part in &mut changed {
                if let Some(byte) = part.get_mut(place) {
                    *byte ^= 1 << bit;
                    break;
                }
                place -= part.len();
            }
            let changed: Vec<String> = changed.iter().map(|p| pem::to_base64url(p)).collect();
            let answer = call(name, &[text(&changed.join(".")), text(key)]);
            prop_assert!(!matches!(answer, Ok(Value::Bool(true))), "{answer:?}");
        }
    }
}
