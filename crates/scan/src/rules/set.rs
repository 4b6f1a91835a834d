//! All rules together: sorted, searchable by one pass, with a digest that stands for them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use countersign_model::{Confidence, Digest, Hasher, Severity, TreePath};
use globset::{Candidate, GlobBuilder, GlobSet, GlobSetBuilder};
use rayon::prelude::*;
use serde_json::value::RawValue;

use crate::Error;
use crate::engine::{Large, SEARCH_LIMIT, Small, mark_words};
use crate::family::{self, Detector, Overview};
use crate::foreign::{self, Required};
use crate::rules::{Examples, Fix, Rule, Stage, read};

/// The rule files of `rules/` as the build found them: a JSON object, paths to rules. See `build.rs`.
static SHIPPED: &str = include_str!(concat!(env!("OUT_DIR"), "/rules.json"));

/// Raised whenever the engine may answer differently for the same rules and bytes; it is part of the rules' digest.
const ENGINE_VERSION: u32 = 6;

/// From so many bytes on, making the full table pays.
const LARGE_FROM: usize = 4 * 1024 * 1024;

/// The built-in rule for an inline suppression that gives no reason.
pub const MISSING_REASON: &str = "scan/suppression-without-reason";

/// Where a rule stands in its [`RuleSet`]. It means nothing to another set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleIndex(pub(crate) u32);

impl RuleIndex {
    pub(crate) const fn at(self) -> usize {
        self.0 as usize
    }
}

/// The rules of one scan: compiled, immutable, shared by all threads.
#[derive(Debug)]
pub struct RuleSet {
    /// Rules from files, sorted by id, then the built-in ones.
    all: Vec<Rule>,
    detectors: Vec<Box<dyn Detector>>,
    /// How many of `all` come from files.
    count: usize,
    digest: Digest,
    words: Vec<String>,
    small: Small,
    /// Made when it is first worth it; none where it cannot be.
    large: OnceLock<Option<Large>>,
    /// How much text was searched so far.
    searched: AtomicUsize,
    /// For every keyword, the rules that want to hear of it. The search has the words of suppression marks before them.
    listeners: Vec<Vec<u32>>,
    /// The rules that want to see runs of digits.
    runners: Vec<u32>,
    /// What the families say of files as a whole, and which of its keywords each pattern of `search` is.
    overview: Option<Box<dyn Overview>>,
    overview_words: Vec<Option<usize>>,
    kinds: Kinds,
    /// Rules without keywords, which look at everything.
    everywhere: Vec<u32>,
    /// Rules whose detector looks only at some paths.
    choosy: Vec<u32>,
    /// For each rule, what must match near its matches.
    required: Vec<Vec<Required>>,
    /// What files of other tools ask for and is not applied.
    notes: Vec<String>,
}

/// Which rules look only at some paths.
#[derive(Debug)]
struct Kinds {
    globs: GlobSet,
    /// The rule of each glob, and whether the glob says where it does not look.
    rules: Vec<(u32, bool)>,
    /// The rules that have kinds, sorted, and whether one of these says where it looks.
    limited: Vec<(u32, bool)>,
}

struct Loaded {
    file: String,
    rule: Rule,
    detector: Box<dyn Detector>,
    /// What the build made of a built-in rule; it stands for the rule in the digest.
    json: Option<&'static str>,
}

impl Loaded {
    fn new(file: &str, text: &str) -> Result<Self, Error> {
        let rule = read::parse(file, text)?;
        let detector = read::detector(file, text, &rule, false)?;
        Ok(Self { file: file.to_owned(), rule, detector, json: None })
    }

    /// The rules of a file, whoever's they are.
    fn all(file: &str, text: &str, notes: &mut Vec<String>) -> Result<Vec<Self>, Error> {
        let Some(theirs) = foreign::read(Path::new(file), text) else { return Ok(vec![Self::new(file, text)?]) };
        let theirs = theirs?;
        notes.extend(theirs.notes);
        let load = |rule: Rule| match read::detector(file, "", &rule, false) {
            Ok(detector) => Ok(Self { file: file.to_owned(), rule, detector, json: None }),
            Err(Error::RuleContent { file, id, why, .. }) => {
                Err(Error::RuleContent { line: foreign::line_of(text, &rule), file, id, why })
            }
            Err(other) => Err(other),
        };
        theirs.rules.into_iter().map(load).collect()
    }
}

