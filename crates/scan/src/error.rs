//! What can go wrong in this room, with stable codes.

use std::io;
use std::path::PathBuf;

use countersign_model::{Diagnostic, Exit, Place};

/// An expected error of the scan room.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The directory or file to scan cannot be opened.
    #[error("cannot look at `{}`", root.display())]
    Root {
        /// What was to be scanned.
        root: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A rule file is not the YAML that a rule file must be.
    #[error("the rule file `{file}` cannot be read as a rule")]
    RuleSyntax {
        /// The rule file.
        file: String,
        /// Its line, from 1, where known.
        line: Option<u32>,
        /// Its column, from 1, where known.
        column: Option<u32>,
        /// What the reader said.
        #[source]
        source: Box<serde_saphyr::Error>,
    },
    /// A rule file of another tool cannot be read.
    #[error("the rule file `{file}` cannot be read as rules of another tool: {why}")]
    ForeignSyntax {
        /// The rule file.
        file: String,
        /// Its line, from 1, where known.
        line: Option<u32>,
        /// What the reader said.
        why: String,
    },
    /// A rule file has a key that no rule has.
    #[error("unknown key `{key}` in the rule file `{file}`")]
    RuleKey {
        /// The rule file.
        file: String,
        /// Its line, from 1, where known.
        line: Option<u32>,
        /// Its column, from 1, where known.
        column: Option<u32>,
        /// The key as written.
        key: String,
        /// The known key that looks most like it.
        nearest: Option<&'static str>,
    },
    /// A rule file is well-formed, and what it says makes no rule.
    #[error("the rule `{id}` in `{file}` does not hold: {why}")]
    RuleContent {
        /// The rule file.
        file: String,
        /// The line of the key that is to blame, where known.
        line: Option<u32>,
        /// The rule's id.
        id: String,
        /// What is wrong with it.
        why: String,
    },
    /// Two rules have one id.
    #[error("the rule id `{id}` stands in two files: `{first}` and `{second}`")]
    RuleTwice {
        /// The id.
        id: String,
        /// The file that was read first.
        first: String,
        /// The other.
        second: String,
    },
    /// A rule file or directory cannot be read.
    #[error("cannot read rules from `{}`", path.display())]
    RulePath {
        /// The file or directory.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The rules together make no searchable set.
    #[error("the keywords of {rules} rules cannot be built into one search")]
    RuleSearch {
        /// How many rules there are.
        rules: usize,
        /// What the builder said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A glob of a declaration is malformed.
    #[error("the {what} `{glob}` of a declared suppression is no glob")]
    Glob {
        /// `path` or `rule`.
        what: &'static str,
        /// The glob as written.
        glob: String,
        /// What the parser said.
        #[source]
        source: globset::Error,
    },
    /// The baseline file cannot be read.
    #[error("cannot read the baseline `{}`", file.display())]
    BaselineRead {
        /// The baseline file.
        file: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The baseline file is no baseline.
    #[error("the baseline `{}` is broken", file.display())]
    BaselineSyntax {
        /// The baseline file.
        file: PathBuf,
        /// What the parser said.
        #[source]
        source: serde_json::Error,
    },
    /// A line or an entry of another tool's baseline is not what it must be.
    #[error("the baseline `{}` is broken: {why}", file.display())]
    BaselineLine {
        /// The baseline file.
        file: PathBuf,
        /// Its line, from 1, where known.
        line: Option<u32>,
        /// What is wrong.
        why: String,
    },
    /// The baseline file is of a version this program does not know.
    #[error("the baseline `{}` has version {version}; this program reads version 1", file.display())]
    BaselineVersion {
        /// The baseline file.
        file: PathBuf,
        /// The version it names.
        version: u64,
    },
    /// The baseline file cannot be written.
    #[error("cannot write the baseline `{}`", file.display())]
    BaselineWrite {
        /// The baseline file.
        file: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A report of another tool is not of its format.
    #[error("the report `{file}` cannot be read as {format}: {why}")]
    Report {
        /// The report.
        file: String,
        /// The format.
        format: &'static str,
        /// Its line, from 1, where known.
        line: Option<u32>,
        /// Its column, from 1, where known.
        column: Option<u32>,
        /// What is wrong. It quotes nothing of the report.
        why: String,
    },
    /// A report of another tool is larger than what is read.
    #[error("the report `{file}` has more than {what}")]
    ReportTooLarge {
        /// The report.
        file: String,
        /// The limit.
        what: String,
    },
    /// There is no such format of reports.
    #[error("there is no format of reports `{format}`")]
    ReportFormat {
        /// What was named.
        format: String,
        /// Those there are.
        known: String,
    },
    /// A mapping to controls is malformed.
    #[error("the mapping to controls does not hold: {why}")]
    Mapping {
        /// The file it stands in.
        file: String,
        /// What is wrong.
        why: String,
    },
    /// The cache cannot be written. The scan's answer stands; the next one is slower.
    #[error("cannot write the scan cache `{}`", file.display())]
    CacheWrite {
        /// The cache file.
        file: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// There are so many matches that they are no answer.
    #[error("more than {limit} matches in one scan")]
    TooMany {
        /// How many would have been kept.
        limit: usize,
    },
    /// The built-in data about references is broken.
    #[error("the built-in `references.toml` is broken: {why}")]
    References {
        /// What the reader said.
        why: String,
    },
    /// Another room's source of files failed; its own code, place and help are passed on.
    #[error(transparent)]
    Source(SourceError),
}

/// The error of a [`crate::Source`] that lives in another room.
#[derive(Debug)]
pub struct SourceError(Box<dyn Diagnostic>);

impl std::fmt::Display for SourceError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for SourceError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source()
    }
}

impl Error {
    /// Wraps the error of a [`crate::Source`] that is implemented in another room.
    pub fn source(error: impl Diagnostic) -> Self {
        Self::Source(SourceError(Box::new(error)))
    }
}

impl Diagnostic for Error {
    fn code(&self) -> &'static str {
        match self {
            Self::Root { .. } => "CS-SCAN-001",
            Self::RuleSyntax { .. } => "CS-SCAN-002",
            Self::RuleKey { .. } => "CS-SCAN-003",
            Self::RuleContent { .. } => "CS-SCAN-004",
            Self::RuleTwice { .. } => "CS-SCAN-005",
            Self::RulePath { .. } => "CS-SCAN-006",
            Self::RuleSearch { .. } => "CS-SCAN-007",
            Self::Glob { .. } => "CS-SCAN-008",
            Self::BaselineRead { .. } => "CS-SCAN-009",
            Self::BaselineSyntax { .. } | Self::BaselineVersion { .. } | Self::BaselineLine { .. } => "CS-SCAN-010",
            Self::BaselineWrite { .. } => "CS-SCAN-011",
            Self::CacheWrite { .. } => "CS-SCAN-012",
            Self::TooMany { .. } => "CS-SCAN-014",
            Self::ForeignSyntax { .. } => "CS-SCAN-030",
            Self::References { .. } => "CS-SCAN-060",
            Self::Report { .. } => "CS-SCAN-040",
            Self::ReportTooLarge { .. } => "CS-SCAN-041",
            Self::ReportFormat { .. } => "CS-SCAN-042",
            Self::Mapping { .. } => "CS-SCAN-043",
            Self::Source(inner) => inner.0.code(),
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::RuleSearch { .. } | Self::References { .. } => Exit::Internal,
            Self::BaselineWrite { .. } | Self::CacheWrite { .. } => Exit::Backend,
            Self::TooMany { .. } | Self::ReportTooLarge { .. } => Exit::Incomplete,
            Self::Source(inner) => inner.0.exit(),
            _ => Exit::Usage,
        }
    }

    fn place(&self) -> Option<Place> {
        match self {
            Self::RuleSyntax { file, line, column, .. } | Self::RuleKey { file, line, column, .. } => {
                Some(Place { file: file.clone(), line: *line, column: *column })
            }
            Self::RuleContent { file, line, .. } | Self::ForeignSyntax { file, line, .. } => {
                Some(Place { file: file.clone(), line: *line, column: None })
            }
            Self::RuleTwice { second, .. } => Some(Place::file(second.clone())),
            Self::BaselineSyntax { file, source } => Some(Place {
                file: file.display().to_string(),
                line: u32::try_from(source.line()).ok().filter(|l| *l > 0),
                column: u32::try_from(source.column()).ok().filter(|c| *c > 0),
            }),
            Self::Report { file, line, column, .. } => Some(Place { file: file.clone(), line: *line, column: *column }),
            Self::ReportTooLarge { file, .. } | Self::Mapping { file, .. } => Some(Place::file(file.clone())),
            Self::BaselineLine { file, line, .. } => {
                Some(Place { file: file.display().to_string(), line: *line, column: None })
            }
            Self::BaselineVersion { file, .. } => Some(Place::file(file.display().to_string())),
            Self::Source(inner) => inner.0.place(),
            _ => None,
        }
    }

    fn help(&self) -> String {
        match self {
            Self::Root { .. } => "name a file or directory that exists and is readable: `countersign scan PATH`".into(),
            Self::RuleSyntax { .. } => "correct the line; `rules/README.md` shows a whole rule file".into(),
            Self::ForeignSyntax { .. } => {
                "correct the line, or check the file with the tool that it is for; `rules/README.md` says what is read"
                    .into()
            }
            Self::RuleKey { nearest: Some(key), .. } => format!("did you mean `{key}`?"),
            Self::RuleKey { nearest: None, .. } => {
                "remove the key; `rules/README.md` lists those a rule may have".into()
            }
            Self::RuleContent { .. } => "correct the rule; `rules/README.md` says what each key means".into(),
            Self::RuleTwice { .. } => {
                "give one of the two another id; the id is the path under the rule directory".into()
            }
            Self::RulePath { path, .. } => format!("check that it exists and may be read: `ls -l {}`", path.display()),
            Self::RuleSearch { .. } => "load fewer rule directories with `--rules`".into(),
            Self::Glob { .. } => {
                "correct the glob in `countersign.toml`; `**` crosses directories, `*` does not".into()
            }
            Self::BaselineRead { .. } => "write one with `countersign scan --write-baseline FILE`".into(),
            Self::BaselineSyntax { .. } | Self::BaselineVersion { .. } => {
                "write it anew with `countersign scan --write-baseline FILE`".into()
            }
            Self::BaselineLine { .. } => {
                "correct it; `.gitleaksignore` has `file:rule:line` a line, `detect-secrets scan` writes the other form"
                    .into()
            }
            Self::Report { .. } => {
                "have the tool write it again; to attach it unread, as any other file: countersign record --unread FILE"
                    .into()
            }
            Self::ReportTooLarge { .. } => {
                "let the tool report on parts of the tree, and record each: countersign record FILE FILE".into()
            }
            Self::ReportFormat { known, .. } => format!("name one of: {known}"),
            Self::Mapping { .. } => "correct it; docs/guides/other-tools.md shows a mapping".into(),
            Self::BaselineWrite { .. } => "name a file in a directory you may write to".into(),
            Self::CacheWrite { .. } => {
                "make the directory writable, or name another one with COUNTERSIGN_DATA_DIR; the scan itself is whole"
                    .into()
            }
            Self::TooMany { .. } => {
                "scan parts of the tree one by one, and begin where the data is: `countersign scan DIR`".into()
            }
            Self::References { .. } => "report this as a fault of countersign".into(),
            Self::Source(inner) => inner.0.help(),
        }
    }
}

/// The scan cache was there and could not be used. It is ignored and built anew; the scan is slower, never different.
#[derive(Debug, thiserror::Error)]
#[error("the scan cache `{}` is not used: {why}", file.display())]
pub struct CacheWarning {
    /// The cache file.
    pub file: PathBuf,
    /// What is wrong with it.
    pub why: String,
}

impl Diagnostic for CacheWarning {
    fn code(&self) -> &'static str {
        "CS-SCAN-013"
    }
    fn exit(&self) -> Exit {
        Exit::Pass
    }
    fn place(&self) -> Option<Place> {
        Some(Place::file(self.file.display().to_string()))
    }
    fn help(&self) -> String {
        "nothing to do: it is rebuilt by this scan; when it happens again, check the disk".into()
    }
}
