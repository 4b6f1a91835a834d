//! Sources of evidence: what a control may need to see. One table says which of them this version writes, and which part
//! brings the others, so that what is missing can never look as if it were there.

/// A source of evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Source {
    /// Its name, as controls write it under `needs`.
    pub name: &'static str,
    /// What it is.
    pub what: &'static str,
    /// How it gets into a ledger.
    pub delivery: Delivery,
}

/// How a source gets into a ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// This version records it; what to do where nothing of it is there.
    By(&'static str),
    /// Nothing records it yet; the part that will.
    Later(&'static str),
}

const ENVIRONMENT: &str = "environment parity (stage 3)";
const OPERATE: &str = "monitoring of what runs (stage 5)";
const RECORDS: &str = "imports of records that people keep";
const ACCESS: &str = "the feed of the personnel system";
const AUDIT: &str = "evidence packs and exports";

const fn by(name: &'static str, what: &'static str, how: &'static str) -> Source {
    Source { name, what, delivery: Delivery::By(how) }
}

const fn later(name: &'static str, what: &'static str, part: &'static str) -> Source {
    Source { name, what, delivery: Delivery::Later(part) }
}

/// Every source.
pub static SOURCES: &[Source] = &[
    by("ledger", "the ledger itself: runs, decisions, acts, deployments", "countersign init, then countersign run"),
    by("ledger-verification", "the ledger, verified while it is assessed", "countersign assess verifies it"),
    by("scan", "our own scan of a change", "countersign run"),
    by("sast-report", "a report of a static analysis", "countersign record REPORT.sarif"),
    by("sca-report", "a report on components and their weaknesses", "countersign record REPORT.sarif"),
    by("dast-report", "a report of a dynamic analysis", "countersign record REPORT.sarif"),
    by("iac-report", "a report on definitions of infrastructure", "countersign record REPORT.sarif"),
    by("sbom", "a bill of materials (CycloneDX, SPDX)", "countersign record SBOM.json"),
    by("provenance", "a statement on how an artifact was built (SLSA)", "countersign record PROVENANCE.json"),
    by("test-report", "results of tests (JUnit)", "countersign record JUNIT.xml"),
    by("storage-probe", "attempts to break the lock of a copy", "countersign ledger probe s3://BUCKET"),
    by(
        "registry",
        "applications and environments with tier, criticality and data classes",
        "countersign application register",
    ),
    by("gate-registry", "gates with owner, deputy and times to answer", "countersign gate activate"),
    by("waiver", "waivers and their compensating controls", "countersign waive request"),
    by("break-glass", "emergency changes and their closure", "countersign break-glass open"),
    later("environment-inventory", "credentials, regions and data of environments", ENVIRONMENT),
    later("application-record", "what an application processes, assessments, trials and validations of it", RECORDS),
    later(
        "change-record",
        "tickets of a change system, with impact, fall-back and sign-off",
        "connectors to change systems",
    ),
    later("uat-approval", "sign-off by those who use a system", "further kinds of approval"),
    later("iac-plan", "plans of infrastructure changes", ENVIRONMENT),
    later("parity", "comparison of environments", ENVIRONMENT),
    by("snapshot", "what runs in an environment", "countersign snapshot"),
    by("drift-scan", "differences between what runs and what was approved", "countersign snapshot"),
    later("payment-page", "scripts and headers of payment pages", OPERATE),
    later("alert-queue", "alerts with the times of their answers", OPERATE),
    later("incident-record", "incidents and their notices", OPERATE),
    later("hr-feed", "joiners, movers and leavers of the personnel system", ACCESS),
    by("access-review", "campaigns of access reviews", "countersign access review open"),
    later("workload-inventory", "accounts, tokens and keys of systems", ACCESS),
    later("identity-claims", "claims of sign-on systems, with the factors used", "the server's sign-on"),
    later("access-log", "who read what", "the server with dashboard and API"),
    later("training-record", "trainings of developers", RECORDS),
    later("export-record", "records furnished on request", AUDIT),
    later("verification-record", "verifications that ran on a schedule, signed", AUDIT),
    later("restore-test", "restores from backups, as tests", AUDIT),
    later("replay-record", "replays of recorded decisions over a period", "replay of periods"),
    later("trusted-timestamp", "times from a source outside (RFC 3161)", "trusted timestamps"),
    later("advisory-feed", "the age of the advisories that components are compared with", "scanning of dependencies"),
];

/// The source of that name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Source> {
    SOURCES.iter().find(|s| s.name == name)
}

/// Every name.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    SOURCES.iter().map(|s| s.name)
}

impl Source {
    /// Whether nothing records it yet.
    #[must_use]
    pub const fn is_later(&self) -> bool {
        matches!(self.delivery, Delivery::Later(_))
    }
}
