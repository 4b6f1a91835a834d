//! What people say of commits: that they are theirs, and what of the findings in them may stand.

use std::collections::BTreeSet;

use countersign_evidence::act;
use countersign_model::event::{CommitsClaimed, SuppressionGranted};
use countersign_model::{EventKind, PersonId, RunId, StreamId};
use countersign_policy::Catalogue;
use countersign_stages::release::claim::{self, MOST_COMMITS};
use countersign_stages::release::pen::Pen;
use countersign_stages::release::suppression::{self, LONGEST_DAYS};
use countersign_store::Session;
use countersign_store::handed::{Away, HandedError, HandedIn, Written};
use countersign_store::projection::RunsAsked;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::schema::{id, kind, line, number};
use super::super::told;
use super::{Act, Asked, Family, Looked, Said, alone, no, read_as, units};
use crate::app::{Scope, Trouble};

pub(super) const FAMILY: Family = Family {
    kinds: &["claim", "suppression-grant"],
    namespaces: &[act::CLAIM, act::SUPPRESSION],
    read: read_as::<OfCommits>,
    of,
    schemas,
};

/// Seconds.
const DAY: i64 = 86_400;

#[derive(Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
enum OfCommits {
    Claim {
        repository: String,
        commits: BTreeSet<String>,
        /// Who signed it.
        #[serde(skip)]
        by: Option<PersonId>,
    },
    SuppressionGrant {
        run: String,
        fingerprints: Vec<String>,
        reason: String,
        days: u16,
        /// The repository and commit of what was signed, which names no run.
        #[serde(skip)]
        signed: Option<(String, String)>,
    },
}

fn schemas() -> Vec<Value> {
    let identity = json!({
        "type": "string", "minLength": 1, "maxLength": 1000, "pattern": "^[!-~]+$", "description": "The repository's identity.",
    });
    let commits = json!({
        "type": "array", "minItems": 1, "maxItems": MOST_COMMITS, "description": "Full ids of commits.",
        "items": {"type": "string", "pattern": "^([0-9a-f]{40}|[0-9a-f]{64})$"},
    });
    let fingerprints = json!({
        "type": "array", "maxItems": MOST_COMMITS, "items": id("A fingerprint, or the start of one."),
        "description": "Which of those that are asked for; none named: all.",
    });
    vec![
        kind(
            "claim",
            "Commits are whoever signs: they approve nothing that covers them.",
            &[("repository", identity), ("commits", commits)],
            &[],
        ),
        kind(
            "suppression-grant",
            "What the judged tree asks not to count does not, for a time.",
            &[
                ("run", id("The run; of those of its commit the newest is meant.")),
                ("fingerprints", fingerprints),
                ("reason", line("Why the risk is accepted.")),
                ("days", number(LONGEST_DAYS, "For how many days.")),
            ],
            &[],
        ),
    ]
}

fn of(handed: &HandedIn) -> Result<Asked, HandedError> {
    alone(handed)?;
    let namespace = handed.namespace();
    Ok(Box::new(match namespace {
        act::CLAIM => {
            let p: CommitsClaimed = handed.said(namespace)?;
            let commits = p.commits.into_iter().collect();
            OfCommits::Claim { repository: p.repository, commits, by: Some(p.by) }
        }
        act::SUPPRESSION => {
            let p: SuppressionGranted = handed.said(namespace)?;
            let commit = handed.commit(namespace).ok_or_else(|| no("it is of no commit"))?;
            OfCommits::SuppressionGrant {
                run: String::new(),
                fingerprints: p.fingerprints.iter().map(ToString::to_string).collect(),
                reason: p.reason,
                days: units(p.time, p.expires, DAY),
                signed: Some((p.repository, commit.to_owned())),
            }
        }
        _ => return Err(no("it is no act about commits")),
    }))
}

/// The newest run of a commit.
fn newest(session: &Session, repository: &str, commit: &str) -> Result<Option<RunId>, Trouble> {
    let asked =
        RunsAsked { repository: Some(repository.to_owned()), commit: Some(commit.to_owned()), ..RunsAsked::default() };
    Ok(session.state().runs_page(&asked, 1)?.pop().map(|line| line.id))
}

