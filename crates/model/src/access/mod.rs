//! Who may do what.

mod action;

pub use action::Action;
