//! Every resource: where it is, what it says, which scope and roles open it, which parameters it takes. The one table that routing, the
//! OpenAPI document and the tests of roles read.

use countersign_model::access::token::{TokenScope, is_repository};
use countersign_model::submission::GateClaim;
use countersign_model::{EventKind, Outcome, Role};
use countersign_policy::GATES;
use countersign_store::findings::Cursor;
use serde_json::{Value, json};

use super::answers::{GrantList, GrantToSign, GrantToken, GrantWhole, RepositoryHeld, Submission, ToSign};
use super::ask::Ask;
use super::reviews::AccessReview;
use super::wire::{
    self, AccessReviewList, Application, ApplicationList, Audit, AuditList, CertificateAuthorityList, ControlList,
    EmergencyList, EmergencyWhole, Entry, EntryList, Environment, EnvironmentList, FindingList, FindingPlaces,
    Framework, FrameworkList, FreezeList, Ledger, Me, PersonList, Population, RevocationLists, RoleList, RoleRules,
    Run, RunFindingList, RunList, SuppressionList, Waiver, WaiverList, Wire,
};
use super::writes::WORKERS;
use super::{
    applications, approvals, audits, controls, emergencies, entries, environments, findings, frameworks, grants,
    ledger, people, reviews, runs, submissions, waivers,
};
use crate::app::{Reach, Trouble};
use crate::web::rooms::{EVERYBODY, OFFICERS};

/// A resource.
pub(crate) struct Resource {
    /// Its path; `{…}` stands for a part that differs.
    pub(crate) path: &'static str,
    /// Its name in the document.
    pub(crate) name: &'static str,
    /// What it says, in a sentence.
    pub(crate) says: &'static str,
    /// What a token must open.
    pub(crate) scope: TokenScope,
    /// Roles of which its person must hold one.
    pub(crate) roles: &'static [Role],
    /// How it is limited for an auditor.
    pub(crate) reach: Reach,
    /// What may stand in the query.
    pub(crate) query: &'static [Param],
    /// The schema of what it answers.
    pub(crate) schema: fn() -> Value,
    /// Makes it.
    pub(crate) get: fn(&mut Ask<'_>) -> Result<Value, Trouble>,
}

/// A parameter of the query.
pub(crate) struct Param {
    pub(crate) name: &'static str,
    pub(crate) says: &'static str,
    pub(crate) kind: Kind,
    /// Whether it must stand there.
    pub(crate) must: bool,
}

pub(super) const fn may(name: &'static str, says: &'static str, kind: Kind) -> Param {
    Param { name, says, kind, must: false }
}

pub(super) const fn must(name: &'static str, says: &'static str, kind: Kind) -> Param {
    Param { name, says, kind, must: true }
}

/// What a parameter may be.
pub(crate) enum Kind {
    /// A number from 0.
    Number,
    /// 1 to 200.
    Limit,
    /// One of some words.
    Choice(fn() -> Vec<&'static str>),
    /// The beginning of a commit.
    Hex,
    /// A day.
    Day,
    /// Where a list of findings goes on: four parts with points between them.
    Cursor,
    /// A repository's identity.
    Identity,
    /// A whole commit id.
    Commit,
    /// SHA-256 in hex.
    Sha256,
    /// What a pipeline says of gates.
    Claims,
    /// A file's name without a path.
    FileName,
    /// A fingerprint of a key as `ssh-keygen -l` prints it.
    Fingerprint,
    /// A line of at most 2,000 characters.
    Prose,
    /// A line of at most 200 characters. What was no UTF-8 is none (it arrives as U+FFFD).
    Text,
}

/// The largest number that every reader of JSON keeps whole (RFC 7493).
pub(crate) const LARGEST: u64 = (1 << 53) - 1;
/// Rows of a part of a list at the most, and where nothing is said.
pub(crate) const MOST: u32 = 200;
pub(crate) const USUAL: u32 = 50;
const LONGEST: usize = 200;
const LONGEST_PROSE: usize = 2000;

fn is_line(text: &str, longest: usize) -> bool {
    !text.is_empty() && text.chars().count() <= longest && !text.chars().any(|c| c.is_control() || c == '\u{fffd}')
}

fn line_schema(longest: usize) -> Value {
    json!({"type": "string", "minLength": 1, "maxLength": longest, "pattern": "^[^\\u0000-\\u001f\\u007f-\\u009f\\ufffd]*$"})
}

impl Kind {
    /// Whether a text is one.
    pub(crate) fn takes(&self, text: &str) -> bool {
        let number = || {
            let plain = text == "0" || !text.starts_with('0');
            (plain && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse::<u64>().ok()).flatten()
        };
        match self {
            Self::Number => number().is_some_and(|n| n <= LARGEST),
            Self::Limit => number().is_some_and(|n| (1..=u64::from(MOST)).contains(&n)),
            Self::Choice(all) => all().contains(&text),
            Self::Hex => {
                let is_hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
                (1..=64).contains(&text.len()) && text.bytes().all(is_hex)
            }
            Self::Day => text.len() == 10 && super::ask::day(text).is_some(),
            Self::Cursor => text.parse::<Cursor>().is_ok(),
            Self::Text => is_line(text, LONGEST),
            Self::Prose => is_line(text, LONGEST_PROSE),
            Self::Identity => is_repository(text),
            Self::Commit => matches!(text.len(), 40 | 64) && Self::Hex.takes(text),
            Self::Sha256 => text.len() == 64 && Self::Hex.takes(text),
            Self::Claims => {
                let claims: Vec<_> = text.split(',').map(str::parse::<GateClaim>).collect();
                let is_gate =
                    |c: &Result<GateClaim, String>| c.as_ref().is_ok_and(|c| GATES.contains(&c.gate.as_str()));
                claims.len() <= GATES.len() && claims.iter().all(is_gate)
            }
            Self::FileName => {
                let is_plain = |c: char| c.is_ascii_alphanumeric() || "._+-".contains(c);
                text.len() <= LONGEST
                    && text.chars().all(is_plain)
                    && text.starts_with(|c: char| c.is_ascii_alphanumeric())
            }
            Self::Fingerprint => {
                let is_base64 = |b: u8| b.is_ascii_alphanumeric() || b == b'+' || b == b'/';
                text.strip_prefix("SHA256:").is_some_and(|rest| rest.len() == 43 && rest.bytes().all(is_base64))
            }
        }
    }

