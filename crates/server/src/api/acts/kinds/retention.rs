//! How long what is recorded is kept: classes, starts, extensions, legal holds, and who answers for the records. What removes something is
//! said where the ledger is.

use countersign_evidence::act;
use countersign_govern::access::{Pen, people};
use countersign_govern::retention as acts;
use countersign_model::event::{
    HoldPlaced, HoldReleased, RecordsOfficerDesignated, RecordsOfficerRevoked, RetentionClassDefined,
    RetentionDefaultChosen, RetentionExtended, RetentionStarted,
};
use countersign_model::retention::{ClassRule, Day, EventName, Office, Selector};
use countersign_model::{Action, EventKind, PersonId, Retention, StreamId};
use countersign_policy::Catalogue;
use countersign_store::Session;
use countersign_store::handed::{Away, HandedError, HandedIn, Written};
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::schema::{kind, line, or_null};
use super::super::told;
use super::{Act, Asked, Family, Looked, Said, alone, no, read_as, told_of_people};
use crate::app::{Scope, Trouble};

pub(super) const FAMILY: Family = Family {
    kinds: &[
        "retention-define",
        "retention-default",
        "retention-start",
        "retention-extend",
        "hold-place",
        "hold-release",
        "records-officer-designate",
        "records-officer-revoke",
    ],
    namespaces: &[
        act::RETENTION_CLASS,
        act::RETENTION_DEFAULT,
        act::RETENTION_START,
        act::RETENTION_EXTENSION,
        act::HOLD,
        act::HOLD_RELEASE,
        act::RECORDS_OFFICER,
        act::RECORDS_OFFICER_REVOCATION,
    ],
    read: read_as::<Kept>,
    of,
    schemas,
};

#[derive(Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
enum Kept {
    RetentionDefine {
        class: Retention,
        rule: ClassRule,
        reason: String,
    },
    RetentionDefault {
        class: Retention,
        reason: String,
    },
    RetentionStart {
        event: EventName,
        select: String,
        on: Day,
        reason: String,
    },
    RetentionExtend {
        select: String,
        #[serde(default)]
        class: Option<Retention>,
        #[serde(default)]
        until: Option<Day>,
        reason: String,
    },
    HoldPlace {
        matter: String,
        select: String,
        reason: String,
    },
    HoldRelease {
        matter: String,
        reason: String,
    },
    RecordsOfficerDesignate {
        person: String,
        office: Office,
        #[serde(default)]
        reason: Option<String>,
    },
    RecordsOfficerRevoke {
        person: String,
        office: Office,
        reason: String,
    },
}

fn schemas() -> Vec<Value> {
    let name =
        |says: &str| json!({"type": "string", "pattern": "^[a-z](?:[a-z0-9-]{0,30}[a-z0-9])?$", "description": says});
    let day = |says: &str| json!({"type": "string", "format": "date", "description": says});
    let period = |says: &str| json!({"type": "string", "pattern": "^P(?:[0-9]{1,4}Y)?(?:[0-9]{1,2}M)?(?:[0-9]{1,5}D)?$", "description": says});
    let rule = json!({
        "type": "object", "additionalProperties": false, "required": ["period", "immediate", "start", "source"],
        "description": "What the class asks for.",
        "properties": {
            "period": period("How long."), "immediate": or_null(period("How long it must be at hand without delay.")),
            "start": name("What the period counts from: `entry-time`, or an event."),
            "source": line("The clause that asks for it."),
        },
    });
    let class = || ("class", name("The class."));
    let reason = || ("reason", line("Why."));
    let select = || {
        let says =
            "Which entries: all, run:ID, stream:ID, person:NAME or ID, kind:NAME, class:NAME or entries:FROM-TO.";
        ("select", json!({"type": "string", "minLength": 3, "maxLength": 1000, "description": says}))
    };
    let matter = || ("matter", line("The matter's number."));
    let person = || ("person", line("A person's name or id."));
    let office = || ("office", json!({"enum": Office::ALL, "description": "The office."}));
    vec![
        kind(
            "retention-define",
            "A class of the firm's own, or one that keeps longer than before.",
            &[class(), ("rule", rule), reason()],
            &[],
        ),
        kind("retention-default", "What is recorded from here on is of this class.", &[class(), reason()], &[]),
        kind(
            "retention-start",
            "Something happened that starts a period.",
            &[("event", name("What happened.")), select(), ("on", day("On which day.")), reason()],
            &[],
        ),
        kind(
            "retention-extend",
            "Entries are kept longer; nothing undoes it.",
            &[select(), reason()],
            &[
                ("class", or_null(name("A class that holds for them too."))),
                ("until", or_null(day("A day before whose end they are not free."))),
            ],
        ),
        kind(
            "hold-place",
            "Entries are under hold for a matter, those that come later included.",
            &[matter(), select(), reason()],
            &[],
        ),
        kind("hold-release", "Every hold of a matter ends.", &[matter(), reason()], &[]),
        kind(
            "records-officer-designate",
            "A person has an office.",
            &[person(), office()],
            &[("reason", or_null(line("Why.")))],
        ),
        kind("records-officer-revoke", "A person has an office no longer.", &[person(), office(), reason()], &[]),
    ]
}

