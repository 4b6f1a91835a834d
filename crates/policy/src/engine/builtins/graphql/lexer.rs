//! The tokens of GraphQL (October 2021, 2.1).

use super::super::Fault;
use super::super::args::fault;

/// The longest document, in bytes.
const MAX_DOCUMENT: usize = 1 << 20;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    /// `{`, `...`.
    Punctuator(&'static str),
    Name(String),
    Int(String),
    Float(String),
    String(String),
    Block(String),
    End,
}

impl Token {
    /// As an error names it.
    pub(super) fn told(&self) -> String {
        match self {
            Self::Punctuator(text) => (*text).to_owned(),
            Self::Name(text) => format!("Name \"{text}\""),
            Self::Int(text) => format!("Int \"{text}\""),
            Self::Float(text) => format!("Float \"{text}\""),
            Self::String(text) | Self::Block(text) => format!("String \"{text}\""),
            Self::End => "<EOF>".to_owned(),
        }
    }
}

const PUNCTUATORS: [&str; 14] = ["...", "!", "$", "&", "(", ")", ":", "=", "@", "[", "]", "{", "|", "}"];

/// The tokens of a document, each with where it begins.
pub(super) fn tokens(text: &str) -> Result<Vec<(Token, usize)>, Fault> {
    if text.len() > MAX_DOCUMENT {
        return Err(Fault::Refused(format!("a document is longer than {MAX_DOCUMENT} bytes")));
    }
    let mut lexer = Lexer { text, at: 0 };
    let mut tokens = Vec::new();
    loop {
        lexer.skip_ignored();
        let start = lexer.at;
        let token = lexer.token()?;
        let last = token == Token::End;
        tokens.push((token, start));
        if last {
            return Ok(tokens);
        }
    }
}

/// Line and column of a place, from 1.
pub(super) fn place(text: &str, at: usize) -> String {
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    format!("{line}:{column}")
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn take_while(&mut self, is: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|c| !is(c)).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    fn skip_ignored(&mut self) {
        loop {
            self.take_while(|c| matches!(c, '\u{feff}' | ' ' | '\t' | '\n' | '\r' | ','));
            if !self.rest().starts_with('#') {
                return;
            }
            self.take_while(|c| !matches!(c, '\n' | '\r'));
        }
    }

    fn wrong(&self, what: &str) -> Fault {
        fault(format!("{what} in GraphQL string at location {}", place(self.text, self.at)))
    }

    fn token(&mut self) -> Result<Token, Fault> {
        let rest = self.rest();
        let Some(first) = rest.chars().next() else { return Ok(Token::End) };
        if let Some(found) = PUNCTUATORS.iter().find(|p| rest.starts_with(**p)) {
            self.at += found.len();
            return Ok(Token::Punctuator(found));
        }
        match first {
            '_' | 'a'..='z' | 'A'..='Z' => {
                Ok(Token::Name(self.take_while(|c| c == '_' || c.is_ascii_alphanumeric()).to_owned()))
            }
            '-' | '0'..='9' => self.number(),
            '"' if rest.starts_with("\"\"\"") => self.block(),
            '"' => self.string(),
            other => Err(self.wrong(&format!("Cannot parse the unexpected character \"{other}\""))),
        }
    }

    fn number(&mut self) -> Result<Token, Fault> {
        let start = self.at;
        if self.rest().starts_with('-') {
            self.at += 1;
        }
        let digits = self.take_while(|c| c.is_ascii_digit());
        if digits.is_empty() || (digits.len() > 1 && digits.starts_with('0')) {
            return Err(self.wrong("Invalid number"));
        }
        let mut float = false;
        if self.rest().starts_with('.') {
            self.at += 1;
            float = true;
            if self.take_while(|c| c.is_ascii_digit()).is_empty() {
                return Err(self.wrong("Invalid number"));
            }
        }
        if self.rest().starts_with(['e', 'E']) {
            self.at += 1;
            float = true;
            if self.rest().starts_with(['+', '-']) {
                self.at += 1;
            }
            if self.take_while(|c| c.is_ascii_digit()).is_empty() {
                return Err(self.wrong("Invalid number"));
            }
        }
        if self.rest().starts_with(|c: char| c == '.' || c == '_' || c.is_ascii_alphabetic()) {
            return Err(self.wrong("Invalid number"));
        }
        let text = self.text.get(start..self.at).unwrap_or_default().to_owned();
        Ok(if float { Token::Float(text) } else { Token::Int(text) })
    }

    fn string(&mut self) -> Result<Token, Fault> {
        self.at += 1;
        let mut text = String::new();
        loop {
            text.push_str(self.take_while(|c| !matches!(c, '"' | '\\' | '\n' | '\r')));
            let mut rest = self.rest().chars();
            match rest.next() {
                Some('"') => {
                    self.at += 1;
                    return Ok(Token::String(text));
                }
                Some('\\') => {
                    let escaped = match rest.next() {
                        Some(c @ ('"' | '\\' | '/')) => c,
                        Some('b') => '\u{8}',
                        Some('f') => '\u{c}',
                        Some('n') => '\n',
                        Some('r') => '\r',
                        Some('t') => '\t',
                        Some('u') => {
                            text.push(self.unicode()?);
                            continue;
                        }
                        _ => return Err(self.wrong("Invalid character escape sequence")),
                    };
                    self.at += 2;
                    text.push(escaped);
                }
                _ => return Err(self.wrong("Unterminated string")),
            }
        }
    }

    /// `\uXXXX`, or two of them for a character beyond those.
    fn unicode(&mut self) -> Result<char, Fault> {
        let mut units = Vec::new();
        loop {
            let digits = self.rest().strip_prefix("\\u").and_then(|r| r.get(..4));
            let digits = digits.filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()));
            let unit = digits.and_then(|d| u16::from_str_radix(d, 16).ok());
            units.push(unit.ok_or_else(|| self.wrong("Invalid character escape sequence"))?);
            self.at += 6;
            match char::decode_utf16(units.iter().copied()).next() {
                Some(Ok(c)) => return Ok(c),
                _ if units.len() == 1 => {}
                _ => return Err(self.wrong("Invalid character escape sequence")),
            }
        }
    }

    fn block(&mut self) -> Result<Token, Fault> {
        self.at += 3;
        let mut raw = String::new();
        loop {
            let rest = self.rest();
            let end = rest.find("\"\"\"").ok_or_else(|| self.wrong("Unterminated string"))?;
            let (inside, escaped) = match rest[..end].strip_suffix('\\') {
                Some(inside) => (inside, true),
                None => (&rest[..end], false),
            };
            raw.push_str(inside);
            self.at += end + 3;
            if !escaped {
                return Ok(Token::Block(dedent(&raw)));
            }
            raw.push_str("\"\"\"");
        }
    }
}

