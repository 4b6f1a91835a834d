//! What can go wrong with access and audit, each with a stable code.

use countersign_model::{Diagnostic, Exit, PersonId, Place};
use countersign_store::session::SessionError;

/// An error of this room.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The ledger, a key or a pin.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// SSH signing.
    #[error(transparent)]
    Connect(#[from] countersign_connect::Error),
    /// A signature or a statement.
    #[error(transparent)]
    Evidence(#[from] countersign_evidence::Error),
    /// The keys and accounts of people.
    #[error(transparent)]
    Identity(#[from] crate::access::IdentityError),
    /// A certificate does not count.
    #[error(transparent)]
    Certificate(#[from] countersign_store::projection::CertificateTrouble),
    /// An access review.
    #[error(transparent)]
    Review(#[from] crate::access::review::ReviewError),
    /// Packs, populations, samples.
    #[error(transparent)]
    Audit(#[from] crate::audit::AuditError),
    /// Audits, their requests, deliveries.
    #[error(transparent)]
    Thread(#[from] crate::audit::threads::ThreadError),
    /// No root of trust.
    #[error("no root of trust is established in this ledger")]
    NotRooted,
    /// Trust is rooted already.
    #[error("trust is rooted in entry {index} already")]
    RootedAlready {
        /// Log index of the root.
        index: u64,
    },
    /// Unknown key.
    #[error("the key {fingerprint} belongs to nobody enrolled")]
    UnknownKey {
        /// The key.
        fingerprint: String,
    },
    /// Not an administrator.
    #[error("{person} is no administrator and may not {act}")]
    NotAdministrator {
        /// Who.
        person: String,
        /// What was tried.
        act: &'static str,
    },
    /// Not an officer.
    #[error("{person} is neither security officer nor compliance officer")]
    NotOfficer {
        /// Who.
        person: String,
    },
    /// A grant to oneself.
    #[error("{person} may not grant {} to themselves", role.with_article())]
    SelfGrant {
        /// Who.
        person: String,
        /// Which role.
        role: countersign_model::Role,
    },
    /// Nobody would be left.
    #[error("{person} is the last administrator whose role and key have no end")]
    LastAdministrator {
        /// Who.
        person: String,
    },
    /// Not held.
    #[error("{person} is no {role}")]
    RoleNotHeld {
        /// Who.
        person: String,
        /// Which role.
        role: countersign_model::Role,
    },
    /// Held until another time.
    #[error("{person} is {role} already, {}", until_text(*until))]
    HeldAlready {
        /// Who.
        person: String,
        /// Which role.
        role: countersign_model::Role,
        /// Until when.
        until: Option<countersign_model::Timestamp>,
    },
    /// Somebody who left.
    #[error("{person} has left")]
    HasLeft {
        /// Who.
        person: String,
    },
    /// Somebody who is here.
    #[error("{person} has not left")]
    HasNotLeft {
        /// Who.
        person: String,
    },
    /// Refused by the rules for roles.
    #[error("{person} as {role} would be {}, and the rules refuse `{combination}`", combination.why())]
    RefusedCombination {
        /// Who.
        person: String,
        /// Which role.
        role: countersign_model::Role,
        /// What it makes.
        combination: countersign_model::access::Combination,
    },
    /// An end in the past.
    #[error("a role until {expires} would be over already")]
    AlreadyOver {
        /// When.
        expires: countersign_model::Timestamp,
    },
    /// Not a name.
    #[error("`{}` is no name for a person", name.escape_debug())]
    BadName {
        /// The name.
        name: String,
    },
    /// The name is taken.
    #[error("`{name}` is enrolled already, as {person}")]
    NameTaken {
        /// The name.
        name: String,
        /// Who has it.
        person: PersonId,
    },
    /// The key is taken.
    #[error("the key {fingerprint} belongs to {holder}")]
    KeyTaken {
        /// The key.
        fingerprint: String,
        /// Whose it is.
        holder: String,
    },
    /// No such person.
    #[error("nobody called `{text}` is enrolled")]
    NoSuchPerson {
        /// What was asked for.
        text: String,
        /// Who is enrolled.
        known: Vec<String>,
    },
    /// The trust policy is about other logs.
    #[error("the trust policy names logs, and `{origin}` with its key is none of them")]
    OtherLog {
        /// The ledger.
        origin: String,
    },
    /// No trust policy.
    #[error("no trust policy is set for `{origin}` on this machine")]
    NoPolicy {
        /// The ledger.
        origin: String,
    },
    /// More than one person.
    #[error("`{text}` means more than one person")]
    AmbiguousPerson {
        /// What was asked for.
        text: String,
    },
    /// Not the role that retention asks for.
    #[error("{person} is no {roles} and may not {act}")]
    NotRecordsRole {
        /// Who.
        person: String,
        /// The roles that may.
        roles: String,
        /// What was tried.
        act: &'static str,
    },
    /// Something cannot be said so.
    #[error("{what} is `{}`: it must be said, in one line of at most 1000 bytes", text.escape_debug())]
    BadText {
        /// What.
        what: &'static str,
        /// The start of it.
        text: String,
    },
    /// A class would be shortened.
    #[error("{why}")]
    NotLonger {
        /// Why not.
        why: String,
    },
    /// No such class.
    #[error("nobody has defined the retention class `{class}`")]
    NoSuchClass {
        /// The class.
        class: String,
    },
    /// No class waits for the event.
    #[error("no retention class waits for `{event}`")]
    NobodyWaits {
        /// The event.
        event: String,
        /// Events that classes wait for.
        known: Vec<String>,
    },
    /// A day in the future.
    #[error("{day} has not come yet")]
    NotYet {
        /// The day.
        day: countersign_model::retention::Day,
    },
    /// No hold is open.
    #[error("no hold is open for the matter `{}`", matter.escape_debug())]
    NoOpenHold {
        /// The matter.
        matter: String,
        /// Matters with open holds.
        open: Vec<String>,
    },
    /// Only the executive officer appoints.
    #[error("{person} is not the designated executive officer and may not appoint anybody as {office}")]
    NotExecutive {
        /// Who.
        person: String,
        /// The office.
        office: countersign_model::retention::Office,
    },
    /// The office is full.
    #[error("the office `{office}` is held by {} already", holders.join(", "))]
    OfficeFull {
        /// The office.
        office: countersign_model::retention::Office,
        /// Who holds it.
        holders: Vec<String>,
    },
    /// Held already.
    #[error("{person} holds the office `{office}` already")]
    HoldsOffice {
        /// Who.
        person: String,
        /// The office.
        office: countersign_model::retention::Office,
    },
    /// Not held.
    #[error("{person} does not hold the office `{office}`")]
    NoOffice {
        /// Who.
        person: String,
        /// The office.
        office: countersign_model::retention::Office,
    },
    /// Nobody holds it.
    #[error("nobody holds the office `{office}`")]
    NobodyInOffice {
        /// The office.
        office: countersign_model::retention::Office,
    },
    /// Nothing to dispose of.
    #[error("nothing is free at {now}: {kept} groups of entries are kept, {in_use} are still in use")]
    NothingDue {
        /// The moment that counts.
        now: countersign_model::Timestamp,
        /// How many groups are kept.
        kept: usize,
        /// How many are free by their dates, and needed.
        in_use: usize,
    },
    /// The time is in doubt.
    #[error("the time is in doubt: {doubt}")]
    TimeInDoubt {
        /// Why.
        doubt: String,
    },
    /// Not four eyes.
    #[error("these signatures do not make a disposal: {why}")]
    NotFourEyes {
        /// Why.
        why: String,
    },
    /// Something is not free.
    #[error("it may not go: {why}")]
    NotFree {
        /// Why.
        why: String,
    },
    /// Not an order.
    #[error("this is no order to this ledger: {why}")]
    NotAnOrder {
        /// Why.
        why: String,
    },
    /// No such entry.
    #[error("there is no entry {index}; the log has {size}")]
    NoSuchEntry {
        /// The index.
        index: u64,
        /// The log's size.
        size: u64,
    },
    /// Disposed of.
    #[error("what entry {index} speaks of was disposed of by the certificate in entry {certificate}")]
    Disposed {
        /// The entry.
        index: u64,
        /// The certificate.
        certificate: u64,
    },
    /// No such framework.
    #[error("there is no framework `{}`", framework.escape_debug())]
    NoSuchFramework {
        /// What was asked for.
        framework: String,
        /// Those there are.
        known: Vec<String>,
    },
    /// No such control.
    #[error("there is no control `{}`", control.escape_debug())]
    NoSuchControl {
        /// What was asked for.
        control: String,
        /// What was probably meant.
        nearest: Option<String>,
    },
    /// A window that holds nothing.
    #[error("the window from {from} to {to} ends before it begins")]
    NoWindow {
        /// From when on.
        from: countersign_model::Timestamp,
        /// Before when.
        to: countersign_model::Timestamp,
    },
    /// Facts of another shape.
    #[error("the facts of the assessment are not as they must be: {what}")]
    Facts {
        /// What is wrong.
        what: String,
    },
    /// Erased already.
    #[error("the data of {person} was erased in entry {index}")]
    ErasedAlready {
        /// Whose.
        person: PersonId,
        /// Log index.
        index: u64,
    },
    /// Not one of the roles that an act needs.
    #[error("{person} is no {roles} and may not {act}")]
    NotRole {
        /// Who.
        person: String,
        /// The roles that may.
        roles: String,
        /// What was tried.
        act: &'static str,
    },
    /// Something cannot be said so.
    #[error("{what} is `{}`: it must be said, in one line of at most {LONGEST_LINE} bytes", text.escape_debug())]
    BadLine {
        /// What.
        what: &'static str,
        /// The start of it.
        text: String,
    },
    /// Somebody else was quicker.
    #[error("{what} changed while you signed")]
    MovedOn {
        /// What.
        what: String,
    },
    /// It cannot be registered.
    #[error("the {kind} `{}` cannot be registered: {why}", id.escape_debug())]
    NotRegistrable {
        /// `application` or `environment`.
        kind: &'static str,
        /// Its id.
        id: String,
        /// Why not.
        why: String,
    },
    /// Not registered.
    #[error("no {kind} `{}` is registered", id.escape_debug())]
    NotRegistered {
        /// `application` or `environment`.
        kind: &'static str,
        /// What was asked for.
        id: String,
        /// What is registered.
        known: Vec<String>,
    },
    /// Registered already.
    #[error("the {kind} `{id}` is registered already, in entry {index}")]
    RegisteredAlready {
        /// `application` or `environment`.
        kind: &'static str,
        /// Its id.
        id: String,
        /// Log index.
        index: u64,
    },
    /// The repository belongs to another application.
    #[error("the repository `{}` belongs to the application `{application}`", repository.escape_debug())]
    RepositoryTaken {
        /// The repository's identity.
        repository: String,
        /// The application.
        application: String,
    },
    /// It takes an administrator.
    #[error("{person} is no administrator, and {how}")]
    Weakens {
        /// Who.
        person: String,
        /// What would be weaker.
        how: &'static str,
    },
    /// The active bundle is not what was activated.
    #[error("the policy bundle activated in entry {index} is not the one its digest names")]
    BundleChanged {
        /// Log index of the activation.
        index: u64,
    },
    /// The active assignment is not what was activated.
    #[error("the assignment activated in entry {index} is not the one its digest names")]
    AssignmentChanged {
        /// Log index of the activation.
        index: u64,
    },
    /// Nobody could fill the slots.
    #[error("no set of people enrolled could approve: {what}")]
    QuorumUnfillable {
        /// The place, the slots, and who is missing.
        what: String,
    },
    /// The policy room.
    #[error(transparent)]
    Policy(#[from] countersign_policy::Error),
    /// A control that does not exist is named.
    #[error("there is no control `{}`", control.escape_debug())]
    UnknownControl {
        /// What was named.
        control: String,
    },
    /// Such a waiver cannot be asked for.
    #[error("such a waiver cannot be asked for: {why}")]
    BadWaiver {
        /// Why not.
        why: String,
    },
    /// No such waiver.
    #[error("there is no waiver `{}`", waiver.escape_debug())]
    NoSuchWaiver {
        /// What was asked for.
        waiver: String,
    },
    /// The waiver is in another state.
    #[error("the waiver {waiver} is {state} and cannot be {act}")]
    WaiverState {
        /// Which.
        waiver: countersign_model::WaiverId,
        /// Where it stands.
        state: &'static str,
        /// What was tried.
        act: &'static str,
    },
    /// Whoever asks cannot grant.
    #[error("{person} asked for the waiver {waiver} and cannot grant it")]
    OwnWaiver {
        /// Who.
        person: String,
        /// Which.
        waiver: countersign_model::WaiverId,
    },
    /// The file of owners is wrong.
    #[error("the file of gate owners is wrong: {message}")]
    GateFile {
        /// File and line.
        place: Place,
        /// What is wrong.
        message: String,
    },
    /// The file of issuers is wrong.
    #[error("the file of issuers is wrong: {message}")]
    IssuerFile {
        /// File and line.
        place: Place,
        /// What is wrong.
        message: String,
    },
    /// The issuers in effect are not what was activated.
    #[error("the issuers activated in entry {index} are not those their digest names")]
    IssuersChanged {
        /// Log index of the activation.
        index: u64,
    },
    /// Nobody owns any gate.
    #[error("nobody has said who owns the gates")]
    NoGateOwners,
    /// No such gate, or nobody owns it.
    #[error("nobody owns a gate `{}`", gate.escape_debug())]
    NoSuchGate {
        /// What was asked for.
        gate: String,
    },
    /// Not the owner.
    #[error("{person} is neither owner nor deputy of the gate `{gate}`{or}")]
    NotGateParty {
        /// Who.
        person: String,
        /// The gate.
        gate: String,
        /// Who else may.
        or: &'static str,
    },
    /// The document of owners is not what was put in effect.
    #[error("the owners of gates put in effect in entry {index} are not those that its digest names")]
    GateOwnersChanged {
        /// Log index.
        index: u64,
    },
}

/// The longest line that somebody says in an act, in bytes.
pub(crate) const LONGEST_LINE: usize = 1_000;

fn until_text(until: Option<countersign_model::Timestamp>) -> String {
    until.map_or_else(|| "until it is revoked".to_owned(), |t| format!("until {t}"))
}

impl From<countersign_store::Error> for Error {
    fn from(e: countersign_store::Error) -> Self {
        Self::Session(SessionError::Store(e))
    }
}

impl From<countersign_evidence::pack::PackError> for Error {
    fn from(e: countersign_evidence::pack::PackError) -> Self {
        Self::Audit(e.into())
    }
}

impl Error {
    fn wrapped(&self) -> Option<&dyn Diagnostic> {
        match self {
            Self::Session(e) => Some(e),
            Self::Connect(e) => Some(e),
            Self::Evidence(e) => Some(e),
            Self::Policy(e) => Some(e),
            Self::Identity(e) => Some(e),
            Self::Certificate(e) => Some(e),
            Self::Review(e) => Some(e),
            Self::Audit(e) => Some(e),
            Self::Thread(e) => Some(e),
            _ => None,
        }
    }
}

impl Diagnostic for Error {
    fn code(&self) -> &'static str {
        match self {
            Self::Session(e) => e.code(),
            Self::Connect(e) => e.code(),
            Self::Evidence(e) => e.code(),
            Self::Policy(e) => e.code(),
            Self::Identity(e) => e.code(),
            Self::Certificate(e) => e.code(),
            Self::Review(e) => e.code(),
            Self::Audit(e) => e.code(),
            Self::Thread(e) => e.code(),
            Self::SelfGrant { .. } => "CS-ROLE-001",
            Self::LastAdministrator { .. } => "CS-ROLE-002",
            Self::RoleNotHeld { .. } => "CS-ROLE-003",
            Self::HeldAlready { .. } => "CS-ROLE-004",
            Self::HasLeft { .. } => "CS-ROLE-005",
            Self::HasNotLeft { .. } => "CS-ROLE-006",
            Self::RefusedCombination { .. } => "CS-ROLE-007",
            Self::AlreadyOver { .. } => "CS-ROLE-008",
            Self::NotRole { .. } => "CS-ACCESS-011",
            Self::BadLine { .. } => "CS-ACCESS-012",
            Self::MovedOn { .. } => "CS-ACCESS-013",
            Self::NotRegistrable { .. } => "CS-REGISTRY-001",
            Self::NotRegistered { .. } => "CS-REGISTRY-002",
            Self::RegisteredAlready { .. } => "CS-REGISTRY-003",
            Self::RepositoryTaken { .. } => "CS-REGISTRY-004",
            Self::Weakens { .. } => "CS-REGISTRY-005",
            Self::BundleChanged { .. } => "CS-ENFORCE-005",
            Self::AssignmentChanged { .. } => "CS-ENFORCE-004",
            Self::QuorumUnfillable { .. } => "CS-APPROVAL-002",
            Self::UnknownControl { .. } => "CS-WAIVER-002",
            Self::BadWaiver { .. } => "CS-WAIVER-003",
            Self::NoSuchWaiver { .. } => "CS-WAIVER-004",
            Self::WaiverState { .. } => "CS-WAIVER-005",
            Self::OwnWaiver { .. } => "CS-WAIVER-006",
            Self::GateFile { .. } => "CS-GATE-001",
            Self::IssuerFile { .. } => "CS-ISSUER-001",
            Self::IssuersChanged { .. } => "CS-ISSUER-002",
            Self::NoGateOwners => "CS-GATE-002",
            Self::NoSuchGate { .. } => "CS-GATE-003",
            Self::NotGateParty { .. } => "CS-GATE-004",
            Self::GateOwnersChanged { .. } => "CS-GATE-005",
            Self::NotRooted => "CS-ACCESS-001",
            Self::RootedAlready { .. } => "CS-ACCESS-002",
            Self::UnknownKey { .. } => "CS-ACCESS-003",
            Self::NotAdministrator { .. } => "CS-ACCESS-004",
            Self::NotOfficer { .. } => "CS-ACCESS-005",
            Self::BadName { .. } => "CS-ACCESS-006",
            Self::NameTaken { .. } => "CS-ACCESS-007",
            Self::KeyTaken { .. } => "CS-ACCESS-008",
            Self::NoSuchPerson { .. } => "CS-ACCESS-009",
            Self::AmbiguousPerson { .. } => "CS-ACCESS-010",
            Self::OtherLog { .. } => "CS-AUDIT-020",
            Self::NoPolicy { .. } => "CS-AUDIT-021",
            Self::NoSuchFramework { .. } => "CS-ASSESS-001",
            Self::NoSuchControl { .. } => "CS-ASSESS-002",
            Self::NoWindow { .. } => "CS-ASSESS-003",
            Self::Facts { .. } => "CS-ASSESS-004",
            Self::NotRecordsRole { .. } => "CS-RETENTION-001",
            Self::BadText { .. } => "CS-RETENTION-002",
            Self::NotLonger { .. } => "CS-RETENTION-003",
            Self::NoSuchClass { .. } => "CS-RETENTION-004",
            Self::NobodyWaits { .. } => "CS-RETENTION-005",
            Self::NotYet { .. } => "CS-RETENTION-006",
            Self::NoOpenHold { .. } => "CS-RETENTION-007",
            Self::NotExecutive { .. } => "CS-RETENTION-008",
            Self::OfficeFull { .. } => "CS-RETENTION-009",
            Self::HoldsOffice { .. } => "CS-RETENTION-010",
            Self::NoOffice { .. } => "CS-RETENTION-011",
            Self::NobodyInOffice { .. } => "CS-RETENTION-012",
            Self::NothingDue { .. } => "CS-RETENTION-013",
            Self::TimeInDoubt { .. } => "CS-RETENTION-014",
            Self::NotFourEyes { .. } => "CS-RETENTION-015",
            Self::NotFree { .. } => "CS-RETENTION-016",
            Self::NotAnOrder { .. } => "CS-RETENTION-017",
            Self::NoSuchEntry { .. } => "CS-RETENTION-018",
            Self::ErasedAlready { .. } => "CS-RETENTION-019",
            Self::Disposed { .. } => "CS-RETENTION-021",
        }
    }

    fn exit(&self) -> Exit {
        if let Some(inner) = self.wrapped() {
            return inner.exit();
        }
        crate::explain::EXPLANATIONS.iter().find(|e| e.code == self.code()).map_or(Exit::Internal, |e| e.exit)
    }

    fn place(&self) -> Option<Place> {
        match self {
            Self::GateFile { place, .. } | Self::IssuerFile { place, .. } => Some(place.clone()),
            _ => self.wrapped().and_then(Diagnostic::place),
        }
    }

    fn help(&self) -> String {
        match self {
            Self::Session(e) => e.help(),
            Self::Connect(e) => e.help(),
            Self::Evidence(e) => e.help(),
            Self::Policy(e) => e.help(),
            Self::Identity(e) => e.help(),
            Self::Certificate(e) => e.help(),
            Self::Review(e) => e.help(),
            Self::Audit(e) => e.help(),
            Self::Thread(e) => e.help(),
            Self::SelfGrant { .. } => "another administrator signs this: --key FILE".into(),
            Self::LastAdministrator { .. } => {
                "make somebody else one first: countersign role grant PERSON administrator --reason TEXT".into()
            }
            Self::RoleNotHeld { .. } => "see who holds what: countersign role list".into(),
            Self::HeldAlready { person, role, .. } => {
                format!("end that first: countersign role revoke {person:?} {role} --reason TEXT")
            }
            Self::HasLeft { person } => {
                format!("an administrator takes them back: countersign person return {person:?} --reason TEXT")
            }
            Self::HasNotLeft { .. } => "see who is here: countersign person list".into(),
            Self::RefusedCombination { person, .. } => {
                format!("give it to somebody else, or revoke what they hold: countersign role show {person:?}")
            }
            Self::AlreadyOver { .. } => "name a day to come: --expires 2030-12-31".into(),
            Self::NotRole { .. } => "somebody with that role signs this: --key FILE".into(),
            Self::BadLine { .. } => "say it in one line, without names of people".into(),
            Self::MovedOn { .. } => "look at it again, then repeat the command".into(),
            Self::NotRegistrable { kind, .. } => format!("see what it takes: countersign {kind} register --help"),
            Self::NotRegistered { kind, known, .. } => match known.as_slice() {
                [] => format!("register it: countersign {kind} register --help"),
                known => format!("registered are: {}", known.join(", ")),
            },
            Self::RegisteredAlready { kind, id, .. } => format!("change it: countersign {kind} change {id}"),
            Self::RepositoryTaken { application, .. } => {
                format!("take it out there first: countersign application change {application} --without-repository ID")
            }
            Self::Weakens { .. } => "an administrator signs this: --key FILE".into(),
            Self::UnknownControl { .. } => "list them: countersign control list".into(),
            Self::QuorumUnfillable { .. } => {
                "enrol them or grant the roles first, or ask for less: countersign role grant PERSON ROLE".into()
            }
            Self::BundleChanged { .. } | Self::AssignmentChanged { .. } => {
                "run `countersign verify`; nothing is decided until it is clear".into()
            }
            Self::BadWaiver { .. } => "see what it takes: countersign waive request --help".into(),
            Self::NoSuchWaiver { .. } => "list them: countersign waive list".into(),
            Self::WaiverState { waiver, .. } => format!("see what was said about it: countersign waive show {waiver}"),
            Self::OwnWaiver { waiver, .. } => format!("somebody else decides: countersign waive show {waiver}"),
            Self::GateFile { .. } => "correct the line, then: countersign gate activate FILE --dry-run".into(),
            Self::IssuerFile { .. } => "correct the line, then: countersign issuer check FILE".into(),
            Self::IssuersChanged { .. } => "run `countersign verify`; no token is believed until it is clear".into(),
            Self::NoGateOwners => "an officer says so: countersign gate activate FILE".into(),
            Self::NoSuchGate { .. } => "gates are pre-commit, build and release: countersign gate list".into(),
            Self::NotGateParty { .. } => "see who is: countersign gate list".into(),
            Self::GateOwnersChanged { .. } => "run `countersign verify`".into(),
            Self::OtherLog { .. } => {
                "name the log in the policy: log VKEY, as `countersign ledger info` prints it".into()
            }
            Self::NoPolicy { .. } => "set one: countersign trust policy set FILE".into(),
            Self::NotRooted => "establish it first: countersign init".into(),
            Self::RootedAlready { .. } => {
                "enrol more people instead: countersign person add NAME --ssh-key FILE.pub".into()
            }
            Self::UnknownKey { .. } => "sign with the key of an enrolled person: --key FILE".into(),
            Self::NotAdministrator { .. } => "an administrator signs this: --key FILE".into(),
            Self::NotOfficer { .. } => "an officer signs this: --key FILE".into(),
            Self::BadName { .. } => "a name is 1 to 200 bytes without control characters".into(),
            Self::NameTaken { .. } => {
                "choose a name that tells the two apart; list people with: countersign person list".into()
            }
            Self::KeyTaken { .. } => "every person has a key of their own: ssh-keygen -t ed25519".into(),
            Self::NoSuchPerson { known, .. } => {
                if known.is_empty() {
                    "countersign person add NAME --ssh-key FILE.pub".into()
                } else {
                    format!("enrolled are: {}", known.join(", "))
                }
            }
            Self::AmbiguousPerson { .. } => "use the id: countersign person list".into(),
            Self::NoSuchFramework { known, .. } => format!("there are: {}", known.join(", ")),
            Self::NoSuchControl { nearest, .. } => match nearest {
                Some(near) => format!("did you mean `{near}`? all of them: countersign control list"),
                None => "list them: countersign control list".into(),
            },
            Self::NoWindow { .. } => "name the earlier day first: --from 2026-01-01 --to 2026-04-01".into(),
            Self::Facts { .. } => {
                "this is a fault of ours: report it with the output of `countersign --version`".into()
            }
            Self::NotRecordsRole { .. } => "somebody with that role signs this: --key FILE".into(),
            Self::BadText { .. } => "say it in one line, without names of people".into(),
            Self::NotLonger { .. } => "see the classes there are: countersign retention show".into(),
            Self::NoSuchClass { class } => {
                format!(
                    "define it first: countersign retention define {class} --period 10y --source TEXT --reason TEXT"
                )
            }
            Self::NobodyWaits { known, .. } => format!("classes wait for: {}", known.join(", ")),
            Self::NotYet { .. } => "record it when it has happened".into(),
            Self::NoOpenHold { open, .. } => match open.as_slice() {
                [] => "no hold is open at all: countersign hold list".into(),
                open => format!("open are: {}", open.join(", ")),
            },
            Self::NotExecutive { .. } => {
                "the designated executive officer signs this: countersign records-officer list".into()
            }
            Self::OfficeFull { .. } => {
                "revoke one first: countersign records-officer revoke PERSON OFFICE --reason TEXT".into()
            }
            Self::HoldsOffice { .. } | Self::NoOffice { .. } => {
                "see who holds what: countersign records-officer list".into()
            }
            Self::NobodyInOffice { office } => {
                format!("designate somebody: countersign records-officer designate PERSON {office}")
            }
            Self::NothingDue { .. } => "see what keeps what: countersign retention show --due".into(),
            Self::TimeInDoubt { .. } => {
                "set the clock right, and write down today's date yourself: --today YYYY-MM-DD".into()
            }
            Self::NotFourEyes { .. } => {
                "a compliance officer and an administrator or records officer sign, each with their own key: --key FILE"
                    .into()
            }
            Self::NotFree { .. } => "make a new plan: countersign ledger dispose --plan".into(),
            Self::NotAnOrder { .. } => {
                "take the file that this wrote, for this ledger: countersign ledger dispose --out FILE".into()
            }
            Self::NoSuchEntry { .. } => "list them: countersign ledger entries".into(),
            Self::Disposed { certificate, .. } => {
                format!("see who signed it, and why it could go: countersign ledger show {certificate} --payload")
            }
            Self::ErasedAlready { .. } => "see the entry: countersign ledger show INDEX".into(),
        }
    }
}

#[cfg(test)]
#[path = "error_tests.rs"]
mod tests;
