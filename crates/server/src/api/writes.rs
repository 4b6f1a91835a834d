//! Every request that changes something: where it is sent, what it does, which scope and roles it takes, what it brings. The one table that
//! routing, the OpenAPI document and the tests of roles read.
//!
//! What may be repeated is safe to repeat. A submission has a key of its sender's choice; a file, a decision and what is signed are what
//! they are: the same again is the same entry.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{MatchedPath, RawPathParams, Request, State};
use axum::http::header::{CONTENT_TYPE, LOCATION};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use countersign_model::access::token::TokenScope;
use countersign_model::{PersonId, Role};
use countersign_store::Session;
use serde_json::{Value, json};

use super::caller::Sender;
use super::table::{Kind, Param, may, must};
use super::wire::Wire;
use super::{
    LONGEST_PATH, acts, approvals, ask, bearer, caller, evidence, grants, refused, reviews, sent, snapshots,
    submissions,
};
use crate::app::{App, Reach, Scope, Trouble};
use crate::auth;
use crate::web::rooms::EVERYBODY;

/// Whoever has a role and is no auditor: an auditor changes nothing, but for the acts of an audit.
pub(crate) const WORKERS: &[Role] = &[
    Role::Developer,
    Role::Engineer,
    Role::ReleaseManager,
    Role::SecurityOfficer,
    Role::ComplianceOfficer,
    Role::Administrator,
];

/// What a request brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Brings {
    /// Nothing.
    Nothing,
    /// A pack of git objects; an empty one where the server has all of them.
    Objects,
    /// A file, as it is.
    File,
    /// A signed act.
    Act,
    /// What a grant is redeemed for.
    Redemption,
    /// What a token of a grant is held against.
    Verification,
    /// How a deployment ended.
    End,
    /// What somebody wants to say.
    Preparation,
    /// What somebody signed.
    Acts,
    /// What somebody saw running.
    Snapshot,
}

impl Brings {
    /// What it is called in `Content-Type`.
    pub(crate) const fn media(self) -> Option<&'static str> {
        match self {
            Self::Nothing => None,
            Self::Objects => Some("application/x-git-packed-objects"),
            Self::File => Some("application/octet-stream"),
            Self::Act => Some(countersign_evidence::act::MEDIA_TYPE),
            Self::Redemption | Self::Verification | Self::End | Self::Preparation | Self::Acts | Self::Snapshot => {
                Some("application/json")
            }
        }
    }

    /// Its schema, where it has one.
    fn schema(self) -> Value {
        match self {
            Self::Redemption => grants::redemption_schema(),
            Self::Verification => grants::verification_schema(),
            Self::End => grants::end_schema(),
            Self::Preparation => acts::preparation_schema(),
            Self::Acts => acts::acts_schema(),
            Self::Snapshot => snapshots::snapshot_schema(),
            Self::Nothing | Self::Objects | Self::File | Self::Act => json!({}),
        }
    }
}

/// A request that changes something. It is sent by POST.
pub(crate) struct Write {
    /// Its path; `{…}` stands for a part that differs.
    pub(crate) path: &'static str,
    /// Its name in the document.
    pub(crate) name: &'static str,
    /// What it does, in a sentence.
    pub(crate) does: &'static str,
    /// What a token must open.
    pub(crate) scope: TokenScope,
    /// What may stand in the query.
    pub(crate) query: &'static [Param],
    /// Headers that it takes besides: name, what it is, whether it must be there.
    pub(crate) headers: &'static [(&'static str, &'static str, bool)],
    /// What it brings.
    pub(crate) brings: Brings,
    /// Its answers besides problems: status and what they mean.
    pub(crate) answers: &'static [(&'static str, &'static str)],
    /// The schema of what it answers.
    pub(crate) schema: fn() -> Value,
    what: What,
}

#[derive(Debug, Clone, Copy)]
enum What {
    Submit,
    Attach,
    Name,
    Decide,
    Approve,
    Issue,
    Redeem,
    Verify,
    End,
    Snapshot,
    Prepare,
    Take,
    Shown,
}

