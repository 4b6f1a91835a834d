//! Jenkins, with the plugins for Git and for pipelines of many branches. Source: "Using environment variables" of the handbook,
//! and what a server lists at `/env-vars.html`.

use super::{Ci, CiSystem, Variables, number, object_id, of_origin};

pub(super) fn read(read: &Variables<'_>) -> Option<Ci> {
    read("JENKINS_URL")?;
    Some(Ci {
        system: CiSystem::Jenkins,
        commit: object_id(read("GIT_COMMIT")),
        base: of_origin(read("CHANGE_TARGET")),
        reference: read("BRANCH_NAME").or_else(|| read("GIT_BRANCH")),
        run_url: read("BUILD_URL"),
        pull_request: number(read("CHANGE_ID")),
        environment: None,
        summary: None,
        token_request: None,
    })
}
