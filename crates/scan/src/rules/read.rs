//! Reads one rule file and says precisely what is wrong with it.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::value::RawValue;

use super::file::{Matching, RuleFile};
use crate::Error;
use crate::family::{self, Detector};
use crate::pii::{self, Kind};
use crate::rules::{PiiMatch, Rule, SecretMatch};
use crate::secrets::{Filter, MAX_NEAR, MAX_WINDOW, Proof};

/// The families there are: the folders of `rules/`.
const FAMILIES: [&str; 2] = ["pii", "secrets"];

/// No rule file is larger; one that is cannot have been meant as one.
const MAX_FILE: u64 = 1024 * 1024;

/// Only the family, which says how the rest is to be read.
#[derive(Deserialize)]
struct FamilyOf {
    family: String,
}

/// Parses `text` as the rule file `file` and checks everything that needs no regular expression compiled.
pub(super) fn parse(file: &str, text: &str) -> Result<Rule, Error> {
    let family = yaml::<FamilyOf>(file, text)?.family;
    let rule = match family.as_str() {
        "pii" => yaml::<RuleFile<PiiMatch>>(file, text)?.rule(Matching::Pii),
        "secrets" => yaml::<RuleFile<SecretMatch>>(file, text)?.rule(Matching::Secret),
        _ => {
            let why = format!("no family is called `{family}`; known: {}", FAMILIES.join(", "));
            let id = String::new();
            return Err(Error::RuleContent { file: file.into(), line: line_of(text, "family"), id, why });
        }
    };
    check(file, text, &rule)?;
    Ok(rule)
}

/// A built-in rule, which the build has turned from YAML into JSON; a test holds the two against each other.
pub(super) fn built_in(file: &str, json: &RawValue) -> Result<Rule, Error> {
    let broken = |e: serde_json::Error| Error::RuleContent {
        file: file.into(),
        line: None,
        id: String::new(),
        why: e.to_string(),
    };
    // The folder is the family, which the test of all rules holds against the file.
    let family = file.split('/').nth(1).unwrap_or_default();
    match family {
        "pii" => serde_json::from_str::<RuleFile<PiiMatch>>(json.get()).map(|r| r.rule(Matching::Pii)),
        "secrets" => serde_json::from_str::<RuleFile<SecretMatch>>(json.get()).map(|r| r.rule(Matching::Secret)),
        other => Err(serde::de::Error::custom(format!("no family is called `{other}`"))),
    }
    .map_err(broken)
}

fn yaml<T: serde::de::DeserializeOwned>(file: &str, text: &str) -> Result<T, Error> {
    let options = serde_saphyr::options! { with_snippet: false };
    serde_saphyr::from_str_with_options(text, options).map_err(|e| syntax(file, e))
}

fn syntax(file: &str, error: serde_saphyr::Error) -> Error {
    let place = error.location();
    let line = place.as_ref().and_then(|l| u32::try_from(l.line()).ok()).filter(|l| *l > 0);
    let column = place.as_ref().and_then(|l| u32::try_from(l.column()).ok()).filter(|c| *c > 0);
    match error.without_snippet() {
        serde_saphyr::Error::SerdeUnknownField { field, expected, .. } => {
            let nearest = nearest(field, expected);
            Error::RuleKey { file: file.into(), line, column, key: field.clone(), nearest }
        }
        _ => Error::RuleSyntax { file: file.into(), line, column, source: Box::new(error) },
    }
}

