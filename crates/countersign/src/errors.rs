//! Errors of the command line itself, and one type for the errors of all rooms.

use std::path::{Path, PathBuf};

use countersign_model::{Diagnostic, Exit, Explanation, Place};

/// Any expected error, whichever room it comes from.
#[derive(Debug)]
pub(crate) struct Failure(pub(crate) Box<dyn Diagnostic>);

impl<E: Diagnostic> From<E> for Failure {
    fn from(e: E) -> Self {
        Self(Box::new(e))
    }
}

/// What a verb returns: the exit code of a tool that worked, or an expected error.
pub(crate) type Outcome = Result<Exit, Failure>;

/// What can be wrong with a command line, its configuration or its output.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum CliError {
    /// The configuration does not parse.
    #[error("the configuration cannot be read: {what}")]
    Config {
        /// Where.
        place: Place,
        /// What.
        what: String,
        /// What was probably meant.
        suggestion: Option<String>,
    },
    /// `notify.toml` does not parse, or says what cannot be.
    #[error("the channels cannot be used: {what}")]
    Channels {
        /// Where.
        place: Place,
        /// What.
        what: String,
        /// What was probably meant.
        suggestion: Option<String>,
    },
    /// A file cannot be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file cannot be written.
    #[error("cannot write `{}`", path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// What was asked for cannot be printed.
    #[error("cannot write the output")]
    Output {
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// No signing key was named and none is in the usual places.
    #[error("no signing key was named, and none is in the usual places")]
    NoKey,
    /// The public and the private key do not belong together.
    #[error("`{}` is not the private half of `{}`", key.display(), public.display())]
    KeyMismatch {
        /// The private key.
        key: PathBuf,
        /// The public key.
        public: PathBuf,
    },
    /// A question would have to be asked and nobody can answer.
    #[error("`init` asks before it writes, and nobody is at this terminal to answer")]
    Unattended,
    /// The user said no.
    #[error("nothing was done")]
    Declined,
    /// The demonstration went another way than its story.
    #[error("the demonstration went another way than its story, at `{typed}`: {what}")]
    Strayed {
        /// The command of the story.
        typed: String,
        /// What came of it.
        what: String,
    },
    /// A ledger that is no directory.
    #[error("`{ledger}` is no place that this command can use")]
    LedgerUrl {
        /// What was named.
        ledger: String,
    },
    /// No home directory.
    #[error("there is no home directory to keep keys and pins in")]
    NoHome,
    /// An unknown error code.
    #[error("there is no error code `{code}`")]
    NoSuchCode {
        /// What was asked for.
        code: String,
        /// What was probably meant.
        nearest: Option<&'static str>,
    },
    /// Nothing to scan.
    #[error("there is nothing to examine in `{}`", path.display())]
    NothingToScan {
        /// Where.
        path: PathBuf,
    },
    /// The grant file names no grant.
    #[error("`{}` names no grant", path.display())]
    NoGrantInFile {
        /// Which.
        path: PathBuf,
    },
    /// Not an evidence pack.
    #[error("only an evidence pack is evaluated again, and this is none")]
    NotAPack,
    /// What is to be trusted lies in what is to be verified.
    #[error("`{}` lies inside the ledger that it is to vouch for", path.display())]
    TrustInside {
        /// Which.
        path: PathBuf,
    },
    /// The deployment's command failed.
    #[error("the deployment failed: its command ended with {how}")]
    DeploymentFailed {
        /// How.
        how: String,
    },
    /// A baseline needs fingerprints that will be the same later.
    #[error("there is no salt yet, so a baseline's fingerprints would not be those of a later run")]
    NoSalt,
    /// The grant file is not the one that was issued.
    #[error("`{}` is not the grant that was issued under its id", path.display())]
    GrantAltered {
        /// Which.
        path: PathBuf,
    },
    /// The file holds no signed approval.
    #[error("`{}` holds no approval that `approve --out` wrote", path.display())]
    NoApprovalInFile {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: countersign_evidence::Error,
    },
    /// Somebody interrupted the deployment.
    #[error("the deployment was interrupted")]
    Interrupted,
    /// No rule is called this.
    #[error("there is no rule `{rule}`")]
    NoSuchRule {
        /// What was asked for.
        rule: String,
        /// What was probably meant.
        nearest: Option<String>,
    },
    /// No finding, or several, have this fingerprint or place.
    #[error("{found} findings are called `{finding}`")]
    NoSuchFinding {
        /// What was asked for.
        finding: String,
        /// How many there are.
        found: usize,
    },
    /// What an editor sent is no message.
    #[error("the editor's message cannot be read: {why}")]
    EditorMessage {
        /// What is wrong with it.
        why: String,
    },
    /// The editor went away.
    #[error("the editor closed the connection without `shutdown`")]
    EditorGone,
    /// A value on the command line makes no sense.
    #[error("{what}")]
    Usage {
        /// What.
        what: String,
        /// What to type instead.
        help: String,
    },
    /// A document could not be written as JSON.
    #[error("a document cannot be written as JSON")]
    Json {
        /// Why.
        #[source]
        source: serde_json::Error,
    },
}

