//! Findings: what to fix first, over the whole ledger; one of them with its history; and the commands that ask for a waiver.

use std::fmt::Write as _;

use countersign_govern::access::Pen;
use countersign_govern::waivers::{self, Request};
use countersign_model::governance::waiver::LONGEST_DAYS;
use countersign_model::governance::{Scope, WaiverCategory};
use countersign_model::{Digest, Severity, Timestamp};
use countersign_stages::build::findings::{Renewed, rule_text};
use countersign_store::findings::{Asked, Counts, Cursor, Line, LookLine, One, SEVERITIES, Standing};
use maud::{Markup, html};

use crate::app::{Trouble, found};
use crate::web::acts::Doing;
use crate::web::layout::Page;
use crate::web::look::{Look, encode};
use crate::web::parts::{self, Tone};
use crate::web::sign::{self, Keys, Proposed};

/// Rows of one part of the list.
const ROWS: usize = 50;
/// What every state is asked for with; without a state, the page shows what counts.
const ALL: &str = "all";
const DAY: i64 = 24 * 60 * 60 * 1000;

/// What the address asks for.
fn asked(look: &Look<'_>) -> Result<Asked, Trouble> {
    let bad = |what: &str| Trouble::bad_request(&format!("`{what}` in the address is none"));
    let late = match look.filter("late") {
        None => false,
        Some("true") => true,
        Some(_) => return Err(bad("late")),
    };
    let stands = match look.filter("state") {
        None if late => None,
        None => Some(Standing::Open),
        Some(ALL) => None,
        Some(text) => Some(Standing::parse(text).ok_or_else(|| bad("state"))?),
    };
    let severity = |text: &str| SEVERITIES.into_iter().find(|s| s.as_str() == text).ok_or_else(|| bad("severity"));
    Ok(Asked {
        stands,
        severity: look.filter("severity").map(severity).transpose()?,
        repository: look.filter("repository").map(str::to_owned),
        control: look.filter("control").map(str::to_owned),
        rule: look.filter("rule").map(str::to_owned),
        late,
        within: look.scope.within(),
        after: look.filter("after").map(|text| text.parse::<Cursor>().map_err(|()| bad("after"))).transpose()?,
    })
}

pub(crate) fn list(look: &mut Look<'_>) -> Result<Page, Trouble> {
    let asked = asked(look)?;
    let renewed = found::index(look.app, look.session)?;
    let page = renewed.index.read(|index| index.page(&asked, ROWS))?;
    let unread = renewed.index.unread()?;
    let now = look.now();
    let may_ask = !look.visitor.is_auditor() && page.listed.lines.iter().any(can_be_chosen);
    let rows: Vec<Markup> = page.listed.lines.iter().map(|line| row(line, now, may_ask)).collect();
    let mut head = vec!["Severity", "Finding", "Repository", "State", "First seen", "Days past SLA", "Risk"];
    if may_ask {
        head.insert(0, "Choose");
    }
    let select = |name: &str, label: &str, chosen: Option<&str>, all: &[String]| {
        html! {
            label { (label) " "
                select name=(name) {
                    option value="" { "all" }
                    @for one in all { option value=(one) selected[chosen == Some(one)] { (parts::repository_name(one)) } }
                }
            }
        }
    };
    let next = page.listed.next.as_ref().map(|next| look.address("/findings", &[("after", &next.to_string())]));
    let body = html! {
        (how_far(look, &renewed, &unread)?)
        (states(look, &page.counts))
        form.search method="get" action="/findings" role="search" {
            @for name in ["state", "late", "severity"] {
                @if let Some(value) = look.filter(name) { input type="hidden" name=(name) value=(value); }
            }
            (select("repository", "Repository", asked.repository.as_deref(), &page.names.repositories))
            (select("control", "Control", asked.control.as_deref(), &page.names.controls))
            (select("rule", "Rule", asked.rule.as_deref(), &page.names.rules))
            button type="submit" { "Show" }
        }
        (severities(look, &page.counts))
        @if may_ask {
            form.choose method="get" action="/findings/waive" {
                (parts::list("Findings", &head, &rows, ""))
                p { button type="submit" { "How to ask for a waiver of what is chosen" } }
            }
        } @else {
            (parts::list("Findings", &head, &rows, "No finding is like that."))
        }
        (parts::older(next))
        p.quiet {
            "The greatest risk comes first: the weight of the severity (critical 16, high 8, medium 4, low 2, info 1) times 1 to 4 for how much "
            "depends on the application; then what is longest due. A finding is due as its strictest control says, from when it was first seen. "
            "What the newest look of its tool no longer sees is fixed."
        }
    };
    Ok(Page::new("Findings", body).aside(html! { (parts::grouped(page.counts.asked)) " in this list" }).live())
}

