//! What can go wrong with audits, their requests and deliveries to regulators, each with a stable code.

use countersign_model::{AuditId, AuditRequestId, Diagnostic, Digest, Exit, Explanation, Timestamp};

/// What can go wrong with audits, their requests and deliveries to regulators.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ThreadError {
    /// No such audit.
    #[error("`{}` names no audit, or more than one", audit.escape_debug())]
    NoSuchAudit {
        /// What was asked for.
        audit: String,
    },
    /// No such request.
    #[error("`{}` names no request of an audit, or more than one", request.escape_debug())]
    NoSuchRequest {
        /// What was asked for.
        request: String,
    },
    /// The audit is over.
    #[error("{audit} is closed")]
    AuditIsClosed {
        /// The audit.
        audit: AuditId,
    },
    /// The request stands otherwise.
    #[error("{request} is {state} and cannot be {act}")]
    RequestIs {
        /// The request.
        request: AuditRequestId,
        /// Where it stands.
        state: &'static str,
        /// What was to be done with it.
        act: &'static str,
    },
    /// Whoever asked answers.
    #[error("{person} asked in {request} and cannot answer it")]
    OwnRequest {
        /// Who.
        person: String,
        /// The request.
        request: AuditRequestId,
    },
    /// An auditor answers.
    #[error("{person} is an auditor, and auditors do not answer")]
    AuditorAnswers {
        /// Who.
        person: String,
    },
    /// A period that cannot be looked at.
    #[error("the period from {from} on and before {to} {why}")]
    BadPeriod {
        /// From when on.
        from: Timestamp,
        /// Before when.
        to: Timestamp,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The control came later.
    #[error("the control {control} was not there before {to}: the assessment in entry {entry} does not know it")]
    ControlNotThen {
        /// The control.
        control: String,
        /// The end of the period.
        to: Timestamp,
        /// Log index of the last assessment before it.
        entry: u64,
    },
    /// No text.
    #[error("a text has 1 to {most} bytes, and no control characters but line ends and tabs")]
    BadText {
        /// How long it may be.
        most: usize,
    },
    /// A time that cannot be.
    #[error("{what}")]
    BadTime {
        /// What is wrong.
        what: &'static str,
    },
    /// Points at nothing.
    #[error("there is no entry {index}: the log has {size}")]
    NoSuchEvidence {
        /// What was pointed at.
        index: u64,
        /// How many entries there are.
        size: u64,
    },
    /// No such pack.
    #[error("no pack with the digest {pack} was made from this ledger")]
    NoSuchPack {
        /// What was pointed at.
        pack: Digest,
    },
    /// Points at too much.
    #[error("an answer points at {most} entries and packs at most")]
    TooMuch {
        /// How many it may point at.
        most: usize,
    },
    /// Requests wait.
    #[error("{waiting} of the requests of {audit} wait for an answer")]
    RequestsWait {
        /// The audit.
        audit: AuditId,
        /// How many.
        waiting: usize,
    },
    /// No such request of a regulator.
    #[error("`{}` names no request of a regulator, or more than one", furnish.escape_debug())]
    NoSuchFurnishing {
        /// What was asked for.
        furnish: String,
    },
    /// An audit names somebody who audits nothing.
    #[error("{person} is no auditor")]
    NoAuditor {
        /// Who.
        person: String,
    },
    /// The audit names other auditors.
    #[error("{audit} admits other auditors")]
    NotAdmitted {
        /// The audit.
        audit: AuditId,
    },
    /// The audit is about others.
    #[error("{audit} is not about the application `{application}`")]
    OtherApplication {
        /// The audit.
        audit: AuditId,
        /// What was asked for.
        application: String,
    },
}

