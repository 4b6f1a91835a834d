//! The facts of an assessment: one JSON document, folded from the ledger for a window of time. Rules read it, so its shape is
//! fixed here, and examples are held against it.
//!
//! A field that is missing makes a rule silent, and silence would look like a pass. So every element that is folded has every
//! field of its collection; an example names the ones that matter, and the others are filled in.

use serde_json::{Map, Value};

/// The version of the facts.
pub const VERSION: u64 = 1;

/// Things of one kind that a control can be about.
#[derive(Debug, Clone, Copy)]
pub struct Collection {
    /// Its name in the facts, as controls write it under `over`.
    pub name: &'static str,
    /// One of them, for messages.
    pub one: &'static str,
    /// What they are.
    pub what: &'static str,
    /// Where they come from: `ledger`, or a source that nothing records yet.
    pub from: &'static str,
    /// What is known of each, besides `id` and `entries`.
    pub fields: &'static [Field],
}

/// Something known of an element.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// Its kind.
    pub kind: Kind,
    /// What it means.
    pub what: &'static str,
}

/// The kind of a field. Times are milliseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// A text.
    Text,
    /// A text, or null.
    MaybeText,
    /// Texts.
    Texts,
    /// A number of at least 0.
    Number,
    /// A number of at least 0, or null.
    MaybeNumber,
    /// True or false.
    Truth,
    /// Elements with fields of their own.
    List(&'static [Field]),
}

impl Kind {
    /// As the reference says it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::MaybeText => "text or null",
            Self::Texts => "list of texts",
            Self::Number => "number",
            Self::MaybeNumber => "number or null",
            Self::Truth => "boolean",
            Self::List(_) => "list",
        }
    }

    fn empty(self) -> Value {
        match self {
            Self::Text => Value::from(""),
            Self::MaybeText | Self::MaybeNumber => Value::Null,
            Self::Texts | Self::List(_) => Value::Array(Vec::new()),
            Self::Number => Value::from(0),
            Self::Truth => Value::from(false),
        }
    }

    fn holds(self, value: &Value) -> bool {
        match self {
            Self::Text => value.is_string(),
            Self::MaybeText => value.is_string() || value.is_null(),
            Self::Texts => value.as_array().is_some_and(|all| all.iter().all(Value::is_string)),
            Self::Number => value.is_u64(),
            Self::MaybeNumber => value.is_u64() || value.is_null(),
            Self::Truth => value.is_boolean(),
            Self::List(_) => value.is_array(),
        }
    }
}

const fn f(name: &'static str, kind: Kind, what: &'static str) -> Field {
    Field { name, kind, what }
}

use Kind::{List, MaybeNumber, MaybeText, Number, Text, Texts, Truth};

