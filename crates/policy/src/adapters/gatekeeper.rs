//! Gatekeeper's convention: constraint templates and constraints
//! (<https://open-policy-agent.github.io/gatekeeper>).

use std::collections::BTreeMap;
use std::path::Path;

use countersign_model::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Found, Judged, Level, members, read, text_of};
use crate::Error;
use crate::engine::outline::outline;
use crate::engine::{Options, Program};

/// Templates, and the constraints that use them.
#[derive(Debug)]
pub struct Gatekeeper {
    templates: BTreeMap<String, Template>,
    constraints: Vec<Constraint>,
}

#[derive(Debug)]
struct Template {
    program: Program,
    query: String,
}

/// A use of a template: with which parameters, on what, to which effect.
#[derive(Debug, Clone, PartialEq)]
pub struct Constraint {
    /// Its template's kind.
    pub kind: String,
    /// Its own name.
    pub name: String,
    /// What the template is given.
    pub parameters: Value,
    /// What it does.
    pub level: Level,
    matches: Match,
}

/// On what a constraint applies.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Match {
    #[serde(default)]
    kinds: Vec<Kinds>,
    #[serde(default)]
    namespaces: Vec<String>,
    #[serde(default)]
    excluded_namespaces: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Kinds {
    #[serde(default)]
    api_groups: Vec<String>,
    #[serde(default)]
    kinds: Vec<String>,
}

impl Gatekeeper {
    /// Reads a folder: templates (YAML, or plain modules with a rule `violation`) and constraints.
    ///
    /// # Errors
    /// When a file cannot be read or does not compile; [`Error::Bundle`] when there is no template, or a constraint uses
    /// one that is not there or selects in a way that is not known here.
    pub fn load(dir: &Path) -> Result<Self, Error> {
        let texts = read(dir)?;
        let mut templates = BTreeMap::new();
        let mut found: Vec<(String, Value)> = Vec::new();
        for (path, text) in &texts.yaml {
            for document in documents(path, text)? {
                match document.get("kind").and_then(Value::as_str) {
                    Some("ConstraintTemplate") => {
                        let (kind, template) = template(path, &document)?;
                        templates.insert(kind, template);
                    }
                    Some(_) => found.push((path.clone(), document)),
                    None => {}
                }
            }
        }
        if templates.is_empty() {
            // A library keeps the modules beside what is made of them; then the YAML is what counts.
            let modules: Vec<(String, String)> = texts.modules.iter().map(|(p, t)| (p.clone(), t.clone())).collect();
            for (path, text) in modules {
                let template = compile(&[(path.clone(), text)])?;
                let kind = path.trim_end_matches(".rego").to_owned();
                templates.insert(kind, template);
            }
        }
        let mut constraints = Vec::new();
        for (path, document) in found {
            if document["apiVersion"].as_str().is_some_and(|v| v.starts_with("constraints.gatekeeper.sh/")) {
                constraints.push(constraint(&path, &document, &templates)?);
            }
        }
        if templates.is_empty() {
            return Err(Error::bundle("there is no ConstraintTemplate in it, and no module"));
        }
        Ok(Self { templates, constraints })
    }

    /// Adds constraints that lie elsewhere.
    ///
    /// # Errors
    /// As [`Gatekeeper::load`].
    pub fn constrain(&mut self, path: &str, text: &str) -> Result<(), Error> {
        for document in documents(path, text)? {
            self.constraints.push(constraint(path, &document, &self.templates)?);
        }
        Ok(())
    }

    /// Judges an object by every constraint that applies to it. A template without a constraint is asked with no
    /// parameters.
    ///
    /// # Errors
    /// When a template cannot be evaluated.
    pub fn judge(&self, object: &Value, now: Timestamp) -> Result<Judged, Error> {
        let mut judged = Judged::default();
        let free = self.templates.keys().filter(|kind| !self.constraints.iter().any(|c| c.kind == **kind));
        let free: Vec<Constraint> = free
            .map(|kind| Constraint {
                kind: kind.clone(),
                name: String::new(),
                parameters: Value::Object(Map::new()),
                level: Level::Deny,
                matches: Match::default(),
            })
            .collect();
        for constraint in self.constraints.iter().chain(&free) {
            let Some(template) = self.templates.get(&constraint.kind).filter(|_| constraint.matches.on(object)) else {
                continue;
            };
            judged.asked += 1;
            let kind = json!({"group": group(object), "version": version(object), "kind": object["kind"]});
            let review = json!({
                "object": object, "kind": kind, "operation": "CREATE", "name": object["metadata"]["name"],
                "namespace": object["metadata"]["namespace"],
            });
            let input = json!({"review": review, "parameters": constraint.parameters});
            let Some(said) = template.program.value(&template.query, Some(&input), now)? else { continue };
            let rule = if constraint.name.is_empty() {
                constraint.kind.clone()
            } else {
                format!("{}/{}", constraint.kind, constraint.name)
            };
            judged.found.extend(members(said).iter().map(|m| Found {
                level: constraint.level,
                rule: rule.clone(),
                text: text_of(m),
                severity: None,
            }));
        }
        judged.found.sort();
        Ok(judged)
    }
}

