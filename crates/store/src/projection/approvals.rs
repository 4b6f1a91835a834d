//! Approvals of decisions, rejections, and what was taken back.

use countersign_evidence::merkle::{self, Hash};
use countersign_evidence::{act, canonical};
use countersign_model::access::{ApprovalRules, MergedRules, SlotName, SlotRule, Strength};
use countersign_model::change::Change;
use countersign_model::event::{ApprovalRejected, ApprovalRulesActivated, ApprovalSigned, ApprovalWithdrawn, Device};
use countersign_model::{Action, Digest, PersonId, RunId, Slot, Timestamp, WaiverId};
use rusqlite::OptionalExtension as _;

use super::keys::{APPROVAL_STANDS, is_ahead};
use super::read::{Act, Reading, to_json};
use super::sql::{Fold, Stop, blob, json, maybe, require, text, time};
use super::state::State;
use super::table::Table;
use super::waivers::{WaiverRow, WaiverState};
use crate::Error;

pub(super) const TABLES: &[Table] = &[
    Table {
        name: "approval_rules",
        key: &["idx"],
        index: "idx",
        sql: "CREATE TABLE approval_rules (idx INTEGER PRIMARY KEY, digest TEXT NOT NULL, document TEXT NOT NULL,
            person TEXT NOT NULL, reason TEXT, time INTEGER NOT NULL) STRICT;",
    },
    Table {
        name: "approvals",
        key: &["idx"],
        index: "idx",
        sql: "CREATE TABLE approvals (idx INTEGER PRIMARY KEY, run TEXT NOT NULL, decision TEXT NOT NULL,
            slot TEXT NOT NULL, person TEXT NOT NULL, said TEXT NOT NULL, withdrawn INTEGER) STRICT;
            CREATE INDEX approvals_by_run ON approvals (run, idx);
            CREATE INDEX approvals_by_person ON approvals (person);",
    },
    Table {
        name: "rejections",
        key: &["idx"],
        index: "idx",
        sql: "CREATE TABLE rejections (idx INTEGER PRIMARY KEY, run TEXT NOT NULL, decision TEXT NOT NULL,
            person TEXT NOT NULL, said TEXT NOT NULL, withdrawn INTEGER) STRICT;
            CREATE INDEX rejections_by_run ON rejections (run, idx);",
    },
    Table {
        name: "withdrawals",
        key: &["idx"],
        index: "idx",
        sql: "CREATE TABLE withdrawals (idx INTEGER PRIMARY KEY, run TEXT NOT NULL, person TEXT NOT NULL,
            reason TEXT NOT NULL, time INTEGER NOT NULL) STRICT;
            CREATE INDEX withdrawals_by_run ON withdrawals (run, idx);",
    },
];

/// Something that somebody said of a run and did not take back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SaidLine {
    /// Log index.
    pub index: u64,
    /// The run.
    pub run: RunId,
    /// The slot of an approval; none: it is a rejection.
    pub slot: Option<SlotName>,
    /// When.
    pub time: Timestamp,
}

/// What a person said about a decision is over. Without the sign before `person` SQLite walks through everything that the person
/// ever approved: a firm has few approvers and many approvals.
const END_APPROVALS: &str = "UPDATE approvals SET withdrawn = ?1
    WHERE run = ?2 AND decision = ?3 AND +person = ?4 AND withdrawn IS NULL";
const END_REJECTIONS: &str = "UPDATE rejections SET withdrawn = ?1
    WHERE run = ?2 AND decision = ?3 AND +person = ?4 AND withdrawn IS NULL";

/// An approval.
#[derive(Debug, Clone)]
pub struct ApprovalRow {
    /// Log index.
    pub index: u64,
    /// The decision it binds.
    pub decision: Digest,
    /// Which signature.
    pub slot: SlotName,
    /// Who.
    pub person: PersonId,
    /// With what.
    pub device: Device,
    /// How strong.
    pub strength: String,
    /// When.
    pub time: Timestamp,
    /// All that it says.
    pub said: Box<ApprovalSigned>,
    /// Log index of what took it back: a withdrawal, or the person's own rejection.
    pub withdrawn: Option<u64>,
}

