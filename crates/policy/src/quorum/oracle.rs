//! The quorum against an oracle that was written from the words alone: it replays a history event by event, and finds matchings
//! by trying everything.

use std::collections::{BTreeMap, BTreeSet};

use countersign_model::access::{Duty, SlotName, SlotRule, Strength};
use countersign_model::{PersonId, Role, Slot, Timestamp};
use proptest::prelude::*;

use super::*;

const ROLES: [Role; 3] = [Role::Engineer, Role::ComplianceOfficer, Role::SecurityOfficer];
const NAMES: [&str; 4] = ["a", "b", "c", "d"];
const HOUR: i64 = 3_600_000;

fn person(n: u8) -> PersonId {
    PersonId::from_text(format!("per-{n}"))
}

/// Something that happened, an hour after the one before.
#[derive(Debug, Clone)]
enum Event {
    Approve {
        who: u8,
        slot: u8,
        hardware: bool,
        hours: Option<u8>,
    },
    Reject {
        who: u8,
    },
    Withdraw {
        who: u8,
    },
    Gain {
        who: u8,
        role: u8,
    },
    Lose {
        who: u8,
        role: u8,
    },
    /// Everything that was signed so far binds something that is not so any more.
    Change,
}

#[derive(Debug, Clone)]
struct History {
    slots: Vec<SlotRule>,
    roles: Vec<u8>,
    duties: Vec<(u8, Duty)>,
    events: Vec<Event>,
}

impl History {
    fn people(&self) -> u8 {
        u8::try_from(self.roles.len()).unwrap()
    }
}

/// A standing signature, as the oracle sees it.
#[derive(Debug, Clone, Copy)]
struct Standing {
    at: usize,
    who: u8,
    slot: usize,
    hardware: bool,
    ends: Option<i64>,
}

struct Oracle<'a> {
    history: &'a History,
    roles: Vec<u8>,
    standing: Vec<Standing>,
    rejecting: BTreeSet<u8>,
    now: i64,
}

impl<'a> Oracle<'a> {
    fn replay(history: &'a History) -> Self {
        let mut o = Self {
            history,
            roles: history.roles.clone(),
            standing: Vec::new(),
            rejecting: BTreeSet::new(),
            now: history.events.len() as i64 * HOUR,
        };
        for (at, event) in history.events.iter().enumerate() {
            match event {
                Event::Approve { who, slot, hardware, hours } => {
                    let slot = usize::from(*slot) % history.slots.len();
                    let mut ends = hours.map(|h| (at as i64 + i64::from(h)) * HOUR);
                    if let Some(h) = history.slots[slot].valid_hours {
                        let by_rule = (at as i64 + i64::from(h)) * HOUR;
                        ends = Some(ends.map_or(by_rule, |e| e.min(by_rule)));
                    }
                    o.standing.push(Standing { at, who: *who, slot, hardware: *hardware, ends });
                }
                Event::Reject { who } => {
                    o.standing.retain(|s| s.who != *who);
                    o.rejecting.insert(*who);
                }
                Event::Withdraw { who } => {
                    o.standing.retain(|s| s.who != *who);
                    o.rejecting.remove(who);
                }
                Event::Gain { who, role } => o.roles[usize::from(*who)] |= 1 << role,
                Event::Lose { who, role } => o.roles[usize::from(*who)] &= !(1 << role),
                Event::Change => o.standing.clear(),
            }
        }
        o
    }

    fn may(&self, who: u8, slot: usize) -> bool {
        let rule = &self.history.slots[slot];
        let role = ROLES
            .iter()
            .enumerate()
            .any(|(n, r)| self.roles[usize::from(who)] & (1 << n) != 0 && rule.roles.contains(r));
        let barred = self
            .history
            .duties
            .iter()
            .any(|(p, d)| *p == who && (matches!(d, Duty::Author | Duty::CoAuthor) || rule.excludes.contains(d)));
        role && !barred
    }

    /// Whether one signature counts, with what comes before it.
    fn counts(&self, s: &Standing) -> bool {
        let rule = &self.history.slots[s.slot];
        self.may(s.who, s.slot)
            && (s.hardware || rule.strength == Strength::Key)
            && s.ends.is_none_or(|e| e > self.now)
            && rule.after.iter().all(|name| {
                let before = self.ancestry(name);
                let edges: Vec<(u8, usize)> = self
                    .standing
                    .iter()
                    .filter(|o| o.at < s.at && before.contains(&o.slot) && self.counts(o))
                    .map(|o| (o.who, o.slot))
                    .collect();
                let wanted: usize = before.iter().map(|n| self.history.slots[*n].count as usize).sum();
                self.most(&edges) == wanted
            })
    }

