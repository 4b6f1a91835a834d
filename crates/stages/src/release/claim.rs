//! `claim`: a person says that unsigned commits are theirs. A claim only ever adds a conflict.

use std::collections::BTreeSet;

use countersign_connect::git::Repository;
use countersign_evidence::act;
use countersign_evidence::statement::Subject;
use countersign_model::event::CommitsClaimed;
use countersign_model::{ActorId, EventKind, PersonId, StreamId};
use countersign_store::handed::Written;
use countersign_store::session::{SessionError, act_statement};
use countersign_store::{Plan, Session};

use super::pen::{Pen, to_sign};

use super::refuse::Attempt;
use crate::Error;

/// The most commits of one act that is signed elsewhere: it names each of them twice, and is sent in base64.
pub const MOST_COMMITS: usize = 10_000;

/// What was claimed.
pub struct Claimed {
    /// Who.
    pub person: PersonId,
    /// The commits, full ids: those that were not claimed before.
    pub commits: Vec<String>,
    /// Log index; [`Written::Already`] when all of them were claimed before.
    pub written: Written<u64>,
}

/// The commits that revisions name, by their full ids; a range (`BASE..HEAD`) names every commit in it.
///
/// # Errors
/// When a revision names no commit.
pub fn commits_of(repository: &Repository, revisions: &[String]) -> Result<BTreeSet<String>, Error> {
    let mut commits = BTreeSet::new();
    for revision in revisions {
        match revision.split_once("..") {
            Some((base, head)) => repository.each_commit(Some(base), head, |c| {
                commits.insert(c.id);
                Ok(())
            })?,
            None => {
                commits.insert(repository.resolve(revision)?);
            }
        }
    }
    Ok(commits)
}

/// Claims commits of the repository of that identity.
///
/// # Errors
/// When trust is not rooted, or the key belongs to nobody.
pub fn claim(session: &mut Session, identity: &str, commits: BTreeSet<String>, pen: Pen<'_>) -> Result<Claimed, Error> {
    session.require_pin()?;
    if session.state().trust().is_none() {
        return Err(Error::NoTrustRoot { act: "claim" });
    }
    let attempt = Attempt { act: "claim", run: None, carry: false };
    let person = pen.author(session, &attempt)?;
    let mut unclaimed = Vec::new();
    for commit in commits {
        if !session.state().claimants(identity, &commit)?.contains(&person) {
            unclaimed.push(commit);
        }
    }
    let commits = unclaimed;
    if commits.is_empty() {
        return Ok(Claimed { person, commits, written: Written::Already });
    }
    let predicate = CommitsClaimed {
        origin: session.state().origin().to_owned(),
        repository: identity.to_owned(),
        commits: commits.clone(),
        by: person.clone(),
        time: pen.time(session, &attempt, &person)?,
    };
    let subject = commits.iter().map(|c| Subject::new(identity, "gitCommit", c.clone())).collect();
    let statement = act_statement(subject, predicate)?;
    let Some(signed) = pen.sign(session, &attempt, &person, act::CLAIM, &statement)? else {
        return Ok(Claimed { written: to_sign(person.clone(), act::CLAIM, statement), person, commits });
    };
    let (appended, ()) = session.transact(|s| {
        let stream = StreamId::from(&person);
        let entry =
            s.act_entry(EventKind::CommitsClaimed, stream, ActorId::from(&person), &signed, Vec::new(), Vec::new())?;
        Ok::<_, Error>((Plan { entries: vec![entry] }, ()))
    })?;
    let index = appended.map(|a| a.first_index).ok_or(SessionError::Contended)?;
    Ok(Claimed { person, commits, written: Written::Done(index) })
}
