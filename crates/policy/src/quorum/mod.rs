//! Quorum: which signatures fill which slots, by a maximum matching of distinct people to slots under exclusions, and why.
//!
//! Control objective: what is released was approved by as many different people as the rules ask for, none of whom has a duty
//! in it that keeps them from that. Regulatory mapping: PCI DSS v4.0.1 6.2.3.1, 6.5.4; NIST 800-53r5 AC-5; RTS (EU) 2024/1774
//! Art. 17(1)(b).
//!
//! A pure function. Its result does not depend on the order of what it is given: signatures have log indices, and whoever signed
//! first is preferred. A signature counts when all of this holds, and [`Why`] says which does not:
//!
//! 1. it was not taken back, has not expired, and binds what holds now;
//! 2. whoever gave it holds a role of the slot now, and no duty that keeps them from it;
//! 3. it is as strong as the slot asks for;
//! 4. every slot that comes before was filled by signatures that count and were given before it.
//!
//! The slots are filled when the signatures that count fill every seat with another person.

mod fillable;
mod matching;
#[cfg(test)]
mod oracle;

use std::collections::{BTreeMap, BTreeSet};

use countersign_model::access::{Duty, SlotName, SlotRule, Strength};
use countersign_model::{PersonId, Role, Timestamp};

pub use fillable::{Unfillable, deployer_seat, fillable};
use matching::{Matching, bits};

/// Somebody enrolled.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Signer {
    /// Their roles.
    pub roles: BTreeSet<Role>,
    /// The strongest key they have.
    pub strength: Strength,
}

/// A duty that somebody has in a run, and what it is known by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Held {
    /// The duty.
    pub duty: Duty,
    /// A commit, or an entry of the log: `commit 2e5040ce02d8`, `entry 12`.
    pub by: String,
}

/// A signature for a slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    /// Log index.
    pub index: u64,
    /// The slot it was given for.
    pub slot: SlotName,
    /// Who.
    pub person: PersonId,
    /// When.
    pub time: Timestamp,
    /// When it is over, as it says itself.
    pub expires: Option<Timestamp>,
    /// How strong it is.
    pub strength: Strength,
    /// Log index of what took it back.
    pub withdrawn: Option<u64>,
    /// What it binds and is not so any more, each in a sentence.
    pub differs: Vec<String>,
}

/// A no that somebody signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// Log index.
    pub index: u64,
    /// Who.
    pub person: PersonId,
    /// Log index of what took it back.
    pub withdrawn: Option<u64>,
    /// Why.
    pub reason: String,
}

/// Everything that a quorum is computed from.
#[derive(Debug, Clone, Copy)]
pub struct Case<'a> {
    /// The slots, with names of their own.
    pub slots: &'a [SlotRule],
    /// Everybody enrolled.
    pub people: &'a BTreeMap<PersonId, Signer>,
    /// Their duties in the run.
    pub duties: &'a BTreeMap<PersonId, Vec<Held>>,
    /// Every signature.
    pub given: &'a [Given],
    /// Every rejection of what is to be approved. Who gave one could have approved then.
    pub rejections: &'a [Rejection],
    /// Now.
    pub now: Timestamp,
}

/// Why a signature fills nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// It was taken back, in this entry.
    Withdrawn(u64),
    /// It is over since.
    Expired(Timestamp),
    /// It binds something that is not so any more.
    Differs(Vec<String>),
    /// Nobody has to sign such a slot.
    NoSlot,
    /// Whoever gave it is not enrolled, or holds no role of the slot.
    NoRole,
    /// Whoever gave it has a duty that keeps them from it.
    Barred(Held),
    /// It is not as strong as this.
    Weak(Strength),
    /// It was given before this slot was filled.
    Early(SlotName),
    /// It would count, and the person is needed in this slot.
    NeededIn(SlotName),
    /// It would count, and others signed first.
    NotNeeded,
}

impl Why {
    /// A short stable name.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Withdrawn(_) => "withdrawn",
            Self::Expired(_) => "expired",
            Self::Differs(_) => "changed",
            Self::NoSlot => "no-slot",
            Self::NoRole => "no-role",
            Self::Barred(_) => "barred",
            Self::Weak(_) => "weak",
            Self::Early(_) => "early",
            Self::NeededIn(_) => "needed-elsewhere",
            Self::NotNeeded => "not-needed",
        }
    }

    /// One sentence.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::Withdrawn(entry) => format!("it was taken back in entry {entry}"),
            Self::Expired(end) => format!("it expired at {end}"),
            Self::Differs(what) => what.join("; "),
            Self::NoSlot => "nobody has to sign such a slot".to_owned(),
            Self::NoRole => "whoever gave it does not hold the role any more".to_owned(),
            Self::Barred(held) => format!("whoever gave it is {} ({})", held.duty, held.by),
            Self::Weak(strength) => format!("the slot asks for a {strength} key"),
            Self::Early(slot) => format!("it was given before the {slot} approval stood"),
            Self::NeededIn(slot) => format!("the same person is needed for the {slot} approval"),
            Self::NotNeeded => "others signed first".to_owned(),
        }
    }
}