impl RuleSet {
    /// The rules that are built into the program.
    ///
    /// # Errors
    /// When a built-in rule file is broken, which the tests rule out.
    pub fn shipped() -> Result<Self, Error> {
        Self::build(shipped_rules()?)
    }

    /// The built-in rules and those of `extra`, each a rule file or a directory of them: of this program, of gitleaks or
    /// betterleaks (`.toml`), of kingfisher or noseyparker (YAML with a list `rules`).
    ///
    /// # Errors
    /// An unreadable path, a broken rule, an expression that does not compile, or two rules with one id.
    pub fn load(extra: &[PathBuf]) -> Result<Self, Error> {
        let mut loaded = shipped_rules()?;
        let mut notes = Vec::new();
        for path in extra {
            for (file, text) in read::files(path)? {
                loaded.extend(Loaded::all(&file, &text, &mut notes)?);
            }
        }
        let mut set = Self::build(loaded)?;
        set.notes = notes;
        Ok(set)
    }

    /// A set of exactly these rule files, given as `(name, text)`, other tools' included: for tests and for rules that come
    /// from elsewhere.
    ///
    /// # Errors
    /// As [`RuleSet::load`].
    pub fn from_files<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, Error> {
        let (mut loaded, mut notes) = (Vec::new(), Vec::new());
        for (file, text) in files {
            loaded.extend(Loaded::all(file, text, &mut notes)?);
        }
        let mut set = Self::build(loaded)?;
        set.notes = notes;
        Ok(set)
    }

    /// The built-in rules and these files of this program's format; a file takes the place of a built-in rule of its id.
    pub(super) fn with_files(files: &[(String, String)]) -> Result<Self, Error> {
        let own = files.iter().map(|(file, text)| Loaded::new(file, text)).collect::<Result<Vec<_>, _>>()?;
        let mut all = shipped_rules()?;
        all.retain(|l| !own.iter().any(|o| o.rule.id == l.rule.id));
        all.extend(own);
        Self::build(all)
    }

    fn build(mut loaded: Vec<Loaded>) -> Result<Self, Error> {
        // A stable sort: of two rules with one id, the one that was read first stays first.
        loaded.sort_by(|a, b| a.rule.id.cmp(&b.rule.id));
        if let Some(pair) = loaded.windows(2).find(|p| p[0].rule.id == p[1].rule.id) {
            return Err(Error::RuleTwice {
                id: pair[0].rule.id.clone(),
                first: pair[0].file.clone(),
                second: pair[1].file.clone(),
            });
        }
        let count = loaded.len();
        let fault = |source: Box<dyn std::error::Error + Send + Sync>| Error::RuleSearch { rules: count, source };

        let mut patterns: BTreeMap<String, Vec<u32>> = BTreeMap::new();
        let mut globs = GlobSetBuilder::new();
        let mut glob_rules = Vec::new();
        let mut limited = Vec::new();
        for (n, one) in (0_u32..).zip(&loaded) {
            for keyword in one.detector.keywords() {
                let listeners = patterns.entry(keyword.to_ascii_lowercase()).or_default();
                if listeners.last() != Some(&n) {
                    listeners.push(n);
                }
            }
            if !one.rule.kinds.is_empty() {
                limited.push((n, one.rule.kinds.iter().any(|k| !k.starts_with('!'))));
            }
            for kind in &one.rule.kinds {
                let (glob, not) = kind.strip_prefix('!').map_or((kind.as_str(), false), |g| (g, true));
                for glob in alternatives(glob) {
                    globs.add(GlobBuilder::new(&glob).literal_separator(true).build().map_err(|e| fault(e.into()))?);
                    glob_rules.push((n, not));
                }
            }
        }
        let all: Vec<&Rule> = loaded.iter().map(|l| &l.rule).collect();
        let overview = family::overview(&all);
        let keywords = overview.as_ref().map_or(&[][..], |o| o.keywords());
        for keyword in keywords {
            patterns.entry((*keyword).to_owned()).or_default();
        }
        let overview_words = patterns.keys().map(|p| keywords.iter().position(|k| k == p)).collect();
        let words: Vec<String> = mark_words().map(str::to_owned).chain(patterns.keys().cloned()).collect();
        let small = Small::new(&words).map_err(|e| fault(e.into()))?;
        let listeners = patterns.into_values().collect();
        let kinds = Kinds { globs: globs.build().map_err(|e| fault(e.into()))?, rules: glob_rules, limited };

        let places: BTreeMap<&str, u32> = (0_u32..).zip(&loaded).map(|(n, l)| (l.rule.id.as_str(), n)).collect();
        let mut required = Vec::with_capacity(count);
        for one in &loaded {
            let mut needed = Vec::new();
            for (id, lines) in one.detector.required() {
                let Some(rule) = places.get(id.as_str()) else {
                    let why = format!("it requires the rule `{id}`, which is not there");
                    return Err(Error::RuleContent {
                        file: one.file.clone(),
                        line: None,
                        id: one.rule.id.clone(),
                        why,
                    });
                };
                needed.push(Required { rule: *rule, lines: *lines });
            }
            required.push(needed);
        }
        let those = |which: fn(&dyn Detector) -> bool| {
            (0_u32..).zip(&loaded).filter(|(_, l)| which(&*l.detector)).map(|(n, _)| n).collect::<Vec<_>>()
        };
        let everywhere = those(|d| d.keywords().is_empty() && !d.is_direct());
        let runners = those(|d| d.wants_runs());
        let choosy = those(|d| d.limits_paths());

        let missing = missing_reason();
        let digest = digest(&loaded, &missing).map_err(|e| fault(e.into()))?;
        let (mut all, detectors): (Vec<_>, Vec<_>) = loaded.into_iter().map(|l| (l.rule, l.detector)).unzip();
        all.push(missing);
        Ok(Self {
            all,
            detectors,
            count,
            digest,
            words,
            small,
            large: OnceLock::new(),
            searched: AtomicUsize::new(0),
            listeners,
            runners,
            overview,
            overview_words,
            kinds,
            everywhere,
            choosy,
            required,
            notes: Vec::new(),
        })
    }