impl CliError {
    /// A file's text.
    ///
    /// # Errors
    /// [`CliError::Read`].
    pub(crate) fn text_of(path: &Path) -> Result<String, Self> {
        std::fs::read_to_string(path).map_err(|source| Self::Read { path: path.to_owned(), source })
    }
}

impl Diagnostic for CliError {
    fn code(&self) -> &'static str {
        match self {
            Self::Config { .. } => "CS-CLI-001",
            Self::Read { .. } => "CS-CLI-002",
            Self::Write { .. } => "CS-CLI-003",
            Self::Output { .. } => "CS-CLI-004",
            Self::NoKey => "CS-CLI-005",
            Self::KeyMismatch { .. } => "CS-CLI-006",
            Self::Unattended => "CS-CLI-007",
            Self::Declined => "CS-CLI-008",
            Self::LedgerUrl { .. } => "CS-CLI-009",
            Self::NoHome => "CS-CLI-010",
            Self::NoSuchCode { .. } => "CS-CLI-011",
            Self::NothingToScan { .. } => "CS-CLI-012",
            Self::NoGrantInFile { .. } => "CS-CLI-013",
            Self::DeploymentFailed { .. } => "CS-CLI-014",
            Self::Usage { .. } => "CS-CLI-015",
            Self::Json { .. } => "CS-CLI-016",
            Self::TrustInside { .. } => "CS-CLI-017",
            Self::Interrupted => "CS-CLI-018",
            Self::NoSalt => "CS-CLI-019",
            Self::GrantAltered { .. } => "CS-CLI-020",
            Self::NoApprovalInFile { .. } => "CS-CLI-021",
            Self::NotAPack => "CS-CLI-022",
            Self::Strayed { .. } => "CS-CLI-023",
            Self::Channels { .. } => "CS-CLI-024",
            Self::EditorMessage { .. } => "CS-CLI-050",
            Self::EditorGone => "CS-CLI-051",
            Self::NoSuchRule { .. } => "CS-CLI-052",
            Self::NoSuchFinding { .. } => "CS-CLI-053",
        }
    }

    fn exit(&self) -> Exit {
        EXPLANATIONS.iter().find(|e| e.code == self.code()).map_or(Exit::Internal, |e| e.exit)
    }

    fn place(&self) -> Option<Place> {
        match self {
            Self::Config { place, .. } | Self::Channels { place, .. } => Some(place.clone()),
            Self::Read { path, .. }
            | Self::Write { path, .. }
            | Self::NoGrantInFile { path }
            | Self::TrustInside { path }
            | Self::GrantAltered { path }
            | Self::NoApprovalInFile { path, .. } => Some(Place::file(path.display().to_string())),
            _ => None,
        }
    }

    fn help(&self) -> String {
        match self {
            Self::Config { suggestion: Some(s), .. } => s.clone(),
            Self::Config { .. } => "`countersign init` writes a commented example where there is none".into(),
            Self::Channels { suggestion: Some(s), .. } => s.clone(),
            Self::Channels { .. } => {
                "docs/guides/notifications.md has every key; then: countersign notify --dry-run".into()
            }
            Self::Read { .. } => "check the path and its permissions".into(),
            Self::Write { path, .. } => format!("check that `{}` can be written", path.display()),
            Self::Output { .. } => "check where the output goes; what was recorded stays recorded".into(),
            Self::NoKey => "name one with --key FILE, or make one: ssh-keygen -t ed25519".into(),
            Self::KeyMismatch { .. } => "name the two halves of one key: --ssh-key FILE.pub --key FILE".into(),
            Self::Unattended => "say yes beforehand: countersign init --yes --ssh-key FILE.pub".into(),
            Self::Strayed { .. } => {
                "begin again in another directory: countersign demo DIR; git and ssh-keygen must be on the search path"
                    .into()
            }
            Self::Declined => "run it again when you are ready: countersign init".into(),
            Self::LedgerUrl { .. } => {
                "name a directory (--ledger DIR) or a database (--ledger postgres://USER@HOST/DB)".into()
            }
            Self::NoHome => "set COUNTERSIGN_DATA_DIR to a directory of yours".into(),
            Self::NoSuchCode { nearest: Some(n), .. } => format!("did you mean: countersign explain {n}"),
            Self::NoSuchCode { nearest: None, .. } => "list them all: countersign explain".into(),
            Self::NothingToScan { .. } => "name a file or a directory with files: countersign scan PATH".into(),
            Self::NoGrantInFile { .. } => "name the file that `countersign deploy RUN --env ENV` wrote".into(),
            Self::TrustInside { .. } => {
                "bring it from a machine that trusts the ledger: countersign trust export --out FILE".into()
            }
            Self::GrantAltered { .. } => {
                "use the file as it was written, or its id alone: countersign deploy --grant gra-… -- COMMAND".into()
            }
            Self::NotAPack => {
                "decisions of a ledger: countersign replay --all; a pack is a file: countersign audit pack".into()
            }
            Self::NoApprovalInFile { .. } => "ask for a new one: countersign approve RUN --as SLOT --out FILE".into(),
            Self::NoSalt => "make one first: countersign init (it writes `scan.salt` into countersign.toml)".into(),
            Self::Interrupted => {
                "look at what it left behind in the environment, then ask a release manager for another grant".into()
            }
            Self::DeploymentFailed { .. } => {
                "the failure is recorded; fix its cause, then ask a release manager for another grant".into()
            }
            Self::NoSuchRule { nearest: Some(rule), .. } => {
                format!("did you mean: countersign secrets explain {rule}")
            }
            Self::NoSuchRule { nearest: None, .. } => "docs/reference/rules.md lists all that are built in".into(),
            Self::NoSuchFinding { found: 0, .. } => {
                "see what there is: countersign scan . --format json (`fingerprint`), or name its place, PATH:LINE"
                    .into()
            }
            Self::NoSuchFinding { .. } => "write more of the fingerprint, or name the place: PATH:LINE:COLUMN".into(),
            Self::EditorMessage { .. } => {
                "start it from an editor, which speaks the Language Server Protocol: docs/guides/editors.md".into()
            }
            Self::EditorGone => "nothing to do when the editor was closed; else look into its log".into(),
            Self::Usage { help, .. } => help.clone(),
            Self::Json { .. } => "report this as a fault of countersign".into(),
        }
    }
}

