//! Commits that pipelines send to be judged here.

use std::fs::File;
use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::http::{HeaderMap, StatusCode};
use countersign_model::access::Issuer;
use countersign_model::submission::GateClaim;
use countersign_model::{Digest, RunId};
use countersign_stages::Error as StageError;
use countersign_stages::build::observe::Ask as Change;
use countersign_stages::build::submission::{self, Submission as Sent, SubmissionError};
use countersign_stages::build::workload;

use super::answers::{IssuerLine, Problem, RepositoryHeld, Submission};
use super::ask::Ask;
use super::bearer;
use super::caller::Sender;
use super::wire::Wire as _;
use super::writes::{Asking, Done, IDENTITY_TOKEN, KEY, outside_of};
use crate::app::{App, Trouble};
use crate::auth::lock;
use crate::submit::{self, JobState, LARGEST, Submit, ToJudge};

/// Where releases go that name no environment.
const USUAL: &str = "production";

/// What the server holds of a repository: the sender leaves it away.
pub(super) fn held(ask: &Ask<'_>) -> Result<RepositoryHeld, Trouble> {
    let submit = taking(ask.app)?;
    let (identity, commit) = (ask.said("repository"), ask.said("commit"));
    if !ask.scope.has_repository(identity) {
        return Err(Trouble::not_found("repository"));
    }
    let format = submit::format_of(commit).ok_or_else(|| Trouble::not_found("commit"))?;
    let told = |e: countersign_connect::Error| Trouble::of(&e);
    // Asking makes nothing.
    let (holds, commits) = match submit.known(identity, format)? {
        Some(mirror) => (mirror.holds(commit).map_err(told)?, mirror.tips().map_err(told)?),
        None => (false, Vec::new()),
    };
    let issuers = match workload::issuers(ask.session) {
        Ok((_, all)) => all.issuers,
        Err(StageError::NoIssuers) => Vec::new(),
        Err(e) => return Err(e.into()),
    };
    let line = |i: Issuer| Some(IssuerLine { audience: i.audiences.first()?.clone(), issuer: i.issuer });
    Ok(RepositoryHeld {
        repository: identity.to_owned(),
        holds,
        commits,
        issuers: issuers.into_iter().filter_map(line).collect(),
    })
}

fn taking(app: &App) -> Result<&Submit, Trouble> {
    app.submit.get().ok_or_else(Trouble::nothing_taken)
}

/// What came of a submission. It is its sender's alone.
pub(super) fn one(ask: &Ask<'_>) -> Result<Submission, Trouble> {
    let submit = taking(ask.app)?;
    let nothing = || Trouble::not_found("submission");
    let sender = ask.caller.sender();
    let key: Digest = format!("sha256:{}", ask.param("submission")).parse().map_err(|_| nothing())?;
    let job = lock(&submit.jobs).get(&key).filter(|job| job.sender == sender.name()).cloned();
    if let Some(job) = job {
        // What is being judged has no run yet, and was sent by whoever asks.
        let inside = match &job.state {
            JobState::Done(run) => ask.scope.has_run(ask.state(), run)?,
            _ => true,
        };
        return if inside { Ok(wire(&key, &job.state)) } else { Err(nothing()) };
    }
    let row = ask.state().submission(&key)?;
    let row = row.filter(|row| row.person == sender.person).ok_or_else(nothing)?;
    if !ask.scope.has_run(ask.state(), &row.run)? {
        return Err(nothing());
    }
    Ok(wire(&key, &JobState::Done(row.run)))
}

fn wire(key: &Digest, state: &JobState) -> Submission {
    let (word, run, problem) = match state {
        JobState::Working => ("working", None, None),
        JobState::Done(run) => ("done", Some(run.to_string()), None),
        JobState::Failed(trouble) => ("failed", None, Some(Problem::of(trouble))),
    };
    Submission { submission: key.hex(), state: word.to_owned(), run, problem }
}

fn told(key: &Digest, state: &JobState) -> Done {
    let status = if *state == JobState::Working { StatusCode::ACCEPTED } else { StatusCode::OK };
    let location = Some(format!("/api/v1/submissions/{}", key.hex()));
    Done { status, location, body: wire(key, state).json().to_string() }
}

/// The key that the sender chose (draft-ietf-httpapi-idempotency-key-header; quotes may be left away).
pub(super) fn chosen(headers: &HeaderMap) -> Result<&str, Trouble> {
    let text = headers.get(KEY).and_then(|v| v.to_str().ok()).ok_or_else(Trouble::no_key)?;
    let bare = text.strip_prefix('"').and_then(|t| t.strip_suffix('"')).unwrap_or(text);
    let is_word = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    if (16..=128).contains(&bare.len()) && bare.bytes().all(is_word) { Ok(bare) } else { Err(Trouble::no_key()) }
}

fn reused(index: Option<u64>) -> Trouble {
    let error: StageError = SubmissionError::KeyReused { index }.into();
    Trouble { status: StatusCode::UNPROCESSABLE_ENTITY, ..Trouble::of(&error) }
}