impl Diagnostic for ThreadError {
    fn code(&self) -> &'static str {
        match self {
            Self::NoSuchAudit { .. } => "CS-AUDIT-060",
            Self::NoSuchRequest { .. } => "CS-AUDIT-061",
            Self::AuditIsClosed { .. } => "CS-AUDIT-062",
            Self::RequestIs { .. } => "CS-AUDIT-063",
            Self::OwnRequest { .. } => "CS-AUDIT-064",
            Self::AuditorAnswers { .. } => "CS-AUDIT-065",
            Self::BadPeriod { .. } => "CS-AUDIT-066",
            Self::ControlNotThen { .. } => "CS-AUDIT-067",
            Self::BadText { .. } => "CS-AUDIT-068",
            Self::BadTime { .. } => "CS-AUDIT-069",
            Self::NoSuchEvidence { .. } => "CS-AUDIT-070",
            Self::NoSuchPack { .. } => "CS-AUDIT-071",
            Self::TooMuch { .. } => "CS-AUDIT-072",
            Self::RequestsWait { .. } => "CS-AUDIT-073",
            Self::OtherApplication { .. } => "CS-AUDIT-074",
            Self::NoSuchFurnishing { .. } => "CS-AUDIT-075",
            Self::NoAuditor { .. } => "CS-AUDIT-076",
            Self::NotAdmitted { .. } => "CS-AUDIT-077",
        }
    }

    fn exit(&self) -> Exit {
        EXPLANATIONS.iter().find(|e| e.code == self.code()).map_or(Exit::Internal, |e| e.exit)
    }

    fn help(&self) -> String {
        match self {
            Self::NoSuchAudit { .. } | Self::NoSuchRequest { .. } => "list them: countersign audit requests".into(),
            Self::NoSuchFurnishing { .. } => "list them: countersign audit furnish list".into(),
            Self::AuditIsClosed { .. } => "open another one: countersign audit open --help".into(),
            Self::RequestIs { request, .. } => format!("see its thread: countersign audit thread {request}"),
            Self::OwnRequest { .. } | Self::AuditorAnswers { .. } => {
                "somebody of the firm who is no auditor answers it: --key FILE".into()
            }
            Self::BadPeriod { .. } => "name another period: --from 2026-01-01 --to 2026-04-01".into(),
            Self::ControlNotThen { control, .. } => {
                format!("name another period or control, or see it: countersign control show {control}")
            }
            Self::BadText { .. } => "write it: --text TEXT".into(),
            Self::BadTime { .. } => "name another time: 2026-12-31, or 2026-12-31T18:00:00Z".into(),
            Self::NoSuchEvidence { .. } => "see what there is: countersign ledger entries".into(),
            Self::NoSuchPack { .. } => "see which were made: countersign audit list".into(),
            Self::TooMuch { .. } => "make a pack of them and point at that: countersign audit pack --help".into(),
            Self::RequestsWait { audit, .. } => {
                format!("answer them, or an auditor takes them back: countersign audit requests {audit} --open")
            }
            Self::NoAuditor { person } => {
                format!("an administrator grants the role: countersign role grant {person} auditor --reason TEXT")
            }
            Self::NotAdmitted { .. } => "see which audits are open: countersign audit requests".into(),
            Self::OtherApplication { .. } => "leave out --application, or name one that the audit is about".into(),
        }
    }
}

const fn explained(code: &'static str, exit: Exit, title: &'static str, text: &'static str) -> Explanation {
    Explanation { code, title, text, exit }
}

