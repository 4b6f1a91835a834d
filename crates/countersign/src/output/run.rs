//! What `run` says: the four questions an auditor asks, then the decision with its receipt.

use std::fmt::Write as _;

use countersign_model::{Exit, FindingState, Outcome};
use countersign_scan::{RuleSet, report};
use countersign_stages::build::observe::short;
use countersign_stages::build::replay::decision_id;
use countersign_stages::build::reported::{OURS, Seen};
use countersign_stages::build::run::Ran;
use countersign_stages::release::rules::overall;
use countersign_store::Session;
use serde_json::{Value, json};

use super::{Paint, bytes, count, gates, printable};
use crate::errors::Failure;

/// What `--base` narrows the summary to.
pub(crate) struct Narrowed {
    /// The revision as typed.
    pub(crate) base: String,
    /// Commits since then.
    pub(crate) commits: u64,
    /// Files changed since then.
    pub(crate) files: u64,
}

/// The exit code that an outcome of all gates means.
pub(crate) fn exit(outcome: Outcome) -> Exit {
    match outcome {
        Outcome::Pending => Exit::Waiting,
        o if o.opens() => Exit::Pass,
        _ => Exit::Denied,
    }
}

/// The root hash as in the checkpoint.
pub(crate) fn root(session: &Session) -> String {
    super::run_root(&session.ledger().root())
}

/// The people's form.
pub(crate) fn text(
    ran: &Ran,
    session: &Session,
    rules: &RuleSet,
    narrowed: Option<&Narrowed>,
    p: &Paint,
) -> Result<String, Failure> {
    let mut out = String::new();
    let change = &ran.observed.change;
    let _ = writeln!(
        out,
        "{}{}{}  attempt {}, commit {}, for {}\n",
        p.bold,
        ran.run,
        p.reset,
        ran.attempt,
        short(&change.commit),
        printable(&change.environment)
    );
    changed(&mut out, ran, session, narrowed, p)?;
    found(&mut out, ran, rules, p);
    bypassed(&mut out, ran, session, p)?;
    proved(&mut out, ran, session, p)?;
    let _ = writeln!(out, "{}Which gates pass, and why{}", p.bold, p.reset);
    let _ = writeln!(out, "{}", gates::table(&ran.gates, p));
    let _ = writeln!(out, "{}Who must sign{}", p.bold, p.reset);
    let _ = writeln!(out, "{}", gates::signatures(&ran.gates, &ran.run, session.state(), p)?);
    let outcome = overall(&ran.gates);
    let (mark, colour) = gates::sign(outcome, p);
    let reused = if ran.reused { ", recorded before and reused" } else { "" };
    let _ = writeln!(
        out,
        "{}Decision{}  {} {colour}{mark} {outcome}{}{reused}",
        p.bold,
        p.reset,
        decision_id(&ran.digest),
        p.reset
    );
    let _ = writeln!(
        out,
        "{}Receipt{}   entry {} of {}, root {}",
        p.bold,
        p.reset,
        ran.index,
        session.ledger().size(),
        root(session)
    );
    let next = match (outcome, session.state().trust().is_some()) {
        (Outcome::Pending, false) => Some("countersign init"),
        (o, true) if o.opens() => Some("countersign deploy"),
        _ => None,
    };
    match next {
        Some("countersign deploy") => {
            let _ = writeln!(
                out,
                "Next      {}countersign deploy {} --env {} --key FILE{}",
                p.hint, ran.run, change.environment, p.reset
            );
        }
        Some(command) => {
            let _ = writeln!(out, "Next      {}{command}{}", p.hint, p.reset);
        }
        None => {}
    }
    Ok(out)
}

/// What the job that ran this proved of itself.
fn proved(out: &mut String, ran: &Ran, session: &Session, p: &Paint) -> Result<(), Failure> {
    let Some(workload) = &ran.workload else { return Ok(()) };
    let _ = writeln!(out, "{}What the job proved of itself{}", p.bold, p.reset);
    let _ = writeln!(out, "  {:<16} {}", "system", printable(workload.system()));
    for (field, value) in workload.fields() {
        let _ = writeln!(out, "  {:<16} {}", field.as_str(), printable(value));
    }
    if let Some(person) = workload.person() {
        let _ = writeln!(out, "  {:<16} {}", "person", printable(&session.state().label(person)?));
    }
    out.push('\n');
    Ok(())
}

