//! What is asked of the index. A list and all numbers beside it come from one pass over the buckets.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use countersign_model::{Confidence, Digest, RunId, Severity, Timestamp, TreePath};
use rusqlite::{OptionalExtension as _, Row};

use super::update::{identity, set_of};
use super::{Index, Periods, SEVERITIES, Standing, risk};
use crate::Error;
use crate::projection::Within;

/// Which findings a list shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asked {
    /// Those that stand so.
    pub stands: Option<Standing>,
    /// Of this severity.
    pub severity: Option<Severity>,
    /// Of this repository, by its identity.
    pub repository: Option<String>,
    /// Of this control.
    pub control: Option<String>,
    /// Of this rule.
    pub rule: Option<String>,
    /// Open ones that are past the day by which they should have been answered.
    pub late: bool,
    /// Only what an audit is about: its repositories, and what was there in its period.
    pub within: Option<Within>,
    /// Only what comes after this one.
    pub after: Option<Cursor>,
}

/// A place in a list.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor {
    risk: u64,
    due: i64,
    print: [u8; 32],
    repository: i64,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}.{}", self.risk, self.due, Digest::from_bytes(self.print).hex(), self.repository)
    }
}

impl Cursor {
    /// What its text form is like, as a regular expression.
    pub const PATTERN: &str = "^[0-9]{1,6}\\.[0-9]{1,19}\\.[0-9a-f]{64}\\.[0-9]{1,18}$";
}

impl FromStr for Cursor {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut parts = text.split('.');
        let mut next = || parts.next().ok_or(());
        let number = |text: &str, digits: usize| -> Result<u64, ()> {
            let is_number = (1..=digits).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
            if is_number { text.parse().map_err(|_| ()) } else { Err(()) }
        };
        let whole = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        let cursor = Self {
            risk: number(next()?, 6)?,
            due: whole(number(next()?, 19)?),
            print: *Digest::from_hex(next()?).map_err(|_| ())?.as_bytes(),
            repository: whole(number(next()?, 18)?),
        };
        if parts.next().is_some() { Err(()) } else { Ok(cursor) }
    }
}

/// A finding in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Its fingerprint.
    pub fingerprint: Digest,
    /// The repository's identity.
    pub repository: Option<String>,
    /// Its rule.
    pub rule: String,
    /// How bad.
    pub severity: Severity,
    /// How sure.
    pub confidence: Confidence,
    /// Its controls.
    pub controls: Vec<String>,
    /// Weakness ids.
    pub cwe: Vec<String>,
    /// Which tool sees it.
    pub tool: String,
    /// What another tool calls it.
    pub title: Option<String>,
    /// The line with the value taken out, where the record has it.
    pub excerpt: Option<String>,
    /// Where, in the newest look that saw it.
    pub path: TreePath,
    /// First line, from 1.
    pub line: u32,
    /// How it stands.
    pub stands: Standing,
    /// What asks for its suppression.
    pub asked: Option<String>,
    /// The reason given with it.
    pub reason: Option<String>,
    /// The waiver that covers it.
    pub by_waiver: Option<String>,
    /// The entry that suppresses it.
    pub by_entry: Option<u64>,
    /// Until when it is suppressed or waived.
    pub until: Option<Timestamp>,
    /// Whether the newest look could not see it.
    pub held: bool,
    /// The first entry that says that it was found.
    pub first: u64,
    /// When that was.
    pub first_time: Timestamp,
    /// By when it is to be answered; none where no control says so.
    pub due: Option<Timestamp>,
    /// Whether that is over, while it is open.
    pub late: bool,
    /// Its risk.
    pub risk: u64,
    at: i64,
}

/// How many findings there are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Of those that are asked for.
    pub asked: u64,
    /// By how they stand, whatever state is asked for.
    pub stands: BTreeMap<Standing, u64>,
    /// By severity, whatever severity is asked for.
    pub severity: BTreeMap<Severity, u64>,
    /// Open and past their day, whatever state is asked for.
    pub late: u64,
}

