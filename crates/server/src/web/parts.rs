//! What pages are made of. State is icon, word and colour; every number leads to the list that has that many rows.

use countersign_model::{Outcome, RunId, Timestamp};
use maud::{Markup, html};

/// How something stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    Good,
    Bad,
    Wait,
    /// Let through all the same, by somebody's signature.
    Waived,
    /// Nobody looked, or there is nothing to look at: not a no, and never a yes.
    Missing,
    Quiet,
}

impl Tone {
    pub(super) const fn class(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Bad => "bad",
            Self::Wait => "wait",
            Self::Waived => "waived",
            Self::Missing => "missing",
            Self::Quiet => "quiet",
        }
    }

    pub(super) const fn icon(self) -> &'static str {
        match self {
            Self::Good => "✓",
            Self::Bad => "✗",
            Self::Wait => "…",
            Self::Waived => "≈",
            Self::Missing => "○",
            Self::Quiet => "–",
        }
    }
}

pub(crate) const fn tone(outcome: Outcome) -> Tone {
    match outcome {
        Outcome::Pass => Tone::Good,
        Outcome::Fail | Outcome::Error => Tone::Bad,
        Outcome::NotEvaluated => Tone::Missing,
        Outcome::Pending => Tone::Wait,
        Outcome::Waived | Outcome::Mitigated => Tone::Waived,
        Outcome::NotApplicable => Tone::Quiet,
    }
}

/// From when until when a list goes, where that was asked for, and the way to all of it.
pub(crate) fn stretch(from: Option<Timestamp>, to: Option<Timestamp>, all: &str) -> Markup {
    html! {
        @if from.is_some() || to.is_some() {
            p.quiet {
                @if let Some(from) = from { "From " code { (from) } " " }
                @if let Some(to) = to { "before " code { (to) } " " }
                a href=(all) { "all times" }
            }
        }
    }
}

/// A state: icon, word, colour.
pub(crate) fn state(tone: Tone, word: &str) -> Markup {
    html! { span.state.(tone.class()) { span aria-hidden="true" { (tone.icon()) } " " (word) } }
}

/// An outcome as a state.
pub(crate) fn outcome(outcome: Outcome) -> Markup {
    state(tone(outcome), outcome.as_str())
}

/// A moment: to the minute, and whole for who wants it.
pub(crate) fn time(at: Timestamp) -> Markup {
    let whole = at.to_string();
    let (day, rest) = whole.split_once('T').unwrap_or((&whole, ""));
    let minute: String = rest.chars().take(5).collect();
    html! { time datetime=(whole) title=(whole) { (day) " " (minute) } }
}

/// A link to an entry of the log.
pub(crate) fn entry(index: u64) -> Markup {
    html! { a.entry href={ "/ledger/" (index) } { "#" (index) } }
}

/// A commit or another long id, shortened; whole for who wants it.
pub(crate) fn short(id: &str) -> Markup {
    let short: String = id.strip_prefix("sha256:").unwrap_or(id).chars().take(12).collect();
    html! { code.id title=(id) { (short) } }
}

/// An id as lists show it: `run-` and twelve of its digits; commands take the start of an id.
pub(crate) fn short_id(id: &str) -> &str {
    const SHOWN: usize = 16;
    let is_id = id.len() == 24 && id.get(3..4) == Some("-") && id.bytes().skip(4).all(|b| b.is_ascii_hexdigit());
    if is_id { id.get(..SHOWN).unwrap_or(id) } else { id }
}

/// A link to a run.
pub(crate) fn run(id: &RunId) -> Markup {
    html! { a.id href={ "/runs/" (id) } title=(id) { (short_id(id.as_str())) } }
}

/// Something long that is shown whole: a digest, a key, a root.
pub(crate) fn whole(text: impl std::fmt::Display) -> Markup {
    html! { code.whole { (text) } }
}

/// A repository's identity without its scheme, whole for who wants it; the digest of one that has no address is shortened.
pub(crate) fn repository(identity: Option<&str>) -> Markup {
    match identity {
        Some(identity) => html! { span.repository title=(identity) { (repository_name(identity)) } },
        None => html! { "unknown" },
    }
}

/// As [`repository`], where only text can stand.
pub(crate) fn repository_name(identity: &str) -> String {
    match identity.strip_prefix("git-root:") {
        Some(root) => format!("git-root:{}", root.chars().take(12).collect::<String>()),
        None => identity.strip_prefix("git:").unwrap_or(identity).to_owned(),
    }
}

/// So many of something: `1 commit`, `2 commits`.
pub(crate) fn count(number: usize, one: &str, more: &str) -> Markup {
    html! { (grouped(number as u64)) " " (if number == 1 { one } else { more }) }
}

