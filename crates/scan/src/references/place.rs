//! What a value is called, and where in a text a reference can take its place.

use std::ops::Range;

use super::{FileKind, Reference, References, Where};

/// How far before a value its name is looked for, in bytes.
const NAME_REACH: usize = 256;

/// The longest name that is made of one.
const NAME_LIMIT: usize = 64;

/// What a value is called, in the forms that stores and programs want.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// Words in lower case.
    words: Vec<String>,
}

/// A reference in the place of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replacement {
    /// Which bytes of the text it replaces.
    pub span: Range<usize>,
    /// What stands there then.
    pub text: String,
    /// The store's title.
    pub store: String,
    /// What else is to be done, in sentences.
    pub how: String,
}

impl Names {
    /// The name of the value at `value` in `text`: what it is assigned to, else what the rule with this id looks for.
    #[must_use]
    pub fn of(text: &[u8], value: &Range<usize>, rule: &str) -> Self {
        let end = value.start.min(text.len());
        let before = &text[end.saturating_sub(NAME_REACH)..end];
        let line = before.iter().rposition(|b| *b == b'\n').map_or(before, |n| &before[n + 1..]);
        assigned(line).unwrap_or_else(|| Self::of_rule(rule))
    }

    /// A name after what a rule looks for.
    #[must_use]
    pub fn of_rule(rule: &str) -> Self {
        let id = rule.rsplit('/').next().unwrap_or(rule);
        Self { words: words(id) }
    }

    /// As an environment variable: `DB_PASSWORD`.
    #[must_use]
    pub fn upper(&self) -> String {
        self.snake().to_ascii_uppercase()
    }

    fn snake(&self) -> String {
        self.words.join("_")
    }

    /// `text` with the forms of the name in it.
    pub(super) fn fill(&self, text: &str) -> String {
        text.replace("@NAME@", &self.upper()).replace("@snake@", &self.snake()).replace("@name@", &self.words.join("-"))
    }
}

/// The name at the end of what stands before a value on its line.
fn assigned(line: &[u8]) -> Option<Names> {
    let is_name = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
    let is_between = |b: &u8| matches!(b, b' ' | b'\t' | b'"' | b'\'' | b'`' | b'=' | b':' | b'>' | b'(');
    // In an address, what stands before the value is a user or a scheme, and no name of the value.
    if memchr::memmem::rfind(line, b"://").is_some_and(|at| !line[at..].iter().any(u8::is_ascii_whitespace)) {
        return None;
    }
    let end = line.iter().rposition(|b| !is_between(b))? + 1;
    // `name = value`, `name: value`, `<name>value`: without one of these it is only a word before another.
    // `user:value` is a pair of two things.
    if line[end..] == *b":" || !line[end..].iter().any(|b| matches!(b, b'=' | b':' | b'>')) {
        return None;
    }
    let start = line[..end].iter().rposition(|b| !is_name(b)).map_or(0, |n| n + 1);
    let name = std::str::from_utf8(&line[start..end]).ok()?.trim_matches(['-', '.', '_']);
    // Of `spring.datasource.password`, what is last says most; the rest is where it stands.
    let name = if name.contains('.') {
        name.rsplit('.').take(2).collect::<Vec<_>>().into_iter().rev().collect::<Vec<_>>().join("_")
    } else {
        name.to_owned()
    };
    let words = words(&name);
    let length: usize = words.iter().map(String::len).sum();
    let fit = (2..=NAME_LIMIT).contains(&length)
        && words.first().is_some_and(|w| !w.starts_with(|c: char| c.is_ascii_digit()));
    fit.then_some(Names { words })
}

/// The words of a name: at `_`, `-`, `.`, and where `camelCase` says so.
fn words(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut last = ' ';
    for c in name.chars() {
        let begins = !last.is_ascii_alphanumeric() || (c.is_ascii_uppercase() && last.is_ascii_lowercase());
        if c.is_ascii_alphanumeric() {
            match words.last_mut() {
                Some(word) if !begins => word.push(c.to_ascii_lowercase()),
                _ => words.push(c.to_ascii_lowercase().to_string()),
            }
        }
        last = c;
    }
    words
}

