//! Deployments, and the figures of delivery that are computed from them.
//!
//! The four figures are those of the DORA research, as far as the log knows: it does not know when a line was written, so the lead time of a
//! change begins when its commit was first judged.

use countersign_model::Timestamp;
use countersign_store::projection::{DeploymentLine, DeploymentsAsked};
use maud::{Markup, html};

use crate::app::Trouble;
use crate::web::chart::{self, Bar};
use crate::web::layout::Page;
use crate::web::look::Look;
use crate::web::parts::{self, Tone};

const ROWS: u32 = 50;
/// Weeks that the figures look back.
const WEEKS: usize = 13;
const WEEK: i64 = 7 * 24 * 60 * 60 * 1000;

/// How many deployments ended in a week.
struct Week {
    from: Timestamp,
    to: Timestamp,
    good: u64,
    bad: u64,
}

fn asked(look: &Look<'_>) -> Result<DeploymentsAsked, Trouble> {
    let success = match look.filter("result") {
        None => None,
        Some("deployed") => Some(true),
        Some("failed") => Some(false),
        Some(_) => return Err(Trouble::bad_request("`result` in the address is neither `deployed` nor `failed`")),
    };
    Ok(DeploymentsAsked {
        environment: look.filter("environment").map(str::to_owned),
        repository: look.filter("repository").map(str::to_owned),
        success,
        from: look.moment("from")?,
        to: look.moment("to")?,
        within: look.scope.within(),
        before: look.index("before")?,
    })
}

pub(crate) fn show(look: &mut Look<'_>) -> Result<Page, Trouble> {
    let asked = asked(look)?;
    let state = look.state();
    let mut lines = state.deployments_page(&asked, ROWS + 1)?;
    let count = state.deployments_count(&asked)?;
    let has_more = lines.len() > ROWS as usize;
    lines.truncate(ROWS as usize);
    let rows: Vec<Markup> = lines.iter().map(row).collect();
    let next = lines.last().filter(|_| has_more).map(|last| last.index.to_string());
    let mut repositories = state.repository_names()?;
    repositories.retain(|name| look.scope.has_repository(name));
    let mut environments = Vec::new();
    for environment in state.environments()? {
        if look.scope.has_environment(state, &environment.what.id)? {
            environments.push(environment);
        }
    }
    let chosen = look.filter("environment").unwrap_or("");
    let result = look.filter("result").unwrap_or("");
    let body = html! {
        (figures(look, &asked)?)
        section {
            h2 { "Deployments" }
            form.search method="get" action="/deployments" role="search" {
                label { "Environment "
                    select name="environment" {
                        option value="" { "all" }
                        @for e in &environments { option value=(e.what.id) selected[chosen == e.what.id] { (e.what.id) } }
                    }
                }
                label { "Repository "
                    select name="repository" {
                        option value="" { "all" }
                        @for name in &repositories { option value=(name) selected[asked.repository.as_deref() == Some(name)] { (parts::repository_name(name)) } }
                    }
                }
                label { "Result "
                    select name="result" {
                        @for (value, name) in [("", "all"), ("deployed", "deployed"), ("failed", "failed")] {
                            option value=(value) selected[result == value] { (name) }
                        }
                    }
                }
                button type="submit" { "Show" }
            }
            (parts::stretch(asked.from, asked.to, &look.address("/deployments", &[("from", ""), ("to", ""), ("before", "")])))
            (parts::list("Deployments", &["When", "Repository", "Commit", "Environment", "Result", "Run", "Entry"], &rows, "No deployment is like that."))
            (parts::older(next.map(|before| look.address("/deployments", &[("before", &before)]))))
        }
    };
    Ok(Page::new("Deployments", body).aside(html! { (parts::grouped(count)) " in this list" }).live())
}

