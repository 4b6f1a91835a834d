//! A decision: the verdict together with everything it was computed from, by digest.

use countersign_evidence::canonical;
use countersign_model::{Digest, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::enforcement::{self, Assignment, Governed};
use crate::gates;
use crate::{Bundle, Error, PolicyEngine, Verdict};

/// The version of the facts that this crate reads.
pub const FACTS_VERSION: u64 = 1;

/// How deep facts may nest. The schema of version 1 needs six levels; more is an attack on somebody's stack.
const MAX_DEPTH: usize = 32;

/// The verdict of `bundle` over `facts` at `time`.
///
/// # Errors
/// When the facts are not an object of version 1, or the engine has no well-formed answer. There is no verdict then,
/// and no gate may be opened.
pub fn decide(engine: &dyn PolicyEngine, bundle: &Bundle, facts: &Value, time: Timestamp) -> Result<Verdict, Error> {
    decide_under(engine, bundle, None, facts, time)
}

/// As [`decide`], under the assignment in effect. What the facts say of waivers, overrides and what a repository tightens
/// counts with it and without.
///
/// # Errors
/// As [`decide`]; and when what the facts say of waivers is malformed or not in force.
pub fn decide_under(
    engine: &dyn PolicyEngine,
    bundle: &Bundle,
    assignment: Option<&Assignment>,
    facts: &Value,
    time: Timestamp,
) -> Result<Verdict, Error> {
    check_facts(facts)?;
    let governed = Governed::of(facts, time)?;
    if assignment.is_none() && !governed.speaks() {
        return Ok(gates::close(gates::answers(engine.evaluate(bundle, facts, time)?, time)?));
    }
    enforcement::verdict(engine, bundle, facts, time, assignment, &governed)
}

/// Refuses facts that no policy should be asked about. What stands in them is for the policy to check.
fn check_facts(facts: &Value) -> Result<(), Error> {
    let Value::Object(fields) = facts else { return Err(Error::Facts("they are not a JSON object")) };
    if fields.get("version").and_then(Value::as_u64) != Some(FACTS_VERSION) {
        return Err(Error::Facts("their `version` is not 1"));
    }
    let mut level: Vec<&Value> = vec![facts];
    for _ in 0..MAX_DEPTH {
        level = level
            .into_iter()
            .flat_map(|v| -> Box<dyn Iterator<Item = &Value>> {
                match v {
                    Value::Array(items) => Box::new(items.iter()),
                    Value::Object(fields) => Box::new(fields.values()),
                    _ => Box::new(std::iter::empty()),
                }
            })
            .collect();
        if level.is_empty() {
            return Ok(());
        }
    }
    Err(Error::Facts("they nest deeper than 32 levels"))
}

/// A verdict, bound by digest to what it was computed from. Its own [`Decision::digest`] is what approvals bind:
/// new facts, another bundle or another verdict make another digest, and the gate closes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decision {
    /// Format version: 1 where everything blocks as the policy says, 2 where levels, waivers or overrides had a say.
    pub version: u32,
    /// [`Assignment::digest`] of the assignment in effect; none: there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assignment: Option<Digest>,
    /// SHA-256 of the canonical facts (RFC 8785).
    pub facts: Digest,
    /// [`Bundle::digest`].
    pub bundle: Digest,
    /// [`PolicyEngine::name_and_version`].
    pub engine: String,
    /// The frozen time.
    pub time: Timestamp,
    /// What was decided.
    pub verdict: Verdict,
}

impl Decision {
    /// The format version of a decision in which everything blocks as the policy says.
    pub const VERSION: u32 = 1;
    /// The format version of a decision in which levels, waivers or overrides had a say.
    pub const GOVERNED: u32 = 2;

    /// Decides and binds.
    ///
    /// # Errors
    /// As [`decide`]; and when the facts have no canonical form.
    pub fn make(engine: &dyn PolicyEngine, bundle: &Bundle, facts: &Value, time: Timestamp) -> Result<Self, Error> {
        Self::make_under(engine, bundle, None, facts, time)
    }

    /// Decides under the assignment in effect, and binds it as well.
    ///
    /// # Errors
    /// As [`decide_under`]; and when facts or assignment have no canonical form.
    pub fn make_under(
        engine: &dyn PolicyEngine,
        bundle: &Bundle,
        assignment: Option<&Assignment>,
        facts: &Value,
        time: Timestamp,
    ) -> Result<Self, Error> {
        let verdict = decide_under(engine, bundle, assignment, facts, time)?;
        Ok(Self {
            version: if verdict.enforcement.is_some() { Self::GOVERNED } else { Self::VERSION },
            assignment: assignment.map(Assignment::digest).transpose()?,
            facts: canonical::digest(facts).map_err(Error::canonical)?,
            bundle: bundle.digest(),
            engine: engine.name_and_version(),
            time,
            verdict,
        })
    }

    /// Whether the format is one that is known, and its parts belong to it.
    ///
    /// # Errors
    /// [`Error::DecisionVersion`] otherwise.
    pub fn check_version(&self) -> Result<(), Error> {
        let governed = self.verdict.enforcement.as_ref();
        let sound = match self.version {
            Self::VERSION => governed.is_none() && self.assignment.is_none(),
            Self::GOVERNED => governed.is_some_and(|applied| applied.assignment == self.assignment),
            _ => false,
        };
        if sound { Ok(()) } else { Err(Error::DecisionVersion(self.version)) }
    }

    /// The canonical bytes (RFC 8785).
    ///
    /// # Errors
    /// When there is no canonical form.
    pub fn to_bytes(&self) -> Result<Vec<u8>, Error> {
        canonical::to_vec(self).map_err(Error::canonical)
    }

    /// The decision digest: SHA-256 of the canonical bytes.
    ///
    /// # Errors
    /// When there is no canonical form.
    pub fn digest(&self) -> Result<Digest, Error> {
        Ok(Digest::of(&self.to_bytes()?))
    }

    /// Reads canonical bytes.
    ///
    /// # Errors
    /// When they are not canonical, not a decision, or of another version.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let decision: Self = canonical::from_slice(bytes).map_err(Error::canonical)?;
        decision.check_version()?;
        Ok(decision)
    }
}
