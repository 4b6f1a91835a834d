//! Pages that people write, held against what they speak of.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use countersign_evidence::act;
use countersign_model::event::{self, Predicate as _};
use countersign_model::{EventKind, Exit, Role};

use super::{Desk, page, project};

/// Every page of the project.
fn pages() -> Vec<PathBuf> {
    let mut todo: Vec<PathBuf> =
        ["docs", "controls", "examples", "frameworks", "issuers", "policies", "rules", "schemas"]
            .map(|d| project().join(d))
            .into();
    let mut pages: Vec<PathBuf> = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"]
        .map(|p| project().join(p))
        .into();
    while let Some(dir) = todo.pop() {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                todo.push(path);
            } else if path.extension().is_some_and(|e| e == "md") {
                pages.push(path);
            }
        }
    }
    pages
}

#[test]
fn links_lead_somewhere() {
    let mut dead = Vec::new();
    for page in pages() {
        let text = std::fs::read_to_string(&page).unwrap();
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = target.split('#').next().unwrap_or_default();
            if file.is_empty() || file.contains("://") {
                continue;
            }
            if !page.parent().unwrap_or(Path::new(".")).join(file).exists() {
                dead.push(format!("{}: {target}", page.display()));
            }
        }
    }
    assert!(dead.is_empty(), "{dead:#?}");
}

#[test]
fn exit_codes_are_those_of_the_program() {
    let text = page("docs/reference/exit-codes.md");
    for (exit, meaning) in Exit::ALL {
        assert!(text.contains(&format!("| {} | {meaning} |\n", exit.code())), "{} {meaning}", exit.code());
    }
}

/// The rows of a table whose first cell is a word in backticks.
fn rows(text: &str) -> Vec<(String, String)> {
    text.lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once("` |"))
        .map(|(word, rest)| (word.to_owned(), rest.to_owned()))
        .collect()
}

