//! One waiver: what is asked for, what it covers, who said what; and granting, refusing and ending it with a passkey, as
//! `countersign waive` signs it.

use std::collections::BTreeSet;

use countersign_govern::access::{Draft, Pen};
use countersign_govern::waivers::{self, Standing};
use countersign_model::WaiverId;
use countersign_model::governance::{Scope, WaiverCategory};
use countersign_policy::enforcement::FindingScope;
use countersign_store::findings::{Asked, Line, Standing as Stands};
use countersign_store::projection::{MAX_TEXT, Said, WaiverRow, WaiverState};
use maud::{Markup, html};

use super::findings;
use super::renewal;
use super::waivers::tone;
use crate::app::{Trouble, found};
use crate::web::acts::Doing;
use crate::web::layout::Page;
use crate::web::look::{Look, encode};
use crate::web::parts::{self, Tone};
use crate::web::sign::{self, Proposed};

/// Findings that are listed.
const ROWS: usize = 50;
/// Findings of one control that are looked at for them.
const LOOKED: usize = 500;

/// What somebody decides of a waiver.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Decision {
    Grant,
    Reject,
    Revoke,
}

impl Decision {
    const ALL: [Self; 3] = [Self::Grant, Self::Reject, Self::Revoke];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Grant => "grant",
            Self::Reject => "reject",
            Self::Revoke => "revoke",
        }
    }

    /// The command line's, for the record of a refusal.
    const fn act(self) -> &'static str {
        match self {
            Self::Grant => "waive grant",
            Self::Reject => "waive reject",
            Self::Revoke => "waive revoke",
        }
    }

    /// What it is called where it is chosen; `own`: whoever asked for the waiver takes its request back.
    const fn choice(self, own: bool) -> &'static str {
        match self {
            Self::Grant => "Grant it",
            Self::Reject if own => "Take the request back",
            Self::Reject => "Refuse it",
            Self::Revoke => "End it before its time",
        }
    }

    const fn button(self) -> &'static str {
        match self {
            Self::Grant => "Grant with passkey",
            Self::Reject => "Refuse with passkey",
            Self::Revoke => "End with passkey",
        }
    }

    fn of(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == text)
    }

    /// Whether somebody may, now.
    fn may(self, look: &Look<'_>, id: &WaiverId) -> Result<(), countersign_govern::Error> {
        let by = &look.visitor.person;
        match self {
            Self::Grant => waivers::may_grant(look.session, id, by),
            Self::Reject => waivers::may_reject(look.session, id, by),
            Self::Revoke => waivers::may_revoke(look.session, id, by),
        }
    }
}

/// Where a waiver's page is.
pub(super) fn place(id: &WaiverId) -> String {
    format!("/waivers/{}", encode(id.as_str()))
}

/// A link to a waiver's page.
pub(super) fn link(id: &WaiverId) -> Markup {
    html! { a.id href=(place(id)) title=(id) { (parts::short_id(id.as_str())) } }
}

pub(crate) fn show(look: &mut Look<'_>) -> Result<Page, Trouble> {
    let id = WaiverId::from_text(look.param("waiver"));
    let row = look.state().waiver(&id)?.ok_or_else(|| Trouble::not_found("waiver"))?;
    let title = format!("Waiver {}", parts::short_id(id.as_str()));
    if let Some(word) = look.filter(sign::PREPARED).map(str::to_owned) {
        let body = html! {
            (sign::draft_shown(look, &place(&id), &word)?)
            p { a href=(place(&id)) { "Write another reason" } ", or leave it." }
        };
        return Ok(Page::new(title, body));
    }
    let w = waivers::standing(look.session, row)?;
    let body = html! {
        (request(look, &w)?)
        (scope(look, &w)?)
        (covers(look, &w)?)
        (said(look, &w.row)?)
        @if !look.visitor.is_auditor() { (decide(look, &w)?) }
        @let renew = renewal::way(look, &w, "Ask that it goes on after its end");
        @if !renew.0.is_empty() { p { (renew) } }
    };
    let page = Page::new(title, body).aside(parts::state(tone(w.state), w.state.as_str()));
    // Not live while it is decided about: what somebody reads before they sign does not change under their eyes.
    Ok(if w.state == WaiverState::Requested { page } else { page.live() })
}

