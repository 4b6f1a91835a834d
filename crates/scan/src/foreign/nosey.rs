//! kingfisher's and noseyparker's rule files: YAML with a list `rules`, each with `name`, `id` and `pattern`.

use countersign_model::{Confidence, Severity};
use serde::Deserialize;

use super::{ForeignMatch, ForeignRules, Said, literals, rule, without_comments};
use crate::Error;

#[derive(Deserialize)]
struct File {
    rules: Vec<RuleYaml>,
}

#[derive(Deserialize)]
struct RuleYaml {
    name: String,
    id: String,
    pattern: String,
    #[serde(default)]
    min_entropy: Option<f64>,
    #[serde(default)]
    confidence: Option<String>,
    #[serde(default)]
    visible: Option<bool>,
    #[serde(default)]
    references: Vec<String>,
    #[serde(default)]
    depends_on_rule: Vec<Depends>,
    #[serde(default)]
    pattern_requirements: Option<Requirements>,
}

#[derive(Deserialize)]
struct Depends {
    rule_id: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Requirements {
    min_digits: usize,
    min_uppercase: usize,
    min_lowercase: usize,
    min_special_chars: usize,
}

pub(super) fn read(file: &str, text: &str) -> Result<ForeignRules, Error> {
    let options = serde_saphyr::options! { with_snippet: false };
    let parsed: File = serde_saphyr::from_str_with_options(text, options).map_err(|e| Error::ForeignSyntax {
        line: e.location().and_then(|l| u32::try_from(l.line()).ok()).filter(|l| *l > 0),
        why: e.without_snippet().to_string(),
        file: file.to_owned(),
    })?;
    let tool = if parsed.rules.iter().any(|r| r.id.starts_with("kingfisher")) { "kingfisher" } else { "noseyparker" };
    let mut out = ForeignRules::default();
    for r in parsed.rules {
        let wrong = |why: String| {
            let line = text.lines().position(|l| l.contains("id:") && l.trim_end().ends_with(&r.id));
            let line = line.and_then(|n| u32::try_from(n + 1).ok());
            Error::RuleContent { file: file.into(), line, id: r.id.clone(), why }
        };
        let confidence = match r.confidence.as_deref() {
            Some("low") => Confidence::Low,
            Some("high") => Confidence::High,
            None | Some("medium") => Confidence::Medium,
            Some(other) => return Err(wrong(format!("no confidence is called `{other}`; known: low, medium, high"))),
        };
        if let Some(other) = r.depends_on_rule.first() {
            let note = "that another rule's match is used to try a credential is not done here";
            out.notes.push(format!("{file}: {}: {note} (`depends_on_rule: {}`)", r.id, other.rule_id));
        }
        let regex = without_comments(&r.pattern);
        let least = r.pattern_requirements.unwrap_or_default();
        let id = r.id.strip_prefix(tool).map_or(r.id.as_str(), |rest| rest.trim_start_matches(['.', '-']));
        let said = Said {
            tool,
            id: id.to_owned(),
            title: r.name,
            severity: Severity::High,
            confidence,
            references: r.references,
        };
        out.rules.push(rule(
            said,
            ForeignMatch {
                keywords: literals::required(&regex),
                regex: Some(regex),
                entropy: r.min_entropy.filter(|e| *e > 0.0),
                reported: r.visible.unwrap_or(true),
                least: [least.min_digits, least.min_uppercase, least.min_lowercase, least.min_special_chars],
                ..ForeignMatch::default()
            },
        ));
    }
    Ok(out)
}