/// Takes the common indentation and the blank lines around from a block string (2.9.4, `BlockStringValue`).
fn dedent(raw: &str) -> String {
    let raw = raw.replace("\r\n", "\n").replace('\r', "\n");
    let blank = |line: &str| line.trim_start_matches([' ', '\t']).is_empty();
    let lines: Vec<&str> = raw.split('\n').collect();
    let indent = |line: &&str| line.len() - line.trim_start_matches([' ', '\t']).len();
    let common = lines.iter().skip(1).filter(|l| !blank(l)).map(indent).min().unwrap_or(0);
    let cut = |(i, line): (usize, &&'_ str)| -> String {
        let cut = if i == 0 { 0 } else { common.min(line.len()) };
        line.get(cut..).unwrap_or_default().to_owned()
    };
    let lines: Vec<String> = lines.iter().enumerate().map(cut).collect();
    let first = lines.iter().position(|l| !blank(l)).unwrap_or(lines.len());
    let last = lines.iter().rposition(|l| !blank(l)).map_or(first, |last| last + 1);
    lines[first..last].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_of_every_kind() {
        let kinds = |text: &str| tokens(text).map(|t| t.into_iter().map(|(t, _)| t).collect::<Vec<_>>()).unwrap();
        let string = |t: &str| Token::String(t.to_owned());
        assert_eq!(kinds("# c\n,\u{feff}...a_1"), [Token::Punctuator("..."), Token::Name("a_1".into()), Token::End]);
        assert_eq!(kinds("-0 1.5e+3"), [Token::Int("-0".into()), Token::Float("1.5e+3".into()), Token::End]);
        assert_eq!(kinds(r#""a\"\u00e9\uD83D\uDE00\n""#), [string("a\"é😀\n"), Token::End]);
        let block = "\"\"\"\n\n    a\n      b\\\"\"\"\n  \n\"\"\"";
        assert_eq!(kinds(block), [Token::Block("a\n  b\"\"\"".into()), Token::End]);
        for bad in ["01", "1.", "1x", "\"a", "\"\\x\"", "\"\\uD800\"", "\"\"\"", "?", "-", "1e"] {
            assert!(tokens(bad).is_err(), "{bad}");
        }
    }
}
