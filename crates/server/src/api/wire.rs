//! What the API says, type by type. A type's fields, their schemas and what is sent are one definition, so that the document cannot say
//! something else than the server. Every field is always there; what is not known is `null`.

use countersign_model::access::token::TokenScope;
use countersign_model::access::{CertificateUse, Combination};
use countersign_model::{Digest, EventKind, Outcome, Role, Timestamp};
use serde_json::{Map, Value, json};

/// Something that is sent.
pub(crate) trait Wire {
    /// It, as JSON.
    fn json(self) -> Value;
    /// Its schema (JSON Schema 2020-12, as in OpenAPI 3.1).
    fn schema() -> Value;
}

macro_rules! plain { ($($t:ty: $schema:tt, |$v:ident| $json:expr;)*) => {$(
    impl Wire for $t {
        fn json(self) -> Value {
            let $v = self;
            $json
        }
        fn schema() -> Value {
            json!($schema)
        }
    }
)*}; }
plain! {
    String: {"type": "string"}, |v| v.into();
    u64: {"type": "integer", "minimum": 0}, |v| v.into();
    bool: {"type": "boolean"}, |v| v.into();
    Timestamp: {"type": "string", "format": "date-time"}, |v| v.to_string().into();
    Digest: {"type": "string", "pattern": "^sha256:[0-9a-f]{64}$"}, |v| v.to_string().into();
}

/// Something of which another schema says what it is, or nothing.
impl Wire for Value {
    fn json(self) -> Value {
        self
    }
    fn schema() -> Value {
        json!({"type": ["object", "null"]})
    }
}

fn choice<'a>(all: impl IntoIterator<Item = &'a str>) -> Value {
    json!({"type": "string", "enum": all.into_iter().collect::<Vec<_>>()})
}

/// Every outcome.
pub(crate) const OUTCOMES: [Outcome; 8] = Outcome::ALL;

impl Wire for Outcome {
    fn json(self) -> Value {
        self.as_str().into()
    }
    fn schema() -> Value {
        choice(OUTCOMES.iter().map(|o| o.as_str()))
    }
}

impl Wire for EventKind {
    fn json(self) -> Value {
        self.as_str().into()
    }
    // Kinds become more; whoever reads a list of them must not fail at a new one.
    fn schema() -> Value {
        json!({"type": "string"})
    }
}

impl Wire for Role {
    fn json(self) -> Value {
        self.as_str().into()
    }
    fn schema() -> Value {
        choice(Self::ALL.iter().map(|r| r.as_str()))
    }
}

impl Wire for TokenScope {
    fn json(self) -> Value {
        self.as_str().into()
    }
    fn schema() -> Value {
        choice(Self::ALL.iter().map(|s| s.as_str()))
    }
}

impl Wire for CertificateUse {
    fn json(self) -> Value {
        self.as_str().into()
    }
    fn schema() -> Value {
        choice(Self::ALL.iter().map(|u| u.as_str()))
    }
}

impl Wire for Combination {
    fn json(self) -> Value {
        self.as_str().into()
    }
    fn schema() -> Value {
        choice(Self::ALL.iter().map(|c| c.as_str()))
    }
}

impl<T: Wire> Wire for Option<T> {
    fn json(self) -> Value {
        self.map_or(Value::Null, Wire::json)
    }
    fn schema() -> Value {
        json!({"anyOf": [T::schema(), {"type": "null"}]})
    }
}

impl<T: Wire> Wire for Vec<T> {
    fn json(self) -> Value {
        Value::Array(self.into_iter().map(Wire::json).collect())
    }
    fn schema() -> Value {
        json!({"type": "array", "items": T::schema()})
    }
}

/// A field's schema with what it means.
pub(super) fn described(mut schema: Value, text: &str) -> Value {
    if let Some(map) = schema.as_object_mut() {
        map.insert("description".to_owned(), text.trim().into());
    }
    schema
}

/// A field's name as it is sent.
pub(super) fn bare(name: &str) -> String {
    name.trim_start_matches("r#").to_owned()
}

