//! Waivers: what they cover, and for how long.

use serde::{Deserialize, Serialize};

use super::registry::{is_id, is_line};
use super::{Tier, WaiverCategory};
use crate::{Digest, Role, Timestamp};

/// How long a waiver holds unless somebody says otherwise, in days.
pub const DEFAULT_DAYS: u16 = 90;
/// The longest a waiver may hold, in days.
pub const LONGEST_DAYS: u16 = 365;

/// What a waiver covers: everything that is named must fit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scope {
    /// Ids of controls, sorted. What concerns another control as well is not covered.
    pub controls: Vec<String>,
    /// The application.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub application: Option<String>,
    /// The repository's identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository: Option<String>,
    /// The environment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// The tier of the environment. An environment that is not registered has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier: Option<Tier>,
    /// A glob over paths of findings; `*` stays within a directory, `**` crosses them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// A glob over rule ids.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// The fingerprint of a finding.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<Digest>,
}

impl Scope {
    /// Whether it can be asked for as it is.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn check(&self) -> Result<(), String> {
        let require = |holds: bool, otherwise: &str| if holds { Ok(()) } else { Err(otherwise.to_owned()) };
        require(!self.controls.is_empty(), "it names no control")?;
        require(self.controls.iter().all(|c| is_id(c)), "a control's id is none")?;
        let sorted = self.controls.windows(2).all(|pair| matches!(pair, [a, b] if a < b));
        require(sorted, "its controls are not sorted, or one is named twice")?;
        let texts = [&self.application, &self.repository, &self.environment, &self.path, &self.rule];
        require(texts.into_iter().flatten().all(|t| is_line(t, 1000)), "a part of it is empty or not one line")?;
        require(
            self.is_about_findings() || self.application.is_some() || self.repository.is_some(),
            "it names neither application, repository, path, rule nor fingerprint, and would cover the whole firm",
        )
    }

    /// Whether it is about findings, and not about everything that its controls say.
    #[must_use]
    pub const fn is_about_findings(&self) -> bool {
        self.path.is_some() || self.rule.is_some() || self.fingerprint.is_some()
    }

    /// Whether it is about such a change at all.
    #[must_use]
    pub fn is_about(
        &self,
        repository: Option<&str>,
        application: Option<&str>,
        environment: (&str, Option<Tier>),
    ) -> bool {
        let fits = |wanted: &Option<String>, found: Option<&str>| wanted.as_deref().is_none_or(|w| found == Some(w));
        fits(&self.repository, repository)
            && fits(&self.application, application)
            && fits(&self.environment, Some(environment.0))
            && self.tier.is_none_or(|wanted| environment.1 == Some(wanted))
    }

    /// What it covers, in words.
    #[must_use]
    pub fn describe(&self) -> String {
        let mut parts = vec![self.controls.join(" + ")];
        let mut part = |what: &str, value: Option<String>| parts.extend(value.map(|v| format!("{what} {v}")));
        part("application", self.application.clone());
        part("repository", self.repository.clone());
        part("environment", self.environment.clone());
        part("tier", self.tier.map(|t| t.to_string()));
        part("path", self.path.clone());
        part("rule", self.rule.clone());
        part("finding", self.fingerprint.map(|f| f.short()));
        parts.join(", ")
    }
}

impl WaiverCategory {
    /// Who grants it: that a risk is accepted is a regulatory question, that another control does the work a technical one.
    #[must_use]
    pub const fn granted_by(self) -> Role {
        match self {
            Self::Waived => Role::ComplianceOfficer,
            Self::Mitigated => Role::SecurityOfficer,
        }
    }
}

/// Whether a waiver may hold from one moment to the other.
///
/// # Errors
/// What is wrong with the two, in words.
pub fn check_period(asked: Timestamp, not_before: Timestamp, expires: Timestamp) -> Result<(), String> {
    if not_before < asked {
        return Err("it would hold from before it was asked for".to_owned());
    }
    if expires <= not_before {
        return Err("it would end before it begins".to_owned());
    }
    if expires > not_before.plus_seconds(i64::from(LONGEST_DAYS) * 86_400) {
        return Err(format!("it would hold for more than {LONGEST_DAYS} days"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope() -> Scope {
        Scope { controls: vec!["a".to_owned()], application: Some("shop".to_owned()), ..Scope::default() }
    }

    #[test]
    fn a_scope_names_a_control_and_narrows_it() {
        assert_eq!(scope().check(), Ok(()));
        assert!(Scope::default().check().is_err());
        assert!(Scope { application: None, ..scope() }.check().is_err());
        assert!(Scope { application: None, tier: Some(Tier::Test), ..scope() }.check().is_err());
        assert_eq!(Scope { application: None, path: Some("**".to_owned()), ..scope() }.check(), Ok(()));
        assert!(Scope { controls: vec!["b".to_owned(), "a".to_owned()], ..scope() }.check().is_err());
    }

    #[test]
    fn everything_that_is_named_must_fit() {
        let wide = scope();
        assert!(wide.is_about(Some("r"), Some("shop"), ("production", None)));
        assert!(!wide.is_about(Some("r"), Some("bank"), ("production", None)));
        assert!(!wide.is_about(Some("r"), None, ("production", None)));
        let tier = Scope { tier: Some(Tier::Test), ..scope() };
        assert!(tier.is_about(None, Some("shop"), ("qa", Some(Tier::Test))));
        assert!(!tier.is_about(None, Some("shop"), ("qa", None)), "no tier is no tier");
        let environment = Scope { environment: Some("qa".to_owned()), ..scope() };
        assert!(!environment.is_about(None, Some("shop"), ("production", None)));
    }

    #[test]
    fn a_period_ends_and_is_bounded() {
        let at = |days: i64| Timestamp::from_millis(0).plus_seconds(days * 86_400);
        assert_eq!(check_period(at(0), at(0), at(365)), Ok(()));
        assert_eq!(check_period(at(0), at(10), at(375)), Ok(()));
        assert!(check_period(at(0), at(0), at(366)).is_err());
        assert!(check_period(at(0), at(0), at(0)).is_err());
        assert!(check_period(at(5), at(4), at(9)).is_err());
    }
}
