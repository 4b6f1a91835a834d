//! Issuers of identity tokens: whose tokens are believed, and what their claims mean here.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The document of issuers that an officer puts in effect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Issuers {
    /// Format version, 1.
    pub version: u32,
    /// By how many seconds clocks may differ, at most [`Issuers::MAX_SKEW`].
    pub skew_seconds: u32,
    /// The issuers.
    pub issuers: Vec<Issuer>,
}

/// One issuer, or several that one pattern describes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Issuer {
    /// The entry's name.
    pub id: String,
    /// The kind of CI system.
    pub system: String,
    /// `iss` to the letter; `*` stands for one part of the path.
    pub issuer: String,
    /// Whom its tokens must be for: one of these in `aud`.
    pub audiences: Vec<String>,
    /// Algorithms it signs with.
    pub algorithms: Vec<String>,
    /// The longest that its tokens live, in seconds.
    pub lifetime_seconds: u32,
    /// Its keys (a JWK set), where they are pinned; else they are fetched by discovery.
    pub keys: Option<Value>,
    /// Claims that must be there with exactly this value.
    pub require: BTreeMap<String, String>,
    /// What the claims mean here: a template in which `{claim}` stands for a claim's value.
    pub claims: BTreeMap<Field, String>,
    /// Claims that are recorded as they are, besides those that stand in `claims`; all others are keyed pseudonyms.
    pub keep: Vec<String>,
}

/// What a workload's token can say, in our words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Field {
    /// The repository as we identify it: `git:HOST/PATH`.
    Repository,
    /// The repository's id at the forge, which survives a renaming.
    RepositoryId,
    /// The commit.
    Commit,
    /// The branch or tag.
    Ref,
    /// Whether that is protected: `true` or `false`.
    Protected,
    /// The pipeline's definition: where it stands.
    Pipeline,
    /// The pipeline's definition: its commit or digest.
    PipelineDigest,
    /// The run at the CI system.
    Run,
    /// The attempt of that run.
    Attempt,
    /// The class of the machine: hosted by the forge, or by the firm.
    Runner,
    /// The environment it deploys to.
    Environment,
    /// Who started it: an id at the forge.
    Actor,
}

impl Field {
    /// Every field.
    pub const ALL: [Self; 12] = [
        Self::Repository,
        Self::RepositoryId,
        Self::Commit,
        Self::Ref,
        Self::Protected,
        Self::Pipeline,
        Self::PipelineDigest,
        Self::Run,
        Self::Attempt,
        Self::Runner,
        Self::Environment,
        Self::Actor,
    ];

