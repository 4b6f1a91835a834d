//! Structural proofs: what a credential's own form says about whether it is one. Pure, offline, no guessing.

use base64::Engine as _;
use base64::engine::general_purpose::GeneralPurpose;
use base64::engine::{DecodePaddingMode, GeneralPurposeConfig};

const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&base64::alphabet::STANDARD, LENIENT);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&base64::alphabet::URL_SAFE, LENIENT);

/// A named proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Proof {
    /// The last six characters are the CRC-32 of the thirty before them, in base 62.
    GithubCrc32,
    /// The header of a JSON Web Token (RFC 7519) is a JSON object that names an algorithm.
    Jwt,
    /// The body of a PEM block (RFC 7468) is a DER sequence or an OpenSSH key.
    Pem,
    /// An AWS access key id holds a twelve-digit account number.
    AwsKeyId,
}

impl Proof {
    /// Every proof there is.
    pub(crate) const ALL: [Self; 4] = [Self::GithubCrc32, Self::Jwt, Self::Pem, Self::AwsKeyId];

    /// The name in a rule file.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::GithubCrc32 => "github-crc32",
            Self::Jwt => "jwt",
            Self::Pem => "pem",
            Self::AwsKeyId => "aws-key-id",
        }
    }

    /// The proof of that name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|p| p.name() == name)
    }

    /// Whether `value` proves itself.
    pub(crate) fn holds(self, value: &[u8]) -> bool {
        match self {
            Self::GithubCrc32 => github_crc32(value),
            Self::Jwt => jwt(value),
            Self::Pem => pem(value),
            Self::AwsKeyId => aws_key_id(value),
        }
    }
}

/// `PREFIX_` + 30 random characters + 6 characters of checksum: the CRC-32 of the random part in base 62 (digits,
/// upper case, lower case), zero-padded on the left. GitHub's tokens since 2021 and npm's have this form.
fn github_crc32(value: &[u8]) -> bool {
    const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let Some(cut) = value.iter().rposition(|b| *b == b'_') else { return false };
    let body = &value[cut + 1..];
    if body.len() != 36 || !body.iter().all(u8::is_ascii_alphanumeric) {
        return false;
    }
    let (random, checksum) = body.split_at(30);
    let mut rest = crc32(random);
    let mut expected = [b'0'; 6];
    for slot in expected.iter_mut().rev() {
        *slot = ALPHABET[(rest % 62) as usize];
        rest /= 62;
    }
    checksum == expected
}

/// CRC-32 as of ISO-HDLC (polynomial 0x04C11DB7 reflected), bit by bit: values are short.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |c, _| if c & 1 == 1 { (c >> 1) ^ 0xEDB8_8320 } else { c >> 1 })
    })
}

/// RFC 7519 §7.2: the part before the first dot is base64url of a JSON object; RFC 7515 §4.1.1: it has `alg`.
fn jwt(value: &[u8]) -> bool {
    let header = value.split(|b| *b == b'.').next().unwrap_or_default();
    URL_SAFE
        .decode(header)
        .ok()
        .and_then(|json| serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(&json).ok())
        .is_some_and(|fields| fields.get("alg").is_some_and(serde_json::Value::is_string))
}

/// The base64 body of a PEM block begins a DER SEQUENCE (tag 0x30 with a definite length, X.690 §8.1.3) or is an
/// OpenSSH key. A block inside a string literal has `\n` written out; that is skipped too.
fn pem(value: &[u8]) -> bool {
    let after = match find(value, b"-----BEGIN ") {
        Some(begin) => match find(&value[begin + 11..], b"-----") {
            Some(end) => &value[begin + 11 + end + 5..],
            None => return false,
        },
        None => value,
    };
    let body = find(after, b"-----END").map_or(after, |end| &after[..end]);
    let mut base64 = Vec::with_capacity(64);
    let mut bytes = body.iter().copied().peekable();
    // 64 characters tell as much as all of them do.
    while base64.len() < 64 {
        match bytes.next() {
            Some(b'\\') if matches!(bytes.peek(), Some(b'n' | b'r' | b't')) => {
                bytes.next();
            }
            Some(b @ (b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'+' | b'/')) => base64.push(b),
            Some(b' ' | b'\t' | b'\r' | b'\n' | b'"' | b'\'' | b',' | b'\\') => {}
            // Padding ends the body; a colon is a header of an encrypted block, whose body proves nothing.
            Some(b'=') | None => break,
            Some(_) => return false,
        }
    }
    base64.truncate(base64.len() / 4 * 4);
    let Ok(der) = STANDARD.decode(&base64) else { return false };
    der.starts_with(b"openssh-key-v1\0") || matches!(der.as_slice(), [0x30, 0x01..=0x7F | 0x81..=0x84, _, ..])
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|w| w == needle)
}

