//! Filters: what a value's own characters say about it being no secret. Hand-written, for they see many candidates.

use super::entropy;
use super::words::surprisal;

/// A named filter. It drops a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Filter {
    /// Stands for a value: `changeme`, `<your token>`, `xxxx`, `1234567890`.
    Placeholder,
    /// Says where the value comes from: `${TOKEN}`, `process.env.TOKEN`, `vault:…`, a path, an address, a call.
    Reference,
    /// Words and identifiers: `login.form.password`, `PasswordField`.
    Words,
    /// Anything that does not look drawn at random: too few kinds of characters, too regular, too much like words.
    Regular,
    /// A digest or an identifier by its form alone: 32, 40, 64, 96 or 128 hexadecimal digits, a UUID.
    Digest,
}

impl Filter {
    /// Every filter there is.
    pub(crate) const ALL: [Self; 5] = [Self::Placeholder, Self::Reference, Self::Words, Self::Regular, Self::Digest];

    /// The name in a rule file.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Placeholder => "placeholder",
            Self::Reference => "reference",
            Self::Words => "words",
            Self::Regular => "regular",
            Self::Digest => "digest",
        }
    }

    /// The filter of that name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|f| f.name() == name)
    }

    /// Whether `value` is dropped.
    pub(crate) fn drops(self, value: &[u8]) -> bool {
        match self {
            Self::Placeholder => placeholder(value),
            Self::Reference => reference(value),
            Self::Words => words(value),
            Self::Regular => regular(value),
            Self::Digest => digest(value),
        }
    }
}

/// Whether `word` is in `text`, without regard to case.
pub(super) fn holds(text: &[u8], word: &[u8]) -> bool {
    text.len() >= word.len() && text.windows(word.len()).any(|w| w.eq_ignore_ascii_case(word))
}

fn begins(text: &[u8], word: &[u8]) -> bool {
    text.get(..word.len()).is_some_and(|w| w.eq_ignore_ascii_case(word))
}

/// What people write where a value belongs.
const STAND_INS: [&[u8]; 37] = [
    b"example",
    b"placeholder",
    b"changeme",
    b"change_me",
    b"change-me",
    b"changeit",
    b"change_this",
    b"redacted",
    b"dummy",
    b"your_",
    b"your-",
    b"yourpass",
    b"yourkey",
    b"yourtoken",
    b"yoursecret",
    b"<your",
    b"insert",
    b"replace",
    b"todo",
    b"fixme",
    b"xxxx",
    b"****",
    b"....",
    b"____",
    b"----",
    b"put_your",
    b"enter_your",
    b"notreal",
    b"not_real",
    b"not-real",
    b"fake",
    b"sample",
    b"goes_here",
    b"goes-here",
    b"goeshere",
    b"-here",
    b"_here",
];

/// Runs that a keyboard or an alphabet gives.
const RUNS: [&[u8]; 4] =
    [b"0123456789012345", b"abcdefghijklmnopqrstuvwxyzabcdef", b"fedcba9876543210fedcba", b"987654321098765"];

fn placeholder(value: &[u8]) -> bool {
    // A short word inside a long value is there by chance.
    if STAND_INS.iter().any(|w| (w.len() >= 6 || value.len() < 24) && holds(value, w)) {
        return true;
    }
    // One or two characters over and over.
    let mut seen = [false; 256];
    for byte in value {
        seen[usize::from(byte.to_ascii_lowercase())] = true;
    }
    let kinds = seen.iter().filter(|s| **s).count();
    if kinds <= 2 || (value.len() >= 12 && kinds <= 3) {
        return true;
    }
    // Most of it is a run: `1234567890`, `abcdefgh…`, `0123456789abcdef`.
    let least = (value.len() * 2 / 3).max(6);
    let lower = value.to_ascii_lowercase();
    if lower.windows(least.min(16)).any(|w| RUNS.iter().any(|r| r.windows(w.len()).any(|p| p == w))) {
        return true;
    }
    // Every character follows the one before it, or repeats it.
    let steps = lower.windows(2).filter(|p| p[1] == p[0] || p[1] == p[0].wrapping_add(1)).count();
    lower.len() >= 6 && steps * 10 >= (lower.len() - 1) * 8
}

