//! What a run's workload proves of itself: an identity token of its CI system, verified under the issuers in effect, that goes with
//! the run's commit and repository. A token counts once.
//!
//! Control objective: what pipeline ran, on whose order and on which machine is not what its variables say.
//! Regulatory mapping: NIST 800-53r5 IA-9; SLSA v1.0 build track (provenance is authentic); PCI DSS v4.0.1 8.6.1.

use std::collections::BTreeMap;

use countersign_connect::git::identity_of_url;
use countersign_connect::oidc::IssuerKeys;
use countersign_evidence::canonical;
use countersign_evidence::jwt::{Algorithm, Expected, KeySet, Token, TokenError, Verified};
use countersign_evidence::statement::Subject;
use countersign_model::access::review::workload_identity;
use countersign_model::access::{Field, Issuer, Issuers};
use countersign_model::digest::Hasher;
use countersign_model::event::{WorkloadAdmitted, WorkloadVerified};
use countersign_model::{Digest, EventKind, PersonId, RunId, StreamId, Timestamp};
use countersign_store::projection::{State, WorkloadRow, is_of, issuer_pseudonym as pseudonym};
use countersign_store::session::JSON;
use countersign_store::{NewBlob, NewEntry, Plan, Session};
use serde_json::{Map, Value, json};

use super::events::commit_subject;
use crate::Error;
use crate::release::approve::run_row;

/// What a refusal is recorded as.
pub const ACT: &str = "identity-token";

/// A token that was verified, and goes with a commit and a repository.
#[derive(Debug, Clone)]
pub struct Workload {
    issuers: Digest,
    entry: String,
    system: String,
    issuer: String,
    fields: BTreeMap<Field, String>,
    verified: Verified,
    once: Digest,
    claims: (Digest, NewBlob),
    person: Option<PersonId>,
}

impl Workload {
    /// The kind of system.
    #[must_use]
    pub fn system(&self) -> &str {
        &self.system
    }

    /// What it says, in our words; an actor is a keyed pseudonym.
    #[must_use]
    pub const fn fields(&self) -> &BTreeMap<Field, String> {
        &self.fields
    }

    /// The enrolled person whose account the actor is.
    #[must_use]
    pub const fn person(&self) -> Option<&PersonId> {
        self.person.as_ref()
    }
}

/// The issuers in effect.
///
/// # Errors
/// [`Error::NoIssuers`] when there are none; when they cannot be read back, or are not those that were activated.
pub fn issuers(session: &Session) -> Result<(Digest, Issuers), Error> {
    let active = session.state().issuers()?.ok_or(Error::NoIssuers)?;
    let bytes = session.ledger().payload(&active.blob)?;
    if Digest::of(&bytes) != active.digest {
        return Err(Error::IssuersChanged { index: active.index });
    }
    Ok((active.digest, canonical::from_slice(&bytes)?))
}

/// Verifies a token. A refusal is recorded before it is returned.
///
/// # Errors
/// [`TokenError`] and [`Error::NoIssuers`]; [`Error::TokenClaim`] when a required claim is not there; [`Error::TokenOfOther`] when it
/// is for another commit or repository; what fetching the issuer's keys says.
pub fn verify(
    session: &mut Session,
    keys: &IssuerKeys<'_>,
    token: &[u8],
    run: Option<&RunId>,
    commit: &str,
    identity: Option<&str>,
) -> Result<Workload, Error> {
    let checked = check(session, keys, token, commit, identity);
    if let Err(error) = &checked {
        refuse(session, run, error)?;
    }
    checked
}

/// Records that a token was refused; a failure on the way is none.
fn refuse(session: &mut Session, run: Option<&RunId>, error: &Error) -> Result<(), Error> {
    let refused = match error {
        Error::Token(e) => Some(countersign_model::Diagnostic::code(e)),
        Error::NoIssuers
        | Error::TokenClaim { .. }
        | Error::TokenOfOther { .. }
        | Error::TokenUsed { .. }
        | Error::WorkloadEnded { .. } => Some(countersign_model::Diagnostic::code(error)),
        _ => None,
    };
    if let Some(code) = refused {
        session.record_refusal(ACT, run, None, code)?;
    }
    Ok(())
}

