//! Buildkite. Source: "Environment variables" of its documentation.

use super::{Ci, CiSystem, Variables, number, object_id, of_origin};

pub(super) fn read(read: &Variables<'_>) -> Option<Ci> {
    read("BUILDKITE").filter(|v| v == "true")?;
    Some(Ci {
        system: CiSystem::Buildkite,
        // `HEAD` until the agent has checked out.
        commit: object_id(read("BUILDKITE_COMMIT")),
        base: of_origin(read("BUILDKITE_PULL_REQUEST_BASE_BRANCH")),
        reference: read("BUILDKITE_BRANCH"),
        run_url: read("BUILDKITE_BUILD_URL"),
        // `false` where there is none.
        pull_request: number(read("BUILDKITE_PULL_REQUEST")),
        environment: None,
        summary: None,
        token_request: None,
    })
}
