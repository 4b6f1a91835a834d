//! What was seen running in an environment, and where that differs from what was let through (NIST SP 800-53 CM-8, SI-7, CM-6(2)).
//!
//! A snapshot is what a machine saw; drift follows from it and from the log, so every reader comes to the same.

use serde::{Deserialize, Serialize};

use crate::event::{Predicate, predicates};
use crate::submission::SentBy;
use crate::{Digest, GrantId, Outcome, RunId, Timestamp};

/// The most that one snapshot holds.
pub const MOST_SEEN: usize = 20_000;
/// The longest name of something that runs, in bytes.
pub const LONGEST_NAME: usize = 512;

/// How it was seen what runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Observed {
    /// The pods of a cluster, as its API lists them.
    Kubernetes,
    /// Digests that another program computed of files.
    Sums,
    /// Files, digested by this program.
    Files,
}

impl Observed {
    /// Every way.
    pub const ALL: [Self; 3] = [Self::Kubernetes, Self::Sums, Self::Files];

    /// The text form.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Kubernetes => "kubernetes",
            Self::Sums => "sums",
            Self::Files => "files",
        }
    }

    /// Reads the text form.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|way| way.as_str() == text)
    }
}

impl std::fmt::Display for Observed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// Something that was seen running.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seen {
    /// What it is called there: a container's image, a file.
    pub name: String,
    /// Its digest.
    pub digest: Digest,
    /// In how many places.
    pub count: u32,
    /// The grant of the deployment that is known of it: the one that should run here, else the last one anywhere that put it there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<GrantId>,
    /// That deployment's run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
}

/// What is wrong with something that runs, or does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DriftKind {
    /// It runs, and no recorded deployment ever put it anywhere.
    Unknown,
    /// It runs, and was deployed, but never here.
    Elsewhere,
    /// It runs, and another deployment of the same repository took its place.
    Replaced,
    /// It was deployed here last, and does not run.
    Missing,
}

impl DriftKind {
    /// Every kind, the worst first.
    pub const ALL: [Self; 4] = [Self::Unknown, Self::Elsewhere, Self::Replaced, Self::Missing];

    /// The text form.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Elsewhere => "elsewhere",
            Self::Replaced => "replaced",
            Self::Missing => "missing",
        }
    }

    /// What it means, in words.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Unknown => "runs, and no recorded deployment put it anywhere",
            Self::Elsewhere => "runs, and was never deployed here",
            Self::Replaced => "runs still, and another deployment took its place",
            Self::Missing => "was deployed here, and does not run",
        }
    }

    /// Reads the text form.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

impl std::fmt::Display for DriftKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// A difference between what runs and what was let through. In an environment it is told apart by kind, digest and name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Drift {
    /// What is wrong.
    pub kind: DriftKind,
    /// The digest of what runs, or should.
    pub digest: Digest,
    /// What it is called where it runs; of what is missing, as it was recorded.
    pub name: String,
    /// The grant of the deployment that is known of it; of what is missing, of the one that should run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<GrantId>,
    /// That deployment's run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
}

impl Drift {
    /// Whether it is the same difference, whatever is known of who put it there.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.identity() == other.identity()
    }

    /// What makes it this difference of its environment, whatever is known of who put it there.
    #[must_use]
    pub fn identity(&self) -> (DriftKind, &Digest, &str) {
        (self.kind, &self.digest, &self.name)
    }

    /// What to do about it: words, and the command that does it, where one does.
    #[must_use]
    pub fn fix(&self, environment: &str) -> (&'static str, Option<String>) {
        let again = self.run.as_ref().map(|run| format!("countersign deploy {run} --env {environment}"));
        match self.kind {
            DriftKind::Unknown => (
                "take it out, and find out who put it there; if it is to stay, it comes in by a run that is approved",
                None,
            ),
            DriftKind::Elsewhere => ("take it out, or deploy it here", again),
            DriftKind::Replaced => ("let the newer deployment finish, or roll back by a deployment of its own", None),
            DriftKind::Missing => ("deploy it again", again),
        }
    }
}

predicates! {
    /// What ran in an environment at a moment, and where that differed from what was let through.
    SnapshotTaken: "snapshot" {
        /// The environment.
        environment: String,
        /// How it was seen.
        observed: Observed,
        /// The applications that were looked at, sorted; none: all of the environment.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        applications: Vec<String>,
        /// What ran, sorted.
        seen: Vec<Seen>,
        /// What ran and whose digest could not be told, sorted.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        untold: Vec<String>,
        /// Where it differed, sorted. It follows from what was seen and from the log before this entry.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        drift: Vec<Drift>,
        /// Who said over the network what runs; none: it was looked at where the ledger is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sent: Option<SentBy>,
        /// When.
        time: Timestamp,
    }

    /// Differences that the snapshot before did not have.
    DriftDetected: "drift" {
        /// The environment.
        environment: String,
        /// What is new, sorted.
        drift: Vec<Drift>,
        /// When.
        time: Timestamp,
    }
}

