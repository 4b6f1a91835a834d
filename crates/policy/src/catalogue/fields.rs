//! Names of facts in a rule. A misspelt one would make the rule silent for ever, so each is looked up.

use super::facts::is_field;

/// The first field in a rule that no fact has, and the line of the rule, from 0.
///
/// What follows a dot after a name, a `]` or a `)` is a field, unless the whole dotted name is called: then it is a builtin.
/// Texts and comments are passed over.
pub(super) fn unknown(rule: &str) -> Option<(usize, String)> {
    for (n, line) in rule.lines().enumerate() {
        let line = without_texts(line);
        let chars: Vec<char> = line.chars().collect();
        let mut i = 0;
        while let Some(&c) = chars.get(i) {
            if !starts_reference(c) {
                i += 1;
                continue;
            }
            let (end, names) = reference(&chars, i);
            if chars.get(end) != Some(&'(')
                && let Some(odd) = names.into_iter().find(|name| !is_field(name))
            {
                return Some((n, odd));
            }
            i = end.max(i + 1);
        }
    }
    None
}

const fn starts_reference(c: char) -> bool {
    c.is_ascii_alphabetic() || matches!(c, '_' | ']' | ')')
}

const fn in_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// From `start`, a name, `]` or `)`, over the names that follow dots: where it ends, and those names.
fn reference(chars: &[char], start: usize) -> (usize, Vec<String>) {
    let name_from =
        |from: usize| -> usize { chars.iter().skip(from).take_while(|c| in_name(**c)).count().saturating_add(from) };
    let mut at = if chars.get(start).is_some_and(|c| in_name(*c)) { name_from(start) } else { start + 1 };
    let mut names = Vec::new();
    while chars.get(at) == Some(&'.') && chars.get(at + 1).is_some_and(|c| in_name(*c)) {
        let end = name_from(at + 1);
        names.push(chars.iter().skip(at + 1).take(end - at - 1).collect());
        at = end;
    }
    (at, names)
}

/// The line with its texts and comment blanked out.
fn without_texts(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut quote: Option<char> = None;
    let mut escaped = false;
    for c in line.chars() {
        match quote {
            Some('"') if escaped => escaped = false,
            Some('"') if c == '\\' => escaped = true,
            Some(q) if c == q => quote = None,
            Some(_) => {}
            None if c == '"' || c == '`' => quote = Some(c),
            None if c == '#' => break,
            None => {
                out.push(c);
                continue;
            }
        }
        out.push(' ');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::unknown;

    #[test]
    fn fields_are_known_builtins_are_not_fields_and_texts_are_not_read() {
        for good in [
            "some d in input.deployments\n d.success",
            "x := time.now_ns()",
            "count([p | some p in d.approvals; p.slot == \"d.artefacts\"]) # d.artefacts",
            "input.deployments[_].commit",
            "n := 1.5",
        ] {
            assert_eq!(unknown(good), None, "{good}");
        }
        assert_eq!(unknown("true\nsome d in input.deployments\nd.artefacts"), Some((2, "artefacts".to_owned())));
        assert_eq!(unknown("input.deploymints[_]"), Some((0, "deploymints".to_owned())));
        assert_eq!(unknown("f(d).comit"), Some((0, "comit".to_owned())));
    }
}
