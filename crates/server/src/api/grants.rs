//! Grants, and what a deploying job does with one: it redeems it, and says how the deployment ended. What is sent is what that machine
//! alone can know; the server asks everything else of its own ledger, by the command line's use cases.

use std::sync::Arc;

use axum::body::Body;
use axum::http::StatusCode;
use axum::http::header::IF_MATCH;
use countersign_connect::ExitOutcome;
use countersign_evidence::{act, to_base64};
use countersign_model::access::GrantClaims;
use countersign_model::audit::threads::MaskedField;
use countersign_model::submission::SentBy;
use countersign_model::{Diagnostic as _, Digest, Exit, GrantId, RunId};
use countersign_stages::Error as StageError;
use countersign_stages::build::confined::ConfinedEngine;
use countersign_stages::build::submission::{self, SubmissionError};
use countersign_stages::release::grant::{self as tokens, Wanted};
use countersign_stages::release::handed_in;
use countersign_stages::release::redeem::{self, Ended, Presented, Redemption};
use countersign_store::Session;
use countersign_store::projection::GrantRow;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::answers::{
    Claims, EndRecorded, GrantArtifact, GrantDevice, GrantList, GrantRevoked, GrantToSign, GrantToken, GrantVerified,
    GrantWhole, Redeemed,
};
use super::ask::{Ask, count, cut, id};
use super::caller::Sender;
use super::submissions;
use super::table::Kind;
use super::wire::Wire;
use super::writes::{Asking, Done, outside_of};
use crate::app::{Scope, Trouble};

/// Bytes of a body here.
const LARGEST: usize = 256 << 10;
/// Characters of a token or an id.
const LONGEST: usize = 64 << 10;
/// Artifacts that one request names.
const MOST: usize = 200;

/// What a use case says, as a client is told it: what does not verify is a no, and none of this server's faults.
fn told(error: &StageError) -> Trouble {
    let mut trouble = Trouble::of(error);
    if error.exit() == Exit::Unverified {
        trouble.status = StatusCode::FORBIDDEN;
    }
    match error {
        StageError::NoSuchGrant { .. } => trouble.status = StatusCode::NOT_FOUND,
        StageError::GrantUsed { .. } | StageError::GrantExpired { .. } => trouble.status = StatusCode::CONFLICT,
        StageError::Submission(SubmissionError::KeyReused { .. }) => trouble.status = StatusCode::UNPROCESSABLE_ENTITY,
        _ => {}
    }
    trouble
}

/// The grants, newest first.
pub(super) fn list(ask: &Ask<'_>) -> Result<GrantList, Trouble> {
    let mut all = Vec::new();
    let rows = match ask.filter("run") {
        Some(run) => ask.state().grants_of_run(&RunId::from_text(run))?,
        None => ask.state().grants()?,
    };
    for row in rows.into_iter().rev() {
        let state = tokens::standing(ask.session, &row)?;
        let is_asked = ask.filter("state").is_none_or(|asked| asked == state);
        if is_asked && ask.scope.has_run(ask.state(), &row.grant.run)? {
            all.push(row);
        }
    }
    let whole_count = count(all.len());
    if let Some(before) = ask.number("before") {
        all.retain(|row| row.index < before);
    }
    let has_more = cut(&mut all, ask.limit());
    let next = all.last().filter(|_| has_more).map(|last| last.index);
    let items = all.into_iter().map(|row| whole(ask, row)).collect::<Result<_, _>>()?;
    Ok(GrantList { items, count: whole_count, next })
}

/// How a grant can stand.
pub(super) fn states() -> Vec<&'static str> {
    vec!["issued", "expired", "revoked", "started", "succeeded", "failed"]
}

fn found(session: &Session, id: &str) -> Result<GrantRow, Trouble> {
    session.state().grant(&GrantId::from_text(id))?.ok_or_else(|| Trouble::not_found("grant"))
}

/// One grant.
pub(super) fn one(ask: &Ask<'_>) -> Result<GrantWhole, Trouble> {
    whole(ask, found(ask.session, ask.param("grant"))?)
}

/// The grant as tools carry it.
pub(super) fn token(ask: &mut Ask<'_>) -> Result<GrantToken, Trouble> {
    let row = found(ask.session, ask.param("grant"))?;
    Ok(GrantToken { grant: row.grant.grant.to_string(), token: tokens::token(ask.session, &row)? })
}

