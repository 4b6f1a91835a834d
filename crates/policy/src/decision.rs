//! A decision: the verdict together with everything it was computed from, by digest.

use countersign_evidence::canonical;
use countersign_model::{Digest, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

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
    check_facts(facts)?;
    gates::verdict(engine.evaluate(bundle, facts, time)?, time)
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
    /// Format version, 1.
    pub version: u32,
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
    /// The format version written today.
    pub const VERSION: u32 = 1;

    /// Decides and binds.
    ///
    /// # Errors
    /// As [`decide`]; and when the facts have no canonical form.
    pub fn make(engine: &dyn PolicyEngine, bundle: &Bundle, facts: &Value, time: Timestamp) -> Result<Self, Error> {
        let verdict = decide(engine, bundle, facts, time)?;
        Ok(Self {
            version: Self::VERSION,
            facts: canonical::digest(facts).map_err(Error::canonical)?,
            bundle: bundle.digest(),
            engine: engine.name_and_version(),
            time,
            verdict,
        })
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
        if decision.version == Self::VERSION { Ok(decision) } else { Err(Error::DecisionVersion(decision.version)) }
    }
}
