//! An assessment as one page that needs nothing else: no script, no font, no picture, nothing from anywhere. Every text that is
//! not of this file is escaped.

use std::fmt::Write as _;

use countersign_govern::assess::{Assessed, Assessment, JudgedControl, JudgedRequirement, maturity};
use countersign_model::Outcome;
use countersign_policy::Catalogue;

use super::assess::{counts, unverified};
use super::catalogue::UNVERIFIED;
use super::{count, printable};

const STYLE: &str = "\
:root{color-scheme:light dark;--line:#8884;--good:#176f2c;--bad:#b3261e;--wait:#8a5a00}\
@media(prefers-color-scheme:dark){:root{--good:#6fd08c;--bad:#ff8a80;--wait:#e3b341}}\
body{font:16px/1.5 system-ui,sans-serif;max-width:72rem;margin:2rem auto;padding:0 1rem}\
table{border-collapse:collapse;width:100%;margin:.5rem 0 1.5rem}\
th,td{border:1px solid var(--line);padding:.35rem .5rem;text-align:left;vertical-align:top}\
th{font-weight:600}code{font-size:.9em;overflow-wrap:anywhere}\
.pass,.proved{color:var(--good)}.fail,.error{color:var(--bad)}.pending,.not-evaluated{color:var(--wait)}\
.mark{border:1px solid currentColor;border-radius:.3rem;padding:0 .3rem;font-size:.8em;white-space:nowrap}\
h2{margin-top:2.5rem}details>summary{cursor:pointer}ul.plan{list-style:none;padding-left:0}";