impl SnapshotTaken {
    /// Whether another says the same of another moment.
    #[must_use]
    pub fn says_the_same(&self, other: &Self) -> bool {
        Self { time: other.time, ..self.clone() } == *other
    }

    /// What it comes to: drift fails, what could not be told is an error, else it passes.
    #[must_use]
    pub const fn outcome(&self) -> Outcome {
        match (self.drift.is_empty(), self.untold.is_empty()) {
            (false, _) => Outcome::Fail,
            (true, false) => Outcome::Error,
            (true, true) => Outcome::Pass,
        }
    }

    /// Whether its lists are in the one form that they have: sorted, nothing twice, nothing without a name, and not too many.
    ///
    /// # Errors
    /// What is not.
    pub fn check(&self) -> Result<(), String> {
        let sorted = |ok: bool, what: &str| {
            if ok { Ok(()) } else { Err(format!("its {what} are not sorted, or one is there twice")) }
        };
        sorted(self.applications.is_sorted_by(|a, b| a < b), "applications")?;
        sorted(self.seen.is_sorted_by(|a, b| (&a.name, &a.digest) < (&b.name, &b.digest)), "running parts")?;
        sorted(self.untold.is_sorted_by(|a, b| a < b), "untold parts")?;
        sorted(self.drift.is_sorted_by(|a, b| a < b), "differences")?;
        let runs = |d: &Drift| self.seen.iter().any(|s| s.digest == d.digest && s.name == d.name);
        if !self.drift.iter().all(|d| (d.kind == DriftKind::Missing) != runs(d)) {
            return Err("a difference is of something that does not run, or something that runs is missing".to_owned());
        }
        if self.seen.len() + self.untold.len() > MOST_SEEN {
            return Err(format!("it holds more than {MOST_SEEN} parts"));
        }
        let is_name = |name: &str| !name.is_empty() && name.len() <= LONGEST_NAME && !name.contains(char::is_control);
        if !self.seen.iter().map(|s| &s.name).chain(&self.untold).all(|name| is_name(name)) {
            return Err(format!(
                "a part of it has no name, or one of more than {LONGEST_NAME} bytes or with control characters"
            ));
        }
        if self.seen.iter().any(|s| s.count == 0) {
            return Err("a part of it runs nowhere".to_owned());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(seen: &[(&str, &str)], untold: &[&str]) -> SnapshotTaken {
        let seen = seen.iter().map(|(n, d)| Seen {
            name: (*n).into(),
            digest: Digest::of(d.as_bytes()),
            count: 1,
            grant: None,
            run: None,
        });
        SnapshotTaken {
            environment: "production".into(),
            observed: Observed::Sums,
            applications: Vec::new(),
            seen: seen.collect(),
            untold: untold.iter().map(|t| (*t).to_owned()).collect(),
            drift: Vec::new(),
            sent: None,
            time: Timestamp::from_millis(0),
        }
    }

    #[test]
    fn a_snapshot_has_one_form() {
        assert_eq!(snapshot(&[("a", "1"), ("b", "1")], &["x"]).check(), Ok(()));
        for (bad, why) in [
            (snapshot(&[("b", "1"), ("a", "1")], &[]), "running parts"),
            (snapshot(&[("a", "1"), ("a", "1")], &[]), "running parts"),
            (snapshot(&[("", "1")], &[]), "no name"),
            (snapshot(&[("a\n", "1")], &[]), "control characters"),
            (snapshot(&[(&"a".repeat(513), "1")], &[]), "512 bytes"),
            (snapshot(&[], &["b", "a"]), "untold parts"),
            (SnapshotTaken { applications: vec!["b".into(), "a".into()], ..snapshot(&[], &[]) }, "applications"),
        ] {
            assert!(bad.check().unwrap_err().contains(why), "{why}");
        }
        let mut nowhere = snapshot(&[("a", "1")], &[]);
        nowhere.seen[0].count = 0;
        assert!(nowhere.check().unwrap_err().contains("nowhere"));
    }

    #[test]
    fn drift_fails_and_what_is_untold_is_an_error() {
        assert_eq!(snapshot(&[("a", "1")], &[]).outcome(), Outcome::Pass);
        assert_eq!(snapshot(&[], &["x"]).outcome(), Outcome::Error);
        let digest = Digest::of(b"1");
        let drift = vec![Drift { kind: DriftKind::Unknown, digest, name: "a".into(), grant: None, run: None }];
        assert_eq!(SnapshotTaken { drift, ..snapshot(&[], &["x"]) }.outcome(), Outcome::Fail);
    }

    #[test]
    fn words_are_read_back() {
        for kind in DriftKind::ALL {
            assert_eq!(DriftKind::from_text(kind.as_str()), Some(kind));
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
        for way in Observed::ALL {
            assert_eq!(Observed::from_text(way.as_str()), Some(way));
            assert_eq!(serde_json::to_value(way).unwrap(), way.as_str());
        }
    }
}
