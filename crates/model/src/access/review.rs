//! Access reviews: which access there is, who looks at it, what they say of it, and how it can be told that they looked
//! (PCI DSS v4.0.1 7.2.4, 8.2.6; NIST 800-53r5 AC-2, AC-6(7); SOX access reviews).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Field;
use crate::event::{Predicate, predicates};
use crate::{Digest, PersonId, ReviewId, Timestamp};

/// Days without an entry of theirs in the log after which an account is idle, until somebody chooses another number
/// (PCI DSS v4.0.1 8.2.6).
pub const IDLE_DAYS: u16 = 90;

/// Milliseconds: whoever takes less for a line, by the median of their lines, is marked as hasty.
pub const HASTY_BELOW_MS: u64 = 5_000;

/// Seconds: no review is due sooner after its opening, so that silence is somebody's silence.
pub const SHORTEST_REVIEW_SECONDS: i64 = 24 * 60 * 60;

/// What kind of access a line is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AccessKind {
    /// A role that somebody holds.
    Role,
    /// A key of somebody.
    Key,
    /// A machine that showed an identity token.
    Workload,
}

impl AccessKind {
    /// The text form.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Role => "role",
            Self::Key => "key",
            Self::Workload => "workload",
        }
    }
}

/// One piece of access that there is at a place of the log. It names nobody but by opaque ids.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccessItem {
    /// What kind.
    pub kind: AccessKind,
    /// A role's name, a key's fingerprint, or what tells a workload from others ([`workload_identity`]).
    pub what: String,
    /// Log index of the entry that gave it; of a workload, of the first of its tokens that is on record.
    pub index: u64,
    /// Who has it; none: a workload.
    pub person: Option<PersonId>,
    /// Who gave it; none: a workload, which whoever trusts its issuer let in.
    pub by: Option<PersonId>,
    /// Since when.
    pub since: Timestamp,
    /// Until when; none: until it is ended.
    pub until: Option<Timestamp>,
    /// When its holder last did anything that is in the log; of a workload, when it last showed a token.
    pub last_used: Option<Timestamp>,
    /// Nothing of that for the days after which an account is idle, and it was not given within them either.
    pub idle: bool,
    /// Its holder has left.
    pub left: bool,
}

impl AccessItem {
    /// What it is, apart from what was observed about its use.
    #[must_use]
    pub fn access(&self) -> (AccessKind, &str) {
        (self.kind, &self.what)
    }
}

/// What tells one workload from another: who vouches for it, and the names that stay from one run of it to the next. The branch
/// that a pipeline's definition was read from is none of them.
#[must_use]
pub fn workload_identity(issuer: &str, fields: &BTreeMap<Field, String>) -> String {
    let plain = |text: &str| {
        let mut out = String::with_capacity(text.len());
        for c in text.chars() {
            match c {
                '%' | '=' => out.push_str(if c == '%' { "%25" } else { "%3D" }),
                c if c.is_whitespace() || c.is_control() => out.push_str("%20"),
                c => out.push(c),
            }
        }
        out
    };
    let mut identity = plain(issuer);
    for field in [Field::Repository, Field::Pipeline, Field::Environment] {
        if let Some(value) = fields.get(&field) {
            let value = if field == Field::Pipeline { without_ref(value) } else { value };
            identity.push_str(&format!(" {field}={}", plain(value)));
        }
    }
    identity
}

/// Where a pipeline's definition stands, without the branch, tag or commit that it was read from.
fn without_ref(pipeline: &str) -> &str {
    if let Some((stands, _)) = pipeline.split_once("@refs/") {
        return stands;
    }
    match pipeline.rsplit_once('@') {
        Some((stands, commit)) if commit.len() >= 40 && commit.bytes().all(|b| b.is_ascii_hexdigit()) => stands,
        _ => pipeline,
    }
}

/// A piece of access, and who looks at it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReviewLine {
    /// Its number, from 1.
    pub line: u32,
    /// What there is.
    pub access: AccessItem,
    /// Who looks at it: never its holder, and whoever gave it only where nobody else can.
    pub reviewer: PersonId,
}