/// Every collection.
pub static COLLECTIONS: &[Collection] = &[
    Collection {
        name: "ledger",
        one: "ledger",
        what: "the ledger, as one element",
        from: "ledger",
        fields: &[
            f("size", Number, "entries in it"),
            f("rooted", Truth, "a root of trust is established"),
            f("pinned", Truth, "this machine holds a pin of it, kept outside"),
            f("recorder_enrolled", Truth, "the first administrator vouched for the recorder"),
            f("sealed", Truth, "payloads are encrypted at rest"),
            f("anomalies", Number, "entries that are not believed"),
            f("backwards", Number, "entries with an earlier time than the one before them"),
            f("silence", Number, "the longest time between two entries of the window, in milliseconds"),
            f(
                "verification",
                Text,
                "`verified`, `untrusted`, `incomplete`, `failed`, or `none` where it was not verified now",
            ),
            f("problems", Number, "problems that verification named"),
            f("copies", Number, "storages that hold a copy"),
            f("second_key", Truth, "checkpoints carry the signature of a second, post-quantum key"),
            f("witnesses", Number, "witnesses whose cosignatures stand under the newest checkpoint"),
            f("key_since", Number, "when the log's key was made or last exchanged"),
            f("officers", Texts, "offices for the records that somebody holds"),
            f("open_removals", Number, "disposals that were begun and not finished"),
        ],
    },
    Collection {
        name: "deployments",
        one: "deployment",
        what: "deployments that ended within the window, each with what its decision was made from",
        from: "ledger",
        fields: &[
            f("run", Text, "the run"),
            f("repository", Text, "the repository's identity"),
            f("environment", Text, "where to"),
            f("commit", Text, "the commit"),
            f("started", Number, "when its command was started"),
            f("ended", Number, "when it ended"),
            f("success", Truth, "whether it succeeded"),
            f("authors", Texts, "people who wrote a covered commit, as far as they are known"),
            f("commits", Number, "covered commits"),
            f("complete", Truth, "every covered commit could be read"),
            f("unknown_authors", Number, "covered commits that nobody known vouches for"),
            f("unsigned", Number, "covered commits without a valid signature"),
            f("ticket", Truth, "a ticket is named"),
            f("reason", Truth, "a reason is given"),
            f("pipeline_changed", Truth, "the change touches the definition of the pipeline"),
            f("decision", Text, "the decision it rests on"),
            f("decided", Number, "when that was made"),
            f("outcome", Text, "its outcome"),
            f("gates", List(&[f("name", Text, "the gate"), f("outcome", Text, "its outcome")]), "its gates"),
            f("bundle", Text, "the policy bundle that decided"),
            f("bundle_in_effect", Truth, "that bundle was in effect when it decided"),
            f("bundle_by", MaybeText, "who had activated it"),
            f(
                "approvals",
                List(&[
                    f("person", Text, "who"),
                    f("slot", Text, "`technical` or `regulatory`"),
                    f("time", Number, "when"),
                    f("strength", Text, "`ssh-key` or `ssh-hardware-key`"),
                ]),
                "approvals of that decision",
            ),
            f("deployer", Text, "who issued the grant"),
            f("granted", Number, "when the grant was issued"),
            f("expires", Number, "until when it was good"),
            f("self_judged", Truth, "judged by the machine that ran it, not by a server"),
            f(
                "artifacts_match",
                Truth,
                "the grant permits the artifacts that the decision was made for, and no others",
            ),
            f(
                "artifacts",
                List(&[
                    f("digest", Text, "its digest"),
                    f("sbom", Truth, "a bill of materials is recorded for the run"),
                    f("provenance", Truth, "a provenance statement names it"),
                ]),
                "its artifacts",
            ),
            f("scanned", Truth, "our scan of the commit is on record"),
            f("gaps", Number, "things that the scan could not look at"),
            f(
                "findings",
                List(&[
                    f("control", Text, "the control that they concern"),
                    f("severity", Text, "how bad"),
                    f("state", Text, "`open`, `suppression-requested`, `suppression-granted`"),
                    f("count", Number, "how many"),
                ]),
                "findings that were known when it was decided, counted",
            ),
            f(
                "reports",
                List(&[
                    f("tool", Text, "the tool"),
                    f("class", Text, "`sast`, `sca`, `dast`, `iac`, `secrets`, `other`"),
                    f("current", Truth, "it is for this very commit"),
                    f("complete", Truth, "it says all"),
                    f("findings", Number, "findings in it"),
                ]),
                "reports of other tools that were known when it was decided",
            ),
            f("missing_reports", Texts, "tools whose report was required and was not there, current and whole"),
            f("tests", Number, "test results that were known when it was decided"),
            f("bypasses", Number, "commits that the hooks would have stopped"),
            f(
                "followed",
                MaybeNumber,
                "when the environment's next successful deployment ended, where this one failed",
            ),
        ],
    },
    Collection {
        name: "runs",
        one: "run",
        what: "runs with an attempt in the window",
        from: "ledger",
        fields: &[
            f("repository", MaybeText, "the repository's identity"),
            f("commit", Text, "the commit"),
            f("started", Number, "its first attempt"),
            f("attempts", Number, "how many attempts it has"),
            f("scanned", Truth, "a scan of it is on record"),
            f("gaps", Number, "things that the scan could not look at"),
            f("decided", Truth, "a decision of it is on record"),
            f("bypasses", Number, "commits that the hooks would have stopped"),
        ],
    },
    Collection {
        name: "decisions",
        one: "decision",
        what: "decisions made within the window",
        from: "ledger",
        fields: &[
            f("run", Text, "the run"),
            f("time", Number, "when"),
            f("outcome", Text, "its outcome"),
            f("bundle", Text, "the policy bundle that decided"),
            f("bundle_in_effect", Truth, "that bundle was in effect then"),
            f("engine", Text, "the engine and its version"),
            f("rules_digest", Text, "digest over the detection rules"),
            f(
                "repeated",
                Text,
                "`identical`, `different`, `other-engine`, `error`, or `not-tried`: the decision, computed again now",
            ),
        ],
    },
    Collection {
        name: "approvals",
        one: "approval",
        what: "approvals signed within the window",
        from: "ledger",
        fields: &[
            f("run", Text, "the run"),
            f("decision", Text, "the decision it binds"),
            f("person", Text, "who"),
            f("slot", Text, "`technical` or `regulatory`"),
            f("strength", Text, "`ssh-key` or `ssh-hardware-key`"),
            f("own_key", Truth, "the key belongs to that person and to nobody else"),
            f("time", Number, "when"),
        ],
    },
    Collection {
        name: "grants",
        one: "grant",
        what: "grants to deploy that were issued within the window",
        from: "ledger",
        fields: &[
            f("run", Text, "the run"),
            f("environment", Text, "where to"),
            f("person", Text, "who issued it"),
            f("time", Number, "from when"),
            f("expires", Number, "until when"),
            f("state", Text, "`issued`, `started`, `succeeded`, `failed`"),
        ],
    },
    Collection {
        name: "people",
        one: "person",
        what: "people enrolled at the end of the window",
        from: "ledger",
        fields: &[
            f("enrolled", Number, "when"),
            f("roles", Texts, "their roles"),
            f("keys", Number, "their keys"),
            f("hardware_keys", Number, "those of them that are in hardware (FIDO2)"),
            f("shared_keys", Number, "those of them that somebody else has too"),
            f("last_act", MaybeNumber, "when they last signed an act"),
        ],
    },
    Collection {
        name: "roles",
        one: "role",
        what: "roles that people hold at the end of the window",
        from: "ledger",
        fields: &[
            f("person", Text, "who holds it"),
            f("role", Text, "which"),
            f("by", Text, "who granted it"),
            f("time", Number, "when"),
            f("root", Truth, "it came with the root of trust"),
        ],
    },
    Collection {
        name: "suppressions",
        one: "suppression",
        what: "suppressions granted within the window",
        from: "ledger",
        fields: &[f("by", Text, "who granted it"), f("time", Number, "when"), f("expires", Number, "until when")],
    },
    Collection {
        name: "activations",
        one: "activation",
        what: "policy bundles put in effect up to the end of the window, those that had ended before it left out",
        from: "ledger",
        fields: &[
            f("bundle", Text, "the bundle"),
            f("by", Text, "who activated it"),
            f("time", Number, "when"),
            f("root", Truth, "it came with the root of trust"),
            f("probe", Text, "what it says of a change of which nothing is known: `closed`, `open`, or `unreadable`"),
        ],
    },
    Collection {
        name: "refusals",
        one: "refusal",
        what: "acts that were tried and refused within the window",
        from: "ledger",
        fields: &[
            f("act", Text, "the act"),
            f("code", Text, "the error's code"),
            f("person", MaybeText, "who tried, where that is known"),
            f("time", Number, "when"),
        ],
    },
    Collection {
        name: "weaknesses",
        one: "weakness",
        what: "findings of severity high or critical that a decision up to the end of the window knew of, and that were there within it",
        from: "ledger",
        fields: &[
            f("severity", Text, "how bad"),
            f("controls", Texts, "the controls that it concerns"),
            f("first_seen", Number, "the first decision that knew of it"),
            f("last_seen", Number, "the last one"),
            f(
                "open",
                Truth,
                "the newest decision of that repository still knows of it, and nobody granted its suppression",
            ),
            f(
                "age",
                Number,
                "milliseconds from its first sight to its last, or to the end of the window where it is open",
            ),
        ],
    },
    Collection {
        name: "copies",
        one: "copy",
        what: "storages that hold a copy of the ledger",
        from: "ledger",
        fields: &[
            f("verdict", Text, "of the last probe: `held`, `broken`, `unclear`"),
            f("probed", Number, "when that was"),
        ],
    },
    Collection {
        name: "classes",
        one: "retention class",
        what: "retention classes of entries in the ledger",
        from: "ledger",
        fields: &[
            f("count", Number, "entries of it"),
            f(
                "months",
                MaybeNumber,
                "whole months that it keeps for; null: for ever, or for a time after something that has not happened",
            ),
            f(
                "immediate_months",
                MaybeNumber,
                "whole months for which they are at hand without delay, where the class says so",
            ),
        ],
    },
    Collection {
        name: "disposals",
        one: "disposal",
        what: "disposals of payloads within the window",
        from: "ledger",
        fields: &[
            f("time", Number, "when it was signed"),
            f("signers", Texts, "who signed"),
            f("completed", Truth, "nothing of it is left"),
        ],
    },
    Collection {
        name: "erasures",
        one: "request for erasure",
        what: "requests to erase a person's data that were open within the window",
        from: "ledger",
        fields: &[
            f("requested", Number, "when"),
            f("erased", MaybeNumber, "when it was done"),
            f("forbidden", Truth, "a duty to keep it stands against it"),
        ],
    },
    Collection {
        name: "environments",
        one: "environment",
        what: "registered environments",
        from: "registry",
        fields: &[
            f("production", Truth, "it is production"),
            f("shared_credentials", Truth, "a credential of it opens another environment too"),
            f("live_data", Truth, "it holds data of customers"),
            f("live_data_approved", Truth, "and that was approved, and is protected as in production"),
            f("region_allowed", Truth, "it lies in a region that is allowed"),
        ],
    },
    Collection {
        name: "applications",
        one: "application",
        what: "registered applications",
        from: "registry",
        fields: &[
            f("owner", MaybeText, "the role or person that answers for it"),
            f("reviewed", MaybeNumber, "when its record was last confirmed"),
            f("personal_data", Truth, "it processes personal data"),
            f("processing_recorded", Truth, "the record of processing names it"),
            f("impact_assessed", Truth, "the impact on those concerned was assessed"),
            f("algorithmic", Truth, "it trades by algorithm"),
            f("kill_switch_tested", MaybeNumber, "when its stop was last tried"),
            f("model", Truth, "it is a model, or holds one"),
            f("validated", MaybeNumber, "when the model was last validated"),
        ],
    },
    Collection {
        name: "gates",
        one: "gate",
        what: "gates with their owners",
        from: "gate-registry",
        fields: &[
            f("owner", MaybeText, "who answers for it"),
            f("deputy", MaybeText, "who stands in"),
            f("owner_active", Truth, "the owner is enrolled and holds a role"),
            f("reviewed", MaybeNumber, "when it was last reviewed"),
            f("sla_hours", MaybeNumber, "within how many hours it answers"),
        ],
    },
    Collection {
        name: "changes",
        one: "change",
        what: "records of a change system",
        from: "change-record",
        fields: &[
            f("requested", Number, "when it was asked for"),
            f("authorised", MaybeNumber, "when it was authorised"),
            f("deployed", MaybeNumber, "when it went to production"),
            f(
                "missing",
                Texts,
                "fields of the record that are empty: description, reason, impact, approval, tests, coding, fall-back, outcome",
            ),
            f("sign_off_required", Truth, "those who use the system have to sign off"),
            f("signed_off_by", MaybeText, "who did"),
            f("material", Truth, "it is a material change of a critical system"),
            f("reported", MaybeNumber, "when it was reported to the regulator"),
        ],
    },
    Collection {
        name: "emergencies",
        one: "emergency change",
        what: "changes that went past a gate",
        from: "break-glass",
        fields: &[
            f("by", Text, "who made it"),
            f("time", Number, "when"),
            f("approved_by", MaybeText, "who approved it afterwards"),
            f("closed", MaybeNumber, "when it had the record of any other change"),
        ],
    },
    Collection {
        name: "observations",
        one: "observation",
        what: "what was seen running in production",
        from: "snapshot",
        fields: &[
            f("environment", Text, "where"),
            f("artifact", Text, "digest of what runs"),
            f("time", Number, "when it was seen"),
            f("deployment", MaybeText, "the recorded deployment that put it there"),
            f("approved", Truth, "that deployment's approvals name this very digest"),
        ],
    },
    Collection {
        name: "drifts",
        one: "drift",
        what: "differences between what runs and what was approved",
        from: "drift-scan",
        fields: &[
            f("arisen", Number, "when it came about, as far as that is known"),
            f("detected", Number, "when it was detected"),
            f("resolved", MaybeNumber, "when it was gone"),
        ],
    },
    Collection {
        name: "plans",
        one: "plan",
        what: "changes of infrastructure, data schemas and job schedules",
        from: "iac-plan",
        fields: &[
            f("reviewed", Truth, "it was judged and approved before it was applied"),
            f("applied", MaybeNumber, "when it was applied"),
        ],
    },
    Collection {
        name: "accounts",
        one: "account",
        what: "accounts of people, held against the personnel system",
        from: "hr-feed",
        fields: &[
            f("left", MaybeNumber, "when the person left or moved"),
            f("disabled", MaybeNumber, "when the account was disabled or changed"),
            f("approved", Truth, "somebody approved it"),
        ],
    },
    Collection {
        name: "workloads",
        one: "system account",
        what: "accounts, tokens and keys of systems",
        from: "workload-inventory",
        fields: &[
            f("owner", MaybeText, "who answers for it"),
            f("interactive", Truth, "a person can log in with it"),
            f("approved", Truth, "somebody approved that"),
            f("excess", Texts, "privileges that it has and does not use"),
            f("rotated", Number, "when its secret was last changed"),
            f("reviewed", MaybeNumber, "when its access was last reviewed"),
        ],
    },
    Collection {
        name: "reviews",
        one: "line of a review",
        what: "decisions of access reviews, one a line",
        from: "access-review",
        fields: &[
            f("reviewer", Text, "who decided"),
            f("subject", Text, "whose access it is"),
            f("due", Number, "until when"),
            f("decided", MaybeNumber, "when it was decided"),
            f("revoke", Truth, "the decision is to take it away"),
            f("gone", Truth, "a second look found it gone"),
        ],
    },
    Collection {
        name: "sessions",
        one: "session",
        what: "sign-ons",
        from: "identity-claims",
        fields: &[f("person", Text, "who"), f("factors", Number, "how many factors they used")],
    },
    Collection {
        name: "reads",
        one: "access to the record",
        what: "who read the record",
        from: "access-log",
        fields: &[f("person", Text, "who"), f("permitted", Truth, "their role permits it")],
    },
    Collection {
        name: "scripts",
        one: "script",
        what: "scripts and headers of payment pages",
        from: "payment-page",
        fields: &[
            f("authorised", Truth, "somebody authorised it"),
            f("integrity", Truth, "the page holds its digest"),
            f("purpose", Truth, "its purpose is on record"),
            f("changed", Truth, "it differs from what was authorised"),
        ],
    },
    Collection {
        name: "alerts",
        one: "alert",
        what: "alerts that somebody has to answer",
        from: "alert-queue",
        fields: &[
            f("raised", Number, "when"),
            f("answered", MaybeNumber, "when somebody took it up"),
            f("resolved", MaybeNumber, "when it was over"),
            f("sla_hours", Number, "within how many hours it must be taken up"),
        ],
    },
    Collection {
        name: "incidents",
        one: "incident",
        what: "incidents and their notices",
        from: "incident-record",
        fields: &[
            f("known", Number, "when the firm knew of it"),
            f("notifiable", Truth, "an authority has to be told"),
            f("notified", MaybeNumber, "when it was"),
            f("deadline_hours", Number, "within how many hours"),
        ],
    },
    Collection {
        name: "trainings",
        one: "author",
        what: "authors of changes and their training",
        from: "training-record",
        fields: &[f("trained", MaybeNumber, "when they were last trained in secure coding")],
    },
    Collection {
        name: "exports",
        one: "request for records",
        what: "requests for records, by examiners and others",
        from: "export-record",
        fields: &[
            f("requested", Number, "when"),
            f("furnished", MaybeNumber, "when they were furnished"),
            f("readable", Truth, "readable for people"),
            f("usable", Truth, "usable for programs, with an index"),
        ],
    },
    Collection {
        name: "verifications",
        one: "verification",
        what: "verifications that ran on a schedule",
        from: "verification-record",
        fields: &[
            f("time", Number, "when"),
            f("held", Truth, "everything held"),
            f("since_last", Number, "milliseconds since the one before"),
        ],
    },
    Collection {
        name: "restores",
        one: "test of a restore",
        what: "restores from backups, as tests",
        from: "restore-test",
        fields: &[f("time", Number, "when"), f("held", Truth, "what was restored verified")],
    },
    Collection {
        name: "timestamps",
        one: "timestamp",
        what: "times of a source outside, beside our own",
        from: "trusted-timestamp",
        fields: &[f("skew", Number, "how far ours was off, in milliseconds")],
    },
    Collection {
        name: "advisories",
        one: "feed of advisories",
        what: "feeds that components are compared with",
        from: "advisory-feed",
        fields: &[f("age", Number, "how old it was when it was used, in milliseconds")],
    },
];