/// A signature that fills a seat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Filled<'a> {
    /// Who.
    pub person: &'a PersonId,
    /// Log index of the signature.
    pub index: u64,
    /// When it is over; none: when something that it binds changes.
    pub until: Option<Timestamp>,
}

/// A slot, and how it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotState<'a> {
    /// What it asks for.
    pub rule: &'a SlotRule,
    /// Who fills it, at most as many as it asks for.
    pub filled: Vec<Filled<'a>>,
    /// Whose signature for it would help; empty where it is filled.
    pub could_sign: Vec<&'a PersonId>,
    /// Who holds a role of it and may not, and why.
    pub excluded: Vec<(&'a PersonId, &'a Held)>,
    /// Signatures for it that fill nothing, and why.
    pub idle: Vec<(&'a Given, Why)>,
    /// Slots that must be filled before.
    pub waits_for: Vec<&'a SlotName>,
}

impl SlotState<'_> {
    /// How many more people have to sign.
    #[must_use]
    pub fn missing(&self) -> u32 {
        self.rule.count.saturating_sub(u32::try_from(self.filled.len()).unwrap_or(u32::MAX))
    }
}

/// How the slots stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quorum<'a> {
    /// The slots, in their order.
    pub slots: Vec<SlotState<'a>>,
    /// Signatures for slots that nobody has to sign.
    pub stray: Vec<&'a Given>,
    /// Rejections that stand: nothing is approved before whoever gave one takes it back.
    pub rejected: Vec<&'a Rejection>,
}

impl Quorum<'_> {
    /// Whether every slot is filled, and nobody says no.
    #[must_use]
    pub fn is_met(&self) -> bool {
        self.rejected.is_empty() && self.slots.iter().all(|s| s.missing() == 0)
    }
}

/// The duty that keeps somebody from a slot, if one does.
fn barred<'a>(rule: &SlotRule, held: &'a [Held]) -> Option<&'a Held> {
    held.iter().filter(|h| rule.is_barred_by(h.duty)).min()
}

/// When a signature is over: as it says itself, or as its slot says, whichever comes first.
fn until(rule: &SlotRule, given: &Given) -> Option<Timestamp> {
    let by_rule = rule.valid_hours.map(|hours| given.time.plus_seconds(i64::from(hours) * 3600));
    match (given.expires, by_rule) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

/// Why a signature cannot count, order apart.
fn objection(case: &Case<'_>, rule: &SlotRule, given: &Given, held: &[Held]) -> Option<Why> {
    if let Some(entry) = given.withdrawn {
        return Some(Why::Withdrawn(entry));
    }
    if let Some(end) = until(rule, given).filter(|end| *end <= case.now) {
        return Some(Why::Expired(end));
    }
    if !given.differs.is_empty() {
        return Some(Why::Differs(given.differs.clone()));
    }
    let roles = case.people.get(&given.person).map(|s| &s.roles);
    if !roles.is_some_and(|roles| rule.roles.iter().any(|r| roles.contains(r))) {
        return Some(Why::NoRole);
    }
    if let Some(held) = barred(rule, held) {
        return Some(Why::Barred(held.clone()));
    }
    (given.strength < rule.strength).then_some(Why::Weak(rule.strength))
}

/// Slots so that each comes after those it waits for. Those that wait for each other, which no document may say, come last.
fn in_order(slots: &[SlotRule]) -> Vec<usize> {
    let mut order = Vec::with_capacity(slots.len());
    let mut left: BTreeSet<usize> = (0..slots.len()).collect();
    while !left.is_empty() {
        let waits = |s: &usize| {
            let after = slots.get(*s).map(|r| &r.after);
            left.iter().any(|o| slots.get(*o).zip(after).is_some_and(|(o, after)| after.contains(&o.slot)))
        };
        let mut free: Vec<usize> = left.iter().copied().filter(|s| !waits(s)).collect();
        if free.is_empty() {
            free = left.iter().copied().collect();
        }
        left.retain(|s| !free.contains(s));
        order.extend(free);
    }
    order
}

/// Signatures that count, by people in the order of their first one.
struct Table<'a> {
    people: Vec<&'a PersonId>,
    /// The first signature of each person for each slot, and the seats that all of them allow.
    first: Vec<Vec<Option<&'a Given>>>,
    may: Vec<u64>,
}

