//! gitleaks' and betterleaks' configuration: TOML with `[[rules]]` (gitleaks v8, `config/config.go`).

use std::fs;
use std::path::Path;

use countersign_model::{Confidence, Severity};
use serde::Deserialize;

use super::{ForeignAllow, ForeignMatch, ForeignRules, Said, Target, literals, rule, without_comments};
use crate::Error;

/// `[extend]` is followed so deep, as gitleaks does it.
const DEPTH: usize = 2;

#[derive(Deserialize, Default)]
#[serde(default)]
struct Config {
    #[serde(rename = "minVersion")]
    _min_version: Option<String>,
    extend: Option<Extend>,
    rules: Vec<RuleToml>,
    allowlist: Option<AllowToml>,
    allowlists: Vec<AllowToml>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Extend {
    path: Option<String>,
    use_default: bool,
    disabled_rules: Vec<String>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct RuleToml {
    id: String,
    description: String,
    regex: Option<String>,
    secret_group: Option<usize>,
    entropy: Option<f64>,
    path: Option<String>,
    keywords: Vec<String>,
    skip_report: bool,
    allowlist: Option<AllowToml>,
    allowlists: Vec<AllowToml>,
    required: Vec<RequiredToml>,
    filter: Option<toml::Value>,
    prefilter: Option<toml::Value>,
}

#[derive(Deserialize, Default, Clone)]
#[serde(default, rename_all = "camelCase")]
struct AllowToml {
    condition: Option<String>,
    commits: Vec<String>,
    paths: Vec<String>,
    regex_target: Option<String>,
    regexes: Vec<String>,
    stopwords: Vec<String>,
    target_rules: Vec<String>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct RequiredToml {
    id: String,
    within_lines: Option<usize>,
    within_columns: Option<usize>,
}

/// Reads the file with all that it extends.
pub(super) fn read(path: &Path, text: &str) -> Result<ForeignRules, Error> {
    let mut out = ForeignRules::default();
    file(path, text, 0, &mut out)?;
    Ok(out)
}

fn file(path: &Path, text: &str, depth: usize, out: &mut ForeignRules) -> Result<(), Error> {
    let name = path.display().to_string();
    let config: Config = toml::from_str(text).map_err(|e| Error::ForeignSyntax {
        line: e.span().and_then(|s| u32::try_from(text[..s.start.min(text.len())].matches('\n').count() + 1).ok()),
        why: e.message().to_owned(),
        file: name.clone(),
    })?;
    if let Some(extend) = &config.extend {
        if extend.use_default {
            out.notes
                .push(format!("{name}: `useDefault` means the built-in rules of this program, which are always on"));
        }
        if let Some(other) = &extend.path {
            let other = path.parent().unwrap_or(Path::new(".")).join(other);
            if depth == DEPTH {
                out.notes
                    .push(format!("{name}: `[extend]` is followed {DEPTH} times, and {} is one more", other.display()));
            } else {
                let text =
                    fs::read_to_string(&other).map_err(|source| Error::RulePath { path: other.clone(), source })?;
                file(&other, &text, depth + 1, out)?;
            }
        }
        let disabled = |id: &str| extend.disabled_rules.iter().any(|d| id == format!("gitleaks:{d}"));
        out.rules.retain(|r| !r.aliases.iter().any(|a| disabled(a)));
    }
    let globals: Vec<&AllowToml> = config.allowlist.iter().chain(&config.allowlists).collect();
    for (n, r) in config.rules.iter().enumerate() {
        let made = one(&name, text, n, r, &globals, &mut out.notes)?;
        // A rule of the same id replaces the one that was extended.
        out.rules.retain(|known| known.id != made.id);
        out.rules.push(made);
    }
    Ok(())
}

fn one(
    file: &str,
    text: &str,
    n: usize,
    r: &RuleToml,
    globals: &[&AllowToml],
    notes: &mut Vec<String>,
) -> Result<crate::rules::Rule, Error> {
    let line = text.lines().enumerate().filter(|(_, l)| l.trim() == "[[rules]]").nth(n);
    let line = line.and_then(|(n, _)| u32::try_from(n + 1).ok());
    let wrong = |why: &str| Error::RuleContent { file: file.into(), line, id: r.id.clone(), why: why.into() };
    if super::plain(&r.id).is_empty() {
        return Err(wrong("it has no id"));
    }
    if r.regex.is_none() && r.path.is_none() {
        return Err(wrong("it has neither `regex` nor `path`"));
    }
    if r.filter.is_some() || r.prefilter.is_some() {
        notes.push(format!(
            "{file}: {}: `filter` and `prefilter` are not evaluated, so it may find more than it does there",
            r.id
        ));
    }
    let mut allow = Vec::new();
    let local = r.allowlist.iter().chain(&r.allowlists);
    let global = globals.iter().copied().filter(|g| g.target_rules.is_empty() || g.target_rules.contains(&r.id));
    for list in local.chain(global) {
        allow.push(allowed(list).map_err(|why| wrong(&why))?);
        if !list.commits.is_empty() {
            notes.push(format!(
                "{file}: {}: a list of allowed commits is not applied; findings are of trees, not of commits",
                r.id
            ));
        }
        if list.condition.as_deref().is_some_and(is_and)
            && !list.paths.is_empty()
            && list.regexes.len() + list.stopwords.len() > 0
        {
            notes.push(format!(
                "{file}: {}: an allow list that asks for a path and a value together is not applied",
                r.id
            ));
        }
    }
    for required in &r.required {
        if required.within_columns.is_some() {
            notes.push(format!("{file}: {}: `withinColumns` is not applied; the same line is asked for", r.id));
        }
    }
    let regex = r.regex.as_deref().map(without_comments);
    let mut keywords = r.keywords.clone();
    if keywords.iter().any(|k| k.len() < 2 || !k.is_ascii()) {
        keywords.clear();
    }
    if keywords.is_empty() {
        keywords = regex.as_deref().map(literals::required).unwrap_or_default();
    }
    let required = r.required.iter().map(|q| {
        let lines = if q.within_columns.is_some() { Some(0) } else { q.within_lines };
        (format!("secrets/gitleaks/{}", super::plain(&q.id)), lines)
    });
    let title = if r.description.trim().is_empty() { r.id.clone() } else { r.description.trim().to_owned() };
    let said = Said {
        tool: "gitleaks",
        id: r.id.clone(),
        title,
        severity: Severity::High,
        confidence: Confidence::Medium,
        references: Vec::new(),
    };
    Ok(rule(
        said,
        ForeignMatch {
            keywords,
            regex,
            group: r.secret_group.filter(|g| *g > 0),
            entropy: r.entropy.filter(|e| *e > 0.0),
            path: r.path.clone(),
            allow,
            required: required.collect(),
            reported: !r.skip_report,
            least: [0; 4],
        },
    ))
}

fn is_and(condition: &str) -> bool {
    condition.eq_ignore_ascii_case("and") || condition == "&&"
}

fn allowed(list: &AllowToml) -> Result<ForeignAllow, String> {
    let all = match list.condition.as_deref() {
        None => false,
        Some(c) if c.is_empty() || c.eq_ignore_ascii_case("or") || c == "||" => false,
        Some(c) if is_and(c) => true,
        Some(other) => return Err(format!("no condition is called `{other}`; known: OR, AND")),
    };
    let target = match list.regex_target.as_deref() {
        None | Some("" | "secret") => Target::Secret,
        Some("match") => Target::Match,
        Some("line") => Target::Line,
        Some(other) => return Err(format!("no regexTarget is called `{other}`; known: secret, match, line")),
    };
    Ok(ForeignAllow {
        all,
        paths: list.paths.clone(),
        regexes: list.regexes.iter().map(|r| without_comments(r)).collect(),
        target,
        stopwords: list.stopwords.iter().map(|w| w.to_ascii_lowercase()).collect(),
    })
}
