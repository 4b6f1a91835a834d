//! Findings of other tools: reads their reports, and makes findings of ours of what they say.
//!
//! One file a format: [`sarif`], [`gitleaks`], [`trufflehog`], [`detect_secrets`], [`github`]. A format is a [`Format`] in
//! [`FORMATS`]: how it is recognised, how it is read, and under which keys it carries what must not be kept.
//!
//! - **Nothing is half read.** A report of the wrong shape, or larger than the limits, is an error and no shorter report.
//! - **No value leaves.** A value becomes its keyed identity, the same one our own scanner computes, so that one value is
//!   recognised whoever found it; and [`Imported::stored`] is the report without it.

mod detect_secrets;
mod github;
mod gitleaks;
mod hide;
mod mapping;
mod place;
mod sarif;
mod trufflehog;
mod weakness;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use countersign_model::{Confidence, Digest, Finding, FindingState, ReportRecord, Severity, ToolReport, TreePath};
use serde::Deserialize;
use serde::de::IgnoredAny;

pub use mapping::{Mapping, MappingTable};
pub use weakness::is_same as same_weakness;
pub use weakness::is_secret;

use crate::engine::{Scanner, is_printable};
use crate::suppress::{Baseline, Declaration, Suppressions};
use crate::tree::fingerprint;
use crate::{Error, Stage};

/// No larger report is read, in bytes.
pub const MOST_BYTES: usize = 64 * 1024 * 1024;
/// No more findings of one report are read: nobody reads a longer list, and it would fill the memory.
pub const MOST_FINDINGS: usize = 100_000;
/// What is kept of a message, in characters.
const MESSAGE: usize = 500;
/// What is kept of a rule's id or a tool's name, in characters.
const NAME: usize = 200;

/// Tools that are called like us or a family of our rules would have their rules' ids taken for ours.
const RESERVED: &[&str] = &["countersign", "scan", "secrets", "pii"];

/// Takes values out of a document, adds them to those that are looked for elsewhere, and says how many it took.
type Hide = fn(&mut serde_json::Value, &hide::Hiding<'_>, &mut BTreeSet<String>) -> u64;

/// A format of reports.
pub(crate) struct Format {
    /// What `--report` calls it.
    pub(crate) name: &'static str,
    /// Whether a document looks like it.
    recognises: fn(&Probe) -> bool,
    /// Reads it.
    read: fn(&Text<'_>, &Reading<'_>) -> Result<Vec<Part>, Fault>,
    /// Keys under which values of secrets stand. They are taken out before the report is stored, wherever they stand.
    hidden: &'static [&'static str],
    /// Keys under which names and addresses of people stand. They are taken out where they stand.
    private: &'static [&'static str],
    /// Takes out what only this format knows to be a value; says how many it took.
    hide: Option<Hide>,
}

/// Every format there is. To add one, add a file and a line.
const FORMATS: &[&Format] =
    &[&sarif::FORMAT, &gitleaks::FORMAT, &trufflehog::FORMAT, &detect_secrets::FORMAT, &github::FORMAT];

/// What `--report` may be given.
#[must_use]
pub fn formats() -> Vec<&'static str> {
    FORMATS.iter().map(|f| f.name).collect()
}

/// Which keys the first object of a document has.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Probe {
    runs: Option<IgnoredAny>,
    version: Option<IgnoredAny>,
    results: Option<IgnoredAny>,
    plugins_used: Option<IgnoredAny>,
    number: Option<IgnoredAny>,
    secret_type: Option<IgnoredAny>,
    #[serde(rename = "RuleID")]
    rule_id: Option<IgnoredAny>,
    #[serde(rename = "StartLine")]
    start_line: Option<IgnoredAny>,
    #[serde(rename = "DetectorName")]
    detector_name: Option<IgnoredAny>,
    #[serde(rename = "SourceMetadata")]
    source_metadata: Option<IgnoredAny>,
    /// The document is a list.
    #[serde(skip)]
    is_list: bool,
}

/// The text of a report.
pub(crate) struct Text<'t> {
    text: &'t [u8],
}

impl<'t> Text<'t> {
    /// The whole text as one document.
    pub(crate) fn whole<T: Deserialize<'t>>(&self) -> Result<T, Fault> {
        serde_json::from_slice(self.text).map_err(|e| Fault::json(&e, 0))
    }

    /// One document a line; empty lines are none.
    pub(crate) fn lines<T: Deserialize<'t>>(&self) -> Result<Vec<T>, Fault> {
        let mut out = Vec::new();
        for (n, line) in self.text.split(|b| *b == b'\n').enumerate() {
            if line.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            if out.len() >= MOST_FINDINGS {
                return Err(Fault::TooMany);
            }
            out.push(serde_json::from_slice(line).map_err(|e| Fault::json(&e, n))?);
        }
        Ok(out)
    }
}

