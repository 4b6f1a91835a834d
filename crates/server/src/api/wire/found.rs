//! What the API says of findings.

use countersign_model::{Confidence, Digest, Severity, Timestamp};
use countersign_store::findings::{SEVERITIES, Standing};
use serde_json::{Map, Value, json};

use super::{Wire, bare, choice, described};

impl Wire for Severity {
    fn json(self) -> Value {
        self.as_str().into()
    }
    fn schema() -> Value {
        choice(SEVERITIES.iter().map(|s| s.as_str()))
    }
}

impl Wire for Confidence {
    fn json(self) -> Value {
        self.as_str().into()
    }
    fn schema() -> Value {
        choice([Self::Low, Self::Medium, Self::High, Self::Certain].iter().map(|c| c.as_str()))
    }
}

impl Wire for Standing {
    fn json(self) -> Value {
        self.as_str().into()
    }
    fn schema() -> Value {
        choice(Self::ALL.iter().map(|s| s.as_str()))
    }
}

wire! {
    /// Findings of the whole ledger, the greatest risk first, then by the day until which they are to be answered.
    FindingList {
        /// A part of them.
        items: Vec<Finding>,
        /// How many there are in all parts.
        count: u64,
        /// `after` of the next part; null: this was the last.
        next: Option<String>,
        /// How many stand how, of those that are asked for, whatever `state` says.
        states: FindingStates,
        /// So many entries of the log are taken in.
        size: u64,
        /// So many records that were appended since are not.
        behind: u64,
        /// Log indices of records that are missing or damaged: what they say is not here.
        unread: Vec<u64>,
        /// So many scans were disposed of.
        disposed: u64,
    }

    /// How many findings stand how.
    FindingStates {
        /// They count.
        open: u64,
        /// Somebody granted a suppression.
        suppressed: u64,
        /// A waiver covers them.
        waived: u64,
        /// The newest look sees them no more.
        fixed: u64,
        /// Of those that count: past the moment by which they were to be answered.
        late: u64,
    }

    /// A finding in a repository.
    Finding {
        /// Survives moved lines and renamed files.
        fingerprint: Digest,
        /// The repository's identity.
        repository: Option<String>,
        /// The rule.
        rule: String,
        /// How bad.
        severity: Severity,
        /// How sure.
        confidence: Confidence,
        /// The controls that the rule serves.
        controls: Vec<String>,
        /// Weaknesses, as CWE numbers them.
        cwe: Vec<String>,
        /// The tool that sees it.
        tool: String,
        /// What another tool calls it.
        title: Option<String>,
        /// The line with the value taken out, where another tool's report has it.
        excerpt: Option<String>,
        /// Where it was seen last.
        path: String,
        /// On which line, from 1.
        line: u64,
        /// How it stands.
        state: Standing,
        /// What asks for its suppression.
        suppression_asked: Option<String>,
        /// The waiver that covers it.
        waiver: Option<String>,
        /// Log index of the grant by which it does not count.
        granted: Option<u64>,
        /// Until when it does not.
        until: Option<Timestamp>,
        /// Whether the newest look could not see it.
        not_looked_at: bool,
        /// Log index of the first record that has it.
        first_index: u64,
        /// When that was appended.
        first_time: Timestamp,
        /// By when it is to be answered; null: no control says so.
        due: Option<Timestamp>,
        /// Whole days past that, while it is open.
        days_past: Option<u64>,
        /// Weight of its severity times how much depends on its application.
        risk: u64,
    }

    /// A finding, in each repository that has it.
    FindingPlaces {
        /// The repositories.
        items: Vec<FindingPlace>,
    }

    /// A finding with its history in a repository.
    FindingPlace {
        /// It.
        finding: Finding,
        /// How many looks saw it.
        seen: u64,
        /// How often it came.
        came: u64,
        /// The newest looks that saw it, newest first.
        looks: Vec<FindingLook>,
    }

    /// A record that has a finding.
    FindingLook {
        /// Log index.
        index: u64,
        /// The run.
        run: String,
        /// The commit.
        commit: String,
        /// When it was appended.
        time: Timestamp,
    }

    /// What was found in a run: by our scan and in other tools' reports, joined as the gates see it.
    RunFindingList {
        /// A part of them, the worst first.
        items: Vec<RunFinding>,
        /// How many there are in all parts.
        count: u64,
        /// `after` of the next part; null: this was the last.
        next: Option<u64>,
    }

    /// What the judged tree of a run asks not to count.
    SuppressionList {
        /// All of it.
        items: Vec<Suppression>,
    }

    /// A suppression that is asked for.
    Suppression {
        /// The finding: survives moved lines and renamed files.
        fingerprint: Digest,
        /// The rule.
        rule: String,
        /// Where.
        path: String,
        /// On which line, from 1.
        line: u64,
        /// open, suppression-requested or suppression-granted.
        state: String,
        /// What asked for it: `inline`, `declaration`, `baseline` or `report`.
        requested_by: Option<String>,
        /// The reason given with the request.
        reason: Option<String>,
    }

    /// A finding of a run.
    RunFinding {
        /// Survives moved lines and renamed files.
        fingerprint: Digest,
        /// The rule.
        rule: String,
        /// How bad: the worst that any tool says.
        severity: Severity,
        /// How sure.
        confidence: Confidence,
        /// The controls that the rule serves.
        controls: Vec<String>,
        /// Weaknesses, as CWE numbers them.
        cwe: Vec<String>,
        /// The tools that saw it.
        tools: Vec<String>,
        /// Where.
        path: String,
        /// On which line, from 1.
        line: u64,
        /// open, suppression-requested or suppression-granted.
        state: String,
    }
}
