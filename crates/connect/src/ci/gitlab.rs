//! GitLab CI. Source: "Predefined CI/CD variables reference" of GitLab's documentation.

use super::{Ci, CiSystem, Variables, number, object_id};

pub(super) fn read(read: &Variables<'_>) -> Option<Ci> {
    read("GITLAB_CI").filter(|v| v == "true")?;
    Some(Ci {
        system: CiSystem::GitlabCi,
        commit: object_id(read("CI_COMMIT_SHA")),
        base: object_id(read("CI_MERGE_REQUEST_DIFF_BASE_SHA")),
        reference: read("CI_COMMIT_REF_NAME"),
        run_url: read("CI_JOB_URL"),
        pull_request: number(read("CI_MERGE_REQUEST_IID")),
        environment: read("CI_ENVIRONMENT_NAME"),
        summary: None,
        token_request: None,
    })
}
