//! Until when an entry is kept.

use std::fmt;

use super::{ClassRule, EventName, Retention, Start};
use crate::Timestamp;

/// Until when an entry is kept. The order is that of strength: what waits for something is kept longer than any date.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeptUntil {
    /// Until this moment. At it, and after it, the class keeps the entry no longer.
    Date(Timestamp),
    /// Until some time after this has happened, and it has not.
    Awaits(EventName),
    /// For ever: nobody has defined the class, or the date lies past the end of time.
    Always(Retention),
}

impl KeptUntil {
    /// What one class asks of one entry.
    ///
    /// `written` is the latest that is known about when the entry was written: its own time at least. `started` is the
    /// latest moment at which the class's event is said to have happened; one that lies before the entry counts from the
    /// entry.
    #[must_use]
    pub fn of(class: Retention, rule: Option<&ClassRule>, written: Timestamp, started: Option<Timestamp>) -> Self {
        let Some(rule) = rule else { return Self::Always(class) };
        let from = match (&rule.start, started) {
            (Start::EntryTime, _) => written,
            (Start::Event(_), Some(started)) => started.max(written),
            (Start::Event(name), None) => return Self::Awaits(name.clone()),
        };
        rule.period.after(from).map_or(Self::Always(class), Self::Date)
    }

    /// Whether nothing is kept any more at `now`.
    #[must_use]
    pub fn is_over(&self, now: Timestamp) -> bool {
        matches!(self, Self::Date(date) if *date <= now)
    }

    /// The date, where there is one.
    #[must_use]
    pub const fn date(&self) -> Option<Timestamp> {
        match self {
            Self::Date(date) => Some(*date),
            Self::Awaits(_) | Self::Always(_) => None,
        }
    }
}

impl fmt::Display for KeptUntil {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Date(date) => write!(f, "until {date}"),
            Self::Awaits(event) => write!(f, "until its period after `{event}`, which is not recorded"),
            Self::Always(class) => write!(f, "for ever, for nothing says when `{class}` ends"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_keeps() {
        let t = Timestamp::from_millis(1_795_000_000_000);
        let sox = Retention::SoxSevenYears;
        let rule = sox.rule();
        let waits = KeptUntil::of(sox, rule.as_ref(), t, None);
        assert!(matches!(&waits, KeptUntil::Awaits(e) if e.as_str() == "audit-concluded"));
        assert!(!waits.is_over(Timestamp::from_millis(i64::MAX)));
        let own: Retention = "firm-1d".parse().unwrap();
        assert!(!KeptUntil::of(own, None, t, Some(t)).is_over(Timestamp::from_millis(i64::MAX)));
        // A start before the entry counts from the entry.
        let early = KeptUntil::of(sox, rule.as_ref(), t, Some(Timestamp::from_millis(0)));
        assert_eq!(early, KeptUntil::of(sox, rule.as_ref(), t, Some(t)));
        let date = early.date().unwrap();
        assert!(early.is_over(date));
        assert!(!early.is_over(Timestamp::from_millis(date.millis() - 1)));
        assert!(waits > early, "what waits is the stronger");
    }
}
