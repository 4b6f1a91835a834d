//! The tokens of Rego, as much of them as a rewriting that moves no line needs.
//!
//! It is more lenient than the interpreter, which reads the text after us and has the last word on what is wrong in it.
//! Only a template string that does not end is an error here, for there the interpreter could say nothing of use.

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A name or a keyword.
    Ident,
    /// `"…"` or `` `…` ``.
    String,
    /// `$"…"` or ``$`…` ``, with everything in it.
    Template,
    /// `# …`, without the end of the line.
    Comment,
    /// A number, or one character of anything else.
    Other,
}

/// A token, by its place in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) start: usize,
    pub(super) end: usize,
}

impl Token {
    pub(super) fn text<'t>(&self, text: &'t str) -> &'t str {
        text.get(self.start..self.end).unwrap_or("")
    }

    /// Whether it is this one character.
    pub(super) fn is(&self, text: &str, symbol: &str) -> bool {
        self.kind == Kind::Other && self.text(text) == symbol
    }
}

/// Where a template string begins that has no end, as an offset; or nests too deep.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Broken(pub(super) usize);

/// The deepest nesting of template strings and braces in them. People need two.
const MAX_DEPTH: usize = 16;

/// The tokens of `text`.
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, Broken> {
    let mut out = Vec::new();
    let mut at = 0;
    while let Some(token) = next(text, at, 0)? {
        at = token.end;
        out.push(token);
    }
    Ok(out)
}

/// The token that begins at `from` or after it, past white space.
fn next(text: &str, from: usize, depth: usize) -> Result<Option<Token>, Broken> {
    let rest = text.get(from..).unwrap_or("");
    let Some((skipped, c)) = rest.char_indices().find(|(_, c)| !c.is_whitespace()) else { return Ok(None) };
    let start = from + skipped;
    let rest = rest.get(skipped..).unwrap_or("");
    let while_ = |f: fn(char) -> bool| start + rest.find(|c| !f(c)).unwrap_or(rest.len());
    let (kind, end) = match c {
        '#' => (Kind::Comment, start + rest.find('\n').unwrap_or(rest.len())),
        '"' | '`' => (Kind::String, plain_end(text, start)),
        '$' if rest[1..].starts_with(['"', '`']) => (Kind::Template, template(text, start, depth, &mut |_, _| ())?),
        c if c == '_' || c.is_ascii_alphabetic() => (Kind::Ident, while_(|c| c == '_' || c.is_ascii_alphanumeric())),
        c if c.is_ascii_digit() => (Kind::Other, while_(|c| c.is_ascii_alphanumeric() || c == '.')),
        c => (Kind::Other, start + c.len_utf8()),
    };
    Ok(Some(Token { kind, start, end }))
}

/// The end of the plain or raw string that begins at `start`; the end of the line or text where it has none.
fn plain_end(text: &str, start: usize) -> usize {
    let bytes = text.as_bytes();
    let quote = bytes.get(start).copied().unwrap_or(b'"');
    let mut at = start + 1;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'\\' if quote == b'"' => at += 1,
            b'\n' if quote == b'"' => return at,
            byte if *byte == quote => return at + 1,
            _ => {}
        }
        at += 1;
    }
    text.len()
}

/// A piece of a template string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece {
    /// Characters, as they are written.
    Text,
    /// An expression, without its braces.
    Expression,
}

/// Reads the template string that begins at `start`, tells its pieces (kind and range) and returns its end.
pub(super) fn template(
    text: &str,
    start: usize,
    depth: usize,
    tell: &mut dyn FnMut(Piece, std::ops::Range<usize>),
) -> Result<usize, Broken> {
    if depth >= MAX_DEPTH {
        return Err(Broken(start));
    }
    let bytes = text.as_bytes();
    let quote = bytes.get(start + 1).copied().unwrap_or(b'"');
    let mut at = start + 2;
    let mut from = at;
    loop {
        match bytes.get(at) {
            // A raw template knows one escape only, of the brace.
            Some(b'\\') if quote == b'"' || bytes.get(at + 1) == Some(&b'{') => at += 2,
            Some(b'{') => {
                if from < at {
                    tell(Piece::Text, from..at);
                }
                let end = expression_end(text, at + 1, depth + 1).ok_or(Broken(start))?;
                tell(Piece::Expression, at + 1..end);
                at = end + 1;
                from = at;
            }
            Some(byte) if *byte == quote => {
                if from < at {
                    tell(Piece::Text, from..at);
                }
                return Ok(at + 1);
            }
            Some(b'\n') if quote == b'"' => return Err(Broken(start)),
            Some(_) => at += 1,
            None => return Err(Broken(start)),
        }
    }
}

/// Where the closing brace is of the expression that begins at `from`.
fn expression_end(text: &str, from: usize, depth: usize) -> Option<usize> {
    let mut open = 0_usize;
    let mut at = from;
    while let Some(token) = next(text, at, depth).ok()? {
        at = token.end;
        if token.is(text, "{") {
            open += 1;
        } else if token.is(text, "}") {
            match open.checked_sub(1) {
                Some(less) => open = less,
                None => return Some(token.start),
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Vec<&str> {
        tokens(text).unwrap().iter().map(|t| t.text(text)).collect()
    }

    #[test]
    fn strings_comments_and_templates_are_one_token_each() {
        assert_eq!(
            texts("a.b := \"x # \\\" y\" # \"z\nc `\\` 1.5e3 é"),
            ["a", ".", "b", ":", "=", "\"x # \\\" y\"", "# \"z", "c", "`\\`", "1.5e3", "é"]
        );
        assert_eq!(texts("$\"a {f({\"}\": $`{b}`})} \\{\" + 1"), ["$\"a {f({\"}\": $`{b}`})} \\{\"", "+", "1"]);
    }

    #[test]
    fn a_template_is_told_in_pieces() {
        let text = "$\"a \\{ {x}{ {y} }\"";
        let mut pieces = Vec::new();
        assert_eq!(template(text, 0, 0, &mut |kind, range| pieces.push((kind, &text[range]))), Ok(text.len()));
        assert_eq!(pieces, [(Piece::Text, "a \\{ "), (Piece::Expression, "x"), (Piece::Expression, " {y} ")]);
    }

    #[test]
    fn a_template_without_an_end_is_an_error() {
        for (text, at) in [("x $\"a", 2), ("$\"a\n\"", 0), ("$`{a`", 0), ("$\"{", 0)] {
            assert_eq!(tokens(text), Err(Broken(at)), "{text}");
        }
        let deep = "$\"{".repeat(MAX_DEPTH + 1);
        assert!(tokens(&deep).is_err());
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_in_order(text: String) {
            if let Ok(all) = tokens(&text) {
                let mut last = 0;
                for token in all {
                    proptest::prop_assert!(token.start >= last && token.end > token.start);
                    proptest::prop_assert!(text.get(token.start..token.end).is_some());
                    last = token.end;
                }
            }
        }
    }
}