/// A rejection.
#[derive(Debug, Clone)]
pub struct RejectionRow {
    /// Log index.
    pub index: u64,
    /// What it says.
    pub said: ApprovalRejected,
    /// Log index of what took it back.
    pub withdrawn: Option<u64>,
}

/// Something taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WithdrawalRow {
    /// Log index.
    pub index: u64,
    /// Who.
    pub by: PersonId,
    /// Why.
    pub reason: String,
    /// When.
    pub time: Timestamp,
}

/// Approval rules that were put in effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActivatedRules {
    /// Log index of their activation.
    pub index: u64,
    /// Their digest.
    pub digest: Digest,
    /// The rules.
    pub rules: ApprovalRules,
    /// Who put them in effect.
    pub by: PersonId,
    /// Why.
    pub reason: Option<String>,
    /// When.
    pub time: Timestamp,
}

/// The digest of a set of waivers; none: it is empty.
#[must_use]
pub fn waiver_set(waivers: &[WaiverRow]) -> Option<Digest> {
    let mut lines: Vec<String> = waivers.iter().map(|w| format!("{} {}\n", w.request.waiver, w.leaf)).collect();
    lines.sort_unstable();
    (!lines.is_empty()).then(|| Digest::of(lines.concat().as_bytes()))
}

