//! Controls: what the firm does, and how evidence decides whether it does it.

use countersign_model::{Digest, EventKind};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_saphyr::Spanned;

use super::framework::{is_id, one_line};
use super::read::{File, Kind, nearest};
use super::{facts, fields, source};
use crate::Error;

/// How often a control works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Frequency {
    /// At every change, before it goes on.
    EachChange,
    /// At every deployment.
    EachDeployment,
    /// Whenever the thing happens that it watches.
    EachEvent,
    /// Once a day.
    Daily,
    /// Once a week.
    Weekly,
    /// Once a month.
    Monthly,
    /// Once a quarter.
    Quarterly,
    /// Once a year.
    Yearly,
}

impl Frequency {
    /// The text form.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EachChange => "each-change",
            Self::EachDeployment => "each-deployment",
            Self::EachEvent => "each-event",
            Self::Daily => "daily",
            Self::Weekly => "weekly",
            Self::Monthly => "monthly",
            Self::Quarterly => "quarterly",
            Self::Yearly => "yearly",
        }
    }
}

/// Something that the firm does, with an objective; it is supported by evidence and meets requirements.
#[derive(Debug, Clone, PartialEq)]
pub struct Control {
    /// Its id, equal to the name of its file.
    pub id: String,
    /// One line.
    pub title: String,
    /// What the firm achieves by it.
    pub objective: String,
    /// The role that answers for it. Which person that is, a gate says.
    pub owner: String,
    /// The role that stands in.
    pub deputy: String,
    /// `framework:clause`, as in `pci-dss-4.0.1:6.5.1`, each with the line at which it stands.
    pub requirements: Vec<(String, u32)>,
    /// The kinds of event that support it.
    pub evidence: Vec<EventKind>,
    /// The sources of evidence without which it cannot be judged.
    pub needs: Vec<String>,
    /// How often it works.
    pub frequency: Frequency,
    /// Hours within which a breach is answered.
    pub sla_hours: u32,
    /// What people attest besides, where evidence decides a part only.
    pub attests: Option<String>,
    /// How it is decided; `None`: by people alone.
    pub decides: Option<Decides>,
    /// Facts over which it must pass, and facts over which it must fail.
    pub examples: Examples,
    /// SHA-256 of its file: the version of the control.
    pub digest: Digest,
    /// The file's name, for messages.
    pub file: String,
}

/// How a control is decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decides {
    /// What it judges each of: a collection of the assessment's facts.
    pub over: String,
    /// Rego: `fail contains {"subject": id, "text": text}`, and `applies contains id` where it is not about all of them.
    pub rule: String,
    /// The line of the file at which the rule begins, from 1.
    pub line: usize,
    /// How far it is indented there.
    pub indent: usize,
}

/// Facts that show what a control means.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Examples {
    /// Over these it passes.
    #[serde(default)]
    pub pass: Vec<Value>,
    /// Over these it fails.
    #[serde(default)]
    pub fail: Vec<Value>,
}

/// The file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    id: String,
    title: String,
    objective: String,
    owner: String,
    deputy: String,
    requirements: Vec<Spanned<String>>,
    evidence: Vec<EventKind>,
    needs: Vec<Spanned<String>>,
    frequency: Frequency,
    sla: String,
    attests: Option<String>,
    decides: Option<RawDecides>,
    #[serde(default)]
    examples: Examples,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawDecides {
    over: Spanned<String>,
    rule: String,
}

impl Control {
    /// The control as the one module of a policy bundle: its file's name, and Rego in which every line and column is that
    /// of the file.
    #[must_use]
    pub fn module(&self) -> Option<(String, String)> {
        let decides = self.decides.as_ref()?;
        let mut text = String::from("package countersign.control\n");
        text.push_str(&"\n".repeat(decides.line.saturating_sub(2)));
        let indent = " ".repeat(decides.indent);
        for line in decides.rule.lines() {
            if !line.is_empty() {
                text.push_str(&indent);
                text.push_str(line);
            }
            text.push('\n');
        }
        Some((format!("{}.rego", self.id), text))
    }
}