    /// The same as a schema.
    pub(crate) fn schema(&self) -> Value {
        match self {
            Self::Number => json!({"type": "integer", "minimum": 0, "maximum": LARGEST}),
            Self::Limit => json!({"type": "integer", "minimum": 1, "maximum": MOST, "default": USUAL}),
            Self::Choice(all) => json!({"type": "string", "enum": all()}),
            Self::Hex => json!({"type": "string", "pattern": "^[0-9a-f]{1,64}$"}),
            Self::Day => json!({"type": "string", "format": "date", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"}),
            Self::Cursor => json!({"type": "string", "pattern": Cursor::PATTERN}),
            Self::Text => line_schema(LONGEST),
            Self::Prose => line_schema(LONGEST_PROSE),
            Self::Identity => json!({"type": "string", "maxLength": LONGEST, "pattern": "^git(-root)?:[!-~]+$"}),
            Self::Commit => json!({"type": "string", "pattern": "^([0-9a-f]{40}|[0-9a-f]{64})$"}),
            Self::Sha256 => json!({"type": "string", "pattern": "^[0-9a-f]{64}$"}),
            Self::Claims => {
                let outcomes: Vec<&str> = Outcome::ALL.iter().map(|o| o.as_str()).collect();
                let one = format!("({})=({})", GATES.join("|"), outcomes.join("|"));
                json!({"type": "string", "pattern": format!("^{one}(,{one}){{0,{}}}$", GATES.len() - 1)})
            }
            Self::FileName => {
                json!({"type": "string", "maxLength": LONGEST, "pattern": "^[A-Za-z0-9][A-Za-z0-9._+-]*$"})
            }
            Self::Fingerprint => json!({"type": "string", "pattern": "^SHA256:[A-Za-z0-9+/]{43}$"}),
        }
    }
}

/// What every resource takes.
pub(crate) const AUDIT: Param = may(
    "audit",
    "An open audit: of those that admit an auditor, the one through which they look; an officer sees what its auditors see.",
    Kind::Text,
);
const BEFORE: Param = may("before", "Only what has a smaller log index: `next` of the part before.", Kind::Number);
const LIMIT: Param = may("limit", "So many rows at the most.", Kind::Limit);
const OUTCOME: Param = may("outcome", "Only those of this outcome.", Kind::Choice(outcomes));

fn outcomes() -> Vec<&'static str> {
    wire::OUTCOMES.iter().map(|o| o.as_str()).collect()
}

fn kinds() -> Vec<&'static str> {
    EventKind::ALL.iter().map(|k| k.as_str()).collect()
}

const RUNS: &[Param] = &[
    BEFORE,
    LIMIT,
    OUTCOME,
    may("undecided", "Only those of which nothing is decided.", Kind::Choice(|| vec!["true"])),
    may("repository", "Only those of this repository, by its identity.", Kind::Text),
    may("commit", "Only those whose commit begins so.", Kind::Hex),
];
const ENTRIES: &[Param] = &[
    BEFORE,
    LIMIT,
    may("kind", "Only entries of this kind.", Kind::Choice(kinds)),
    may("stream", "Only entries of this stream.", Kind::Text),
];
const POPULATION: &[Param] = &[
    may("from", "The window's first day; 90 days before its end where it is not given.", Kind::Day),
    may("to", "The day before which the window ends; this moment where it is not given.", Kind::Day),
    may("application", "Only this application, by id.", Kind::Text),
    may("after", "So many members come before: `next` of the part before.", Kind::Number),
    LIMIT,
];
const FINDINGS: &[Param] = &[
    may("after", "Only what comes after: `next` of the part before.", Kind::Cursor),
    LIMIT,
    may("state", "Only those that stand so.", Kind::Choice(findings::states)),
    may("severity", "Only those of this severity.", Kind::Choice(findings::severities)),
    may("repository", "Only those of this repository, by its identity.", Kind::Text),
    may("control", "Only those of rules that serve this control.", Kind::Text),
    may("rule", "Only those of this rule.", Kind::Text),
    may("late", "Only open ones past the moment by which they were to be answered.", Kind::Choice(|| vec!["true"])),
];
const RUN_FINDINGS: &[Param] = &[may("after", "So many come before: `next` of the part before.", Kind::Number), LIMIT];
const WAIVERS: &[Param] = &[may("state", "Only those that stand so.", Kind::Choice(waivers::states))];
const ENVIRONMENTS: &[Param] = &[may("retired", "Those that are retired as well.", Kind::Choice(|| vec!["true"]))];
const FREEZES: &[Param] = &[may("environment", "Only those of this environment.", Kind::Text)];
const EMERGENCIES: &[Param] = &[
    BEFORE,
    LIMIT,
    may("state", "Only those that stand so.", Kind::Choice(emergencies::states)),
    may("due", "Only those of which something is overdue.", Kind::Choice(|| vec!["true"])),
];

const ROLES: &[Param] = &[
    may("all", "Those that ended or expired as well.", Kind::Choice(|| vec!["true"])),
    may("person", "Only those of this person, by id.", Kind::Text),
];

const HELD: &[Param] = &[
    must("repository", "The repository's identity.", Kind::Identity),
    must("commit", "A commit of it.", Kind::Commit),
];
const TO_SIGN: &[Param] = &[
    must("key", "The fingerprint of the key that signs.", Kind::Fingerprint),
    may("host", "What the machine that signs calls itself; it is part of what is signed.", Kind::Text),
];
const GRANTS: &[Param] = &[
    BEFORE,
    LIMIT,
    may("run", "Only those of this run.", Kind::Text),
    may("state", "Only those that stand so.", Kind::Choice(grants::states)),
];
const GRANT_TO_SIGN: &[Param] = &[
    must("environment", "Where to deploy.", Kind::Text),
    must("key", "The fingerprint of the key that signs.", Kind::Fingerprint),
    may("host", "What the machine that signs calls itself; it is part of what is signed.", Kind::Text),
    may("minutes", "How long it lives: 15 where it is not given, 1440 at the most.", Kind::Number),
];

macro_rules! resources {
    ($($path:literal $name:literal $says:literal: $type:ident by $scope:ident $roles:ident of $reach:ident, $query:expr, $get:path;)*) => {
        /// Every resource.
        pub(crate) const RESOURCES: &[Resource] = &[$(Resource {
            path: concat!("/api/v1/", $path),
            name: $name,
            says: $says,
            scope: TokenScope::$scope,
            roles: $roles,
            reach: Reach::$reach,
            query: $query,
            schema: <$type as Wire>::schema,
            get: |ask| $get(ask).map(Wire::json),
        }),*];
    };
}

resources! {
    "me" "me" "Who asks, and what their token opens.": Me by Read EVERYBODY of Firm, &[], people::me;
    "runs" "runs" "Runs, newest first.": RunList by Read EVERYBODY of List, RUNS, runs::list;
    "runs/{run}" "run" "A run with its gates, approvals and grants.": Run by Read EVERYBODY of Run, &[], runs::one;
    "runs/{run}/findings" "run_findings" "What was found in a run, the worst first.": RunFindingList by Read EVERYBODY of Run, RUN_FINDINGS, findings::of_run;
    "runs/{run}/suppressions" "suppressions" "What the judged tree of a run asks not to count.": SuppressionList by Read WORKERS of Run, &[], findings::suppressions;
    "findings" "findings" "Findings of the whole ledger, the greatest risk first.": FindingList by Read EVERYBODY of List, FINDINGS, findings::list;
    "findings/{fingerprint}" "finding" "A finding with its history, in each repository that has it.": FindingPlaces by Read EVERYBODY of List, &[], findings::one;
    "runs/{run}/approvals/{slot}" "to-sign" "What somebody signs to approve a run: the statement, byte for byte. Nothing is appended.": ToSign by Approve WORKERS of Run, TO_SIGN, approvals::to_sign;
    "runs/{run}/grant-statement" "grant-to-sign" "What a release manager signs to issue a grant: the statement, byte for byte. Nothing is appended.": GrantToSign by Approve WORKERS of Run, GRANT_TO_SIGN, grants::to_sign;
    "grants" "grants" "Grants, newest first.": GrantList by Read EVERYBODY of List, GRANTS, grants::list;
    "grants/{grant}" "grant" "A grant and what became of it.": GrantWhole by Read EVERYBODY of Grant, &[], grants::one;
    "grants/{grant}/token" "grant-token" "A grant as tools carry it. Whoever has it can redeem it.": GrantToken by Deploy WORKERS of Grant, &[], grants::token;
    "repositories" "held" "Which commits of a repository were sent here: whoever sends another leaves those away.": RepositoryHeld by Submit WORKERS of Firm, HELD, submissions::held;
    "submissions/{submission}" "submission" "What came of a commit that was sent; its sender is told.": Submission by Submit WORKERS of Firm, &[], submissions::one;
    "entries" "entries" "Entries of the log, newest first.": EntryList by Read EVERYBODY of Firm, ENTRIES, entries::list;
    "entries/{index}" "entry" "An entry with its receipt.": Entry by Read EVERYBODY of Entry, &[], entries::one;
    "controls" "controls" "Controls with what the newest assessment says of them.": ControlList by Read EVERYBODY of Firm, &[OUTCOME], controls::list;
    "controls/{control}/population" "population" "Everything that a control was applied to in a window.": Population by Read EVERYBODY of List, POPULATION, controls::population;
    "frameworks" "frameworks" "Frameworks with what the newest assessment says of them.": FrameworkList by Read EVERYBODY of Firm, &[], frameworks::list;
    "frameworks/{framework}" "framework" "A framework, requirement by requirement.": Framework by Read EVERYBODY of Firm, &[OUTCOME], frameworks::one;
    "waivers" "waivers" "Waivers, newest first.": WaiverList by Read EVERYBODY of List, WAIVERS, waivers::list;
    "waivers/{waiver}" "waiver" "A waiver, and everything that was said about it.": Waiver by Read EVERYBODY of Waiver, &[], waivers::one;
    "emergencies" "emergencies" "Emergencies, newest first, and what they owe.": EmergencyList by Read EVERYBODY of List, EMERGENCIES, emergencies::list;
    "emergencies/{emergency}" "emergency" "An emergency, and everything it left behind.": EmergencyWhole by Read EVERYBODY of Emergency, &[], emergencies::one;
    "environments" "environments" "Environments, those that are retired where that is asked for.": EnvironmentList by Read EVERYBODY of List, ENVIRONMENTS, environments::list;
    "environments/{environment}" "environment" "An environment and what runs there, as far as deployments say.": Environment by Read EVERYBODY of Environment, &[], environments::one;
    "freezes" "freezes" "Freezes of environments, newest first.": FreezeList by Read EVERYBODY of List, FREEZES, environments::freezes;
    "applications" "applications" "What the firm answers for: applications by id.": ApplicationList by Read EVERYBODY of List, &[], applications::list;
    "applications/{application}" "application" "An application.": Application by Read EVERYBODY of Application, &[], applications::one;
    "people" "people" "Everybody enrolled, with their roles.": PersonList by Audit OFFICERS of Firm, &[], people::list;
    "roles" "roles" "Who holds which role, oldest first.": RoleList by Audit OFFICERS of Firm, ROLES, people::roles;
    "role-rules" "role-rules" "What holds for grants of roles.": RoleRules by Audit OFFICERS of Firm, &[], people::rules;
    "certificate-authorities" "certificate-authorities" "Authorities whose SSH certificates say whose keys are, oldest first.": CertificateAuthorityList by Audit OFFICERS of Firm, &[], people::authorities;
    "revocation-lists" "revocation-lists" "Revocation lists of OpenSSH that were imported, oldest first.": RevocationLists by Audit OFFICERS of Firm, &[], people::revocation_lists;
    "access-reviews" "access-reviews" "Reviews of all access, oldest first.": AccessReviewList by Audit OFFICERS of Firm, &[], reviews::list;
    "access-reviews/{review}" "access-review" "A review of all access, line by line, as the command line prints it.": AccessReview by Audit OFFICERS of Firm, &[], reviews::one;
    "audits" "audits" "Audits, newest first.": AuditList by Audit OFFICERS of List, &[], audits::list;
    "audits/{audit}" "audit" "An audit with its requests.": Audit by Audit OFFICERS of Audit, &[], audits::one;
    "ledger" "ledger" "The ledger's head and checkpoint.": Ledger by Read EVERYBODY of Firm, &[], ledger::head;
}

/// What a job may ask for that shows its identity token alone, besides what it sends: what `run`, `record`, `gate check` and `deploy` ask.
const OF_JOBS: &[&str] = &["runs", "run", "run_findings", "held", "submission", "grants", "grant"];

impl Resource {
    /// Whether a job may have it, of its own repository.
    pub(crate) fn is_of_jobs(&self) -> bool {
        OF_JOBS.contains(&self.name)
    }

