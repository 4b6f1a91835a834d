//! The clocks of regulators that may run while a gate is shut: how long a firm has to say something. One table, with its sources.
//!
//! They bound how slowly a gate may be answered: a question that is not answered before such a clock ends cannot be part of the answer
//! that the clock asks for.

/// A clock of a regulator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RegulatorClock {
    /// Its id, as a file of gate owners names it.
    pub id: &'static str,
    /// What is to be done before it ends.
    pub what: &'static str,
    /// How long it runs, in hours.
    pub hours: u32,
    /// The clause.
    pub source: &'static str,
    /// Whether somebody compared it with the text of its source; what nobody compared is marked so wherever it is shown.
    pub verified: bool,
}

impl RegulatorClock {
    /// How long it runs, in minutes.
    #[must_use]
    pub const fn minutes(&self) -> u32 {
        self.hours.saturating_mul(60)
    }
}

/// Every clock that is known.
pub const CLOCKS: [RegulatorClock; 4] = [
    RegulatorClock {
        id: "gdpr-33",
        what: "tell the supervisory authority of a breach of personal data",
        hours: 72,
        source: "Regulation (EU) 2016/679 Art. 33(1)",
        verified: false,
    },
    RegulatorClock {
        id: "reg-sci-1002",
        what: "notify the Commission of an SCI event in writing",
        hours: 24,
        source: "17 CFR 242.1002(b)(2)",
        verified: false,
    },
    RegulatorClock {
        id: "nydfs-500.17",
        what: "notify the superintendent of a cybersecurity incident",
        hours: 72,
        source: "23 NYCRR 500.17(a)",
        verified: false,
    },
    RegulatorClock {
        id: "dora-19",
        what: "send the initial notification of a major ICT-related incident, counted from becoming aware of it",
        hours: 24,
        source: "Regulation (EU) 2022/2554 Art. 19(4); Delegated Regulation (EU) 2025/301 Art. 5",
        verified: false,
    },
];

/// The clock of that id.
#[must_use]
pub fn find(id: &str) -> Option<&'static RegulatorClock> {
    CLOCKS.iter().find(|c| c.id == id)
}

/// The shortest of the clocks that a gate names; of all where it names none.
#[must_use]
pub fn shortest(ids: &[String]) -> Option<&'static RegulatorClock> {
    CLOCKS.iter().filter(|c| ids.is_empty() || ids.iter().any(|id| id == c.id)).min_by_key(|c| c.hours)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shortest_counts_and_without_any_named_it_is_the_shortest_of_all() {
        assert_eq!(shortest(&[]).map(|c| c.hours), Some(24));
        assert_eq!(shortest(&["gdpr-33".to_owned(), "nydfs-500.17".to_owned()]).map(|c| c.hours), Some(72));
        assert_eq!(shortest(&["none".to_owned()]), None);
        for clock in CLOCKS {
            assert_eq!(find(clock.id), Some(CLOCKS.iter().find(|c| c.id == clock.id).unwrap()));
        }
    }
}