/// Reads one control.
///
/// # Errors
/// [`Error::Control`] with file and line, when a file is not UTF-8 or YAML, has an unknown or missing key, an empty field, a
/// malformed requirement, an unknown source or collection, a rule without `fail`, examples that do not fit the facts, or
/// another id than its name.
pub fn parse(name: &str, contents: &[u8]) -> Result<Control, Error> {
    let file = File::new(name, contents, Kind::Control)?;
    let raw: Raw = file.parse()?;
    file.named(&raw.id)?;
    if !is_id(&raw.id) {
        return Err(file.at_key("id:", "an id is lower-case words and digits joined by `-`"));
    }
    for (key, value) in [("title", &raw.title), ("objective", &raw.objective)] {
        file.says(key, value)?;
    }
    for (key, value) in [("owner", &raw.owner), ("deputy", &raw.deputy)] {
        if !is_id(value) {
            return Err(file.at_key(&format!("{key}:"), format!("`{key}` is a role, as `security-officer`; no person")));
        }
    }
    if raw.owner == raw.deputy {
        return Err(file.at_key("deputy:", "the deputy is somebody else than the owner"));
    }
    let requirements = requirements(&file, &raw)?;
    if raw.evidence.is_empty() {
        return Err(file.at_key("evidence:", "no kind of event supports it"));
    }
    if raw.needs.is_empty() {
        return Err(file.at_key("needs:", "it needs no source of evidence, so nothing could ever decide it"));
    }
    for need in &raw.needs {
        if source::find(&need.value).is_none() {
            return Err(file.at(need, unknown("source of evidence", &need.value, source::names())));
        }
    }
    let sla_hours = hours(&raw.sla).ok_or_else(|| file.at_key("sla:", "write hours or days, as `24h` or `30d`"))?;
    let decides = raw.decides.as_ref().map(|d| decides(&file, d)).transpose()?;
    if decides.is_some() {
        for (key, examples) in [("pass", &raw.examples.pass), ("fail", &raw.examples.fail)] {
            if examples.is_empty() {
                return Err(
                    file.at_key("examples:", format!("no example under `{key}`: a rule that is decided has both"))
                );
            }
            for (n, example) in examples.iter().enumerate() {
                facts::complete(example)
                    .map_err(|what| file.at_key(&format!("{key}:"), format!("example {}: {what}", n + 1)))?;
            }
        }
    } else if !raw.examples.pass.is_empty() || !raw.examples.fail.is_empty() {
        return Err(file.at_key("examples:", "there is no rule that could be tried on them"));
    } else if raw.attests.is_none() {
        return Err(file.whole("neither a rule decides it (`decides`) nor does anybody attest it (`attests`)"));
    }
    Ok(Control {
        id: raw.id,
        title: one_line(&raw.title),
        objective: one_line(&raw.objective),
        owner: raw.owner,
        deputy: raw.deputy,
        requirements,
        evidence: raw.evidence,
        needs: raw.needs.into_iter().map(|n| n.value).collect(),
        frequency: raw.frequency,
        sla_hours,
        attests: raw.attests.map(|text| one_line(&text)),
        decides,
        examples: raw.examples,
        digest: Digest::of(contents),
        file: name.to_owned(),
    })
}

fn requirements(file: &File<'_>, raw: &Raw) -> Result<Vec<(String, u32)>, Error> {
    let mut all: Vec<(String, u32)> = Vec::with_capacity(raw.requirements.len());
    for r in &raw.requirements {
        let text = &r.value;
        if !text.split_once(':').is_some_and(|(framework, clause)| !framework.is_empty() && !clause.is_empty()) {
            return Err(file.at(r, format!("`{text}` is not of the form `framework:clause`")));
        }
        if all.iter().any(|(before, _)| before == text) {
            return Err(file.at(r, format!("`{text}` stands here twice")));
        }
        all.push((text.clone(), file.place(r).line.unwrap_or(1)));
    }
    Ok(all)
}

fn decides(file: &File<'_>, raw: &RawDecides) -> Result<Decides, Error> {
    let Some(collection) = facts::collection(&raw.over.value) else {
        return Err(file.at(&raw.over, unknown("collection", &raw.over.value, facts::names())));
    };
    let line = file.block_line("rule:");
    let first = file.text.lines().nth(line.saturating_sub(1)).unwrap_or_default();
    let indent = first.len().saturating_sub(first.trim_start().len());
    if !raw.rule.contains("fail contains") {
        return Err(file.at_key("rule:", "the rule never says `fail contains`, so it could not fail"));
    }
    if let Some((n, field)) = fields::unknown(&raw.rule) {
        let place = format!("line {}", line.saturating_add(n));
        return Err(file.at_key("rule:", format!("{place}: no fact has a field `{field}`")));
    }
    Ok(Decides { over: collection.name.to_owned(), rule: raw.rule.clone(), line, indent })
}

pub(super) fn unknown(what: &str, written: &str, known: impl Iterator<Item = &'static str>) -> String {
    match nearest(written, known) {
        Some(near) => format!("there is no {what} `{written}`; did you mean `{near}`?"),
        None => format!("there is no {what} `{written}`"),
    }
}

/// `24h`, `30d`.
fn hours(text: &str) -> Option<u32> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let n: u32 = digits.parse().ok().filter(|n| *n > 0)?;
    match unit {
        "h" => Some(n),
        "d" => n.checked_mul(24),
        _ => None,
    }
}
