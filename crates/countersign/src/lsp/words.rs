//! What the editor shows: diagnostics, hovers, quick fixes. None of it holds a value.

use std::path::Path;

use countersign_model::{Finding, FindingState, Severity};
use countersign_scan::references::{FileKind, Names, References};
use countersign_scan::{Rule, RuleSet, glob_of, mark_above};
use serde_json::{Value, json};

use super::documents::{Document, Shown};
use super::projects::Place;
use super::text::{Encoding, Lines};
use super::uri;
use crate::config::FILE;

/// What the editor can do with edits.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Abilities {
    /// Edits that name the version they are for.
    pub(crate) document_changes: bool,
    /// New files.
    pub(crate) create: bool,
    /// Hovers in Markdown.
    pub(crate) markdown: bool,
}

/// One paragraph, its white space joined.
fn joined(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Up to the first full stop that ends a sentence.
fn first_sentence(text: &str) -> String {
    let text = joined(text);
    match text.find(". ") {
        Some(end) => text[..=end].to_owned(),
        None => text,
    }
}

fn state(finding: &Finding) -> Option<String> {
    let what = match finding.state {
        FindingState::Open => return None,
        FindingState::SuppressionRequested => "Suppression is requested, and somebody else grants it",
        FindingState::SuppressionGranted => "Suppression is granted",
    };
    let by = finding.requested_by.as_deref().unwrap_or("unknown");
    Some(format!("{what} ({by}): {}", finding.reason.as_deref().unwrap_or("no reason")))
}

/// The diagnostics of a document: what was found, and what was not looked at.
pub(crate) fn diagnostics(
    document: &Document,
    text: &str,
    unseen: Option<&str>,
    rules: &RuleSet,
    encoding: Encoding,
) -> Vec<Value> {
    let lines = Lines::of(text);
    let mut all: Vec<Value> = document
        .shown
        .iter()
        .filter_map(|shown| Some(diagnostic(shown, rules.get(&shown.finding.rule)?, &lines, encoding)))
        .collect();
    if let Some(why) = unseen.or(document.missed.as_deref()) {
        all.push(json!({
            "range": { "start": { "line": 0, "character": 0 }, "end": { "line": 0, "character": 0 } },
            "severity": 2,
            "code": "scan/gap",
            "source": "countersign",
            "message": format!("Not looked at: {why}. `countersign scan FILE` looks at it as it is on disk."),
        }));
    }
    all
}

fn diagnostic(shown: &Shown, rule: &Rule, lines: &Lines<'_>, encoding: Encoding) -> Value {
    let finding = &shown.finding;
    let severity = match (finding.state, finding.severity) {
        (FindingState::Open, Severity::Critical | Severity::High) => 1,
        (FindingState::Open, Severity::Medium) => 2,
        (FindingState::Open, Severity::Low) => 3,
        // What is asked not to count stays visible, and quiet.
        (FindingState::SuppressionRequested, _) => 3,
        (FindingState::Open, Severity::Info) | (FindingState::SuppressionGranted, _) => 4,
    };
    let mut message = format!("{}. {}\nFix: {}", rule.title, first_sentence(&rule.why), first_sentence(&rule.fix.text));
    if let Some(state) = state(finding) {
        message.push('\n');
        message.push_str(&state);
    }
    let mut out = json!({
        "range": lines.range(&shown.span, encoding),
        "severity": severity,
        "code": rule.id,
        "source": "countersign",
        "message": message,
    });
    if let Some(page) = rule.references.first() {
        out["codeDescription"] = json!({ "href": page });
    }
    out
}

/// What is said about a finding to whoever points at it.
pub(crate) fn hover(
    shown: &Shown,
    rule: &Rule,
    text: &str,
    kind: Option<&FileKind>,
    references: &References,
    markdown: bool,
) -> String {
    let finding = &shown.finding;
    let (bold, code) = if markdown { ("**", "`") } else { ("", "") };
    let mut parts = vec![format!(
        "{bold}{}{bold} {code}{}{code}\nseverity {}, confidence {}",
        rule.title, rule.id, finding.severity, finding.confidence
    )];
    parts.extend(state(finding));
    parts.push(joined(&rule.why));
    parts.push(format!("{bold}Fix{bold}: {}", joined(&rule.fix.text)));
    if rule.family == "secrets"
        && let Some(kind) = kind
    {
        let names = Names::of(text.as_bytes(), &shown.span, &rule.id);
        let advice = references.advice(kind, &names);
        if !advice.is_empty() {
            let lines: Vec<String> = advice
                .iter()
                .map(|a| match &a.write {
                    Some(write) => format!("- {}: write {code}{write}{code}. {}", a.store, a.how),
                    None => format!("- {}: {}", a.store, a.how),
                })
                .collect();
            parts.push(format!("{bold}Instead of the value{bold} ({})\n{}", kind.name, lines.join("\n")));
        }
    }
    if !rule.controls.is_empty() {
        parts.push(format!("controls: {}", rule.controls.join(", ")));
    }
    parts.push(rule.references.join("\n"));
    parts.push(format!("{code}countersign secrets explain {}{code}", rule.id));
    parts.retain(|p| !p.is_empty());
    parts.join("\n\n")
}

/// Where quick fixes are made.
pub(crate) struct Desk<'a> {
    pub(crate) uri: &'a str,
    pub(crate) document: &'a Document,
    pub(crate) text: &'a str,
    pub(crate) place: &'a Place,
    pub(crate) kind: Option<&'a FileKind>,
    pub(crate) references: &'a References,
    pub(crate) rules: &'a RuleSet,
    pub(crate) encoding: Encoding,
    pub(crate) abilities: Abilities,
}

