//! Looks by a rule of another tool.

use std::ops::Range;
use std::sync::OnceLock;

use countersign_model::{Confidence, TreePath};
use regex::bytes::{Regex, RegexSet, RegexSetBuilder};
use serde::Serialize;

use crate::family::{Candidate, Detector, Unusable};
use crate::secrets;

/// What another tool's rule matches, as it is applied here.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct ForeignMatch {
    /// Words one of which must be near; none means that the expression looks at everything.
    pub keywords: Vec<String>,
    /// The expression; none means that the path alone is what is found.
    pub regex: Option<String>,
    /// The capture group that is the secret; `None` is the first that took part.
    pub group: Option<usize>,
    /// The least Shannon entropy of the secret, which it must exceed, in bits a character.
    pub entropy: Option<f64>,
    /// An expression that the path must match.
    pub path: Option<String>,
    /// What is allowed.
    pub allow: Vec<ForeignAllow>,
    /// Rules that must match near, by id, and within how many lines.
    pub required: Vec<(String, Option<usize>)>,
    /// Whether its matches are findings, or only there for others to require.
    pub reported: bool,
    /// The least number of digits, capitals, small letters and signs in the secret.
    pub least: [usize; 4],
}

/// An allow list of another tool.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ForeignAllow {
    /// Whether all parts must fit, or one is enough.
    pub all: bool,
    /// Expressions on the path.
    pub paths: Vec<String>,
    /// Expressions.
    pub regexes: Vec<String>,
    /// What these look at.
    pub target: Target,
    /// Words in the secret, in small letters.
    pub stopwords: Vec<String>,
}

/// What the expressions of an allow list look at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub enum Target {
    /// The secret.
    #[default]
    Secret,
    /// All that the rule's expression matched.
    Match,
    /// The line.
    Line,
}

/// A rule that must match near another one's match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Required {
    pub(crate) rule: u32,
    /// How many lines apart at most; `None` is anywhere in the text.
    pub(crate) lines: Option<usize>,
}

/// How far from a keyword the expression looks.
const WINDOW: usize = 1024;

/// How far a line is read for an allow list.
const LINE: usize = 1024;

/// Such a rule, its expressions compiled when they are first needed.
#[derive(Debug)]
pub(crate) struct Foreign {
    spec: ForeignMatch,
    confidence: Confidence,
    regex: OnceLock<Option<Regex>>,
    path: OnceLock<Option<RegexSet>>,
    allow: OnceLock<Option<Vec<Allow>>>,
}

/// An allow list, compiled.
#[derive(Debug)]
struct Allow {
    all: bool,
    target: Target,
    paths: Option<RegexSet>,
    regexes: Option<RegexSet>,
    stopwords: Vec<String>,
}

impl Foreign {
    pub(crate) const fn new(spec: ForeignMatch, confidence: Confidence) -> Self {
        Self { spec, confidence, regex: OnceLock::new(), path: OnceLock::new(), allow: OnceLock::new() }
    }

    fn allow(&self) -> Option<&[Allow]> {
        let compile = || self.spec.allow.iter().map(|a| compile(a).ok()).collect();
        self.allow.get_or_init(compile).as_deref()
    }

    fn is_allowed(&self, text: &[u8], whole: Range<usize>, secret: &[u8]) -> Result<bool, Unusable> {
        let fits = |a: &Allow| {
            let target = match a.target {
                Target::Secret => secret,
                Target::Match => &text[whole.clone()],
                Target::Line => line(text, &whole),
            };
            let regexes = a.regexes.as_ref().map(|r| r.is_match(target));
            let stopwords = (!a.stopwords.is_empty()).then(|| {
                let lower = secret.to_ascii_lowercase();
                a.stopwords.iter().any(|w| memchr::memmem::find(&lower, w.as_bytes()).is_some())
            });
            let parts = [regexes, stopwords];
            let mut said = parts.iter().flatten();
            // Where the path must fit as well, nothing is allowed by the rest alone; the reader of the file says so.
            if a.all {
                a.paths.is_none() && parts.iter().any(Option::is_some) && said.all(|p| *p)
            } else {
                said.any(|p| *p)
            }
        };
        Ok(self.allow().ok_or(Unusable)?.iter().any(fits))
    }

