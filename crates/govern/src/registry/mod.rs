//! Applications and environments: what the firm answers for, where it runs, and how much depends on it.
//!
//! Control objective: how strictly a change is judged follows from what it is a change to, and nobody who releases it can
//! make it less. Regulatory mapping: PCI DSS v4.0.1 12.5.1, 12.5.2; RTS (EU) 2024/1774 Art. 4, 5; SOX 404 (scoping).
//!
//! An administrator signs, or a release manager where nothing becomes weaker by it. What is not registered is judged by the
//! strictest default, so a first registration weakens as well unless it says `critical` and `production`; and what is retired
//! is not known to policies any more, so an administrator retires.

use countersign_evidence::act;
use countersign_model::event::{ApplicationRegistered, ApplicationRetired, EnvironmentRegistered, EnvironmentRetired};
use countersign_model::governance::{Application, DeploymentEnvironment};
use countersign_model::{Action, EventKind, PersonId, StreamId};
use countersign_store::Session;
use countersign_store::handed::Written;
use countersign_store::projection::Registered;

use crate::Error;
use crate::access::{Pen, Saying, line, needs, say_by};

/// The stream of everything that is registered.
#[must_use]
pub fn stream() -> StreamId {
    StreamId::from_text("registry")
}

/// A release manager may, unless something becomes weaker: that takes an administrator.
fn may(
    session: &Session,
    by: &PersonId,
    plain: Action,
    weaker: Action,
    weakens: Option<&'static str>,
) -> Result<(), Error> {
    let Some(how) = weakens else { return needs(session, by, plain) };
    let state = session.state();
    if state.may(by, plain)? && !state.may(by, weaker)? {
        return Err(Error::Weakens { person: state.label(by)?, how });
    }
    needs(session, by, weaker)
}

/// Whether what there was is what the signer looked at.
fn same(before: Option<u64>, now: Option<u64>, what: &str) -> Result<(), Error> {
    if before == now { Ok(()) } else { Err(Error::MovedOn { what: what.to_owned() }) }
}

fn in_use<T>(found: Option<Registered<T>>) -> Option<Registered<T>> {
    found.filter(|r| r.retired.is_none())
}

/// Registers an application, or changes one. Returns the log index; [`Written::Already`] when nothing about it is new.
///
/// # Errors
/// When the signer may not, something about it cannot be, or `is_new` is not as it is.
pub fn register_application(
    session: &mut Session,
    application: &Application,
    is_new: bool,
    reason: Option<&str>,
    pen: Pen<'_>,
) -> Result<Written<u64>, Error> {
    let reason = reason.map(|r| line("the reason", r)).transpose()?;
    let id = application.id.clone();
    application.check().map_err(|why| Error::NotRegistrable { kind: "application", id: id.clone(), why })?;
    let before = in_use(session.state().application(&id)?);
    match &before {
        Some(known) if is_new => {
            return Err(Error::RegisteredAlready { kind: "application", id, index: known.index });
        }
        None if !is_new => return Err(not_registered_application(session, &id)?),
        Some(known) if known.what == *application => return Ok(Written::Already),
        _ => {}
    }
    let replaces = before.map(|b| b.index);
    let saying = Saying {
        act: "application register",
        kind: EventKind::ApplicationRegistered,
        namespace: act::APPLICATION,
        stream: stream(),
    };
    say_by(
        session,
        pen,
        &saying,
        Vec::new(),
        |s, by| {
            let now = in_use(s.state().application(&application.id)?);
            let weakens = application.weakens(now.as_ref().map(|n| &n.what));
            may(s, by, Action::RegisterApplication, Action::WeakenApplication, weakens)?;
            same(replaces, now.map(|n| n.index), "the application")?;
            for (part, person) in [("owner", Some(&application.owner)), ("deputy", application.deputy.as_ref())] {
                if let Some(person) = person
                    && s.state().is_erased(person)?
                {
                    let why = format!("its {part} {person} has left: their data was erased");
                    return Err(Error::NotRegistrable { kind: "application", id: application.id.clone(), why });
                }
            }
            for repository in &application.repositories {
                if let Some(holder) = s.state().application_of(repository)?
                    && holder.what.id != application.id
                {
                    let application = holder.what.id;
                    return Err(Error::RepositoryTaken { repository: repository.clone(), application });
                }
            }
            Ok(())
        },
        |s, by| {
            let (origin, time) = (s.state().origin().to_owned(), pen.time(s)?);
            Ok(ApplicationRegistered { origin, application: application.clone(), replaces, by, reason, time })
        },
    )
}

