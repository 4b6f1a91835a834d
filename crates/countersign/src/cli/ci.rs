//! What a job of a CI system brings along: its identity token, and what its variables fill in.

use std::io::Read as _;
use std::path::Path;

use countersign_connect::oidc::IssuerKeys;
use countersign_evidence::jwt::MAX_TOKEN;
use countersign_model::RunId;
use countersign_model::access::Issuers;
use countersign_stages::build::workload;
use countersign_store::Session;

use super::ci_args::TokenArgs;
use super::place::find_run;
use crate::config::Environment;
use crate::errors::{CliError, Failure};
use crate::output::{note, printable};

/// The keys of issuers, kept beside those of this ledger.
pub(crate) fn keys<'a>(session: &Session, note: &'a dyn Fn(&str)) -> IssuerKeys<'a> {
    let dir = session.installation().ledger_dir(session.ledger().origin()).join("issuers");
    IssuerKeys::new(Some(dir), session.now(), note)
}

/// The token of this job, where there is one to be shown. One that comes by itself is shown only where issuers are in effect:
/// before that nobody asked for it.
pub(crate) fn token(args: &TokenArgs, session: &Session, env: &Environment) -> Result<Option<Vec<u8>>, Failure> {
    if let Some(path) = &args.identity_token {
        return read(path).map(Some);
    }
    let request = env.ci.as_ref().and_then(|ci| ci.token_request.as_ref());
    if env.id_token.is_none() && request.is_none() {
        return Ok(None);
    }
    if session.state().issuers()?.is_none() {
        note("this job has an identity token, and no issuers are in effect: it is not shown");
        return Ok(None);
    }
    if let Some(token) = &env.id_token {
        return Ok(Some(token.clone().into_bytes()));
    }
    let Some(request) = request else { return Ok(None) };
    let (_, issuers): (_, Issuers) = workload::issuers(session)?;
    let Some(audience) = issuers.entry(&request.issuer).and_then(|entry| entry.audiences.first()) else {
        note(&format!("the issuer {} is not in effect: no identity token is asked for", printable(&request.issuer)));
        return Ok(None);
    };
    let said = |text: &str| note(text);
    let token = keys(session, &said).github_token(&request.url, &request.bearer, audience);
    Ok(Some(token.map_err(countersign_stages::Error::from)?))
}

pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    // One byte more shows that there is more.
    let limit = MAX_TOKEN as u64 + 1024;
    let done = if path == Path::new("-") {
        std::io::stdin().lock().take(limit).read_to_end(&mut bytes)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes))
    };
    done.map_err(|source| CliError::Read { path: path.to_owned(), source })?;
    Ok(bytes)
}

/// Verifies the token of this job, where it has one, and records it with the latest attempt of a run.
pub(crate) fn attach(
    args: &TokenArgs,
    session: &mut Session,
    run: &RunId,
    env: &Environment,
) -> Result<Option<workload::Workload>, Failure> {
    let Some(token) = token(args, session, env)? else { return Ok(None) };
    let row = session.state().run(run)?;
    let row = row.ok_or_else(|| countersign_stages::Error::NoSuchRun { run: run.to_string() })?;
    let said = |text: &str| note(text);
    let keys = keys(session, &said);
    let shown = workload::verify(session, &keys, &token, Some(run), &row.commit, row.identity.as_deref())?;
    workload::attach(session, run, &shown)?;
    Ok(Some(shown))
}

/// The run that somebody names; where nobody does, the latest of the commit that the CI system checked out, else the latest.
pub(crate) fn run_named(named: Option<&str>, session: &Session, env: &Environment) -> Result<RunId, Failure> {
    if let Some(text) = named {
        return find_run(session, text);
    }
    match env.ci.as_ref().and_then(|ci| ci.commit.as_deref()) {
        Some(commit) => Ok(session
            .state()
            .latest_run_of(commit)?
            .ok_or_else(|| countersign_stages::Error::NoSuchRun { run: format!("of commit {commit}") })?),
        None => find_run(session, "latest"),
    }
}
