//! Spans and days of the calendar.

use std::fmt;
use std::str::FromStr;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, ToSpan as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::Timestamp;

/// The longest period that a class may ask for, in years. More is a slip of the finger.
const MAX_YEARS: u32 = 100;

/// A span of calendar time. Its text form is ISO 8601's (`P7Y`, `P12M`, `P1Y6M10D`); people may write `7y`, `12m`, `90d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Period {
    months: u32,
    days: u32,
}

impl Period {
    /// So many years.
    #[must_use]
    pub const fn years(n: u16) -> Self {
        Self { months: n as u32 * 12, days: 0 }
    }

    /// So many months.
    #[must_use]
    pub const fn months(n: u16) -> Self {
        Self { months: n as u32, days: 0 }
    }

    /// The moment this period after `from`, by the calendar in UTC. A day that the target month does not have becomes the first of
    /// the next one: a year from 29 February ends on 1 March, never on 28 February. `None` past the end of time.
    #[must_use]
    pub fn after(self, from: Timestamp) -> Option<Timestamp> {
        let at = jiff::Timestamp::from_millisecond(from.millis()).ok()?.to_zoned(TimeZone::UTC).datetime();
        let months = Span::new().try_months(self.months).ok()?;
        let mut end = at.checked_add(months).ok()?;
        if end.day() != at.day() {
            end = end.checked_add(1.day()).ok()?;
        }
        let end = end.checked_add(Span::new().try_days(self.days).ok()?).ok()?;
        let end = end.to_zoned(TimeZone::UTC).ok()?.timestamp();
        Some(Timestamp::from_millis(end.as_millisecond()))
    }

    /// Whether this period is at least as long as the other, whenever both begin.
    #[must_use]
    pub const fn covers(self, other: Self) -> bool {
        self.months >= other.months && self.days >= other.days
    }

    /// The whole months in it; days beside them are not counted.
    #[must_use]
    pub const fn whole_months(self) -> u32 {
        self.months
    }

    const fn is_allowed(self) -> bool {
        let none = self.months == 0 && self.days == 0;
        !none && self.months <= MAX_YEARS * 12 && self.days <= MAX_YEARS * 366
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (years, months) = (self.months / 12, self.months % 12);
        f.write_str("P")?;
        for (n, unit) in [(years, 'Y'), (months, 'M'), (self.days, 'D')] {
            if n > 0 {
                write!(f, "{n}{unit}")?;
            }
        }
        Ok(())
    }
}

/// The text was no period.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a period: `{0}` (7y, 18m, 90d or P1Y6M; at most 100 years)")]
pub struct ParsePeriodError(String);

impl FromStr for Period {
    type Err = ParsePeriodError;
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let wrong = || ParsePeriodError(s.chars().take(40).collect());
        let mut rest = s.strip_prefix(['P', 'p']).unwrap_or(s);
        let (mut period, mut last) = (Self { months: 0, days: 0 }, 0);
        while let Some(at) = rest.find(|c: char| !c.is_ascii_digit()) {
            let (number, unit) = rest.split_at_checked(at).ok_or_else(wrong)?;
            let n: u32 = number.parse().ok().filter(|n| *n <= 100_000).ok_or_else(wrong)?;
            let mut tail = unit.chars();
            let order = match tail.next().map(|c| c.to_ascii_uppercase()) {
                Some('Y') => {
                    period.months += n * 12;
                    1
                }
                Some('M') => {
                    period.months += n;
                    2
                }
                Some('D') => {
                    period.days += n;
                    3
                }
                _ => return Err(wrong()),
            };
            if order <= last {
                return Err(wrong());
            }
            (last, rest) = (order, tail.as_str());
        }
        if rest.is_empty() && period.is_allowed() { Ok(period) } else { Err(wrong()) }
    }
}

impl Serialize for Period {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Period {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A day, as people name it: `2033-11-26`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(Date);

impl Day {
    /// The day of a moment, in UTC.
    #[must_use]
    pub fn of(at: Timestamp) -> Option<Self> {
        let at = jiff::Timestamp::from_millisecond(at.millis()).ok()?;
        Some(Self(at.to_zoned(TimeZone::UTC).date()))
    }

