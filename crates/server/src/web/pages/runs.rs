//! Runs: everything that was judged, newest first.

use countersign_model::Outcome;
use countersign_store::projection::{RunLine, RunsAsked};
use maud::{Markup, html};

use crate::app::Trouble;
use crate::web::layout::Page;
use crate::web::look::Look;
use crate::web::parts::{self, Tone};

/// Rows of one part of the list.
const ROWS: u32 = 50;

/// Outcomes that a run can be asked for, in the order of the filters.
const OUTCOMES: [Outcome; 6] =
    [Outcome::Fail, Outcome::Error, Outcome::Pending, Outcome::Pass, Outcome::Waived, Outcome::Mitigated];

/// Outcomes that the posture's chart counts together: what it calls them, what stands in the address, and what they are. `None`: nothing is
/// decided.
pub(super) const TOGETHER: [(Tone, &str, &str, &[Option<Outcome>]); 4] = [
    (Tone::Good, "passed", "passed", &[Some(Outcome::Pass), Some(Outcome::NotApplicable)]),
    (Tone::Waived, "passed by waiver", "let-through", &[Some(Outcome::Waived), Some(Outcome::Mitigated)]),
    (Tone::Wait, "held", "held", &[Some(Outcome::Pending), None]),
    (Tone::Bad, "denied", "denied", &[Some(Outcome::Fail), Some(Outcome::Error), Some(Outcome::NotEvaluated)]),
];

/// What the address asks for.
fn asked(look: &Look<'_>) -> Result<RunsAsked, Trouble> {
    let mut asked = RunsAsked { before: look.index("before")?, within: look.scope.within(), ..RunsAsked::default() };
    match look.filter("outcome") {
        Some("undecided") => asked.undecided = true,
        Some(text) if together(text).is_some() => asked.among = together(text).unwrap_or_default(),
        Some(text) => {
            let known = OUTCOMES.into_iter().find(|o| o.as_str() == text);
            asked.outcome = Some(known.ok_or_else(|| Trouble::bad_request("`outcome` in the address is none"))?);
        }
        None => {}
    }
    (asked.from, asked.to) = (look.moment("from")?, look.moment("to")?);
    asked.repository = look.filter("repository").map(str::to_owned);
    if let Some(commit) = look.filter("commit") {
        let is_hex = commit.len() <= 64 && commit.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        if !is_hex {
            return Err(Trouble::bad_request("`commit` in the address is not the beginning of one"));
        }
        asked.commit = Some(commit.to_owned());
    }
    Ok(asked)
}

fn together(name: &str) -> Option<Vec<Option<Outcome>>> {
    TOGETHER.into_iter().find(|(_, _, known, _)| *known == name).map(|(.., all)| all.to_vec())
}

pub(crate) fn show(look: &mut Look<'_>) -> Result<Page, Trouble> {
    let asked = asked(look)?;
    let state = look.state();
    let mut lines = state.runs_page(&asked, ROWS + 1)?;
    let count = state.runs_count(&asked)?;
    let has_more = lines.len() > ROWS as usize;
    lines.truncate(ROWS as usize);
    let chosen = look.filter("outcome");
    let filter = |name: &str, value: &str| {
        (name.to_owned(), look.address("/runs", &[("outcome", value), ("before", "")]), chosen.unwrap_or("") == value)
    };
    let mut filters = vec![filter("all", "")];
    filters.extend(OUTCOMES.iter().map(|o| filter(o.as_str(), o.as_str())));
    filters.push(filter("undecided", "undecided"));
    if let Some((_, word, name, _)) = TOGETHER.into_iter().find(|(_, _, name, _)| chosen == Some(name)) {
        filters.push(filter(word, name));
    }
    let mut repositories = state.repository_names()?;
    repositories.retain(|name| look.scope.has_repository(name));
    let rows: Vec<Markup> = lines.iter().map(row).collect();
    let next = lines.last().filter(|_| has_more).map(|last| last.index.to_string());
    let body = html! {
        form.search method="get" action="/runs" role="search" {
            @for name in ["outcome", "from", "to"] {
                @if let Some(value) = look.filter(name) { input type="hidden" name=(name) value=(value); }
            }
            label { "Repository "
                select name="repository" {
                    option value="" { "all" }
                    @for name in &repositories {
                        option value=(name) selected[asked.repository.as_deref() == Some(name)] { (parts::repository_name(name)) }
                    }
                }
            }
            label { "Commit " input name="commit" value=(asked.commit.as_deref().unwrap_or("")) pattern="[0-9a-f]{0,64}" size="14" placeholder="begins with"; }
            button type="submit" { "Show" }
        }
        (parts::filters("Outcome", &filters))
        (parts::stretch(asked.from, asked.to, &look.address("/runs", &[("from", ""), ("to", ""), ("before", "")])))
        (parts::list(
            "Runs",
            &["Run", "Commit", "Repository", "Policy says", "Signatures", "Deployed", "Began"],
            &rows,
            "No run is like that. `countersign run` in a repository makes one.",
        ))
        (parts::older(next.map(|before| look.address("/runs", &[("before", &before)]))))
        p.quiet { "What the policy says does not count approvals; a run's own page joins the two." }
    };
    Ok(Page::new("Runs", body).aside(html! { (parts::grouped(count)) " in this list" }).live())
}

fn row(line: &RunLine) -> Markup {
    html! {
        tr {
            td { (parts::run(&line.id)) @if line.attempts > 1 { span.quiet { " × " (line.attempts) } } }
            td { (parts::short(&line.commit)) }
            td { (parts::repository(line.identity.as_deref())) }
            td {
                @match line.outcome {
                    Some(outcome) => (parts::outcome(outcome)),
                    None => (parts::state(Tone::Wait, "undecided")),
                }
            }
            td.n { (line.approvals) }
            td {
                @if let Some((environment, success)) = &line.deployed {
                    (parts::state(if *success { Tone::Good } else { Tone::Bad }, environment))
                }
            }
            td { (parts::time(line.time)) }
        }
    }
}
