//! Applications and environments, as they are registered.

use serde::{Deserialize, Serialize};

use super::{CardholderScope, Criticality, DataClass, Tier};
use crate::PersonId;

/// The most repositories of one application.
const MOST_REPOSITORIES: usize = 500;

/// An application: what the firm answers for as one thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Application {
    /// Its id: `a-z`, digits and `-`.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// Who answers for it.
    pub owner: PersonId,
    /// Who does when the owner is away.
    pub deputy: Option<PersonId>,
    /// How much depends on it.
    pub criticality: Criticality,
    /// What kinds of data it holds, sorted.
    pub data: Vec<DataClass>,
    /// Whether it belongs to the cardholder data environment.
    pub cardholder_scope: CardholderScope,
    /// Whether financial reporting rests on it (SOX 404).
    pub sox_key_system: bool,
    /// Identities of its repositories, sorted.
    pub repositories: Vec<String>,
}

/// An environment that is deployed to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeploymentEnvironment {
    /// Its id, as `run --env` names it.
    pub id: String,
    /// What it is for.
    pub tier: Tier,
}

/// Whether a text is an id: `a-z`, digits, `-`, `_` and `.`, at most 64.
#[must_use]
pub fn is_id(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | '.');
    (1..=64).contains(&text.len()) && text.chars().all(plain)
}

/// Whether a text fits one line of a report: not empty, at most `longest` bytes, no control characters.
#[must_use]
pub fn is_line(text: &str, longest: usize) -> bool {
    !text.trim().is_empty() && text.len() <= longest && !text.chars().any(char::is_control)
}

fn sorted<T: Ord>(items: &[T]) -> bool {
    items.windows(2).all(|pair| matches!(pair, [a, b] if a < b))
}

impl Application {
    /// Whether it can be registered as it is.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn check(&self) -> Result<(), String> {
        let require = |holds: bool, otherwise: &str| if holds { Ok(()) } else { Err(otherwise.to_owned()) };
        require(is_id(&self.id), "its id is not made of a-z, 0-9, `-`, `_` and `.`, at most 64")?;
        require(is_line(&self.name, 200), "its name is not one line of at most 200 bytes")?;
        require(self.deputy.as_ref() != Some(&self.owner), "its deputy is its owner")?;
        require(!self.data.is_empty(), "it says no data class; `public` is one")?;
        require(sorted(&self.data), "its data classes are not sorted, or one is named twice")?;
        require(self.repositories.len() <= MOST_REPOSITORIES, "it has more than 500 repositories")?;
        require(sorted(&self.repositories), "its repositories are not sorted, or one is named twice")?;
        require(self.repositories.iter().all(|r| is_line(r, 1000)), "a repository's identity is not one line")?;
        let is_in = self.cardholder_scope == CardholderScope::In;
        let holds = self.data.contains(&DataClass::Cardholder);
        require(is_in || !holds, "it holds cardholder data, so its cardholder scope is `in`")
    }

    /// What would be enforced less strictly than before, if anything. An application that is not registered is judged as
    /// the strictest of all, so a first registration can weaken as well.
    #[must_use]
    pub fn weakens(&self, before: Option<&Self>) -> Option<&'static str> {
        let Some(before) = before else {
            return (self.criticality < Criticality::Critical)
                .then_some("it registers as less than critical what was judged by the strictest default");
        };
        if self.criticality < before.criticality {
            return Some("it lowers the criticality");
        }
        if self.cardholder_scope < before.cardholder_scope {
            return Some("it takes the application out of the cardholder scope");
        }
        if before.sox_key_system && !self.sox_key_system {
            return Some("it takes the application out of the SOX key systems");
        }
        if before.data.iter().any(|class| !self.data.contains(class)) {
            return Some("it takes a data class away");
        }
        if before.repositories.iter().any(|r| !self.repositories.contains(r)) {
            return Some("it takes a repository out, and with it what policies know of it");
        }
        let adds = self.repositories.iter().any(|r| !before.repositories.contains(r));
        (adds && self.criticality < Criticality::Critical)
            .then_some("it adds a repository, which was judged by the strictest default, to what is less than critical")
    }
}

impl DeploymentEnvironment {
    /// Whether it can be registered as it is.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn check(&self) -> Result<(), String> {
        if is_line(&self.id, 200) { Ok(()) } else { Err("its id is not one line of at most 200 bytes".to_owned()) }
    }

    /// What would be enforced less strictly than before, if anything; see [`Application::weakens`].
    #[must_use]
    pub fn weakens(&self, before: Option<&Self>) -> Option<&'static str> {
        let tier = before.map_or(Tier::Production, |b| b.tier);
        (self.tier < tier).then_some("it puts the environment into a lower tier")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn application() -> Application {
        Application {
            id: "payments".to_owned(),
            name: "Payments".to_owned(),
            owner: PersonId::from_text("per-1"),
            deputy: None,
            criticality: Criticality::High,
            data: vec![DataClass::Personal, DataClass::Cardholder],
            cardholder_scope: CardholderScope::In,
            sox_key_system: true,
            repositories: vec!["git:host/a".to_owned(), "git:host/b".to_owned()],
        }
    }

    #[test]
    fn what_cannot_be_is_refused_in_words() {
        assert_eq!(application().check(), Ok(()));
        let wrong: [fn(&mut Application); 8] = [
            |a| a.id = "Pay ments".to_owned(),
            |a| a.name = " ".to_owned(),
            |a| a.deputy = Some(a.owner.clone()),
            |a| a.data.clear(),
            |a| a.data.reverse(),
            |a| a.repositories.push("git:host/b".to_owned()),
            |a| a.repositories = vec!["a\nb".to_owned()],
            |a| a.cardholder_scope = CardholderScope::Connected,
        ];
        for change in wrong {
            let mut a = application();
            change(&mut a);
            assert!(a.check().is_err(), "{a:?}");
        }
    }

    #[test]
    fn weakening_is_seen_and_strengthening_is_none() {
        let before = application();
        assert!(before.weakens(None).is_some(), "less than critical is less than the default");
        let mut strongest = application();
        strongest.criticality = Criticality::Critical;
        assert_eq!(strongest.weakens(None), None);
        assert_eq!(strongest.weakens(Some(&before)), None);
        assert!(before.weakens(Some(&strongest)).is_some());
        let changes: [fn(&mut Application); 4] = [
            |a| a.sox_key_system = false,
            |a| a.data = vec![DataClass::Cardholder],
            |a| a.cardholder_scope = CardholderScope::Out,
            |a| a.repositories.push("git:host/c".to_owned()),
        ];
        for change in changes {
            let mut a = application();
            change(&mut a);
            assert!(a.weakens(Some(&before)).is_some(), "{a:?}");
        }
        let mut fewer = application();
        fewer.repositories.pop();
        assert!(fewer.weakens(Some(&before)).is_some(), "no level is lower then, but policies know less");
        let test = DeploymentEnvironment { id: "qa".to_owned(), tier: Tier::Test };
        let production = DeploymentEnvironment { id: "qa".to_owned(), tier: Tier::Production };
        assert!(test.weakens(None).is_some() && test.weakens(Some(&production)).is_some());
        assert_eq!(production.weakens(Some(&test)), None);
        assert_eq!(production.weakens(None), None);
    }
}
