//! `strings.count`.

use regorus::Value;

use super::Builtin;
use super::args::string;

pub(super) const FAMILY: &[Builtin] = &[Builtin {
    name: "strings.count",
    arity: 2,
    call: |args| {
        let (text, part) = (string(args, 0)?, string(args, 1)?);
        // There is an empty text before every character and at the end.
        let count = if part.is_empty() { text.chars().count() + 1 } else { text.matches(part).count() };
        Ok(Value::from(count))
    },
}];

#[cfg(test)]
mod tests {
    use super::super::tests::{call, text};

    #[test]
    fn occurrences_do_not_overlap() {
        for (of, part, want) in [("aaaa", "aa", 2u64), ("", "", 1), ("äö", "", 3), ("", "a", 0), ("abab", "b", 2)] {
            assert_eq!(call("strings.count", &[text(of), text(part)]).unwrap(), want.into(), "{of} {part}");
        }
    }
}
