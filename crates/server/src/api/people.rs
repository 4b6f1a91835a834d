//! People: who asks, who is enrolled, and who holds which role.

use countersign_model::audit::threads::MaskedField;
use countersign_store::projection::{AuthorityRow, KeyRevocation, Leaving, ListRow, RoleEnd, RoleRow};

use super::ask::{Ask, count, id};
use super::caller::Caller;
use super::wire::{
    CertificateAuthority, CertificateAuthorityGone, CertificateAuthorityList, Me, Person, PersonGone, PersonKey,
    PersonList, RevocationListLine, RevocationLists, RoleGone, RoleGrant, RoleList, RoleRules,
};
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
    let leavings = ask.state().leavings()?;
    let line = |p: countersign_store::projection::Person| Person {
        person: id(&p.id),
        keys: count(p.keys.len()),
        signs_with: p.keys.iter().map(|key| PersonKey { key: key.fingerprint(), algorithm: key.algorithm() }).collect(),
        left: leavings.iter().rfind(|l| l.person == p.id).map(gone),
        name: p.name.filter(|_| !ask.scope.hides(MaskedField::Names) || p.id == visitor.person),
        roles: p.roles.into_iter().collect(),
        index: p.index,
    };
    Ok(PersonList { items: ask.state().people()?.into_iter().map(line).collect() })
}

fn gone(left: &Leaving) -> PersonGone {
    PersonGone {
        index: left.index,
        by: id(&left.by),
        time: left.time,
        reason: left.reason.clone(),
        returned: left.returned,
    }
}

/// Grants of roles: those that count now, or all.
pub(super) fn roles(ask: &Ask<'_>) -> Result<RoleList, Trouble> {
    let now = ask.state().moment();
    let (all, person) = (ask.filter("all").is_some(), ask.filter("person"));
    let mut rows = ask.state().role_grants()?;
    rows.retain(|row| (all || row.is_held(now)) && person.is_none_or(|id| row.person.as_str() == id));
    let line = |row: RoleRow| RoleGrant {
        state: row.state(now).to_owned(),
        person: id(&row.person),
        role: row.role,
        by: id(&row.by),
        reason: row.reason,
        time: row.time,
        expires: row.expires,
        index: row.index,
        ended: row.ended.map(ended),
    };
    Ok(RoleList { items: rows.into_iter().map(line).collect() })
}

fn ended(end: RoleEnd) -> RoleGone {
    RoleGone { index: end.index, by: id(&end.by), time: end.time, how: end.how.as_str().to_owned(), reason: end.reason }
}

pub(super) fn rules(ask: &Ask<'_>) -> Result<RoleRules, Trouble> {
    let rules = ask.state().role_rules()?;
    Ok(RoleRules { index: rules.index, refused: rules.refused, idle_days: rules.idle_days.into() })
}

/// Authorities whose certificates say whose keys are.
pub(super) fn authorities(ask: &Ask<'_>) -> Result<CertificateAuthorityList, Trouble> {
    let gone = |r: KeyRevocation| CertificateAuthorityGone {
        index: r.index,
        appended: r.placed,
        compromised_since: r.since,
        by: id(&r.by),
        reason: r.reason,
    };
    let line = |row: AuthorityRow| CertificateAuthority {
        fingerprint: row.fingerprint,
        people: row.people.iter().map(id).collect(),
        uses: row.uses,
        valid_after: row.valid_after,
        valid_before: row.valid_before,
        index: row.index,
        revoked: row.revoked.map(gone),
    };
    Ok(CertificateAuthorityList { items: ask.state().authorities()?.into_iter().map(line).collect() })
}

/// Revocation lists of OpenSSH that were imported.
pub(super) fn revocation_lists(ask: &Ask<'_>) -> Result<RevocationLists, Trouble> {
    let line = |row: ListRow| RevocationListLine {
        number: row.number.to_string(),
        digest: row.digest,
        appended: row.placed,
        index: row.index,
    };
    Ok(RevocationLists { items: ask.state().revocation_lists()?.into_iter().map(line).collect() })
}