/// Takes a commit.
pub(super) async fn submit(asking: Asking, body: Body) -> Result<Done, Trouble> {
    let app = Arc::clone(&asking.app);
    let submit = taking(&app)?;
    let sender = asking.sender.clone();
    let key = submission::key(sender.name(), chosen(&asking.headers)?);
    let part = |name: &str| asking.filter(name).unwrap_or("");
    if !asking.scope.has_repository(part("repository")) {
        let outside = Trouble::not_found("repository");
        return app.with(move |session| Err(outside_of(session, "run", &sender, outside)?)).await;
    }
    let asked = ["repository", "commit", "environment", "ticket", "reason", "hint", "claims"].map(part);
    let request = submission::request(&asked);
    let read: Result<Vec<GateClaim>, _> = part("claims").split(',').filter(|c| !c.is_empty()).map(str::parse).collect();
    let claims = read.map_err(|what| Trouble::bad_query("`claims` is not as the document says", &what))?;
    // What was done is in the ledger, whichever server did it.
    if let Some(before) = app.with(move |session| Ok(session.state().submission(&key)?)).await? {
        return if before.request == request {
            Ok(told(&key, &JobState::Done(before.run)))
        } else {
            Err(reused(Some(before.index)))
        };
    }
    {
        let mut jobs = lock(&submit.jobs);
        if let Some(job) = jobs.get(&key).filter(|job| !matches!(job.state, JobState::Failed(_))) {
            return if job.request == request { Ok(told(&key, &job.state)) } else { Err(reused(None)) };
        }
        if !jobs.begin(key, request, sender.name(), Instant::now()) {
            return Err(Trouble::many_submissions());
        }
    }
    // From here on it is noted: if the client goes away while it sends, that is taken back.
    let begun = Begun { app: Arc::clone(&app), key, holds: true };
    let (objects, bytes) = submit::sent(&submit.incoming(), body, LARGEST).await?;
    let said = |name: &str| asking.filter(name).map(str::to_owned);
    let work =
        Work {
            repository: part("repository").to_owned(),
            commit: part("commit").to_owned(),
            ask: Change {
                environment: said("environment").unwrap_or_else(|| USUAL.to_owned()),
                ticket: said("ticket"),
                reason: said("reason"),
                ticket_hint: said("hint"),
            },
            // What a job showed at the door is what it proves itself with.
            identity_token: asking.headers.get(IDENTITY_TOKEN).map(|v| v.as_bytes().to_vec()).or_else(|| {
                sender.workload.as_ref().and_then(|_| bearer(&asking.headers)).map(|t| t.as_bytes().to_vec())
            }),
            objects,
            sent: sent(key, request, sender, bytes, claims),
        };
    tokio::spawn(work.beside(begun));
    Ok(told(&key, &JobState::Working))
}

fn sent(key: Digest, request: Digest, sender: Sender, bytes: u64, claims: Vec<GateClaim>) -> Sent {
    let token = sender.person.is_some().then_some(sender.token);
    Sent { key, request, person: sender.person, token, bytes, claims }
}

/// A submission that was noted and is not judged yet.
struct Begun {
    app: Arc<App>,
    key: Digest,
    holds: bool,
}

impl Begun {
    fn end(mut self, state: JobState) {
        self.holds = false;
        if let Some(submit) = self.app.submit.get() {
            lock(&submit.jobs).end(&self.key, state, Instant::now());
        }
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        if let (true, Some(submit)) = (self.holds, self.app.submit.get()) {
            lock(&submit.jobs).forget(&self.key);
        }
    }
}

/// A commit with all that is needed to judge it.
struct Work {
    repository: String,
    commit: String,
    ask: Change,
    identity_token: Option<Vec<u8>>,
    objects: File,
    sent: Sent,
}

impl Work {
    /// Judges it in its turn, on a thread that may wait.
    async fn beside(self, begun: Begun) {
        let app = Arc::clone(&begun.app);
        let Some(submit) = app.submit.get() else { return };
        let Ok(slot) = Arc::clone(&submit.slots).acquire_owned().await else { return };
        let inner = Arc::clone(&app);
        let done = tokio::task::spawn_blocking(move || {
            let _slot = slot;
            self.judge(&inner)
        });
        begun.end(match done.await {
            Ok(Ok(run)) => JobState::Done(run),
            Ok(Err(trouble)) => JobState::Failed(trouble),
            Err(_) => JobState::Failed(Trouble::internal("a judgement ended before its time")),
        });
    }

    fn judge(self, app: &App) -> Result<RunId, Trouble> {
        let submit = taking(app)?;
        let told = |e: countersign_connect::Error| Trouble::of(&e);
        let format = submit::format_of(&self.commit).ok_or_else(|| Trouble::not_found("commit"))?;
        let mirror = submit.mirror(&self.repository, format)?;
        mirror.receive(self.objects, LARGEST, &self.commit).map_err(told)?;
        let repository = mirror.at(&self.repository, &self.commit).map_err(told)?;
        let (ask, identity_token, sent) = (self.ask, self.identity_token, self.sent);
        app.pool.lend(|session| {
            let asked = ToJudge { repository: &repository, ask, identity_token, submission: &sent };
            match submit.pipeline.judge(session, asked) {
                Ok(run) => Ok(run),
                Err(e) => {
                    // Another server may have done it meanwhile.
                    session.refresh()?;
                    let row = session.state().submission(&sent.key)?;
                    row.filter(|row| row.request == sent.request)
                        .map(|row| row.run)
                        .ok_or_else(|| Trouble::of(e.as_ref()))
                }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_long_enough_to_be_nobody_elses() {
        let read = |text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(KEY, axum::http::HeaderValue::from_static(text));
            chosen(&headers).map(str::to_owned).ok()
        };
        assert_eq!(read("0123456789abcdef").as_deref(), Some("0123456789abcdef"));
        assert_eq!(read("\"0123456789abcdef\"").as_deref(), Some("0123456789abcdef"));
        for bad in ["", "0123456789abcde", "0123456789abcde\"", "0123456789 abcdef", "\"0123456789abcdef"] {
            assert_eq!(read(bad), None, "{bad}");
        }
        assert!(chosen(&HeaderMap::new()).is_err());
        assert_eq!(reused(Some(3)).status, StatusCode::UNPROCESSABLE_ENTITY);
    }
}
