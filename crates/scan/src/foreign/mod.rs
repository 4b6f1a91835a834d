//! Rules of other tools, so that a team can bring its own: gitleaks and betterleaks (TOML), kingfisher and noseyparker
//! (YAML). They become rules of the family `secrets` under the tool's name, with our own matching behind them.
//!
//! | module | holds |
//! |---|---|
//! | `gitleaks` | reads TOML: rules, allow lists, `[extend]`, required rules |
//! | `nosey` | reads YAML with a list `rules` |
//! | `detector` | looks by such a rule |
//! | `literals` | the words that an expression cannot match without, for rules that name no keywords |
//!
//! What a file asks for and is not applied here is a note, never silence; it makes for more findings, not for fewer.

mod detector;
mod gitleaks;
mod literals;
mod nosey;

use std::path::Path;

use countersign_model::{Confidence, Severity};

pub(crate) use detector::{Foreign, Required};
pub use detector::{ForeignAllow, ForeignMatch, Target};

use crate::Error;
use crate::rules::{Examples, Fix, Matching, Rule, Stage};

/// What a file of another tool came to.
#[derive(Debug, Default)]
pub(crate) struct ForeignRules {
    pub(crate) rules: Vec<Rule>,
    /// What is not applied, in words.
    pub(crate) notes: Vec<String>,
}

/// Reads `text` as another tool's rules; `None` when it is none of theirs.
pub(crate) fn read(path: &Path, text: &str) -> Option<Result<ForeignRules, Error>> {
    if path.extension().is_some_and(|e| e.eq_ignore_ascii_case("toml")) {
        return Some(gitleaks::read(path, text));
    }
    // Our own files are one rule each; theirs have a list.
    text.lines().any(|l| l.trim_end() == "rules:").then(|| nosey::read(&path.display().to_string(), text))
}

/// The line on which `rule` says its id in the tool's file.
pub(crate) fn line_of(text: &str, rule: &Rule) -> Option<u32> {
    let id = rule.aliases.first()?.split_once(':')?.1;
    let says = |l: &str| {
        let l = l.trim_start().trim_start_matches("- ");
        l.starts_with("id")
            && l.trim_end_matches(|c: char| !c.is_alphanumeric())
                .ends_with(id.trim_end_matches(|c: char| !c.is_alphanumeric()))
    };
    text.lines().position(says).and_then(|n| u32::try_from(n + 1).ok())
}

/// What the tools' files say about a rule.
struct Said {
    tool: &'static str,
    id: String,
    title: String,
    severity: Severity,
    confidence: Confidence,
    references: Vec<String>,
}

/// The rule that a tool's rule becomes.
fn rule(said: Said, matching: ForeignMatch) -> Rule {
    let Said { tool, id, title, severity, confidence, references } = said;
    Rule {
        why: format!(
            "A rule that your team brought from {tool} matched. It says what it looks for and not what somebody could do with it: \
             {title}"
        ),
        id: format!("secrets/{tool}/{}", plain(&id)),
        title,
        family: "secrets".into(),
        severity,
        confidence,
        stages: vec![Stage::Commit, Stage::Build],
        controls: vec!["secrets-out-of-source".into()],
        cwe: vec!["CWE-798".into()],
        aliases: vec![format!("{tool}:{id}")],
        kinds: Vec::new(),
        fix: Fix {
            text: "Revoke it at the system that issued it and look at what was done with it, then keep its successor in a secret \
                   store. The value stays in the history of every clone, so deleting the line alone changes nothing."
                .into(),
        },
        references,
        matching: Some(Matching::Foreign(matching)),
        examples: Examples::default(),
    }
}

/// An id in the letters that ours have.
fn plain(id: &str) -> String {
    let mut out: String = id
        .to_ascii_lowercase()
        .chars()
        .map(|c| if c.is_ascii_lowercase() || c.is_ascii_digit() { c } else { '-' })
        .collect();
    while out.contains("--") {
        out = out.replace("--", "-");
    }
    out.trim_matches('-').to_owned()
}

/// Comments inside an expression, `(?# … )`, which other dialects have.
fn without_comments(expression: &str) -> String {
    let mut out = String::with_capacity(expression.len());
    let mut rest = expression;
    while let Some(start) = rest.find("(?#") {
        let escaped = rest[..start].bytes().rev().take_while(|b| *b == b'\\').count() % 2 == 1;
        let Some(end) = rest[start..].find(')').filter(|_| !escaped) else { break };
        out.push_str(&rest[..start]);
        rest = &rest[start + end + 1..];
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_ids_are_made_plain() {
        assert_eq!(without_comments("a(?# the prefix )b(c)(?#x)"), "ab(c)");
        assert_eq!(without_comments(r"a\(?#b)"), r"a\(?#b)");
        assert_eq!(plain("kingfisher.aws.1"), "kingfisher-aws-1");
        assert_eq!(plain("Generic API__Key "), "generic-api-key");
    }
}