fn request(look: &Look<'_>, w: &Standing) -> Result<Markup, Trouble> {
    let request = &w.row.request;
    let kind = match request.category {
        WaiverCategory::Waived => "the risk is accepted",
        WaiverCategory::Mitigated => "another control meets the objective",
    };
    let mut facts = vec![
        ("What is accepted, and why", html! { (request.acceptance) }),
        ("Kind", html! { (request.category.as_str()) ": " (kind) }),
    ];
    if let Some(control) = &request.compensating {
        facts.push(("Control that does the work", html! { a href={ "/controls/" (encode(control)) } { (control) } }));
    }
    facts.extend([
        (
            "Asked for",
            html! { (parts::time(request.time)) " by " (look.name(&request.by)?) " " (look.entry(w.row.index)?) },
        ),
        ("Holds from", parts::time(request.not_before)),
        ("Until", parts::time(request.expires)),
        ("Whole id", parts::whole(&request.waiver)),
        ("Granted by", html! { (request.category.granted_by().with_article()) ", who did not ask for it" }),
    ]);
    if let Some(before) = &request.renews {
        facts.push(("Renews", html! { (link(before)) ", renewal " (request.renewals) }));
    }
    Ok(parts::facts(&facts))
}

/// What it covers, in the words of whoever asked.
fn scope(look: &Look<'_>, w: &Standing) -> Result<Markup, Trouble> {
    let scope = &w.row.request.scope;
    let controls: Vec<Markup> = scope.controls.iter().map(|id| findings::control(look, id)).collect();
    let mut facts: Vec<(&str, Markup)> = Vec::new();
    if let Some(application) = &scope.application {
        facts.push(("Application", html! { (application) }));
    }
    if let Some(repository) = &scope.repository {
        facts.push(("Repository", parts::repository(Some(repository))));
    }
    if let Some(environment) = &scope.environment {
        facts.push(("Environment", html! { (environment) }));
    }
    if let Some(tier) = scope.tier {
        facts.push(("Environments of the tier", html! { (tier.as_str()) }));
    }
    if let Some(path) = &scope.path {
        facts.push(("Paths", html! { code { (path) } }));
    }
    if let Some(rule) = &scope.rule {
        facts.push(("Rules", html! { code { (rule) } }));
    }
    if let Some(print) = &scope.fingerprint {
        facts.push(("Finding", html! { a href={ "/findings/" (print.hex()) } { (parts::short(&print.to_string())) } }));
    }
    let head = ["Control", "Objective", "Owner", "Answered within", "Requirements"];
    Ok(html! {
        section {
            h2 { "What it is about" }
            @if facts.is_empty() { p { "These controls, wherever they are asked." } } @else { (parts::facts(&facts)) }
            (parts::table("Controls", &head, &controls, "It names no control."))
            p.quiet { "All that is named must fit. What concerns a control that is not named as well is not covered." }
        }
    })
}

/// The findings that it covers, or would.
fn covers(look: &Look<'_>, w: &Standing) -> Result<Markup, Trouble> {
    let would = matches!(w.state, WaiverState::Requested | WaiverState::Upcoming);
    if !would && w.state != WaiverState::Active {
        return Ok(html! {});
    }
    let (mut lines, whole) = covered(look, &w.row.request.scope)?;
    let id = w.row.request.waiver.as_str();
    lines.retain(|line| match line.stands {
        Stands::Open => would,
        Stands::Waived => !would && line.by_waiver.as_deref() == Some(id),
        _ => false,
    });
    let now = look.now();
    let rows: Vec<Markup> = lines.iter().take(ROWS).map(|line| findings::row(line, now, false)).collect();
    let head = ["Severity", "Finding", "Repository", "State", "First seen", "Days past SLA", "Risk"];
    let none = if would { "No finding that counts now would be covered by it." } else { "It covers no finding now." };
    Ok(html! {
        section {
            h2 { @if would { "Findings that it would cover" } @else { "Findings that it covers" } }
            (parts::table("Findings", &head, &rows, none))
            @if !whole || lines.len() > ROWS { p.quiet { "There may be more: this is what counts most." } }
            @if let Some((findings, reasons)) = w.covers {
                p.quiet {
                    "The newest decision in which it had a say rests on it for " (parts::count(wide(findings), "finding", "findings")) " and "
                    (parts::count(wide(reasons), "reason", "reasons")) "."
                }
            }
            @if w.is_unmatched() { p { (parts::state(Tone::Wait, "it covers nothing")) " Then it may be ended." } }
        }
    })
}

