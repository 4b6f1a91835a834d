//! Which entries a start, an extension or a hold speaks of.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Retention;
use crate::{ActorId, EventKind, PersonId, RunId, StreamId, Timestamp};

/// What is known of an entry without its payload, and which run it belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Selected {
    /// Its log index.
    pub index: u64,
    /// What happened.
    pub kind: EventKind,
    /// Its stream.
    pub stream: StreamId,
    /// Who caused it.
    pub actor: ActorId,
    /// When it was appended.
    pub time: Timestamp,
    /// Its class.
    pub retention: Retention,
    /// The run it belongs to, where it belongs to one.
    pub run: Option<RunId>,
}

/// Which entries are meant: those there are, and those that are appended later.
///
/// The text form is `all`, `run:ID`, `stream:ID`, `person:ID`, `kind:NAME`, `class:NAME` or `entries:FROM-TO`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Selector {
    /// Everything.
    All,
    /// Every entry of a run, its grants and deployments included.
    Run(RunId),
    /// Every entry of a stream.
    Stream(StreamId),
    /// Every entry that a person caused, or that stands in their stream.
    Person(PersonId),
    /// Every entry of a kind.
    Kind(EventKind),
    /// Every entry of a class.
    Class(Retention),
    /// The entries from the first index to the last one, both included.
    Entries(u64, u64),
}

impl Selector {
    /// Whether it means this entry.
    #[must_use]
    pub fn matches(&self, entry: &Selected) -> bool {
        match self {
            Self::All => true,
            Self::Run(run) => entry.run.as_ref() == Some(run) || entry.stream.as_str() == run.as_str(),
            Self::Stream(stream) => entry.stream == *stream,
            Self::Person(person) => entry.actor.as_str() == person.as_str() || entry.stream.as_str() == person.as_str(),
            Self::Kind(kind) => entry.kind == *kind,
            Self::Class(class) => entry.retention == *class,
            Self::Entries(first, last) => (*first..=*last).contains(&entry.index),
        }
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::Run(id) => write!(f, "run:{id}"),
            Self::Stream(id) => write!(f, "stream:{id}"),
            Self::Person(id) => write!(f, "person:{id}"),
            Self::Kind(kind) => write!(f, "kind:{}", kind.as_str()),
            Self::Class(class) => write!(f, "class:{class}"),
            Self::Entries(first, last) => write!(f, "entries:{first}-{last}"),
        }
    }
}

/// The text selects nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a selector: `{}` (all, run:ID, stream:ID, person:ID, kind:NAME, class:NAME or entries:FROM-TO)",
    .0.escape_debug()
)]
pub struct ParseSelectorError(String);

impl FromStr for Selector {
    type Err = ParseSelectorError;
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let wrong = || ParseSelectorError(s.chars().take(80).collect());
        if s == "all" {
            return Ok(Self::All);
        }
        let (what, which) = s.split_once(':').filter(|(_, which)| !which.is_empty()).ok_or_else(wrong)?;
        Ok(match what {
            "run" => Self::Run(RunId::from_text(which)),
            "stream" => Self::Stream(StreamId::from_text(which)),
            "person" => Self::Person(PersonId::from_text(which)),
            "kind" => {
                let kind = serde_json::Value::String(which.to_owned());
                Self::Kind(serde_json::from_value(kind).map_err(|_| wrong())?)
            }
            "class" => Self::Class(which.parse().map_err(|_| wrong())?),
            "entries" => {
                let (first, last) = which.split_once('-').unwrap_or((which, which));
                let (first, last) = (first.parse().map_err(|_| wrong())?, last.parse().map_err(|_| wrong())?);
                if first > last {
                    return Err(wrong());
                }
                Self::Entries(first, last)
            }
            _ => return Err(wrong()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_are_read_as_they_are_written() {
        for text in
            ["all", "run:run-1", "stream:str-1", "person:per-1", "kind:RunStarted", "class:sox-7y", "entries:3-9"]
        {
            let selector: Selector = text.parse().unwrap();
            assert_eq!(selector.to_string(), text);
            let json = serde_json::to_string(&selector).unwrap();
            assert_eq!(serde_json::from_str::<Selector>(&json).unwrap(), selector);
        }
        for wrong in ["", "run:", "kind:Nothing", "entries:9-3", "entries:a", "everything", "class:Sox"] {
            assert!(wrong.parse::<Selector>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_run_has_its_grants_and_deployments() {
        let entry = Selected {
            index: 7,
            kind: EventKind::GrantIssued,
            stream: StreamId::from_text("gra-1"),
            actor: ActorId::from_text("per-1"),
            time: Timestamp::from_millis(0),
            retention: Retention::SoxSevenYears,
            run: Some(RunId::from_text("run-1")),
        };
        for (text, meant) in [
            ("run:run-1", true),
            ("run:run-2", false),
            ("stream:gra-1", true),
            ("person:per-1", true),
            ("kind:GrantIssued", true),
            ("class:sox-7y", true),
            ("entries:7", true),
            ("entries:8-9", false),
        ] {
            assert_eq!(text.parse::<Selector>().unwrap().matches(&entry), meant, "{text}");
        }
    }
}
