//! Tries rule files: what they say, and whether their examples do what they should.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use countersign_model::{Confidence, Diagnostic as _, Place, TreePath};

use super::{Matching, Rule, RuleSet, read};
use crate::engine::{FileResult, Scanner};
use crate::{Error, foreign};

/// What a field of a new rule begins with until somebody has written it.
const UNWRITTEN: &str = "WRITE:";

/// Something that is wrong with a rule file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    /// Where.
    pub place: Place,
    /// The code of the error, where it is one.
    pub code: Option<&'static str>,
    /// What.
    pub what: String,
    /// How to put it right, where that can be said.
    pub help: Option<String>,
}

/// What came of trying rule files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RuleCheck {
    /// How many files were read.
    pub files: usize,
    /// How many rules are in them.
    pub rules: usize,
    /// What is wrong with them, in the order of the files.
    pub complaints: Vec<Complaint>,
}

/// Tries the rule files at `paths`, files or directories. A rule of this program must have examples that do what they
/// should: failing ones among all built-in rules, passing ones by the rule alone. Another tool's rules must compile.
///
/// # Errors
/// When a path cannot be read. What is wrong with a file is a complaint.
pub fn check_rules(paths: &[PathBuf]) -> Result<RuleCheck, Error> {
    let mut check = RuleCheck::default();
    let mut own: Vec<(String, String)> = Vec::new();
    for path in paths {
        for (file, text) in read::files(path)? {
            check.files += 1;
            match foreign::read(Path::new(&file), &text) {
                Some(Ok(theirs)) => {
                    check.rules += theirs.rules.len();
                    let compiled = theirs.rules.iter().map(|rule| read::detector(&file, "", rule, false).map(|_| ()));
                    check.complaints.extend(compiled.filter_map(Result::err).map(|e| complaint(&e, &file)));
                }
                Some(Err(e)) => check.complaints.push(complaint(&e, &file)),
                None => match RuleSet::from_files([(file.as_str(), text.as_str())]) {
                    Ok(_) => own.push((file, text)),
                    Err(e) => check.complaints.push(complaint(&e, &file)),
                },
            }
        }
    }
    check.rules += own.len();
    let all = match RuleSet::with_files(&own) {
        Ok(all) => all,
        Err(e) => {
            check.complaints.push(complaint(&e, ""));
            return Ok(check);
        }
    };
    for (file, text) in &own {
        check.complaints.extend(one(&all, file, text)?);
    }
    Ok(check)
}

fn complaint(error: &Error, file: &str) -> Complaint {
    let mut what = error.to_string();
    if let Some(source) = std::error::Error::source(error) {
        // The reader's text may have several lines; the first says what is wrong.
        what.push_str(": ");
        what.push_str(source.to_string().lines().next().unwrap_or_default());
    }
    let place = error.place().unwrap_or_else(|| Place::file(file.to_owned()));
    Complaint { place, code: Some(error.code()), what, help: Some(error.help()) }
}

/// What is wrong with one rule, which compiles.
fn one(all: &RuleSet, file: &str, text: &str) -> Result<Vec<Complaint>, Error> {
    let alone = RuleSet::from_files([(file, text)])?;
    let Some(rule) = alone.rules().first() else { return Ok(Vec::new()) };
    let mut wrong = Vec::new();
    let mut say = |key: &str, what: String| {
        let place = Place { file: file.to_owned(), line: read::line_of(text, key), column: None };
        wrong.push(Complaint { place, code: None, what, help: None });
    };
    let name = file.replace('\\', "/");
    let stem = name.rsplit_once('.').map_or(name.as_str(), |(stem, _)| stem);
    if stem != rule.id && !stem.ends_with(&format!("/{}", rule.id)) {
        say("id", format!("the id `{}` is not the path of its file below the directory of rules", rule.id));
    }
    for (key, field) in [("title", &rule.title), ("why", &rule.why), ("text", &rule.fix.text)] {
        if field.trim_start().starts_with(UNWRITTEN) {
            say(key, format!("`{key}` is still to be written"));
        }
    }
    if rule.references.is_empty() || rule.references.iter().any(|r| r.starts_with(UNWRITTEN)) {
        say("references", "it has no reference: where did you learn what the value looks like?".into());
    }
    if rule.controls.is_empty() {
        say("controls", "it serves no control".into());
    }
    for (key, examples) in [("fail", &rule.examples.fail), ("pass", &rule.examples.pass)] {
        if examples.is_empty() {
            say(key, format!("it needs a {key}ing example"));
        }
    }
    let path = example_path(&rule.kinds);
    // Rules of the other families are come upon by what a value is made of, not by words alone.
    let (keywords, names_proof): (&[String], bool) = match &rule.matching {
        Some(Matching::Secret(m)) => (if m.names.is_empty() { &m.keywords } else { &m.names }, m.proof.is_some()),
        _ => (&[], false),
    };
    let scanner = Scanner::new(all, &[0; 32]);
    let mut proven = false;
    for (n, example) in rule.examples.fail.iter().enumerate() {
        let lower = example.to_ascii_lowercase();
        if !keywords.is_empty() && !keywords.iter().any(|k| lower.contains(&k.to_ascii_lowercase())) {
            say("fail", format!("no keyword is in failing example {}", n + 1));
        }
        let sure = found(&scanner, rule, &path, example);
        if sure.is_empty() {
            say(
                "fail",
                match winner(&scanner, &path, example) {
                    Some(other) => {
                        format!("failing example {} gives a finding of `{other}`, which goes before this rule", n + 1)
                    }
                    None => format!("failing example {} gives no finding", n + 1),
                },
            );
        }
        proven |= sure.contains(&Confidence::Certain);
    }
    if names_proof && !proven && !rule.examples.fail.is_empty() {
        say("proof", "no failing example holds the proof that it names".into());
    }
    let scanner = Scanner::new(&alone, &[0; 32]);
    for (n, example) in rule.examples.pass.iter().enumerate() {
        if !found(&scanner, rule, &path, example).is_empty() {
            say("pass", format!("passing example {} gives a finding", n + 1));
        }
    }
    Ok(wrong)
}