/// Text for HTML: markup is escaped, and so is what would drive a terminal or turn the direction of writing.
fn e(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in printable(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

fn word(outcome: Outcome) -> String {
    let sign = match outcome {
        Outcome::Pass | Outcome::Waived | Outcome::Mitigated => "✓",
        Outcome::Fail | Outcome::Error => "✗",
        Outcome::Pending => "…",
        Outcome::NotEvaluated => "?",
        Outcome::NotApplicable => "–",
    };
    format!("<span class=\"{outcome}\">{sign} {outcome}</span>")
}

fn entries(indices: &[u64], in_all: usize) -> String {
    let shown: Vec<String> = indices.iter().map(u64::to_string).collect();
    let more = in_all.saturating_sub(shown.len());
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    if shown.is_empty() { "none".to_owned() } else { format!("{}{more}", shown.join(", ")) }
}

/// The page.
pub(crate) fn page(a: &Assessment, catalogue: &Catalogue, recorded: Option<u64>) -> String {
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>Assessment of {}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>Assessment</h1>\n",
        e(&a.origin)
    );
    let _ = writeln!(
        out,
        "<p>Ledger <code>{}</code>, {} entries, root <code>{}</code>.<br>From {} on and before {}.<br>\
         Catalogue <code>{}</code>, facts <code>{}</code>.</p>",
        e(&a.origin),
        a.size,
        a.root,
        a.window.from,
        a.window.to,
        a.catalogue,
        a.facts_digest
    );
    if let Some(index) = recorded {
        let _ = writeln!(out, "<p>Recorded in entry {index}.</p>");
    }
    let total: usize = a.frameworks.iter().map(|f| unverified(&f.requirements)).sum();
    if total > 0 {
        let _ = writeln!(
            out,
            "<p>{total} requirements are marked <span class=\"mark\">{UNVERIFIED}</span>: nobody compared their number and \
             wording with the source. Check them there before you rely on them.</p>"
        );
    }
    if !a.unreadable.is_empty() {
        out.push_str("<h2>What cannot be read</h2>\n<ul>\n");
        for u in &a.unreadable {
            let _ = writeln!(out, "<li>{} of entry {}: {}</li>", e(u.collection), u.index, e(&u.why));
        }
        out.push_str("</ul>\n");
    }
    maturity_table(&mut out, a);
    sums(&mut out, a, catalogue);
    plan(&mut out, a);
    for f in &a.frameworks {
        framework(&mut out, f);
    }
    controls(&mut out, &a.controls);
    out.push_str("</main>\n</body>\n</html>\n");
    out
}

fn maturity_table(out: &mut String, a: &Assessment) {
    let m = &a.maturity;
    let _ = writeln!(
        out,
        "<h2>Maturity: level {} of 4, {}</h2>\n<p>The lowest of ten dimensions counts. A level is reached where each of its \
         conditions holds over 90 days; what nobody knows does not hold.</p>\n<table>\n<thead><tr><th>Dimension</th>\
         <th>Level</th><th>What keeps it from the next</th></tr></thead>\n<tbody>",
        m.level,
        maturity::name(m.level)
    );
    for d in &m.dimensions {
        let blocking: Vec<String> = d
            .blocking
            .iter()
            .map(|b| {
                let subjects = if b.subjects.is_empty() {
                    String::new()
                } else {
                    let names: Vec<String> = b.subjects.iter().map(|s| format!("<code>{}</code>", e(s))).collect();
                    let more = b.count.saturating_sub(b.subjects.len());
                    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
                    format!("<br>{}{more}", names.join(" "))
                };
                format!("<li>{}{subjects}</li>", e(&b.fact))
            })
            .collect();
        let _ = writeln!(
            out,
            "<tr><td>{} {}</td><td>{} {}</td><td><ul>{}</ul></td></tr>",
            d.id,
            e(d.title),
            d.level,
            maturity::name(d.level),
            blocking.join("")
        );
    }
    out.push_str("</tbody>\n</table>\n");
    if !m.changes.is_empty() {
        let _ = writeln!(out, "<p>To reach level {}:</p>\n<ul class=\"plan\">", m.level.saturating_add(1));
        for change in &m.changes {
            let _ = writeln!(out, "<li>☐ {}</li>", e(change));
        }
        out.push_str("</ul>\n");
    }
}

fn sums(out: &mut String, a: &Assessment, catalogue: &Catalogue) {
    out.push_str(
        "<h2>Frameworks</h2>\n<table>\n<thead><tr><th>Framework</th><th>Requirements</th><th>Outcomes</th><th>Not verified</th>\
         <th>Checked on</th></tr></thead>\n<tbody>\n",
    );
    for f in &a.frameworks {
        let counted: Vec<String> = counts(&f.requirements).iter().map(|(o, n)| format!("{n} {}", word(*o))).collect();
        let own = if catalogue.added.contains(&f.framework.id) { " (of this project)" } else { "" };
        let _ = writeln!(
            out,
            "<tr><td><a href=\"#{}\">{}</a>{own}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            e(&f.framework.id),
            e(&f.framework.title),
            f.requirements.len(),
            counted.join(", "),
            unverified(&f.requirements),
            f.framework.checked_on
        );
    }
    out.push_str("</tbody>\n</table>\n");
}

fn plan(out: &mut String, a: &Assessment) {
    out.push_str("<h2>Plan</h2>\n");
    for days in [30, 60, 90] {
        let items: Vec<_> = a.plan.items.iter().filter(|i| i.days == days).collect();
        if items.is_empty() {
            continue;
        }
        let _ = writeln!(out, "<h3>Within {days} days</h3>\n<ul class=\"plan\">");
        for item in items {
            let _ = writeln!(
                out,
                "<li>☐ {} <em>{}</em> <details><summary>moves {}</summary>{}</details></li>",
                e(&item.what),
                e(&item.owner),
                count(item.requirements.len() as u64, "requirement", "requirements"),
                e(&item.requirements.join(", "))
            );
        }
        out.push_str("</ul>\n");
    }
}

fn framework(out: &mut String, f: &Assessed) {
    let _ = writeln!(
        out,
        "<h2 id=\"{}\">{}</h2>\n<p>{}. Source: {}. Checked on {}.",
        e(&f.framework.id),
        e(&f.framework.title),
        e(&f.framework.publisher),
        e(&f.framework.source),
        f.framework.checked_on
    );
    for (key, value) in
        [("Licence", &f.framework.licence), ("Attribution", &f.framework.attribution), ("Note", &f.framework.note)]
    {
        if let Some(value) = value {
            let _ = write!(out, " {key}: {}.", e(value));
        }
    }
    out.push_str(
        "</p>\n<table>\n<thead><tr><th>Requirement</th><th>Duty</th><th>Outcome</th><th>Controls</th><th>Evidence (entries)</th>\
         </tr></thead>\n<tbody>\n",
    );
    f.requirements.iter().for_each(|r| requirement(out, r));
    out.push_str("</tbody>\n</table>\n");
}

fn requirement(out: &mut String, r: &JudgedRequirement) {
    let mark =
        if r.requirement.verified { String::new() } else { format!(" <span class=\"mark\">{UNVERIFIED}</span>") };
    let controls: Vec<String> = r
        .controls
        .iter()
        .map(|(id, outcome)| format!("<li><a href=\"#control-{}\">{}</a> {}</li>", e(id), e(id), word(*outcome)))
        .collect();
    let missing =
        if r.missing.is_empty() { String::new() } else { format!("<br>missing: {}", e(&r.missing.join(", "))) };
    let _ = writeln!(
        out,
        "<tr><td>{}{mark}<br>{}</td><td>{}</td><td>{}<br>{}{missing}</td><td><ul>{}</ul></td><td>{}</td></tr>",
        e(&r.requirement.id),
        r.requirement.class.as_str(),
        e(&r.requirement.duty),
        word(r.outcome),
        e(&r.why),
        controls.join(""),
        entries(&r.entries, r.entries_in_all)
    );
}

/// How many breaches of a control the page lists.
const LISTED: usize = 50;

fn controls(out: &mut String, controls: &[JudgedControl]) {
    out.push_str(
        "<h2>Controls</h2>\n<table>\n<thead><tr><th>Control</th><th>Outcome</th><th>What breaks it</th><th>Evidence (entries)</th>\
         <th>Version</th></tr></thead>\n<tbody>\n",
    );
    for c in controls {
        let j = &c.judgement;
        let failing: Vec<String> = j
            .failing
            .iter()
            .take(LISTED)
            .map(|f| {
                format!(
                    "<li><code>{}</code>: {} ({})</li>",
                    e(&f.subject),
                    e(&f.text),
                    entries(&f.entries, f.entries.len())
                )
            })
            .collect();
        let more = j.failing.len().saturating_sub(LISTED);
        let more = if more > 0 { format!("<p>and {more} more</p>") } else { String::new() };
        let _ = writeln!(
            out,
            "<tr id=\"control-{}\"><td><code>{}</code><br>{}<br>{}</td><td>{}<br>{}</td><td><ul>{}</ul>{more}</td><td>{}</td>\
             <td><code>{}</code></td></tr>",
            e(&c.id),
            e(&c.id),
            e(&c.title),
            e(&c.owner),
            word(j.outcome),
            e(&j.why),
            failing.join(""),
            entries(&j.entries, j.entries_in_all),
            c.digest
        );
    }
    out.push_str("</tbody>\n</table>\n");
}

#[cfg(test)]
mod tests {
    use super::e;

    #[test]
    fn nothing_of_others_is_markup() {
        assert_eq!(e("<a href=\"x\" b='y'>&\u{202e}"), "&lt;a href=&quot;x&quot; b=&#39;y&#39;&gt;&amp;\\u{202e}");
    }
}