/// What begins a value that names its source.
const SOURCES: [&[u8]; 34] = [
    b"$",
    b"{{",
    b"<%",
    b"#{",
    b"@{",
    b"%(",
    b"%{",
    b"{%",
    b"!ref",
    b"!sub",
    b"!vault",
    b"!secret",
    b"!env",
    b"!getatt",
    b"vault:",
    b"op://",
    b"ref+",
    b"env:",
    b"env.",
    b"arn:",
    b"file:",
    b"secret:",
    b"secrets.",
    b"ssm:",
    b"awskms:",
    b"gcpkms:",
    b"projects/",
    b"enc(",
    b"enc[",
    b"enc:",
    b"http://",
    b"https://",
    b"keyvault",
    b"@microsoft.keyvault",
];

/// What is in one.
const INSIDE: [&[u8]; 20] = [
    b"${",
    b"{{",
    b"$(",
    b"<%",
    b"process.env",
    b"os.environ",
    b"getenv",
    b"env[",
    b"env(",
    b"config.",
    b"settings.",
    b"secretsmanager",
    b"keyring",
    b"system.getproperty",
    b"#{",
    b"%s",
    b"args.",
    b"self.",
    b"this.",
    b"request.",
];

/// What names of files end with.
const FILES: [&[u8]; 41] = [
    b"o",
    b"c",
    b"h",
    b"go",
    b"rs",
    b"py",
    b"js",
    b"ts",
    b"rb",
    b"sh",
    b"java",
    b"cpp",
    b"pem",
    b"key",
    b"crt",
    b"cer",
    b"der",
    b"p12",
    b"pfx",
    b"jks",
    b"json",
    b"yaml",
    b"yml",
    b"xml",
    b"toml",
    b"ini",
    b"txt",
    b"conf",
    b"cfg",
    b"env",
    b"pub",
    b"gpg",
    b"asc",
    b"sql",
    b"log",
    b"html",
    b"properties",
    b"php",
    b"class",
    b"png",
    b"md",
];

fn reference(value: &[u8]) -> bool {
    if SOURCES.iter().any(|w| begins(value, w)) || INSIDE.iter().any(|w| holds(value, w)) {
        return true;
    }
    match value {
        [b'<', .., b'>']
        | [b'[', .., b']']
        | [b'{', .., b'}']
        | [b'(', .., b')']
        | [b'%', .., b'%']
        | [b'@', .., b'@']
        | [b'_', b'_', .., b'_', b'_'] => return true,
        [b'/', rest @ ..] if rest.contains(&b'/') => return true,
        [b'.' | b'~', b'/', ..] | [b'.', b'.', b'/', ..] | [b'*' | b'&', b'a'..=b'z' | b'A'..=b'Z' | b'_', ..] => {
            return true;
        }
        [b'A'..=b'Z' | b'a'..=b'z', b':', b'\\', ..] => return true,
        _ => {}
    }
    if value.windows(3).any(|w| w == b"://") {
        return true;
    }
    // A place for a value: `prefix_{}`, `{0}`, `{name}`.
    if let Some(open) = value.iter().position(|b| *b == b'{')
        && let Some(close) = value[open..].iter().position(|b| *b == b'}')
        && value[open + 1..open + close].iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b':'))
    {
        return true;
    }
    // The name of a file.
    if let Some(dot) = value.iter().rposition(|b| *b == b'.')
        && FILES.iter().any(|f| f.eq_ignore_ascii_case(&value[dot + 1..]))
    {
        return true;
    }
    // A call or an index: `decrypt(cfg)`, `data["x"]`, `foo->bar`, `Foo::bar`.
    let name =
        value.iter().take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b':' | b'-' | b'>')).count();
    name > 0 && matches!(value.get(name), Some(b'(' | b'[')) && value[..name].iter().any(u8::is_ascii_alphabetic)
        || value.windows(2).any(|w| w == b"::" || w == b"->") && !value.iter().any(u8::is_ascii_digit)
}

