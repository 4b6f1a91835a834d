//! What somebody may be shown of what belongs to applications. Pages and the API ask here, and nowhere else.
//!
//! Whoever has a role in the delivery of software sees the firm. Whoever is an auditor and nothing else sees what one open audit is
//! about that admits them: its applications, in its period. What is of the whole firm (roles, policy, controls, the list of the log)
//! they see as everybody does. Everything that is not found to be in the scope is outside it.

use std::collections::{BTreeMap, BTreeSet};

use countersign_evidence::encoding;
use countersign_govern::assess::Window;
use countersign_model::access::token::TokenLimits;
use countersign_model::audit::threads::MaskedField;
use countersign_model::{
    AuditId, AuditRequestId, BreakGlassId, Entry, EventKind, GrantId, PersonId, Role, RunId, StreamId, Timestamp,
    WaiverId,
};
use countersign_store::Session;
use countersign_store::projection::{
    AuditRow, DeploymentsAsked, DriftRow, EmergencyRow, PackRow, PopulationRow, SnapshotsAsked, State, ThreadRow,
    WaiverRow, Within,
};
use serde_json::Value;

use super::Trouble;

/// Who may look with the eyes of an auditor.
pub(crate) const AS_AUDITOR: &[Role] = &[Role::SecurityOfficer, Role::ComplianceOfficer, Role::Administrator];

/// How a page or a resource is limited for an auditor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// It is about the whole firm.
    Firm,
    /// It lists and counts what is in the scope.
    List,
    /// It is about the run in its path.
    Run,
    /// It is about a grant for a run.
    Grant,
    /// It is about the entry in its path.
    Entry,
    /// It is about the environment in its path.
    Environment,
    /// It is about the waiver in its path.
    Waiver,
    /// It is about the emergency in its path.
    Emergency,
    /// It is about the application in its path.
    Application,
    /// It is about the sealed population in its path, by index.
    Population,
    /// It is about the audit in its path, which admits whoever looks.
    Audit,
}

impl Reach {
    /// The text form.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Firm => "of the whole firm",
            Self::List => "what the audit is about",
            Self::Run => "a run that the audit is about",
            Self::Grant => "a grant for a run that the audit is about",
            Self::Entry => "an entry of the firm, or of what the audit is about",
            Self::Environment => "an environment that the audit is about",
            Self::Waiver => "a waiver for what the audit is about, or for everybody",
            Self::Emergency => "an emergency of what the audit is about",
            Self::Application => "an application that the audit is about",
            Self::Population => "a population of what the audit is about",
            Self::Audit => "an audit that admits them",
        }
    }
}

/// What somebody is shown.
#[derive(Debug, Clone)]
pub(crate) struct Scope {
    person: PersonId,
    limits: Option<Limits>,
    /// Audits that they can choose among: open ones that admit them.
    pub(crate) choices: Vec<AuditRow>,
    /// They look with the eyes of an auditor, and are none.
    pub(crate) is_as_auditor: bool,
    /// The applications to which the token that was shown is limited, where it is.
    of_token: Option<Vec<String>>,
}

#[derive(Debug, Clone)]
struct Limits {
    /// The audit whose scope it is, where it is one's.
    audit: Option<AuditRow>,
    /// An auditor whom no open audit admits is shown nothing of any application.
    is_shut: bool,
    /// The applications; `None`: all.
    applications: Option<Vec<String>>,
    within: Within,
}

/// Where an entry belongs.
enum Belongs {
    /// To the firm.
    Firm,
    /// To the run whose stream it is in.
    Run,
    /// As [`Self::Run`]; to the firm where it is in another stream.
    RunOrFirm,
    /// To the repository that its statement names.
    Repository,
    /// To the application that its statement names.
    Application,
    Waiver,
    Emergency,
    Audit,
    Request,
    Population,
    Sample,
    Pack,
    /// To whoever looked.
    Look,
    /// To nobody who is here for some applications only.
    Whole,
}

