//! Azure Pipelines. Source: "Use predefined variables" of its documentation; a variable `Build.SourceVersion` is
//! `BUILD_SOURCEVERSION` for a process.

use super::{Ci, CiSystem, Variables, number, object_id, of_origin};

pub(super) fn read(read: &Variables<'_>) -> Option<Ci> {
    read("TF_BUILD").filter(|v| v.eq_ignore_ascii_case("true"))?;
    let project = read("SYSTEM_TEAMFOUNDATIONCOLLECTIONURI").zip(read("SYSTEM_TEAMPROJECT")).zip(read("BUILD_BUILDID"));
    Some(Ci {
        system: CiSystem::AzurePipelines,
        commit: object_id(read("BUILD_SOURCEVERSION")),
        base: of_origin(read("SYSTEM_PULLREQUEST_TARGETBRANCH")),
        reference: read("BUILD_SOURCEBRANCH"),
        run_url: project.map(|((server, project), build)| {
            let (server, project) = (server.trim_end_matches('/'), project.replace(' ', "%20"));
            format!("{server}/{project}/_build/results?buildId={build}")
        }),
        // Of a repository at GitHub the number, else the id, which is the number there.
        pull_request: number(
            read("SYSTEM_PULLREQUEST_PULLREQUESTNUMBER").or_else(|| read("SYSTEM_PULLREQUEST_PULLREQUESTID")),
        ),
        environment: read("ENVIRONMENT_NAME"),
        summary: None,
        token_request: None,
    })
}