fn words(value: &[u8]) -> bool {
    let digits = value.iter().filter(|b| b.is_ascii_digit()).count();
    let letters = value.iter().filter(|b| b.is_ascii_alphabetic()).count();
    let other = value.len() - digits - letters;
    let joined = value.iter().filter(|b| matches!(b, b'_' | b'-' | b'.' | b' ' | b'/' | b':')).count();
    if letters == 0 {
        // A number, a date, a mask.
        return true;
    }
    let Some(bits) = surprisal(value, 3) else { return letters + joined == value.len() };
    if digits == 0 && other == joined {
        // Letters alone, or an identifier: a word unless it is long and looks like none.
        return bits < 5.2 || value.len() < 12;
    }
    // `system.posix.acl2`: a dotted name.
    let parts = value.split(|b| *b == b'.');
    if digits <= 2
        && other == joined
        && bits < 6.2
        && parts.clone().count() > 1
        && parts.clone().all(|p| p.first().is_none_or(u8::is_ascii_lowercase))
    {
        return true;
    }
    // `password2`, `user_id_1`, `sha256-rsa`: words with a digit or two and nothing that a person adds to a password.
    digits <= 3 && other == joined && bits < 4.3 && (joined > 0 || value.len() < 8) && is_identifier(value)
}

fn is_identifier(value: &[u8]) -> bool {
    value[0].is_ascii_alphabetic() || matches!(value[0], b'_' | b'.' | b'-')
}

fn regular(value: &[u8]) -> bool {
    let least = match value.len() {
        0..=7 => return true,
        // A short value needs all kinds of characters to look like more than a word.
        8..=11 if !all_kinds(value) => return true,
        8..=11 => 2.7,
        12..=15 => 2.9,
        16..=23 => 3.1,
        24..=31 => 3.3,
        _ => 3.5,
    };
    // A date and a time.
    if value
        .iter()
        .all(|b| b.is_ascii_digit() || matches!(b, b'-' | b':' | b'.' | b'+' | b' ' | b'T' | b't' | b'Z' | b'z'))
    {
        return true;
    }
    // Bytes written out: a test vector, or text in another encoding that is looked at as such.
    if value.windows(2).filter(|w| matches!(w, [b'\\', b'x' | b'u' | b'0'..=b'9'])).count() >= 2 {
        return true;
    }
    // With the dashes of a UUID.
    let hex = value.iter().all(|b| b.is_ascii_hexdigit() || *b == b'-');
    if entropy::shannon(value) < if hex { least - 0.4 } else { least } {
        return true;
    }
    let digits = value.iter().filter(|b| b.is_ascii_digit()).count();
    if hex {
        return digits == 0 || value.iter().all(|b| !b.is_ascii_alphabetic());
    }
    let upper = value.iter().filter(|b| b.is_ascii_uppercase()).count();
    let lower = value.iter().filter(|b| b.is_ascii_lowercase()).count();
    let Some(bits) = surprisal(value, 4) else { return digits == value.len() };
    // Letters of one case alone are nearly always words, whatever the language.
    let kinds = usize::from(digits > 0) + usize::from(upper > 0) + usize::from(lower > 0);
    bits < match kinds {
        1 => 6.0,
        2 => 4.9,
        _ => 4.5,
    }
}

fn all_kinds(value: &[u8]) -> bool {
    value.iter().any(u8::is_ascii_digit)
        && value.iter().any(u8::is_ascii_uppercase)
        && value.iter().any(u8::is_ascii_lowercase)
}

