//! Who may do what, and what is permitted for a short while.

mod action;
pub mod emergencies;
pub mod freezes;
pub mod grants;

pub use action::Action;
pub use grants::GrantClaims;
