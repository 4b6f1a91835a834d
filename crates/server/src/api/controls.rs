//! Controls, and what each was applied to.

use countersign_govern::assess::Window;
use countersign_govern::audit::population;

use super::ask::{Ask, count};
use super::frameworks::{as_of, newest};
use super::wire::{ControlLine, ControlList, Member, Population};
use crate::app::{Trouble, WINDOW_DAYS};

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
    const DAY: i64 = 24 * 60 * 60;
    let id = ask.param("control");
    if ask.app.catalogue.get(id).is_none() {
        return Err(Trouble::not_found("control"));
    }
    let to = ask.day("to").unwrap_or_else(|| ask.now().plus_seconds(1));
    let from = ask.day("from").unwrap_or_else(|| to.plus_seconds(-WINDOW_DAYS * DAY));
    if from >= to {
        return Err(Trouble::bad_query("the window is over before it begins", "`from` comes before `to`"));
    }
    let applications: Vec<String> = ask.filter("application").map(str::to_owned).into_iter().collect();
    if applications.iter().any(|id| !ask.scope.has_application(id)) {
        return Err(Trouble::not_found("application"));
    }
    let (window, applications) = ask.scope.population(ask.now(), Window { from, to }, applications)?;
    let p = population::population(ask.session, &ask.app.catalogue, id, window, &applications)?;
    let root = p.root()?;
    let (all, exceptions) = (p.members.len(), p.exceptions());
    let skipped = usize::try_from(ask.number("after").unwrap_or(0)).unwrap_or(usize::MAX);
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
        control: p.control,
        definition: p.definition,
        query: p.query,
        from: p.window.from,
        to: p.window.to,
        size: p.size,
        count: count(all),
        exceptions,
        root,
        members: p.members.into_iter().skip(skipped).take(limit).map(member).collect(),
        next: (end < all).then_some(count(end)),
    })
}
