//! Where what runs differs from what was let through. Pure: what is known of deployments comes in, differences come out.

use std::collections::{BTreeMap, BTreeSet};

use countersign_model::event::Artifact;
use countersign_model::snapshot::{Drift, DriftKind, Seen};
use countersign_model::{Digest, GrantId, RunId};

/// A deployment to the environment: the newest one of a repository that succeeded, or one that is under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Let {
    /// The repository's identity.
    pub(super) repository: String,
    /// The grant.
    pub(super) grant: GrantId,
    /// The run.
    pub(super) run: RunId,
    /// What it permitted; nothing where no artifact was recorded.
    pub(super) artifacts: Vec<Artifact>,
    /// Whether what is looked at would show it.
    pub(super) covered: bool,
}

/// What is known of an artifact that should not run here now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Known {
    /// Whether it was deployed here once.
    pub(super) here: bool,
    /// The grant of its newest deployment, here if there was one.
    pub(super) grant: GrantId,
    /// Its run.
    pub(super) run: RunId,
}

/// Holds what runs against what was let through. `known` tells what is known of an artifact that nothing lets run here.
///
/// Of a deployment with several artifacts one that is seen is enough: an archive of signatures or an image for another machine never
/// shows up among what runs. What is being deployed may run already, and what it replaces may be gone.
pub(super) fn compare<E>(
    running: &BTreeMap<(String, Digest), u32>,
    last: &[Let],
    under_way: &[Let],
    mut known: impl FnMut(&Digest) -> Result<Option<Known>, E>,
) -> Result<(Vec<Seen>, Vec<Drift>), E> {
    let mut lets: BTreeMap<Digest, &Let> = BTreeMap::new();
    for one in under_way.iter().chain(last) {
        lets.extend(one.artifacts.iter().map(|a| (a.digest, one)));
    }
    let (mut seen, mut drift) = (Vec::with_capacity(running.len()), BTreeSet::new());
    for ((name, digest), count) in running {
        let mut one = Seen { name: name.clone(), digest: *digest, count: *count, grant: None, run: None };
        if let Some(by) = lets.get(digest) {
            (one.grant, one.run) = (Some(by.grant.clone()), Some(by.run.clone()));
        } else {
            let found = known(digest)?;
            let kind = match &found {
                None => DriftKind::Unknown,
                Some(k) if k.here => DriftKind::Replaced,
                Some(_) => DriftKind::Elsewhere,
            };
            (one.grant, one.run) = found.map_or((None, None), |k| (Some(k.grant), Some(k.run)));
            let (grant, run) = (one.grant.clone(), one.run.clone());
            drift.insert(Drift { kind, digest: *digest, name: name.clone(), grant, run });
        }
        seen.push(one);
    }
    let digests: BTreeSet<&Digest> = running.keys().map(|(_, digest)| digest).collect();
    let changing: BTreeSet<&str> = under_way.iter().map(|one| one.repository.as_str()).collect();
    for one in last.iter().filter(|one| one.covered && !changing.contains(one.repository.as_str())) {
        let first = one.artifacts.iter().min();
        if let Some(artifact) = first.filter(|_| !one.artifacts.iter().any(|a| digests.contains(&a.digest))) {
            let (grant, run) = (Some(one.grant.clone()), Some(one.run.clone()));
            let (kind, digest) = (DriftKind::Missing, artifact.digest);
            drift.insert(Drift { kind, digest, name: artifact.name.clone(), grant, run });
        }
    }
    Ok((seen, drift.into_iter().collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(text: &str) -> Digest {
        Digest::of(text.as_bytes())
    }

    fn one(repository: &str, artifacts: &[&str]) -> Let {
        Let {
            repository: repository.into(),
            grant: GrantId::from_text(format!("gra-{repository}")),
            run: RunId::from_text(format!("run-{repository}")),
            artifacts: artifacts.iter().map(|a| Artifact { name: (*a).into(), digest: digest(a) }).collect(),
            covered: true,
        }
    }

    fn looked(running: &[&str], last: &[Let], under_way: &[Let]) -> Vec<(DriftKind, String)> {
        let running = running.iter().map(|r| ((format!("c-{r}"), digest(r)), 1)).collect();
        let known = |d: &Digest| -> Result<_, std::convert::Infallible> {
            let found = |here, id: &str| Some(Known { here, grant: GrantId::from_text(id), run: RunId::from_text(id) });
            Ok(if *d == digest("old") {
                found(true, "old")
            } else if *d == digest("test") {
                found(false, "test")
            } else {
                None
            })
        };
        let (seen, drift) = compare(&running, last, under_way, known).unwrap();
        assert_eq!(seen.len(), running.len());
        for s in &seen {
            let differs = drift.iter().find(|d| d.digest == s.digest);
            assert_eq!(s.grant.is_none(), differs.is_some_and(|d| d.kind == DriftKind::Unknown), "{}", s.name);
        }
        drift.into_iter().map(|d| (d.kind, d.name)).collect()
    }

    #[test]
    fn what_was_deployed_last_runs_and_nothing_else() {
        let last = [one("pay", &["pay"]), one("web", &["web", "web.sig"])];
        assert_eq!(looked(&["pay", "web"], &last, &[]), []);
        let found = looked(&["pay", "web", "old", "test", "mine"], &last, &[]);
        let wanted = [(DriftKind::Unknown, "c-mine"), (DriftKind::Elsewhere, "c-test"), (DriftKind::Replaced, "c-old")];
        assert_eq!(found, wanted.map(|(kind, name)| (kind, name.to_owned())));
    }

    #[test]
    fn a_deployment_of_which_nothing_is_seen_is_missing() {
        let last = [one("pay", &["pay"]), one("web", &["web", "web.sig"]), one("tree", &[])];
        assert_eq!(looked(&["web"], &last, &[]), [(DriftKind::Missing, "pay".to_owned())]);
        let elsewhere = [Let { covered: false, ..one("pay", &["pay"]) }];
        assert_eq!(looked(&[], &elsewhere, &[]), []);
    }

    #[test]
    fn what_is_being_deployed_may_run_and_what_it_replaces_may_be_gone() {
        let last = [one("pay", &["pay"])];
        assert_eq!(looked(&["pay2"], &last, &[one("pay", &["pay2"])]), []);
        assert_eq!(looked(&["pay"], &last, &[one("pay", &["pay2"])]), []);
        assert_eq!(looked(&[], &last, &[one("web", &["web"])]), [(DriftKind::Missing, "pay".to_owned())]);
    }

    #[test]
    fn an_artifact_of_two_deployments_is_let_run_by_the_last_of_either() {
        assert_eq!(looked(&["base"], &[one("pay", &["base"]), one("web", &["base"])], &[]), []);
    }
}
