//! CircleCI. Source: "Project values and variables" of its documentation.

use super::{Ci, CiSystem, Variables, number, object_id};

pub(super) fn read(read: &Variables<'_>) -> Option<Ci> {
    read("CIRCLECI").filter(|v| v == "true")?;
    let pull = read("CIRCLE_PULL_REQUEST").and_then(|url| url.rsplit('/').next().map(str::to_owned));
    Some(Ci {
        system: CiSystem::CircleCi,
        commit: object_id(read("CIRCLE_SHA1")),
        base: None,
        reference: read("CIRCLE_BRANCH").or_else(|| read("CIRCLE_TAG")),
        run_url: read("CIRCLE_BUILD_URL"),
        pull_request: number(pull),
        environment: None,
        summary: None,
        token_request: None,
    })
}
