//! A person's signed act, as it is stored: the canonical statement, what it was signed for, and the SSH signature.
//!
//! The signature covers the statement's bytes as they are, so that anybody can check it with the payload in a file:
//! `ssh-keygen -Y verify -n NAMESPACE -s FILE.sig < FILE`. Each kind of act has a namespace of its own, so a signature
//! made for one can never pass for another.

use serde::{Deserialize, Serialize};

use crate::encoding::{from_base64, to_base64};
use crate::sshsig::{self, PublicKey};
use crate::statement::{PAYLOAD_TYPE, Statement};
use crate::{Error, canonical};

/// The first administrator vouches for the log key and the recorder.
pub const TRUST_ROOT: &str = "countersign-trust-root@v1";
/// A person and a key of theirs are enrolled.
pub const ENROLMENT: &str = "countersign-enrolment@v1";
/// A role is granted.
pub const ROLE: &str = "countersign-role@v2";
/// A role was granted, in ledgers of before: without a reason, or to oneself.
pub const ROLE_BEFORE: &str = "countersign-role@v1";
/// A role is revoked.
pub const ROLE_REVOCATION: &str = "countersign-role-revocation@v1";
/// A person leaves.
pub const LEAVING: &str = "countersign-leaving@v1";
/// A person who left is back.
pub const RETURN: &str = "countersign-return@v1";
/// The rules for grants of roles are chosen.
pub const ROLE_RULES: &str = "countersign-role-rules@v1";
/// A policy bundle is activated.
pub const POLICY: &str = "countersign-policy@v1";
/// Somebody wants to be known to a server; never appended.
pub const SIGN_IN: &str = "countersign-sign-in@v1";
/// A person claims commits as theirs.
pub const CLAIM: &str = "countersign-claim@v1";
/// A suppression is granted.
pub const SUPPRESSION: &str = "countersign-suppression@v1";
/// A run is approved.
pub const APPROVAL: &str = "countersign-approval@v1";
/// A deployment is permitted.
pub const GRANT: &str = "countersign-grant@v1";
/// The log's key is exchanged for another.
pub const LOG_KEY: &str = "countersign-log-key@v1";
/// The log signs with a second key as well, or no longer.
pub const SECOND_LOG_KEY: &str = "countersign-second-log-key@v1";

/// The firm's own retention class is defined.
pub const RETENTION_CLASS: &str = "countersign-retention-class@v1";
/// The class of what is appended from here on is chosen.
pub const RETENTION_DEFAULT: &str = "countersign-retention-default@v1";
/// An event starts the period of entries.
pub const RETENTION_START: &str = "countersign-retention-start@v1";
/// Entries are kept longer.
pub const RETENTION_EXTENSION: &str = "countersign-retention-extension@v1";
/// Entries are put under legal hold.
pub const HOLD: &str = "countersign-hold@v1";
/// The holds of a matter are released.
pub const HOLD_RELEASE: &str = "countersign-hold-release@v1";
/// An office under SEC 17a-4(f) is given to a person.
pub const RECORDS_OFFICER: &str = "countersign-records-officer@v1";
/// And taken back.
pub const RECORDS_OFFICER_REVOCATION: &str = "countersign-records-officer-revocation@v1";
/// Payloads are disposed of; two people sign it.
pub const DISPOSAL: &str = "countersign-disposal@v1";
/// A person's data is to be erased.
pub const ERASURE_REQUEST: &str = "countersign-erasure-request@v1";
/// The key of a person's data is destroyed.
pub const ERASURE: &str = "countersign-erasure@v1";