impl OfCommits {
    /// The run that a grant is about: the newest of the commit, since what is signed names the commit.
    fn run(&self, session: &Session) -> Result<RunId, Trouble> {
        let Self::SuppressionGrant { run, signed, .. } = self else { return Ok(RunId::from_text("")) };
        let asked = RunId::from_text(run);
        let of = match signed {
            Some(of) => Some(of.clone()),
            None => session.state().run(&asked)?.and_then(|row| Some((row.identity?, row.commit))),
        };
        let newest = of.map(|(repository, commit)| newest(session, &repository, &commit)).transpose()?.flatten();
        // What is not there is told by the use case.
        Ok(newest.unwrap_or(asked))
    }
}

impl Act for OfCommits {
    fn command(&self) -> &'static str {
        match self {
            Self::Claim { .. } => "claim",
            Self::SuppressionGrant { .. } => "suppression grant",
        }
    }

    fn event(&self) -> EventKind {
        match self {
            Self::Claim { .. } => EventKind::CommitsClaimed,
            Self::SuppressionGrant { .. } => EventKind::SuppressionGranted,
        }
    }

    fn stream(&self, _: &HandedIn) -> Result<Option<StreamId>, HandedError> {
        Ok(match self {
            Self::Claim { by, .. } => by.as_ref().map(StreamId::from),
            Self::SuppressionGrant { .. } => None,
        })
    }

    fn inside(&self, session: &Session, scope: &Scope) -> Result<(&'static str, bool), Trouble> {
        Ok(match self {
            Self::Claim { repository, .. } => ("repository", scope.has_repository(repository)),
            Self::SuppressionGrant { .. } => ("run", scope.has_run(session.state(), &self.run(session)?)?),
        })
    }

    fn looked_at(&self, session: &Session) -> Result<Looked, Trouble> {
        match self {
            Self::Claim { .. } => Ok(Looked::default()),
            Self::SuppressionGrant { .. } => {
                let run = self.run(session)?;
                let asked = suppression::requested(session, &run).map_err(|e| told(&e))?;
                let rows: Vec<Value> = asked.iter().map(|(f, state)| suppression::to_json(f, *state)).collect();
                Looked::at(&json!({"run": run, "asked": rows}), json!({"run": run, "suppressions": rows}))
            }
        }
    }

    fn say(&self, session: &mut Session, _: &Catalogue, away: Away<'_>) -> Result<Written<u64>, Trouble> {
        let pen = Pen::Away(away);
        match self {
            Self::Claim { repository, commits, .. } => {
                let is_id = |c: &String| {
                    matches!(c.len(), 40 | 64) && c.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
                };
                if repository.is_empty()
                    || commits.is_empty()
                    || commits.len() > MOST_COMMITS
                    || !commits.iter().all(is_id)
                {
                    return Err(Trouble::bad_body("repository and commits are not as the document says"));
                }
                let claimed = claim::claim(session, repository, commits.clone(), pen).map_err(|e| told(&e))?;
                Ok(claimed.written)
            }
            Self::SuppressionGrant { fingerprints, reason, days, .. } => {
                if !(1..=LONGEST_DAYS).contains(days) {
                    return Err(Trouble::bad_body("the days are not as the document says"));
                }
                let run = self.run(session)?;
                let granted = suppression::grant(session, &run, fingerprints, reason, *days, pen);
                granted.map(|said| said.map(|granted| granted.index)).map_err(|e| told(&e))
            }
        }
    }

    fn already(&self, _: &mut Session) -> Result<Value, Trouble> {
        Ok(json!({"version": 1, "commits": [], "index": null}))
    }

    fn result(&self, _: &mut Session, said: &Said<'_>) -> Result<Value, Trouble> {
        let commits = |p: CommitsClaimed| json!({"person": p.by, "commits": p.commits});
        match self {
            Self::Claim { .. } => Ok(said.with(commits(said.handed.said(act::CLAIM).map_err(|e| told(&e))?))),
            Self::SuppressionGrant { .. } => {
                let p: SuppressionGranted = said.handed.said(act::SUPPRESSION).map_err(|e| told(&e))?;
                Ok(said.with(json!({"by": p.by, "fingerprints": p.fingerprints, "expires": p.expires})))
            }
        }
    }
}