/// Types with their schemas, as one definition.
macro_rules! wire {
    ($(#[doc = $doc:literal] $name:ident { $(#[doc = $fdoc:literal] $f:ident: $t:ty,)* })*) => {
        $(
            #[doc = $doc]
            pub(crate) struct $name { $(#[doc = $fdoc] pub(crate) $f: $t,)* }

            impl Wire for $name {
                fn json(self) -> Value {
                    let mut map = Map::new();
                    $(map.insert(bare(stringify!($f)), self.$f.json());)*
                    Value::Object(map)
                }
                fn schema() -> Value {
                    json!({"$ref": concat!("#/components/schemas/", stringify!($name))})
                }
            }
        )*

        /// The schemas of all types, by name.
        pub(crate) fn components() -> Map<String, Value> {
            let mut all = Map::new();
            $({
                let mut fields = Map::new();
                $(fields.insert(bare(stringify!($f)), described(<$t as Wire>::schema(), $fdoc));)*
                let names: Vec<String> = fields.keys().cloned().collect();
                all.insert(stringify!($name).to_owned(), json!({
                    "type": "object", "description": $doc.trim(), "properties": fields, "required": names,
                    "additionalProperties": false,
                }));
            })*
            all
        }
    };
}

mod access;
mod applications;
mod emergencies;
mod environments;
mod found;
mod waivers;

pub(crate) use access::*;
pub(crate) use applications::*;
pub(crate) use emergencies::*;
pub(crate) use environments::*;
pub(crate) use found::*;
pub(crate) use waivers::*;

/// The schemas that stand in files of their own, by name.
pub(crate) fn more_components() -> Map<String, Value> {
    let all = [
        found::components(),
        environments::components(),
        waivers::components(),
        emergencies::components(),
        applications::components(),
        access::components(),
    ];
    all.into_iter().flatten().collect()
}
pub(super) use wire;

wire! {
    /// Who asks, by which token.
    Me {
        /// The person's id.
        person: String,
        /// Their name, or their id where it was erased.
        name: String,
        /// Their roles at this moment.
        roles: Vec<Role>,
        /// SHA-256 of the token.
        token: Digest,
        /// What the token opens.
        scopes: Vec<TokenScope>,
        /// The applications to which it is limited; none here and below: its person's own limits.
        applications: Vec<String>,
        /// The repositories that it opens besides.
        repositories: Vec<String>,
        /// From when on it opens nothing.
        expires: Timestamp,
    }

    /// Runs, newest first.
    RunList {
        /// A part of them.
        items: Vec<RunLine>,
        /// How many there are in all parts.
        count: u64,
        /// `before` of the next part; null: this was the last.
        next: Option<u64>,
    }

    /// A run in a list.
    RunLine {
        /// The run.
        run: String,
        /// Log index of its first attempt.
        index: u64,
        /// When that was appended.
        time: Timestamp,
        /// The repository's identity.
        repository: Option<String>,
        /// The commit.
        commit: String,
        /// How many attempts it has.
        attempts: u64,
        /// What its newest decision's gates come to, missing approvals aside; null: nothing is decided.
        outcome: Option<Outcome>,
        /// Log index of that decision.
        decision: Option<u64>,
        /// How many people's approvals of any of its decisions stand.
        approvals: u64,
        /// Where it was deployed last.
        deployed_to: Option<String>,
        /// Whether that went well.
        deployed_well: Option<bool>,
    }

    /// A run with its gates, approvals and grants.
    Run {
        /// The run.
        run: String,
        /// The repository's identity.
        repository: Option<String>,
        /// The commit.
        commit: String,
        /// Its tree.
        tree: String,
        /// The environment that it is for.
        environment: String,
        /// The change's ticket.
        ticket: Option<String>,
        /// Log indices of its attempts.
        attempts: Vec<u64>,
        /// What all gates come to at this moment, approvals included; null: nothing is decided.
        outcome: Option<Outcome>,
        /// The newest decision.
        decision: Option<Decision>,
        /// Its gates, joined with the approvals.
        gates: Vec<Gate>,
        /// All approvals of the run.
        approvals: Vec<Approval>,
        /// All grants of the run.
        grants: Vec<Grant>,
        /// Where what a pipeline said of a gate differed from what was decided.
        differences: Vec<Difference>,
    }

    /// A pipeline said something else of a gate than was decided.
    Difference {
        /// Log index.
        index: u64,
        /// The gate.
        gate: String,
        /// What the pipeline said.
        claimed: Outcome,
        /// What was decided, missing approvals aside.
        decided: Outcome,
        /// Digest of the decision.
        decision: Digest,
        /// When.
        time: Timestamp,
    }

    /// What was decided.
    Decision {
        /// Its digest.
        digest: Digest,
        /// Log index.
        index: u64,
        /// The policy bundle that decided.
        bundle: Digest,
        /// As of when.
        time: Timestamp,
    }

    /// A gate.
    Gate {
        /// Its name.
        name: String,
        /// What it comes to.
        outcome: Outcome,
        /// Why.
        reasons: Vec<Reason>,
        /// The controls that it serves.
        controls: Vec<String>,
        /// The signatures that it asks for.
        slots: Vec<Slot>,
    }

    /// Why a gate is as it is.
    Reason {
        /// A short stable name.
        code: String,
        /// One sentence.
        text: String,
        /// Whether it holds the gate up.
        blocks: bool,
    }

    /// A signature that a gate asks for.
    Slot {
        /// Which.
        slot: String,
        /// How many people have to sign still.
        missing: u64,
        /// Log indices of the approvals that fill it.
        filled: Vec<u64>,
        /// The people who could sign, by id.
        eligible: Vec<String>,
    }

    /// An approval.
    Approval {
        /// Log index.
        index: u64,
        /// For which slot.
        slot: String,
        /// Who, by id.
        person: String,
        /// The key's fingerprint.
        key: String,
        /// How strong it is.
        strength: String,
        /// The machine that it was made on.
        host: String,
        /// When.
        time: Timestamp,
        /// Whether it fills a slot at this moment.
        counts: bool,
        /// Log index of what took it back.
        withdrawn: Option<u64>,
    }

    /// A grant to deploy once.
    Grant {
        /// The grant.
        grant: String,
        /// Log index.
        index: u64,
        /// Where to.
        environment: String,
        /// issued, expired, revoked, started, deployed or failed.
        state: String,
        /// Who issued it, by id.
        person: String,
        /// From when.
        time: Timestamp,
        /// Until when.
        expires: Timestamp,
        /// Log index of its use.
        started: Option<u64>,
        /// The emergency that it was issued in, past the gates.
        break_glass: Option<String>,
    }

    /// Entries, newest first.
    EntryList {
        /// A part of them.
        items: Vec<EntryLine>,
        /// How many there are in all parts.
        count: u64,
        /// `before` of the next part; null: this was the last.
        next: Option<u64>,
    }

    /// An entry in a list.
    EntryLine {
        /// Log index.
        index: u64,
        /// Its kind.
        kind: EventKind,
        /// Its stream.
        stream: String,
        /// Who, by id.
        actor: String,
        /// When it was appended.
        time: Timestamp,
        /// RFC 6962 leaf hash.
        leaf: Digest,
    }

    /// An entry with what proves it.
    Entry {
        /// Log index.
        index: u64,
        /// Its kind.
        kind: EventKind,
        /// Its stream.
        stream: String,
        /// Its place in the stream.
        version: u64,
        /// Who, by id.
        actor: String,
        /// When it was appended.
        time: Timestamp,
        /// Indices of the entries that it answers to.
        refs: Vec<u64>,
        /// Why it is not believed; null: signature and role hold.
        disbelieved: Option<String>,
        /// What it says.
        payload: Blob,
        /// What belongs to it.
        attachments: Vec<Blob>,
        /// RFC 6962 leaf hash.
        leaf: Digest,
        /// The leaf as it stands in the log.
        bytes: String,
        /// A receipt (C2SP tlog-proof): inclusion proof and checkpoint, for somebody who has none of the log.
        receipt: String,
    }

    /// A payload, by digest.
    Blob {
        /// SHA-256 of its bytes.
        sha256: Digest,
        /// Its media type.
        media: String,
        /// How many bytes.
        size: u64,
    }

    /// What an assessment was computed from.
    AsOf {
        /// How many entries the log had.
        size: u64,
        /// The window's beginning.
        from: Timestamp,
        /// Its end, excluded.
        to: Timestamp,
        /// The version of the catalogue.
        catalogue: Digest,
    }

    /// Controls by id.
    ControlList {
        /// All of them.
        items: Vec<ControlLine>,
        /// What it was computed from.
        as_of: AsOf,
    }

    /// A control in a list.
    ControlLine {
        /// The control.
        control: String,
        /// One line of it.
        title: String,
        /// What came of it.
        outcome: Outcome,
        /// One sentence.
        why: String,
        /// How many elements it was judged over.
        judged_over: u64,
        /// How many of them break it.
        broken_by: u64,
        /// The role that answers for it.
        owner: String,
        /// Within how many hours a breach is answered.
        sla_hours: u64,
    }

    /// Everything that a control was applied to in a window, in the order of time.
    Population {
        /// The control.
        control: String,
        /// The version of its file.
        definition: Digest,
        /// The collection of facts that was asked for.
        query: String,
        /// The window's beginning.
        from: Timestamp,
        /// Its end, excluded.
        to: Timestamp,
        /// How many entries of the log were read.
        size: u64,
        /// How many members there are in all parts.
        count: u64,
        /// How many of them break the control.
        exceptions: u64,
        /// RFC 6962 root over all members.
        root: Digest,
        /// A part of them.
        members: Vec<Member>,
        /// `after` of the next part; null: this was the last.
        next: Option<u64>,
    }

    /// A member of a population.
    Member {
        /// What the control worked on.
        subject: String,
        /// When the newest of its entries was appended.
        time: Timestamp,
        /// What came of it.
        outcome: Outcome,
        /// Why, where it was broken.
        text: Option<String>,
        /// Log indices of what it comes from.
        entries: Vec<u64>,
    }

    /// Frameworks by id.
    FrameworkList {
        /// All of them.
        items: Vec<FrameworkLine>,
        /// What it was computed from.
        as_of: AsOf,
    }

    /// A framework in a list.
    FrameworkLine {
        /// The framework.
        framework: String,
        /// Its title.
        title: String,
        /// What all its requirements come to.
        outcome: Outcome,
        /// How many requirements it has.
        requirements: u64,
        /// How many of them fail.
        failing: u64,
    }

    /// A framework with its requirements.
    Framework {
        /// The framework.
        framework: String,
        /// Its title.
        title: String,
        /// Who publishes it.
        publisher: String,
        /// Where its text is.
        source: String,
        /// What all its requirements come to.
        outcome: Outcome,
        /// Its requirements, in its order.
        requirements: Vec<Requirement>,
        /// What it was computed from.
        as_of: AsOf,
    }

    /// A requirement.
    Requirement {
        /// As the framework numbers it.
        clause: String,
        /// What it demands, in our words.
        duty: String,
        /// Whether that was compared with its source.
        verified: bool,
        /// What came of it.
        outcome: Outcome,
        /// One sentence.
        why: String,
        /// The controls that meet it.
        controls: Vec<ControlOutcome>,
        /// Log indices of evidence, at most fifty.
        entries: Vec<u64>,
        /// How many there are in all.
        entries_in_all: u64,
    }

    /// A control that meets a requirement.
    ControlOutcome {
        /// The control.
        control: String,
        /// What came of it.
        outcome: Outcome,
    }

    /// Audits, newest first.
    AuditList {
        /// All of them.
        items: Vec<AuditLine>,
    }

    /// An audit in a list.
    AuditLine {
        /// The audit.
        audit: String,
        /// Its name.
        name: String,
        /// The period's beginning.
        from: Timestamp,
        /// Its end, excluded.
        to: Timestamp,
        /// The applications; none: all.
        applications: Vec<String>,
        /// The frameworks; none: all.
        frameworks: Vec<String>,
        /// The auditors who are admitted; none: all.
        auditors: Vec<Named>,
        /// What no auditor of it is shown here.
        masked: Vec<String>,
        /// Who opened it.
        opened_by: Named,
        /// When.
        opened_at: Timestamp,
        /// Who closed it and when; null: nobody.
        closed: Option<AuditClosing>,
        /// Whether it is open.
        open: bool,
        /// How many requests there are.
        requests: u64,
        /// How many of them wait for an answer.
        unanswered: u64,
        /// Log index.
        index: u64,
    }

    /// Somebody.
    Named {
        /// Who, by id.
        person: String,
        /// What they are called: their id, where their name was erased or is kept from whoever asks.
        name: String,
    }

    /// That an audit is over.
    AuditClosing {
        /// Log index.
        index: u64,
        /// Who said so, by id.
        person: String,
        /// When.
        time: Timestamp,
    }

    /// An audit with its requests.
    Audit {
        /// What the list says of it.
        audit: AuditLine,
        /// What was asked, oldest first.
        requests: Vec<AuditRequest>,
    }

    /// A request of an auditor.
    AuditRequest {
        /// The request.
        request: String,
        /// open, answered or closed.
        state: String,
        /// The control that it is about.
        control: Option<String>,
        /// The application that it is about.
        application: Option<String>,
        /// Until when an answer is due.
        due: Option<Timestamp>,
        /// When what was asked last stopped to wait; null: it waits.
        ended: Option<Timestamp>,
        /// Whether it came too late, or is late now.
        late: bool,
        /// What was said, oldest first.
        messages: Vec<AuditMessage>,
    }

    /// Something that was said of a request.
    AuditMessage {
        /// Log index.
        index: u64,
        /// What it is.
        kind: String,
        /// Who, by id.
        person: String,
        /// What they are called: their id, where their name was erased or is kept from whoever asks.
        name: String,
        /// When.
        time: Timestamp,
        /// Until when it awaits an answer; of what was asked alone.
        due: Option<Timestamp>,
        /// What it says; null: nothing, or its writer's data was erased.
        text: Option<String>,
        /// Log indices that it points at.
        evidence: Vec<u64>,
        /// Evidence packs that it points at.
        packs: Vec<Digest>,
    }

    /// The ledger's head.
    Ledger {
        /// Its origin.
        origin: String,
        /// How many entries it has.
        size: u64,
        /// RFC 6962 root over them.
        root: Digest,
        /// The key that signs its checkpoints (C2SP vkey).
        log_key: String,
        /// The newest checkpoint (C2SP tlog-checkpoint).
        checkpoint: String,
        /// Entries that are not believed.
        disbelieved: Vec<Disbelieved>,
    }

    /// An entry that is not believed.
    Disbelieved {
        /// Log index.
        index: u64,
        /// Why.
        why: String,
    }
}