    fn ancestry(&self, name: &SlotName) -> BTreeSet<usize> {
        let n = self.history.slots.iter().position(|s| s.slot == *name).unwrap();
        let mut all: BTreeSet<usize> =
            self.history.slots[n].after.iter().flat_map(|after| self.ancestry(after)).collect();
        all.insert(n);
        all
    }

    /// The size of the largest matching, by trying every slot, or none, for each person in turn.
    fn most(&self, edges: &[(u8, usize)]) -> usize {
        fn go(o: &Oracle<'_>, edges: &[(u8, usize)], who: u8, left: &mut Vec<u32>) -> usize {
            if who == o.history.people() {
                return 0;
            }
            let mut best = go(o, edges, who + 1, left);
            for slot in 0..left.len() {
                if left[slot] > 0 && edges.contains(&(who, slot)) {
                    left[slot] -= 1;
                    best = best.max(1 + go(o, edges, who + 1, left));
                    left[slot] += 1;
                }
            }
            best
        }
        let mut left = self.history.slots.iter().map(|s| s.count).collect();
        go(self, edges, 0, &mut left)
    }
}

type Parts = (BTreeMap<PersonId, Signer>, BTreeMap<PersonId, Vec<Held>>, Vec<Given>, Vec<Rejection>);

/// The case that the history leads to, as the program would see it.
fn case_of(h: &History) -> Parts {
    let mut roles = h.roles.clone();
    let (mut given, mut rejections) = (Vec::<Given>::new(), Vec::<Rejection>::new());
    let take_back = |given: &mut Vec<Given>, who: &PersonId, at: u64| {
        for g in given.iter_mut().filter(|g| g.person == *who && g.withdrawn.is_none()) {
            g.withdrawn = Some(at);
        }
    };
    for (at, event) in (0_u64..).zip(&h.events) {
        let time = Timestamp::from_millis(at as i64 * HOUR);
        match event {
            Event::Approve { who, slot, hardware, hours } => given.push(Given {
                index: at,
                slot: h.slots[usize::from(*slot) % h.slots.len()].slot.clone(),
                person: person(*who),
                time,
                expires: hours.map(|n| time.plus_seconds(i64::from(n) * 3600)),
                strength: if *hardware { Strength::Hardware } else { Strength::Key },
                withdrawn: None,
                differs: Vec::new(),
            }),
            Event::Reject { who } => {
                take_back(&mut given, &person(*who), at);
                rejections.push(Rejection { index: at, person: person(*who), withdrawn: None, reason: "no".into() });
            }
            Event::Withdraw { who } => {
                take_back(&mut given, &person(*who), at);
                for r in rejections.iter_mut().filter(|r| r.person == person(*who)) {
                    r.withdrawn.get_or_insert(at);
                }
            }
            Event::Gain { who, role } => roles[usize::from(*who)] |= 1 << role,
            Event::Lose { who, role } => roles[usize::from(*who)] &= !(1 << role),
            Event::Change => given.iter_mut().for_each(|g| g.differs = vec!["something".into()]),
        }
    }
    let people = (0..h.people())
        .map(|n| {
            let roles = ROLES.iter().enumerate().filter(|(r, _)| roles[usize::from(n)] & (1 << r) != 0);
            (person(n), Signer { roles: roles.map(|(_, r)| *r).collect(), strength: Strength::Hardware })
        })
        .collect();
    let mut duties: BTreeMap<PersonId, Vec<Held>> = BTreeMap::new();
    for (n, duty) in &h.duties {
        duties.entry(person(*n)).or_default().push(Held { duty: *duty, by: "commit c".into() });
    }
    (people, duties, given, rejections)
}

fn slot_rules() -> impl Strategy<Value = Vec<SlotRule>> {
    let one =
        (1_u8..8, 1_u32..3, 0_u8..16, 0_u8..4, prop::option::weighted(0.3, 2_u32..12), any::<bool>(), any::<bool>());
    prop::collection::vec(one, 1..=4).prop_map(|all| {
        let rule = |(n, (roles, count, after, excludes, hours, hardware, ordered)): (
            usize,
            (u8, u32, u8, u8, _, bool, bool),
        )| {
            let pick = |bits: u8, of: usize| (0..of).filter(move |b| bits & (1 << b) != 0);
            let barring = [Duty::PipelineEditor, Duty::PolicyEditor];
            SlotRule {
                slot: NAMES[n].parse().unwrap(),
                roles: pick(roles, 3).map(|r| ROLES[r]).collect(),
                count,
                excludes: pick(excludes, 2).map(|d| barring[d]).collect(),
                // Only earlier ones, so that nothing comes after itself.
                after: pick(if ordered { after } else { 0 }, n).map(|a| NAMES[a].parse().unwrap()).collect(),
                valid_hours: hours,
                strength: if hardware && n % 2 == 1 { Strength::Hardware } else { Strength::Key },
            }
        };
        all.into_iter().enumerate().map(rule).collect()
    })
}