/// The header with the key of a submission.
pub(crate) const KEY: &str = "idempotency-key";
/// The header with the identity token of a job.
pub(crate) const IDENTITY_TOKEN: &str = "countersign-identity-token";

/// Every request that changes something.
pub(crate) const WRITES: &[Write] = &[
    Write {
        path: "/api/v1/submissions",
        name: "submit",
        does: "Sends a commit with its history to be judged by this server: it scans, decides and records by its own rules and policy.",
        scope: TokenScope::Submit,
        query: &[
            must("repository", "The repository's identity, `git:HOST/PATH` or `git-root:COMMIT`.", Kind::Identity),
            must("commit", "The commit, whole.", Kind::Commit),
            may(
                "environment",
                "The environment that the release is for; `production` where it is not given.",
                Kind::Text,
            ),
            may("ticket", "The change's ticket.", Kind::Text),
            may("reason", "Why the change is made.", Kind::Prose),
            may("hint", "What stands for a ticket where none was ever named, as `pull request 7`.", Kind::Text),
            may(
                "claims",
                "What the pipeline says that gates come to, as `build=pass,release=pending`. It is advice: where the decision says something else, that is \
                 an entry, and the gate's owner is asked to look.",
                Kind::Claims,
            ),
        ],
        headers: &[
            (
                KEY,
                "16 to 128 letters, digits, `-` and `_`, chosen at random for this request: repeated with it, it is done once.",
                true,
            ),
            (
                IDENTITY_TOKEN,
                "The identity token that the CI system gave the job (OpenID Connect). It counts once.",
                false,
            ),
        ],
        brings: Brings::Objects,
        answers: &[("200", "It was sent before, and this is what came of it."), ("202", "It is being judged.")],
        schema: <super::answers::Submission as Wire>::schema,
        what: What::Submit,
    },
    Write {
        path: "/api/v1/runs/{run}/evidence",
        name: "attach",
        does: "Attaches a file to a run as evidence. A report of another tool is read, and values that it shows are not kept. The same file twice is one entry.",
        scope: TokenScope::Submit,
        query: &[
            must("name", "The file's name.", Kind::FileName),
            may("format", "Its format as a report, where it is not to be recognised.", Kind::Text),
            may("unread", "It is attached as it is, and counts as no report.", Kind::Choice(|| vec!["true"])),
            may("commit", "The commit that it was made for, where it does not say so itself.", Kind::Commit),
        ],
        headers: &[],
        brings: Brings::File,
        answers: &[("200", "It is attached.")],
        schema: <super::answers::Attached as Wire>::schema,
        what: What::Attach,
    },
    Write {
        path: "/api/v1/runs/{run}/artifacts",
        name: "name",
        does: "Names an artifact of a run by its digest: approvals are bound to it. It is not sent, and not kept.",
        scope: TokenScope::Submit,
        query: &[
            must("name", "The artifact's name.", Kind::FileName),
            must("sha256", "SHA-256 of it, in hex.", Kind::Sha256),
            must("size", "Its size in bytes.", Kind::Number),
        ],
        headers: &[],
        brings: Brings::Nothing,
        answers: &[("200", "It is named.")],
        schema: <super::answers::Attached as Wire>::schema,
        what: What::Name,
    },
    Write {
        path: "/api/v1/runs/{run}/decisions",
        name: "decide",
        does: "Decides on what is so now; where nothing changed since the newest decision, it is that one.",
        scope: TokenScope::Submit,
        query: &[],
        headers: &[],
        brings: Brings::Nothing,
        answers: &[("200", "The run as it stands.")],
        schema: <super::wire::Run as Wire>::schema,
        what: What::Decide,
    },
    Write {
        path: "/api/v1/runs/{run}/approvals",
        name: "approve",
        does: "Adds an approval that somebody signed with a key of theirs. The signature says who approves; the token only opens the door.",
        scope: TokenScope::Approve,
        query: &[],
        headers: &[(
            "if-match",
            "The digest of the run's newest decision, in quotes: what the signer looked at.",
            true,
        )],
        brings: Brings::Act,
        answers: &[("200", "The run as it stands.")],
        schema: <super::wire::Run as Wire>::schema,
        what: What::Approve,
    },
    Write {
        path: "/api/v1/runs/{run}/grants",
        name: "issue-grant",
        does: "Adds a grant that a release manager signed with a key of theirs. It has to say exactly what the server would issue at that moment.",
        scope: TokenScope::Approve,
        query: &[],
        headers: &[(
            "if-match",
            "The digest of the run's newest decision, in quotes: what the signer looked at.",
            true,
        )],
        brings: Brings::Act,
        answers: &[("200", "It is issued, and this is its token.")],
        schema: <super::answers::GrantToken as Wire>::schema,
        what: What::Issue,
    },
    Write {
        path: "/api/v1/redemptions",
        name: "redeem",
        does: "Redeems a grant: from then on it is used. Gates, freezes, revocation and time are asked of the ledger again; the digests of command and \
               artifacts are what the machine that deploys says of itself.",
        scope: TokenScope::Deploy,
        query: &[],
        headers: &[(
            KEY,
            "16 to 128 letters, digits, `-` and `_`, chosen at random for this request: repeated with it, it is done once, and answered until \
             the deployment's end is recorded.",
            true,
        )],
        brings: Brings::Redemption,
        answers: &[("200", "It is redeemed, and the deployment may begin.")],
        schema: <super::answers::Redeemed as Wire>::schema,
        what: What::Redeem,
    },
    Write {
        path: "/api/v1/verifications",
        name: "verify-grant",
        does: "Looks whether the one use of a grant's token could begin now: signature, time, what it is for, single use, revocation and freezes. A \
               refusal is recorded.",
        scope: TokenScope::Deploy,
        query: &[],
        headers: &[],
        brings: Brings::Verification,
        answers: &[("200", "It could.")],
        schema: <super::answers::GrantVerified as Wire>::schema,
        what: What::Verify,
    },
    Write {
        path: "/api/v1/grants/{grant}/end",
        name: "end-deployment",
        does: "Records how a deployment ended. Whoever redeemed its grant here says so; the same again is the entry that is there.",
        scope: TokenScope::Deploy,
        query: &[],
        headers: &[],
        brings: Brings::End,
        answers: &[("200", "It is recorded.")],
        schema: <super::answers::EndRecorded as Wire>::schema,
        what: What::End,
    },
    Write {
        path: "/api/v1/acts/prepare",
        name: "prepare-act",
        does: "Says what somebody signs to say something, byte for byte, if they may say it now with this key of theirs. Where they may not, the refusal is \
               recorded; a run is decided on what is so now.",
        scope: TokenScope::Approve,
        query: &[],
        headers: &[],
        brings: Brings::Preparation,
        answers: &[("200", "It is to be signed within ten minutes.")],
        schema: <super::answers::ActToSign as Wire>::schema,
        what: What::Prepare,
    },
    Write {
        path: "/api/v1/acts",
        name: "act",
        does: "Adds what somebody signed with a key of theirs, by the command line's use case. It has to say exactly what the server would give out to be \
               signed at that moment; its time and the ids that it makes up are its own. The same again is the entry that is there.",
        scope: TokenScope::Approve,
        query: &[],
        headers: &[
            (
                KEY,
                "16 to 128 letters, digits, `-` and `_`, chosen at random for this request: something else under it is refused for an hour.",
                true,
            ),
            (
                "if-match",
                "`condition` of what was given out, in quotes: how it stood what the signer looked at. Needed where that is not null.",
                false,
            ),
        ],
        brings: Brings::Acts,
        answers: &[("200", "It is in the log.")],
        schema: <super::answers::ActRecorded as Wire>::schema,
        what: What::Take,
    },
    Write {
        path: "/api/v1/access-reviews/{review}/shown",
        name: "show-access-lines",
        does: "Shows the lines of an access review that wait for whoever asks; `latest` is the newest. The ledger remembers when they were shown, each time.",
        scope: TokenScope::Approve,
        query: &[],
        headers: &[],
        brings: Brings::Nothing,
        answers: &[("200", "It is recorded that these were shown; where nothing waits, nothing is.")],
        schema: <super::reviews::Shown as Wire>::schema,
        what: What::Shown,
    },
    Write {
        path: "/api/v1/environments/{environment}/snapshots",
        name: "take-snapshot",
        does: "Holds what runs in an environment against what was let through, and records it. What runs is the word of whoever watches it; what \
               differs is told here. The same again, within 15 minutes, is the entry that is there.",
        scope: TokenScope::Observe,
        query: &[],
        headers: &[],
        brings: Brings::Snapshot,
        answers: &[("200", "It is held against the log, and what came of it is recorded.")],
        schema: <super::wire::SnapshotRecorded as Wire>::schema,
        what: What::Snapshot,
    },
];

