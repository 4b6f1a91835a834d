//! Whether a storage holds what Object Lock promises: a canary is locked for a short while, and then everything is tried
//! to destroy it, to free it, or to replace it. What the storage says does not decide, but what is there afterwards.
//!
//! This is a test of one way in: the S3 interface, with the rights of the credentials in use. Whoever has the storage's
//! disks or its inner ports goes round it; that is found by verification, not by this.

use countersign_model::{Timestamp, digest};

use crate::layout::CANARIES;

use super::object::{MAX_SMALL, versioned};
use super::transport::{Bucket, Call, Patience, Reply};
use super::{Lock, Meta, Mode, S3Error, Said, time, xml};

/// How many old canaries one probe looks at.
const MAX_SWEPT: usize = 1000;
/// What remains of the lock when something is tried, at least: with less, a deletion that succeeds says nothing.
const MARGIN_SECONDS: i64 = 3;

/// How long a canary is locked unless the caller says otherwise, in seconds: longer than all the attempts take.
pub const CANARY_SECONDS: i64 = 60;

/// Something that must not succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Attack {
    /// The lock that was asked for is there after writing.
    KeepLock,
    /// Delete the locked version.
    DeleteVersion,
    /// Delete it with the header that bypasses GOVERNANCE mode.
    DeleteWithBypass,
    /// Delete it in a multi-object deletion.
    MultiDelete,
    /// Bring its date forward.
    Shorten,
    /// Turn COMPLIANCE into GOVERNANCE.
    Downgrade,
    /// Write other bytes under its name.
    Overwrite,
    /// Delete its name, without a version.
    DeleteName,
    /// Stop keeping versions.
    SuspendVersioning,
    /// Remove the bucket's default rule.
    RemoveDefaultRule,
}

impl Attack {
    /// All of them, in the order in which they are tried.
    pub const ALL: [Self; 10] = [
        Self::KeepLock,
        Self::DeleteVersion,
        Self::DeleteWithBypass,
        Self::MultiDelete,
        Self::Shorten,
        Self::Downgrade,
        Self::Overwrite,
        Self::DeleteName,
        Self::SuspendVersioning,
        Self::RemoveDefaultRule,
    ];

    /// The name that stands in the record.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::KeepLock => "keep-lock",
            Self::DeleteVersion => "delete-version",
            Self::DeleteWithBypass => "delete-with-bypass",
            Self::MultiDelete => "multi-delete",
            Self::Shorten => "shorten",
            Self::Downgrade => "downgrade",
            Self::Overwrite => "overwrite",
            Self::DeleteName => "delete-name",
            Self::SuspendVersioning => "suspend-versioning",
            Self::RemoveDefaultRule => "remove-default-rule",
        }
    }
}

/// What an attempt came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// The canary is as it was.
    Yes,
    /// It is gone, free, or replaced; or the bucket does not protect what comes next.
    No,
    /// It could not be judged.
    Unclear,
}

/// An attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempted {
    /// What was tried.
    pub attack: Attack,
    /// Whether the storage held.
    pub held: Held,
    /// What the storage said, or what was seen: one line.
    pub said: String,
}

/// What a probe found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeReport {
    /// Where, without credentials.
    pub location: String,
    /// What was tried, in order.
    pub attempts: Vec<Attempted>,
    /// Old canaries whose lock had run out and that were removed.
    pub swept: usize,
}

impl ProbeReport {
    /// The verdict: [`Held::No`] when any attempt succeeded, else [`Held::Unclear`] when any could not be judged.
    #[must_use]
    pub fn verdict(&self) -> Held {
        let is = |held| self.attempts.iter().any(|a| a.held == held);
        if is(Held::No) {
            Held::No
        } else if is(Held::Unclear) || self.attempts.len() != Attack::ALL.len() {
            Held::Unclear
        } else {
            Held::Yes
        }
    }
}

/// A locked object that nobody needs.
struct Canary {
    name: String,
    version: String,
    lock: Lock,
}