fn of(handed: &HandedIn) -> Result<Asked, HandedError> {
    alone(handed)?;
    let namespace = handed.namespace();
    Ok(Box::new(match namespace {
        act::RETENTION_CLASS => {
            let p: RetentionClassDefined = handed.said(namespace)?;
            Kept::RetentionDefine { class: p.class, rule: p.rule, reason: p.reason }
        }
        act::RETENTION_DEFAULT => {
            let p: RetentionDefaultChosen = handed.said(namespace)?;
            Kept::RetentionDefault { class: p.class, reason: p.reason }
        }
        act::RETENTION_START => {
            let p: RetentionStarted = handed.said(namespace)?;
            let select = p.selector.to_string();
            Kept::RetentionStart { event: p.event, select, on: p.on, reason: p.reason }
        }
        act::RETENTION_EXTENSION => {
            let p: RetentionExtended = handed.said(namespace)?;
            let select = p.selector.to_string();
            Kept::RetentionExtend { select, class: p.class, until: p.until, reason: p.reason }
        }
        act::HOLD => {
            let p: HoldPlaced = handed.said(namespace)?;
            Kept::HoldPlace { matter: p.matter, select: p.selector.to_string(), reason: p.reason }
        }
        act::HOLD_RELEASE => {
            let p: HoldReleased = handed.said(namespace)?;
            Kept::HoldRelease { matter: p.matter, reason: p.reason }
        }
        act::RECORDS_OFFICER => {
            let p: RecordsOfficerDesignated = handed.said(namespace)?;
            Kept::RecordsOfficerDesignate { person: p.person.to_string(), office: p.office, reason: p.reason }
        }
        act::RECORDS_OFFICER_REVOCATION => {
            let p: RecordsOfficerRevoked = handed.said(namespace)?;
            Kept::RecordsOfficerRevoke { person: p.person.to_string(), office: p.office, reason: p.reason }
        }
        _ => return Err(no("it is no act about how long something is kept")),
    }))
}

/// What a selector means; a person may be named, and a run is one that there is.
fn selector(session: &Session, text: &str) -> Result<Selector, Trouble> {
    Ok(match text.parse::<Selector>().map_err(|e| Trouble::bad_body(&e.to_string()))? {
        Selector::Person(named) => {
            Selector::Person(people::find(session.state(), named.as_str()).map_err(|e| told_of_people(&e))?.id)
        }
        Selector::Run(run) => match session.state().run(&run)? {
            Some(row) => Selector::Run(row.id),
            None => return Err(told(&countersign_stages::Error::NoSuchRun { run: run.to_string() })),
        },
        other => other,
    })
}

impl Kept {
    const fn select(&self) -> Option<&String> {
        match self {
            Self::RetentionStart { select, .. }
            | Self::RetentionExtend { select, .. }
            | Self::HoldPlace { select, .. } => Some(select),
            _ => None,
        }
    }

