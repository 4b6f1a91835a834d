//! `crypto.md5`, `.sha1`, `.sha256` and `crypto.hmac.*`. Answers are lower case hex.

use md5::{Digest as _, Md5};
use regorus::Value;
use ring::{digest, hmac};

use super::args::string;
use super::{Builtin, Fault};

pub(super) const FAMILY: &[Builtin] = &[
    Builtin { name: "crypto.md5", arity: 1, call: |args| Ok(hex(&Md5::digest(string(args, 0)?))) },
    Builtin { name: "crypto.sha1", arity: 1, call: |args| digest_with(&digest::SHA1_FOR_LEGACY_USE_ONLY, args) },
    Builtin { name: "crypto.sha256", arity: 1, call: |args| digest_with(&digest::SHA256, args) },
    Builtin { name: "crypto.hmac.md5", arity: 2, call: |args| hmac_md5(args) },
    Builtin { name: "crypto.hmac.sha1", arity: 2, call: |args| hmac_with(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, args) },
    Builtin { name: "crypto.hmac.sha256", arity: 2, call: |args| hmac_with(hmac::HMAC_SHA256, args) },
    Builtin { name: "crypto.hmac.sha512", arity: 2, call: |args| hmac_with(hmac::HMAC_SHA512, args) },
    // The time it takes tells nothing to anyone who could not read the policy and its input anyway.
    Builtin { name: "crypto.hmac.equal", arity: 2, call: |args| Ok((string(args, 0)? == string(args, 1)?).into()) },
];

/// Bytes as lower case hex.
pub(super) fn to_hex(bytes: &[u8]) -> String {
    let digit = |n: u8| char::from_digit(u32::from(n), 16).unwrap_or('0');
    bytes.iter().flat_map(|b| [digit(b >> 4), digit(b & 15)]).collect()
}

fn hex(bytes: &[u8]) -> Value {
    Value::from(to_hex(bytes))
}

fn digest_with(algorithm: &'static digest::Algorithm, args: &[Value]) -> Result<Value, Fault> {
    Ok(hex(digest::digest(algorithm, string(args, 0)?.as_bytes()).as_ref()))
}

fn hmac_with(algorithm: hmac::Algorithm, args: &[Value]) -> Result<Value, Fault> {
    let (message, key) = (string(args, 0)?, string(args, 1)?);
    Ok(hex(hmac::sign(&hmac::Key::new(algorithm, key.as_bytes()), message.as_bytes()).as_ref()))
}

/// HMAC (RFC 2104) over MD5, which `ring` does not have.
fn hmac_md5(args: &[Value]) -> Result<Value, Fault> {
    const BLOCK: usize = 64;
    let (message, key) = (string(args, 0)?, string(args, 1)?.as_bytes());
    let mut block = [0u8; BLOCK];
    if key.len() > BLOCK {
        block[..16].copy_from_slice(&Md5::digest(key));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let inner = Md5::new().chain_update(block.map(|b| b ^ 0x36)).chain_update(message).finalize();
    Ok(hex(&Md5::new().chain_update(block.map(|b| b ^ 0x5c)).chain_update(inner).finalize()))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{call, text};

    // The vectors of RFC 1321 A.5, RFC 3174 7.3, FIPS 180-2 B.1, RFC 2202 2 and 3, RFC 4231 4.3.
    #[test]
    fn known_answers() {
        for (name, args, want) in [
            ("crypto.md5", vec!["abc"], "900150983cd24fb0d6963f7d28e17f72"),
            ("crypto.sha1", vec!["abc"], "a9993e364706816aba3e25717850c26c9cd0d89d"),
            ("crypto.sha256", vec!["abc"], "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
            ("crypto.hmac.md5", vec!["what do ya want for nothing?", "Jefe"], "750c783e6ab0b503eaa86e310a5db738"),
            (
                "crypto.hmac.sha1",
                vec!["what do ya want for nothing?", "Jefe"],
                "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79",
            ),
            (
                "crypto.hmac.sha256",
                vec!["what do ya want for nothing?", "Jefe"],
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
            ),
        ] {
            let args: Vec<_> = args.into_iter().map(text).collect();
            assert_eq!(call(name, &args).unwrap(), text(want), "{name}");
        }
    }

    #[test]
    fn a_key_longer_than_a_block_is_hashed_first() {
        // RFC 2202 2, case 6: 80 bytes of 0xaa are not text, so the key is 80 letters, checked with OpenSSL.
        let key = "k".repeat(80);
        let got = call("crypto.hmac.md5", &[text("m"), text(&key)]).unwrap();
        assert_eq!(got, text("e6d45168817ba47badfb6d81520bbbb2"));
    }
}
