//! Revocation lists of OpenSSH. They are of the whole firm, so no token that is limited opens them. What is signed names the list by its
//! digest, with what is in it; of key ids that may name somebody it has pseudonyms, which only the ledger can make. So the list comes along.

use countersign_evidence::{act, to_base64};
use countersign_govern::access::{Pen, revocation_lists};
use countersign_model::event::RevocationListImported;
use countersign_model::{EventKind, StreamId};
use countersign_policy::Catalogue;
use countersign_store::Session;
use countersign_store::handed::{Away, HandedError, HandedIn, Written};
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::schema::{kind, line, list};
use super::super::{list_of, told};
use super::{Act, Asked, Family, Looked, Said, alone, read_as};
use crate::app::{Scope, Trouble};

pub(super) const FAMILY: Family =
    Family { kinds: &["person-krl-import"], namespaces: &[act::REVOCATION_LIST], read: read_as::<Lists>, of, schemas };

/// Bytes of a statement that are given out: beside its list it fits into what is taken.
const LARGEST_STATEMENT: usize = 1 << 20;

#[derive(Debug, Deserialize)]
#[serde(tag = "kind", deny_unknown_fields)]
enum Lists {
    #[serde(rename = "person-krl-import")]
    Import { list: String, reason: String },
}

fn schemas() -> Vec<Value> {
    vec![kind(
        "person-krl-import",
        "What a revocation list of OpenSSH names counts no more.",
        &[("list", list()), ("reason", line("Why."))],
        &[],
    )]
}

fn of(handed: &HandedIn) -> Result<Asked, HandedError> {
    alone(handed)?;
    let said: RevocationListImported = handed.said(act::REVOCATION_LIST)?;
    Ok(Box::new(Lists::Import { list: to_base64(handed.list()?), reason: said.reason }))
}

impl Act for Lists {
    fn command(&self) -> &'static str {
        "person krl import"
    }

    fn event(&self) -> EventKind {
        EventKind::RevocationListImported
    }

    fn stream(&self, _: &HandedIn) -> Result<Option<StreamId>, HandedError> {
        Ok(Some(revocation_lists::stream()))
    }

    fn inside(&self, _: &Session, _: &Scope) -> Result<(&'static str, bool), Trouble> {
        Ok(("revocation list", false))
    }

    /// The list before.
    fn looked_at(&self, session: &Session) -> Result<Looked, Trouble> {
        let newest = session.state().revocation_lists()?.pop();
        let about = newest.map(|row| json!({"number": row.number.to_string(), "index": row.index}));
        let about = json!({"before": about});
        Looked::at(&about, about.clone())
    }

    fn say(&self, session: &mut Session, _: &Catalogue, away: Away<'_>) -> Result<Written<u64>, Trouble> {
        let Self::Import { list, reason } = self;
        let said = revocation_lists::import(session, &list_of(list)?, reason, Pen::Away(away));
        match said.map(|(_, written)| written).map_err(|e| told(&e))? {
            Written::ToSign { acts, .. } if acts.iter().any(|one| one.statement.len() > LARGEST_STATEMENT) => {
                Err(Trouble::too_large_list(LARGEST_STATEMENT))
            }
            written => Ok(written),
        }
    }

    fn result(&self, session: &mut Session, said: &Said<'_>) -> Result<Value, Trouble> {
        let signed: RevocationListImported = said.handed.said(act::REVOCATION_LIST).map_err(|e| told(&e))?;
        let ended = revocation_lists::ended(session, said.index).map_err(|e| told(&e))?;
        Ok(ended.document(&signed.number, said.index))
    }
}
