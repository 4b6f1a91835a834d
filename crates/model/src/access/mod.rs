//! Who is who, who may do what: acts and the roles they take, roles that should not meet, the duties that people have in a release,
//! which slots must be signed and what is said about them, and what is permitted for a short while; and who is who among machines: issuers of
//! identity tokens, and the workloads that they vouch for.

pub mod account;
mod action;
pub mod approval_events;
pub mod approvals;
pub mod certificate_events;
mod combination;
pub mod emergencies;
pub mod events;
pub mod freezes;
pub mod grants;
pub mod issuer;
pub mod key;
pub mod review;
pub mod role_events;
pub mod token;
pub mod workload_events;

pub use action::Action;
pub use approvals::{ApprovalRules, AskedSlot, Duty, MergedRules, SlotName, SlotRule, Strength};
pub use certificate_events::{CertificateUse, ListedCertificates};
pub use combination::Combination;
pub use grants::GrantClaims;
pub use issuer::{Field, Issuer, Issuers};
pub use key::{CLOCK_SKEW_SECONDS, KeyKind, Passkey, is_openpgp_fingerprint};