fn whole(ask: &Ask<'_>, row: GrantRow) -> Result<GrantWhole, Trouble> {
    let claims = claims(GrantClaims::of(&row.grant, row.index));
    let revoked = row.revoked.as_ref().map(|s| GrantRevoked {
        by: id(&s.by),
        time: s.time,
        reason: s.reason.clone(),
        index: s.index,
    });
    Ok(GrantWhole {
        grant: row.grant.grant.to_string(),
        state: tokens::standing(ask.session, &row)?.to_owned(),
        by: id(&row.grant.by),
        issued: row.grant.time,
        expires: row.grant.expires,
        approvals: row.grant.approvals,
        replaces: row.grant.replaces,
        device: GrantDevice {
            key: row.grant.device.key,
            host: ask.scope.field(MaskedField::Hosts, &row.grant.device.host),
        },
        claims,
        redeemed: row.started,
        redeemed_by: row.sent.and_then(|sent| sent.person.map(|person| id(&person)).or(sent.workload)),
        revoked,
    })
}

fn claims(c: GrantClaims) -> Claims {
    let seconds = |s: i64| u64::try_from(s).unwrap_or_default();
    Claims {
        iss: c.iss,
        sub: c.sub,
        aud: c.aud,
        jti: c.jti.to_string(),
        iat: seconds(c.iat),
        nbf: seconds(c.nbf),
        exp: seconds(c.exp),
        run: c.run.to_string(),
        commit: c.commit,
        tree: c.tree,
        artifacts: c.artifacts.into_iter().map(|a| GrantArtifact { name: a.name, digest: a.digest }).collect(),
        environment: c.environment,
        decision: c.decision,
        index: c.index,
        self_judged: c.self_judged,
        break_glass: c.break_glass.map(|id| id.to_string()),
    }
}

/// What somebody has to sign to issue a grant. Nothing is appended by that.
pub(super) fn to_sign(ask: &mut Ask<'_>) -> Result<GrantToSign, Trouble> {
    let run = RunId::from_text(ask.param("run"));
    let (key, environment) = (ask.said("key").to_owned(), ask.said("environment").to_owned());
    let host = ask.filter("host").unwrap_or("unknown").to_owned();
    let minutes = ask.number("minutes").unwrap_or(15).clamp(1, 1440);
    if ask.session.state().run(&run)?.is_none() {
        return Err(Trouble::not_found("run"));
    }
    // Whether somebody else may sign is not told.
    if ask.session.state().key(&key)?.map(|row| row.person).as_ref() != Some(&ask.visitor()?.person) {
        return Err(Trouble::no_role("what a key of somebody else signs"));
    }
    let seconds = i64::try_from(minutes).unwrap_or_default() * 60;
    let made = handed_in::statement(ask.session, &ConfinedEngine, &run, &environment, seconds, &key, &host);
    let made = made.map_err(|e| told(&e))?;
    Ok(GrantToSign {
        run: run.to_string(),
        environment,
        person: made.person.to_string(),
        decision: made.said.decision,
        namespace: act::GRANT.to_owned(),
        statement: to_base64(&made.statement),
    })
}

async fn bytes(body: Body) -> Result<Vec<u8>, Trouble> {
    let bytes = axum::body::to_bytes(body, LARGEST).await.map_err(|_| Trouble::too_much(LARGEST as u64))?;
    Ok(bytes.to_vec())
}