fn histories() -> impl Strategy<Value = History> {
    let people = 6_u8;
    let event = prop_oneof![
        12 => (0..people, 0_u8..4, any::<bool>(), prop::option::weighted(0.2, 1_u8..20))
            .prop_map(|(who, slot, hardware, hours)| Event::Approve { who, slot, hardware, hours }),
        1 => (0..people).prop_map(|who| Event::Reject { who }),
        2 => (0..people).prop_map(|who| Event::Withdraw { who }),
        2 => (0..people, 0_u8..3).prop_map(|(who, role)| Event::Gain { who, role }),
        1 => (0..people, 0_u8..3).prop_map(|(who, role)| Event::Lose { who, role }),
        1 => Just(Event::Change),
    ];
    let duty = prop_oneof![
        Just(Duty::Author),
        Just(Duty::CoAuthor),
        Just(Duty::PipelineEditor),
        Just(Duty::PolicyEditor),
        Just(Duty::Pusher)
    ];
    (
        slot_rules(),
        prop::collection::vec(1_u8..8, usize::from(people)),
        prop::collection::vec((0..people, duty), 0..3),
        prop::collection::vec(event, 0..24),
    )
        .prop_map(|(slots, roles, duties, events)| History { slots, roles, duties, events })
}

fn compare(h: &History) -> Result<(), TestCaseError> {
    let (people, duties, given, rejections) = case_of(h);
    let now = Timestamp::from_millis(h.events.len() as i64 * HOUR);
    let case = Case { slots: &h.slots, people: &people, duties: &duties, given: &given, rejections: &rejections, now };
    let found = quorum(&case);
    let oracle = Oracle::replay(h);
    let counting: Vec<Standing> = oracle.standing.iter().filter(|s| oracle.counts(s)).copied().collect();
    let edges: Vec<(u8, usize)> = counting.iter().map(|s| (s.who, s.slot)).collect();
    let most = oracle.most(&edges);
    let filled: usize = found.slots.iter().map(|s| s.filled.len()).sum();
    prop_assert_eq!(filled, most, "as many seats are filled as can be");
    let wanted: usize = h.slots.iter().map(|s| s.count as usize).sum();
    prop_assert_eq!(found.is_met(), most == wanted && oracle.rejecting.is_empty());
    // Nobody twice, and each by a signature of theirs that counts.
    let mut seated = BTreeSet::new();
    for (n, slot) in found.slots.iter().enumerate() {
        prop_assert!(slot.filled.len() <= h.slots[n].count as usize);
        for f in &slot.filled {
            prop_assert!(seated.insert(f.person.clone()), "nobody fills two seats");
            let s = counting.iter().find(|s| s.at as u64 == f.index).unwrap();
            prop_assert!(person(s.who) == *f.person && s.slot == n);
            let first = counting.iter().filter(|o| o.who == s.who && o.slot == n).map(|o| o.at).min();
            prop_assert_eq!(first, Some(s.at), "the first of their signatures for it");
        }
        // Everything that was signed for it is accounted for.
        let all = given.iter().filter(|g| g.slot == h.slots[n].slot).count();
        prop_assert_eq!(slot.filled.len() + slot.idle.len(), all);
        for (g, why) in &slot.idle {
            let counts = counting.iter().any(|s| s.at as u64 == g.index);
            prop_assert_eq!(counts, matches!(why, Why::NeededIn(_) | Why::NotNeeded), "{:?}", why);
        }
        // Who could sign are those whose signature would fill one seat more.
        for who in 0..h.people() {
            let helps = oracle.may(who, n) && !edges.contains(&(who, n)) && {
                let mut more = edges.clone();
                more.push((who, n));
                oracle.most(&more) > most
            };
            prop_assert_eq!(slot.could_sign.contains(&&person(who)), helps, "{} for {}", who, n);
        }
    }
    // Whoever signed first is preferred: nobody can be left out in favour of somebody who signed later.
    let mut order: Vec<(usize, u8)> = Vec::new();
    for s in &counting {
        if !order.iter().any(|(_, who)| *who == s.who) {
            order.push((s.at, s.who));
        }
    }
    let mut kept: Vec<u8> = Vec::new();
    for (_, who) in order {
        let with: Vec<u8> = kept.iter().copied().chain([who]).collect();
        let theirs: Vec<(u8, usize)> = edges.iter().copied().filter(|(w, _)| with.contains(w)).collect();
        if oracle.most(&theirs) == with.len() {
            kept = with;
        }
    }
    let kept: BTreeSet<PersonId> = kept.into_iter().map(person).collect();
    prop_assert_eq!(seated, kept);
    // The order of what it is given means nothing.
    let reversed: Vec<Given> = given.iter().rev().cloned().collect();
    let other = quorum(&Case { given: &reversed, ..case });
    for (a, b) in found.slots.iter().zip(&other.slots) {
        prop_assert_eq!(&a.filled, &b.filled);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10_000, ..ProptestConfig::default() })]
    #[test]
    fn ten_thousand_histories_come_out_as_the_oracle_says(history in histories()) {
        compare(&history)?;
    }
}

