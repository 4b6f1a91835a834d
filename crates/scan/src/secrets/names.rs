//! A rule by the name that a value is assigned to.

use std::ops::Range;
use std::sync::OnceLock;

use regex::bytes::Regex;

use super::assign::{self, Form};
use super::filters::holds;
use super::judge::Judge;
use crate::family::{Candidate, Detector, Unusable};
use crate::rules::SecretMatch;

/// The last word of a name that holds something about a secret, and not the secret: `password_length`, `tokenType`.
const ABOUT: [&[u8]; 100] = [
    b"name",
    b"names",
    b"id",
    b"ids",
    b"url",
    b"uri",
    b"file",
    b"files",
    b"filename",
    b"path",
    b"paths",
    b"dir",
    b"type",
    b"types",
    b"field",
    b"label",
    b"hint",
    b"length",
    b"len",
    b"size",
    b"count",
    b"min",
    b"max",
    b"policy",
    b"regex",
    b"pattern",
    b"format",
    b"env",
    b"var",
    b"param",
    b"params",
    b"parameter",
    b"header",
    b"column",
    b"prompt",
    b"message",
    b"msg",
    b"error",
    b"expiry",
    b"expires",
    b"expiration",
    b"ttl",
    b"timeout",
    b"hash",
    b"hashed",
    b"hasher",
    b"reset",
    b"required",
    b"enabled",
    b"disabled",
    b"changed",
    b"help",
    b"title",
    b"placeholder",
    b"input",
    b"validator",
    b"encoder",
    b"store",
    b"manager",
    b"provider",
    b"service",
    b"class",
    b"scheme",
    b"arn",
    b"version",
    b"algorithm",
    b"alg",
    b"issuer",
    b"audience",
    b"scope",
    b"scopes",
    b"endpoint",
    b"prefix",
    b"suffix",
    b"index",
    b"date",
    b"algo",
    b"encryption",
    b"fmt",
    b"mask",
    b"total",
    b"threshold",
    b"sha",
    b"parser",
    b"strength",
    b"confirm",
    b"page",
    b"link",
    b"button",
    b"mode",
    b"method",
    b"digest",
    b"ref",
    b"location",
    b"description",
    b"usage",
    b"metadata",
    b"status",
    b"generator",
    b"rotation",
];

/// A rule of this sort, its expression compiled when it is first needed.
#[derive(Debug)]
pub(crate) struct Names {
    names: Vec<String>,
    except: Vec<String>,
    unquoted: bool,
    quoted: bool,
    value: Option<String>,
    compiled: OnceLock<Option<Regex>>,
    judge: Judge,
}

impl Names {
    pub(crate) fn new(spec: SecretMatch, judge: Judge) -> Self {
        Self {
            names: spec.names,
            except: spec.except,
            unquoted: spec.unquoted,
            quoted: spec.quoted,
            value: spec.value,
            compiled: OnceLock::new(),
            judge,
        }
    }

    fn fits(&self, value: &[u8]) -> Result<bool, Unusable> {
        let Some(expression) = &self.value else { return Ok(true) };
        let regex = self.compiled.get_or_init(|| whole(expression).ok()).as_ref().ok_or(Unusable)?;
        Ok(regex.is_match(value))
    }
}

fn whole(expression: &str) -> Result<Regex, regex::Error> {
    super::regex(&format!(r"\A(?:{expression})\z"))
}

/// Whether a call whose name begins so sets what the name says: `setPassword`, `ds.withToken`, `.password`, and not
/// `test_pass`.
fn sets(before: &[u8]) -> bool {
    let start = before.iter().rposition(|b| *b == b'.').map_or(0, |n| n + 1);
    let word = &before[start..];
    (word.is_empty() && start > 0)
        || [&b"set"[..], b"with", b"put", b"add", b"use"]
            .iter()
            .any(|w| word.len() >= w.len() && word[..w.len()].eq_ignore_ascii_case(w))
}

/// Whether the name's last word says that it holds something else than the secret; `after` is what follows the keyword.
fn is_about(after: &[u8]) -> bool {
    let mut word: &[u8] = after;
    while let Some(cut) = word.iter().position(|b| matches!(b, b'_' | b'-' | b'.')) {
        word = &word[cut + 1..];
    }
    // `tokenType`, `TOKENTYPE`: the last capital begins a word, unless all are capitals.
    if word.iter().any(u8::is_ascii_lowercase)
        && let Some(cut) = word.iter().rposition(u8::is_ascii_uppercase)
    {
        word = &word[cut..];
    }
    while let [rest @ .., b'0'..=b'9'] = word {
        word = rest;
    }
    ABOUT.iter().any(|a| a.eq_ignore_ascii_case(word))
}

impl Detector for Names {
    fn keywords(&self) -> &[String] {
        &self.names
    }

    fn reach(&self) -> usize {
        assign::VALUE + 512
    }

    fn is_direct(&self) -> bool {
        true
    }

    fn at(&self, text: &[u8], hit: Range<usize>, found: &mut Vec<Candidate>) -> Result<(), Unusable> {
        // `tokenizer` is no token, `keyboard` no key; `tokens` may hold some.
        if text[hit.end - 1].is_ascii_lowercase() {
            match text.get(hit.end..hit.end + 2).unwrap_or_default() {
                [b's', next] if !next.is_ascii_lowercase() => {}
                [b'a'..=b'z', _] => return Ok(()),
                _ => {}
            }
        }
        let Some(assignment) = assign::find(text, hit.clone()) else { return Ok(()) };
        if !(if assignment.form == Form::Bare { self.unquoted } else { self.quoted }) {
            return Ok(());
        }
        if assignment.form == Form::Call && !sets(&text[assignment.name.start..hit.start]) {
            return Ok(());
        }
        let value = &text[assignment.value.clone()];
        let name = &text[assignment.name.clone()];
        // `PASS: a test`, as test runners report; and prose about an option: `--password and --user`.
        let reported = name == b"PASS" && text.get(assignment.name.end) == Some(&b':');
        let prose = assignment.form == Form::Option && value.iter().all(|b| b.is_ascii_lowercase() || *b == b'-');
        if reported || prose {
            return Ok(());
        }
        if is_about(&text[hit.end..assignment.name.end])
            || self.except.iter().any(|word| holds(name, word.as_bytes()))
            || !self.fits(value)?
        {
            return Ok(());
        }
        // `password = "password"`: the name again.
        if value.eq_ignore_ascii_case(name) || value.eq_ignore_ascii_case(&text[hit]) {
            return Ok(());
        }
        self.judge.candidate(text, assignment.value, found)
    }

    fn look(&self, _: &[u8], _: Range<usize>, _: &mut Vec<Candidate>) -> Result<(), Unusable> {
        Ok(())
    }

    fn compile(&self) -> Result<(), (&'static str, String)> {
        if let Some(expression) = &self.value {
            whole(expression).map_err(|e| ("value", e.to_string()))?;
        }
        self.judge.compile()
    }
}

#[cfg(test)]
mod tests {
    use super::is_about;

    #[test]
    fn a_name_that_is_about_a_secret_is_told_from_its_own() {
        for about in ["_length", "Type", "_file_path", ".url", "_ID", "Id2", "ExpiryDate"] {
            assert!(is_about(about.as_bytes()), "{about}");
        }
        for own in ["", "1", "_prod", "Value", "_for_db", "_key"] {
            assert!(!is_about(own.as_bytes()), "{own}");
        }
    }
}