/// Text as it is, in a box of its own that scrolls, also by keyboard, where it is long.
pub(crate) fn raw(label: &str, text: &str) -> Markup {
    html! { pre.raw role="region" aria-label=(label) tabindex="0" { code { (text) } } }
}

/// A table with its caption, for eyes that see and for those that do not. Its cells are `td` in `tr`.
pub(crate) fn table(caption: &str, head: &[&str], rows: &[Markup], none: &str) -> Markup {
    rows_under(caption, head, rows, none, false)
}

/// The table that a page is for: numbers elsewhere that lead to the page are the number of its rows, and a test counts them.
pub(crate) fn list(caption: &str, head: &[&str], rows: &[Markup], none: &str) -> Markup {
    rows_under(caption, head, rows, none, true)
}

fn rows_under(caption: &str, head: &[&str], rows: &[Markup], none: &str, is_list: bool) -> Markup {
    if rows.is_empty() {
        return html! { p.none data-list[is_list] { (none) } };
    }
    html! {
        div.scroll data-list[is_list] role="region" aria-label=(caption) tabindex="0" {
            table {
                caption.hidden { (caption) }
                thead { tr { @for cell in head { th scope="col" { (cell) } } } }
                tbody { @for row in rows { (row) } }
            }
        }
    }
}

/// Facts with their names.
pub(crate) fn facts(rows: &[(&str, Markup)]) -> Markup {
    html! { dl.facts { @for (name, value) in rows { div { dt { (name) } dd { (value) } } } } }
}

/// A number that leads to its list.
pub(crate) fn tile(number: u64, label: &str, href: &str, tone: Tone) -> Markup {
    html! {
        a.tile.(tone.class()) href=(href) {
            span.number { (grouped(number)) }
            span.label { span aria-hidden="true" { (tone.icon()) " " } (label) }
        }
    }
}

/// A number with its thousands apart.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            out.push('\u{202f}');
        }
        out.push(digit);
    }
    out
}

/// Filters as links: name, address, whether it is chosen.
pub(crate) fn filters(label: &str, all: &[(String, String, bool)]) -> Markup {
    html! {
        nav.filters aria-label=(label) {
            @for (name, href, chosen) in all { a href=(href) aria-current=[chosen.then_some("true")] { (name) } }
        }
    }
}

/// The way to the next part of a list.
pub(crate) fn older(href: Option<String>) -> Markup {
    html! { @if let Some(href) = href { p.older { a href=(href) rel="next" { "Older" } } } }
}

/// Words with commands and names in them, between backticks as terminals show them.
pub(crate) fn prose(text: &str) -> Markup {
    let is_paired = text.matches('`').count().is_multiple_of(2);
    html! {
        @if is_paired {
            @for (n, part) in text.split('`').enumerate() { @if n % 2 == 1 { code { (part) } } @else { (part) } }
        } @else { (text) }
    }
}

/// A number that leads to a list; none has none.
pub(crate) fn number(n: u64, href: &str) -> Markup {
    html! { @if n == 0 { span.quiet { "0" } } @else { a href=(href) { (grouped(n)) } } }
}

/// A section with a heading that links lead to.
pub(crate) fn section_at(id: &str, title: &str, body: &Markup) -> Markup {
    html! { section id=(id) { h2 { (title) } (body) } }
}

/// A section with a heading.
pub(crate) fn section(title: &str, body: &Markup) -> Markup {
    html! { section { h2 { (title) } (body) } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_thousands() {
        let all = [0, 12, 999, 1000, 1_234_567].map(grouped);
        assert_eq!(all, ["0", "12", "999", "1\u{202f}000", "1\u{202f}234\u{202f}567"]);
    }

    #[test]
    fn what_stands_between_backticks_is_code_where_they_are_pairs() {
        assert_eq!(prose("type `a <b>` now").into_string(), "type <code>a &lt;b&gt;</code> now");
        assert_eq!(prose("a ` alone").into_string(), "a ` alone");
    }

    #[test]
    fn ids_are_shortened_and_other_words_are_not() {
        let all = ["run-0123456789abcdef0123", "secrets-out-of-source-12", "audit", "run-é"].map(short_id);
        assert_eq!(all, ["run-0123456789ab", "secrets-out-of-source-12", "audit", "run-é"]);
    }

    #[test]
    fn what_comes_from_people_is_text() {
        let page = table("<b>", &["<i>"], &[html! { tr { td { (short("<script>")) } } }], "").into_string();
        assert!(!page.contains("<script") && !page.contains("<b>") && !page.contains("<i>"), "{page}");
    }
}