/// Who may look at a piece of access: its holder never; whoever gave it only where nobody else is left.
#[must_use]
pub fn may_look<'a>(access: &AccessItem, reviewers: &'a [PersonId]) -> Vec<&'a PersonId> {
    let others: Vec<&PersonId> = reviewers.iter().filter(|r| access.person.as_ref() != Some(*r)).collect();
    let apart: Vec<&PersonId> = others.iter().copied().filter(|r| access.by.as_ref() != Some(*r)).collect();
    if apart.is_empty() { others } else { apart }
}

/// Numbers what there is and chooses who looks at each: of those who may, whoever has the fewest so far.
///
/// # Errors
/// The first that nobody may look at.
pub fn assign(items: Vec<AccessItem>, reviewers: &[PersonId]) -> Result<Vec<ReviewLine>, Box<AccessItem>> {
    let mut load: BTreeMap<PersonId, u32> = BTreeMap::new();
    let mut lines = Vec::with_capacity(items.len());
    for (line, access) in (1..).zip(items) {
        let least =
            may_look(&access, reviewers).into_iter().min_by_key(|r| (load.get(*r).copied().unwrap_or(0), *r)).cloned();
        let Some(reviewer) = least else { return Err(Box::new(access)) };
        *load.entry(reviewer.clone()).or_default() += 1;
        lines.push(ReviewLine { line, access, reviewer });
    }
    Ok(lines)
}

/// What a reviewer says of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReviewVerdict {
    /// It stays.
    Keep,
    /// It must become another: ended and given anew before the review is closed, or it ends with it.
    Change,
    /// It ends.
    Revoke,
}

impl ReviewVerdict {
    /// The text form.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::Change => "change",
            Self::Revoke => "revoke",
        }
    }
}

impl std::str::FromStr for ReviewVerdict {
    type Err = String;
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        [Self::Keep, Self::Change, Self::Revoke]
            .into_iter()
            .find(|v| v.as_str() == s)
            .ok_or_else(|| format!("no such decision: `{s}` (keep, change or revoke)"))
    }
}

/// How a piece of access that was to go went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GoneHow {
    /// A review ended it.
    Review,
    /// Somebody revoked it.
    Revoked,
    /// Its holder left.
    Left,
    /// Its time was over.
    Expired,
}

impl GoneHow {
    /// The text form.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Review => "review",
            Self::Revoked => "revoked",
            Self::Left => "left",
            Self::Expired => "expired",
        }
    }
}

/// A line that was to go, and where the log says that it went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GoneLine {
    /// Its number.
    pub line: u32,
    /// How it went.
    pub how: GoneHow,
    /// Log index of what ended it; where its time was over, of what gave it until then.
    pub index: u64,
}

/// A decision over one line or several at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decided {
    /// Log index of the act: lines of one act were decided at once.
    pub index: u64,
    /// Who decided.
    pub by: PersonId,
    /// What.
    pub verdict: ReviewVerdict,
    /// When the line was last shown to them before; none: never.
    pub shown: Option<Timestamp>,
    /// When it was decided.
    pub time: Timestamp,
}

/// What one reviewer did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReviewerFigures {
    /// Who.
    pub reviewer: PersonId,
    /// Lines that they were to look at.
    pub lines: u32,
    /// Lines that they decided.
    pub decided: u32,
    /// Of those, kept.
    pub kept: u32,
    /// Of those, decided together with others in one act.
    pub bulk: u32,
    /// Of those, decided without having been shown.
    pub unseen: u32,
    /// The median of the time that they took for a line that they were shown, in milliseconds: from when it was shown, or from
    /// their decision before, to the decision, shared by its lines.
    pub median_ms: Option<u64>,
    /// The least of it.
    pub least_ms: Option<u64>,
    /// They kept everything that they decided.
    pub kept_all: bool,
    /// The median is below [`HASTY_BELOW_MS`], or something was decided without having been shown.
    pub hasty: bool,
}

/// What tells looking from nodding.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReviewFigures {
    /// Lines.
    pub lines: u32,
    /// Kept.
    pub kept: u32,
    /// To be changed.
    pub changed: u32,
    /// To be revoked.
    pub revoked: u32,
    /// Decided by nobody.
    pub silent: u32,
    /// The time for a line below which a reviewer is marked as hasty, in milliseconds.
    pub hasty_below_ms: u64,
    /// Everybody who was to look or decided, by id.
    pub reviewers: Vec<ReviewerFigures>,
}