/// One explanation for every code of [`ThreadError`].
pub const EXPLANATIONS: &[Explanation] = &[
    explained(
        "CS-AUDIT-060",
        Exit::Usage,
        "no such audit",
        "An audit is named by its id, `aud-…`, or by the start of it. The text fits none, or more than one.",
    ),
    explained(
        "CS-AUDIT-061",
        Exit::Usage,
        "no such request",
        "A request of an audit is named by its id, `arq-…`, or by the start of it. The text fits none, or more than one.",
    ),
    explained(
        "CS-AUDIT-062",
        Exit::Usage,
        "the audit is closed",
        "Nobody asks or answers in an audit that is over. What was said in it stays readable.",
    ),
    explained(
        "CS-AUDIT-063",
        Exit::Usage,
        "the request stands otherwise",
        "An open request is answered, an answered one is followed up, and a closed one is neither. An answer names the entry that \
         it answers, so that it cannot pass for the answer to another question.",
    ),
    explained(
        "CS-AUDIT-064",
        Exit::Forbidden,
        "whoever asked does not answer",
        "An answer by the one who asked would be no evidence of anything. Every reader of the log checks it again.",
    ),
    explained(
        "CS-AUDIT-065",
        Exit::Forbidden,
        "an auditor does not answer",
        "Auditors ask and the firm answers. Somebody who holds the role auditor and another one answers nothing while they hold \
         it.",
    ),
    explained(
        "CS-AUDIT-066",
        Exit::Usage,
        "a period that nothing can be said about",
        "It is over before it begins, or it has not begun.",
    ),
    explained(
        "CS-AUDIT-067",
        Exit::Usage,
        "the control was not there then",
        "Recorded assessments say which controls there were. The last one before the end of the period does not know this one, so \
         nothing shows that it was in effect then.",
    ),
    explained(
        "CS-AUDIT-068",
        Exit::Usage,
        "not a text",
        "A request or an answer is said in words. The text is sealed with the key of whoever writes it, and is gone when their data \
         is erased.",
    ),
    explained(
        "CS-AUDIT-069",
        Exit::Usage,
        "a time that cannot be",
        "Something is due after it is asked for, and was received before it is recorded.",
    ),
    explained(
        "CS-AUDIT-070",
        Exit::Usage,
        "an answer points at nothing",
        "The evidence of an answer are entries of this log, by their index.",
    ),
    explained(
        "CS-AUDIT-071",
        Exit::Usage,
        "an answer points at an unknown pack",
        "Every pack that is made is recorded with its digest. An answer points at packs of this ledger alone.",
    ),
    explained(
        "CS-AUDIT-072",
        Exit::Usage,
        "an answer points at too much",
        "There is a limit to what one answer lists; a pack holds any number of entries.",
    ),
    explained(
        "CS-AUDIT-073",
        Exit::Denied,
        "requests wait for an answer",
        "An audit is not closed over the head of somebody who asked. Answer what waits, or the auditor takes it back.",
    ),
    explained(
        "CS-AUDIT-074",
        Exit::Usage,
        "the audit is about other applications",
        "Whoever opened the audit said which applications it is about.",
    ),
    explained(
        "CS-AUDIT-075",
        Exit::Usage,
        "no such request of a regulator",
        "A request of a regulator is named by its id, `fur-…`, or by the start of it. The text fits none, or more than one.",
    ),
    explained(
        "CS-AUDIT-076",
        Exit::Usage,
        "an audit admits auditors",
        "Whoever is named with `--auditor` holds the role auditor when the audit is opened. Every reader of the log checks it again.",
    ),
    explained(
        "CS-AUDIT-077",
        Exit::Forbidden,
        "not admitted to the audit",
        "Whoever opened the audit named its auditors. Nobody else asks in it, or sees what it opens.",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_is_explained_and_helps() {
        let (audit, request) = (AuditId::from_text("aud-0"), AuditRequestId::from_text("arq-0"));
        let (from, to) = (Timestamp::from_millis(0), Timestamp::from_millis(1));
        let text = String::new;
        let all = [
            ThreadError::NoSuchAudit { audit: text() },
            ThreadError::NoSuchRequest { request: text() },
            ThreadError::AuditIsClosed { audit: audit.clone() },
            ThreadError::RequestIs { request: request.clone(), state: "", act: "" },
            ThreadError::OwnRequest { person: text(), request },
            ThreadError::AuditorAnswers { person: text() },
            ThreadError::BadPeriod { from, to, why: "" },
            ThreadError::ControlNotThen { control: text(), to, entry: 1 },
            ThreadError::BadText { most: 1 },
            ThreadError::BadTime { what: "" },
            ThreadError::NoSuchEvidence { index: 1, size: 1 },
            ThreadError::NoSuchPack { pack: Digest::of(b"") },
            ThreadError::TooMuch { most: 1 },
            ThreadError::NoAuditor { person: text() },
            ThreadError::NotAdmitted { audit: audit.clone() },
            ThreadError::RequestsWait { audit: audit.clone(), waiting: 1 },
            ThreadError::OtherApplication { audit, application: text() },
            ThreadError::NoSuchFurnishing { furnish: text() },
        ];
        for error in &all {
            assert_ne!(error.exit(), Exit::Internal, "{error}");
            assert!(!error.help().is_empty());
        }
        assert_eq!(EXPLANATIONS.len(), all.len());
    }
}
