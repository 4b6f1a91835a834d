//! Everything that says how long entries are kept, put together: classes, starts, extensions, holds.

use std::collections::BTreeMap;

use super::{ClassRule, Day, EventName, KeptUntil, Retention, Selected, Selector};
use crate::{PersonId, Timestamp};

/// A class of the firm's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Defined {
    /// Log index of the event.
    pub index: u64,
    /// The rule in effect.
    pub rule: ClassRule,
}

/// A start that was recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Started {
    /// Log index of the event.
    pub index: u64,
    /// What happened.
    pub event: EventName,
    /// For which entries.
    pub selector: Selector,
    /// On which day.
    pub on: Day,
}

/// An extension that was recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extended {
    /// Log index of the event.
    pub index: u64,
    /// Which entries.
    pub selector: Selector,
    /// A class that holds for them too.
    pub class: Option<Retention>,
    /// A day before whose end they are not free.
    pub until: Option<Day>,
}

/// The end of a hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Released {
    /// Log index of the event.
    pub index: u64,
    /// Who.
    pub by: PersonId,
    /// Why.
    pub reason: String,
    /// When.
    pub time: Timestamp,
}

/// A legal hold, open or released.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// Log index of the event.
    pub index: u64,
    /// The matter.
    pub matter: String,
    /// Which entries.
    pub selector: Selector,
    /// Who placed it.
    pub by: PersonId,
    /// Why.
    pub reason: String,
    /// When.
    pub time: Timestamp,
    /// Its end; `None` while it is open.
    pub released: Option<Released>,
}

/// Why an entry is kept, one line of several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ground {
    /// The class, where it is one.
    pub class: Option<Retention>,
    /// Log index of the extension that says so; `None` for the entry's own class.
    pub extension: Option<u64>,
    /// Until when.
    pub until: KeptUntil,
}

/// How long an entry is kept, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The latest of all grounds.
    pub until: KeptUntil,
    /// Each ground by itself, the entry's own class first.
    pub grounds: Vec<Ground>,
    /// Matters with an open hold on it.
    pub holds: Vec<String>,
}

impl Kept {
    /// Whether nothing keeps the entry any more at `now`: no class, no extension, no hold.
    #[must_use]
    pub fn is_free(&self, now: Timestamp) -> bool {
        self.holds.is_empty() && self.until.is_over(now)
    }
}

/// Everything that the log says about retention, up to some point of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Schedule {
    /// Classes of the firm's own.
    pub classes: BTreeMap<Retention, Defined>,
    /// Starts, oldest first.
    pub starts: Vec<Started>,
    /// Extensions, oldest first.
    pub extensions: Vec<Extended>,
    /// Holds, oldest first.
    pub holds: Vec<Hold>,
}

impl Schedule {
    /// What a class asks for; `None` when nobody has defined it.
    #[must_use]
    pub fn rule(&self, class: Retention) -> Option<ClassRule> {
        class.rule().or_else(|| self.classes.get(&class).map(|d| d.rule.clone()))
    }

    /// Whether this definition may take effect.
    ///
    /// # Errors
    /// Why not, as a fragment: the class is built in, or the rule would shorten it.
    pub fn may_define(&self, class: Retention, rule: &ClassRule) -> Result<(), String> {
        if class.rule().is_some() {
            return Err(format!("`{class}` is one of the classes that every ledger knows"));
        }
        match self.classes.get(&class) {
            Some(old) if !rule.extends(&old.rule) => {
                Err(format!("`{class}` is only ever made longer, and its start stays the same"))
            }
            _ => Ok(()),
        }
    }

    /// Until when an entry is kept, and why.
    #[must_use]
    pub fn kept(&self, entry: &Selected) -> Kept {
        let by_class = |class: Retention| {
            let rule = self.rule(class);
            let started = match rule.as_ref().map(|r| &r.start) {
                Some(super::Start::Event(event)) => self.started(event, entry),
                _ => None,
            };
            KeptUntil::of(class, rule.as_ref(), entry.time, started)
        };
        let own = entry.retention;
        let mut grounds = vec![Ground { class: Some(own), extension: None, until: by_class(own) }];
        for extension in self.extensions.iter().filter(|e| e.selector.matches(entry)) {
            if let Some(class) = extension.class {
                let until = by_class(class);
                grounds.push(Ground { class: Some(class), extension: Some(extension.index), until });
            }
            if let Some(day) = extension.until {
                // A day that the calendar cannot end never ends.
                let until = end_of(day).map_or(KeptUntil::Always(own), KeptUntil::Date);
                grounds.push(Ground { class: None, extension: Some(extension.index), until });
            }
        }
        let latest = grounds.iter().map(|g| &g.until).max().cloned();
        let mut holds: Vec<String> =
            self.open_holds().filter(|h| h.selector.matches(entry)).map(|h| h.matter.clone()).collect();
        holds.sort_unstable();
        holds.dedup();
        Kept { until: latest.unwrap_or(KeptUntil::Always(own)), grounds, holds }
    }

