//! People: who asks, and who is enrolled.

use countersign_model::audit::threads::MaskedField;

use super::ask::{Ask, count, id};
use super::caller::Caller;
use super::wire::{Me, Person, PersonList};
use crate::app::Trouble;

pub(super) fn me(ask: &Ask<'_>) -> Result<Me, Trouble> {
    let Caller::Program { visitor, token, .. } = ask.caller else { return Err(Trouble::not_of_jobs()) };
    Ok(Me {
        person: id(&visitor.person),
        name: visitor.name.clone(),
        roles: visitor.roles.iter().copied().collect(),
        token: token.token,
        applications: token.limits.applications.iter().cloned().collect(),
        repositories: token.limits.repositories.iter().cloned().collect(),
        scopes: token.scopes.iter().copied().collect(),
        expires: token.expires,
    })
}

pub(super) fn list(ask: &Ask<'_>) -> Result<PersonList, Trouble> {
    let visitor = ask.visitor()?;
    let line = |p: countersign_store::projection::Person| Person {
        person: id(&p.id),
        keys: count(p.keys.len()),
        name: p.name.filter(|_| !ask.scope.hides(MaskedField::Names) || p.id == visitor.person),
        roles: p.roles.into_iter().collect(),
        index: p.index,
    };
    Ok(PersonList { items: ask.state().people()?.into_iter().map(line).collect() })
}
