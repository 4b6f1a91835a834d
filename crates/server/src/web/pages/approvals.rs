//! Approvals: what waits for the visitor's signature, and for one of them exactly what would be signed, with the ways to sign it. What
//! the page shows is what the command line would sign at this moment; looking appends nothing.

use std::time::Instant;

use countersign_model::access::SlotName;
use countersign_model::change::Change;
use countersign_model::event::ApprovalSigned;
use countersign_model::{Digest, RunId};
use countersign_policy::Decision;
use countersign_stages::build::confined::ConfinedEngine;
use countersign_stages::build::replay::decision_id;
use countersign_stages::build::{decide, rules as build_rules};
use countersign_stages::release::prepared::{self, Prepared};
use countersign_stages::release::rules::{self, GateStatus, SlotStatus};
use countersign_store::projection::{KeyRow, RunRow, RunsAsked};
use maud::{Markup, html};

use super::{run, withdraw};
use crate::app::{Kept, Trouble};
use crate::auth::lock;
use crate::web::layout::Page;
use crate::web::look::{Look, encode};
use crate::web::parts::{self, Tone};
use crate::web::sign::{self, Shown};
use crate::web::trouble_body;

/// Of so many of the newest runs that wait, it is looked at whether the visitor could sign.
const WAITING: u32 = 30;

/// A run that the visitor could sign now.
pub(super) struct Waits {
    pub(super) row: RunRow,
    /// The slots that they could fill.
    pub(super) slots: Vec<SlotName>,
    about: About,
}

/// What a run's approvals are about.
struct About {
    change: Change,
    decision: Decision,
    gates: Vec<GateStatus>,
}

/// The newest decision of a run and its gates; none of a run without one.
fn about(look: &Look<'_>, row: &RunRow) -> Result<Option<About>, Trouble> {
    let Some(decision) = row.decisions.last() else { return Ok(None) };
    let decision = decide::read_decision(decision)?;
    let change = decide::read_change(look.session.ledger(), &row.change)?;
    let authors = build_rules::authors(&change, look.state())?;
    let gates = rules::gates(&decision, Some(row), &authors, look.state(), look.now())?;
    Ok(Some(About { change, decision, gates }))
}

fn slots(about: &About) -> impl Iterator<Item = &SlotStatus> {
    about.gates.iter().flat_map(|g| &g.slots)
}

/// Runs that the visitor could sign. What was deployed, well or not, waits for nobody, though what its approvals bound
/// has changed since; its own page still says who could sign.
/// What cannot be read waits for nobody either, and is named.
pub(super) fn waiting(look: &Look<'_>) -> Result<(Vec<Waits>, Vec<RunId>), Trouble> {
    let (mut all, mut unread) = (Vec::new(), Vec::new());
    for outcome in rules::SIGNED {
        let asked = RunsAsked { outcome: Some(outcome), ..RunsAsked::default() };
        for line in look.state().runs_page(&asked, WAITING)? {
            if line.deployed.is_some() {
                continue;
            }
            let Some(row) = look.state().run(&line.id)? else { continue };
            let about = match about(look, &row) {
                Ok(Some(about)) => about,
                Ok(None) => continue,
                // Disposed of: nothing of it can be signed any more.
                Err(trouble) if trouble.code == countersign_store::code::MISSING_BLOB => continue,
                Err(trouble) if trouble.is_of_content() => {
                    unread.push(line.id);
                    continue;
                }
                Err(trouble) => return Err(trouble),
            };
            let could = |s: &&SlotStatus| {
                s.missing() > 0 && s.waits_for.is_empty() && s.eligible.contains(&look.visitor.person)
            };
            let slots: Vec<SlotName> = slots(&about).filter(could).map(|s| s.rule.slot.clone()).collect();
            if !slots.is_empty() {
                all.push(Waits { row, slots, about });
            }
        }
    }
    Ok((all, unread))
}

/// Everything that waits for the visitor.
pub(crate) fn list(look: &mut Look<'_>) -> Result<Page, Trouble> {
    let (all, unread) = if look.visitor.is_auditor() { (Vec::new(), Vec::new()) } else { waiting(look)? };
    let mut items = Vec::new();
    for waits in &all {
        items.push(item(look, waits)?);
    }
    let body = html! {
        p.quiet { "Of the " (WAITING) " newest runs that policy holds and as many that it passes, by itself, by waiver or mitigated, those that were never deployed and that you could sign now." }
        @if items.is_empty() {
            p.none {
                @if look.visitor.is_auditor() { "An auditor signs nothing." } @else { "Nothing waits for your signature." }
            }
        }
        @for item in &items { (item) }
        @if !look.visitor.is_auditor() { (withdraw::said(look)?) }
        p { a href="/passkeys" { "Your passkeys" } }
        @if !unread.is_empty() {
            p.notice {
                (parts::state(Tone::Bad, "not read")) " What is recorded of "
                (parts::count(unread.len(), "run", "runs")) " cannot be read, so nobody is asked to sign: "
                @for run in unread.iter().take(8) { (parts::run(run)) " " }
            }
        }
    };
    Ok(Page::new("Approvals", body).aside(html! { (all.len()) " waiting" }).live())
}

