//! How deep a Rego file may nest, checked on its tokens before the interpreter sees it.
//!
//! The interpreter's parser, evaluator and even the release of a syntax tree recurse as deep as an expression nests,
//! and a long enough chain (`1 + 1 + …`, `not not …`) ends the whole process, which no `catch_unwind` can hold.

use std::num::NonZeroU32;

use countersign_model::Place;
use regorus::Source;
use regorus::unstable::{Lexer, Token, TokenKind};

use super::message;
use crate::Error;

/// The most brackets, operators and negations that may stand one inside the other. People's policies need ten.
const MAX_NESTING: usize = 100;

/// The widest line, in characters. Keys and tokens that are written out need a few thousand.
const MAX_WIDTH: NonZeroU32 = NonZeroU32::MIN.saturating_add(65_535);

/// Refuses a file whose expressions could nest deeper than [`MAX_NESTING`].
///
/// It counts what *could* become one level of a tree: every open bracket, and every operator, dot and opening bracket
/// since the last point at which an expression certainly ended (a comma, a semicolon, or a line break with no operator
/// on either side).
pub(super) fn check(path: &str, text: &str) -> Result<(), Error> {
    let fault = |error: String| {
        let (place, message) = message::split(&error);
        Error::Rego { place: place.or_else(|| Some(Place::file(path))), message }
    };
    let source = Source::from_contents(path.to_owned(), text.to_owned()).map_err(|e| fault(e.to_string()))?;
    let mut lexer = Lexer::new(&source);
    lexer.set_max_col(MAX_WIDTH);
    // Links of the chain in each bracket that is still open, the outermost first; and their sum.
    let mut chains = vec![0_usize];
    let mut links = 0_usize;
    let (mut line, mut joined) = (0, false);
    loop {
        let Token(kind, span) = lexer.next_token().map_err(|e| fault(e.to_string()))?;
        let text = span.text();
        let symbol = kind == TokenKind::Symbol;
        let opens = symbol && matches!(text, "(" | "[" | "{");
        let closes = symbol && matches!(text, ")" | "]" | "}");
        let ends = symbol && matches!(text, "," | ";" | ":");
        // A negative number may be a subtraction: `a -1`.
        let operator =
            !ends && !closes && (symbol && text != "{" || kind == TokenKind::Number && text.starts_with('-'))
                || kind == TokenKind::Ident && matches!(text, "not" | "in" | "else" | "with" | "as");
        let fresh = span.line != line && !joined && (!operator || text == "not");
        if ends || fresh {
            links -= chains.last_mut().map_or(0, std::mem::take);
        }
        if closes && chains.len() > 1 {
            links -= chains.pop().unwrap_or(0);
        }
        if operator || opens {
            links += 1;
            if let Some(chain) = chains.last_mut() {
                *chain += 1;
            }
        }
        if opens {
            chains.push(0);
        }
        if links > MAX_NESTING {
            let place = Place { file: path.to_owned(), line: Some(span.line), column: Some(span.col) };
            let message = format!("an expression nests deeper than {MAX_NESTING} levels: name its parts");
            return Err(Error::Rego { place: Some(place), message });
        }
        if kind == TokenKind::Eof {
            return Ok(());
        }
        (line, joined) = (span.line, operator);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_text_passes_however_long() {
        let rules: String =
            (0..3_000).map(|i| format!("x{i} if {{\n\tinput.a[{i}].b == -{i}\n\tnot f(1 + 2)\n}}\n\n")).collect();
        check("a.rego", &format!("package a\n\n{rules}")).unwrap();
        let list: String = (0..5_000).map(|i| format!("\t[{i} - 1, {{\"a\": -{i}}}],\n")).collect();
        check("a.rego", &format!("package a\n\nx := [\n{list}]\n")).unwrap();
    }

    #[test]
    fn every_kind_of_chain_is_refused() {
        for (head, link, tail) in [
            ("x := ", "[", ""),
            ("x := ", "(", "1"),
            ("x := ", "{\"a\": ", "1"),
            ("x := 1", " + 1", ""),
            ("x := 1", " -1", ""),
            ("x := 1", "\n+ 1", ""),
            ("x := 1", " +\n1", ""),
            ("x := a", " | a", ""),
            ("x if a", " in a", ""),
            ("x if a", " == a", ""),
            ("x if ", "not ", "a"),
            ("x if ", "not\n", "a"),
            ("x := ", "- ", "1"),
            ("x := a", ".b", ""),
            ("x := a", "[0]", ""),
            ("x := a", "\n[0]", ""),
            ("x := a", "(0)", ""),
            ("x := a", "\n(0)", ""),
            ("x if a", " with input as 1", ""),
            ("x := 1 if a", " else := 2", ""),
        ] {
            let text = format!("package a\n\n{head}{}{tail}\n", link.repeat(MAX_NESTING + 5));
            let error = check("a.rego", &text).expect_err(link);
            assert!(error.to_string().contains("nests deeper"), "{link:?}: {error}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_without_panic(text: String) {
            let _ = check("a.rego", &text);
        }
    }
}