/// One request.
pub(super) struct Asking {
    pub(super) app: Arc<App>,
    pub(super) sender: Sender,
    /// What their token opens of what belongs to applications.
    pub(super) scope: Scope,
    /// Whether they are an auditor, who has the acts of an audit alone.
    pub(super) is_auditor: bool,
    params: BTreeMap<String, String>,
    query: BTreeMap<String, String>,
    pub(super) headers: HeaderMap,
}

impl Write {
    /// Whether a job that shows its identity token alone may send it, about its own repository. What people sign, people hand in.
    pub(crate) fn is_of_jobs(&self) -> bool {
        matches!(self.scope, TokenScope::Submit | TokenScope::Deploy)
    }

    /// Whether an auditor may send it: what they sign in an audit. Which acts that are is asked when it is read.
    pub(crate) fn is_of_auditors(&self) -> bool {
        matches!(self.what, What::Prepare | What::Take)
    }

    /// Roles of which its person must hold one.
    pub(crate) fn roles(&self) -> &'static [Role] {
        if self.is_of_auditors() { EVERYBODY } else { WORKERS }
    }
}

impl Asking {
    /// Whose token was shown; a job's is nobody's.
    pub(super) fn person(&self) -> Result<PersonId, Trouble> {
        self.sender.person.clone().ok_or_else(Trouble::not_of_jobs)
    }