/// The collection of that name.
#[must_use]
pub fn collection(name: &str) -> Option<&'static Collection> {
    COLLECTIONS.iter().find(|c| c.name == name)
}

pub(super) fn names() -> impl Iterator<Item = &'static str> {
    COLLECTIONS.iter().map(|c| c.name)
}

/// Facts in which every collection is there, without elements.
#[must_use]
pub fn empty(from: u64, to: u64) -> Map<String, Value> {
    let mut facts = Map::new();
    facts.insert("version".into(), VERSION.into());
    facts.insert("window".into(), serde_json::json!({"from": from, "to": to}));
    facts.insert("sources".into(), Value::Array(Vec::new()));
    for collection in COLLECTIONS {
        facts.insert(collection.name.into(), Value::Array(Vec::new()));
    }
    facts
}

/// What is wrong with facts that were folded: a field that is missing, unknown or of another kind. `None`: nothing.
#[must_use]
pub fn fault(facts: &Value) -> Option<String> {
    for collection in COLLECTIONS {
        let Some(elements) = facts.get(collection.name).and_then(Value::as_array) else {
            return Some(format!("`{}` is missing", collection.name));
        };
        for element in elements {
            let Some(object) = element.as_object() else {
                return Some(format!("an element of `{}` is no object", collection.name));
            };
            let has_id = object.get("id").is_some_and(Value::is_string);
            let has_entries =
                object.get("entries").and_then(Value::as_array).is_some_and(|e| e.iter().all(Value::is_u64));
            if !has_id || !has_entries {
                return Some(format!("an element of `{}` has no id or no entries", collection.name));
            }
            if let Some(what) = fields_fault(collection.fields, object, 2) {
                return Some(format!("`{}`: {what}", collection.name));
            }
        }
    }
    None
}