/// How far the list goes, and what it does not know.
fn how_far(look: &Look<'_>, renewed: &Renewed, unread: &[u64]) -> Result<Markup, Trouble> {
    Ok(html! {
        @if renewed.behind > 0 {
            p.notice {
                (parts::state(Tone::Wait, "being read")) " This goes up to entry " (renewed.size.saturating_sub(1)) "; "
                (parts::grouped(renewed.behind)) " records that were appended since are being taken in."
            }
        }
        @if !unread.is_empty() {
            p.notice {
                (parts::state(Tone::Bad, "not read")) " "
                (parts::count(unread.len(), "record is missing or damaged", "records are missing or damaged"))
                ", and what they say is not in this list: "
                (look.entries(unread, 8)?)
            }
        }
        @if renewed.disposed > 0 {
            p.quiet { (parts::grouped(renewed.disposed)) " scans were disposed of; nobody knows any more what they saw." }
        }
    })
}

/// The progress of triage: how many stand how, each a list of so many rows.
fn states(look: &Look<'_>, counts: &Counts) -> Markup {
    let late = look.filter("late").is_some();
    let chosen = if late { "" } else { look.filter("state").unwrap_or(Standing::Open.as_str()) };
    let link = |name: &str, n: u64, state: &str| {
        let address = look.address("/findings", &[("state", state), ("late", ""), ("after", "")]);
        (format!("{name} {}", parts::grouped(n)), address, chosen == state)
    };
    let of = |stands| counts.stands.get(&stands).copied().unwrap_or(0);
    let mut links: Vec<_> = Standing::ALL.iter().map(|s| link(s.as_str(), of(*s), s.as_str())).collect();
    links.push(link("all", counts.stands.values().sum(), ALL));
    let address = look.address("/findings", &[("state", ""), ("late", "true"), ("after", "")]);
    links.push((format!("past SLA {}", parts::grouped(counts.late)), address, late));
    parts::filters("State", &links)
}

fn severities(look: &Look<'_>, counts: &Counts) -> Markup {
    let chosen = look.filter("severity").unwrap_or("");
    let link = |name: String, value: &str| {
        (name, look.address("/findings", &[("severity", value), ("after", "")]), chosen == value)
    };
    let of = |severity: &Severity| parts::grouped(counts.severity.get(severity).copied().unwrap_or(0));
    let mut links = vec![link(format!("any severity {}", parts::grouped(counts.severity.values().sum())), "")];
    links.extend(SEVERITIES.iter().map(|s| link(format!("{s} {}", of(s)), s.as_str())));
    parts::filters("Severity", &links)
}

const fn tone(severity: Severity) -> Tone {
    match severity {
        Severity::Critical | Severity::High => Tone::Bad,
        Severity::Medium => Tone::Wait,
        Severity::Low | Severity::Info => Tone::Quiet,
    }
}

fn stands(line: &Line) -> Markup {
    let asked = line.asked.is_some();
    html! {
        @match line.stands {
            Standing::Open if asked => (parts::state(Tone::Wait, "open, suppression asked for")),
            Standing::Open => (parts::state(Tone::Bad, "open")),
            Standing::Suppressed | Standing::Waived => (parts::state(Tone::Waived, line.stands.as_str())),
            Standing::Fixed => (parts::state(Tone::Good, "fixed")),
        }
        @if line.held { div.quiet { "the newest look could not see it" } }
    }
}

/// Whether a waiver of it can be asked for: it counts, and a control is broken by it.
fn can_be_chosen(line: &Line) -> bool {
    line.stands == Standing::Open && !line.controls.is_empty()
}

/// Whole days past the moment by which it should have been answered.
fn days_past(line: &Line, now: Timestamp) -> Option<i64> {
    let over = now.millis().saturating_sub(line.due?.millis());
    (line.stands == Standing::Open && over >= 0).then_some(over / DAY)
}

fn link(fingerprint: &Digest) -> String {
    format!("/findings/{}", fingerprint.hex())
}

