//! An entry, read, opened, and with its signature checked: all that can be known of it without the tables, so that many
//! are read at once on all cores.

use countersign_evidence::act::SignedAct;
use countersign_evidence::machine::MachinePublicKey;
use countersign_evidence::sshsig::PublicKey;
use countersign_evidence::statement::{self, Statement};
use countersign_evidence::webauthn::{self, Proof};
use countersign_evidence::{canonical, dsse, merkle};
use countersign_model::event::{ApprovalSigned, Predicate};
use countersign_model::retention::plan::{self, DisposalPlan};
use countersign_model::{Digest, Entry, EventKind, PayloadRef, Timestamp};
use serde::{Deserialize, Serialize};

use super::sql::require;
use crate::blob::Opened;
use crate::disposal::DisposalCertificate;
use crate::{Error, Ledger};

/// An entry with its payload's signature checked. Whether its signer may say what it says, the tables must tell.
#[derive(Debug)]
pub struct Reading {
    pub(super) index: u64,
    pub(super) entry: Entry,
    /// RFC 6962 leaf hash.
    pub(super) leaf: Digest,
    pub(super) payload: Payload,
    /// The digests of what the attachments say that the statement names, by their place.
    named: Vec<Digest>,
    /// Whether its signer saw another log than this one, as far as that was looked at.
    pub(super) other_history: bool,
}

/// A payload by who signs it.
#[derive(Debug)]
pub(super) enum Payload {
    /// Entry 0: vouched for by whoever pins the log.
    Genesis(Vec<u8>),
    /// A statement of the recorder.
    Machine(Machine),
    /// An act of a person, or why it is none.
    Act(Result<Box<Act>, String>),
    /// A certificate of disposal with the acts of two people, or why it is none.
    Certificate(Result<Box<Certificate>, String>),
    /// It is gone, or what it names is: this blob. Whether it may be, a later certificate must say.
    Absent(Digest),
}

/// A machine statement.
#[derive(Debug)]
pub(super) struct Machine {
    /// The recorder whose signature was looked for.
    recorder: String,
    /// The envelope, for the case that it was another one's.
    envelope: Vec<u8>,
    /// The statement's bytes, if that recorder signed them.
    statement: Result<Vec<u8>, String>,
}

impl Machine {
    fn read(envelope: Vec<u8>, recorder: &str) -> Self {
        let statement = verify(&envelope, recorder);
        Self { recorder: recorder.to_owned(), envelope, statement }
    }

    /// The statement's bytes, if `recorder` signed them.
    pub(super) fn by(&self, recorder: &str) -> Result<Vec<u8>, String> {
        if self.recorder == recorder { self.statement.clone() } else { verify(&self.envelope, recorder) }
    }
}

/// DSSE by the recorder, in-toto.
fn verify(envelope: &[u8], recorder: &str) -> Result<Vec<u8>, String> {
    let key: MachinePublicKey = recorder.parse().map_err(|_| "the recorder's key cannot be read".to_owned())?;
    let envelope = dsse::Envelope::from_json(envelope).map_err(|e| format!("not a DSSE envelope: {e}"))?;
    envelope.verify_type(statement::PAYLOAD_TYPE, &[key]).map_err(|e| format!("the recorder did not sign it: {e}"))
}

/// A person's act.
#[derive(Debug)]
pub(super) struct Act {
    pub(super) act: SignedAct,
    /// The statement's bytes, whoever signed them.
    pub(super) statement: Vec<u8>,
    /// The key that signed exactly these bytes for the act's namespace, if one did: the key in the signature itself, so
    /// whose it is has to be looked up.
    pub(super) signer: Option<PublicKey>,
    /// What the authenticator said, where a passkey signed.
    pub(super) proof: Option<Proof>,
    /// When it was signed, by the signer's own clock.
    pub(super) time: Timestamp,
    /// When it was appended; none where it stands in no log yet.
    pub(super) place: Option<Timestamp>,
}

/// The one thing that every act says.
#[derive(Deserialize)]
struct Dated {
    predicate: Time,
}

#[derive(Deserialize)]
struct Time {
    time: Timestamp,
}