const fn belongs(kind: EventKind) -> Belongs {
    use EventKind as K;
    match kind {
        K::LedgerCreated
        | K::TrustRootEstablished
        | K::PersonEnrolled
        | K::RoleGranted
        | K::RoleRevoked
        | K::PersonLeft
        | K::PersonReturned
        | K::RoleRulesChosen
        | K::AccessReviewOpened
        | K::AccessReviewShown
        | K::AccessReviewReminded
        | K::AccessReviewDecided
        | K::AccessReviewEnforced
        | K::AccessReviewClosed
        | K::WorkloadReadmitted
        | K::PolicyActivated
        | K::StorageProbed
        | K::LogKeyRotated
        | K::SecondLogKeyChosen
        | K::RetentionClassDefined
        | K::RetentionDefaultChosen
        | K::RetentionStarted
        | K::RetentionExtended
        | K::RecordsOfficerDesignated
        | K::RecordsOfficerRevoked
        | K::PayloadsDisposed
        | K::DisposalCompleted
        | K::AssessmentRecorded
        | K::ErasureRequested
        | K::SubjectErased
        | K::EnvironmentRegistered
        | K::EnvironmentRetired
        | K::EnforcementActivated
        | K::GateOwnersAssigned
        | K::GateAcknowledged
        | K::GateReviewed
        | K::EnvironmentFrozen
        | K::FreezeLifted
        | K::WindowsSet
        | K::ApprovalRulesActivated
        | K::IssuersActivated
        | K::PersonKeyAdded
        | K::PersonKeyRevoked
        | K::CertificateAuthorityAdded
        | K::CertificateAuthorityRevoked
        | K::KeyCertified
        | K::AccountLinked
        | K::AccountUnlinked
        | K::RevocationListImported
        | K::SignedIn
        | K::SignInRefused
        | K::SignedOut
        | K::TokenIssued
        | K::TokenRevoked
        // They say places of the log, which anybody sees.
        | K::NotificationStarted
        | K::NotificationSent
        | K::NotificationFailed => Belongs::Firm,
        K::RunStarted
        | K::FindingsRecorded
        | K::EvidenceAttached
        | K::RunSubmitted
        | K::VerdictDiffered
        | K::DecisionMade
        | K::SuppressionGranted
        | K::ApprovalSigned
        | K::ApprovalRejected
        | K::ApprovalWithdrawn
        | K::EnforcementOverridden
        | K::WorkloadVerified
        | K::GrantIssued
        | K::GrantRevoked
        | K::DeploymentStarted
        | K::DeploymentRecorded => Belongs::Run,
        K::ActRefused => Belongs::RunOrFirm,
        K::CommitsClaimed | K::WorkloadAdmitted => Belongs::Repository,
        K::ApplicationRegistered | K::ApplicationRetired => Belongs::Application,
        K::WaiverRequested | K::WaiverGranted | K::WaiverRejected | K::WaiverRevoked => Belongs::Waiver,
        K::BreakGlassOpened
        | K::BreakGlassClosed
        | K::BreakGlassRatified
        | K::BreakGlassReviewed
        | K::BreakGlassPaged => Belongs::Emergency,
        K::AuditOpened | K::AuditClosed => Belongs::Audit,
        K::AuditRequested | K::AuditAnswered | K::AuditFollowedUp | K::AuditRequestClosed => Belongs::Request,
        K::PopulationSealed => Belongs::Population,
        K::SampleDrawn => Belongs::Sample,
        K::EvidencePackMade => Belongs::Pack,
        K::EvidenceViewed => Belongs::Look,
        K::HoldPlaced
        | K::HoldReleased
        | K::FurnishOpened
        | K::FurnishDelivered
        | K::MockAuditDone
        | K::SnapshotTaken
        | K::DriftDetected => Belongs::Whole,
    }
}

