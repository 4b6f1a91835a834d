//! What people say by signature, over the network: the exact statement is given out, they sign it with a key of theirs where they are, and
//! it comes back. Nothing of what comes back is believed: the use case makes the same statement once more from what is so now, and the two
//! are compared. The signature says who; the token only opens the door, to what its own person signs.
//!
//! | file | holds |
//! |---|---|
//! | `kinds/` | which acts there are, a file a family: what is asked of each, and the use case that says it |
//! | `schema.rs` | what is sent, as the document says it |
//! | `keys.rs` | which key stood for which request |

mod keys;
mod kinds;
mod schema;

use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::http::StatusCode;
use axum::http::header::IF_MATCH;
use countersign_evidence::openpgp::LARGEST_CERTIFICATE;
use countersign_evidence::{from_base64, to_base64};
use countersign_model::{Diagnostic, Digest, Exit, PersonId};
use countersign_stages::build::submission::{self, SubmissionError};
use countersign_store::Session;
use countersign_store::handed::{
    Away, Ceremony, Document, FRESH, HandedError, HandedIn, LARGEST_DOCUMENT, MOST, Written,
};
use countersign_store::projection::EntriesAsked;
use serde::Deserialize;
use serde_json::Value;

use self::kinds::{Asked, Said};
use super::answers::{ActRecorded, ActToSign, SealedText, StatementToSign};
use super::caller::Sender;
use super::submissions;
use super::table::Kind;
use super::wire::Wire as _;
use super::writes::{Asking, Done, outside_of};
use crate::app::{App, Scope, Trouble};
use crate::auth::lock;

pub(crate) use keys::Keys;
pub(super) use schema::{acts_schema, preparation_schema};

/// Bytes of a body here: an access review names every role and key that there is, and is written in base64 twice. The largest document is a
/// policy bundle, which is JSON: written as a text of JSON it grows to twice of what it was at most.
pub(crate) const LARGEST: usize = 2 * LARGEST_DOCUMENT + (1 << 20);
/// Bytes of what is sealed: the largest is an OpenPGP key.
const LARGEST_SEALED: usize = LARGEST_CERTIFICATE + countersign_evidence::seal::OVERHEAD;

/// Bytes of a revocation list: as large as that is taken over the network.
const LARGEST_LIST: usize = 256 << 10;

/// What somebody looked at is not so any more (`govern`'s `MovedOn`).
const MOVED_ON: &str = "CS-ACCESS-013";

