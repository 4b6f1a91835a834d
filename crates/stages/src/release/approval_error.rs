//! Why something that is said about a run does not count, each with a stable code.

use countersign_model::access::{Duty, SlotName, Strength};
use countersign_model::{Diagnostic, Exit, RunId, Timestamp};

/// A refusal of an approval, a rejection or a withdrawal.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ApprovalError {
    /// No such slot.
    #[error("run {run} needs no `{slot}` approval; what it needs: {}", known.join(", "))]
    NoSuchSlot {
        /// The run.
        run: RunId,
        /// What was named.
        slot: SlotName,
        /// The slots there are.
        known: Vec<String>,
    },
    /// Something that was signed differs from what is so now.
    #[error("what was signed for run {run} is not so any more: {}", what.join("; "))]
    Changed {
        /// The run.
        run: RunId,
        /// What differs.
        what: Vec<String>,
    },
    /// Another duty keeps the person from it.
    #[error("{person} is {duty} of this run ({by}) and cannot give the {slot} approval")]
    Barred {
        /// Who.
        person: String,
        /// The duty.
        duty: Duty,
        /// What it is known by.
        by: String,
        /// The slot.
        slot: SlotName,
    },
    /// The signature is weaker than the slot asks for.
    #[error("the {slot} approval needs a {needs} key")]
    Weak {
        /// The slot.
        slot: SlotName,
        /// What it needs.
        needs: Strength,
    },
    /// Another slot comes first.
    #[error("the {slot} approval comes after the {after} approval, which does not stand yet")]
    Early {
        /// The slot.
        slot: SlotName,
        /// What comes first.
        after: SlotName,
    },
    /// It is over.
    #[error("the approval expired at {end}")]
    Expired {
        /// When.
        end: Timestamp,
    },
    /// It counts for longer than it may.
    #[error("the {slot} approval counts for {hours} hours at most, and this one for longer")]
    TooLong {
        /// The slot.
        slot: SlotName,
        /// The most.
        hours: u32,
    },
    /// The signer's clock is ahead.
    #[error("it was signed at {time}, which is in the future")]
    Future {
        /// What it says.
        time: Timestamp,
    },
    /// The person said no.
    #[error("{person} rejected run {run} in entry {index}")]
    Rejected {
        /// Who.
        person: String,
        /// The run.
        run: RunId,
        /// Log index of the rejection.
        index: u64,
    },
    /// Nothing can be taken back.
    #[error("{person} said nothing about run {run} that stands")]
    NothingSaid {
        /// Who.
        person: String,
        /// The run.
        run: RunId,
    },
    /// Who could not approve cannot reject.
    #[error("{person} could not have approved run {run}, and so cannot reject it")]
    NoSay {
        /// Who.
        person: String,
        /// The run.
        run: RunId,
    },
    /// The run is not in this ledger.
    #[error("it is about run {run}, which is not in this ledger")]
    NotHere {
        /// The run.
        run: RunId,
    },
    /// The act is no approval.
    #[error("it was signed as `{namespace}`, which is no approval")]
    NoApproval {
        /// What it was signed for.
        namespace: String,
    },
    /// Another key signed it than it names.
    #[error("it was not signed by the key {fingerprint} that it names")]
    OtherKey {
        /// The key that it names.
        fingerprint: String,
    },
    /// The statement claims what the key does not give.
    #[error("it claims the strength `{claimed}`, which its key does not have")]
    Overstated {
        /// What it claims.
        claimed: String,
    },
    /// It saw another log.
    #[error("it was signed over a log of {size} entries that has another root here")]
    OtherHistory {
        /// How many entries the log had.
        size: u64,
    },
    /// What is to be signed is something else, or cannot be read.
    #[error("the request is none for the {slot} approval of run {run}")]
    OtherRequest {
        /// The run.
        run: RunId,
        /// The slot.
        slot: SlotName,
    },
    /// A reason that cannot be recorded.
    #[error("the reason is not one line of at most 1000 bytes")]
    NoReason,
}

impl Diagnostic for ApprovalError {
    fn code(&self) -> &'static str {
        match self {
            Self::NoSuchSlot { .. } => "CS-APPROVAL-010",
            Self::Changed { .. } => "CS-APPROVAL-011",
            Self::Barred { .. } => "CS-APPROVAL-012",
            Self::Weak { .. } => "CS-APPROVAL-013",
            Self::Early { .. } => "CS-APPROVAL-014",
            Self::Expired { .. } => "CS-APPROVAL-015",
            Self::TooLong { .. } => "CS-APPROVAL-016",
            Self::Future { .. } => "CS-APPROVAL-017",
            Self::Rejected { .. } => "CS-APPROVAL-018",
            Self::NothingSaid { .. } => "CS-APPROVAL-019",
            Self::NoSay { .. } => "CS-APPROVAL-020",
            Self::NotHere { .. } => "CS-APPROVAL-021",
            Self::NoApproval { .. } => "CS-APPROVAL-022",
            Self::OtherKey { .. } => "CS-APPROVAL-023",
            Self::Overstated { .. } => "CS-APPROVAL-024",
            Self::OtherHistory { .. } => "CS-APPROVAL-025",
            Self::NoReason => "CS-APPROVAL-026",
            Self::OtherRequest { .. } => "CS-PASSKEY-013",
        }
    }

    fn exit(&self) -> Exit {
        crate::explain::EXPLANATIONS.iter().find(|e| e.code == self.code()).map_or(Exit::Internal, |e| e.exit)
    }

    fn help(&self) -> String {
        match self {
            Self::NoSuchSlot { run, .. } => format!("see what is missing: countersign gate explain {run}"),
            Self::Changed { run, .. } => {
                format!("look at what it is now, then sign anew: countersign gate explain {run}")
            }
            Self::Barred { .. } => "somebody without that duty signs; `countersign gate explain` says who could".into(),
            Self::Weak { .. } => {
                "sign with a FIDO2 key (`sk-ssh-ed25519@openssh.com`), or a passkey that is not synced, that an administrator has \
                 enrolled"
                    .into()
            }
            Self::Early { after, .. } => format!("first: countersign approve RUN --as {after}"),
            Self::Expired { .. } | Self::TooLong { .. } => "sign anew: countersign approve RUN --as SLOT".into(),
            Self::Future { .. } => "set the clock of the machine that signs, then sign anew".into(),
            Self::Rejected { run, .. } => {
                format!("take that back first: countersign withdraw {run} --reason TEXT")
            }
            Self::NothingSaid { run, .. } => format!("see what was said: countersign approvals list {run}"),
            Self::NoSay { run, .. } => format!("see who could: countersign gate explain {run}"),
            Self::NotHere { .. } => "name the ledger that it was signed for with --ledger DIR".into(),
            Self::NoApproval { .. } => "sign with `countersign approve RUN --as SLOT --out FILE`".into(),
            Self::OtherKey { .. } | Self::Overstated { .. } => {
                "sign anew with this program: countersign approve RUN --as SLOT".into()
            }
            Self::OtherHistory { .. } => {
                "one of the two ledgers was rewritten: compare them with `countersign verify --since FILE`".into()
            }
            Self::OtherRequest { run, slot } => {
                format!("make one: countersign approve {run} --as {slot} --passkey FINGERPRINT --request FILE")
            }
            Self::NoReason => "say why in one line: --reason TEXT".into(),
        }
    }
}
