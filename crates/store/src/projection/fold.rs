//! The fold: one entry after the other, nothing believed without its signature.

use std::sync::mpsc::{Receiver, sync_channel};

use countersign_model::event::Predicate;
use countersign_model::{EventKind, PersonId};

use super::read::{Act, Machine, Payload, Reading, open_statement, read};
use super::sql::{Fold, Stop, require};
use super::state::{State, Watch};
use crate::{Error, Ledger};

/// Entries that one thread reads before it hands them over: those of one bundle.
const BLOCK: u64 = 256;
/// Blocks that a thread may be ahead by. This bounds the memory, whatever the log's length.
const AHEAD: usize = 2;
/// Fewer entries than this are not worth a thread.
const SHORT: u64 = 64;

impl State {
    /// Folds one entry in; what it says if it is not believed. The next entry's index must be the number of entries
    /// folded so far.
    ///
    /// # Errors
    /// When the projection cannot be read or written. Then what was folded since the last commit is void.
    pub fn apply(&mut self, reading: &Reading) -> Result<Option<String>, Error> {
        self.on_entry(reading)?;
        self.head.size = reading.index.saturating_add(1);
        self.head.moment.0 = reading.entry.time;
        match self.believe(reading) {
            Ok(()) => {
                self.on_act(reading)?;
                Ok(None)
            }
            Err(Stop::Failed(error)) => Err(error),
            Err(Stop::Disbelieved(what)) => {
                self.on_anomaly(reading.index, &what)?;
                Ok(Some(what))
            }
        }
    }

