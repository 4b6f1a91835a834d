//! Retention classes: the text in an entry, and the rule behind it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Period;

/// The longest name of a class or of an event, in bytes.
const MAX_NAME: usize = 32;

/// The name of a class that a firm defines for itself: 1 to 32 of `a-z`, `0-9` and `-`, a letter first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClassName {
    bytes: [u8; MAX_NAME],
    len: u8,
}

impl ClassName {
    /// The name's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // The constructor lets ASCII in only, so this is always the whole name.
        self.bytes.get(..usize::from(self.len)).and_then(|b| std::str::from_utf8(b).ok()).unwrap_or_default()
    }
}

impl fmt::Debug for ClassName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

/// The text was no name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a name: `{}` (1 to 32 of a-z, 0-9 and `-`, a letter first)", .0.escape_debug())]
pub struct ParseNameError(String);

fn check_name(s: &str) -> Result<(), ParseNameError> {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let sound = (1..=MAX_NAME).contains(&s.len())
        && s.bytes().all(allowed)
        && s.starts_with(|c: char| c.is_ascii_lowercase())
        && !s.ends_with('-');
    if sound { Ok(()) } else { Err(ParseNameError(s.chars().take(40).collect())) }
}

impl FromStr for ClassName {
    type Err = ParseNameError;
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        check_name(s)?;
        let mut bytes = [0; MAX_NAME];
        for (to, from) in bytes.iter_mut().zip(s.bytes()) {
            *to = from;
        }
        let len = u8::try_from(s.len()).map_err(|_| ParseNameError(String::new()))?;
        Ok(Self { bytes, len })
    }
}

/// The name of something that happens outside the log and starts a period: `audit-concluded`, `account-closed`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventName(String);

impl EventName {
    /// The name's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EventName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for EventName {
    type Err = ParseNameError;
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        check_name(s)?;
        if s == ENTRY_TIME {
            return Err(ParseNameError(s.to_owned()));
        }
        Ok(Self(s.to_owned()))
    }
}

/// The class of an entry: how long it and its payload are kept at least.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Retention {
    /// Six years, the first two easily accessible (17 CFR 240.17a-4(a)).
    Sec17a4SixYears,
    /// Three years, the first two easily accessible (17 CFR 240.17a-4(b)).
    Sec17a4ThreeYears,
    /// Six years where no other period is said (FINRA 4511(b)).
    FinraSixYears,
    /// Seven years after the audit is concluded (17 CFR 210.2-06, for SOX 802).
    SoxSevenYears,
    /// Twelve months, the last three immediately available (PCI DSS v4.0.1 10.5.1).
    PciTwelveMonths,
    /// A class that the firm defined by a signed event.
    Custom(ClassName),
}

impl Retention {
    /// The classes that every ledger knows.
    pub const BUILT_IN: [Self; 5] = [
        Self::Sec17a4SixYears,
        Self::Sec17a4ThreeYears,
        Self::FinraSixYears,
        Self::SoxSevenYears,
        Self::PciTwelveMonths,
    ];

    /// The text form, as in the entry.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Sec17a4SixYears => "sec-17a-4-6y",
            Self::Sec17a4ThreeYears => "sec-17a-4-3y",
            Self::FinraSixYears => "finra-6y",
            Self::SoxSevenYears => "sox-7y",
            Self::PciTwelveMonths => "pci-12m",
            Self::Custom(name) => name.as_str(),
        }
    }

    /// What a class that every ledger knows asks for; `None` for one of the firm's own, whose rule stands in the log.
    #[must_use]
    pub fn rule(self) -> Option<ClassRule> {
        let (period, immediate, start, source) = match self {
            Self::Sec17a4SixYears => {
                (Period::years(6), Some(Period::years(2)), Start::EntryTime, "17 CFR 240.17a-4(a)")
            }
            Self::Sec17a4ThreeYears => {
                (Period::years(3), Some(Period::years(2)), Start::EntryTime, "17 CFR 240.17a-4(b)")
            }
            Self::FinraSixYears => (Period::years(6), None, Start::EntryTime, "FINRA Rule 4511(b)"),
            Self::SoxSevenYears => {
                let concluded = Start::Event(EventName(AUDIT_CONCLUDED.to_owned()));
                (Period::years(7), None, concluded, "17 CFR 210.2-06(a)")
            }
            Self::PciTwelveMonths => {
                (Period::months(12), Some(Period::months(3)), Start::EntryTime, "PCI DSS v4.0.1 10.5.1")
            }
            Self::Custom(_) => return None,
        };
        Some(ClassRule { period, immediate, start, source: source.to_owned() })
    }
}

