//! Trust policies (C2SP tlog-policy): which logs are known, which witnesses, and how many of them are enough.

use std::collections::BTreeSet;

use crate::Error;
use crate::checkpoint::{self, Checkpoint, Extensions};
use crate::cosignature::time_of;
use crate::encoding::from_decimal;
use crate::note::{Verified, VerifierKey};

/// Bytes of the largest policy that is read.
pub const MAX_BYTES: usize = 1 << 20;
/// Logs, witnesses and groups, of each, in the largest policy; the specification asks for 32.
const MAX_ITEMS: usize = 256;

/// A log whose checkpoints are accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownLog {
    /// Its verifier key; the name is the log's origin.
    pub key: VerifierKey,
    /// Where it is published.
    pub url: Option<String>,
}

/// A witness.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Witness {
    /// Its name in this policy.
    pub name: String,
    /// Its verifier key.
    pub key: VerifierKey,
    /// Where checkpoints are submitted to it: what stands before `/add-checkpoint`.
    pub url: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Group {
    name: String,
    threshold: usize,
    members: Vec<Name>,
}

/// A witness or a group, by its position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Name {
    Witness(usize),
    Group(usize),
}

/// A policy as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustPolicy {
    logs: Vec<KnownLog>,
    witnesses: Vec<Witness>,
    groups: Vec<Group>,
    /// None for `quorum none`.
    quorum: Option<Name>,
}

/// A cosignature that counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cosignature {
    /// The witness's name in the policy.
    pub witness: String,
    /// When it was made, by the witness's clock, in seconds since the Unix epoch.
    pub time: u64,
}

/// How a checkpoint stands with a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// What the log signed.
    pub checkpoint: Checkpoint,
    /// Cosignatures of the policy's witnesses, each verified.
    pub cosignatures: Vec<Cosignature>,
    /// Witnesses that did not cosign, by name.
    pub missing: Vec<String>,
    /// Whether those that did are enough.
    pub quorum: bool,
}

