//! `secrets audit`: a walk through the open findings, one question at a time, line by line, so that any terminal and
//! any pipe will do. An answer is written down as what it is; nothing that is written makes a finding disappear.

use std::collections::{BTreeMap, BTreeSet};
use std::io::BufRead as _;

use countersign_model::{Exit, Finding, FindingState, TreePath};
use countersign_scan::{FileResult, Scanner};

use super::args::PlaceArgs;
use super::looked::{Looked, offset};
use super::notes::{Kind, Note, Notes, Request};
use super::requests;
use super::secrets::about;
use super::secrets_args::AuditArgs;
use crate::config::Environment;
use crate::errors::{CliError, Failure, Outcome};
use crate::output;

/// The longest answer, in bytes.
const LONGEST: u64 = 4096;

/// Asks about every open finding that has no answer yet.
pub(crate) fn run(at: &PlaceArgs, args: &AuditArgs, env: &Environment) -> Outcome {
    let looked = Looked::at(at, &args.path, &args.rules)?;
    let notes = Notes::load(&looked.top)?;
    let mut audit = Audit {
        looked: &looked,
        notes,
        today: env.clock.now().to_string().chars().take(10).collect(),
        shift: BTreeMap::new(),
        declared: BTreeSet::new(),
        left: 0,
    };
    let open: Vec<&Finding> = looked.report.open().filter(|f| looked.is_named(&f.path)).collect();
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    let asked = open.iter().filter(|f| args.again || !audit.notes.has(&f.fingerprint)).count();
    let mut number = 0;
    let mut is_over = false;
    for finding in &open {
        let what = if audit.declared.contains(&(&finding.path, finding.rule.as_str())) {
            "suppression requested"
        } else if !args.again && audit.notes.has(&finding.fingerprint) {
            audit.left += 1;
            "answered before"
        } else if is_over {
            audit.left += 1;
            "not asked"
        } else {
            number += 1;
            output::print(&format!("\n{number} of {asked}  {}", about(finding)))?;
            match audit.ask(finding)? {
                Some(what) => what,
                None => {
                    is_over = true;
                    audit.left += 1;
                    "not asked"
                }
            }
        };
        *counts.entry(what).or_default() += 1;
    }
    let parts: Vec<String> = counts.iter().map(|(what, n)| format!("{n} {what}")).collect();
    let all = output::count(open.len() as u64, "open finding", "open findings");
    let gaps = looked.report.gaps.iter().filter(|g| looked.is_named(&g.path)).count();
    let mut out = match parts.is_empty() {
        true => format!("\n{all}\n"),
        false => format!("\n{all}: {}\n", parts.join(", ")),
    };
    if gaps > 0 {
        out.push_str(&format!(
            "{}: countersign scan\n",
            output::count(gaps as u64, "place was not looked at", "places were not looked at")
        ));
    }
    if audit.left > 0 {
        out.push_str("Next   countersign secrets audit  (goes on where this ended; --again asks about everything)\n");
    } else if !open.is_empty() {
        out.push_str("Next   countersign run  (shows the requests; somebody else grants them)\n");
    }
    output::print(&out)?;
    Ok(match (audit.left, gaps) {
        (0, 0) => Exit::Pass,
        (0, _) => Exit::Incomplete,
        _ => Exit::Denied,
    })
}

/// Where a request is to be written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Mark,
    Declaration,
    Nowhere,
}

struct Audit<'l> {
    looked: &'l Looked,
    notes: Notes,
    /// The date, as it is written.
    today: String,
    /// How many lines were put into a file above the findings that come.
    shift: BTreeMap<&'l TreePath, u32>,
    /// What declarations were written for.
    declared: BTreeSet<(&'l TreePath, &'l str)>,
    /// How many findings still count.
    left: u64,
}