    /// Until when it must be at hand without delay, where a class of the entry says so.
    #[must_use]
    pub fn immediate(&self, entry: &Selected) -> Option<Timestamp> {
        let extended = self.extensions.iter().filter(|e| e.selector.matches(entry)).filter_map(|e| e.class);
        std::iter::once(entry.retention)
            .chain(extended)
            .filter_map(|class| self.rule(class)?.immediate?.after(entry.time))
            .max()
    }

    /// Holds that are not released.
    pub fn open_holds(&self) -> impl Iterator<Item = &Hold> {
        self.holds.iter().filter(|h| h.released.is_none())
    }

    /// The latest moment at which the event is said to have happened for this entry. A second start never makes it
    /// earlier.
    fn started(&self, event: &EventName, entry: &Selected) -> Option<Timestamp> {
        let starts = self.starts.iter().filter(|s| s.event == *event && s.selector.matches(entry));
        // What cannot be placed in time must not be left out: it is the latest of all.
        starts.map(|s| end_of(s.on).unwrap_or(Timestamp::from_millis(i64::MAX))).max()
    }
}

/// The end of a day: from then on it has passed everywhere, west of Greenwich too.
fn end_of(day: Day) -> Option<Timestamp> {
    day.start().map(|start| start.plus_seconds(36 * 3600))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ActorId, EventKind, RunId, StreamId};

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn entry(class: &str) -> Selected {
        Selected {
            index: 5,
            kind: EventKind::EvidenceAttached,
            stream: StreamId::from_text("run-1"),
            actor: ActorId::from_text("act-1"),
            time: at("2026-01-10T12:00:00Z"),
            retention: class.parse().unwrap(),
            run: Some(RunId::from_text("run-1")),
        }
    }

    fn start(schedule: &mut Schedule, selector: &str, on: &str) {
        let (event, selector) = ("audit-concluded".parse().unwrap(), selector.parse().unwrap());
        schedule.starts.push(Started { index: 9, event, selector, on: on.parse().unwrap() });
    }

    fn extend(schedule: &mut Schedule, class: Option<&str>, until: Option<&str>) {
        let (class, until) = (class.map(|c| c.parse().unwrap()), until.map(|d| d.parse().unwrap()));
        schedule.extensions.push(Extended { index: 10, selector: Selector::All, class, until });
    }

    #[test]
    fn dates_only_move_out() {
        let mut schedule = Schedule::default();
        let pci = entry("pci-12m");
        assert_eq!(schedule.kept(&pci).until, KeptUntil::Date(at("2027-01-10T12:00:00Z")));
        assert_eq!(schedule.immediate(&pci), Some(at("2026-04-10T12:00:00Z")));
        extend(&mut schedule, None, Some("2026-06-01"));
        assert_eq!(
            schedule.kept(&pci).until,
            KeptUntil::Date(at("2027-01-10T12:00:00Z")),
            "an earlier day changes nothing"
        );
        extend(&mut schedule, Some("sec-17a-4-3y"), None);
        assert_eq!(schedule.kept(&pci).until, KeptUntil::Date(at("2029-01-10T12:00:00Z")));
        assert_eq!(schedule.immediate(&pci), Some(at("2028-01-10T12:00:00Z")));
        extend(&mut schedule, Some("sox-7y"), None);
        assert!(matches!(schedule.kept(&pci).until, KeptUntil::Awaits(_)));
        start(&mut schedule, "all", "2028-03-31");
        assert_eq!(schedule.kept(&pci).until, KeptUntil::Date(at("2035-04-01T12:00:00Z")));
        start(&mut schedule, "all", "2027-03-31");
        assert_eq!(schedule.kept(&pci).until, KeptUntil::Date(at("2035-04-01T12:00:00Z")), "an earlier start neither");
        extend(&mut schedule, Some("nobody-defined-it"), None);
        assert!(matches!(schedule.kept(&pci).until, KeptUntil::Always(_)));
        assert_eq!(schedule.kept(&pci).grounds.len(), 5);
    }

    #[test]
    fn a_hold_keeps_whatever_the_dates_say() {
        let mut schedule = Schedule::default();
        let (pci, late) = (entry("pci-12m"), at("2099-01-01T00:00:00Z"));
        assert!(schedule.kept(&pci).is_free(late));
        schedule.holds.push(Hold {
            index: 11,
            matter: "26-cv-1".into(),
            selector: "run:run-1".parse().unwrap(),
            by: PersonId::from_text("per-1"),
            reason: "subpoena".into(),
            time: late,
            released: None,
        });
        let kept = schedule.kept(&pci);
        assert_eq!(kept.holds, ["26-cv-1"]);
        assert!(!kept.is_free(late) && kept.until.is_over(late));
    }
}