impl TrustPolicy {
    /// Reads a policy. Names and URLs must be UTF-8; comments need not be.
    ///
    /// # Errors
    /// [`Error::TrustPolicy`] with the number of the line that is wrong.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        Reader::default().read(bytes)
    }

    /// The logs.
    #[must_use]
    pub fn logs(&self) -> &[KnownLog] {
        &self.logs
    }

    /// The witnesses.
    #[must_use]
    pub fn witnesses(&self) -> &[Witness] {
        &self.witnesses
    }

    /// Whether the policy asks for any cosignature.
    #[must_use]
    pub const fn asks_for_witnesses(&self) -> bool {
        self.quorum.is_some()
    }

    /// The keys of logs and witnesses.
    #[must_use]
    pub fn keys(&self) -> Vec<VerifierKey> {
        let logs = self.logs.iter().map(|log| log.key.clone());
        logs.chain(self.witnesses.iter().map(|witness| witness.key.clone())).collect()
    }

    /// The quorum, in the words of the policy: `2 of (a, b, c)`.
    #[must_use]
    pub fn quorum_text(&self) -> String {
        self.quorum.map_or_else(|| "none".to_owned(), |name| self.name_text(name))
    }

    fn name_text(&self, name: Name) -> String {
        match name {
            Name::Witness(at) => self.witnesses.get(at).map(|w| w.name.clone()).unwrap_or_default(),
            // Groups hold only what stands before them, so this ends; a policy has 256 of them at most.
            Name::Group(at) => self.groups.get(at).map_or_else(String::new, |group| {
                let members: Vec<_> = group.members.iter().map(|m| self.member_text(*m)).collect();
                format!("{} of ({})", group.threshold, members.join(", "))
            }),
        }
    }

    fn member_text(&self, name: Name) -> String {
        match name {
            Name::Witness(_) => self.name_text(name),
            Name::Group(at) => self.groups.get(at).map(|g| format!("group {}", g.name)).unwrap_or_default(),
        }
    }

    /// Whether these witnesses, by position, are enough.
    fn is_met(&self, signed: &BTreeSet<usize>) -> bool {
        let Some(quorum) = self.quorum else { return true };
        // In the order of their lines, a group's members are decided before it.
        let mut groups: Vec<bool> = Vec::with_capacity(self.groups.len());
        let decided = |name: &Name, groups: &[bool]| match name {
            Name::Witness(at) => signed.contains(at),
            Name::Group(at) => groups.get(*at).copied().unwrap_or(false),
        };
        for group in &self.groups {
            let have = group.members.iter().filter(|m| decided(m, &groups)).count();
            groups.push(have >= group.threshold);
        }
        decided(&quorum, &groups)
    }

    /// Opens a signed checkpoint: one of the policy's logs must have signed it. Whether enough witnesses did is in the
    /// answer.
    ///
    /// # Errors
    /// As [`checkpoint::open`]; a cosignature of a known witness that does not verify rejects the checkpoint.
    pub fn examine(&self, signed: &[u8]) -> Result<Standing, Error> {
        self.examine_with(signed, &[])
    }

    /// As [`TrustPolicy::examine`], with keys of logs that are known from elsewhere beside those of the policy.
    ///
    /// # Errors
    /// As [`TrustPolicy::examine`].
    pub fn examine_with(&self, signed: &[u8], logs: &[VerifierKey]) -> Result<Standing, Error> {
        let mut keys: Vec<_> = self.witnesses.iter().map(|witness| witness.key.clone()).collect();
        keys.extend(self.logs.iter().map(|log| log.key.clone()));
        keys.extend(logs.iter().filter(|key| key.algorithm().is_for_logs()).cloned());
        let (checkpoint, verified) = checkpoint::open_verified(signed, &keys, Extensions::Ignored)?;
        // A witness named like the log does not make the log's signature unnecessary.
        let is_log = |key: usize| {
            let key = keys.get(key).filter(|_| key >= self.witnesses.len());
            key.is_some_and(|k| k.name() == checkpoint.origin)
        };
        if !verified.by.iter().any(|key| is_log(*key)) {
            return Err(Error::NoKnownSigner);
        }
        Ok(self.standing(checkpoint, &verified))
    }

    fn standing(&self, checkpoint: Checkpoint, verified: &Verified) -> Standing {
        let mut times = vec![None; self.witnesses.len()];
        for (signature, key) in verified.signatures.iter().zip(&verified.by) {
            if let Some(time) = times.get_mut(*key) {
                *time = time_of(signature).max(*time);
            }
        }
        let signed = (0..times.len()).filter(|at| times[*at].is_some()).collect();
        let mut standing =
            Standing { checkpoint, cosignatures: Vec::new(), missing: Vec::new(), quorum: self.is_met(&signed) };
        for (witness, time) in self.witnesses.iter().zip(times) {
            match time {
                Some(time) => standing.cosignatures.push(Cosignature { witness: witness.name.clone(), time }),
                None => standing.missing.push(witness.name.clone()),
            }
        }
        standing
    }

    /// Opens a signed checkpoint and asks for the quorum.
    ///
    /// # Errors
    /// As [`TrustPolicy::examine`]; [`Error::Quorum`] when not enough witnesses cosigned it.
    pub fn open(&self, signed: &[u8]) -> Result<Standing, Error> {
        self.require(self.examine(signed)?)
    }

    /// The same standing, when the quorum is met.
    ///
    /// # Errors
    /// [`Error::Quorum`].
    pub fn require(&self, standing: Standing) -> Result<Standing, Error> {
        if standing.quorum {
            return Ok(standing);
        }
        let signed: Vec<_> = standing.cosignatures.into_iter().map(|c| c.witness).collect();
        let signed = if signed.is_empty() { "none".to_owned() } else { signed.join(", ") };
        Err(Error::Quorum { asked: self.quorum_text(), signed })
    }
}

/// A policy while it is read.
#[derive(Default)]
struct Reader {
    logs: Vec<KnownLog>,
    witnesses: Vec<Witness>,
    groups: Vec<Group>,
    quorum: Option<Option<Name>>,
    /// Names that are members already: each may be once, so that a witness counts once.
    used: BTreeSet<String>,
}

impl Reader {
    fn read(mut self, bytes: &[u8]) -> Result<TrustPolicy, Error> {
        let whole = |what| Error::TrustPolicy { line: 0, what };
        if bytes.len() > MAX_BYTES {
            return Err(whole("it is larger than 1 MiB"));
        }
        let lines = bytes.strip_suffix(b"\n").ok_or_else(|| whole("it does not end with a newline"))?;
        for (at, line) in lines.split(|b| *b == b'\n').enumerate() {
            self.line(line).map_err(|what| Error::TrustPolicy { line: at + 1, what })?;
        }
        let quorum = self.quorum.ok_or_else(|| whole("it has no line `quorum`"))?;
        Ok(TrustPolicy { logs: self.logs, witnesses: self.witnesses, groups: self.groups, quorum })
    }