fn changed(
    out: &mut String,
    ran: &Ran,
    session: &Session,
    narrowed: Option<&Narrowed>,
    p: &Paint,
) -> Result<(), Failure> {
    let change = &ran.observed.change;
    let _ = writeln!(out, "{}What changed, and who really wrote it{}", p.bold, p.reset);
    let identity = change.identity.as_deref().unwrap_or("unknown: a shallow clone without a remote");
    let _ = writeln!(out, "  repository  {}", printable(identity));
    let since = change.base.as_ref().map_or_else(
        || "from the first one".to_owned(),
        |base| format!("since {}, which {} runs", short(base), change.environment),
    );
    let cut = if change.complete { "" } else { "; history is cut off here, so some are missing" };
    let _ = writeln!(
        out,
        "  covers      {} {since}{cut}; {}",
        count(change.commits.len() as u64, "commit", "commits"),
        count(change.files.len() as u64, "file", "files"),
    );
    if let Some(n) = narrowed {
        let _ = writeln!(
            out,
            "  since {:<5} {}; {}",
            printable(&n.base),
            count(n.commits, "commit", "commits"),
            count(n.files, "file", "files")
        );
    }
    for (id, subject) in &ran.observed.subjects {
        let _ = writeln!(out, "    {}{}  {}{}", p.dim, short(id), printable(subject), p.reset);
    }
    const AUTHORS_SHOWN: usize = 10;
    for author in ran.observed.authors.iter().take(AUTHORS_SHOWN) {
        let commits = count(author.commits, "commit", "commits");
        let name = printable(&author.name);
        if author.unattributed.is_empty() {
            let people: Vec<String> =
                author.people.iter().map(|id| session.state().label(id)).collect::<Result<_, _>>()?;
            let _ = writeln!(
                out,
                "  {}✓{} {name}: {commits}, signed or claimed by {}",
                p.good,
                p.reset,
                printable(&people.join(", "))
            );
        } else {
            let why: Vec<String> = author.unattributed.iter().map(|(why, n)| format!("{n} {why}")).collect();
            let _ = writeln!(
                out,
                "  {}?{} {name} <{}>: {commits}, {} (a name in a commit is no proof)",
                p.wait,
                p.reset,
                printable(&author.email),
                why.join(", ")
            );
        }
    }
    if ran.observed.authors.len() > AUTHORS_SHOWN {
        let _ = writeln!(out, "  and {} more authors", ran.observed.authors.len() - AUTHORS_SHOWN);
    }
    let or_none = |text: &Option<String>| text.as_deref().map_or_else(|| "none given".to_owned(), printable);
    let _ = writeln!(out, "  ticket      {}", or_none(&change.ticket));
    let _ = writeln!(out, "  reason      {}", or_none(&change.reason));
    if change.pipeline.changed {
        let _ = writeln!(out, "  pipeline    its definition is part of this change");
    }
    if ran.observed.dirty > 0 {
        let _ = writeln!(
            out,
            "  {}not judged  {} changed in the working directory, not in the commit{}",
            p.dim,
            count(ran.observed.dirty, "file", "files"),
            p.reset
        );
    }
    out.push('\n');
    Ok(())
}

/// Commits that a hook would have stopped.
fn bypassed(out: &mut String, ran: &Ran, session: &Session, p: &Paint) -> Result<(), Failure> {
    const SHOWN: usize = 10;
    let Some(bypasses) = &ran.bypasses else { return Ok(()) };
    let commits = &bypasses.commits;
    let _ = writeln!(out, "{}Hooks that were bypassed, or not there{}", p.bold, p.reset);
    for one in commits.iter().take(SHOWN) {
        let who = match &one.person {
            Some(id) => format!("signed by {}", printable(&session.state().label(id)?)),
            None => "by nobody who is verified".to_owned(),
        };
        let found = count(one.findings.len() as u64, "finding", "findings");
        let _ = writeln!(out, "  {} brought {found} that the hook stops, {who}", short(&one.commit));
    }
    if commits.len() > SHOWN {
        let _ = writeln!(out, "  and {} more commits", commits.len() - SHOWN);
    }
    let _ = writeln!(out, "  recorded as evidence of this run ({})\n", countersign_stages::commit::bypass::KIND);
    Ok(())
}

fn found(out: &mut String, ran: &Ran, rules: &RuleSet, p: &Paint) {
    let r = &ran.report;
    let _ = writeln!(out, "{}What the scans found{}", p.bold, p.reset);
    let _ = writeln!(
        out,
        "  {} ({}) by {}; {} binary, {} not followed",
        count(r.files, "file", "files"),
        bytes(r.bytes),
        count(r.rules, "rule", "rules"),
        r.binary,
        count(r.links, "link", "links"),
    );
    let state = |s| r.findings.iter().filter(|f| f.state == s).count() as u64;
    let (open, asked, granted) =
        (state(FindingState::Open), state(FindingState::SuppressionRequested), state(FindingState::SuppressionGranted));
    let _ = writeln!(
        out,
        "  {}; {asked} asked to be suppressed, {granted} granted; {} not looked at",
        count(open, "open finding", "open findings"),
        r.gaps.len()
    );
    let mut shown = r.clone();
    shown.findings.retain(|f| f.state == FindingState::Open);
    if !shown.findings.is_empty() || !shown.gaps.is_empty() {
        let mut text = Vec::new();
        // Writing into memory does not fail. The last line counts once more what stands above.
        let _ = report::text::write_styled(&shown, rules, &p.scan(), &mut text);
        let text = String::from_utf8_lossy(&text).into_owned();
        let mut lines: Vec<&str> = text.lines().filter(|l| !l.is_empty()).collect();
        lines.pop();
        for line in lines {
            let _ = writeln!(out, "  {line}");
        }
    }
    reported(out, ran, p);
    out.push('\n');
}