    /// Who is named: by an office or in a selector.
    fn named(&self) -> Option<&str> {
        match self {
            Self::RecordsOfficerDesignate { person, .. } | Self::RecordsOfficerRevoke { person, .. } => Some(person),
            _ => self.select().and_then(|text| text.strip_prefix("person:")),
        }
    }

    /// Whether whoever signs may say such a thing at all: only they learn who is enrolled and which runs there are.
    fn may(&self, session: &Session, away: Away<'_>) -> Result<bool, Trouble> {
        let Ok(by) = away.holder(session)? else { return Ok(false) };
        let state = session.state();
        let is_executive = || state.holds_office(&by, Office::DesignatedExecutiveOfficer);
        Ok(match self {
            Self::RetentionDefine { .. } => state.may(&by, Action::DefineRetention)?,
            Self::RetentionDefault { .. } => state.may(&by, Action::ChooseRetention)?,
            Self::RetentionStart { .. } => state.may(&by, Action::StartRetention)?,
            Self::RetentionExtend { .. } => state.may(&by, Action::ExtendRetention)?,
            Self::HoldPlace { .. } => state.may(&by, Action::PlaceHold)?,
            Self::HoldRelease { .. } => state.may(&by, Action::ReleaseHold)?,
            Self::RecordsOfficerDesignate { office, .. } if office.is_appointed_by_executive() => is_executive()?,
            Self::RecordsOfficerDesignate { .. } => state.may(&by, Action::GiveOffice)?,
            Self::RecordsOfficerRevoke { .. } => {
                state.may(&by, Action::RevokeOffice)? || state.may(&by, Action::GiveOffice)? || is_executive()?
            }
        })
    }
}