/// Why a report is not read.
#[derive(Debug)]
pub(crate) enum Fault {
    /// It is not of its format.
    Syntax { line: Option<u32>, column: Option<u32>, why: String },
    /// It has more findings than are read.
    TooMany,
}

impl Fault {
    fn json(error: &serde_json::Error, lines_before: usize) -> Self {
        let number = |n: usize| u32::try_from(n).ok().filter(|n| *n > 0);
        // What stands before the place. A message of this reader can quote a text of the wrong kind, and that may be a
        // value: so nothing after the kind is passed on.
        let why = match error.classify() {
            serde_json::error::Category::Eof => "it ends early",
            serde_json::error::Category::Data => "a value of the wrong kind, or a field that is missing",
            _ if error.to_string().starts_with("recursion limit") => "it is nested too deeply",
            _ => "it is no JSON",
        };
        Self::Syntax { line: number(error.line() + lines_before), column: number(error.column()), why: why.into() }
    }

    pub(crate) fn shape(why: impl Into<String>) -> Self {
        Self::Syntax { line: None, column: None, why: why.into() }
    }
}

/// What a format's reader is given.
pub(crate) struct Reading<'a> {
    scanner: &'a Scanner<'a>,
    /// Absolute paths of the repository.
    pub(crate) roots: &'a [String],
}

impl Reading<'_> {
    /// The keyed identity of a value, the one that our own scanner gives it. A value that the tool itself made
    /// unreadable has none.
    pub(crate) fn value(&self, value: &str) -> Option<Digest> {
        let hidden = value.is_empty()
            || value.eq_ignore_ascii_case("redacted")
            || value.ends_with("...")
            || value.ends_with('…')
            || value.bytes().all(|b| b == b'*')
            || value == hide::HIDDEN;
        (!hidden).then(|| self.scanner.identity(value.as_bytes()))
    }
}

/// What one tool says.
#[derive(Default)]
pub(crate) struct Part {
    pub(crate) tool: String,
    pub(crate) version: Option<String>,
    /// Commits that it says it was made for.
    pub(crate) revisions: Vec<String>,
    /// Why it does not say all, where it does not.
    pub(crate) incomplete: Vec<String>,
    /// Results that say of themselves that they are no findings.
    pub(crate) passed_over: u64,
    pub(crate) drafts: Vec<Draft>,
}

/// A finding as a tool tells it.
pub(crate) struct Draft {
    /// The tool's id of the rule.
    pub(crate) rule: String,
    pub(crate) title: String,
    pub(crate) severity: Severity,
    pub(crate) confidence: Confidence,
    pub(crate) path: TreePath,
    pub(crate) region: Region,
    pub(crate) cwe: Vec<String>,
    pub(crate) value: Option<Digest>,
    /// What tells it from others of the rule where there is no value. It is keyed before it is kept.
    pub(crate) key: String,
    /// Why the report asks for it not to count, where it does.
    pub(crate) request: Option<String>,
}

/// Lines and columns from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Region {
    pub(crate) line: u32,
    pub(crate) column: u32,
    pub(crate) end_line: u32,
    pub(crate) end_column: u32,
}

impl Region {
    /// A region of whatever numbers a tool wrote.
    pub(crate) fn new(line: Option<i64>, column: Option<i64>, end_line: Option<i64>, end_column: Option<i64>) -> Self {
        let number = |n: Option<i64>| n.and_then(|n| u32::try_from(n).ok()).unwrap_or(0).max(1);
        let line = number(line);
        let end_line = number(end_line).max(line);
        let column = number(column);
        let end = number(end_column);
        Self { line, column, end_line, end_column: if end_line == line { end.max(column) } else { end } }
    }

    /// A line as a whole.
    pub(crate) fn line(line: Option<i64>) -> Self {
        Self::new(line, None, None, None)
    }
}

/// What a report is read with.
pub struct Context<'a> {
    /// Keys values, and looks for values that a report quotes.
    pub scanner: &'a Scanner<'a>,
    /// Absolute paths of the repository, `/`-separated: what lies below one is inside the tree.
    pub roots: &'a [String],
    /// Weaknesses and rules to controls.
    pub mapping: &'a Mapping,
    /// The commit that the report is said to be made for; what the report says itself goes before it.
    pub commit: Option<&'a str>,
    /// Suppressions that the judged commit asks for.
    pub declarations: &'a [Declaration],
    /// Known findings for which the judged commit asks suppression.
    pub baseline: Option<&'a Baseline>,
}

/// A report that was read.
#[derive(Debug)]
pub struct Imported {
    /// What it says.
    pub record: ReportRecord,
    /// The report as it may be stored, where that differs from what was read: without values, names and addresses.
    pub stored: Option<Vec<u8>>,
}