fn given(index: u64, who: u8, slot: Slot) -> Given {
    Given {
        index,
        slot: slot.into(),
        person: person(who),
        time: Timestamp::from_millis(0),
        expires: None,
        strength: Strength::Key,
        withdrawn: None,
        differs: Vec::new(),
    }
}

fn firm(roles: &[&[Role]]) -> BTreeMap<PersonId, Signer> {
    (0..)
        .zip(roles)
        .map(|(n, roles)| (person(n), Signer { roles: roles.iter().copied().collect(), strength: Strength::Key }))
        .collect()
}

/// <https://gitlab.com/gitlab-org/gitlab/-/issues/425759>: two people belong to two groups that must each approve. Both of their
/// approvals are counted for the one rule, the other stays open, and neither can approve again. Here the second signature of
/// either frees the seat that the other one can fill.
#[test]
fn gitlab_425759_two_people_in_two_groups_are_not_both_counted_for_one() {
    let both = [Role::Engineer, Role::ComplianceOfficer];
    let people = firm(&[&both, &both]);
    let slots = [SlotRule::standard(Slot::Technical), SlotRule::standard(Slot::Regulatory)];
    let duties = BTreeMap::new();
    let all = vec![given(10, 0, Slot::Technical), given(11, 1, Slot::Technical)];
    let now = Timestamp::from_millis(0);
    let stuck = Case { slots: &slots, people: &people, duties: &duties, given: &all, rejections: &[], now };
    let found = quorum(&stuck);
    assert!(!found.is_met());
    assert_eq!(found.slots[0].idle, [(&all[1], Why::NotNeeded)]);
    assert_eq!(found.slots[1].could_sign, [&person(0), &person(1)], "either of them still helps");
    for who in 0..2 {
        let mut more = all.clone();
        more.push(given(12, who, Slot::Regulatory));
        let found = quorum(&Case { given: &more, ..stuck });
        assert!(found.is_met(), "{found:?}");
        assert_eq!(found.slots[1].filled[0].person, &person(who));
        assert_eq!(found.slots[0].filled[0].person, &person(1 - who));
    }
    // One person alone never fills both.
    let alone = [given(10, 0, Slot::Technical), given(11, 0, Slot::Regulatory)];
    let found = quorum(&Case { given: &alone, ..stuck });
    assert_eq!(found.slots.iter().map(|s| s.filled.len()).sum::<usize>(), 1);
    let other = &found.slots[1];
    assert_eq!(other.idle, [(&alone[1], Why::NeededIn(Slot::Technical.into()))]);
}