impl Scope {
    /// What a person with these roles is shown. `asked` is the audit that the address names: an auditor chooses one of those that
    /// admit them, an officer looks with the eyes of its auditors.
    pub(crate) fn of(
        state: &State,
        person: &PersonId,
        roles: &BTreeSet<Role>,
        asked: Option<&str>,
    ) -> Result<Self, Trouble> {
        let none = || Trouble::not_found("open audit");
        let only_auditor = roles.len() == 1 && roles.contains(&Role::Auditor);
        let mut scope =
            Self { person: person.clone(), limits: None, choices: Vec::new(), is_as_auditor: false, of_token: None };
        if !only_auditor {
            let Some(asked) = asked else { return Ok(scope) };
            let row = state.audit(&AuditId::from_text(asked))?.filter(|row| row.closed.is_none());
            let (true, Some(row)) = (AS_AUDITOR.iter().any(|role| roles.contains(role)), row) else {
                return Err(none());
            };
            scope.is_as_auditor = true;
            scope.choose(state, Some(row))?;
            return Ok(scope);
        }
        let mut open = state.audits()?;
        open.retain(|row| row.closed.is_none() && row.said.admits(person));
        open.reverse();
        let chosen = match asked {
            None => open.first().cloned(),
            Some(id) => Some(open.iter().find(|row| row.said.audit.as_str() == id).cloned().ok_or_else(none)?),
        };
        scope.choose(state, chosen)?;
        scope.choices = open;
        Ok(scope)
    }

    /// What a job is shown that proved itself to be one of a repository: that alone.
    pub(crate) fn of_job(repository: &str) -> Self {
        let (from, to) = (Timestamp::from_millis(0), Timestamp::from_millis(ALWAYS));
        let within = Within { from, to, repositories: Some(vec![repository.to_owned()]) };
        let limits = Limits { audit: None, is_shut: false, applications: Some(Vec::new()), within };
        let person = PersonId::from_text("job");
        Self { person, limits: Some(limits), choices: Vec::new(), is_as_auditor: false, of_token: Some(Vec::new()) }
    }

    fn choose(&mut self, state: &State, audit: Option<AuditRow>) -> Result<(), Trouble> {
        let within = match &audit {
            None => nothing(),
            Some(row) => {
                let (from, to) = (row.said.from, row.said.to);
                let repositories = match row.said.applications.as_slice() {
                    [] => None,
                    some => Some(repositories(state, some)?),
                };
                Within { from, to, repositories }
            }
        };
        let applications = audit.as_ref().map(|row| row.said.applications.clone()).filter(|of| !of.is_empty());
        self.limits = Some(Limits { is_shut: audit.is_none(), audit, applications, within });
        Ok(())
    }

    /// The same for a token that is limited: what both are.
    pub(crate) fn narrowed(mut self, state: &State, to: &TokenLimits) -> Result<Self, Trouble> {
        if to.is_empty() {
            return Ok(self);
        }
        let applications: Vec<String> = to.applications.iter().cloned().collect();
        let mut all = repositories(state, &applications)?;
        all.extend(to.repositories.iter().cloned());
        let both = |had: Option<Vec<String>>, of: &[String]| match had {
            None => Some(of.to_vec()),
            Some(mut had) => {
                had.retain(|one| of.contains(one));
                Some(had)
            }
        };
        self.limits = Some(match self.limits.take() {
            None => {
                let within = Within {
                    from: Timestamp::from_millis(0),
                    to: Timestamp::from_millis(ALWAYS),
                    repositories: Some(all),
                };
                Limits { audit: None, is_shut: false, applications: Some(applications.clone()), within }
            }
            Some(mut limits) => {
                limits.applications = both(limits.applications, &applications);
                limits.within.repositories = both(limits.within.repositories, &all);
                limits
            }
        });
        self.of_token = Some(applications);
        Ok(self)
    }

    /// Whether it is less than the firm.
    pub(crate) const fn is_limited(&self) -> bool {
        self.limits.is_some()
    }

    /// Whether the token that was shown is limited to some applications.
    pub(crate) const fn is_of_token(&self) -> bool {
        self.of_token.is_some()
    }

    /// The audit whose scope it is.
    pub(crate) fn audit(&self) -> Option<&AuditRow> {
        self.limits.as_ref().and_then(|limits| limits.audit.as_ref())
    }

    /// What lists of runs and deployments are limited to.
    pub(crate) fn within(&self) -> Option<Within> {
        self.limits.as_ref().map(|limits| limits.within.clone())
    }

    /// Whether a field is kept from whoever looks.
    pub(crate) fn hides(&self, field: MaskedField) -> bool {
        self.audit().is_some_and(|audit| audit.said.masked.contains(&field))
    }