fn row(d: &DeploymentLine) -> Markup {
    let (tone, word) = if d.success { (Tone::Good, "deployed") } else { (Tone::Bad, "failed") };
    html! {
        tr {
            td { (parts::time(d.time)) }
            td { (parts::repository(Some(&d.repository))) }
            td { (parts::short(&d.commit)) }
            td { (d.environment) }
            td { (parts::state(tone, word)) @if d.break_glass { " " (parts::state(Tone::Bad, "past the gates")) } }
            td { (parts::run(&d.run)) }
            td { (parts::entry(d.index)) }
        }
    }
}

/// The figures of the last weeks, of the chosen environment and repository, with a chart and the table behind it.
fn figures(look: &Look<'_>, asked: &DeploymentsAsked) -> Result<Markup, Trouble> {
    let now = look.now();
    let from = Timestamp::from_millis(now.millis() - WEEKS as i64 * WEEK);
    let told = look.state().delivery(asked, from, WEEK, WEEKS)?;
    let all = told.succeeded + told.failed;
    let weeks: Vec<Week> = (0_i64..)
        .zip(&told.stretches)
        .map(|(n, (good, bad))| Week {
            from: Timestamp::from_millis(from.millis() + n * WEEK),
            to: Timestamp::from_millis(from.millis() + (n + 1) * WEEK),
            good: *good,
            bad: *bad,
        })
        .collect();
    let bars: Vec<Bar> = weeks
        .iter()
        .map(|week| Bar {
            label: week.from.to_string().chars().skip(5).take(5).collect(),
            parts: vec![(Tone::Good, week.good), (Tone::Bad, week.bad)],
        })
        .collect();
    let link = |week: &Week, result: &str, n: u64| {
        let (from, to) = (week.from.to_string(), week.to.to_string());
        let href = look.address("/deployments", &[("from", &from), ("to", &to), ("result", result), ("before", "")]);
        html! { @if n == 0 { span.quiet { "0" } } @else { a href=(href) { (n) } } }
    };
    let rows: Vec<Markup> = weeks
        .iter()
        .map(|week| {
            html! {
                tr {
                    th scope="row" { (parts::time(week.from)) }
                    td.n { (link(week, "deployed", week.good)) }
                    td.n { (link(week, "failed", week.bad)) }
                }
            }
        })
        .collect();
    let per_week = tenths(told.succeeded, WEEKS as u64);
    let rate = if all == 0 { "none".to_owned() } else { format!("{} %", tenths(told.failed * 100, all)) };
    let nothing = "none yet".to_owned();
    Ok(html! {
        section {
            h2 { "The last " (WEEKS) " weeks" }
            (parts::facts(&[
                ("Deployment frequency", html! { strong { (per_week) } " a week" }),
                ("Lead time, median, from first judged to deployed", html! { strong { (told.lead.map_or(nothing.clone(), span)) } }),
                ("Change failure rate", html! { strong { (rate) } " of " (all) }),
                ("Time to restore, median", html! { strong { (told.restore.map_or(nothing, span)) } }),
            ]))
            (chart::bars("Deployments a week", &[(Tone::Good, "succeeded"), (Tone::Bad, "failed")], &bars))
            details {
                summary { "The same as a table" }
                (parts::table("Deployments a week", &["Week from", "Deployed", "Failed"], &rows, ""))
            }
        }
    })
}

/// A quotient with one digit after the point.
fn tenths(n: u64, of: u64) -> String {
    let tenths = (n * 10 + of / 2) / of.max(1);
    format!("{}.{}", tenths / 10, tenths % 10)
}

/// A length of time in the two largest units that are not nothing.
fn span(ms: i64) -> String {
    let minutes = ms.max(0) / 60_000;
    match minutes {
        0..60 => format!("{minutes} min"),
        60..2880 => format!("{} h {} min", minutes / 60, minutes % 60),
        _ => format!("{} days {} h", minutes / 1440, minutes % 1440 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_rounded_and_told_in_two_units() {
        assert_eq!([tenths(1, 3), tenths(2, 3), tenths(13, 13), tenths(0, 5)], ["0.3", "0.7", "1.0", "0.0"]);
        assert_eq!([span(59_000), span(90 * 60_000), span(50 * 3_600_000)], ["0 min", "1 h 30 min", "2 days 2 h"]);
    }
}
