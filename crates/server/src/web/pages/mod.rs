//! One file a noun; what a page needs is read from the log at that moment.

pub(super) mod access;
pub(super) mod answers;
pub(super) mod approvals;
pub(super) mod audits;
pub(super) mod closing;
pub(super) mod controls;
pub(super) mod deployments;
pub(super) mod entry;
pub(super) mod environments;
pub(super) mod findings;
pub(super) mod frameworks;
pub(super) mod ledger;
pub(super) mod packs;
pub(super) mod passkeys;
pub(super) mod populations;
pub(super) mod posture;
pub(super) mod reject;
pub(super) mod renewal;
pub(super) mod requests;
pub(super) mod run;
pub(super) mod runbook;
pub(super) mod runs;
mod seen;
pub(super) mod verified;
pub(super) mod waiver;
pub(super) mod waivers;
pub(super) mod withdraw;