fn fields_fault(fields: &[Field], object: &Map<String, Value>, others: usize) -> Option<String> {
    for field in fields {
        match object.get(field.name) {
            None => return Some(format!("`{}` is missing", field.name)),
            Some(value) if !field.kind.holds(value) => {
                return Some(format!("`{}` is no {}", field.name, field.kind.as_str()));
            }
            Some(Value::Array(elements)) => {
                if let List(inner) = field.kind {
                    let objects = elements.iter().map(|e| e.as_object().ok_or("an element is no object"));
                    for inside in objects {
                        let what = match inside {
                            Ok(inside) => fields_fault(inner, inside, 0),
                            Err(what) => Some(what.to_owned()),
                        };
                        if let Some(what) = what {
                            return Some(format!("`{}`: {what}", field.name));
                        }
                    }
                }
            }
            Some(_) => {}
        }
    }
    (object.len() != fields.len() + others).then(|| "it has a field that is not known".to_owned())
}

/// The facts that an example means: what it leaves out is filled in with nothing, zero and false, ids with numbers; a window
/// of 90 days from 0 on, and the source of each collection in it, `ledger` always.
///
/// # Errors
/// A collection, a field or a kind that is not known.
pub fn complete(example: &Value) -> Result<Value, String> {
    let object = example.as_object().ok_or("it is no mapping")?;
    let mut facts = empty(0, 90 * 24 * 3_600_000);
    let mut sources: Vec<String> = vec!["ledger".into()];
    for (key, value) in object {
        match key.as_str() {
            "window" => {
                let ends = ["from", "to"].map(|k| value.get(k).is_some_and(Value::is_u64));
                if ends != [true, true] {
                    return Err("`window` has `from` and `to`".into());
                }
                facts.insert(key.clone(), value.clone());
            }
            "sources" => {
                let named = value.as_array().ok_or("`sources` is no list")?;
                sources.extend(named.iter().filter_map(Value::as_str).map(str::to_owned));
            }
            name => {
                let collection =
                    collection(name).ok_or_else(|| super::control::unknown("collection", name, names()))?;
                let elements = value.as_array().ok_or_else(|| format!("`{name}` is no list"))?;
                let elements: Vec<Value> = elements
                    .iter()
                    .enumerate()
                    .map(|(n, element)| element_of(collection, n, element))
                    .collect::<Result<_, _>>()?;
                facts.insert(name.to_owned(), elements.into());
                sources.push(collection.from.to_owned());
            }
        }
    }
    sources.sort_unstable();
    sources.dedup();
    if let Some(odd) = sources.iter().find(|s| super::source::find(s).is_none()) {
        return Err(super::control::unknown("source of evidence", odd, super::source::names()));
    }
    facts.insert("sources".into(), sources.into());
    Ok(Value::Object(facts))
}