/// What other tools say.
fn reported(out: &mut String, ran: &Ran, p: &Paint) {
    const SHOWN: usize = 20;
    for r in &ran.reported.reports {
        let version = r.version.as_deref().map(|v| format!(" {}", printable(v))).unwrap_or_default();
        let what = match (r.current, r.complete) {
            (false, _) => "made for another commit, does not count".to_owned(),
            (true, whole) => {
                format!("{}{}", count(r.findings, "finding", "findings"), if whole { "" } else { ", not whole" })
            }
        };
        let _ = writeln!(out, "  report of {}{version}: {what}", r.tool);
    }
    let others: Vec<_> = others(ran).filter(|s| s.finding.state == FindingState::Open).collect();
    for seen in others.iter().take(SHOWN) {
        let f = &seen.finding;
        let place = printable(&f.path.to_string());
        let tools = seen.tools.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        let rule = printable(&f.rule);
        let _ = writeln!(out, "  {place}:{}  {rule}  {}{}, seen by {tools}{}", f.line, p.dim, f.severity, p.reset);
    }
    if others.len() > SHOWN {
        let _ = writeln!(out, "  and {} more open findings of other tools", others.len() - SHOWN);
    }
}

/// Findings that another tool saw.
fn others(ran: &Ran) -> impl Iterator<Item = &Seen> {
    ran.reported.findings.iter().filter(|s| s.tools.iter().any(|t| t != OURS))
}

/// The programs' form: the machine contract, version 1.
pub(crate) fn to_json(ran: &Ran, session: &Session) -> Value {
    let change = &ran.observed.change;
    json!({
        "version": 1,
        "run": {
            "id": ran.run, "attempt": ran.attempt, "commit": change.commit, "tree": change.tree, "base": change.base,
            "repository": change.identity, "environment": change.environment,
        },
        "change": {
            "commits": change.commits.len(), "files": change.files.len(), "complete": change.complete,
            "ticket": change.ticket, "reason": change.reason,
            "authors": ran.authors,
            "unattributed": ran.observed.authors.iter().map(|a| a.commits - a.attributed).sum::<u64>(),
            "not_judged": ran.observed.dirty,
        },
        "scan": {
            "files": ran.report.files, "bytes": ran.report.bytes, "binary": ran.report.binary,
            "links": ran.report.links, "rules": ran.report.rules, "rules_digest": ran.report.rules_digest,
            "gaps": ran.report.gaps,
        },
        "workload": ran.workload.as_ref().map(|w| json!({
            "system": w.system(), "fields": w.fields(), "person": w.person(),
        })),
        "bypasses": ran.bypasses.as_ref().map_or(&[][..], |b| &b.commits),
        "gates": gates::to_json(&ran.gates),
        "decision": {
            "id": decision_id(&ran.digest), "outcome": overall(&ran.gates), "digest": ran.digest,
            "bundle": ran.decision.bundle, "engine": ran.decision.engine, "time": ran.decision.time,
            "reused": ran.reused,
        },
        "findings": ran.report.findings.iter().map(|f| json!({
            "rule": f.rule, "severity": f.severity, "confidence": f.confidence, "path": f.path, "line": f.line,
            "column": f.column, "fingerprint": f.fingerprint, "controls": f.controls, "state": f.state,
            "title": f.title,
        })).collect::<Vec<_>>(),
        "reports": ran.reported.reports.iter().map(|r| json!({
            "tool": r.tool, "version": r.version, "digest": r.digest, "revision": r.revision, "current": r.current,
            "complete": r.complete, "findings": r.findings,
        })).collect::<Vec<_>>(),
        "reported": others(ran).map(|s| json!({
            "rule": s.finding.rule, "severity": s.finding.severity, "confidence": s.finding.confidence,
            "path": s.finding.path, "line": s.finding.line, "fingerprint": s.finding.fingerprint,
            "controls": s.finding.controls, "cwe": s.finding.cwe, "state": s.finding.state, "tools": s.tools,
        })).collect::<Vec<_>>(),
        "receipt": {"index": ran.index, "size": session.ledger().size(), "root": root(session)},
    })
}