#[test]
fn why_a_signature_does_not_count_is_said() {
    let people = firm(&[&[Role::Engineer], &[Role::ComplianceOfficer], &[Role::Engineer], &[]]);
    let mut technical = SlotRule::standard(Slot::Technical);
    technical.valid_hours = Some(1);
    let mut regulatory = SlotRule::standard(Slot::Regulatory);
    (regulatory.after, regulatory.strength) = ([technical.slot.clone()].into(), Strength::Hardware);
    let slots = [technical, regulatory];
    let author = Held { duty: Duty::Author, by: "commit 1234".into() };
    let duties: BTreeMap<_, _> = [(person(0), vec![author.clone()])].into();
    let all = [
        given(1, 0, Slot::Technical),
        given(2, 2, Slot::Technical),
        given(3, 3, Slot::Technical),
        given(4, 1, Slot::Regulatory),
        Given { strength: Strength::Hardware, ..given(5, 1, Slot::Regulatory) },
        Given { withdrawn: Some(9), ..given(6, 2, Slot::Technical) },
        Given { differs: vec!["x".into()], time: Timestamp::from_millis(HOUR), ..given(7, 2, Slot::Technical) },
        Given { slot: "other".parse().unwrap(), ..given(8, 2, Slot::Technical) },
    ];
    let now = Timestamp::from_millis(HOUR);
    let no = Rejection { index: 20, person: person(1), withdrawn: None, reason: "too soon".into() };
    let rejections = [no];
    let case = Case { slots: &slots, people: &people, duties: &duties, given: &all, rejections: &rejections, now };
    let found = quorum(&case);
    let why = |slot: usize| found.slots[slot].idle.iter().map(|(g, w)| (g.index, w.clone())).collect::<Vec<_>>();
    assert_eq!(
        why(0),
        [
            (1, Why::Expired(now)),
            (2, Why::Expired(now)),
            (3, Why::Expired(now)),
            (6, Why::Withdrawn(9)),
            (7, Why::Differs(vec!["x".into()])),
        ]
    );
    assert_eq!(why(1), [(4, Why::Weak(Strength::Hardware)), (5, Why::Early(Slot::Technical.into()))]);
    assert_eq!(found.slots[1].waits_for, [&SlotName::from(Slot::Technical)]);
    assert_eq!(found.stray.len(), 1);
    assert_eq!(found.rejected.len(), 1);
    let earlier = quorum(&Case { now: Timestamp::from_millis(0), rejections: &[], ..case });
    let why: Vec<_> = earlier.slots[0].idle.iter().map(|(g, w)| (g.index, w.clone())).collect();
    assert_eq!(why[0], (1, Why::Barred(author)));
    assert_eq!(why[1], (3, Why::NoRole));
    assert!(earlier.is_met());
}

#[test]
fn slots_that_nobody_can_fill_are_named_with_who_is_missing() {
    let both = [Role::Engineer, Role::ComplianceOfficer];
    let slots = [SlotRule::standard(Slot::Technical), SlotRule::standard(Slot::Regulatory)];
    let mut third = SlotRule::standard(Slot::Technical);
    (third.slot, third.roles) = ("security".parse().unwrap(), [Role::SecurityOfficer].into());
    let three = [slots[0].clone(), slots[1].clone(), third];
    assert_eq!(fillable(&slots, &firm(&[&both, &both])), Ok(()));
    let alone = fillable(&slots, &firm(&[&both, &[Role::Auditor]])).unwrap_err();
    assert_eq!((alone.slots.len(), alone.missing, &alone.people), (2, 1, &vec![person(0)]));
    let nobody = fillable(&three, &firm(&[&both, &both])).unwrap_err();
    assert_eq!(nobody.slots, [("security".parse().unwrap(), 1)], "the other slots are no part of it");
    assert_eq!(nobody.wanted, [(Role::SecurityOfficer, Strength::Key)].into());
    let mut hard = slots;
    hard[0].strength = Strength::Hardware;
    let weak = fillable(&hard, &firm(&[&both, &both])).unwrap_err();
    assert_eq!((weak.people.len(), weak.missing), (0, 1), "a key in a file is not enough");
    let mut many = SlotRule::standard(Slot::Technical);
    many.count = 3;
    let few = fillable(&[many], &firm(&[&both, &both])).unwrap_err();
    assert_eq!((few.people.len(), few.missing), (2, 1));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]
    #[test]
    fn the_violator_is_one_and_there_is_one_exactly_where_no_set_of_people_fits(history in histories()) {
        let (people, ..) = case_of(&history);
        let free = History { duties: Vec::new(), ..history.clone() };
        let oracle = Oracle::replay(&free);
        let edges: Vec<(u8, usize)> = (0..history.people())
            .flat_map(|p| (0..history.slots.len()).map(move |s| (p, s)))
            .filter(|(p, s)| {
                let roles = &people[&person(*p)].roles;
                history.slots[*s].roles.iter().any(|r| roles.contains(r))
            })
            .collect();
        let wanted: usize = history.slots.iter().map(|s| s.count as usize).sum();
        match fillable(&history.slots, &people) {
            Ok(()) => prop_assert_eq!(oracle.most(&edges), wanted),
            Err(v) => {
                prop_assert!(oracle.most(&edges) < wanted);
                let seats: usize = v.slots.iter().map(|(_, n)| *n as usize).sum();
                prop_assert_eq!(v.people.len() + v.missing, seats);
                let named: Vec<usize> =
                    v.slots.iter().map(|(s, _)| history.slots.iter().position(|r| r.slot == *s).unwrap()).collect();
                let reach: BTreeSet<PersonId> =
                    edges.iter().filter(|(_, s)| named.contains(s)).map(|(p, _)| person(*p)).collect();
                prop_assert_eq!(v.people.into_iter().collect::<BTreeSet<_>>(), reach);
            }
        }
    }
}