    /// A person as they are called.
    pub(crate) fn name(&self, state: &State, person: &PersonId) -> Result<String, Trouble> {
        let is_hidden = self.hides(MaskedField::Names) && *person != self.person;
        if is_hidden { Ok(person.to_string()) } else { Ok(state.label(person)?) }
    }

    /// A field, or that it is kept from whoever looks.
    pub(crate) fn field(&self, field: MaskedField, text: &str) -> String {
        if self.hides(field) { MASKED.to_owned() } else { text.to_owned() }
    }

    /// Refuses, as if it were not there, what is outside. `param` gives the parts of the path.
    pub(crate) fn admits<'a>(
        &self,
        session: &Session,
        reach: Reach,
        param: impl Fn(&'static str) -> &'a str,
    ) -> Result<(), Trouble> {
        if !self.is_limited() {
            return Ok(());
        }
        let state = session.state();
        let (what, inside) = match reach {
            Reach::Firm | Reach::List => return Ok(()),
            Reach::Run => ("run", self.has_run(state, &RunId::from_text(param("run")))?),
            Reach::Grant => {
                let row = state.grant(&GrantId::from_text(param("grant")))?;
                let inside = match row {
                    Some(row) => self.has_run(state, &row.grant.run)?,
                    None => false,
                };
                ("grant", inside)
            }
            Reach::Entry => match param("index").parse() {
                Ok(index) => ("entry", self.has_entry(session, index)?),
                Err(_) => ("entry", false),
            },
            Reach::Environment => ("environment", self.has_environment(state, param("environment"))?),
            Reach::Waiver => {
                let row = state.waiver(&WaiverId::from_text(param("waiver")))?;
                ("waiver", row.is_some_and(|row| self.has_waiver(&row)))
            }
            Reach::Emergency => {
                let row = state.emergency(&BreakGlassId::from_text(param("emergency")))?;
                ("emergency", row.is_some_and(|row| self.has_emergency(&row)))
            }
            Reach::Application => ("application", self.has_application(param("application"))),
            Reach::Population => {
                let row = match param("index").parse() {
                    Ok(index) => state.population(index)?,
                    Err(_) => None,
                };
                ("population", row.is_some_and(|row| self.has_population(&row)))
            }
            Reach::Audit => {
                let row = state.audit(&AuditId::from_text(param("audit")))?;
                ("audit", row.is_some_and(|row| self.has_audit(&row)))
            }
        };
        if inside { Ok(()) } else { Err(Trouble::not_found(what)) }
    }

    /// Whether a run is in the scope.
    pub(crate) fn has_run(&self, state: &State, run: &RunId) -> Result<bool, Trouble> {
        match &self.limits {
            None => Ok(true),
            Some(limits) => Ok(state.is_run_within(run, &limits.within)?),
        }
    }

    /// Whether a repository is.
    pub(crate) fn has_repository(&self, identity: &str) -> bool {
        self.limits.as_ref().is_none_or(|limits| limits.within.has_repository(Some(identity)))
    }

    /// Whether an application is.
    pub(crate) fn has_application(&self, id: &str) -> bool {
        match &self.limits {
            None => true,
            Some(limits) if limits.is_shut => false,
            Some(limits) => limits.applications.as_ref().is_none_or(|all| all.iter().any(|known| known == id)),
        }
    }

    /// Whether it is limited to some applications, or to nothing.
    fn is_of_some(&self) -> bool {
        self.limits.as_ref().is_some_and(|limits| limits.within.repositories.is_some())
    }

    /// Whether it is limited to no applications.
    pub(crate) fn sees_all_applications(&self) -> bool {
        !self.is_of_some()
    }

    /// Whether an environment is: something of the scope's applications was deployed there in the period.
    pub(crate) fn has_environment(&self, state: &State, id: &str) -> Result<bool, Trouble> {
        if !self.is_of_some() {
            return Ok(true);
        }
        let asked =
            DeploymentsAsked { environment: Some(id.to_owned()), within: self.within(), ..DeploymentsAsked::default() };
        Ok(!state.deployments_page(&asked, 1)?.is_empty())
    }