impl Act for Kept {
    fn command(&self) -> &'static str {
        match self {
            Self::RetentionDefine { .. } => "retention define",
            Self::RetentionDefault { .. } => "retention default",
            Self::RetentionStart { .. } => "retention start",
            Self::RetentionExtend { .. } => "retention extend",
            Self::HoldPlace { .. } => "hold place",
            Self::HoldRelease { .. } => "hold release",
            Self::RecordsOfficerDesignate { .. } => "records-officer designate",
            Self::RecordsOfficerRevoke { .. } => "records-officer revoke",
        }
    }

    fn event(&self) -> EventKind {
        match self {
            Self::RetentionDefine { .. } => EventKind::RetentionClassDefined,
            Self::RetentionDefault { .. } => EventKind::RetentionDefaultChosen,
            Self::RetentionStart { .. } => EventKind::RetentionStarted,
            Self::RetentionExtend { .. } => EventKind::RetentionExtended,
            Self::HoldPlace { .. } => EventKind::HoldPlaced,
            Self::HoldRelease { .. } => EventKind::HoldReleased,
            Self::RecordsOfficerDesignate { .. } => EventKind::RecordsOfficerDesignated,
            Self::RecordsOfficerRevoke { .. } => EventKind::RecordsOfficerRevoked,
        }
    }

    fn stream(&self, _: &HandedIn) -> Result<Option<StreamId>, HandedError> {
        Ok(Some(match self {
            Self::RecordsOfficerDesignate { person, .. } | Self::RecordsOfficerRevoke { person, .. } => {
                StreamId::from(&PersonId::from_text(person))
            }
            _ => acts::stream(),
        }))
    }

    fn inside(&self, _: &Session, _: &Scope) -> Result<(&'static str, bool), Trouble> {
        // How long the firm keeps its records is the firm's.
        Ok(("retention", false))
    }

    fn looked_at(&self, session: &Session) -> Result<Looked, Trouble> {
        let state = session.state();
        let mut about = json!({});
        // Who is named is told where the use case lets somebody say it.
        if let Some(Ok(person)) = self.named().map(|named| people::find(state, named)) {
            about = json!({"name": state.label(&person.id)?, "person": person.id});
        }
        let stands = match self {
            Self::RetentionDefine { class, .. } => json!({"rule": state.schedule()?.rule(*class)}),
            Self::RetentionDefault { .. } => json!({"default": state.default_class()?.1}),
            Self::HoldRelease { matter, .. } => {
                let schedule = state.schedule()?;
                let open = schedule.open_holds().filter(|hold| hold.matter == matter.trim());
                let open: Vec<Value> =
                    open.map(|hold| json!({"index": hold.index, "selector": hold.selector})).collect();
                about["holds"] = json!(open);
                json!({"holds": open})
            }
            Self::RecordsOfficerDesignate { office, .. } | Self::RecordsOfficerRevoke { office, .. } => {
                let holders = state.offices()?.into_iter().filter(|row| row.office == *office).map(|row| row.person);
                json!({"holders": holders.collect::<Vec<_>>()})
            }
            Self::RetentionStart { .. } | Self::RetentionExtend { .. } | Self::HoldPlace { .. } => {
                return Ok(Looked { condition: None, about });
            }
        };
        Looked::at(&stands, about)
    }

    fn say(&self, session: &mut Session, _: &Catalogue, away: Away<'_>) -> Result<Written<u64>, Trouble> {
        let pen = Pen::Away(away);
        let selector = match self.select().map(|text| selector(session, text)) {
            None => Selector::All,
            Some(Ok(selector)) => selector,
            // Whoever may say nothing of this is told that by the use case.
            Some(Err(trouble)) if self.may(session, away)? => return Err(trouble),
            Some(Err(_)) => Selector::All,
        };
        let said = match self {
            Self::RetentionDefine { class, rule, reason } => acts::define(session, *class, rule, reason, pen),
            Self::RetentionDefault { class, reason } => acts::choose_default(session, *class, reason, pen),
            Self::RetentionStart { event, on, reason, .. } => acts::start(session, event, &selector, *on, reason, pen),
            Self::RetentionExtend { class, until, reason, .. } => {
                if class.is_none() && until.is_none() {
                    return Err(Trouble::bad_body("neither a class nor a day is named"));
                }
                acts::extend(session, &selector, *class, *until, reason, pen)
            }
            Self::HoldPlace { matter, reason, .. } => acts::place(session, matter, &selector, reason, pen),
            Self::HoldRelease { matter, reason } => acts::release(session, matter, reason, pen),
            Self::RecordsOfficerDesignate { person, office, reason } => {
                let person = self.whom(session, person, away)?;
                acts::designate(session, person.as_str(), *office, reason.as_deref(), pen).map(|(_, written)| written)
            }
            Self::RecordsOfficerRevoke { person, office, reason } => {
                let person = self.whom(session, person, away)?;
                acts::revoke(session, person.as_str(), *office, reason, pen).map(|(_, written)| written)
            }
        };
        said.map_err(|e| told(&e))
    }

    fn result(&self, _: &mut Session, said: &Said<'_>) -> Result<Value, Trouble> {
        let of = |p: Value, fields: &[&str]| {
            let fields = fields.iter().map(|name| ((*name).to_owned(), p[*name].clone()));
            said.with(Value::Object(fields.collect()))
        };
        let p = said.handed.predicate();
        Ok(match self {
            Self::RetentionDefine { .. } => of(p, &["class", "rule"]),
            Self::RetentionDefault { .. } => of(p, &["class"]),
            Self::RetentionStart { .. } => of(p, &["event", "selector", "on"]),
            Self::RetentionExtend { .. } => of(p, &["selector", "class", "until"]),
            Self::HoldPlace { .. } => of(p, &["matter", "selector"]),
            Self::HoldRelease { .. } => of(p, &["matter"]),
            Self::RecordsOfficerDesignate { .. } | Self::RecordsOfficerRevoke { .. } => of(p, &["person", "office"]),
        })
    }
}

impl Kept {
    /// Who is named. Whoever may not say it is told that, and not who is enrolled: they are let go on as themselves.
    fn whom(&self, session: &Session, named: &str, away: Away<'_>) -> Result<PersonId, Trouble> {
        match people::find(session.state(), named) {
            Ok(person) => Ok(person.id),
            Err(error) if self.may(session, away)? => Err(told_of_people(&error)),
            Err(error) => match away.holder(session)? {
                Ok(own) => Ok(own),
                Err(_) => Err(told_of_people(&error)),
            },
        }
    }
}