fn item(look: &Look<'_>, waits: &Waits) -> Result<Markup, Trouble> {
    let (row, about) = (&waits.row, &waits.about);
    let since = since(look, about, &waits.slots)?;
    let findings = findings(look, row);
    Ok(html! {
        section.waits {
            h2 { a href={ "/runs/" (row.id) } { (row.id) } " in " (parts::repository(row.identity.as_deref())) }
            (run::summary(look, row, &about.change, Some(&about.decision))?)
            p {
                (parts::count(about.change.commits.len(), "commit", "commits")) ", " (parts::count(about.change.files.len(), "file", "files")) ". "
                @match findings { Ok(n) => { (parts::count(n, "finding", "findings")) ". " } Err(ref text) => { (parts::state(Tone::Bad, "the scan cannot be read")) " " (text) " " } }
                @for gate in &about.gates { (gate.name) " " (parts::outcome(gate.outcome)) " " }
            }
            (since)
            @for slot in &waits.slots {
                div.open {
                    p { a href={ "/approvals/" (row.id) "/" (slot) } { "See exactly what you would sign as " (slot) ", and sign it with a passkey" } " or with your SSH key:" }
                    pre { code { "countersign approve " (row.id) " --as " (slot) } }
                }
            }
        }
    })
}

fn findings(look: &Look<'_>, row: &RunRow) -> Result<usize, String> {
    if row.scan.is_none() {
        return Err("nothing was scanned".to_owned());
    }
    decide::read_joined(look.session, row).map(|joined| joined.findings.len()).map_err(|e| e.to_string())
}

/// Approvals for these slots that do not count any more, and what changed since they were given.
fn since(look: &Look<'_>, about: &About, names: &[SlotName]) -> Result<Markup, Trouble> {
    let mut rows = Vec::new();
    for slot in slots(about).filter(|s| names.contains(&s.rule.slot)) {
        for idle in &slot.idle {
            rows.push(html! {
                tr {
                    td { (parts::entry(idle.index)) }
                    td { (slot.rule.slot) }
                    td { (look.name(&idle.person)?) }
                    td { (idle.why.text()) }
                }
            });
        }
    }
    Ok(html! {
        @if !rows.is_empty() {
            (parts::table("What changed since it was signed before", &["Entry", "Slot", "Signed by", "Why it does not count any more"], &rows, ""))
        }
    })
}

/// One approval: exactly what would be signed.
pub(crate) fn one(look: &mut Look<'_>) -> Result<Page, Trouble> {
    let (id, name) = sign::named(look.param("run"), look.param("slot"))?;
    let row = look.state().run(&id)?.ok_or_else(|| Trouble::not_found("run"))?;
    let about = about(look, &row)?.ok_or_else(|| Trouble::not_found("decision"))?;
    let slot = slots(&about).find(|s| s.rule.slot == name).cloned().ok_or_else(|| Trouble::not_found("approval"))?;
    let authors = build_rules::authors(&about.change, look.state())?;
    let offer = offer(look, &row, &slot)?;
    let aside = match slot.missing() {
        0 => parts::state(Tone::Good, "signed by whoever has to"),
        n => parts::state(Tone::Wait, &format!("{n} missing")),
    };
    let body = html! {
        (run::summary(look, &row, &about.change, Some(&about.decision))?)
        (parts::section("What you would sign", &offer))
        (since(look, &about, std::slice::from_ref(&name))?)
        (parts::section("Gates", &run::gates_of(&about.gates)))
        (parts::section("Change", &run::changed(look, &about.change)?))
        (parts::section("Scans and evidence", &run::scanned(look, &row, &authors)?))
    };
    // Not live: what somebody reads before they sign does not change under their eyes.
    Ok(Page::new(format!("{name} approval of {id}"), body).aside(aside))
}