impl Act {
    pub(super) fn read(payload: &[u8], place: Option<Timestamp>) -> Result<Self, String> {
        Self::of(SignedAct::from_slice(payload).map_err(|e| e.to_string())?, place)
    }

    /// Whether the key with this fingerprint signed it.
    pub(super) fn is_by(&self, fingerprint: &str) -> bool {
        self.signer.as_ref().is_some_and(|key| key.fingerprint() == fingerprint)
    }

    fn of(act: SignedAct, place: Option<Timestamp>) -> Result<Self, String> {
        let statement = act.statement().map_err(|e| e.to_string())?;
        let signer = act.claimed_key().ok().filter(|key| act.open(act.namespace(), key).is_ok());
        let proof = match &signer {
            Some(_) => webauthn::proof(act.signature()).map_err(|e| e.to_string())?,
            None => None,
        };
        let dated: Dated =
            serde_json::from_slice(&statement).map_err(|_| "it does not say when it was signed".to_owned())?;
        Ok(Self { act, statement, signer, proof, time: dated.predicate.time, place })
    }
}

/// A certificate of disposal.
#[derive(Debug)]
pub(super) struct Certificate {
    pub(super) plan: DisposalPlan,
    /// The plan's digest.
    pub(super) digest: Digest,
    pub(super) orders: Act,
    pub(super) confirms: Act,
}

impl Certificate {
    fn read(payload: &[u8], place: Option<Timestamp>) -> Result<Self, String> {
        require(payload.len() as u64 <= plan::MAX_BYTES, "it is too large")?;
        let read: DisposalCertificate = canonical::from_slice(payload).map_err(|e| e.to_string())?;
        Ok(Self {
            digest: canonical::digest(&read.plan).map_err(|e| e.to_string())?,
            plan: read.plan,
            orders: Act::of(read.orders, place)?,
            confirms: Act::of(read.confirms, place)?,
        })
    }
}