/// Names that a list can be asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    /// Identities of repositories, sorted.
    pub repositories: Vec<String>,
    /// Ids of rules, sorted.
    pub rules: Vec<String>,
    /// Ids of controls, sorted.
    pub controls: Vec<String>,
}

/// A part of a list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listed {
    /// The findings, the greatest risk first, then by the day until which they are to be answered.
    pub lines: Vec<Line>,
    /// What the next part comes after; none: this is the last one.
    pub next: Option<Cursor>,
}

/// A part of a list with what stands around it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// The part.
    pub listed: Listed,
    /// How many there are.
    pub counts: Counts,
    /// Names for the filters.
    pub names: Names,
}

/// A look in which a finding was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LookLine {
    /// Log index.
    pub index: u64,
    /// The run.
    pub run: RunId,
    /// The commit.
    pub commit: String,
    /// When.
    pub time: Timestamp,
}

/// A finding with its history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct One {
    /// It.
    pub line: Line,
    /// The newest looks that saw it, newest first.
    pub looks: Vec<LookLine>,
    /// How many looks saw it.
    pub seen: u64,
    /// The newest look of its tool in its repository, which saw it or did not.
    pub newest: Option<LookLine>,
    /// How often it came: more than once where it was gone in between.
    pub came: u64,
}

struct Bucket {
    id: i64,
    repository: i64,
    rule: i64,
    severity: Severity,
    controls: i64,
    stands: Standing,
    late: bool,
    n: u64,
    due: i64,
    risk: u64,
    /// Changes with everything that an audit's period may count of it.
    turn: i64,
}

/// Looks of a finding that are listed.
const LOOKS: u32 = 50;

impl Index {
    /// What `job` reads is of one state.
    ///
    /// # Errors
    /// What `job` and the database say.
    pub fn read<T, E: From<Error>>(&self, job: impl FnOnce(&Self) -> Result<T, E>) -> Result<T, E> {
        self.db.execute_batch("BEGIN").map_err(Error::from)?;
        let done = job(self);
        self.db.execute_batch("COMMIT").map_err(Error::from)?;
        done
    }

    /// All buckets with something in them, as far as an audit is about it.
    fn buckets(&self, within: Option<&Within>) -> Result<Vec<Bucket>, Error> {
        // What is counted, and what it is remembered under, are of one state.
        if within.is_some() && self.db.is_autocommit() {
            return self.read(|index| index.buckets(within));
        }
        let mut query = self.db.prepare_cached(
            "SELECT b.id, b.repository, b.rule, b.severity, b.controls, b.state, b.late, b.n, b.due, r.factor, b.turn
             FROM buckets b JOIN repositories r ON r.id = b.repository WHERE b.n > 0",
        )?;
        let rows = query.query_map([], |row| {
            let severity = severity(row, 3)?;
            Ok(Bucket {
                id: row.get(0)?,
                repository: row.get(1)?,
                rule: row.get(2)?,
                severity,
                controls: row.get(4)?,
                stands: standing(row, 5)?,
                late: row.get(6)?,
                n: row.get(7)?,
                due: row.get(8)?,
                risk: risk(severity, row.get(9)?),
                turn: row.get(10)?,
            })
        })?;
        let mut buckets: Vec<Bucket> = rows.collect::<Result<_, _>>()?;
        let Some(within) = within else { return Ok(buckets) };
        let mut query = self.db.prepare_cached("SELECT id, identity FROM repositories")?;
        let repositories: Vec<(i64, Option<String>)> =
            query.query_map([], |row| Ok((row.get(0)?, identity(row.get(1)?))))?.collect::<Result<_, _>>()?;
        let among: HashSet<i64> = repositories
            .into_iter()
            .filter(|(_, repository)| within.has_repository(repository.as_deref()))
            .map(|(id, _)| id)
            .collect();
        buckets.retain(|bucket| among.contains(&bucket.repository));
        let mut query =
            self.db.prepare_cached(&format!("SELECT count(*) FROM findings f WHERE f.bucket = ?3 AND {SEEN}"))?;
        let mut count = |id: i64| -> Result<u64, Error> {
            Ok(query.query_row((within.from.millis(), within.to.millis(), id), |row| row.get(0))?)
        };
        match &self.periods {
            None => {
                for bucket in &mut buckets {
                    bucket.n = count(bucket.id)?;
                }
            }
            Some(periods) => {
                let made = self.db.prepare_cached("SELECT made FROM meta")?.query_row([], |row| row.get(0))?;
                let period = periods.of(made, within.from, within.to);
                let mut known = period.counted(buckets.len());
                for bucket in &mut buckets {
                    bucket.n = known.count((bucket.id, bucket.turn), || count(bucket.id))?;
                }
            }
        }
        buckets.retain(|bucket| bucket.n > 0);
        Ok(buckets)
    }