    /// Whether something that belongs to that run is. What belongs to nobody known is there for those who see the whole firm.
    pub(crate) fn has_part(&self, state: &State, run: Option<&RunId>) -> Result<bool, Trouble> {
        let Some(limits) = self.limits.as_ref().filter(|_| self.is_of_some()) else { return Ok(true) };
        let Some(run) = run else { return Ok(false) };
        Ok(limits.within.has_repository(state.repository_of_run(run)?.as_deref()))
    }

    /// The differences that stand in an environment, or in all, and were found in the period.
    pub(crate) fn drifting(&self, state: &State, environment: Option<&str>) -> Result<Vec<DriftRow>, Trouble> {
        let mut rows = state.drifting(environment)?;
        rows.retain(|row| self.limits.as_ref().is_none_or(|limits| limits.within.has_time(row.detected)));
        let mut shown = Vec::with_capacity(rows.len());
        for row in rows {
            if self.has_part(state, row.drift.run.as_ref())? {
                shown.push(row);
            }
        }
        Ok(shown)
    }

    /// In which time a difference was found that is shown; none: at any.
    fn found_in(&self) -> Option<(Timestamp, Timestamp)> {
        self.limits.as_ref().map(|limits| (limits.within.from, limits.within.to))
    }

    /// How many such differences stand in each environment that has any.
    pub(crate) fn drifting_counts(&self, state: &State) -> Result<BTreeMap<String, u64>, Trouble> {
        if !self.is_of_some() {
            return Ok(state.drifting_counts(self.found_in())?);
        }
        let mut counts = BTreeMap::new();
        for row in self.drifting(state, None)? {
            *counts.entry(row.environment).or_default() += 1;
        }
        Ok(counts)
    }

    /// The oldest of them in an environment, `most` at the most.
    pub(crate) fn drifting_page(
        &self,
        state: &State,
        environment: &str,
        most: usize,
    ) -> Result<Vec<DriftRow>, Trouble> {
        if !self.is_of_some() {
            return Ok(state.drifting_page(environment, self.found_in(), most)?);
        }
        let mut rows = self.drifting(state, Some(environment))?;
        rows.truncate(most);
        Ok(rows)
    }

    /// Which snapshots of an environment are.
    pub(crate) fn snapshots(&self, environment: &str) -> SnapshotsAsked {
        let within = self.within();
        SnapshotsAsked {
            environment: Some(environment.to_owned()),
            from: within.as_ref().map(|w| w.from),
            to: within.map(|w| w.to),
            ..SnapshotsAsked::default()
        }
    }

    /// Whether a waiver is: it is for one of the applications or for all, and was asked for before the period was over.
    pub(crate) fn has_waiver(&self, row: &WaiverRow) -> bool {
        let Some(limits) = &self.limits else { return true };
        let scope = &row.request.scope;
        let applications = scope.application.as_deref().is_none_or(|id| self.has_application(id));
        let repositories = scope.repository.as_deref().is_none_or(|r| limits.within.has_repository(Some(r)));
        let in_time = row.request.time < limits.within.to && row.request.expires > limits.within.from;
        !limits.is_shut && applications && repositories && in_time
    }

    /// Whether an emergency is: it is of one of the applications, and was opened in the period.
    pub(crate) fn has_emergency(&self, row: &EmergencyRow) -> bool {
        let Some(limits) = &self.limits else { return true };
        let opened = &row.opened;
        let application = opened.application.as_deref().is_some_and(|id| self.has_application(id));
        let repository = opened.repository.as_deref().is_some_and(|r| limits.within.has_repository(Some(r)));
        !limits.is_shut && (application || repository) && limits.within.has_time(opened.time)
    }

    /// Whether an audit is: it admits whoever looks, open or closed.
    pub(crate) fn has_audit(&self, row: &AuditRow) -> bool {
        // A token for some applications shows audits that are about no other.
        let of = &row.said.applications;
        if self.of_token.as_ref().is_some_and(|all| of.is_empty() || !of.iter().all(|id| all.contains(id))) {
            return false;
        }
        if self.is_as_auditor {
            return self.audit().is_some_and(|own| own.said.audit == row.said.audit);
        }
        self.limits.as_ref().is_none_or(|limits| limits.audit.is_none() && !limits.is_shut)
            || row.said.admits(&self.person)
    }