#[test]
fn every_event_is_on_its_page() {
    let text = page("docs/reference/events.md");
    // The parser lists what it knows.
    let known = serde_json::from_str::<EventKind>("\"?\"").unwrap_err().to_string();
    let known: BTreeSet<&str> = known.split('`').skip(3).step_by(2).collect();
    let table: Vec<(String, String)> = rows(&text).into_iter().filter(|(w, _)| known.contains(w.as_str())).collect();
    let listed: BTreeSet<&str> = table.iter().map(|(w, _)| w.as_str()).collect();
    assert_eq!(listed, known);
    for kind in &known {
        assert!(text.contains(&format!("**{kind}.** ")), "{kind} is not described");
    }
    let types = [
        ("TrustRootEstablished", event::TrustRootEstablished::TYPE),
        ("PersonEnrolled", event::PersonEnrolled::TYPE),
        ("RoleGranted", event::RoleGranted::TYPE),
        ("PersonKeyAdded", event::PersonKeyAdded::TYPE),
        ("PersonKeyRevoked", event::PersonKeyRevoked::TYPE),
        ("CertificateAuthorityAdded", event::CertificateAuthorityAdded::TYPE),
        ("CertificateAuthorityRevoked", event::CertificateAuthorityRevoked::TYPE),
        ("KeyCertified", event::KeyCertified::TYPE),
        ("AccountLinked", event::AccountLinked::TYPE),
        ("AccountUnlinked", event::AccountUnlinked::TYPE),
        ("TokenIssued", event::TokenIssued::TYPE),
        ("TokenRevoked", event::TokenRevoked::TYPE),
        ("RevocationListImported", event::RevocationListImported::TYPE),
        ("RoleRevoked", event::RoleRevoked::TYPE),
        ("PersonLeft", event::PersonLeft::TYPE),
        ("PersonReturned", event::PersonReturned::TYPE),
        ("RoleRulesChosen", event::RoleRulesChosen::TYPE),
        ("AccessReviewOpened", event::AccessReviewOpened::TYPE),
        ("AccessReviewShown", event::AccessReviewShown::TYPE),
        ("AccessReviewReminded", event::AccessReviewReminded::TYPE),
        ("AccessReviewDecided", event::AccessReviewDecided::TYPE),
        ("AccessReviewEnforced", event::AccessReviewEnforced::TYPE),
        ("AccessReviewClosed", event::AccessReviewClosed::TYPE),
        ("WorkloadReadmitted", event::WorkloadReadmitted::TYPE),
        ("LogKeyRotated", event::LogKeyRotated::TYPE),
        ("SecondLogKeyChosen", event::SecondLogKeyChosen::TYPE),
        ("PolicyActivated", event::PolicyActivated::TYPE),
        ("RunStarted", event::RunStarted::TYPE),
        ("FindingsRecorded", event::FindingsRecorded::TYPE),
        ("EvidenceAttached", event::EvidenceAttached::TYPE),
        ("DecisionMade", event::DecisionMade::TYPE),
        ("CommitsClaimed", event::CommitsClaimed::TYPE),
        ("SuppressionGranted", event::SuppressionGranted::TYPE),
        ("ApprovalSigned", event::ApprovalSigned::TYPE),
        ("ActRefused", event::ActRefused::TYPE),
        ("GrantIssued", event::GrantIssued::TYPE),
        ("DeploymentStarted", event::DeploymentStarted::TYPE),
        ("DeploymentRecorded", event::DeploymentRecorded::TYPE),
        ("StorageProbed", event::StorageProbed::TYPE),
        ("AssessmentRecorded", event::AssessmentRecorded::TYPE),
        ("EvidencePackMade", event::EvidencePackMade::TYPE),
        ("PopulationSealed", event::PopulationSealed::TYPE),
        ("SampleDrawn", event::SampleDrawn::TYPE),
        ("SignedIn", event::SignedIn::TYPE),
        ("SignInRefused", event::SignInRefused::TYPE),
        ("SignedOut", event::SignedOut::TYPE),
        ("WorkloadAdmitted", event::WorkloadAdmitted::TYPE),
        ("EvidenceViewed", event::EvidenceViewed::TYPE),
        ("RunSubmitted", event::RunSubmitted::TYPE),
        ("VerdictDiffered", event::VerdictDiffered::TYPE),
        ("SnapshotTaken", event::SnapshotTaken::TYPE),
        ("DriftDetected", event::DriftDetected::TYPE),
        ("RetentionClassDefined", event::RetentionClassDefined::TYPE),
        ("RetentionDefaultChosen", event::RetentionDefaultChosen::TYPE),
        ("RetentionStarted", event::RetentionStarted::TYPE),
        ("RetentionExtended", event::RetentionExtended::TYPE),
        ("HoldPlaced", event::HoldPlaced::TYPE),
        ("HoldReleased", event::HoldReleased::TYPE),
        ("RecordsOfficerDesignated", event::RecordsOfficerDesignated::TYPE),
        ("RecordsOfficerRevoked", event::RecordsOfficerRevoked::TYPE),
        ("PayloadsDisposed", event::PayloadsDisposed::TYPE),
        ("DisposalCompleted", event::DisposalCompleted::TYPE),
        ("ErasureRequested", event::ErasureRequested::TYPE),
        ("SubjectErased", event::SubjectErased::TYPE),
        ("ApplicationRegistered", event::ApplicationRegistered::TYPE),
        ("ApplicationRetired", event::ApplicationRetired::TYPE),
        ("EnvironmentRegistered", event::EnvironmentRegistered::TYPE),
        ("EnvironmentRetired", event::EnvironmentRetired::TYPE),
        ("EnforcementActivated", event::EnforcementActivated::TYPE),
        ("EnforcementOverridden", event::EnforcementOverridden::TYPE),
        ("WaiverRequested", event::WaiverRequested::TYPE),
        ("WaiverGranted", event::WaiverGranted::TYPE),
        ("WaiverRejected", event::WaiverRejected::TYPE),
        ("WaiverRevoked", event::WaiverRevoked::TYPE),
        ("GateOwnersAssigned", event::GateOwnersAssigned::TYPE),
        ("GateAcknowledged", event::GateAcknowledged::TYPE),
        ("GateReviewed", event::GateReviewed::TYPE),
        ("ApprovalRulesActivated", event::ApprovalRulesActivated::TYPE),
        ("ApprovalRejected", event::ApprovalRejected::TYPE),
        ("ApprovalWithdrawn", event::ApprovalWithdrawn::TYPE),
        ("IssuersActivated", event::IssuersActivated::TYPE),
        ("WorkloadVerified", event::WorkloadVerified::TYPE),
        ("GrantRevoked", event::GrantRevoked::TYPE),
        ("EnvironmentFrozen", event::EnvironmentFrozen::TYPE),
        ("FreezeLifted", event::FreezeLifted::TYPE),
        ("WindowsSet", event::WindowsSet::TYPE),
        ("BreakGlassOpened", event::BreakGlassOpened::TYPE),
        ("BreakGlassClosed", event::BreakGlassClosed::TYPE),
        ("BreakGlassRatified", event::BreakGlassRatified::TYPE),
        ("BreakGlassReviewed", event::BreakGlassReviewed::TYPE),
        ("BreakGlassPaged", event::BreakGlassPaged::TYPE),
        ("NotificationStarted", event::NotificationStarted::TYPE),
        ("NotificationSent", event::NotificationSent::TYPE),
        ("NotificationFailed", event::NotificationFailed::TYPE),
        ("AuditOpened", event::AuditOpened::TYPE),
        ("AuditRequested", event::AuditRequested::TYPE),
        ("AuditAnswered", event::AuditAnswered::TYPE),
        ("AuditFollowedUp", event::AuditFollowedUp::TYPE),
        ("AuditRequestClosed", event::AuditRequestClosed::TYPE),
        ("AuditClosed", event::AuditClosed::TYPE),
        ("FurnishOpened", event::FurnishOpened::TYPE),
        ("FurnishDelivered", event::FurnishDelivered::TYPE),
        ("MockAuditDone", event::MockAuditDone::TYPE),
    ];
    assert_eq!(types.len() + 1, known.len(), "an event's type is not compared");
    for (kind, urn) in types {
        let row = table.iter().find(|(w, _)| w == kind).unwrap();
        assert!(row.1.contains(&format!("`{urn}`")), "{kind}: {urn}");
    }
    for namespace in act::NAMESPACES {
        assert!(text.contains(&format!("`{namespace}`")), "{namespace}");
    }
}