/// The ways in which the visitor can sign, or why they cannot.
fn offer(look: &mut Look<'_>, row: &RunRow, slot: &SlotStatus) -> Result<Markup, Trouble> {
    if look.visitor.is_auditor() {
        return Ok(html! { p.none { "An auditor signs nothing." } });
    }
    let command = html! {
        p { "With your SSH key, on your own machine:" }
        pre { code { "countersign approve " (row.id) " --as " (slot.rule.slot) } }
    };
    if !slot.eligible.contains(&look.visitor.person) {
        let held = slot.excluded.iter().find(|(p, _)| *p == look.visitor.person).map(|(_, held)| held);
        return Ok(html! {
            p {
                (parts::state(Tone::Quiet, "not by you")) " "
                @if let Some(held) = held { "You are " (held.duty) " of this run (" (held.by) ")." }
                @else if slot.filled.iter().any(|f| f.person == look.visitor.person) { "You signed it." }
                @else { "It is signed by " (slot.rule.who()) "." }
            }
            @if held.is_none() && slot.rule.roles.iter().any(|role| look.visitor.roles.contains(role)) {
                p { "You can still " a href={ "/runs/" (row.id) "/reject" } { "say no to it, with a reason" } "." }
            }
        });
    }
    let keys = sign::keys(look)?;
    let here = &keys.here;
    let wanted = look.filter("key").map(str::to_owned);
    let chosen = here.iter().find(|k| wanted.as_deref().is_none_or(|w| k.fingerprint == w)).or(here.first()).cloned();
    let statement = match &chosen {
        None => html! {},
        Some(key) => match prepared::preview(look.session, &ConfinedEngine, &row.id, &slot.rule.slot, &key.fingerprint)
        {
            Ok(shown) => statement(look, row, &slot.rule.slot, &shown)?,
            Err(error) => refused(look, row, &slot.rule.slot, key, &sign::told(&error)),
        },
    };
    let others: Vec<&KeyRow> =
        here.iter().filter(|k| chosen.as_ref().is_some_and(|c| c.fingerprint != k.fingerprint)).collect();
    Ok(html! {
        (statement)
        @if !others.is_empty() {
            p { "Another passkey of yours: "
                @for key in &others { a href={ "/approvals/" (row.id) "/" (slot.rule.slot) "?key=" (encode(&key.fingerprint)) } { code { (key.fingerprint) } } " " }
            }
        }
        (sign::none_here(look, &keys))
        (command)
        p { "Or " a href={ "/runs/" (row.id) "/reject" } { "say no to it, with a reason" } "." }
    })
}

/// What cannot be signed now, and why. What is not of now any more can be decided anew.
fn refused(look: &Look<'_>, row: &RunRow, slot: &SlotName, key: &KeyRow, trouble: &Trouble) -> Markup {
    html! {
        (trouble_body(trouble))
        form method="post" action={ "/approvals/" (row.id) "/" (slot) "/prepare" } {
            input type="hidden" name="csrf" value=(look.visitor.csrf);
            input type="hidden" name="key" value=(key.fingerprint);
            button type="submit" { "Decide on what is so now" }
        }
    }
}

/// The exact statement, in words and raw, with the button that signs it.
fn statement(look: &Look<'_>, row: &RunRow, slot: &SlotName, shown: &Prepared) -> Result<Markup, Trouble> {
    let request = serde_json::to_vec(&shown.request)
        .map_err(|_| Trouble::internal("a request for a signature could not be written"))?;
    let place = sign::approval(&row.id, slot);
    let word = lock(&look.app.preparations).make(&look.visit.name, &place, Kept::Approval(request), Instant::now())?;
    let word = word.ok_or_else(Trouble::busy)?;
    Ok(sign::shown(
        look,
        &Shown {
            words: words(look, &shown.said)?,
            statement: &shown.statement,
            options: shown.request.options(),
            place: &place,
            word: &word,
            button: "Sign with passkey",
        },
    ))
}

/// What the statement says.
fn words(look: &Look<'_>, said: &ApprovalSigned) -> Result<Markup, Trouble> {
    let digest = |d: &Option<Digest>| html! { @match d { Some(d) => (parts::short(&d.to_string())), None => "none" } };
    Ok(parts::facts(&[
        ("Ledger", html! { code { (said.origin) } }),
        ("Repository", html! { (said.repository) }),
        ("Commit", html! { code { (said.commit) } " tree " (parts::short(&said.tree)) }),
        (
            "Artifacts",
            html! {
                @if said.artifacts.is_empty() { "the tree; none were recorded" }
                @for a in &said.artifacts { (a.name) " " (parts::short(&a.digest.to_string())) " " }
            },
        ),
        ("For", html! { (said.environment) }),
        (
            "Decision",
            html! { code title=(said.decision) { (decision_id(&said.decision)) } " by policy bundle " (parts::short(&said.bundle.to_string())) },
        ),
        ("As", html! { (said.slot) " approval of the gate " (said.gate) }),
        (
            "By",
            html! { (look.name(&said.person)?) ", " (said.strength) " " code { (said.device.key) } ", asked by " (said.device.host) },
        ),
        ("At", parts::time(said.time)),
        (
            "Counts until",
            html! { @match said.expires { Some(end) => (parts::time(end)), None => "something that it binds changes" } },
        ),
        ("Approval rules", digest(&said.rules)),
        ("Levels of enforcement", digest(&said.levels)),
        ("Waivers in force", digest(&said.waivers)),
        ("Findings as recorded", digest(&said.findings)),
        (
            "Log as it was",
            html! { @match &said.evidence { Some(seen) => { (parts::grouped(seen.size)) " entries, root " (parts::short(&seen.root.to_string())) } None => "not named" } },
        ),
    ]))
}