    /// Whether a request is: its audit is, and it is about no other application.
    pub(crate) fn has_thread(&self, state: &State, thread: &ThreadRow) -> Result<bool, Trouble> {
        Ok(state.audit(&thread.audit)?.is_some_and(|row| self.has_audit(&row)))
    }

    /// Whether applications and period are no more than the scope's.
    fn covers(&self, applications: &[String], from: Option<Timestamp>, to: Option<Timestamp>) -> bool {
        let Some(limits) = &self.limits else { return true };
        let (false, Some(from), Some(to)) = (limits.is_shut, from, to) else { return false };
        let of_them = limits
            .applications
            .as_ref()
            .is_none_or(|of| !applications.is_empty() && applications.iter().all(|id| of.contains(id)));
        of_them && limits.within.from <= from && to <= limits.within.to
    }

    /// The window and the applications of a population that is asked for, cut to the scope. What was not asked for is the scope's.
    pub(crate) fn population(
        &self,
        now: Timestamp,
        asked: Window,
        applications: Vec<String>,
    ) -> Result<(Window, Vec<String>), Trouble> {
        let Some(limits) = &self.limits else { return Ok((asked, applications)) };
        if limits.is_shut {
            return Err(Trouble::not_found("open audit"));
        }
        let within = &limits.within;
        // The window that is shown where none is asked for ends now, and the period may be over.
        let to = asked.to.min(within.to);
        let from = if asked.from >= to && asked.to > now { within.from } else { asked.from.max(within.from) };
        if from >= to {
            return Err(Trouble::bad_request("the window lies outside of the audit's period"));
        }
        let Some(own) = &limits.applications else { return Ok((Window { from, to }, applications)) };
        let applications = if applications.is_empty() { own.clone() } else { applications };
        // None of them would be all.
        if applications.is_empty() || !applications.iter().all(|id| own.contains(id)) {
            return Err(Trouble::not_found("application"));
        }
        Ok((Window { from, to }, applications))
    }

    /// Whether a sealed population is: of its applications, within its period.
    pub(crate) fn has_population(&self, row: &PopulationRow) -> bool {
        self.covers(&row.said.applications, Some(row.said.from), Some(row.said.to))
    }

    /// Whether a pack is: of its applications, within its period, or of a deployment in the scope.
    pub(crate) fn has_pack(&self, state: &State, row: &PackRow) -> Result<bool, Trouble> {
        match &row.scope.deployment {
            None => Ok(self.covers(&row.scope.applications, row.scope.from, row.scope.to)),
            Some(grant) => match state.grant(grant)? {
                Some(grant) => self.has_run(state, &grant.grant.run),
                None => Ok(!self.is_limited()),
            },
        }
    }

    /// Whether an entry is.
    pub(crate) fn has_entry(&self, session: &Session, index: u64) -> Result<bool, Trouble> {
        if !self.is_limited() {
            return Ok(true);
        }
        let state = session.state();
        let Some(line) = state.entries_from(index, 1)?.into_iter().find(|line| line.index == index) else {
            return Ok(false);
        };
        let stream = &line.stream;
        Ok(match belongs(line.kind) {
            Belongs::Firm => true,
            Belongs::Run => self.has_stream(state, stream)?.unwrap_or(false),
            Belongs::RunOrFirm => self.has_stream(state, stream)?.unwrap_or(true),
            Belongs::Waiver => {
                state.waiver(&WaiverId::from_text(stream.as_str()))?.is_some_and(|row| self.has_waiver(&row))
            }
            Belongs::Emergency => {
                let row = state.emergency(&BreakGlassId::from_text(stream.as_str()))?;
                row.is_some_and(|row| self.has_emergency(&row))
            }
            Belongs::Audit => {
                state.audit(&AuditId::from_text(stream.as_str()))?.is_some_and(|row| self.has_audit(&row))
            }
            Belongs::Request => match state.audit_thread(&AuditRequestId::from_text(stream.as_str()))? {
                Some(thread) => self.has_thread(state, &thread)?,
                None => false,
            },
            Belongs::Population => state.population(index)?.is_some_and(|row| self.has_population(&row)),
            Belongs::Pack => match state.packs()?.iter().find(|row| row.index == index) {
                Some(row) => self.has_pack(state, row)?,
                None => false,
            },
            Belongs::Sample => match entry(session, index)?.and_then(|e| e.refs.first().copied()) {
                Some(of) => state.population(of)?.is_some_and(|row| self.has_population(&row)),
                None => false,
            },
            Belongs::Repository => self.said(session, index, &["repository"], |id| self.has_repository(id))?,
            Belongs::Application => self.said(session, index, &["application", "id"], |id| self.has_application(id))?,
            Belongs::Look => self.said(session, index, &["person"], |id| self.person.as_str() == id)?,
            Belongs::Whole => !self.is_of_some() && self.audit().is_some(),
        })
    }

