//! Time comes from an injected [`Clock`], so that a decision can be frozen and replayed.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A moment in UTC with millisecond precision; its text form is RFC 3339 (`2026-11-23T17:48:00.000Z`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From milliseconds since the Unix epoch.
    #[must_use]
    pub const fn from_millis(ms: i64) -> Self {
        Self(ms)
    }
    /// Milliseconds since the Unix epoch.
    #[must_use]
    pub const fn millis(self) -> i64 {
        self.0
    }
    /// Appends the text form, as [`fmt::Display`] has it.
    pub fn write_to(self, out: &mut Vec<u8>) {
        match written(self.0) {
            Some(text) => out.extend_from_slice(&text),
            None => out.extend_from_slice(self.to_string().as_bytes()),
        }
    }
    /// This moment plus `seconds` (negative goes back); saturates at the ends of time.
    #[must_use]
    pub const fn plus_seconds(self, seconds: i64) -> Self {
        Self(self.0.saturating_add(seconds.saturating_mul(1000)))
    }
}

/// Where the years of four digits end for certain: 9999-01-01.
const FOUR_DIGITS_MS: i64 = 253_370_764_800_000;

/// The text of a moment from 1970 to 9998. Every entry has one, so it is made without a formatter.
fn written(ms: i64) -> Option<[u8; 24]> {
    if !(0..FOUR_DIGITS_MS).contains(&ms) {
        return None;
    }
    let (days, ms) = (ms / 86_400_000, ms % 86_400_000);
    // Years that begin in March end with their leap day; 400 of them have 146,097 days.
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, is_next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    let year = era * 400 + year + is_next;
    let mut text = *b"0000-00-00T00:00:00.000Z";
    let mut put = |from: usize, to: usize, mut n: i64| {
        for digit in text.get_mut(from..to).unwrap_or_default().iter_mut().rev() {
            // A remainder of ten is a digit.
            *digit = b'0' + (n % 10) as u8;
            n /= 10;
        }
    };
    put(0, 4, year);
    put(5, 7, month);
    put(8, 10, day);
    put(11, 13, ms / 3_600_000);
    put(14, 16, ms / 60_000 % 60);
    put(17, 19, ms / 1000 % 60);
    put(20, 23, ms % 1000);
    Some(text)
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(text) = written(self.0)
            && let Ok(text) = std::str::from_utf8(&text)
        {
            return f.write_str(text);
        }
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(t) => write!(f, "{t:.3}"),
            Err(_) => write!(f, "@{}ms", self.0),
        }
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text was no RFC 3339 moment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an RFC 3339 time: `{0}`")]
pub struct ParseTimestampError(String);

impl FromStr for Timestamp {
    type Err = ParseTimestampError;
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let t: jiff::Timestamp = s.parse().map_err(|_| ParseTimestampError(s.to_owned()))?;
        Ok(Self(t.as_millisecond()))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Where time is read from.
pub trait Clock: Send + Sync {
    /// The present moment.
    fn now(&self) -> Timestamp;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the machine's clock")]
    fn now(&self) -> Timestamp {
        Timestamp(jiff::Timestamp::now().as_millisecond())
    }
}

/// A clock that stands still: tests, replay, and `COUNTERSIGN_NOW`.
#[derive(Debug, Clone, Copy)]
pub struct FixedClock(pub Timestamp);

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by_the_library(ms: i64) -> String {
        format!("{:.3}", jiff::Timestamp::from_millisecond(ms).unwrap())
    }

    #[test]
    fn every_day_is_written_as_the_library_writes_it() {
        for day in 0..=FOUR_DIGITS_MS / 86_400_000 {
            // Another moment of each day.
            let ms = day * 86_400_000 + day * 7_919_237 % 86_400_000;
            assert_eq!(Timestamp(ms).to_string(), by_the_library(ms));
        }
        for ms in [-1, 0, 1, FOUR_DIGITS_MS - 1, FOUR_DIGITS_MS, 86_399_999] {
            assert_eq!(Timestamp(ms).to_string(), by_the_library(ms));
            let mut out = Vec::new();
            Timestamp(ms).write_to(&mut out);
            assert_eq!(out, by_the_library(ms).as_bytes());
        }
    }

    #[test]
    fn text_form_is_rfc3339_with_milliseconds() {
        let t = Timestamp::from_millis(1_700_000_000_123);
        assert_eq!(t.to_string(), "2023-11-14T22:13:20.123Z");
        assert_eq!(t.to_string().parse(), Ok(t));
        assert_eq!(Timestamp::from_millis(1_700_000_000_000).to_string(), "2023-11-14T22:13:20.000Z");
    }
}