/// Since 2019 the twelve characters behind the first four are base 32 (RFC 4648 §6) and hold, shifted by one bit, the
/// account number in their first five bytes. Older ids (`AKIAI…`, `AKIAJ…`) hold none and prove nothing.
fn aws_key_id(value: &[u8]) -> bool {
    let Some(body) = value.get(4..20).filter(|b| value.len() == 20 && !matches!(b[0], b'I' | b'J')) else {
        return false;
    };
    let mut bits = 0_u64;
    // Ten characters are fifty bits; the account number is bits 1 to 40 of them.
    for byte in body.iter().take(10) {
        let five = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'2'..=b'7' => byte - b'2' + 26,
            _ => return false,
        };
        bits = bits << 5 | u64::from(five);
    }
    let account = (bits >> 9) & 0xFF_FFFF_FFFF;
    body.iter().all(|b| matches!(b, b'A'..=b'Z' | b'2'..=b'7')) && (1..1_000_000_000_000).contains(&account)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn crc32_of_the_check_string() {
        // The published check value of CRC-32/ISO-HDLC.
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
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
    fn a_token_header_must_be_a_json_object_with_an_algorithm() {
        // {"alg":"HS256"}
        assert!(Proof::Jwt.holds(b"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln"));
        // {"typ":"JWT"}
        assert!(!Proof::Jwt.holds(b"eyJ0eXAiOiJKV1QifQ.eyJzdWIiOiIxIn0.c2ln"));
        assert!(!Proof::Jwt.holds(b"eyJhbGciOi.e30.x"));
        assert!(!Proof::Jwt.holds(b""));
    }

    #[test]
    fn a_pem_body_must_be_der_or_openssh() {
        // 0x30 0x2e 0x02 0x01 0x00 …: the first bytes of a PKCS #8 Ed25519 key.
        assert!(Proof::Pem.holds(b"-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIAAA\n-----END PRIVATE KEY-----"));
        assert!(Proof::Pem.holds(br"-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIAAA\n-----END PRIVATE KEY-----"));
        // "openssh-key-v1\0"
        assert!(Proof::Pem.holds(b"-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAA\n"));
        assert!(!Proof::Pem.holds(b"-----BEGIN PRIVATE KEY-----\nYOUR KEY HERE\n-----END PRIVATE KEY-----"));
        assert!(!Proof::Pem.holds(b"-----BEGIN PRIVATE KEY-----\n...\n-----END PRIVATE KEY-----"));
        assert!(!Proof::Pem.holds(b"-----BEGIN "));
        assert!(!Proof::Pem.holds(b""));
    }

    #[test]
    fn a_key_id_must_hold_an_account() {
        // Account 609629065308, the sample of a public write-up of the scheme.
        assert!(Proof::AwsKeyId.holds(b"ASIAY34FZKBOKMUTVV7A"));
        assert!(!Proof::AwsKeyId.holds(b"AKIAIOSFODNN7EXAMPLE"));
        assert!(!Proof::AwsKeyId.holds(b"AKIA777777777777777A"));
        assert!(!Proof::AwsKeyId.holds(b"AKIA"));
    }

    proptest! {
        #[test]
        fn no_bytes_make_a_proof_panic(value: Vec<u8>, text in "-----BEGIN [A-Z ]*-----[A-Za-z0-9+/=\\\\n\n]*") {
            for proof in Proof::ALL {
                proof.holds(&value);
                proof.holds(text.as_bytes());
            }
        }
    }
}
