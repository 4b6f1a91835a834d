//! A regulator asks for records: the request is on record when it comes, and so is what is handed over, with the time between.
//!
//! Control objective: records that an authority asks for are there promptly, in a form for people and in a reasonably usable
//! electronic form, whole, with an index, and it can be told who handed over what when.
//! Regulatory mapping: SEC 17 CFR 240.17a-4(f)(2), (f)(3), (j); FINRA rules 4511, 8210; NIST 800-53r5 AU-7, AU-11.
//!
//! | act | who |
//! |---|---|
//! | open | a security or compliance officer |
//! | deliver | a compliance officer |

use std::path::Path;

use countersign_connect::SshSigner;
use countersign_evidence::act;
use countersign_model::audit::PackScope;
use countersign_model::event::{FurnishDelivered, FurnishOpened};
use countersign_model::{Action, EventKind, FurnishId, PersonId, StreamId, Timestamp};
use countersign_policy::Catalogue;
use countersign_store::Session;
use countersign_store::projection::FurnishRow;

use super::AuditError;
use super::pack::{self, Made, View};
use super::threads::{ThreadError, check_control_then, check_names, check_period, sorted};
use crate::Error;
use crate::access::people;
use crate::access::{Saying, allowed, line, needs, random_id, rooted, say, signer_of};
use crate::assess::Window;

/// A regulator's request.
#[derive(Debug, Clone)]
pub struct Asked<'a> {
    /// Who asks.
    pub regulator: &'a str,
    /// Under which reference.
    pub reference: &'a str,
    /// Who received it, by name or id; whoever signs where nobody says.
    pub received_by: Option<&'a str>,
    /// When it was received.
    pub received: Timestamp,
    /// Until when the records are to be there.
    pub due: Timestamp,
    /// Which records.
    pub scope: &'a PackScope,
}

/// What was handed over, as it is on record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivered {
    /// The file.
    pub made: Made,
    /// What the record says.
    pub said: FurnishDelivered,
    /// Log index of the record.
    pub index: u64,
    /// When the request was received, and when it was due.
    pub received: Timestamp,
    /// Until when.
    pub due: Timestamp,
}

/// The one request that an id or the start of one means.
///
/// # Errors
/// When it is none, or more than one.
pub fn find(session: &Session, text: &str) -> Result<FurnishRow, Error> {
    let mut rows = session.state().furnishings()?;
    rows.retain(|row| row.said.furnish.as_str().starts_with(text));
    match (rows.pop(), rows.is_empty()) {
        (Some(row), true) => Ok(row),
        _ => Err(ThreadError::NoSuchFurnishing { furnish: text.to_owned() }.into()),
    }
}

fn check_scope(session: &Session, catalogue: &Catalogue, scope: &PackScope) -> Result<(), Error> {
    check_names(session, catalogue, &scope.frameworks, &scope.controls, &scope.applications)?;
    match (&scope.deployment, scope.from, scope.to) {
        (None, Some(from), Some(to)) => {
            check_period(session, Window { from, to })?;
            scope.controls.iter().try_for_each(|control| check_control_then(session, control, to))
        }
        (Some(grant), ..) if session.state().grant(grant)?.is_none() => {
            Err(AuditError::NoSuchDeployment { grant: grant.to_string(), issued: false }.into())
        }
        _ => Ok(()),
    }
}

