//! The words that an expression cannot match without. They spare a rule without keywords a look at the whole text.

use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Class, Hir, HirKind};

/// Shorter words are everywhere.
const SHORTEST: usize = 3;

/// More alternatives than this are no help.
const MOST: usize = 64;

/// Words one of which is in everything that `expression` matches, in small letters; empty when there are none.
pub(super) fn required(expression: &str) -> Vec<String> {
    let parsed = ParserBuilder::new().unicode(false).utf8(false).build().parse(expression);
    let Ok(hir) = parsed else { return Vec::new() };
    let Some(words) = of(&hir) else { return Vec::new() };
    let mut words: Vec<String> = words.into_iter().filter_map(|w| String::from_utf8(w).ok()).collect();
    if words.iter().any(|w| w.len() < SHORTEST || !w.is_ascii()) {
        return Vec::new();
    }
    words.sort();
    words.dedup();
    words
}

/// The alternatives of the best part of `hir`: the one whose shortest word is longest.
fn of(hir: &Hir) -> Option<Vec<Vec<u8>>> {
    match hir.kind() {
        HirKind::Literal(l) => Some(vec![l.0.to_ascii_lowercase()]),
        HirKind::Capture(c) => of(&c.sub),
        HirKind::Repetition(r) if r.min > 0 => of(&r.sub),
        HirKind::Alternation(parts) => {
            let mut all = Vec::new();
            for part in parts {
                all.extend(of(part)?);
                if all.len() > MOST {
                    return None;
                }
            }
            Some(all)
        }
        HirKind::Concat(parts) => concat(parts),
        _ => None,
    }
}

/// Neighbours that are letters make a word together, `[aA]` included, which is how a word without case is read.
fn concat(parts: &[Hir]) -> Option<Vec<Vec<u8>>> {
    let mut best: Option<Vec<Vec<u8>>> = None;
    let mut word: Vec<u8> = Vec::new();
    let shortest = |words: &Vec<Vec<u8>>| words.iter().map(Vec::len).min().unwrap_or(0);
    let take = |words: Vec<Vec<u8>>, best: &mut Option<Vec<Vec<u8>>>| {
        if best.as_ref().is_none_or(|b| shortest(b) < shortest(&words)) {
            *best = Some(words);
        }
    };
    for part in parts {
        match part.kind() {
            HirKind::Literal(l) => word.extend(l.0.to_ascii_lowercase()),
            HirKind::Class(class) if letter(class).is_some() => word.extend(letter(class)),
            _ => {
                if !word.is_empty() {
                    take(vec![std::mem::take(&mut word)], &mut best);
                }
                if let Some(words) = of(part) {
                    take(words, &mut best);
                }
            }
        }
    }
    if !word.is_empty() {
        take(vec![word], &mut best);
    }
    best
}

/// The one letter that a class is, without regard to case.
fn letter(class: &Class) -> Option<u8> {
    let Class::Bytes(bytes) = class else { return None };
    let mut letters = bytes.ranges().iter().flat_map(|r| r.start()..=r.end()).take(3).map(|b| b.to_ascii_lowercase());
    let first = letters.next()?;
    letters.all(|b| b == first).then_some(first)
}

#[cfg(test)]
mod tests {
    use super::required;

    #[test]
    fn the_longest_word_that_must_be_there_is_found() {
        assert_eq!(required(r"\b(ghp_[A-Za-z0-9]{36})\b"), ["ghp_"]);
        assert_eq!(required(r"(?i)\baws_?secret[=:]\s*([a-z]{40})"), ["secret"]);
        assert_eq!(required(r"(?:xoxb|xoxp)-[0-9]{10}"), ["xoxb", "xoxp"]);
        assert_eq!(required(r"(?:one-word|[a-z]+)x"), Vec::<String>::new());
        assert_eq!(required(r"[a-z]{40}"), Vec::<String>::new());
        assert_eq!(required(r"("), Vec::<String>::new());
    }
}