    fn has_stream(&self, state: &State, stream: &StreamId) -> Result<Option<bool>, Trouble> {
        match state.run_of_stream(stream)? {
            Some(run) => Ok(Some(self.has_run(state, &run)?)),
            None => Ok(None),
        }
    }

    /// Whether what an entry's statement says at a place is so; what cannot be read is not.
    fn said(&self, session: &Session, index: u64, place: &[&str], is: impl Fn(&str) -> bool) -> Result<bool, Trouble> {
        let Some(entry) = entry(session, index)? else { return Ok(false) };
        let Ok(bytes) = session.ledger().payload(&entry.payload) else { return Ok(false) };
        let Some(said) = statement(&bytes) else { return Ok(false) };
        // `application` is the application itself where it is registered, and its id where it is retired.
        let mut at = &said["predicate"];
        for name in place {
            at = if at.is_string() { at } else { &at[*name] };
        }
        Ok(at.as_str().is_some_and(is))
    }

    /// Takes out of a statement what is kept from whoever looks.
    pub(crate) fn mask(&self, said: &mut Value) {
        let hidden: Vec<&str> = [(MaskedField::Hosts, "host"), (MaskedField::Tickets, "ticket")]
            .into_iter()
            .filter(|(field, _)| self.hides(*field))
            .map(|(_, key)| key)
            .collect();
        if !hidden.is_empty() {
            mask(said, &hidden);
        }
    }
}

/// What stands where a field is kept from whoever looks.
pub(crate) const MASKED: &str = "masked";

fn mask(said: &mut Value, hidden: &[&str]) {
    match said {
        Value::Array(all) => all.iter_mut().for_each(|one| mask(one, hidden)),
        Value::Object(all) => {
            for (key, value) in all.iter_mut() {
                if hidden.contains(&key.as_str()) && !value.is_null() {
                    *value = MASKED.into();
                } else {
                    mask(value, hidden);
                }
            }
        }
        _ => {}
    }
}

/// The end of all time that a log has (the year 9999, RFC 3339), in milliseconds.
const ALWAYS: i64 = 253_402_300_799_999;

/// The repositories of applications, as they are registered now.
fn repositories(state: &State, applications: &[String]) -> Result<Vec<String>, Trouble> {
    let mut all = Vec::new();
    for application in applications {
        all.extend(state.application(application)?.map(|a| a.what.repositories).unwrap_or_default());
    }
    Ok(all)
}

/// The scope of somebody whom no open audit admits.
fn nothing() -> Within {
    let never = Timestamp::from_millis(0);
    Within { from: never, to: never, repositories: Some(Vec::new()) }
}

fn entry(session: &Session, index: u64) -> Result<Option<Entry>, Trouble> {
    if index >= session.ledger().size() {
        return Ok(None);
    }
    Ok(session.ledger().entries(index..index + 1)?.pop().map(|(_, entry)| entry))
}

/// The statement inside a DSSE envelope or a signed act, else the document itself.
pub(crate) fn statement(bytes: &[u8]) -> Option<Value> {
    let value: Value = serde_json::from_slice(bytes).ok()?;
    let inner = value.get("payload").and_then(Value::as_str).and_then(encoding::from_base64);
    Some(inner.and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok()).unwrap_or(value))
}