/// The name under which a finding is chosen in the form: nothing but its fingerprint, so that many fit into an address.
fn choice(fingerprint: &Digest) -> String {
    format!("f-{}", fingerprint.hex())
}

pub(super) fn row(line: &Line, now: Timestamp, may_ask: bool) -> Markup {
    let place = format!("{}:{}", line.path, line.line);
    html! {
        tr {
            @if may_ask {
                td { @if can_be_chosen(line) {
                    input type="checkbox" name=(choice(&line.fingerprint)) value="1" aria-label={ "Choose " (line.rule) " at " (place) };
                } }
            }
            td { (parts::state(tone(line.severity), line.severity.as_str())) }
            td.long {
                a href=(link(&line.fingerprint)) { (line.rule) }
                div { code { (place) } }
                @if let Some(title) = &line.title { div.quiet { (title) } }
            }
            td.long { (parts::repository(line.repository.as_deref())) }
            td { (stands(line)) }
            td { (parts::time(line.first_time)) }
            td.n {
                @match (line.due, days_past(line, now)) {
                    (_, Some(days)) => strong { (days) },
                    (Some(_), None) => "–",
                    (None, None) => span.quiet { "no SLA" },
                }
            }
            td.n { (line.risk) }
        }
    }
}

fn named(look: &Look<'_>) -> Result<Digest, Trouble> {
    Digest::from_hex(look.param("fingerprint")).map_err(|_| Trouble::not_found("finding"))
}

pub(crate) fn one(look: &mut Look<'_>) -> Result<Page, Trouble> {
    let fingerprint = named(look)?;
    let renewed = found::index(look.app, look.session)?;
    let all = renewed.index.read(|index| index.one(&fingerprint, look.scope.within().as_ref()))?;
    let first = all.first().ok_or_else(|| Trouble::not_found("finding"))?;
    let rule = rule_text(&first.line.rule)?;
    let title = rule.as_ref().map(|r| r.title.clone()).or_else(|| first.line.title.clone());
    let mut places = Vec::new();
    for one in &all {
        places.push(place(look, one)?);
    }
    let body = html! {
        @if renewed.behind > 0 { (how_far(look, &renewed, &[])?) }
        (parts::facts(&[
            ("Rule", html! { a href={ "/findings?rule=" (crate::web::look::encode(&first.line.rule)) } { (first.line.rule) } }),
            ("Severity", parts::state(tone(first.line.severity), first.line.severity.as_str())),
            ("Confidence", html! { (first.line.confidence.as_str()) }),
            ("Seen by", html! { (first.line.tool) }),
            ("Weakness", html! { @if first.line.cwe.is_empty() { "not said" } @else { (first.line.cwe.join(", ")) } }),
            ("Fingerprint", parts::whole(fingerprint)),
        ]))
        @for place in &places { (place) }
        section {
            h2 { "How it is put right" }
            @match &rule {
                Some(rule) => {
                    p { (parts::prose(&rule.why)) }
                    p { (parts::prose(&rule.fix)) }
                },
                None => p.none { "The rule is another tool's or the firm's own; that tool says what to do." },
            }
        }
    };
    let aside = if let [one] = all.as_slice() {
        stands(&one.line)
    } else {
        html! { (all.len()) " repositories" }
    };
    Ok(Page::new(title.unwrap_or_else(|| first.line.rule.clone()), body).aside(aside).live())
}