/// What a use case says, as a client is told it: what does not verify is a no, and none of this server's faults.
fn told(error: &dyn Diagnostic) -> Trouble {
    let mut trouble = Trouble::of(error);
    if error.exit() == Exit::Unverified {
        trouble.status = StatusCode::FORBIDDEN;
    }
    if error.code() == MOVED_ON {
        // Sent once more it would come to the same: something else is signed then.
        trouble.status = StatusCode::CONFLICT;
    }
    trouble
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Preparation {
    key: String,
    host: String,
    act: Value,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Acts {
    acts: Vec<String>,
    #[serde(default)]
    sealed: Vec<String>,
    #[serde(default)]
    passkey: Option<Ceremony>,
    #[serde(default)]
    document: Option<Document>,
    #[serde(default)]
    list: Option<String>,
}

/// What was signed, and what stands beside it.
struct Signed {
    acts: Vec<Vec<u8>>,
    sealed: Vec<Vec<u8>>,
    passkey: Option<Ceremony>,
    document: Option<Document>,
    list: Option<Vec<u8>>,
}

/// Whoever asks, and what their token opens.
struct Who {
    sender: Sender,
    person: PersonId,
    is_auditor: bool,
    scope: Scope,
}

async fn body<T: serde::de::DeserializeOwned>(body: Body) -> Result<(T, Digest), Trouble> {
    let bytes = axum::body::to_bytes(body, LARGEST).await.map_err(|_| Trouble::too_much(LARGEST as u64))?;
    let read = serde_json::from_slice(&bytes).map_err(|e| no_such(&e))?;
    Ok((read, Digest::of(&bytes)))
}

fn no_such(error: &serde_json::Error) -> Trouble {
    Trouble::bad_body(&format!("what was sent is not as the document says: {error}"))
}

/// A revocation list as it is sent.
fn list_of(base64: &str) -> Result<Vec<u8>, Trouble> {
    let bad = || Trouble::bad_body("the list is not as the document says: in base64");
    let bytes = from_base64(base64).filter(|bytes| !bytes.is_empty()).ok_or_else(bad)?;
    if bytes.len() > LARGEST_LIST { Err(Trouble::too_large_list(LARGEST_LIST)) } else { Ok(bytes) }
}

fn who(asking: &Asking) -> Result<Who, Trouble> {
    let (sender, scope) = (asking.sender.clone(), asking.scope.clone());
    Ok(Who { sender, person: asking.person()?, is_auditor: asking.is_auditor, scope })
}

/// What somebody has to sign to say something, if they may say it now; who may not finds it recorded, as where the ledger is.
pub(super) async fn prepare(asking: Asking, sent: Body) -> Result<Done, Trouble> {
    let who = who(&asking)?;
    let (Preparation { key, host, act }, _) = body(sent).await?;
    let act = kinds::read(act).map_err(|e| no_such(&e))?;
    if !Kind::Fingerprint.takes(&key) || !Kind::Text.takes(&host) {
        return Err(Trouble::bad_body("the key's fingerprint or the machine's name is not as the document says"));
    }
    let app = Arc::clone(&asking.app);
    let inner = Arc::clone(&app);
    app.with(move |session| prepared(&inner, session, &who, &act, (&key, &host))).await.map(Done::ok)
}

fn prepared(
    app: &App,
    session: &mut Session,
    who: &Who,
    act: &Asked,
    (key, host): (&str, &str),
) -> Result<Value, Trouble> {
    is_theirs(session, who, act)?;
    admitted(session, who, act)?;
    is_own(session, who, act, key)?;
    let away = Away::Asked { key, host };
    let (by, acts, already) = match act.say_here(app, session, away)? {
        Written::ToSign { by, acts } => (by, acts, Value::Null),
        Written::Already => (who.person.clone(), Vec::new(), act.already(session)?),
        Written::Done(_) => return Err(Trouble::internal("something that was not signed was appended")),
    };
    let acts = acts.into_iter().map(|one| StatementToSign {
        namespace: one.namespace.to_owned(),
        statement: to_base64(&one.statement),
        digest: Digest::of(&one.statement),
        sealed: one
            .sealed
            .map(|sealed| SealedText { bytes: to_base64(&sealed.bytes), opener: to_base64(sealed.opener.as_bytes()) }),
    });
    let looked = act.looked_at(session)?;
    Ok(ActToSign {
        name: session.state().label(&by)?,
        person: by.to_string(),
        origin: session.state().origin().to_owned(),
        condition: looked.condition,
        about: looked.about,
        acts: acts.collect(),
        already,
    }
    .json())
}

/// Takes what somebody signed.
pub(super) async fn take(asking: Asking, sent: Body) -> Result<Done, Trouble> {
    let who = who(&asking)?;
    let key = submission::key(asking.sender.name(), submissions::chosen(&asking.headers)?);
    let said = asking.headers.get(IF_MATCH).map(|v| v.to_str().unwrap_or_default().trim().trim_matches('"'));
    let condition: Option<Digest> = said.map(|text| text.parse().map_err(|_| Trouble::no_condition())).transpose()?;
    let (Acts { acts, sealed, passkey, document, list }, request) = body(sent).await?;
    let bad = || Trouble::bad_body("an act is not as the document says: one, or the two of one command, in base64");
    if acts.is_empty() || acts.len() > MOST {
        return Err(bad());
    }
    let acts: Option<Vec<Vec<u8>>> = acts.iter().map(|one| from_base64(one)).collect();
    let acts = acts.ok_or_else(bad)?;
    let bad = || Trouble::bad_body("what was sealed is not as the document says: for each act one, in base64");
    if sealed.len() > acts.len() {
        return Err(bad());
    }
    let sealed: Option<Vec<Vec<u8>>> = sealed.iter().map(|one| from_base64(one)).collect();
    let sealed = sealed.filter(|all| all.iter().all(|one| one.len() <= LARGEST_SEALED)).ok_or_else(bad)?;
    let list = list.map(|list| list_of(&list)).transpose()?;
    if !lock(&asking.app.acts).begin(key, request, Instant::now()) {
        return Err(told(&countersign_stages::Error::from(SubmissionError::KeyReused { index: None })))
            .map_err(|trouble| Trouble { status: StatusCode::UNPROCESSABLE_ENTITY, ..trouble });
    }
    let signed = Signed { acts, sealed, passkey, document, list };
    let app = Arc::clone(&asking.app);
    let inner = Arc::clone(&app);
    let done = app.with(move |session| taken(&inner, session, &who, condition, signed)).await;
    if done.is_err() {
        lock(&app.acts).forget(&key);
    }
    done.map(Done::ok)
}

fn taken(
    app: &App,
    session: &mut Session,
    who: &Who,
    condition: Option<Digest>,
    signed: Signed,
) -> Result<Value, Trouble> {
    let Signed { acts, sealed, passkey, document, list } = signed;
    let read = HandedIn::read(&acts)
        .and_then(|handed| handed.with_ceremony(passkey))
        .and_then(|handed| handed.with_document(document))
        .and_then(|handed| handed.with_list(list))
        .and_then(|handed| Ok((kinds::of(&handed)?, handed.with(sealed)?)));
    let (asked, handed) = match read {
        Ok(read) => read,
        Err(error) => {
            session.record_refusal("act", None, Some(&who.person), error.code())?;
            return Err(told(&error));
        }
    };
    is_theirs(session, who, &asked)?;
    is_own(session, who, &asked, handed.key())?;
    admitted(session, who, &asked)?;
    // Whoever lost the answer sends it once more.
    if let Some(index) = known(session, &asked, &handed)? {
        return recorded(session, who, &asked, &handed, index);
    }
    match (asked.looked_at(session)?.condition, condition) {
        (Some(_), None) => return Err(Trouble::no_condition()),
        (Some(now), Some(looked_at)) if now != looked_at => return Err(Trouble::other_state(&now.to_string())),
        _ => {}
    }
    match asked.say_here(app, session, Away::Signed(&handed)) {
        Ok(Written::Done(index)) => recorded(session, who, &asked, &handed, index),
        Ok(Written::Already) => {
            // Somebody else said the same meanwhile, so that there is nothing to add.
            let error = HandedError::Differs;
            session.record_refusal(asked.command(), None, Some(&who.person), error.code())?;
            Err(told(&error))
        }
        Ok(Written::ToSign { .. }) => Err(Trouble::internal("something that was signed was not appended")),
        Err(trouble) => {
            // The same was sent at the same moment, perhaps to another server, and came first.
            session.refresh()?;
            match known(session, &asked, &handed)? {
                Some(index) => recorded(session, who, &asked, &handed, index),
                None => Err(trouble),
            }
        }
    }
}

/// An auditor has the acts of an audit, and no other; whether they may do this one is asked by its use case.
fn is_theirs(session: &mut Session, who: &Who, asked: &Asked) -> Result<(), Trouble> {
    if !who.is_auditor || asked.is_of_audit() {
        return Ok(());
    }
    let trouble = Trouble::no_role("what is no act of an audit");
    session.record_refusal(asked.command(), None, Some(&who.person), trouble.code)?;
    Err(trouble)
}

/// Whether the key is one of the person's whose token was shown: what others sign, others hand in.
fn is_own(session: &mut Session, who: &Who, asked: &Asked, key: &str) -> Result<(), Trouble> {
    if asked.is_of(session, &who.person, key)? {
        return Ok(());
    }
    // Whether somebody else may say it is not told.
    let trouble = Trouble::no_role("what a key of somebody else signs");
    session.record_refusal(asked.command(), None, Some(&who.person), trouble.code)?;
    Err(trouble)
}

/// Whether what it is about is there, and is the token's to act on; else it is answered as if it were not there, and recorded.
fn admitted(session: &mut Session, who: &Who, asked: &Asked) -> Result<(), Trouble> {
    // What is not there at all is told by the use case.
    if !who.scope.is_limited() {
        return Ok(());
    }
    let (what, inside) = asked.inside(session, &who.scope)?;
    if inside {
        return Ok(());
    }
    Err(outside_of(session, asked.command(), &who.sender, Trouble::not_found(what))?)
}

/// The entry of exactly this act, where it is in the log already. What is older than an act may be is not looked at.
fn known(session: &Session, asked: &Asked, handed: &HandedIn) -> Result<Option<u64>, Trouble> {
    let stream = asked.stream(handed).map_err(|e| told(&e))?;
    let act = handed.act()?;
    let oldest = handed.time().plus_seconds(-FRESH);
    let page = EntriesAsked { kind: Some(asked.event()), stream, before: None };
    for line in session.state().entries_page(&page, 200)? {
        if line.time < oldest {
            break;
        }
        let end = line.index.saturating_add(1);
        let entry = session.ledger().entries(line.index..end)?.pop();
        if let Some((_, entry)) = entry
            && session.ledger().payload(&entry.payload)? == act
        {
            return Ok(Some(line.index));
        }
    }
    Ok(None)
}

/// What is answered when it is in the log.
fn recorded(session: &mut Session, who: &Who, asked: &Asked, handed: &HandedIn, index: u64) -> Result<Value, Trouble> {
    let result = asked.result(session, &Said { person: &who.person, handed, index })?;
    Ok(ActRecorded { person: who.person.to_string(), index, result }.json())
}
