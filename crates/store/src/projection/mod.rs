//! The projection: what the log says, folded into SQLite tables. A cache, never a source.
//!
//! Nothing is believed because it stands in the log: every machine statement must verify under the enrolled recorder's
//! key, and every act under a key of the person it names, who must hold the role the act needs **at that point of the
//! log**. What fails is kept out of the tables and listed in the table `anomalies`.
//!
//! There is one way to fill a table: [`State::apply`], entry after entry. So *state == replay(log)* holds by
//! construction, whether the tables are in memory ([`State::memory`]), in the user's data directory
//! ([`State::open`]), or made beside it for comparison ([`check()`]). Names of people are not in the tables: they are read
//! from the sealed profile when somebody asks, so that an erased name is gone here too.
//!
//! | file | holds |
//! |---|---|
//! | `table.rs` | the list of all tables, and the version of the schema that follows from them |
//! | `db.rs` | the database file: opening, snapshots, what makes it void |
//! | `read.rs` | an entry read and its signature checked, on all cores |
//! | `fold.rs` | which kind of event goes to which noun; folding many entries |
//! | `check.rs` | `ledger rebuild` and `--check` |
//! | `history.rs` | what an assessment asks: everything of a kind |
//! | `overview.rs`, `delivery.rs` | what pages ask: a part of a list, and its length |
//! | `scope.rs` | what an audit is about: runs and deployments of a period and of some repositories |
//! | one file a noun | its tables, its event, its rows and queries |
//!
//! **To add a noun**: a file with its `TABLES`, a function that takes its event, and its queries; a line in
//! `table.rs`; an arm in `fold.rs`. The schema's version changes by itself, and older databases are folded anew.

mod access;
mod accounts;
mod anomalies;
mod approvals;
mod assessments;
mod audits;
mod authorities;
mod bundles;
mod check;
mod claims;
mod db;
mod decisions;
mod delivery;
mod deployments;
mod disposals;
mod duties;
mod emergencies;
mod enforcements;
mod engagements;
mod entries;
mod erasures;
mod evidence;
mod fold;
mod freezes;
mod furnishings;
mod gates;
mod grants;
mod history;
mod keys;
mod log_keys;
mod looks;
mod notices;
mod offices;
mod overview;
mod people;
mod placed;
mod read;
mod refusals;
mod registry;
mod reviews;
mod revocation_lists;
mod roles;
mod runs;
mod scans;
mod schedule;
mod scope;
mod second_keys;
mod snapshots;
mod sql;
mod state;
mod storages;
mod submissions;
mod suppressions;
mod table;
mod tokens;
mod trust;
mod visits;
mod waivers;
mod workloads;

pub use accounts::{AccountRow, issuer_pseudonym};
pub use anomalies::Anomaly;
pub use approvals::{ActivatedRules, ApprovalRow, RejectionRow, SaidLine, WithdrawalRow, waiver_set};
pub use assessments::AssessmentRow;
pub use audits::{PackRow, PopulationRow, SampleRow};
pub use authorities::{AuthorityRow, CertificateTrouble, Certified, window};
pub use bundles::ActiveBundle;
pub use check::{Checked, Difference, DifferenceKind, MAX_DIFFERENCES, Rebuilt, check, rebuild};
pub(crate) use db::open;
pub use decisions::DecisionRow;
pub use delivery::{Delivery, DeploymentLine, DeploymentsAsked};
pub use deployments::{DeploymentEnd, DeploymentRow};
pub use disposals::{CertificateRow, Completion, Group, disposal_time};
pub use duties::Duties;
pub use emergencies::{Done, EmergencyRow, PageRow, Standing};
pub use enforcements::{ActivatedAssignment, OverrideRow};
pub use engagements::{AuditRow, MessageKind, MessageRow, RequestState, ThreadRow, is_late};
pub use erasures::{ErasureRow, Forbids};
pub use evidence::EvidenceRow;
pub use freezes::{Closed, FreezeRow, WindowsRow};
pub use furnishings::{DeliveryRow, FurnishRow, MockAuditRow};
pub use gates::{AssignedOwners, GateMark, read_gate_owners};
pub use grants::{GrantRow, GrantState, LONGEST_GRANT};
pub use history::{BundleRow, ErasureStep, GrantSteps, RefusalRow, SuppressionAct};
pub use keys::{ActRow, KeyRevocation, KeyRow, KeyState, KeyTrouble, is_ahead, kind_of};
pub use log_keys::RotationRow;
pub use notices::{MessageStanding, NotificationRow};
pub use offices::OfficeRow;
pub use overview::{EntriesAsked, EntryLine, RunLine, RunsAsked};
pub use people::{LostProfile, Person};
pub use placed::Placed;
pub use read::Reading;
pub use registry::Registered;
pub use reviews::{ReminderRow, ReviewEnds, ReviewRow, ReviewedLine};
pub use revocation_lists::{ListRow, is_opaque, key_id_pseudonym};
pub use roles::{EndedHow, Leaving, ROLE_RULES, RoleEnd, RoleRow, RoleRules};
pub use runs::{RunRow, RunSummary};
pub use schedule::MAX_TEXT;
pub use scope::Within;
pub use second_keys::SecondKeyRow;
pub use snapshots::{DriftRow, Sighting, SnapshotLine, SnapshotRow, SnapshotsAsked, ToldDrifts, stream_of};
pub use state::{State, Watch};
pub use storages::StorageRow;
pub use submissions::{DifferenceRow, SubmissionRow};
pub use suppressions::SuppressionRow;
pub use tokens::TokenRow;
pub use trust::TrustRoot;
pub use visits::{RefusedSignIn, ViewRow, VisitRow};
pub use waivers::{Said, WaiverRow, WaiverState};
pub use workloads::{ActivatedIssuers, AdmissionRow, WorkloadRow, is_of};