    /// The same index, which counts what a period has of a bucket once for as long as nothing of the bucket changes.
    #[must_use]
    pub fn remembering(self, periods: &Arc<Periods>) -> Self {
        Self { periods: Some(Arc::clone(periods)), ..self }
    }

    fn is_within(&self, line: &Line, within: &Within) -> Result<bool, Error> {
        let mut query = self.db.prepare_cached(&format!("SELECT 1 FROM findings f WHERE f.id = ?3 AND {SEEN}"))?;
        Ok(within.has_repository(line.repository.as_deref())
            && query.exists((within.from.millis(), within.to.millis(), line.at))?)
    }

    fn id(&self, table: &str, column: &str, text: &str) -> Result<Option<i64>, Error> {
        let sql = format!("SELECT id FROM {table} WHERE {column} = ?1");
        Ok(self.db.prepare_cached(&sql)?.query_row([text], |row| row.get(0)).optional()?)
    }

    /// What the findings of these buckets have.
    fn names(&self, buckets: &[Bucket]) -> Result<Names, Error> {
        let named = |sql: &str, ids: HashSet<i64>| -> Result<Vec<String>, Error> {
            let mut query = self.db.prepare_cached(sql)?;
            let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            let all: Vec<(i64, String)> = rows.collect::<Result<_, _>>()?;
            Ok(all.into_iter().filter(|(id, text)| ids.contains(id) && !text.is_empty()).map(|(_, t)| t).collect())
        };
        let sets = named("SELECT id, text FROM control_sets", buckets.iter().map(|b| b.controls).collect())?;
        let mut controls: Vec<String> = sets.iter().flat_map(|set| set_of(set)).collect();
        controls.sort();
        controls.dedup();
        let repositories = buckets.iter().map(|b| b.repository).collect();
        Ok(Names {
            repositories: named("SELECT id, identity FROM repositories ORDER BY identity", repositories)?,
            rules: named("SELECT id, text FROM rules ORDER BY text", buckets.iter().map(|b| b.rule).collect())?,
            controls,
        })
    }

