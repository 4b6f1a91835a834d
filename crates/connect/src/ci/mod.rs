//! What a CI system says of itself in its variables: one file a system.
//!
//! Nothing of it is proved: whoever writes the pipeline can set any variable. It fills in what somebody would type by hand (the
//! commit to look for, the environment, a ticket), and is shown. What a workload *is* comes from its identity token.
//!
//! The variables are handed in by whoever may read the environment.

mod azure;
mod buildkite;
mod circleci;
mod github;
mod gitlab;
mod jenkins;

use std::fmt;
use std::path::PathBuf;

/// A CI system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CiSystem {
    /// GitHub Actions.
    GithubActions,
    /// GitLab CI.
    GitlabCi,
    /// Jenkins.
    Jenkins,
    /// Azure Pipelines.
    AzurePipelines,
    /// Buildkite.
    Buildkite,
    /// CircleCI.
    CircleCi,
}

impl CiSystem {
    /// The name that entries of issuers give to it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::GithubActions => "github-actions",
            Self::GitlabCi => "gitlab-ci",
            Self::Jenkins => "jenkins",
            Self::AzurePipelines => "azure-pipelines",
            Self::Buildkite => "buildkite",
            Self::CircleCi => "circleci",
        }
    }
}

impl fmt::Display for CiSystem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a job's variables say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ci {
    /// The system.
    pub system: CiSystem,
    /// The commit that was checked out, as an object id.
    pub commit: Option<String>,
    /// What the change is compared with: an object id, or a branch of the remote.
    pub base: Option<String>,
    /// The branch or tag.
    pub reference: Option<String>,
    /// Where the job is shown.
    pub run_url: Option<String>,
    /// The number of the pull or merge request.
    pub pull_request: Option<String>,
    /// The environment that the job deploys to.
    pub environment: Option<String>,
    /// A file whose markdown is shown beside the job.
    pub summary: Option<PathBuf>,
    /// Where GitHub hands out a token, and what to show there.
    pub token_request: Option<TokenRequest>,
}

/// How a job of GitHub Actions asks for its token.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenRequest {
    /// `ACTIONS_ID_TOKEN_REQUEST_URL`.
    pub url: String,
    /// `ACTIONS_ID_TOKEN_REQUEST_TOKEN`: a secret.
    pub bearer: String,
    /// `iss` of the tokens of this server.
    pub issuer: String,
}

impl fmt::Debug for TokenRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenRequest").field("url", &self.url).field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

/// Reads one variable; an empty one is none.
pub type Variables<'a> = dyn Fn(&str) -> Option<String> + 'a;

/// The system whose job this is, where it is one.
#[must_use]
pub fn detect(read: &Variables<'_>) -> Option<Ci> {
    [github::read, gitlab::read, azure::read, buildkite::read, circleci::read, jenkins::read]
        .into_iter()
        .find_map(|system| system(read))
}

/// An object id, SHA-1 or SHA-256, that is not all zeros.
fn object_id(text: Option<String>) -> Option<String> {
    let text = text?.to_ascii_lowercase();
    let hex = matches!(text.len(), 40 | 64) && text.bytes().all(|b| b.is_ascii_hexdigit());
    (hex && text.bytes().any(|b| b != b'0')).then_some(text)
}

fn number(text: Option<String>) -> Option<String> {
    text.filter(|t| t.len() <= 20 && t.bytes().all(|b| b.is_ascii_digit()))
}

