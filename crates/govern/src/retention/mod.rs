//! Retention: how long what is recorded is kept, what may be removed then, and who answers for it.
//!
//! Control objective: nothing is removed before its time or under a hold, by anybody; what is removed is removed by two
//! people, leaves a certificate, and leaves every proof valid.
//! Regulatory mapping: 17 CFR 240.17a-4(a), (b), (f); FINRA 4511; 17 CFR 210.2-06; PCI DSS v4.0.1 10.5.1; GDPR art. 17.
//!
//! | file | use cases |
//! |---|---|
//! | `classes.rs` | `retention define`, `default`, `start`, `extend` |
//! | `holds.rs` | `hold place`, `hold release` |
//! | `disposal.rs` | `ledger dispose`: plan, first signature, second signature, removal |
//! | `erasure.rs` | `ledger erase-subject` |
//! | `offices.rs` | `records-officer designate`, `revoke` |
//! | `show.rs` | what keeps an entry, and what is due |
//! | `undertaking.rs` | the letter of undertaking |

mod classes;
mod disposal;
mod erasure;
mod holds;
mod offices;
mod show;
mod undertaking;

pub use classes::{choose_default, define, extend, known, start};
pub use disposal::{Disposed, Finished, Planned, execute, finish, order, plan};
pub use erasure::{Erasure, erase, erase_due};
pub use holds::{place, release};
pub use offices::{designate, revoke};
pub use show::{Due, Kept, due, show};
pub use undertaking::undertaking;

use countersign_model::{Action, PersonId, StreamId};
use countersign_store::Session;
use countersign_store::projection::MAX_TEXT;

use crate::Error;
use crate::access::{Pen, Saying, say, say_by};

/// The stream of everything about retention that is not about one person.
#[must_use]
pub fn stream() -> StreamId {
    StreamId::from_text("retention")
}

/// The person must hold one of the roles that the act takes.
fn needs(session: &Session, person: &PersonId, action: Action) -> Result<(), Error> {
    let state = session.state();
    if state.may(person, action)? {
        return Ok(());
    }
    Err(Error::NotRecordsRole { person: state.label(person)?, roles: action.any_of(), act: action.does() })
}

/// A matter, a reason: said, of bearable length, and fit for one line of a report.
fn said(what: &'static str, text: &str) -> Result<String, Error> {
    let text = text.trim();
    if text.is_empty() || text.len() > MAX_TEXT || text.chars().any(char::is_control) {
        return Err(Error::BadText { what, text: text.chars().take(80).collect() });
    }
    Ok(text.to_owned())
}
