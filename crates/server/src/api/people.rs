//! People: who asks, and who is enrolled.

use countersign_model::audit::threads::MaskedField;

use super::ask::{Ask, count, id};
use super::wire::{Me, Person, PersonList};
use crate::app::Trouble;

pub(super) fn me(ask: &Ask<'_>) -> Result<Me, Trouble> {
    Ok(Me {
        person: id(&ask.visitor.person),
        name: ask.visitor.name.clone(),
        roles: ask.visitor.roles.iter().copied().collect(),
        token: ask.token.token,
        applications: ask.token.limits.applications.iter().cloned().collect(),
        repositories: ask.token.limits.repositories.iter().cloned().collect(),
        scopes: ask.token.scopes.iter().copied().collect(),
        expires: ask.token.expires,
    })
}

pub(super) fn list(ask: &Ask<'_>) -> Result<PersonList, Trouble> {
    let line = |p: countersign_store::projection::Person| Person {
        person: id(&p.id),
        keys: count(p.keys.len()),
        name: p.name.filter(|_| !ask.scope.hides(MaskedField::Names) || p.id == ask.visitor.person),
        roles: p.roles.into_iter().collect(),
        index: p.index,
    };
    Ok(PersonList { items: ask.state().people()?.into_iter().map(line).collect() })
}