    /// The text form.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Repository => "repository",
            Self::RepositoryId => "repository-id",
            Self::Commit => "commit",
            Self::Ref => "ref",
            Self::Protected => "protected",
            Self::Pipeline => "pipeline",
            Self::PipelineDigest => "pipeline-digest",
            Self::Run => "run",
            Self::Attempt => "attempt",
            Self::Runner => "runner",
            Self::Environment => "environment",
            Self::Actor => "actor",
        }
    }

    /// Whether it is another one each time the same change is judged: it is evidence, and no fact for a policy.
    #[must_use]
    pub const fn is_of_attempt(self) -> bool {
        matches!(self, Self::Run | Self::Attempt)
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Issuers {
    /// The most that clocks may differ by, in seconds.
    pub const MAX_SKEW: u32 = 300;
    /// The longest that a token may live, in seconds: a token is for a job, and a job ends within a day.
    pub const MAX_LIFETIME: u32 = 86_400;

    /// The entry of an issuer: one that is named to the letter before one that a pattern describes.
    #[must_use]
    pub fn entry(&self, iss: &str) -> Option<&Issuer> {
        let exact = self.issuers.iter().find(|i| i.issuer == iss);
        exact.or_else(|| self.issuers.iter().find(|i| i.matches(iss)))
    }
}

impl Issuer {
    /// Whether it is this issuer. `*` stands for one part of the path that is not empty; nothing else is given a second
    /// meaning, neither case nor a slash at the end.
    #[must_use]
    pub fn matches(&self, iss: &str) -> bool {
        let (ours, theirs): (Vec<&str>, Vec<&str>) = (self.issuer.split('/').collect(), iss.split('/').collect());
        ours.len() == theirs.len()
            && ours.iter().zip(&theirs).enumerate().all(|(nth, (ours, theirs))| match *ours {
                // `https:`, the empty part and the host are never a wildcard.
                "*" if nth > 2 => is_plain(theirs),
                same => same == *theirs,
            })
    }

    /// What the claims say in our words. A field whose template names a claim that is missing, empty or no plain value is not
    /// there.
    #[must_use]
    pub fn fields(&self, claims: &Map<String, Value>) -> BTreeMap<Field, String> {
        let filled = self.claims.iter().filter_map(|(field, template)| Some((*field, fill(template, claims)?)));
        filled.filter(|(_, text)| !text.is_empty()).collect()
    }

    /// The claims that a template names.
    pub fn named(template: &str) -> impl Iterator<Item = &str> {
        template.split('{').skip(1).filter_map(|rest| rest.split_once('}').map(|(name, _)| name))
    }

    /// Whether a claim is recorded as it is: the protocol's own, those of fields that are no person, and what the entry keeps.
    #[must_use]
    pub fn keeps(&self, claim: &str) -> bool {
        let of_actor = self.claims.get(&Field::Actor).is_some_and(|t| Self::named(t).any(|name| name == claim));
        let of_field = || {
            let templates = self.claims.iter().filter(|(field, _)| **field != Field::Actor);
            templates.flat_map(|(_, template)| Self::named(template)).any(|name| name == claim)
        };
        !of_actor
            && (matches!(claim, "iss" | "aud" | "exp" | "nbf" | "iat" | "jti")
                || self.keep.iter().any(|kept| kept == claim)
                || of_field())
    }
}

/// A part of a path that means itself.
fn is_plain(part: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    !part.is_empty() && part != "." && part != ".." && part.bytes().all(plain)
}

/// The value of a claim as text: texts, numbers and truth values have one.
#[must_use]
pub fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// The largest field, in bytes.
const MAX_FIELD: usize = 1024;

fn fill(template: &str, claims: &Map<String, Value>) -> Option<String> {
    let mut out = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}')?;
        let value = plain(claims.get(name)?).filter(|v| !v.is_empty() && !v.chars().any(char::is_control))?;
        out.push_str(before);
        out.push_str(&value);
        rest = after;
    }
    out.push_str(rest);
    (out.len() <= MAX_FIELD).then_some(out)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn issuer(pattern: &str) -> Issuer {
        Issuer {
            id: "x".into(),
            system: "x".into(),
            issuer: pattern.into(),
            audiences: Vec::new(),
            algorithms: Vec::new(),
            lifetime_seconds: 1,
            keys: None,
            require: BTreeMap::new(),
            claims: [
                (Field::Repository, "git:github.com/{repository}".to_owned()),
                (Field::Actor, "{actor_id}".to_owned()),
                (Field::Protected, "{ref_protected}".to_owned()),
            ]
            .into(),
            keep: vec!["event_name".into()],
        }
    }

    #[test]
    fn a_pattern_stands_for_one_part_of_the_path() {
        let org = issuer("https://oidc.example/org/*");
        assert!(org.matches("https://oidc.example/org/a-1"));
        for other in [
            "https://oidc.example/org/",
            "https://oidc.example/org/a/b",
            "https://oidc.example/org",
            "https://evil.example/org/a",
            "https://oidc.example/org/a?x",
            "https://oidc.example/org/..",
            "https://oidc.example/org/a#",
            "HTTPS://oidc.example/org/a",
        ] {
            assert!(!org.matches(other), "{other}");
        }
        assert!(!issuer("https://*/org").matches("https://evil.example/org"), "a host is never a wildcard");
    }

    #[test]
    fn a_field_is_there_only_when_all_of_its_claims_are() {
        let claims = json!({"repository": "acme/app", "ref_protected": true, "actor_id": ["1"]});
        let fields = issuer("https://a").fields(claims.as_object().unwrap());
        assert_eq!(fields.get(&Field::Repository).unwrap(), "git:github.com/acme/app");
        assert_eq!(fields.get(&Field::Protected).unwrap(), "true");
        assert!(!fields.contains_key(&Field::Actor), "a list is no plain value");
        for odd in [json!(""), json!("a\nb"), json!(null), json!("x".repeat(2000))] {
            let claims = json!({"repository": odd});
            assert!(issuer("https://a").fields(claims.as_object().unwrap()).is_empty(), "{odd}");
        }
    }

    #[test]
    fn what_is_not_known_to_be_harmless_is_not_kept() {
        let issuer = issuer("https://a");
        for kept in ["iss", "jti", "repository", "event_name", "ref_protected"] {
            assert!(issuer.keeps(kept), "{kept}");
        }
        for hidden in ["actor_id", "actor", "sub", "user_email", "anything"] {
            assert!(!issuer.keeps(hidden), "{hidden}");
        }
    }

    #[test]
    fn fields_have_one_text() {
        for field in Field::ALL {
            assert_eq!(serde_json::to_value(field).unwrap(), field.as_str());
        }
    }
}
