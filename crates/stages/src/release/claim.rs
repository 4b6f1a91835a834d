//! `claim`: a person says that unsigned commits are theirs. A claim only ever adds a conflict.

use std::collections::BTreeSet;

use countersign_connect::SshSigner;
use countersign_connect::git::Repository;
use countersign_evidence::act::{self, SignedAct};
use countersign_evidence::statement::Subject;
use countersign_model::event::CommitsClaimed;
use countersign_model::{ActorId, EventKind, PersonId, StreamId};
use countersign_store::session::act_statement;
use countersign_store::{Plan, Session};

use super::refuse::{self, Attempt};
use crate::Error;

/// What was claimed.
pub struct Claimed {
    /// Who.
    pub person: PersonId,
    /// The commits, full ids.
    pub commits: Vec<String>,
    /// Log index; `None` when all of them were claimed before.
    pub index: Option<u64>,
}

/// Claims the commits that the revisions name.
///
/// # Errors
/// When trust is not rooted, the key belongs to nobody, or a revision names no commit.
pub fn claim(
    session: &mut Session,
    repository: &Repository,
    revisions: &[String],
    signer: &SshSigner,
) -> Result<Claimed, Error> {
    session.require_pin()?;
    if session.state().trust().is_none() {
        return Err(Error::NoTrustRoot { act: "claim" });
    }
    let attempt = Attempt { act: "claim", run: None, carry: false };
    let person = refuse::signer(session, &attempt, signer)?;
    let identity = repository.identity()?.ok_or(Error::Unidentified)?;
    let mut commits = BTreeSet::new();
    for revision in revisions {
        match revision.split_once("..") {
            // A range claims every commit in it.
            Some((base, head)) => repository.each_commit(Some(base), head, |c| {
                commits.insert(c.id);
                Ok(())
            })?,
            None => {
                commits.insert(repository.resolve(revision)?);
            }
        }
    }
    let mut unclaimed = Vec::new();
    for commit in commits {
        if !session.state().claimants(&identity, &commit)?.contains(&person) {
            unclaimed.push(commit);
        }
    }
    let commits = unclaimed;
    if commits.is_empty() {
        return Ok(Claimed { person, commits, index: None });
    }
    let predicate = CommitsClaimed {
        origin: session.state().origin().to_owned(),
        repository: identity.clone(),
        commits: commits.clone(),
        by: person.clone(),
        time: session.now(),
    };
    let subject = commits.iter().map(|c| Subject::new(identity.clone(), "gitCommit", c.clone())).collect();
    let statement = act_statement(subject, predicate)?;
    let armored = signer.sign(act::CLAIM, &statement)?;
    let signed = SignedAct::new(act::CLAIM, &statement, &armored, &signer.public_key())?;
    let (appended, ()) = session.transact(|s| {
        let stream = StreamId::from(&person);
        let entry =
            s.act_entry(EventKind::CommitsClaimed, stream, ActorId::from(&person), &signed, Vec::new(), Vec::new())?;
        Ok::<_, Error>((Plan { entries: vec![entry] }, ()))
    })?;
    Ok(Claimed { person, commits, index: appended.map(|a| a.first_index) })
}