    /// Every check of an entry comes before its first row, so that what is not believed leaves none.
    fn believe(&mut self, reading: &Reading) -> Fold {
        let index = reading.index;
        match &reading.payload {
            Payload::Genesis(bytes) => self.on_created(index, bytes),
            Payload::Machine(machine) => match reading.entry.kind {
                EventKind::RunStarted => self.on_run(reading, machine),
                EventKind::FindingsRecorded => self.on_findings(reading, machine),
                EventKind::EvidenceAttached => self.on_evidence(reading, machine),
                EventKind::DecisionMade => self.on_decision(reading, machine),
                EventKind::DeploymentStarted => self.on_deployment_start(reading, machine),
                EventKind::DeploymentRecorded => self.on_deployment(reading, machine),
                EventKind::ActRefused => self.on_refusal(index, machine),
                EventKind::StorageProbed => self.on_probe(index, machine),
                EventKind::AccessReviewShown => self.on_review_shown(machine),
                EventKind::AccessReviewReminded => self.on_reminded(index, machine),
                EventKind::AssessmentRecorded => self.on_assessment(reading, machine),
                EventKind::EvidencePackMade => self.on_pack(reading, machine),
                EventKind::PopulationSealed => self.on_population(reading, machine),
                EventKind::SampleDrawn => self.on_sample(reading, machine),
                EventKind::MockAuditDone => self.on_mock_audit(reading, machine),
                EventKind::BreakGlassPaged => self.on_paged(index, machine),
                EventKind::NotificationStarted => self.on_notification_start(index, machine),
                EventKind::NotificationSent => self.on_notification(index, machine),
                EventKind::NotificationFailed => self.on_notification_failure(index, machine),
                EventKind::DisposalCompleted => self.on_disposal_completed(index, machine),
                EventKind::WorkloadVerified => self.on_workload(reading, machine),
                EventKind::SignedIn => self.on_signed_in(index, machine),
                EventKind::SignInRefused => self.on_sign_in_refused(index, machine),
                EventKind::SignedOut => self.on_signed_out(index, machine),
                EventKind::WorkloadAdmitted => self.on_admitted(index, machine),
                EventKind::EvidenceViewed => self.on_viewed(index, machine),
                EventKind::RunSubmitted => self.on_submitted(reading, machine),
                EventKind::VerdictDiffered => self.on_differed(reading, machine),
                EventKind::SnapshotTaken => self.on_snapshot(reading, machine),
                EventKind::DriftDetected => self.on_drift(reading, machine),
                other => Err(format!("{} is no statement of the recorder", other.as_str()).into()),
            },
            Payload::Absent(blob) => self.on_absent(index, blob),
            Payload::Certificate(Err(what)) => Err(format!("not a certificate of disposal: {what}").into()),
            Payload::Certificate(Ok(certificate)) => self.on_disposed(reading, certificate),
            Payload::Act(Err(what)) => Err(what.clone().into()),
            Payload::Act(Ok(signed)) => match reading.entry.kind {
                EventKind::TrustRootEstablished => self.on_trust_root(reading, signed),
                EventKind::PersonEnrolled => self.on_enrolled(reading, signed),
                EventKind::RoleGranted => self.on_role(index, signed),
                EventKind::RoleRevoked => self.on_role_revoked(index, signed),
                EventKind::PersonLeft => self.on_left(index, signed),
                EventKind::PersonReturned => self.on_returned(index, signed),
                EventKind::RoleRulesChosen => self.on_role_rules(index, signed),
                EventKind::AccessReviewOpened => self.on_review_opened(index, signed),
                EventKind::AccessReviewDecided => self.on_review_decided(index, signed),
                EventKind::AccessReviewEnforced => self.on_review_enforced(index, signed),
                EventKind::AccessReviewClosed => self.on_review_closed(index, signed),
                EventKind::WorkloadReadmitted => self.on_readmitted(index, signed),
                EventKind::LogKeyRotated => self.on_log_key(index, signed),
                EventKind::SecondLogKeyChosen => self.on_second_key(index, signed),
                EventKind::PolicyActivated => self.on_policy(reading, signed),
                EventKind::CommitsClaimed => self.on_claim(index, signed),
                EventKind::SuppressionGranted => self.on_suppression(index, signed),
                EventKind::ApprovalSigned => self.on_approval(reading, signed),
                EventKind::GrantIssued => self.on_grant(reading, signed),
                EventKind::RetentionClassDefined => self.on_retention_class(index, signed),
                EventKind::RetentionDefaultChosen => self.on_retention_default(index, signed),
                EventKind::RetentionStarted => self.on_retention_start(index, signed),
                EventKind::RetentionExtended => self.on_retention_extension(index, signed),
                EventKind::HoldPlaced => self.on_hold(index, signed),
                EventKind::HoldReleased => self.on_hold_release(index, signed),
                EventKind::RecordsOfficerDesignated => self.on_designated(index, signed),
                EventKind::RecordsOfficerRevoked => self.on_office_revoked(signed),
                EventKind::ErasureRequested => self.on_erasure_request(index, signed),
                EventKind::SubjectErased => self.on_erased(reading, signed),
                EventKind::ApplicationRegistered => self.on_application(index, signed),
                EventKind::ApplicationRetired => self.on_application_retired(index, signed),
                EventKind::EnvironmentRegistered => self.on_environment(index, signed),
                EventKind::EnvironmentRetired => self.on_environment_retired(index, signed),
                EventKind::EnforcementActivated => self.on_enforcement(reading, signed),
                EventKind::EnforcementOverridden => self.on_override(reading, signed),
                EventKind::WaiverRequested => self.on_waiver_request(reading, signed),
                EventKind::WaiverGranted => self.on_waiver_grant(index, signed),
                EventKind::WaiverRejected => self.on_waiver_rejection(index, signed),
                EventKind::WaiverRevoked => self.on_waiver_revocation(index, signed),
                EventKind::GateOwnersAssigned => self.on_gate_owners(reading, signed),
                EventKind::GateAcknowledged => self.on_gate_acknowledged(index, signed),
                EventKind::GateReviewed => self.on_gate_review(index, signed),
                EventKind::GrantRevoked => self.on_grant_revocation(reading, signed),
                EventKind::EnvironmentFrozen => self.on_freeze(index, signed),
                EventKind::FreezeLifted => self.on_freeze_lift(index, signed),
                EventKind::WindowsSet => self.on_windows(index, signed),
                EventKind::BreakGlassOpened => self.on_break_glass(reading, signed),
                EventKind::BreakGlassClosed => self.on_break_glass_close(reading, signed),
                EventKind::BreakGlassRatified => self.on_ratified(reading, signed),
                EventKind::BreakGlassReviewed => self.on_reviewed(reading, signed),
                EventKind::ApprovalRulesActivated => self.on_approval_rules(index, signed),
                EventKind::ApprovalRejected => self.on_rejection(reading, signed),
                EventKind::ApprovalWithdrawn => self.on_withdrawal(reading, signed),
                EventKind::IssuersActivated => self.on_issuers(reading, signed),
                EventKind::PersonKeyAdded => self.on_person_key(reading, signed),
                EventKind::PersonKeyRevoked => self.on_person_key_revoked(reading, signed),
                EventKind::CertificateAuthorityAdded => self.on_authority(reading, signed),
                EventKind::CertificateAuthorityRevoked => self.on_authority_revoked(reading, signed),
                EventKind::KeyCertified => self.on_certified(reading, signed),
                EventKind::AccountLinked => self.on_account_linked(reading, signed),
                EventKind::AccountUnlinked => self.on_account_unlinked(reading, signed),
                EventKind::RevocationListImported => self.on_revocation_list(reading, signed),
                EventKind::AuditOpened => self.on_audit_opened(reading, signed),
                EventKind::AuditRequested => self.on_audit_requested(reading, signed),
                EventKind::AuditAnswered => self.on_audit_answered(reading, signed),
                EventKind::AuditFollowedUp => self.on_audit_followed_up(reading, signed),
                EventKind::AuditRequestClosed => self.on_audit_request_closed(reading, signed),
                EventKind::AuditClosed => self.on_audit_closed(index, signed),
                EventKind::FurnishOpened => self.on_furnish_opened(reading, signed),
                EventKind::FurnishDelivered => self.on_furnish_delivered(reading, signed),
                EventKind::TokenIssued => self.on_token_issued(reading, signed),
                EventKind::TokenRevoked => self.on_token_revoked(reading, signed),
                other => Err(format!("{} is no act of a person", other.as_str()).into()),
            },
        }
    }