impl State {
    pub(super) fn on_approval_rules(&self, index: u64, signed: &Act) -> Fold {
        let p: ApprovalRulesActivated = self.signed(signed, act::APPROVAL_RULES, |p: &ApprovalRulesActivated| &p.by)?;
        self.same_ledger(&p.origin)?;
        self.needs(&p.by, Action::ActivateApprovalRules)?;
        require(p.rules.version == 1, "rules of another version")?;
        for (_, _, merged) in p.rules.places(&[Slot::Technical, Slot::Regulatory]) {
            merged.check().map_err(|(slot, what)| format!("the slot {slot} cannot be worked by: {what}"))?;
        }
        let digest = canonical::digest(&p.rules).map_err(|e| e.to_string())?;
        self.db
            .prepare_cached(
                "INSERT INTO approval_rules (idx, digest, document, person, reason, time)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute((index, digest.to_string(), to_json(&p.rules)?, p.by.as_str(), p.reason, p.time.millis()))?;
        Ok(())
    }

    pub(super) fn on_approval(&self, reading: &Reading, signed: &Act) -> Fold {
        let p: ApprovalSigned = self.signed(signed, act::APPROVAL, |p: &ApprovalSigned| &p.person)?;
        self.same_ledger(&p.origin)?;
        let change = self.may_speak(reading, signed, &p.run, &p.repository, &p.commit, &p.device, &p.person, p.time)?;
        let duties = change.as_ref().map(|c| self.duties(c)).transpose()?.unwrap_or_default();
        require(change.is_none_or(|c| c.environment == p.environment), "it approves another environment")?;
        let run = self.started(&p.run)?;
        require(run.tree == p.tree, "it approves another tree than its run's")?;
        require(p.gate == "release", "it approves another gate than the release")?;
        let policy =
            self.policy_of(&p.run, &p.decision)?.ok_or_else(|| Stop::from("it binds a decision never made"))?;
        require(policy == Some(p.bundle.to_string()), "it binds another policy bundle than its decision's")?;
        let newest = self.newest_decision(&p.run)?.ok_or("no decision was made of its run")?;
        require(newest.digest == p.decision, "it approves a decision that was replaced")?;
        let artifacts = self.artifacts_of(&p.run)?;
        require(p.artifacts == artifacts, "it approves other artifacts than are recorded")?;
        let rules = self.rules_for(Some(&p.repository), &p.environment, &required(&newest.document))?;
        let rule = rules.slot(&p.slot).ok_or("nobody has to sign such a slot")?;
        self.needs_slot(&p.person, rule)?;
        let bars = duties.get(&p.person).into_iter().flatten().find(|(duty, _)| rule.is_barred_by(**duty));
        if let Some((duty, by)) = bars {
            return Err(format!("{} is {duty} ({by}) and cannot fill the slot {}", p.person, p.slot).into());
        }
        let key = signed.signer.as_ref().map(|key| self.key(&key.fingerprint())).transpose()?.flatten();
        let most = key.map_or(Strength::Key, |key| Strength::of_statement(key.strength()));
        let strength = Strength::of_statement(&p.strength);
        require(strength <= most, "it claims to be stronger than its key is")?;
        require(strength >= rule.strength, "it is not as strong as its slot asks for")?;
        let active = self.approval_rules()?.map(|r| r.digest);
        require(p.rules == active, "it was given under other approval rules than are in effect")?;
        let longest = rule.valid_hours.map(|hours| p.time.plus_seconds(i64::from(hours) * 3600));
        if let Some(longest) = longest {
            require(p.expires.is_some_and(|end| end <= longest), "it counts for longer than its slot allows")?;
        }
        require(p.expires.is_none_or(|end| end > reading.entry.time), "it is over already")?;
        if let Some(seen) = &p.evidence {
            require(seen.size <= reading.index, "it has seen entries that were not there")?;
            require(!reading.other_history, "it was signed over a log of another root")?;
            require(seen.size > newest.index, "it was signed before its decision was made")?;
            let levels = self.assignment()?.map(|a| a.digest);
            require(p.levels == levels, "it was given under other levels than are in effect")?;
            let about = self.waivers_in_force(&p.repository, &p.environment, p.time, reading.entry.time)?;
            require(p.waivers == waiver_set(&about), "it was given under other waivers than are in force")?;
            require(p.findings == self.last_record(&p.run)?, "it was given on other findings than the newest")?;
        }
        let (said, rejected) = (self.approvals_of(&p.run)?, self.rejections_of(&p.run)?);
        let standing = |a: &&ApprovalRow| a.decision == p.decision && a.withdrawn.is_none();
        let alive = |a: &&ApprovalRow| a.said.expires.is_none_or(|end| end > reading.entry.time);
        let given_before = |slot: &SlotName, by: &PersonId, index: u64| {
            let all = said.iter().filter(standing).filter(alive);
            all.filter(|a| a.slot == *slot && a.person != *by && a.index < index).count()
        };
        let needed = |slot: &SlotName| rules.slot(slot).map_or(0, |r| r.count as usize);
        let in_order =
            |by: &PersonId, index: u64| rule.after.iter().all(|after| given_before(after, by, index) >= needed(after));
        // What binds something else than now, or came too early, may be given anew.
        let same = |a: &&ApprovalRow| {
            let s = &a.said;
            (s.rules, s.levels, s.waivers, s.findings) == (p.rules, p.levels, p.waivers, p.findings)
                && s.artifacts == p.artifacts
                && in_order(&a.person, a.index)
        };
        let mut own = said.iter().filter(standing).filter(alive).filter(|a| a.person == p.person && a.slot == p.slot);
        let repeated = own.any(|a| same(&a));
        require(!repeated, "that person gave this approval before")?;
        let no = rejected
            .iter()
            .any(|r| r.said.decision == p.decision && r.withdrawn.is_none() && r.said.person == p.person);
        require(!no, "that person rejected it, and did not take that back")?;
        require(in_order(&p.person, reading.index), "it was given before a slot that must be filled first")?;
        self.db
            .prepare_cached(
                "INSERT INTO approvals (idx, run, decision, slot, person, said) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute((
                reading.index,
                p.run.as_str(),
                p.decision.to_string(),
                p.slot.as_str(),
                p.person.as_str(),
                to_json(&p)?,
            ))?;
        self.said_of(&p.run, reading.index)?;
        Ok(())
    }

