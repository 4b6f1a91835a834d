//! Documents that are put in effect, which statements name by their digest: levels of enforcement, owners of gates, issuers of identity
//! tokens, policy bundles. Each is read from its file by the parser of its command, when the statement is given out and once more when it comes back.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use countersign_evidence::{act, canonical};
use countersign_govern::access::{Pen, policy};
use countersign_govern::{enforcement, gates, issuers};
use countersign_model::access::Issuers;
use countersign_model::event::{EnforcementActivated, GateOwnersAssigned, IssuersActivated, PolicyActivated};
use countersign_model::governance::GateOwners;
use countersign_model::{Digest, EventKind, PersonId, StreamId};
use countersign_policy::{Assignment, Bundle, Catalogue};
use countersign_stages::build::confined::ConfinedEngine;
use countersign_store::Session;
use countersign_store::handed::{Away, Document, HandedError, HandedIn, LARGEST_DOCUMENT, Written};
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::schema::{document, kind, line, or_null};
use super::super::told;
use super::{Act, Asked, Family, Looked, Said, alone, answer, no, read_as};
use crate::app::{Scope, Trouble};

pub(super) const FAMILY: Family = Family {
    kinds: &["enforcement-activate", "gate-activate", "issuer-activate", "policy-activate"],
    namespaces: &[act::ENFORCEMENT, act::GATE_OWNERS, act::ISSUERS, act::POLICY],
    read: read_as::<Activation>,
    of,
    schemas,
};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Put {
    document: Document,
    #[serde(default)]
    reason: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "kind", deny_unknown_fields)]
enum Activation {
    #[serde(rename = "enforcement-activate")]
    Levels(Put),
    #[serde(rename = "gate-activate")]
    Owners(Put),
    #[serde(rename = "issuer-activate")]
    Issuers(Put),
    #[serde(rename = "policy-activate")]
    Policy(Put),
}

fn schemas() -> Vec<Value> {
    let one = |name, says| kind(name, says, &[("document", document())], &[("reason", or_null(line("Why.")))]);
    vec![
        one("enforcement-activate", "How strongly each control holds a change up is as this file says from here on."),
        one(
            "gate-activate",
            "Who answers for each gate is as this file says from here on; people are named by name or id.",
        ),
        one(
            "issuer-activate",
            "Identity tokens of the issuers in this file are believed from here on, and of no others.",
        ),
        one(
            "policy-activate",
            "This policy bundle decides from here on: `{\"files\":{PATH:TEXT},\"version\":1}` as canonical JSON (RFC 8785).",
        ),
    ]
}

fn of(handed: &HandedIn) -> Result<Asked, HandedError> {
    alone(handed)?;
    let namespace = handed.namespace();
    let put = |reason| Ok(Put { document: handed.document()?.clone(), reason });
    Ok(Box::new(match namespace {
        act::ENFORCEMENT => Activation::Levels(put(handed.said::<EnforcementActivated>(namespace)?.reason)?),
        act::GATE_OWNERS => Activation::Owners(put(handed.said::<GateOwnersAssigned>(namespace)?.reason)?),
        act::ISSUERS => Activation::Issuers(put(handed.said::<IssuersActivated>(namespace)?.reason)?),
        act::POLICY => Activation::Policy(put(handed.said::<PolicyActivated>(namespace)?.reason)?),
        _ => return Err(no("it puts no document in effect")),
    }))
}

/// A document, as it was read.
enum Read {
    Levels(Assignment),
    Owners(GateOwners),
    Issuers(Issuers),
    Policy(Bundle),
}

impl Activation {
    const fn put(&self) -> &Put {
        match self {
            Self::Levels(put) | Self::Owners(put) | Self::Issuers(put) | Self::Policy(put) => put,
        }
    }

    /// Reads the file as its command does.
    fn document(&self, session: &Session, catalogue: &Catalogue) -> Result<Read, Trouble> {
        let Document { file, text, only } = &self.put().document;
        if text.len() > LARGEST_DOCUMENT {
            return Err(Trouble::too_much(LARGEST_DOCUMENT as u64));
        }
        let is_name = |text: &String| !text.is_empty() && text.len() <= 1000 && !text.chars().any(char::is_control);
        if !is_name(file) || only.len() > 200 || !only.iter().all(is_name) {
            return Err(Trouble::bad_body("the file's name, or what is named of it, is not as the document says"));
        }
        if !matches!(self, Self::Issuers(_)) && !only.is_empty() {
            return Err(Trouble::bad_body(
                "a part of this document alone is not put in effect: `only` is not as the document says",
            ));
        }
        let read = match self {
            Self::Levels(_) => enforcement::parse(file, text, catalogue).map(Read::Levels),
            Self::Owners(_) => gates::parse(session.state(), file, text).and_then(|owners| {
                gates::check_open(session, &ConfinedEngine, file, &owners)?;
                Ok(Read::Owners(owners))
            }),
            Self::Issuers(_) => issuers::parse(file, text, only).map(Read::Issuers),
            // Compiled as the command does it, and not in this process: it is somebody's program.
            Self::Policy(_) => Bundle::from_bytes(text.as_bytes())
                .and_then(|bundle| ConfinedEngine.check(&bundle).map(|()| Read::Policy(bundle)))
                .map_err(countersign_govern::Error::from),
        };
        read.map_err(|e| match told(&e) {
            // It is not of the ledger yet: what cannot be read is its sender's.
            trouble if trouble.status == StatusCode::FORBIDDEN => {
                Trouble { status: StatusCode::BAD_REQUEST, ..trouble }
            }
            trouble => trouble,
        })
    }
}