/// An application is registered or changed.
pub const APPLICATION: &str = "countersign-application@v1";
/// An application is retired.
pub const APPLICATION_RETIREMENT: &str = "countersign-application-retirement@v1";
/// An environment is registered or changed.
pub const ENVIRONMENT: &str = "countersign-environment@v1";
/// An environment is retired.
pub const ENVIRONMENT_RETIREMENT: &str = "countersign-environment-retirement@v1";
/// How strongly controls are enforced is put in effect.
pub const ENFORCEMENT: &str = "countersign-enforcement@v1";
/// Reasons of a soft level are overridden.
pub const OVERRIDE: &str = "countersign-enforcement-override@v1";
/// A waiver is asked for.
pub const WAIVER_REQUEST: &str = "countersign-waiver-request@v1";
/// A waiver is granted.
pub const WAIVER: &str = "countersign-waiver@v1";
/// A waiver is refused.
pub const WAIVER_REJECTION: &str = "countersign-waiver-rejection@v1";
/// A waiver is revoked.
pub const WAIVER_REVOCATION: &str = "countersign-waiver-revocation@v1";
/// Who answers for which gate is put in effect.
pub const GATE_OWNERS: &str = "countersign-gate-owners@v1";
/// A gate is taken on.
pub const GATE_ACKNOWLEDGEMENT: &str = "countersign-gate-acknowledgement@v1";
/// A gate was reviewed.
pub const GATE_REVIEW: &str = "countersign-gate-review@v1";
/// A grant is taken back.
pub const GRANT_REVOCATION: &str = "countersign-grant-revocation@v1";
/// An environment is frozen.
pub const FREEZE: &str = "countersign-freeze@v1";
/// A freeze is lifted.
pub const FREEZE_LIFT: &str = "countersign-freeze-lift@v1";
/// Windows of an environment are set.
pub const WINDOWS: &str = "countersign-windows@v1";
/// The glass is broken.
pub const BREAK_GLASS: &str = "countersign-break-glass@v1";
/// The glass is closed.
pub const BREAK_GLASS_CLOSE: &str = "countersign-break-glass-close@v1";
/// An emergency is ratified.
pub const RATIFICATION: &str = "countersign-break-glass-ratification@v1";
/// An emergency is reviewed.
pub const POST_REVIEW: &str = "countersign-break-glass-review@v1";

/// Approval rules are put in effect.
pub const APPROVAL_RULES: &str = "countersign-approval-rules@v1";
/// A run is rejected.
pub const REJECTION: &str = "countersign-rejection@v1";
/// An approval or a rejection is taken back.
pub const WITHDRAWAL: &str = "countersign-withdrawal@v1";
/// Whose identity tokens are believed is put in effect.
pub const ISSUERS: &str = "countersign-issuers@v1";
/// A person has one more key.
pub const PERSON_KEY: &str = "countersign-person-key@v1";
/// A key of a person is revoked.
pub const PERSON_KEY_REVOCATION: &str = "countersign-person-key-revocation@v1";
/// A review of all access is opened.
pub const ACCESS_REVIEW: &str = "countersign-access-review@v1";
/// A reviewer decides lines of it.
pub const ACCESS_REVIEW_DECISION: &str = "countersign-access-review-decision@v1";
/// What it takes away ends.
pub const ACCESS_REVIEW_ENFORCEMENT: &str = "countersign-access-review-enforcement@v1";
/// It is over, and what was to go is gone.
pub const ACCESS_REVIEW_CERTIFICATION: &str = "countersign-access-review-certification@v1";
/// A workload that a review ended is let in again.
pub const WORKLOAD_READMISSION: &str = "countersign-workload-readmission@v1";

/// Certificates by a key say whose keys are.
pub const CERTIFICATE_AUTHORITY: &str = "countersign-certificate-authority@v1";
/// They do not any more.
pub const CERTIFICATE_AUTHORITY_REVOCATION: &str = "countersign-certificate-authority-revocation@v1";
/// A person shows a certificate of the key that signs.
pub const CERTIFIED_KEY: &str = "countersign-certified-key@v1";
/// An account elsewhere is a person's.
pub const ACCOUNT: &str = "countersign-account@v1";
/// An account is not the person's any more.
pub const ACCOUNT_REMOVAL: &str = "countersign-account-removal@v1";

/// What a revocation list names counts no more.
pub const REVOCATION_LIST: &str = "countersign-revocation-list@v1";