fn wide(n: u64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

/// Findings that stand and that a scope covers, the greatest risk first for each control; whether those are all.
fn covered(look: &Look<'_>, scope: &Scope) -> Result<(Vec<Line>, bool), Trouble> {
    let renewed = found::index(look.app, look.session)?;
    let within = look.scope.within();
    let (mut lines, mut whole) = (Vec::new(), renewed.behind == 0);
    if let Some(print) = &scope.fingerprint {
        let all = renewed.index.read(|index| index.one(print, within.as_ref()))?;
        lines.extend(all.into_iter().map(|one| one.line));
    } else {
        for (control, stands) in
            scope.controls.iter().flat_map(|control| [(control, Stands::Open), (control, Stands::Waived)])
        {
            let asked = Asked {
                stands: Some(stands),
                repository: scope.repository.clone(),
                control: Some(control.clone()),
                within: within.clone(),
                ..Asked::default()
            };
            let listed = renewed.index.read(|index| index.page(&asked, LOOKED))?.listed;
            whole &= listed.next.is_none();
            lines.extend(listed.lines);
        }
    }
    drop(renewed);
    let compiled = FindingScope::new(scope)?;
    let mut seen = BTreeSet::new();
    let mut kept = Vec::new();
    for line in lines {
        let repository = line.repository.as_deref();
        let application = match (&scope.application, repository) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(id), Some(repository)) => {
                look.state().application_of(repository)?.is_some_and(|application| application.what.id == *id)
            }
        };
        let fits = application
            && scope.repository.as_deref().is_none_or(|wanted| repository == Some(wanted))
            && compiled.covers(&line.controls, &line.rule, &line.path, &line.fingerprint);
        if fits && seen.insert((line.fingerprint, line.repository.clone())) {
            kept.push(line);
        }
    }
    kept.sort_by_key(|line| std::cmp::Reverse(line.risk));
    Ok((kept, whole))
}

/// Who decided what about it.
fn said(look: &Look<'_>, row: &WaiverRow) -> Result<Markup, Trouble> {
    let all = [("granted", &row.granted), ("refused", &row.rejected), ("ended", &row.revoked)];
    let mut rows = Vec::new();
    for (what, said) in all {
        let Some(Said { index, by, time, reason }) = said else { continue };
        rows.push(html! {
            tr {
                td { (look.entry(*index)?) }
                td { (what) }
                td { (look.name(by)?) }
                td { (parts::time(*time)) }
                td.long { (reason) }
            }
        });
    }
    Ok(parts::section(
        "What was decided",
        &parts::table("Decisions", &["Entry", "What", "By", "When", "Why"], &rows, "Nobody has decided about it."),
    ))
}

