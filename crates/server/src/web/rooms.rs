//! Every page: where it is, what it answers, who may look, how it is limited for an auditor. The one table that routing, navigation and the tests of roles read.

use countersign_model::Role;

use super::layout::Page;
use super::look::Look;
use super::pages;
use crate::app::{Reach, Trouble};

/// A page.
pub(crate) struct Room {
    /// Its path; `{…}` stands for a part that differs.
    pub(crate) path: &'static str,
    /// Its name in the navigation; empty: it is reached from another page.
    pub(crate) name: &'static str,
    /// The question that it answers.
    pub(crate) question: &'static str,
    /// Who may look.
    pub(crate) roles: &'static [Role],
    /// How it is limited for an auditor.
    pub(crate) reach: Reach,
    /// Makes it.
    pub(crate) show: fn(&mut Look<'_>) -> Result<Page, Trouble>,
}

/// Whoever has a role.
pub(crate) const EVERYBODY: &[Role] = &[
    Role::Developer,
    Role::Engineer,
    Role::ReleaseManager,
    Role::SecurityOfficer,
    Role::ComplianceOfficer,
    Role::Auditor,
    Role::Administrator,
];

/// Whoever takes part, and so may ask for something; an auditor looks.
const PARTAKERS: &[Role] = &[
    Role::Developer,
    Role::Engineer,
    Role::ReleaseManager,
    Role::SecurityOfficer,
    Role::ComplianceOfficer,
    Role::Administrator,
];

/// Who answers for access and for audits.
pub(crate) const OFFICERS: &[Role] =
    &[Role::SecurityOfficer, Role::ComplianceOfficer, Role::Auditor, Role::Administrator];

const fn room(
    path: &'static str,
    name: &'static str,
    question: &'static str,
    roles: &'static [Role],
    reach: Reach,
    show: fn(&mut Look<'_>) -> Result<Page, Trouble>,
) -> Room {
    Room { path, name, question, roles, reach, show }
}

/// Every page, in the order of the navigation.
pub(crate) const ROOMS: &[Room] = &[
    room(
        "/",
        "Posture",
        "Are we compliant now, which way is it going, and what needs me?",
        EVERYBODY,
        Reach::List,
        pages::posture::show,
    ),
    room("/approvals", "Approvals", "What waits for my signature?", EVERYBODY, Reach::List, pages::approvals::list),
    room("/approvals/{run}/{slot}", "", "What exactly would I sign?", EVERYBODY, Reach::Run, pages::approvals::one),
    room("/passkeys", "", "With what do I sign in a browser?", EVERYBODY, Reach::Firm, pages::passkeys::show),
    room(
        "/passkeys/enrol",
        "",
        "Whose passkey is this, and do I answer for it?",
        pages::enrolment::ENROL,
        Reach::Firm,
        pages::enrolment::show,
    ),
    room(
        "/frameworks",
        "Frameworks",
        "Where do we stand with each regulation?",
        EVERYBODY,
        Reach::Firm,
        pages::frameworks::list,
    ),
    room(
        "/frameworks/{framework}",
        "",
        "What would the regulator see?",
        EVERYBODY,
        Reach::Firm,
        pages::frameworks::one,
    ),
    room(
        "/controls",
        "Controls",
        "Which controls work, and which do not?",
        EVERYBODY,
        Reach::Firm,
        pages::controls::list,
    ),
    room("/controls/{control}", "", "Did this control operate?", EVERYBODY, Reach::Firm, pages::controls::one),
    room(
        "/controls/{control}/population",
        "",
        "What exactly was it applied to?",
        EVERYBODY,
        Reach::List,
        pages::controls::population,
    ),
    room("/runs", "Runs", "What was judged, and what came of it?", EVERYBODY, Reach::List, pages::runs::show),
    room("/runs/{run}", "", "What is the whole story of this change?", EVERYBODY, Reach::Run, pages::run::show),
    room("/runs/{run}/reject", "", "What exactly would I say no to?", PARTAKERS, Reach::Run, pages::reject::show),
    room("/runs/{run}/withdraw", "", "What exactly would I take back?", PARTAKERS, Reach::Run, pages::withdraw::show),
    room("/findings", "Findings", "What should be fixed first?", EVERYBODY, Reach::List, pages::findings::list),
    room("/findings/waive", "", "How is a waiver of these asked for?", PARTAKERS, Reach::List, pages::findings::waive),
    room(
        "/findings/{fingerprint}",
        "",
        "What is this, where is it, and who let it stand?",
        EVERYBODY,
        Reach::List,
        pages::findings::one,
    ),
    room(
        "/deployments",
        "Deployments",
        "How often, how fast and how safely do we deliver?",
        EVERYBODY,
        Reach::List,
        pages::deployments::show,
    ),
    room(
        "/waivers",
        "Waivers",
        "What is let through all the same, by whom, and until when?",
        EVERYBODY,
        Reach::List,
        pages::waivers::show,
    ),
    room(
        "/waivers/{waiver}",
        "",
        "What is asked to be let through, what would it cover, and who decides?",
        EVERYBODY,
        Reach::Waiver,
        pages::waiver::show,
    ),
    room(
        "/waivers/{waiver}/renew",
        "",
        "Should it go on, and why still?",
        PARTAKERS,
        Reach::Waiver,
        pages::renewal::show,
    ),
    room(
        "/environments",
        "Environments",
        "What may be deployed where, and is anything owed?",
        EVERYBODY,
        Reach::List,
        pages::environments::list,
    ),
    room(
        "/environments/{environment}",
        "",
        "What runs there, and was it let through?",
        EVERYBODY,
        Reach::Environment,
        pages::environments::one,
    ),
    room(
        "/runbook",
        "Runbook",
        "Who answers for which gate, and within what time?",
        EVERYBODY,
        Reach::Firm,
        pages::runbook::show,
    ),
    room("/ledger", "Ledger", "Can I trust the record?", EVERYBODY, Reach::Firm, pages::ledger::show),
    room(
        "/ledger/{index}",
        "",
        "What does this entry say, and how is it proved?",
        EVERYBODY,
        Reach::Entry,
        pages::entry::show,
    ),
    room(
        "/populations/{index}",
        "",
        "What was sealed, and what does a seed choose from it?",
        OFFICERS,
        Reach::Population,
        pages::populations::show,
    ),
    room("/access", "Access", "Who can do what, and who came here?", OFFICERS, Reach::Firm, pages::access::show),
    room("/audits", "Audits", "What was asked, answered and taken away?", OFFICERS, Reach::List, pages::audits::list),
    room("/audits/{audit}/ask", "", "How do I ask for what I need?", OFFICERS, Reach::Audit, pages::requests::ask),
    room("/audits/{audit}/answer", "", "What do I answer?", pages::answers::ANSWER, Reach::Audit, pages::answers::show),
    room(
        "/audits/{audit}/close",
        "",
        "What exactly would I close?",
        pages::closing::CLOSE,
        Reach::Audit,
        pages::closing::show,
    ),
    room("/audits/{audit}", "", "How does this audit stand?", OFFICERS, Reach::Audit, pages::audits::one),
];

/// The page that a path pattern belongs to.
pub(crate) fn find(pattern: &str) -> Option<&'static Room> {
    ROOMS.iter().find(|room| room.path == pattern)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_has_a_path_of_its_own_and_a_question() {
        let mut paths: Vec<_> = ROOMS.iter().map(|r| r.path).collect();
        paths.sort_unstable();
        paths.dedup();
        assert_eq!(paths.len(), ROOMS.len());
        for room in ROOMS {
            assert!(room.question.ends_with('?') && !room.roles.is_empty(), "{}", room.path);
        }
    }
}
