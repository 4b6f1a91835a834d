//! Whose accounts elsewhere are. They are of the whole firm, so no token that is limited opens them. Which account it is, is sealed with the key
//! of whom it belongs to, and stands in nothing that is signed: there it is a pseudonym, which only the ledger can make.

use countersign_evidence::act;
use countersign_govern::access::Pen;
use countersign_govern::access::accounts::{self, Linked};
use countersign_model::access::account::Account;
use countersign_model::event::{AccountLinked, AccountUnlinked};
use countersign_model::{EventKind, PersonId, StreamId};
use countersign_policy::Catalogue;
use countersign_store::Session;
use countersign_store::handed::{Away, HandedError, HandedIn, Written};
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::schema::{kind, line, or_null};
use super::people::{looked_at, person};
use super::{Act, Asked, Family, Looked, Said, alone, no, read_as, told_of_people};
use crate::app::{Scope, Trouble};

pub(super) const FAMILY: Family = Family {
    kinds: &["person-account-add", "person-account-remove"],
    namespaces: &[act::ACCOUNT, act::ACCOUNT_REMOVAL],
    read: read_as::<Accounts>,
    of,
    schemas,
};

#[derive(Debug, Deserialize)]
#[serde(tag = "kind", deny_unknown_fields)]
enum Accounts {
    #[serde(rename = "person-account-add")]
    Add {
        person: String,
        issuer: String,
        subject: String,
        #[serde(default)]
        login: Option<String>,
    },
    #[serde(rename = "person-account-remove")]
    Remove {
        person: String,
        issuer: String,
        subject: String,
        reason: String,
        /// What was signed names it so.
        #[serde(skip)]
        pseudonym: Option<String>,
    },
}

fn schemas() -> Vec<Value> {
    let account = || {
        [
            person(),
            ("issuer", line("Who issues tokens about the account, exactly as in `iss`.")),
            ("subject", line("What they call it: at forges its number, which stays when it is renamed.")),
        ]
    };
    let login = or_null(line("What it is called there; nothing is concluded from it."));
    let [who, issuer, subject] = account();
    vec![
        kind(
            "person-account-add",
            "An account elsewhere is somebody's. It is sealed with the key of whom it belongs to.",
            &account(),
            &[("login", login)],
        ),
        kind(
            "person-account-remove",
            "An account elsewhere is not somebody's any more.",
            &[who, issuer, subject, ("reason", line("Why."))],
            &[],
        ),
    ]
}

fn of(handed: &HandedIn) -> Result<Asked, HandedError> {
    alone(handed)?;
    let namespace = handed.namespace();
    // Which account it is, is in what is sealed, and nowhere else.
    let (issuer, subject) = (String::new(), String::new());
    Ok(Box::new(match namespace {
        act::ACCOUNT => {
            let p: AccountLinked = handed.said(namespace)?;
            Accounts::Add { person: p.person.to_string(), issuer, subject, login: None }
        }
        act::ACCOUNT_REMOVAL => {
            let p: AccountUnlinked = handed.said(namespace)?;
            let (person, reason) = (p.person.to_string(), p.reason);
            Accounts::Remove { person, issuer, subject, reason, pseudonym: Some(p.account) }
        }
        _ => return Err(no("it is no act about an account")),
    }))
}

impl Accounts {
    /// Whose it is.
    fn person(&self) -> &str {
        match self {
            Self::Add { person, .. } | Self::Remove { person, .. } => person,
        }
    }
}

fn account(issuer: &str, subject: &str, login: Option<&str>) -> Result<Account, Trouble> {
    Account::new(issuer, subject, login).map_err(|e| Trouble::bad_body(&e.to_string()))
}

impl Act for Accounts {
    fn command(&self) -> &'static str {
        match self {
            Self::Add { .. } => "person account add",
            Self::Remove { .. } => "person account remove",
        }
    }

    fn event(&self) -> EventKind {
        match self {
            Self::Add { .. } => EventKind::AccountLinked,
            Self::Remove { .. } => EventKind::AccountUnlinked,
        }
    }

    fn stream(&self, _: &HandedIn) -> Result<Option<StreamId>, HandedError> {
        Ok(Some(StreamId::from(&PersonId::from_text(self.person()))))
    }

    fn inside(&self, _: &Session, _: &Scope) -> Result<(&'static str, bool), Trouble> {
        Ok(("person", false))
    }

    fn looked_at(&self, session: &Session) -> Result<Looked, Trouble> {
        looked_at(session.state(), self.person())
    }

    fn say(&self, session: &mut Session, _: &Catalogue, away: Away<'_>) -> Result<Written<u64>, Trouble> {
        let pen = Pen::Away(away);
        let said = match (self, away) {
            (Self::Add { person, .. }, Away::Signed(handed)) => accounts::handed_in(session, person, handed)
                .and_then(|account| accounts::link(session, person, &account, pen)),
            (Self::Add { person, issuer, subject, login }, Away::Asked { .. }) => {
                accounts::link(session, person, &account(issuer, subject, login.as_deref())?, pen)
            }
            (Self::Remove { person, reason, pseudonym: Some(name), .. }, _) => {
                accounts::unlink(session, person, Linked::Pseudonym(name), reason, pen)
            }
            (Self::Remove { person, issuer, subject, reason, pseudonym: None }, _) => {
                let account = account(issuer, subject, None)?;
                accounts::unlink(session, person, Linked::Account(&account), reason, pen)
            }
        };
        said.map(|(_, written)| written).map_err(|e| told_of_people(&e))
    }

    fn result(&self, _: &mut Session, said: &Said<'_>) -> Result<Value, Trouble> {
        Ok(said.with(json!({"person": self.person()})))
    }
}