/// Adds a grant that its release manager signed.
pub(super) async fn issue(asking: Asking, body: Body) -> Result<Done, Trouble> {
    let condition = asking.headers.get(IF_MATCH).and_then(|v| v.to_str().ok()).ok_or_else(Trouble::no_condition)?;
    let looked_at: Digest = condition.trim().trim_matches('"').parse().map_err(|_| Trouble::no_condition())?;
    let bytes = bytes(body).await?;
    let run = RunId::from_text(asking.param("run"));
    let app = Arc::clone(&asking.app);
    let person = asking.person()?;
    let done = app
        .with(move |session| {
            let row = session.state().run(&run)?.ok_or_else(|| Trouble::not_found("run"))?;
            let Some((_, said)) = handed_in::read(&bytes) else {
                session.record_refusal("deploy", Some(&run), Some(&person), "CS-GRANT-021")?;
                return Err(told(&countersign_stages::release::error::ReleaseError::NoGrant.into()));
            };
            if said.run != run {
                return Err(Trouble::bad_body("what was signed is the grant of another run"));
            }
            let is_there = session.state().grant(&said.grant)?.is_some();
            let newest = row.decisions.last().map(|d| d.digest);
            if newest != Some(looked_at) && !is_there {
                let now = newest.map_or_else(|| "none".to_owned(), |digest| digest.to_string());
                return Err(Trouble::other_decision(&now));
            }
            let issued = handed_in::take(session, &ConfinedEngine, &bytes).map_err(|e| told(&e))?;
            let row = found(session, issued.grant.grant.as_str())?;
            let token = tokens::token(session, &row)?;
            Ok(GrantToken { grant: row.grant.grant.to_string(), token }.json())
        })
        .await?;
    Ok(Done::ok(done))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    name: String,
    digest: Digest,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RedemptionAsked {
    grant: String,
    environment: Option<String>,
    artifacts: Vec<Named>,
    command: Digest,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct VerificationAsked {
    token: String,
    environment: String,
    artifacts: Vec<Named>,
    commit: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct EndSaid {
    success: bool,
    exit_code: Option<i32>,
    signal: Option<i32>,
}

fn word() -> Value {
    json!({"type": "string", "minLength": 1, "maxLength": LONGEST, "pattern": "^[!-~]+$"})
}

fn artifacts() -> Value {
    let artifact = json!({
        "type": "object", "additionalProperties": false, "required": ["name", "digest"],
        "properties": {"name": Kind::Text.schema(), "digest": Digest::schema()},
    });
    json!({"type": "array", "maxItems": MOST, "items": artifact, "description": "What is about to be deployed: each has to be permitted."})
}

fn or_null(schema: Value) -> Value {
    json!({"anyOf": [schema, {"type": "null"}]})
}

fn object(properties: Value, required: &[&str]) -> Value {
    json!({"type": "object", "additionalProperties": false, "required": required, "properties": properties})
}

/// The schema of a request to redeem.
pub(super) fn redemption_schema() -> Value {
    let said = json!({
        "grant": word(), "environment": or_null(Kind::Text.schema()), "artifacts": artifacts(), "command": Digest::schema(),
    });
    object(said, &["grant", "artifacts", "command"])
}

/// The schema of a request to verify.
pub(super) fn verification_schema() -> Value {
    let said = json!({
        "token": word(), "environment": Kind::Text.schema(), "artifacts": artifacts(), "commit": or_null(Kind::Commit.schema()),
    });
    object(said, &["token", "environment", "artifacts"])
}

/// The schema of how a deployment ended.
pub(super) fn end_schema() -> Value {
    let number = || or_null(json!({"type": "integer", "minimum": i32::MIN, "maximum": i32::MAX}));
    object(json!({"success": {"type": "boolean"}, "exit_code": number(), "signal": number()}), &["success"])
}

fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Trouble> {
    serde_json::from_slice(bytes)
        .map_err(|e| Trouble::bad_body(&format!("what was sent is not as the document says: {e}")))
}

fn is_word(text: &str) -> Result<(), Trouble> {
    let is = !text.is_empty() && text.len() <= LONGEST && text.bytes().all(|b| b.is_ascii_graphic());
    if is { Ok(()) } else { Err(Trouble::bad_body("a grant is named by its token or by its id")) }
}

/// What a grant is wanted for, as far as the request says.
fn wanted(environment: Option<String>, artifacts: Vec<Named>, commit: Option<String>) -> Result<Wanted, Trouble> {
    let is_text = environment.iter().chain(artifacts.iter().map(|a| &a.name)).all(|text| Kind::Text.takes(text));
    let is_commit = commit.as_ref().is_none_or(|commit| Kind::Commit.takes(commit));
    if !is_text || !is_commit || artifacts.len() > MOST {
        return Err(Trouble::bad_body("an environment, a commit or an artifact is not as the document says"));
    }
    let artifacts = artifacts.into_iter().map(|a| (a.name, a.digest)).collect();
    Ok(Wanted { environment, artifacts, commit })
}

fn by(sender: &Sender) -> SentBy {
    let (person, workload) = (sender.person.clone(), sender.workload.clone());
    // Of a job's token the admission says what there is to say.
    let token = person.is_some().then_some(sender.token);
    SentBy { key: None, request: None, person, token, workload }
}

/// Whether what is presented is a grant that the sender's token opens. What is no grant at all is told by the use case.
fn is_inside(session: &mut Session, asking: &(Sender, Scope), act: &str, presented: &str) -> Result<(), Trouble> {
    let (sender, scope) = asking;
    if !scope.is_limited() {
        return Ok(());
    }
    let id = match presented.starts_with(GrantId::PREFIX) {
        true => Some(GrantId::from_text(presented)),
        // What does not verify names none.
        false => {
            let keys = tokens::own(session)?.keys;
            countersign_evidence::grant_token::open(presented, &keys).ok().map(|(claims, _)| claims.jti)
        }
    };
    let row = id.map(|id| session.state().grant(&id)).transpose()?.flatten();
    let inside = match &row {
        Some(row) => scope.has_run(session.state(), &row.grant.run)?,
        None => false,
    };
    if inside { Ok(()) } else { Err(outside_of(session, act, sender, Trouble::not_found("grant"))?) }
}

/// Redeems a grant.
pub(super) async fn redeem(asking: Asking, body: Body) -> Result<Done, Trouble> {
    let key = submission::key(asking.sender.name(), submissions::chosen(&asking.headers)?);
    let bytes = bytes(body).await?;
    let asked: RedemptionAsked = read(&bytes)?;
    is_word(&asked.grant)?;
    let wanted = wanted(asked.environment, asked.artifacts, None)?;
    let mut parts =
        vec![asked.grant.clone(), wanted.environment.clone().unwrap_or_default(), asked.command.to_string()];
    parts.extend(wanted.artifacts.iter().map(|(name, digest)| format!("{name} {digest}")));
    let request = submission::request(&parts.iter().map(String::as_str).collect::<Vec<_>>());
    let sent = SentBy { key: Some(key), request: Some(request), ..by(&asking.sender) };
    if asking.sender.person.is_none() && asked.grant.starts_with(GrantId::PREFIX) {
        return Err(Trouble::not_by_id());
    }
    let text = asked.grant.clone();
    let presented = if asked.grant.starts_with(GrantId::PREFIX) {
        Presented::Id(GrantId::from_text(asked.grant))
    } else {
        Presented::Token(asked.grant)
    };
    let (app, whose) = (Arc::clone(&asking.app), (asking.sender.clone(), asking.scope.clone()));
    let done = app
        .with(move |session| {
            is_inside(session, &whose, "redeem", &text)?;
            let redemption = Redemption {
                act: "redeem",
                presented: &presented,
                wanted: &wanted,
                command: asked.command,
                sent: Some(&sent),
            };
            let redeemed = redeem::begin(session, &ConfinedEngine, &redemption).map_err(|e| told(&e))?;
            let handed = redeem::handed(session, &redeemed).map_err(|e| told(&e))?;
            Ok(Redeemed { redeemed: handed.redeemed, claims: claims(handed.claims), token: handed.token }.json())
        })
        .await?;
    Ok(Done::ok(done))
}

/// Looks whether a token's one use could begin now. A refusal is recorded.
pub(super) async fn verify(asking: Asking, body: Body) -> Result<Done, Trouble> {
    let bytes = bytes(body).await?;
    let asked: VerificationAsked = read(&bytes)?;
    is_word(&asked.token)?;
    let wanted = wanted(Some(asked.environment), asked.artifacts, asked.commit)?;
    let (app, person) = (Arc::clone(&asking.app), asking.sender.person.clone());
    let whose = (asking.sender.clone(), asking.scope.clone());
    let done = app
        .with(move |session| {
            is_inside(session, &whose, "grant verify", &asked.token)?;
            let trusted = tokens::own(session)?;
            let (said, key) = match tokens::verify(&asked.token, &trusted, &wanted, session.now()) {
                Ok(verified) => verified,
                Err(fault) => {
                    session.record_refusal("grant verify", None, person.as_ref(), fault.code())?;
                    return Err(told(&fault.into()));
                }
            };
            redeem::stands(session, &said).map_err(|e| told(&e))?;
            let kid = countersign_evidence::grant_token::thumbprint(&key);
            Ok(GrantVerified { kid, claims: claims(said) }.json())
        })
        .await?;
    Ok(Done::ok(done))
}

/// Records how a deployment ended.
pub(super) async fn end(asking: Asking, body: Body) -> Result<Done, Trouble> {
    let bytes = bytes(body).await?;
    let said: EndSaid = read(&bytes)?;
    let outcome = ExitOutcome { code: said.exit_code, signal: said.signal };
    // What the machine saw decides, and its word only where it saw nothing.
    let saw = said.exit_code.is_some() || said.signal.is_some();
    if saw && said.success != outcome.success() || said.exit_code.is_some() && said.signal.is_some() {
        return Err(Trouble::bad_body("how the command ended is no such outcome"));
    }
    let grant = GrantId::from_text(asking.param("grant"));
    let sent = by(&asking.sender);
    let app = Arc::clone(&asking.app);
    let done = app
        .with(move |session| {
            found(session, grant.as_str())?;
            let ended = Ended { success: said.success, outcome, sent: Some(&sent) };
            let index = redeem::end(session, &grant, &ended).map_err(|e| told(&e))?;
            Ok(EndRecorded { grant: grant.to_string(), success: said.success, index }.json())
        })
        .await?;
    Ok(Done::ok(done))
}