/// Retires an application: its repositories are judged by the strictest default from here on. Returns the log index.
///
/// # Errors
/// When the signer may not, or it is not registered.
pub fn retire_application(session: &mut Session, id: &str, reason: &str, pen: Pen<'_>) -> Result<Written<u64>, Error> {
    let reason = line("the reason", reason)?;
    let saying = Saying {
        act: "application retire",
        kind: EventKind::ApplicationRetired,
        namespace: act::APPLICATION_RETIREMENT,
        stream: stream(),
    };
    say_by(
        session,
        pen,
        &saying,
        Vec::new(),
        |s, by| {
            needs(s, by, Action::RetireApplication)?;
            match in_use(s.state().application(id)?) {
                Some(_) => Ok(()),
                None => Err(not_registered_application(s, id)?),
            }
        },
        |s, by| {
            let (origin, time) = (s.state().origin().to_owned(), pen.time(s)?);
            Ok(ApplicationRetired { origin, application: id.to_owned(), by, reason, time })
        },
    )
}

/// The application of that id that is in use.
///
/// # Errors
/// When there is none.
pub fn application(session: &Session, id: &str) -> Result<Registered<Application>, Error> {
    match session.state().application(id)? {
        Some(known) => Ok(known),
        None => Err(not_registered_application(session, id)?),
    }
}

fn not_registered_application(session: &Session, id: &str) -> Result<Error, Error> {
    let known = session.state().applications()?.into_iter().filter(|a| a.retired.is_none()).map(|a| a.what.id);
    Ok(Error::NotRegistered { kind: "application", id: id.to_owned(), known: known.collect() })
}

/// Registers an environment, or changes one. Returns the log index; `None` when nothing about it is new.
///
/// # Errors
/// As [`register_application`].
pub fn register_environment(
    session: &mut Session,
    environment: &DeploymentEnvironment,
    is_new: bool,
    reason: Option<&str>,
    pen: Pen<'_>,
) -> Result<Written<u64>, Error> {
    let reason = reason.map(|r| line("the reason", r)).transpose()?;
    let id = environment.id.clone();
    environment.check().map_err(|why| Error::NotRegistrable { kind: "environment", id: id.clone(), why })?;
    let before = in_use(session.state().environment(&id)?);
    match &before {
        Some(known) if is_new => {
            return Err(Error::RegisteredAlready { kind: "environment", id, index: known.index });
        }
        None if !is_new => return Err(not_registered_environment(session, &id)?),
        Some(known) if known.what == *environment => return Ok(Written::Already),
        _ => {}
    }
    let replaces = before.map(|b| b.index);
    let saying = Saying {
        act: "environment register",
        kind: EventKind::EnvironmentRegistered,
        namespace: act::ENVIRONMENT,
        stream: stream(),
    };
    say_by(
        session,
        pen,
        &saying,
        Vec::new(),
        |s, by| {
            let now = in_use(s.state().environment(&environment.id)?);
            let weakens = environment.weakens(now.as_ref().map(|n| &n.what));
            may(s, by, Action::RegisterEnvironment, Action::WeakenEnvironment, weakens)?;
            same(replaces, now.map(|n| n.index), "the environment")
        },
        |s, by| {
            let (origin, time) = (s.state().origin().to_owned(), pen.time(s)?);
            Ok(EnvironmentRegistered { origin, environment: environment.clone(), replaces, by, reason, time })
        },
    )
}

/// Retires an environment: what is released to it is judged by the strictest default. Returns the log index.
///
/// # Errors
/// When the signer may not, or it is not registered.
pub fn retire_environment(session: &mut Session, id: &str, reason: &str, pen: Pen<'_>) -> Result<Written<u64>, Error> {
    let reason = line("the reason", reason)?;
    let saying = Saying {
        act: "environment retire",
        kind: EventKind::EnvironmentRetired,
        namespace: act::ENVIRONMENT_RETIREMENT,
        stream: stream(),
    };
    say_by(
        session,
        pen,
        &saying,
        Vec::new(),
        |s, by| {
            needs(s, by, Action::RetireEnvironment)?;
            match in_use(s.state().environment(id)?) {
                Some(_) => Ok(()),
                None => Err(not_registered_environment(s, id)?),
            }
        },
        |s, by| {
            let (origin, time) = (s.state().origin().to_owned(), pen.time(s)?);
            Ok(EnvironmentRetired { origin, environment: id.to_owned(), by, reason, time })
        },
    )
}

fn not_registered_environment(session: &Session, id: &str) -> Result<Error, Error> {
    let known = session.state().environments()?.into_iter().filter(|e| e.retired.is_none()).map(|e| e.what.id);
    Ok(Error::NotRegistered { kind: "environment", id: id.to_owned(), known: known.collect() })
}
