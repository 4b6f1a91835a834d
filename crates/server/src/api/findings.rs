//! Findings: of the whole ledger, one of them, and those of a run.

use countersign_model::{Digest, RunId, Timestamp};
use countersign_stages::build::{decide, rules};
use countersign_stages::release::suppression;
use countersign_store::findings::{Asked, Line, LookLine, One, SEVERITIES, Standing};

use super::ask::{Ask, count};
use super::wire::{
    Finding, FindingList, FindingLook, FindingPlace, FindingPlaces, FindingStates, RunFinding, RunFindingList,
    Suppression, SuppressionList,
};
use crate::app::{Trouble, found};

/// How a finding may stand.
pub(super) fn states() -> Vec<&'static str> {
    Standing::ALL.iter().map(|s| s.as_str()).collect()
}

/// How bad it may be.
pub(super) fn severities() -> Vec<&'static str> {
    SEVERITIES.iter().map(|s| s.as_str()).collect()
}

pub(super) fn list(ask: &Ask<'_>) -> Result<FindingList, Trouble> {
    let text = |name: &str| ask.filter(name).map(str::to_owned);
    let asked = Asked {
        stands: ask.filter("state").and_then(Standing::parse),
        severity: ask.filter("severity").and_then(|t| SEVERITIES.into_iter().find(|s| s.as_str() == t)),
        repository: text("repository"),
        control: text("control"),
        rule: text("rule"),
        late: ask.filter("late").is_some(),
        within: ask.scope.within(),
        after: ask.filter("after").and_then(|t| t.parse().ok()),
    };
    let renewed = found::index(ask.app, ask.session)?;
    let page = renewed.index.read(|index| index.page(&asked, ask.limit() as usize))?;
    let of = |stands| page.counts.stands.get(&stands).copied().unwrap_or(0);
    let states = FindingStates {
        open: of(Standing::Open),
        suppressed: of(Standing::Suppressed),
        waived: of(Standing::Waived),
        fixed: of(Standing::Fixed),
        late: page.counts.late,
    };
    let mut unread = Vec::new();
    for index in renewed.index.unread()? {
        if ask.scope.has_entry(ask.session, index)? {
            unread.push(index);
        }
    }
    Ok(FindingList {
        items: page.listed.lines.into_iter().map(|l| finding(l, ask.now())).collect(),
        count: page.counts.asked,
        next: page.listed.next.map(|cursor| cursor.to_string()),
        states,
        size: renewed.size,
        behind: renewed.behind,
        unread,
        disposed: renewed.disposed,
    })
}

fn finding(l: Line, now: Timestamp) -> Finding {
    const DAY: i64 = 24 * 60 * 60 * 1000;
    let over = l.due.map(|due| now.millis().saturating_sub(due.millis()));
    let days = over.filter(|over| l.stands == Standing::Open && *over >= 0);
    Finding {
        days_past: days.and_then(|over| u64::try_from(over / DAY).ok()),
        fingerprint: l.fingerprint,
        repository: l.repository,
        rule: l.rule,
        severity: l.severity,
        confidence: l.confidence,
        controls: l.controls,
        cwe: l.cwe,
        tool: l.tool,
        title: l.title,
        excerpt: l.excerpt,
        path: l.path.to_string(),
        line: l.line.into(),
        state: l.stands,
        suppression_asked: l.asked,
        waiver: l.by_waiver,
        granted: l.by_entry,
        until: l.until,
        not_looked_at: l.held,
        first_index: l.first,
        first_time: l.first_time,
        due: l.due,
        risk: l.risk,
    }
}

pub(super) fn one(ask: &Ask<'_>) -> Result<FindingPlaces, Trouble> {
    let text = ask.param("fingerprint");
    let nothing = || Trouble::not_found("finding");
    let print = Digest::from_hex(text.strip_prefix("sha256:").unwrap_or(text)).map_err(|_| nothing())?;
    let renewed = found::index(ask.app, ask.session)?;
    let all = renewed.index.read(|index| index.one(&print, ask.scope.within().as_ref()))?;
    if all.is_empty() {
        return Err(nothing());
    }
    let look = |l: LookLine| FindingLook { index: l.index, run: l.run.to_string(), commit: l.commit, time: l.time };
    let place = |mut one: One| -> Result<FindingPlace, Trouble> {
        let mut looks = Vec::new();
        for seen in std::mem::take(&mut one.looks) {
            // An auditor sees the runs that their audit is about.
            if ask.scope.has_entry(ask.session, seen.index)? {
                looks.push(look(seen));
            }
        }
        Ok(FindingPlace { finding: finding(one.line, ask.now()), seen: one.seen, came: one.came, looks })
    };
    Ok(FindingPlaces { items: all.into_iter().map(place).collect::<Result<_, _>>()? })
}

/// What the judged tree of a run asks not to count.
pub(super) fn suppressions(ask: &Ask<'_>) -> Result<SuppressionList, Trouble> {
    let run = RunId::from_text(ask.param("run"));
    ask.state().run(&run)?.ok_or_else(|| Trouble::not_found("run"))?;
    let asked = suppression::requested(ask.session, &run)?;
    let items = asked.into_iter().map(|(f, state)| Suppression {
        fingerprint: f.fingerprint,
        rule: f.rule,
        path: f.path.to_string(),
        line: f.line.into(),
        state: state.as_str().to_owned(),
        requested_by: f.requested_by,
        reason: f.reason,
    });
    Ok(SuppressionList { items: items.collect() })
}

pub(super) fn of_run(ask: &Ask<'_>) -> Result<RunFindingList, Trouble> {
    let run = RunId::from_text(ask.param("run"));
    let row = ask.state().run(&run)?.ok_or_else(|| Trouble::not_found("run"))?;
    let change = decide::read_change(ask.session.ledger(), &row.change)?;
    let authors = rules::authors(&change, ask.state())?;
    let mut all = match row.scan {
        Some(_) => decide::read_joined(ask.session, &row)?.findings,
        None => Vec::new(),
    };
    all.sort_by(|a, b| {
        let place = |f: &countersign_model::change::ScanFinding| (f.path.clone(), f.line, f.fingerprint);
        b.finding.severity.cmp(&a.finding.severity).then_with(|| place(&a.finding).cmp(&place(&b.finding)))
    });
    let skipped = usize::try_from(ask.number("after").unwrap_or(0)).unwrap_or(usize::MAX);
    let end = skipped.saturating_add(ask.limit() as usize);
    let whole = all.len();
    let mut items = Vec::new();
    for seen in all.into_iter().skip(skipped).take(ask.limit() as usize) {
        let f = seen.finding;
        let state = rules::effective_state(&f, row.identity.as_deref(), &authors, ask.state(), ask.now())?;
        items.push(RunFinding {
            fingerprint: f.fingerprint,
            rule: f.rule,
            severity: f.severity,
            confidence: f.confidence,
            controls: f.controls,
            cwe: f.cwe,
            tools: seen.tools.into_iter().collect(),
            path: f.path.to_string(),
            line: f.line.into(),
            state: state.as_str().to_owned(),
        });
    }
    Ok(RunFindingList { items, count: count(whole), next: (end < whole).then_some(count(end)) })
}