    fn line(&mut self, line: &[u8]) -> Result<(), &'static str> {
        if line.iter().any(|b| (*b < 0x20 && *b != b'\t') || *b == 0x7f) {
            return Err("it holds control characters");
        }
        let blank = |b: &u8| *b == b' ' || *b == b'\t';
        if line.iter().find(|b| !blank(b)).is_none_or(|b| *b == b'#') {
            return Ok(());
        }
        let line = std::str::from_utf8(line).map_err(|_| "it is not UTF-8")?;
        let mut items = line.split([' ', '\t']).filter(|item| !item.is_empty());
        let kind = items.next().unwrap_or_default();
        let items: Vec<_> = items.collect();
        match (kind, items.as_slice()) {
            ("log", [key]) => self.log(key, None),
            ("log", [key, url]) => self.log(key, Some(url)),
            ("log", _) => Err("a log reads `log VKEY [URL]`"),
            ("witness", [name, key]) => self.witness(name, key, None),
            ("witness", [name, key, url]) => self.witness(name, key, Some(url)),
            ("witness", _) => Err("a witness reads `witness NAME VKEY [URL]`"),
            ("group", [name, threshold, members @ ..]) if !members.is_empty() => self.group(name, threshold, members),
            ("group", _) => Err("a group reads `group NAME any|all|K MEMBER…`"),
            ("quorum", [name]) => self.quorum(name),
            ("quorum", _) => Err("a quorum reads `quorum NAME` or `quorum none`"),
            _ => Err("it begins with none of `log`, `witness`, `group`, `quorum`"),
        }
    }

    fn log(&mut self, key: &str, url: Option<&&str>) -> Result<(), &'static str> {
        let key = VerifierKey::parse(key).map_err(reason)?;
        if !key.algorithm().is_for_logs() {
            return Err("a key of this algorithm does not sign for logs");
        }
        self.unused(&key)?;
        full(self.logs.len())?;
        self.logs.push(KnownLog { key, url: url.map(|u| (*u).to_owned()) });
        Ok(())
    }

    fn witness(&mut self, name: &str, key: &str, url: Option<&&str>) -> Result<(), &'static str> {
        let key = VerifierKey::parse(key).map_err(reason)?;
        if !key.algorithm().is_for_witnesses() {
            return Err("a key of this algorithm does not cosign");
        }
        self.unused(&key)?;
        self.free(name)?;
        full(self.witnesses.len())?;
        self.witnesses.push(Witness { name: name.to_owned(), key, url: url.map(|u| (*u).to_owned()) });
        Ok(())
    }

    /// A key stands for one thing: the same one twice would count twice, and a log cannot witness itself.
    fn unused(&self, key: &VerifierKey) -> Result<(), &'static str> {
        let mut keys = self.logs.iter().map(|l| &l.key).chain(self.witnesses.iter().map(|w| &w.key));
        if keys.any(|k| k.raw() == key.raw()) { Err("its key is on an earlier line already") } else { Ok(()) }
    }

    fn free(&self, name: &str) -> Result<(), &'static str> {
        if name == "none" {
            return Err("the name `none` has a meaning of its own");
        }
        if self.find(name).is_some() { Err("its name is on an earlier line already") } else { Ok(()) }
    }

    fn find(&self, name: &str) -> Option<Name> {
        let witness = self.witnesses.iter().position(|w| w.name == name).map(Name::Witness);
        witness.or_else(|| self.groups.iter().position(|g| g.name == name).map(Name::Group))
    }

    fn group(&mut self, name: &str, threshold: &str, members: &[&str]) -> Result<(), &'static str> {
        self.free(name)?;
        full(self.groups.len())?;
        let mut found = Vec::new();
        for member in members {
            found.push(self.find(member).ok_or("a member is on no earlier line")?);
            if !self.used.insert((*member).to_owned()) {
                return Err("a member is in a group already");
            }
        }
        let threshold = match threshold {
            "any" => 1,
            "all" => found.len(),
            number => from_decimal(number)
                .and_then(|k| usize::try_from(k).ok())
                .filter(|k| (1..=found.len()).contains(k))
                .ok_or("the threshold is not `any`, `all` or a number from 1 to the number of members")?,
        };
        self.groups.push(Group { name: name.to_owned(), threshold, members: found });
        Ok(())
    }

    fn quorum(&mut self, name: &str) -> Result<(), &'static str> {
        if self.quorum.is_some() {
            return Err("there is a quorum on an earlier line already");
        }
        let quorum = match name {
            "none" => None,
            name => Some(self.find(name).ok_or("the quorum is on no earlier line")?),
        };
        self.quorum = Some(quorum);
        Ok(())
    }
}

const fn full(count: usize) -> Result<(), &'static str> {
    if count < MAX_ITEMS { Ok(()) } else { Err("there are more than 256 of its kind") }
}

fn reason(error: Error) -> &'static str {
    match error {
        Error::VerifierKey(what) => what,
        _ => "its key is malformed",
    }
}
