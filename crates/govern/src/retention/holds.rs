//! `hold place` and `hold release`: what a matter needs stays, whatever its dates.

use countersign_evidence::act;
use countersign_model::event::{HoldPlaced, HoldReleased};
use countersign_model::retention::Selector;
use countersign_model::{Action, EventKind};
use countersign_store::Session;
use countersign_store::handed::Written;

use super::{Pen, Saying, needs, said, say_by, stream};
use crate::Error;

/// Puts entries under hold for a matter, those that come later included. Returns the log index, or what is to be signed.
///
/// # Errors
/// When the signer is no compliance officer.
pub fn place(
    session: &mut Session,
    matter: &str,
    selector: &Selector,
    reason: &str,
    pen: Pen<'_>,
) -> Result<Written<u64>, Error> {
    let (matter, reason) = (said("the matter", matter)?, said("the reason", reason)?);
    let saying = Saying { act: "hold place", kind: EventKind::HoldPlaced, namespace: act::HOLD, stream: stream() };
    say_by(
        session,
        pen,
        &saying,
        Vec::new(),
        |s, by| needs(s, by, Action::PlaceHold),
        |s, by| {
            let (origin, time) = (s.state().origin().to_owned(), pen.time(s)?);
            Ok(HoldPlaced { origin, matter, selector: selector.clone(), by, reason, time })
        },
    )
}

/// Ends every hold that was placed for a matter so far. Returns the log index, or what is to be signed.
///
/// # Errors
/// When the signer is no compliance officer, or no hold of the matter is open.
pub fn release(session: &mut Session, matter: &str, reason: &str, pen: Pen<'_>) -> Result<Written<u64>, Error> {
    let (matter, reason) = (said("the matter", matter)?, said("the reason", reason)?);
    let saying =
        Saying { act: "hold release", kind: EventKind::HoldReleased, namespace: act::HOLD_RELEASE, stream: stream() };
    say_by(
        session,
        pen,
        &saying,
        Vec::new(),
        |s, by| {
            needs(s, by, Action::ReleaseHold)?;
            let schedule = s.state().schedule()?;
            let mut open: Vec<String> = schedule.open_holds().map(|h| h.matter.clone()).collect();
            if open.contains(&matter) {
                return Ok(());
            }
            open.sort_unstable();
            open.dedup();
            Err(Error::NoOpenHold { matter: matter.clone(), open })
        },
        |s, by| {
            let (origin, time) = (s.state().origin().to_owned(), pen.time(s)?);
            Ok(HoldReleased { origin, matter: matter.clone(), by, reason, time })
        },
    )
}
