//! One file a page.

pub(super) mod access;
pub(super) mod entry;
pub(super) mod ledger;
pub(super) mod posture;
pub(super) mod run;
pub(super) mod runs;