    /// What stands for these rules: SHA-256 over the canonical contents of all of them and the engine's version.
    /// Whatever can change a finding changes it.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The rules that came from files, sorted by id.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        self.all.get(..self.count).unwrap_or_default()
    }

    /// The rules the engine brings itself: what it says about suppressions.
    #[must_use]
    pub fn built_in(&self) -> &[Rule] {
        self.all.get(self.count..).unwrap_or_default()
    }

    /// The rule with this id, built-in ones included.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&Rule> {
        match self.rules().binary_search_by(|r| r.id.as_str().cmp(id)) {
            Ok(n) => self.all.get(n),
            Err(_) => self.built_in().iter().find(|r| r.id == id),
        }
    }

    /// The rule of a [`crate::Match`] that was made with this set.
    #[must_use]
    pub fn rule(&self, index: RuleIndex) -> &Rule {
        // An index of another set names no rule here; the built-in rule is the one that is always there.
        self.all.get(index.at()).unwrap_or_else(|| &self.all[self.count])
    }

    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }

    pub(crate) fn missing_reason(&self) -> RuleIndex {
        RuleIndex(u32::try_from(self.count).unwrap_or(u32::MAX))
    }

    pub(crate) fn detector(&self, rule: u32) -> &dyn Detector {
        &*self.detectors[rule as usize]
    }

    pub(crate) fn detectors(&self) -> &[Box<dyn Detector>] {
        &self.detectors
    }

    /// Tells every keyword in `text` with its number, in the order of their ends, by the search that is sooner done with
    /// everything so far.
    pub(crate) fn each_keyword(&self, text: &[u8], tell: impl FnMut(usize, std::ops::Range<usize>)) {
        let searched = self.searched.fetch_add(text.len(), Ordering::Relaxed);
        if searched > LARGE_FROM && self.words.len() <= SEARCH_LIMIT {
            // Without the table everything is found too, only later.
            if let Some(large) = self.large.get_or_init(|| Large::new(&self.words).ok()) {
                return large.each(text, tell);
            }
        }
        self.small.each(text, tell);
    }

    /// What files of other tools ask for and is not applied, in words.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Rules without keywords.
    pub(crate) fn everywhere(&self) -> &[u32] {
        &self.everywhere
    }

    /// What must match near a match of `rule`.
    pub(crate) fn required(&self, rule: u32) -> &[Required] {
        self.required.get(rule as usize).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn listeners(&self, keyword: usize) -> &[u32] {
        self.listeners.get(keyword).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn overview(&self) -> Option<&dyn Overview> {
        self.overview.as_deref()
    }

    /// Which of the overview's keywords a pattern is.
    pub(crate) fn overview_word(&self, pattern: usize) -> Option<usize> {
        self.overview_words.get(pattern).copied().flatten()
    }

    pub(crate) fn runners(&self) -> &[u32] {
        &self.runners
    }

    /// The rules with `kinds` that do *not* look at `path`, sorted. Equal answers mean equal scans of equal bytes.
    pub(crate) fn excluded(&self, path: &TreePath) -> Vec<u32> {
        let mut excluded = self.excluded_by_kind(path);
        if !self.choosy.is_empty() {
            excluded.extend(self.choosy.iter().filter(|r| !self.detector(**r).looks_at(path)));
            excluded.sort_unstable();
            excluded.dedup();
        }
        excluded
    }

    fn excluded_by_kind(&self, path: &TreePath) -> Vec<u32> {
        if self.kinds.limited.is_empty() {
            return Vec::new();
        }
        let hits = self.kinds.globs.matches_candidate(&Candidate::from_bytes(path.as_bytes()));
        let said: Vec<(u32, bool)> = hits.iter().filter_map(|n| self.kinds.rules.get(*n).copied()).collect();
        let looks = |rule, some: bool| !said.contains(&(rule, true)) && (!some || said.contains(&(rule, false)));
        self.kinds.limited.iter().filter(|(rule, some)| !looks(*rule, *some)).map(|(rule, _)| *rule).collect()
    }
}

/// A glob with one list of alternatives as so many globs without: an extension or a name is looked up, where a list would
/// be an expression to compile and to run on every path.
fn alternatives(glob: &str) -> Vec<String> {
    let plain = |part: &str| !part.contains(['{', '}', '[', '\\']);
    let one = || {
        let (before, rest) = glob.split_once('{')?;
        let (list, behind) = rest.split_once('}')?;
        [before, list, behind].into_iter().all(plain).then_some((before, list, behind))
    };
    match one() {
        Some((before, list, behind)) if list.split(',').all(|part| !part.is_empty()) => {
            list.split(',').map(|part| format!("{before}{part}{behind}")).collect()
        }
        _ => vec![glob.to_owned()],
    }
}

fn shipped_rules() -> Result<Vec<Loaded>, Error> {
    let files: BTreeMap<&'static str, &'static RawValue> =
        serde_json::from_str(SHIPPED).map_err(|source| Error::RuleSearch { rules: 0, source: source.into() })?;
    files
        .into_par_iter()
        .map(|(file, json)| {
            let rule = read::built_in(file, json)?;
            let detector = read::detector(file, "", &rule, true)?;
            Ok(Loaded { file: file.to_owned(), rule, detector, json: Some(json.get()) })
        })
        .collect()
}

fn digest(loaded: &[Loaded], missing: &Rule) -> Result<Digest, serde_json::Error> {
    let mut hasher = Hasher::new();
    hasher.update(b"countersign/rules/v2\0");
    hasher.update(&ENGINE_VERSION.to_be_bytes());
    let mut add = |text: &[u8]| {
        hasher.update(&(text.len() as u64).to_be_bytes());
        hasher.update(text);
    };
    for one in loaded {
        match one.json {
            Some(json) => add(json.as_bytes()),
            None => add(&serde_json::to_vec(&one.rule)?),
        }
    }
    add(&serde_json::to_vec(missing)?);
    Ok(hasher.finish())
}

fn missing_reason() -> Rule {
    Rule {
        id: MISSING_REASON.into(),
        title: "Suppression without a reason".into(),
        family: "scan".into(),
        severity: Severity::Low,
        confidence: Confidence::Certain,
        stages: vec![Stage::Commit, Stage::Build],
        controls: vec!["suppressions-granted".into()],
        cwe: Vec::new(),
        aliases: Vec::new(),
        kinds: Vec::new(),
        why:
            "A mark asks for a finding not to count and does not say why. Whoever is to grant the request, and whoever \
              audits the grant, has nothing to judge by; so the mark does nothing."
                .into(),
        fix: Fix {
            text:
                "Write the reason behind the mark, `countersign:allow RULE reason: TEXT`, or remove the mark and what \
                   it was to hide."
                    .into(),
        },
        references: Vec::new(),
        matching: None,
        examples: Examples::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_as_many_globs() {
        assert_eq!(alternatives("**/*.{a,b}"), ["**/*.a", "**/*.b"]);
        assert_eq!(alternatives("**/{x,*.y}/z"), ["**/x/z", "**/*.y/z"]);
        for whole in ["**/*.a", "{a,{b,c}}", "{a,b}{c,d}", "[{a,b}]", "\\{a,b}", "{a,b"] {
            assert_eq!(alternatives(whole), [whole]);
        }
    }
}