/// How sure each finding of `rule` in `text` is.
fn found(scanner: &Scanner<'_>, rule: &Rule, path: &TreePath, text: &str) -> Vec<Confidence> {
    match scanner.scan_bytes(path, text.as_bytes()) {
        FileResult::Text { matches, .. } => {
            matches.iter().filter(|m| scanner.rules().rule(m.rule).id == rule.id).map(|m| m.confidence).collect()
        }
        FileResult::Binary { .. } => Vec::new(),
    }
}

/// Another rule that has a finding there.
fn winner(scanner: &Scanner<'_>, path: &TreePath, text: &str) -> Option<String> {
    match scanner.scan_bytes(path, text.as_bytes()) {
        FileResult::Text { matches, .. } => matches.first().map(|m| scanner.rules().rule(m.rule).id.clone()),
        FileResult::Binary { .. } => None,
    }
}

/// A path at which a rule with these `kinds` looks: the first of them, its wildcards replaced by plain names.
#[must_use]
pub fn example_path(kinds: &[String]) -> TreePath {
    let Some(kind) = kinds.iter().find(|k| !k.starts_with('!')) else { return TreePath::from_text("example.txt") };
    let mut path = kind.replace("**/", "").replace("**", "a").replace('*', "a");
    while let (Some(open), Some(close)) = (path.find('{'), path.find('}')) {
        if close < open {
            break;
        }
        let first = path[open + 1..close].split(',').next().unwrap_or_default().to_owned();
        path.replace_range(open..=close, &first);
    }
    TreePath::from_bytes(path)
}

/// The text of a new rule file for `id`, which finds values by the name they are assigned to and whose examples do what
/// they should. What only a person can write begins with `WRITE:`, and [`check_rules`] complains until it is written.
#[must_use]
pub fn rule_skeleton(id: &str) -> String {
    let name = id.rsplit('/').next().unwrap_or(id);
    let words: Vec<&str> = name.split('-').filter(|w| !w.is_empty()).collect();
    let forms: BTreeMap<String, ()> = ["_", "-", ""].map(|joint| (words.join(joint), ())).into();
    let names: Vec<&str> = forms.keys().map(String::as_str).collect();
    let (snake, title) = (words.join("_"), words.join(" "));
    let value = made_up(id);
    let upper = snake.to_ascii_uppercase();
    format!(
        r#"id: {id}
title: {title}
family: secrets
severity: high                # info, low, medium, high, critical: how bad, when it is real
confidence: medium            # low, medium, high, certain: how sure, before any proof
stages: [commit, build]
controls: [secrets-out-of-source]
cwe: [CWE-798]
why: >
  WRITE: what somebody else can do with this very value, in two or three sentences.
fix:
  text: >
    WRITE: how to revoke it where it comes from, first; then how to rotate it, and where to keep it instead.
references: ["WRITE: the page that says what the value looks like"]
match:
  # By name, as here; or, where the value itself is unmistakable, `keywords` and `regex`. rules/README.md has all keys.
  names: [{names}]
  entropy: 3.0
examples:
  fail:
    - '{snake} = "{value}"'   # made up
  pass:
    - '{snake} = "YOUR_{upper}"'
    - '{snake} = os.environ["{upper}"]'
"#,
        names = names.join(", ")
    )
}

/// A value that looks drawn at random, is the same for the same id, and opens nothing.
fn made_up(id: &str) -> String {
    const LETTERS: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let digest = countersign_model::Digest::of(format!("countersign/made-up/{id}").as_bytes());
    digest.as_bytes().iter().map(|b| char::from(LETTERS[usize::from(*b) % LETTERS.len()])).collect()
}