/// The long texts behind [`CliError`]'s codes.
pub(crate) const EXPLANATIONS: &[Explanation] = &[
    Explanation {
        code: "CS-CLI-001",
        title: "the configuration cannot be read",
        text: "countersign.toml is read strictly: a key that is not known is an error, for a misspelt setting that is \
               silently ignored is a control that silently does not run.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-CLI-002",
        title: "a file cannot be read",
        text: "A file named on the command line or in the configuration is missing or not readable.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-CLI-003",
        title: "a file cannot be written",
        text: "A file that a command was to write cannot be written. What was recorded in the ledger stays recorded.",
        exit: Exit::Backend,
    },
    Explanation {
        code: "CS-CLI-004",
        title: "the output cannot be written",
        text: "Standard output is closed or full. Records come before output, so nothing is lost: the ledger has it.",
        exit: Exit::Internal,
    },
    Explanation {
        code: "CS-CLI-005",
        title: "no signing key",
        text: "Acts are signed with an SSH key: --key FILE, else COUNTERSIGN_KEY, else ~/.ssh/id_ed25519, \
               ~/.ssh/id_ecdsa, ~/.ssh/id_ed25519_sk or ~/.ssh/id_ecdsa_sk. A .pub file stands for the key of that \
               name in ssh-agent.",
        exit: Exit::Forbidden,
    },
    Explanation {
        code: "CS-CLI-006",
        title: "two different keys",
        text: "--ssh-key names the public key that is enrolled, --key the private key that signs. They must belong \
               together.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-CLI-007",
        title: "nobody to ask",
        text: "`init` shows what it is about to do and asks. In a script, say yes beforehand with --yes.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-CLI-008",
        title: "declined",
        text: "You answered no. Nothing was written.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-CLI-009",
        title: "not a place for this",
        text: "A ledger is kept in a directory or in a database (`postgres://…`). A bucket holds copies of one, which \
               `countersign verify s3://…` examines. Some commands, such as the exchange of the log's key, work on a \
               directory only.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-CLI-010",
        title: "no home directory",
        text: "Private keys and pins are kept in COUNTERSIGN_DATA_DIR, else in $XDG_DATA_HOME/countersign, else in \
               ~/.local/share/countersign. None of these can be told here.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-CLI-011",
        title: "no such code",
        text: "Codes look like CS-ROOM-NNN and are printed in brackets after `error`.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-CLI-012",
        title: "nothing to examine",
        text: "The path holds no file that could be looked at. Nothing found because nothing was there is not a pass.",
        exit: Exit::Nothing,
    },
    Explanation {
        code: "CS-CLI-013",
        title: "no grant in the file",
        text: "A grant file names a grant of the ledger (gra-…). This one does not.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-CLI-014",
        title: "the deployment failed",
        text: "The grant was redeemed and its command ended without success. The ledger says so; the environment \
               counts as not deployed to. A grant is good for one try.",
        exit: Exit::Internal,
    },
    Explanation {
        code: "CS-CLI-015",
        title: "wrong usage",
        text: "A value on the command line makes no sense there. `--help` shows what does.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-CLI-016",
        title: "not representable as JSON",
        text: "A document of the output could not be written as JSON. This is a fault of countersign.",
        exit: Exit::Internal,
    },
    Explanation {
        code: "CS-CLI-017",
        title: "a ledger cannot vouch for itself",
        text: "A forged ledger brings its own key along. What it is verified against has to come from somewhere else.",
        exit: Exit::Unverified,
    },
    Explanation {
        code: "CS-CLI-018",
        title: "the deployment was interrupted",
        text: "An interrupt ended the command. The ledger has the deployment as failed; the environment counts as not \
               deployed to, whatever the command had done by then.",
        exit: Exit::Interrupted,
    },
    Explanation {
        code: "CS-CLI-019",
        title: "no salt for a baseline",
        text: "A baseline names findings by fingerprints, which are keyed with the repository's salt so that nobody can \
               guess a value from one. The salt is `scan.salt` in countersign.toml (the same for every clone), else the \
               ledger's. There is neither yet.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-CLI-020",
        title: "an altered grant file",
        text: "The ledger is what permits a deployment, and the file carries a copy of what it holds. This copy was \
               changed, so nothing was started; the refusal was recorded.",
        exit: Exit::Unverified,
    },
    Explanation {
        code: "CS-CLI-021",
        title: "not an approval",
        text: "The file holds no signed approval, or one that was changed on its way. Nothing was imported.",
        exit: Exit::Unverified,
    },
    Explanation {
        code: "CS-CLI-022",
        title: "not an evidence pack",
        text: "`verify --re-evaluate` derives the documents of an evidence pack again. A ledger has none; its decisions are \
               computed again by `countersign replay`.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-CLI-023",
        title: "a demonstration went another way than its story",
        text: "`countersign demo` plays half a year of a firm by running real commands, each of which must end as the story says. One did \
               not: git or ssh-keygen is missing or refuses, the disk is full, or this is a fault of ours. What was played until \
               then is left where it is.",
        exit: Exit::Internal,
    },
    Explanation {
        code: "CS-CLI-024",
        title: "the channels cannot be used",
        text: "notify.toml, in the data directory or where --channels says, is read strictly: a key that is not known, or that a \
               channel of that kind does not have, is an error, for a message that is silently not sent is worse than a server \
               that does not start. Secrets are in files that only you can read, or in variables; where one is wrong, nothing of \
               it is repeated.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-CLI-050",
        title: "not a message of an editor",
        text: "`countersign lsp` reads messages of the Language Server Protocol from standard input: a header with \
               Content-Length, an empty line, JSON. What came is something else. What follows it cannot be understood, and \
               an edit that is missed would make every later answer wrong, so the server ends.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-CLI-051",
        title: "the editor is gone",
        text: "An editor ends a language server with `shutdown` and then `exit`. This one closed the connection, or said \
               `exit` alone. The protocol asks for exit code 1 then. Nothing is lost: the server keeps nothing.",
        exit: Exit::Internal,
    },
    Explanation {
        code: "CS-CLI-052",
        title: "no such rule",
        text: "No rule has this id. Rules are called `secrets/NAME`; the family may be left out, and an id under which another \
               tool knows the same check (`gitleaks:github-pat`) is understood. Rules of your own are named with --rules.",
        exit: Exit::Usage,
    },
    Explanation {
        code: "CS-CLI-053",
        title: "no such finding",
        text: "A finding is named by its fingerprint, or so much of its start that no other has it (six digits at least), or by its \
               place. Fingerprints are those of the whole repository; a finding that is suppressed or not is found all the \
               same, one in a file that git ignores is not.",
        exit: Exit::Usage,
    },
];

