//! The shipped controls, and the verdicts that name them.

use countersign_policy::Catalogue;

#[test]
fn shipped_controls_are_read_and_complete() {
    let catalogue = Catalogue::shipped().unwrap();
    let wanted = [
        "change-is-attributed",
        "change-is-documented",
        "deployment-is-authorised",
        "dual-approval",
        "evidence-is-immutable",
        "policy-in-effect",
        "reports-delivered",
        "scan-is-complete",
        "secrets-out-of-source",
        "segregation-of-duties",
        "suppressions-granted",
        "trust-is-rooted",
        "weaknesses-corrected",
    ];
    for id in wanted {
        let control = catalogue.get(id).unwrap_or_else(|| panic!("controls/{id}.yaml is missing"));
        assert!(!control.requirements.is_empty(), "{id} meets no requirement");
    }
}
