//! Finds what is assigned to a name: in code, in configuration, in markup and on command lines, by one hand-written
//! reader instead of an expression for each language. It looks at a few bytes where nothing is assigned.

use std::ops::Range;

/// The longest name that is read, in each direction from the word that was found.
const NAME: usize = 80;

/// The longest value.
pub(super) const VALUE: usize = 4096;

/// White space between name, operator and value, on one line.
const BLANKS: usize = 64;

/// How the value stands there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Between quotes, or the text of an XML element.
    Quoted,
    /// Up to white space or the end of the line.
    Bare,
    /// The argument behind a command-line option.
    Option,
    /// The only argument of a call: `setPassword("…")`.
    Call,
}

/// A value and the name that it is assigned to, by their places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Assignment {
    pub(super) name: Range<usize>,
    pub(super) value: Range<usize>,
    pub(super) form: Form,
}

const fn in_name(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.')
}

/// A place in a text; every question beyond the end is answered with no.
#[derive(Clone, Copy)]
struct At<'t> {
    text: &'t [u8],
    at: usize,
}

impl<'t> At<'t> {
    fn byte(self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn is(self, what: &[u8]) -> bool {
        self.text[self.at.min(self.text.len())..].starts_with(what)
    }

    const fn on(self, bytes: usize) -> Self {
        Self { text: self.text, at: self.at + bytes }
    }

    /// Over blanks of this line.
    fn blanks(self) -> Self {
        let rest = &self.text[self.at.min(self.text.len())..];
        self.on(rest.iter().take(BLANKS).take_while(|b| matches!(b, b' ' | b'\t')).count())
    }

    /// Over blanks and line ends.
    fn space(self) -> Self {
        let rest = &self.text[self.at.min(self.text.len())..];
        self.on(rest.iter().take(BLANKS * 2).take_while(|b| b.is_ascii_whitespace()).count())
    }

    /// The quote that stands here, with the backslash of a quote inside a string.
    fn quote(self) -> Option<Quote> {
        match (self.byte()?, self.text.get(self.at + 1)) {
            (q @ (b'"' | b'\'' | b'`'), _) => Some(Quote { mark: q, escaped: false }),
            (b'\\', Some(q @ (b'"' | b'\''))) => Some(Quote { mark: *q, escaped: true }),
            _ => None,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Quote {
    mark: u8,
    /// `\"`: a quote inside a string.
    escaped: bool,
}

impl Quote {
    const fn len(self) -> usize {
        1 + self.escaped as usize
    }
}

/// What is assigned to the name around `word`, if anything is.
pub(super) fn find(text: &[u8], word: Range<usize>) -> Option<Assignment> {
    let behind = &text[word.end..text.len().min(word.end + NAME)];
    let end = word.end + behind.iter().take_while(|b| in_name(**b)).count();
    let next = *text.get(end)?;
    // Nearly every hit ends here: nothing that could lead to a value follows the name.
    if !matches!(
        next,
        b'"' | b'\''
            | b'`'
            | b'\\'
            | b']'
            | b')'
            | b' '
            | b'\t'
            | b'='
            | b':'
            | b','
            | b'('
            | b'>'
            | b'?'
            | b'['
            | b'\n'
            | b'\r'
            | b'|'
            | b'+'
    ) {
        return None;
    }
    let before = &text[word.start.saturating_sub(NAME)..word.start];
    let start = word.start - before.iter().rev().take_while(|b| in_name(**b)).count();
    let name = start..end;
    let (value, form) = behind_name(text, &name)?;
    Some(Assignment { name, value, form })
}

fn behind_name(text: &[u8], name: &Range<usize>) -> Option<(Range<usize>, Form)> {
    let opened = name.start.checked_sub(1).and_then(|n| text.get(n)).copied();
    let mut at = At { text, at: name.end };
    let mut quoted_name = false;
    if let Some(quote) = at.quote() {
        // The name may be words: `"Database password": "…"`.
        let before = &text[name.start.saturating_sub(NAME)..name.start];
        let words = before.iter().rev().take_while(|b| in_name(**b) || **b == b' ').count();
        if before.len().checked_sub(words + 1).and_then(|n| before.get(n)) != Some(&quote.mark) {
            return None;
        }
        quoted_name = true;
        at = at.on(quote.len());
    }
    if !quoted_name && begins_tag(text, name.start) {
        return element(at);
    }
    let closed = at;
    while quoted_name && matches!(at.byte(), Some(b']' | b')')) && at.at < closed.at + 2 {
        at = at.on(1);
    }
    let bracketed = at.at > closed.at;
    let gap = at.blanks();
    if !quoted_name && !bracketed && text[name.clone()].starts_with(b"-") && gap.at > at.at && gap.byte() != Some(b'=')
    {
        return option(gap);
    }
    if !quoted_name && !bracketed && text[name.clone()].starts_with(b"--") && at.byte() == Some(b'=') {
        return option(at.on(1));
    }
    if quoted_name
        && !bracketed
        && let Some(found) = pair(gap)
    {
        return Some(found);
    }
    // `ENV["X"] || "…"`, `getenv("X") ?? "…"`: what stands in for a variable that is not set.
    if quoted_name && bracketed {
        for word in [&b"||"[..], b"??", b"or ", b"?:", b"if ", b"? "] {
            if gap.is(word) {
                return value(gap.on(word.len()).blanks(), true);
            }
        }
    }
    if !quoted_name
        && !bracketed
        && gap.at > at.at
        && let Some(quote) = gap.quote()
        && is_directive(text, name.start)
    {
        return quoted(gap, quote);
    }
    // `setopt(handle, OPT_PASSWORD, "…")`: a constant that says what the last argument is.
    let constant = !quoted_name
        && !bracketed
        && at.byte() == Some(b',')
        && text[name.clone()].iter().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || *b == b'_');
    if constant {
        return value(at.on(1).blanks(), true).filter(|(v, _)| ends_call(text, v));
    }
    // `put("password", "…")`; in a list, two strings beside each other say nothing about each other.
    let in_call = quoted_name && !bracketed && text[..name.start - 1].trim_ascii_end().ends_with(b"(");
    let found = operator(gap, in_call).or_else(|| if quoted_name { None } else { named_below(closed) });
    // `"PASS: a test"`, `"password: wrong"`: what a string says. `"DB_PASSWORD=…"` in a list of variables is meant.
    let said = !quoted_name && matches!(opened, Some(b'"' | b'\'' | b'`'));
    match found {
        Some((_, Form::Bare)) if said && gap.byte() == Some(b':') => None,
        // The string ends where it began to be one.
        Some((value, Form::Bare)) if said => {
            let length = text[value.clone()].iter().position(|b| Some(*b) == opened);
            let value = value.start..length.map_or(value.end, |n| value.start + n);
            (!value.is_empty()).then_some((value, Form::Quoted))
        }
        found => found,
    }
}

/// Whether what stands before the name on its line makes the next word its value: nothing (a configuration file of words),
/// `#define`, `set`, `export`.
fn is_directive(text: &[u8], start: usize) -> bool {
    let before = &text[start.saturating_sub(NAME)..start];
    let line = before.iter().rposition(|b| *b == b'\n').map_or(before, |n| &before[n + 1..]).trim_ascii();
    let word = line.rsplit(|b| b.is_ascii_whitespace()).next().unwrap_or_default();
    line.is_empty()
        || [&b"define"[..], b"#define", b"%define", b"%#define", b"set", b"setenv", b"env", b"arg", b"export", b"setx"]
            .iter()
            .any(|w| w.eq_ignore_ascii_case(word))
}

/// Whether the name at `start` is an element's: `<name`, `<ns:name`.
fn begins_tag(text: &[u8], start: usize) -> bool {
    let before = &text[start.saturating_sub(NAME)..start];
    let namespace = match before.strip_suffix(b":") {
        Some(rest) => 1 + rest.iter().rev().take_while(|b| in_name(**b)).count(),
        None => 0,
    };
    before[..before.len() - namespace].ends_with(b"<")
}

/// `<password>value</password>`, `<password type="plain">value<`.
fn element(at: At<'_>) -> Option<(Range<usize>, Form)> {
    let mut at = at;
    if at.byte() != Some(b'>') {
        if !matches!(at.byte(), Some(b' ' | b'\t')) {
            return None;
        }
        let rest = &at.text[at.at..at.text.len().min(at.at + 200)];
        let close = rest.iter().position(|b| matches!(b, b'>' | b'<' | b'\n'))?;
        if rest[close] != b'>' || rest[close.saturating_sub(1)] == b'/' {
            return operator_in_tag(at);
        }
        at = at.on(close);
    }
    let at = at.on(1).space();
    let rest = &at.text[at.at..at.text.len().min(at.at + VALUE)];
    let mut length = rest.iter().position(|b| matches!(b, b'<' | b'\n'))?;
    // The element must end here: `#include <pwd.h>` is none.
    if !rest[length..].trim_ascii_start().starts_with(b"</") {
        return None;
    }
    length -= rest[..length].iter().rev().take_while(|b| b.is_ascii_whitespace()).count();
    (length > 0).then_some((at.at..at.at + length, Form::Quoted))
}

/// `<password value="…"/>`.
fn operator_in_tag(at: At<'_>) -> Option<(Range<usize>, Form)> {
    let at = at.blanks();
    value_word(at).map(|n| at.on(n)).and_then(|at| assigned(at.blanks()))
}

/// The length of a word that says that a value follows.
fn value_word(at: At<'_>) -> Option<usize> {
    [
        &b"value"[..],
        b"Value",
        b"VALUE",
        b"defaultValue",
        b"DefaultValue",
        b"default",
        b"content",
        b"stringValue",
        b"\"value\"",
        b"\"Value\"",
        b"\"default\"",
        b"'value'",
        b"\\\"value\\\"",
        b"'Value'",
        b"\"stringValue\"",
    ]
    .iter()
    .find(|w| at.is(w))
    .map(|w| w.len())
}

/// `=` or `:` and a quoted value.
fn assigned(at: At<'_>) -> Option<(Range<usize>, Form)> {
    if !matches!(at.byte(), Some(b'=' | b':')) {
        return None;
    }
    let at = at.on(1).blanks();
    let quote = at.quote()?;
    quoted(at, quote)
}

/// `"name": "PASSWORD", "value": "…"` and `key="password" value="…"`.
fn pair(at: At<'_>) -> Option<(Range<usize>, Form)> {
    let mut at = at;
    if matches!(at.byte(), Some(b',')) {
        at = at.on(1);
    }
    let at = at.space();
    let length = value_word(at)?;
    assigned(at.on(length).blanks())
}

/// ```yaml
/// - name: PASSWORD
///   value: …
/// ```
fn named_below(at: At<'_>) -> Option<(Range<usize>, Form)> {
    let at = at.blanks();
    if !matches!(at.byte(), Some(b'\n' | b'\r')) {
        return None;
    }
    let at = at.space();
    let length = value_word(at)?;
    let at = at.on(length);
    if at.byte() != Some(b':') {
        return None;
    }
    let at = at.on(1).blanks();
    match at.quote() {
        Some(quote) => quoted(at, quote),
        None => bare(at),
    }
}

/// `--password value`, `-p value`.
fn option(at: At<'_>) -> Option<(Range<usize>, Form)> {
    if let Some(quote) = at.quote() {
        return quoted(at, quote);
    }
    let rest = &at.text[at.at..at.text.len().min(at.at + VALUE)];
    let length = rest
        .iter()
        .take_while(|b| !b.is_ascii_whitespace() && !matches!(b, b'"' | b'\'' | b'`' | b'\\' | b';' | b'|' | b'<'))
        .count();
    // Another option, or nothing.
    if length == 0 || rest[0] == b'-' {
        return None;
    }
    Some((at.at..at.at + length, Form::Option))
}

/// What stands between a name and its value, and the value.
fn operator(at: At<'_>, in_call: bool) -> Option<(Range<usize>, Form)> {
    for (text, strict) in [
        (&b":="[..], false),
        (b"=>", false),
        (b"===", true),
        (b"!==", true),
        (b"==", true),
        (b"!=", true),
        (b"?=", false),
        (b"+=", false),
        (b"||=", false),
        (b"??=", false),
        (b"<-", true),
    ] {
        if at.is(text) {
            let at = at.on(text.len()).blanks();
            return value(at, strict);
        }
    }
    match at.byte()? {
        b'=' => value(at.on(1).blanks(), false),
        b':' if at.is(b"::") => None,
        b':' => {
            let after = at.on(1).blanks();
            typed(after).or_else(|| value(after, false))
        }
        b',' if in_call => value(at.on(1).space(), true).filter(|(v, _)| ends_call(at.text, v)),
        // `setPassword("…")`.
        b'(' => {
            let (place, _) = value(at.on(1).blanks(), true)?;
            ends_call(at.text, &place).then_some((place, Form::Call))
        }
        // Go's `password string = "…"`, C's `password[] = "…"`.
        b'[' | b's' | b'S' => typed(at),
        _ => None,
    }
}

/// Whether the quoted value is the last argument. With more, the name tells nothing about it.
fn ends_call(text: &[u8], value: &Range<usize>) -> bool {
    At { text, at: value.end + 1 }.space().byte() == Some(b')')
}

/// `String = "…"`: a type between the name and the value.
fn typed(at: At<'_>) -> Option<(Range<usize>, Form)> {
    let rest = &at.text[at.at..at.text.len().min(at.at + 48)];
    let length = rest
        .iter()
        .take_while(|b| {
            b.is_ascii_alphanumeric()
                || matches!(b, b'_' | b'<' | b'>' | b'&' | b'[' | b']' | b'?' | b'.' | b' ' | b'*' | b'|' | b':')
        })
        .count();
    let at = at.on(length);
    if length == 0 || at.byte() != Some(b'=') || matches!(at.text.get(at.at + 1), Some(b'=' | b'>')) {
        return None;
    }
    value(at.on(1).blanks(), true)
}

/// The value here: quoted, or bare unless only a quoted one will do.
fn value(at: At<'_>, only_quoted: bool) -> Option<(Range<usize>, Form)> {
    let mut at = at;
    // A tag of YAML.
    if at.is(b"!") {
        let rest = &at.text[at.at..at.text.len().min(at.at + 32)];
        let tag = rest.iter().take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'!' | b':' | b'_')).count();
        if at.is(b"!!") && rest.get(tag) == Some(&b' ') {
            at = at.on(tag).blanks();
        }
    }
    // The value is on the next line.
    if at.is(b"\\\n") || at.is(b"(\n") || at.is(b"\\\r\n") {
        at = at.on(2).space();
    }
    // What languages put before a string.
    for prefix in [
        &b"new String("[..],
        b"String.valueOf(",
        b"str(",
        b"Buffer.from(",
        b"[]byte(",
        b"b64decode(",
        b"@",
        b"$",
        b"L",
        b"u8",
        b"br",
        b"b",
        b"r",
        b"u",
        b"f",
        b"R",
        b"N",
        b"(",
    ] {
        if at.is(prefix) && at.on(prefix.len()).quote().is_some_and(|q| !q.escaped) {
            at = at.on(prefix.len());
            break;
        }
    }
    match at.quote() {
        Some(quote) => quoted(at, quote),
        None if only_quoted => None,
        None => bare(at),
    }
}

/// Up to the quote that ends it, on one line. Three quotes in a row are one.
fn quoted(at: At<'_>, quote: Quote) -> Option<(Range<usize>, Form)> {
    let triple = !quote.escaped && at.is(&[quote.mark; 3]);
    let start = at.at + if triple { 3 } else { quote.len() };
    let rest = &at.text[start.min(at.text.len())..at.text.len().min(start + VALUE)];
    let mut n = 0;
    while let Some(byte) = rest.get(n) {
        match *byte {
            b'\n' => return None,
            b'\\' if quote.escaped && rest.get(n + 1) == Some(&quote.mark) => break,
            b'\\' => n += 1,
            b if b == quote.mark && !quote.escaped => break,
            _ => {}
        }
        n += 1;
    }
    (n > 0 && n < rest.len()).then_some((start..start + n, Form::Quoted))
}

/// Up to white space; nothing but a comment may follow on the line, or it is prose.
fn bare(at: At<'_>) -> Option<(Range<usize>, Form)> {
    let rest = &at.text[at.at.min(at.text.len())..at.text.len().min(at.at + VALUE)];
    let line = rest.iter().position(|b| matches!(b, b'\n' | b'\r')).unwrap_or(rest.len());
    let rest = &rest[..line];
    // A list, a mapping, an alias, a block or a group of YAML and others; never the value itself.
    if matches!(rest.first(), Some(b'[' | b'{' | b'(' | b'*' | b'&' | b'|' | b'>')) {
        return None;
    }
    let mut length = rest.iter().position(|b| b.is_ascii_whitespace() || *b == b'<').unwrap_or(line);
    let behind = rest[length..].trim_ascii_start();
    if !(behind.is_empty()
        || behind.starts_with(b"</")
        || behind.starts_with(b"#")
        || behind.starts_with(b"//")
        || behind.starts_with(b";")
        || behind.starts_with(b"\\")
        || behind.starts_with(b"&&"))
    {
        return None;
    }
    // `password=…,domain=…`, `Password=…;Database=…`: the next setting.
    let settings = |n: &usize| {
        matches!(rest[*n], b',' | b';' | b'&')
            && rest[n + 1..length].iter().position(|b| !in_name(*b)).is_some_and(|m| m > 0 && rest[n + 1 + m] == b'=')
    };
    length = (0..length).find(settings).unwrap_or(length);
    while length > 0 && matches!(rest[length - 1], b',' | b';' | b'"' | b'\'' | b'`') {
        length -= 1;
    }
    (length > 0).then_some((at.at..at.at + length, Form::Bare))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn found(text: &str) -> Option<(String, Form)> {
        let at = text.to_ascii_lowercase().find("password").unwrap();
        let a = find(text.as_bytes(), at..at + 8)?;
        Some((text[a.value].to_owned(), a.form))
    }

    #[test]
    fn values_are_found_in_every_grammar() {
        for text in [
            r#"password = "V4l-ue""#,
            "db_password: 'V4l-ue'",
            r#""password": "V4l-ue","#,
            r#"{\"password\": \"V4l-ue\"}"#,
            r#""Database password": "V4l-ue","#,
            r#"config["password"] = "V4l-ue";"#,
            r#"os.environ['PASSWORD'] = 'V4l-ue'"#,
            r#"let password: &str = "V4l-ue";"#,
            r#"password: string = 'V4l-ue';"#,
            r#"var password string = "V4l-ue""#,
            r#"const char password[] = "V4l-ue";"#,
            r#"password := `V4l-ue`"#,
            r#":password => "V4l-ue""#,
            r#"props.put("password", "V4l-ue");"#,
            r#"define('DB_PASSWORD', 'V4l-ue');"#,
            r#"if password == "V4l-ue" {"#,
            r#"["DB_PASSWORD=V4l-ue"]"#,
            r#"setopt(curl, PROXYPASSWORD, "V4l-ue");"#,
            r#"("password", DefaultValue = "V4l-ue")"#,
            "password: !!binary \"V4l-ue\"",
            r#"password = b"V4l-ue""#,
            r#"password = """V4l-ue""""#,
            "<password>V4l-ue</password>",
            "<db:password enc=\"no\">\n  V4l-ue\n</db:password>",
            r#"<add key="password" value="V4l-ue"/>"#,
            r#"<property name="db.password" value="V4l-ue"/>"#,
            r#"{"name": "DB_PASSWORD", "value": "V4l-ue"}"#,
            "- name: DB_PASSWORD\n  value: \"V4l-ue\"\n",
            r#"--password "V4l-ue""#,
        ] {
            assert_eq!(found(text), Some(("V4l-ue".into(), Form::Quoted)), "{text}");
        }
        for text in [
            "DB_PASSWORD=V4l-ue\n",
            "spring.datasource.password = V4l-ue # old",
            "password: V4l-ue,",
            "- name: PASSWORD\n  value: V4l-ue\n",
        ] {
            assert_eq!(found(text), Some(("V4l-ue".into(), Form::Bare)), "{text}");
        }
        assert_eq!(found(r#"ds.setPassword("V4l-ue");"#), Some(("V4l-ue".into(), Form::Call)));
        assert_eq!(found("wget --password=V4l-ue https://x"), Some(("V4l-ue".into(), Form::Option)));
        assert_eq!(found("mysql --password V4l-ue db"), Some(("V4l-ue".into(), Form::Option)));
    }

    #[test]
    fn where_nothing_is_assigned_nothing_is_found() {
        for text in [
            "echo \"password: wrong\"",
            "the password is kept elsewhere",
            "password::reset(\"mail\")",
            "check_password(user, \"sha256\")",
            "password: the word that opens the door",
            "password",
            "password=",
            "password = \"never ends",
            "\"password\")",
            "--password --user",
        ] {
            assert_eq!(found(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_fault(before in ".{0,20}", after in "(.|\\n){0,80}") {
            let text = format!("{before}password{after}");
            let start = before.len();
            if let Some(a) = find(text.as_bytes(), start..start + 8) {
                prop_assert!(a.name.start <= start && a.name.end >= start + 8);
                prop_assert!(a.value.start >= a.name.end && a.value.end <= text.len() && a.value.start < a.value.end);
            }
        }
    }
}