impl Reading {
    /// Checks what the payload's signature alone can tell. `recorder` is whose machine statements are believed at present
    /// ([`super::State::recorder`]). Where the recorder turns out to be another one, the signature is checked again.
    #[must_use]
    pub fn new(index: u64, entry: Entry, leaf: Digest, opened: Opened, recorder: &str) -> Self {
        let Opened { payload, attachments } = opened;
        let absent = |entry, blob| Self {
            index,
            entry,
            leaf,
            payload: Payload::Absent(blob),
            named: Vec::new(),
            other_history: false,
        };
        let Some(payload) = payload else {
            let blob = entry.payload.sha256;
            return absent(entry, blob);
        };
        // What a statement names and cannot be looked at is as much a part of it as the payload is.
        let mut named = Vec::new();
        for (n, blob) in entry.attachments.iter().enumerate().take(named_by(entry.kind)) {
            let Some(said) = attachments.get(n).copied().flatten() else {
                let blob = blob.sha256;
                return absent(entry, blob);
            };
            named.push(said);
        }
        let payload = match entry.kind {
            EventKind::LedgerCreated => Payload::Genesis(payload),
            EventKind::RunStarted
            | EventKind::FindingsRecorded
            | EventKind::EvidenceAttached
            | EventKind::DecisionMade
            | EventKind::ActRefused
            | EventKind::StorageProbed
            | EventKind::AccessReviewShown
            | EventKind::AccessReviewReminded
            | EventKind::AssessmentRecorded
            | EventKind::EvidencePackMade
            | EventKind::PopulationSealed
            | EventKind::SampleDrawn
            | EventKind::MockAuditDone
            | EventKind::DeploymentStarted
            | EventKind::DeploymentRecorded
            | EventKind::BreakGlassPaged
            | EventKind::NotificationStarted
            | EventKind::NotificationSent
            | EventKind::NotificationFailed
            | EventKind::DisposalCompleted
            | EventKind::SignedIn
            | EventKind::SignInRefused
            | EventKind::SignedOut
            | EventKind::WorkloadAdmitted
            | EventKind::EvidenceViewed
            | EventKind::RunSubmitted
            | EventKind::VerdictDiffered
            | EventKind::SnapshotTaken
            | EventKind::DriftDetected
            | EventKind::WorkloadVerified => Payload::Machine(Machine::read(payload, recorder)),
            EventKind::TrustRootEstablished
            | EventKind::PersonEnrolled
            | EventKind::RoleGranted
            | EventKind::RoleRevoked
            | EventKind::PersonLeft
            | EventKind::PersonReturned
            | EventKind::RoleRulesChosen
            | EventKind::AccessReviewOpened
            | EventKind::AccessReviewDecided
            | EventKind::AccessReviewEnforced
            | EventKind::AccessReviewClosed
            | EventKind::WorkloadReadmitted
            | EventKind::LogKeyRotated
            | EventKind::SecondLogKeyChosen
            | EventKind::PolicyActivated
            | EventKind::CommitsClaimed
            | EventKind::SuppressionGranted
            | EventKind::ApprovalSigned
            | EventKind::GrantIssued
            | EventKind::RetentionClassDefined
            | EventKind::RetentionDefaultChosen
            | EventKind::RetentionStarted
            | EventKind::RetentionExtended
            | EventKind::HoldPlaced
            | EventKind::HoldReleased
            | EventKind::RecordsOfficerDesignated
            | EventKind::RecordsOfficerRevoked
            | EventKind::ErasureRequested
            | EventKind::SubjectErased
            | EventKind::ApplicationRegistered
            | EventKind::ApplicationRetired
            | EventKind::EnvironmentRegistered
            | EventKind::EnvironmentRetired
            | EventKind::EnforcementActivated
            | EventKind::EnforcementOverridden
            | EventKind::WaiverRequested
            | EventKind::WaiverGranted
            | EventKind::WaiverRejected
            | EventKind::WaiverRevoked
            | EventKind::GateOwnersAssigned
            | EventKind::GateAcknowledged
            | EventKind::GateReviewed
            | EventKind::GrantRevoked
            | EventKind::EnvironmentFrozen
            | EventKind::FreezeLifted
            | EventKind::WindowsSet
            | EventKind::BreakGlassOpened
            | EventKind::BreakGlassClosed
            | EventKind::BreakGlassRatified
            | EventKind::BreakGlassReviewed
            | EventKind::ApprovalRulesActivated
            | EventKind::ApprovalRejected
            | EventKind::ApprovalWithdrawn
            | EventKind::IssuersActivated
            | EventKind::PersonKeyAdded
            | EventKind::AccountLinked
            | EventKind::AccountUnlinked
            | EventKind::PersonKeyRevoked
            | EventKind::CertificateAuthorityAdded
            | EventKind::CertificateAuthorityRevoked
            | EventKind::KeyCertified
            | EventKind::RevocationListImported
            | EventKind::AuditOpened
            | EventKind::AuditRequested
            | EventKind::AuditAnswered
            | EventKind::AuditFollowedUp
            | EventKind::AuditRequestClosed
            | EventKind::AuditClosed
            | EventKind::FurnishOpened
            | EventKind::FurnishDelivered
            | EventKind::TokenIssued
            | EventKind::TokenRevoked => Payload::Act(Act::read(&payload, Some(entry.time)).map(Box::new)),
            EventKind::PayloadsDisposed => {
                Payload::Certificate(Certificate::read(&payload, Some(entry.time)).map(Box::new))
            }
        };
        Self { index, entry, leaf, payload, named, other_history: false }
    }

    /// An attachment, and the digest of what it says: where it is sealed, the entry's digest is that of other bytes.
    pub(super) fn named(&self, n: usize) -> Result<(PayloadRef, Digest), String> {
        let blob = attachment(&self.entry, n)?;
        Ok((blob, *self.named.get(n).ok_or_else(|| format!("attachment {n} was not looked at"))?))
    }

    /// How many attachments there are.
    pub(super) const fn attachments(&self) -> usize {
        self.entry.attachments.len()
    }
}

