//! One run: the whole chain of one change on one page, from its commits to what was deployed. It is the change record that SOX
//! asks for; what it says is read from the log at this moment, and nothing is decided anew.

use std::collections::BTreeSet;

use countersign_model::audit::threads::MaskedField;
use countersign_model::change::{Change, ChangeCommit, SignatureState};
use countersign_model::{PersonId, RunId, Timestamp};
use countersign_policy::Decision;
use countersign_policy::quorum::Held;
use countersign_stages::build::{decide, replay::decision_id, rules as build_rules};
use countersign_stages::release::rules::{self, GateStatus, SlotStatus};
use countersign_store::projection::{ApprovalRow, GrantRow, GrantState, RunRow};
use maud::{Markup, html};

use super::{seen, withdraw};
use crate::app::Trouble;
use crate::web::layout::Page;
use crate::web::look::Look;
use crate::web::parts::{self, Tone};

/// Rows of a part that may be long; the rest is counted.
const SHOWN: usize = 50;

pub(crate) fn show(look: &mut Look<'_>) -> Result<Page, Trouble> {
    let id = RunId::from_text(look.param("run"));
    let row = look.state().run(&id)?.ok_or_else(|| Trouble::not_found("run"))?;
    let change = decide::read_change(look.session.ledger(), &row.change)?;
    let decision = row.decisions.last().map(decide::read_decision).transpose()?;
    let authors = build_rules::authors(&change, look.state())?;
    let gates = match &decision {
        Some(decision) => rules::gates(decision, Some(&row), &authors, look.state(), look.now())?,
        None => Vec::new(),
    };
    let aside = match &decision {
        Some(_) => parts::outcome(rules::overall(&gates)),
        None => parts::state(Tone::Wait, "undecided"),
    };
    let grants = look.state().grants_of_run(&id)?;
    let body = html! {
        (summary(look, &row, &change, decision.as_ref())?)
        ol.chain {
            li { (parts::section("Change", &changed(look, &change)?)) (sent(look, &id)?) }
            li { (parts::section("Scans and evidence", &scanned(look, &row, &authors)?)) }
            li { (parts::section("Gates", &gates_of(&gates))) (differences(look, &id)?) }
            li { (parts::section("Approvals", &approvals(look, &row, &gates)?)) }
            li { (parts::section("Deployment", &deployed(look, &grants)?)) }
            li { (parts::section("Seen running", &seen::of_run(look, &id)?)) }
        }
    };
    Ok(Page::new(id.to_string(), body).aside(aside).live())
}

/// Who sent it to this server, where it was sent.
fn sent(look: &Look<'_>, run: &RunId) -> Result<Markup, Trouble> {
    let mut all = Vec::new();
    for row in look.state().submissions_of(run)? {
        let who = row.person.as_ref().map_or_else(|| Ok("a job".to_owned()), |person| look.name(person))?;
        all.push(html! { li { "sent by " (who) " " (parts::time(row.time)) ", attempt " (row.attempt) " " (parts::entry(row.index)) } });
    }
    Ok(html! { @if !all.is_empty() { ul.quiet { @for one in &all { (one) } } } })
}

/// Where what a pipeline said of a gate differed from what was decided.
fn differences(look: &Look<'_>, run: &RunId) -> Result<Markup, Trouble> {
    let all = look.state().differences_of(run)?;
    Ok(html! {
        @if !all.is_empty() {
            p { (parts::state(Tone::Bad, "the pipeline's word differs")) }
            ul {
                @for d in &all {
                    li {
                        "Of " (d.gate) " the pipeline said " strong { (d.claimed) } ", and it was " strong { (d.decided) } ". "
                        (parts::time(d.time)) " " (parts::entry(d.index))
                    }
                }
            }
        }
    })
}

