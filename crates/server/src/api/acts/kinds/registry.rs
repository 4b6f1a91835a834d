//! What the firm answers for, and where it runs: applications and environments are registered, changed and retired.

use countersign_evidence::act;
use countersign_govern::access::{Pen, people};
use countersign_govern::registry as acts;
use countersign_model::event::{ApplicationRegistered, ApplicationRetired, EnvironmentRegistered, EnvironmentRetired};
use countersign_model::governance::{
    Application, CardholderScope, Criticality, DataClass, DeploymentEnvironment, Tier,
};
use countersign_model::{Action, EventKind, PersonId, StreamId};
use countersign_policy::Catalogue;
use countersign_store::Session;
use countersign_store::handed::{Away, HandedError, HandedIn, Written};
use countersign_store::projection::Registered;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::super::schema::{flag, id, kind, line, or_null};
use super::super::told;
use super::{Act, Asked, Family, Looked, Said, alone, no, read_as, told_of_people};
use crate::app::{Scope, Trouble};

pub(super) const FAMILY: Family = Family {
    kinds: &[
        "application-register",
        "application-change",
        "application-retire",
        "environment-register",
        "environment-change",
        "environment-retire",
    ],
    namespaces: &[act::APPLICATION, act::APPLICATION_RETIREMENT, act::ENVIRONMENT, act::ENVIRONMENT_RETIREMENT],
    read: read_as::<Registry>,
    of,
    schemas,
};

#[derive(Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
enum Registry {
    ApplicationRegister {
        /// Owner and deputy by name or by id.
        application: Application,
        #[serde(default)]
        reason: Option<String>,
    },
    ApplicationChange {
        application: Application,
        #[serde(default)]
        reason: Option<String>,
    },
    ApplicationRetire {
        application: String,
        reason: String,
    },
    EnvironmentRegister {
        environment: DeploymentEnvironment,
        #[serde(default)]
        reason: Option<String>,
    },
    EnvironmentChange {
        environment: DeploymentEnvironment,
        #[serde(default)]
        reason: Option<String>,
    },
    EnvironmentRetire {
        environment: String,
        reason: String,
    },
}

fn application() -> Value {
    let identity = json!({"type": "string", "minLength": 1, "maxLength": 1000, "pattern": "^[!-~]+$"});
    json!({
        "type": "object", "description": "The application, whole.", "additionalProperties": false,
        "required": [
            "id", "name", "owner", "deputy", "criticality", "data", "cardholder_scope", "sox_key_system", "repositories",
        ],
        "properties": {
            "id": id("Its id: `a-z`, digits, `-`, `_` and `.`."),
            "name": line("What people call it."),
            "owner": line("Who answers for it: a person's name or id."),
            "deputy": or_null(line("Who does when the owner is away.")),
            "criticality": {"enum": Criticality::ALL},
            "data": {
                "type": "array", "maxItems": DataClass::ALL.len(), "items": {"enum": DataClass::ALL},
                "description": "The kinds of data it holds, in the order in which the document has them.",
            },
            "cardholder_scope": {"enum": CardholderScope::ALL},
            "sox_key_system": flag("Whether financial reporting rests on it."),
            "repositories": {
                "type": "array", "maxItems": 1000, "items": identity, "description": "Identities of its repositories, sorted.",
            },
        },
    })
}

fn environment() -> Value {
    json!({
        "type": "object", "description": "The environment, whole.", "additionalProperties": false,
        "required": ["id", "tier"], "properties": {"id": line("Its id, as `run --env` names it."), "tier": {"enum": Tier::ALL}},
    })
}

fn schemas() -> Vec<Value> {
    let why = || [("reason", or_null(line("Why.")))];
    let reason = || ("reason", line("Why."));
    vec![
        kind(
            "application-register",
            "An application is what the firm answers for.",
            &[("application", application())],
            &why(),
        ),
        kind("application-change", "An application is another than before.", &[("application", application())], &why()),
        kind(
            "application-retire",
            "An application is no more: its repositories are judged by the strictest default.",
            &[("application", id("Its id.")), reason()],
            &[],
        ),
        kind("environment-register", "An environment is deployed to.", &[("environment", environment())], &why()),
        kind(
            "environment-change",
            "An environment is of another tier than before.",
            &[("environment", environment())],
            &why(),
        ),
        kind(
            "environment-retire",
            "An environment is no more: what is released to it is judged by the strictest default.",
            &[("environment", line("Its id.")), reason()],
            &[],
        ),
    ]
}