/// Records a regulator's request. Returns its id and the log index.
///
/// # Errors
/// When the signer is no officer, or such a request cannot be.
pub fn open(
    session: &mut Session,
    asked: &Asked<'_>,
    catalogue: &Catalogue,
    signer: &SshSigner,
) -> Result<(FurnishId, u64), Error> {
    let regulator = line("the regulator", asked.regulator)?;
    let reference = line("the reference", asked.reference)?;
    if asked.received > session.now() {
        return Err(ThreadError::BadTime { what: "it would be recorded before it is received" }.into());
    }
    if asked.due <= asked.received {
        return Err(ThreadError::BadTime { what: "it would be due before it is received" }.into());
    }
    check_scope(session, catalogue, asked.scope)?;
    let mut scope = asked.scope.clone();
    scope.applications = sorted(&scope.applications);
    scope.frameworks = sorted(&scope.frameworks);
    scope.controls = sorted(&scope.controls);
    let received_by = asked.received_by.map(|text| people::find(session.state(), text)).transpose()?.map(|p| p.id);
    let id = FurnishId::from_random(random_id()?);
    let saying = Saying {
        act: "audit furnish open",
        kind: EventKind::FurnishOpened,
        namespace: act::FURNISHING,
        stream: StreamId::from(&id),
    };
    let index = say(
        session,
        signer,
        &saying,
        |s, by| {
            needs(s, by, Action::OpenFurnishing)?;
            check_scope(s, catalogue, &scope)
        },
        |s, by| {
            Ok(FurnishOpened {
                origin: s.state().origin().to_owned(),
                furnish: id.clone(),
                regulator,
                reference,
                received_by: received_by.unwrap_or_else(|| by.clone()),
                received: asked.received,
                due: asked.due,
                scope: scope.clone(),
                by,
                time: s.now(),
            })
        },
    )?;
    Ok((id, index))
}

/// Makes the file, records it and that it is handed over, and only then gives it its name.
///
/// # Errors
/// When the signer is no compliance officer; those of [`pack::make`]. Then no file is left behind.
pub fn deliver(
    session: &mut Session,
    text: &str,
    recipient: &str,
    masked: bool,
    catalogue: &Catalogue,
    out: &Path,
    signer: &SshSigner,
) -> Result<Delivered, Error> {
    const ACT: &str = "audit furnish deliver";
    let recipient = line("the recipient's reference", recipient)?;
    let row = find(session, text)?;
    let id = row.said.furnish.clone();
    if out.exists() {
        return Err(AuditError::PackExists { path: out.to_owned() }.into());
    }
    // Nothing is made for somebody who may not hand it over.
    session.require_pin()?;
    rooted(session.state())?;
    let may = |s: &Session, by: &PersonId| needs(s, by, Action::DeliverFurnishing);
    let by = allowed(session, ACT, None, |s| signer_of(s, signer))?;
    allowed(session, ACT, Some(&by), |s| may(s, &by))?;
    let scope = PackScope { furnish: Some(id.clone()), ..row.said.scope.clone() };
    let saying = Saying {
        act: ACT,
        kind: EventKind::FurnishDelivered,
        namespace: act::FURNISHING_DELIVERY,
        stream: StreamId::from(&id),
    };
    let mut done = None;
    let options = pack::Options { masked, ..pack::Options::default() };
    let made = pack::make_then(session, catalogue, &scope, &options, out, &mut |session, made| {
        let view = View { state: session.state(), ledger: session.ledger() };
        let facts = pack::facts(view, &scope, made.manifest.size)?;
        let missing = made.manifest.missing.iter().filter(|m| m.certificate.is_none()).count() as u64;
        let mut said = None;
        let index = say(session, signer, &saying, may, |s, by| {
            let delivered = FurnishDelivered {
                origin: s.state().origin().to_owned(),
                furnish: id.clone(),
                request: row.leaf,
                pack: made.file.digest,
                bytes: made.file.size,
                size: made.manifest.size,
                records: facts.records,
                held: facts.held,
                disposed: facts.disposed,
                missing,
                recipient: recipient.clone(),
                by,
                time: s.now(),
            };
            said = Some(delivered.clone());
            Ok(delivered)
        })?;
        done = said.map(|said| (said, index));
        Ok(())
    })?;
    let (said, index) = done.ok_or_else(|| Error::MovedOn { what: format!("the request {id}") })?;
    Ok(Delivered { made, said, index, received: row.said.received, due: row.said.due })
}