pub(super) fn summary(
    look: &Look<'_>,
    row: &RunRow,
    change: &Change,
    decision: Option<&Decision>,
) -> Result<Markup, Trouble> {
    let mut facts = vec![
        ("Repository", parts::repository(row.identity.as_deref())),
        ("Commit", html! { (parts::short(&row.commit)) " tree " (parts::short(&row.tree)) }),
        ("For", html! { (change.environment) }),
        ("Attempts", html! { @for index in &row.attempts { (parts::entry(*index)) " " } }),
        ("Pipeline", parts::short(&row.pipeline.to_string())),
    ];
    if let Some(ticket) = &change.ticket {
        facts.push(("Ticket", html! { (look.scope.field(MaskedField::Tickets, ticket)) }));
    }
    if let (Some(decision), Some(last)) = (decision, row.decisions.last()) {
        let digest = decision.digest()?;
        facts.push((
            "Decision",
            html! { code title=(digest) { (decision_id(&digest)) } " " (parts::entry(last.index)) ", of " (row.decisions.len()) },
        ));
        facts.push(("Policy bundle", parts::short(&decision.bundle.to_string())));
        facts.push(("Decided as of", parts::time(decision.time)));
    }
    Ok(parts::facts(&facts))
}

pub(super) fn changed(look: &Look<'_>, change: &Change) -> Result<Markup, Trouble> {
    let mut rows = Vec::new();
    for commit in change.commits.iter().take(SHOWN) {
        rows.push(html! {
            tr {
                td { (parts::short(&commit.id)) }
                td { (author(look, commit)?) }
                td { (signature(commit.signature)) }
                td {
                    @if commit.merge { "merge " }
                    @if commit.pipeline { "pipeline " }
                    @if commit.policy { "policy" }
                }
            }
        });
    }
    let more = change.commits.len().saturating_sub(SHOWN);
    Ok(html! {
        p {
            (parts::count(change.commits.len(), "commit", "commits")) " and " (parts::count(change.files.len(), "file", "files")) " "
            @match &change.base {
                Some(base) => { "since " (parts::short(base)) ", which " (change.environment) " runs." },
                None => "from the first commit on.",
            }
            @if !change.complete { " " (parts::state(Tone::Bad, "not every commit was there to be read")) }
        }
        (parts::table("Commits", &["Commit", "Written by", "Signature", "Touches"], &rows, "No commits."))
        @if more > 0 { p.quiet { "and " (more) " more in the recorded change" } }
    })
}

/// Whoever is known to stand behind a commit. An author's own words are no identity.
fn author(look: &Look<'_>, commit: &ChangeCommit) -> Result<Markup, Trouble> {
    Ok(match build_rules::signer(commit, look.state())? {
        Some(person) => html! { (look.name(&person)?) },
        None => parts::state(Tone::Wait, "nobody known"),
    })
}

fn signature(state: SignatureState) -> Markup {
    match state {
        SignatureState::Valid => parts::state(Tone::Good, "valid"),
        SignatureState::Invalid => parts::state(Tone::Bad, "invalid"),
        SignatureState::None => parts::state(Tone::Quiet, "none"),
        SignatureState::Unsupported => parts::state(Tone::Quiet, "not verified"),
    }
}

pub(super) fn scanned(look: &Look<'_>, row: &RunRow, authors: &BTreeSet<PersonId>) -> Result<Markup, Trouble> {
    let evidence: Vec<Markup> = row
        .evidence
        .iter()
        .map(|e| {
            html! {
                tr {
                    td { (parts::entry(e.index)) }
                    td { (e.name) }
                    td { @if e.artifact { "artifact" } @else { (e.kind) } }
                    td { (parts::short(&e.digest.to_string())) }
                }
            }
        })
        .collect();
    let Some((index, _)) = &row.scan else {
        return Ok(html! { p { (parts::state(Tone::Bad, "nothing was scanned")) } });
    };
    // What was disposed of is said, and leaves the rest of the page as it is.
    let findings = match decide::read_joined(look.session, row) {
        Ok(joined) => found(look, row, &joined, authors)?,
        Err(e) => {
            let trouble = Trouble::from(e);
            html! { p { (parts::state(Tone::Bad, "the scan cannot be read")) " " (trouble.text) } }
        }
    };
    Ok(html! {
        p { "Scan " (parts::entry(*index)) }
        (findings)
        (parts::table("Evidence", &["Entry", "Name", "Kind", "Digest"], &evidence, "No reports, SBOMs or artifacts were recorded."))
    })
}

