//! `regex.globs_match`: whether some text matches both of two patterns, which are regular expressions of `.`, sets,
//! `+`, `*` and escapes only.

use std::collections::BTreeSet;

use super::args::{fault, string};
use super::{Builtin, Fault};

/// The longest pattern, in characters: the comparison takes their product.
const MAX_PATTERN: usize = 500;

pub(super) const FAMILY: &[Builtin] = &[Builtin {
    name: "regex.globs_match",
    arity: 2,
    call: |args| Ok(intersect(&parse(string(args, 0)?)?, &parse(string(args, 1)?)?).into()),
}];

/// One part of a pattern: some characters, and how often.
struct Part {
    /// Ranges of characters, both ends in them.
    ranges: Vec<(char, char)>,
    /// May come again.
    repeats: bool,
    /// May be missing.
    optional: bool,
}

fn parse(pattern: &str) -> Result<Vec<Part>, Fault> {
    if pattern.chars().count() > MAX_PATTERN {
        return Err(Fault::Refused(format!("a pattern is longer than {MAX_PATTERN} characters")));
    }
    let mut chars = pattern.chars().peekable();
    let mut parts = Vec::new();
    while let Some(c) = chars.next() {
        let ranges = match c {
            '.' => vec![('\0', char::MAX)],
            '[' => {
                let mut ranges = Vec::new();
                loop {
                    let mut next = || match chars.next() {
                        Some('\\') => chars.next().map(|c| (c, true)),
                        other => other.map(|c| (c, false)),
                    };
                    let (low, escaped) = next().ok_or_else(|| fault("a set has no `]`"))?;
                    if low == ']' && !escaped {
                        break;
                    }
                    let high = if chars.peek() == Some(&'-') {
                        chars.next();
                        match chars.next() {
                            Some('\\') => chars.next(),
                            Some(']') | None => None,
                            other => other,
                        }
                        .ok_or_else(|| fault("a range has no end"))?
                    } else {
                        low
                    };
                    if low > high {
                        return Err(fault(format!("the range {low}-{high} is empty")));
                    }
                    ranges.push((low, high));
                }
                if ranges.is_empty() {
                    return Err(fault("a set is empty"));
                }
                ranges
            }
            ']' => return Err(fault("a `]` has no `[`")),
            '+' | '*' => return Err(fault(format!("there is nothing that the `{c}` could repeat"))),
            '\\' => {
                let c = chars.next().ok_or_else(|| fault("a `\\` is the last character"))?;
                vec![(c, c)]
            }
            c => vec![(c, c)],
        };
        let flag = chars.next_if(|c| matches!(c, '+' | '*'));
        parts.push(Part { ranges, repeats: flag.is_some(), optional: flag == Some('*') });
    }
    Ok(parts)
}

fn share(a: &Part, b: &Part) -> bool {
    a.ranges.iter().any(|(a1, a2)| b.ranges.iter().any(|(b1, b2)| a1 <= b2 && b1 <= a2))
}

/// Walks both patterns over the same text. A state is the next part of each and whether that was used already.
fn intersect(a: &[Part], b: &[Part]) -> bool {
    type Position = (usize, bool);
    // Where a position leads without a character.
    let skips = |parts: &[Part], (at, used): Position| {
        parts.get(at).filter(|p| p.optional || (used && p.repeats)).map(|_| (at + 1, false))
    };
    // Where it leads by one character of its part.
    let eats = |parts: &[Part], (at, _): Position| match parts.get(at) {
        Some(part) if part.repeats => (at, true),
        _ => (at + 1, false),
    };
    let mut seen: BTreeSet<(Position, Position)> = BTreeSet::new();
    let mut todo = vec![((0, false), (0, false))];
    while let Some((i, j)) = todo.pop() {
        if !seen.insert((i, j)) {
            continue;
        }
        if i.0 == a.len() && j.0 == b.len() {
            return true;
        }
        todo.extend(skips(a, i).map(|i| (i, j)));
        todo.extend(skips(b, j).map(|j| (i, j)));
        if let (Some(x), Some(y)) = (a.get(i.0), b.get(j.0))
            && share(x, y)
        {
            todo.push((eats(a, i), eats(b, j)));
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::super::tests::{call, text};

    #[test]
    fn a_common_text() {
        for (a, b, want) in [
            ("", "", true),
            ("a*", "", true),
            ("a+", "", false),
            ("a+b", "aaab", true),
            ("a+b", "b", false),
            ("[a-c]+", "c.b", true),
            ("[a-c]+", "d", false),
            (r"\.x", ".x", true),
            (r"\.x", "yx", false),
            ("x*y*z", "[xyz]+", true),
            ("ab", "a.b", false),
        ] {
            assert_eq!(call("regex.globs_match", &[text(a), text(b)]).unwrap(), want.into(), "{a} {b}");
            assert_eq!(call("regex.globs_match", &[text(b), text(a)]).unwrap(), want.into(), "{b} {a}");
        }
        let long = "[a-z]*".repeat(83);
        assert_eq!(call("regex.globs_match", &[text(&long), text(&format!("{long}1"))]).unwrap(), false.into());
        for bad in ["]", "[", "[]", "*", "[a-]", "[b-a]", "\\"] {
            assert!(call("regex.globs_match", &[text(bad), text("a")]).is_err(), "{bad}");
        }
    }
}