/// The way to decide about it, for whoever may; else why they may not.
fn decide(look: &Look<'_>, w: &Standing) -> Result<Markup, Trouble> {
    let id = &w.row.request.waiver;
    let own = w.row.request.by == look.visitor.person;
    let asked =
        if w.row.granted.is_none() { &[Decision::Grant, Decision::Reject][..] } else { &[Decision::Revoke][..] };
    let (mut open, mut shut) = (Vec::new(), Vec::new());
    for decision in asked {
        match decision.may(look, id) {
            Ok(()) => open.push(*decision),
            Err(error) => shut.push((*decision, sign::told(&error))),
        }
    }
    if w.row.rejected.is_some() || w.row.revoked.is_some() {
        return Ok(html! {});
    }
    let keys = sign::keys(look)?;
    Ok(html! {
        section {
            h2 { "Decide" }
            @for (decision, trouble) in &shut {
                p { (parts::state(Tone::Quiet, decision.choice(own))) " not by you, or not now: " (trouble.text) "." }
            }
            @if !open.is_empty() {
                @if keys.here.is_empty() {
                    (sign::none_here(look, &keys))
                } @else {
                    form.ask method="post" action={ (place(id)) "/prepare" } {
                        input type="hidden" name="csrf" value=(look.visitor.csrf);
                        (sign::choice(&keys))
                        @match open.as_slice() {
                            [one] => input type="hidden" name="decision" value=(one.as_str());,
                            several => fieldset {
                                legend { "What you decide" }
                                @for one in several {
                                    label { input type="radio" name="decision" value=(one.as_str()) required; " " (one.choice(own)) }
                                }
                            },
                        }
                        label for="reason" { "Why, in one line (no names of people)" }
                        input id="reason" name="reason" required maxlength=(MAX_TEXT) autocomplete="off";
                        button type="submit" { @if let [one] = open.as_slice() { (one.choice(own)) ": show what I would sign" } @else { "Show what I would sign" } }
                    }
                }
                p { "With your SSH key, on your own machine:" }
                pre { code { @for one in &open { "countersign waive " (one.as_str()) " " (id) " --reason TEXT\n" } } }
            }
        }
    })
}

/// What the statement says, in words.
fn words(decision: Decision, row: &WaiverRow, draft: &Draft) -> Vec<(&'static str, String)> {
    let request = &row.request;
    let what = match decision {
        Decision::Grant => "the grant of a waiver",
        Decision::Reject => "the refusal of a waiver",
        Decision::Revoke => "the end of a waiver before its time",
    };
    let mut words = vec![("What", what.to_owned()), ("Waiver", request.waiver.to_string())];
    words.extend(draft.says("request").map(|leaf| ("Request", format!("entry {}, {leaf}", row.index))));
    words.push(("Controls", request.scope.controls.join(", ")));
    words.push(("What is accepted", request.acceptance.clone()));
    words.extend(request.compensating.clone().map(|control| ("Control that does the work", control)));
    words.push(("Until", request.expires.to_string()));
    words.extend(draft.says("reason").map(|reason| ("Why", reason)));
    words.extend(draft.says("time").map(|time| ("At", time)));
    words
}

/// Asks whether the visitor may decide so, and keeps what they would sign.
pub(crate) fn prepare(doing: &mut Doing<'_>) -> Result<String, Trouble> {
    let decision = Decision::of(doing.field("decision"));
    let Some(key) = sign::own_key(doing)? else {
        let act = decision.unwrap_or(Decision::Grant).act();
        return Err(sign::refused(doing, act, None, Trouble::no_passkey())?);
    };
    let decision = decision.ok_or_else(|| Trouble::bad_request("`decision` in the form is none"))?;
    let id = WaiverId::from_text(doing.param("waiver"));
    let row = doing.session.state().waiver(&id)?.ok_or_else(|| Trouble::not_found("waiver"))?;
    let reason = doing.field("reason").to_owned();
    let (session, pen) = (&mut *doing.session, Pen::Passkey(&key.fingerprint));
    let (_, draft) = match decision {
        Decision::Grant => waivers::draft_grant(session, id.as_str(), &reason, pen),
        Decision::Reject => waivers::draft_rejection(session, id.as_str(), &reason, pen),
        Decision::Revoke => waivers::draft_revocation(session, id.as_str(), &reason, pen),
    }
    .map_err(|e| sign::told(&e))?;
    let words = words(decision, &row, &draft);
    let next = place(&id);
    sign::drafted(doing, &place(&id), Proposed { draft, words, button: decision.button(), next })
}

/// Takes what the passkey answered.
pub(crate) fn complete(doing: &mut Doing<'_>) -> Result<String, Trouble> {
    let id = WaiverId::from_text(doing.param("waiver"));
    sign::draft_signed(doing, Decision::Grant.act(), &place(&id))
}