/// Tries to break the lock of a bucket. The canary is locked for `seconds` ([`CANARY_SECONDS`] as a rule).
///
/// # Errors
/// When the canary could not be written at all: no answer, no such bucket, no right to write. What is tried against it
/// is never an error but a part of the report.
pub fn probe(bucket: &Bucket, seconds: i64) -> Result<ProbeReport, S3Error> {
    // A storage that fails at something is an answer here, and no reason to wait.
    let bucket = bucket.with_patience(Patience { attempts: 3, ..bucket.patience() })?;
    let mut probe = Probe { bucket: &bucket, seconds, attempts: Vec::new() };
    let swept = sweep(&bucket)?;
    let mut canary = match probe.canary()? {
        Ok(canary) => canary,
        Err(what) => {
            probe.note(Attack::KeepLock, Held::No, what);
            return Ok(ProbeReport { location: bucket.location().to_string(), attempts: probe.attempts, swept });
        }
    };
    probe.note(Attack::KeepLock, Held::Yes, format!("locked until {}", canary.lock.until));
    for attack in Attack::ALL.into_iter().skip(1) {
        let (held, said) = match probe.attack(attack, &canary) {
            Ok(judged) => judged,
            Err(e) => (Held::Unclear, e.to_string()),
        };
        probe.note(attack, held, said);
        // What was destroyed or freed cannot be attacked again.
        if held != Held::Yes
            && let Ok(Ok(fresh)) = probe.canary()
        {
            canary = fresh;
        }
    }
    Ok(ProbeReport { location: bucket.location().to_string(), attempts: probe.attempts, swept })
}

struct Probe<'a> {
    bucket: &'a Bucket,
    seconds: i64,
    attempts: Vec<Attempted>,
}

