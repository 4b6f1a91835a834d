//! Posture: are we compliant now, which way is it going, what needs me. Each number leads to the list it counts.

use countersign_govern::gates;
use countersign_model::access::Action;
use countersign_model::governance::WaiverCategory;
use countersign_model::{Outcome, Role, Timestamp};
use countersign_store::findings::Asked;
use countersign_store::projection::{RunsAsked, WaiverState};
use maud::{Markup, html};

use super::runs::TOGETHER;
use super::{approvals, frameworks, seen};
use crate::app::{Trouble, found};
use crate::web::chart::{self, Bar};
use crate::web::layout::Page;
use crate::web::look::{Look, encode};
use crate::web::parts::{self, Tone};

/// Something that waits for the visitor.
struct Need {
    what: Markup,
    how: String,
}

pub(crate) fn show(look: &mut Look<'_>) -> Result<Page, Trouble> {
    if look.state().runs_count(&RunsAsked::default())? == 0 {
        return first_run(look);
    }
    let (assessed, trouble) = look.app.assessed.get();
    let within = look.scope.within();
    let count = |outcome| {
        look.state().runs_count(&RunsAsked { outcome: Some(outcome), within: within.clone(), ..RunsAsked::default() })
    };
    let anomalies = look.state().anomalies_count()?;
    let aside = match &assessed {
        Some(a) => parts::outcome(a.outcome()),
        None => parts::state(Tone::Wait, "being assessed"),
    };
    let needs = needs(look)?;
    let findings =
        found::index(look.app, look.session)?.index.counts(&Asked { within: within.clone(), ..Asked::default() })?;
    // Those that are retired are on no list.
    let (mut drifted, mut unknown) = (0_u64, false);
    let differences = look.scope.drifting_counts(look.state())?;
    for env in look.state().environments()?.into_iter().filter(|e| e.retired.is_none()) {
        let shown = look.scope.has_environment(look.state(), &env.what.id)?;
        if shown {
            drifted += u64::from(differences.contains_key(&env.what.id));
            unknown = unknown || !seen::is_looked_at(look, &env.what.id)?;
        }
    }
    // Nobody knows of a place where nobody looked.
    let drift = match (drifted, unknown) {
        (0, false) => Tone::Good,
        (0, true) => Tone::Missing,
        _ => Tone::Bad,
    };
    let late = if findings.late == 0 { Tone::Good } else { Tone::Bad };
    let body = html! {
        div.tiles {
            (parts::tile(count(Outcome::Fail)?, "runs denied by policy", "/runs?outcome=fail", Tone::Bad))
            (parts::tile(count(Outcome::Pending)?, "runs held by policy", "/runs?outcome=pending", Tone::Wait))
            (parts::tile(count(Outcome::Pass)?, "runs passed by policy", "/runs?outcome=pass", Tone::Good))
            (parts::tile(count(Outcome::Waived)?, "runs passed by waiver", "/runs?outcome=waived", Tone::Waived))
            (parts::tile(findings.late, "findings past SLA", "/findings?late=true", late))
            (parts::tile(drifted, "environments in drift", "/environments?drift=yes", drift))
            (parts::tile(anomalies, "entries not believed", "/ledger?believed=no", if anomalies == 0 { Tone::Good } else { Tone::Bad }))
        }
        section {
            h2 { "Needs you" }
            @if needs.is_empty() { p.none { "Nothing waits for you." } } @else {
                ul.needs { @for need in &needs { li { (need.what) pre { code { (need.how) } } } } }
            }
        }
        (trend(look)?)
        section {
            h2 { "Frameworks" }
            @if let Some(trouble) = &trouble { p { (parts::state(Tone::Bad, "the assessment failed")) " " (trouble.text) } }
            @match &assessed {
                None => p.none { "The first assessment is being computed; this page shows it when it is there." },
                Some(a) => {
                    (frameworks::table(a))
                    (frameworks::about(look, a)?)
                },
            }
        }
    };
    Ok(Page::new("Posture", body).aside(aside).live())
}

/// Which way it is going: runs week by week, by what the policy says of them now.
fn trend(look: &Look<'_>) -> Result<Markup, Trouble> {
    const WEEKS: u32 = 13;
    const WEEK: i64 = 7 * 24 * 60 * 60 * 1000;
    let from = Timestamp::from_millis(look.now().millis() - 13 * WEEK);
    let start = |week: u32| Timestamp::from_millis(from.millis() + i64::from(week) * WEEK);
    let counted = look.state().runs_over_time(from, WEEK, WEEKS, look.scope.within().as_ref())?;
    let bars: Vec<Bar> = (0..WEEKS)
        .map(|week| {
            let of = |wanted: &[Option<Outcome>]| {
                let here = counted.iter().filter(|(n, outcome, _)| *n == week && wanted.contains(outcome));
                here.map(|(.., n)| n).sum()
            };
            Bar {
                label: start(week).to_string().chars().skip(5).take(5).collect(),
                parts: TOGETHER.iter().map(|(tone, .., outcomes)| (*tone, of(outcomes))).collect(),
            }
        })
        .collect();
    let row = |(week, bar): (u32, &Bar)| {
        let (from, to) = (start(week).to_string(), start(week + 1).to_string());
        let cell = |name: &str, n: u64| {
            let href = look.address("/runs", &[("outcome", name), ("from", &from), ("to", &to)]);
            html! { td.n { @if n == 0 { span.quiet { "0" } } @else { a href=(href) { (n) } } } }
        };
        html! {
            tr {
                th scope="row" { (bar.label) }
                @for ((.., name, _), (_, n)) in TOGETHER.iter().zip(&bar.parts) { (cell(name, *n)) }
            }
        }
    };
    let rows: Vec<Markup> = (0..).zip(&bars).map(row).collect();
    Ok(html! {
        section {
            h2 { "Runs a week" }
            (chart::bars("Runs a week", &TOGETHER.map(|(tone, word, ..)| (tone, word)), &bars))
            details {
                summary { "The same as a table" }
                (parts::table("Runs a week", &["Week from", "Pass", "By waiver", "Held", "Denied"], &rows, ""))
            }
        }
    })
}

