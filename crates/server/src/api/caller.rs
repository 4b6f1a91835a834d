//! Who asks: a program that shows a token of somebody's, or a job that shows the identity token of its CI system and nothing else.

use countersign_model::access::token::TokenScope;
use countersign_model::{Digest, PersonId, Role};
use countersign_stages::build::workload::Admission;
use countersign_store::Session;
use countersign_store::projection::TokenRow;

use crate::app::{App, Scope, Trouble};
use crate::auth::{self, Visit};
use crate::web::look::{self, Visitor};

/// Who asks.
pub(crate) enum Caller {
    /// A program, in somebody's name.
    Program { visit: Visit, visitor: Visitor, token: Box<TokenRow> },
    /// A job, in nobody's.
    Job { token: Digest, admission: Admission },
}

/// Who shows this token.
pub(super) fn of(app: &App, session: &mut Session, text: &str) -> Result<Caller, Trouble> {
    if auth::looks_like(text) {
        let (token, admission) = auth::by_identity_token(app, session, text)?;
        return Ok(Caller::Job { token, admission });
    }
    let (visit, token) = auth::by_token(app, session, text)?;
    let visitor = look::visitor(session, &visit)?;
    Ok(Caller::Program { visit, visitor, token: Box::new(token) })
}

impl Caller {
    /// Refuses what is not open to whoever asks. `is_of_jobs`: jobs may have it.
    pub(super) fn opens(&self, scope: TokenScope, is_of_jobs: bool, roles: &[Role], what: &str) -> Result<(), Trouble> {
        match self {
            Self::Job { .. } if is_of_jobs => Ok(()),
            Self::Job { .. } => Err(Trouble::not_of_jobs()),
            Self::Program { token, .. } if !token.scopes.contains(&scope) => Err(Trouble::no_scope(scope.as_str())),
            Self::Program { visitor, .. } if !visitor.is_any(roles) => Err(Trouble::no_role(what)),
            Self::Program { .. } => Ok(()),
        }
    }

    /// What it is shown of what belongs to applications.
    pub(super) fn scope(&self, session: &Session, audit: Option<&str>) -> Result<Scope, Trouble> {
        match self {
            Self::Job { .. } if audit.is_some() => Err(Trouble::not_found("open audit")),
            Self::Job { admission, .. } => Ok(Scope::of_job(&admission.repository)),
            Self::Program { visitor, token, .. } => {
                let state = session.state();
                Scope::of(state, &visitor.person, &visitor.roles, audit)?.narrowed(state, &token.limits)
            }
        }
    }

    /// Whose visit it is, where it is somebody's.
    pub(super) const fn visit(&self) -> Option<(&Visit, &Visitor)> {
        match self {
            Self::Program { visit, visitor, .. } => Some((visit, visitor)),
            Self::Job { .. } => None,
        }
    }

    /// Who sends something.
    pub(super) fn sender(&self) -> Sender {
        match self {
            Self::Program { visitor, token, .. } => {
                Sender { person: Some(visitor.person.clone()), workload: None, token: token.token }
            }
            Self::Job { token, admission } => {
                Sender { person: None, workload: Some(admission.workload.clone()), token: *token }
            }
        }
    }
}

/// Who sends something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sender {
    /// Whose token was shown.
    pub(super) person: Option<PersonId>,
    /// Which job's.
    pub(super) workload: Option<String>,
    pub(super) token: Digest,
}

impl Sender {
    /// What tells it from others: a job's next token is the same sender's.
    pub(super) fn name(&self) -> &str {
        match (&self.person, &self.workload) {
            (Some(person), _) => person.as_str(),
            (None, Some(workload)) => workload,
            (None, None) => "",
        }
    }
}