fn found(
    look: &Look<'_>,
    row: &RunRow,
    joined: &countersign_stages::build::reported::Reported,
    authors: &BTreeSet<PersonId>,
) -> Result<Markup, Trouble> {
    let mut all: Vec<_> = joined.findings.iter().collect();
    all.sort_by(|a, b| {
        b.finding
            .severity
            .cmp(&a.finding.severity)
            .then_with(|| a.finding.path.cmp(&b.finding.path))
            .then(a.finding.line.cmp(&b.finding.line))
    });
    let mut rows = Vec::new();
    for seen in all.iter().take(SHOWN) {
        let f = &seen.finding;
        let state = build_rules::effective_state(f, row.identity.as_deref(), authors, look.state(), look.now())?;
        rows.push(html! {
            tr {
                td { (f.severity.as_str()) }
                td { (f.rule) }
                td { code { (f.path) ":" (f.line) } }
                td { (state.as_str()) }
                td { a href={ "/findings/" (f.fingerprint.hex()) } { (parts::short(&f.fingerprint.to_string())) } }
            }
        });
    }
    let more = all.len().saturating_sub(SHOWN);
    Ok(html! {
        p { (parts::count(all.len(), "finding", "findings")) "." }
        @if !all.is_empty() {
            (parts::table("Findings", &["Severity", "Rule", "Where", "State", "Fingerprint"], &rows, ""))
        }
        @if more > 0 { p.quiet { "and " (more) " more, less severe" } }
    })
}

pub(super) fn gates_of(gates: &[GateStatus]) -> Markup {
    html! {
        @if gates.is_empty() { p.none { "Nothing is decided yet." } }
        @for gate in gates {
            div.gate {
                h3 { (gate.name) " " (parts::outcome(gate.outcome)) }
                @if gate.reasons.is_empty() { p.quiet { "Nothing stands against it." } }
                ul {
                    @for reason in gate.reasons.iter().take(SHOWN) {
                        li class=[(!reason.blocks()).then_some("quiet")] {
                            code { (reason.code) } " " (parts::prose(&reason.text))
                            @if let Some(enforced) = &reason.enforced {
                                " " span.quiet { "(" (enforced.standing.as_str()) @if let Some(by) = &enforced.by { " by " (by) } ")" }
                            }
                        }
                    }
                }
                @if gate.reasons.len() > SHOWN { p.quiet { "and " (gate.reasons.len() - SHOWN) " more" } }
                @if !gate.controls.is_empty() { p.quiet { "Controls: " (gate.controls.join(", ")) } }
            }
        }
    }
}

fn approvals(look: &Look<'_>, row: &RunRow, gates: &[GateStatus]) -> Result<Markup, Trouble> {
    let slots: Vec<&SlotStatus> = gates.iter().flat_map(|g| &g.slots).collect();
    let counting: BTreeSet<u64> = slots.iter().flat_map(|s| &s.filled).map(|f| f.index).collect();
    let mut rows = Vec::new();
    for approval in &row.approvals {
        let idle = slots.iter().flat_map(|s| &s.idle).find(|i| i.index == approval.index).map(|i| i.why.text());
        rows.push(signed(look, approval, counting.contains(&approval.index), idle.as_deref())?);
    }
    for no in look.state().rejections_of(&row.id)? {
        rows.push(html! {
            tr {
                td { (parts::state(if no.withdrawn.is_none() { Tone::Bad } else { Tone::Quiet }, "rejected")) }
                td { (look.name(&no.said.person)?) }
                td { } td { } td { (no.said.reason) }
                td { (parts::time(no.said.time)) }
                td { (parts::entry(no.index)) }
            }
        });
    }
    let mut open = Vec::new();
    for slot in slots.iter().filter(|s| s.missing() > 0) {
        let mut names = slot.eligible.iter().map(|p| look.name(p)).collect::<Result<Vec<_>, _>>()?;
        names.sort_unstable();
        open.push((slot.rule.slot.to_string(), slot.missing(), slot.rule.who(), names, excluded(look, slot)?));
    }
    Ok(html! {
        (parts::table("Approvals", &["Slot", "Who", "Key", "Strength", "Host", "When", "Entry"], &rows, "Nobody has signed."))
        (withdraw::way(look, &row.id)?)
        @for (slot, missing, who, names, excluded) in &open {
            div.open {
                p {
                    (parts::state(Tone::Wait, &format!("{slot}: {missing} missing"))) " by " (who) ". "
                    @if names.is_empty() { "Nobody who could sign is enrolled." } @else { "Could sign: " (names.join(", ")) "." }
                }
                @if !excluded.is_empty() { p.quiet { "Not: " (excluded.join("; ")) } }
                pre { code { "countersign approve " (row.id) " --as " (slot) } }
                @if !look.visitor.is_auditor() { p { a href={ "/approvals/" (row.id) "/" (slot) } { "What would be signed" } } }
            }
        }
    })
}