/// The event that starts the seven years of [`Retention::SoxSevenYears`].
pub const AUDIT_CONCLUDED: &str = "audit-concluded";

impl fmt::Display for Retention {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Retention {
    type Err = ParseNameError;
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        match Self::BUILT_IN.into_iter().find(|c| c.as_str() == s) {
            Some(class) => Ok(class),
            None => Ok(Self::Custom(s.parse()?)),
        }
    }
}

/// What a period counts from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Start {
    /// The time of the entry. Written `entry-time`.
    EntryTime,
    /// Something that happens later and is recorded by a signed event; until then the period has not begun.
    Event(EventName),
}

const ENTRY_TIME: &str = "entry-time";

impl fmt::Display for Start {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EntryTime => f.write_str(ENTRY_TIME),
            Self::Event(name) => fmt::Display::fmt(name, f),
        }
    }
}

impl FromStr for Start {
    type Err = ParseNameError;
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        if s == ENTRY_TIME { Ok(Self::EntryTime) } else { Ok(Self::Event(s.parse()?)) }
    }
}

/// What a class asks for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassRule {
    /// How long, from the start.
    pub period: Period,
    /// How long, from the entry's time, it must be at hand without delay, where the rule says so.
    pub immediate: Option<Period>,
    /// What the period counts from.
    pub start: Start,
    /// The clause that asks for it, in the firm's words or as a citation.
    pub source: String,
}

impl ClassRule {
    /// Whether this rule keeps everything at least as long as the other, whatever happens: only such a one may take the
    /// other's place.
    #[must_use]
    pub fn extends(&self, other: &Self) -> bool {
        let immediate = match (self.immediate, other.immediate) {
            (_, None) => true,
            (Some(ours), Some(theirs)) => ours.covers(theirs),
            (None, Some(_)) => false,
        };
        self.start == other.start && self.period.covers(other.period) && immediate
    }
}

macro_rules! as_text {
    ($($name:ident),*) => {$(
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.collect_str(self)
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}
as_text!(Retention, Start, EventName);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_texts_in_entries_never_change() {
        let texts: Vec<String> = Retention::BUILT_IN.iter().map(|c| serde_json::to_string(c).unwrap()).collect();
        assert_eq!(texts, ["\"sec-17a-4-6y\"", "\"sec-17a-4-3y\"", "\"finra-6y\"", "\"sox-7y\"", "\"pci-12m\""]);
        let own: Retention = serde_json::from_str("\"firm-10y\"").unwrap();
        assert_eq!(own.to_string(), "firm-10y");
        assert!(own.rule().is_none());
        for wrong in ["", "Sox-7y", "a b", "-a", "a-", "ä", "123", "a123456789012345678901234567890123"] {
            assert!(wrong.parse::<Retention>().is_err(), "{wrong}");
        }
        assert!("entry-time".parse::<EventName>().is_err());
    }

    #[test]
    fn a_class_is_only_ever_made_longer() {
        let rule = |period: &str, start: &str, immediate: Option<&str>| ClassRule {
            period: period.parse().unwrap(),
            immediate: immediate.map(|i| i.parse().unwrap()),
            start: start.parse().unwrap(),
            source: String::new(),
        };
        let old = rule("5y", "entry-time", Some("3m"));
        assert!(rule("5y", "entry-time", Some("3m")).extends(&old));
        assert!(rule("6y", "entry-time", Some("1y")).extends(&old));
        assert!(!rule("4y", "entry-time", Some("3m")).extends(&old));
        assert!(!rule("6y", "entry-time", None).extends(&old));
        assert!(!rule("6y", "account-closed", Some("3m")).extends(&old), "another start may be an earlier one");
        assert!(!rule("2000d", "entry-time", Some("3m")).extends(&old), "days and months do not compare");
    }
}
