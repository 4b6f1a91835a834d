//! Frameworks: what a regulator would see of each, requirement by requirement.

use std::sync::Arc;

use countersign_govern::assess::{Assessed, Assessment};
use countersign_model::Outcome;
use maud::{Markup, html};

use crate::app::{Trouble, WINDOW_DAYS};
use crate::web::layout::Page;
use crate::web::look::Look;
use crate::web::parts::{self, Tone};

/// Outcomes of requirements in the order of the filters.
pub(super) const OUTCOMES: [Outcome; 6] =
    [Outcome::Fail, Outcome::Error, Outcome::NotEvaluated, Outcome::Pending, Outcome::Pass, Outcome::NotApplicable];

/// The newest assessment; until there is one, a page says so.
pub(super) fn newest(look: &Look<'_>) -> Result<Arc<Assessment>, Page> {
    match look.app.assessed.get() {
        (Some(newest), _) => Ok(newest),
        (None, Some(trouble)) => Err(Page::new(
            "No assessment",
            html! { p { (parts::state(Tone::Bad, "the assessment failed")) " " (trouble.text) } p { (trouble.help) } },
        )),
        (None, None) => Err(Page::new(
            "No assessment yet",
            html! { p.none data-waits=(*look.app.computed.borrow()) { "The first assessment is being computed; this page shows it when it is there." } },
        )
        .live()),
    }
}

/// What every page of an assessment says of it.
pub(super) fn about(look: &Look<'_>, a: &Assessment) -> Result<Markup, Trouble> {
    Ok(html! {
        p.quiet {
            "The last " (WINDOW_DAYS) " days, up to entry " (look.entry(a.size.saturating_sub(1))?) ", by the catalogue " (parts::short(&a.catalogue.to_string())) ". "
            @if !a.unreadable.is_empty() { (a.unreadable.len()) " things could not be read and count as errors. " }
            "The same, and other windows: " code { "countersign assess" } "."
        }
    })
}

/// An outcome that the address asks for, of those that a list has.
pub(super) fn asked(look: &Look<'_>, known: &[Outcome]) -> Result<Option<Outcome>, Trouble> {
    let find = |text: &str| {
        let found = known.iter().copied().find(|o| o.as_str() == text);
        found.ok_or_else(|| Trouble::bad_request("`outcome` in the address is none of this list"))
    };
    look.filter("outcome").map(find).transpose()
}

/// The filters by outcome, each with how many there are.
pub(super) fn filters(look: &Look<'_>, path: &str, known: &[Outcome], all: &[Outcome]) -> Markup {
    let chosen = look.filter("outcome").unwrap_or("");
    let link = |name: String, value: &str| (name, look.address(path, &[("outcome", value)]), chosen == value);
    let mut links = vec![link(format!("all {}", all.len()), "")];
    for outcome in known {
        let n = all.iter().filter(|o| *o == outcome).count();
        if n > 0 || chosen == outcome.as_str() {
            links.push(link(format!("{outcome} {n}"), outcome.as_str()));
        }
    }
    parts::filters("Outcome", &links)
}

pub(crate) fn list(look: &mut Look<'_>) -> Result<Page, Trouble> {
    let a = match newest(look) {
        Ok(a) => a,
        Err(page) => return Ok(page),
    };
    let body = html! { (table(&a)) (about(look, &a)?) };
    Ok(Page::new("Frameworks", body)
        .aside(html! { (a.frameworks.len()) " frameworks, maturity " (a.maturity.level) " of 4" })
        .live())
}

/// Every framework with how its requirements stand; each number leads to those requirements.
pub(super) fn table(a: &Assessment) -> Markup {
    let rows: Vec<Markup> = a
        .frameworks
        .iter()
        .map(|f| {
            let href = format!("/frameworks/{}", f.framework.id);
            html! {
                tr {
                    td.long { a href=(href) { (f.framework.title) } }
                    td { (parts::outcome(Outcome::all(f.requirements.iter().map(|r| r.outcome)))) }
                    td.n { a href=(href) { (f.requirements.len()) } }
                    @for outcome in OUTCOMES { td.n { (number(f, outcome, &href)) } }
                }
            }
        })
        .collect();
    let head =
        ["Framework", "State", "Requirements", "Fail", "Error", "No evidence", "To attest", "Pass", "Not applicable"];
    parts::list("Frameworks", &head, &rows, "No framework is in the catalogue.")
}

fn number(f: &Assessed, outcome: Outcome, href: &str) -> Markup {
    let n = f.requirements.iter().filter(|r| r.outcome == outcome).count();
    html! { @if n == 0 { span.quiet { "0" } } @else { a href={ (href) "?outcome=" (outcome) } { (n) } } }
}

pub(crate) fn one(look: &mut Look<'_>) -> Result<Page, Trouble> {
    let a = match newest(look) {
        Ok(a) => a,
        Err(page) => return Ok(page),
    };
    let id = look.param("framework");
    let f = a.frameworks.iter().find(|f| f.framework.id == id).ok_or_else(|| Trouble::not_found("framework"))?;
    let wanted = asked(look, &OUTCOMES)?;
    let outcomes: Vec<Outcome> = f.requirements.iter().map(|r| r.outcome).collect();
    let mut rows: Vec<Markup> = Vec::new();
    for r in f.requirements.iter().filter(|r| wanted.is_none_or(|o| o == r.outcome)) {
        let links = look.entries(&r.entries, 3)?;
        rows.push(html! {
                tr {
                    th scope="row" { (r.requirement.id) }
                    td.wide {
                        (r.requirement.duty)
                        div.quiet { (r.why) @if !r.missing.is_empty() { ". Missing: " (r.missing.join(", ")) } @if !r.requirement.verified { ". Not compared with its source" } }
                    }
                    td { (parts::outcome(r.outcome)) }
                    td.wide { @for (control, outcome) in &r.controls { div.pair { a href={ "/controls/" (control) } { (control) } " " (parts::outcome(*outcome)) } } }
                    td.n { (r.entries_in_all) }
                    td { (links) }
                }
        });
    }
    let here = format!("/frameworks/{id}");
    let body = html! {
        (parts::facts(&[
            ("Published by", html! { (f.framework.publisher) }),
            ("Source", html! { (f.framework.source) }),
            ("Compared with it on", html! { (f.framework.checked_on) }),
        ]))
        @if let Some(note) = &f.framework.note { p.quiet { (note) } }
        (filters(look, &here, &OUTCOMES, &outcomes))
        (parts::list("Requirements", &["Clause", "Duty, in our words", "State", "Controls", "Entries", "Among them"], &rows, "No requirement is like that."))
        (about(look, &a)?)
    };
    let aside = parts::outcome(Outcome::all(outcomes.iter().copied()));
    Ok(Page::new(f.framework.title.clone(), body).aside(aside).live())
}
