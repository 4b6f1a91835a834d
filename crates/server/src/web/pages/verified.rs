//! Verifying the whole ledger from its page: what came of it the last time, the button that does it again, and how anybody is sure
//! without this server.

use std::time::Duration;

use countersign_evidence::encoding;
use countersign_govern::audit::verify::Verdict;
use countersign_store::verify::Problem;
use maud::{Markup, html};

use crate::app::verification::{self, Begun, Done, Found};
use crate::app::{App, Trouble};
use crate::web::acts::Doing;
use crate::web::look::{AUDIT, Look, encode};
use crate::web::parts::{self, Tone, grouped};
use crate::web::trouble_body;

/// The part of the page about it. What it says of its state is what the stream of what happens is compared with.
pub(super) fn section(look: &Look<'_>) -> Result<Markup, Trouble> {
    let (being, last) = look.app.verification.stands();
    let state = match (&being, &last) {
        (Some((begun, _)), _) => format!("{} being", begun.id),
        (None, Some(done)) => format!("{} over", done.begun.id),
        (None, None) => String::new(),
    };
    Ok(html! {
        section id="verified" data-verification=(state) {
            h2 { "Verified by this server" }
            p role="status" {
                @match (&being, &last) {
                    (Some(_), _) => (parts::state(Tone::Wait, "it is being verified")),
                    (None, Some(done)) => (verdict(done)),
                    (None, None) => span.quiet { "Nobody has had it verified since this server was started." },
                }
            }
            @if let Some((begun, judged)) = &being { (under_way(look, begun, *judged)?) }
            @if let Some(done) = &last {
                @if being.is_some() { p.quiet { "The last time: " (verdict(done)) } }
                (came(look, done)?)
            }
            form method="post" action="/ledger/verify" {
                input type="hidden" name="csrf" value=(look.visitor.csrf);
                @if let Some(audit) = look.filter(AUDIT) { input type="hidden" name=(AUDIT) value=(audit); }
                p { button type="submit" { @if being.is_some() { "Wait for it" } @else { "Verify now" } } }
            }
            p.quiet {
                "Every byte of the ledger is accounted for and every signature checked, as " code { "countersign verify" }
                " does, by what this server's machine trusts: its pin and its trust policy. That is a check, and no proof: whoever runs the server could have it say "
                "anything, so nothing of it is recorded."
            }
        }
    })
}

/// How to be sure without this server.
pub(super) fn without_us(app: &App) -> Markup {
    html! {
        section {
            h2 { "Without this server" }
            p {
                "The trust file comes to you another way: " code { "countersign trust export" } " on a machine that trusts the ledger. "
                "The log as it is published here, at " a href="/checkpoint" { "/checkpoint" } " and under " code { "/tile/" } ", from anywhere:"
            }
            pre { code { "countersign verify " (app.options.origin) "/ --trust firm.json" } }
            p { "All of it, payloads too, where the ledger or a copy of it is:" }
            pre { code { "countersign verify --trust firm.json" } }
            p {
                "With stock tools and none of our software (jq, openssl, ssh-keygen, and Go's own package for such logs): "
                a href="/assets/verify-without-us.md" { "the guide, command by command" } "."
            }
        }
    }
}

fn tone(verdict: Verdict) -> Tone {
    match verdict {
        Verdict::Verified => Tone::Good,
        Verdict::Sealed => Tone::Missing,
        Verdict::Untrusted | Verdict::Failed => Tone::Bad,
    }
}

/// What it came to, in the words of the command line.
fn verdict(done: &Done) -> Markup {
    match &done.came {
        Ok(found) => html! { (parts::state(tone(found.verdict), found.verdict.words())) " " (found.because) },
        Err(_) => html! { (parts::state(Tone::Bad, "not verified")) " it could not be looked at" },
    }
}

fn begun(look: &Look<'_>, begun: &Begun) -> Result<Markup, Trouble> {
    Ok(html! { (parts::time(begun.at)) " by " (look.name(&begun.by)?) })
}

