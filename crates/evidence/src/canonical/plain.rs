//! A look at bytes that says of most canonical JSON that it is canonical, without building a value of it.
//!
//! It never says so of anything else. What it does not know (fractions, large numbers, `\\u` escapes, keys beyond ASCII, deep
//! nesting) is left to the slow way.

/// Levels of nesting that are followed.
const DEPTH: u8 = 64;
/// Digits of an integer that a double holds exactly, whatever they are.
const DIGITS: usize = 15;

/// Whether `bytes` are canonical JSON for sure.
pub(super) fn is_plain(bytes: &[u8]) -> bool {
    let mut rest = Rest { bytes, at: 0 };
    std::str::from_utf8(bytes).is_ok() && rest.value(DEPTH).is_some() && rest.at == bytes.len()
}

struct Rest<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Rest<'a> {
    fn next(&mut self) -> Option<u8> {
        let byte = self.bytes.get(self.at).copied()?;
        self.at += 1;
        Some(byte)
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn word(&mut self, rest: &[u8]) -> Option<()> {
        let is_it = self.bytes.get(self.at..)?.starts_with(rest);
        self.at += rest.len();
        is_it.then_some(())
    }

    fn value(&mut self, depth: u8) -> Option<()> {
        match self.next()? {
            b'"' => self.text().map(|_| ()),
            b'{' => self.object(depth.checked_sub(1)?),
            b'[' => self.array(depth.checked_sub(1)?),
            b't' => self.word(b"rue"),
            b'f' => self.word(b"alse"),
            b'n' => self.word(b"ull"),
            b'-' => match self.next()? {
                first @ b'1'..=b'9' => self.integer(first),
                _ => None,
            },
            first @ b'0'..=b'9' => self.integer(first),
            _ => None,
        }
    }

    /// An integer whose first digit was read.
    fn integer(&mut self, first: u8) -> Option<()> {
        let digits = self.bytes.get(self.at..)?.iter().take_while(|b| b.is_ascii_digit()).count();
        self.at += digits;
        let is_short = digits < DIGITS && (first != b'0' || digits == 0);
        (is_short && !matches!(self.peek(), Some(b'.' | b'e' | b'E'))).then_some(())
    }

    /// A text whose first quote was read: what stands between the quotes, and whether it is ASCII without escapes.
    fn text(&mut self) -> Option<(&'a [u8], bool)> {
        let start = self.at;
        let mut is_simple = true;
        loop {
            match self.next()? {
                b'"' => return Some((self.bytes.get(start..self.at - 1)?, is_simple)),
                b'\\' => {
                    is_simple = false;
                    // The others have a `\u` form, or none.
                    if !matches!(self.next()?, b'"' | b'\\' | b'b' | b'f' | b'n' | b'r' | b't') {
                        return None;
                    }
                }
                0..=0x1f => return None,
                0x80.. => is_simple = false,
                _ => {}
            }
        }
    }

    fn object(&mut self, depth: u8) -> Option<()> {
        if self.peek()? == b'}' {
            self.at += 1;
            return Some(());
        }
        let mut last: Option<&[u8]> = None;
        loop {
            let (b'"', (key, true)) = (self.next()?, self.text()?) else { return None };
            // Of ASCII, the order of bytes is that of UTF-16 units. No key stands twice.
            if last.is_some_and(|last| last >= key) || self.next()? != b':' {
                return None;
            }
            last = Some(key);
            self.value(depth)?;
            match self.next()? {
                b',' => {}
                b'}' => return Some(()),
                _ => return None,
            }
        }
    }

    fn array(&mut self, depth: u8) -> Option<()> {
        if self.peek()? == b']' {
            self.at += 1;
            return Some(());
        }
        loop {
            self.value(depth)?;
            match self.next()? {
                b',' => {}
                b']' => return Some(()),
                _ => return None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::is_plain;

    fn slow(bytes: &[u8]) -> bool {
        let value: Result<Value, _> = serde_json::from_slice(bytes);
        value.is_ok_and(|value| serde_json_canonicalizer::to_vec(&value).unwrap() == bytes)
    }

    #[test]
    fn what_statements_look_like_is_known() {
        for known in [
            "{}",
            "[]",
            "{\"a\":[],\"b\":{\"c\":-12,\"d\":\"\\n\\\"\\\\é\"},\"e\":[0,true,false,null,999999999999999]}",
            "\"\u{7f}\"",
        ] {
            assert!(is_plain(known.as_bytes()) && slow(known.as_bytes()), "{known}");
        }
    }

    #[test]
    fn what_has_another_form_is_not() {
        for other in [
            "",
            " {}",
            "{} ",
            "{\"b\":1,\"a\":1}",
            "{\"a\":1,\"a\":1}",
            "{\"a\":1,}",
            "[1,]",
            "[,1]",
            "01",
            "-0",
            "-",
            "1.0",
            "1e3",
            "\"\\/\"",
            "\"\\u0041\"",
            "\"\\u000a\"",
            "\"\n\"",
            "\"",
            "{\"a\" :1}",
            "{a:1}",
            "nul",
            "nullx",
            "truefalse",
            "[1 ,2]",
            "12345678901234567890",
            "{\"a\":1",
            "[[]",
            "{\"a\"}",
            "\"\\\"",
        ] {
            assert!(!is_plain(other.as_bytes()), "{other}");
        }
        assert!(!is_plain(b"\"\xff\""));
        let deep = "[".repeat(200_000);
        assert!(!is_plain(deep.as_bytes()));
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            (-1000_i64..1000).prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
            "[ -~]{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::btree_map("[ -~]{0,4}|.{0,2}", inner, 0..6)
                    .prop_map(|map| map.into_iter().collect::<serde_json::Map<_, _>>().into()),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn it_never_says_so_of_what_is_not(value in value(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
            let mut bytes = serde_json_canonicalizer::to_vec(&value).unwrap();
            prop_assert!(!is_plain(&bytes) || slow(&bytes));
            let spaced = serde_json::to_vec(&value).unwrap();
            prop_assert!(!is_plain(&spaced) || slow(&spaced));
            let at = at.index(bytes.len());
            bytes[at] = byte;
            prop_assert!(!is_plain(&bytes) || slow(&bytes), "{:?}", String::from_utf8_lossy(&bytes));
            bytes.remove(at);
            prop_assert!(!is_plain(&bytes) || slow(&bytes), "{:?}", String::from_utf8_lossy(&bytes));
        }
    }
}
