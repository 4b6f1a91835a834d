//! Stage 4, dual approval. Purpose: nothing reaches an environment unless two different people, neither of them an
//! author, signed exactly this change, and a third one released it.
//!
//! Control objective: changes are approved independently before they are implemented, and what was approved is what
//! runs. Regulatory mapping: RTS (EU) 2024/1774 Art. 17(1)(b); PCI DSS v4.0.1 6.2.3.1, 6.5.1, 6.5.4;
//! NIST 800-53r5 AC-5, CM-3, CM-5.
//!
//! | file | holds |
//! |---|---|
//! | `rules` | a gate's outcome with its approvals: what fills which slot, and why something does not count |
//! | `approve` | the use case `approve`, and `import` of a signature made elsewhere |
//! | `prepared` | `approve` in two steps, for a passkey that signs in a browser |
//! | `binding` | what an approval binds, held against what is so now |
//! | `reject` | a signed no |
//! | `withdraw` | taking back what one said |
//! | `deploy` | grants: who may issue one, and what it says |
//! | `handed_in` | the same with a key that signs on another machine |
//! | `redeem` | a grant is redeemed once, and how its deployment ended is recorded |
//! | `grant` | grants as tokens, checked with and without the ledger; revocation |
//! | `freeze` | change freezes and windows of environments |
//! | `break_glass` | past the gates in an emergency, and what that owes: ratification and review |
//! | `emergency` | what programs are told of an emergency |
//! | `pen` | with what somebody signs: a key that is here, or one on another machine |
//! | `paging` | who is told when that is overdue |
//! | `saying` | what a person says by signature in this stage |
//! | `told` | what programs are told of gates, and of what was said about a run |
//! | `error` | what can be wrong with a grant, a freeze or an emergency |
//! | `claim` | commits claimed by a person |
//! | `overrule` | what is soft and blocks, let pass by the role that the assignment names |
//! | `suppression` | suppressions requested by the tree, granted by somebody else |
//! | `refuse` | records a refusal before the command fails (`ActRefused`) |
//!
//! Records: `ApprovalSigned`, `ApprovalRejected`, `ApprovalWithdrawn`, `GrantIssued`, `GrantRevoked`, `DeploymentStarted`, `DeploymentRecorded`, `CommitsClaimed`,
//! `SuppressionGranted`, `EnforcementOverridden`, `ActRefused`, `EnvironmentFrozen`, `FreezeLifted`, `WindowsSet`,
//! `BreakGlassOpened`, `BreakGlassClosed`, `BreakGlassRatified`, `BreakGlassReviewed`, `BreakGlassPaged`.

pub mod approval_error;
pub mod approve;
pub mod binding;
pub mod break_glass;
pub mod claim;
pub mod deploy;
pub mod emergency;
pub mod error;
pub mod freeze;
pub mod grant;
pub mod handed_in;
pub mod overrule;
pub mod paging;
pub mod pen;
pub mod prepared;
pub mod redeem;
mod refuse;
pub mod reject;
pub mod rules;
pub(crate) mod saying;
pub mod suppression;
pub mod told;
pub mod withdraw;
