//! Controls: did it operate, over what, what broke it, and who answers for it.

use countersign_govern::assess::Week;
use countersign_model::{Outcome, RunId, Timestamp};
use maud::{Markup, html};

use super::frameworks::{about, asked, filters, newest};
use super::{populations, requests};
use crate::app::Trouble;
use crate::app::populations::{Asked, Stands};
use crate::web::chart::{self, Bar};
use crate::web::files::{self, File};
use crate::web::layout::Page;
use crate::web::look::{Look, encode};
use crate::web::parts::{self, Tone};

/// Outcomes of controls in the order of the filters.
const OUTCOMES: [Outcome; 4] = [Outcome::Fail, Outcome::Error, Outcome::NotEvaluated, Outcome::Pass];
/// Rows of what broke it, and of a population, on one page; the rest is counted.
const SHOWN: usize = 100;

/// What says that a control was applied to nothing in a window (`AuditError::EmptyPopulation`).
const EMPTY: &str = "CS-AUDIT-040";

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
                    td.wide { a href={ "/controls/" (c.id) } { (c.title) } div.quiet { (c.id) ", of " (c.owner) ", within " (c.sla_hours) " h" } }
                    td { (parts::outcome(c.judgement.outcome)) }
                    td.long { (parts::prose(&c.judgement.why)) }
                    td.n { (c.judgement.population) }
                    td.n { @if look.scope.is_limited() || c.judgement.failing.len() > SHOWN { (c.judgement.failing.len()) } @else { (parts::number(c.judgement.failing.len() as u64, &format!("/controls/{}#broken", c.id))) } }
                }
            }
        })
        .collect();
    let body = html! {
        (filters(look, "/controls", &OUTCOMES, &outcomes))
        (parts::list("Controls", &["Control", "State", "Why", "Judged over", "Broken by"], &rows, "No control is like that."))
        (about(look, &a)?)
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
    // The verdict is of the whole firm; what broke the control is shown as far as it is in the visitor's scope.
    let (mut broken, mut outside): (Vec<Markup>, usize) = (Vec::new(), 0);
    for f in &j.failing {
        if broken.len() == SHOWN {
            break;
        }
        if !is_inside(look, &f.subject, &f.entries)? {
            outside += 1;
            continue;
        }
        let links = look.entries(&f.entries, 8)?;
        broken.push(html! { tr { td { (subject(&f.subject)) } td { (parts::prose(&f.text)) } td { (links) } } });
    }
    let mut newest_first = j.entries.clone();
    newest_first.sort_unstable_by(|a, b| b.cmp(a));
    let evidence = look.entries(&newest_first, 20)?;
    let asked_about = requests::about(look, id)?;
    let body = html! {
        p { (control.objective) }
        (parts::facts(&[
            ("Owner", html! { (control.owner) ", in their absence " (control.deputy) }),
            ("A breach is answered within", html! { (control.sla_hours) " hours" }),
            ("Operates", html! { (control.frequency.as_str()) }),
            ("Judged over", html! { (j.population) }),
            ("Version of its file", parts::short(&control.digest.to_string())),
            ("Requirements", html! { @for (r, _) in &control.requirements { div { (requirement(r)) } } }),
        ]))
        @if let Some(attests) = &control.attests { p { strong { "People attest besides: " } (attests) } }
        p { (parts::prose(&j.why)) @if !j.missing.is_empty() { " Missing: " (j.missing.join(", ")) "." } }
        (operated(look, id, j.outcome))
        (parts::section_at("broken", "What breaks it", &html! {
            (parts::table("What breaks it", &["What", "Why", "Entries"], &broken, "Nothing does."))
            @if outside > 0 { p.quiet { (outside) " outside of your scope" } }
            @if j.failing.len() > SHOWN + outside { p.quiet { "and " (j.failing.len() - SHOWN - outside) " more" } }
        }))
        section {
            h2 { "Evidence" }
            p {
                (j.entries_in_all) " entries"
                @if !j.entries.is_empty() { ", among them " (evidence) }
            }
        }
        @if control.decides.is_some() {
            section {
                h2 { "Population" }
                p { a href={ "/controls/" (id) "/population" } { "Everything it was applied to" } ", for an auditor to choose from." }
            }
        }
        (asked_about)
        (about(look, &a)?)
    };
    Ok(Page::new(control.title.clone(), body).aside(parts::outcome(j.outcome)).live())
}