    /// A part of the path.
    pub(super) fn param(&self, name: &str) -> &str {
        self.params.get(name).map_or("", String::as_str)
    }

    /// A parameter of the query.
    pub(super) fn filter(&self, name: &str) -> Option<&str> {
        self.query.get(name).map(String::as_str)
    }
}

/// Answers for every request of the table.
pub(super) async fn answer(
    State(app): State<Arc<App>>,
    path: MatchedPath,
    params: RawPathParams,
    request: Request,
) -> Response {
    let Some(write) = WRITES.iter().find(|w| w.path == path.as_str()) else {
        return refused(&Trouble::internal("a path without a request was routed"));
    };
    let params = params.iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
    match done(app, write, params, request).await {
        Ok(Done { status, location, body }) => {
            let mut response = sent(&HeaderMap::new(), body);
            *response.status_mut() = status;
            if let Some(location) = location.and_then(|l| HeaderValue::try_from(l).ok()) {
                response.headers_mut().insert(LOCATION, location);
            }
            response
        }
        Err(trouble) => refused(&trouble).into_response(),
    }
}

/// What came of it.
pub(super) struct Done {
    pub(super) status: StatusCode,
    pub(super) location: Option<String>,
    pub(super) body: String,
}

impl Done {
    pub(super) fn ok(body: Value) -> Self {
        Self { status: StatusCode::OK, location: None, body: body.to_string() }
    }
}

