//! Applications: what the firm answers for.

use countersign_model::governance::Application as What;
use countersign_store::projection::Registered;

use super::ask::{Ask, id};
use super::wire::{Application, ApplicationList};
use crate::app::Trouble;

/// The applications, by id.
pub(super) fn list(ask: &Ask<'_>) -> Result<ApplicationList, Trouble> {
    let all = ask.state().applications()?;
    let inside = all.iter().filter(|row| ask.scope.has_application(&row.what.id));
    Ok(ApplicationList { items: inside.map(whole).collect() })
}

/// One application.
pub(super) fn one(ask: &Ask<'_>) -> Result<Application, Trouble> {
    let row = ask.state().application(ask.param("application"))?;
    Ok(whole(&row.ok_or_else(|| Trouble::not_found("application"))?))
}

fn whole(row: &Registered<What>) -> Application {
    let what = &row.what;
    Application {
        application: what.id.clone(),
        name: what.name.clone(),
        owner: id(&what.owner),
        deputy: what.deputy.as_ref().map(id),
        criticality: what.criticality.to_string(),
        data: what.data.iter().map(ToString::to_string).collect(),
        cardholder_scope: what.cardholder_scope.to_string(),
        sox_key_system: what.sox_key_system,
        repositories: what.repositories.clone(),
        index: row.index,
        by: id(&row.by),
        time: row.time,
        retired: row.retired,
    }
}
