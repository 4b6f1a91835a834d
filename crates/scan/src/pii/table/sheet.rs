//! A table as it is read: its columns, the record at hand, and what the records came to.

use std::collections::{BTreeMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher as _};
use std::ops::Range;

use countersign_model::{Digest, Hasher};

use super::rules::{ColumnRule, is_filled};
use crate::family::{Group, Seen};

/// More columns and more findings of one file than anybody reads. What is beyond is looked at value by value.
const MAX_COLUMNS: usize = 4096;
const MAX_TALLIES: usize = 256;

/// A column or key and what it may be.
#[derive(Debug)]
struct Column {
    name: String,
    /// Rule and group, by their places.
    roles: Vec<Role>,
    /// Values seen, and those that some unnamed role took: a column is of a kind when nearly all of it is.
    filled: u64,
    taken: u64,
}

#[derive(Debug, Clone, Copy)]
struct Role {
    rule: usize,
    group: usize,
    /// Known only by its values.
    unnamed: bool,
}

/// A value that plays a role.
#[derive(Debug)]
pub(super) struct Mark {
    column: usize,
    role: Role,
    /// Where it stands in the part at hand; `None` once the part is gone.
    pub(super) place: Option<Range<usize>>,
    /// The value's digest under no key; it lives as long as the record does.
    value: Digest,
}

/// What records of a rule came to, by the column that fulfils its first group.
struct Tally {
    rule: usize,
    anchor: usize,
    names: Vec<usize>,
    records: u64,
    distinct: HashSet<u64>,
    all: Hasher,
}

/// The columns of one file, and what was found in them. Columns of different tables are different columns.
#[derive(Default)]
pub(super) struct Columns {
    list: Vec<Column>,
    tallies: Vec<Tally>,
    /// Rule and anchor to their place in `tallies`.
    known: BTreeMap<(usize, usize), usize>,
}

impl std::fmt::Debug for Columns {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Columns").field("columns", &self.list.len()).finish_non_exhaustive()
    }
}

impl Columns {
    /// A column of this name (as `names::words` gives it); `None` when there are too many.
    pub(super) fn add(&mut self, rules: &[ColumnRule], name: String) -> Option<usize> {
        if self.list.len() >= MAX_COLUMNS {
            return None;
        }
        let roles = rules
            .iter()
            .enumerate()
            .flat_map(|(rule, r)| r.groups.iter().enumerate().map(move |(group, wanted)| (rule, group, wanted)))
            .filter(|(.., wanted)| wanted.may_be(&name))
            .map(|(rule, group, wanted)| Role { rule, group, unnamed: wanted.is_unnamed() })
            .collect();
        self.list.push(Column { name, roles, filled: 0, taken: 0 });
        Some(self.list.len() - 1)
    }

    /// The values of `column` say that it is what `rule` looks for.
    pub(super) fn tell(&mut self, column: usize, rule: usize) {
        if let Some(column) = self.list.get_mut(column)
            && !column.roles.iter().any(|r| r.rule == rule)
        {
            column.roles.push(Role { rule, group: 0, unnamed: false });
        }
    }

    /// Whether any record with these columns can fulfil a rule.
    pub(super) fn can_fulfil(&self, rules: &[ColumnRule], columns: &[usize]) -> bool {
        rules.iter().enumerate().any(|(n, rule)| {
            (0..rule.groups.len()).all(|g| {
                columns
                    .iter()
                    .filter_map(|c| self.list.get(*c))
                    .any(|c| c.roles.iter().any(|r| r.rule == n && r.group == g))
            })
        })
    }

    /// What the value at `place` in `column` is to the rules. Where a rule is about that column alone it counts at once;
    /// what else it says is added to `marks`, for the record.
    pub(super) fn value(
        &mut self,
        rules: &[ColumnRule],
        column: usize,
        text: &[u8],
        place: Range<usize>,
        marks: &mut Vec<Mark>,
        seen: &mut Seen,
    ) {
        let Some(known) = self.list.get_mut(column) else { return };
        if known.roles.is_empty() {
            return;
        }
        let lead = text[place.clone()].len() - text[place.clone()].trim_ascii_start().len();
        let value = text[place.clone()].trim_ascii();
        let place = place.start + lead..place.start + lead + value.len();
        if value.is_empty() || !is_filled(value) {
            return;
        }
        known.filled += 1;
        let mut digest = None;
        let mut taken = false;
        let mut counts = Vec::new();
        for role in &known.roles {
            let Some(rule) = rules.get(role.rule) else { continue };
            if rule.groups.get(role.group).is_some_and(|g| g.takes(value)) && !rule.is_sample(value) {
                taken |= role.unnamed;
                let value = *digest.get_or_insert_with(|| Digest::of(value));
                let list = if rule.groups.len() == 1 { &mut counts } else { &mut *marks };
                list.push(Mark { column, role: *role, place: Some(place.clone()), value });
            }
        }
        known.taken += u64::from(taken);
        for mark in &counts {
            self.count(rules, mark.role.rule, &[mark], place.end, seen);
        }
    }

