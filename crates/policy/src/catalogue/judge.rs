//! A control judged over the facts of an assessment. Rego says which elements break it; the outcome is made here, so that no
//! rule can talk itself into a pass.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use countersign_model::{Outcome, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::control::Control;
use super::facts;
use super::source::{self, Delivery};
use crate::engine::Input;
use crate::{Bundle, RegorusEngine};

/// How many entries a judgement names as its evidence; how many there are is counted.
const MAX_ENTRIES: usize = 50;

/// What came of judging a control.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Judgement {
    /// Pass, fail, error, or not-evaluated.
    pub outcome: Outcome,
    /// One sentence: what was looked at, or why nothing was.
    pub why: String,
    /// How many elements it was judged over.
    pub population: usize,
    /// What breaks it, sorted.
    pub failing: Vec<Failing>,
    /// Log indices of what it was judged from: those of the failing ones first, then the others, at most fifty.
    pub entries: Vec<u64>,
    /// How many entries there are in all.
    pub entries_in_all: usize,
    /// Sources that were needed and were not there.
    pub missing: Vec<&'static str>,
    /// What it was judged over: ids and the entries of each.
    #[serde(skip)]
    pub subjects: Vec<(String, Vec<u64>)>,
}

/// Something that breaks a control.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Failing {
    /// What: the id of an element.
    pub subject: String,
    /// Why, in a sentence.
    pub text: String,
    /// Log indices of the entries it comes from.
    pub entries: Vec<u64>,
}

/// Facts, to be judged by many controls: what their rules read is built once, when the first one asks, and shared.
#[derive(Debug)]
pub struct Ready<'a> {
    facts: &'a Value,
    parts: BTreeMap<&'a str, OnceLock<Input>>,
    elements: BTreeMap<&'a str, OnceLock<Elements<'a>>>,
}

/// Ids of elements, with the entries of each.
type Elements<'a> = BTreeMap<&'a str, Vec<u64>>;

impl<'a> Ready<'a> {
    /// Over these facts.
    #[must_use]
    pub fn new(facts: &'a Value) -> Self {
        let names = || facts.as_object().into_iter().flatten().map(|(name, _)| name.as_str());
        Self {
            facts,
            parts: names().map(|name| (name, OnceLock::new())).collect(),
            elements: names().map(|name| (name, OnceLock::new())).collect(),
        }
    }

