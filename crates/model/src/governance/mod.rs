//! What a firm says about itself by signature: its applications and environments, how strongly each control is enforced
//! where, what may stand for a while, and who answers for a gate.

pub mod events;
pub mod gates;
pub mod registry;
pub mod waiver;
mod words;

pub use gates::{GATES, GateOwners, GateOwnership};
pub use registry::{Application, DeploymentEnvironment};
pub use waiver::Scope;
pub use words::{CardholderScope, Criticality, DataClass, FailureMode, Level, ParseWordError, Tier, WaiverCategory};
