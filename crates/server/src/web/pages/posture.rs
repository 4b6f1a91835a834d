//! Posture: are we compliant now, which way is it going, what needs me. Each number leads to the list it counts.

use countersign_govern::gates;
use countersign_model::governance::WaiverCategory;
use countersign_model::{Diagnostic as _, Outcome, Role};
use countersign_stages::build::{decide, rules as build_rules};
use countersign_stages::release::rules;
use countersign_store::projection::{RunsAsked, WaiverState};
use maud::{Markup, html};

use super::frameworks;
use crate::app::Trouble;
use crate::web::layout::Page;
use crate::web::look::Look;
use crate::web::parts::{self, Tone};

/// Of so many of the newest runs that wait, it is looked at whether the visitor could sign.
const WAITING: u32 = 30;

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
    let count = |outcome| look.state().runs_count(&RunsAsked { outcome: Some(outcome), ..RunsAsked::default() });
    let anomalies = look.state().anomalies()?.len() as u64;
    let aside = match &assessed {
        Some(a) => parts::outcome(a.outcome()),
        None => parts::state(Tone::Wait, "being assessed"),
    };
    let needs = needs(look)?;
    let body = html! {
        div.tiles {
            (parts::tile(count(Outcome::Fail)?, "runs that policy denies", "/runs?outcome=fail", Tone::Bad))
            (parts::tile(count(Outcome::Pending)?, "runs that policy holds", "/runs?outcome=pending", Tone::Wait))
            (parts::tile(count(Outcome::Pass)?, "runs that policy passes", "/runs?outcome=pass", Tone::Good))
            (parts::tile(count(Outcome::Waived)?, "runs passed by waiver", "/runs?outcome=waived", Tone::Waived))
            (parts::tile(anomalies, "entries not believed", "/ledger", if anomalies == 0 { Tone::Good } else { Tone::Bad }))
        }
        section {
            h2 { "Needs you" }
            @if needs.is_empty() { p.none { "Nothing waits for you." } }
            ul.needs { @for need in &needs { li { (need.what) pre { code { (need.how) } } } } }
        }
        section {
            h2 { "Frameworks" }
            @if let Some(trouble) = &trouble { p { (parts::state(Tone::Bad, "the assessment failed")) " " (trouble.text) } }
            @match &assessed {
                None => p.none { "The first assessment is being computed; this page shows it when it is there." },
                Some(a) => {
                    (frameworks::table(a))
                    (frameworks::about(a))
                },
            }
        }
    };
    Ok(Page::new("Posture", body).aside(aside).live())
}

/// What waits for the visitor: each with the command that does it.
fn needs(look: &Look<'_>) -> Result<Vec<Need>, Trouble> {
    let mut needs = Vec::new();
    if look.visitor.is_auditor() {
        return Ok(needs);
    }
    approvals(look, &mut needs)?;
    let (now, newest) = (look.now(), look.state().newest_time()?);
    if look.visitor.is_any(&[Role::SecurityOfficer, Role::ComplianceOfficer]) {
        for waiver in look.state().waivers()? {
            let mine = waiver.request.by == look.visitor.person;
            if waiver.state(now, newest) == WaiverState::Requested && !mine {
                let kind = match waiver.request.category {
                    WaiverCategory::Mitigated => "mitigation",
                    _ => "waiver",
                };
                needs.push(Need {
                    what: html! { "A " (kind) " is asked for by " (look.name(&waiver.request.by)?) " " (parts::entry(waiver.index)) },
                    how: format!("countersign waive grant {} --reason TEXT", waiver.request.waiver),
                });
            }
        }
    }
    for gate in gates::list(look.session)? {
        if gate.ownership.owner == look.visitor.person && gate.acknowledged.is_none() {
            needs.push(Need {
                what: html! { "You own the gate " strong { (gate.ownership.gate) } " and have not taken it on" },
                how: format!("countersign gate acknowledge {}", gate.ownership.gate),
            });
        }
    }
    Ok(needs)
}

/// Runs that the visitor could sign.
fn approvals(look: &Look<'_>, needs: &mut Vec<Need>) -> Result<(), Trouble> {
    let pending = RunsAsked { outcome: Some(Outcome::Pending), ..RunsAsked::default() };
    let passed = RunsAsked { outcome: Some(Outcome::Pass), ..RunsAsked::default() };
    for asked in [pending, passed] {
        for line in look.state().runs_page(&asked, WAITING)? {
            let Some(row) = look.state().run(&line.id)? else { continue };
            let Some(decision) = row.decisions.last() else { continue };
            let decision = decide::read_decision(decision)?;
            let change = match decide::read_change(look.session.ledger(), &row.change) {
                Ok(change) => change,
                // Disposed of: nothing of it can be signed any more.
                Err(e) if e.code() == countersign_store::code::MISSING_BLOB => continue,
                Err(e) => return Err(e.into()),
            };
            let authors = build_rules::authors(&change, look.state())?;
            let gates = rules::gates(&decision, Some(&row), &authors, look.state(), look.now())?;
            for slot in gates.iter().flat_map(|g| &g.slots) {
                if slot.missing() > 0 && slot.waits_for.is_empty() && slot.eligible.contains(&look.visitor.person) {
                    needs.push(Need {
                        what: html! {
                            a href={ "/runs/" (row.id) } { (row.id) } " in " (parts::repository(row.identity.as_deref()))
                            " waits for a " (slot.rule.slot) " approval"
                        },
                        how: format!("countersign approve {} --as {}", row.id, slot.rule.slot),
                    });
                }
            }
        }
    }
    Ok(())
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
