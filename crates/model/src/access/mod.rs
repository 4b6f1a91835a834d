//! Who may do what, the duties that people have in a release, which slots must be signed and what is said about them, and what
//! is permitted for a short while.

mod action;
pub mod approval_events;
pub mod approvals;
pub mod emergencies;
pub mod freezes;
pub mod grants;

pub use action::Action;
pub use approvals::{ApprovalRules, AskedSlot, Duty, MergedRules, SlotName, SlotRule, Strength};
pub use grants::GrantClaims;