    /// A record is whole: `own` are its values, `outer` those of what it stands in. `at` is where it ends.
    pub(super) fn record(&mut self, rules: &[ColumnRule], own: &[Mark], outer: &[&[Mark]], at: usize, seen: &mut Seen) {
        if own.is_empty() {
            return;
        }
        for (n, rule) in rules.iter().enumerate() {
            let of_rule = |m: &&Mark| m.role.rule == n;
            if !own.iter().any(|m| m.role.rule == n) {
                continue;
            }
            // One column for each group, and each column for one.
            let all = || own.iter().chain(outer.iter().copied().flatten()).filter(of_rule);
            let mut used: Vec<&Mark> = Vec::with_capacity(rule.groups.len());
            for group in 0..rule.groups.len() {
                match all().find(|m| m.role.group == group && !used.iter().any(|u| u.column == m.column)) {
                    Some(mark) => used.push(mark),
                    None => break,
                }
            }
            if used.len() == rule.groups.len() {
                self.count(rules, n, &used, at, seen);
            }
        }
    }

    fn count(&mut self, rules: &[ColumnRule], n: usize, marks: &[&Mark], at: usize, seen: &mut Seen) {
        let (Some(rule), Some(anchor)) = (rules.get(n), marks.first().map(|m| m.column)) else { return };
        let ticket = match self.known.get(&(n, anchor)) {
            Some(ticket) => *ticket,
            None if self.tallies.len() == MAX_TALLIES => return,
            None => {
                self.tallies.push(Tally {
                    rule: n,
                    anchor,
                    names: marks.iter().map(|m| m.column).collect(),
                    records: 0,
                    distinct: HashSet::new(),
                    all: Hasher::new(),
                });
                let ticket = self.tallies.len() - 1;
                self.known.insert((n, anchor), ticket);
                let first = marks.iter().filter_map(|m| m.place.clone()).min_by_key(|p| p.start).unwrap_or(at..at);
                seen.first.push((ticket, first));
                ticket
            }
        };
        let Some(tally) = self.tallies.get_mut(ticket) else { return };
        tally.records += 1;
        let mut hasher = DefaultHasher::new();
        for mark in marks {
            tally.all.update(mark.value.as_bytes());
            mark.value.as_bytes().hash(&mut hasher);
        }
        if (tally.distinct.len() as u64) < rule.at_least {
            tally.distinct.insert(hasher.finish());
        }
        if let Some(last) = marks.iter().filter_map(|m| m.place.clone()).max_by_key(|p| p.end) {
            seen.last.insert(ticket, last);
        }
        for place in marks.iter().filter_map(|m| m.place.clone()) {
            let stands_for = rule.stands_for_values().then_some(ticket);
            seen.values.push((place, rule.index, stands_for));
        }
    }

    /// The findings of the file.
    pub(super) fn end(self, rules: &[ColumnRule]) -> Vec<Group> {
        let name = |n: usize| match self.list.get(n) {
            Some(c) if !c.name.is_empty() => c.name.replace(' ', "_"),
            _ => "a column without a name".to_owned(),
        };
        // What only its values tell is of the kind when four of five values are.
        let is_of_kind = |n: usize, rule: usize| {
            self.list
                .get(n)
                .is_some_and(|c| !c.roles.iter().any(|r| r.rule == rule && r.unnamed) || c.taken * 5 >= c.filled * 4)
        };
        let mut groups = Vec::new();
        for (ticket, tally) in self.tallies.into_iter().enumerate() {
            let Some(rule) = rules.get(tally.rule) else { continue };
            if (tally.distinct.len() as u64) < rule.at_least || !is_of_kind(tally.anchor, tally.rule) {
                continue;
            }
            let names: Vec<String> = tally.names.iter().map(|n| name(*n)).collect();
            let noun = match (rule.groups.len(), tally.records) {
                (1, 1) => "value",
                (1, _) => "values",
                (_, 1) => "record",
                _ => "records",
            };
            groups.push(Group {
                rule: rule.index,
                ticket,
                confidence: rule.confidence,
                count: tally.records,
                text: super::shortened(format!("{} {noun} of {}", tally.records, names.join(", "))),
                values: tally.all.finish(),
            });
        }
        groups
    }
}