/// A finding in one repository.
fn place(look: &Look<'_>, one: &One) -> Result<Markup, Trouble> {
    let line = &one.line;
    let now = look.now();
    let application = match &line.repository {
        Some(repository) => look.state().application_of(repository)?,
        None => None,
    };
    let owner = application.as_ref().map(|a| look.name(&a.what.owner)).transpose()?;
    let controls: Vec<Markup> = line.controls.iter().map(|id| control(look, id)).collect();
    // An auditor sees the runs that their audit is about.
    let mut looks = Vec::new();
    for l in &one.looks {
        if look.scope.has_entry(look.session, l.index)? {
            looks.push(seen(l));
        }
    }
    let more = one.seen.saturating_sub(looks.len() as u64);
    let last = one.looks.first();
    let may_ask = !look.visitor.is_auditor() && can_be_chosen(line);
    let mut facts = vec![
        ("State", stands(line)),
        ("Where", html! { code { (line.path) ":" (line.line) } }),
        ("First seen", html! { (parts::time(line.first_time)) " " (look.entries(&[line.first], 1)?) }),
        ("Last seen", html! { @if let Some(l) = last { (parts::time(l.time)) " in " (parts::run(&l.run)) } }),
        (
            "To be answered by",
            html! {
                @match line.due { Some(due) => (parts::time(due)), None => "no control says so" }
                @if let Some(days) = days_past(line, now) { " " (parts::state(Tone::Bad, &format!("{days} days past"))) }
            },
        ),
        ("Risk", html! { (line.risk) }),
        (
            "Application",
            html! {
                @match (&application, &owner) {
                    (Some(a), Some(owner)) => { (a.what.id) ", " (a.what.criticality.to_string()) ", of " (owner) },
                    _ => "none is registered, so it counts as critical",
                }
            },
        ),
    ];
    if let Some(excerpt) = &line.excerpt {
        facts.push(("What the report shows", html! { code { (excerpt) } }));
    }
    Ok(html! {
        section {
            h2 { "In " (parts::repository(line.repository.as_deref())) }
            (parts::facts(&facts))
            (said(look, line)?)
            (parts::table("Controls", &["Control", "Objective", "Owner", "Answered within", "Requirements"], &controls, "The rule serves no control."))
            (parts::table("Seen in", &["Entry", "Run", "Commit", "When"], &looks, "No look that saw it can be read any more."))
            @if more > 0 { p.quiet { "and " (parts::grouped(more)) " looks more" } }
            @if one.came > 1 { p { (parts::state(Tone::Wait, &format!("it came back {} times", one.came - 1))) } }
            @if let (Standing::Fixed, Some(newest)) = (line.stands, &one.newest) {
                p { "The newest look does not see it: " (parts::time(newest.time)) " " (look.entries(&[newest.index], 1)?) }
            }
            @if may_ask {
                p { a href={ "/findings/waive?" (choice(&line.fingerprint)) "=1" } { "How to ask for a waiver" } }
            }
        }
    })
}

/// Who asked that it does not count, and who let it.
fn said(look: &Look<'_>, line: &Line) -> Result<Markup, Trouble> {
    let by = match (&line.by_waiver, line.by_entry) {
        (Some(waiver), _) => {
            let id = countersign_model::WaiverId::from_text(waiver.clone());
            let row = look.state().waiver(&id)?;
            let granted = row.as_ref().and_then(|r| r.granted.as_ref());
            let who = granted.map(|g| look.name(&g.by)).transpose()?;
            let asked = row.as_ref().map(|r| look.name(&r.request.by)).transpose()?;
            Some(html! {
                "Waiver " (super::waiver::link(&id)) " " @if let Some(g) = granted { (look.entries(&[g.index], 1)?) }
                @if let Some(asked) = &asked { ", asked for by " (asked) }
                @if let Some(who) = &who { ", granted by " (who) }
                @if let Some(r) = &row { ": " (r.request.acceptance) }
            })
        }
        (None, Some(index)) => {
            let (repository, print) = (line.repository.as_deref().unwrap_or_default(), &line.fingerprint);
            let grant = look.state().suppression(repository, print)?;
            let who = grant.as_ref().map(|g| look.name(&g.by)).transpose()?;
            Some(
                html! { "Suppression " (look.entries(&[index], 1)?) @if let Some(who) = &who { ", granted by " (who) } },
            )
        }
        (None, None) => None,
    };
    Ok(html! {
        @if let Some(asked) = &line.asked {
            p { "A suppression is asked for (" (asked) ")" @if let Some(reason) = &line.reason { ": " (reason) } "." }
        }
        @if let Some(by) = &by {
            p { (by) @if let Some(until) = line.until { ", until " (parts::time(until)) } "." }
        }
    })
}

pub(super) fn control(look: &Look<'_>, id: &str) -> Markup {
    match look.app.catalogue.get(id) {
        Some(control) => html! {
            tr {
                td { a href={ "/controls/" (id) } { (id) } }
                td.long { (control.objective) }
                td { (control.owner) }
                td.n { (control.sla_hours) " h" }
                td { @for (text, _) in &control.requirements {
                    @let framework = text.split_once(':').map_or(text.as_str(), |(f, _)| f);
                    a.entry href={ "/frameworks/" (framework) } { (text) } " "
                } }
            }
        },
        None => html! { tr { td { (id) } td { "not in the catalogue" } td {} td {} td {} } },
    }
}