fn digest(value: &[u8]) -> bool {
    let hex = |part: &[u8]| part.iter().all(u8::is_ascii_hexdigit);
    matches!(value.len(), 32 | 40 | 64 | 96 | 128) && hex(value)
        || value.len() == 36
            && value.iter().enumerate().all(|(n, b)| match n {
                8 | 13 | 18 | 23 => *b == b'-',
                _ => b.is_ascii_hexdigit(),
            })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn dropped(filter: Filter, values: &[&str]) {
        for value in values {
            assert!(filter.drops(value.as_bytes()), "{filter:?} keeps {value}");
        }
    }

    fn kept(filter: Filter, values: &[&str]) {
        for value in values {
            assert!(!filter.drops(value.as_bytes()), "{filter:?} drops {value}");
        }
    }

    const RANDOM: [&str; 6] = [
        "tqpO4y#Dk29DWXT",
        "9vT2mQx7LbR4kZ8w",
        "e83c5163316f89bfbde7d9ab23ca2e25604af290",
        "kT7pQ2vX9mZr4LbN8sWd",
        "a8f5f167f44f4964e6c998de",
        "Zq3-vW8_nB5xTgK1",
    ];

    #[test]
    fn what_stands_for_a_value_is_told_from_one() {
        dropped(
            Filter::Placeholder,
            &[
                "changeme",
                "<your-token>",
                "xxxxxxxxxxxx",
                "YOUR_API_KEY",
                "1234567890",
                "abcdefghijkl",
                "0123456789abcdef",
                "aaaaaaaa",
                "AKIAIOSFODNN7EXAMPLE",
            ],
        );
        kept(Filter::Placeholder, &RANDOM);
    }

    #[test]
    fn what_names_a_source_is_told_from_a_value() {
        dropped(
            Filter::Reference,
            &[
                "${TOKEN}",
                "$TOKEN",
                "{{ token }}",
                "process.env.TOKEN",
                "vault:kv/db",
                "/run/secrets/db",
                "./key.pem",
                "https://id.acme.test",
                "decrypt(cfg)",
                "%PASSWORD%",
                "<token>",
                "!Ref Secret",
                "Foo::bar",
                "data[\"x\"]",
            ],
        );
        kept(Filter::Reference, &RANDOM);
        kept(Filter::Reference, &["pa$$w0rd-9", "Tr0ub4dor&3"]);
    }

    #[test]
    fn words_are_told_from_values() {
        dropped(
            Filter::Words,
            &[
                "password",
                "login.form.password",
                "PasswordField",
                "system.pvfs2.",
                "user_id_1",
                "none",
                "20240101",
                "token-v2",
            ],
        );
        kept(Filter::Words, &RANDOM);
        kept(Filter::Words, &["Summer2024!", "qzjxkvwpfhgbdqmt", "p4ssw0rd!"]);
        dropped(
            Filter::Regular,
            &[
                "password",
                "com.acme.security.TokenStore",
                "this-is-a-long-sentence-of-words",
                "aaaaaaaaaaaaaaaaaaaa",
                "1234123412341234",
                "1979-05-27T07:32:00",
                "2026-01-02 03:04:05.123+01:00",
            ],
        );
        kept(Filter::Regular, &RANDOM);
        dropped(Filter::Digest, &["e83c5163316f89bfbde7d9ab23ca2e25604af290", "123e4567-e89b-12d3-a456-426614174000"]);
    }

    proptest! {
        #[test]
        fn nothing_makes_a_filter_fail(value: Vec<u8>) {
            for filter in Filter::ALL {
                let _ = filter.drops(&value);
            }
        }

        #[test]
        fn random_tokens_are_rarely_dropped(seed: u64) {
            // 64 tokens a case; one of them may look regular.
            let mut state = seed | 1;
            let mut dropped = 0;
            for _ in 0..64 {
                let token: Vec<u8> = (0..24).map(|_| {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"[(state >> 40) as usize % 62]
                }).collect();
                dropped += usize::from([Filter::Placeholder, Filter::Reference, Filter::Words, Filter::Regular].iter().any(|f| f.drops(&token)));
            }
            prop_assert!(dropped <= 3, "{}", dropped);
        }
    }
}
