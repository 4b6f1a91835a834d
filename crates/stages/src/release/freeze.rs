//! Change freezes and windows: when an environment is open for deployments.
//!
//! Control objective: nothing is changed at a time at which the firm decided that nothing is to be changed.
//! Regulatory mapping: NIST 800-53r5 CM-3, CM-5; PCI DSS v4.0.1 6.5.1; FFIEC (change windows).
//!
//! It is asked when a grant is issued and again when it is redeemed, and by everybody who reads the log.

use countersign_evidence::act;
use countersign_model::access::freezes::{MOST_WINDOWS, Window};
use countersign_model::event::{EnvironmentFrozen, FreezeLifted, WindowsSet};
use countersign_model::{Action, EventKind, FreezeId, StreamId, Timestamp};
use countersign_store::Session;
use countersign_store::handed::{HandedError, Written};
use countersign_store::projection::{Closed, FreezeRow};
use countersign_store::session::SessionError;

use super::error::ReleaseError;
use super::pen::Pen;
use super::saying::{Saying, line, needs, write};
use crate::Error;

/// Refuses where an environment is not open at `now`, or at the newest time of the log where that is later.
///
/// # Errors
/// Why it is not.
pub fn open(session: &Session, environment: &str, now: Timestamp) -> Result<(), Error> {
    let at = now.max(session.state().newest_time()?);
    match session.state().closed(environment, at)? {
        None => Ok(()),
        Some(Closed::Frozen(f)) => Err(ReleaseError::Frozen {
            environment: environment.to_owned(),
            freeze: f.freeze,
            until: f.until,
            reason: f.reason,
        }
        .into()),
        Some(Closed::OutsideWindows(windows)) => {
            let windows: Vec<String> = windows.iter().map(Window::to_string).collect();
            Err(ReleaseError::OutsideWindows { environment: environment.to_owned(), windows: windows.join("; ") }
                .into())
        }
    }
}

fn registered(session: &Session, environment: &str) -> Result<(), Error> {
    match session.state().environment(environment)?.filter(|e| e.retired.is_none()) {
        Some(_) => Ok(()),
        None => Err(ReleaseError::UnknownEnvironment { environment: environment.to_owned() }.into()),
    }
}

/// The stream of freezes and windows.
#[must_use]
pub fn stream() -> StreamId {
    StreamId::from_text("registry")
}

/// Freezes an environment. Returns the freeze and the log index.
///
/// # Errors
/// When it is not registered, the freeze would be over before it begins, or the signer may not.
pub fn add(
    session: &mut Session,
    environment: &str,
    from: Option<Timestamp>,
    until: Option<Timestamp>,
    reason: &str,
    pen: Pen<'_>,
) -> Result<(FreezeId, Written<u64>), Error> {
    let reason = line("the reason", reason)?;
    let now = session.now();
    if until.is_some_and(|until| from.is_some_and(|from| until <= from) || until <= now) {
        return Err(ReleaseError::FreezeOver.into());
    }
    registered(session, environment)?;
    let id = FreezeId::from_random(pen.id(act::FREEZE, "/freeze", FreezeId::PREFIX)?);
    let saying = Saying {
        act: "environment freeze add",
        run: None,
        kind: EventKind::EnvironmentFrozen,
        namespace: act::FREEZE,
        stream: stream(),
    };
    let written = write(
        session,
        pen,
        &saying,
        |s, by| {
            registered(s, environment)?;
            needs(s, by, Action::FreezeEnvironment)?;
            if s.state().freeze(&id)?.is_some() {
                return Err(SessionError::from(HandedError::Differs).into());
            }
            Ok(())
        },
        |s, by, time| {
            let (origin, environment) = (s.state().origin().to_owned(), environment.to_owned());
            let from = from.unwrap_or(time);
            if until.is_some_and(|until| until <= from) {
                return Err(ReleaseError::FreezeOver.into());
            }
            Ok(EnvironmentFrozen { origin, freeze: id.clone(), environment, from, until, by, reason, time })
        },
    )?;
    Ok((id, written))
}

/// The one freeze that an id, or the start of one, means.
///
/// # Errors
/// When it is none, or more than one.
pub fn find(session: &Session, text: &str) -> Result<FreezeRow, Error> {
    let mut rows = session.state().freezes(None)?;
    rows.retain(|row| row.freeze.as_str().starts_with(text));
    match (rows.pop(), rows.is_empty()) {
        (Some(row), true) => Ok(row),
        _ => Err(ReleaseError::NoSuchFreeze { freeze: text.to_owned() }.into()),
    }
}

/// Lifts a freeze before its end. Returns the log index.
///
/// # Errors
/// When the signer is no officer or put it in place, or it was lifted.
pub fn lift(session: &mut Session, id: &FreezeId, reason: &str, pen: Pen<'_>) -> Result<Written<u64>, Error> {
    let reason = line("the reason", reason)?;
    let saying = Saying {
        act: "environment freeze lift",
        run: None,
        kind: EventKind::FreezeLifted,
        namespace: act::FREEZE_LIFT,
        stream: stream(),
    };
    write(
        session,
        pen,
        &saying,
        |s, by| {
            let row = find(s, id.as_str())?;
            needs(s, by, Action::LiftFreeze)?;
            if row.by == *by {
                return Err(ReleaseError::OwnFreeze { person: s.state().label(by)?, freeze: id.clone() }.into());
            }
            if row.lifted.is_some() {
                return Err(ReleaseError::FreezeLifted { freeze: id.clone() }.into());
            }
            Ok(())
        },
        |s, by, time| {
            let origin = s.state().origin().to_owned();
            Ok(FreezeLifted { origin, freeze: id.clone(), by, reason, time })
        },
    )
}

/// Says in which windows an environment is open; in none: at any time. Returns the log index.
///
/// # Errors
/// When it is not registered, there are too many, or the signer is no officer.
pub fn set_windows(
    session: &mut Session,
    environment: &str,
    windows: &[Window],
    reason: &str,
    pen: Pen<'_>,
) -> Result<Written<u64>, Error> {
    let reason = line("the reason", reason)?;
    if windows.len() > MOST_WINDOWS {
        return Err(ReleaseError::TooManyWindows { most: MOST_WINDOWS }.into());
    }
    registered(session, environment)?;
    let saying = Saying {
        act: "environment windows",
        run: None,
        kind: EventKind::WindowsSet,
        namespace: act::WINDOWS,
        stream: stream(),
    };
    write(
        session,
        pen,
        &saying,
        |s, by| {
            registered(s, environment)?;
            needs(s, by, Action::SetWindows)
        },
        |s, by, time| {
            let origin = s.state().origin().to_owned();
            let (environment, windows) = (environment.to_owned(), windows.to_vec());
            Ok(WindowsSet { origin, environment, windows, by, reason, time })
        },
    )
}