    /// Everything that may stand in the query.
    pub(crate) fn params(&self) -> impl Iterator<Item = &'static Param> + Clone + use<> {
        self.query.iter().chain([&AUDIT])
    }
}

/// The resource that a path pattern belongs to.
pub(crate) fn find(pattern: &str) -> Option<&'static Resource> {
    RESOURCES.iter().find(|r| r.path == pattern)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_parameter_takes_is_what_its_schema_says() {
        let takes = |kind: Kind, good: &[&str], bad: &[&str]| {
            assert!(good.iter().all(|t| kind.takes(t)), "{good:?}");
            assert!(!bad.iter().any(|t| kind.takes(t)), "{bad:?}");
        };
        takes(Kind::Number, &["0", "7", "9007199254740991"], &["", "-1", "+1", "01", "1.0", "9007199254740992", "a"]);
        takes(Kind::Limit, &["1", "200"], &["0", "201", ""]);
        takes(Kind::Hex, &["0", "abc"], &["", "A", "g", &"a".repeat(65)]);
        takes(Kind::Day, &["2026-01-31"], &["", "2026-02-30", "2026-1-1", "20260131"]);
        takes(Kind::Text, &["a b", &"é".repeat(200)], &["", "a\n", &"a".repeat(201)]);
        let cursor = |repository: &str| format!("8.1.{}.{repository}", "a".repeat(64));
        takes(
            Kind::Cursor,
            &[&cursor("1"), &cursor("01")],
            &["", "8.1.a.1", &cursor(""), &cursor("1.2"), &cursor("+1")],
        );
        takes(Kind::Choice(outcomes), &["pass", "not-evaluated"], &["", "Pass"]);
    }

    #[test]
    fn every_resource_has_a_path_and_a_name_of_its_own() {
        let unique = |all: Vec<&str>| all.iter().collect::<std::collections::BTreeSet<_>>().len() == all.len();
        assert!(unique(RESOURCES.iter().map(|r| r.path).collect()));
        assert!(unique(RESOURCES.iter().map(|r| r.name).collect()));
    }
}