    /// Its first moment, in UTC.
    #[must_use]
    pub fn start(self) -> Option<Timestamp> {
        let start = self.0.to_zoned(TimeZone::UTC).ok()?;
        Some(Timestamp::from_millis(start.timestamp().as_millisecond()))
    }

    /// How many days lie between the two, whichever is first.
    #[must_use]
    pub fn distance(self, other: Self) -> u64 {
        let days = |d: Self| d.start().map_or(0, |t| t.millis().div_euclid(86_400_000));
        days(self).abs_diff(days(other))
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// The text was no day.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a day: `{0}` (a day is written 2033-11-26)")]
pub struct ParseDayError(String);

impl FromStr for Day {
    type Err = ParseDayError;
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let wrong = || ParseDayError(s.chars().take(40).collect());
        let day: Date = s.parse().map_err(|_| wrong())?;
        // The parser takes other spellings too; in a signed statement there is one.
        if day.to_string() == s { Ok(Self(day)) } else { Err(wrong()) }
    }
}

impl Serialize for Day {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Day {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn periods_follow_the_calendar_and_never_round_down() {
        for (period, from, until) in [
            ("7y", "2026-11-26T10:00:00Z", "2033-11-26T10:00:00Z"),
            ("1y", "2028-02-29T00:00:00Z", "2029-03-01T00:00:00Z"),
            ("4y", "2028-02-29T00:00:00Z", "2032-02-29T00:00:00Z"),
            ("1m", "2027-01-31T23:59:59Z", "2027-03-01T23:59:59Z"),
            ("12m", "2027-05-31T00:00:00Z", "2028-05-31T00:00:00Z"),
            ("P1Y6M10D", "2026-01-01T00:00:00Z", "2027-07-11T00:00:00Z"),
        ] {
            assert_eq!(period.parse::<Period>().unwrap().after(at(from)), Some(at(until)), "{period} from {from}");
        }
        assert_eq!(Period::years(100).after(at("9990-01-01T00:00:00Z")), None);
        assert_eq!(Period::years(1).after(Timestamp::from_millis(i64::MAX)), None);
    }

    #[test]
    fn there_is_one_way_to_write_each() {
        for (written, canonical) in [("7y", "P7Y"), ("12m", "P1Y"), ("90d", "P90D"), ("18m", "P1Y6M"), ("P7Y", "P7Y")] {
            let period: Period = written.parse().unwrap();
            assert_eq!(period.to_string(), canonical);
            assert_eq!(canonical.parse(), Ok(period));
        }
        for wrong in ["", "P", "0y", "7", "y", "-1y", "101y", "1d1y", "1y1y", "99999999999y", "7ÿ", "1w"] {
            assert!(wrong.parse::<Period>().is_err(), "{wrong}");
        }
        assert_eq!("2033-11-26".parse::<Day>().unwrap().start(), Some(at("2033-11-26T00:00:00Z")));
        for wrong in ["20331126", "2033-02-30", "2033-11-26T00:00", "", "26.11.2033", "+002033-11-26"] {
            assert!(wrong.parse::<Day>().is_err(), "{wrong}");
        }
    }

    proptest::proptest! {
        #[test]
        fn the_end_is_never_before_the_beginning(ms in -2_000_000_000_000_i64..200_000_000_000_000, months in 1_u16..1200) {
            let from = Timestamp::from_millis(ms);
            let end = Period::months(months).after(from).unwrap();
            // The shortest month has 28 days, the shortest twelve have 365.
            let least = i64::from(months / 12) * 365 + i64::from(months % 12) * 28;
            proptest::prop_assert!(end >= from.plus_seconds(least * 86_400));
            proptest::prop_assert!(Period::months(months).after(Timestamp::from_millis(ms + 86_400_000)).unwrap() >= end);
        }

        #[test]
        fn text_round_trips(months in 0_u16..1200, days in 0_u16..3000) {
            let text = format!("P{months}M{days}D");
            if let Ok(period) = text.parse::<Period>() {
                proptest::prop_assert_eq!(period.to_string().parse::<Period>(), Ok(period));
            }
        }

        #[test]
        fn any_text_is_refused_without_harm(text: String) {
            let _ = (text.parse::<Period>(), text.parse::<Day>());
        }
    }
}