    /// Opens a machine statement: DSSE by the recorder of entry 0, in-toto, of the expected type.
    pub(super) fn statement<P: Predicate>(&self, machine: &Machine) -> Result<P, Stop> {
        Ok(open_statement(&machine.by(&self.head.recorder)?)?)
    }

    /// Opens an act that names its signer in the statement: a key of that person must have signed it, and must count for it.
    pub(super) fn signed<P: Predicate>(
        &self,
        signed: &Act,
        namespace: &str,
        signer: impl Fn(&P) -> &PersonId,
    ) -> Result<P, Stop> {
        let predicate: P = open_statement(&signed.statement)?;
        let id = signer(&predicate);
        if !self.is_enrolled(id)? {
            return Err(format!("{id} is not enrolled").into());
        }
        let key = match &signed.signer {
            Some(key) if signed.act.namespace() == namespace => self.key(&key.fingerprint())?,
            _ => None,
        };
        let key =
            key.filter(|key| key.person == *id).ok_or_else(|| format!("no key of {id} signed it as `{namespace}`"))?;
        self.key_counts(&key, signed)?;
        require(!self.has_left(id)?, &format!("{id} had left"))?;
        Ok(predicate)
    }

    /// Folds the entries from the size folded so far up to `to`. `done` is called after each block.
    ///
    /// # Errors
    /// What the ledger, the projection and `done` say.
    pub(super) fn fold(
        &mut self,
        ledger: &Ledger,
        to: u64,
        watch: &Watch,
        mut done: impl FnMut(&mut Self) -> Result<(), Error>,
    ) -> Result<(), Error> {
        // Entry 0 says whose statements the others are.
        if self.head.size == 0 && to > 0 {
            self.apply_all(&read(ledger, 0, 1, "")?)?;
        }
        let from = self.head.size;
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
        if to.saturating_sub(from) < SHORT || cores < 2 {
            while self.head.size < to {
                let end = to.min(block_end(self.head.size));
                let block = read(ledger, self.head.size, end, &self.head.recorder)?;
                self.apply_all(&block)?;
                done(self)?;
                watch.tell(self.head.size, to);
            }
            return self.nothing_absent();
        }
        let recorder = self.head.recorder.clone();
        std::thread::scope(|scope| {
            let readers: Vec<Receiver<Result<Vec<Reading>, Error>>> = (0..cores)
                .map(|nth| {
                    let (sender, receiver) = sync_channel(AHEAD);
                    let recorder = &recorder;
                    scope.spawn(move || {
                        for (start, end) in blocks(from, to).skip(nth).step_by(cores) {
                            // Nobody listens any more when folding failed.
                            if sender.send(read(ledger, start, end, recorder)).is_err() {
                                return;
                            }
                        }
                    });
                    receiver
                })
                .collect();
            for ((_, end), receiver) in blocks(from, to).zip(readers.iter().cycle()) {
                let block = receiver.recv().map_err(|_| Error::FoldBrokeOff)??;
                self.apply_all(&block)?;
                done(self)?;
                watch.tell(end, to);
            }
            self.nothing_absent()
        })
    }

    fn apply_all(&mut self, block: &[Reading]) -> Result<(), Error> {
        for reading in block {
            self.apply(reading)?;
        }
        Ok(())
    }
}

/// Where the block ends in which entry `index` stands.
fn block_end(index: u64) -> u64 {
    (index / BLOCK).saturating_add(1).saturating_mul(BLOCK)
}

/// The blocks from `from` to `to`: each is what stands in one bundle.
fn blocks(from: u64, to: u64) -> impl Iterator<Item = (u64, u64)> {
    let mut start = from;
    std::iter::from_fn(move || {
        (start < to).then(|| {
            let block = (start, block_end(start).min(to));
            start = block.1;
            block
        })
    })
}

#[cfg(test)]
mod tests {
    use super::blocks;

    #[test]
    fn blocks_cover_every_entry_once_and_end_with_their_bundle() {
        for (from, to) in [(0, 0), (1, 2), (1, 256), (1, 257), (255, 600), (256, 512), (300, 300)] {
            let mut next = from;
            for (start, end) in blocks(from, to) {
                assert_eq!(start, next);
                assert!(end > start && start / 256 == (end - 1) / 256);
                next = end;
            }
            assert_eq!(next, to);
        }
    }
}