impl ReviewFigures {
    /// Counts, over lines with who was to look at each and what was decided.
    #[must_use]
    pub fn of<'a>(lines: impl IntoIterator<Item = (&'a PersonId, Option<&'a Decided>)>) -> Self {
        let mut f = Self { hasty_below_ms: HASTY_BELOW_MS, ..Self::default() };
        let mut acts: BTreeMap<u64, Vec<&Decided>> = BTreeMap::new();
        let mut who: BTreeMap<&PersonId, (ReviewerFigures, Vec<u64>)> = BTreeMap::new();
        for (reviewer, decided) in lines {
            f.lines = f.lines.saturating_add(1);
            let one = &mut who.entry(reviewer).or_insert_with(|| (ReviewerFigures::of(reviewer), Vec::new())).0;
            one.lines = one.lines.saturating_add(1);
            match decided {
                None => f.silent = f.silent.saturating_add(1),
                Some(d) => acts.entry(d.index).or_default().push(d),
            }
        }
        let mut before = BTreeMap::<&PersonId, Timestamp>::new();
        for act in acts.values() {
            let count = u32::try_from(act.len()).unwrap_or(u32::MAX);
            for d in act {
                match d.verdict {
                    ReviewVerdict::Keep => f.kept = f.kept.saturating_add(1),
                    ReviewVerdict::Change => f.changed = f.changed.saturating_add(1),
                    ReviewVerdict::Revoke => f.revoked = f.revoked.saturating_add(1),
                }
                let (one, times) = who.entry(&d.by).or_insert_with(|| (ReviewerFigures::of(&d.by), Vec::new()));
                one.decided = one.decided.saturating_add(1);
                one.kept = one.kept.saturating_add(u32::from(d.verdict == ReviewVerdict::Keep));
                one.bulk = one.bulk.saturating_add(u32::from(count > 1));
                let Some(shown) = d.shown else {
                    one.unseen = one.unseen.saturating_add(1);
                    continue;
                };
                let from = before.get(&d.by).copied().map_or(shown, |b| b.max(shown));
                let took = u64::try_from(d.time.millis().saturating_sub(from.millis())).unwrap_or(0);
                times.push(took.checked_div(u64::from(count)).unwrap_or(took));
            }
            before.extend(act.iter().map(|d| (&d.by, d.time)));
        }
        f.reviewers = who
            .into_values()
            .map(|(mut one, mut times)| {
                times.sort_unstable();
                one.least_ms = times.first().copied();
                one.median_ms = times.get(times.len() / 2).copied();
                one.kept_all = one.decided > 0 && one.kept == one.decided;
                one.hasty = one.unseen > 0 || one.median_ms.is_some_and(|m| m < HASTY_BELOW_MS);
                one
            })
            .collect();
        f
    }
}

impl ReviewerFigures {
    fn of(reviewer: &PersonId) -> Self {
        Self {
            reviewer: reviewer.clone(),
            lines: 0,
            decided: 0,
            kept: 0,
            bulk: 0,
            unseen: 0,
            median_ms: None,
            least_ms: None,
            kept_all: false,
            hasty: false,
        }
    }
}