    pub(super) fn on_rejection(&self, reading: &Reading, signed: &Act) -> Fold {
        let p: ApprovalRejected = self.signed(signed, act::REJECTION, |p: &ApprovalRejected| &p.person)?;
        self.same_ledger(&p.origin)?;
        let change = self.may_speak(reading, signed, &p.run, &p.repository, &p.commit, &p.device, &p.person, p.time)?;
        let change = change.ok_or("the change of its run is gone")?;
        let duties = self.duties(&change)?;
        require(p.gate == "release", "it rejects another gate than the release")?;
        let newest = self.newest_decision(&p.run)?.ok_or("no decision was made of its run")?;
        require(newest.digest == p.decision, "it rejects a decision that was replaced")?;
        require(is_reason(&p.reason), "it gives no reason")?;
        let rules = self.rules_for(Some(&p.repository), &change.environment, &required(&newest.document))?;
        let rule = rules.slot(&p.slot).ok_or("nobody has to sign such a slot")?;
        self.needs_slot(&p.person, rule)?;
        let barred = duties.get(&p.person).is_some_and(|held| held.keys().any(|duty| rule.is_barred_by(*duty)));
        require(!barred, "whoever rejects it could not have approved it")?;
        let standing = self
            .rejections_of(&p.run)?
            .into_iter()
            .any(|r| r.said.decision == p.decision && r.withdrawn.is_none() && r.said.person == p.person);
        require(!standing, "that person rejected it before")?;
        let decision = p.decision.to_string();
        // A no ends the person's own yes.
        self.db.prepare_cached(END_APPROVALS)?.execute((
            reading.index,
            p.run.as_str(),
            &decision,
            p.person.as_str(),
        ))?;
        self.db
            .prepare_cached("INSERT INTO rejections (idx, run, decision, person, said) VALUES (?1, ?2, ?3, ?4, ?5)")?
            .execute((reading.index, p.run.as_str(), &decision, p.person.as_str(), to_json(&p)?))?;
        Ok(())
    }

    pub(super) fn on_withdrawal(&self, reading: &Reading, signed: &Act) -> Fold {
        let p: ApprovalWithdrawn = self.signed(signed, act::WITHDRAWAL, |p: &ApprovalWithdrawn| &p.person)?;
        self.same_ledger(&p.origin)?;
        let commit = self.started(&p.run)?.commit;
        self.may_speak(reading, signed, &p.run, &p.repository, &commit, &p.device, &p.person, p.time)?;
        require(is_reason(&p.reason), "it gives no reason")?;
        let own = |person: &PersonId, decision: &Digest| *person == p.person && *decision == p.decision;
        let approvals = self.approvals_of(&p.run)?.into_iter();
        let approved = approvals.filter(|a| own(&a.person, &a.decision) && a.withdrawn.is_none()).map(|a| a.index);
        let rejections = self.rejections_of(&p.run)?.into_iter();
        let rejected =
            rejections.filter(|r| own(&r.said.person, &r.said.decision) && r.withdrawn.is_none()).map(|r| r.index);
        let mut standing: Vec<u64> = approved.chain(rejected).collect();
        standing.sort_unstable();
        require(!standing.is_empty(), "nothing of theirs stands that could be taken back")?;
        require(p.acts == standing, "it names other acts than what stands of theirs")?;
        for sql in [END_APPROVALS, END_REJECTIONS] {
            let mut query = self.db.prepare_cached(sql)?;
            query.execute((reading.index, p.run.as_str(), p.decision.to_string(), p.person.as_str()))?;
        }
        self.db
            .prepare_cached("INSERT INTO withdrawals (idx, run, person, reason, time) VALUES (?1, ?2, ?3, ?4, ?5)")?
            .execute((reading.index, p.run.as_str(), p.person.as_str(), p.reason, p.time.millis()))?;
        Ok(())
    }

