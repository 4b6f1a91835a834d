//! Controls: did it operate, over what, what broke it, and who answers for it.

use countersign_govern::assess::Window;
use countersign_govern::audit::population;
use countersign_model::{Outcome, Timestamp};
use maud::{Markup, html};

use super::frameworks::{about, asked, filters, newest};
use crate::app::Trouble;
use crate::web::layout::Page;
use crate::web::look::Look;
use crate::web::parts;

/// Outcomes of controls in the order of the filters.
const OUTCOMES: [Outcome; 4] = [Outcome::Fail, Outcome::Error, Outcome::NotEvaluated, Outcome::Pass];
/// Rows of what broke it, and of a population, on one page; the rest is counted.
const SHOWN: usize = 200;

pub(crate) fn list(look: &mut Look<'_>) -> Result<Page, Trouble> {
    let a = match newest(look) {
        Ok(a) => a,
        Err(page) => return Ok(page),
    };
    let wanted = asked(look, &OUTCOMES)?;
    let outcomes: Vec<Outcome> = a.controls.iter().map(|c| c.judgement.outcome).collect();
    let rows: Vec<Markup> = a
        .controls
        .iter()
        .filter(|c| wanted.is_none_or(|o| o == c.judgement.outcome))
        .map(|c| {
            html! {
                tr {
                    td.wide { a href={ "/controls/" (c.id) } { (c.id) } div.quiet { (c.title) } }
                    td { (parts::outcome(c.judgement.outcome)) }
                    td.long { (c.judgement.why) }
                    td.n { (c.judgement.population) }
                    td.n { (c.judgement.failing.len()) }
                    td { (c.owner) }
                    td.n { (c.sla_hours) " h" }
                }
            }
        })
        .collect();
    let body = html! {
        (filters(look, "/controls", &OUTCOMES, &outcomes))
        (parts::table("Controls", &["Control", "State", "Why", "Judged over", "Broken by", "Owner", "Answered within"], &rows, "No control is like that."))
        (about(&a))
    };
    Ok(Page::new("Controls", body).aside(html! { (rows.len()) " in this list" }).live())
}

pub(crate) fn one(look: &mut Look<'_>) -> Result<Page, Trouble> {
    let a = match newest(look) {
        Ok(a) => a,
        Err(page) => return Ok(page),
    };
    let id = look.param("control");
    let control = look.app.catalogue.get(id).ok_or_else(|| Trouble::not_found("control"))?;
    let judged = a.controls.iter().find(|c| c.id == id).ok_or_else(|| Trouble::not_found("control"))?;
    let j = &judged.judgement;
    let broken: Vec<Markup> = j
        .failing
        .iter()
        .take(SHOWN)
        .map(|f| {
            html! { tr { td { (subject(&f.subject)) } td { (f.text) } td { @for index in f.entries.iter().take(8) { (parts::entry(*index)) " " } } } }
        })
        .collect();
    let body = html! {
        p { (control.objective) }
        (parts::facts(&[
            ("Owner", html! { (control.owner) ", in their absence " (control.deputy) }),
            ("A breach is answered within", html! { (control.sla_hours) " hours" }),
            ("Operates", html! { (format!("{:?}", control.frequency).to_lowercase()) }),
            ("Judged over", html! { (j.population) }),
            ("Version of its file", parts::short(&control.digest.to_string())),
            ("Requirements", html! { @for (r, _) in &control.requirements { (requirement(r)) " " } }),
        ]))
        @if let Some(attests) = &control.attests { p { strong { "People attest besides: " } (attests) } }
        p { (j.why) @if !j.missing.is_empty() { " Missing: " (j.missing.join(", ")) "." } }
        (parts::section("What breaks it", &html! {
            (parts::table("What breaks it", &["What", "Why", "Entries"], &broken, "Nothing does."))
            @if j.failing.len() > SHOWN { p.quiet { "and " (j.failing.len() - SHOWN) " more" } }
        }))
        section {
            h2 { "Evidence" }
            p {
                (j.entries_in_all) " entries"
                @if !j.entries.is_empty() { ", among them " @for index in j.entries.iter().take(20) { (parts::entry(*index)) " " } }
            }
        }
        @if control.decides.is_some() {
            section {
                h2 { "Population" }
                p { a href={ "/controls/" (id) "/population" } { "Everything it was applied to" } ", for an auditor to choose from." }
            }
        }
        (about(&a))
    };
    Ok(Page::new(control.title.clone(), body).aside(parts::outcome(j.outcome)).live())
}