fn check(
    session: &Session,
    keys: &IssuerKeys<'_>,
    token: &[u8],
    commit: &str,
    identity: Option<&str>,
) -> Result<Workload, Error> {
    let shown = read(session, keys, token)?;
    let fields = &shown.fields;
    if !is_of(fields, commit, identity) {
        let other = fields.get(&Field::Commit).is_some_and(|said| said != commit);
        let (what, said) = if other { ("commit", Field::Commit) } else { ("repository", Field::Repository) };
        let is = if other { Some(commit) } else { identity };
        return Err(Error::TokenOfOther {
            what,
            said: fields.get(&said).cloned().unwrap_or_default(),
            is: is.unwrap_or("one without an address").to_owned(),
        });
    }
    Ok(shown)
}

/// A job that showed its identity token to a server as the key to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admission {
    /// Which workload it is ([`workload_identity`]).
    pub workload: String,
    /// The one repository that it may ask about.
    pub repository: String,
    /// The application that this belongs to.
    pub application: String,
    /// Digest of the issuers in effect.
    pub issuers: Digest,
    /// Until when.
    pub expires: Timestamp,
}

/// Verifies a token that is shown as the key to a server, and records that. It opens the repository that it names, where that belongs to
/// a registered application: who may run jobs there is the firm's affair, and anybody in the world has a job somewhere.
///
/// # Errors
/// As [`verify`]; [`Error::NotRegistered`]. A refusal is not recorded here.
pub fn admit(session: &mut Session, keys: &IssuerKeys<'_>, token: &[u8]) -> Result<Admission, Error> {
    let shown = read(session, keys, token)?;
    let said = shown.fields.get(&Field::Repository).cloned();
    let said = said.ok_or_else(|| Error::TokenClaim { claim: Field::Repository.to_string() })?;
    let bound = |s: &Session| -> Result<(String, String), Error> {
        // Forges do not tell the case of a path apart.
        for application in s.state().applications()?.into_iter().filter(|a| a.retired.is_none()) {
            if let Some(own) = application.what.repositories.iter().find(|r| r.eq_ignore_ascii_case(&said)) {
                return Ok((own.clone(), application.what.id));
            }
        }
        Err(Error::NotRegistered { repository: said.clone() })
    };
    let (repository, application) = bound(session)?;
    session.transact(|s| {
        if s.state().issuers()?.map(|a| a.digest) != Some(shown.issuers) {
            return Err(Error::IssuersMoved);
        }
        not_ended(s.state(), &shown.issuer, &shown.fields)?;
        if bound(s)? != (repository.clone(), application.clone()) {
            return Err(Error::IssuersMoved);
        }
        let predicate = WorkloadAdmitted {
            issuers: shown.issuers,
            entry: shown.entry.clone(),
            system: shown.system.clone(),
            issuer: shown.issuer.clone(),
            fields: shown.fields.clone(),
            key: shown.verified.thumbprint.clone(),
            token: shown.verified.digest,
            repository: repository.clone(),
            application: application.clone(),
            issued: shown.verified.issued,
            expires: shown.verified.expires,
            time: s.now(),
        };
        let ledger = Subject::sha256(s.state().origin(), &Digest::of(s.state().vkey().as_bytes()));
        let stream = StreamId::from_text("visits");
        let kind = EventKind::WorkloadAdmitted;
        let entry = s.machine_entry(kind, stream, vec![ledger], predicate, Vec::new(), Vec::new())?;
        Ok::<_, Error>((Plan { entries: vec![entry] }, ()))
    })?;
    let admission = Admission {
        workload: workload_identity(&shown.issuer, &shown.fields),
        repository,
        application,
        issuers: shown.issuers,
        expires: shown.verified.expires,
    };
    Ok(admission)
}

/// Whether a job that was admitted before still would be.
///
/// # Errors
/// When the projection cannot be read.
pub fn still(session: &Session, admission: &Admission) -> Result<bool, Error> {
    let state = session.state();
    let application = state.application_of(&admission.repository)?.map(|a| a.what.id);
    Ok(session.now() < admission.expires
        && state.issuers()?.map(|a| a.digest) == Some(admission.issuers)
        && state.workload_end(&admission.workload)?.is_none()
        && application.as_ref() == Some(&admission.application))
}