impl References {
    /// The references that can take the place of the value at `value`, such that the text means the reference and
    /// nothing else. Where that is not certain there is none.
    #[must_use]
    pub fn replacements(&self, kind: &FileKind, text: &str, value: &Range<usize>, names: &Names) -> Vec<Replacement> {
        let mut all: Vec<Replacement> = Vec::new();
        if value.is_empty() || text.get(value.clone()).is_none_or(|v| v.contains(['\n', '\r'])) {
            return all;
        }
        let line = line_of(text, value);
        for reference in &kind.references {
            let Some(store) = self.stores.iter().find(|s| s.id == reference.store) else { continue };
            let Some(replace) = reference.replace.as_deref() else { continue };
            if all.iter().any(|r| r.store == store.title) || !permitted(reference, &text[line.start..value.start]) {
                continue;
            }
            let Some(span) = reference.at.and_then(|at| span(at, text, value, &line)) else { continue };
            let how: Vec<&str> = reference.how.as_deref().into_iter().chain([store.how.as_str()]).collect();
            all.push(Replacement {
                span,
                text: names.fill(replace),
                store: store.title.clone(),
                how: names.fill(&how.join(" ")),
            });
        }
        all
    }
}

/// The line of a value, without its end.
fn line_of(text: &str, value: &Range<usize>) -> Range<usize> {
    let start = text[..value.start].rfind('\n').map_or(0, |n| n + 1);
    let end = text[value.end..].find('\n').map_or(text.len(), |n| value.end + n);
    start..start + text[start..end].trim_end_matches('\r').len()
}

fn permitted(reference: &Reference, before: &str) -> bool {
    let quoted = reference.not_within.is_some_and(|q| before.matches(q).count() % 2 == 1);
    !quoted && !reference.unless.iter().any(|word| before.contains(word.as_str()))
}

/// What is replaced.
fn span(at: Where, text: &str, value: &Range<usize>, line: &Range<usize>) -> Option<Range<usize>> {
    match at {
        Where::Value => Some(value.clone()),
        Where::Literal => literal(text, value, line),
        Where::Scalar => {
            let span = literal(text, value, line).unwrap_or_else(|| value.clone());
            let before = text[line.start..span.start].trim_end();
            let after = text[span.end..line.end].trim();
            // `key: value`; a list's `- value` has no name, and after a second colon it may be anything.
            let assigns = before.ends_with([':', '=']) && !before[..before.len() - 1].contains([':', '=', '{', '[']);
            (assigns && after.is_empty()).then_some(span)
        }
    }
}

