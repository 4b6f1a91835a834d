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
const WEEKS: i64 = 13;
const WEEK: i64 = 7 * 24 * 60 * 60 * 1000;
/// Deployments that the figures are computed from, at the most.
const MOST: u32 = 100_000;

/// A moment in the address, as the charts write it, or a day.
fn moment(look: &Look<'_>, name: &str) -> Result<Option<Timestamp>, Trouble> {
    let read = |text: &str| {
        let whole = if text.len() == 10 { format!("{text}T00:00:00Z") } else { text.to_owned() };
        whole.parse().map_err(|_| Trouble::bad_request(&format!("`{name}` in the address is neither a day nor a time")))
    };
    look.filter(name).map(read).transpose()
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
        from: moment(look, "from")?,
        to: moment(look, "to")?,
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
            @if asked.from.is_some() || asked.to.is_some() {
                p.quiet {
                    @if let Some(from) = asked.from { "From " code { (from) } " " }
                    @if let Some(to) = asked.to { "before " code { (to) } " " }
                    a href=(look.address("/deployments", &[("from", ""), ("to", ""), ("before", "")])) { "all times" }
                }
            }
            (parts::table("Deployments", &["When", "Repository", "Commit", "Environment", "Result", "Run", "Entry"], &rows, "No deployment is like that."))
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
            td { a href={ "/runs/" (d.run) } { (d.run) } }
            td { (parts::entry(d.index)) }
        }
    }
}

/// The figures of the last weeks, of the chosen environment and repository, with a chart and the table behind it.
fn figures(look: &Look<'_>, asked: &DeploymentsAsked) -> Result<Markup, Trouble> {
    let now = look.now();
    let from = Timestamp::from_millis(now.millis() - WEEKS * WEEK);
    let of = DeploymentsAsked { from: Some(from), to: None, before: None, success: None, ..asked.clone() };
    let mut all = look.state().deployments_page(&of, MOST)?;
    all.reverse();
    let failed = all.iter().filter(|d| !d.success).count();
    let good = all.len() - failed;
    let lead = median(all.iter().filter(|d| d.success).map(|d| d.time.millis() - d.judged.millis()).collect());
    let restore = median(restored(&all));
    let weeks: Vec<(Timestamp, Timestamp)> = (0..WEEKS)
        .map(|n| {
            (Timestamp::from_millis(from.millis() + n * WEEK), Timestamp::from_millis(from.millis() + (n + 1) * WEEK))
        })
        .collect();
    let inside = |(from, to): &(Timestamp, Timestamp), success: bool| {
        all.iter().filter(|d| d.success == success && *from <= d.time && d.time < *to).count() as u64
    };
    let bars: Vec<Bar> = weeks
        .iter()
        .map(|week| Bar {
            label: week.0.to_string().chars().skip(5).take(5).collect(),
            parts: vec![(Tone::Good, inside(week, true)), (Tone::Bad, inside(week, false))],
        })
        .collect();
    let link = |week: &(Timestamp, Timestamp), result: &str, n: u64| {
        let (from, to) = (week.0.to_string(), week.1.to_string());
        let href = look.address("/deployments", &[("from", &from), ("to", &to), ("result", result), ("before", "")]);
        html! { @if n == 0 { span.quiet { "0" } } @else { a href=(href) { (n) } } }
    };
    let rows: Vec<Markup> = weeks
        .iter()
        .map(|week| {
            html! {
                tr {
                    th scope="row" { (parts::time(week.0)) }
                    td.n { (link(week, "deployed", inside(week, true))) }
                    td.n { (link(week, "failed", inside(week, false))) }
                }
            }
        })
        .collect();
    let per_week = tenths(good as u64, u64::try_from(WEEKS).unwrap_or(1));
    let rate =
        if all.is_empty() { "none".to_owned() } else { format!("{} %", tenths(failed as u64 * 100, all.len() as u64)) };
    let nothing = "none yet".to_owned();
    Ok(html! {
        section {
            h2 { "The last " (WEEKS) " weeks" }
            (parts::facts(&[
                ("Deployment frequency", html! { strong { (per_week) } " a week" }),
                ("Lead time, median, from first judged to deployed", html! { strong { (lead.map_or(nothing.clone(), span)) } }),
                ("Change failure rate", html! { strong { (rate) } " of " (all.len()) }),
                ("Time to restore, median", html! { strong { (restore.map_or(nothing, span)) } }),
            ]))
            (chart::bars("Deployments a week: succeeded and failed", &bars))
            details {
                summary { "The same as a table" }
                (parts::table("Deployments a week", &["Week from", "Deployed", "Failed"], &rows, ""))
            }
        }
    })
}

/// From each failure to the next success at the same place, in milliseconds; a failure after a failure belongs to the first.
fn restored(oldest_first: &[DeploymentLine]) -> Vec<i64> {
    let mut broken: std::collections::BTreeMap<(&str, &str), i64> = std::collections::BTreeMap::new();
    let mut took = Vec::new();
    for d in oldest_first {
        let place = (d.repository.as_str(), d.environment.as_str());
        if !d.success {
            broken.entry(place).or_insert(d.time.millis());
        } else if let Some(since) = broken.remove(&place) {
            took.push(d.time.millis() - since);
        }
    }
    took
}

fn median(mut all: Vec<i64>) -> Option<i64> {
    all.sort_unstable();
    all.get(all.len().checked_sub(1)? / 2).copied()
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
    use countersign_model::{GrantId, RunId};

    use super::*;

    fn line(minute: i64, repository: &str, success: bool) -> DeploymentLine {
        DeploymentLine {
            index: 0,
            repository: repository.into(),
            grant: GrantId::from_text("gra-1"),
            break_glass: false,
            run: RunId::from_text("run-1"),
            judged: Timestamp::from_millis(0),
            commit: String::new(),
            environment: "production".into(),
            success,
            time: Timestamp::from_millis(minute * 60_000),
        }
    }

    #[test]
    fn restoring_is_from_the_first_failure_to_the_next_success_at_the_same_place() {
        let all =
            [line(0, "a", false), line(5, "a", false), line(7, "b", true), line(20, "a", true), line(30, "a", true)];
        assert_eq!(restored(&all), [20 * 60_000]);
    }

    #[test]
    fn figures_are_rounded_and_told_in_two_units() {
        assert_eq!([tenths(1, 3), tenths(2, 3), tenths(13, 13), tenths(0, 5)], ["0.3", "0.7", "1.0", "0.0"]);
        assert_eq!([span(59_000), span(90 * 60_000), span(50 * 3_600_000)], ["0 min", "1 h 30 min", "2 days 2 h"]);
        assert_eq!([median(vec![]), median(vec![3]), median(vec![9, 1, 5, 7])], [None, Some(3), Some(5)]);
    }
}