fn of(handed: &HandedIn) -> Result<Asked, HandedError> {
    alone(handed)?;
    let namespace = handed.namespace();
    Ok(Box::new(match namespace {
        act::APPLICATION => {
            let p: ApplicationRegistered = handed.said(namespace)?;
            let (application, reason) = (p.application, p.reason);
            match p.replaces {
                None => Registry::ApplicationRegister { application, reason },
                Some(_) => Registry::ApplicationChange { application, reason },
            }
        }
        act::APPLICATION_RETIREMENT => {
            let p: ApplicationRetired = handed.said(namespace)?;
            Registry::ApplicationRetire { application: p.application, reason: p.reason }
        }
        act::ENVIRONMENT => {
            let p: EnvironmentRegistered = handed.said(namespace)?;
            let (environment, reason) = (p.environment, p.reason);
            match p.replaces {
                None => Registry::EnvironmentRegister { environment, reason },
                Some(_) => Registry::EnvironmentChange { environment, reason },
            }
        }
        act::ENVIRONMENT_RETIREMENT => {
            let p: EnvironmentRetired = handed.said(namespace)?;
            Registry::EnvironmentRetire { environment: p.environment, reason: p.reason }
        }
        _ => return Err(no("it is no act about an application or an environment")),
    }))
}

/// An application with its people by id.
fn resolved(session: &Session, asked: &Application) -> Result<Application, Trouble> {
    let person = |text: &PersonId| -> Result<PersonId, Trouble> {
        Ok(people::find(session.state(), text.as_str()).map_err(|e| told_of_people(&e))?.id)
    };
    Ok(Application {
        owner: person(&asked.owner)?,
        deputy: asked.deputy.as_ref().map(person).transpose()?,
        ..asked.clone()
    })
}

/// Whether whoever signs may register any application at all.
fn may_register(session: &Session, away: Away<'_>) -> Result<bool, Trouble> {
    let Ok(by) = away.holder(session)? else { return Ok(false) };
    let state = session.state();
    Ok(state.may(&by, Action::RegisterApplication)? || state.may(&by, Action::WeakenApplication)?)
}

/// How something that is registered stands.
fn standing<T: Serialize>(known: Option<&Registered<T>>, about: Value) -> Result<Looked, Trouble> {
    match known {
        Some(known) => Looked::at(&json!({"index": known.index, "retired": known.retired}), about),
        None => Ok(Looked { condition: None, about }),
    }
}

/// As programs are told it.
fn row<T: Serialize>(known: Option<&Registered<T>>) -> Value {
    known.map_or(Value::Null, |r| json!({"index": r.index, "what": r.what, "retired": r.retired}))
}

