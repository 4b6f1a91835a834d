//! The nouns of Countersign. No I/O, no async, no clock of its own.
//!
//! Every other room speaks in these types; one word per thing (see `docs/concepts/words.md`).
//!
//! | module | holds |
//! |---|---|
//! | [`access`] | [`Action`]: every act that takes a role, and which roles; keys of people; duties in a release, approval rules; grants as tools carry them; issuers of identity tokens |
//! | [`audit`] | evidence packs, sealed populations, samples, requests and answers of audits |
//! | [`submission`] | commits that were sent to a server to be judged there |
//! | [`snapshot`] | what was seen running in an environment, and drift |
//! | [`visit`] | signing in to a server, and what auditors looked at |
//! | [`change`] | [`change::Change`] and [`change::ScanRecord`]: what a run looked at, as recorded |
//! | [`clock`] | [`Timestamp`] and the [`Clock`] that is injected wherever time is read |
//! | [`digest`] | [`Digest`], written `sha256:` + hex |
//! | [`id`] | opaque identifiers: [`RunId`], [`PersonId`], [`StreamId`] … |
//! | [`entry`] | [`Entry`], the leaf of the log, and [`EventKind`] |
//! | [`event`] | what each kind of event says: predicates of signed statements |
//! | [`finding`] | [`Finding`], [`Severity`], [`Confidence`], [`Gap`] |
//! | [`governance`] | applications and environments, levels of enforcement, waivers, owners of gates |
//! | [`outcome`] | [`Outcome`] of a gate or control, and how outcomes combine |
//! | [`person`] | [`Role`], [`Slot`] |
//! | [`retention`] | [`Retention`] classes, and until when an entry is kept |
//! | [`path`] | [`TreePath`]: a path inside a tree, any bytes, one printable form |
//! | [`diagnostic`] | [`Diagnostic`]: stable codes, help and exit codes of expected errors |

pub mod access;
pub mod audit;
pub mod change;
pub mod clock;
pub mod diagnostic;
pub mod digest;
pub mod entry;
pub mod event;
pub mod finding;
pub mod governance;
pub mod id;
pub mod notice;
pub mod outcome;
pub mod path;
pub mod person;
pub mod retention;
pub mod snapshot;
pub mod submission;
pub mod visit;

pub use access::Action;
pub use change::{ReportRecord, ToolReport};
pub use clock::{Clock, FixedClock, SystemClock, Timestamp};
pub use diagnostic::{Diagnostic, Exit, Explanation, Place};
pub use digest::{Digest, Hasher};
pub use entry::{Entry, EventKind, PayloadRef};
pub use finding::{Confidence, Finding, FindingState, Gap, GapKind, Severity};
pub use id::{
    ActorId, AuditId, AuditRequestId, BreakGlassId, FreezeId, FurnishId, GrantId, OverrideId, PersonId, RepositoryId,
    ReviewId, RunId, StreamId, WaiverId,
};
pub use outcome::Outcome;
pub use path::TreePath;
pub use person::{Role, Slot};
pub use retention::Retention;

/// What the origin of a demonstration's log begins with. It is in every checkpoint, and so in everything that is signed for the ledger:
/// nothing of a demonstration counts in another ledger.
pub const DEMONSTRATION: &str = "countersign.demo";

/// Whether the log of that origin is a demonstration.
#[must_use]
pub fn is_demonstration(origin: &str) -> bool {
    origin.strip_prefix(DEMONSTRATION).is_some_and(|rest| rest.starts_with('/'))
}