async fn done(
    app: Arc<App>,
    write: &'static Write,
    params: BTreeMap<String, String>,
    request: Request,
) -> Result<Done, Trouble> {
    let (head, body) = request.into_parts();
    let token = bearer(&head.headers).map(str::to_owned).ok_or_else(Trouble::no_token)?;
    let inner = Arc::clone(&app);
    let places = params.clone();
    let (sender, scope, is_auditor) = app
        .with(move |session| {
            let caller = caller::of(&inner, session, &token)?;
            caller.opens(write.scope, write.is_of_jobs(), write.roles(), "this request")?;
            let auditor = caller.visit().filter(|(_, visitor)| visitor.is_auditor());
            if auditor.is_some() && !write.is_of_auditors() {
                return Err(Trouble::no_role("this request"));
            }
            // What is given out to be signed says something of how an audit stands: an auditor's look.
            if let (Some((visit, _)), What::Prepare) = (auditor, write.what) {
                auth::viewed(&inner.looks, session, visit, write.path, None)?;
            }
            let is_auditor = auditor.is_some();
            let (sender, scope) = (caller.sender(), caller.scope(session, None)?);
            for (name, reach) in [("run", Reach::Run), ("grant", Reach::Grant), ("environment", Reach::Environment)] {
                if let Some(place) = places.get(name)
                    && let Err(outside) = scope.admits(session, reach, |_| place)
                {
                    return Err(outside_of(session, write.name, &sender, outside)?);
                }
            }
            Ok((sender, scope, is_auditor))
        })
        .await?;
    if head.uri.path().len() > LONGEST_PATH {
        return Err(Trouble::bad_query("the path is too long", "at most 1024 bytes"));
    }
    let pairs: Vec<(String, String)> = axum::extract::Query::try_from_uri(&head.uri)
        .map(|axum::extract::Query(pairs)| pairs)
        .map_err(|_| Trouble::bad_query("the query cannot be read", "percent-encoded UTF-8"))?;
    let query = ask::read(write.query.iter(), pairs)?;
    if let Some(media) = write.brings.media() {
        let said = head.headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
        if !said.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(media) {
            return Err(Trouble::wrong_media(media));
        }
    }
    let asking = Asking { app, sender, scope, is_auditor, params, query, headers: head.headers };
    Box::pin(act(write.what, asking, body)).await
}

/// Records that somebody sent what is outside of what their token opens, which is answered as if it were not there.
pub(super) fn outside_of(
    session: &mut Session,
    act: &str,
    sender: &Sender,
    outside: Trouble,
) -> Result<Trouble, Trouble> {
    session.record_refusal(act, None, sender.person.as_ref(), outside.code)?;
    Ok(outside)
}

async fn act(what: What, asking: Asking, body: Body) -> Result<Done, Trouble> {
    match what {
        What::Submit => submissions::submit(asking, body).await,
        What::Attach => evidence::attach(asking, body).await,
        What::Name => evidence::name(asking).await,
        What::Decide => evidence::decide(asking).await,
        What::Approve => approvals::approve(asking, body).await,
        What::Issue => grants::issue(asking, body).await,
        What::Redeem => grants::redeem(asking, body).await,
        What::Verify => grants::verify(asking, body).await,
        What::End => grants::end(asking, body).await,
        What::Snapshot => snapshots::take(asking, body).await,
        What::Prepare => acts::prepare(asking, body).await,
        What::Take => acts::take(asking, body).await,
        What::Shown => reviews::shown(asking).await,
    }
}

/// What a request brings, in the document.
pub(super) fn content(brings: Brings) -> Option<Value> {
    let media = brings.media()?;
    Some(json!({"required": brings != Brings::Objects, "content": {media: {"schema": brings.schema()}}}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_request_has_a_name_of_its_own_and_auditors_send_what_they_sign_alone() {
        let mut names: Vec<_> = WRITES.iter().map(|w| w.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), WRITES.len());
        assert!(!WORKERS.contains(&Role::Auditor));
        let of_auditors: Vec<_> = WRITES.iter().filter(|w| w.roles().contains(&Role::Auditor)).collect();
        assert_eq!(of_auditors.iter().map(|w| w.name).collect::<Vec<_>>(), ["prepare-act", "act"]);
        assert!(of_auditors.iter().all(|w| w.scope == TokenScope::Approve && w.is_of_auditors()));
        assert!(WRITES.iter().all(|w| matches!(
            w.scope,
            TokenScope::Submit | TokenScope::Approve | TokenScope::Deploy | TokenScope::Observe
        )));
    }
}
