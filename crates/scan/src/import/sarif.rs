//! SARIF 2.1.0 (OASIS Standard, 27 March 2020): Semgrep, CodeQL, Checkov, Trivy, ZAP and whoever else writes it. Sections
//! in comments are of that document.

use std::collections::{BTreeMap, BTreeSet};

use countersign_model::{Confidence, Severity, TreePath};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use super::hide::{HIDDEN, Hiding};
use super::{Draft, Fault, Format, Part, Reading, Region, Text, place, severity_word, tool_id, weakness};

pub(super) const FORMAT: Format = Format {
    name: "sarif",
    recognises: |probe| !probe.is_list && probe.runs.is_some() && probe.version.is_some(),
    read,
    hidden: &[],
    // §3.27.17: gitleaks puts the author there.
    private: &["author", "email"],
    hide: Some(hide),
};

/// Tools that look for secrets alone.
const SECRET_TOOLS: &[&str] =
    &["gitleaks", "betterleaks", "trufflehog", "detect-secrets", "kingfisher", "nosey-parker", "noseyparker"];

/// Bases lead to other bases; no report has a chain of more.
const DEEPEST_BASE: usize = 8;

#[derive(Deserialize)]
struct Log {
    version: String,
    runs: Vec<Run>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Run {
    tool: Tool,
    results: Option<Vec<SarifResult>>,
    #[serde(default)]
    invocations: Vec<Invocation>,
    #[serde(default)]
    original_uri_base_ids: BTreeMap<String, ArtifactLocation>,
    #[serde(default)]
    artifacts: Vec<Artifact>,
    #[serde(default)]
    version_control_provenance: Vec<Provenance>,
    #[serde(default)]
    external_property_file_references: Option<External>,
}

#[derive(Deserialize)]
struct External {
    #[serde(default)]
    results: Vec<IgnoredAny>,
}

#[derive(Deserialize)]
struct Tool {
    driver: Component,
    #[serde(default)]
    extensions: Vec<Component>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Component {
    name: String,
    version: Option<String>,
    semantic_version: Option<String>,
    #[serde(default)]
    rules: Vec<Descriptor>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Descriptor {
    id: String,
    short_description: Option<Message>,
    full_description: Option<Message>,
    default_configuration: Option<Configuration>,
    message_strings: BTreeMap<String, Message>,
    relationships: Vec<Relationship>,
    properties: Properties,
}

#[derive(Deserialize)]
struct Configuration {
    #[serde(default)]
    level: Option<String>,
}

#[derive(Deserialize)]
struct Relationship {
    target: Reference,
}

/// A reference to a descriptor (§3.52).
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Reference {
    id: Option<String>,
    index: Option<i64>,
    tool_component: Option<ComponentReference>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct ComponentReference {
    name: Option<String>,
    index: Option<i64>,
}

/// The properties that tools agree on. They are written in more than one kind, so each is looked at where it is used.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Properties {
    tags: Option<Value>,
    cwe: Option<Value>,
    precision: Option<Value>,
    confidence: Option<Value>,
    severity: Option<Value>,
    #[serde(rename = "security-severity")]
    security_severity: Option<Value>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Message {
    text: Option<String>,
    id: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SarifResult {
    rule_id: Option<String>,
    rule_index: Option<i64>,
    rule: Option<Reference>,
    kind: Option<String>,
    level: Option<String>,
    baseline_state: Option<String>,
    #[serde(default)]
    message: Message,
    #[serde(default)]
    locations: Vec<Location>,
    #[serde(default)]
    fingerprints: BTreeMap<String, String>,
    #[serde(default)]
    partial_fingerprints: BTreeMap<String, String>,
    #[serde(default)]
    suppressions: Option<Vec<Suppression>>,
    #[serde(default)]
    taxa: Vec<Reference>,
    #[serde(default)]
    rank: Option<f64>,
    #[serde(default)]
    properties: Properties,
}

#[derive(Deserialize)]
struct Suppression {
    status: Option<String>,
    justification: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Location {
    physical_location: Option<Physical>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Physical {
    artifact_location: Option<ArtifactLocation>,
    region: Option<SarifRegion>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct ArtifactLocation {
    uri: Option<String>,
    uri_base_id: Option<String>,
    index: Option<i64>,
}

#[derive(Deserialize)]
struct Artifact {
    location: Option<ArtifactLocation>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SarifRegion {
    start_line: Option<i64>,
    start_column: Option<i64>,
    end_line: Option<i64>,
    end_column: Option<i64>,
    snippet: Option<Message>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Invocation {
    execution_successful: Option<bool>,
    #[serde(default)]
    tool_execution_notifications: Vec<Notification>,
    #[serde(default)]
    tool_configuration_notifications: Vec<Notification>,
}

#[derive(Deserialize)]
struct Notification {
    level: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Provenance {
    revision_id: Option<String>,
}

fn read(text: &Text<'_>, cx: &Reading<'_>) -> Result<Vec<Part>, Fault> {
    let log: Log = text.whole()?;
    if log.version != "2.1.0" {
        return Err(Fault::shape("it is not SARIF 2.1.0"));
    }
    log.runs.iter().map(|run| part(run, cx)).collect()
}

fn part(run: &Run, cx: &Reading<'_>) -> Result<Part, Fault> {
    let driver = &run.tool.driver;
    if driver.name.trim().is_empty() {
        return Err(Fault::shape("a run names no tool"));
    }
    let mut part = Part {
        tool: driver.name.clone(),
        version: driver.semantic_version.clone().or_else(|| driver.version.clone()),
        revisions: run.version_control_provenance.iter().filter_map(|p| p.revision_id.clone()).collect(),
        ..Part::default()
    };
    part.incomplete = incomplete(run);
    let places = Places::new(run, cx.roots);
    let of_secrets = SECRET_TOOLS.contains(&tool_id(&driver.name).as_str());
    for result in run.results.iter().flatten() {
        // §3.27.9: pass, notApplicable and informational are no problems; open and review are not decided, so they stay.
        let passed = matches!(result.kind.as_deref(), Some("pass" | "notApplicable" | "informational"));
        // §3.27.24: what is absent was there before.
        if passed || result.baseline_state.as_deref() == Some("absent") {
            part.passed_over += 1;
            continue;
        }
        part.drafts.push(draft(run, result, &places, of_secrets, cx));
    }
    Ok(part)
}

/// Why the run does not say all, as far as it says so.
fn incomplete(run: &Run) -> Vec<String> {
    let mut why = Vec::new();
    // §3.14.23: no list is not an empty list.
    if run.results.is_none() {
        why.push("it holds no list of results".to_owned());
    }
    if run.external_property_file_references.as_ref().is_some_and(|e| !e.results.is_empty()) {
        why.push("its results are in other files".to_owned());
    }
    if run.invocations.iter().any(|i| i.execution_successful == Some(false)) {
        why.push("the tool did not end with success".to_owned());
    }
    // §3.58.6: such an error made the results wrong or incomplete.
    let errors = run
        .invocations
        .iter()
        .flat_map(|i| i.tool_execution_notifications.iter().chain(&i.tool_configuration_notifications))
        .filter(|n| n.level.as_deref() == Some("error"))
        .count();
    match errors {
        0 => {}
        1 => why.push("the tool tells of an error".to_owned()),
        n => why.push(format!("the tool tells of {n} errors")),
    }
    why
}

fn at<T>(list: &[T], index: Option<i64>) -> Option<&T> {
    list.get(usize::try_from(index?).ok()?)
}

/// The descriptor of a result's rule: by its place (§3.27.6, §3.27.7), else by its id; `a/b` is described by `a` too.
fn descriptor<'r>(run: &'r Run, result: &SarifResult) -> Option<&'r Descriptor> {
    let reference = result.rule.as_ref();
    let extension = reference
        .and_then(|r| r.tool_component.as_ref())
        .and_then(|component| at(&run.tool.extensions, component.index));
    let rules = extension.map_or(&run.tool.driver.rules, |e| &e.rules);
    let index = reference.and_then(|r| r.index).or(result.rule_index);
    if let Some(found) = at(rules, index) {
        return Some(found);
    }
    let id = result.rule_id.as_deref().or_else(|| reference.and_then(|r| r.id.as_deref()))?;
    let all = || run.tool.extensions.iter().chain([&run.tool.driver]).flat_map(|c| &c.rules);
    let parent = id.rsplit_once('/').map(|(parent, _)| parent);
    all().find(|d| d.id == id).or_else(|| all().find(|d| Some(d.id.as_str()) == parent))
}

fn draft(run: &Run, result: &SarifResult, places: &Places<'_>, of_secrets: bool, cx: &Reading<'_>) -> Draft {
    let none = Descriptor::default();
    let rule = descriptor(run, result).unwrap_or(&none);
    let named = result.rule_id.as_deref().or_else(|| result.rule.as_ref().and_then(|r| r.id.as_deref()));
    let physical = result.locations.iter().find_map(|l| l.physical_location.as_ref());
    let region = physical.and_then(|p| p.region.as_ref());
    let snippet = region.and_then(|r| r.snippet.as_ref()).and_then(|s| s.text.as_deref());
    let mut cwe = weaknesses(rule, result);
    if of_secrets && cwe.is_empty() {
        cwe.push("CWE-798".into());
    }
    // gitleaks' snippet is the value and nothing else.
    let value = if of_secrets { snippet.and_then(|s| cx.value(s)) } else { None };
    let message = message(rule, result);
    Draft {
        rule: named.filter(|n| !n.is_empty()).unwrap_or(&rule.id).to_owned(),
        title: title(rule, &message),
        severity: severity(rule, result),
        confidence: confidence(rule, result),
        path: physical
            .and_then(|p| p.artifact_location.as_ref())
            .map_or_else(|| TreePath::from_bytes(*b"(no file)"), |l| places.path(l)),
        region: region.map_or_else(
            || Region::line(None),
            |r| Region::new(r.start_line, r.start_column, r.end_line, r.end_column),
        ),
        cwe,
        key: key(result, snippet, &message),
        value,
        request: request(result),
    }
}

/// What tells a result from others of its rule in its file, and stays when lines move.
fn key(result: &SarifResult, snippet: Option<&str>, message: &str) -> String {
    if !result.fingerprints.is_empty() {
        return result.fingerprints.iter().map(|(k, v)| format!("{k}={v}\n")).collect();
    }
    // Others of these are of the commit or the person, and the same for many results.
    let line = result.partial_fingerprints.iter().find(|(k, _)| k.to_ascii_lowercase().contains("hash"));
    if let Some((name, value)) = line {
        return format!("{name}={value}");
    }
    snippet.unwrap_or(message).split_whitespace().collect::<Vec<_>>().join(" ")
}

fn message(rule: &Descriptor, result: &SarifResult) -> String {
    let by_id = || result.message.id.as_ref().and_then(|id| rule.message_strings.get(id)).and_then(|m| m.text.clone());
    result.message.text.clone().or_else(by_id).unwrap_or_default()
}

fn title(rule: &Descriptor, message: &str) -> String {
    let described = || {
        let texts = [&rule.short_description, &rule.full_description];
        texts.into_iter().flatten().find_map(|m| m.text.clone()).unwrap_or_default()
    };
    if message.trim().is_empty() { described() } else { message.to_owned() }
}

/// A number written as a number or as a text.
fn number(value: Option<&Value>) -> Option<f64> {
    let number = match value? {
        Value::Number(n) => n.as_f64(),
        Value::String(s) => s.trim().parse().ok(),
        _ => None,
    };
    number.filter(|n| n.is_finite())
}

/// One text or a list of them.
fn texts(value: Option<&Value>) -> Vec<&str> {
    match value {
        Some(Value::String(text)) => vec![text],
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

/// `security-severity` (of the result, then of the rule; the bounds are those of CVSS 3.1 §5), a word that says it, or
/// the level (§3.27.10: result, then rule, then `warning`).
fn severity(rule: &Descriptor, result: &SarifResult) -> Severity {
    let score = number(result.properties.security_severity.as_ref())
        .or_else(|| number(rule.properties.security_severity.as_ref()));
    if let Some(score) = score {
        return match score {
            s if s >= 9.0 => Severity::Critical,
            s if s >= 7.0 => Severity::High,
            s if s >= 4.0 => Severity::Medium,
            s if s > 0.0 => Severity::Low,
            _ => Severity::Info,
        };
    }
    let said = [&result.properties, &rule.properties]
        .into_iter()
        .find_map(|p| p.severity.as_ref().and_then(Value::as_str).and_then(severity_word));
    if let Some(severity) = said {
        return severity;
    }
    let default = || rule.default_configuration.as_ref().and_then(|c| c.level.as_deref());
    match result.level.as_deref().or_else(default).unwrap_or("warning") {
        "error" => Severity::High,
        "note" => Severity::Low,
        "none" => Severity::Info,
        // A level that there is not is read as the one that holds where there is none.
        _ => Severity::Medium,
    }
}

fn confidence(rule: &Descriptor, result: &SarifResult) -> Confidence {
    let word = |text: &str| match text.trim().to_ascii_lowercase().as_str() {
        "certain" => Some(Confidence::Certain),
        "very-high" | "high" => Some(Confidence::High),
        "medium" => Some(Confidence::Medium),
        "low" => Some(Confidence::Low),
        // Semgrep has it among the tags.
        tag => tag.strip_suffix(" confidence").and_then(|w| match w {
            "high" => Some(Confidence::High),
            "medium" => Some(Confidence::Medium),
            "low" => Some(Confidence::Low),
            _ => None,
        }),
    };
    let of = |p: &Properties| {
        let named = [&p.confidence, &p.precision].into_iter().flatten().filter_map(Value::as_str).find_map(word);
        named.or_else(|| {
            texts(p.tags.as_ref())
                .into_iter()
                .filter(|t| t.to_ascii_lowercase().ends_with(" confidence"))
                .find_map(word)
        })
    };
    let rank = || {
        // §3.27.25: from 0 to 100; -1 is none.
        result.rank.filter(|r| *r >= 0.0).map(|r| match r {
            r if r >= 70.0 => Confidence::High,
            r if r >= 30.0 => Confidence::Medium,
            _ => Confidence::Low,
        })
    };
    of(&result.properties).or_else(|| of(&rule.properties)).or_else(rank).unwrap_or(Confidence::Medium)
}

fn weaknesses(rule: &Descriptor, result: &SarifResult) -> Vec<String> {
    let mut out = Vec::new();
    for properties in [&rule.properties, &result.properties] {
        for text in texts(properties.tags.as_ref()) {
            out.extend(weakness::ids(text));
        }
        for text in texts(properties.cwe.as_ref()) {
            out.extend(weakness::number(text).map_or_else(|| weakness::ids(text), |id| vec![id]));
        }
    }
    for target in rule.relationships.iter().map(|r| &r.target).chain(&result.taxa) {
        let Some(id) = target.id.as_deref() else { continue };
        let taxonomy = target.tool_component.as_ref().and_then(|c| c.name.as_deref()).unwrap_or_default();
        match weakness::number(id).filter(|_| taxonomy.eq_ignore_ascii_case("cwe")) {
            Some(id) => out.push(id),
            None => out.extend(weakness::ids(id)),
        }
    }
    out.sort();
    out.dedup();
    out
}

/// §3.27.23, §3.35.3: a suppression that was rejected is none. Whoever accepted one was not asked by us.
fn request(result: &SarifResult) -> Option<String> {
    let asked = result.suppressions.iter().flatten().find(|s| s.status.as_deref() != Some("rejected"))?;
    let why = asked.justification.as_deref().map(str::trim).filter(|j| !j.is_empty());
    Some(why.map_or_else(|| "suppressed in the report, without a reason".to_owned(), str::to_owned))
}

/// Where artifacts are.
struct Places<'r> {
    run: &'r Run,
    roots: Vec<String>,
}

impl<'r> Places<'r> {
    /// What a report takes for the root of its sources is the root of the repository, wherever that was checked out.
    fn new(run: &'r Run, roots: &[String]) -> Self {
        let file = |uri: &str| {
            let (scheme, rest) = place::scheme(uri)?;
            let path = String::from_utf8(place::file_path(rest)).ok()?;
            let path = path.trim_end_matches('/');
            (scheme.eq_ignore_ascii_case("file") && !path.is_empty()).then(|| path.to_owned())
        };
        let mut bases: Vec<String> =
            run.original_uri_base_ids.values().filter_map(|l| l.uri.as_deref()).filter_map(file).collect();
        bases.sort_by_key(String::len);
        Self { run, roots: roots.iter().cloned().chain(bases).collect() }
    }

    fn path(&self, location: &ArtifactLocation) -> TreePath {
        let indexed = at(&self.run.artifacts, location.index).and_then(|a| a.location.as_ref());
        let (location, uri) = match (&location.uri, indexed) {
            (Some(uri), _) => (location, uri),
            (None, Some(ArtifactLocation { uri: Some(uri), .. })) => (indexed.unwrap_or(location), uri),
            (None, _) => return TreePath::from_bytes(*b"(no file)"),
        };
        if place::scheme(uri).is_some() {
            return place::from_uri(uri, &self.roots);
        }
        let base = location.uri_base_id.as_deref().map(|id| self.base(id)).unwrap_or_default();
        // A base is a directory, whether or not it says so (§3.14.14 wants it to).
        let joined = if base.is_empty() { uri.clone() } else { format!("{}/{uri}", base.trim_end_matches('/')) };
        place::from_uri(&joined, &self.roots)
    }

    /// What a base adds to a path inside the tree.
    fn base(&self, id: &str) -> String {
        let mut id = Some(id);
        let mut out = String::new();
        for _ in 0..DEEPEST_BASE {
            let Some(location) = id.and_then(|id| self.run.original_uri_base_ids.get(id)) else { break };
            let uri = location.uri.as_deref().unwrap_or_default();
            if place::scheme(uri).is_some() {
                let Some((_, rest)) = place::scheme(uri) else { break };
                let path = place::file_path(rest);
                let inside = place::below(&path, &self.roots).unwrap_or_default();
                return join(&String::from_utf8_lossy(inside), &out);
            }
            out = join(uri, &out);
            id = location.uri_base_id.as_deref();
        }
        out
    }
}

fn join(base: &str, rest: &str) -> String {
    let base = base.trim_end_matches('/');
    match (base.is_empty(), rest.is_empty()) {
        (true, _) => rest.to_owned(),
        (false, true) => base.to_owned(),
        (false, false) => format!("{base}/{rest}"),
    }
}

/// Takes out what a report quotes of the sources, where it may be a secret: all of it in the run of a tool for secrets,
/// what our own rules recognise in any other, and the contents of files.
fn hide(log: &mut Value, hiding: &Hiding<'_>, values: &mut BTreeSet<String>) -> u64 {
    let mut taken = 0;
    for run in log.get_mut("runs").and_then(Value::as_array_mut).into_iter().flatten() {
        let tool = run.pointer("/tool/driver/name").and_then(Value::as_str).unwrap_or_default();
        let of_secrets = SECRET_TOOLS.contains(&tool_id(tool).as_str());
        for key in ["results", "artifacts"] {
            if let Some(part) = run.get_mut(key) {
                taken += quoted(part, of_secrets, false, hiding, values);
            }
        }
    }
    taken
}

fn quoted(
    value: &mut Value,
    of_secrets: bool,
    in_quote: bool,
    hiding: &Hiding<'_>,
    values: &mut BTreeSet<String>,
) -> u64 {
    match value {
        Value::String(text) if text != HIDDEN => {
            let is_value = of_secrets && in_quote && !text.is_empty();
            if is_value {
                values.insert(text.clone());
            }
            if is_value || hiding.holds_secret(text) {
                *value = Value::String(HIDDEN.into());
                return 1;
            }
            0
        }
        Value::Array(list) => list.iter_mut().map(|v| quoted(v, of_secrets, in_quote, hiding, values)).sum(),
        Value::Object(map) => map
            .iter_mut()
            .map(|(key, v)| {
                let is_quote = in_quote || matches!(key.as_str(), "snippet" | "contents" | "commitMessage");
                quoted(v, of_secrets, is_quote, hiding, values)
            })
            .sum(),
        _ => 0,
    }
}
