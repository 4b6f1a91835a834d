//! `records-officer designate` and `revoke`: who stands for the records before an examiner.

use countersign_evidence::act;
use countersign_model::event::{RecordsOfficerDesignated, RecordsOfficerRevoked};
use countersign_model::retention::Office;
use countersign_model::{Action, EventKind, PersonId, StreamId};
use countersign_store::Session;
use countersign_store::handed::Written;

use super::{Pen, Saying, needs, said, say_by};
use crate::Error;
use crate::access::people;

/// Gives a person an office. Returns who it is, and the log index or what is to be signed.
///
/// # Errors
/// When the signer may not, the office is full, or the person holds it already.
pub fn designate(
    session: &mut Session,
    person: &str,
    office: Office,
    reason: Option<&str>,
    pen: Pen<'_>,
) -> Result<(PersonId, Written<u64>), Error> {
    let reason = reason.map(|r| said("the reason", r)).transpose()?;
    let who = people::find(session.state(), person)?.id;
    let saying = Saying {
        act: "records-officer designate",
        kind: EventKind::RecordsOfficerDesignated,
        namespace: act::RECORDS_OFFICER,
        stream: StreamId::from(&who),
    };
    let written = say_by(
        session,
        pen,
        &saying,
        Vec::new(),
        |s, by| {
            may_appoint(s, by, office)?;
            let holders: Vec<PersonId> =
                s.state().offices()?.into_iter().filter(|o| o.office == office).map(|o| o.person).collect();
            if holders.contains(&who) {
                return Err(Error::HoldsOffice { person: s.state().label(&who)?, office });
            }
            if holders.len() < office.limit() {
                return Ok(());
            }
            let holders = holders.iter().map(|h| s.state().label(h)).collect::<Result<_, _>>()?;
            Err(Error::OfficeFull { office, holders })
        },
        |s, by| {
            let (origin, time) = (s.state().origin().to_owned(), pen.time(s)?);
            Ok(RecordsOfficerDesignated { origin, person: who.clone(), office, by, reason, time })
        },
    )?;
    Ok((who, written))
}

/// Takes an office back. Returns who it was, and the log index or what is to be signed.
///
/// # Errors
/// When the signer may not, or the person does not hold it.
pub fn revoke(
    session: &mut Session,
    person: &str,
    office: Office,
    reason: &str,
    pen: Pen<'_>,
) -> Result<(PersonId, Written<u64>), Error> {
    let reason = said("the reason", reason)?;
    let who = people::find(session.state(), person)?.id;
    let saying = Saying {
        act: "records-officer revoke",
        kind: EventKind::RecordsOfficerRevoked,
        namespace: act::RECORDS_OFFICER_REVOCATION,
        stream: StreamId::from(&who),
    };
    let written = say_by(
        session,
        pen,
        &saying,
        Vec::new(),
        |s, by| {
            if let Err(refused) = needs(s, by, Action::RevokeOffice) {
                may_appoint(s, by, office).map_err(|_| refused)?;
            }
            if s.state().holds_office(&who, office)? {
                return Ok(());
            }
            Err(Error::NoOffice { person: s.state().label(&who)?, office })
        },
        |s, by| {
            let (origin, time) = (s.state().origin().to_owned(), pen.time(s)?);
            Ok(RecordsOfficerRevoked { origin, person: who.clone(), office, by, reason, time })
        },
    )?;
    Ok((who, written))
}

fn may_appoint(session: &Session, by: &PersonId, office: Office) -> Result<(), Error> {
    if !office.is_appointed_by_executive() {
        return needs(session, by, Action::GiveOffice);
    }
    if session.state().holds_office(by, Office::DesignatedExecutiveOfficer)? {
        return Ok(());
    }
    Err(Error::NotExecutive { person: session.state().label(by)?, office })
}
