//! When an environment is open for deployments: freezes, and weekly windows.
//!
//! Windows have an offset from UTC and no named time zone: whether one was open at a moment must come out the same on every
//! machine and in ten years, and the rules of time zones change. Where clocks go forward in spring, two sets of windows a year
//! are signed (docs/design/019).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::event::{Predicate, predicates};
use crate::{FreezeId, PersonId, Timestamp};

/// The most windows that an environment may have.
pub const MOST_WINDOWS: usize = 50;

/// Days, as they are written; the week begins on Monday.
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// A time of the week in which an environment is open, on every day from the first to the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Window {
    /// The first day, 0 is Monday.
    first: u8,
    /// The last day; may come before the first, across the end of the week.
    last: u8,
    /// From this minute of each day on.
    from: u16,
    /// Until before this one, at most 1440.
    to: u16,
    /// Minutes east of UTC.
    offset: i16,
}

/// The text was no window.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no window: write mon-thu 20:00-23:30 +01:00")]
pub struct ParseWindowError(String);

impl Window {
    /// Whether it is open at a moment.
    #[must_use]
    pub const fn is_open(self, at: Timestamp) -> bool {
        let minutes = at.millis().div_euclid(60_000).saturating_add(self.offset as i64);
        // 1970-01-01 was a Thursday.
        let day = minutes.div_euclid(1440).saturating_add(3).rem_euclid(7);
        let minute = minutes.rem_euclid(1440);
        let (first, last) = (self.first as i64, self.last as i64);
        let is_day = if first <= last { first <= day && day <= last } else { day >= first || day <= last };
        is_day && self.from as i64 <= minute && minute < self.to as i64
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let day = |n: u8| DAYS.get(usize::from(n)).copied().unwrap_or("?");
        let clock = |m: u16| (m / 60, m % 60);
        f.write_str(day(self.first))?;
        if self.last != self.first {
            write!(f, "-{}", day(self.last))?;
        }
        let ((a, b), (c, d)) = (clock(self.from), clock(self.to));
        let (sign, east) = (if self.offset < 0 { '-' } else { '+' }, self.offset.unsigned_abs());
        write!(f, " {a:02}:{b:02}-{c:02}:{d:02} {sign}{:02}:{:02}", east / 60, east % 60)
    }
}

impl FromStr for Window {
    type Err = ParseWindowError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || ParseWindowError(text.chars().take(60).collect());
        let clock = |text: &str| -> Option<u16> {
            let (hours, minutes) = text.split_once(':')?;
            let is_clock = text.len() == 5 && hours.len() == 2 && text.bytes().all(|b| b.is_ascii_digit() || b == b':');
            let (hours, minutes): (u16, u16) = (hours.parse().ok()?, minutes.parse().ok()?);
            let total = hours.checked_mul(60)?.checked_add(minutes)?;
            (is_clock && minutes < 60 && total <= 1440).then_some(total)
        };
        let day = |text: &str| DAYS.iter().position(|d| *d == text).and_then(|n| u8::try_from(n).ok());
        let read = || -> Option<Self> {
            let mut words = text.split(' ');
            let (days, times, offset, None) = (words.next()?, words.next()?, words.next()?, words.next()) else {
                return None;
            };
            let (first, last) = days.split_once('-').unwrap_or((days, days));
            let (from, to) = times.split_once('-')?;
            let east = match (offset.strip_prefix('+'), offset.strip_prefix('-')) {
                (Some(east), _) => i16::try_from(clock(east)?).ok()?,
                (None, Some(west)) => i16::try_from(clock(west)?).ok()?.checked_neg()?,
                (None, None) => return None,
            };
            let window =
                Self { first: day(first)?, last: day(last)?, from: clock(from)?, to: clock(to)?, offset: east };
            let is_real = window.from < window.to && east.unsigned_abs() <= 14 * 60;
            (is_real && window.to_string() == text).then_some(window)
        };
        read().ok_or_else(bad)
    }
}