fn seen(look: &LookLine) -> Markup {
    html! {
        tr {
            td { (parts::entry(look.index)) }
            td { a.id href={ "/runs/" (look.run) } { (look.run) } }
            td { (parts::short(&look.commit)) }
            td { (parts::time(look.time)) }
        }
    }
}

/// For how many days something is asked for where nobody says.
pub(super) const DAYS: u16 = 90;

/// For how many days something is asked for.
pub(super) fn days_of(text: Option<&str>) -> Result<u16, Trouble> {
    let Some(text) = text else { return Ok(DAYS) };
    let number = text.parse::<u16>().ok().filter(|n| (1..=LONGEST_DAYS).contains(n));
    number.ok_or_else(|| Trouble::bad_request("`days` is none from 1 to 365"))
}

/// The commands that ask for waivers of what was chosen, and the way to sign them here.
pub(crate) fn waive(look: &mut Look<'_>) -> Result<Page, Trouble> {
    if look.visitor.is_auditor() {
        return Err(Trouble::no_role("this page"));
    }
    if let Some(word) = look.filter(sign::PREPARED).map(str::to_owned) {
        let body = html! {
            p { "A waiver lets a broken control stand for a while. You ask for it; somebody else grants it." }
            (sign::draft_shown(look, WAIVE, &word)?)
            p { a href="/findings" { "Leave it" } }
        };
        return Ok(Page::new("Ask for a waiver", body));
    }
    let days = days_of(look.filter("days"))?;
    let accept = look.filter("accept").unwrap_or("TEXT").to_owned();
    let prints: Vec<Digest> = look.filters_with("f-").filter_map(|hex| Digest::from_hex(hex).ok()).take(ROWS).collect();
    let renewed = found::index(look.app, look.session)?;
    let mut lines = Vec::new();
    for print in &prints {
        lines.extend(
            renewed.index.read(|index| index.one(print, look.scope.within().as_ref()))?.into_iter().map(|one| one.line),
        );
    }
    lines.retain(can_be_chosen);
    let keys = sign::keys(look)?;
    let rows: Vec<Markup> = lines.iter().map(|line| row(line, look.now(), false)).collect();
    let text: Vec<String> = lines.iter().map(|line| command(line, &accept, days)).collect();
    let head = ["Severity", "Finding", "Repository", "State", "First seen", "Days past SLA", "Risk"];
    let body = html! {
        @if lines.is_empty() {
            p.none { "Nothing is chosen that counts and has a control. " a href="/findings" { "Choose findings" } " first." }
        } @else {
            p { "A waiver lets a broken control stand for a while. One person asks for it and signs, another grants it; what it covers stays visible." }
            (parts::table("Chosen findings", &head, &rows, ""))
            form.search method="get" action="/findings/waive" {
                @for print in &prints { input type="hidden" name=(choice(print)) value="1"; }
                label { "What could happen, and why that is accepted (no names of people) "
                    input name="accept" size="50" maxlength="500" value=(if accept == "TEXT" { "" } else { &accept }); }
                label { "Days " input type="number" name="days" min="1" max="365" value=(days); }
                button type="submit" { "Write it into the commands" }
            }
            section {
                h2 { "Sign here" }
                (here(look, &keys, &lines, &accept, days))
            }
            section {
                h2 { "What to type" }
                p { "Each asks for one finding, signed with your own key:" }
                (parts::raw("Commands", &text.join("\n")))
                p { "Then somebody else: " code { "countersign waive grant WAIVER --reason TEXT" } }
            }
        }
    };
    Ok(Page::new("Ask for a waiver", body).aside(html! { (lines.len()) " chosen" }))
}

/// The address of the page, and where its answers go.
const WAIVE: &str = "/findings/waive";

/// The way to sign with a passkey: a statement is about one finding, so each is shown and signed by itself, one after the other.
fn here(look: &Look<'_>, keys: &Keys, lines: &[Line], accept: &str, days: u16) -> Markup {
    if keys.here.is_empty() {
        return sign::none_here(look, keys);
    }
    if accept == "TEXT" {
        return html! { p { "Say first what could happen, and why that is accepted." } };
    }
    html! {
        p {
            @if lines.len() > 1 { "Each asks for one finding, so you sign " (lines.len()) " times. You see each before you sign it, and can stop after any." }
            @else { "You see exactly what you would sign." }
        }
        form.ask method="post" action={ (WAIVE) "/prepare" } {
            input type="hidden" name="csrf" value=(look.visitor.csrf);
            (sign::choice(keys))
            @for line in lines { input type="hidden" name=(choice(&line.fingerprint)) value="1"; }
            input type="hidden" name="accept" value=(accept);
            input type="hidden" name="days" value=(days);
            button type="submit" { @if lines.len() > 1 { "Show the first of " (lines.len()) } @else { "Show what I would sign" } }
        }
    }
}