    /// What holds of everything that is said about a run: it stands in the run's stream, names its repository and commit, was
    /// signed with the key it says, and not in the future. What comes back is the run's change, where it is there.
    #[expect(clippy::too_many_arguments, reason = "what three statements have in common")]
    fn may_speak(
        &self,
        reading: &Reading,
        signed: &Act,
        run: &RunId,
        repository: &str,
        commit: &str,
        device: &Device,
        person: &PersonId,
        at: Timestamp,
    ) -> Result<Option<Change>, Stop> {
        let started = self.started(run)?;
        self.belongs(reading, run)?;
        require(started.commit == commit, "it is about another commit than its run's")?;
        require(started.identity.as_deref() == Some(repository), "it is about another repository")?;
        let key_is_theirs = self.holder(&device.key)?.as_ref() == Some(person);
        require(key_is_theirs, "the device's key is not a key of the person")?;
        let signer = signed.signer.as_ref().map(countersign_evidence::sshsig::PublicKey::fingerprint);
        require(signer.as_deref() == Some(&device.key), "another key signed it than it names")?;
        require(!is_ahead(at, reading.entry.time), "it was signed in the future")?;
        self.change_of(run)
    }

    /// Whether somebody holds a role that may fill the slot.
    fn needs_slot(&self, person: &PersonId, rule: &SlotRule) -> Fold {
        let holds = self.holds_one(person, &rule.roles)?;
        Ok(require(holds, &format!("{person} is no {}", rule.who()))?)
    }

    /// The change of a run's last attempt; none where its payload was disposed of.
    fn change_of(&self, run: &RunId) -> Result<Option<Change>, Stop> {
        let mut query = self.db.prepare_cached(
            "SELECT change, change_size, change_media FROM attempts WHERE run = ?1 ORDER BY idx DESC LIMIT 1",
        )?;
        let Some(change) = query.query_row([run.as_str()], |row| blob(row, 0)).optional()? else { return Ok(None) };
        match self.payload(&change) {
            Ok(bytes) => Ok(Some(canonical::from_slice(&bytes).map_err(|e| format!("its run's change: {e}"))?)),
            Err(Error::MissingBlob { .. }) => Ok(None),
            Err(e) => Err(e.into()),
        }
    }