fn excluded(look: &Look<'_>, slot: &SlotStatus) -> Result<Vec<String>, Trouble> {
    let said = |(p, held): &(PersonId, Held)| Ok(format!("{} ({} by {})", look.name(p)?, held.duty, held.by));
    let mut all = slot.excluded.iter().map(said).collect::<Result<Vec<_>, Trouble>>()?;
    all.sort_unstable();
    Ok(all)
}

fn signed(look: &Look<'_>, a: &ApprovalRow, counts: bool, idle: Option<&str>) -> Result<Markup, Trouble> {
    let tone = if counts { Tone::Good } else { Tone::Quiet };
    let why = match (counts, a.withdrawn, idle) {
        (true, ..) => None,
        (_, Some(index), _) => Some(format!("taken back in entry {index}")),
        (_, _, Some(why)) => Some(why.to_owned()),
        _ => Some("for another decision than the newest".to_owned()),
    };
    Ok(html! {
        tr {
            td { (parts::state(tone, &a.slot.to_string())) @if let Some(why) = &why { div.quiet { (why) } } }
            td { (look.name(&a.person)?) }
            td { code.key { (a.device.key) } }
            td { (a.strength) }
            td { (look.scope.field(MaskedField::Hosts, &a.device.host)) }
            td { (parts::time(a.time)) }
            td { (parts::entry(a.index)) }
        }
    })
}

fn deployed(look: &Look<'_>, grants: &[GrantRow]) -> Result<Markup, Trouble> {
    let mut rows = Vec::new();
    for row in grants {
        let g = &row.grant;
        let (tone, word) = standing(row, look.now());
        rows.push(html! {
            tr {
                td { code.id title=(g.grant) { (parts::short_id(g.grant.as_str())) } @if g.break_glass.is_some() { " " (parts::state(Tone::Bad, "break-glass")) } }
                td { (g.environment) }
                td { (parts::state(tone, word)) }
                td { (person(look, &g.by)?) }
                td { (parts::time(g.time)) }
                td { (parts::entry(row.index)) @if let Some(index) = row.started { " " (parts::entry(index)) } }
                td { @if g.self_judged { (parts::state(Tone::Waived, "self-judged")) } }
            }
        });
    }
    Ok(parts::table(
        "Grants and deployments",
        &["Grant", "Environment", "State", "Issued by", "When", "Entries", "Judged by"],
        &rows,
        "No grant was issued.",
    ))
}

fn person(look: &Look<'_>, id: &PersonId) -> Result<String, Trouble> {
    look.name(id)
}

fn standing(row: &GrantRow, now: Timestamp) -> (Tone, &'static str) {
    match row.state {
        GrantState::Issued if now >= row.grant.expires => (Tone::Quiet, "expired"),
        GrantState::Issued => (Tone::Wait, "not used yet"),
        GrantState::Revoked => (Tone::Quiet, "revoked"),
        GrantState::Started => (Tone::Wait, "started, no end recorded"),
        GrantState::Ended { success: true } => (Tone::Good, "deployed"),
        GrantState::Ended { success: false } => (Tone::Bad, "failed"),
    }
}