impl Act for Registry {
    fn command(&self) -> &'static str {
        match self {
            Self::ApplicationRegister { .. } | Self::ApplicationChange { .. } => "application register",
            Self::ApplicationRetire { .. } => "application retire",
            Self::EnvironmentRegister { .. } | Self::EnvironmentChange { .. } => "environment register",
            Self::EnvironmentRetire { .. } => "environment retire",
        }
    }

    fn event(&self) -> EventKind {
        match self {
            Self::ApplicationRegister { .. } | Self::ApplicationChange { .. } => EventKind::ApplicationRegistered,
            Self::ApplicationRetire { .. } => EventKind::ApplicationRetired,
            Self::EnvironmentRegister { .. } | Self::EnvironmentChange { .. } => EventKind::EnvironmentRegistered,
            Self::EnvironmentRetire { .. } => EventKind::EnvironmentRetired,
        }
    }

    fn stream(&self, _: &HandedIn) -> Result<Option<StreamId>, HandedError> {
        Ok(Some(acts::stream()))
    }

    fn inside(&self, _: &Session, scope: &Scope) -> Result<(&'static str, bool), Trouble> {
        Ok(match self {
            Self::ApplicationRegister { application, .. } | Self::ApplicationChange { application, .. } => {
                ("application", scope.has_application(&application.id))
            }
            Self::ApplicationRetire { application, .. } => ("application", scope.has_application(application)),
            // An environment is the firm's, whatever is deployed there.
            Self::EnvironmentRegister { .. } | Self::EnvironmentChange { .. } | Self::EnvironmentRetire { .. } => {
                ("environment", false)
            }
        })
    }

    fn looked_at(&self, session: &Session) -> Result<Looked, Trouble> {
        let state = session.state();
        match self {
            Self::ApplicationRegister { application, .. } | Self::ApplicationChange { application, .. } => {
                let known = state.application(&application.id)?;
                let what = resolved(session, application)?;
                let called = |id: &PersonId| Ok::<_, Trouble>(json!({"person": id, "name": state.label(id)?}));
                let about = json!({
                    "known": row(known.as_ref()), "owner": called(&what.owner)?,
                    "deputy": what.deputy.as_ref().map(called).transpose()?,
                });
                standing(known.as_ref(), about)
            }
            Self::ApplicationRetire { application, .. } => {
                let known = state.application(application)?;
                standing(known.as_ref(), row(known.as_ref()))
            }
            Self::EnvironmentRegister { environment, .. } | Self::EnvironmentChange { environment, .. } => {
                let known = state.environment(&environment.id)?;
                standing(known.as_ref(), row(known.as_ref()))
            }
            Self::EnvironmentRetire { environment, .. } => {
                let known = state.environment(environment)?;
                standing(known.as_ref(), row(known.as_ref()))
            }
        }
    }

    fn say(&self, session: &mut Session, _: &Catalogue, away: Away<'_>) -> Result<Written<u64>, Trouble> {
        let pen = Pen::Away(away);
        let is_new = matches!(self, Self::ApplicationRegister { .. } | Self::EnvironmentRegister { .. });
        let said = match self {
            Self::ApplicationRegister { application, reason } | Self::ApplicationChange { application, reason } => {
                let application = match resolved(session, application) {
                    Ok(resolved) => resolved,
                    // Whoever may register nothing is told that, and not who is enrolled.
                    Err(_) if !may_register(session, away)? => application.clone(),
                    Err(trouble) => return Err(trouble),
                };
                acts::register_application(session, &application, is_new, reason.as_deref(), pen)
            }
            Self::ApplicationRetire { application, reason } => {
                acts::retire_application(session, application, reason, pen)
            }
            Self::EnvironmentRegister { environment, reason } | Self::EnvironmentChange { environment, reason } => {
                acts::register_environment(session, environment, is_new, reason.as_deref(), pen)
            }
            Self::EnvironmentRetire { environment, reason } => {
                acts::retire_environment(session, environment, reason, pen)
            }
        };
        said.map_err(|e| told(&e))
    }

    fn already(&self, session: &mut Session) -> Result<Value, Trouble> {
        Ok(json!({"version": 1, "index": null, "registered": self.what(session)?}))
    }

    fn result(&self, session: &mut Session, said: &Said<'_>) -> Result<Value, Trouble> {
        Ok(said.with(json!({"registered": self.what(session)?})))
    }
}

impl Registry {
    /// What is registered by it.
    fn what(&self, session: &Session) -> Result<Value, Trouble> {
        Ok(match self {
            Self::ApplicationRegister { application, .. } | Self::ApplicationChange { application, .. } => {
                json!(resolved(session, application)?)
            }
            Self::EnvironmentRegister { environment, .. } | Self::EnvironmentChange { environment, .. } => {
                json!(environment)
            }
            Self::ApplicationRetire { application: id, .. } | Self::EnvironmentRetire { environment: id, .. } => {
                json!({"id": id})
            }
        })
    }
}