impl<'a> Table<'a> {
    /// Of what counts with an index up to `to`, for the slots of `only` (bits).
    fn of(counting: &[Vec<&'a Given>], seats: &[u64], only: u64, to: u64) -> Self {
        let mut all: Vec<(usize, &'a Given)> = Vec::new();
        for slot in bits(only) {
            let given = counting.get(slot).map(Vec::as_slice).unwrap_or_default();
            all.extend(given.iter().filter(|g| g.index <= to).map(|g| (slot, *g)));
        }
        all.sort_unstable_by_key(|(slot, g)| (g.index, *slot));
        let mut number: BTreeMap<&'a PersonId, usize> = BTreeMap::new();
        let mut table = Self { people: Vec::new(), first: Vec::new(), may: Vec::new() };
        for (slot, given) in all {
            let next = table.people.len();
            let person = *number.entry(&given.person).or_insert(next);
            if person == next {
                table.people.push(&given.person);
                table.first.push(vec![None; seats.len()]);
                table.may.push(0);
            }
            if let Some(first) = table.first.get_mut(person).and_then(|f| f.get_mut(slot)) {
                first.get_or_insert(given);
            }
            if let (Some(may), Some(seats)) = (table.may.get_mut(person), seats.get(slot)) {
                *may |= seats;
            }
        }
        table
    }
}

/// The lowest index with which the signatures that count fill all of these slots; none: they do not.
fn opened_at(counting: &[Vec<&Given>], seats: &[u64], only: u64) -> Option<u64> {
    let wanted = bits(only).filter_map(|s| seats.get(s)).fold(0, |all, s| all | s);
    let full = |to: u64| Matching::of(&Table::of(counting, seats, only, to).may, wanted).is_full();
    let mut indices: Vec<u64> = bits(only).filter_map(|s| counting.get(s)).flatten().map(|g| g.index).collect();
    indices.sort_unstable();
    indices.dedup();
    if indices.is_empty() {
        return (wanted == 0).then_some(0);
    }
    if !full(u64::MAX) {
        return None;
    }
    // More signatures never fill less, so the place where it becomes full is found by halves.
    let place = indices.partition_point(|index| !full(*index));
    indices.get(place).copied()
}

/// How the slots stand.
#[must_use]
pub fn quorum<'a>(case: &Case<'a>) -> Quorum<'a> {
    let slots = case.slots;
    // Seats of each slot as bits; what does not fit into a word no document may ask for, and is never filled.
    let mut next = 0_u32;
    let seats: Vec<u64> = slots
        .iter()
        .map(|rule| {
            let fits = rule.count.min(64_u32.saturating_sub(next));
            let word = (0..fits).fold(0_u64, |word, n| word | (1 << (next + n)));
            next += fits;
            word
        })
        .collect();
    let by_name: BTreeMap<&SlotName, usize> = slots.iter().enumerate().map(|(n, s)| (&s.slot, n)).collect();
    let held = |person: &PersonId| case.duties.get(person).map(Vec::as_slice).unwrap_or_default();
    let mut sorted: Vec<&'a Given> = case.given.iter().collect();
    sorted.sort_by_key(|g| g.index);
    let mut counting: Vec<Vec<&'a Given>> = vec![Vec::new(); slots.len()];
    let mut idle: Vec<Vec<(&'a Given, Why)>> = vec![Vec::new(); slots.len()];
    let mut stray = Vec::new();
    for given in sorted {
        let Some(slot) = by_name.get(&given.slot).copied() else {
            stray.push(given);
            continue;
        };
        let Some(rule) = slots.get(slot) else { continue };
        match objection(case, rule, given, held(&given.person)) {
            None => counting.get_mut(slot).into_iter().for_each(|c| c.push(given)),
            Some(why) => idle.get_mut(slot).into_iter().for_each(|i| i.push((given, why.clone()))),
        }
    }
    // Whatever a slot waits for, at first and second hand, must have been filled before each of its signatures.
    let mut before: Vec<u64> = vec![0; slots.len()];
    let mut waiting: Vec<Vec<&'a SlotName>> = vec![Vec::new(); slots.len()];
    for slot in in_order(slots) {
        let Some(rule) = slots.get(slot) else { continue };
        let mut ancestors = 0;
        for name in &rule.after {
            // A slot that nobody has to sign cannot be waited for: a document that says so is not put in effect.
            let Some(other) = by_name.get(name).copied().filter(|other| *other != slot) else { continue };
            let theirs = before.get(other).copied().unwrap_or(0) | (1 << other);
            ancestors |= theirs;
            match opened_at(&counting, &seats, theirs) {
                None => {
                    waiting.get_mut(slot).into_iter().for_each(|w| w.push(name));
                    retire(&mut counting, &mut idle, slot, name, u64::MAX);
                }
                Some(opened) => retire(&mut counting, &mut idle, slot, name, opened),
            }
        }
        if let Some(before) = before.get_mut(slot) {
            *before = ancestors;
        }
    }
    let all = (0..slots.len()).fold(0_u64, |all, n| all | (1 << n));
    let table = Table::of(&counting, &seats, all, u64::MAX);
    let wanted = seats.iter().fold(0, |all, s| all | s);
    let matching = Matching::of(&table.may, wanted);
    let had = matching.to_be_had(&table.may);
    let spared = matching.to_be_spared(&table.may);
    let number: BTreeMap<&PersonId, usize> = table.people.iter().enumerate().map(|(n, p)| (*p, n)).collect();
    // Looked up once a person, not once a slot.
    let roster: Vec<_> = case.people.iter().map(|(p, signer)| (p, signer, held(p), number.get(p).copied())).collect();
    let states = slots.iter().enumerate().map(|(n, rule)| {
        let own = seats.get(n).copied().unwrap_or(0);
        let signed = |person: usize| table.first.get(person).and_then(|f| f.get(n)).copied().flatten();
        let mut filled: Vec<Filled<'a>> = bits(own)
            .filter_map(|seat| signed(matching.holder(seat)?))
            .map(|g| Filled { person: &g.person, index: g.index, until: until(rule, g) })
            .collect();
        filled.sort_by_key(|f| f.index);
        let mut idle = idle.get_mut(n).map(std::mem::take).unwrap_or_default();
        for given in counting.get(n).into_iter().flatten() {
            if filled.iter().any(|f| f.index == given.index) {
                continue;
            }
            let seat = number.get(&given.person).and_then(|p| matching.seat_of(*p));
            let elsewhere = seat.and_then(|seat| seats.iter().position(|s| s & (1 << seat) != 0)).filter(|s| *s != n);
            let why = elsewhere.and_then(|s| slots.get(s)).map_or(Why::NotNeeded, |s| Why::NeededIn(s.slot.clone()));
            idle.push((*given, why));
        }
        idle.sort_by_key(|(g, _)| g.index);
        let (mut could_sign, mut excluded) = (Vec::new(), Vec::new());
        let open = own & had != 0 || (filled.len() as u64) < u64::from(rule.count);
        for (person, signer, held, number) in &roster {
            let person = *person;
            if !rule.roles.iter().any(|r| signer.roles.contains(r)) {
                continue;
            }
            if let Some(held) = barred(rule, held) {
                excluded.push((person, held));
            } else if open && own & had != 0 && signer.strength >= rule.strength {
                let helps = match number {
                    None => true,
                    Some(p) if signed(*p).is_some() => false,
                    Some(p) => matching.seat_of(*p).is_none_or(|seat| spared & (1 << seat) != 0),
                };
                if helps {
                    could_sign.push(person);
                }
            }
        }
        let waits_for = waiting.get_mut(n).map(std::mem::take).unwrap_or_default();
        SlotState { rule, filled, could_sign, excluded, idle, waits_for }
    });
    let mut rejected: Vec<&'a Rejection> = case.rejections.iter().filter(|r| r.withdrawn.is_none()).collect();
    rejected.sort_by_key(|r| r.index);
    Quorum { slots: states.collect(), stray, rejected }
}

/// Signatures for `slot` with an index of `opened` or less do not count: `name` was not filled when they were given.
fn retire<'a>(
    counting: &mut [Vec<&'a Given>],
    idle: &mut [Vec<(&'a Given, Why)>],
    slot: usize,
    name: &SlotName,
    opened: u64,
) {
    let (Some(counting), Some(idle)) = (counting.get_mut(slot), idle.get_mut(slot)) else { return };
    counting.retain(|given| {
        let counts = given.index > opened;
        if !counts {
            idle.push((*given, Why::Early(name.clone())));
        }
        counts
    });
}