/// A subject that has a page leads to it.
fn subject(subject: &str) -> Markup {
    html! { @if subject.starts_with("run-") { a href={ "/runs/" (subject) } { (subject) } } @else { code { (subject) } } }
}

/// `framework:clause` leads to the framework.
fn requirement(text: &str) -> Markup {
    let (framework, _) = text.split_once(':').unwrap_or((text, ""));
    html! { a href={ "/frameworks/" (framework) } { (text) } }
}

/// A day in the address, at its beginning.
fn day(look: &Look<'_>, name: &str) -> Result<Option<Timestamp>, Trouble> {
    let read = |text: &str| {
        let whole = format!("{text}T00:00:00Z");
        whole.parse().map_err(|_| Trouble::bad_request(&format!("`{name}` in the address is no day, as in 2026-07-01")))
    };
    look.filter(name).map(read).transpose()
}

/// Everything that the control was applied to in a window: the query, its parameters, how many, and the root over them.
pub(crate) fn population(look: &mut Look<'_>) -> Result<Page, Trouble> {
    const DAY: i64 = 24 * 60 * 60;
    let id = look.param("control");
    if look.app.catalogue.get(id).is_none() {
        return Err(Trouble::not_found("control"));
    }
    let now = look.now();
    let to = day(look, "to")?.unwrap_or_else(|| now.plus_seconds(1));
    let from = day(look, "from")?.unwrap_or_else(|| to.plus_seconds(-90 * DAY));
    if from >= to {
        return Err(Trouble::bad_request("the window is over before it begins: `from` comes before `to`"));
    }
    let applications: Vec<String> = look.filter("application").map(str::to_owned).into_iter().collect();
    let window = Window { from, to };
    let p = population::population(look.session, &look.app.catalogue, id, window, &applications)?;
    let rows: Vec<Markup> = p
        .members
        .iter()
        .take(SHOWN)
        .map(|m| {
            html! {
                tr {
                    td { (subject(&m.subject)) }
                    td { (parts::time(m.time)) }
                    td { (parts::outcome(m.outcome)) @if let Some(text) = &m.text { div.quiet { (text) } } }
                    td { @for index in m.entries.iter().take(8) { (parts::entry(*index)) " " } }
                }
            }
        })
        .collect();
    let root = p.root()?;
    let said = format!(
        "operated {} of {} times, {} exceptions",
        p.members.len() as u64 - p.exceptions(),
        p.members.len(),
        p.exceptions()
    );
    let (from, to) = (p.window.from.to_string(), p.window.to.to_string());
    let applications = look.state().applications()?;
    let chosen = look.filter("application").unwrap_or("");
    let here = format!("/controls/{id}/population");
    let body = html! {
        form.search method="get" action=(here) role="search" {
            label { "From " input type="date" name="from" value=(look.filter("from").unwrap_or("")); }
            label { "Before " input type="date" name="to" value=(look.filter("to").unwrap_or("")); }
            label { "Application "
                select name="application" {
                    option value="" { "all" }
                    @for app in &applications { option value=(app.what.id) selected[chosen == app.what.id] { (app.what.id) } }
                }
            }
            button type="submit" { "Show" }
        }
        (parts::facts(&[
            ("The control's sentence", html! { strong { (said) } }),
            ("Query", html! { code { (p.query) } }),
            ("From", html! { code { (from) } }),
            ("Before", html! { code { (to) } }),
            ("Read up to", parts::entry(p.size.saturating_sub(1))),
            ("Rows", html! { (p.members.len()) }),
            ("Root over them (RFC 6962)", html! { code { (root) } }),
            ("Control's version", parts::short(&p.definition.to_string())),
        ]))
        (parts::table("Population", &["What", "When", "State", "Entries"], &rows, ""))
        @if p.members.len() > SHOWN { p.quiet { "and " (p.members.len() - SHOWN) " more; all of them by the command below" } }
        section {
            h2 { "To take away, and to sample" }
            p { "Sealed first, so that nobody chooses what is looked at; then the auditor names a seed:" }
            pre { code {
                "countersign audit population --control " (id) " --from " (from) " --to " (to) " --format csv\n"
                "countersign audit population --control " (id) " --from " (from) " --to " (to) " --seal\n"
                "countersign audit sample --population ENTRY --seed SEED"
            } }
        }
    };
    Ok(Page::new(format!("Population of {id}"), body).aside(html! { (p.members.len()) " members" }))
}