/// Reads a report. `format` names its format; without one it is recognised, and `None` means that the text is no report
/// of a known tool. `file` is what errors name.
///
/// # Errors
/// [`Error::Report`] when it is not of its format; [`Error::ReportTooLarge`] above [`MOST_BYTES`] or [`MOST_FINDINGS`];
/// [`Error::ReportFormat`] when there is no such format.
pub fn import(bytes: &[u8], file: &str, format: Option<&str>, cx: &Context<'_>) -> Result<Option<Imported>, Error> {
    let text = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    let named = |name: &str| {
        let wrong = || Error::ReportFormat { format: name.to_owned(), known: formats().join(", ") };
        FORMATS.iter().copied().find(|f| f.name == name).ok_or_else(wrong)
    };
    let format = match format {
        Some(name) => named(name)?,
        None => match recognise(text, file) {
            Some(format) => format,
            None => return Ok(None),
        },
    };
    if text.len() > MOST_BYTES {
        return Err(Error::ReportTooLarge { file: file.to_owned(), what: format!("{MOST_BYTES} bytes") });
    }
    let reading = Reading { scanner: cx.scanner, roots: cx.roots };
    let parts = (format.read)(&Text { text }, &reading).map_err(|fault| match fault {
        Fault::Syntax { line, column, why } => {
            Error::Report { file: file.to_owned(), format: format.name, line, column, why }
        }
        Fault::TooMany => Error::ReportTooLarge { file: file.to_owned(), what: format!("{MOST_FINDINGS} findings") },
    })?;
    if parts.iter().map(|p| p.drafts.len()).sum::<usize>() > MOST_FINDINGS {
        return Err(Error::ReportTooLarge { file: file.to_owned(), what: format!("{MOST_FINDINGS} findings") });
    }
    let (stored, hidden, values) = hide::hide(text, format, &reading).map_err(|why| Error::Report {
        file: file.to_owned(),
        format: format.name,
        line: None,
        column: None,
        why,
    })?;
    let suppressions = Suppressions::new(cx.declarations, cx.baseline)?;
    let mut reports = Vec::new();
    for part in parts {
        let mut report = finish(part, cx, &values);
        suppressions.apply(&mut report.findings, None);
        reports.push(report);
    }
    let record = ReportRecord { version: 1, format: format.name.into(), hidden, reports };
    Ok(Some(Imported { record, stored }))
}

/// The format of a text that looks like a report. A text that is broken counts as SARIF where name or beginning say so:
/// a report that was cut short must not pass for some other file.
fn recognise(text: &[u8], file: &str) -> Option<&'static Format> {
    const HEAD: usize = 4096;
    let first = text.iter().find(|b| !b.is_ascii_whitespace())?;
    let probe = match first {
        b'[' => serde_json::from_slice::<Vec<Probe>>(text)
            .ok()
            .and_then(|list| list.into_iter().next())
            .map(|probe| Probe { is_list: true, ..probe }),
        b'{' => serde_json::from_slice::<Probe>(text).ok().or_else(|| {
            // One object a line, the findings between lines of a log.
            let lines = text.split(|b| *b == b'\n').map_while(|line| match line.trim_ascii() {
                [] => Some(Probe::default()),
                line => serde_json::from_slice::<Probe>(line).ok(),
            });
            lines.into_iter().find(|probe| FORMATS.iter().any(|f| (f.recognises)(probe)))
        }),
        _ => return None,
    };
    if let Some(format) = probe.and_then(|probe| FORMATS.iter().copied().find(|f| (f.recognises)(&probe))) {
        return Some(format);
    }
    let head = text.get(..text.len().min(HEAD)).unwrap_or_default();
    let says_sarif = memchr::memmem::find(head, b"sarif").is_some() && memchr::memmem::find(head, b"$schema").is_some();
    let name = file.to_ascii_lowercase();
    let is_broken = serde_json::from_slice::<IgnoredAny>(text).is_err();
    let is_named = name.ends_with(".sarif") || name.ends_with(".sarif.json");
    (is_named || is_broken && says_sarif).then_some(&sarif::FORMAT)
}

/// A tool's name as it stands in rule ids and in `required_reports`: `Semgrep OSS` is `semgrep-oss`.
#[must_use]
pub fn tool_id(name: &str) -> String {
    let mut out = String::new();
    for c in name.chars().take(NAME) {
        if c.is_ascii_alphanumeric() {
            out.push(c.to_ascii_lowercase());
        } else if !out.is_empty() && !out.ends_with('-') {
            out.push('-');
        }
    }
    let out = out.trim_end_matches('-');
    if out.is_empty() { "unnamed".into() } else { out.into() }
}

