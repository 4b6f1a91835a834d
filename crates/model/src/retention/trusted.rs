//! The moment a disposal may count with.
//!
//! A clock that jumps ahead must free nothing. So "now" is the least of several answers, none of which a single clock
//! can move alone: what the machines' clocks said when each of two people signed, the days that these people wrote down
//! themselves, and the newest moment that a witness vouches for, where there are witnesses.

use super::Day;
use crate::Timestamp;

/// How far the day that a person writes down may be from the clock's. It is today somewhere else already, or still.
pub const MAX_DAYS_APART: u64 = 1;
/// How long the first of two signatures over a disposal waits for the second, in seconds.
pub const MAX_SECONDS_BETWEEN: i64 = 7 * 86_400;
/// How far a clock may lie before one that was read earlier, in seconds: machines differ by a little.
pub const TOLERANCE_SECONDS: i64 = 120;

/// What one person says about the time when they sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attested {
    /// The machine's clock.
    pub clock: Timestamp,
    /// The day as the person wrote it.
    pub today: Day,
}

/// Why the time is not trusted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Doubt {
    /// Clock and person disagree.
    #[error("the clock says {clock}, and the day was given as {today}")]
    ClockAndDay {
        /// The machine's clock.
        clock: Timestamp,
        /// The person's day.
        today: Day,
    },
    /// The second was made before the first.
    #[error("the second signature is of {second}, before the first of {first}")]
    Backwards {
        /// The first.
        first: Timestamp,
        /// The second.
        second: Timestamp,
    },
    /// Too long ago.
    #[error("the first signature is of {first}, more than seven days before {second}")]
    Stale {
        /// The first.
        first: Timestamp,
        /// The second.
        second: Timestamp,
    },
    /// There are witnesses, and none has said when it is.
    #[error("this ledger has witnesses, and none of them has vouched for a time")]
    NoWitness,
    /// Not a moment that the calendar has.
    #[error("the time is past the end of the calendar")]
    EndOfTime,
}

impl Attested {
    /// The earlier of what the clock and the person say.
    ///
    /// # Errors
    /// [`Doubt::ClockAndDay`] when they are more than a day apart, [`Doubt::EndOfTime`].
    pub fn moment(self) -> Result<Timestamp, Doubt> {
        let by_clock = Day::of(self.clock).ok_or(Doubt::EndOfTime)?;
        if by_clock.distance(self.today) > MAX_DAYS_APART {
            return Err(Doubt::ClockAndDay { clock: self.clock, today: self.today });
        }
        Ok(self.today.start().ok_or(Doubt::EndOfTime)?.min(self.clock))
    }
}

/// What witnesses say about the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Witnessed {
    /// The ledger has none: the two people vouch for the time.
    NoneConfigured,
    /// The newest moment at which one of them signed a checkpoint of this ledger; `None` when none has.
    At(Option<Timestamp>),
}

/// The moment that two people's signatures and the witnesses agree has been reached.
///
/// # Errors
/// Every [`Doubt`].
pub fn now(first: Attested, second: Attested, witnessed: Witnessed) -> Result<Timestamp, Doubt> {
    let people = first.moment()?.min(second.moment()?);
    if second.clock.plus_seconds(TOLERANCE_SECONDS) < first.clock {
        return Err(Doubt::Backwards { first: first.clock, second: second.clock });
    }
    if first.clock.plus_seconds(MAX_SECONDS_BETWEEN) < second.clock {
        return Err(Doubt::Stale { first: first.clock, second: second.clock });
    }
    match witnessed {
        Witnessed::NoneConfigured => Ok(people),
        Witnessed::At(None) => Err(Doubt::NoWitness),
        Witnessed::At(Some(at)) => Ok(people.min(at)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attested(clock: &str, today: &str) -> Attested {
        Attested { clock: clock.parse().unwrap(), today: today.parse().unwrap() }
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_clock_that_jumps_moves_nothing() {
        let honest = attested("2026-11-26T10:00:00Z", "2026-11-26");
        assert_eq!(now(honest, honest, Witnessed::NoneConfigured), Ok(at("2026-11-26T00:00:00Z")));
        // An hour ahead, an hour behind: the day still holds.
        for clock in ["2026-11-26T11:00:00Z", "2026-11-26T09:00:00Z", "2026-11-26T09:58:30Z"] {
            let other = attested(clock, "2026-11-26");
            let earlier = other.clock < honest.clock.plus_seconds(-TOLERANCE_SECONDS);
            assert_eq!(now(honest, other, Witnessed::NoneConfigured).is_err(), earlier, "{clock}");
        }
        // Ten years ahead: a person would have to write the wrong year, twice.
        let jumped = attested("2036-11-26T10:00:00Z", "2026-11-26");
        assert!(matches!(jumped.moment(), Err(Doubt::ClockAndDay { .. })));
        let lied = attested("2036-11-26T10:00:00Z", "2036-11-26");
        assert!(matches!(now(honest, lied, Witnessed::NoneConfigured), Err(Doubt::Stale { .. })));
        assert!(matches!(now(lied, honest, Witnessed::NoneConfigured), Err(Doubt::Backwards { .. })));
        // A witness stops even two people who agree on the wrong year.
        let witnessed = at("2026-11-20T00:00:00Z");
        assert_eq!(now(lied, lied, Witnessed::At(Some(witnessed))), Ok(witnessed));
        assert_eq!(now(honest, honest, Witnessed::At(None)), Err(Doubt::NoWitness));
        // A witness whose clock is ahead moves nothing either.
        let ahead = Witnessed::At(Some(at("2099-01-01T00:00:00Z")));
        assert_eq!(now(honest, honest, ahead), now(honest, honest, Witnessed::NoneConfigured));
    }

    #[test]
    fn it_is_another_day_elsewhere() {
        let west = attested("2026-11-26T01:00:00Z", "2026-11-25");
        assert_eq!(west.moment(), Ok(at("2026-11-25T00:00:00Z")));
        let east = attested("2026-11-26T20:00:00Z", "2026-11-27");
        assert_eq!(east.moment(), Ok(at("2026-11-26T20:00:00Z")));
        assert!(attested("2026-11-26T20:00:00Z", "2026-11-28").moment().is_err());
    }

    proptest::proptest! {
        #[test]
        fn now_is_never_later_than_anybody_says(
            a in 0_i64..4_000_000_000_000, b in 0_i64..4_000_000_000_000, w in 0_i64..4_000_000_000_000, da in -3_i64..3, db in -3_i64..3,
        ) {
            let say = |ms: i64, days: i64| {
                let clock = Timestamp::from_millis(ms);
                Attested { clock, today: Day::of(clock.plus_seconds(days * 86_400)).unwrap() }
            };
            let (first, second, witness) = (say(a, da), say(b, db), Timestamp::from_millis(w));
            if let Ok(now) = now(first, second, Witnessed::At(Some(witness))) {
                proptest::prop_assert!(now <= first.clock && now <= second.clock && now <= witness);
                proptest::prop_assert!(now <= first.today.start().unwrap() && now <= second.today.start().unwrap());
            }
        }
    }
}
