//! The projection: what the log says, folded into tables. A cache, never a source.
//!
//! [`State`] is rebuilt from entry 0 on; *state == replay(log)* holds because there is no other way to make one.
//! Nothing is believed because it stands in the log: every machine statement must verify under the enrolled
//! recorder's key, and every act under a key of the person it names, who must hold the role the act needs **at that
//! point of the log**. What fails is kept out of the tables and listed in [`State::anomalies`].

mod acts;
mod fold;
mod state;

pub use fold::{Trusted, fold};
pub use state::{
    ActiveBundle, Anomaly, ApprovalRow, DecisionRow, DeploymentRow, EvidenceRow, GrantRow, GrantState, Person, RunRow,
    State, SuppressionRow, TrustRoot,
};