    /// A part of a list of `limit` rows at the most, and how many rows there are.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn page(&self, asked: &Asked, limit: usize) -> Result<Page, Error> {
        let buckets = self.buckets(asked.within.as_ref())?;
        let names = self.names(&buckets)?;
        let (counts, chosen) = self.chosen(asked, buckets)?;
        Ok(Page { listed: self.listed(chosen, asked, limit)?, counts, names })
    }

    /// How many findings are like that.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn counts(&self, asked: &Asked) -> Result<Counts, Error> {
        Ok(self.chosen(asked, self.buckets(asked.within.as_ref())?)?.0)
    }

    fn chosen(&self, asked: &Asked, buckets: Vec<Bucket>) -> Result<(Counts, Vec<Bucket>), Error> {
        // What has no id here is of no finding.
        const NONE: i64 = -1;
        let id = |table: &str, column: &str, text: &Option<String>| -> Result<Option<i64>, Error> {
            text.as_ref().map(|t| Ok(self.id(table, column, t)?.unwrap_or(NONE))).transpose()
        };
        let repository = id("repositories", "identity", &asked.repository)?;
        let rule = id("rules", "text", &asked.rule)?;
        let sets: Option<Vec<i64>> = match &asked.control {
            Some(control) => {
                let sets = self.control_sets()?.into_iter().filter(|(_, set)| set.contains(control));
                Some(sets.map(|(id, _)| id).collect())
            }
            None => None,
        };
        let mut counts = Counts::default();
        let mut chosen = Vec::new();
        for bucket in buckets {
            let fits = repository.is_none_or(|id| id == bucket.repository)
                && rule.is_none_or(|id| id == bucket.rule)
                && sets.as_ref().is_none_or(|sets| sets.contains(&bucket.controls));
            if !fits {
                continue;
            }
            let is_severe = asked.severity.is_none_or(|s| s == bucket.severity);
            let stands = asked.stands.is_none_or(|s| s == bucket.stands) && (!asked.late || bucket.late);
            if is_severe {
                *counts.stands.entry(bucket.stands).or_default() += bucket.n;
                counts.late += if bucket.late { bucket.n } else { 0 };
            }
            if stands {
                *counts.severity.entry(bucket.severity).or_default() += bucket.n;
            }
            if is_severe && stands {
                counts.asked += bucket.n;
                chosen.push(bucket);
            }
        }
        Ok((counts, chosen))
    }

    /// The first rows of these buckets, by risk, then by day, then by fingerprint.
    fn listed(&self, mut buckets: Vec<Bucket>, asked: &Asked, limit: usize) -> Result<Listed, Error> {
        let after = asked.after.as_ref();
        let wanted = limit.saturating_add(1);
        buckets.retain(|b| after.is_none_or(|after| b.risk <= after.risk));
        buckets.sort_by(|a, b| b.risk.cmp(&a.risk).then(a.due.cmp(&b.due)));
        let mut found: Vec<(Cursor, i64)> = Vec::new();
        for group in buckets.chunk_by(|a, b| a.risk == b.risk) {
            if found.len() >= wanted {
                break;
            }
            let missing = wanted - found.len();
            found.extend(self.of_one_risk(group, asked, missing)?);
        }
        let has_more = found.len() > limit;
        found.truncate(limit);
        let next = found.last().filter(|_| has_more).map(|(cursor, _)| cursor.clone());
        let lines = found.iter().map(|(_, id)| self.line(*id)).collect::<Result<_, _>>()?;
        Ok(Listed { lines, next })
    }

    fn of_one_risk(&self, buckets: &[Bucket], asked: &Asked, wanted: usize) -> Result<Vec<(Cursor, i64)>, Error> {
        let mut found: Vec<(Cursor, i64)> = Vec::new();
        for bucket in buckets {
            let after = asked.after.as_ref().filter(|a| a.risk == bucket.risk);
            // Buckets come by the first day in them: what follows is later than all that is wanted.
            if found.len() >= wanted && found.get(wanted - 1).is_some_and(|(last, _)| last.due < bucket.due) {
                break;
            }
            let (due, print) = after.map_or((i64::MIN, [0; 32]), |a| (a.due, a.print));
            let row = |row: &Row<'_>| {
                let (risk, repository) = (bucket.risk, bucket.repository);
                Ok((Cursor { risk, due: row.get(0)?, print: row.get(1)?, repository }, row.get(2)?))
            };
            const FROM: &str = "SELECT f.due, f.fingerprint, f.id FROM findings f";
            const ORDER: &str = "(f.due, f.fingerprint) >= (?4, ?5) ORDER BY f.due, f.fingerprint LIMIT ?6";
            // The row of the cursor itself may be among them.
            let most = wanted as u64 + 1;
            let rows: Vec<(Cursor, i64)> = match &asked.within {
                None => {
                    let mut query = self.db.prepare_cached(&format!("{FROM} WHERE f.bucket = ?3 AND {ORDER}"))?;
                    let all = query.query_map((None::<i64>, None::<i64>, bucket.id, due, print, most), row)?;
                    all.collect::<Result<_, _>>()?
                }
                Some(w) => {
                    let sql = format!("{FROM} WHERE f.bucket = ?3 AND {SEEN} AND {ORDER}");
                    let mut query = self.db.prepare_cached(&sql)?;
                    let all = query.query_map((w.from.millis(), w.to.millis(), bucket.id, due, print, most), row)?;
                    all.collect::<Result<_, _>>()?
                }
            };
            for row in rows {
                if after.is_none_or(|after| row.0 > *after) {
                    found.push(row);
                }
            }
            found.sort();
            found.truncate(wanted);
        }
        Ok(found)
    }

    fn line(&self, id: i64) -> Result<Line, Error> {
        let mut query = self.db.prepare_cached(&format!("{LINE} WHERE f.id = ?1"))?;
        Ok(query.query_row([id], line)?)
    }

    /// The findings with this fingerprint: one in each repository that has it, as far as an audit is about it.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn one(&self, fingerprint: &Digest, within: Option<&Within>) -> Result<Vec<One>, Error> {
        let mut query = self.db.prepare_cached(&format!("{LINE} WHERE f.fingerprint = ?1 ORDER BY r.identity"))?;
        let lines: Vec<Line> = query.query_map([fingerprint.as_bytes()], line)?.collect::<Result<_, _>>()?;
        let mut all = Vec::new();
        for line in lines {
            if within.map_or(Ok(true), |within| self.is_within(&line, within))? {
                all.push(self.with_history(line)?);
            }
        }
        Ok(all)
    }

    fn with_history(&self, line: Line) -> Result<One, Error> {
        let look = |row: &Row<'_>| {
            Ok(LookLine {
                index: row.get(0)?,
                run: RunId::from_text(row.get::<_, String>(1)?),
                commit: row.get(2)?,
                time: Timestamp::from_millis(row.get(3)?),
            })
        };
        // In this order: a repository has more looks than a finding was seen in.
        let seen = "FROM findings f CROSS JOIN presences p ON p.finding = f.id
            CROSS JOIN looks l ON l.repository = f.repository AND l.tool = f.tool AND l.unread = 0
            AND l.idx BETWEEN p.first AND coalesce(p.last, 9223372036854775807)";
        let mut query = self.db.prepare_cached(&format!(
            "SELECT l.idx, l.run, l.commit_id, l.time {seen} WHERE f.id = ?1 ORDER BY l.idx DESC LIMIT ?2"
        ))?;
        let looks = query.query_map((line.at, LOOKS), look)?.collect::<Result<_, _>>()?;
        let mut query = self.db.prepare_cached(&format!("SELECT count(*) {seen} WHERE f.id = ?1"))?;
        let count = query.query_row([line.at], |row| row.get(0))?;
        let mut query = self.db.prepare_cached(
            "SELECT l.idx, l.run, l.commit_id, l.time FROM findings f
             JOIN looks l ON l.repository = f.repository AND l.tool = f.tool AND l.unread = 0
             WHERE f.id = ?1 ORDER BY l.idx DESC LIMIT 1",
        )?;
        let newest = query.query_row([line.at], look).optional()?;
        let mut query = self.db.prepare_cached("SELECT count(*) FROM presences WHERE finding = ?1")?;
        let came = query.query_row([line.at], |row| row.get(0))?;
        Ok(One { line, looks, seen: count, newest, came })
    }

    /// Records that could not be read, by log index.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn unread(&self) -> Result<Vec<u64>, Error> {
        let mut query = self.db.prepare_cached("SELECT idx FROM looks WHERE unread = 1 ORDER BY idx")?;
        Ok(query.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?)
    }

    /// Everything in it, in words, sorted: what two ways to the same index must agree about.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn told(&self) -> Result<Vec<String>, Error> {
        let mut told = Vec::new();
        let mut query = self.db.prepare(&format!("{LINE} ORDER BY f.id"))?;
        let lines: Vec<Line> = query.query_map([], line)?.collect::<Result<_, _>>()?;
        for line in lines {
            let mut query =
                self.db.prepare_cached("SELECT first, last FROM presences WHERE finding = ?1 ORDER BY first")?;
            let spans: Vec<(u64, Option<u64>)> =
                query.query_map([line.at], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
            let mut query = self.db.prepare_cached("SELECT gone FROM findings WHERE id = ?1")?;
            let gone: Option<i64> = query.query_row([line.at], |row| row.get(0))?;
            told.push(format!("{:?} {spans:?} {gone:?}", Line { at: 0, ..line }));
        }
        let mut count = HashMap::<_, u64>::new();
        for bucket in self.buckets(None)? {
            *count.entry((bucket.stands, bucket.late, bucket.severity)).or_default() += bucket.n;
        }
        told.extend(count.into_iter().map(|(of, n)| format!("{of:?} {n}")));
        let mut query = self.db.prepare(
            "SELECT r.identity, t.text, l.idx, l.run, l.findings, l.unread FROM looks l
             JOIN repositories r ON r.id = l.repository JOIN tools t ON t.id = l.tool",
        )?;
        let looks = query.query_map([], |row| {
            Ok((
                row.get::<_, String>(0)?,
                row.get::<_, String>(1)?,
                row.get::<_, u64>(2)?,
                row.get::<_, String>(3)?,
                row.get::<_, u64>(4)?,
                row.get::<_, bool>(5)?,
            ))
        })?;
        for look in looks {
            told.push(format!("{:?}", look?));
        }
        told.push(format!("{:?}", self.names(&self.buckets(None)?)?));
        let meta = self.meta()?;
        told.push(format!("{} {} {}", meta.size, meta.root, meta.disposed));
        told.sort();
        Ok(told)
    }
}