/// An audit is opened.
pub const AUDIT: &str = "countersign-audit@v1";
/// An auditor asks.
pub const AUDIT_REQUEST: &str = "countersign-audit-request@v1";
/// Somebody answers.
pub const AUDIT_ANSWER: &str = "countersign-audit-answer@v1";
/// An auditor asks on.
pub const AUDIT_FOLLOW_UP: &str = "countersign-audit-follow-up@v1";
/// An auditor needs nothing more.
pub const AUDIT_REQUEST_CLOSING: &str = "countersign-audit-request-closing@v1";
/// An audit is over.
pub const AUDIT_CLOSING: &str = "countersign-audit-closing@v1";

/// A token for a program.
pub const TOKEN: &str = "countersign-token@v1";
/// A token opens nothing any more.
pub const TOKEN_REVOCATION: &str = "countersign-token-revocation@v1";

/// A regulator asked for records.
pub const FURNISHING: &str = "countersign-furnishing@v1";
/// They were handed over.
pub const FURNISHING_DELIVERY: &str = "countersign-furnishing-delivery@v1";

/// Every namespace of an act.
pub const NAMESPACES: &[&str] = &[
    TRUST_ROOT,
    ENROLMENT,
    ROLE,
    ROLE_BEFORE,
    ROLE_REVOCATION,
    LEAVING,
    RETURN,
    ROLE_RULES,
    ACCESS_REVIEW,
    ACCESS_REVIEW_DECISION,
    ACCESS_REVIEW_ENFORCEMENT,
    ACCESS_REVIEW_CERTIFICATION,
    WORKLOAD_READMISSION,
    POLICY,
    CLAIM,
    SUPPRESSION,
    APPROVAL,
    GRANT,
    LOG_KEY,
    SECOND_LOG_KEY,
    RETENTION_CLASS,
    RETENTION_DEFAULT,
    RETENTION_START,
    RETENTION_EXTENSION,
    HOLD,
    HOLD_RELEASE,
    RECORDS_OFFICER,
    RECORDS_OFFICER_REVOCATION,
    DISPOSAL,
    ERASURE_REQUEST,
    ERASURE,
    APPLICATION,
    APPLICATION_RETIREMENT,
    ENVIRONMENT,
    ENVIRONMENT_RETIREMENT,
    ENFORCEMENT,
    OVERRIDE,
    WAIVER_REQUEST,
    WAIVER,
    WAIVER_REJECTION,
    WAIVER_REVOCATION,
    GATE_OWNERS,
    GATE_ACKNOWLEDGEMENT,
    GATE_REVIEW,
    GRANT_REVOCATION,
    FREEZE,
    FREEZE_LIFT,
    WINDOWS,
    BREAK_GLASS,
    BREAK_GLASS_CLOSE,
    RATIFICATION,
    POST_REVIEW,
    APPROVAL_RULES,
    REJECTION,
    WITHDRAWAL,
    ISSUERS,
    PERSON_KEY,
    PERSON_KEY_REVOCATION,
    CERTIFICATE_AUTHORITY,
    CERTIFICATE_AUTHORITY_REVOCATION,
    CERTIFIED_KEY,
    ACCOUNT,
    ACCOUNT_REMOVAL,
    REVOCATION_LIST,
    AUDIT,
    AUDIT_REQUEST,
    AUDIT_ANSWER,
    AUDIT_FOLLOW_UP,
    AUDIT_REQUEST_CLOSING,
    AUDIT_CLOSING,
    SIGN_IN,
    TOKEN,
    TOKEN_REVOCATION,
    FURNISHING,
    FURNISHING_DELIVERY,
];

/// The media type of a stored act.
pub const MEDIA_TYPE: &str = "application/vnd.countersign.act.v1+json";