/// Every code of every room.
pub(crate) fn explanations() -> Vec<&'static Explanation> {
    let mut all: Vec<&'static Explanation> = [
        EXPLANATIONS,
        countersign_connect::EXPLANATIONS,
        countersign_connect::pkcs11::EXPLANATIONS,
        countersign_connect::witness::EXPLANATIONS,
        countersign_connect::login::EXPLANATIONS,
        countersign_connect::remote::EXPLANATIONS,
        countersign_connect::timestamp::EXPLANATIONS,
        countersign_connect::oidc::EXPLANATIONS,
        countersign_evidence::EXPLANATIONS,
        countersign_evidence::grant_token::EXPLANATIONS,
        countersign_evidence::pack::EXPLANATIONS,
        countersign_evidence::timestamp::EXPLANATIONS,
        countersign_evidence::jwt::EXPLANATIONS,
        countersign_evidence::webauthn::EXPLANATIONS,
        countersign_govern::EXPLANATIONS,
        countersign_govern::audit::EXPLANATIONS,
        countersign_govern::audit::threads::EXPLANATIONS,
        countersign_policy::EXPLANATIONS,
        countersign_scan::EXPLANATIONS,
        countersign_stages::build::submission::EXPLANATIONS,
        countersign_stages::operate::EXPLANATIONS,
        countersign_server::EXPLANATIONS,
        countersign_stages::EXPLANATIONS,
        countersign_stages::release::error::EXPLANATIONS,
        countersign_store::EXPLANATIONS,
        countersign_store::handed::EXPLANATIONS,
        countersign_store::installation::EXPLANATIONS,
        countersign_store::s3::EXPLANATIONS,
        countersign_store::postgres::EXPLANATIONS,
        countersign_store::session::EXPLANATIONS,
    ]
    .into_iter()
    .flatten()
    .collect();
    all.sort_by_key(|e| e.code);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_explained_once() {
        let all = explanations();
        for pair in all.windows(2) {
            assert_ne!(pair[0].code, pair[1].code, "explained twice");
        }
        for e in all {
            assert!(!e.text.is_empty() && !e.title.is_empty(), "{}", e.code);
        }
    }
}