impl Serialize for Window {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Window {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}

predicates! {
    /// Nothing is deployed to an environment for a while.
    EnvironmentFrozen: "freeze" {
        /// The ledger this is said to.
        origin: String,
        /// The freeze.
        freeze: FreezeId,
        /// The environment.
        environment: String,
        /// From when.
        from: Timestamp,
        /// Until when; none: until it is lifted.
        until: Option<Timestamp>,
        /// Who says so.
        by: PersonId,
        /// Why.
        reason: String,
        /// When.
        time: Timestamp,
    }

    /// A freeze ends before its time.
    FreezeLifted: "freeze-lift" {
        /// The ledger this is said to.
        origin: String,
        /// The freeze.
        freeze: FreezeId,
        /// The officer who says so, and who did not put it in place.
        by: PersonId,
        /// Why.
        reason: String,
        /// When.
        time: Timestamp,
    }

    /// The times of the week in which an environment is open from here on.
    WindowsSet: "windows" {
        /// The ledger this is said to.
        origin: String,
        /// The environment.
        environment: String,
        /// The windows; none: it is open at any time.
        windows: Vec<Window>,
        /// The officer who says so.
        by: PersonId,
        /// Why.
        reason: String,
        /// When.
        time: Timestamp,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(window: &str, at: &str) -> bool {
        window.parse::<Window>().unwrap().is_open(at.parse().unwrap())
    }

    #[test]
    fn a_window_is_open_on_its_days_in_its_own_time() {
        // 2026-11-26 is a Thursday.
        assert!(open("thu 20:00-23:30 +00:00", "2026-11-26T20:00:00Z"));
        assert!(!open("thu 20:00-23:30 +00:00", "2026-11-26T19:59:59Z"));
        assert!(open("thu 20:00-23:30 +00:00", "2026-11-26T23:29:59Z"));
        assert!(!open("thu 20:00-23:30 +00:00", "2026-11-26T23:30:00Z"));
        assert!(!open("thu 20:00-23:30 +00:00", "2026-11-27T20:00:00Z"));
        // One o'clock on Friday in Zurich is midnight in Greenwich; late on Thursday in New York is Friday there.
        assert!(open("fri 00:30-02:00 +01:00", "2026-11-26T23:30:00Z"));
        assert!(open("thu 22:00-24:00 -05:00", "2026-11-27T04:59:59Z"));
        assert!(open("sat-mon 00:00-24:00 +00:00", "2026-11-29T12:00:00Z"));
        assert!(open("sat-mon 00:00-24:00 +00:00", "2026-11-30T12:00:00Z"));
        assert!(!open("sat-mon 00:00-24:00 +00:00", "2026-12-01T00:00:00Z"));
        assert!(open("thu 00:00-24:00 +00:00", "1970-01-01T00:00:00Z"));
        assert!(open("wed 23:00-24:00 +00:00", "1969-12-31T23:59:59Z"));
    }

    #[test]
    fn a_window_has_one_form() {
        for good in ["mon 00:00-24:00 +00:00", "mon-thu 20:00-23:30 +01:00", "sat-mon 01:05-01:06 -03:30"] {
            assert_eq!(good.parse::<Window>().unwrap().to_string(), good);
        }
        for bad in [
            "",
            "mon",
            "mon 20:00-21:00",
            "mon 21:00-20:00 +00:00",
            "mon 20:00-20:00 +00:00",
            "mon 20:00-24:01 +00:00",
            "MON 20:00-21:00 +00:00",
            "mon 8:00-9:00 +00:00",
            "mon-mon 20:00-21:00 +00:00",
            "mon 20:00-21:00 +15:00",
            "mon 20:60-21:00 +00:00",
            "mon  20:00-21:00 +00:00",
            "mon 20:00-21:00 -00:00",
            "mon 20:00-21:00 +01:00 ",
            "day 20:00-21:00 +00:00",
            "mon +1:00-21:00 +00:00",
        ] {
            assert!(bad.parse::<Window>().is_err(), "{bad}");
        }
    }
}