impl Match {
    fn on(&self, object: &Value) -> bool {
        let any = |list: &[String], value: &str| {
            list.iter().any(|l| l == "*" || l == value || l.strip_suffix('*').is_some_and(|p| value.starts_with(p)))
        };
        let kind = object["kind"].as_str().unwrap_or("");
        let namespace = object["metadata"]["namespace"].as_str().unwrap_or("");
        let kinds = |k: &Kinds| {
            (k.api_groups.is_empty() || any(&k.api_groups, &group(object)))
                && (k.kinds.is_empty() || any(&k.kinds, kind))
        };
        (self.kinds.is_empty() || self.kinds.iter().any(kinds))
            && (self.namespaces.is_empty() || any(&self.namespaces, namespace))
            && !any(&self.excluded_namespaces, namespace)
    }
}

fn group(object: &Value) -> String {
    object["apiVersion"]
        .as_str()
        .and_then(|v| v.split_once('/'))
        .map_or_else(String::new, |(group, _)| group.to_owned())
}

fn version(object: &Value) -> String {
    let version = object["apiVersion"].as_str().unwrap_or("");
    version.rsplit('/').next().unwrap_or("").to_owned()
}

fn documents(path: &str, text: &str) -> Result<Vec<Value>, Error> {
    super::documents(text).map_err(|line| Error::bundle(format!("`{path}`, line {line}: it is not YAML")))
}

fn compile(modules: &[(String, String)]) -> Result<Template, Error> {
    let all = || modules.iter().map(|(path, text)| (path.as_str(), text.as_str()));
    let options = |v0| Options { strict: false, v0, ..Options::default() };
    // Rego v0 is what templates are written in, unless they say otherwise.
    let modern = modules.iter().any(|(_, text)| text.contains("import rego.v1"));
    let first = Program::compile(all(), None, options(!modern));
    let (program, v0) = match first {
        Ok(program) => (program, !modern),
        Err(error) => (Program::compile(all(), None, options(modern)).map_err(|_| error)?, modern),
    };
    // What is asked is the first module's; the others are its libraries.
    let outlines = outline(all(), v0)?;
    let Some(asked) = outlines.first() else { return Err(Error::bundle("a template has no module")) };
    let query = format!("{}.violation", asked.package);
    if !asked.rules.iter().any(|rule| rule.path == query) {
        let what = format!("`{}` has no rule `violation`, so nothing would be judged", asked.file);
        return Err(Error::bundle(what));
    }
    Ok(Template { program, query })
}

fn template(path: &str, document: &Value) -> Result<(String, Template), Error> {
    let kind = document["spec"]["crd"]["spec"]["names"]["kind"].as_str();
    let kind = kind.ok_or_else(|| Error::bundle(format!("`{path}`: the template names no kind")))?;
    let target = &document["spec"]["targets"][0];
    // `code:` is the newer form, by engine.
    let code = target["code"].as_array().into_iter().flatten().find(|c| c["engine"] == "Rego").map(|c| &c["source"]);
    let source = code.unwrap_or(target);
    let rego = source["rego"]
        .as_str()
        .ok_or_else(|| Error::bundle(format!("`{path}`: the template of `{kind}` has no Rego")))?;
    let mut modules = vec![(path.to_owned(), rego.to_owned())];
    for (i, lib) in source["libs"].as_array().into_iter().flatten().enumerate() {
        modules.push((format!("{path}#libs/{i}"), lib.as_str().unwrap_or("").to_owned()));
    }
    Ok((kind.to_owned(), compile(&modules)?))
}

fn constraint(path: &str, document: &Value, templates: &BTreeMap<String, Template>) -> Result<Constraint, Error> {
    let kind = document["kind"].as_str().unwrap_or("");
    if !templates.contains_key(kind) {
        return Err(Error::bundle(format!("`{path}`: there is no template of the kind `{kind}`")));
    }
    let level = match document["spec"]["enforcementAction"].as_str() {
        None | Some("deny") => Level::Deny,
        Some("warn") => Level::Warn,
        Some("dryrun") => Level::Dryrun,
        Some(other) => {
            return Err(Error::bundle(format!("`{path}`: the enforcement action `{other}` is not known here")));
        }
    };
    let selected = document["spec"].get("match").cloned().unwrap_or_else(|| json!({}));
    let matches = serde_json::from_value(selected)
        .map_err(|e| Error::bundle(format!("`{path}`: it selects in a way that is not known here: {e}")))?;
    Ok(Constraint {
        kind: kind.to_owned(),
        name: document["metadata"]["name"].as_str().unwrap_or("").to_owned(),
        parameters: document["spec"].get("parameters").cloned().unwrap_or_else(|| json!({})),
        level,
        matches,
    })
}
