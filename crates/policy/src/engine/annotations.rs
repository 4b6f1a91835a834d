//! What the authors of a policy say about it: OPA's `# METADATA` comments
//! (<https://www.openpolicyagent.org/docs/policy-language#metadata>).
//!
//! A block begins with a line `# METADATA` and goes on to the last comment line after it; its text is YAML. It speaks of
//! the statement that follows: `scope: package` or `subpackages` before `package`, else `rule` or `document`. We read the
//! standard fields as they are and one of our own, `custom.controls`, which names the controls that a rule serves.

use std::collections::BTreeMap;

use countersign_model::Place;
use serde_json::{Map, Value, json};

/// One block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Annotation {
    /// What it speaks of: `["data", "main", "deny"]`, or a package.
    pub path: Vec<String>,
    /// `rule`, `document`, `package` or `subpackages`.
    pub scope: String,
    /// The fields, with `scope`, and authors as objects, as OPA has them.
    pub fields: Map<String, Value>,
    /// Where the block begins.
    pub place: Place,
    /// The line of the statement that follows.
    pub line: u32,
}

impl Annotation {
    /// The controls that it names under `custom.controls`.
    #[must_use]
    pub fn controls(&self) -> Vec<String> {
        let listed = self.fields.get("custom").and_then(|c| c.get("controls")).and_then(Value::as_array);
        listed.into_iter().flatten().filter_map(|c| c.as_str().map(str::to_owned)).collect()
    }
}

/// The annotations of a set of modules.
#[derive(Debug, Clone, Default)]
pub struct Annotations {
    /// Every block, in the order of files and lines.
    pub all: Vec<Annotation>,
    /// Blocks that cannot be read, with the reason.
    pub errors: Vec<(Place, String)>,
    /// The statements of each file.
    statements: BTreeMap<String, Vec<Statement>>,
}

/// A rule in a file.
#[derive(Debug, Clone)]
struct Statement {
    line: u32,
    /// The length of the package's part of the path.
    package: usize,
    path: Vec<String>,
}

impl Annotations {
    /// Reads a module.
    pub fn read(&mut self, file: &str, text: &str) {
        let mut package = vec!["data".to_owned()];
        let mut block: Option<(u32, String)> = None;
        let mut pending: Vec<(u32, String)> = Vec::new();
        for (i, line) in text.lines().enumerate() {
            let number = u32::try_from(i + 1).unwrap_or(u32::MAX);
            let trimmed = line.trim_start();
            if let Some(comment) = trimmed.strip_prefix('#') {
                if comment.trim() == "METADATA" {
                    pending.extend(block.take());
                    block = Some((number, String::new()));
                } else if let Some((_, yaml)) = &mut block {
                    yaml.push_str(comment.strip_prefix(' ').unwrap_or(comment));
                    yaml.push('\n');
                }
                continue;
            }
            if trimmed.is_empty() {
                // An empty line ends the block, but not its claim to the next statement.
                pending.extend(block.take());
                continue;
            }
            // Statements begin at the margin; what is indented belongs to one.
            if line.len() != trimmed.len() || trimmed.starts_with(['}', ')', ']']) || trimmed.starts_with("else") {
                continue;
            }
            pending.extend(block.take());
            let path = if let Some(name) = trimmed.strip_prefix("package ") {
                package.truncate(1);
                package.extend(names(name));
                package.clone()
            } else if trimmed.starts_with("import ") {
                continue;
            } else {
                let head = trimmed.strip_prefix("default ").unwrap_or(trimmed);
                package.iter().cloned().chain(names(head)).collect()
            };
            let rule = path.len() > package.len();
            if rule {
                let statement = Statement { line: number, package: package.len(), path: path.clone() };
                self.statements.entry(file.to_owned()).or_default().push(statement);
            }
            for (at, yaml) in pending.drain(..) {
                self.block(file, at, &yaml, path.clone(), rule, number);
            }
        }
    }

    fn block(&mut self, file: &str, at: u32, yaml: &str, path: Vec<String>, rule: bool, line: u32) {
        let place = Place { file: file.to_owned(), line: Some(at), column: None };
        let mut fields = match serde_saphyr::from_str::<Value>(yaml) {
            Ok(Value::Object(fields)) => fields,
            Ok(_) => return self.errors.push((place, "metadata is a map of names to values".to_owned())),
            Err(e) => {
                let message = e.without_snippet().to_string();
                let message = message.lines().next().unwrap_or("no YAML").to_owned();
                return self.errors.push((place, format!("metadata is not YAML: {message}")));
            }
        };
        let usual = if rule { "rule" } else { "package" };
        let scope = fields.get("scope").and_then(Value::as_str).unwrap_or(usual).to_owned();
        let fits = if rule { ["rule", "document"] } else { ["package", "subpackages"] };
        if !fits.contains(&scope.as_str()) {
            return self.errors.push((place, format!("the scope `{scope}` does not fit what follows")));
        }
        fields.insert("scope".to_owned(), Value::from(scope.as_str()));
        if let Some(Value::Array(authors)) = fields.get_mut("authors") {
            for author in authors {
                if let Value::String(text) = author {
                    *author = self::author(text);
                }
            }
        }
        self.all.push(Annotation { path, scope, fields, place, line });
    }