predicates! {
    /// A review of all access that there is at a place of the log.
    AccessReviewOpened: "access-review" {
        /// The ledger this is said to.
        origin: String,
        /// The review.
        review: ReviewId,
        /// The period it is for, from.
        from: Timestamp,
        /// And to.
        to: Timestamp,
        /// Until when its lines are to be decided.
        due: Timestamp,
        /// Who looks; sorted, each once.
        reviewers: Vec<PersonId>,
        /// The size of the log that the lines were read from, at the moment that this is said at.
        size: u64,
        /// Days after which an account is idle.
        idle_days: u16,
        /// All access: roles, keys and workloads, each in the order of their entries.
        lines: Vec<ReviewLine>,
        /// Digest of the canonical JSON of what the lines are about, as a list.
        population: Digest,
        /// The officer who says so.
        by: PersonId,
        /// Why.
        reason: String,
        /// When.
        time: Timestamp,
    }

    /// Lines were shown to whoever may decide them. The recorder says so.
    AccessReviewShown: "access-review-shown" {
        /// The review.
        review: ReviewId,
        /// To whom.
        person: PersonId,
        /// Which; sorted, each once.
        lines: Vec<u32>,
        /// When.
        time: Timestamp,
    }

    /// Those who have lines to decide were reminded, or could not be. The recorder says so.
    AccessReviewReminded: "access-review-reminder" {
        /// The review.
        review: ReviewId,
        /// Whose lines wait; sorted, each once.
        people: Vec<PersonId>,
        /// How many lines wait.
        waiting: u32,
        /// Digest of the message.
        message: Digest,
        /// How often it was tried.
        attempts: u32,
        /// Whether it was taken.
        delivered: bool,
        /// When.
        time: Timestamp,
    }

    /// A reviewer decides lines.
    AccessReviewDecided: "access-review-decision" {
        /// The ledger this is said to.
        origin: String,
        /// The review.
        review: ReviewId,
        /// Which lines; sorted, each once.
        lines: Vec<u32>,
        /// What.
        verdict: ReviewVerdict,
        /// Why; for what is kept it may be empty.
        reason: String,
        /// The reviewer.
        by: PersonId,
        /// When.
        time: Timestamp,
    }

    /// What the review takes away ends here: what was to be revoked, what was to be changed and was not, and what nobody decided in
    /// time.
    AccessReviewEnforced: "access-review-enforcement" {
        /// The ledger this is said to.
        origin: String,
        /// The review.
        review: ReviewId,
        /// The lines whose access ends; sorted, each once.
        lines: Vec<u32>,
        /// The officer who says so.
        by: PersonId,
        /// When.
        time: Timestamp,
    }

    /// The review is over: everything was decided or fell silent, and a second look found gone what was to go.
    AccessReviewClosed: "access-review-certification" {
        /// The ledger this is said to.
        origin: String,
        /// The review.
        review: ReviewId,
        /// Digest of what was reviewed.
        population: Digest,
        /// The size of the log that was read again for this.
        size: u64,
        /// Lines whose access was still there then; in their order.
        held: Vec<u32>,
        /// Lines that were to go, and where the log says that they went; in their order.
        gone: Vec<GoneLine>,
        /// What tells looking from nodding.
        figures: ReviewFigures,
        /// The officer who certifies it; not the only one who decided.
        by: PersonId,
        /// When.
        time: Timestamp,
    }

    /// A workload that a review ended is let in again.
    WorkloadReadmitted: "workload-readmission" {
        /// The ledger this is said to.
        origin: String,
        /// Which ([`workload_identity`]).
        workload: String,
        /// The security officer who says so.
        by: PersonId,
        /// Why.
        reason: String,
        /// When.
        time: Timestamp,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u32) -> PersonId {
        PersonId::from_text(format!("per-{n}"))
    }

    fn item(n: u64, holder: u32, giver: u32) -> AccessItem {
        AccessItem {
            kind: AccessKind::Role,
            what: "engineer".into(),
            index: n,
            person: Some(id(holder)),
            by: Some(id(giver)),
            since: Timestamp::from_millis(0),
            until: None,
            last_used: None,
            idle: false,
            left: false,
        }
    }

    #[test]
    fn nobody_looks_at_their_own_and_a_giver_only_where_nobody_else_can() {
        // Every population of three lines among three people, every set of reviewers.
        for code in 0_u32..9 * 9 * 9 {
            let pairs = [code % 9, code / 9 % 9, code / 81];
            for mask in 1_u32..8 {
                let reviewers: Vec<PersonId> = (0..3).filter(|n| mask & (1 << n) != 0).map(id).collect();
                let items: Vec<AccessItem> = (1..).zip(pairs).map(|(n, pair)| item(n, pair % 3, pair / 3)).collect();
                let hopeless = items.iter().find(|i| reviewers.iter().all(|r| i.person.as_ref() == Some(r))).cloned();
                let lines = match (assign(items, &reviewers), hopeless) {
                    (Err(found), Some(hopeless)) => {
                        assert_eq!(*found, hopeless);
                        continue;
                    }
                    (Ok(lines), None) => lines,
                    (found, hopeless) => panic!("{found:?} {hopeless:?}"),
                };
                for l in &lines {
                    let (holder, giver) = (l.access.person.as_ref().unwrap(), l.access.by.as_ref().unwrap());
                    assert!(reviewers.contains(&l.reviewer) && l.reviewer != *holder);
                    let other = reviewers.iter().any(|r| r != holder && r != giver);
                    assert!(l.reviewer != *giver || !other);
                }
            }
        }
    }

    fn decided(index: u64, by: u32, verdict: ReviewVerdict, shown: Option<i64>, time: i64) -> Decided {
        let at = Timestamp::from_millis;
        Decided { index, by: id(by), verdict, shown: shown.map(at), time: at(time) }
    }

    #[test]
    fn time_is_shared_by_the_lines_of_one_decision_and_counts_from_the_one_before() {
        let lines = [
            (id(1), Some(decided(7, 1, ReviewVerdict::Keep, Some(0), 40_000))),
            (id(1), Some(decided(8, 1, ReviewVerdict::Keep, Some(0), 44_000))),
            (id(1), Some(decided(8, 1, ReviewVerdict::Keep, Some(0), 44_000))),
            (id(2), Some(decided(9, 2, ReviewVerdict::Revoke, None, 50_000))),
            (id(2), None),
        ];
        let f = ReviewFigures::of(lines.iter().map(|(r, d)| (r, d.as_ref())));
        assert_eq!((f.lines, f.kept, f.changed, f.revoked, f.silent), (5, 3, 0, 1, 1));
        let [one, two] = f.reviewers.as_slice() else { panic!("{f:?}") };
        assert_eq!((one.lines, one.decided, one.kept, one.bulk, one.unseen), (3, 3, 3, 2, 0));
        assert_eq!((one.median_ms, one.least_ms, one.kept_all, one.hasty), (Some(2_000), Some(2_000), true, true));
        assert_eq!((two.lines, two.decided, two.kept, two.unseen), (2, 1, 0, 1));
        assert_eq!((two.median_ms, two.least_ms, two.kept_all, two.hasty), (None, None, false, true));
        // Somebody who takes their time and takes something away is marked as nothing.
        let slow = [
            (id(1), Some(decided(7, 1, ReviewVerdict::Keep, Some(0), 5_000))),
            (id(1), Some(decided(8, 1, ReviewVerdict::Change, Some(0), 30_000))),
        ];
        let f = ReviewFigures::of(slow.iter().map(|(r, d)| (r, d.as_ref())));
        assert!(!f.reviewers[0].kept_all && !f.reviewers[0].hasty);
        assert_eq!((f.reviewers[0].least_ms, f.reviewers[0].median_ms), (Some(5_000), Some(25_000)));
    }

    #[test]
    fn a_workload_is_told_apart_by_what_stays_and_no_value_runs_into_another() {
        let fields = |pipeline: &str, extra: Option<&str>| {
            let mut f = BTreeMap::from([
                (Field::Repository, "git:h/shop".to_owned()),
                (Field::Pipeline, pipeline.to_owned()),
                (Field::Commit, "c0ffee".to_owned()),
            ]);
            f.extend(extra.map(|e| (Field::Environment, e.to_owned())));
            f
        };
        let a = workload_identity("https://ci", &fields("ci.yml@refs/heads/main", Some("prod")));
        assert_eq!(a, workload_identity("https://ci", &fields("ci.yml@refs/heads/other", Some("prod"))));
        assert_eq!(a, "https://ci repository=git:h/shop pipeline=ci.yml environment=prod");
        for other in ["ci.yml@refs/heads/a@b", "ci.yml@refs/tags/v1", &format!("ci.yml@{}", "0a".repeat(20)), "ci.yml"]
        {
            assert_eq!(a, workload_identity("https://ci", &fields(other, Some("prod"))), "{other}");
        }
        assert_ne!(a, workload_identity("https://ci", &fields("ci.yml@other", Some("prod"))));
        let sly = workload_identity("https://ci", &fields("ci.yml environment=prod", None));
        assert_ne!(a, sly);
        assert_ne!(a, workload_identity("https://ci2", &fields("ci.yml", Some("prod"))));
    }
}