impl<'l> Audit<'l> {
    /// Asks about one finding; what it is, or `None` when nobody answers any more.
    fn ask(&mut self, finding: &'l Finding) -> Result<Option<&'static str>, Failure> {
        loop {
            let Some(answer) = line("[r]eal  [t]est data  r[o]tated  [w]aiver requested  [s]kip  [q]uit > ")? else {
                return Ok(None);
            };
            let done = match answer.as_str() {
                "r" | "real" => self.real(finding)?,
                "t" | "test" | "test data" => self.request(finding, Kind::TestData)?,
                "o" | "rotated" => self.rotated(finding)?,
                "w" | "waiver" | "waiver requested" => self.request(finding, Kind::WaiverRequested)?,
                "s" | "skip" => {
                    self.left += 1;
                    Answered::As("skipped")
                }
                "q" | "quit" => return Ok(None),
                _ => Answered::Back,
            };
            match done {
                Answered::As(what) => return Ok(Some(what)),
                Answered::Over => return Ok(None),
                Answered::Back => {}
            }
        }
    }

    fn real(&mut self, finding: &Finding) -> Result<Answered, Failure> {
        output::print(&format!("\n{}\n", self.looked.checklist(finding)))?;
        self.note(finding, Kind::Real, None, None, None)?;
        self.left += 1;
        Ok(Answered::As("real"))
    }

    /// Test data, or a risk that somebody is to accept: a request with a reason.
    fn request(&mut self, finding: &'l Finding, kind: Kind) -> Result<Answered, Failure> {
        let Some(reason) = self.reason("why? > ")? else { return Ok(Answered::Over) };
        let text = format!("{}: {reason}", kind.words());
        match self.write(finding, &text, "[m]ark above the line  [d]eclaration in countersign.toml  [b]ack > ")? {
            Written::As(request) => {
                self.note(finding, kind, Some(reason), None, Some(request))?;
                Ok(Answered::As(kind.words()))
            }
            Written::Nowhere => Ok(Answered::Back),
            Written::Over => Ok(Answered::Over),
        }
    }

    /// The credential is worthless by now; that is noted, and it may be asked not to count.
    fn rotated(&mut self, finding: &'l Finding) -> Result<Answered, Failure> {
        let date = loop {
            let Some(date) = line("rotated on which day? (YYYY-MM-DD) > ")? else { return Ok(Answered::Over) };
            if is_date(&date) && date <= self.today {
                break date;
            }
            output::print("that is no day up to today, such as 2026-01-31\n")?;
        };
        let Some(reason) = self.reason("how, and who can tell? > ")? else { return Ok(Answered::Over) };
        let text = format!("rotated on {date}: {reason}");
        let question =
            "ask for it not to count as well?  [m]ark above the line  [d]eclaration in countersign.toml  [n]o > ";
        let request = match self.write(finding, &text, question)? {
            Written::As(request) => Some(request),
            Written::Nowhere => {
                self.left += 1;
                None
            }
            Written::Over => return Ok(Answered::Over),
        };
        self.note(finding, Kind::Rotated, Some(reason), Some(date), request)?;
        Ok(Answered::As(Kind::Rotated.words()))
    }

    /// A reason that is one, and that holds no value itself.
    fn reason(&self, question: &str) -> Result<Option<String>, Failure> {
        let scanner = Scanner::new(&self.looked.rules, &[0; 32]);
        loop {
            let Some(reason) = line(question)? else { return Ok(None) };
            let found = scanner.scan_bytes(&TreePath::from_text("reason"), reason.as_bytes());
            if !reason.chars().any(char::is_alphanumeric) {
                output::print("whoever grants it has to have something to judge by\n")?;
            } else if reason.chars().count() > 200 || reason.chars().any(char::is_control) {
                output::print("one line of up to 200 characters\n")?;
            } else if !matches!(&found, FileResult::Text { matches, .. } if matches.is_empty()) {
                output::print("that holds what looks like a secret itself\n")?;
            } else {
                return Ok(Some(reason));
            }
        }
    }

    /// Asks where a request goes, and writes it there.
    fn write(&mut self, finding: &'l Finding, reason: &str, question: &str) -> Result<Written, Failure> {
        loop {
            let Some(answer) = line(question)? else { return Ok(Written::Over) };
            let way = match answer.as_str() {
                "m" | "mark" => Way::Mark,
                "d" | "declaration" => Way::Declaration,
                "b" | "back" | "n" | "no" => Way::Nowhere,
                _ => continue,
            };
            let written = match way {
                Way::Nowhere => return Ok(Written::Nowhere),
                Way::Mark => self.mark(finding, reason)?,
                Way::Declaration => self.declare(finding, reason)?,
            };
            match written {
                Ok(request) => return Ok(Written::As(request)),
                Err(why) => output::print(&format!("{why}\n"))?,
            }
        }
    }

    /// Writes the mark above the line; the inner error says why it would not do.
    fn mark(&mut self, finding: &'l Finding, reason: &str) -> Result<Result<Request, String>, Failure> {
        let other = "take the declaration";
        let Some(path) = self.looked.file(&finding.path) else {
            return Ok(Err(format!("it is in an archive; {other}")));
        };
        let text = std::fs::read(&path).map_err(|source| CliError::Read { path: path.clone(), source })?;
        let line = finding.line + self.shift.get(&finding.path).copied().unwrap_or(0);
        let Some(kind) = self.looked.references.kind(&finding.path, &text) else {
            return Ok(Err(format!("nobody knows how comments are written here; {other}")));
        };
        let at = offset(&text, line, finding.column);
        let Some(one) = countersign_scan::mark_above(kind, &text, at, &finding.rule, reason) else {
            return Ok(Err(format!("no comment can stand above this line, or a mark is there already; {other}")));
        };
        let mut new = text;
        new.splice(one.at..one.at, one.bytes);
        // Only what the scan will hear is written.
        let scanner = Scanner::new(&self.looked.rules, &[0; 32]);
        let is_heard = match scanner.scan_bytes(&finding.path, &new) {
            FileResult::Text { matches, .. } => matches.iter().any(|m| {
                m.line == line + 1 && self.looked.rules.rule(m.rule).id == finding.rule && m.suppression.is_some()
            }),
            FileResult::Binary { .. } => false,
        };
        if !is_heard {
            return Ok(Err(format!(
                "the file has changed since it was looked at, or a mark here would not be heard; {other}"
            )));
        }
        requests::replace(&path, &new)?;
        *self.shift.entry(&finding.path).or_default() += 1;
        output::print(&format!(
            "written: a mark above line {line} of {}; somebody else grants it\n",
            output::printable(&finding.path.to_string())
        ))?;
        Ok(Ok(Request::Mark))
    }

    /// Writes a declaration for the rule in this file.
    fn declare(&mut self, finding: &'l Finding, reason: &str) -> Result<Result<Request, String>, Failure> {
        let Some(glob) = countersign_scan::glob_of(&finding.path) else {
            return Ok(Err("the path is not UTF-8, and no declaration can name it; take the mark".into()));
        };
        let file = requests::declare(&self.looked.top, &glob, &finding.rule, reason)?;
        self.declared.insert((&finding.path, &finding.rule));
        let is_same = |f: &&Finding| f.state == FindingState::Open && f.path == finding.path && f.rule == finding.rule;
        let all = self.looked.report.findings.iter().filter(is_same).count();
        let all = output::count(all as u64, "finding", "findings");
        output::print(&format!(
            "written: a declaration in {} that asks for {all} of {} in this file; somebody else grants it\n",
            file.display(),
            finding.rule
        ))?;
        Ok(Ok(Request::Declaration))
    }

    fn note(
        &mut self,
        finding: &Finding,
        kind: Kind,
        reason: Option<String>,
        rotated: Option<String>,
        request: Option<Request>,
    ) -> Result<(), Failure> {
        self.notes.put(Note {
            fingerprint: finding.fingerprint,
            rule: finding.rule.clone(),
            path: finding.path.clone(),
            answer: kind,
            on: self.today.clone(),
            reason,
            rotated,
            request,
        });
        self.notes.write(&self.looked.top)
    }
}

enum Answered {
    As(&'static str),
    Back,
    Over,
}

enum Written {
    As(Request),
    Nowhere,
    Over,
}

/// A line of standard input, without blanks around it; `None` at its end.
fn line(question: &str) -> Result<Option<String>, Failure> {
    use std::io::Read as _;
    output::print(question)?;
    let fault = |source| CliError::Read { path: "standard input".into(), source };
    let mut text = String::new();
    let read = std::io::stdin().lock().take(LONGEST).read_line(&mut text).map_err(fault)?;
    if read == 0 {
        output::print("\n")?;
        return Ok(None);
    }
    Ok(Some(text.trim().to_owned()))
}

/// Whether a text is a day of the Gregorian calendar, `YYYY-MM-DD`.
fn is_date(text: &str) -> bool {
    // The model reads RFC 3339 and refuses days that are none.
    text.len() == 10 && format!("{text}T00:00:00Z").parse::<countersign_model::Timestamp>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_days() {
        assert!(is_date("2026-02-28") && is_date("2024-02-29"));
        for text in ["2026-02-30", "2026-13-01", "26-01-01", "yesterday", "", "2026-1-01x"] {
            assert!(!is_date(text), "{text}");
        }
    }
}