/// The known key that a mistyped one most likely means; `None` when nothing is near.
fn nearest(key: &str, known: &[&'static str]) -> Option<&'static str> {
    known
        .iter()
        .map(|k| (strsim::damerau_levenshtein(key, k), *k))
        .filter(|(distance, k)| *distance <= (k.len() / 2).max(1))
        .min()
        .map(|(_, k)| k)
}

fn check(file: &str, text: &str, rule: &Rule) -> Result<(), Error> {
    let wrong = |key: &str, why: String| {
        Err(Error::RuleContent { file: file.into(), line: line_of(text, key), id: rule.id.clone(), why })
    };
    if !is_id(&rule.id) {
        return wrong("id", "an id is two or more words of a-z, 0-9 and `-`, joined by `/`".into());
    }
    if rule.id.split('/').next() != Some(rule.family.as_str()) {
        return wrong("id", format!("the id must begin with the family: `{}/`", rule.family));
    }
    if rule.stages.is_empty() {
        return wrong("stages", "a rule without a stage counts nowhere".into());
    }
    for (key, value) in [("title", &rule.title), ("why", &rule.why), ("text", &rule.fix.text)] {
        if value.trim().is_empty() {
            return wrong(key, format!("`{key}` is empty"));
        }
    }
    for glob in &rule.kinds {
        if let Err(e) = globset::Glob::new(glob.strip_prefix('!').unwrap_or(glob)) {
            return wrong("kinds", format!("`{glob}` is no glob: {}", e.kind()));
        }
    }
    match &rule.matching {
        Some(Matching::Secret(m)) => {
            secret(m, rule.kinds.iter().any(|k| !k.starts_with('!'))).or_else(|(key, why)| wrong(key, why))
        }
        // Its own reader has checked it.
        Some(Matching::Foreign(_)) => Ok(()),
        Some(Matching::Pii(m)) => personal(m).or_else(|(key, why)| wrong(key, why)),
        None => wrong("match", "`match` is missing".into()),
    }
}

/// What makes no sense in the `match` of a rule of the family `secrets`: the key, and why.
fn secret(m: &SecretMatch, limited: bool) -> Result<(), (&'static str, String)> {
    let wrong = |key, why: String| Err((key, why));
    match (m.keywords.is_empty(), m.names.is_empty()) {
        // In a few files, whatever they say, an expression may look at everything.
        (true, true) if m.regex.is_some() && limited => {}
        (true, true) => return wrong("match", "at least one of `keywords` (with `regex`) or `names` is needed".into()),
        (false, false) => return wrong("names", "a rule has `keywords` and `regex`, or `names`, not both".into()),
        (false, true) if m.regex.is_none() => return wrong("keywords", "`regex` is missing".into()),
        (true, false) if m.regex.is_some() => {
            return wrong("regex", "`names` go with `value`, not with `regex`".into());
        }
        (false, true) if m.value.is_some() => return wrong("value", "`value` goes with `names`".into()),
        (false, true) if !m.except.is_empty() => return wrong("except", "`except` goes with `names`".into()),
        (_, false) if !m.quoted && !m.unquoted => return wrong("quoted", "no value is left".into()),
        (false, true) if !m.quoted => return wrong("quoted", "`quoted` goes with `names`".into()),
        (false, true) if m.unquoted => return wrong("unquoted", "`unquoted` goes with `names`".into()),
        _ => {}
    }
    for (key, words) in [("keywords", &m.keywords), ("names", &m.names), ("except", &m.except)] {
        if let Some(bad) = words.iter().find(|k| k.len() < 2 || !k.is_ascii()) {
            return wrong(key, format!("`{bad}`: such words are ASCII and at least two characters long"));
        }
    }
    if let Some(near) = &m.near {
        if near.words.is_empty() || near.words.iter().any(|w| w.len() < 2 || !w.is_ascii()) {
            return wrong("near", "`near` needs ASCII `words` of at least two characters".into());
        }
        if near.lines > MAX_NEAR {
            return wrong("lines", format!("at most {MAX_NEAR} lines"));
        }
    }
    if !(1..=MAX_WINDOW).contains(&m.window) {
        return wrong("window", format!("a window is 1 to {MAX_WINDOW} bytes"));
    }
    if m.entropy.is_some_and(|e| !(0.0..=8.0).contains(&e)) {
        return wrong("entropy", "entropy is 0 to 8 bits a character".into());
    }
    for name in m.filters.iter().flatten() {
        if Filter::named(name).is_none() {
            let known: Vec<_> = Filter::ALL.iter().map(|f| f.name()).collect();
            return wrong("filters", format!("no filter is called `{name}`; known: {}", known.join(", ")));
        }
    }
    match m.proof.as_deref() {
        Some(name) if Proof::named(name).is_none() => {
            let known: Vec<_> = Proof::ALL.iter().map(|p| p.name()).collect();
            wrong("proof", format!("no proof is called `{name}`; known: {}", known.join(", ")))
        }
        None if m.proof_required => wrong("proof_required", "no `proof` is named".into()),
        _ => Ok(()),
    }
}

/// What makes no sense in the `match` of a rule of the family `pii`: the key, and why.
fn personal(m: &PiiMatch) -> Result<(), (&'static str, String)> {
    let wrong = |key, why: String| Err((key, why));
    let kind = |key, name: &str| {
        Kind::named(name).ok_or_else(|| {
            let known: Vec<_> = Kind::ALL.iter().map(|k| k.name()).collect();
            (key, format!("no detector is called `{name}`; known: {}", known.join(", ")))
        })
    };
    let detector = match (&m.detector, m.together.is_empty()) {
        (Some(name), true) => Some(kind("detector", name)?),
        (None, false) => None,
        _ => return wrong("match", "either `detector` or `together` is needed".into()),
    };
    if let Some(bad) = m.context.iter().find(|k| k.len() < 2 || !k.is_ascii()) {
        return wrong("context", format!("`{bad}`: such words are ASCII and at least two characters long"));
    }
    let columns = m.together.iter().flat_map(|t| &t.columns).chain(&m.columns);
    if let Some(bad) = columns.clone().find(|c| !c.is_ascii() || !c.bytes().any(|b| b.is_ascii_alphanumeric())) {
        return wrong("columns", format!("`{bad}`: the name of a column is ASCII and has a letter or digit"));
    }
    for name in m.together.iter().flat_map(|t| &t.detectors) {
        kind("detectors", name)?;
    }
    if m.at_least == Some(0) {
        return wrong("at_least", "at least 1".into());
    }
    match detector {
        None => {
            if m.together.len() < 2 || m.together.iter().any(|t| t.columns.is_empty() && t.detectors.is_empty()) {
                return wrong("together", "two or more, each with `columns` or `detectors`".into());
            }
            if !m.context.is_empty() || !m.columns.is_empty() || m.beside.is_some() || m.loose {
                return wrong("together", "it goes with `at_least` and `test_values` only".into());
            }
        }
        Some(detector) => {
            let name = detector.name();
            if detector.is_public() {
                return wrong("detector", format!("`{name}` is public or says nothing alone; use it in `together`"));
            }
            if pii::is_only_in_columns(detector) && m.columns.is_empty() {
                return wrong("detector", format!("`{name}` needs `columns`: alone it says nothing"));
            }
            if !pii::is_only_in_columns(detector) && m.context.is_empty() && pii::needs_words(detector) {
                return wrong("detector", format!("`{name}` needs `context`: other things look the same"));
            }
        }
    }
    if m.lines > MAX_NEAR {
        return wrong("lines", format!("at most {MAX_NEAR} lines"));
    }
    if let Some(other) = &m.beside
        && !kind("beside", other)?.is_in_runs()
    {
        return wrong("beside", format!("`{other}` cannot be looked for beside another value"));
    }
    Ok(())
}

/// The detector of `rule`, which came from `file`.
///
/// What comes from outside is compiled at once, so that a broken expression is told before a scan begins. What is built
/// in is compiled when it is first needed; a test compiles all of it.
pub(super) fn detector(file: &str, text: &str, rule: &Rule, built_in: bool) -> Result<Box<dyn Detector>, Error> {
    let wrong = |(key, why): (&str, String)| Error::RuleContent {
        file: file.into(),
        line: line_of(text, key),
        id: rule.id.clone(),
        why,
    };
    let detector = family::detector(rule).ok_or_else(|| wrong(("match", "`match` is missing".into())))?;
    if !built_in {
        detector.compile().map_err(wrong)?;
    }
    Ok(detector)
}

fn is_id(id: &str) -> bool {
    id.contains('/')
        && id.split('/').all(|word| {
            !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        })
}

/// The first line on which `key:` stands.
pub(super) fn line_of(text: &str, key: &str) -> Option<u32> {
    text.lines()
        .position(|l| l.trim_start().trim_start_matches("- ").strip_prefix(key).is_some_and(|r| r.starts_with(':')))
        .and_then(|n| u32::try_from(n + 1).ok())
}

/// Every rule file at `path` (a file, or a directory and everything below it) with its text, sorted by path.
pub(super) fn files(path: &Path) -> Result<Vec<(String, String)>, Error> {
    let fault = |at: &Path, source: io::Error| Error::RulePath { path: at.to_path_buf(), source };
    let mut names = Vec::new();
    if std::fs::metadata(path).map_err(|e| fault(path, e))?.is_dir() {
        list(path, &mut names).map_err(|(at, e)| fault(&at, e))?;
        names.sort();
    } else {
        names.push(path.to_path_buf());
    }
    names.into_iter().map(|p| read(&p).map(|text| (p.display().to_string(), text)).map_err(|e| fault(&p, e))).collect()
}

/// Lists rule files below `dir` without recursion, for a directory tree may be as deep as somebody likes.
/// Links are not followed: a rule directory is what it shows.
fn list(dir: &Path, out: &mut Vec<PathBuf>) -> Result<(), (PathBuf, io::Error)> {
    let mut todo = vec![dir.to_path_buf()];
    while let Some(dir) = todo.pop() {
        for entry in std::fs::read_dir(&dir).map_err(|e| (dir.clone(), e))? {
            let entry = entry.map_err(|e| (dir.clone(), e))?;
            let kind = entry.file_type().map_err(|e| (entry.path(), e))?;
            let path = entry.path();
            if kind.is_dir() {
                todo.push(path);
            } else if kind.is_file() && path.extension().is_some_and(|e| e == "yaml" || e == "yml" || e == "toml") {
                out.push(path);
            }
        }
    }
    Ok(())
}

fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(MAX_FILE + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MAX_FILE {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "a rule file is at most 1 MiB"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "\
id: secrets/one
title: One
family: secrets
severity: high
confidence: high
stages: [commit]
controls: [secrets-out-of-source]
why: because
fix:
  text: rotate
match:
  keywords: [one_]
  regex: 'one_[a-z]{4}'
examples:
  fail: [one_abcd]
  pass: [one]
";

    #[test]
    fn a_good_file_is_a_rule() {
        let rule = parse("x.yaml", GOOD).unwrap();
        assert!(matches!(rule.matching, Some(Matching::Secret(m)) if m.window == 256));
    }

    #[test]
    fn an_unknown_key_names_line_and_nearest() {
        let error = parse("x.yaml", &GOOD.replace("keywords:", "keyword:")).unwrap_err();
        match error {
            Error::RuleKey { line, key, nearest, .. } => {
                assert_eq!((line, key.as_str(), nearest), (Some(12), "keyword", Some("keywords")));
            }
            other => panic!("{other:?}"),
        }
        assert!(matches!(
            parse("x.yaml", &format!("{GOOD}zzzzzzzzzz: 1\n")),
            Err(Error::RuleKey { nearest: None, line: Some(17), .. })
        ));
    }

    #[test]
    fn broken_yaml_and_missing_keys_name_the_file() {
        for text in ["id: [", "", "id: secrets/one\n", &GOOD.replace("severity: high", "severity: hihg")] {
            let error = parse("x.yaml", text).unwrap_err();
            assert!(matches!(&error, Error::RuleSyntax { file, .. } if file == "x.yaml"), "{error:?}");
        }
    }

    #[test]
    fn content_that_makes_no_rule_names_the_line() {
        for (from, to, line) in [
            ("secrets/one", "One", 1),
            ("family: secrets", "family: magic", 3),
            ("[one_]", "[]", 11),
            ("[one_]", "[ö_]", 12),
            ("stages: [commit]", "stages: []", 6),
            ("  regex:", "  proof: magic\n  regex:", 13),
            ("  regex:", "  window: 0\n  regex:", 13),
            ("  regex:", "  entropy: 9\n  regex:", 13),
            ("  regex:", "  proof_required: true\n  regex:", 13),
            ("stages: [commit]", "stages: [commit]\nkinds: ['[']", 7),
        ] {
            match parse("x.yaml", &GOOD.replacen(from, to, 1)) {
                Err(Error::RuleContent { line: l, .. }) => assert_eq!(l, Some(line), "{to}"),
                other => panic!("{to}: {other:?}"),
            }
        }
    }

    #[test]
    fn a_rule_for_personal_data_that_makes_none_names_the_line() {
        let good = GOOD.replace("secrets/one", "pii/one").replace("family: secrets", "family: pii").replace(
            "  keywords: [one_]\n  regex: 'one_[a-z]{4}'",
            "  detector: ssn\n  context: [ssn]\n  columns: [ssn]",
        );
        assert!(matches!(parse("x.yaml", &good).unwrap().matching, Some(Matching::Pii(_))));
        for (from, to, line) in [
            ("detector: ssn", "detector: magic", 12),
            ("detector: ssn", "detector: isin", 12),
            ("detector: ssn", "detector: phone\n  lines: 1", 0),
            ("  detector: ssn\n", "", 11),
            ("  context: [ssn]\n", "", 12),
            ("context: [ssn]", "context: [ß]", 13),
            ("columns: [ssn]", "columns: ['--']", 14),
            ("columns: [ssn]", "at_least: 0", 14),
            ("columns: [ssn]", "lines: 21", 14),
            ("columns: [ssn]", "beside: vat", 14),
            ("columns: [ssn]", "beside: magic", 14),
            ("detector: ssn\n  context: [ssn]\n  columns: [ssn]", "together: [{columns: [a]}]", 12),
            ("detector: ssn\n  context: [ssn]\n  columns: [ssn]", "together: [{columns: [a]}, {}]", 12),
            ("detector: ssn\n  context: [ssn]", "together: [{columns: [a]}, {columns: [b]}]", 12),
            ("detector: ssn\n  context: [ssn]\n  columns: [ssn]", "together: [{columns: [a]}, {detectors: [x]}]", 0),
        ] {
            let text = good.replacen(from, to, 1);
            match (parse("x.yaml", &text), line) {
                (Ok(_), 0) => {}
                // Inside a list in one line there is no line of its own.
                (Err(Error::RuleContent { line: None, why, .. }), 0) => assert!(why.contains("known"), "{to}"),
                (Err(Error::RuleContent { line: l, .. }), _) => assert_eq!(l, Some(line), "{to}"),
                (other, _) => panic!("{to}: {other:?}"),
            }
        }
        assert!(matches!(
            parse("x.yaml", &good.replace("columns:", "colums:")),
            Err(Error::RuleKey { nearest: Some("columns"), line: Some(14), .. })
        ));
    }
}