/// A text of a report as it is kept: one line, nothing that a terminal obeys, no longer than `most` characters.
fn plain(text: &str, most: usize, values: &hide::Values) -> String {
    let text = values.without(text);
    let mut out = String::new();
    for word in text.split_whitespace() {
        if !out.is_empty() {
            out.push(' ');
        }
        out.extend(word.chars().filter(|c| is_printable(*c)).take(most));
        if out.chars().count() > most {
            return out.chars().take(most).chain(['…']).collect();
        }
    }
    out
}

/// Names, fingerprints, controls, and an order that does not depend on the tool's.
fn finish(part: Part, cx: &Context<'_>, values: &hide::Values) -> ToolReport {
    let mut tool = tool_id(&part.tool);
    if RESERVED.contains(&tool.as_str()) {
        tool.push_str("-report");
    }
    let mut drafts: Vec<(String, Draft)> = part
        .drafts
        .into_iter()
        .map(|draft| {
            let rule = plain(&draft.rule, NAME, &hide::Values::default());
            (format!("{tool}/{}", if rule.is_empty() { "unnamed" } else { &rule }), draft)
        })
        .collect();
    drafts.sort_by(|(ar, a), (br, b)| {
        (&a.path, a.region, ar, a.value, &a.key).cmp(&(&b.path, b.region, br, b.value, &b.key))
    });
    drafts.dedup_by(|(br, b), (ar, a)| {
        ar == br && a.path == b.path && a.region == b.region && a.value == b.value && a.key == b.key
    });
    let mut seen: HashMap<(String, Digest), u64> = HashMap::new();
    let findings = drafts
        .into_iter()
        .map(|(rule, d)| {
            let identity = d.value.unwrap_or_else(|| {
                let parts = [&b"countersign reported finding v1"[..], d.path.as_bytes(), d.key.as_bytes()];
                cx.scanner.identity(&parts.join(&0))
            });
            let ordinal = seen.entry((rule.clone(), identity)).or_default();
            let print = fingerprint(&rule, &identity, *ordinal);
            *ordinal += 1;
            // A message may quote what was found.
            let quoting = hide::Hiding { scanner: cx.scanner };
            let safe = |text: &str| {
                if quoting.holds_secret(text) { hide::HIDDEN.to_owned() } else { plain(text, MESSAGE, values) }
            };
            let title = safe(&d.title);
            let requested = d.request.is_some();
            Finding {
                title: if title.is_empty() { rule.clone() } else { title },
                severity: d.severity,
                confidence: d.confidence,
                path: d.path,
                line: d.region.line,
                column: d.region.column,
                end_line: d.region.end_line,
                end_column: d.region.end_column,
                fingerprint: print,
                controls: cx.mapping.controls(&rule, &d.cwe),
                cwe: d.cwe,
                excerpt: String::new(),
                value: d.value,
                state: if requested { FindingState::SuppressionRequested } else { FindingState::Open },
                reason: d.request.map(|r| safe(&r)),
                requested_by: requested.then(|| "report".to_owned()),
                rule,
            }
        })
        .collect();
    let is_commit = |c: &String| (7..=64).contains(&c.len()) && c.bytes().all(|b| b.is_ascii_hexdigit());
    let mut revisions: Vec<String> =
        part.revisions.into_iter().map(|r| r.to_ascii_lowercase()).filter(is_commit).collect();
    if revisions.is_empty() {
        revisions.extend(cx.commit.map(str::to_ascii_lowercase));
    }
    ToolReport {
        name: plain(&part.tool, NAME, &hide::Values::default()),
        tool,
        version: part.version.map(|v| plain(&v, NAME, values)).filter(|v| !v.is_empty()),
        revisions,
        incomplete: part.incomplete.iter().map(|why| plain(why, MESSAGE, values)).collect(),
        passed_over: part.passed_over,
        findings,
    }
}

/// In which stages a finding of another tool is looked at: a secret as soon as it is in a commit, the rest when it is
/// built.
#[must_use]
pub fn stages(finding: &Finding) -> Vec<String> {
    let build = Stage::Build.to_string();
    if finding.value.is_some() || is_secret(&finding.cwe) {
        vec![Stage::Commit.to_string(), build]
    } else {
        vec![build]
    }
}

/// Severity words that tools use.
pub(crate) fn severity_word(word: &str) -> Option<Severity> {
    let words: BTreeMap<&str, Severity> = BTreeMap::from([
        ("critical", Severity::Critical),
        ("high", Severity::High),
        ("medium", Severity::Medium),
        ("moderate", Severity::Medium),
        ("low", Severity::Low),
        ("info", Severity::Info),
        ("informational", Severity::Info),
    ]);
    words.get(word.to_ascii_lowercase().as_str()).copied()
}