/// A branch as the remote has it.
fn of_origin(branch: Option<String>) -> Option<String> {
    let branch = branch?;
    let name = branch.strip_prefix("refs/heads/").unwrap_or(&branch);
    let plain =
        !name.is_empty() && !name.starts_with('-') && !name.contains("..") && !name.chars().any(char::is_control);
    plain.then(|| format!("origin/{name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)]) -> Option<Ci> {
        detect(&|name| variables.iter().find(|(n, v)| *n == name && !v.is_empty()).map(|(_, v)| (*v).to_owned()))
    }

    const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

    #[test]
    fn a_machine_of_somebody_is_no_ci_system() {
        assert_eq!(of(&[("CI", "true"), ("GIT_COMMIT", COMMIT)]), None);
    }

    #[test]
    fn github_actions() {
        let ci = of(&[
            ("GITHUB_ACTIONS", "true"),
            ("GITHUB_SHA", COMMIT),
            ("GITHUB_REF", "refs/pull/12/merge"),
            ("GITHUB_BASE_REF", "main"),
            ("GITHUB_SERVER_URL", "https://github.com"),
            ("GITHUB_REPOSITORY", "acme/app"),
            ("GITHUB_RUN_ID", "99"),
            ("GITHUB_RUN_ATTEMPT", "2"),
            ("GITHUB_STEP_SUMMARY", "/tmp/summary"),
            ("ACTIONS_ID_TOKEN_REQUEST_URL", "https://pipelines.example/token?api-version=2.0"),
            ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "bearer"),
        ])
        .unwrap();
        assert_eq!((ci.system, ci.commit.as_deref()), (CiSystem::GithubActions, Some(COMMIT)));
        assert_eq!((ci.base.as_deref(), ci.pull_request.as_deref()), (Some("origin/main"), Some("12")));
        assert_eq!(ci.run_url.as_deref(), Some("https://github.com/acme/app/actions/runs/99/attempts/2"));
        let request = ci.token_request.unwrap();
        assert_eq!(request.issuer, "https://token.actions.githubusercontent.com");
        assert!(!format!("{request:?}").contains("bearer"), "a secret is not shown");
        let enterprise = of(&[
            ("GITHUB_ACTIONS", "true"),
            ("GITHUB_SERVER_URL", "https://ghes.example"),
            ("ACTIONS_ID_TOKEN_REQUEST_URL", "https://ghes.example/token"),
            ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "bearer"),
        ]);
        assert_eq!(enterprise.unwrap().token_request.unwrap().issuer, "https://ghes.example/_services/token");
    }

    #[test]
    fn gitlab_ci() {
        let ci = of(&[
            ("GITLAB_CI", "true"),
            ("CI_COMMIT_SHA", COMMIT),
            ("CI_COMMIT_REF_NAME", "feature"),
            ("CI_MERGE_REQUEST_DIFF_BASE_SHA", COMMIT),
            ("CI_MERGE_REQUEST_IID", "7"),
            ("CI_JOB_URL", "https://gitlab.example/a/b/-/jobs/1"),
            ("CI_ENVIRONMENT_NAME", "staging"),
        ])
        .unwrap();
        assert_eq!((ci.system, ci.pull_request.as_deref()), (CiSystem::GitlabCi, Some("7")));
        assert_eq!((ci.environment.as_deref(), ci.base.as_deref()), (Some("staging"), Some(COMMIT)));
    }

    #[test]
    fn azure_pipelines() {
        let ci = of(&[
            ("TF_BUILD", "True"),
            ("BUILD_SOURCEVERSION", COMMIT),
            ("BUILD_SOURCEBRANCH", "refs/pull/3/merge"),
            ("SYSTEM_PULLREQUEST_TARGETBRANCH", "refs/heads/main"),
            ("SYSTEM_PULLREQUEST_PULLREQUESTID", "3"),
            ("SYSTEM_TEAMFOUNDATIONCOLLECTIONURI", "https://dev.azure.com/acme/"),
            ("SYSTEM_TEAMPROJECT", "Trading Desk"),
            ("BUILD_BUILDID", "5"),
            ("ENVIRONMENT_NAME", "production"),
        ])
        .unwrap();
        assert_eq!((ci.base.as_deref(), ci.pull_request.as_deref()), (Some("origin/main"), Some("3")));
        assert_eq!(ci.run_url.as_deref(), Some("https://dev.azure.com/acme/Trading%20Desk/_build/results?buildId=5"));
        assert_eq!(ci.environment.as_deref(), Some("production"));
    }

    #[test]
    fn jenkins_buildkite_and_circleci() {
        let ci = of(&[
            ("JENKINS_URL", "https://jenkins.example/"),
            ("GIT_COMMIT", COMMIT),
            ("BRANCH_NAME", "PR-4"),
            ("CHANGE_ID", "4"),
            ("CHANGE_TARGET", "main"),
            ("BUILD_URL", "https://jenkins.example/job/a/1/"),
        ])
        .unwrap();
        assert_eq!((ci.system, ci.base.as_deref()), (CiSystem::Jenkins, Some("origin/main")));
        assert_eq!(ci.pull_request.as_deref(), Some("4"));
        let ci =
            of(&[("BUILDKITE", "true"), ("BUILDKITE_COMMIT", "HEAD"), ("BUILDKITE_PULL_REQUEST", "false")]).unwrap();
        assert_eq!((ci.commit, ci.pull_request), (None, None), "neither is one");
        let ci = of(&[
            ("CIRCLECI", "true"),
            ("CIRCLE_SHA1", COMMIT),
            ("CIRCLE_PULL_REQUEST", "https://github.com/acme/app/pull/8"),
        ])
        .unwrap();
        assert_eq!((ci.commit.as_deref(), ci.pull_request.as_deref()), (Some(COMMIT), Some("8")));
    }

    #[test]
    fn odd_values_are_none() {
        assert_eq!(object_id(Some("0".repeat(40))), None, "GitLab's word for: there was nothing before");
        assert_eq!(object_id(Some("--upload-pack=x".into())), None);
        for branch in ["--output=x", "a..b", "a\nb", "refs/heads/"] {
            assert_eq!(of_origin(Some(branch.into())), None, "{branch:?}");
        }
        assert_eq!(number(Some("12; rm".into())), None);
    }
}
