//! Stage 2, continuous integration. Purpose: every change is looked at as a whole, judged by the policy bundle in
//! effect, and everything that was seen is evidence before anybody is told.
//!
//! Control objective: changes are reviewed for weaknesses before release, by rules that were in force and can be shown.
//! Regulatory mapping: PCI DSS v4.0.1 6.2.3, 6.5.1, 8.6.2; RTS (EU) 2024/1774 Art. 16, 17(1)(a);
//! NIST 800-53r5 CM-3, SA-11.
//!
//! | file | holds |
//! |---|---|
//! | `run` | the use case `run` |
//! | `observe` | reads the change through git |
//! | `source` | the commit's tree as something to scan |
//! | `rules` | pure: facts from a change, a scan and the ledger's state |
//! | `governed` | pure: what is registered, waived, overridden and tightened, as facts |
//! | `decide` | reuses the recorded decision or makes a new one |
//! | `confined` | the engine of gates: a process of its own, with limits |
//! | `record`, `kind` | the use case `record`; what kind of evidence a file is |
//! | `findings` | the index of findings, brought up to the log |
//! | `submission` | a commit that was sent over the network: under which key, and what the pipeline said of gates |
//! | `reported` | pure: what our scan and reports of other tools found, joined |
//! | `workload` | what the job proves of itself by an identity token |
//! | `replay` | the use case `replay` |
//! | `impact` | the use cases that look at many decisions: replay of a period or a sample, and `policy impact` |
//! | `decision_log` | the use case `policy decision-log`: decisions as events of OPA's decision log |
//! | `events` | what is recorded: `RunStarted`, `FindingsRecorded`, `EvidenceAttached`, `DecisionMade`; `WorkloadVerified` is in `workload` |

pub mod confined;
pub mod decide;
pub mod decision_log;
pub(crate) mod events;
pub mod findings;
pub mod governed;
pub mod impact;
pub mod kind;
pub mod observe;
mod openpgp;
pub mod record;
pub mod replay;
pub mod reported;
pub mod rules;
pub mod run;
pub mod source;
pub mod submission;
pub mod workload;
