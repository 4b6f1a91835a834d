//! Gates with owners: who answers for a gate, how soon, and to whom it goes next.

use serde::{Deserialize, Serialize};

use super::FailureMode;
use super::registry::is_line;
use crate::{PersonId, Role};

/// Every gate, in the order in which a change meets them.
pub const GATES: [&str; 3] = ["pre-commit", "build", "release"];

/// Whom a step of a ladder asks.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Asked {
    /// A person.
    Person(PersonId),
    /// Everybody who holds a role.
    Role(Role),
}

/// One step of an escalation ladder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// After how many minutes without an answer.
    pub after_minutes: u32,
    /// Whom it asks.
    pub ask: Asked,
}

/// Who answers for a gate, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GateOwnership {
    /// `pre-commit`, `build` or `release`.
    pub gate: String,
    /// Who answers for it.
    pub owner: PersonId,
    /// Who does when the owner is away.
    pub deputy: Option<PersonId>,
    /// Within how many minutes a question about it is answered.
    pub respond_minutes: u32,
    /// To whom it goes when nobody answers.
    pub escalation: Vec<Step>,
    /// What it does when it cannot be asked.
    pub failure: FailureMode,
    /// What people do by hand then.
    pub fallback: String,
    /// The clocks of regulators that run while it is shut, by id; empty: all that are known.
    pub clocks: Vec<String>,
}

/// Who answers for which gate, as one document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GateOwners {
    /// Format version, 1.
    pub version: u32,
    /// The gates, in the order of [`GATES`]; one that is missing has no owner.
    pub gates: Vec<GateOwnership>,
}

impl GateOwners {
    /// Whether it can be put in effect as it is.
    ///
    /// # Errors
    /// The gate, and what is wrong with it, in words.
    pub fn check(&self) -> Result<(), (String, String)> {
        let mut last = None;
        for gate in &self.gates {
            let wrong = |what: &str| Err((gate.gate.clone(), what.to_owned()));
            let Some(place) = GATES.iter().position(|g| *g == gate.gate) else {
                return wrong("there is no such gate: pre-commit, build, release");
            };
            if last.is_some_and(|last| place <= last) {
                return wrong("it is named twice, or before one that comes first");
            }
            last = Some(place);
            if gate.deputy.as_ref() == Some(&gate.owner) {
                return wrong("its deputy is its owner");
            }
            if gate.respond_minutes == 0 {
                return wrong("it must be answered within no time at all");
            }
            if !is_line(&gate.fallback, 1000) {
                return wrong("its manual fallback is not one line of at most 1000 bytes");
            }
            if gate.escalation.len() > 20 {
                return wrong("its ladder has more than 20 steps");
            }
        }
        Ok(())
    }

    /// Everybody whom it names, in the order of the document; somebody may stand there several times.
    pub fn people(&self) -> impl Iterator<Item = &PersonId> {
        self.gates.iter().flat_map(|gate| {
            let asked = gate.escalation.iter().filter_map(|step| match &step.ask {
                Asked::Person(person) => Some(person),
                Asked::Role(_) => None,
            });
            [&gate.owner].into_iter().chain(&gate.deputy).chain(asked)
        })
    }

    /// The same document with other people, in the order of [`GateOwners::people`]; none, where they are not as many.
    #[must_use]
    pub fn with_people(&self, people: impl IntoIterator<Item = PersonId>) -> Option<Self> {
        let (mut all, mut people) = (self.clone(), people.into_iter());
        for gate in &mut all.gates {
            gate.owner = people.next()?;
            if let Some(deputy) = &mut gate.deputy {
                *deputy = people.next()?;
            }
            for step in &mut gate.escalation {
                if let Asked::Person(person) = &mut step.ask {
                    *person = people.next()?;
                }
            }
        }
        people.next().is_none().then_some(all)
    }

    /// The ownership of a gate.
    #[must_use]
    pub fn of(&self, gate: &str) -> Option<&GateOwnership> {
        self.gates.iter().find(|g| g.gate == gate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owners() -> GateOwners {
        let gate = |name: &str| GateOwnership {
            gate: name.to_owned(),
            owner: PersonId::from_text("per-1"),
            deputy: Some(PersonId::from_text("per-2")),
            respond_minutes: 60,
            escalation: vec![Step { after_minutes: 120, ask: Asked::Role(Role::ComplianceOfficer) }],
            failure: FailureMode::Closed,
            fallback: "two officers decide on paper".to_owned(),
            clocks: Vec::new(),
        };
        GateOwners { version: 1, gates: GATES.iter().map(|g| gate(g)).collect() }
    }

    #[test]
    fn what_cannot_be_is_refused_with_its_gate() {
        assert_eq!(owners().check(), Ok(()));
        let wrong: [fn(&mut GateOwners); 6] = [
            |o| o.gates[1].gate = "deploy".to_owned(),
            |o| o.gates.swap(0, 1),
            |o| o.gates[2] = o.gates[1].clone(),
            |o| o.gates[0].deputy = Some(o.gates[0].owner.clone()),
            |o| o.gates[0].respond_minutes = 0,
            |o| o.gates[0].fallback = String::new(),
        ];
        for change in wrong {
            let mut o = owners();
            change(&mut o);
            assert!(o.check().is_err(), "{o:?}");
        }
        let text = serde_json::to_string(&owners()).unwrap();
        assert_eq!(serde_json::from_str::<GateOwners>(&text).unwrap(), owners());
    }
}
