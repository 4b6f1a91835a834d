//! Change freezes and windows: when an environment is open for deployments.
//!
//! Control objective: nothing is changed at a time at which the firm decided that nothing is to be changed.
//! Regulatory mapping: NIST 800-53r5 CM-3, CM-5; PCI DSS v4.0.1 6.5.1; FFIEC (change windows).
//!
//! It is asked when a grant is issued and again when it is redeemed, and by everybody who reads the log.

use countersign_connect::SshSigner;
use countersign_evidence::act;
use countersign_model::access::freezes::{MOST_WINDOWS, Window};
use countersign_model::event::{EnvironmentFrozen, FreezeLifted, WindowsSet};
use countersign_model::{Action, EventKind, FreezeId, StreamId, Timestamp};
use countersign_store::Session;
use countersign_store::projection::{Closed, FreezeRow};

use super::error::ReleaseError;
use super::saying::{Saying, line, needs, say};
use crate::Error;
use crate::build::observe::random_id;

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

fn stream() -> StreamId {
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
    signer: &SshSigner,
) -> Result<(FreezeId, u64), Error> {
    let reason = line("the reason", reason)?;
    let now = session.now();
    let from = from.unwrap_or(now);
    if until.is_some_and(|until| until <= from || until <= now) {
        return Err(ReleaseError::FreezeOver.into());
    }
    registered(session, environment)?;
    let id = FreezeId::from_random(random_id()?);
    let saying = Saying {
        act: "environment freeze add",
        run: None,
        kind: EventKind::EnvironmentFrozen,
        namespace: act::FREEZE,
        stream: stream(),
    };
    let index = say(
        session,
        signer,
        &saying,
        |s, by| {
            registered(s, environment)?;
            needs(s, by, Action::FreezeEnvironment)
        },
        |s, by| {
            let (origin, environment) = (s.state().origin().to_owned(), environment.to_owned());
            Ok(EnvironmentFrozen { origin, freeze: id.clone(), environment, from, until, by, reason, time: now })
        },
    )?;
    Ok((id, index))
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
pub fn lift(session: &mut Session, id: &FreezeId, reason: &str, signer: &SshSigner) -> Result<u64, Error> {
    let reason = line("the reason", reason)?;
    let saying = Saying {
        act: "environment freeze lift",
        run: None,
        kind: EventKind::FreezeLifted,
        namespace: act::FREEZE_LIFT,
        stream: stream(),
    };
    say(
        session,
        signer,
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
        |s, by| {
            let (origin, time) = (s.state().origin().to_owned(), s.now());
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
    signer: &SshSigner,
) -> Result<u64, Error> {
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
    say(
        session,
        signer,
        &saying,
        |s, by| {
            registered(s, environment)?;
            needs(s, by, Action::SetWindows)
        },
        |s, by| {
            let (origin, time) = (s.state().origin().to_owned(), s.now());
            let (environment, windows) = (environment.to_owned(), windows.to_vec());
            Ok(WindowsSet { origin, environment, windows, by, reason, time })
        },
    )
}