/// Asks whether the visitor may ask for a waiver of the first finding that was chosen, and keeps what they would sign.
pub(crate) fn prepare_waiver(doing: &mut Doing<'_>) -> Result<String, Trouble> {
    let Some(key) = sign::own_key(doing)? else {
        return Err(sign::refused(doing, WAIVE_ACT, None, Trouble::no_passkey())?);
    };
    let days = days_of(Some(doing.field("days")).filter(|text| !text.is_empty()))?;
    let accept = doing.field("accept").to_owned();
    let within = doing.scope.within();
    let prints: Vec<Digest> = doing.fields_with("f-").filter_map(|hex| Digest::from_hex(hex).ok()).take(ROWS).collect();
    let renewed = found::index(doing.app, doing.session)?;
    let mut lines: Vec<Line> = Vec::new();
    for print in &prints {
        let found = renewed.index.read(|index| index.one(print, within.as_ref()))?;
        lines.extend(found.into_iter().map(|one| one.line));
    }
    drop(renewed);
    lines.retain(|line| line.stands == Standing::Open && !line.controls.is_empty());
    let mut lines = lines.into_iter();
    let line = lines.next().ok_or_else(|| Trouble::not_found("finding that counts and has a control"))?;
    let mut left: Vec<String> = lines.map(|line| format!("{}=1", choice(&line.fingerprint))).collect();
    left.sort_unstable();
    left.dedup();
    let controls: std::collections::BTreeSet<String> = line.controls.iter().cloned().collect();
    let asked = Request {
        scope: Scope {
            controls: controls.into_iter().collect(),
            repository: line.repository.clone(),
            fingerprint: Some(line.fingerprint),
            ..Scope::default()
        },
        category: WaiverCategory::Waived,
        compensating: None,
        acceptance: accept.clone(),
        not_before: None,
        days,
    };
    let pen = Pen::Passkey(&key.fingerprint);
    let (id, draft) =
        waivers::draft_request(doing.session, &asked, &doing.app.catalogue, pen).map_err(|e| sign::told(&e))?;
    let mut words = vec![
        ("Waiver", id.to_string()),
        ("Finding", line.fingerprint.to_string()),
        ("Rule", line.rule.clone()),
        ("Controls", asked.scope.controls.join(", ")),
    ];
    words.extend(line.repository.clone().map(|repository| ("Repository", repository)));
    words.push(("What is accepted", accept.trim().to_owned()));
    words.extend(draft.says("expires").map(|until| ("Until", until)));
    let next = if left.is_empty() {
        "/waivers".to_owned()
    } else {
        words.push(("After this one", format!("{} more to look at", left.len())));
        format!("{WAIVE}?{}&accept={}&days={days}", left.join("&"), encode(&accept))
    };
    sign::drafted(doing, WAIVE, Proposed { draft, words, button: "Ask for it with passkey", next })
}

const WAIVE_ACT: &str = "waive request";

/// Takes what the passkey answered.
pub(crate) fn complete_waiver(doing: &mut Doing<'_>) -> Result<String, Trouble> {
    sign::draft_signed(doing, WAIVE_ACT, WAIVE)
}

/// One command, as a POSIX shell reads it.
fn command(line: &Line, accept: &str, days: u16) -> String {
    let mut out = "countersign waive request".to_owned();
    for control in &line.controls {
        let _ = write!(out, " --control {}", quoted(control));
    }
    if let Some(repository) = &line.repository {
        let _ = write!(out, " --repository {}", quoted(repository));
    }
    let _ = write!(out, " --finding {} --days {days} --accept {}", line.fingerprint, quoted(accept));
    out
}

/// A word in single quotes (POSIX shell, 2.2.2), where it needs them.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._/:@+,=".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn a_word_for_the_shell_stays_one_word() {
        assert_eq!(quoted("https://example.test/a.git"), "https://example.test/a.git");
        assert_eq!(quoted("it's $(x)"), "'it'\\''s $(x)'");
        assert_eq!(quoted(""), "''");
    }
}