    /// The approval rules in effect.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn approval_rules(&self) -> Result<Option<ActivatedRules>, Error> {
        let mut query = self.db.prepare_cached(
            "SELECT idx, digest, document, person, reason, time FROM approval_rules ORDER BY idx DESC LIMIT 1",
        )?;
        let row = |row: &rusqlite::Row<'_>| {
            Ok(ActivatedRules {
                index: row.get(0)?,
                digest: text(row, 1)?,
                rules: json(row, 2)?,
                by: text(row, 3)?,
                reason: row.get(4)?,
                time: time(row, 5)?,
            })
        };
        Ok(query.query_row([], row).optional()?)
    }

    /// What a release into an environment needs: by the rules in effect for the tier and the criticality of what is registered.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn rules_for(
        &self,
        repository: Option<&str>,
        environment: &str,
        required: &[Slot],
    ) -> Result<MergedRules, Error> {
        let Some(active) = self.approval_rules()? else { return Ok(MergedRules::standard(required)) };
        let application = match repository {
            Some(repository) => self.application_of(repository)?,
            None => None,
        };
        let environment = self.environment(environment)?.filter(|e| e.retired.is_none());
        let (tier, criticality) = (environment.map(|e| e.what.tier), application.map(|a| a.what.criticality));
        Ok(active.rules.at(tier, criticality, required))
    }

    /// The waivers in force at a time that are about a repository and an environment, whoever granted them. `newest` is the newest
    /// time that the log has seen.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn waivers_in_force(
        &self,
        repository: &str,
        environment: &str,
        at: Timestamp,
        newest: Timestamp,
    ) -> Result<Vec<WaiverRow>, Error> {
        let application = self.application_of(repository)?.map(|a| a.what.id);
        let tier = self.environment(environment)?.filter(|e| e.retired.is_none()).map(|e| e.what.tier);
        let mut rows = self.granted_waivers()?;
        rows.retain(|row| {
            row.request.scope.is_about(Some(repository), application.as_deref(), (environment, tier))
                && row.state(at, newest) == WaiverState::Active
        });
        Ok(rows)
    }

    /// Approvals that say the log had another root than the entries folded here give, by log index. It hashes every leaf once.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn approvals_over_another_log(&self) -> Result<Vec<u64>, Error> {
        let mut query = self.db.prepare_cached(
            "SELECT idx, json_extract(said, '$.evidence.size'), json_extract(said, '$.evidence.root') FROM approvals
             WHERE json_extract(said, '$.evidence.size') IS NOT NULL ORDER BY 2",
        )?;
        let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?, text(row, 2)?)))?;
        let said: Vec<(u64, u64, Digest)> = rows.collect::<Result<_, _>>()?;
        let mut said = said.into_iter().peekable();
        let mut wrong = Vec::new();
        // Complete subtrees from left to right, with their heights.
        let mut peaks: Vec<(u32, Hash)> = Vec::new();
        let mut query = self.db.prepare_cached("SELECT leaf FROM entries ORDER BY idx")?;
        let mut leaves = query.query([])?;
        for size in 0_u64.. {
            let root = || {
                let right = peaks.iter().rev().map(|(_, hash)| *hash);
                right.reduce(|right, left| merkle::node_hash(&left, &right)).unwrap_or_else(merkle::empty_root)
            };
            while let Some((index, _, named)) = said.next_if(|(_, s, _)| *s == size) {
                if Digest::from_bytes(root()) != named {
                    wrong.push(index);
                }
            }
            let (Some(row), Some(_)) = (leaves.next()?, said.peek()) else { break };
            let leaf: Digest = text(row, 0)?;
            let mut peak = (0, *leaf.as_bytes());
            while let Some((height, left)) = peaks.pop_if(|(height, _)| *height == peak.0) {
                peak = (height.saturating_add(1), merkle::node_hash(&left, &peak.1));
            }
            peaks.push(peak);
        }
        wrong.extend(said.map(|(index, ..)| index));
        wrong.sort_unstable();
        Ok(wrong)
    }

    /// The approvals of a run, without those whose key was in other hands by then.
    pub(super) fn approvals_of(&self, run: &RunId) -> Result<Vec<ApprovalRow>, Error> {
        let mut query = self.db.prepare_cached(&format!(
            "SELECT idx, said, withdrawn FROM approvals WHERE run = ?1 AND {APPROVAL_STANDS} ORDER BY idx"
        ))?;
        let rows = query.query_map([run.as_str()], |row| {
            let said: ApprovalSigned = json(row, 1)?;
            Ok(ApprovalRow {
                index: row.get(0)?,
                decision: said.decision,
                slot: said.slot.clone(),
                person: said.person.clone(),
                device: said.device.clone(),
                strength: said.strength.clone(),
                time: said.time,
                said: Box::new(said),
                withdrawn: row.get(2)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The rejections of any decision of a run, oldest first.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn rejections_of(&self, run: &RunId) -> Result<Vec<RejectionRow>, Error> {
        let mut query =
            self.db.prepare_cached("SELECT idx, said, withdrawn FROM rejections WHERE run = ?1 ORDER BY idx")?;
        let rows = query.query_map([run.as_str()], |row| {
            Ok(RejectionRow { index: row.get(0)?, said: json(row, 1)?, withdrawn: row.get(2)? })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// What somebody said of any run and did not take back, of the newest `limit` of their approvals and as many rejections; newest
    /// first. Approvals whose key was in other hands by then are not among them.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn said_by(&self, person: &PersonId, limit: u32) -> Result<Vec<SaidLine>, Error> {
        let mut query = self.db.prepare_cached(&format!(
            "SELECT a.idx, a.run, a.slot, e.time FROM
             (SELECT * FROM approvals WHERE person = ?1 AND withdrawn IS NULL AND {APPROVAL_STANDS} ORDER BY idx DESC LIMIT ?2) a
             JOIN entries e ON e.idx = a.idx
             UNION ALL
             SELECT r.idx, r.run, NULL, e.time FROM
             (SELECT * FROM rejections WHERE person = ?1 AND withdrawn IS NULL ORDER BY idx DESC LIMIT ?2) r
             JOIN entries e ON e.idx = r.idx ORDER BY 1 DESC LIMIT ?2"
        ))?;
        let rows = query.query_map((person.as_str(), limit), |row| {
            Ok(SaidLine { index: row.get(0)?, run: text(row, 1)?, slot: maybe(row, 2)?, time: time(row, 3)? })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// What was taken back in a run, oldest first.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn withdrawals_of(&self, run: &RunId) -> Result<Vec<WithdrawalRow>, Error> {
        let mut query =
            self.db.prepare_cached("SELECT idx, person, reason, time FROM withdrawals WHERE run = ?1 ORDER BY idx")?;
        let rows = query.query_map([run.as_str()], |row| {
            Ok(WithdrawalRow { index: row.get(0)?, by: text(row, 1)?, reason: row.get(2)?, time: time(row, 3)? })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Waivers that were in force about something when an entry was appended, by what the log says: for comparing with what is now.
    ///
    /// # Errors
    /// When the projection cannot be read.
    pub fn waivers_then(
        &self,
        repository: &str,
        environment: &str,
        at: Timestamp,
        index: u64,
    ) -> Result<Vec<WaiverId>, Error> {
        let application = self.application_of(repository)?.map(|a| a.what.id);
        let tier = self.environment(environment)?.filter(|e| e.retired.is_none()).map(|e| e.what.tier);
        let then = |row: &WaiverRow| {
            row.request.scope.is_about(Some(repository), application.as_deref(), (environment, tier))
                && row.granted.as_ref().is_some_and(|g| g.index < index)
                && row.revoked.as_ref().is_none_or(|r| r.index > index)
                && (row.request.not_before..row.request.expires).contains(&at)
        };
        Ok(self.waivers()?.into_iter().filter(then).map(|row| row.request.waiver).collect())
    }
}

/// What a decision's document says that the release requires.
fn required(document: &serde_json::Value) -> Vec<Slot> {
    let gates = document.pointer("/verdict/gates").and_then(|g| g.as_array()).into_iter().flatten();
    let release = gates.filter(|g| g.get("name").and_then(|n| n.as_str()) == Some("release"));
    let names = release.filter_map(|g| g.get("requires")?.as_array()).flatten().filter_map(|s| s.as_str());
    names.filter_map(|s| s.parse().ok()).collect()
}

/// One line, not empty.
fn is_reason(text: &str) -> bool {
    !text.trim().is_empty() && text.len() <= super::MAX_TEXT && !text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_approval_is_looked_for_in_its_run() {
        let db = rusqlite::Connection::open_in_memory().unwrap();
        TABLES.iter().for_each(|table| db.execute_batch(table.sql).unwrap());
        for (sql, index) in [(END_APPROVALS, "approvals_by_run"), (END_REJECTIONS, "rejections_by_run")] {
            let plan = format!("EXPLAIN QUERY PLAN {sql}");
            let plan: String = db.query_row(&plan, ["1", "r", "d", "p"], |row| row.get(3)).unwrap();
            assert!(plan.contains(index), "{plan}");
        }
    }
}