/// Whether it operated all the time: what it was applied to, week by week.
fn operated(look: &Look<'_>, control: &str, outcome: Outcome) -> Markup {
    let weeks = look.app.assessed.weeks(control).unwrap_or_default();
    if weeks.iter().all(|week| week.kept + week.broken == 0) {
        return html! {};
    }
    // What people let stand for a while is no breach that stands.
    let (tone, word) = match outcome {
        Outcome::Waived | Outcome::Mitigated => (Tone::Waived, "let stand"),
        _ => (Tone::Bad, "broke it"),
    };
    let day = |week: &Week| week.from.to_string().chars().skip(5).take(5).collect::<String>();
    let bars: Vec<Bar> = weeks
        .iter()
        .map(|week| Bar { label: day(week), parts: vec![(Tone::Good, week.kept), (tone, week.broken)] })
        .collect();
    let rows: Vec<Markup> = weeks
        .iter()
        .map(|week| html! { tr { th scope="row" { (parts::time(week.from)) } td.n { (week.kept) } td.n { (week.broken) } } })
        .collect();
    html! {
        section {
            h2 { "Did it operate?" }
            (chart::bars("What it was applied to, a week", &[(Tone::Good, "kept it"), (tone, word)], &bars))
            details {
                summary { "The same as a table" }
                (parts::table("What it was applied to, a week", &["Week from", "Kept it", "Did not"], &rows, ""))
            }
        }
    }
}

