//! How long an entry and its payload are kept, and when that ends.
//!
//! Everything here is pure: rules and moments in, dates out. Three things hold whatever is put in:
//!
//! - **Extend only.** The date of an entry is the latest of its class and of every extension; no input makes it earlier.
//! - **A wrong clock frees nothing.** Dates count from the entry's time, which never goes back in a log, or from something
//!   later; "now" for a disposal is the least of what several sources say ([`trusted`]).
//! - **What is not known is kept.** A class nobody defined, an event that has not happened, a date past the end of time:
//!   each keeps the entry for ever.
//!
//! | module | holds |
//! |---|---|
//! | [`class`] | [`Retention`], the class of an entry, and [`ClassRule`], what a class asks for |
//! | [`period`] | [`Period`]: years, months, days, added by the calendar and never rounded down |
//! | [`selector`] | [`Selector`]: which entries a start, an extension or a hold speaks of |
//! | [`kept`] | [`KeptUntil`]: the date, or what it waits for |
//! | [`trusted`] | the moment a disposal may count with |
//! | [`plan`] | [`DisposalPlan`]: what two people sign before anything is removed |
//! | [`events`] | what people say about retention, as statements |
//! | [`schedule`] | [`Schedule`]: all of it together, and what it means for one entry |
//! | [`office`] | [`Office`]: the offices that SEC 17a-4(f) knows, and how many may hold each |

pub mod class;
pub mod events;
pub mod kept;
pub mod office;
pub mod period;
pub mod plan;
pub mod schedule;
pub mod selector;
pub mod trusted;

pub use class::{ClassName, ClassRule, EventName, Retention, Start};
pub use kept::KeptUntil;
pub use office::Office;
pub use period::{Day, Period};
pub use plan::DisposalPlan;
pub use schedule::{Kept, Schedule};
pub use selector::{Selected, Selector};