fn element_of(collection: &Collection, n: usize, element: &Value) -> Result<Value, String> {
    let mut given =
        element.as_object().ok_or_else(|| format!("an element of `{}` is no mapping", collection.name))?.clone();
    let id = given.remove("id").unwrap_or_else(|| format!("{} {}", collection.one, n + 1).into());
    let entries = given.remove("entries").unwrap_or_else(|| Value::Array(Vec::new()));
    let mut whole = filled(collection.name, collection.fields, &given)?;
    whole.insert("id".into(), id);
    whole.insert("entries".into(), entries);
    Ok(Value::Object(whole))
}

fn filled(place: &str, fields: &'static [Field], given: &Map<String, Value>) -> Result<Map<String, Value>, String> {
    if let Some(odd) = given.keys().find(|k| fields.iter().all(|f| f.name != k.as_str())) {
        return Err(super::control::unknown("field", &format!("{place}/{odd}"), std::iter::empty()));
    }
    let mut whole = Map::new();
    for field in fields {
        let value = match (given.get(field.name), field.kind) {
            (None, kind) => kind.empty(),
            (Some(Value::Array(elements)), List(inner)) => elements
                .iter()
                .map(|e| {
                    let e =
                        e.as_object().ok_or_else(|| format!("an element of `{place}/{}` is no mapping", field.name))?;
                    Ok(Value::Object(filled(field.name, inner, e)?))
                })
                .collect::<Result<Vec<_>, String>>()?
                .into(),
            (Some(value), kind) if kind.holds(value) => value.clone(),
            (Some(_), kind) => return Err(format!("`{place}/{}` is no {}", field.name, kind.as_str())),
        };
        whole.insert(field.name.into(), value);
    }
    Ok(whole)
}

/// Every name of a field there is, `id` and those around the collections included.
pub(super) fn is_field(name: &str) -> bool {
    const AROUND: [&str; 9] = ["id", "entries", "window", "from", "to", "sources", "version", "subject", "text"];
    AROUND.contains(&name)
        || COLLECTIONS.iter().any(|c| {
            c.name == name
                || c.fields
                    .iter()
                    .any(|f| f.name == name || matches!(f.kind, List(inner) if inner.iter().any(|f| f.name == name)))
        })
}
