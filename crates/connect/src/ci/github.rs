//! GitHub Actions, and servers of GitHub Enterprise. Source: "Variables reference" and "OpenID Connect reference" of GitHub's
//! documentation.

use super::{Ci, CiSystem, TokenRequest, Variables, number, object_id, of_origin};

/// `iss` of the tokens that github.com hands out; a server of one's own has its own.
const ISSUER: &str = "https://token.actions.githubusercontent.com";

pub(super) fn read(read: &Variables<'_>) -> Option<Ci> {
    read("GITHUB_ACTIONS").filter(|v| v == "true")?;
    let server = read("GITHUB_SERVER_URL").unwrap_or_else(|| "https://github.com".to_owned());
    let reference = read("GITHUB_REF");
    let pull = reference.as_deref().and_then(|r| r.strip_prefix("refs/pull/")?.split('/').next().map(str::to_owned));
    let run_url = read("GITHUB_REPOSITORY").zip(read("GITHUB_RUN_ID")).map(|(repository, run)| {
        let attempt = read("GITHUB_RUN_ATTEMPT").map(|n| format!("/attempts/{n}")).unwrap_or_default();
        format!("{server}/{repository}/actions/runs/{run}{attempt}")
    });
    let request = read("ACTIONS_ID_TOKEN_REQUEST_URL").zip(read("ACTIONS_ID_TOKEN_REQUEST_TOKEN"));
    let issuer = match server.as_str() {
        "https://github.com" => ISSUER.to_owned(),
        own => format!("{own}/_services/token"),
    };
    Some(Ci {
        system: CiSystem::GithubActions,
        commit: object_id(read("GITHUB_SHA")),
        base: of_origin(read("GITHUB_BASE_REF")),
        reference,
        run_url,
        pull_request: number(pull),
        environment: None,
        summary: read("GITHUB_STEP_SUMMARY").map(Into::into),
        token_request: request.map(|(url, bearer)| TokenRequest { url, bearer, issuer }),
    })
}