    /// The rule that holds a line of a file.
    fn rule_at(&self, file: &str, line: u32) -> Option<&Statement> {
        self.statements.get(file)?.iter().take_while(|s| s.line <= line).last()
    }

    /// What `rego.metadata.rule()` says at a line of a file: the fields of the rule's own block, or an empty object.
    pub(super) fn rule(&self, file: &str, line: u32) -> Value {
        let Some(rule) = self.rule_at(file, line) else { return json!({}) };
        let own = |a: &&Annotation| a.place.file == file && a.line == rule.line && a.scope == "rule";
        self.all.iter().find(own).map_or_else(|| json!({}), |a| Value::Object(a.fields.clone()))
    }

    /// What `rego.metadata.chain()` says at a line of a file: the blocks from the rule outwards.
    pub(super) fn chain(&self, file: &str, line: u32) -> Value {
        let Some(Statement { line, package, path }) = self.rule_at(file, line) else { return json!([]) };
        let shown = |path: &[String]| path.get(1..).unwrap_or_default().to_vec();
        let entry = |a: &Annotation| json!({"path": shown(&a.path), "annotations": a.fields});
        let rule = self.all.iter().find(|a| a.place.file == file && a.line == *line && a.scope == "rule");
        let mut chain = vec![rule.map_or_else(|| json!({"path": shown(path)}), entry)];
        let about = |scope: &'static str, path: Vec<String>| {
            self.all.iter().filter(move |a| a.scope == scope && a.path == path).map(entry)
        };
        chain.extend(about("document", path.clone()));
        chain.extend(about("package", path.get(..*package).unwrap_or_default().to_vec()));
        for length in (2..=*package).rev() {
            chain.extend(about("subpackages", path.get(..length).unwrap_or_default().to_vec()));
        }
        Value::Array(chain)
    }
}

/// `Jane Doe <jane@example.com>`, or one of both.
fn author(text: &str) -> Value {
    let (name, email) = match text.split_once('<') {
        Some((name, rest)) => (name.trim(), rest.trim_end_matches('>').trim()),
        None => (text.trim(), ""),
    };
    let fields = [("name", name), ("email", email)].into_iter().filter(|(_, v)| !v.is_empty());
    Value::Object(fields.map(|(k, v)| (k.to_owned(), Value::from(v))).collect())
}

/// The names at the start of a statement: `a.b["c"].d`.
fn names(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut rest = text;
    loop {
        let end = rest.find(|c: char| c != '_' && !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        if name.is_empty() {
            return out;
        }
        out.push(name.to_owned());
        rest = after;
        while let Some((quoted, after)) = rest.strip_prefix("[\"").and_then(|r| r.split_once("\"]")) {
            out.push(quoted.to_owned());
            rest = after;
        }
        match rest.strip_prefix('.') {
            Some(after) => rest = after,
            None => return out,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# METADATA\n# title: whole\n# custom:\n#   controls: [a]\npackage x.y\n\nimport data.z\n\n\
        # METADATA\n# scope: document\n# title: both\n\n# METADATA\n# title: first\n# authors: [\"J D <j@e.org>\"]\n\
        p.q contains 1 if {\n\ttrue\n}\n\n# only a comment\np.q contains 2\n";

    #[test]
    fn blocks_belong_to_the_statement_after_them() {
        let mut annotations = Annotations::default();
        annotations.read("a.rego", TEXT);
        assert_eq!(annotations.errors, []);
        let told: Vec<(String, &str, u32)> =
            annotations.all.iter().map(|a| (a.path.join("."), a.scope.as_str(), a.line)).collect();
        assert_eq!(
            told,
            [
                ("data.x.y".to_owned(), "package", 5),
                ("data.x.y.p.q".to_owned(), "document", 16),
                ("data.x.y.p.q".to_owned(), "rule", 16)
            ]
        );
        assert_eq!(annotations.all[0].controls(), ["a"]);
        assert_eq!(annotations.rule("a.rego", 17)["authors"], json!([{"name": "J D", "email": "j@e.org"}]));
        assert_eq!(annotations.rule("a.rego", 21), json!({}));
        let chain = annotations.chain("a.rego", 21);
        let titles: Vec<_> = chain.as_array().unwrap().iter().map(|e| e["annotations"]["title"].clone()).collect();
        assert_eq!(titles, [Value::Null, json!("both"), json!("whole")]);
    }

    #[test]
    fn what_is_no_metadata_is_told() {
        for (yaml, message) in [("a: [", "not YAML"), ("- a", "a map"), ("scope: package", "does not fit")] {
            let mut annotations = Annotations::default();
            annotations.read("a.rego", &format!("package a\n\n# METADATA\n# {yaml}\np := 1\n"));
            let [(place, error)] = &annotations.errors[..] else { panic!("{yaml}") };
            assert!(error.contains(message), "{yaml}: {error}");
            assert_eq!(place.line, Some(3));
        }
    }
}
