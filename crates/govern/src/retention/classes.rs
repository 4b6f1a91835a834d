//! `retention define`, `start` and `extend`: a compliance officer says how long things are kept. Nothing of it can be taken
//! back.

use countersign_evidence::act;
use countersign_model::event::{RetentionClassDefined, RetentionDefaultChosen, RetentionExtended, RetentionStarted};
use countersign_model::retention::{ClassRule, Day, EventName, Selector};
use countersign_model::{Action, EventKind, Retention};
use countersign_store::Session;
use countersign_store::handed::Written;

use super::{Pen, Saying, needs, said, say_by, stream};
use crate::Error;

/// Defines a class of the firm's own, or makes one longer. Returns the log index, or what is to be signed.
///
/// # Errors
/// When the signer is no compliance officer, the class is built in, or the rule would shorten it.
pub fn define(
    session: &mut Session,
    class: Retention,
    rule: &ClassRule,
    reason: &str,
    pen: Pen<'_>,
) -> Result<Written<u64>, Error> {
    let reason = said("the reason", reason)?;
    let rule = ClassRule { source: said("the source", &rule.source)?, ..rule.clone() };
    let saying = Saying {
        act: "retention define",
        kind: EventKind::RetentionClassDefined,
        namespace: act::RETENTION_CLASS,
        stream: stream(),
    };
    say_by(
        session,
        pen,
        &saying,
        Vec::new(),
        |s, by| {
            needs(s, by, Action::DefineRetention)?;
            s.state().schedule()?.may_define(class, &rule).map_err(|why| Error::NotLonger { why })
        },
        |s, by| {
            let (origin, time) = (s.state().origin().to_owned(), pen.time(s)?);
            Ok(RetentionClassDefined { origin, class, rule: rule.clone(), by, reason, time })
        },
    )
}

/// Chooses the class of everything that is appended from here on. Returns the log index, or what is to be signed.
///
/// # Errors
/// When the signer is no compliance officer, or the class is defined nowhere.
pub fn choose_default(
    session: &mut Session,
    class: Retention,
    reason: &str,
    pen: Pen<'_>,
) -> Result<Written<u64>, Error> {
    let reason = said("the reason", reason)?;
    let saying = Saying {
        act: "retention default",
        kind: EventKind::RetentionDefaultChosen,
        namespace: act::RETENTION_DEFAULT,
        stream: stream(),
    };
    say_by(
        session,
        pen,
        &saying,
        Vec::new(),
        |s, by| {
            needs(s, by, Action::ChooseRetention)?;
            known(s, class)
        },
        |s, by| {
            let (origin, time) = (s.state().origin().to_owned(), pen.time(s)?);
            Ok(RetentionDefaultChosen { origin, class, by, reason, time })
        },
    )
}

/// The class must be one that every ledger knows, or defined in this one.
///
/// # Errors
/// When it is neither: an entry of such a class would be kept for ever.
pub fn known(session: &Session, class: Retention) -> Result<(), Error> {
    match session.state().schedule()?.rule(class) {
        Some(_) => Ok(()),
        None => Err(Error::NoSuchClass { class: class.to_string() }),
    }
}

/// Records that something happened which starts the period of classes that wait for it. Returns the log index, or what is to be signed.
///
/// # Errors
/// When the signer is no compliance officer, no class waits for such an event, or the day has not come.
pub fn start(
    session: &mut Session,
    event: &EventName,
    selector: &Selector,
    on: Day,
    reason: &str,
    pen: Pen<'_>,
) -> Result<Written<u64>, Error> {
    let reason = said("the reason", reason)?;
    let saying = Saying {
        act: "retention start",
        kind: EventKind::RetentionStarted,
        namespace: act::RETENTION_START,
        stream: stream(),
    };
    say_by(
        session,
        pen,
        &saying,
        Vec::new(),
        |s, by| {
            needs(s, by, Action::StartRetention)?;
            // Somewhere it may be tomorrow already; the day after that has not come to anybody.
            if on.start().is_none_or(|start| start > s.now().plus_seconds(86_400)) {
                return Err(Error::NotYet { day: on });
            }
            let schedule = s.state().schedule()?;
            let known: Vec<String> = waited_for(&schedule);
            if known.iter().any(|name| name == event.as_str()) {
                return Ok(());
            }
            Err(Error::NobodyWaits { event: event.to_string(), known })
        },
        |s, by| {
            let (origin, time) = (s.state().origin().to_owned(), pen.time(s)?);
            let (event, selector) = (event.clone(), selector.clone());
            Ok(RetentionStarted { origin, event, selector, on, by, reason, time })
        },
    )
}

/// Every event that a class waits for.
fn waited_for(schedule: &countersign_model::retention::Schedule) -> Vec<String> {
    let classes = Retention::BUILT_IN.into_iter().chain(schedule.classes.keys().copied());
    let mut events: Vec<String> = classes
        .filter_map(|class| match schedule.rule(class)?.start {
            countersign_model::retention::Start::Event(name) => Some(name.to_string()),
            countersign_model::retention::Start::EntryTime => None,
        })
        .collect();
    events.sort_unstable();
    events.dedup();
    events
}

/// Keeps entries longer: by another class as well, until a day, or both. Returns the log index, or what is to be signed.
///
/// # Errors
/// When the signer is no compliance officer, or the class is defined nowhere.
pub fn extend(
    session: &mut Session,
    selector: &Selector,
    class: Option<Retention>,
    until: Option<Day>,
    reason: &str,
    pen: Pen<'_>,
) -> Result<Written<u64>, Error> {
    let reason = said("the reason", reason)?;
    let saying = Saying {
        act: "retention extend",
        kind: EventKind::RetentionExtended,
        namespace: act::RETENTION_EXTENSION,
        stream: stream(),
    };
    say_by(
        session,
        pen,
        &saying,
        Vec::new(),
        |s, by| {
            needs(s, by, Action::ExtendRetention)?;
            class.map_or(Ok(()), |class| known(s, class))
        },
        |s, by| {
            let (origin, time) = (s.state().origin().to_owned(), pen.time(s)?);
            Ok(RetentionExtended { origin, selector: selector.clone(), class, until, by, reason, time })
        },
    )
}
