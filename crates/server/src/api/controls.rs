//! Controls, and what each was applied to.

use countersign_govern::audit::population;

use super::ask::{Ask, count};
use super::frameworks::{as_of, newest};
use super::wire::{ControlLine, ControlList, Member, Population};
use crate::app::Trouble;
use crate::app::populations::{Asked, Stands};

pub(super) fn list(ask: &Ask<'_>) -> Result<ControlList, Trouble> {
    let a = newest(ask)?;
    let wanted = ask.outcome();
    let chosen = a.controls.iter().filter(|c| wanted.is_none_or(|o| o == c.judgement.outcome));
    let line = |c: &countersign_govern::assess::JudgedControl| ControlLine {
        control: c.id.clone(),
        title: c.title.clone(),
        outcome: c.judgement.outcome,
        why: c.judgement.why.clone(),
        judged_over: count(c.judgement.population),
        broken_by: count(c.judgement.failing.len()),
        owner: c.owner.clone(),
        sla_hours: c.sla_hours.into(),
    };
    Ok(ControlList { items: chosen.map(line).collect(), as_of: as_of(&a) })
}

pub(super) fn population(ask: &Ask<'_>) -> Result<Population, Trouble> {
    let id = ask.param("control");
    if ask.app.catalogue.get(id).is_none() {
        return Err(Trouble::not_found("control"));
    }
    let applications: Vec<String> = ask.filter("application").map(str::to_owned).into_iter().collect();
    let asked = Asked { from: ask.day("from"), to: ask.day("to"), applications };
    let now = ask.now();
    let window = asked.window(now);
    if window.from >= window.to {
        return Err(Trouble::bad_query("the window is over before it begins", "`from` comes before `to`"));
    }
    if asked.applications.iter().any(|id| !ask.scope.has_application(id)) {
        return Err(Trouble::not_found("application"));
    }
    let asked = asked.inside(&ask.scope, now)?;
    let after = ask.number("after");
    let Stands::Ready(of) = ask.app.populations.stands(ask.session, &asked, after.is_some())? else {
        return Err(Trouble::population_being_read());
    };
    let p = of.get(id)?;
    let all = p.count();
    let skipped = usize::try_from(after.unwrap_or(0)).unwrap_or(usize::MAX);
    let limit = ask.limit() as usize;
    let member = |m: population::Member| Member {
        subject: m.subject,
        time: m.time,
        outcome: m.outcome,
        text: m.text,
        entries: m.entries,
    };
    let end = skipped.saturating_add(limit);
    Ok(Population {
        control: id.to_owned(),
        definition: p.definition(),
        query: p.query().to_owned(),
        from: of.window.from,
        to: of.window.to,
        size: of.size,
        count: count(all),
        exceptions: p.exceptions(),
        root: p.root(),
        members: p.members(skipped..end).into_iter().map(member).collect(),
        next: (end < all).then_some(count(end)),
    })
}
