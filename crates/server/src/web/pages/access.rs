//! Access: who is enrolled with which roles, how that is reviewed, and who came to this server.

use countersign_model::{Action, Role};
use maud::{Markup, html};

use crate::app::Trouble;
use crate::web::layout::Page;
use crate::web::look::Look;
use crate::web::parts::{self, Tone};

const VISITS: u32 = 50;

pub(crate) fn show(look: &mut Look<'_>) -> Result<Page, Trouble> {
    let state = look.state();
    let people = state.people()?;
    let mut rows: Vec<Markup> = Vec::new();
    let mut named = people.iter().map(|p| Ok((look.name(&p.id)?, p))).collect::<Result<Vec<_>, Trouble>>()?;
    named.sort_by(|(a, p), (b, q)| a.to_lowercase().cmp(&b.to_lowercase()).then(p.index.cmp(&q.index)));
    for (name, person) in &named {
        rows.push(html! {
                tr {
                    td { (name) }
                    td { code.id { (person.id) } }
                    td { @for role in &person.roles { span.tag { (role) } " " } @if person.roles.is_empty() { span.quiet { "none" } } }
                    td.n { (person.keys.len()) }
                    td { (parts::entry(person.index)) }
                }
        });
    }
    let body = html! {
        (parts::section("People", &parts::table("People", &["Name", "Id", "Roles", "Keys", "Enrolled"], &rows, "Nobody is enrolled.")))
        (parts::section("Access reviews", &reviews(look)?))
        (parts::section("Sign-ins", &visits(look)?))
        (parts::section("Jobs that came with their identity token", &jobs(look)?))
        (parts::section("Refused sign-ins", &refused(look)?))
        (parts::section("What auditors looked at", &views(look)?))
        (parts::section("Who may do what", &matrix()))
    };
    Ok(Page::new("Access", body).aside(parts::count(people.len(), "person", "people")))
}

/// Access reviews, newest first: how far each is, and whom it waits for.
fn reviews(look: &Look<'_>) -> Result<Markup, Trouble> {
    let now = look.now();
    let mut rows = Vec::new();
    for review in look.state().reviews()?.iter().rev() {
        let said = &review.opened;
        let decided = review.lines.iter().filter(|l| l.decided.is_some()).count();
        let mut waits = Vec::new();
        if review.closed.is_none() {
            for person in look.state().review_waits(&said.review)?.0 {
                waits.push(look.name(&person)?);
            }
            // Ids are random; people look for names.
            waits.sort_by_key(|name| name.to_lowercase());
        }
        let state = match &review.closed {
            Some((index, _)) => html! { (parts::state(Tone::Quiet, "closed")) " " (parts::entry(*index)) },
            None if now >= said.due => parts::state(Tone::Bad, "past its day"),
            None => parts::state(Tone::Wait, "open"),
        };
        rows.push(html! {
            tr {
                td { (parts::entry(review.index)) " " code.id { (said.review) } }
                td { (parts::time(said.from)) " to " (parts::time(said.to)) }
                td { (state) }
                td { (decided) " of " (parts::count(review.lines.len(), "line", "lines")) " decided" }
                td { (waits.join(", ")) }
                td { (parts::time(said.due)) }
            }
        });
    }
    Ok(parts::table(
        "Access reviews",
        &["Review", "Period", "State", "How far", "Waits for", "Due"],
        &rows,
        "No access was reviewed yet: `countersign access review open` begins.",
    ))
}

/// The table that every use case asks, and the fold.
fn matrix() -> Markup {
    let rows: Vec<Markup> = Action::ALL
        .iter()
        .map(|action| {
            html! {
                tr {
                    th.wide scope="row" {
                        (action.does())
                        @if !action.unless().is_empty() { div.quiet { "not " (action.unless()) } }
                        @if !action.also().is_empty() { div.quiet { "and " (action.also()) } }
                    }
                    @for role in Role::ALL {
                        td.c { @if action.roles().contains(&role) { span aria-label="yes" title="yes" { "●" } } @else { span.hidden { "no" } } }
                    }
                }
            }
        })
        .collect();
    let mut head = vec!["Act"];
    head.extend(Role::ALL.iter().map(|r| r.as_str()));
    parts::table("Who may do what", &head, &rows, "")
}

fn visits(look: &Look<'_>) -> Result<Markup, Trouble> {
    let mut rows = Vec::new();
    for visit in look.state().visits(VISITS)? {
        rows.push(html! {
            tr {
                td { (parts::entry(visit.index)) }
                td { (look.name(&visit.person)?) }
                td { (visit.method.as_str()) }
                td { (parts::time(visit.time)) }
                td { @if let Some(index) = visit.ended { "signed out " (parts::entry(index)) } }
            }
        });
    }
    Ok(parts::table("Sign-ins", &["Entry", "Who", "How", "When", "End"], &rows, "Nobody signed in yet."))
}

fn jobs(look: &Look<'_>) -> Result<Markup, Trouble> {
    let rows: Vec<Markup> = look
        .state()
        .newest_admissions(VISITS)?
        .iter()
        .map(|job| {
            html! {
                tr {
                    td { (parts::entry(job.index)) }
                    td { (job.system) }
                    td { (parts::repository(Some(&job.repository))) }
                    td { (job.application) }
                    td { (parts::time(job.time)) }
                }
            }
        })
        .collect();
    let none = "No job came with its identity token alone.";
    Ok(parts::table("Jobs", &["Entry", "System", "Repository", "Application", "When"], &rows, none))
}

fn refused(look: &Look<'_>) -> Result<Markup, Trouble> {
    let mut rows = Vec::new();
    for no in look.state().refused_sign_ins(VISITS)? {
        let who = no.person.as_ref().map(|p| look.name(p)).transpose()?;
        rows.push(html! {
            tr {
                td { (parts::entry(no.index)) }
                td { (who.as_deref().unwrap_or("nobody known")) }
                td { (no.method.as_str()) }
                td { (parts::state(Tone::Bad, &no.code)) }
                td.n { (no.times) }
                td { (parts::time(no.time)) }
            }
        });
    }
    Ok(parts::table("Refused sign-ins", &["Entry", "Who", "How", "Code", "Times", "When"], &rows, "None was refused."))
}

fn views(look: &Look<'_>) -> Result<Markup, Trouble> {
    let mut rows = Vec::new();
    // What others looked at may be outside of an auditor's scope.
    let own = look.scope.is_limited().then_some(&look.visitor.person);
    for view in look.state().views(own, u64::MAX, VISITS)? {
        rows.push(html! {
            tr {
                td { (parts::entry(view.index)) }
                td { (look.name(&view.person)?) }
                td { code { (view.path) } }
                td { (parts::time(view.time)) }
            }
        });
    }
    Ok(parts::table(
        "What auditors looked at",
        &["Entry", "Who", "Page", "When"],
        &rows,
        "No auditor looked at anything.",
    ))
}
