//! What the excerpt of a log in an evidence pack cannot tell: a judgement that would need it is left open, and says so.

use countersign_model::Timestamp;
use countersign_policy::catalogue::Control;

use super::Window;

/// What was left out of an excerpt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Excerpt {
    /// Runs from before the end of the window.
    earlier: bool,
    /// Runs from after it.
    later: bool,
}

/// Facts of the ledger that are those of a machine and of a verification on it.
const OF_THE_MACHINE: [&str; 5] = ["pinned", "sealed", "verification", "problems", "witnesses"];

impl Excerpt {
    pub(super) fn of(left_out: &[(u64, u64)], times: &[Timestamp], window: Window) -> Self {
        let place = |index: u64| usize::try_from(index).unwrap_or(usize::MAX);
        let all = || left_out.iter().filter_map(|(first, last)| times.get(place(*first)..=place(*last))).flatten();
        Self { earlier: all().any(|at| *at < window.to), later: all().any(|at| window.to <= *at) }
    }

    /// Why a control is not judged, where it is not.
    pub(super) fn cannot_tell(self, control: &Control) -> Option<&'static str> {
        let decides = control.decides.as_ref()?;
        let reads = |field: &str| decides.rule.contains(field);
        match decides.over.as_str() {
            "ledger" if OF_THE_MACHINE.into_iter().any(reads) => {
                Some("it is about the machine that holds the ledger, and what a verification there says")
            }
            "ledger" if reads("anomalies") && (self.earlier || self.later) => {
                Some("it is about every entry, and payloads were left out")
            }
            "decisions" if reads("repeated") => Some("verify --re-evaluate computes each decision again"),
            "weaknesses" if self.earlier => Some("it rests on runs from before the period, which were left out"),
            "deployments" if reads("followed") && self.later => {
                Some("it rests on what was deployed after the period, which was left out")
            }
            "erasures" if self.earlier || self.later => {
                Some("it rests on every entry about a person, and some were left out")
            }
            _ => None,
        }
    }
}