#[test]
fn every_fact_is_on_its_page() {
    let (text, rego) = (page("docs/reference/facts.md"), page("policies/lib/facts.rego"));
    let block = |start: &str| {
        let from = rego.split(start).nth(1).unwrap();
        from.split("\n}").next().unwrap().to_owned()
    };
    let keys = |block: &str| -> Vec<String> { block.split('"').skip(1).step_by(2).map(str::to_owned).collect() };
    // Keys and kinds alternate.
    let fields: BTreeSet<String> = keys(&block("fields := {")).into_iter().step_by(2).collect();
    let listed: BTreeSet<String> = rows(&text).into_iter().map(|(word, _)| word).collect();
    for field in &fields {
        assert!(listed.contains(field), "`{field}` is missing from the page");
    }
    for word in listed.iter().filter(|w| w.contains('/')) {
        assert!(fields.contains(word), "`{word}` is no fact");
    }
    for word in keys(&block("elements := {")).iter().filter(|w| !w.contains(' ')) {
        let kinds =
            ["text", "texts", "string", "count", "boolean", "digest", "status", "severity", "confidence", "state"];
        assert!(kinds.contains(&word.as_str()) || text.contains(&format!("`{word}`")), "`{word}` is missing");
    }
}

#[test]
fn every_key_of_the_configuration_is_on_its_page() {
    let text = page("docs/reference/configuration.md");
    let desk = Desk::new();
    for (section, prefix) in [
        ("", ""),
        ("[scan]\n", "scan."),
        ("[hooks]\n", "hooks."),
        ("[release]\n", "release."),
        ("[catalogue]\n", "catalogue."),
        ("[enforcement]\n", "enforcement."),
        ("[passkeys]\n", "passkeys."),
        ("[[enforcement.tighten]]\n", ""),
        ("[[scan.declare]]\n", ""),
    ] {
        std::fs::write(desk.path("countersign.toml"), format!("{section}qqqq = 1\n")).unwrap();
        let (code, _, err) = desk.countersign(&["scan", "."]);
        assert_eq!(code, 2, "{err}");
        let known = err.split("known here: ").nth(1).and_then(|k| k.lines().next()).unwrap_or_else(|| panic!("{err}"));
        for key in known.split(", ") {
            let name = format!("{prefix}{key}");
            let is_section = prefix.is_empty()
                && ["scan", "hooks", "release", "catalogue", "enforcement", "passkeys"].contains(&key);
            assert!(is_section || text.contains(&format!("| `{name}` |")), "`{name}` is missing from the page");
        }
    }
    // The example on the page is one that is accepted.
    let example = text.split("```toml\n").nth(1).and_then(|t| t.split("```").next()).unwrap();
    // `init` writes the salt, which is each repository's own and on no page.
    let example = example.replace("[scan]\n", &format!("[scan]\nsalt = \"{}\"\n", "5a".repeat(32)));
    std::fs::write(desk.path("countersign.toml"), example).unwrap();
    // It names a baseline, and one that is not there is an error.
    assert_eq!(desk.countersign(&["scan", "."]).0, 2);
    std::fs::write(desk.path("countersign-baseline.json"), r#"{"version":1,"findings":[]}"#).unwrap();
    assert_eq!(desk.said(&["scan", ".", "--format", "json"]).matches("\"findings\"").count(), 1);
}

#[test]
fn every_clock_and_every_finding_about_gates_is_in_the_guide() {
    let text = page("docs/guides/runbook.md");
    for c in countersign_govern::runbook::clocks::CLOCKS {
        let row = format!("| `{}` | {} | {} hours | {} |", c.id, c.what, c.hours, c.source);
        assert!(text.contains(&row), "{row}");
    }
    let lint = page("crates/govern/src/runbook/lint.rs");
    let code = lint.split("mod tests").next().unwrap();
    let mut codes: BTreeSet<&str> = code.split("say(").skip(1).filter_map(|s| s.split('"').nth(1)).collect();
    codes.insert("unacknowledged");
    assert!(codes.len() >= 9, "{codes:?}");
    for code in codes {
        assert!(text.contains(&format!("| `{code}` |")), "{code}");
    }
}

#[test]
fn every_role_has_a_word() {
    let (words, trust) = (page("docs/concepts/words.md"), page("docs/concepts/trust.md"));
    for role in Role::ALL {
        assert!(words.contains(role.as_str()), "{role}");
    }
    for line in trust.lines().filter(|l| l.contains("countersign-") && l.contains("@v1")) {
        assert!(act::NAMESPACES.iter().any(|n| line.contains(n)), "{line}");
    }
}

/// Codes of errors in a text.
fn codes(text: &str) -> BTreeSet<&str> {
    let is_code = |word: &&str| {
        word.strip_prefix("CS-").and_then(|w| w.split_once('-')).is_some_and(|(room, n)| {
            room.bytes().all(|b| b.is_ascii_uppercase()) && n.len() == 3 && n.bytes().all(|b| b.is_ascii_digit())
        })
    };
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').filter(is_code).collect()
}

#[test]
fn every_code_that_is_spoken_of_is_explained() {
    let desk = Desk::new();
    let list = desk.said(&["explain"]);
    let explained = codes(&list);
    let mut todo = vec![project().join("crates")];
    let mut files = pages();
    while let Some(dir) = todo.pop() {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("tests") && !path.ends_with("target") {
                todo.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                files.push(path);
            }
        }
    }
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let unknown: Vec<&str> = codes(&text).difference(&explained).copied().collect();
        assert!(unknown.is_empty(), "{}: {unknown:?}", file.display());
    }
}