/// What waits for the visitor: each with the command that does it.
fn needs(look: &Look<'_>) -> Result<Vec<Need>, Trouble> {
    let mut needs = Vec::new();
    if look.visitor.is_auditor() {
        return Ok(needs);
    }
    for waits in approvals::waiting(look)?.0 {
        for slot in &waits.slots {
            needs.push(Need {
                what: html! {
                    a href={ "/runs/" (waits.row.id) } { (waits.row.id) } " in " (parts::repository(waits.row.identity.as_deref()))
                    " waits for a " a href={ "/approvals/" (waits.row.id) "/" (slot) } { (slot) " approval" }
                },
                how: format!("countersign approve {} --as {slot}", waits.row.id),
            });
        }
    }
    let (now, newest) = (look.now(), look.state().newest_time()?);
    let grants = [WaiverCategory::Mitigated, WaiverCategory::Waived].map(|category| Action::granting(category).roles());
    let undecided = if grants.iter().any(|roles| look.visitor.is_any(roles)) {
        look.state().undecided_waivers()?
    } else {
        Vec::new()
    };
    for waiver in undecided {
        let request = &waiver.request;
        let theirs = look.visitor.is_any(Action::granting(request.category).roles());
        let mine = request.by == look.visitor.person;
        if theirs && !mine && waiver.state(now, newest) == WaiverState::Requested {
            let kind = match request.category {
                WaiverCategory::Mitigated => "mitigation",
                WaiverCategory::Waived => "waiver",
            };
            needs.push(Need {
                what: html! {
                    "A " a href={ "/waivers/" (request.waiver) } { (kind) " of " (request.scope.controls.join(", ")) }
                    " is asked for by " (look.name(&request.by)?) " " (parts::entry(waiver.index))
                },
                how: format!("countersign waive grant {} --reason TEXT", request.waiver),
            });
        }
    }
    if look.visitor.is_any(&[Role::SecurityOfficer, Role::ReleaseManager]) {
        for environment in look.scope.drifting_counts(look.state())?.keys() {
            let Some(row) = look.scope.drifting_page(look.state(), environment, 1)?.pop() else { continue };
            needs.push(Need {
                what: html! { a href={ "/environments/" (encode(environment)) "#drift" } { (environment) } " runs what was not let through, or not what was, since " (parts::time(row.detected)) " " (parts::entry(row.told.unwrap_or(row.index))) },
                how: format!("countersign drift {environment}"),
            });
        }
    }
    match gates::list(look.session) {
        Ok(all) => {
            for gate in all {
                if gate.ownership.owner == look.visitor.person && gate.acknowledged.is_none() {
                    needs.push(Need {
                        what: html! { "You own the gate " strong { (gate.ownership.gate) } " and have not taken it on" },
                        how: format!("countersign gate acknowledge {}", gate.ownership.gate),
                    });
                }
            }
        }
        Err(error) => {
            let trouble = Trouble::from(error);
            if !trouble.is_of_content() {
                return Err(trouble);
            }
            if look.visitor.is_any(&[Role::SecurityOfficer, Role::ComplianceOfficer]) {
                needs.push(Need {
                    what: html! { (parts::state(Tone::Bad, "not read")) " Who owns the gates cannot be read: " (trouble.text) },
                    how: "countersign gate activate FILE".to_owned(),
                });
            }
        }
    }
    Ok(needs)
}

/// What a ledger without a run shows: what to do, and nothing made up.
fn first_run(look: &Look<'_>) -> Result<Page, Trouble> {
    let people = look.state().people()?.len();
    let body = html! {
        p { "This ledger has " (parts::grouped(look.state().size())) " entries and no run yet. Here is how the first one comes about." }
        ol.steps {
            li { h2 { "Judge a commit" } p { "In a repository whose ledger this is:" } pre { code { "countersign run" } } }
            li {
                h2 { "Enrol the others" }
                p { (people) " people are enrolled. Four eyes need an engineer and a compliance officer who did not write the change:" }
                pre { code { "countersign person add NAME --ssh-key FILE.pub\ncountersign role grant NAME engineer --reason TEXT" } }
            }
            li { h2 { "Sign and deploy" } pre { code { "countersign approve latest --as technical\ncountersign approve latest --as regulatory\ncountersign deploy latest --env production" } } }
        }
        p { "Everything that happens is " a href="/ledger" { "in the ledger" } " at once, and this page shows it when it does." }
    };
    Ok(Page::new("Posture", body).live())
}
