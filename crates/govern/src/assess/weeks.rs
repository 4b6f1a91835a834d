//! What a control was applied to, week by week: whether it operated all the time, or only now and then.

use std::collections::BTreeSet;

use countersign_model::Timestamp;
use countersign_policy::catalogue::Judgement;

use super::Window;

const WEEK: i64 = 7 * 24 * 60 * 60 * 1000;

/// A week.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Week {
    /// From when on.
    pub from: Timestamp,
    /// What kept the control.
    pub kept: u64,
    /// What broke it.
    pub broken: u64,
}

/// The weeks of a window, the last of them whole and the first perhaps not. What a control was applied to is in the week of the newest of
/// its entries, as in a population; what has none in the window is in no week. `times` are those of all entries.
#[must_use]
pub fn weeks(judged: &Judgement, window: Window, times: &[Timestamp]) -> Vec<Week> {
    let count = window.to.millis().saturating_sub(window.from.millis()).div_euclid(WEEK).saturating_add(1);
    let start = window.to.millis().saturating_sub(count.saturating_mul(WEEK));
    let week = |n: i64| Week { from: Timestamp::from_millis(start.saturating_add(n * WEEK)), kept: 0, broken: 0 };
    let mut all: Vec<Week> = (0..count).map(week).collect();
    let broken: BTreeSet<&str> = judged.failing.iter().map(|f| f.subject.as_str()).collect();
    for (subject, entries) in &judged.subjects {
        let newest = entries.iter().filter_map(|index| times.get(usize::try_from(*index).ok()?)).max();
        let Some(at) = newest.filter(|at| window.holds(**at)) else { continue };
        let nth = usize::try_from((at.millis() - start).div_euclid(WEEK)).unwrap_or(usize::MAX);
        if let Some(week) = all.get_mut(nth) {
            if broken.contains(subject.as_str()) {
                week.broken += 1;
            } else {
                week.kept += 1;
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use countersign_policy::catalogue::Failing;

    use super::*;

    #[test]
    fn everything_is_in_the_week_of_its_newest_entry_and_what_is_outside_in_none() {
        let at = |day: i64| Timestamp::from_millis(day * WEEK / 7);
        let times: Vec<Timestamp> = [0, 1, 8, 9, 20, 21].map(at).into();
        let subject = |name: &str, entries: &[u64]| (name.to_owned(), entries.to_vec());
        let judged = Judgement {
            subjects: vec![
                subject("before", &[0]),
                subject("first", &[0, 1]),
                subject("second", &[1, 2]),
                subject("bad", &[3]),
                subject("last", &[4]),
                subject("after", &[4, 5]),
                subject("nowhere", &[]),
                subject("unknown", &[99]),
            ],
            failing: vec![Failing { subject: "bad".into(), text: "no".into(), entries: vec![3] }],
            ..Judgement::error("made up")
        };
        let all = weeks(&judged, Window { from: at(1), to: at(21) }, &times);
        let told: Vec<_> = all.iter().map(|week| (week.from, week.kept, week.broken)).collect();
        assert_eq!(told, [(at(0), 1, 0), (at(7), 1, 1), (at(14), 1, 0)]);
    }
}