    fn is_long_enough(&self, secret: &[u8]) -> bool {
        let count = |kind: fn(&u8) -> bool| secret.iter().filter(|b| kind(b)).count();
        let [digits, upper, lower, signs] = self.spec.least;
        count(u8::is_ascii_digit) >= digits
            && count(u8::is_ascii_uppercase) >= upper
            && count(u8::is_ascii_lowercase) >= lower
            && count(u8::is_ascii_punctuation) >= signs
    }
}

fn compile(a: &ForeignAllow) -> Result<Allow, regex::Error> {
    let set = |list: &[String]| (!list.is_empty()).then(|| set(list)).transpose();
    Ok(Allow {
        all: a.all,
        target: a.target,
        paths: set(&a.paths)?,
        regexes: set(&a.regexes)?,
        stopwords: a.stopwords.clone(),
    })
}

fn set(list: &[String]) -> Result<RegexSet, regex::Error> {
    RegexSetBuilder::new(list).unicode(false).build()
}

/// The line or lines of a match, as far as an allow list may look.
fn line<'t>(text: &'t [u8], whole: &Range<usize>) -> &'t [u8] {
    let floor = whole.start.saturating_sub(LINE);
    let start = text[floor..whole.start].iter().rposition(|b| *b == b'\n').map_or(floor, |n| floor + n + 1);
    let ceiling = whole.end.saturating_add(LINE).min(text.len());
    let end = text[whole.end..ceiling].iter().position(|b| *b == b'\n').map_or(ceiling, |n| whole.end + n);
    &text[start..end]
}

impl Detector for Foreign {
    fn keywords(&self) -> &[String] {
        &self.spec.keywords
    }

    fn reach(&self) -> usize {
        WINDOW
    }

    fn looks_at(&self, path: &TreePath) -> bool {
        if let Some(expression) = &self.spec.path {
            let set = self.path.get_or_init(|| set(std::slice::from_ref(expression)).ok());
            if !set.as_ref().is_some_and(|s| s.is_match(path.as_bytes())) {
                return false;
            }
        }
        let allowed = |a: &Allow| {
            let alone = !a.all || (a.regexes.is_none() && a.stopwords.is_empty());
            alone && a.paths.as_ref().is_some_and(|p| p.is_match(path.as_bytes()))
        };
        !self.allow().is_some_and(|list| list.iter().any(allowed))
    }

    fn limits_paths(&self) -> bool {
        self.spec.path.is_some() || self.spec.allow.iter().any(|a| !a.paths.is_empty())
    }

    fn required(&self) -> &[(String, Option<usize>)] {
        &self.spec.required
    }

    fn is_reported(&self) -> bool {
        self.spec.reported
    }

    fn look(&self, text: &[u8], window: Range<usize>, found: &mut Vec<Candidate>) -> Result<(), Unusable> {
        let Some(expression) = &self.spec.regex else {
            // The path is what is found; the first line stands for the file and is not shown.
            let end = text.iter().take(LINE).position(|b| *b == b'\n').unwrap_or(text.len().min(LINE));
            if window.start == 0 && end > 0 {
                found.push(Candidate { value: 0..end, confidence: Some(self.confidence) });
            }
            return Ok(());
        };
        let regex = self.regex.get_or_init(|| secrets::regex(expression).ok()).as_ref().ok_or(Unusable)?;
        secrets::each_match(regex, text, window, |places, whole| {
            let first = (1..places.len()).find_map(|n| places.get(n).filter(|(s, e)| s < e));
            let group = self.spec.group.map_or(first, |group| places.get(group));
            let (start, stop) = group.unwrap_or((whole.start, whole.end));
            let value = &text[start..stop];
            if !value.is_empty() && !self.is_allowed(text, whole, value)? {
                let counts =
                    self.is_long_enough(value) && self.spec.entropy.is_none_or(|least| secrets::shannon(value) > least);
                found.push(Candidate { value: start..stop, confidence: counts.then_some(self.confidence) });
            }
            Ok(stop)
        })
    }

    fn compile(&self) -> Result<(), (&'static str, String)> {
        if let Some(expression) = &self.spec.regex {
            let regex = secrets::regex(expression).map_err(|e| ("regex", e.to_string()))?;
            if let Some(group) = self.spec.group.filter(|g| *g >= regex.captures_len()) {
                return Err(("secretGroup", format!("the expression has no capture group {group}")));
            }
        }
        if let Some(path) = &self.spec.path {
            set(std::slice::from_ref(path)).map_err(|e| ("path", e.to_string()))?;
        }
        for list in &self.spec.allow {
            compile(list).map_err(|e| ("allowlists", e.to_string()))?;
        }
        Ok(())
    }
}