/// The string literal that is nothing but the value, with its quotes.
fn literal(text: &str, value: &Range<usize>, line: &Range<usize>) -> Option<Range<usize>> {
    let before = &text[line.start..value.start];
    let after = &text[value.end..line.end];
    let quote = before.chars().next_back().filter(|c| matches!(c, '"' | '\''))?;
    let rest = after.strip_prefix(quote)?;
    let ahead = &before[..before.len() - 1];
    // A prefix makes another literal of it (`f"…"`, `@"…"`), a second quote may be one of three.
    if ahead.ends_with(|c: char| c.is_alphanumeric() || matches!(c, '"' | '\'' | '@' | '$' | '\\' | '_' | '`'))
        || rest.starts_with(['"', '\''])
    {
        return None;
    }
    // In the middle of another literal the quotes are text.
    let other = if quote == '"' { '\'' } else { '"' };
    if ahead.matches(quote).count() % 2 == 1
        || ahead.matches(other).count() % 2 == 1
        || ahead.matches('`').count() % 2 == 1
    {
        return None;
    }
    Some(value.start - 1..value.end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use countersign_model::TreePath;
    use proptest::prelude::*;

    fn names(line: &str) -> String {
        Names::of(format!("{line}VALUE").as_bytes(), &(line.len()..line.len() + 5), "secrets/some-key").upper()
    }

    #[test]
    fn a_value_is_called_what_it_is_assigned_to() {
        for (line, name) in [
            ("password = \"", "PASSWORD"),
            ("  \"apiKey\": \"", "API_KEY"),
            ("spring.datasource.password=", "DATASOURCE_PASSWORD"),
            ("<password>", "PASSWORD"),
            ("export DB_PASS='", "DB_PASS"),
            ("  db-pass: ", "DB_PASS"),
            ("postgres://app:", "SOME_KEY"),
            ("x = \"https://u:", "SOME_KEY"),
            ("Bearer ", "SOME_KEY"),
            ("curl -u app:", "SOME_KEY"),
            ("", "SOME_KEY"),
            ("1 = \"", "SOME_KEY"),
        ] {
            assert_eq!(names(line), name, "{line}");
        }
    }

    /// The text with the first replacement for `store`.
    fn replaced(path: &str, text: &str, store: &str) -> Option<String> {
        let all = References::shipped().unwrap();
        let at = text.find("VALUE").unwrap();
        let value = at..at + 5;
        let kind = all.kind(&TreePath::from_bytes(path), text.as_bytes()).unwrap();
        let names = Names::of(text.as_bytes(), &value, "secrets/some-key");
        let one = all.replacements(kind, text, &value, &names).into_iter().find(|r| r.store.contains(store))?;
        let mut out = text.to_owned();
        out.replace_range(one.span, &one.text);
        Some(out)
    }

    #[test]
    fn a_reference_takes_the_place_of_a_whole_value() {
        for (path, text, store, wanted) in [
            ("a.py", "token = \"VALUE\"\n", "environment", "token = os.environ[\"TOKEN\"]\n"),
            ("a.go", "\tapiKey := \"VALUE\"\r\n", "environment", "\tapiKey := os.Getenv(\"API_KEY\")\r\n"),
            ("a.sh", "curl -u app:VALUE https://x", "environment", "curl -u app:${SOME_KEY:?} https://x"),
            ("a.sh", "TOKEN='VALUE'", "Vault", "TOKEN=\"$(vault kv get -mount=secret -field=value token)\""),
            ("application.properties", "db.password=VALUE", "environment", "db.password=${DB_PASSWORD}"),
            (".github/workflows/a.yml", "  TOKEN: VALUE", "Actions", "  TOKEN: ${{ secrets.TOKEN }}"),
            (
                "main.tf",
                "  password = \"VALUE\"",
                "AWS",
                "  password = data.aws_secretsmanager_secret_version.password.secret_string",
            ),
            ("main.tf", "  password = \"VALUE\"", "Azure", "  password = data.azurerm_key_vault_secret.password.value"),
            (
                "group_vars/all.yml",
                "db_pass: VALUE  ",
                "Vault",
                "db_pass: \"{{ lookup('community.hashi_vault.vault_kv2_get', 'db-pass').secret.value }}\"  ",
            ),
        ] {
            assert_eq!(replaced(path, text, store).as_deref(), Some(wanted), "{path}: {text}");
        }
    }

    #[test]
    fn where_it_is_not_certain_nothing_is_replaced() {
        for (path, text, store) in [
            ("a.py", "url = \"https://u:VALUE@x\"", "environment"),
            ("a.py", "token = f\"VALUE\"", "environment"),
            ("a.py", "\"\"\"VALUE\"\"\"", "environment"),
            ("a.py", "text = 'token = \"VALUE\"'", "environment"),
            ("a.go", "const key = \"VALUE\"", "environment"),
            ("A.java", "@Value(\"VALUE\") String a;", "environment"),
            ("a.sh", "echo 'token VALUE here'", "environment"),
            ("a.jsx", "<Client token=\"VALUE\" />", "environment"),
            ("group_vars/all.yml", "url: http://u:VALUE@x", "Vault"),
            ("group_vars/all.yml", "a: {b: VALUE}", "Vault"),
            (".env", "TOKEN=VALUE", "Vault"),
        ] {
            assert_eq!(replaced(path, text, store), None, "{path}: {text}");
        }
    }

    proptest! {
        #[test]
        fn a_replacement_lies_around_the_value(text in "[\"'=: \\na-zü]{0,30}", from in 0_usize..30, length in 0_usize..10) {
            let all = References::shipped().unwrap();
            for path in ["a.py", "a.sh", "group_vars/x", "main.tf"] {
                let kind = all.kind(&TreePath::from_bytes(path), b"").unwrap();
                let value = from.min(text.len())..(from + length).min(text.len());
                if !text.is_char_boundary(value.start) || !text.is_char_boundary(value.end) {
                    continue;
                }
                let names = Names::of(text.as_bytes(), &value, "secrets/x");
                for one in all.replacements(kind, &text, &value, &names) {
                    prop_assert!(one.span.start <= value.start && value.end <= one.span.end);
                    prop_assert!(text.get(one.span).is_some());
                }
            }
        }
    }
}
