//! What stands beside a job: markdown for step summaries and pull requests.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

use countersign_connect::ci::Ci;
use countersign_model::{Outcome, RunId};
use countersign_stages::release::rules::GateStatus;

use crate::errors::{CliError, Failure};

/// How many reasons of a gate are shown; the rest are counted.
const REASONS_SHOWN: usize = 10;
/// The longest text of a reason, in characters.
const LONGEST: usize = 300;

/// What a summary is about.
pub(crate) struct About<'a> {
    pub(crate) run: &'a RunId,
    pub(crate) commit: &'a str,
    pub(crate) decision: &'a str,
    pub(crate) outcome: Outcome,
    pub(crate) gates: &'a [GateStatus],
    pub(crate) index: u64,
    pub(crate) ci: Option<&'a Ci>,
    /// The system whose token was verified.
    pub(crate) proved: Option<&'a str>,
}

/// Appends the summary to a file: another step may have written into it.
pub(crate) fn append(path: &Path, about: &About<'_>) -> Result<(), Failure> {
    let text = markdown(about);
    let write = || std::fs::OpenOptions::new().create(true).append(true).open(path)?.write_all(text.as_bytes());
    write().map_err(|source| CliError::Write { path: path.to_owned(), source }.into())
}

const fn sign(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Pass | Outcome::Waived | Outcome::Mitigated => "✅",
        Outcome::Pending => "⏳",
        Outcome::NotApplicable => "➖",
        Outcome::Fail | Outcome::Error | Outcome::NotEvaluated => "❌",
    }
}

/// The text. What comes from a repository is shown as text: no markup, no link, no mention of a person in it works.
fn markdown(about: &About<'_>) -> String {
    let mut out = format!("### {} Countersign: {}\n\n", sign(about.outcome), about.outcome);
    out.push_str("| gate | | why |\n|---|---|---|\n");
    for gate in about.gates {
        let mut why: Vec<String> = Vec::new();
        let blocking: Vec<_> = gate.reasons.iter().filter(|r| r.blocks()).collect();
        for reason in blocking.iter().take(REASONS_SHOWN) {
            why.push(format!("{}: {}", plain(&reason.code), plain(&reason.text)));
        }
        if blocking.len() > REASONS_SHOWN {
            why.push(format!("and {} more", blocking.len() - REASONS_SHOWN));
        }
        let why = why.join("<br>");
        let _ = writeln!(out, "| {} | {} {} | {why} |", gate.name, sign(gate.outcome), gate.outcome);
    }
    let commit = plain(about.commit.get(..12).unwrap_or(about.commit));
    let _ = write!(
        out,
        "\nrun {}, commit {commit}, decision {}, entry {}",
        plain(about.run.as_str()),
        plain(about.decision),
        about.index
    );
    let proved =
        about.proved.map_or_else(|| "the job proved no identity".to_owned(), |s| format!("job proved by {}", plain(s)));
    let _ = write!(out, "; {proved}");
    if let Some(url) = about.ci.and_then(|ci| ci.run_url.as_deref()).filter(|url| is_link(url)) {
        let _ = write!(out, "; [job]({url})");
    }
    out.push_str("\n\n");
    out
}

/// Text in which nothing is markup: every character that could be is written as an entity.
fn plain(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars().take(LONGEST) {
        match c {
            c if c.is_alphanumeric() => out.push(c),
            ' ' | '.' | ',' | ';' | ':' | '-' | '/' | '(' | ')' => out.push(c),
            c if c.is_control() => out.push(' '),
            c => {
                let _ = write!(out, "&#{};", u32::from(c));
            }
        }
    }
    if text.chars().nth(LONGEST).is_some() {
        out.push('…');
    }
    // An address becomes a link by itself where this is not broken up.
    out.replace("://", ":&#47;/").replace("www.", "www&#46;")
}

fn is_link(url: &str) -> bool {
    url.starts_with("https://") && url.bytes().all(|b| b.is_ascii_graphic() && !b"()<>[]\\\"`|".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_from_a_repository_is_markup() {
        let hostile =
            "| [x](javascript:1) <img src=x> @acme/team `a` **b** https://evil.example www.evil.example\n# head";
        let said = plain(hostile);
        for mark in ["|", "[", "]", "<", ">", "@", "`", "*", "\n", "http://", "https://", "www.e"] {
            assert!(!said.contains(mark), "{mark} in {said}");
        }
        // The only `#` is that of an entity.
        assert!(said.match_indices('#').all(|(at, _)| said.as_bytes()[at - 1] == b'&'), "{said}");
        assert!(plain(&"x".repeat(1000)).chars().count() <= LONGEST + 1);
        assert!(is_link("https://github.com/a/b/actions/runs/1"));
        assert!(!is_link("javascript:alert(1)") && !is_link("https://a/)b"));
    }
}
