//! Files that define a pipeline: who changes them changes what judges the change.

use std::collections::BTreeSet;

use super::repository::Repository;
use super::tree::{TreeEntry, TreeFile, records};
use crate::Error;

/// Folders whose every file counts.
const FOLDERS: [&str; 11] = [
    ".github/workflows/",
    ".github/actions/",
    ".gitlab/ci/",
    ".gitlab-ci/",
    ".circleci/",
    ".buildkite/",
    ".ci/",
    ".woodpecker/",
    ".tekton/",
    ".forgejo/workflows/",
    ".gitea/workflows/",
];

/// Files at the top.
const FILES: [&str; 11] = [
    ".gitlab-ci.yml",
    ".gitlab-ci.yaml",
    "bitbucket-pipelines.yml",
    "bitbucket-pipelines.yaml",
    ".drone.yml",
    ".drone.yaml",
    ".woodpecker.yml",
    ".woodpecker.yaml",
    ".travis.yml",
    "cloudbuild.yaml",
    "cloudbuild.yml",
];

/// Beginnings of file names, in any folder.
const NAMES: [&str; 2] = ["Jenkinsfile", "azure-pipelines"];

/// Whether the file at `path` (raw bytes, as in the tree) defines a pipeline, by its place.
#[must_use]
pub fn is_pipeline_file(path: &[u8]) -> bool {
    let name = path.rsplit(|b| *b == b'/').next().unwrap_or(path);
    FOLDERS.iter().any(|folder| path.starts_with(folder.as_bytes()))
        || FILES.iter().any(|file| path == file.as_bytes())
        || NAMES.iter().any(|beginning| name.starts_with(beginning.as_bytes()))
}

/// What a commit touches that judges changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judging {
    /// Files that define a pipeline, as [`is_pipeline_file`] tells.
    Pipeline,
    /// Sources of policies: Rego.
    Policy,
}

impl Judging {
    /// Whether the file at `path` is one.
    #[must_use]
    pub fn is_at(self, path: &[u8]) -> bool {
        match self {
            Self::Pipeline => is_pipeline_file(path),
            Self::Policy => path.ends_with(b".rego"),
        }
    }

    fn pathspecs(self) -> Vec<String> {
        match self {
            Self::Pipeline => {
                let folders = FOLDERS.iter().map(|folder| format!(":(glob){folder}**"));
                let files = FILES.iter().map(|file| format!(":(glob){file}"));
                folders.chain(files).chain(NAMES.iter().map(|name| format!(":(glob)**/{name}*"))).collect()
            }
            Self::Policy => vec![":(glob)**/*.rego".to_owned()],
        }
    }
}

const WHAT: &str = "list commits that touch some files";

impl Repository {
    /// The commits that `head` has and `base` has not which touch such files. A merge counts where it differs from every parent.
    ///
    /// # Errors
    /// [`Error::UnknownRevision`]; [`Error::GitAnswer`] when git says something else than commits.
    pub fn commits_touching(&self, base: Option<&str>, head: &str, what: Judging) -> Result<BTreeSet<String>, Error> {
        let head = self.resolve(head)?;
        let base = base.map(|base| self.resolve(base)).transpose()?;
        let mut command = self.command();
        command.args([
            "log",
            "-z",
            "--no-show-signature",
            "--no-patch",
            "--full-history",
            "--format=tformat:%H",
            &head,
        ]);
        command.args(base.map(|id| format!("^{id}"))).arg("--").args(what.pathspecs());
        let mut commits = BTreeSet::new();
        records(&mut command, WHAT, |record, _| {
            let id = std::str::from_utf8(record).ok().filter(|id| self.is_id(id));
            commits.insert(id.ok_or(Error::GitAnswer { what: WHAT })?.to_owned());
            Ok(())
        })?;
        Ok(commits)
    }
    /// The files of `commit` that define a pipeline, in git's order. A link counts by its own content, the path it
    /// leads to.
    ///
    /// # Errors
    /// Those of [`Repository::tree`].
    pub fn pipeline_files(&self, commit: &str) -> Result<Vec<TreeFile>, Error> {
        let mut files = Vec::new();
        self.each_entry(commit, |entry| {
            if let TreeEntry::File(file) | TreeEntry::Link(file) = entry
                && is_pipeline_file(file.path.as_bytes())
            {
                files.push(file);
            }
        })?;
        Ok(files)
    }
}

#[cfg(test)]
mod tests {
    use super::is_pipeline_file;

    #[test]
    fn pipelines_are_found_by_their_place() {
        for path in [
            ".github/workflows/ci.yml",
            ".github/actions/build/action.yml",
            ".gitlab-ci.yml",
            "Jenkinsfile",
            "ci/Jenkinsfile.release",
            "azure-pipelines.yml",
            ".azure/azure-pipelines-nightly.yaml",
            ".circleci/config.yml",
            ".buildkite/pipeline.yml",
            ".ci/steps/build.sh",
        ] {
            assert!(is_pipeline_file(path.as_bytes()), "{path}");
        }
        for path in ["countersign.toml", "src/main.rs", ".github/CODEOWNERS", "docs/.gitlab-ci.yml", "ci.yml", ""] {
            assert!(!is_pipeline_file(path.as_bytes()), "{path}");
        }
    }
}