fn under_way(look: &Look<'_>, now: &Begun, judged: u64) -> Result<Markup, Trouble> {
    let judged = judged.min(now.size);
    Ok(html! {
        p {
            "Begun " (begun(look, now)?) ": " span data-judged { (grouped(judged)) } " of " (grouped(now.size))
            " entries judged; files that belong to no entry come after them. It goes on whether this page is open or not."
        }
        p { progress value=(judged) max=(now.size) aria-label="Entries judged" {} }
    })
}

fn came(look: &Look<'_>, done: &Done) -> Result<Markup, Trouble> {
    let mut facts = vec![("Begun", begun(look, &done.begun)?), ("It took", html! { (took(done.took)) })];
    let found = match &done.came {
        Ok(found) => found,
        Err(trouble) => return Ok(html! { (parts::facts(&facts)) (trouble_body(trouble)) }),
    };
    let checked = &found.checked;
    facts.extend([
        ("Verified up to", html! { (grouped(found.size)) " entries" }),
        ("Root there", parts::whole(encoding::to_base64(&found.root))),
        (
            "Log key",
            html! { @if found.trusted { "pinned on this server's machine" } @else { "not pinned on this server's machine" } },
        ),
        ("Root of trust", html! { (found.root_of_trust) }),
        (
            "Looked at",
            html! {
                (parts::count(index(checked.entries), "entry", "entries")) ", " (parts::count(index(checked.tiles), "tile", "tiles")) ", "
                (parts::count(index(checked.blobs), "blob", "blobs")) ", " (parts::count(index(checked.files), "file", "files"))
            },
        ),
    ]);
    if !found.witnesses.is_empty() {
        facts.push(("Cosigned by", html! { (found.witnesses.join(", ")) }));
    }
    let mut rows = Vec::new();
    for problem in &found.problems {
        rows.push(row(look, problem)?);
    }
    Ok(html! {
        (parts::facts(&facts))
        @for notice in &found.notices { p.quiet { "Note: " (notice) } }
        @if let Some(help) = found.verdict.help() { p { (help) } }
        @if !rows.is_empty() { (problems(found, &rows)) }
    })
}

fn problems(found: &Found, rows: &[Markup]) -> Markup {
    html! {
        (parts::table("Problems", &["Entry", "File", "What is wrong", "Code"], rows, ""))
        @if found.more > 0 { p { "and " (grouped(found.more)) " more; " code { "countersign verify" } " lists a thousand of them" } }
    }
}

/// A problem; of an entry outside of an auditor's scope only that it is one.
fn row(look: &Look<'_>, problem: &Problem) -> Result<Markup, Trouble> {
    let inside = match problem.entry {
        Some(entry) => look.scope.has_entry(look.session, entry)?,
        None => true,
    };
    Ok(html! {
        tr {
            td { @match problem.entry { Some(entry) if inside => (parts::entry(entry)), Some(entry) => { "#" (entry) } None => span.quiet { "none" } } }
            td.long { code { (problem.file) } }
            td.long { @if inside { (problem.what) } @else { span.quiet { "outside of your scope" } } }
            td { code { (problem.code) } }
        }
    })
}

fn index(n: u64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

/// How long something took, as people say it.
fn took(took: Duration) -> String {
    match took.as_millis() {
        millis if millis < 1000 => format!("{millis} ms"),
        millis if millis < 60_000 => format!("{}.{} s", millis / 1000, millis % 1000 / 100),
        millis => format!("{} min {} s", millis / 60_000, millis % 60_000 / 1000),
    }
}

/// Begins to verify the ledger, or joins the verification that is under way.
pub(crate) fn begin(doing: &mut Doing<'_>) -> Result<String, Trouble> {
    verification::begin(doing.app, doing.session, &doing.visitor.person)?;
    let audit = doing.field(AUDIT);
    let query = if audit.is_empty() { String::new() } else { format!("?{AUDIT}={}", encode(audit)) };
    Ok(format!("/ledger{query}#verified"))
}

#[cfg(test)]
mod tests {
    use super::took;
    use std::time::Duration;

    #[test]
    fn a_time_is_said_as_long_as_it_is() {
        let said = |millis| took(Duration::from_millis(millis));
        assert_eq!(
            [said(7), said(999), said(1250), said(59_999), said(61_000)],
            ["7 ms", "999 ms", "1.2 s", "59.9 s", "1 min 1 s"]
        );
    }
}