impl Probe<'_> {
    fn note(&mut self, attack: Attack, held: Held, said: String) {
        self.attempts.push(Attempted { attack, held, said });
    }

    /// Writes a canary. The inner error says what the storage did not keep.
    fn canary(&self) -> Result<Result<Canary, String>, S3Error> {
        let random: [u8; 8] = countersign_evidence::random().map_err(|e| S3Error::Unexpected {
            action: "write",
            name: CANARIES.into(),
            what: e.to_string(),
        })?;
        let name = format!("{CANARIES}/{}", digest::to_hex(&random));
        // The storage decides by its own clock whether the date lies ahead.
        let now = self.bucket.now().max(self.bucket.storage_clock().unwrap_or(Timestamp::from_millis(0)));
        let until = time::whole_seconds(now.plus_seconds(self.seconds));
        let call = self.bucket.locked("write", &name, BYTES, until).header("if-none-match", "*");
        self.bucket.done(call)?;
        let Some(meta) = self.bucket.head(&name)? else {
            return Ok(Err("what was written is not there".to_owned()));
        };
        let Some(version) = meta.version else {
            return Ok(Err("the bucket keeps no versions".to_owned()));
        };
        Ok(match meta.lock {
            Some(lock) if lock.mode == Mode::Compliance && lock.until >= until => Ok(Canary { name, version, lock }),
            Some(lock) => {
                Err(format!("the lock is {:?} until {}, not COMPLIANCE until {until}", lock.mode, lock.until))
            }
            None => Err("what was written with a lock has none".to_owned()),
        })
    }

    fn attack(&self, attack: Attack, canary: &Canary) -> Result<(Held, String), S3Error> {
        let bucket = self.bucket;
        let key = bucket.location.key(&canary.name);
        let call = |method| Call::new("attack", method, &canary.name).key(key.clone());
        let on_version = |method| versioned(call(method), Some(&canary.version));
        let bypass = ("x-amz-bypass-governance-retention", "true");
        let said = match attack {
            // It was judged when the canary was written.
            Attack::KeepLock => return Ok((Held::Yes, String::new())),
            Attack::DeleteVersion => self.try_it(&on_version("DELETE"))?,
            Attack::DeleteWithBypass => self.try_it(&on_version("DELETE").header(bypass.0, bypass.1))?,
            Attack::MultiDelete => self.multi_delete(&key, canary)?,
            Attack::Shorten => {
                let earlier = canary.lock.until.plus_seconds(-(self.seconds / 2).max(1));
                let body = xml::retention("COMPLIANCE", earlier);
                let call = on_version("PUT").query("retention", "").header(bypass.0, bypass.1);
                self.try_it(&call.body(body.as_bytes()))?
            }
            Attack::Downgrade => {
                let body = xml::retention("GOVERNANCE", canary.lock.until);
                let call = on_version("PUT").query("retention", "").header(bypass.0, bypass.1);
                self.try_it(&call.body(body.as_bytes()))?
            }
            Attack::Overwrite => self.try_it(&call("PUT").body(OTHER_BYTES))?,
            Attack::DeleteName => self.try_it(&call("DELETE"))?,
            Attack::SuspendVersioning => return self.suspend_versioning(canary),
            Attack::RemoveDefaultRule => return self.remove_default_rule(canary),
        };
        Ok(self.judge(canary, said))
    }

    /// Looks at what is there now. The storage's word alone decides nothing.
    fn judge(&self, canary: &Canary, said: Option<Said>) -> (Held, String) {
        let said = said.map_or_else(|| "it agreed".to_owned(), |s| s.to_string());
        let call = Call::new("look at", "GET", &canary.name).key(self.bucket.location.key(&canary.name));
        let seen = self.bucket.read_version(&versioned(call, Some(&canary.version)), MAX_SMALL);
        let with = |what: &str| format!("{said}; {what}");
        let is_over =
            self.bucket.storage_clock().is_none_or(|now| now.plus_seconds(MARGIN_SECONDS) >= canary.lock.until);
        match seen {
            _ if is_over => (Held::Unclear, with("the lock ran out while this was tried")),
            Err(e) => (Held::Unclear, with(&e.to_string())),
            Ok(None) => (Held::No, with("the locked version is gone")),
            Ok(Some((_, bytes))) if bytes != BYTES => (Held::No, with("the locked version has other bytes")),
            Ok(Some((Meta { lock: Some(lock), .. }, _))) if lock == canary.lock => (Held::Yes, said),
            Ok(Some((Meta { lock: Some(lock), .. }, _))) => {
                let mode = if lock.mode == Mode::Compliance { "COMPLIANCE" } else { "GOVERNANCE" };
                let is_weaker = lock.mode != Mode::Compliance || lock.until < canary.lock.until;
                let what = format!("the lock is {mode} until {} now", lock.until);
                (if is_weaker { Held::No } else { Held::Yes }, with(&what))
            }
            Ok(Some((Meta { lock: None, .. }, _))) => (Held::No, with("the lock is gone")),
        }
    }

    /// `None` when the storage agreed.
    fn try_it(&self, call: &Call<'_>) -> Result<Option<Said>, S3Error> {
        Ok(match self.bucket.ask(call, MAX_SMALL)? {
            Reply::Good(..) => None,
            Reply::Bad(said) => Some(said),
        })
    }

    fn multi_delete(&self, key: &str, canary: &Canary) -> Result<Option<Said>, S3Error> {
        let body = xml::delete_one(key, &canary.version);
        let call = Call::new("attack", "POST", &canary.name).query("delete", "").body(body.as_bytes());
        Ok(match self.bucket.ask(&call, MAX_SMALL)? {
            Reply::Good(_, bytes) => {
                let codes = xml::delete_errors(&bytes).unwrap_or_default();
                codes.into_iter().next().map(|code| Said { status: 200, code, message: String::new() })
            }
            Reply::Bad(said) => Some(said),
        })
    }

    fn suspend_versioning(&self, canary: &Canary) -> Result<(Held, String), S3Error> {
        let set = |status| {
            let body = xml::versioning_configuration(status);
            self.try_it(&Call::new("attack", "PUT", "").query("versioning", "").body(body.as_bytes()))
        };
        let said = set("Suspended")?;
        let agreed = said.is_none();
        let (held, said) = self.judge(canary, said);
        if !agreed {
            return Ok((held, said));
        }
        // What it agreed to is taken back at once.
        let back = match set("Enabled") {
            Ok(None) => "and was set back",
            _ => "and COULD NOT be set back",
        };
        Ok((Held::No, format!("{said}: versioning was suspended, {back}")))
    }

    /// A default rule protects what is written without a lock of its own. The ledger's objects all have their own, so
    /// what must not happen is that they lose it together with the rule.
    fn remove_default_rule(&self, canary: &Canary) -> Result<(Held, String), S3Error> {
        let rule = match self.bucket.default_rule() {
            Ok(rule) => rule,
            // Who may not see the rule may not remove it either; the attempt will show.
            Err(S3Error::Denied { .. }) => None,
            Err(e) => return Ok((Held::Unclear, e.to_string())),
        };
        let body = xml::lock_configuration(None);
        let call = Call::new("attack", "PUT", "").query("object-lock", "").body(body.as_bytes());
        let said = self.try_it(&call)?;
        let agreed = said.is_none();
        let (held, mut said) = self.judge(canary, said);
        if let Some((mode, unit, number)) = rule.as_ref().filter(|_| agreed) {
            if let Err(e) = self.bucket.set_default_rule(Some((mode, unit, *number))) {
                return Ok((Held::No, format!("{said}; the rule COULD NOT be set back: {e}")));
            }
            said.push_str("; the rule was set back");
        }
        Ok((held, said))
    }
}