/// What a token says that holds, whatever it is shown for.
fn read(session: &Session, keys: &IssuerKeys<'_>, token: &[u8]) -> Result<Workload, Error> {
    let (digest, issuers) = issuers(session)?;
    let token = Token::parse(token)?;
    let iss = token.issuer()?.to_owned();
    let unknown = || TokenError::Issuer { found: iss.chars().take(200).collect() };
    let entry = issuers.entry(&iss).ok_or_else(unknown)?;
    let algorithms: Vec<Algorithm> = entry.algorithms.iter().map(|name| name.parse()).collect::<Result<_, _>>()?;
    let expected = Expected {
        issuer: &iss,
        audiences: &entry.audiences,
        algorithms: &algorithms,
        skew: issuers.skew_seconds.min(Issuers::MAX_SKEW),
        lifetime: entry.lifetime_seconds,
        now: session.now(),
    };
    let verified = match &entry.keys {
        Some(pinned) => token.verify(&KeySet::parse(pinned.to_string().as_bytes())?, &expected)?,
        None => keys.verify::<Error>(token, &expected)?,
    };
    for (claim, value) in &entry.require {
        let said = verified.claims.get(claim).and_then(countersign_model::access::issuer::plain);
        if said.as_ref() != Some(value) {
            return Err(Error::TokenClaim { claim: claim.clone() });
        }
    }
    let salt = session.ledger().salt()?;
    let mut fields = entry.fields(&verified.claims);
    for needed in [Field::Commit, Field::Repository] {
        // What an entry binds must be there: a token without it would go with everything.
        if entry.claims.contains_key(&needed) && !fields.contains_key(&needed) {
            return Err(Error::TokenClaim { claim: needed.to_string() });
        }
    }
    if let Some(repository) = fields.get_mut(&Field::Repository)
        && !repository.starts_with("git:")
    {
        let of_url = identity_of_url(repository).ok_or_else(|| Error::TokenClaim { claim: "repository".into() })?;
        *repository = of_url;
    }
    let person = match fields.remove(&Field::Actor) {
        None => None,
        Some(actor) => {
            let actor = pseudonym(&salt, &iss, &actor);
            let person = session.state().person_by_account(&actor)?;
            fields.insert(Field::Actor, actor);
            person
        }
    };
    not_ended(session.state(), &iss, &fields)?;
    let claims = kept(entry, &verified.claims, &salt, &iss);
    let bytes = canonical::to_vec(&claims)?;
    Ok(Workload {
        issuers: digest,
        entry: entry.id.clone(),
        system: entry.system.clone(),
        once: once(&iss, &verified.id),
        claims: (Digest::of(&bytes), NewBlob { bytes, media: JSON.into() }),
        issuer: iss,
        fields,
        verified,
        person,
    })
}

/// An access review may have ended the workload.
fn not_ended(state: &State, issuer: &str, fields: &BTreeMap<Field, String>) -> Result<(), Error> {
    let workload = workload_identity(issuer, fields);
    match state.workload_end(&workload)? {
        Some(index) => Err(Error::WorkloadEnded { workload, index }),
        None => Ok(()),
    }
}

/// What of the claims is recorded: what is not known to be harmless is a keyed pseudonym, so that two can be compared and nobody
/// reads a name.
fn kept(entry: &Issuer, claims: &Map<String, Value>, salt: &[u8], iss: &str) -> Value {
    let mut recorded = Map::new();
    let mut hidden = Map::new();
    for (claim, value) in claims {
        // A number that canonical JSON cannot hold has no place in it.
        if entry.keeps(claim) && canonical::to_vec(value).is_ok() {
            recorded.insert(claim.clone(), value.clone());
        } else {
            hidden.insert(claim.clone(), pseudonym(salt, iss, &format!("{claim}={value}")).into());
        }
    }
    json!({"version": 1, "claims": recorded, "pseudonyms": hidden})
}

fn once(iss: &str, id: &str) -> Digest {
    let mut hasher = Hasher::new();
    hasher.update(b"countersign token v1\0");
    hasher.update(iss.as_bytes());
    hasher.update(b"\0");
    hasher.update(id.as_bytes());
    hasher.finish()
}

