//! Environments: what runs where, was it let through, and is anything owed.

use countersign_model::access::emergencies::Owed;
use countersign_stages::release::break_glass::moment;
use countersign_store::projection::{Closed, DeploymentsAsked, Standing};
use maud::{Markup, html};

use super::seen;
use crate::app::Trouble;
use crate::web::layout::Page;
use crate::web::look::{Look, encode};
use crate::web::parts::{self, Tone};

/// Deployments that are listed; the rest is counted.
const SHOWN: u32 = 50;

pub(crate) fn list(look: &mut Look<'_>) -> Result<Page, Trouble> {
    let state = look.state();
    let at = moment(look.session)?;
    let only = match look.filter("drift") {
        None => false,
        Some("yes") => true,
        Some(_) => return Err(Trouble::bad_request("`drift` in the address is none")),
    };
    let mut emergencies = state.emergencies()?;
    emergencies.retain(|e| look.scope.has_emergency(e));
    let differences = look.scope.drifting_counts(state)?;
    let mut rows: Vec<Markup> = Vec::new();
    for env in state.environments()?.iter().filter(|e| e.retired.is_none()) {
        let id = &env.what.id;
        if !look.scope.has_environment(state, id)? {
            continue;
        }
        if only && !differences.contains_key(id) {
            continue;
        }
        let closed = state.closed(id, at)?;
        let compliant = emergencies.iter().filter(|e| e.opened.environment == *id).all(|e| e.is_compliant(at));
        let within = look.scope.within();
        let asked = DeploymentsAsked { environment: Some(id.clone()), within, ..DeploymentsAsked::default() };
        let own = state.deployments_count(&asked)?;
        let last = state.deployments_page(&asked, 1)?.pop();
        rows.push(html! {
            tr {
                td { a href={ "/environments/" (encode(id)) } { (id) } }
                td { (env.what.tier) }
                td { (openness(closed.as_ref())) }
                td { @if compliant { (parts::state(Tone::Good, "nothing overdue")) } @else { (parts::state(Tone::Bad, "overdue after an emergency")) } }
                td { (seen::standing(look, id, differences.get(id).copied())?) }
                td.n { (parts::number(own, &look.address("/deployments", &[("environment", id)]))) }
                td { @if let Some(last) = &last { (parts::time(last.time)) " " (parts::entry(last.index)) } }
            }
        });
    }
    let none = if only {
        "In no environment does what runs differ from what was let through, as far as anybody looked."
    } else {
        "No environment is registered: `countersign environment register ID --tier TIER`."
    };
    let head = ["Environment", "Tier", "Open", "Owed", "What runs", "Deployments", "Last"];
    let body = html! {
        @if only { p { "Those in which what runs differs from what was let through. " a href=(look.address("/environments", &[("drift", "")])) { "All environments" } } }
        (parts::list("Environments", &head, &rows, none))
    };
    let aside = html! { (rows.len()) @if only { " with drift" } @else { " registered" } };
    Ok(Page::new("Environments", body).aside(aside).live())
}

fn openness(closed: Option<&Closed>) -> Markup {
    match closed {
        None => parts::state(Tone::Good, "open"),
        Some(Closed::Frozen(f)) => html! { (parts::state(Tone::Wait, "frozen")) div.quiet { (f.reason) } },
        Some(Closed::OutsideWindows(_)) => parts::state(Tone::Wait, "outside its windows"),
    }
}

pub(crate) fn one(look: &mut Look<'_>) -> Result<Page, Trouble> {
    let id = look.param("environment").to_owned();
    let state = look.state();
    let at = moment(look.session)?;
    let known = state.environment(&id)?.ok_or_else(|| Trouble::not_found("environment"))?;
    let closed = state.closed(&id, at)?;
    let within = look.scope.within();
    let mut running: Vec<Markup> = Vec::new();
    for d in state.running(&id, within.as_ref())? {
        let glass = state.grant(&d.grant)?.and_then(|g| g.grant.break_glass);
        running.push(html! {
            tr {
                td { (parts::repository(Some(&d.repository))) }
                td { (parts::short(&d.commit)) }
                td { (parts::run(&d.run)) }
                td { @if let Some(id) = &glass { (parts::state(Tone::Bad, "past the gates")) " " code { (id) } } @else { (parts::state(Tone::Good, "by an approved run")) } }
                td { (parts::time(d.time)) " " (parts::entry(d.index)) }
            }
        });
    }
    let asked = DeploymentsAsked { environment: Some(id.clone()), within, ..DeploymentsAsked::default() };
    let own = state.deployments_count(&asked)?;
    let history: Vec<Markup> = state
        .deployments_page(&asked, SHOWN)?
        .into_iter()
        .map(|d| {
            let (tone, word) = if d.success { (Tone::Good, "deployed") } else { (Tone::Bad, "failed") };
            html! { tr { td { (parts::time(d.time)) } td { (parts::repository(Some(&d.repository))) } td { (parts::short(&d.commit)) } td { (parts::state(tone, word)) } td { (parts::run(&d.run)) } td { (parts::entry(d.index)) } } }
        })
        .collect();
    let mut emergencies: Vec<Markup> = Vec::new();
    for e in state.emergencies()?.iter().rev().filter(|e| e.opened.environment == id && look.scope.has_emergency(e)) {
        emergencies.push(html! {
            tr {
                td { code { (e.opened.id) } " " (parts::entry(e.index)) }
                td { @if e.is_open(at) { (parts::state(Tone::Bad, "open")) } @else { (parts::state(Tone::Quiet, "over")) } }
                td { (owed(e.standing(Owed::Ratification, at))) }
                td { (owed(e.standing(Owed::Review, at))) }
                td { (look.name(&e.opened.by)?) }
                td { (parts::time(e.opened.time)) }
            }
        });
    }
    let body = html! {
        (parts::facts(&[
            ("Tier", html! { (known.what.tier) }),
            ("Grants and deployments", openness(closed.as_ref())),
            ("Registered", html! { (parts::entry(known.index)) @if let Some(index) = known.retired { ", retired " (parts::entry(index)) } }),
        ]))
        (parts::section_at("drift", "Where what runs differs", &seen::differences(look, &id)?))
        (parts::section_at("seen", "What was seen there", &seen::snapshot(look, &id)?))
        (parts::section("What runs there, as far as deployments say", &parts::table("What runs there", &["Repository", "Commit", "Run", "Let through", "Since"], &running, "Nothing was deployed there.")))
        (parts::section("Emergencies", &parts::table("Emergencies", &["Break-glass", "State", "Ratification", "Review", "Opened by", "When"], &emergencies, "The glass was never broken here.")))
        (parts::section("Deployments", &html! {
            (parts::table("Deployments", &["When", "Repository", "Commit", "State", "Run", "Entry"], &history, "None ended."))
            @if own > u64::from(SHOWN) {
                p.quiet { "The newest " (SHOWN) " of " a href={ "/deployments?environment=" (encode(&id)) } { (parts::grouped(own)) } }
            }
        }))
    };
    Ok(Page::new(id.clone(), body).live())
}

fn owed(standing: Standing) -> Markup {
    match standing {
        Standing::Done => parts::state(Tone::Good, "done"),
        Standing::DoneLate => parts::state(Tone::Bad, "done late"),
        Standing::Owed => parts::state(Tone::Wait, "owed"),
        Standing::Overdue => parts::state(Tone::Bad, "overdue"),
    }
}