impl Act for Activation {
    fn command(&self) -> &'static str {
        match self {
            Self::Levels(_) => "enforcement activate",
            Self::Owners(_) => "gate activate",
            Self::Issuers(_) => "issuer activate",
            Self::Policy(_) => "policy activate",
        }
    }

    fn event(&self) -> EventKind {
        match self {
            Self::Levels(_) => EventKind::EnforcementActivated,
            Self::Owners(_) => EventKind::GateOwnersAssigned,
            Self::Issuers(_) => EventKind::IssuersActivated,
            Self::Policy(_) => EventKind::PolicyActivated,
        }
    }

    fn stream(&self, _: &HandedIn) -> Result<Option<StreamId>, HandedError> {
        Ok(Some(match self {
            Self::Levels(_) => enforcement::stream(),
            Self::Owners(_) => gates::stream(),
            Self::Issuers(_) => issuers::stream(),
            Self::Policy(_) => policy::stream(),
        }))
    }

    fn inside(&self, _: &Session, _: &Scope) -> Result<(&'static str, bool), Trouble> {
        // They hold for the firm.
        Ok(("document", false))
    }

    fn looked_at(&self, session: &Session) -> Result<Looked, Trouble> {
        let state = session.state();
        let in_effect: Option<Digest> = match self {
            Self::Levels(_) => state.assignment()?.map(|a| a.digest),
            Self::Owners(_) => state.gate_owners()?.map(|o| o.digest),
            Self::Issuers(_) => state.issuers()?.map(|i| i.digest),
            Self::Policy(_) => state.bundle().map(|b| b.digest),
        };
        let mut about = json!({"in_effect": in_effect});
        if let Self::Owners(put) = self {
            // Who is named is looked up here; whoever signs looks whether it is whom they named.
            // What is wrong with the file is told by the use case, to whoever may.
            if let Ok(owners) = gates::parse(state, &put.document.file, &put.document.text) {
                let mut names = BTreeMap::<PersonId, String>::new();
                for person in owners.people() {
                    names.insert(person.clone(), state.label(person)?);
                }
                about["owners"] = json!(owners);
                about["names"] = json!(names);
            }
        }
        Looked::at(&json!({"in_effect": in_effect}), about)
    }

    fn say(&self, session: &mut Session, catalogue: &Catalogue, away: Away<'_>) -> Result<Written<u64>, Trouble> {
        let pen = Pen::Away(away);
        // Whoever may not is told that, and not what is wrong with the file or who is enrolled.
        let may = match self {
            Self::Levels(_) => enforcement::may_activate(session, pen),
            Self::Owners(_) => gates::may_activate(session, pen),
            Self::Issuers(_) => issuers::may_activate(session, pen),
            Self::Policy(_) => policy::may_activate(session, pen).map(drop),
        };
        may.map_err(|e| told(&e))?;
        let reason = self.put().reason.as_deref();
        let said = match self.document(session, catalogue)? {
            Read::Levels(assignment) => enforcement::activate(session, &assignment, reason, pen),
            Read::Owners(owners) => gates::activate(session, &owners, reason, pen),
            Read::Issuers(issuers) => issuers::activate(session, &issuers, reason, pen),
            Read::Policy(bundle) => policy::activate(session, &bundle, reason, pen),
        };
        said.map_err(|e| told(&e))
    }

    fn already(&self, session: &mut Session) -> Result<Value, Trouble> {
        let missing = || Trouble::internal("a document was in effect, and none is");
        Ok(answer(
            None,
            match self {
                Self::Levels(_) => json!({"assignment": session.state().assignment()?.ok_or_else(missing)?.digest}),
                Self::Owners(_) => {
                    json!({"said": gates::in_effect(session).map_err(|e| told(&e))?.ok_or_else(missing)?.1})
                }
                Self::Issuers(_) => {
                    json!({"issuers": issuers::in_effect(session).map_err(|e| told(&e))?.ok_or_else(missing)?.1})
                }
                Self::Policy(_) => json!({"bundle": session.state().bundle().ok_or_else(missing)?.digest}),
            },
        ))
    }

    /// What the entry says, whatever file was handed in beside the act this time.
    fn result(&self, session: &mut Session, said: &Said<'_>) -> Result<Value, Trouble> {
        let end = said.index.saturating_add(1);
        let entry = session.ledger().entries(said.index..end)?.pop();
        let blob = entry.and_then(|(_, entry)| entry.attachments.into_iter().next());
        let blob = blob.ok_or_else(|| Trouble::internal("a document was appended without it"))?;
        let document = session.ledger().payload(&blob)?;
        Ok(said.with(match self {
            Self::Levels(_) => json!({"assignment": Digest::of(&document)}),
            Self::Owners(_) => json!({"said": canonical::from_slice::<Value>(&document)?}),
            Self::Issuers(_) => json!({"issuers": canonical::from_slice::<Value>(&document)?}),
            Self::Policy(_) => json!({"bundle": Bundle::from_bytes(&document).map_err(|e| told(&e))?.digest()}),
        }))
    }
}