    /// The facts.
    #[must_use]
    pub const fn facts(&self) -> &'a Value {
        self.facts
    }

    fn elements(&self, collection: &str) -> Option<&Elements<'a>> {
        let (_, elements) = self.elements.get_key_value(collection)?;
        Some(elements.get_or_init(|| {
            let all = self.facts.get(collection).and_then(Value::as_array).into_iter().flatten();
            let element = |e: &'a Value| {
                let entries = e.get("entries").and_then(Value::as_array)?.iter().filter_map(Value::as_u64).collect();
                Some((e.get("id")?.as_str()?, entries))
            };
            all.filter_map(element).collect()
        }))
    }

    /// What a rule sees: the collections that it names, and all where it asks for the whole.
    fn seen_by(&self, control: &Control) -> Input {
        let rule = control.decides.as_ref().map_or("", |d| d.rule.as_str());
        let takes_all = rule.split("input").skip(1).any(|after| !after.starts_with('.'));
        if !self.facts.is_object() {
            return Input::of(self.facts);
        }
        let is_seen = |name: &str| takes_all || facts::collection(name).is_none() || rule.contains(name);
        let parts = self.parts.iter().filter(|(name, _)| is_seen(name));
        Input::object(parts.map(|(name, part)| {
            let made = part.get_or_init(|| Input::of(self.facts.get(*name).unwrap_or(&Value::Null)));
            (*name, made.clone())
        }))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Said {
    subject: String,
    text: String,
}

impl Judgement {
    /// The judgement of what could not be judged.
    #[must_use]
    pub fn error(why: impl Into<String>) -> Self {
        Self::none(Outcome::Error, why)
    }

    fn none(outcome: Outcome, why: impl Into<String>) -> Self {
        Self {
            outcome,
            why: why.into(),
            population: 0,
            failing: Vec::new(),
            entries: Vec::new(),
            entries_in_all: 0,
            missing: Vec::new(),
            subjects: Vec::new(),
        }
    }
}

/// Judges a control over facts.
///
/// | there is | outcome |
/// |---|---|
/// | a source missing that it needs | not-evaluated, and says which |
/// | no rule: people decide | not-evaluated |
/// | nothing that it is about | not-evaluated: nothing to judge is not a pass |
/// | a rule that does not compile, fails, or speaks of what it was not asked about | error |
/// | an element that breaks it | fail |
/// | none | pass |
#[must_use]
pub fn judge(control: &Control, ready: &Ready<'_>) -> Judgement {
    let facts = ready.facts;
    let there: BTreeSet<&str> =
        facts.get("sources").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    let missing: Vec<&'static str> = control
        .needs
        .iter()
        .filter(|need| !there.contains(need.as_str()))
        .filter_map(|need| source::find(need))
        .map(|source| source.name)
        .collect();
    if !missing.is_empty() {
        let mut judgement = Judgement::none(Outcome::NotEvaluated, missing_text(&missing));
        judgement.missing = missing;
        return judgement;
    }
    let Some(decides) = &control.decides else {
        let what = control.attests.as_deref().unwrap_or("people decide it");
        return Judgement::none(Outcome::NotEvaluated, format!("people attest it: {what}"));
    };
    let Some(collection) = facts::collection(&decides.over) else {
        return Judgement::error(format!("there is no collection `{}`", decides.over));
    };
    let Some(elements) = ready.elements(collection.name).filter(|elements| !elements.is_empty()) else {
        let why = format!("nothing to judge: there is no {} in the window", collection.one);
        return Judgement::none(Outcome::NotEvaluated, why);
    };
    let (failing, applies) = match evaluate(control, ready) {
        Ok(answer) => answer,
        Err(why) => return Judgement::error(why),
    };
    let population: BTreeSet<&str> = match &applies {
        Some(ids) => ids.iter().map(String::as_str).collect(),
        None => elements.keys().copied().collect(),
    };
    let odd = population.iter().copied().chain(failing.iter().map(|f| f.subject.as_str()));
    if let Some(odd) = odd.into_iter().find(|id| !elements.contains_key(id)) {
        let why = format!("the rule speaks of `{odd}`, which is no {} in the facts", collection.one);
        return Judgement::error(why);
    }
    if let Some(odd) = failing.iter().find(|f| !population.contains(f.subject.as_str())) {
        let why = format!("the rule lets `{}` fail, to which it says it does not apply", odd.subject);
        return Judgement::error(why);
    }
    if population.is_empty() {
        let why = format!("nothing to judge: it applies to no {} in the window", collection.one);
        return Judgement::none(Outcome::NotEvaluated, why);
    }
    conclude(&failing, &population, elements, collection.one)
}

fn conclude(said: &[Said], population: &BTreeSet<&str>, elements: &Elements<'_>, one: &str) -> Judgement {
    let of = |id: &str| elements.get(id).cloned().unwrap_or_default();
    let mut failing: Vec<Failing> = said
        .iter()
        .map(|s| Failing { subject: s.subject.clone(), text: s.text.clone(), entries: of(&s.subject) })
        .collect();
    failing.sort();
    failing.dedup();
    let broken: BTreeSet<&str> = failing.iter().map(|f| f.subject.as_str()).collect();
    let mut entries: Vec<u64> = Vec::new();
    let mut seen: BTreeSet<u64> = BTreeSet::new();
    for id in broken.iter().copied().chain(population.iter().copied()) {
        entries.extend(of(id).into_iter().filter(|index| seen.insert(*index)));
    }
    let entries_in_all = entries.len();
    entries.truncate(MAX_ENTRIES);
    let (count, broken) = (population.len(), broken.len());
    let (outcome, why) = if broken > 0 {
        (Outcome::Fail, format!("{broken} of {count} break it (each a {one})"))
    } else {
        (Outcome::Pass, format!("all {count} keep it (each a {one})"))
    };
    let subjects = population.iter().map(|id| ((*id).to_owned(), of(id))).collect();
    Judgement { outcome, why, population: count, failing, entries, entries_in_all, missing: Vec::new(), subjects }
}

/// What the rule says: what fails, and what it applies to, where it says that.
fn evaluate(control: &Control, ready: &Ready<'_>) -> Result<(Vec<Said>, Option<BTreeSet<String>>), String> {
    let (name, text) = control.module().ok_or("it has no rule")?;
    let told = |e: crate::Error| {
        use countersign_model::Diagnostic as _;
        // The module's lines are those of the control's file.
        let place = e.place().map(|p| format!("{} ", p.to_string().replacen(&name, &control.file, 1)));
        format!("{}{e}", place.unwrap_or_default())
    };
    let bundle = Bundle::new(BTreeMap::from([(name.clone(), text)])).map_err(told)?;
    let to = ready.facts.get("window").and_then(|w| w.get("to")).and_then(Value::as_i64).unwrap_or_default();
    let at = Timestamp::from_millis(to);
    let answer =
        RegorusEngine.value_over(&bundle, "data.countersign.control", ready.seen_by(control), at).map_err(told)?;
    let said = answer.get("fail").cloned().ok_or("the rule has no `fail`")?;
    let failing: Vec<Said> = serde_json::from_value(said)
        .map_err(|e| format!("what fails is `{{\"subject\": …, \"text\": …}}`, both texts: {e}"))?;
    let applies = match answer.get("applies") {
        None => None,
        Some(ids) => {
            Some(serde_json::from_value(ids.clone()).map_err(|e| format!("`applies` holds ids of elements: {e}"))?)
        }
    };
    Ok((failing, applies))
}

fn missing_text(missing: &[&'static str]) -> String {
    let each = missing.iter().filter_map(|name| source::find(name)).map(|s| match s.delivery {
        Delivery::By(how) => format!("nothing of `{}` ({}) is in the window: {how}", s.name, s.what),
        Delivery::Later(part) => {
            format!("`{}` ({}) is not recorded by this version; it comes with {part}", s.name, s.what)
        }
    });
    each.collect::<Vec<_>>().join("; ")
}