/// A signed act. Its fields are read through [`SignedAct::open`]; before that, nothing in it is to be believed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedAct {
    /// The canonical statement in base64.
    payload: String,
    /// Always [`PAYLOAD_TYPE`].
    #[serde(rename = "payloadType")]
    payload_type: String,
    /// What it was signed for, one of [`NAMESPACES`].
    namespace: String,
    /// The armoured SSH signature in OpenSSH's own layout.
    signature: String,
}

impl SignedAct {
    /// Puts an act together and checks it: `armored` must be the signature of `key` over `statement`.
    ///
    /// # Errors
    /// [`Error::Act`] when the namespace is none of ours; [`Error::NotCanonical`], [`Error::Json`] and [`Error::Statement`] when
    /// the bytes are no canonical in-toto statement; those of [`sshsig::verify`].
    pub fn new(namespace: &str, statement: &[u8], armored: &str, key: &PublicKey) -> Result<Self, Error> {
        let act = Self {
            payload: to_base64(statement),
            payload_type: PAYLOAD_TYPE.to_owned(),
            namespace: namespace.to_owned(),
            signature: sshsig::normalise(armored)?,
        };
        act.open(namespace, key)?;
        Ok(act)
    }

    /// Reads a stored act; only the bytes that [`SignedAct::to_vec`] writes are accepted.
    ///
    /// # Errors
    /// Those of [`SignedAct::statement`].
    pub fn from_slice(bytes: &[u8]) -> Result<Self, Error> {
        let act: Self = canonical::from_slice(bytes)?;
        act.statement()?;
        Ok(act)
    }

    /// The stored form: canonical JSON.
    ///
    /// # Errors
    /// [`Error::Unrepresentable`]; not seen in practice, for an act holds texts only.
    pub fn to_vec(&self) -> Result<Vec<u8>, Error> {
        canonical::to_vec(self)
    }

    /// The statement's bytes, whoever signed them. Form is checked, the signature is not: see [`SignedAct::open`].
    ///
    /// # Errors
    /// [`Error::Act`], [`Error::Json`], [`Error::NotCanonical`], [`Error::Statement`], [`Error::Namespace`],
    /// [`Error::SshSignature`].
    pub fn statement(&self) -> Result<Vec<u8>, Error> {
        if self.payload_type != PAYLOAD_TYPE {
            return Err(Error::Act("its payload is no in-toto statement"));
        }
        if !NAMESPACES.contains(&self.namespace.as_str()) {
            return Err(Error::Act("its namespace is none of ours"));
        }
        if sshsig::normalise(&self.signature)? != self.signature {
            return Err(Error::Act("its signature is not in OpenSSH's own layout"));
        }
        let found = sshsig::namespace(&self.signature)?;
        if found != self.namespace {
            return Err(Error::Namespace { expected: self.namespace.clone(), found });
        }
        let statement = from_base64(&self.payload).ok_or(Error::Act("its payload is not base64"))?;
        Statement::<serde_json::Value>::check(&canonical::from_slice(&statement)?)?;
        Ok(statement)
    }

    /// Verifies the act and returns the statement's bytes: `key` signed exactly these, for `namespace`.
    ///
    /// # Errors
    /// Those of [`SignedAct::statement`] and [`sshsig::verify`]; [`Error::Namespace`] when it is another kind of act.
    pub fn open(&self, namespace: &str, key: &PublicKey) -> Result<Vec<u8>, Error> {
        if self.namespace != namespace {
            return Err(Error::Namespace { expected: namespace.to_owned(), found: self.namespace.clone() });
        }
        let statement = self.statement()?;
        sshsig::verify(key, namespace, &statement, &self.signature)?;
        Ok(statement)
    }

    /// What the act says it was signed for.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The armoured signature.
    #[must_use]
    pub fn signature(&self) -> &str {
        &self.signature
    }

    /// The key that claims to have signed: to look a person up by, never to verify with.
    ///
    /// # Errors
    /// As [`sshsig::embedded_key`].
    pub fn claimed_key(&self) -> Result<PublicKey, Error> {
        sshsig::embedded_key(&self.signature)
    }
}