/// The entry of a workload for an attempt of a run.
///
/// # Errors
/// [`Error::TokenUsed`] when the token was shown before; when the issuers changed or a review ended the workload meanwhile.
pub(super) fn entry(
    session: &Session,
    workload: &Workload,
    run: &RunId,
    attempt: u64,
    commit: &str,
    identity: Option<&str>,
) -> Result<NewEntry, Error> {
    let state = session.state();
    if let Some(before) = state.workload(&workload.once)? {
        return Err(Error::TokenUsed { index: before.index });
    }
    if state.issuers()?.map(|a| a.digest) != Some(workload.issuers) {
        return Err(Error::IssuersMoved);
    }
    not_ended(state, &workload.issuer, &workload.fields)?;
    // An account may have been linked or taken away since the token was looked at.
    let actor = workload.fields.get(&Field::Actor);
    let person = actor.map(|actor| state.person_by_account(actor)).transpose()?.flatten();
    let predicate = WorkloadVerified {
        run: run.clone(),
        attempt,
        issuers: workload.issuers,
        entry: workload.entry.clone(),
        system: workload.system.clone(),
        issuer: workload.issuer.clone(),
        fields: workload.fields.clone(),
        key: workload.verified.thumbprint.clone(),
        algorithm: workload.verified.algorithm.to_string(),
        token: workload.verified.digest,
        once: workload.once,
        claims: workload.claims.0,
        person,
        issued: workload.verified.issued,
        expires: workload.verified.expires,
        time: session.now(),
    };
    let subject = vec![commit_subject(identity, commit)];
    let stream = StreamId::from(run);
    let attachments = vec![workload.claims.1.clone()];
    Ok(session.machine_entry(EventKind::WorkloadVerified, stream, subject, predicate, Vec::new(), attachments)?)
}

/// Records that a token was shown before; for a use case that found out while it appended.
pub(super) fn refused<T>(session: &mut Session, run: Option<&RunId>, done: Result<T, Error>) -> Result<T, Error> {
    if let Err(error @ (Error::TokenUsed { .. } | Error::WorkloadEnded { .. })) = &done {
        refuse(session, run, error)?;
    }
    done
}

/// Records a workload for the latest attempt of a run. One that showed the same token for that attempt before is not recorded
/// again: one job may look at a gate, record a report and look again.
///
/// # Errors
/// [`Error::TokenUsed`] when the token was shown for something else; what the ledger says.
pub fn attach(session: &mut Session, run: &RunId, workload: &Workload) -> Result<Option<u64>, Error> {
    let done = session.transact(|s| {
        let row = run_row(s.state(), run)?;
        let attempt = row.attempts.len() as u64;
        let mut plan = Plan::default();
        let before = s.state().workload(&workload.once)?;
        if before.is_none_or(|b| b.run != *run || b.attempt != attempt) {
            plan.entries.push(entry(s, workload, run, attempt, &row.commit, row.identity.as_deref())?);
        }
        Ok::<_, Error>((plan, ()))
    });
    let (appended, ()) = refused(session, Some(run), done)?;
    Ok(appended.map(|a| a.first_index))
}

/// The workloads of a run as facts: sorted, each once, without what is another one at each attempt.
///
/// # Errors
/// When the projection cannot be read.
pub(super) fn facts(run: Option<&RunId>, about: Option<&Workload>, state: &State) -> Result<Vec<Value>, Error> {
    let rows: Vec<WorkloadRow> = run.map(|run| state.workloads(run)).transpose()?.unwrap_or_default();
    let recorded = rows.iter().map(|w| (&w.entry, &w.system, &w.issuer, &w.fields, w.person.as_ref()));
    let coming = about.iter().map(|w| (&w.entry, &w.system, &w.issuer, &w.fields, w.person.as_ref()));
    let mut facts: Vec<Value> = recorded
        .chain(coming)
        .map(|(entry, system, issuer, fields, person)| {
            let mut fact = Map::new();
            for field in Field::ALL.into_iter().filter(|f| !f.is_of_attempt()) {
                let said = fields.get(&field).cloned();
                let value = match (field, said.as_deref()) {
                    (Field::Protected, Some("true")) => true.into(),
                    (Field::Protected, Some("false")) => false.into(),
                    (Field::Protected, _) => Value::Null,
                    _ => said.map_or(Value::Null, Value::String),
                };
                fact.insert(field.as_str().replace('-', "_"), value);
            }
            fact.insert("entry".into(), json!(entry));
            fact.insert("system".into(), json!(system));
            fact.insert("issuer".into(), json!(issuer));
            fact.insert("person".into(), json!(person));
            Value::Object(fact)
        })
        .collect();
    facts.sort_by_key(ToString::to_string);
    facts.dedup();
    Ok(facts)
}