/// Removes canaries of earlier probes, as far as the storage lets go of them; how many it was.
///
/// # Errors
/// What the storage or the way to it says.
pub fn sweep(bucket: &Bucket) -> Result<usize, S3Error> {
    let mut swept = 0;
    for version in bucket.versions(&format!("{CANARIES}/"))?.into_iter().take(MAX_SWEPT) {
        // Nothing is ever deleted here that is not named like a canary.
        if !is_canary(&version.name) {
            continue;
        }
        let call = Call::new("remove", "DELETE", &version.name).key(bucket.location.key(&version.name));
        // A refusal means that it is locked still: the next probe finds it again.
        if let Reply::Good(..) = bucket.ask(&versioned(call, Some(&version.id)), MAX_SMALL)? {
            swept += 1;
        }
    }
    Ok(swept)
}

const BYTES: &[u8] = b"countersign: this object is locked, and a probe tries to destroy it\n";
const OTHER_BYTES: &[u8] = b"countersign: a probe put this in the place of a locked object\n";

fn is_canary(name: &str) -> bool {
    name.strip_prefix(CANARIES)
        .and_then(|rest| rest.strip_prefix('/'))
        .is_some_and(|id| id.len() == 16 && id.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_canaries_are_swept() {
        assert!(is_canary("canary/0123456789abcdef"));
        for other in ["canary/0123456789abcde", "canary/0123456789abcdeF", "canary/", "ledger/checkpoint", "canary"] {
            assert!(!is_canary(other), "{other}");
        }
    }

    #[test]
    fn one_breach_decides_and_a_gap_is_no_pass() {
        let report = |held: &[Held]| ProbeReport {
            location: String::new(),
            attempts: Attack::ALL
                .iter()
                .zip(held)
                .map(|(attack, held)| Attempted { attack: *attack, held: *held, said: String::new() })
                .collect(),
            swept: 0,
        };
        assert_eq!(report(&[Held::Yes; 10]).verdict(), Held::Yes);
        assert_eq!(report(&[Held::Yes; 9]).verdict(), Held::Unclear);
        let mut held = [Held::Yes; 10];
        held[4] = Held::Unclear;
        assert_eq!(report(&held).verdict(), Held::Unclear);
        held[9] = Held::No;
        assert_eq!(report(&held).verdict(), Held::No);
    }
}