/// Whether something that a control was applied to is in the visitor's scope.
fn is_inside(look: &Look<'_>, subject: &str, entries: &[u64]) -> Result<bool, Trouble> {
    if !look.scope.is_limited() {
        return Ok(true);
    }
    if subject.starts_with(RunId::PREFIX) && !look.scope.has_run(look.state(), &RunId::from_text(subject))? {
        return Ok(false);
    }
    for index in entries {
        if !look.scope.has_entry(look.session, *index)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// A subject that has a page leads to it.
pub(super) fn subject(subject: &str) -> Markup {
    html! { @if subject.starts_with(RunId::PREFIX) { (parts::run(&RunId::from_text(subject))) } @else { code title=(subject) { (parts::short_id(subject)) } } }
}

/// `framework:clause` leads to the framework.
fn requirement(text: &str) -> Markup {
    let (framework, _) = text.split_once(':').unwrap_or((text, ""));
    html! { a href={ "/frameworks/" (framework) } { (text) } }
}

/// A day in the address, at its beginning, or a moment.
fn day(look: &Look<'_>, name: &str) -> Result<Option<Timestamp>, Trouble> {
    let read = |text: &str| {
        let whole = if text.len() == 10 { format!("{text}T00:00:00Z") } else { text.to_owned() };
        whole.parse().map_err(|_| Trouble::bad_request(&format!("`{name}` in the address is no day, as in 2026-07-01")))
    };
    look.filter(name).map(read).transpose()
}

/// The window and the applications that the address asks for, no more than the visitor's scope.
fn asked_population(look: &Look<'_>) -> Result<Asked, Trouble> {
    let (from, to) = (day(look, "from")?, day(look, "to")?);
    let application = look.filter("application");
    if !application.is_none_or(|id| look.scope.has_application(id)) {
        return Err(Trouble::not_found("application"));
    }
    let asked = Asked { from, to, applications: application.map(str::to_owned).into_iter().collect() };
    let now = look.now();
    let window = asked.window(now);
    if window.from >= window.to {
        return Err(Trouble::bad_request("the window is over before it begins: `from` comes before `to`"));
    }
    asked.inside(&look.scope, now)
}

/// The populations that the address asks for, no more than the visitor's scope.
fn asked_for(look: &Look<'_>) -> Result<Stands, Trouble> {
    if look.app.catalogue.get(look.param("control")).is_none() {
        return Err(Trouble::not_found("control"));
    }
    look.app.populations.stands(look.session, &asked_population(look)?, false)
}

/// The population as a file.
pub(crate) fn export(look: &mut Look<'_>) -> Result<File, Trouble> {
    let Stands::Ready(all) = asked_for(look)? else { return Err(Trouble::population_being_read()) };
    let whole = all.get(look.param("control"))?.whole();
    files::population(look, &whole)
}

/// The form that asks for another window or application.
fn population_form(look: &Look<'_>, here: &str) -> Result<Markup, Trouble> {
    let mut applications = look.state().applications()?;
    applications.retain(|a| look.scope.has_application(&a.what.id));
    let chosen = look.filter("application").unwrap_or("");
    Ok(html! {
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
    })
}

/// Everything that the control was applied to in a window: the query, its parameters, how many, and the root over them.
pub(crate) fn population(look: &mut Look<'_>) -> Result<Page, Trouble> {
    let id = look.param("control");
    let here = format!("/controls/{id}/population");
    let Stands::Ready(all) = asked_for(look)? else {
        let body = html! {
            (population_form(look, &here)?)
            p.none data-waits=(*look.app.computed.borrow()) {
                "What controls were applied to in this window is being read; this page shows it when it is there. In a large ledger it takes a minute."
            }
        };
        return Ok(Page::new(format!("Population of {id}"), body).aside(parts::state(Tone::Wait, "being read")).live());
    };
    let p = match all.get(id).map_err(Trouble::from) {
        Ok(p) => p,
        // Another window may have some.
        Err(trouble) if trouble.code == EMPTY => {
            let body = html! { (population_form(look, &here)?) p.none { (parts::prose(&trouble.text)) "." } };
            return Ok(Page::new(format!("Population of {id}"), body).aside(parts::count(0, "member", "members")));
        }
        Err(trouble) => return Err(trouble),
    };
    let mut rows: Vec<Markup> = Vec::new();
    for m in p.members(0..SHOWN) {
        let links = look.entries(&m.entries, 8)?;
        rows.push(html! {
            tr {
                td { (subject(&m.subject)) }
                td { (parts::time(m.time)) }
                td { (parts::outcome(m.outcome)) @if let Some(text) = &m.text { div.quiet { (text) } } }
                td { (links) }
            }
        });
    }
    let (count, exceptions) = (p.count(), p.exceptions());
    let said = format!(
        "operated {} of {} times, {} exceptions",
        parts::grouped((count as u64).saturating_sub(exceptions)),
        parts::grouped(count as u64),
        parts::grouped(exceptions)
    );
    let (from, to) = (all.window.from.to_string(), all.window.to.to_string());
    let chosen = look.filter("application").unwrap_or("");
    let files = format!("{here}/export?from={}&to={}&", encode(&from), encode(&to));
    let files = if chosen.is_empty() { files } else { format!("{files}application={}&", encode(chosen)) };
    let body = html! {
        (population_form(look, &here)?)
        (parts::facts(&[
            ("The control's sentence", html! { strong { (said) } }),
            ("Query", html! { code { (p.query()) } }),
            ("From", html! { code { (from) } }),
            ("Before", html! { code { (to) } }),
            ("Read up to", look.entry(all.size.saturating_sub(1))?),
            ("Rows", html! { (parts::grouped(count as u64)) }),
            ("Root over them (RFC 6962)", parts::whole(p.root())),
            ("Control's version", parts::short(&p.definition().to_string())),
        ]))
        (parts::table("Population", &["What", "When", "State", "Entries"], &rows, ""))
        @if count > SHOWN { p.quiet { "and " (parts::grouped((count - SHOWN) as u64)) " more; all of them in the files below" } }
        section {
            h2 { "To take away, and to sample" }
            p { "All of it, with this query, these parameters, the number of rows and the root: " (populations::downloads(&files)) }
            p { "Sealed first, so that nobody chooses what is looked at; then the auditor names a seed:" }
            pre { code {
                "countersign audit population --control " (id) " --from " (from) " --to " (to) " --format csv\n"
                "countersign audit population --control " (id) " --from " (from) " --to " (to) " --seal\n"
                "countersign audit sample --population ENTRY --seed SEED"
            } }
        }
    };
    Ok(Page::new(format!("Population of {id}"), body).aside(parts::count(count, "member", "members")))
}