/// How many of the first attachments statements of this kind name by the digest of what they say. That of a policy bundle is
/// over its files, so who looks at a bundle compares.
const fn named_by(kind: EventKind) -> usize {
    match kind {
        EventKind::TrustRootEstablished
        | EventKind::PersonEnrolled
        | EventKind::RunStarted
        | EventKind::FindingsRecorded
        | EventKind::AssessmentRecorded
        | EventKind::PopulationSealed
        | EventKind::DecisionMade
        | EventKind::GrantIssued
        | EventKind::EnforcementActivated
        | EventKind::GateOwnersAssigned
        | EventKind::IssuersActivated
        | EventKind::PersonKeyAdded
        | EventKind::AccountLinked
        | EventKind::MockAuditDone
        | EventKind::AuditRequested
        | EventKind::AuditAnswered
        | EventKind::AuditFollowedUp
        | EventKind::WorkloadVerified => 1,
        EventKind::EvidenceAttached => 2,
        _ => 0,
    }
}

/// Reads the entries from `from` to `to`.
pub(super) fn read(ledger: &Ledger, from: u64, to: u64, recorder: &str) -> Result<Vec<Reading>, Error> {
    let mut entries = Vec::new();
    ledger.each(from..to, |index, file, bytes| {
        let leaf = Digest::from_bytes(merkle::leaf_hash(bytes));
        entries.push((index, crate::leaf::parse(file, index, bytes)?, leaf));
        Ok(())
    })?;
    entries
        .into_iter()
        .map(|(index, entry, leaf)| {
            let opened = open(ledger, &entry)?;
            let mut reading = Reading::new(index, entry, leaf, opened, recorder);
            reading.other_history = saw_another_log(ledger, &reading);
            Ok(reading)
        })
        .collect()
}

/// Whether an approval says that the log had another root than it had.
fn saw_another_log(ledger: &Ledger, reading: &Reading) -> bool {
    let Payload::Act(Ok(act)) = &reading.payload else { return false };
    if reading.entry.kind != EventKind::ApprovalSigned {
        return false;
    }
    let said: Option<ApprovalSigned> = open_statement(&act.statement).ok();
    said.and_then(|p| p.evidence).is_some_and(|seen| {
        let here = ledger.root_at(seen.size).map(Digest::from_bytes);
        here.ok() != Some(seen.root)
    })
}

/// What an entry's blobs say. Attachments that no statement names are left alone.
fn open(ledger: &Ledger, entry: &Entry) -> Result<Opened, Error> {
    let may_be_gone = entry.kind.is_disposable();
    let open = |blob: &PayloadRef| match ledger.payload(blob) {
        Ok(said) => Ok(Some(said)),
        Err(Error::MissingBlob { .. }) if may_be_gone => Ok(None),
        Err(e) => Err(e),
    };
    let payload = open(&entry.payload)?;
    let needed = if payload.is_some() { named_by(entry.kind) } else { 0 };
    let attachments = entry.attachments.iter().enumerate().map(|(n, blob)| match &blob.sealed {
        None => Ok(Some(blob.sha256)),
        Some(_) if n < needed => Ok(open(blob)?.as_deref().map(Digest::of)),
        Some(_) => Ok(None),
    });
    Ok(Opened { attachments: attachments.collect::<Result<_, Error>>()?, payload })
}

/// Parses canonical statement bytes and checks the predicate's type.
pub(super) fn open_statement<P: Predicate>(bytes: &[u8]) -> Result<P, String> {
    let statement: Statement<P> =
        canonical::from_slice(bytes).map_err(|e| format!("not the expected statement: {e}"))?;
    require(
        statement.predicate_type == P::TYPE,
        &format!("the statement is of type `{}`, not `{}`", statement.predicate_type, P::TYPE),
    )?;
    Ok(statement.predicate)
}

pub(super) fn attachment(entry: &Entry, n: usize) -> Result<PayloadRef, String> {
    entry.attachments.get(n).cloned().ok_or_else(|| format!("attachment {n} is missing"))
}

/// A list as it stands in a column.
pub(super) fn to_json<T: Serialize>(value: &T) -> Result<String, String> {
    serde_json::to_string(value).map_err(|e| e.to_string())
}