impl Desk<'_> {
    /// The quick fixes of one finding.
    pub(crate) fn actions(&self, shown: &Shown, settings: Option<Settings>) -> Vec<Value> {
        let Some(rule) = self.rules.get(&shown.finding.rule) else { return Vec::new() };
        let lines = Lines::of(self.text);
        let about = diagnostic(shown, rule, &lines, self.encoding);
        let mut all = Vec::new();
        let mut add = |title: String, edit: Value, is_preferred: bool| {
            all.push(json!({ "title": title, "kind": "quickfix", "diagnostics": [about], "isPreferred": is_preferred, "edit": edit }));
        };
        if let Some(kind) = self.kind.filter(|_| rule.family == "secrets") {
            let names = Names::of(self.text.as_bytes(), &shown.span, &rule.id);
            for (n, one) in self.references.replacements(kind, self.text, &shown.span, &names).into_iter().enumerate() {
                let edit = json!({ "range": lines.range(&one.span, self.encoding), "newText": one.text });
                add(format!("Take it from {}: {}", one.store, one.text), self.edit(edit), n == 0);
            }
        }
        if shown.finding.state != FindingState::Open {
            return all;
        }
        if let Some(kind) = self.kind
            && let Some(mark) = mark_above(kind, self.text.as_bytes(), shown.span.start, &rule.id, "…")
        {
            let at = lines.position(mark.at, self.encoding);
            let edit = json!({ "range": { "start": at, "end": at }, "newText": String::from_utf8_lossy(&mark.bytes) });
            add(
                format!("Request suppression of {} here; write the reason, somebody else grants it", rule.id),
                self.edit(edit),
                false,
            );
        }
        if let Some(edit) = settings.and_then(|s| self.declare(&rule.id, &s)) {
            add(
                format!(
                    "Request suppression of {} in this file in {FILE}; write the reason, somebody else grants it",
                    rule.id
                ),
                edit,
                false,
            );
        }
        all
    }

    fn edit(&self, edit: Value) -> Value {
        if self.abilities.document_changes {
            let document = json!({ "uri": self.uri, "version": self.document.version });
            return json!({ "documentChanges": [{ "textDocument": document, "edits": [edit] }] });
        }
        json!({ "changes": { self.uri: [edit] } })
    }

    /// A declaration without a reason: the configuration is an error until somebody writes one.
    fn declare(&self, rule: &str, settings: &Settings) -> Option<Value> {
        let path = glob_of(&self.place.path)?;
        let text = crate::cli::declaration(&path, rule, "");
        let Some(known) = &settings.text else {
            if !(self.abilities.create && self.abilities.document_changes) {
                return None;
            }
            let edit = json!({ "range": { "start": { "line": 0, "character": 0 }, "end": { "line": 0, "character": 0 } }, "newText": format!("version = 1\n{text}") });
            return Some(json!({ "documentChanges": [
                { "kind": "create", "uri": settings.uri, "options": { "ignoreIfExists": true } },
                { "textDocument": { "uri": settings.uri, "version": null }, "edits": [edit] },
            ] }));
        };
        let at = Lines::of(known).position(known.len(), self.encoding);
        let gap = if known.is_empty() || known.ends_with('\n') { "" } else { "\n" };
        let edit = json!({ "range": { "start": at, "end": at }, "newText": format!("{gap}{text}") });
        if self.abilities.document_changes {
            let document = json!({ "uri": settings.uri, "version": settings.version });
            return Some(json!({ "documentChanges": [{ "textDocument": document, "edits": [edit] }] }));
        }
        Some(json!({ "changes": { settings.uri.clone(): [edit] } }))
    }
}

/// The configuration of a repository, as the editor has it or as it is on disk.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) uri: String,
    pub(crate) version: Option<i64>,
    /// `None` where there is none yet.
    pub(crate) text: Option<String>,
}

impl Settings {
    /// The configuration at the top of a repository; `None` where it cannot be read, so that nothing is written into it.
    pub(crate) fn on_disk(top: &Path) -> Option<Self> {
        let path = top.join(FILE);
        let uri = uri::of_path(&path)?;
        match std::fs::read_to_string(&path) {
            Ok(text) => Some(Self { uri, version: None, text: Some(text) }),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Some(Self { uri, version: None, text: None }),
            Err(_) => None,
        }
    }
}