/// Whether a finding was there in a period that begins at `?1` and is over at `?2`. All of it stands in the index of buckets, so that a
/// period of a million findings is counted without reading one.
const SEEN: &str = "f.first_time < ?2 AND (f.present > 0 OR f.gone >= ?1)";

const LINE: &str =
    "SELECT f.id, f.fingerprint, r.identity, u.text, b.severity, f.confidence, c.text, f.cwe, t.text, f.title,
    f.excerpt, f.path, f.line, b.state, f.asked, f.reason, f.by_waiver, f.by_entry, f.until, f.present, f.first_idx,
    f.first_time, f.due, b.late, r.factor
    FROM findings f JOIN buckets b ON b.id = f.bucket JOIN repositories r ON r.id = f.repository
    JOIN rules u ON u.id = b.rule JOIN control_sets c ON c.id = b.controls JOIN tools t ON t.id = f.tool";

fn line(row: &Row<'_>) -> rusqlite::Result<Line> {
    const CONFIDENCE: [Confidence; 4] = [Confidence::Low, Confidence::Medium, Confidence::High, Confidence::Certain];
    let severity = severity(row, 4)?;
    let due: i64 = row.get(22)?;
    Ok(Line {
        at: row.get(0)?,
        fingerprint: Digest::from_bytes(row.get(1)?),
        repository: identity(row.get(2)?),
        rule: row.get(3)?,
        severity,
        confidence: CONFIDENCE.get(row.get::<_, usize>(5)?).copied().unwrap_or(Confidence::Low),
        controls: set_of(&row.get::<_, String>(6)?),
        cwe: set_of(&row.get::<_, String>(7)?),
        tool: row.get(8)?,
        title: row.get(9)?,
        excerpt: row.get(10)?,
        path: TreePath::from_bytes(row.get::<_, Vec<u8>>(11)?),
        line: row.get(12)?,
        stands: standing(row, 13)?,
        asked: row.get(14)?,
        reason: row.get(15)?,
        by_waiver: row.get(16)?,
        by_entry: row.get(17)?,
        until: row.get::<_, Option<i64>>(18)?.map(Timestamp::from_millis),
        held: row.get::<_, u8>(19)? == 2,
        first: row.get(20)?,
        first_time: Timestamp::from_millis(row.get(21)?),
        due: (due < i64::MAX).then(|| Timestamp::from_millis(due)),
        late: row.get(23)?,
        risk: risk(severity, row.get(24)?),
    })
}

fn standing(row: &Row<'_>, i: usize) -> rusqlite::Result<Standing> {
    let code: usize = row.get(i)?;
    Standing::ALL.get(code).copied().ok_or(rusqlite::Error::IntegralValueOutOfRange(i, code as i64))
}

fn severity(row: &Row<'_>, i: usize) -> rusqlite::Result<Severity> {
    let code: usize = row.get(i)?;
    SEVERITIES.get(code).copied().ok_or(rusqlite::Error::IntegralValueOutOfRange(i, code as i64))
}
